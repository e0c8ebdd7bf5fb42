/* Which kind of source a container's log needs, once the engine has told where the log is. */
#include "logs/source.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/log.h"
#include "base/mem.h"

#define LOOK_MS 30000

static const struct backoff_rule again_rule = { 200, 200, 5000, 20 };

struct chosen_source {
    struct source base;
    struct source_args args;
    struct cursor from;
    char *id;
    struct source *inner; /* NULL: it is not known yet */
    struct docker_op *op;
    struct loop_timer *again;
    struct backoff backoff;
    struct rng rng;
    bool following, paused, hurry; /* asked for meanwhile */
    bool asked_root;               /* where the engine's files are */
};

/* In the middle of a rotation the file may not be there for a moment. */
static bool can_read(const char *path)
{
    AUTO(str) char *rotated = mem_printf("%s.1", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        fd = open(rotated, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* The engine tells the path of json-file's file only. */
static char *path_of(const struct chosen_source *s, const struct docker_details *d,
                     const struct record_format **format)
{
    const char *driver = d->log_driver ? d->log_driver : "";
    const char *root = docker_root(s->args.docker);

    if (streq(driver, "local") && root) {
        *format = &local_records;
        return mem_printf("%s/containers/%s/local-logs/container.log", root, s->id);
    }
    *format = &json_records;
    return streq(driver, "json-file") ? mem_strdup(d->log_path) : NULL;
}

static void choose(struct chosen_source *s, const struct docker_details *d)
{
    const struct source_args *a = &s->args;
    const struct record_format *format;
    AUTO(str) char *path = path_of(s, d, &format);

    if (path && can_read(path))
        s->inner = source_file_create(a, path, format, &s->base.events, s->base.user);
    else
        log_debug("the engine is asked for a container's log", kv_s("container", a->id),
                  kv_s("driver", d->log_driver ? d->log_driver : ""));
    if (!s->inner)
        s->inner = source_api_create(a->loop, a->docker, a->id, a->from, a->seed, &s->base.events,
                                     s->base.user);
    source_pause(s->inner, s->paused);
    if (s->following)
        source_follow(s->inner);
    if (s->hurry)
        source_hurry(s->inner);
}

static void look(struct chosen_source *s);

static void look_later(struct chosen_source *s, const struct err *e)
{
    loop_timer_arm(s->again, backoff_next(&s->backoff, &again_rule, &s->rng));
    s->base.events.trouble(s->base.user, e);
}

static void on_root(void *user, const struct docker_info *info, const struct err *e)
{
    struct chosen_source *s = user;

    (void)info; /* the client remembers it */
    s->op = NULL;
    s->asked_root = !e->code;
    if (e->code)
        look_later(s, e);
    else
        look(s);
}

static bool needs_root(const struct chosen_source *s, const struct docker_details *d)
{
    return d->log_driver && streq(d->log_driver, "local") && !docker_root(s->args.docker) &&
           !s->asked_root;
}

static void on_looked(void *user, const struct ctr_facts *f, struct docker_details *d,
                      const struct err *e)
{
    struct chosen_source *s = user;

    s->op = NULL;
    if (!e->code && f->status != CTR_RUNNING && !f->started_ms && !d->log_path) {
        /* Never started: where its log will be is known then. (Some drivers never have a path.) */
        s->following = s->hurry = false;
        s->base.events.ended(s->base.user, e);
    } else if (!e->code && d->log_driver && streq(d->log_driver, "awslogs")) {
        /* Another agent has made it: the engine itself ships its log. */
        s->following = s->hurry = false;
        s->base.events.ended(s->base.user, e);
    } else if (!e->code && needs_root(s, d)) {
        s->op = docker_info(s->args.docker, LOOK_MS, on_root, s);
    } else if (!e->code) {
        choose(s, d);
    } else if (e->code == ERR_NOT_FOUND) {
        s->following = s->hurry = false;
        s->base.events.ended(s->base.user, e);
    } else {
        look_later(s, e);
    }
}

static void look(struct chosen_source *s)
{
    loop_timer_disarm(s->again);
    if (!s->op)
        s->op = docker_look(s->args.docker, s->id, LOOK_MS, on_looked, s);
}

static void on_again(void *user)
{
    look(user);
}

static void chosen_follow(struct source *base)
{
    struct chosen_source *s = (struct chosen_source *)base;

    s->following = true;
    s->hurry = false;
    if (s->inner)
        source_follow(s->inner);
    else
        look(s);
}

static void chosen_pause(struct source *base, bool paused)
{
    struct chosen_source *s = (struct chosen_source *)base;

    s->paused = paused;
    if (s->inner)
        source_pause(s->inner, paused);
}

static void chosen_hurry(struct source *base)
{
    struct chosen_source *s = (struct chosen_source *)base;

    s->hurry = true;
    if (s->inner)
        source_hurry(s->inner);
    else if (s->following)
        look(s);
}

static void chosen_backlog(const struct source *base, int64_t *bytes, int64_t *bound)
{
    const struct chosen_source *s = (const struct chosen_source *)base;

    *bytes = *bound = 0;
    if (s->inner)
        source_backlog(s->inner, bytes, bound);
}

static void chosen_place(const struct source *base, struct cursor *c)
{
    const struct chosen_source *s = (const struct chosen_source *)base;

    if (s->inner)
        source_place(s->inner, c);
}

static void chosen_destroy(struct source *base)
{
    struct chosen_source *s = (struct chosen_source *)base;

    docker_cancel(s->op);
    loop_timer_destroy(s->again);
    source_destroy(s->inner);
    free(s->id);
    free(s);
}

struct source *source_create(const struct source_args *args, const struct source_events *events,
                             void *user)
{
    static const struct source_kind kind = { chosen_follow,  chosen_pause, chosen_hurry,
                                             chosen_backlog, chosen_place, chosen_destroy };
    struct chosen_source *s = NEW(struct chosen_source);

    s->base = (struct source){ .kind = &kind, .events = *events, .user = user };
    s->args = *args;
    s->from = *args->from;
    s->id = mem_strdup(args->id);
    s->args.from = &s->from;
    s->args.id = s->id;
    s->again = loop_timer_create(args->loop, on_again, s);
    rng_seed(&s->rng, args->seed);
    return &s->base;
}
