#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "place.h"

#include "base/defs.h"

static struct place_attr zone_a[] = { { (char *)"zone", (char *)"a" },
                                      { (char *)"cap.x", (char *)"" } };
static struct place_attr zone_b[] = { { (char *)"zone", (char *)"b" } };

static struct place_host host(const char *arn, int64_t cpu, int64_t memory, size_t group)
{
    return (struct place_host){ .arn = arn,
                                .active = true,
                                .connected = true,
                                .cpu_free = cpu,
                                .memory_free = memory,
                                .group_tasks = group,
                                .attrs = zone_a,
                                .attr_count = COUNT_OF(zone_a),
                                .eligible = true };
}

static void test_reasons(void **state)
{
    static const uint16_t used[] = { 22, 80 }, wanted[] = { 80 };
    static const char *const attribute[] = { "cap.x" }, *const missing[] = { "cap.y" };
    static const char *const here[] = { "attribute:zone == a" };
    static const char *const there[] = { "attribute:zone == b" };
    const struct {
        struct place_need need;
        bool inactive, away;
        size_t group;
        const char *want;
    } cases[] = {
        { { .cpu = 100, .memory = 200 }, .want = NULL },
        { { .cpu = 101 }, .want = "RESOURCE:CPU" },
        { { .memory = 201 }, .want = "RESOURCE:MEMORY" },
        { { .cpu = 101, .memory = 201 }, .want = "RESOURCE:MEMORY" },
        { { .tcp = wanted, .tcp_count = 1 }, .want = "RESOURCE:PORTS" },
        { { .udp = wanted, .udp_count = 1 }, .want = NULL },
        { { .attributes = attribute, .attribute_count = 1 }, .want = NULL },
        { { .attributes = missing, .attribute_count = 1 }, .want = "ATTRIBUTE" },
        { { .expressions = here, .expression_count = 1 }, .want = NULL },
        { { .expressions = there, .expression_count = 1 },
          .want = "MemberOf placement constraint unsatisfied." },
        { { .distinct = true }, .want = NULL },
        { { .distinct = true },
          .group = 1,
          .want = "DistinctInstance placement constraint unsatisfied." },
        { { .cpu = 1 }, .away = true, .want = "AGENT" },
        { { .cpu = 1 }, .inactive = true, .away = true, .want = "INACTIVE" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct place_host h = host("h", 100, 200, cases[i].group);
        const char *got;

        h.tcp = used;
        h.tcp_count = COUNT_OF(used);
        h.active = !cases[i].inactive;
        h.connected = !cases[i].away;
        got = place_check(&cases[i].need, &h);
        if (cases[i].want)
            assert_string_equal(got ? got : "fits", cases[i].want);
        else
            assert_null(got);
    }
}

static void test_strategies(void **state)
{
    struct place_host hosts[] = { host("h0", 100, 900, 2), host("h1", 50, 500, 1),
                                  host("h2", 70, 300, 0) };
    const struct {
        struct place_strategy s[2];
        size_t n, want;
    } cases[] = {
        { { { PLACE_BINPACK, "cpu" } }, 1, 1 },
        { { { PLACE_BINPACK, "memory" } }, 1, 2 },
        { { { PLACE_SPREAD, "instanceId" } }, 1, 2 },
        /* h2 alone is in zone b and has no task of the group. */
        { { { PLACE_SPREAD, "attribute:zone" }, { PLACE_BINPACK, "cpu" } }, 2, 2 },
    };
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1);
    hosts[2].attrs = zone_b;
    hosts[2].attr_count = 1;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(place_choose(hosts, 3, cases[i].s, cases[i].n, &rng), cases[i].want);

    /* The second strategy decides among those that the first finds equal. */
    hosts[2].group_tasks = 3;
    assert_int_equal(place_choose(hosts, 3, cases[3].s, 2, &rng), 1);
}

static void test_random_reaches_every_eligible_host(void **state)
{
    struct place_host hosts[] = { host("h0", 1, 1, 0), host("h1", 1, 1, 0), host("h2", 1, 1, 0) };
    const struct place_strategy random = { PLACE_RANDOM, "" };
    unsigned seen = 0;
    struct rng rng;

    (void)state;
    rng_seed(&rng, 7);
    hosts[1].eligible = false;
    for (int i = 0; i < 100; i++)
        seen |= 1u << place_choose(hosts, 3, &random, 1, &rng);
    assert_int_equal(seen, 5);
    hosts[0].eligible = hosts[2].eligible = false;
    assert_int_equal(place_choose(hosts, 3, &random, 1, &rng), 3);
    assert_int_equal(place_choose(hosts, 0, NULL, 0, &rng), 0);
}

static void test_expressions(void **state)
{
    static const struct {
        const char *text;
        bool valid, match;
    } cases[] = {
        { "attribute:zone == a", true, true },
        { "attribute:zone == b", true, false },
        { "attribute:zone != b", true, true },
        { "attribute:nowhere != b", true, true },
        { "attribute:cap.x exists", true, true },
        { "attribute:cap.x !exists", true, false },
        { "attribute:cap.y !exists", true, true },
        { "  attribute:zone  ==  a  and attribute:cap.x exists ", true, true },
        { "attribute:zone == a && attribute:zone == b", true, false },
        { "", false, false },
        { "zone == a", false, false },
        { "attribute: == a", false, false },
        { "attribute:zone ==", false, false },
        { "attribute:zone = a", false, false },
        { "attribute:zone == a and", false, false },
        { "attribute:zone == a or attribute:zone == b", false, false },
    };
    struct place_host h = host("h", 1, 1, 0);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(place_expression_valid(cases[i].text), cases[i].valid);
        assert_int_equal(place_expression_match(cases[i].text, &h), cases[i].match);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_strategies),
        cmocka_unit_test(test_random_reaches_every_eligible_host),
        cmocka_unit_test(test_expressions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
