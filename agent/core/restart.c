/* restart: restart policies. The reference starts the container again at once and says
 * nothing of it; here one that crashes again and again is given more and more time, and
 * is seen to do so ("berth tasks", "berth why"). The control plane is told neither way. */
#include <inttypes.h>

#include "core/state.h"

/* A run that lasts so long is no crash. */
#define STEADY_MS (60 * 1000)

static const struct backoff_rule rule = { 1000, 200, 60000, 20 };

static bool ignored(const struct task_restart *p, int exit_code)
{
    for (size_t i = 0; i < p->n_ignored_codes; i++)
        if (p->ignored_codes[i] == exit_code)
            return true;
    return false;
}

/* One that ended before anybody looked was started all the same. */
static bool allowed(const struct core *c, const struct core_ctr *k)
{
    const struct task_restart *p = &k->def->restart;
    int64_t since = k->restarted_wall ? k->restarted_wall : k->started_wall;

    return p->enabled && !ctr_wants_stop(k) && k->started_wall && k->has_exit_code &&
           !ignored(p, k->exit_code) && c->now.wall_ms - since >= p->attempt_period_s * 1000;
}

bool restart_wanted(struct core *c, struct core_ctr *k, const struct ctr_facts *f)
{
    int64_t ran = f->finished_ms && f->started_ms ? f->finished_ms - f->started_ms : 0;
    int64_t wait = 0;

    if (!allowed(c, k))
        return false;
    ctr_set_known(c, k, CTR_RUNNING);
    if (ran >= STEADY_MS)
        backoff_reset(&k->restart_backoff);
    if (k->restarts && ran < STEADY_MS)
        wait = backoff_next(&k->restart_backoff, &rule, &c->rng);
    k->restarts++;
    c->restarts++;
    k->restarted_wall = c->now.wall_ms + wait;
    k->restart_due = true;
    k->restart_at = c->now.mono_ms + wait;
    k->restart_after = f->finished_ms;
    k->health = HEALTH_UNKNOWN;
    k->event_exit = false;
    k->event_oom = false;
    task_changed(c, k->task);
    core_note(c, true, k->task, k,
              "it ended with code %d; its restart policy starts it again in %.1f s (restart %d)",
              k->exit_code, (double)wait / 1000, k->restarts);
    return true;
}

/* The end of its earlier run is not the end of this one. */
void restart_done(struct core *c, struct core_ctr *k)
{
    if (!k->restart_due)
        return;
    k->restart_due = false;
    k->has_exit_code = false;
    k->exit_code = 0;
    task_changed(c, k->task);
}

void restart_missed(struct core *c, struct core_ctr *k, const struct ctr_facts *f)
{
    if (k->restart_due && k->restart_after && f->finished_ms && f->finished_ms != k->restart_after)
        restart_done(c, k);
}
