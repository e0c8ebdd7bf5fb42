#include "unit/task/fixture.h"

#define LOCAL "arn:berth:local:::task/probe/0123456789abcdef0123456789abcdef"
/* A definition of one container "a" with more members, each with its comma in front. */
#define DEF(members) "{\"containerDefinitions\":[{\"name\":\"a\",\"image\":\"i\"" members "}]}"
/* A definition with more members of its own. */
#define ROOT(members) "{\"containerDefinitions\":[{\"name\":\"a\",\"image\":\"i\"}]" members "}"

static enum err_code convert(const char *text, struct task **out, struct err *e)
{
    AUTO(json) struct json_t *v = NULL;

    if (json_parse(text, strlen(text), &v, e))
        fail_msg("%s in %s", e->msg, text);
    return task_from_definition(v, LOCAL, "probe file", out, e);
}

static struct task *define(const char *text)
{
    struct task *t = NULL;
    struct err e = { 0 };

    if (convert(text, &t, &e))
        fail_msg("%s\n%s", e.msg, text);
    return t;
}

static void assert_refused(const char *text, const char *message)
{
    struct task *t = NULL;
    struct err e = { 0 };

    if (convert(text, &t, &e) != ERR_INVALID)
        fail_msg("expected '%s' for %s, got '%s'", message, text, e.msg);
    assert_null(t);
    assert_string_equal(e.msg, message);
}

static void test_smallest(void **state)
{
    AUTO(task) struct task *t = define(ROOT(""));
    const struct task_container *c = &t->containers[0];

    (void)state;
    assert_string_equal(t->arn, LOCAL);
    assert_string_equal(t->id, "0123456789abcdef0123456789abcdef");
    assert_string_equal(t->family, "probe-file");
    assert_string_equal(t->version, "0");
    assert_string_equal(t->network_mode, "bridge");
    assert_int_equal(t->desired, TASK_RUNNING);
    assert_int_equal(t->n_containers, 1);
    assert_true(c->essential); /* the API's default, not the payload's */
    assert_int_equal(c->stop_timeout_s, -1);
    assert_false(c->health_docker);
    assert_string_equal(c->docker_config, "{}");
    assert_string_equal(c->docker_host_config, "{\"NetworkMode\":\"bridge\"}");
}

static void test_stored_text_gives_the_same(void **state)
{
    AUTO(task) struct task *t = define(DEF(",\"memory\":64,\"command\":[\"true\"]"));
    AUTO(task) struct task *again = decode(t->json);

    (void)state;
    assert_string_equal(again->json, t->json);
    assert_string_equal(again->containers[0].command[0], "true");
}

