#include "unit/task/create.h"

#define LABELS(family, version)                                                           \
    "{\"com.amazonaws.ecs.cluster\":\"demo\",\"com.amazonaws.ecs.container-name\":\"a\"," \
    "\"com.amazonaws.ecs.task-arn\":\"" ARN                                               \
    "\",\"com.amazonaws.ecs.task-definition-family\":\"" family                           \
    "\",\"com.amazonaws.ecs.task-definition-version\":\"" version "\"}"

/* ---- single fields ---- */

static const struct {
    const char *members; /* of the container */
    const char *member, *sub, *want;
} fields[] = {
    { "", "Image", NULL, "\"i\"" },
    { "", "Cmd", NULL, "" },
    { "", "Entrypoint", NULL, "" },
    { "", "Env", NULL, "[]" },
    { "", "ExposedPorts", NULL, "" },
    { "", "NetworkingConfig", NULL, "{}" },
    { "", "HostConfig", NULL, "{\"CpuShares\":2}" },
    { "", "Labels", NULL, LABELS("f", "1") },
    { ",\"command\":[\"a\",\"b\"]", "Cmd", NULL, "[\"a\",\"b\"]" },
    { ",\"entryPoint\":[\"e\"]", "Entrypoint", NULL, "[\"e\"]" },
    { ",\"environment\":{\"B\":\"2\",\"A\":\"x=y\"}", "Env", NULL, "[\"A=x=y\",\"B=2\"]" },
    /* limits */
    { ",\"memory\":64", "HostConfig", "Memory", "67108864" },
    { ",\"memory\":1", "HostConfig", "Memory", "6291456" }, /* Docker's least */
    { ",\"memory\":5", "HostConfig", "Memory", "6291456" },
    { ",\"memory\":6", "HostConfig", "Memory", "6291456" },
    { ",\"memory\":7", "HostConfig", "Memory", "7340032" },
    { ",\"memory\":0", "HostConfig", "Memory", "" },
    { ",\"cpu\":1", "HostConfig", "CpuShares", "2" },
    { ",\"cpu\":10", "HostConfig", "CpuShares", "10" },
    { ",\"cpu\":262145", "HostConfig", "CpuShares", "262144" },
    /* ports */
    { ",\"portMappings\":[{\"containerPort\":80,\"hostPort\":8080}]", "HostConfig", "PortBindings",
      "{\"80/tcp\":[{\"HostPort\":\"8080\"}]}" },
    { ",\"portMappings\":[{\"containerPort\":80}]", "HostConfig", "PortBindings",
      "{\"80/tcp\":[{\"HostPort\":\"\"}]}" },
    { ",\"portMappings\":[{\"containerPort\":80,\"protocol\":\"udp\"},{\"containerPort\":80}]",
      "ExposedPorts", NULL, "{\"80/tcp\":{},\"80/udp\":{}}" },
    { ",\"portMappings\":[{\"containerPort\":80,\"hostPort\":2},{\"containerPort\":9},"
      "{\"containerPort\":80,\"hostPort\":1}]",
      "HostConfig", "PortBindings",
      "{\"80/tcp\":[{\"HostPort\":\"2\"},{\"HostPort\":\"1\"}],\"9/tcp\":[{\"HostPort\":\"\"}]}" },
    { ",\"portMappings\":[{\"containerPortRange\":\"7-9\",\"hostPort\":5}]", "HostConfig",
      "PortBindings",
      "{\"7/tcp\":[{\"HostPort\":\"\"}],\"8/tcp\":[{\"HostPort\":\"\"}],"
      "\"9/tcp\":[{\"HostPort\":\"\"}]}" },
    { ",\"portMappings\":[{\"containerPortRange\":\"7-8\"}]", "ExposedPorts", NULL,
      "{\"7/tcp\":{},\"8/tcp\":{}}" },
    /* volumes */
    { ",\"mountPoints\":[{\"sourceVolume\":\"h\",\"containerPath\":\"/c\",\"readOnly\":true},"
      "{\"sourceVolume\":\"anon\",\"containerPath\":\"/d\"},"
      "{\"sourceVolume\":\"own\",\"containerPath\":\"/e\"},"
      "{\"sourceVolume\":\"all\",\"containerPath\":\"/f\"}]",
      "HostConfig", "Binds",
      "[\"/srv:/c:ro\",\"ecs-f-1-anon-5d9ab28dab61444fb26c:/d\","
      "\"ecs-f-1-own-5d9ab28dab61444fb26c:/e\",\"all:/f\"]" },
    /* dockerConfig.config on top */
    { ",\"dockerConfig\":{\"config\":\"{\\\"User\\\":\\\"root\\\",\\\"Image\\\":\\\"j\\\"}\"}",
      "User", NULL, "\"root\"" },
    { ",\"dockerConfig\":{\"config\":\"{\\\"image\\\":\\\"j\\\"}\"}", "Image", NULL, "\"j\"" },
    { ",\"environment\":{\"A\":\"1\"},\"dockerConfig\":{\"config\":\"{\\\"Env\\\":[\\\"B=2\\\"]}"
      "\"}",
      "Env", NULL, "[\"B=2\"]" },
    { ",\"command\":[\"a\"],\"dockerConfig\":{\"config\":\"{\\\"Cmd\\\":null}\"}", "Cmd", NULL,
      "" },
    { ",\"portMappings\":[{\"containerPort\":80}],\"dockerConfig\":{\"config\":"
      "\"{\\\"ExposedPorts\\\":{\\\"90/tcp\\\":{}}}\"}",
      "ExposedPorts", NULL, "{\"80/tcp\":{},\"90/tcp\":{}}" },
    { ",\"dockerConfig\":{\"config\":\"{\\\"HostConfig\\\":{\\\"Privileged\\\":true}}\"}",
      "HostConfig", NULL, "{\"CpuShares\":2}" },
    { ",\"dockerConfig\":{\"config\":\"null\",\"hostConfig\":\"null\"}", "HostConfig", NULL,
      "{\"CpuShares\":2}" },
    { ",\"healthCheckType\":\"docker\",\"dockerConfig\":{\"config\":"
      "\"{\\\"Healthcheck\\\":{\\\"Test\\\":[\\\"CMD\\\",\\\"x\\\"],\\\"Retries\\\":3}}\"}",
      "Healthcheck", NULL, "{\"Retries\":3,\"Test\":[\"CMD\",\"x\"]}" },
    /* dockerConfig.hostConfig on top */
    { ",\"memory\":64,\"dockerConfig\":{\"hostConfig\":\"{\\\"Memory\\\":1,\\\"CapAdd\\\":[],"
      "\\\"Init\\\":true,\\\"NoSuchField\\\":1}\"}",
      "HostConfig", NULL, "{\"CapAdd\":[],\"CpuShares\":2,\"Init\":true,\"Memory\":1}" },
    { ",\"dockerConfig\":{\"hostConfig\":\"{\\\"PidMode\\\":\\\"host\\\",\\\"IpcMode\\\":"
      "\\\"private\\\"}\"}",
      "HostConfig", NULL, "{\"CpuShares\":2,\"IpcMode\":\"private\",\"PidMode\":\"host\"}" },
    { ",\"portMappings\":[{\"containerPort\":80}],\"dockerConfig\":{\"hostConfig\":"
      "\"{\\\"PortBindings\\\":{\\\"90/tcp\\\":[]}}\"}",
      "HostConfig", "PortBindings", "{\"80/tcp\":[{\"HostPort\":\"\"}],\"90/tcp\":[]}" },
    /* labels come last */
    { ",\"dockerConfig\":{\"config\":\"{\\\"Labels\\\":{\\\"com.amazonaws.ecs.cluster\\\":"
      "\\\"evil\\\"}}\"}",
      "Labels", NULL, LABELS("f", "1") },
    /* logging */
    { ",\"dockerConfig\":{\"hostConfig\":\"{\\\"LogConfig\\\":{\\\"Type\\\":\\\"syslog\\\","
      "\\\"Config\\\":{\\\"tag\\\":\\\"x\\\"}}}\"}",
      "HostConfig", "LogConfig", "{\"Config\":{\"tag\":\"x\"},\"Type\":\"syslog\"}" },
    { ",\"dockerConfig\":{\"hostConfig\":\"{\\\"LogConfig\\\":{\\\"Type\\\":\\\"gelf\\\","
      "\\\"Config\\\":{\\\"mode\\\":\\\"non-blocking\\\"}}}\"}",
      "HostConfig", "LogConfig",
      "{\"Config\":{\"max-buffer-size\":\"10m\",\"mode\":\"non-blocking\"},\"Type\":\"gelf\"}" },
    { ",\"dockerConfig\":{\"hostConfig\":\"{\\\"LogConfig\\\":{\\\"Type\\\":\\\"awslogs\\\","
      "\\\"Config\\\":{\\\"awslogs-group\\\":\\\"g\\\"}}}\"}",
      "HostConfig", "LogConfig",
      "{\"Config\":{\"compress\":\"false\",\"max-file\":\"4\",\"max-size\":\"67108864\"},\"Type\":"
      "\"json-file\"}" },
};

