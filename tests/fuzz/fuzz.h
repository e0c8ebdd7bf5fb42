#pragma once
/* fuzz: what the targets share.
 *
 * A target takes any bytes and may only return 0. Besides what the sanitizers
 * see, it states laws of its parser with LAW, which aborts: "what was decoded
 * can be decoded again". */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LAW(condition)                                                              \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

static inline UNUSED struct str fuzz_str(const uint8_t *data, size_t size)
{
    return (struct str){ (const char *)data, size };
}

/* The first line of what is left, without its newline; the rest stays in *left. */
static inline UNUSED struct str fuzz_line(struct str *left)
{
    const char *end = left->n ? memchr(left->p, '\n', left->n) : NULL;
    struct str line = { left->p, end ? (size_t)(end - left->p) : left->n };
    size_t taken = line.n + (end ? 1 : 0);

    left->p += left->n ? taken : 0;
    left->n -= taken;
    return line;
}

/* As fuzz_line, as a C string up to the first NUL; free() it. */
static inline UNUSED char *fuzz_line_text(struct str *left)
{
    struct str line = fuzz_line(left);

    return mem_strndup(line.n ? line.p : "", line.n);
}

/* Cuts a stream into pieces whose lengths the input itself gives: its first byte
 * says how many bytes after it are lengths, used over and over. What is left after
 * FUZZ_PIECES is one: many small pieces only cost time. */
#define FUZZ_PIECES 64
struct fuzz_pieces {
    const uint8_t *lengths;
    size_t n_lengths, at;
    struct str left;
};

static inline UNUSED struct fuzz_pieces fuzz_pieces(const uint8_t *data, size_t size)
{
    struct fuzz_pieces p = { 0 };

    if (!size)
        return p;
    p.n_lengths = data[0] % 8 < size - 1 ? data[0] % 8 : size - 1;
    p.lengths = data + 1;
    p.left = fuzz_str(data + 1 + p.n_lengths, size - 1 - p.n_lengths);
    return p;
}

/* The piece has memory of its own, so that reading past it is seen; free(p.p). */
static inline UNUSED bool fuzz_next_piece(struct fuzz_pieces *p, struct str *piece)
{
    size_t n = p->left.n;
    char *copy;

    if (!n)
        return false;
    if (p->n_lengths && p->at < FUZZ_PIECES) {
        n = p->lengths[p->at++ % p->n_lengths] + (size_t)1;
        n = n < p->left.n ? n : p->left.n;
    }
    copy = mem_array(n, 1);
    memcpy(copy, p->left.p, n);
    *piece = (struct str){ copy, n };
    p->left.p += n;
    p->left.n -= n;
    return true;
}
