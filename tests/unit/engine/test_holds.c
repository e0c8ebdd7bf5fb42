#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/internal.h"

/* A stretch of ports that nothing on a test machine is likely to use, and that the
 * kernel does not give out by itself. */
#define FIRST 20100
#define LAST  20199

#define ARN "arn:aws:ecs:us-west-2:123456789012:task/demo/"

/* A container with these mappings, and a second one like it. */
static struct task *task_with(const char *id, const char *mappings)
{
    AUTO(str)
    char *json = mem_printf("{\"arn\":\"" ARN "%s\",\"family\":\"web\",\"version\":\"3\","
                            "\"desiredStatus\":\"RUNNING\",\"networkMode\":\"bridge\","
                            "\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"portMappings\":%s},"
                            "{\"name\":\"b\",\"image\":\"i\",\"portMappings\":%s}]}",
                            id, mappings, mappings);
    struct task *t = NULL;
    struct err e = { 0 };

    if (task_decode_text(json, strlen(json), &t, &e))
        fail_msg("%s", e.msg);
    return t;
}

static const char *const one_tcp = "[{\"containerPort\":80,\"protocol\":\"tcp\"}]";

/* What the core would say: ports of other tasks, and reserved ones. */
struct others {
    uint16_t from, to;
};

static bool taken(const void *user, enum port_proto proto, uint16_t port)
{
    const struct others *o = user;

    (void)proto;
    return o && port >= o->from && port <= o->to;
}

static bool can_bind(int type, uint16_t port)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, type, 0), failed = bind(fd, (struct sockaddr *)&addr, sizeof addr);

    close(fd);
    return !failed;
}

static uint16_t choose_one(struct holds *h, const struct task *t, size_t container, uint64_t op)
{
    uint16_t port = 0;
    struct err e = { 0 };

    if (holds_choose(h, t, container, op, 0, taken, NULL, &port, &e))
        fail_msg("%s", e.msg);
    return port;
}

static void keeps_a_port_from_others_until_it_is_released(void **state)
{
    AUTO(task) struct task *t = task_with("t1", one_tcp);
    struct holds h;
    uint16_t a, b;

    (void)state;
    holds_init(&h, FIRST, LAST);
    a = choose_one(&h, t, 0, 1);
    b = choose_one(&h, t, 1, 2);
    assert_in_range(a, FIRST, LAST);
    assert_int_not_equal(a, b);
    assert_false(can_bind(SOCK_STREAM, a));
    assert_false(can_bind(SOCK_STREAM, b));
    holds_release(&h, t->arn, 0);
    assert_true(can_bind(SOCK_STREAM, a));
    assert_false(can_bind(SOCK_STREAM, b));
    holds_release_op(&h, 1);
    assert_false(can_bind(SOCK_STREAM, b));
    holds_release_op(&h, 2);
    assert_true(can_bind(SOCK_STREAM, b));
    a = choose_one(&h, t, 0, 3);
    holds_release_task(&h, t->arn);
    assert_true(can_bind(SOCK_STREAM, a));
    a = choose_one(&h, t, 0, 4);
    holds_fini(&h);
    assert_true(can_bind(SOCK_STREAM, a));
}

static void goes_on_from_the_last_one(void **state)
{
    AUTO(task) struct task *t = task_with("t1", one_tcp);
    struct holds h;
    uint16_t first, second;

    (void)state;
    holds_init(&h, FIRST, LAST);
    first = choose_one(&h, t, 0, 1);
    holds_release(&h, t->arn, 0);
    second = choose_one(&h, t, 0, 2);
    assert_true(second > first); /* though the first is free again */
    h.cursor = LAST;
    assert_in_range(choose_one(&h, t, 0, 3), FIRST, LAST);
    assert_in_range(choose_one(&h, t, 0, 4), FIRST, LAST);
    assert_true(h.cursor < LAST); /* once around */
    holds_fini(&h);
}

static void chooses_only_what_is_to_be_chosen(void **state)
{
    AUTO(task)
    struct task *t = task_with("t1", "[{\"containerPort\":80,\"hostPort\":8080,\"protocol\":"
                                     "\"tcp\"},{\"containerPort\":53,\"protocol\":\"udp\"}]");
    uint16_t ports[2] = { 7, 7 };
    struct holds h;
    struct err e = { 0 };
    size_t udp;

    (void)state;
    holds_init(&h, FIRST, LAST);
    assert_int_equal(t->containers[0].n_ports, 2);
    udp = t->containers[0].ports[0].proto == PORT_UDP ? 0 : 1;
    assert_int_equal(holds_choose(&h, t, 0, 1, 0, taken, NULL, ports, &e), ERR_OK);
    assert_in_range(ports[udp], FIRST, LAST);
    assert_int_equal(ports[1 - udp], 0);
    assert_false(can_bind(SOCK_DGRAM, ports[udp]));
    assert_true(can_bind(SOCK_STREAM, ports[udp]));
    holds_fini(&h);
}

