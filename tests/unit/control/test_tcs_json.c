/* What telemetry tells of tasks, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "control/tcs_json.h"

#define WEB7   "\"taskDefinitionFamily\":\"web\",\"taskDefinitionVersion\":\"7\","
#define TASK   "{\"taskArn\":\"T1\"," WEB7
#define CPU    "\"cpuStatsSet\":{\"max\":3.25,\"min\":0.5,\"sampleCount\":19,\"sum\":24.75}"
#define MEMORY "\"memoryStatsSet\":{\"max\":181,\"min\":179,\"sampleCount\":20,\"sum\":3602}"

static const struct tcs_task task = { "T1", "web", "7" };

static struct tcs_container_metric container(const char *name)
{
    return (struct tcs_container_metric){ .name = name,
                                          .cpu_percent = { 0.5, 3.25, 24.75, 19 },
                                          .memory_mib = { 179, 181, 3602, 20 } };
}

static void want_ints(struct buf *b, const char *name, int max, int min, int count, int sum,
                      const char *tail)
{
    buf_printf(b,
               "\"%s\":{\"max\":%d,\"min\":%d,\"overflowMax\":0,\"overflowMin\":0,"
               "\"overflowSum\":0,\"sampleCount\":%d,\"sum\":%d}%s",
               name, max, min, count, sum, tail);
}

static void test_a_container_in_full(void **state)
{
    struct tcs_container_metric c = container("app");
    AUTO(buf) struct buf b = BUF_INIT(4096);
    AUTO(buf) struct buf want = BUF_INIT(4096);

    (void)state;
    c.read_bytes = (struct tcs_int_set){ .min = 4096, .max = 4096, .sum = 81920, .count = 20 };
    c.write_bytes = (struct tcs_int_set){ .count = 20 };
    c.has_network = true;
    c.rx_bytes = (struct tcs_int_set){ .min = 8000, .max = 9000, .sum = 17000, .count = 2 };
    c.rx_dropped = c.rx_errors = c.rx_packets = c.rx_bytes;
    c.tx_bytes = c.tx_dropped = c.tx_errors = c.tx_packets = c.rx_bytes;
    c.rx_rate = (struct tcs_float_set){ 100, 100, 100, 1 };
    c.tx_rate = (struct tcs_float_set){ 0.5, 285.1590270996094, 669.1962356567383, 19 };
    c.has_restarts = true;
    c.restarts = 3;
    assert_true(tcs_json_metrics(&b, &task, &c, 1));

    buf_puts(&want, TASK "\"containerMetrics\":[{\"containerName\":\"app\",");
    buf_puts(&want, CPU "," MEMORY ",\"storageStatsSet\":{");
    want_ints(&want, "readSizeBytes", 4096, 4096, 20, 81920, ",");
    want_ints(&want, "writeSizeBytes", 0, 0, 20, 0, "},\"networkStatsSet\":{");
    for (size_t i = 0; i < 2; i++) {
        static const char *const names[2][5] = {
            { "rxBytes", "rxBytesPerSecond", "rxDropped", "rxErrors", "rxPackets" },
            { "txBytes", "txBytesPerSecond", "txDropped", "txErrors", "txPackets" }
        };

        want_ints(&want, names[i][0], 9000, 8000, 2, 17000, ",");
        buf_printf(&want, "\"%s\":{%s},", names[i][1],
                   i == 0 ? "\"max\":100,\"min\":100,\"sampleCount\":1,\"sum\":100"
                          : "\"max\":285.1590270996094,\"min\":0.5,\"sampleCount\":19,"
                            "\"sum\":669.1962356567383");
        want_ints(&want, names[i][2], 9000, 8000, 2, 17000, ",");
        want_ints(&want, names[i][3], 9000, 8000, 2, 17000, ",");
        want_ints(&want, names[i][4], 9000, 8000, 2, 17000, i == 0 ? "," : "}");
    }
    buf_puts(&want, ",\"restartStatsSet\":{\"restartCount\":3}}]}");
    assert_string_equal(buf_text(&b), buf_text(&want));
}

static void test_what_is_not_known_is_left_out(void **state)
{
    struct tcs_container_metric c[3] = { container("a"), container("b"), container("c") };
    AUTO(buf) struct buf b = BUF_INIT(4096);
    AUTO(buf) struct buf want = BUF_INIT(4096);
    AUTO(buf) struct buf tiny = BUF_INIT(100);

    (void)state;
    c[0].cpu_percent.count = 0; /* the whole container, then */
    c[1].rx_bytes.count = 1;    /* but it has no network of its own */
    c[1].has_restarts = true;   /* none is worth telling */
    c[2].memory_mib.sum = NAN;
    assert_true(tcs_json_metrics(&b, &task, c, 3));
    assert_string_equal(buf_text(&b), TASK "\"containerMetrics\":[{\"containerName\":\"b\"," CPU
                                           "," MEMORY ",\"restartStatsSet\":{\"restartCount\":0}"
                                           "}]}");
    c[1].cpu_percent.max = INFINITY;
    assert_false(tcs_json_metrics(&b, &task, c, 3));
    assert_false(tcs_json_metrics(&b, &task, c, 0));
    c[2] = container("c");
    assert_false(tcs_json_metrics(&tiny, &task, c, 3));

    /* A first reading has no rate yet. */
    c[2].has_network = true;
    c[2].rx_bytes = (struct tcs_int_set){ .min = 1, .max = 1, .sum = 1, .count = 1 };
    assert_true(tcs_json_metrics(&b, &task, c, 3));
    buf_puts(&want, "\"networkStatsSet\":{");
    want_ints(&want, "rxBytes", 1, 1, 1, 1, "}}]}");
    assert_non_null(strstr(buf_text(&b), buf_text(&want)));
}

