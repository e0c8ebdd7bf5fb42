/* A task definition as the ECS API takes it becomes a task as the ECS back end sends
 * it: first its JSON is written, then that is decoded like any other. */
#include "task/definition.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"

#define RESTART_PERIOD_S 300 /* the service's default */

/* ---- what needs the cloud ---- */

/* Not so the roles that most definitions name: of what needs an execution role each is
 * refused by itself, and for a task role see task_definition_has_role. */
static const char *const cloud_of_task[] = {
    "proxyConfiguration",
    "inferenceAccelerators",
};

static const char *const cloud_of_container[] = {
    "secrets",
    "environmentFiles",
    "repositoryCredentials",
    "firelensConfiguration",
    "resourceRequirements",
    "credentialSpecs",
};

static const char *const cloud_of_volume[] = {
    "efsVolumeConfiguration",
    "fsxWindowsFileServerVolumeConfiguration",
    "s3filesVolumeConfiguration",
};

static bool is_empty(const struct jcur *v)
{
    struct jcur ignored;

    switch (jcur_type(v)) {
    case JSON_NONE:
        return true;
    case JSON_ARR:
        return !jcur_len(v);
    case JSON_OBJ:
        return !jcur_member(v, 0, &ignored);
    case JSON_STR:
        return !*jcur_as_str(v);
    case JSON_INT:
    case JSON_NUM:
    case JSON_BOOL:
        break;
    }
    return false;
}

/* What is listed empty, as the API's answers do, asks for nothing. */
static void refuse(const struct jcur *c, const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct jcur v = jcur_get(c, keys[i]);

        if (!is_empty(&v))
            jcur_fail(&v, "needs the control plane or the cloud, so a local task cannot use it");
    }
}

/* ---- containers ---- */

static const char *required(const struct jcur *c, const char *key)
{
    struct jcur v = jcur_get(c, key);
    const char *s = jcur_as_str(&v);

    if (!*s)
        jcur_fail(&v, "must not be empty");
    return s;
}

/* Of equal names the last counts, as everywhere in JSON. */
static void write_environment(struct jw *w, const struct jcur *c)
{
    struct jcur list = jcur_arr(c, "environment");

    jw_kobject(w, "environment");
    JCUR_EACH (pair, &list)
        jw_kstr(w, required(&pair, "name"), jcur_str_or(&pair, "value", ""));
    jw_end(w);
}

static void write_ports(struct jw *w, const struct jcur *c, const char *mode)
{
    struct jcur list = jcur_arr(c, "portMappings");

    jw_karray(w, "portMappings");
    JCUR_EACH (p, &list) {
        struct jcur host = jcur_get(&p, "hostPort");
        int64_t port = jcur_int_or(&p, "containerPort", 1, 65535, 0);
        /* On the host's own network there is nothing to map, only a port to count. */
        int64_t host_port = jcur_int_or(&p, "hostPort", 0, 65535, streq(mode, "host") ? port : 0);

        if (streq(mode, "host") && host_port != port)
            jcur_fail(&host, "must be the containerPort in network mode host");
        jw_object(w);
        if (port)
            jw_kint(w, "containerPort", port);
        jw_kint(w, "hostPort", host_port);
        definition_copy_str(w, &p, "containerPortRange", "containerPortRange");
        definition_copy_str(w, &p, "protocol", "protocol");
        jw_end(w);
    }
    jw_end(w);
}

static const struct jcur *find(const struct jcur *list, const char *key, const char *name,
                               struct jcur *found)
{
    JCUR_EACH (item, list) {
        if (streq(jcur_str_or(&item, key, ""), name)) {
            *found = jcur_at(list, item_i);
            return found;
        }
    }
    return NULL;
}

static void write_mounts(struct jw *w, const struct jcur *c, const struct jcur *root)
{
    struct jcur volumes = jcur_arr(root, "volumes"), list = jcur_arr(c, "mountPoints"), found;

    jw_karray(w, "mountPoints");
    JCUR_EACH (m, &list) {
        struct jcur at = jcur_get(&m, "sourceVolume");
        const char *source = required(&m, "sourceVolume");

        if (!find(&volumes, "name", source, &found))
            jcur_fail(&at, "there is no volume '%.200s'", source);
        jw_object(w);
        jw_kstr(w, "sourceVolume", source);
        jw_kstr(w, "containerPath", required(&m, "containerPath"));
        definition_copy_bool(w, &m, "readOnly", "readOnly");
        jw_end(w);
    }
    jw_end(w);
}

static void write_from(struct jw *w, const struct jcur *c)
{
    struct jcur list = jcur_arr(c, "volumesFrom");

    jw_karray(w, "volumesFrom");
    JCUR_EACH (v, &list) {
        jw_object(w);
        jw_kstr(w, "sourceContainer", required(&v, "sourceContainer"));
        definition_copy_bool(w, &v, "readOnly", "readOnly");
        jw_end(w);
    }
    jw_end(w);
}

