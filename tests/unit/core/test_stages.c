/* stages.c: where the time of a task goes. */
#include "unit/core/twin.h"

/* How long the task (container NULL) or its container has been in a stage; -1: never. */
static int64_t spent(const struct drive *d, const char *id, const char *container,
                     const char *stage)
{
    AUTO(buf) struct buf b = BUF_INIT(1 << 16);
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root;
    struct jw w;

    jw_init(&w, &b);
    core_write_stages(d->core, arn_of(id), d->now, &w);
    assert_int_equal(json_parse(b.data, b.len, &doc, &e), ERR_OK);
    root = jcur_root(doc, &e);
    JCUR_EACH (one, &root) {
        const char *of = jcur_str_or(&one, "container", NULL);

        assert_true(jcur_int(&one, "for_ms", 0, SANE_MAX) >= 0);
        if (!of == !container && (!of || streq(of, container)) &&
            streq(jcur_str(&one, "stage"), stage))
            return jcur_int(&one, "for_ms", 0, SANE_MAX);
    }
    return -1;
}

static const struct core_stages *of_ctr(const struct drive *d, const char *place)
{
    return &ctr_at(d, place)->stages;
}

static void assert_stages(const struct drive *d, const char *id, const char *want)
{
    struct buf b = BUF_INIT(1 << 16);
    struct jw w;

    jw_init(&w, &b);
    core_write_stages(d->core, arn_of(id), d->now, &w);
    assert_string_equal(buf_text(&b), json(want));
    buf_fini(&b);
}

/* Every millisecond between arrival and end is in exactly one stage of the container. */
static void test_life(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    pass(&d, 2900);
    done(&d, CORE_OP_PULL, "t1/a");
    done(&d, CORE_OP_INSPECT_IMAGE, "t1/a");
    pass(&d, 200);
    done(&d, CORE_OP_CREATE, "t1/a");
    pass(&d, 300);
    done(&d, CORE_OP_START, "t1/a");
    pass(&d, 50);
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_int_equal(ctr_at(&d, "t1/a")->known, CTR_RUNNING);
    pass(&d, 1000);
    assert_stages(&d, "t1",
                  "[{'stage':'room','from':'2023-11-14T22:13:20.000Z','for_ms':0,'done':true},"
                  "{'stage':'prepare','from':'2023-11-14T22:13:20.000Z','for_ms':3450,'done':true},"
                  "{'stage':'run','from':'2023-11-14T22:13:23.450Z','for_ms':1000,'done':false},"
                  "{'stage':'room','container':'a','from':'2023-11-14T22:13:20.000Z','for_ms':0,"
                  "'done':true},"
                  "{'stage':'pull','container':'a','from':'2023-11-14T22:13:20.000Z',"
                  "'for_ms':2900,'done':true},"
                  "{'stage':'create','container':'a','from':'2023-11-14T22:13:22.900Z',"
                  "'for_ms':200,'done':true},"
                  "{'stage':'start','container':'a','from':'2023-11-14T22:13:23.100Z',"
                  "'for_ms':350,'done':true},"
                  "{'stage':'run','container':'a','from':'2023-11-14T22:13:23.450Z',"
                  "'for_ms':1000,'done':false}]");
    accept_report(&d, "t1");
    want_stopped(&d, "t1");
    pass(&d, 700);
    done(&d, CORE_OP_STOP, "t1/a");
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_int_equal(ctr_at(&d, "t1/a")->known, CTR_STOPPED);
    pass(&d, 400);
    assert_int_equal(spent(&d, "t1", "a", "stop"), 700);
    assert_int_equal(spent(&d, "t1", NULL, "stop"), 700);
    assert_int_equal(spent(&d, "t1", NULL, "report"), 400);
    accept_report(&d, "t1");
    pass(&d, 60);
    assert_int_equal(spent(&d, "t1", NULL, "report"), 400);
    assert_int_equal(spent(&d, "t1", NULL, "kept"), 60);
    assert_int_equal(spent(&d, "t1", "a", "run"), 1000); /* it has ended: no more is added */
    drive_end(&d);
}

static void test_waits(void **state)
{
    struct drive d;

    (void)state;
    drive_empty(&d);
    d.cfg.pull_parallel = 1;
    drive_boot(&d);
    send_task(&d, TASK("t1", C("a", ",'memory':4096")));
    send_task(&d, TASK("t2", C("a", ",'memory':4096,'healthCheckType':'docker'") "," SIDE(
                                 "b", AFTER("a", "HEALTHY"))));
    pass(&d, 5000);
    assert_int_equal(spent(&d, "t2", NULL, "room"), 5000);
    assert_int_equal(spent(&d, "t2", "b", "room"), 5000);
    want_stopped(&d, "t1");
    pass(&d, 100);
    bring(&d, "t2/a", CTR_RUNNING);
    pass(&d, 2000);
    assert_int_equal(spent(&d, "t2", "a", "health"), 2000);
    assert_int_equal(spent(&d, "t2", "b", "dependencies"), 2100);
    turns(&d, "t2/a", HEALTH_OK);
    pass(&d, 10);
    assert_int_equal(spent(&d, "t2", "a", "health"), 2000);
    assert_int_equal(spent(&d, "t2", "a", "run"), 10);
    /* A health that is lost later is not a start that takes long. */
    turns(&d, "t2/a", HEALTH_BAD);
    pass(&d, 10);
    assert_int_equal(spent(&d, "t2", "a", "run"), 20);
    drive_end(&d);
}

