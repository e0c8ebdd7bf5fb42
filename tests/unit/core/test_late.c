/* late.c: a start that nobody waits for any more, and that the engine may still carry out. */
#include "drive.h"

/* The agent dies after it has asked for the start; the next one finds a container that was only
 * created, after an engine has let it wait for so long. */
static void crash_while_starting(struct drive *d, int64_t engine_took_ms)
{
    drive_begin(d);
    send_task(d, TASK("t1", C("a", "")));
    bring(d, "t1/a", CTR_CREATED);
    expect_op(d, CORE_OP_START, "t1/a");
    d->engine_took_ms = engine_took_ms;
    drive_crash(d);
    done(d, CORE_OP_INSPECT, "t1/a");
    assert_null(pending_op(d, "t1/a"));
}

/* As the engine of the dead agent does. */
static void starts_late(struct drive *d, const char *place)
{
    box_of(d, place)->status = CTR_RUNNING;
    box_of(d, place)->started = d->now.wall_ms;
}

/* The longer the engine did not answer, the longer what was asked before may take. */
static void test_wait_is_as_the_engine_is(void **state)
{
    static const struct {
        int64_t took_ms, wait_ms;
    } rows[] = { { 0, 1000 },   { 3, 1000 },         { 100, 1000 },   { 101, 1010 },
                 { 999, 9990 }, { 1000, 10000 },     { 1001, 10000 }, { 30000, 10000 },
                 { -1, 1000 },  { INT64_MAX, 10000 } };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct drive d;

        crash_while_starting(&d, rows[i].took_ms);
        pass(&d, rows[i].wait_ms - 1);
        assert_null(pending_op(&d, "t1/a"));
        pass(&d, 1);
        done(&d, CORE_OP_INSPECT, "t1/a"); /* its event may be lost, so it is looked at */
        done(&d, CORE_OP_START, "t1/a");
        done(&d, CORE_OP_INSPECT, "t1/a");
        assert_int_equal(ctr_at(&d, "t1/a")->known, CTR_RUNNING);
        drive_end(&d);
    }
}

static void test_it_comes(void **state)
{
    struct drive d;

    (void)state;
    for (int told = 0; told < 2; told++) {
        crash_while_starting(&d, 2000);
        assert_why(&d, "t1",
                   "[{'container':'a','waits_for':'a start that Docker may have been asked for "
                   "before, for 10000 ms','for_ms':0}]");
        pass(&d, 4000);
        starts_late(&d, "t1/a");
        box_end(&d, box_of(&d, "t1/a"), 7);
        if (told)
            happens(&d, CORE_HAP_DIED, "t1/a");
        else
            pass(&d, 6000);
        done(&d, CORE_OP_INSPECT, "t1/a");
        assert_report_has(&d, "t1", "'exitCode':7");
        assert_null(pending_op(&d, "t1/a")); /* it is not started again */
        drive_end(&d);
    }
}

/* What may still run is not called stopped. */
static void test_stopped_meanwhile(void **state)
{
    struct drive d;

    (void)state;
    for (int comes = 0; comes < 2; comes++) {
        crash_while_starting(&d, 500);
        want_stopped(&d, "t1");
        assert_null(pending_report(&d, "t1"));
        pass(&d, 4999);
        assert_null(pending_report(&d, "t1"));
        if (comes)
            starts_late(&d, "t1/a");
        pass(&d, 1);
        done(&d, CORE_OP_INSPECT, "t1/a");
        if (comes) {
            assert_null(pending_report(&d, "t1"));
            done(&d, CORE_OP_STOP, "t1/a");
            done(&d, CORE_OP_INSPECT, "t1/a");
            assert_report_has(&d, "t1", "'exitCode':143");
        }
        assert_report_has(&d, "t1", "'status':'STOPPED'");
        drive_end(&d);
    }
}

/* Other looks on the way do not make it longer, nor shorter. */
static void test_looks_in_between(void **state)
{
    struct drive d;

    (void)state;
    crash_while_starting(&d, 0);
    pass(&d, 600);
    happens(&d, CORE_HAP_CREATED, "t1/a"); /* doubled */
    done(&d, CORE_OP_INSPECT, "t1/a");
    pass(&d, 399);
    assert_null(pending_op(&d, "t1/a"));
    pass(&d, 1);
    done(&d, CORE_OP_INSPECT, "t1/a");
    expect_op(&d, CORE_OP_START, "t1/a");
    drive_end(&d);
}

/* The engine hung when the wait was over: what was asked before is read when it goes on, as that
 * look is. The next look is compared with the longer wait, so this ends. */
