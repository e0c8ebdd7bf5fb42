/* How much of the disk a log may take. */
#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "task/task.h"

static struct task_container with(struct task_kv *options, size_t n)
{
    return (struct task_container){ .log_options = options, .n_log_options = n };
}

static const struct {
    const char *mode, *size;
    int64_t wished, bytes;
    const char *error;
} cases[] = {
    { NULL, NULL, 0, 64 << 20, NULL },
    { "non-blocking", NULL, 150 << 20, 25 << 20, NULL },
    { "non-blocking", "60m", 0, 10 << 20, NULL },
    { "non-blocking", "60MB", 0, 10 << 20, NULL },
    { "non-blocking", "60MiB", 0, 10 << 20, NULL },
    { "non-blocking", "1.5g", 0, 256 << 20, NULL },
    { "non-blocking", "6291456", 0, 1 << 20, NULL },
    { "non-blocking", "6291456b", 0, 1 << 20, NULL },
    { "non-blocking", "1k", 0, TASK_SPOOL_LEAST / 6, NULL },
    { "blocking", "1m", 0, 0,
      "logger: max-buffer-size option is only supported with 'mode=non-blocking'" },
    { NULL, "1m", 0, 0,
      "logger: max-buffer-size option is only supported with 'mode=non-blocking'" },
    { "non-blocking", "much", 0, 0, "invalid size: 'much'" },
    { "non-blocking", "1.2.3m", 0, 0, "invalid size: '1.2.3m'" },
    { "non-blocking", "-1m", 0, 0, "invalid size" },
    { "non-blocking", "0", 0, 0, "invalid size" },
    { "non-blocking", "9999999t", 0, 0, "invalid size" },
    { "non-blocking", "1mx", 0, 0, "invalid size" },
};

static void test_spool(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct task_kv options[] = { { (char *)"mode", (char *)cases[i].mode },
                                     { (char *)"max-buffer-size", (char *)cases[i].size } };
        struct task_container c = with(options, 2);
        struct task_spool spool = { 0 };
        struct err e = { 0 };

        print_message("%s\n", cases[i].size ? cases[i].size : "-");
        assert_int_equal(task_spool_of(&c, cases[i].wished, &spool, &e),
                         cases[i].error ? ERR_INVALID : ERR_OK);
        if (cases[i].error) {
            assert_non_null(strstr(e.msg, cases[i].error));
            continue;
        }
        assert_int_equal(spool.files, TASK_SPOOL_FILES);
        assert_int_equal(spool.bytes, cases[i].bytes);
    }
}

static void test_secrets(void **state)
{
    struct task_kv options[] = { { (char *)"a", (char *)"1" }, { (char *)"b", (char *)"2" } };
    const struct task_kv secrets[] = { { (char *)"b", (char *)"3" },
                                       { (char *)"a", (char *)"" },
                                       { (char *)"c", (char *)"4" },
                                       { (char *)"b", (char *)"5" } };
    struct task_container c = with(options, 2);
    size_t n = 0;
    struct task_kv *all = task_log_options(&c, secrets, 4, &n);

    (void)state;
    assert_int_equal(n, 3);
    assert_string_equal(all[0].value, "1");
    assert_string_equal(all[1].value, "5"); /* the last one */
    assert_string_equal(all[2].name, "c");
    assert_string_equal(all[2].value, "4");
    free(all);
    /* A container may be given its own new count. */
    c.log_options = task_log_options(&c, secrets, 3, &c.n_log_options);
    assert_int_equal(c.n_log_options, 3);
    assert_string_equal(c.log_options[1].value, "3");
    free(c.log_options);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_spool),
                                        cmocka_unit_test(test_secrets) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
