#pragma once
/* rng: a seeded generator (xoshiro256**), so that the same seed gives the same
 * jitter and the same names. Not for keys. */
#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* 0 for n == 0 */

/* A seed from the kernel. */
uint64_t rng_entropy(void);

#define RNG_UUID_SIZE 37
void rng_uuid(struct rng *r, char out[RNG_UUID_SIZE]); /* version 4 */
