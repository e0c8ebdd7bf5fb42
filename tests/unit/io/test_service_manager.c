/* What LISTEN_* and WATCHDOG_* say. */
#include "io/service_manager.h"

#include "support/check.h"

static void test_how_many_are_passed(void **state)
{
    static const struct {
        const char *pid, *fds;
        size_t want;
    } rows[] = {
        { "7", "2", 2 },     { "7", "0", 0 },  { "8", "2", 0 },  { NULL, "2", 0 },
        { "7", NULL, 0 },    { "", "2", 0 },   { "7", "", 0 },   { "7x", "2", 0 },
        { "7", "2 ", 0 },    { "7", "-1", 0 }, { "-7", "2", 0 }, { "7", "99999999999", 0 },
        { "7", "100", 100 }, { "07", "2", 2 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(service_manager_passed(rows[i].pid, rows[i].fds, 7), rows[i].want);
}

static void test_names(void **state)
{
    static const struct {
        const char *names;
        size_t i;
        const char *want;
    } rows[] = {
        { "a:b:c", 0, "a" },       { "a:b:c", 1, "b" },    { "a:b:c", 2, "c" },
        { "a:b:c", 3, "unknown" }, { "a", 0, "a" },        { "", 0, "unknown" },
        { NULL, 0, "unknown" },    { NULL, 5, "unknown" }, { "a::c", 1, "unknown" },
        { "a::c", 2, "c" },        { ":", 0, "unknown" },  { ":", 1, "unknown" },
        { "a:", 0, "a" },          { "a:", 1, "unknown" }, { "a:", 2, "unknown" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_true(str_is(service_manager_nth(rows[i].names, rows[i].i), rows[i].want));
}

static void test_watchdog(void **state)
{
    static const struct {
        const char *usec, *pid;
        int64_t want;
    } rows[] = {
        { "120000000", "7", 120000 },
        { "120000000", NULL, 120000 },
        { "120000000", "8", 0 },
        { "120000000", "", 0 },
        { NULL, "7", 0 },
        { "", NULL, 0 },
        { "0", NULL, 0 },
        { "-1", NULL, 0 },
        { "1s", NULL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(service_manager_watchdog(rows[i].usec, rows[i].pid, 7), rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_how_many_are_passed),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_watchdog),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
