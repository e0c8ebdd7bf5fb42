/* laws: what must hold, numbered as in the architecture:
 *
 *  0  a replay of a record decides the same (flight records are worth something)
 *  1  a known state never goes back; a terminal state is reported once; in order
 *  2  STOPPED is reported only when every container is stopped or was never made
 *  3  no container is ever without an owner; at the end none is left
 *  4  a container starts only when its dependencies allow; stops in reverse order
 *  5  what is acknowledged is stored; what comes twice is applied once
 *  6  capacity is not oversubscribed; what fits does not wait longer than allowed
 *  8  every task ends once it is to stop and the engine answers */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

void broken(struct sim *s, int law, const char *fmt, ...)
{
    va_list ap;
    int n;

    if (s->broken_law[0])
        return;
    n = snprintf(s->broken_law, sizeof s->broken_law, "law %d: ", law);
    va_start(ap, fmt);
    vsnprintf(s->broken_law + n, sizeof s->broken_law - (size_t)n, fmt, ap);
    va_end(ap);
    trace(s, "** %s", s->broken_law);
}

/* ---- law 1 ---- */

void law_stored(struct sim *s, const struct core_action *put)
{
    struct json_t *doc = NULL;
    struct err e = { 0 };
    struct sim_task *t;
    struct jcur c;
    int known;

    if (put->kind != CORE_KIND_STATE)
        return;
    t = control_task(s, put->key);
    if (json_parse(put->value, strlen(put->value), &doc, &e)) {
        broken(s, 1, "a stored state is not JSON: %s", e.msg);
        return;
    }
    c = jcur_root(doc, &e);
    known = (int)jcur_int(&c, "known", 0, TASK_STOPPED);
    if (known < t->known_stored)
        broken(s, 1, "the stored state of %s went from %d back to %d", t->arn, t->known_stored,
               known);
    t->known_stored = known;
    json_free(doc);
}

/* ---- laws 2, 4, 5 ---- */

static void check_stopped_report(struct sim *s, const struct sim_task *t, const char *body)
{
    if (!strstr(body, "\"status\":\"STOPPED\",\"task\""))
        return;
    for (size_t i = 0; i < t->n_ctrs; i++) {
        const struct box *b = engine_find(s, t, i);

        if (b && b->state == BOX_RUNNING)
            broken(s, 2, "%s is reported STOPPED while container %zu runs", t->arn, i);
    }
}

static bool dep_holds(const struct sim_task *t, const struct sim_dep *d)
{
    const struct sim_ctr *k = &t->ctrs[d->target];

    switch (d->cond) {
    case DEP_CREATE:
        return k->ever_created;
    case DEP_START:
        return k->ever_ran;
    case DEP_COMPLETE:
        return k->ever_exited;
    case DEP_SUCCESS:
        return k->ever_exited && k->last_exit == 0;
    case DEP_HEALTHY:
        return k->ever_healthy;
    }
    return false;
}

static void check_start(struct sim *s, const struct sim_task *t, size_t index)
{
    const struct sim_ctr *k = &t->ctrs[index];

    for (size_t i = 0; i < k->n_deps; i++)
        if (!dep_holds(t, &k->deps[i]))
            broken(s, 4, "container %zu of %s starts before container %zu allows it (condition %d)",
                   index, t->arn, k->deps[i].target, k->deps[i].cond);
}

static void check_stop(struct sim *s, const struct sim_task *t, size_t index)
{
    const struct box *self = engine_find(s, t, index);

    if (!self || self->state != BOX_RUNNING || !t->stop_sent)
        return;
    for (size_t i = 0; i < t->n_ctrs; i++) {
        const struct box *b = engine_find(s, t, i);

        for (size_t j = 0; b && b->state == BOX_RUNNING && j < t->ctrs[i].n_deps; j++)
            if (t->ctrs[i].deps[j].target == index)
                broken(s, 4,
                       "container %zu of %s is stopped before container %zu, which depends on it",
                       index, t->arn, i);
    }
}

static void check_ack(struct sim *s)
{
    /* Whatever the core knows must be in the store by now: a payload's tasks are
     * known from the step that asked for the acknowledgement on. */
    for (size_t i = 0; i < s->n_tasks; i++) {
        const struct sim_task *t = &s->tasks[i];

        if (core_task(s->core, t->arn) &&
            (!agent_stored(s, CORE_KIND_TASK, t->arn) || !agent_stored(s, CORE_KIND_STATE, t->arn)))
            broken(s, 5, "a message is acknowledged although %s is not stored", t->arn);
    }
}

