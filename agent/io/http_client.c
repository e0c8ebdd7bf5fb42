#include "io/http_client.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/secret.h"
#include "io/http_internal.h"

#define BODY_MAX_DEFAULT   (1024 * 1024)
#define HEAD_MAX           (64 * 1024)
#define CONNECT_DEFAULT_MS 30000
#define IDLE_CONNECTIONS   16     /* kept beyond those in use */
#define UPLOAD_AT_ONCE     32768L /* of a long body: that many bytes for a call of the kernel */

/* Which list of the client holds an op. */
enum op_state {
    OP_FAILED,   /* `fail` says why it never started */
    OP_STARTING, /* waits for libcurl to return */
    OP_RUNNING,
    OP_DYING, /* cancelled while libcurl is on the stack */
    OP_DONE,  /* in no list, inside its `done` */
};

struct http_client {
    struct loop *loop;
    struct multi *multi;
    struct http_policy *policy;
    char *user_agent;
    struct loop_timer *soon;
    struct list failed, starting, running, dying;
    long n_running;
};

struct http_op {
    struct list node;
    struct http_client *client;
    enum op_state state;
    http_done_fn *done;
    void *user;
    http_head_fn *on_head;
    http_data_fn *on_data;
    void *stream_user;

    CURL *easy;
    struct curl_slist *headers;
    struct buf rq_body;
    struct str lent; /* a body instead of that */
    size_t lent_read;
    bool sent;
    struct buf head;
    struct buf body;
    int status;
    bool head_done;
    bool paused;
    bool resume;
    struct loop_timer *idle;
    int64_t idle_ms;
    int64_t last_byte_ms;
    curl_off_t uploaded;
    char *unix_socket;
    enum err_code fail; /* what we found wrong ourselves; wins over libcurl's reason */
    char *fail_msg;
    char curl_msg[CURL_ERROR_SIZE];
};

/* ---- an op's memory ---- */

static void headers_free(struct curl_slist *list)
{
    while (list) {
        struct curl_slist *next = list->next;

        mem_wipe(list->data);
        free(list);
        list = next;
    }
}

static void op_free(struct http_op *op)
{
    list_remove(&op->node);
    loop_timer_destroy(op->idle);
    headers_free(op->headers);
    buf_fini(&op->rq_body);
    buf_fini(&op->body);
    buf_fini(&op->head);
    free(op->unix_socket);
    free(op->fail_msg);
    free(op);
}

static void op_fail(struct http_op *op, enum err_code code, const char *msg)
{
    op->fail = code;
    mem_replace(&op->fail_msg, msg);
}

/* libcurl counts the connections in use as cached ones. */
static void limit_connections(struct http_client *c)
{
    curl_multi_setopt(multi_curl(c->multi), CURLMOPT_MAXCONNECTS, c->n_running + IDLE_CONNECTIONS);
}

static void op_detach(struct http_op *op)
{
    struct http_client *c = op->client;

    if (!op->easy)
        return;
    if (op->state == OP_RUNNING || op->state == OP_DYING) {
        curl_multi_remove_handle(multi_curl(c->multi), op->easy);
        c->n_running--;
        limit_connections(c);
    }
    /* Never used again: before libcurl 8.1 a handle that is reused, after a reset too, still points
     * to the last header of its former answer, which is freed, and an answer whose first header
     * line is folded adds to that one (https://github.com/curl/curl/pull/11103). */
    curl_easy_cleanup(op->easy);
    op->easy = NULL;
}

/* ---- the end of an op ---- */

static void describe_failure(const struct http_op *op, CURLcode rc, struct err *e)
{
    long os_errno = 0;

    if (op->fail) {
        err_set(e, op->fail, "%s", op->fail_msg);
        return;
    }
    if (!op->unix_socket) {
        http_policy_explain(op->client->policy, op->easy, rc, op->curl_msg, e);
    } else {
        err_set(e, http_err_of_curl(rc), "%s",
                op->curl_msg[0] ? op->curl_msg : curl_easy_strerror(rc));
        curl_easy_getinfo(op->easy, CURLINFO_OS_ERRNO, &os_errno);
        if (rc == CURLE_COULDNT_CONNECT && os_errno)
            err_set(e, ERR_RETRY, "cannot connect: %s", ERRNO_TEXT((int)os_errno));
        err_wrap(e, "%s", op->unix_socket);
    }
}

