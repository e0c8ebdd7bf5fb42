/* intake.c, persist.c: what a new process makes of what the old one stored. */
#include "unit/core/drive.h"

/* ---- a crash after each commit of a whole life ---- */

/* A life without a script: a control plane that wants t1 to run and, when told that
 * it does, to stop; an engine that obeys. */
struct life {
    struct drive d;
    bool run_acked, stop_acked;
    int running, stopped; /* reports accepted */
    int disorder;         /* RUNNING after STOPPED */
    int starts;
};

#define TWO TASK("t1", SIDE("init", "") "," C("a", ",'cpu':100" AFTER("init", "SUCCESS")))

static void take_report(struct life *l, const char *body)
{
    if (strstr(body, "\"status\":\"STOPPED\",\"task\"")) {
        l->stopped++;
    } else if (strstr(body, "\"status\":\"RUNNING\",\"task\"")) {
        l->running++;
        l->disorder += l->stopped > 0;
    }
}

static void take_acks(struct life *l)
{
    for (size_t i = l->d.last; i < l->d.log.n; i++) {
        if (l->d.log.items[i].type != CORE_ACT_ACK)
            continue;
        l->run_acked |= streq(l->d.log.items[i].key, "run");
        l->stop_acked |= streq(l->d.log.items[i].key, "stop");
    }
}

/* The world carries everything out that is under way, and nobody hears of it. */
static void unheard(struct life *l)
{
    struct ctr_facts facts;
    struct core_event ev;

    for (size_t i = 0; i < l->d.log.n; i++) {
        const struct core_action *a = &l->d.log.items[i];

        if (l->d.over[i])
            continue;
        if (a->type == CORE_ACT_OP)
            engine_do(&l->d, a, &ev, &facts);
        else if (a->type == CORE_ACT_REPORT)
            take_report(l, a->value);
    }
}

static void one_event(struct life *l)
{
    static const char *const run = TWO;
    static const char *const stop = "{'arn':'" ARN("t1") "','desiredStatus':'STOPPED',"
                                                         "'containers':[]}";
    struct drive *d = &l->d;
    struct drive_box *init;

    if (!l->run_acked) {
        payload(d, "run", 1, &run, 1);
        return;
    }
    if (l->running && !l->stop_acked) {
        payload(d, "stop", 2, &stop, 1);
        return;
    }
    for (size_t i = 0; i < d->log.n; i++) {
        const struct core_action *a = &d->log.items[i];
        const char *place = a->container ? "t1/a" : "t1/init";

        if (d->over[i])
            continue;
        if (a->type == CORE_ACT_OP) {
            l->starts += a->op == CORE_OP_START;
            done(d, a->op, place);
            return;
        }
        if (a->type == CORE_ACT_REPORT) {
            take_report(l, a->value);
            accept_report(d, "t1");
            return;
        }
    }
    init = core_task_count(d->core) ? box_of(d, "t1/init") : NULL;
    if (init && init->status == CTR_RUNNING) {
        box_end(d, init, 0);
        happens(d, CORE_HAP_DIED, "t1/init");
        return;
    }
    assert_true(d->timer_at >= 0);
    pass(d, d->timer_at - d->now.mono_ms);
}

/* Crashes right after commit number `at` (0: never), before or after what it says is
 * carried out. Returns how many commits there were. */
static int live(int at, bool carried_out)
{
    struct life l = { 0 };
    int commits;

    drive_begin(&l.d);
    for (int turn = 0; turn == 0 || core_task_count(l.d.core) || !l.stopped; turn++) {
        assert_true(turn < 200);
        one_event(&l);
        if (at && l.d.commits >= at) {
            at = 0;
            if (carried_out)
                unheard(&l);
            pass(&l.d, 0);
            drive_crash(&l.d);
            continue;
        }
        take_acks(&l);
    }
    commits = l.d.commits;
    assert_true(l.running >= 1);
    assert_in_range(l.stopped, 1, 2); /* twice if the first answer was lost */
    assert_int_equal(l.disorder, 0);
    assert_int_equal(l.starts <= 3 && l.starts >= 2 - carried_out, 1);
    assert_int_equal(l.d.n_boxes, 0);
    assert_int_equal(task_rows(&l.d), 0);
    assert_int_equal(l.d.creates_denied, 0); /* it looked before it created again */
    assert_int_equal(l.d.next_box, 2);
    drive_end(&l.d);
    return commits;
}

static void test_crash_after_each_commit(void **state)
{
    int commits = live(0, false);

    (void)state;
    assert_true(commits > 12);
    for (int at = 1; at <= commits; at++) {
        live(at, false);
        live(at, true);
    }
}