/* Of what can never be met the service says so at once; a wait without an end would
 * say nothing. */
static void check_dependency(const struct jcur *d, const struct jcur *containers)
{
    struct jcur condition = jcur_get(d, "condition"), other, health;
    const char *word = required(d, "condition");

    if (!find(containers, "name", required(d, "containerName"), &other))
        return; /* the decoder names it */
    health = jcur_get(&other, "healthCheck");
    if (streq(word, "HEALTHY") && !jcur_present(&health))
        jcur_fail(&condition, "the container '%.200s' has no health check",
                  jcur_str(d, "containerName"));
    if ((streq(word, "COMPLETE") || streq(word, "SUCCESS")) &&
        jcur_bool_or(&other, "essential", true))
        jcur_fail(&condition, "the container '%.200s' is essential, so its end is the task's",
                  jcur_str(d, "containerName"));
}

static void write_depends(struct jw *w, const struct jcur *c, const struct jcur *containers)
{
    struct jcur list = jcur_arr(c, "dependsOn");

    jw_karray(w, "dependsOn");
    JCUR_EACH (d, &list) {
        check_dependency(&d, containers);
        jw_object(w);
        jw_kstr(w, "containerName", jcur_str(&d, "containerName"));
        jw_kstr(w, "condition", jcur_str(&d, "condition"));
        jw_end(w);
    }
    jw_end(w);
}

static void write_restart_policy(struct jw *w, const struct jcur *c)
{
    struct jcur policy = jcur_obj(c, "restartPolicy");
    struct jcur codes = jcur_arr(&policy, "ignoredExitCodes");

    if (!jcur_present(&policy))
        return;
    jw_kobject(w, "restartPolicy");
    jw_kbool(w, "enabled", jcur_bool_or(&policy, "enabled", false));
    jw_karray(w, "ignoredExitCodes");
    JCUR_EACH (code, &codes)
        jw_int(w, jcur_as_int(&code, INT32_MIN, INT32_MAX));
    jw_end(w);
    jw_kint(w, "restartAttemptPeriod",
            jcur_int_or(&policy, "restartAttemptPeriod", 0, INT32_MAX, RESTART_PERIOD_S));
    jw_end(w);
}

/* "123456789012.dkr.ecr.eu-west-1.amazonaws.com/name": the instance's own role may
 * pull it. */
static void write_registry(struct jw *w, const char *image)
{
    static const char mark[] = ".dkr.ecr.";
    size_t digits = strspn(image, "0123456789");
    const char *region = image + digits + sizeof mark - 1;
    AUTO(str) char *account = NULL, *name = NULL;

    if (digits != 12 || !str_starts(image + digits, mark))
        return;
    account = mem_strndup(image, digits);
    name = mem_strndup(region, strcspn(region, "."));
    jw_kobject(w, "registryAuthentication");
    jw_kstr(w, "type", "ecr");
    jw_kobject(w, "ecrAuthData");
    jw_kstr(w, "registryId", account);
    jw_kstr(w, "region", name);
    jw_kbool(w, "useExecutionRole", false);
    jw_end(w);
    jw_end(w);
}

static void write_docker_config(struct jw *w, const struct jcur *c, const char *mode)
{
    AUTO(buf) struct buf config = BUF_INIT(TASK_MAX_JSON), host = BUF_INIT(TASK_MAX_JSON);
    struct jw inner;

    jw_init(&inner, &config);
    definition_write_config(&inner, c);
    jw_init(&inner, &host);
    definition_write_host_config(&inner, c, mode);
    if (config.overflowed || host.overflowed)
        jcur_fail(c, "its settings are larger than %d bytes", TASK_MAX_JSON);
    jw_kobject(w, "dockerConfig");
    jw_key(w, "config");
    jw_strn(w, buf_str(&config));
    jw_key(w, "hostConfig");
    jw_strn(w, buf_str(&host));
    jw_end(w);
}

