/* bench_core: what one event costs the core (core_step and freeing its actions) while
 * 100 tasks run, and while 10,000 do. An event concerns one task, so the two should be
 * alike; the target is within twice.
 *
 * Both worlds are driven in turn, a repetition each, and medians are compared: what
 * else the machine does meanwhile touches both. What the driver itself does between the
 * events (answering operations, preparing payloads) is not measured.
 *
 * An event of any of the tasks meets memory that was not touched for long when they are
 * many; so that this alone does not count, the caches are cleared for both before it.
 *
 * Events that are lists by nature (every container there is, a manifest of every task)
 * cost by their length and are not in the table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/rng.h"
#include "core/core.h"

#define SMALL       100
#define LARGE       10000
#define REPETITIONS 400
#define WARM_UP     20
#define N_CTRS      2
#define CLEANUP_MS  6000 /* longer than a payload may be on its way */
#define CACHES      (64 << 20)
#define PREFIX      "arn:aws:ecs:us-west-2:123456789012:task/bench/"

enum phase {
    PHASE_PAYLOAD,
    PHASE_STARTING,
    PHASE_RUNNING_REPORT,
    PHASE_HEALTH,
    PHASE_DIED,
    PHASE_STOPPED_REPORT,
    PHASE_TIMER,
    PHASE_CLEANUP,
    PHASE_IDLE_TIMER,
    PHASE_CONTROL_UP,
    PHASE__COUNT
};

static const char *const phase_names[] = {
    [PHASE_PAYLOAD] = "payload of one new task",
    [PHASE_STARTING] = "answers until it runs",
    [PHASE_RUNNING_REPORT] = "report of RUNNING accepted",
    [PHASE_HEALTH] = "health event of any task, inspect (cold)",
    [PHASE_DIED] = "container died, inspects and stops answered",
    [PHASE_STOPPED_REPORT] = "report of STOPPED accepted",
    [PHASE_TIMER] = "timer: a clean-up is due",
    [PHASE_CLEANUP] = "answers until it is cleaned up",
    [PHASE_IDLE_TIMER] = "timer: nothing is due",
    [PHASE_CONTROL_UP] = "control plane is back",
};

struct answer {
    enum { TO_OP, TO_REPORT } kind;
    uint64_t id;
    enum core_op op;
    size_t task, container;
};

struct world {
    struct core *core;
    struct rng rng;
    struct core_time now;
    size_t n_tasks; /* ever */
    bool *stopped;  /* by task and container: it has ended */
    size_t cap;
    struct answer *queue;
    size_t n_queue, cap_queue;
    int64_t spent_ns, events; /* of the phase under way */
    double cost[PHASE__COUNT][REPETITIONS];
};

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- the world answers ---- */

static void enqueue(struct world *w, struct answer a)
{
    if (w->n_queue == w->cap_queue) {
        w->cap_queue = w->cap_queue ? 2 * w->cap_queue : 64;
        w->queue = mem_resize(w->queue, w->cap_queue, sizeof *w->queue);
    }
    w->queue[w->n_queue++] = a;
}

static size_t number_of(const char *arn)
{
    return (size_t)strtoull(arn + strlen(PREFIX), NULL, 10);
}

static void take(struct world *w, const struct core_actions *actions)
{
    for (size_t i = 0; i < actions->n; i++) {
        const struct core_action *a = &actions->items[i];

        if (a->type == CORE_ACT_OP && a->task_arn)
            enqueue(w,
                    (struct answer){ TO_OP, a->id, a->op, number_of(a->task_arn), a->container });
        else if (a->type == CORE_ACT_REPORT)
            enqueue(w, (struct answer){ .kind = TO_REPORT, .id = a->id });
    }
}

static void step(struct world *w, struct core_event *ev)
{
    struct core_actions actions = { 0 };
    int64_t begun = now_ns(), stepped;

    core_step(w->core, w->now, ev, &actions);
    stepped = now_ns();
    w->spent_ns += stepped - begun;
    take(w, &actions);
    begun = now_ns();
    core_actions_fini(&actions);
    w->spent_ns += now_ns() - begun;
    w->events++;
}

static void docker_id(char out[72], size_t task, size_t container)
{
    snprintf(out, 72, "%064zu", task * N_CTRS + container);
}

static void fill_facts(const struct world *w, const struct answer *a, struct ctr_facts *f)
{
    docker_id(f->id, a->task, a->container);
    f->status = w->stopped[a->task * N_CTRS + a->container] ? CTR_STOPPED : CTR_RUNNING;
    f->has_exit_code = f->status == CTR_STOPPED;
    f->created_ms = f->started_ms = w->now.wall_ms;
    f->finished_ms = f->status == CTR_STOPPED ? w->now.wall_ms : 0;
    f->health = HEALTH_OK;
}