/* ---- the same status comes back ---- */

static void test_restored_at_each_status(void **state)
{
    (void)state;
    for (enum ctr_status s = CTR_NONE; s <= CTR_RUNNING; s++) {
        struct drive d;
        char *name;

        drive_begin(&d);
        d.manifests_by_hand = s == CTR_NONE;
        send_task(&d, TASK("t1", C("a", "")));
        bring(&d, "t1/a", s);
        name = mem_strdup(core_docker_name(d.core, ARN("t1"), 0));
        drive_crash(&d);
        assert_string_equal(core_docker_name(d.core, ARN("t1"), 0), name);
        free(name);
        bring(&d, "t1/a", CTR_RUNNING);
        if (s == CTR_RUNNING)
            done(&d, CORE_OP_INSPECT, "t1/a");
        assert_null(pending_op(&d, "t1/a"));
        assert_report_has(&d, "t1",
                          "'imageDigest':'sha256:d1','runtimeId':'id-1','status':"
                          "'RUNNING'}]");
        drive_end(&d);
    }
}

static void test_what_was_accepted_is_not_said_again(void **state)
{
    struct drive d;

    (void)state;
    drive_running(&d);
    accept_report(&d, "t1");
    drive_crash(&d);
    done(&d, CORE_OP_INSPECT, "t1/a");
    pass(&d, 60000);
    assert_null(pending_report(&d, "t1"));
    drive_end(&d);
}

/* The disk was full, so the next agent knows less than was told. */
static void test_nothing_is_told_before_a_look(void **state)
{
    (void)state;
    for (enum ctr_status stored = CTR_CREATED; stored <= CTR_RUNNING; stored++) {
        for (int i = 0; i < 4; i++) {
            bool ended = i & 1, stops = i & 2;
            struct drive d;

            drive_begin(&d);
            send_task(&d, TASK("t1", C("a", "")));
            bring(&d, "t1/a", stored);
            d.no_store = true;
            bring(&d, "t1/a", CTR_RUNNING);
            while (!strstr(report_of(&d, "t1"), json("'status':'RUNNING','task'")))
                accept_report(&d, "t1");
            accept_report(&d, "t1");
            if (ended)
                exits(&d, "t1/a", 3);
            drive_crash(&d);
            pass(&d, 5000);
            assert_null(pending_report(&d, "t1"));
            if (stops) {
                want_stopped(&d, "t1");
                done(&d, CORE_OP_INSPECT, "t1/a");
                pass(&d, 5000);
                if (stored == CTR_CREATED && !ended)
                    assert_null(pending_report(&d, "t1"));
                drive_end(&d);
                continue;
            }
            done(&d, CORE_OP_INSPECT, "t1/a");
            assert_report_has(&d, "t1",
                              ended ? "'status':'STOPPED','task'" : "'status':'RUNNING','task'");
            drive_end(&d);
        }
    }
}

static void test_reasons_survive(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    bring(&d, "t1/a", CTR_PULLED);
    fails(&d, CORE_OP_CREATE, "t1/a", ERR_IO, "no");
    drive_crash(&d);
    assert_report_has(&d, "t1", "'reason':'CannotCreateContainerError: no'");
    send_task(&d, TASK("t2", C("a", ",'cpu':9999")));
    drive_crash(&d);
    assert_report_has(&d, "t2", "'reason':'this host can never run the task: it needs 9999 CPU");
    drive_end(&d);
}

static void test_ended_while_nobody_looked(void **state)
{
    struct drive d;

    (void)state;
    drive_running(&d);
    accept_report(&d, "t1");
    box_end(&d, box_of(&d, "t1/a"), 5);
    drive_crash(&d);
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_report_has(&d, "t1", "'exitCode':5");
    drive_end(&d);
}

static void test_vanished_while_nobody_looked(void **state)
{
    struct drive d;

    (void)state;
    drive_running(&d);
    accept_report(&d, "t1");
    box_drop(&d, box_of(&d, "t1/a"));
    drive_crash(&d);
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_report_has(&d, "t1",
                      "'reason':'ContainerVanishedError: No container matching saved ID found'");
    accept_report(&d, "t1");
    pass(&d, 3600000);
    done(&d, CORE_OP_DRAIN_LOGS, "t1/a"); /* the reader of its log and the cursor go too */
    done(&d, CORE_OP_REMOVE, "t1/a");
    assert_int_equal(core_task_count(d.core), 0);
    drive_end(&d);
}

/* ---- adoption ---- */

