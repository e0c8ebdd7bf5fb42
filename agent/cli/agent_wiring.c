#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/agent.h"
#include "cli/agent_endpoints.h"
#include "cli/agent_log_secrets.h"
#include "cli/agent_metadata_file.h"
#include "cli/agent_postmortem.h"
#include "cli/agent_telemetry.h"

/* ---- control -> engine ---- */

static void remember_name(struct agent *a, const char *instance_id)
{
    struct agent_name who = { mem_strdup(a->config->cluster), mem_strdup(a->instance_arn),
                              mem_strdup(instance_id) };

    agent_name_write(a->config->data_dir, &who);
    agent_name_fini(&who);
}

static void on_registered(void *user, const char *instance_arn, const char *instance_id)
{
    struct agent *a = user;

    mem_replace(&a->instance_arn, instance_arn);
    engine_save(a->engine, STORE_META, "container-instance-arn", instance_arn);
    engine_save(a->engine, STORE_META, "cluster", a->config->cluster);
    if (instance_id)
        engine_save(a->engine, STORE_META, "ec2-instance-id", instance_id);
    remember_name(a, instance_id);
    endpoints_begin(a);
}

static void on_failed(void *user, int exit_code, const struct err *e)
{
    (void)e; /* control has logged it */
    agent_stop(user, exit_code);
}

static void on_connected(void *user, bool connected)
{
    struct agent *a = user;

    if (connected)
        engine_control_up(a->engine);
}

static void on_payload(void *user, const char *message_id, int64_t seq,
                       struct control_payload_task *tasks, size_t n)
{
    struct agent *a = user;
    struct core_payload_task *to = mem_array(n, sizeof *to);

    for (size_t i = 0; i < n; i++) {
        to[i] = (struct core_payload_task){ tasks[i].task, tasks[i].arn, tasks[i].error };
        tasks[i].task = NULL;
    }
    engine_payload(a->engine, message_id, seq, to, n);
    free(to);
}

static void on_manifest(void *user, const char *message_id, const char *cluster_arn, int64_t seq,
                        const struct control_manifest_entry *entries, size_t n)
{
    struct agent *a = user;
    struct core_manifest_entry *to = mem_array(n, sizeof *to);

    for (size_t i = 0; i < n; i++)
        to[i] = (struct core_manifest_entry){ entries[i].arn, entries[i].desired };
    engine_manifest(a->engine, message_id, cluster_arn, seq, to, n);
    free(to);
}

static void on_stop_ack(void *user, const char *message_id, const char *const *arns, size_t n)
{
    struct agent *a = user;

    engine_stop_ack(a->engine, message_id, arns, n);
}

static void on_reported(void *user, uint64_t id, bool accepted, bool refused, const char *error)
{
    struct agent *a = user;

    engine_reported(a->engine, id,
                    accepted  ? CORE_REPORT_ACCEPTED
                    : refused ? CORE_REPORT_REFUSED
                              : CORE_REPORT_FAILED,
                    error);
}

static void on_up(void *user)
{
    struct agent *a = user;

    engine_control_up(a->engine);
}

static bool on_knows_task(void *user, const char *arn)
{
    struct agent *a = user;

    return core_task(engine_core(a->engine), arn) != NULL;
}

/* ---- engine -> control, logs ---- */

static void do_ack(void *user, const char *message_id)
{
    struct agent *a = user;

    control_ack(a->control, message_id);
}

static void do_busy(void *user, bool busy)
{
    struct agent *a = user;

    if (a->control)
        control_hold(a->control, busy);
}

static void do_stop_verify(void *user, const char *message_id, const char *cluster_arn,
                           const char *const *arns, size_t n)
{
    struct agent *a = user;

    control_stop_verify(a->control, message_id, cluster_arn, arns, n);
}

static void do_report(void *user, uint64_t id, struct str body)
{
    struct agent *a = user;

    control_report(a->control, id, body);
}

static void do_follow(void *user, const struct task *t, size_t container, const char *docker_id,
                      const struct task_kv *secrets, size_t n_secrets)
{
    struct agent *a = user;

    log_secrets_follow(a->log_secrets, t, container, docker_id, secrets, n_secrets);
}

