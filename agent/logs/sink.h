#pragma once
/* sink: where batches go: log streams of a CloudWatch-Logs-compatible service, whose stream and
 * group are created when they are missing; or files. Private to logs. It tries once; whether and
 * when to try again is the caller's. */
#include <stddef.h>

#include "aws/aws.h"
#include "aws/credentials.h"
#include "base/err.h"
#include "base/str.h"
#include "logs/batch.h"
#include "logs/options.h"

struct sink {
    struct loop *loop;
    struct aws *aws;
    struct credentials *credentials;
    struct roles *roles;
    const char *file_dir; /* files instead of the service; NULL */
};

enum sink_verdict {
    SINK_STORED,
    SINK_LATER,   /* busy, away, or the outcome is unknown: the same again, soon */
    SINK_BLOCKED, /* somebody has to change something first: the same again, rarely */
    SINK_INVALID, /* never again as it is */
};

struct sink_answer {
    enum sink_verdict verdict;
    bool throttled; /* LATER, because there are too many requests: everybody slows down */
    bool unknown;   /* LATER, and perhaps it is stored all the same */
    bool away;      /* LATER, because nothing works there now */
    /* Events that a service which stored the rest threw away. */
    size_t too_new, too_old, expired;
    const struct err *e; /* says why it is not stored; borrowed */
};

struct sink_put_args {
    const struct log_options *to;
    const char *role_id; /* sign with the keys of this role; NULL: the instance's */
    struct str body;     /* of PutLogEvents */
    size_t n_events;
};

/* What `args` points to is borrowed until `done` or the cancel. */
typedef void sink_done_fn(void *user, const struct sink_answer *a);
struct sink_put *sink_put(const struct sink *sink, const struct sink_put_args *args,
                          sink_done_fn *done, void *user);
void sink_cancel(struct sink_put *p); /* NULL is fine */

/* What the stream holds of [from_ms, to_ms] (GetLogEvents, all pages; no more than the first
 * SINK_READ_EVENTS and SINK_READ_BYTES of text, and 1000 pages), in order. ERR_NOT_FOUND: there is
 * no such stream, or nothing to ask (files); ERR_DENIED: the keys may not read it; `away` and
 * `throttled` as above. `events` is borrowed for the call. */
#define SINK_READ_EVENTS 100000
#define SINK_READ_BYTES  ((size_t)8 << 20)
struct sink_found {
    const struct batch_event *events;
    size_t n;
    bool throttled, away;
    const struct err *e;
};
typedef void sink_read_fn(void *user, const struct sink_found *found);
struct sink_read *sink_read(const struct sink *sink, const struct log_options *to,
                            const char *role_id, int64_t from_ms, int64_t to_ms, sink_read_fn *done,
                            void *user);
void sink_read_cancel(struct sink_read *r); /* NULL is fine */

/* The file sink (sink_file.c): <dir>/<group>/<stream>.log, in which "/" of a name becomes a folder
 * (none for one at its beginning) and what leads out of `dir` is BLOCKED, as is a folder that may
 * not be written; a full disk is LATER. A line for each event, "2026-01-05T07:00:00.123Z text",
 * the further lines of one that has several after a tab; written and synced on a worker before it
 * counts as stored, all of it or nothing. `dir` must be there; what is made in it gets 0750 and
 * 0640. Opened for every put: to rotate is to rename. */
struct file_put;
struct file_put *file_put(struct loop *loop, const char *dir, const struct sink_put_args *args,
                          sink_done_fn *done, void *user);
void file_put_cancel(struct file_put *p);
