/* persist: the state of a task as JSON. The durable part is what the store keeps;
 * the full form adds what is under way, so that a flight record replays exactly. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "core/state.h"

#define STATE_VERSION 2
#define TRIES_MAX     (1 << 30)

/* ---- out ---- */

void bindings_write(struct jw *w, const struct port_binding *all, size_t n)
{
    jw_karray(w, "bindings");
    for (size_t i = 0; i < n; i++) {
        jw_object(w);
        jw_kstr(w, "ip", all[i].ip);
        jw_kint(w, "container_port", all[i].container_port);
        jw_kint(w, "host_port", all[i].host_port);
        jw_kint(w, "proto", all[i].proto);
        jw_end(w);
    }
    jw_end(w);
}

void disk_write(struct jw *w, const struct core_disk *d)
{
    jw_kobject(w, "disk");
    jw_kint(w, "bytes", d->bytes);
    jw_kint(w, "bytes_used", d->bytes_used);
    jw_kint(w, "inodes", d->inodes);
    jw_kint(w, "inodes_used", d->inodes_used);
    jw_end(w);
}

static void write_ctr_volatile(const struct core_ctr *k, struct jw *w)
{
    jw_kint(w, "health", k->health);
    jw_kbool(w, "suspect", k->suspect);
    jw_kbool(w, "unseen", k->unseen);
    jw_kbool(w, "drained", k->drained);
    jw_kbool(w, "event_exit", k->event_exit);
    jw_kint(w, "event_exit_code", k->event_exit_code);
    jw_kbool(w, "event_oom", k->event_oom);
    jw_kint(w, "image", k->image);
    jw_kbool(w, "manifest_done", k->manifest_done);
    jw_kint(w, "manifests", k->manifests);
    jw_kint(w, "restart_backoff", k->restart_backoff.next_ms);
    jw_kint(w, "restart_at", k->restart_at);
    jw_kint(w, "port_tries", k->port_tries);
    jw_kbool(w, "holds_ports", k->holds_ports);
    jw_kint(w, "pulls", k->pulls);
    jw_kstr(w, "pull_error", k->pull_error);
    jw_kbool(w, "pull_final", k->pull_final);
    jw_kint(w, "op_id", (int64_t)k->op_id);
    jw_kint(w, "op", k->op);
    jw_kint(w, "op_since", k->op_since);
    jw_kint(w, "slot_until", k->slot_until);
    jw_kint(w, "claimed", k->claimed);
    jw_kint(w, "tries", k->tries);
    jw_kint(w, "backoff", k->backoff.next_ms);
    jw_kint(w, "retry_at", k->retry_at);
    jw_kint(w, "since", k->since);
    jw_kint(w, "started_mono", k->started_mono);
    jw_kint(w, "late_ms", k->late_ms);
    jw_kint(w, "late_until", k->late_until);
    jw_kint(w, "queued", k->queued);
}

static void write_chosen(const struct core_ctr *k, struct jw *w)
{
    if (!k->host_ports)
        return;
    jw_karray(w, "host_ports");
    for (size_t i = 0; i < k->def->n_ports; i++)
        jw_int(w, k->host_ports[i]);
    jw_end(w);
}

static void write_ctr(const struct core_ctr *k, struct jw *w, bool full)
{
    jw_object(w);
    jw_kstr(w, "name", k->def->name);
    jw_kstr(w, "docker_name", k->docker_name);
    jw_kstr(w, "docker_id", k->docker_id);
    jw_kstr(w, "metadata_id", k->metadata_id);
    jw_kint(w, "known", k->known);
    jw_kint(w, "sent", k->sent);
    jw_kbool(w, "create_tried", k->create_tried);
    jw_kbool(w, "stop_wanted", k->stop_wanted);
    jw_kbool(w, "removed", k->removed);
    if (k->has_exit_code)
        jw_kint(w, "exit_code", k->exit_code);
    jw_kstr_if(w, "error_name", k->error_name);
    jw_kstr_if(w, "error_text", k->error_text);
    jw_kint(w, "created", k->created_wall);
    jw_kint(w, "started", k->started_wall);
    jw_kint(w, "finished", k->finished_wall);
    jw_kstr_if(w, "digest", k->digest);
    jw_kbool(w, "tells_digest", k->tells_digest);
    jw_kstr_if(w, "image_id", k->image_id);
    if (k->def->restart.enabled) {
        jw_kint(w, "restarts", k->restarts);
        jw_kint(w, "restarted", k->restarted_wall);
        jw_kbool(w, "restart_due", k->restart_due);
        jw_kint(w, "restart_after", k->restart_after);
    }
    if (k->again)
        jw_kint(w, "again", k->again);
    write_chosen(k, w);
    stages_write(&k->stages, w, full);
    bindings_write(w, k->bindings, k->n_bindings);
    if (full)
        write_ctr_volatile(k, w);
    jw_end(w);
}

