/* Tasks and containers of the metadata endpoints: the specification's examples, then each
 * field's own rule. */
#include "unit/endpoints/fixture.h"

#include "endpoints/parts.h"

static const struct view_network bridge_net = { "bridge", "172.17.0.4", NULL };
static const struct view_network host_net = { "host", "", NULL };

/* ---- the examples ---- */

static void test_v4_container(void **state)
{
    const struct port_binding port = { "0.0.0.0", 8080, 32771, PORT_TCP };
    const struct view_pair labels[] = { { "com.amazonaws.ecs.cluster", "shop" },
                                        { "com.amazonaws.ecs.container-name", "api" } };
    const struct view_pair options[] = { { "awslogs-group", "/orders" },
                                         { "awslogs-region", "eu-west-1" } };
    const struct view_volume volume = { "orders-data", "/var/lib/docker/volumes/orders-data/_data",
                                        "/data" };
    const struct view_container c = {
        .docker_id = "3b9c01d2e4f5a6978812cc34dd56ee7799aa00bb11cc22dd33ee44ff55660718",
        .docker_name = "ecs-orders-12-api-c2d4e6f8",
        .name = "api",
        .image = "registry.example/orders:4.2",
        .image_id = "sha256:aa11bb22",
        .arn = "arn:aws:ecs:eu-west-1:210987654321:container/shop/6f1e/77aa",
        .desired = CTR_RUNNING,
        .known = CTR_RUNNING,
        .ports = &port,
        .n_ports = 1,
        .labels = labels,
        .n_labels = COUNT_OF(labels),
        .cpu_units = 256,
        .memory_mib = 512,
        .created_ms = at("2025-03-04T05:00:01.25Z"),
        .started_ms = at("2025-03-04T05:00:02Z"),
        .networks_known = true,
        .networks = &bridge_net,
        .n_networks = 1,
        .has_health_check = true,
        .health = HEALTH_OK,
        .health_since_ms = at("2025-03-04T05:00:33.5Z"),
        .health_output = "ok\n",
        .volumes = &volume,
        .n_volumes = 1,
        .log_driver = "awslogs",
        .log_options = options,
        .n_log_options = COUNT_OF(options),
        .has_restart_policy = true,
    };
    struct view_task t = task_of(&c, 1);

    (void)state;
    assert_text(
        container_text(&t, 0, 4),
        "{\"DockerId\":\"3b9c01d2e4f5a6978812cc34dd56ee7799aa00bb11cc22dd33ee44ff55660718\","
        "\"Name\":\"api\",\"DockerName\":\"ecs-orders-12-api-c2d4e6f8\","
        "\"Image\":\"registry.example/orders:4.2\",\"ImageID\":\"sha256:aa11bb22\","
        "\"Ports\":[{\"ContainerPort\":8080,\"Protocol\":\"tcp\",\"HostPort\":32771,"
        "\"HostIp\":\"0.0.0.0\"}],\"Labels\":{\"com.amazonaws.ecs.cluster\":\"shop\","
        "\"com.amazonaws.ecs.container-name\":\"api\"},\"DesiredStatus\":\"RUNNING\","
        "\"KnownStatus\":\"RUNNING\",\"Limits\":{\"CPU\":256,\"Memory\":512},"
        "\"CreatedAt\":\"2025-03-04T05:00:01.25Z\",\"StartedAt\":\"2025-03-04T05:00:02Z\","
        "\"Type\":\"NORMAL\",\"Health\":{\"status\":\"HEALTHY\","
        "\"statusSince\":\"2025-03-04T05:00:33.5Z\",\"output\":\"ok\\n\"},"
        "\"Volumes\":[{\"DockerName\":\"orders-data\","
        "\"Source\":\"/var/lib/docker/volumes/orders-data/_data\","
        "\"Destination\":\"/data\"}],\"LogDriver\":\"awslogs\","
        "\"LogOptions\":{\"awslogs-group\":\"/orders\",\"awslogs-region\":\"eu-west-1\"},"
        "\"ContainerARN\":\"arn:aws:ecs:eu-west-1:210987654321:container/shop/6f1e/77aa\","
        "\"Networks\":[{\"NetworkMode\":\"bridge\",\"IPv4Addresses\":[\"172.17.0.4\"]}],"
        "\"RestartCount\":0}");
}

