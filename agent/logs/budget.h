#pragma once
/* budget: how much of the memory for events each stream may use. Pure; private to logs.
 *
 * The container's log is the spool, so memory only has to hold what is being sent. All streams
 * together stay below `total` plus BUDGET_LEAST for each; one that floods gets what the others do
 * not want, and gives it back as they come. */
#include <stdbool.h>
#include <stddef.h>

#define BUDGET_TOTAL ((size_t)5 << 20)
#define BUDGET_LEAST ((size_t)64 << 10)
#define BUDGET_MOST  ((size_t)4 << 20) /* of one stream */

struct budget {
    size_t total;
    size_t used;
    size_t n_users; /* streams that hold something */
};
/* A stream that holds `held` now holds `by` more, or less. */
void budget_grow(struct budget *b, size_t held, size_t by);
void budget_shrink(struct budget *b, size_t held, size_t by);
/* May a stream that holds `held` read on, while nobody uses `spare` bytes of the memory? */
bool budget_allows(const struct budget *b, size_t held, size_t spare);