static void write_task_volatile(const struct core_task *t, struct jw *w)
{
    jw_kint(w, "seq", (int64_t)t->seq);
    jw_kbool(w, "stray", t->stray);
    jw_kbool(w, "holds", t->holds);
    jw_kbool(w, "waits", !list_empty(&t->wait_node));
    jw_kint(w, "arrived_mono", t->arrived);
    jw_kint(w, "stopped_mono", t->stopped_at);
    jw_kint(w, "not_before", t->not_before);
    jw_kint(w, "report_id", (int64_t)t->report_id);
    jw_kint(w, "claimed", t->claimed);
    jw_kint(w, "report_at", t->report_at);
    jw_kint(w, "report_retry_at", t->report_retry_at);
    jw_kint(w, "report_backoff", t->report_backoff.next_ms);
    jw_kbool(w, "report_queued", !list_empty(&t->report_node));
    jw_kbool(w, "in_backoff", !list_empty(&t->backoff_node));
    jw_kint(w, "wake_at", t->wake_at);
}

void task_write_state(const struct core_task *t, struct jw *w, bool full)
{
    jw_object(w);
    jw_kint(w, "v", STATE_VERSION);
    jw_kint(w, "desired", t->desired);
    jw_kint(w, "known", t->known);
    jw_kint(w, "sent", t->sent);
    jw_kbool(w, "admitted", t->admitted);
    if (t->rebuilt)
        jw_kbool(w, "rebuilt", true);
    jw_kstr_if(w, "reason", t->reason);
    if (t->failure) {
        jw_kint(w, "failure", t->failure);
        jw_kint(w, "culprit", t->culprit < t->n_ctrs ? (int64_t)t->culprit : -1);
    }
    jw_kstr_if(w, "local", t->local_name);
    jw_kstr_if(w, "local_digest", t->local_digest);
    jw_kint(w, "pull_started", t->pull_started);
    jw_kint(w, "pull_stopped", t->pull_stopped);
    jw_kint(w, "execution_stopped", t->execution_stopped);
    jw_kint(w, "stopped", t->stopped_wall);
    jw_kint(w, "arrived", t->arrived_wall);
    jw_kint(w, "cleanup_delay", t->cleanup_delay);
    if (full)
        write_task_volatile(t, w);
    stages_write(&t->stages, w, full);
    resources_write(t, w, full);
    jw_karray(w, "containers");
    for (size_t i = 0; i < t->n_ctrs; i++)
        write_ctr(&t->ctrs[i], w, full);
    jw_end(w);
    jw_end(w);
}

/* ---- in ---- */

void bindings_read(const struct jcur *c, struct port_binding **out, size_t *n)
{
    struct jcur all = jcur_arr(c, "bindings");

    *out = mem_array(jcur_len(&all), sizeof **out);
    JCUR_EACH (item, &all) {
        struct port_binding *b = &(*out)[(*n)++];

        snprintf(b->ip, sizeof b->ip, "%s", jcur_str(&item, "ip"));
        b->container_port = (uint16_t)jcur_int(&item, "container_port", 0, UINT16_MAX);
        b->host_port = (uint16_t)jcur_int(&item, "host_port", 0, UINT16_MAX);
        b->proto = (enum port_proto)jcur_int(&item, "proto", PORT_TCP, PORT_UDP);
    }
}

void disk_read(const struct jcur *c, struct core_disk *d)
{
    d->bytes = jcur_int(c, "bytes", 0, INT64_MAX);
    d->bytes_used = jcur_int(c, "bytes_used", 0, INT64_MAX);
    d->inodes = jcur_int(c, "inodes", 0, INT64_MAX);
    d->inodes_used = jcur_int(c, "inodes_used", 0, INT64_MAX);
}

