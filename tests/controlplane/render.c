#include "render.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "render_docker.h"
#include "taskdef.h"

static void copy(struct jw *w, const struct jcur *object, const char *key)
{
    struct jcur v = jcur_get(object, key);

    if (!jcur_present(&v))
        return;
    jw_key(w, key);
    jw_value(w, v.val);
}

static void copy_or_empty(struct jw *w, const struct jcur *object, const char *key)
{
    struct jcur v = jcur_get(object, key);

    if (jcur_present(&v)) {
        copy(w, object, key);
        return;
    }
    jw_karray(w, key);
    jw_end(w);
}

void render_role(struct jw *w, const struct render_role *role)
{
    jw_object(w);
    jw_kstr(w, "credentialsId", role->credentials_id);
    jw_kstr(w, "roleArn", role->role_arn);
    jw_kstr(w, "accessKeyId", role->access_key);
    jw_kstr(w, "secretAccessKey", role->secret_key);
    jw_kstr(w, "sessionToken", role->token);
    jw_kstr(w, "expiration", role->expiration);
    jw_end(w);
}

/* ---- environment: a later pair of the same name wins, overrides last ---- */

static bool named_later(const struct jcur *list, size_t from, const char *name)
{
    for (size_t i = from; i < jcur_len(list); i++) {
        struct jcur pair = jcur_at(list, i);

        if (streq(jcur_str_or(&pair, "name", ""), name))
            return true;
    }
    return false;
}

static void environment(struct jw *w, const struct jcur *c, const struct jcur *override)
{
    struct jcur own = jcur_arr(c, "environment"), over = jcur_arr(override, "environment");
    const struct jcur *lists[] = { &own, &over };

    jw_kobject(w, "environment");
    for (size_t n = 0; n < 2; n++) {
        for (size_t i = 0; i < jcur_len(lists[n]); i++) {
            struct jcur pair = jcur_at(lists[n], i);
            const char *name = jcur_str_or(&pair, "name", "");

            if (!*name || named_later(lists[n], i + 1, name) ||
                (n == 0 && named_later(&over, 0, name)))
                continue;
            jw_kstr(w, name, jcur_str_or(&pair, "value", ""));
        }
    }
    jw_end(w);
}

static void environment_files(struct jw *w, const struct jcur *c, const struct jcur *override)
{
    struct jcur own = jcur_arr(c, "environmentFiles"),
                over = jcur_arr(override, "environmentFiles");

    if (jcur_len(&own) + jcur_len(&over) == 0)
        return;
    jw_karray(w, "environmentFiles");
    JCUR_EACH (f, &own) {
        jw_value(w, f.val);
    }
    JCUR_EACH (f, &over) {
        jw_value(w, f.val);
    }
    jw_end(w);
}

/* ---- lists of objects ---- */

static void port_mappings(struct jw *w, const struct jcur *c, const char *mode)
{
    struct jcur ports = jcur_arr(c, "portMappings");

    jw_karray(w, "portMappings");
    /* Docker refuses published ports of a container that joins another's network. */
    for (size_t i = 0; i < jcur_len(&ports) && !streq(mode, "awsvpc"); i++) {
        struct jcur p = jcur_at(&ports, i);

        jw_object(w);
        jw_kint(w, "containerPort", jcur_int_or(&p, "containerPort", 0, 65535, 0));
        jw_kint(w, "hostPort", jcur_int_or(&p, "hostPort", 0, 65535, 0));
        jw_kstr(w, "protocol", jcur_str_or(&p, "protocol", "tcp"));
        copy(w, &p, "containerPortRange");
        jw_end(w);
    }
    jw_end(w);
}

static void mounts(struct jw *w, const struct jcur *c, const char *list_key,
                   const char *const *keys)
{
    struct jcur list = jcur_arr(c, list_key);

    jw_karray(w, list_key);
    JCUR_EACH (m, &list) {
        jw_object(w);
        for (const char *const *key = keys; *key; key++)
            copy(w, &m, *key);
        jw_kbool(w, "readOnly", jcur_bool_or(&m, "readOnly", false));
        jw_end(w);
    }
    jw_end(w);
}

/* The region of an ARN, else `own`. */
static void arn_region(const char *text, const char *own, char *out, size_t size)
{
    const char *p = text;

    snprintf(out, size, "%s", own);
    if (!str_starts(text, "arn:"))
        return;
    for (int colons = 0; colons < 3; colons++) {
        p = strchr(p, ':');
        if (!p++)
            return;
    }
    if (*p && *p != ':')
        snprintf(out, size, "%.*s", (int)strcspn(p, ":"), p);
}

static void secret_list(struct jw *w, const struct jcur *list, const char *target,
                        const char *own_region)
{
    JCUR_EACH (s, list) {
        const char *from = jcur_str_or(&s, "valueFrom", "");
        char region[64];

        arn_region(from, own_region, region, sizeof region);
        jw_object(w);
        jw_kstr(w, "name", jcur_str_or(&s, "name", ""));
        jw_kstr(w, "valueFrom", from);
        jw_kstr(w, "region", region);
        jw_kstr(w, "provider", taskdef_is_secret(from) ? "asm" : "ssm");
        jw_kstr(w, "type", "ENVIRONMENT_VARIABLE");
        jw_kstr(w, "target", target);
        jw_end(w);
    }
}

