/* restart.c: what a restart policy does, and when it does not. */
#include "unit/core/drive.h"

#define POLICY(more) "'restartPolicy':{'enabled':true" more "}"

static void run(struct drive *d, const char *more)
{
    char text[1000];

    drive_begin(d);
    snprintf(text, sizeof text, TASK("t1", C("a", ",%s")), more);
    send_task(d, text);
    bring(d, "t1/a", CTR_RUNNING);
}

/* It ends; is it started again? */
static bool comes_back(struct drive *d, int exit_code)
{
    exits(d, "t1/a", exit_code);
    return ctr_at(d, "t1/a")->known == CTR_RUNNING;
}

static void test_starts_again(void **state)
{
    struct drive d;

    (void)state;
    run(&d, POLICY(""));
    answer_report(&d, "t1", CORE_REPORT_ACCEPTED);
    pass(&d, 120000);
    assert_true(comes_back(&d, 1));
    done(&d, CORE_OP_START, "t1/a"); /* at once: it ran for long */
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_int_equal(ctr_at(&d, "t1/a")->known, CTR_RUNNING);
    assert_int_equal(ctr_at(&d, "t1/a")->restarts, 1);
    pass(&d, 5000);
    assert_null(pending_report(&d, "t1")); /* the control plane is not told */
    drive_end(&d);
}

static void test_when_not(void **state)
{
    static const struct {
        const char *policy;
        int64_t ran_ms;
        int code;
        bool back;
    } rows[] = {
        { "'restartPolicy':{'enabled':false}", 600000, 1, false },
        { POLICY(",'ignoredExitCodes':[0,7]"), 600000, 7, false },
        { POLICY(",'ignoredExitCodes':[0,7]"), 600000, 8, true },
        { POLICY(",'restartAttemptPeriod':60"), 59000, 1, false },
        { POLICY(",'restartAttemptPeriod':60"), 61000, 1, true },
        { POLICY(""), 10, 0, true }, /* 0 is a code as any other */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct drive d;

        run(&d, rows[i].policy);
        pass(&d, rows[i].ran_ms);
        assert_int_equal(comes_back(&d, rows[i].code), rows[i].back);
        drive_end(&d);
    }
}

static void test_crash_loop_slows_down(void **state)
{
    struct drive d;
    int64_t last = 0, waited;

    (void)state;
    run(&d, POLICY(""));
    for (int i = 0; i < 9; i++) {
        assert_true(comes_back(&d, 1));
        waited = ctr_at(&d, "t1/a")->restart_at - d.now.mono_ms;
        assert_true(waited >= last || waited >= 60000);
        assert_true(waited <= 72000);
        last = waited;
        if (waited) {
            assert_null(pending_op(&d, "t1/a"));
            pass(&d, waited);
        }
        done(&d, CORE_OP_START, "t1/a");
        done(&d, CORE_OP_INSPECT, "t1/a");
    }
    assert_true(last >= 60000);
    drive_end(&d);
}

static void test_stop_while_it_waits(void **state)
{
    struct drive d;

    (void)state;
    run(&d, POLICY(""));
    answer_report(&d, "t1", CORE_REPORT_ACCEPTED);
    for (int i = 0; i < 2; i++) {
        assert_true(comes_back(&d, 3));
        if (i)
            break;
        done(&d, CORE_OP_START, "t1/a");
        done(&d, CORE_OP_INSPECT, "t1/a");
    }
    want_stopped(&d, "t1");
    done(&d, CORE_OP_STOP, "t1/a");
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_int_equal(ctr_at(&d, "t1/a")->known, CTR_STOPPED);
    assert_report_has(&d, "t1", "'exitCode':3");
    drive_end(&d);
}

static void crash_before_restart(struct drive *d, const char *more)
{
    run(d, more);
    pass(d, 61000);
    assert_true(comes_back(d, 1));
    drive_crash(d);
}

/* The agent dies while the container waits for its restart: the next one goes on. */
static void test_survives_the_agent(void **state)
{
    struct drive d;

    (void)state;
    crash_before_restart(&d, POLICY(",'restartAttemptPeriod':60"));
    done(&d, CORE_OP_INSPECT, "t1/a");
    wait_for_late_start(&d, "t1/a"); /* the dead one may have asked already */
    done(&d, CORE_OP_START, "t1/a");
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_int_equal(ctr_at(&d, "t1/a")->known, CTR_RUNNING);
    assert_int_equal(ctr_at(&d, "t1/a")->restarts, 1);
    drive_end(&d);
}

/* The dead one's start was carried out, and that run has ended as well: it is judged, too. */
static void test_ended_again_without_an_agent(void **state)
{
    struct drive d;

    (void)state;
    crash_before_restart(&d, POLICY(",'ignoredExitCodes':[7]"));
    pass(&d, 10);
    box_end(&d, box_of(&d, "t1/a"), 7);
    done(&d, CORE_OP_INSPECT, "t1/a");
    wait_for_late_start(&d, "t1/a");
    assert_int_equal(ctr_at(&d, "t1/a")->known, CTR_STOPPED);
    assert_int_equal(ctr_at(&d, "t1/a")->exit_code, 7);
    drive_end(&d);
}

/* It ends so soon that it is not seen to run. */
static void test_ends_at_once(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "," POLICY(""))));
    bring(&d, "t1/a", CTR_CREATED);
    done(&d, CORE_OP_START, "t1/a");
    box_end(&d, box_of(&d, "t1/a"), 9);
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_int_equal(ctr_at(&d, "t1/a")->known, CTR_RUNNING);
    done(&d, CORE_OP_START, "t1/a");
    box_of(&d, "t1/a")->ports[0] = (struct port_binding){ "0.0.0.0", 80, 40000, PORT_TCP };
    box_of(&d, "t1/a")->n_ports = 1;
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_int_equal(ctr_at(&d, "t1/a")->n_bindings, 1);
    drive_end(&d);
}

/* The code of an earlier run says nothing of one that vanished. */
static void test_no_code_of_an_earlier_run(void **state)
{
    struct drive d;

    (void)state;
    run(&d, POLICY(""));
    assert_true(comes_back(&d, 0));
    done(&d, CORE_OP_START, "t1/a");
    done(&d, CORE_OP_INSPECT, "t1/a");
    happens(&d, CORE_HAP_DESTROYED, "t1/a");
    box_drop(&d, box_of(&d, "t1/a"));
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_false(ctr_at(&d, "t1/a")->has_exit_code);
    drive_end(&d);
}

/* One that depends on its end waits for the last one. */
static void test_no_end_for_dependents(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(
        &d, TASK("t1", C("main", "") "," SIDE("a", "," POLICY(",'ignoredExitCodes':[0]")) "," SIDE(
                           "b", ",'dependsOn':[{'containerName':'a',"
                                "'condition':'COMPLETE'}]")));
    bring(&d, "t1/a", CTR_RUNNING);
    exits(&d, "t1/a", 1);
    done(&d, CORE_OP_START, "t1/a");
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_null(pending_op(&d, "t1/b"));
    exits(&d, "t1/a", 0);
    assert_non_null(pending_op(&d, "t1/b"));
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts_again),
        cmocka_unit_test(test_when_not),
        cmocka_unit_test(test_crash_loop_slows_down),
        cmocka_unit_test(test_stop_while_it_waits),
        cmocka_unit_test(test_survives_the_agent),
        cmocka_unit_test(test_ended_again_without_an_agent),
        cmocka_unit_test(test_no_end_for_dependents),
        cmocka_unit_test(test_ends_at_once),
        cmocka_unit_test(test_no_code_of_an_earlier_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
