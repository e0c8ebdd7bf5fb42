#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/internal.h"

static void maps_the_states_of_a_list(void **state)
{
    static const struct {
        const char *state;
        enum ctr_status want;
    } cases[] = {
        { "created", CTR_CREATED },    { "running", CTR_RUNNING }, { "paused", CTR_RUNNING },
        { "restarting", CTR_RUNNING }, { "exited", CTR_STOPPED },  { "dead", CTR_STOPPED },
        { "removing", CTR_STOPPED },   { "", CTR_STOPPED },        { NULL, CTR_STOPPED },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct docker_listed row = { "id", "name", cases[i].state, "arn", "a" };
        struct queued *q = queued_listed(&row, 1);

        assert_int_equal(q->ev.u.listed.n_rows, 1);
        assert_int_equal(q->ev.u.listed.rows[0].status, cases[i].want);
        queued_destroy(q);
    }
}

static void leaves_out_containers_of_nobody(void **state)
{
    const struct docker_listed rows[] = {
        { "id1", "name1", "running", NULL, NULL },
        { "id2", "name2", "running", "arn", "a" },
    };
    struct queued *q = queued_listed(rows, COUNT_OF(rows));

    (void)state;
    assert_int_equal(q->ev.u.listed.n_rows, 1);
    assert_string_equal(q->ev.u.listed.rows[0].id, "id2");
    queued_destroy(q);
}

static void takes_the_tasks_of_a_payload(void **state)
{
    static const char json[] = "{\"arn\":\"arn:aws:ecs:r:1:task/c/0\",\"containers\":"
                               "[{\"name\":\"a\",\"image\":\"i\"}]}";
    char why[] = "not an object", arn[] = "arn:aws:ecs:r:1:task/c/1";
    struct core_payload_task tasks[2] = { { 0 }, { NULL, arn, why } };
    struct err e = { 0 };
    struct queued *q;

    (void)state;
    assert_int_equal(task_decode_text(json, sizeof json - 1, &tasks[0].task, &e), ERR_OK);
    q = queued_payload("m", 5, tasks, COUNT_OF(tasks));
    why[0] = arn[0] = 'X';
    assert_null(tasks[0].task);
    assert_non_null(q->ev.u.payload.tasks[0].task);
    assert_string_equal(q->ev.u.payload.tasks[1].error, "not an object");
    assert_string_equal(q->ev.u.payload.tasks[1].arn, "arn:aws:ecs:r:1:task/c/1");
    queued_destroy(q);
}

static void tells_health_from_an_event(void **state)
{
    struct docker_event ev = { .id = "id", .task_arn = "arn" };
    struct queued *q;

    (void)state;
    ev.action = DOCKER_UNHEALTHY;
    q = queued_happening(CORE_HAP_HEALTH, &ev);
    assert_int_equal(q->ev.u.container.health, HEALTH_BAD);
    assert_string_equal(q->ev.u.container.name, ""); /* as a record would read it */
    queued_destroy(q);
    ev.action = DOCKER_HEALTHY;
    q = queued_happening(CORE_HAP_HEALTH, &ev);
    assert_int_equal(q->ev.u.container.health, HEALTH_OK);
    queued_destroy(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_the_states_of_a_list),
        cmocka_unit_test(leaves_out_containers_of_nobody),
        cmocka_unit_test(takes_the_tasks_of_a_payload),
        cmocka_unit_test(tells_health_from_an_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