/* The client may be gone when this returns, unless the multi is held. */
static void op_finish(struct http_op *op, CURLcode rc)
{
    struct err e = { 0 };
    struct http_response r = { .status = op->status, .body = buf_str(&op->body), .op = op };
    bool answered = rc == CURLE_OK && !op->fail;

    if (op->easy) {
        curl_off_t begun = 0;

        curl_easy_getinfo(op->easy, CURLINFO_PRETRANSFER_TIME_T, &begun);
        op->sent = begun > 0;
    }
    if (!answered)
        describe_failure(op, rc, &e);
    op_detach(op);
    list_remove(&op->node);
    op->state = OP_DONE;
    op->done(op->user, answered ? &r : NULL, &e);
    op_free(op);
}

static void on_multi_done(void *user, CURL *easy, CURLcode rc)
{
    char *op = NULL;

    (void)user;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &op);
    op_finish((struct http_op *)(void *)op, rc);
}

/* ---- what libcurl tells while it runs ---- */

static bool is_2xx(const struct http_op *op)
{
    return op->status >= 200 && op->status < 300;
}

static bool head_complete(struct http_op *op)
{
    struct http_response r = { .op = op };

    if (op->status < 200) { /* "100 Continue" and its like come before the answer */
        buf_reset(&op->head);
        return true;
    }
    op->head_done = true;
    r.status = op->status;
    if (op->on_head)
        op->on_head(op->stream_user, &r);
    return op->state != OP_DYING;
}

static size_t on_header(char *data, size_t size, size_t count, void *user)
{
    struct http_op *op = user;
    struct str line = { data, size * count };
    int status;

    if (op->state == OP_DYING)
        return 0;
    op->last_byte_ms = loop_now_ms(op->client->loop);
    if (op->head_done)
        return line.n; /* a trailer */
    status = head_status(line);
    if (status) {
        op->status = status;
        return line.n;
    }
    if (str_trim(line).n == 0)
        return head_complete(op) ? line.n : 0;
    if (!head_add(&op->head, line)) {
        op_fail(op, ERR_LIMIT, "the header of the answer is too long");
        return 0;
    }
    return line.n;
}

static size_t take_body(struct http_op *op, struct str piece)
{
    if (op->on_data && is_2xx(op)) {
        op->on_data(op->stream_user, piece);
        return op->state == OP_DYING ? 0 : piece.n;
    }
    if (!buf_append(&op->body, piece.p, piece.n)) {
        op_fail(op, ERR_LIMIT, "the body of the answer is too long");
        return 0;
    }
    return piece.n;
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    struct http_op *op = user;
    size_t n = size * count, taken;

    if (op->state == OP_DYING)
        return 0;
    if (op->paused)
        return CURL_WRITEFUNC_PAUSE;
    op->last_byte_ms = loop_now_ms(op->client->loop);
    taken = take_body(op, (struct str){ data, n });
    /* From 8.8 on libcurl has one buffer for all transfers, and what was in it stays. */
    explicit_bzero(data, n);
    return taken;
}

static void on_idle(void *user)
{
    struct http_op *op = user;
    struct multi *m = op->client->multi;
    int64_t now = loop_now_ms(op->client->loop), left;
    curl_off_t uploaded = 0, connected = 0;

    curl_easy_getinfo(op->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    curl_easy_getinfo(op->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
    if (op->paused || connected == 0 || uploaded != op->uploaded) {
        op->uploaded = uploaded;
        op->last_byte_ms = now;
    }
    left = op->last_byte_ms + op->idle_ms - now;
    if (left > 0) {
        loop_timer_arm(op->idle, left);
        return;
    }
    op_fail(op, ERR_TIMEOUT, "no byte came for too long");
    multi_hold(m);
    op_finish(op, CURLE_OPERATION_TIMEDOUT);
    multi_release(m);
}

/* ---- the start of an op ---- */

static struct curl_slist *header_line(struct curl_slist *next, char *line)
{
    struct curl_slist *h = NEW(struct curl_slist);

    h->data = line;
    h->next = next;
    return h;
}

static bool has_header(const struct http_request *rq, const char *name)
{
    for (size_t i = 0; i < rq->n_headers; i++) {
        if (strcasecmp(rq->headers[i].name, name) == 0)
            return true;
    }
    return false;
}

/* Our own list instead of curl_slist_append, so that it can be wiped. */
static struct curl_slist *headers_of(const struct http_request *rq)
{
    struct curl_slist *list = NULL;

    /* "Name:" takes one of libcurl's own away, "Name;" sends one that is empty. */
    if (!has_header(rq, "Expect"))
        list = header_line(list, secret_strdup("Expect:"));
    if (!has_header(rq, "Content-Type"))
        list = header_line(list, secret_strdup("Content-Type:"));
    for (size_t i = rq->n_headers; i-- > 0;) {
        const struct http_header *h = &rq->headers[i];

        list = header_line(list, *h->value ? secret_printf("%s: %s", h->name, h->value)
                                           : secret_printf("%s;", h->name));
    }
    return list;
}

static size_t on_lent(char *out, size_t size, size_t count, void *user)
{
    struct http_op *op = user;
    size_t n = size * count, left = op->lent.n - op->lent_read;

    if (op->state == OP_DYING)
        return CURL_READFUNC_ABORT;
    if (n > left)
        n = left;
    memcpy(out, op->lent.p + op->lent_read, n);
    op->lent_read += n;
    return n;
}

static void set_body(struct http_op *op)
{
    CURL *easy = op->easy;

    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    if (!op->lent.n) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)op->rq_body.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, buf_text(&op->rq_body));
        return;
    }
    /* A body that libcurl reads and cannot rewind is one that it cannot send again. */
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)op->lent.n);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_lent);
    curl_easy_setopt(easy, CURLOPT_READDATA, op);
    if (op->lent.n > (size_t)UPLOAD_AT_ONCE)
        curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_AT_ONCE);
}

