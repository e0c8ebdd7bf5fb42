#include <stdlib.h>

#include "aws/aws_call.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/private.h"

struct discover {
    struct control *c;
    struct aws_call *call;
    struct loop_timer *deliver; /* on a fresh stack */
    struct list waiters;
    char *acs; /* the cached endpoint; NULL: never known */
    int64_t fetched_ms;
    struct err last; /* of the last call, when there is nothing to give */
};

struct discover_op {
    struct list link;
    discover_fn *done;
    void *user;
};

static void on_deliver(void *user)
{
    struct discover *d = user;
    struct err none = { 0 };
    struct discover_op *op, copy;

    /* One a turn: a callback may do what it likes, even end us. */
    if (d->call || list_empty(&d->waiters))
        return;
    op = LIST_ENTRY(d->waiters.next, struct discover_op, link);
    copy = *op;
    discover_cancel(op);
    if (!list_empty(&d->waiters))
        loop_timer_arm(d->deliver, 0);
    if (d->acs)
        copy.done(copy.user, d->acs, &none);
    else
        copy.done(copy.user, NULL, &d->last);
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
    free(d->acs);
    free(d);
}

static enum err_code read_answer(struct str body, char **acs, struct err *e)
{
    AUTO(json) struct json_t *v = NULL;
    struct err je = { 0 };
    struct jcur root;
    const char *endpoint;

    if (json_parse(body.p ? body.p : "", body.n, &v, &je))
        return err_set(e, ERR_RETRY, "DiscoverPollEndpoint: %s", je.msg);
    root = jcur_root(v, &je);
    endpoint = jcur_str(&root, "endpoint");
    if (je.code || !*endpoint)
        return err_set(e, ERR_RETRY, "DiscoverPollEndpoint: %s",
                       je.code ? je.msg : "endpoint: is empty");
    /* What cannot be spoken to must not be kept for hours. */
    if (http_url_check(endpoint, e))
        return err_wrap(e, "DiscoverPollEndpoint: endpoint");
    free(*acs);
    *acs = mem_strdup(endpoint);
    return ERR_OK;
}

static void on_answer(void *user, const struct aws_result *a)
{
    struct discover *d = user;

    d->call = NULL;
    d->last = *a->e;
    if (!d->last.code && !read_answer(a->body, &d->acs, &d->last)) {
        d->fetched_ms = clock_mono_ms();
        control_progress(d->c);
    } else if (d->acs) {
        log_warn("the poll endpoint could not be asked for; the known one is used again",
                 kv_err(&d->last), kv_s("endpoint", d->acs));
    }
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

struct discover_op *discover_get(struct discover *d, discover_fn *done, void *user)
{
    struct discover_op *op = NEW(struct discover_op);

    op->done = done;
    op->user = user;
    list_push_back(&d->waiters, &op->link);
    if (d->call)
        return op;
    if (d->acs && clock_mono_ms() - d->fetched_ms < d->c->timing.discover_keep_ms)
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
