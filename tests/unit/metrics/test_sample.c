#include "support/check.h"

#include "metrics/internal.h"

#define HEAD                                                                          \
    "Inter-|   Receive                            |  Transmit\n"                      \
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes packets" \
    " errs drop fifo colls carrier compressed\n"

static void test_net_dev(void **state)
{
    struct metrics_sample s = { 0 };

    (void)state;
    assert_true(metrics_net_dev(
        &s, str_of(HEAD "    lo: 5 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n"
                        "  eth0:     736       8    1    2    0     0          0         0"
                        "       90      3    4    5    0     0       0          0\n"
                        " tunl0: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n"
                        "  eth1:18446744073709551615 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n")));
    assert_int_equal(s.n_interfaces, 2);
    assert_string_equal(s.interfaces[0].name, "eth0");
    assert_int_equal(s.interfaces[0].rx_bytes, 736);
    assert_int_equal(s.interfaces[0].rx_packets, 8);
    assert_int_equal(s.interfaces[0].rx_errors, 1);
    assert_int_equal(s.interfaces[0].rx_dropped, 2);
    assert_int_equal(s.interfaces[0].tx_bytes, 90);
    assert_int_equal(s.interfaces[0].tx_packets, 3);
    assert_int_equal(s.interfaces[0].tx_errors, 4);
    assert_int_equal(s.interfaces[0].tx_dropped, 5);
    assert_string_equal(s.interfaces[1].name, "eth1");
    assert_true(s.interfaces[1].rx_bytes == UINT64_MAX);
    assert_true(metrics_net_dev(&s, str_of(HEAD)));
    assert_int_equal(s.n_interfaces, 0);
    assert_false(metrics_net_dev(&s, str_of("  eth0: 1 2 3\n")));
    metrics_sample_fini(&s);
}

static void test_proc_stat(void **state)
{
    uint64_t ns = 0;
    uint32_t cpus = 0;

    (void)state;
    assert_true(metrics_proc_stat(str_of("cpu  1 2 3 4 5 6 7 800 900 1000\n"
                                         "cpu0 1 1 1 1 1 1 1 1 1 1\ncpu7 1 1 1 1 1 1 1 1 1 1\n"
                                         "intr 9 9 9\ncpu9 not here\n"),
                                  &ns, &cpus));
    assert_int_equal(ns, 280000000); /* 28 ticks: what is stolen does not count */
    assert_int_equal(cpus, 2);
    assert_false(metrics_proc_stat(str_of("intr 1\n"), &ns, &cpus));
    assert_false(metrics_proc_stat(str_of("cpu  1 2 3\n"), &ns, &cpus));
    assert_false(metrics_proc_stat(str_of(""), &ns, &cpus));
}

