#pragma once
/* ws_world: a loop, a client and a scripted peer, for the tests of websocket. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/websocket.h"
#include "support/check.h"
#include "support/peer.h"

struct world {
    struct loop *loop;
    struct http_client *http;
    struct loop_timer *watchdog;
    struct loop_timer *later;
    struct peer *peer;
    struct ws *ws;
    struct ws_request rq;
    bool in_call;

    struct buf trace; /* "open <message> ..." */
    int closed;
    int code;
    int status;
    struct err err;
    struct buf body;
    size_t n_messages;
};

static inline void on_watchdog(void *user)
{
    (void)user;
    fail_msg("the test did not end in time");
}

static inline int setup(void **state)
{
    static const struct http_client_config cfg = { 0 };
    struct world *w = NEW(struct world);

    /* The environment is the configuration's business, never the client's. */
    setenv("HTTP_PROXY", "http://127.0.0.1:1", 1);
    setenv("https_proxy", "http://127.0.0.1:1", 1);
    setenv("SSL_CERT_FILE", "/no/such/file", 1);
    w->loop = loop_create();
    w->http = http_client_create(w->loop, &cfg);
    w->watchdog = loop_timer_create(w->loop, on_watchdog, w);
    loop_timer_arm(w->watchdog, 20000);
    buf_init(&w->trace, (size_t)64 * 1024 * 1024);
    buf_init(&w->body, 4096);
    *state = w;
    return 0;
}

static inline int teardown(void **state)
{
    struct world *w = *state;
    const char *trouble;

    ws_destroy(w->ws);
    trouble = w->peer ? peer_stop(w->peer) : NULL;
    http_client_destroy(w->http);
    loop_timer_destroy(w->later);
    loop_timer_destroy(w->watchdog);
    loop_destroy(w->loop);
    buf_fini(&w->trace);
    buf_fini(&w->body);
    free(w);
    if (trouble)
        print_error("peer: %s\n", trouble);
    return trouble ? -1 : 0;
}

static inline void on_opened(void *user)
{
    struct world *w = user;

    assert_false(w->in_call);
    assert_int_equal(w->closed, 0);
    buf_puts(&w->trace, "open ");
}

static inline void on_message(void *user, struct str text)
{
    struct world *w = user;

    assert_false(w->in_call);
    assert_int_equal(w->closed, 0);
    w->n_messages++;
    buf_append(&w->trace, text.p, text.n);
    buf_putc(&w->trace, ' ');
}

static inline void on_closed(void *user, int code, const struct err *e, int status, struct str body)
{
    struct world *w = user;

    assert_false(w->in_call);
    w->closed++;
    w->code = code;
    w->err = *e;
    w->status = status;
    buf_append(&w->body, body.p, body.n);
    loop_stop(w->loop);
}

static UNUSED struct ws_events events = { on_opened, on_message, on_closed };

static inline void dial(struct world *w, peer_script *script)
{
    if (script) {
        w->peer = peer_start(script, NULL);
        w->rq.url = peer_url(w->peer, "ws", "/ws?agentHash=1&x=a%2Fb");
    }
    w->in_call = true;
    w->ws = ws_connect(w->http, &w->rq, &events, w);
    w->in_call = false;
}

static inline void run(struct world *w, peer_script *script)
{
    dial(w, script);
    loop_run(w->loop);
    assert_int_equal(w->closed, 1);
}

/* Another client for the rest of the test. */
static inline void configure(struct world *w, const struct http_client_config *cfg)
{
    http_client_destroy(w->http);
    w->http = http_client_create(w->loop, cfg);
}

static inline void stop(void *user)
{
    loop_stop(((struct world *)user)->loop);
}

static inline void settle(struct world *w, int64_t ms)
{
    if (!w->later)
        w->later = loop_timer_create(w->loop, stop, w);
    loop_timer_arm(w->later, ms);
    loop_run(w->loop);
}