static void write_container(struct jw *w, const struct jcur *c, const struct jcur *containers,
                            const struct jcur *root, const char *mode)
{
    struct jcur health = jcur_get(c, "healthCheck"), log = jcur_obj(c, "logConfiguration");
    static const char *const secret_options[] = { "secretOptions" };

    jcur_expect(c, JSON_OBJ);
    refuse(c, cloud_of_container, COUNT_OF(cloud_of_container));
    refuse(&log, secret_options, COUNT_OF(secret_options));
    jw_object(w);
    jw_kstr(w, "name", required(c, "name"));
    jw_kstr(w, "image", required(c, "image"));
    jw_kbool(w, "essential", jcur_bool_or(c, "essential", true));
    definition_copy_int(w, c, "cpu", "cpu");
    definition_copy_int(w, c, "memory", "memory");
    definition_copy_int(w, c, "startTimeout", "startTimeout");
    definition_copy_int(w, c, "stopTimeout", "stopTimeout");
    definition_copy_strs(w, c, "command", "command");
    definition_copy_strs(w, c, "entryPoint", "entryPoint");
    definition_copy_strs(w, c, "links", "links");
    write_environment(w, c);
    write_ports(w, c, mode);
    write_mounts(w, c, root);
    write_from(w, c);
    write_depends(w, c, containers);
    write_restart_policy(w, c);
    write_registry(w, jcur_str_or(c, "image", ""));
    if (jcur_present(&health))
        jw_kstr(w, "healthCheckType", "docker");
    write_docker_config(w, c, mode);
    jw_end(w);
}

static void write_containers(struct jw *w, const struct jcur *root, const char *mode)
{
    struct jcur list = jcur_arr(root, "containerDefinitions");
    bool essential = false;

    if (!jcur_len(&list))
        jcur_fail(&list, "a task needs at least one container");
    if (jcur_len(&list) > TASK_MAX_CONTAINERS)
        jcur_fail(&list, "%zu are more than %d", jcur_len(&list), TASK_MAX_CONTAINERS);
    jw_karray(w, "containers");
    JCUR_EACH (c, &list) {
        if (!jcur_ok(root))
            break;
        write_container(w, &c, &list, root, mode);
        essential |= jcur_bool_or(&c, "essential", true);
    }
    jw_end(w);
    if (!essential)
        jcur_fail(&list, "at least one container must be essential");
}

/* ---- volumes ---- */

static void write_docker_volume(struct jw *w, const struct jcur *docker)
{
    jw_kstr(w, "type", "docker");
    jw_kobject(w, "dockerVolumeConfiguration");
    jw_kstr(w, "scope", jcur_str_or(docker, "scope", "task"));
    definition_copy_bool(w, docker, "autoprovision", "autoprovision");
    definition_copy_str(w, docker, "driver", "driver");
    definition_copy_map(w, docker, "driverOpts", "driverOpts");
    definition_copy_map(w, docker, "labels", "labels");
    jw_end(w);
}

static void write_volumes(struct jw *w, const struct jcur *root)
{
    struct jcur list = jcur_arr(root, "volumes");

    jw_karray(w, "volumes");
    JCUR_EACH (v, &list) {
        struct jcur docker = jcur_obj(&v, "dockerVolumeConfiguration");
        struct jcur host = jcur_obj(&v, "host"), launch = jcur_get(&v, "configuredAtLaunch");

        refuse(&v, cloud_of_volume, COUNT_OF(cloud_of_volume));
        if (jcur_bool_or(&v, "configuredAtLaunch", false))
            jcur_fail(&launch, "needs the control plane, so a local task cannot use it");
        jw_object(w);
        jw_kstr(w, "name", required(&v, "name"));
        if (jcur_present(&docker)) {
            write_docker_volume(w, &docker);
        } else {
            jw_kstr(w, "type", "host");
            jw_kobject(w, "host");
            definition_copy_str(w, &host, "sourcePath", "sourcePath");
            jw_end(w);
        }
        jw_end(w);
    }
    jw_end(w);
}

/* ---- the task ---- */

/* "512", "0.5 vCPU", "1GB": a number, in `unit` when that follows, which is 1024. */
static double read_size(const struct jcur *root, const char *key, const char *unit)
{
    struct jcur at = jcur_get(root, key);
    const char *text = jcur_str_or(root, key, "");
    size_t n = strspn(text, "0123456789."), unit_at = n + strspn(text + n, " ");
    char *end = NULL;
    double v = n ? strtod(text, &end) : 0;

    if (!*text)
        return 0;
    if (strcasecmp(text + unit_at, unit) == 0)
        v *= 1024;
    else if (text[unit_at])
        end = NULL;
    if (!n || end != text + n || !(v >= 1) || v > INT32_MAX) {
        jcur_fail(&at, "expected a size such as \"512\" or \"1 %s\", got '%.40s'", unit, text);
        return 0;
    }
    return v;
}

static void write_limits(struct jw *w, const struct jcur *root)
{
    double cpu = read_size(root, "cpu", "vCPU"), memory = read_size(root, "memory", "GB");
    char vcpus[40];

    if (cpu > 0) {
        snprintf(vcpus, sizeof vcpus, "%.6f", cpu / 1024);
        jw_key(w, "cpu");
        jw_raw(w, str_of(vcpus));
    }
    if (memory > 0)
        jw_kint(w, "memory", (int64_t)(memory + 0.5));
}

