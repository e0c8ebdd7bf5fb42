#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

size_t str_utf8_prefix(const char *s, size_t n, size_t max)
{
    const unsigned char *u = (const unsigned char *)s;
    size_t end, start, need;

    end = n < max ? n : max;
    /* Walk back over at most three continuation bytes to the last lead byte. */
    for (start = end; start > 0 && end - start < 4; start--) {
        unsigned char c = u[start - 1];

        if ((c & 0xC0) == 0x80)
            continue;
        need = c < 0x80             ? 1
               : (c & 0xE0) == 0xC0 ? 2
               : (c & 0xF0) == 0xE0 ? 3
               : (c & 0xF8) == 0xF0 ? 4
                                    : 1;
        return end - (start - 1) < need ? start - 1 : end;
    }
    return end;
}

size_t str_utf8_char(struct str s)
{
    const unsigned char *u = (const unsigned char *)s.p;
    size_t n = s.n;
    uint32_t c;

    if (n == 0)
        return 0;
    c = u[0];
    if (c < 0x80)
        return 1;
    if (c >= 0xC2 && c < 0xE0 && n >= 2 && (u[1] & 0xC0) == 0x80)
        return 2;
    if (c >= 0xE0 && c < 0xF0 && n >= 3 && (u[1] & 0xC0) == 0x80 && (u[2] & 0xC0) == 0x80) {
        c = (c & 15) << 12 | (u[1] & 63u) << 6 | (u[2] & 63u);
        return c >= 0x800 && (c < 0xD800 || c > 0xDFFF) ? 3 : 0;
    }
    if (c >= 0xF0 && c < 0xF5 && n >= 4 && (u[1] & 0xC0) == 0x80 && (u[2] & 0xC0) == 0x80 &&
        (u[3] & 0xC0) == 0x80) {
        c = (c & 7) << 18 | (u[1] & 63u) << 12 | (u[2] & 63u) << 6 | (u[3] & 63u);
        return c >= 0x10000 && c <= 0x10FFFF ? 4 : 0;
    }
    return 0;
}

const char *str_after_last(const char *s, char sep)
{
    const char *p = strrchr(s, sep);

    return p ? p + 1 : s;
}

enum err_code str_to_int(const char *s, int64_t min, int64_t max, int64_t *out, struct err *e)
{
    char *end = NULL;
    long long v;

    errno = 0;
    v = strtoll(s, &end, 10);
    if (end == s || *end || isspace((unsigned char)*s))
        return err_set(e, ERR_INVALID, "expected a whole number, got '%.80s'", s);
    if (errno == ERANGE || v < min || v > max)
        return err_set(e, ERR_INVALID, "%.40s is not in %" PRId64 "..%" PRId64, s, min, max);
    *out = v;
    return ERR_OK;
}

struct str str_trim(struct str s)
{
    while (s.n && isspace((unsigned char)s.p[0]))
        s.p++, s.n--;
    while (s.n && isspace((unsigned char)s.p[s.n - 1]))
        s.n--;
    return s;
}

void str_hex(const void *data, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *u = data;

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[u[i] >> 4];
        out[2 * i + 1] = digits[u[i] & 15];
    }
    out[2 * n] = '\0';
}
