#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/private.h"
#include "control/register_body.h"

#define BODY_MAX (1024 * 1024)

struct registration {
    struct control *c;
    struct prepare *prepare;
    struct attributes attributes;
    struct aws_call *call;
    struct loop_timer *retry;
    bool waiting;
    bool wakeable; /* the wait is for a connection, not the service's wish */
    struct backoff patience, unreachable;
    int64_t give_up_ms; /* on the loop's clock */
    char client_token[RNG_UUID_SIZE];
    bool create_cluster; /* the next call is CreateCluster */
    bool created;        /* it was made: who still does not know it is asked with patience */
};

static void on_retry(void *user);
static void on_prepared(void *user, int exit_code, const struct err *e);

struct registration *registration_create(struct control *c)
{
    struct registration *r = NEW(struct registration);

    r->c = c;
    r->prepare = prepare_create(c, on_prepared, r);
    r->retry = loop_timer_create(c->loop, on_retry, r);
    return r;
}

void registration_destroy(struct registration *r)
{
    if (!r)
        return;
    prepare_destroy(r->prepare);
    aws_call_cancel(r->call);
    loop_timer_destroy(r->retry);
    attributes_fini(&r->attributes);
    free(r);
}

/* ---- outcome ---- */

static void failed(struct registration *r, int exit_code, const struct err *e)
{
    log_error("registration failed; the agent ends", kv_err(e), kv_i("exit_code", exit_code));
    r->c->ev.failed(r->c->user, exit_code, e);
}

static void wait_and_retry(struct registration *r, bool reachable, const struct err *e)
{
    struct control *c = r->c;
    int64_t delay = reachable ? backoff_next(&r->patience, &c->timing.registration, &c->rng)
                              : backoff_next(&r->unreachable, &c->timing.unreachable, &c->rng);

    if (loop_now_ms(c->loop) + delay > r->give_up_ms) {
        failed(r, 1, e);
        return;
    }
    c->registration_err = *e;
    log_warn("registration did not succeed yet; trying again", kv_err(e), kv_i("in_ms", delay));
    r->waiting = true;
    r->wakeable = !reachable;
    loop_timer_arm(r->retry, delay);
}

void registration_wake(struct registration *r)
{
    if (r->waiting && r->wakeable)
        loop_timer_arm(r->retry, 0);
}

/* A wrong request stays wrong: restarting would not help. */
static bool is_terminal(const char *code, const struct err *e)
{
    return streq(code, "InvalidParameterException") || streq(code, "ClientException") ||
           strstr(e->msg, "Container instance type changes are not supported.");
}

static bool lacks_cluster(const char *code, const struct err *e)
{
    return streq(code, "ClusterNotFoundException") || strstr(e->msg, "Cluster not found.");
}

static void submit(struct registration *r);

static void not_done(struct registration *r, const char *code, const struct err *e)
{
    const struct config *cfg = r->c->config;
    struct err why = *e;

    if (!r->create_cluster && cfg->cluster_default && lacks_cluster(code, e)) {
        if (r->created) {
            wait_and_retry(r, true, e);
            return;
        }
        log_info("the default cluster does not exist; creating it", kv_s("cluster", cfg->cluster));
        r->create_cluster = true;
        submit(r);
    } else if (!r->create_cluster && lacks_cluster(code, e)) {
        /* Somebody may make it at any moment, so the service manager is to try again. The
         * reference does so or not by the name that the service gives to the same error. */
        err_wrap(&why, "cluster '%s' does not exist; create it or correct ECS_CLUSTER",
                 cfg->cluster);
        failed(r, 1, &why);
    } else if (e->code == ERR_RETRY || e->code == ERR_TIMEOUT || e->code == ERR_LIMIT) {
        wait_and_retry(r, *code != '\0', e);
    } else {
        failed(r, is_terminal(code, e) ? 5 : 1, e);
    }
}

