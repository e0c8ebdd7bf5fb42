#include <stdlib.h>

#include "base/list.h"
#include "base/mem.h"
#include "logs/internal.h"

#define NS_PER_MS  1000000
#define TURN_LINES 1000

struct own_line {
    struct list node;
    int64_t when_ms, number;
    size_t n;
    char text[];
};

struct own_source {
    struct source base;
    struct loop_timer *timer;
    struct list lines;
    size_t bytes;
    int64_t number, lost;
    bool paused;
};

static size_t size_of(const struct own_line *line)
{
    return sizeof *line + line->n;
}

static void drop_first(struct own_source *s)
{
    struct own_line *line = LIST_ENTRY(s->lines.next, struct own_line, node);

    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed is in no list any more */
    s->bytes -= size_of(line);
    list_remove(&line->node);
    free(line);
}

static void on_timer(void *user)
{
    struct own_source *s = user;

    if (s->lost) {
        struct source_gap gap = { .lines = s->lost, .bytes = -1 };

        s->lost = 0;
        s->base.events.gap(s->base.user, &gap);
    }
    for (int i = 0; i < TURN_LINES && !s->paused && !list_empty(&s->lines); i++) {
        struct own_line *line = LIST_ENTRY(s->lines.next, struct own_line, node);
        struct source_message m = { .stream = 1,
                                    .when_ns = line->when_ms * NS_PER_MS,
                                    .text = { line->text, line->n },
                                    .mark = { line->number, 0 } };

        s->base.events.message(s->base.user, &m);
        drop_first(s);
    }
    if (!s->paused && !list_empty(&s->lines))
        loop_timer_arm(s->timer, 0);
}

void source_own_line(struct source *base, int64_t when_ms, struct str text)
{
    struct own_source *s = (struct own_source *)base;
    size_t n = text.n < LINES_MAX_EVENT / 2 ? text.n : LINES_MAX_EVENT / 2;
    struct own_line *line = mem_alloc(sizeof *line + n + 1);

    memcpy(line->text, text.p, n);
    line->text[n] = '\n';
    line->n = n + 1;
    line->when_ms = when_ms;
    line->number = ++s->number;
    list_push_back(&s->lines, &line->node);
    s->bytes += size_of(line);
    for (; s->bytes > LOGS_OWN_MAX; s->lost++)
        drop_first(s);
    if (!s->paused && !loop_timer_armed(s->timer))
        loop_timer_arm(s->timer, 0);
}

static void own_follow(struct source *base)
{
    (void)base; /* it never ends */
}

static void own_pause(struct source *base, bool paused)
{
    struct own_source *s = (struct own_source *)base;

    s->paused = paused;
    if (!paused && !list_empty(&s->lines))
        loop_timer_arm(s->timer, 0);
}

static void own_backlog(const struct source *base, int64_t *bytes, int64_t *bound)
{
    const struct own_source *s = (const struct own_source *)base;

    *bytes = (int64_t)s->bytes;
    *bound = (int64_t)LOGS_OWN_MAX;
}

static void own_place(const struct source *base, struct cursor *c)
{
    (void)base;
    (void)c; /* nobody stores it */
}

static void own_destroy(struct source *base)
{
    struct own_source *s = (struct own_source *)base;

    while (!list_empty(&s->lines))
        drop_first(s);
    loop_timer_destroy(s->timer);
    free(s);
}

struct source *source_own_create(struct loop *loop, const struct source_events *events, void *user)
{
    static const struct source_kind kind = { .follow = own_follow,
                                             .pause = own_pause,
                                             .hurry = own_follow,
                                             .backlog = own_backlog,
                                             .place = own_place,
                                             .destroy = own_destroy };
    struct own_source *s = NEW(struct own_source);

    s->base = (struct source){ .kind = &kind, .events = *events, .user = user };
    s->timer = loop_timer_create(loop, on_timer, s);
    list_init(&s->lines);
    return &s->base;
}
