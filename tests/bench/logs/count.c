#include "count.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define EVENTS_MAX  10000
#define BYTES_MAX   1048576
#define EVENT_EXTRA 26
#define SPAN_MS     (24LL * 3600 * 1000)
#define NO_NUMBER   UINT32_MAX
#define DIGITS      10

struct event {
    int64_t at_ms;
    uint32_t number;
    uint32_t bytes; /* of the text, unescaped */
};

struct stream {
    char *group, *name;
    uint64_t events, bytes, repeated, foreign; /* foreign: without a number */
    uint64_t disorder; /* a later line with an earlier time, or the reverse */
    uint64_t late;     /* new lines that came after a later one */
    uint8_t *seen;     /* a bit for each number */
    size_t seen_bytes;
    uint32_t end;      /* the greatest number and one */
    int64_t end_at_ms; /* its time */
    int64_t first_at_ms, last_at_ms, last_came_us;
};

struct count {
    struct stream streams[COUNT_STREAMS_MAX];
    size_t n;
    struct event events[EVENTS_MAX];
    uint64_t puts, refused;
};

struct count *count_create(void)
{
    return NEW(struct count);
}

void count_destroy(struct count *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++) {
        free(c->streams[i].group);
        free(c->streams[i].name);
        free(c->streams[i].seen);
    }
    free(c);
}

/* ---- the body ---- */

struct scan {
    const char *p, *end;
};

static bool skip_to(struct scan *s, char c)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r'))
        s->p++;
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

/* A string, as it is spelled between its quotes. */
static bool read_text(struct scan *s, struct str *out)
{
    const char *at, *slash;

    if (!skip_to(s, '"'))
        return false;
    for (at = s->p;; at++) {
        at = memchr(at, '"', (size_t)(s->end - at));
        if (!at)
            return false;
        for (slash = at; slash > s->p && slash[-1] == '\\';)
            slash--;
        if ((at - slash) % 2 == 0)
            break;
    }
    *out = (struct str){ s->p, (size_t)(at - s->p) };
    s->p = at + 1;
    return true;
}

static bool read_number(struct scan *s, int64_t *out)
{
    const char *from;

    skip_to(s, '\0'); /* no more than the white space */
    for (from = s->p, *out = 0; s->p < s->end && *s->p >= '0' && *s->p <= '9' && *out < 1LL << 50;)
        *out = *out * 10 + (*s->p++ - '0');
    return s->p > from;
}

/* A value of a member that does not matter: a text, a number or a literal, or an object of these.
 */
static bool skip_value(struct scan *s)
{
    struct str text;
    int depth = 0;

    do {
        skip_to(s, '\0');
        if (s->p == s->end)
            return false;
        if (*s->p == '"') {
            if (!read_text(s, &text))
                return false;
            continue;
        }
        if (*s->p == '{' || *s->p == '[')
            depth++;
        else if (*s->p == '}' || *s->p == ']')
            depth--;
        else if (!depth) {
            while (s->p < s->end && *s->p != ',' && *s->p != '}')
                s->p++;
            return true;
        }
        s->p++;
    } while (depth > 0);
    return depth == 0;
}

