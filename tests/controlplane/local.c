/* Paths for tests and benchmarks: exact times, messages of agents, raw payloads, new
 * credentials. */
#include <stdlib.h>

#include "acs.h"
#include "base/clock.h"
#include "base/mem.h"
#include "ecs.h"

#define NOTES_MAX  1000
#define ANSWER_MAX (64 << 20)

struct note {
    char *instance, *text;
    int64_t at_us;
};

struct local {
    struct ecs *x;
    struct note notes[NOTES_MAX]; /* a ring */
    int64_t noted;                /* how many ever */
};

void local_note_message(struct local *l, const struct instance *i, struct str text)
{
    struct note *n = &l->notes[l->noted++ % NOTES_MAX];

    free(n->instance);
    free(n->text);
    *n = (struct note){ mem_strdup(i->arn), mem_strndup(text.p, text.n), cp_server_mono_us() };
}

static void answer(struct cp_http *h, struct buf *b)
{
    if (b->overflowed)
        cp_http_reply(h, 500, "text/plain", str_of("the answer is too large\n"));
    else
        cp_http_reply(h, 200, "application/json", buf_str(b));
    buf_fini(b);
}

/* ---- GET /_local/tasks?cluster=NAME ---- */

static void write_times(struct jw *w, const struct task *t)
{
    jw_object(w);
    jw_kstr(w, "taskArn", t->arn);
    jw_kstr(w, "family", t->def->family);
    jw_kstr(w, "lastStatus", task_status_name(t->status));
    jw_kstr(w, "desiredStatus", task_status_name(t->desired));
    jw_kint(w, "created_us", t->created_us);
    jw_kint(w, "payload_sent_us", t->payload_sent_us);
    jw_kint(w, "acked_us", t->acked_us);
    jw_kint(w, "running_us", t->running_us);
    jw_kint(w, "stopped_us", t->stopped_us);
    jw_karray(w, "containers");
    for (size_t i = 0; i < t->container_count; i++) {
        jw_object(w);
        jw_kstr(w, "name", t->containers[i].name);
        jw_kstr(w, "lastStatus", task_status_name(t->containers[i].status));
        jw_kint(w, "started_us", t->containers[i].started_us);
        jw_end(w);
    }
    jw_end(w);
    jw_end(w);
}

static void on_tasks(void *user, struct cp_http *h)
{
    struct local *l = user;
    const char *name = h->query(h, "cluster");
    const struct cluster *cl = name ? model_cluster_find(l->x->model, name) : NULL;
    struct buf b = BUF_INIT(ANSWER_MAX);
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    jw_kint(&w, "now_us", cp_server_mono_us());
    jw_karray(&w, "tasks");
    LIST_FOREACH (n, next, &l->x->model->tasks) {
        const struct task *t = MODEL_OF(n, task);

        if (!name || t->cluster == cl)
            write_times(&w, t);
    }
    jw_end(&w);
    jw_end(&w);
    answer(h, &b);
}

/* ---- GET /_local/agent-messages?since=N ---- */

static void write_note(struct jw *w, const struct note *n, int64_t number)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };

    jw_object(w);
    jw_kint(w, "number", number);
    jw_kstr(w, "containerInstance", n->instance);
    jw_kint(w, "received_us", n->at_us);
    if (json_parse(n->text, str_of(n->text).n, &doc, &e)) {
        jw_kstr(w, "text", n->text);
    } else {
        jw_key(w, "message");
        jw_value(w, doc);
    }
    jw_end(w);
}

static void on_messages(void *user, struct cp_http *h)
{
    struct local *l = user;
    const char *text = h->query(h, "since");
    int64_t since = 0, first = l->noted > NOTES_MAX ? l->noted - NOTES_MAX : 0;
    struct buf b = BUF_INIT(ANSWER_MAX);
    struct err e = { 0 };
    struct jw w;

    if (text && str_to_int(text, 0, INT64_MAX, &since, &e)) {
        cp_http_reply(h, 400, "text/plain", str_of("since is not a number\n"));
        return;
    }
    jw_init(&w, &b);
    jw_object(&w);
    jw_kint(&w, "next", l->noted);
    jw_karray(&w, "messages");
    for (int64_t i = since > first ? since : first; i < l->noted; i++)
        write_note(&w, &l->notes[i % NOTES_MAX], i);
    jw_end(&w);
    jw_end(&w);
    answer(h, &b);
}

