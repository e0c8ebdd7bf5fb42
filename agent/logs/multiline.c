#include "logs/multiline.h"

#include <stdlib.h>

#include "base/mem.h"

/* After one long event a stream does not keep its memory. */
#define KEEP_MAX 65536

struct gathered {
    struct buf text;
    bool open;
    bool whole; /* of the last line, as its mark */
    struct mark mark;
    int64_t when_ns;  /* of the first line */
    int64_t since_ms; /* when that came; monotonic */
};

struct multiline {
    const struct pattern *pattern;
    lines_fn *fn;
    void *user;
    struct gathered streams[2];
    int64_t gave_up;
};

struct multiline *multiline_create(const struct pattern *p, lines_fn *fn, void *user)
{
    struct multiline *m = NEW(struct multiline);

    m->pattern = p;
    m->fn = fn;
    m->user = user;
    for (size_t i = 0; i < 2; i++)
        buf_init(&m->streams[i].text, LINES_MAX_EVENT);
    return m;
}

void multiline_destroy(struct multiline *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < 2; i++)
        buf_fini(&m->streams[i].text);
    free(m);
}

static void tell(struct multiline *m, size_t i)
{
    struct gathered *g = &m->streams[i];
    const struct line event = {
        .stream = (int)i + 1,
        .when_ns = g->when_ns,
        .text = buf_str(&g->text),
        .whole = g->whole,
        .mark = g->mark,
    };

    if (!g->open)
        return;
    g->open = false;
    m->fn(m->user, &event);
    if (g->text.cap > KEEP_MAX)
        buf_fini(&g->text);
    else
        buf_reset(&g->text);
}

/* A line that leaves no room for its newline goes without it. */
static void add(struct gathered *g, const struct line *line)
{
    buf_append(&g->text, line->text.p, line->text.n);
    if (g->text.len < LINES_MAX_EVENT)
        buf_putc(&g->text, '\n');
    g->whole = line->whole;
    g->mark = line->mark;
}

void multiline_feed(struct multiline *m, const struct line *line, int64_t now_ms)
{
    size_t i = line->stream == 2;
    struct gathered *g = &m->streams[i];

    if (pattern_matches(m->pattern, line->text, &m->gave_up) ||
        g->text.len + line->text.n + 1 > LINES_MAX_EVENT)
        tell(m, i);
    if (!g->open) {
        g->open = true;
        g->when_ns = line->when_ns;
        g->since_ms = now_ms;
    }
    add(g, line);
}

int64_t multiline_flush(struct multiline *m, int64_t now_ms, int64_t patience_ms)
{
    int64_t next = -1;

    for (size_t i = 0; i < 2; i++) {
        const struct gathered *g = &m->streams[i];
        int64_t due = g->since_ms + patience_ms;

        if (!g->open)
            continue;
        if (due <= now_ms)
            tell(m, i);
        else if (next < 0 || due < next)
            next = due;
    }
    return next;
}

void multiline_end(struct multiline *m)
{
    size_t first = m->streams[1].open && m->streams[1].when_ns < m->streams[0].when_ns;

    tell(m, first);
    tell(m, !first);
}

int64_t multiline_gave_up(const struct multiline *m)
{
    return m->gave_up;
}
