/* links: engine */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "component/fake_docker.h"
#include "engine/internal.h"
#include "io/http_client.h"

/* Operations one by one, against a real socket: an engine whose turns only gather what
 * it would tell its core. */

#define GUARD_MS 20000
#define CLUSTER  "arn:aws:ecs:us-west-2:123456789012:task/demo/"
#define ARN      CLUSTER "t1"

struct world {
    char dir[64];
    struct fake_docker fake;
    struct loop *loop;
    struct loop_timer *guard, *poll;
    struct http_client *http;
    struct config config;
    struct engine en;
    struct list told; /* queued, in order */
    size_t n_told, want;
    const int *number; /* of the fake engine, waited for */
    int at_least;
    uint64_t next_id;
    bool expired;
};

static void on_turn(void *user)
{
    struct world *w = user;

    LIST_FOREACH (it, following, &w->en.queue) {
        list_remove(it);
        list_push_back(&w->told, it);
        w->n_told++;
    }
    if (w->want && w->n_told >= w->want)
        loop_stop(w->loop);
}

static void on_guard(void *user)
{
    struct world *w = user;

    w->expired = true;
    loop_stop(w->loop);
}

static void on_poll(void *user)
{
    struct world *w = user;

    if (w->number && fake_docker_count(&w->fake, w->number) >= w->at_least)
        loop_stop(w->loop);
    loop_timer_arm(w->poll, 2);
}

static void run(struct world *w)
{
    w->expired = false;
    loop_timer_arm(w->guard, GUARD_MS);
    loop_timer_arm(w->poll, 0);
    loop_run(w->loop);
    loop_timer_disarm(w->guard);
    loop_timer_disarm(w->poll);
    if (w->expired)
        fail_msg("what was waited for did not happen");
}

/* Until so many operations have ended, since the last drop_told. */
static void run_until_told(struct world *w, size_t n)
{
    w->want = n;
    if (w->n_told < n)
        run(w);
    w->want = 0;
    assert_int_equal(w->n_told, n);
}

static void run_until_count(struct world *w, const int *number, int at_least)
{
    w->number = number;
    w->at_least = at_least;
    run(w);
    w->number = NULL;
}

static void drop_told(struct world *w)
{
    LIST_FOREACH (it, following, &w->told) {
        list_remove(it);
        queued_destroy(LIST_ENTRY(it, struct queued, node));
    }
    w->n_told = 0;
}

static const struct core_event *answer_of(struct world *w, uint64_t id)
{
    LIST_FOREACH (it, following, &w->told) {
        const struct queued *q = LIST_ENTRY(it, struct queued, node);

        if (q->ev.type == CORE_EV_OP_DONE && q->ev.u.op.id == id)
            return &q->ev;
    }
    fail_msg("operation %d has not ended", (int)id);
    return NULL;
}

static void assert_ok(struct world *w, uint64_t id)
{
    const struct err *e = &answer_of(w, id)->u.op.err;

    if (e->code)
        fail_msg("operation %d: %s", (int)id, e->msg);
}

/* ---- what the core would wish ---- */

struct wish {
    const char *arn, *ref, *digest;
    size_t container, volume;
};

static uint64_t wish(struct world *w, enum core_op op, const struct wish *what)
{
    AUTO(str) char *arn = mem_strdup(what->arn);
    AUTO(str) char *ref = mem_strdup(what->ref);
    AUTO(str) char *digest = mem_strdup(what->digest);
    const struct core_action a = {
        .type = CORE_ACT_OP,
        .id = ++w->next_id,
        .op = op,
        .task_arn = arn,
        .container = what->container,
        .volume = what->volume,
        .digest = digest,
        .ref = ref,
        .timeout_ms = 10000,
        .idle_timeout_ms = 10000,
        .stop_timeout_s = 1,
    };

    carry_action(&w->en, &a);
    return a.id;
}

static uint64_t wish_image(struct world *w, enum core_op op, size_t container)
{
    return wish(w, op, &(struct wish){ .arn = ARN, .ref = "busybox", .container = container });
}

static void cancel(struct world *w, uint64_t id)
{
    const struct core_action a = { .type = CORE_ACT_CANCEL, .id = id };

    carry_action(&w->en, &a);
}