static void answer_op(struct world *w, const struct answer *a)
{
    static const char *const names[] = { "image:1" };
    static const struct core_image image = { "sha256:1", "sha256:2", names, 1, 1000, 1 };
    struct core_event ev = { .type = CORE_EV_OP_DONE };
    struct ctr_facts facts = { 0 };
    char id[72];

    ev.u.op.id = a->id;
    if (a->op == CORE_OP_CREATE) {
        docker_id(id, a->task, a->container);
        ev.u.op.container_id = id;
    } else if (a->op == CORE_OP_INSPECT_IMAGE || a->op == CORE_OP_MANIFEST) {
        ev.u.op.images = &image;
        ev.u.op.n_images = 1;
    } else if (a->op == CORE_OP_STOP) {
        w->stopped[a->task * N_CTRS + a->container] = true;
    } else if (a->op == CORE_OP_INSPECT) {
        fill_facts(w, a, &facts);
        ev.u.op.facts = &facts;
    }
    step(w, &ev);
}

/* Answers operations, or reports, until there is none. */
static void answer_all(struct world *w, bool reports)
{
    bool some = true;

    while (some) {
        some = false;
        for (size_t i = 0; i < w->n_queue; i++) {
            struct answer a = w->queue[i];
            struct core_event ev = { .type = CORE_EV_REPORTED };

            if ((a.kind == TO_REPORT) != reports)
                continue;
            some = true;
            memmove(&w->queue[i], &w->queue[i + 1], (--w->n_queue - i) * sizeof a);
            i--;
            ev.u.reported.id = a.id;
            ev.u.reported.error = "";
            if (reports)
                step(w, &ev);
            else
                answer_op(w, &a);
        }
    }
}

/* ---- what happens to it ---- */

static struct task *new_task(struct world *w, size_t number)
{
    struct buf b = BUF_INIT(4096);
    struct task *t = NULL;
    struct err e = { 0 };

    if (w->cap <= number) {
        w->cap = 2 * number + 1024;
        w->stopped = mem_resize(w->stopped, w->cap * N_CTRS, sizeof *w->stopped);
    }
    for (size_t i = 0; i < N_CTRS; i++)
        w->stopped[number * N_CTRS + i] = false;
    buf_printf(&b,
               "{\"arn\":\"" PREFIX "%032zu\",\"family\":\"bench\",\"version\":\"1\","
               "\"desiredStatus\":\"RUNNING\",\"containers\":["
               "{\"name\":\"one\",\"image\":\"image:1\",\"cpu\":10,\"memory\":16,"
               "\"essential\":true,\"healthCheckType\":\"docker\"},"
               "{\"name\":\"two\",\"image\":\"image:1\",\"cpu\":10,\"memory\":16,"
               "\"dependsOn\":[{\"containerName\":\"one\",\"condition\":\"START\"}]}]}",
               number);
    if (task_decode_text(buf_text(&b), b.len, &t, &e)) {
        fprintf(stderr, "%s\n", e.msg);
        exit(2);
    }
    buf_fini(&b);
    return t;
}

static void payload(struct world *w, size_t n)
{
    struct core_payload_task *tasks = mem_array(n, sizeof *tasks);
    struct core_event ev = { .type = CORE_EV_PAYLOAD };

    for (size_t i = 0; i < n; i++)
        tasks[i].task = new_task(w, w->n_tasks++);
    ev.u.payload.message_id = "m";
    ev.u.payload.seq = -1;
    ev.u.payload.tasks = tasks;
    ev.u.payload.n_tasks = n;
    step(w, &ev);
    free(tasks);
}

static void happens(struct world *w, size_t task, enum core_happening what)
{
    struct core_event ev = { .type = CORE_EV_CONTAINER };
    char arn[128], id[72];

    snprintf(arn, sizeof arn, PREFIX "%032zu", task);
    docker_id(id, task, 0);
    ev.u.container.what = what;
    ev.u.container.id = id;
    ev.u.container.name = core_docker_name(w->core, arn, 0);
    ev.u.container.task_arn = arn;
    ev.u.container.has_exit_code = what == CORE_HAP_DIED;
    ev.u.container.health = HEALTH_OK;
    step(w, &ev);
}

static void simple(struct world *w, enum core_event_type type)
{
    struct core_event ev = { .type = type };

    step(w, &ev);
}

static void clear_caches(void)
{
    static unsigned char other[CACHES];

    for (size_t i = 0; i < sizeof other; i += 64)
        ((volatile unsigned char *)other)[i]++;
}

static void begin(struct world *w)
{
    w->spent_ns = w->events = 0;
}

static void end(struct world *w, enum phase p, int repetition)
{
    if (repetition >= 0)
        w->cost[p][repetition] = w->events ? (double)w->spent_ns / (double)w->events : 0;
}

