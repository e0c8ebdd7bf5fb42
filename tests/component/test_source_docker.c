/* links: logs */
/* The log files of a real engine, which rotates them while they are read. */
#include "support/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "component/docker_world.h"
#include "logs/source.h"

#define LINES 200000 /* 18 MB of text, 30 MB of files */

static struct {
    char image[64], name[64], id[80];
    const char *driver;
    struct file_watches *watches;
    struct source *source;
    int64_t last, n, n_escaped, lost, unknown, disorder, damaged;
    int64_t pause_at, stop_at;
    bool ended;
    enum err_code end;
} fx;

/* ---- the engine ---- */

static void on_created(void *user, const char *id, const struct err *e)
{
    (void)user;
    snprintf(fx.id, sizeof fx.id, "%s", id ? id : "");
    finish(e);
}

static int group_setup(void **state)
{
    (void)state;
    world_begin();
    snprintf(fx.image, sizeof fx.image, "%s:1", w.unique);
    snprintf(fx.name, sizeof fx.name, "%s-log", w.unique);
    world_import_image();
    if (w.why_skipped)
        printf("skipped: %s (%s)\n", w.why_skipped, w.endpoint);
    fx.watches = file_watches_create(w.loop);
    return 0;
}

static int group_teardown(void **state)
{
    char path[200];

    (void)state;
    snprintf(path, sizeof path, "/images/%s", fx.image);
    if (!w.why_skipped)
        world_delete(path);
    file_watches_destroy(fx.watches);
    world_end();
    return 0;
}

static int json_file(void **state)
{
    (void)state;
    fx.driver = "json-file";
    return 0;
}

static int local(void **state)
{
    (void)state;
    fx.driver = "local";
    return 0;
}

static int teardown(void **state)
{
    char path[200];

    (void)state;
    source_destroy(fx.source);
    fx.source = NULL;
    snprintf(path, sizeof path, "/containers/%s?force=1&v=1", fx.name);
    if (!w.why_skipped)
        world_delete(path);
    return 0;
}

/* A container that prints `n` numbered lines: `at_once` of them as fast as it can, then it rests.
 */
static void print_lines(int n, int at_once, const char *max_size, const char *max_file)
{
    AUTO(buf) struct buf body = BUF_INIT(4096);

    buf_printf(&body,
               "{\"Image\":\"%s\",\"Cmd\":[\"/bin/busybox\",\"sh\",\"-c\",\"n=0; "
               "while [ $n -lt %d ]; do [ $n = 0 ] || /bin/busybox sleep 0.2; "
               "/bin/busybox awk -v n=$n 'BEGIN{for(i=n+1;i<=n+%d;i++)"
               "print i \\\" 01234567890123456789012345678901234567890123456789012345678901234567"
               "89012345678901\\\"}'; n=$((n+%d)); done\"],"
               "\"HostConfig\":{\"LogConfig\":{\"Type\":\"%s\",\"Config\":{\"max-size\":\"%s\","
               "\"max-file\":\"%s\",\"compress\":\"false\"}}}}",
               fx.image, n, at_once, at_once, fx.driver, max_size, max_file);
    docker_create_container(w.d, fx.name, buf_str(&body), CALL_MS, on_created, NULL);
    wait_ok();
}

static void start(void)
{
    docker_start(w.d, fx.name, CALL_MS, on_done, NULL);
    wait_ok();
}

/* ---- the reader ---- */

static void on_message(void *user, const struct source_message *m)
{
    int64_t number = 0;

    (void)user;
    for (size_t i = 0; i < m->text.n && m->text.p[i] >= '0' && m->text.p[i] <= '9'; i++)
        number = number * 10 + m->text.p[i] - '0';
    fx.disorder += number != fx.last + 1;
    fx.last = number;
    fx.n_escaped += m->escaped;
    if (++fx.n == fx.pause_at)
        source_pause(fx.source, true);
    if (fx.n == fx.stop_at)
        loop_stop(w.loop);
}

static void on_gap(void *user, const struct source_gap *g)
{
    (void)user;
    fx.unknown += g->lines < 0;
    fx.lost += g->lines > 0 ? g->lines : 0;
    fx.last += g->lines > 0 ? g->lines : 0;
}

static void on_damaged(void *user, int64_t lines)
{
    (void)user;
    fx.damaged += lines;
}

static void on_ended(void *user, const struct err *e)
{
    (void)user;
    fx.ended = true;
    fx.end = e->code;
    loop_stop(w.loop);
}

static void on_trouble(void *user, const struct err *e)
{
    (void)user;
    printf("%s\n", e->msg);
}

static const struct source_events events = { on_message, on_gap, on_damaged, on_ended, on_trouble };
static const struct cursor none = { 0 };

static void follow_it(struct source *source)
{
    fx.last = fx.n = fx.n_escaped = fx.lost = fx.unknown = fx.disorder = fx.damaged = 0;
    fx.pause_at = fx.stop_at = 0;
    fx.ended = false;
    fx.source = source;
    source_follow(fx.source);
}

