/* links: core docker store */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* They belong to the program, not to a library. */
#include "cli/local_dir.c"
#include "cli/local_file.c"

/* A directory on a disk, and an engine that only hears which tasks there are to be. */

#define GUARD_MS 20000
#define TASK     "{\"containerDefinitions\":[{\"name\":\"a\",\"image\":\"i\"}]%s}"

struct engine {
    struct core *core;
    struct loop *loop;
    bool running;
    int told;
    size_t n;
    char first[64], last[64];
};

void engine_local(struct engine *en, struct core_local_def *defs, size_t n)
{
    en->told++;
    en->n = n;
    for (size_t i = 0; i < n; i++) {
        snprintf(i ? en->last : en->first, sizeof en->last, "%s", defs[i].name);
        task_destroy(defs[i].task);
    }
    if (en->running)
        loop_stop(en->loop);
}

const struct core *engine_core(const struct engine *en)
{
    return en->core;
}

struct world {
    struct engine engine;
    struct local_dir *dir;
    struct loop_timer *guard;
    char root[64], path[96];
};

static void on_guard(void *user)
{
    (void)user;
    fail_msg("the engine was told nothing");
}

static int set_up(void **state)
{
    static const struct core_config config = { .seed = 1 };
    struct world *w = NEW(struct world);

    log_set_level(LOG_OFF);
    snprintf(w->root, sizeof w->root, "/tmp/berth-local-XXXXXX");
    assert_non_null(mkdtemp(w->root));
    snprintf(w->path, sizeof w->path, "%s/tasks.d", w->root);
    w->engine.core = core_create(&config);
    w->engine.loop = loop_create();
    w->guard = loop_timer_create(w->engine.loop, on_guard, w);
    loop_timer_arm(w->guard, GUARD_MS);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    AUTO(str) char *command = mem_printf("rm -rf %s", w->root);

    local_dir_destroy(w->dir);
    core_destroy(w->engine.core);
    loop_timer_destroy(w->guard);
    loop_destroy(w->engine.loop);
    assert_int_equal(system(command), 0);
    free(w);
    return 0;
}

static void put_into(const char *dir, const char *name, const char *members)
{
    AUTO(str) char *path = mem_printf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fprintf(f, TASK, members) > 0);
    assert_int_equal(fclose(f), 0);
}

static void put_many(const char *dir, const char *prefix, int n)
{
    for (int i = 0; i < n; i++) {
        AUTO(str) char *name = mem_printf("%s%03d.json", prefix, i);

        put_into(dir, name, "");
    }
}

static void begin(struct world *w)
{
    w->dir = local_dir_create(w->engine.loop, w->path);
    local_dir_attach(w->dir, &w->engine);
}

static void run(struct world *w)
{
    w->engine.running = true;
    loop_run(w->engine.loop);
    w->engine.running = false;
}

static void run_until_told(struct world *w, size_t n)
{
    do {
        run(w);
    } while (w->engine.n != n);
}

/* What cannot be listed may hold anything: nobody is told that there is nothing. */
static void says_nothing_before_it_is_listed(void **state)
{
    struct world *w = *state;
    AUTO(str) char *aside = mem_printf("%s/aside", w->root);

    put_into(w->root, "tasks.d", ""); /* a file */
    begin(w);
    assert_int_equal(w->engine.told, 0);
    assert_int_equal(mkdir(aside, 0755), 0);
    put_into(aside, "web.json", "");
    assert_int_equal(unlink(w->path), 0);
    assert_int_equal(rename(aside, w->path), 0);
    run_until_told(w, 1);
    assert_string_equal(w->engine.first, "web");
}

static void says_that_an_absent_one_is_empty(void **state)
{
    struct world *w = *state;

    begin(w);
    assert_int_equal(w->engine.told, 1);
    assert_int_equal(w->engine.n, 0);
}

/* All files by others at once: those that go take no room from those that come. */
static void takes_a_whole_new_set(void **state)
{
    struct world *w = *state;
    AUTO(str) char *next = mem_printf("%s/next", w->root), *aside = mem_printf("%s/old", w->root);

    assert_int_equal(mkdir(w->path, 0755), 0);
    assert_int_equal(mkdir(next, 0755), 0);
    put_many(w->path, "a", LOCAL_DIR_MAX);
    begin(w);
    assert_int_equal(w->engine.n, LOCAL_DIR_MAX);
    put_many(next, "b", 60);
    assert_int_equal(rename(w->path, aside), 0);
    assert_int_equal(rename(next, w->path), 0);
    run_until_told(w, 60);
    assert_string_equal(w->engine.first, "b000");
    assert_string_equal(w->engine.last, "b059");
}

static void keeps_those_it_knows_when_there_are_too_many(void **state)
{
    struct world *w = *state;

    assert_int_equal(mkdir(w->path, 0755), 0);
    put_many(w->path, "m", LOCAL_DIR_MAX);
    begin(w);
    put_many(w->path, "a", 30);
    put_many(w->path, "z", 30);
    run(w);
    assert_int_equal(w->engine.n, LOCAL_DIR_MAX);
    assert_string_equal(w->engine.first, "m000");
    assert_string_equal(w->engine.last, "m099");
}

static void passes_over_what_is_no_file(void **state)
{
    struct world *w = *state;
    AUTO(str) char *pipe_at = mem_printf("%s/pipe.json", w->path);
    AUTO(str) char *dir_at = mem_printf("%s/dir.json", w->path);
    AUTO(str) char *link_at = mem_printf("%s/link.json", w->path);
    AUTO(str) char *big_at = mem_printf("%s/big.json", w->path);
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(at.sun_path, sizeof at.sun_path, "%s/socket.json", w->path);
    assert_int_equal(mkdir(w->path, 0755), 0);
    assert_int_equal(mkfifo(pipe_at, 0600), 0);
    assert_int_equal(mkdir(dir_at, 0755), 0);
    assert_int_equal(symlink("link.json", link_at), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    put_into(w->path, "big.json", "");
    assert_int_equal(truncate(big_at, INT64_C(1) << 40), 0);
    put_into(w->path, "web.json", ",\"taskRoleArn\":\"r\",\"executionRoleArn\":\"e\"");
    put_into(w->path, ".hidden.json", "");
    put_into(w->path, "web.json.bak", "");
    begin(w);
    assert_int_equal(w->engine.n, 1);
    assert_string_equal(w->engine.first, "web");
    close(fd);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(says_nothing_before_it_is_listed),
        CASE(says_that_an_absent_one_is_empty),
        CASE(takes_a_whole_new_set),
        CASE(keeps_those_it_knows_when_there_are_too_many),
        CASE(passes_over_what_is_no_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
