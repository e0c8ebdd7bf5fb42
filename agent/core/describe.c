/* describe: what the core knows, told to people: tasks, status, and why a task is
 * not further than it is. */
#include <inttypes.h>
#include <stdio.h>

#include "core/state.h"

/* ---- tasks and status ---- */

static const char *health_name(enum ctr_health h)
{
    static const char *const names[] = { "UNKNOWN", "STARTING", "HEALTHY", "UNHEALTHY" };

    return names[h];
}

static void write_ports(const struct core_ctr *k, struct jw *w)
{
    jw_karray(w, "ports");
    for (size_t i = 0; i < k->n_bindings; i++) {
        jw_object(w);
        jw_kstr(w, "ip", k->bindings[i].ip);
        jw_kint(w, "host_port", k->bindings[i].host_port);
        jw_kint(w, "container_port", k->bindings[i].container_port);
        jw_kstr(w, "protocol", k->bindings[i].proto == PORT_UDP ? "udp" : "tcp");
        jw_end(w);
    }
    jw_end(w);
}

static void write_container(const struct core_ctr *k, struct jw *w)
{
    jw_object(w);
    jw_kstr(w, "name", k->def->name);
    jw_kstr(w, "image", k->def->image);
    jw_kbool(w, "essential", k->def->essential);
    jw_kstr(w, "status", ctr_status_name(k->known));
    jw_kstr(w, "desired", ctr_status_name(ctr_wants_stop(k) ? CTR_STOPPED : CTR_RUNNING));
    if (k->def->health_docker)
        jw_kstr(w, "health", health_name(k->health));
    if (k->has_exit_code && k->known == CTR_STOPPED)
        jw_kint(w, "exit_code", k->exit_code);
    jw_kstr_if(w, "error", k->error_name);
    jw_kstr_if(w, "reason", k->error_text);
    jw_kstr_if(w, "docker_id", k->docker_id);
    jw_kstr_if(w, "docker_name", k->docker_name);
    jw_kstr_if(w, "digest", k->digest);
    if (k->started_wall)
        jw_kint(w, "started_ms", k->started_wall);
    if (k->restarts)
        jw_kint(w, "restarts", k->restarts);
    if (k->op)
        jw_kstr(w, "doing", core_op_name(k->op));
    write_ports(k, w);
    jw_end(w);
}

static void write_task(const struct core_task *t, struct jw *w)
{
    jw_object(w);
    jw_kstr(w, "arn", t->arn);
    jw_kstr(w, "id", str_after_last(t->arn, '/'));
    jw_kstr(w, "family", t->def ? t->def->family : "");
    jw_kstr(w, "version", t->def ? t->def->version : "");
    jw_kstr(w, "status", task_status_name(t->known));
    jw_kstr(w, "desired", task_status_name(t->desired));
    jw_kstr(w, "reported", task_status_name(t->sent));
    jw_kbool(w, "admitted", t->admitted);
    jw_kstr_if(w, "reason", t->reason);
    jw_kstr_if(w, "local", t->local_name);
    jw_kint(w, "arrived_ms", t->arrived_wall);
    if (t->stopped_wall)
        jw_kint(w, "stopped_ms", t->stopped_wall);
    jw_karray(w, "containers");
    for (size_t i = 0; i < t->n_ctrs; i++)
        write_container(&t->ctrs[i], w);
    jw_end(w);
    jw_end(w);
}

void core_write_task(const struct core *c, const char *arn, struct jw *w)
{
    const struct core_task *t = find_task(c, arn);

    if (t)
        write_task(t, w);
    else
        jw_null(w);
}

void core_write_tasks(const struct core *c, struct jw *w)
{
    struct core_task *t, *next;

    jw_array(w);
    HASH_ITER (hh, c->tasks, t, next)
        write_task(t, w);
    jw_end(w);
}

