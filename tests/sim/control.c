/* control: a simulated control plane: sends, repeats, stops, asks, and is away at
 * times. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

struct sim_task *task_nth(struct sim *s, size_t i)
{
    if (i < s->n_tasks)
        return &s->tasks[i];
    return i - s->n_tasks < s->n_runs ? s->runs[i - s->n_tasks] : NULL;
}

struct sim_task *task_called(struct sim *s, const char *arn)
{
    struct sim_task *t;

    size_t n = strcspn(arn, "#"); /* behind it: a container that belongs to no task any more */

    for (size_t i = 0; (t = task_nth(s, i)); i++)
        if (strlen(t->arn) == n && memcmp(t->arn, arn, n) == 0)
            return t;
    return NULL;
}

/* ---- payloads ---- */

static struct inbox_event *payload_new(struct sim *s, size_t n)
{
    struct inbox_event *e = event_new(CORE_EV_PAYLOAD);

    e->strings[0] = mem_printf("m%llu", (unsigned long long)s->next_message++);
    e->ev.u.payload.message_id = e->strings[0];
    e->ev.u.payload.seq = ++s->seq;
    e->tasks = mem_array(n, sizeof *e->tasks);
    e->ev.u.payload.tasks = e->tasks;
    return e;
}

static void payload_add(struct sim *s, struct inbox_event *e, struct sim_task *t,
                        enum task_status desired)
{
    struct core_payload_task *p = &e->tasks[e->ev.u.payload.n_tasks++];
    struct err err = { 0 };

    t->sent = true;
    t->credentials_life = s->life;
    if (task_decode_text(t->json, strlen(t->json), &p->task, &err)) {
        p->task = NULL;
        p->arn = t->arn;
        p->error = e->strings[1] ? e->strings[1] : (e->strings[1] = mem_strdup(err.msg));
    } else {
        p->task->desired = desired;
        t->stop_sent |= desired == TASK_STOPPED;
    }
}

static void send(struct sim *s, struct inbox_event *e)
{
    if (s->control_up)
        agent_deliver(s, e);
    else
        event_free(e);
}

static void send_new(struct sim *s, void *arg)
{
    size_t first = (size_t)(uintptr_t)arg >> 8, n = (size_t)(uintptr_t)arg & 255;
    struct inbox_event *e = payload_new(s, n);

    for (size_t i = 0; i < n; i++)
        payload_add(s, e, &s->tasks[first + i], TASK_RUNNING);
    send(s, e);
}

static void send_again(struct sim *s, void *arg)
{
    struct inbox_event *e;
    struct sim_task *t = arg;

    /* Of a task that has ended, a late copy may come while the agent still knows it. */
    if (!t->sent || (t->accepted == TASK_STOPPED && !agent_stored(s, CORE_KIND_TASK, t->arn)))
        return;
    e = payload_new(s, 1);
    payload_add(s, e, t, t->stop_sent ? TASK_STOPPED : TASK_RUNNING);
    send(s, e);
}

static void send_stop(struct sim *s, void *arg)
{
    struct inbox_event *e;
    struct sim_task *t = arg;

    if (!t->sent || t->accepted == TASK_STOPPED)
        return;
    e = payload_new(s, 1);
    payload_add(s, e, t, TASK_STOPPED);
    send(s, e);
}

static void send_manifest(struct sim *s, void *arg)
{
    struct inbox_event *e = event_new(CORE_EV_MANIFEST);

    (void)arg;
    e->strings[0] = mem_printf("m%llu", (unsigned long long)s->next_message++);
    e->ev.u.manifest.message_id = e->strings[0];
    e->ev.u.manifest.cluster_arn = "arn:cluster";
    e->ev.u.manifest.seq = chance(s, 80) ? ++s->seq : s->seq - 1;
    e->entries = mem_array(s->n_tasks, sizeof *e->entries);
    for (size_t i = 0; i < s->n_tasks; i++)
        if (s->tasks[i].sent && !s->tasks[i].stop_sent && chance(s, 95))
            e->entries[e->ev.u.manifest.n_entries++] =
                (struct core_manifest_entry){ s->tasks[i].arn, TASK_RUNNING };
    e->ev.u.manifest.entries = e->entries;
    send(s, e);
}

/* ---- answers ---- */

void control_ack(struct sim *s, const char *message_id)
{
    (void)s;
    (void)message_id; /* law 5 looks at what was stored before it */
}

