#include "unit/base/fixture.h"

#include "base/buf.h"

static void test_empty(void **state)
{
    struct buf b = BUF_INIT(10);
    char *taken;

    (void)state;
    assert_string_equal(buf_text(&b), "");
    assert_int_equal(buf_str(&b).n, 0);
    buf_consume(&b, 5);
    taken = buf_take(&b);
    assert_string_equal(taken, "");
    free(taken);
    buf_fini(&b);
}

static void test_appends(void **state)
{
    struct buf b = BUF_INIT(1000);

    (void)state;
    assert_true(buf_puts(&b, "ab"));
    assert_true(buf_putc(&b, 'c'));
    assert_true(buf_append(&b, "d\0e", 3));
    assert_true(buf_printf(&b, "%d", 42));
    assert_int_equal(b.len, 8);
    assert_memory_equal(b.data, "abcd\0e42", 9);
    for (int i = 0; i < 500; i++)
        assert_true(buf_putc(&b, 'x'));
    assert_int_equal(b.len, 508);
    assert_int_equal(b.data[508], 0);
    buf_fini(&b);
}

/* An append over the maximum changes nothing and sticks. */
static void test_maximum(void **state)
{
    struct buf b = BUF_INIT(4);

    (void)state;
    assert_true(buf_puts(&b, "abc"));
    assert_false(buf_puts(&b, "de"));
    assert_string_equal(buf_text(&b), "abc");
    assert_true(b.overflowed);
    assert_false(buf_putc(&b, 'd')); /* it would fit, but something is missing before it */
    assert_false(buf_printf(&b, "%d", 1));
    buf_reset(&b);
    assert_false(b.overflowed);
    assert_true(buf_puts(&b, "wxyz"));
    assert_false(buf_putc(&b, '!'));
    assert_string_equal(buf_text(&b), "wxyz");
    buf_fini(&b);
    assert_int_equal(b.max, 4);
    assert_true(buf_puts(&b, "n"));
    buf_fini(&b);
}

/* In the room that is there, over it, and over the maximum: of what does not fit as a whole
 * nothing is left. */
static void test_printf_at_the_edges(void **state)
{
    struct buf b = BUF_INIT(100);

    (void)state;
    assert_true(buf_printf(&b, "%063d", 7)); /* all of the first 64 bytes */
    assert_int_equal(b.len, 63);
    assert_true(buf_printf(&b, "%s", ""));
    assert_true(buf_printf(&b, "%d", 5));
    assert_int_equal(b.len, 64);
    assert_string_equal(b.data + 62, "75");
    assert_false(buf_printf(&b, "%037d", 1));
    assert_int_equal(b.len, 64);
    assert_string_equal(b.data + 62, "75");
    assert_false(buf_printf(&b, "%d", 5)); /* it overflowed before */
    assert_int_equal(b.len, 64);
    buf_fini(&b);
}

static void test_reserve(void **state)
{
    struct buf b = BUF_INIT(100);
    char *at = buf_reserve(&b, 100);

    (void)state;
    assert_non_null(at);
    memcpy(at, "hello", 5);
    buf_grew(&b, 5);
    assert_string_equal(buf_text(&b), "hello");
    assert_null(buf_reserve(&b, 96));
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_fini(&b);
}

static void test_consume_and_take(void **state)
{
    struct buf b = BUF_INIT(100);
    char *taken;

    (void)state;
    buf_puts(&b, "abcdef");
    buf_consume(&b, 2);
    assert_string_equal(buf_text(&b), "cdef");
    buf_consume(&b, 0);
    assert_int_equal(b.len, 4);
    taken = buf_take(&b);
    assert_string_equal(taken, "cdef");
    assert_null(b.data);
    assert_true(buf_puts(&b, "x"));
    buf_consume(&b, 9);
    assert_string_equal(buf_text(&b), "");
    free(taken);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),   cmocka_unit_test(test_appends),
        cmocka_unit_test(test_maximum), cmocka_unit_test(test_printf_at_the_edges),
        cmocka_unit_test(test_reserve), cmocka_unit_test(test_consume_and_take),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
