/* links: docker task io base */
/* The Docker client against a real engine, where there is one: DOCKER_HOST, else
 * /var/run/docker.sock. Makes an image of a static busybox and containers of it,
 * all with a name of their own, and removes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "component/docker_world.h"

#define TASK_ARN "arn:aws:ecs:us-west-2:123456789012:task/demo/"

/* One engine for all tests; each run of the loop waits for one thing. */
static struct fix {
    char image[64];
    char made[16][64]; /* names of containers to remove */
    size_t n_made;

    char id[80];
    struct ctr_facts facts;
    struct buf events; /* "create start die(0) " */
    const char *until; /* leave the loop when `events` contains this */
    bool opened;
    struct buf text[3]; /* of a log, by stream */
    int64_t first_ns, last_ns;
    size_t frames;
    char found[64];
} fx;

static void on_created(void *user, const char *id, const struct err *e)
{
    (void)user;
    snprintf(fx.id, sizeof fx.id, "%s", id ? id : "");
    finish(e);
}

static void on_facts(void *user, const struct ctr_facts *f, const struct err *e)
{
    (void)user;
    ctr_facts_fini(&fx.facts);
    if (f)
        ctr_facts_copy(&fx.facts, f);
    finish(e);
}

/* ---- all tests ---- */

static int group_setup(void **state)
{
    (void)state;
    world_begin();
    for (size_t i = 0; i < COUNT_OF(fx.text); i++)
        buf_init(&fx.text[i], 1 << 20);
    buf_init(&fx.events, 1 << 16);
    snprintf(fx.image, sizeof fx.image, "%s:1", w.unique);
    world_import_image();
    if (w.why_skipped)
        printf("skipped: %s (%s)\n", w.why_skipped, w.endpoint);
    return 0;
}

static int group_teardown(void **state)
{
    char path[200];

    (void)state;
    snprintf(path, sizeof path, "/images/%s", fx.image);
    if (!w.why_skipped)
        world_delete(path);
    ctr_facts_fini(&fx.facts);
    world_end();
    for (size_t i = 0; i < COUNT_OF(fx.text); i++)
        buf_fini(&fx.text[i]);
    buf_fini(&fx.events);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(fx.text); i++)
        buf_reset(&fx.text[i]);
    fx.frames = 0;
    fx.first_ns = fx.last_ns = 0;
    return 0;
}

/* Whatever a failed test left. */
static int teardown(void **state)
{
    char path[200];

    (void)state;
    for (; fx.n_made; fx.n_made--) {
        snprintf(path, sizeof path, "/containers/%s?force=1&v=1", fx.made[fx.n_made - 1]);
        world_delete(path);
    }
    return 0;
}

/* ---- containers ---- */

/* `more` is members of the body: ",\"Tty\":true". Returns the name. */
static const char *create(const char *suffix, const char *script, const char *more)
{
    char *name = fx.made[fx.n_made];
    struct buf body = BUF_INIT(4096);
    struct jw j;

    assert_true(fx.n_made < COUNT_OF(fx.made));
    snprintf(name, sizeof fx.made[0], "%s-%s", w.unique, suffix);
    jw_init(&j, &body);
    jw_object(&j);
    jw_kstr(&j, "Image", fx.image);
    jw_karray(&j, "Cmd");
    jw_str(&j, "/bin/sh");
    jw_str(&j, "-c");
    jw_str(&j, script);
    jw_end(&j);
    jw_kobject(&j, "Labels");
    jw_key(&j, LABEL_PREFIX "task-arn");
    jw_str(&j, TASK_ARN "x");
    jw_key(&j, LABEL_PREFIX "container-name");
    jw_str(&j, suffix);
    jw_end(&j);
    buf_puts(&body, more);
    jw_end(&j);
    fx.n_made++;
    docker_create_container(w.d, name, buf_str(&body), CALL_MS, on_created, NULL);
    wait_call();
    buf_fini(&body);
    if (w.e.code)
        fail_msg("%s", w.e.msg);
    assert_int_equal(strlen(fx.id), 64);
    return name;
}

static void start(const char *ref)
{
    docker_start(w.d, ref, CALL_MS, on_done, NULL);
    wait_ok();
}

static void inspect(const char *ref)
{
    docker_inspect(w.d, ref, CALL_MS, on_facts, NULL);
    wait_ok();
}

static void remove_container(const char *ref)
{
    docker_remove(w.d, ref, CALL_MS, on_done, NULL);
    wait_ok();
}