static char *with_volumes(const char *members)
{
    return mem_printf("{\"arn\":\"" ARN "\",\"family\":\"f\",\"version\":\"1\",\"volumes\":["
                      "{\"name\":\"h\",\"host\":{\"sourcePath\":\"/srv\"}},"
                      "{\"name\":\"anon\",\"host\":{}},"
                      "{\"name\":\"own\",\"type\":\"docker\",\"dockerVolumeConfiguration\":"
                      "{\"scope\":\"task\"}},"
                      "{\"name\":\"all\",\"type\":\"docker\",\"dockerVolumeConfiguration\":"
                      "{\"scope\":\"shared\"}}],"
                      "\"containers\":[{\"name\":\"a\",\"image\":\"i\"%s}]}",
                      members);
}

static void test_fields(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        AUTO(str) char *text = with_volumes(fields[i].members);
        AUTO(task) struct task *t = decode(text);
        struct task_create_args a = args_for(t);
        json_t *body = body_of(&a);

        assert_at(body, fields[i].member, fields[i].sub, fields[i].want);
        json_decref(body);
    }
}

/* ---- errors ---- */

#define CONFIG_ERR "DockerClientConfigError: Unable decode given docker config: "
#define HOST_ERR   "HostConfigError: Unable to decode given host config: "

