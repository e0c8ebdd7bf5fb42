#pragma once
/* small_server: an HTTP/1.1 server for tests, on a real socket, with a thread for each connection.
 * Unlike a peer it follows no script: every request is given to one handler, one at a time. */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

struct small_server;

struct small_request { /* borrowed for the call */
    const char *head;  /* request line and headers */
    struct str body;
};

enum small_how {
    SMALL_ANSWER,
    SMALL_RESET, /* the connection is reset instead */
    SMALL_HANG,  /* nothing more happens until the client leaves */
};

struct small_reply {
    int status;      /* 200 at first */
    struct buf body; /* empty at first */
    enum small_how how;
};

/* On a thread, under the server's lock. */
typedef void small_handler(void *user, const struct small_request *rq, struct small_reply *reply);

/* Listens on a unix socket, or, with NULL, on a free port of 127.0.0.1. */
struct small_server *small_server_start(const char *unix_path, small_handler *handle, void *user);
void small_server_stop(struct small_server *s);             /* closes what is open; NULL is fine */
const char *small_server_url(const struct small_server *s); /* "http://127.0.0.1:4711" */
/* While it is away, connections are refused; those that are open are reset. */
void small_server_away(struct small_server *s, bool away);
/* For a test that looks at what the handler writes. */
void small_server_lock(struct small_server *s);
void small_server_unlock(struct small_server *s);
