#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "secrets/secrets.h"

static void put(void *user, struct str name, struct str value)
{
    buf_printf(user, "%.*s=%.*s;", (int)name.n, name.p, (int)value.n, value.p);
}

static const struct {
    const char *text, *got;
} cases[] = {
    { "", "" },
    { "\n\n", "" },
    { "A=1\nB=2\n", "A=1;B=2;" },
    { "A=1", "A=1;" },
    { "A=1\r\nB=2\r\n\r\n", "A=1;B=2;" },
    { "A=1\r", "A=1;" },
    { "A=1\r\r\n", "A=1\r;" },
    { "A=1\rB=2\n", "A=1\rB=2;" },
    { "#A=1\nB=2 # no comment\n", "B=2 # no comment;" },
    { " #A=1\n", " #A=1;" },
    { "nothing\nA=\n=1\n", "A=;" },
    { "A=b=c\n", "A=b=c;" },
    { "A = \"x\" \n", "A = \"x\" ;" },
    { "export A=1\n", "export A=1;" },
    { "A=1\nA=2\n", "A=1;A=2;" },
    { "\xef\xbb\xbf"
      "A=\xc3\xa4\n",
      "\xef\xbb\xbf"
      "A=\xc3\xa4;" },
};

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(buf) struct buf got = BUF_INIT(4096);
        struct err e = { 0 };

        assert_int_equal(env_file_parse(str_of(cases[i].text), put, &got, &e), ERR_OK);
        assert_string_equal(buf_text(&got), cases[i].got);
    }
}

static void test_a_line_may_have_64_kib(void **state)
{
    size_t n = 64 * 1024;
    AUTO(str) char *text = mem_alloc(n + 8);
    AUTO(buf) struct buf got = BUF_INIT(2 * n);
    struct err e = { 0 };

    (void)state;
    memset(text, 'x', n + 4);
    memcpy(text, "A=\nB=", 5);
    text[3 + n] = '\n'; /* the second line has n bytes */
    assert_int_equal(env_file_parse((struct str){ text, n + 4 }, put, &got, &e), ERR_OK);
    assert_int_equal(got.len, strlen("A=;") + n + 1);
    buf_reset(&got);
    text[3 + n] = 'x';
    assert_int_equal(env_file_parse((struct str){ text, n + 4 }, put, &got, &e), ERR_LIMIT);
    assert_string_equal(e.msg, "line 2 is longer than 64 KiB");
}

static void test_no_nul(void **state)
{
    AUTO(buf) struct buf got = BUF_INIT(64);
    struct err e = { 0 };

    (void)state;
    assert_int_equal(env_file_parse((struct str){ "A=1\nB=\0x\n", 9 }, put, &got, &e), ERR_INVALID);
    assert_string_equal(e.msg, "line 2 contains a NUL byte");
}

static void overwrite(void *user, struct str name, struct str value)
{
    ((char *)name.p)[name.n] = '\0';
    ((char *)value.p)[value.n] = '\0';
    buf_printf(user, "%s=%s;", name.p, value.p);
}

static void test_ends_may_be_overwritten(void **state)
{
    char text[] = "A=1\nB=2\r\nC=\nD=4";
    AUTO(buf) struct buf got = BUF_INIT(64);
    struct err e = { 0 };

    (void)state;
    assert_int_equal(env_file_parse(str_of(text), overwrite, &got, &e), ERR_OK);
    assert_string_equal(buf_text(&got), "A=1;B=2;C=;D=4;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_a_line_may_have_64_kib),
        cmocka_unit_test(test_no_nul),
        cmocka_unit_test(test_ends_may_be_overwritten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