static const struct {
    const char *members, *message; /* the message may be a beginning */
} errors[] = {
    { ",\"mountPoints\":[{\"sourceVolume\":\"x\",\"containerPath\":\"/c\"}]",
      "HostConfigError: Invalid volume referenced: x" },
    { ",\"healthCheckType\":\"docker\"",
      "DockerClientConfigError: docker health check is nil while container health check type is "
      "DOCKER" },
    { ",\"healthCheckType\":\"docker\",\"dockerConfig\":{\"config\":\"{\\\"Healthcheck\\\":null}"
      "\"}",
      "DockerClientConfigError: docker health check is nil while container health check type is "
      "DOCKER" },
    { ",\"logsAuthStrategy\":\"ExecutionRole\"",
      "HostConfigError: No execution credentials set for the task" },
    { ",\"dockerConfig\":{\"config\":\"\"}", CONFIG_ERR "not JSON: line 1 column 0: " },
    { ",\"dockerConfig\":{\"config\":\"{\"}", CONFIG_ERR "not JSON: line 1 column 1: " },
    { ",\"dockerConfig\":{\"config\":\"[]\"}", CONFIG_ERR "expected object, got array" },
    { ",\"dockerConfig\":{\"config\":\"{\\\"Tty\\\":1}\"}",
      CONFIG_ERR "Tty: expected boolean, got integer" },
    { ",\"dockerConfig\":{\"config\":\"{\\\"Labels\\\":{\\\"a\\\":1}}\"}",
      CONFIG_ERR "Labels.a: expected string, got integer" },
    { ",\"dockerConfig\":{\"hostConfig\":\"x\"}", HOST_ERR "not JSON: line 1 column 1: " },
    { ",\"dockerConfig\":{\"hostConfig\":\"7\"}", HOST_ERR "expected object, got integer" },
    { ",\"dockerConfig\":{\"hostConfig\":\"{\\\"Memory\\\":\\\"1\\\"}\"}",
      HOST_ERR "Memory: expected integer, got string" },
    { ",\"dockerConfig\":{\"hostConfig\":\"{\\\"LogConfig\\\":[]}\"}",
      HOST_ERR "LogConfig: expected object, got array" },
    { ",\"dockerConfig\":{\"hostConfig\":\"{\\\"LogConfig\\\":{\\\"Type\\\":1}}\"}",
      HOST_ERR "LogConfig.Type: expected string, got integer" },
    { ",\"dockerConfig\":{\"hostConfig\":\"{\\\"LogConfig\\\":{\\\"Type\\\":\\\"x\\\","
      "\\\"Config\\\":{\\\"a\\\":1}}}\"}",
      HOST_ERR "LogConfig.Config.a: expected string, got integer" },
};

