#include "control/capability.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"

#define C "com.amazonaws.ecs.capability."
#define E "ecs.capability."

#define NAME_MAX_LENGTH 128 /* of an attribute, by the service */

struct host_facts {
    const struct config *cfg;
    const struct control_machine *machine;
    int api; /* minor version of the usable Docker API: 41 */
    bool task_limits;
};

/* ---- conditions ---- */

typedef bool condition_fn(const struct host_facts *h);

static bool privileged(const struct host_facts *h)
{
    return !h->cfg->privileged_disabled;
}

static bool selinux(const struct host_facts *h)
{
    return h->cfg->selinux;
}

static bool apparmor(const struct host_facts *h)
{
    return h->cfg->apparmor;
}

static bool task_role(const struct host_facts *h)
{
    return h->cfg->task_iam_role && h->api >= 19;
}

static bool task_role_host(const struct host_facts *h)
{
    return h->cfg->task_iam_role_network_host && h->api >= 19;
}

static bool api_19(const struct host_facts *h)
{
    return h->api >= 19;
}

static bool health_check(const struct host_facts *h)
{
    return !h->cfg->disable_health_check && h->api >= 24;
}

static bool task_limits(const struct host_facts *h)
{
    return h->task_limits && h->api >= 22;
}

static bool awslogs_role(const struct host_facts *h)
{
    return h->cfg->awslogs_execution_role;
}

static bool gpu_driver(const struct host_facts *h)
{
    return !str_empty(h->machine->gpu_driver);
}

static bool external(const struct host_facts *h)
{
    return h->cfg->external;
}

/* What needs a network interface, a disk or a role of EC2. */
static bool not_external(const struct host_facts *h)
{
    return !h->cfg->external;
}

/* ---- the table ---- */

enum expand {
    AS_IS,
    DOCKER_APIS,
    LOG_DRIVERS,
    VOLUME_PLUGINS,
    GPU_DRIVER_NAME,  /* the version is a part of the name */
    GPU_DRIVER_VALUE, /* the version is the value */
};

