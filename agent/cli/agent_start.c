/* agent_start: from nothing to a running engine. One wait after the other, each on the loop:
 * the instance's metadata (which may hold settings, and never delays for longer than
 * METADATA_MS), the container engine's version, what it offers, its plugins. */
#include <malloc.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/agent.h"
#include "cli/agent_endpoints.h"
#include "cli/agent_kept.h"
#include "cli/agent_sandbox.h"
#include "cli/agent_vault.h"
#include "cli/agent_watchdog.h"

#define METADATA_MS 6000

static const struct backoff_rule negotiate_rule = { 2000, 150, 200 * 1000, 0 };

static void end(struct agent *a, int code)
{
    if (code >= 0)
        agent_stop(a, code);
}

/* ---- 4. the engine runs ---- */

static void print_attribute(void *user, const char *name, const char *value)
{
    (void)user;
    printf("%s\t%s\n", name, value ? value : "");
}

static void ready(struct agent *a)
{
    struct err e = { 0 };

    if (a->options.attributes) {
        struct control_args args = wiring_control_args(a);

        control_each_attribute(&args, print_attribute, NULL);
        agent_stop(a, CLI_OK);
    } else if (wiring_start(a, &e)) {
        log_crit("the agent cannot start", kv_err(&e));
        agent_stop(a, CLI_ERROR);
    } else {
        settings_started(a);
        kept_tell(a, "STATUS=running");
    }
}

/* The state may still be another instance's. */
static void make_room(struct agent *a)
{
    if (a->others_state)
        leftovers_remove(a, ready);
    else
        ready(a);
}

static void on_plugins(void *user, const char *const *names, size_t n, const struct err *e)
{
    struct agent *a = user;

    a->negotiating = NULL;
    if (e->code)
        log_warn("the container engine does not tell its plugins", kv_err(e));
    else
        platform_add_plugins(a, names, n);
    make_room(a);
}

/* ---- 3. what the container engine is ---- */

static void negotiate(void *user);

static void negotiate_later(struct agent *a, const struct err *e)
{
    int64_t delay = backoff_next(&a->negotiate_backoff, &negotiate_rule, &a->rng);

    log_warn("the container engine does not answer, retrying",
             kv_s("endpoint", a->config->docker_endpoint), kv_err(e), kv_i("in_ms", delay));
    loop_timer_arm(a->negotiate_retry, delay);
}

static void on_info(void *user, const struct docker_info *info, const struct err *e)
{
    struct agent *a = user;
    struct err why = { 0 };

    a->negotiating = NULL;
    if (e->code) {
        negotiate_later(a, e);
    } else if (platform_set_up(a, info, &why)) {
        log_crit("the agent cannot start", kv_err(&why));
        agent_stop(a, CLI_TERMINAL); /* what was asked for is not there the next time either */
    } else {
        a->negotiating = docker_plugins(a->docker, on_plugins, a);
    }
}

static void on_negotiated(void *user, const struct docker_version *v, const struct err *e)
{
    struct agent *a = user;

    a->negotiating = NULL;
    if (e->code) {
        negotiate_later(a, e);
        return;
    }
    log_info("container engine found", kv_s("version", v->version), kv_s("api", v->api_version));
    a->docker_version = *v;
    a->negotiating = platform_ask(a, on_info);
}

static void negotiate(void *user)
{
    struct agent *a = user;

    a->negotiating = docker_negotiate(a->docker, on_negotiated, a);
}

/* ---- 2. the settings are known ---- */

static int read_host(struct agent *a)
{
    struct err e = { 0 };

    if (host_read_capacity(&a->host, &e)) {
        log_crit("the capacity of this machine cannot be read", kv_err(&e));
        return CLI_ERROR;
    }
    if (a->config->reserved_memory_mib > a->host.memory_mib) {
        log_crit("ECS_RESERVED_MEMORY is more than this machine has",
                 kv_i("reserved_mib", a->config->reserved_memory_mib),
                 kv_i("memory_mib", a->host.memory_mib));
        return CLI_ERROR;
    }
    if (platform_read_host(a, &e)) {
        log_crit("the agent cannot start", kv_err(&e));
        return CLI_ERROR;
    }
    return -1;
}

static void open_admin(struct agent *a)
{
    struct err e = { 0 };

    if (agent_make_parent(a->config->admin_socket, &e) ||
        admin_create(a, a->config->admin_socket, &a->admin, &e))
        log_warn("client commands cannot reach this agent", kv_s("socket", a->config->admin_socket),
                 kv_err(&e));
}

static void create_cloud(struct agent *a)
{
    const struct config *c = a->config;
    const struct aws_args aws = {
        .http = a->http,
        .region = c->region,
        .env = settings_env,
        .env_user = a,
        .fips = c->use_fips,
        .dual_stack = c->use_dual_stack || platform_ipv6_only(a),
        .host_fips = c->host_fips,
        .max_attempts = (int)c->max_attempts,
        .seed = rng_next(&a->rng),
    };
    struct credentials_args credentials = {
        .imds = a->imds,
        .env = settings_env,
        .env_user = a,
        .external = c->external,
        .rotating_profile = c->credential_profile,
    };

    a->aws = aws_create(&aws);
    credentials.aws = a->aws;
    a->credentials = credentials_create(&credentials);
}