static enum err_code do_log_check(void *user, const struct task *t, size_t container,
                                  const struct task_kv *secrets, size_t n_secrets, struct err *e)
{
    const struct agent *a = user;

    const struct logs_container c = {
        .task = t, .container = container, .secrets = secrets, .n_secrets = n_secrets
    };

    return logs_check(a->logs, &c, e);
}

struct drain {
    struct list node;
    struct agent *agent;
    uint64_t id;
};

static void on_drained(void *user, bool complete)
{
    struct drain *d = user;
    struct agent *a = d->agent;
    uint64_t id = d->id;

    (void)complete; /* the shipper has said what is left behind */
    list_remove(&d->node);
    free(d);
    engine_drained(a->engine, id);
}

static void drain_logs(void *user, const char *docker_id, int64_t timeout_ms)
{
    struct drain *d = user;

    logs_drain(d->agent->logs, docker_id, timeout_ms, on_drained, d);
}

static void do_drain(void *user, uint64_t id, const char *docker_id, int64_t timeout_ms)
{
    struct agent *a = user;
    struct drain *d = NEW(struct drain);

    /* It is removed soon; one with a restart policy was watched until now. */
    if (a->metrics)
        metrics_forget(a->metrics, docker_id);
    d->agent = a;
    d->id = id;
    list_push_back(&a->draining, &d->node);
    if (!log_secrets_drain(a->log_secrets, docker_id, timeout_ms, drain_logs, d))
        drain_logs(d, docker_id, timeout_ms);
}

static void do_fetch(void *user, uint64_t id, enum core_op op, const struct task *t)
{
    struct agent *a = user;

    secrets_fetch(a->secrets, id,
                  op == CORE_OP_FETCH_SECRETS     ? SECRETS_VALUES
                  : op == CORE_OP_FETCH_ENV_FILES ? SECRETS_ENV_FILES
                                                  : SECRETS_AUTH,
                  t);
}

static void do_fetch_cancel(void *user, uint64_t id)
{
    struct agent *a = user;

    secrets_cancel(a->secrets, id);
}

static void on_fetched(void *user, uint64_t id, const struct secrets_value *values, size_t n,
                       const struct err *e)
{
    static const int kinds[] = {
        [SECRETS_ENV] = ENGINE_VALUE_ENV,           [SECRETS_LOG_OPTION] = ENGINE_VALUE_LOG_OPTION,
        [SECRETS_FILE] = ENGINE_VALUE_FILE,         [SECRETS_HEADER] = ENGINE_VALUE_AUTH,
        [SECRETS_NO_HEADER] = ENGINE_VALUE_NO_AUTH,
    };
    struct agent *a = user;
    struct engine_value *to;

    if (log_secrets_fetched(a->log_secrets, id, values, n, e))
        return;
    to = mem_array(n, sizeof *to);
    for (size_t i = 0; i < n; i++) {
        to[i].container = values[i].container;
        to[i].kind = kinds[values[i].kind];
        to[i].name = values[i].name;
        to[i].value = values[i].value;
    }
    engine_fetched(a->engine, id, to, n, e);
    free(to);
}

static void do_seen(void *user, const struct task *t, size_t container, const struct ctr_facts *f)
{
    struct agent *a = user;

    casebook_seen(a->casebook, t, container, f);
    telemetry_seen(a, t, container, f);
    metadata_file_seen(a, t, container, f);
    endpoints_seen(a);
}

static void do_failed(void *user, const char *task_arn, size_t container, const char *line)
{
    struct agent *a = user;

    casebook_failed(a->casebook, task_arn, container, line);
}

static void do_changed(void *user, const struct task *t)
{
    closing_changed(user, t);
    telemetry_changed(user, t);
}

static void do_gone(void *user, const char *task_arn)
{
    struct agent *a = user;

    casebook_gone(a->casebook, task_arn);
    if (!loop_timer_armed(a->trim))
        loop_timer_arm(a->trim, AGENT_TRIM_MS);
    roles_drop_task(a->roles, task_arn);
    metadata_file_drop(a, task_arn);
}

static void do_fatal(void *user, const struct err *e)
{
    (void)e; /* the engine has logged it */
    agent_stop(user, CLI_ERROR);
}

