/* The sources of a machine: files that are odd or not there, and the environment. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/config/helper.h"

static char dir[] = "/tmp/test-config-XXXXXX";
static char user[64], instance[64], json[64];

static void write_file(const char *path, const void *text, size_t n)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void put(const char *path, const char *text)
{
    write_file(path, text, strlen(text));
}

/* An environment of nothing but the paths of this test. */
static int set_up(void **state)
{
    (void)state;
    clearenv();
    return setenv("BERTH_INSTANCE_CONFIG", instance, 1) ||
           setenv("ECS_AGENT_CONFIG_FILE_PATH", json, 1) ||
           setenv("AWS_DEFAULT_REGION", "eu-west-1", 1);
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(user);
    (void)unlink(instance);
    (void)unlink(json);
    return 0;
}

static struct built load(const char *path)
{
    struct built b = { .text = BUF_INIT(1 << 20) };
    struct config_files *files = NULL;
    struct config_inputs in;

    config_files_read(path, &files, &in, &b.p);
    b.c = config_build(&in, &b.p);
    config_files_destroy(files);
    for (size_t i = 0; i < b.p.n; i++)
        buf_printf(&b.text, "%s:%d%s: %s\n", b.p.items[i].source, b.p.items[i].line,
                   b.p.items[i].fatal ? "!" : "", b.p.items[i].text);
    return b;
}

static void test_nothing_is_there(void **state)
{
    struct built b = load(user);

    (void)state;
    assert_string_equal(buf_text(&b.text), "");
    assert_string_equal(b.c->cluster, "default");
    assert_string_not_equal(b.c->detailed_os_family, "LINUX"); /* from os-release, or "linux" */
    built_fini(&b);
    b = load(NULL);
    assert_int_equal(b.p.n, 0);
    built_fini(&b);
    config_files_destroy(NULL);
}

static void test_all_are_there(void **state)
{
    struct built b;

    (void)state;
    put(user, "ECS_CLUSTER=user\nECS_DATADIR=/user\nECS_LOGLEVEL=debug\n");
    put(instance, "ECS_CLUSTER=instance\nECS_RESERVED_MEMORY=7\n");
    put(json, "{\"Cluster\":\"json\",\"NoIID\":true,\"ReservedMemory\":9}");
    assert_int_equal(setenv("ECS_LOGLEVEL", "warn", 1), 0);
    assert_int_equal(setenv("ECS_DETAILED_OS_FAMILY", "mine", 1), 0);
    b = load(user);
    assert_string_equal(buf_text(&b.text), "");
    assert_string_equal(b.c->cluster, "user");
    assert_string_equal(b.c->data_dir, "/user");
    assert_string_equal(b.c->log_level, "warn");
    assert_string_equal(b.c->detailed_os_family, "mine");
    assert_int_equal(b.c->reserved_memory_mib, 7);
    assert_true(b.c->no_iid);
    built_fini(&b);
}

/* The files name the JSON file too. */
static void test_json_path_in_the_file(void **state)
{
    AUTO(str) char *line = mem_printf("ECS_AGENT_CONFIG_FILE_PATH=%s\n", json);
    struct built b;

    (void)state;
    assert_int_equal(unsetenv("ECS_AGENT_CONFIG_FILE_PATH"), 0);
    put(instance, line);
    put(json, "{\"Cluster\":\"json\"}");
    b = load(user);
    assert_string_equal(b.c->cluster, "json");
    assert_string_equal(b.c->json_path, json);
    built_fini(&b);
}

/* A path that the agent does not take is not read either. */
static void test_instance_path(void **state)
{
    struct built b;

    (void)state;
    put(instance, "ECS_CLUSTER=instance\n");
    assert_int_equal(chdir(dir), 0);
    assert_int_equal(setenv("BERTH_INSTANCE_CONFIG", "instance", 1), 0);
    b = load(user);
    assert_int_equal(chdir("/"), 0);
    assert_string_equal(buf_text(&b.text),
                        "environment:0: BERTH_INSTANCE_CONFIG: expected an absolute path, got "
                        "'instance'; using /var/lib/ecs/ecs.config\n");
    assert_string_equal(b.c->cluster, "default");
    built_fini(&b);
}

