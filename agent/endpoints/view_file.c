/* The container metadata file: its text, with tabs, for people and shell scripts in the
 * container. */
#include <stdbool.h>

#include "base/mem.h"
#include "base/str.h"
#include "endpoints/parts.h"

static void write_mappings(struct jw *w, const struct view_container *c)
{
    if (!c->n_ports)
        return;
    jw_karray(w, "PortMappings");
    for (size_t i = 0; i < c->n_ports; i++) {
        const struct port_binding *p = &c->ports[i];

        jw_object(w);
        jw_kint(w, "ContainerPort", p->container_port);
        jw_kstr(w, "ContainerPortRange", "");
        jw_kint(w, "HostPort", p->host_port);
        jw_kstr(w, "BindIp", p->ip);
        jw_kstr(w, "Protocol", part_proto(p->proto));
        jw_end(w);
    }
    jw_end(w);
}

/* What is known once the container is there. */
static void write_engine_part(struct jw *w, const struct view_container *c)
{
    jw_kstr_if(w, "ContainerID", c->docker_id);
    jw_kstr_if(w, "ContainerName", c->name);
    if (!str_empty(c->docker_name)) {
        AUTO(str) char *name = mem_printf("/%s", c->docker_name);

        jw_kstr(w, "DockerContainerName", name);
    }
    jw_kstr_if(w, "ImageID", c->image_id);
    jw_kstr_if(w, "ImageName", c->image);
    write_mappings(w, c);
    part_networks(w, c, PART_NETWORKS_ALL);
    jw_kstr(w, "MetadataFileStatus", "READY");
}

static void write_compact(const struct view_task *t, const struct view_container *c,
                          const struct view_host *h, bool ready, struct jw *w)
{
    jw_object(w);
    jw_kstr_if(w, "Cluster", t->cluster);
    jw_kstr_if(w, "ContainerInstanceARN", h->instance_arn);
    jw_kstr_if(w, "TaskARN", t->arn);
    jw_kstr_if(w, "TaskDefinitionFamily", t->family);
    jw_kstr_if(w, "TaskDefinitionRevision", t->version);
    if (ready)
        write_engine_part(w, c);
    else
        jw_kstr_if(w, "ContainerName", c->name);
    jw_kstr_if(w, "AvailabilityZone", h->zone);
    jw_kstr_if(w, "HostPrivateIPv4Address", h->private_ipv4);
    jw_kstr_if(w, "HostPublicIPv4Address", h->public_ipv4);
    jw_kstr_if(w, "HostIPv6Address", h->ipv6);
    jw_end(w);
}

static void new_line(struct buf *out, int depth)
{
    buf_putc(out, '\n');
    for (int i = 0; i < depth; i++)
        buf_putc(out, '\t');
}

/* The same document with a tab for each level. The text is the writer's own, so it is well
 * formed, and no list or object in it is empty: keys without content are left out. */
static void indent(struct str json, struct buf *out)
{
    bool in_string = false;
    int depth = 0;

    for (size_t i = 0; i < json.n; i++) {
        char ch = json.p[i];

        if (in_string) {
            buf_putc(out, ch);
            if (ch == '\\' && i + 1 < json.n)
                buf_putc(out, json.p[++i]);
            else if (ch == '"')
                in_string = false;
            continue;
        }
        if (ch == '}' || ch == ']')
            new_line(out, --depth);
        buf_putc(out, ch);
        if (ch == '"')
            in_string = true;
        else if (ch == '{' || ch == '[')
            new_line(out, ++depth);
        else if (ch == ',')
            new_line(out, depth);
        else if (ch == ':')
            buf_putc(out, ' ');
    }
}

void view_write_file(const struct view_task *t, size_t container, const struct view_host *h,
                     bool ready, struct buf *out)
{
    AUTO(buf) struct buf compact = BUF_INIT(out->max);
    struct jw w;

    jw_init(&w, &compact);
    write_compact(t, &t->containers[container], h, ready, &w);
    if (compact.overflowed)
        out->overflowed = true;
    else
        indent(buf_str(&compact), out);
}
