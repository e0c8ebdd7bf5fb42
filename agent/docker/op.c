#include "docker/op.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "docker/decode.h"

#define CALL_PATH_MAX (16 << 10)
#define BODY_MAX      (32 << 20) /* a list of thousands of containers */

/* ---- calls ---- */

void docker_call_init(struct docker_call *c, const char *method, int64_t timeout_ms)
{
    *c = (struct docker_call){ .method = method, .timeout_ms = timeout_ms };
    buf_init(&c->path, CALL_PATH_MAX);
}

void docker_call_path(struct docker_call *c, const char *text)
{
    buf_puts(&c->path, text);
}

void docker_call_container(struct docker_call *c, const char *ref, const char *rest)
{
    if (docker_container_ref_check(ref, &c->bad) == ERR_OK)
        buf_printf(&c->path, "/containers/%s%s", ref, rest);
}

void docker_call_image(struct docker_call *c, const char *image, const char *rest)
{
    struct docker_ref ref;

    if (docker_ref_parse(image, &ref, &c->bad) == ERR_OK)
        buf_printf(&c->path, "/images/%s%s", image, rest);
}

void docker_call_header(struct docker_call *c, const char *name, const char *value)
{
    if (value)
        c->headers[c->n_headers++] = (struct http_header){ name, value };
}

void docker_call_param(struct docker_call *c, const char *name, const char *value)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    buf_printf(&c->path, "%c%s=", c->path.len && strchr(c->path.data, '?') ? '&' : '?', name);
    for (; *value; value++)
        if (strchr(plain, *value))
            buf_putc(&c->path, *value);
        else
            buf_printf(&c->path, "%%%02X", (unsigned)(unsigned char)*value);
}

void docker_call_name(struct docker_call *c, const char *param, const char *image)
{
    AUTO(str) char *name = NULL, *tag = NULL;
    struct docker_ref ref;

    if (docker_ref_parse(image, &ref, &c->bad))
        return;
    name = mem_strndup(ref.name.p, ref.name.n);
    docker_call_param(c, param, name);
    if (ref.digest.n)
        tag = mem_strndup(ref.digest.p, ref.digest.n);
    else if (ref.tag.n)
        tag = mem_strndup(ref.tag.p, ref.tag.n);
    docker_call_param(c, "tag", tag ? tag : "latest");
}

/* ---- life ---- */

struct docker_held {
    struct docker_call call; /* without its path */
    char *url;
};

static void drop_held(struct docker_op *op)
{
    if (op->held)
        free(op->held->url);
    free(op->held);
    op->held = NULL;
}

void docker_op_init(struct docker_op *op, struct docker *d, docker_answer_fn *answer,
                    void (*done)(void), void *user)
{
    op->d = d;
    list_init(&op->lane);
    op->answer = answer;
    op->done = done;
    op->user = user;
    list_push_back(&d->ops, &op->node);
}

/* The request is over, if there is one. */
static void count_end(struct docker_op *op, enum docker_call_result result)
{
    if (op->http)
        docker_count_end(&op->d->counts, op->kind, result, (clock_mono_ns() - op->began_ns) / 1000);
    op->http = NULL;
    drop_held(op);
    docker_pace_leave(op);
}

static enum docker_call_result result_of(const struct err *e)
{
    return e->code == ERR_OK        ? DOCKER_RESULT_OK
           : e->code == ERR_TIMEOUT ? DOCKER_RESULT_TIMEOUT
                                    : DOCKER_RESULT_ERROR;
}

/* No callback of the operation runs from now on. */
static void retire(struct docker_op *op)
{
    op->dead = true;
    list_remove(&op->node);
    http_cancel(op->http);
    count_end(op, DOCKER_RESULT_CANCELED);
    loop_timer_destroy(op->timer);
    op->timer = NULL;
}

static void op_free(struct docker_op *op)
{
    if (op->fini)
        op->fini(op);
    free(op);
}

void docker_cancel(struct docker_op *op)
{
    if (!op || op->dead)
        return;
    retire(op);
    if (!op->busy)
        op_free(op);
}

void docker_op_enter(struct docker_op *op)
{
    op->busy = true;
}

