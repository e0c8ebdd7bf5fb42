#include "endpoints/protection.h"

#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"
#include "endpoints/parts.h"

#define ATTEMPTS   3
#define RETRY_MS   500 /* a pause of the SDKs' length may be all the time there is */
#define BODY_MAX   (64 * 1024)
#define ANSWER_MAX (64 * 1024)

#define INVALID    "InvalidParameterException"
#define SERVER     "ServerException"
#define UNEXPECTED "Unexpected error occurred"
#define TIMED_OUT  "Timed out calling ECS Task Protection API"

/* ---- what is wished ---- */

/* Names match in any case, as the reference's decoder has it. */
static bool read_member(const struct jcur *m, struct protection_wish *w)
{
    bool enabled = strcasecmp(m->key, "ProtectionEnabled") == 0;
    enum json_type type = jcur_type(m);

    if (!enabled && strcasecmp(m->key, "ExpiresInMinutes") != 0)
        return false;
    if (!jcur_present(m))
        return true; /* null */
    if (enabled && type == JSON_BOOL) {
        w->has_enabled = true;
        w->enabled = jcur_bool_or(m->up, m->key, false);
    } else if (!enabled && type == JSON_INT) {
        w->has_expires = true;
        w->expires_minutes = jcur_as_int(m, INT64_MIN, INT64_MAX);
    } else {
        return false;
    }
    return true;
}

bool protection_wish_read(struct str body, struct protection_wish *out)
{
    AUTO(json) struct json_t *v = NULL;
    struct protection_wish w = { 0 };
    struct err e = { 0 };
    struct jcur root, member;

    if (json_parse(body.p, body.n, &v, &e))
        return false;
    root = jcur_root(v, &e);
    if (!jcur_present(&root)) {
        *out = w; /* null says nothing */
        return true;
    }
    if (!jcur_expect(&root, JSON_OBJ))
        return false;
    for (size_t i = 0; jcur_member(&root, i, &member); i++) {
        if (!read_member(&member, &w))
            return false;
    }
    if (e.code)
        return false;
    *out = w;
    return true;
}

/* ---- what is answered ---- */

static void begin_answer(struct jw *w, struct buf *out, const char *request_id)
{
    jw_init(w, out);
    jw_object(w);
    jw_kstr_if(w, "requestID", request_id);
}

static int answer_error(struct buf *out, int status, const char *request_id, const char *arn,
                        const char *code, const char *message)
{
    struct jw w;

    begin_answer(&w, out, request_id);
    jw_kobject(&w, "error");
    jw_kstr_if(&w, "Arn", arn);
    jw_kstr(&w, "Code", code);
    jw_kstr(&w, "Message", message);
    jw_end(&w);
    jw_end(&w);
    return status;
}

static void write_failure(struct jw *w, const struct jcur *f)
{
    jw_kobject(w, "failure");
    jw_kstr(w, "Arn", jcur_str_or(f, "arn", NULL));
    jw_kstr(w, "Detail", jcur_str_or(f, "detail", NULL));
    jw_kstr(w, "Reason", jcur_str_or(f, "reason", NULL));
    jw_end(w);
}

static void write_protection(struct jw *w, const struct jcur *t)
{
    double until = jcur_num_or(t, "expirationDate", 0);

    jw_kobject(w, "protection");
    if (until > 0 && until < 1e11) {
        part_time(w, "ExpirationDate", (int64_t)(until * 1000 + 0.5));
    } else {
        jw_key(w, "ExpirationDate");
        jw_null(w);
    }
    jw_kbool(w, "ProtectionEnabled", jcur_bool_or(t, "protectionEnabled", false));
    jw_kstr(w, "TaskArn", jcur_str_or(t, "taskArn", NULL));
    jw_end(w);
}

static int answer_success(const struct protection_heard *h, struct buf *out)
{
    AUTO(json) struct json_t *v = NULL;
    struct err e = { 0 };
    struct jcur root, tasks, failures, one;
    size_t n_tasks, n_failures;
    struct jw w;

    if (json_parse(h->body.p, h->body.n, &v, &e))
        return answer_error(out, 500, NULL, h->task_arn, SERVER, UNEXPECTED);
    root = jcur_root(v, &e);
    tasks = jcur_arr(&root, "protectedTasks");
    failures = jcur_arr(&root, "failures");
    n_tasks = jcur_len(&tasks);
    n_failures = jcur_len(&failures);
    if (n_failures > 1 || (!n_failures && n_tasks != 1))
        return answer_error(out, 500, NULL, h->task_arn, SERVER, UNEXPECTED);
    begin_answer(&w, out, h->request_id);
    one = jcur_at(n_failures ? &failures : &tasks, 0);
    if (n_failures)
        write_failure(&w, &one);
    else
        write_protection(&w, &one);
    jw_end(&w);
    if (!e.code)
        return 200;
    buf_reset(out);
    return answer_error(out, 500, NULL, h->task_arn, SERVER, UNEXPECTED);
}

/* The service's own words: without the names of the operation and of the error in front. */
static const char *words_of(const struct protection_heard *h)
{
    const char *at = strstr(h->e->msg, h->error_code);

    if (!at)
        return h->e->msg;
    at += strlen(h->error_code);
    return str_starts(at, ": ") ? at + 2 : "";
}

int protection_answer(const struct protection_heard *h, struct buf *out)
{
    if (!h->e->code)
        return answer_success(h, out);
    if (h->status && *h->error_code)
        return answer_error(out, h->status, h->request_id, h->task_arn, h->error_code, words_of(h));
    if (h->e->code == ERR_TIMEOUT)
        return answer_error(out, 504, NULL, h->task_arn, "RequestCanceled", TIMED_OUT);
    return answer_error(out, 500, NULL, h->task_arn, SERVER, h->e->msg);
}

