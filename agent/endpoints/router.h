#pragma once
/* router: what a request line asks for. Pure.
 *
 * A path is decoded and cleaned before anything looks at it, so no two spellings of one path
 * ever mean different things; a table of patterns then says whose it is (local-endpoints 1). */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"
#include "io/http_server.h"

/* ---- the path ---- */

enum path_kind {
    PATH_CLEAN,
    PATH_MOVED, /* it was not written in its clean form: `location` is where it is */
    PATH_BAD,   /* no path: a broken escape, a NUL, a control character, no "/" */
};

struct path {
    struct buf text;     /* decoded and clean; never holds a NUL */
    struct buf location; /* clean and encoded, with the query as it came */
    struct str query;    /* encoded, without "?"; borrowed from the target */
};

void path_init(struct path *p);
void path_fini(struct path *p);
enum path_kind path_read(struct path *p, struct str target);

/* The first parameter of that name, decoded, appended to `out`; false when there is none.
 * Pairs with a broken escape or a ";" do not count. */
bool query_get(struct str query, const char *name, struct buf *out);

/* ---- the table ---- */

#define ROUTE_PARTS_MAX 3

struct route_match { /* all borrowed from the path */
    struct str parts[ROUTE_PARTS_MAX];
    size_t n_parts;
    struct str path, query;
};

typedef void route_fn(void *user, struct http_call *c, const struct route_match *m);

struct route {
    /* "*" is what is between two slashes, "**" at the end all that follows; both may be
     * empty. Each of them is a part of the match. */
    const char *pattern;
    const char *method; /* NULL: any */
    route_fn *fn;
    void *user; /* given to `fn` */
};

enum route_found { ROUTE_FOUND, ROUTE_NOT_FOUND, ROUTE_OTHER_METHOD };

/* The first row that fits. ROUTE_OTHER_METHOD: rows fit, but only with other methods. */
enum route_found route_find(const struct route *routes, size_t n, const char *method,
                            struct str path, const struct route **found, struct route_match *m);
