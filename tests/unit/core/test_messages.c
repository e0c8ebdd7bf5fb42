/* intake.c: what the control plane says, and what is answered. */
#include "unit/core/drive.h"

#define T1 TASK("t1", C("a", ""))
#define T2 TASK("t2", C("a", ""))

static const char *ack_of(const struct drive *d)
{
    const struct core_action *a = acted(d, CORE_ACT_ACK);

    return a ? a->key : NULL;
}

static void test_payload_acknowledged_only_when_all_is_good(void **state)
{
    static const struct {
        const char *texts[3];
        size_t n;
        bool acked;
        size_t tasks; /* known afterwards */
    } rows[] = {
        { { T1 }, 1, true, 1 },
        { { T1, T2 }, 2, true, 2 },
        { { 0 }, 0, true, 0 },
        { { "!t1 bad" }, 1, false, 1 },
        { { T1, "!t2 bad" }, 2, false, 2 },
        { { "!t2 bad", T1 }, 2, false, 2 },
        { { T1, "! no ARN" }, 2, false, 1 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct drive d;

        drive_begin(&d);
        payload(&d, "m1", -1, rows[i].texts, rows[i].n);
        if (rows[i].acked)
            assert_string_equal(ack_of(&d), "m1");
        else
            assert_null(ack_of(&d));
        assert_int_equal(core_task_count(d.core), rows[i].tasks);
        if (find_task(d.core, ARN("t1")) && find_task(d.core, ARN("t1"))->def)
            expect_op(&d, CORE_OP_PULL, "t1/a");
        drive_end(&d);
    }
}

/* Puts are committed before any other action of the step; see core.h. What an
 * acknowledged task needs is therefore among them. */
static void test_acknowledged_is_durable(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, T1);
    assert_string_equal(ack_of(&d), "m");
    assert_int_equal(count_actions(&d, CORE_ACT_PUT), 3); /* with the manifest's answer */
    assert_non_null(stored(&d, CORE_KIND_TASK, ARN("t1")));
    assert_non_null(stored(&d, CORE_KIND_STATE, ARN("t1")));
    want_stopped(&d, "t1");
    assert_non_null(strstr(stored(&d, CORE_KIND_STATE, ARN("t1")), "\"desired\":4"));
    assert_string_equal(ack_of(&d), "m");
    drive_end(&d);
}

static void test_duplicates(void **state)
{
    const char *const twice[] = { T1, T1 };
    struct drive d;
    const struct core_action *pull;

    (void)state;
    drive_begin(&d);
    payload(&d, "m1", -1, twice, 2);
    assert_int_equal(count_actions(&d, CORE_ACT_OP), 2); /* the manifest, the pull */
    pull = expect_op(&d, CORE_OP_PULL, "t1/a");
    assert_non_null(pull);
    payload(&d, "m1", -1, twice, 1);
    assert_string_equal(ack_of(&d), "m1");
    assert_int_equal(count_actions(&d, CORE_ACT_OP), 0);
    assert_int_equal(count_actions(&d, CORE_ACT_PUT), 0);
    assert_int_equal(core_task_count(d.core), 1);
    drive_end(&d);
}

static void test_damaged_repetition_stops_nothing(void **state)
{
    const char *const bad[] = { "!t1 containers: gone" };
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, T1);
    payload(&d, "m2", -1, bad, 1);
    assert_null(ack_of(&d));
    assert_true(noted(&d, "a new description of this task was ignored: containers: gone"));
    bring(&d, "t1/a", CTR_RUNNING);
    drive_end(&d);
}

/* While no report is accepted, the refused ones are kept, but not without end. */
static void test_refused_ones_are_bounded(void **state)
{
    const size_t most = CORE_MAX_TASKS + 1000;
    struct core_actions out = { 0 };
    struct drive d;
    char arn[64];

    (void)state;
    drive_begin(&d);
    for (size_t i = 0; i <= most; i++) {
        struct core_payload_task task = { .arn = arn, .error = "containers: gone" };
        struct core_event ev = { .type = CORE_EV_PAYLOAD };

        snprintf(arn, sizeof arn, "arn:aws:ecs:us-west-2:1:task/c/%zu", i);
        ev.u.payload.message_id = "m";
        ev.u.payload.tasks = &task;
        ev.u.payload.n_tasks = 1;
        core_actions_fini(&out);
        core_step(d.core, d.now, &ev, &out);
    }
    core_actions_fini(&out);
    assert_int_equal(core_task_count(d.core), most);
    drive_end(&d);
}

