#pragma once
/* http_client: HTTP/1.1 requests by libcurl's multi interface on the loop.
 *
 * One client for all: connections are kept and shared by every module; TLS 1.2
 * or newer with the system's certificates; no redirects followed; no
 * decompression. The configured proxies are used for http and https, never for unix
 * sockets, loopback and link-local addresses. The environment is not looked at.
 *
 * Plain http:// is refused (ERR_DENIED) except to loopback and link-local
 * addresses and unix sockets.
 *
 * Starting cannot fail: every outcome reaches `done`, exactly once, on a later
 * turn. http_cancel means silence. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "io/loop.h"

struct http_client;
struct http_op;

struct http_client_config {
    bool insecure_tls;      /* -k */
    const char *user_agent; /* NULL: none; copied */
    /* All NULL: none; copied. The proxy of https falls back to that of http. */
    const char *http_proxy, *https_proxy, *no_proxy;
    /* Instead of the system's certificates: AWS_CA_BUNDLE or SSL_CERT_FILE, and SSL_CERT_DIR. */
    const char *ca_file, *ca_dir;
};

struct http_client *http_client_create(struct loop *l, const struct http_client_config *cfg);
/* Cancels what is still under way. NULL is fine. */
void http_client_destroy(struct http_client *c);

struct http_header {
    const char *name;
    const char *value;
};

struct http_response {
    int status;
    struct str body; /* empty when the request streams */
    const struct http_op *op;
};

/* The value of a response header (any case), or NULL. Borrowed until the
 * callback it is asked in returns. */
const char *http_header(const struct http_response *r, const char *name);

/* `r` is NULL when no complete answer came: `e` says why (ERR_TIMEOUT, ERR_RETRY
 * for connection trouble, ERR_LIMIT for a body over max_body, ERR_DENIED for TLS
 * verification and plain http, ERR_INVALID for a bad request). Any HTTP status
 * is an answer, with e->code == ERR_OK. Both are borrowed. */
typedef void http_done_fn(void *user, const struct http_response *r, const struct err *e);

/* Streaming: `on_head` once the status is known, `on_data` for each piece of
 * the body as it comes (only for 2xx; other bodies are collected as usual).
 * Both may call http_cancel. */
typedef void http_head_fn(void *user, const struct http_response *r);
typedef void http_data_fn(void *user, struct str piece);

struct http_request {
    const char *method; /* "GET", "POST", "DELETE", "HEAD", "PUT" */
    const char *url;
    const char *unix_socket; /* path; NULL for TCP */
    const struct http_header *headers;
    size_t n_headers;
    struct str body; /* copied, unless it is lent */
    /* The body stays where it is until `done` or the cancel. A request of that kind is never sent
     * twice: libcurl would do that when a kept connection breaks. */
    bool lent;
    int64_t connect_timeout_ms; /* 0: 30 s */
    int64_t timeout_ms;         /* for the whole exchange; 0: none */
    int64_t idle_timeout_ms;    /* no byte either way for so long; 0: none */
    const char *user_agent;     /* NULL: the client's */
    size_t max_body;            /* of a collected answer; 0: 1 MiB */
    http_head_fn *on_head;      /* may be NULL */
    http_data_fn *on_data;      /* NULL: collect */
    void *stream_user;          /* for on_head and on_data */
};

/* Copies everything it needs. */
struct http_op *http_send(struct http_client *c, const struct http_request *rq, http_done_fn *done,
                          void *user);
void http_cancel(struct http_op *op); /* NULL is fine */

/* In `done`, when no answer came: had the request gone out, so that the server may have acted on
 * it? */
bool http_was_sent(const struct http_op *op);

/* Stops and resumes the delivery of a streaming answer: pressure on the peer. */
void http_pause(struct http_op *op, bool paused);

/* Does this URL have a scheme and host that may be spoken to? (See above.) */
MUST_CHECK enum err_code http_url_check(const char *url, struct err *e);

/* For websocket.c: the shared policy of TLS and proxies, on a curl easy handle. */
struct loop *http_client_loop(struct http_client *c);
