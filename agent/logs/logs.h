#pragma once
/* logs: ships the lines of awslogs containers to a CloudWatch-Logs-compatible
 * sink.
 *
 * Below: base, io, task, store (cursors), docker (the source), aws.
 * The container itself runs under json-file, which is the spool: a sink that is
 * away makes a stream wait, never the container, and costs no memory beyond
 * LOGS_MAX_STREAM_BYTES per stream. What the sink confirmed is a cursor in the
 * store; after a crash shipping goes on from there. */
#include <stdbool.h>
#include <stdint.h>

#include "aws/aws.h"
#include "aws/credentials.h"
#include "docker/docker.h"
#include "io/loop.h"
#include "task/task.h"

#define LOGS_MAX_STREAM_BYTES (2 << 20)

struct logs;

struct logs_args {
    struct loop *loop;
    struct aws *aws;
    struct credentials *credentials; /* the instance's */
    struct roles *roles;             /* execution roles */
    struct docker *docker;
    uint64_t seed;
    /* Asks for a cursor to be stored; soon, not now. */
    void (*save_cursor)(void *user, const char *container_id, const char *value);
    void (*drop_cursor)(void *user, const char *container_id);
    /* A stored cursor (free() it) or NULL. */
    char *(*load_cursor)(void *user, const char *container_id);
    void *user;
};

struct logs *logs_create(const struct logs_args *args);
/* Cancels; asks once more for the cursors of what is confirmed to be stored, drops
 * none. NULL is fine. */
void logs_destroy(struct logs *l);

/* Follows a container's log from its cursor, or from its start, until it has
 * ended; asked again, goes on where it was (the container runs again). A container
 * whose driver is not awslogs, or that is followed already, changes nothing. `t`
 * is borrowed for the call. Bad log options are logged, and nothing is shipped. */
void logs_follow(struct logs *l, const struct task *t, size_t container, const char *docker_id);

/* The container has ended: ship the rest, then call `done` (once, later), at the
 * latest after timeout_ms. A container that is not followed is done at once. The
 * cursor is dropped in every case, just before `done`. `complete` is false when
 * time was up, or when the log vanished with its container before its end. */
typedef void logs_drained_fn(void *user, bool complete);
void logs_drain(struct logs *l, const char *docker_id, int64_t timeout_ms, logs_drained_fn *done,
                void *user);

/* What was read of a container's log and is not confirmed yet; false: it is not followed. */
bool logs_waiting(const struct logs *l, const char *docker_id, size_t *bytes);
/* Numbers for those who watch; counters but for streams, paused and waiting ones. */
struct logs_totals {
    size_t streams, paused; /* paused: the sink is behind, so the source waits */
    uint64_t sent_events, sent_bytes;
    size_t waiting_events, waiting_bytes;
    uint64_t puts, puts_failed;
    uint64_t dropped_too_new, dropped_too_old, dropped_expired, dropped_refused, dropped_abandoned;
};
void logs_get_totals(const struct logs *l, struct logs_totals *out);

/* Numbers for `berth status`: streams, events sent, waiting, dropped by cause. */
void logs_write_status(const struct logs *l, struct jw *w);
