#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "logs/multiline.h"

static const struct {
    const char *pattern, *line;
    bool matches;
} rows[] = {
    { "", "", true },
    { "x", "", false },
    { "INFO", "2026 INFO x", true }, /* unanchored */
    { "^INFO", "2026 INFO x", false },
    { "^\\d{4}-\\d\\d", "2026-01-02", true },
    { "^\\[?\\w+\\]?$", "[abc]", true },
    { "a$", "a", true },
    { "^$", "", true },
    { "(a+)+$", "aaab", false },
    { "(?i)error|warn", "a WaRn b", true },
    { "(?i:e)x", "EX", false },
    { "(?i:e)x", "Ex", true },
    { "(?-i)e", "E", false },
    { "(?P<year>\\d+)-(?<m>\\d+)", "1-2", true },
    { "a.c",
      "a\xC3\xA4"
      "c",
      true }, /* characters, not bytes */
    { "^.$", "\xF0\x9F\x98\x80", true },
    { "[\xC3\xA0-\xC3\xBC]", "\xC3\xA4", true },
    { "\xC3\xA4{2}", "\xC3\xA4\xC3\xA4", true },
    { "\\x{1F600}", "\xF0\x9F\x98\x80", true },
    { "\\x41\\102\\v", "AB\v", true },
    { "^\\s$", "\v", false }, /* Go's white space, */
    { "^\\S$", "\v", true },
    { "^[\\S]$", "\v", true },
    { "^[^\\s]$", "\v", true },
    { "^[\\s]$", "\t", true },
    { "^\\d$", "\xD9\xA1", false }, /* digits */
    { "^\\w$", "\xC3\xA4", false }, /* and letters */
    { "\\bx\\b", "a x b", true },
    { "^\\pL+$", "a\xC3\xA4", true },
    { "^\\p{Greek}\\P{Greek}\\p{^Greek}$",
      "\xCE\xB1"
      "ab",
      true },
    { "^[\\p{Greek}x]+$", "\xCE\xB1x", true },
    { "^[[:alpha:]-]+$", "a-b", true },
    { "^[[:^alpha:]]+$", "1-2", true },
    { "^[]a]+$", "]a]", true },
    { "^[^]a]+$", "bc", true },
    { "^[a-]+$", "a-", true },
    { "^[[.x]+$", "[.x", true },
    { "^[a&&b]+$", "a&b", true },
    { "^\\Qa.b*\\E$", "a.b*", true },
    { "^\\Qa.b\\E$", "axb", false },
    { "\\Qab\\E+$", "abbb", true },
    { "^a{,2}$", "a{,2}", true }, /* text */
    { "^a{01}$", "a{01}", true },
    { "^a{2,3}$", "aaa", true },
    { "^a{2,}?$", "aaaa", true },
    { "^{a}$", "{a}", true },
    { "a # b", "a # b", true }, /* no comments */
    { "^\\/\\_\\#$", "/_#", true },
    { "()|b", "", true },
    { "\\Aab\\z", "ab", true },
    { "(?U)a+", "aa", true },
    { "(?s).(?m:^|$)", "a", true },
};

static void matches(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct pattern *p = NULL;
        struct err e = { 0 };
        int64_t gave_up = 0;

        if (pattern_compile(rows[i].pattern, &p, &e))
            fail_msg("%s: %s", rows[i].pattern, e.msg);
        if (pattern_matches(p, str_of(rows[i].line), &gave_up) != rows[i].matches)
            fail_msg("%s on '%s'", rows[i].pattern, rows[i].line);
        assert_int_equal(gave_up, 0);
        pattern_destroy(p);
    }
}

#define ERROR "error parsing regexp: "

