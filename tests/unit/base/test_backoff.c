#include "unit/base/fixture.h"

#include "base/backoff.h"

static void test_growth(void **state)
{
    static const struct backoff_rule rule = { 1000, 130, 2000, 0 };
    static const int64_t want[] = { 1000, 1300, 1690, 2000, 2000, 2000 };
    struct backoff b = { 0 };
    struct rng r;

    (void)state;
    rng_seed(&r, 1);
    for (size_t i = 0; i < COUNT_OF(want); i++)
        assert_int_equal(backoff_next(&b, &rule, &r), want[i]);
    backoff_reset(&b);
    assert_int_equal(backoff_next(&b, &rule, &r), 1000);
}

/* Jitter is added to the delay, never part of its growth. */
static void test_jitter(void **state)
{
    static const struct backoff_rule rule = { 1000, 100, 1000, 20 };
    int64_t least = INT64_MAX, most = 0;
    struct backoff b = { 0 };
    struct rng r;

    (void)state;
    rng_seed(&r, 2);
    for (int i = 0; i < 2000; i++) {
        int64_t d = backoff_next(&b, &rule, &r);

        least = d < least ? d : least;
        most = d > most ? d : most;
    }
    assert_in_range(least, 1000, 1010);
    assert_in_range(most, 1190, 1199);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_growth),
                                        cmocka_unit_test(test_jitter) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
