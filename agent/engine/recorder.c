#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/internal.h"

struct recorder {
    char *path, *older; /* flight.jsonl, flight.1.jsonl */
    char *version;
    int fd; /* -1: not recording */
    size_t size;
    struct buf turn; /* lines of this turn */
};

static void disable(struct recorder *r, const struct err *e)
{
    log_warn("the flight record is off", kv_s("file", r->path), kv_err(e));
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
    buf_fini(&r->turn);
}

static enum err_code append(struct recorder *r, struct str s, struct err *e)
{
    if (!fd_write_all(r->fd, s))
        return err_errno(e, errno, "cannot write");
    r->size += s.n;
    return ERR_OK;
}

/* The first line of a file: with it, the file replays alone. */
static enum err_code write_head(struct recorder *r, const struct core *core, struct core_time now,
                                struct err *e)
{
    struct buf b = BUF_INIT(RECORD_SAVE_MAX);
    enum err_code code;
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "berth", r->version);
    jw_kint(&w, "wall_ms", now.wall_ms);
    jw_key(&w, "save");
    core_save(core, &w);
    jw_end(&w);
    buf_putc(&b, '\n');
    if (b.overflowed)
        code = err_set(e, ERR_LIMIT, "the agent's state is larger than %d KiB",
                       RECORD_SAVE_MAX / 1024);
    else
        code = append(r, buf_str(&b), e);
    buf_fini(&b);
    return code;
}

static void rotate(struct recorder *r, const struct core *core, struct core_time now)
{
    struct err e = { 0 };

    if (r->fd >= 0)
        close(r->fd);
    r->size = 0;
    if (rename(r->path, r->older) && errno != ENOENT) {
        r->fd = -1;
        err_errno(&e, errno, "cannot rename to %s", r->older);
        disable(r, &e);
        return;
    }
    r->fd = open(r->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (r->fd < 0)
        err_errno(&e, errno, "cannot create");
    if (e.code || write_head(r, core, now, &e))
        disable(r, &e);
}

struct recorder *recorder_create(const char *dir, const char *version, const struct core *core,
                                 struct core_time now)
{
    struct recorder *r = NEW(struct recorder);

    r->path = mem_printf("%s/flight.jsonl", dir);
    r->older = mem_printf("%s/flight.1.jsonl", dir);
    r->version = mem_strdup(version ? version : "");
    r->fd = -1;
    buf_init(&r->turn, RECORD_TURN_MAX);
    rotate(r, core, now);
    return r;
}

void recorder_event(struct recorder *r, struct core_time now, const struct core_event *ev)
{
    struct jw w;

    if (r->fd < 0)
        return;
    jw_init(&w, &r->turn);
    core_event_write(&w, now, ev);
    buf_putc(&r->turn, '\n');
}

void recorder_flush(struct recorder *r, const struct core *core, struct core_time now)
{
    bool whole = !r->turn.overflowed;
    struct err e = { 0 };

    if (r->fd < 0 || (whole && r->turn.len == 0))
        return;
    if (whole && append(r, buf_str(&r->turn), &e)) {
        disable(r, &e);
        return;
    }
    buf_reset(&r->turn);
    if (r->turn.cap > 64 * 1024)
        buf_fini(&r->turn);
    /* A turn that is too large for the buffer is left out: the next file begins
     * with the state after it. */
    if (!whole || r->size + RECORD_TURN_MAX > RECORD_FILE_MAX)
        rotate(r, core, now);
}

size_t recorder_size(const struct recorder *r)
{
    return r->fd >= 0 ? r->size : 0;
}

void recorder_destroy(struct recorder *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    buf_fini(&r->turn);
    free(r->path);
    free(r->older);
    free(r->version);
    free(r);
}