/* ---- events ---- */

static void on_opened(void *user)
{
    (void)user;
    if (!fx.opened)
        loop_stop(w.loop);
    fx.opened = true;
}

static void on_event(void *user, const struct docker_event *ev)
{
    static const char *const names[] = { "create",  "start",   "die",       "oom",
                                         "destroy", "healthy", "unhealthy", "restart" };

    (void)user;
    if (!str_starts(ev->name, w.unique))
        return; /* somebody else's */
    CHECK(streq(ev->task_arn, TASK_ARN "x"));
    CHECK(strstr(ev->name, ev->container_name));
    CHECK(ev->time_ms > 1600000000000);
    buf_puts(&fx.events, names[ev->action]);
    if (ev->has_exit_code)
        buf_printf(&fx.events, "(%d)", ev->exit_code);
    buf_putc(&fx.events, ' ');
    if (fx.until && strstr(buf_text(&fx.events), fx.until))
        loop_stop(w.loop);
}

static void on_lost(void *user, const struct err *e)
{
    (void)user;
    printf("event stream lost: %s\n", e->msg);
}

static void wait_event(const char *text)
{
    fx.until = text;
    if (!strstr(buf_text(&fx.events), text))
        run();
    fx.until = NULL;
    if (w.late)
        fail_msg("no '%s' in '%s'", text, buf_text(&fx.events));
    check_callbacks();
}

static void subscribe(void)
{
    static const struct docker_event_sink sink = { on_opened, on_event, on_lost };

    if (!fx.opened) {
        docker_subscribe(w.d, &sink, NULL);
        run();
        assert_true(fx.opened);
    }
    buf_reset(&fx.events);
}

/* ---- the tests ---- */

static void on_listed(void *user, const struct docker_listed *rows, size_t n, const struct err *e)
{
    fx.found[0] = '\0';
    for (size_t i = 0; i < n; i++)
        if (streq(rows[i].name, user)) {
            CHECK(streq(rows[i].task_arn, TASK_ARN "x"));
            CHECK(streq(rows[i].container_name, "life"));
            snprintf(fx.found, sizeof fx.found, "%s", rows[i].state);
        }
    finish(e);
}

static void list(const char *name, const char *want)
{
    docker_list(w.d, CALL_MS, on_listed, (void *)name);
    wait_ok();
    assert_string_equal(fx.found, want);
}

static void a_container_lives_and_dies(void **state)
{
    const char *name;

    (void)state;
    NEED_ENGINE();
    subscribe();
    name = create("life", "trap '' TERM; while :; do /bin/busybox sleep 1; done",
                  ",\"ExposedPorts\":{\"8080/tcp\":{},\"9000/udp\":{}},\"HostConfig\":{"
                  "\"PortBindings\":{\"9000/udp\":[{\"HostIp\":\"127.0.0.1\"}],\"8080/tcp\":[{"
                  "\"HostIp\":\"127.0.0.1\",\"HostPort\":\"\"}]}}");
    inspect(name);
    assert_string_equal(fx.facts.id, fx.id);
    assert_int_equal(fx.facts.status, CTR_CREATED);
    assert_true(fx.facts.created_ms > 1600000000000);
    assert_int_equal(fx.facts.started_ms, 0);
    assert_false(fx.facts.has_exit_code);
    list(name, "created");
    start(name);
    start(name); /* running already */
    inspect(fx.id);
    assert_int_equal(fx.facts.status, CTR_RUNNING);
    assert_true(fx.facts.started_ms >= fx.facts.created_ms);
    assert_false(fx.facts.has_exit_code);
    assert_int_equal(fx.facts.n_bindings, 2);
    assert_int_equal(fx.facts.bindings[0].container_port, 8080);
    assert_int_equal(fx.facts.bindings[0].proto, PORT_TCP);
    assert_string_equal(fx.facts.bindings[0].ip, "127.0.0.1");
    assert_true(fx.facts.bindings[0].host_port > 0);
    assert_int_equal(fx.facts.bindings[1].proto, PORT_UDP);
    list(name, "running");
    docker_remove(w.d, name, CALL_MS, on_done, NULL); /* never by force */
    wait_call();
    assert_int_equal(w.e.code, ERR_CONFLICT);
    docker_stop(w.d, name, 1, CALL_MS, on_done, NULL);
    wait_ok();
    docker_stop(w.d, name, 1, CALL_MS, on_done, NULL); /* stopped already */
    wait_ok();
    inspect(name);
    assert_int_equal(fx.facts.status, CTR_STOPPED);
    assert_true(fx.facts.has_exit_code);
    assert_int_equal(fx.facts.exit_code, 137);
    assert_true(fx.facts.finished_ms - fx.facts.started_ms >= 900);
    list(name, "exited");
    remove_container(name);
    remove_container(name); /* gone already */
    wait_event("destroy");
    assert_string_equal(buf_text(&fx.events), "create start die(137) destroy ");
}

