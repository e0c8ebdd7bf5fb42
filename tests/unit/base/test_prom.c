#include "unit/base/fixture.h"

#include <math.h>

#include "base/prom.h"

static void check(const struct buf *b, const char *want)
{
    assert_string_equal(buf_text(b), want);
}

static void test_families(void **state)
{
    struct buf b = BUF_INIT(4096);
    const struct prom_label labels[] = { { "operation", "stop" }, { "result", NULL } };
    struct prom p;

    (void)state;
    prom_init(&p, &b);
    prom_counter(&p, "a_total", "Of \"a\"\\\nand more.", UINT64_MAX);
    prom_family(&p, "b", PROM_GAUGE, "B.");
    prom_sample(&p, labels, 2, 0.25);
    prom_count(&p, labels, 1, 7);
    check(&b, "# HELP a_total Of \"a\"\\\\\\nand more.\n"
              "# TYPE a_total counter\n"
              "a_total 18446744073709551615\n"
              "# HELP b B.\n"
              "# TYPE b gauge\n"
              "b{operation=\"stop\",result=\"\"} 0.25\n"
              "b{operation=\"stop\"} 7\n");
    buf_fini(&b);
}

static void test_label_values(void **state)
{
    static const struct {
        const char *value, *want;
    } rows[] = {
        { "plain", "plain" },
        { "a\"b", "a\\\"b" },
        { "a\\b\nc", "a\\\\b\\nc" },
        { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xb3", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xb3" },
        { "\xff"
          "a\xc3",
          "\xef\xbf\xbd"
          "a\xef\xbf\xbd" },
        { "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* a surrogate */
        { "\t}{,=", "\t}{,=" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf b = BUF_INIT(4096), want = BUF_INIT(4096);
        struct prom p;

        prom_init(&p, &b);
        prom_family(&p, "m", PROM_GAUGE, "M.");
        prom_count(&p, &(struct prom_label){ "l", rows[i].value }, 1, 1);
        buf_printf(&want, "# HELP m M.\n# TYPE m gauge\nm{l=\"%s\"} 1\n", rows[i].want);
        check(&b, buf_text(&want));
        buf_fini(&b);
        buf_fini(&want);
    }
}

static void test_numbers(void **state)
{
    static const struct {
        double value;
        const char *want;
    } rows[] = {
        { 0, "0" },
        { -3, "-3" },
        { 0.1, "0.1" },
        { 1e-9, "1e-09" },
        { 1.0 / 3, "0.3333333333333333" },
        { 9007199254740992.0, "9007199254740992" },
        { 1e300, "1e+300" },
        { NAN, "NaN" },
        { INFINITY, "+Inf" },
        { -INFINITY, "-Inf" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf b = BUF_INIT(4096);
        struct prom p = { &b, "m" };

        prom_sample(&p, NULL, 0, rows[i].value);
        assert_memory_equal(buf_text(&b), "m ", 2);
        assert_int_equal(b.data[b.len - 1], '\n');
        b.data[b.len - 1] = '\0';
        assert_string_equal(b.data + 2, rows[i].want);
        buf_fini(&b);
    }
}

static void test_histogram(void **state)
{
    static const int64_t bounds[] = { 300, 2500, 1000000 };
    static const struct histogram_rule rule = { bounds, COUNT_OF(bounds), 1e6 };
    struct histogram h = { .rule = &rule };
    struct buf b = BUF_INIT(4096);
    struct prom p;

    (void)state;
    histogram_add(&h, 300);
    histogram_add(&h, 301);
    histogram_add(&h, 5000000);
    prom_init(&p, &b);
    prom_family(&p, "t_seconds", PROM_HISTOGRAM, "T.");
    prom_histogram(&p, &(struct prom_label){ "op", "x" }, 1, &h);
    prom_histogram(&p, NULL, 0, &(struct histogram){ .rule = &rule });
    check(&b, "# HELP t_seconds T.\n"
              "# TYPE t_seconds histogram\n"
              "t_seconds_bucket{op=\"x\",le=\"0.0003\"} 1\n"
              "t_seconds_bucket{op=\"x\",le=\"0.0025\"} 2\n"
              "t_seconds_bucket{op=\"x\",le=\"1\"} 2\n"
              "t_seconds_bucket{op=\"x\",le=\"+Inf\"} 3\n"
              "t_seconds_sum{op=\"x\"} 5.000601\n"
              "t_seconds_count{op=\"x\"} 3\n"
              "t_seconds_bucket{le=\"0.0003\"} 0\n"
              "t_seconds_bucket{le=\"0.0025\"} 0\n"
              "t_seconds_bucket{le=\"1\"} 0\n"
              "t_seconds_bucket{le=\"+Inf\"} 0\n"
              "t_seconds_sum 0\n"
              "t_seconds_count 0\n");
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_label_values),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_histogram),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
