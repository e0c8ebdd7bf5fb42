/* Programs that are run: what they say, how they end, and those that do not end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>

#include "base/mem.h"
#include "host/internal.h"

static const char *const *shell(const char *script)
{
    static const char *argv[4] = { "sh", "-c" };

    argv[2] = script;
    return argv;
}

static void test_what_it_says(void **state)
{
    struct buf out = BUF_INIT(100);
    struct err e = { 0 };
    int status = -1;

    (void)state;
    buf_puts(&out, "> ");
    assert_int_equal(
        host_run(shell("echo out; echo err >&2; cat; exit 3"), 10000, &status, &out, &e), ERR_OK);
    assert_int_equal(status, 3);
    assert_string_equal(buf_text(&out), "> out\nerr\n");
    buf_fini(&out);
    assert_int_equal(host_run(shell("kill -9 $$"), 10000, &status, NULL, &e), ERR_OK);
    assert_int_equal(status, 128 + SIGKILL);
}

/* No shell, no environment of ours. */
static void test_as_it_is(void **state)
{
    const char *const echo[] = { "echo", "$PATH", "; a b", NULL };
    struct buf out = BUF_INIT(1000);
    struct err e = { 0 };
    int status = -1;

    (void)state;
    setenv("BERTH_TEST_SECRET", "s3cret", 1);
    assert_int_equal(host_run(echo, 10000, &status, &out, &e), ERR_OK);
    assert_string_equal(buf_text(&out), "$PATH ; a b\n");
    buf_reset(&out);
    assert_int_equal(
        host_run(shell("echo \"${BERTH_TEST_SECRET-none}\""), 10000, &status, &out, &e), ERR_OK);
    assert_string_equal(buf_text(&out), "none\n");
    buf_fini(&out);
}

static void test_more_than_is_kept(void **state)
{
    struct buf out = BUF_INIT(1 << 20);
    struct err e = { 0 };
    int status = -1;

    (void)state;
    assert_int_equal(host_run(shell("head -c 300000 /dev/zero"), 10000, &status, &out, &e), ERR_OK);
    assert_int_equal(status, 0);
    assert_int_equal(out.len, 16384);
    buf_fini(&out);
}

static void test_no_such_program(void **state)
{
    const char *const argv[] = { "/no/such/program", NULL };
    struct err e = { 0 };
    int status = -1;

    (void)state;
    assert_int_equal(host_run(argv, 10000, &status, NULL, &e), ERR_NOT_FOUND);
    assert_string_equal(e.msg, "/no/such/program: No such file or directory");
    assert_int_equal(status, -1);
}

static void test_one_that_hangs_is_ended(void **state)
{
    const char *const hangs[] = { "sleep", "1000", NULL }, *const talks[] = { "yes", "a", NULL };
    struct err e = { 0 };
    int status = -1;

    (void)state;
    assert_int_equal(host_run(hangs, 20, &status, NULL, &e), ERR_TIMEOUT);
    assert_string_equal(e.msg, "sleep 1000: no end after 20 ms");
    assert_int_equal(host_run(talks, 20, &status, NULL, NULL), ERR_TIMEOUT);
    assert_int_equal(status, -1);
}

/* It has closed its outputs, or left them to a child of its own. */
static void test_outputs_do_not_tell_the_end(void **state)
{
    struct err e = { 0 };
    int status = -1;

    (void)state;
    assert_int_equal(host_run(shell("exec >&- 2>&-; exit 4"), 10000, &status, NULL, &e), ERR_OK);
    assert_int_equal(status, 4);
    assert_int_equal(host_run(shell("sleep 5 & exit 5"), 4000, &status, NULL, &e), ERR_OK);
    assert_int_equal(status, 5);
}

static void test_well(void **state)
{
    struct err e = { 0 };

    (void)state;
    assert_int_equal(host_run_well(shell("true"), 10000, &e), ERR_OK);
    assert_int_equal(host_run_well(shell("echo no way; exit 2"), 10000, &e), ERR_IO);
    assert_string_equal(e.msg, "sh -c: exit code 2: no way");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_it_says),
        cmocka_unit_test(test_as_it_is),
        cmocka_unit_test(test_more_than_is_kept),
        cmocka_unit_test(test_no_such_program),
        cmocka_unit_test(test_one_that_hangs_is_ended),
        cmocka_unit_test(test_outputs_do_not_tell_the_end),
        cmocka_unit_test(test_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
