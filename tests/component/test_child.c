/* links: io */
/* Programs that a helper starts: which, how they are told about, and that none is left. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/child.h"
#include "support/check.h"

#define SOON 10000

/* ---- a helper with a few commands ---- */

static bool only_hello(void *user, const char *const *argv)
{
    return streq(argv[0], "echo") && argv[1] && streq(argv[1], user) && !argv[2];
}

static int tell_helper(const char *const *argv, int in, int out)
{
    (void)argv;
    (void)in;
    dprintf(out, "%d\n", (int)getppid());
    return 3;
}

/* Its input, twice. */
static int twice(const char *const *argv, int in, int out)
{
    char text[4096];
    ssize_t n = read(in, text, sizeof text);

    (void)argv;
    return n < 0 || write(out, text, (size_t)n) != n || write(out, text, (size_t)n) != n;
}

static enum err_code lose_the_variable(struct err *e)
{
    (void)e;
    unsetenv("BERTH_TEST_CONFINED");
    return ERR_OK;
}

static enum err_code prepare(uint64_t capabilities, struct err *e)
{
    AUTO(str) char *text = mem_printf("%llu", (unsigned long long)capabilities);

    setenv("BERTH_TEST_PREPARED", text, 1);
    return capabilities == 99 ? err_set(e, ERR_DENIED, "not prepared") : ERR_OK;
}

static const struct child_rule rules[] = {
    { "hello", only_hello, NULL, 0 }, { "sh", NULL, NULL, 5 },   { "who", NULL, tell_helper, 0 },
    { "twice", NULL, twice, 0 },      { "bad", NULL, NULL, 99 },
};

static char fifo[64];

static int begin(void **state)
{
    const struct child_helper_args args = { .rules = rules,
                                            .n_rules = COUNT_OF(rules),
                                            .user = (void *)(uintptr_t) "hello",
                                            .confine = lose_the_variable,
                                            .prepare = prepare };
    struct err e = { 0 };

    (void)state;
    snprintf(fifo, sizeof fifo, "/tmp/berth-child-%d", (int)getpid());
    assert_int_equal(mkfifo(fifo, 0600), 0);
    setenv("BERTH_TEST_FIFO", fifo, 1);
    setenv("BERTH_TEST_CONFINED", "no", 1);
    setenv("BERTH_TEST_SECRET", "s3cret", 1);
    assert_false(child_helper_there());
    assert_int_equal(child_helper_start(&args, &e), ERR_OK);
    assert_true(child_helper_there());
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(fifo);
    child_helper_stop();
    assert_false(child_helper_there());
    while (wait(NULL) > 0 || errno == EINTR)
        ;
    return 0;
}

struct outcome {
    int ended;
    struct err err;
    struct buf out;
};

static void run_words(struct outcome *o, struct child_args a, const char *const *argv)
{
    *o = (struct outcome){ .out = BUF_INIT(10000) };
    a.argv = argv;
    a.out = &o->out;
    a.timeout_ms = a.timeout_ms ? a.timeout_ms : SOON;
    if (!a.cancel_fd)
        a.cancel_fd = -1;
    (void)!child_run(&a, &o->ended, &o->err);
}

static void run_shell(struct outcome *o, struct child_args a, const char *script)
{
    const char *const argv[] = { "sh", "-c", script, NULL };

    run_words(o, a, argv);
}

/* ---- what is run ---- */

static void test_only_what_is_on_the_list(void **state)
{
    static const struct {
        const char *as, *argv[4];
        enum err_code want;
    } rows[] = {
        { "hello", { "echo", "hello" }, ERR_OK },
        { "hello", { "echo", "hello", "you" }, ERR_DENIED },
        { "hello", { "sh", "-c", "echo escaped" }, ERR_DENIED },
        { "hallo", { "echo", "hello" }, ERR_DENIED },
        { NULL, { "echo", "hello" }, ERR_DENIED }, /* the list names a rule, not a program */
        { "", { "echo", "hello" }, ERR_DENIED },
        { "sh", { "/nowhere/sh" }, ERR_NOT_FOUND },
        { "sh", { "/etc/passwd" }, ERR_DENIED },
        { "bad", { "true" }, ERR_IO },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct outcome o;

        run_words(&o, (struct child_args){ .as = rows[i].as }, rows[i].argv);
        assert_int_equal(o.err.code, rows[i].want);
        assert_string_equal(buf_text(&o.out), rows[i].want ? "" : "hello\n");
        buf_fini(&o.out);
    }
}

