#pragma once
/* log_file: a log as a file that is kept small: the agent's own, and the audit of credentials.
 *
 * Lines are appended; by size or by the hour the file is set aside under another name, and
 * the oldest of those are removed. Someone else may rename or remove the file at any time:
 * within a second a new one is begun. What goes wrong never blocks and never ends the
 * process; the caller learns that a line is not written, and counts. Time comes in. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"

/* A descriptor that lines go to. */
struct log_out {
    int fd;
    bool torn; /* it ends with a piece of a line */
};

/* Writes a whole line, its newline included; false when that is not possible now. */
bool log_out_write(struct log_out *o, const char *line, size_t n);

struct log_file;

MUST_CHECK enum err_code log_file_open(const char *path, const struct log_file_rule *rule,
                                       struct log_file **out, struct err *e);
void log_file_close(struct log_file *f); /* NULL is fine */

/* As log_out_write, after setting the file aside when it is time. */
bool log_file_write(struct log_file *f, int64_t wall_ms, int64_t mono_ms, const char *line,
                    size_t n);