bool docker_op_leave(struct docker_op *op)
{
    op->busy = false;
    if (!op->dead)
        return true;
    op_free(op);
    return false;
}

static void give_answer(struct docker_op *op, struct str body, const struct err *e)
{
    if (op->answer(op, body, e) && !op->dead)
        retire(op);
}

void docker_op_fail(struct docker_op *op, const struct err *e)
{
    if (op->dead)
        return;
    http_cancel(op->http);
    count_end(op, result_of(e));
    give_answer(op, (struct str){ 0 }, e);
}

/* ---- requests ---- */

/* Whoever cuts a connection, or refuses it, is not the one who answers later. */
static void watch_first_answer(struct docker *d, const struct http_response *r, const struct err *e)
{
    if (d->first_answer_ms >= 0)
        return;
    if (r)
        d->first_answer_ms = (clock_mono_ns() - d->asked_ns) / 1000000;
    else if (e->code != ERR_TIMEOUT)
        d->asked_ns = 0;
}

static void on_done(void *user, const struct http_response *r, const struct err *e)
{
    struct docker_op *op = user;
    struct err out = { 0 };
    struct str body = { 0 };

    docker_op_enter(op);
    watch_first_answer(op->d, r, e);
    if (!r)
        out = *e;
    else if (r->status / 100 == 2 || r->status == op->also_ok)
        body = r->body;
    else
        docker_decode_failure(r->status, r->body, &out);
    count_end(op, result_of(&out));
    give_answer(op, body, &out);
    docker_op_leave(op);
}

static void on_fail_later(void *user)
{
    struct docker_op *op = user;

    docker_op_enter(op);
    give_answer(op, (struct str){ 0 }, &op->bad);
    docker_op_leave(op);
}

void docker_op_send(struct docker_op *op, struct docker_call *c)
{
    struct docker *d = op->d;

    if (!c->bad.code && c->path.overflowed)
        err_set(&c->bad, ERR_LIMIT, "a request to the Docker Engine is longer than %d bytes",
                CALL_PATH_MAX);
    if (c->bad.code) {
        op->bad = c->bad;
        op->timer = loop_timer_create(d->loop, on_fail_later, op);
        loop_timer_arm(op->timer, 0);
        buf_fini(&c->path);
        return;
    }
    op->also_ok = c->also_ok;
    op->kind = docker_call_classify(c->method, buf_str(&c->path));
    op->held = NEW(struct docker_held);
    op->held->url =
        mem_printf("%s%s%s", d->base, c->unversioned ? "" : d->prefix, buf_text(&c->path));
    buf_fini(&c->path);
    op->held->call = *c;
    if (docker_pace_enter(op))
        docker_op_go(op);
}

void docker_op_go(struct docker_op *op)
{
    struct docker *d = op->d;
    const struct docker_call *c = &op->held->call;

    op->began_ns = clock_mono_ns();
    if (!d->asked_ns)
        d->asked_ns = op->began_ns;
    docker_count_begin(&d->counts, op->kind);
    op->http = http_send(d->http,
                         &(struct http_request){
                             .method = c->method,
                             .url = op->held->url,
                             .unix_socket = d->unix_path,
                             .headers = c->headers,
                             .n_headers = c->n_headers,
                             .body = c->body,
                             .timeout_ms = c->timeout_ms,
                             .idle_timeout_ms = c->idle_timeout_ms,
                             .max_body = BODY_MAX,
                             .on_head = c->on_head,
                             .on_data = c->on_data,
                             .stream_user = op,
                         },
                         on_done, op);
    drop_held(op);
}

struct docker_op *docker_send(struct docker *d, struct docker_call *c, docker_answer_fn *answer,
                              void (*done)(void), void *user)
{
    struct docker_op *op = NEW(struct docker_op);

    docker_op_init(op, d, answer, done, user);
    docker_op_send(op, c);
    return op;
}

bool docker_answer_done(struct docker_op *op, struct str body, const struct err *e)
{
    docker_done_fn *done = (docker_done_fn *)op->done;

    (void)body;
    done(op->user, e);
    return true;
}
