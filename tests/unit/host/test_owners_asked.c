/* The question for the owners of sockets as text. Its way to the helper and back is tested with the
 * agent. */
#include "base/str.h"
#include "host/internal.h"
#include "support/check.h"

static void test_question(void **state)
{
    struct host_owners o;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(host_owners_read("s 127.0.0.1 80 ::1 65535\ng abc\ns 1 0 2 0\ng d\n", &o, &e),
                     ERR_OK);
    assert_int_equal(o.n, 2);
    assert_string_equal(o.sockets[0].local, "127.0.0.1");
    assert_int_equal(o.sockets[0].local_port, 80);
    assert_string_equal(o.sockets[0].remote, "::1");
    assert_int_equal(o.sockets[0].remote_port, 65535);
    assert_string_equal(o.sockets[1].remote, "2");
    assert_int_equal(o.n_groups, 2);
    assert_string_equal(o.groups[1], "d");
    host_owners_fini(&o);
    assert_int_equal(host_owners_read("", &o, &e), ERR_OK);
    assert_int_equal(o.n + o.n_groups, 0);
    host_owners_fini(&o);
}

static void test_no_question(void **state)
{
    static const char *const rows[] = {
        "s 127.0.0.1 80 ::1 65536",
        "s 127.0.0.1 -1 ::1 1",
        "s 127.0.0.1 80 ::1",
        "s 127.0.0.1 80 ::1 1 2",
        "g",
        "g a b",
        "x a",
        " ",
        "g a\nx",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct host_owners o = { 0 };
        struct err e = { 0 };

        assert_int_equal(host_owners_read(rows[i], &o, &e), ERR_INVALID);
        assert_int_equal(o.n_groups, 0);
    }
}

static void test_bounds(void **state)
{
    static const struct {
        const char *line;
        size_t most;
    } rows[] = { { "s 1 2 3 4\n", HOST_OWNERS_SOCKETS }, { "g a\n", HOST_OWNERS_GROUPS } };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(buf) struct buf text = BUF_INIT(1 << 20);
        struct host_owners o = { 0 };
        struct err e = { 0 };

        for (size_t k = 0; k < rows[i].most; k++)
            buf_puts(&text, rows[i].line);
        assert_int_equal(host_owners_read(buf_text(&text), &o, &e), ERR_OK);
        host_owners_fini(&o);
        buf_puts(&text, rows[i].line);
        assert_int_equal(host_owners_read(buf_text(&text), &o, &e), ERR_LIMIT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_question),
        cmocka_unit_test(test_no_question),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
