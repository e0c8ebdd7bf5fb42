#pragma once
/* source: where the messages of one container's log come from. Private to logs.
 *
 * A source knows its own kind of place in the log (a mark), goes on behind the cursor it was
 * created with, and never gives a message twice in one life. Trouble is its own: it tries again
 * until it is destroyed. Callbacks run on the loop, never inside a call of this header; the source
 * may be destroyed in each of them. */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "docker/docker.h"
#include "io/file_watch.h"
#include "io/loop.h"
#include "logs/cursor.h"
#include "logs/record.h"

struct source;

struct source_message { /* borrowed for the call */
    int stream;         /* 1 stdout, 2 stderr */
    int64_t when_ns;
    struct str text; /* as the container wrote it, with its newline if it has one */
    /* The text is that of a JSON string without its quotes and without its newline (json_file.h):
     * valid UTF-8, a whole line, ready for the sink. */
    bool escaped;
    size_t plain_n; /* then: its bytes when unescaped, without the newline */
    struct mark mark;
};

/* What is not there any more though it was never given out: the engine threw files away (the bound
 * of the spool), or the container and its log were removed. */
struct source_gap {
    int64_t lines; /* exact; -1: nobody can tell */
    int64_t bytes; /* of their text; -1: likewise */
};

struct source_events {
    void (*message)(void *user, const struct source_message *m);
    /* The next message comes after it. NULL: nobody asks. */
    void (*gap)(void *user, const struct source_gap *g);
    /* So many lines of the log are no messages (the engine or the machine crashed); passed over.
     * NULL: nobody asks. */
    void (*damaged)(void *user, int64_t lines);
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
    /* Bytes in the log that were not given out yet, and the bound of the spool in bytes; 0, 0 when
     * the kind cannot know. */
    void (*backlog)(const struct source *s, int64_t *bytes, int64_t *bound);
    void (*place)(const struct source *s, struct cursor *c);
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

static inline UNUSED void source_backlog(const struct source *s, int64_t *bytes, int64_t *bound)
{
    s->kind->backlog(s, bytes, bound);
}

/* To be called before a cursor is stored. Its marks are of messages of this source, or still those
 * that the source was created with. Sets the kind, and moves the mark of a stream on to the other's
 * where nothing of it lies between: else the file of a stream that says little would be waited for
 * for ever. The times (cursor.ns) are the caller's to set, with each mark. */
static inline UNUSED void source_place(const struct source *s, struct cursor *c)
{
    s->kind->place(s, c);
}

static inline UNUSED void source_destroy(struct source *s)
{
    if (s)
        s->kind->destroy(s);
}

/* The engine's log endpoint: where the file cannot be read. `events` is copied. A cursor of the
 * file kind is gone on from by its times. */
struct source *source_api_create(struct loop *loop, struct docker *docker, const char *id,
                                 const struct cursor *from, uint64_t seed,
                                 const struct source_events *events, void *user);

/* The container's own log file, followed over rotations and restarts. Every file that the engine
 * has not removed is read, oldest first. The one that is read is open and the next one is, so that
 * what the engine removes unread can be counted to the line before its bytes are given back to the
 * disk. More are not (where max_files is known and nothing is kept): however late this is, files
 * that have no name any more take no more of the disk than those two. What was removed while nobody
 * got to open it is a gap of unknown size. While messages come, it is read SOURCE_FILE_READ_MS
 * after the last reading (or, where that brought SOURCE_FILE_BUSY bytes, SOURCE_FILE_BUSY_MS: then
 * there is much to read, and its end to be seen soon); else when the kernel tells. At most
 * SOURCE_FILE_TURN bytes a turn, so that no stream holds up the others. What is not in the page
 * cache is read on a worker. Files that the engine has compressed (the agent's own containers have
 * none; somebody else may have set compress=true) are not read: where they hold what comes next,
 * that is a gap of unknown size, and told as trouble. */
#define SOURCE_FILE_READ_MS 50
#define SOURCE_FILE_BUSY_MS 10
#define SOURCE_FILE_BUSY    ((size_t)64 * 1024)
#define SOURCE_FILE_TURN    ((size_t)256 * 1024)
struct source_args { /* all copied */
    struct loop *loop;
    struct docker *docker; /* asked whether the container runs */
    struct file_watches *watches;
    const char *id;               /* of the container */
    int64_t max_bytes, max_files; /* of the log's rotation; 0: unknown or unlimited */
    /* The container is held before its spool is full, which takes a moment: files that the engine
     * removes meanwhile are kept for up to so many bytes unread over the bound. 0: none are. */
    int64_t keep_bytes;
    const struct cursor *from; /* of any kind */
    uint64_t seed;
};
/* `path`: of the file that the engine writes to, in that format; copied. */
struct source *source_file_create(const struct source_args *args, const char *path,
                                  const struct record_format *format,
                                  const struct source_events *events, void *user);

/* Asks the engine where the log is: the file source where that can be read here, else the API. */
struct source *source_create(const struct source_args *args, const struct source_events *events,
                             void *user);
