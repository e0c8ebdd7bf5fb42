#include "support/check.h"

#include <math.h>
#include <stdio.h>

#include "metrics/internal.h"

static void check(const struct metrics_stats *stats, const char *want)
{
    AUTO(buf) struct buf text = BUF_INIT(65536);
    struct jw w;

    jw_init(&w, &text);
    metrics_write_docker(stats, &w);
    assert_string_equal(buf_text(&text), want);
}

#define EMPTY_LISTS(value)                                                  \
    "\"io_queue_recursive\":" value ",\"io_service_time_recursive\":" value \
    ",\"io_wait_time_recursive\":" value ",\"io_merged_recursive\":" value  \
    ",\"io_time_recursive\":" value ",\"sectors_recursive\":" value "}"
#define NO_THROTTLING \
    "\"throttling_data\":{\"periods\":0,\"throttled_periods\":0,\"throttled_time\":0}}"

static void test_v2(void **state)
{
    struct metrics_io io = { 259, 0, .read_bytes = 40960, .write_bytes = 8192 };
    struct metrics_interface net = { "eth0", 8412, 71, 1, 2, 5120, 55, 3, 4 };
    struct metrics_stat stat[] = { { "anon", 41943040 },
                                   { "a_new_one", 1 },
                                   { "inactive_file", 10485760 } };
    struct metrics_sample before = { .wall_ns = 1741065000120000000,
                                     .v2 = true,
                                     .cpu_ns = 911000000,
                                     .cpu_user_ns = 799200000,
                                     .cpu_system_ns = 111800000,
                                     .system_ns = 88121450000000,
                                     .online_cpus = 2 };
    struct metrics_sample now = { .wall_ns = 1741065001123456789,
                                  .v2 = true,
                                  .cpu_ns = 912345000,
                                  .cpu_user_ns = 800345000,
                                  .cpu_system_ns = 112000000,
                                  .system_ns = 88123450000000,
                                  .online_cpus = 2,
                                  .throttle_periods = 5,
                                  .throttled_periods = 4,
                                  .throttled_ns = 3000,
                                  .memory_bytes = 73400320,
                                  .memory_max_bytes = 99999999,
                                  .memory_limit = 536870912,
                                  .memory_stat = stat,
                                  .n_memory_stat = COUNT_OF(stat),
                                  .pids = 9,
                                  .pids_limit = UINT64_MAX,
                                  .io = &io,
                                  .n_io = 1,
                                  .interfaces = &net,
                                  .n_interfaces = 1 };

    (void)state;
    check(&(struct metrics_stats){ .id = "3b9c01d2",
                                   .name = "/ecs-orders",
                                   .now = &now,
                                   .before = &before,
                                   .rates = true,
                                   .rx_rate = 12.4f },
          "{\"read\":\"2025-03-04T05:10:01.123456789Z\",\"preread\":\"2025-03-04T05:10:00.12Z\","
          "\"pids_stats\":{\"current\":9,\"limit\":18446744073709551615},"
          "\"blkio_stats\":{\"io_service_bytes_recursive\":["
          "{\"major\":259,\"minor\":0,\"op\":\"read\",\"value\":40960},"
          "{\"major\":259,\"minor\":0,\"op\":\"write\",\"value\":8192}],"
          "\"io_serviced_recursive\":null," EMPTY_LISTS(
              "null") ","
                      "\"num_procs\":0,\"storage_stats\":{},"
                      "\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":912345000,"
                      "\"usage_in_kernelmode\":112000000,\"usage_in_usermode\":800345000},"
                      "\"system_cpu_usage\":88123450000000,\"online_cpus\":2,"
                      "\"throttling_data\":{\"periods\":5,\"throttled_periods\":4,\"throttled_"
                      "time\":3000}},"
                      "\"precpu_stats\":{\"cpu_usage\":{\"total_usage\":911000000,"
                      "\"usage_in_kernelmode\":111800000,\"usage_in_usermode\":799200000},"
                      "\"system_cpu_usage\":88121450000000,\"online_cpus\":2," NO_THROTTLING ","
                      "\"memory_stats\":{\"usage\":73400320,\"stats\":{\"active_anon\":0,\"active_"
                      "file\":0,"
                      "\"anon\":41943040,\"anon_thp\":0,\"file\":0,\"file_dirty\":0,\"file_"
                      "mapped\":0,"
                      "\"file_writeback\":0,\"inactive_anon\":0,\"inactive_file\":10485760,"
                      "\"kernel_stack\":0,\"pgactivate\":0,\"pgdeactivate\":0,\"pgfault\":0,"
                      "\"pglazyfree\":0,\"pglazyfreed\":0,\"pgmajfault\":0,\"pgrefill\":0,"
                      "\"pgscan\":0,"
                      "\"pgsteal\":0,\"shmem\":0,\"slab\":0,\"slab_reclaimable\":0,"
                      "\"slab_unreclaimable\":0,\"sock\":0,\"thp_collapse_alloc\":0,"
                      "\"thp_fault_alloc\":0,\"unevictable\":0,\"workingset_activate\":0,"
                      "\"workingset_nodereclaim\":0,\"workingset_refault\":0},\"limit\":536870912},"
                      "\"name\":\"/ecs-orders\",\"id\":\"3b9c01d2\",\"networks\":{\"eth0\":{"
                      "\"rx_bytes\":8412,\"rx_packets\":71,\"rx_errors\":1,\"rx_dropped\":2,"
                      "\"tx_bytes\":5120,\"tx_packets\":55,\"tx_errors\":3,\"tx_dropped\":4}},"
                      "\"network_rate_stats\":{\"rx_bytes_per_sec\":12.4,\"tx_bytes_per_sec\":0}}");
}