static void test_numbers(void **state)
{
    const struct {
        double number;
        const char *text;
    } cases[] = {
        { 0, "\"sum\":0}" },
        { 0.1, "\"sum\":0.1}" },
        { 15.12052990088705, "\"sum\":15.12052990088705}" },
        { 0.921804666519165, "\"sum\":0.921804666519165}" },
        { 0.1 + 0.2, "\"sum\":0.30000000000000004}" },
        { 21474836480, "\"sum\":21474836480}" },
        { 1e300, "\"sum\":1e+300}" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct tcs_container_metric c = container("app");
        AUTO(buf) struct buf b = BUF_INIT(4096);

        c.memory_mib.sum = cases[i].number;
        assert_true(tcs_json_metrics(&b, &task, &c, 1));
        assert_non_null(strstr(buf_text(&b), cases[i].text));
    }
}

static void test_overflow(void **state)
{
    struct tcs_container_metric c = container("app");
    AUTO(buf) struct buf b = BUF_INIT(4096);

    (void)state;
    c.read_bytes = (struct tcs_int_set){ .min = 1,
                                         .max = INT64_MAX,
                                         .sum = INT64_MAX,
                                         .count = 2,
                                         .overflow_max = 6,
                                         .overflow_sum = 7 };
    assert_true(tcs_json_metrics(&b, &task, &c, 1));
    assert_non_null(strstr(buf_text(&b),
                           "\"storageStatsSet\":{\"readSizeBytes\":{\"max\":9223372036854775807,"
                           "\"min\":1,\"overflowMax\":6,\"overflowMin\":0,\"overflowSum\":7,"
                           "\"sampleCount\":2,\"sum\":9223372036854775807}}"));
}

static void test_health(void **state)
{
    const struct tcs_container_health c[] = { { "app", TCS_HEALTH_GOOD, 1767323060500 },
                                              { "db", TCS_HEALTH_BAD, 1767323060000 },
                                              { "new", TCS_HEALTH_UNKNOWN, 0 } };
    AUTO(buf) struct buf b = BUF_INIT(4096);
    AUTO(buf) struct buf tiny = BUF_INIT(50);

    (void)state;
    assert_true(tcs_json_health(&b, &task, 1767323065010, c, COUNT_OF(c)));
    assert_string_equal(
        buf_text(&b),
        TASK "\"containers\":["
             "{\"containerName\":\"app\",\"healthStatus\":\"HEALTHY\",\"statusSince\":"
             "1767323060.5},"
             "{\"containerName\":\"db\",\"healthStatus\":\"UNHEALTHY\",\"statusSince\":1767323060},"
             "{\"containerName\":\"new\",\"healthStatus\":\"UNKNOWN\",\"statusSince\":"
             "1767323065.01}]}");
    assert_false(tcs_json_health(&b, &task, 0, c, 0));
    assert_false(tcs_json_health(&tiny, &task, 0, c, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_container_in_full),
        cmocka_unit_test(test_what_is_not_known_is_left_out),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_health),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