/* What is made here is taken down by the agent's end, whatever comes of it. */
static int go_on(struct agent *a)
{
    struct err e = { 0 };
    int code = read_host(a);

    log_info("berth starts", kv_s("version", BERTH_VERSION), kv_s("commit", BERTH_COMMIT),
             kv_s("cluster", a->config->cluster), kv_s("region", a->config->region));
    if (code < 0 && !a->options.attributes)
        code = state_open(a);
    if (code >= 0)
        return code;
    if (docker_create(a->http, a->config->docker_endpoint, &a->docker, &e)) {
        log_crit("DOCKER_HOST cannot be used", kv_err(&e));
        return CLI_ERROR;
    }
    create_cloud(a);
    if (!a->options.attributes)
        open_admin(a);
    /* The container engine may be away for longer than a start may take. */
    kept_tell(a, "READY=1\nSTATUS=waiting for the container engine");
    negotiate(a);
    loop_timer_arm(a->trim, AGENT_TRIM_MS);
    return -1;
}

/* ---- 1. the instance's metadata ---- */

/* An image that was made for a cloud, started where cloud-init finds none, while somebody
 * answers as its metadata service: this is not the machine it seems to be. */
static bool is_impostor(const struct instance_facts *f)
{
    const char *user_data = f->text[INSTANCE_USER_DATA];

    return !str_empty(user_data) && host_cloud_init_none(HOST_CLOUD_INIT_RESULT);
}

static void tell_missing(const struct instance_facts *f)
{
    const struct err *user_data = &f->error[INSTANCE_USER_DATA];

    if (!f->text[INSTANCE_ID])
        log_warn("the instance's metadata do not tell who this is", kv_err(&f->error[INSTANCE_ID]));
    if (user_data->code && user_data->code != ERR_NOT_FOUND)
        log_warn("the user data cannot be read; settings in them have no effect",
                 kv_err(user_data));
}

static void on_facts(void *user, struct instance_facts *f)
{
    struct agent *a = user;
    int code;

    a->reading = NULL;
    if (is_impostor(f)) {
        log_crit("there are user data, but cloud-init says that it found no data source");
        agent_stop(a, CLI_TERMINAL);
        return;
    }
    tell_missing(f);
    a->instance_id = f->text[INSTANCE_ID];
    f->text[INSTANCE_ID] = NULL;
    code = settings_finish(a, f);
    end(a, code < 0 ? go_on(a) : code);
}

static void on_trim(void *user)
{
    (void)user;
    malloc_trim(0); /* what starting up needed, or tasks that are gone */
    vault_tell();
}

static void create_http(struct agent *a)
{
    const struct config *c = a->config;
    AUTO(str)
    char *user_agent = control_user_agent(CLI_REFERENCE_VERSION, CLI_AGENT_HASH,
                                          c->detailed_os_family ? c->detailed_os_family : "LINUX");
    const char *bundle = settings_env(a, "AWS_CA_BUNDLE");
    const struct http_client_config http = {
        .insecure_tls = c->insecure_tls,
        .user_agent = user_agent,
        .http_proxy = settings_env(a, "HTTP_PROXY"),
        .https_proxy = settings_env(a, "HTTPS_PROXY"),
        .no_proxy = settings_env(a, "NO_PROXY"),
        .ca_file = str_empty(bundle) ? settings_env(a, "SSL_CERT_FILE") : bundle,
        .ca_dir = settings_env(a, "SSL_CERT_DIR"),
    };

    a->http = http_client_create(a->loop, &http);
}

static void on_proceed(void *user)
{
    struct agent *a = user;
    int code = settings_finish(a, NULL);

    end(a, code < 0 ? go_on(a) : code);
}

int start_begin(struct agent *a)
{
    const struct config *c = a->config;
    unsigned wanted = INSTANCE_WANT(INSTANCE_ID) | INSTANCE_WANT(INSTANCE_USER_DATA);

    a->loop = loop_create();
    agent_listen(a);
    agent_helper_watch(a);
    watchdog_begin(a);
    a->roles = roles_create();
    kept_begin(a);
    endpoints_go_on(a);
    create_http(a);
    a->negotiate_retry = loop_timer_create(a->loop, negotiate, a);
    a->trim = loop_timer_create(a->loop, on_trim, a);
    if (!c->imds_disabled) {
        const struct imds_args imds = {
            .http = a->http,
            .base = c->imds_endpoint,
            .ipv6 = c->imds_ipv6,
            .v1_disabled = c->imds_v1_disabled,
            .seed = rng_next(&a->rng),
        };

        if (!c->region)
            wanted |= INSTANCE_WANT(INSTANCE_REGION);
        a->imds = imds_create(&imds);
        a->reading = instance_read(a->imds, a->loop, wanted, METADATA_MS, on_facts, a);
        return -1;
    }
    a->proceed = loop_timer_create(a->loop, on_proceed, a);
    loop_timer_arm(a->proceed, 0);
    return -1;
}
