#pragma once
/* count: what came into the sink, by stream. Pure: the time is an argument.
 *
 * The lines are those of generate.c: each begins with its number, ten digits from 0 on. The texts
 * are not kept. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

#define COUNT_STREAMS_MAX 1000
#define COUNT_LINES_MAX   ((uint32_t)200000000) /* a line's number is below */

struct count;

struct count *count_create(void);
void count_destroy(struct count *c); /* NULL is fine */

/* One body of PutLogEvents. False: it is none, or breaks a limit of the service; *why (static)
 * says which. Nothing is counted then. */
bool count_put(struct count *c, struct str body, int64_t wall_us, const char **why);

/* Appends all of it as one JSON object: totals, and a row for each stream. */
void count_write(const struct count *c, struct buf *out);
