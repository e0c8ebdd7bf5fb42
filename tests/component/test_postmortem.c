/* links: postmortem docker task io base */
/* Records made with a scripted engine: what it does not say is said, half lines and pieces of
 * secrets are not shown, and a hung engine costs a bounded time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "base/redact.h"
#include "component/docker_peer.h"
#include "postmortem/postmortem.h"

#define SECRET   "canary-of-a-secret"
#define LOG_HEAD "HTTP/1.1 200 OK\r\n" CLOSE "\r\n"
#define STAMP    "2026-01-02T03:04:05.000000006Z "
#define INSPECT  OK("{\"Config\":{\"Tty\":false}}")

static bool clean(void *user, const char *task_arn, struct buf *text)
{
    (void)user;
    (void)task_arn;
    redact(text, SECRET);
    return true;
}

static void on_kept(void *user, const char *id, const struct err *e)
{
    (void)id;
    called(user, e);
}

static struct postmortems *create(struct fix *f)
{
    AUTO(str) char *dir = mem_printf("%s/records", f->dir);

    return postmortems_create(&(struct postmortem_args){
        .loop = f->loop, .docker = f->d, .dir = dir, .clean = clean, .kept = on_kept, .user = f });
}

static enum err_code make(struct postmortems *p, const char *id)
{
    static const struct postmortem_container all[] = {
        { .name = "side", .docker_id = "b", .status = "STOPPED" },
        { .name = "main", .docker_id = "a", .status = "STOPPED", .failed = true },
        { .name = "never", .status = "STOPPED" },
    };
    struct err e = { 0 };

    return postmortem_make(p,
                           &(struct postmortem_facts){ .id = id,
                                                       .task_arn = "arn:t",
                                                       .line = "it failed",
                                                       .stopped_ms = 1700000000000,
                                                       .containers = all,
                                                       .n_containers = COUNT_OF(all) },
                           &e);
}

/* The record is there; so are these parts, in this order. */
static void assert_record(const struct postmortems *p, const char *id, const char *const *parts)
{
    struct buf b = BUF_INIT(POSTMORTEM_MAX);
    struct err e = { 0 };
    const char *at;

    if (postmortem_read(p, id, &b, &e))
        fail_msg("%s", e.msg);
    at = buf_text(&b);
    for (; *parts; parts++) {
        const char *found = strstr(at, *parts);

        if (!found)
            fail_msg("no %s in %s", *parts, buf_text(&b));
        at = found ? found + strlen(*parts) : at;
    }
    assert_null(strstr(buf_text(&b), "canary"));
    buf_fini(&b);
}

static void remove_record(const struct fix *f, const char *id)
{
    char path[128];

    snprintf(path, sizeof path, "%s/records/%s.json", f->dir, id);
    unlink(path);
    snprintf(path, sizeof path, "%s/records", f->dir);
    rmdir(path);
}

/* A piece of standard output as the engine sends it. */
static void add_bytes(struct buf *log, struct str text)
{
    size_t n = strlen(STAMP) + text.n;
    const unsigned char head[8] = { 1, 0, 0, 0, 0, 0, (unsigned char)(n >> 8), (unsigned char)n };

    buf_append(log, head, sizeof head);
    buf_puts(log, STAMP);
    buf_append(log, text.p, text.n);
}

static void add_frame(struct buf *log, const char *text)
{
    add_bytes(log, str_of(text));
}

/* The container that failed comes first; 51 lines are asked for, so that a first one that is
 * only the rest of a longer one is seen. */
static void what_the_engine_says(void **state)
{
    static const char *const parts[] = {
        "{\"container\":\"main\",\"lines\":[",
        "\"text\":\"(the rest of a long line)\"",
        "\"text\":\"line 2 of [secret]\"",
        "\"text\":\"(withheld: a very long line with a secret)\"",
        "\"text\":\"the end\"",
        "{\"container\":\"side\",\"missing\":\"Error response from daemon: no such log\"",
        "{\"container\":\"never\",\"missing\":\"it was never created\"",
        NULL,
    };
    struct buf log = BUF_INIT(1 << 20), longest = BUF_INIT(1 << 20);
    struct step steps[] = {
        { .expect = "GET /containers/a/json", .reply = INSPECT },
        { .expect = "GET /containers/a/logs?stdout=1&stderr=1&timestamps=1&tail=51 HTTP" },
        { .expect = "GET /containers/b/json", .reply = INSPECT },
        { .expect = "GET /containers/b/logs",
          .reply = "HTTP/1.1 404 No\r\n" CLOSE "\r\n{\"message\":\"no such log\"}" },
    };
    struct fix *f = *state;
    struct postmortems *p;

    /* 51 pieces: two make one line, so one line too few came to push out the half one. */
    buf_puts(&log, LOG_HEAD);
    add_frame(&log, "ary-of-a-secret\n");
    add_frame(&log, "line 2 of canary-of-");
    add_frame(&log, "a-secret\n");
    for (int i = 0; i < 1000; i++)
        buf_puts(&longest, SECRET);
    buf_puts(&longest, "\n");
    add_frame(&log, buf_text(&longest));
    for (int i = 0; i < 46; i++)
        add_frame(&log, "line\n");
    add_frame(&log, "the end");
    steps[1].reply = log.data;
    steps[1].n = log.len;
    begin(f, steps, COUNT_OF(steps));
    p = create(f);
    assert_int_equal(make(p, "../t"), ERR_INVALID);
    assert_int_equal(make(p, "t1"), ERR_OK);
    assert_int_equal(make(p, "t1"), ERR_CONFLICT);
    run(f);
    assert_int_equal(f->e.code, ERR_OK);
    assert_record(p, "t1", parts + 3);
    assert_record(p, "t1", parts);
    assert_int_equal(make(p, "t1"), ERR_CONFLICT); /* it is there */
    postmortems_destroy(p);
    finish(f);
    remove_record(f, "t1");
    buf_fini(&log);
    buf_fini(&longest);
}

