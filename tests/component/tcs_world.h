#pragma once
/* tcs_world: an agent with something to tell, and a run that lasts until the script of the
 * telemetry peer has come to its end. Include it in one file of a program, after cmocka. */
#include <stdatomic.h>

#include "component/control_world.h"
#include "component/tcs_frames.h"
#include "control/tcs.h"

/* ---- what there is to tell ---- */

static struct {
    bool watched;
    size_t measured; /* tasks */
    size_t health;   /* tasks */
    int padding;     /* of each task */
    bool numbered;   /* the first task has the number of its gathering */
    size_t n_gathered;
    int n_checks;
    struct loop_timer *answer; /* of the check */
} machine;
static atomic_bool done;    /* the script of the telemetry peer came to its end */
static const char *awaited; /* once the status says this, the telemetry peer may go on */

static void add_tasks(size_t first, size_t n, tcs_task_fn *add, void *tcs)
{
    for (size_t i = first; i < first + n; i++) {
        AUTO(str)
        char *task = mem_printf("{\"taskArn\":\"task-%zu\",\"x\":\"%0*d\"}", i, machine.padding, 0);

        add(tcs, str_of(task));
    }
}

static bool give_metrics(void *user, tcs_task_fn *add, void *tcs)
{
    (void)user;
    machine.n_gathered++;
    add_tasks(machine.numbered ? machine.n_gathered : 0, machine.measured, add, tcs);
    return machine.watched;
}

static void give_health(void *user, tcs_task_fn *add, void *tcs)
{
    (void)user;
    add_tasks(0, machine.health, add, tcs);
}

/* The engine is well at the first check only. */
static void on_answer(void *user)
{
    struct fixture *f = user;

    control_runtime_checked(f->control, machine.n_checks == 1);
}

static void check_runtime(void *user)
{
    (void)user;
    machine.n_checks++;
    loop_timer_arm(machine.answer, 0);
}

static const struct tcs_source source = { give_metrics, give_health, check_runtime };

/* ---- the run of a test ---- */

static void on_poll(void *user)
{
    struct fixture *f = user;

    if (awaited && status_says(f, awaited)) {
        awaited = NULL;
        peer_go(f->telemetry);
    }
    if (atomic_load(&done))
        loop_stop(f->loop);
    else
        loop_timer_arm(f->poll, 1);
}

static void begin(struct fixture *f)
{
    set_up(f);
    memset(&machine, 0, sizeof machine);
    atomic_store(&done, false);
    awaited = NULL;
    f->source = &source;
    f->timing.session = (struct backoff_rule){ LONG_MS, 100, LONG_MS, 0 };
    f->timing.gather_ms = f->timing.status_ms = LONG_MS;
    f->poll = loop_timer_create(f->loop, on_poll, f);
    loop_timer_arm(f->poll, 0);
    machine.answer = loop_timer_create(f->loop, on_answer, f);
}

static UNUSED void end(struct fixture *f)
{
    loop_timer_destroy(machine.answer);
    tear_down(f);
}

static UNUSED void finish(struct fixture *f)
{
    run(f);
    end(f);
}

#define CHECK(p, condition)                         \
    do {                                            \
        if (!(condition))                           \
            peer_fail(p, "not so: %s", #condition); \
    } while (0)