static void test_what_comes_back(void **state)
{
    struct outcome o;

    (void)state;
    run_shell(&o, (struct child_args){ 0 }, "echo out; echo err >&2; exit 7");
    assert_string_equal(buf_text(&o.out), "out\n");
    assert_true(WIFEXITED(o.ended) && WEXITSTATUS(o.ended) == 7);
    buf_fini(&o.out);
    run_shell(&o, (struct child_args){ .errors = true }, "echo out; echo err >&2; kill -9 $$");
    assert_string_equal(buf_text(&o.out), "out\nerr\n");
    assert_true(WIFSIGNALED(o.ended) && WTERMSIG(o.ended) == 9);
    buf_fini(&o.out);
    run_shell(&o, (struct child_args){ .input = str_of("a\nb\n") }, "cat; cat");
    assert_string_equal(buf_text(&o.out), "a\nb\n");
    buf_fini(&o.out);
    run_shell(&o, (struct child_args){ .whole = true }, "head -c 10000 /dev/zero");
    assert_int_equal(o.err.code, ERR_OK);
    assert_int_equal(o.out.len, 10000);
    buf_fini(&o.out);
    run_shell(&o, (struct child_args){ .whole = true }, "head -c 10001 /dev/zero; sleep 100");
    assert_int_equal(o.err.code, ERR_LIMIT);
    buf_fini(&o.out);
    run_shell(&o, (struct child_args){ 0 }, "head -c 300000 /dev/zero; exit 1");
    assert_int_equal(o.err.code, ERR_OK);
    assert_int_equal(o.out.len, 10000);
    buf_fini(&o.out);
}

/* Its environment is what the helper had: of all of it, what is asked for. It has no descriptor
 * but its three, no signal is ignored, and what confines and prepares was there before. */
static void test_what_it_has(void **state)
{
    struct outcome o;
    const char *ignored;
    int mine = open("/dev/null", O_RDONLY); /* not closed by exec */

    (void)state;
    run_shell(&o, (struct child_args){ 0 },
              "echo ${BERTH_TEST_SECRET-none} ${BERTH_TEST_PREPARED-none}");
    assert_string_equal(buf_text(&o.out), "none none\n");
    buf_fini(&o.out);
    run_shell(&o, (struct child_args){ .environment = true },
              "echo $BERTH_TEST_SECRET $BERTH_TEST_PREPARED ${BERTH_TEST_CONFINED-gone}");
    assert_string_equal(buf_text(&o.out), "s3cret 5 gone\n");
    buf_fini(&o.out);
    run_shell(&o, (struct child_args){ 0 }, "cd /proc/self/fd; echo *; grep SigIgn ../status");
    ignored = strstr(buf_text(&o.out), "SigIgn:");
    assert_non_null(ignored); /* but for two that the C library keeps for itself */
    assert_int_equal(strtoull(ignored + 7, NULL, 16) & 0x7fffffff, 0);
    assert_null(strstr(buf_text(&o.out), " 4"));
    buf_fini(&o.out);
    close(mine);
}

static void test_a_rule_without_a_program(void **state)
{
    static const char *const argv[] = { "twice", NULL };
    struct outcome o;

    (void)state;
    run_words(&o, (struct child_args){ .input = str_of("ab"), .whole = true }, argv);
    assert_int_equal(o.err.code, ERR_OK);
    assert_string_equal(buf_text(&o.out), "abab");
    buf_fini(&o.out);
}

static void test_too_many_words(void **state)
{
    const char **argv = mem_array(1002, sizeof *argv);
    AUTO(str) char *word = mem_alloc(70000);
    struct outcome o;

    (void)state;
    for (size_t i = 0; i < 1001; i++)
        argv[i] = i ? "x" : "sh";
    run_words(&o, (struct child_args){ 0 }, argv); /* the helper does not take them */
    assert_int_equal(o.err.code, ERR_IO);
    memset(word, 'x', 69999);
    argv[1] = word;
    argv[2] = NULL;
    run_words(&o, (struct child_args){ 0 }, argv);
    assert_int_equal(o.err.code, ERR_LIMIT);
    free(argv);
}

/* ---- none is left ---- */

static void wait_gone(const char *pids)
{
    int64_t until = clock_mono_ms() + SOON;
    char *rest;

    for (long pid = strtol(pids, &rest, 10); pid > 0; pid = strtol(rest, &rest, 10)) {
        while (kill((pid_t)pid, 0) == 0 && clock_mono_ms() < until)
            usleep(1000);
        assert_int_equal(kill((pid_t)pid, 0), -1);
    }
}

