#pragma once
/* docker_peer: a Docker client and a scripted engine on a unix socket. Include it in one
 * file of a program, after cmocka. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "docker/docker.h"
#include "support/peer.h"

#define WATCHDOG_MS 20000

/* ---- the peer: one connection a step ---- */

struct step {
    const char *expect; /* somewhere in the head of the request */
    const char *reply;
    size_t n;   /* of the reply; 0: until its NUL */
    bool stall; /* leave the connection open until the client ends it */
};

struct script {
    const struct step *steps;
    size_t n;
    atomic_size_t sent; /* so many replies */
};

static UNUSED void play(struct peer *p, void *arg)
{
    struct script *script = arg;

    for (size_t i = 0; i < script->n; i++) {
        const struct step *s = &script->steps[i];
        const char *head;

        peer_accept(p);
        head = peer_head(p);
        if (!head || !strstr(head, s->expect))
            peer_fail(p, "step %zu: expected '%s', got '%s'", i, s->expect, head ? head : "");
        peer_send_bytes(p, s->reply, s->n ? s->n : strlen(s->reply));
        atomic_fetch_add(&script->sent, 1);
        if (s->stall)
            peer_expect_eof(p);
        peer_close(p);
    }
}

/* ---- the fixture ---- */

struct fix {
    struct loop *loop;
    struct http_client *http;
    struct docker *d;
    struct loop_timer *watchdog;
    struct script script;
    struct peer *peer;
    char dir[64], path[96], endpoint[128];
    bool late, inconsistent;
    int calls;
    int stop_at; /* leave the loop after so many calls */
    struct err e;
    struct buf seen;
    struct docker_op *op;
    struct loop_timer *extra;
};

static UNUSED void on_late(void *user)
{
    struct fix *f = user;

    f->late = true;
    loop_stop(f->loop);
}

/* A new peer and a new client; the former case is over. */
static UNUSED void begin(struct fix *f, const struct step *steps, size_t n)
{
    struct err e = { 0 };

    f->calls = 0;
    f->stop_at = 1;
    f->e = (struct err){ 0 };
    buf_reset(&f->seen);
    f->script.steps = steps;
    f->script.n = n;
    atomic_store(&f->script.sent, 0);
    unlink(f->path);
    f->peer = peer_start_unix(f->path, play, &f->script);
    assert_int_equal(docker_create(f->http, f->endpoint, &f->d, &e), ERR_OK);
}

/* Every step was used, and as expected. */
static UNUSED void finish(struct fix *f)
{
    struct peer *p = f->peer;
    const char *wrong;

    docker_destroy(f->d);
    f->d = NULL;
    f->peer = NULL;
    wrong = peer_stop(p);
    if (wrong)
        fail_msg("%s", wrong);
}

static UNUSED int setup(void **state)
{
    struct fix *f = NEW(struct fix);

    buf_init(&f->seen, 1 << 20);
    f->loop = loop_create();
    f->http = http_client_create(f->loop, &(struct http_client_config){ 0 });
    f->watchdog = loop_timer_create(f->loop, on_late, f);
    snprintf(f->dir, sizeof f->dir, "/tmp/docker-peer-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    snprintf(f->path, sizeof f->path, "%s/s", f->dir);
    snprintf(f->endpoint, sizeof f->endpoint, "unix://%s", f->path);
    *state = f;
    return 0;
}

static UNUSED int teardown(void **state)
{
    struct fix *f = *state;

    docker_destroy(f->d);
    if (f->peer)
        peer_stop(f->peer);
    loop_timer_destroy(f->watchdog);
    http_client_destroy(f->http);
    loop_destroy(f->loop);
    unlink(f->path);
    rmdir(f->dir);
    buf_fini(&f->seen);
    free(f);
    return 0;
}

static UNUSED void run(struct fix *f)
{
    loop_timer_arm(f->watchdog, WATCHDOG_MS);
    loop_run(f->loop);
    loop_timer_disarm(f->watchdog);
    assert_false(f->late);
    assert_false(f->inconsistent);
}

static UNUSED void called(struct fix *f, const struct err *e)
{
    f->e = *e;
    if (++f->calls == f->stop_at)
        loop_stop(f->loop);
}

static UNUSED void on_done(void *user, const struct err *e)
{
    struct fix *f = user;

    f->op = NULL;
    called(f, e);
}

#define CLOSE     "Connection: close\r\n"
#define JSON_200  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" CLOSE
#define OK(body)  JSON_200 "\r\n" body
#define VERSION41 OK("{\"Version\":\"20.10\",\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}")
