/* taken.c: tasks that another agent has run until now. */
#include "unit/core/drive.h"

#define PAIR                                                                         \
    TASK("t1", C("web", ",'portMappings':[{'containerPort':80}]") "," SIDE(          \
                   "side", AFTER("web", "START") ",'restartPolicy':{'enabled':true," \
                                                 "'restartAttemptPeriod':60}"))
#define NAME(n) "ecs-f-1-" n "-00ff"

static const uint16_t chosen[] = { 32768 };

/* What is to be in the store when the agent begins. */
static void keep(struct drive *d, const char *text, const struct core_taken *from)
{
    AUTO(task) struct task *t = decode(text);
    struct core_action put = { .type = CORE_ACT_PUT, .key = t->arn };
    AUTO(str) char *state = core_taken_state(t, from, 9);

    put.kind = CORE_KIND_TASK;
    put.value = t->json;
    drive_keep(d, &put);
    put.kind = CORE_KIND_STATE;
    put.value = state;
    drive_keep(d, &put);
}

/* Containers of the engine, with the ids that the other agent has noted. */
static struct drive_box *box(struct drive *d, const char *name, enum ctr_status status)
{
    struct drive_box *b = box_make(d, name);

    b->created = BEGIN_WALL - 5000;
    b->started = BEGIN_WALL - 4000;
    b->status = status;
    return b;
}

static struct core_taken running(struct core_taken_container *c)
{
    c[0] = (struct core_taken_container){ .docker_id = "id-1",
                                          .docker_name = NAME("web"),
                                          .metadata_id = "a303aff5-3e90-452b-bd09-4630d6b73f3e",
                                          .known = CTR_RUNNING,
                                          .sent = CTR_RUNNING,
                                          .started_ms = BEGIN_WALL - 4000,
                                          .host_ports = chosen };
    c[1] = (struct core_taken_container){ .docker_id = "id-2",
                                          .docker_name = NAME("side"),
                                          .known = CTR_RUNNING,
                                          .sent = CTR_RUNNING,
                                          .started_ms = BEGIN_WALL - 4000,
                                          .restarts = 3,
                                          .restarted_ms = BEGIN_WALL - 3000 };
    return (struct core_taken){ .desired = TASK_RUNNING,
                                .known = TASK_RUNNING,
                                .sent = TASK_RUNNING,
                                .arrived_ms = BEGIN_WALL - 9000,
                                .containers = c };
}

static void begin(struct drive *d, const char *text, const struct core_taken *from)
{
    drive_empty(d);
    keep(d, text, from);
    drive_boot(d);
}

static void test_goes_on_and_is_stopped(void **state)
{
    struct core_taken_container c[2];
    struct core_taken from = running(c);
    struct drive d;

    (void)state;
    drive_empty(&d);
    box(&d, NAME("web"), CTR_RUNNING);
    box(&d, NAME("side"), CTR_RUNNING);
    keep(&d, PAIR, &from);
    drive_boot(&d);
    assert_string_equal(core_metadata_id(d.core, ARN("t1"), 0),
                        "a303aff5-3e90-452b-bd09-4630d6b73f3e");
    assert_true(core_port_taken(d.core, PORT_TCP, 32768));
    /* It is looked at, and nothing more: all is told, and is as it was. */
    done(&d, CORE_OP_INSPECT, "t1/web");
    done(&d, CORE_OP_INSPECT, "t1/side");
    pass(&d, 10000);
    assert_null(pending_op(&d, "t1/web"));
    assert_null(pending_op(&d, "t1/side"));
    assert_null(pending_report(&d, "t1"));
    assert_int_equal(ctr_at(&d, "t1/side")->restarts, 3);

    want_stopped(&d, "t1");
    assert_string_equal(expect_op(&d, CORE_OP_STOP, "t1/side")->ref, "id-2");
    done(&d, CORE_OP_STOP, "t1/side");
    done(&d, CORE_OP_INSPECT, "t1/side");
    assert_string_equal(expect_op(&d, CORE_OP_STOP, "t1/web")->ref, "id-1");
    done(&d, CORE_OP_STOP, "t1/web");
    done(&d, CORE_OP_INSPECT, "t1/web");
    assert_report_has(&d, "t1", "'status':'STOPPED'");
    assert_report_has(&d, "t1", "'exitCode':143");
    accept_report(&d, "t1");
    drive_end(&d);
}

