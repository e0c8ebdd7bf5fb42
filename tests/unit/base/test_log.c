#include "unit/base/fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

static char folder[] = "/tmp/test_log.XXXXXX";
static char path[sizeof folder + 8];

/* What was logged since the last call. free() it. */
static char *logged(void)
{
    static long from;
    FILE *f = fopen(path, "r");
    char *text = mem_alloc(200 * 1024);
    size_t n;

    assert_non_null(f);
    assert_int_equal(fseek(f, from, SEEK_SET), 0);
    n = fread(text, 1, 200 * 1024 - 1, f);
    text[n] = '\0';
    from += (long)n;
    fclose(f);
    return text;
}

static int open_log(void **state)
{
    struct err e = { 0 };

    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/log", folder);
    log_set_level(LOG_OFF);
    return (int)log_open(path, NULL, &e);
}

static int remove_log(void **state)
{
    struct err e = { 0 };

    (void)state;
    unlink(path);
    return log_open(NULL, NULL, &e) || rmdir(folder);
}

static void test_logfmt(void **state)
{
    AUTO(str) char *text = NULL;

    (void)state;
    log_info("container started", kv_s("container", "we\"b\nx"), kv_i("took_ms", -4),
             kv_s("none", NULL));
    text = logged();
    assert_true(str_starts(text, "level=info time="));
    assert_true(str_ends(text, "Z mod=test msg=\"container started\" container=\"we\\\"b\\nx\" "
                               "took_ms=-4 none=\"\"\n"));
}

static void test_json(void **state)
{
    AUTO(str) char *text = NULL;
    struct err e = { ERR_IO, "disk \"gone\"" };

    (void)state;
    log_set_json(true);
    log_error("x", kv_err(&e), kv_i("n", 1));
    log_set_json(false);
    text = logged();
    assert_true(str_starts(text, "{\"level\":\"error\",\"time\":\""));
    assert_true(str_ends(text, "\"mod\":\"test\",\"msg\":\"x\",\"error\":\"disk \\\"gone\\\"\","
                               "\"n\":1}\n"));
}

static void test_levels(void **state)
{
    AUTO(str) char *none = NULL, *some = NULL;

    (void)state;
    log_debug("below");
    log_set_file_level(LOG_OFF);
    log_crit("off");
    none = logged();
    assert_string_equal(none, "");
    log_set_file_level(LOG_DEBUG);
    log_debug("now");
    log_set_file_level(LOG_INFO);
    some = logged();
    assert_non_null(strstr(some, "level=debug"));
}

static void test_parse_level(void **state)
{
    static const char *const names[] = { "debug", "info", "warn", "error", "crit", "none" };
    enum log_level level = LOG_INFO;
    struct err e = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(log_parse_level(names[i], &level, &e), ERR_OK);
        assert_int_equal(level, i);
    }
    assert_int_equal(log_parse_level("WARN", &level, &e), ERR_OK);
    assert_int_equal(level, LOG_WARN);
    assert_int_equal(log_parse_level("None", &level, &e), ERR_OK);
    assert_int_equal(log_parse_level("loud", &level, &e), ERR_INVALID);
    assert_string_equal(e.msg, "expected debug, info, warn, error, crit or none, got 'loud'");
    assert_int_equal(level, LOG_OFF);
}

/* A line is one line, however long its values are. */
static void test_long_line(void **state)
{
    AUTO(str) char *value = mem_alloc(100 * 1024), *text = NULL;

    (void)state;
    memset(value, 'v', 100 * 1024 - 1);
    log_info("long", kv_s("value", value));
    log_info("next");
    text = logged();
    assert_true(str_ends(text, " msg=\"next\"\n"));
    assert_ptr_equal(strchr(strchr(text, '\n') + 1, '\n'), text + strlen(text) - 1);
    assert_true(strchr(text, '\n') - text <= 64 * 1024);
}

static void test_open(void **state)
{
    struct err e = { 0 };
    struct stat st;

    (void)state;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0027, 0);
    assert_int_equal(log_open("/nonexistent/folder/log", NULL, &e), ERR_NOT_FOUND);
    assert_true(str_starts(e.msg, "log file /nonexistent/folder/log: "));
}

/* Puts a file in the place of standard error. Returns the old one. */
static int replace_stderr(const char *name, int flags)
{
    int old = dup(STDERR_FILENO), fd = open(name, flags | O_CLOEXEC, 0600);

    assert_true(old >= 0 && fd >= 0);
    assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    close(fd);
    return old;
}

static void restore_stderr(int old)
{
    assert_int_equal(dup2(old, STDERR_FILENO), STDERR_FILENO);
    close(old);
}