static void write_resource(struct jw *w, const char *key, int64_t total, int64_t used)
{
    jw_kobject(w, key);
    jw_kint(w, "total", total);
    jw_kint(w, "used", used);
    jw_kint(w, "free", total - used);
    jw_end(w);
}

void core_write_status(const struct core *c, struct jw *w)
{
    int64_t by_status[TASK_STOPPED + 1] = { 0 }, waiting = 0, unsent = 0;
    struct core_task *t, *next;

    HASH_ITER (hh, c->tasks, t, next) {
        by_status[t->known]++;
        waiting += !list_empty(&t->wait_node);
        unsent += t->report_id || !list_empty(&t->report_node) || t->report_retry_at;
    }
    jw_object(w);
    write_resource(w, "cpu_units", c->capacity.cpu_total, c->capacity.cpu_used);
    write_resource(w, "memory_mib", c->capacity.memory_total, c->capacity.memory_used);
    jw_kobject(w, "tasks");
    for (int s = TASK_NONE; s <= TASK_STOPPED; s++)
        jw_kint(w, task_status_name((enum task_status)s), by_status[s]);
    jw_end(w);
    jw_kint(w, "tasks_waiting_for_room", waiting);
    jw_kint(w, "reports_unsent", unsent);
    janitor_write_status(c, w);
    jw_end(w);
}

/* ---- why ---- */

struct why {
    struct jw *w;
    int64_t now;
};