static const struct {
    const char *pattern, *message;
} bad[] = {
    { "(a", ERROR "missing closing ): `(a`" },
    { "(?i", ERROR "invalid or unsupported Perl syntax: `(?i`" },
    { "a)", ERROR "unexpected ): `a)`" },
    { "[a", ERROR "missing closing ]: `[a`" },
    { "[]", ERROR "missing closing ]: `[]`" },
    { "[^", ERROR "missing closing ]: `[^`" },
    { "a\\", ERROR "trailing backslash at end of expression: ``" },
    { "[\\", ERROR "trailing backslash at end of expression: ``" },
    { "*a", ERROR "missing argument to repetition operator: `*`" },
    { "a|+", ERROR "missing argument to repetition operator: `+`" },
    { "(?i)*", ERROR "missing argument to repetition operator: `*`" },
    { "({2})", ERROR "missing argument to repetition operator: `{2}`" },
    { "(*LIMIT_MATCH=1)a", ERROR "missing argument to repetition operator: `*`" },
    { "a**", ERROR "invalid nested repetition operator: `**`" },
    { "a++", ERROR "invalid nested repetition operator: `++`" },
    { "a{2}{3}", ERROR "invalid nested repetition operator: `{2}{3}`" },
    { "a+?+", ERROR "invalid nested repetition operator: `+?+`" },
    { "a{1001}", ERROR "invalid repeat count: `{1001}`" },
    { "a{3,2}", ERROR "invalid repeat count: `{3,2}`" },
    { "a{99999999999999999999}", ERROR "invalid repeat count: `{99999999999999999999}`" },
    { "[z-a]", ERROR "invalid character class range: `z-a`" },
    { "[a-\\d]", ERROR "invalid escape sequence: `\\d`" },
    { "[\\b]", ERROR "invalid escape sequence: `\\b`" },
    { "[[:foo:]]", ERROR "invalid character class range: `[:foo:]`" },
    { "(a)\\1", ERROR "invalid escape sequence: `\\1`" },
    { "\\8", ERROR "invalid escape sequence: `\\8`" },
    { "\\C", ERROR "invalid escape sequence: `\\C`" },
    { "\\K", ERROR "invalid escape sequence: `\\K`" },
    { "\\g{1}", ERROR "invalid escape sequence: `\\g`" },
    { "\\R", ERROR "invalid escape sequence: `\\R`" },
    { "\\\xC3\xA4", ERROR "invalid escape sequence: `\\\xC3\xA4`" },
    { "\\x1", ERROR "invalid escape sequence: `\\x1`" },
    { "\\x{110000}", ERROR "invalid escape sequence: `\\x{`" },
    { "(?=a)", ERROR "invalid or unsupported Perl syntax: `(?=`" },
    { "(?!a)", ERROR "invalid or unsupported Perl syntax: `(?!`" },
    { "(?<=a)", ERROR "invalid or unsupported Perl syntax: `(?<`" },
    { "(?<!a)", ERROR "invalid or unsupported Perl syntax: `(?<`" },
    { "(?>a)", ERROR "invalid or unsupported Perl syntax: `(?>`" },
    { "(?R)", ERROR "invalid or unsupported Perl syntax: `(?R`" },
    { "(?1)", ERROR "invalid or unsupported Perl syntax: `(?1`" },
    { "(?ix)a", ERROR "invalid or unsupported Perl syntax: `(?ix`" },
    { "(?P=n)", ERROR "invalid or unsupported Perl syntax: `(?P`" },
    { "(?P<n", ERROR "invalid named capture: `(?P<n`" },
    { "(?P<>a)", ERROR "invalid named capture: `(?P<>`" },
};

static void errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct pattern *p = NULL;
        struct err e = { 0 };

        if (pattern_compile(bad[i].pattern, &p, &e) != ERR_INVALID)
            fail_msg("%s is taken", bad[i].pattern);
        assert_string_equal(e.msg, bad[i].message);
        assert_null(p);
    }
}

/* What PCRE2 itself refuses is said in its words. */
static void too_much(void **state)
{
    AUTO(str) char *nested = mem_alloc(1000), *longer = mem_alloc(9000);
    struct pattern *p = NULL;
    struct err e = { 0 };

    (void)state;
    memset(longer, 'a', 8193);
    assert_int_equal(pattern_compile(longer, &p, &e), ERR_INVALID);
    assert_non_null(strstr(e.msg, "expression too large"));
    memset(nested, '(', 300);
    memset(nested + 300, ')', 300);
    assert_int_equal(pattern_compile(nested, &p, &e), ERR_INVALID);
    assert_non_null(strstr(e.msg, ERROR "parentheses are too deeply nested"));
    assert_int_equal(pattern_compile("(?:(?:ab){1000}){1000}", &p, &e), ERR_INVALID);
    assert_non_null(strstr(e.msg, "too large"));
    assert_int_equal(pattern_compile("\\p{Nowhere}", &p, &e), ERR_INVALID);
    assert_null(p);
    longer[5000] = '\0';
    assert_int_equal(pattern_compile(longer, &p, &e), ERR_OK);
    pattern_destroy(p);
}

static const char *const hostile[] = {
    "(a+)+$b?c*[xy]",
    "^(a+)+$",
    "(a|aa)+$",
    "(a|a)*b?[xy]",
    "a*[xy]",
    "a*a*a*a*[xy]",
    "(.*)*[xy]",
    "(?:a?){99}[xy]",
    "(?:a|b){1,99}[xy]",
    "(a{1,9}){1,9}[xy]",
    "(?:.*?,){9}[xy]",
    "\\w+\\s*[:=]",
    "(?i)(a+)+[xy]",
    "(([a-z])+.)+[A-Z]([a-z])+$",
};

/* Whatever the pattern, whatever the line: the steps are bounded, and what was given up is counted.
 * One item of a pattern runs over at most the line once more before the next step is counted. */
