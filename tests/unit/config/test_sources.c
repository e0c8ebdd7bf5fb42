/* The order of the sources, and what counts as not said in each. */
#include "unit/config/helper.h"

/* All sources name the cluster and the region; they are taken away one by one. */
static void test_order(void **state)
{
    static const char *const env[] = { "ECS_CLUSTER=env", "AWS_DEFAULT_REGION=r-env", NULL };
    struct texts t = {
        .env = env,
        .user = "ECS_CLUSTER=user\nAWS_DEFAULT_REGION=r-user\n",
        .instance = "ECS_CLUSTER=instance\nAWS_DEFAULT_REGION=r-instance\n",
        .json = "{\"Cluster\":\"json\",\"AWSRegion\":\"r-json\"}",
        .user_data = "{\"ECSAgentConfiguration\":{\"Cluster\":\"data\",\"AWSRegion\":\"r-data\"}}",
        .region = "r-metadata",
    };
    static const char *const want[][2] = {
        { "env", "r-env" },   { "user", "r-user" }, { "instance", "r-instance" },
        { "json", "r-json" }, { "data", "r-data" }, { "default", "r-metadata" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        struct built b = build_from(&t);

        assert_string_equal(b.c->cluster, want[i][0]);
        assert_string_equal(b.c->region, want[i][1]);
        assert_string_equal(buf_text(&b.text), ""); /* said in two places is no problem */
        built_fini(&b);
        switch (i) {
        case 0:
            t.env = NULL;
            break;
        case 1:
            t.user = NULL;
            break;
        case 2:
            t.instance = NULL;
            break;
        case 3:
            t.json = NULL;
            break;
        default:
            t.user_data = NULL;
            break;
        }
    }
}

static void test_empty_values(void **state)
{
    static const char *const env[] = { "ECS_CLUSTER=", "AWS_DEFAULT_REGION=eu-west-1",
                                       "ECS_LOGLEVEL=", NULL };
    struct built b = build_from(&(struct texts){
        .env = env,
        .user = "ECS_CLUSTER=user\nECS_ENGINE_AUTH_TYPE=\nECS_RESERVED_PORTS=\nECS_DATADIR=\n",
        .instance = "ECS_ENGINE_AUTH_TYPE=docker\nECS_LOGLEVEL=debug\n",
        .json = "{\"ReservedPorts\":[1],\"DataDir\":\"\"}",
        .user_data = "{\"ECSAgentConfiguration\":{\"DataDir\":\"/d\"}}",
    });

    (void)state;
    assert_string_equal(b.c->cluster, "user");
    assert_string_equal(b.c->log_level, "debug");
    assert_null(b.c->engine_auth_type); /* an empty line hides the other file's */
    assert_int_equal(b.c->reserved_ports.n, 1);
    assert_string_equal(b.c->data_dir, "/d");
    assert_string_equal(buf_text(&b.text), "");
    built_fini(&b);
}

/* What is zero speaks for nobody; what can be false on purpose does. */
static void test_zero_values(void **state)
{
    struct built b = build_from(&(struct texts){
        .env = region_only,
        .user = "ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST=false\n"
                "ECS_ENABLE_GPU_SUPPORT=false\n"
                "ECS_DISABLE_METRICS=false\n"
                "ECS_EXCLUDE_IPV6_PORTBINDING=false\n"
                "ECS_ENABLE_TASK_CPU_MEM_LIMIT=false\n"
                "ECS_RESERVED_PORTS_UDP=[]\n"
                "ECS_RESERVED_MEMORY=0\n"
                "ECS_CONTAINER_STOP_TIMEOUT=0s\n"
                "ECS_IMAGE_PULL_BEHAVIOR=default\n"
                "ECS_INSTANCE_ATTRIBUTES={}\n"
                "ECS_CONTAINER_INSTANCE_PROPAGATE_TAGS_FROM=none\n",
        .json = "{\"TaskIAMRoleEnabledForNetworkHost\":true,\"GPUSupportEnabled\":true,"
                "\"DisableMetrics\":true,\"ShouldExcludeIPv6PortBinding\":true,"
                "\"TaskCPUMemLimit\":true,\"ReservedPortsUDP\":[53],\"ReservedMemory\":12,"
                "\"DockerStopTimeout\":5000000000,\"ImagePullBehavior\":2,"
                "\"InstanceAttributes\":{\"a\":\"b\"},\"ContainerInstancePropagateTagsFrom\":1}",
    });

    (void)state;
    assert_string_equal(buf_text(&b.text), "");
    assert_true(b.c->task_iam_role_network_host);
    assert_true(b.c->gpu_support);
    assert_false(b.c->disable_metrics);
    assert_false(b.c->exclude_ipv6_binding);
    assert_int_equal(b.c->task_limits, TRI_FALSE);
    assert_int_equal(b.c->reserved_ports_udp.n, 1);
    assert_int_equal(b.c->reserved_memory_mib, 12);
    assert_int_equal(b.c->stop_timeout_ms, 5000);
    assert_int_equal(b.c->pull_behavior, PULL_ONCE);
    assert_int_equal(b.c->instance_attributes.n, 1);
    assert_true(b.c->tags_from_ec2);
    built_fini(&b);

    b = build("ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST=false", region_only);
    assert_false(b.c->task_iam_role_network_host); /* nobody says otherwise */
    built_fini(&b);
}

/* Nonsense is as good as nothing to the reference agent. */
static void test_bad_value_falls_through(void **state)
{
    struct built b = build_from(&(struct texts){
        .env = region_only,
        .user = "ECS_CONTAINER_STOP_TIMEOUT=soon\nECS_RESERVED_MEMORY=lots\n",
        .instance = "ECS_CONTAINER_STOP_TIMEOUT=3s\n",
        .json = "{\"DockerStopTimeout\":7000000000}",
    });

    (void)state;
    assert_int_equal(b.c->stop_timeout_ms, 7000);
    assert_string_equal(buf_text(&b.text),
                        "user:2: ECS_RESERVED_MEMORY: expected a whole number, got 'lots'; using "
                        "0\n"
                        "user:1: ECS_CONTAINER_STOP_TIMEOUT: expected a duration such as 30s or "
                        "1h30m, got 'soon'; using that of json\n");
    built_fini(&b);
}

static void test_problems_name_their_source(void **state)
{
    static const char *const env[] = { "AWS_DEFAULT_REGION=eu-west-1", "ECS_LOGLEVEL=loud", NULL };
    struct built b = build_from(&(struct texts){
        .env = env,
        .user = "\nECS_CLUSER=x\n",
        .instance = "\n\nECS_CONTAINER_START_TIMEOUT=1s\n",
        .json = "{\n\"Clustr\": 1,\n\n\"DataDir\": \"data\"}",
        .user_data = "{\"ECSAgentConfiguration\":{\"DockerEndpont\":\"\"}}",
    });

    (void)state;
    assert_string_equal(
        buf_text(&b.text),
        "user:2: ECS_CLUSER: unknown, did you mean ECS_CLUSTER?\n"
        "json:2: Clustr: unknown, did you mean Cluster?\n"
        "user data:1: DockerEndpont: unknown, did you mean DockerEndpoint?\n"
        "json:4: DataDir: expected an absolute path, got 'data'; using /var/lib/ecs/data\n"
        "instance:3: ECS_CONTAINER_START_TIMEOUT: '1s' is below 45s; using 45s\n"
        "environment:0: ECS_LOGLEVEL: expected debug, info, warn, error, crit or none, got "
        "'loud'; using info\n");
    assert_false(b.p.fatal);
    built_fini(&b);
}

static void test_gpu_of_the_instance_file(void **state)
{
    static const char on[] = "ECS_ENABLE_GPU_SUPPORT=true\n";
    static const char dropped[] =
        "instance:1: ECS_ENABLE_GPU_SUPPORT: there is no device /dev/nvidia*; ignored\n";
    static const struct {
        const char *user, *instance;
        bool nvidia, want;
        const char *problem;
    } cases[] = {
        { NULL, on, true, true, "" },
        { NULL, on, false, false, dropped },
        { on, NULL, false, true, "" },
        { on, on, false, true, "" },
        { "ECS_ENABLE_GPU_SUPPORT=false\n", on, true, false, "" },
        { NULL, "ECS_ENABLE_GPU_SUPPORT=false\n", false, false, "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct built b = build_from(&(struct texts){ .env = region_only,
                                                     .user = cases[i].user,
                                                     .instance = cases[i].instance,
                                                     .nvidia = cases[i].nvidia });

        assert_int_equal(b.c->gpu_support, cases[i].want);
        assert_string_equal(buf_text(&b.text), cases[i].problem);
        built_fini(&b);
    }
}

