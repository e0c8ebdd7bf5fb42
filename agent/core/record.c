/* record: events and actions as JSON, for flight records and their replay. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "core/state.h"

static const char *const event_names[] = {
    [CORE_EV_RESTORED] = "restored",   [CORE_EV_STARTED] = "started",
    [CORE_EV_PAYLOAD] = "payload",     [CORE_EV_MANIFEST] = "manifest",
    [CORE_EV_STOP_ACK] = "stop-ack",   [CORE_EV_OP_DONE] = "op-done",
    [CORE_EV_CONTAINER] = "container", [CORE_EV_LISTED] = "listed",
    [CORE_EV_REPORTED] = "reported",   [CORE_EV_CONTROL_UP] = "control-up",
    [CORE_EV_TIMER] = "timer",
};

static const char *const happening_names[] = {
    [CORE_HAP_CREATED] = "created", [CORE_HAP_STARTED] = "started",
    [CORE_HAP_DIED] = "died",       [CORE_HAP_OOM] = "oom",
    [CORE_HAP_HEALTH] = "health",   [CORE_HAP_DESTROYED] = "destroyed",
};

static const char *const result_names[] = {
    [CORE_REPORT_ACCEPTED] = "accepted",
    [CORE_REPORT_REFUSED] = "refused",
    [CORE_REPORT_FAILED] = "failed",
};

static const char *const action_names[] = {
    [CORE_ACT_PUT] = "put",       [CORE_ACT_DELETE] = "delete",
    [CORE_ACT_ACK] = "ack",       [CORE_ACT_STOP_VERIFY] = "stop-verify",
    [CORE_ACT_OP] = "op",         [CORE_ACT_CANCEL] = "cancel",
    [CORE_ACT_REPORT] = "report", [CORE_ACT_TIMER] = "timer",
    [CORE_ACT_NOTE] = "note",
};

static const char *const kind_names[] = {
    [CORE_KIND_META] = "meta",
    [CORE_KIND_TASK] = "task",
    [CORE_KIND_STATE] = "state",
};

/* ---- events, out ---- */

static void write_task(struct jw *w, const struct task *t)
{
    char *json = task_redacted_json(t);

    jw_key(w, "task");
    jw_raw(w, str_of(json));
    free(json);
}

static void write_facts(struct jw *w, const struct ctr_facts *f)
{
    jw_key(w, "facts");
    jw_object(w);
    jw_kstr(w, "id", f->id);
    jw_kint(w, "status", f->status);
    if (f->has_exit_code)
        jw_kint(w, "exit_code", f->exit_code);
    jw_kbool(w, "oom", f->oom_killed);
    jw_kstr(w, "error", f->error);
    jw_kint(w, "created", f->created_ms);
    jw_kint(w, "started", f->started_ms);
    jw_kint(w, "finished", f->finished_ms);
    jw_kint(w, "health", f->health);
    bindings_write(w, f->bindings, f->n_bindings);
    jw_end(w);
}

static void write_payload(struct jw *w, const struct core_event *ev)
{
    jw_kstr(w, "message_id", ev->u.payload.message_id);
    jw_kint(w, "seq", ev->u.payload.seq);
    jw_key(w, "tasks");
    jw_array(w);
    for (size_t i = 0; i < ev->u.payload.n_tasks; i++) {
        const struct core_payload_task *p = &ev->u.payload.tasks[i];

        jw_object(w);
        if (p->task)
            write_task(w, p->task);
        jw_kstr_if(w, "arn", p->arn);
        jw_kstr_if(w, "error", p->error);
        jw_end(w);
    }
    jw_end(w);
}

static void write_manifest(struct jw *w, const struct core_event *ev)
{
    jw_kstr(w, "message_id", ev->u.manifest.message_id);
    jw_kstr(w, "cluster_arn", ev->u.manifest.cluster_arn);
    jw_kint(w, "seq", ev->u.manifest.seq);
    jw_key(w, "entries");
    jw_array(w);
    for (size_t i = 0; i < ev->u.manifest.n_entries; i++) {
        jw_object(w);
        jw_kstr(w, "arn", ev->u.manifest.entries[i].arn);
        jw_kint(w, "desired", ev->u.manifest.entries[i].desired);
        jw_end(w);
    }
    jw_end(w);
}

