#pragma once
/* cursor: how far a container's log has been read or confirmed, and which frames
 * of a repeated reading are old. Pure; private to logs.
 *
 * The two streams of a container are written by two copiers of the engine, so
 * their times interleave out of order; within one stream time does not go back.
 * That is why each stream has its own mark. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Up to here, inclusive. What the numbers mean is the source's affair. API: a time in nanoseconds,
 * and the number of the stream's messages with that time. File: the file's key (spool_file.h; an
 * inode may be another file tomorrow), and the offset behind the message. Zeroed: nothing yet. */
struct mark {
    int64_t major, minor;
};

enum cursor_kind { CURSOR_API, CURSOR_FILE };

struct cursor {
    enum cursor_kind kind;
    struct mark at[2]; /* stdout, stderr */
    /* File: the times of the messages at the marks, by which the API could go on. */
    int64_t ns[2];
    /* So many events of the newest time, in milliseconds, are confirmed; 0: unknown. */
    int64_t n_newest;
    /* Nothing was being sent when this was saved: what lies behind is not in the sink. */
    bool clean;
};

/* API: {"ns":[1767323045000000001,0],"same":[1,0]}; file: {"file":[[key,offset,ns],[...]]};
 * each with "newest":n when it is known, and "clean":true when it is so. Every form is read. */
void cursor_write(const struct cursor *c, struct buf *out);
MUST_CHECK enum err_code cursor_parse(const char *text, struct cursor *out, struct err *e);

/* The same place for the API, as near as the times of a file cursor tell: a message that has the
 * time of its stream's mark is taken for an old one. */
struct cursor cursor_by_time(const struct cursor *c);

/* The newest time of a message that the cursor has passed, in milliseconds; 0: none. */
int64_t cursor_newest_ms(const struct cursor *c);

/* The time to read from so that nothing behind the cursor is missed. Up to 23.0
 * the engine hides frames that are older than this time although they were
 * written later, so it lies a little before the cursor. 0: from the start. */
int64_t cursor_since_ns(const struct cursor *c);

/* Follows a reading that may be broken off and begun again. */
struct replay {
    struct cursor read;
    bool again[2]; /* still among frames that were read before? */
    int64_t seen[2];
};

void replay_init(struct replay *r, const struct cursor *from);
/* A new request starts, at cursor_since_ns(&r->read) or before. */
void replay_restart(struct replay *r);
/* Is this frame new? Then it is read now, and `mark` is its place. `stream` is
 * 1 or 2. */
bool replay_accept(struct replay *r, int stream, int64_t when_ns, struct mark *mark);
