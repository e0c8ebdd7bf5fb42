#pragma once
/* peer: the other end of a connection, scripted, on a real socket.
 *
 * A script is a function that runs on a thread of its own and speaks in order:
 * accept, expect, send. The first step that goes wrong is remembered and the
 * rest of the script does nothing; peer_stop tells what it was. No step waits
 * longer than 20 s. */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct peer;
typedef void peer_script(struct peer *p, void *arg);

/* Listens on a free port of 127.0.0.1, or on a unix socket, and starts. */
struct peer *peer_start(peer_script *script, void *arg);
struct peer *peer_start_unix(const char *path, peer_script *script, void *arg);
/* Waits for the script's end; NULL, or what went wrong (borrowed until the next
 * call). Frees. */
const char *peer_stop(struct peer *p);

int peer_port(const struct peer *p);
/* "<scheme>://127.0.0.1:<port><target>", kept until peer_stop. */
const char *peer_url(struct peer *p, const char *scheme, const char *target);

/* From the test: lets one peer_wait go on. */
void peer_go(struct peer *p);

/* ---- the steps ---- */

void peer_accept(struct peer *p);      /* leaves the former connection open, unless closed */
void peer_tls(struct peer *p);         /* the current connection speaks TLS from here on */
void peer_tls_refused(struct peer *p); /* the client must end the handshake */
void peer_wait(struct peer *p);        /* until peer_go */
/* Reads until `text` has come; what came before and with it is dropped. */
void peer_expect(struct peer *p, const char *text);
/* Reads a request's head; kept until the next one. */
const char *peer_head(struct peer *p);
/* Reads the body that the head announced (Content-Length); kept until the next one. */
struct str peer_body(struct peer *p);
void peer_expect_bytes(struct peer *p, const void *data, size_t n); /* exactly these next */
void peer_expect_eof(struct peer *p);
void peer_send(struct peer *p, const char *text);
void peer_send_bytes(struct peer *p, const void *data, size_t n);
void peer_send_slowly(struct peer *p, const void *data, size_t n); /* one segment a byte */
void peer_close(struct peer *p);
void peer_reset(struct peer *p); /* the client sees ECONNRESET */
void peer_fail(struct peer *p, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- a websocket server's part ---- */

void peer_ws_accept(struct peer *p); /* accept, read the handshake, answer 101 */
void peer_ws_answer(struct peer *p); /* the same on the current connection */
const char *peer_ws_key(struct peer *p, char accept[29]); /* of the head; its right answer */
void peer_ws_send(struct peer *p, bool fin, int opcode, const void *data, size_t n);
/* Reads the next frame, which must be of that kind, masked and whole; kept until the next one. */
struct str peer_ws_read(struct peer *p, int opcode);
/* The next frame must be this one; it must be masked and whole. */
void peer_ws_expect(struct peer *p, int opcode, const void *data, size_t n);
/* A close frame; code 0 is one without a body. */
void peer_ws_send_close(struct peer *p, int code);
void peer_ws_expect_close(struct peer *p, int code);
