/* The container that holds the namespaces the others share. */
#include "unit/task/fixture.h"

#define DEP(name, condition) \
    ",\"dependsOn\":[{\"containerName\":\"" name "\",\"condition\":\"" condition "\"}]"

static void assert_pause(const struct task *t, size_t i)
{
    const struct task_container *p = &t->containers[i];

    assert_int_equal(t->n_containers, i + 1);
    assert_true(p->internal);
    assert_true(p->essential);
    assert_string_equal(p->name, TASK_PAUSE_NAME);
    assert_string_equal(p->image, TASK_PAUSE_IMAGE);
    assert_int_equal(p->n_deps, 0);
    assert_int_equal(p->stop_timeout_s, -1);
    assert_int_equal(p->auth.kind, TASK_AUTH_ENGINE);
    for (size_t k = 0; k < i; k++) {
        const struct task_container *c = &t->containers[k];

        assert_false(c->internal);
        assert_true(c->n_deps > 0);
        assert_int_equal(c->deps[c->n_deps - 1].target, i);
        assert_int_equal(c->deps[c->n_deps - 1].condition, DEP_START);
    }
}

static void test_when(void **state)
{
    static const struct {
        const char *members;
        size_t n;
    } rows[] = {
        { "", 1 },
        { ",\"pidMode\":\"host\",\"ipcMode\":\"none\"", 1 },
        { ",\"pidMode\":\"TASK\"", 1 },
        { ",\"pidMode\":\"task\"", 2 },
        { ",\"ipcMode\":\"task\"", 2 },
        { ",\"PidMode\":\"task\",\"ipcMode\":\"task\"", 2 },
        { ",\"pidMode\":\"host\",\"ipcMode\":\"task\",\"desiredStatus\":\"STOPPED\"", 2 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(str)
        char *text = mem_printf("{\"arn\":\"x/1\",\"containers\":[{\"name\":\"a\","
                                "\"image\":\"i\"}]%s}",
                                rows[i].members);
        AUTO(task) struct task *t = decode(text);

        assert_int_equal(t->n_containers, rows[i].n);
        if (rows[i].n == 2)
            assert_pause(t, 1);
        else
            assert_int_equal(t->containers[0].n_deps, 0);
    }
}

/* Nobody is there to share anything. */
static void test_no_containers(void **state)
{
    AUTO(task)
    struct task *t = decode("{\"arn\":\"x/1\",\"desiredStatus\":\"STOPPED\",\"pidMode\":\"task\"}");

    (void)state;
    assert_int_equal(t->n_containers, 0);
}

static const char rich[] = "{\"arn\":\"x/1\",\"pidMode\":\"task\",\"containers\":[" C(
    "a", ",\"cpu\":10,\"memory\":64,\"links\":[\"b\"]") "," C("b",
                                                              DEP("c", "HEALTHY")) "," C("c",
                                                                                         "") "]}";

static void test_after_other_dependencies(void **state)
{
    AUTO(task) struct task *t = decode(rich);

    (void)state;
    assert_pause(t, 3);
    assert_int_equal(t->containers[0].n_deps, 2);
    assert_int_equal(t->containers[0].deps[0].target, 1);
    assert_int_equal(t->containers[1].n_deps, 2);
    assert_int_equal(t->containers[1].deps[0].condition, DEP_HEALTHY);
    assert_int_equal(t->containers[2].n_deps, 1);
}

/* Exactly once, however often it is written down and read again. */
static void test_once(void **state)
{
    AUTO(task) struct task *t = decode(rich);
    AUTO(task) struct task *stored = decode(t->json);
    AUTO(str) char *redacted = task_redacted_json(t);
    AUTO(task) struct task *recorded = decode(redacted);
    AUTO(task) struct task *renamed = task_with_arn(recorded, "x/2");

    (void)state;
    assert_null(strstr(t->json, TASK_PAUSE_NAME));
    assert_null(strstr(redacted, TASK_PAUSE_NAME));
    assert_pause(stored, 3);
    assert_pause(recorded, 3);
    assert_pause(renamed, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(t->containers[i].n_deps, renamed->containers[i].n_deps);
}

static void test_needs_nothing(void **state)
{
    AUTO(task) struct task *t = decode(rich);

    (void)state;
    assert_int_equal(task_need_cpu(t), 10);
    assert_int_equal(task_need_memory_mib(t), 64);
    t->containers[3].cpu_shares = 1000; /* were it ever given something */
    t->containers[3].memory_mib = 1000;
    assert_int_equal(task_need_cpu(t), 10);
    assert_int_equal(task_need_memory_mib(t), 64);
}

static void test_name_is_ours(void **state)
{
    (void)state;
    assert_decode_fails(MANY(C(TASK_PAUSE_NAME, "")),
                        "containers[0].name: '~internal~ecs~pause~namespace' is the name of the "
                        "agent's own container");
    assert_decode_fails("{\"arn\":\"x/1\",\"pidMode\":\"task\",\"containers\":[" C(
                            "a", DEP(TASK_PAUSE_NAME, "START")) "]}",
                        "containers[0].dependsOn[0].containerName: no container named "
                        "'~internal~ecs~pause~namespace' in this task");
}

static char *many(size_t n)
{
    struct buf b = BUF_INIT(1 << 20);

    buf_puts(&b, "{\"arn\":\"x/1\",\"ipcMode\":\"task\",\"containers\":[");
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s{\"name\":\"c%zu\",\"image\":\"i\"}", i ? "," : "", i);
    buf_puts(&b, "]}");
    return buf_take(&b);
}

static void test_counts_in_the_limit(void **state)
{
    AUTO(str) char *fits = many(TASK_MAX_CONTAINERS - 1);
    AUTO(str) char *too_many = many(TASK_MAX_CONTAINERS);
    AUTO(task) struct task *t = decode(fits);

    (void)state;
    assert_pause(t, TASK_MAX_CONTAINERS - 1);
    assert_decode_fails(too_many, "containers: 120 are more than 119");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_when),
        cmocka_unit_test(test_no_containers),
        cmocka_unit_test(test_after_other_dependencies),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_needs_nothing),
        cmocka_unit_test(test_name_is_ours),
        cmocka_unit_test(test_counts_in_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
