/* links: docker task io base */
/* The Docker client against a scripted peer: what a healthy engine never says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "component/docker_peer.h"

/* ---- answers ---- */

static void on_version(void *user, const struct docker_version *v, const struct err *e)
{
    struct fix *f = user;

    if (!e->code)
        buf_printf(&f->seen, "%s %s", v->version, v->api_version);
    called(f, e);
}

static void on_facts(void *user, const struct ctr_facts *facts, const struct err *e)
{
    struct fix *f = user;

    f->inconsistent |= !facts != (e->code != ERR_OK);
    called(f, e);
}

static void on_list(void *user, const struct docker_listed *rows, size_t n, const struct err *e)
{
    (void)rows, (void)n;
    called(user, e);
}

static void versions_are_negotiated_and_used(void **state)
{
    static const struct step steps[] = {
        { .expect = "GET /version HTTP/1.1\r\nHost: docker\r\n", .reply = VERSION41 },
        { .expect = "GET /v1.41/containers/abc/json HTTP/1.1\r\n",
          .reply = OK("{\"Id\":\"abc\",\"State\":{\"Running\":true}}") },
        { .expect = "GET /_ping HTTP/1.1\r\n", .reply = OK("OK") },
        { .expect = "GET /version HTTP/1.1\r\n",
          .reply = OK("{\"Version\":\"29\",\"ApiVersion\":\"1.52\",\"MinAPIVersion\":\"1.44\"}") },
        { .expect = "GET /v1.44/containers/json?all=1&filters=%7B%22label%22%3A%5B%22com."
                    "amazonaws.ecs.task-arn%22%5D%7D HTTP/1.1\r\n",
          .reply = OK("[]") },
    };
    struct fix *f = *state;

    begin(f, steps, COUNT_OF(steps));
    docker_negotiate(f->d, on_version, f);
    run(f);
    f->stop_at = 2;
    docker_inspect(f->d, "abc", 5000, on_facts, f);
    run(f);
    assert_int_equal(f->e.code, ERR_OK);
    f->stop_at = 3;
    docker_ping(f->d, 5000, on_done, f);
    run(f);
    f->stop_at = 4;
    docker_negotiate(f->d, on_version, f);
    run(f);
    f->stop_at = 5;
    docker_list(f->d, 5000, on_list, f);
    run(f);
    assert_int_equal(f->e.code, ERR_OK);
    assert_string_equal(buf_text(&f->seen), "20.10 1.4129 1.44");
    finish(f);
}

static void an_engine_too_old_is_refused(void **state)
{
    static const struct step steps[] = {
        { .expect = "GET /version",
          .reply = OK("{\"Version\":\"1.10.3\",\"ApiVersion\":\"1.22\"}") },
    };
    struct fix *f = *state;

    begin(f, steps, COUNT_OF(steps));
    docker_negotiate(f->d, on_version, f);
    run(f);
    assert_int_equal(f->e.code, ERR_INVALID);
    assert_string_equal(f->e.msg, "Docker Engine 1.10.3 is too old: its API version is 1.22, at "
                                  "least 1.24 is needed");
    finish(f);
}

static void odd_answers_are_errors(void **state)
{
    static const struct {
        struct step step;
        enum err_code want;
        const char *text;
    } cases[] = {
        { { .expect = "",
            .reply = "HTTP/1.1 500 Oops\r\nContent-Type: text/html\r\n" CLOSE
                     "\r\n<html>it broke</html>" },
          ERR_RETRY,
          "the Docker Engine answered with status 500: <html>it broke</html>" },
        { { .expect = "",
            .reply = "HTTP/1.1 503 No\r\n" CLOSE "\r\n{\"message\":\"received unexpected HTTP "
                     "status: 503\"}" },
          ERR_IO,
          "Error response from daemon: received unexpected HTTP status: 503" },
        { { .expect = "", .reply = "HTTP/1.1 502 Bad Gateway\r\n" CLOSE "\r\nno" },
          ERR_RETRY,
          "the Docker Engine answered with status 502: no" },
        { { .expect = "",
            .reply =
                "HTTP/1.1 404 Not Found\r\n" CLOSE "\r\n{\"message\":\"No such container: abc\"}" },
          ERR_NOT_FOUND,
          "Error response from daemon: No such container: abc" },
        { { .expect = "", .reply = OK("{\"Id\":\"abc\",\"State\":{\"Runn") },
          ERR_IO,
          "cannot read the Docker Engine's answer (container): not JSON" },
        { { .expect = "", .reply = JSON_200 "Content-Length: 500\r\n\r\n{\"Id\":\"abc\"" },
          ERR_RETRY,
          "" },
        { { .expect = "", .reply = "HTTP/1.1 200" }, ERR_RETRY, "" },
        { { .expect = "", .reply = "" }, ERR_RETRY, "" },
        { { .expect = "", .reply = "HTTP/1.1 200 OK\r\n", .stall = true }, ERR_TIMEOUT, "" },
        { { .expect = "", .reply = "HTTP/1.1 304 Not Modified\r\n" CLOSE "\r\n" },
          ERR_CONFLICT,
          "the Docker Engine answered with status 304" },
    };
    struct fix *f = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        begin(f, &cases[i].step, 1);
        docker_inspect(f->d, "abc", cases[i].step.stall ? 1000 : 10000, on_facts, f);
        run(f);
        if (f->e.code != cases[i].want || !str_starts(f->e.msg, cases[i].text))
            fail_msg("case %zu: %s: %s", i, err_code_name(f->e.code), f->e.msg);
        finish(f);
    }
}

