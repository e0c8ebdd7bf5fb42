/* record_read: events from JSON, for the replay of flight records. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "core/state.h"

struct core_event_arena {
    struct core_payload_task *tasks; /* those the core did not take are destroyed */
    size_t n_tasks;
    struct core_manifest_entry *entries;
    const char **arns;
    struct core_listed *rows;
    struct core_image *images;
    const char **image_names; /* of all of them */
    uint16_t *ports;
    struct core_other *others;
    struct core_local_def *locals; /* whose tasks the core did not take are destroyed */
    size_t n_locals;
    struct core_config config;
    const char **excluded_images;
    struct ctr_facts facts;
};

void core_event_arena_destroy(struct core_event_arena *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->n_tasks; i++)
        task_destroy(a->tasks[i].task);
    free(a->tasks);
    free(a->entries);
    free(a->arns);
    free(a->rows);
    free(a->images);
    free(a->image_names);
    free(a->ports);
    free(a->others);
    for (size_t i = 0; i < a->n_locals; i++)
        task_destroy(a->locals[i].task);
    free(a->locals);
    free(a->excluded_images);
    ctr_facts_fini(&a->facts);
    free(a);
}

static int index_of(const struct jcur *c, const char *key, const char *const *names, size_t n)
{
    const char *text = jcur_str(c, key);

    for (size_t i = 0; i < n; i++)
        if (names[i] && streq(names[i], text))
            return (int)i;
    jcur_fail(c, "unknown %s '%.40s'", key, text);
    return 0;
}

static void read_payload(const struct jcur *c, struct core_event *ev, struct core_event_arena *a)
{
    struct jcur all = jcur_arr(c, "tasks");

    ev->u.payload.message_id = jcur_str(c, "message_id");
    ev->u.payload.seq = jcur_int(c, "seq", INT64_MIN, INT64_MAX);
    a->tasks = mem_array(jcur_len(&all), sizeof *a->tasks);
    JCUR_EACH (item, &all) {
        struct core_payload_task *p = &a->tasks[a->n_tasks++];
        struct jcur task = jcur_obj(&item, "task");

        p->arn = jcur_str_or(&item, "arn", NULL);
        p->error = jcur_str_or(&item, "error", NULL);
        if (jcur_present(&task) && jcur_ok(c) && task_decode(task.val, &p->task, c->err)) {
            err_wrap(c->err, "tasks[%zu].task", item_i);
            return;
        }
    }
    ev->u.payload.tasks = a->tasks;
    ev->u.payload.n_tasks = a->n_tasks;
}

static void read_restored(const struct jcur *c, struct core_event *ev)
{
    struct jcur task = jcur_obj(c, "task");

    ev->u.restored.state = jcur_str_or(c, "state", NULL);
    if (jcur_ok(c) && task_decode(task.val, &ev->u.restored.task, c->err))
        err_wrap(c->err, "task");
}

static void read_manifest(const struct jcur *c, struct core_event *ev, struct core_event_arena *a)
{
    struct jcur all = jcur_arr(c, "entries");

    ev->u.manifest.message_id = jcur_str(c, "message_id");
    ev->u.manifest.cluster_arn = jcur_str(c, "cluster_arn");
    ev->u.manifest.seq = jcur_int(c, "seq", INT64_MIN, INT64_MAX);
    a->entries = mem_array(jcur_len(&all), sizeof *a->entries);
    JCUR_EACH (item, &all) {
        a->entries[item_i].arn = jcur_str(&item, "arn");
        a->entries[item_i].desired =
            (enum task_status)jcur_int(&item, "desired", TASK_NONE, TASK_STOPPED);
    }
    ev->u.manifest.entries = a->entries;
    ev->u.manifest.n_entries = jcur_len(&all);
}

static void read_stop_ack(const struct jcur *c, struct core_event *ev, struct core_event_arena *a)
{
    struct jcur all = jcur_arr(c, "arns");

    ev->u.stop_ack.message_id = jcur_str(c, "message_id");
    a->arns = mem_array(jcur_len(&all), sizeof *a->arns);
    JCUR_EACH (item, &all)
        a->arns[item_i] = jcur_as_str(&item);
    ev->u.stop_ack.arns = a->arns;
    ev->u.stop_ack.n_arns = jcur_len(&all);
}

