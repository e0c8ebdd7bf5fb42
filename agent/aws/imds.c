#include "aws/imds.h"

#include <stdlib.h>
#include <string.h>

#include "aws/internal.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/secret.h"

#define TOKEN_TTL_S      300
#define TOKEN_TTL_MAX_S  21600
#define NO_TOKENS_MS     300000 /* how long "it knows no tokens" is believed */
#define SILENT_TOKENS_MS 60000  /* likewise "it does not answer that call" */
#define ATTEMPTS         5
#define RETRY_MAX_MS     1000
#define CONNECT_MS       1000
#define GET_ANSWER_MS    4000
/* Whoever may go without a token waits so long for one. The call itself is given longer:
 * a service that is only slow has the token ready when it refuses the request without. */
#define TOKEN_PATIENCE_MS 2000
#define TOKEN_ANSWER_MS   5000
#define BODY_MAX          (256 * 1024)

struct imds {
    struct http_client *http;
    char *base;
    bool v1_disabled;
    int64_t limit_ms;
    struct rng rng;

    char *token; /* NULL: none */
    unsigned token_number;
    int64_t token_until_mono;
    int64_t without_until_mono; /* until then requests go without a token */
    bool silent;                /* a token was asked for, and for long no answer came */

    struct http_op *put;         /* one for all that wait */
    struct loop_timer *patience; /* armed while `put` is young */
    struct list waiting;         /* for the token */
};

struct imds_op {
    struct list link; /* in `waiting` */
    struct imds *m;
    struct http_op *http;
    struct loop_timer *timer; /* the next attempt, or the end on a fresh stack */
    struct loop_timer *limit;
    char *path;
    int attempts;
    unsigned token_number; /* what it went with; 0: without */
    bool renewed;          /* a 401 was answered with another token already */
    bool wants_token;      /* going without has been refused */
    bool over;             /* `last` is the outcome */
    struct err last;
    imds_done_fn *done;
    void *user;
};

static void on_patience(void *user);

struct imds *imds_create(const struct imds_args *args)
{
    const char *standard = args->ipv6 ? IMDS_DEFAULT_BASE6 : IMDS_DEFAULT_BASE;
    struct imds *m = NEW(struct imds);

    m->http = args->http;
    m->base = mem_strdup(str_empty(args->base) ? standard : args->base);
    while (str_ends(m->base, "/"))
        m->base[strlen(m->base) - 1] = '\0';
    m->v1_disabled = args->v1_disabled;
    m->limit_ms = IMDS_LIMIT_MS;
    rng_seed(&m->rng, args->seed);
    m->patience = loop_timer_create(http_client_loop(m->http), on_patience, m);
    list_init(&m->waiting);
    return m;
}

void imds_set_limit_ms(struct imds *m, int64_t ms)
{
    m->limit_ms = ms;
}

static void drop_token(struct imds *m)
{
    mem_wipe(m->token);
    m->token = NULL;
    m->token_until_mono = 0;
}

void imds_destroy(struct imds *m)
{
    if (!m)
        return;
    http_cancel(m->put);
    loop_timer_destroy(m->patience);
    drop_token(m);
    free(m->base);
    free(m);
}

/* ---- the end of an op ---- */

void imds_cancel(struct imds_op *op)
{
    if (!op)
        return;
    list_remove(&op->link);
    http_cancel(op->http);
    loop_timer_destroy(op->timer);
    loop_timer_destroy(op->limit);
    free(op->path);
    free(op);
}

static void finish(struct imds_op *op, struct str text, const struct err *e)
{
    imds_done_fn *done = op->done;
    void *user = op->user;
    struct err copy = *e; /* may be the op's own */

    imds_cancel(op);
    done(user, text, &copy);
}

static void finish_failed(struct imds_op *op)
{
    struct err e = { 0 };
    const char *hint = "";

    /* A container's network is one hop further away: the answers with tokens do not get
     * there by default, while everything else does. */
    if (op->m->silent && op->last.code != ERR_NOT_FOUND)
        hint = "; the session token never came: if the agent runs behind another network hop, "
               "the instance's metadata hop limit has to be at least 2";
    err_set(&e, op->last.code, "instance metadata %.200s: %.400s%s", op->path, op->last.msg, hint);
    finish(op, (struct str){ "", 0 }, &e);
}

