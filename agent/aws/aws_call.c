#include "aws/aws_call.h"

#include <stdlib.h>

#include "aws/aws_answer.h"
#include "aws/internal.h"
#include "base/mem.h"
#include "base/secret.h"
#include "io/loop.h"

#define DEFAULT_TIMEOUT_MS 42000
#define DEFAULT_ANSWER     (1024 * 1024)
#define BODY_MAX           (16 * 1024 * 1024)
#define OWN_HEADERS        4
#define HEADERS            (2 + OWN_HEADERS + 3)
#define JSON_TYPE          "application/x-amz-json-1.1"
#define FORM_TYPE          "application/x-www-form-urlencoded; charset=utf-8"
#define NO_BODY            ((struct str){ "", 0 })

struct aws_call {
    struct aws *a;
    struct credentials *cred;
    struct credentials_op *cred_op;
    struct http_op *http_op;
    struct loop_timer *next; /* begins each attempt, and tells early trouble, on a fresh stack */
    struct err early;

    enum aws_protocol protocol;
    char *operation, *method, *url, *region, *service, *target, *user_agent;
    struct own_header {
        char *name, *value;
    } own[OWN_HEADERS];
    size_t n_own;
    char *body; /* NULL: it is lent */
    struct str sending;
    bool reached; /* the service may have it */
    int64_t timeout_ms, retry_max_ms;
    size_t max_answer;
    bool anonymous, own_keys;
    char *access_key, *secret_key, *session_token;

    int attempts, failed, sent;
    bool new_time, new_keys; /* each trouble is mended once */
    /* What the last attempt was signed with: another call may have learned better since. */
    int64_t signed_offset_ms;
    char *signed_by; /* the access key */

    aws_done_fn *done;
    void *user;
};

void aws_call_cancel(struct aws_call *c)
{
    if (!c)
        return;
    credentials_cancel(c->cred_op);
    http_cancel(c->http_op);
    loop_timer_destroy(c->next);
    mem_wipe(c->access_key);
    mem_wipe(c->secret_key);
    mem_wipe(c->session_token);
    free(c->signed_by);
    secret_free(c->body);
    for (size_t i = 0; i < c->n_own; i++) {
        free(c->own[i].name);
        mem_wipe(c->own[i].value);
    }
    free(c->operation);
    free(c->method);
    free(c->url);
    free(c->region);
    free(c->service);
    free(c->target);
    free(c->user_agent);
    free(c);
}

int aws_call_attempts(const struct aws_call *c)
{
    return c->sent;
}

static void finish(struct aws_call *c, const struct http_response *r, const char *error_code,
                   struct err *e)
{
    const struct aws_result result = { .body = r ? r->body : NO_BODY,
                                       .error_code = error_code,
                                       .r = r,
                                       .sent = c->reached,
                                       .e = e,
                                       .attempts = c->sent };
    aws_done_fn *done = c->done;
    void *user = c->user;

    if (e->code)
        err_wrap(e, "%s", c->operation);
    aws_counts_of(c->a, c->service, c->operation)->outcomes[aws_outcome_of(e->code)]++;
    aws_call_cancel(c);
    done(user, &result);
}

static void fail_later(struct aws_call *c, const struct err *e)
{
    c->early = *e;
    loop_timer_arm(c->next, 0);
}

/* ---- one attempt ---- */

/* Headers that are signed. The hash of the body, which is written there, is one of them where S3
 * wants it; the signature makes it anyway, and a body of log lines is dear to hash twice. */
static size_t put_headers(const struct aws_call *c, char hash[SIGV4_HASH_SIZE],
                          struct http_header *out)
{
    size_t n = 0;

    switch (c->protocol) {
    case AWS_JSON:
        out[n++] = (struct http_header){ "Content-Type", JSON_TYPE };
        out[n++] = (struct http_header){ "X-Amz-Target", c->target };
        break;
    case AWS_QUERY:
        out[n++] = (struct http_header){ "Content-Type", FORM_TYPE };
        break;
    case AWS_REST:
        sigv4_hash(c->sending, hash);
        out[n++] = (struct http_header){ "X-Amz-Content-Sha256", hash };
        break;
    }
    for (size_t i = 0; i < c->n_own; i++)
        out[n++] = (struct http_header){ c->own[i].name, c->own[i].value };
    return n;
}