static void test_v3_task_on_the_host(void **state)
{
    struct view_container c = plain();
    struct view_task t = task_of(&c, 1);

    (void)state;
    c.networks = &host_net;
    c.n_networks = 1;
    t.zone = "eu-west-1b";
    assert_text(task_text(&t, 3, false),
                "{\"Cluster\":\"shop\",\"TaskARN\":\"" TASK_ARN "\",\"Family\":\"orders\","
                "\"Revision\":\"12\",\"DesiredStatus\":\"RUNNING\",\"KnownStatus\":\"RUNNING\","
                "\"Containers\":[{\"DockerId\":\"3b9c\",\"Name\":\"api\","
                "\"DockerName\":\"ecs-orders-12-api-c2d4\",\"Image\":\"orders:4.2\","
                "\"ImageID\":\"sha256:aa11\",\"DesiredStatus\":\"RUNNING\","
                "\"KnownStatus\":\"RUNNING\",\"Limits\":{\"CPU\":2,\"Memory\":0},"
                "\"Type\":\"NORMAL\",\"Networks\":[{\"NetworkMode\":\"host\","
                "\"IPv4Addresses\":[\"\"]}]}],\"AvailabilityZone\":\"eu-west-1b\"}");
}

/* The specification's third example, but for what only the network interface of a task has. */
static void test_v4_task_with_tags(void **state)
{
    const struct view_network eni = { "awsvpc", "10.1.2.30", NULL };
    const struct view_pair label = { "com.amazonaws.ecs.cluster", "shop" };
    const struct view_pair tag = { "team", "payments" };
    const struct view_error error = {
        .field = "ContainerInstanceTags",
        .message = "GetResourceTags failed for " INSTANCE_ARN " after 1 attempts: denied",
        .arn = INSTANCE_ARN,
    };
    const struct view_container pause = {
        .docker_id = "c0ffee",
        .name = "~internal~ecs~pause",
        .docker_name = "ecs-orders-12-internalecspause-8ab1",
        .image = "amazon/amazon-ecs-pause:0.1.0",
        .type = VIEW_CNI_PAUSE,
        .labels = &label,
        .n_labels = 1,
        .desired = CTR_RUNNING,
        .known = CTR_RUNNING,
        .started_ms = at("2025-03-04T04:59:41Z"),
        .networks_known = true,
        .networks = &eni,
        .n_networks = 1,
    };
    struct view_task t = task_of(&pause, 1);

    (void)state;
    t.cpu_vcpus = 0.5;
    t.memory_mib = 1024;
    t.pull_started_ms = at("2025-03-04T04:59:50.1Z");
    t.pull_stopped_ms = at("2025-03-04T05:00:00.9Z");
    t.zone = "eu-west-1b";
    t.zone_id = "euw1-az2";
    t.vpc_id = "vpc-0a1b2c3d";
    t.launch_type = "EC2";
    t.service_name = "orders";
    t.task_tags = &tag;
    t.n_task_tags = 1;
    t.errors = &error;
    t.n_errors = 1;
    assert_text(
        task_text(&t, 4, true),
        "{\"Cluster\":\"shop\",\"TaskARN\":\"" TASK_ARN "\",\"Family\":\"orders\","
        "\"Revision\":\"12\",\"DesiredStatus\":\"RUNNING\",\"KnownStatus\":\"RUNNING\","
        "\"Limits\":{\"CPU\":0.5,\"Memory\":1024},"
        "\"PullStartedAt\":\"2025-03-04T04:59:50.1Z\",\"PullStoppedAt\":"
        "\"2025-03-04T05:00:00.9Z\",\"AvailabilityZone\":\"eu-west-1b\","
        "\"TaskTags\":{\"team\":\"payments\"},\"LaunchType\":\"EC2\","
        "\"Errors\":[{\"ErrorField\":\"ContainerInstanceTags\",\"ErrorMessage\":"
        "\"GetResourceTags failed for " INSTANCE_ARN " after 1 attempts: denied\","
        "\"ResourceARN\":\"" INSTANCE_ARN "\"}],\"Containers\":[{\"DockerId\":\"c0ffee\","
        "\"Name\":\"~internal~ecs~pause\","
        "\"DockerName\":\"ecs-orders-12-internalecspause-8ab1\","
        "\"Image\":\"amazon/amazon-ecs-pause:0.1.0\",\"ImageID\":\"\","
        "\"Labels\":{\"com.amazonaws.ecs.cluster\":\"shop\"},"
        "\"DesiredStatus\":\"RESOURCES_PROVISIONED\",\"KnownStatus\":\"RESOURCES_PROVISIONED\","
        "\"Limits\":{\"CPU\":2,\"Memory\":0},\"StartedAt\":\"2025-03-04T04:59:41Z\","
        "\"Type\":\"CNI_PAUSE\",\"Networks\":[{\"NetworkMode\":\"awsvpc\","
        "\"IPv4Addresses\":[\"10.1.2.30\"]}]}],\"VPCID\":\"vpc-0a1b2c3d\","
        "\"ServiceName\":\"orders\",\"FaultInjectionEnabled\":false,"
        "\"AvailabilityZoneID\":\"euw1-az2\"}");
}

