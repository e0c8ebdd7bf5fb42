#pragma once
/* http_world: a loop, a client and a scripted peer, for the tests of http_client. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/http_client.h"
#include "support/check.h"
#include "support/peer.h"

struct world {
    struct loop *loop;
    struct http_client *http;
    struct loop_timer *watchdog;
    struct loop_timer *later;
    struct peer *peer;
    bool in_call; /* set around calls that must not call back */

    struct http_op *op, *other;
    struct http_request rq; /* for a request sent from a callback */
    char trace[64];
    int calls;
    int status;
    struct err err;
    char header[64];
    struct buf body;
    size_t pieces;
};

static inline void note(struct world *w, char what)
{
    size_t n = strlen(w->trace);

    if (n + 1 < sizeof w->trace)
        w->trace[n] = what;
}

static inline void on_watchdog(void *user)
{
    (void)user;
    fail_msg("the test did not end in time");
}

static inline int setup(void **state)
{
    static const struct http_client_config cfg = { .user_agent = "Berth-Test/1" };
    struct world *w = NEW(struct world);

    /* The environment is the configuration's business, never the client's. */
    setenv("HTTP_PROXY", "http://127.0.0.1:1", 1);
    setenv("https_proxy", "http://127.0.0.1:1", 1);
    setenv("SSL_CERT_FILE", "/no/such/file", 1);
    w->loop = loop_create();
    w->http = http_client_create(w->loop, &cfg);
    w->watchdog = loop_timer_create(w->loop, on_watchdog, w);
    loop_timer_arm(w->watchdog, 20000);
    buf_init(&w->body, (size_t)64 * 1024 * 1024);
    *state = w;
    return 0;
}

static inline int teardown(void **state)
{
    struct world *w = *state;
    const char *trouble = w->peer ? peer_stop(w->peer) : NULL;

    http_client_destroy(w->http);
    loop_timer_destroy(w->later);
    loop_timer_destroy(w->watchdog);
    loop_destroy(w->loop);
    buf_fini(&w->body);
    free(w);
    if (trouble)
        print_error("peer: %s\n", trouble);
    return trouble ? -1 : 0;
}

static inline void on_done(void *user, const struct http_response *r, const struct err *e)
{
    struct world *w = user;
    const char *h;

    assert_false(w->in_call);
    w->calls++;
    note(w, 'd');
    w->op = NULL;
    w->err = *e;
    w->status = 0;
    if (r) {
        assert_int_equal(e->code, ERR_OK);
        w->status = r->status;
        buf_append(&w->body, r->body.p, r->body.n);
        h = http_header(r, "x-test");
        snprintf(w->header, sizeof w->header, "%s", h ? h : "");
    } else {
        assert_int_not_equal(e->code, ERR_OK);
    }
    loop_stop(w->loop);
}

static inline struct http_op *start(struct world *w, const struct http_request *rq)
{
    struct http_op *op;

    w->in_call = true;
    op = http_send(w->http, rq, on_done, w);
    w->in_call = false;
    return op;
}

static inline void serve(struct world *w, peer_script *script)
{
    w->peer = peer_start(script, NULL);
}

static inline struct http_request get(struct world *w)
{
    return (struct http_request){ .method = "GET", .url = peer_url(w->peer, "http", "/x?y=%2F") };
}

static inline void run(struct world *w, const struct http_request *rq)
{
    w->op = start(w, rq);
    loop_run(w->loop);
    assert_int_equal(w->calls, 1);
}

static inline void stop(void *user)
{
    loop_stop(((struct world *)user)->loop);
}

/* Another client for the rest of the test. */
static inline void configure(struct world *w, const struct http_client_config *cfg)
{
    http_client_destroy(w->http);
    w->http = http_client_create(w->loop, cfg);
}

/* Runs the loop until what is ready now has been handled. */
static inline void settle(struct world *w, int64_t ms)
{
    if (!w->later)
        w->later = loop_timer_create(w->loop, stop, w);
    loop_timer_arm(w->later, ms);
    loop_run(w->loop);
}

/* ---- scripts of more than one test ---- */

static inline void ok_script(struct peer *p, void *arg)
{
    const char *head;

    (void)arg;
    peer_accept(p);
    head = peer_head(p);
    if (!str_starts(head, "GET /x?y=%2F HTTP/1.1\r\n") ||
        !strstr(head, "\r\nUser-Agent: Berth-Test/1\r\n"))
        peer_fail(p, "other head: %s", head);
    peer_send(p, "HTTP/1.1 200 OK\r\nX-Test:  yes \r\nContent-Length: 5\r\n\r\nhello");
}

static inline void silent_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_head(p);
    peer_send(p, "HTTP/1.1 200 OK\r\n\r\nhello");
    peer_expect_eof(p);
}

static inline void go_on_data(void *user, struct str piece)
{
    struct world *w = user;

    assert_false(w->in_call);
    note(w, 'p');
    buf_append(&w->body, piece.p, piece.n);
    w->pieces++;
    peer_go(w->peer);
}
