#pragma once
/* agent_listen: the sockets of the local endpoints, over restarts of the agent, and the requests
 * that come before there is something to answer them with. Private to cli.
 *
 * A socket is bound once and kept by the service manager; each later process accepts from the
 * same queue, so who asks while no agent runs waits, and is not refused. */
#include "cli/agent.h"
#include "io/http_server.h"

struct listening;

struct listening_args {
    struct agent *agent;
    http_handler_fn *tasks, *introspection;
    http_gone_fn *gone;
    void *user; /* of these three */
};
struct listening *listening_create(const struct listening_args *args);
void listening_destroy(struct listening *l); /* NULL is fine */

/* A socket of an earlier process is here. */
bool listening_was_kept(const struct agent *a);
/* Serves the sockets of an earlier process, as far as they are what the settings say. */
void listening_go_on(struct listening *l);
/* Serves what the settings say; what cannot be bound now is tried again. May be repeated. */
void listening_begin(struct listening *l);

/* Connections that are open now. */
void listening_count(const struct listening *l, size_t *tasks, size_t *introspection);

/* From inside a handler: the call comes to `handle` again when listening_release is called, and
 * is answered with 503 if that takes longer than a client waits, or if the agent ends before. */
void listening_hold(struct listening *l, struct http_call *c, http_handler_fn *handle);
void listening_release(struct listening *l);

/* Lets go of both sockets without an error for any client (http_server_drain); `done` on a later
 * turn. */
void listening_drain(struct listening *l, loop_fn *done, void *user);
