#pragma once
/* serve: a request on its way to its handler, and what every reply has in common.
 *
 * Redirect before limit before 404 (local-endpoints 1): a path is cleaned first, so no other
 * spelling of it has a limit of its own. */
#include <stddef.h>

#include "base/str.h"
#include "endpoints/counts.h"
#include "endpoints/limits.h"
#include "endpoints/router.h"
#include "io/http_server.h"

/* Who asks: an identity that its containers share (a task ARN), or NULL when it is not known,
 * then the address counts. Borrowed until the next turn. */
typedef const char *endpoint_who_fn(void *user, const struct http_call_head *head);
/* A request is refused with 429; the reply follows. */
typedef void endpoint_limited_fn(void *user, struct http_call *c, struct str path);

struct endpoint_listener {
    const struct route *routes;
    size_t n_routes;
    struct limits *limits; /* NULL: no limit, and no headers of it */
    endpoint_who_fn *who;  /* NULL: always the address */
    endpoint_limited_fn *limited;
    void *user;                     /* of these two */
    struct endpoint_counts *counts; /* NULL: nobody watches */
};

/* Answers or has the route's function called, once. */
void endpoint_serve(const struct endpoint_listener *l, struct http_call *c);

/* Replies of the routes, at once or later. `type` NULL: none. */
void endpoint_reply(const struct endpoint_listener *l, struct http_call *c, int status,
                    const char *type, struct str body);
void endpoint_reply_json(const struct endpoint_listener *l, struct http_call *c, int status,
                         struct str json);
/* The error of v2, v3 and v4: a bare JSON string. */
void endpoint_reply_error(const struct endpoint_listener *l, struct http_call *c, int status,
                          const char *text);
