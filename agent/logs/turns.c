#include "logs/turns.h"

void turns_init(struct turns *t, size_t max, size_t most_of_one)
{
    *t = (struct turns){ .max = max, .most_of_one = most_of_one };
    list_init(&t->urgent);
    list_init(&t->others);
}

void turn_init(struct turn *turn, struct gate *gate)
{
    turn->gate = gate;
    list_init(&turn->node);
}

bool turn_asked(const struct turn *turn)
{
    return !list_empty(&turn->node);
}

void turn_leave(struct turn *turn)
{
    list_remove(&turn->node);
}

void turns_ask(struct turns *t, struct turn *turn, bool urgent)
{
    if (turn_asked(turn)) {
        if (!urgent)
            return;
        turn_leave(turn);
    }
    list_push_back(urgent ? &t->urgent : &t->others, &turn->node);
}

static struct turn *next_of(struct turns *t, struct list *queue, int64_t now_ms, int64_t *wait_ms)
{
    LIST_FOREACH (it, following, queue) {
        struct turn *turn = LIST_ENTRY(it, struct turn, node);
        int64_t wait = turn->gate->turns < t->most_of_one ? gate_wait_ms(turn->gate, now_ms) : -1;

        if (!wait) {
            list_remove(it);
            return turn;
        }
        if (wait > 0 && (*wait_ms < 0 || wait < *wait_ms))
            *wait_ms = wait;
    }
    return NULL;
}

struct turn *turns_next(struct turns *t, int64_t now_ms, int64_t *wait_ms)
{
    struct turn *turn;

    *wait_ms = -1;
    if (t->n == t->max)
        return NULL;
    turn = next_of(t, &t->urgent, now_ms, wait_ms);
    if (!turn)
        turn = next_of(t, &t->others, now_ms, wait_ms);
    if (turn) {
        t->n++;
        turn->gate->turns++;
    }
    return turn;
}

void turns_end(struct turns *t, struct gate *gate)
{
    t->n--;
    gate->turns--;
}