static void set_method(struct http_op *op, const struct http_request *rq)
{
    CURL *easy = op->easy;

    if (streq(rq->method, "HEAD")) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (streq(rq->method, "POST") || streq(rq->method, "PUT") || rq->body.n > 0) {
        set_body(op);
    }
    if (!streq(rq->method, "HEAD") && !streq(rq->method, "POST"))
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, rq->method);
}

static void set_options(struct http_op *op, const struct http_request *rq,
                        const struct url_parts *u)
{
    struct http_client *c = op->client;
    CURL *easy = op->easy;

    http_policy_apply(c->policy, easy, u, rq->unix_socket);
    set_method(op, rq);
    if (rq->user_agent || c->user_agent)
        curl_easy_setopt(easy, CURLOPT_USERAGENT, rq->user_agent ? rq->user_agent : c->user_agent);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, op->headers);
    curl_easy_setopt(
        easy, CURLOPT_CONNECTTIMEOUT_MS,
        (long)(rq->connect_timeout_ms > 0 ? rq->connect_timeout_ms : CONNECT_DEFAULT_MS));
    if (rq->timeout_ms > 0)
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)rq->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, op);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, op);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, op->curl_msg);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, op);
}

static enum err_code op_prepare(struct http_op *op, const struct http_request *rq, struct err *e)
{
    struct url_parts u;

    if (!url_header_ok(rq->method, ""))
        return err_set(e, ERR_INVALID, "bad HTTP method");
    for (size_t i = 0; i < rq->n_headers; i++) {
        if (!url_header_ok(rq->headers[i].name, rq->headers[i].value))
            return err_set(e, ERR_INVALID, "bad HTTP header %zu", i);
    }
    if (url_parse(rq->url, &u, e))
        return e->code;
    if (!rq->unix_socket && url_may_speak(&u, e)) {
        url_fini(&u);
        return e->code;
    }
    op->easy = curl_easy_init();
    if (!op->easy)
        abort();
    op->headers = headers_of(rq);
    buf_init_secret(&op->rq_body, rq->body.n);
    if (rq->lent)
        op->lent = rq->body;
    else if (!buf_append(&op->rq_body, rq->body.p, rq->body.n))
        abort();
    set_options(op, rq, &u);
    url_fini(&u);
    return ERR_OK;
}

static void op_start(struct http_op *op)
{
    struct http_client *c = op->client;

    list_remove(&op->node);
    list_push_back(&c->running, &op->node);
    op->state = OP_RUNNING;
    c->n_running++;
    limit_connections(c);
    if (curl_multi_add_handle(multi_curl(c->multi), op->easy))
        abort(); /* only out of memory, or used wrongly */
    if (op->idle_ms > 0) {
        op->last_byte_ms = loop_now_ms(c->loop);
        op->idle = loop_timer_create(c->loop, on_idle, op);
        loop_timer_arm(op->idle, op->idle_ms);
    }
}

struct http_op *http_send(struct http_client *c, const struct http_request *rq, http_done_fn *done,
                          void *user)
{
    struct http_op *op = NEW(struct http_op);
    struct err e = { 0 };

    op->client = c;
    op->done = done;
    op->user = user;
    op->on_head = rq->on_head;
    op->on_data = rq->on_data;
    op->stream_user = rq->stream_user;
    op->idle_ms = rq->idle_timeout_ms;
    op->unix_socket = mem_strdup(rq->unix_socket);
    list_init(&op->node);
    buf_init_secret(&op->head, HEAD_MAX);
    buf_init_secret(&op->body, rq->max_body ? rq->max_body : BODY_MAX_DEFAULT);
    if (op_prepare(op, rq, &e)) {
        op_fail(op, e.code, e.msg);
        op->state = OP_FAILED;
        list_push_back(&c->failed, &op->node);
        loop_timer_arm(c->soon, 0);
    } else if (multi_inside(c->multi)) {
        op->state = OP_STARTING;
        list_push_back(&c->starting, &op->node);
    } else {
        op_start(op);
    }
    return op;
}

