#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "logs/sink_internal.h"

#define BODY_MAX   16384
#define ANSWER_MAX ((size_t)8 << 20) /* a page is 1 MiB of text, which JSON may make longer */
#define PAGE       10000
#define PAGES_MAX  1000 /* a service whose tokens never end; pages may be empty */

struct found { /* texts move while they are gathered */
    int64_t when_ms;
    size_t at, n;
};

struct sink_read {
    const struct sink *sink;
    const struct log_options *to;
    const char *role_id;
    int64_t from_ms, to_ms;
    char *token; /* of the next page */
    struct buf body, texts;
    struct found *found;
    size_t n, room, pages;
    bool full;
    struct loop_timer *start;
    struct aws_call *call;
    sink_read_fn *done;
    void *user;
};

void sink_read_cancel(struct sink_read *r)
{
    if (!r)
        return;
    aws_call_cancel(r->call);
    loop_timer_destroy(r->start);
    buf_fini(&r->body);
    buf_fini(&r->texts);
    free(r->found);
    free(r->token);
    free(r);
}

static void finish(struct sink_read *r, const struct sink_found *found)
{
    sink_read_fn *done = r->done;
    void *user = r->user;

    sink_read_cancel(r);
    done(user, found);
}

static void succeed(struct sink_read *r)
{
    const struct err none = { 0 };
    struct batch_event *events = mem_array(r->n + 1, sizeof *events);
    struct sink_found found = { .events = events, .n = r->n, .e = &none };
    struct buf texts = r->texts;

    for (size_t i = 0; i < r->n; i++)
        events[i] = (struct batch_event){ r->found[i].when_ms,
                                          { buf_text(&texts) + r->found[i].at, r->found[i].n } };
    buf_init(&r->texts, 0);
    finish(r, &found);
    free(events);
    buf_fini(&texts);
}

static void take(struct sink_read *r, int64_t when_ms, struct str text)
{
    size_t at = r->texts.len;

    if (r->full || r->n == SINK_READ_EVENTS || text.n > SINK_READ_BYTES - at) {
        r->full = true;
        return;
    }
    if (r->n == r->room) {
        r->room = r->room ? 2 * r->room : 256;
        r->found = mem_resize(r->found, r->room, sizeof *r->found);
    }
    buf_append(&r->texts, text.p, text.n);
    r->found[r->n++] = (struct found){ when_ms, at, text.n };
}

/* True when there is another page. The last one gives the token that it was asked with. */
static bool take_page(struct sink_read *r, struct str body, struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct jcur root, events;
    const char *next;

    if (json_parse(body.p, body.n, &doc, e))
        return false;
    root = jcur_root(doc, e);
    events = jcur_arr(&root, "events");
    JCUR_EACH (item, &events) {
        int64_t when_ms = jcur_int(&item, "timestamp", INT64_MIN, INT64_MAX);
        struct jcur text = jcur_get(&item, "message");

        take(r, when_ms, jcur_as_bytes(&text));
    }
    r->full = r->full || ++r->pages == PAGES_MAX;
    next = jcur_str_or(&root, "nextForwardToken", NULL);
    if (e->code || r->full || !next || (r->token && streq(next, r->token)))
        return false;
    mem_replace(&r->token, next);
    return true;
}

static void ask(struct sink_read *r);

static void on_answer(void *user, const struct aws_result *a)
{
    struct sink_read *r = user;
    struct err e = *a->e;

    r->call = NULL;
    if (!e.code && take_page(r, a->body, &e)) {
        ask(r);
    } else if (e.code) {
        struct sink_found found = { .throttled = sink_throttled(a), .away = sink_away(a), .e = &e };

        /* Keys that are out of date now are soon replaced. */
        if (e.code == ERR_DENIED && (!*a->error_code || aws_code_expired(a->error_code)))
            e.code = ERR_RETRY;
        finish(r, &found);
    } else {
        succeed(r);
    }
}

static void ask(struct sink_read *r)
{
    struct sink_ask ask = {
        .operation = "GetLogEvents", .to = r->to, .role_id = r->role_id, .max_answer = ANSWER_MAX
    };
    struct err e = { 0 };
    struct jw w;

    buf_reset(&r->body);
    jw_init(&w, &r->body);
    sink_write_names(&w, r->to, true);
    jw_kint(&w, "startTime", r->from_ms);
    jw_kint(&w, "endTime", r->to_ms + 1); /* exclusive */
    jw_kint(&w, "limit", PAGE);
    jw_kbool(&w, "startFromHead", true);
    jw_kstr_if(&w, "nextToken", r->token);
    jw_end(&w);
    ask.body = buf_str(&r->body);
    r->call = sink_call(r->sink, &ask, on_answer, r, &e);
    if (!r->call) {
        e.code = ERR_RETRY;
        finish(r, &(struct sink_found){ .e = &e });
    }
}

static void on_start(void *user)
{
    struct sink_read *r = user;
    struct err e = { 0 };

    if (!r->sink->file_dir) {
        ask(r);
        return;
    }
    err_set(&e, ERR_NOT_FOUND, "files are not asked");
    finish(r, &(struct sink_found){ .e = &e });
}

struct sink_read *sink_read(const struct sink *sink, const struct log_options *to,
                            const char *role_id, int64_t from_ms, int64_t to_ms, sink_read_fn *done,
                            void *user)
{
    struct sink_read *r = NEW(struct sink_read);

    r->sink = sink;
    r->to = to;
    r->role_id = role_id;
    r->from_ms = from_ms;
    r->to_ms = to_ms;
    r->done = done;
    r->user = user;
    buf_init(&r->body, BODY_MAX);
    buf_init(&r->texts, SINK_READ_BYTES);
    r->start = loop_timer_create(sink->loop, on_start, r);
    loop_timer_arm(r->start, 0);
    return r;
}
