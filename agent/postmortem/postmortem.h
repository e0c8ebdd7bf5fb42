#pragma once
/* postmortem: what is known of a task that ended as it should not, kept for whoever asks why.
 *
 * One record for a task: a JSON object of at most POSTMORTEM_MAX bytes in a file "<task id>.json"
 * (mode 0600) of one folder, which holds at most POSTMORTEM_FILES records of POSTMORTEM_BYTES in
 * all; the oldest ends go. The facts come by arguments; only the last log lines are asked of the
 * container engine, while the containers are still there. Files are written on a worker. What
 * could not be had is said in the record. Below: base, io, task, docker. It never logs. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "docker/docker.h"
#include "io/loop.h"
#include "task/task.h"

#define POSTMORTEM_MAX      (64 * 1024)
#define POSTMORTEM_FILES    200
#define POSTMORTEM_BYTES    (8 << 20)
#define POSTMORTEM_LINES    50   /* of each container's log */
#define POSTMORTEM_LOGS_MS  5000 /* to read the logs of one task */
#define POSTMORTEM_WAITING  256  /* records that are being made */
#define POSTMORTEM_LINE_MAX 2048 /* bytes of one log line */

/* What a container used, by the last reading before its end. */
struct postmortem_use {
    int64_t read_ms; /* wall; 0: there was none */
    uint64_t memory_bytes, memory_max_bytes, memory_limit, oom_kills;
    uint64_t periods, throttled_periods, throttled_ns;
    uint64_t pids, pids_limit;
    bool pressure; /* what stalled it is known: microseconds */
    uint64_t cpu_some_us, memory_some_us, memory_full_us, io_some_us, io_full_us;
};

struct postmortem_container {
    const char *name, *image;
    const char *image_id, *docker_id; /* NULL: not known */
    const char *status;               /* "STOPPED" */
    bool essential, failed;           /* it is the one that failed */
    bool has_exit_code, out_of_memory;
    int exit_code;
    const char *signal;                  /* NULL: none */
    const char *error, *health, *output; /* NULL: none; the output of the last health check */
    int64_t created_ms, started_ms, finished_ms; /* wall; 0: never */
    int restarts;
    struct postmortem_use use;
};

struct postmortem_note { /* what the agent saw or did */
    const char *time, *text;
    const char *container; /* NULL: of the task */
    bool warning;
};

struct postmortem_facts { /* all borrowed for the call */
    const char *id, *task_arn, *family, *revision;
    const char *line, *reason; /* reason: NULL: none */
    const char *agent_version, *docker_version;
    int64_t now_ms; /* wall, as all times */
    int64_t arrived_ms, pull_started_ms, pull_stopped_ms, execution_stopped_ms, stopped_ms;
    const struct postmortem_container *containers;
    size_t n_containers;
    const struct postmortem_note *notes; /* oldest first */
    size_t n_notes;
};

/* Takes secrets out of a text of this task. False: that cannot be done; then what a program of
 * the task wrote is withheld. */
typedef bool postmortem_clean_fn(void *user, const char *task_arn, struct buf *text);

/* A record was kept, or not. `id` is borrowed. */
typedef void postmortem_kept_fn(void *user, const char *id, const struct err *e);

struct postmortem_args {
    struct loop *loop;
    struct docker *docker;
    const char *dir; /* made (0700) when it is missing, in a folder that is there. Copied. */
    postmortem_clean_fn *clean;
    postmortem_kept_fn *kept; /* on a later turn */
    void *user;
};

struct postmortems;
struct postmortems *postmortems_create(const struct postmortem_args *args);
/* Records that are being made are given up, and made by the next life of the agent. To be called
 * before docker goes. NULL is fine. */
void postmortems_destroy(struct postmortems *p);

/* Makes the record of a task, unless there is one. ERR_CONFLICT: there is, or it is being made;
 * ERR_INVALID: the id cannot be a file's name; ERR_LIMIT: too many are being made. */
MUST_CHECK enum err_code postmortem_make(struct postmortems *p,
                                         const struct postmortem_facts *facts, struct err *e);

/* The record of the task whose id begins with `id`; with NULL that of the newest end. Appended
 * to `out`, without a newline. ERR_NOT_FOUND; ERR_CONFLICT: more than one begins so and none is
 * called so. Blocks for one small file. */
MUST_CHECK enum err_code postmortem_read(const struct postmortems *p, const char *id,
                                         struct buf *out, struct err *e);