static void give_task(struct world *w, const char *members)
{
    AUTO(str)
    char *json = mem_printf("{\"arn\":\"" ARN "\",\"family\":\"web\",\"version\":\"3\","
                            "\"desiredStatus\":\"RUNNING\",%s}",
                            members);
    struct core_payload_task p = { 0 };
    struct core_event ev = { .type = CORE_EV_STARTED, .u.started.manifest_seq = -1 };
    struct core_actions out = { 0 };
    struct err e = { 0 };

    core_step(w->en.core, (struct core_time){ 1, 1 }, &ev, &out);
    if (task_decode_text(json, strlen(json), &p.task, &e))
        fail_msg("%s", e.msg);
    ev = (struct core_event){ .type = CORE_EV_PAYLOAD };
    ev.u.payload.message_id = "m";
    ev.u.payload.tasks = &p;
    ev.u.payload.n_tasks = 1;
    core_step(w->en.core, (struct core_time){ 2, 2 }, &ev, &out);
    core_actions_fini(&out);
    assert_non_null(core_task(w->en.core, ARN));
}

#define THREE                                                                           \
    "\"containers\":[{\"name\":\"a\",\"image\":\"busybox\"},{\"name\":\"b\",\"image\":" \
    "\"busybox\"},{\"name\":\"c\",\"image\":\"busybox\"}]"

/* ---- set up ---- */

static void on_version(void *user, const struct docker_version *v, const struct err *e)
{
    struct world *w = user;

    (void)v;
    assert_int_equal(e->code, ERR_OK);
    loop_stop(w->loop);
}

static int set_up(void **state)
{
    static const struct core_config core = {
        .seed = 7,
        .cpu_units = 4096,
        .memory_mib = 16384,
        .start_parallel = 8,
        .pull_parallel = 8,
        .stop_timeout_ms = 1000,
        .ageing_ms = 60000,
        .port_first = 20300,
        .port_last = 20399,
    };
    struct world *w = NEW(struct world);
    struct http_client_config http = { 0 };
    char path[128], endpoint[160];
    struct err e = { 0 };

    snprintf(w->dir, sizeof w->dir, "/tmp/test_carry.XXXXXX");
    if (!mkdtemp(w->dir))
        return -1;
    snprintf(path, sizeof path, "%s/docker.sock", w->dir);
    fake_docker_start(&w->fake, path);
    log_set_level(LOG_OFF);
    w->loop = loop_create();
    w->guard = loop_timer_create(w->loop, on_guard, w);
    w->poll = loop_timer_create(w->loop, on_poll, w);
    w->http = http_client_create(w->loop, &http);
    w->config.cluster = mem_strdup("demo");
    list_init(&w->told);
    snprintf(endpoint, sizeof endpoint, "unix://%s", w->fake.path);
    w->en.loop = w->loop;
    w->en.config = &w->config;
    w->en.user = w;
    w->en.core = core_create(&core);
    w->en.turn = turn_end_create(w->loop, on_turn, w);
    list_init(&w->en.queue);
    holds_init(&w->en.holds, core.port_first, core.port_last);
    if (docker_create(w->http, endpoint, &w->en.docker, &e))
        return -1;
    docker_negotiate(w->en.docker, on_version, w);
    loop_run(w->loop);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    char command[128];

    carry_fini(&w->en);
    drop_told(w);
    LIST_FOREACH (it, following, &w->en.queue) {
        list_remove(it);
        queued_destroy(LIST_ENTRY(it, struct queued, node));
    }
    turn_end_destroy(w->en.turn);
    docker_destroy(w->en.docker);
    core_destroy(w->en.core);
    http_client_destroy(w->http);
    loop_timer_destroy(w->guard);
    loop_timer_destroy(w->poll);
    loop_destroy(w->loop);
    fake_docker_stop(&w->fake);
    snprintf(command, sizeof command, "rm -rf %s", w->dir);
    free(w->config.cluster);
    free(w->en.docker_root);
    free(w);
    return system(command);
}

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

/* ---- what tasks need ---- */

#define VOLUMES                                                                                 \
    "\"containers\":[{\"name\":\"a\",\"image\":\"busybox\"}],\"volumes\":["                     \
    "{\"name\":\"mine\",\"type\":\"docker\",\"dockerVolumeConfiguration\":{\"scope\":\"task\"," \
    "\"driver\":\"local\",\"driverOpts\":{\"type\":\"tmpfs\"},\"labels\":{\"k\":\"v\"}}},"      \
    "{\"name\":\"there\",\"type\":\"docker\",\"dockerVolumeConfiguration\":{\"scope\":"         \
    "\"shared\",\"autoprovision\":false}},"                                                     \
    "{\"name\":\"maybe\",\"type\":\"docker\",\"dockerVolumeConfiguration\":{\"scope\":"         \
    "\"shared\",\"autoprovision\":true,\"driver\":\"local\",\"labels\":{\"k\":\"v\"},"          \
    "\"driverOpts\":{\"type\":\"tmpfs\"}}}]"

