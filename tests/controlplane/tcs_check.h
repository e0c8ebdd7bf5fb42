#pragma once
/* tcs_check: is a telemetry envelope what the service's model says? Pure.
 *
 * Every member must be known and of its type, numbers within their limits,
 * statistics possible (min <= max, the sum between them), at most ten tasks a
 * message and 1 MiB of it; chunks of one gather end with fin before another
 * begins. */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

enum tcs_kind { TCS_METRICS, TCS_HEALTH, TCS_INSTANCE_STATUS };

/* What one connection has sent so far. */
struct tcs_session {
    char cluster[256], instance[512]; /* of the handshake */
    /* Per kind of message: the gather that is open (between its first chunk and
     * fin), and the last one that ended. */
    char open_id[2][40], done_id[2][40];
    bool open[2];
};

/* The handshake's query: NULL when it is right, otherwise what is wrong. */
const char *tcs_handshake_fault(const char *cluster, const char *instance, const char *version,
                                const char *hash, const char *docker);

/* Checks one envelope; ERR_INVALID says what is wrong. */
MUST_CHECK enum err_code tcs_check(struct tcs_session *ss, struct str envelope, int64_t now_ms,
                                   enum tcs_kind *kind, struct err *e);