static void read_ctr_volatile(struct core *c, struct core_ctr *k, const struct jcur *j)
{
    enum core_op queued;

    k->health = (enum ctr_health)jcur_int(j, "health", HEALTH_UNKNOWN, HEALTH_BAD);
    k->suspect = jcur_bool_or(j, "suspect", false);
    k->unseen = jcur_bool_or(j, "unseen", false);
    k->drained = jcur_bool_or(j, "drained", false);
    k->event_exit = jcur_bool_or(j, "event_exit", false);
    k->event_exit_code = (int)jcur_int(j, "event_exit_code", INT32_MIN, INT32_MAX);
    k->event_oom = jcur_bool_or(j, "event_oom", false);
    k->image = (enum image_step)jcur_int(j, "image", IMAGE_BEGIN, IMAGE_PULLED);
    k->manifest_done = jcur_bool_or(j, "manifest_done", false);
    k->manifests = (int)jcur_int(j, "manifests", 0, TRIES_MAX);
    k->restart_backoff.next_ms = jcur_int(j, "restart_backoff", SANE_INT);
    k->restart_at = jcur_int(j, "restart_at", SANE_INT);
    k->port_tries = (int)jcur_int(j, "port_tries", 0, TRIES_MAX);
    if (jcur_bool_or(j, "holds_ports", false))
        ports_hold(c, k);
    k->pulls = (int)jcur_int(j, "pulls", 0, TRIES_MAX);
    k->pull_error = jcur_strdup_or(j, "pull_error", NULL);
    if (k->pulls && !k->pull_error)
        jcur_fail(j, "expected a pull_error with its pulls");
    k->pull_final = jcur_bool_or(j, "pull_final", false);
    k->op_since = jcur_int(j, "op_since", SANE_INT);
    k->slot_until = jcur_int(j, "slot_until", SANE_INT);
    k->claimed = (enum ctr_status)jcur_int(j, "claimed", CTR_NONE, CTR_STOPPED);
    k->tries = (int)jcur_int(j, "tries", 0, TRIES_MAX);
    k->backoff.next_ms = jcur_int(j, "backoff", SANE_INT);
    k->retry_at = jcur_int(j, "retry_at", SANE_INT);
    k->since = jcur_int(j, "since", SANE_INT);
    k->started_mono = jcur_int(j, "started_mono", SANE_INT);
    k->late_ms = jcur_int_or(j, "late_ms", SANE_INT, 0);
    k->late_until = jcur_int_or(j, "late_until", SANE_INT, 0);
    k->op = (enum core_op)jcur_int(j, "op", CORE_OP_NONE, CORE_OP_REMOVE);
    k->op_id = (uint64_t)jcur_int(j, "op_id", 0, INT64_MAX);
    queued = (enum core_op)jcur_int(j, "queued", CORE_OP_NONE, CORE_OP_REMOVE);
    if (!k->op_id != !k->op || (k->op && queued))
        jcur_fail(j, "expected one operation at most, with its id");
    if (!jcur_ok(j)) {
        k->op_id = 0; /* it is not in the table */
        return;
    }
    if (k->op_id)
        HASH_ADD(op_hh, c->ops, op_id, sizeof k->op_id, k);
    if (k->slot_until && op_lane(k->op) >= 0)
        c->lanes[op_lane(k->op)].used++;
    else
        k->slot_until = 0;
    if (op_lane(queued) >= 0)
        op_request(c, k, queued);
}

static void read_chosen(struct core_ctr *k, const struct jcur *j)
{
    struct jcur all = jcur_arr(j, "host_ports");

    if (!jcur_len(&all))
        return;
    if (jcur_len(&all) != k->def->n_ports) {
        jcur_fail(&all, "expected %zu ports", k->def->n_ports);
        return;
    }
    k->host_ports = mem_array(k->def->n_ports, sizeof *k->host_ports);
    JCUR_EACH (item, &all)
        k->host_ports[item_i] = (uint16_t)jcur_as_int(&item, 0, UINT16_MAX);
}