void control_stop_verify(struct sim *s, const char *message_id, char **arns, size_t n)
{
    struct inbox_event *e = event_new(CORE_EV_STOP_ACK);
    size_t kept = 0;

    e->strings[0] = mem_strdup(chance(s, 90) ? message_id : "m0");
    e->ev.u.stop_ack.message_id = e->strings[0];
    e->arns = mem_array(n, sizeof *e->arns);
    for (size_t i = 0; i < n; i++) {
        if (chance(s, 50))
            continue;
        e->arns[kept++] = event_keep(e, mem_strdup(arns[i]));
        if (streq(e->strings[0], message_id))
            task_called(s, arns[i])->stop_sent = true;
    }
    e->ev.u.stop_ack.arns = e->arns;
    e->ev.u.stop_ack.n_arns = kept;
    send(s, e);
}

struct report {
    int life;
    uint64_t id;
    enum core_report_result result;
};

static void report_answer(struct sim *s, void *arg)
{
    struct report *r = arg;
    struct inbox_event *e;

    if (r->life == s->life) {
        e = event_new(CORE_EV_REPORTED);
        e->ev.u.reported.id = r->id;
        e->ev.u.reported.result = r->result;
        e->ev.u.reported.error =
            r->result == CORE_REPORT_ACCEPTED ? "" : "ServerException: try later";
        agent_deliver(s, e);
        if (r->result == CORE_REPORT_ACCEPTED && chance(s, 30))
            agent_deliver(s, event_new(CORE_EV_CONTROL_UP));
    }
    free(r);
}

static enum task_status status_in(struct sim *s, const struct jcur *c)
{
    enum task_status status = TASK_NONE;
    struct err e = { 0 };

    if (!streq(jcur_str(c, "status"), "PENDING") &&
        task_status_parse(jcur_str(c, "status"), &status, &e))
        broken(s, 1, "a report with status %s", jcur_str(c, "status"));
    return status;
}

static void take_rows(struct sim *s, struct sim_task *t, const struct jcur *body)
{
    struct jcur rows = jcur_arr(body, "containers");

    JCUR_EACH (row, &rows) {
        law_reported(s, t, jcur_str(&row, "containerName"), jcur_str(&row, "status"));
    }
}

static void take_report(struct sim *s, const char *body)
{
    struct json_t *doc = NULL;
    struct err e = { 0 };
    struct sim_task *t;
    enum task_status status;
    struct jcur c;

    if (json_parse(body, strlen(body), &doc, &e)) {
        broken(s, 1, "a report is not JSON: %s", e.msg);
        return;
    }
    c = jcur_root(doc, &e);
    t = task_called(s, jcur_str(&c, "task"));
    status = status_in(s, &c);
    if (!t || t->local) {
        broken(s, 1, "a report of a task that the control plane does not know");
    } else {
        if (status < t->accepted)
            broken(s, 1, "%s went from %s back to %s", t->arn, task_status_name(t->accepted),
                   task_status_name(status));
        if (status == TASK_STOPPED && ++t->stopped_reports > 1 + t->allowed_again)
            broken(s, 1, "%s was reported STOPPED %d times with %d excuses", t->arn,
                   t->stopped_reports, t->allowed_again);
        t->accepted = status;
        take_rows(s, t, &c);
    }
    json_free(doc);
}

void control_report(struct sim *s, uint64_t id, const char *body)
{
    struct report *r = NEW(struct report);
    bool lost = !s->finishing && chance(s, 5);

    r->life = s->life;
    r->id = id;
    r->result = CORE_REPORT_FAILED;
    if (s->control_up && !(!s->finishing && chance(s, 5))) {
        take_report(s, body);
        r->result = lost ? CORE_REPORT_FAILED : CORE_REPORT_ACCEPTED;
        if (lost)
            for (size_t i = 0; i < s->n_tasks; i++)
                if (strstr(body, s->tasks[i].arn))
                    s->tasks[i].allowed_again++;
    }
    at(s, pick(s, 1, 100), report_answer, r);
}

/* ---- trouble ---- */

static void back(struct sim *s, void *arg)
{
    (void)arg;
    trace(s, "** the control plane is back");
    s->control_up = true;
    agent_deliver(s, event_new(CORE_EV_CONTROL_UP));
    for (size_t i = 0; i < s->n_tasks; i++)
        if (s->tasks[i].sent && s->tasks[i].accepted != TASK_STOPPED)
            send_again(s, &s->tasks[i]);
}

