/* keep.c: the folder of records, on a real file system. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "postmortem/internal.h"

static char base[] = "/tmp/berth-keep-XXXXXX", dir[64];

static int begin(void **state)
{
    (void)state;
    snprintf(base, sizeof base, "/tmp/berth-keep-XXXXXX");
    if (!mkdtemp(base))
        return -1;
    snprintf(dir, sizeof dir, "%s/records", base);
    return 0;
}

static int end(void **state)
{
    char command[100];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", base);
    return system(command);
}

static void put(const char *id, const char *text, int64_t ended_ms)
{
    struct err e = { 0 };

    if (keep_write(dir, id, str_of(text), ended_ms, &e))
        fail_msg("%s", e.msg);
}

/* The code of reading; the text in `out`. */
static enum err_code get(const char *id, char out[64])
{
    struct buf b = BUF_INIT(POSTMORTEM_MAX);
    struct err e = { 0 };
    enum err_code code = keep_read(dir, id, &b, &e);

    snprintf(out, 64, "%s", buf_text(&b));
    buf_fini(&b);
    return code;
}

static void test_names(void **state)
{
    static const struct {
        const char *id;
        bool good;
    } rows[] = {
        { "0123456789abcdef", true },
        { "local-web.1_2", true },
        { "", false },
        { ".hidden", false },
        { "a/b", false },
        { "..", false },
        { "a b", false },
        { "\xC3\xA4", false },
    };
    char long_id[200];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(keep_is_name(rows[i].id), rows[i].good);
    memset(long_id, 'a', sizeof long_id);
    long_id[128] = '\0';
    assert_true(keep_is_name(long_id));
    long_id[128] = 'a';
    long_id[129] = '\0';
    assert_false(keep_is_name(long_id));
}

static void test_read(void **state)
{
    char text[64], path[200];
    struct stat st;

    (void)state;
    assert_int_equal(get("abc", text), ERR_NOT_FOUND); /* no folder yet */
    put("abc1", "one", 2000);
    put("abc2", "two", 3000);
    put("abc", "exact", 1000);
    put("xyz", "x", 1500);
    assert_true(keep_has(dir, "xyz"));
    assert_false(keep_has(dir, "xy"));
    assert_int_equal(get("xy", text), ERR_OK);
    assert_string_equal(text, "x");
    assert_int_equal(get("abc", text), ERR_OK);
    assert_string_equal(text, "exact");
    assert_int_equal(get("ab", text), ERR_CONFLICT);
    assert_int_equal(get("nothing", text), ERR_NOT_FOUND);
    assert_int_equal(get(NULL, text), ERR_OK); /* the newest end, not the newest file */
    assert_string_equal(text, "two");
    snprintf(path, sizeof path, "%s/abc.json", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    snprintf(path, sizeof path, "%s/record.new", dir);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_at_most_so_many(void **state)
{
    char id[20], text[64];

    (void)state;
    for (int i = 0; i < POSTMORTEM_FILES + 20; i++) {
        snprintf(id, sizeof id, "t%04d", i);
        put(id, id, 1000 + i);
    }
    for (int i = 0; i < POSTMORTEM_FILES + 20; i++) {
        snprintf(id, sizeof id, "t%04d", i);
        assert_int_equal(keep_has(dir, id), i >= 20);
    }
    put("old", "an older end does not push out a newer one", 1);
    assert_false(keep_has(dir, "old"));
    assert_true(keep_has(dir, "t0020"));
    assert_int_equal(get(NULL, text), ERR_OK);
}

static void test_at_most_so_large(void **state)
{
    char *large = mem_alloc(POSTMORTEM_MAX + 1);
    char id[20];
    int kept = 0, most = POSTMORTEM_BYTES / POSTMORTEM_MAX;

    (void)state;
    memset(large, 'x', POSTMORTEM_MAX);
    for (int i = 0; i < most + 10; i++) {
        snprintf(id, sizeof id, "t%04d", i);
        put(id, large, 1000 + i);
    }
    for (int i = 0; i < most + 10; i++) {
        snprintf(id, sizeof id, "t%04d", i);
        kept += keep_has(dir, id);
        assert_int_equal(keep_has(dir, id), i >= 10);
    }
    assert_int_equal(kept, most);
    free(large);
}

/* A folder that cannot be: an error, and nothing half-written. */
static void test_trouble(void **state)
{
    struct err e = { 0 };
    FILE *f = fopen(dir, "w");

    (void)state;
    assert_non_null(f);
    fclose(f);
    assert_int_equal(keep_write(dir, "a", str_of("x"), 1, &e), ERR_IO);
    assert_non_null(strstr(e.msg, dir));
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
    static const struct CMUnitTest tests[] = {
        CASE(test_names),           CASE(test_read),
        CASE(test_at_most_so_many), CASE(test_at_most_so_large),
        CASE(test_trouble),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
