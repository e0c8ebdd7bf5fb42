#include "logs_store.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

/* ---- names ---- */

bool log_group_name_ok(const char *name)
{
    size_t n = strlen(name);

    if (n < 1 || n > 512 || str_starts(name, "aws/"))
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name[i];

        if (c >= 0x80 || (!isalnum(c) && !strchr("._-/#", c)))
            return false;
    }
    return true;
}

bool log_stream_name_ok(const char *name)
{
    size_t n = strlen(name);

    return n >= 1 && n <= 512 && !strpbrk(name, ":*");
}

bool log_retention_ok(int64_t days)
{
    static const int64_t known[] = { 1,   3,   5,   7,   14,   30,   60,   90,   120,  150,  180,
                                     365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653 };

    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (known[i] == days)
            return true;
    }
    return false;
}

/* ---- groups and streams ---- */

struct log_group *log_group_find(const struct log_store *s, const char *name)
{
    struct log_group *g;

    HASH_FIND_STR(s->groups, name, g);
    return g;
}

struct log_group *log_group_add(struct log_store *s, const char *name, int64_t now_ms)
{
    struct log_group *g = NEW(struct log_group);

    g->name = mem_strdup(name);
    g->class_name = mem_strdup("STANDARD");
    g->created_ms = now_ms;
    HASH_ADD_KEYPTR(hh, s->groups, g->name, strlen(g->name), g);
    return g;
}

struct log_stream *log_stream_find(const struct log_group *g, const char *name)
{
    struct log_stream *st;

    HASH_FIND_STR(g->streams, name, st);
    return st;
}

struct log_stream *log_stream_add(struct log_group *g, const char *name, int64_t now_ms)
{
    struct log_stream *st = NEW(struct log_stream);

    st->name = mem_strdup(name);
    st->created_ms = now_ms;
    HASH_ADD_KEYPTR(hh, g->streams, st->name, strlen(st->name), st);
    return st;
}

static void drop_oldest(struct log_store *s, struct log_stream *st)
{
    struct log_event *ev = &st->events[st->first];

    st->bytes -= ev->len + LOGS_EVENT_COST;
    s->bytes -= ev->len + LOGS_EVENT_COST;
    s->events--;
    free(ev->text);
    st->first++;
    st->count--;
}

void log_stream_remove(struct log_store *s, struct log_group *g, struct log_stream *st)
{
    while (st->count)
        drop_oldest(s, st);
    HASH_DEL(g->streams, st);
    free(st->events);
    free(st->name);
    free(st);
}

void log_group_remove(struct log_store *s, struct log_group *g)
{
    struct log_stream *st, *next;

    HASH_ITER (hh, g->streams, st, next)
        log_stream_remove(s, g, st);
    HASH_DEL(s->groups, g);
    free(g->class_name);
    free(g->name);
    free(g);
}

void log_store_fini(struct log_store *s)
{
    struct log_group *g, *next;

    HASH_ITER (hh, s->groups, g, next)
        log_group_remove(s, g);
}

size_t log_group_bytes(const struct log_group *g)
{
    struct log_stream *st, *next;
    size_t bytes = 0;

    HASH_ITER (hh, g->streams, st, next)
        bytes += st->bytes;
    return bytes;
}

/* ---- batches ---- */

enum err_code log_batch_check(const struct log_input *in, size_t n, struct err *e)
{
    size_t bytes = 0;

    if (n < 1)
        return err_set(e, ERR_INVALID,
                       "1 validation error detected: Value '[]' at 'logEvents' failed to satisfy "
                       "constraint: Member must have length greater than or equal to 1");
    if (n > LOGS_BATCH_EVENTS)
        return err_set(e, ERR_INVALID,
                       "1 validation error detected: Value at 'logEvents' failed to satisfy "
                       "constraint: Member must have length less than or equal to 10000");
    for (size_t i = 0; i < n; i++) {
        size_t size = in[i].text.n + LOGS_EVENT_EXTRA;

        if (in[i].text.n == 0)
            return err_set(
                e, ERR_INVALID,
                "1 validation error detected: Value '' at 'logEvents.%zu.member.message' "
                "failed to satisfy constraint: Member must have length greater than or "
                "equal to 1",
                i + 1);
        if (size > LOGS_BATCH_BYTES)
            return err_set(e, ERR_INVALID, "Log event too large: %zu bytes exceeds limit of %d",
                           size, LOGS_BATCH_BYTES);
        if (i && in[i].at_ms < in[i - 1].at_ms)
            return err_set(e, ERR_INVALID,
                           "Log events in a single PutLogEvents request must be "
                           "in chronological order.");
        bytes += size;
    }
    if (bytes > LOGS_BATCH_BYTES)
        return err_set(e, ERR_INVALID, "Upload too large: %zu bytes exceeds limit of %d", bytes,
                       LOGS_BATCH_BYTES);
    return ERR_OK;
}

