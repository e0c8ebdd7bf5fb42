/* ops.c: how many creates, starts and pulls are under way at once, and whose. */
#include "unit/core/drive.h"

static size_t under_way(const struct drive *d, enum core_op a, enum core_op b)
{
    size_t n = 0;

    for (size_t i = 0; i < d->log.n; i++)
        n += d->log.items[i].type == CORE_ACT_OP && !d->over[i] &&
             (d->log.items[i].op == a || d->log.items[i].op == b);
    return n;
}

static const char *place_of(int i)
{
    static char room[2][16];
    static int turn;
    char *out = room[turn ^= 1];

    snprintf(out, sizeof room[0], "t%d/a", i);
    return out;
}

static void send_many(struct drive *d, int n)
{
    char texts[40][400];
    const char *borrowed[40];

    for (int i = 0; i < n; i++) {
        snprintf(texts[i], sizeof texts[0], TASK("t%d", C("a", "")), i);
        borrowed[i] = texts[i];
    }
    payload(d, "m", -1, borrowed, (size_t)n);
}

static void begin_paced(struct drive *d, int starts, int pulls)
{
    drive_empty(d);
    d->cfg.start_parallel = starts;
    d->cfg.pull_parallel = pulls;
    drive_boot(d);
}

static void pull_all(struct drive *d, int n)
{
    for (int i = 0; i < n; i++)
        bring(d, place_of(i), CTR_PULLED);
}

static void test_pulls_are_limited(void **state)
{
    struct drive d;

    (void)state;
    begin_paced(&d, 10, 2);
    send_many(&d, 5);
    assert_int_equal(under_way(&d, CORE_OP_PULL, CORE_OP_PULL), 2);
    assert_why(&d, "t4",
               "[{'container':'a','waits_for':'its turn to pull: others are under way','for_ms':0}"
               "]");
    assert_why(&d, "t0", "[{'container':'a','waits_for':'the pull of its image: img','for_ms':0}]");
    for (int i = 0; i < 5; i++) {
        expect_op(&d, CORE_OP_PULL, place_of(i));
        fails(&d, CORE_OP_PULL, place_of(i), i == 1 ? ERR_DENIED : ERR_RETRY, "no");
        assert_int_equal(under_way(&d, CORE_OP_PULL, CORE_OP_PULL), i < 3 ? 2 : 4 - i);
    }
    drive_end(&d);
}

static void test_starts_in_order_of_arrival(void **state)
{
    struct drive d;

    (void)state;
    begin_paced(&d, 2, 40);
    send_many(&d, 6);
    for (int i = 6; i-- > 0;) /* the last is ready first */
        bring(&d, place_of(i), CTR_PULLED);
    expect_op(&d, CORE_OP_CREATE, "t5/a"); /* there was room then */
    expect_op(&d, CORE_OP_CREATE, "t4/a");
    assert_int_equal(under_way(&d, CORE_OP_CREATE, CORE_OP_CREATE), 2);
    done(&d, CORE_OP_CREATE, "t5/a");
    expect_op(&d, CORE_OP_START, "t5/a");  /* starts have places of their own */
    expect_op(&d, CORE_OP_CREATE, "t0/a"); /* the oldest that waits */
    done(&d, CORE_OP_CREATE, "t4/a");
    done(&d, CORE_OP_CREATE, "t0/a");
    assert_int_equal(under_way(&d, CORE_OP_START, CORE_OP_START), 2);
    expect_op(&d, CORE_OP_START, "t4/a");
    assert_null(pending_op(&d, "t0/a"));
    done(&d, CORE_OP_CREATE, "t1/a");
    done(&d, CORE_OP_START, "t5/a");
    expect_op(&d, CORE_OP_START, "t0/a"); /* before the younger t1 */
    assert_null(pending_op(&d, "t1/a"));
    for (int i = 0; i < 6; i++)
        bring(&d, place_of((i + 4) % 6), CTR_RUNNING);
    drive_end(&d);
}

static void test_hanging_create_stops_counting(void **state)
{
    struct drive d;

    (void)state;
    begin_paced(&d, 1, 40);
    send_many(&d, 3);
    pull_all(&d, 3);
    expect_op(&d, CORE_OP_CREATE, "t0/a");
    pass(&d, 4999);
    assert_null(pending_op(&d, "t1/a"));
    assert_why(&d, "t1",
               "[{'container':'a','waits_for':'its turn to create: others are under "
               "way','for_ms':4999}]");
    pass(&d, 1);
    assert_true(noted(&d, "create takes long; others go on"));
    expect_op(&d, CORE_OP_CREATE, "t0/a");
    expect_op(&d, CORE_OP_CREATE, "t1/a");
    assert_null(pending_op(&d, "t2/a"));
    /* Its late answer gives no place back a second time. */
    done(&d, CORE_OP_CREATE, "t0/a");
    assert_int_equal(under_way(&d, CORE_OP_CREATE, CORE_OP_CREATE), 1);
    drive_end(&d);
}

