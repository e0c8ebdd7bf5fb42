/* links: engine */
/* Operations on what tasks need besides: volumes, cgroups, values, files. */
#include "component/carry_world.h"

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
    const struct CMUnitTest tests[] = {
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