/* ---- logs <-> store: a commit may be under way when a cursor is asked for, so all
 * are kept here, in memory ---- */

static void set_cursor(struct agent *a, const char *container_id, const char *value)
{
    struct cursor *c;

    HASH_FIND_STR(a->cursors, container_id, c);
    if (!c) {
        c = NEW(struct cursor);
        c->container_id = mem_strdup(container_id);
        HASH_ADD_KEYPTR(hh, a->cursors, c->container_id, strlen(c->container_id), c);
    }
    mem_replace(&c->value, value);
}

static enum err_code load_row(void *user, const char *key, const char *value, struct err *e)
{
    (void)e;
    set_cursor(user, key, value);
    return ERR_OK;
}

enum err_code wiring_load_cursors(struct agent *a, struct err *e)
{
    return store_each(a->store, STORE_CURSOR, load_row, a, e);
}

static void save_cursor(void *user, const char *container_id, const char *value)
{
    struct agent *a = user;

    set_cursor(a, container_id, value);
    if (a->engine)
        engine_save(a->engine, STORE_CURSOR, container_id, value);
}

static void drop_cursor(void *user, const char *container_id)
{
    struct agent *a = user;
    struct cursor *c;

    HASH_FIND_STR(a->cursors, container_id, c);
    if (c) {
        HASH_DEL(a->cursors, c);
        free(c->container_id);
        free(c->value);
        free(c);
    }
    if (a->engine)
        engine_forget(a->engine, STORE_CURSOR, container_id);
}

static char *load_cursor(void *user, const char *container_id)
{
    struct agent *a = user;
    struct cursor *c;

    HASH_FIND_STR(a->cursors, container_id, c);
    return c ? mem_strdup(c->value) : NULL;
}

static void do_hold(void *user, const char *container_id, bool held)
{
    struct agent *a = user;

    if (a->engine)
        engine_hold(a->engine, container_id, held);
}

/* ---- building ---- */

/* What the control plane may place tasks in. The core counts local tasks as tasks, the
 * control plane does not know of them. */
static struct control_resources resources(const struct agent *a)
{
    static const struct local_need none;
    const struct local_need *need = a->local_dir ? local_dir_need(a->local_dir) : &none;
    struct control_resources r = {
        .cpu_units = a->host.cpu_units - need->cpu_units,
        .memory_mib = a->host.memory_mib - a->config->reserved_memory_mib - need->memory_mib,
        .local_tcp = &need->tcp,
        .local_udp = &need->udp,
    };

    if (r.cpu_units < 0 || r.memory_mib < 0)
        log_warn("the local tasks need more than this machine has");
    if (r.cpu_units < 0)
        r.cpu_units = 0;
    if (r.memory_mib < 0)
        r.memory_mib = 0;
    return r;
}

struct control_args wiring_control_args(struct agent *a)
{
    return (struct control_args){
        .loop = a->loop,
        .aws = a->aws,
        .credentials = a->credentials,
        .imds = a->imds,
        .roles = a->roles,
        .config = a->config,
        .machine = platform_machine(a),
        .instance_arn = a->instance_arn,
        .docker_version = a->docker_version.version,
        .docker_api = a->docker_version.api_version,
        .agent_version = CLI_REFERENCE_VERSION,
        .agent_hash = CLI_AGENT_HASH,
        .resources = resources(a),
        .task_limits = a->cgroups != NULL,
        .telemetry = &telemetry_source,
        .seed = a->seed,
    };
}

static void start_control(struct agent *a)
{
    static const struct control_events events = {
        .registered = on_registered,
        .failed = on_failed,
        .connected = on_connected,
        .payload = on_payload,
        .manifest = on_manifest,
        .stop_ack = on_stop_ack,
        .reported = on_reported,
        .up = on_up,
        .knows_task = on_knows_task,
    };
    struct control_args args = wiring_control_args(a);

    args.seed = rng_next(&a->rng);
    a->control = control_create(&args, &events, a);
    control_start(a->control);
}