static void test_hanging_pull_stops_counting(void **state)
{
    struct drive d;

    (void)state;
    begin_paced(&d, 1, 1);
    send_many(&d, 2);
    pass(&d, 599999);
    assert_null(pending_op(&d, "t1/a"));
    pass(&d, 1);
    expect_op(&d, CORE_OP_PULL, "t1/a");
    drive_end(&d);
}

static void test_stop_gives_the_place_back(void **state)
{
    struct drive d;

    (void)state;
    begin_paced(&d, 1, 1);
    send_many(&d, 3);
    want_stopped(&d, "t1"); /* leaves the queue */
    want_stopped(&d, "t0"); /* is canceled */
    assert_int_equal(count_actions(&d, CORE_ACT_CANCEL), 1);
    expect_op(&d, CORE_OP_PULL, "t2/a");
    drive_end(&d);
}

static void test_stop_waits_for_the_create_under_way(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_many(&d, 1);
    pull_all(&d, 1);
    want_stopped(&d, "t0");
    expect_op(&d, CORE_OP_CREATE, "t0/a"); /* its container would have no owner */
    assert_null(acted(&d, CORE_ACT_CANCEL));
    assert_null(pending_report(&d, "t0"));
    done(&d, CORE_OP_CREATE, "t0/a");
    assert_null(pending_op(&d, "t0/a")); /* never started */
    assert_report_has(&d, "t0", "'runtimeId':'id-1','status':'STOPPED'}]");
    drive_end(&d);
}

static void test_stop_waits_for_the_start_under_way(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_many(&d, 1);
    bring(&d, "t0/a", CTR_CREATED);
    want_stopped(&d, "t0");
    done(&d, CORE_OP_START, "t0/a");
    done(&d, CORE_OP_INSPECT, "t0/a");
    done(&d, CORE_OP_STOP, "t0/a");
    done(&d, CORE_OP_INSPECT, "t0/a");
    assert_report_has(&d, "t0", "'exitCode':143");
    drive_end(&d);
}

static void test_failed_stop_is_retried(void **state)
{
    static const struct {
        enum err_code code;
        bool noted;
    } rows[] = { { ERR_IO, true }, { ERR_TIMEOUT, true }, { ERR_RETRY, false } };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct drive d;

        drive_begin(&d);
        send_many(&d, 1);
        bring(&d, "t0/a", CTR_RUNNING);
        accept_report(&d, "t0");
        want_stopped(&d, "t0");
        fails(&d, CORE_OP_STOP, "t0/a", rows[i].code, "no");
        assert_int_equal(noted(&d, "stop failed, trying again: no"), rows[i].noted);
        assert_null(pending_op(&d, "t0/a"));
        assert_null(pending_report(&d, "t0")); /* only an inspect says that it stopped */
        pass(&d, 240);
        done(&d, CORE_OP_INSPECT, "t0/a");
        for (int n = 0; n < 3 && op_at(&d, "t0/a") != CORE_OP_STOP; n++)
            pass(&d, 12000);
        done(&d, CORE_OP_STOP, "t0/a");
        done(&d, CORE_OP_INSPECT, "t0/a");
        assert_report_has(&d, "t0", "'exitCode':143");
        drive_end(&d);
    }
}

/* A stop that is refused at once is not tried ever faster than its backoff says. */
static void test_refused_stops_grow_apart(void **state)
{
    struct drive d;
    int stops = 0;

    (void)state;
    drive_begin(&d);
    send_many(&d, 1);
    bring(&d, "t0/a", CTR_RUNNING);
    accept_report(&d, "t0");
    want_stopped(&d, "t0");
    for (int ms = 0; ms < 60000; ms += 100, pass(&d, 100)) {
        if (op_at(&d, "t0/a") == CORE_OP_STOP) {
            stops++;
            fails(&d, CORE_OP_STOP, "t0/a", ERR_IO, "permission denied");
        } else if (op_at(&d, "t0/a") == CORE_OP_INSPECT) {
            done(&d, CORE_OP_INSPECT, "t0/a");
        }
    }
    assert_in_range(stops, 5, 15);
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pulls_are_limited),
        cmocka_unit_test(test_starts_in_order_of_arrival),
        cmocka_unit_test(test_hanging_create_stops_counting),
        cmocka_unit_test(test_hanging_pull_stops_counting),
        cmocka_unit_test(test_stop_gives_the_place_back),
        cmocka_unit_test(test_stop_waits_for_the_create_under_way),
        cmocka_unit_test(test_stop_waits_for_the_start_under_way),
        cmocka_unit_test(test_failed_stop_is_retried),
        cmocka_unit_test(test_refused_stops_grow_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
