/* container.c, outcome.c: images. What each pull behavior does, what a failed pull
 * says. */
#include "unit/core/drive.h"

#define QUOTE "\xE2\x80\x99"

/* ---- behaviors ---- */

enum ending { RUNS, FAILS, FAILS_AND_STOPS }; /* the last also for a side container */

static void test_behaviors(void **state)
{
    static const struct {
        enum pull_behavior behavior;
        bool here, works;
        int pulls; /* tries until it is decided */
        enum ending want;
    } rows[] = {
        { PULL_DEFAULT, true, true, 1, RUNS },
        { PULL_DEFAULT, false, true, 1, RUNS },
        { PULL_DEFAULT, true, false, 1, RUNS }, /* with the image that is here */
        { PULL_DEFAULT, false, false, 5, FAILS },
        { PULL_ALWAYS, true, true, 1, RUNS },
        { PULL_ALWAYS, false, true, 1, RUNS },
        { PULL_ALWAYS, true, false, 5, FAILS_AND_STOPS },
        { PULL_ALWAYS, false, false, 5, FAILS_AND_STOPS },
        { PULL_ONCE, true, true, 0, RUNS },
        { PULL_ONCE, true, false, 0, RUNS },
        { PULL_ONCE, false, true, 1, RUNS },
        { PULL_ONCE, false, false, 5, FAILS_AND_STOPS },
        { PULL_PREFER_CACHED, true, true, 0, RUNS },
        { PULL_PREFER_CACHED, true, false, 0, RUNS },
        { PULL_PREFER_CACHED, false, true, 1, RUNS },
        { PULL_PREFER_CACHED, false, false, 5, FAILS },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct drive d;
        int pulls = 0;

        drive_empty(&d);
        d.cfg.pull_behavior = rows[i].behavior;
        drive_boot(&d);
        send_task(&d, TASK("t0", C("first", ""))); /* which pulls it, if anybody does */
        bring(&d, "t0/first", CTR_RUNNING);
        send_task(&d, TASK("t1", C("main", "") "," SIDE("a", "")));
        d.image_here = true;
        bring(&d, "t1/main", CTR_RUNNING);
        d.image_here = rows[i].here;
        for (int n = 0; n < 30 && ctr_at(&d, "t1/a")->known < CTR_RUNNING; n++) {
            enum core_op op = op_at(&d, "t1/a");

            pulls += op == CORE_OP_PULL;
            if (op == CORE_OP_PULL && !rows[i].works)
                fails(&d, op, "t1/a", ERR_IO, "the registry is on fire");
            else if (op)
                done(&d, op, "t1/a");
            else
                pass(&d, 12000);
        }
        assert_int_equal(ctr_at(&d, "t1/a")->known,
                         rows[i].want == RUNS ? CTR_RUNNING : CTR_STOPPED);
        assert_int_equal(pulls, rows[i].pulls);
        assert_int_equal(find_task(d.core, ARN("t1"))->desired,
                         rows[i].want == FAILS_AND_STOPS ? TASK_STOPPED : TASK_RUNNING);
        if (rows[i].want != RUNS)
            assert_string_equal(ctr_at(&d, "t1/a")->error_text, "the registry is on fire");
        else
            assert_null(ctr_at(&d, "t1/a")->error_name); /* a rescued pull is no error */
        drive_end(&d);
    }
}

/* ---- words ---- */

