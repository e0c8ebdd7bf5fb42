#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "logs/sink_internal.h"

#define NAMES_MAX 16384

enum step { PUT, CREATE_STREAM, CREATE_GROUP };

static const char *const operations[] = {
    [PUT] = "PutLogEvents",
    [CREATE_STREAM] = "CreateLogStream",
    [CREATE_GROUP] = "CreateLogGroup",
};

struct sink_put {
    const struct sink *sink;
    struct sink_put_args args;
    enum step step;
    bool made_stream, made_group;
    struct loop_timer *start; /* so that trouble with keys is told on a later turn */
    struct aws_call *call;
    struct file_put *file; /* instead of all that */
    struct buf names;      /* the body of a create */
    sink_done_fn *done;
    void *user;
};

void sink_cancel(struct sink_put *p)
{
    if (!p)
        return;
    aws_call_cancel(p->call);
    file_put_cancel(p->file);
    buf_fini(&p->names);
    loop_timer_destroy(p->start);
    free(p);
}

static void finish(struct sink_put *p, const struct sink_answer *a)
{
    sink_done_fn *done = p->done;
    void *user = p->user;

    sink_cancel(p);
    done(user, a);
}

static void fail(struct sink_put *p, enum sink_verdict verdict, const struct err *e)
{
    finish(p, &(struct sink_answer){ .verdict = verdict, .e = e });
}

/* ---- answers ---- */

/* Rejected are the events from the first too new one on, and those before the ends
 * of too old and of expired; the latter two may overlap. */
static void read_rejected(struct str body, size_t n, struct sink_answer *a)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err bad = { 0 };
    struct jcur root, info;
    int64_t last = (int64_t)n, too_new, too_old, expired;

    if (!body.n || json_parse(body.p, body.n, &doc, &bad))
        return;
    root = jcur_root(doc, &bad);
    info = jcur_obj(&root, "rejectedLogEventsInfo");
    too_new = jcur_int_or(&info, "tooNewLogEventStartIndex", 0, INT32_MAX, last);
    too_old = jcur_int_or(&info, "tooOldLogEventEndIndex", 0, INT32_MAX, 0);
    expired = jcur_int_or(&info, "expiredLogEventEndIndex", 0, INT32_MAX, 0);
    if (bad.code)
        return;
    too_old = too_old < last ? too_old : last;
    expired = expired < last ? expired : last;
    a->too_new = (size_t)(too_new < last ? last - too_new : 0);
    a->too_old = (size_t)too_old;
    a->expired = (size_t)(expired > too_old ? expired - too_old : 0);
}

static enum sink_verdict verdict_of(enum step step, const struct aws_result *a)
{
    const char *code = a->error_code;

    if (sink_throttled(a))
        return SINK_LATER;
    /* Somebody on the way takes no such long requests, and says so in any words. */
    if (step == PUT && a->r && a->r->status == 413)
        return SINK_INVALID;
    /* Without a name it was no answer of the service: keys, TLS, connection. Keys that are
     * out of date now are soon replaced. */
    if (a->e->code == ERR_DENIED)
        return !*code || aws_code_expired(code) ? SINK_LATER : SINK_BLOCKED;
    if (a->e->code == ERR_INVALID)
        return step == PUT && str_starts(code, "InvalidParameter") ? SINK_INVALID : SINK_BLOCKED;
    return SINK_LATER;
}

/* An answer that says that something broke on its way, or none at all, leaves open what was done
 * before that. (503 is said before anything is.) */
static bool is_unknown(const struct aws_result *a)
{
    return sink_away(a) && a->sent && (!a->r || a->r->status != 503);
}

static void fail_by(struct sink_put *p, const struct aws_result *a)
{
    finish(p, &(struct sink_answer){ .verdict = verdict_of(p->step, a),
                                     .throttled = sink_throttled(a),
                                     .unknown = p->step == PUT && is_unknown(a),
                                     .away = sink_away(a),
                                     .e = a->e });
}

/* ---- the steps ---- */

static void call(struct sink_put *p, enum step step);

static void fail_missing(struct sink_put *p, const char *what, const char *name)
{
    struct err e = { 0 };

    err_set(&e, ERR_NOT_FOUND, "the log %s %s does not exist", what, name);
    fail(p, SINK_BLOCKED, &e);
}

static void put_answered(struct sink_put *p, const struct aws_result *a)
{
    struct sink_answer stored = { .verdict = SINK_STORED, .e = a->e };

    /* Old services know which batches they have. */
    if (!a->e->code || streq(a->error_code, "DataAlreadyAcceptedException")) {
        if (!a->e->code)
            read_rejected(a->body, p->args.n_events, &stored);
        finish(p, &stored);
    } else if (a->e->code != ERR_NOT_FOUND || p->made_stream) {
        /* A new stream may still be unknown for a moment. */
        fail_by(p, a);
    } else if (p->args.to->create_stream) {
        call(p, CREATE_STREAM);
    } else {
        fail_missing(p, "stream", p->args.to->stream);
    }
}

static void stream_answered(struct sink_put *p, const struct aws_result *a)
{
    if (!a->e->code || a->e->code == ERR_CONFLICT) {
        p->made_stream = true;
        call(p, PUT);
    } else if (a->e->code == ERR_NOT_FOUND && !p->args.to->create_group) {
        fail_missing(p, "group", p->args.to->group);
    } else if (a->e->code == ERR_NOT_FOUND && !p->made_group) {
        call(p, CREATE_GROUP);
    } else {
        fail_by(p, a);
    }
}

static void group_answered(struct sink_put *p, const struct aws_result *a)
{
    if (!a->e->code || a->e->code == ERR_CONFLICT) {
        p->made_group = true;
        call(p, CREATE_STREAM);
    } else {
        fail_by(p, a);
    }
}

static void on_answer(void *user, const struct aws_result *a)
{
    struct sink_put *p = user;

    p->call = NULL;
    switch (p->step) {
    case PUT:
        put_answered(p, a);
        break;
    case CREATE_STREAM:
        stream_answered(p, a);
        break;
    case CREATE_GROUP:
        group_answered(p, a);
        break;
    }
}

static void call(struct sink_put *p, enum step step)
{
    struct sink_ask ask = { .operation = operations[step],
                            .to = p->args.to,
                            .role_id = p->args.role_id,
                            .body = p->args.body,
                            .format = step == PUT };
    struct err e = { 0 };
    struct jw w;

    p->step = step;
    if (step != PUT) {
        buf_reset(&p->names);
        jw_init(&w, &p->names);
        sink_write_names(&w, p->args.to, step == CREATE_STREAM);
        jw_end(&w);
        ask.body = buf_str(&p->names);
    }
    p->call = sink_call(p->sink, &ask, on_answer, p, &e);
    if (!p->call)
        fail(p, SINK_LATER, &e);
}

static void on_start(void *user)
{
    call(user, PUT);
}

static void on_file(void *user, const struct sink_answer *a)
{
    struct sink_put *p = user;

    p->file = NULL;
    finish(p, a);
}

struct sink_put *sink_put(const struct sink *sink, const struct sink_put_args *args,
                          sink_done_fn *done, void *user)
{
    struct sink_put *p = NEW(struct sink_put);

    p->sink = sink;
    p->args = *args;
    p->done = done;
    p->user = user;
    buf_init(&p->names, NAMES_MAX);
    if (sink->file_dir) {
        p->file = file_put(sink->loop, sink->file_dir, args, on_file, p);
        return p;
    }
    p->start = loop_timer_create(sink->loop, on_start, p);
    loop_timer_arm(p->start, 0);
    return p;
}
