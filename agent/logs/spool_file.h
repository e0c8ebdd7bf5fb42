#pragma once
/* spool_file: one file of a container's log, open for as long as it matters. Private to logs. */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "logs/record.h"

/* Longer than any record, so that one that has no end is seen to have none. */
#define SPOOL_FILE_READ ((size_t)256 * 1024 + 1)

struct spool_file {
    const struct record_format *format;
    int fd;
    uint64_t inode; /* while it is open no other file has it */
    uint64_t seq;   /* later files have larger ones; given by the source */
    /* A number that no other file of the log ever has: its first message has a time. 0: it has no
     * message yet. */
    int64_t key;
    int64_t offset;  /* everything before it was given out */
    int64_t seen;    /* the file's size when there was nothing whole behind the offset */
    bool gap_before; /* files before it were never seen */
    bool gone;       /* the engine has removed it */
    struct record_scan scan;
};

/* Only regular files, never over a symbolic link. */
MUST_CHECK enum err_code spool_file_open(const char *path, const struct record_format *format,
                                         struct spool_file *out, struct err *e);
void spool_file_close(struct spool_file *f);

/* Reads the beginning when the key is not known yet; 0: its first record is not whole. */
int64_t spool_file_key(struct spool_file *f);
/* The time of the first message; 0: it has none. */
int64_t spool_file_first_ns(const struct spool_file *f);

/* Reads what is behind the offset. ERR_RETRY, with nothing in `e`: only by waiting for the disk
 * (with may_wait it never comes). *n 0: nothing is there. */
MUST_CHECK enum err_code spool_file_read(const struct spool_file *f, bool may_wait, char *to,
                                         size_t room, size_t *n, struct err *e);
/* Its size and whether it has a name; ERR_IO. */
MUST_CHECK enum err_code spool_file_stat(struct spool_file *f, int64_t *size, struct err *e);
