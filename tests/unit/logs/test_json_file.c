/* The engine's log files: what a message is, and what is none. */
#include "base/mem.h"
#include "logs/json_file.h"
#include "support/check.h"

#define SECOND 1767596400LL /* 2026-01-05T07:00:00Z */
#define NS     1000000000LL

static const struct {
    const char *line; /* without its newline */
    int stream;
    int64_t ns; /* of the second */
    const char *text;
    size_t plain_n;
    bool ends_line, ends_cr;
} good[] = {
    { "{\"log\":\"hello\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-05T07:00:00.123456789Z\"}", 1,
      123456789, "hello", 6, true, false },
    { "{\"log\":\"hello\\r\\n\",\"stream\":\"stderr\",\"time\":\"2026-01-05T07:00:00.12Z\"}", 2,
      120000000, "hello\\r", 7, true, true },
    { "{\"log\":\"a part\",\"stream\":\"stdout\",\"time\":\"2026-01-05T07:00:00Z\"}", 1, 0,
      "a part", 6, false, false },
    { "{\"log\":\"\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-05T07:00:00Z\"}", 1, 0, "", 1,
      true, false },
    { "{\"log\":\"\",\"stream\":\"stdout\",\"time\":\"2026-01-05T07:00:00Z\"}", 1, 0, "", 0, false,
      false },
    { "{\"log\":\"say \\\"\\u003chi\\u003e\\\"\\n\",\"stream\":\"stdout\","
      "\"time\":\"2026-01-05T07:00:00.1Z\"}",
      1, 100000000, "say \\\"\\u003chi\\u003e\\\"", 11, true, false },
    /* It ends in a backslash and an n, not in a newline. */
    { "{\"log\":\"c:\\\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-05T07:00:00.1Z\"}", 1,
      100000000, "c:\\\\n", 4, false, false },
    { "{\"log\":\"\\\\\\\\\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-05T07:00:00.1Z\"}", 1,
      100000000, "\\\\\\\\", 3, true, false },
    { "{\"log\":\"gr\xC3\xBC\xC3\x9F\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-05T07:00:00."
      "1Z\"}",
      1, 100000000, "gr\xC3\xBC\xC3\x9F", 7, true, false },
    { "{\"log\":\"\\ufffd\\ud83d\\ude00\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-05T07:00:00."
      "1Z\"}",
      1, 100000000, "\\ufffd\\ud83d\\ude00", 8, true, false },
    /* The same in other words. */
    { " { \"time\" : \"2026-01-05T07:00:00.1Z\", \"attrs\":{\"a\":[\"}\",1,{}],\"b\":null}, "
      "\"stream\":\"stderr\",\"log\":\"x\\n\"} ",
      2, 100000000, "x", 2, true, false },
    { "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"attrs\":{\"tag\":\"t\"},"
      "\"time\":\"2026-01-05T07:00:00.1Z\"}",
      1, 100000000, "x", 2, true, false },
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        AUTO(str) char *data = mem_printf("%s\n{\"lo", good[i].line);
        struct record m;
        size_t used = 0;

        print_message("%s\n", good[i].line);
        assert_int_equal(json_file_next(str_of(data), &used, &m), RECORD_WHOLE);
        assert_int_equal(used, strlen(good[i].line) + 1);
        assert_int_equal(m.stream, good[i].stream);
        assert_int_equal(m.when_ns, SECOND * NS + good[i].ns);
        assert_text(m.text, good[i].text);
        assert_int_equal(m.plain_n, good[i].plain_n);
        assert_int_equal(m.ends_line, good[i].ends_line);
        assert_int_equal(m.cr_n, good[i].ends_cr ? 2 : 0);
    }
}

static const char *const bad[] = {
    "",
    "x",
    "{}",
    "[]",
    "{\"log\":\"x\\n\"}",
    "{\"log\":\"x\\n\",\"stream\":\"stdout\"}",
    "{\"log\":\"x\\n\",\"stream\":\"stdin\",\"time\":\"2026-01-05T07:00:00Z\"}",
    "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-05 07:00:00Z\"}",
    "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"time\":\"2026-13-05T07:00:00Z\"}",
    "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-05T07:00:00.Z\"}",
    "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-05T07:00:00.1234567890Z\"}",
    "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-05T07:00:00Z\"",
    "{\"log\":\"\\x\",\"stream\":\"stdout\",\"time\":\"2026-01-05T07:00:00Z\"}",
    "{\"log\":\"\\u12\",\"stream\":\"stdout\",\"time\":\"2026-01-05T07:00:00Z\"}",
    /* The second half of a character is to be one as well. */
    "{\"log\":\"\\ud83d\\udeo\\r\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-05T07:00:00Z\"}",
    "{\"log\":\"\xFF\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-05T07:00:00Z\"}",
    "{\"log\":\"\x01\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-05T07:00:00Z\"}",
    "{\"log\":5,\"stream\":\"stdout\",\"time\":\"2026-01-05T07:00:00Z\"}",
    "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-05T07:00:00Z\"}\",\"stream\":\"std",
    "{\"log\":\"torn{\"log\":\"x\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-05T07:00:00Z\"}",
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO(str) char *data = mem_printf("%s\nnext", bad[i]);
        struct record m;
        size_t used = 0;

        print_message("%s\n", bad[i]);
        assert_int_equal(json_file_next(str_of(data), &used, &m), RECORD_DAMAGED);
        assert_int_equal(used, strlen(bad[i]) + 1);
    }
}

static void test_the_rest_is_not_there_yet(void **state)
{
    const char *line = good[0].line;
    struct record m;
    size_t used;

    (void)state;
    for (size_t n = 0; n <= strlen(line); n++)
        assert_int_equal(json_file_next((struct str){ line, n }, &used, &m), RECORD_MORE);
}

static void test_a_line_without_end(void **state)
{
    AUTO(str) char *data = mem_alloc(RECORD_MAX + 1);
    struct record m;
    size_t used;

    (void)state;
    memset(data, 'x', RECORD_MAX + 1);
    assert_int_equal(json_file_next((struct str){ data, RECORD_MAX }, &used, &m), RECORD_MORE);
    assert_int_equal(json_file_next((struct str){ data, RECORD_MAX + 1 }, &used, &m),
                     RECORD_DAMAGED);
    assert_int_equal(used, RECORD_MAX + 1);
}

static const struct {
    const char *text, *plain;
} escapes[] = {
    { "", "" },
    { "abc", "abc" },
    { "\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t" },
    { "a\\u003cb\\u00e9\\u20AC", "a<b\xC3\xA9\xE2\x82\xAC" },
    { "\\ud83d\\ude00.", "\xF0\x9F\x98\x80." },
    { "\\ud83d.\\ude00", "\xEF\xBF\xBD.\xEF\xBF\xBD" },
    { "\\ud83d\\u0041", "\xEF\xBF\xBD"
                        "A" },
};

static void test_unescape(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(escapes); i++) {
        AUTO(buf) struct buf out = BUF_INIT(1000);

        json_file_unescape(str_of(escapes[i].text), &out);
        assert_string_equal(buf_text(&out), escapes[i].plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_the_rest_is_not_there_yet),
        cmocka_unit_test(test_a_line_without_end),
        cmocka_unit_test(test_unescape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