/* ---- numbers and times ---- */

static void test_numbers(void **state)
{
    static const struct {
        double v;
        const char *want;
    } cases[] = {
        { 2, "2" },
        { 0.25, "0.25" },
        { 0, "0" },
        { -3, "-3" },
        { 0.1, "0.1" },
        { 12.4, "12.4" },
        { 1.0 / 3, "0.3333333333333333" },
        { 4096.5, "4096.5" },
        { 9007199254740992.0, "9007199254740992" },
        { 0.0 / 0.0, "null" },
        { 1.0 / 0.0, "null" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out = BUF_INIT(100);
        struct jw w;

        jw_init(&w, &out);
        part_double(&w, cases[i].v);
        assert_text(buf_take(&out), cases[i].want);
    }
}

static void test_times(void **state)
{
    static const char *const texts[] = { "2025-03-04T05:00:00Z", "2025-03-04T05:00:00.1Z",
                                         "2025-03-04T05:00:10.01Z", "2025-03-04T05:00:00.123Z",
                                         "1970-01-01T00:00:00.001Z" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        AUTO(str) char *want = mem_printf("{\"CreatedAt\":\"%s\"}", texts[i]);
        struct buf out = BUF_INIT(100);
        struct jw w;

        jw_init(&w, &out);
        jw_object(&w);
        part_time(&w, "CreatedAt", at(texts[i]));
        part_time(&w, "StartedAt", 0);
        jw_end(&w);
        assert_text(buf_take(&out), want);
    }
}

static void test_task_limits(void **state)
{
    static const struct {
        double cpu;
        int64_t memory;
        const char *want; /* NULL: none */
    } cases[] = {
        { 2, 1024, ",\"Limits\":{\"CPU\":2,\"Memory\":1024}," },
        { 0.25, 0, ",\"Limits\":{\"CPU\":0.25}," },
        { 0, 64, ",\"Limits\":{\"Memory\":64}," },
        { 0, 0, NULL },
    };
    struct view_task t = task_of(NULL, 0);

    (void)state;
    for (int version = 2; version <= 4; version++) {
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            t.cpu_vcpus = cases[i].cpu;
            t.memory_mib = cases[i].memory;
            t.zone = "z";
            if (cases[i].want)
                assert_has(task_text(&t, version, false), cases[i].want);
            else
                assert_has_not(task_text(&t, version, false), "Limits");
        }
    }
}

/* ---- tasks ---- */

/* Everything at once: the order of all keys. */
static struct view_task full_task(void)
{
    static const struct view_pair tags[] = { { "a", "1" }, { "b", NULL } };
    static const struct view_error error = { "TaskTags", "Denied", "no", "r-1", "arn:x", 403 };
    struct view_task t = task_of(NULL, 0);

