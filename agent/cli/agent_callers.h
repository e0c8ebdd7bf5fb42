#pragma once
/* agent_callers: which task asks the local endpoints, and whose an id of credentials is. Private
 * to cli.
 *
 * A container with an address of its own is known by it, once an inspect has told the address. A
 * task in the host's network is found by its socket: whose process has the other end of the
 * connection open (host_socket_owners). Both may take a moment, and a request for credentials
 * waits for it; each connection is looked up once. */
#include "cli/agent.h"
#include "endpoints/credentials.h"

struct callers;
struct callers *callers_create(struct agent *a);
void callers_destroy(struct callers *cs); /* after the servers; NULL is fine */

/* The ARN of the task that asks; NULL: not known (yet). An endpoint_who_fn; borrowed until the
 * loop runs on. */
const char *callers_who(void *user, const struct http_call_head *head);
/* A credentials_may_fn and a credentials_known_fn. */
enum credentials_may callers_may(void *user, const struct http_call_head *head, const char *id);
enum credentials_kind callers_known(void *user, const char *id);

/* Has `serve` called with the request once it is known who asks, at once where nothing is to be
 * waited for; never when the client goes before. From inside the request's handler. */
typedef void callers_serve_fn(void *user, struct http_call *c, const struct route_match *m);
void callers_serve(struct callers *cs, struct http_call *c, const struct route_match *m,
                   callers_serve_fn *serve, void *user);
/* An inspect has told something new. */
void callers_seen(struct callers *cs);
