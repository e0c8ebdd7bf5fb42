/* rebuild.c: tasks that only the engine still has. */
#include "unit/core/drive.h"

#define TWO \
    TASK("t1", SIDE("init", "") "," C("a", ",'cpu':100,'stopTimeout':7" AFTER("init", "SUCCESS")))

#define PORT_8080 ",'portMappings':[{'containerPort':80,'hostPort':8080}]"

/* A life begins without a store: what there is, is what the containers' labels say. */
struct lost {
    struct drive d;
    struct core_listed rows[8];
    char *labels[8];
    size_t n;
};

static void row(struct lost *l, const char *arn, const char *name, enum ctr_status status,
                const char *label)
{
    struct drive_box *b = box_make(&l->d, name);

    b->status = status;
    b->has_exit = status == CTR_STOPPED;
    b->started = status >= CTR_RUNNING ? l->d.now.wall_ms : 0;
    l->labels[l->n] = mem_strdup(label);
    l->rows[l->n] =
        (struct core_listed){ mem_strdup(b->id), b->name, arn, status, l->labels[l->n] };
    l->n++;
}

/* One container of a task whose JSON (with single quotes) is `json`. */
static void left(struct lost *l, const char *text, size_t container, const char *name,
                 enum ctr_status status)
{
    AUTO(buf) struct buf label = BUF_INIT(65536);
    struct task_create_args args = { .container = container, .metadata_id = "id-of-metadata" };
    struct task *t = decode(text);

    args.task = t;
    task_remains_write(&args, &label);
    row(l, ARN("t1"), name, status, buf_text(&label));
    task_destroy(t);
}

static void list(struct lost *l)
{
    struct core_event listed = { .type = CORE_EV_LISTED };

    listed.u.listed.rows = l->rows;
    listed.u.listed.n_rows = l->n;
    drive_step(&l->d, &listed);
}

static void begin(struct lost *l)
{
    struct core_event started = { .type = CORE_EV_STARTED,
                                  .u.started = { .manifest_seq = -1, .lost = true } };

    l->d.core = core_create(&l->d.cfg);
    list(l);
    drive_step(&l->d, &started);
}

static void lost_init(struct lost *l)
{
    *l = (struct lost){ 0 };
    drive_empty(&l->d);
}

static void lost_fini(struct lost *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free((void *)l->rows[i].id);
        free(l->labels[i]);
    }
    drive_end(&l->d);
}

static void test_what_runs_goes_on(void **state)
{
    struct lost l;
    struct core_seen_container k;

    (void)state;
    lost_init(&l);
    left(&l, TWO, 1, "ecs-a", CTR_RUNNING);
    left(&l, TWO, 0, "ecs-init", CTR_STOPPED);
    begin(&l);
    assert_true(noted(&l.d, "the task is rebuilt from the labels of its containers"));
    assert_string_equal(core_task(l.d.core, ARN("t1"))->containers[0].name, "init");
    assert_int_equal(core_task(l.d.core, ARN("t1"))->containers[1].stop_timeout_s, 7);
    assert_string_equal(core_metadata_id(l.d.core, ARN("t1"), 1), "id-of-metadata");
    assert_non_null(stored(&l.d, CORE_KIND_TASK, ARN("t1")));
    assert_non_null(stored(&l.d, CORE_KIND_STATE, ARN("t1")));
    done(&l.d, CORE_OP_INSPECT, "t1/a");
    assert_null(pending_report(&l.d, "t1")); /* the control plane knows more than this */
    done(&l.d, CORE_OP_INSPECT, "t1/init");
    assert_report_has(&l.d, "t1", "'status':'RUNNING','task'");
    accept_report(&l.d, "t1");
    assert_int_equal(op_at(&l.d, "t1/a"), CORE_OP_NONE);
    assert_true(core_see_container(l.d.core, ARN("t1"), 1, &k));
    assert_string_equal(k.docker_name, "ecs-a");
    exits(&l.d, "t1/a", 3);
    assert_report_has(&l.d, "t1", "'exitCode':3");
    lost_fini(&l);
}

