/* Draining: the announcements of the instance's end, and the call that keeps new tasks away. */
#include <stdlib.h>

#include "aws/instance.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/private.h"

#define CALL_MS  5000
#define BODY_MAX (64 * 1024)

struct drain {
    struct control *c;
    struct instance_watch *watch;
    bool watches_spot, watches_lifecycle;
    char *spot, *rebalance, *lifecycle; /* what was announced; NULL: nothing */

    char *why; /* NULL: not wished for */
    bool taken;
    struct aws_call *call;
    struct loop_timer *again;
    struct err last; /* of the last try: the same trouble is logged once */
};

static void on_again(void *user);

struct drain *drain_create(struct control *c)
{
    struct drain *d = NEW(struct drain);

    d->c = c;
    d->again = loop_timer_create(c->loop, on_again, d);
    return d;
}

void drain_destroy(struct drain *d)
{
    if (!d)
        return;
    instance_watch_destroy(d->watch);
    aws_call_cancel(d->call);
    loop_timer_destroy(d->again);
    free(d->spot);
    free(d->rebalance);
    free(d->lifecycle);
    free(d->why);
    free(d);
}

/* ---- the call ---- */

/* An answer of success may still name this instance among its failures. */
static enum err_code check_answer(struct str body, struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err bad = { 0 };
    struct jcur root, failures;

    if (json_parse(body.p, body.n, &doc, &bad))
        return err_set(e, ERR_RETRY, "UpdateContainerInstancesState: %s", bad.msg);
    root = jcur_root(doc, &bad);
    failures = jcur_arr(&root, "failures");
    JCUR_EACH (failure, &failures)
        return err_set(e, ERR_RETRY, "UpdateContainerInstancesState: %s",
                       jcur_str_or(&failure, "reason", "failed without a reason"));
    return bad.code ? err_set(e, ERR_RETRY, "UpdateContainerInstancesState: %s", bad.msg) : ERR_OK;
}

static void on_answer(void *user, const struct aws_result *answer)
{
    struct drain *d = user;
    struct err e = *answer->e;

    d->call = NULL;
    if (!e.code && !check_answer(answer->body, &e)) {
        d->taken = true;
        d->last = e;
        log_info("the container instance is draining", kv_s("why", d->why));
        control_progress(d->c);
        return;
    }
    if (!streq(e.msg, d->last.msg))
        log_warn("the container instance could not be set to draining; trying on", kv_err(&e),
                 kv_i("every_ms", d->c->timing.drain_ms));
    d->last = e;
    loop_timer_arm(d->again, d->c->timing.drain_ms);
}

static void on_again(void *user)
{
    struct drain *d = user;
    struct control *c = d->c;
    AUTO(buf) struct buf body = BUF_INIT(BODY_MAX);
    struct aws_call_args args = { .service = &c->ecs,
                                  .operation = "UpdateContainerInstancesState",
                                  .timeout_ms = CALL_MS };
    struct jw w;

    jw_init(&w, &body);
    jw_object(&w);
    jw_kstr(&w, "cluster", c->config->cluster);
    jw_karray(&w, "containerInstances");
    jw_str(&w, c->instance_arn);
    jw_end(&w);
    jw_kstr(&w, "status", "DRAINING");
    jw_end(&w);
    args.body = buf_str(&body);
    d->call = aws_call(c->aws, c->credentials, &args, on_answer, d);
}

/* Safe to call at any time: begins when everything is there, once. */
static void begin(struct drain *d)
{
    if (d->why && d->c->registered && !d->taken && !d->call && !loop_timer_armed(d->again))
        loop_timer_arm(d->again, 0);
}

void drain_ask(struct drain *d, const char *why)
{
    if (!d->why) {
        d->why = mem_strdup(why);
        log_warn("draining the container instance: it gets no more tasks", kv_s("why", why));
    }
    begin(d);
}

/* ---- announcements ---- */

static bool drains_on(const struct drain *d, const char *what)
{
    const struct string_list *list = &d->c->config->drain_on;

    for (size_t i = 0; i < list->n; i++) {
        if (streq(list->items[i], what))
            return true;
    }
    return false;
}

static bool means_the_end(const char *state)
{
    return str_starts(state, "Terminated") || str_starts(state, "Warmed:Terminated");
}

/* What is announced against what is wished for; both may change. */
static void judge(struct drain *d)
{
    if (d->spot && d->c->config->spot_draining)
        drain_ask(d, d->spot);
    if (d->rebalance && drains_on(d, "rebalance"))
        drain_ask(d, d->rebalance);
    if (d->lifecycle && means_the_end(d->lifecycle) && drains_on(d, "terminate"))
        drain_ask(d, "the Auto Scaling group terminates the instance");
}

static void on_spot(void *user, const char *action, const char *time)
{
    struct drain *d = user;

    log_warn("the spot instance will be interrupted", kv_s("action", action), kv_s("time", time));
    free(d->spot);
    d->spot = mem_printf("spot interruption: %s at %s", action, time);
    judge(d);
}

static void on_rebalance(void *user, const char *time)
{
    struct drain *d = user;

    log_warn("the spot instance is at a higher risk of interruption", kv_s("since", time));
    free(d->rebalance);
    d->rebalance = mem_printf("rebalance recommendation of %s", time);
    judge(d);
}

static void on_lifecycle(void *user, const char *state)
{
    struct drain *d = user;

    if (means_the_end(state))
        log_warn("the Auto Scaling group terminates the instance", kv_s("state", state));
    else
        log_info("the Auto Scaling group's state of the instance", kv_s("state", state));
    mem_replace(&d->lifecycle, state);
    judge(d);
}

/* Watched is only what somebody wants to have noticed, as in the reference: instances that are
 * no spot instances would be asked every second for nothing. */
static void watch(struct drain *d)
{
    static const struct instance_events events = { on_spot, on_rebalance, on_lifecycle };
    struct control *c = d->c;
    bool spot = c->config->spot_draining || drains_on(d, "rebalance");
    bool lifecycle = c->config->warm_pools || drains_on(d, "terminate");
    const struct instance_watch_args args = { .imds = c->imds,
                                              .loop = c->loop,
                                              .spot_ms = spot ? c->timing.spot_ms : 0,
                                              .lifecycle_ms =
                                                  lifecycle ? c->timing.lifecycle_ms : 0 };

    if (!c->imds || (spot == d->watches_spot && lifecycle == d->watches_lifecycle))
        return;
    instance_watch_destroy(d->watch);
    d->watch = spot || lifecycle ? instance_watch_create(&args, &events, d) : NULL;
    d->watches_spot = spot;
    d->watches_lifecycle = lifecycle;
}

void drain_registered(struct drain *d)
{
    watch(d);
    begin(d);
}

void drain_reconfigured(struct drain *d)
{
    if (!d->c->registered)
        return; /* all of it is still to begin */
    watch(d);
    judge(d);
}

/* ---- status ---- */

void drain_write_announced(const struct drain *d, struct jw *w)
{
    jw_kstr_if(w, "spot", d->spot);
    jw_kstr_if(w, "rebalance", d->rebalance);
    jw_kstr_if(w, "lifecycle", d->lifecycle);
}

void drain_write_status(const struct drain *d, struct jw *w)
{
    jw_kbool(w, "draining", d->taken);
    jw_kstr_if(w, "draining_why", d->why);
    jw_kstr_if(w, "draining_error", d->last.msg);
}
