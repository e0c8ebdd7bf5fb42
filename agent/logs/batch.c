#include "logs/batch.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"

/* All control characters: six bytes each. */
#define JSON_MAX ((size_t)6 * BATCH_MAX_BYTES + (size_t)BATCH_MAX_EVENTS * 64)

struct batch *batch_create(int64_t now_ms)
{
    struct batch *b = NEW(struct batch);

    list_init(&b->node);
    buf_init(&b->json, JSON_MAX);
    b->born_ms = now_ms;
    return b;
}

void batch_destroy(struct batch *b)
{
    if (!b)
        return;
    list_remove(&b->node);
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

/* By hand, because this is done for every line of every container. */
static void write_time(struct buf *out, int64_t ms)
{
    char text[24], *p = text + sizeof text;

    for (uint64_t left = ms < 0 ? 0 : (uint64_t)ms; p == text + sizeof text || left; left /= 10)
        *--p = (char)('0' + left % 10);
    buf_append(out, p, (size_t)(text + sizeof text - p));
}

enum batch_fit batch_add(struct batch *b, int64_t when_ms, struct str text)
{
    bool back = b->n && when_ms < b->last_ms;

    if (!text.n || text.n > BATCH_MAX_BYTES - BATCH_EVENT_BYTES)
        return BATCH_NEVER;
    if (!fits(b, when_ms, text.n + BATCH_EVENT_BYTES))
        return BATCH_FULL;
    if (back)
        when_ms = b->last_ms;
    if (b->n + 2 > b->room) {
        b->room = b->room ? 2 * b->room : 16;
        b->at = mem_resize(b->at, b->room, sizeof *b->at);
    }
    b->at[b->n] = (uint32_t)b->json.len;
    buf_puts(&b->json, "{\"timestamp\":");
    write_time(&b->json, when_ms);
    buf_puts(&b->json, ",\"message\":");
    json_quote(&b->json, text);
    buf_puts(&b->json, "},");
    b->at[++b->n] = (uint32_t)b->json.len;
    b->bytes += text.n + BATCH_EVENT_BYTES;
    if (b->n == 1)
        b->first_ms = when_ms;
    b->last_ms = when_ms;
    b->span = b->n;
    return back ? BATCH_CLAMPED : BATCH_ADDED;
}

bool batch_due(const struct batch *b, int64_t now_ms, int64_t interval_ms)
{
    return b->n && now_ms - b->born_ms >= interval_ms;
}

void batch_body(struct batch *b, const char *group, const char *stream, struct buf *out)
{
    size_t from = b->at[b->from], to = b->at[b->from + b->span];

    buf_puts(out, "{\"logGroupName\":");
    json_quote(out, str_of(group));
    buf_puts(out, ",\"logStreamName\":");
    json_quote(out, str_of(stream));
    buf_puts(out, ",\"logEvents\":[");
    buf_append(out, b->json.data + from, to - from - 1); /* without the last comma */
    buf_puts(out, "]}");
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
