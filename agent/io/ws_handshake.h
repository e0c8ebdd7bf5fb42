#pragma once
/* ws_handshake: the HTTP part of opening a websocket (RFC 6455, section 4). Pure
 * and private to agent/io. */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "io/http_client.h"
#include "io/http_internal.h"

#define WS_KEY_SIZE      25 /* base64 of 16 bytes, and NUL */
#define WS_ACCEPT_SIZE   29 /* base64 of 20 bytes, and NUL */
#define WS_HEAD_MAX      (16 * 1024)
#define WS_REFUSAL_BYTES 1024

void ws_key(const unsigned char random[16], char out[WS_KEY_SIZE]);
void ws_accept(const char *key, char out[WS_ACCEPT_SIZE]);

/* ERR_INVALID for a header that cannot be sent, ERR_LIMIT when `out` is full. */
MUST_CHECK enum err_code ws_handshake_write(const struct url_parts *u,
                                            const struct http_header *headers, size_t n_headers,
                                            const char *key, struct buf *out, struct err *e);

enum ws_verdict {
    WS_MORE,    /* read on */
    WS_OPEN,    /* a valid 101; the bytes after `head_len` are frames */
    WS_REFUSED, /* another status, with as much of its body as is wanted */
    WS_BROKEN,  /* not an answer that may follow: `e` says why */
};

#define WS_DATE_SIZE 40

struct ws_answer {
    int status;
    size_t head_len;
    char date[WS_DATE_SIZE];     /* the Date header; "" without */
    char body[WS_REFUSAL_BYTES]; /* of a refusal, as far as it came; also with WS_MORE */
    size_t body_len;
};

/* Looks at all bytes that came so far. `ended`: no more will come. */
enum ws_verdict ws_handshake_read(struct str bytes, bool ended, const char *key,
                                  struct ws_answer *out, struct err *e);
