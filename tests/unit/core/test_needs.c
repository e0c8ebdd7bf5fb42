/* resource.c, ports.c: what a task needs besides images, and the ports that are chosen
 * for it. */
#include "unit/core/drive.h"

#define VOLUME_OF(name, more)                                         \
    "{'name':'" name "','type':'docker','dockerVolumeConfiguration':" \
    "{'scope':'task','driver':'local'" more "}}"
#define MOUNTS(volume) ",'mountPoints':[{'sourceVolume':'" volume "','containerPath':'/v'}]"
static void boot(struct drive *d)
{
    drive_empty(d);
    d->cfg.task_cgroups = true;
    drive_boot(d);
}

static void test_volume_and_cgroup_first(void **state)
{
    struct drive d;

    (void)state;
    boot(&d);
    send_task(&d, TASK_WITH("t1", C("a", MOUNTS("v")) "," C("b", ""),
                            ",'volumes':[" VOLUME_OF("v", "") "]"));
    assert_non_null(side_op(&d, CORE_OP_CREATE_VOLUME)->ref);
    bring(&d, "t1/a", CTR_PULLED); /* the pull does not wait for them */
    bring(&d, "t1/b", CTR_PULLED);
    assert_null(pending_op(&d, "t1/a"));
    side_done_ok(&d, CORE_OP_CREATE_CGROUP);
    assert_null(pending_op(&d, "t1/a"));
    done(&d, CORE_OP_CREATE, "t1/b"); /* which mounts nothing */
    side_done_ok(&d, CORE_OP_CREATE_VOLUME);
    bring(&d, "t1/a", CTR_RUNNING);
    drive_end(&d);
}

