/* links: io */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/file_watch.h"
#include "support/check.h"

struct world {
    struct loop *loop;
    struct loop_timer *watchdog, *later;
    struct file_watches *all;
    char root[64], path[80], other[80];
    int fd;
};

struct told {
    struct world *world;
    struct file_watch *watch, *victim;
    int n;
};

static void on_watchdog(void *user)
{
    (void)user;
    fail_msg("nothing was told in time");
}

static void on_later(void *user)
{
    struct world *w = user;

    loop_stop(w->loop);
}

static void on_told(void *user)
{
    struct told *t = user;

    t->n++;
    t->watch = NULL;
    file_watch_cancel(t->victim);
    t->victim = NULL;
    loop_stop(t->world->loop);
}

static int setup(void **state)
{
    struct world *w = NEW(struct world);

    snprintf(w->root, sizeof w->root, "/tmp/berth-filewatch-XXXXXX");
    assert_non_null(mkdtemp(w->root));
    snprintf(w->path, sizeof w->path, "%s/log", w->root);
    snprintf(w->other, sizeof w->other, "%s/log.1", w->root);
    w->fd = open(w->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(w->fd >= 0);
    w->loop = loop_create();
    w->all = file_watches_create(w->loop);
    w->watchdog = loop_timer_create(w->loop, on_watchdog, w);
    w->later = loop_timer_create(w->loop, on_later, w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    AUTO(str) char *command = mem_printf("rm -rf %s", w->root);

    if (w->fd >= 0)
        close(w->fd);
    file_watches_destroy(w->all);
    loop_timer_destroy(w->watchdog);
    loop_timer_destroy(w->later);
    loop_destroy(w->loop);
    assert_int_equal(system(command), 0);
    free(w);
    return 0;
}

static void begin(struct world *w, struct told *t, const char *path, enum file_watch_for what)
{
    t->world = w;
    t->watch = file_watch_begin(w->all, path, what, on_told, t);
}

/* Runs until something is told. */
static void expect(struct world *w, const struct told *t, int n)
{
    while (t->n < n) {
        loop_timer_arm(w->watchdog, 5000);
        loop_run(w->loop);
    }
    loop_timer_disarm(w->watchdog);
    assert_int_equal(t->n, n);
}

/* Everything that waits is told. */
static void settle(struct world *w)
{
    loop_timer_arm(w->later, 30);
    loop_run(w->loop);
}

static void put(const struct world *w)
{
    assert_int_equal(write(w->fd, "x", 1), 1);
}

static void change(struct world *w, int how)
{
    switch (how) {
    case 0:
        put(w);
        break;
    case 1:
        assert_int_equal(ftruncate(w->fd, 0), 0);
        break;
    case 2:
        assert_int_equal(rename(w->path, w->other), 0);
        break;
    case 3:
        assert_int_equal(rename(w->other, w->path), 0);
        break;
    case 4:
        assert_int_equal(unlink(w->path), 0); /* still open */
        break;
    default:
        close(w->fd);
        w->fd = -1;
        break;
    }
}

/* Each of these is told, once. */
static void test_everything(void **state)
{
    struct world *w = *state;
    struct told t = { 0 };

    put(w); /* so that there is something to cut */
    for (int how = 0; how <= 4; how++) {
        begin(w, &t, how == 3 ? w->other : w->path, FILE_WATCH_ANY);
        assert_int_equal(t.n, how);
        change(w, how);
        expect(w, &t, how + 1);
        if (how < 3)
            put(w); /* it watches no more */
        settle(w);
        assert_int_equal(t.n, how + 1);
    }
}

static void test_names_only(void **state)
{
    struct world *w = *state;
    struct told t = { 0 };

    begin(w, &t, w->path, FILE_WATCH_NAMES);
    put(w);
    change(w, 1);
    settle(w);
    assert_int_equal(t.n, 0);
    change(w, 2);
    expect(w, &t, 1);
    begin(w, &t, w->other, FILE_WATCH_NAMES);
    change(w, 5);
    expect(w, &t, 2);
}

static void test_widen(void **state)
{
    struct world *w = *state;
    struct told t = { 0 };

    begin(w, &t, w->path, FILE_WATCH_NAMES);
    put(w);
    file_watch_widen(t.watch, w->path);
    settle(w);
    assert_int_equal(t.n, 0); /* that was before */
    put(w);
    expect(w, &t, 1);
    /* What was not read yet is not lost by it. */
    begin(w, &t, w->path, FILE_WATCH_NAMES);
    change(w, 2);
    file_watch_widen(t.watch, w->path);
    expect(w, &t, 2);
    begin(w, &t, w->other, FILE_WATCH_NAMES);
    change(w, 3);
    file_watch_widen(t.watch, w->path);
    expect(w, &t, 3);
}

/* Two watch one file; one goes, also out of the other's call. */
static void test_two_of_one_file(void **state)
{
    struct world *w = *state;
    struct told a = { 0 }, b = { 0 };

    begin(w, &a, w->path, FILE_WATCH_ANY);
    begin(w, &b, w->path, FILE_WATCH_NAMES);
    put(w);
    expect(w, &a, 1);
    settle(w);
    assert_int_equal(b.n, 1); /* for what it did not look for */
    begin(w, &a, w->path, FILE_WATCH_ANY);
    begin(w, &b, w->path, FILE_WATCH_ANY);
    file_watch_cancel(a.watch);
    put(w);
    expect(w, &b, 2);
    assert_int_equal(a.n, 1);
    begin(w, &a, w->path, FILE_WATCH_ANY);
    begin(w, &b, w->path, FILE_WATCH_ANY);
    a.victim = b.watch;
    put(w);
    expect(w, &a, 2);
    settle(w);
    assert_int_equal(b.n, 2);
}

/* What happened just before a cancel is not told, and the next one hears of its own time only. */
static void test_silence(void **state)
{
    struct world *w = *state;
    struct told t = { 0 };

    begin(w, &t, w->path, FILE_WATCH_ANY);
    assert_false(file_watch_polls(t.watch));
    put(w);
    file_watch_cancel(t.watch);
    begin(w, &t, w->path, FILE_WATCH_ANY);
    settle(w);
    assert_int_equal(t.n, 0);
    put(w);
    expect(w, &t, 1);
    file_watch_cancel(NULL);
}

/* Where there is nothing to watch the clock tells. */
static void test_no_file(void **state)
{
    struct world *w = *state;
    struct told t = { 0 }, never = { 0 };

    begin(w, &t, w->other, FILE_WATCH_ANY);
    begin(w, &never, w->other, FILE_WATCH_ANY);
    file_watch_widen(never.watch, w->other);
    assert_true(file_watch_polls(t.watch) && file_watch_polls(never.watch));
    file_watch_cancel(never.watch);
    settle(w);
    assert_int_equal(t.n, 0);
    expect(w, &t, 1);
    assert_int_equal(never.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_widen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_of_one_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silence, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_file, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
