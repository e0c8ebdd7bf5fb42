/* deps.c: who may start, who may stop. */
#include "unit/core/drive.h"

/* ---- each condition, each state of the dependency ---- */

enum dep_state {
    NOT_YET,
    CREATED,
    RUNNING,
    HEALTHY,
    SICK,
    ENDED_0,
    ENDED_7,
    NEVER_RAN,
    DEP__COUNT
};

static void put_dependency(struct drive *d, enum dep_state s)
{
    switch (s) {
    case NOT_YET:
        break;
    case CREATED:
        bring(d, "t1/dep", CTR_CREATED);
        break;
    case RUNNING:
        bring(d, "t1/dep", CTR_RUNNING);
        break;
    case HEALTHY:
    case SICK:
        bring(d, "t1/dep", CTR_RUNNING);
        turns(d, "t1/dep", s == HEALTHY ? HEALTH_OK : HEALTH_BAD);
        break;
    case ENDED_0:
    case ENDED_7:
        bring(d, "t1/dep", CTR_RUNNING);
        exits(d, "t1/dep", s == ENDED_0 ? 0 : 7);
        break;
    case NEVER_RAN:
        bring(d, "t1/dep", CTR_PULLED);
        fails(d, CORE_OP_CREATE, "t1/dep", ERR_IO, "no");
        break;
    case DEP__COUNT:
        break;
    }
}

static char answer_now(struct drive *d)
{
    enum core_op op = op_at(d, "t1/a");

    return op == CORE_OP_PULL ? 'y' : ctr_at(d, "t1/a")->known == CTR_STOPPED ? '!' : '-';
}

