/* links: io */
/* What "berth why" prints of a record. Programs write what they like into their logs: a terminal
 * sees none of its control characters, and one odd line does not cost the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

/* They belong to the program, not to a library. */
#include "cli/client.c"
#include "cli/why_record.c"

static void test_put(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        { "", "" },
        { "plain \"~\\", "plain \"~\\" },
        { "a\x1B[2J\r\n\x7Fz", "a?[2J???z" },
        { "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80" },
        { "a\xC2\x9B"
          "2Jz",
          "a?2Jz" }, /* CSI as one character */
        { "\xC2\x80\xC2\x9F\xC2\xA0", "??\xC2\xA0" },
        { "a\x9Bz\xC2", "a?z?" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *out = NULL;
        size_t n;
        FILE *to = open_memstream(&out, &n);

        cli_put(to, rows[i].text);
        fclose(to);
        assert_string_equal(out, rows[i].want);
        free(out);
    }
}

static void test_odd_lines(void **state)
{
    static const char text[] =
        "{\"post_mortem\":{\"what\":\"it failed\",\"containers\":[],\"events\":[],\"logs\":["
        "{\"container\":\"a\",\"lines\":[{\"time\":\"T1\",\"text\":\"x\\u0000\\u009b2J\"},"
        "{\"time\":\"T2\",\"text\":\"whole\"}]}]}}";
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur answer;
    FILE *before = stdout;
    char *out = NULL;
    size_t n;

    (void)state;
    assert_int_equal(json_parse(text, sizeof text - 1, &doc, &e), ERR_OK);
    answer = jcur_root(doc, &e);
    stdout = open_memstream(&out, &n);
    why_print_record(&answer);
    fclose(stdout);
    stdout = before;
    assert_int_equal(e.code, ERR_OK);
    assert_non_null(strstr(out, "Last lines of a:\n  T1 x??2J\n  T2 whole\n"));
    free(out);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_odd_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
