#include "support/check.h"

#include "logs/gate.h"

#define START 1000000 /* any time but 0 */

static void free_until_throttled(void **state)
{
    struct gate g = { 0 };
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(gate_wait_ms(&g, START), 0);
        gate_begin(&g, START);
    }
    for (int i = 0; i < 1000; i++)
        gate_end(&g, GATE_ANSWERED, START, &rng);
    assert_int_equal(gate_wait_ms(&g, START), 0);
}

/* How many requests it lets begin in a time. */
static int allowed(struct gate *g, int64_t from, int64_t ms)
{
    struct rng rng;
    int n = 0;

    rng_seed(&rng, 1);
    for (int64_t now = from; now < from + ms; now++) {
        while (gate_wait_ms(g, now) == 0) {
            gate_begin(g, now);
            gate_end(g, GATE_ANSWERED, now, &rng);
            n++;
        }
    }
    return n;
}

static void throttling_halves(void **state)
{
    struct gate g = { 0 };
    struct rng rng;
    int n;

    (void)state;
    rng_seed(&rng, 1);
    for (int i = 0; i < 100; i++)
        gate_begin(&g, START);
    /* All of one moment count once. */
    for (int i = 0; i < 100; i++)
        gate_end(&g, GATE_THROTTLED, START, &rng);
    assert_true(gate_wait_ms(&g, START) > 0);
    n = allowed(&g, START, 1000);
    assert_in_range(n, 45, 55);
    gate_begin(&g, START + 1000);
    gate_end(&g, GATE_THROTTLED, START + 1000, &rng);
    n = allowed(&g, START + 1000, 1000);
    assert_in_range(n, 23, 28);
    /* 5 % more each second: in 15 s it is doubled. */
    allowed(&g, START + 2000, 14000);
    n = allowed(&g, START + 16000, 1000);
    assert_in_range(n, 46, 58);
    /* And after a time without it, free. */
    assert_int_equal(gate_wait_ms(&g, START + 1000 + GATE_FREE_MS), 0);
    assert_true(g.per_s <= 0);
}

static void never_below_the_least(void **state)
{
    struct gate g = { 0 };
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1);
    for (int64_t now = START; now < START + 60000; now += GATE_CUT_MS) {
        gate_begin(&g, now);
        gate_end(&g, GATE_THROTTLED, now, &rng);
    }
    assert_in_range(gate_wait_ms(&g, START + 60000), 0, 2000);
}

static void shuts_after_failures(void **state)
{
    struct gate g = { 0 };
    struct rng rng;
    int64_t wait;

    (void)state;
    rng_seed(&rng, 1);
    for (int i = 0; i < GATE_AWAY_AFTER; i++) {
        assert_false(gate_shut(&g));
        assert_int_equal(gate_wait_ms(&g, START), 0);
        gate_begin(&g, START);
        gate_end(&g, GATE_AWAY, START, &rng);
    }
    assert_true(gate_shut(&g));
    wait = gate_wait_ms(&g, START);
    assert_in_range(wait, GATE_PROBE_MS, GATE_PROBE_MAX_MS);
    /* One probe at a time. */
    assert_int_equal(gate_wait_ms(&g, START + wait), 0);
    gate_begin(&g, START + wait);
    assert_int_equal(gate_wait_ms(&g, START + wait), -1);
    gate_end(&g, GATE_AWAY, START + wait, &rng);
    assert_in_range(gate_wait_ms(&g, START + wait), GATE_PROBE_MS, GATE_PROBE_MAX_MS);
    /* One that was given up says nothing. */
    gate_begin(&g, START + 20000);
    gate_end(&g, GATE_QUIET, START + 20000, &rng);
    assert_true(gate_shut(&g));
    assert_int_equal(gate_wait_ms(&g, START + 20000), 0);
    gate_begin(&g, START + 20000);
    gate_end(&g, GATE_ANSWERED, START + 20001, &rng);
    assert_false(gate_shut(&g));
    assert_int_equal(gate_wait_ms(&g, START + 20001), 0);
}

static void an_answer_between_keeps_it_open(void **state)
{
    struct gate g = { 0 };
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1);
    for (int i = 0; i < 100; i++) {
        gate_begin(&g, START);
        gate_end(&g, i % GATE_AWAY_AFTER ? GATE_AWAY : GATE_ANSWERED, START, &rng);
        assert_false(gate_shut(&g));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_until_throttled),
        cmocka_unit_test(throttling_halves),
        cmocka_unit_test(never_below_the_least),
        cmocka_unit_test(shuts_after_failures),
        cmocka_unit_test(an_answer_between_keeps_it_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
