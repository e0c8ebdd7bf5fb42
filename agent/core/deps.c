/* deps: may a container start, may it stop? Questions only; the texts are those of
 * the reference (its dependency graph), which users grep for. */
#include "core/state.h"

static void describe(const struct core_ctr *d, struct buf *b)
{
    buf_printf(b, "%s(%s) (%s->%s)", d->def->name, d->def->image, ctr_status_name(d->known),
               ctr_status_name(ctr_wants_stop(d) ? CTR_STOPPED : CTR_RUNNING));
    if (d->has_exit_code)
        buf_printf(b, " - Exit: %d", d->exit_code);
}

static bool never(struct buf *why, const struct core_ctr *k, const struct core_ctr *d,
                  const char *before, const char *after)
{
    if (why) {
        buf_puts(why, "dependency graph: ");
        buf_puts(why, before);
        buf_puts(why, "container ordering dependency [");
        describe(d, why);
        buf_printf(why, "] for target [%s(%s) (%s->%s)] %s", k->def->name, k->def->image,
                   ctr_status_name(k->known),
                   ctr_status_name(ctr_wants_stop(k) ? CTR_STOPPED : CTR_RUNNING), after);
    }
    return true;
}

static bool waits_for_end_or_health(enum dep_condition cond)
{
    return cond == DEP_SUCCESS || cond == DEP_COMPLETE || cond == DEP_HEALTHY;
}

static int64_t timeout_at(const struct core_ctr *k, const struct task_dep *dep)
{
    const struct core_ctr *d = &k->task->ctrs[dep->target];

    if (k->known >= CTR_CREATED || d->known == CTR_STOPPED || !d->def->start_timeout_s ||
        !d->started_wall || !waits_for_end_or_health(dep->condition))
        return -1;
    return d->started_mono + d->def->start_timeout_s * 1000;
}

static bool cannot_be_met(const struct core_ctr *k, const struct task_dep *dep, int64_t now,
                          struct buf *why)
{
    const struct core_ctr *d = &k->task->ctrs[dep->target];
    int64_t deadline = timeout_at(k, dep);
    const char *unresolved = "failed to resolve ";

    if (deadline >= 0 && now > deadline)
        return never(why, k, d, "", "has timed out.");
    /* Here, and below where it says so, the reference waits for ever. */
    if (dep->condition == DEP_HEALTHY && !d->def->health_docker)
        return never(why, k, d, unresolved, "because dependency has no health check.");
    if (d->known != CTR_STOPPED)
        return false;
    if (!d->started_wall && dep->condition != DEP_CREATE)
        return never(why, k, d, unresolved, "because dependency will never start");
    if (!d->started_wall && !d->created_wall)
        return never(why, k, d, unresolved, "because dependency will never start");
    if (dep->condition == DEP_SUCCESS && (!d->has_exit_code || d->exit_code != 0))
        return never(why, k, d, unresolved, "as dependency did not exit successfully.");
    /* The reference waits for ever here too. */
    if (dep->condition == DEP_COMPLETE && !d->has_exit_code)
        return never(why, k, d, unresolved, "as dependency ended without an exit code.");
    if (dep->condition == DEP_HEALTHY)
        return never(why, k, d, unresolved, "as dependency stopped before it was healthy.");
    return false;
}

/* Its program has ended, and how. The engine says so before it answers an inspect: it
 * tidies up the network in between, which dependents need not wait for. The event counts
 * until that inspect is answered; an essential container's end stops the task instead. */
static bool ended(const struct core_ctr *d, int *exit_code)
{
    bool asked = d->suspect || d->op == CORE_OP_INSPECT;

    *exit_code = d->known == CTR_STOPPED ? d->exit_code : d->event_exit_code;
    if (d->known == CTR_STOPPED)
        return d->has_exit_code;
    return d->event_exit && asked && d->known >= CTR_CREATED && !d->error_name &&
           !d->def->essential && !d->def->restart.enabled;
}

static bool met(const struct core_ctr *k, const struct task_dep *dep)
{
    const struct core_ctr *d = &k->task->ctrs[dep->target];
    int exit_code;

    switch (dep->condition) {
    case DEP_CREATE:
        return d->known >= CTR_CREATED;
    case DEP_START:
        return d->known >= CTR_RUNNING;
    case DEP_COMPLETE:
        return ended(d, &exit_code);
    case DEP_SUCCESS:
        return ended(d, &exit_code) && exit_code == 0;
    case DEP_HEALTHY:
        return d->known == CTR_RUNNING && d->def->health_docker && d->health == HEALTH_OK;
    }
    return false;
}

enum dep_answer deps_check(const struct core_ctr *k, int64_t now, const struct task_dep **on,
                           struct buf *why)
{
    enum dep_answer answer = DEP_MET;

    for (size_t i = 0; i < k->def->n_deps; i++) {
        const struct task_dep *dep = &k->def->deps[i];

        if (cannot_be_met(k, dep, now, why)) {
            *on = dep;
            return DEP_NEVER;
        }
        if (answer == DEP_MET && !met(k, dep)) {
            *on = dep;
            answer = DEP_WAIT;
        }
    }
    return answer;
}

bool deps_may_stop(const struct core_ctr *k, const struct core_ctr **on)
{
    const struct core_task *t = k->task;

    if (t->desired != TASK_STOPPED)
        return true; /* it goes alone */
    for (size_t i = 0; i < t->n_ctrs; i++) {
        const struct core_ctr *other = &t->ctrs[i];

        if (other == k || other->known == CTR_STOPPED)
            continue;
        for (size_t j = 0; j < other->def->n_deps; j++) {
            if (other->def->deps[j].target == k->index) {
                *on = other;
                return false;
            }
        }
    }
    return true;
}

int64_t deps_deadline(const struct core_ctr *k)
{
    int64_t first = -1, at;

    for (size_t i = 0; i < k->def->n_deps; i++) {
        at = timeout_at(k, &k->def->deps[i]);
        if (at >= 0 && (first < 0 || at < first))
            first = at;
    }
    return first < 0 ? -1 : first + 1;
}
