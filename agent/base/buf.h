#pragma once
/* buf: bytes that grow up to a stated maximum.
 *
 * A buffer cannot be made without saying how big it may grow. An append that
 * would pass the maximum changes nothing, returns false and makes the buffer
 * `overflowed` until buf_reset, so a run of appends may be checked once at its
 * end. The bytes are always followed by a NUL that does not count. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/defs.h"
#include "base/str.h"

struct buf {
    char *data; /* NULL until the first append; else data[len] == 0 */
    size_t len;
    size_t cap;
    size_t max;
    bool overflowed;
    bool secret; /* the bytes lie in base/secret's memory: wiped wherever they leave a place */
};

#define BUF_INIT(maximum) \
    {                     \
        .max = (maximum)  \
    }

/* For keys, passwords, and messages that carry them. */
#define BUF_SECRET(maximum)              \
    {                                    \
        .max = (maximum), .secret = true \
    }

void buf_init(struct buf *b, size_t max);
void buf_init_secret(struct buf *b, size_t max);
void buf_fini(struct buf *b); /* frees; usable again, of the same kind with the same maximum */
/* As buf_fini, after zeroing the bytes. (One that is not secret and grew has left copies.) */
void buf_wipe(struct buf *b);

bool buf_append(struct buf *b, const void *data, size_t n);
bool buf_puts(struct buf *b, const char *s);
bool buf_putc(struct buf *b, char c);
bool buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

/* Room for `n` more bytes at the returned address, NULL when over the maximum.
 * buf_grew says how many were really written. */
char *buf_reserve(struct buf *b, size_t n);
void buf_grew(struct buf *b, size_t n);

void buf_reset(struct buf *b);             /* length 0, memory kept */
void buf_consume(struct buf *b, size_t n); /* drops the first n bytes */
const char *buf_text(const struct buf *b); /* "" for an empty buffer; borrowed */
struct str buf_str(const struct buf *b);   /* borrowed until the next change */

/* Hands the bytes over (free() them, of a secret buffer mem_wipe(); never NULL) and leaves the
 * buffer empty. */
char *buf_take(struct buf *b);

static inline UNUSED void buf_fini_(struct buf b)
{
    buf_fini(&b);
}
AUTO_DEFINE(buf, struct buf, buf_fini_)
