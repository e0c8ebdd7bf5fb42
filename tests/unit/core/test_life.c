/* core.c, task.c, container.c, report.c: one task from its arrival to its end. */
#include "unit/core/drive.h"

#define WEB                                                                                     \
    TASK("t1", C("web", ",'cpu':100,'memory':64,'portMappings':[{'containerPort':80,'hostPort'" \
                        ":8080}]"))

static void test_whole_life(void **state)
{
    struct drive d;
    const struct core_action *a;

    (void)state;
    drive_begin(&d);
    send_task(&d, WEB);
    a = expect_op(&d, CORE_OP_PULL, "t1/web");
    assert_string_equal(a->ref, "img");
    assert_int_equal(a->timeout_ms, 7200000);
    assert_int_equal(a->idle_timeout_ms, 60000);
    assert_non_null(stored(&d, CORE_KIND_TASK, ARN("t1")));
    assert_non_null(strstr(stored(&d, CORE_KIND_STATE, ARN("t1")), "\"create_tried\":false"));

    pass(&d, 1500);
    done(&d, CORE_OP_PULL, "t1/web");
    done(&d, CORE_OP_INSPECT_IMAGE, "t1/web");
    a = expect_op(&d, CORE_OP_CREATE, "t1/web");
    assert_true(str_starts(a->ref, "ecs-f-1-web-"));
    assert_int_equal(a->timeout_ms, 240000);
    /* The name is stored before the create is carried out. */
    assert_non_null(strstr(stored(&d, CORE_KIND_STATE, ARN("t1")), a->ref));
    assert_non_null(strstr(stored(&d, CORE_KIND_STATE, ARN("t1")), "\"create_tried\":true"));
    pass(&d, 500);
    done(&d, CORE_OP_CREATE, "t1/web");
    a = expect_op(&d, CORE_OP_START, "t1/web");
    assert_string_equal(a->ref, "id-1");
    assert_int_equal(a->timeout_ms, 180000);
    box_of(&d, "t1/web")->n_ports = 3;
    box_of(&d, "t1/web")->ports[0] = (struct port_binding){ "0.0.0.0", 80, 8080, PORT_TCP };
    box_of(&d, "t1/web")->ports[1] = (struct port_binding){ "::", 80, 8080, PORT_TCP };
    box_of(&d, "t1/web")->ports[2] = (struct port_binding){ "0.0.0.0", 53, 0, PORT_UDP };
    done(&d, CORE_OP_START, "t1/web");
    done(&d, CORE_OP_INSPECT, "t1/web");
    assert_report(&d, "t1",
                  "{'containers':[{'containerName':'web','imageDigest':'sha256:d1',"
                  "'networkBindings':[{'bindIP':'0.0.0.0','containerPort':80,'hostPort':8080,"
                  "'protocol':'tcp'}],'runtimeId':'id-1','status':'RUNNING'}],"
                  "'pullStartedAt':1700000000,'pullStoppedAt':1700000001.5,"
                  "'reason':'','status':'RUNNING','task':'" ARN("t1") "'}");
    assert_null(pending_op(&d, "t1/web"));
    accept_report(&d, "t1");
    assert_why(&d, "t1", "[]");

    pass(&d, 8000);
    want_stopped(&d, "t1");
    a = expect_op(&d, CORE_OP_STOP, "t1/web");
    assert_int_equal(a->stop_timeout_s, 30);
    assert_int_equal(a->timeout_ms, 150000);
    assert_null(pending_report(&d, "t1"));
    pass(&d, 250);
    done(&d, CORE_OP_STOP, "t1/web");
    done(&d, CORE_OP_INSPECT, "t1/web");
    assert_report(
        &d, "t1",
        "{'containers':[{'containerName':'web','exitCode':143,'imageDigest':'sha256:d1',"
        "'networkBindings':[{'bindIP':'0.0.0.0','containerPort':80,'hostPort':8080,"
        "'protocol':'tcp'}],'runtimeId':'id-1','status':'STOPPED'}],"
        "'executionStoppedAt':1700000010.25,'pullStartedAt':1700000000,"
        "'pullStoppedAt':1700000001.5,'reason':'','status':'STOPPED','task':'" ARN("t1") "'}");
    accept_report(&d, "t1");
    assert_why(&d, "t1", "[{'waits_for':'its containers to be removed in 3600 s','for_ms':0}]");

    pass(&d, 3599999);
    assert_null(pending_op(&d, "t1/web"));
    pass(&d, 1);
    a = expect_op(&d, CORE_OP_DRAIN_LOGS, "t1/web");
    assert_int_equal(a->timeout_ms, 5000);
    done(&d, CORE_OP_DRAIN_LOGS, "t1/web");
    done(&d, CORE_OP_REMOVE, "t1/web");
    assert_int_equal(core_task_count(d.core), 0);
    assert_int_equal(task_rows(&d), 0);
    assert_int_equal(d.n_boxes, 0);
    assert_int_equal(count_actions(&d, CORE_ACT_DELETE), 2);
    drive_end(&d);
}