static void start_metrics(struct agent *a)
{
    const struct metrics_args args = {
        .loop = a->loop,
        .proc = "/proc",
        .cgroup = a->config->cgroup_path,
        .cpus = a->host.cores,
    };

    if (!a->config->disable_metrics)
        a->metrics = metrics_create(&args);
}

static void start_secrets(struct agent *a)
{
    AUTO(str) char *user_agent = control_user_agent(CLI_REFERENCE_VERSION, CLI_AGENT_HASH, NULL);
    const struct secrets_args args = {
        .user_agent = user_agent,
        .loop = a->loop,
        .aws = a->aws,
        .credentials = a->credentials,
        .roles = a->roles,
        .done = on_fetched,
        .user = a,
        .seed = rng_next(&a->rng),
    };

    a->secrets = secrets_create(&args);
    a->log_secrets = log_secrets_create(a);
}

static void start_logs(struct agent *a)
{
    const struct logs_args args = {
        .loop = a->loop,
        .aws = a->aws,
        .credentials = a->credentials,
        .roles = a->roles,
        .docker = a->docker,
        .seed = rng_next(&a->rng),
        .file_dir = a->config->log_sink ? a->config->log_sink + strlen("file:") : NULL,
        .ask_back = a->config->log_ask_back,
        .spool_bytes = a->config->log_spool_mb << 20,
        .save_cursor = save_cursor,
        .drop_cursor = drop_cursor,
        .load_cursor = load_cursor,
        .hold = do_hold,
        .user = a,
    };

    a->logs = logs_create(&args);
}

enum err_code wiring_start(struct agent *a, struct err *e)
{
    static const struct engine_peers peers = {
        .ack = do_ack,
        .busy = do_busy,
        .stop_verify = do_stop_verify,
        .report = do_report,
        .follow = do_follow,
        .log_check = do_log_check,
        .drain = do_drain,
        .seen = do_seen,
        .changed = do_changed,
        .file = metadata_file_make,
        .fetch = do_fetch,
        .fetch_cancel = do_fetch_cancel,
        .failed = do_failed,
        .gone = do_gone,
        .fatal = do_fatal,
    };
    const struct engine_args args = {
        .loop = a->loop,
        .store = a->store,
        .docker = a->docker,
        .config = a->config,
        .core = platform_core_config(a),
        .auths = a->auths,
        .cgroups = a->cgroups,
        .docker_root = a->docker_root,
        .selinux = a->selinux,
        .propagate_memory = a->config->propagate_memory && a->cgroup_version == 2,
        .record_dir = a->config->data_dir,
        .version = BERTH_VERSION,
        .owner = a->owner,
    };
    enum err_code code;

    a->local_dir = local_dir_create(a->loop, a->config->local_tasks_dir);
    /* Before the engine, because the network is slow; its news comes on later turns, when
     * the engine is there. */
    start_control(a);
    start_logs(a);
    own_log_begin(a);
    start_secrets(a);
    start_metrics(a);
    a->casebook = casebook_create(a);
    code = engine_create(&args, &peers, a, &a->engine, e);
    if (a->engine) {
        metadata_files_begin(a);
        local_dir_attach(a->local_dir, a->engine); /* they wait for no network */
        endpoints_restored(a);
    }
    if (code != ERR_INVALID || !a->engine)
        return code;
    log_warn("some stored tasks are lost, going on without them", kv_err(e));
    return ERR_OK;
}

void wiring_stop(struct agent *a)
{
    closing_end(a);
    endpoints_end(a);
    metadata_files_end(a);
    telemetry_end(a);
    control_destroy(a->control);
    a->control = NULL;
    own_log_end(a);
    logs_destroy(a->logs);
    a->logs = NULL;
    LIST_FOREACH (it, following, &a->draining) {
        list_remove(it);
        free(LIST_ENTRY(it, struct drain, node));
    }
    casebook_destroy(a->casebook); /* its records look at the engine */
    a->casebook = NULL;
    local_dir_destroy(a->local_dir);
    a->local_dir = NULL;
    engine_destroy(a->engine);
    a->engine = NULL;
    metrics_destroy(a->metrics);
    a->metrics = NULL;
    log_secrets_destroy(a->log_secrets);
    a->log_secrets = NULL;
    secrets_destroy(a->secrets);
    a->secrets = NULL;
}
