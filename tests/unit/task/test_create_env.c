/* Who overwrites whom in a container's environment. */
#include "unit/task/create.h"

#define AGENT_ENV                                               \
    "\"ECS_AGENT_URI=http://169.254.170.2/api/u\","             \
    "\"ECS_CONTAINER_METADATA_URI=http://169.254.170.2/v3/u\"," \
    "\"ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/u\""

static char name_a[] = "A", name_b[] = "B", name_region[] = "AWS_REGION",
            name_default[] = "AWS_DEFAULT_REGION", name_uri[] = "ECS_AGENT_URI", one[] = "1",
            two[] = "2", mars[] = "mars", empty[] = "", odd[] = "a=b\"\n";

/* The environment of a container that has A=task itself. */
static void assert_env(struct task_create_args *a, const char *want)
{
    json_t *body = body_of(a);

    assert_at(body, "Env", NULL, want);
    json_decref(body);
}

static void test_secrets_overwrite(void **state)
{
    static const struct task_kv secrets[] = {
        { name_a, one }, { name_b, one }, { name_b, two }, { name_uri, odd }
    };
    AUTO(task) struct task *t = decode(ONE(",\"environment\":{\"A\":\"task\",\"C\":\"task\"}"));
    struct task_create_args a = args_for(t);

    (void)state;
    a.secret_env = secrets;
    a.n_secret_env = COUNT_OF(secrets);
    assert_env(&a, "[\"A=1\",\"B=2\",\"C=task\",\"ECS_AGENT_URI=a=b\\\"\\n\"]");
    a.metadata_id = "u"; /* even what the agent sets */
    assert_env(&a, "[\"A=1\",\"B=2\",\"C=task\",\"ECS_AGENT_URI=a=b\\\"\\n\","
                   "\"ECS_CONTAINER_METADATA_URI=http://169.254.170.2/v3/u\","
                   "\"ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/u\"]");
}

static void test_files_only_add(void **state)
{
    static const struct task_kv secrets[] = { { name_b, one } };
    static const struct task_kv files[] = {
        { name_a, two },       { name_b, two },      { name_uri, two },
        { name_region, mars }, { name_region, two },
    };
    AUTO(task) struct task *t = decode(ONE(",\"environment\":{\"A\":\"\"}"));
    struct task_create_args a = args_for(t);

    (void)state;
    a.metadata_id = "u";
    a.secret_env = secrets;
    a.n_secret_env = COUNT_OF(secrets);
    a.file_env = files;
    a.n_file_env = COUNT_OF(files);
    /* an empty value is a value; the first file wins; a region in a file is a region */
    a.region = "eu-west-1";
    assert_env(&a, "[\"A=\",\"AWS_REGION=mars\",\"B=1\"," AGENT_ENV "]");
}

static void test_region(void **state)
{
    static const char *const image_region[] = { "AWS_REGION=", NULL };
    static const char *const image_other[] = { "AWS_REGION_X=1", "AWS", NULL };
    static const struct task_kv secrets[] = { { name_default, empty } };
    AUTO(task) struct task *t = decode(ONE(""));
    struct task_create_args a = args_for(t);

    (void)state;
    assert_env(&a, "[]"); /* no region, no variable */
    a.region = "eu-west-1";
    assert_env(&a, "[\"AWS_DEFAULT_REGION=eu-west-1\",\"AWS_REGION=eu-west-1\"]");
    a.image_env = image_other;
    assert_env(&a, "[\"AWS_DEFAULT_REGION=eu-west-1\",\"AWS_REGION=eu-west-1\"]");
    a.image_env = image_region;
    assert_env(&a, "[]");
    a.image_env = NULL;
    a.file_env = secrets;
    a.n_file_env = 1;
    assert_env(&a, "[\"AWS_DEFAULT_REGION=\"]");
    a.n_file_env = 0;
    a.secret_env = secrets;
    a.n_secret_env = 1;
    assert_env(&a, "[\"AWS_DEFAULT_REGION=\"]");
}

/* dockerConfig.config replaces the whole list, fetched values included. */
static void test_config_on_top(void **state)
{
    static const struct task_kv secrets[] = { { name_a, one } };
    static const struct {
        const char *config, *want;
    } rows[] = { { "{\\\"Env\\\":[\\\"X=y\\\"]}", "[\"X=y\"]" },
                 { "{\\\"env\\\":[]}", "[]" },
                 { "{\\\"Env\\\":null}", "" },
                 { "{}", "[\"A=1\"]" } };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(str)
        char *text = mem_printf("{\"arn\":\"x/1\",\"containers\":[{\"name\":\"a\",\"image\":\"i\","
                                "\"dockerConfig\":{\"config\":\"%s\"}}]}",
                                rows[i].config);
        AUTO(task) struct task *t = decode(text);
        struct task_create_args a = args_for(t);

        a.secret_env = secrets;
        a.n_secret_env = 1;
        assert_env(&a, rows[i].want);
    }
}

static void test_config_of_wrong_type(void **state)
{
    AUTO(task)
    struct task *t = decode(ONE(",\"dockerConfig\":{\"config\":\"{\\\"Env\\\":{}}\"}"));
    struct task_create_args a = args_for(t);

    (void)state;
    assert_body_fails(&a, "DockerClientConfigError: Unable decode given docker config: "
                          "Env: expected array, got object");
}

/* More values than anybody has, in a time nobody notices. */
static void test_many(void **state)
{
    enum { N = 20000 };
    struct task_kv *pairs = mem_array(N, sizeof *pairs);
    AUTO(task) struct task *t = decode(ONE(""));
    struct task_create_args a = args_for(t);
    struct buf b = BUF_INIT(8 << 20);
    struct err e = { 0 };
    json_t *body;

    (void)state;
    for (size_t i = 0; i < N; i++)
        pairs[i] = (struct task_kv){ mem_printf("N%zu", i % (N / 2)), mem_printf("%zu", i) };
    a.file_env = pairs;
    a.n_file_env = N;
    assert_int_equal(task_create_body(&a, &b, &e), ERR_OK);
    body = json_loadb(b.data, b.len, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(body, "Env")), N / 2);
    assert_non_null(strstr(buf_text(&b), "\"N9999=9999\""));
    json_decref(body);
    buf_fini(&b);
    for (size_t i = 0; i < N; i++) {
        free(pairs[i].name);
        free(pairs[i].value);
    }
    free(pairs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secrets_overwrite),
        cmocka_unit_test(test_files_only_add),
        cmocka_unit_test(test_region),
        cmocka_unit_test(test_config_on_top),
        cmocka_unit_test(test_config_of_wrong_type),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
