#pragma once
/* unix_server: a stream socket on the local machine for the client commands.
 *
 * The protocol is one JSON line a request, then JSON lines of answer until the
 * server ends the connection. At most 64 clients at once (further ones are
 * closed), requests of at most 64 KiB, 10 s to send one. The socket file has
 * mode 0600; only root and the owner of the process may speak (SO_PEERCRED). */
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "io/loop.h"

struct unix_server;
struct unix_client;

/* One request. Answer with unix_client_send and finish with unix_client_end,
 * now or later; `gone` of the client runs if it leaves before the end. */
typedef void unix_request_fn(void *user, struct unix_client *client, struct str line);

/* Replaces a socket file that nobody listens on; ERR_CONFLICT if somebody does. */
MUST_CHECK enum err_code unix_server_create(struct loop *l, const char *path, unix_request_fn *fn,
                                            void *user, struct unix_server **out, struct err *e);
void unix_server_destroy(struct unix_server *s); /* removes the file; NULL is fine */

/* Queues text. A client that does not read more than 1 MiB behind is dropped
 * (returns false; the client is gone). */
bool unix_client_send(struct unix_client *c, struct str text);
/* Bytes that were sent and are not taken by the system yet. */
size_t unix_client_behind(const struct unix_client *c);
void unix_client_end(struct unix_client *c);
void unix_client_on_gone(struct unix_client *c, loop_fn *gone, void *user);

/* The client side, blocking: for the commands. Calls `line` for each answer line;
 * ERR_NOT_FOUND when nobody listens there, ERR_DENIED without the right. */
MUST_CHECK enum err_code unix_ask(const char *path, struct str request,
                                  void (*line)(void *user, struct str text), void *user,
                                  struct err *e);