static const char *one_of(const struct jcur *root, const char *key, const char *const *words,
                          size_t n, const char *absent)
{
    struct jcur at = jcur_get(root, key);
    const char *word = jcur_str_or(root, key, absent);

    for (size_t i = 0; word && *word && i < n; i++)
        if (streq(word, words[i]))
            return word;
    if (word && *word)
        jcur_fail(&at, "'%.40s' is not known, or not to a local task", word);
    return absent;
}

/* The name of a file may hold anything, a Docker name may not. */
static char *clean_family(const char *name)
{
    AUTO(buf) struct buf b = BUF_INIT(256);

    for (const char *p = name; *p && b.len < 255; p++)
        buf_putc(&b, isalnum((unsigned char)*p) || *p == '_' || *p == '-' ? *p : '-');
    return b.len ? buf_take(&b) : mem_strdup("local");
}

static void write_family(struct jw *w, const struct jcur *root, const char *absent)
{
    AUTO(str) char *clean = clean_family(absent);
    struct jcur at = jcur_get(root, "family");
    const char *family = jcur_str_or(root, "family", "");
    AUTO(str) char *cleaned = clean_family(family);

    if (*family && !streq(family, cleaned))
        jcur_fail(&at, "expected up to 255 letters, digits, '-' and '_'");
    jw_kstr(w, "family", *family ? family : clean);
}

static void write_task(struct jw *w, const struct jcur *root, const char *arn, const char *family)
{
    static const char *const network_modes[] = { "bridge", "host", "none" };
    static const char *const pid_modes[] = { "host", "task" };
    static const char *const ipc_modes[] = { "host", "task", "none" };
    const char *mode;

    refuse(root, cloud_of_task, COUNT_OF(cloud_of_task));
    mode = one_of(root, "networkMode", network_modes, COUNT_OF(network_modes), "bridge");
    jw_object(w);
    jw_kstr(w, "arn", arn);
    write_family(w, root, family);
    jw_kstr(w, "version", "0");
    jw_kstr(w, "desiredStatus", "RUNNING");
    jw_kstr(w, "launchType", "EC2");
    jw_kstr(w, "networkMode", mode);
    jw_kstr_if(w, "pidMode", one_of(root, "pidMode", pid_modes, COUNT_OF(pid_modes), NULL));
    jw_kstr_if(w, "ipcMode", one_of(root, "ipcMode", ipc_modes, COUNT_OF(ipc_modes), NULL));
    write_limits(w, root);
    write_volumes(w, root);
    write_containers(w, root, mode);
    jw_end(w);
}

/* What the decoder calls "containers" was "containerDefinitions" to who wrote it. */
static enum err_code rename_places(const struct err *from, struct err *e)
{
    static const char ours[] = "containers", theirs[] = "containerDefinitions";
    AUTO(buf) struct buf b = BUF_INIT(sizeof from->msg);
    const char *at = from->msg;

    for (const char *hit; (hit = strstr(at, ours)); at = hit + sizeof ours - 1) {
        char next = hit[sizeof ours - 1];

        buf_append(&b, at, (size_t)(hit - at));
        buf_puts(&b, next == '[' || next == ':' ? theirs : ours);
    }
    buf_puts(&b, at);
    return err_set(e, from->code, "%s", b.overflowed ? from->msg : buf_text(&b));
}

bool task_definition_has_role(const struct json_t *v)
{
    struct err ignored = { 0 };
    struct jcur document = jcur_root(v, &ignored);
    struct jcur described = jcur_get(&document, "taskDefinition");
    struct jcur role = jcur_get(jcur_present(&described) ? &described : &document, "taskRoleArn");

    return !is_empty(&role);
}

enum err_code task_from_definition(const struct json_t *v, const char *arn, const char *family,
                                   struct task **out, struct err *e)
{
    AUTO(buf) struct buf text = BUF_INIT(TASK_MAX_JSON);
    struct err first = { 0 }, decoding = { 0 };
    struct jcur document = jcur_root(v, &first), described = jcur_get(&document, "taskDefinition");
    const struct jcur *root = jcur_present(&described) ? &described : &document;
    struct jw w;

    if (!jcur_expect(root, JSON_OBJ))
        return err_set(e, ERR_INVALID, "%s", first.msg);
    jw_init(&w, &text);
    write_task(&w, root, arn, family);
    if (first.code)
        return err_set(e, first.code, "%s", first.msg);
    if (text.overflowed)
        return err_set(e, ERR_LIMIT, "the task is larger than %d bytes", TASK_MAX_JSON);
    if (task_decode_text(text.data, text.len, out, &decoding))
        return rename_places(&decoding, e);
    return ERR_OK;
}