static size_t volume_index(const struct world *w, const char *name)
{
    const struct task *t = core_task(w->en.core, ARN);

    for (size_t i = 0; i < t->n_volumes; i++)
        if (streq(t->volumes[i].name, name))
            return i;
    fail_msg("no volume %s", name);
    return 0;
}

static const struct core_event *make_volume(struct world *w, const char *name)
{
    const struct task *t = core_task(w->en.core, ARN);
    size_t volume = volume_index(w, name);
    AUTO(str) char *ref = task_volume_docker_name(t, &t->volumes[volume]);
    uint64_t id;

    drop_told(w);
    id = wish(w, CORE_OP_CREATE_VOLUME, &(struct wish){ .arn = ARN, .ref = ref, .volume = volume });
    run_until_told(w, 1);
    return answer_of(w, id);
}

static void makes_the_volumes_of_a_task(void **state)
{
    struct world *w = *state;
    uint64_t id;

    give_task(w, VOLUMES);
    assert_int_equal(make_volume(w, "mine")->u.op.err.code, ERR_OK);
    assert_int_equal(w->fake.volume_creates, 1);
    assert_int_equal(w->fake.n_volumes, 1);
    assert_true(str_starts(w->fake.volumes[0], "ecs-web-3-mine-"));
    assert_non_null(strstr(w->fake.volume_body, "\"tmpfs\""));
    assert_non_null(strstr(w->fake.volume_body, "\"k\":\"v\""));
    drop_told(w);
    id = wish(w, CORE_OP_REMOVE_VOLUME, &(struct wish){ .arn = ARN, .ref = w->fake.volumes[0] });
    run_until_told(w, 1);
    assert_ok(w, id);
    assert_int_equal(w->fake.n_volumes, 0);
}

static void finds_or_makes_shared_volumes(void **state)
{
    struct world *w = *state;
    const struct core_event *ev;

    give_task(w, VOLUMES);
    ev = make_volume(w, "there");
    assert_int_equal(ev->u.op.err.code, ERR_NOT_FOUND);
    assert_string_equal(ev->u.op.err.msg, "Error response from daemon: get v: no such volume");
    assert_int_equal(w->fake.volume_creates, 0);

    assert_int_equal(make_volume(w, "maybe")->u.op.err.code, ERR_OK);
    assert_int_equal(w->fake.volume_creates, 1);
    assert_string_equal(w->fake.volumes[0], "maybe");
    assert_int_equal(make_volume(w, "maybe")->u.op.err.code, ERR_OK);
    assert_int_equal(w->fake.volume_creates, 1); /* it is there */

    w->config.shared_volume_match_full = true; /* the fake one has no labels */
    ev = make_volume(w, "maybe");
    assert_int_equal(ev->u.op.err.code, ERR_INVALID);
    assert_non_null(strstr(ev->u.op.err.msg, "volume maybe: its labels"));
}

static void needs_no_cgroups(void **state)
{
    struct world *w = *state;
    uint64_t make, drop;

    give_task(w, THREE);
    make = wish(w, CORE_OP_CREATE_CGROUP, &(struct wish){ .arn = ARN });
    drop = wish(w, CORE_OP_REMOVE_CGROUP, &(struct wish){ .arn = ARN });
    run_until_told(w, 2);
    assert_ok(w, make);
    assert_ok(w, drop);
}

static bool has_cgroup(int version)
{
    return access(version == 2 ? "/sys/fs/cgroup/ecstasks.slice/ecstasks-t1.slice"
                               : "/sys/fs/cgroup/memory/ecs/t1",
                  F_OK) == 0;
}

/* Where the test may make cgroups. */
static void gives_a_task_its_cgroup(void **state)
{
    struct world *w = *state;
    int version = access("/sys/fs/cgroup/cgroup.controllers", F_OK) ? 1 : 2;
    struct host_cgroups *cgroups = NULL;
    AUTO(str) char *parent = NULL;
    struct err e = { 0 };
    uint64_t id;

    if (host_cgroups_create("/sys/fs/cgroup", version, false, &cgroups, &e))
        skip();
    w->en.cgroups = cgroups;
    give_task(w, THREE);
    id = wish(w, CORE_OP_CREATE_CGROUP, &(struct wish){ .arn = ARN });
    run_until_told(w, 1);
    assert_ok(w, id);
    assert_true(has_cgroup(version));
    id = wish(w, CORE_OP_CREATE, &(struct wish){ .arn = ARN, .ref = "c-1" });
    run_until_told(w, 2);
    assert_ok(w, id);
    parent = host_cgroup_parent(cgroups, "t1");
    assert_non_null(strstr(w->fake.containers[0].body, parent));
    id = wish(w, CORE_OP_REMOVE_CGROUP, &(struct wish){ .arn = ARN });
    run_until_told(w, 3);
    assert_ok(w, id);
    assert_false(has_cgroup(version));
    host_cgroups_destroy(cgroups);
}