static void test_container_settings(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", ",'stopTimeout':7") "," C("b", ",'stopTimeout':0")));
    bring(&d, "t1/a", CTR_RUNNING);
    bring(&d, "t1/b", CTR_RUNNING);
    want_stopped(&d, "t1");
    assert_int_equal(expect_op(&d, CORE_OP_STOP, "t1/a")->stop_timeout_s, 7);
    assert_int_equal(expect_op(&d, CORE_OP_STOP, "t1/b")->stop_timeout_s, 30);
    drive_end(&d);
}

static void test_running_not_said_of_a_task_on_its_way_down(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "") "," SIDE("b", "")));
    bring(&d, "t1/a", CTR_RUNNING);
    bring(&d, "t1/b", CTR_CREATED);
    expect_op(&d, CORE_OP_START, "t1/b");
    exits(&d, "t1/a", 0);
    assert_int_equal(find_task(d.core, ARN("t1"))->desired, TASK_STOPPED);
    done(&d, CORE_OP_START, "t1/b");
    done(&d, CORE_OP_INSPECT, "t1/b"); /* now each of them has been running */
    assert_null(pending_report(&d, "t1"));
    done(&d, CORE_OP_STOP, "t1/b");
    done(&d, CORE_OP_INSPECT, "t1/b");
    assert_report_has(&d, "t1", "'status':'STOPPED','task'");
    assert_report_has(&d, "t1", "'containerName':'a','exitCode':0");
    assert_report_has(&d, "t1", "'containerName':'b','exitCode':143");
    drive_end(&d);
}

static void test_wish_only_moves_forward(void **state)
{
    static const struct {
        const char *first, *then;
        enum task_status want;
    } rows[] = {
        { "RUNNING", "STOPPED", TASK_STOPPED }, { "STOPPED", "RUNNING", TASK_STOPPED },
        { "RUNNING", "NONE", TASK_RUNNING },    { "CREATED", "RUNNING", TASK_RUNNING },
        { "NONE", "RUNNING", TASK_RUNNING },    { "RUNNING", "RUNNING", TASK_RUNNING },
        { "RUNNING", "DEAD", TASK_STOPPED },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *const wishes[] = { rows[i].first, rows[i].then };
        struct drive d;
        char text[400];

        drive_begin(&d);
        for (size_t j = 0; j < 2; j++) {
            snprintf(text, sizeof text, "{'arn':'%s','desiredStatus':'%s','containers':[%s]}",
                     ARN("t1"), wishes[j], C("web", ""));
            send_task(&d, text);
            assert_string_equal(acted(&d, CORE_ACT_ACK)->key, "m");
        }
        assert_int_equal(find_task(d.core, ARN("t1"))->desired, rows[i].want);
        drive_end(&d);
    }
}

