#include "support/check.h"

#include "metrics/internal.h"

static void test_cpu_stat(void **state)
{
    struct metrics_sample s = { 0 };

    (void)state;
    assert_true(metrics_v2_cpu_stat(&s, str_of("usage_usec 912345\nuser_usec 800345\n"
                                               "system_usec 112000\nnice_usec 0\nnr_periods 9\n"
                                               "nr_throttled 4\nthrottled_usec 5000\n")));
    assert_int_equal(s.cpu_ns, 912345000);
    assert_int_equal(s.cpu_user_ns, 800345000);
    assert_int_equal(s.cpu_system_ns, 112000000);
    assert_int_equal(s.throttle_periods, 9);
    assert_int_equal(s.throttled_periods, 4);
    assert_int_equal(s.throttled_ns, 5000000);
    /* Without the cpu controller there is no throttling. */
    metrics_sample_reset(&s);
    assert_true(metrics_v2_cpu_stat(&s, str_of("usage_usec 1\nuser_usec 1\nsystem_usec 0\n")));
    assert_int_equal(s.cpu_ns, 1000);
    assert_int_equal(s.throttled_ns, 0);
    assert_false(metrics_v2_cpu_stat(&s, str_of("user_usec 1\n")));
}

static void test_memory(void **state)
{
    struct metrics_sample s = { 0 };

    (void)state;
    assert_true(metrics_memory_limit(&s, str_of("max\n")));
    assert_true(s.memory_limit == UINT64_MAX);
    assert_true(metrics_memory_limit(&s, str_of("536870912\n")));
    assert_int_equal(s.memory_limit, 536870912);
    assert_true(metrics_v2_memory_events(
        &s, str_of("low 0\nhigh 0\nmax 130\noom 3\noom_kill 2\noom_group_kill 0\n")));
    assert_int_equal(s.memory_fails, 3);
    assert_int_equal(s.oom_kills, 2);
    assert_true(metrics_memory_stat(&s, str_of("anon 41943040\ninactive_file 10485760\n")));
    assert_int_equal(s.memory_inactive_file, 10485760);
    assert_int_equal(s.memory_cache, 0);
    assert_false(metrics_v2_memory_events(&s, str_of("")));
    metrics_sample_fini(&s);
}

static void test_io_stat(void **state)
{
    struct metrics_sample s = { 0 };

    (void)state;
    assert_true(metrics_v2_io_stat(
        &s, str_of("259:0 rbytes=40960 wbytes=8192 rios=5 wios=2 dbytes=1 dios=1\n"
                   "254:1 \n"
                   "7:0 7:1 8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0 cost.usage=7\n")));
    assert_int_equal(s.n_io, 2);
    assert_int_equal(s.io[0].major, 259);
    assert_int_equal(s.io[0].read_bytes, 40960);
    assert_int_equal(s.io[0].write_bytes, 8192);
    assert_int_equal(s.io[0].reads, 5);
    assert_int_equal(s.io[0].writes, 2);
    assert_int_equal(s.io[1].major, 8);
    assert_int_equal(s.io[1].writes, 4);
    metrics_sample_fini(&s);
    assert_true(metrics_v2_io_stat(&s, str_of("")));
    assert_int_equal(s.n_io, 0);
}

static void test_pressure(void **state)
{
    struct metrics_sample s = { 0 };

    (void)state;
    assert_false(metrics_v2_cpu_pressure(&s, str_of("")));
    assert_false(s.pressure.known);
    assert_true(
        metrics_v2_cpu_pressure(&s, str_of("some avg10=1.53 avg60=0.00 avg300=0.00 total=151\n"
                                           "full avg10=0.00 avg60=0.00 avg300=0.00 total=99\n")));
    assert_true(
        metrics_v2_memory_pressure(&s, str_of("some avg10=0.00 avg60=0.00 avg300=0.00 total=12\n"
                                              "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n")));
    assert_true(
        metrics_v2_io_pressure(&s, str_of("some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n"
                                          "full avg10=0.00 avg60=0.00 avg300=0.00 total=4\n")));
    assert_true(s.pressure.known);
    assert_int_equal(s.pressure.cpu_some_us, 151);
    assert_int_equal(s.pressure.memory_some_us, 12);
    assert_int_equal(s.pressure.memory_full_us, 7);
    assert_int_equal(s.pressure.io_some_us, 5);
    assert_int_equal(s.pressure.io_full_us, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cpu_stat),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_io_stat),
        cmocka_unit_test(test_pressure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
