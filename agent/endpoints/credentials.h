#pragma once
/* credentials: what gives a container the keys of its task's role (local-endpoints 2).
 *
 * From memory, at once. The id is the secret of the one who asks; where it can be known who
 * asks, another task is refused although it has the id. Each request leaves one audit line. */
#include <stdbool.h>

#include "aws/credentials.h"
#include "base/buf.h"
#include "endpoints/audit.h"
#include "endpoints/serve.h"
#include "io/http_server.h"

enum credentials_kind {
    CREDENTIALS_UNKNOWN, /* no task has that id */
    CREDENTIALS_TASK,
    CREDENTIALS_EXECUTION,
    CREDENTIALS_ENDED, /* the role of a task that has stopped: for its containers no more */
};
/* Which role of a task has that id, its keys delivered or not. */
typedef enum credentials_kind credentials_known_fn(void *user, const char *id);

enum credentials_may {
    CREDENTIALS_ALLOW,
    CREDENTIALS_REFUSE,        /* the caller is known to belong to another task */
    CREDENTIALS_CALLER_UNKNOWN /* then the id decides alone */
};
/* May who asks have the keys of that id? NULL: never asked. */
typedef enum credentials_may credentials_may_fn(void *user, const struct http_call_head *head,
                                                const char *id);

struct credentials_endpoint { /* all borrowed */
    const struct roles *roles;
    credentials_known_fn *known;
    credentials_may_fn *may;
    void *user;
    const struct endpoint_listener *listener;
    struct audit *audit; /* NULL: off */
};

/* Replies and audits. The routes are "/v1/credentials" and "/v2/credentials/" + "**", for
 * any method. */
void credentials_serve_v1(const struct credentials_endpoint *e, struct http_call *c,
                          const struct route_match *m);
void credentials_serve_v2(const struct credentials_endpoint *e, struct http_call *c,
                          const struct route_match *m);
/* The audit line of a request that was refused with 429, whatever its path. */
void credentials_audit_limited(const struct credentials_endpoint *e, struct http_call *c,
                               struct str path);
