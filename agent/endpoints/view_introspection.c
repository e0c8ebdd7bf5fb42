/* What the introspection endpoint (introspect.c) tells of a task: the older, smaller form. */
#include "base/str.h"
#include "endpoints/parts.h"

/* The three that the control plane knows. */
static const char *status_name(enum task_status s)
{
    if (s == TASK_RUNNING || s == TASK_STOPPED)
        return task_status_name(s);
    return "PENDING";
}

/* A task that is ahead of what is wanted of it has no wish that could be told. */
static bool tells_desired(const struct view_task *t)
{
    if (t->known == TASK_STOPPED)
        return t->desired == TASK_STOPPED;
    return t->known != TASK_RUNNING || t->desired >= TASK_RUNNING;
}

/* Before the engine knows them: as the task definition has them. A range is left out, which
 * has no one port to tell. */
static void write_defined_ports(struct jw *w, const struct view_container *c)
{
    bool any = false;

    for (size_t i = 0; i < c->n_defined_ports; i++) {
        const struct task_port *p = &c->defined_ports[i];

        if (!p->container_port)
            continue;
        if (!any) {
            jw_karray(w, "Ports");
            any = true;
        }
        jw_object(w);
        jw_kint(w, "ContainerPort", p->container_port);
        jw_kstr(w, "Protocol", part_proto(p->proto));
        if (p->host_port)
            jw_kint(w, "HostPort", p->host_port);
        jw_end(w);
    }
    if (any)
        jw_end(w);
}

static void write_container(struct jw *w, const struct view_container *c)
{
    jw_object(w);
    jw_kstr(w, "DockerId", str_or_empty(c->docker_id));
    jw_kstr(w, "DockerName", str_or_empty(c->docker_name));
    jw_kstr(w, "Name", str_or_empty(c->name));
    jw_kstr(w, "Image", str_or_empty(c->image));
    jw_kstr(w, "ImageID", str_or_empty(c->image_id));
    part_time(w, "CreatedAt", c->created_ms);
    part_time(w, "StartedAt", c->started_ms);
    if (c->n_ports)
        part_ports(w, c->ports, c->n_ports, false);
    else
        write_defined_ports(w, c);
    part_networks(w, c, PART_NETWORKS_AWSVPC);
    part_volumes(w, c->volumes, c->n_volumes);
    if (c->has_restart_policy)
        jw_kint(w, "RestartCount", c->restart_count);
    jw_end(w);
}

void view_write_introspection(const struct view_task *t, struct jw *w)
{
    jw_object(w);
    jw_kstr(w, "Arn", str_or_empty(t->arn));
    if (tells_desired(t))
        jw_kstr(w, "DesiredStatus", status_name(t->desired));
    jw_kstr(w, "KnownStatus", status_name(t->known));
    jw_kstr(w, "Family", str_or_empty(t->family));
    jw_kstr(w, "Version", str_or_empty(t->version));
    jw_karray(w, "Containers");
    for (size_t i = 0; i < t->n_containers; i++) {
        const struct view_container *c = &t->containers[i];

        if (c->type == VIEW_NORMAL && part_has_container(c))
            write_container(w, c);
    }
    jw_end(w);
    jw_end(w);
}