static void follow(int64_t max_bytes, int64_t max_files)
{
    const struct source_args args = { .loop = w.loop,
                                      .docker = w.d,
                                      .watches = fx.watches,
                                      .id = fx.id,
                                      .max_bytes = max_bytes,
                                      .max_files = max_files,
                                      .from = &none,
                                      .seed = 1 };

    follow_it(source_create(&args, &events, NULL));
}

/* However slow the engine is: as long as lines come, it is not too late. */
static void until_ended(void)
{
    while (!fx.ended) {
        int64_t before = fx.n;

        run();
        assert_true(!w.late || fx.n > before);
    }
    printf("%" PRId64 " came, %" PRId64 " lost\n", fx.n, fx.lost);
    assert_int_equal(fx.damaged, 0);
    assert_int_equal(fx.disorder, 0);
}

static void on_state(void *user, const struct ctr_facts *f, const struct err *e)
{
    *(enum ctr_status *)user = f ? f->status : CTR_NONE;
    finish(e);
}

static void until_exited(void)
{
    enum ctr_status status = CTR_RUNNING;

    while (status == CTR_RUNNING) {
        docker_inspect(w.d, fx.name, CALL_MS, on_state, &status);
        wait_ok();
    }
}

/* ---- the tests ---- */

/* Nobody says that the container has ended. */
static void test_keeps_up_with_rotation(void **state)
{
    (void)state;
    NEED_ENGINE();
    print_lines(LINES, LINES, "1m", "45");
    start();
    follow(1 << 20, 45);
    until_ended();
    assert_int_equal(fx.end, ERR_OK);
    assert_int_equal(fx.n, LINES);
    assert_int_equal(fx.lost + fx.unknown, 0);
    if (!fx.n_escaped)
        printf("by the API: the log files cannot be read here\n");
}

/* What the engine throws away while nobody reads is counted to the line. */
static void test_counts_what_is_lost(void **state)
{
    (void)state;
    NEED_ENGINE();
    /* A rotation, then a rest: on a busy machine too, each file is seen before it is removed. */
    print_lines(LINES, LINES / 10, "4m", "3");
    start();
    follow(4 << 20, 3);
    fx.pause_at = fx.stop_at = 1000;
    run();
    assert_false(w.late);
    until_exited();
    fx.pause_at = fx.stop_at = 0;
    source_pause(fx.source, false);
    source_hurry(fx.source);
    until_ended();
    if (!fx.n_escaped)
        return; /* the API cannot tell */
    /* On a machine that is too busy, a gap may be told where everything was counted. */
    assert_true(fx.unknown <= 1);
    assert_true(fx.lost > LINES / 2);
    assert_int_equal(fx.n + fx.lost, LINES);
}

/* Removed before it was read: of one that had ended, nothing is lost. */
static void test_removed_unread(void **state)
{
    (void)state;
    NEED_ENGINE();
    print_lines(20000, 20000, "1m", "5");
    start();
    follow(1 << 20, 5);
    fx.pause_at = fx.stop_at = 10;
    run();
    assert_false(w.late);
    until_exited();
    source_hurry(fx.source);
    docker_remove(w.d, fx.name, CALL_MS, on_done, NULL);
    wait_ok();
    source_pause(fx.source, false);
    until_ended();
    if (!fx.n_escaped)
        return;
    assert_int_equal(fx.end, ERR_NOT_FOUND);
    assert_int_equal(fx.n, 20000);
}

/* It is run again: one log, two lives. */
static void test_started_again(void **state)
{
    (void)state;
    NEED_ENGINE();
    print_lines(1000, 1000, "1m", "5");
    follow(1 << 20, 5); /* before it was ever started there is nothing */
    until_ended();
    assert_int_equal(fx.n, 0);
    for (int i = 1; i <= 2; i++) {
        start();
        fx.ended = false;
        fx.last = 0;
        source_follow(fx.source);
        until_ended();
        assert_int_equal(fx.n, i * 1000);
    }
}

/* Where the files cannot be read, the engine is asked. */
static void test_by_the_api(void **state)
{
    (void)state;
    NEED_ENGINE();
    print_lines(1000, 1000, "1m", "5");
    start();
    for (int i = 0; i < 2; i++) {
        follow_it(source_api_create(w.loop, w.d, fx.id, &none, 1, &events, NULL));
        until_ended();
        assert_int_equal(fx.n, 1000);
        assert_int_equal(fx.n_escaped, 0);
        source_destroy(fx.source);
        fx.source = NULL;
        until_exited(); /* the next one finds it so */
    }
}

#define JSON(name)  cmocka_unit_test_setup_teardown(name, json_file, teardown)
#define LOCAL(name) cmocka_unit_test_setup_teardown(name, local, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JSON(test_keeps_up_with_rotation),
        LOCAL(test_keeps_up_with_rotation),
        LOCAL(test_counts_what_is_lost),
        LOCAL(test_removed_unread),
        JSON(test_started_again),
        LOCAL(test_started_again),
        LOCAL(test_by_the_api),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
