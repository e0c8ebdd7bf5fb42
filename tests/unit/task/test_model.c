/* model.c, names.c and facts.c */
#include "unit/task/fixture.h"

static void test_status_names(void **state)
{
    (void)state;
    for (enum task_status s = TASK_NONE; s <= TASK_STOPPED; s++) {
        enum task_status back = TASK_NONE;
        struct err e;

        assert_int_equal(task_status_parse(task_status_name(s), &back, &e), ERR_OK);
        assert_int_equal(back, s);
    }
    assert_string_equal(ctr_status_name(CTR_NONE), "NONE");
    assert_string_equal(ctr_status_name(CTR_MANIFEST_PULLED), "MANIFEST_PULLED");
    assert_string_equal(ctr_status_name(CTR_PULLED), "PULLED");
    assert_string_equal(ctr_status_name(CTR_CREATED), "CREATED");
    assert_string_equal(ctr_status_name(CTR_RUNNING), "RUNNING");
    assert_string_equal(ctr_status_name(CTR_STOPPED), "STOPPED");
}

static void test_status_parse_fails(void **state)
{
    enum task_status out = TASK_RUNNING;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(task_status_parse("PULLED", &out, &e), ERR_INVALID);
    assert_string_equal(e.msg, "unknown status 'PULLED'");
    assert_int_equal(out, TASK_RUNNING);
}

static void test_find(void **state)
{
    AUTO(task) struct task *t = decode(MANY(C("a", "") "," C("b", "")));

    (void)state;
    assert_int_equal(task_find_container(t, "b"), 1);
    assert_int_equal(task_find_container(t, "B"), -1);
    task_destroy(NULL);
}

static void test_needs(void **state)
{
    AUTO(task)
    struct task *sum = decode(MANY(C("a", ",\"cpu\":10,\"memory\":64") "," C(
        "b", ",\"cpu\":20,\"memory\":100,\"dockerConfig\":{\"hostConfig\":"
             "\"{\\\"MemoryReservation\\\":33554432}\"}") "," C("c", "")));
    AUTO(task) struct task *own = decode(TASK(",\"cpu\":0.1,\"memory\":7"));

    (void)state;
    assert_int_equal(task_need_cpu(sum), 30);
    assert_int_equal(task_need_memory_mib(sum), 64 + 32);
    assert_int_equal(task_need_cpu(own), 102); /* 102.4, cut */
    assert_int_equal(task_need_memory_mib(own), 7);
}

static void test_docker_name(void **state)
{
    static const struct {
        const char *name;
        uint64_t unique;
        const char *want;
    } rows[] = {
        { "web", 0, "ecs-shop-7-web-00000000000000000000" },
        { "web", 1, "ecs-shop-7-web-01000000000000000000" },
        { "web", 300, "ecs-shop-7-web-ac020000000000000000" },
        { "we_b.1/x-y", 127, "ecs-shop-7-web1x-y-7f000000000000000000" },
        { "\xC3\xA9", 128, "ecs-shop-7--80010000000000000000" },
        { "web", UINT64_MAX, "ecs-shop-7-web-ffffffffffffffffff01" },
    };
    AUTO(task) struct task *t = decode(TASK(",\"family\":\"shop\",\"version\":\"7\""));

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(str) char *name = NULL;

        mem_replace(&t->containers[0].name, rows[i].name);
        name = task_docker_name(t, &t->containers[0], rows[i].unique);
        assert_string_equal(name, rows[i].want);
    }
}

static void test_image_has_digest(void **state)
{
    static const struct {
        const char *image;
        bool want;
    } rows[] = {
        { "busybox", false },
        { "reg:5000/busybox:1", false },
        { "reg:5000/busybox@sha256:ab", true },
        { "busybox:1@sha256:ab", true },
        { "busybox@sha256:", false },
        { "busybox@sha256", false },
        { "busybox@:ab", false },
        { "me@reg/busybox", false },
        { "", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(task_image_has_digest(rows[i].image), rows[i].want);
}

static void test_facts(void **state)
{
    struct port_binding rows[] = { { .ip = "0.0.0.0", .container_port = 80, .host_port = 32768 },
                                   { .ip = "::", .container_port = 80, .host_port = 32768 } };
    struct ctr_facts from = { .id = "abc", .exit_code = 7, .bindings = rows, .n_bindings = 2 };
    struct ctr_facts none = { .id = "def" }, to = { 0 };

    (void)state;
    ctr_facts_copy(&to, &from);
    assert_string_equal(to.id, "abc");
    assert_int_equal(to.exit_code, 7);
    assert_int_equal(to.n_bindings, 2);
    assert_ptr_not_equal(to.bindings, rows);
    assert_string_equal(to.bindings[1].ip, "::");
    ctr_facts_copy(&to, &to);
    assert_int_equal(to.bindings[0].host_port, 32768);
    ctr_facts_copy(&to, &none);
    assert_null(to.bindings);
    ctr_facts_copy(&to, &from);
    ctr_facts_fini(&to);
    assert_null(to.bindings);
    assert_int_equal(to.n_bindings, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_names), cmocka_unit_test(test_status_parse_fails),
        cmocka_unit_test(test_find),         cmocka_unit_test(test_needs),
        cmocka_unit_test(test_docker_name),  cmocka_unit_test(test_image_has_digest),
        cmocka_unit_test(test_facts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
