/* remains: what a container's label tells of its task, written when it is created and read
 * when nothing else is left. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "task/internal.h"

/* Docker repeats labels in each event, so what is longer is told without its details. */
#define DETAILS_MAX 2048

/* ---- out ---- */

static void write_chosen(struct jw *w, const struct task_container *c, const uint16_t *chosen)
{
    jw_karray(w, "chosen");
    for (size_t i = 0; i < c->n_ports; i++)
        jw_int(w, chosen[i]);
    jw_end(w);
}

static void write_container(struct jw *w, const struct task_create_args *a, bool details)
{
    const struct task_container *c = &a->task->containers[a->container];

    jw_object(w);
    jw_kstr(w, "name", c->name);
    jw_kstr(w, "image", c->image);
    jw_kbool(w, "essential", c->essential);
    jw_kint(w, "cpu", c->cpu_shares);
    jw_kint(w, "memory", c->memory_mib);
    if (c->stop_timeout_s > 0)
        jw_kint(w, "stopTimeout", c->stop_timeout_s);
    if (c->health_docker)
        jw_kstr(w, "healthCheckType", "docker");
    if (c->n_deps)
        task_write_deps(w, a->task, c);
    if (details) {
        jw_kstr_if(w, "containerArn", c->arn);
        if (c->n_ports)
            task_write_ports(w, c);
        task_write_restart(w, &c->restart);
        if (c->start_timeout_s)
            jw_kint(w, "startTimeout", c->start_timeout_s);
        if (c->log_execution_role)
            jw_kstr(w, "logsAuthStrategy", "ExecutionRole");
        task_write_docker_config(w, c);
    }
    jw_end(w);
}

/* What is the task's alone is to go with it; of the others it knows nothing any more. */
static void write_volumes(struct jw *w, const struct task *t)
{
    bool some = false;

    for (size_t i = 0; i < t->n_volumes; i++) {
        if (t->volumes[i].kind != VOLUME_TASK)
            continue;
        if (!some) {
            some = true;
            jw_karray(w, "volumes");
        }
        jw_object(w);
        jw_kstr(w, "name", t->volumes[i].name);
        jw_key(w, "host"); /* without a path: the decoder takes it for one of the task */
        jw_object(w);
        jw_end(w);
        jw_end(w);
    }
    if (some)
        jw_end(w);
}

static void write_task(struct jw *w, const struct task *t)
{
    jw_object(w);
    jw_kstr(w, "family", t->family);
    jw_kstr(w, "version", t->version);
    jw_kstr_if(w, "serviceName", t->service_name);
    jw_kstr_if(w, "launchType", t->launch_type);
    jw_kstr(w, "networkMode", t->network_mode);
    jw_kstr_if(w, "pidMode", t->pid_mode);
    jw_kstr_if(w, "ipcMode", t->ipc_mode);
    if (t->cpu_vcpus > 0)
        task_write_cpu(w, t->cpu_vcpus);
    if (t->memory_mib)
        jw_kint(w, "memory", t->memory_mib);
    write_volumes(w, t);
    jw_end(w);
}

void task_remains_write(const struct task_create_args *a, struct buf *out)
{
    for (int details = 1; details >= 0; details--) {
        struct jw w;

        buf_reset(out);
        jw_init(&w, out);
        jw_object(&w);
        jw_kint(&w, "of", (int64_t)a->task->n_containers);
        jw_kint(&w, "at", (int64_t)a->container);
        jw_kstr_if(&w, "metadata", a->metadata_id);
        if (details && a->host_ports && a->task->containers[a->container].n_ports)
            write_chosen(&w, &a->task->containers[a->container], a->host_ports);
        jw_key(&w, "task");
        write_task(&w, a->task);
        jw_key(&w, "container");
        if (a->task->containers[a->container].internal)
            jw_null(&w);
        else
            write_container(&w, a, details);
        jw_end(&w);
        if (out->len <= DETAILS_MAX)
            return;
    }
}

/* ---- in ---- */

struct piece {
    struct json_t *doc;
    struct err err;
    struct jcur root, task, container;
    int64_t of, at;
    size_t row;
};

static bool is_pause(const struct task_remains *row)
{
    return streq(row->name, TASK_PAUSE_NAME);
}

static void read_chosen(struct task_remains *row, const struct piece *p)
{
    struct jcur ports = jcur_arr(&p->container, "portMappings"), all = jcur_arr(&p->root, "chosen");

    if (!jcur_len(&all) || jcur_len(&all) != jcur_len(&ports))
        return;
    row->n_host_ports = jcur_len(&all);
    row->host_ports = mem_array(row->n_host_ports, sizeof *row->host_ports);
    JCUR_EACH (item, &all)
        row->host_ports[item_i] = (uint16_t)jcur_as_int(&item, 0, UINT16_MAX);
}

