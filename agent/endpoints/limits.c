#include "endpoints/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

/* A token has a thousand parts: then a rate a second is so many parts a millisecond, and
 * the sums are exact. */
#define TOKEN 1000
/* No clock runs for longer between two questions, and no sum overflows. */
#define RATE_MAX 1000000

/* The texts themselves may be long and are the asker's choice. Two paths of one asker that
 * share a hash share a bucket, which harms nobody else. */
struct bucket_key {
    uint64_t who, path;
};

struct bucket {
    struct bucket_key key;
    struct list used; /* of the table */
    int64_t parts;
    int64_t at_ms;
    UT_hash_handle hh;
};

struct limits {
    int64_t rate, burst;
    size_t max;
    uint64_t seed;
    struct bucket *table;
    struct list used; /* struct bucket.used, the least recently used first */
    char text[32];
};

static uint64_t hash(uint64_t seed, struct str s)
{
    uint64_t h = seed ^ 0xcbf29ce484222325U;

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3U;
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdU;
    return h ^ h >> 33;
}

struct limits *limits_create(const struct limits_args *args)
{
    struct limits *l = NEW(struct limits);
    bool given = args->rate > 0 && args->burst > 0;

    l->rate = given ? args->rate : LIMITS_RATE;
    l->burst = given ? args->burst : LIMITS_BURST;
    l->rate = l->rate < RATE_MAX ? l->rate : RATE_MAX;
    l->burst = l->burst < RATE_MAX ? l->burst : RATE_MAX;
    l->max = args->buckets ? args->buckets : LIMITS_BUCKETS;
    l->seed = args->seed;
    list_init(&l->used);
    snprintf(l->text, sizeof l->text, "%" PRId64 ".00", l->rate);
    return l;
}

static void forget(struct limits *l, struct bucket *b)
{
    HASH_DEL(l->table, b);
    list_remove(&b->used);
    free(b);
}

void limits_destroy(struct limits *l)
{
    if (!l)
        return;
    while (!list_empty(&l->used))
        forget(l, LIST_ENTRY(l->used.next, struct bucket, used));
    free(l);
}

static struct bucket *find(struct limits *l, const struct bucket_key *key, int64_t now_ms)
{
    struct bucket *b;

    HASH_FIND(hh, l->table, key, sizeof *key, b);
    if (!b) {
        if (HASH_COUNT(l->table) >= l->max)
            forget(l, LIST_ENTRY(l->used.next, struct bucket, used));
        b = NEW(struct bucket);
        b->key = *key;
        b->parts = l->burst * TOKEN;
        b->at_ms = now_ms;
        list_init(&b->used);
        HASH_ADD(hh, l->table, key, sizeof b->key, b);
    }
    list_remove(&b->used);
    list_push_back(&l->used, &b->used);
    return b;
}

int64_t limits_take(struct limits *l, struct str who, struct str path, int64_t now_ms)
{
    struct bucket_key key = { hash(l->seed, who), hash(l->seed, path) };
    struct bucket *b = find(l, &key, now_ms);
    int64_t full = l->burst * TOKEN, passed_ms = now_ms - b->at_ms;

    if (passed_ms >= (full - b->parts) / l->rate + 1)
        b->parts = full;
    else if (passed_ms > 0)
        b->parts += passed_ms * l->rate;
    b->parts = b->parts < full ? b->parts : full;
    b->at_ms = now_ms > b->at_ms ? now_ms : b->at_ms;
    if (b->parts >= TOKEN) {
        b->parts -= TOKEN;
        return 0;
    }
    /* Missing parts, at `rate` parts a millisecond, in whole seconds. */
    return (TOKEN - b->parts + l->rate * 1000 - 1) / (l->rate * 1000);
}

const char *limits_rate_text(const struct limits *l)
{
    return l->text;
}

size_t limits_count(const struct limits *l)
{
    return HASH_COUNT(l->table);
}