/* It is here, and nobody knows how it was made; it goes behind the containers. */
static void test_a_volume_goes_with_its_task(void **state)
{
    struct lost l;

    (void)state;
    lost_init(&l);
    left(&l, TASK_WITH("t1", C("a", ""), ",'volumes':[{'name':'v','host':{}}]"), 0, "ecs-a",
         CTR_RUNNING);
    begin(&l);
    done(&l.d, CORE_OP_INSPECT, "t1/a");
    assert_null(side_op(&l.d, CORE_OP_CREATE_VOLUME));
    accept_report(&l.d, "t1");
    exits(&l.d, "t1/a", 0);
    accept_report(&l.d, "t1");
    pass(&l.d, 3600000);
    done(&l.d, CORE_OP_DRAIN_LOGS, "t1/a");
    assert_null(side_op(&l.d, CORE_OP_REMOVE_VOLUME));
    done(&l.d, CORE_OP_REMOVE, "t1/a");
    assert_string_equal(side_op(&l.d, CORE_OP_REMOVE_VOLUME)->ref, "ecs-f-1-v-t1");
    side_done_ok(&l.d, CORE_OP_REMOVE_VOLUME);
    assert_int_equal(core_task_count(l.d.core), 0);
    lost_fini(&l);
}

/* Of a container that is missing, or was made and not started, nobody knows what was to come. */
static void test_what_cannot_be_completed_is_stopped(void **state)
{
    for (int made = 0; made < 2; made++) {
        struct lost l;

        (void)state;
        lost_init(&l);
        left(&l, TWO, 1, "ecs-a", CTR_RUNNING);
        if (made)
            left(&l, TWO, 0, "ecs-init", CTR_CREATED);
        begin(&l);
        done(&l.d, CORE_OP_INSPECT, "t1/a");
        if (made)
            done(&l.d, CORE_OP_INSPECT, "t1/init");
        done(&l.d, CORE_OP_STOP, "t1/a");
        done(&l.d, CORE_OP_INSPECT, "t1/a");
        if (made)
            wait_for_late_start(&l.d, "t1/init");
        assert_report_has(&l.d, "t1",
                          "'reason':'TaskStateError: the agent lost what it had stored of this "
                          "task','status':'STOPPED'");
        lost_fini(&l);
    }
}

/* How it ended is told once more, and nothing is started again, whatever its policy. */
static void test_what_has_ended_stays_so(void **state)
{
    static const char text[] =
        TASK("t1", C("a", ",'restartPolicy':{'enabled':true,'restartAttemptPeriod':60}"));
    struct lost l;

    (void)state;
    lost_init(&l);
    left(&l, text, 0, "ecs-a", CTR_STOPPED);
    l.d.boxes[0].exit_code = 9;
    begin(&l);
    done(&l.d, CORE_OP_INSPECT, "t1/a");
    wait_for_late_start(&l.d, "t1/a"); /* its next run may have been asked for */
    assert_report_has(&l.d, "t1", "'exitCode':9");
    accept_report(&l.d, "t1");
    pass(&l.d, 3600000);
    done(&l.d, CORE_OP_DRAIN_LOGS, "t1/a");
    done(&l.d, CORE_OP_REMOVE, "t1/a");
    assert_int_equal(core_task_count(l.d.core), 0);
    lost_fini(&l);
}

/* A second container of one name, one of a local task, one whose label says nothing. */
static void test_strays_are_removed(void **state)
{
    struct lost l;

    (void)state;
    lost_init(&l);
    left(&l, TASK("t1", C("a", "")), 0, "ecs-a", CTR_RUNNING);
    left(&l, TASK("t1", C("a", "")), 0, "ecs-b", CTR_CREATED);
    left(&l, TASK("t1", C("a", "")), 0, "ecs-c", CTR_STOPPED);
    l.rows[2].task_arn = "arn:berth:local:::task/web/1";
    row(&l, ARN("t9"), "ecs-d", CTR_RUNNING, "no JSON");
    begin(&l);
    assert_int_equal(core_task_count(l.d.core), 3);
    assert_true(noted(&l.d, "are left alone: no container of"));
    list(&l); /* again changes nothing */
    assert_int_equal(core_task_count(l.d.core), 3);
    done(&l.d, CORE_OP_INSPECT, "t1/a");
    assert_report_has(&l.d, "t1", "'status':'RUNNING','task'");
    assert_null(stored(&l.d, CORE_KIND_TASK, "arn:berth:local:::task/web/1"));
    lost_fini(&l);
}

