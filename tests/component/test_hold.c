/* links: engine */
/* Containers that are held back: the engine and its store, with an engine of containers that
 * does what a test says. */
#include "component/engine_world.h"
#include "engine/internal.h"

#define ARN "arn:aws:ecs:us-west-2:123456789012:task/demo/t1"

/* For what happens in the threads of the other side. */
static void on_poll(void *user)
{
    struct host *h = user;
    bool met;

    pthread_mutex_lock(&h->fake.lock);
    met = h->until(h);
    pthread_mutex_unlock(&h->fake.lock);
    if (met)
        loop_stop(h->loop);
    loop_timer_arm(h->poll, 2);
}

static void run_until(struct host *h, bool (*until)(struct host *h))
{
    h->until = until;
    h->expired = false;
    loop_timer_arm(h->guard, GUARD_MS);
    loop_timer_arm(h->poll, 0);
    loop_run(h->loop);
    loop_timer_disarm(h->guard);
    loop_timer_disarm(h->poll);
    if (h->expired)
        fail_msg("what was waited for did not happen");
}

/* ---- the peers ---- */

static void on_report(void *user, uint64_t id, struct str body)
{
    struct host *h = user;
    AUTO(str) char *text = mem_strndup(body.p, body.n);

    h->running += strstr(text, "\"RUNNING\"") != NULL;
    h->stopped += strstr(text, "\"STOPPED\"") != NULL;
    engine_reported(h->engine, id, CORE_REPORT_ACCEPTED, NULL);
}

static void on_drain(void *user, uint64_t id, const char *docker_id, int64_t timeout_ms)
{
    struct host *h = user;

    (void)docker_id;
    (void)timeout_ms;
    engine_drained(h->engine, id);
}

static void on_gone_task(void *user, const char *task_arn)
{
    struct host *h = user;

    (void)task_arn;
    h->gone++;
}

static void start(struct host *h)
{
    static const struct engine_peers peers = {
        .report = on_report,
        .drain = on_drain,
        .gone = on_gone_task,
        .fatal = on_fatal,
    };

    start_with(h, &peers);
}

static void send_task(struct host *h, const char *desired)
{
    AUTO(str)
    char *json = mem_printf("{\"arn\":\"" ARN "\",\"family\":\"web\",\"version\":\"3\","
                            "\"desiredStatus\":\"%s\",\"containers\":[{\"name\":\"a\",\"image\":"
                            "\"busybox\",\"essential\":true,\"cpu\":10,\"memory\":16}]}",
                            desired);
    struct core_payload_task p = { 0 };
    struct err e = { 0 };

    if (task_decode_text(json, strlen(json), &p.task, &e))
        fail_msg("%s", e.msg);
    engine_payload(h->engine, desired, 1, &p, 1);
}

/* ---- what is waited for; under the lock of the other side ---- */

static bool runs(struct host *h)
{
    return h->running == 1;
}

static bool is_paused(struct host *h)
{
    return h->fake.containers[0].paused;
}

static bool is_thawed(struct host *h)
{
    return h->fake.thaws > 0 && !h->fake.containers[0].paused;
}

static bool is_stopped(struct host *h)
{
    return h->stopped == 1;
}

static bool is_gone(struct host *h)
{
    return h->gone == 1;
}

/* All calls have ended, and no row is left. */
static bool nothing_held(struct host *h)
{
    return !h->engine->freezes;
}

static bool looked_twice(struct host *h)
{
    static int turns;

    (void)h;
    return ++turns % 200 == 0;
}

/* ---- rows of the store, as a new process would find them ---- */

static enum err_code count_row(void *user, const char *key, const char *value, struct err *e)
{
    int *n = user;

    (void)value;
    (void)e;
    *n += str_starts(key, "held/");
    return ERR_OK;
}

/* The process is over; what did it leave? */
static int rows_left(const struct host *h)
{
    struct store *s;
    struct err e = { 0 };
    int n = 0;

    assert_int_equal(store_open(h->dir, &s, &e), ERR_OK);
    assert_int_equal(store_each(s, STORE_META, count_row, &n, &e), ERR_OK);
    store_close(s);
    return n;
}

static void run_task(struct host *h)
{
    start(h);
    send_task(h, "RUNNING");
    run_until(h, runs);
}

static void hold(struct host *h, bool held)
{
    engine_hold(h->engine, h->fake.containers[0].id, held);
}

static void run_held(struct host *h)
{
    run_task(h);
    hold(h, true);
    run_until(h, is_paused);
}

/* ---- the tests ---- */

static void is_held_and_let_go(void **state)
{
    struct host *h = *state;

    run_task(h);
    hold(h, true);
    hold(h, true);
    run_until(h, is_paused);
    hold(h, false);
    run_until(h, is_thawed);
    run_until(h, nothing_held);
    assert_int_equal(h->fake.pauses, 1);
    assert_int_equal(h->fake.thaws, 1);
    stop(h);
    assert_int_equal(rows_left(h), 0);
}

static void the_last_wish_counts(void **state)
{
    struct host *h = *state;

    run_task(h);
    hold(h, true);
    hold(h, false);
    run_until(h, nothing_held);
    assert_int_equal(h->fake.pauses, 0);
    hold(h, true);
    hold(h, false);
    hold(h, true);
    run_until(h, is_paused);
    hold(h, false);
    hold(h, true);
    hold(h, false);
    run_until(h, nothing_held);
    assert_false(h->fake.containers[0].paused);
    stop(h);
    assert_int_equal(rows_left(h), 0);
}

