#pragma once
/* logs: ships the lines of awslogs containers to a CloudWatch-Logs-compatible sink, or to files.
 *
 * Below: base, io, task, store (cursors), docker (the source), aws. The container itself runs under
 * a driver that writes files (local, or json-file where the engine has no other), which are the
 * spool: a sink that is away makes a stream wait and costs no memory. What the sink confirmed is a
 * cursor in the store; after a crash shipping goes on from there, and the sink is asked what it has
 * already, so that nothing comes twice where it can tell.
 *
 * A container never waits for the sink to start or to stop. mode=non-blocking: when the spool is
 * full the engine throws its oldest file away; those lines are counted. mode=blocking: before it
 * comes to that the container is held (LOGS_HOLD_PCT of the spool) and let go when half of the
 * spool is shipped (LOGS_RELEASE_PCT). Freezing it takes the engine a moment: what a fast container
 * writes meanwhile may stand over the bound for as long as it is held, and is not lost.
 *
 * Memory: logs/budget.h. Streams are served in turn, so none waits for another's flood longer than
 * its flush interval. */
#include <stdbool.h>
#include <stdint.h>

#include "aws/aws.h"
#include "aws/credentials.h"
#include "docker/docker.h"
#include "io/loop.h"
#include "task/task.h"

#define LOGS_HOLD_PCT    70
#define LOGS_RELEASE_PCT 50

struct logs;

struct logs_args {
    struct loop *loop;
    struct aws *aws;
    struct credentials *credentials; /* the instance's */
    struct roles *roles;             /* execution roles */
    struct docker *docker;
    uint64_t seed;
    const char *file_dir; /* ship to files in this folder instead of the service; NULL. Copied. */
    bool ask_back;        /* after a crash, ask the sink what it has */
    int64_t spool_bytes;  /* as task_create_args.log_spool_bytes */
    /* Asks for a cursor to be stored; soon, not now. */
    void (*save_cursor)(void *user, const char *container_id, const char *value);
    void (*drop_cursor)(void *user, const char *container_id);
    /* A stored cursor (free() it) or NULL. */
    char *(*load_cursor)(void *user, const char *container_id);
    /* engine_hold. NULL: containers are never held. */
    void (*hold)(void *user, const char *container_id, bool held);
    void *user;
};

struct logs *logs_create(const struct logs_args *args);
/* Cancels; asks once more for the cursors of what is confirmed to be stored, drops
 * none. NULL is fine. */
void logs_destroy(struct logs *l);

/* One container, all of it borrowed for the call. */
struct logs_container {
    const struct task *task;
    size_t container; /* index */
    const char *docker_id, *docker_name;
    /* The values of those of its log options that are secrets (target LOG_DRIVER). */
    const struct task_kv *secrets;
    size_t n_secrets;
};

/* Before the create (docker_id is not looked at): are the container's options good? Other drivers
 * than awslogs are. The text is the reason of the task's end. */
MUST_CHECK enum err_code logs_check(const struct logs *l, const struct logs_container *c,
                                    struct err *e);

/* Follows a container's log from its cursor, or from its start, until it has
 * ended; asked again, goes on where it was (the container runs again). A container
 * whose driver is not awslogs, or that is followed already, changes nothing. Bad log options, and
 * secrets that are missing, are logged, and nothing is shipped. */
void logs_follow(struct logs *l, const struct logs_container *of);

/* The container has ended: ship the rest, then call `done` (once, later), at the
 * latest after timeout_ms. A container that is not followed is done at once. The
 * cursor is dropped in every case, just before `done`. `complete` is false when
 * time was up, or when the log vanished with its container before its end. */
typedef void logs_drained_fn(void *user, bool complete);
void logs_drain(struct logs *l, const char *docker_id, int64_t timeout_ms, logs_drained_fn *done,
                void *user);

/* The host goes down. logs_hurry: the container (NULL: the agent itself) has ended or is about to:
 * what is left of its log is read and sent without waiting for company; the cursor stays. When
 * logs_left is 0, every log was read to its end and everything read is in the sink. */
void logs_hurry(struct logs *l, const char *docker_id);
size_t logs_left(const struct logs *l); /* logs of which something is left */

/* The agent's own log (ECS_LOG_DRIVER=awslogs): lines that wait for the sink are kept in memory, at
 * most LOGS_OWN_MAX bytes of them, the oldest go first, counted. `options`: names and values of
 * ECS_LOG_OPTS, the region's and group's at least; `stream` when they name none. ERR_INVALID names
 * the option. Lines are given without their newline, from the loop thread. */
#define LOGS_OWN_MAX ((size_t)1 << 20)
MUST_CHECK enum err_code logs_own_begin(struct logs *l, const struct task_kv *options, size_t n,
                                        const char *stream, struct err *e);
void logs_own_line(struct logs *l, int64_t when_ms, struct str line);

/* Why an event that was written is not in the sink. */
enum logs_drop {
    LOGS_DROP_TOO_NEW, /* the service says so */
    LOGS_DROP_TOO_OLD,
    LOGS_DROP_EXPIRED,
    LOGS_DROP_REFUSED,   /* it is invalid, says the service */
    LOGS_DROP_ABANDONED, /* the drain took too long; what it left unread is one of the gaps */
    LOGS_DROP_SPOOL,     /* the bound of the spool: the engine removed it unread */
    LOGS_DROP_DAMAGED,   /* a line of the log file that is no message */
    LOGS_DROP__COUNT
};
const char *logs_drop_name(enum logs_drop cause); /* "too_old" */

struct logs_totals { /* since the agent began, but for what is now */
    int64_t streams, paused, held;
    int64_t waiting_events, waiting_bytes; /* in memory */
    int64_t backlog_bytes;                 /* in the spools, unread */
    int64_t oldest_ms; /* age of the oldest event that is not confirmed; 0: none */
    int64_t read_lines, read_bytes;
    int64_t sent_events, sent_bytes, puts, puts_failed;
    int64_t dropped[LOGS_DROP__COUNT];
    int64_t gaps;     /* of unknown size */
    int64_t repeated; /* events that the sink had already, not sent again */
    int64_t clamped, replaced_bytes, split, gave_up; /* multiline matches that were given up */
};
void logs_totals(const struct logs *l, struct logs_totals *out);
/* The same of one container; false: it is not followed. */
bool logs_totals_of(const struct logs *l, const char *docker_id, struct logs_totals *out);
/* They as JSON, for `berth status`. */
void logs_write_status(const struct logs *l, struct jw *w);
