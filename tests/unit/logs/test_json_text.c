/* Texts for JSON: which need nothing, and what becomes of the others. */
#include <string.h>

#include "base/mem.h"
#include "logs/json_text.h"
#include "support/check.h"

/* Each byte, at each place of texts of each length up to some words. */
static void test_plain(void **state)
{
    char text[40];

    (void)state;
    for (size_t n = 0; n < sizeof text; n++) {
        memset(text, 'a', sizeof text);
        assert_true(json_text_is_plain((struct str){ text, n }));
        for (size_t i = 0; i < n; i++) {
            for (int c = 0; c < 256; c++) {
                bool bad = c < 0x20 || c > 0x7F || c == '"' || c == '\\';

                text[i] = (char)c;
                if (json_text_is_plain((struct str){ text, n }) == bad)
                    fail_msg("byte %d at %zu of %zu", c, i, n);
            }
            text[i] = (char)('!' + i);
            if (text[i] == '"' || text[i] == '\\')
                text[i] = '~';
        }
    }
}

static const struct {
    const char *text, *escaped; /* NULL: no UTF-8 */
} cases[] = {
    { "", "" },
    { "plain\x7F", "plain\x7F" },
    { "\"\\\b\t\n\f\r/", "\\\"\\\\\\b\\t\\n\\f\\r/" },
    { "\x01\x1B[0m", "\\u0001\\u001b[0m" },
    { "gr\xC3\xBC\xC3\x9F \"\xF0\x9F\x98\x80\"", "gr\xC3\xBC\xC3\x9F \\\"\xF0\x9F\x98\x80\\\"" },
    { "\xFF", NULL },
    { "cut \xE2\x82", NULL },
    { "\xED\xA0\x80", NULL },
};

static void test_escape(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        /* Memory of its own, so that reading past it is seen. */
        size_t n = strlen(cases[i].text);
        char *copy = mem_array(n ? n : 1, 1);
        AUTO(buf) struct buf out = BUF_INIT(1000);

        memcpy(copy, cases[i].text, n);
        assert_int_equal(json_text_escape((struct str){ copy, n }, &out), cases[i].escaped != NULL);
        if (cases[i].escaped)
            assert_text(buf_str(&out), cases[i].escaped);
        free(copy);
    }
}

static void test_too_much(void **state)
{
    AUTO(buf) struct buf out = BUF_INIT(17);

    (void)state;
    assert_false(json_text_escape((struct str){ "abc", 3 }, &out));
    buf_reset(&out);
    assert_true(json_text_escape((struct str){ "ab", 2 }, &out));
    assert_text(buf_str(&out), "ab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_too_much),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
