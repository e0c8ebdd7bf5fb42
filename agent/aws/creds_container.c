#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "aws/creds_sources.h"
#include "base/mem.h"
#include "base/secret.h"
#include "io/http_client.h"
#include "io/loop.h"

#define AGENT_BASE "http://169.254.170.2" /* of the agent whose task we would be */
#define CONNECT_MS 2000
#define ANSWER_MS  5000
#define TOKEN_MAX  (64 * 1024)

/* ---- where ---- */

static bool may_ask_plainly(struct str host)
{
    static const char *const addresses[] = { "169.254.170.2", "169.254.170.23", "fd00:ec2::23" };
    char text[64];
    unsigned char a[16], b[16];

    if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = (struct str){ host.p + 1, host.n - 2 };
    if (host.n >= sizeof text)
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    if (strcasecmp(text, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, text, a) == 1 && a[0] == 127)
        return true;
    if (inet_pton(AF_INET6, text, a) == 1 && memcmp(a, &in6addr_loopback, sizeof a) == 0)
        return true;
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        int family = strchr(addresses[i], ':') ? AF_INET6 : AF_INET;

        if (inet_pton(family, text, a) == 1 && inet_pton(family, addresses[i], b) == 1 &&
            memcmp(a, b, family == AF_INET ? 4 : 16) == 0)
            return true;
    }
    return false;
}

/* The host of an http URL; empty when there is none, or a name and a password before it. */
static struct str host_of(const char *rest)
{
    struct str authority = { rest, strcspn(rest, "/?#\\") };
    const char *end;

    if (memchr(authority.p, '@', authority.n))
        return (struct str){ rest, 0 };
    end = authority.p[0] == '[' ? memchr(authority.p, ']', authority.n)
                                : memchr(authority.p, ':', authority.n);
    if (end)
        authority.n = (size_t)(end - authority.p) + (authority.p[0] == '[');
    return authority;
}

enum err_code creds_container_url(const char *relative, const char *full, char **url, struct err *e)
{
    if (!str_empty(relative)) {
        if (relative[0] != '/')
            return err_set(e, ERR_DENIED,
                           "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with '/'");
        *url = mem_printf(AGENT_BASE "%s", relative);
        return ERR_OK;
    }
    if (str_empty(full))
        return err_set(e, ERR_NOT_FOUND, "AWS_CONTAINER_CREDENTIALS_* is not set");
    if (strncasecmp(full, "https://", 8) != 0 &&
        (strncasecmp(full, "http://", 7) != 0 || !may_ask_plainly(host_of(full + 7))))
        return err_set(e, ERR_DENIED,
                       "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor a local address "
                       "that gives credentials");
    *url = mem_strdup(full);
    return ERR_OK;
}

/* ---- the request ---- */

struct container_fetch {
    struct cred_fetch base;
    struct http_client *http;
    struct http_op *op;
    struct work *work;
    char *url, *token, *token_file;
    struct buf text; /* of the token's file; written by the worker, like `err` */
    struct err err;
    cred_done_fn *done;
    void *user;
};

static void container_cancel(struct cred_fetch *base)
{
    struct container_fetch *f = (struct container_fetch *)base;

    work_cancel(f->work);
    http_cancel(f->op);
    buf_wipe(&f->text);
    mem_wipe(f->token);
    free(f->token_file);
    free(f->url);
    free(f);
}

static void finish(struct container_fetch *f, struct cred_set *set, const struct err *e)
{
    cred_done_fn *done = f->done;
    void *user = f->user;

    f->op = NULL;
    f->work = NULL;
    if (set)
        set->source = mem_strdup("container credentials");
    container_cancel(&f->base);
    done(user, set, e);
}

static void on_answer(void *user, const struct http_response *r, const struct err *e)
{
    struct container_fetch *f = user;
    struct cred_set set = { 0 };
    struct err local = *e;

    f->op = NULL;
    if (r && r->status != 200)
        err_set(&local, r->status == 429 || r->status >= 500 ? ERR_RETRY : ERR_DENIED,
                "the container credentials' service answered with status %d", r->status);
    else if (r)
        (void)!creds_json_read(r->body, "container credentials", "Token", &set, &local);
    else
        err_wrap(&local, "container credentials");
    finish(f, local.code ? NULL : &set, &local);
    cred_set_fini(&set);
}

static bool is_header_value(const char *s)
{
    for (; *s; s++) {
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            return false;
    }
    return true;
}

/* Runs once the token is known, on a fresh stack. */
static void on_token(void *user)
{
    struct container_fetch *f = user;
    struct http_header header = { "Authorization", NULL };
    struct http_request rq = { .method = "GET",
                               .url = f->url,
                               .headers = &header,
                               .connect_timeout_ms = CONNECT_MS,
                               .timeout_ms = ANSWER_MS,
                               .max_body = TOKEN_MAX };

    f->work = NULL;
    if (f->token_file && !f->err.code) {
        struct str token = str_trim(buf_str(&f->text));

        mem_wipe(f->token);
        f->token = secret_strndup(token.n ? token.p : "", token.n);
    }
    if (!f->err.code && f->token && (strlen(f->token) > TOKEN_MAX || !is_header_value(f->token)))
        err_set(&f->err, ERR_INVALID, "the container authorization token is more than one line");
    if (f->err.code) {
        struct err e = f->err;

        if (e.code == ERR_NOT_FOUND)
            e.code = ERR_IO; /* named, and not there */
        finish(f, NULL, &e);
        return;
    }
    header.value = f->token;
    rq.n_headers = str_empty(f->token) ? 0 : 1;
    f->op = http_send(f->http, &rq, on_answer, f);
}

static void read_token(void *user)
{
    struct container_fetch *f = user;

    if (f->token_file)
        (void)!creds_text_read(f->token_file, &f->text, &f->err);
}

struct cred_fetch *creds_container_fetch(const struct creds_context *x, const char *url,
                                         cred_done_fn *done, void *user)
{
    struct container_fetch *f = NEW(struct container_fetch);

    f->base.cancel = container_cancel;
    f->http = aws_http(x->aws);
    f->url = mem_strdup(url);
    f->token = secret_strdup(creds_env(x, "AWS_CONTAINER_AUTHORIZATION_TOKEN"));
    f->token_file = mem_strdup(creds_env(x, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"));
    buf_init_secret(&f->text, CREDS_FILE_MAX);
    f->done = done;
    f->user = user;
    f->work = loop_work(http_client_loop(f->http), read_token, on_token, f);
    return &f->base;
}
