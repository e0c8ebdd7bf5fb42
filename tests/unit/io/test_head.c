#include "io/http_internal.h"
#include "support/check.h"

static void test_find(void **state)
{
    AUTO(buf) struct buf head = BUF_INIT(64);

    (void)state;
    assert_null(head_find(&head, "a"));
    assert_true(head_add(&head, str_of("Content-Type:  text/plain \r\n")));
    assert_true(head_add(&head, str_of("Empty:\r\n")));
    assert_true(head_add(&head, str_of("no colon")));
    assert_true(head_add(&head, (struct str){ "N\0: x", 5 }));
    assert_true(head_add(&head, str_of("X: a:b")));
    assert_string_equal(head_find(&head, "content-type"), "text/plain");
    assert_string_equal(head_find(&head, "EMPTY"), "");
    assert_string_equal(head_find(&head, "x"), "a:b");
    assert_null(head_find(&head, "text/plain")); /* a value is no name */
    assert_false(head_add(&head, str_of("Too: much for what is left of the room here")));
    assert_string_equal(head_find(&head, "x"), "a:b");
    assert_null(head_find(&head, "Too"));
}

static void test_status(void **state)
{
    static const struct {
        const char *line;
        int want;
    } cases[] = {
        { "HTTP/1.1 200 OK", 200 }, { "HTTP/1.0 404", 404 },
        { "HTTP/1.1 200\r", 200 },  { "HTTP/1.1 2000 OK", 0 },
        { "HTTP/2 200", 0 },        { "HTTP/1.1 099 Low", 0 },
        { "HTTP/1.1 20x No", 0 },   { "", 0 },
        { "HTTP/1.1", 0 },          { "X-HTTP: HTTP/1.1 200 OK", 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(head_status(str_of(cases[i].line)), cases[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
