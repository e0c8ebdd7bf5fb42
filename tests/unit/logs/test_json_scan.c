/* What is torn in a log file, and that nothing else is lost by it. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "logs/json_scan.h"
#include "support/check.h"

#define A "{\"log\":\"a\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-05T07:00:00Z\"}"
#define B \
    "{\"log\":\"b {\\\"log\\\":\\\"\\n\",\"stream\":\"stderr\",\"time\":\"2026-01-05T07:00:01Z\"}"

static const struct {
    const char *data;
    size_t n;
    const char *want; /* a, b: messages; x: damage; the number of bytes that are left */
} cases[] = {
#define CASE(text, want)            \
    {                               \
        text, sizeof text - 1, want \
    }
    CASE("", "0"),
    CASE(A "\n" B "\n", "ab0"),
    CASE(A "\n" B, "a73"),
    CASE("torn" A "\n", "xa0"),
    CASE("{\"log\":\"torn" A "\n" B "\n", "xab0"),
    CASE("{\"log\":\"torn\\n\",\"stre" A "\n", "xa0"),
    CASE("\0\0\0\0" A "\n", "xa0"),
    CASE("{\"log\":\"one"
         "{\"log\":\"two" B "\n",
         "xb0"),
    CASE("\n" A "\n", "xa0"),
    CASE("torn\n" A "\n"
         "torn\n",
         "xax0"),
    CASE("torn" A "more\n" B "\n", "xb0"),
    CASE("{\"log\":\"torn", "12"),
};

static void scan(struct record_scan *s, struct str data, char *out, size_t room)
{
    struct record m;
    size_t at = 0, used, n = 0;

    for (;;) {
        enum record_read read =
            json_scan_next(s, (struct str){ data.p + at, data.n - at }, &used, &m);

        at += used;
        assert_true(at <= data.n);
        assert_true(n + 2 < room);
        if (read == RECORD_WHOLE)
            out[n++] = m.text.p[0];
        else if (read == RECORD_DAMAGED)
            out[n++] = 'x';
        else if (!used)
            break;
        assert_true(used > 0);
    }
    snprintf(out + n, room - n, "%zu", data.n - at);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct record_scan s = { 0 };
        char got[64];

        scan(&s, (struct str){ cases[i].data, cases[i].n }, got, sizeof got);
        assert_string_equal(got, cases[i].want);
    }
}

/* However long a line is, it is damage once; what comes in pieces is the same. */
static void test_without_end(void **state)
{
    const size_t n = 2 * RECORD_MAX;
    AUTO(str) char *data = mem_array(n + sizeof A + 1, 1);
    struct record_scan s = { 0 };
    char got[64];

    (void)state;
    memset(data, 'y', n);
    scan(&s, (struct str){ data, n }, got, sizeof got);
    assert_string_equal(got, "x0");
    assert_true(s.skipping);
    memcpy(data, "yy\n" A "\n", sizeof A + 3);
    scan(&s, (struct str){ data, sizeof A + 3 }, got, sizeof got);
    assert_string_equal(got, "a0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_without_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
