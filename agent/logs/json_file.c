#include "logs/json_file.h"

#include <string.h>

#define NS 1000000000LL

/* ---- the time ---- */

static bool digits(const char *p, size_t n, int64_t *out)
{
    int64_t v = 0;

    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        v = v * 10 + (p[i] - '0');
    }
    *out = v;
    return true;
}

/* Days since 1970 of a date of the Gregorian calendar (years begin in March here, so that the leap
 * day is the last of its year). */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
    int64_t era, of_era, of_year;

    y -= m <= 2;
    era = y / 400;
    of_era = y - era * 400;
    of_year = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* "2026-01-05T07:00:00.123456789Z", with any number of digits of a second. */
static bool time_of(struct str s, int64_t *out)
{
    int64_t y, mo, d, h, mi, sec, fraction = 0;
    const char *p = s.p;
    size_t n = 0;

    if (s.n < 20 || p[4] != '-' || p[7] != '-' || p[10] != 'T' || p[13] != ':' || p[16] != ':' ||
        p[s.n - 1] != 'Z')
        return false;
    if (!digits(p, 4, &y) || !digits(p + 5, 2, &mo) || !digits(p + 8, 2, &d) ||
        !digits(p + 11, 2, &h) || !digits(p + 14, 2, &mi) || !digits(p + 17, 2, &sec))
        return false;
    if (y < 1970 || y > 2261 || mo < 1 || mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 ||
        sec > 60)
        return false;
    if (s.n > 20) {
        n = s.n - 21;
        if (p[19] != '.' || n < 1 || n > 9 || !digits(p + 20, n, &fraction))
            return false;
        for (; n < 9; n++)
            fraction *= 10;
    }
    *out = (days_of(y, mo, d) * 86400 + h * 3600 + mi * 60 + sec) * NS + fraction;
    return true;
}

/* ---- the text ---- */

static size_t escape_len(const char *p, size_t n)
{
    if (n < 2)
        return 0;
    if (p[1] != 'u')
        return strchr("\"\\/bfnrt", p[1]) && p[1] ? 2 : 0;
    if (n < 6)
        return 0;
    for (size_t i = 2; i < 6; i++)
        if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f') ||
              (p[i] >= 'A' && p[i] <= 'F')))
            return 0;
    return 6;
}

static unsigned hex4(const char *p)
{
    unsigned v = 0;

    for (size_t i = 0; i < 4; i++)
        v = v << 4 | (unsigned)(p[i] <= '9' ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
    return v;
}

/* The character of the escape at `p`, and how long the escape is: two of them may be one. */
static unsigned escaped_char(const char *p, size_t n, size_t *len)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    unsigned c, low;

    *len = p[1] == 'u' ? 6 : 2;
    if (p[1] != 'u')
        return (unsigned char)to[strchr(from, p[1]) - from];
    c = hex4(p + 2);
    if (c < 0xD800 || c > 0xDFFF)
        return c;
    if (c > 0xDBFF || n < 12 || p[6] != '\\' || escape_len(p + 6, n - 6) != 6)
        return 0xFFFD;
    low = hex4(p + 8);
    if (low < 0xDC00 || low > 0xDFFF)
        return 0xFFFD;
    *len = 12;
    return 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
}

void json_file_unescape(struct str text, struct buf *out)
{
    while (text.n) {
        const char *slash = memchr(text.p, '\\', text.n);
        size_t n = slash ? (size_t)(slash - text.p) : text.n;
        char utf8[4];
        size_t used;
        unsigned c;

        buf_append(out, text.p, n);
        if (!slash)
            return;
        c = escaped_char(slash, text.n - n, &used);
        if (c < 0x80) {
            buf_putc(out, (char)c);
        } else if (c < 0x800) {
            utf8[0] = (char)(0xC0 | c >> 6);
            utf8[1] = (char)(0x80 | (c & 0x3F));
            buf_append(out, utf8, 2);
        } else if (c < 0x10000) {
            utf8[0] = (char)(0xE0 | c >> 12);
            utf8[1] = (char)(0x80 | (c >> 6 & 0x3F));
            utf8[2] = (char)(0x80 | (c & 0x3F));
            buf_append(out, utf8, 3);
        } else {
            utf8[0] = (char)(0xF0 | c >> 18);
            utf8[1] = (char)(0x80 | (c >> 12 & 0x3F));
            utf8[2] = (char)(0x80 | (c >> 6 & 0x3F));
            utf8[3] = (char)(0x80 | (c & 0x3F));
            buf_append(out, utf8, 4);
        }
        text.p += n + used;
        text.n -= n + used;
    }
}

