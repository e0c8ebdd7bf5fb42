#include <stdlib.h>

#include "aws/aws_call.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/private.h"

struct place {
    char *endpoint; /* as cached; NULL: never known */
    int64_t fetched_ms;
    struct err last; /* of the last call, when there is nothing to give */
};

struct discover {
    struct control *c;
    struct aws_call *call;
    struct loop_timer *deliver; /* on a fresh stack */
    struct list waiters;
    struct place places[DISCOVER__COUNT];
};

struct discover_op {
    struct list link;
    enum discover_which which;
    discover_fn *done;
    void *user;
};

static void on_deliver(void *user)
{
    struct discover *d = user;
    struct err none = { 0 };
    struct discover_op *op, copy;
    const struct place *at;

    /* One a turn: a callback may do what it likes, even end us. */
    if (d->call || list_empty(&d->waiters))
        return;
    op = LIST_ENTRY(d->waiters.next, struct discover_op, link);
    copy = *op;
    discover_cancel(op);
    if (!list_empty(&d->waiters))
        loop_timer_arm(d->deliver, 0);
    at = &d->places[copy.which];
    if (at->endpoint)
        copy.done(copy.user, at->endpoint, &none);
    else
        copy.done(copy.user, NULL, &at->last);
}

struct discover *discover_create(struct control *c)
{
    struct discover *d = NEW(struct discover);

    d->c = c;
    d->deliver = loop_timer_create(c->loop, on_deliver, d);
    list_init(&d->waiters);
    return d;
}

void discover_destroy(struct discover *d)
{
    if (!d)
        return;
    aws_call_cancel(d->call);
    loop_timer_destroy(d->deliver);
    LIST_FOREACH (it, following, &d->waiters)
        free(LIST_ENTRY(it, struct discover_op, link));
    for (size_t i = 0; i < COUNT_OF(d->places); i++)
        free(d->places[i].endpoint);
    free(d);
}

/* Each endpoint for itself: one that is wrong does not cost the other. */
static void read_endpoint(struct place *at, const char *key, const struct json_t *answer)
{
    struct err e = { 0 };
    struct jcur root = jcur_root(answer, &e);
    const char *endpoint = jcur_str(&root, key);

    if (!e.code && !*endpoint)
        err_set(&e, ERR_RETRY, "%s: is empty", key);
    /* What cannot be spoken to must not be kept for hours. */
    if (!e.code && http_url_check(endpoint, &e))
        err_wrap(&e, "%s", key);
    if (e.code) {
        err_set(&at->last, ERR_RETRY, "DiscoverPollEndpoint: %s", e.msg);
        return;
    }
    mem_replace(&at->endpoint, endpoint);
    at->fetched_ms = clock_mono_ms();
    at->last = (struct err){ 0 };
}

static void read_answer(struct discover *d, const struct aws_result *a)
{
    static const char *const keys[] = {
        [DISCOVER_ACS] = "endpoint", [DISCOVER_TCS] = "telemetryEndpoint"
    };
    AUTO(json) struct json_t *v = NULL;
    struct err e = *a->e;

    if (!e.code && json_parse(a->body.p, a->body.n, &v, &e))
        err_wrap(&e, "DiscoverPollEndpoint");
    for (size_t i = 0; i < COUNT_OF(d->places); i++) {
        if (e.code)
            d->places[i].last = e;
        else
            read_endpoint(&d->places[i], keys[i], v);
    }
}

static void on_answer(void *user, const struct aws_result *a)
{
    struct discover *d = user;
    bool news = false;

    d->call = NULL;
    read_answer(d, a);
    for (size_t i = 0; i < COUNT_OF(d->places); i++) {
        const struct place *at = &d->places[i];

        news = news || !at->last.code;
        if (at->last.code && at->endpoint)
            log_warn("the poll endpoint could not be asked for; the known one is used again",
                     kv_err(&at->last), kv_s("endpoint", at->endpoint));
    }
    if (news)
        control_progress(d->c);
    loop_timer_arm(d->deliver, 0);
}

static void ask(struct discover *d)
{
    AUTO(buf) struct buf body = BUF_INIT(64 * 1024);
    struct aws_call_args args = { .service = &d->c->ecs, .operation = "DiscoverPollEndpoint" };
    struct jw w;

    jw_init(&w, &body);
    jw_object(&w);
    jw_kstr(&w, "cluster", d->c->config->cluster);
    jw_kstr(&w, "containerInstance", d->c->instance_arn);
    jw_kstr(&w, "zoneId", "");
    jw_end(&w);
    args.body = buf_str(&body);
    d->call = aws_call(d->c->aws, d->c->credentials, &args, on_answer, d);
}

struct discover_op *discover_get(struct discover *d, enum discover_which which, discover_fn *done,
                                 void *user)
{
    struct discover_op *op = NEW(struct discover_op);
    const struct place *at = &d->places[which];

    op->which = which;
    op->done = done;
    op->user = user;
    list_push_back(&d->waiters, &op->link);
    if (d->call)
        return op;
    if (at->endpoint && clock_mono_ms() - at->fetched_ms < d->c->timing.discover_keep_ms)
        loop_timer_arm(d->deliver, 0);
    else
        ask(d);
    return op;
}

void discover_cancel(struct discover_op *op)
{
    if (!op)
        return;
    list_remove(&op->link);
    free(op);
}