/* Each in the place of each file. */
static void test_no_file_of_settings(void **state)
{
    static char *const places[] = { user, instance, json };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        AUTO(str)
        char *is_dir =
            mem_printf("%s:0!: expected a file of settings, got a directory\n", places[i]);
        AUTO(str)
        char *is_pipe = mem_printf("%s:0!: expected a file of settings, got a pipe\n", places[i]);
        AUTO(str)
        char *too_big =
            mem_printf("%s:0!: the file is over 1 MiB; expected a file of settings\n", places[i]);
        AUTO(str)
        char *has_nul =
            mem_printf("%s:1!: a NUL byte; expected a text file of settings\n", places[i]);
        struct built b;

        assert_int_equal(mkdir(places[i], 0700), 0);
        b = load(user);
        assert_string_equal(buf_text(&b.text), is_dir);
        built_fini(&b);
        assert_int_equal(rmdir(places[i]), 0);

        assert_int_equal(mkfifo(places[i], 0600), 0);
        b = load(user);
        assert_string_equal(buf_text(&b.text), is_pipe);
        built_fini(&b);
        assert_int_equal(unlink(places[i]), 0);

        put(places[i], "");
        assert_int_equal(truncate(places[i], 100 << 20), 0); /* 100 MB with nothing in it */
        b = load(user);
        assert_string_equal(buf_text(&b.text), too_big);
        built_fini(&b);

        write_file(places[i], "ECS\0", 4);
        b = load(user);
        assert_string_equal(buf_text(&b.text), has_nul);
        built_fini(&b);
        assert_int_equal(unlink(places[i]), 0);
    }
}

/* Without an end, though its size is said to be 0. */
static void test_endless_file(void **state)
{
    struct built b = load("/dev/zero");

    (void)state;
    assert_string_equal(buf_text(&b.text),
                        "/dev/zero:0!: the file is over 1 MiB; expected a file of settings\n");
    built_fini(&b);
    b = load("/dev/null");
    assert_string_equal(buf_text(&b.text), "");
    built_fini(&b);
}

static void test_no_permission(void **state)
{
    AUTO(str)
    char *want = mem_printf("%s:0!: expected a file that can be read: Permission denied\n", user);
    struct built b;
    uid_t root = geteuid();

    (void)state;
    put(user, "ECS_CLUSTER=x\n");
    assert_int_equal(chmod(user, 0), 0);
    if (root == 0)
        assert_int_equal(seteuid(65534), 0);
    b = load(user);
    if (root == 0)
        assert_int_equal(seteuid(0), 0);
    assert_string_equal(buf_text(&b.text), want);
    assert_true(b.p.fatal);
    built_fini(&b);
}

/* What is taken out of the environment is not lost to the settings. The last test: it stays so. */
static void test_secrets_leave_the_environment(void **state)
{
    static const char *const secret[] = { "ECS_ENGINE_AUTH_DATA", "AWS_SECRET_ACCESS_KEY" };
    const char *at[COUNT_OF(secret)];
    struct built b;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(secret); i++) {
        assert_int_equal(setenv(secret[i], "{\"hunter\":\"2\"}", 1), 0);
        at[i] = getenv(secret[i]);
    }
    config_environment_take_secrets();
    for (size_t i = 0; i < COUNT_OF(secret); i++) {
        assert_null(getenv(secret[i]));
        assert_string_equal(at[i], ""); /* wiped where it stood */
        assert_string_equal(config_environment(secret[i]), "{\"hunter\":\"2\"}");
    }
    assert_string_equal(config_environment("AWS_DEFAULT_REGION"), "eu-west-1");
    assert_null(config_environment("NOT_THERE"));
    b = load(NULL);
    assert_string_equal(b.c->engine_auth_data, "{\"hunter\":\"2\"}");
    assert_string_equal(config_env(b.c, "AWS_SECRET_ACCESS_KEY"), "{\"hunter\":\"2\"}");
    built_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_all_are_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_json_path_in_the_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_instance_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_file_of_settings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_endless_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_permission, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_secrets_leave_the_environment, set_up, tear_down),
    };
    int failed;

    if (!mkdtemp(dir) || chmod(dir, 0755))
        return 1;
    snprintf(user, sizeof user, "%s/user", dir);
    snprintf(instance, sizeof instance, "%s/instance", dir);
    snprintf(json, sizeof json, "%s/json", dir);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    return rmdir(dir) || failed;
}