static void test_name_in_use_is_adopted(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    bring(&d, "t1/a", CTR_PULLED);
    box_make(&d, expect_op(&d, CORE_OP_CREATE, "t1/a")->ref);
    done(&d, CORE_OP_CREATE, "t1/a"); /* "is already in use" */
    assert_string_equal(expect_op(&d, CORE_OP_INSPECT, "t1/a")->ref,
                        core_docker_name(d.core, ARN("t1"), 0));
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_string_equal(core_docker_id(d.core, ARN("t1"), 0), "id-1");
    expect_op(&d, CORE_OP_START, "t1/a");
    drive_end(&d);
}

static void test_answer_to_a_create_is_lost(void **state)
{
    static const bool made[] = { true, false };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(made); i++) {
        struct drive d;

        drive_begin(&d);
        send_task(&d, TASK("t1", C("a", "")));
        bring(&d, "t1/a", CTR_PULLED);
        if (made[i])
            box_make(&d, expect_op(&d, CORE_OP_CREATE, "t1/a")->ref);
        fails(&d, CORE_OP_CREATE, "t1/a", ERR_RETRY, "connection reset");
        pass(&d, 240);
        done(&d, CORE_OP_INSPECT, "t1/a");
        bring(&d, "t1/a", CTR_RUNNING);
        assert_int_equal(d.creates_denied, 0);
        assert_int_equal(d.next_box, 1);
        drive_end(&d);
    }
}

static void test_name_in_use_by_nobody(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    bring(&d, "t1/a", CTR_PULLED);
    for (int i = 0; i < 4; i++) {
        fails(&d, CORE_OP_CREATE, "t1/a", ERR_CONFLICT, "in use");
        if (i) {
            assert_null(pending_op(&d, "t1/a")); /* not in a tight loop */
            pass(&d, 12000);
        }
        if (op_at(&d, "t1/a") == CORE_OP_INSPECT)
            done(&d, CORE_OP_INSPECT, "t1/a");
        pass(&d, 12000);
    }
    bring(&d, "t1/a", CTR_RUNNING);
    drive_end(&d);
}

/* Created, but the process died before the answer; the task is to stop meanwhile. */
static void test_late_create_is_removed(void **state)
{
    struct drive d;
    char *name;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    bring(&d, "t1/a", CTR_PULLED);
    name = mem_strdup(expect_op(&d, CORE_OP_CREATE, "t1/a")->ref);
    drive_crash(&d);
    done(&d, CORE_OP_INSPECT, "t1/a"); /* not there yet */
    want_stopped(&d, "t1");
    accept_report(&d, "t1");
    assert_int_equal(find_task(d.core, ARN("t1"))->known, TASK_STOPPED);
    box_make(&d, name);
    happens(&d, CORE_HAP_CREATED, "t1/a");
    done(&d, CORE_OP_INSPECT, "t1/a");
    pass(&d, 3600000);
    done(&d, CORE_OP_DRAIN_LOGS, "t1/a");
    done(&d, CORE_OP_REMOVE, "t1/a");
    assert_int_equal(d.n_boxes, 0);
    assert_int_equal(core_task_count(d.core), 0);
    free(name);
    drive_end(&d);
}

/* Even after a removal that found nothing. */
static void test_very_late_create_is_removed(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    bring(&d, "t1/a", CTR_PULLED);
    fails(&d, CORE_OP_CREATE, "t1/a", ERR_TIMEOUT, "");
    done(&d, CORE_OP_INSPECT, "t1/a");
    pass(&d, 3600000); /* its end is not accepted yet */
    box_make(&d, core_docker_name(d.core, ARN("t1"), 0));
    happens(&d, CORE_HAP_CREATED, "t1/a");
    done(&d, CORE_OP_INSPECT, "t1/a");
    accept_report(&d, "t1");
    done(&d, CORE_OP_DRAIN_LOGS, "t1/a");
    done(&d, CORE_OP_REMOVE, "t1/a");
    assert_int_equal(d.n_boxes, 0);
    pass(&d, 5000); /* nothing is on its way any more */
    assert_int_equal(core_task_count(d.core), 0);
    drive_end(&d);
}

/* Even when it was made again since and somebody removed that one. */
static void test_late_create_after_another(void **state)
{
    struct drive d;
    char *name;

    (void)state;
    drive_running(&d);
    accept_report(&d, "t1");
    name = mem_strdup(core_docker_name(d.core, ARN("t1"), 0));
    happens(&d, CORE_HAP_DESTROYED, "t1/a");
    box_drop(&d, box_of(&d, "t1/a"));
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_int_equal(find_task(d.core, ARN("t1"))->known, TASK_STOPPED);
    box_make(&d, name);
    happens(&d, CORE_HAP_CREATED, "t1/a");
    done(&d, CORE_OP_INSPECT, "t1/a");
    accept_report(&d, "t1");
    pass(&d, 3600000);
    done(&d, CORE_OP_DRAIN_LOGS, "t1/a");
    done(&d, CORE_OP_REMOVE, "t1/a");
    assert_int_equal(d.n_boxes, 0);
    assert_int_equal(core_task_count(d.core), 0);
    free(name);
    drive_end(&d);
}

