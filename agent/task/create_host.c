#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "task/create_body.h"

#define HOST_ERROR     "HostConfigError"
#define MEMORY_MIN     (4 << 20) /* what Docker accepted when the reference was written */
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

/* Every mapped port, ranges spread out, sorted; free() it. */
static struct port_row *port_rows(const struct task_container *c, size_t *n)
{
    struct port_row *rows;
    size_t total = 0;

    for (size_t i = 0; i < c->n_ports; i++)
        total += (size_t)(c->ports[i].range_last - c->ports[i].range_first) + 1;
    rows = mem_array(total, sizeof *rows);
    *n = 0;
    for (size_t i = 0; i < c->n_ports; i++) {
        const struct task_port *p = &c->ports[i];
        int first = p->container_port ? p->container_port : p->range_first;
        int last = p->container_port ? p->container_port : p->range_last;

        for (int port = first; port <= last; port++, (*n)++)
            rows[*n] = (struct port_row){ (uint16_t)port, p->host_port, p->proto, *n };
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
    struct port_row *rows = port_rows(c, &n);

    if (n) {
        jw_key(w, "ExposedPorts");
        jw_object(w);
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

/* An empty HostPort lets Docker choose. */
static void write_bindings(struct jw *w, const struct task_container *c)
{
    size_t n;
    struct port_row *rows = port_rows(c, &n);
    char host_port[8];

    if (n) {
        jw_key(w, "PortBindings");
        jw_object(w);
        for (size_t i = 0; i < n; i++) {
            if (!i || !same_port(&rows[i - 1], &rows[i])) {
                if (i)
                    jw_end(w);
                port_key(w, &rows[i]);
                jw_array(w);
            }
            snprintf(host_port, sizeof host_port, "%u", rows[i].host_port);
            jw_object(w);
            jw_kstr(w, "HostPort", rows[i].host_port ? host_port : "");
            jw_end(w);
        }
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
    if (v->host_path)
        return mem_strdup(v->host_path);
    if (v->docker && v->shared)
        return mem_strdup(v->name);
    return task_volume_docker_name(t, v);
}

static enum err_code write_binds(struct jw *w, const struct task_create_args *a, struct err *e)
{
    const struct task_container *c = &a->task->containers[a->container];

    if (!c->n_mounts)
        return ERR_OK;
    jw_key(w, "Binds");
    jw_array(w);
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
    jw_key(w, "Links");
    jw_array(w);
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
    jw_key(w, "VolumesFrom");
    jw_array(w);
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

/* Running a task without the isolation it asks for would be worse than not
 * running it. */
static enum err_code check_supported(const struct task_create_args *a, struct err *e)
{
    const struct task *t = a->task;

    if (streq(t->network_mode, "awsvpc"))
        return err_set(e, ERR_INVALID, HOST_ERROR ": network mode awsvpc is not supported");
    if (t->pid_mode && streq(t->pid_mode, "task"))
        return err_set(e, ERR_INVALID, HOST_ERROR ": pid mode task is not supported");
    if (t->ipc_mode && streq(t->ipc_mode, "task"))
        return err_set(e, ERR_INVALID, HOST_ERROR ": ipc mode task is not supported");
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
    write_bindings(w, c);
    if (c->memory_mib)
        jw_kint(w, "Memory", memory_bytes(c->memory_mib));
    jw_kint(w, "CpuShares", cpu_shares(c->cpu_shares));
    jw_end(w);
    return ERR_OK;
}

/* ---- modes, logging ---- */

void create_write_mode(struct jw *w, const struct jcur *top, const char *key, const char *mode)
{
    jw_kstr_if(w, key, mode ? mode : jcur_str_or(top, key, NULL));
}

/* Docker writes the file, Berth reads it and ships the lines. */
static void write_shipped_log(struct jw *w, const struct task_create_args *a)
{
    jw_kstr(w, "Type", "json-file");
    jw_key(w, "Config");
    jw_object(w);
    jw_kstr_if(w, "max-size", a->log_max_size);
    jw_kstr_if(w, "max-file", a->log_max_file);
    jw_kstr(w, "compress", "false");
    jw_end(w);
}

/* A driver that may drop lines gets a roomier buffer than Docker's own 1 MiB. */
static void write_other_log(struct jw *w, const char *type, const struct jcur *options)
{
    bool non_blocking = streq(jcur_str_or(options, "mode", ""), "non-blocking");
    struct jcur m;

    jw_kstr(w, "Type", type);
    if (!jcur_present(options))
        return;
    jw_key(w, "Config");
    jw_object(w);
    for (size_t i = 0; jcur_member(options, i, &m); i++) {
        if (i == TASK_MAX_PAIRS) {
            jcur_fail(options, "more than %d members", TASK_MAX_PAIRS);
            break;
        }
        jw_kstr(w, m.key, jcur_present(&m) ? jcur_as_str(&m) : "");
    }
    if (non_blocking && !jcur_str_or(options, "max-buffer-size", NULL))
        jw_kstr(w, "max-buffer-size", "10m");
    jw_end(w);
}

void create_write_log_config(struct jw *w, const struct task_create_args *a, const struct jcur *top)
{
    struct jcur log = jcur_obj(top, "LogConfig");
    struct jcur options = jcur_obj(&log, "Config");
    const char *type = jcur_str_or(&log, "Type", "");

    if (!*type)
        return;
    jw_key(w, "LogConfig");
    jw_object(w);
    if (streq(type, "awslogs"))
        write_shipped_log(w, a);
    else
        write_other_log(w, type, &options);
    jw_end(w);
}
