#pragma once
/* limits: how often who may ask for what. Pure: time comes in.
 *
 * A token bucket for each pair of asker and path, full at first. The table is bounded; what
 * is forgotten begins full again, so crowding it out only ever helps the others. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define LIMITS_RATE    40 /* a second */
#define LIMITS_BURST   60
#define LIMITS_BUCKETS 4096

struct limits;

struct limits_args {
    int64_t rate, burst; /* <= 0: the defaults, both */
    size_t buckets;      /* 0: the default */
    uint64_t seed;       /* of the hash of asker and path */
};
struct limits *limits_create(const struct limits_args *args);
void limits_destroy(struct limits *l); /* NULL is fine */

/* 0: it may. Else the seconds until it may again, at least 1. */
int64_t limits_take(struct limits *l, struct str who, struct str path, int64_t now_ms);

/* "40.00" */
const char *limits_rate_text(const struct limits *l);
size_t limits_count(const struct limits *l);
