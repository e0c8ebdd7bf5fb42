#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "docker/decode.h"
#include "docker/op.h"
#include "docker/stream.h"

struct pull {
    struct docker_op op;
    docker_progress_fn *progress;
    struct docker_lines lines;
    struct err bad;
};

static void pull_fini(struct docker_op *op)
{
    docker_lines_fini(&((struct pull *)op)->lines);
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

static void add_image(struct docker_call *c, const char *image)
{
    AUTO(str) char *name = NULL, *tag = NULL;
    struct docker_ref ref;

    if (docker_ref_parse(image, &ref, &c->bad))
        return;
    name = mem_strndup(ref.name.p, ref.name.n);
    docker_call_param(c, "fromImage", name);
    /* The engine takes a digest as a tag; without any it would pull all tags. */
    if (ref.digest.n)
        tag = mem_strndup(ref.digest.p, ref.digest.n);
    else if (ref.tag.n)
        tag = mem_strndup(ref.tag.p, ref.tag.n);
    docker_call_param(c, "tag", tag ? tag : "latest");
}

struct docker_op *docker_pull(struct docker *d, const char *image, const char *auth,
                              int64_t idle_timeout_ms, int64_t timeout_ms,
                              docker_progress_fn *progress, docker_done_fn *done, void *user)
{
    struct pull *p = NEW(struct pull);
    struct docker_call c;

    p->progress = progress;
    p->op.fini = pull_fini;
    docker_lines_init(&p->lines);
    docker_call_init(&c, "POST", timeout_ms);
    c.idle_timeout_ms = idle_timeout_ms;
    docker_call_path(&c, "/images/create");
    add_image(&c, image);
    if (auth)
        c.headers[c.n_headers++] = (struct http_header){ "X-Registry-Auth", auth };
    c.on_data = on_data;
    docker_op_init(&p->op, d, answer_pulled, (void (*)(void))done, user);
    docker_op_send(&p->op, &c);
    return &p->op;
}