static void read_ctr(struct core *c, struct core_ctr *k, const struct jcur *j, bool full)
{
    struct jcur exit_code = jcur_get(j, "exit_code");

    if (!streq(jcur_str(j, "name"), k->def->name))
        jcur_fail(j, "expected the state of container '%s'", k->def->name);
    k->docker_name = mem_strdup(jcur_str(j, "docker_name"));
    k->docker_id = jcur_strdup_or(j, "docker_id", NULL);
    snprintf(k->metadata_id, sizeof k->metadata_id, "%s", jcur_str(j, "metadata_id"));
    see_index(c, k);
    k->known = (enum ctr_status)jcur_int(j, "known", CTR_NONE, CTR_STOPPED);
    k->sent = (enum ctr_status)jcur_int(j, "sent", CTR_NONE, CTR_STOPPED);
    k->create_tried = jcur_bool_or(j, "create_tried", false);
    k->stop_wanted = jcur_bool_or(j, "stop_wanted", false);
    k->removed = jcur_bool_or(j, "removed", false);
    k->has_exit_code = jcur_present(&exit_code);
    k->exit_code = (int)jcur_int_or(j, "exit_code", INT32_MIN, INT32_MAX, 0);
    k->error_name = jcur_strdup_or(j, "error_name", NULL);
    k->error_text = k->error_name ? mem_strdup(jcur_str_or(j, "error_text", "")) : NULL;
    k->created_wall = jcur_int(j, "created", SANE_INT);
    k->started_wall = jcur_int(j, "started", SANE_INT);
    k->finished_wall = jcur_int(j, "finished", SANE_INT);
    k->digest = jcur_strdup_or(j, "digest", NULL);
    k->tells_digest = jcur_bool_or(j, "tells_digest", false);
    k->image_id = jcur_strdup_or(j, "image_id", NULL);
    k->restarts = (int)jcur_int_or(j, "restarts", 0, INT32_MAX - 1, 0);
    k->restarted_wall = jcur_int_or(j, "restarted", SANE_INT, 0);
    k->restart_due = jcur_bool_or(j, "restart_due", false);
    k->restart_after = jcur_int_or(j, "restart_after", SANE_INT, 0);
    k->again = (enum remake)jcur_int_or(j, "again", REMAKE_NO, REMAKE_CREATE, REMAKE_NO);
    read_chosen(k, j);
    stages_read(c, &k->stages, j, full);
    bindings_read(j, &k->bindings, &k->n_bindings);
    if (!full && k->known == CTR_RUNNING)
        stages_runs_since(c, &k->stages, k->started_wall);
    if (full)
        read_ctr_volatile(c, k, j);
    else if (k->started_wall)
        k->started_mono = c->now.mono_ms -
                          (c->now.wall_ms > k->started_wall ? c->now.wall_ms - k->started_wall : 0);
    /* An image that was there may have gone meanwhile. */
    if (!full && k->known < CTR_CREATED)
        k->known = CTR_NONE;
}

static void read_task_volatile(struct core *c, struct core_task *t, const struct jcur *j)
{
    bool waits = jcur_bool_or(j, "waits", false), queued = jcur_bool_or(j, "report_queued", false);
    bool in_backoff = jcur_bool_or(j, "in_backoff", false);

    t->stray = jcur_bool_or(j, "stray", false);
    c->n_strays += t->stray;
    t->seq = (uint64_t)jcur_int(j, "seq", 0, INT64_MAX);
    t->arrived = jcur_int(j, "arrived_mono", SANE_INT);
    t->stopped_at = jcur_int(j, "stopped_mono", SANE_INT);
    t->not_before = jcur_int(j, "not_before", SANE_INT);
    t->report_id = (uint64_t)jcur_int(j, "report_id", 0, INT64_MAX);
    t->claimed = (enum task_status)jcur_int(j, "claimed", TASK_NONE, TASK_STOPPED);
    t->report_at = jcur_int(j, "report_at", SANE_INT);
    t->report_retry_at = jcur_int(j, "report_retry_at", SANE_INT);
    t->report_backoff.next_ms = jcur_int(j, "report_backoff", SANE_INT);
    if (jcur_bool_or(j, "holds", false))
        admit_hold(c, t);
    if (waits)
        list_push_back(&c->waiting, &t->wait_node);
    if (queued)
        list_push_back(&c->report_queue, &t->report_node);
    if (in_backoff)
        list_push_back(&c->in_backoff, &t->backoff_node);
    for (int i = 0; t->report_id && i < CORE_MAX_REPORTS; i++) {
        if (!c->reports[i]) {
            c->reports[i] = t;
            break;
        }
    }
    task_wake_at(c, t, jcur_int(j, "wake_at", SANE_INT));
}

