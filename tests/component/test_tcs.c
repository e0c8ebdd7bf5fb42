/* links: control aws task config host io */
/* The telemetry session: what goes out, when, signed how, and what waits while it is away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "component/tcs_world.h"

/* ---- what goes out ---- */

static void idle(struct peer *p, void *arg)
{
    struct link l;
    struct told t;

    (void)arg;
    open_telemetry(p, &l);
    t = take(p, &l);
    CHECK(p, streq(t.type, "PublishMetricsRequest") && t.idle && t.fin && !t.has_tasks);
    atomic_store(&done, true);
}

static void test_idle(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    start_telemetry(&f, idle);
    start(&f, serve_both, NULL);
    finish(&f);
    assert_int_equal(f.opened, 0); /* all that without the other session */
}

static void chunks(struct peer *p, void *arg)
{
    static const size_t sizes[] = { 10, 10, 5 };
    char id[64] = "";
    struct link l;
    struct told t;

    (void)arg;
    open_telemetry(p, &l);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char first[64];

        t = take(p, &l);
        snprintf(first, sizeof first, "task-%zu", 10 * i);
        CHECK(p, streq(t.type, "PublishMetricsRequest") && !t.idle);
        CHECK(p, t.n_tasks == sizes[i] && streq(t.first_task, first));
        CHECK(p, t.fin == (i == 2));
        CHECK(p, i == 0 || streq(t.id, id));
        snprintf(id, sizeof id, "%s", t.id);
    }
    t = take(p, &l);
    CHECK(p, streq(t.type, "PublishHealthRequest") && !streq(t.id, id));
    CHECK(p, t.n_tasks == 10 && !t.fin);
    snprintf(id, sizeof id, "%s", t.id);
    t = take(p, &l);
    CHECK(p, streq(t.type, "PublishHealthRequest") && streq(t.id, id));
    CHECK(p, t.n_tasks == 2 && t.fin && streq(t.first_task, "task-10"));
    atomic_store(&done, true);
}

static void test_chunks(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    machine.watched = true;
    machine.measured = 25;
    machine.health = 12;
    start_telemetry(&f, chunks);
    start(&f, serve_both, NULL);
    finish(&f);
    assert_int_equal(machine.n_gathered, 1);
}

static void big(struct peer *p, void *arg)
{
    struct link l;
    struct told t;

    (void)arg;
    open_telemetry(p, &l);
    t = take(p, &l);
    CHECK(p, t.n_tasks == 3 && !t.fin);
    t = take(p, &l);
    CHECK(p, t.n_tasks == 1 && t.fin && streq(t.first_task, "task-3"));
    atomic_store(&done, true);
}

static void test_no_message_is_longer_than_a_mebibyte(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    machine.watched = true;
    machine.measured = 4;
    machine.padding = 300000;
    start_telemetry(&f, big);
    start(&f, serve_both, NULL);
    finish(&f);
}

/* Nothing is said of tasks without a measurement; only their health. */
static void only_health(struct peer *p, void *arg)
{
    struct link l;

    (void)arg;
    open_telemetry(p, &l);
    for (int i = 0; i < 3; i++) {
        struct told t = take(p, &l);

        CHECK(p, streq(t.type, "PublishHealthRequest") && t.fin && t.n_tasks == 1);
    }
    atomic_store(&done, true);
}

static void test_nothing_measured_is_not_idle(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    f.timing.gather_ms = 5;
    machine.watched = true;
    machine.health = 1;
    start_telemetry(&f, only_health);
    start(&f, serve_both, NULL);
    finish(&f);
    assert_true(machine.n_gathered >= 3);
}

static void idle_with_health(struct peer *p, void *arg)
{
    struct link l;
    struct told t;

    (void)arg;
    open_telemetry(p, &l);
    t = take(p, &l);
    CHECK(p, streq(t.type, "PublishMetricsRequest") && t.idle && t.fin && !t.has_tasks);
    t = take(p, &l);
    CHECK(p, streq(t.type, "PublishHealthRequest") && t.n_tasks == 3);
    atomic_store(&done, true);
}

static void test_metrics_are_disabled(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    f.config.disable_metrics = true;
    machine.watched = true;
    machine.measured = 3;
    machine.health = 3;
    start_telemetry(&f, idle_with_health);
    start(&f, serve_both, NULL);
    finish(&f);
    assert_int_equal(machine.n_gathered, 0);
}

/* ---- what waits ---- */

