/* close.c: the host goes down. */
#include "unit/core/drive.h"

#define T1 TASK("t1", C("a", "") "," SIDE("b", AFTER("a", "START")))
#define T2 TASK("t2", C("a", ""))

static void test_all_stop_in_their_order(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, T1);
    bring(&d, "t1/a", CTR_RUNNING);
    bring(&d, "t1/b", CTR_RUNNING);
    drive_simple(&d, CORE_EV_CLOSE);
    expect_op(&d, CORE_OP_STOP, "t1/b"); /* it depends on the other one */
    expect_op(&d, CORE_OP_NONE, "t1/a");
    bring(&d, "t1/b", CTR_STOPPED);
    expect_op(&d, CORE_OP_STOP, "t1/a");
    bring(&d, "t1/a", CTR_STOPPED);
    accept_report(&d, "t1"); /* that it ran */
    assert_non_null(strstr(report_of(&d, "t1"), "Host shutdown"));
    drive_end(&d);
}

static void test_nothing_begins(void **state)
{
    struct core_totals totals;
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, T1);
    drive_simple(&d, CORE_EV_CLOSE);
    send_task(&d, T2);
    assert_null(acted(&d, CORE_ACT_ACK)); /* so that it comes again, after the next start */
    assert_null(core_task(d.core, ARN("t2")));
    assert_null(pending_report(&d, "t2"));
    core_get_totals(d.core, d.now, &totals);
    assert_true(totals.closed);
    drive_end(&d);
}

/* Asked again by a person or the control plane, and after a crash: it stays so, or goes on. */
static void test_again(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, T2);
    bring(&d, "t2/a", CTR_RUNNING);
    drive_simple(&d, CORE_EV_CLOSE);
    want_stopped(&d, "t2");
    drive_simple(&d, CORE_EV_CLOSE);
    expect_op(&d, CORE_OP_STOP, "t2/a");
    drive_crash(&d);
    assert_int_equal(find_task(d.core, ARN("t2"))->desired, TASK_STOPPED);
    send_task(&d, T1); /* another agent takes tasks again */
    assert_non_null(core_task(d.core, ARN("t1")));
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_stop_in_their_order),
        cmocka_unit_test(test_nothing_begins),
        cmocka_unit_test(test_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
