/* Names of images and containers, before they become part of a request. */
#include <stdio.h>

#include "docker/decode.h"

#define LOWER   "abcdefghijklmnopqrstuvwxyz0123456789"
#define ALNUM   LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define REF_MAX 255
#define TAG_MAX 128

static bool all_of(struct str s, const char *allowed)
{
    for (size_t i = 0; i < s.n; i++)
        if (!s.p[i] || !strchr(allowed, s.p[i]))
            return false;
    return true;
}

/* Lower-case words joined by ".", "_", "__" or any number of "-". */
static bool is_component(struct str s)
{
    size_t run = 0;

    if (!s.n || !all_of(s, LOWER "._-"))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        bool word = strchr(LOWER, s.p[i]);

        if (!word && (i == 0 || i + 1 == s.n))
            return false;
        run = word ? 0 : run + 1;
        if (run > 1 && s.p[i] != s.p[i - 1])
            return false;
        if ((run > 1 && s.p[i] == '.') || (run > 2 && s.p[i] == '_'))
            return false;
    }
    return true;
}

/* host, host:port, [v6] or [v6]:port */
static bool is_host(struct str s)
{
    const char *colon;
    struct str host = s;

    if (s.n && s.p[0] == '[') {
        const char *end = memchr(s.p, ']', s.n);

        if (!end)
            return false;
        host = (struct str){ s.p + 1, (size_t)(end - s.p) - 1 };
        if (!host.n || !all_of(host, "0123456789abcdefABCDEF:."))
            return false;
        s.n -= (size_t)(end + 1 - s.p);
        s.p = end + 1;
        if (!s.n)
            return true;
        return s.n > 1 && s.p[0] == ':' && all_of((struct str){ s.p + 1, s.n - 1 }, "0123456789");
    }
    colon = memchr(s.p, ':', s.n);
    if (colon) {
        struct str port = { colon + 1, s.n - (size_t)(colon + 1 - s.p) };

        host.n = (size_t)(colon - s.p);
        if (!port.n || !all_of(port, "0123456789"))
            return false;
    }
    return host.n && all_of(host, ALNUM ".-") && host.p[0] != '.' && host.p[0] != '-';
}

/* The first part names a host when it could not be the name of a user. */
static bool looks_like_host(struct str s)
{
    return memchr(s.p, '.', s.n) || memchr(s.p, ':', s.n) || str_is(s, "localhost") ||
           !all_of(s, LOWER "._-");
}

bool docker_is_digest(struct str s)
{
    const char *colon = memchr(s.p, ':', s.n);
    struct str algo, hex;

    if (!colon)
        return false;
    algo = (struct str){ s.p, (size_t)(colon - s.p) };
    hex = (struct str){ colon + 1, s.n - algo.n - 1 };
    return algo.n && all_of(algo, ALNUM "+._-") && hex.n >= 32 &&
           all_of(hex, "0123456789abcdefABCDEF");
}

static bool is_tag(struct str s)
{
    return s.n && s.n <= TAG_MAX && all_of(s, ALNUM "_.-") && s.p[0] != '.' && s.p[0] != '-';
}

enum err_code docker_ref_parse(const char *text, struct docker_ref *out, struct err *e)
{
    const struct str none = { "", 0 };
    struct docker_ref ref = { str_of(text ? text : ""), none, none, none };
    const char *at = memchr(ref.name.p, '@', ref.name.n), *slash, *p;
    struct str rest;
    bool good = true;

    if (at) {
        ref.digest = str_of(at + 1);
        ref.name.n = (size_t)(at - text);
        good = docker_is_digest(ref.digest);
    }
    for (p = ref.name.p + ref.name.n; p > ref.name.p && p[-1] != '/' && p[-1] != ':'; p--)
        ;
    if (p > ref.name.p && p[-1] == ':') {
        ref.tag = (struct str){ p, ref.name.n - (size_t)(p - ref.name.p) };
        ref.name.n = (size_t)(p - 1 - ref.name.p);
        good = good && is_tag(ref.tag);
    }
    rest = ref.name;
    slash = memchr(rest.p, '/', rest.n);
    if (slash && looks_like_host((struct str){ rest.p, (size_t)(slash - rest.p) })) {
        ref.host = (struct str){ rest.p, (size_t)(slash - rest.p) };
        good = good && is_host(ref.host);
        rest.n -= ref.host.n + 1;
        rest.p = slash + 1;
    }
    good = good && ref.name.n <= REF_MAX;
    while (good) {
        slash = memchr(rest.p, '/', rest.n);
        good = is_component((struct str){ rest.p, slash ? (size_t)(slash - rest.p) : rest.n });
        if (!slash)
            break;
        rest.n -= (size_t)(slash + 1 - rest.p);
        rest.p = slash + 1;
    }
    if (!good)
        return err_set(e, ERR_INVALID, "invalid reference format: '%.300s'", text ? text : "");
    *out = ref;
    return ERR_OK;
}

static enum err_code check_name(const char *name, const char *what, struct err *e)
{
    struct str s = str_of(name);

    if (!s.n || s.n > REF_MAX || !all_of(s, ALNUM "_.-") || !strchr(ALNUM, s.p[0]))
        return err_set(e, ERR_INVALID, "invalid %s name: '%.300s'", what, name ? name : "");
    return ERR_OK;
}

enum err_code docker_container_ref_check(const char *ref, struct err *e)
{
    return check_name(ref, "container", e);
}

enum err_code docker_volume_name_check(const char *name, struct err *e)
{
    return check_name(name, "volume", e);
}
