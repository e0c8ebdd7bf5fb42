/* report: what the control plane does not know yet.
 *
 * What is unsent follows from two statuses, known and sent; nothing is queued but
 * the tasks themselves. So a report always tells the newest state, one is in
 * flight for each task, and after a crash the same comparison goes on. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "core/state.h"

/* A container's change without one of its task waits so long for company. */
#define FLUSH_MS   1000
#define REASON_MAX 1024
#define ID_MAX     255

static const struct backoff_rule rule = { 1000, 130, 30000, 20 };

static enum ctr_status to_send(const struct core_ctr *k)
{
    if (k->def->internal)
        return CTR_NONE;
    if (k->known >= CTR_RUNNING)
        return k->known;
    /* Before it runs only a digest is news, and only one that its image did not name. */
    return k->known >= CTR_MANIFEST_PULLED && k->tells_digest ? CTR_MANIFEST_PULLED : CTR_NONE;
}

static bool ctr_unsent(const struct core_ctr *k)
{
    return k->sent < to_send(k);
}

static enum task_status task_to_send(const struct core_task *t)
{
    if (t->known >= TASK_RUNNING)
        return t->known;
    for (size_t i = 0; i < t->n_ctrs && t->known >= TASK_MANIFEST_PULLED; i++)
        if (to_send(&t->ctrs[i]) == CTR_MANIFEST_PULLED)
            return TASK_MANIFEST_PULLED;
    return TASK_NONE;
}

static bool task_unsent(const struct core_task *t)
{
    return t->sent < task_to_send(t);
}

static const int64_t lag_bounds_ms[] = {
    10, 25, 50, 100, 250, 500, 1000, 2500, 10000, 60000, 600000
};
static const struct histogram_rule lag_rule = { lag_bounds_ms, COUNT_OF(lag_bounds_ms), 1000 };

void report_watch(struct core *c)
{
    c->report_lag.rule = &lag_rule;
}

/* Is there more than what was sent, or is on its way? */
static bool has_news(const struct core_task *t)
{
    enum task_status to = task_to_send(t);

    if (to > t->sent && to > t->claimed)
        return true;
    for (size_t i = 0; i < t->n_ctrs; i++) {
        enum ctr_status ctr = to_send(&t->ctrs[i]);

        if (ctr > t->ctrs[i].sent && ctr > t->ctrs[i].claimed)
            return true;
    }
    return false;
}

/* A clock that begins at 0 would say "nothing". */
static int64_t stamp(const struct core *c)
{
    return c->now.mono_ms > 0 ? c->now.mono_ms : 1;
}

static bool is_untold(const struct core_task *t)
{
    return t->local_name || t->stray;
}

bool report_settled(const struct core_task *t)
{
    return is_untold(t) || (t->sent == TASK_STOPPED && !t->report_id);
}

/* What is stored may be less than what was told, for with a disk that is full the agent goes on in
 * memory (durable.c): nothing is told of a task before its containers were looked at. */
static bool is_unseen(const struct core_task *t)
{
    for (size_t i = 0; i < t->n_ctrs; i++)
        if (t->ctrs[i].unseen && t->ctrs[i].known != CTR_STOPPED)
            return true;
    return false;
}

/* Of a task that is to stop nobody says any more that it runs (task.c); an earlier agent may have
 * told so all the same. Then what its containers do is told with its end. */
static bool waits_for_end(const struct core_task *t)
{
    return t->not_before && t->desired == TASK_STOPPED && t->known < TASK_RUNNING;
}

/* Should the store be lost, nobody but the control plane could name what such a task has left on
 * this host, and it does not any more when its end was told. */
static bool leaves_no_trace(const struct core_task *t)
{
    if (t->known != TASK_STOPPED || !resources_owed(t))
        return false;
    for (size_t i = 0; i < t->n_ctrs; i++)
        if (t->ctrs[i].docker_id && !t->ctrs[i].removed && !t->ctrs[i].def->internal)
            return false; /* its labels tell; what holds namespaces alone is a stray */
    return true;
}

void report_consider(struct core *c, struct core_task *t)
{
    bool some = false;

    if (!is_untold(t) && !t->unsent_since && t->sent != TASK_STOPPED && has_news(t))
        t->unsent_since = stamp(c);
    if (is_untold(t) || (t->rebuilt && t->known < TASK_RUNNING) || t->report_id ||
        !list_empty(&t->report_node) || t->sent == TASK_STOPPED || is_unseen(t) ||
        waits_for_end(t) || leaves_no_trace(t))
        return;
    for (size_t i = 0; i < t->n_ctrs; i++)
        some |= ctr_unsent(&t->ctrs[i]);
    if (!task_unsent(t)) {
        if (!some) {
            t->report_at = 0;
            return;
        }
        if (!t->report_at)
            t->report_at = c->now.mono_ms + FLUSH_MS;
        if (c->now.mono_ms < t->report_at)
            return;
    }
    if (c->now.mono_ms < t->report_retry_at)
        return;
    list_insert_by_seq(&c->report_queue, &t->report_node, offsetof(struct core_task, report_node),
                       t->seq);
}