static void test_failures_stop_the_task(void **state)
{
    static const struct {
        enum core_op op;
        const char *error, *reason;
    } rows[] = {
        { CORE_OP_CREATE_CGROUP, "no such controller", "CgroupError: Agent could not create task" },
        { CORE_OP_CREATE_VOLUME, "Error response from daemon: no  such\n driver",
          "Error response from daemon: no such driver" },
        { CORE_OP_CREATE_VOLUME, "", "VolumeError: Agent could not create task" },
        { CORE_OP_FETCH_SECRETS, "fetching secret data from SSM Parameter Store in x: no",
          "Fetching secret data from SSM Parameter Store in x: no" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct drive d;
        char text[300];

        boot(&d);
        send_task(&d, TASK_WITH("t1",
                                C("a", MOUNTS("v") ",'secrets':[{'name':'N','valueFrom':'p',"
                                                   "'region':'x','provider':'ssm',"
                                                   "'type':'ENVIRONMENT_VARIABLE'}]"),
                                ",'volumes':[" VOLUME_OF("v", "") "]"));
        side_fails(&d, rows[i].op, ERR_IO, rows[i].error);
        if (rows[i].op != CORE_OP_CREATE_CGROUP)
            side_done_ok(&d, CORE_OP_CREATE_CGROUP);
        side_done_ok(&d, CORE_OP_REMOVE_CGROUP);
        snprintf(text, sizeof text, "'reason':'%s", rows[i].reason);
        assert_report_has(&d, "t1", text);
        drive_end(&d);
    }
}

static void test_missing_credentials_are_waited_for(void **state)
{
    struct drive d;

    (void)state;
    boot(&d);
    send_task(&d, TASK("t1", C("a", ",'secrets':[{'name':'N','valueFrom':'p','region':'x',"
                                    "'provider':'ssm','type':'ENVIRONMENT_VARIABLE'}]")));
    side_fails(&d, CORE_OP_FETCH_SECRETS, ERR_RETRY, "the credentials are not here yet");
    assert_null(side_op(&d, CORE_OP_FETCH_SECRETS));
    pass(&d, 1000);
    side_done_ok(&d, CORE_OP_FETCH_SECRETS);
    side_done_ok(&d, CORE_OP_CREATE_CGROUP);
    bring(&d, "t1/a", CTR_RUNNING);
    drive_end(&d);
}

static void test_values_are_fetched_anew(void **state)
{
    struct drive d;

    (void)state;
    boot(&d);
    send_task(&d, TASK("t1", C("a", ",'secrets':[{'name':'N','valueFrom':'p','region':'x',"
                                    "'provider':'ssm','type':'ENVIRONMENT_VARIABLE'}]")));
    side_done_ok(&d, CORE_OP_FETCH_SECRETS);
    drive_crash(&d);
    assert_non_null(side_op(&d, CORE_OP_FETCH_SECRETS));
    side_done_ok(&d, CORE_OP_FETCH_SECRETS);
    side_done_ok(&d, CORE_OP_CREATE_CGROUP);
    bring(&d, "t1/a", CTR_RUNNING);
    drive_crash(&d);
    assert_null(side_op(&d, CORE_OP_FETCH_SECRETS)); /* nobody needs them any more */
    drive_end(&d);
}

/* A task whose container mounts a volume; that and its cgroup are there. */
static void boot_with_volume(struct drive *d)
{
    boot(d);
    send_task(d, TASK_WITH("t1", C("a", MOUNTS("v")), ",'volumes':[" VOLUME_OF("v", "") "]"));
    side_done_ok(d, CORE_OP_CREATE_CGROUP);
    side_done_ok(d, CORE_OP_CREATE_VOLUME);
}

static void test_given_back_at_the_end(void **state)
{
    struct drive d;

    (void)state;
    boot_with_volume(&d);
    bring(&d, "t1/a", CTR_RUNNING);
    answer_report(&d, "t1", CORE_REPORT_ACCEPTED);
    assert_null(side_op(&d, CORE_OP_REMOVE_CGROUP));
    exits(&d, "t1/a", 0);
    answer_report(&d, "t1", CORE_REPORT_ACCEPTED); /* the container tells of it: nothing waits */
    pass(&d, d.cfg.cleanup_wait_ms);
    assert_null(side_op(&d, CORE_OP_REMOVE_VOLUME)); /* the container goes first */
    done(&d, CORE_OP_DRAIN_LOGS, "t1/a");
    assert_int_equal(op_at(&d, "t1/a"), CORE_OP_NONE); /* and before it, what only it tells of */
    side_fails(&d, CORE_OP_REMOVE_CGROUP, ERR_RETRY, "the agent's state cannot be saved");
    assert_int_equal(op_at(&d, "t1/a"), CORE_OP_NONE);
    pass(&d, 1000);
    side_fails(&d, CORE_OP_REMOVE_CGROUP, ERR_CONFLICT, "processes are left in it");
    done(&d, CORE_OP_REMOVE, "t1/a");
    side_fails(&d, CORE_OP_REMOVE_VOLUME, ERR_CONFLICT, "volume is in use");
    pass(&d, 1000);
    side_done_ok(&d, CORE_OP_REMOVE_CGROUP);
    side_done_ok(&d, CORE_OP_REMOVE_VOLUME);
    assert_null(find_task(d.core, ARN("t1")));
    drive_end(&d);
}

/* Nobody could name its cgroup any more, should the store be lost when its end was told. */
static void test_given_back_before_the_end_is_told(void **state)
{
    struct drive d;

    (void)state;
    boot(&d);
    send_task(&d, TASK("t1", C("a", "")));
    side_done_ok(&d, CORE_OP_CREATE_CGROUP);
    want_stopped(&d, "t1");
    assert_null(pending_report(&d, "t1"));
    side_fails(&d, CORE_OP_REMOVE_CGROUP, ERR_RETRY, "the agent's state cannot be saved");
    assert_null(pending_report(&d, "t1")); /* it has not come to that */
    pass(&d, 1000);
    side_fails(&d, CORE_OP_REMOVE_CGROUP, ERR_IO, "no"); /* one try is waited for */
    assert_non_null(pending_report(&d, "t1"));
    pass(&d, 2000);
    side_done_ok(&d, CORE_OP_REMOVE_CGROUP);
    accept_report(&d, "t1");
    pass(&d, d.cfg.cleanup_wait_ms);
    assert_null(side_op(&d, CORE_OP_REMOVE_CGROUP)); /* once is enough */
    assert_null(find_task(d.core, ARN("t1")));
    drive_end(&d);
}

/* What the agent that was killed has asked for may still be made, so it is removed twice. */
static void test_given_back_again_after_a_restart(void **state)
{
    struct drive d;

    (void)state;
    boot_with_volume(&d);
    drive_crash(&d);
    want_stopped(&d, "t1");
    side_done_ok(&d, CORE_OP_REMOVE_VOLUME);
    side_done_ok(&d, CORE_OP_REMOVE_CGROUP);
    accept_report(&d, "t1");
    pass(&d, 59000);
    assert_null(side_op(&d, CORE_OP_REMOVE_CGROUP));
    pass(&d, d.cfg.cleanup_wait_ms);
    side_done_ok(&d, CORE_OP_REMOVE_VOLUME);
    side_done_ok(&d, CORE_OP_REMOVE_CGROUP);
    assert_null(find_task(d.core, ARN("t1")));
    drive_end(&d);
}

/* It may be asked for by one process, and the removal by the next, before an engine that hangs
 * carries out both. */
static void test_given_back_again_after_a_hang(void **state)
{
    struct drive d;

    (void)state;
    boot_with_volume(&d);
    drive_crash(&d);
    pass(&d, 60000);
    want_stopped(&d, "t1");
    side_done_ok(&d, CORE_OP_REMOVE_CGROUP);
    pass(&d, 200000);
    side_done_ok(&d, CORE_OP_REMOVE_VOLUME);
    accept_report(&d, "t1");
    pass(&d, d.cfg.cleanup_wait_ms);
    side_done_ok(&d, CORE_OP_REMOVE_VOLUME);
    assert_null(find_task(d.core, ARN("t1")));
    drive_end(&d);
}

/* An engine that is away for long says nothing about whether the volume can go. */
static void test_engine_away_at_the_end(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK_WITH("t1", C("a", MOUNTS("v")), ",'volumes':[" VOLUME_OF("v", "") "]"));
    for (int i = 0; i < 15; i++) {
        side_fails(&d, CORE_OP_CREATE_VOLUME, ERR_RETRY, "no answer");
        pass(&d, 15000);
    }
    want_stopped(&d, "t1");
    answer_report(&d, "t1", CORE_REPORT_ACCEPTED);
    side_done_ok(&d, CORE_OP_CREATE_VOLUME);
    pass(&d, d.cfg.cleanup_wait_ms);
    for (int i = 0; i < 15; i++) {
        side_fails(&d, CORE_OP_REMOVE_VOLUME, ERR_RETRY, "no answer");
        pass(&d, 15000);
    }
    side_fails(&d, CORE_OP_REMOVE_VOLUME, ERR_CONFLICT, "volume is in use");
    pass(&d, 15000);
    side_done_ok(&d, CORE_OP_REMOVE_VOLUME); /* late: it may have hung */
    pass(&d, 60000);
    side_done_ok(&d, CORE_OP_REMOVE_VOLUME);
    assert_null(find_task(d.core, ARN("t1")));
    drive_end(&d);
}

