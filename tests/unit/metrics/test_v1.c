#include "support/check.h"

#include "metrics/internal.h"

static void test_usage(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t want;
    } cases[] = {
        { "3095792790\n", true, 3095792790 },
        { "18446744073709551615\n", true, UINT64_MAX },
        { "0\n", true, 0 },
        { "18446744073709551616\n", false, 7 },
        { "", false, 7 },
        { "\n", false, 7 },
        { "-1\n", false, 7 },
        { "12 13\n", false, 7 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct metrics_sample s = { .cpu_ns = 7 };

        assert_int_equal(metrics_v1_usage(&s, str_of(cases[i].text)), cases[i].good);
        assert_int_equal(s.cpu_ns, cases[i].want);
    }
}

static void test_percpu(void **state)
{
    struct metrics_sample s = { 0 };

    (void)state;
    assert_true(metrics_v1_usage_percpu(&s, str_of("1106456877 1989335913 \n")));
    assert_int_equal(s.n_percpu, 2);
    assert_int_equal(s.percpu_ns[0], 1106456877);
    assert_int_equal(s.percpu_ns[1], 1989335913);
    /* Processors come and go. */
    assert_true(metrics_v1_usage_percpu(&s, str_of("1 2 3 4 5\n")));
    assert_int_equal(s.n_percpu, 5);
    assert_int_equal(s.percpu_ns[4], 5);
    assert_false(metrics_v1_usage_percpu(&s, str_of("1 x\n")));
    assert_false(metrics_v1_usage_percpu(&s, str_of("\n")));
    metrics_sample_fini(&s);
}

static void test_percpu_bound(void **state)
{
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    struct metrics_sample s = { 0 };

    (void)state;
    for (int i = 0; i < METRICS_CPUS + 50; i++)
        buf_printf(&text, "%d ", i);
    assert_true(metrics_v1_usage_percpu(&s, buf_str(&text)));
    assert_int_equal(s.n_percpu, METRICS_CPUS);
    metrics_sample_fini(&s);
}

static void test_cpuacct_stat(void **state)
{
    struct metrics_sample s = { 0 };

    (void)state;
    assert_true(metrics_v1_cpuacct_stat(&s, str_of("user 308\nsystem 1\n")));
    assert_int_equal(s.cpu_user_ns, 3080000000);
    assert_int_equal(s.cpu_system_ns, 10000000);
    assert_false(metrics_v1_cpuacct_stat(&s, str_of("user 308\n")));
}

static void test_cpu_stat(void **state)
{
    struct metrics_sample s = { 0 };

    (void)state;
    assert_true(metrics_v1_cpu_stat(&s, str_of("nr_periods 40\nnr_throttled 21\n"
                                               "throttled_time 1234567890123\nnr_bursts 0\n"
                                               "burst_time 0\n")));
    assert_int_equal(s.throttle_periods, 40);
    assert_int_equal(s.throttled_periods, 21);
    assert_int_equal(s.throttled_ns, 1234567890123);
    assert_false(metrics_v1_cpu_stat(&s, str_of("")));
}

static void test_memory(void **state)
{
    struct metrics_sample s = { 0 };

    (void)state;
    assert_true(metrics_memory_usage(&s, str_of("33124352\n")));
    assert_true(metrics_memory_max(&s, str_of("34033664\n")));
    assert_true(metrics_memory_limit(&s, str_of("9223372036854771712\n")));
    assert_true(metrics_memory_fails(&s, str_of("3\n")));
    assert_true(metrics_memory_stat(&s, str_of("cache 31457280\nrss 49152\n"
                                               "inactive_file 4096\nhierarchical_memsw_limit "
                                               "536870912\ntotal_cache 7\nbad\nworse x\n")));
    assert_true(
        metrics_v1_oom_control(&s, str_of("oom_kill_disable 0\nunder_oom 1\noom_kill 2\n")));
    assert_int_equal(s.memory_bytes, 33124352);
    assert_int_equal(s.memory_max_bytes, 34033664);
    assert_int_equal(s.memory_limit, 9223372036854771712);
    assert_int_equal(s.memory_fails, 3);
    assert_int_equal(s.memory_cache, 31457280);
    assert_int_equal(s.memory_inactive_file, 4096);
    assert_int_equal(s.n_memory_stat, 5);
    assert_string_equal(s.memory_stat[4].name, "total_cache");
    assert_int_equal(s.memory_stat[4].value, 7);
    assert_int_equal(s.oom_kills, 2);
    /* An old kernel does not count them. */
    assert_true(metrics_v1_oom_control(&s, str_of("oom_kill_disable 0\nunder_oom 0\n")));
    assert_false(metrics_memory_stat(&s, str_of("")));
    metrics_sample_fini(&s);
}

