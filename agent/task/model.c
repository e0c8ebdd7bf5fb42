#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "task/internal.h"

static const char *const task_names[] = {
    [TASK_NONE] = "NONE",       [TASK_MANIFEST_PULLED] = "MANIFEST_PULLED",
    [TASK_CREATED] = "CREATED", [TASK_RUNNING] = "RUNNING",
    [TASK_STOPPED] = "STOPPED",
};

static const char *const ctr_names[] = {
    [CTR_NONE] = "NONE",       [CTR_MANIFEST_PULLED] = "MANIFEST_PULLED",
    [CTR_PULLED] = "PULLED",   [CTR_CREATED] = "CREATED",
    [CTR_RUNNING] = "RUNNING", [CTR_STOPPED] = "STOPPED",
};

static const char *const condition_names[] = {
    [DEP_CREATE] = "CREATE",   [DEP_START] = "START",     [DEP_COMPLETE] = "COMPLETE",
    [DEP_SUCCESS] = "SUCCESS", [DEP_HEALTHY] = "HEALTHY",
};

const char *task_status_name(enum task_status s)
{
    return (size_t)s < COUNT_OF(task_names) ? task_names[s] : "NONE";
}

const char *ctr_status_name(enum ctr_status s)
{
    return (size_t)s < COUNT_OF(ctr_names) ? ctr_names[s] : "NONE";
}

enum err_code task_status_parse(const char *text, enum task_status *out, struct err *e)
{
    for (size_t i = 0; i < COUNT_OF(task_names); i++) {
        if (streq(text, task_names[i])) {
            *out = (enum task_status)i;
            return ERR_OK;
        }
    }
    if (streq(text, "UNKNOWN"))
        *out = TASK_NONE;
    else if (streq(text, "DEAD"))
        *out = TASK_STOPPED;
    else
        return err_set(e, ERR_INVALID, "unknown status '%.80s'", text);
    return ERR_OK;
}

const char *dep_condition_name(enum dep_condition c)
{
    return condition_names[c];
}

bool dep_condition_parse(const char *text, enum dep_condition *out)
{
    for (size_t i = 0; i < COUNT_OF(condition_names); i++) {
        if (streq(text, condition_names[i])) {
            *out = (enum dep_condition)i;
            return true;
        }
    }
    return false;
}

const char *port_proto_name(enum port_proto p)
{
    return p == PORT_UDP ? "udp" : "tcp";
}

int task_find_container(const struct task *t, const char *name)
{
    for (size_t i = 0; i < t->n_containers; i++)
        if (streq(t->containers[i].name, name))
            return (int)i;
    return -1;
}

int64_t task_need_cpu(const struct task *t)
{
    int64_t sum = 0;

    if (t->cpu_vcpus > 0)
        return (int64_t)(t->cpu_vcpus * 1024);
    for (size_t i = 0; i < t->n_containers; i++)
        if (!t->containers[i].internal)
            sum += t->containers[i].cpu_shares;
    return sum;
}

int64_t task_need_memory_mib(const struct task *t)
{
    int64_t sum = 0;

    if (t->memory_mib > 0)
        return t->memory_mib;
    for (size_t i = 0; i < t->n_containers; i++) {
        const struct task_container *c = &t->containers[i];

        if (!c->internal)
            sum += c->memory_reservation_mib ? c->memory_reservation_mib : c->memory_mib;
    }
    return sum;
}

/* ---- ports ---- */

bool task_maps_ports(const struct task *t)
{
    return !streq(t->network_mode, "host") && !streq(t->network_mode, "none") &&
           !streq(t->network_mode, "awsvpc");
}

size_t task_port_width(const struct task_port *p)
{
    return p->container_port ? 1 : (size_t)(p->range_last - p->range_first) + 1;
}

size_t task_ports_to_choose(const struct task *t, const struct task_container *c)
{
    size_t n = 0;

    if (!task_maps_ports(t))
        return 0;
    for (size_t i = 0; i < c->n_ports; i++)
        n += c->ports[i].host_port == 0;
    return n;
}

/* ---- the end of it all ---- */

static void pairs_free(struct task_kv *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(pairs[i].name);
        free(pairs[i].value);
    }
    free(pairs);
}

static void strings_free(char **items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(items[i]);
    free(items);
}

static void container_fini(struct task_container *c)
{
    free(c->name);
    free(c->image);
    free(c->arn);
    strings_free(c->command, c->n_command);
    strings_free(c->entry_point, c->n_entry_point);
    pairs_free(c->env, c->n_env);
    free(c->ports);
    for (size_t i = 0; i < c->n_mounts; i++) {
        free(c->mounts[i].source_volume);
        free(c->mounts[i].container_path);
    }
    free(c->mounts);
    free(c->from);
    for (size_t i = 0; i < c->n_links; i++)
        free(c->links[i].alias);
    free(c->links);
    for (size_t i = 0; i < c->n_secrets; i++) {
        free(c->secrets[i].name);
        free(c->secrets[i].value_from);
        free(c->secrets[i].region);
        free(c->secrets[i].provider);
    }
    free(c->secrets);
    strings_free(c->env_files, c->n_env_files);
    free(c->restart.ignored_codes);
    free(c->auth.region);
    free(c->auth.registry_id);
    free(c->auth.endpoint_override);
    free(c->auth.secret_id);
    free(c->deps);
    free(c->docker_config);
    free(c->docker_host_config);
    free(c->docker_version);
    free(c->log_driver);
    pairs_free(c->log_options, c->n_log_options);
    memset(c, 0, sizeof *c);
}

static void volume_fini(struct task_volume *v)
{
    free(v->name);
    free(v->host_path);
    free(v->driver);
    pairs_free(v->driver_opts, v->n_driver_opts);
    pairs_free(v->labels, v->n_labels);
}

void task_destroy(struct task *t)
{
    if (!t)
        return;
    free(t->arn);
    free(t->id);
    free(t->family);
    free(t->version);
    free(t->group);
    free(t->service_name);
    free(t->launch_type);
    free(t->network_mode);
    free(t->pid_mode);
    free(t->ipc_mode);
    free(t->role_credentials_id);
    free(t->execution_credentials_id);
    for (size_t i = 0; i < t->n_containers; i++)
        container_fini(&t->containers[i]);
    free(t->containers);
    for (size_t i = 0; i < t->n_volumes; i++)
        volume_fini(&t->volumes[i]);
    free(t->volumes);
    free(t->json);
    free(t);
}