static void on_cluster(void *user, const struct aws_result *answer)
{
    struct registration *r = user;

    r->call = NULL;
    if (answer->e->code) {
        not_done(r, answer->error_code, answer->e);
        return;
    }
    r->create_cluster = false;
    r->created = true;
    submit(r);
}

static void on_instance(void *user, const struct aws_result *answer)
{
    struct registration *r = user;
    struct control *c = r->c;
    struct err bad = { 0 };
    char *arn = NULL, *zone = NULL;

    r->call = NULL;
    if (answer->e->code) {
        not_done(r, answer->error_code, answer->e);
        return;
    }
    /* Whatever comes of it, an agent without an ARN is never registered: the reference takes
     * an hour of throttling for a success with an empty one. */
    if (register_answer(answer->body, &r->attributes, &arn, &zone, &bad)) {
        err_wrap(&bad, "RegisterContainerInstance");
        if (bad.code == ERR_RETRY)
            wait_and_retry(r, false, &bad);
        else
            failed(r, 5, &bad);
        return;
    }
    free(c->instance_arn);
    c->instance_arn = arn;
    free(c->zone);
    c->zone = zone;
    c->registered = true;
    c->registration_err = (struct err){ 0 };
    log_info("registered", kv_s("instance", arn), kv_s("cluster", c->config->cluster));
    control_progress(c);
    control_registered(c);
}

/* ---- the calls ---- */

static void submit(struct registration *r)
{
    struct control *c = r->c;
    AUTO(buf) struct buf body = BUF_INIT(BODY_MAX);
    const struct identity *id = &c->identity;
    struct register_input in = { .config = c->config,
                                 .attributes = &r->attributes,
                                 .ec2_tags = &id->tags,
                                 .gpus = c->machine.gpus,
                                 .n_gpus = c->machine.n_gpus,
                                 .instance_arn = c->instance_arn,
                                 .client_token = r->client_token,
                                 .document = id->document ? id->document : "",
                                 .signature = id->signature ? id->signature : "",
                                 .cpu_units = c->resources.cpu_units,
                                 .memory_mib = c->resources.memory_mib,
                                 .local_tcp = c->resources.local_tcp,
                                 .local_udp = c->resources.local_udp };
    struct aws_call_args args = { .service = &c->ecs };
    struct jw w;

    if (r->create_cluster) {
        jw_init(&w, &body);
        jw_object(&w);
        jw_kstr(&w, "clusterName", c->config->cluster);
        jw_end(&w);
        args.operation = "CreateCluster";
    } else {
        args.operation = "RegisterContainerInstance";
        if (!register_body(&in, &body)) {
            struct err e = { 0 };

            err_set(&e, ERR_LIMIT, "the registration is longer than %d bytes", BODY_MAX);
            failed(r, 1, &e);
            return;
        }
    }
    args.body = buf_str(&body);
    r->call =
        aws_call(c->aws, c->credentials, &args, r->create_cluster ? on_cluster : on_instance, r);
}

static void on_retry(void *user)
{
    struct registration *r = user;

    r->waiting = false;
    submit(r);
}

/* ---- the start ---- */

static void on_prepared(void *user, int exit_code, const struct err *e)
{
    struct registration *r = user;
    struct control *c = r->c;
    struct attribute_facts facts = { .config = c->config,
                                     .machine = &c->machine,
                                     .docker_api = c->docker_api,
                                     .outpost_arn = c->identity.outpost_arn,
                                     .first = !c->instance_arn,
                                     .task_limits = c->task_limits };

    if (exit_code) {
        failed(r, exit_code, e);
        return;
    }
    r->give_up_ms = loop_now_ms(c->loop) + c->timing.registration_limit_ms;
    attributes_build(&r->attributes, &facts);
    submit(r);
}

void registration_start(struct registration *r)
{
    rng_uuid(&r->c->rng, r->client_token);
    prepare_start(r->prepare);
}

const char *registration_phase(const struct registration *r)
{
    return prepare_phase(r->prepare);
}