static void test_container_members(void **state)
{
    AUTO(task)
    struct task *t = define(
        "{\"family\":\"shop\",\"revision\":7,\"status\":\"ACTIVE\",\"taskDefinitionArn\":\"x\","
        "\"requiresAttributes\":[{\"name\":\"n\"}],\"networkMode\":\"bridge\",\"pidMode\":\"host\","
        "\"ipcMode\":\"none\",\"cpu\":\"512\",\"memory\":\"1GB\",\"containerDefinitions\":["
        "{\"name\":\"web\",\"image\":\"i:1\",\"cpu\":10,\"memory\":64,\"memoryReservation\":32,"
        "\"essential\":false,\"command\":[\"sh\",\"-c\"],\"entryPoint\":[\"e\"],"
        "\"environment\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\"},"
        "{\"name\":\"A\",\"value\":\"2\"}],\"secrets\":[],\"startTimeout\":3,\"stopTimeout\":5,"
        "\"portMappings\":[{\"containerPort\":80,\"hostPort\":8080},"
        "{\"containerPortRange\":\"9000-9002\",\"protocol\":\"udp\"}],"
        "\"mountPoints\":[{\"sourceVolume\":\"v\",\"containerPath\":\"/v\",\"readOnly\":true}],"
        "\"restartPolicy\":{\"enabled\":true,\"ignoredExitCodes\":[0,3]}},"
        "{\"name\":\"side\",\"image\":\"i\",\"links\":[\"web:w\"],"
        "\"volumesFrom\":[{\"sourceContainer\":\"web\",\"readOnly\":true}],"
        "\"dependsOn\":[{\"containerName\":\"web\",\"condition\":\"START\"}]}],"
        "\"volumes\":[{\"name\":\"v\",\"host\":{\"sourcePath\":\"/srv\"}},{\"name\":\"anon\"},"
        "{\"name\":\"d\",\"dockerVolumeConfiguration\":{\"scope\":\"shared\","
        "\"autoprovision\":true,\"driver\":\"local\",\"driverOpts\":{\"o\":\"1\"},"
        "\"labels\":{\"l\":\"2\"}}},"
        "{\"name\":\"e\",\"dockerVolumeConfiguration\":{}}]}");
    const struct task_container *c = &t->containers[0], *side = &t->containers[1];

    (void)state;
    assert_string_equal(t->family, "shop");
    assert_string_equal(t->version, "0");
    assert_string_equal(t->pid_mode, "host");
    assert_string_equal(t->ipc_mode, "none");
    assert_true(t->cpu_vcpus == 0.5);
    assert_int_equal(t->memory_mib, 1024);
    assert_int_equal(c->cpu_shares, 10);
    assert_int_equal(c->memory_mib, 64);
    assert_int_equal(c->memory_reservation_mib, 32);
    assert_false(c->essential);
    assert_int_equal(c->n_command, 2);
    assert_string_equal(c->entry_point[0], "e");
    assert_int_equal(c->n_env, 2);
    assert_string_equal(c->env[0].value, "2"); /* the last of equal names */
    assert_string_equal(c->env[1].value, "");
    assert_int_equal(c->start_timeout_s, 3);
    assert_int_equal(c->stop_timeout_s, 5);
    assert_int_equal(c->n_ports, 2);
    assert_int_equal(c->ports[0].host_port, 8080);
    assert_int_equal(c->ports[1].range_first, 9000);
    assert_int_equal(c->ports[1].range_last, 9002);
    assert_int_equal(c->ports[1].proto, PORT_UDP);
    assert_string_equal(c->mounts[0].source_volume, "v");
    assert_true(c->mounts[0].read_only);
    assert_true(c->restart.enabled);
    assert_int_equal(c->restart.n_ignored_codes, 2);
    assert_int_equal(c->restart.ignored_codes[1], 3);
    assert_int_equal(c->restart.attempt_period_s, 300);
    assert_int_equal(side->n_links, 1);
    assert_int_equal(side->n_from, 1);
    assert_true(side->from[0].read_only);
    assert_true(side->n_deps >= 1);
    assert_int_equal(t->n_volumes, 4);
    assert_int_equal(t->volumes[0].kind, VOLUME_HOST);
    assert_string_equal(t->volumes[0].host_path, "/srv");
    assert_int_equal(t->volumes[1].kind, VOLUME_TASK);
    assert_int_equal(t->volumes[2].kind, VOLUME_SHARED);
    assert_true(t->volumes[2].autoprovision);
    assert_string_equal(t->volumes[2].driver_opts[0].value, "1");
    assert_int_equal(t->volumes[3].kind, VOLUME_TASK); /* the API's default scope */
}

