#include "logs/batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "logs/json_file.h"

/* All control characters: six bytes each. */
#define JSON_MAX ((size_t)6 * BATCH_MAX_BYTES + (size_t)BATCH_MAX_EVENTS * 64)
/* No text needs an escape. */
#define PLAIN_JSON (BATCH_MAX_BYTES + (size_t)BATCH_MAX_EVENTS * 32)
#define SMALL_JSON ((size_t)60 * 1024)

struct batch *batch_create(int64_t now_ms, const char *group, const char *stream)
{
    struct batch *b = NEW(struct batch);

    list_init(&b->node);
    buf_init(&b->json, JSON_MAX);
    buf_puts(&b->json, "{\"logGroupName\":");
    json_quote(&b->json, str_of(group));
    buf_puts(&b->json, ",\"logStreamName\":");
    json_quote(&b->json, str_of(stream));
    buf_puts(&b->json, ",\"logEvents\":[");
    b->head = b->json.len;
    b->born_ms = now_ms;
    return b;
}

void batch_destroy(struct batch *b)
{
    if (!b)
        return;
    list_remove(&b->node);
    if (b->spares && b->json.cap >= PLAIN_JSON)
        spares_give(b->spares, &(struct spare){ b->json, b->backed });
    else
        buf_fini(&b->json);
    free(b->at);
    free(b);
}

static bool fits(const struct batch *b, int64_t when_ms, size_t size)
{
    if (!b->n)
        return true;
    return b->n < BATCH_MAX_EVENTS && b->bytes + size <= BATCH_MAX_BYTES &&
           when_ms >= b->last_ms - BATCH_MAX_CLAMP_MS && when_ms - b->first_ms <= BATCH_MAX_SPAN_MS;
}

/* ---- one event: {"timestamp":0,"message":"text"}, ---- */

static const char before_time[] = "{\"timestamp\":", before_text[] = ",\"message\":\"",
                  behind_text[] = "\"},";

static void set_start(struct batch *b, int64_t ms)
{
    b->start.n = (size_t)snprintf(b->start.text, sizeof b->start.text, "%s%" PRIu64 "%s",
                                  before_time, ms < 0 ? 0 : (uint64_t)ms, before_text);
    b->start.ms = ms;
}

/* A batch of many lines gets room for as much as plain ones may be, at once: the memory is there
 * only as it is written to, and nothing is copied to places twice as large again and again. */
static void make_room(struct batch *b, size_t plain_n)
{
    struct spare spare;

    if (b->json.len + plain_n < SMALL_JSON || b->json.cap >= PLAIN_JSON)
        return;
    if (!b->spares || !spares_take(b->spares, &spare)) {
        buf_reserve(&b->json, PLAIN_JSON - 1 - b->json.len);
        return;
    }
    buf_append(&spare.buf, b->json.data, b->json.len);
    buf_fini(&b->json);
    b->json = spare.buf;
    b->backed = spare.backed;
}

/* The time to give it, in *when_ms; BATCH_ADDED or BATCH_CLAMPED to go on. */
static enum batch_fit begin_event(struct batch *b, int64_t *when_ms, size_t plain_n)
{
    bool back = b->n && *when_ms < b->last_ms;

    if (!plain_n || plain_n > BATCH_MAX_BYTES - BATCH_EVENT_BYTES)
        return BATCH_NEVER;
    if (!fits(b, *when_ms, plain_n + BATCH_EVENT_BYTES))
        return BATCH_FULL;
    if (back)
        *when_ms = b->last_ms;
    if (b->n + 2 > b->room) {
        b->room = b->room ? 2 * b->room : 16;
        b->at = mem_resize(b->at, b->room, sizeof *b->at);
    }
    b->at[b->n] = (uint32_t)b->json.len;
    make_room(b, plain_n);
    if (!b->start.n || b->start.ms != *when_ms) /* of many lines the time is that of the last one */
        set_start(b, *when_ms);
    return back ? BATCH_CLAMPED : BATCH_ADDED;
}

static void end_event(struct batch *b, int64_t when_ms, size_t plain_n)
{
    b->at[++b->n] = (uint32_t)b->json.len;
    b->bytes += plain_n + BATCH_EVENT_BYTES;
    if (b->n == 1)
        b->first_ms = when_ms;
    b->last_ms = when_ms;
    b->span = b->n;
}

enum batch_fit batch_add(struct batch *b, int64_t when_ms, struct str text)
{
    enum batch_fit fit = begin_event(b, &when_ms, text.n);

    if (fit == BATCH_FULL || fit == BATCH_NEVER)
        return fit;
    buf_append(&b->json, b->start.text, b->start.n - 1); /* without its quote */
    json_quote(&b->json, text);
    buf_puts(&b->json, behind_text + 1);
    end_event(b, when_ms, text.n);
    return fit;
}

enum batch_fit batch_add_escaped(struct batch *b, int64_t when_ms, struct str text, size_t plain_n)
{
    enum batch_fit fit = begin_event(b, &when_ms, plain_n);
    size_t n = b->start.n + text.n + sizeof behind_text - 1;
    char *to;

    if (fit == BATCH_FULL || fit == BATCH_NEVER)
        return fit;
    to = buf_reserve(&b->json, n);
    if (!to) /* `plain_n` is wrong */
        return BATCH_NEVER;
    memcpy(to, b->start.text, b->start.n);
    to += b->start.n;
    memcpy(to, text.p, text.n);
    memcpy(to + text.n, behind_text, sizeof behind_text - 1);
    buf_grew(&b->json, n);
    end_event(b, when_ms, plain_n);
    return fit;
}

bool batch_due(const struct batch *b, int64_t now_ms, int64_t interval_ms)
{
    return b->n && now_ms - b->born_ms >= interval_ms;
}