static void test_created_wish_stops_at_created(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d,
              "{'arn':'" ARN("t1") "','desiredStatus':'CREATED','containers':[" C("a", "") "]}");
    bring(&d, "t1/a", CTR_CREATED);
    assert_null(pending_op(&d, "t1/a"));
    assert_null(pending_report(&d, "t1")); /* only RUNNING and STOPPED are told */
    send_task(&d, TASK("t1", C("a", "")));
    bring(&d, "t1/a", CTR_RUNNING);
    assert_report_has(&d, "t1", "'status':'RUNNING','task'");
    drive_end(&d);
}

static void test_unknown_task_to_stop(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d,
              "{'arn':'" ARN("t1") "','desiredStatus':'STOPPED','containers':[" C("a", "") "]}");
    assert_null(pending_op(&d, "t1/a"));
    assert_report(
        &d, "t1",
        "{'containers':[{'containerName':'a','status':'STOPPED'}],"
        "'executionStoppedAt':1700000000,'reason':'','status':'STOPPED','task':'" ARN("t1") "'}");
    accept_report(&d, "t1");
    pass(&d, 3600000);
    assert_int_equal(core_task_count(d.core), 0);
    assert_int_equal(task_rows(&d), 0);
    drive_end(&d);
}

static void test_no_containers(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    want_stopped(&d, "t1"); /* only such a task may have none */
    assert_report(&d, "t1", "{'reason':'','status':'STOPPED','task':'" ARN("t1") "'}");
    accept_report(&d, "t1");
    drive_end(&d);
}

static void test_container_change_waits_for_company(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "") "," C("b", "")));
    bring(&d, "t1/a", CTR_RUNNING);
    pass(&d, 999);
    assert_null(pending_report(&d, "t1"));
    pass(&d, 1);
    assert_report(&d, "t1",
                  "{'containers':[{'containerName':'a','imageDigest':'sha256:d1','runtimeId':'id-1'"
                  ",'status':'RUNNING'}],'pullStartedAt':1700000000,'pullStoppedAt':1700000000,"
                  "'reason':'','status':'PENDING','task':'" ARN("t1") "'}");
    /* One report of a task is under way at a time; the next tells what is new then. */
    bring(&d, "t1/b", CTR_RUNNING);
    assert_report_has(&d, "t1", "'status':'PENDING','task'");
    accept_report(&d, "t1");
    assert_report_has(&d, "t1",
                      "'containers':[{'containerName':'b','imageDigest':'sha256:d1',"
                      "'runtimeId':'id-2','status':'RUNNING'}]");
    assert_report_has(&d, "t1", "'status':'RUNNING','task'");
    accept_report(&d, "t1");
    assert_null(pending_report(&d, "t1"));
    drive_end(&d);
}

static void test_company_comes_in_time(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "") "," C("b", "")));
    bring(&d, "t1/a", CTR_RUNNING);
    pass(&d, 900);
    bring(&d, "t1/b", CTR_RUNNING);
    assert_report_has(&d, "t1", "'containerName':'a'");
    assert_report_has(&d, "t1", "'containerName':'b'");
    accept_report(&d, "t1");
    pass(&d, 5000);
    assert_null(pending_report(&d, "t1"));
    drive_end(&d);
}

static void test_side_container_that_ends(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "") "," SIDE("b", "")));
    bring(&d, "t1/a", CTR_RUNNING);
    bring(&d, "t1/b", CTR_RUNNING);
    accept_report(&d, "t1");
    exits(&d, "t1/b", 3);
    assert_null(pending_op(&d, "t1/a"));
    pass(&d, 1000);
    assert_report_has(&d, "t1", "'containers':[{'containerName':'b','exitCode':3,");
    assert_report_has(&d, "t1", "'reason':'','status':'RUNNING','task'");
    drive_end(&d);
}