static void test_region(void **state)
{
#define NO_REGION                                                                       \
    ":0!: AWS_DEFAULT_REGION: no region is set; add a line such as AWS_DEFAULT_REGION=" \
    "eu-west-1 to the file\n"
#define EXTERNAL                                                                          \
    ":0!: AWS_DEFAULT_REGION: with ECS_EXTERNAL it must be set in the environment or in " \
    "ecs.config\n"
    static const struct {
        struct texts t;
        const char *region, *problem;
    } cases[] = {
        { { .region = " " }, "", NO_REGION },
        { { .pending = true }, "", "" },
        { { .pending = true, .user = "AWS_EC2_METADATA_DISABLED=true" }, "", NO_REGION },
        { { .region = "eu-west-2" }, "eu-west-2", "" },
        { { .user = "ECS_EXTERNAL=true", .region = "eu-west-2" }, "", EXTERNAL },
        { { .user = "ECS_EXTERNAL=true", .pending = true }, "", EXTERNAL },
        { { .user = "ECS_EXTERNAL=true", .json = "{\"AWSRegion\":\"x\"}" }, "x", EXTERNAL },
        { { .instance = "ECS_EXTERNAL=true\nAWS_DEFAULT_REGION=x" }, "x", "" },
        { { .json = "{\"External\":true,\"AWSRegion\":\"x\"}" }, "x", "" },
        { { .json = "{\"External\":true}", .region = "x" }, "", NO_REGION },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct built b = build_from(&cases[i].t);

        assert_string_equal(b.c->region ? b.c->region : "", cases[i].region);
        assert_string_equal(buf_text(&b.text), cases[i].problem);
        built_fini(&b);
    }
}

