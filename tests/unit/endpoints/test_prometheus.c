/* What is counted of requests, and what is told of containers: bounded, and each of them once. */
#include "unit/base/fixture.h"

#include <stdio.h>

#include "base/mem.h"
#include "endpoints/prometheus.h"

static void test_classify(void **state)
{
    static const struct {
        const char *target;
        enum endpoint_kind want;
    } rows[] = {
        { "/v1/credentials?id=x", ENDPOINT_CREDENTIALS },
        { "/v2/credentials/x", ENDPOINT_CREDENTIALS },
        { "/v2/metadata", ENDPOINT_METADATA },
        { "/v2/stats/x", ENDPOINT_STATS },
        { "/v3/x/task", ENDPOINT_METADATA },
        { "/v4/x/task/stats?a=b", ENDPOINT_STATS },
        { "/v4/x?y=/stats", ENDPOINT_METADATA },
        { "/v1/metadata", ENDPOINT_INSTANCE },
        { "/v1/tasks?taskarn=y", ENDPOINT_TASKS },
        { "/api/x/task-protection/v1/state", ENDPOINT_API },
        { "/metrics", ENDPOINT_METRICS },
        { "/", ENDPOINT_OTHER },
        { "", ENDPOINT_OTHER },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_string_equal(endpoint_kind_name(endpoint_classify(str_of(rows[i].target))),
                            endpoint_kind_name(rows[i].want));
}

static void test_count(void **state)
{
    struct endpoint_counts c = { 0 };

    (void)state;
    endpoint_count(&c, str_of("/v2/credentials/x"), 200);
    endpoint_count(&c, str_of("/v2/credentials/x"), 403);
    endpoint_count(&c, str_of("/v2/credentials/x"), 429);
    endpoint_count(&c, str_of("/v4/x"), 429);
    endpoint_count(&c, str_of("/v4/x"), 99);
    endpoint_count(&c, str_of("/v4/x"), 600);
    assert_int_equal(c.replies[ENDPOINT_CREDENTIALS][1], 1);
    assert_int_equal(c.replies[ENDPOINT_CREDENTIALS][3], 2);
    assert_int_equal(c.replies[ENDPOINT_METADATA][3], 1);
    assert_int_equal(c.limited, 2);
    assert_int_equal(c.refused_credentials, 1);
}

static size_t times(const struct buf *b, const char *what)
{
    size_t n = 0;

    for (const char *at = strstr(buf_text(b), what); at; at = strstr(at + 1, what))
        n++;
    return n;
}

static void test_bound(void **state)
{
    static char names[1100][16];
    static struct prometheus_container all[1100];
    struct buf b = BUF_INIT(PROMETHEUS_MAX);
    struct prom p;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        snprintf(names[i], sizeof names[i], "t%zu", i);
        all[i] = (struct prometheus_container){ names[i], "web", "f", .memory_limit = UINT64_MAX };
    }
    prom_init(&p, &b);
    prometheus_write_containers(&p, all, COUNT_OF(all), 1234);
    assert_false(b.overflowed);
    assert_int_equal(times(&b, "\nberth_container_pids{"), PROMETHEUS_CONTAINERS);
    assert_int_equal(times(&b, "\nberth_containers_left_out 234\n"), 1);
    /* What a container does not have is not told, nor is a family without any. */
    assert_int_equal(times(&b, "memory_limit"), 0);
    assert_int_equal(times(&b, "network"), 0);
    assert_int_equal(times(&b, "pressure"), 0);
    buf_fini(&b);
}

static void test_values(void **state)
{
    struct prometheus_container all[] = {
        { "t2", "b", "f\"", .cpu_ns = 1500000000, .has_network = true, .rx_bytes = 7 },
        { "t1", "a\\", "f", .memory_limit = 64, .has_pressure = true, .io_pressure_us = 250000 },
        { "t2", "b", "again", .cpu_ns = 1 },
    };
    struct buf b = BUF_INIT(PROMETHEUS_MAX);
    struct prom p;

    (void)state;
    prom_init(&p, &b);
    prometheus_write_containers(&p, all, COUNT_OF(all), COUNT_OF(all));
    assert_int_equal(times(&b, "berth_containers_left_out 1\n"), 1);
    assert_int_equal(times(&b, "berth_container_pids{"), 2);
    assert_int_equal(
        times(&b, "memory_limit_bytes{task=\"t1\",container=\"a\\\\\",family=\"f\"} 64\n"), 1);
    assert_int_equal(times(&b, "io_pressure_seconds_total{task=\"t1\",container=\"a\\\\\","
                               "family=\"f\"} 0.25\n"),
                     1);
    assert_int_equal(times(&b, "receive_bytes_total{task=\"t2\",container=\"b\""), 1);
    assert_int_equal(times(&b, "receive_bytes_total{task=\"t1\""), 0);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classify),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