/* Both get what their own level lets through. */
static void test_two_targets(void **state)
{
    AUTO(str) char *text = NULL, *in_file = NULL;
    char other[sizeof path + 8];
    FILE *f;
    int old;

    (void)state;
    snprintf(other, sizeof other, "%s.stderr", path);
    old = replace_stderr(other, O_RDWR | O_CREAT | O_APPEND);
    log_set_level(LOG_ERROR);
    log_info("detail");
    log_error("trouble");
    log_set_file_level(LOG_OFF);
    log_error("only there");
    log_set_file_level(LOG_INFO);
    log_set_level(LOG_OFF);
    restore_stderr(old);
    text = mem_alloc(4096);
    f = fopen(other, "r");
    assert_non_null(f);
    assert_true(fread(text, 1, 4095, f) > 0);
    fclose(f);
    unlink(other);
    assert_null(strstr(text, "detail"));
    assert_non_null(strstr(text, "trouble"));
    assert_non_null(strstr(text, "only there"));
    in_file = logged();
    assert_non_null(strstr(in_file, "detail"));
    assert_non_null(strstr(in_file, "trouble"));
    assert_null(strstr(in_file, "only there"));
}

/* A file that may not grow is a full disk: a line is cut, the next ones are lost, and
 * once it may grow again all that is told, on lines of their own. */
static void test_full_disk(void **state)
{
    AUTO(str) char *text = NULL;
    struct rlimit before, now;
    struct stat st;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    now = before;
    now.rlim_cur = (rlim_t)st.st_size + 10;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
    log_info("cut");
    log_info("lost");
    log_info("lost");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    log_info("first");
    log_info("second");
    text = logged();
    assert_true(str_starts(text, "level=info\nlevel=warn time="));
    assert_non_null(strstr(text, "msg=\"log lines could not be written and are lost\" lines=3\n"
                                 "level=info time="));
    assert_null(strstr(text, "\"lost\""));
    assert_null(strstr(text, "\"cut\""));
    assert_non_null(strstr(text, "msg=\"first\"\nlevel=info"));
    assert_true(str_ends(text, "msg=\"second\"\n"));
}

static void test_full_stderr(void **state)
{
    AUTO(str) char *text = mem_alloc(4096);
    char other[sizeof path + 8];
    int old, full;
    FILE *f;

    (void)state;
    snprintf(other, sizeof other, "%s.stderr", path);
    old = replace_stderr("/dev/full", O_WRONLY);
    log_set_level(LOG_INFO);
    log_info("one");
    log_info("two");
    full = replace_stderr(other, O_RDWR | O_CREAT | O_APPEND);
    log_info("three");
    log_set_level(LOG_OFF);
    close(full);
    restore_stderr(old);
    f = fopen(other, "r");
    assert_non_null(f);
    assert_true(fread(text, 1, 4095, f) > 0);
    fclose(f);
    unlink(other);
    assert_non_null(strstr(text, "are lost\" lines=2\nlevel=info"));
    assert_true(str_ends(text, "msg=\"three\"\n"));
    free(logged());
}

struct tapped {
    struct buf text;
    int64_t when_ms;
};

static void on_tap(void *user, int64_t wall_ms, struct str line)
{
    struct tapped *t = user;

    t->when_ms = wall_ms;
    buf_append(&t->text, line.p, line.n);
    buf_putc(&t->text, '|');
    log_error("what the tap says does not come back to it");
}

/* The tap gets what goes to standard error, which is away for the while. */
static void test_tap(void **state)
{
    struct tapped t = { .text = BUF_INIT(4096) };
    int out = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
    AUTO(str) char *text = NULL;

    (void)state;
    dup2(null, STDERR_FILENO);
    close(null);
    log_set_tap(on_tap, &t);
    log_info("standard error is off");
    log_set_level(LOG_WARN);
    log_info("below its level");
    log_warn("first", kv_s("why", "a\nb"));
    log_error("second");
    log_set_tap(NULL, NULL);
    log_error("third");
    log_set_level(LOG_OFF);
    dup2(out, STDERR_FILENO);
    close(out);
    text = logged(); /* the file has all */
    assert_non_null(strstr(text, "below its level"));
    assert_non_null(strstr(text, "does not come back"));
    assert_true(str_starts(buf_text(&t.text), "level=warn time="));
    assert_non_null(strstr(buf_text(&t.text), " msg=\"first\" why=\"a\\nb\"|level=error time="));
    assert_true(str_ends(buf_text(&t.text), " msg=\"second\"|"));
    assert_true(t.when_ms > 1600000000000);
    buf_fini(&t.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logfmt),      cmocka_unit_test(test_json),
        cmocka_unit_test(test_levels),      cmocka_unit_test(test_parse_level),
        cmocka_unit_test(test_long_line),   cmocka_unit_test(test_open),
        cmocka_unit_test(test_two_targets), cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_full_stderr), cmocka_unit_test(test_tap),
    };

    return cmocka_run_group_tests(tests, open_log, remove_log);
}
