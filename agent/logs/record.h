#pragma once
/* record: one message in a log file of the engine, whichever of its drivers wrote it, and how such
 * a file is read. Pure; private to logs. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* No record is longer. The engine cuts texts at 16 KiB, which escaped may be six times as many. */
#define RECORD_MAX ((size_t)256 * 1024)

struct record {
    int stream; /* 1 stdout, 2 stderr */
    int64_t when_ns;
    struct str text; /* without the newline; borrowed */
    /* It is what stands between the quotes of a JSON string, and valid UTF-8: a sink takes it as it
     * is. Else any bytes, as the container wrote them. */
    bool escaped;
    bool ends_line; /* a newline follows */
    size_t cr_n;    /* so many bytes at the end of the text are a "\r" before that newline */
    size_t plain_n; /* bytes of the text when it is unescaped, its newline included */
};

enum record_read {
    RECORD_WHOLE,   /* *out is the next one; *used bytes are done with */
    RECORD_MORE,    /* the rest of it has not been written yet; see *used */
    RECORD_DAMAGED, /* it is none (torn by a crash of the engine); *used to skip it */
};

struct record_scan { /* a format's own notes on a file; zeroed at its beginning */
    bool skipping;   /* in something damaged that was told of */
    size_t before;   /* local: the length of the entry that ends here; 0: unknown */
};

struct record_format {
    /* RECORD_DAMAGED comes once for what is damaged, however long that is, and *used leads to the
     * next record if there is one. With RECORD_MORE, *used may be bytes that are done with: then
     * call again. */
    enum record_read (*next)(struct record_scan *s, struct str data, size_t *used,
                             struct record *out);
    /* A number for a file that begins so, by which a file that has an inode of another is told from
     * it: each record has a time. Stays the same while the file grows. 0: its first record is not
     * whole. */
    int64_t (*key)(struct str beginning);
};

/* {"log":"text\n","stream":"stdout","time":"..."}, a line each: the driver json-file. */
extern const struct record_format json_records;
/* Entries in protobuf between their lengths: the driver local. */
extern const struct record_format local_records;

/* A key of bytes in which there is a time; never 0. */
int64_t record_key(struct str bytes);
#define RECORD_KEY_BYTES 256