static void test_reasons(void **state)
{
    static const struct {
        enum err_code code;
        const char *text, *want;
    } rows[] = {
        { ERR_NOT_FOUND, "manifest for img:latest not found: manifest unknown",
          "CannotPullContainerError: manifest for img:latest not found: manifest unknown" },
        { ERR_DENIED,
          "denied: User: arn:aws:sts::1:assumed-role/r/i is not authorized to perform: "
          "ecr:BatchGetImage on resource: arn:aws:ecr:us-west-2:1:repository/x",
          "CannotPullContainerError: The task can" QUOTE
          "t pull the image. Check that the role has the permissions to pull images from the "
          "registry. denied: User: arn:aws:sts::1:assumed-role/r/i is not authorized to perform: "
          "ecr:BatchGetImage on resource: arn:aws:ecr:us-west-2:1:repository/x" },
        { ERR_IO,
          "pull access denied for img, repository does not exist: denied: requested access to the "
          "resource is denied",
          "CannotPullContainerError: The task can" QUOTE
          "t pull the image. Check whether the image exists. pull access denied for img, "
          "repository does not exist: denied: requested access to the resource is denied" },
        { ERR_INVALID, "Get https://r/v2/: net/http: request canceled while waiting for connection",
          "CannotPullContainerError: The task can" QUOTE
          "t pull the image. Check your network configuration. Get https://r/v2/: net/http: "
          "request canceled while waiting for connection" },
        { ERR_INVALID,
          "Get https://prod-us-west-2-starport-layer-bucket.s3.amazonaws.com/a?X-Amz-Security-"
          "Token=t: dial tcp",
          "CannotPullContainerError: Get REDACTED ECR URL related to img dial tcp" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct drive d;
        char text[1300];

        drive_begin(&d);
        d.image_here = false;
        send_task(&d, TASK("t1", C("a", "")));
        fails(&d, CORE_OP_PULL, "t1/a", rows[i].code, rows[i].text);
        done(&d, CORE_OP_INSPECT_IMAGE, "t1/a"); /* none of them is worth another try */
        snprintf(text, sizeof text,
                 "{'containers':[{'containerName':'a','reason':'%s','status':", rows[i].want);
        assert_report_has(&d, "t1", text);
        assert_report_has(&d, "t1", "'reason':'','status':'STOPPED','task'");
        drive_end(&d);
    }
}

static void test_silence_is_tried_again(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    d.image_here = false;
    send_task(&d, TASK("t1", C("a", "")));
    for (int i = 0; i < 5; i++) {
        fails(&d, CORE_OP_PULL, "t1/a", ERR_TIMEOUT,
              "inactivity time exceeded timeout while pulling image");
        if (!i)
            done(&d, CORE_OP_INSPECT_IMAGE, "t1/a");
        if (i < 4)
            pass(&d, 12000);
    }
    assert_report_has(&d, "t1",
                      "'reason':'CannotPullContainerError: inactivity time exceeded "
                      "timeout while pulling image'");
    drive_end(&d);
}

static void test_timeouts(void **state)
{
    static const struct {
        int64_t after_ms;
        const char *error, *want;
    } rows[] = {
        { 7200000, "too slow", "pulled; timed out after waiting 2h0m0s" },
        /* The bound, not how late the timer was. */
        { 7200003, "too slow", "pulled; timed out after waiting 2h0m0s" },
        { 90000, "too slow", "pulled; timed out after waiting 1m30s" },
        { 300001, "the image pull did not begin in time",
          "pullBegin; timed out after waiting 5m0s" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct drive d;
        char text[200];

        drive_begin(&d);
        d.image_here = false;
        send_task(&d, TASK("t1", C("a", "")));
        pass(&d, rows[i].after_ms);
        fails(&d, CORE_OP_PULL, "t1/a", ERR_TIMEOUT, rows[i].error);
        done(&d, CORE_OP_INSPECT_IMAGE, "t1/a");
        snprintf(text, sizeof text, "'reason':'DockerTimeoutError: Could not transition to %s'",
                 rows[i].want);
        assert_report_has(&d, "t1", text);
        drive_end(&d);
    }
}

static void test_bad_reference(void **state)
{
    struct drive d;

    (void)state;
    drive_empty(&d);
    d.cfg.pull_behavior = PULL_PREFER_CACHED;
    drive_boot(&d);
    send_task(&d, TASK("t1", C("a", "")));
    fails(&d, CORE_OP_INSPECT_IMAGE, "t1/a", ERR_INVALID, "invalid reference format");
    assert_report_has(&d, "t1", "'reason':'CannotPullContainerError: invalid reference format'");
    drive_end(&d);
}

static void test_second_try_works(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    d.image_here = false;
    send_task(&d, TASK("t1", C("a", "")));
    fails(&d, CORE_OP_PULL, "t1/a", ERR_IO, "EOF");
    done(&d, CORE_OP_INSPECT_IMAGE, "t1/a");
    assert_null(pending_op(&d, "t1/a"));
    assert_int_equal(ctr_at(&d, "t1/a")->pulls, 1);
    assert_why(&d, "t1",
               "[{'container':'a','waits_for':'the next try in 223 ms; the last one: "
               "CannotPullContainerError: EOF','for_ms':0}]");
    pass(&d, 240);
    bring(&d, "t1/a", CTR_RUNNING);
    assert_null(strstr(report_of(&d, "t1"), "Error"));
    drive_end(&d);
}

static void test_image_used_although_the_pull_failed(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    fails(&d, CORE_OP_PULL, "t1/a", ERR_IO, "EOF");
    done(&d, CORE_OP_INSPECT_IMAGE, "t1/a");
    assert_true(noted(&d, "pull failed, using the image that is here: CannotPullContainerError: "
                          "EOF"));
    expect_op(&d, CORE_OP_CREATE, "t1/a");
    drive_end(&d);
}

/* With a registry out of reach, who waits for its turn to pull the same image need not. */
static void test_failed_pull_is_shared(void **state)
{
    struct drive d;

    (void)state;
    drive_empty(&d);
    d.cfg.pull_parallel = 1;
    drive_boot(&d);
    send_task(&d, TASK("t1", C("a", "")));
    send_task(&d, TASK("t2", C("a", "")));
    send_task(&d, TASK("t3", "{'name':'a','image':'other','essential':true}"));
    assert_null(pending_op(&d, "t2/a"));
    fails(&d, CORE_OP_PULL, "t1/a", ERR_IO, "no route to host");
    expect_op(&d, CORE_OP_INSPECT_IMAGE, "t1/a");
    expect_op(&d, CORE_OP_PULL, "t3/a");
    done(&d, CORE_OP_INSPECT_IMAGE, "t2/a");
    assert_true(noted(&d, "pull failed, using the image that is here: CannotPullContainerError: "
                          "no route to host"));
    expect_op(&d, CORE_OP_CREATE, "t2/a");
    drive_end(&d);
}

static void test_refused_pull_is_not_shared(void **state)
{
    struct drive d;

    (void)state;
    drive_empty(&d);
    d.cfg.pull_parallel = 1;
    drive_boot(&d);
    send_task(&d, TASK("t1", C("a", "")));
    send_task(&d, TASK("t2", C("a", "")));
    fails(&d, CORE_OP_PULL, "t1/a", ERR_DENIED, "denied");
    expect_op(&d, CORE_OP_PULL, "t2/a");
    drive_end(&d);
}

static void test_image_without_digest(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    done(&d, CORE_OP_PULL, "t1/a");
    d.image_here = false; /* it went away between pull and look: the create will say */
    done(&d, CORE_OP_INSPECT_IMAGE, "t1/a");
    bring(&d, "t1/a", CTR_RUNNING);
    assert_null(strstr(report_of(&d, "t1"), "imageDigest"));
    drive_end(&d);
}

/* ---- a stop while the image comes ---- */

static void test_stop_cancels(void **state)
{
    static const enum core_op ops[] = { CORE_OP_PULL, CORE_OP_INSPECT_IMAGE };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        struct drive d;
        uint64_t id;

        drive_begin(&d);
        send_task(&d, TASK("t1", C("a", "")));
        if (ops[i] != CORE_OP_PULL)
            done(&d, CORE_OP_PULL, "t1/a");
        id = expect_op(&d, ops[i], "t1/a")->id;
        pass(&d, 2000);
        want_stopped(&d, "t1");
        assert_int_equal(count_actions(&d, CORE_ACT_CANCEL), 1);
        assert_int_equal(acted(&d, CORE_ACT_CANCEL)->id, id);
        assert_null(pending_op(&d, "t1/a"));
        assert_report_has(&d, "t1", "'status':'STOPPED','task'");
        assert_report_has(&d, "t1",
                          ops[i] == CORE_OP_PULL
                              ? "'pullStartedAt':1700000000,'pullStoppedAt':1700000002,"
                              : "'pullStoppedAt':1700000000,");
        /* An answer that was on its way changes nothing. */
        drive_step(&d, &(struct core_event){ .type = CORE_EV_OP_DONE, .u.op.id = id });
        assert_null(pending_op(&d, "t1/a"));
        drive_end(&d);
    }
}

static void test_upfront(void **state)
{
    struct drive d;

    (void)state;
    drive_empty(&d);
    d.cfg.pull_upfront = true;
    drive_boot(&d);
    send_task(&d, TASK("t1", SIDE("first", "") "," C("a", AFTER("first", "START"))));
    bring(&d, "t1/a", CTR_PULLED);
    assert_null(pending_op(&d, "t1/a"));
    bring(&d, "t1/first", CTR_RUNNING);
    expect_op(&d, CORE_OP_CREATE, "t1/a");
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_behaviors),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_silence_is_tried_again),
        cmocka_unit_test(test_bad_reference),
        cmocka_unit_test(test_second_try_works),
        cmocka_unit_test(test_image_used_although_the_pull_failed),
        cmocka_unit_test(test_failed_pull_is_shared),
        cmocka_unit_test(test_refused_pull_is_not_shared),
        cmocka_unit_test(test_image_without_digest),
        cmocka_unit_test(test_stop_cancels),
        cmocka_unit_test(test_upfront),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
