/* links: control aws task config host io */
/* From the announcement of the instance's end to the call that keeps new tasks away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "component/control_world.h"
#include "component/metadata_peer.h"

#define SPOT      "meta-data/spot/instance-action"
#define REBALANCE "meta-data/events/recommendations/rebalance"
#define LIFECYCLE "meta-data/autoscaling/target-lifecycle-state"
#define BODY                                                    \
    "{\"cluster\":\"demo\",\"containerInstances\":[\"" CI "\"]" \
    ",\"status\":\"DRAINING\"}"
#define DRAINED "{\"containerInstances\":[{\"status\":\"DRAINING\"}],\"failures\":[]}"

static char rebalance[] = "rebalance", terminate[] = "terminate";
static char *on_rebalance_list[] = { rebalance }, *on_terminate_list[] = { terminate };

static int64_t noticed_ms, drained_ms; /* read after the peers' end */

static void serve_drain(struct peer *p)
{
    serve(p, ".UpdateContainerInstancesState", BODY, 200, DRAINED);
}

static void both_and_drain(struct peer *p, void *arg)
{
    serve_both(p, arg);
    serve_drain(p);
    drained_ms = clock_mono_ms();
}

static void keep_open(struct peer *p, void *arg)
{
    (void)arg;
    handshake(p, true);
    peer_wait(p);
}

static void stop_when_drained(void *user)
{
    struct fixture *f = user;

    if (status_says(f, "\"draining\":true") && (f->opened || !f->session))
        loop_stop(f->loop);
    else
        loop_timer_arm(f->poll, 5);
}

/* Until the control plane has taken it, and the session, which comes later at times, is there. */
static void run_until_drained(struct fixture *f)
{
    f->poll = loop_timer_create(f->loop, stop_when_drained, f);
    loop_timer_arm(f->poll, 0);
    run(f);
    assert_int_equal(f->failed_code, 0);
    assert_int_equal(f->registered, 1);
    if (f->session)
        peer_go(f->session);
}

/* ---- spot interruptions ---- */

/* Both announcements are asked for once before there is any. */
static void notice_after_a_while(struct peer *p, void *arg)
{
    static const struct metadata rows[] = {
        { SPOT, 200, "{\"action\":\"terminate\",\"time\":\"2026-11-21T08:22:00Z\"}" },
    };

    (void)arg;
    serve_metadata(p, NULL, 0, IDENTITY_REQUESTS - 2); /* no MAC: no VPC, no subnet */
    serve_metadata(p, NULL, 0, 2);
    noticed_ms = clock_mono_ms();
    serve_metadata(p, rows, 1, 2);
}

static void test_spot_notice_drains_within_two_seconds(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    start_metadata(&f, notice_after_a_while);
    f.machine.instance_id = "i-1";
    f.config.spot_draining = true;
    start(&f, both_and_drain, keep_open);
    run_until_drained(&f);
    assert_true(status_says(&f, "\"spot\":\"spot interruption: terminate at "
                                "2026-11-21T08:22:00Z\"},\"draining\":true,\"draining_why\":"
                                "\"spot interruption: terminate at 2026-11-21T08:22:00Z\""));
    tear_down(&f);
    /* One look a second, and the call at once; the machine may be busy for as long as that. */
    assert_int_equal(f.timing.spot_ms, 1000);
    assert_in_range(drained_ms - noticed_ms, 0, 3999);
}

/* ---- what is watched, and what it is good for ---- */

static const struct metadata announced[] = {
    { SPOT, 200, "{\"action\":\"stop\",\"time\":\"2026-11-21T08:22:00Z\"}" },
    { REBALANCE, 200, "{\"noticeTime\":\"2026-11-21T08:00:00Z\"}" },
    { LIFECYCLE, 200, "Terminated" },
};

static void rebalance_is_announced(struct peer *p, void *arg)
{
    (void)arg;
    serve_metadata(p, NULL, 0, IDENTITY_REQUESTS - 2);
    serve_metadata(p, announced, COUNT_OF(announced), 2);
}

static void test_rebalance_drains_where_wanted(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    start_metadata(&f, rebalance_is_announced);
    f.machine.instance_id = "i-1";
    f.config.drain_on = (struct string_list){ on_rebalance_list, 1 };
    start(&f, both_and_drain, keep_open);
    run_until_drained(&f);
    /* The interruption is announced as well, but this configuration does not act on it. */
    assert_true(status_says(&f, "\"draining_why\":\"rebalance recommendation of "
                                "2026-11-21T08:00:00Z\""));
    tear_down(&f);
}

static void only_lifecycle(struct peer *p, void *arg)
{
    static const struct metadata in_service[] = { { LIFECYCLE, 200, "InService" } };

    (void)arg;
    serve_metadata(p, NULL, 0, IDENTITY_REQUESTS - 2);
    for (int i = 0; i < 3; i++) {
        if (!streq(serve_metadata_once(p, i < 2 ? in_service : announced,
                                       i < 2 ? 1 : COUNT_OF(announced)),
                   LIFECYCLE))
            peer_fail(p, "asked for what nobody wants to know");
    }
}

