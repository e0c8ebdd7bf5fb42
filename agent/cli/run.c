/* berth run: one task definition, in the foreground, without a control plane. The same
 * core and engine as the agent's, with a store that lives as long as the command. */
#include "cli/run.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "cli/cli.h"
#include "cli/local_dir.h"
#include "config/config.h"
#include "engine/engine.h"
#include "host/host.h"
#include "store/store.h"

#define CANNOT_RUN  125
#define INTERRUPTED 130
#define DRAIN_MS    (5 * 1000)
#define AGEING_MS   (5 * 60 * 1000)
#define DISK_MS     (60 * 1000)
#define PULLS       3
/* Where a kernel does not say which ports it gives out. */
#define PORT_FIRST 49153
#define PORT_LAST  65535
#define TASK_MAX   (4 << 20)

static const char help[] =
    "usage: berth run [OPTION]... FILE\n\n"
    "Runs the task definition in FILE on this machine, in the foreground and without any\n"
    "control plane: the JSON that \"aws ecs register-task-definition\" takes, or that\n"
    "describe-task-definition prints. The logs of its containers are printed line by line\n"
    "behind their names, standard error to standard error; so is what happens.\n"
    "Ctrl-C stops the containers in order and removes them; a second one leaves them.\n"
    "An image that is here is not pulled.\n\n"
    "  --name NAME  of the task; default: the name of the file\n"
    "  --quiet      do not print what happens, only logs and errors\n\n"
    "DOCKER_HOST, AWS_REGION, ECS_ENGINE_AUTH_TYPE and ECS_ENGINE_AUTH_DATA are honored.\n"
    "Exit codes: that of the first essential container that ended; 125 when the task could\n"
    "not be run, 130 when it was interrupted before that, 2 for a wrong call.\n";

struct run {
    const char *file;
    char *name;
    bool quiet;
    struct task *task;
    char digest[LOCAL_DIGEST_SIZE];
    char dir[PATH_MAX]; /* of the store; "": none yet */
    struct config *config;
    struct docker_auths *auths;
    struct loop *loop;
    struct http_client *http;
    struct docker *docker;
    struct docker_op *negotiating;
    struct store *store;
    struct engine *engine; /* NULL until the container engine has answered */
    struct run_logs *logs;
    char *arn; /* of the run; NULL: not accepted yet */
    int exit_code;
    bool ended;       /* an essential container has, with exit_code */
    char *why;        /* it could not be run; NULL */
    char *warning;    /* the last one; NULL */
    bool interrupted; /* asked to stop */
    bool left;        /* asked twice */
};

