/* links: endpoints io base; dict: http */
/* A request's target, from any container. */
#include "endpoints/router.h"
#include "fuzz/fuzz.h"

static const struct route table[] = {
    { "/v1/credentials", NULL, NULL, NULL },
    { "/v2/credentials/**", NULL, NULL, NULL },
    { "/v4/*", NULL, NULL, NULL },
    { "/v4/*/associations/*/**", "GET", NULL, NULL },
    { "/**", "PUT", NULL, NULL },
};

static void is_clean(struct str path)
{
    LAW(path.n && path.p[0] == '/');
    for (size_t i = 0; i < path.n; i++) {
        const char *end = memchr(path.p + i + 1, '/', path.n - i - 1);
        struct str name = { path.p + i + 1, (end ? (size_t)(end - path.p) : path.n) - i - 1 };

        if (path.p[i] != '/')
            continue;
        LAW(!str_is(name, ".") && !str_is(name, ".."));
        LAW(name.n || i + 1 == path.n); /* no "//" */
    }
    LAW(!memchr(path.p, '\0', path.n));
}

static void find(struct str path)
{
    const struct route *route = NULL;
    struct route_match m;

    if (route_find(table, COUNT_OF(table), "GET", path, &route, &m) == ROUTE_FOUND) {
        LAW(route && m.n_parts <= ROUTE_PARTS_MAX);
        for (size_t i = 0; i < m.n_parts; i++)
            LAW(m.parts[i].p >= path.p && m.parts[i].p + m.parts[i].n <= path.p + path.n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf) struct buf id = BUF_INIT(1024);
    AUTO(str) char *copy = mem_array(size + 1, 1);
    struct str target = { copy, size };
    struct path p, again;
    enum path_kind kind;

    if (size)
        memcpy(copy, data, size);
    path_init(&p);
    path_init(&again);
    kind = path_read(&p, target);
    if (kind != PATH_BAD) {
        is_clean(buf_str(&p.text));
        find(buf_str(&p.text));
        query_get(p.query, "id", &id);
    }
    if (kind == PATH_MOVED) {
        /* Who follows arrives, at the same path with the same query, and nowhere else. */
        LAW(!p.location.overflowed && p.location.data[0] == '/' && p.location.data[1] != '/');
        LAW(path_read(&again, buf_str(&p.location)) == PATH_CLEAN);
        LAW(str_is(buf_str(&p.text), buf_text(&again.text)));
        LAW(again.query.n == p.query.n &&
            (!p.query.n || memcmp(again.query.p, p.query.p, p.query.n) == 0));
        for (size_t i = 0; i < p.location.len; i++)
            LAW((unsigned char)p.location.data[i] >= ' ');
    }
    path_fini(&p);
    path_fini(&again);
    return 0;
}
