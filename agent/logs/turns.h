#pragma once
/* turns: who may begin a request next. At most `max` are under way, and `most_of_one` to one
 * endpoint, so that one that answers nothing does not keep the others' streams waiting. Who waits
 * is served in the order of asking, those in a hurry first, and who may not ask its endpoint now
 * lets the others pass. Pure; private to logs. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "logs/gate.h"

struct turn {
    struct list node;
    struct gate *gate;
};

struct turns {
    size_t n, max; /* under way */
    size_t most_of_one;
    struct list urgent, others;
};

void turns_init(struct turns *t, size_t max, size_t most_of_one);
void turn_init(struct turn *turn, struct gate *gate);
/* Who waits already keeps its place, unless it is in a hurry now. */
void turns_ask(struct turns *t, struct turn *turn, bool urgent);
bool turn_asked(const struct turn *turn);
void turn_leave(struct turn *turn); /* fine for one that does not wait */
/* Takes the next one out, which is under way then until turns_end. NULL: nobody may begin now;
 * *wait_ms is when to look again, -1: not before one ends or asks. */
struct turn *turns_next(struct turns *t, int64_t now_ms, int64_t *wait_ms);
void turns_end(struct turns *t, struct gate *gate);
