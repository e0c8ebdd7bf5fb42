#pragma once
/* local_log: writes records as the engine's local driver does. */
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

struct local_entry {
    int stream;
    int64_t ns;
    struct str text;
    int part; /* 0: a whole line; else the number of the part */
    bool last;
};

static inline UNUSED void local_varint(struct buf *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_putc(out, (char)(v | 0x80));
    buf_putc(out, (char)v);
}

static inline UNUSED void local_length(struct buf *out, size_t n)
{
    const char bytes[] = { (char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n };

    buf_append(out, bytes, sizeof bytes);
}

static inline UNUSED void local_bytes(struct buf *out, char tag, struct str text)
{
    buf_putc(out, tag);
    local_varint(out, text.n);
    buf_append(out, text.p, text.n);
}

/* As protobuf wants it: what is zero or empty is left out. */
static inline UNUSED void local_append_entry(struct buf *out, const struct local_entry *e)
{
    AUTO(buf) struct buf part = BUF_INIT(1000);

    local_bytes(out, 0x0A, str_of(e->stream == 2 ? "stderr" : "stdout"));
    buf_putc(out, 0x10);
    local_varint(out, (uint64_t)e->ns);
    if (e->text.n)
        local_bytes(out, 0x1A, e->text);
    if (!e->part)
        return;
    buf_append(out, "\x20\x01", 2);
    if (e->last)
        buf_append(&part, "\x08\x01", 2);
    local_bytes(&part, 0x12, str_of("0123456789abcdef0123456789abcdef"));
    buf_putc(&part, 0x18);
    local_varint(&part, (uint64_t)e->part);
    local_bytes(out, 0x2A, buf_str(&part));
}

static inline UNUSED void local_append(struct buf *out, const struct local_entry *e)
{
    AUTO(buf) struct buf entry = BUF_INIT(1 << 20);

    local_append_entry(&entry, e);
    local_length(out, entry.len);
    buf_append(out, entry.data, entry.len);
    local_length(out, entry.len);
}