int log_pos_order(struct log_pos a, struct log_pos b)
{
    if (a.at_ms != b.at_ms)
        return a.at_ms < b.at_ms ? -1 : 1;
    return a.seq == b.seq ? 0 : a.seq < b.seq ? -1 : 1;
}

static struct log_pos pos_of(const struct log_event *ev)
{
    return (struct log_pos){ ev->at_ms, ev->seq };
}

/* Room for `n` more events behind the last one. */
static void reserve(struct log_stream *st, size_t n)
{
    if (st->first + st->count + n <= st->cap)
        return;
    if (st->first) {
        memmove(st->events, st->events + st->first, st->count * sizeof *st->events);
        st->first = 0;
    }
    if (st->count + n > st->cap) {
        st->cap = (st->count + n) * 2;
        st->events = mem_resize(st->events, st->cap, sizeof *st->events);
    }
}

/* Text may contain NUL, so this is no string copy. */
static char *copy_of(struct str text)
{
    char *out = mem_alloc(text.n + 1);

    memcpy(out, text.p, text.n);
    return out;
}

/* Merges a sorted batch into the sorted events, from the back. */
static void merge(struct log_stream *st, const struct log_event *batch, size_t n)
{
    struct log_event *base;
    size_t i = st->count, j = n;

    reserve(st, n);
    base = st->events + st->first;
    while (j) {
        if (i && log_pos_order(pos_of(&base[i - 1]), pos_of(&batch[j - 1])) > 0) {
            base[i + j - 1] = base[i - 1];
            i--;
        } else {
            base[i + j - 1] = batch[j - 1];
            j--;
        }
    }
    st->count += n;
}

enum err_code log_stream_put(struct log_store *s, const struct log_group *g, struct log_stream *st,
                             const struct log_input *in, size_t n, int64_t now_ms,
                             struct log_rejects *rejects, struct err *e)
{
    int64_t oldest = now_ms - LOGS_OLDEST_MS, newest = now_ms + LOGS_NEWEST_MS;
    int64_t kept_since = g->retention_days ? now_ms - g->retention_days * LOGS_SPAN_MS : INT64_MIN;
    size_t begin = 0, end = n;
    struct log_event *batch;

    *rejects = (struct log_rejects){ -1, -1, -1 };
    for (size_t i = 0; i < n; i++) {
        if (in[i].at_ms < oldest)
            rejects->too_old_end = (int64_t)i + 1;
        else if (in[i].at_ms < kept_since)
            rejects->expired_end = (int64_t)i + 1;
        if (in[i].at_ms < oldest || in[i].at_ms < kept_since)
            begin = i + 1;
        if (in[i].at_ms > newest && rejects->too_new_start < 0) {
            rejects->too_new_start = (int64_t)i;
            end = i;
        }
    }
    if (end > begin && in[end - 1].at_ms - in[begin].at_ms > LOGS_SPAN_MS)
        return err_set(e, ERR_INVALID,
                       "The batch of log events in a single PutLogEvents request "
                       "cannot span more than 24 hours.");
    if (end <= begin)
        return ERR_OK;
    batch = mem_array(end - begin, sizeof *batch);
    for (size_t i = begin; i < end; i++) {
        batch[i - begin] = (struct log_event){ in[i].at_ms, now_ms, ++s->last_seq,
                                               copy_of(in[i].text), in[i].text.n };
        st->bytes += in[i].text.n + LOGS_EVENT_COST;
        s->bytes += in[i].text.n + LOGS_EVENT_COST;
        s->events++;
    }
    merge(st, batch, end - begin);
    free(batch);
    st->last_ingested_ms = now_ms;
    while (st->count && (st->bytes > LOGS_STREAM_BYTES || s->bytes > LOGS_TOTAL_BYTES)) {
        drop_oldest(s, st);
        s->dropped++;
    }
    return ERR_OK;
}

/* ---- reading ---- */

const struct log_event *log_stream_at(const struct log_stream *st, size_t i)
{
    return &st->events[st->first + i];
}

size_t log_stream_seek(const struct log_stream *st, struct log_pos pos)
{
    size_t low = 0, high = st->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (log_pos_order(pos_of(log_stream_at(st, mid)), pos) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}