static void on_looked(void *user, const struct ctr_facts *f, struct docker_details *d,
                      const struct err *e)
{
    bool *paused = user;

    *paused = d && d->paused;
    CHECK(!d || f->status != CTR_RUNNING || d->pid > 0);
    CHECK(!d || !*paused || f->status == CTR_RUNNING); /* frozen is not ended */
    finish(e);
}

static bool is_paused(const char *name)
{
    bool paused = false;

    docker_look(w.d, name, CALL_MS, on_looked, &paused);
    wait_ok();
    return paused;
}

static void pause_it(const char *name, bool pause)
{
    docker_pause(w.d, name, pause, CALL_MS, on_done, NULL);
    wait_ok();
}

static void a_container_is_frozen_and_thawed(void **state)
{
    const char *name;

    (void)state;
    NEED_ENGINE();
    subscribe();
    name = create("frozen", "trap 'exit 7' TERM; while :; do /bin/busybox sleep 0.1; done", "");
    docker_pause(w.d, name, true, CALL_MS, on_done, NULL);
    wait_error(ERR_CONFLICT, "is not running");
    start(name);
    pause_it(name, false); /* it is not */
    pause_it(name, true);
    assert_true(is_paused(name));
    pause_it(name, true);
    pause_it(name, false);
    assert_false(is_paused(name));
    pause_it(name, true);
    docker_stop(w.d, name, 1, CALL_MS, on_done, NULL); /* thaws it first */
    wait_ok();
    assert_false(is_paused(name));
    pause_it(name, false); /* it is not frozen */
    docker_pause(w.d, name, true, CALL_MS, on_done, NULL);
    wait_error(ERR_CONFLICT, "is not running");
    remove_container(name);
    docker_pause(w.d, name, true, CALL_MS, on_done, NULL);
    wait_error(ERR_NOT_FOUND, "No such container");
}

static void a_killed_container_says_its_code(void **state)
{
    const char *name;

    (void)state;
    NEED_ENGINE();
    subscribe();
    name = create("kill", "trap 'exit 7' USR1; while :; do /bin/busybox sleep 0.1; done", "");
    start(name);
    /* The trap may not be set yet: SIGUSR1 would then be ignored by process 1. */
    do {
        docker_kill(w.d, name, "SIGUSR1", CALL_MS, on_done, NULL);
        wait_call();
    } while (!w.e.code && !strstr(buf_text(&fx.events), "die"));
    wait_event("die");
    assert_string_equal(buf_text(&fx.events), "create start die(7) ");
    inspect(name);
    assert_int_equal(fx.facts.exit_code, 7);
    docker_kill(w.d, name, "SIGKILL", CALL_MS, on_done, NULL);
    wait_call();
    assert_int_equal(w.e.code, ERR_CONFLICT);
    assert_true(str_starts(w.e.msg, "Error response from daemon: "));
}

static void health_is_told(void **state)
{
    const char *name;

    (void)state;
    NEED_ENGINE();
    subscribe();
    name = create("health", "while :; do /bin/busybox sleep 1; done",
                  ",\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"exit 0\"],\"Interval\":200000000,"
                  "\"Timeout\":5000000000,\"Retries\":1}");
    start(name);
    inspect(name);
    assert_in_range(fx.facts.health, HEALTH_STARTING, HEALTH_OK);
    wait_event("healthy");
    inspect(name);
    assert_int_equal(fx.facts.health, HEALTH_OK);
}

static void a_start_that_fails(void **state)
{
    const char *name;

    (void)state;
    NEED_ENGINE();
    name = create("nostart", "", ",\"Entrypoint\":[\"/no/such/program\"]");
    docker_start(w.d, name, CALL_MS, on_done, NULL);
    wait_call();
    assert_int_not_equal(w.e.code, ERR_OK);
    assert_true(str_starts(w.e.msg, "Error response from daemon: "));
    assert_non_null(strstr(w.e.msg, "/no/such/program"));
    inspect(name);
    assert_int_equal(fx.facts.status, CTR_STOPPED);
    assert_false(fx.facts.has_exit_code);
    assert_non_null(strstr(fx.facts.error, "/no/such/program"));
}