static void test_killed_with_what_it_started(void **state)
{
    struct outcome o;
    int cancel = eventfd(1, EFD_CLOEXEC);

    (void)state;
    run_shell(&o, (struct child_args){ .timeout_ms = 200 }, "sleep 100 & echo $! $$; wait");
    assert_int_equal(o.err.code, ERR_TIMEOUT);
    wait_gone(buf_text(&o.out));
    buf_fini(&o.out);
    /* The output is still held, so not all of it is known to be there. */
    run_shell(&o, (struct child_args){ .timeout_ms = 200, .whole = true }, "sleep 100 & echo $!");
    assert_int_equal(o.err.code, ERR_TIMEOUT);
    wait_gone(buf_text(&o.out));
    buf_fini(&o.out);
    run_shell(&o, (struct child_args){ .cancel_fd = cancel }, "sleep 100");
    assert_int_equal(o.err.code, ERR_RETRY);
    buf_fini(&o.out);
    close(cancel);
}

static void test_left_running(void **state)
{
    struct outcome o;
    long pid;

    (void)state;
    run_shell(&o, (struct child_args){ 0 }, "sleep 100 >&- 2>&- & echo $!");
    assert_int_equal(o.err.code, ERR_OK);
    pid = strtol(buf_text(&o.out), NULL, 10);
    assert_int_equal(kill((pid_t)pid, 0), 0); /* it ended well: what it leaves is its own affair */
    kill((pid_t)pid, SIGKILL);
    buf_fini(&o.out);
}

/* A process that asks, and is killed while its program runs. */
static void test_asker_killed(void **state)
{
    static const char *const argv[] = { "sh", "-c", "echo $$ >$BERTH_TEST_FIFO; sleep 100", NULL };
    char text[32] = "";
    int said, ended;
    pid_t pid;

    (void)state;
    pid = fork();
    if (pid == 0) {
        const struct child_args a = {
            .argv = argv, .environment = true, .timeout_ms = 100000, .cancel_fd = -1
        };

        (void)!child_run(&a, &ended, NULL);
        _exit(1);
    }
    assert_true(pid > 0);
    said = open(fifo, O_RDONLY | O_CLOEXEC);
    assert_true(read(said, text, sizeof text - 1) > 0);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &ended, 0), pid);
    wait_gone(text);
    close(said);
}

/* ---- the helper's own end ---- */

static void on_gone(void *user)
{
    struct loop *l = user;

    loop_stop(l);
}

static void test_helper_killed(void **state)
{
    static const char *const argv[] = { "who", NULL };
    struct loop *l = loop_create();
    struct child_watch *w = child_helper_watch(l, on_gone, l);
    struct outcome o;
    pid_t helper;

    (void)state;
    run_words(&o, (struct child_args){ .whole = true }, argv);
    assert_int_equal(WEXITSTATUS(o.ended), 3);
    helper = (pid_t)strtol(buf_text(&o.out), NULL, 10);
    buf_fini(&o.out);
    kill(helper, SIGTERM); /* of those that a terminal sends to all */
    kill(helper, SIGINT);
    run_words(&o, (struct child_args){ 0 }, argv);
    assert_int_equal(o.err.code, ERR_OK);
    buf_fini(&o.out);
    kill(helper, SIGKILL);
    loop_run(l); /* until it is told */
    run_words(&o, (struct child_args){ 0 }, argv);
    assert_int_equal(o.err.code, ERR_IO);
    child_watch_destroy(w);
    loop_destroy(l);
}

static enum err_code refuse(struct err *e)
{
    return err_set(e, ERR_DENIED, "it cannot be confined");
}

static void test_helper_that_is_not_confined(void **state)
{
    const struct child_helper_args args = { .rules = rules, .n_rules = 1, .confine = refuse };
    struct err e = { 0 };

    (void)state;
    assert_int_equal(child_helper_start(&args, &e), ERR_DENIED);
    assert_string_equal(e.msg, "it cannot be confined");
    assert_false(child_helper_there());
    assert_true(wait(NULL) > 0); /* it has ended */
}

#define WITH_HELPER(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HELPER(test_only_what_is_on_the_list),
        WITH_HELPER(test_what_comes_back),
        WITH_HELPER(test_what_it_has),
        WITH_HELPER(test_a_rule_without_a_program),
        WITH_HELPER(test_too_many_words),
        WITH_HELPER(test_killed_with_what_it_started),
        WITH_HELPER(test_left_running),
        WITH_HELPER(test_asker_killed),
        WITH_HELPER(test_helper_killed),
        cmocka_unit_test(test_helper_that_is_not_confined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
