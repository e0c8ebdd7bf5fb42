/* outcome.c, deps.c, report.c: the exact words a user reads when something fails. */
#include "unit/core/drive.h"

/* The reason of the container in the report under way. */
static void assert_reason(const struct drive *d, const char *id, const char *want)
{
    char text[1300];

    if (want)
        snprintf(text, sizeof text, "'reason':'%s',", want);
    else
        snprintf(text, sizeof text, "'containerName':'a','status':'STOPPED'");
    assert_report_has(d, id, text);
}

static void test_failing_operations(void **state)
{
    static const struct {
        enum ctr_status upto; /* the operation after this status fails */
        enum err_code code;
        int64_t after_ms;
        const char *text, *want;
    } rows[] = {
        { CTR_PULLED, ERR_INVALID, 0, "Error response from daemon: no such device",
          "CannotCreateContainerError: Error response from daemon: no such device" },
        { CTR_PULLED, ERR_NOT_FOUND, 0, "Error response from daemon: No such image: img",
          "CannotCreateContainerError: Error response from daemon: No such image: img" },
        { CTR_PULLED, ERR_IO, 0, "Error response from daemon: disk full",
          "CannotCreateContainerError: Error response from daemon: disk full" },
        { CTR_PULLED, ERR_DENIED, 0, "authorization denied by plugin",
          "CannotCreateContainerError: authorization denied by plugin" },
        { CTR_PULLED, ERR_LIMIT, 0, "too many", "CannotCreateContainerError: too many" },
        { CTR_PULLED, ERR_INVALID, 0, "HostConfigError: Invalid volume referenced: data",
          "HostConfigError: Invalid volume referenced: data" },
        { CTR_PULLED, ERR_INVALID, 0,
          "DockerClientConfigError: docker health check is nil while container health check type "
          "is DOCKER",
          "DockerClientConfigError: docker health check is nil while container health check type "
          "is DOCKER" },
        { CTR_PULLED, ERR_INVALID, 0, "Some Error: not a name",
          "CannotCreateContainerError: Some Error: not a name" },
        { CTR_PULLED, ERR_INVALID, 0, "Error: too short a name",
          "CannotCreateContainerError: Error: too short a name" },
        { CTR_PULLED, ERR_TIMEOUT, 240000, "whatever",
          "DockerTimeoutError: Could not transition to created; timed out after waiting 4m0s" },
        { CTR_CREATED, ERR_IO, 0, "Error response from daemon: port is already allocated",
          "CannotStartContainerError: Error response from daemon: port is already allocated" },
        { CTR_CREATED, ERR_NOT_FOUND, 0, "Error response from daemon: No such container: id-1",
          "CannotStartContainerError: Error response from daemon: No such container: id-1" },
        { CTR_CREATED, ERR_TIMEOUT, 180000, "whatever",
          "DockerTimeoutError: Could not transition to started; timed out after waiting 3m0s" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        enum core_op op = rows[i].upto == CTR_PULLED ? CORE_OP_CREATE : CORE_OP_START;
        struct drive d;

        drive_begin(&d);
        send_task(&d, TASK("t1", C("a", "")));
        bring(&d, "t1/a", rows[i].upto);
        pass(&d, rows[i].after_ms);
        fails(&d, op, "t1/a", rows[i].code, rows[i].text);
        if (op_at(&d, "t1/a") == CORE_OP_INSPECT) /* it may exist all the same */
            done(&d, CORE_OP_INSPECT, "t1/a");
        if (op == CORE_OP_START && rows[i].code == ERR_TIMEOUT)
            wait_for_late_start(&d, "t1/a");
        assert_reason(&d, "t1", rows[i].want);
        assert_report_has(&d, "t1", "'reason':'','status':'STOPPED','task'");
        assert_null(strstr(report_of(&d, "t1"), "exitCode"));
        drive_end(&d);
    }
}

/* A family may have what Docker takes in no name: it fails at once, and nothing is to be removed.
 */
static void test_a_name_that_cannot_be(void **state)
{
    static const char text[] = "invalid container name: ecs-a b-1-a-00";

    (void)state;
    for (int crash = 0; crash < 2; crash++) {
        struct core_seen_task seen;
        struct drive d;

        drive_begin(&d);
        send_task(&d, TASK("t1", C("a", "")));
        bring(&d, "t1/a", CTR_PULLED);
        if (crash) { /* was it made? */
            drive_crash(&d);
            fails(&d, CORE_OP_INSPECT, "t1/a", ERR_INVALID, text);
            while (op_at(&d, "t1/a") != CORE_OP_CREATE)
                done(&d, op_at(&d, "t1/a"), "t1/a");
        }
        fails(&d, CORE_OP_CREATE, "t1/a", ERR_INVALID, text);
        assert_reason(&d, "t1",
                      "CannotCreateContainerError: invalid container name: ecs-a b-1-a-00");
        accept_report(&d, "t1");
        assert_null(pending_op(&d, "t1/a"));
        pass(&d, 3600000);
        fails(&d, CORE_OP_REMOVE, "t1/a", ERR_INVALID, text);
        pass(&d, 1000);
        assert_false(core_see_task(d.core, ARN("t1"), &seen));
        drive_end(&d);
    }
}

/* A create whose answer never came may have been carried out, and is removed. */
static void test_created_after_all(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    bring(&d, "t1/a", CTR_PULLED);
    box_make(&d, expect_op(&d, CORE_OP_CREATE, "t1/a")->ref);
    fails(&d, CORE_OP_CREATE, "t1/a", ERR_TIMEOUT, "");
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_report_has(&d, "t1", "'runtimeId':'id-1'");
    accept_report(&d, "t1");
    pass(&d, 3600000);
    done(&d, CORE_OP_DRAIN_LOGS, "t1/a");
    done(&d, CORE_OP_REMOVE, "t1/a");
    assert_int_equal(d.n_boxes, 0);
    drive_end(&d);
}

static void test_started_after_all(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    bring(&d, "t1/a", CTR_CREATED);
    box_of(&d, "t1/a")->status = CTR_RUNNING;
    box_of(&d, "t1/a")->started = d.now.wall_ms;
    fails(&d, CORE_OP_START, "t1/a", ERR_TIMEOUT, "");
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_null(pending_report(&d, "t1"));
    done(&d, CORE_OP_STOP, "t1/a");
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_reason(&d, "t1",
                  "DockerTimeoutError: Could not transition to started; timed out after waiting "
                  "3m0s");
    drive_end(&d);
}

static void test_engine_away_is_no_failure(void **state)
{
    static const enum core_op ops[] = { CORE_OP_PULL, CORE_OP_INSPECT_IMAGE, CORE_OP_CREATE,
                                        CORE_OP_START, CORE_OP_INSPECT };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        struct drive d;

        drive_begin(&d);
        send_task(&d, TASK("t1", C("a", "")));
        while (op_at(&d, "t1/a") != ops[i])
            done(&d, op_at(&d, "t1/a"), "t1/a");
        for (int n = 0; n < 8; n++) {
            if (op_at(&d, "t1/a") != ops[i])
                done(&d, CORE_OP_INSPECT, "t1/a"); /* looks what became of it first */
            if (op_at(&d, "t1/a") != ops[i])
                pass(&d, 12000);
            if (op_at(&d, "t1/a") != ops[i])
                done(&d, op_at(&d, "t1/a"), "t1/a");
            fails(&d, ops[i], "t1/a", ERR_RETRY, "Cannot connect to the Docker daemon");
            pass(&d, 12000);
        }
        bring(&d, "t1/a", CTR_RUNNING);
        assert_null(strstr(report_of(&d, "t1"), "Error"));
        drive_end(&d);
    }
}