static const struct row {
    const char *name;
    enum capability_state state;
    condition_fn *when; /* NULL: always */
    enum expand expand;
} rows[] = {
    { E "private-registry-authentication.secretsmanager", CAPABILITY_NOW, NULL, AS_IS },
    { E "secrets.ssm.environment-variables", CAPABILITY_NOW, NULL, AS_IS },
    { E "secrets.ssm.bootstrap.log-driver", CAPABILITY_NOW, NULL, AS_IS },
    { E "ecr-endpoint", CAPABILITY_NOW, NULL, AS_IS },
    { E "secrets.asm.environment-variables", CAPABILITY_NOW, NULL, AS_IS },
    { E "secrets.asm.bootstrap.log-driver", CAPABILITY_NOW, NULL, AS_IS },
    { E "container-ordering", CAPABILITY_NOW, NULL, AS_IS },
    { E "full-sync", CAPABILITY_NOW, NULL, AS_IS },
    { E "env-files.s3", CAPABILITY_NOW, NULL, AS_IS },
    { E "network.container-port-range", CAPABILITY_NOW, NULL, AS_IS },
    { E "container-restart-policy", CAPABILITY_NOW, NULL, AS_IS },
    { C "privileged-container", CAPABILITY_NOW, privileged, AS_IS },
    { C "docker-remote-api.*", CAPABILITY_NOW, NULL, DOCKER_APIS },
    { C "logging-driver.*", CAPABILITY_NOW, NULL, LOG_DRIVERS },
    { C "selinux", CAPABILITY_NOW, selinux, AS_IS },
    { C "apparmor", CAPABILITY_NOW, apparmor, AS_IS },
    { C "task-iam-role", CAPABILITY_NOW, task_role, AS_IS },
    { C "task-iam-role-network-host", CAPABILITY_NOW, task_role_host, AS_IS },
    { E "task-cpu-mem-limit", CAPABILITY_NOW, task_limits, AS_IS },
    { E "increased-task-cpu-limit", CAPABILITY_NOW, task_limits, AS_IS },
    { E "task-eni", CAPABILITY_LATER, not_external, AS_IS },
    { E "task-eni.ipv6", CAPABILITY_LATER, not_external, AS_IS },
    { E "cni-plugin-version", CAPABILITY_LATER, not_external, AS_IS },
    { E "task-eni-block-instance-metadata", CAPABILITY_LATER, not_external, AS_IS },
    { E "task-eni-trunking", CAPABILITY_LATER, not_external, AS_IS },
    { E "branch-cni-plugin-version", CAPABILITY_LATER, NULL, AS_IS },
    { C "ecr-auth", CAPABILITY_NOW, api_19, AS_IS },
    { E "execution-role-ecr-pull", CAPABILITY_NOW, api_19, AS_IS },
    { E "container-health-check", CAPABILITY_NOW, health_check, AS_IS },
    { E "execution-role-awslogs", CAPABILITY_NOW, awslogs_role, AS_IS },
    { E "docker-plugin.local", CAPABILITY_NOW, NULL, AS_IS },
    { E "docker-plugin.*", CAPABILITY_NOW, NULL, VOLUME_PLUGINS },
    { E "nvidia-driver-version.*", CAPABILITY_NOW, gpu_driver, GPU_DRIVER_NAME },
    { E "gpu-driver-version", CAPABILITY_NOW, gpu_driver, GPU_DRIVER_VALUE },
    { E "pid-ipc-namespace-sharing", CAPABILITY_NOW, NULL, AS_IS },
    { E "aws-appmesh", CAPABILITY_LATER, not_external, AS_IS },
    /* The service behind it is gone. */
    { E "task-eia", CAPABILITY_NEVER, not_external, AS_IS },
    { E "task-eia.optimized-cpu", CAPABILITY_NEVER, not_external, AS_IS },
    { E "firelens.fluentd", CAPABILITY_LATER, NULL, AS_IS },
    { E "firelens.fluentbit", CAPABILITY_LATER, NULL, AS_IS },
    { C "logging-driver.awsfirelens", CAPABILITY_LATER, NULL, AS_IS },
    { E "logging-driver.awsfirelens.log-driver-buffer-limit", CAPABILITY_LATER, NULL, AS_IS },
    { E "firelens.non-root-user", CAPABILITY_LATER, NULL, AS_IS },
    { E "efs", CAPABILITY_LATER, NULL, AS_IS },
    { E "storage.s3-files", CAPABILITY_LATER, NULL, AS_IS },
    { E "firelens.options.config.file", CAPABILITY_LATER, NULL, AS_IS },
    { E "firelens.options.config.s3", CAPABILITY_LATER, NULL, AS_IS },
    { E "gmsa", CAPABILITY_LATER, NULL, AS_IS },
    { E "gmsa-domainless", CAPABILITY_LATER, NULL, AS_IS },
    { E "efsAuth", CAPABILITY_LATER, NULL, AS_IS },
    { E "execute-command", CAPABILITY_LATER, NULL, AS_IS },
    { E "service-connect-v1", CAPABILITY_LATER, not_external, AS_IS },
    { E "storage.ebs-task-volume-attach", CAPABILITY_LATER, not_external, AS_IS },
    { E "storage.ebsta-non-root-user", CAPABILITY_LATER, not_external, AS_IS },
    { E "external", CAPABILITY_NOW, external, AS_IS },
    { E "fault-injection", CAPABILITY_LATER, not_external, AS_IS },
    { E "ipv6-only", CAPABILITY_LATER, NULL, AS_IS },
    { E "imds-iam-roles", CAPABILITY_LATER, NULL, AS_IS },
};

const char *capability_row(size_t i, enum capability_state *state)
{
    if (i >= COUNT_OF(rows))
        return NULL;
    *state = rows[i].state;
    return rows[i].name;
}

/* The Docker API from which on a log driver exists. */
static const struct {
    const char *driver;
    int api;
} log_drivers[] = {
    { "json-file", 18 },  { "syslog", 18 },    { "journald", 19 }, { "none", 19 },
    { "gelf", 20 },       { "fluentd", 20 },   { "awslogs", 21 },  { "splunk", 22 },
    { "logentries", 25 }, { "sumologic", 29 },
};

/* ---- building ---- */

static void add(struct attributes *a, char *name, const char *value)
{
    a->items = mem_resize(a->items, a->n + 1, sizeof *a->items);
    a->items[a->n++] = (struct attribute){ name, mem_strdup(value) };
}

static void add_docker_apis(struct attributes *a, const struct host_facts *h)
{
    /* Later versions and these three are left out: the service caps the number
     * of attributes, and nothing asks for them. */
    for (int v = 17; v < 33 && v <= h->api; v++) {
        if (v != 26 && v != 27 && v != 31)
            add(a, mem_printf(C "docker-remote-api.1.%d", v), NULL);
    }
}

