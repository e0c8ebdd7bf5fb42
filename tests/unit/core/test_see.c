/* see.c: what is known, for those who show it. */
#include "unit/core/drive.h"

static void test_a_task_and_its_containers(void **state)
{
    struct core_seen_container k;
    struct core_seen_task t;
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "") "," SIDE("b", "")));
    assert_true(core_see_task(d.core, ARN("t1"), &t));
    assert_int_equal(t.desired, TASK_RUNNING);
    assert_false(t.local);
    assert_true(core_see_container(d.core, ARN("t1"), 0, &k));
    assert_null(k.docker_name); /* nothing was created yet */
    assert_null(k.docker_id);
    bring(&d, "t1/a", CTR_RUNNING);
    assert_true(core_see_container(d.core, ARN("t1"), 0, &k));
    assert_non_null(k.docker_name);
    assert_non_null(k.docker_id);
    assert_int_equal(k.known, CTR_RUNNING);
    assert_int_equal(k.desired, CTR_RUNNING);
    want_stopped(&d, "t1");
    assert_true(core_see_container(d.core, ARN("t1"), 0, &k));
    assert_int_equal(k.desired, CTR_STOPPED);
    assert_false(core_see_container(d.core, ARN("t1"), 2, &k));
    assert_false(core_see_task(d.core, ARN("t2"), &t));
    drive_end(&d);
}

/* What a task is told of its ports is whole; the reports leave out what the settings say. */
static void test_ports_of_both_families(void **state)
{
#define ROW(ip) "{'bindIP':'" ip "','containerPort':80,'hostPort':8080,'protocol':'tcp'}"
    static const struct {
        bool no_ipv6, no_ipv4;
        const char *report;
    } rows[] = {
        { true, false, "'networkBindings':[" ROW("0.0.0.0") "]" },
        { false, true, "'networkBindings':[" ROW("::") "]" },
        { false, false, "'networkBindings':[" ROW("0.0.0.0") "," ROW("::") "]" },
        { true, true, "'imageDigest':'sha256:d1','runtimeId'" },
    };
#undef ROW

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct core_seen_container k;
        struct drive_box *b;
        struct drive d;

        drive_begin(&d);
        d.core->cfg.exclude_ipv6_binding = d.cfg.exclude_ipv6_binding = rows[i].no_ipv6;
        d.core->cfg.exclude_ipv4_binding = d.cfg.exclude_ipv4_binding = rows[i].no_ipv4;
        send_task(&d, TASK("t1", C("a", "")));
        bring(&d, "t1/a", CTR_CREATED);
        b = box_of(&d, "t1/a");
        b->ports[0] = (struct port_binding){ "0.0.0.0", 80, 8080, PORT_TCP };
        b->ports[1] = (struct port_binding){ "::", 80, 8080, PORT_TCP };
        b->n_ports = 2;
        bring(&d, "t1/a", CTR_RUNNING);
        assert_report_has(&d, "t1", rows[i].report);
        drive_crash(&d);
        assert_true(core_see_container(d.core, ARN("t1"), 0, &k));
        assert_int_equal(k.n_bindings, 2);
        assert_string_equal(k.bindings[0].ip, "0.0.0.0");
        assert_string_equal(k.bindings[1].ip, "::");
        drive_end(&d);
    }
}

static void test_by_metadata_id(void **state)
{
    const char *arn = NULL;
    char id[RNG_UUID_SIZE];
    size_t container = 9;
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "") "," SIDE("b", "")));
    snprintf(id, sizeof id, "%s", core_metadata_id(d.core, ARN("t1"), 1));
    assert_true(core_find_metadata(d.core, id, &arn, &container));
    assert_string_equal(arn, ARN("t1"));
    assert_int_equal(container, 1);
    assert_false(core_find_metadata(d.core, "nobody", &arn, &container));
    /* It is the same after a crash. */
    drive_crash(&d);
    assert_true(core_find_metadata(d.core, id, &arn, &container));
    assert_int_equal(container, 1);
    drive_end(&d);
}

static void count(void *user, const struct task *t)
{
    assert_non_null(t->arn);
    ++*(int *)user;
}

static void test_each(void **state)
{
    struct drive d;
    int n = 0;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    send_task(&d, TASK("t2", C("a", "")));
    core_each_task(d.core, count, &n);
    assert_int_equal(n, 2);
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_task_and_its_containers),
        cmocka_unit_test(test_ports_of_both_families),
        cmocka_unit_test(test_by_metadata_id),
        cmocka_unit_test(test_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
