#include "cli/agent_endpoints.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/agent_callers.h"
#include "cli/agent_kept.h"
#include "cli/agent_listen.h"
#include "cli/agent_prometheus.h"
#include "cli/agent_view.h"
#include "endpoints/credentials.h"
#include "endpoints/introspect.h"
#include "endpoints/metadata.h"
#include "endpoints/prometheus.h"
#include "endpoints/protection.h"
#include "endpoints/tags.h"

#define ROUTES_MAX     64
#define DEFAULT_BRIDGE "docker0"

struct endpoints {
    struct agent *agent;
    struct callers *callers;
    struct route routes[ROUTES_MAX];
    struct route introspect_routes[2];
    struct endpoint_listener tasks_listener, introspect_listener;
    struct limits *limits;
    struct audit *audit;
    struct credentials_endpoint credentials;
    struct metadata_endpoint metadata;
    struct introspect_endpoint introspect;
    struct prometheus_endpoint prometheus;
    struct endpoint_counts tasks_counts, introspect_counts;
    struct protection_endpoint protection;
    struct tags *tags;
    char *version, *user_agent;
    struct listening *listening;
    bool begun; /* the engine is there */
    struct host_rules_config rules;
    struct host_reserved reserved;
    struct err rules_err, reserve_err;
    struct work *putting;
};

/* ---- what is told ---- */

static bool find(void *user, const char *id, const char **task_arn, size_t *container,
                 const char **docker_id)
{
    struct endpoints *ep = user;
    const struct core *core = engine_core(ep->agent->engine);

    if (!core_find_metadata(core, id, task_arn, container))
        return false;
    *docker_id = core_docker_id(core, *task_arn, *container);
    return !str_empty(*docker_id);
}

static bool view(void *user, const char *task_arn, metadata_view_fn *fn, void *arg)
{
    struct endpoints *ep = user;
    struct agent_view v;

    if (!agent_view_make(&v, ep->agent->engine, ep->agent->config->cluster, task_arn))
        return false;
    agent_view_place(ep->agent, &v.task);
    fn(arg, &v.task);
    agent_view_fini(&v);
    return true;
}

static bool stats(void *user, const char *docker_id, bool v4, struct jw *w)
{
    struct endpoints *ep = user;

    return ep->agent->metrics && metrics_write_stats(ep->agent->metrics, docker_id, v4, w);
}

/* Of a local task the control plane knows nothing. */
static void tag_arns(void *user, const char *task_arn, const char *arns[TAGS_OF__COUNT])
{
    struct endpoints *ep = user;

    arns[TAGS_OF_INSTANCE] = ep->agent->instance_arn;
    if (!core_is_local(engine_core(ep->agent->engine), task_arn))
        arns[TAGS_OF_TASK] = task_arn;
}

/* An id of another task's container is as good as none, where it is known who asks. */
static bool find_own(void *user, const struct http_call_head *head, const char *id,
                     const char **task_arn)
{
    struct endpoints *ep = user;
    const char *asks = callers_who(ep->callers, head), *docker_id;
    size_t container;

    return find(ep, id, task_arn, &container, &docker_id) &&
           (!asks || !ep->agent->config->bind_credentials || streq(asks, *task_arn));
}

static bool role_of(void *user, const char *task_arn, const char **credentials_id)
{
    struct endpoints *ep = user;
    const struct task *t = core_task(engine_core(ep->agent->engine), task_arn);

    *credentials_id = t ? t->role_credentials_id : NULL;
    return t != NULL;
}

static const char *cluster_of(void *user)
{
    struct endpoints *ep = user;

    return ep->agent->config->cluster;
}

static const char *instance_arn(void *user)
{
    struct endpoints *ep = user;

    return ep->agent->instance_arn;
}

struct each {
    struct endpoints *ep;
    introspect_view_fn *fn;
    void *arg;
};

static void view_one(void *user, const struct task *t)
{
    struct each *e = user;

    view(e->ep, t->arn, e->fn, e->arg);
}

static void each(void *user, introspect_view_fn *fn, void *arg)
{
    struct endpoints *ep = user;
    struct each e = { ep, fn, arg };

    core_each_task(engine_core(ep->agent->engine), view_one, &e);
}

/* ---- the routes ---- */

static void serve_credentials_v1(void *user, struct http_call *c, const struct route_match *m)
{
    credentials_serve_v1(user, c, m);
}

static void serve_credentials_v2(void *user, struct http_call *c, const struct route_match *m)
{
    credentials_serve_v2(user, c, m);
}

