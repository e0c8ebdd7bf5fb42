#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/agent.h"

#define STOP_LIMIT_S 7
#define TRIM_MS      3000

static const char help[] =
    "usage: berth agent [OPTION]...\n\n"
    "Registers this machine as a container instance and runs its tasks. Settings come\n"
    "from the environment, then from the file, then from defaults; see\n"
    "\"berth check-config\".\n\n"
    "  --config FILE             default /etc/ecs/ecs.config; it may be absent\n"
    "  -k                        do not verify TLS certificates\n"
    "  --loglevel LEVEL          debug, info, warn, error, crit or none\n"
    "  --blackhole-ec2-metadata  ask no instance metadata\n"
    "  --no-sandbox              no effect yet\n\n"
    "Exit codes: 0 stopped by a signal (containers keep running), 1 an error after which\n"
    "a restart may help, 5 one after which it cannot.\n";

static const struct backoff_rule negotiate_rule = { 2000, 150, 200 * 1000, 0 };

struct agent_options {
    const char *config, *log_level;
    bool insecure, no_metadata, no_sandbox;
};

/* Resident memory is a promise: one arena, memory given back early, and few threads:
 * one may hang in a look at the disk, one in systemd, and one is left for the commits. */
static void be_frugal(void)
{
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TRIM_THRESHOLD, 64 * 1024);
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    mallopt(M_TOP_PAD, 16 * 1024);
    setenv("UV_THREADPOOL_SIZE", "3", 0);
}

static enum err_code set_up_log(const struct config *c, const char *level, struct err *e)
{
    enum log_level parsed;

    log_set_json(c->log_json);
    if (log_open(c->log_file, e))
        return e->code;
    if (!level)
        level = c->log_level;
    if (level && log_parse_level(level, &parsed, e))
        return err_wrap(e, "log level");
    if (level)
        log_set_level(parsed);
    return ERR_OK;
}

static void report_problems(const struct config_problems *p)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct config_problem *it = &p->items[i];
        enum log_level level = it->fatal ? LOG_ERROR : LOG_WARN;

        if (it->line > 0)
            log_emit(level, LOG_MODULE, it->text, kv_i("line", it->line), kv_end());
        else
            log_emit(level, LOG_MODULE, it->text, kv_end());
    }
}

/* Returns -1 to go on, else the exit code. */
static int load_config(struct agent *a, const struct agent_options *o)
{
    struct config_problems problems = { 0 };
    struct err e = { 0 };
    bool fatal;

    if (config_load_process(o->config, &a->config, &problems, &e)) {
        log_crit("the configuration cannot be read", kv_s("file", o->config), kv_err(&e));
        config_problems_fini(&problems);
        return CLI_ERROR;
    }
    if (set_up_log(a->config, o->log_level, &e))
        log_warn("logging is not as configured", kv_err(&e));
    report_problems(&problems);
    fatal = problems.fatal;
    config_problems_fini(&problems);
    if (fatal) {
        log_crit("the configuration has errors; \"berth check-config\" shows all");
        return CLI_ERROR;
    }
    a->config->insecure_tls = a->config->insecure_tls || o->insecure;
    a->config->imds_disabled = a->config->imds_disabled || o->no_metadata || a->config->external;
    return -1;
}

static enum err_code make_directory(const char *path, mode_t mode, struct err *e)
{
    AUTO(str) char *p = mem_strdup(path);

    for (char *at = p + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(p, 0755) && errno != EEXIST)
            return err_errno(e, errno, "cannot create %s", p);
        *at = '/';
    }
    if (mkdir(p, mode) && errno != EEXIST)
        return err_errno(e, errno, "cannot create %s", p);
    return ERR_OK;
}

/* The parent of a path that has not been made yet. */
static enum err_code make_parent(const char *path, struct err *e)
{
    const char *name = str_after_last(path, '/');
    AUTO(str) char *dir = NULL;

    if (name <= path + 1)
        return ERR_OK;
    dir = mem_strndup(path, (size_t)(name - path) - 1);
    return make_directory(dir, 0755, e);
}

/* ---- what an earlier process left ---- */

static enum err_code get_meta(struct store *s, const char *key, char **out, struct err *e)
{
    enum err_code code = store_get(s, STORE_META, key, out, e);

    if (code != ERR_NOT_FOUND)
        return code;
    *e = (struct err){ 0 };
    return ERR_OK;
}

static int open_store(struct agent *a)
{
    const char *dir = a->config->data_dir;
    AUTO(str) char *cluster = NULL;
    struct err e = { 0 };

    if (make_directory(dir, 0700, &e)) {
        log_crit("the data directory cannot be used", kv_err(&e));
        return CLI_ERROR;
    }
    if (store_open(dir, &a->store, &e)) {
        if (e.code != ERR_INVALID || !a->store) {
            log_crit("the agent's state cannot be opened", kv_s("dir", dir), kv_err(&e));
            return CLI_ERROR;
        }
        log_warn("the agent's state was damaged and is set aside, starting afresh", kv_err(&e));
        e = (struct err){ 0 };
    }
    if (get_meta(a->store, "cluster", &cluster, &e) ||
        get_meta(a->store, "container-instance-arn", &a->instance_arn, &e) ||
        wiring_load_cursors(a, &e)) {
        log_crit("the agent's state cannot be read", kv_s("dir", dir), kv_err(&e));
        return CLI_ERROR;
    }
    if (cluster && !streq(cluster, a->config->cluster)) {
        log_crit("this instance is registered with another cluster; set ECS_CLUSTER back, or "
                 "stop its tasks and remove the data directory to register anew",
                 kv_s("registered", cluster), kv_s("configured", a->config->cluster),
                 kv_s("dir", dir));
        return CLI_TERMINAL;
    }
    return -1;
}

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
    return -1;
}

