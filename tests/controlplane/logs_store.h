#pragma once
/* logs_store: log groups, streams and events in memory, and the limits that
 * CloudWatch Logs puts on them. Pure: the time is an argument.
 *
 * Bounded: a stream keeps LOGS_STREAM_BYTES and all streams together
 * LOGS_TOTAL_BYTES (text plus LOGS_EVENT_COST per event). Beyond that the
 * oldest events are dropped: of the stream that is too long, then of the one
 * that is written to; `dropped` counts them. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "base/err.h"
#include "base/str.h"

#define LOGS_STREAM_BYTES ((size_t)64 * 1024 * 1024)
#define LOGS_TOTAL_BYTES  ((size_t)1024 * 1024 * 1024)
#define LOGS_EVENT_COST   64

#define LOGS_BATCH_EVENTS 10000
#define LOGS_BATCH_BYTES  1048576
#define LOGS_EVENT_EXTRA  26
#define LOGS_SPAN_MS      (24LL * 3600 * 1000)
#define LOGS_OLDEST_MS    (14LL * 24 * 3600 * 1000)
#define LOGS_NEWEST_MS    (2LL * 3600 * 1000)
#define LOGS_GROUPS_MAX   10000
#define LOGS_STREAMS_MAX  100000 /* of one group */

struct log_event {
    int64_t at_ms, ingested_ms;
    uint64_t seq; /* unique in the store, in order of arrival */
    char *text;
    size_t len;
};

/* Where a reader stands: events are ordered by time, then by arrival. */
struct log_pos {
    int64_t at_ms;
    uint64_t seq;
};

struct log_stream {
    UT_hash_handle hh;
    char *name;
    int64_t created_ms, last_ingested_ms;
    struct log_event *events; /* [first, first + count), ordered */
    size_t first, count, cap, bytes;
};

struct log_group {
    UT_hash_handle hh;
    char *name;
    int64_t created_ms;
    int retention_days; /* 0: for ever */
    char *class_name;
    struct log_stream *streams;
};

struct log_store {
    struct log_group *groups;
    uint64_t last_seq;
    size_t bytes;
    uint64_t events, dropped;
};

struct log_input {
    int64_t at_ms;
    struct str text; /* borrowed */
};

/* -1 where nothing was rejected for that reason. */
struct log_rejects {
    int64_t too_new_start, too_old_end, expired_end;
};

void log_store_fini(struct log_store *s);

bool log_group_name_ok(const char *name);
bool log_stream_name_ok(const char *name);
bool log_retention_ok(int64_t days);

struct log_group *log_group_find(const struct log_store *s, const char *name);
struct log_group *log_group_add(struct log_store *s, const char *name, int64_t now_ms);
void log_group_remove(struct log_store *s, struct log_group *g);
size_t log_group_bytes(const struct log_group *g);

struct log_stream *log_stream_find(const struct log_group *g, const char *name);
struct log_stream *log_stream_add(struct log_group *g, const char *name, int64_t now_ms);
void log_stream_remove(struct log_store *s, struct log_group *g, struct log_stream *st);

/* What the service refuses of a batch as a whole, in its words. */
MUST_CHECK enum err_code log_batch_check(const struct log_input *in, size_t n, struct err *e);

/* Stores a checked batch but for the events outside the window. ERR_INVALID:
 * the accepted events span more than 24 hours, nothing was stored. */
MUST_CHECK enum err_code log_stream_put(struct log_store *s, const struct log_group *g,
                                        struct log_stream *st, const struct log_input *in, size_t n,
                                        int64_t now_ms, struct log_rejects *rejects, struct err *e);

const struct log_event *log_stream_at(const struct log_stream *st, size_t i);
/* The index of the first event not before `pos`. */
size_t log_stream_seek(const struct log_stream *st, struct log_pos pos);
int log_pos_order(struct log_pos a, struct log_pos b);

/* ---- filter patterns (logs_filter.c) ---- */

struct log_filter;

/* Words and "phrases" must all occur, -word must not, and of ?words (which are
 * ignored beside plain words) one must. JSON, column and regular expression
 * patterns are not understood here. */
MUST_CHECK enum err_code log_filter_parse(const char *pattern, struct log_filter **out,
                                          struct err *e);
bool log_filter_match(const struct log_filter *f, struct str text);
void log_filter_destroy(struct log_filter *f); /* NULL is fine */
