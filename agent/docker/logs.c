#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "docker/decode.h"
#include "docker/op.h"
#include "docker/stream.h"

#define INSPECT_MS 30000

/* First asks whether the container has a terminal, for nothing in the log itself
 * tells (before API 1.42), then reads. */
struct logs {
    struct docker_op op;
    char *ref;
    int64_t since_ns, last; /* last < 0: all */
    bool follow;
    bool paused;
    bool reading;
    struct docker_log_sink sink;
    struct docker_stream stream;
};

static void logs_fini(struct docker_op *op)
{
    struct logs *l = (struct logs *)op;

    docker_stream_fini(&l->stream);
    free(l->ref);
}

static bool on_frame(void *user, int stream, int64_t when_ns, struct str text)
{
    struct logs *l = user;

    l->sink.frame(l->op.user, stream, when_ns, text);
    return !l->op.dead;
}

static void on_data(void *user, struct str piece)
{
    struct logs *l = user;
    struct err bad = { 0 };

    docker_op_enter(&l->op);
    if (docker_stream_feed(&l->stream, piece, &bad))
        docker_op_fail(&l->op, &bad);
    docker_op_leave(&l->op);
}

static void read_log(struct logs *l, bool tty)
{
    struct docker_call c;
    char since[40];

    l->reading = true;
    docker_stream_init(&l->stream, tty, on_frame, l);
    docker_call_init(&c, "GET", 0);
    docker_call_container(&c, l->ref, "/logs?stdout=1&stderr=1&timestamps=1");
    if (l->follow)
        docker_call_param(&c, "follow", "1");
    if (l->since_ns > 0) {
        snprintf(since, sizeof since, "%" PRId64 ".%09d", l->since_ns / 1000000000,
                 (int)(l->since_ns % 1000000000));
        docker_call_param(&c, "since", since);
    }
    if (l->last >= 0) {
        char last[24];

        snprintf(last, sizeof last, "%" PRId64, l->last);
        docker_call_param(&c, "tail", last);
    }
    c.on_data = on_data;
    docker_op_send(&l->op, &c);
    if (l->paused)
        http_pause(l->op.http, true);
}

static bool answer_logs(struct docker_op *op, struct str body, const struct err *e)
{
    struct logs *l = (struct logs *)op;
    docker_done_fn *done = (docker_done_fn *)op->done;
    struct err out = *e;
    bool tty = false;

    if (!l->reading && !out.code && docker_decode_tty(body, &tty, &out) == ERR_OK) {
        read_log(l, tty);
        return false;
    }
    /* The last words may be delivered here, and the sink may cancel on them. */
    if (l->reading && !out.code && docker_stream_end(&l->stream, &out) == ERR_OK && op->dead)
        return true;
    done(op->user, &out);
    return true;
}

static struct docker_op *begin(struct docker *d, struct logs *l, const char *ref,
                               const struct docker_log_sink *sink, docker_done_fn *done, void *user)
{
    struct docker_call c;

    l->ref = mem_strdup(ref);
    l->sink = *sink;
    l->op.fini = logs_fini;
    docker_call_init(&c, "GET", INSPECT_MS);
    docker_call_container(&c, ref, "/json");
    docker_op_init(&l->op, d, answer_logs, (void (*)(void))done, user);
    docker_op_send(&l->op, &c);
    return &l->op;
}

struct docker_op *docker_logs(struct docker *d, const char *ref, int64_t since_ns, bool follow,
                              const struct docker_log_sink *sink, docker_done_fn *done, void *user)
{
    return docker_logs_last(d, ref, since_ns, -1, follow, sink, done, user);
}

struct docker_op *docker_logs_last(struct docker *d, const char *ref, int64_t since_ns,
                                   int64_t last, bool follow, const struct docker_log_sink *sink,
                                   docker_done_fn *done, void *user)
{
    struct logs *l = NEW(struct logs);

    l->since_ns = since_ns;
    l->last = last;
    l->follow = follow;
    return begin(d, l, ref, sink, done, user);
}

void docker_logs_pause(struct docker_op *op, bool paused)
{
    struct logs *l = (struct logs *)op;

    l->paused = paused;
    if (l->reading && op->http)
        http_pause(op->http, paused);
}