/* The next agent would take it for what is left of the task, whose end was told; and it may use
 * a volume of the task. */
static void test_a_task_is_known_as_long_as_its_strays(void **state)
{
    const char *task = TASK_WITH("t1", C("a", ""), ",'volumes':[{'name':'v','host':{}}]");
    struct lost l;

    (void)state;
    lost_init(&l);
    left(&l, task, 0, "ecs-a", CTR_RUNNING);
    left(&l, task, 0, "ecs-b", CTR_CREATED);
    begin(&l);
    done(&l.d, CORE_OP_INSPECT, "t1/a");
    accept_report(&l.d, "t1");
    exits(&l.d, "t1/a", 0);
    accept_report(&l.d, "t1");
    pass(&l.d, 3600000);
    done(&l.d, CORE_OP_DRAIN_LOGS, "t1/a");
    done(&l.d, CORE_OP_REMOVE, "t1/a");
    done(&l.d, CORE_OP_INSPECT, "t1#id-2/a");
    wait_for_late_start(&l.d, "t1#id-2/a");
    assert_non_null(find_task(l.d.core, ARN("t1")));
    assert_null(side_op(&l.d, CORE_OP_REMOVE_VOLUME));
    pass(&l.d, 3600000);
    done(&l.d, CORE_OP_DRAIN_LOGS, "t1#id-2/a");
    done(&l.d, CORE_OP_REMOVE, "t1#id-2/a");
    side_done_ok(&l.d, CORE_OP_REMOVE_VOLUME);
    assert_int_equal(core_task_count(l.d.core), 0);
    lost_fini(&l);
}

/* An earlier agent asked for it; it appears when its task has come once more. */
static void test_what_appears_late_is_removed(void **state)
{
    struct lost l;

    (void)state;
    lost_init(&l);
    begin(&l);
    send_task(&l.d, TASK("t1", C("a", "")));
    left(&l, TASK("t1", C("a", "")), 0, "ecs-late", CTR_CREATED);
    assert_non_null(core_task(l.d.core, ARN("t1")));
    assert_false(core_owns(l.d.core, l.rows[0].id, "ecs-late"));
    list(&l);
    assert_true(core_owns(l.d.core, "", "ecs-late"));
    assert_true(core_owns(l.d.core, l.rows[0].id, ""));
    done(&l.d, CORE_OP_INSPECT, "t1#id-1/a");
    pass(&l.d, 3600000);
    done(&l.d, CORE_OP_DRAIN_LOGS, "t1#id-1/a");
    done(&l.d, CORE_OP_REMOVE, "t1#id-1/a");
    assert_false(core_owns(l.d.core, l.rows[0].id, "ecs-late"));
    bring(&l.d, "t1/a", CTR_RUNNING);
    lost_fini(&l);
}

/* One was given the port when the other had ended; who holds it still, holds it alone. */
static void test_a_port_is_found_twice(void **state)
{
    struct lost l;

    (void)state;
    lost_init(&l);
    left(&l, TASK("t1", C("a", PORT_8080)), 0, "ecs-a", CTR_RUNNING);
    left(&l, TASK("t2", C("a", PORT_8080)), 0, "ecs-b", CTR_STOPPED);
    l.rows[1].task_arn = ARN("t2");
    begin(&l);
    done(&l.d, CORE_OP_INSPECT, "t1/a");
    done(&l.d, CORE_OP_INSPECT, "t2/a");
    assert_report_has(&l.d, "t2", "'status':'STOPPED','task'");
    assert_true(core_port_taken(l.d.core, PORT_TCP, 8080));
    accept_report(&l.d, "t1");
    exits(&l.d, "t1/a", 0);
    assert_report_has(&l.d, "t1", "'status':'STOPPED','task'");
    assert_false(core_port_taken(l.d.core, PORT_TCP, 8080));
    lost_fini(&l);
}

