/* pace: how many requests of a kind are under way at once. When a thousand containers die
 * together, all of them are to be looked at; each request is a connection, here and in the
 * engine, and no answer comes sooner for all of them being asked for at the same time. */
#include <stdlib.h>

#include "base/mem.h"
#include "docker/op.h"

#define LOOK_MS 500 /* between two looks at who has held a place for too long */

static const struct pace_rule {
    size_t at_once;
    int64_t place_ms; /* who takes longer gives its place up: one that hangs holds nobody up */
} rules[DOCKER_CALL__COUNT] = {
    [DOCKER_CALL_INSPECT] = { DOCKER_LOOKS_AT_ONCE, 5000 },
    [DOCKER_CALL_REMOVE] = { DOCKER_REMOVALS_AT_ONCE, 5000 },
    /* Each lasts until the container has ended, which may take its stop timeout. */
    [DOCKER_CALL_STOP] = { DOCKER_STOPS_AT_ONCE, 15000 },
};

static void on_look(void *user);

struct docker_pace *docker_pace_create(struct docker *d)
{
    struct docker_pace *p = NEW(struct docker_pace);

    for (size_t i = 0; i < DOCKER_CALL__COUNT; i++) {
        list_init(&p->lanes[i].waiting);
        list_init(&p->lanes[i].under_way);
    }
    p->look = loop_timer_create(d->loop, on_look, d);
    return p;
}

void docker_pace_destroy(struct docker_pace *p)
{
    loop_timer_destroy(p->look);
    free(p);
}

bool docker_pace_enter(struct docker_op *op)
{
    struct docker_pace *p = op->d->pace;
    struct docker_lane *lane = &p->lanes[op->kind];
    size_t at_once = rules[op->kind].at_once;

    if (!at_once)
        return true;
    if (lane->n >= at_once) {
        list_push_back(&lane->waiting, &op->lane);
        if (!loop_timer_armed(p->look))
            loop_timer_arm(p->look, LOOK_MS);
        return false;
    }
    list_push_back(&lane->under_way, &op->lane);
    op->place_until_ms = loop_now_ms(op->d->loop) + rules[op->kind].place_ms;
    lane->n++;
    return true;
}

static void leave_place(struct docker_op *op)
{
    list_remove(&op->lane);
    op->d->pace->lanes[op->kind].n -= op->place_until_ms != 0;
    op->place_until_ms = 0;
}

/* Whoever can, in the order in which they came. */
static void let_in(struct docker *d, enum docker_call_kind kind)
{
    struct docker_lane *lane = &d->pace->lanes[kind];

    while (!d->pace->ended && lane->n < rules[kind].at_once && !list_empty(&lane->waiting)) {
        struct docker_op *op = LIST_ENTRY(lane->waiting.next, struct docker_op, lane);

        list_remove(&op->lane);
        docker_pace_enter(op);
        docker_op_go(op);
    }
}

void docker_pace_leave(struct docker_op *op)
{
    bool had_place = op->place_until_ms != 0;

    leave_place(op);
    if (had_place)
        let_in(op->d, op->kind);
}

static void on_look(void *user)
{
    struct docker *d = user;
    int64_t now = loop_now_ms(d->loop);
    bool any = false;

    for (size_t i = 0; i < DOCKER_CALL__COUNT; i++) {
        struct docker_lane *lane = &d->pace->lanes[i];

        LIST_FOREACH (it, following, &lane->under_way) {
            struct docker_op *op = LIST_ENTRY(it, struct docker_op, lane);

            if (op->place_until_ms > now)
                break; /* all have equally long */
            leave_place(op);
        }
        let_in(d, (enum docker_call_kind)i);
        any = any || !list_empty(&lane->waiting);
    }
    if (any)
        loop_timer_arm(d->pace->look, LOOK_MS);
}
