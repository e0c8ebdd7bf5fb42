/* An answer with tags. */
#include "endpoints/tags.h"
#include "support/check.h"

static void test_sorted_once_each(void **state)
{
    struct tag_list l = { 0 };
    struct err e = { 0 };

    (void)state;
    assert_int_equal(tag_list_read(str_of("{\"tags\":[{\"key\":\"team\",\"value\":\"payments\"},"
                                          "{\"key\":\"cost\",\"value\":\"7\"},{\"key\":\"team\","
                                          "\"value\":\"orders\"},{\"key\":\"empty\"}]}"),
                                   &l, &e),
                     ERR_OK);
    assert_int_equal(l.n, 3);
    assert_string_equal(l.pairs[0].key, "cost");
    assert_string_equal(l.pairs[0].value, "7");
    assert_string_equal(l.pairs[1].key, "empty");
    assert_string_equal(l.pairs[1].value, "");
    assert_string_equal(l.pairs[2].key, "team");
    assert_string_equal(l.pairs[2].value, "orders");
    tag_list_fini(&l);
}

static void test_none(void **state)
{
    static const char *const none[] = { "{}", "{\"tags\":[]}", "{\"tags\":null}" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        struct tag_list l = { 0 };
        struct err e = { 0 };

        assert_int_equal(tag_list_read(str_of(none[i]), &l, &e), ERR_OK);
        assert_int_equal(l.n, 0);
        tag_list_fini(&l);
    }
}

static void test_no_answer(void **state)
{
    static const char *const bad[] = {
        "",
        "<html>",
        "[]",
        "{\"tags\":{}}",
        "{\"tags\":[1]}",
        "{\"tags\":[{\"value\":\"v\"}]}",
        "{\"tags\":[{\"key\":\"a\",\"value\":\"b\"},{\"key\":1}]}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct tag_list l = { 0 };
        struct err e = { 0 };

        print_message("%s\n", bad[i]);
        assert_int_equal(tag_list_read(str_of(bad[i]), &l, &e), ERR_RETRY);
        assert_null(l.pairs);
    }
}

static void test_far_too_many(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT(1 << 20);
    struct tag_list l = { 0 };
    struct err e = { 0 };

    (void)state;
    buf_puts(&b, "{\"tags\":[");
    for (int i = 0; i < 1001; i++)
        buf_printf(&b, "%s{\"key\":\"%d\"}", i ? "," : "", i);
    buf_puts(&b, "]}");
    assert_int_equal(tag_list_read(buf_str(&b), &l, &e), ERR_RETRY);
    assert_null(l.pairs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sorted_once_each),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_far_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
