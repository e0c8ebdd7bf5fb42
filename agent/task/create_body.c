/* The body of POST /containers/create: first what the task itself says, then the
 * control plane's dockerConfig on top of it, then what the agent insists on. */
#include "task/create_body.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"

#define BODY_MAX     (8 * (size_t)TASK_MAX_JSON)
#define API_FIRST    17
#define CONFIG_ERROR "DockerClientConfigError"

/* Env, Labels, Memory, CgroupParent, PidMode, IpcMode and LogConfig are missing here:
 * they have rules of their own below. */
static const struct merge_field config_fields[] = {
    { "Hostname", MERGE_STR },      { "Domainname", MERGE_STR },
    { "User", MERGE_STR },          { "AttachStdin", MERGE_BOOL },
    { "AttachStdout", MERGE_BOOL }, { "AttachStderr", MERGE_BOOL },
    { "ExposedPorts", MERGE_MAP },  { "Tty", MERGE_BOOL },
    { "OpenStdin", MERGE_BOOL },    { "StdinOnce", MERGE_BOOL },
    { "Cmd", MERGE_STRS },          { "Healthcheck", MERGE_OBJ },
    { "ArgsEscaped", MERGE_BOOL },  { "Image", MERGE_STR },
    { "Volumes", MERGE_MAP },       { "WorkingDir", MERGE_STR },
    { "Entrypoint", MERGE_STRS },   { "NetworkDisabled", MERGE_BOOL },
    { "MacAddress", MERGE_STR },    { "OnBuild", MERGE_LIST },
    { "StopSignal", MERGE_STR },    { "StopTimeout", MERGE_INT },
    { "Shell", MERGE_STRS },
};

static const struct merge_field host_fields[] = {
    { "Binds", MERGE_LIST }, /* the first: see create_write_file_binds */
    { "ContainerIDFile", MERGE_STR },
    { "NetworkMode", MERGE_STR },
    { "PortBindings", MERGE_MAP },
    { "RestartPolicy", MERGE_OBJ },
    { "AutoRemove", MERGE_BOOL },
    { "VolumeDriver", MERGE_STR },
    { "VolumesFrom", MERGE_LIST },
    { "ConsoleSize", MERGE_LIST },
    { "Annotations", MERGE_MAP },
    { "CapAdd", MERGE_STRS },
    { "CapDrop", MERGE_STRS },
    { "CgroupnsMode", MERGE_STR },
    { "Dns", MERGE_LIST },
    { "DnsOptions", MERGE_LIST },
    { "DnsSearch", MERGE_LIST },
    { "ExtraHosts", MERGE_LIST },
    { "GroupAdd", MERGE_LIST },
    { "Cgroup", MERGE_STR },
    { "Links", MERGE_LIST },
    { "OomScoreAdj", MERGE_INT },
    { "Privileged", MERGE_BOOL },
    { "PublishAllPorts", MERGE_BOOL },
    { "ReadonlyRootfs", MERGE_BOOL },
    { "SecurityOpt", MERGE_LIST },
    { "StorageOpt", MERGE_MAP },
    { "Tmpfs", MERGE_MAP },
    { "UTSMode", MERGE_STR },
    { "UsernsMode", MERGE_STR },
    { "ShmSize", MERGE_INT },
    { "Sysctls", MERGE_MAP },
    { "Runtime", MERGE_STR },
    { "Isolation", MERGE_STR },
    { "CpuShares", MERGE_INT },
    { "NanoCpus", MERGE_INT },
    { "BlkioWeight", MERGE_INT },
    { "BlkioWeightDevice", MERGE_LIST },
    { "BlkioDeviceReadBps", MERGE_LIST },
    { "BlkioDeviceWriteBps", MERGE_LIST },
    { "BlkioDeviceReadIOps", MERGE_LIST },
    { "BlkioDeviceWriteIOps", MERGE_LIST },
    { "CpuPeriod", MERGE_INT },
    { "CpuQuota", MERGE_INT },
    { "CpuRealtimePeriod", MERGE_INT },
    { "CpuRealtimeRuntime", MERGE_INT },
    { "CpusetCpus", MERGE_STR },
    { "CpusetMems", MERGE_STR },
    { "Devices", MERGE_LIST },
    { "DeviceCgroupRules", MERGE_LIST },
    { "DeviceRequests", MERGE_LIST },
    { "KernelMemory", MERGE_INT },
    { "KernelMemoryTCP", MERGE_INT },
    { "MemoryReservation", MERGE_INT },
    { "MemorySwap", MERGE_INT },
    { "MemorySwappiness", MERGE_INT },
    { "OomKillDisable", MERGE_BOOL },
    { "PidsLimit", MERGE_INT },
    { "Ulimits", MERGE_LIST },
    { "CpuCount", MERGE_INT },
    { "CpuPercent", MERGE_INT },
    { "IOMaximumIOps", MERGE_INT },
    { "IOMaximumBandwidth", MERGE_INT },
    { "Mounts", MERGE_LIST },
    { "MaskedPaths", MERGE_LIST },
    { "ReadonlyPaths", MERGE_LIST },
    { "Init", MERGE_BOOL },
};

