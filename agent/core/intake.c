/* intake: what the control plane and the store bring. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/state.h"

/* ---- tasks come and go ---- */

static void work_out_need(struct core_task *t)
{
    size_t n = 0;

    t->need.cpu = task_need_cpu(t->def);
    t->need.memory_mib = task_need_memory_mib(t->def);
    for (size_t i = 0; i < t->def->n_containers; i++)
        n += t->def->containers[i].n_ports;
    t->need.ports = mem_array(n, sizeof *t->need.ports);
    for (size_t i = 0; i < t->def->n_containers; i++) {
        const struct task_container *d = &t->def->containers[i];

        for (size_t j = 0; j < d->n_ports; j++)
            if (d->ports[j].host_port)
                t->need.ports[t->need.n_ports++] = (struct need_port){
                    d->ports[j].host_port,
                    (uint8_t)d->ports[j].proto,
                };
    }
}

struct core_task *task_add(struct core *c, struct task *def, const char *arn)
{
    struct core_task *t = NEW(struct core_task);

    t->arn = mem_strdup(arn);
    t->def = def;
    t->seq = c->next_seq++;
    t->arrived = c->now.mono_ms;
    t->arrived_wall = c->now.wall_ms;
    t->wake_at = -1;
    list_init(&t->dirty_node);
    list_init(&t->changed_node);
    list_init(&t->wait_node);
    list_init(&t->report_node);
    list_init(&t->backoff_node);
    if (def) {
        t->n_ctrs = def->n_containers;
        t->ctrs = mem_array(t->n_ctrs, sizeof *t->ctrs);
        work_out_need(t);
        resources_init(c, t);
    }
    for (size_t i = 0; i < t->n_ctrs; i++) {
        t->ctrs[i].task = t;
        t->ctrs[i].def = &def->containers[i];
        t->ctrs[i].index = i;
        t->ctrs[i].since = c->now.mono_ms;
        list_init(&t->ctrs[i].lane_node);
    }
    HASH_ADD_KEYPTR(hh, c->tasks, t->arn, strlen(t->arn), t);
    return t;
}

void task_forget(struct core *c, struct core_task *t)
{
    task_wake_at(c, t, -1);
    list_remove(&t->dirty_node);
    list_remove(&t->changed_node);
    list_remove(&t->wait_node);
    list_remove(&t->report_node);
    list_remove(&t->backoff_node);
    report_forget(c, t);
    HASH_DEL(c->tasks, t);
    if (t->stray)
        rebuild_stray_gone(c, t);
    if (t->local_name)
        local_forgotten(c, t);
    resources_fini(c, t);
    for (size_t i = 0; i < t->n_ctrs; i++) {
        images_dropped(c, &t->ctrs[i]);
        if (t->ctrs[i].op_id) /* only when a record says so, or everything ends */
            op_finished(c, &t->ctrs[i]);
        see_forget(c, &t->ctrs[i]);
        ctr_fini(&t->ctrs[i]);
    }
    free(t->ctrs);
    free(t->need.ports);
    free(t->arn);
    free(t->reason);
    free(t->report_error);
    free(t->local_name);
    free(t->local_digest);
    task_destroy(t->def);
    free(t);
}

/* For those that have none yet. */
static void choose_names(struct core *c, struct core_task *t)
{
    for (size_t i = 0; i < t->n_ctrs; i++) {
        struct core_ctr *k = &t->ctrs[i];

        if (str_empty(k->docker_name)) {
            free(k->docker_name);
            k->docker_name = task_docker_name(t->def, k->def, rng_next(&c->rng));
        }
        if (!k->metadata_id[0])
            rng_uuid(&c->rng, k->metadata_id);
        see_index(c, k);
    }
}

/* ---- payloads ---- */

/* Refused ones go when their end is accepted; while none is, they are bounded too. */
#define MAX_KNOWN (CORE_MAX_TASKS + 1000)

bool intake_refuse(struct core *c, const char *arn, const char *reason)
{
    struct core_task *t;

    if (core_task_count(c) >= MAX_KNOWN) {
        core_note(c, true, NULL, NULL, "a task was ignored: too many refused ones are unreported");
        return false;
    }
    t = task_add(c, NULL, arn);
    t->desired = t->known = TASK_STOPPED;
    t->stopped_at = c->now.mono_ms;
    t->stopped_wall = c->now.wall_ms;
    t->reason = mem_strdup(reason);
    core_note(c, true, t, NULL, "task refused: %s", reason);
    task_touch(c, t);
    return true;
}

static void refuse_undecodable(struct core *c, const struct core_payload_task *p)
{
    char *reason;

    if (!p->arn) {
        core_note(c, true, NULL, NULL, "a task without a usable ARN was ignored: %s", p->error);
        return;
    }
    if (find_task(c, p->arn)) {
        /* What already runs goes on: a damaged repetition is no reason to stop it. */
        core_note(c, true, find_task(c, p->arn), NULL,
                  "a new description of this task was ignored: %s", p->error);
        return;
    }
    reason = mem_printf("UnrecogniedTaskError: Error loading task - %s", p->error);
    intake_refuse(c, p->arn, reason);
    free(reason);
}

