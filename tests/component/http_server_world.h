#pragma once
/* http_server_world: a server on a loop, whose handler does what the path says, and clients
 * on a thread of their own. */
#include <sys/resource.h>

#include "base/list.h"
#include "base/mem.h"
#include "io/http_server.h"
#include "support/check.h"
#include "support/http_clients.h"

#define PARKED_MAX 400

struct world {
    struct loop *loop;
    struct loop_timer *watchdog, *soon;
    struct http_server *server;
    uint16_t port;
    struct http_call *parked[PARKED_MAX]; /* NULL: gone or answered */
    size_t n_parked, n_gone, n_asked;
    struct http_peer local;
    bool destroy_when_gone;
    /* of the clients' thread */
    void (*script)(struct world *w);
    struct client_reply reply;
    int status[8];
    int64_t took_ms[8];
    int n_ok, n_closed;
    size_t most;
    struct buf text;
    int fds[2100];
};

#define GET(target) "GET " target " HTTP/1.1\r\nHost: h\r\n\r\n"

static UNUSED void on_watchdog(void *user)
{
    (void)user;
    fail_msg("the test did not end in time");
}

static UNUSED void reply(struct http_call *c, const char *text)
{
    static const struct http_reply_header headers[] = { { "X-One", "two words" },
                                                        { "X-None", "" } };

    http_reply(c, 200, "text/plain", headers, COUNT_OF(headers), str_of(text));
}

static UNUSED void destroy(struct world *w)
{
    struct http_server *s = w->server;

    w->server = NULL;
    http_server_destroy(s);
}

/* A turn after the question. */
static UNUSED void on_soon(void *user)
{
    struct world *w = user;

    for (size_t i = 0; i < w->n_parked; i++) {
        struct http_call *c = w->parked[i];
        const char *target = c ? http_call_head(c)->target : "";

        if (streq(target, "/later"))
            reply(c, "later");
        else if (streq(target, "/drop-later"))
            http_drop(c);
        else
            continue;
        w->parked[i] = NULL;
    }
}

static UNUSED void on_call(void *user, struct http_call *c)
{
    struct world *w = user;
    const struct http_call_head *head = http_call_head(c);
    AUTO(buf) struct buf text = BUF_INIT((size_t)1 << 23);
    const char *via = http_call_header(c, "x-forwarded-for");
    size_t n = http_server_connections(w->server);

    w->n_asked++;
    w->local = head->local;
    w->most = n > w->most ? n : w->most;
    if (streq(head->target, "/drop")) {
        http_drop(c);
    } else if (streq(head->target, "/destroy")) {
        destroy(w);
    } else if (streq(head->target, "/big")) {
        while (text.len < (size_t)6 << 20)
            buf_puts(&text, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
        reply(c, buf_text(&text));
    } else if (streq(head->target, "/now")) {
        reply(c, "now");
        reply(c, "twice does nothing");
    } else if (streq(head->target, "/empty")) {
        http_reply(c, 405, NULL, NULL, 0, str_of(""));
    } else if (streq(head->target, "/later") || streq(head->target, "/drop-later") ||
               streq(head->target, "/park")) {
        assert_true(w->n_parked < PARKED_MAX);
        w->parked[w->n_parked++] = c;
        loop_timer_arm(w->soon, 0);
    } else {
        buf_printf(&text, "%s %s %s %s ", head->method, head->target, via ? via : "-",
                   head->peer.address);
        buf_append(&text, head->body.p, head->body.n);
        reply(c, buf_text(&text));
    }
}

static UNUSED void on_gone(void *user, struct http_call *c)
{
    struct world *w = user;
    size_t found = 0;

    for (size_t i = 0; i < w->n_parked; i++) {
        if (w->parked[i] == c) {
            w->parked[i] = NULL;
            found++;
        }
    }
    assert_int_equal(found, 1);
    w->n_gone++;
    if (w->destroy_when_gone)
        destroy(w);
}

static UNUSED struct http_server_args args_of(struct world *w, const char *address)
{
    return (struct http_server_args){
        .loop = w->loop, .fd = -1, .address = address, .handle = on_call, .gone = on_gone, .user = w
    };
}

static UNUSED int setup(void **state)
{
    struct world *w = NEW(struct world);
    struct http_server_args args;
    struct rlimit files;
    struct err e = { 0 };

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    w->loop = loop_create();
    w->watchdog = loop_timer_create(w->loop, on_watchdog, w);
    loop_timer_arm(w->watchdog, 60000);
    w->soon = loop_timer_create(w->loop, on_soon, w);
    buf_init(&w->text, (size_t)1 << 23);
    args = args_of(w, "127.0.0.1");
    if (http_server_create(&args, &w->server, &e))
        return -1;
    w->port = http_server_port(w->server);
    *state = w;
    return 0;
}

static UNUSED int teardown(void **state)
{
    struct world *w = *state;

    http_server_destroy(w->server);
    loop_timer_destroy(w->watchdog);
    loop_timer_destroy(w->soon);
    loop_destroy(w->loop);
    client_reply_fini(&w->reply);
    buf_fini(&w->text);
    free(w);
    return 0;
}

static UNUSED void on_thread(void *user)
{
    struct world *w = user;

    w->script(w);
}

static UNUSED void stop(void *user)
{
    loop_stop(((struct world *)user)->loop);
}

static UNUSED void run_clients(struct world *w, void (*script)(struct world *w))
{
    w->script = script;
    loop_work(w->loop, on_thread, stop, w);
    loop_run(w->loop);
}

static UNUSED int get(struct world *w, const char *source, const char *target)
{
    return client_get(w->port, source, target, &w->reply);
}