/* y: it goes on; -: it waits; !: it never will, and fails. */
static void test_every_condition(void **state)
{
    static const struct {
        const char *condition;
        bool checked; /* the dependency has a health check */
        const char *want;
    } rows[] = {
        /* not yet, created, running, healthy, sick, ended 0, ended 7, never ran */
        { "START", false, "--yyyyy!" },    { "START", true, "--yyyyy!" },
        { "COMPLETE", false, "-----yy!" }, { "SUCCESS", false, "-----y!!" },
        { "HEALTHY", true, "---y-!!!" },   { "HEALTHY", false, "!!!!!!!!" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char got[DEP__COUNT + 1] = "";

        for (enum dep_state s = NOT_YET; s < DEP__COUNT; s++) {
            struct drive d;
            char text[600];

            drive_begin(&d);
            snprintf(text, sizeof text,
                     TASK("t1", C("a", AFTER("dep", "%s")) "," SIDE("dep", "%s")),
                     rows[i].condition, rows[i].checked ? ",'healthCheckType':'docker'" : "");
            send_task(&d, text);
            if (answer_now(&d) != '!') /* then it is over at once, dep with it */
                put_dependency(&d, s);
            got[s] = answer_now(&d);
            drive_end(&d);
        }
        assert_string_equal(got, rows[i].want);
    }
}

/* The engine answers an inspect only after it has tidied up; the event that says that the
 * program ended is enough for those who wait for that, and only for them. */
static void test_die_event_is_enough(void **state)
{
    static const struct {
        const char *condition, *dep; /* its definition */
        int exit_code;
        bool at_once;
    } rows[] = {
        { "COMPLETE", SIDE("dep", ""), 7, true },
        { "SUCCESS", SIDE("dep", ""), 0, true },
        { "SUCCESS", SIDE("dep", ""), 7, false },
        { "COMPLETE", C("dep", ""), 0, false }, /* essential: the task will stop */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct drive d;
        char text[600];

        drive_begin(&d);
        snprintf(text, sizeof text, TASK("t1", C("a", AFTER("dep", "%s")) ",%s"), rows[i].condition,
                 rows[i].dep);
        send_task(&d, text);
        bring(&d, "t1/dep", CTR_RUNNING);
        box_end(&d, box_of(&d, "t1/dep"), rows[i].exit_code);
        happens(&d, CORE_HAP_DIED, "t1/dep");
        assert_int_equal(op_at(&d, "t1/a") == CORE_OP_PULL, rows[i].at_once);
        expect_op(&d, CORE_OP_INSPECT, "t1/dep");
        drive_end(&d);
    }
}

/* ---- edges that are not written as dependsOn ---- */

static void test_implied_edges(void **state)
{
    static const struct {
        const char *members;
        enum ctr_status needs;
    } rows[] = {
        { ",'volumesFrom':[{'sourceContainer':'dep'}]", CTR_CREATED },
        { ",'links':['dep:db']", CTR_RUNNING },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct drive d;
        char text[600];

        drive_begin(&d);
        snprintf(text, sizeof text, TASK("t1", C("a", "%s") "," C("dep", "")), rows[i].members);
        send_task(&d, text);
        for (enum ctr_status s = CTR_PULLED; s <= rows[i].needs; s++) {
            assert_null(pending_op(&d, "t1/a"));
            bring(&d, "t1/dep", s);
        }
        expect_op(&d, CORE_OP_PULL, "t1/a");
        drive_end(&d);
    }
}

static void test_chain(void **state)
{
    static const char *const order[] = { "t1/a", "t1/b", "t1/c" };
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(
        &d, TASK("t1", C("c", AFTER("b", "START")) "," C("b", AFTER("a", "START")) "," C("a", "")));
    for (size_t i = 0; i < 3; i++) {
        for (size_t later = i + 1; later < 3; later++)
            assert_null(pending_op(&d, order[later]));
        bring(&d, order[i], CTR_RUNNING);
    }
    want_stopped(&d, "t1");
    for (size_t i = 3; i-- > 0;) {
        for (size_t earlier = 0; earlier < i; earlier++)
            assert_null(pending_op(&d, order[earlier]));
        if (i == 1)
            assert_why(&d, "t1",
                       "[{'container':'b','waits_for':'Docker to stop it','for_ms':0},"
                       "{'container':'a','waits_for':'container b, which depends on it, to stop "
                       "first','for_ms':0},"
                       "{'waits_for':'the control plane to accept a report of its "
                       "state','for_ms':0}]");
        done(&d, CORE_OP_STOP, order[i]);
        done(&d, CORE_OP_INSPECT, order[i]);
    }
    assert_int_equal(find_task(d.core, ARN("t1"))->known, TASK_STOPPED);
    drive_end(&d);
}

static void test_independent_ones_stop_together(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "") "," C("b", "") "," C("c", AFTER("a", "START"))));
    bring(&d, "t1/a", CTR_RUNNING);
    bring(&d, "t1/b", CTR_RUNNING);
    bring(&d, "t1/c", CTR_RUNNING);
    want_stopped(&d, "t1");
    expect_op(&d, CORE_OP_STOP, "t1/b");
    expect_op(&d, CORE_OP_STOP, "t1/c");
    assert_null(pending_op(&d, "t1/a"));
    drive_end(&d);
}

/* A dependent that waits has nothing to stop and holds up nobody. */
static void test_waiting_dependent_ends_at_once(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "") "," C("b", AFTER("a", "COMPLETE"))));
    bring(&d, "t1/a", CTR_RUNNING);
    want_stopped(&d, "t1");
    assert_int_equal(ctr_at(&d, "t1/b")->known, CTR_STOPPED);
    expect_op(&d, CORE_OP_STOP, "t1/a");
    drive_end(&d);
}

