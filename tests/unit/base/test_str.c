#include "unit/base/fixture.h"

#include "base/str.h"

static void test_ends(void **state)
{
    (void)state;
    assert_true(str_starts("abc", "ab"));
    assert_true(str_starts("abc", ""));
    assert_false(str_starts("ab", "abc"));
    assert_true(str_ends("abc", "bc"));
    assert_true(str_ends("abc", ""));
    assert_false(str_ends("bc", "abc"));
    assert_string_equal(str_after_last("a/b/c", '/'), "c");
    assert_string_equal(str_after_last("abc", '/'), "abc");
    assert_string_equal(str_after_last("a/", '/'), "");
    assert_true(str_empty(NULL) && str_empty("") && !str_empty(" "));
    assert_true(str_is(str_of("ab"), "ab"));
    assert_false(str_is(str_of("ab"), "abc"));
    assert_int_equal(str_of(NULL).n, 0);
}

static void test_utf8_prefix(void **state)
{
    static const struct {
        const char *text;
        size_t max, want;
    } rows[] = {
        { "", 4, 0 },
        { "abc", 8, 3 },
        { "abc", 2, 2 },
        { "abc", 0, 0 },
        { "a\xC3\xA9", 2, 1 }, /* two bytes */
        { "a\xC3\xA9", 3, 3 },
        { "\xE2\x82\xAC", 2, 0 }, /* three */
        { "\xE2\x82\xAC", 3, 3 },
        { "x\xF0\x9F\x98\x80y", 4, 1 }, /* four */
        { "x\xF0\x9F\x98\x80y", 5, 5 },
        { "x\xF0\x9F\x98\x80y", 6, 6 },
        { "\x80\x80\x80\x80\x80", 3, 3 }, /* never valid: bytes */
        { "\xFF\xFF", 1, 1 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(str_utf8_prefix(rows[i].text, strlen(rows[i].text), rows[i].max),
                         rows[i].want);
}

static void test_to_int(void **state)
{
    static const struct {
        const char *text;
        int64_t min, max, want;
        const char *message; /* NULL: success */
    } rows[] = {
        { "0", 0, 9, 0, NULL },
        { "-5", -9, 9, -5, NULL },
        { "9223372036854775807", 0, INT64_MAX, INT64_MAX, NULL },
        { "10", 0, 9, 0, "10 is not in 0..9" },
        { "-1", 0, 9, 0, "-1 is not in 0..9" },
        { "9223372036854775808", 0, INT64_MAX, 0,
          "9223372036854775808 is not in 0..9223372036854775807" },
        { "", 0, 9, 0, "expected a whole number, got ''" },
        { " 1", 0, 9, 0, "expected a whole number, got ' 1'" },
        { "1 ", 0, 9, 0, "expected a whole number, got '1 '" },
        { "1.5", 0, 9, 0, "expected a whole number, got '1.5'" },
        { "0x1", 0, 9, 0, "expected a whole number, got '0x1'" },
        { "one", 0, 9, 0, "expected a whole number, got 'one'" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t out = 77;
        struct err e = { 0 };
        enum err_code code = str_to_int(rows[i].text, rows[i].min, rows[i].max, &out, &e);

        assert_int_equal(code, rows[i].message ? ERR_INVALID : ERR_OK);
        assert_string_equal(e.msg, rows[i].message ? rows[i].message : "");
        assert_int_equal(out, rows[i].message ? 77 : rows[i].want);
    }
}

static void test_trim_and_hex(void **state)
{
    char out[9];

    (void)state;
    assert_true(str_is(str_trim(str_of(" \t a b \r\n")), "a b"));
    assert_true(str_is(str_trim(str_of("  ")), ""));
    assert_true(str_is(str_trim(str_of("")), ""));
    str_hex("\x00\xFF\x1a\xB0", 4, out);
    assert_string_equal(out, "00ff1ab0");
    str_hex("", 0, out);
    assert_string_equal(out, "");
    for (int c = 0; c < 256; c++) {
        const char digits[] = "0123456789abcdef", text[] = { (char)c, '\0' };
        const char *at = c ? strcasestr(digits, text) : NULL;

        assert_int_equal(str_hex_digit((char)c), at ? at - digits : -1);
    }
}

static void test_utf8_len(void **state)
{
    static const struct {
        const char *text;
        int want;
    } rows[] = {
        { "a", 1 },
        { "\xC3\xA4", 2 },
        { "\xE2\x82\xAC!", 3 },
        { "\xF0\x9F\x98\x80", 4 },
        { "\xC3", STR_UTF8_CUT },
        { "\xF0\x9F\x98", STR_UTF8_CUT },
        { "\xC3!", STR_UTF8_INVALID },
        { "\x80", STR_UTF8_INVALID },
        { "\xC1\xBF", STR_UTF8_INVALID },         /* overlong */
        { "\xE0\x9F\xBF", STR_UTF8_INVALID },     /* likewise */
        { "\xED\xA0\x80", STR_UTF8_INVALID },     /* a surrogate */
        { "\xF4\x90\x80\x80", STR_UTF8_INVALID }, /* past the last one */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(str_utf8_len(rows[i].text, strlen(rows[i].text)), rows[i].want);
}

static void test_distance(void **state)
{
    static const struct {
        const char *a, *b;
        size_t want;
    } rows[] = {
        { "", "", 0 },
        { "abc", "", 3 },
        { "tasks", "tasks", 0 },
        { "Tasks", "tASKS", 0 },
        { "task", "tasks", 1 },
        { "tsk", "task", 1 },
        { "statsu", "status", 1 },
        { "kitten", "sitting", 3 },
        { "ab", "ba", 1 },
        { "abcd", "badc", 2 },
        { "xyz", "abc", 3 },
    };
    char many[STR_DISTANCE_MAX + 2];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str a = str_of(rows[i].a), b = str_of(rows[i].b);

        for (size_t most = 0; most < 9; most++) {
            size_t want = rows[i].want <= most ? rows[i].want : SIZE_MAX;

            assert_int_equal(str_distance(a, b, most), want);
            assert_int_equal(str_distance(b, a, most), want);
        }
        assert_int_equal(str_distance(a, b, SIZE_MAX), rows[i].want);
    }
    memset(many, 'x', sizeof many);
    assert_int_equal(str_distance((struct str){ many, STR_DISTANCE_MAX }, str_of(""), SIZE_MAX),
                     STR_DISTANCE_MAX);
    assert_int_equal(
        str_distance((struct str){ many, STR_DISTANCE_MAX + 1 }, str_of("x"), SIZE_MAX), SIZE_MAX);
}

/* The n-th of the words of a and b: "", "a", "b", "aa", ... */
static struct str nth_word(size_t n, char out[8])
{
    size_t len = 0;

    for (n++; n > 1; n /= 2)
        out[len++] = n % 2 ? 'b' : 'a';
    return (struct str){ out, len };
}

/* A bound only leaves out what is beyond it. */
static void test_distance_bound(void **state)
{
    (void)state;
    for (size_t i = 0; i < 63; i++) {
        for (size_t k = 0; k < 63; k++) {
            char one[8], other[8];
            struct str a = nth_word(i, one), b = nth_word(k, other);
            size_t d = str_distance(a, b, SIZE_MAX);

            assert_true(d <= 5);
            for (size_t most = 0; most < 6; most++)
                assert_int_equal(str_distance(a, b, most), d <= most ? d : SIZE_MAX);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance_bound), cmocka_unit_test(test_ends),
        cmocka_unit_test(test_utf8_prefix),    cmocka_unit_test(test_utf8_len),
        cmocka_unit_test(test_distance),       cmocka_unit_test(test_to_int),
        cmocka_unit_test(test_trim_and_hex),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
