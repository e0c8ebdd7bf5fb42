#pragma once
/* protection: a task asks whether it is protected from scale-in, or asks to be (local-endpoints
 * 4.1). The service is called with the keys of the task's own role, for its own task: what may
 * be done is decided there.
 *
 * Each request is one call, over after PROTECTION_LIMIT_MS, retries included; a client that goes
 * takes it along. Runs on the loop thread. */
#include <stdbool.h>
#include <stdint.h>

#include "aws/aws_call.h"
#include "aws/credentials.h"
#include "endpoints/serve.h"
#include "io/loop.h"

#define PROTECTION_PATTERN  "/api/*/task-protection/v1/state" /* for GET and PUT */
#define PROTECTION_LIMIT_MS 4000

struct protection_source {
    /* The task of the container with this id, once Docker has made it; borrowed until the next
     * turn. False: there is none, or it is not the task of who asks. */
    bool (*find)(void *user, const struct http_call_head *head, const char *id,
                 const char **task_arn);
    /* The id of the credentials of its role, NULL: it has none; borrowed. False: there is no
     * such task any more. */
    bool (*role)(void *user, const char *task_arn, const char **credentials_id);
    const char *(*cluster)(void *user);
    void *user;
};

struct protection_endpoint { /* all borrowed */
    struct protection_source source;
    const struct endpoint_listener *listener;
    struct loop *loop;
    struct aws *aws;
    const struct roles *roles;
    const struct aws_service *ecs;
    const char *user_agent; /* NULL: the client's */
    int64_t limit_ms;       /* 0: the above */
};
/* Replies, later or at once. */
void protection_serve(const struct protection_endpoint *e, struct http_call *c,
                      const struct route_match *m);

/* ---- pure ---- */

struct protection_wish {
    bool has_enabled, enabled;
    bool has_expires;
    int64_t expires_minutes;
};
/* The body of a PUT: no other members than these two, in any case; null is absent. False: it
 * is none. */
bool protection_wish_read(struct str body, struct protection_wish *out);

/* What the service said, and what is answered to that: the status, and the JSON in `out`.
 * `request_id` may be NULL or "". */
struct protection_heard {
    const char *task_arn, *request_id;
    int status; /* of HTTP; 0: there was no answer */
    struct str body;
    const char *error_code; /* "" */
    const struct err *e;
};
int protection_answer(const struct protection_heard *h, struct buf *out);
