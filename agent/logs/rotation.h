#pragma once
/* rotation: which of a log's files are to be read, and from where. Pure; private to logs.
 *
 * The engine writes to "<id>-json.log"; when that is full it becomes ".1", what was ".1" becomes
 * ".2", and so on; the last one is removed. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "logs/cursor.h"

/* A listing has no order in time: names move on while they are looked at, one after the other, from
 * the newest. [0] is the file itself; 0: it is not there. */
struct rotation_news {
    size_t n;   /* files [0, n) of the listing are newer than the one that is known */
    bool known; /* and that one is there */
};
struct rotation_news rotation_news(const uint64_t *inodes, size_t n, uint64_t newest);

/* Must the rest of a listing be looked at? While the engine renames, one name may be free. */
bool rotation_more(const uint64_t *inodes, size_t n, int64_t max_files);

struct rotation_file {
    int64_t key; /* spool_file.h; 0: no message yet */
    int64_t size;
    int64_t first_ns; /* of its first message; 0: none */
};

struct rotation_start {
    size_t file; /* the first to be read; the older ones are done with */
    int64_t offset;
    bool lost;    /* the file of a mark is not there any more */
    bool by_time; /* the cursor is of the API: messages are to be compared with it */
    /* Messages at or before these are old, for each stream. */
    struct {
        size_t file;
        int64_t offset;
    } old[2];
};
/* `files`: oldest first, at least one. */
struct rotation_start rotation_start(const struct rotation_file *files, size_t n,
                                     const struct cursor *from);