static void what_is_missing_and_what_is_taken(void **state)
{
    static const char body[] = "{\"Image\":\"berth-no-such-image:1\",\"Cmd\":[\"x\"]}";
    char other[100];
    const char *name;

    (void)state;
    NEED_ENGINE();
    docker_inspect(w.d, w.unique, CALL_MS, on_facts, NULL);
    wait_call();
    assert_int_equal(w.e.code, ERR_NOT_FOUND);
    assert_non_null(strstr(w.e.msg, w.unique));
    docker_start(w.d, w.unique, CALL_MS, on_done, NULL);
    wait_call();
    assert_int_equal(w.e.code, ERR_NOT_FOUND);
    name = create("taken", "exit 0", "");
    snprintf(other, sizeof other, "{\"Image\":\"%s\",\"Cmd\":[\"x\"]}", fx.image);
    docker_create_container(w.d, name, str_of(other), CALL_MS, on_created, NULL);
    wait_call();
    assert_int_equal(w.e.code, ERR_CONFLICT);
    snprintf(other, sizeof other, "%s-none", w.unique);
    docker_create_container(w.d, other, str_of(body), CALL_MS, on_created, NULL);
    wait_call();
    assert_int_equal(w.e.code, ERR_NOT_FOUND);
    docker_create_container(w.d, other, str_of("not json"), CALL_MS, on_created, NULL);
    wait_call();
    assert_true(w.e.code == ERR_INVALID || w.e.code == ERR_IO);
}

/* ---- images ---- */

static void on_image(void *user, const struct docker_image *image, const struct err *e)
{
    (void)user;
    if (image) {
        CHECK(str_starts(image->id, "sha256:"));
        CHECK(!image->env[0]);
        CHECK(!image->repo_digests[0]);
        snprintf(fx.id, sizeof fx.id, "%s", image->id);
    }
    finish(e);
}

static void images(void **state)
{
    (void)state;
    NEED_ENGINE();
    docker_inspect_image(w.d, fx.image, CALL_MS, on_image, NULL);
    wait_ok();
    docker_inspect_image(w.d, fx.id, CALL_MS, on_image, NULL);
    wait_ok();
    docker_inspect_image(w.d, "no.such.host/berth/nothing:1", CALL_MS, on_image, NULL);
    wait_call();
    assert_int_equal(w.e.code, ERR_NOT_FOUND);
    docker_pull(w.d, "127.0.0.1:1/berth/nothing:1", "e30=", 20000, CALL_MS, NULL, on_done, NULL);
    wait_call();
    assert_int_equal(w.e.code, ERR_IO);
    assert_non_null(strstr(w.e.msg, "127.0.0.1:1"));
}

/* ---- logs ---- */

static void on_frame(void *user, int stream, int64_t when_ns, struct str text)
{
    (void)user;
    CHECK(stream == 1 || stream == 2);
    CHECK(when_ns > 1600000000000000000);
    fx.first_ns = fx.frames++ ? fx.first_ns : when_ns;
    fx.last_ns = when_ns;
    buf_append(&fx.text[stream], text.p, text.n);
    if (fx.until && strstr(buf_text(&fx.text[stream]), fx.until))
        loop_stop(w.loop);
}

static const struct docker_log_sink log_sink = { on_frame };

static void read_log(const char *name, int64_t since_ns, bool follow)
{
    setup(NULL);
    docker_logs(w.d, name, since_ns, follow, &log_sink, on_done, NULL);
    wait_ok();
}