/* ---- Config ---- */

static void write_strings(struct jw *w, const char *key, char *const *items, size_t n)
{
    if (!n)
        return;
    jw_karray(w, key);
    for (size_t i = 0; i < n; i++)
        jw_str(w, items[i]);
    jw_end(w);
}

static void write_config_base(struct jw *w, const struct task_create_args *a)
{
    const struct task_container *c = &a->task->containers[a->container];

    jw_object(w);
    jw_kstr(w, "Image", c->image);
    write_strings(w, "Cmd", c->command, c->n_command);
    write_strings(w, "Entrypoint", c->entry_point, c->n_entry_point);
    create_write_exposed_ports(w, c);
    jw_end(w);
}

/* The values are secret, so they do not pass through a document that is merged. */
static void write_env(struct jw *w, const struct task_create_args *a, const struct jcur *top)
{
    struct jcur env = jcur_arr(top, "Env");

    bool cleared = jcur_null(top, "Env");

    if (cleared && !a->file_dir)
        return;
    jw_key(w, "Env");
    if (cleared || jcur_present(&env))
        create_write_given_env(w, a, &env);
    else
        create_write_env(w, a);
}

static void write_labels(struct jw *w, const struct task_create_args *a, const struct jcur *top)
{
    const struct task *t = a->task;
    const struct task_kv ours[] = {
        { (char *)LABEL_PREFIX "cluster", (char *)a->cluster },
        { (char *)LABEL_PREFIX "container-name", t->containers[a->container].name },
        { (char *)LABEL_PREFIX "task-arn", t->arn },
        { (char *)LABEL_PREFIX "task-definition-family", t->family },
        { (char *)LABEL_PREFIX "task-definition-version", t->version },
    };
    struct jcur labels = jcur_obj(top, "Labels"), m;

    jw_kobject(w, "Labels");
    if (a->owner) {
        AUTO(buf) struct buf remains = BUF_INIT(REMAINS_MAX);

        task_remains_write(a, &remains);
        jw_kstr(w, LABEL_OWNER, a->owner);
        jw_kstr(w, LABEL_REMAINS, buf_text(&remains));
    }
    for (size_t i = 0; i < a->n_pause_labels && t->containers[a->container].internal; i++)
        if (!str_starts(a->pause_labels[i].name, LABEL_PREFIX))
            jw_kstr(w, a->pause_labels[i].name, a->pause_labels[i].value);
    for (size_t i = 0; jcur_member(&labels, i, &m); i++) {
        bool replaced = i >= TASK_MAX_PAIRS;

        for (size_t k = 0; k < COUNT_OF(ours); k++)
            replaced |= streq(ours[k].name, m.key);
        replaced |= a->owner && (streq(m.key, LABEL_OWNER) || streq(m.key, LABEL_REMAINS));
        if (!replaced)
            jw_kstr(w, m.key, jcur_present(&m) ? jcur_as_str(&m) : "");
        if (i >= TASK_MAX_PAIRS)
            break;
    }
    for (size_t k = 0; k < COUNT_OF(ours); k++)
        jw_kstr(w, ours[k].name, ours[k].value ? ours[k].value : "");
    jw_end(w);
}

/* ---- one half of the body ---- */

/* The document of `text`; absent for NULL and for the text "null". */
static enum err_code parse_top(const char *text, const char *prefix, struct json_t **doc,
                               struct err *e)
{
    struct err inner = { 0 };
    struct jcur root;

    if (!text)
        return ERR_OK;
    if (json_parse(text, strlen(text), doc, &inner))
        return err_set(e, ERR_INVALID, "%s: %s", prefix, inner.msg);
    root = jcur_root(*doc, &inner);
    if (jcur_present(&root) && !jcur_expect(&root, JSON_OBJ))
        return err_set(e, ERR_INVALID, "%s: %s", prefix, inner.msg);
    return ERR_OK;
}

