#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "task/create_body.h"

/* The least that Docker accepts. The reference raises to the 4 MiB of older ones, with
 * which a create fails today. */
#define MEMORY_MIN     (6 << 20)
#define CPU_SHARES_MIN 2
#define CPU_SHARES_MAX 262144

/* ---- ports ---- */

struct port_row {
    uint16_t container_port, host_port;
    enum port_proto proto;
    size_t order;
};

static int by_port(const void *a, const void *b)
{
    const struct port_row *x = a, *y = b;

    if (x->container_port != y->container_port)
        return x->container_port < y->container_port ? -1 : 1;
    if (x->proto != y->proto)
        return x->proto < y->proto ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static bool same_port(const struct port_row *a, const struct port_row *b)
{
    return a->container_port == b->container_port && a->proto == b->proto;
}

/* Every mapped port, ranges spread out, sorted; the host port is 0 where neither the
 * task nor `chosen` (which may be NULL) names one. free() it. */
static struct port_row *port_rows(const struct task_container *c, const uint16_t *chosen, size_t *n)
{
    struct port_row *rows;
    size_t total = 0;

    for (size_t i = 0; i < c->n_ports; i++)
        total += task_port_width(&c->ports[i]);
    rows = mem_array(total, sizeof *rows);
    *n = 0;
    for (size_t i = 0; i < c->n_ports; i++) {
        const struct task_port *p = &c->ports[i];
        int first = p->container_port ? p->container_port : p->range_first;
        int last = p->container_port ? p->container_port : p->range_last;
        int host = p->host_port ? p->host_port : chosen ? chosen[i] : 0;

        for (int port = first; port <= last; port++, (*n)++) {
            int to = host ? host + (port - first) : 0;

            rows[*n] = (struct port_row){ (uint16_t)port, (uint16_t)(to > UINT16_MAX ? 0 : to),
                                          p->proto, *n };
        }
    }
    qsort(rows, *n, sizeof *rows, by_port);
    return rows;
}

static void port_key(struct jw *w, const struct port_row *r)
{
    char key[16];

    snprintf(key, sizeof key, "%u/%s", r->container_port, port_proto_name(r->proto));
    jw_key(w, key);
}

void create_write_exposed_ports(struct jw *w, const struct task_container *c)
{
    size_t n;
    struct port_row *rows = port_rows(c, NULL, &n);

    if (n) {
        jw_kobject(w, "ExposedPorts");
        for (size_t i = 0; i < n; i++) {
            if (i && same_port(&rows[i - 1], &rows[i]))
                continue;
            port_key(w, &rows[i]);
            jw_object(w);
            jw_end(w);
        }
        jw_end(w);
    }
    free(rows);
}

/* An empty HostPort lets Docker choose. Without a network of its own the container's
 * port is the host's already, so there only what the task names itself is sent. */
static void write_bindings(struct jw *w, const struct task_create_args *a)
{
    bool maps = task_maps_ports(a->task), open = false;
    size_t n, last = 0;
    struct port_row *rows = port_rows(&a->task->containers[a->container], a->host_ports, &n);
    char host_port[8];

    for (size_t i = 0; i < n; i++) {
        if (!maps && !rows[i].host_port)
            continue;
        if (!open)
            jw_kobject(w, "PortBindings");
        if (!open || !same_port(&rows[last], &rows[i])) {
            if (open)
                jw_end(w);
            port_key(w, &rows[i]);
            jw_array(w);
        }
        open = true;
        last = i;
        snprintf(host_port, sizeof host_port, "%u", rows[i].host_port);
        jw_object(w);
        jw_kstr(w, "HostPort", rows[i].host_port ? host_port : "");
        jw_end(w);
    }
    if (open) {
        jw_end(w);
        jw_end(w);
    }
    free(rows);
}

/* ---- volumes, links ---- */

static const struct task_volume *find_volume(const struct task *t, const char *name)
{
    for (size_t i = 0; i < t->n_volumes; i++)
        if (streq(t->volumes[i].name, name))
            return &t->volumes[i];
    return NULL;
}

/* Where the volume comes from, as Docker wants it in a bind. free() it. */
static char *bind_source(const struct task *t, const struct task_volume *v)
{
    return v->kind == VOLUME_HOST ? mem_strdup(v->host_path) : task_volume_docker_name(t, v);
}

static enum err_code write_binds(struct jw *w, const struct task_create_args *a, struct err *e)
{
    const struct task_container *c = &a->task->containers[a->container];

    if (!c->n_mounts)
        return ERR_OK;
    jw_karray(w, "Binds");
    for (size_t i = 0; i < c->n_mounts; i++) {
        const struct task_mount *m = &c->mounts[i];
        const struct task_volume *v = find_volume(a->task, m->source_volume);
        AUTO(str) char *source = NULL, *bind = NULL;

        if (!v)
            return err_set(e, ERR_INVALID, HOST_ERROR ": Invalid volume referenced: %.200s",
                           m->source_volume);
        source = bind_source(a->task, v);
        bind = mem_printf("%s:%s%s", source, m->container_path, m->read_only ? ":ro" : "");
        jw_str(w, bind);
    }
    jw_end(w);
    return ERR_OK;
}

static enum err_code write_links(struct jw *w, const struct task_create_args *a, struct err *e)
{
    const struct task_container *c = &a->task->containers[a->container];

    if (!c->n_links)
        return ERR_OK;
    jw_karray(w, "Links");
    for (size_t i = 0; i < c->n_links; i++) {
        const struct task_link *l = &c->links[i];
        const char *name = a->docker_names[l->target];
        AUTO(str) char *link = NULL;

        if (str_empty(name))
            return err_set(e, ERR_INVALID, HOST_ERROR ": Link target not available: %.200s",
                           a->task->containers[l->target].name);
        link = mem_printf("%s:%s", name, l->alias);
        jw_str(w, link);
    }
    jw_end(w);
    return ERR_OK;
}

static enum err_code write_volumes_from(struct jw *w, const struct task_create_args *a,
                                        struct err *e)
{
    const struct task_container *c = &a->task->containers[a->container];

    if (!c->n_from)
        return ERR_OK;
    jw_karray(w, "VolumesFrom");
    for (size_t i = 0; i < c->n_from; i++) {
        const struct task_from *f = &c->from[i];
        const char *name = a->docker_names[f->source];
        AUTO(str) char *from = NULL;

        if (str_empty(name))
            return err_set(e, ERR_INVALID, HOST_ERROR ": volume source not available: %.200s",
                           a->task->containers[f->source].name);
        from = mem_printf("%s%s", name, f->read_only ? ":ro" : "");
        jw_str(w, from);
    }
    jw_end(w);
    return ERR_OK;
}

/* ---- limits ---- */

static int64_t memory_bytes(int64_t mib)
{
    int64_t bytes = mib << 20;

    return bytes > 0 && bytes < MEMORY_MIN ? MEMORY_MIN : bytes;
}

static int64_t cpu_shares(int64_t shares)
{
    return shares < CPU_SHARES_MIN   ? CPU_SHARES_MIN
           : shares > CPU_SHARES_MAX ? CPU_SHARES_MAX
                                     : shares;
}

static enum err_code check_supported(const struct task_create_args *a, struct err *e)
{
    const struct task *t = a->task;

    if (streq(t->network_mode, "awsvpc"))
        return err_set(e, ERR_INVALID, HOST_ERROR ": network mode awsvpc is not supported");
    if (t->containers[a->container].log_execution_role && !t->execution_credentials_id)
        return err_set(e, ERR_INVALID, HOST_ERROR ": No execution credentials set for the task");
    return ERR_OK;
}

enum err_code create_write_host_base(struct jw *w, const struct task_create_args *a, struct err *e)
{
    const struct task_container *c = &a->task->containers[a->container];

    if (check_supported(a, e))
        return e->code;
    jw_object(w);
    if (write_links(w, a, e) || write_binds(w, a, e) || write_volumes_from(w, a, e))
        return e->code;
    write_bindings(w, a);
    jw_kint(w, "CpuShares", cpu_shares(c->cpu_shares));
    if (c->internal) /* it only waits */
        jw_kstr(w, "NetworkMode", "none");
    jw_end(w);
    return ERR_OK;
}

/* ---- on top of what the control plane says ---- */

static void write_memory(struct jw *w, const struct task_create_args *a, const struct jcur *top)
{
    const struct task_container *c = &a->task->containers[a->container];
    struct jcur said = jcur_get(top, "Memory");
    int64_t bytes = jcur_present(&said) ? jcur_as_int(&said, INT64_MIN, INT64_MAX)
                                        : memory_bytes(c->memory_mib);

    if (!bytes && a->propagate_memory && !c->internal)
        bytes = memory_bytes(a->task->memory_mib);
    if (bytes || jcur_present(&said))
        jw_kint(w, "Memory", bytes);
}

/* The modes an agent acts on; any other leaves the matter to `top`. */
static bool is_mode(const char *mode, const char *const *known, size_t n)
{
    for (size_t i = 0; mode && i < n; i++)
        if (streq(mode, known[i]))
            return true;
    return false;
}

static enum err_code write_mode(struct jw *w, const struct task_create_args *a, const char *key,
                                const char *mode, const char *said, struct err *e)
{
    AUTO(str) char *joined = NULL;

    if (mode && streq(mode, "task")) {
        if (str_empty(a->pause_id))
            return err_set(e, ERR_INVALID,
                           HOST_ERROR ": the container of the shared "
                                      "namespaces is not there");
        joined = mem_printf("container:%s", a->pause_id);
        mode = joined;
    }
    jw_kstr_if(w, key, mode ? mode : said);
    return ERR_OK;
}

enum err_code create_write_host_rules(struct jw *w, const struct task_create_args *a,
                                      const struct jcur *top, struct err *e)
{
    static const char *const pid_modes[] = { "host", "task" };
    static const char *const ipc_modes[] = { "host", "task", "none" };
    const struct task *t = a->task;
    const char *parent = jcur_str_or(top, "CgroupParent", NULL);
    const char *pid = jcur_str_or(top, "PidMode", NULL), *ipc = jcur_str_or(top, "IpcMode", NULL);

    write_memory(w, a, top);
    jw_kstr_if(w, "CgroupParent", a->cgroup_parent ? a->cgroup_parent : parent);
    if (t->containers[a->container].internal) {
        if (t->ipc_mode && streq(t->ipc_mode, "task"))
            jw_kstr(w, "IpcMode", "shareable");
        return ERR_OK;
    }
    if (write_mode(w, a, "PidMode",
                   is_mode(t->pid_mode, pid_modes, COUNT_OF(pid_modes)) ? t->pid_mode : NULL, pid,
                   e))
        return e->code;
    return write_mode(w, a, "IpcMode",
                      is_mode(t->ipc_mode, ipc_modes, COUNT_OF(ipc_modes)) ? t->ipc_mode : NULL,
                      ipc, e);
}