static void test_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        AUTO(str) char *text = with_volumes(errors[i].members);
        AUTO(task) struct task *t = decode(text);
        struct task_create_args a = args_for(t);

        assert_body_fails(&a, errors[i].message);
    }
}

/* Only a task that is to be stopped gets past the decoder with it. */
static void test_awsvpc(void **state)
{
    AUTO(task)
    struct task *t = decode(TASK(",\"networkMode\":\"awsvpc\",\"desiredStatus\":\"STOPPED\""));
    struct task_create_args a = args_for(t);

    (void)state;
    assert_body_fails(&a, "HostConfigError: network mode awsvpc is not supported");
}

static void test_output_limit(void **state)
{
    AUTO(task) struct task *t = decode(TASK(""));
    struct task_create_args a = args_for(t);
    struct buf b = BUF_INIT(100);
    struct err e = { 0 };

    (void)state;
    assert_int_equal(task_create_body(&a, &b, &e), ERR_LIMIT);
    assert_string_equal(e.msg, "the container's settings are larger than 100 bytes");
    buf_fini(&b);
}

/* ---- what depends on the arguments ---- */

static void test_env(void **state)
{
    static const char *const image_env[] = { "PATH=/bin", "AWS_REGIONS=x", NULL };
    static const char *const image_region[] = { "AWS_DEFAULT_REGION=mars", NULL };
    AUTO(task)
    struct task *t =
        decode("{\"arn\":\"x/1\",\"roleCredentials\":{\"credentialsId\":\"r\"},\"containers\":["
               "{\"name\":\"a\",\"image\":\"i\",\"environment\":{\"Z\":\"1\","
               "\"ECS_AGENT_URI\":\"mine\"}}]}");
    struct task_create_args a = args_for(t);
    json_t *body;

    (void)state;
    a.region = "eu-west-1";
    a.metadata_id = "u";
    a.image_env = image_env;
    body = body_of(&a);
    assert_at(body, "Env", NULL,
              "[\"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/credentials/r\","
              "\"AWS_DEFAULT_REGION=eu-west-1\",\"AWS_REGION=eu-west-1\","
              "\"ECS_AGENT_URI=http://169.254.170.2/api/u\","
              "\"ECS_CONTAINER_METADATA_URI=http://169.254.170.2/v3/u\","
              "\"ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/u\",\"Z=1\"]");
    json_decref(body);

    a.metadata_id = NULL;
    a.image_env = image_region; /* one of the two is enough to leave both alone */
    body = body_of(&a);
    assert_at(body, "Env", NULL,
              "[\"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/credentials/r\","
              "\"ECS_AGENT_URI=mine\",\"Z=1\"]");
    json_decref(body);
}

static void test_region_of_task_wins(void **state)
{
    AUTO(task) struct task *t = decode(ONE(",\"environment\":{\"AWS_REGION\":\"mars\"}"));
    struct task_create_args a = args_for(t);
    json_t *body;

    (void)state;
    a.region = "eu-west-1";
    body = body_of(&a);
    assert_at(body, "Env", NULL, "[\"AWS_REGION=mars\"]");
    json_decref(body);
}

