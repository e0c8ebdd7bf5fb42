#pragma once
/* websocket: a client connection (RFC 6455): libcurl connects (TLS, proxies),
 * wslay frames.
 *
 * Text and binary messages are delivered whole, reassembled, at most
 * `max_message` bytes: a longer one closes the link with 1009. Pings are
 * answered. A peer's close is echoed with its code. Outgoing messages are
 * queued, at most `max_queue` bytes: ws_send over it gives ERR_LIMIT. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "io/http_client.h"

struct ws;

struct ws_request {
    const char *url;                   /* http(s):// or ws(s):// */
    const struct http_header *headers; /* besides those of the handshake itself */
    size_t n_headers;
    int64_t connect_timeout_ms;   /* TCP and TLS; 0: 30 s */
    int64_t handshake_timeout_ms; /* until the 101; 0: 30 s */
    size_t max_message;           /* 0: 64 MiB */
    size_t max_queue;             /* 0: 16 MiB */
};

struct ws_events {
    /* The 101 has come and is valid. */
    void (*opened)(void *user);
    /* One whole message; borrowed. */
    void (*message)(void *user, struct str text);
    /* Once, last, also when opening failed. `code` is the close code of the
     * peer (or ours, when we closed first and it answered), 1005 for an empty
     * close frame, 1006 for an end of file without one, 0 when there was an
     * error: `e` then says which, and for a refused handshake `status` and
     * `body` (at most 1024 bytes) hold the answer. The ws is still to be
     * destroyed by its owner (it may be, in here). */
    void (*closed)(void *user, int code, const struct err *e, int status, struct str body);
};

/* Never fails: trouble reaches `closed` on a later turn. `ev` is copied. */
struct ws *ws_connect(struct http_client *c, const struct ws_request *rq,
                      const struct ws_events *ev, void *user);
MUST_CHECK enum err_code ws_send(struct ws *w, struct str text, struct err *e);
/* Held: nothing is read, so that the peer has to wait, and `message` is called at most for what
 * is here already (a few KiB). Nor is an end of the connection noticed, so this is for moments. */
void ws_hold(struct ws *w, bool held);
/* Sends a close frame; `closed` follows when the peer answers or goes. */
void ws_close(struct ws *w, int code, const char *reason);
/* In `closed`, for a refused handshake: its Date header; "" without. Borrowed. */
const char *ws_refusal_date(const struct ws *w);
/* Cuts the connection; silence from now on. NULL is fine. */
void ws_destroy(struct ws *w);