static void what_is_so_already_is_success(void **state)
{
    static const struct step steps[] = {
        { .expect = "POST /containers/a/start HTTP",
          .reply = "HTTP/1.1 304 Not Modified\r\n" CLOSE "\r\n" },
        { .expect = "POST /containers/a/stop?t=30 HTTP",
          .reply = "HTTP/1.1 304 Not Modified\r\n" CLOSE "\r\n" },
        { .expect = "DELETE /containers/a?v=1 HTTP",
          .reply = "HTTP/1.1 404 Not Found\r\n" CLOSE "\r\n{\"message\":\"no\"}" },
        { .expect = "POST /containers/a/kill?signal=SIGKILL HTTP",
          .reply = "HTTP/1.1 409 Conflict\r\n" CLOSE "\r\n{\"message\":\"not running\"}" },
    };
    struct fix *f = *state;

    begin(f, steps, COUNT_OF(steps));
    docker_start(f->d, "a", 5000, on_done, f);
    run(f);
    assert_int_equal(f->e.code, ERR_OK);
    f->stop_at = 2;
    docker_stop(f->d, "a", 30, 5000, on_done, f);
    run(f);
    assert_int_equal(f->e.code, ERR_OK);
    f->stop_at = 3;
    docker_remove(f->d, "a", 5000, on_done, f);
    run(f);
    assert_int_equal(f->e.code, ERR_OK);
    f->stop_at = 4;
    docker_kill(f->d, "a", "SIGKILL", 5000, on_done, f);
    run(f);
    assert_int_equal(f->e.code, ERR_CONFLICT);
    finish(f);
}

static void bad_names_fail_on_a_later_turn(void **state)
{
    struct fix *f = *state;

    begin(f, NULL, 0);
    f->stop_at = 3;
    docker_inspect(f->d, "../images", 5000, on_facts, f);
    docker_pull(f->d, "No//pe", NULL, 1000, 5000, NULL, on_done, f);
    docker_remove(f->d, "a?force=1", 5000, on_done, f);
    docker_cancel(docker_start(f->d, "", 5000, on_done, f));
    assert_int_equal(f->calls, 0);
    run(f);
    assert_int_equal(f->calls, 3);
    assert_int_equal(f->e.code, ERR_INVALID);
    finish(f);
}

static void nobody_there_is_worth_a_retry(void **state)
{
    struct fix *f = *state;
    struct err e = { 0 };

    f->stop_at = 1;
    assert_int_equal(docker_create(f->http, f->endpoint, &f->d, &e), ERR_OK);
    docker_negotiate(f->d, on_version, f);
    run(f);
    assert_int_equal(f->e.code, ERR_RETRY);
}

static void endpoints(void **state)
{
    static const struct {
        const char *text;
        enum err_code want;
    } cases[] = {
        { "unix:///var/run/docker.sock", ERR_OK },
        { "tcp://127.0.0.1:2375", ERR_OK },
        { "http://localhost:2375/", ERR_OK },
        { "tcp://example.com:2375", ERR_DENIED },
        { "unix://relative", ERR_INVALID },
        { "unix://", ERR_INVALID },
        { "https://localhost", ERR_INVALID },
        { "npipe://x", ERR_INVALID },
        { "", ERR_INVALID },
    };
    struct fix *f = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct docker *d = NULL;
        struct err e = { 0 };

        assert_int_equal(docker_create(f->http, cases[i].text, &d, &e), cases[i].want);
        assert_true(!d == (cases[i].want != ERR_OK));
        docker_destroy(d);
    }
}

/* ---- ends ---- */

static void on_done_destroy(void *user, const struct err *e)
{
    struct fix *f = user;

    docker_destroy(f->d);
    f->d = NULL;
    called(f, e);
}

