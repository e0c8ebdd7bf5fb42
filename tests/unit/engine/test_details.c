/* details.c: what the last inspect of each container said, and since when it is healthy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/internal.h"

static void put(struct details *ds, const char *arn, size_t i, enum ctr_health health,
                const char *output, int exit_code, const char *ip)
{
    const struct ctr_facts facts = { .health = health };
    struct docker_details d = { .image_id = mem_strdup("sha256:aa"), .pid = 7 };

    if (output) {
        d.has_probe = true;
        d.health_exit = exit_code;
        d.health_end_ms = 1000 + exit_code;
        d.health_output = mem_strdup(output);
    }
    if (ip) {
        d.networks = mem_array(1, sizeof *d.networks);
        d.n_networks = 1;
        d.networks[0] =
            (struct docker_network){ mem_strdup("bridge"), mem_strdup(ip), mem_strdup("") };
    }
    details_put(ds, arn, i, &facts, &d);
    assert_null(d.image_id); /* taken */
}

static void test_health_keeps_what_changed_it(void **state)
{
    struct details ds = { 0 };
    const struct engine_detail *d;

    (void)state;
    put(&ds, "arn:1", 0, HEALTH_UNKNOWN, NULL, 0, NULL);
    d = details_get(&ds, "arn:1", 0);
    assert_int_equal(d->health_since_ms, 0);
    put(&ds, "arn:1", 0, HEALTH_BAD, "refused", 3, NULL);
    put(&ds, "arn:1", 0, HEALTH_BAD, "refused again", 4, NULL);
    d = details_get(&ds, "arn:1", 0);
    assert_int_equal(d->health_since_ms, 1003);
    assert_true(d->has_health_exit);
    assert_int_equal(d->health_exit, 3);
    assert_string_equal(d->health_output, "refused");
    /* Well again: the exit code of the bad time stays. */
    put(&ds, "arn:1", 0, HEALTH_OK, "ok", 0, NULL);
    d = details_get(&ds, "arn:1", 0);
    assert_int_equal(d->health_since_ms, 1000);
    assert_int_equal(d->health_exit, 3);
    assert_string_equal(d->health_output, "ok");
    details_fini(&ds);
}

static void test_who_has_an_address(void **state)
{
    struct details ds = { 0 };

    (void)state;
    put(&ds, "arn:1", 0, HEALTH_UNKNOWN, NULL, 0, "172.17.0.4");
    put(&ds, "arn:2", 1, HEALTH_UNKNOWN, NULL, 0, "172.17.0.5");
    put(&ds, "arn:3", 0, HEALTH_UNKNOWN, NULL, 0, "");
    assert_string_equal(details_at(&ds, "172.17.0.5"), "arn:2");
    assert_null(details_at(&ds, "172.17.0.6"));
    assert_null(details_at(&ds, ""));
    details_drop(&ds, "arn:2");
    assert_null(details_at(&ds, "172.17.0.5"));
    assert_null(details_get(&ds, "arn:2", 1));
    assert_non_null(details_get(&ds, "arn:1", 0));
    details_fini(&ds);
}

/* An address goes from one to the next: who was seen to run with it last has it. */
static void test_an_address_moves_on(void **state)
{
    struct details ds = { 0 };
    struct docker_details ended = { .pid = 0 };
    const struct ctr_facts facts = { 0 };

    (void)state;
    put(&ds, "arn:1", 0, HEALTH_UNKNOWN, NULL, 0, "172.17.0.4");
    put(&ds, "arn:2", 0, HEALTH_UNKNOWN, NULL, 0, "172.17.0.4");
    assert_string_equal(details_at(&ds, "172.17.0.4"), "arn:2");
    details_put(&ds, "arn:1", 0, &facts, &ended); /* seen late: it was another's already */
    assert_string_equal(details_at(&ds, "172.17.0.4"), "arn:2");
    put(&ds, "arn:2", 0, HEALTH_UNKNOWN, NULL, 0, "172.17.0.7"); /* started anew */
    assert_null(details_at(&ds, "172.17.0.4"));
    assert_string_equal(details_at(&ds, "172.17.0.7"), "arn:2");
    details_put(&ds, "arn:2", 0, &facts, &ended);
    assert_null(details_at(&ds, "172.17.0.7"));
    details_fini(&ds);
}

static void test_one_that_is_no_more(void **state)
{
    struct details ds = { 0 };

    (void)state;
    put(&ds, "arn:1", 0, HEALTH_OK, "ok", 0, "172.17.0.4");
    details_lost(&ds, "arn:1", 1);
    details_lost(&ds, "arn:2", 0);
    assert_string_equal(details_at(&ds, "172.17.0.4"), "arn:1");
    details_lost(&ds, "arn:1", 0);
    assert_null(details_at(&ds, "172.17.0.4"));
    assert_int_equal(details_get(&ds, "arn:1", 0)->docker.pid, 0);
    assert_string_equal(details_get(&ds, "arn:1", 0)->docker.image_id, "sha256:aa");
    details_fini(&ds);
}

/* In any order, with gaps; those that were never inspected are not there. */
static void test_containers_of_a_task(void **state)
{
    struct details ds = { 0 };
    const struct engine_detail *third;

    (void)state;
    put(&ds, "arn:1", 3, HEALTH_UNKNOWN, NULL, 0, "172.17.0.4");
    third = details_get(&ds, "arn:1", 3);
    put(&ds, "arn:1", 119, HEALTH_OK, "ok", 0, "172.17.0.5");
    put(&ds, "arn:1", 0, HEALTH_BAD, "bad", 1, "172.17.0.6");
    assert_ptr_equal(details_get(&ds, "arn:1", 3), third);
    assert_int_equal(details_get(&ds, "arn:1", 0)->health, HEALTH_BAD);
    assert_int_equal(details_get(&ds, "arn:1", 119)->health, HEALTH_OK);
    assert_null(details_get(&ds, "arn:1", 1));
    assert_null(details_get(&ds, "arn:1", 120));
    assert_null(details_get(&ds, "arn:1 3", 0));
    assert_string_equal(details_at(&ds, "172.17.0.5"), "arn:1");
    details_drop(&ds, "arn:2");
    details_drop(&ds, "arn:1");
    assert_null(details_get(&ds, "arn:1", 0));
    assert_null(details_at(&ds, "172.17.0.6"));
    details_fini(&ds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_health_keeps_what_changed_it),
        cmocka_unit_test(test_who_has_an_address),
        cmocka_unit_test(test_an_address_moves_on),
        cmocka_unit_test(test_one_that_is_no_more),
        cmocka_unit_test(test_containers_of_a_task),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