/* ---- the loop ---- */

void agent_stop(struct agent *a, int exit_code)
{
    if (a->exit_code < 0)
        a->exit_code = exit_code;
    loop_stop(a->loop);
}

static void on_signal(void *user)
{
    log_info("stopping; containers keep running");
    agent_stop(user, CLI_OK);
}

static volatile sig_atomic_t late_code;

/* Whatever hangs while stopping: all that matters is in committed transactions. */
static void on_late(int signum)
{
    (void)signum;
    _exit(late_code);
}

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
    } else if (platform_set_up(a, info, &why) || wiring_start(a, &why)) {
        log_crit("the agent cannot start", kv_err(&why));
        agent_stop(a, CLI_ERROR);
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

static void on_trim(void *user)
{
    (void)user;
    malloc_trim(0); /* what starting up needed */
}

static const char *from_environment(void *user, const char *name)
{
    (void)user;
    return getenv(name);
}

static int build(struct agent *a)
{
    AUTO(str)
    char *user_agent =
        mem_printf("Amazon ECS Agent - v%s (%s) (linux; %s) "
                   "(+http://aws.amazon.com/ecs/)",
                   CLI_REFERENCE_VERSION, BERTH_COMMIT,
                   a->config->detailed_os_family ? a->config->detailed_os_family : "LINUX");
    const struct http_client_config http = { a->config->insecure_tls, user_agent };
    const char *imds =
        a->config->imds_endpoint ? a->config->imds_endpoint : "http://169.254.169.254";
    struct err e = { 0 };

    a->loop = loop_create();
    a->http = http_client_create(a->loop, &http);
    if (docker_create(a->http, a->config->docker_endpoint, &a->docker, &e)) {
        log_crit("DOCKER_HOST cannot be used", kv_err(&e));
        return CLI_ERROR;
    }
    a->credentials =
        credentials_create(a->http, from_environment, NULL, a->config->imds_disabled ? NULL : imds);
    a->roles = roles_create();
    a->negotiate_retry = loop_timer_create(a->loop, negotiate, a);
    a->trim = loop_timer_create(a->loop, on_trim, a);
    if (make_parent(a->config->admin_socket, &e) ||
        admin_create(a, a->config->admin_socket, &a->admin, &e))
        log_warn("client commands cannot reach this agent", kv_s("socket", a->config->admin_socket),
                 kv_err(&e));
    loop_on_signal(a->loop, SIGTERM, on_signal, a);
    loop_on_signal(a->loop, SIGINT, on_signal, a);
    return -1;
}

static int run(struct agent *a)
{
    log_info("berth starts", kv_s("version", BERTH_VERSION), kv_s("commit", BERTH_COMMIT),
             kv_s("cluster", a->config->cluster), kv_s("region", a->config->region));
    negotiate(a);
    loop_timer_arm(a->trim, TRIM_MS);
    loop_run(a->loop);
    late_code = a->exit_code < 0 ? CLI_OK : a->exit_code;
    signal(SIGALRM, on_late);
    alarm(STOP_LIMIT_S);
    return late_code;
}

static void tear_down(struct agent *a)
{
    struct cursor *c, *next;

    admin_destroy(a->admin);
    docker_cancel(a->negotiating);
    wiring_stop(a);
    docker_destroy(a->docker);
    credentials_destroy(a->credentials);
    roles_destroy(a->roles);
    loop_timer_destroy(a->negotiate_retry);
    loop_timer_destroy(a->trim);
    http_client_destroy(a->http);
    loop_destroy(a->loop);
    store_close(a->store);
    platform_fini(a);
    HASH_ITER (hh, a->cursors, c, next) {
        HASH_DEL(a->cursors, c);
        free(c->container_id);
        free(c->value);
        free(c);
    }
    free(a->instance_arn);
    config_destroy(a->config);
}

int cli_agent(int argc, char **argv)
{
    struct agent_options o = { .config = "/etc/ecs/ecs.config" };
    const struct cli_option options[] = {
        { "config", NULL, &o.config },         { "k", &o.insecure, NULL },
        { "loglevel", NULL, &o.log_level },    { "blackhole-ec2-metadata", &o.no_metadata, NULL },
        { "no-sandbox", &o.no_sandbox, NULL },
    };
    struct agent a = { .exit_code = -1, .started_ms = clock_wall_ms() };
    int code = cli_options(options, COUNT_OF(options), help, CLI_TERMINAL, 0, &argc, argv);

    if (code >= 0)
        return code;
    be_frugal();
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    list_init(&a.draining);
    a.seed = rng_entropy();
    rng_seed(&a.rng, a.seed);
    code = load_config(&a, &o);
    if (code < 0)
        code = read_host(&a);
    if (code < 0)
        code = open_store(&a);
    if (code < 0)
        code = build(&a);
    if (code < 0)
        code = run(&a);
    tear_down(&a);
    return code;
}