void law_action(struct sim *s, const struct core_action *a)
{
    struct sim_task *t = a->task_arn ? control_task(s, a->task_arn) : NULL;

    if (a->type == CORE_ACT_ACK)
        check_ack(s);
    else if (a->type == CORE_ACT_REPORT)
        check_stopped_report(s, t, a->value);
    else if (a->type == CORE_ACT_OP && a->op == CORE_OP_START)
        check_start(s, t, a->container);
    else if (a->type == CORE_ACT_OP && a->op == CORE_OP_STOP)
        check_stop(s, t, a->container);
    if (a->type == CORE_ACT_OP && a->op == CORE_OP_CREATE) {
        const char *state = agent_stored(s, CORE_KIND_STATE, a->task_arn);

        if (!state || !strstr(state, a->ref))
            broken(s, 3, "container name %s is used before it is stored", a->ref);
    }
}

/* ---- law 6 ---- */

static bool holds_host(struct sim *s, const struct sim_task *t)
{
    for (size_t i = 0; i < t->n_ctrs; i++) {
        const struct box *b = engine_find(s, t, i);

        if (b && b->state == BOX_RUNNING)
            return true;
    }
    return false;
}

struct view { /* what the core says of one task */
    bool admitted, stopped, stopping;
};

static bool look(struct sim *s, const struct sim_task *t, struct view *v)
{
    struct buf b = BUF_INIT(1 << 20);
    struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur c;
    struct jw w;
    bool known;

    jw_init(&w, &b);
    core_write_task(s->core, t->arn, &w);
    known = !streq(buf_text(&b), "null") && json_parse(buf_text(&b), b.len, &doc, &e) == ERR_OK;
    if (known) {
        c = jcur_root(doc, &e);
        v->admitted = jcur_bool_or(&c, "admitted", false);
        v->stopped = streq(jcur_str(&c, "status"), "STOPPED");
        v->stopping = streq(jcur_str(&c, "desired"), "STOPPED");
    }
    json_free(doc);
    buf_fini(&b);
    return known;
}

static bool ports_free(const struct sim *s, const struct sim_task *t, const struct view *views)
{
    for (size_t i = 0; i < s->n_tasks; i++) {
        const struct sim_task *other = &s->tasks[i];

        if (other == t || !views[i].admitted || views[i].stopped)
            continue;
        for (size_t a = 0; a < t->n_ctrs; a++)
            for (size_t b = 0; b < other->n_ctrs; b++)
                if (t->ctrs[a].port && t->ctrs[a].port == other->ctrs[b].port)
                    return false;
    }
    return true;
}

void law_always(struct sim *s)
{
    struct view views[MAX_TASKS] = { 0 };
    int64_t cpu = 0, memory = 0, real_cpu = 0, real_memory = 0;

    if (s->steps % 7) /* often enough, and ten times faster */
        return;
    for (size_t i = 0; i < s->n_tasks; i++) {
        const struct sim_task *t = &s->tasks[i];

        if (!look(s, t, &views[i]))
            continue;
        if (views[i].admitted && !views[i].stopped) {
            cpu += t->cpu;
            memory += t->memory;
        }
        if (holds_host(s, t) && !views[i].stopped) {
            real_cpu += t->cpu;
            real_memory += t->memory;
        }
    }
    if (cpu > s->cpu_total || memory > s->memory_total || real_cpu > s->cpu_total ||
        real_memory > s->memory_total)
        broken(s, 6, "oversubscribed: %lld (%lld) of %lld CPU units, %lld (%lld) of %lld MiB",
               (long long)cpu, (long long)real_cpu, (long long)s->cpu_total, (long long)memory,
               (long long)real_memory, (long long)s->memory_total);
    for (size_t i = 0; i < s->n_tasks; i++) {
        struct sim_task *t = &s->tasks[i];
        bool waits = core_task(s->core, t->arn) && !views[i].admitted && !views[i].stopping;
        bool fits = cpu + t->cpu <= s->cpu_total && memory + t->memory <= s->memory_total &&
                    ports_free(s, t, views);

        if (!waits || !fits) {
            t->fits_since = -1;
        } else if (t->fits_since < 0) {
            t->fits_since = s->now;
        } else if (s->now - t->fits_since > s->ageing_ms + 1000) {
            broken(s, 6, "%s fits but has waited for %lld ms", t->arn,
                   (long long)(s->now - t->fits_since));
        }
    }
}

/* ---- the end ---- */

void law_end(struct sim *s)
{
    for (size_t i = 0; i < s->n_tasks; i++) {
        const struct sim_task *t = &s->tasks[i];

        if (t->sent && t->accepted != TASK_STOPPED)
            broken(s, 8, "%s never ended (control plane knows %s)", t->arn,
                   task_status_name(t->accepted));
        if (agent_stored(s, CORE_KIND_TASK, t->arn) || agent_stored(s, CORE_KIND_STATE, t->arn))
            broken(s, 3, "%s is still in the store", t->arn);
    }
    LIST_FOREACH (node, next, &s->boxes) {
        const struct box *b = LIST_ENTRY(node, struct box, node);

        broken(s, 3, "container %s (%s) is left behind", b->name,
               b->state == BOX_RUNNING ? "running" : "not running");
    }
}