static void read_facts(const struct jcur *c, struct ctr_facts *f)
{
    struct jcur code = jcur_get(c, "exit_code");

    snprintf(f->id, sizeof f->id, "%s", jcur_str(c, "id"));
    f->status = (enum ctr_status)jcur_int(c, "status", CTR_CREATED, CTR_STOPPED);
    f->has_exit_code = jcur_present(&code);
    f->exit_code = (int)jcur_int_or(c, "exit_code", INT32_MIN, INT32_MAX, 0);
    f->oom_killed = jcur_bool_or(c, "oom", false);
    snprintf(f->error, sizeof f->error, "%s", jcur_str(c, "error"));
    f->created_ms = jcur_int(c, "created", SANE_TIME);
    f->started_ms = jcur_int(c, "started", SANE_TIME);
    f->finished_ms = jcur_int(c, "finished", SANE_TIME);
    f->health = (enum ctr_health)jcur_int(c, "health", HEALTH_UNKNOWN, HEALTH_BAD);
    bindings_read(c, &f->bindings, &f->n_bindings);
}

static void read_images(const struct jcur *c, struct core_event *ev, struct core_event_arena *a)
{
    struct jcur all = jcur_arr(c, "images"), names;
    size_t n = 0;

    JCUR_EACH (item, &all) {
        names = jcur_arr(&item, "names");
        n += jcur_len(&names);
    }
    a->images = mem_array(jcur_len(&all), sizeof *a->images);
    a->image_names = mem_array(n, sizeof *a->image_names);
    n = 0;
    JCUR_EACH (item, &all) {
        struct core_image *im = &a->images[item_i];

        im->id = jcur_str_or(&item, "id", "");
        im->digest = jcur_str_or(&item, "digest", "");
        im->size = jcur_int(&item, "size", SANE_INT);
        im->created_ms = jcur_int(&item, "created", SANE_TIME);
        im->names = a->image_names + n;
        names = jcur_arr(&item, "names");
        JCUR_EACH (name, &names) {
            a->image_names[n++] = jcur_as_str(&name);
            im->n_names++;
        }
    }
    ev->u.op.images = a->images;
    ev->u.op.n_images = jcur_len(&all);
}

static void read_ports(const struct jcur *c, struct core_event *ev, struct core_event_arena *a)
{
    struct jcur all = jcur_arr(c, "ports");

    a->ports = mem_array(jcur_len(&all), sizeof *a->ports);
    JCUR_EACH (item, &all)
        a->ports[item_i] = (uint16_t)jcur_as_int(&item, 0, UINT16_MAX);
    ev->u.op.ports = a->ports;
    ev->u.op.n_ports = jcur_len(&all);
}

static void read_others(const struct jcur *c, struct core_event *ev, struct core_event_arena *a)
{
    struct jcur all = jcur_arr(c, "others");

    a->others = mem_array(jcur_len(&all), sizeof *a->others);
    JCUR_EACH (item, &all) {
        a->others[item_i].id = jcur_str(&item, "id");
        a->others[item_i].name = jcur_str(&item, "name");
        a->others[item_i].state = jcur_str(&item, "state");
    }
    ev->u.op.others = a->others;
    ev->u.op.n_others = jcur_len(&all);
}

static void read_local(const struct jcur *c, struct core_event *ev, struct core_event_arena *a)
{
    struct jcur all = jcur_arr(c, "defs");

    a->locals = mem_array(jcur_len(&all), sizeof *a->locals);
    JCUR_EACH (item, &all) {
        struct core_local_def *d = &a->locals[a->n_locals++];
        struct jcur task = jcur_obj(&item, "task");

        d->name = jcur_str(&item, "name");
        d->digest = jcur_str(&item, "digest");
        d->once = jcur_bool_or(&item, "once", false);
        if (jcur_ok(c) && task_decode(task.val, &d->task, c->err)) {
            err_wrap(c->err, "defs[%zu].task", item_i);
            return;
        }
    }
    ev->u.local.defs = a->locals;
    ev->u.local.n_defs = a->n_locals;
}

static void read_op_done(const struct jcur *c, struct core_event *ev, struct core_event_arena *a)
{
    struct jcur facts = jcur_obj(c, "facts"), disk;

    ev->u.op.id = (uint64_t)jcur_int(c, "id", 1, SANE_MAX);
    ev->u.op.err.code = err_code_from_name(jcur_str_or(c, "code", "ok"));
    snprintf(ev->u.op.err.msg, sizeof ev->u.op.err.msg, "%s", jcur_str_or(c, "error", ""));
    ev->u.op.container_id = jcur_str_or(c, "container_id", "");
    read_images(c, ev, a);
    read_ports(c, ev, a);
    read_others(c, ev, a);
    disk = jcur_obj(c, "disk");
    if (jcur_present(&disk))
        disk_read(&disk, &ev->u.op.disk);
    if (!jcur_present(&facts))
        return;
    read_facts(&facts, &a->facts);
    ev->u.op.facts = &a->facts;
}