static void let_wait(struct peer *p, void *arg)
{
    char ids[TCS_WAITING_MAX][64];
    int64_t opened;
    struct link l;

    (void)arg;
    take_handshake(p, &l);
    peer_wait(p);
    opened = clock_wall_ms();
    answer_handshake(p);
    for (int i = 0; i < TCS_WAITING_MAX; i++) {
        struct told t = take(p, &l);
        char task[32];

        snprintf(task, sizeof task, "task-%d", i + 1); /* the oldest were kept */
        CHECK(p, t.n_tasks == 1 && streq(t.first_task, task) && t.fin);
        CHECK(p, t.at_ms >= opened); /* when it was sent, not when it was gathered */
        snprintf(ids[i], sizeof ids[i], "%s", t.id);
        for (int k = 0; k < i; k++)
            CHECK(p, !streq(ids[k], ids[i]));
    }
    peer_close(p);
    open_telemetry(p, &l);
    for (int i = 0; i < 2; i++) {
        struct told t = take(p, &l);
        const char *number = strchr(t.first_task, '-');

        /* Nothing twice, and three were lost for good. */
        CHECK(p, number && strtol(number + 1, NULL, 10) > TCS_WAITING_MAX + 3);
    }
    atomic_store(&done, true);
    peer_wait(p);
}

static int64_t status_number(struct fixture *f, const char *name)
{
    AUTO(buf) struct buf status = BUF_INIT(8192);
    const char *at;
    struct jw w;

    jw_init(&w, &status);
    control_write_status(f->control, &w);
    at = strstr(buf_text(&status), name);
    return at ? strtoll(at + strlen(name), NULL, 10) : -1;
}

static void test_what_waits_goes_out_later(void **state)
{
    struct fixture f;
    int64_t dropped;

    (void)state;
    begin(&f);
    f.timing.gather_ms = 20;
    machine.watched = machine.numbered = true;
    machine.measured = 1;
    awaited = "\"waiting\":15,\"dropped\":3,\"sent\":0}";
    start_telemetry(&f, let_wait);
    start(&f, serve_both, NULL);
    run(&f);
    assert_true(status_says(&f, "\"tcs\":{\"connected\":true,"));
    assert_true(status_says(&f, "\"waiting\":0,"));
    /* Some more, perhaps, until the handshake was over. */
    dropped = status_number(&f, "\"dropped\":");
    assert_in_range(dropped, 3, machine.n_gathered - TCS_WAITING_MAX - 2);
    peer_go(f.telemetry);
    end(&f);
}

/* ---- the instance's status ---- */

static struct told take_status(struct peer *p, const struct link *l)
{
    struct told t = take(p, l);

    for (int i = 0; i < 1000 && streq(t.type, "PublishMetricsRequest"); i++)
        t = take(p, l);
    CHECK(p, streq(t.type, "PublishInstanceStatusRequest"));
    return t;
}

/* It is looked at more often than anything is gathered. */
static void take_no_status(struct peer *p, const struct link *l)
{
    for (int i = 0; i < 4; i++) {
        struct told t = take(p, l);

        CHECK(p, streq(t.type, "PublishMetricsRequest"));
    }
}

static void wants_status(struct peer *p, void *arg)
{
    struct fixture *f = arg;
    struct told first, second, third;
    struct link l;

    open_telemetry(p, &l);
    first = take_status(p, &l);
    CHECK(p, streq(first.status, "INITIALIZING") && first.updated_ms == first.changed_ms);
    take_no_status(p, &l);
    peer_go(f->session);
    second = take_status(p, &l);
    CHECK(p, streq(second.status, "OK") && !streq(second.id, first.id));
    CHECK(p, second.updated_ms == first.updated_ms && second.changed_ms > first.changed_ms);
    take_no_status(p, &l);
    peer_go(f->session);
    third = take_status(p, &l);
    CHECK(p, streq(third.status, "IMPAIRED") && third.changed_ms > second.changed_ms);
    CHECK(p, third.updated_ms == second.changed_ms); /* the check before */
    take_no_status(p, &l);
    atomic_store(&done, true);
}

static void two_heartbeats(struct peer *p, void *arg)
{
    (void)arg;
    handshake(p, true);
    peer_wait(p);
    heartbeat(p);
    peer_wait(p);
    heartbeat(p);
}

static void test_each_heartbeat_has_the_status_told(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    f.timing.gather_ms = 20;
    f.timing.status_ms = 5;
    start_telemetry(&f, wants_status);
    start(&f, serve_both, two_heartbeats);
    finish(&f);
    assert_int_equal(machine.n_checks, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_no_message_is_longer_than_a_mebibyte),
        cmocka_unit_test(test_nothing_measured_is_not_idle),
        cmocka_unit_test(test_metrics_are_disabled),
        cmocka_unit_test(test_what_waits_goes_out_later),
        cmocka_unit_test(test_each_heartbeat_has_the_status_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
