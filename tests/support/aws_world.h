#pragma once
/* aws_world: a scripted service, and what calls it, for the tests of aws_call. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aws/aws_call.h"
#include "aws/internal.h"
#include "base/clock.h"
#include "base/mem.h"
#include "support/check.h"
#include "support/peer.h"

/* ---- the service's side: one request after the other ---- */

enum after { STAYS, CLOSES, RESETS, IS_SILENT };

struct step {
    const char *expect, *expect_too; /* of the head; NULL: anything */
    const char *absent;
    const char *body;     /* of the request, whole; NULL: anything */
    int64_t signed_ahead; /* X-Amz-Date must be so many seconds from now */
    int status;
    const char *headers; /* lines with their ends */
    int64_t date_ahead;  /* a Date header that is so many seconds from now; 0: none */
    const char *answer;
    enum after then;
    const char *new_key; /* from now on the environment has this one */
};

struct fixture {
    struct loop *loop;
    struct http_client *http;
    struct aws *aws;
    struct imds *imds;
    struct credentials *credentials;
    struct peer *peer;
    struct loop_timer *guard, *poll;
    const struct step *steps;
    size_t n_steps;
    _Atomic(const char *) key;
    atomic_int n_requests;

    struct aws_service service;
    struct aws_call *call;
    bool in_call;
    bool (*until)(struct fixture *f);
    int turns, n_done;
    int status; /* 0: there was no answer */
    char body[256], code[64], header[64];
    struct err err;
};

static inline void check_date(struct peer *p, const char *head, int64_t ahead_s)
{
    const char *at = strstr(head, "\r\nX-Amz-Date: ");
    struct tm tm = { 0 };

    if (!at || !strptime(at + 14, "%Y%m%dT%H%M%SZ", &tm) ||
        llabs((int64_t)timegm(&tm) - ahead_s - clock_wall_ms() / 1000) > 60)
        peer_fail(p, "not signed %lld s from now: %s", (long long)ahead_s, head);
}

static inline void answer(struct peer *p, const struct step *s, bool to_head)
{
    AUTO(buf) struct buf b = BUF_INIT(1 << 20);
    const char *text = s->answer ? s->answer : "";
    time_t when = (time_t)(clock_wall_ms() / 1000 + s->date_ahead);
    char date[64];
    struct tm tm;

    gmtime_r(&when, &tm);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    buf_printf(&b, "HTTP/1.1 %d X\r\n%s", s->status, s->headers ? s->headers : "");
    if (s->date_ahead)
        buf_printf(&b, "Date: %s\r\n", date);
    buf_printf(&b, "Content-Length: %zu\r\n\r\n", strlen(text));
    if (!to_head)
        buf_puts(&b, text);
    peer_send_bytes(p, b.data, b.len);
}

static inline void serve_step(struct peer *p, struct fixture *f, const struct step *s)
{
    const char *head = peer_head(p);
    bool to_head = str_starts(head, "HEAD ");
    struct str body = peer_body(p);

    if ((s->expect && !strstr(head, s->expect)) ||
        (s->expect_too && !strstr(head, s->expect_too)) || (s->absent && strstr(head, s->absent)))
        peer_fail(p, "other head: %s", head);
    if (s->body && !str_is(body, s->body))
        peer_fail(p, "other body: %.*s", (int)body.n, body.p);
    if (strstr(head, "\r\nAuthorization: "))
        check_date(p, head, s->signed_ahead);
    atomic_fetch_add(&f->n_requests, 1);
    if (s->new_key)
        atomic_store(&f->key, s->new_key);
    if (s->then == RESETS)
        peer_reset(p);
    else if (s->then != IS_SILENT)
        answer(p, s, to_head);
    if (s->then == CLOSES)
        peer_close(p);
    if (s->then == IS_SILENT)
        peer_expect_eof(p);
}

static inline void service_script(struct peer *p, void *arg)
{
    struct fixture *f = arg;
    bool connected = false;

    for (size_t i = 0; i < f->n_steps; i++) {
        if (!connected)
            peer_accept(p);
        serve_step(p, f, &f->steps[i]);
        connected = f->steps[i].then == STAYS;
    }
}

/* ---- our side ---- */