static void test_used(void **state)
{
    static const struct {
        bool v2;
        uint64_t usage, cache, inactive, want;
    } cases[] = {
        { false, 100, 30, 10, 70 },  { true, 100, 30, 10, 90 }, { false, 100, 100, 0, 100 },
        { false, 100, 101, 0, 100 }, { true, 100, 0, 0, 100 },  { true, 100, 0, 99, 1 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct metrics_sample s = { .v2 = cases[i].v2,
                                          .memory_bytes = cases[i].usage,
                                          .memory_cache = cases[i].cache,
                                          .memory_inactive_file = cases[i].inactive };

        assert_int_equal(metrics_sample_used(&s), cases[i].want);
    }
}

static void fill(struct metrics_sample *s, const char *percpu, const char *io, const char *net)
{
    metrics_sample_reset(s);
    assert_true(metrics_v1_usage_percpu(s, str_of(percpu)));
    assert_true(metrics_v1_io_bytes(s, str_of(io)));
    assert_true(metrics_v1_io_count(s, str_of(io)));
    assert_true(metrics_net_dev(s, str_of(net)));
    s->cpu_ns = 100;
    s->cpu_user_ns = 60;
    s->cpu_system_ns = 40;
    s->throttle_periods = 3;
    s->throttled_periods = 2;
    s->throttled_ns = 1;
    s->memory_bytes = 1000;
    s->memory_fails = 4;
    s->memory_max_bytes = 5000;
    s->oom_kills = 1;
    s->system_ns = 9;
    s->pids = 2;
}

/* What an earlier life used is added; what is a state and not a counter is not. */
static void test_add(void **state)
{
    struct metrics_sample now = { 0 }, earlier = { 0 }, again = { 0 };

    (void)state;
    fill(&earlier, "1 2\n", "8:0 Read 10\n8:0 Total 12\n8:1 Write 7\n",
         "eth0: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n");
    fill(&now, "10 20 30\n", "8:2 Write 1\n8:0 Read 100\n8:0 Total 120\n",
         "eth0: 10 20 30 40 0 0 0 0 50 60 70 80 0 0 0 0\n");
    now.memory_max_bytes = 4000;
    metrics_sample_add(&now, &earlier);
    assert_int_equal(now.cpu_ns, 200);
    assert_int_equal(now.cpu_user_ns, 120);
    assert_int_equal(now.cpu_system_ns, 80);
    assert_int_equal(now.percpu_ns[0], 11);
    assert_int_equal(now.percpu_ns[1], 22);
    assert_int_equal(now.percpu_ns[2], 30);
    assert_int_equal(now.throttle_periods, 6);
    assert_int_equal(now.throttled_periods, 4);
    assert_int_equal(now.throttled_ns, 2);
    assert_int_equal(now.memory_bytes, 1000);
    assert_int_equal(now.memory_fails, 8);
    assert_int_equal(now.memory_max_bytes, 5000);
    assert_int_equal(now.oom_kills, 2);
    assert_int_equal(now.system_ns, 9);
    assert_int_equal(now.pids, 2);
    assert_int_equal(now.n_io, 3);
    assert_int_equal(now.io[1].read_bytes, 110);
    assert_int_equal(now.io[1].other_bytes[3], 132);
    assert_int_equal(now.io[1].reads, 110);
    assert_int_equal(now.io[2].minor, 1);
    assert_int_equal(now.io[2].write_bytes, 7);
    assert_int_equal(now.interfaces[0].rx_bytes, 11);
    assert_int_equal(now.interfaces[0].rx_packets, 22);
    assert_int_equal(now.interfaces[0].rx_errors, 33);
    assert_int_equal(now.interfaces[0].rx_dropped, 44);
    assert_int_equal(now.interfaces[0].tx_bytes, 55);
    assert_int_equal(now.interfaces[0].tx_packets, 66);
    assert_int_equal(now.interfaces[0].tx_errors, 77);
    assert_int_equal(now.interfaces[0].tx_dropped, 88);

    metrics_sample_copy(&again, &now);
    metrics_sample_fini(&now);
    assert_int_equal(again.n_io, 3);
    assert_int_equal(again.io[2].write_bytes, 7);
    assert_int_equal(again.percpu_ns[2], 30);
    assert_string_equal(again.interfaces[0].name, "eth0");
    assert_int_equal(again.cpu_ns, 200);
    metrics_sample_fini(&again);
    metrics_sample_fini(&earlier);
}

/* Readings after the first few need no memory. */
static void test_reset_keeps_memory(void **state)
{
    struct metrics_sample s = { 0 };
    const void *percpu, *io;

    (void)state;
    fill(&s, "1 2\n", "8:0 Read 10\n", "");
    percpu = s.percpu_ns;
    io = s.io;
    fill(&s, "3 4\n", "8:1 Read 11\n", "");
    assert_ptr_equal(s.percpu_ns, percpu);
    assert_ptr_equal(s.io, io);
    assert_int_equal(s.n_io, 1);
    assert_int_equal(s.io[0].read_bytes, 11);
    metrics_sample_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_net_dev),
        cmocka_unit_test(test_proc_stat),
        cmocka_unit_test(test_used),
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_reset_keeps_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