static void test_hangs_meanwhile(void **state)
{
    struct drive d;

    (void)state;
    crash_while_starting(&d, 0);
    pass(&d, 1000);
    pass(&d, 700);
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_null(pending_op(&d, "t1/a"));
    pass(&d, 6999);
    assert_null(pending_op(&d, "t1/a"));
    pass(&d, 1);
    pass(&d, 700);
    done(&d, CORE_OP_INSPECT, "t1/a");
    expect_op(&d, CORE_OP_START, "t1/a");
    drive_end(&d);
}

/* Its own start has had no answer in time: it has failed, and is looked after until it is clear
 * that it does not run. */
static void test_timed_out(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    bring(&d, "t1/a", CTR_CREATED);
    fails(&d, CORE_OP_START, "t1/a", ERR_TIMEOUT, "");
    pass(&d, 60000);
    done(&d, CORE_OP_INSPECT, "t1/a"); /* the engine has taken its time */
    pass(&d, 9999);
    assert_null(pending_report(&d, "t1"));
    pass(&d, 1);
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_report_has(&d, "t1", "DockerTimeoutError: Could not transition to started");
    drive_end(&d);
}

/* Its connection broke, be it that the engine ended or a proxy in front of it. */
static void test_connection_broke(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    bring(&d, "t1/a", CTR_CREATED);
    fails(&d, CORE_OP_START, "t1/a", ERR_RETRY, "connection reset");
    pass(&d, 300);
    done(&d, CORE_OP_INSPECT, "t1/a");
    pass(&d, 999);
    assert_null(pending_op(&d, "t1/a"));
    pass(&d, 1);
    done(&d, CORE_OP_INSPECT, "t1/a");
    done(&d, CORE_OP_START, "t1/a");
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_int_equal(ctr_at(&d, "t1/a")->known, CTR_RUNNING);
    drive_end(&d);
}

/* A container with a restart policy, whose next run was asked for when the agent died. */
static void test_restart_comes_late(void **state)
{
    (void)state;
    for (int comes = 0; comes < 2; comes++) {
        struct drive d;

        drive_begin(&d);
        send_task(&d, TASK("t1", C("a", ",'restartPolicy':{'enabled':true,"
                                        "'restartAttemptPeriod':0}")));
        bring(&d, "t1/a", CTR_RUNNING);
        accept_report(&d, "t1");
        exits(&d, "t1/a", 3);
        expect_op(&d, CORE_OP_START, "t1/a");
        drive_crash(&d);
        want_stopped(&d, "t1");
        done(&d, CORE_OP_INSPECT, "t1/a");
        assert_null(pending_report(&d, "t1")); /* it is not said to have ended */
        if (comes) {
            starts_late(&d, "t1/a");
            happens(&d, CORE_HAP_STARTED, "t1/a");
            done(&d, CORE_OP_INSPECT, "t1/a");
            done(&d, CORE_OP_STOP, "t1/a");
            done(&d, CORE_OP_INSPECT, "t1/a");
        } else {
            wait_for_late_start(&d, "t1/a");
        }
        assert_report_has(&d, "t1", comes ? "'exitCode':143" : "'exitCode':3");
        drive_end(&d);
    }
}

/* It lost its port, so it is made anew: its start was answered, and nothing is waited for. */
static void test_made_anew(void **state)
{
    (void)state;
    for (int stopped = 0; stopped < 2; stopped++) {
        struct drive d;

        drive_begin(&d);
        send_task(&d, TASK("t1", C("a", ",'portMappings':[{'containerPort':80}]")));
        bring(&d, "t1/a", CTR_CREATED);
        fails(&d, CORE_OP_START, "t1/a", ERR_IO, "port is already allocated");
        drive_crash(&d);
        if (stopped)
            want_stopped(&d, "t1");
        done(&d, CORE_OP_INSPECT, "t1/a");
        if (stopped)
            assert_report_has(&d, "t1", "'status':'STOPPED'");
        else
            bring(&d, "t1/a", CTR_RUNNING);
        assert_int_equal(ctr_at(&d, "t1/a")->late_until, 0);
        drive_end(&d);
    }
}

/* A container that was made or not is as one that was never asked for. */
static void test_not_made(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    bring(&d, "t1/a", CTR_PULLED);
    expect_op(&d, CORE_OP_CREATE, "t1/a");
    drive_crash(&d);
    done(&d, CORE_OP_INSPECT, "t1/a");
    bring(&d, "t1/a", CTR_RUNNING);
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wait_is_as_the_engine_is),
        cmocka_unit_test(test_it_comes),
        cmocka_unit_test(test_stopped_meanwhile),
        cmocka_unit_test(test_looks_in_between),
        cmocka_unit_test(test_hangs_meanwhile),
        cmocka_unit_test(test_timed_out),
        cmocka_unit_test(test_connection_broke),
        cmocka_unit_test(test_restart_comes_late),
        cmocka_unit_test(test_made_anew),
        cmocka_unit_test(test_not_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
