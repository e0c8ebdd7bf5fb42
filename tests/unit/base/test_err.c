#include "unit/base/fixture.h"

#include <errno.h>

#include "base/err.h"
#include "base/str.h"

static void test_set_and_wrap(void **state)
{
    struct err e = { 0 };

    (void)state;
    assert_int_equal(err_set(&e, ERR_INVALID, "port %d", 0), ERR_INVALID);
    assert_string_equal(e.msg, "port 0");
    assert_int_equal(err_wrap(&e, "line %d", 3), ERR_INVALID);
    assert_string_equal(e.msg, "line 3: port 0");
    assert_int_equal(e.code, ERR_INVALID);
}

static void test_null(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, ERR_LIMIT, "x"), ERR_LIMIT);
    assert_int_equal(err_errno(NULL, ENOENT, "x"), ERR_NOT_FOUND);
    assert_int_not_equal(err_wrap(NULL, "x"), ERR_OK);
}

static void test_errno(void **state)
{
    static const struct {
        int value;
        enum err_code code;
    } rows[] = { { ENOENT, ERR_NOT_FOUND }, { EACCES, ERR_DENIED }, { EPERM, ERR_DENIED },
                 { EEXIST, ERR_CONFLICT },  { EIO, ERR_IO },        { ENOSPC, ERR_IO } };
    struct err e = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(err_errno(&e, rows[i].value, "open"), rows[i].code);
        assert_int_equal(e.code, rows[i].code);
        assert_true(str_starts(e.msg, "open: "));
        assert_true(str_ends(e.msg, strerror(rows[i].value)));
    }
}

/* A cut never leaves half a character, wherever the limit falls. */
static void test_cut_at_character(void **state)
{
    char text[2 * sizeof((struct err *)0)->msg];
    struct err e = { 0 };

    (void)state;
    for (size_t shift = 0; shift < 3; shift++) {
        size_t len;

        memset(text, 'a', shift);
        for (size_t i = shift; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "\xE2\x80\x99", 4);
        err_set(&e, ERR_IO, "%s", text);
        len = strlen(e.msg);
        assert_true(len > sizeof e.msg - 4 && len < sizeof e.msg);
        assert_int_equal((len - shift) % 3, 0);
        err_wrap(&e, "w");
        assert_int_equal((strlen(e.msg) - shift) % 3, 0);
        assert_true(str_starts(e.msg, "w: "));
    }
}

static void test_names(void **state)
{
    (void)state;
    for (enum err_code c = ERR_OK; c <= ERR_IO; c++)
        assert_int_equal(err_code_from_name(err_code_name(c)), c);
    assert_string_equal(err_code_name(ERR_NOT_FOUND), "not-found");
    assert_string_equal(err_code_name((enum err_code)99), "io");
    assert_int_equal(err_code_from_name("?"), ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_and_wrap), cmocka_unit_test(test_null),
        cmocka_unit_test(test_errno),        cmocka_unit_test(test_cut_at_character),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
