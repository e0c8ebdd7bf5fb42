#pragma once
/* http_server: a small HTTP/1.1 server on the loop (libmicrohttpd, by its epoll descriptor).
 *
 * For the local endpoints: many small answers from memory, some later ones. Nothing that a
 * client does costs more than its bounds: connections in all and from one address, the size
 * of a head and a body, the time a head, a body and an answer may take. A client over a bound
 * is closed without a word; the others notice nothing. What is no HTTP/1.x request gets the
 * library's own 4xx and is closed.
 *
 * Who comes when all places (of its address, or at all) are taken gets the one of the
 * connection that has waited longest for a request to begin; when none waits, it is closed.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "io/loop.h"

#define HTTP_SERVER_CONNECTIONS 1024 /* in all */
#define HTTP_SERVER_PER_PEER    256  /* from one address; 127.0.0.1 counts as one */
#define HTTP_SERVER_HEAD_MAX    (16 * 1024)
#define HTTP_SERVER_BODY_MAX    (64 * 1024)
/* For a head to come, for a request to begin on a connection that is kept, and from the end
 * of a head on for its body and its answer together, which includes sending it. */
#define HTTP_SERVER_TIMEOUT_MS 5000

struct http_server;
struct http_call;

struct http_peer {
    char address[46]; /* "172.17.0.4", "::1" */
    uint16_t port;
};
#define HTTP_PEER_TEXT 56
/* "172.17.0.4:41822", "[::1]:41822" */
void http_peer_text(const struct http_peer *p, char out[HTTP_PEER_TEXT]);

struct http_call_head { /* borrowed until the call is answered */
    const char *method;
    const char *target;     /* as on the request line: path and query, still encoded */
    struct http_peer peer;  /* who asks */
    struct http_peer local; /* whom it believes to ask: before a redirection by the host */
    struct str body;        /* whole */
    uint64_t connection;    /* equal for the requests of one connection, never used again */
};
/* The value of a header of the request, any case; NULL. Borrowed as above. */
const char *http_call_header(const struct http_call *c, const char *name);
const struct http_call_head *http_call_head(const struct http_call *c);

struct http_reply_header {
    const char *name, *value;
};
/* Answers; once. At once or on a later turn (then within HTTP_SERVER_TIMEOUT_MS: else the
 * connection is closed and this does nothing). Body and headers are copied; the copy of the
 * body is wiped. A header that HTTP does not allow is left out. HEAD gets no body. */
void http_reply(struct http_call *c, int status, const char *content_type,
                const struct http_reply_header *headers, size_t n_headers, struct str body);
/* Closes the connection without an answer. */
void http_drop(struct http_call *c);

/* Each request comes here once. A call that is not answered in it has to be answered later;
 * `http_server_destroy` ends those that are left, which the handler is told by `gone`. */
typedef void http_handler_fn(void *user, struct http_call *c);
/* The client went, or the time was up: `c` must not be used any more. Only for calls that the
 * handler left unanswered. A client that only closes its sending side has not gone: simple
 * ones end their request so, and get their answer. */
typedef void http_gone_fn(void *user, struct http_call *c);
/* From inside the handler, of a call that is answered later: who is to learn that it is gone,
 * instead of the server's own. */
void http_call_later(struct http_call *c, http_gone_fn *gone, void *user);

struct http_server_args {
    struct loop *loop;
    /* A listening socket (taken), or -1: then `address` ("127.0.0.1", "::") and `port` (0: a
     * free one) are bound here. "::" serves IPv4 too. */
    int fd;
    const char *address;
    uint16_t port;
    http_handler_fn *handle;
    http_gone_fn *gone;
    void *user;
};
/* ERR_CONFLICT: the address is in use. */
MUST_CHECK enum err_code http_server_create(const struct http_server_args *args,
                                            struct http_server **out, struct err *e);
/* The way out without an error for anybody, for a socket that another process also holds: it goes
 * on where this one ends. From now on answers say "Connection: close". Who asks again and again on
 * a kept connection so comes to a new one before its next request, and does not meet one that is
 * being closed. When no connection is kept any more, or after HTTP_SERVER_WANE_MS, nobody is
 * accepted any more (who connects waits in the socket's queue), the kept connections that are
 * silent are closed, and who was accepted gets an answer, within HTTP_SERVER_DRAIN_MS. Then
 * `done` is called, once, on a later turn; it may destroy the server. */
#define HTTP_SERVER_WANE_MS  500
#define HTTP_SERVER_DRAIN_MS 1000
typedef void http_drained_fn(void *user);
void http_server_drain(struct http_server *s, http_drained_fn *done, void *user);
/* NULL is fine; may be called from the server's own callbacks. */
void http_server_destroy(struct http_server *s);
uint16_t http_server_port(const struct http_server *s);
/* The listening socket, to have it kept; borrowed. -1: nobody is accepted any more. */
int http_server_socket(const struct http_server *s);
/* Is that a listening socket of the address and the port that http_server_create would bind? */
bool http_server_is_socket_of(int fd, const char *address, uint16_t port);
size_t http_server_connections(const struct http_server *s);
