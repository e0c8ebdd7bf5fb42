#include "control/control.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "control/acs_encode.h"
#include "control/capability.h"
#include "control/private.h"
#include "control/tcs.h"

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
    .telemetry = { 1000, 200, 60000, 20 },
    .gather_ms = TCS_GATHER_MS,
    .status_ms = 20000,
    .registration = { 3000, 200, 192000, 20 },
    .unreachable = { 1000, 200, 192000, 20 },
    .registration_limit_ms = 60 * 60000,
    .discover_keep_ms = 12 * 60 * 60000LL,
    .warm_pool_ms = 60000,
    .identity_ms = IMDS_LIMIT_MS,
    .spot_ms = 1000,
    .lifecycle_ms = 60000,
    .drain_ms = 1000,
};

static void on_up(void *user)
{
    struct control *c = user;

    c->ev.up(c->user);
}

/* ---- the machine ---- */

static const char *const *copy_texts(const char *const *texts, size_t n)
{
    const char **out = mem_array(n + 1, sizeof *out);

    for (size_t i = 0; i < n; i++)
        out[i] = mem_strdup(texts[i]);
    return out;
}

static void free_texts(const char *const *texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free((char *)texts[i]);
    free((char **)texts);
}

static void copy_machine(struct control_machine *out, const struct control_machine *m)
{
    *out = *m;
    out->instance_id = mem_strdup(m->instance_id);
    out->docker_plugins = copy_texts(m->docker_plugins, m->n_docker_plugins);
    out->gpus = copy_texts(m->gpus, m->n_gpus);
    out->gpu_driver = mem_strdup(m->gpu_driver);
}

static void free_machine(struct control_machine *m)
{
    free((char *)m->instance_id);
    free_texts(m->docker_plugins, m->n_docker_plugins);
    free_texts(m->gpus, m->n_gpus);
    free((char *)m->gpu_driver);
}

/* ---- the whole ---- */

struct control *control_create(const struct control_args *args, const struct control_events *ev,
                               void *user)
{
    struct control *c = NEW(struct control);

    c->loop = args->loop;
    c->aws = args->aws;
    c->credentials = args->credentials;
    c->imds = args->imds;
    c->roles = args->roles;
    c->config = args->config;
    copy_machine(&c->machine, &args->machine);
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
    c->region = mem_strdup(c->config->region ? c->config->region : "");
    c->endpoint = str_empty(c->config->backend_host) ? aws_endpoint(c->aws, AWS_ECS, c->region)
                                                     : mem_strdup(c->config->backend_host);
    c->ecs = (struct aws_service){ .endpoint = c->endpoint,
                                   .region = c->region,
                                   .service = "ecs",
                                   .target_prefix = "AmazonEC2ContainerServiceV20141113" };
    c->identity.id = mem_strdup(c->machine.instance_id);
    c->up = turn_end_create(c->loop, on_up, c);
    c->registration = registration_create(c);
    c->drain = drain_create(c);
    c->discover = discover_create(c);
    c->acs = acs_create(c);
    c->tcs = tcs_create(c, args->telemetry, user);
    c->reporter = reporter_create(c);
    return c;
}

