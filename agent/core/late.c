/* late: a start that nobody waits for any more, and that the engine may still carry out.
 *
 * It does so for a client that was killed, or is tired of waiting. Once it has begun, the container
 * is locked and a look at it waits. But before, the request may lie unread in its socket, when the
 * engine hangs or is just being started; and a look that is read earlier finds a container that was
 * only created, or has ended and was to be started again. To start it then may be to run a quick
 * program twice; to call it stopped, to run it after its end was told. Nothing makes a start
 * conditional or takes it back: it is waited for. (To make the container anew would be a way, but
 * not for those that mount its volumes, and its secrets may not be had any more.)
 *
 * What was asked before is read about when an engine answers what was asked since. So the wait is a
 * multiple of how long that took, and short for an engine that works. It concerns the few
 * containers that an agent which was just started finds in such a state, for its predecessor may
 * have asked; and those whose own start had no answer. Whether somebody has asked is not stored:
 * where a start had to wait for its turn, that would be one more fsync in its way, in order to save
 * a second after a restart. */
#include "core/state.h"

#define FACTOR 10
#define MIN_MS 1000
#define MAX_MS 10000

static int64_t patience(int64_t took_ms)
{
    return took_ms > MAX_MS / FACTOR   ? MAX_MS
           : took_ms < MIN_MS / FACTOR ? MIN_MS
                                       : took_ms * FACTOR;
}

void late_expect(struct core_ctr *k, int64_t took_ms)
{
    k->late_ms = patience(took_ms);
    k->late_until = 0;
    k->suspect = true;
}

void late_forget(struct core_ctr *k)
{
    k->late_ms = k->late_until = 0;
}

bool late_seen(const struct core *c, struct core_ctr *k, const struct ctr_facts *f)
{
    /* With the store it may be lost that it was to be started again. */
    bool due =
        k->restart_due || (k->task->rebuilt && k->known == CTR_NONE && k->def->restart.enabled);
    bool ended = f->status == CTR_STOPPED && due;
    /* The engine may have hung since the wait began: the look was long, and so is the wait. */
    int64_t need = patience(c->now.mono_ms - k->op_since);

    if (!k->late_ms || (!ended && (f->status != CTR_CREATED || k->known > CTR_CREATED))) {
        late_forget(k);
    } else if (!k->late_until || need > k->late_ms) {
        k->late_ms = need > k->late_ms ? need : k->late_ms;
        k->late_until = c->now.mono_ms + k->late_ms;
    } else if (c->now.mono_ms >= k->late_until) {
        late_forget(k);
    }
    return ended && k->late_until;
}

void late_advance(struct core *c, struct core_ctr *k)
{
    op_unqueue(k);
    if (c->now.mono_ms >= k->late_until)
        op_issue(c, k, CORE_OP_INSPECT);
}
