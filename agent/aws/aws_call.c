#include "aws/aws_call.h"

#include <stdlib.h>

#include "aws/aws_answer.h"
#include "aws/creds_sources.h"
#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"

#define DEFAULT_TIMEOUT_MS 42000
#define DEFAULT_ANSWER     (1024 * 1024)
#define BODY_MAX           (16 * 1024 * 1024)

struct aws_call {
    struct http_client *http;
    struct credentials *cred;
    struct credentials_op *cred_op;
    struct http_op *http_op;
    struct loop_timer *start; /* begins, and tells early trouble, on a fresh stack */
    struct err early;

    char *endpoint, *region, *service, *target;
    char *body;
    size_t body_len;
    int64_t timeout_ms;
    size_t max_answer;
    bool own_keys;
    char *access_key, *secret_key, *session_token;
    bool repeated; /* after expired keys */

    aws_done_fn *done;
    void *user;
};

void aws_call_cancel(struct aws_call *c)
{
    if (!c)
        return;
    credentials_cancel(c->cred_op);
    http_cancel(c->http_op);
    loop_timer_destroy(c->start);
    secret_free(c->access_key);
    secret_free(c->secret_key);
    secret_free(c->session_token);
    free(c->endpoint);
    free(c->region);
    free(c->service);
    free(c->target);
    free(c->body);
    free(c);
}

static void finish(struct aws_call *c, struct str body, const char *error_code, struct err *e)
{
    aws_done_fn *done = c->done;
    void *user = c->user;

    if (e->code)
        err_wrap(e, "%s", str_after_last(c->target, '.'));
    aws_call_cancel(c);
    done(user, body, error_code, e);
}

static void fail_later(struct aws_call *c, const struct err *e)
{
    c->early = *e;
    loop_timer_arm(c->start, 0);
}

static void on_answer(void *user, const struct http_response *r, const struct err *e);

static void send_signed(struct aws_call *c, const struct sigv4_keys *keys)
{
    struct sigv4_signed sig;
    struct sigv4_header own[] = { { "content-type", "application/x-amz-json-1.1" },
                                  { "x-amz-target", c->target } };
    struct sigv4_request to_sign = { .method = "POST",
                                     .url = c->endpoint,
                                     .headers = own,
                                     .n_headers = COUNT_OF(own),
                                     .body = { c->body, c->body_len },
                                     .region = c->region,
                                     .service = c->service,
                                     .normalize_path = true };
    struct http_header headers[5] = { { "Content-Type", own[0].value },
                                      { "X-Amz-Target", own[1].value } };
    struct http_request rq = { .method = "POST",
                               .url = c->endpoint,
                               .headers = headers,
                               .n_headers = 4,
                               .body = to_sign.body,
                               .timeout_ms = c->timeout_ms,
                               .max_body = c->max_answer };
    struct err e = { 0 };

    if (sigv4_sign(&to_sign, keys, clock_wall_ms(), &sig, &e)) {
        fail_later(c, &e);
        return;
    }
    headers[2] = (struct http_header){ "X-Amz-Date", sig.date };
    headers[3] = (struct http_header){ "Authorization", buf_text(&sig.authorization) };
    if (!str_empty(keys->session_token))
        headers[rq.n_headers++] =
            (struct http_header){ "X-Amz-Security-Token", keys->session_token };
    c->http_op = http_send(c->http, &rq, on_answer, c);
    sigv4_signed_fini(&sig);
}

static void on_keys(void *user, const struct sigv4_keys *keys, const struct err *e)
{
    struct aws_call *c = user;

    c->cred_op = NULL;
    if (keys)
        send_signed(c, keys);
    else
        fail_later(c, e);
}

static void on_start(void *user)
{
    struct aws_call *c = user;

    if (c->early.code) {
        struct err e = c->early;

        finish(c, (struct str){ "", 0 }, "", &e);
    } else if (c->own_keys) {
        struct sigv4_keys keys = { c->access_key, c->secret_key, c->session_token };

        send_signed(c, &keys);
    } else {
        c->cred_op = credentials_get(c->cred, on_keys, c);
    }
}

static void on_answer(void *user, const struct http_response *r, const struct err *e)
{
    struct aws_call *c = user;
    struct aws_answer answer;
    struct err failed = *e;

    c->http_op = NULL;
    if (!r) {
        finish(c, (struct str){ "", 0 }, "", &failed);
        return;
    }
    aws_answer_read(r->status, http_header(r, "X-Amzn-ErrorType"), r->body, &answer);
    if (aws_answer_expired(&answer) && !c->own_keys && !c->repeated) {
        c->repeated = true;
        credentials_invalidate(c->cred);
        loop_timer_arm(c->start, 0);
        return;
    }
    finish(c, r->body, answer.code, &answer.err);
}

struct aws_call *aws_call(struct http_client *http, struct credentials *cred,
                          const struct aws_call_args *args, aws_done_fn *done, void *user)
{
    struct aws_call *c = NEW(struct aws_call);
    size_t len = strlen(args->service->endpoint);

    c->http = http;
    c->cred = cred;
    c->endpoint = mem_printf("%s%s", args->service->endpoint,
                             len && args->service->endpoint[len - 1] == '/' ? "" : "/");
    c->region = mem_strdup(args->service->region);
    c->service = mem_strdup(args->service->service);
    c->target = mem_printf("%s.%s", args->service->target_prefix, args->operation);
    c->timeout_ms = args->timeout_ms ? args->timeout_ms : DEFAULT_TIMEOUT_MS;
    c->max_answer = args->max_answer ? args->max_answer : DEFAULT_ANSWER;
    if (args->keys) {
        c->own_keys = true;
        c->access_key = mem_strdup(args->keys->access_key);
        c->secret_key = mem_strdup(args->keys->secret_key);
        c->session_token = mem_strdup(args->keys->session_token);
    }
    c->done = done;
    c->user = user;
    c->start = loop_timer_create(http_client_loop(http), on_start, c);
    if (args->body.n <= BODY_MAX) {
        c->body = mem_strndup(args->body.p ? args->body.p : "", args->body.n);
        c->body_len = args->body.n;
    } else {
        err_set(&c->early, ERR_LIMIT, "a request of %zu bytes is too long", args->body.n);
    }
    loop_timer_arm(c->start, 0);
    return c;
}