/* Dependents of a side container that is to stop alone go on running. */
static void test_side_container_stops_alone(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", SIDE("dep", "") "," C("a", AFTER("dep", "START"))));
    bring(&d, "t1/dep", CTR_CREATED);
    box_of(&d, "t1/dep")->status = CTR_RUNNING;
    box_of(&d, "t1/dep")->started = d.now.wall_ms;
    fails(&d, CORE_OP_START, "t1/dep", ERR_IO, "half done"); /* so it is to stop */
    done(&d, CORE_OP_INSPECT, "t1/dep");
    bring(&d, "t1/a", CTR_RUNNING);
    done(&d, CORE_OP_STOP, "t1/dep");
    done(&d, CORE_OP_INSPECT, "t1/dep");
    assert_int_equal(ctr_at(&d, "t1/dep")->known, CTR_STOPPED);
    assert_int_equal(ctr_at(&d, "t1/a")->known, CTR_RUNNING);
    assert_null(pending_op(&d, "t1/a"));
    drive_end(&d);
}

/* ---- start timeout ---- */

static void test_start_timeout(void **state)
{
    static const struct {
        const char *condition;
        int64_t timeout_s;
        bool counts;
    } rows[] = {
        { "COMPLETE", 5, true }, { "SUCCESS", 5, true },   { "HEALTHY", 5, true },
        { "START", 5, false },   { "COMPLETE", 0, false }, { "HEALTHY", 0, false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct drive d;
        char text[600];

        drive_begin(&d);
        snprintf(text, sizeof text,
                 TASK("t1", SIDE("dep", ",'healthCheckType':'docker','startTimeout':%d") "," SIDE(
                                "a", AFTER("dep", "%s"))),
                 (int)rows[i].timeout_s, rows[i].condition);
        send_task(&d, text);
        bring(&d, "t1/dep", CTR_PULLED);
        pass(&d, 100000); /* only from its start on */
        bring(&d, "t1/dep", CTR_RUNNING);
        pass(&d, 5000);
        assert_int_not_equal(ctr_at(&d, "t1/a")->known, CTR_STOPPED);
        pass(&d, 1);
        assert_int_equal(ctr_at(&d, "t1/a")->known == CTR_STOPPED, rows[i].counts);
        drive_end(&d);
    }
}

static void test_timeout_counts_only_before_the_create(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", SIDE("dep", ",'healthCheckType':'docker','startTimeout':5") "," C(
                                 "a", AFTER("dep", "HEALTHY"))));
    bring(&d, "t1/dep", CTR_RUNNING);
    turns(&d, "t1/dep", HEALTH_OK);
    bring(&d, "t1/a", CTR_CREATED);
    fails(&d, CORE_OP_START, "t1/a", ERR_RETRY, "away");
    pass(&d, 60000);
    done(&d, CORE_OP_INSPECT, "t1/a");
    bring(&d, "t1/a", CTR_RUNNING);
    drive_end(&d);
}

static void test_health_lost_before_the_start(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", SIDE("dep", ",'healthCheckType':'docker'") "," C(
                                 "a", AFTER("dep", "HEALTHY"))));
    bring(&d, "t1/dep", CTR_RUNNING);
    turns(&d, "t1/dep", HEALTH_OK);
    expect_op(&d, CORE_OP_PULL, "t1/a");
    turns(&d, "t1/dep", HEALTH_BAD);
    done(&d, CORE_OP_PULL, "t1/a");
    assert_null(pending_op(&d, "t1/a"));
    assert_why(&d, "t1",
               "[{'container':'dep','waits_for':'its health check to pass (now: "
               "UNHEALTHY)','for_ms':0},"
               "{'container':'a','waits_for':'container dep to become healthy','for_ms':0}]");
    turns(&d, "t1/dep", HEALTH_OK);
    bring(&d, "t1/a", CTR_RUNNING);
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_condition),
        cmocka_unit_test(test_die_event_is_enough),
        cmocka_unit_test(test_implied_edges),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_independent_ones_stop_together),
        cmocka_unit_test(test_waiting_dependent_ends_at_once),
        cmocka_unit_test(test_side_container_stops_alone),
        cmocka_unit_test(test_start_timeout),
        cmocka_unit_test(test_timeout_counts_only_before_the_create),
        cmocka_unit_test(test_health_lost_before_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
