#include "logs/spares.h"

#include <sys/mman.h>
#include <unistd.h>

/* Gives back what is behind `keep` bytes; what lies there is nobody's then. */
static void cut(struct spare *s, size_t keep)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)s->buf.data;
    uintptr_t from = (at + keep + page - 1) / page * page, to = (at + s->buf.cap) / page * page;

    if (from < to && !madvise((void *)from, to - from, MADV_DONTNEED))
        s->backed = keep;
}

bool spares_take(struct spares *s, struct spare *out)
{
    if (!s->n)
        return false;
    *out = s->of[--s->n];
    s->backed -= out->backed;
    return true;
}

void spares_give(struct spares *s, struct spare *from)
{
    size_t used = from->buf.len;

    buf_reset(&from->buf);
    if (from->backed < used)
        from->backed = used;
    if (from->backed > used + SPARES_SLACK)
        cut(from, used);
    if (s->n == SPARES_MOST || s->backed + from->backed > SPARES_MAX) {
        buf_fini(&from->buf);
        return;
    }
    s->backed += from->backed;
    s->of[s->n++] = *from;
}

void spares_clear(struct spares *s)
{
    while (s->n)
        buf_fini(&s->of[--s->n].buf);
    s->backed = 0;
}