static inline const char *look_up(void *user, const char *name)
{
    struct fixture *f = user;

    if (streq(name, "AWS_ACCESS_KEY_ID"))
        return atomic_load(&f->key);
    return streq(name, "AWS_SECRET_ACCESS_KEY") ? "SK" : NULL;
}

static inline const char *nothing(void *user, const char *name)
{
    (void)user;
    return streq(name, "AWS_SHARED_CREDENTIALS_FILE") || streq(name, "AWS_CONFIG_FILE")
               ? "/no/such/file"
               : NULL;
}

static inline void on_guard(void *user)
{
    (void)user;
    fail_msg("the test took too long");
}

static inline void on_poll(void *user)
{
    struct fixture *f = user;

    if (f->until(f))
        loop_stop(f->loop);
    else
        loop_timer_arm(f->poll, 1);
}

static inline struct credentials *credentials_from(struct fixture *f, aws_env_fn *env)
{
    return credentials_create(&(struct credentials_args){ .aws = f->aws,
                                                          .imds = f->imds,
                                                          .env = env,
                                                          .env_user = f,
                                                          .rotating_file = "/no/such/file" });
}

static inline void set_up(struct fixture *f, const struct step *steps, size_t n_steps)
{
    memset(f, 0, sizeof *f);
    atomic_store(&f->key, "AK1");
    f->steps = steps;
    f->n_steps = n_steps;
    f->loop = loop_create();
    f->http = http_client_create(f->loop, &(struct http_client_config){ .user_agent = "Agent/1" });
    f->aws = aws_create(&(struct aws_args){ .http = f->http, .region = "us-west-2", .seed = 1 });
    aws_set_backoff_ms(f->aws, 1);
    f->credentials = credentials_from(f, look_up);
    f->peer = peer_start(service_script, f);
    f->service = (struct aws_service){ .endpoint = peer_url(f->peer, "http", ""),
                                       .region = "us-west-2",
                                       .service = "demo",
                                       .target_prefix = "Demo_1" };
    f->guard = loop_timer_create(f->loop, on_guard, f);
    f->poll = loop_timer_create(f->loop, on_poll, f);
    loop_timer_arm(f->guard, 25000);
}
#define SET_UP(f, steps) set_up(f, steps, COUNT_OF(steps))

static inline void tear_down(struct fixture *f)
{
    const char *bad;

    aws_call_cancel(f->call);
    credentials_destroy(f->credentials);
    imds_destroy(f->imds);
    aws_destroy(f->aws);
    loop_timer_destroy(f->guard);
    loop_timer_destroy(f->poll);
    http_client_destroy(f->http);
    if ((bad = peer_stop(f->peer)))
        fail_msg("%s", bad);
    loop_destroy(f->loop);
}

static inline void on_done(void *user, const struct aws_result *r)
{
    struct fixture *f = user;
    const char *header = r->r ? http_header(r->r, "X-Test") : NULL;

    assert_false(f->in_call);
    f->call = NULL;
    f->n_done++;
    f->status = r->r ? r->r->status : 0;
    f->err = *r->e;
    snprintf(f->body, sizeof f->body, "%.*s", (int)r->body.n, r->body.p);
    snprintf(f->code, sizeof f->code, "%s", r->error_code);
    snprintf(f->header, sizeof f->header, "%s", header ? header : "");
    loop_stop(f->loop);
}

static inline struct aws_call_args json_args(struct fixture *f, int attempts)
{
    return (struct aws_call_args){
        .service = &f->service, .operation = "DoIt", .body = str_of("{}"), .attempts = attempts
    };
}

static inline void begin(struct fixture *f, const struct aws_call_args *args)
{
    f->in_call = true;
    f->call = aws_call(f->aws, f->credentials, args, on_done, f);
    f->in_call = false;
}

static inline void run(struct fixture *f, const struct aws_call_args *args)
{
    int before = f->n_done;

    begin(f, args);
    loop_run(f->loop);
    assert_int_equal(f->n_done, before + 1);
}

static inline void run_until(struct fixture *f, bool (*until)(struct fixture *f))
{
    f->until = until;
    loop_timer_arm(f->poll, 0);
    loop_run(f->loop);
}

static inline bool turns_are_over(struct fixture *f)
{
    return --f->turns == 0;
}

/* Everything that is ready is handled, and what comes of it. */
static inline void run_some_turns(struct fixture *f)
{
    f->turns = 30;
    run_until(f, turns_are_over);
}
