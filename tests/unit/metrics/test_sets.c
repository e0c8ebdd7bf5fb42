#include "support/check.h"

#include <math.h>

#include "metrics/internal.h"

#define SECOND 1000000000LL

static struct metrics_ring ring;

static int setup(void **state)
{
    (void)state;
    ring = (struct metrics_ring){ 0 };
    return 0;
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-6 * (fabs(b) + 1e-9);
}

/* One device, one interface unless `rx` is negative. */
static void add(int64_t at_s, uint64_t cpu_ns, uint64_t memory, uint64_t read, int64_t rx)
{
    struct metrics_io io = { 8, 0, .read_bytes = read, .write_bytes = read * 2 };
    struct metrics_interface net = { .name = "eth0",
                                     .rx_bytes = (uint64_t)rx,
                                     .rx_packets = 2,
                                     .rx_errors = 3,
                                     .rx_dropped = 4,
                                     .tx_bytes = (uint64_t)rx * 10,
                                     .tx_packets = 6,
                                     .tx_errors = 7,
                                     .tx_dropped = 8 };
    struct metrics_sample s = { .cpu_ns = cpu_ns,
                                .memory_bytes = memory,
                                .io = &io,
                                .n_io = 1,
                                .interfaces = &net,
                                .n_interfaces = rx >= 0 };

    metrics_ring_add(&ring, &s, at_s * SECOND, 2);
}

static void test_sets(void **state)
{
    struct metrics_sets s;

    (void)state;
    assert_false(metrics_ring_take(&ring, &s));
    add(100, 0, 10 << 20, 0, 1000);
    assert_false(metrics_ring_take(&ring, &s)); /* one is not enough */
    add(105, 5 * SECOND, (12 << 20) - 1, 4096, 1500);
    add(110, 6 * SECOND, 9 << 20, 8192, 1500);
    assert_true(metrics_ring_take(&ring, &s));

    /* 5 s of one of two processors in 5 s: half of the host */
    assert_int_equal(s.cpu_percent.count, 2);
    assert_true(near(s.cpu_percent.max, 50));
    assert_true(near(s.cpu_percent.min, 10));
    assert_true(near(s.cpu_percent.sum, 60));
    assert_int_equal(s.memory_mib.count, 3);
    assert_true(near(s.memory_mib.max, 11));
    assert_true(near(s.memory_mib.min, 9));
    assert_true(near(s.memory_mib.sum, 30));
    /* counters, not differences */
    assert_int_equal(s.read_bytes.count, 3);
    assert_int_equal(s.read_bytes.min, 0);
    assert_int_equal(s.read_bytes.max, 8192);
    assert_int_equal(s.read_bytes.sum, 12288);
    assert_int_equal(s.read_bytes.overflow_sum, 0);
    assert_int_equal(s.write_bytes.max, 16384);
    assert_true(s.has_network);
    assert_int_equal(s.rx_bytes.sum, 4000);
    assert_int_equal(s.rx_packets.sum, 6);
    assert_int_equal(s.rx_errors.sum, 9);
    assert_int_equal(s.rx_dropped.sum, 12);
    assert_int_equal(s.tx_bytes.sum, 40000);
    assert_int_equal(s.tx_packets.sum, 18);
    assert_int_equal(s.tx_errors.sum, 21);
    assert_int_equal(s.tx_dropped.sum, 24);
    assert_int_equal(s.rx_rate.count, 2);
    assert_true(near(s.rx_rate.max, 100));
    assert_true(near(s.rx_rate.min, 0));
    assert_true(near(s.tx_rate.sum, 1000));

    /* All are taken; the next ones follow from them all the same. */
    assert_false(metrics_ring_take(&ring, &s));
    add(115, 16 * SECOND, 1 << 20, 8193, 1505);
    assert_true(metrics_ring_take(&ring, &s));
    assert_int_equal(s.cpu_percent.count, 1);
    assert_true(near(s.cpu_percent.sum, 100));
    assert_int_equal(s.memory_mib.count, 1);
    assert_int_equal(s.read_bytes.min, 8193);
    assert_true(near(s.rx_rate.sum, 1));
}

static void test_without_network(void **state)
{
    struct metrics_sets s;

    (void)state;
    add(1, 0, 0, 0, -1);
    add(2, 1, 0, 0, -1);
    assert_true(metrics_ring_take(&ring, &s));
    assert_false(s.has_network);
    assert_int_equal(s.rx_bytes.count, 0);
    assert_int_equal(s.rx_rate.count, 0);
    /* It comes later: the rate needs two. */
    add(3, 2, 0, 0, 7);
    assert_true(isnan(metrics_ring_newest(&ring)->rx_rate));
    add(4, 2, 0, 0, 8);
    assert_true(near((double)metrics_ring_newest(&ring)->rx_rate, 1));
    assert_true(metrics_ring_take(&ring, &s));
    assert_int_equal(s.rx_bytes.count, 2);
    assert_int_equal(s.rx_rate.count, 1);
}

/* No time between two: the percentage of before; a counter that fell: none. */
static void test_odd_times(void **state)
{
    const struct metrics_point *p;

    (void)state;
    add(10, 0, 0, 0, 0);
    assert_true(isnan(metrics_ring_newest(&ring)->cpu_percent));
    add(20, 4 * SECOND, 0, 0, 500);
    add(20, 9 * SECOND, 0, 0, 900);
    p = metrics_ring_newest(&ring);
    assert_true(near((double)p->cpu_percent, 20));
    assert_true(near((double)p->rx_rate, 50));
    add(30, 1, 0, 0, 3);
    p = metrics_ring_newest(&ring);
    assert_true(isnan(p->cpu_percent));
    assert_true(isnan(p->rx_rate));
}

static void test_overflow(void **state)
{
    struct metrics_sets s;

    (void)state;
    add(1, 0, 0, 0, 0);
    add(2, 1, 0, (1ULL << 63) + 5, 0); /* 2^63-1 and 6 more */
    assert_true(metrics_ring_take(&ring, &s));
    assert_true(s.read_bytes.max == INT64_MAX);
    assert_int_equal(s.read_bytes.overflow_max, 6);
    assert_int_equal(s.read_bytes.min, 0);
    assert_int_equal(s.read_bytes.overflow_min, 0);
    assert_true(s.read_bytes.sum == INT64_MAX);
    assert_int_equal(s.read_bytes.overflow_sum, 6);
    /* The double of it went around at 2^64. */
    assert_int_equal(s.write_bytes.max, 10);
}

static void test_full_ring(void **state)
{
    struct metrics_sets s;

    (void)state;
    for (int i = 0; i < METRICS_RING * 3 + 5; i++)
        add(i, (uint64_t)i * SECOND, (uint64_t)i << 20, 0, 0);
    assert_true(metrics_ring_take(&ring, &s));
    assert_int_equal(s.memory_mib.count, METRICS_RING);
    assert_true(near(s.memory_mib.max, METRICS_RING * 3 + 4));
    assert_true(near(s.memory_mib.min, METRICS_RING * 2 + 5));
    assert_int_equal(s.cpu_percent.count, METRICS_RING);
    assert_true(near(s.cpu_percent.min, 50) && near(s.cpu_percent.max, 50));
    assert_false(metrics_ring_take(&ring, &s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_sets, setup),
        cmocka_unit_test_setup(test_without_network, setup),
        cmocka_unit_test_setup(test_odd_times, setup),
        cmocka_unit_test_setup(test_overflow, setup),
        cmocka_unit_test_setup(test_full_ring, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