static void test_inspect_fails(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    bring(&d, "t1/a", CTR_CREATED);
    done(&d, CORE_OP_START, "t1/a");
    for (int i = 0; i < 5; i++) {
        assert_false(noted(&d, "CannotInspectContainerError"));
        fails(&d, CORE_OP_INSPECT, "t1/a", ERR_IO, "invalid answer");
        pass(&d, 12000);
    }
    /* It cannot be known to run, so it is stopped, and looked at until it is known. */
    assert_true(noted(&d, "CannotInspectContainerError: invalid answer"));
    done(&d, CORE_OP_INSPECT, "t1/a");
    done(&d, CORE_OP_STOP, "t1/a");
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_reason(&d, "t1", "CannotInspectContainerError: invalid answer");
    drive_end(&d);
}

static void test_ends(void **state)
{
    static const struct {
        bool oom;
        const char *error, *want;
    } rows[] = {
        { true, "", "OutOfMemoryError: Container killed due to memory usage" },
        { true, "oci broke", "OutOfMemoryError: Container killed due to memory usage" },
        { false, "oci broke", "DockerStateError: oci broke" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct drive d;

        drive_begin(&d);
        send_task(&d, TASK("t1", C("a", "")));
        bring(&d, "t1/a", CTR_RUNNING);
        accept_report(&d, "t1");
        box_of(&d, "t1/a")->oom = rows[i].oom;
        box_of(&d, "t1/a")->error = rows[i].error;
        exits(&d, "t1/a", 137);
        assert_reason(&d, "t1", rows[i].want);
        assert_report_has(&d, "t1", "'exitCode':137");
        drive_end(&d);
    }
}

/* A busy engine tells of the memory by an event only; it says nothing of an end with another
 * code, of an end that was asked for, or of the run after. */
static void test_memory_by_event(void **state)
{
    static const struct {
        int exit_code;
        bool stopped, removed, memory;
    } rows[] = {
        { 137, false, false, true },
        { 137, false, true, true },
        { 1, false, false, false },
        { 137, true, false, false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct drive d;
        const char *told;

        drive_begin(&d);
        send_task(&d, TASK("t1", C("a", "")));
        bring(&d, "t1/a", CTR_RUNNING);
        accept_report(&d, "t1");
        happens(&d, CORE_HAP_OOM, "t1/a");
        assert_null(pending_op(&d, "t1/a"));
        if (rows[i].stopped) {
            want_stopped(&d, "t1");
            done(&d, CORE_OP_STOP, "t1/a");
        }
        box_end(&d, box_of(&d, "t1/a"), rows[i].exit_code);
        happens(&d, CORE_HAP_DIED, "t1/a");
        if (rows[i].removed)
            box_drop(&d, box_of(&d, "t1/a"));
        done(&d, CORE_OP_INSPECT, "t1/a");
        told = report_of(&d, "t1");
        assert_int_equal(strstr(told, "OutOfMemoryError: Container killed") != NULL,
                         rows[i].memory);
        drive_end(&d);
    }
}

static void test_vanished(void **state)
{
    struct drive d;

    (void)state;
    drive_running(&d);
    accept_report(&d, "t1");
    box_drop(&d, box_of(&d, "t1/a"));
    happens(&d, CORE_HAP_DESTROYED, "t1/a"); /* an id of nothing that is ours */
    assert_null(pending_op(&d, "t1/a"));
    drive_simple(&d, CORE_EV_LISTED);
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_reason(&d, "t1", "ContainerVanishedError: No container matching saved ID found");
    drive_end(&d);
}

/* Whoever removes a container that has died leaves its exit code behind. */
static void test_removed_by_hand(void **state)
{
    struct drive d;

    (void)state;
    drive_running(&d);
    accept_report(&d, "t1");
    box_end(&d, box_of(&d, "t1/a"), 137);
    happens(&d, CORE_HAP_DIED, "t1/a");
    box_drop(&d, box_of(&d, "t1/a"));
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_report_has(&d, "t1", "'exitCode':137");
    assert_null(strstr(report_of(&d, "t1"), "Vanished"));
    drive_end(&d);
}

/* Some engines forget the exit code when asked; the event had it. */
static void test_exit_code_of_the_event(void **state)
{
    struct drive d;

    (void)state;
    drive_running(&d);
    accept_report(&d, "t1");
    box_end(&d, box_of(&d, "t1/a"), 42);
    happens(&d, CORE_HAP_DIED, "t1/a");
    box_of(&d, "t1/a")->has_exit = false;
    box_of(&d, "t1/a")->exit_code = 0;
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_report_has(&d, "t1", "'exitCode':42");
    drive_end(&d);
}

/* ---- dependencies ---- */

static void test_dependency_ended_badly(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", SIDE("init", "") "," C("a", AFTER("init", "SUCCESS"))));
    bring(&d, "t1/init", CTR_RUNNING);
    exits(&d, "t1/init", 1);
    assert_report_has(
        &d, "t1",
        "{'containerName':'a','exitCode':143,'reason':'CannotStartContainerError: dependency "
        "graph: failed to resolve container ordering dependency [init(img) (STOPPED->RUNNING) - "
        "Exit: 1] for target [a(img) (NONE->RUNNING)] as dependency did not exit "
        "successfully.','status':'STOPPED'}");
    drive_end(&d);
}

static void test_dependency_never_starts(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", SIDE("init", "") "," C("a", AFTER("init", "START"))));
    bring(&d, "t1/init", CTR_PULLED);
    fails(&d, CORE_OP_CREATE, "t1/init", ERR_IO, "no");
    assert_report_has(
        &d, "t1",
        "{'containerName':'a','exitCode':143,'reason':'CannotStartContainerError: dependency "
        "graph: failed to resolve container ordering dependency [init(img) (STOPPED->STOPPED)] "
        "for target [a(img) (NONE->RUNNING)] because dependency will never "
        "start','status':'STOPPED'}");
    drive_end(&d);
}

static void test_dependency_times_out(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d,
              TASK("t1", SIDE("init", ",'startTimeout':30") "," C("a", AFTER("init", "COMPLETE"))));
    bring(&d, "t1/init", CTR_RUNNING);
    pass(&d, 30000);
    assert_int_equal(find_task(d.core, ARN("t1"))->desired, TASK_RUNNING);
    pass(&d, 1);
    assert_int_equal(find_task(d.core, ARN("t1"))->desired, TASK_STOPPED);
    done(&d, CORE_OP_STOP, "t1/init");
    done(&d, CORE_OP_INSPECT, "t1/init");
    accept_report(&d, "t1"); /* the flush of init's RUNNING */
    assert_report_has(
        &d, "t1",
        "{'containerName':'a','exitCode':143,'reason':'CannotStartContainerError: dependency "
        "graph: container ordering dependency [init(img) (RUNNING->RUNNING)] for target [a(img) "
        "(NONE->RUNNING)] has timed out.','status':'STOPPED'}");
    drive_end(&d);
}

/* ---- tasks that are no tasks, long texts, two errors ---- */

static void test_undecodable(void **state)
{
    const char *const texts[] = { "!t1 containers: expected array, got string" };
    struct drive d;

    (void)state;
    drive_begin(&d);
    payload(&d, "m", -1, texts, 1);
    assert_report(&d, "t1",
                  "{'reason':'UnrecogniedTaskError: Error loading task - containers: expected "
                  "array, got string','status':'STOPPED','task':'" ARN("t1") "'}");
    accept_report(&d, "t1");
    pass(&d, 5000);
    assert_int_equal(core_task_count(d.core), 0);
    assert_int_equal(task_rows(&d), 0);
    drive_end(&d);
}

static void test_long_reason_is_cut_between_characters(void **state)
{
    char text[1024] = "";
    const char *name = "CannotStartContainerError: ";
    struct drive d;
    const char *from, *to;

    (void)state;
    for (size_t i = 0; i + 3 < sizeof text; i += 3)
        memcpy(text + i, "\xE2\x82\xAC", 4); /* three bytes each */
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    bring(&d, "t1/a", CTR_CREATED);
    fails(&d, CORE_OP_START, "t1/a", ERR_IO, text);
    done(&d, CORE_OP_INSPECT, "t1/a");
    from = strstr(report_of(&d, "t1"), name);
    assert_non_null(from);
    to = strchr(from, '"');
    assert_int_equal(to - from, strlen(name) + (1024 - strlen(name)) / 3 * 3);
    assert_memory_equal(to - 3, "\xE2\x82\xAC", 3);
    drive_end(&d);
}

static void test_first_error_sticks(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    bring(&d, "t1/a", CTR_CREATED);
    box_of(&d, "t1/a")->status = CTR_STOPPED;
    box_of(&d, "t1/a")->error = "exec: no such file";
    fails(&d, CORE_OP_START, "t1/a", ERR_IO, "exec failed");
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_reason(&d, "t1", "CannotStartContainerError: exec failed");
    drive_end(&d);
}

static void test_failed_side_container_does_not_stop_the_task(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "") "," SIDE("b", "")));
    bring(&d, "t1/b", CTR_PULLED);
    fails(&d, CORE_OP_CREATE, "t1/b", ERR_IO, "no");
    bring(&d, "t1/a", CTR_RUNNING);
    assert_report_has(&d, "t1", "'reason':'','status':'RUNNING','task'");
    assert_reason(&d, "t1", "CannotCreateContainerError: no");
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failing_operations),
        cmocka_unit_test(test_a_name_that_cannot_be),
        cmocka_unit_test(test_created_after_all),
        cmocka_unit_test(test_started_after_all),
        cmocka_unit_test(test_engine_away_is_no_failure),
        cmocka_unit_test(test_inspect_fails),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_memory_by_event),
        cmocka_unit_test(test_vanished),
        cmocka_unit_test(test_removed_by_hand),
        cmocka_unit_test(test_exit_code_of_the_event),
        cmocka_unit_test(test_dependency_ended_badly),
        cmocka_unit_test(test_dependency_never_starts),
        cmocka_unit_test(test_dependency_times_out),
        cmocka_unit_test(test_undecodable),
        cmocka_unit_test(test_long_reason_is_cut_between_characters),
        cmocka_unit_test(test_first_error_sticks),
        cmocka_unit_test(test_failed_side_container_does_not_stop_the_task),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