    t.desired = TASK_STOPPED;
    t.known = TASK_STOPPED;
    t.cpu_vcpus = 1;
    t.pull_started_ms = 1000;
    t.pull_stopped_ms = 2000;
    t.execution_stopped_ms = 3000;
    t.zone = "z";
    t.zone_id = "zi";
    t.vpc_id = "v";
    t.launch_type = "EXTERNAL";
    t.service_name = "s";
    t.fault_injection = true;
    t.task_tags = tags;
    t.n_task_tags = 2;
    t.instance_tags = tags;
    t.n_instance_tags = 1;
    t.errors = &error;
    t.n_errors = 1;
    return t;
}

#define FULL_HEAD                                                                    \
    "{\"Cluster\":\"shop\",\"TaskARN\":\"" TASK_ARN "\",\"Family\":\"orders\","      \
    "\"Revision\":\"12\",\"DesiredStatus\":\"STOPPED\",\"KnownStatus\":\"STOPPED\"," \
    "\"Limits\":{\"CPU\":1},\"PullStartedAt\":\"1970-01-01T00:00:01Z\","             \
    "\"PullStoppedAt\":\"1970-01-01T00:00:02Z\",\"ExecutionStoppedAt\":"             \
    "\"1970-01-01T00:00:03Z\",\"AvailabilityZone\":\"z\""
#define FULL_TAGS ",\"TaskTags\":{\"a\":\"1\",\"b\":\"\"},\"ContainerInstanceTags\":{\"a\":\"1\"}"
#define FULL_REST                                                            \
    ",\"VPCID\":\"v\",\"ServiceName\":\"s\",\"FaultInjectionEnabled\":true," \
    "\"AvailabilityZoneID\":\"zi\"}"

static void test_task_in_full(void **state)
{
    struct view_task t = full_task();

    (void)state;
    assert_text(task_text(&t, 2, false), FULL_HEAD "}");
    assert_text(task_text(&t, 2, true), FULL_HEAD FULL_TAGS "}");
    assert_text(task_text(&t, 3, true), FULL_HEAD FULL_TAGS "}");
    assert_text(task_text(&t, 4, false), FULL_HEAD ",\"LaunchType\":\"EXTERNAL\"" FULL_REST);
    assert_text(task_text(&t, 4, true), FULL_HEAD FULL_TAGS
                ",\"LaunchType\":\"EXTERNAL\",\"Errors\":[{\"ErrorField\":\"TaskTags\","
                "\"ErrorCode\":\"Denied\",\"ErrorMessage\":\"no\",\"StatusCode\":403,"
                "\"RequestId\":\"r-1\",\"ResourceARN\":\"arn:x\"}]" FULL_REST);
}

/* What is always told, and nothing else, where nothing is known. */
static void test_empty_task(void **state)
{
    const struct view_task t = { 0 };

    (void)state;
    assert_text(task_text(&t, 3, true),
                "{\"Cluster\":\"\",\"TaskARN\":\"\",\"Family\":\"\",\"Revision\":\"\","
                "\"DesiredStatus\":\"NONE\",\"KnownStatus\":\"NONE\"}");
    assert_text(task_text(&t, 4, true),
                "{\"Cluster\":\"\",\"TaskARN\":\"\",\"Family\":\"\",\"Revision\":\"\","
                "\"DesiredStatus\":\"NONE\",\"KnownStatus\":\"NONE\","
                "\"FaultInjectionEnabled\":false}");
}

