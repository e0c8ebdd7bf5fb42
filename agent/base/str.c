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

int str_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int str_utf8_len(const char *s, size_t n)
{
    const unsigned char *u = (const unsigned char *)s;
    unsigned char c = u[0], low = 0x80, high = 0xBF;
    size_t need;

    if (c < 0x80)
        return 1;
    if (c < 0xC2 || c > 0xF4)
        return STR_UTF8_INVALID;
    need = c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    /* Overlong forms, surrogates and what lies past U+10FFFF. */
    if (c == 0xE0)
        low = 0xA0;
    else if (c == 0xED)
        high = 0x9F;
    else if (c == 0xF0)
        low = 0x90;
    else if (c == 0xF4)
        high = 0x8F;
    for (size_t i = 1; i < need; i++) {
        if (i == n)
            return STR_UTF8_CUT;
        if (u[i] < low || u[i] > high)
            return STR_UTF8_INVALID;
        low = 0x80;
        high = 0xBF;
    }
    return (int)need;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

size_t str_distance(struct str a, struct str b, size_t most)
{
    size_t rows[3][STR_DISTANCE_MAX + 1];

    if (a.n > STR_DISTANCE_MAX || b.n > STR_DISTANCE_MAX)
        return SIZE_MAX;
    if (most < STR_DISTANCE_MAX && (a.n > b.n + most || b.n > a.n + most))
        return SIZE_MAX; /* mostly it need not be looked at more closely */
    for (size_t j = 0; j <= b.n; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            char x = lower(a.p[i - 1]), y = lower(b.p[j - 1]);
            size_t best = above[j - 1] + (x != y);

            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && x == lower(b.p[j - 2]) && lower(a.p[i - 2]) == y &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[a.n % 3][b.n] <= most ? rows[a.n % 3][b.n] : SIZE_MAX;
}