/* "docker restart": the engine lets nobody look before it runs again. */
static void test_restarted_by_somebody(void **state)
{
    struct drive d;

    (void)state;
    for (int policy = 0; policy < 2; policy++) {
        drive_begin(&d);
        send_task(&d, policy ? TASK("t1", C("a", ",'restartPolicy':{'enabled':true}"))
                             : TASK("t1", C("a", "")));
        bring(&d, "t1/a", CTR_RUNNING);
        accept_report(&d, "t1");
        pass(&d, 5000);
        box_end(&d, box_of(&d, "t1/a"), 3);
        happens(&d, CORE_HAP_DIED, "t1/a");
        box_of(&d, "t1/a")->status = CTR_RUNNING;
        box_of(&d, "t1/a")->has_exit = false;
        box_of(&d, "t1/a")->started = d.now.wall_ms;
        done(&d, CORE_OP_INSPECT, "t1/a");
        if (policy) {
            assert_null(pending_op(&d, "t1/a")); /* it is to run, whoever starts it */
        } else {
            done(&d, CORE_OP_STOP, "t1/a");
            done(&d, CORE_OP_INSPECT, "t1/a");
            assert_report_has(&d, "t1", "'status':'STOPPED'");
        }
        drive_end(&d);
    }
}

static void test_refused_report_is_dropped(void **state)
{
    struct drive d;

    (void)state;
    drive_running(&d);
    answer_report(&d, "t1", CORE_REPORT_REFUSED);
    assert_true(noted(&d, "the control plane refuses a report of it, dropped: the link is down"));
    pass(&d, 600000);
    assert_null(pending_report(&d, "t1"));
    exits(&d, "t1/a", 0); /* what comes later is said */
    assert_report_has(&d, "t1", "'status':'STOPPED','task'");
    drive_end(&d);
}

static void test_failed_report_is_retried(void **state)
{
    int64_t delay = 1000;
    struct drive d;

    (void)state;
    drive_running(&d);
    for (int i = 0; i < 20; i++) {
        answer_report(&d, "t1", CORE_REPORT_FAILED);
        pass(&d, delay - 1);
        assert_null(pending_report(&d, "t1"));
        pass(&d, delay / 5 + 1); /* the jitter */
        assert_non_null(pending_report(&d, "t1"));
        delay = delay * 130 / 100 > 30000 ? 30000 : delay * 130 / 100;
    }
    assert_int_equal(delay, 30000);
    answer_report(&d, "t1", CORE_REPORT_FAILED);
    pass(&d, 100);
    drive_simple(&d, CORE_EV_CONTROL_UP);
    assert_report_has(&d, "t1", "'status':'RUNNING','task'");
    answer_report(&d, "t1", CORE_REPORT_FAILED); /* from the first delay again */
    pass(&d, 999);
    assert_null(pending_report(&d, "t1"));
    pass(&d, 201);
    accept_report(&d, "t1");
    pass(&d, 60000);
    assert_null(pending_report(&d, "t1"));
    drive_end(&d);
}

static void test_failed_report_tells_the_newest_state(void **state)
{
    struct drive d;

    (void)state;
    drive_running(&d);
    answer_report(&d, "t1", CORE_REPORT_FAILED);
    exits(&d, "t1/a", 9);
    pass(&d, 1200);
    assert_report_has(&d, "t1", "'containers':[{'containerName':'a','exitCode':9");
    assert_report_has(&d, "t1", "'status':'STOPPED','task'");
    accept_report(&d, "t1");
    pass(&d, 60000);
    assert_null(pending_report(&d, "t1"));
    drive_end(&d);
}

static size_t reports_under_way(const struct drive *d)
{
    size_t n = 0;

    for (size_t i = 0; i < d->log.n; i++)
        n += d->log.items[i].type == CORE_ACT_REPORT && !d->over[i];
    return n;
}