/* How long a text is when it is unescaped to UTF-8. */
static uint32_t plain_bytes(struct str text)
{
    size_t n = text.n;
    const char *at = text.p, *end = text.p + text.n;

    while ((at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
        if (at + 5 < end && at[1] == 'u') {
            bool three = at[2] != '0' || at[3] > '7',
                 ascii = at[2] == '0' && at[3] == '0' && at[4] < '8';

            /* A pair of surrogates, twelve characters, makes four bytes: two for each. */
            if ((at[2] | 0x20) == 'd' && at[3] >= '8')
                n -= 4;
            else
                n -= ascii ? 5 : three ? 3 : 4;
            at += 6;
        } else {
            n--;
            at += 2;
        }
        if (at >= end)
            break;
    }
    return (uint32_t)n;
}

static uint32_t number_of(struct str text)
{
    uint64_t number = 0;

    if (text.n < DIGITS)
        return NO_NUMBER;
    for (size_t i = 0; i < DIGITS; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return NO_NUMBER;
        number = number * 10 + (uint64_t)(text.p[i] - '0');
    }
    return number < COUNT_LINES_MAX ? (uint32_t)number : NO_NUMBER;
}

static const char *read_event(struct scan *s, struct event *out)
{
    struct str key, text = { NULL, 0 };
    bool timed = false;

    if (!skip_to(s, '{'))
        return "an event is no object";
    do {
        if (!read_text(s, &key) || !skip_to(s, ':'))
            return "an event is no JSON";
        if (str_is(key, "message")) {
            if (!read_text(s, &text))
                return "a message is no text";
        } else if (str_is(key, "timestamp")) {
            if (!read_number(s, &out->at_ms))
                return "a timestamp is no number";
            timed = true;
        } else if (!skip_value(s)) {
            return "an event is no JSON";
        }
    } while (skip_to(s, ','));
    if (!skip_to(s, '}'))
        return "an event does not end";
    if (!text.n || !timed)
        return "an event without message or timestamp";
    out->number = number_of(text);
    out->bytes = plain_bytes(text);
    return NULL;
}

static const char *read_events(struct count *c, struct scan *s, size_t *n)
{
    int64_t bytes = 0;
    const char *why;

    if (!skip_to(s, '['))
        return "logEvents is no array";
    *n = 0;
    do {
        if (*n == EVENTS_MAX)
            return "more than 10000 events";
        why = read_event(s, &c->events[*n]);
        if (why)
            return why;
        if (*n && c->events[*n].at_ms < c->events[*n - 1].at_ms)
            return "events are not in chronological order";
        bytes += c->events[*n].bytes + EVENT_EXTRA;
        ++*n;
    } while (skip_to(s, ','));
    if (!skip_to(s, ']'))
        return "logEvents does not end";
    if (bytes > BYTES_MAX)
        return "more than 1048576 bytes";
    if (c->events[*n - 1].at_ms - c->events[0].at_ms > SPAN_MS)
        return "events span more than 24 hours";
    return NULL;
}

/* ---- the streams ---- */

static struct stream *stream_of(struct count *c, struct str group, struct str name)
{
    struct stream *st;

    for (size_t i = 0; i < c->n; i++) {
        st = &c->streams[i];
        if (str_is(name, st->name) && str_is(group, st->group))
            return st;
    }
    if (c->n == COUNT_STREAMS_MAX)
        return NULL;
    st = &c->streams[c->n++];
    st->group = mem_strndup(group.p, group.n);
    st->name = mem_strndup(name.p, name.n);
    return st;
}

/* Was this number there before? It is from now on. */
static bool note_number(struct stream *st, uint32_t number)
{
    size_t at = number / 8, room;
    uint8_t bit = (uint8_t)(1 << number % 8);

    if (at >= st->seen_bytes) {
        room = at * 2 < 4096 ? 4096 : at * 2;
        st->seen = mem_resize(st->seen, room, 1);
        memset(st->seen + st->seen_bytes, 0, room - st->seen_bytes);
        st->seen_bytes = room;
    }
    if (st->seen[at] & bit)
        return true;
    st->seen[at] |= bit;
    return false;
}

static void note_event(struct stream *st, const struct event *ev, int64_t wall_us)
{
    st->events++;
    st->bytes += ev->bytes;
    if (!st->first_at_ms || ev->at_ms < st->first_at_ms)
        st->first_at_ms = ev->at_ms;
    if (ev->at_ms > st->last_at_ms)
        st->last_at_ms = ev->at_ms;
    if (ev->number == NO_NUMBER) {
        st->foreign++;
        return;
    }
    if (note_number(st, ev->number)) {
        st->repeated++;
        return;
    }
    st->last_came_us = wall_us;
    if (ev->number >= st->end) {
        st->disorder += ev->at_ms < st->end_at_ms;
        st->end = ev->number + 1;
        st->end_at_ms = ev->at_ms;
    } else {
        st->late++;
        st->disorder += ev->at_ms > st->end_at_ms;
    }
}

bool count_put(struct count *c, struct str body, int64_t wall_us, const char **why)
{
    struct scan s = { body.p, body.p + body.n };
    struct str key, group = { NULL, 0 }, name = { NULL, 0 };
    struct stream *st;
    size_t n = 0;
    bool ok = true;

    *why = skip_to(&s, '{') ? NULL : "the body is no object";
    while (!*why) {
        ok = read_text(&s, &key) && skip_to(&s, ':');
        if (ok && str_is(key, "logEvents"))
            *why = read_events(c, &s, &n);
        else if (ok && str_is(key, "logGroupName"))
            ok = read_text(&s, &group);
        else if (ok && str_is(key, "logStreamName"))
            ok = read_text(&s, &name);
        else if (ok)
            ok = skip_value(&s);
        if (!ok)
            *why = "the body is no JSON";
        if (*why || !skip_to(&s, ','))
            break;
    }
    if (!*why && (!skip_to(&s, '}') || !group.n || !name.n || !n))
        *why = "group, stream or events are missing";
    st = *why ? NULL : stream_of(c, group, name);
    if (!st) {
        *why = *why ? *why : "too many streams";
        c->refused++;
        return false;
    }
    c->puts++;
    for (size_t i = 0; i < n; i++)
        note_event(st, &c->events[i], wall_us);
    return true;
}

void count_write(const struct count *c, struct buf *out)
{
    buf_printf(out, "{\"puts\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"streams\":[", c->puts,
               c->refused);
    for (size_t i = 0; i < c->n; i++) {
        const struct stream *st = &c->streams[i];
        uint64_t unique = st->events - st->repeated - st->foreign;

        buf_printf(out,
                   "%s{\"group\":\"%s\",\"stream\":\"%s\",\"events\":%" PRIu64 ",\"bytes\":%" PRIu64
                   ",\"unique\":%" PRIu64 ",\"missing\":%" PRIu64 ",\"repeated\":%" PRIu64
                   ",\"foreign\":%" PRIu64 ",\"late\":%" PRIu64 ",\"disorder\":%" PRIu64
                   ",\"first_at_ms\":%" PRId64 ",\"last_at_ms\":%" PRId64
                   ",\"last_came_us\":%" PRId64 "}",
                   i ? "," : "", st->group, st->name, st->events, st->bytes, unique,
                   st->end - unique, st->repeated, st->foreign, st->late, st->disorder,
                   st->first_at_ms, st->last_at_ms, st->last_came_us);
    }
    buf_puts(out, "]}");
}