enum err_code task_read_state(struct core *c, struct core_task *t, const struct jcur *saved,
                              bool full)
{
    struct jcur all = jcur_arr(saved, "containers");
    int64_t ago;

    if (jcur_int(saved, "v", STATE_VERSION, STATE_VERSION) && jcur_len(&all) != t->n_ctrs)
        jcur_fail(&all, "expected the state of %zu containers, got %zu", t->n_ctrs, jcur_len(&all));
    t->desired = (enum task_status)jcur_int(saved, "desired", TASK_NONE, TASK_STOPPED);
    t->known = (enum task_status)jcur_int(saved, "known", TASK_NONE, TASK_STOPPED);
    t->sent = (enum task_status)jcur_int(saved, "sent", TASK_NONE, TASK_STOPPED);
    t->admitted = jcur_bool_or(saved, "admitted", false);
    t->rebuilt = jcur_bool_or(saved, "rebuilt", false);
    t->reason = jcur_strdup_or(saved, "reason", NULL);
    t->failure = (enum task_failure)jcur_int_or(saved, "failure", FAILURE_NONE, FAILURE_UNHEALTHY,
                                                FAILURE_NONE);
    t->culprit = (size_t)jcur_int_or(saved, "culprit", -1, TASK_MAX_CONTAINERS, -1);
    t->local_name = jcur_strdup_or(saved, "local", NULL);
    t->local_digest = jcur_strdup_or(saved, "local_digest", NULL);
    t->pull_started = jcur_int(saved, "pull_started", SANE_INT);
    t->pull_stopped = jcur_int(saved, "pull_stopped", SANE_INT);
    t->execution_stopped = jcur_int(saved, "execution_stopped", SANE_INT);
    t->stopped_wall = jcur_int(saved, "stopped", SANE_INT);
    t->arrived_wall = jcur_int(saved, "arrived", SANE_INT);
    t->cleanup_delay = jcur_int(saved, "cleanup_delay", 0, SANE_MAX);
    if (full) {
        read_task_volatile(c, t, saved);
    } else if (t->stopped_wall) {
        /* A clock that was set meanwhile may not make it earlier than at once or
         * later than the whole wait. */
        ago = c->now.wall_ms - t->stopped_wall;
        ago = ago < 0 ? 0 : ago > t->cleanup_delay ? t->cleanup_delay : ago;
        t->stopped_at = c->now.mono_ms - ago;
    }
    stages_read(c, &t->stages, saved, full);
    resources_read(c, t, saved, full);
    JCUR_EACH (item, &all) {
        if (item_i < t->n_ctrs && jcur_ok(saved))
            read_ctr(c, &t->ctrs[item_i], &item, full);
    }
    return saved->err->code;
}

/* ---- the whole core ---- */

static void write_ports(struct jw *w, const char *key, const struct port_set *s)
{
    jw_karray(w, key);
    for (unsigned p = 1; p < 65536; p++) {
        if (!s->bits[p / 64])
            p |= 63; /* on to the next word */
        else if (port_set_has(s, (uint16_t)p))
            jw_int(w, p);
    }
    jw_end(w);
}

static void read_ports(const struct jcur *j, const char *key, struct port_set *s)
{
    struct jcur all = jcur_arr(j, key);

    JCUR_EACH (item, &all)
        port_set_add(s, (uint16_t)jcur_as_int(&item, 0, UINT16_MAX));
}

