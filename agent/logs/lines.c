#include "logs/lines.h"

#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD"
/* A longer piece is taken in steps, so that a part never passes this. */
#define PART_MAX (LINES_MAX_EVENT + 65536)
/* After one long line a stream does not keep its memory. */
#define KEEP_MAX 65536

void lines_init(struct lines *l, lines_fn *fn, void *user)
{
    *l = (struct lines){ .fn = fn, .user = user };
    for (size_t i = 0; i < 2; i++)
        buf_init(&l->parts[i].text, PART_MAX);
    buf_init(&l->clean, LINES_MAX_EVENT);
}

void lines_fini(struct lines *l)
{
    for (size_t i = 0; i < 2; i++)
        buf_fini(&l->parts[i].text);
    buf_fini(&l->clean);
}

static void emit(struct lines *l, int stream, const struct lines_part *of, struct str text,
                 bool whole)
{
    struct line line = {
        .stream = stream, .when_ns = of->when_ns, .text = text, .whole = whole, .mark = of->mark
    };

    l->fn(l->user, &line);
}

/* Gives out the events of `raw`. With `at_end` all of it; otherwise only what is
 * over the maximum, and the number of bytes that are out is returned. */
static size_t cut_events(struct lines *l, int stream, const struct lines_part *of, struct str raw,
                         bool at_end, bool whole)
{
    size_t from = 0;  /* of the event being made */
    size_t clean = 0; /* up to here its text is in l->clean */
    size_t size = 0, i = 0;
    int64_t bad = 0; /* bytes of this event; what is not out will be looked at again */
    struct str text;

    buf_reset(&l->clean);
    while (i < raw.n) {
        int n = str_utf8_len(raw.p + i, raw.n - i);
        size_t add;

        if (n == STR_UTF8_CUT && !at_end)
            break;
        add = n > 0 ? (size_t)n : strlen(REPLACEMENT);
        if (size + add > LINES_MAX_EVENT) {
            if (l->clean.len)
                buf_append(&l->clean, raw.p + clean, i - clean);
            text = l->clean.len ? buf_str(&l->clean) : (struct str){ raw.p + from, i - from };
            l->n_split++;
            l->n_replaced += bad;
            emit(l, stream, of, text, false);
            buf_reset(&l->clean);
            from = clean = i;
            size = 0;
            bad = 0;
            continue;
        }
        size += add;
        if (n > 0) {
            i += (size_t)n;
            continue;
        }
        buf_append(&l->clean, raw.p + clean, i - clean);
        buf_puts(&l->clean, REPLACEMENT);
        clean = ++i;
        bad++;
    }
    if (!at_end)
        return from;
    l->n_replaced += bad;
    if (size) {
        if (l->clean.len)
            buf_append(&l->clean, raw.p + clean, i - clean);
        text = l->clean.len ? buf_str(&l->clean) : (struct str){ raw.p + from, i - from };
        emit(l, stream, of, text, whole);
    }
    if (l->clean.cap > KEEP_MAX)
        buf_fini(&l->clean);
    return raw.n;
}

/* The line is complete: `rest` is what follows the text in its part. */
static void end_line(struct lines *l, int stream, struct str rest, bool newline, bool whole)
{
    struct lines_part *p = &l->parts[stream == 2];
    struct str raw = rest;

    if (p->text.len) {
        buf_append(&p->text, rest.p, rest.n);
        raw = buf_str(&p->text);
    }
    if (newline && raw.n && raw.p[raw.n - 1] == '\r')
        raw.n--;
    if (raw.n)
        cut_events(l, stream, p, raw, true, whole);
    else if (l->keep_empty && !p->open)
        emit(l, stream, p, raw, whole);
    else
        l->n_empty += !p->open;
    p->open = false;
    if (p->text.cap > KEEP_MAX)
        buf_fini(&p->text);
    else
        buf_reset(&p->text);
}

static void grow_line(struct lines *l, int stream, struct str text)
{
    struct lines_part *p = &l->parts[stream == 2];

    while (text.n) {
        size_t n = PART_MAX - p->text.len;

        if (n > text.n)
            n = text.n;
        buf_append(&p->text, text.p, n);
        text.p += n;
        text.n -= n;
        p->open = true;
        if (p->text.len > LINES_MAX_EVENT)
            buf_consume(&p->text, cut_events(l, stream, p, buf_str(&p->text), false, false));
    }
}

void lines_feed(struct lines *l, int stream, int64_t when_ns, struct str text,
                const struct mark *mark)
{
    struct lines_part *p = &l->parts[stream == 2];

    if (p->open && p->when_ns != when_ns)
        end_line(l, stream, (struct str){ "", 0 }, false, true);
    p->when_ns = when_ns;
    p->mark = *mark;
    while (text.n) {
        const char *end = memchr(text.p, '\n', text.n);
        struct str head = { text.p, end ? (size_t)(end - text.p) : text.n };

        if (!end) {
            grow_line(l, stream, head);
            break;
        }
        text.n -= head.n + 1;
        text.p = end + 1;
        /* What does not fit with it goes out first. */
        if (p->text.len && p->text.len + head.n > LINES_MAX_EVENT) {
            grow_line(l, stream, head);
            head.n = 0;
        }
        end_line(l, stream, head, true, text.n == 0);
    }
}

void lines_end(struct lines *l)
{
    for (int stream = 1; stream <= 2; stream++) {
        if (l->parts[stream - 1].open)
            end_line(l, stream, (struct str){ "", 0 }, false, true);
    }
}

bool lines_waiting(const struct lines *l)
{
    return l->parts[0].open || l->parts[1].open;
}