static void fail(struct imds_op *op, enum err_code code, const char *text)
{
    op->over = true;
    err_set(&op->last, code, "%s", text);
    loop_timer_arm(op->timer, 0);
}

/* One attempt more is gone. */
static void trouble(struct imds_op *op, enum err_code code, const char *text)
{
    if ((code != ERR_RETRY && code != ERR_TIMEOUT) || ++op->attempts >= ATTEMPTS) {
        fail(op, code, text);
        return;
    }
    err_set(&op->last, code, "%s", text);
    loop_timer_arm(op->timer, (int64_t)rng_below(&op->m->rng, RETRY_MAX_MS + 1));
}

static void bad_status(struct imds_op *op, const char *what, int status)
{
    bool passing = status == 429 || status >= 500;
    AUTO(str) char *text = mem_printf("%s was answered with status %d", what, status);

    trouble(op, status == 404 ? ERR_NOT_FOUND : passing ? ERR_RETRY : ERR_DENIED, text);
}

static void on_limit(void *user)
{
    struct imds_op *op = user;
    struct err before = op->last;

    if (!op->over)
        err_set(&op->last, ERR_TIMEOUT, "no answer within %d s%s%.300s", IMDS_LIMIT_MS / 1000,
                before.code ? "; before that: " : "", before.msg);
    finish_failed(op);
}

/* ---- the request itself ---- */

static void ask(struct imds_op *op);

/* The service did not like the token, or that there was none. */
static void on_refused(struct imds_op *op)
{
    struct imds *m = op->m;

    if (op->renewed) {
        bad_status(op, "the request", 401);
        return;
    }
    op->renewed = true;
    op->wants_token = true;
    /* Another request may have renewed the token already. */
    if (m->token && op->token_number == m->token_number)
        drop_token(m);
    m->without_until_mono = 0;
    ask(op);
}

static void on_answer(void *user, const struct http_response *r, const struct err *e)
{
    struct imds_op *op = user;

    op->http = NULL;
    if (!r)
        trouble(op, e->code, e->msg);
    else if (r->status == 200)
        finish(op, r->body, e);
    else if (r->status == 401)
        on_refused(op);
    else
        bad_status(op, "the request", r->status);
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
                               .timeout_ms = GET_ANSWER_MS,
                               .max_body = BODY_MAX };

    op->token_number = op->m->token ? op->m->token_number : 0;
    op->http = http_send(op->m->http, &rq, on_answer, op);
}

/* ---- the token ---- */

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    }
    return s.n > 0 && s.n < 4096;
}

static bool take_token(struct imds *m, const struct http_response *r)
{
    const char *ttl = http_header(r, "x-aws-ec2-metadata-token-ttl-seconds");
    struct str token = str_trim(r->body);
    int64_t seconds = TOKEN_TTL_S;

    if (!is_token(token))
        return false;
    if (ttl && str_to_int(ttl, 1, TOKEN_TTL_MAX_S, &seconds, NULL))
        seconds = TOKEN_TTL_S;
    drop_token(m);
    m->token = secret_strndup(token.p, token.n);
    if (++m->token_number == 0)
        m->token_number = 1;
    /* A little before its end: it has to last for the way to the service. */
    m->token_until_mono = clock_mono_ms() + seconds * 900;
    m->without_until_mono = 0;
    return true;
}

static bool may_go_without(const struct imds_op *op)
{
    return !op->m->v1_disabled && !op->wants_token;
}

static struct imds_op *first_waiting(struct imds *m)
{
    return LIST_ENTRY(m->waiting.next, struct imds_op, link);
}

static void go_without(struct imds *m, int64_t believed_ms)
{
    if (believed_ms)
        m->without_until_mono = clock_mono_ms() + believed_ms;
    LIST_FOREACH (it, following, &m->waiting) {
        struct imds_op *op = LIST_ENTRY(it, struct imds_op, link);

        if (!may_go_without(op))
            continue;
        list_remove(&op->link);
        get(op);
    }
}

