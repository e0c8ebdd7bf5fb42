#pragma once
/* spares: memory of bodies that were sent, for those that come. Private to logs.
 *
 * To map, fault in and zero memory for each body anew costs as much as to hash it. Only long bodies
 * are worth it; all of them have the same room, of which no more stays backed than the last one
 * used, and of all that lie here no more than SPARES_MAX. */
#include "base/buf.h"

#define SPARES_MAX  ((size_t)3 << 19)
#define SPARES_MOST 32
/* A body that was shorter than the one before it by less than this is not cut to its length. */
#define SPARES_SLACK ((size_t)32 << 10)

struct spare {
    struct buf buf; /* empty */
    size_t backed;  /* bytes from its start on that are memory, about */
};

struct spares { /* zeroed at the beginning */
    struct spare of[SPARES_MOST];
    size_t n, backed;
};

/* The one that was given last; false: there is none. */
bool spares_take(struct spares *s, struct spare *out);
/* Takes the buffer over, of which no more was used than is in it; `backed` as it was taken with, or
 * 0. */
void spares_give(struct spares *s, struct spare *from);
void spares_clear(struct spares *s); /* frees them all */