void task_put_definition(struct core *c, const struct core_task *t)
{
    struct core_action *a = core_act(c, CORE_ACT_PUT);

    a->kind = CORE_KIND_TASK;
    a->key = mem_strdup(t->arn);
    a->value = mem_strdup(t->def->json);
}

static void begin(struct core *c, struct core_task *t, enum task_status desired)
{
    t->desired = desired;
    choose_names(c, t);
    task_put_definition(c, t);
    task_changed(c, t);
    core_note(c, false, t, NULL, "task accepted: %s:%s", t->def->family, t->def->version);
    admit_enqueue(c, t);
}

struct core_task *intake_accept_local(struct core *c, struct task *def, const char *name,
                                      const char *digest)
{
    struct core_task *t = task_add(c, def, def->arn);

    t->local_name = mem_strdup(name);
    t->local_digest = mem_strdup(digest);
    begin(c, t, TASK_RUNNING);
    return t;
}

static bool refuse_for(struct core *c, const char *arn, char *cause)
{
    char *reason = mem_printf("resource cannot be initialized for task %s: %s", arn, cause);
    bool refused = intake_refuse(c, arn, reason);

    free(reason);
    free(cause);
    return refused;
}

/* False when it was neither accepted nor refused: it is to be sent again. */
static bool accept(struct core *c, struct core_payload_task *p)
{
    struct core_task *t = find_task(c, p->task->arn);
    char *cause;

    if (t) {
        /* Of a known task only the wish counts, and only forward. */
        if (t->def && p->task->desired > t->desired) {
            t->desired = p->task->desired;
            if (t->desired == TASK_STOPPED) {
                core_note(c, false, t, NULL, "the control plane wants it stopped");
                failure_asked(t);
            }
            task_changed(c, t);
        }
        return true;
    }
    if (c->closed && p->task->desired != TASK_STOPPED) {
        core_note(c, true, NULL, NULL,
                  "a task that came while the host goes down was left unanswered");
        return false;
    }
    if (core_task_count(c) >= CORE_MAX_TASKS)
        return intake_refuse(c, p->task->arn,
                             "TaskStateError: this agent holds as many tasks as it can");
    cause = p->task->desired == TASK_STOPPED ? NULL : resources_refuse(c, p->task);
    if (cause)
        return refuse_for(c, p->task->arn, cause);
    t = task_add(c, p->task, p->task->arn);
    p->task = NULL;
    begin(c, t, t->def->desired);
    return true;
}

void intake_payload(struct core *c, struct core_event *ev)
{
    bool all_good = true;

    for (size_t i = 0; i < ev->u.payload.n_tasks; i++) {
        if (!ev->u.payload.tasks[i].task) {
            refuse_undecodable(c, &ev->u.payload.tasks[i]);
            all_good = false;
        }
    }
    /* What is to stop first: it makes room for what is to start. */
    for (int stopping = 1; stopping >= 0; stopping--) {
        for (size_t i = 0; i < ev->u.payload.n_tasks; i++) {
            struct core_payload_task *p = &ev->u.payload.tasks[i];

            if (p->task && (p->task->desired == TASK_STOPPED) == (stopping == 1) && !accept(c, p))
                all_good = false;
        }
    }
    for (size_t i = 0; i < ev->u.payload.n_tasks; i++) {
        task_destroy(ev->u.payload.tasks[i].task);
        ev->u.payload.tasks[i].task = NULL;
    }
    if (ev->u.payload.seq > c->manifest_seq)
        c->manifest_seq = ev->u.payload.seq;
    /* Not acknowledging an undecodable task makes the control plane send it again:
     * the reference's behavior, and harmless. */
    if (all_good)
        core_act(c, CORE_ACT_ACK)->key = mem_strdup(ev->u.payload.message_id);
}

/* ---- manifests ---- */

static bool listed_running(const struct core_event *ev, const char *arn)
{
    for (size_t i = 0; i < ev->u.manifest.n_entries; i++)
        if (streq(ev->u.manifest.entries[i].arn, arn) &&
            ev->u.manifest.entries[i].desired == TASK_RUNNING)
            return true;
    return false;
}