/* Eight bytes at a time: is there one that is no printable ASCII? */
static bool is_plain(struct str s)
{
    const uint64_t high = 0x8080808080808080u, low = 0x2020202020202020u;
    uint64_t bad = 0, w;
    size_t i = 0;

    for (; i + sizeof w <= s.n; i += sizeof w) {
        memcpy(&w, s.p + i, sizeof w);
        /* A byte below 0x20 borrows from its high bit; one with a high bit has it. */
        bad |= w | (w - low);
    }
    for (; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20)
            return false;
        else
            bad |= (unsigned char)s.p[i];
    return !(bad & high);
}

/* How long the escape at `s` is, and what it stands for; false: it is none. */
static bool measure_escape(struct str s, size_t *used, size_t *plain_n)
{
    unsigned c;

    if (!escape_len(s.p, s.n))
        return false;
    c = escaped_char(s.p, s.n, used);
    *plain_n += c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    return true;
}

/* Is it what stands between the quotes of a JSON string? Then also how long it is unescaped. */
static bool measure(struct str s, size_t *plain_n)
{
    bool plain = is_plain(s);
    size_t n = 0;

    while (s.n) {
        size_t used = 0;

        if (*s.p == '\\') {
            if (!measure_escape(s, &used, &n))
                return false;
        } else if (plain) {
            const char *slash = memchr(s.p, '\\', s.n);

            used = slash ? (size_t)(slash - s.p) : s.n;
            n += used;
        } else {
            int len = str_utf8_len(s.p, s.n);

            if (len <= 0 || (unsigned char)*s.p < 0x20)
                return false;
            used = (size_t)len;
            n += used;
        }
        s.p += used;
        s.n -= used;
    }
    *plain_n = n;
    return true;
}

static bool ends_with(struct str s, const char *end)
{
    size_t n = strlen(end);

    return s.n >= n && !memcmp(s.p + s.n - n, end, n);
}

/* An escape at the end is one only when no backslash of its own escapes it. */
static bool ends_in_escape(struct str s, const char *escape)
{
    size_t slashes = 0;

    if (!ends_with(s, escape))
        return false;
    while (slashes + 2 < s.n && s.p[s.n - 3 - slashes] == '\\')
        slashes++;
    return slashes % 2 == 0;
}

static bool set_text(struct str raw, struct record *out)
{
    const char *slash = raw.n ? memchr(raw.p, '\\', raw.n) : NULL;

    out->escaped = true;
    /* Nearly every line: ASCII, and nothing to escape but its newline. */
    if (slash && slash == raw.p + raw.n - 2 && slash[1] == 'n' && is_plain(raw)) {
        out->text = (struct str){ raw.p, raw.n - 2 };
        out->plain_n = raw.n - 1;
        out->ends_line = true;
        out->cr_n = 0;
        return true;
    }
    if (!measure(raw, &out->plain_n))
        return false;
    out->ends_line = ends_in_escape(raw, "\\n");
    out->text = raw;
    if (out->ends_line)
        out->text.n -= 2;
    out->cr_n = out->ends_line && ends_in_escape(out->text, "\\r") ? 2 : 0;
    return true;
}

/* ---- the line ---- */

struct scan {
    const char *p, *end;
};

static void skip_space(struct scan *s)
{
    while (s->p < s->end && strchr(" \t\r", *s->p) && *s->p)
        s->p++;
}