static void test_statuses(void **state)
{
    struct view_container c = plain();
    struct view_task t = task_of(&c, 1);

    (void)state;
    for (enum task_status s = TASK_NONE; s <= TASK_STOPPED; s++) {
        AUTO(str)
        char *want = mem_printf("\"12\",\"DesiredStatus\":\"%s\",\"KnownStatus\":\"%s\",",
                                task_status_name(s), task_status_name(s));

        t.desired = t.known = s;
        assert_has(task_text(&t, 4, false), want);
    }
    for (enum ctr_status s = CTR_NONE; s <= CTR_STOPPED; s++) {
        AUTO(str)
        char *want =
            mem_printf("\"DesiredStatus\":\"RUNNING\",\"KnownStatus\":\"%s\",", ctr_status_name(s));

        c.known = s;
        c.type = s % 2 ? VIEW_NORMAL : VIEW_NAMESPACE_PAUSE;
        assert_has(container_text(&t, 0, 4), want);
        assert_has(container_text(&t, 0, 2),
                   s % 2 ? "\"Type\":\"NORMAL\"" : "\"Type\":\"NAMESPACE_PAUSE\"");
    }
    c.type = VIEW_CNI_PAUSE;
    c.known = CTR_STOPPED;
    assert_has(container_text(&t, 0, 4),
               "\"DesiredStatus\":\"RESOURCES_PROVISIONED\",\"KnownStatus\":\"STOPPED\",");
}

/* Which containers a task's list has, and in which order. */
static void test_which_containers(void **state)
{
    struct view_container c[5] = { plain(), plain(), plain(), plain(), plain() };
    struct view_task t = task_of(c, 5);

    (void)state;
    c[0].docker_id = c[0].docker_name = "";
    c[0].known = CTR_PULLED;
    c[0].name = "pulled";
    c[0].networks = &bridge_net; /* of no use: there is no container */
    c[0].n_networks = 1;
    c[1].name = "app";
    c[2].docker_id = c[2].docker_name = NULL;
    c[2].known = CTR_NONE;
    c[2].name = "waiting";
    c[3].docker_id = "";
    c[3].name = "creating";
    c[4].type = VIEW_CNI_PAUSE;
    c[4].name = "pause";
    AUTO(str) char *v3 = task_text(&t, 3, false), *v4 = task_text(&t, 4, false);

    assert_null(strstr(v3, "\"pulled\""));
    assert_null(strstr(v3, "\"waiting\""));
    assert_null(strstr(v4, "\"waiting\""));
    assert_true(strstr(v3, "\"app\"") < strstr(v3, "\"creating\""));
    assert_true(strstr(v3, "\"creating\"") < strstr(v3, "\"pause\""));
    assert_true(strstr(v4, "\"pause\"") < strstr(v4, "\"app\""));
    assert_true(strstr(v4, "\"app\"") < strstr(v4, "\"creating\""));
    assert_true(strstr(v4, "\"creating\"") < strstr(v4, "\"pulled\""));
    assert_non_null(strstr(v4, "{\"DockerId\":\"\",\"Name\":\"pulled\",\"DockerName\":\"\","));
    assert_null(strstr(v4, "\"Networks\""));
}

/* ---- containers ---- */

