/* A program that prints keys: what it may do, and what is said when it cannot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "aws/creds_sources.h"
#include "base/clock.h"

static void test_bounds(void **state)
{
    struct cred_set set = { 0 };
    struct err e = { 0 };
    int64_t started = clock_mono_ms();
    int fd = eventfd(0, EFD_CLOEXEC);

    (void)state;
    assert_int_equal(
        creds_process_run("/bin/sh -c 'head -c 70000 /dev/zero; sleep 60'", 30000, fd, &set, &e),
        ERR_LIMIT);
    assert_int_equal(creds_process_run("sleep 60", 100, fd, &set, &e), ERR_TIMEOUT);
    /* Who holds the output open is ended with its parent. */
    assert_int_equal(creds_process_run("/bin/sh -c 'sleep 60 & exit 0'", 100, fd, &set, &e),
                     ERR_TIMEOUT);
    assert_int_equal(creds_process_run("/bin/sh -c 'exec >&-; sleep 60'", 100, fd, &set, &e),
                     ERR_TIMEOUT);
    assert_int_equal(creds_process_run("echo {}", 30000, fd, &set, &e), ERR_INVALID);
    assert_int_equal(creds_process_run("echo '{\"Version\":2}'", 30000, fd, &set, &e), ERR_INVALID);
    assert_int_equal(creds_process_run("/bin/sh -c 'kill -9 $$'", 30000, fd, &set, &e), ERR_DENIED);
    assert_non_null(strstr(e.msg, "signal 9"));
    assert_int_equal(write(fd, &(uint64_t){ 1 }, sizeof(uint64_t)), sizeof(uint64_t));
    assert_int_equal(creds_process_run("sleep 60", 30000, fd, &set, &e), ERR_RETRY);
    assert_null(set.access_key);
    assert_in_range(clock_mono_ms() - started, 0, 15000);
    close(fd);
}

/* Its arguments may be secrets. */
static void test_not_there(void **state)
{
    struct cred_set set = { 0 };
    struct err e = { 0 };
    int fd = eventfd(0, EFD_CLOEXEC);

    (void)state;
    assert_int_equal(creds_process_run("/no/such/program SECRETCANARY", 30000, fd, &set, &e),
                     ERR_NOT_FOUND);
    assert_non_null(strstr(e.msg, "/no/such/program: No such file"));
    assert_null(strstr(e.msg, "CANARY"));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
