#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/defs.h"
#include "host/host.h"
#include "host/internal.h"

static void test_meminfo(void **state)
{
    static const struct {
        const char *text;
        int64_t want; /* -1: refused */
    } cases[] = {
        { "MemTotal:       16316024 kB\nMemFree:         1234 kB\n", 15933 },
        { "MemTotal: 1023 kB\n", 0 },
        { "MemTotal: 1024 kB", 1 },
        { "MemFree: 5 kB\nMemTotal:\t2048 kB\n", 2 },
        { "MemAvailable: 1 kB\n", -1 },
        { "XMemTotal: 2048 kB\n", -1 },
        { "MemTotal: 2048\n", -1 },
        { "MemTotal: lots kB\n", -1 },
        { "MemTotal: -2048 kB\n", -1 },
        { "MemTotal: 99999999999999999999 kB\n", -1 },
        { "", -1 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err e = { 0 };
        int64_t mib = -7;
        enum err_code code = host_parse_meminfo(cases[i].text, &mib, &e);

        assert_int_equal(code, cases[i].want < 0 ? ERR_INVALID : ERR_OK);
        assert_int_equal(mib, cases[i].want < 0 ? -7 : cases[i].want);
    }
}

static void test_this_machine(void **state)
{
    struct host_capacity c = { 0 };
    struct err e = { 0 };
    cpu_set_t set;

    (void)state;
    assert_int_equal(host_read_capacity(&c, &e), ERR_OK);
    assert_in_range(c.cores, 1, sysconf(_SC_NPROCESSORS_CONF));
    assert_int_equal(c.cpu_units, 1024 * c.cores);
    assert_in_range(c.memory_mib, 64, INT32_MAX);

    /* Bound to one processor, one is what there is. */
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    for (int i = 0, kept = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &set) && kept++)
            CPU_CLR(i, &set);
    assert_int_equal(sched_setaffinity(0, sizeof set, &set), 0);
    assert_int_equal(host_read_capacity(&c, &e), ERR_OK);
    assert_int_equal(c.cores, 1);
    assert_int_equal(c.cpu_units, 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meminfo),
        cmocka_unit_test(test_this_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