static void add_log_drivers(struct attributes *a, const struct host_facts *h)
{
    for (size_t i = 0; i < h->cfg->log_drivers.n; i++) {
        for (size_t k = 0; k < COUNT_OF(log_drivers); k++) {
            if (streq(h->cfg->log_drivers.items[i], log_drivers[k].driver) &&
                h->api >= log_drivers[k].api)
                add(a, mem_printf(C "logging-driver.%s", log_drivers[k].driver), NULL);
        }
    }
}

static bool known(const struct attributes *a, const char *name)
{
    for (size_t i = 0; i < a->n; i++) {
        if (streq(a->items[i].name, name))
            return true;
    }
    return false;
}

/* "<E>docker-plugin.<name>", once. A name with anything else than the service takes for an
 * attribute would have the whole registration refused. */
static void add_plugin(struct attributes *a, const char *plugin, size_t n)
{
    AUTO(str) char *name = mem_printf(E "docker-plugin.%.*s", (int)n, plugin);

    for (char *p = name; *p; p++) {
        if (*p == ':')
            *p = '.';
        else if (!isalnum((unsigned char)*p) && !strchr("-_./\\", *p))
            return;
    }
    if (n > 0 && strlen(name) <= NAME_MAX_LENGTH && !known(a, name))
        add(a, mem_strdup(name), NULL);
}

static void add_plugins(struct attributes *a, const struct host_facts *h)
{
    for (size_t i = 0; i < h->machine->n_docker_plugins; i++) {
        const char *plugin = h->machine->docker_plugins[i];

        if (str_ends(plugin, ":latest"))
            add_plugin(a, plugin, strlen(plugin) - strlen(":latest"));
        add_plugin(a, plugin, strlen(plugin));
    }
}

static int api_minor(const char *docker_api)
{
    struct err e = { 0 };
    int64_t minor = 0;

    if (!docker_api || !str_starts(docker_api, "1.") ||
        str_to_int(docker_api + 2, 0, 999, &minor, &e))
        return 0;
    return (int)minor;
}

static const char *cpu_architecture(void)
{
#if defined(__aarch64__)
    return "arm64";
#else
    return "x86_64";
#endif
}

static void add_row(struct attributes *out, const struct row *r, const struct host_facts *h)
{
    switch (r->expand) {
    case AS_IS:
        add(out, mem_strdup(r->name), NULL);
        break;
    case DOCKER_APIS:
        add_docker_apis(out, h);
        break;
    case LOG_DRIVERS:
        add_log_drivers(out, h);
        break;
    case VOLUME_PLUGINS:
        add_plugins(out, h);
        break;
    case GPU_DRIVER_NAME:
        add(out, mem_printf(E "nvidia-driver-version.%s", h->machine->gpu_driver), NULL);
        break;
    case GPU_DRIVER_VALUE:
        add(out, mem_strdup(r->name), h->machine->gpu_driver);
        break;
    }
}

void attributes_build(struct attributes *out, const struct attribute_facts *facts)
{
    const struct config *cfg = facts->config;
    struct host_facts h = { cfg, facts->machine, api_minor(facts->docker_api), facts->task_limits };

    *out = (struct attributes){ 0 };
    for (size_t i = 0; facts->first && i < cfg->instance_attributes.n; i++)
        add(out, mem_strdup(cfg->instance_attributes.items[i].key),
            cfg->instance_attributes.items[i].value);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].state == CAPABILITY_NOW && (!rows[i].when || rows[i].when(&h)))
            add_row(out, &rows[i], &h);
    }
    add(out, mem_strdup("ecs.os-type"), "linux");
    add(out, mem_strdup("ecs.os-family"), "LINUX");
    if (!str_empty(cfg->detailed_os_family))
        add(out, mem_strdup("ecs.os-type-detailed"), cfg->detailed_os_family);
    if (cfg->external)
        add(out, mem_strdup("ecs.cpu-architecture"), cpu_architecture());
    if (!str_empty(facts->outpost_arn))
        add(out, mem_strdup("ecs.outpost-arn"), facts->outpost_arn);
}

void attributes_fini(struct attributes *a)
{
    for (size_t i = 0; i < a->n; i++) {
        free(a->items[i].name);
        free(a->items[i].value);
    }
    free(a->items);
    *a = (struct attributes){ 0 };
}