static enum err_code parse_base(const struct buf *b, struct json_t **doc, struct err *e)
{
    if (b->overflowed)
        return err_set(e, ERR_LIMIT, "the container's settings are larger than %zu bytes", b->max);
    return json_parse(b->data, b->len, doc, e) ? err_wrap(e, "container body") : ERR_OK;
}

static enum err_code write_config(struct jw *w, const struct task_create_args *a, struct err *e)
{
    static const char prefix[] = CONFIG_ERROR ": Unable decode given docker config";
    const struct task_container *c = &a->task->containers[a->container];
    AUTO(buf) struct buf b = BUF_SECRET(BODY_MAX);
    AUTO(json) struct json_t *base_doc = NULL, *top_doc = NULL;
    struct err base_err = { 0 }, top_err = { 0 };
    struct jcur base, top, health;
    struct jw bw;

    jw_init(&bw, &b);
    write_config_base(&bw, a);
    if (parse_base(&b, &base_doc, e) || parse_top(c->docker_config, prefix, &top_doc, e))
        return e->code;
    base = jcur_root(base_doc, &base_err);
    top = jcur_root(top_doc, &top_err);
    task_merge(w, &base, &top, config_fields, COUNT_OF(config_fields));
    write_env(w, a, &top);
    write_labels(w, a, &top);
    health = jcur_get(&top, "Healthcheck");
    if (top_err.code)
        return err_set(e, ERR_INVALID, "%s: %s", prefix, top_err.msg);
    if (c->health_docker && !jcur_present(&health))
        return err_set(e, ERR_INVALID,
                       CONFIG_ERROR ": docker health check is nil while container health check "
                                    "type is DOCKER");
    return ERR_OK;
}

static enum err_code write_host_config(struct jw *w, const struct task_create_args *a,
                                       struct err *e)
{
    static const char prefix[] = HOST_ERROR ": Unable to decode given host config";
    const struct task_container *c = &a->task->containers[a->container];
    AUTO(buf) struct buf b = BUF_SECRET(BODY_MAX);
    AUTO(json) struct json_t *base_doc = NULL, *top_doc = NULL;
    struct err base_err = { 0 }, top_err = { 0 };
    struct jcur base, top;
    struct jw bw;

    jw_init(&bw, &b);
    if (create_write_host_base(&bw, a, e) || parse_base(&b, &base_doc, e) ||
        parse_top(c->docker_host_config, prefix, &top_doc, e))
        return e->code;
    base = jcur_root(base_doc, &base_err);
    top = jcur_root(top_doc, &top_err);
    jw_kobject(w, "HostConfig");
    if (a->file_dir) {
        create_write_file_binds(w, a, &base, &top);
        task_merge(w, &base, &top, host_fields + 1, COUNT_OF(host_fields) - 1);
    } else {
        task_merge(w, &base, &top, host_fields, COUNT_OF(host_fields));
    }
    if (create_write_host_rules(w, a, &top, e))
        return e->code;
    create_write_log_config(w, a, &top);
    jw_end(w);
    if (top_err.code)
        return err_set(e, ERR_INVALID, "%s: %s", prefix, top_err.msg);
    return ERR_OK;
}

/* The task asks for a version of the API. The one that is in use does for every version
 * up to it; the reference's own clients begin at 1.17. */
static enum err_code check_version(const struct task_create_args *a, struct err *e)
{
    const char *asked = a->task->containers[a->container].docker_version;
    int64_t minor = 0;

    if (!asked || !a->docker_api)
        return ERR_OK;
    if (!str_starts(asked, "1.") || str_to_int(asked + 2, API_FIRST, a->docker_api, &minor, NULL))
        return err_set(e, ERR_INVALID,
                       "CannotGetDockerClientVersionError: docker client factory: client not "
                       "found for docker version: %.40s",
                       asked);
    return ERR_OK;
}

enum err_code task_create_body(const struct task_create_args *args, struct buf *out, struct err *e)
{
    struct buf b = BUF_SECRET(BODY_MAX);
    struct err local = { 0 };
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    if (!check_version(args, &local) && !write_config(&w, args, &local) &&
        !write_host_config(&w, args, &local)) {
        jw_kobject(&w, "NetworkingConfig");
        jw_end(&w);
        jw_end(&w);
        if (b.overflowed || !buf_append(out, b.data, b.len))
            err_set(&local, ERR_LIMIT, "the container's settings are larger than %zu bytes",
                    b.overflowed ? b.max : out->max);
    }
    buf_fini(&b);
    return local.code ? err_set(e, local.code, "%s", local.msg) : ERR_OK;
}
