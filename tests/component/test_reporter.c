/* links: control aws task config host io */
/* Reports, refused handshakes, and who wakes whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "component/control_world.h"

/* ---- refused handshakes, reports, and who wakes whom ---- */

static void refuse(struct peer *p, int status, const char *body)
{
    peer_accept(p);
    peer_head(p);
    answer(p, status, "", body);
}

static int64_t when[2]; /* read after the peer's end */

/* Reports once the trouble that the script makes is known on our side. */
static void on_poll(void *user)
{
    struct fixture *f = user;

    if (status_says(f, "_error\":\""))
        control_report(f->control, 7, str_of("{\"task\":\"" T1 "\"}"));
    else
        loop_timer_arm(f->poll, 5);
}

static void report_after_trouble(struct fixture *f)
{
    f->poll = loop_timer_create(f->loop, on_poll, f);
    loop_timer_arm(f->poll, 0);
}

static void serve_report(struct peer *p)
{
    serve(p, ".SubmitTaskStateChange", "{\"cluster\":\"demo\",\"task\":\"" T1 "\"}", 200,
          "{\"acknowledgment\":\"ok\"}");
}

static void both_and_a_report(struct peer *p, void *arg)
{
    serve_both(p, arg);
    serve_report(p);
}

static void refused_then_open(struct peer *p, void *arg)
{
    (void)arg;
    refuse(p, 500, "{\"type\":\"ServerException\",\"message\":{\"message\":\"later\"}}");
    handshake(p, true);
}

static void test_accepted_report_calls_the_session_out_of_backoff(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.session = (struct backoff_rule){ LONG_MS, 100, LONG_MS, 0 };
    f.stop_at_opened = 1;
    start(&f, both_and_a_report, refused_then_open);
    report_after_trouble(&f);
    run(&f);
    assert_int_equal(f.n_accepted, 1);
    tear_down(&f);
}

static void inactive_then_open(struct peer *p, void *arg)
{
    (void)arg;
    when[0] = clock_mono_ms();
    refuse(p, 400, "{\"InactiveInstanceException\":\"The container instance is not active.\"}");
    handshake(p, true);
    when[1] = clock_mono_ms();
}

static void test_inactive_instance_waits_whatever_else_succeeds(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.inactive_ms = 500;
    f.stop_at_opened = 1;
    start(&f, both_and_a_report, inactive_then_open);
    report_after_trouble(&f);
    run(&f);
    assert_int_equal(f.n_accepted, 1);
    tear_down(&f);
    assert_true(when[1] - when[0] >= 490);
}

static void report_before_registration(struct peer *p, void *arg)
{
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 503, "<html>");
    serve_report(p);
    serve_register(p, arg);
}

static void test_accepted_report_calls_registration_out_of_backoff(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.unreachable = (struct backoff_rule){ LONG_MS, 100, LONG_MS, 0 };
    f.stop_at_registered = true;
    start(&f, report_before_registration, NULL);
    report_after_trouble(&f);
    run(&f);
    assert_int_equal(f.registered, 1);
    tear_down(&f);
}

static void three_reports(struct peer *p, void *arg)
{
    serve_register(p, arg);
    serve(p, ".DiscoverPollEndpoint", "\"zoneId\":\"\"}", 500, "{}");
    serve(p, ".SubmitTaskStateChange", "{\"cluster\":\"demo\"}", 400,
          "{\"__type\":\"InvalidParameterException\",\"message\":\"no such task\"}");
    serve(p, ".SubmitTaskStateChange", "{\"cluster\":\"demo\"}", 500, "<html>");
    serve_report(p);
}

static void test_outcomes_of_reports(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.session = (struct backoff_rule){ LONG_MS, 100, LONG_MS, 0 };
    f.stop_at_registered = true;
    start(&f, three_reports, NULL);
    run(&f);
    for (int i = 1; i <= 4; i++) {
        static const char *const bodies[] = { "{}", " { } ", "{\"task\":\"" T1 "\"}", "nonsense" };

        f.stop_at_reported = i;
        control_report(f.control, 7, str_of(bodies[i - 1]));
        assert_int_equal(f.n_reported, i - 1);
        run(&f);
        if (i == 1)
            assert_non_null(strstr(f.report_error, "InvalidParameterException: no such task"));
        if (i == 2)
            assert_non_null(strstr(f.report_error, "status 500, '<html>'"));
    }
    assert_int_equal(f.n_accepted, 1);
    assert_int_equal(f.n_refused, 2);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted_report_calls_the_session_out_of_backoff),
        cmocka_unit_test(test_inactive_instance_waits_whatever_else_succeeds),
        cmocka_unit_test(test_accepted_report_calls_registration_out_of_backoff),
        cmocka_unit_test(test_outcomes_of_reports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