static void on_credentials_v1(void *user, struct http_call *c, const struct route_match *m)
{
    struct endpoints *ep = user;

    callers_serve(ep->callers, c, m, serve_credentials_v1, &ep->credentials);
}

static void on_credentials_v2(void *user, struct http_call *c, const struct route_match *m)
{
    struct endpoints *ep = user;

    callers_serve(ep->callers, c, m, serve_credentials_v2, &ep->credentials);
}

static void on_metadata(void *user, struct http_call *c, const struct route_match *m)
{
    struct endpoints *ep = user;

    metadata_serve(&ep->metadata, c, m);
}

static void on_protection(void *user, struct http_call *c, const struct route_match *m)
{
    struct endpoints *ep = user;

    protection_serve(&ep->protection, c, m);
}

static void on_introspection(void *user, struct http_call *c, const struct route_match *m)
{
    struct endpoints *ep = user;

    introspect_serve(&ep->introspect, c, m);
}

static void write_metrics(void *user, struct prom *p, bool containers)
{
    struct endpoints *ep = user;
    struct agent_listener_numbers listeners[] = {
        { "tasks", &ep->tasks_counts, 0 },
        { "introspection", &ep->introspect_counts, 0 },
    };

    listening_count(ep->listening, &listeners[0].connections, &listeners[1].connections);
    agent_prometheus_write(ep->agent, listeners, COUNT_OF(listeners), p, containers);
}

/* Turned off, its path is like any other: that lists what there is. */
static void on_metrics(void *user, struct http_call *c, const struct route_match *m)
{
    struct endpoints *ep = user;

    if (ep->agent->config->metrics_endpoint)
        prometheus_serve(&ep->prometheus, c);
    else
        introspect_serve(&ep->introspect, c, m);
}

static const char *who(void *user, const struct http_call_head *head)
{
    struct endpoints *ep = user;

    /* Before the engine is there nobody's address is known. */
    return ep->agent->engine ? callers_who(ep->callers, head) : NULL;
}

static enum credentials_may may(void *user, const struct http_call_head *head, const char *id)
{
    struct endpoints *ep = user;

    return ep->agent->engine ? callers_may(ep->callers, head, id) : CREDENTIALS_CALLER_UNKNOWN;
}

static enum credentials_kind known(void *user, const char *id)
{
    struct endpoints *ep = user;

    return ep->agent->engine ? callers_known(ep->callers, id) : CREDENTIALS_UNKNOWN;
}

static void on_limited(void *user, struct http_call *c, struct str path)
{
    struct endpoints *ep = user;

    credentials_audit_limited(&ep->credentials, c, path);
}

/* Whether credentials are asked for that an earlier process left. */
static bool asks_for_kept(const struct endpoints *ep, const char *target)
{
    static const char v2[] = "/v2/credentials/";
    AUTO(buf) struct buf id = BUF_INIT(HTTP_SERVER_HEAD_MAX);
    struct role_credentials role;
    struct path p;
    bool kept = false;

    path_init(&p);
    if (path_read(&p, str_of(target)) == PATH_CLEAN) {
        const char *path = buf_text(&p.text);

        if (str_starts(path, v2))
            kept = roles_get(ep->agent->roles, path + sizeof v2 - 1, &role);
        else if (streq(path, "/v1/credentials") && query_get(p.query, "id", &id))
            kept = roles_get(ep->agent->roles, buf_text(&id), &role);
    }
    path_fini(&p);
    return kept;
}

/* Until the engine is there, nothing but these can be answered. */
static void on_task_call(void *user, struct http_call *c)
{
    struct endpoints *ep = user;

    if (ep->agent->engine || asks_for_kept(ep, http_call_head(c)->target))
        endpoint_serve(&ep->tasks_listener, c);
    else
        listening_hold(ep->listening, c, on_task_call);
}

static void on_introspect_call(void *user, struct http_call *c)
{
    struct endpoints *ep = user;

    if (ep->agent->engine)
        endpoint_serve(&ep->introspect_listener, c);
    else
        listening_hold(ep->listening, c, on_introspect_call);
}

static void on_gone(void *user, struct http_call *c)
{
    (void)user; /* what is answered later says so itself */
    (void)c;
}

static void add_route(struct endpoints *ep, const char *pattern, const char *method, route_fn *fn,
                      void *user)
{
    if (ep->tasks_listener.n_routes == ROUTES_MAX)
        abort(); /* the table is ours */
    ep->routes[ep->tasks_listener.n_routes++] = (struct route){ pattern, method, fn, user };
}