static void test_log_rotation(void **state)
{
    AUTO(task)
    struct task *t = decode(ONE(",\"dockerConfig\":{\"hostConfig\":\"{\\\"LogConfig\\\":{"
                                "\\\"Type\\\":\\\"awslogs\\\"}}\"}"));
    struct task_create_args a = args_for(t);
    json_t *body;

    (void)state;
    a.log_spool_bytes = 60 << 20;
    body = body_of(&a);
    assert_at(body, "HostConfig", "LogConfig",
              "{\"Config\":{\"compress\":\"false\",\"max-file\":\"4\",\"max-size\":\"10485760\"},"
              "\"Type\":\"json-file\"}");
    json_decref(body);
    a.log_local = true;
    body = body_of(&a);
    assert_at(body, "HostConfig", "LogConfig",
              "{\"Config\":{\"compress\":\"false\",\"max-file\":\"4\",\"max-size\":\"10485760\"},"
              "\"Type\":\"local\"}");
    json_decref(body);
}

static void test_relations(void **state)
{
    AUTO(task)
    struct task *t =
        decode(MANY(C("a", "") "," C("b", "") "," C("c", ",\"links\":[\"a\",\"b:db\"],"
                                                         "\"volumesFrom\":[{\"sourceContainer\":"
                                                         "\"b\",\"readOnly\":true},"
                                                         "{\"sourceContainer\":\"a\"}]")));
    static const char *const half[] = { "ecs-one", NULL, "ecs-three" };
    struct task_create_args a = args_for(t);
    json_t *body;

    (void)state;
    a.container = 2;
    body = body_of(&a);
    assert_at(body, "HostConfig", "Links", "[\"ecs-one:a\",\"ecs-two:db\"]");
    assert_at(body, "HostConfig", "VolumesFrom", "[\"ecs-two:ro\",\"ecs-one\"]");
    json_decref(body);
    a.docker_names = half;
    assert_body_fails(&a, "HostConfigError: Link target not available: b");
}

static void test_modes(void **state)
{
    AUTO(task) struct task *t = decode(TASK(",\"pidMode\":\"host\",\"ipcMode\":\"none\""));
    struct task_create_args a = args_for(t);
    json_t *body = body_of(&a);

    (void)state;
    assert_at(body, "HostConfig", "PidMode", "\"host\"");
    assert_at(body, "HostConfig", "IpcMode", "\"none\"");
    json_decref(body);
}

/* Equal calls give equal bytes. */
static void test_deterministic(void **state)
{
    AUTO(str) char *text = with_volumes(",\"environment\":{\"Z\":\"1\",\"A\":\"2\"}");
    AUTO(task) struct task *t = decode(text);
    AUTO(task) struct task *again = decode(t->json);
    struct task_create_args a = args_for(t), c = args_for(again);
    struct buf one = BUF_INIT(4096), two = BUF_INIT(4096);
    struct err e = { 0 };

    (void)state;
    assert_int_equal(task_create_body(&a, &one, &e), ERR_OK);
    assert_int_equal(task_create_body(&c, &two, &e), ERR_OK);
    assert_string_equal(buf_text(&one), buf_text(&two));
    buf_fini(&one);
    buf_fini(&two);
}

static void test_version_of_the_api(void **state)
{
    static const struct {
        const char *asked;
        bool fine;
    } rows[] = { { "1.17", true },  { "1.41", true }, { "1.42", false },
                 { "1.16", false }, { "2.0", false }, { "1.x", false } };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(str)
        char *text = mem_printf(
            "{\"arn\":\"a/1\",\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"dockerConfig\":"
            "{\"version\":\"%s\"}}]}",
            rows[i].asked);
        AUTO(str)
        char *why = mem_printf("CannotGetDockerClientVersionError: docker client "
                               "factory: client not found for docker version: %s",
                               rows[i].asked);
        struct task *t = NULL;
        struct err e = { 0 };
        struct task_create_args a;

        assert_int_equal(task_decode_text(text, strlen(text), &t, &e), ERR_OK);
        a = args_for(t);
        a.docker_api = 41;
        if (rows[i].fine)
            json_decref(body_of(&a));
        else
            assert_body_fails(&a, why);
        a.docker_api = 0;
        json_decref(body_of(&a));
        task_destroy(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_of_the_api),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_awsvpc),
        cmocka_unit_test(test_output_limit),
        cmocka_unit_test(test_env),
        cmocka_unit_test(test_region_of_task_wins),
        cmocka_unit_test(test_log_rotation),
        cmocka_unit_test(test_relations),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_deterministic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
