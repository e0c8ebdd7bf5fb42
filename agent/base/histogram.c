#include "base/histogram.h"

void histogram_add(struct histogram *h, int64_t value)
{
    size_t i = 0;

    if (value < 0)
        value = 0;
    while (i < h->rule->n && value > h->rule->bounds[i])
        i++;
    h->counts[i]++;
    h->sum += value;
}

uint64_t histogram_upto(const struct histogram *h, size_t i)
{
    uint64_t n = 0;

    for (size_t k = 0; k <= i; k++)
        n += h->counts[k];
    return n;
}
