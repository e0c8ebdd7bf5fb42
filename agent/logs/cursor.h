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

/* Up to here, inclusive. What the numbers mean is the source's affair; of the API
 * source: a time in nanoseconds, and the number of the stream's frames with that
 * time. Zeroed: nothing yet. */
struct mark {
    int64_t major, minor;
};

struct cursor {
    struct mark at[2]; /* stdout, stderr */
};

/* {"ns":[1767323045000000001,0],"same":[1,0]} */
void cursor_write(const struct cursor *c, struct buf *out);
MUST_CHECK enum err_code cursor_parse(const char *text, struct cursor *out, struct err *e);

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