/* ---- manifests ---- */

static void manifest(struct drive *d, const char *id, int64_t seq,
                     const struct core_manifest_entry *entries, size_t n)
{
    struct core_event ev = { .type = CORE_EV_MANIFEST };

    ev.u.manifest.message_id = id;
    ev.u.manifest.cluster_arn = "arn:cluster";
    ev.u.manifest.seq = seq;
    ev.u.manifest.entries = entries;
    ev.u.manifest.n_entries = n;
    drive_step(d, &ev);
}

static void stop_ack(struct drive *d, const char *id, const char *const *arns, size_t n)
{
    struct core_event ev = { .type = CORE_EV_STOP_ACK };

    ev.u.stop_ack.message_id = id;
    ev.u.stop_ack.arns = arns;
    ev.u.stop_ack.n_arns = n;
    drive_step(d, &ev);
}

static void test_candidates(void **state)
{
    static const struct {
        struct core_manifest_entry entries[2];
        size_t n;
        const char *candidates; /* their ids */
    } rows[] = {
        { { { 0 } }, 0, "t1 t2 " },
        { { { ARN("t1"), TASK_RUNNING } }, 1, "t2 " },
        { { { ARN("t1"), TASK_RUNNING }, { ARN("t2"), TASK_RUNNING } }, 2, "" },
        { { { ARN("t1"), TASK_RUNNING }, { ARN("t2"), TASK_STOPPED } }, 2, "t2 " },
        { { { ARN("t9"), TASK_RUNNING }, { ARN("t2"), TASK_RUNNING } }, 2, "t1 " },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct core_action *a;
        char got[64] = "";
        struct drive d;

        drive_begin(&d);
        send_task(&d, T1);
        send_task(&d, T2);
        send_task(&d, TASK("t3", C("a", "")));
        want_stopped(&d, "t3"); /* no candidate: it stops already */
        manifest(&d, "man1", 7, rows[i].entries, rows[i].n);
        assert_string_equal(ack_of(&d), "man1");
        a = acted(&d, CORE_ACT_STOP_VERIFY);
        for (size_t j = 0; a && j < a->n_arns; j++) {
            size_t used = strlen(got);

            snprintf(got + used, sizeof got - used, "%s ", str_after_last(a->arns[j], '/'));
        }
        assert_string_equal(got, rows[i].candidates);
        if (a) {
            assert_string_equal(a->key, "man1");
            assert_string_equal(a->value, "arn:cluster");
        }
        assert_string_equal(stored(&d, CORE_KIND_META, CORE_META_MANIFEST_SEQ), "7");
        assert_int_equal(find_task(d.core, ARN("t1"))->desired, TASK_RUNNING); /* only asked */
        drive_end(&d);
    }
}

static void test_stop_ack_counts_once(void **state)
{
    const char *const both[] = { ARN("t1"), ARN("t9") };
    const char *const second[] = { ARN("t2") };
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, T1);
    send_task(&d, T2);
    stop_ack(&d, "man1", both, 2); /* nobody asked */
    assert_true(noted(&d, "an answer to no question about stopping was ignored"));
    manifest(&d, "man1", 7, NULL, 0);
    stop_ack(&d, "man0", both, 2); /* of an earlier manifest */
    assert_int_equal(find_task(d.core, ARN("t1"))->desired, TASK_RUNNING);
    stop_ack(&d, "man1", both, 2);
    assert_int_equal(find_task(d.core, ARN("t1"))->desired, TASK_STOPPED);
    assert_int_equal(find_task(d.core, ARN("t2"))->desired, TASK_RUNNING);
    stop_ack(&d, "man1", second, 1);
    assert_int_equal(find_task(d.core, ARN("t2"))->desired, TASK_RUNNING);
    drive_end(&d);
}