/* ---- the body: SubmitTaskStateChange without "cluster" ---- */

static void write_cut(struct jw *w, const char *key, const char *text, size_t max)
{
    struct str s = str_of(text);

    /* The reference cuts by bytes and may split a character. */
    s.n = str_utf8_prefix(s.p, s.n, max);
    jw_key(w, key);
    jw_strn(w, s);
}

static const struct task_port *range_of(const struct task_container *d,
                                        const struct port_binding *b)
{
    for (size_t i = 0; i < d->n_ports; i++) {
        const struct task_port *p = &d->ports[i];

        if (p->container_port == b->container_port && p->proto == b->proto)
            return NULL;
        if (!p->container_port && p->proto == b->proto && b->container_port >= p->range_first &&
            b->container_port <= p->range_last)
            return p;
    }
    return NULL;
}

/* One row for a whole range on one address; the bindings of a range follow each other. */
static void write_range(struct jw *w, const struct core_ctr *k, const struct task_port *p,
                        const struct port_binding *first)
{
    uint16_t from = first->host_port, to = first->host_port;
    char text[16];

    for (size_t i = 0; i < k->n_bindings; i++) {
        const struct port_binding *b = &k->bindings[i];

        if (range_of(k->def, b) != p || !streq(b->ip, first->ip))
            continue;
        if (b < first)
            return; /* the row was written for an earlier one */
        from = b->host_port < from ? b->host_port : from;
        to = b->host_port > to ? b->host_port : to;
    }
    jw_object(w);
    jw_kstr(w, "bindIP", first->ip);
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the caller has found a range */
    snprintf(text, sizeof text, "%u-%u", p->range_first, p->range_last);
    jw_kstr(w, "containerPortRange", text);
    snprintf(text, sizeof text, "%u-%u", from, to);
    jw_kstr(w, "hostPortRange", text);
    jw_kstr(w, "protocol", p->proto == PORT_UDP ? "udp" : "tcp");
    jw_end(w);
}

static bool is_told(const struct core *c, const struct port_binding *b)
{
    return !(c->cfg.exclude_ipv6_binding && streq(b->ip, "::")) &&
           !(c->cfg.exclude_ipv4_binding && streq(b->ip, "0.0.0.0"));
}

static void write_bindings(struct jw *w, const struct core *c, const struct core_ctr *k)
{
    bool some = false;

    for (size_t i = 0; i < k->n_bindings; i++) {
        const struct port_binding *b = &k->bindings[i];
        const struct task_port *range = range_of(k->def, b);

        if (!is_told(c, b))
            continue;
        if (!some) {
            some = true;
            jw_karray(w, "networkBindings");
        }
        if (range) {
            write_range(w, k, range, b);
            continue;
        }
        jw_object(w);
        jw_kstr(w, "bindIP", b->ip);
        jw_kint(w, "containerPort", b->container_port);
        jw_kint(w, "hostPort", b->host_port);
        jw_kstr(w, "protocol", b->proto == PORT_UDP ? "udp" : "tcp");
        jw_end(w);
    }
    if (some)
        jw_end(w);
}

static void write_container(struct jw *w, const struct core *c, const struct core_ctr *k)
{
    struct buf reason = BUF_INIT(16384);

    jw_object(w);
    jw_kstr(w, "containerName", k->def->name);
    if (k->known == CTR_STOPPED && k->has_exit_code)
        jw_kint(w, "exitCode", k->exit_code);
    if (k->digest)
        write_cut(w, "imageDigest", k->digest, ID_MAX);
    write_bindings(w, c, k);
    if (k->error_name) {
        buf_printf(&reason, "%s: %s", k->error_name, k->error_text);
        write_cut(w, "reason", buf_text(&reason), REASON_MAX);
    } else if (failure_is_told(c, k)) {
        AUTO(str) char *digest = failure_digest(k->task, k);

        jw_kstr(w, "reason", digest);
    }
    if (k->docker_id)
        write_cut(w, "runtimeId", k->docker_id, ID_MAX);
    jw_kstr(w, "status", k->known >= CTR_RUNNING ? ctr_status_name(k->known) : "PENDING");
    jw_end(w);
    buf_fini(&reason);
}

static void write_time(struct jw *w, const char *key, int64_t wall_ms)
{
    if (!wall_ms)
        return;
    jw_key(w, key);
    jw_millis(w, wall_ms);
}

