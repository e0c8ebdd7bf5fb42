/* The metadata file of a container in its create body. */
#include "unit/task/create.h"

#define UUID     "0a1b2c3d-0000-4000-8000-000000000001"
#define FILE_ENV "\"ECS_CONTAINER_METADATA_FILE=/opt/ecs/metadata/" UUID "/" TASK_FILE_NAME "\""
#define BIND     "\"/data/metadata/c/1/a:/opt/ecs/metadata/" UUID

static json_t *made(const char *members, bool selinux)
{
    AUTO(str)
    char *text = mem_printf("{\"arn\":\"x/1\",\"volumes\":[{\"name\":\"v\",\"type\":\"host\","
                            "\"host\":{\"sourcePath\":\"/v\"}}],"
                            "\"containers\":[{\"name\":\"a\",\"image\":\"i\"%s}]}",
                            members);
    AUTO(task) struct task *t = decode(text);
    struct task_create_args args = args_for(t);

    args.file_dir = "/data/metadata/c/1/a";
    args.file_mount = UUID;
    args.selinux = selinux;
    return body_of(&args);
}

static void test_added(void **state)
{
    static const struct {
        const char *members, *binds, *env;
        bool selinux;
    } cases[] = {
        { "", "[" BIND "\"]", "[" FILE_ENV "]", false },
        { "", "[" BIND ":Z\"]", "[" FILE_ENV "]", true },
        { ",\"mountPoints\":[{\"sourceVolume\":\"v\",\"containerPath\":\"/w\"}]",
          "[\"/v:/w\"," BIND "\"]", "[" FILE_ENV "]", false },
        /* What the control plane says itself keeps its rules; ours is added. */
        { ",\"mountPoints\":[{\"sourceVolume\":\"v\",\"containerPath\":\"/w\"}],"
          "\"dockerConfig\":{\"hostConfig\":\"{\\\"Binds\\\":[\\\"/x:/y\\\"]}\"}",
          "[\"/x:/y\"," BIND "\"]", "[" FILE_ENV "]", false },
        { ",\"mountPoints\":[{\"sourceVolume\":\"v\",\"containerPath\":\"/w\"}],"
          "\"dockerConfig\":{\"hostConfig\":\"{\\\"Binds\\\":null}\",\"config\":\"{\\\"Env\\\":"
          "null}\"}",
          "[" BIND "\"]", "[" FILE_ENV "]", false },
        { ",\"dockerConfig\":{\"config\":\"{\\\"Env\\\":[\\\"A=1\\\",\\\""
          "ECS_CONTAINER_METADATA_FILE=/etc\\\"]}\"}",
          "[" BIND "\"]", "[\"A=1\"," FILE_ENV "]", false },
        { ",\"environment\":{\"ECS_CONTAINER_METADATA_FILE\":\"/etc\",\"Z\":\"1\"}", "[" BIND "\"]",
          "[" FILE_ENV ",\"Z=1\"]", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *body = made(cases[i].members, cases[i].selinux);

        assert_at(body, "HostConfig", "Binds", cases[i].binds);
        assert_at(body, "Env", NULL, cases[i].env);
        json_decref(body);
    }
}

static void test_mount(void **state)
{
    char one[TASK_UUID_SIZE], again[TASK_UUID_SIZE], other[TASK_UUID_SIZE];

    (void)state;
    task_file_mount("ecs-web-3-a-0011", one);
    task_file_mount("ecs-web-3-a-0011", again);
    task_file_mount("ecs-web-3-a-0012", other);
    assert_int_equal(strlen(one), 36);
    assert_string_equal(one, again);
    assert_string_not_equal(one, other);
}

static void test_path(void **state)
{
#define TASKS "arn:aws:ecs:us-west-2:1:task/"
    static const struct {
        const char *arn, *container, *want;
    } cases[] = {
        { TASKS "shop/6f1e", "api", "shop/6f1e/api" },
        { TASKS "6f1e", "a_b-1", "6f1e/a_b-1" },
        { TASKS "shop/6f1e", NULL, "shop/6f1e" },
        { "local/web", "api", NULL },
        { TASKS "shop/6f1e", "..", NULL },
        { TASKS "shop/6f1e", "a/b", NULL },
        { TASKS "shop/6f1e", "a:b", NULL },
        { TASKS "shop/6f1e", "", NULL },
        { TASKS "../6f1e", "api", NULL },
        { TASKS "shop/a/b", "api", NULL },
        { TASKS, "api", NULL },
        { TASKS "shop/", "api", NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(str) char *path = task_file_path(cases[i].arn, cases[i].container);

        if (cases[i].want)
            assert_string_equal(path, cases[i].want);
        else
            assert_null(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_added), cmocka_unit_test(test_mount),
                                        cmocka_unit_test(test_path) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
