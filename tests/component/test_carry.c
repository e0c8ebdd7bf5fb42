/* links: engine */
/* Operations on images and containers. */
#include "component/carry_world.h"

/* ---- images ---- */

static void tells_what_an_image_is(void **state)
{
    struct world *w = *state;
    const struct core_image *image;
    uint64_t id;

    give_task(w, THREE);
    id = wish_image(w, CORE_OP_INSPECT_IMAGE, 0);
    run_until_told(w, 1);
    assert_ok(w, id);
    assert_int_equal(answer_of(w, id)->u.op.n_images, 1);
    image = &answer_of(w, id)->u.op.images[0];
    assert_string_equal(image->id, "sha256:aa");
    assert_string_equal(image->digest, FAKE_DIGEST_2); /* of this repository */
    assert_int_equal(image->n_names, 1);
    assert_string_equal(image->names[0], "busybox:latest");
    assert_int_equal(image->size, 123);
    assert_int_equal(image->created_ms, 1767323045000);
    assert_non_null(images_get(&w->en.images, "busybox"));
}

static void one_question_serves_all_who_ask(void **state)
{
    static const enum core_op ops[] = { CORE_OP_INSPECT_IMAGE, CORE_OP_MANIFEST, CORE_OP_PULL };
    struct world *w = *state;
    const int *counts[] = { &w->fake.looks, &w->fake.asks, &w->fake.pulls };
    uint64_t ids[3];

    give_task(w, THREE);
    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        w->fake.hold = true;
        for (size_t k = 0; k < 3; k++)
            ids[k] = wish_image(w, ops[i], k);
        run_until_count(w, counts[i], 1);
        fake_docker_release(&w->fake, 500, "{\"message\":\"not today\"}");
        run_until_told(w, 3);
        for (size_t k = 0; k < 3; k++)
            assert_string_equal(answer_of(w, ids[k])->u.op.err.msg,
                                "Error response from daemon: not today");
        assert_int_equal(fake_docker_count(&w->fake, counts[i]), 1);
        drop_told(w);
    }
}

static void an_heir_asks_again(void **state)
{
    struct world *w = *state;
    uint64_t ids[3];

    give_task(w, THREE);
    w->fake.hold = true;
    for (size_t k = 0; k < 3; k++)
        ids[k] = wish_image(w, CORE_OP_PULL, k);
    run_until_count(w, &w->fake.pulls, 1);
    cancel(w, ids[1]); /* it only waited */
    cancel(w, ids[0]);
    run_until_count(w, &w->fake.pulls, 2);
    fake_docker_release(&w->fake, 200, "{\"status\":\"Pull complete\"}\n");
    run_until_told(w, 1);
    assert_ok(w, ids[2]);
    assert_int_equal(fake_docker_count(&w->fake, &w->fake.pulls), 2);
    assert_null(w->en.ops);
}

static void pulls_what_the_manifest_named(void **state)
{
    struct world *w = *state;
    const struct wish by_digest = { .arn = ARN, .ref = "busybox", .digest = FAKE_DIGEST_3 };
    uint64_t id;

    give_task(w, THREE);
    id = wish_image(w, CORE_OP_MANIFEST, 0);
    run_until_told(w, 1);
    assert_ok(w, id);
    assert_int_equal(answer_of(w, id)->u.op.n_images, 1);
    assert_string_equal(answer_of(w, id)->u.op.images[0].digest, FAKE_DIGEST_3);
    drop_told(w);

    images_put(&w->en.images, "busybox", NULL);
    id = wish(w, CORE_OP_PULL, &by_digest);
    run_until_told(w, 1);
    assert_ok(w, id);
    assert_int_equal(w->fake.pulls, 1);
    assert_non_null(strstr(w->fake.pulled, "sha256"));
    assert_int_equal(w->fake.tags, 1);
    assert_non_null(strstr(w->fake.tagged, "sha256"));
    assert_non_null(strstr(w->fake.tagged, "busybox"));
    assert_null(images_get(&w->en.images, "busybox")); /* the name may mean another now */
    drop_told(w);

    w->fake.fail_tags = true;
    id = wish(w, CORE_OP_PULL, &by_digest);
    run_until_told(w, 1);
    assert_int_not_equal(answer_of(w, id)->u.op.err.code, ERR_OK);
}