static void add_task_routes(struct endpoints *ep)
{
    add_route(ep, "/v1/credentials", NULL, on_credentials_v1, ep);
    add_route(ep, "/v2/credentials/**", NULL, on_credentials_v2, ep);
    for (size_t i = 0; i < metadata_patterns_n; i++)
        add_route(ep, metadata_patterns[i], NULL, on_metadata, ep);
    add_route(ep, PROTECTION_PATTERN, "GET", on_protection, ep);
    add_route(ep, PROTECTION_PATTERN, "PUT", on_protection, ep);
}

/* ---- the way there ---- */

static struct host_rules_config rules_of(const struct agent *a)
{
    return (struct host_rules_config){
        .proc = "/proc",
        .endpoints_port = (uint16_t)a->config->tasks_port,
        .introspection_port = (uint16_t)a->config->introspection_port,
        .skip_localhost_filter = a->config->skip_localhost_filter,
        .offhost_introspection = a->config->offhost_introspection,
        .bridge = access("/sys/class/net/" DEFAULT_BRIDGE, F_OK) ? NULL : DEFAULT_BRIDGE,
    };
}

static void put_rules(void *user)
{
    struct endpoints *ep = user;

    (void)!host_rules_put(&ep->rules, &ep->rules_err);
    (void)!host_ports_reserve(ep->rules.proc, &ep->reserved, &ep->reserve_err);
}

static void on_rules(void *user)
{
    struct endpoints *ep = user;

    ep->putting = NULL;
    if (ep->rules_err.code)
        log_warn("tasks may not reach their credentials and metadata at 169.254.170.2",
                 kv_err(&ep->rules_err));
    else
        log_info("tasks reach their credentials and metadata at 169.254.170.2");
    if (ep->reserve_err.code)
        log_warn("connections of others may take the agent's ports while it is away",
                 kv_err(&ep->reserve_err));
}

static void begin_rules(struct endpoints *ep)
{
    const struct config *c = ep->agent->config;

    if (c->network_rules == RULES_NONE || !c->tasks_port || ep->rules.endpoints_port)
        return; /* or they are being put already */
    ep->rules = rules_of(ep->agent);
    ep->reserved = (struct host_reserved){
        .ports = { ep->rules.endpoints_port, ep->rules.introspection_port },
    };
    ep->putting = loop_work(ep->agent->loop, put_rules, on_rules, ep);
}

static void end_rules(struct endpoints *ep)
{
    struct err e = { 0 };

    work_cancel(ep->putting);
    if (ep->agent->config->network_rules != RULES_REMOVE || !ep->rules.endpoints_port)
        return;
    if (host_rules_take(&ep->rules, &e))
        log_warn("the rules for 169.254.170.2 could not be taken away", kv_err(&e));
    if (host_ports_release(ep->rules.proc, &ep->reserved, &e))
        log_warn("the agent's ports could not be given back", kv_err(&e));
}

/* ---- life ---- */

static void open_audit(struct endpoints *ep)
{
    const struct config *c = ep->agent->config;
    const struct log_file_rule rule = {
        .roll = c->log_rollover == ROLLOVER_SIZE ? LOG_ROLL_SIZE : LOG_ROLL_HOURLY,
        .max_bytes = c->log_max_bytes,
        .roll_count = c->log_roll_count,
    };
    struct err e = { 0 };

    if (c->audit_log_disabled)
        return;
    if (agent_make_parent(c->audit_log, &e) ||
        audit_open(c->audit_log, &rule, -1, &ep->audit, &e)) {
        log_warn("the audit log cannot be written; going on without", kv_s("file", c->audit_log),
                 kv_err(&e));
        return;
    }
    audit_set_instance(ep->audit, c->cluster, ep->agent->instance_arn);
}

/* What is answered after a call to ECS, of which nothing is known at first. */
static void set_up_calls(struct endpoints *ep)
{
    const struct agent *a = ep->agent;
    const char *os = a->config->detailed_os_family;

    ep->user_agent = control_user_agent(CLI_REFERENCE_VERSION, CLI_AGENT_HASH, os ? os : "LINUX");
    ep->tags = tags_create(&(struct tags_args){ .loop = a->loop,
                                                .aws = a->aws,
                                                .credentials = a->credentials,
                                                .ecs = control_ecs(a->control) });
    ep->metadata.tags = ep->tags;
    ep->metadata.tag_arns = tag_arns;
    ep->metadata.user_agent = ep->user_agent;
    ep->protection = (struct protection_endpoint){ .source = { find_own, role_of, cluster_of, ep },
                                                   .listener = &ep->tasks_listener,
                                                   .loop = a->loop,
                                                   .aws = a->aws,
                                                   .roles = a->roles,
                                                   .ecs = control_ecs(a->control) };
}

