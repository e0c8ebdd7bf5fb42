#pragma once
/* stream: cuts the engine's byte streams into lines and log frames. Pure,
 * private to agent/docker.
 *
 * A sink returns false to stop: the parser then touches neither itself nor its
 * owner again, so a sink may have freed both. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* ---- lines (events, pull) ---- */

#define DOCKER_LINE_MAX (1 << 20)

struct docker_lines {
    struct buf part; /* of a line whose end has not come */
};

/* A line without its newline and carriage return, never empty; borrowed. */
typedef bool docker_line_fn(void *user, struct str line);

void docker_lines_init(struct docker_lines *l);
void docker_lines_fini(struct docker_lines *l);
/* ERR_LIMIT for a line over DOCKER_LINE_MAX, which ends the stream. */
MUST_CHECK enum err_code docker_lines_feed(struct docker_lines *l, struct str piece,
                                           docker_line_fn *fn, void *user, struct err *e);
/* What follows the last newline; empty when nothing does. Borrowed. */
struct str docker_lines_rest(const struct docker_lines *l);

/* ---- logs ---- */

#define DOCKER_FRAME_MAX (1 << 20)
#define DOCKER_STAMP_MAX 64
#define DOCKER_TTY_PART  16384 /* the engine cuts longer lines into such messages */

/* Text longer than DOCKER_FRAME_MAX comes in pieces with the same time. */
typedef bool docker_frame_fn(void *user, int stream, int64_t when_ns, struct str text);

struct docker_stream {
    bool tty;
    docker_frame_fn *fn;
    void *user;
    unsigned char header[8];
    size_t n_header;
    uint32_t left;   /* bytes of the frame still to come */
    bool stamped;    /* the time of this frame is off already */
    int64_t when_ns; /* of this frame; without one, of the frame before */
    struct buf part;
};

/* `tty`: no frames, one stream, "\r\n". Every message has a time in front. */
void docker_stream_init(struct docker_stream *s, bool tty, docker_frame_fn *fn, void *user);
void docker_stream_fini(struct docker_stream *s);

/* ERR_INVALID when the bytes are not frames; ERR_IO for an error that the daemon
 * put into the stream ("Error grabbing logs: ..."). Either ends the stream. */
MUST_CHECK enum err_code docker_stream_feed(struct docker_stream *s, struct str piece,
                                            struct err *e);
/* The stream ended. ERR_RETRY inside a frame, whose bytes are not delivered: they
 * come again when the log is read from the last time seen. */
MUST_CHECK enum err_code docker_stream_end(struct docker_stream *s, struct err *e);

/* "2026-01-02T03:04:05.000000006Z text": the length of the time with its blank,
 * or 0 when the text does not start with one. */
size_t docker_stamp_parse(struct str text, int64_t *when_ns);
