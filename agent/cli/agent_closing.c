/* The host goes down: all tasks stop, the control plane hears of it, their last lines are shipped,
 * and whoever asked for it is told when that is done. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/agent.h"
#include "cli/agent_kept.h"

/* Once every container has ended, a control plane or a sink that is away is not waited for as long
 * as a container may take. */
#define SETTLE_MS 30000

struct closing {
    int64_t began_ms, until_ms;
    int64_t stopped_ms; /* all tasks had stopped; 0: not yet */
    bool told;          /* the log knows how it ended */
};

struct left {
    size_t tasks, reports, logs;
    bool nothing;
};

static void hurry_ended(void *user, const struct task *t, size_t container, const char *docker_id,
                        enum ctr_status known)
{
    struct agent *a = user;

    (void)t;
    (void)container;
    if (known == CTR_STOPPED)
        logs_hurry(a->logs, docker_id);
}

void closing_begin(struct agent *a)
{
    struct closing *c = a->closing;

    if (c)
        return;
    a->closing = c = NEW(struct closing);
    c->began_ms = clock_mono_ms();
    c->until_ms = c->began_ms + a->config->shutdown_ms;
    log_warn("the host goes down: stopping all tasks", kv_i("within_ms", a->config->shutdown_ms));
    kept_tell(a, "STATUS=the host goes down; stopping all tasks");
    engine_close(a->engine);
    core_each_container(engine_core(a->engine), hurry_ended, a);
    logs_hurry(a->logs, NULL);
}

void closing_changed(struct agent *a, const struct task *t)
{
    const struct core *core;
    struct core_seen_container seen;

    if (!a->closing)
        return;
    core = engine_core(a->engine);
    for (size_t i = 0; i < t->n_containers; i++) {
        if (core_see_container(core, t->arn, i, &seen) && seen.known == CTR_STOPPED &&
            seen.docker_id)
            logs_hurry(a->logs, seen.docker_id);
    }
}

static struct left look(const struct agent *a)
{
    struct core_time now = { clock_mono_ms(), clock_wall_ms() };
    struct core_totals totals;
    struct left left = { 0 };

    core_get_totals(engine_core(a->engine), now, &totals);
    for (size_t i = 0; i < TASK_STOPPED; i++)
        left.tasks += totals.tasks[i];
    left.reports = totals.reports_unsent;
    left.logs = logs_left(a->logs);
    left.nothing = totals.closed && !left.tasks && !left.reports && !left.logs;
    return left;
}

static bool is_over(struct closing *c, const struct left *left, int64_t now)
{
    if (!left->tasks && !c->stopped_ms)
        c->stopped_ms = now;
    if (now >= c->until_ms || (c->stopped_ms && now >= c->stopped_ms + SETTLE_MS))
        return true;
    return left->nothing;
}

bool closing_write(struct agent *a, struct buf *b)
{
    struct closing *c = a->closing;
    int64_t now = clock_mono_ms();
    struct left left = look(a);
    struct jw w;

    if (!is_over(c, &left, now))
        return false;
    if (!c->told && left.nothing)
        log_info("all tasks have stopped, and all is told", kv_i("took_ms", now - c->began_ms));
    else if (!c->told)
        log_warn("not everything ended in time", kv_i("tasks_left", (int64_t)left.tasks),
                 kv_i("reports_left", (int64_t)left.reports),
                 kv_i("logs_left", (int64_t)left.logs));
    c->told = true;
    jw_init(&w, b);
    jw_object(&w);
    jw_kbool(&w, "complete", left.nothing);
    jw_kint(&w, "tasks_left", (int64_t)left.tasks);
    jw_kint(&w, "reports_left", (int64_t)left.reports);
    jw_kint(&w, "logs_left", (int64_t)left.logs);
    jw_kint(&w, "took_ms", now - c->began_ms);
    jw_end(&w);
    buf_putc(b, '\n');
    return true;
}

void closing_end(struct agent *a)
{
    free(a->closing);
    a->closing = NULL;
}