static void other_credentials_ask_for_themselves(void **state)
{
    static const struct engine_value auth[] = {
        { 1, ENGINE_VALUE_AUTH, NULL, "b25l" },
        { 2, ENGINE_VALUE_AUTH, NULL, "b25l" },
    };
    struct world *w = *state;
    struct err e = { 0 };

    give_task(w, THREE);
    assert_int_equal(values_put(&w->en.values, ARN, CORE_OP_FETCH_AUTH, auth, 2, &e), ERR_OK);
    w->fake.hold = true;
    for (size_t k = 0; k < 3; k++)
        wish_image(w, CORE_OP_PULL, k);
    run_until_count(w, &w->fake.pulls, 2);
    fake_docker_release(&w->fake, 200, "{\"status\":\"Pull complete\"}\n");
    run_until_told(w, 3);
    assert_int_equal(fake_docker_count(&w->fake, &w->fake.pulls), 2);
    assert_string_equal(w->fake.auth, "b25l");
}

/* What the registry's password service said is the end of the pull; nobody is asked. */
static void pulls_nothing_without_a_token(void **state)
{
    static const struct engine_value none = { 1, ENGINE_VALUE_NO_AUTH, NULL, "AccessDenied: no" };
    static const enum core_op ops[] = { CORE_OP_MANIFEST, CORE_OP_PULL };
    struct world *w = *state;
    struct err e = { 0 };

    give_task(w, THREE);
    assert_int_equal(values_put(&w->en.values, ARN, CORE_OP_FETCH_AUTH, &none, 1, &e), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        uint64_t id = wish_image(w, ops[i], 1);

        run_until_told(w, 1);
        assert_int_equal(answer_of(w, id)->u.op.err.code, ERR_DENIED);
        assert_string_equal(answer_of(w, id)->u.op.err.msg,
                            "CannotPullECRContainerError: AccessDenied: no");
        drop_told(w);
    }
    assert_int_equal(fake_docker_count(&w->fake, &w->fake.asks), 0);
    assert_int_equal(fake_docker_count(&w->fake, &w->fake.pulls), 0);
}

/* The settings' passwords count where the task brings none. */
static void sends_the_passwords_of_the_settings(void **state)
{
    struct world *w = *state;
    struct docker_auths *auths = NULL;
    struct err e = { 0 };
    char *header;

    assert_int_equal(docker_auths_create("docker",
                                         "{\"index.docker.io/v1/\":{\"username\":\"u\","
                                         "\"password\":\"p\"}}",
                                         &auths, &e),
                     ERR_OK);
    w->en.auths = auths;
    give_task(w, THREE);
    wish_image(w, CORE_OP_MANIFEST, 0);
    run_until_told(w, 1);
    header = docker_auths_header(auths, "busybox");
    assert_string_equal(w->fake.auth, header);
    mem_wipe(header);
    docker_auths_destroy(auths);
}

static void brings_the_pause_image_along(void **state)
{
    struct world *w = *state;
    struct wish pause = { .arn = ARN, .ref = TASK_PAUSE_IMAGE };
    const struct task *t;
    uint64_t id;

    w->fake.strict = true;
    give_task(w, "\"pidMode\":\"task\",\"containers\":[{\"name\":\"a\",\"image\":\"busybox\"}]");
    t = core_task(w->en.core, ARN);
    pause.container = t->n_containers - 1;
    assert_true(t->containers[pause.container].internal);
    id = wish(w, CORE_OP_INSPECT_IMAGE, &pause);
    run_until_told(w, 1);
    assert_int_equal(answer_of(w, id)->u.op.err.code, ERR_NOT_FOUND);
    drop_told(w);
    id = wish(w, CORE_OP_PULL, &pause);
    run_until_told(w, 1);
    assert_ok(w, id);
    assert_int_equal(w->fake.imports, 1);
    assert_int_equal(w->fake.pulls, 0);
    drop_told(w);
    id = wish(w, CORE_OP_INSPECT_IMAGE, &pause);
    run_until_told(w, 1);
    assert_ok(w, id);
}

static void lists_and_removes_images(void **state)
{
    struct world *w = *state;
    const struct core_event *ev;
    uint64_t id;

    w->en.docker_root = mem_strdup(w->dir);
    id = wish(w, CORE_OP_LIST_IMAGES, &(struct wish){ 0 });
    run_until_told(w, 1);
    assert_ok(w, id);
    ev = answer_of(w, id);
    assert_int_equal(ev->u.op.n_images, 2);
    assert_int_equal(ev->u.op.images[0].n_names, 2);
    assert_int_equal(ev->u.op.images[1].n_names, 0);
    assert_int_equal(ev->u.op.images[1].size, 5);
    assert_true(ev->u.op.disk.bytes > 0);
    drop_told(w);

    images_put(&w->en.images, "busybox", NULL);
    id = wish(w, CORE_OP_REMOVE_IMAGE, &(struct wish){ .ref = "busybox" });
    run_until_told(w, 1);
    assert_ok(w, id);
    assert_int_equal(w->fake.image_removals, 1);
    assert_null(images_get(&w->en.images, "busybox"));
}