static void on_patience(void *user)
{
    struct imds *m = user;

    /* Connecting is given up sooner, so the service heard the question. */
    m->silent = true;
    go_without(m, 0);
}

/* What is the matter with everyone who still waits. */
static void tell_waiting(struct imds *m, enum err_code code, const char *text)
{
    while (!list_empty(&m->waiting)) {
        struct imds_op *op = first_waiting(m);

        list_remove(&op->link);
        /* Refused without a token and left waiting for one: that is how a hop limit shows,
         * and it does not pass. */
        if (op->wants_token && m->silent)
            fail(op, code, text);
        else
            trouble(op, code, text);
    }
}

static void token_not_answered(struct imds *m, const struct err *e)
{
    bool heard = !loop_timer_armed(m->patience);

    if (e->code == ERR_TIMEOUT && heard) {
        go_without(m, SILENT_TOKENS_MS);
        tell_waiting(m, ERR_TIMEOUT, "the call for a session token was not answered");
        return;
    }
    m->silent = false;
    /* A connection that cannot be made cannot be made for the request either; one that was
     * cut may be the way in which something in between says that it knows no such call. */
    if (e->code == ERR_RETRY)
        go_without(m, 0);
    tell_waiting(m, e->code, e->msg);
}

static void on_token(void *user, const struct http_response *r, const struct err *e)
{
    struct imds *m = user;
    int status = r ? r->status : 0;

    m->put = NULL;
    if (r)
        m->silent = false;
    if (!r) {
        token_not_answered(m, e);
    } else if (status == 200 && take_token(m, r)) {
        while (!list_empty(&m->waiting)) {
            struct imds_op *op = first_waiting(m);

            list_remove(&op->link);
            get(op);
        }
    } else if (status == 200 || status == 403 || status == 404 || status == 405) {
        go_without(m, NO_TOKENS_MS);
        tell_waiting(m, ERR_DENIED,
                     "the service gives no session token, and requests without one are refused "
                     "or disabled");
    } else {
        AUTO(str)
        char *text = mem_printf("the call for a session token was answered with "
                                "status %d",
                                status);

        tell_waiting(m, status == 429 || status >= 500 ? ERR_RETRY : ERR_DENIED, text);
    }
    loop_timer_disarm(m->patience);
}

static void put(struct imds *m)
{
    AUTO(str) char *ttl = mem_printf("%d", TOKEN_TTL_S);
    AUTO(str) char *url = mem_printf("%s/latest/api/token", m->base);
    struct http_header header = { "X-aws-ec2-metadata-token-ttl-seconds", ttl };
    struct http_request rq = { .method = "PUT",
                               .url = url,
                               .headers = &header,
                               .n_headers = 1,
                               .connect_timeout_ms = CONNECT_MS,
                               .timeout_ms = TOKEN_ANSWER_MS,
                               .max_body = BODY_MAX };

    m->put = http_send(m->http, &rq, on_token, m);
    loop_timer_arm(m->patience, TOKEN_PATIENCE_MS);
}

static void ask(struct imds_op *op)
{
    struct imds *m = op->m;
    int64_t now = clock_mono_ms();
    bool overdue = m->put && !loop_timer_armed(m->patience);

    if ((m->token && now < m->token_until_mono) ||
        (may_go_without(op) && (overdue || now < m->without_until_mono))) {
        if (now >= m->token_until_mono)
            drop_token(m);
        get(op);
        return;
    }
    list_push_back(&m->waiting, &op->link);
    if (!m->put)
        put(m);
}

static void on_timer(void *user)
{
    struct imds_op *op = user;

    if (op->over)
        finish_failed(op);
    else
        ask(op);
}

struct imds_op *imds_get(struct imds *m, const char *path, imds_done_fn *done, void *user)
{
    struct imds_op *op = NEW(struct imds_op);
    struct loop *l = http_client_loop(m->http);

    op->m = m;
    list_init(&op->link);
    op->path = mem_strdup(path);
    op->done = done;
    op->user = user;
    op->timer = loop_timer_create(l, on_timer, op);
    op->limit = loop_timer_create(l, on_limit, op);
    loop_timer_arm(op->limit, m->limit_ms);
    ask(op);
    return op;
}