static void test_ended_meanwhile(void **state)
{
    struct core_taken_container c[2];
    struct core_taken from = running(c);
    struct drive d;

    (void)state;
    drive_empty(&d);
    box_end(&d, box(&d, NAME("web"), CTR_RUNNING), 7);
    box(&d, NAME("side"), CTR_RUNNING);
    keep(&d, PAIR, &from);
    drive_boot(&d);
    done(&d, CORE_OP_INSPECT, "t1/side");
    done(&d, CORE_OP_INSPECT, "t1/web");
    done(&d, CORE_OP_STOP, "t1/side");
    done(&d, CORE_OP_INSPECT, "t1/side");
    assert_report_has(&d, "t1", "'exitCode':7");
    assert_report_has(&d, "t1", "'status':'STOPPED'");
    accept_report(&d, "t1");
    drive_end(&d);
}

static void test_what_was_not_made_is_made(void **state)
{
    struct core_taken_container c[2] = { 0 };
    struct core_taken from = running(c);
    struct drive d;

    (void)state;
    c[1] = (struct core_taken_container){ .known = CTR_PULLED };
    from.known = from.sent = TASK_NONE;
    drive_empty(&d);
    box(&d, NAME("web"), CTR_RUNNING);
    keep(&d, PAIR, &from);
    drive_boot(&d);
    done(&d, CORE_OP_INSPECT, "t1/web");
    expect_op(&d, CORE_OP_PULL, "t1/side");
    drive_end(&d);

    /* Nothing of it. */
    c[0] = c[1] = (struct core_taken_container){ 0 };
    begin(&d, PAIR, &from);
    expect_op(&d, CORE_OP_PULL, "t1/web");
    assert_true(str_starts(core_docker_name(d.core, ARN("t1"), 0), "ecs-f-1-web-"));
    assert_int_equal(strlen(core_metadata_id(d.core, ARN("t1"), 0)), 36);
    drive_end(&d);
}

static void test_stopped_with_a_reason(void **state)
{
    struct core_taken_container c[2];
    struct core_taken from = running(c);
    struct drive d;

    (void)state;
    c[1] = (struct core_taken_container){ 0 };
    from.desired = TASK_STOPPED;
    from.reason = "TaskStateError: moved";
    drive_empty(&d);
    box(&d, NAME("web"), CTR_RUNNING);
    keep(&d, PAIR, &from);
    drive_boot(&d);
    done(&d, CORE_OP_INSPECT, "t1/web");
    done(&d, CORE_OP_STOP, "t1/web");
    done(&d, CORE_OP_INSPECT, "t1/web");
    assert_report_has(&d, "t1", "'reason':'TaskStateError: moved'");
    accept_report(&d, "t1");
    drive_end(&d);
}

/* Of what is over only the containers are left, and go when it is time. */
static void test_over(void **state)
{
    struct core_taken_container c[2];
    struct core_taken from = running(c);
    struct drive d;

    (void)state;
    for (int told = 0; told < 2; told++) {
        c[0].known = c[1].known = CTR_STOPPED;
        c[0].sent = c[1].sent = told ? CTR_STOPPED : CTR_RUNNING;
        c[0].has_exit_code = true;
        c[0].exit_code = 3;
        from.desired = from.known = TASK_STOPPED;
        from.sent = told ? TASK_STOPPED : TASK_RUNNING;
        from.stopped_ms = BEGIN_WALL - 1000;
        from.cleanup_delay_ms = 3000;
        drive_empty(&d);
        box_end(&d, box(&d, NAME("web"), CTR_RUNNING), 3);
        box_end(&d, box(&d, NAME("side"), CTR_RUNNING), 0);
        keep(&d, PAIR, &from);
        drive_boot(&d);
        if (!told) {
            assert_report_has(&d, "t1", "'exitCode':3");
            accept_report(&d, "t1");
        }
        assert_null(pending_report(&d, "t1"));
        assert_null(pending_op(&d, "t1/web"));
        pass(&d, 2001);
        expect_op(&d, CORE_OP_DRAIN_LOGS, "t1/web");
        drive_end(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goes_on_and_is_stopped),
        cmocka_unit_test(test_ended_meanwhile),
        cmocka_unit_test(test_what_was_not_made_is_made),
        cmocka_unit_test(test_stopped_with_a_reason),
        cmocka_unit_test(test_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
