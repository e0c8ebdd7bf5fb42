#pragma once
/* internal: what the files of the shipper share. Private to logs.
 *
 * A message of the source becomes an event of the stream's open batch (stream_in.c). A batch that
 * is full or old enough becomes a parcel, which is put to the sink in its turn (stream_out.c),
 * after the sink was asked what it has of it where that is not known (ask_back.c). What is stored
 * is confirmed in the order of the log. */

#include "base/map.h"
#include "base/rng.h"
#include "logs/batch.h"
#include "logs/budget.h"
#include "logs/gate.h"
#include "logs/lines.h"
#include "logs/logs.h"
#include "logs/multiline.h"
#include "logs/options.h"
#include "logs/sink.h"
#include "logs/source.h"
#include "logs/turns.h"
#include "task/task.h"

#define LOGS_MAX_PUTS    32
#define LOGS_MOST_OF_ONE 16 /* to one endpoint */
#define LOGS_MAX_READS   2  /* they are dear: 10 to 25 a second for a whole account */
#define LOGS_STREAM_PUTS 4  /* of one stream, when one does not keep up */
#define LOGS_COMPLAIN_MS 60000
#define LOGS_LULL_MS     80 /* without an event: what follows a full batch is complete */

struct parcel {       /* a batch that is complete */
    struct list node; /* of log_stream.parcels */
    struct log_stream *stream;
    struct batch *batch;
    size_t held;       /* of the budget */
    size_t events;     /* that it had at first */
    int64_t before_ms; /* times of what lies before it in the log reach up to here */
    int64_t before_n;  /* so many events of that time do; 0: unknown */
    struct sink_put *put;
    struct buf part; /* the body of that, when it is not the whole batch */
    /* The sink may have some of it: to be asked before the next put. */
    bool ask, asked;
    struct turn ask_turn; /* in logs.reads */
    struct sink_read *read;
    bool sent; /* a put was begun, and nothing says that it was in vain */
    bool stored;
};

struct log_stream {
    UT_hash_handle hh;
    struct logs *logs;
    char *id; /* of the container; key */
    char *task;
    char *role_id; /* NULL: the instance's keys */
    struct log_options to;
    struct gate *gate;
    bool own; /* the agent's log: no container, no cursor */

    /* In. */
    struct source *source;
    bool ended; /* the source is at rest */
    bool gone;  /* because the container was removed, read or not */
    bool paused;
    struct list pausing; /* in logs.paused */
    struct lines lines;
    struct buf plain;            /* an escaped text that cannot be taken as it is */
    struct multiline *multiline; /* NULL without a pattern */
    struct loop_timer *join;     /* its patience */
    struct batch *open;
    size_t open_held;    /* of the budget */
    bool in_burst;       /* the batch before it was full: it need not wait for more than a lull */
    int64_t added_ms;    /* monotonic: the last event */
    int64_t clock_ms;    /* of the last event: no later one is earlier, unless by far */
    int64_t clock_n;     /* so many events of that time came; 0: unknown */
    int64_t sealed_ms;   /* the latest time in what is no more in the open batch */
    int64_t sealed_n;    /* as clock_n */
    struct cursor tail;  /* behind the last event */
    int64_t troubled_ms; /* 0: never */

    /* Out. */
    struct list parcels; /* in the order of the log */
    size_t held, waiting_events;
    struct turn turn;
    int attempts; /* failed in a row */
    struct loop_timer *flush, *retry;
    enum sink_verdict complained; /* what the log was told of last; SINK_STORED: nothing */
    int64_t complained_ms;

    /* What an agent before this one may have sent already; see ask_back.c. */
    bool resuming, unreadable;
    size_t new_in_a_row;
    int64_t not_before_ms;

    struct cursor confirmed;
    struct loop_timer *save;
    bool unsaved;
    int64_t saved_ms; /* 0: never */

    bool draining, drained;
    struct loop_timer *drain; /* the deadline; or runs at once, when drained */
    logs_drained_fn *drained_fn;
    void *drained_user;

    bool held_back;  /* the container, because its spool is nearly full */
    bool hold_known; /* else an earlier agent may hold it */

    struct logs_totals sum;           /* its counters; not what is now */
    int64_t unsaid[LOGS_DROP__COUNT]; /* drops that the log was not told of */
    int64_t said_ms;
    int64_t untold[LOGS_DROP__COUNT], untold_gaps; /* that the stream itself does not tell of yet */
    int64_t told_ms;
    bool tell_now;
    char *refusal; /* what the sink said of the last event it refused */
};

