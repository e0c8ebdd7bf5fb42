/* durable: what may be done although the store does not know yet what it follows from.
 *
 * While the disk is full or read-only an agent that did nothing would not stop what is to stop,
 * not tell what has ended, and not remove the images that fill the disk. What may go on is what a
 * next process, which knows an older state, finds out by itself: it looks at every container that
 * it may have created. So nothing is made that it would not know of, nothing is taken away that it
 * would look for, nothing is acknowledged, and no end is told of a task that it would begin. */
#include "core/state.h"

/* Of a container that has run, the engine tells the next process that it has ended; one that has
 * not, or may be started again, it would start. */
static bool would_begin_again(const struct core_ctr *k)
{
    return k->known == CTR_STOPPED && k->sent < CTR_STOPPED &&
           (!k->docker_id || !k->started_wall || k->def->restart.enabled);
}

/* A task that was refused has no containers, and is stored nowhere. */
static bool tells_too_much(const struct core_task *t)
{
    for (size_t i = 0; i < t->n_ctrs; i++)
        if (would_begin_again(&t->ctrs[i]))
            return true;
    return false;
}

bool core_needs_store(const struct core *c, const struct core_action *a)
{
    const struct core_task *t;

    if (a->type == CORE_ACT_ACK)
        return true;
    if (a->type == CORE_ACT_REPORT) {
        t = find_task(c, a->task_arn);
        return t && tells_too_much(t);
    }
    if (a->type != CORE_ACT_OP)
        return false;
    switch ((int)a->op) {
    case CORE_OP_CREATE:
    case CORE_OP_REMOVE:
    case CORE_OP_CREATE_VOLUME:
    case CORE_OP_REMOVE_VOLUME:
    case CORE_OP_CREATE_CGROUP:
        return true;
    case CORE_OP_REMOVE_CGROUP:
        t = find_task(c, a->task_arn);
        return t && t->def; /* of one that was refused nothing is stored */
    default:
        return false;
    }
}