static void write_op_done(struct jw *w, const struct core_event *ev)
{
    jw_kint(w, "id", (int64_t)ev->u.op.id);
    if (ev->u.op.err.code) {
        jw_kstr(w, "code", err_code_name(ev->u.op.err.code));
        jw_kstr(w, "error", ev->u.op.err.msg);
    }
    jw_kstr_if(w, "container_id", ev->u.op.container_id);
    jw_kstr_if(w, "image_digest", ev->u.op.image_digest);
    if (ev->u.op.facts)
        write_facts(w, ev->u.op.facts);
}

static void write_listed(struct jw *w, const struct core_event *ev)
{
    jw_key(w, "rows");
    jw_array(w);
    for (size_t i = 0; i < ev->u.listed.n_rows; i++) {
        jw_object(w);
        jw_kstr(w, "id", ev->u.listed.rows[i].id);
        jw_kstr(w, "name", ev->u.listed.rows[i].name);
        jw_kstr(w, "task_arn", ev->u.listed.rows[i].task_arn);
        jw_kint(w, "status", ev->u.listed.rows[i].status);
        jw_end(w);
    }
    jw_end(w);
}

void core_event_write(struct jw *w, struct core_time now, const struct core_event *ev)
{
    jw_object(w);
    jw_kint(w, "mono", now.mono_ms);
    jw_kint(w, "wall", now.wall_ms);
    jw_kstr(w, "event", event_names[ev->type]);
    switch (ev->type) {
    case CORE_EV_RESTORED:
        write_task(w, ev->u.restored.task);
        jw_kstr(w, "state", ev->u.restored.state);
        break;
    case CORE_EV_STARTED:
        jw_kint(w, "manifest_seq", ev->u.started.manifest_seq);
        break;
    case CORE_EV_PAYLOAD:
        write_payload(w, ev);
        break;
    case CORE_EV_MANIFEST:
        write_manifest(w, ev);
        break;
    case CORE_EV_STOP_ACK:
        jw_kstr(w, "message_id", ev->u.stop_ack.message_id);
        jw_key(w, "arns");
        jw_array(w);
        for (size_t i = 0; i < ev->u.stop_ack.n_arns; i++)
            jw_str(w, ev->u.stop_ack.arns[i]);
        jw_end(w);
        break;
    case CORE_EV_OP_DONE:
        write_op_done(w, ev);
        break;
    case CORE_EV_CONTAINER:
        jw_kstr(w, "what", happening_names[ev->u.container.what]);
        jw_kstr(w, "id", ev->u.container.id);
        jw_kstr(w, "name", ev->u.container.name);
        jw_kstr(w, "task_arn", ev->u.container.task_arn);
        if (ev->u.container.has_exit_code)
            jw_kint(w, "exit_code", ev->u.container.exit_code);
        jw_kint(w, "health", ev->u.container.health);
        break;
    case CORE_EV_LISTED:
        write_listed(w, ev);
        break;
    case CORE_EV_REPORTED:
        jw_kint(w, "id", (int64_t)ev->u.reported.id);
        jw_kstr(w, "result", result_names[ev->u.reported.result]);
        jw_kstr_if(w, "error", ev->u.reported.error);
        break;
    case CORE_EV_CONTROL_UP:
    case CORE_EV_TIMER:
        break;
    }
    jw_end(w);
}

/* ---- events, in ---- */