static void on_answer(void *user, const struct http_response *r, const struct err *e);

/* `keys` is NULL for an anonymous call. */
static void send_attempt(struct aws_call *c, const struct sigv4_keys *keys)
{
    struct str body = c->sending;
    struct http_header headers[HEADERS];
    struct sigv4_header to_sign[HEADERS];
    char hash[SIGV4_HASH_SIZE];
    struct sigv4_signed sig = { 0 };
    struct err e = { 0 };
    size_t n;

    n = put_headers(c, hash, headers);
    if (keys) {
        struct sigv4_request rq = { .method = c->method,
                                    .url = c->url,
                                    .headers = to_sign,
                                    .n_headers = n,
                                    .body = body,
                                    .region = c->region,
                                    .service = c->service,
                                    .normalize_path = c->protocol != AWS_REST };

        for (size_t i = 0; i < n; i++)
            to_sign[i] = (struct sigv4_header){ headers[i].name, headers[i].value };
        if (sigv4_sign(&rq, keys, aws_now_ms(c->a), &sig, &e)) {
            fail_later(c, &e);
            return;
        }
        c->signed_offset_ms = aws_clock_offset_ms(c->a);
        mem_replace(&c->signed_by, keys->access_key);
        headers[n++] = (struct http_header){ "X-Amz-Date", sig.date };
        headers[n++] = (struct http_header){ "Authorization", buf_text(&sig.authorization) };
        if (!str_empty(keys->session_token))
            headers[n++] = (struct http_header){ "X-Amz-Security-Token", keys->session_token };
    }
    c->sent++;
    c->http_op = http_send(aws_http(c->a),
                           &(struct http_request){ .method = c->method,
                                                   .url = c->url,
                                                   .headers = headers,
                                                   .n_headers = n,
                                                   .body = body,
                                                   .lent = !c->body && body.n,
                                                   .timeout_ms = c->timeout_ms,
                                                   .user_agent = c->user_agent,
                                                   .max_body = c->max_answer },
                           on_answer, c);
    if (keys)
        sigv4_signed_fini(&sig);
}

static void on_keys(void *user, const struct sigv4_keys *keys, const struct err *e)
{
    struct aws_call *c = user;

    c->cred_op = NULL;
    if (keys)
        send_attempt(c, keys);
    else
        fail_later(c, e);
}

static void on_next(void *user)
{
    struct aws_call *c = user;

    if (c->early.code) {
        struct err e = c->early;

        finish(c, NULL, "", &e);
    } else if (c->anonymous) {
        send_attempt(c, NULL);
    } else if (c->own_keys) {
        struct sigv4_keys keys = { c->access_key, c->secret_key, c->session_token };

        send_attempt(c, &keys);
    } else {
        c->cred_op = credentials_get(c->cred, on_keys, c);
    }
}

/* ---- what follows an answer ---- */

/* True when the call goes on at once with what it lacked. */
static bool mend(struct aws_call *c, const struct http_response *r, const struct aws_answer *answer)
{
    /* An answer to HEAD cannot say why it refuses. */
    bool mute = r->body.n == 0 && (r->status == 400 || r->status == 403) && !*answer->code;

    if (c->anonymous || !answer->err.code)
        return false;
    if ((mute || aws_answer_untimely(answer->code)) && !c->new_time &&
        (aws_learn_time(c->a, http_header(r, "Date")) ||
         aws_clock_offset_ms(c->a) != c->signed_offset_ms)) {
        c->new_time = true;
    } else if (aws_code_expired(answer->code) && !c->own_keys && !c->new_keys) {
        c->new_keys = true;
        credentials_refused(c->cred, c->signed_by);
    } else {
        return false;
    }
    aws_counts_of(c->a, c->service, c->operation)->retries++;
    loop_timer_arm(c->next, 0);
    return true;
}