static bool take(struct scan *s, char c)
{
    skip_space(s);
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

/* A string; what is between its quotes, not looked at. */
static bool take_string(struct scan *s, struct str *out)
{
    const char *from;

    if (!take(s, '"'))
        return false;
    for (from = s->p; s->p < s->end && *s->p != '"'; s->p++)
        if (*s->p == '\\' && ++s->p == s->end)
            return false;
    if (s->p == s->end)
        return false;
    *out = (struct str){ from, (size_t)(s->p++ - from) };
    return true;
}

/* Any value; for those of members that mean nothing here. */
static bool skip_value(struct scan *s)
{
    struct str text;
    int depth = 0;

    do {
        skip_space(s);
        if (s->p == s->end)
            return false;
        if (*s->p == '"') {
            if (!take_string(s, &text))
                return false;
        } else {
            depth += *s->p == '{' || *s->p == '[';
            depth -= *s->p == '}' || *s->p == ']';
            if (depth < 0)
                return false;
            s->p++;
        }
        skip_space(s);
    } while (depth || (s->p < s->end && *s->p != ',' && *s->p != '}'));
    return true;
}

static int stream_of(struct str name)
{
    return str_is(name, "stdout") ? 1 : str_is(name, "stderr") ? 2 : 0;
}

static bool read_any(struct str line, struct record *out)
{
    struct scan s = { line.p, line.p + line.n };
    struct str key, value;
    bool has_text = false, has_time = false;

    out->stream = 0;
    if (!take(&s, '{'))
        return false;
    do {
        if (!take_string(&s, &key) || !take(&s, ':'))
            return false;
        if (str_is(key, "log"))
            has_text = take_string(&s, &value) && set_text(value, out);
        else if (str_is(key, "stream"))
            out->stream = take_string(&s, &value) ? stream_of(value) : 0;
        else if (str_is(key, "time"))
            has_time = take_string(&s, &value) && time_of(value, &out->when_ns);
        else if (!skip_value(&s))
            return false;
    } while (take(&s, ','));
    if (!take(&s, '}'))
        return false;
    skip_space(&s);
    return s.p == s.end && has_text && has_time && out->stream;
}

/* The engine's own spelling. */
static bool read_usual(struct str line, struct record *out)
{
    static const char begin[] = "{\"log\":\"", middle[] = "\",\"stream\":\"std",
                      time[] = "\",\"time\":\"", end[] = "\"}";
    const size_t begin_n = sizeof begin - 1, middle_n = sizeof middle - 1, time_n = sizeof time - 1;
    const char *p = line.p, *stop = line.p + line.n, *quote;
    struct str text, when;

    if (line.n < begin_n || memcmp(p, begin, begin_n) != 0)
        return false;
    p += begin_n;
    /* The last one that can be: behind it come the members of a fixed length, and a time. */
    quote = memchr(p, '"', (size_t)(stop - p));
    while (quote && quote > p && quote[-1] == '\\') {
        size_t slashes = 1;

        while (quote - slashes > p && quote[-1 - (ptrdiff_t)slashes] == '\\')
            slashes++;
        if (slashes % 2 == 0)
            break;
        quote = memchr(quote + 1, '"', (size_t)(stop - quote - 1));
    }
    if (!quote || (size_t)(stop - quote) < middle_n + 3 + time_n + 20 + 2 ||
        memcmp(quote, middle, middle_n) != 0)
        return false;
    text = (struct str){ p, (size_t)(quote - p) };
    p = quote + middle_n;
    if (memcmp(p, "out", 3) != 0 && memcmp(p, "err", 3) != 0)
        return false;
    out->stream = *p == 'o' ? 1 : 2;
    p += 3;
    if (memcmp(p, time, time_n) != 0 || memcmp(stop - 2, end, 2) != 0)
        return false;
    p += time_n;
    when = (struct str){ p, (size_t)(stop - 2 - p) };
    return time_of(when, &out->when_ns) && set_text(text, out);
}

enum record_read json_file_next(struct str data, size_t *used, struct record *out)
{
    const char *newline = data.n ? memchr(data.p, '\n', data.n) : NULL;
    struct str line;

    if (!newline && data.n <= RECORD_MAX)
        return RECORD_MORE;
    line = (struct str){ data.p, newline ? (size_t)(newline - data.p) : data.n };
    *used = line.n + (newline ? 1 : 0);
    if (!newline || line.n > RECORD_MAX)
        return RECORD_DAMAGED;
    return read_usual(line, out) || read_any(line, out) ? RECORD_WHOLE : RECORD_DAMAGED;
}
