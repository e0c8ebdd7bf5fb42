#pragma once
/* auth: verification of AWS Signature Version 4, as the services do it. Pure:
 * the time is an argument.
 *
 * The signature is recomputed over exactly the headers that SignedHeaders
 * names; host and x-amz-date must be among them, and x-amz-security-token when
 * the request carries one. '+' in a query means a space, so a client that
 * signs %20 and sends '+' is understood. S3 has rules of its own: its paths are
 * not tidied up, and x-amz-content-sha256 must be there. */
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

struct auth_key_args {
    const char *id, *secret;
    const char *token;  /* NULL: none */
    const char *role;   /* ARN of the role that these are keys of; NULL: none */
    const char *arn;    /* of whoever signs with it; NULL: a user */
    int64_t expires_ms; /* wall clock; 0: never */
};
void auth_keys_add(struct auth_keys *k, const struct auth_key_args *args);

/* The keys that all given members name (NULL: any). A session is the last part of a
 * role key's `arn`. */
struct auth_selection {
    const char *id, *role, *session;
    bool instance; /* those that have a session but are of no role: an instance's own */
};
/* They are refused as expired from `at_ms` on. Returns how many would have lived on. */
size_t auth_keys_expire(struct auth_keys *k, const struct auth_selection *which, int64_t at_ms);

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

enum auth_fault {
    AUTH_MISSING,       /* not signed at all */
    AUTH_INCOMPLETE,    /* the Authorization header or the date cannot be read */
    AUTH_SCOPE,         /* another service or terminator, a header that is not signed */
    AUTH_REGION,        /* another region */
    AUTH_SKEW,          /* too old or not yet current */
    AUTH_UNKNOWN,       /* no such key, or not with this token */
    AUTH_EXPIRED,       /* a key that was good */
    AUTH_MISMATCH,      /* the signature is wrong */
    AUTH_PAYLOAD,       /* x-amz-content-sha256 is not that of the body */
    AUTH_PAYLOAD_ABSENT /* x-amz-content-sha256 is needed */
};

/* Why a request was refused, in the words of the JSON services (dialect.h has others'). */
struct auth_refusal {
    enum auth_fault fault;
    int status;
    const char *type;
    struct buf message;
};

/* True when the request is signed by a known key for this region (NULL: any) and
 * service now; `access_key` then says which. Otherwise fills `why` (buf_fini its
 * message). */
bool auth_verify(const struct auth_keys *k, const struct auth_request *r, const char *region,
                 const char *service, int64_t now_ms, char access_key[AUTH_KEY_SIZE],
                 struct auth_refusal *why);

/* What the Authorization header claims, unverified; p is NULL when it cannot be read. */
struct str auth_claimed_region(const struct auth_request *r);
struct str auth_claimed_service(const struct auth_request *r);

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