static void test_full_container(void **state)
{
    const struct port_binding ports[] = { { "0.0.0.0", 53, 32768, PORT_UDP },
                                          { "::", 53, 32768, PORT_UDP },
                                          { "", 80, 0, PORT_TCP } };
    const struct view_network nets[] = { { "bridge", "172.17.0.2", "fd00::2" },
                                         { "other", "10.0.0.2", "" } };
    const struct view_volume volumes[] = { { NULL, "/srv", "/host" }, { "v", "", "/data" } };
    const struct view_pair label = { "a\"b", "c<d>" };
    struct view_container c = plain();
    struct view_task t = task_of(&c, 1);

    (void)state;
    c.ports = ports;
    c.n_ports = COUNT_OF(ports);
    c.networks = nets;
    c.n_networks = COUNT_OF(nets);
    c.volumes = volumes;
    c.n_volumes = COUNT_OF(volumes);
    c.labels = &label;
    c.n_labels = 1;
    c.has_exit_code = true;
    c.known = CTR_STOPPED;
    c.created_ms = 1000;
    c.started_ms = 2000;
    c.finished_ms = 3500;
    c.has_health_check = true;
    c.log_driver = "none";
    c.arn = "arn:c";
    c.has_restart_policy = true;
    c.restart_count = 7;
#define HEAD                                                                             \
    "{\"DockerId\":\"3b9c\",\"Name\":\"api\",\"DockerName\":\"ecs-orders-12-api-c2d4\"," \
    "\"Image\":\"orders:4.2\",\"ImageID\":\"sha256:aa11\",\"Ports\":"
#define MIDDLE                                                                        \
    ",\"Labels\":{\"a\\\"b\":\"c<d>\"},\"DesiredStatus\":\"RUNNING\","                \
    "\"KnownStatus\":\"STOPPED\",\"ExitCode\":0,\"Limits\":{\"CPU\":2,\"Memory\":0}," \
    "\"CreatedAt\":\"1970-01-01T00:00:01Z\",\"StartedAt\":\"1970-01-01T00:00:02Z\","  \
    "\"FinishedAt\":\"1970-01-01T00:00:03.5Z\",\"Type\":\"NORMAL\""
#define PORTS                                                          \
    "[{\"ContainerPort\":53,\"Protocol\":\"udp\",\"HostPort\":32768}," \
    "{\"ContainerPort\":53,\"Protocol\":\"udp\",\"HostPort\":32768},"  \
    "{\"ContainerPort\":80,\"Protocol\":\"tcp\"}]"
#define TAIL                                                                       \
    ",\"Health\":{},\"Volumes\":[{\"Source\":\"/srv\",\"Destination\":\"/host\"}," \
    "{\"DockerName\":\"v\",\"Destination\":\"/data\"}]"
    assert_text(container_text(&t, 0, 2), HEAD PORTS MIDDLE TAIL "}");
    assert_text(container_text(&t, 0, 3),
                HEAD PORTS MIDDLE ",\"Networks\":[{\"NetworkMode\":\"bridge\",\"IPv4Addresses\":"
                                  "[\"172.17.0.2\"]},{\"NetworkMode\":\"other\","
                                  "\"IPv4Addresses\":[\"10.0.0.2\"]}]" TAIL "}");
    assert_text(container_text(&t, 0, 4),
                HEAD "[{\"ContainerPort\":53,\"Protocol\":\"udp\",\"HostPort\":32768,"
                     "\"HostIp\":\"0.0.0.0\"},{\"ContainerPort\":53,\"Protocol\":\"udp\","
                     "\"HostPort\":32768,\"HostIp\":\"::\"},{\"ContainerPort\":80,"
                     "\"Protocol\":\"tcp\"}]" MIDDLE TAIL
                     ",\"LogDriver\":\"none\",\"ContainerARN\":\"arn:c\",\"Networks\":"
                     "[{\"NetworkMode\":\"bridge\",\"IPv4Addresses\":[\"172.17.0.2\"],"
                     "\"IPv6Addresses\":[\"fd00::2\"]},{\"NetworkMode\":\"other\","
                     "\"IPv4Addresses\":[\"10.0.0.2\"]}],\"RestartCount\":7}");
}

static void test_container_limits(void **state)
{
    static const struct {
        int64_t cpu, told;
    } cases[] = { { 0, 2 }, { 1, 2 }, { 2, 2 }, { 3, 3 }, { 1024, 1024 } };
    struct view_container c = plain();
    struct view_task t = task_of(&c, 1);

    (void)state;
    c.memory_mib = 64;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(str)
        char *want = mem_printf("\"Limits\":{\"CPU\":%d,\"Memory\":64}", (int)cases[i].told);

        c.cpu_units = cases[i].cpu;
        assert_has(container_text(&t, 0, 3), want);
    }
}

