#include "support/check.h"

#include "base/mem.h"
#include "logs/multiline.h"

/* What the conversions take, each as a whole. `driver` is what the engine's own awslogs driver
 * says (20.10.24); where it differs, its expression has a slip. */
static const struct {
    const char *format, *text;
    bool ours, driver;
} rows[] = {
    { "%a", "Mon", true, true },
    { "%a", "Sun", true, true },
    { "%a", "mon", false, false },
    { "%a", "Monday", false, false },
    { "%A", "Monday", true, true },
    { "%A", "Tuesday", true, true },
    { "%A", "Wednesday", true, true },
    { "%A", "Thursday", true, true },
    { "%A", "Friday", true, true },
    { "%A", "Saturday", true, true },
    { "%A", "Sunday", true, true },
    { "%A", "Mon", false, false },
    { "%w", "0", true, true },
    { "%w", "6", true, true },
    { "%w", "7", false, false },
    { "%d", "01", true, true },
    { "%d", "31", true, true },
    { "%d", "29", true, true },
    { "%d", "00", false, false },
    { "%d", "32", false, false },
    { "%d", "1", false, false },
    { "%d", ",5", false, true },
    { "%d", "3,", false, true },
    { "%b", "Jan", true, true },
    { "%b", "Sep", true, true },
    { "%b", "Sept", false, false },
    { "%B", "September", true, true },
    { "%B", "May", true, true },
    { "%B", "Jan", false, false },
    { "%m", "01", true, true },
    { "%m", "12", true, true },
    { "%m", "00", false, false },
    { "%m", "13", false, false },
    { "%Y", "2026", true, true },
    { "%Y", "026", false, false },
    { "%y", "26", true, true },
    { "%H", "00", true, true },
    { "%H", "23", true, true },
    { "%H", "24", false, false },
    { "%H", ",3", false, true },
    { "%I", "00", true, true },
    { "%I", "12", true, true },
    { "%I", "13", false, false },
    { "%p", "AM", true, true },
    { "%p", "PM", true, true },
    { "%p", "am", false, false },
    { "%p", ",M", false, true },
    { "%M", "59", true, true },
    { "%M", "60", false, false },
    { "%S", "00", true, true },
    { "%S", "60", false, false }, /* no leap second */
    { "%f", "123456", true, true },
    { "%f", "123", false, false },
    { "%z", "+0100", true, true },
    { "%z", "-0330", true, true },
    { "%z", "+01:00", false, false },
    { "%z", "Z", false, false },
    { "%Z", "UTC", false, false }, /* it has to end in T */
    { "%Z", "CET", true, true },
    { "%Z", "AEDT", true, true },
    { "%Z", "T", false, false },
    { "%j", "001", true, true },
    { "%j", "011", true, true },
    { "%j", "366", true, true },
    { "%j", "367", false, false },
    { "%j", "000", false, false },
    { "%j", "010", true, false },
    { "%j", "090", true, false },
    { "%j", ",00", false, true },
    { "%L", ".123", true, true },
    { "%L", ",123", false, false },
    { "%L", "x123", false, false },
    /* Unknown ones vanish, with all of the character. */
    { "a%qb%%c%\xC3\xA4"
      "d",
      "abcd", true, true },
    { "5%%0", "50", true, true },
    /* The rest is a regular expression. */
    { "\\[%Y.\\]", "[2026x]", true, true },
    { "%Y-%m-%dT%H:%M:%S%L%z", "2026-01-02T03:04:05.678+0000", true, true },
    { "%Y-%m-%dT%H:%M:%S%L%z", "2026-01-02 03:04:05.678+0000", false, false },
    { "%b %d, %Y", "Jan 02, 2026", true, true },
    { "(%H|%M)+", "2359", true, true },
};

static enum err_code compile(const char *format, struct pattern **out, struct err *e)
{
    AUTO(buf) struct buf text = BUF_INIT(PATTERN_TEXT_MAX + 1);

    datetime_pattern(format, &text);
    return text.overflowed ? ERR_LIMIT : pattern_compile(buf_text(&text), out, e);
}

static bool takes(const char *format, const char *text)
{
    AUTO(str) char *whole = mem_printf("^(?:%s)$", format);
    struct pattern *p = NULL;
    struct err e = { 0 };
    bool matches;

    if (compile(whole, &p, &e))
        fail_msg("%s: %s", format, e.msg);
    matches = pattern_matches(p, str_of(text), NULL);
    pattern_destroy(p);
    return matches;
}

static void conversions(void **state)
{
    size_t slips = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (takes(rows[i].format, rows[i].text) != rows[i].ours)
            fail_msg("%s on '%s'", rows[i].format, rows[i].text);
        slips += rows[i].ours != rows[i].driver;
    }
    assert_int_equal(slips, 7); /* stray commas, and days of the year */
}

/* Every day, hour and so on is taken. */
static void ranges(void **state)
{
    static const struct {
        const char *format;
        int first, last, below;
    } all[] = {
        { "%w", 0, 6, 10 },   { "%d", 1, 31, 100 },   { "%m", 1, 12, 100 },
        { "%H", 0, 23, 100 }, { "%I", 0, 12, 100 },   { "%M", 0, 59, 100 },
        { "%S", 0, 59, 100 }, { "%j", 1, 366, 1000 }, { "%y", 0, 99, 100 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        AUTO(str) char *whole = mem_printf("^%s$", all[i].format);
        struct pattern *p = NULL;
        struct err e = { 0 };

        assert_int_equal(compile(whole, &p, &e), ERR_OK);
        for (int n = 0; n < all[i].below; n++) {
            int digits = all[i].below == 10 ? 1 : all[i].below == 100 ? 2 : 3;
            AUTO(str) char *text = mem_printf("%0*d", digits, n);

            if (pattern_matches(p, str_of(text), NULL) != (n >= all[i].first && n <= all[i].last))
                fail_msg("%s on '%s'", all[i].format, text);
        }
        pattern_destroy(p);
    }
}

/* A percent sign that nothing follows is one. */
static void at_the_end(void **state)
{
    struct pattern *p = NULL;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(compile("50%", &p, &e), ERR_OK);
    assert_true(pattern_matches(p, str_of("it is 50%"), NULL));
    assert_false(pattern_matches(p, str_of("it is 50"), NULL));
    pattern_destroy(p);
}

static void errors(void **state)
{
    AUTO(str) char *longer = mem_alloc(9000);
    struct pattern *p = NULL;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(compile("(%Y", &p, &e), ERR_INVALID);
    assert_string_equal(e.msg, "error parsing regexp: missing closing ): `(\\d{4}`");
    for (size_t i = 0; i < 8000; i += 2) { /* short enough, but not what it becomes */
        longer[i] = '%';
        longer[i + 1] = 'B';
    }
    assert_int_equal(compile(longer, &p, &e), ERR_LIMIT);
    assert_null(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversions),
        cmocka_unit_test(ranges),
        cmocka_unit_test(at_the_end),
        cmocka_unit_test(errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