static void test_stale_manifests(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, T1);
    manifest(&d, "man1", 0, NULL, 0); /* the first number there is */
    assert_string_equal(ack_of(&d), "man1");
    manifest(&d, "man2", 0, NULL, 0);
    assert_null(ack_of(&d));
    assert_null(acted(&d, CORE_ACT_STOP_VERIFY));
    assert_true(noted(&d, "a manifest with sequence number 0 came after 0 and was ignored"));
    manifest(&d, "man3", 5, NULL, 0);
    manifest(&d, "man4", 4, NULL, 0);
    assert_null(ack_of(&d));
    stop_ack(&d, "man4", NULL, 0); /* the ignored one is no question */
    assert_string_equal(d.core->manifest_id, "man3");
    drive_crash(&d);
    manifest(&d, "man5", 5, NULL, 0);
    assert_null(ack_of(&d));
    manifest(&d, "man6", 6, NULL, 0);
    assert_string_equal(ack_of(&d), "man6");
    drive_end(&d);
}

static void test_payload_raises_the_number_in_memory(void **state)
{
    const char *const one[] = { T1 };
    struct drive d;

    (void)state;
    drive_begin(&d);
    payload(&d, "m1", 10, one, 1);
    assert_null(stored(&d, CORE_KIND_META, CORE_META_MANIFEST_SEQ));
    manifest(&d, "man1", 10, NULL, 0);
    assert_null(ack_of(&d));
    payload(&d, "m2", 3, one, 1); /* a lower one neither lowers it nor is skipped */
    assert_string_equal(ack_of(&d), "m2");
    manifest(&d, "man2", 9, NULL, 0);
    assert_null(ack_of(&d));
    manifest(&d, "man3", 11, NULL, 0);
    assert_string_equal(ack_of(&d), "man3");
    assert_string_equal(stored(&d, CORE_KIND_META, CORE_META_MANIFEST_SEQ), "11");
    payload(&d, "m3", 20, one, 1);
    drive_crash(&d);
    manifest(&d, "man4", 12, NULL, 0); /* 20 was forgotten */
    assert_string_equal(ack_of(&d), "man4");
    drive_end(&d);
}

/* ---- questions by name ---- */

static void test_find_by_id(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        { ARN("abc1"), ARN("abc1") },
        { "abc1", ARN("abc1") },
        { "abc2", ARN("abc2") },
        { "abc", NULL },
        { "x", ARN("xyz") },
        { "", NULL },
        { "y", NULL },
        { "ab", ARN("ab") },
    };
    const char *const texts[] = { TASK("abc1", C("a", "")), TASK("abc2", C("a", "")),
                                  TASK("xyz", C("a", "")), TASK("ab", C("a", "")) };
    struct drive d;

    (void)state;
    drive_begin(&d);
    payload(&d, "m", -1, texts, 3);
    assert_null(core_find_arn(d.core, "ab"));
    payload(&d, "m", -1, texts + 3, 1);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *got = core_find_arn(d.core, rows[i].text);

        if (rows[i].want)
            assert_string_equal(got, rows[i].want);
        else
            assert_null(got);
    }
    assert_null(core_task(d.core, "nothing"));
    assert_null(core_docker_name(d.core, ARN("xyz"), 7));
    assert_null(core_docker_id(d.core, ARN("xyz"), 0));
    assert_int_equal(strlen(core_metadata_id(d.core, ARN("xyz"), 0)), 36);
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_payload_acknowledged_only_when_all_is_good),
        cmocka_unit_test(test_acknowledged_is_durable),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_damaged_repetition_stops_nothing),
        cmocka_unit_test(test_refused_ones_are_bounded),
        cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_stop_ack_counts_once),
        cmocka_unit_test(test_stale_manifests),
        cmocka_unit_test(test_payload_raises_the_number_in_memory),
        cmocka_unit_test(test_find_by_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