void core_save(const struct core *c, struct jw *w)
{
    struct core_task *t, *next;
    char text[32];
    char *json;

    jw_object(w);
    jw_kint(w, "v", STATE_VERSION);
    jw_kobject(w, "config");
    write_ports(w, "reserved_tcp", &c->capacity.reserved[PORT_TCP]);
    write_ports(w, "reserved_udp", &c->capacity.reserved[PORT_UDP]);
    settings_write(w, &c->cfg);
    jw_end(w);
    jw_karray(w, "rng");
    for (int i = 0; i < 4; i++) {
        snprintf(text, sizeof text, "%016" PRIx64, c->rng.s[i]);
        jw_str(w, text);
    }
    jw_end(w);
    jw_kint(w, "next_seq", (int64_t)c->next_seq);
    jw_kint(w, "next_id", (int64_t)c->next_id);
    jw_kint(w, "manifest_seq", c->manifest_seq);
    jw_kstr(w, "manifest_id", c->manifest_id);
    jw_kbool(w, "started", c->started);
    jw_kbool(w, "closed", c->closed);
    jw_kint(w, "timer_at", c->timer_at);
    images_save(c, w);
    local_save(c, w);
    rebuild_save(c, w);
    jw_karray(w, "tasks");
    HASH_ITER (hh, c->tasks, t, next) {
        jw_object(w);
        jw_kstr(w, "arn", t->arn);
        jw_key(w, "task");
        json = t->def ? task_redacted_json(t->def) : NULL;
        if (json)
            jw_raw(w, str_of(json));
        else
            jw_null(w);
        free(json);
        jw_key(w, "state");
        task_write_state(t, w, true);
        jw_end(w);
    }
    jw_end(w);
    jw_end(w);
}

static void load_task(struct core *c, const struct jcur *j)
{
    struct jcur def = jcur_obj(j, "task"), state = jcur_obj(j, "state");
    struct task *task = NULL;
    struct core_task *t;

    if (jcur_present(&def) && jcur_ok(j) && task_decode(def.val, &task, j->err)) {
        err_wrap(j->err, "tasks[%zu].task", j->idx);
        return;
    }
    if (task && !streq(task->arn, jcur_str(j, "arn")))
        jcur_fail(j, "expected the arn of its task");
    if (find_task(c, jcur_str(j, "arn")))
        jcur_fail(j, "the same task twice");
    if (!jcur_ok(j)) {
        task_destroy(task);
        return;
    }
    t = task_add(c, task, jcur_str(j, "arn"));
    if (task_read_state(c, t, &state, true))
        return; /* the shared error says what is wrong */
}

enum err_code core_load(const struct jcur *saved, struct core **out, struct err *e)
{
    struct jcur config = jcur_obj(saved, "config"), rng = jcur_arr(saved, "rng");
    struct jcur tasks = jcur_arr(saved, "tasks");
    const char **excluded;
    struct core_config cfg = settings_read(&config, &excluded);
    struct core *c = core_create(&cfg);

    free(excluded);
    if (jcur_int(saved, "v", STATE_VERSION, STATE_VERSION) && jcur_len(&rng) != 4)
        jcur_fail(&rng, "expected 4 words");
    read_ports(&config, "reserved_tcp", &c->capacity.reserved[PORT_TCP]);
    read_ports(&config, "reserved_udp", &c->capacity.reserved[PORT_UDP]);
    JCUR_EACH (word, &rng) {
        if (word_i < 4)
            c->rng.s[word_i] = strtoull(jcur_as_str(&word), NULL, 16);
    }
    JCUR_EACH (item, &tasks) {
        if (jcur_ok(saved))
            load_task(c, &item);
    }
    if (jcur_ok(saved))
        images_load(c, saved); /* the containers that use them are known */
    if (jcur_ok(saved))
        local_load(c, saved);
    if (jcur_ok(saved))
        rebuild_load(c, saved);
    c->next_seq = (uint64_t)jcur_int(saved, "next_seq", 1, SANE_MAX);
    c->next_id = (uint64_t)jcur_int(saved, "next_id", 1, SANE_MAX);
    c->manifest_seq = jcur_int(saved, "manifest_seq", INT64_MIN, INT64_MAX);
    c->manifest_id = jcur_strdup_or(saved, "manifest_id", NULL);
    c->started = jcur_bool_or(saved, "started", false);
    c->closed = jcur_bool_or(saved, "closed", false);
    c->timer_at = jcur_int(saved, "timer_at", SANE_INT);
    c->capacity_changed = false;
    if (!jcur_ok(saved)) {
        core_destroy(c);
        if (e != saved->err)
            *e = *saved->err;
        return e->code;
    }
    *out = c;
    return ERR_OK;
}