/* ---- runs although it is stopped ---- */

static void test_runs_again(void **state)
{
    struct drive d;
    struct core_listed row = { 0 };
    struct core_event ev = { .type = CORE_EV_LISTED };

    (void)state;
    drive_running(&d);
    accept_report(&d, "t1");
    exits(&d, "t1/a", 0);
    accept_report(&d, "t1");
    box_of(&d, "t1/a")->status = CTR_RUNNING;
    happens(&d, CORE_HAP_STARTED, "t1/a");
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_true(noted(&d, "it runs again although it was stopped; stopping it"));
    done(&d, CORE_OP_STOP, "t1/a");
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_null(pending_op(&d, "t1/a"));
    assert_null(pending_report(&d, "t1"));

    box_of(&d, "t1/a")->status = CTR_RUNNING; /* and while no events came */
    row.id = box_of(&d, "t1/a")->id;
    row.name = box_of(&d, "t1/a")->name;
    row.task_arn = ARN("t1");
    row.status = CTR_RUNNING;
    ev.u.listed.rows = &row;
    ev.u.listed.n_rows = 1;
    drive_step(&d, &ev);
    done(&d, CORE_OP_INSPECT, "t1/a");
    done(&d, CORE_OP_STOP, "t1/a");
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_int_equal(ctr_at(&d, "t1/a")->known, CTR_STOPPED);
    drive_end(&d);
}

static void test_strangers_are_left_alone(void **state)
{
    struct core_listed rows[] = { { "x", "ecs-x", ARN("gone"), CTR_RUNNING, NULL } };
    struct core_event ev = { .type = CORE_EV_LISTED };
    struct drive d;

    (void)state;
    drive_begin(&d);
    ev.u.listed.rows = rows;
    ev.u.listed.n_rows = 1;
    drive_step(&d, &ev);
    assert_true(noted(&d, "1 containers carry the labels of tasks that this agent does not know"));
    assert_null(acted(&d, CORE_ACT_OP));
    drive_end(&d);
}

/* ---- a store that lost something ---- */

static void damage(struct drive *d, const char *from, const char *to)
{
    for (size_t i = 0; i < d->n_rows; i++) {
        char *value = d->rows[i].value, *at = strstr(value, from);
        size_t before = at ? (size_t)(at - value) : 0;

        if (d->rows[i].kind != CORE_KIND_STATE)
            continue;
        assert_non_null(at);
        d->rows[i].value = mem_printf("%.*s%s%s", (int)before, value, to, at + strlen(from));
        free(value);
        return;
    }
    fail_msg("no state is stored");
}

