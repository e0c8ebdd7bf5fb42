#include "unit/base/fixture.h"

#include "base/histogram.h"

static const int64_t bounds[] = { 10, 100 };
static const struct histogram_rule rule = { bounds, COUNT_OF(bounds), 1000 };

static void test_bounds(void **state)
{
    struct histogram h = { .rule = &rule };
    const int64_t values[] = { -5, 0, 10, 11, 100, 101, 1000000 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++)
        histogram_add(&h, values[i]);
    assert_int_equal(h.counts[0], 3); /* a bound is part of what is below it */
    assert_int_equal(h.counts[1], 2);
    assert_int_equal(h.counts[2], 2);
    assert_int_equal(h.sum, 10 + 11 + 100 + 101 + 1000000);
    assert_int_equal(histogram_upto(&h, 0), 3);
    assert_int_equal(histogram_upto(&h, 1), 5);
    assert_int_equal(histogram_upto(&h, 2), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_bounds) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
