#include "control/control.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "control/acs_encode.h"
#include "control/private.h"

#define STOP_VERIFY_MAX (16 * 1024 * 1024)

const struct control_timing control_timing_default = {
    .silence_ms = 60000,
    .silence_jitter_ms = 60000,
    .max_age_ms = 30 * 60000,
    .age_jitter_ms = 5 * 60000,
    .healthy_ms = 60000,
    .healthy_jitter_ms = 60000,
    .inactive_ms = 60 * 60000,
    .short_ms = 1000,
    .floor_ms = 250,
    .session = { 250, 150, 120000, 20 },
    .registration = { 3000, 200, 192000, 20 },
    .unreachable = { 1000, 200, 192000, 20 },
    .registration_limit_ms = 60 * 60000,
    .discover_keep_ms = 12 * 60 * 60000LL,
};

static void on_up(void *user)
{
    struct control *c = user;

    c->ev.up(c->user);
}

struct control *control_create(const struct control_args *args, const struct control_events *ev,
                               void *user)
{
    struct control *c = NEW(struct control);

    c->loop = args->loop;
    c->http = args->http;
    c->credentials = args->credentials;
    c->roles = args->roles;
    c->config = args->config;
    c->docker_version = mem_strdup(args->docker_version);
    c->docker_api = mem_strdup(args->docker_api);
    c->task_limits = args->task_limits;
    c->agent_version = mem_strdup(args->agent_version);
    c->agent_hash = mem_strdup(args->agent_hash);
    c->resources = args->resources;
    c->instance_arn = str_empty(args->instance_arn) ? NULL : mem_strdup(args->instance_arn);
    c->ev = *ev;
    c->user = user;
    c->timing = control_timing_default;
    rng_seed(&c->rng, args->seed);
    c->endpoint = str_empty(c->config->backend_host)
                      ? aws_endpoint("ecs", c->config->region ? c->config->region : "")
                      : mem_strdup(c->config->backend_host);
    c->ecs = (struct aws_service){ .endpoint = c->endpoint,
                                   .region = c->config->region,
                                   .service = "ecs",
                                   .target_prefix = "AmazonEC2ContainerServiceV20141113" };
    if (!c->ecs.region)
        c->ecs.region = "";
    c->up = turn_end_create(c->loop, on_up, c);
    c->registration = registration_create(c);
    c->discover = discover_create(c);
    c->acs = acs_create(c);
    c->reporter = reporter_create(c);
    return c;
}

void control_destroy(struct control *c)
{
    if (!c)
        return;
    reporter_destroy(c->reporter);
    acs_destroy(c->acs);
    discover_destroy(c->discover);
    registration_destroy(c->registration);
    turn_end_destroy(c->up);
    free(c->docker_version);
    free(c->docker_api);
    free(c->agent_version);
    free(c->agent_hash);
    free(c->endpoint);
    free(c->instance_arn);
    free(c);
}

void control_set_timing(struct control *c, const struct control_timing *t)
{
    c->timing = *t;
}

int64_t control_jitter(struct control *c, int64_t base, int64_t jitter)
{
    return base + (int64_t)rng_below(&c->rng, (uint64_t)jitter);
}

void control_start(struct control *c)
{
    log_info("registering", kv_s("cluster", c->config->cluster), kv_s("endpoint", c->endpoint),
             kv_s("instance", c->instance_arn));
    registration_start(c->registration);
}

void control_registered(struct control *c)
{
    acs_start(c->acs);
    c->ev.registered(c->user, c->instance_arn);
}

void control_progress(struct control *c)
{
    turn_end_schedule(c->up);
    registration_wake(c->registration);
    acs_wake(c->acs);
}

void control_ack(struct control *c, const char *message_id)
{
    acs_messages_ack(acs_get_messages(c->acs), c->acs, message_id);
}

void control_stop_verify(struct control *c, const char *message_id, const char *cluster_arn,
                         const char *const *arns, size_t n)
{
    AUTO(buf) struct buf out = BUF_INIT(STOP_VERIFY_MAX);

    if (n == 0)
        return;
    if (acs_put_stop_candidates(&out, message_id, cluster_arn, arns, n))
        acs_send(c->acs, &out);
    else
        log_warn("too many stop candidates for one message; none is sent", kv_i("n", (int64_t)n));
}

void control_report(struct control *c, uint64_t id, struct str body)
{
    reporter_send(c->reporter, id, body);
}

void control_write_status(const struct control *c, struct jw *w)
{
    jw_object(w);
    jw_kbool(w, "registered", c->registered);
    jw_kstr(w, "cluster", c->config->cluster);
    jw_kstr(w, "endpoint", c->endpoint);
    jw_kstr_if(w, "instance_arn", c->instance_arn);
    jw_kstr_if(w, "registration_error", c->registration_err.msg);
    jw_key(w, "acs");
    acs_write_status(c->acs, w);
    jw_end(w);
}

char *control_user_agent(const char *version, const char *hash, const char *os_family)
{
    return mem_printf("Amazon ECS Agent - v%s (%s) (linux; %s) (+http://aws.amazon.com/ecs/)",
                      version, hash, os_family ? os_family : "");
}