/* The cursors refer to each other: a piece stays where it is. */
static bool read_piece(struct task_remains *row, struct piece *p)
{
    if (!row->label || json_parse(row->label, strlen(row->label), &p->doc, &p->err))
        return false;
    p->root = jcur_root(p->doc, &p->err);
    p->task = jcur_obj(&p->root, "task");
    p->container = jcur_obj(&p->root, "container");
    p->of = jcur_int(&p->root, "of", 1, TASK_MAX_CONTAINERS);
    p->at = jcur_int(&p->root, "at", 0, TASK_MAX_CONTAINERS - 1);
    snprintf(row->metadata_id, sizeof row->metadata_id, "%s",
             jcur_str_or(&p->root, "metadata", ""));
    read_chosen(row, p);
    if (!jcur_ok(&p->root) || !jcur_present(&p->task))
        return false;
    row->name =
        mem_strdup(jcur_present(&p->container) ? jcur_str(&p->container, "name") : TASK_PAUSE_NAME);
    return true;
}

static int by_place(const void *a, const void *b)
{
    const struct piece *x = *(const struct piece *const *)a, *y = *(const struct piece *const *)b;

    return x->at != y->at ? (x->at > y->at) - (x->at < y->at)
                          : (x->row > y->row) - (x->row < y->row);
}

static void copy_members(struct jw *w, const struct jcur *from, const char *const *but)
{
    struct jcur m;

    for (size_t i = 0; jcur_member(from, i, &m); i++) {
        bool skip = false;

        for (size_t k = 0; but && but[k]; k++)
            skip |= streq(but[k], m.key);
        if (skip)
            continue;
        jw_key(w, m.key);
        jw_value(w, m.val);
    }
}

/* Of the task only the container is left that holds its namespaces: it is one like any other. */
#define LONE_PAUSE "pause"

static void write_lone_pause(struct jw *w)
{
    jw_object(w);
    jw_kstr(w, "name", LONE_PAUSE);
    jw_kstr(w, "image", TASK_PAUSE_IMAGE);
    jw_kbool(w, "essential", true);
    jw_end(w);
}

/* What is known: one piece for each container, in the order of their places. */
struct puzzle {
    struct piece **pieces;
    size_t n;
    bool whole, pause, lone;
};

static bool has_name(const struct puzzle *z, const struct task_remains *rows, const char *name)
{
    for (size_t i = 0; i < z->n; i++)
        if (streq(rows[z->pieces[i]->row].name, name))
            return true;
    return false;
}

/* What is still there is stopped in the right order. */
static void write_relations(struct jw *w, const struct puzzle *z, const struct task_remains *rows,
                            const struct piece *p)
{
    struct jcur deps = jcur_arr(&p->container, "dependsOn");

    jw_karray(w, "dependsOn");
    JCUR_EACH (item, &deps) {
        if (has_name(z, rows, jcur_str(&item, "containerName")))
            jw_value(w, item.val);
    }
    jw_end(w);
}

static void write_task_of(struct jw *w, const char *arn, const struct puzzle *z,
                          const struct task_remains *rows)
{
    static const char *const modes[] = { "pidMode", "ipcMode", NULL };
    static const char *const relations[] = { "dependsOn", NULL };

    jw_object(w);
    jw_kstr(w, "arn", arn);
    jw_kstr(w, "desiredStatus", "RUNNING");
    copy_members(w, &z->pieces[0]->task, z->pause && !z->lone ? NULL : modes);
    jw_karray(w, "containers");
    if (z->lone)
        write_lone_pause(w);
    for (size_t i = 0; i < z->n; i++) {
        if (!jcur_present(&z->pieces[i]->container))
            continue; /* the decoder adds it */
        jw_object(w);
        copy_members(w, &z->pieces[i]->container, relations);
        write_relations(w, z, rows, z->pieces[i]);
        jw_end(w);
    }
    jw_end(w);
    jw_end(w);
}

static void assemble(struct puzzle *z, struct task_remains *rows, struct piece *all, size_t n)
{
    int64_t of = 0;

    for (size_t i = 0; i < n; i++) {
        all[i].row = i;
        if (!read_piece(&rows[i], &all[i]) || has_name(z, rows, rows[i].name))
            continue;
        z->pieces[z->n++] = &all[i];
        z->pause |= is_pause(&rows[i]);
        of = all[i].of > of ? all[i].of : of;
    }
    z->whole = z->n == (size_t)of;
    z->lone = z->pause && z->n == 1;
    if (z->n)
        qsort(z->pieces, z->n, sizeof(struct piece *), by_place);
}

enum err_code task_from_remains(const char *arn, struct task_remains *rows, size_t n, bool *whole,
                                struct task **out, struct err *e)
{
    struct piece *all = mem_array(n, sizeof *all);
    struct puzzle z = { .pieces = mem_array(n, sizeof(struct piece *)) };
    AUTO(buf) struct buf text = BUF_INIT(TASK_MAX_JSON);
    bool any;
    struct jw w;

    assemble(&z, rows, all, n);
    any = z.n > 0;
    *whole = z.whole;
    jw_init(&w, &text);
    if (any)
        write_task_of(&w, arn, &z, rows);
    for (size_t i = 0; z.lone && i < n; i++)
        if (rows[i].name)
            mem_replace(&rows[i].name, LONE_PAUSE);
    for (size_t i = 0; i < n; i++)
        json_free(all[i].doc);
    free(all);
    free(z.pieces);
    if (!any)
        return err_set(e, ERR_INVALID, "no container of %s says what it is", arn);
    return task_decode_text(buf_text(&text), text.len, out, e);
}

void task_remains_fini(struct task_remains *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(rows[i].name);
        free(rows[i].host_ports);
        rows[i].name = NULL;
        rows[i].host_ports = NULL;
    }
}
