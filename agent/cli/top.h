#pragma once
/* What the files of the top command share. Private to cli/top*.c.
 *
 *   top.c         the command: the live screen, one table, JSON
 *   top_read.c    answers of the agent made rows, and rates of two of them
 *   top_screen.c  rows made lines of text (pure) */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"

#define TOP_UNKNOWN (-1)

/* One container that has not ended. Texts are owned; numbers may be TOP_UNKNOWN. */
struct top_row {
    char *task, *name, *container, *docker_id; /* name: family:revision; docker_id may be NULL */
    char *state;     /* HELD (by its log), or health when it has one, else status */
    int64_t read_ns; /* when the counters were read */
    int64_t cpu_ns, rx_bytes, tx_bytes, read_bytes, write_bytes; /* so far */
    int64_t memory, memory_limit, pids, restarts, log_waiting, age_ms;
    /* Since the reading before: */
    double cpu_percent;            /* of one core */
    double rx, tx, reads, written; /* bytes a second */
};

struct top_view {
    char *agent;   /* "0.1.0 (process 12)" */
    char *cluster; /* and instance_arn, NULL: not registered */
    char *instance_arn;
    int64_t uptime_ms;
    bool connected;
    char *trouble;                                          /* why it is not connected; NULL */
    int64_t cpu_used, cpu_total, memory_used, memory_total; /* units, MiB */
    int64_t running, pending, stopped, waiting;             /* tasks; waiting: for room */
    int64_t unsent;                                         /* reports */
    int64_t log_lost, log_gaps; /* lines; losses of a size that nobody knows */
    char *log_causes;           /* "spool 10, too_old 2"; "" */
    struct top_row *rows;       /* in the order of arrival */
    size_t n_rows;
};

/* ---- top_read.c ---- */

/* Of one answer; `out` is a view or {0}, and what it held becomes the reading before: rates are
 * since then. A row whose counters were not read since keeps its rates. */
void top_view_read(struct top_view *out, const struct jcur *answer);
void top_view_fini(struct top_view *v);
/* Whether every row with counters has rates. */
bool top_view_rated(const struct top_view *v);
void top_view_write(const struct top_view *v, struct jw *w); /* one object */

/* ---- top_screen.c ---- */

enum top_sort { TOP_BY_CPU, TOP_BY_MEMORY, TOP_BY_NETWORK, TOP_BY_IO, TOP_BY_TASK };

struct top_look {
    enum top_sort sort;
    int width, height;   /* of the screen; height 0: all rows */
    bool keys;           /* tell the keys */
    const char *problem; /* instead of the keys: the agent is away; NULL */
};

/* The line with the heads of the columns, from 0. */
#define TOP_HEADING 4

/* Lines, each ended by '\n' and at most `width` columns wide, at most `height` of them. When
 * it is narrow the less important columns are left out. Control characters become '?'. */
void top_screen(const struct top_view *v, const struct top_look *look, struct buf *out);
