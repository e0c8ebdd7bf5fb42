#pragma once
/* backoff: growing delays with added jitter, as the specification writes them
 * ("1s x1.3 max 30s j20" is { 1000, 130, 30000, 20 }). Pure. */
#include <stdint.h>

#include "base/rng.h"

struct backoff_rule {
    int64_t first_ms;
    int64_t factor_pct; /* 130 multiplies by 1.3 */
    int64_t max_ms;
    int64_t jitter_pct; /* added, never subtracted: uniform [0, jitter) of the delay */
};

struct backoff {
    int64_t next_ms; /* 0: the next delay is the first */
};

/* The delay to wait now; the following one is longer. */
int64_t backoff_next(struct backoff *b, const struct backoff_rule *rule, struct rng *rng);
void backoff_reset(struct backoff *b);
