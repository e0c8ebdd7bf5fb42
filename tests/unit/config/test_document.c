/* The JSON file and user data. */
#include <ctype.h>
#include <unistd.h>

#include "unit/config/helper.h"

/* One member, the variable it sets and the value in effect. */
static void test_members(void **state)
{
    static const struct {
        const char *json, *name, *want;
    } cases[] = {
        { "{\"cluster\":\"low\"}", "ECS_CLUSTER", "low" }, /* in capitals or not */
        { "{\"CLUSTER\":\"high\"}", "ECS_CLUSTER", "high" },
        { "{\"Cluster\":null}", "ECS_CLUSTER", "default" },
        { "{\"Cluster\":\"one\",\"Cluster\":\"two\"}", "ECS_CLUSTER", "two" },
        { "{\"NoIID\":true}", "NoIID", "true" },
        { "{\"APIEndpoint\":\"ecs.example.com\"}", "ECS_BACKEND_HOST", "https://ecs.example.com" },
        { "{\"ReservedPorts\":[1,65535]}", "ECS_RESERVED_PORTS", "[1,65535]" },
        { "{\"ReservedMemory\":65535}", "ECS_RESERVED_MEMORY", "65535" },
        { "{\"InstanceAttributes\":{\"b\":\"1\",\"a\":\"2\"}}", "ECS_INSTANCE_ATTRIBUTES",
          "{\"a\":\"2\",\"b\":\"1\"}" },
        { "{\"AvailableLoggingDrivers\":[\"splunk\"]}", "ECS_AVAILABLE_LOGGING_DRIVERS",
          "[\"splunk\"]" },
        { "{\"ImageCleanupExclusionList\":[\"a:1\",\"b\"]}", "ECS_EXCLUDE_UNTRACKED_IMAGE",
          "a:1,b" },
        { "{\"TaskCleanupWaitDuration\":60000000000}", "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION",
          "1m0s" },
        { "{\"DockerStopTimeout\":1000000000}", "ECS_CONTAINER_STOP_TIMEOUT", "1s" },
        { "{\"DockerStopTimeout\":0}", "ECS_CONTAINER_STOP_TIMEOUT", "30s" },
        { "{\"ImagePullBehavior\":0}", "ECS_IMAGE_PULL_BEHAVIOR", "default" },
        { "{\"ImagePullBehavior\":1}", "ECS_IMAGE_PULL_BEHAVIOR", "always" },
        { "{\"ImagePullBehavior\":2}", "ECS_IMAGE_PULL_BEHAVIOR", "once" },
        { "{\"ImagePullBehavior\":3}", "ECS_IMAGE_PULL_BEHAVIOR", "prefer-cached" },
        { "{\"ContainerInstancePropagateTagsFrom\":0}",
          "ECS_CONTAINER_INSTANCE_PROPAGATE_TAGS_FROM", "none" },
        { "{\"ContainerInstancePropagateTagsFrom\":1}",
          "ECS_CONTAINER_INSTANCE_PROPAGATE_TAGS_FROM", "ec2_instance" },
        { "{\"TaskCPUMemLimit\":false}", "ECS_ENABLE_TASK_CPU_MEM_LIMIT", "false" },
        { "{\"UpdatesEnabled\":true,\"PauseContainerTag\":\"x\"}", "ECS_UPDATES_ENABLED", "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct built b = build_json(cases[i].json);
        size_t row = str_starts(cases[i].name, "NoIID") ? vars_find_json(str_of(cases[i].name))
                                                        : vars_find(str_of(cases[i].name));
        AUTO(str) char *got = config_show(b.c, row);

        if (!streq(got, cases[i].want) || b.p.n)
            fail_msg("%s gave %s; %s", cases[i].json, got, buf_text(&b.text));
        built_fini(&b);
    }
}

static void test_problems(void **state)
{
    static const struct {
        const char *json, *problem;
    } cases[] = {
        { "", "" },
        { " \r\n\t", "" },
        { "{}", "" },
        { "{\n\"Cluster\": \"x\",\n}", "json:3!: not JSON: line 3 column 1: string or '}' "
                                       "expected\n" },
        { "{\"Cluster\":\"x\"} {}", "json:1!: not JSON: line 1 column 17: end of file expected\n" },
        { "[]", "json:0!: expected a JSON object with members such as \"Cluster\"\n" },
        { "{\"DockerStopTimeout\":\"30s\"}",
          "json:1!: DockerStopTimeout: expected integer (nanoseconds), got string\n" },
        { "{\"DockerStopTimeout\":1.5}",
          "json:1!: DockerStopTimeout: expected integer (nanoseconds), got number\n" },
        { "{\"Cluster\":1}", "json:1!: Cluster: expected string, got integer\n" },
        { "{\"NoIID\":\"true\"}", "json:1!: NoIID: expected boolean, got string\n" },
        { "{\"ReservedPorts\":\"22\"}", "json:1!: ReservedPorts: expected array, got string\n" },
        { "{\"ReservedPorts\":[65536]}", "json:1!: ReservedPorts: expected a JSON list of ports: "
                                         "[0]: 65536 is not in 0..65535\n" },
        { "{\"ReservedMemory\":65536}", "json:1!: ReservedMemory: 65536 is not in 0..65535\n" },
        { "{\"InstanceAttributes\":{\"a\":1}}",
          "json:1!: InstanceAttributes: expected a JSON object of strings: a: expected string, got "
          "integer\n" },
        { "{\"AvailableLoggingDrivers\":[\"papyrus\"]}",
          "json:1!: AvailableLoggingDrivers: expected a JSON list of strings: [0]: unknown name "
          "'papyrus'\n" },
        { "{\"DockerStopTimeout\":999000000}",
          "json:1!: DockerStopTimeout: '999ms' is below 1s\n" },
        { "{\"ContainerStartTimeout\":44000000000}",
          "json:1!: ContainerStartTimeout: '44s' is below 45s\n" },
        { "{\"ContainerCreateTimeout\":1000000000}",
          "json:1: ContainerCreateTimeout: '1s' is below 1m0s; using 1m0s\n" },
        { "{\"ImagePullBehavior\":4}",
          "json:1: ImagePullBehavior: expected default, always, once or prefer-cached, got '4'; "
          "using default\n" },
        { "{\"CgroupCPUPeriod\":8000000}",
          "json:1: CgroupCPUPeriod: has no effect here; ignored\n" },
        { "{\"DynamicHostPortRange\":\"1-2\"}",
          "json:1: DynamicHostPortRange: has no effect here; ignored\n" },
        { "{\"GMSACapable\":true}", "json:1: GMSACapable: has no effect here; ignored\n" },
        { "{\"Custer\":\"x\"}", "json:1: Custer: unknown, did you mean Cluster?\n" },
        { "{\"Other\":{\"Cluster\":1}}", "json:1: Other: unknown, ignored\n" },
        { "{\n\"ClusterArn\":\"old\"}", "json:2: ClusterArn: deprecated, use Cluster\n" },
        { "{\"x\":{\"DataDir\":1},\"y\":\"DataDir\",\n\"DataDir\":\"rel\"}",
          "json:1: x: unknown, ignored\njson:1: y: unknown, ignored\njson:2: DataDir: expected an "
          "absolute path, got 'rel'; using /var/lib/ecs/data\n" },
        { "{\"Cluster\":\"x\",\n\"cLuster\":1,\n\"Cluster\":1,\n\"Clust\":1}",
          "json:3!: Cluster: expected string, got integer\njson:2!: cLuster: expected string, got "
          "integer\njson:4: Clust: unknown, did you mean Cluster?\n" },
        { "{\"ImageCleanupExclusionList\":[\"a,b\"]}",
          "json:1!: ImageCleanupExclusionList[0]: expected a name without commas\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct built b = build_json(cases[i].json);

        assert_string_equal(buf_text(&b.text), cases[i].problem);
        assert_int_equal(b.p.fatal, strchr(cases[i].problem, '!') != NULL);
        built_fini(&b);
    }
}

/* As many members as there is room for, of the same name or not: a second or two, not an
 * hour. */
static void test_a_crowd_of_members(void **state)
{
    static const char name[] = "ContainerInstancePropagateTagsFrom";
    struct buf json = BUF_INIT(CONFIG_FILE_MAX);
    struct built b;

    (void)state;
    (void)alarm(60);
    buf_putc(&json, '{');
    for (int i = 0; i < 50000; i++)
        buf_printf(&json, "\"k%d\":0,\n", i);
    for (unsigned i = 0; i < 10000; i++) {
        buf_putc(&json, '"');
        for (size_t k = 0; k < sizeof name - 1; k++)
            buf_putc(&json, k < 32 && (i >> k & 1) ? (char)toupper(name[k]) : name[k]);
        buf_puts(&json, "\":1,");
    }
    buf_puts(&json, "\n\"ReservedMemory\":-1}");
    assert_false(json.overflowed);
    b = build_json(buf_text(&json));
    (void)alarm(0);
    assert_string_equal(b.p.items[1].text, "k1: unknown, ignored");
    assert_int_equal(b.p.items[1].line, 2);
    assert_int_equal(b.p.items[b.p.n - 1].line, 50002);
    assert_true(b.p.fatal && b.c->tags_from_ec2);
    built_fini(&b);
    buf_fini(&json);
}

static void test_deep(void **state)
{
    struct buf json = BUF_INIT(CONFIG_FILE_MAX);
    struct built b;

    (void)state;
    for (int i = 0; i < 2000; i++)
        buf_puts(&json, "{\"Cluster\":");
    buf_putc(&json, '1');
    for (int i = 0; i < 2000; i++)
        buf_putc(&json, '}');
    b = build_json(buf_text(&json));
    assert_string_equal(buf_text(&b.text), "json:0!: nested deeper than 64 levels\n");
    built_fini(&b);
    buf_fini(&json);
}

static void test_not_text(void **state)
{
    struct config_inputs in = { .env = env_lookup,
                                .env_user = (void *)(uintptr_t)region_only,
                                .json_file = { "json", "{\n\0}", 4 } };
    struct built b = build_inputs(&in, true);

    (void)state;
    assert_string_equal(buf_text(&b.text),
                        "json:2!: a NUL byte; expected a text file of settings\n");
    built_fini(&b);
}

static void test_old_cluster_name(void **state)
{
    struct built b = build_json("{\"ClusterArn\":\"old\"}");

    (void)state;
    assert_string_equal(b.c->cluster, "old");
    built_fini(&b);
    b = build_json("{\"ClusterArn\":\"old\",\"Cluster\":\"new\"}");
    assert_string_equal(b.c->cluster, "new");
    built_fini(&b);
}

static void test_registry_secrets(void **state)
{
    struct built b = build_json("{\"EngineAuthType\":\" docker \",\"EngineAuthData\":{\"r\":{"
                                "\"password\":\"hunter2\"}}}");
    AUTO(str) char *shown = config_show(b.c, vars_find_json(str_of("EngineAuthData")));

    (void)state;
    assert_string_equal(b.c->engine_auth_type, "docker");
    assert_string_equal(b.c->engine_auth_data, "{\"r\":{\"password\":\"hunter2\"}}");
    assert_string_equal(shown, "(set)");
    assert_int_equal(b.p.n, 0);
    built_fini(&b);
}

static void test_user_data(void **state)
{
    static const struct {
        const char *data, *cluster, *problem;
    } cases[] = {
        { "{\"ECSAgentConfiguration\":{\"Cluster\":\"x\"}}", "x", "" },
        { " {\"ecsagentconfiguration\" : {\"cluster\":\"x\"}}\n", "x", "" },
        { "#!/bin/bash\necho ECS_CLUSTER=x >> /etc/ecs/ecs.config\n", "default", "" },
        { "", "default", "" },
        { "{\"Cluster\":\"x\"}", "default", "" },
        { "[1]", "default", "" },
        { "{\"other\":", "default", "" },
        { "{\"ECSAgentConfiguration\":{\"Cluster\":\"x\"}} and more", "default",
          "user data:1: not JSON: line 1 column 45: end of file expected; user data is ignored\n" },
        { "{\"ECSAgentConfiguration\":{\n\"Cluster\":}}", "default",
          "user data:2: not JSON: line 2 column 11: unexpected token; user data is ignored\n" },
        { "{\"ECSAgentConfiguration\":[]}", "default",
          "user data:0: ECSAgentConfiguration: expected object, got array; user data is "
          "ignored\n" },
        { "{\"ECSAgentConfiguration\":{\"Cluster\":\"x\",\n\"NoIID\":\"secret\"}}", "default",
          "user data:2: ECSAgentConfiguration.NoIID: expected boolean, got string; user data is "
          "ignored\n" },
        { "{\"ECSAgentConfiguration\":{\"DataDir\":\"secret\"}}", "default",
          "user data:1: DataDir: the path is not valid; using /var/lib/ecs/data\n" },
        { "{\"ECSAgentConfiguration\":{\"ContainerCreateTimeout\":1000000000}}", "default",
          "user data:1: ContainerCreateTimeout: it is below 1m0s; using 1m0s\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct built b =
            build_from(&(struct texts){ .env = region_only, .user_data = cases[i].data });

        assert_string_equal(b.c->cluster, cases[i].cluster);
        assert_string_equal(buf_text(&b.text), cases[i].problem);
        assert_false(b.p.fatal);
        built_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_not_text),
        cmocka_unit_test(test_old_cluster_name),
        cmocka_unit_test(test_a_crowd_of_members),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_registry_secrets),
        cmocka_unit_test(test_user_data),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