void intake_manifest(struct core *c, const struct core_event *ev)
{
    struct core_task *t, *next;
    struct core_action *a;
    char **arns = NULL;
    size_t n = 0;

    if (ev->u.manifest.seq <= c->manifest_seq) {
        core_note(c, false, NULL, NULL,
                  "a manifest with sequence number %" PRId64 " came after %" PRId64
                  " and was ignored",
                  ev->u.manifest.seq, c->manifest_seq);
        return;
    }
    c->manifest_seq = ev->u.manifest.seq;
    mem_replace(&c->manifest_id, ev->u.manifest.message_id);
    a = core_act(c, CORE_ACT_PUT);
    a->kind = CORE_KIND_META;
    a->key = mem_strdup(CORE_META_MANIFEST_SEQ);
    a->value = mem_printf("%" PRId64, c->manifest_seq);
    core_act(c, CORE_ACT_ACK)->key = mem_strdup(ev->u.manifest.message_id);
    rebuild_manifest(c, ev);
    HASH_ITER (hh, c->tasks, t, next) {
        if (t->local_name || t->stray || t->desired != TASK_RUNNING || listed_running(ev, t->arn))
            continue;
        arns = mem_resize(arns, n + 1, sizeof *arns);
        arns[n++] = mem_strdup(t->arn);
        core_note(c, true, t, NULL,
                  "the control plane's manifest does not list it; asking whether to stop it");
    }
    if (!n)
        return;
    a = core_act(c, CORE_ACT_STOP_VERIFY);
    a->key = mem_strdup(ev->u.manifest.message_id);
    a->value = mem_strdup(ev->u.manifest.cluster_arn);
    a->arns = arns;
    a->n_arns = n;
}

void intake_stop_ack(struct core *c, const struct core_event *ev)
{
    if (!c->manifest_id || !streq(c->manifest_id, ev->u.stop_ack.message_id)) {
        core_note(c, true, NULL, NULL, "an answer to no question about stopping was ignored");
        return;
    }
    mem_replace(&c->manifest_id, NULL); /* it counts once */
    for (size_t i = 0; i < ev->u.stop_ack.n_arns; i++) {
        struct core_task *t = find_task(c, ev->u.stop_ack.arns[i]);

        if (!t || t->desired == TASK_STOPPED)
            continue;
        core_note(c, false, t, NULL, "the control plane confirms that it is to stop");
        failure_asked(t);
        t->desired = TASK_STOPPED;
        task_changed(c, t);
    }
}

/* ---- restart ---- */

void intake_restored(struct core *c, struct core_event *ev)
{
    struct task *def = ev->u.restored.task;
    struct core_task *t = find_task(c, def->arn);
    struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root;
    bool readable = false;

    ev->u.restored.task = NULL;
    if (t) {
        core_note(c, true, t, NULL, "it is stored twice; the second row is ignored");
        task_destroy(def);
        return;
    }
    t = task_add(c, def, def->arn);
    if (ev->u.restored.state &&
        !json_parse(ev->u.restored.state, strlen(ev->u.restored.state), &doc, &e)) {
        root = jcur_root(doc, &e);
        readable = task_read_state(c, t, &root, false) == ERR_OK;
    }
    if (!readable) {
        /* Its containers are found by their labels, and without any the control plane says
         * whether it is still there. */
        core_note(c, true, t, NULL, "its stored state is lost or unreadable: %s",
                  e.code ? e.msg : "missing");
        task_forget_stored(c, t);
        task_forget(c, t);
        rebuild_begin(c);
    }
    json_free(doc);
    if (readable && t->local_name)
        local_restored(c, t);
}

static void resume(struct core *c, struct core_task *t, int64_t engine_took_ms)
{
    bool begun = false;

    for (size_t i = 0; i < t->n_ctrs; i++) {
        struct core_ctr *k = &t->ctrs[i];

        /* What may exist is looked at before anything is decided about it. */
        if (k->create_tried && !k->removed)
            k->suspect = k->unseen = k->known != CTR_STOPPED;
        if (k->suspect && (k->known < CTR_RUNNING || k->restart_due))
            late_expect(k, engine_took_ms);
        if (k->known != CTR_STOPPED)
            ports_hold(c, k);
        begun |= k->known > CTR_NONE && k->known < CTR_STOPPED;
    }
    if (t->admitted || begun)
        t->not_before = c->now.mono_ms + LATE_CREATE_MS;
    resources_resume(t);
    if (t->known == TASK_STOPPED)
        return;
    if (t->admitted || begun)
        admit_hold(c, t);
    else
        admit_enqueue(c, t);
}

void intake_started(struct core *c, const struct core_event *ev)
{
    struct core_task *t, *next;

    if (ev->u.started.manifest_seq > c->manifest_seq)
        c->manifest_seq = ev->u.started.manifest_seq;
    if (ev->u.started.lost)
        rebuild_begin(c);
    c->started = true;
    HASH_ITER (hh, c->tasks, t, next) {
        resume(c, t, ev->u.started.engine_took_ms);
        failure_tell(c, t);
        task_touch(c, t);
    }
    janitor_started(c);
    local_started(c);
    if (c->tasks)
        core_note(c, false, NULL, NULL, "%zu tasks of an earlier run are looked after again",
                  core_task_count(c));
}
