#include <stdlib.h>

#include "aws/instance.h"
#include "base/mem.h"
#include "io/loop.h"

/* An Auto Scaling group announces the state of each of its instances soon after their start;
 * who has none for so long is in no group. */
#define POLLS_WITHOUT_STATE 120

struct instance_wait {
    struct imds *imds;
    int64_t poll_ms;
    int without;
    struct imds_op *op;
    struct loop_timer *timer;
    instance_ready_fn *done;
    void *user;
};

void instance_wait_cancel(struct instance_wait *w)
{
    if (!w)
        return;
    imds_cancel(w->op);
    loop_timer_destroy(w->timer);
    free(w);
}

static void finish(struct instance_wait *w, const struct err *e)
{
    instance_ready_fn *done = w->done;
    void *user = w->user;

    instance_wait_cancel(w);
    done(user, e);
}

static void on_state(void *user, struct str text, const struct err *e)
{
    struct instance_wait *w = user;
    struct err local = *e;

    w->op = NULL;
    if (!e->code && str_is(str_trim(text), "InService")) {
        finish(w, e);
        return;
    }
    if (e->code == ERR_NOT_FOUND && ++w->without >= POLLS_WITHOUT_STATE) {
        err_set(&local, ERR_NOT_FOUND,
                "warm pool: the instance had no target lifecycle state in %d polls", w->without);
        finish(w, &local);
        return;
    }
    if (!e->code)
        w->without = 0;
    /* No answer, 429 and 5xx pass; any other answer is there to stay. */
    if (e->code && e->code != ERR_NOT_FOUND && e->code != ERR_RETRY && e->code != ERR_TIMEOUT) {
        err_set(&local, ERR_DENIED, "warm pool: %.900s", e->msg);
        finish(w, &local);
        return;
    }
    loop_timer_arm(w->timer, w->poll_ms);
}

static void on_timer(void *user)
{
    struct instance_wait *w = user;

    w->op = imds_get(w->imds, "meta-data/autoscaling/target-lifecycle-state", on_state, w);
}

struct instance_wait *instance_wait_in_service(struct imds *m, struct loop *loop, int64_t poll_ms,
                                               instance_ready_fn *done, void *user)
{
    struct instance_wait *w = NEW(struct instance_wait);

    w->imds = m;
    w->poll_ms = poll_ms;
    w->done = done;
    w->user = user;
    w->timer = loop_timer_create(loop, on_timer, w);
    loop_timer_arm(w->timer, 0);
    return w;
}