static void manifest(struct drive *d, const char *const *ids, size_t n)
{
    struct core_manifest_entry entries[4];
    struct core_event ev = { .type = CORE_EV_MANIFEST };

    for (size_t i = 0; i < n; i++)
        entries[i] = (struct core_manifest_entry){ ids[i], TASK_RUNNING };
    ev.u.manifest.message_id = "m";
    ev.u.manifest.cluster_arn = "c";
    ev.u.manifest.seq = 5;
    ev.u.manifest.entries = entries;
    ev.u.manifest.n_entries = n;
    drive_step(d, &ev);
}

/* The control plane knows of tasks that left no trace: they are given up, unless they come. */
static void test_missing_tasks_are_given_up(void **state)
{
    const char *const ids[] = { ARN("t1"), ARN("t2"), ARN("t3") };
    struct lost l;

    (void)state;
    lost_init(&l);
    left(&l, TASK("t1", C("a", "")), 0, "ecs-a", CTR_RUNNING);
    begin(&l);
    manifest(&l.d, ids, COUNT_OF(ids));
    assert_non_null(stored(&l.d, CORE_KIND_META, CORE_META_LOST));
    send_task(&l.d, TASK("t2", C("a", "")));
    pass(&l.d, 29000);
    assert_null(pending_report(&l.d, "t3"));
    pass(&l.d, 2000);
    assert_report_has(&l.d, "t3", "'reason':'TaskStateError: the agent lost");
    assert_null(pending_report(&l.d, "t2"));
    assert_null(stored(&l.d, CORE_KIND_META, CORE_META_LOST));
    lost_fini(&l);
}

/* They may have had a cgroup before the store was lost, and the control plane is the last that
 * knows their names. */
static void test_missing_tasks_leave_no_cgroup(void **state)
{
    const char *const ids[] = { ARN("t1"), ARN("t2") };
    struct lost l;

    (void)state;
    lost_init(&l);
    l.d.cfg.task_cgroups = true;
    begin(&l);
    manifest(&l.d, ids, COUNT_OF(ids));
    pass(&l.d, 31000);
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        const char *id = strrchr(side_op(&l.d, CORE_OP_REMOVE_CGROUP)->task_arn, '/') + 1;
        char kept[8];

        snprintf(kept, sizeof kept, "%s", id);
        assert_null(pending_report(&l.d, kept));
        side_done_ok(&l.d, CORE_OP_REMOVE_CGROUP);
        accept_report(&l.d, kept);
    }
    pass(&l.d, 10000 + l.d.cfg.cleanup_wait_ms);
    assert_int_equal(core_task_count(l.d.core), 0);
    lost_fini(&l);
}

/* Nor does one that comes again only to be stopped. */
static void test_a_lost_task_is_to_stop(void **state)
{
    struct lost l;

    (void)state;
    lost_init(&l);
    l.d.cfg.task_cgroups = true;
    begin(&l);
    want_stopped(&l.d, "t1");
    assert_null(pending_report(&l.d, "t1"));
    side_done_ok(&l.d, CORE_OP_REMOVE_CGROUP);
    accept_report(&l.d, "t1");
    lost_fini(&l);
}

static void test_nothing_is_given_up_without_a_loss(void **state)
{
    const char *const ids[] = { ARN("t3") };
    struct drive d;

    (void)state;
    drive_begin(&d);
    manifest(&d, ids, COUNT_OF(ids));
    pass(&d, 120000);
    assert_int_equal(core_task_count(d.core), 0);
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_runs_goes_on),
        cmocka_unit_test(test_a_volume_goes_with_its_task),
        cmocka_unit_test(test_what_cannot_be_completed_is_stopped),
        cmocka_unit_test(test_what_has_ended_stays_so),
        cmocka_unit_test(test_strays_are_removed),
        cmocka_unit_test(test_a_task_is_known_as_long_as_its_strays),
        cmocka_unit_test(test_what_appears_late_is_removed),
        cmocka_unit_test(test_a_port_is_found_twice),
        cmocka_unit_test(test_missing_tasks_are_given_up),
        cmocka_unit_test(test_missing_tasks_leave_no_cgroup),
        cmocka_unit_test(test_a_lost_task_is_to_stop),
        cmocka_unit_test(test_nothing_is_given_up_without_a_loss),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