static void expect_run(const struct buf *b, size_t at, char c, size_t n)
{
    assert_true(b->len >= at + n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(b->data[at + i], c);
}

#define LONG_LINE "/bin/busybox head -c 40960 /dev/zero | /bin/busybox tr '\\0' x; echo; "

static void expect_log(size_t at_least)
{
    assert_string_equal(buf_text(&fx.text[2]), "two\n");
    assert_true(fx.text[1].len >= at_least);
    assert_memory_equal(fx.text[1].data, "one\n", 4);
    expect_run(&fx.text[1], 4, 'x', 40960);
    assert_int_equal(fx.text[1].data[4 + 40960], '\n');
    assert_true(fx.last_ns > fx.first_ns);
}

static void a_log_is_followed_to_its_end(void **state)
{
    const char *name;
    int64_t last;

    (void)state;
    NEED_ENGINE();
    subscribe();
    name = create("log", "echo one; echo two >&2; " LONG_LINE "printf end", "");
    start(name);
    /* Docker 20.10 now and then ends a stream that is followed without the text
     * after the last newline; it is there when the log is read once more. */
    read_log(name, 0, true);
    expect_log(4 + 40960 + 1);
    wait_event("die");
    read_log(name, 0, true);
    expect_log(4 + 40960 + 1 + 3);
    assert_string_equal(fx.text[1].data + 4 + 40960 + 1, "end");
    last = fx.last_ns;
    read_log(name, last, false);
    assert_string_equal(buf_text(&fx.text[1]), "end");
    assert_int_equal(fx.first_ns, last);
    read_log(name, last + 1, false);
    assert_int_equal(fx.frames, 0);
}

static void the_last_lines_of_a_log(void **state)
{
    const char *name;

    (void)state;
    NEED_ENGINE();
    subscribe();
    name = create("tail", "for i in 1 2 3 4 5 6 7 8 9; do echo line $i; done; printf end", "");
    start(name);
    wait_event("die");
    setup(NULL);
    docker_logs_last(w.d, name, 0, 3, false, &log_sink, on_done, NULL);
    wait_ok();
    assert_string_equal(buf_text(&fx.text[1]), "line 8\nline 9\nend");
    setup(NULL);
    docker_logs_last(w.d, name, 0, 50, false, &log_sink, on_done, NULL);
    wait_ok();
    assert_int_equal(fx.text[1].len, 9 * 7 + 3);
    docker_logs_last(w.d, w.unique, 0, 3, false, &log_sink, on_done, NULL);
    wait_call();
    assert_int_equal(w.e.code, ERR_NOT_FOUND);
}

static void a_terminal_has_no_times_inside_lines(void **state)
{
    const char *name;

    (void)state;
    NEED_ENGINE();
    subscribe();
    name = create("tty", "echo one; " LONG_LINE "echo two >&2", ",\"Tty\":true");
    start(name);
    wait_event("die");
    read_log(name, 0, true);
    assert_int_equal(fx.text[2].len, 0);
    assert_int_equal(fx.text[1].len, 5 + 40960 + 2 + 5);
    assert_memory_equal(fx.text[1].data, "one\r\n", 5);
    expect_run(&fx.text[1], 5, 'x', 40960);
    assert_memory_equal(fx.text[1].data + 5 + 40960, "\r\ntwo\r\n", 7);
}

static void a_log_can_be_paused_and_cancelled(void **state)
{
    struct docker_op *op;
    const char *name;
    size_t frames;

    (void)state;
    NEED_ENGINE();
    name = create("pause", "while :; do echo line; /bin/busybox sleep 0.05; done", "");
    start(name);
    op = docker_logs(w.d, name, 0, true, &log_sink, on_done, NULL);
    docker_logs_pause(op, true);
    /* More than enough time for the first lines to come. */
    for (int i = 0; i < 20; i++)
        inspect(name);
    assert_int_equal(fx.frames, 0);
    docker_logs_pause(op, false);
    fx.until = "line\nline\nline\n";
    run();
    fx.until = NULL;
    assert_false(w.late);
    assert_true(fx.frames >= 3);
    docker_cancel(op);
    frames = fx.frames;
    inspect(name);
    assert_int_equal(fx.frames, frames);
}

static void a_log_of_nothing(void **state)
{
    (void)state;
    NEED_ENGINE();
    docker_logs(w.d, w.unique, 0, true, &log_sink, on_done, NULL);
    wait_call();
    assert_int_equal(w.e.code, ERR_NOT_FOUND);
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    static const struct CMUnitTest tests[] = {
        CASE(a_container_lives_and_dies),
        CASE(a_container_is_frozen_and_thawed),
        CASE(a_killed_container_says_its_code),
        CASE(health_is_told),
        CASE(a_start_that_fails),
        CASE(what_is_missing_and_what_is_taken),
        CASE(images),
        CASE(a_log_is_followed_to_its_end),
        CASE(the_last_lines_of_a_log),
        CASE(a_terminal_has_no_times_inside_lines),
        CASE(a_log_can_be_paused_and_cancelled),
        CASE(a_log_of_nothing),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