static void test_reports_in_flight_are_limited(void **state)
{
    struct drive d;
    char id[8], text[400];

    (void)state;
    drive_begin(&d);
    for (int i = 0; i < CORE_MAX_REPORTS + 3; i++) {
        snprintf(id, sizeof id, "t%d", i);
        snprintf(text, sizeof text, "{'arn':'%s','desiredStatus':'STOPPED','containers':[]}",
                 arn_of(id));
        send_task(&d, text);
    }
    assert_int_equal(reports_under_way(&d), CORE_MAX_REPORTS);
    assert_null(pending_report(&d, "t10"));
    answer_report(&d, "t3", CORE_REPORT_FAILED);
    assert_non_null(pending_report(&d, "t10")); /* the oldest of those that wait */
    assert_null(pending_report(&d, "t11"));
    accept_report(&d, "t0");
    assert_non_null(pending_report(&d, "t11"));
    assert_int_equal(reports_under_way(&d), CORE_MAX_REPORTS);
    pass(&d, 1200); /* t3 may be tried again, and comes before t12 */
    accept_report(&d, "t1");
    assert_non_null(pending_report(&d, "t3"));
    assert_null(pending_report(&d, "t12"));
    drive_end(&d);
}

/* Should the store be lost, they tell how the task ended; after three days nobody asks. */
static void test_containers_stay_until_the_end_is_accepted(void **state)
{
    struct drive d;

    (void)state;
    drive_running(&d);
    accept_report(&d, "t1");
    exits(&d, "t1/a", 0);
    pass(&d, 3600000);
    assert_int_equal(op_at(&d, "t1/a"), CORE_OP_NONE);
    pass(&d, (int64_t)72 * 3600000);
    done(&d, CORE_OP_DRAIN_LOGS, "t1/a");
    done(&d, CORE_OP_REMOVE, "t1/a");
    assert_int_equal(core_task_count(d.core), 1);
    assert_non_null(stored(&d, CORE_KIND_STATE, ARN("t1")));
    accept_report(&d, "t1");
    /* A payload that was on its way meanwhile does not begin it anew. */
    send_task(&d, TASK("t1", C("a", "")));
    assert_int_equal(op_at(&d, "t1/a"), CORE_OP_NONE);
    pass(&d, 5000);
    assert_int_equal(core_task_count(d.core), 0);
    assert_int_equal(task_rows(&d), 0);
    drive_end(&d);
}

static void test_failed_removal_is_retried(void **state)
{
    struct drive d;

    (void)state;
    drive_running(&d);
    exits(&d, "t1/a", 0);
    accept_report(&d, "t1");
    accept_report(&d, "t1");
    pass(&d, 3600000);
    done(&d, CORE_OP_DRAIN_LOGS, "t1/a");
    fails(&d, CORE_OP_REMOVE, "t1/a", ERR_IO, "device busy");
    assert_true(noted(&d, "removal failed, trying again: device busy"));
    assert_null(pending_op(&d, "t1/a"));
    pass(&d, 240);
    fails(&d, CORE_OP_REMOVE, "t1/a", ERR_NOT_FOUND, "gone"); /* as good as removed */
    assert_int_equal(core_task_count(d.core), 0);
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_life),
        cmocka_unit_test(test_container_settings),
        cmocka_unit_test(test_running_not_said_of_a_task_on_its_way_down),
        cmocka_unit_test(test_wish_only_moves_forward),
        cmocka_unit_test(test_created_wish_stops_at_created),
        cmocka_unit_test(test_unknown_task_to_stop),
        cmocka_unit_test(test_no_containers),
        cmocka_unit_test(test_container_change_waits_for_company),
        cmocka_unit_test(test_company_comes_in_time),
        cmocka_unit_test(test_side_container_that_ends),
        cmocka_unit_test(test_restarted_by_somebody),
        cmocka_unit_test(test_refused_report_is_dropped),
        cmocka_unit_test(test_failed_report_is_retried),
        cmocka_unit_test(test_failed_report_tells_the_newest_state),
        cmocka_unit_test(test_reports_in_flight_are_limited),
        cmocka_unit_test(test_containers_stay_until_the_end_is_accepted),
        cmocka_unit_test(test_failed_removal_is_retried),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
