/* task: one task as a whole: its status follows from its containers, its end frees
 * what it holds, its remains are removed later. */
#include <stdlib.h>

#include "base/mem.h"
#include "core/state.h"

#define UNREPORTED_MS ((int64_t)72 * 60 * 60 * 1000)

void task_stop(struct core *c, struct core_task *t, const char *reason)
{
    if (reason && !t->reason)
        t->reason = mem_strdup(reason);
    if (t->desired == TASK_STOPPED)
        return;
    t->desired = TASK_STOPPED;
    task_changed(c, t);
}

static void advance_containers(struct core *c, struct core_task *t)
{
    bool again;

    do {
        again = false;
        /* First, so that what was restarted behind our back is stopped in the task's order. */
        for (size_t i = 0; i < t->n_ctrs && t->desired != TASK_STOPPED; i++) {
            const struct core_ctr *k = &t->ctrs[i];

            if (!k->def->essential || (k->known != CTR_STOPPED && !k->stop_wanted))
                continue;
            core_note(c, false, t, k, "essential container ended; the task stops");
            if (failure_of(k))
                task_fail(c, t, k, NULL);
            else
                task_stop(c, t, NULL);
        }
        for (size_t i = 0; i < t->n_ctrs; i++) {
            enum ctr_status before = t->ctrs[i].known;
            bool stopping = ctr_wants_stop(&t->ctrs[i]);

            ctr_advance(c, &t->ctrs[i]);
            again |= t->ctrs[i].known != before || ctr_wants_stop(&t->ctrs[i]) != stopping;
        }
    } while (again);
}

static enum task_status status_of(const struct core_task *t)
{
    static const enum task_status of[] = {
        [CTR_NONE] = TASK_NONE,
        [CTR_MANIFEST_PULLED] = TASK_MANIFEST_PULLED,
        [CTR_PULLED] = TASK_MANIFEST_PULLED,
        [CTR_CREATED] = TASK_CREATED,
        [CTR_RUNNING] = TASK_RUNNING,
        [CTR_STOPPED] = TASK_STOPPED,
    };
    enum task_status least = TASK_STOPPED;

    for (size_t i = 0; i < t->n_ctrs; i++)
        if (of[t->ctrs[i].known] < least)
            least = of[t->ctrs[i].known];
    return least;
}

static void ended(struct core *c, struct core_task *t)
{
    t->stopped_at = c->now.mono_ms;
    t->stopped_wall = c->now.wall_ms;
    t->cleanup_delay =
        c->cfg.cleanup_wait_ms + (int64_t)rng_below(&c->rng, (uint64_t)c->cfg.cleanup_jitter_ms);
    admit_leave(c, t);
    core_note(c, false, t, NULL, "task stopped%s%s", t->reason ? ": " : "",
              t->reason ? t->reason : "");
    failure_tell(c, t);
}

static void update_known(struct core *c, struct core_task *t)
{
    enum task_status known = status_of(t);

    /* RUNNING is not said of a task that is on its way down. */
    if (known <= t->known || (known == TASK_RUNNING && t->desired == TASK_STOPPED))
        return;
    t->known = known;
    task_changed(c, t);
    if (known == TASK_RUNNING)
        core_note(c, false, t, NULL, "task running");
    else if (known == TASK_STOPPED)
        ended(c, t);
}

/* Removes what is left of a stopped task. True when nothing is. */
static bool clean_up(struct core *c, struct core_task *t)
{
    bool all = true, owed = resources_owed(t);

    for (size_t i = 0; i < t->n_ctrs; i++) {
        struct core_ctr *k = &t->ctrs[i];

        if (!k->create_tried || (k->removed && !k->op)) {
            images_dropped(c, k);
            continue;
        }
        all = false;
        if (k->op || k->suspect || c->now.mono_ms < k->retry_at)
            continue;
        if (k->docker_id && !k->drained)
            op_issue(c, k, CORE_OP_DRAIN_LOGS);
        else if (!owed)
            op_issue(c, k, CORE_OP_REMOVE);
    }
    /* What an earlier process asked for may still be made: a container shows itself by its
     * event, as long as its task is known; a volume does not. A stray container may use it. */
    return all && c->now.mono_ms >= t->not_before && !rebuild_has_stray(c, t) &&
           resources_clean_up(c, t);
}

void task_forget_stored(struct core *c, const struct core_task *t)
{
    static const enum core_kind kinds[] = { CORE_KIND_TASK, CORE_KIND_STATE };

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct core_action *a = core_act(c, CORE_ACT_DELETE);

        a->kind = kinds[i];
        a->key = mem_strdup(t->arn);
    }
}

static void earlier(int64_t now, int64_t *best, int64_t at)
{
    if (at > now && (*best < 0 || at < *best))
        *best = at;
}

static int64_t next_wake(const struct core *c, const struct core_task *t)
{
    int64_t now = c->now.mono_ms, at = -1;

    for (size_t i = 0; i < t->n_ctrs; i++) {
        const struct core_ctr *k = &t->ctrs[i];

        earlier(now, &at, k->slot_until);
        if (!k->op) {
            earlier(now, &at, k->retry_at);
            earlier(now, &at, k->late_until);
            earlier(now, &at, k->restart_due ? k->restart_at : 0);
        }
        if (!ctr_wants_stop(k))
            earlier(now, &at, deps_deadline(k));
    }
    if (!t->report_id) {
        earlier(now, &at, t->report_at);
        earlier(now, &at, t->report_retry_at);
    }
    earlier(now, &at, resources_next_wake(t, now));
    if (t->known == TASK_STOPPED) {
        earlier(now, &at, t->stopped_at + t->cleanup_delay);
        earlier(now, &at, t->stopped_at + UNREPORTED_MS);
        earlier(now, &at, t->not_before);
    }
    return at;
}

void task_advance(struct core *c, struct core_task *t)
{
    bool due;

    if (t->def && !t->admitted && t->desired != TASK_STOPPED) {
        stages_update(c, t);
        return; /* it waits for room; admit_scan goes on from there */
    }
    if (t->desired == TASK_STOPPED && !list_empty(&t->wait_node))
        admit_leave(c, t);
    if (t->def) {
        resources_advance(c, t);
        advance_containers(c, t);
        update_known(c, t);
    }
    if (t->known == TASK_STOPPED)
        resources_take_back(c, t);
    report_consider(c, t);
    due = t->known == TASK_STOPPED && c->now.mono_ms >= t->stopped_at + t->cleanup_delay;
    /* Containers stay until the control plane has accepted the task's end: should the store be
     * lost, they alone tell that it has run, and how it ended. (The reference waits as long.) */
    due = due && (report_settled(t) || c->now.mono_ms >= t->stopped_at + UNREPORTED_MS);
    if (due && clean_up(c, t) && report_settled(t)) {
        if (t->def) {
            task_forget_stored(c, t);
            core_note(c, false, t, NULL, "task cleaned up");
        }
        task_forget(c, t);
        return;
    }
    stages_update(c, t);
    task_wake_at(c, t, next_wake(c, t));
}
