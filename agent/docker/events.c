/* The subscription to events: one stream at a time, opened again for ever. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/mem.h"
#include "docker/decode.h"
#include "docker/op.h"
#include "docker/stream.h"

#define STEADY_MS 5000 /* a stream that lived so long, or brought an event, was a good one */

static const struct backoff_rule reopen_rule = { 100, 200, 5000, 20 };

struct docker_events {
    struct docker *d;
    struct docker_event_sink sink;
    void *user;
    struct backoff backoff;
    struct rng rng;
    struct loop_timer *reopen;
};

/* One stream. Outlives the subscription only while it is busy, and is dead then. */
struct attempt {
    struct docker_op op;
    struct docker_events *ev;
    struct docker_lines lines;
    int64_t opened_ms;
    bool open;
    struct err bad;
};

static void attempt_fini(struct docker_op *op)
{
    docker_lines_fini(&((struct attempt *)op)->lines);
}

static void on_head(void *user, const struct http_response *r)
{
    struct attempt *a = user;

    if (r->status / 100 != 2)
        return;
    a->open = true;
    a->opened_ms = loop_now_ms(a->op.d->loop);
    docker_op_enter(&a->op);
    a->ev->sink.opened(a->ev->user);
    docker_op_leave(&a->op);
}

static bool on_line(void *user, struct str line)
{
    struct attempt *a = user;
    AUTO(json) struct json_t *doc = NULL;
    struct docker_event event;
    bool known = false;

    if (docker_decode_event(line, &event, &known, &doc, &a->bad))
        return false;
    if (known) {
        backoff_reset(&a->ev->backoff);
        a->ev->sink.event(a->ev->user, &event);
    }
    return !a->op.dead;
}

static void on_data(void *user, struct str piece)
{
    struct attempt *a = user;

    docker_op_enter(&a->op);
    if (docker_lines_feed(&a->lines, piece, on_line, a, &a->bad) || a->bad.code)
        docker_op_fail(&a->op, &a->bad);
    docker_op_leave(&a->op);
}

static bool answer_lost(struct docker_op *op, struct str body, const struct err *e)
{
    struct attempt *a = (struct attempt *)op;
    struct docker_events *ev = a->ev;
    struct err out = *e;

    (void)body;
    op->d->counts.events_lost += a->open;
    if (a->open && loop_now_ms(op->d->loop) - a->opened_ms >= STEADY_MS)
        backoff_reset(&ev->backoff);
    /* An engine that shuts down ends the stream like any other answer. */
    if (!out.code)
        err_set(&out, ERR_RETRY, "the Docker Engine ended the event stream");
    /* Before the callback, which may destroy the subscription. */
    loop_timer_arm(ev->reopen, backoff_next(&ev->backoff, &reopen_rule, &ev->rng));
    ev->sink.lost(ev->user, &out);
    return true;
}

static void open_stream(void *user)
{
    struct docker_events *ev = user;
    struct attempt *a = NEW(struct attempt);
    int64_t now_ms = clock_wall_ms();
    struct docker_call c;
    char since[40];

    a->ev = ev;
    a->op.fini = attempt_fini;
    docker_lines_init(&a->lines);
    docker_call_init(&c, "GET", 0);
    docker_call_path(&c, "/events");
    docker_call_param(&c, "filters",
                      "{\"type\":[\"container\"],\"label\":[\"" LABEL_PREFIX "task-arn\"],"
                      "\"event\":[\"create\",\"start\",\"die\",\"oom\",\"destroy\",\"restart\","
                      "\"health_status\"]}");
    /* The engine sends the head of its answer before it begins to listen: what
     * happens in between is in its short history, and `since` asks for it. */
    snprintf(since, sizeof since, "%" PRId64 ".%03d000000", now_ms / 1000, (int)(now_ms % 1000));
    docker_call_param(&c, "since", since);
    c.on_head = on_head;
    c.on_data = on_data;
    docker_op_init(&a->op, ev->d, answer_lost, NULL, NULL);
    docker_op_send(&a->op, &c);
}

void docker_subscribe(struct docker *d, const struct docker_event_sink *sink, void *user)
{
    struct docker_events *ev;

    if (d->events)
        abort(); /* One subscription a client: two would fight over one stream. */
    ev = d->events = NEW(struct docker_events);
    ev->d = d;
    ev->sink = *sink;
    ev->user = user;
    rng_seed(&ev->rng, rng_entropy());
    ev->reopen = loop_timer_create(d->loop, open_stream, ev);
    open_stream(ev);
}

void docker_events_destroy(struct docker_events *ev)
{
    if (!ev)
        return;
    loop_timer_destroy(ev->reopen);
    free(ev);
}