static void test_health(void **state)
{
    struct view_container c = plain();
    struct view_task t = task_of(&c, 1);
    char output[1200];

    (void)state;
    assert_has_not(container_text(&t, 0, 4), "Health");
    c.has_health_check = true;
    c.health = HEALTH_STARTING;
    assert_has(container_text(&t, 0, 4), "\"Health\":{}");
    c.health = HEALTH_BAD;
    c.health_since_ms = 1500;
    c.has_health_exit = true;
    c.health_exit = 3;
    assert_has(container_text(&t, 0, 2),
               "\"Health\":{\"status\":\"UNHEALTHY\",\"statusSince\":\"1970-01-01T00:00:01.5Z\","
               "\"exitCode\":3}");
    /* Healthy again: the last failure's code stays; a code of 0 is not told. */
    c.health = HEALTH_OK;
    assert_has(container_text(&t, 0, 3), "\"status\":\"HEALTHY\",\"statusSince\":"
                                         "\"1970-01-01T00:00:01.5Z\",\"exitCode\":3}");
    c.health_exit = 0;
    assert_has_not(container_text(&t, 0, 3), "exitCode");
    /* 1023 bytes and a character of two: it is not split. */
    memset(output, 'x', sizeof output);
    memcpy(output + 1023, "\xc3\xa9 and more", 11);
    output[1100] = '\0';
    c.health_output = output;
    AUTO(str) char *want = mem_printf("\"output\":\"%.1023s\"}", output);
    assert_has(container_text(&t, 0, 4), want);
    output[1022] = '\xc3';
    output[1023] = '\xa9';
    AUTO(str) char *both = mem_printf("\"output\":\"%.1024s\"}", output);
    assert_has(container_text(&t, 0, 4), both);
}

static void test_networks(void **state)
{
    const struct view_network none = { "none", "", "" };
    const struct view_network eni = { "awsvpc", "10.0.0.9", "2001:db8::9" };
    const struct view_network six = { "six", NULL, "fd00::3" };
    struct view_container c = plain();
    struct view_task t = task_of(&c, 1);

    (void)state;
    assert_has_not(container_text(&t, 0, 4), "Networks");
    c.n_networks = 1;
    c.networks = &none;
    for (int version = 3; version <= 4; version++)
        assert_has(container_text(&t, 0, version),
                   "\"Networks\":[{\"NetworkMode\":\"none\",\"IPv4Addresses\":[\"\"]}]");
    assert_has_not(container_text(&t, 0, 2), "Networks");
    c.networks = &eni;
    for (int version = 2; version <= 4; version++)
        assert_has(container_text(&t, 0, version),
                   "\"Networks\":[{\"NetworkMode\":\"awsvpc\",\"IPv4Addresses\":[\"10.0.0.9\"],"
                   "\"IPv6Addresses\":[\"2001:db8::9\"]");
    c.networks = &six;
    assert_has(container_text(&t, 0, 4),
               "\"Networks\":[{\"NetworkMode\":\"six\",\"IPv6Addresses\":[\"fd00::3\"]}]");
}

/* Version 3 fails as a whole, version 4's task leaves them out; version 2 never has them. */
static void test_unknown_networks(void **state)
{
    struct view_container c[2] = { plain(), plain() };
    struct view_task t = task_of(c, 2);

    (void)state;
    c[0].networks = &bridge_net;
    c[0].n_networks = 1;
    c[1].networks_known = false;
    assert_text(container_text(&t, 1, 3), "");
    assert_text(container_text(&t, 1, 4), "");
    assert_has(container_text(&t, 1, 2), "\"DockerId\":\"3b9c\"");
    assert_text(task_text(&t, 3, false), "");
    assert_has(task_text(&t, 2, false), "\"Containers\":[");
    AUTO(str) char *v4 = task_text(&t, 4, false);
    const char *first = strstr(v4, "\"Networks\"");
    assert_non_null(first);
    assert_null(strstr(first + 1, "\"Networks\""));
    /* One that is not listed does no harm. */
    c[1].docker_id = c[1].docker_name = "";
    assert_has(task_text(&t, 3, false), "\"Networks\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v4_container),
        cmocka_unit_test(test_v3_task_on_the_host),
        cmocka_unit_test(test_v4_task_with_tags),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_task_limits),
        cmocka_unit_test(test_task_in_full),
        cmocka_unit_test(test_empty_task),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_which_containers),
        cmocka_unit_test(test_full_container),
        cmocka_unit_test(test_container_limits),
        cmocka_unit_test(test_health),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_unknown_networks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