/* Of a task without an essential container the end is nobody's wish. */
static void test_over_while_a_need_is_awaited(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", SIDE("a", "") "," SIDE(
                                 "b", ",'secrets':[{'name':'N','valueFrom':'p','region':'x',"
                                      "'provider':'ssm','type':'ENVIRONMENT_VARIABLE'}]" AFTER(
                                          "a", "SUCCESS"))));
    side_fails(&d, CORE_OP_FETCH_SECRETS, ERR_RETRY, "the credentials are not here yet");
    bring(&d, "t1/a", CTR_RUNNING);
    exits(&d, "t1/a", 1);
    answer_report(&d, "t1", CORE_REPORT_ACCEPTED);
    assert_int_equal(find_task(d.core, ARN("t1"))->known, TASK_STOPPED);
    pass(&d, 60000);
    assert_null(side_op(&d, CORE_OP_FETCH_SECRETS));
    pass(&d, d.cfg.cleanup_wait_ms);
    done(&d, CORE_OP_DRAIN_LOGS, "t1/a");
    done(&d, CORE_OP_REMOVE, "t1/a");
    side_done_ok(&d, CORE_OP_FORGET_SECRETS);
    assert_null(find_task(d.core, ARN("t1")));
    drive_end(&d);
}

static void test_too_much_memory_for_the_task(void **state)
{
    struct drive d;

    (void)state;
    boot(&d);
    send_task(&d, TASK_WITH("t1", C("a", ",'memory':256"), ",'memory':128"));
    assert_report_has(
        &d, "t1",
        "'reason':'resource cannot be initialized for task " ARN(
            "t1") ": task memory spec builder: container memory limit(256) greater than task "
                  "memory limit(128)','status':'STOPPED'");
    drive_end(&d);
}

