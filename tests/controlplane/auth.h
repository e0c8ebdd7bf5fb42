#pragma once
/* auth: verification of AWS Signature Version 4, as the services do it. Pure:
 * the time is an argument.
 *
 * The signature is recomputed over exactly the headers that SignedHeaders
 * names; host and x-amz-date must be among them, and x-amz-security-token when
 * the request carries one. '+' in a query means a space, so a client that
 * signs %20 and sends '+' is understood. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct auth_keys;

struct auth_keys *auth_keys_create(void);
void auth_keys_destroy(struct auth_keys *k); /* wipes the secrets; NULL is fine */
/* Accepts `id` from now on (or changes its secret). `token` NULL: a permanent
 * key, which must come without a session token. */
void auth_keys_set(struct auth_keys *k, const char *id, const char *secret, const char *token);
void auth_keys_remove(struct auth_keys *k, const char *id);
/* {"id":"secret", "id2":{"secret":"...","token":"..."}} */
MUST_CHECK enum err_code auth_keys_load(struct auth_keys *k, struct str json, struct err *e);

struct auth_header {
    struct str name, value;
};

#define AUTH_HEADERS_MAX 100

struct auth_request {
    struct str method;
    struct str path;  /* as on the request line, still encoded */
    struct str query; /* without the '?', still encoded */
    const struct auth_header *headers;
    size_t header_count; /* at most AUTH_HEADERS_MAX */
    struct str body;
};

#define AUTH_KEY_SIZE    130
#define AUTH_MESSAGE_MAX (64 * 1024)

/* Why a request was refused, in the words of AWS. */
struct auth_refusal {
    int status;
    const char *type;
    struct buf message;
};

/* True when the request is signed by a known key for this region and service
 * now; `access_key` then says which. Otherwise fills `why` (buf_fini its
 * message). */
bool auth_verify(const struct auth_keys *k, const struct auth_request *r, const char *region,
                 const char *service, int64_t now_ms, char access_key[AUTH_KEY_SIZE],
                 struct auth_refusal *why);

/* A TCS frame: header lines, an empty line, the envelope. It is signed as a
 * GET of the handshake's own path and query whose payload is the envelope.
 * `host` is the Host header of the handshake. */
MUST_CHECK enum err_code auth_verify_frame(const struct auth_keys *k, struct str frame,
                                           struct str path, struct str query, struct str host,
                                           const char *region, int64_t now_ms, struct str *envelope,
                                           struct err *e);

/* The value of a header, names compared without case; p is NULL when absent. */
struct str auth_header_find(const struct auth_request *r, const char *name);
bool auth_header_is(struct str a, const char *name);
