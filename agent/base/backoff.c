#include "base/backoff.h"

int64_t backoff_next(struct backoff *b, const struct backoff_rule *rule, struct rng *rng)
{
    int64_t delay = b->next_ms ? b->next_ms : rule->first_ms;

    b->next_ms = delay * rule->factor_pct / 100;
    if (b->next_ms > rule->max_ms)
        b->next_ms = rule->max_ms;
    return delay + (int64_t)rng_below(rng, (uint64_t)(delay * rule->jitter_pct / 100));
}

void backoff_reset(struct backoff *b)
{
    b->next_ms = 0;
}
