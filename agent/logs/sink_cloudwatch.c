#include <stdlib.h>
#include <string.h>

#include "aws/aws_call.h"
#include "base/json.h"
#include "base/mem.h"
#include "logs/sink.h"

#define CALL_MS 30000

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
    sink_done_fn *done;
    void *user;
};

void sink_cancel(struct sink_put *p)
{
    if (!p)
        return;
    aws_call_cancel(p->call);
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

static enum sink_verdict verdict_of(enum step step, const char *code, const struct err *e)
{
    /* Without a name it was no answer of the service: keys, TLS, connection. Keys that are
     * out of date now are soon replaced. */
    if (e->code == ERR_DENIED)
        return !*code || aws_code_expired(code) ? SINK_LATER : SINK_BLOCKED;
    if (e->code == ERR_INVALID)
        return step == PUT && str_starts(code, "InvalidParameter") ? SINK_INVALID : SINK_BLOCKED;
    return SINK_LATER;
}

/* ---- the steps ---- */

static void call(struct sink_put *p, enum step step);

static void put_answered(struct sink_put *p, struct str body, const char *code, const struct err *e)
{
    struct sink_answer stored = { .verdict = SINK_STORED, .e = e };

    /* Old services know which batches they have. */
    if (!e->code || streq(code, "DataAlreadyAcceptedException")) {
        if (!e->code)
            read_rejected(body, p->args.n_events, &stored);
        finish(p, &stored);
    } else if (e->code == ERR_NOT_FOUND && !p->made_stream) {
        call(p, CREATE_STREAM);
    } else {
        /* A new stream may still be unknown for a moment. */
        fail(p, verdict_of(PUT, code, e), e);
    }
}

static void stream_answered(struct sink_put *p, const char *code, const struct err *e)
{
    struct err missing = { 0 };

    if (!e->code || e->code == ERR_CONFLICT) {
        p->made_stream = true;
        call(p, PUT);
    } else if (e->code == ERR_NOT_FOUND && !p->args.to->create_group) {
        err_set(&missing, ERR_NOT_FOUND, "the log group %s does not exist", p->args.to->group);
        fail(p, SINK_BLOCKED, &missing);
    } else if (e->code == ERR_NOT_FOUND && !p->made_group) {
        call(p, CREATE_GROUP);
    } else {
        fail(p, verdict_of(CREATE_STREAM, code, e), e);
    }
}

static void group_answered(struct sink_put *p, const char *code, const struct err *e)
{
    if (!e->code || e->code == ERR_CONFLICT) {
        p->made_group = true;
        call(p, CREATE_STREAM);
    } else {
        fail(p, verdict_of(CREATE_GROUP, code, e), e);
    }
}

static void on_answer(void *user, const struct aws_result *a)
{
    struct sink_put *p = user;

    p->call = NULL;
    switch (p->step) {
    case PUT:
        put_answered(p, a->body, a->error_code, a->e);
        break;
    case CREATE_STREAM:
        stream_answered(p, a->error_code, a->e);
        break;
    case CREATE_GROUP:
        group_answered(p, a->error_code, a->e);
        break;
    }
}

static void write_names(struct buf *b, const struct log_options *to, bool stream)
{
    struct jw w;

    jw_init(&w, b);
    jw_object(&w);
    jw_kstr(&w, "logGroupName", to->group);
    if (stream)
        jw_kstr(&w, "logStreamName", to->stream);
    jw_end(&w);
}

static void call(struct sink_put *p, enum step step)
{
    const struct log_options *to = p->args.to;
    const struct aws_service service = { .endpoint = to->endpoint,
                                         .region = to->region,
                                         .service = "logs",
                                         .target_prefix = "Logs_20140328" };
    struct aws_call_args args = { .service = &service,
                                  .operation = operations[step],
                                  .body = p->args.body,
                                  .timeout_ms = CALL_MS };
    AUTO(buf) struct buf names = BUF_INIT(16384);
    struct role_credentials role;
    struct sigv4_keys keys;
    struct err e = { 0 };

    p->step = step;
    if (p->args.role_id) {
        /* Never with other keys: they might be allowed to write elsewhere. */
        if (!roles_get(p->sink->roles, p->args.role_id, &role)) {
            err_set(&e, ERR_DENIED, "the keys of the task's execution role are not known yet");
            fail(p, SINK_LATER, &e);
            return;
        }
        keys = (struct sigv4_keys){ role.access_key, role.secret_key, role.session_token };
        args.keys = &keys;
    }
    if (step != PUT) {
        write_names(&names, to, step == CREATE_STREAM);
        args.body = buf_str(&names);
    }
    p->call = aws_call(p->sink->aws, p->sink->credentials, &args, on_answer, p);
}

static void on_start(void *user)
{
    call(user, PUT);
}

struct sink_put *sink_put(const struct sink *sink, const struct sink_put_args *args,
                          sink_done_fn *done, void *user)
{
    struct sink_put *p = NEW(struct sink_put);

    p->sink = sink;
    p->args = *args;
    p->done = done;
    p->user = user;
    p->start = loop_timer_create(http_client_loop(aws_http(sink->aws)), on_start, p);
    loop_timer_arm(p->start, 0);
    return p;
}