static void test_unreadable_state(void **state)
{
    static const struct {
        const char *from, *to, *says;
    } rows[] = {
        { "{", "", "its stored state is lost or unreadable: " },
        { "\"v\":2", "\"v\":99", "v: 99 is not in 2..2" },
        { "\"known\":3,\"sent\"", "\"known\":9,\"sent\"", "known: 9 is not in 0..4" },
        { "\"name\":\"b\"", "\"name\":\"c\"",
          "containers[1]: expected the state of container 'b'" },
        { "\"containers\":[", "\"containers\":[{},",
          "containers: expected the state of 2 containers, got 3" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct drive d;

        drive_begin(&d);
        send_task(&d, TASK("t1", C("a", "") "," C("b", "")));
        bring(&d, "t1/a", CTR_RUNNING);
        bring(&d, "t1/b", CTR_RUNNING);
        accept_report(&d, "t1");
        damage(&d, rows[i].from, rows[i].to);
        drive_crash(&d);
        if (!noted(&d, rows[i].says)) {
            drive_dump(&d);
            fail_msg("nothing says: %s", rows[i].says);
        }
        /* What is left of it is found by its labels: test_rebuild.c. */
        assert_int_equal(core_task_count(d.core), 0);
        assert_null(stored(&d, CORE_KIND_TASK, ARN("t1")));
        assert_null(stored(&d, CORE_KIND_STATE, ARN("t1")));
        assert_non_null(stored(&d, CORE_KIND_META, CORE_META_LOST));
        drive_end(&d);
    }
}

/* Ranges of thousands of ports make a long state, which is to be read again. */
static void test_state_with_many_ports(void **state)
{
    struct drive d;
    struct core_event ev = { .type = CORE_EV_OP_DONE };
    struct ctr_facts facts = { .status = CTR_RUNNING, .n_bindings = 20000 };

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    bring(&d, "t1/a", CTR_CREATED);
    done(&d, CORE_OP_START, "t1/a");
    facts.bindings = mem_array(facts.n_bindings, sizeof *facts.bindings);
    for (size_t i = 0; i < facts.n_bindings; i++)
        facts.bindings[i] = (struct port_binding){ "0.0.0.0", (uint16_t)(20000 + i),
                                                   (uint16_t)(20000 + i), PORT_TCP };
    ev.u.op.id = expect_op(&d, CORE_OP_INSPECT, "t1/a")->id;
    ev.u.op.facts = &facts;
    drive_step(&d, &ev);
    drive_crash(&d);
    assert_int_equal(find_task(d.core, ARN("t1"))->desired, TASK_RUNNING);
    assert_int_equal(ctr_at(&d, "t1/a")->n_bindings, facts.n_bindings);
    free(facts.bindings);
    drive_end(&d);
}

static void test_missing_state(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    for (size_t i = 0; i < d.n_rows; i++)
        if (d.rows[i].kind == CORE_KIND_STATE)
            d.rows[i].kind = CORE_KIND_META; /* out of the way */
    drive_crash(&d);
    assert_true(noted(&d, "its stored state is lost or unreadable: missing"));
    assert_int_equal(core_task_count(d.core), 0);
    drive_end(&d);
}

/* ---- clean-up and the wall clock ---- */

static void test_cleanup_time_survives(void **state)
{
    static const struct {
        int64_t away_ms; /* real time until the new process */
        int64_t skew_ms; /* how the wall clock was set meanwhile */
        int64_t left_ms;
    } rows[] = {
        { 0, 0, 3600000 },       { 600000, 0, 3000000 },         { 3600000, 0, 0 },
        { 9999999, 0, 0 },       { 600000, -86400000, 3600000 }, /* back: the whole wait again, not
                                                                    a day of it */
        { 600000, 86400000, 0 },                                 /* forward: at once */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct drive d;

        drive_begin(&d);
        send_task(&d, TASK("t1", C("a", "")));
        bring(&d, "t1/a", CTR_RUNNING);
        exits(&d, "t1/a", 0);
        accept_report(&d, "t1");
        accept_report(&d, "t1");
        drive_die(&d);
        d.now.mono_ms = 5000; /* another boot */
        d.now.wall_ms += rows[i].away_ms + rows[i].skew_ms;
        drive_boot(&d);
        if (rows[i].left_ms) {
            pass(&d, rows[i].left_ms - 1);
            assert_null(pending_op(&d, "t1/a"));
            pass(&d, 1);
        }
        expect_op(&d, CORE_OP_DRAIN_LOGS, "t1/a");
        drive_end(&d);
    }
}

static void test_capacity_is_held_again(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", ",'cpu':1500")));
    send_task(&d, TASK("t2", C("a", ",'cpu':1000")));
    bring(&d, "t1/a", CTR_RUNNING);
    drive_crash(&d);
    assert_int_equal(d.core->capacity.cpu_used, 1500);
    assert_null(pending_op(&d, "t2/a"));
    done(&d, CORE_OP_INSPECT, "t1/a");
    exits(&d, "t1/a", 0);
    expect_op(&d, CORE_OP_PULL, "t2/a");
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crash_after_each_commit),
        cmocka_unit_test(test_restored_at_each_status),
        cmocka_unit_test(test_what_was_accepted_is_not_said_again),
        cmocka_unit_test(test_nothing_is_told_before_a_look),
        cmocka_unit_test(test_reasons_survive),
        cmocka_unit_test(test_ended_while_nobody_looked),
        cmocka_unit_test(test_vanished_while_nobody_looked),
        cmocka_unit_test(test_name_in_use_is_adopted),
        cmocka_unit_test(test_answer_to_a_create_is_lost),
        cmocka_unit_test(test_name_in_use_by_nobody),
        cmocka_unit_test(test_late_create_is_removed),
        cmocka_unit_test(test_very_late_create_is_removed),
        cmocka_unit_test(test_late_create_after_another),
        cmocka_unit_test(test_runs_again),
        cmocka_unit_test(test_strangers_are_left_alone),
        cmocka_unit_test(test_unreadable_state),
        cmocka_unit_test(test_state_with_many_ports),
        cmocka_unit_test(test_missing_state),
        cmocka_unit_test(test_cleanup_time_survives),
        cmocka_unit_test(test_capacity_is_held_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
