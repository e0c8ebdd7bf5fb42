#include "support/check.h"

#include "logs/turns.h"

#define START 1000000

static void shut(struct gate *g)
{
    struct rng rng;

    rng_seed(&rng, 1);
    for (int i = 0; i < GATE_AWAY_AFTER; i++) {
        gate_begin(g, START);
        gate_end(g, GATE_AWAY, START, &rng);
    }
}

static void in_the_order_of_asking(void **state)
{
    struct gate g = { 0 };
    struct turns t;
    struct turn a, b, c;
    int64_t wait;

    (void)state;
    turns_init(&t, 2, 2);
    turn_init(&a, &g);
    turn_init(&b, &g);
    turn_init(&c, &g);
    assert_null(turns_next(&t, START, &wait));
    assert_int_equal(wait, -1);
    turns_ask(&t, &a, false);
    turns_ask(&t, &b, false);
    turns_ask(&t, &a, false); /* keeps its place */
    turns_ask(&t, &c, false);
    assert_ptr_equal(turns_next(&t, START, &wait), &a);
    assert_false(turn_asked(&a));
    turns_ask(&t, &a, false); /* at the end again */
    assert_ptr_equal(turns_next(&t, START, &wait), &b);
    assert_null(turns_next(&t, START, &wait)); /* two are under way */
    assert_int_equal(wait, -1);
    turns_end(&t, &g);
    assert_ptr_equal(turns_next(&t, START, &wait), &c);
    turns_end(&t, &g);
    turn_leave(&a);
    turn_leave(&a);
    assert_null(turns_next(&t, START, &wait));
}

static void urgent_ones_first(void **state)
{
    struct gate g = { 0 };
    struct turns t;
    struct turn a, b, c;
    int64_t wait;

    (void)state;
    turns_init(&t, 16, 16);
    turn_init(&a, &g);
    turn_init(&b, &g);
    turn_init(&c, &g);
    turns_ask(&t, &a, false);
    turns_ask(&t, &b, false);
    turns_ask(&t, &c, true);
    turns_ask(&t, &b, true); /* in a hurry now */
    assert_ptr_equal(turns_next(&t, START, &wait), &c);
    assert_ptr_equal(turns_next(&t, START, &wait), &b);
    assert_ptr_equal(turns_next(&t, START, &wait), &a);
}

static void a_shut_gate_lets_others_pass(void **state)
{
    struct gate away = { 0 }, good = { 0 };
    struct turns t;
    struct turn a, b, c;
    int64_t wait;

    (void)state;
    shut(&away);
    turns_init(&t, 16, 16);
    turn_init(&a, &away);
    turn_init(&b, &away);
    turn_init(&c, &good);
    turns_ask(&t, &a, true);
    turns_ask(&t, &b, false);
    turns_ask(&t, &c, false);
    assert_ptr_equal(turns_next(&t, START, &wait), &c);
    assert_null(turns_next(&t, START, &wait));
    assert_in_range(wait, GATE_PROBE_MS, GATE_PROBE_MAX_MS);
    /* Then one of them tries, and the other waits for what comes of that. */
    assert_ptr_equal(turns_next(&t, START + wait, &wait), &a);
    gate_begin(&away, START + GATE_PROBE_MAX_MS);
    assert_null(turns_next(&t, START + GATE_PROBE_MAX_MS, &wait));
    assert_int_equal(wait, -1);
}

/* One that answers nothing has half of all at most. */
static void one_endpoint_leaves_room(void **state)
{
    struct gate hangs = { 0 }, good = { 0 };
    struct turn slow[3], quick;
    struct turns t;
    int64_t wait;

    (void)state;
    turns_init(&t, 4, 2);
    for (size_t i = 0; i < COUNT_OF(slow); i++) {
        turn_init(&slow[i], &hangs);
        turns_ask(&t, &slow[i], true);
    }
    turn_init(&quick, &good);
    turns_ask(&t, &quick, false);
    assert_ptr_equal(turns_next(&t, START, &wait), &slow[0]);
    assert_ptr_equal(turns_next(&t, START, &wait), &slow[1]);
    assert_ptr_equal(turns_next(&t, START, &wait), &quick);
    assert_null(turns_next(&t, START, &wait));
    assert_int_equal(wait, -1);
    turns_end(&t, &hangs);
    assert_ptr_equal(turns_next(&t, START, &wait), &slow[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_the_order_of_asking),
        cmocka_unit_test(urgent_ones_first),
        cmocka_unit_test(a_shut_gate_lets_others_pass),
        cmocka_unit_test(one_endpoint_leaves_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
