#include <stdlib.h>

#include "base/backoff.h"
#include "base/mem.h"
#include "logs/source.h"

#define INSPECT_MS 30000

static const struct backoff_rule again_rule = { 200, 200, 5000, 20 };

enum phase {
    AT_REST,
    FOLLOWING,
    ASKING,    /* the stream ended: does the container run? */
    FINISHING, /* it does not: read what the stream may have left out */
    WAITING,   /* to follow again */
};

struct api_source {
    struct source base;
    struct docker *docker;
    char *id;
    struct docker_op *op;
    struct loop_timer *timer;
    struct backoff backoff;
    struct rng rng;
    struct replay replay;
    struct cursor from; /* as it was given */
    /* The time of a stream's last frame when that has no newline; 0: it has one. */
    int64_t open_ns[2];
    enum phase phase;
    bool paused;
    bool again; /* follow once more after the end */
};

static void rest(struct api_source *s, const struct err *e)
{
    s->phase = AT_REST;
    s->open_ns[0] = s->open_ns[1] = 0; /* what comes after the end begins a line */
    s->base.events.ended(s->base.user, e);
}

static void wait_for_next(struct api_source *s)
{
    s->phase = WAITING;
    loop_timer_arm(s->timer, backoff_next(&s->backoff, &again_rule, &s->rng));
}

static void fail(struct api_source *s, const struct err *e)
{
    if (e->code == ERR_NOT_FOUND) {
        rest(s, e);
        return;
    }
    wait_for_next(s);
    s->base.events.trouble(s->base.user, e);
}

static void on_frame(void *user, int stream, int64_t when_ns, struct str text)
{
    struct api_source *s = user;
    struct mark mark;

    if (!replay_accept(&s->replay, stream, when_ns, &mark))
        return;
    backoff_reset(&s->backoff);
    s->open_ns[stream == 2] = text.n && text.p[text.n - 1] == '\n' ? 0 : when_ns;
    s->base.events.message(s->base.user,
                           &(struct source_message){
                               .stream = stream, .when_ns = when_ns, .text = text, .mark = mark });
}

static void read_log(struct api_source *s, enum phase phase);

static void on_inspected(void *user, const struct ctr_facts *f, const struct err *e)
{
    struct api_source *s = user;

    s->op = NULL;
    if (e->code)
        fail(s, e);
    else if (f->status == CTR_RUNNING)
        wait_for_next(s);
    else
        read_log(s, FINISHING);
}

static void on_read(void *user, const struct err *e)
{
    struct api_source *s = user;

    s->op = NULL;
    if (e->code) {
        fail(s, e);
    } else if (s->phase == FOLLOWING) {
        /* The end of a stream proves nothing: the engine ends it also when it loses
         * its way in a rotation, and it may leave out the last text. */
        s->phase = ASKING;
        s->op = docker_inspect(s->docker, s->id, INSPECT_MS, on_inspected, s);
    } else if (s->again) {
        read_log(s, FOLLOWING);
    } else {
        rest(s, e);
    }
}

/* The parts of a line all have the time of its first, however late they are written:
 * the other stream may be far ahead of a line that is not complete. */
static int64_t read_from(const struct api_source *s)
{
    int64_t since = cursor_since_ns(&s->replay.read);

    for (size_t i = 0; i < 2; i++) {
        if (s->open_ns[i] && s->open_ns[i] < since)
            since = s->open_ns[i];
    }
    return since;
}

static void read_log(struct api_source *s, enum phase phase)
{
    static const struct docker_log_sink sink = { .frame = on_frame };

    s->phase = phase;
    if (phase == FOLLOWING)
        s->again = false;
    replay_restart(&s->replay);
    s->op = docker_logs(s->docker, s->id, read_from(s), phase == FOLLOWING, &sink, on_read, s);
    if (s->paused)
        docker_logs_pause(s->op, true);
}

static void on_timer(void *user)
{
    read_log(user, FOLLOWING);
}

static void api_follow(struct source *base)
{
    struct api_source *s = (struct api_source *)base;

    if (s->phase == AT_REST)
        read_log(s, FOLLOWING);
    else if (s->phase == ASKING || s->phase == FINISHING)
        s->again = true;
}

static void api_pause(struct source *base, bool paused)
{
    struct api_source *s = (struct api_source *)base;

    s->paused = paused;
    if (s->op && s->phase != ASKING)
        docker_logs_pause(s->op, paused);
}

static void api_hurry(struct source *base)
{
    struct api_source *s = (struct api_source *)base;

    if (s->phase == WAITING)
        loop_timer_arm(s->timer, 0);
}

/* The engine does not tell how much there is. */
static void api_backlog(const struct source *base, int64_t *bytes, int64_t *bound)
{
    (void)base;
    *bytes = *bound = 0;
}

/* Marks of a file that nothing has followed yet become times. */
static void api_place(const struct source *base, struct cursor *c)
{
    const struct api_source *s = (const struct api_source *)base;
    struct cursor by_time = cursor_by_time(&s->from);

    for (size_t i = 0; i < 2 && s->from.kind == CURSOR_FILE; i++)
        if (c->at[i].major == s->from.at[i].major && c->at[i].minor == s->from.at[i].minor)
            c->at[i] = by_time.at[i];
    c->kind = CURSOR_API;
}

static void api_destroy(struct source *base)
{
    struct api_source *s = (struct api_source *)base;

    docker_cancel(s->op);
    loop_timer_destroy(s->timer);
    free(s->id);
    free(s);
}

struct source *source_api_create(struct loop *loop, struct docker *docker, const char *id,
                                 const struct cursor *from, uint64_t seed,
                                 const struct source_events *events, void *user)
{
    static const struct source_kind kind = { api_follow,  api_pause, api_hurry,
                                             api_backlog, api_place, api_destroy };
    struct api_source *s = NEW(struct api_source);
    struct cursor by_time = cursor_by_time(from);

    s->base = (struct source){ .kind = &kind, .events = *events, .user = user };
    s->docker = docker;
    s->id = mem_strdup(id);
    s->timer = loop_timer_create(loop, on_timer, s);
    rng_seed(&s->rng, seed);
    s->from = *from;
    replay_init(&s->replay, &by_time);
    return &s->base;
}
