#include <stdarg.h>
#include <stdlib.h>

#include "sim.h"

struct item {
    int64_t at;
    uint64_t ord;
    item_fn *fn;
    void *arg;
};

static bool before(const struct item *a, const struct item *b)
{
    return a->at != b->at ? a->at < b->at : a->ord < b->ord;
}

void at(struct sim *s, int64_t delay, item_fn *fn, void *arg)
{
    struct item it = { s->now + delay, s->ordinal++, fn, arg };
    size_t i;

    if (s->heap_len == s->heap_cap) {
        s->heap_cap = s->heap_cap ? s->heap_cap * 2 : 256;
        s->heap = mem_resize(s->heap, s->heap_cap, sizeof *s->heap);
    }
    for (i = s->heap_len++; i && before(&it, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = it;
}

bool world_step(struct sim *s)
{
    struct item first, last;
    size_t i = 0, child;

    if (!s->heap_len)
        return false;
    first = s->heap[0];
    last = s->heap[--s->heap_len];
    for (; (child = 2 * i + 1) < s->heap_len; i = child) {
        if (child + 1 < s->heap_len && before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!before(&s->heap[child], &last))
            break;
        s->heap[i] = s->heap[child];
    }
    s->heap[i] = last;
    s->now = first.at;
    s->steps++;
    first.fn(s, first.arg);
    return true;
}

void world_fini(struct sim *s)
{
    free(s->heap);
}

int64_t pick(struct sim *s, int64_t lo, int64_t hi)
{
    return lo + (int64_t)rng_below(&s->rng, (uint64_t)(hi - lo + 1));
}

bool chance(struct sim *s, int percent)
{
    return (int)rng_below(&s->rng, 100) < percent;
}

int64_t wall(const struct sim *s)
{
    return 1767323045000 + s->now + s->wall_offset;
}

void trace(struct sim *s, const char *fmt, ...)
{
    va_list ap;

    if (!s->verbose)
        return;
    printf("%8lld.%03lld  ", (long long)(s->now / 1000), (long long)(s->now % 1000));
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}
