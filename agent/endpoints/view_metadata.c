/* The task metadata endpoints: a task or a container as versions 2, 3 and 4 tell it. */
#include "base/str.h"
#include "endpoints/parts.h"

#define HEALTH_OUTPUT_MAX 1024
#define CPU_UNITS_MIN     2 /* what the kernel takes at least, and so what is told */

static const char *type_name(enum view_type type)
{
    switch (type) {
    case VIEW_CNI_PAUSE:
        return "CNI_PAUSE";
    case VIEW_NAMESPACE_PAUSE:
        return "NAMESPACE_PAUSE";
    case VIEW_NORMAL:
        break;
    }
    return "NORMAL";
}

/* The container that holds a task's network interface is where it should be only when the
 * interface is there, which has a name of its own. */
static const char *status_name(const struct view_container *c, enum ctr_status status)
{
    if (c->type == VIEW_CNI_PAUSE && status == CTR_RUNNING)
        return "RESOURCES_PROVISIONED";
    return ctr_status_name(status);
}

static void write_health(struct jw *w, const struct view_container *c)
{
    const char *output = str_or_empty(c->health_output);

    if (!c->has_health_check)
        return;
    jw_kobject(w, "Health");
    if (c->health == HEALTH_OK || c->health == HEALTH_BAD) {
        jw_kstr(w, "status", c->health == HEALTH_OK ? "HEALTHY" : "UNHEALTHY");
        part_time(w, "statusSince", c->health_since_ms);
        if (c->has_health_exit && c->health_exit)
            jw_kint(w, "exitCode", c->health_exit);
        if (*output) {
            struct str told = str_of(output);

            told.n = str_utf8_prefix(told.p, told.n, HEALTH_OUTPUT_MAX);
            jw_key(w, "output");
            jw_strn(w, told);
        }
    }
    jw_end(w);
}

static void write_limits(struct jw *w, const struct view_container *c)
{
    jw_kobject(w, "Limits");
    jw_kint(w, "CPU", c->cpu_units < CPU_UNITS_MIN ? CPU_UNITS_MIN : c->cpu_units);
    jw_kint(w, "Memory", c->memory_mib);
    jw_end(w);
}

/* What version 4 adds, behind all that the others have. */
static void write_v4_rest(struct jw *w, const struct view_container *c)
{
    jw_kstr_if(w, "LogDriver", c->log_driver);
    part_pairs(w, "LogOptions", c->log_options, c->n_log_options);
    jw_kstr_if(w, "ContainerARN", c->arn);
    if (part_has_container(c))
        part_networks(w, c, PART_NETWORKS_ALL);
    if (c->has_restart_policy)
        jw_kint(w, "RestartCount", c->restart_count);
}

static void write_container(struct jw *w, const struct view_container *c, int version)
{
    jw_object(w);
    jw_kstr(w, "DockerId", str_or_empty(c->docker_id));
    jw_kstr(w, "Name", str_or_empty(c->name));
    jw_kstr(w, "DockerName", str_or_empty(c->docker_name));
    jw_kstr(w, "Image", str_or_empty(c->image));
    jw_kstr(w, "ImageID", str_or_empty(c->image_id));
    part_ports(w, c->ports, c->n_ports, version == 4);
    part_pairs(w, "Labels", c->labels, c->n_labels);
    jw_kstr(w, "DesiredStatus", status_name(c, c->desired));
    jw_kstr(w, "KnownStatus", status_name(c, c->known));
    if (c->has_exit_code)
        jw_kint(w, "ExitCode", c->exit_code);
    write_limits(w, c);
    part_time(w, "CreatedAt", c->created_ms);
    part_time(w, "StartedAt", c->started_ms);
    part_time(w, "FinishedAt", c->finished_ms);
    jw_kstr(w, "Type", type_name(c->type));
    if (version < 4)
        part_networks(w, c, version == 2 ? PART_NETWORKS_AWSVPC : PART_NETWORKS_IPV4);
    write_health(w, c);
    part_volumes(w, c->volumes, c->n_volumes);
    if (version == 4)
        write_v4_rest(w, c);
    jw_end(w);
}

bool view_write_container(const struct view_task *t, size_t container, int version, struct jw *w)
{
    const struct view_container *c = &t->containers[container];

    if (version > 2 && !c->networks_known)
        return false;
    write_container(w, c, version);
    return true;
}