/* ---- one request ---- */

struct request {
    const struct protection_endpoint *e;
    struct http_call *c;
    char *task_arn;
    struct aws_call *call;
    struct loop_timer *limit;
};

static void request_destroy(struct request *r)
{
    aws_call_cancel(r->call);
    loop_timer_destroy(r->limit);
    free(r->task_arn);
    free(r);
}

static void on_gone(void *user, struct http_call *c)
{
    (void)c;
    request_destroy(user);
}

static void reply(const struct protection_endpoint *e, struct http_call *c, int status,
                  const struct buf *json)
{
    endpoint_reply_json(e->listener, c, status, buf_str(json));
}

static void tell(struct request *r, const struct protection_heard *h)
{
    AUTO(buf) struct buf out = BUF_INIT(ANSWER_MAX);
    int status = protection_answer(h, &out);

    reply(r->e, r->c, status, &out);
    request_destroy(r);
}

static void on_limit(void *user)
{
    struct request *r = user;
    struct err e = { 0 };

    err_set(&e, ERR_TIMEOUT, TIMED_OUT);
    tell(r, &(struct protection_heard){ .task_arn = r->task_arn, .error_code = "", .e = &e });
}

static void on_answer(void *user, const struct aws_result *a)
{
    struct request *r = user;

    r->call = NULL;
    tell(r, &(struct protection_heard){ .task_arn = r->task_arn,
                                        .request_id =
                                            a->r ? http_header(a->r, "x-amzn-RequestId") : NULL,
                                        .status = a->r ? a->r->status : 0,
                                        .body = a->body,
                                        .error_code = a->error_code,
                                        .e = a->e });
}

/* `wish` NULL: how it is. */
static void write_question(struct jw *w, const char *cluster, const char *task_arn,
                           const struct protection_wish *wish)
{
    jw_object(w);
    jw_kstr(w, "cluster", cluster);
    if (wish)
        jw_kbool(w, "protectionEnabled", wish->enabled);
    if (wish && wish->has_expires)
        jw_kint(w, "expiresInMinutes", wish->expires_minutes);
    jw_karray(w, "tasks");
    jw_str(w, task_arn);
    jw_end(w);
    jw_end(w);
}

static void ask(const struct protection_endpoint *e, struct http_call *c, const char *task_arn,
                const struct role_credentials *role, const struct protection_wish *wish)
{
    struct sigv4_keys keys = { role->access_key, role->secret_key, role->session_token };
    AUTO(buf) struct buf body = BUF_INIT(BODY_MAX);
    int64_t limit_ms = e->limit_ms ? e->limit_ms : PROTECTION_LIMIT_MS;
    struct request *r = NEW(struct request);
    struct aws_call_args args = { .service = e->ecs,
                                  .operation = wish ? "UpdateTaskProtection" : "GetTaskProtection",
                                  .timeout_ms = limit_ms,
                                  .max_answer = ANSWER_MAX,
                                  .attempts = ATTEMPTS,
                                  .retry_max_ms = RETRY_MS,
                                  .user_agent = e->user_agent,
                                  .keys = &keys };
    struct jw w;

    jw_init(&w, &body);
    write_question(&w, e->source.cluster(e->source.user), task_arn, wish);
    args.body = buf_str(&body);
    r->e = e;
    r->c = c;
    r->task_arn = mem_strdup(task_arn);
    http_call_later(c, on_gone, r);
    r->limit = loop_timer_create(e->loop, on_limit, r);
    loop_timer_arm(r->limit, limit_ms);
    r->call = aws_call(e->aws, NULL, &args, on_answer, r);
}

static bool keys_of(const struct protection_endpoint *e, const char *task_arn, const char *id,
                    struct role_credentials *out)
{
    return !str_empty(id) && roles_get(e->roles, id, out) && !str_empty(out->access_key) &&
           (str_empty(out->task_arn) || streq(out->task_arn, task_arn));
}

/* The order of the checks is the reference's. */
void protection_serve(const struct protection_endpoint *e, struct http_call *c,
                      const struct route_match *m)
{
    const struct http_call_head *head = http_call_head(c);
    const struct protection_source *s = &e->source;
    bool put = streq(head->method, "PUT");
    AUTO(str) char *id = mem_strndup(m->parts[0].p, m->parts[0].n);
    AUTO(buf) struct buf out = BUF_INIT(ANSWER_MAX);
    struct protection_wish wish = { 0 };
    const char *arn = NULL, *role_id = NULL;
    struct role_credentials role;
    int status;

    if (put && !protection_wish_read(head->body, &wish)) {
        status = answer_error(&out, 400, NULL, NULL, INVALID,
                              "UpdateTaskProtection: failed to decode request");
    } else if (!s->find(s->user, head, id, &arn)) {
        status = answer_error(&out, 404, NULL, NULL, "ResourceNotFoundException",
                              "Failed to find a task for the request");
    } else if (!s->role(s->user, arn, &role_id)) {
        status =
            answer_error(&out, 500, NULL, NULL, SERVER, "Failed to find a task for the request");
    } else if (put && !wish.has_enabled) {
        status = answer_error(&out, 400, NULL, arn, INVALID,
                              "Invalid request: does not contain 'ProtectionEnabled' field");
    } else if (!keys_of(e, arn, role_id, &role)) {
        status = answer_error(&out, 403, NULL, arn, "AccessDeniedException",
                              "Invalid Request: no task IAM role credentials available for task");
    } else {
        ask(e, c, arn, &role, put ? &wish : NULL);
        return;
    }
    reply(e, c, status, &out);
}