/* True when there is another attempt later. */
static bool try_again(struct aws_call *c, const struct http_response *r, const char *code,
                      const struct err *e)
{
    int64_t wish = aws_answer_retry_after_ms(r ? http_header(r, "Retry-After") : NULL), delay;

    if (r ? !aws_answer_retryable(r->status, code) : e->code != ERR_RETRY && e->code != ERR_TIMEOUT)
        return false;
    if (++c->failed >= c->attempts || !aws_retry_take(c->a, e->code == ERR_TIMEOUT))
        return false;
    delay = aws_retry_delay_ms(c->a, c->failed);
    if (c->retry_max_ms)
        delay %= c->retry_max_ms; /* jitter still */
    aws_counts_of(c->a, c->service, c->operation)->retries++;
    loop_timer_arm(c->next, delay > wish ? delay : wish);
    return true;
}

static void on_answer(void *user, const struct http_response *r, const struct err *e)
{
    struct aws_call *c = user;
    struct aws_answer answer = { .err = *e };

    c->reached = r || http_was_sent(c->http_op);
    c->http_op = NULL;
    if (r) {
        aws_answer_read(c->protocol, r->status, http_header(r, "X-Amzn-ErrorType"), r->body,
                        &answer);
        if (mend(c, r, &answer))
            return;
    }
    if (!answer.err.code)
        aws_retry_succeeded(c->a);
    else if (try_again(c, r, answer.code, &answer.err))
        return;
    finish(c, r, answer.code, &answer.err);
}

/* ---- the call ---- */

static void copy_headers(struct aws_call *c, const struct aws_call_args *args)
{
    for (; c->n_own < args->n_headers && c->n_own < OWN_HEADERS; c->n_own++) {
        c->own[c->n_own].name = mem_strdup(args->headers[c->n_own].name);
        c->own[c->n_own].value = secret_strdup(args->headers[c->n_own].value);
    }
    if (args->n_headers > OWN_HEADERS)
        err_set(&c->early, ERR_LIMIT, "%zu headers are too many", args->n_headers);
}

static void copy_request(struct aws_call *c, const struct aws_call_args *args)
{
    const struct aws_service *s = args->service;
    struct str base = str_of(s->endpoint);

    while (base.n > 0 && base.p[base.n - 1] == '/')
        base.n--;
    c->protocol = args->protocol;
    c->operation = mem_strdup(args->operation);
    c->region = mem_strdup(s->region);
    c->service = mem_strdup(s->service);
    c->user_agent = mem_strdup(args->user_agent);
    if (args->protocol == AWS_REST) {
        c->method = mem_strdup(args->method);
        c->url = mem_printf("%.*s%s", (int)base.n, base.p, args->path);
    } else {
        c->method = mem_strdup("POST");
        c->url = mem_printf("%.*s/", (int)base.n, base.p);
    }
    if (args->protocol == AWS_JSON)
        c->target = mem_printf("%s.%s", s->target_prefix, args->operation);
    copy_headers(c, args);
    c->sending = args->body;
    if (args->body.n > BODY_MAX) {
        err_set(&c->early, ERR_LIMIT, "a request of %zu bytes is too long", args->body.n);
        c->sending = NO_BODY;
    } else if (!args->lent) {
        c->body = secret_alloc(args->body.n + 1);
        if (args->body.n > 0)
            memcpy(c->body, args->body.p, args->body.n);
        c->sending.p = c->body;
    }
}

struct aws_call *aws_call(struct aws *a, struct credentials *cred, const struct aws_call_args *args,
                          aws_done_fn *done, void *user)
{
    struct aws_call *c = NEW(struct aws_call);

    c->a = a;
    c->cred = cred;
    c->done = done;
    c->user = user;
    c->timeout_ms = args->timeout_ms ? args->timeout_ms : DEFAULT_TIMEOUT_MS;
    c->retry_max_ms = args->retry_max_ms;
    c->max_answer = args->max_answer ? args->max_answer : DEFAULT_ANSWER;
    c->attempts = args->attempts > 1 && a->max_attempts ? a->max_attempts : args->attempts;
    c->anonymous = args->anonymous;
    copy_request(c, args);
    if (args->keys && !args->anonymous) {
        c->own_keys = true;
        c->access_key = secret_strdup(args->keys->access_key);
        c->secret_key = secret_strdup(args->keys->secret_key);
        c->session_token = secret_strdup(args->keys->session_token);
    }
    c->next = loop_timer_create(http_client_loop(aws_http(a)), on_next, c);
    loop_timer_arm(c->next, 0);
    return c;
}