struct core_event_arena {
    struct core_payload_task *tasks; /* those the core did not take are destroyed */
    size_t n_tasks;
    struct core_manifest_entry *entries;
    const char **arns;
    struct core_listed *rows;
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

static void read_op_done(const struct jcur *c, struct core_event *ev, struct core_event_arena *a)
{
    struct jcur facts = jcur_obj(c, "facts");

    ev->u.op.id = (uint64_t)jcur_int(c, "id", 1, SANE_MAX);
    ev->u.op.err.code = err_code_from_name(jcur_str_or(c, "code", "ok"));
    snprintf(ev->u.op.err.msg, sizeof ev->u.op.err.msg, "%s", jcur_str_or(c, "error", ""));
    ev->u.op.container_id = jcur_str_or(c, "container_id", "");
    ev->u.op.image_digest = jcur_str_or(c, "image_digest", "");
    if (!jcur_present(&facts))
        return;
    read_facts(&facts, &a->facts);
    ev->u.op.facts = &a->facts;
}

static void read_container(const struct jcur *c, struct core_event *ev)
{
    struct jcur code = jcur_get(c, "exit_code");

    ev->u.container.what =
        (enum core_happening)index_of(c, "what", happening_names, COUNT_OF(happening_names));
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
    }
    ev->u.listed.rows = a->rows;
    ev->u.listed.n_rows = jcur_len(&all);
}

static void read_body(const struct jcur *c, struct core_event *ev, struct core_event_arena *a)
{
    switch (ev->type) {
    case CORE_EV_RESTORED:
        read_restored(c, ev);
        break;
    case CORE_EV_STARTED:
        ev->u.started.manifest_seq = jcur_int(c, "manifest_seq", -1, INT64_MAX);
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
        ev->u.reported.result =
            (enum core_report_result)index_of(c, "result", result_names, COUNT_OF(result_names));
        ev->u.reported.error = jcur_str_or(c, "error", "");
        break;
    case CORE_EV_CONTROL_UP:
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
    ev->type = (enum core_event_type)index_of(c, "event", event_names, COUNT_OF(event_names));
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

/* ---- actions, out ---- */

void core_action_write(struct jw *w, const struct core_action *a)
{
    jw_object(w);
    jw_kstr(w, "action", action_names[a->type]);
    switch (a->type) {
    case CORE_ACT_PUT:
        jw_kstr(w, "kind", kind_names[a->kind]);
        jw_kstr(w, "key", a->key);
        /* A replay knows only the blanked definition, which is shorter. */
        if (a->kind != CORE_KIND_TASK)
            jw_kint(w, "bytes", (int64_t)str_of(a->value).n);
        break;
    case CORE_ACT_DELETE:
        jw_kstr(w, "kind", kind_names[a->kind]);
        jw_kstr(w, "key", a->key);
        break;
    case CORE_ACT_ACK:
        jw_kstr(w, "message_id", a->key);
        break;
    case CORE_ACT_STOP_VERIFY:
        jw_kstr(w, "message_id", a->key);
        jw_key(w, "arns");
        jw_array(w);
        for (size_t i = 0; i < a->n_arns; i++)
            jw_str(w, a->arns[i]);
        jw_end(w);
        break;
    case CORE_ACT_OP:
        jw_kint(w, "id", (int64_t)a->id);
        jw_kstr(w, "op", core_op_name(a->op));
        jw_kstr(w, "task", a->task_arn);
        jw_kint(w, "container", (int64_t)a->container);
        jw_kstr(w, "ref", a->ref);
        jw_kint(w, "timeout_ms", a->timeout_ms);
        break;
    case CORE_ACT_CANCEL:
        jw_kint(w, "id", (int64_t)a->id);
        break;
    case CORE_ACT_REPORT:
        jw_kint(w, "id", (int64_t)a->id);
        jw_key(w, "body");
        jw_raw(w, str_of(a->value));
        break;
    case CORE_ACT_TIMER:
        jw_kint(w, "at", a->at_ms);
        break;
    case CORE_ACT_NOTE:
        jw_kstr_if(w, "task", a->task_arn);
        if (a->container != SIZE_MAX)
            jw_kint(w, "container", (int64_t)a->container);
        jw_kstr(w, "text", a->value);
        jw_kbool(w, "warning", a->warning);
        break;
    }
    jw_end(w);
}