#define ENTRY(op, value) "{\"major\":8,\"minor\":0,\"op\":\"" op "\",\"value\":" value "}"
#define BYTES                                                                        \
    "[" ENTRY("Read", "1") "," ENTRY("Write", "2") "," ENTRY("Sync", "5") "," ENTRY( \
        "Async", "6") "," ENTRY("Discard", "7") "," ENTRY("Total", "8") "]"
#define COUNTS                                                                       \
    "[" ENTRY("Read", "3") "," ENTRY("Write", "4") "," ENTRY("Sync", "9") "," ENTRY( \
        "Async", "10") "," ENTRY("Discard", "11") "," ENTRY("Total", "12") "]"

/* The first reading of version 1, without a network: what is not known is left out. */
static void test_v1_first(void **state)
{
    struct metrics_io io = { 8,
                             0,
                             .read_bytes = 1,
                             .write_bytes = 2,
                             .reads = 3,
                             .writes = 4,
                             .other_bytes = { 5, 6, 7, 8 },
                             .others = { 9, 10, 11, 12 } };
    uint64_t percpu[] = { 3, 4 };
    struct metrics_sample now = { .wall_ns = 1741065000000000000,
                                  .cpu_ns = 7,
                                  .percpu_ns = percpu,
                                  .n_percpu = 2,
                                  .memory_bytes = 5,
                                  .memory_max_bytes = 6,
                                  .memory_fails = 1,
                                  .pids_limit = UINT64_MAX,
                                  .io = &io,
                                  .n_io = 1 };
    const struct metrics_stats stats = {
        .id = "x", .name = "/x", .now = &now, .rates = true, .rx_rate = NAN, .tx_rate = NAN
    };

    (void)state;
    check(&stats,
          "{\"read\":\"2025-03-04T05:10:00Z\",\"preread\":\"0001-01-01T00:00:00Z\","
          "\"pids_stats\":{},"
          "\"blkio_stats\":{\"io_service_bytes_recursive\":" BYTES ","
          "\"io_serviced_recursive\":" COUNTS "," EMPTY_LISTS(
              "[]") ","
                    "\"num_procs\":0,\"storage_stats\":{},"
                    "\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":7,\"percpu_usage\":[3,4],"
                    "\"usage_in_kernelmode\":0,\"usage_in_usermode\":0}," NO_THROTTLING ","
                    "\"precpu_stats\":{\"cpu_usage\":{\"total_usage\":0,"
                    "\"usage_in_kernelmode\":0,\"usage_in_usermode\":0}," NO_THROTTLING ","
                    "\"memory_stats\":{\"usage\":5,\"max_usage\":6,\"failcnt\":1},"
                    "\"name\":\"/x\",\"id\":\"x\"}");
}

/* Rates are 32-bit numbers in their shortest form, integral ones without a point. */
static void test_rates(void **state)
{
    static const struct {
        float rate;
        const char *want;
    } cases[] = {
        { 2, "2" },          { 0.25f, "0.25" },          { 12.4f, "12.4" },
        { 1e6f, "1000000" }, { 1234567, "1234567" },     { 125829120, "125829120" },
        { 0.1f, "0.1" },     { 1.0f / 3, "0.33333334" }, { 999999.94f, "999999.94" },
    };
    struct metrics_sample now = { .pids_limit = UINT64_MAX };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(buf) struct buf text = BUF_INIT(65536);
        char want[100];
        struct jw w;

        snprintf(want, sizeof want,
                 "\"network_rate_stats\":{\"rx_bytes_per_sec\":%s,\"tx_bytes_per_sec\":1}}",
                 cases[i].want);
        jw_init(&w, &text);
        metrics_write_docker(
            &(struct metrics_stats){
                .now = &now, .rates = true, .rx_rate = cases[i].rate, .tx_rate = 1 },
            &w);
        if (!strstr(buf_text(&text), want))
            fail_msg("%s: %s", want, buf_text(&text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v2),
        cmocka_unit_test(test_v1_first),
        cmocka_unit_test(test_rates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