/* The order of a task's list: version 4 begins with the container that holds the network, for
 * clients that take the task's address from the first entry, and ends with those of which
 * there is an image and nothing else. */
enum place { PLACE_FIRST, PLACE_MIDDLE, PLACE_LAST, PLACE_NONE };

static enum place place_of(const struct view_container *c, int version)
{
    if (part_has_container(c))
        return version == 4 && c->type == VIEW_CNI_PAUSE ? PLACE_FIRST : PLACE_MIDDLE;
    return version == 4 && c->known == CTR_PULLED ? PLACE_LAST : PLACE_NONE;
}

static void write_containers(struct jw *w, const struct view_task *t, int version)
{
    bool any = false;

    for (int place = PLACE_FIRST; place < PLACE_NONE; place++) {
        for (size_t i = 0; i < t->n_containers; i++) {
            if (place_of(&t->containers[i], version) != (enum place)place)
                continue;
            if (!any) {
                jw_karray(w, "Containers");
                any = true;
            }
            write_container(w, &t->containers[i], version);
        }
    }
    if (any)
        jw_end(w);
}

static void write_task_limits(struct jw *w, const struct view_task *t)
{
    if (t->cpu_vcpus <= 0 && t->memory_mib <= 0)
        return;
    jw_kobject(w, "Limits");
    if (t->cpu_vcpus > 0) {
        jw_key(w, "CPU");
        part_double(w, t->cpu_vcpus);
    }
    if (t->memory_mib > 0)
        jw_kint(w, "Memory", t->memory_mib);
    jw_end(w);
}

static void write_errors(struct jw *w, const struct view_task *t)
{
    if (!t->n_errors)
        return;
    jw_karray(w, "Errors");
    for (size_t i = 0; i < t->n_errors; i++) {
        const struct view_error *e = &t->errors[i];

        jw_object(w);
        jw_kstr_if(w, "ErrorField", e->field);
        jw_kstr_if(w, "ErrorCode", e->code);
        jw_kstr_if(w, "ErrorMessage", e->message);
        if (e->status)
            jw_kint(w, "StatusCode", e->status);
        jw_kstr_if(w, "RequestId", e->request_id);
        jw_kstr_if(w, "ResourceARN", e->arn);
        jw_end(w);
    }
    jw_end(w);
}

/* Version 3 fails as a whole where one container's networks are not known; version 4 leaves
 * out what it does not know. */
static bool can_tell(const struct view_task *t, int version)
{
    if (version != 3)
        return true;
    for (size_t i = 0; i < t->n_containers; i++) {
        const struct view_container *c = &t->containers[i];

        if (place_of(c, version) != PLACE_NONE && !c->networks_known)
            return false;
    }
    return true;
}

bool view_write_task(const struct view_task *t, int version, bool tags, struct jw *w)
{
    if (!can_tell(t, version))
        return false;
    jw_object(w);
    jw_kstr(w, "Cluster", str_or_empty(t->cluster));
    jw_kstr(w, "TaskARN", str_or_empty(t->arn));
    jw_kstr(w, "Family", str_or_empty(t->family));
    jw_kstr(w, "Revision", str_or_empty(t->version));
    jw_kstr(w, "DesiredStatus", task_status_name(t->desired));
    jw_kstr(w, "KnownStatus", task_status_name(t->known));
    if (version < 4)
        write_containers(w, t, version);
    write_task_limits(w, t);
    part_time(w, "PullStartedAt", t->pull_started_ms);
    part_time(w, "PullStoppedAt", t->pull_stopped_ms);
    part_time(w, "ExecutionStoppedAt", t->execution_stopped_ms);
    jw_kstr_if(w, "AvailabilityZone", t->zone);
    if (tags) {
        part_pairs(w, "TaskTags", t->task_tags, t->n_task_tags);
        part_pairs(w, "ContainerInstanceTags", t->instance_tags, t->n_instance_tags);
    }
    if (version == 4) {
        jw_kstr_if(w, "LaunchType", t->launch_type);
        if (tags)
            write_errors(w, t);
        write_containers(w, t, version);
        jw_kstr_if(w, "VPCID", t->vpc_id);
        jw_kstr_if(w, "ServiceName", t->service_name);
        jw_kbool(w, "FaultInjectionEnabled", t->fault_injection);
        jw_kstr_if(w, "AvailabilityZoneID", t->zone_id);
    }
    jw_end(w);
    return true;
}
