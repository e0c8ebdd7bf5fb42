#pragma once
/* introspect: the introspection endpoint for people and agents on this host (local-endpoints 5):
 * what this instance is, and its tasks, all or one. */
#include "endpoints/serve.h"
#include "endpoints/view.h"

typedef void introspect_view_fn(void *arg, const struct view_task *t);

struct introspect_source {
    const char *cluster;
    const char *version;                     /* "Amazon ECS Agent - v1.105.1 (*a8b3e7d3)" */
    const char *(*instance_arn)(void *user); /* NULL: not registered yet */
    /* Calls `fn` for each task. */
    void (*each)(void *user, introspect_view_fn *fn, void *arg);
    void *user;
};

struct introspect_endpoint { /* all borrowed */
    struct introspect_source source;
    const struct endpoint_listener *listener;
};

extern const char introspect_license[]; /* the text of /license */

/* For every path. */
void introspect_serve(const struct introspect_endpoint *e, struct http_call *c,
                      const struct route_match *m);
