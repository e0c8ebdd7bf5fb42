/* record: events and actions as JSON, for flight records. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "core/state.h"

const char *const record_event_names[] = {
    [CORE_EV_RESTORED] = "restored",   [CORE_EV_STARTED] = "started",
    [CORE_EV_PAYLOAD] = "payload",     [CORE_EV_MANIFEST] = "manifest",
    [CORE_EV_STOP_ACK] = "stop-ack",   [CORE_EV_OP_DONE] = "op-done",
    [CORE_EV_CONTAINER] = "container", [CORE_EV_LISTED] = "listed",
    [CORE_EV_REPORTED] = "reported",   [CORE_EV_CONTROL_UP] = "control-up",
    [CORE_EV_TIMER] = "timer",         [CORE_EV_RESTORED_IMAGE] = "restored-image",
    [CORE_EV_LOCAL] = "local",         [CORE_EV_SETTINGS] = "settings",
    [CORE_EV_CLOSE] = "close",
};

const char *const record_happening_names[] = {
    [CORE_HAP_CREATED] = "created", [CORE_HAP_STARTED] = "started",
    [CORE_HAP_DIED] = "died",       [CORE_HAP_OOM] = "oom",
    [CORE_HAP_HEALTH] = "health",   [CORE_HAP_DESTROYED] = "destroyed",
};

const char *const record_result_names[] = {
    [CORE_REPORT_ACCEPTED] = "accepted",
    [CORE_REPORT_REFUSED] = "refused",
    [CORE_REPORT_FAILED] = "failed",
};

static const char *const action_names[] = {
    [CORE_ACT_PUT] = "put",       [CORE_ACT_DELETE] = "delete",
    [CORE_ACT_ACK] = "ack",       [CORE_ACT_STOP_VERIFY] = "stop-verify",
    [CORE_ACT_OP] = "op",         [CORE_ACT_CANCEL] = "cancel",
    [CORE_ACT_REPORT] = "report", [CORE_ACT_TIMER] = "timer",
    [CORE_ACT_NOTE] = "note",     [CORE_ACT_FAILED] = "failed",
};

static const char *const kind_names[] = {
    [CORE_KIND_META] = "meta",
    [CORE_KIND_TASK] = "task",
    [CORE_KIND_STATE] = "state",
    [CORE_KIND_IMAGE] = "image",
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
    jw_kobject(w, "facts");
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
    jw_karray(w, "tasks");
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
    jw_karray(w, "entries");
    for (size_t i = 0; i < ev->u.manifest.n_entries; i++) {
        jw_object(w);
        jw_kstr(w, "arn", ev->u.manifest.entries[i].arn);
        jw_kint(w, "desired", ev->u.manifest.entries[i].desired);
        jw_end(w);
    }
    jw_end(w);
}

static void write_images(struct jw *w, const struct core_event *ev)
{
    jw_karray(w, "images");
    for (size_t i = 0; i < ev->u.op.n_images; i++) {
        const struct core_image *im = &ev->u.op.images[i];

        jw_object(w);
        jw_kstr_if(w, "id", im->id);
        jw_kstr_if(w, "digest", im->digest);
        jw_kint(w, "size", im->size);
        jw_kint(w, "created", im->created_ms);
        jw_karray(w, "names");
        for (size_t j = 0; j < im->n_names; j++)
            jw_str(w, im->names[j]);
        jw_end(w);
        jw_end(w);
    }
    jw_end(w);
}

static void write_ports(struct jw *w, const struct core_event *ev)
{
    jw_karray(w, "ports");
    for (size_t i = 0; i < ev->u.op.n_ports; i++)
        jw_int(w, ev->u.op.ports[i]);
    jw_end(w);
}

static void write_others(struct jw *w, const struct core_event *ev)
{
    jw_karray(w, "others");
    for (size_t i = 0; i < ev->u.op.n_others; i++) {
        jw_object(w);
        jw_kstr(w, "id", ev->u.op.others[i].id);
        jw_kstr(w, "name", ev->u.op.others[i].name);
        jw_kstr(w, "state", ev->u.op.others[i].state);
        jw_end(w);
    }
    jw_end(w);
}

static void write_local(struct jw *w, const struct core_event *ev)
{
    jw_karray(w, "defs");
    for (size_t i = 0; i < ev->u.local.n_defs; i++) {
        const struct core_local_def *d = &ev->u.local.defs[i];

        jw_object(w);
        jw_kstr(w, "name", d->name);
        jw_kstr(w, "digest", d->digest);
        jw_kbool(w, "once", d->once);
        write_task(w, d->task);
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
    if (ev->u.op.n_images)
        write_images(w, ev);
    if (ev->u.op.disk.bytes)
        disk_write(w, &ev->u.op.disk);
    if (ev->u.op.n_ports)
        write_ports(w, ev);
    if (ev->u.op.n_others)
        write_others(w, ev);
    if (ev->u.op.facts)
        write_facts(w, ev->u.op.facts);
}

static void write_listed(struct jw *w, const struct core_event *ev)
{
    jw_karray(w, "rows");
    for (size_t i = 0; i < ev->u.listed.n_rows; i++) {
        jw_object(w);
        jw_kstr(w, "id", ev->u.listed.rows[i].id);
        jw_kstr(w, "name", ev->u.listed.rows[i].name);
        jw_kstr(w, "task_arn", ev->u.listed.rows[i].task_arn);
        jw_kint(w, "status", ev->u.listed.rows[i].status);
        if (ev->u.listed.rows[i].remains)
            jw_kstr(w, "remains", ev->u.listed.rows[i].remains);
        jw_end(w);
    }
    jw_end(w);
}

void core_event_write(struct jw *w, struct core_time now, const struct core_event *ev)
{
    jw_object(w);
    jw_kint(w, "mono", now.mono_ms);
    jw_kint(w, "wall", now.wall_ms);
    jw_kstr(w, "event", record_event_names[ev->type]);
    switch (ev->type) {
    case CORE_EV_RESTORED:
        write_task(w, ev->u.restored.task);
        jw_kstr(w, "state", ev->u.restored.state);
        break;
    case CORE_EV_RESTORED_IMAGE:
        jw_kstr(w, "value", ev->u.restored_image.value);
        break;
    case CORE_EV_LOCAL:
        write_local(w, ev);
        break;
    case CORE_EV_SETTINGS:
        jw_kobject(w, "config");
        settings_write(w, ev->u.settings.config);
        jw_end(w);
        break;
    case CORE_EV_STARTED:
        jw_kint(w, "manifest_seq", ev->u.started.manifest_seq);
        jw_kbool(w, "lost", ev->u.started.lost);
        if (ev->u.started.engine_took_ms)
            jw_kint(w, "engine_took_ms", ev->u.started.engine_took_ms);
        break;
    case CORE_EV_PAYLOAD:
        write_payload(w, ev);
        break;
    case CORE_EV_MANIFEST:
        write_manifest(w, ev);
        break;
    case CORE_EV_STOP_ACK:
        jw_kstr(w, "message_id", ev->u.stop_ack.message_id);
        jw_karray(w, "arns");
        for (size_t i = 0; i < ev->u.stop_ack.n_arns; i++)
            jw_str(w, ev->u.stop_ack.arns[i]);
        jw_end(w);
        break;
    case CORE_EV_OP_DONE:
        write_op_done(w, ev);
        break;
    case CORE_EV_CONTAINER:
        jw_kstr(w, "what", record_happening_names[ev->u.container.what]);
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
        jw_kstr(w, "result", record_result_names[ev->u.reported.result]);
        jw_kstr_if(w, "error", ev->u.reported.error);
        break;
    case CORE_EV_CONTROL_UP:
    case CORE_EV_CLOSE:
    case CORE_EV_TIMER:
        break;
    }
    jw_end(w);
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
        jw_karray(w, "arns");
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
        jw_kstr_if(w, "digest", a->digest);
        if (a->volume != SIZE_MAX)
            jw_kint(w, "volume", (int64_t)a->volume);
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
    case CORE_ACT_FAILED:
        jw_kstr(w, "task", a->task_arn);
        if (a->container != SIZE_MAX)
            jw_kint(w, "container", (int64_t)a->container);
        jw_kstr(w, "text", a->value);
        break;
    }
    jw_end(w);
}
