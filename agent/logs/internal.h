#pragma once
/* internal: what shipper.c (all streams) and stream.c (one stream) share. Private
 * to logs. */
#include <uthash.h>

#include "base/rng.h"
#include "logs/batch.h"
#include "logs/lines.h"
#include "logs/logs.h"
#include "logs/options.h"
#include "logs/sink.h"
#include "logs/source.h"

#define LOGS_MAX_PUTS 16

/* Why an event that was read is not in the sink. */
enum drop_cause {
    DROP_TOO_NEW,
    DROP_TOO_OLD,
    DROP_EXPIRED,
    DROP_REFUSED,   /* invalid, says the sink */
    DROP_ABANDONED, /* the drain took too long */
    DROP__COUNT,
};

struct log_stream {
    UT_hash_handle hh;
    struct logs *logs;
    char *id; /* of the container; key */
    char *task;
    char *role_id; /* NULL: the instance's keys */
    struct log_options to;

    struct source *source;
    bool ended; /* the source is at rest */
    bool gone;  /* because the container was removed, read or not */
    bool paused;
    struct lines lines;

    /* open -> sealed -> flight: gathering, complete, next to be sent or under way. */
    struct batch *open, *flight;
    struct list sealed;
    size_t waiting_bytes, waiting_events; /* in all of them */
    struct cursor tail;                   /* behind the last event in them */
    struct cursor confirmed;

    struct sink_put *put;
    struct buf body;  /* of that put */
    struct list turn; /* in logs.queue while it waits for one of LOGS_MAX_PUTS */
    int attempts;     /* failed in a row */
    struct loop_timer *flush, *retry;
    enum sink_verdict complained;       /* what the log was told of last; SINK_STORED: nothing */
    int64_t complained_ms, troubled_ms; /* 0: never */

    struct loop_timer *save;
    bool unsaved;
    int64_t saved_ms;

    bool draining, drained;
    struct loop_timer *drain; /* the deadline; or runs at once, when drained */
    logs_drained_fn *drained_fn;
    void *drained_user;

    int64_t unsaid[DROP__COUNT]; /* drops that the log was not told of */
    char *refusal;               /* what the sink said of the last event it refused */
};

struct logs {
    struct logs_args args;
    struct sink sink;
    struct rng rng;
    struct log_stream *streams;
    size_t n_puts;
    struct list queue;  /* of log_stream.turn: fair, first come first served */
    struct list absent; /* drains of containers that are not followed */
    struct loop_timer *say_drops;
    int64_t said_ms; /* 0: never */

    int64_t n_sent, n_sent_bytes, n_puts_done, n_puts_failed, n_clamped;
    int64_t dropped[DROP__COUNT];
    /* Of streams that are gone; see lines.h. */
    int64_t n_replaced, n_split;
};

/* ---- stream.c ---- */

/* Takes `to`. Starts to follow. */
struct log_stream *stream_create(struct logs *l, const struct task *t,
                                 const struct task_container *c, const char *docker_id,
                                 struct log_options *to);
void stream_destroy(struct log_stream *s);
/* The container runs (again). */
void stream_follow(struct log_stream *s);
void stream_drain(struct log_stream *s, int64_t timeout_ms, logs_drained_fn *done, void *user);
/* Sends what is ready, if anything is and nothing hinders. */
void stream_send(struct log_stream *s);
/* Begins the put it has waited for. */
void stream_put(struct log_stream *s);
void stream_save(struct log_stream *s);

/* ---- shipper.c ---- */

/* May this stream put now? If not, stream_put is called when it may. */
bool logs_take_turn(struct logs *l, struct log_stream *s);
/* A put is over: whose turn is it? */
void logs_end_turn(struct logs *l);
void logs_count_drops(struct logs *l, struct log_stream *s, enum drop_cause cause, size_t n);
/* The stream is drained or out of time: tells its user and destroys it. */
void logs_finish(struct logs *l, struct log_stream *s);