/* ---- ports ---- */

#define PORTS                                                                     \
    ",'portMappings':[{'containerPort':80},{'containerPort':81,'hostPort':9000}," \
    "{'containerPortRange':'100-102','protocol':'udp'}]"

static void test_ports_are_chosen_before_create(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", PORTS)));
    done(&d, CORE_OP_PULL, "t1/a");
    done(&d, CORE_OP_INSPECT_IMAGE, "t1/a");
    done(&d, CORE_OP_PORTS, "t1/a");
    expect_op(&d, CORE_OP_CREATE, "t1/a");
    assert_int_equal(core_host_ports(d.core, ARN("t1"), 0)[0], 40000);
    assert_int_equal(core_host_ports(d.core, ARN("t1"), 0)[1], 0);
    assert_int_equal(core_host_ports(d.core, ARN("t1"), 0)[2], 40001);
    assert_true(core_port_taken(d.core, PORT_TCP, 40000));
    assert_true(core_port_taken(d.core, PORT_UDP, 40003));
    assert_false(core_port_taken(d.core, PORT_TCP, 40003));
    drive_crash(&d);
    assert_true(core_port_taken(d.core, PORT_TCP, 40000));
    done(&d, CORE_OP_INSPECT, "t1/a"); /* was it made? */
    bring(&d, "t1/a", CTR_RUNNING);
    assert_int_equal(core_host_ports(d.core, ARN("t1"), 0)[0], 40000);
    exits(&d, "t1/a", 0);
    assert_false(core_port_taken(d.core, PORT_TCP, 40000));
    assert_false(core_port_taken(d.core, PORT_UDP, 40003));
    drive_end(&d);
}

static void test_a_port_that_was_taken(void **state)
{
    struct drive d;
    char *first_id;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", ",'portMappings':[{'containerPort':80}]")));
    bring(&d, "t1/a", CTR_CREATED);
    first_id = mem_strdup(ctr_at(&d, "t1/a")->docker_id);
    fails(&d, CORE_OP_START, "t1/a", ERR_IO,
          "driver failed programming external connectivity: Bind for 0.0.0.0:40000 failed: port "
          "is already allocated");
    done(&d, CORE_OP_REMOVE, "t1/a");
    done(&d, CORE_OP_PORTS, "t1/a");
    assert_int_equal(core_host_ports(d.core, ARN("t1"), 0)[0], 40001);
    done(&d, CORE_OP_CREATE, "t1/a");
    assert_string_not_equal(first_id, ctr_at(&d, "t1/a")->docker_id);
    bring(&d, "t1/a", CTR_RUNNING);
    assert_null(ctr_at(&d, "t1/a")->error_name);
    free(first_id);
    drive_end(&d);
}

