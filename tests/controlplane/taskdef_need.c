#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "taskdef.h"

bool taskdef_is_secret(const char *value_from)
{
    return str_starts(value_from, "arn:") && strstr(value_from, ":secretsmanager:");
}

struct jcur taskdef_override(const struct jcur *overrides, const char *container, struct jcur *list)
{
    *list = jcur_arr(overrides, "containerOverrides");
    for (size_t i = 0; i < jcur_len(list); i++) {
        struct jcur item = jcur_at(list, i);

        if (streq(jcur_str_or(&item, "name", ""), container))
            return item;
    }
    return jcur_at(list, SIZE_MAX);
}

static void need_attribute(struct taskdef_need *need, const char *prefix, const char *name)
{
    AUTO(str) char *text = mem_printf("%s%s", prefix, name);

    for (size_t i = 0; i < need->attribute_count; i++)
        if (streq(need->attributes[i], text))
            return;
    need->attributes =
        mem_resize(need->attributes, need->attribute_count + 1, sizeof *need->attributes);
    need->attributes[need->attribute_count++] = text;
    text = NULL;
}

#define AMAZON "com.amazonaws.ecs.capability."
#define ECS    "ecs.capability."

static void need_port(uint16_t **list, size_t *count, int64_t port)
{
    *list = mem_resize(*list, *count + 1, sizeof **list);
    (*list)[(*count)++] = (uint16_t)port;
}

static void container_ports(const struct jcur *c, bool host_mode, struct taskdef_need *need)
{
    struct jcur ports = jcur_arr(c, "portMappings");

    JCUR_EACH (p, &ports) {
        struct jcur range = jcur_get(&p, "containerPortRange");
        int64_t port = jcur_int_or(&p, "hostPort", 0, 65535, 0);

        if (jcur_present(&range))
            need_attribute(need, ECS, "network.container-port-range");
        if (port == 0 && host_mode)
            port = jcur_int_or(&p, "containerPort", 0, 65535, 0);
        if (port == 0)
            continue;
        if (streq(jcur_str_or(&p, "protocol", "tcp"), "udp"))
            need_port(&need->udp, &need->udp_count, port);
        else
            need_port(&need->tcp, &need->tcp_count, port);
    }
}

static void secret_attributes(const struct jcur *secrets, const char *where,
                              struct taskdef_need *need)
{
    JCUR_EACH (s, secrets) {
        bool asm_secret = taskdef_is_secret(jcur_str_or(&s, "valueFrom", ""));
        AUTO(str) char *name = mem_printf("secrets.%s.%s", asm_secret ? "asm" : "ssm", where);

        need_attribute(need, ECS, name);
    }
}

static void container_attributes(const struct jcur *c, bool execution_role,
                                 struct taskdef_need *need)
{
    struct jcur log = jcur_obj(c, "logConfiguration"), health = jcur_obj(c, "healthCheck");
    struct jcur secrets = jcur_arr(c, "secrets"), log_secrets = jcur_arr(&log, "secretOptions");
    struct jcur depends = jcur_arr(c, "dependsOn"), files = jcur_arr(c, "environmentFiles");
    struct jcur repository = jcur_obj(c, "repositoryCredentials");
    struct jcur restart = jcur_obj(c, "restartPolicy");
    struct jcur firelens = jcur_obj(c, "firelensConfiguration");
    const char *driver = jcur_str_or(&log, "logDriver", NULL);

    if (driver)
        need_attribute(need, AMAZON "logging-driver.", driver);
    if (driver && streq(driver, "awslogs") && execution_role)
        need_attribute(need, ECS, "execution-role-awslogs");
    if (jcur_bool_or(c, "privileged", false))
        need_attribute(need, AMAZON, "privileged-container");
    if (strstr(jcur_str_or(c, "image", ""), ".dkr.ecr.")) {
        need_attribute(need, AMAZON, "ecr-auth");
        if (execution_role)
            need_attribute(need, ECS, "execution-role-ecr-pull");
    }
    if (jcur_present(&health))
        need_attribute(need, ECS, "container-health-check");
    if (jcur_len(&depends) > 0)
        need_attribute(need, ECS, "container-ordering");
    if (jcur_len(&files) > 0)
        need_attribute(need, ECS, "env-files.s3");
    if (jcur_present(&repository))
        need_attribute(need, ECS, "private-registry-authentication.secretsmanager");
    if (jcur_bool_or(&restart, "enabled", false))
        need_attribute(need, ECS, "container-restart-policy");
    if (jcur_present(&firelens))
        need_attribute(need, ECS "firelens.", jcur_str_or(&firelens, "type", ""));
    secret_attributes(&secrets, "environment-variables", need);
    secret_attributes(&log_secrets, "bootstrap.log-driver", need);
}