static void secrets(struct jw *w, const struct jcur *c, const char *region)
{
    struct jcur own = jcur_arr(c, "secrets"), log = jcur_obj(c, "logConfiguration");
    struct jcur of_log = jcur_arr(&log, "secretOptions");

    if (jcur_len(&own) + jcur_len(&of_log) == 0)
        return;
    jw_karray(w, "secrets");
    secret_list(w, &own, "CONTAINER", region);
    secret_list(w, &of_log, "LOG_DRIVER", region);
    jw_end(w);
}

/* "123456789012.dkr.ecr.eu-west-1.amazonaws.com/name:tag", or dkr.ecr-fips, in any
 * partition. */
bool render_ecr_image(const char *image, struct render_registry *out)
{
    size_t digits = strspn(image, "0123456789"), region_n;
    const char *p = image + digits;

    if (digits != 12 || !str_starts(p, ".dkr.ecr"))
        return false;
    p += strlen(".dkr.ecr");
    if (str_starts(p, "-fips."))
        p += strlen("-fips");
    region_n = *p == '.' ? strcspn(p + 1, "./") : 0;
    if (!region_n || region_n >= sizeof out->region || p[1 + region_n] != '.' ||
        !strchr(p + 1 + region_n, '/'))
        return false;
    snprintf(out->id, sizeof out->id, "%.12s", image);
    snprintf(out->region, sizeof out->region, "%.*s", (int)region_n, p + 1);
    out->endpoint_override = NULL;
    return true;
}

static bool in_ecr(const struct render_task *t, const char *image, struct render_registry *out)
{
    size_t n = strcspn(image, "/");
    AUTO(str) char *host = mem_strndup(image, n);

    if (render_ecr_image(image, out))
        return true;
    return t->find_registry && image[n] && t->find_registry(t->find_user, host, out);
}

static void registry(struct jw *w, const struct jcur *c, const struct render_task *t)
{
    struct jcur repository = jcur_obj(c, "repositoryCredentials");
    const char *parameter = jcur_str_or(&repository, "credentialsParameter", NULL);
    struct render_registry ecr;
    char region[64];

    if (parameter) {
        arn_region(parameter, t->region, region, sizeof region);
        jw_kobject(w, "registryAuthentication");
        jw_kstr(w, "type", "asm");
        jw_kobject(w, "asmAuthData");
        jw_kstr(w, "credentialsParameter", parameter);
        jw_kstr(w, "region", region);
        jw_end(w);
        jw_end(w);
    } else if (in_ecr(t, jcur_str_or(c, "image", ""), &ecr)) {
        jw_kobject(w, "registryAuthentication");
        jw_kstr(w, "type", "ecr");
        jw_kobject(w, "ecrAuthData");
        jw_kstr(w, "registryId", ecr.id);
        jw_kstr(w, "region", ecr.region);
        jw_kstr_if(w, "endpointOverride", ecr.endpoint_override);
        jw_kbool(w, "useExecutionRole", t->execution_role != NULL);
        jw_end(w);
        jw_end(w);
    }
}

/* ---- containers ---- */

static void command_override(struct jw *w, const struct jcur *override)
{
    struct buf text = BUF_INIT(1 << 20);
    struct jcur command = jcur_arr(override, "command");
    struct jw inner;

    jw_init(&inner, &text);
    jw_object(&inner);
    copy(&inner, override, "command");
    jw_end(&inner);
    jw_key(w, "overrides");
    jw_strn(w, jcur_present(&command) ? buf_str(&text) : str_of("{}"));
    buf_fini(&text);
}

static void docker_config(struct jw *w, const struct jcur *c, const struct jcur *override,
                          const struct render_task *t, const char *mode)
{
    struct buf config = BUF_INIT(1 << 20), host = BUF_INIT(1 << 20);

    render_docker_config(&config, c);
    render_docker_host_config(&host, c, override, mode, t->region, str_after_last(t->arn, '/'));
    jw_kobject(w, "dockerConfig");
    jw_kstr(w, "version", "1.18");
    jw_key(w, "config");
    jw_strn(w, buf_str(&config));
    jw_key(w, "hostConfig");
    jw_strn(w, buf_str(&host));
    jw_end(w);
    buf_fini(&config);
    buf_fini(&host);
}

