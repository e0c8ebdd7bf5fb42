/* agent_platform: what this machine and its container engine offer, and what the core
 * is told of it. */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/agent.h"

#define INFO_TIMEOUT_MS (10 * 1000)
#define AGEING_MS       (5 * 60 * 1000)
#define DRAIN_MS        (30 * 1000)
/* Where a kernel does not say which ports it gives out. */
#define PORT_FIRST 49153
#define PORT_LAST  65535

static void take_info(struct agent *a, const struct docker_info *info)
{
    mem_replace(&a->docker_root, str_empty(info->root_dir) ? NULL : info->root_dir);
    a->cgroup_version = info->cgroup_version == 2 ? 2 : 1;
    a->selinux = info->selinux;
    a->cgroup_systemd = streq(info->cgroup_driver ? info->cgroup_driver : "", "systemd");
}

/* Says itself what goes wrong, in as far as the agent goes on without. */
static enum err_code set_up_cgroups(struct agent *a, struct err *e)
{
    const struct config *c = a->config;
    struct err why = { 0 };

    if (a->cgroups || c->task_limits == TRI_FALSE)
        return ERR_OK;
    if (!host_cgroups_create(c->cgroup_path, a->cgroup_version, a->cgroup_systemd, &a->cgroups,
                             &why))
        return ERR_OK;
    if (c->task_limits == TRI_TRUE) {
        *e = why;
        return err_wrap(e, "ECS_ENABLE_TASK_CPU_MEM_LIMIT is true, but tasks cannot have cgroups "
                           "of their own");
    }
    log_warn("tasks get no cgroups of their own, their CPU and memory limits are without effect",
             kv_err(&why));
    return ERR_OK;
}

void platform_set_auths(struct agent *a)
{
    const struct config *c = a->config;
    struct err e = { 0 };

    if (docker_auths_create(c->engine_auth_type ? c->engine_auth_type : "",
                            c->engine_auth_data ? c->engine_auth_data : "", &a->auths, &e))
        log_error("the registry passwords cannot be read, going on without them", kv_err(&e));
}

struct docker_op *platform_ask(struct agent *a, docker_info_fn *done)
{
    return docker_info(a->docker, INFO_TIMEOUT_MS, done, a);
}

enum err_code platform_set_up(struct agent *a, const struct docker_info *info, struct err *e)
{
    take_info(a, info);
    if (!a->auths)
        platform_set_auths(a);
    return set_up_cgroups(a, e);
}

/* ---- what registration says of the machine ---- */

bool platform_ipv6_only(const struct agent *a)
{
    switch (a->config->ip_compat) {
    case IP_V4:
        return false;
    case IP_V6:
        return true;
    case IP_AUTO:
        break;
    }
    return a->ip.v6 && !a->ip.v4;
}

enum err_code platform_read_host(struct agent *a, struct err *e)
{
    host_docker_plugins("", &a->plugins);
    a->ip = host_ip_compat();
    if (!a->config->gpu_support)
        return ERR_OK;
    return host_gpus_read(HOST_GPU_INFO, &a->gpus, e);
}

static void add_name(struct host_names *to, char *name)
{
    for (size_t i = 0; i < to->n; i++) {
        if (streq(to->items[i], name)) {
            free(name);
            return;
        }
    }
    to->items = mem_resize(to->items, to->n + 1, sizeof *to->items);
    to->items[to->n++] = name;
}

void platform_add_plugins(struct agent *a, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n && a->plugins.n < HOST_NAMES_MAX; i++)
        add_name(&a->plugins, mem_strdup(names[i]));
}

struct control_machine platform_machine(const struct agent *a)
{
    return (struct control_machine){
        .instance_id = a->instance_id,
        .docker_plugins = (const char *const *)a->plugins.items,
        .n_docker_plugins = a->plugins.n,
        .gpus = (const char *const *)a->gpus.ids.items,
        .n_gpus = a->gpus.ids.n,
        .gpu_driver = a->gpus.driver_version,
    };
}