static void put_file(const char *dir, const char *name, const char *text, mode_t mode)
{
    AUTO(str) char *path = mem_printf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void on_worker(void *user)
{
    (void)user;
}

static void on_worked(void *user)
{
    struct world *w = user;

    loop_stop(w->loop);
}

#define SLOW 8 /* more than there are workers */

/* A systemd that hangs must not keep the store from its commits. */
static void leaves_workers_to_others(void **state)
{
    struct world *w = *state;
    AUTO(str) char *old = mem_strdup(getenv("PATH")), *path = mem_printf("%s:%s", w->dir, old);
    AUTO(str) char *gate = mem_printf("%s/gate", w->dir);
    AUTO(str)
    char *script = mem_printf("#!/bin/sh\n[ \"$1\" = --version ] || read line <%s\n", gate);
    struct host_cgroups *cgroups = NULL;
    struct err e = { 0 };
    uint64_t ids[SLOW];
    int fd;

    assert_int_equal(mkfifo(gate, 0600), 0);
    fd = open(gate, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    put_file(w->dir, "systemctl", script, 0755);
    put_file(w->dir, "cgroup.controllers", "cpu memory\n", 0644);
    setenv("PATH", path, 1);
    assert_int_equal(host_cgroups_create(w->dir, 2, true, &cgroups, &e), ERR_OK);
    w->en.cgroups = cgroups;
    give_task(w, THREE);
    for (size_t i = 0; i < SLOW; i++)
        ids[i] = wish(w, CORE_OP_CREATE_CGROUP, &(struct wish){ .arn = ARN });
    loop_work(w->loop, on_worker, on_worked, w);
    run(w);
    assert_int_equal(w->n_told, 0);
    for (size_t i = 0; i < SLOW; i++)
        assert_int_equal(write(fd, "\n", 1), 1);
    run_until_told(w, SLOW);
    for (size_t i = 0; i < SLOW; i++)
        assert_ok(w, ids[i]);
    setenv("PATH", old, 1);
    close(fd);
    host_cgroups_destroy(cgroups);
}

#define SECRETS                                                                                  \
    "\"containers\":[{\"name\":\"a\",\"image\":\"busybox\",\"secrets\":[{\"name\":\"PASSWORD\"," \
    "\"valueFrom\":\"/db/password\",\"region\":\"us-west-2\",\"provider\":\"ssm\","              \
    "\"type\":\"ENVIRONMENT_VARIABLE\"}]}],\"executionRoleCredentials\":{\"credentialsId\":"     \
    "\"c1\"}"

static uint64_t fetching;

static void on_fetch(void *user, uint64_t id, enum core_op op, const struct task *t)
{
    (void)user;
    assert_int_equal(op, CORE_OP_FETCH_SECRETS);
    assert_string_equal(t->arn, ARN);
    fetching = id;
}

static uint64_t canceled;

static void on_fetch_cancel(void *user, uint64_t id)
{
    (void)user;
    canceled = id;
}

static void tells_that_a_fetch_is_canceled(void **state)
{
    struct world *w = *state;
    struct core_action cancel = { .type = CORE_ACT_CANCEL };

    give_task(w, SECRETS);
    w->en.peers.fetch = on_fetch;
    w->en.peers.fetch_cancel = on_fetch_cancel;
    cancel.id = wish(w, CORE_OP_FETCH_SECRETS, &(struct wish){ .arn = ARN });
    canceled = 0;
    carry_action(&w->en, &cancel);
    assert_int_equal(canceled, cancel.id);
    assert_null(w->en.ops);
}

static void says_what_it_cannot_fetch(void **state)
{
    struct world *w = *state;
    uint64_t id;

    give_task(w, SECRETS);
    id = wish(w, CORE_OP_FETCH_SECRETS, &(struct wish){ .arn = ARN });
    run_until_told(w, 1);
    assert_int_equal(answer_of(w, id)->u.op.err.code, ERR_INVALID);
    assert_non_null(strstr(answer_of(w, id)->u.op.err.msg, "cannot be fetched here"));
}

static void keeps_what_is_fetched_until_the_task_is_gone(void **state)
{
    static const struct engine_value value = { 0, ENGINE_VALUE_ENV, "PASSWORD", "hunter2" };
    const struct core_action gone = { .type = CORE_ACT_DELETE,
                                      .kind = CORE_KIND_TASK,
                                      .key = (char *)(uintptr_t)ARN };
    struct world *w = *state;
    const struct err busy = { ERR_RETRY, "no credentials yet" };
    uint64_t id;

    give_task(w, SECRETS);
    w->en.peers.fetch = on_fetch;
    id = wish(w, CORE_OP_FETCH_SECRETS, &(struct wish){ .arn = ARN });
    assert_int_equal(fetching, id);
    engine_fetched(&w->en, id + 1, &value, 1, NULL); /* nobody asked for that */
    engine_fetched(&w->en, id, NULL, 0, &busy);
    run_until_told(w, 1);
    assert_int_equal(answer_of(w, id)->u.op.err.code, ERR_RETRY);
    assert_null(w->en.values.sets);

    id = wish(w, CORE_OP_FETCH_SECRETS, &(struct wish){ .arn = ARN });
    engine_fetched(&w->en, id, &value, 1, NULL);
    run_until_told(w, 2);
    assert_ok(w, id);
    assert_non_null(w->en.values.sets);

    /* The container that is made of it has the value. */
    id = wish(w, CORE_OP_CREATE, &(struct wish){ .arn = ARN, .ref = "c-1" });
    run_until_told(w, 3);
    assert_ok(w, id);
    assert_non_null(strstr(w->fake.containers[0].body, "PASSWORD=hunter2"));

    wish(w, CORE_OP_FORGET_SECRETS, &(struct wish){ .arn = ARN });
    assert_null(w->en.values.sets);
    id = wish(w, CORE_OP_FETCH_SECRETS, &(struct wish){ .arn = ARN });
    engine_fetched(&w->en, id, &value, 1, NULL);
    assert_non_null(w->en.values.sets);
    carry_action(&w->en, &gone);
    assert_null(w->en.values.sets);
}

static uint64_t filing;

static void on_file(void *user, uint64_t id, const struct task *t, size_t container)
{
    (void)user;
    assert_string_equal(t->containers[container].name, "b");
    filing = id;
}

/* The container waits for its file; without one it is made all the same. */
static void makes_the_metadata_file_first(void **state)
{
    struct world *w = *state;
    const struct wish what = { .arn = ARN, .ref = "c-1", .container = 1 };
    char mount[TASK_UUID_SIZE];
    uint64_t id;

    give_task(w, THREE);
    w->en.peers.file = on_file;
    id = wish(w, CORE_OP_CREATE, &what);
    assert_int_not_equal(filing, id); /* the setting is off */
    run_until_told(w, 1);
    w->config.container_metadata = true;
    id = wish(w, CORE_OP_CREATE, &(struct wish){ .arn = ARN, .ref = "c-2", .container = 1 });
    assert_int_equal(filing, id);
    engine_filed(&w->en, id + 1, "/nobody/asked"); /* that is no operation */
    engine_filed(&w->en, id, "/data/metadata/demo/t1/b");
    run_until_told(w, 2);
    assert_ok(w, id);
    task_file_mount("c-2", mount);
    assert_non_null(strstr(w->fake.containers[1].body, "/data/metadata/demo/t1/b:"));
    assert_non_null(strstr(w->fake.containers[1].body, mount));

    id = wish(w, CORE_OP_CREATE, &(struct wish){ .arn = ARN, .ref = "c-3", .container = 1 });
    engine_filed(&w->en, id, NULL);
    run_until_told(w, 3);
    assert_ok(w, id);
    assert_null(strstr(w->fake.containers[2].body, "ECS_CONTAINER_METADATA_FILE"));
    id = wish(w, CORE_OP_CREATE, &(struct wish){ .arn = ARN, .ref = "c-4", .container = 1 });
    cancel(w, id);
    engine_filed(&w->en, id, "/late"); /* nobody waits any more */
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
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
        CASE(makes_the_volumes_of_a_task),
        CASE(finds_or_makes_shared_volumes),
        CASE(needs_no_cgroups),
        CASE(gives_a_task_its_cgroup),
        CASE(leaves_workers_to_others),
        CASE(tells_that_a_fetch_is_canceled),
        CASE(says_what_it_cannot_fetch),
        CASE(keeps_what_is_fetched_until_the_task_is_gone),
        CASE(makes_the_metadata_file_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