static void hostile_patterns(void **state)
{
    static const size_t sizes[] = { 20, 100, 5000, PATTERN_LINE_MAX, PATTERN_LINE_MAX * 4 };
    AUTO(str) char *line = mem_alloc(PATTERN_LINE_MAX * 4 + 1);
    int64_t gave_up = 0, steps;

    (void)state;
    memset(line, 'a', PATTERN_LINE_MAX * 4);
    for (size_t i = 0; i < COUNT_OF(hostile); i++) {
        struct pattern *p = NULL;
        struct err e = { 0 };

        if (pattern_compile(hostile[i], &p, &e))
            fail_msg("%s: %s", hostile[i], e.msg);
        for (size_t k = 0; k < COUNT_OF(sizes); k++) {
            size_t seen = sizes[k] < PATTERN_LINE_MAX ? sizes[k] : PATTERN_LINE_MAX;

            /* "a...a!": what has matched until the end fails there. */
            line[seen - 1] = '!';
            pattern_matches_counted(p, (struct str){ line, sizes[k] }, &gave_up, &steps);
            line[seen - 1] = 'a';
            if (steps > pattern_steps_max(sizes[k]) + 2 + (int64_t)seen / 16)
                fail_msg("%s on %zu bytes: %lld steps", hostile[i], sizes[k], (long long)steps);
        }
        pattern_destroy(p);
    }
    assert_true(gave_up > 20);
    assert_int_equal(pattern_steps_max(PATTERN_LINE_MAX), pattern_steps_max(1 << 30));
}

/* The one that everybody knows, on 64 KiB: given up after a fixed number of steps, and counted. */
static void nested_repeat(void **state)
{
    AUTO(str) char *line = mem_alloc(PATTERN_LINE_MAX + 1);
    struct pattern *p = NULL;
    struct err e = { 0 };
    int64_t gave_up = 0, steps;

    (void)state;
    memset(line, 'a', PATTERN_LINE_MAX);
    assert_int_equal(pattern_compile("(a+)+$", &p, &e), ERR_OK);
    assert_true(pattern_matches_counted(p, str_of(line), &gave_up, &steps));
    assert_int_equal(gave_up, 0);
    line[PATTERN_LINE_MAX - 1] = 'b';
    assert_false(pattern_matches_counted(p, str_of(line), &gave_up, &steps));
    assert_int_equal(gave_up, 1);
    assert_true(steps <= pattern_steps_max(PATTERN_LINE_MAX) + PATTERN_LINE_MAX / 16 + 2);
    /* The next line is not worse off. */
    assert_true(pattern_matches(p, str_of("baa"), &gave_up));
    assert_false(pattern_matches(p, str_of("b"), NULL));
    assert_int_equal(gave_up, 1);
    pattern_destroy(p);
}

/* Well-meant patterns are not given up, however long the line. */
static void honest_patterns(void **state)
{
    static const char *const honest[] = {
        "^\\d{4}-\\d{2}-\\d{2} ",     "^.*ERROR",         "(?i)error|warn|fatal",
        "\\d{4}-\\d\\d-\\d\\d",       "^\\[\\w+\\] ",     "^(?:[A-Z][a-z]{2} ){2}\\d",
        "(?:\\d{1,3}\\.){3}\\d{1,3}", "\\bat [\\w.]+\\(", "^\\S",
    };
    static const char text[] = "2026-10 1.2.3 the quick (brown) fox at java.util.Map 77777 ";
    AUTO(str) char *line = mem_alloc(PATTERN_LINE_MAX + sizeof text);
    int64_t gave_up = 0;

    (void)state;
    for (size_t n = 0; n < PATTERN_LINE_MAX; n += sizeof text - 1)
        memcpy(line + n, text, sizeof text);
    for (size_t i = 0; i < COUNT_OF(honest); i++) {
        struct pattern *p = NULL;
        struct err e = { 0 };

        assert_int_equal(pattern_compile(honest[i], &p, &e), ERR_OK);
        pattern_matches(p, str_of(line), &gave_up);
        if (gave_up)
            fail_msg("%s", honest[i]);
        pattern_destroy(p);
    }
}

/* What is looked at ends between characters; what is not text is no match, and counted. */
static void odd_lines(void **state)
{
    AUTO(str) char *line = mem_alloc(PATTERN_LINE_MAX + 3);
    struct pattern *p = NULL;
    struct err e = { 0 };
    int64_t gave_up = 0;

    (void)state;
    memset(line, 'a', PATTERN_LINE_MAX - 1);
    memcpy(line + PATTERN_LINE_MAX - 1, "\xC3\xA4x", 3);
    assert_int_equal(pattern_compile("x", &p, &e), ERR_OK);
    assert_false(pattern_matches(p, (struct str){ line, PATTERN_LINE_MAX + 2 }, &gave_up));
    assert_int_equal(gave_up, 0);
    assert_false(pattern_matches(p, (struct str){ "x\xFF", 2 }, &gave_up));
    assert_int_equal(gave_up, 1);
    assert_false(pattern_matches(p, (struct str){ NULL, 0 }, &gave_up));
    pattern_destroy(p);
    pattern_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches),       cmocka_unit_test(errors),
        cmocka_unit_test(too_much),      cmocka_unit_test(hostile_patterns),
        cmocka_unit_test(nested_repeat), cmocka_unit_test(honest_patterns),
        cmocka_unit_test(odd_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