static void test_termination_drains_where_wanted(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    start_metadata(&f, only_lifecycle);
    f.machine.instance_id = "i-1";
    f.config.drain_on = (struct string_list){ on_terminate_list, 1 };
    f.timing.lifecycle_ms = 50;
    start(&f, both_and_drain, keep_open);
    run_until_drained(&f);
    assert_true(status_says(&f, "\"lifecycle\":\"Terminated\"}"));
    assert_true(status_says(&f, "\"draining_why\":\"the Auto Scaling group terminates the "
                                "instance\""));
    tear_down(&f);
}

/* ---- a configuration that changes ---- */

static void wish_for_it(void *user)
{
    static struct config changed;
    struct fixture *f = user;

    if (f->opened == 0) {
        loop_timer_arm(f->poll, 5);
        return;
    }
    changed = f->config;
    changed.spot_draining = true;
    control_reconfigure(f->control, &changed);
    loop_timer_destroy(f->poll);
    f->poll = loop_timer_create(f->loop, stop_when_drained, f);
    loop_timer_arm(f->poll, 0);
}

static void test_watching_begins_with_a_reload(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    start_metadata(&f, rebalance_is_announced);
    f.machine.instance_id = "i-1";
    start(&f, both_and_drain, keep_open);
    f.poll = loop_timer_create(f.loop, wish_for_it, &f);
    loop_timer_arm(f.poll, 0);
    run(&f);
    assert_true(status_says(&f, "\"draining_why\":\"spot interruption: stop at "));
    peer_go(f.session);
    tear_down(&f);
}

/* A notice that was only logged so far counts from the reload on. */
static void wish_after_the_notice(void *user)
{
    struct fixture *f = user;

    if (status_says(f, "\"spot\":\"spot interruption") && !status_says(f, "draining_why"))
        wish_for_it(f);
    else
        loop_timer_arm(f->poll, 5);
}

static void only_spot(struct peer *p, void *arg)
{
    (void)arg;
    serve_metadata(p, NULL, 0, IDENTITY_REQUESTS - 2);
    serve_metadata(p, announced, 1, 2);
}

static void test_reload_acts_on_a_known_notice(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    start_metadata(&f, only_spot);
    f.machine.instance_id = "i-1";
    f.config.drain_on = (struct string_list){ on_rebalance_list, 1 };
    f.timing.spot_ms = LONG_MS;
    start(&f, both_and_drain, keep_open);
    f.poll = loop_timer_create(f.loop, wish_after_the_notice, &f);
    loop_timer_arm(f.poll, 0);
    run(&f);
    peer_go(f.session);
    tear_down(&f);
}

/* ---- the call ---- */

static void drain_with_trouble(struct peer *p, void *arg)
{
    serve_both(p, arg);
    serve(p, ".UpdateContainerInstancesState", BODY, 500, "<html>");
    serve(p, ".UpdateContainerInstancesState", BODY, 400,
          "{\"__type\":\"AccessDeniedException\",\"message\":\"not yet\"}");
    serve(p, ".UpdateContainerInstancesState", BODY, 200,
          "{\"containerInstances\":[],\"failures\":[{\"arn\":\"x\",\"reason\":\"MISSING\"}]}");
    serve(p, ".UpdateContainerInstancesState", BODY, 200, "<html>log in</html>");
    serve_drain(p);
}

static void test_draining_is_tried_until_it_is_taken(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.drain_ms = 20;
    start(&f, drain_with_trouble, keep_open);
    /* Asked before registration: it waits for it. The first reason stays. */
    drain_ask(f.control->drain, "because");
    drain_ask(f.control->drain, "another");
    assert_true(status_says(&f, "\"draining\":false,\"draining_why\":\"because\""));
    run_until_drained(&f);
    assert_true(status_says(&f, "\"draining\":true,\"draining_why\":\"because\",\"clock"));
    drain_ask(f.control->drain, "again"); /* has no effect: there is no further call */
    tear_down(&f);
}

static void both(struct peer *p, void *arg)
{
    serve_both(p, arg);
}

static void serve_and_hang(struct peer *p, void *arg)
{
    (void)arg;
    serve_metadata(p, NULL, 0, IDENTITY_REQUESTS - 2);
    peer_accept(p);
    peer_head(p);
    peer_expect_eof(p);
}

static void test_destroy_while_watching(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    start_metadata(&f, serve_and_hang);
    f.machine.instance_id = "i-1";
    f.config.spot_draining = true;
    f.stop_at_opened = 1;
    start(&f, both, keep_open);
    run(&f);
    drain_ask(f.control->drain, "because");
    peer_go(f.session);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spot_notice_drains_within_two_seconds),
        cmocka_unit_test(test_rebalance_drains_where_wanted),
        cmocka_unit_test(test_termination_drains_where_wanted),
        cmocka_unit_test(test_watching_begins_with_a_reload),
        cmocka_unit_test(test_reload_acts_on_a_known_notice),
        cmocka_unit_test(test_draining_is_tried_until_it_is_taken),
        cmocka_unit_test(test_destroy_while_watching),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