static void destroying_in_done_silences_the_others(void **state)
{
    static const struct step steps[] = {
        { .expect = "/_ping", .reply = OK("OK") },
    };
    struct fix *f = *state;

    begin(f, steps, COUNT_OF(steps));
    docker_remove(f->d, "", 5000, on_done_destroy, f);
    docker_inspect(f->d, "", 5000, on_facts, f);
    docker_remove(f->d, "", 5000, on_done_destroy, f);
    run(f);
    assert_int_equal(f->calls, 1);
    assert_null(f->d);
    /* While another client is answered, nothing of the others comes. */
    assert_int_equal(docker_create(f->http, f->endpoint, &f->d, &f->e), ERR_OK);
    f->stop_at = 2;
    docker_ping(f->d, 5000, on_done, f);
    run(f);
    assert_int_equal(f->calls, 2);
    assert_int_equal(f->e.code, ERR_OK);
    finish(f);
}

/* ---- events ---- */

#define EVENT(action, id)                                                       \
    "{\"Type\":\"container\",\"Action\":\"" action "\",\"Actor\":{\"ID\":\"" id \
    "\",\"Attributes\":{\"exitCode\":\"3\"}},\"time\":1}\n"

static void note(struct fix *f, const char *what, const char *text)
{
    buf_printf(&f->seen, "%s%s ", what, text);
    if (++f->calls == f->stop_at)
        loop_stop(f->loop);
}

static void on_opened(void *user)
{
    note(user, "opened", "");
}

static void on_event(void *user, const struct docker_event *ev)
{
    note(user, ev->has_exit_code ? "event(3):" : "event:", ev->id);
}

static void on_lost(void *user, const struct err *e)
{
    note(user, "lost:", err_code_name(e->code));
}

static const struct docker_event_sink event_sink = { on_opened, on_event, on_lost };

static void a_cut_event_stream_is_opened_again(void **state)
{
    static const struct step steps[] = {
        { .expect = "GET /events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22label%22%3A%5B%"
                    "22com.amazonaws.ecs.task-arn%22%5D%2C%22event%22",
          .reply =
              OK(EVENT("start", "a") EVENT("exec_die", "x") "{\"Type\":\"container\",\"Acti") },
        { .expect = "&since=", .reply = "HTTP/1.1 500 No\r\n" CLOSE "\r\nbusy" },
        { .expect = "GET /events", .reply = OK(EVENT("die", "b") "not json\n"), .stall = true },
        { .expect = "GET /events", .reply = OK(EVENT("oom", "c")), .stall = true },
    };
    struct fix *f = *state;

    begin(f, steps, COUNT_OF(steps));
    f->stop_at = 9;
    docker_subscribe(f->d, &event_sink, f);
    run(f);
    assert_string_equal(buf_text(&f->seen),
                        "opened event:a lost:retry lost:retry opened event(3):b "
                        "lost:io opened event:c ");
    assert_int_equal(docker_get_counts(f->d)->events_lost, 2); /* one was never open */
    finish(f);
}

static void on_event_destroy(void *user, const struct docker_event *ev)
{
    struct fix *f = user;

    docker_destroy(f->d);
    f->d = NULL;
    note(f, "event:", ev->id);
}

static void on_opened_destroy(void *user)
{
    struct fix *f = user;

    docker_destroy(f->d);
    f->d = NULL;
    note(f, "opened", "");
}

static void on_lost_destroy(void *user, const struct err *e)
{
    struct fix *f = user;

    docker_destroy(f->d);
    f->d = NULL;
    note(f, "lost:", err_code_name(e->code));
}

static void everything_may_be_destroyed_in_any_callback(void **state)
{
    static const struct step step = { .expect = "GET /events",
                                      .reply = OK(EVENT("start", "a") EVENT("start", "b")) };
    static const struct {
        struct docker_event_sink sink;
        const char *want;
    } cases[] = {
        { { on_opened_destroy, on_event, on_lost }, "opened " },
        { { on_opened, on_event_destroy, on_lost }, "opened event:a " },
        { { on_opened, on_event, on_lost_destroy }, "opened event:a event:b lost:retry " },
    };
    struct fix *f = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        begin(f, &step, 1);
        f->stop_at = i == 0 ? 1 : i == 1 ? 2 : 4;
        docker_subscribe(f->d, &cases[i].sink, f);
        run(f);
        assert_string_equal(buf_text(&f->seen), cases[i].want);
        assert_null(f->d);
        finish(f);
    }
}

/* ---- logs ---- */

#define STAMP     "2026-01-02T03:04:05.000000006Z "
#define INSPECT   OK("{\"Id\":\"a\",\"Config\":{\"Tty\":false}}")
#define INSPECT_T OK("{\"Id\":\"a\",\"Config\":{\"Tty\":true}}")
#define LOG_HEAD  "HTTP/1.1 200 OK\r\n" CLOSE "\r\n"

static void on_frame(void *user, int stream, int64_t when_ns, struct str text)
{
    buf_printf(&((struct fix *)user)->seen, "%d@%lld:%.*s|", stream, (long long)when_ns,
               (int)text.n, text.p);
}

