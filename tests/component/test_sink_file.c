/* links: logs */
/* The file sink: real files. A full disk is a limit on the size of files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "logs/batch.h"
#include "logs/sink.h"

#define GUARD_MS 20000
#define T        1767596400123LL /* 2026-01-05T07:00:00.123Z */
#define TIME     "2026-01-05T07:00:00.123Z "

struct world {
    struct loop *loop;
    struct loop_timer *guard;
    char dir[64];
    int answers, want;
    bool late;
    enum sink_verdict verdict;
    struct err e;
};

static void on_guard(void *user)
{
    struct world *w = user;

    w->late = true;
    loop_stop(w->loop);
}

static void on_done(void *user, const struct sink_answer *a)
{
    struct world *w = user;

    w->verdict = a->verdict;
    w->e = *a->e;
    if (++w->answers == w->want)
        loop_stop(w->loop);
}

static int set_up(void **state)
{
    struct world *w = NEW(struct world);

    w->loop = loop_create();
    w->guard = loop_timer_create(w->loop, on_guard, w);
    snprintf(w->dir, sizeof w->dir, "/tmp/test_sink_file.XXXXXX");
    *state = w;
    return mkdtemp(w->dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", w->dir);
    loop_timer_destroy(w->guard);
    loop_destroy(w->loop);
    free(w);
    return system(command);
}

static void wait_for(struct world *w, int n)
{
    w->want = n;
    w->late = false;
    loop_timer_arm(w->guard, GUARD_MS);
    if (w->answers < n)
        loop_run(w->loop);
    loop_timer_disarm(w->guard);
    assert_false(w->late);
    w->answers = 0;
}

static struct log_options names(const char *group, const char *stream)
{
    return (struct log_options){ .group = (char *)(uintptr_t)group,
                                 .stream = (char *)(uintptr_t)stream };
}

static enum sink_verdict put_body(struct world *w, const char *group, const char *stream,
                                  struct str body)
{
    struct log_options to = names(group, stream);
    struct sink_put_args args = { .to = &to, .body = body, .n_events = 1 };

    assert_non_null(file_put(w->loop, w->dir, &args, on_done, w));
    assert_int_equal(w->answers, 0);
    wait_for(w, 1);
    return w->verdict;
}

/* As the shipper makes it. */
static enum sink_verdict put(struct world *w, const char *group, const char *stream,
                             const char *text)
{
    struct batch *b = batch_create(1, group, stream);
    struct buf scratch = BUF_INIT(BATCH_MAX_BODY);
    enum sink_verdict v;

    assert_int_equal(batch_add(b, T, str_of(text)), BATCH_ADDED);
    v = put_body(w, group, stream, batch_body(b, &scratch));
    buf_fini(&scratch);
    batch_destroy(b);
    return v;
}

/* What the file holds; NULL without one. free() it. */
static char *content(const struct world *w, const char *name)
{
    AUTO(str) char *path = mem_printf("%s/%s", w->dir, name);
    AUTO(buf) struct buf b = BUF_INIT(1 << 20);
    FILE *f = fopen(path, "r");
    int ch;

    if (!f)
        return NULL;
    while ((ch = getc(f)) != EOF)
        buf_putc(&b, (char)ch);
    fclose(f);
    return buf_take(&b);
}

static void assert_content(const struct world *w, const char *name, const char *want)
{
    AUTO(str) char *seen = content(w, name);

    if (!seen)
        fail_msg("there is no %s", name);
    else
        assert_string_equal(seen, want);
}

/* ---- the tests ---- */

static void lines_are_appended(void **state)
{
    struct world *w = *state;
    struct stat st;
    char path[128];

    assert_int_equal(put(w, "/ecs/app", "web/a/1", "first \"line\" \xc3\xa9\t"), SINK_STORED);
    assert_int_equal(put(w, "/ecs/app", "web/a/1", "second"), SINK_STORED);
    assert_content(w, "ecs/app/web/a/1.log", TIME "first \"line\" \xc3\xa9\t\n" TIME "second\n");
    snprintf(path, sizeof path, "%s/ecs/app/web/a/1.log", w->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777 & ~0640u, 0);
    snprintf(path, sizeof path, "%s/ecs", w->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777 & ~0750u, 0);
}

/* A line that begins with a time begins an event. */
static void an_event_may_have_lines(void **state)
{
    struct world *w = *state;

    assert_int_equal(put(w, "g", "s", "Traceback:\n" TIME "forged\n\nend\n"), SINK_STORED);
    assert_content(w, "g/s.log", TIME "Traceback:\n\t" TIME "forged\n\t\n\tend\n");
}

static void names_that_lead_out_are_refused(void **state)
{
    static const char *const bad[][2] = {
        { "..", "x" }, { "g", "../../x" }, { "a/../../g", "x" }, { "g", "..//x" },
        { ".", "x" },  { "/../etc", "x" }, { "g/./h", "x/y" },
    };
    struct world *w = *state;
    char dir[128];

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(put(w, bad[i][0], bad[i][1], "text"), SINK_BLOCKED);
        assert_non_null(strstr(w->e.msg, bad[i][1]));
    }
    /* Not the file itself either. */
    snprintf(dir, sizeof dir, "%s/g", w->dir);
    assert_true(mkdir(dir, 0700) == 0 || errno == EEXIST);
    snprintf(dir, sizeof dir, "%s/g/s.log", w->dir);
    assert_int_equal(symlink("/dev/full", dir), 0);
    assert_int_equal(put(w, "g", "s", "text"), SINK_BLOCKED);
    /* Dots within a name lead nowhere. */
    assert_int_equal(put(w, "g..", "...", "text"), SINK_STORED);
    assert_content(w, "g../....log", TIME "text\n");
}