static char *build_body(const struct core *c, const struct core_task *t)
{
    struct buf b = BUF_INIT(1 << 20);
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    if (t->n_ctrs) {
        jw_karray(&w, "containers");
        for (size_t i = 0; i < t->n_ctrs; i++)
            if (ctr_unsent(&t->ctrs[i]))
                write_container(&w, c, &t->ctrs[i]);
        jw_end(&w);
    }
    write_time(&w, "executionStoppedAt", t->execution_stopped);
    write_time(&w, "pullStartedAt", t->pull_started);
    write_time(&w, "pullStoppedAt", t->pull_stopped);
    write_cut(&w, "reason", t->known == TASK_STOPPED && t->reason ? t->reason : "", REASON_MAX);
    jw_kstr(&w, "status", t->known >= TASK_RUNNING ? task_status_name(t->known) : "PENDING");
    jw_kstr(&w, "task", t->arn);
    jw_end(&w);
    return buf_take(&b);
}

static void emit(struct core *c, struct core_task *t, struct core_task **slot)
{
    struct core_action *a = core_act(c, CORE_ACT_REPORT);

    *slot = t;
    t->report_id = c->next_id++;
    t->report_at = 0;
    t->report_retry_at = 0;
    t->claimed = task_to_send(t);
    /* Tried again: what the lost one claimed is claimed by this one. */
    if (!t->claimed_since)
        t->claimed_since = t->unsent_since;
    t->unsent_since = 0;
    for (size_t i = 0; i < t->n_ctrs; i++)
        t->ctrs[i].claimed = to_send(&t->ctrs[i]);
    a->id = t->report_id;
    a->task_arn = mem_strdup(t->arn);
    a->value = build_body(c, t);
}

void reports_grant(struct core *c)
{
    for (int i = 0; i < CORE_MAX_REPORTS && !list_empty(&c->report_queue); i++) {
        struct core_task *t = LIST_ENTRY(c->report_queue.next, struct core_task, report_node);

        if (c->reports[i])
            continue;
        list_remove(&t->report_node);
        emit(c, t, &c->reports[i]);
    }
}

/* ---- what became of it ---- */

/* A payload may be on its way when the control plane accepts a task's end. It is to find the task
 * known, or it would begin anew. */
#define ON_ITS_WAY_MS 5000

static void accepted(const struct core *c, struct core_task *t)
{
    if (t->claimed > t->sent)
        t->sent = t->claimed;
    if (t->sent == TASK_STOPPED && t->not_before < c->now.mono_ms + ON_ITS_WAY_MS)
        t->not_before = c->now.mono_ms + ON_ITS_WAY_MS;
    for (size_t i = 0; i < t->n_ctrs; i++)
        if (t->ctrs[i].claimed > t->ctrs[i].sent)
            t->ctrs[i].sent = t->ctrs[i].claimed;
    backoff_reset(&t->report_backoff);
    list_remove(&t->backoff_node);
    free(t->report_error);
    t->report_error = NULL;
}

/* None is under way then, unless a record says so, and in two places. */
void report_forget(struct core *c, const struct core_task *t)
{
    for (int i = 0; i < CORE_MAX_REPORTS; i++)
        if (c->reports[i] == t)
            c->reports[i] = NULL;
}

void report_done(struct core *c, const struct core_event *ev)
{
    struct core_task *t = NULL;

    for (int i = 0; i < CORE_MAX_REPORTS; i++) {
        if (c->reports[i] && c->reports[i]->report_id == ev->u.reported.id) {
            t = c->reports[i];
            c->reports[i] = NULL;
            break;
        }
    }
    if (!t)
        return; /* of an earlier run */
    t->report_id = 0;
    if (ev->u.reported.result == CORE_REPORT_ACCEPTED && t->claimed_since)
        histogram_add(&c->report_lag, c->now.mono_ms - t->claimed_since);
    if (ev->u.reported.result != CORE_REPORT_FAILED)
        t->claimed_since = 0;
    if (ev->u.reported.result == CORE_REPORT_FAILED) {
        t->report_retry_at = c->now.mono_ms + backoff_next(&t->report_backoff, &rule, &c->rng);
        mem_replace(&t->report_error, ev->u.reported.error);
        if (list_empty(&t->backoff_node))
            list_insert_by_seq(&c->in_backoff, &t->backoff_node,
                               offsetof(struct core_task, backoff_node), t->seq);
        task_touch(c, t);
        return;
    }
    if (ev->u.reported.result == CORE_REPORT_REFUSED)
        core_note(c, true, t, NULL, "the control plane refuses a report of it, dropped: %s",
                  ev->u.reported.error);
    accepted(c, t);
    task_changed(c, t);
    task_touch(c, t);
}

void report_wake_all(struct core *c)
{
    LIST_FOREACH (node, next, &c->in_backoff) {
        struct core_task *t = LIST_ENTRY(node, struct core_task, backoff_node);

        list_remove(node);
        t->report_retry_at = 0;
        backoff_reset(&t->report_backoff);
        task_touch(c, t);
    }
}
