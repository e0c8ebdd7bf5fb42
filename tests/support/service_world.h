#pragma once
/* service_world: a loop, a client and a scripted service that answers what it is asked, in
 * whatever order, for the tests of calls to AWS. */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws.h"
#include "aws/internal.h"
#include "base/buf.h"
#include "base/mem.h"
#include "io/http_client.h"
#include "io/loop.h"
#include "support/peer.h"

/* One request that must come, once, and its answer. The peer has 16 connections. */
struct route {
    const char *in_head[3]; /* each must be there; NULL: nothing more */
    const char *in_body;    /* NULL: anything */
    int status;
    const char *headers; /* "Name: value\r\n"; NULL: none */
    const char *body;
    bool held; /* not answered before peer_go */
    bool used;
};

struct service_world {
    struct loop *loop;
    struct http_client *http;
    struct aws *aws;
    struct loop_timer *guard;
    struct peer *peer;
    struct route *routes;
    size_t n_routes;
    const char *url; /* AWS_ENDPOINT_URL */
    int n_done, stop_at;
};

static inline bool route_fits(const struct route *r, const char *head, const char *body)
{
    for (size_t i = 0; i < COUNT_OF(r->in_head); i++) {
        if (r->in_head[i] && !strstr(head, r->in_head[i]))
            return false;
    }
    return !r->used && (!r->in_body || strstr(body, r->in_body));
}

static inline void serve_routes(struct peer *p, void *arg)
{
    struct service_world *w = arg;

    for (size_t i = 0; i < w->n_routes; i++) {
        AUTO(str) char *head = NULL;
        AUTO(str) char *body = NULL;
        AUTO(str) char *answer = NULL;
        struct route *r = NULL;
        struct str text;

        peer_accept(p);
        head = mem_strdup(peer_head(p));
        text = peer_body(p);
        body = mem_strndup(text.p ? text.p : "", text.n);
        for (size_t k = 0; k < w->n_routes && !r; k++)
            r = route_fits(&w->routes[k], head, body) ? &w->routes[k] : NULL;
        if (!r) {
            peer_fail(p, "nobody waits for %s%s", head, body);
            return;
        }
        r->used = true;
        if (r->held)
            peer_wait(p);
        answer = mem_printf("HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: %zu\r\n%s\r\n%s",
                            r->status, str_of(r->body).n, r->headers ? r->headers : "",
                            r->body ? r->body : "");
        peer_send(p, answer);
        peer_close(p);
    }
}

static inline const char *world_env(void *user, const char *name)
{
    const struct service_world *w = user;

    return streq(name, "AWS_ENDPOINT_URL") ? w->url : NULL;
}

static inline void world_guard(void *user)
{
    (void)user;
    fail_msg("the test took too long");
}

static inline void world_start(struct service_world *w, struct route *routes, size_t n)
{
    static const struct http_client_config cfg = { .user_agent = "Test/1" };

    memset(w, 0, sizeof *w);
    w->loop = loop_create();
    w->http = http_client_create(w->loop, &cfg);
    w->routes = routes;
    w->n_routes = n;
    w->peer = peer_start(serve_routes, w);
    w->url = peer_url(w->peer, "http", "");
    w->aws = aws_create(&(struct aws_args){
        .http = w->http, .region = "us-west-2", .env = world_env, .env_user = w });
    aws_set_backoff_ms(w->aws, 1);
    w->guard = loop_timer_create(w->loop, world_guard, w);
    loop_timer_arm(w->guard, 25000);
}

static inline void world_stop(struct service_world *w)
{
    const char *bad;

    loop_timer_destroy(w->guard);
    aws_destroy(w->aws);
    http_client_destroy(w->http);
    loop_destroy(w->loop);
    if ((bad = peer_stop(w->peer)))
        fail_msg("%s", bad);
}

/* Runs until `times` more have called world_done. */
static inline void world_run(struct service_world *w, int times)
{
    w->stop_at = w->n_done + times;
    loop_run(w->loop);
}

static inline void world_done(struct service_world *w)
{
    if (++w->n_done == w->stop_at)
        loop_stop(w->loop);
}