static void test_pids(void **state)
{
    struct metrics_sample s = { 0 };

    (void)state;
    assert_true(metrics_pids_current(&s, str_of("12\n")));
    assert_true(metrics_pids_limit(&s, str_of("max\n")));
    assert_int_equal(s.pids, 12);
    assert_true(s.pids_limit == UINT64_MAX);
    assert_true(metrics_pids_limit(&s, str_of("100\n")));
    assert_int_equal(s.pids_limit, 100);
    assert_false(metrics_pids_limit(&s, str_of("maximum\n")));
}

static void test_io(void **state)
{
    static const char bytes[] = "254:0 Read 21430272\n254:0 Write 20971520\n254:0 Sync 42401792\n"
                                "254:0 Async 5\n254:0 Discard 6\n254:0 Total 42401792\n"
                                "8:16 Read 1\nTotal 42401793\n";
    static const char counts[] = "254:0 Read 92\n254:0 Write 40\n254:0 Sync 132\n9:1 Write 3\n"
                                 "Total 135\n";
    struct metrics_sample s = { 0 };

    (void)state;
    assert_true(metrics_v1_io_bytes(&s, str_of(bytes)));
    assert_true(metrics_v1_io_count(&s, str_of(counts)));
    assert_int_equal(s.n_io, 3);
    assert_int_equal(s.io[0].major, 254);
    assert_int_equal(s.io[0].minor, 0);
    assert_int_equal(s.io[0].read_bytes, 21430272);
    assert_int_equal(s.io[0].write_bytes, 20971520);
    assert_int_equal(s.io[0].other_bytes[0], 42401792);
    assert_int_equal(s.io[0].other_bytes[1], 5);
    assert_int_equal(s.io[0].other_bytes[2], 6);
    assert_int_equal(s.io[0].other_bytes[3], 42401792);
    assert_int_equal(s.io[0].reads, 92);
    assert_int_equal(s.io[0].writes, 40);
    assert_int_equal(s.io[0].others[0], 132);
    assert_int_equal(s.io[1].minor, 16);
    assert_int_equal(s.io[1].read_bytes, 1);
    assert_int_equal(s.io[2].writes, 3);
    metrics_sample_fini(&s);

    assert_true(metrics_v1_io_bytes(&s, str_of("Total 0\n")));
    assert_int_equal(s.n_io, 0);
    metrics_sample_fini(&s);
}

static void test_io_bound(void **state)
{
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    struct metrics_sample s = { 0 };

    (void)state;
    for (int i = 0; i < METRICS_DEVICES * 2; i++)
        buf_printf(&text, "8:%d Read %d\n", i, i);
    assert_true(metrics_v1_io_bytes(&s, buf_str(&text)));
    assert_int_equal(s.n_io, METRICS_DEVICES);
    assert_int_equal(s.io[METRICS_DEVICES - 1].read_bytes, METRICS_DEVICES - 1);
    metrics_sample_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usage),        cmocka_unit_test(test_percpu),
        cmocka_unit_test(test_percpu_bound), cmocka_unit_test(test_cpuacct_stat),
        cmocka_unit_test(test_cpu_stat),     cmocka_unit_test(test_memory),
        cmocka_unit_test(test_pids),         cmocka_unit_test(test_io),
        cmocka_unit_test(test_io_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
