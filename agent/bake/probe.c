/* probe: one container from its creation to its removal, without a network. Whatever its program
 * does: that it was started is what counts. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bake/internal.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "docker/docker.h"

/* Of what is left, this is for taking back what was made. */
#define RESERVE_MS 2000
#define CLEAN_MS   1500
#define MARGIN_MS  200
#define STEP_MS    PREFLIGHT_LIMIT_MS /* a step ends with the whole */
#define STOP_S     1

struct probe {
    struct preflight *p;
    struct docker *docker;
    struct docker_op *op;
    struct loop_timer *hurry;
    char name[40];
    struct err why; /* the first thing that went wrong */
    bool made;      /* there may be a container of that name */
};

static void finish(struct probe *b)
{
    loop_timer_disarm(b->hurry);
    preflight_end(b->p, PREFLIGHT_PROBE, &b->why);
}

/* The first error is why. */
static void note(struct probe *b, const struct err *e)
{
    if (e->code && !b->why.code)
        b->why = *e;
}

/* ---- taking it back ---- */

static void on_removed(void *user, const struct err *e)
{
    struct probe *b = user;

    b->op = NULL;
    if (!e->code)
        mem_replace(&b->p->facts.left, NULL);
    note(b, e);
    finish(b);
}

static void remove_it(struct probe *b)
{
    b->op = docker_remove(b->docker, b->name, CLEAN_MS, on_removed, b);
}

static void on_killed(void *user, const struct err *e)
{
    struct probe *b = user;

    (void)e; /* it need not have run */
    b->op = NULL;
    remove_it(b);
}

static void take_back(struct probe *b)
{
    if (!b->made) {
        finish(b);
        return;
    }
    b->op = docker_kill(b->docker, b->name, "KILL", CLEAN_MS, on_killed, b);
}

static void on_hurry(void *user)
{
    struct probe *b = user;
    struct err late = { 0 };

    err_set(&late, ERR_TIMEOUT, "the engine takes too long");
    docker_cancel(b->op);
    b->op = NULL;
    note(b, &late);
    take_back(b);
}

/* ---- its life ---- */

static void on_stopped(void *user, const struct err *e)
{
    struct probe *b = user;

    b->op = NULL;
    note(b, e);
    if (e->code)
        take_back(b);
    else
        remove_it(b);
}

static void on_seen(void *user, const struct ctr_facts *f, const struct err *e)
{
    struct probe *b = user;

    b->op = NULL;
    note(b, e);
    if (!e->code && !f->started_ms)
        err_set(&b->why, ERR_IO, "it was not started: %s", f->error);
    b->p->facts.ran = !e->code && f->started_ms;
    if (b->why.code)
        take_back(b);
    else
        b->op = docker_stop(b->docker, b->name, STOP_S, STEP_MS, on_stopped, b);
}

static void on_started(void *user, const struct err *e)
{
    struct probe *b = user;

    b->op = NULL;
    note(b, e);
    if (e->code)
        take_back(b);
    else
        b->op = docker_inspect(b->docker, b->name, STEP_MS, on_seen, b);
}

static void on_created(void *user, const char *id, const struct err *e)
{
    struct probe *b = user;

    (void)id;
    b->op = NULL;
    note(b, e);
    if (e->code) {
        /* Refused, it is not there; without an answer it may be. */
        b->made = e->code == ERR_TIMEOUT || e->code == ERR_RETRY;
        if (!b->made)
            mem_replace(&b->p->facts.left, NULL);
        take_back(b);
        return;
    }
    b->op = docker_start(b->docker, b->name, STEP_MS, on_started, b);
}

static void write_body(const char *image, struct buf *to)
{
    struct jw w;

    jw_init(&w, to);
    jw_object(&w);
    jw_kstr(&w, "Image", image);
    jw_kobject(&w, "Labels");
    jw_kstr(&w, "berth.preflight", "");
    jw_end(&w);
    jw_kobject(&w, "HostConfig");
    jw_kstr(&w, "NetworkMode", "none");
    jw_kobject(&w, "LogConfig");
    jw_kstr(&w, "Type", "none");
    jw_end(&w);
    jw_end(&w);
    jw_end(&w);
}

static void create(struct probe *b)
{
    AUTO(buf) struct buf body = BUF_INIT(64 * 1024);

    write_body(b->p->facts.image, &body);
    b->made = true;
    mem_replace(&b->p->facts.left, b->name);
    b->op = docker_create_container(b->docker, b->name, buf_str(&body), STEP_MS, on_created, b);
}

/* ---- its image ---- */

static void on_imported(void *user, const struct err *e)
{
    struct probe *b = user;

    b->op = NULL;
    note(b, e);
    b->p->facts.image_made = !e->code;
    if (e->code)
        finish(b);
    else
        create(b);
}

static void on_image(void *user, const struct docker_image *image, const struct err *e)
{
    struct probe *b = user;
    const struct preflight_args *args = b->p->args;

    (void)image;
    b->op = NULL;
    if (e->code == ERR_NOT_FOUND && !args->image) {
        b->op = docker_import_image(b->docker, b->p->facts.image, args->pause_entry_point,
                                    args->pause_archive, STEP_MS, on_imported, b);
        return;
    }
    note(b, e);
    if (e->code)
        finish(b);
    else
        create(b);
}

struct probe *probe_begin(struct preflight *p, struct docker *d)
{
    struct probe *b = NEW(struct probe);
    int64_t left = p->until_ms - loop_now_ms(p->loop) - MARGIN_MS;

    b->p = p;
    b->docker = d;
    snprintf(b->name, sizeof b->name, "berth-preflight-%016" PRIx64, rng_entropy());
    p->facts.image_named = p->args->image != NULL;
    p->facts.image = mem_strdup(p->args->image ? p->args->image : TASK_PAUSE_IMAGE);
    preflight_limit(p, PREFLIGHT_PROBE, left);
    b->hurry = loop_timer_create(p->loop, on_hurry, b);
    loop_timer_arm(b->hurry, left - RESERVE_MS);
    b->op = docker_inspect_image(d, p->facts.image, STEP_MS, on_image, b);
    return b;
}

void probe_end(struct probe *b)
{
    if (!b)
        return;
    docker_cancel(b->op);
    loop_timer_destroy(b->hurry);
    free(b);
}
