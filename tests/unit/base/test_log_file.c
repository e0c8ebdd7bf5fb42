#include "unit/base/fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log_file.h"
#include "base/mem.h"
#include "base/str.h"

#define HOUR_MS INT64_C(3600000)
/* 2026-03-04T10:00:00Z; the tests run in UTC+2. */
#define NOON INT64_C(1772618400000)

static char folder[] = "/tmp/test_log_file.XXXXXX";
static char path[sizeof folder + 8];

static char *in_folder(const char *name)
{
    return mem_printf("%s/%s", folder, name);
}

static char *content(const char *name)
{
    AUTO(str) char *at = in_folder(name);
    char *text = mem_alloc(4096);
    FILE *f = fopen(at, "r");

    if (!f) {
        free(text);
        return NULL;
    }
    text[fread(text, 1, 4095, f)] = '\0';
    fclose(f);
    return text;
}

static void check_content(const char *name, const char *want)
{
    AUTO(str) char *text = content(name);

    if (!want) {
        assert_null(text);
        return;
    }
    assert_non_null(text);
    assert_string_equal(text, want);
}

static void put_file(const char *name, const char *text)
{
    AUTO(str) char *at = in_folder(name);
    FILE *f = fopen(at, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static size_t count_files(void)
{
    DIR *d = opendir(folder);
    struct dirent *entry;
    size_t n = 0;

    while ((entry = readdir(d)))
        n += entry->d_name[0] != '.';
    closedir(d);
    return n;
}

static int make_folder(void **state)
{
    (void)state;
    setenv("TZ", "EET-2", 1);
    tzset();
    snprintf(folder + sizeof folder - 7, 7, "XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/a.log", folder);
    return 0;
}

static int remove_folder(void **state)
{
    DIR *d = opendir(folder);
    struct dirent *entry;

    (void)state;
    while ((entry = readdir(d))) {
        AUTO(str) char *at = in_folder(entry->d_name);

        if (!streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
            unlink(at);
    }
    closedir(d);
    return rmdir(folder);
}

static struct log_file *open_with(enum log_roll roll, int64_t max_bytes, int64_t count)
{
    const struct log_file_rule rule = { roll, max_bytes, count };
    struct log_file *f = NULL;
    struct err e = { 0 };

    assert_int_equal(log_file_open(path, &rule, &f, &e), ERR_OK);
    return f;
}

static void line(struct log_file *f, int64_t wall_ms, int64_t mono_ms, const char *text)
{
    assert_true(log_file_write(f, wall_ms, mono_ms, text, strlen(text)));
}

/* The highest number is the newest, and the oldest goes. Others' files are left alone. */
static void test_size(void **state)
{
    struct log_file *f;

    (void)state;
    put_file("a.log.9", "old\n");
    put_file("a.log.bak", "another's\n");
    put_file("a.log.2026-03-04-11", "another's\n");
    put_file("b.log.1", "another's\n");
    f = open_with(LOG_ROLL_SIZE, 10, 3);
    line(f, NOON, 0, "1234\n");
    line(f, NOON, 0, "5678\n"); /* 10 bytes: full, not over */
    check_content("a.log", "1234\n5678\n");
    line(f, NOON, 0, "a\n");
    check_content("a.log", "a\n");
    check_content("a.log.10", "1234\n5678\n");
    line(f, NOON, 0, "a line over the maximum\n"); /* is written whole */
    check_content("a.log.9", "old\n");             /* three are kept: 9, 10 and 11 */
    line(f, NOON, 0, "b\n");
    check_content("a.log.9", NULL);
    line(f, NOON, 0, "12345678\n");
    log_file_close(f);
    check_content("a.log.10", NULL);
    check_content("a.log.11", "a\n");
    check_content("a.log.12", "a line over the maximum\n");
    check_content("a.log.13", "b\n");
    check_content("a.log", "12345678\n");
    assert_int_equal(count_files(), 7);
}

/* Without a number, none is removed. */
static void test_size_all_kept(void **state)
{
    struct log_file *f = open_with(LOG_ROLL_SIZE, 2, 0);

    (void)state;
    for (int i = 0; i < 30; i++)
        line(f, NOON, 0, "a\n");
    log_file_close(f);
    assert_int_equal(count_files(), 30);
}

/* Named by the local hour that has ended. */
static void test_hourly(void **state)
{
    struct log_file *f = open_with(LOG_ROLL_HOURLY, 0, 2);

    (void)state;
    line(f, NOON, 0, "12\n");
    line(f, NOON + HOUR_MS - 1, 0, "still 12\n");
    line(f, NOON + HOUR_MS, 0, "13\n");
    check_content("a.log.2026-03-04-12", "12\nstill 12\n");
    check_content("a.log", "13\n");
    line(f, NOON + 13 * HOUR_MS, 0, "1\n"); /* quiet hours have no file */
    check_content("a.log.2026-03-04-13", "13\n");
    check_content("a.log", "1\n");
    line(f, NOON + 14 * HOUR_MS, 0, "2\n");
    log_file_close(f);
    check_content("a.log.2026-03-05-01", "1\n");
    check_content("a.log.2026-03-04-12", NULL); /* two are kept */
    assert_int_equal(count_files(), 3);
}

/* What an earlier process left belongs to the hour of its last line. */
static void test_hourly_found(void **state)
{
    const struct timespec times[2] = { { NOON / 1000, 0 }, { NOON / 1000, 0 } };
    struct log_file *f;

    (void)state;
    put_file("a.log", "earlier\n");
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    f = open_with(LOG_ROLL_HOURLY, 0, 5);
    line(f, NOON + 1000, 0, "same hour\n");
    check_content("a.log", "earlier\nsame hour\n");
    line(f, NOON + HOUR_MS, 0, "next\n");
    log_file_close(f);
    check_content("a.log.2026-03-04-12", "earlier\nsame hour\n");
    check_content("a.log", "next\n");
}

/* Someone else wrote the first line of a new file. */
static void test_hourly_begun_by_another(void **state)
{
    struct log_file *f = open_with(LOG_ROLL_HOURLY, 0, 5);

    (void)state;
    put_file("a.log", "another's\n");
    line(f, NOON, 0, "12\n");
    check_content("a.log", "another's\n12\n");
    line(f, NOON + HOUR_MS, 0, "13\n");
    log_file_close(f);
    check_content("a.log.2026-03-04-12", "another's\n12\n");
    check_content("a.log", "13\n");
    assert_int_equal(count_files(), 2);
}

/* A clock that goes back loses nothing. */
static void test_clock_back(void **state)
{
    struct log_file *f = open_with(LOG_ROLL_HOURLY, 0, 5);

    (void)state;
    line(f, NOON, 0, "first 12\n");
    line(f, NOON + HOUR_MS, 0, "13\n");
    line(f, NOON, 0, "second 12\n");
    line(f, NOON + HOUR_MS, 10000, "second 13\n"); /* "-12" is taken */
    line(f, NOON + HOUR_MS, 20000, "third 13\n");
    log_file_close(f);
    check_content("a.log.2026-03-04-12", "first 12\n");
    check_content("a.log.2026-03-04-13", "13\n");
    check_content("a.log", "second 12\nsecond 13\nthird 13\n");
}

static void test_none(void **state)
{
    struct log_file *f = open_with(LOG_ROLL_NONE, 2, 1);

    (void)state;
    line(f, NOON, 0, "one\n");
    line(f, NOON + 9 * HOUR_MS, 0, "two\n");
    log_file_close(f);
    check_content("a.log", "one\ntwo\n");
    assert_int_equal(count_files(), 1);
}

/* Someone else renamed it: seen within a second, not with every line. */
static void test_renamed(void **state)
{
    AUTO(str) char *aside = in_folder("aside");
    struct log_file *f = open_with(LOG_ROLL_SIZE, 1000, 3);

    (void)state;
    line(f, NOON, 5000, "one\n");
    assert_int_equal(rename(path, aside), 0);
    line(f, NOON, 5999, "two\n");
    check_content("aside", "one\ntwo\n");
    check_content("a.log", NULL);
    line(f, NOON, 6000, "three\n");
    check_content("a.log", "three\n");
    /* And another took its place. */
    assert_int_equal(unlink(path), 0);
    put_file("a.log", "new\n");
    line(f, NOON, 7000, "four\n");
    log_file_close(f);
    check_content("a.log", "new\nfour\n");
    check_content("aside", "one\ntwo\n");
}

/* Cut in place by someone else: what counts is its size now. */
static void test_truncated(void **state)
{
    struct log_file *f = open_with(LOG_ROLL_SIZE, 10, 3);

    (void)state;
    line(f, NOON, 0, "12345678\n");
    assert_int_equal(truncate(path, 0), 0);
    line(f, NOON, 1000, "abcdefgh\n");
    log_file_close(f);
    check_content("a.log", "abcdefgh\n");
    assert_int_equal(count_files(), 1);
}

/* The folder is gone: lines go where they went, and back once it can be had. */
static void test_folder_gone(void **state)
{
    char other[sizeof folder + 8];
    struct log_file *f = open_with(LOG_ROLL_SIZE, 8, 3);

    (void)state;
    snprintf(other, sizeof other, "%s.moved", folder);
    line(f, NOON, 0, "one\n");
    assert_int_equal(rename(folder, other), 0);
    line(f, NOON, 1000, "two\n");
    line(f, NOON, 1000, "three\n");
    assert_int_equal(rename(other, folder), 0);
    check_content("a.log", "one\ntwo\nthree\n");
    line(f, NOON, 2000, "four\n");
    log_file_close(f);
    check_content("a.log", "four\n");
    check_content("a.log.1", "one\ntwo\nthree\n");
}

/* A device is neither renamed nor waited for; a pipe that nobody reads is refused. */
static void test_not_regular(void **state)
{
    const struct log_file_rule rule = { LOG_ROLL_SIZE, 1, 1 };
    struct log_file *f = NULL;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(log_file_open("/dev/full", &rule, &f, &e), ERR_OK);
    assert_false(log_file_write(f, NOON, 0, "lost\n", 5));
    assert_false(log_file_write(f, NOON, 0, "lost\n", 5));
    log_file_close(f);
    assert_int_equal(access("/dev/full", F_OK), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(log_file_open(path, &rule, &f, &e), ERR_IO);
    assert_true(str_starts(e.msg, "log file /tmp/"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(test_size),
        TEST(test_size_all_kept),
        TEST(test_hourly),
        TEST(test_hourly_found),
        TEST(test_clock_back),
        TEST(test_none),
        TEST(test_renamed),
        TEST(test_truncated),
        TEST(test_folder_gone),
        TEST(test_not_regular),
        TEST(test_hourly_begun_by_another),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
