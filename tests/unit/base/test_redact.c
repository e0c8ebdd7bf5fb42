#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/redact.h"

static void test_rows(void **state)
{
    static const struct {
        const char *text, *secret, *want;
    } rows[] = {
        { "", "hunter2", "" },
        { "nothing here", "hunter2", "nothing here" },
        { "hunter2", "hunter2", "[secret]" },
        { "a hunter2 b hunter2", "hunter2", "a [secret] b [secret]" },
        { "hunter2hunter2", "hunter2", "[secret][secret]" },
        { "short", "short", "short" }, /* five bytes are in too many texts */
        { "sixsix", "sixsix", "[secret]" },
        { "x", "", "x" },
        { "hunter2", NULL, "hunter2" },
        /* A key of several lines is logged line by line. */
        { "got -----BEGIN KEY-----", "-----BEGIN KEY-----\nMIIEpAIBAAKC\n", "got [secret]" },
        { "MIIEpAIBAAKC", "-----BEGIN KEY-----\r\nMIIEpAIBAAKC\r\n", "[secret]" },
        { "a secret of [secret]", "secret", "a [secret] of [[secret]]" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b = BUF_INIT(256);

        buf_puts(&b, rows[i].text);
        redact(&b, rows[i].secret);
        assert_string_equal(buf_text(&b), rows[i].want);
        buf_fini(&b);
    }
}

/* What has no room for the marks is not shown at all. */
static void test_no_room(void **state)
{
    struct buf b = BUF_INIT(13);

    (void)state;
    buf_puts(&b, "sixsixsixsix");
    redact(&b, "sixsix");
    assert_int_equal(b.len, 0);
    buf_fini(&b);
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows),
                                               cmocka_unit_test(test_no_room) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