void platform_fini(struct agent *a)
{
    host_names_fini(&a->plugins);
    host_gpus_fini(&a->gpus);
    docker_auths_destroy(a->auths);
    host_cgroups_destroy(a->cgroups);
    free(a->docker_root);
}

/* ---- what the core is told ---- */

static int at_least_2(int n)
{
    return n < 2 ? 2 : n;
}

/* Creates at once, and starts at once. Docker's part waits for the disk now and then, so
 * fewer leave processors idle; more only make the first tasks of a burst later. */
static int start_parallel(const struct agent *a)
{
    int64_t chosen = a->config->start_parallel;

    return chosen > 0 ? (int)chosen : 2 * a->host.cores;
}

static int pull_parallel(const struct agent *a)
{
    int64_t chosen = a->config->pull_parallel;

    return chosen > 0 ? (int)chosen : at_least_2(a->host.cores);
}

static void choose_ports(const struct config *c, struct core_config *to)
{
    to->port_first = PORT_FIRST;
    to->port_last = PORT_LAST;
    if (c->dynamic_ports.first) {
        to->port_first = c->dynamic_ports.first;
        to->port_last = c->dynamic_ports.last;
    } else {
        (void)host_port_range(&to->port_first, &to->port_last);
    }
}

static void set_clean_up(const struct config *c, struct core_config *to)
{
    to->image_cleanup = !c->image_cleanup_disabled && c->pull_behavior != PULL_PREFER_CACHED;
    to->disk_cleanup = !c->image_cleanup_disabled;
    to->untracked_cleanup = c->untracked_cleanup;
    to->image_interval_ms = c->image_cleanup_interval_ms;
    to->image_min_age_ms = c->image_min_age_ms;
    to->untracked_min_age_ms = c->untracked_image_min_age_ms;
    to->images_per_cycle = (int)c->images_per_cycle;
    to->containers_per_cycle =
        c->untracked_containers_per_cycle > 0 ? (int)c->untracked_containers_per_cycle : 0;
    to->excluded_images = (const char *const *)c->excluded_images.items;
    to->n_excluded_images = c->excluded_images.n;
    to->disk_high_pct = (int)c->disk_high_pct;
    to->disk_low_pct = (int)c->disk_low_pct;
    to->disk_check_ms = c->disk_check_ms;
}

struct core_config platform_core_config(const struct agent *a)
{
    const struct config *c = a->config;
    struct core_config out = {
        .seed = a->seed,
        .cpu_units = a->host.cpu_units,
        .memory_mib = a->host.memory_mib - c->reserved_memory_mib,
        .reserved_tcp = c->reserved_ports.ports,
        .n_reserved_tcp = c->reserved_ports.n,
        .reserved_udp = c->reserved_ports_udp.ports,
        .n_reserved_udp = c->reserved_ports_udp.n,
        .pull_behavior = c->pull_behavior,
        .pull_upfront = c->pull_upfront,
        .stop_timeout_ms = c->stop_timeout_ms,
        .create_timeout_ms = c->create_timeout_ms,
        .start_timeout_ms = c->start_timeout_ms,
        .manifest_timeout_ms = c->manifest_pull_timeout_ms,
        .pull_timeout_ms = c->pull_timeout_ms,
        .pull_inactivity_ms = c->pull_inactivity_ms,
        .cleanup_wait_ms = c->task_cleanup_wait_ms,
        .cleanup_jitter_ms = c->task_cleanup_jitter_ms,
        .drain_ms = DRAIN_MS,
        .ageing_ms = AGEING_MS,
        .start_parallel = start_parallel(a),
        .pull_parallel = pull_parallel(a),
        .exclude_ipv6_binding = c->exclude_ipv6_binding && !platform_ipv6_only(a),
        .exclude_ipv4_binding = platform_ipv6_only(a),
        .task_cgroups = a->cgroups != NULL,
        .stop_digest = c->stop_digest,
    };

    choose_ports(c, &out);
    set_clean_up(c, &out);
    return out;
}