static void gives_a_range_one_block(void **state)
{
    AUTO(task)
    struct task *t =
        task_with("t1", "[{\"containerPortRange\":\"3000-3004\",\"protocol\":\"tcp\"}]");
    const struct others middle = { FIRST + 3, FIRST + 3 };
    uint16_t port = 0;
    struct holds h;
    struct err e = { 0 };

    (void)state;
    holds_init(&h, FIRST, LAST);
    assert_int_equal(holds_choose(&h, t, 0, 1, 0, taken, &middle, &port, &e), ERR_OK);
    assert_true(port > FIRST + 3);
    for (uint16_t i = 0; i < 5; i++)
        assert_false(can_bind(SOCK_STREAM, (uint16_t)(port + i)));
    assert_int_equal(h.n, 5); /* nothing of the block that did not fit */
    assert_true(can_bind(SOCK_STREAM, FIRST));
    holds_fini(&h);
}

static void says_when_there_are_none(void **state)
{
    AUTO(task) struct task *one = task_with("t1", one_tcp);
    AUTO(task)
    struct task *range =
        task_with("t2", "[{\"containerPort\":80,\"protocol\":\"tcp\"},"
                        "{\"containerPortRange\":\"3000-3002\",\"protocol\":\"tcp\"}]");
    const struct others all = { FIRST, LAST }, most = { FIRST + 2, LAST };
    uint16_t ports[2];
    struct holds h;
    struct err e = { 0 };

    (void)state;
    holds_init(&h, FIRST, LAST);
    assert_int_equal(holds_choose(&h, one, 0, 1, 0, taken, &all, ports, &e), ERR_LIMIT);
    assert_string_equal(e.msg, "error retrieving docker port map: a host port is unavailable");
    assert_int_equal(holds_choose(&h, range, 0, 1, 0, taken, &most, ports, &e), ERR_LIMIT);
    assert_string_equal(e.msg, "error retrieving docker port map: 3 contiguous host ports are "
                               "unavailable");
    assert_int_equal(h.n, 0);
    holds_init(&h, 0, 0); /* no range at all */
    assert_int_equal(holds_choose(&h, one, 0, 1, 0, taken, NULL, ports, &e), ERR_LIMIT);
    holds_fini(&h);
}

static void holds_a_bounded_number(void **state)
{
    AUTO(task)
    struct task *t =
        task_with("t1", "[{\"containerPortRange\":\"3000-3199\",\"protocol\":\"udp\"}]");
    uint16_t port = 0;
    struct holds h;
    struct err e = { 0 };

    (void)state;
    holds_init(&h, FIRST, FIRST + 999);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(holds_choose(&h, t, i, i, 0, taken, NULL, &port, &e), ERR_OK);
    assert_int_equal(h.n, HOLDS_MAX);
    holds_release(&h, t->arn, 0);
    assert_int_equal(h.n, HOLDS_MAX - 200);
    holds_fini(&h);
}

/* A container that is never started gives its ports back some day. */
static void lets_go_of_old_ones(void **state)
{
    AUTO(task) struct task *t = task_with("t1", one_tcp);
    uint16_t port = 0;
    struct holds h;
    struct err e = { 0 };

    (void)state;
    holds_init(&h, FIRST, LAST);
    choose_one(&h, t, 0, 1);
    assert_int_equal(holds_choose(&h, t, 1, 2, HOLDS_STALE_MS - 1, taken, NULL, &port, &e), 0);
    assert_int_equal(h.n, 2);
    assert_int_equal(holds_choose(&h, t, 1, 2, HOLDS_STALE_MS, taken, NULL, &port, &e), 0);
    assert_int_equal(h.n, 1);
    holds_fini(&h);
}

static bool owned(const void *user, const char *task_arn, size_t container)
{
    (void)task_arn;
    return container == 0 && *(const bool *)user;
}

/* The core has been told of the ports and takes them back: nobody else does. */
static void test_taken_back_by_the_core(void **state)
{
    struct task *t = task_with("1", one_tcp);
    bool yes = true, no = false;
    struct err e = { 0 };
    struct holds h;
    uint16_t port = 0;

    (void)state;
    holds_init(&h, FIRST, LAST);
    assert_int_equal(holds_choose(&h, t, 0, 1, 0, taken, NULL, &port, &e), ERR_OK);
    holds_sweep(&h, owned, &no); /* the answer is on its way */
    assert_false(can_bind(SOCK_STREAM, port));
    holds_sweep(&h, owned, &yes);
    assert_false(can_bind(SOCK_STREAM, port));
    holds_sweep(&h, owned, &no);
    assert_true(can_bind(SOCK_STREAM, port));
    holds_fini(&h);
    task_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken_back_by_the_core),
        cmocka_unit_test(keeps_a_port_from_others_until_it_is_released),
        cmocka_unit_test(goes_on_from_the_last_one),
        cmocka_unit_test(chooses_only_what_is_to_be_chosen),
        cmocka_unit_test(gives_a_range_one_block),
        cmocka_unit_test(says_when_there_are_none),
        cmocka_unit_test(holds_a_bounded_number),
        cmocka_unit_test(lets_go_of_old_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