static void test_json_path(void **state)
{
    static const char *const env[] = { "ECS_AGENT_CONFIG_FILE_PATH=/env.json", NULL };
    static const struct {
        const char *const *env;
        const char *user, *instance, *want;
    } cases[] = {
        { NULL, NULL, NULL, "/etc/ecs/ecs.config.json" },
        { NULL, NULL, "ECS_AGENT_CONFIG_FILE_PATH=/i.json", "/i.json" },
        { NULL, "ECS_AGENT_CONFIG_FILE_PATH=/u.json", "ECS_AGENT_CONFIG_FILE_PATH=/i.json",
          "/u.json" },
        { env, "ECS_AGENT_CONFIG_FILE_PATH=/u.json", NULL, "/env.json" },
        { NULL, "ECS_AGENT_CONFIG_FILE_PATH=u.json", NULL, "/etc/ecs/ecs.config.json" },
        { NULL, "ECS_AGENT_CONFIG_FILE_PATH=", NULL, "/etc/ecs/ecs.config.json" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct config_inputs in = { .env = env_lookup,
                                    .env_user = (void *)(uintptr_t)cases[i].env,
                                    .user_file = text_named("user", cases[i].user),
                                    .instance_file = text_named("instance", cases[i].instance) };
        AUTO(str) char *path = config_json_path(&in);

        assert_string_equal(path, cases[i].want);
    }
}

static void test_machine(void **state)
{
    struct config_inputs in = { .env = env_lookup,
                                .env_user = (void *)(uintptr_t)region_only,
                                .os_family = "debian_12",
                                .host_fips = true };
    struct built b = build_inputs(&in, true);

    (void)state;
    assert_string_equal(b.c->detailed_os_family, "debian_12");
    assert_true(b.c->host_fips);
    assert_string_equal(buf_text(&b.text), "");
    built_fini(&b);
    in.user_file = text_named("user", "ECS_DETAILED_OS_FAMILY=\n");
    b = build_inputs(&in, true);
    assert_string_equal(b.c->detailed_os_family, "");
    built_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_empty_values),
        cmocka_unit_test(test_zero_values),
        cmocka_unit_test(test_bad_value_falls_through),
        cmocka_unit_test(test_problems_name_their_source),
        cmocka_unit_test(test_gpu_of_the_instance_file),
        cmocka_unit_test(test_region),
        cmocka_unit_test(test_json_path),
        cmocka_unit_test(test_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
