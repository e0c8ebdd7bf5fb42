#include "cli/agent_view.h"

#include <stdlib.h>

#include "base/mem.h"

/* How much of each list the containers have together. */
struct sizes {
    size_t pairs, networks, volumes;
};

static struct sizes measure(const struct engine *en, const struct task *t)
{
    struct sizes s = { 0 };

    for (size_t i = 0; i < t->n_containers; i++) {
        const struct engine_detail *d = engine_detail(en, t->arn, i);

        s.pairs += t->containers[i].n_log_options;
        if (!d)
            continue;
        s.pairs += d->docker.n_labels;
        s.networks += d->docker.n_networks;
        s.volumes += d->docker.n_mounts;
    }
    return s;
}

static const char *or_none(const char *text)
{
    return str_empty(text) ? NULL : text;
}

static void add_details(struct agent_view *v, struct sizes *used, struct view_container *c,
                        const struct engine_detail *d)
{
    const struct docker_details *k = &d->docker;

    c->image_id = k->image_id;
    c->labels = v->pairs + used->pairs;
    c->n_labels = k->n_labels;
    for (size_t i = 0; i < k->n_labels; i++)
        v->pairs[used->pairs++] = (struct view_pair){ k->labels[i].key, k->labels[i].value };
    c->networks_known = k->network_mode_known;
    c->networks = v->networks + used->networks;
    c->n_networks = k->n_networks;
    for (size_t i = 0; i < k->n_networks; i++)
        v->networks[used->networks++] =
            (struct view_network){ k->networks[i].name, k->networks[i].ipv4,
                                   or_none(k->networks[i].ipv6) };
    c->volumes = v->volumes + used->volumes;
    c->n_volumes = k->n_mounts;
    for (size_t i = 0; i < k->n_mounts; i++)
        v->volumes[used->volumes++] =
            (struct view_volume){ or_none(k->mounts[i].name), or_none(k->mounts[i].source),
                                  or_none(k->mounts[i].destination) };
    c->health_since_ms = d->health_since_ms;
    c->has_health_exit = d->has_health_exit;
    c->health_exit = d->health_exit;
    c->health_output = d->health_output;
}

static void add_definition(struct agent_view *v, struct sizes *used, struct view_container *c,
                           const struct task_container *def)
{
    c->name = def->name;
    c->image = def->image;
    c->arn = def->arn;
    c->type = def->internal ? VIEW_NAMESPACE_PAUSE : VIEW_NORMAL;
    c->defined_ports = def->ports;
    c->n_defined_ports = def->n_ports;
    c->cpu_units = def->cpu_shares;
    c->memory_mib = def->memory_mib;
    c->has_health_check = def->health_docker;
    c->has_restart_policy = def->restart.enabled;
    c->log_driver = def->log_driver;
    c->log_options = v->pairs + used->pairs;
    c->n_log_options = def->n_log_options;
    for (size_t i = 0; i < def->n_log_options; i++)
        v->pairs[used->pairs++] =
            (struct view_pair){ def->log_options[i].name, def->log_options[i].value };
}

static void add_seen(struct view_container *c, const struct core_seen_container *seen)
{
    c->docker_id = seen->docker_id ? seen->docker_id : "";
    c->docker_name = seen->docker_name ? seen->docker_name : "";
    c->image_id = seen->image_id ? seen->image_id : "";
    c->desired = seen->desired;
    c->known = seen->known;
    c->ports = seen->bindings;
    c->n_ports = seen->n_bindings;
    c->has_exit_code = seen->has_exit_code;
    c->exit_code = seen->exit_code;
    c->created_ms = seen->created_ms;
    c->started_ms = seen->started_ms;
    c->finished_ms = seen->finished_ms;
    c->health = seen->health;
    c->restart_count = seen->restarts;
}

bool agent_view_make(struct agent_view *v, const struct engine *en, const char *cluster,
                     const char *task_arn)
{
    const struct core *core = engine_core(en);
    struct core_seen_task t;
    struct sizes room, used = { 0 };

    *v = (struct agent_view){ 0 };
    if (!core_see_task(core, task_arn, &t))
        return false;
    room = measure(en, t.def);
    v->containers = mem_array(t.def->n_containers, sizeof *v->containers);
    v->pairs = mem_array(room.pairs, sizeof *v->pairs);
    v->networks = mem_array(room.networks, sizeof *v->networks);
    v->volumes = mem_array(room.volumes, sizeof *v->volumes);
    for (size_t i = 0; i < t.def->n_containers; i++) {
        const struct engine_detail *d = engine_detail(en, task_arn, i);
        struct core_seen_container seen;

        if (core_see_container(core, task_arn, i, &seen))
            add_seen(&v->containers[i], &seen);
        add_definition(v, &used, &v->containers[i], &t.def->containers[i]);
        if (d)
            add_details(v, &used, &v->containers[i], d);
    }
    v->task = (struct view_task){ .cluster = cluster,
                                  .arn = t.def->arn,
                                  .family = t.def->family,
                                  .version = t.def->version,
                                  .launch_type = t.def->launch_type,
                                  .service_name = t.def->service_name,
                                  .desired = t.desired,
                                  .known = t.known,
                                  .cpu_vcpus = t.def->cpu_vcpus,
                                  .memory_mib = t.def->memory_mib,
                                  .pull_started_ms = t.pull_started_ms,
                                  .pull_stopped_ms = t.pull_stopped_ms,
                                  .execution_stopped_ms = t.execution_stopped_ms,
                                  .fault_injection = t.def->fault_injection,
                                  .containers = v->containers,
                                  .n_containers = t.def->n_containers };
    return true;
}

void agent_view_fini(struct agent_view *v)
{
    free(v->containers);
    free(v->pairs);
    free(v->networks);
    free(v->volumes);
}

void agent_view_place(const struct agent *a, struct view_task *t)
{
    const struct control_place place = control_place(a->control);

    t->vpc_id = place.vpc_id;
    if (a->config->metadata_az_disabled)
        return;
    t->zone = place.zone;
    t->zone_id = place.zone_id;
}

void agent_view_host(const struct agent *a, struct view_host *out)
{
    const struct control_place place = control_place(a->control);

    *out = (struct view_host){ .instance_arn = a->instance_arn, .zone = place.zone };
    if (platform_ipv6_only(a)) {
        out->ipv6 = place.ipv6;
        return;
    }
    out->private_ipv4 = place.private_ipv4;
    out->public_ipv4 = place.public_ipv4;
}