/* A call fails although it was carried out: what is frozen is known as ours all the same. */
static void trouble_is_tried_again(void **state)
{
    struct host *h = *state;

    run_task(h);
    h->fake.fail_pauses = 1;
    hold(h, true);
    run_until(h, is_paused);
    h->fake.fail_pauses = 1;
    hold(h, false);
    run_until(h, nothing_held);
    assert_false(h->fake.containers[0].paused);
    stop(h);
}

static void a_held_task_stops(void **state)
{
    struct host *h = *state;

    run_held(h);
    send_task(h, "STOPPED");
    run_until(h, is_stopped);
    assert_false(h->fake.stopped_paused);
    assert_int_equal(h->fake.thaws, 1);
    hold(h, true); /* too late */
    run_until(h, is_gone);
    assert_int_equal(h->fake.pauses, 1);
    run_until(h, nothing_held);
    stop(h);
    assert_int_equal(rows_left(h), 0);
}

/* It cannot be let go: the stop is tried all the same. */
static void a_stop_does_not_wait_for_ever(void **state)
{
    struct host *h = *state;

    run_held(h);
    h->fake.fail_pauses = 1;
    send_task(h, "STOPPED");
    run_until(h, is_stopped);
    run_until(h, is_gone);
    run_until(h, nothing_held);
    stop(h);
    assert_int_equal(rows_left(h), 0);
}

static void what_a_person_paused_stops(void **state)
{
    struct host *h = *state;

    run_task(h);
    h->fake.old_stop = true;
    h->fake.containers[0].paused = true;
    send_task(h, "STOPPED");
    run_until(h, is_stopped);
    assert_true(h->fake.stopped_paused);
    assert_int_equal(h->fake.thaws, 1);
    assert_int_equal(h->fake.stops, 1);
    stop(h);
}

static void what_a_person_paused_is_left_alone(void **state)
{
    struct host *h = *state;

    run_task(h);
    h->fake.containers[0].paused = true;
    hold(h, true);
    run_until(h, looked_twice);
    hold(h, false);
    run_until(h, nothing_held);
    assert_int_equal(h->fake.pauses + h->fake.thaws, 0);
    assert_true(h->fake.containers[0].paused);
    /* When he lets it go, we hold it. */
    hold(h, true);
    run_until(h, looked_twice);
    h->fake.containers[0].paused = false;
    run_until(h, is_paused);
    assert_int_equal(h->fake.pauses, 1);
    stop(h);
    assert_int_equal(rows_left(h), 1);
}

static void it_ends_while_it_is_held(void **state)
{
    struct host *h = *state;

    run_held(h);
    h->fake.containers[0].paused = false; /* as a kill does */
    fake_docker_exit(&h->fake, 0, 137);
    run_until(h, is_stopped);
    run_until(h, nothing_held);
    assert_int_equal(h->fake.thaws, 0);
    stop(h);
    assert_int_equal(rows_left(h), 0);
}

static void it_is_gone_before_it_is_held(void **state)
{
    struct host *h = *state;

    run_task(h);
    engine_hold(h->engine, FAKE_HEX "f", true);
    assert_non_null(h->engine->freezes);
    run_until(h, nothing_held);
    assert_int_equal(h->fake.pauses, 0);
    stop(h);
}

static void the_next_process_knows(void **state)
{
    struct host *h = *state;

    run_held(h);
    stop(h);
    assert_int_equal(rows_left(h), 1);
    assert_true(h->fake.containers[0].paused);
    start(h);
    hold(h, true); /* still wanted: it stays as it is */
    run_until(h, looked_twice);
    assert_int_equal(h->fake.pauses, 1);
    hold(h, false);
    run_until(h, nothing_held);
    assert_int_equal(h->fake.thaws, 1);
    stop(h);
    assert_int_equal(rows_left(h), 0);
}

static void what_nobody_wants_is_let_go(void **state)
{
    struct host *h = *state;

    run_held(h);
    stop(h);
    start(h);
    loop_timer_arm(h->engine->freeze_grace, 0);
    run_until(h, is_thawed);
    run_until(h, nothing_held);
    stop(h);
    assert_int_equal(rows_left(h), 0);
}

static void the_next_process_stops_it(void **state)
{
    struct host *h = *state;

    run_held(h);
    stop(h);
    start(h);
    send_task(h, "STOPPED");
    run_until(h, is_stopped);
    assert_false(h->fake.stopped_paused);
    stop(h);
    assert_int_equal(rows_left(h), 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(is_held_and_let_go),
        CASE(the_last_wish_counts),
        CASE(trouble_is_tried_again),
        CASE(a_held_task_stops),
        CASE(a_stop_does_not_wait_for_ever),
        CASE(what_a_person_paused_stops),
        CASE(what_a_person_paused_is_left_alone),
        CASE(it_ends_while_it_is_held),
        CASE(it_is_gone_before_it_is_held),
        CASE(the_next_process_knows),
        CASE(what_nobody_wants_is_let_go),
        CASE(the_next_process_stops_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
