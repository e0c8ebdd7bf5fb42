/* links: io */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/watch.h"
#include "support/check.h"

struct world {
    struct loop *loop;
    struct loop_timer *watchdog;
    struct watch *watch;
    char root[64];
    int told;
};

static void on_watchdog(void *user)
{
    (void)user;
    fail_msg("no change was told in time");
}

static void on_changed(void *user)
{
    struct world *w = user;

    w->told++;
    loop_stop(w->loop);
}

static int setup(void **state)
{
    struct world *w = NEW(struct world);

    snprintf(w->root, sizeof w->root, "/tmp/berth-watch-XXXXXX");
    assert_non_null(mkdtemp(w->root));
    w->loop = loop_create();
    w->watchdog = loop_timer_create(w->loop, on_watchdog, w);
    loop_timer_arm(w->watchdog, 5000); /* less than the interval of polling */
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    AUTO(str) char *command = mem_printf("rm -rf %s", w->root);

    watch_destroy(w->watch);
    loop_timer_destroy(w->watchdog);
    loop_destroy(w->loop);
    assert_int_equal(system(command), 0);
    free(w);
    return 0;
}

/* Runs until something is told. */
static void expect_news(struct world *w)
{
    loop_timer_arm(w->watchdog, 5000);
    loop_run(w->loop);
    assert_true(w->told > 0);
    w->told = 0;
}

static void watch(struct world *w, const char *below)
{
    AUTO(str) char *path = mem_printf("%s%s", w->root, below);

    w->watch = watch_create(w->loop, path, on_changed, w);
    assert_int_equal(w->told, 0); /* not inside the call */
}

static void put(struct world *w, const char *below)
{
    AUTO(str) char *path = mem_printf("%s%s", w->root, below);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
}

static void make(struct world *w, const char *below)
{
    AUTO(str) char *path = mem_printf("%s%s", w->root, below);

    assert_int_equal(mkdir(path, 0700), 0);
}

static void drop(struct world *w, const char *below)
{
    AUTO(str) char *path = mem_printf("%s%s", w->root, below);

    assert_int_equal(remove(path), 0);
}

static void test_files_come_change_and_go(void **state)
{
    struct world *w = *state;

    watch(w, "/");
    put(w, "/a");
    expect_news(w);
    put(w, "/a");
    expect_news(w);
    drop(w, "/a");
    expect_news(w);
}

static void test_directory_comes_later(void **state)
{
    struct world *w = *state;

    watch(w, "/one/two/three");
    make(w, "/one");
    expect_news(w);
    make(w, "/one/two");
    expect_news(w);
    make(w, "/one/two/three");
    expect_news(w);
    put(w, "/one/two/three/file");
    expect_news(w);
}

/* All of it comes before the loop looks again. */
static void test_directory_comes_at_once(void **state)
{
    struct world *w = *state;

    watch(w, "/one/two");
    make(w, "/one");
    make(w, "/one/two");
    expect_news(w);
    put(w, "/one/two/file");
    expect_news(w);
}

static void test_directory_goes_and_comes(void **state)
{
    struct world *w = *state;

    make(w, "/dir");
    watch(w, "/dir");
    drop(w, "/dir");
    expect_news(w);
    make(w, "/dir");
    expect_news(w);
    put(w, "/dir/file");
    expect_news(w);
}

static void test_silence_after_destroy(void **state)
{
    struct world *w = *state;

    watch(w, "/");
    put(w, "/a");
    watch_destroy(w->watch);
    w->watch = NULL;
    watch(w, "/"); /* another one, so that the loop has something to tell */
    put(w, "/b");
    expect_news(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files_come_change_and_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_directory_comes_later, setup, teardown),
        cmocka_unit_test_setup_teardown(test_directory_comes_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_directory_goes_and_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silence_after_destroy, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
