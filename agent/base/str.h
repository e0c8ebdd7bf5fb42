#pragma once
/* str: borrowed text (pointer and length) and small helpers on C strings. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/defs.h"
#include "base/err.h"

struct str {
    const char *p; /* borrowed, not terminated */
    size_t n;
};

static inline UNUSED struct str str_of(const char *s)
{
    return (struct str){ s, s ? strlen(s) : 0 };
}

static inline UNUSED bool str_is(struct str s, const char *text)
{
    return s.n == strlen(text) && (s.n == 0 || memcmp(s.p, text, s.n) == 0);
}

static inline UNUSED bool streq(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* NULL and "" are both empty. */
static inline UNUSED bool str_empty(const char *s)
{
    return !s || !*s;
}
static inline UNUSED const char *str_or_empty(const char *s)
{
    return s ? s : "";
}

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/* The longest prefix of at most `max` bytes that does not split a UTF-8
 * character; invalid bytes count as one character each. */
size_t str_utf8_prefix(const char *s, size_t n, size_t max);
/* Length of the character at `s`, n > 0; STR_UTF8_INVALID when there is none; STR_UTF8_CUT when the
 * text ends before it does. */
enum { STR_UTF8_INVALID = 0, STR_UTF8_CUT = -1 };
int str_utf8_len(const char *s, size_t n);

/* How many letters must be added, left out, replaced or exchanged with their neighbor to make `b`
 * of `a`; upper and lower case are one. SIZE_MAX: more than `most`, or one is longer than
 * STR_DISTANCE_MAX. The smaller `most`, the sooner that is known. */
#define STR_DISTANCE_MAX 64
size_t str_distance(struct str a, struct str b, size_t most);

/* The text after the last `sep`, or the whole string. Borrowed. */
const char *str_after_last(const char *s, char sep);

/* A whole decimal number within [min, max]. */
MUST_CHECK enum err_code str_to_int(const char *s, int64_t min, int64_t max, int64_t *out,
                                    struct err *e);

/* White space at both ends removed; borrowed from `s`. */
struct str str_trim(struct str s);

/* Lower-case hexadecimal of `n` bytes into `out` (2n + 1 bytes). */
void str_hex(const void *data, size_t n, char *out);
/* What a digit of either case is worth; -1: it is none. */
int str_hex_digit(char c);