/* Every row: members of the container, and what Docker is told of them. */
static void test_docker_texts(void **state)
{
    static const struct {
        const char *definition, *config, *host_config;
    } rows[] = {
        { DEF(",\"user\":\"1000:2\",\"workingDirectory\":\"/w\",\"hostname\":\"h\","
              "\"interactive\":true,\"pseudoTerminal\":false,\"disableNetworking\":true,"
              "\"dockerLabels\":{\"x\":\"y\"}"),
          "{\"Labels\":{\"x\":\"y\"},\"User\":\"1000:2\",\"WorkingDir\":\"/w\","
          "\"Hostname\":\"h\",\"OpenStdin\":true,\"Tty\":false,\"NetworkDisabled\":true}",
          "{\"NetworkMode\":\"bridge\"}" },
        { DEF(",\"healthCheck\":{\"command\":[\"CMD-SHELL\",\"true\"]}"),
          "{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"true\"],\"Interval\":30000000000,"
          "\"Timeout\":5000000000,\"Retries\":3,\"StartPeriod\":0}}",
          "{\"NetworkMode\":\"bridge\"}" },
        { DEF(",\"healthCheck\":{\"command\":[\"CMD\",\"x\"],\"interval\":5,\"timeout\":2,"
              "\"retries\":7,\"startPeriod\":60}"),
          "{\"Healthcheck\":{\"Test\":[\"CMD\",\"x\"],\"Interval\":5000000000,"
          "\"Timeout\":2000000000,\"Retries\":7,\"StartPeriod\":60000000000}}",
          "{\"NetworkMode\":\"bridge\"}" },
        { DEF(",\"privileged\":true,\"readonlyRootFilesystem\":true,\"dnsServers\":[\"1.1.1.1\"],"
              "\"dnsSearchDomains\":[\"x.y\"],\"dockerSecurityOptions\":[\"label:disable\"],"
              "\"extraHosts\":[{\"hostname\":\"h\",\"ipAddress\":\"10.0.0.1\"}],"
              "\"systemControls\":[{\"namespace\":\"net.core.somaxconn\",\"value\":\"9\"}],"
              "\"ulimits\":[{\"name\":\"nofile\",\"softLimit\":1,\"hardLimit\":-1}]"),
          "{}",
          "{\"NetworkMode\":\"bridge\",\"Privileged\":true,\"ReadonlyRootfs\":true,"
          "\"Dns\":[\"1.1.1.1\"],\"DnsSearch\":[\"x.y\"],\"SecurityOpt\":[\"label:disable\"],"
          "\"Ulimits\":[{\"Name\":\"nofile\",\"Soft\":1,\"Hard\":-1}],"
          "\"ExtraHosts\":[\"h:10.0.0.1\"],\"Sysctls\":{\"net.core.somaxconn\":\"9\"}}" },
        { DEF(",\"memory\":10,\"linuxParameters\":{\"capabilities\":{\"add\":[\"NET_ADMIN\"],"
              "\"drop\":[\"ALL\"]},\"initProcessEnabled\":true,\"sharedMemorySize\":2,"
              "\"maxSwap\":6,\"swappiness\":60,\"devices\":[{\"hostPath\":\"/dev/x\","
              "\"permissions\":[\"write\",\"read\"]},{\"hostPath\":\"/dev/y\","
              "\"containerPath\":\"/dev/z\"}],\"tmpfs\":[{\"containerPath\":\"/t\",\"size\":3,"
              "\"mountOptions\":[\"noexec\",\"nodev\"]}]}"),
          "{}",
          "{\"NetworkMode\":\"bridge\",\"CapAdd\":[\"NET_ADMIN\"],\"CapDrop\":[\"ALL\"],"
          "\"Init\":true,\"ShmSize\":2097152,\"Devices\":[{\"PathOnHost\":\"/dev/x\","
          "\"PathInContainer\":\"/dev/x\",\"CgroupPermissions\":\"rw\"},"
          "{\"PathOnHost\":\"/dev/y\",\"PathInContainer\":\"/dev/z\","
          "\"CgroupPermissions\":\"rwm\"}],\"Tmpfs\":{\"/t\":\"size=3m,noexec,nodev\"},"
          "\"MemorySwap\":16777216,\"MemorySwappiness\":60}" },
        { DEF(",\"linuxParameters\":{\"swappiness\":60}"), "{}", "{\"NetworkMode\":\"bridge\"}" },
        { DEF(",\"memoryReservation\":4,\"logConfiguration\":{\"logDriver\":\"awslogs\","
              "\"options\":{\"awslogs-group\":\"g\"},\"secretOptions\":[]}"),
          "{}",
          "{\"NetworkMode\":\"bridge\",\"MemoryReservation\":4194304,"
          "\"LogConfig\":{\"Type\":\"awslogs\",\"Config\":{\"awslogs-group\":\"g\"}}}" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(task) struct task *t = define(rows[i].definition);

        assert_string_equal(t->containers[0].docker_config, rows[i].config);
        assert_string_equal(t->containers[0].docker_host_config, rows[i].host_config);
    }
}

static void test_network_modes(void **state)
{
    AUTO(task)
    struct task *t = define("{\"networkMode\":\"host\",\"containerDefinitions\":[{\"name\":\"a\","
                            "\"image\":\"i\",\"portMappings\":[{\"containerPort\":80}]}]}");

    (void)state;
    assert_string_equal(t->network_mode, "host");
    assert_string_equal(t->containers[0].docker_host_config, "{\"NetworkMode\":\"host\"}");
    assert_int_equal(t->containers[0].ports[0].host_port, 80); /* so that it is counted */
}

static void test_described(void **state)
{
    AUTO(task)
    struct task *t = define("{\"taskDefinition\":{\"family\":\"f\",\"containerDefinitions\":"
                            "[{\"name\":\"a\",\"image\":\"i\"}]},\"tags\":[]}");

    (void)state;
    assert_string_equal(t->family, "f");
    assert_refused(
        "{\"taskDefinition\":{\"containerDefinitions\":[{\"name\":\"a\"}]}}",
        "taskDefinition.containerDefinitions[0].image: expected string, but it is missing");
}

static void test_sizes(void **state)
{
    static const struct {
        const char *members;
        double vcpus;
        int64_t mib;
    } rows[] = {
        { ",\"cpu\":\"256\",\"memory\":\"512\"", 0.25, 512 },
        { ",\"cpu\":\"1 vCPU\",\"memory\":\"1GB\"", 1, 1024 },
        { ",\"cpu\":\".5 vcpu\",\"memory\":\"0.5 GB\"", 0.5, 512 },
        { ",\"cpu\":\"\",\"memory\":\"\"", 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(str)
        char *text = mem_printf("{\"containerDefinitions\":[{\"name\":\"a\",\"image\":\"i\"}]%s}",
                                rows[i].members);
        AUTO(task) struct task *t = define(text);

        assert_true(t->cpu_vcpus == rows[i].vcpus);
        assert_int_equal(t->memory_mib, rows[i].mib);
    }
}

static void test_ecr(void **state)
{
    AUTO(task)
    struct task *t = define("{\"containerDefinitions\":[{\"name\":\"a\",\"image\":"
                            "\"123456789012.dkr.ecr.eu-west-1.amazonaws.com/x:1\"}]}");

    (void)state;
    assert_int_equal(t->containers[0].auth.kind, TASK_AUTH_ECR);
    assert_string_equal(t->containers[0].auth.region, "eu-west-1");
    assert_string_equal(t->containers[0].auth.registry_id, "123456789012");
    assert_false(t->containers[0].auth.use_execution_role);
}

static void test_roles_are_left_out(void **state)
{
    static const struct {
        const char *definition;
        bool has_role;
    } rows[] = {
        { ROOT(""), false },
        { ROOT(",\"executionRoleArn\":\"r\""), false },
        { ROOT(",\"taskRoleArn\":\"\""), false },
        { ROOT(",\"taskRoleArn\":\"r\",\"executionRoleArn\":\"r\""), true },
        { "{\"taskDefinition\":" ROOT(",\"taskRoleArn\":\"r\"") "}", true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(task) struct task *t = define(rows[i].definition);
        AUTO(json) struct json_t *v = NULL;
        struct err e = { 0 };

        assert_null(strstr(t->json, "ole"));
        assert_false(json_parse(rows[i].definition, strlen(rows[i].definition), &v, &e));
        assert_int_equal(task_definition_has_role(v), rows[i].has_role);
    }
}

#define CLOUD ": needs the control plane or the cloud, so a local task cannot use it"
#define FIRST "containerDefinitions[0]"

static void test_cloud_is_refused(void **state)
{
    static const struct {
        const char *definition, *message;
    } rows[] = {
        { ROOT(",\"proxyConfiguration\":{\"containerName\":\"x\"}"), "proxyConfiguration" CLOUD },
        { ROOT(",\"networkMode\":\"awsvpc\""),
          "networkMode: 'awsvpc' is not known, or not to a local task" },
        { DEF(",\"secrets\":[{\"name\":\"a\",\"valueFrom\":\"b\"}]"), FIRST ".secrets" CLOUD },
        { DEF(",\"environmentFiles\":[{\"value\":\"x\",\"type\":\"s3\"}]"),
          FIRST ".environmentFiles" CLOUD },
        { DEF(",\"repositoryCredentials\":{\"credentialsParameter\":\"x\"}"),
          FIRST ".repositoryCredentials" CLOUD },
        { DEF(",\"firelensConfiguration\":{\"type\":\"fluentbit\"}"),
          FIRST ".firelensConfiguration" CLOUD },
        { DEF(",\"resourceRequirements\":[{\"type\":\"GPU\",\"value\":\"1\"}]"),
          FIRST ".resourceRequirements" CLOUD },
        { DEF(",\"logConfiguration\":{\"logDriver\":\"splunk\",\"secretOptions\":"
              "[{\"name\":\"a\",\"valueFrom\":\"b\"}]}"),
          FIRST ".logConfiguration.secretOptions" CLOUD },
        { DEF(",\"logConfiguration\":{\"logDriver\":\"awsfirelens\"}"),
          FIRST ".logConfiguration.logDriver: awsfirelens needs the control plane, so a local "
                "task cannot use it" },
        { ROOT(",\"volumes\":[{\"name\":\"v\",\"efsVolumeConfiguration\":{\"fileSystemId\":\"f\"}"
               "}]"),
          "volumes[0].efsVolumeConfiguration" CLOUD },
        { ROOT(",\"volumes\":[{\"name\":\"v\",\"configuredAtLaunch\":true}]"),
          "volumes[0].configuredAtLaunch: needs the control plane, so a local task cannot use it" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_refused(rows[i].definition, rows[i].message);
}

static void test_faults_name_the_place(void **state)
{
    static const struct {
        const char *definition, *message;
    } rows[] = {
        { "[]", "expected object, got array" },
        { "{}", "containerDefinitions: a task needs at least one container" },
        { "{\"containerDefinitions\":{}}", "containerDefinitions: expected array, got object" },
        { "{\"containerDefinitions\":[3]}", FIRST ": expected object, got integer" },
        { DEF(",\"essential\":false"),
          "containerDefinitions: at least one container must be essential" },
        { DEF(",\"cpu\":\"10\""), FIRST ".cpu: expected integer, got string" },
        { DEF(",\"memory\":-1"), FIRST ".memory: -1 is not in 0..2147483647" },
        { DEF(",\"environment\":{\"A\":\"1\"}"), FIRST ".environment: expected array, got object" },
        { DEF(",\"dnsServers\":[1]"), FIRST ".dnsServers[0]: expected string, got integer" },
        { DEF(",\"portMappings\":[{}]"),
          FIRST ".portMappings[0]: neither a containerPort nor a containerPortRange" },
        { DEF(",\"portMappings\":[{\"containerPort\":1,\"protocol\":\"sctp\"}]"),
          FIRST ".portMappings[0].protocol: unknown protocol 'sctp'" },
        { DEF(",\"mountPoints\":[{\"sourceVolume\":\"v\",\"containerPath\":\"/v\"}]"),
          FIRST ".mountPoints[0].sourceVolume: there is no volume 'v'" },
        { DEF(",\"healthCheck\":{}"), FIRST ".healthCheck: a health check needs a command" },
        { DEF(",\"linuxParameters\":{\"devices\":[{\"hostPath\":\"/d\",\"permissions\":"
              "[\"all\"]}]}"),
          FIRST ".linuxParameters.devices[0].permissions[0]: expected read, write or mknod, got "
                "'all'" },
        { ROOT(",\"cpu\":\"much\""),
          "cpu: expected a size such as \"512\" or \"1 vCPU\", got 'much'" },
        { ROOT(",\"memory\":\"1TB\""),
          "memory: expected a size such as \"512\" or \"1 GB\", got '1TB'" },
        { ROOT(",\"memory\":512"), "memory: expected string, got integer" },
        { ROOT(",\"family\":\"a b\""), "family: expected up to 255 letters, digits, '-' and '_'" },
        { ROOT(",\"ipcMode\":\"pod\""), "ipcMode: 'pod' is not known, or not to a local task" },
        { "{\"containerDefinitions\":[{\"name\":\"a\",\"image\":\"i\"},"
          "{\"name\":\"a\",\"image\":\"i\"}]}",
          "containerDefinitions[1].name: 'a' is the name of containerDefinitions[0] already" },
        { "{\"containerDefinitions\":[{\"name\":\"a\",\"image\":\"i\",\"dependsOn\":[{"
          "\"containerName\":\"b\",\"condition\":\"HEALTHY\"}]},"
          "{\"name\":\"b\",\"image\":\"i\"}]}",
          FIRST ".dependsOn[0].condition: the container 'b' has no health check" },
        { "{\"containerDefinitions\":[{\"name\":\"a\",\"image\":\"i\",\"dependsOn\":[{"
          "\"containerName\":\"b\",\"condition\":\"SUCCESS\"}]},"
          "{\"name\":\"b\",\"image\":\"i\"}]}",
          FIRST ".dependsOn[0].condition: the container 'b' is essential, so its end is the "
                "task's" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_refused(rows[i].definition, rows[i].message);
}

static void test_size_is_bounded(void **state)
{
    struct buf text = BUF_INIT(4 << 20);
    struct task *t = NULL;
    struct err e = { 0 };

    (void)state;
    buf_puts(&text, "{\"containerDefinitions\":[{\"name\":\"a\",\"image\":\"i\",\"environment\":[");
    for (int i = 0; i < 60000; i++)
        buf_printf(&text, "%s{\"name\":\"variable%d\",\"value\":\"a value\"}", i ? "," : "", i);
    buf_puts(&text, "]}]}");
    assert_false(text.overflowed);
    assert_int_equal(convert(buf_text(&text), &t, &e), ERR_LIMIT);
    assert_null(t);
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest),
        cmocka_unit_test(test_stored_text_gives_the_same),
        cmocka_unit_test(test_container_members),
        cmocka_unit_test(test_docker_texts),
        cmocka_unit_test(test_network_modes),
        cmocka_unit_test(test_described),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_ecr),
        cmocka_unit_test(test_roles_are_left_out),
        cmocka_unit_test(test_cloud_is_refused),
        cmocka_unit_test(test_faults_name_the_place),
        cmocka_unit_test(test_size_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