static void a_program_writes_any_bytes(void **state)
{
    static const char *const parts[] = {
        "\"lines\":[{",
        "\"text\":\"a\\u0000[secret] \xEF\xBF\xBD and what follows it\"}]}",
        NULL,
    };
    static const char text[] = "a\0" SECRET " \xFF and what follows it\n";
    struct buf log = BUF_INIT(1 << 20);
    struct step steps[] = {
        { .expect = "GET /containers/a/json", .reply = INSPECT },
        { .expect = "GET /containers/a/logs" },
        { .expect = "GET /containers/b/json", .reply = INSPECT },
        { .expect = "GET /containers/b/logs", .reply = LOG_HEAD },
    };
    struct fix *f = *state;
    struct postmortems *p;

    buf_puts(&log, LOG_HEAD);
    add_bytes(&log, (struct str){ text, sizeof text - 1 });
    steps[1].reply = log.data;
    steps[1].n = log.len;
    begin(f, steps, COUNT_OF(steps));
    p = create(f);
    assert_int_equal(make(p, "t3"), ERR_OK);
    run(f);
    assert_int_equal(f->e.code, ERR_OK);
    assert_record(p, "t3", parts);
    postmortems_destroy(p);
    finish(f);
    remove_record(f, "t3");
    buf_fini(&log);
}

static void a_hung_engine_is_not_waited_for(void **state)
{
    static const char *const parts[] = {
        "{\"container\":\"main\",\"missing\":\"the container engine took too long\",\"lines\":[{",
        "\"text\":\"one\"",
        "{\"container\":\"side\",\"missing\":\"there was no time left to read it\",\"lines\":[]}",
        "{\"container\":\"never\",\"missing\":\"it was never created\",\"lines\":[]}",
        NULL,
    };
    static const char one[] = LOG_HEAD "\1\0\0\0\0\0\0\x23" STAMP "one\n";
    static const struct step steps[] = {
        { .expect = "GET /containers/a/json", .reply = INSPECT },
        { .expect = "GET /containers/a/logs", .reply = one, .n = sizeof one - 1, .stall = true },
    };
    struct fix *f = *state;
    struct postmortems *p;
    int64_t began = clock_mono_ms();

    begin(f, steps, COUNT_OF(steps));
    p = create(f);
    assert_int_equal(make(p, "t2"), ERR_OK);
    run(f);
    assert_int_equal(f->e.code, ERR_OK);
    assert_in_range(clock_mono_ms() - began, POSTMORTEM_LOGS_MS - 10, 3 * POSTMORTEM_LOGS_MS);
    assert_record(p, "t2", parts);
    postmortems_destroy(p);
    finish(f);
    remove_record(f, "t2");
}

static void stop_when_answered(void *user)
{
    struct fix *f = user;

    if (atomic_load(&f->script.sent))
        loop_stop(f->loop);
    else
        loop_timer_arm(f->extra, 5);
}

/* Given up while it is read: silence, and no file, so that the next life makes it. */
static void destroyed_in_between(void **state)
{
    static const struct step steps[] = {
        { .expect = "GET /containers/a/json", .reply = INSPECT, .stall = true },
    };
    struct fix *f = *state;
    struct err e = { 0 };
    struct postmortems *p;
    struct buf b = BUF_INIT(100);

    begin(f, steps, COUNT_OF(steps));
    p = create(f);
    for (int i = 0; i < POSTMORTEM_WAITING; i++) {
        char id[20];

        snprintf(id, sizeof id, "t%d", i);
        assert_int_equal(make(p, id), ERR_OK);
    }
    assert_int_equal(make(p, "one-more"), ERR_LIMIT);
    f->extra = loop_timer_create(f->loop, stop_when_answered, f);
    loop_timer_arm(f->extra, 0);
    run(f);
    loop_timer_destroy(f->extra);
    postmortems_destroy(p);
    finish(f);
    assert_int_equal(f->calls, 0);
    p = create(f);
    assert_int_equal(postmortem_read(p, "t0", &b, &e), ERR_NOT_FOUND);
    postmortems_destroy(p);
    buf_fini(&b);
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    static const struct CMUnitTest tests[] = {
        CASE(what_the_engine_says),
        CASE(a_program_writes_any_bytes),
        CASE(a_hung_engine_is_not_waited_for),
        CASE(destroyed_in_between),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
