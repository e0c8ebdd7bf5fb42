#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "docker/decode.h"
#include "docker/op.h"
#include "docker/stream.h"

#define CHANGE_MAX 8192 /* of an import: one instruction */

struct pull {
    struct docker_op op;
    docker_progress_fn *progress;
    struct docker_lines lines;
    struct err bad;
    struct loop_timer *silence; /* NULL: no limit */
    int64_t idle_ms;
    bool begun;
};

static void pull_fini(struct docker_op *op)
{
    struct pull *p = (struct pull *)op;

    docker_lines_fini(&p->lines);
    loop_timer_destroy(p->silence);
}

static void on_silence(void *user)
{
    struct pull *p = user;
    struct err e = { 0 };

    err_set(&e, ERR_TIMEOUT, "%s", p->begun ? DOCKER_PULL_SILENT : DOCKER_PULL_NOT_BEGUN);
    docker_op_enter(&p->op);
    docker_op_fail(&p->op, &e);
    docker_op_leave(&p->op);
}

/* The engine says nothing while it waits for the registry's first answer, which may
 * take longer than any later silence. */
static void watch_silence(struct pull *p)
{
    int64_t limit = p->idle_ms;

    if (!p->silence)
        return;
    if (!p->begun && limit < p->op.d->pull_begin_ms)
        limit = p->op.d->pull_begin_ms;
    if (limit > 0)
        loop_timer_arm(p->silence, limit);
    else
        loop_timer_disarm(p->silence);
}

static bool on_line(void *user, struct str line)
{
    struct pull *p = user;
    char human[DOCKER_PROGRESS_SIZE] = "";

    if (docker_decode_progress(line, human, &p->bad))
        return false;
    if (*human && p->progress)
        p->progress(p->op.user, human);
    return !p->op.dead;
}

static void on_data(void *user, struct str piece)
{
    struct pull *p = user;

    docker_op_enter(&p->op);
    p->begun = true;
    watch_silence(p);
    if (docker_lines_feed(&p->lines, piece, on_line, p, &p->bad) || p->bad.code)
        docker_op_fail(&p->op, &p->bad);
    docker_op_leave(&p->op);
}

static bool answer_pulled(struct docker_op *op, struct str body, const struct err *e)
{
    struct pull *p = (struct pull *)op;
    docker_done_fn *done = (docker_done_fn *)op->done;
    struct str rest = docker_lines_rest(&p->lines);
    struct err out = *e;

    (void)body;
    /* Half a line at the end may be half an error. */
    if (!out.code && rest.n && !on_line(p, rest)) {
        if (op->dead)
            return true;
        out = p->bad;
    }
    done(op->user, &out);
    return true;
}

static struct pull *pull_create(struct docker *d, struct docker_call *c, docker_done_fn *done,
                                void *user)
{
    struct pull *p = NEW(struct pull);

    p->op.fini = pull_fini;
    docker_lines_init(&p->lines);
    docker_op_init(&p->op, d, answer_pulled, (void (*)(void))done, user);
    c->on_data = on_data;
    return p;
}

struct docker_op *docker_pull(struct docker *d, const char *image, const char *auth,
                              int64_t idle_timeout_ms, int64_t timeout_ms,
                              docker_progress_fn *progress, docker_done_fn *done, void *user)
{
    struct docker_call c;
    struct pull *p;

    docker_call_init(&c, "POST", timeout_ms);
    docker_call_path(&c, "/images/create");
    /* The engine takes a digest as a tag; without any it would pull all tags. */
    docker_call_name(&c, "fromImage", image);
    docker_call_header(&c, "X-Registry-Auth", auth);
    p = pull_create(d, &c, done, user);
    p->progress = progress;
    p->idle_ms = idle_timeout_ms;
    p->silence = loop_timer_create(d->loop, on_silence, p);
    docker_op_send(&p->op, &c);
    watch_silence(p);
    return &p->op;
}

/* ---- import: the same stream of lines ---- */

struct docker_op *docker_import_image(struct docker *d, const char *name, const char *entry_point,
                                      struct str tar, int64_t timeout_ms, docker_done_fn *done,
                                      void *user)
{
    AUTO(buf) struct buf change = BUF_INIT(CHANGE_MAX);
    struct docker_call c;
    struct pull *p;

    docker_call_init(&c, "POST", timeout_ms);
    docker_call_path(&c, "/images/create");
    docker_call_param(&c, "fromSrc", "-");
    docker_call_name(&c, "repo", name);
    buf_puts(&change, "ENTRYPOINT [");
    json_quote(&change, str_of(entry_point));
    buf_putc(&change, ']');
    docker_call_param(&c, "changes", buf_text(&change));
    docker_call_header(&c, "Content-Type", "application/x-tar");
    c.body = tar;
    p = pull_create(d, &c, done, user);
    docker_op_send(&p->op, &c);
    return &p->op;
}
