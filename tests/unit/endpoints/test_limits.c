#include <stdio.h>
#include <string.h>

#include "endpoints/limits.h"
#include "support/check.h"

#define DEFAULTS (&(const struct limits_args){ .seed = 7 })

static int64_t take(struct limits *l, const char *who, const char *path, int64_t now_ms)
{
    return limits_take(l, str_of(who), str_of(path), now_ms);
}

/* So many in a row are let through. */
static int run_of(struct limits *l, const char *who, const char *path, int64_t now_ms)
{
    int n = 0;

    while (n < 1000 && take(l, who, path, now_ms) == 0)
        n++;
    return n;
}

static void test_a_burst_then_the_rate(void **state)
{
    struct limits *l = limits_create(DEFAULTS);

    (void)state;
    assert_string_equal(limits_rate_text(l), "40.00");
    assert_int_equal(run_of(l, "10.0.0.1", "/v4/a", 1000), 60);
    assert_int_equal(run_of(l, "10.0.0.1", "/v4/a", 1024), 0);
    assert_int_equal(run_of(l, "10.0.0.1", "/v4/a", 1025), 1);
    assert_int_equal(run_of(l, "10.0.0.1", "/v4/a", 2025), 40);
    assert_int_equal(run_of(l, "10.0.0.1", "/v4/a", 1000000), 60);
    /* A year later it is full, not more, and nothing has overflowed. */
    assert_int_equal(run_of(l, "10.0.0.1", "/v4/a", INT64_C(31536000000)), 60);
    assert_int_equal(run_of(l, "10.0.0.1", "/v4/a", INT64_MAX), 60);
    limits_destroy(l);
}

static void test_refused_ones_cost_nothing(void **state)
{
    struct limits *l = limits_create(DEFAULTS);

    (void)state;
    run_of(l, "a", "/", 0);
    for (int64_t now_ms = 1; now_ms < 25; now_ms++)
        assert_int_equal(take(l, "a", "/", now_ms), 1);
    assert_int_equal(take(l, "a", "/", 25), 0);
    limits_destroy(l);
}

static void test_each_asker_and_each_path_has_its_own(void **state)
{
    struct limits *l = limits_create(DEFAULTS);

    (void)state;
    assert_int_equal(run_of(l, "a", "/x", 5), 60);
    assert_int_equal(run_of(l, "a", "/y", 5), 60);
    assert_int_equal(run_of(l, "b", "/x", 5), 60);
    assert_int_equal(run_of(l, "a", "/x", 5), 0);
    /* The border between the two texts counts. */
    assert_int_equal(run_of(l, "a/", "x", 5), 60);
    limits_destroy(l);
}

static void test_when_to_come_back(void **state)
{
    struct limits *l = limits_create(&(const struct limits_args){ .rate = 1, .burst = 1 });
    struct limits *fast = limits_create(&(const struct limits_args){ .rate = 500, .burst = 2 });

    (void)state;
    assert_string_equal(limits_rate_text(l), "1.00");
    assert_int_equal(take(l, "a", "/", 0), 0);
    assert_int_equal(take(l, "a", "/", 0), 1);
    assert_int_equal(take(l, "a", "/", 999), 1);
    assert_int_equal(take(l, "a", "/", 1000), 0);
    assert_int_equal(run_of(fast, "a", "/", 0), 2);
    assert_int_equal(take(fast, "a", "/", 1), 1);
    assert_int_equal(take(fast, "a", "/", 2), 0);
    limits_destroy(l);
    limits_destroy(fast);
}

static void test_a_clock_that_steps_back_gives_nothing(void **state)
{
    struct limits *l = limits_create(DEFAULTS);

    (void)state;
    assert_int_equal(run_of(l, "a", "/", 5000), 60);
    assert_int_equal(run_of(l, "a", "/", 1000), 0);
    assert_int_equal(run_of(l, "a", "/", 5000), 0);
    assert_int_equal(run_of(l, "a", "/", 5025), 1);
    limits_destroy(l);
}

static void test_settings_that_make_no_sense_are_the_defaults(void **state)
{
    static const struct limits_args args[] = { { .rate = 0, .burst = 5 },
                                               { .rate = 5, .burst = -1 },
                                               { .rate = INT64_MIN, .burst = INT64_MIN } };
    struct limits *l;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(args); i++) {
        l = limits_create(&args[i]);
        assert_string_equal(limits_rate_text(l), "40.00");
        assert_int_equal(run_of(l, "a", "/", 0), 60);
        limits_destroy(l);
    }
    l = limits_create(&(const struct limits_args){ .rate = INT64_MAX, .burst = INT64_MAX });
    assert_int_equal(run_of(l, "a", "/", 0), 1000);
    assert_int_equal(run_of(l, "a", "/", INT64_MAX), 1000);
    limits_destroy(l);
}

static void test_the_table_is_bounded_and_forgets_the_oldest(void **state)
{
    struct limits *l = limits_create(&(const struct limits_args){ .buckets = 100 });
    char path[20];

    (void)state;
    run_of(l, "kept", "/", 0);
    run_of(l, "forgotten", "/", 0);
    for (int i = 0; i < 98 + 50; i++) {
        snprintf(path, sizeof path, "/%d", i);
        assert_int_equal(take(l, "flood", path, 0), 0);
        assert_int_equal(take(l, "kept", "/", 0), 1);
    }
    assert_int_equal(limits_count(l), 100);
    assert_int_equal(take(l, "forgotten", "/", 0), 0);
    limits_destroy(l);
    limits_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_then_the_rate),
        cmocka_unit_test(test_refused_ones_cost_nothing),
        cmocka_unit_test(test_each_asker_and_each_path_has_its_own),
        cmocka_unit_test(test_when_to_come_back),
        cmocka_unit_test(test_a_clock_that_steps_back_gives_nothing),
        cmocka_unit_test(test_settings_that_make_no_sense_are_the_defaults),
        cmocka_unit_test(test_the_table_is_bounded_and_forgets_the_oldest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