/* ---- cancel and pause ---- */

void http_cancel(struct http_op *op)
{
    if (!op || op->state == OP_DONE || op->state == OP_DYING)
        return;
    if (op->state == OP_RUNNING && multi_inside(op->client->multi)) {
        list_remove(&op->node);
        list_push_back(&op->client->dying, &op->node);
        op->state = OP_DYING;
        if (op->idle)
            loop_timer_disarm(op->idle);
        return;
    }
    op_detach(op);
    op_free(op);
}

void http_pause(struct http_op *op, bool paused)
{
    if (op->paused == paused || op->state == OP_DONE || op->state == OP_DYING)
        return;
    /* Pausing takes effect in on_body, which is where data would come. */
    op->paused = paused;
    op->resume = !paused;
    if (op->resume)
        loop_timer_arm(op->client->soon, 0);
}

static struct http_op *next_to_resume(struct http_client *c)
{
    LIST_FOREACH (node, following, &c->running) {
        struct http_op *op = LIST_ENTRY(node, struct http_op, node);

        if (op->resume)
            return op;
    }
    return NULL;
}

static void on_soon(void *user)
{
    struct http_client *c = user;
    struct multi *m = c->multi;
    struct http_op *op;
    size_t n_failed = 0;

    multi_hold(m);
    /* Counted before, so that a caller who retries at once gets a later turn. */
    LIST_FOREACH (node, following, &c->failed)
        n_failed++;
    for (; n_failed > 0 && !list_empty(&c->failed); n_failed--)
        op_finish(LIST_ENTRY(c->failed.next, struct http_op, node), CURLE_OK);

    /* libcurl hands out what it held back from inside curl_easy_pause. */
    while ((op = next_to_resume(c)) != NULL) {
        op->resume = false;
        op->last_byte_ms = loop_now_ms(c->loop);
        multi_enter(m);
        curl_easy_pause(op->easy, CURLPAUSE_CONT);
        multi_leave(m);
    }
    multi_release(m);
}

/* ---- the client ---- */

static void free_dying(struct http_client *c)
{
    while (!list_empty(&c->dying)) {
        struct http_op *op = LIST_ENTRY(c->dying.next, struct http_op, node);

        op_detach(op);
        op_free(op);
    }
}

static void on_multi_left(void *user)
{
    struct http_client *c = user;

    free_dying(c);
    while (!list_empty(&c->starting))
        op_start(LIST_ENTRY(c->starting.next, struct http_op, node));
}

static void on_multi_closed(void *user)
{
    struct http_client *c = user;

    free_dying(c);
    loop_timer_destroy(c->soon);
    http_policy_destroy(c->policy);
    free(c->user_agent);
    free(c);
}

static void *try_array(size_t n, size_t size)
{
    size_t bytes;

    return __builtin_mul_overflow(n, size, &bytes) ? NULL : secret_try(bytes);
}

struct http_client *http_client_create(struct loop *l, const struct http_client_config *cfg)
{
    static const struct multi_events events = {
        .done = on_multi_done,
        .left = on_multi_left,
        .closed = on_multi_closed,
    };
    struct http_client *c = NEW(struct http_client);

    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, secret_try, secret_free, secret_try_resize,
                             secret_strdup, try_array))
        abort();
    c->loop = l;
    c->user_agent = mem_strdup(cfg->user_agent);
    c->policy = http_policy_create(cfg);
    c->multi = multi_create(l, &events, c);
    c->soon = loop_timer_create(l, on_soon, c);
    list_init(&c->failed);
    list_init(&c->starting);
    list_init(&c->running);
    list_init(&c->dying);
    return c;
}

static void cancel_all(struct list *ops)
{
    while (!list_empty(ops))
        http_cancel(LIST_ENTRY(ops->next, struct http_op, node));
}

void http_client_destroy(struct http_client *c)
{
    if (!c)
        return;
    cancel_all(&c->failed);
    cancel_all(&c->starting);
    cancel_all(&c->running);
    loop_timer_disarm(c->soon);
    multi_close(c->multi);
}

bool http_was_sent(const struct http_op *op)
{
    return op->sent;
}

struct loop *http_client_loop(struct http_client *c)
{
    return c->loop;
}

const struct http_policy *http_client_policy(const struct http_client *c)
{
    return c->policy;
}

const char *http_header(const struct http_response *r, const char *name)
{
    return head_find(&r->op->head, name);
}
