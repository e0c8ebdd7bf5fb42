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
        const struct docker_listed row = { "id", "name", cases[i].state, "arn", "a", NULL, NULL };
        struct queued *q = queued_listed(&row, 1, "/data");

        assert_int_equal(q->ev.u.listed.n_rows, 1);
        assert_int_equal(q->ev.u.listed.rows[0].status, cases[i].want);
        queued_destroy(q);
    }
}

static void leaves_out_containers_of_nobody(void **state)
{
    const struct docker_listed rows[] = {
        { "id1", "name1", "running", NULL, NULL, NULL, NULL },
        { "id2", "name2", "running", "arn", "a", NULL, NULL },
    };
    struct queued *q = queued_listed(rows, COUNT_OF(rows), "/data");

    (void)state;
    assert_int_equal(q->ev.u.listed.n_rows, 1);
    assert_string_equal(q->ev.u.listed.rows[0].id, "id2");
    queued_destroy(q);
}

/* What another agent made on this engine is not ours to rebuild. */
static void gives_the_remains_of_its_own_containers(void **state)
{
    const struct docker_listed rows[] = {
        { "id1", "name1", "running", "arn", "a", "/data", "{}" },
        { "id2", "name2", "running", "arn", "a", "/other", "{}" },
        { "id3", "name3", "running", "arn", "a", "/data", NULL },
        { "id4", "name4", "running", "arn", "a", NULL, "{}" },
    };
    struct queued *q = queued_listed(rows, COUNT_OF(rows), "/data");

    (void)state;
    assert_string_equal(q->ev.u.listed.rows[0].remains, "{}");
    assert_null(q->ev.u.listed.rows[1].remains);
    assert_string_equal(q->ev.u.listed.rows[2].remains, "");
    assert_null(q->ev.u.listed.rows[3].remains);
    queued_destroy(q);
    q = queued_listed(rows, COUNT_OF(rows), NULL);
    assert_null(q->ev.u.listed.rows[0].remains);
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

static void tells_what_happened(void **state)
{
    static const struct {
        enum docker_action action;
        enum core_happening what;
    } cases[] = {
        { DOCKER_CREATE, CORE_HAP_CREATED },    { DOCKER_START, CORE_HAP_STARTED },
        { DOCKER_DIE, CORE_HAP_DIED },          { DOCKER_OOM, CORE_HAP_OOM },
        { DOCKER_DESTROY, CORE_HAP_DESTROYED }, { DOCKER_HEALTHY, CORE_HAP_HEALTH },
        { DOCKER_UNHEALTHY, CORE_HAP_HEALTH },  { DOCKER_RESTART, CORE_HAP_STARTED },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct docker_event from = { .action = cases[i].action,
                                           .id = "id",
                                           .task_arn = "arn",
                                           .has_exit_code = true,
                                           .exit_code = 7 };
        struct core_event ev;

        engine_happening(&from, &ev);
        assert_int_equal(ev.type, CORE_EV_CONTAINER);
        assert_int_equal(ev.u.container.what, cases[i].what);
        assert_string_equal(ev.u.container.id, "id");
        assert_string_equal(ev.u.container.name, ""); /* never NULL */
        assert_int_equal(ev.u.container.exit_code, 7);
    }
}

static void tells_health_from_an_event(void **state)
{
    struct docker_event ev = { .id = "id", .task_arn = "arn" };
    struct queued *q;

    (void)state;
    ev.action = DOCKER_UNHEALTHY;
    q = queued_happening(&ev);
    assert_int_equal(q->ev.u.container.health, HEALTH_BAD);
    assert_string_equal(q->ev.u.container.name, ""); /* as a record would read it */
    queued_destroy(q);
    ev.action = DOCKER_HEALTHY;
    q = queued_happening(&ev);
    assert_int_equal(q->ev.u.container.health, HEALTH_OK);
    queued_destroy(q);
}

static void takes_the_tasks_of_a_local_list(void **state)
{
    static const char json[] = "{\"arn\":\"arn:aws:ecs:r:1:task/c/0\",\"containers\":"
                               "[{\"name\":\"a\",\"image\":\"i\"}]}";
    char name[] = "web", digest[] = "d1";
    struct core_local_def def = { name, digest, NULL, true };
    struct err e = { 0 };
    struct queued *q;

    (void)state;
    assert_int_equal(task_decode_text(json, sizeof json - 1, &def.task, &e), ERR_OK);
    q = queued_local(&def, 1);
    name[0] = digest[0] = 'X';
    assert_null(def.task);
    assert_int_equal(q->ev.u.local.n_defs, 1);
    assert_string_equal(q->ev.u.local.defs[0].name, "web");
    assert_string_equal(q->ev.u.local.defs[0].digest, "d1");
    assert_string_equal(q->ev.u.local.defs[0].task->id, "0");
    assert_true(q->ev.u.local.defs[0].once);
    queued_destroy(q);
    q = queued_local(NULL, 0);
    assert_int_equal(q->ev.u.local.n_defs, 0);
    queued_destroy(q);
}

static bool has_a_label(const void *user, const struct docker_listed *row)
{
    (void)user;
    return row->task_arn != NULL;
}

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void owns_what_an_answer_says(void **state)
{
    char tag[] = "busybox:latest", id[] = "sha256:aa", other[] = "someone";
    const char *const tags[] = { tag, "busybox:1", NULL };
    const char *const digests[] = { "busybox@" DIGEST, NULL };
    const struct docker_image images[] = {
        { .id = id, .size = 9, .created_ms = 7, .tags = tags, .repo_digests = digests },
        { .id = "sha256:bb" },
    };
    const struct docker_listed rows[] = { { .id = "1", .name = other, .state = "exited" },
                                          { "2", "ours", "running", "arn", NULL, NULL, NULL } };
    struct ctr_facts facts = { .id = "c1", .status = CTR_STOPPED };
    struct queued *q = queued_op(5, NULL);

    (void)state;
    queued_set_images(q, images, 2, NULL);
    queued_set_others(q, rows, 2, has_a_label, NULL);
    queued_set_facts(q, &facts);
    q->ev.u.op.ports = mem_array(3, sizeof *q->ev.u.op.ports);
    tag[0] = id[0] = other[0] = 'X';
    assert_int_equal(q->ev.u.op.n_images, 2);
    assert_string_equal(q->ev.u.op.images[0].id, "sha256:aa");
    assert_int_equal(q->ev.u.op.images[0].n_names, 2);
    assert_string_equal(q->ev.u.op.images[0].names[0], "busybox:latest");
    assert_string_equal(q->ev.u.op.images[0].digest, "");
    assert_int_equal(q->ev.u.op.images[0].size, 9);
    assert_int_equal(q->ev.u.op.images[0].created_ms, 7);
    assert_int_equal(q->ev.u.op.images[1].n_names, 0);
    assert_int_equal(q->ev.u.op.n_others, 1);
    assert_string_equal(q->ev.u.op.others[0].name, "someone");
    assert_string_equal(q->ev.u.op.others[0].state, "exited");
    assert_string_equal(q->ev.u.op.facts->id, "c1");
    queued_destroy(q);

    q = queued_op(6, NULL);
    queued_set_images(q, images, 1, "busybox:1");
    assert_string_equal(q->ev.u.op.images[0].digest, DIGEST);
    queued_destroy(q);
    q = queued_op(7, NULL);
    queued_set_digest(q, "sha256:03");
    assert_int_equal(q->ev.u.op.n_images, 1);
    assert_string_equal(q->ev.u.op.images[0].digest, "sha256:03");
    queued_destroy(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_the_states_of_a_list),
        cmocka_unit_test(leaves_out_containers_of_nobody),
        cmocka_unit_test(gives_the_remains_of_its_own_containers),
        cmocka_unit_test(takes_the_tasks_of_a_payload),
        cmocka_unit_test(tells_what_happened),
        cmocka_unit_test(tells_health_from_an_event),
        cmocka_unit_test(takes_the_tasks_of_a_local_list),
        cmocka_unit_test(owns_what_an_answer_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
