/* url: percent encoding and queries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "url.h"

static void decoding(void **state)
{
    static const struct {
        const char *in;
        bool plus;
        const char *want;
    } cases[] = {
        { "a%20b", true, "a b" }, { "a+b", true, "a b" }, { "a+b", false, "a+b" },
        { "%4", true, "%4" },     { "%zz", true, "%zz" }, { "%", true, "%" },
        { "%2f%2F", true, "//" }, { "", true, "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf b = BUF_INIT(100);

        url_decode(str_of(cases[i].in), cases[i].plus, &b);
        assert_string_equal(buf_text(&b), cases[i].want);
        buf_fini(&b);
    }
}

static void encoding(void **state)
{
    struct buf b = BUF_INIT(100);

    (void)state;
    url_encode(str_of("aZ09-_.~ /:\xc3\xa9"), false, &b);
    assert_string_equal(buf_text(&b), "aZ09-_.~%20%2F%3A%C3%A9");
    buf_reset(&b);
    url_encode(str_of("/a b"), true, &b);
    assert_string_equal(buf_text(&b), "/a%20b");
    buf_fini(&b);
}

static void params(void **state)
{
    struct url_params p;
    char many[4 * (URL_PARAMS_MAX + 1) + 1] = "";

    (void)state;
    assert_true(url_params_parse(&p, str_of("a=1&b=x+y%3D&&c&a=2&d=")));
    assert_string_equal(url_params_get(&p, "a"), "1");
    assert_string_equal(url_params_get(&p, "b"), "x y=");
    assert_string_equal(url_params_get(&p, "c"), "");
    assert_string_equal(url_params_get(&p, "d"), "");
    assert_null(url_params_get(&p, "e"));
    url_params_fini(&p);
    for (size_t i = 0; i <= URL_PARAMS_MAX; i++)
        memcpy(many + 4 * i, "a=1&", 5);
    assert_false(url_params_parse(&p, str_of(many)));
    assert_true(url_params_parse(&p, (struct str){ many, 4 * URL_PARAMS_MAX }));
    url_params_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoding),
        cmocka_unit_test(encoding),
        cmocka_unit_test(params),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
