/* Numbers of the whole, and above all: how long a state is known before it is accepted. */
#include "unit/core/drive.h"

static struct core_totals totals(const struct drive *d)
{
    struct core_totals t;

    core_get_totals(d->core, d->now, &t);
    return t;
}

static uint64_t reports(const struct core_totals *t)
{
    return histogram_upto(t->report_lag, t->report_lag->rule->n);
}

static void test_by_status(void **state)
{
    struct drive d;
    struct core_totals t;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", ",'cpu':256,'memory':128") "," SIDE("b", "")));
    bring(&d, "t1/a", CTR_RUNNING);
    bring(&d, "t1/b", CTR_CREATED);
    t = totals(&d);
    assert_int_equal(t.containers[CTR_RUNNING], 1);
    assert_int_equal(t.containers[CTR_CREATED], 1);
    assert_int_equal(t.tasks[TASK_CREATED], 1);
    assert_int_equal(t.cpu_used, 256);
    assert_int_equal(t.memory_mib_used, 128);
    assert_true(t.cpu_total >= t.cpu_used);
    assert_int_equal(t.images, 1);
    drive_end(&d);
}

static void test_lag(void **state)
{
    struct drive d;
    struct core_totals t;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    t = totals(&d);
    assert_int_equal(t.reports_unsent, 0);
    bring(&d, "t1/a", CTR_RUNNING);
    pass(&d, 300);
    t = totals(&d);
    assert_int_equal(t.reports_unsent, 1);
    assert_int_equal(t.oldest_unsent_ms, 300);
    assert_int_equal(reports(&t), 0);

    /* A try that fails does not begin the time anew; news on the way have a time of their own. */
    answer_report(&d, "t1", CORE_REPORT_FAILED);
    pass(&d, 5000);
    assert_non_null(pending_report(&d, "t1"));
    exits(&d, "t1/a", 0);
    pass(&d, 200);
    t = totals(&d);
    assert_int_equal(t.oldest_unsent_ms, 5500);
    accept_report(&d, "t1");
    t = totals(&d);
    assert_int_equal(reports(&t), 1);
    assert_int_equal(t.report_lag->sum, 5500);
    assert_int_equal(t.reports_unsent, 1);
    assert_int_equal(t.oldest_unsent_ms, 200);
    accept_report(&d, "t1");
    t = totals(&d);
    assert_int_equal(reports(&t), 2);
    assert_int_equal(t.report_lag->sum, 5700);
    assert_int_equal(t.reports_unsent, 0);
    assert_int_equal(t.oldest_unsent_ms, 0);
    assert_int_equal(t.tasks[TASK_STOPPED], 1);
    drive_end(&d);
}

/* What is refused is never accepted: it waits no more, and says nothing of the lag. */
static void test_refused(void **state)
{
    struct drive d;
    struct core_totals t;

    (void)state;
    drive_running(&d);
    answer_report(&d, "t1", CORE_REPORT_REFUSED);
    t = totals(&d);
    assert_int_equal(reports(&t), 0);
    assert_int_equal(t.reports_unsent, 0);
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_status),
        cmocka_unit_test(test_lag),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
