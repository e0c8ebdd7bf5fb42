#pragma once
/* tcs_queue: what was gathered and waits to be sent, and how it is cut into messages. Pure. */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/rng.h"
#include "control/tcs.h"

#define TCS_HEAD_MAX      8192 /* of a message's body: all but the tasks */
#define TCS_TASKS_MAX     (TCS_MESSAGE_MAX - TCS_HEAD_MAX)
#define TCS_GATHERING_MAX (4 * 1024 * 1024)
#define TCS_WAITING_BYTES (16 * 1024 * 1024) /* of one queue */

struct tcs_gathering {
    char id[RNG_UUID_SIZE]; /* the messageId of all its messages */
    bool idle;
    struct buf tasks; /* one JSON object after the other, with commas between */
    size_t *ends;     /* of each in `tasks` */
    size_t n;
};

void tcs_gathering_init(struct tcs_gathering *g);
void tcs_gathering_fini(struct tcs_gathering *g);
/* False, and nothing added: it is too long for a message, or there are too many. */
bool tcs_gathering_add(struct tcs_gathering *g, struct str task_json);
/* The tasks of the next message, as elements of an array: at most TCS_TASKS_PAGE and
 * TCS_TASKS_MAX bytes. `at` is 0 for the first and is moved on; g->n after the last. Borrowed. */
struct str tcs_gathering_page(const struct tcs_gathering *g, size_t *at);

struct tcs_queue { /* {0} is empty */
    struct tcs_gathering items[TCS_WAITING_MAX];
    size_t first, n, bytes;
};

void tcs_queue_fini(struct tcs_queue *q);
/* Moves it in; false when there is no room, then it is gone. */
bool tcs_queue_put(struct tcs_queue *q, struct tcs_gathering *g);
/* Moves the oldest out; false when there is none. */
bool tcs_queue_take(struct tcs_queue *q, struct tcs_gathering *out);
