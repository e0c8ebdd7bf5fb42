#include "unit/base/fixture.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

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
    return (int)log_open(path, &e);
}

static int remove_log(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
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
    log_set_level(LOG_OFF);
    log_crit("off");
    none = logged();
    assert_string_equal(none, "");
    log_set_level(LOG_DEBUG);
    log_debug("now");
    log_set_level(LOG_INFO);
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
    assert_int_equal(log_open("/nonexistent/folder/log", &e), ERR_NOT_FOUND);
    assert_true(str_starts(e.msg, "log file /nonexistent/folder/log: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logfmt),    cmocka_unit_test(test_json),
        cmocka_unit_test(test_levels),    cmocka_unit_test(test_parse_level),
        cmocka_unit_test(test_long_line), cmocka_unit_test(test_open),
    };

    return cmocka_run_group_tests(tests, open_log, remove_log);
}