struct logs {
    struct logs_args args;
    char *file_dir;
    struct sink sink;
    struct rng rng;
    int64_t created_ms; /* wall clock */
    struct log_stream *streams;
    struct log_stream *own; /* one of them, or NULL */
    bool about_own;         /* what is logged now is about the shipping of the agent's own log */
    struct list gates;
    struct turns puts, reads;
    struct loop_timer *pump;
    struct budget budget;
    struct spares spares;
    struct list paused; /* of log_stream.pausing */
    struct list absent; /* drains of containers that are not followed */
    struct loop_timer *say, *look;
    bool looks_soon; /* that timer's next look is not far */
    struct file_watches *watches;
    struct logs_totals gone; /* of streams that are gone */
};

/* ---- stream.c: its life ---- */

struct stream_args {
    const char *id, *task;
    const char *role_id;
    struct log_options *to; /* taken */
    bool own;
    struct task_spool spool;
};
/* Starts to follow. */
struct log_stream *stream_create(struct logs *l, const struct stream_args *args);
void stream_destroy(struct log_stream *s);
/* The container runs (again). */
void stream_follow(struct log_stream *s);
void stream_drain(struct log_stream *s, int64_t timeout_ms, logs_drained_fn *done, void *user);
void stream_hurry(struct log_stream *s); /* see logs_hurry */
void stream_confirm(struct log_stream *s, const struct cursor *upto);
/* Asks for the cursor to be stored, if there is anything new; `last` when the stream ends here. */
void stream_save(struct log_stream *s, bool last);
void stream_check_drained(struct log_stream *s);
int64_t stream_now(const struct log_stream *s); /* monotonic */

/* ---- stream_in.c: from messages to batches ---- */

extern const struct source_events stream_events;
struct event {
    int64_t when_ms;
    struct str text;
    bool escaped; /* then `plain_n` counts */
    size_t plain_n;
};
void stream_add(struct log_stream *s, const struct event *ev);
void stream_in_init(struct log_stream *s);
void stream_in_fini(struct log_stream *s);
/* May the streams that wait for memory read on? */
void logs_resume_reading(struct logs *l);

/* ---- stream_out.c: from batches to the sink ---- */

/* Makes a parcel of the open batch. */
void stream_seal(struct log_stream *s);
/* Asks for a turn if anything is ready and nothing hinders. */
void stream_send(struct log_stream *s);
/* It is this stream's turn. */
void stream_put(struct log_stream *s);
/* A put or a read failed: waits. */
struct stream_failure {
    enum sink_verdict verdict;
    bool throttled, away, unknown;
    const struct err *e;
};
void stream_later(struct log_stream *s, const struct stream_failure *f);
enum gate_end stream_gate_end(const struct stream_failure *f);
/* Confirms what is stored from the first parcel on. */
void stream_settle(struct log_stream *s);
void stream_out_fini(struct log_stream *s);

/* ---- ask_back.c: what the sink has already ---- */

void ask_back_init(struct log_stream *s, bool clean);
/* Is the sink to be asked before this is put? */
bool ask_back_wanted(struct parcel *p);
/* Waits for a turn to ask, if it does not yet. */
void ask_back_begin(struct parcel *p);
/* It is this parcel's turn. */
void ask_back_read(struct parcel *p);
void ask_back_cancel(struct parcel *p);

/* ---- drops.c ---- */

void drops_count(struct log_stream *s, enum logs_drop cause, int64_t n);
void drops_gap(struct log_stream *s, int64_t lines);
/* Tells the stream itself of its losses, before an event of that time. */
void drops_tell(struct log_stream *s, int64_t when_ms);
void drops_say(struct log_stream *s); /* tells the log */
void drops_on_say(void *user);        /* the timer, of `logs` */

/* ---- hold.c ---- */

/* What a container may write while it is being held. */
#define HOLD_KEEP_BYTES ((int64_t)64 << 20)
bool hold_may(const struct log_stream *s); /* can its container be held at all? */
void hold_begin(struct log_stream *s);     /* watches the spool of a blocking stream */
void hold_look_soon(struct log_stream *s); /* it is not read on, so its spool fills */
void hold_release(struct log_stream *s);
void hold_on_look(void *user); /* the timer, of `logs` */

/* ---- totals.c ---- */

void totals_add(struct logs_totals *to, const struct logs_totals *more); /* counters only */
void totals_of_stream(const struct log_stream *s, struct logs_totals *out);

/* ---- shipper.c ---- */

/* Gives turns to who waits. */
void logs_pump(struct logs *l);
struct gate *logs_gate(struct logs *l, const char *endpoint);
void logs_gate_leave(struct gate *g);
/* The stream is drained or out of time: tells its user and destroys it. */
void logs_finish(struct logs *l, struct log_stream *s);

/* ---- source_own.c ---- */

/* Lines in memory, at most LOGS_OWN_MAX bytes of them. */
struct source *source_own_create(struct loop *loop, const struct source_events *events, void *user);
void source_own_line(struct source *base, int64_t when_ms, struct str text);