static void container(struct jw *w, const struct jcur *c, const struct render_task *t, size_t i,
                      const char *mode)
{
    static const char *const mount_keys[] = { "sourceVolume", "containerPath", NULL };
    static const char *const from_keys[] = { "sourceContainer", NULL };
    static const char *const same[] = { "command",
                                        "entryPoint",
                                        "dependsOn",
                                        "startTimeout",
                                        "stopTimeout",
                                        "restartPolicy",
                                        "firelensConfiguration",
                                        "credentialSpecs" };
    struct jcur list, health = jcur_obj(c, "healthCheck");
    struct jcur log = jcur_obj(c, "logConfiguration");
    struct jcur override = taskdef_override(t->overrides, jcur_str_or(c, "name", ""), &list);

    jw_object(w);
    jw_kstr(w, "name", jcur_str_or(c, "name", ""));
    jw_kstr(w, "containerArn", t->container_arns[i]);
    jw_kstr(w, "image", jcur_str_or(c, "image", ""));
    jw_kint(w, "cpu",
            jcur_int_or(&override, "cpu", 0, INT32_MAX, jcur_int_or(c, "cpu", 0, INT32_MAX, 0)));
    jw_kint(
        w, "memory",
        jcur_int_or(&override, "memory", 0, INT32_MAX, jcur_int_or(c, "memory", 0, INT32_MAX, 0)));
    jw_kbool(w, "essential", jcur_bool_or(c, "essential", true));
    for (size_t n = 0; n < COUNT_OF(same); n++)
        copy(w, c, same[n]);
    environment(w, c, &override);
    environment_files(w, c, &override);
    port_mappings(w, c, mode);
    mounts(w, c, "mountPoints", mount_keys);
    mounts(w, c, "volumesFrom", from_keys);
    copy_or_empty(w, c, "links");
    secrets(w, c, t->region);
    registry(w, c, t);
    if (jcur_present(&health))
        jw_kstr(w, "healthCheckType", "docker");
    if (streq(jcur_str_or(&log, "logDriver", ""), "awslogs") && t->execution_role &&
        t->logs_by_execution_role)
        jw_kstr(w, "logsAuthStrategy", "ExecutionRole");
    command_override(w, &override);
    docker_config(w, c, &override, t, mode);
    jw_end(w);
}

/* ---- volumes ---- */

static void volume(struct jw *w, const struct jcur *v)
{
    struct jcur docker = jcur_obj(v, "dockerVolumeConfiguration");
    struct jcur efs = jcur_obj(v, "efsVolumeConfiguration"), host = jcur_obj(v, "host");

    jw_object(w);
    jw_kstr(w, "name", jcur_str_or(v, "name", ""));
    if (jcur_present(&docker)) {
        jw_kstr(w, "type", "docker");
        copy(w, v, "dockerVolumeConfiguration");
    } else if (jcur_present(&efs)) {
        jw_kstr(w, "type", "efs");
        copy(w, v, "efsVolumeConfiguration");
    } else {
        jw_kstr(w, "type", "host");
        jw_kobject(w, "host");
        jw_kstr(w, "sourcePath", jcur_str_or(&host, "sourcePath", ""));
        jw_end(w);
    }
    jw_end(w);
}

static void task_limits(struct jw *w, const struct render_task *t)
{
    struct err ignored = { 0 };
    const char *cpu = jcur_str_or(t->overrides, "cpu", jcur_str_or(t->definition, "cpu", NULL));
    const char *memory =
        jcur_str_or(t->overrides, "memory", jcur_str_or(t->definition, "memory", NULL));
    int64_t v;
    char number[32];

    if (cpu && !taskdef_cpu(cpu, &v, &ignored)) {
        snprintf(number, sizeof number, "%.10g", (double)v / 1024);
        jw_key(w, "cpu");
        jw_raw(w, str_of(number));
    }
    if (memory && !taskdef_memory(memory, &v, &ignored))
        jw_kint(w, "memory", v);
}

void render_task(struct jw *w, const struct render_task *t)
{
    struct jcur containers = jcur_arr(t->definition, "containerDefinitions");
    struct jcur volumes = jcur_arr(t->definition, "volumes");
    const char *mode = jcur_str_or(t->definition, "networkMode", "bridge");
    char revision[16];

    snprintf(revision, sizeof revision, "%d", t->revision);
    jw_object(w);
    jw_kstr(w, "arn", t->arn);
    jw_kstr(w, "taskClusterArn", t->cluster_arn);
    jw_kstr(w, "family", t->family);
    jw_kstr(w, "version", revision);
    jw_kstr(w, "desiredStatus", t->desired);
    jw_kstr(w, "launchType", "EC2");
    jw_kstr(w, "networkMode", mode);
    jw_kstr(w, "taskDefinitionAccountId", t->account);
    jw_kstr_if(w, "group", t->group);
    task_limits(w, t);
    copy(w, t->definition, "pidMode");
    copy(w, t->definition, "ipcMode");
    copy(w, t->definition, "enableFaultInjection");
    jw_karray(w, "containers");
    for (size_t i = 0; i < jcur_len(&containers); i++) {
        struct jcur c = jcur_at(&containers, i);

        container(w, &c, t, i, mode);
    }
    jw_end(w);
    jw_karray(w, "volumes");
    JCUR_EACH (v, &volumes) {
        volume(w, &v);
    }
    jw_end(w);
    if (t->task_role) {
        jw_key(w, "roleCredentials");
        render_role(w, t->task_role);
    }
    if (t->execution_role) {
        jw_key(w, "executionRoleCredentials");
        render_role(w, t->execution_role);
    }
    jw_end(w);
}