static void read_container(const struct jcur *c, struct core_event *ev)
{
    struct jcur code = jcur_get(c, "exit_code");

    ev->u.container.what =
        (enum core_happening)index_of(c, "what", record_happening_names, CORE_HAP_DESTROYED + 1);
    ev->u.container.id = jcur_str(c, "id");
    ev->u.container.name = jcur_str(c, "name");
    ev->u.container.task_arn = jcur_str(c, "task_arn");
    ev->u.container.has_exit_code = jcur_present(&code);
    ev->u.container.exit_code = (int)jcur_int_or(c, "exit_code", INT32_MIN, INT32_MAX, 0);
    ev->u.container.health = (enum ctr_health)jcur_int(c, "health", HEALTH_UNKNOWN, HEALTH_BAD);
}

static void read_listed(const struct jcur *c, struct core_event *ev, struct core_event_arena *a)
{
    struct jcur all = jcur_arr(c, "rows");

    a->rows = mem_array(jcur_len(&all), sizeof *a->rows);
    JCUR_EACH (item, &all) {
        a->rows[item_i].id = jcur_str(&item, "id");
        a->rows[item_i].name = jcur_str(&item, "name");
        a->rows[item_i].task_arn = jcur_str(&item, "task_arn");
        a->rows[item_i].status = (enum ctr_status)jcur_int(&item, "status", CTR_NONE, CTR_STOPPED);
        a->rows[item_i].remains = jcur_str_or(&item, "remains", NULL);
    }
    ev->u.listed.rows = a->rows;
    ev->u.listed.n_rows = jcur_len(&all);
}

static void read_settings(const struct jcur *c, struct core_event *ev, struct core_event_arena *a)
{
    struct jcur config = jcur_obj(c, "config");

    a->config = settings_read(&config, &a->excluded_images);
    ev->u.settings.config = &a->config;
}

static void read_body(const struct jcur *c, struct core_event *ev, struct core_event_arena *a)
{
    switch (ev->type) {
    case CORE_EV_RESTORED:
        read_restored(c, ev);
        break;
    case CORE_EV_RESTORED_IMAGE:
        ev->u.restored_image.value = jcur_str(c, "value");
        break;
    case CORE_EV_LOCAL:
        read_local(c, ev, a);
        break;
    case CORE_EV_SETTINGS:
        read_settings(c, ev, a);
        break;
    case CORE_EV_STARTED:
        ev->u.started.manifest_seq = jcur_int(c, "manifest_seq", -1, INT64_MAX);
        ev->u.started.lost = jcur_bool_or(c, "lost", false);
        ev->u.started.engine_took_ms = jcur_int_or(c, "engine_took_ms", SANE_TIME, 0);
        break;
    case CORE_EV_PAYLOAD:
        read_payload(c, ev, a);
        break;
    case CORE_EV_MANIFEST:
        read_manifest(c, ev, a);
        break;
    case CORE_EV_STOP_ACK:
        read_stop_ack(c, ev, a);
        break;
    case CORE_EV_OP_DONE:
        read_op_done(c, ev, a);
        break;
    case CORE_EV_CONTAINER:
        read_container(c, ev);
        break;
    case CORE_EV_LISTED:
        read_listed(c, ev, a);
        break;
    case CORE_EV_REPORTED:
        ev->u.reported.id = (uint64_t)jcur_int(c, "id", 1, SANE_MAX);
        ev->u.reported.result = (enum core_report_result)index_of(c, "result", record_result_names,
                                                                  CORE_REPORT_FAILED + 1);
        ev->u.reported.error = jcur_str_or(c, "error", "");
        break;
    case CORE_EV_CONTROL_UP:
    case CORE_EV_CLOSE:
    case CORE_EV_TIMER:
        break;
    }
}

enum err_code core_event_read(const struct jcur *c, struct core_time *now, struct core_event *ev,
                              struct core_event_arena **arena, struct err *e)
{
    struct core_event_arena *a = NEW(struct core_event_arena);

    *ev = (struct core_event){ 0 };
    now->mono_ms = jcur_int(c, "mono", SANE_TIME);
    now->wall_ms = jcur_int(c, "wall", SANE_TIME);
    ev->type = (enum core_event_type)index_of(c, "event", record_event_names, CORE_EV_TIMER + 1);
    if (jcur_ok(c))
        read_body(c, ev, a);
    if (!jcur_ok(c)) {
        if (ev->type == CORE_EV_RESTORED)
            task_destroy(ev->u.restored.task);
        core_event_arena_destroy(a);
        if (e != c->err)
            *e = *c->err;
        return e->code;
    }
    *arena = a;
    return ERR_OK;
}
