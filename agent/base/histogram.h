#pragma once
/* histogram: how often a measured value fell between fixed bounds. Pure.
 *
 * Values are whole numbers of a small unit (microseconds), so that adding one costs a few
 * comparisons and no floating point; `per` says how many of them make the base unit that
 * readers expect (seconds). Counters only grow; nothing is ever allocated. */
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS_MAX 14

struct histogram_rule {
    const int64_t *bounds; /* ascending; a value that equals a bound is below it */
    size_t n;              /* at most HISTOGRAM_BOUNDS_MAX */
    double per;            /* 1e6: values are microseconds, readers see seconds */
};

struct histogram { /* zero but for `rule`: empty */
    const struct histogram_rule *rule;
    uint64_t counts[HISTOGRAM_BOUNDS_MAX + 1]; /* not cumulative; [n]: above all bounds */
    int64_t sum;
};

/* A negative value counts as 0: no clock is that good. */
void histogram_add(struct histogram *h, int64_t value);
/* How many values were at or below bound `i`; i == n: all of them. */
uint64_t histogram_upto(const struct histogram *h, size_t i);