static void away(struct sim *s, void *arg)
{
    (void)arg;
    if (s->finishing)
        return;
    trace(s, "** the control plane goes away");
    s->control_up = false;
    at(s, pick(s, 100, 30000), back, NULL);
}

static void engine_trouble(struct sim *s, void *arg)
{
    (void)arg;
    if (!s->finishing && s->engine_up)
        engine_outage(s);
}

static void hang(struct sim *s, void *arg)
{
    (void)arg;
    engine_hang(s);
}

static void meddle(struct sim *s, void *arg)
{
    (void)arg;
    if (!s->finishing)
        engine_meddle(s);
}

static void kill_agent(struct sim *s, void *arg)
{
    (void)arg;
    if (!s->finishing && s->alive)
        agent_crash(s);
}

/* The host is back after a while, and its containers are as the agent has left them. */
static void host_is_down(struct sim *s, void *arg)
{
    if (s->life == (int)(intptr_t)arg && s->alive)
        agent_crash(s);
}

static void host_goes_down(struct sim *s, void *arg)
{
    (void)arg;
    if (s->finishing || !s->alive)
        return;
    trace(s, "** the host goes down");
    agent_deliver(s, event_new(CORE_EV_CLOSE));
    at(s, pick(s, 0, 40000), host_is_down, (void *)(intptr_t)s->life);
}

static void step_clock(struct sim *s, void *arg)
{
    (void)arg;
    s->wall_offset += pick(s, -3600000, 3600000);
}

static bool has_values(const struct sim_task *t)
{
    for (size_t i = 0; i < t->n_ctrs; i++)
        if (t->ctrs[i].secrets || t->ctrs[i].env_files || t->ctrs[i].auth)
            return true;
    return false;
}

void control_agent_came(struct sim *s)
{
    /* It reconnects: much of what has not ended is sent again, and always where that
     * brings credentials that are waited for. */
    for (size_t i = 0; i < s->n_tasks; i++)
        if (s->tasks[i].sent && s->tasks[i].accepted != TASK_STOPPED &&
            (has_values(&s->tasks[i]) || chance(s, 40)))
            at(s, pick(s, 5, 500), send_again, &s->tasks[i]);
}

void control_begin(struct sim *s)
{
    size_t first = 0, n;
    int64_t when = 0;

    s->control_up = true;
    s->n_tasks = (size_t)pick(s, 1, MAX_TASKS);
    for (size_t i = 0; i < s->n_tasks; i++)
        gen_task(s, &s->tasks[i], i);
    for (; first < s->n_tasks; first += n) {
        n = (size_t)pick(s, 1, (int64_t)(s->n_tasks - first));
        at(s, when += pick(s, 0, 5000), send_new, (void *)(uintptr_t)(first << 8 | n));
    }
    for (size_t i = 0; i < s->n_tasks; i++) {
        if (chance(s, 30))
            at(s, pick(s, 0, 40000), send_again, &s->tasks[i]);
        if (chance(s, 50))
            at(s, pick(s, 0, 60000), send_stop, &s->tasks[i]);
    }
    for (int i = 0; i < 3; i++) {
        static item_fn *const troubles[] = { away,       engine_trouble, meddle,         kill_agent,
                                             step_clock, send_manifest,  host_goes_down, hang };

        for (size_t j = 0; j < COUNT_OF(troubles); j++)
            if (chance(s, 25))
                at(s, pick(s, 100, 60000), troubles[j], NULL);
    }
}

static void last_stop(struct sim *s, void *arg)
{
    (void)arg;
    for (size_t i = 0; i < s->n_tasks; i++)
        send_stop(s, &s->tasks[i]);
}

void control_finish(struct sim *s)
{
    s->finishing = true;
    s->control_up = true;
    host_repair(s);
    locals_finish(s);
    agent_deliver(s, event_new(CORE_EV_CONTROL_UP));
    last_stop(s, NULL);
    /* A payload may meet an agent that is just being restarted. */
    at(s, 20000, last_stop, NULL);
}

void control_fini(struct sim *s)
{
    for (size_t i = 0; i < s->n_tasks; i++)
        free(s->tasks[i].json);
}