void control_destroy(struct control *c)
{
    if (!c)
        return;
    reporter_destroy(c->reporter);
    tcs_destroy(c->tcs);
    acs_destroy(c->acs);
    discover_destroy(c->discover);
    drain_destroy(c->drain);
    registration_destroy(c->registration);
    turn_end_destroy(c->up);
    free(c->docker_version);
    free(c->docker_api);
    free(c->agent_version);
    free(c->agent_hash);
    free(c->endpoint);
    free(c->region);
    free_machine(&c->machine);
    identity_fini(&c->identity);
    free(c->instance_arn);
    free(c->zone);
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

void control_reconfigure(struct control *c, const struct config *config)
{
    c->config = config;
    drain_reconfigured(c->drain);
}

void control_each_attribute(const struct control_args *args, control_attribute_fn *fn, void *user)
{
    struct attribute_facts facts = { .config = args->config,
                                     .machine = &args->machine,
                                     .docker_api = args->docker_api,
                                     .first = str_empty(args->instance_arn),
                                     .task_limits = args->task_limits };
    struct attributes a;

    attributes_build(&a, &facts);
    for (size_t i = 0; i < a.n; i++)
        fn(user, a.items[i].name, a.items[i].value);
    attributes_fini(&a);
}

void control_registered(struct control *c)
{
    acs_start(c->acs);
    tcs_start(c->tcs);
    drain_registered(c->drain);
    c->ev.registered(c->user, c->instance_arn, c->identity.id);
}

void control_progress(struct control *c)
{
    turn_end_schedule(c->up);
    registration_wake(c->registration);
    acs_wake(c->acs);
    tcs_wake(c->tcs);
}

void control_ack(struct control *c, const char *message_id)
{
    acs_messages_ack(acs_get_messages(c->acs), c->acs, message_id);
}

void control_hold(struct control *c, bool held)
{
    acs_hold(c->acs, held);
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

void control_runtime_checked(struct control *c, bool ok)
{
    tcs_runtime_checked(c->tcs, ok);
}

void control_report(struct control *c, uint64_t id, struct str body)
{
    reporter_send(c->reporter, id, body);
}

bool control_is_reporting(const struct control *c)
{
    return reporter_is_busy(c->reporter);
}

struct control_place control_place(const struct control *c)
{
    const struct identity *id = &c->identity;

    return (struct control_place){ .zone = c->zone,
                                   .zone_id = id->zone_id,
                                   .vpc_id = id->vpc_id,
                                   .private_ipv4 = id->private_ipv4,
                                   .public_ipv4 = id->public_ipv4,
                                   .ipv6 = id->ipv6 };
}

const struct aws_service *control_ecs(const struct control *c)
{
    return &c->ecs;
}

const char *control_message_name(enum control_message m)
{
    static const char *const names[] = {
        [CONTROL_MSG_HEARTBEAT] = "heartbeat",
        [CONTROL_MSG_PAYLOAD] = "payload",
        [CONTROL_MSG_CREDENTIALS] = "credentials",
        [CONTROL_MSG_MANIFEST] = "manifest",
        [CONTROL_MSG_STOP_ACK] = "stop_ack",
        [CONTROL_MSG_UPDATE] = "update",
        [CONTROL_MSG_OTHER] = "other",
        [CONTROL_MSG_INVALID] = "invalid",
    };

    return names[m];
}

void control_get_totals(const struct control *c, struct control_totals *out)
{
    *out = c->totals;
    out->registered = c->registered;
    out->heartbeat_ms = c->heartbeat_ms ? loop_now_ms(c->loop) - c->heartbeat_ms : -1;
    acs_get_totals(c->acs, out);
    tcs_get_totals(c->tcs, out);
}

static void write_instance(const struct control *c, struct jw *w)
{
    jw_object(w);
    jw_kstr_if(w, "id", c->identity.id);
    jw_kstr_if(w, "zone", c->zone);
    jw_kstr_if(w, "zone_id", c->identity.zone_id);
    jw_kstr_if(w, "mac", c->identity.mac);
    jw_kstr_if(w, "vpc_id", c->identity.vpc_id);
    jw_kstr_if(w, "subnet_id", c->identity.subnet_id);
    jw_kstr_if(w, "outpost_arn", c->identity.outpost_arn);
    drain_write_announced(c->drain, w);
    jw_end(w);
}

void control_write_status(const struct control *c, struct jw *w)
{
    jw_object(w);
    jw_kbool(w, "registered", c->registered);
    jw_kstr(w, "cluster", c->config->cluster);
    jw_kstr(w, "endpoint", c->endpoint);
    jw_kstr_if(w, "instance_arn", c->instance_arn);
    jw_kstr_if(w, "waiting_for", registration_phase(c->registration));
    jw_kstr_if(w, "registration_error", c->registration_err.msg);
    jw_key(w, "acs");
    acs_write_status(c->acs, w);
    if (c->tcs) {
        jw_key(w, "tcs");
        tcs_write_status(c->tcs, w);
    }
    jw_key(w, "instance");
    write_instance(c, w);
    drain_write_status(c->drain, w);
    jw_kint(w, "clock_offset_ms", aws_clock_offset_ms(c->aws));
    jw_end(w);
}

char *control_user_agent(const char *version, const char *hash, const char *os_family)
{
    return mem_printf("Amazon ECS Agent - v%s (%s) (linux%s%s) (+http://aws.amazon.com/ecs/)",
                      version, hash, os_family ? "; " : "", os_family ? os_family : "");
}
