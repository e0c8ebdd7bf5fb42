#include "unit/task/fixture.h"

#define DEP(name, condition) "{\"containerName\":\"" name "\",\"condition\":\"" condition "\"}"
#define ON(list)             ",\"dependsOn\":[" list "]"

static void test_conditions(void **state)
{
    static const enum dep_condition want[] = { DEP_START, DEP_COMPLETE, DEP_SUCCESS, DEP_HEALTHY,
                                               DEP_CREATE };
    AUTO(task)
    struct task *t = decode(MANY(C("a", "") "," C(
        "b", ON(DEP("a", "START") "," DEP("a", "COMPLETE") "," DEP("a", "SUCCESS") "," DEP(
                 "a", "HEALTHY") "," DEP("a", "CREATE")))));

    (void)state;
    assert_int_equal(t->containers[1].n_deps, COUNT_OF(want));
    for (size_t i = 0; i < COUNT_OF(want); i++)
        assert_int_equal(t->containers[1].deps[i].condition, want[i]);
}

static void test_implied(void **state)
{
    AUTO(task)
    struct task *t = decode(MANY(C("a", "") "," C("b", "") "," C("c", "") "," C(
        "d", ON(DEP("c", "HEALTHY")) ",\"volumesFrom\":[{\"sourceContainer\":\"b\","
                                     "\"readOnly\":true},{\"sourceContainer\":\"c\"}],"
                                     "\"links\":[\"a:db\",\"b\",\"c:\"]")));
    const struct task_container *d = &t->containers[3];

    (void)state;
    assert_int_equal(d->n_deps, 3);
    assert_int_equal(d->deps[0].target, 2);
    assert_int_equal(d->deps[0].condition, DEP_HEALTHY);
    assert_int_equal(d->deps[1].target, 1);
    assert_int_equal(d->deps[1].condition, DEP_CREATE); /* not START of the link */
    assert_int_equal(d->deps[2].target, 0);
    assert_int_equal(d->deps[2].condition, DEP_START);
    assert_int_equal(d->n_from, 2);
    assert_true(d->from[0].read_only);
    assert_int_equal(d->n_links, 3);
    assert_string_equal(d->links[0].alias, "db");
    assert_string_equal(d->links[1].alias, "b");
    assert_string_equal(d->links[2].alias, "c");
}

static void test_forward_references(void **state)
{
    AUTO(task)
    struct task *t = decode(
        MANY(C("a", ON(DEP("b", "START"))) "," C("b", ON(DEP("c", "START"))) "," C("c", "")));

    (void)state;
    assert_int_equal(t->containers[0].deps[0].target, 1);
    assert_int_equal(t->containers[1].deps[0].target, 2);
}

static void test_cycles(void **state)
{
    (void)state;
    assert_decode_fails(MANY(C("a", ON(DEP("a", "START")))),
                        "containers: dependency cycle: a -> a");
    assert_decode_fails(MANY(C("a", ON(DEP("b", "START"))) "," C("b", ON(DEP("a", "HEALTHY")))),
                        "containers: dependency cycle: a -> b -> a");
    /* what leads to the cycle is not part of it */
    assert_decode_fails(MANY(C("x", ON(DEP("a", "START"))) "," C("a", ON(DEP("b", "START"))) "," C(
                            "b", ON(DEP("c", "START"))) "," C("c", ON(DEP("a", "START")))),
                        "containers: dependency cycle: a -> b -> c -> a");
    /* a link against a dependency */
    assert_decode_fails(MANY(C("a", ",\"links\":[\"b\"]") "," C("b", ON(DEP("a", "START")))),
                        "containers: dependency cycle: a -> b -> a");
}

static void test_diamond_is_no_cycle(void **state)
{
    AUTO(task)
    struct task *t = decode(MANY(C("top", ON(DEP("l", "START") "," DEP("r", "START"))) "," C(
        "l", ON(DEP("base", "START"))) "," C("r", ON(DEP("base", "START"))) "," C("base", "")));

    (void)state;
    assert_int_equal(t->n_containers, 4);
}

/* The longest path there can be, and the cycle that closes it. */
static char *chain(size_t n, bool closed)
{
    struct buf b = BUF_INIT(1 << 20);

    buf_puts(&b, "{\"arn\":\"x/1\",\"containers\":[");
    for (size_t i = 0; i < n; i++) {
        buf_printf(&b, "%s{\"name\":\"container-number-%zu\",\"image\":\"i\"", i ? "," : "", i);
        if (closed || i + 1 < n)
            buf_printf(&b,
                       ",\"dependsOn\":[{\"containerName\":\"container-number-%zu\","
                       "\"condition\":\"START\"}]",
                       (i + 1) % n);
        buf_puts(&b, "}");
    }
    buf_puts(&b, "]}");
    return buf_take(&b);
}

static void test_longest_chain(void **state)
{
    AUTO(str) char *open = chain(TASK_MAX_CONTAINERS, false);
    AUTO(str) char *closed = chain(TASK_MAX_CONTAINERS, true);
    AUTO(task) struct task *t = decode(open);
    struct task *none = NULL;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(t->n_containers, TASK_MAX_CONTAINERS);
    assert_int_equal(task_decode_text(closed, strlen(closed), &none, &e), ERR_INVALID);
    assert_true(str_starts(e.msg, "containers: dependency cycle: container-number-0 -> "));
    assert_true(str_ends(e.msg, "..."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conditions),          cmocka_unit_test(test_implied),
        cmocka_unit_test(test_forward_references),  cmocka_unit_test(test_cycles),
        cmocka_unit_test(test_diamond_is_no_cycle), cmocka_unit_test(test_longest_chain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
