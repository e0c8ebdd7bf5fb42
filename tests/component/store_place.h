#pragma once
/* A store in a folder of its own on a real file system, for the tests of the store; and a process
 * that is killed while it commits. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/store.h"

static char root[64];
static char dir[96];

static UNUSED int set_up(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/test-store-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    snprintf(dir, sizeof dir, "%s/lib/data", root);
    return 0;
}

static UNUSED int tear_down(void **state)
{
    AUTO(str) char *cmd = mem_printf("rm -rf '%s'", root);

    (void)state;
    return system(cmd) == 0 ? 0 : -1;
}

static UNUSED struct store *open_ok(void)
{
    struct store *s = NULL;
    struct err e = { 0 };

    if (store_open(dir, &s, &e))
        fail_msg("store_open: %s", e.msg);
    return s;
}

static UNUSED void put(struct store *s, enum store_kind kind, const char *key, const char *value)
{
    struct store_batch *b = store_batch_create();
    struct err e = { 0 };

    store_batch_put(b, kind, key, value);
    if (store_commit(s, b, &e))
        fail_msg("store_commit: %s", e.msg);
    store_batch_destroy(b);
}

static UNUSED enum err_code append_row(void *user, const char *key, const char *value,
                                       struct err *e)
{
    (void)e;
    buf_printf(user, "%s=%s ", key, value);
    return ERR_OK;
}

static UNUSED enum err_code count_row(void *user, const char *key, const char *value, struct err *e)
{
    int *n = user;

    (void)key;
    (void)value;
    (void)e;
    ++*n;
    return ERR_OK;
}

static UNUSED int count_rows(struct store *s, enum store_kind kind)
{
    struct err e = { 0 };
    int n = 0;

    assert_int_equal(store_each(s, kind, count_row, &n, &e), ERR_OK);
    return n;
}

static UNUSED void assert_rows(struct store *s, enum store_kind kind, const char *want)
{
    struct buf b = BUF_INIT(1 << 20);
    struct err e = { 0 };

    assert_int_equal(store_each(s, kind, append_row, &b, &e), ERR_OK);
    assert_string_equal(buf_text(&b), want);
    buf_fini(&b);
}

static UNUSED char *path_of(const char *name)
{
    return mem_printf("%s/%s", dir, name);
}

static UNUSED char *read_whole(const char *path, size_t *n)
{
    struct buf b = BUF_INIT(8 << 20);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    assert_true(fd >= 0);
    for (char *p; (p = buf_reserve(&b, 65536)) && (got = read(fd, p, 65536)) > 0;)
        buf_grew(&b, (size_t)got);
    close(fd);
    *n = b.len;
    return buf_take(&b);
}

static UNUSED void write_whole(const char *path, const char *data, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, n), (ssize_t)n);
    close(fd);
}

static UNUSED bool exists(const char *name)
{
    AUTO(str) char *path = path_of(name);

    return access(path, F_OK) == 0;
}

static UNUSED void commit_numbers(int ack) __attribute__((noreturn));
static UNUSED void commit_numbers(int ack)
{
    struct store *s = NULL;
    char key[32], value[600];

    if (store_open(dir, &s, NULL))
        _exit(1);
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (int i = 0;; i++) {
        struct store_batch *b = store_batch_create();

        snprintf(key, sizeof key, "%d", i);
        store_batch_put(b, STORE_TASK, key, value);
        store_batch_put(b, STORE_META, "last", key);
        if (store_commit(s, b, NULL) || write(ack, &i, sizeof i) != sizeof i)
            _exit(1);
        store_batch_destroy(b);
    }
}

/* Lets a child commit until `n` commits are acknowledged, then kills it. */
static UNUSED void run_and_kill(int n)
{
    int ack[2], last = -1, status;
    pid_t child;

    assert_int_equal(pipe(ack), 0);
    child = fork();
    if (child == 0)
        commit_numbers(ack[1]);
    close(ack[1]);
    while (last < n)
        if (read(ack[0], &last, sizeof last) != sizeof last)
            fail_msg("the child died by itself");
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(ack[0]);
    assert_true(WIFSIGNALED(status));
}

static UNUSED enum err_code expect_next(void *user, const char *key, const char *value,
                                        struct err *e)
{
    int *next = user;
    char want[32];

    snprintf(want, sizeof want, "%d", (*next)++);
    if (!streq(key, want) || strlen(value) != 599)
        return err_set(e, ERR_IO, "expected %s, found %s", want, key);
    return ERR_OK;
}

/* Checks that the store holds commits 0..k and nothing else; returns k. */
static UNUSED int assert_prefix(struct store *s)
{
    struct err e = { 0 };
    char *last = NULL;
    int next = 0;

    if (store_each(s, STORE_TASK, expect_next, &next, &e))
        fail_msg("%s", e.msg);
    if (next) {
        assert_int_equal(store_get(s, STORE_META, "last", &last, &e), ERR_OK);
        assert_int_equal(atol(last), next - 1);
        free(last);
    }
    return next - 1;
}

static UNUSED void fill(int rows)
{
    struct store_batch *b = store_batch_create();
    struct store *s = open_ok();
    struct err e = { 0 };
    char key[32], value[600];

    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (int i = 0; i < rows; i++) {
        snprintf(key, sizeof key, "%d", i);
        store_batch_put(b, STORE_TASK, key, value);
        store_batch_put(b, STORE_META, "last", key);
    }
    assert_int_equal(store_commit(s, b, &e), ERR_OK);
    store_batch_destroy(b);
    store_close(s);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
