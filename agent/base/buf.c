#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf)BUF_INIT(max);
}

void buf_init_secret(struct buf *b, size_t max)
{
    *b = (struct buf)BUF_SECRET(max);
}

static void empty(struct buf *b)
{
    *b = (struct buf){ .max = b->max, .secret = b->secret };
}

void buf_fini(struct buf *b)
{
    if (b->secret)
        secret_free(b->data);
    else
        free(b->data);
    empty(b);
}

void buf_wipe(struct buf *b)
{
    if (b->data && !b->secret)
        explicit_bzero(b->data, b->cap);
    buf_fini(b);
}

char *buf_reserve(struct buf *b, size_t n)
{
    size_t cap;

    if (b->overflowed || n > b->max - b->len) {
        b->overflowed = true;
        return NULL;
    }
    if (!b->data || b->len + n + 1 > b->cap) {
        cap = b->cap < 64 ? 64 : b->cap;
        while (cap < b->len + n + 1)
            cap *= 2;
        if (cap > b->max + 1)
            cap = b->max + 1;
        b->data = b->secret ? secret_resize(b->data, cap) : mem_resize(b->data, cap, 1);
        b->cap = cap;
        b->data[b->len] = '\0';
    }
    return b->data + b->len;
}

void buf_grew(struct buf *b, size_t n)
{
    b->len += n;
    b->data[b->len] = '\0';
}

bool buf_append(struct buf *b, const void *data, size_t n)
{
    char *at = buf_reserve(b, n);

    if (!at)
        return false;
    if (n)
        memcpy(at, data, n);
    buf_grew(b, n);
    return true;
}

bool buf_puts(struct buf *b, const char *s)
{
    return buf_append(b, s, strlen(s));
}

bool buf_putc(struct buf *b, char c)
{
    char *at = buf_reserve(b, 1);

    if (!at)
        return false;
    *at = c;
    buf_grew(b, 1);
    return true;
}

bool buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    /* Most texts fit where there is room already. */
    size_t room = b->data && !b->overflowed ? b->cap - b->len : 0;
    char *at = room ? b->data + b->len : NULL;
    int n;

    va_copy(again, ap);
    n = vsnprintf(at, room, fmt, again);
    va_end(again);
    if (n >= 0 && (size_t)n < room) {
        b->len += (size_t)n;
        return true;
    }
    if (room)
        *at = '\0'; /* of what did not fit nothing stays */
    if (n < 0 || !(at = buf_reserve(b, (size_t)n)))
        return false;
    vsnprintf(at, (size_t)n + 1, fmt, ap);
    buf_grew(b, (size_t)n);
    return true;
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    bool ok;

    va_start(ap, fmt);
    ok = buf_vprintf(b, fmt, ap);
    va_end(ap);
    return ok;
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->overflowed = false;
    if (b->data)
        b->data[0] = '\0';
}

void buf_consume(struct buf *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
    } else {
        memmove(b->data, b->data + n, b->len - n);
        b->len -= n;
    }
    if (b->data)
        b->data[b->len] = '\0';
}

const char *buf_text(const struct buf *b)
{
    return b->data ? b->data : "";
}

struct str buf_str(const struct buf *b)
{
    return (struct str){ buf_text(b), b->len };
}

char *buf_take(struct buf *b)
{
    char *data = b->data ? b->data : b->secret ? secret_strdup("") : mem_strdup("");

    empty(b);
    return data;
}
