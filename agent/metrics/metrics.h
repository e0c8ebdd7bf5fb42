#pragma once
/* metrics: what containers use, read from their cgroups and network namespaces.
 *
 * No call to the container engine in the steady state: a container is watched by its process
 * id, from which its cgroup (version 1, hybrid or 2, either driver, nested) and its network
 * namespace are found once. Each is read every METRICS_INTERVAL_MS, and when somebody asks and
 * the last reading is older than METRICS_FRESH_MS. Below: base, io, host. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "io/loop.h"
#include "metrics/sample.h"

#define METRICS_INTERVAL_MS 5000
#define METRICS_FRESH_MS    1000

struct metrics;

struct metrics_args {
    struct loop *loop;
    const char *proc, *cgroup; /* "/proc", "/sys/fs/cgroup"; other roots for tests. Copied. */
    int cpus;                  /* that this process may use: the formulas' ncpu */
};
struct metrics *metrics_create(const struct metrics_args *args);
void metrics_destroy(struct metrics *m); /* NULL is fine */

struct metrics_container { /* copied */
    const char *id;        /* of the engine */
    const char *name;      /* with the engine's leading slash, as in the statistics */
    int pid;
    bool network;          /* a network namespace of its own (bridge): counters are read */
    bool restarts;         /* a restart policy: earlier lives are added */
    int64_t restart_count; /* by its policy, so far */
    int64_t started_ms;
};
/* Watched from now on, and read for the first time on a coming turn. Again with another pid: it
 * runs anew; with `restarts` what it used so far is added to what it uses then. Call again
 * whenever it runs: with the same pid nothing but the count of restarts changes. */
void metrics_watch(struct metrics *m, const struct metrics_container *c);
void metrics_forget(struct metrics *m, const char *id);

/* The statistics object of the metadata endpoints (local-endpoints 3.6), with the network
 * rates when `v4`; false and nothing written when it is not watched. "{}" (v4) or null while
 * there is no reading. */
bool metrics_write_stats(struct metrics *m, const char *id, bool v4, struct jw *w);

/* Whether it is watched, also when there is no reading yet. */
bool metrics_is_watched(struct metrics *m, const char *id);
/* The newest reading; NULL when there is none. Borrowed until the loop runs on. */
const struct metrics_sample *metrics_latest(struct metrics *m, const char *id);
/* The same, read anew first when it is older than METRICS_FRESH_MS. */
const struct metrics_sample *metrics_fresh(struct metrics *m, const char *id);

/* What TCS is told of a container (acs-tcs 5.5): the sets over the readings that were not
 * taken yet, which count as taken then. False: not enough readings. */
struct metrics_sets;
bool metrics_take_sets(struct metrics *m, const char *id, struct metrics_sets *out);