/* ---- POST /_local/payload ---- */

/* What to send: the text of `raw`, or `message` as JSON. */
static bool payload_text(const struct jcur *body, struct buf *out)
{
    struct jcur message = jcur_get(body, "message");
    const char *raw = jcur_str_or(body, "raw", NULL);

    if (raw)
        return buf_puts(out, raw);
    return jcur_present(&message) && json_dump(message.val, out);
}

static void on_payload(void *user, struct cp_http *h)
{
    struct local *l = user;
    AUTO(json) struct json_t *doc = NULL;
    struct buf text = BUF_INIT(ANSWER_MAX);
    struct err e = { 0 };
    struct instance *i;
    struct jcur body;

    if (!streq(h->method, "POST") || json_parse(h->body.p, h->body.n, &doc, &e)) {
        cp_http_reply(h, 400, "text/plain", str_of("POST a JSON object\n"));
        return;
    }
    body = jcur_root(doc, &e);
    i = model_instance_find(l->x->model, NULL, jcur_str_or(&body, "instance", ""));
    if (!payload_text(&body, &text) || !jcur_ok(&body))
        cp_http_reply(h, 400, "text/plain", str_of("neither message nor raw was given\n"));
    else if (!i || !acs_send_raw(l->x->acs, i, buf_str(&text)))
        cp_http_reply(h, 409, "text/plain", str_of("the instance is not connected\n"));
    else
        cp_http_reply(h, 200, "application/json", str_of("{}"));
    buf_fini(&text);
}

/* ---- POST /_local/refresh-credentials {"task":ARN,"role":"execution","old_valid_s":0} ---- */

static void on_refresh(void *user, struct cp_http *h)
{
    struct local *l = user;
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    const char *role;
    struct jcur body;
    struct task *t;
    int64_t grace_s;
    int sent = -1;

    if (!streq(h->method, "POST") || json_parse(h->body.p, h->body.n, &doc, &e)) {
        cp_http_reply_error(h, 400, "POST a JSON object");
        return;
    }
    body = jcur_root(doc, &e);
    t = model_task_find(l->x->model, NULL, jcur_str(&body, "task"));
    role = jcur_str_or(&body, "role", "");
    grace_s = jcur_int_or(&body, "old_valid_s", 0, 86400, 0);
    if (*role && !streq(role, "execution") && !streq(role, "task"))
        jcur_fail(&body, "role is execution or task");
    if (!jcur_ok(&body)) {
        cp_http_reply_error(h, 400, e.msg);
        return;
    }
    /* A second earlier, so that "now" is over for a request that comes at once. */
    if (t)
        sent = acs_refresh(l->x->acs, t, !streq(role, "execution"), !streq(role, "task"),
                           clock_wall_ms() + grace_s * 1000 - (grace_s ? 0 : 1000));
    if (sent < 0)
        cp_http_reply_error(h, 409, "no such task, or its instance is not connected");
    else
        cp_http_reply_number(h, "sent", sent);
}

/* ---- life ---- */

struct local *local_create(struct ecs *x)
{
    struct local *l = NEW(struct local);

    l->x = x;
    cp_server_add_path(x->server, "/_local/tasks", on_tasks, l);
    cp_server_add_path(x->server, "/_local/agent-messages", on_messages, l);
    cp_server_add_path(x->server, "/_local/payload", on_payload, l);
    cp_server_add_path(x->server, "/_local/refresh-credentials", on_refresh, l);
    return l;
}

void local_destroy(struct local *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < NOTES_MAX; i++) {
        free(l->notes[i].instance);
        free(l->notes[i].text);
    }
    free(l);
}