struct str batch_body(struct batch *b, struct buf *scratch)
{
    size_t from = b->at[b->from], to = b->at[b->from + b->span] - 1; /* without the last comma */

    if (b->span == b->n) {
        b->json.len = to; /* it may have its end already */
        buf_puts(&b->json, "]}");
        return buf_str(&b->json);
    }
    buf_reset(scratch);
    buf_append(scratch, b->json.data, b->head);
    buf_append(scratch, b->json.data + from, to - from);
    buf_puts(scratch, "]}");
    return buf_str(scratch);
}

bool batch_accepted(struct batch *b)
{
    size_t left;

    b->from += b->span;
    left = b->n - b->from;
    /* After a bisection: towards the whole rest again. */
    b->span = 2 * b->span < left ? 2 * b->span : left;
    return left == 0;
}

bool batch_refused(struct batch *b, bool *dropped)
{
    size_t left;

    *dropped = b->span == 1;
    if (b->span > 1) {
        b->span /= 2;
        return false;
    }
    b->from++;
    left = b->n - b->from;
    /* Bad events rarely come alone, so not the whole rest at once. */
    b->span = left < 64 ? left : 64;
    return left == 0;
}

/* ---- what is stored already ---- */

struct stored {
    const struct batch_event *event;
    size_t taken; /* of the first of equal ones: how many of them stand for one of ours */
};

static int compare(const struct batch_event *a, const struct batch_event *b)
{
    int rc;

    if (a->when_ms != b->when_ms)
        return a->when_ms < b->when_ms ? -1 : 1;
    rc = memcmp(a->text.p, b->text.p, a->text.n < b->text.n ? a->text.n : b->text.n);
    return rc ? rc : a->text.n < b->text.n ? -1 : a->text.n > b->text.n;
}

static int compare_stored(const void *a, const void *b)
{
    return compare(((const struct stored *)a)->event, ((const struct stored *)b)->event);
}

/* The first one of those that are equal to it; n: there is none that is not taken. */
static size_t find_stored(const struct stored *all, size_t n, const struct batch_event *e)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare(all[middle].event, e) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == n || low + all[low].taken == n || compare(all[low + all[low].taken].event, e))
        return n;
    return low;
}

static bool take_stored(struct stored *all, size_t n, const struct batch_event *e)
{
    size_t at = find_stored(all, n, e);

    if (at == n)
        return false;
    all[at].taken++;
    return true;
}

/* The event as the service would have it; `plain` holds its text. */
static struct batch_event event_at(const struct batch *b, size_t i, struct buf *plain)
{
    const char *p = b->json.data + b->at[i] + sizeof before_time - 1;
    const char *end = b->json.data + b->at[i + 1] - (sizeof behind_text - 1);
    struct batch_event event = { 0 };

    for (; *p >= '0' && *p <= '9'; p++)
        event.when_ms = event.when_ms * 10 + (*p - '0');
    p += sizeof before_text - 1;
    buf_reset(plain);
    json_file_unescape((struct str){ p, (size_t)(end - p) }, plain);
    event.text = buf_str(plain);
    return event;
}

static void keep(struct batch *b, size_t i, size_t to)
{
    size_t n = b->at[i + 1] - b->at[i], at = to ? b->at[to] : b->head;

    memmove(b->json.data + at, b->json.data + b->at[i], n);
    b->at[to] = (uint32_t)at;
    b->at[to + 1] = (uint32_t)(at + n);
}

/* How many of the first events, which may be there twice in the log, cannot be told from what the
 * sink has. */
static size_t count_doubtful(const struct batch *b, const struct stored *all, size_t n,
                             int64_t before_ms, struct buf *plain)
{
    for (size_t i = 0; i < b->n; i++) {
        struct batch_event e = event_at(b, i, plain);

        if (e.when_ms > before_ms)
            return find_stored(all, n, &e) < n ? 0 : i;
    }
    return b->n;
}

/* How many events of that time are stored beside those that came before. */
static int64_t count_beyond(const struct batch_event *stored, size_t n, int64_t before_ms,
                            int64_t before_n)
{
    int64_t found = 0;

    for (size_t i = 0; i < n && before_n; i++)
        found += stored[i].when_ms == before_ms;
    return found > before_n ? found - before_n : 0;
}

size_t batch_trim(struct batch *b, const struct batch_event *stored, size_t n, int64_t before_ms,
                  int64_t before_n)
{
    int64_t beyond = count_beyond(stored, n, before_ms, before_n);
    struct stored *all = mem_array(n, sizeof *all);
    AUTO(buf) struct buf plain = BUF_INIT(BATCH_MAX_BYTES);
    size_t kept = 0, before = b->n, through = b->from, doubtful;

    for (size_t i = 0; i < n; i++)
        all[i] = (struct stored){ &stored[i], 0 };
    if (n)
        qsort(all, n, sizeof *all, compare_stored);
    doubtful = count_doubtful(b, all, n, before_ms, &plain);
    b->bytes = 0;
    for (size_t i = 0; i < before; i++) {
        struct batch_event e = event_at(b, i, &plain);

        bool known = i < through || i >= doubtful || (e.when_ms == before_ms && beyond > 0);

        if (known && (take_stored(all, n, &e) || i < through)) {
            beyond -= e.when_ms == before_ms;
            continue;
        }
        if (!kept)
            b->first_ms = e.when_ms;
        b->last_ms = e.when_ms;
        b->bytes += e.text.n + BATCH_EVENT_BYTES;
        keep(b, i, kept++);
    }
    free(all);
    b->spares = NULL; /* it used more than it is long now */
    b->n = b->span = kept;
    b->from = 0;
    b->json.len = kept ? b->at[kept] : b->head;
    b->json.data[b->json.len] = '\0';
    return before - through - kept;
}