/* One task comes, runs, ends and is cleaned up, beside those that run. */
static void repeat(struct world *w, size_t running, int repetition)
{
    size_t task = w->n_tasks;

    w->now.mono_ms += 10;
    w->now.wall_ms += 10;
    begin(w);
    payload(w, 1);
    end(w, PHASE_PAYLOAD, repetition);
    begin(w);
    answer_all(w, false);
    end(w, PHASE_STARTING, repetition);
    begin(w);
    answer_all(w, true);
    end(w, PHASE_RUNNING_REPORT, repetition);
    clear_caches();
    begin(w);
    for (int i = 0; i < 8; i++)
        happens(w, rng_below(&w->rng, running), CORE_HAP_HEALTH);
    answer_all(w, false);
    end(w, PHASE_HEALTH, repetition);
    begin(w);
    w->stopped[task * N_CTRS] = true;
    happens(w, task, CORE_HAP_DIED);
    answer_all(w, false);
    end(w, PHASE_DIED, repetition);
    begin(w);
    answer_all(w, true);
    end(w, PHASE_STOPPED_REPORT, repetition);
    begin(w);
    for (int i = 0; i < 8; i++)
        simple(w, CORE_EV_TIMER);
    end(w, PHASE_IDLE_TIMER, repetition);
    begin(w);
    for (int i = 0; i < 8; i++)
        simple(w, CORE_EV_CONTROL_UP);
    end(w, PHASE_CONTROL_UP, repetition);
    w->now.mono_ms += CLEANUP_MS;
    w->now.wall_ms += CLEANUP_MS;
    begin(w);
    simple(w, CORE_EV_TIMER);
    end(w, PHASE_TIMER, repetition);
    begin(w);
    answer_all(w, false);
    end(w, PHASE_CLEANUP, repetition);
    if (core_task_count(w->core) != running || w->n_queue) {
        fprintf(stderr, "%zu tasks are left of %zu\n", core_task_count(w->core), running);
        exit(2);
    }
}

static struct world *world_create(size_t running)
{
    struct core_config cfg = {
        .seed = 1,
        .cpu_units = (int64_t)1 << 30,
        .memory_mib = (int64_t)1 << 30,
        .stop_timeout_ms = 30000,
        .create_timeout_ms = 240000,
        .start_timeout_ms = 180000,
        .manifest_timeout_ms = 60000,
        .pull_timeout_ms = 7200000,
        .pull_inactivity_ms = 60000,
        .cleanup_wait_ms = CLEANUP_MS,
        .ageing_ms = 60000,
        .start_parallel = 10,
        .pull_parallel = 10,
        .port_first = 40000,
        .port_last = 50000,
        .image_cleanup = true,
        .disk_cleanup = true,
        /* They take turns of their own; here only what events of tasks cost counts. */
        .image_interval_ms = (int64_t)1 << 40,
        .image_min_age_ms = (int64_t)1 << 40,
        .images_per_cycle = 5,
        .containers_per_cycle = 5,
        .disk_high_pct = 85,
        .disk_low_pct = 80,
        .disk_check_ms = (int64_t)1 << 40,
    };
    struct world *w = NEW(struct world);
    struct core_event started = { .type = CORE_EV_STARTED };

    w->now = (struct core_time){ 1000, 1767323045000 };
    rng_seed(&w->rng, 7);
    w->core = core_create(&cfg);
    started.u.started.manifest_seq = -1;
    step(w, &started);
    while (w->n_tasks < running) {
        payload(w, 50);
        answer_all(w, false);
        answer_all(w, true);
    }
    return w;
}

static void world_destroy(struct world *w)
{
    core_destroy(w->core);
    free(w->stopped);
    free(w->queue);
    free(w);
}

/* ---- the table ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v)
{
    qsort(v, REPETITIONS, sizeof *v, by_value);
    return v[REPETITIONS / 2];
}

int main(void)
{
    struct world *small = world_create(SMALL), *large = world_create(LARGE);
    bool good = true;

    for (int i = -WARM_UP; i < REPETITIONS; i++) {
        repeat(small, SMALL, i);
        repeat(large, LARGE, i);
    }
    printf("%-46s %12s %12s %7s\n", "microseconds for one event, running tasks:", "100", "10,000",
           "ratio");
    for (int p = 0; p < PHASE__COUNT; p++) {
        double a = median(small->cost[p]) / 1000, b = median(large->cost[p]) / 1000;
        bool within = b <= 2 * a;

        good &= within;
        printf("%-46s %12.2f %12.2f %7.2f%s\n", phase_names[p], a, b, a > 0 ? b / a : 0,
               within ? "" : "  more than twice");
    }
    world_destroy(small);
    world_destroy(large);
    return good ? 0 : 1;
}
