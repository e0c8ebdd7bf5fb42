#pragma once
/* lines: makes log events of frames. Pure; private to logs.
 *
 * The engine cuts lines over 16 KiB into several messages; nothing marks them but
 * that all have one time and only the last ends in a newline. So a frame goes on
 * with the line before it when that lacks its newline and has the same stream and
 * time. (The `local` driver of engine 20.10 omits the newline after the last part
 * too.)
 *
 * Events are valid UTF-8: each invalid byte becomes U+FFFD. The newline is taken
 * off, with one carriage return before it; lines that are empty then are dropped,
 * for the sink would refuse them. Lines over LINES_MAX_EVENT are split between
 * characters. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "logs/cursor.h"

#define LINES_MAX_EVENT (1048576 - 26)

struct line {
    int stream; /* 1 stdout, 2 stderr */
    int64_t when_ns;
    struct str text; /* 1..LINES_MAX_EVENT bytes, or none with keep_empty; borrowed for the call */
    /* The event is the last of its frame: once it is confirmed, the stream is
     * confirmed up to `mark`. */
    bool whole;
    struct mark mark;
};

typedef void lines_fn(void *user, const struct line *line);

struct lines_part {
    struct buf text; /* of a line whose end has not come */
    int64_t when_ns;
    struct mark mark; /* of the last frame */
    bool open;        /* the line goes on, though all its text may be out already */
};

struct lines {
    lines_fn *fn;
    void *user;
    struct lines_part parts[2];
    struct buf clean; /* text with its invalid bytes replaced */
    int64_t n_replaced, n_empty, n_split;
    /* Set after lines_init: empty lines are told too. Inside of an event of several lines they
     * belong to it. */
    bool keep_empty;
};

void lines_init(struct lines *l, lines_fn *fn, void *user);
void lines_fini(struct lines *l);
void lines_feed(struct lines *l, int stream, int64_t when_ns, struct str text,
                const struct mark *mark);
/* The log has ended: what waits for the rest of its line goes out. */
void lines_end(struct lines *l);
bool lines_waiting(const struct lines *l);
