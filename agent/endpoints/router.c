#include "endpoints/router.h"

#include <ctype.h>
#include <strings.h>

/* A target is at most as long as a head, an encoded byte three times as long as it was. */
#define TEXT_MAX     ((size_t)HTTP_SERVER_HEAD_MAX)
#define LOCATION_MAX (4 * TEXT_MAX)

/* ---- decoding ---- */

/* Appends; false for a broken escape or a NUL. */
static bool decode(struct str s, bool plus_is_space, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '%') {
            int high = i + 2 < s.n ? str_hex_digit(s.p[i + 1]) : -1;
            int low = high >= 0 ? str_hex_digit(s.p[i + 2]) : -1;

            if (low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (c == '\0' || !buf_putc(out, c))
            return false;
    }
    return true;
}

static void encode(struct str s, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if ((c < 0x80 && isalnum(c)) || strchr("-_.~$&+,/:;=@", c)) {
            buf_putc(out, (char)c);
        } else {
            buf_putc(out, '%');
            buf_putc(out, digits[c >> 4]);
            buf_putc(out, digits[c & 15]);
        }
    }
}

/* ---- cleaning ---- */

/* Takes the last "/name" off. */
static void step_up(struct buf *b)
{
    const char *slash = b->len ? memrchr(b->data, '/', b->len) : NULL;

    if (slash) {
        b->len = (size_t)(slash - b->data);
        b->data[b->len] = '\0';
    }
}

static void clean(struct str path, struct buf *out)
{
    size_t i = 0;

    while (i < path.n) {
        const char *end = memchr(path.p + i, '/', path.n - i);
        struct str name = { path.p + i, (end ? (size_t)(end - path.p) : path.n) - i };

        if (str_is(name, "..")) {
            step_up(out);
        } else if (name.n && !str_is(name, ".")) {
            buf_putc(out, '/');
            buf_append(out, name.p, name.n);
        }
        i += name.n + 1;
    }
    if (out->len == 0 || path.p[path.n - 1] == '/')
        buf_putc(out, '/');
}

/* ---- the path ---- */

void path_init(struct path *p)
{
    buf_init(&p->text, TEXT_MAX);
    buf_init(&p->location, LOCATION_MAX);
    p->query = (struct str){ NULL, 0 };
}

void path_fini(struct path *p)
{
    buf_fini(&p->text);
    buf_fini(&p->location);
}

/* A client that believes to speak to a proxy writes the whole URL. */
static struct str without_origin(struct str target)
{
    static const char scheme[] = "http://";
    size_t i = sizeof scheme - 1;

    if (target.n < i || strncasecmp(target.p, scheme, i) != 0)
        return target;
    while (i < target.n && target.p[i] != '/' && target.p[i] != '?')
        i++;
    return (struct str){ target.p + i, target.n - i };
}

enum path_kind path_read(struct path *p, struct str target)
{
    AUTO(buf) struct buf decoded = BUF_INIT(TEXT_MAX);
    struct str path = without_origin(target);
    const char *mark;
    bool origin = path.p != target.p;

    buf_reset(&p->text);
    buf_reset(&p->location);
    p->query = (struct str){ NULL, 0 };
    for (size_t i = 0; i < path.n; i++) {
        if (iscntrl((unsigned char)path.p[i]))
            return PATH_BAD;
    }
    mark = path.n ? memchr(path.p, '?', path.n) : NULL;
    if (mark) {
        p->query = (struct str){ mark + 1, path.n - (size_t)(mark + 1 - path.p) };
        path.n = (size_t)(mark - path.p);
    }
    if (origin && path.n == 0)
        path = str_of("/");
    if (path.n == 0 || path.p[0] != '/' || !decode(path, false, &decoded))
        return PATH_BAD;
    clean(buf_str(&decoded), &p->text);
    if (str_is(buf_str(&decoded), buf_text(&p->text)))
        return PATH_CLEAN;
    encode(buf_str(&p->text), &p->location);
    if (mark) {
        buf_putc(&p->location, '?');
        buf_append(&p->location, p->query.p, p->query.n);
    }
    return PATH_MOVED;
}

bool query_get(struct str query, const char *name, struct buf *out)
{
    size_t i = 0;

    while (i < query.n) {
        const char *end = memchr(query.p + i, '&', query.n - i);
        struct str pair = { query.p + i, (end ? (size_t)(end - query.p) : query.n) - i };
        const char *equals = pair.n ? memchr(pair.p, '=', pair.n) : NULL;
        struct str key = { pair.p, equals ? (size_t)(equals - pair.p) : pair.n };
        struct str value = { pair.p, 0 };
        AUTO(buf) struct buf k = BUF_INIT(TEXT_MAX);
        AUTO(buf) struct buf v = BUF_INIT(TEXT_MAX);

        if (equals)
            value = (struct str){ equals + 1, pair.n - key.n - 1 };
        if (pair.n && !memchr(pair.p, ';', pair.n) && decode(key, true, &k) &&
            decode(value, true, &v) && streq(buf_text(&k), name))
            return buf_append(out, buf_text(&v), v.len);
        i += pair.n + 1;
    }
    return false;
}

/* ---- the table ---- */

static bool fits(const char *pattern, struct str path, struct route_match *m)
{
    size_t i = 0;

    m->n_parts = 0;
    while (*pattern) {
        size_t from = i;

        if (*pattern != '*') {
            if (i == path.n || path.p[i++] != *pattern++)
                return false;
            continue;
        }
        if (pattern[1] == '*')
            i = path.n;
        while (i < path.n && path.p[i] != '/')
            i++;
        m->parts[m->n_parts++] = (struct str){ path.p + from, i - from };
        pattern += pattern[1] == '*' ? 2 : 1;
    }
    return i == path.n;
}

enum route_found route_find(const struct route *routes, size_t n, const char *method,
                            struct str path, const struct route **found, struct route_match *m)
{
    enum route_found rc = ROUTE_NOT_FOUND;

    *m = (struct route_match){ 0 };
    for (size_t i = 0; i < n; i++) {
        if (!fits(routes[i].pattern, path, m))
            continue;
        if (!routes[i].method || streq(routes[i].method, method)) {
            m->path = path;
            *found = &routes[i];
            return ROUTE_FOUND;
        }
        rc = ROUTE_OTHER_METHOD;
    }
    return rc;
}
