/* skip.c: what the settings make superfluous. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bake/internal.h"

static char *drivers[] = { (char *)"json-file", (char *)"awslogs" };

static struct config plain(void)
{
    return (struct config){ .tasks_port = 51679,
                            .introspection_port = 51678,
                            .log_drivers = { drivers, COUNT_OF(drivers) } };
}

static bool skips(enum preflight_check c, const struct config *config)
{
    return preflight_skip(c, config, false) != NULL;
}

static void test_nothing(void **state)
{
    struct config c = plain();

    (void)state;
    for (enum preflight_check i = 0; i < PREFLIGHT__COUNT; i++)
        assert_false(skips(i, &c));
}

static void test_offline(void **state)
{
    static const bool cloud[PREFLIGHT__COUNT] = { [PREFLIGHT_METADATA] = true,
                                                  [PREFLIGHT_CREDENTIALS] = true,
                                                  [PREFLIGHT_CONTROL_PLANE] = true,
                                                  [PREFLIGHT_LOGS] = true,
                                                  [PREFLIGHT_CLOCK] = true };
    struct config c = plain();

    (void)state;
    for (enum preflight_check i = 0; i < PREFLIGHT__COUNT; i++)
        assert_int_equal(preflight_skip(i, &c, true) != NULL, cloud[i]);
}

static void test_settings(void **state)
{
    struct config c = plain();

    (void)state;
    c.imds_disabled = true;
    assert_true(skips(PREFLIGHT_METADATA, &c));
    c = plain();
    c.external = true;
    assert_true(skips(PREFLIGHT_METADATA, &c));
    c = plain();
    c.log_sink = (char *)"file:/x";
    assert_true(skips(PREFLIGHT_LOGS, &c));
    assert_false(skips(PREFLIGHT_CONTROL_PLANE, &c));
    c = plain();
    c.log_drivers.n = 1;
    assert_true(skips(PREFLIGHT_LOGS, &c));
    c = plain();
    c.network_rules = RULES_NONE;
    assert_true(skips(PREFLIGHT_PACKET_FILTER, &c));
    c = plain();
    c.tasks_port = 0;
    assert_true(skips(PREFLIGHT_PACKET_FILTER, &c));
    assert_false(skips(PREFLIGHT_PORTS, &c));
    c.introspection_port = 0;
    assert_true(skips(PREFLIGHT_PORTS, &c));
    c = plain();
    c.task_limits = TRI_FALSE;
    assert_true(skips(PREFLIGHT_CGROUPS, &c));
    c.task_limits = TRI_TRUE;
    assert_false(skips(PREFLIGHT_CGROUPS, &c));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_nothing),
                                        cmocka_unit_test(test_offline),
                                        cmocka_unit_test(test_settings) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
