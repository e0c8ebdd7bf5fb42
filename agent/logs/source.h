#pragma once
/* source: where the frames of one container's log come from. Private to logs.
 *
 * A source knows its own kind of place in the log (a mark), goes on behind the
 * cursor it was created with, and never gives a frame twice in one life. Trouble
 * is its own: it tries again until it is destroyed. Callbacks run on the loop, never
 * inside a call of this header; the source may be destroyed in each of them. */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "docker/docker.h"
#include "io/loop.h"
#include "logs/cursor.h"

struct source;

struct source_events {
    void (*frame)(void *user, int stream, int64_t when_ns, struct str text,
                  const struct mark *mark);
    /* The container does not run and its log has been read to the end (ERR_OK), or
     * container and log are gone (ERR_NOT_FOUND). At rest until source_follow. */
    void (*ended)(void *user, const struct err *e);
    /* Reading failed and goes on later. */
    void (*trouble)(void *user, const struct err *e);
};

struct source_kind {
    void (*follow)(struct source *s);
    void (*pause)(struct source *s, bool paused);
    void (*hurry)(struct source *s);
    void (*destroy)(struct source *s);
};

/* The first member of every kind of source. */
struct source {
    const struct source_kind *kind;
    struct source_events events;
    void *user;
};

/* Reads until the container has ended. Asked while it reads, it will look once
 * more for a container that was started again. */
static inline UNUSED void source_follow(struct source *s)
{
    s->kind->follow(s);
}

/* A paused source gives at most what it has received already. */
static inline UNUSED void source_pause(struct source *s, bool paused)
{
    s->kind->pause(s, paused);
}

/* The container has ended: do not wait before the next attempt. */
static inline UNUSED void source_hurry(struct source *s)
{
    s->kind->hurry(s);
}

static inline UNUSED void source_destroy(struct source *s)
{
    if (s)
        s->kind->destroy(s);
}

/* The engine's log endpoint. `events` is copied. */
struct source *source_api_create(struct loop *loop, struct docker *docker, const char *id,
                                 const struct cursor *from, uint64_t seed,
                                 const struct source_events *events, void *user);