static void looks_at_the_disk(void **state)
{
    struct world *w = *state;
    uint64_t known, unknown;

    unknown = wish(w, CORE_OP_LOOK_AT_DISK, &(struct wish){ 0 });
    w->en.docker_root = mem_strdup(w->dir);
    known = wish(w, CORE_OP_LOOK_AT_DISK, &(struct wish){ 0 });
    run_until_told(w, 2);
    assert_ok(w, unknown);
    assert_int_equal(answer_of(w, unknown)->u.op.disk.bytes, 0);
    assert_ok(w, known);
    assert_true(answer_of(w, known)->u.op.disk.bytes_used > 0);
    cancel(w, wish(w, CORE_OP_LOOK_AT_DISK, &(struct wish){ 0 })); /* silence */
    assert_null(w->en.ops);
}

/* ---- containers ---- */

static void finds_containers_of_others(void **state)
{
    struct world *w = *state;
    const struct core_event *ev;
    struct wish it = { 0 };
    char id_text[65];
    uint64_t id;

    give_task(w, THREE);
    fake_docker_stranger(&w->fake, "somebody");
    fake_docker_stranger(&w->fake, "of-ours");
    snprintf(w->fake.containers[1].arn, sizeof w->fake.containers[1].arn, ARN);
    fake_docker_stranger(&w->fake, "of-a-forgotten-task");
    snprintf(w->fake.containers[2].arn, sizeof w->fake.containers[2].arn, CLUSTER "t2");
    id = wish(w, CORE_OP_LIST_OTHERS, &it);
    run_until_told(w, 1);
    assert_ok(w, id);
    ev = answer_of(w, id);
    assert_int_equal(ev->u.op.n_others, 2);
    assert_string_equal(ev->u.op.others[0].name, "somebody");
    assert_string_equal(ev->u.op.others[0].state, "exited");
    assert_string_equal(ev->u.op.others[1].name, "of-a-forgotten-task");
    snprintf(id_text, sizeof id_text, "%s", ev->u.op.others[0].id);
    drop_told(w);

    it.ref = id_text;
    id = wish(w, CORE_OP_INSPECT_OTHER, &it);
    run_until_told(w, 1);
    assert_ok(w, id);
    assert_non_null(answer_of(w, id)->u.op.facts);
    assert_true(answer_of(w, id)->u.op.facts->finished_ms > 0);
    id = wish(w, CORE_OP_REMOVE_OTHER, &it);
    run_until_told(w, 2);
    assert_ok(w, id);
}

#define PORTS                                                                              \
    "\"networkMode\":\"bridge\",\"containers\":[{\"name\":\"a\",\"image\":\"busybox\","    \
    "\"portMappings\":[{\"containerPort\":80,\"protocol\":\"tcp\"},{\"containerPort\":81," \
    "\"hostPort\":8081,\"protocol\":\"tcp\"}]}]"

static void holds_ports_until_the_start(void **state)
{
    struct world *w = *state;
    const struct core_event *ev;
    const struct wish it = { .arn = ARN, .ref = "nobody" };
    uint64_t id;

    give_task(w, PORTS);
    id = wish(w, CORE_OP_PORTS, &it);
    run_until_told(w, 1);
    assert_ok(w, id);
    ev = answer_of(w, id);
    assert_int_equal(ev->u.op.n_ports, 2);
    assert_int_equal((ev->u.op.ports[0] != 0) + (ev->u.op.ports[1] != 0), 1);
    assert_int_equal(w->en.holds.n, 1);
    wish(w, CORE_OP_START, &it);
    assert_int_equal(w->en.holds.n, 0);

    id = wish(w, CORE_OP_PORTS, &it);
    assert_int_equal(w->en.holds.n, 1);
    cancel(w, id); /* its answer is on the way */
    assert_int_equal(w->en.holds.n, 0);

    wish(w, CORE_OP_PORTS, &it);
    wish(w, CORE_OP_REMOVE, &it);
    assert_int_equal(w->en.holds.n, 0);

    wish(w, CORE_OP_PORTS, &it);
    assert_int_equal(w->en.holds.n, 1); /* for carry_fini */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(tells_what_an_image_is),
        CASE(one_question_serves_all_who_ask),
        CASE(an_heir_asks_again),
        CASE(pulls_what_the_manifest_named),
        CASE(other_credentials_ask_for_themselves),
        CASE(pulls_nothing_without_a_token),
        CASE(sends_the_passwords_of_the_settings),
        CASE(brings_the_pause_image_along),
        CASE(lists_and_removes_images),
        CASE(looks_at_the_disk),
        CASE(finds_containers_of_others),
        CASE(holds_ports_until_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
