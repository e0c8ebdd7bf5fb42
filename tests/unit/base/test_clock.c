#include "unit/base/fixture.h"

#include "base/clock.h"

static void test_text_forms(void **state)
{
    char out[CLOCK_ISO_SIZE];

    (void)state;
    clock_iso(1767323045006, out);
    assert_string_equal(out, "2026-01-02T03:04:05.006Z");
    clock_amz(1767323045006, out);
    assert_string_equal(out, "20260102T030405Z");
    clock_iso(0, out);
    assert_string_equal(out, "1970-01-01T00:00:00.000Z");
    clock_iso(-1, out);
    assert_string_equal(out, "1969-12-31T23:59:59.999Z");
    clock_iso(253402300799999, out);
    assert_string_equal(out, "9999-12-31T23:59:59.999Z");
    clock_iso(253402300800000, out);
    assert_string_equal(out, "10000-01-01T00:00:00.000Z");
    clock_iso(-62167219200000, out);
    assert_string_equal(out, "0000-01-01T00:00:00.000Z");
}

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        int64_t want;
    } rows[] = {
        { "2026-01-02T03:04:05.006Z", 1767323045006 },
        { "2026-01-02T03:04:05Z", 1767323045000 },
        { "2026-01-02T03:04:05.123456789Z", 1767323045123 },
        { "2026-01-02T03:04:05.5Z", 1767323045500 },
        { "2026-01-02T03:04:05.05Z", 1767323045050 },
        { "2026-01-02T05:04:05+02:00", 1767323045000 },
        { "2026-01-01T21:34:05.25-05:30", 1767323045250 },
        { "1970-01-01T00:00:00Z", 0 },
        { "0001-01-01T00:00:00Z", 0 }, /* Go's zero time */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t got = -1;
        struct err e = { 0 };

        assert_int_equal(clock_parse_iso(rows[i].text, &got, &e), ERR_OK);
        assert_int_equal(got, rows[i].want);
    }
}

static void test_parse_fails(void **state)
{
    static const char *const rows[] = {
        "",
        "now",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02T03:04:05.1",
        "2026-01-02T03:04:05z0",
        "2026-01-02T03:04:05Zx",
        "2026-01-02T03:04:05+02",
        "2026-01-02T03:04:05+02:00x",
        "2026-13-02T03:04:05Z",
        "2026-01-32T03:04:05Z",
        "2026-01-02T24:04:05Z",
        "2026-01-02T03:60:05Z",
        "2026-01-02T03:04:61Z",
        "-026-01-02T03:04:05Z",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t got = 7;
        struct err e = { 0 };

        if (clock_parse_iso(rows[i], &got, &e) != ERR_INVALID)
            fail_msg("'%s' was accepted", rows[i]);
        assert_int_equal(got, 7);
        assert_true(e.msg[0]);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int64_t ms = 1; ms < 4102444800000; ms = ms * 3 + 7) {
        char text[CLOCK_ISO_SIZE];
        int64_t back = 0;

        clock_iso(ms, text);
        assert_int_equal(clock_parse_iso(text, &back, NULL), ERR_OK);
        assert_int_equal(back, ms);
    }
}

static void test_go_duration(void **state)
{
    static const struct {
        int64_t ms;
        const char *want;
    } rows[] = {
        { 0, "0s" },           { 250, "250ms" },      { 1000, "1s" },        { 1500, "1.5s" },
        { 30000, "30s" },      { 60000, "1m0s" },     { 150000, "2m30s" },   { 240000, "4m0s" },
        { 3600000, "1h0m0s" }, { 7200000, "2h0m0s" }, { 3661000, "1h1m1s" }, { 61005, "1m1.005s" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char out[CLOCK_ISO_SIZE];

        clock_go_duration(rows[i].ms, out);
        assert_string_equal(out, rows[i].want);
    }
}

static void test_now(void **state)
{
    int64_t mono = clock_mono_ms();

    (void)state;
    assert_true(clock_wall_ms() > 1700000000000);
    assert_true(clock_mono_ms() >= mono);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_forms),  cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_fails), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_go_duration), cmocka_unit_test(test_now),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
