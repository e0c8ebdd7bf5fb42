#pragma once
/* sigv4: AWS Signature Version 4. Pure: the time is an argument. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct sigv4_keys { /* borrowed */
    const char *access_key;
    const char *secret_key;
    const char *session_token; /* NULL or "": none */
};

struct sigv4_header {
    const char *name, *value;
};

struct sigv4_request {
    const char *method;
    const char *url; /* absolute, http(s) or ws(s); the path and query as they go on the wire */
    const struct sigv4_header *headers; /* to be signed, besides host and x-amz-date */
    size_t n_headers;
    struct str body; /* hashed; for a handshake empty */
    const char *region, *service;
    bool normalize_path; /* false for s3 */
};

#define SIGV4_HASH_SIZE 65

struct sigv4_signed { /* headers to send besides the given ones */
    char host[300];
    char date[32]; /* X-Amz-Date */
    char payload_hash[SIGV4_HASH_SIZE];
    struct buf authorization;
    struct buf canonical_request, string_to_sign; /* for tests and error texts */
};

MUST_CHECK enum err_code sigv4_sign(const struct sigv4_request *rq, const struct sigv4_keys *keys,
                                    int64_t wall_ms, struct sigv4_signed *out, struct err *e);
void sigv4_signed_fini(struct sigv4_signed *s);

/* RFC 3986 escaping of everything but unreserved characters (and '/', if asked). */
bool sigv4_escape(struct buf *out, struct str text, bool keep_slash);

/* The lower-case hexadecimal SHA-256 of a body, as x-amz-content-sha256 wants it. */
void sigv4_hash(struct str body, char out[SIGV4_HASH_SIZE]);