static void say(struct why *y, const struct core_ctr *k, int64_t since, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

static void say(struct why *y, const struct core_ctr *k, int64_t since, const char *fmt, ...)
{
    struct buf b = BUF_INIT(4096);
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    jw_object(y->w);
    if (k)
        jw_kstr(y->w, "container", k->def->name);
    jw_kstr(y->w, "waits_for", buf_text(&b));
    jw_kint(y->w, "for_ms", y->now > since ? y->now - since : 0);
    jw_end(y->w);
    buf_fini(&b);
}

static void why_waiting(struct why *y, const struct core *c, const struct core_task *t)
{
    unsigned lacks = capacity_lacks(&c->capacity, &t->need);
    int64_t cpu = c->capacity.cpu_total - c->capacity.cpu_used;
    int64_t memory = c->capacity.memory_total - c->capacity.memory_used;
    const struct need_port *p = capacity_taken_port(&c->capacity, &t->need);

    if (lacks & LACKS_CPU)
        say(y, NULL, t->arrived,
            "%" PRId64 " CPU units: it needs %" PRId64 ", %" PRId64 " are free", t->need.cpu - cpu,
            t->need.cpu, cpu);
    if (lacks & LACKS_MEMORY)
        say(y, NULL, t->arrived,
            "%" PRId64 " MiB of memory: it needs %" PRId64 ", %" PRId64 " are free",
            t->need.memory_mib - memory, t->need.memory_mib, memory);
    if (lacks & LACKS_PORT)
        say(y, NULL, t->arrived, "host port %u/%s: another task holds it", p->port,
            p->proto == PORT_UDP ? "udp" : "tcp");
    if (!lacks)
        say(y, NULL, t->arrived, "an older task that waits for the same resources");
}

static void why_op(struct why *y, const struct core_ctr *k)
{
    static const char *const text[] = {
        [CORE_OP_NONE] = "",
        [CORE_OP_INSPECT_IMAGE] = "Docker to say whether the image is here",
        [CORE_OP_MANIFEST] = "the registry to say the digest of",
        [CORE_OP_PULL] = "the pull of its image",
        [CORE_OP_PORTS] = "host ports that are free",
        [CORE_OP_CREATE] = "Docker to create it",
        [CORE_OP_START] = "Docker to start it",
        [CORE_OP_STOP] = "Docker to stop it",
        [CORE_OP_INSPECT] = "Docker to say how it is",
        [CORE_OP_DRAIN_LOGS] = "its last log lines to be shipped",
        [CORE_OP_REMOVE] = "Docker to remove it",
    };

    if (k->op == CORE_OP_PULL || k->op == CORE_OP_MANIFEST)
        say(y, k, k->op_since, "%s: %s", text[k->op], k->def->image);
    else
        say(y, k, k->op_since, "%s", text[k->op]);
}

static const char *condition_text(enum dep_condition cond)
{
    static const char *const text[] = {
        [DEP_CREATE] = "be created",      [DEP_START] = "start",
        [DEP_COMPLETE] = "end",           [DEP_SUCCESS] = "end with exit code 0",
        [DEP_HEALTHY] = "become healthy",
    };

    return text[cond];
}

static void why_container(struct why *y, const struct core_ctr *k)
{
    const struct task_dep *dep = NULL;
    const struct core_ctr *on = NULL;
    const struct core_res *res = NULL;
    struct buf what = BUF_INIT(1024);
    bool stop = ctr_wants_stop(k);

    if (k->op) {
        why_op(y, k);
    } else if (k->known == CTR_STOPPED) {
        ;
    } else if (k->late_until > y->now) {
        say(y, k, k->since,
            "a start that Docker may have been asked for before, for %" PRId64 " ms",
            k->late_until - y->now);
    } else if (k->restart_due && !stop) {
        say(y, k, k->since, "its restart in %" PRId64 " ms (it ended %d times, last with code %d)",
            k->restart_at > y->now ? k->restart_at - y->now : 0, k->restarts, k->exit_code);
    } else if (k->retry_at > y->now) {
        say(y, k, k->since, "the next try in %" PRId64 " ms%s%s", k->retry_at - y->now,
            k->pull_error ? "; the last one: " : "", k->pull_error ? k->pull_error : "");
    } else if (stop && !deps_may_stop(k, &on)) {
        say(y, k, k->since, "container %s, which depends on it, to stop first", on->def->name);
    } else if (!stop && k->known < CTR_RUNNING && deps_check(k, y->now, &dep, NULL) == DEP_WAIT) {
        say(y, k, k->since, "container %s to %s", k->task->def->containers[dep->target].name,
            condition_text(dep->condition));
    } else if (!stop && k->known < CTR_CREATED &&
               !resources_allow(k, k->known >= CTR_PULLED, &res)) {
        resource_describe(res, &what);
        say(y, k, k->since, "%s", buf_text(&what));
    } else if (k->queued) {
        say(y, k, k->since, "its turn to %s: others are under way", core_op_name(k->queued));
    } else if (k->known == CTR_RUNNING && k->def->health_docker && k->health != HEALTH_OK &&
               !stop) {
        say(y, k, k->since, "its health check to pass (now: %s)", health_name(k->health));
    }
    buf_fini(&what);
}

void core_write_why(const struct core *c, const char *arn, struct core_time now, struct jw *w)
{
    const struct core_task *t = find_task(c, arn);
    struct why y = { w, now.mono_ms };

    jw_array(w);
    if (t && !list_empty(&t->wait_node)) {
        why_waiting(&y, c, t);
    } else if (t) {
        for (size_t i = 0; i < t->n_ctrs; i++)
            why_container(&y, &t->ctrs[i]);
        if (t->report_id)
            say(&y, NULL, now.mono_ms, "the control plane to accept a report of its state");
        else if (t->report_retry_at > now.mono_ms)
            say(&y, NULL, now.mono_ms,
                "the next try to report its state in %" PRId64 " ms; the last one: %s",
                t->report_retry_at - now.mono_ms, t->report_error ? t->report_error : "failed");
        if (t->known == TASK_STOPPED && report_settled(t) &&
            t->stopped_at + t->cleanup_delay > now.mono_ms)
            say(&y, NULL, t->stopped_at, "its containers to be removed in %" PRId64 " s",
                (t->stopped_at + t->cleanup_delay - now.mono_ms) / 1000);
    }
    jw_end(w);
}