static void test_turn_to_pull(void **state)
{
    struct drive d;

    (void)state;
    drive_empty(&d);
    d.cfg.pull_parallel = 1;
    drive_boot(&d);
    send_task(&d, TASK("t1", C("a", "") "," C("b", "")));
    pass(&d, 1500);
    assert_int_equal(spent(&d, "t1", "a", "pull"), 1500);
    assert_int_equal(spent(&d, "t1", "b", "pull_turn"), 1500);
    done(&d, CORE_OP_PULL, "t1/a");
    pass(&d, 500);
    assert_int_equal(spent(&d, "t1", "b", "pull_turn"), 1500);
    assert_int_equal(spent(&d, "t1", "b", "pull"), 500);
    drive_end(&d);
}

static void test_restart_policy(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", ",'restartPolicy':{'enabled':true,'restartAttemptPeriod':0}")));
    bring(&d, "t1/a", CTR_RUNNING);
    pass(&d, 61000);
    exits(&d, "t1/a", 1);
    assert_int_equal(of_ctr(&d, "t1/a")->now, STAGE_RESTART);
    pass(&d, 30);
    done(&d, CORE_OP_START, "t1/a");
    done(&d, CORE_OP_INSPECT, "t1/a");
    pass(&d, 1000);
    assert_int_equal(spent(&d, "t1", "a", "restart"), 30);
    assert_int_equal(spent(&d, "t1", "a", "run"), 62000);
    drive_end(&d);
}

/* The wall clock steps, forwards and back: lengths do not. */
static void test_wall_steps(void **state)
{
    static const int64_t steps[] = { 86400000, -2 * 86400000 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct drive d;

        drive_begin(&d);
        send_task(&d, TASK("t1", C("a", "")));
        pass(&d, 100);
        d.now.wall_ms += steps[i];
        pass(&d, 100);
        done(&d, CORE_OP_PULL, "t1/a");
        done(&d, CORE_OP_INSPECT_IMAGE, "t1/a");
        assert_int_equal(spent(&d, "t1", "a", "pull"), 200);
        drive_end(&d);
    }
}

/* The agent was away for ten minutes: what runs ran on. */
static void test_crash(void **state)
{
    static const struct {
        int64_t away_ms, wall_ms, want_ms;
    } rows[] = {
        { 600000, 600000, 601000 },
        { 600000, -5000, 0 }, /* the clock was set to before it started: clamped */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct drive d;

        drive_begin(&d);
        send_task(&d, TASK("t1", C("a", "")));
        pass(&d, 300);
        bring(&d, "t1/a", CTR_RUNNING);
        pass(&d, 1000);
        d.now.mono_ms = 7; /* another life, another origin */
        d.now.wall_ms += rows[i].wall_ms;
        drive_crash(&d);
        done(&d, CORE_OP_INSPECT, "t1/a");
        assert_int_equal(spent(&d, "t1", "a", "run"), rows[i].want_ms);
        assert_int_equal(spent(&d, "t1", "a", "pull"), 300);
        pass(&d, 50);
        assert_int_equal(spent(&d, "t1", "a", "run"), rows[i].want_ms + 50);
        drive_end(&d);
    }
}

/* What a release without stages has stored is read, and what runs has run since it started. */
static void test_stored_before_stages(void **state)
{
    struct drive d;

    (void)state;
    drive_running(&d);
    for (size_t i = 0; i < d.n_rows; i++) {
        char *at = d.rows[i].value;

        while (d.rows[i].kind == CORE_KIND_STATE && (at = strstr(at, "\"stages\":{"))) {
            const char *end = strchr(at, '}');

            assert_non_null(end);
            memmove(at, end + 2, strlen(end + 2) + 1);
        }
    }
    pass(&d, 9000);
    drive_crash(&d);
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_int_equal(ctr_at(&d, "t1/a")->known, CTR_RUNNING);
    assert_int_equal(spent(&d, "t1", "a", "run"), 9000);
    assert_int_equal(spent(&d, "t1", "a", "pull"), -1);
    drive_end(&d);
}

/* A record has the open stage with its begin on the monotonic clock. */
static void test_record(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    pass(&d, 321);
    done(&d, CORE_OP_PULL, "t1/a");
    d.now.wall_ms -= 5000;
    pass(&d, 11);
    swap_core(&d);
    drive_end(&d);
}

/* A task that could not be decoded has an end, and nothing else. */
static void test_refused(void **state)
{
    const char *const texts[] = { "!t1 broken" };
    struct drive d;

    (void)state;
    drive_begin(&d);
    payload(&d, "m", -1, texts, 1);
    pass(&d, 40);
    assert_stages(&d, "t1",
                  "[{'stage':'report','from':'2023-11-14T22:13:20.000Z','for_ms':40,"
                  "'done':false}]");
    assert_stages(&d, "nosuchtask", "[]");
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_turn_to_pull),
        cmocka_unit_test(test_restart_policy),
        cmocka_unit_test(test_wall_steps),
        cmocka_unit_test(test_crash),
        cmocka_unit_test(test_stored_before_stages),
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
