#include "aws/imds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define TOKEN_TTL_S     "300"
#define TOKEN_KEEP_MS   240000 /* before the service forgets it */
#define ATTEMPTS        3
#define RETRY_MS        200
#define CONNECT_MS      1000
#define ANSWER_MS       5000
#define TOKEN_ANSWER_MS 2000 /* a token that cannot come back (hop limit) must not cost long */
#define BODY_MAX        (256 * 1024)

struct imds {
    struct http_client *http;
    char *base;
    char *token;              /* NULL: none */
    int64_t token_until_mono; /* also remembers "none" */
};

struct imds_op {
    struct imds *m;
    struct http_op *http;
    struct loop_timer *retry;
    char *path;
    int attempt;
    bool renewed; /* a 401 was answered with a new token already */
    imds_done_fn *done;
    void *user;
};

struct imds *imds_create(struct http_client *http, const char *base)
{
    struct imds *m = NEW(struct imds);

    m->http = http;
    m->base = mem_strdup(base);
    while (str_ends(m->base, "/"))
        m->base[strlen(m->base) - 1] = '\0';
    return m;
}

static void drop_token(struct imds *m)
{
    if (m->token)
        explicit_bzero(m->token, strlen(m->token));
    free(m->token);
    m->token = NULL;
    m->token_until_mono = 0;
}

void imds_destroy(struct imds *m)
{
    if (!m)
        return;
    drop_token(m);
    free(m->base);
    free(m);
}

void imds_cancel(struct imds_op *op)
{
    if (!op)
        return;
    http_cancel(op->http);
    loop_timer_destroy(op->retry);
    free(op->path);
    free(op);
}

static void finish(struct imds_op *op, struct str text, const struct err *e)
{
    imds_done_fn *done = op->done;
    void *user = op->user;

    op->http = NULL;
    imds_cancel(op);
    done(user, text, e);
}

static void ask(struct imds_op *op);

static void fail(struct imds_op *op, enum err_code code, const char *text)
{
    struct err e = { 0 };

    if ((code == ERR_RETRY || code == ERR_TIMEOUT) && ++op->attempt < ATTEMPTS) {
        loop_timer_arm(op->retry, RETRY_MS << op->attempt);
        return;
    }
    err_set(&e, code, "instance metadata %s: %s", op->path, text);
    finish(op, (struct str){ "", 0 }, &e);
}

static void on_answer(void *user, const struct http_response *r, const struct err *e)
{
    struct imds_op *op = user;
    char text[64];

    op->http = NULL;
    if (!r) {
        fail(op, e->code, e->msg);
        return;
    }
    if (r->status == 200) {
        finish(op, r->body, e);
        return;
    }
    if (r->status == 401 && !op->renewed) {
        op->renewed = true;
        drop_token(op->m);
        ask(op);
        return;
    }
    snprintf(text, sizeof text, "the service answered with status %d", r->status);
    fail(op,
         r->status == 404                       ? ERR_NOT_FOUND
         : r->status >= 500 || r->status == 429 ? ERR_RETRY
                                                : ERR_DENIED,
         text);
}

static void get(struct imds_op *op)
{
    struct http_header header = { "X-aws-ec2-metadata-token", op->m->token };
    AUTO(str) char *url = mem_printf("%s/latest/%s", op->m->base, op->path);
    struct http_request rq = { .method = "GET",
                               .url = url,
                               .headers = &header,
                               .n_headers = op->m->token ? 1 : 0,
                               .connect_timeout_ms = CONNECT_MS,
                               .timeout_ms = ANSWER_MS,
                               .max_body = BODY_MAX };

    op->http = http_send(op->m->http, &rq, on_answer, op);
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    }
    return s.n > 0 && s.n < 4096;
}

static void on_token(void *user, const struct http_response *r, const struct err *e)
{
    struct imds_op *op = user;
    struct str token;

    op->http = NULL;
    drop_token(op->m);
    if (r && r->status == 200) {
        token = str_trim(r->body);
        if (is_token(token))
            op->m->token = mem_strndup(token.p, token.n);
    } else if (r && r->status >= 500) {
        fail(op, ERR_RETRY, "the service gives no session token now");
        return;
    } else if (r && r->status != 403 && r->status != 404 && r->status != 405) {
        fail(op, ERR_DENIED, "the service refused to give a session token");
        return;
    } else if (!r && e->code == ERR_RETRY) {
        /* Nobody listens: asking without a token cannot go better. */
        fail(op, e->code, e->msg);
        return;
    }
    op->m->token_until_mono = clock_mono_ms() + TOKEN_KEEP_MS;
    get(op);
}

static void ask(struct imds_op *op)
{
    struct http_header header = { "X-aws-ec2-metadata-token-ttl-seconds", TOKEN_TTL_S };
    AUTO(str) char *url = NULL;
    struct http_request rq = { .method = "PUT",
                               .headers = &header,
                               .n_headers = 1,
                               .connect_timeout_ms = CONNECT_MS,
                               .timeout_ms = TOKEN_ANSWER_MS,
                               .max_body = BODY_MAX };

    if (clock_mono_ms() < op->m->token_until_mono) {
        get(op);
        return;
    }
    url = mem_printf("%s/latest/api/token", op->m->base);
    rq.url = url;
    op->http = http_send(op->m->http, &rq, on_token, op);
}

static void on_retry(void *user)
{
    ask(user);
}

struct imds_op *imds_get(struct imds *m, const char *path, imds_done_fn *done, void *user)
{
    struct imds_op *op = NEW(struct imds_op);

    op->m = m;
    op->path = mem_strdup(path);
    op->done = done;
    op->user = user;
    op->retry = loop_timer_create(http_client_loop(m->http), on_retry, op);
    ask(op);
    return op;
}
