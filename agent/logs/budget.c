#include "logs/budget.h"

void budget_grow(struct budget *b, size_t held, size_t by)
{
    b->n_users += !held && by;
    b->used += by;
}

void budget_shrink(struct budget *b, size_t held, size_t by)
{
    b->n_users -= by && held == by;
    b->used -= by;
}

bool budget_allows(const struct budget *b, size_t held, size_t spare)
{
    size_t share;

    if (held < BUDGET_LEAST)
        return true;
    if (held >= BUDGET_MOST || b->used + spare >= b->total)
        return false;
    /* Twice its part, so that what the quiet ones leave is used, and never the last of it. */
    share = b->total / (b->n_users ? b->n_users : 1);
    return held < 2 * share;
}
