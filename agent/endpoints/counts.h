#pragma once
/* counts: what was asked at a listener, and how it was answered. Pure.
 *
 * What a request is for is told by the beginning of its path, so a new route is counted with
 * its neighbors without being named here. Counters only grow. */
#include <stdint.h>

#include "base/str.h"

enum endpoint_kind {
    ENDPOINT_CREDENTIALS, /* /v1/credentials, /v2/credentials */
    ENDPOINT_METADATA,    /* /v2/metadata, /v3/..., /v4/... */
    ENDPOINT_STATS,       /* /v2/stats, and .../stats of the others */
    ENDPOINT_INSTANCE,    /* /v1/metadata */
    ENDPOINT_TASKS,       /* /v1/tasks */
    ENDPOINT_API,         /* /api/... */
    ENDPOINT_METRICS,     /* /metrics */
    ENDPOINT_OTHER,
    ENDPOINT__COUNT
};
#define ENDPOINT_CLASSES 5 /* 1xx to 5xx */

struct endpoint_counts { /* zero: nothing yet */
    uint64_t replies[ENDPOINT__COUNT][ENDPOINT_CLASSES];
    uint64_t limited;             /* 429, of any kind */
    uint64_t refused_credentials; /* 4xx at ENDPOINT_CREDENTIALS, 429 left out */
};

const char *endpoint_kind_name(enum endpoint_kind kind); /* "credentials" */
/* `target` as on the request line. */
enum endpoint_kind endpoint_classify(struct str target);
void endpoint_count(struct endpoint_counts *c, struct str target, int status);