static void what_is_in_the_way_blocks(void **state)
{
    struct world *w = *state;
    char path[128], name[400];

    assert_int_equal(put(w, "g", "s", "text"), SINK_STORED);
    assert_int_equal(put(w, "g/s.log", "t", "text"), SINK_BLOCKED);
    snprintf(path, sizeof path, "%s/g/pipe.log", w->dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(put(w, "g", "pipe", "text"), SINK_BLOCKED); /* and does not wait */
    snprintf(path, sizeof path, "%s/g/dir.log", w->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(put(w, "g", "dir", "text"), SINK_BLOCKED);
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(put(w, "g", name, "text"), SINK_BLOCKED);
    /* A folder that is not mounted yet, perhaps. */
    snprintf(w->dir + strlen(w->dir), 8, "-away");
    assert_int_equal(put(w, "g", "s", "text"), SINK_LATER);
    w->dir[strlen(w->dir) - strlen("-away")] = '\0';
}

static void what_was_rotated_begins_anew(void **state)
{
    struct world *w = *state;
    char from[128], to[128];

    assert_int_equal(put(w, "g", "s", "one"), SINK_STORED);
    snprintf(from, sizeof from, "%s/g/s.log", w->dir);
    snprintf(to, sizeof to, "%s/g/s.log.1", w->dir);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(put(w, "g", "s", "two"), SINK_STORED);
    assert_content(w, "g/s.log.1", TIME "one\n");
    assert_content(w, "g/s.log", TIME "two\n");
    assert_int_equal(truncate(from, 0), 0); /* copytruncate */
    assert_int_equal(put(w, "g", "s", "three"), SINK_STORED);
    assert_content(w, "g/s.log", TIME "three\n");
}

static void a_full_disk_takes_all_or_nothing(void **state)
{
    struct world *w = *state;
    struct rlimit before, small = { 45, 0 };
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

    assert_int_equal(put(w, "g", "s", "one"), SINK_STORED);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(put(w, "g", "s", "longer than there is room"), SINK_LATER);
    assert_non_null(strstr(w->e.msg, "g/s.log"));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_content(w, "g/s.log", TIME "one\n");
    assert_int_equal(put(w, "g", "s", "longer than there is room"), SINK_STORED);
    assert_content(w, "g/s.log", TIME "one\n" TIME "longer than there is room\n");
    signal(SIGXFSZ, handler);
}

/* What a crash left of a put. */
static void half_a_line_is_ended(void **state)
{
    struct world *w = *state;
    char path[128];

    assert_int_equal(put(w, "g", "s", "one"), SINK_STORED);
    snprintf(path, sizeof path, "%s/g/s.log", w->dir);
    assert_int_equal(truncate(path, (off_t)strlen(TIME "on")), 0);
    assert_int_equal(put(w, "g", "s", "one"), SINK_STORED);
    assert_content(w, "g/s.log", TIME "on\n" TIME "one\n");
}

static void a_body_that_is_none_is_invalid(void **state)
{
    static const char *const bodies[] = {
        "",
        "{",
        "{\"logEvents\":7}",
        "{\"logEvents\":[{\"message\":\"x\"}]}",
        "{\"logEvents\":[{\"timestamp\":1,\"message\":7}]}",
    };
    struct world *w = *state;

    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        assert_int_equal(put_body(w, "g", "s", str_of(bodies[i])), SINK_INVALID);
    assert_null(content(w, "g/s.log"));
}

/* Two streams, one file: no line is torn, none is lost. */
static void puts_side_by_side(void **state)
{
    static const char body[] = "{\"logEvents\":[{\"timestamp\":1767596400123,\"message\":\"x\"},"
                               "{\"timestamp\":1767596400123,\"message\":\"y\"}]}";
    struct log_options to[2] = { names("g", "h/s"), names("g/h", "s") };
    struct world *w = *state;
    AUTO(str) char *seen = NULL;

    for (int i = 0; i < 40; i++)
        file_put(w->loop, w->dir,
                 &(struct sink_put_args){ .to = &to[i % 2], .body = str_of(body), .n_events = 2 },
                 on_done, w);
    wait_for(w, 40);
    seen = content(w, "g/h/s.log");
    assert_non_null(seen);
    assert_int_equal(strlen(seen), 80 * strlen(TIME "x\n"));
    for (size_t i = 0; i < 80; i++)
        assert_memory_equal(seen + i * strlen(TIME "x\n"), i % 2 ? TIME "y\n" : TIME "x\n",
                            strlen(TIME "x\n"));
}

static void a_cancelled_one_is_silent(void **state)
{
    struct world *w = *state;
    struct log_options to = names("g", "s");
    struct sink_put_args args = { .to = &to, .body = str_of("{\"logEvents\":[]}") };

    file_put_cancel(file_put(w->loop, w->dir, &args, on_done, w));
    file_put_cancel(NULL);
    assert_int_equal(put(w, "g", "s", "one"), SINK_STORED); /* the only answer */
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(lines_are_appended),
        CASE(an_event_may_have_lines),
        CASE(names_that_lead_out_are_refused),
        CASE(what_is_in_the_way_blocks),
        CASE(what_was_rotated_begins_anew),
        CASE(a_full_disk_takes_all_or_nothing),
        CASE(half_a_line_is_ended),
        CASE(a_body_that_is_none_is_invalid),
        CASE(puts_side_by_side),
        CASE(a_cancelled_one_is_silent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