/* They may become known only with the last of the settings. */
static void set_limits(struct endpoints *ep)
{
    struct agent *a = ep->agent;

    limits_destroy(ep->limits);
    ep->limits = limits_create(&(struct limits_args){ .rate = a->config->metadata_rate.steady,
                                                      .burst = a->config->metadata_rate.burst,
                                                      .seed = rng_next(&a->rng) });
    ep->tasks_listener.limits = ep->limits;
}

static struct endpoints *create(struct agent *a)
{
    struct endpoints *ep = NEW(struct endpoints);
    const struct listening_args listening = { .agent = a,
                                              .tasks = on_task_call,
                                              .introspection = on_introspect_call,
                                              .gone = on_gone,
                                              .user = ep };

    ep->agent = a;
    ep->callers = callers_create(a);
    open_audit(ep);
    ep->tasks_listener = (struct endpoint_listener){
        .routes = ep->routes, .who = who, .limited = on_limited, .user = ep
    };
    set_limits(ep);
    add_task_routes(ep);
    ep->introspect_routes[0] = (struct route){ "/metrics", NULL, on_metrics, ep };
    ep->introspect_routes[1] = (struct route){ "/**", NULL, on_introspection, ep };
    ep->introspect_listener =
        (struct endpoint_listener){ .routes = ep->introspect_routes,
                                    .n_routes = COUNT_OF(ep->introspect_routes) };
    ep->tasks_listener.counts = &ep->tasks_counts;
    ep->introspect_listener.counts = &ep->introspect_counts;
    ep->prometheus = (struct prometheus_endpoint){ &ep->introspect_listener, write_metrics, ep };
    ep->credentials = (struct credentials_endpoint){ .roles = a->roles,
                                                     .known = known,
                                                     .may = may,
                                                     .user = ep,
                                                     .listener = &ep->tasks_listener,
                                                     .audit = ep->audit };
    ep->metadata.source = (struct metadata_source){ find, view, stats, ep };
    ep->metadata.listener = &ep->tasks_listener;
    ep->version = mem_printf("Amazon ECS Agent - v%s (%s)", CLI_REFERENCE_VERSION, CLI_AGENT_HASH);
    ep->introspect.source = (struct introspect_source){ .cluster = a->config->cluster,
                                                        .version = ep->version,
                                                        .instance_arn = instance_arn,
                                                        .each = each,
                                                        .user = ep };
    ep->introspect.listener = &ep->introspect_listener;
    ep->listening = listening_create(&listening);
    return ep;
}

void endpoints_go_on(struct agent *a)
{
    if (!listening_was_kept(a))
        return;
    a->endpoints = create(a);
    listening_go_on(a->endpoints->listening);
}

static bool has_task(void *user, const char *task_arn)
{
    return core_task(engine_core(user), task_arn) != NULL;
}

void endpoints_restored(struct agent *a)
{
    roles_sweep(a->roles, has_task, a->engine);
    if (a->endpoints || a->instance_arn)
        endpoints_begin(a);
}

void endpoints_begin(struct agent *a)
{
    struct endpoints *ep = a->endpoints;

    if (ep && ep->begun) {
        endpoints_changed(a);
        return;
    }
    if (!ep)
        ep = a->endpoints = create(a);
    ep->begun = true;
    set_limits(ep);
    set_up_calls(ep);
    endpoints_changed(a);
    listening_begin(ep->listening);
    if (!a->stopping)
        kept_drop_rest(a);
    begin_rules(ep);
    listening_release(ep->listening);
}

void endpoints_seen(struct agent *a)
{
    if (a->endpoints)
        callers_seen(a->endpoints->callers);
}

void endpoints_changed(struct agent *a)
{
    struct endpoints *ep = a->endpoints;

    if (!ep)
        return;
    ep->introspect.source.cluster = a->config->cluster;
    if (ep->audit)
        audit_set_instance(ep->audit, a->config->cluster, a->instance_arn);
}

void endpoints_drain(struct agent *a, void (*done)(void *agent))
{
    if (a->endpoints)
        listening_drain(a->endpoints->listening, done, a);
    else
        done(a);
}

void endpoints_end(struct agent *a)
{
    struct endpoints *ep = a->endpoints;

    if (!ep)
        return;
    end_rules(ep);
    listening_destroy(ep->listening);
    limits_destroy(ep->limits);
    audit_close(ep->audit);
    callers_destroy(ep->callers);
    tags_destroy(ep->tags);
    free(ep->version);
    free(ep->user_agent);
    free(ep);
    a->endpoints = NULL;
}