static void on_frame_cancel(void *user, int stream, int64_t when_ns, struct str text)
{
    struct fix *f = user;

    on_frame(user, stream, when_ns, text);
    docker_cancel(f->op);
    loop_stop(f->loop);
}

static void logs_end_well_or_badly(void **state)
{
    static const char two[] = LOG_HEAD "\1\0\0\0\0\0\0\x22" STAMP "on\n"
                                       "\2\0\0\0\0\0\0\x22" STAMP "tw\n";
    static const char torn[] = LOG_HEAD "\1\0\0\0\0\0\0\x22" STAMP "on\n"
                                        "\1\0\0\0\0\0\0\x22" STAMP;
    static const char daemon_error[] = LOG_HEAD "\3\0\0\0\0\0\0\x04torn";
    static const struct {
        int64_t since_ns;
        struct step steps[2];
        enum err_code want;
        const char *text, *seen;
    } cases[] = {
        { 1500000007,
          { { .expect = "GET /containers/a/json", .reply = INSPECT },
            { .expect = "GET /containers/a/logs?stdout=1&stderr=1&timestamps=1&follow=1&since=1."
                        "500000007 HTTP",
              .reply = two,
              .n = sizeof two - 1 } },
          ERR_OK,
          "",
          "1@1767323045000000006:on\n|2@1767323045000000006:tw\n|" },
        { 0,
          { { .expect = "", .reply = INSPECT_T },
            { .expect = "&timestamps=1&follow=1 HTTP",
              .reply = LOG_HEAD STAMP "x\r\n" STAMP "y" } },
          ERR_OK,
          "",
          "1@1767323045000000006:x\r\n|1@1767323045000000006:y|" },
        { 0,
          { { .expect = "", .reply = INSPECT },
            { .expect = "", .reply = torn, .n = sizeof torn - 1 } },
          ERR_RETRY,
          "the log stream ended inside a frame",
          "1@1767323045000000006:on\n|" },
        { 0,
          { { .expect = "", .reply = INSPECT },
            { .expect = "", .reply = daemon_error, .n = sizeof daemon_error - 1, .stall = true } },
          ERR_IO,
          "the Docker Engine cannot read the log: torn",
          "" },
        { 0,
          { { .expect = "", .reply = INSPECT },
            { .expect = "", .reply = LOG_HEAD STAMP "no frames\n", .stall = true } },
          ERR_INVALID,
          "not a log frame",
          "" },
        { 0,
          { { .expect = "", .reply = INSPECT },
            { .expect = "",
              .reply = "HTTP/1.1 501 No\r\n" CLOSE "\r\n{\"message\":\"does not support "
                       "reading\"}" } },
          ERR_INVALID,
          "Error response from daemon: does not support reading",
          "" },
    };
    static const struct docker_log_sink sink = { on_frame };
    struct fix *f = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        begin(f, cases[i].steps, 2);
        f->op = docker_logs(f->d, "a", cases[i].since_ns, true, &sink, on_done, f);
        run(f);
        if (f->e.code != cases[i].want || !str_starts(f->e.msg, cases[i].text))
            fail_msg("case %zu: %s: %s", i, err_code_name(f->e.code), f->e.msg);
        assert_string_equal(buf_text(&f->seen), cases[i].seen);
        finish(f);
    }
}

static void a_cancelled_log_is_silent(void **state)
{
    static const char two[] = LOG_HEAD "\1\0\0\0\0\0\0\x22" STAMP "on\n"
                                       "\2\0\0\0\0\0\0\x22" STAMP "tw\n";
    static const struct step steps[] = {
        { .expect = "", .reply = INSPECT },
        { .expect = "", .reply = two, .n = sizeof two - 1, .stall = true },
    };
    static const struct docker_log_sink sink = { on_frame_cancel };
    struct fix *f = *state;

    begin(f, steps, COUNT_OF(steps));
    f->op = docker_logs(f->d, "a", 0, true, &sink, on_done, f);
    run(f);
    assert_string_equal(buf_text(&f->seen), "1@1767323045000000006:on\n|");
    assert_int_equal(f->calls, 0);
    finish(f);
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    static const struct CMUnitTest tests[] = {
        CASE(versions_are_negotiated_and_used),
        CASE(an_engine_too_old_is_refused),
        CASE(odd_answers_are_errors),
        CASE(what_is_so_already_is_success),
        CASE(bad_names_fail_on_a_later_turn),
        CASE(nobody_there_is_worth_a_retry),
        CASE(endpoints),
        CASE(destroying_in_done_silences_the_others),
        CASE(a_cut_event_stream_is_opened_again),
        CASE(everything_may_be_destroyed_in_any_callback),
        CASE(logs_end_well_or_badly),
        CASE(a_cancelled_log_is_silent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
