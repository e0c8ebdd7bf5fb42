#pragma once
/* The lines of containers, on the terminal. Private to cli/run_logs.c and cli/logs*.c. */
#include "base/buf.h"

/* ---- the texts of a log, joined to lines ---- */

#define LOG_LINE_MAX ((size_t)64 * 1024) /* a longer one comes in pieces */

/* `line` is without its end; the time is that of its first text. May destroy nothing. */
typedef void log_line_fn(void *user, int stream, int64_t when_ns, struct str line);

struct log_lines {
    struct buf parts[2]; /* lines whose end has not come: stdout, stderr */
    int64_t when_ns[2];
    log_line_fn *fn;
    void *user;
};

void log_lines_init(struct log_lines *l, log_line_fn *fn, void *user);
void log_lines_fini(struct log_lines *l);
void log_lines_add(struct log_lines *l, int stream, int64_t when_ns, struct str text);
void log_lines_end(struct log_lines *l); /* gives what has no end yet */

/* ---- printing ---- */

struct log_printer {
    bool colored[2]; /* standard output, standard error */
    int width;       /* of the names; 0: lines are printed without a name */
    bool times;
};

void log_printer_init(struct log_printer *p);
void log_printer_name(struct log_printer *p, const char *name); /* will be printed */
/* Standard output to ours, standard error to ours. False: nobody reads standard output. */
MUST_CHECK bool log_print(const struct log_printer *p, const char *name, size_t color, int stream,
                          int64_t when_ns, struct str line);

#define LOG_TIME_SIZE 32
void log_time(int64_t when_ns, char out[LOG_TIME_SIZE]); /* "2026-01-02T03:04:05.000000006Z" */
