#pragma once
/* What the files of postmortem share. Private to agent/postmortem. */
#include "postmortem/postmortem.h"

/* ---- record.c (pure): facts and lines in, JSON out ---- */

#define RECORD_HEAD_MAX (40 * 1024) /* without the logs */

struct record_line {
    int64_t when_ns;
    int stream; /* 1 stdout, 2 stderr */
    char *text; /* without its newline; owned by who made it */
    size_t n;
};

struct record_log {
    const char *container;
    const struct record_line *lines; /* oldest first */
    size_t n_lines;
    const char *missing; /* why there are none or not all; NULL: nothing is missing */
};

/* Appends the record without its end, at most RECORD_HEAD_MAX bytes: long texts are cut, at
 * characters, then notes and at last containers are left out, so that it always fits. */
void record_write_head(struct buf *out, const struct postmortem_facts *f,
                       postmortem_clean_fn *clean, void *user);
/* Appends the logs, oldest lines left out, and the end; the whole is at most POSTMORTEM_MAX. The
 * first log has half of the room when there are more, so it is that of the container that
 * failed. */
void record_write_logs(struct buf *out, const struct record_log *logs, size_t n);

/* ---- keep.c: the folder; every call may block ---- */

bool keep_is_name(const char *id); /* may it be a file's name? */
bool keep_has(const char *dir, const char *id);
/* Writes the record as one that ended at `ended_ms`, then removes what is too much. */
MUST_CHECK enum err_code keep_write(const char *dir, const char *id, struct str text,
                                    int64_t ended_ms, struct err *e);
MUST_CHECK enum err_code keep_read(const char *dir, const char *id, struct buf *out, struct err *e);