static void say(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void say(const char *fmt, ...)
{
    va_list ap;

    fputs("berth run: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    putc('\n', stderr);
}

/* ---- what becomes of it ---- */

/* Called with everything that happens: the first essential container that is seen to
 * have ended says how the task went. */
static void look_at_task(struct run *r, const struct jcur *task)
{
    struct jcur containers = jcur_arr(task, "containers");

    if (!r->arn)
        r->arn = jcur_strdup_or(task, "arn", NULL);
    JCUR_EACH (c, &containers) {
        struct jcur code = jcur_get(&c, "exit_code");
        const char *error = jcur_str_or(&c, "error", NULL);

        if (error && !r->why)
            r->why = mem_printf("%s: %s: %s", jcur_str_or(&c, "name", ""), error,
                                jcur_str_or(&c, "reason", ""));
        if (r->ended || !jcur_bool_or(&c, "essential", false) || !jcur_present(&code))
            continue;
        r->ended = true;
        r->exit_code = (int)jcur_as_int(&code, INT32_MIN, INT32_MAX);
    }
    if (!r->why && !r->ended)
        r->why = jcur_strdup_or(task, "reason", NULL);
}

static void look(struct run *r)
{
    AUTO(buf) struct buf b = BUF_INIT(TASK_MAX);
    AUTO(json) struct json_t *v = NULL;
    struct err e = { 0 };
    struct jcur root;
    struct jw w;

    jw_init(&w, &b);
    core_write_tasks(engine_core(r->engine), &w);
    if (json_parse(b.data, b.len, &v, &e))
        return;
    root = jcur_root(v, &e);
    JCUR_EACH (task, &root)
        look_at_task(r, &task);
}

static void on_event(void *user, const char *json_line)
{
    struct run *r = user;
    AUTO(json) struct json_t *v = NULL;
    struct err e = { 0 };
    struct jcur root;
    const char *container, *event;

    look(r);
    if (json_parse(json_line, strlen(json_line), &v, &e))
        return;
    root = jcur_root(v, &e);
    container = jcur_str_or(&root, "container", NULL);
    event = jcur_str_or(&root, "event", "");
    if (jcur_bool_or(&root, "warning", false))
        mem_replace(&r->warning, event);
    /* What is not of the task is of no interest, such as that others have containers. */
    if (!jcur_str_or(&root, "task", NULL) || (r->quiet && !jcur_bool_or(&root, "warning", false)))
        return;
    fputs("berth: ", stderr);
    if (container)
        fprintf(stderr, "%s: ", container);
    cli_put(stderr, event);
    putc('\n', stderr);
}

/* ---- the engine's neighbors ---- */

static void do_follow(void *user, const struct task *t, size_t container, const char *docker_id,
                      const struct task_kv *secrets, size_t n_secrets)
{
    struct run *r = user;

    (void)t;
    (void)secrets;
    (void)n_secrets;
    run_logs_follow(r->logs, container, docker_id);
}

static void do_drain(void *user, uint64_t id, const char *docker_id, int64_t timeout_ms)
{
    struct run *r = user;

    run_logs_drain(r->logs, id, docker_id, timeout_ms);
}

static void on_drained(void *user, uint64_t id)
{
    struct run *r = user;

    engine_drained(r->engine, id);
}

/* Nothing is fetched: an image that is here needs no password, and the engine says
 * why it cannot pull another. */
static void do_fetch(void *user, uint64_t id, enum core_op op, const struct task *t)
{
    struct run *r = user;

    (void)op;
    (void)t;
    engine_fetched(r->engine, id, NULL, 0, &(struct err){ 0 });
}

static void do_gone(void *user, const char *task_arn)
{
    struct run *r = user;

    (void)task_arn;
    loop_stop(r->loop);
}

static void do_fatal(void *user, const struct err *e)
{
    struct run *r = user;

    say("the state cannot be kept: %s", e->msg);
    r->left = true;
    loop_stop(r->loop);
}

/* ---- stopping ---- */

static void name_left(void *user, const struct task *t, size_t container, const char *docker_id,
                      enum ctr_status known)
{
    (void)user;
    if (known != CTR_STOPPED)
        say("container %s is left: %.12s", t->containers[container].name, docker_id);
}

static void on_signal(void *user)
{
    struct run *r = user;

    if (!r->engine || r->interrupted) {
        if (r->engine)
            core_each_container(engine_core(r->engine), name_left, NULL);
        r->left = true;
        loop_stop(r->loop);
        return;
    }
    r->interrupted = true;
    say("stopping; once more to leave the containers as they are");
    engine_local(r->engine, NULL, 0);
}

static void on_broken(void *user)
{
    struct run *r = user;

    if (!r->interrupted)
        on_signal(r);
}

/* ---- building ---- */

static const char *from_environment(void *user, const char *name)
{
    static const char *const honored[] = { "DOCKER_HOST", "AWS_REGION", "AWS_DEFAULT_REGION",
                                           "ECS_ENGINE_AUTH_TYPE", "ECS_ENGINE_AUTH_DATA" };

    (void)user;
    for (size_t i = 0; i < COUNT_OF(honored); i++)
        if (streq(name, honored[i]))
            return getenv(name);
    return NULL;
}

/* There is one task, so nothing is admitted or refused: the machine's room is the
 * container engine's affair. */
static struct core_config core_config(const struct config *c, int cores)
{
    struct core_config out = {
        .seed = rng_entropy(),
        .cpu_units = INT32_MAX,
        .memory_mib = INT32_MAX,
        .pull_behavior = PULL_PREFER_CACHED,
        .stop_timeout_ms = c->stop_timeout_ms,
        .create_timeout_ms = c->create_timeout_ms,
        .start_timeout_ms = c->start_timeout_ms,
        .manifest_timeout_ms = c->manifest_pull_timeout_ms,
        .pull_timeout_ms = c->pull_timeout_ms,
        .pull_inactivity_ms = c->pull_inactivity_ms,
        .drain_ms = DRAIN_MS,
        .ageing_ms = AGEING_MS,
        .start_parallel = 2 * cores,
        .pull_parallel = PULLS,
        .exclude_ipv6_binding = c->exclude_ipv6_binding,
        .port_first = PORT_FIRST,
        .port_last = PORT_LAST,
        .disk_check_ms = DISK_MS,
    };

    (void)host_port_range(&out.port_first, &out.port_last);
    return out;
}

static void start(struct run *r)
{
    static const struct engine_peers peers = {
        .follow = do_follow,
        .drain = do_drain,
        .fetch = do_fetch,
        .gone = do_gone,
        .fatal = do_fatal,
    };
    struct host_capacity host = { .cores = 1 };
    struct err e = { 0 };
    struct core_local_def def = { .name = r->name,
                                  .digest = r->digest,
                                  .task = task_with_arn(r->task, r->task->arn),
                                  .once = true };

    if (host_read_capacity(&host, &e))
        host.cores = 1; /* it only paces */
    const struct engine_args args = {
        .loop = r->loop,
        .store = r->store,
        .docker = r->docker,
        .config = r->config,
        .core = core_config(r->config, host.cores),
        .auths = r->auths,
        .version = BERTH_VERSION,
    };
    r->logs = run_logs_create(r->loop, r->docker, r->task, on_drained, on_broken, r);
    e = (struct err){ 0 };
    if (engine_create(&args, &peers, r, &r->engine, &e)) {
        r->why = mem_strdup(e.msg);
        task_destroy(def.task);
        loop_stop(r->loop);
        return;
    }
    engine_observe(r->engine, on_event, r);
    engine_local(r->engine, &def, 1);
}

static void on_negotiated(void *user, const struct docker_version *v, const struct err *e)
{
    struct run *r = user;

    (void)v;
    r->negotiating = NULL;
    if (!e->code) {
        start(r);
        return;
    }
    r->why = mem_printf("the container engine at %s does not answer: %s",
                        r->config->docker_endpoint, e->msg);
    loop_stop(r->loop);
}

static enum err_code make_store(struct run *r, struct err *e)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(r->dir, sizeof r->dir, "%s/berth-run-XXXXXX", str_empty(tmp) ? "/tmp" : tmp);
    if (!mkdtemp(r->dir)) {
        err_errno(e, errno, "cannot create %s", r->dir);
        r->dir[0] = '\0';
        return e->code;
    }
    return store_open(r->dir, &r->store, e);
}

static void remove_store(const struct run *r)
{
    DIR *dir = r->dir[0] ? opendir(r->dir) : NULL;
    struct dirent *row;

    if (!dir)
        return;
    while ((row = readdir(dir)))
        if (!streq(row->d_name, ".") && !streq(row->d_name, ".."))
            unlinkat(dirfd(dir), row->d_name, 0);
    closedir(dir);
    rmdir(r->dir);
}

static enum err_code build(struct run *r, struct err *e)
{
    const struct http_client_config http = { .user_agent = "berth" };
    const struct config_inputs inputs = { .env = from_environment };
    struct config_problems ignored = { 0 }; /* most are of what is not used here */
    struct err auth = { 0 };

    r->config = config_build(&inputs, &ignored);
    config_problems_fini(&ignored);
    if (docker_auths_create(r->config->engine_auth_type ? r->config->engine_auth_type : "",
                            r->config->engine_auth_data ? r->config->engine_auth_data : "",
                            &r->auths, &auth))
        say("the registry passwords cannot be read, going on without them: %s", auth.msg);
    r->loop = loop_create();
    r->http = http_client_create(r->loop, &http);
    if (docker_create(r->http, r->config->docker_endpoint, &r->docker, e))
        return err_wrap(e, "DOCKER_HOST");
    loop_on_signal(r->loop, SIGINT, on_signal, r);
    loop_on_signal(r->loop, SIGTERM, on_signal, r);
    loop_on_signal(r->loop, SIGHUP, on_signal, r);
    return make_store(r, e); /* last: from here on a signal leaves no directory behind */
}

static void tear_down(struct run *r)
{
    docker_cancel(r->negotiating);
    run_logs_destroy(r->logs);
    engine_destroy(r->engine);
    docker_destroy(r->docker);
    http_client_destroy(r->http);
    loop_destroy(r->loop);
    store_close(r->store);
    remove_store(r);
    docker_auths_destroy(r->auths);
    config_destroy(r->config);
    task_destroy(r->task);
    free(r->name);
    free(r->arn);
    free(r->why);
    free(r->warning);
}

static char *name_of_file(const char *file)
{
    const char *name = str_after_last(file, '/');
    size_t n = strlen(name);

    if (str_ends(name, ".json") && n > strlen(".json"))
        n -= strlen(".json");
    return mem_strndup(name, n);
}

static int read_definition(struct run *r)
{
    AUTO(str) char *arn = mem_printf("arn:berth:local:::task/%s", r->name);
    struct err e = { 0 };
    bool has_role = false;

    if (!*r->name || strchr(r->name, '/')) {
        say("'%s' cannot be the name of a task", r->name);
        return CLI_USAGE;
    }
    if (!local_file_read(r->file, arn, r->name, &r->task, r->digest, &has_role, &e)) {
        if (has_role)
            say("the task has no role of its own, taskRoleArn is ignored");
        return -1;
    }
    fprintf(stderr, "berth run: %s: ", r->file);
    cli_put(stderr, e.msg);
    putc('\n', stderr);
    return CANNOT_RUN;
}

static int outcome(const struct run *r)
{
    if (r->left)
        return INTERRUPTED;
    if (r->ended)
        return r->exit_code;
    if (r->interrupted)
        return INTERRUPTED;
    fputs("berth run: the task could not be run: ", stderr);
    /* What never came to life is gone before it can be looked at. */
    cli_put(stderr, r->why ? r->why : r->warning ? r->warning : "it ended for no known reason");
    putc('\n', stderr);
    return CANNOT_RUN;
}

static int run(struct run *r)
{
    struct err e = { 0 };

    if (build(r, &e)) {
        r->why = mem_strdup(e.msg);
        return outcome(r);
    }
    r->negotiating = docker_negotiate(r->docker, on_negotiated, r);
    loop_run(r->loop);
    return outcome(r);
}

int cli_run(int argc, char **argv)
{
    const char *name = NULL;
    struct run r = { 0 };
    const struct cli_option options[] = { { "name", NULL, &name }, { "quiet", &r.quiet, NULL } };
    int code = cli_options(options, COUNT_OF(options), help, CLI_USAGE, 1, &argc, argv);

    if (code >= 0)
        return code;
    if (argc < 2) {
        fputs("berth run: which file? See \"berth run --help\"\n", stderr);
        return CLI_USAGE;
    }
    log_set_level(LOG_ERROR); /* what happens is said in other words */
    umask(077);
    r.file = argv[1];
    r.name = name ? mem_strdup(name) : name_of_file(r.file);
    code = read_definition(&r);
    if (code < 0)
        code = run(&r);
    tear_down(&r);
    return code;
}