/* The news of the container that went comes when the one after it has failed as well. */
static void test_late_news_of_a_remade_one(void **state)
{
    static const char *const taken = "Bind for 0.0.0.0:40000 failed: port is already allocated";
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", ",'portMappings':[{'containerPort':80}]")));
    bring(&d, "t1/a", CTR_CREATED);
    for (int i = 0; i < 2; i++) {
        happens(&d, CORE_HAP_DESTROYED, "t1/a");
        box_of(&d, "t1/a")->status = CTR_STOPPED;
        box_of(&d, "t1/a")->error = taken;
        fails(&d, CORE_OP_START, "t1/a", ERR_IO, taken);
        happens(&d, CORE_HAP_DIED, "t1/a");
        if (i)
            drive_crash(&d);
        if (i)
            done(&d, CORE_OP_INSPECT, "t1/a");
        done(&d, CORE_OP_REMOVE, "t1/a");
        done(&d, CORE_OP_PORTS, "t1/a");
        done(&d, CORE_OP_CREATE, "t1/a");
    }
    bring(&d, "t1/a", CTR_RUNNING);
    assert_null(ctr_at(&d, "t1/a")->error_name);
    drive_end(&d);
}

static void test_no_port_left(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", ",'portMappings':[{'containerPort':80}]")));
    bring(&d, "t1/a", CTR_PULLED);
    fails(&d, CORE_OP_PORTS, "t1/a", ERR_LIMIT,
          "error retrieving docker port map: a host port is unavailable");
    assert_report_has(&d, "t1",
                      "'reason':'HostConfigError: error retrieving docker port map: a "
                      "host port is unavailable'");
    drive_end(&d);
}

static void test_range_in_one_row(void **state)
{
    struct port_binding ports[] = {
        { "0.0.0.0", 80, 40000, PORT_TCP },
        { "0.0.0.0", 100, 40001, PORT_UDP },
        { "0.0.0.0", 101, 40002, PORT_UDP },
        { "0.0.0.0", 102, 40003, PORT_UDP },
    };
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", ",'portMappings':[{'containerPort':80},"
                                    "{'containerPortRange':'100-102','protocol':'udp'}]")));
    bring(&d, "t1/a", CTR_CREATED);
    memcpy(box_of(&d, "t1/a")->ports, ports, sizeof ports);
    box_of(&d, "t1/a")->n_ports = COUNT_OF(ports);
    bring(&d, "t1/a", CTR_RUNNING);
    assert_report_has(&d, "t1",
                      "'networkBindings':[{'bindIP':'0.0.0.0','containerPort':80,'hostPort':40000,"
                      "'protocol':'tcp'},{'bindIP':'0.0.0.0','containerPortRange':'100-102',"
                      "'hostPortRange':'40001-40003','protocol':'udp'}]");
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_volume_and_cgroup_first),
        cmocka_unit_test(test_failures_stop_the_task),
        cmocka_unit_test(test_missing_credentials_are_waited_for),
        cmocka_unit_test(test_values_are_fetched_anew),
        cmocka_unit_test(test_given_back_at_the_end),
        cmocka_unit_test(test_given_back_before_the_end_is_told),
        cmocka_unit_test(test_given_back_again_after_a_restart),
        cmocka_unit_test(test_given_back_again_after_a_hang),
        cmocka_unit_test(test_engine_away_at_the_end),
        cmocka_unit_test(test_over_while_a_need_is_awaited),
        cmocka_unit_test(test_too_much_memory_for_the_task),
        cmocka_unit_test(test_ports_are_chosen_before_create),
        cmocka_unit_test(test_a_port_that_was_taken),
        cmocka_unit_test(test_late_news_of_a_remade_one),
        cmocka_unit_test(test_no_port_left),
        cmocka_unit_test(test_range_in_one_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