static void task_attributes(const struct jcur *def, const char *mode, struct taskdef_need *need)
{
    struct jcur volumes = jcur_arr(def, "volumes");

    if (*jcur_str_or(def, "taskRoleArn", ""))
        need_attribute(need, AMAZON,
                       streq(mode, "host") ? "task-iam-role-network-host" : "task-iam-role");
    if (streq(mode, "awsvpc"))
        need_attribute(need, ECS, "task-eni");
    if (*jcur_str_or(def, "cpu", "") || *jcur_str_or(def, "memory", ""))
        need_attribute(need, ECS, "task-cpu-mem-limit");
    if (*jcur_str_or(def, "pidMode", "") || *jcur_str_or(def, "ipcMode", ""))
        need_attribute(need, ECS, "pid-ipc-namespace-sharing");
    JCUR_EACH (v, &volumes) {
        struct jcur docker = jcur_obj(&v, "dockerVolumeConfiguration");
        struct jcur efs = jcur_obj(&v, "efsVolumeConfiguration");

        if (jcur_present(&docker))
            need_attribute(need, ECS "docker-plugin.", jcur_str_or(&docker, "driver", "local"));
        if (jcur_present(&efs))
            need_attribute(need, ECS, "efs");
    }
}

/* The container's own value unless the override gives another. */
static int64_t size_of(const struct jcur *c, const struct jcur *override, const char *key)
{
    return jcur_int_or(override, key, 0, INT32_MAX, jcur_int_or(c, key, 0, INT32_MAX, 0));
}

static void task_size(const struct jcur *def, const struct jcur *overrides, const char *key,
                      enum err_code (*parse)(const char *, int64_t *, struct err *), int64_t *out)
{
    struct err ignored = { 0 };
    const char *text = jcur_str_or(overrides, key, jcur_str_or(def, key, NULL));
    int64_t v;

    if (text && !parse(text, &v, &ignored))
        *out = v;
}

void taskdef_need(const struct jcur *definition, const struct jcur *overrides,
                  struct taskdef_need *out)
{
    struct jcur containers = jcur_arr(definition, "containerDefinitions");
    const char *mode = jcur_str_or(definition, "networkMode", "bridge");
    bool execution_role = *jcur_str_or(overrides, "executionRoleArn",
                                       jcur_str_or(definition, "executionRoleArn", ""));

    *out = (struct taskdef_need){ 0 };
    need_attribute(out, AMAZON, "docker-remote-api.1.18");
    task_attributes(definition, mode, out);
    JCUR_EACH (c, &containers) {
        struct jcur list;
        struct jcur override = taskdef_override(overrides, jcur_str_or(&c, "name", ""), &list);
        int64_t hard = size_of(&c, &override, "memory");
        int64_t soft = size_of(&c, &override, "memoryReservation");

        out->cpu += size_of(&c, &override, "cpu");
        out->memory += soft ? soft : hard;
        container_ports(&c, streq(mode, "host"), out);
        container_attributes(&c, execution_role, out);
    }
    task_size(definition, overrides, "cpu", taskdef_cpu, &out->cpu);
    task_size(definition, overrides, "memory", taskdef_memory, &out->memory);
}

void taskdef_need_fini(struct taskdef_need *need)
{
    for (size_t i = 0; i < need->attribute_count; i++)
        free(need->attributes[i]);
    free(need->attributes);
    free(need->tcp);
    free(need->udp);
    *need = (struct taskdef_need){ 0 };
}
