#include "unit/config/helper.h"

static void assert_defaults(const struct config *c)
{
    static const uint16_t ports[] = { 22, 2375, 2376, 51678, 51679 };
    static const char *const drivers[] = { "json-file", "syslog", "awslogs", "fluentd", "none" };

    assert_string_equal(c->cluster, "default");
    assert_true(c->cluster_default);
    assert_string_equal(c->docker_endpoint, "unix:///var/run/docker.sock");
    assert_string_equal(c->data_dir, "/var/lib/ecs/data");
    assert_int_equal(c->reserved_ports.n, COUNT_OF(ports));
    assert_memory_equal(c->reserved_ports.ports, ports, sizeof ports);
    assert_int_equal(c->reserved_ports_udp.n, 0);
    assert_int_equal(c->log_drivers.n, COUNT_OF(drivers));
    for (size_t i = 0; i < COUNT_OF(drivers); i++)
        assert_string_equal(c->log_drivers.items[i], drivers[i]);
    assert_int_equal(c->reserved_memory_mib, 0);
    assert_int_equal(c->instance_attributes.n + c->instance_tags.n, 0);
    assert_int_equal(c->task_cleanup_wait_ms, 3 * 3600 * 1000);
    assert_int_equal(c->task_cleanup_jitter_ms, 0);
    assert_int_equal(c->stop_timeout_ms, 30 * 1000);
    assert_int_equal(c->start_timeout_ms, 180 * 1000);
    assert_int_equal(c->create_timeout_ms, 240 * 1000);
    assert_int_equal(c->manifest_pull_timeout_ms, 60 * 1000);
    assert_int_equal(c->pull_timeout_ms, 7200 * 1000);
    assert_int_equal(c->pull_inactivity_ms, 60 * 1000);
    assert_int_equal(c->pull_behavior, PULL_DEFAULT);
    assert_true(c->task_iam_role && c->task_iam_role_network_host && c->exclude_ipv6_binding);
    assert_false(c->pull_upfront || c->external || c->privileged_disabled || c->selinux ||
                 c->apparmor || c->disable_health_check || c->disable_metrics || c->log_json ||
                 c->imds_disabled || c->insecure_tls);
    assert_null(c->backend_host);
    assert_null(c->log_file);
    assert_null(c->imds_endpoint);
    assert_string_equal(c->log_level, "info");
    assert_string_equal(c->detailed_os_family, "LINUX");
    assert_string_equal(c->admin_socket, "/run/berth/berth.sock");
    assert_int_equal(c->start_parallel, 0);
    assert_int_equal(c->pull_parallel, 0);
    assert_string_equal(c->local_tasks_dir, "/etc/ecs/tasks.d");
    assert_false(c->image_cleanup_disabled || c->untracked_cleanup || c->propagate_memory ||
                 c->shared_volume_match_full);
    assert_int_equal(c->image_cleanup_interval_ms, 1800 * 1000);
    assert_int_equal(c->image_min_age_ms, 3600 * 1000);
    assert_int_equal(c->untracked_image_min_age_ms, 3600 * 1000);
    assert_int_equal(c->images_per_cycle, 5);
    assert_int_equal(c->untracked_containers_per_cycle, 5);
    assert_int_equal(c->excluded_images.n, 0);
    assert_int_equal(c->disk_high_pct, 85);
    assert_int_equal(c->disk_low_pct, 80);
    assert_int_equal(c->disk_check_ms, 30 * 1000);
    assert_int_equal(c->task_limits, TRI_UNSET);
    assert_string_equal(c->cgroup_path, "/sys/fs/cgroup");
    assert_int_equal(c->cgroup_cpu_period_us, 100000);
    assert_int_equal(c->task_pids_limit, 0);
    assert_int_equal(c->dynamic_ports.first + c->dynamic_ports.last, 0);
    assert_null(c->engine_auth_type);
    assert_null(c->engine_auth_data);
}

static void test_defaults(void **state)
{
    struct built b = build(NULL, region_only);

    (void)state;
    assert_string_equal(buf_text(&b.text), "");
    assert_defaults(b.c);
    assert_string_equal(b.c->region, "eu-west-1");
    built_fini(&b);
    config_destroy(NULL);
}

/* One value, the problem it makes ("" for none) and the number that is used. */
static void test_numbers_and_clamps(void **state)
{
    static const struct {
        const char *line;
        size_t field;
        int64_t want;
        const char *problem;
    } cases[] = {
#define CLEANUP "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION"
        { CLEANUP "=1s", FIELD(task_cleanup_wait_ms), 1000, "" },
        { CLEANUP "=999ms", FIELD(task_cleanup_wait_ms), 10800000,
          "1: " CLEANUP ": '999ms' is below 1s; using 3h0m0s\n" },
        { CLEANUP "=-5m", FIELD(task_cleanup_wait_ms), 10800000,
          "1: " CLEANUP ": '-5m' is below 1s; using 3h0m0s\n" },
        { CLEANUP "=0", FIELD(task_cleanup_wait_ms), 10800000, "" },
        { CLEANUP "=", FIELD(task_cleanup_wait_ms), 10800000, "" },
        { CLEANUP "=90", FIELD(task_cleanup_wait_ms), 10800000,
          "1: " CLEANUP ": expected a duration such as 30s or 1h30m, got '90'; using 3h\n" },
        { CLEANUP "_JITTER=10m", FIELD(task_cleanup_jitter_ms), 600000, "" },
        { CLEANUP "_JITTER=-1s", FIELD(task_cleanup_jitter_ms), 0,
          "1: " CLEANUP "_JITTER: '-1s' is below 0s; using 0s\n" },
        { "ECS_CONTAINER_STOP_TIMEOUT=1s", FIELD(stop_timeout_ms), 1000, "" },
        { "ECS_CONTAINER_STOP_TIMEOUT=10ms", FIELD(stop_timeout_ms), 1000,
          "1: ECS_CONTAINER_STOP_TIMEOUT: '10ms' is below 1s; using 1s\n" },
        { "ECS_CONTAINER_STOP_TIMEOUT=-2m", FIELD(stop_timeout_ms), 1000,
          "1: ECS_CONTAINER_STOP_TIMEOUT: '-2m' is below 1s; using 1s\n" },
        { "ECS_CONTAINER_STOP_TIMEOUT=0s", FIELD(stop_timeout_ms), 30000, "" },
        { "ECS_CONTAINER_START_TIMEOUT=45s", FIELD(start_timeout_ms), 45000, "" },
        { "ECS_CONTAINER_START_TIMEOUT=44s", FIELD(start_timeout_ms), 45000,
          "1: ECS_CONTAINER_START_TIMEOUT: '44s' is below 45s; using 45s\n" },
        { "ECS_CONTAINER_CREATE_TIMEOUT=1m", FIELD(create_timeout_ms), 60000, "" },
        { "ECS_CONTAINER_CREATE_TIMEOUT=59s", FIELD(create_timeout_ms), 60000,
          "1: ECS_CONTAINER_CREATE_TIMEOUT: '59s' is below 1m0s; using 1m0s\n" },
        { "ECS_MANIFEST_PULL_TIMEOUT=30s", FIELD(manifest_pull_timeout_ms), 30000, "" },
        { "ECS_MANIFEST_PULL_TIMEOUT=29.9s", FIELD(manifest_pull_timeout_ms), 30000,
          "1: ECS_MANIFEST_PULL_TIMEOUT: '29.9s' is below 30s; using 30s\n" },
        { "ECS_IMAGE_PULL_INACTIVITY_TIMEOUT=3m", FIELD(pull_inactivity_ms), 180000, "" },
        { "ECS_IMAGE_PULL_INACTIVITY_TIMEOUT=1s", FIELD(pull_inactivity_ms), 60000,
          "1: ECS_IMAGE_PULL_INACTIVITY_TIMEOUT: '1s' is below 1m0s; using 1m0s\n" },
        { "ECS_IMAGE_PULL_TIMEOUT=1h", FIELD(pull_timeout_ms), 3600000, "" },
        { "ECS_IMAGE_PULL_TIMEOUT=-1h", FIELD(pull_timeout_ms), 7200000,
          "1: ECS_IMAGE_PULL_TIMEOUT: '-1h' is below 1s; using 2h0m0s\n" },
        { "ECS_RESERVED_MEMORY=65535", FIELD(reserved_memory_mib), 65535, "" },
        { "ECS_RESERVED_MEMORY=65536", FIELD(reserved_memory_mib), 0,
          "1: ECS_RESERVED_MEMORY: 65536 is not in 0..65535; using 0\n" },
        { "ECS_RESERVED_MEMORY=-1", FIELD(reserved_memory_mib), 0,
          "1: ECS_RESERVED_MEMORY: -1 is not in 0..65535; using 0\n" },
        { "ECS_RESERVED_MEMORY=lots", FIELD(reserved_memory_mib), 0,
          "1: ECS_RESERVED_MEMORY: expected a whole number, got 'lots'; using 0\n" },
        { "", FIELD(shutdown_ms), 120000, "" },
        { "BERTH_SHUTDOWN_TIMEOUT=90s", FIELD(shutdown_ms), 90000, "" },
        { "BERTH_SHUTDOWN_TIMEOUT=10m", FIELD(shutdown_ms), 600000, "" },
        { "BERTH_SHUTDOWN_TIMEOUT=11m", FIELD(shutdown_ms), 120000,
          "1: BERTH_SHUTDOWN_TIMEOUT: '11m' is above 10m0s; using 2m0s\n" },
        { "BERTH_START_PARALLEL=8", FIELD(start_parallel), 8, "" },
        { "BERTH_START_PARALLEL=1001", FIELD(start_parallel), 0,
          "1: BERTH_START_PARALLEL: 1001 is not in 0..1000; using 0\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct built b = build(cases[i].line, region_only);
        int64_t got = number_at(b.c, cases[i].field);

        if (got != cases[i].want)
            fail_msg("%s gave %lld", cases[i].line, (long long)got);
        assert_string_equal(buf_text(&b.text), cases[i].problem);
        built_fini(&b);
    }
}

static void test_switches(void **state)
{
    static const struct {
        const char *line;
        size_t field;
        bool want;
        bool problem;
    } cases[] = {
        { "ECS_ENABLE_TASK_IAM_ROLE=false", FIELD(task_iam_role), false, false },
        /* Set to nothing of use, the init program's default is gone. */
        { "ECS_ENABLE_TASK_IAM_ROLE=", FIELD(task_iam_role), false, false },
        { "ECS_ENABLE_TASK_IAM_ROLE=yes", FIELD(task_iam_role), false, true },
        { "ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST=0", FIELD(task_iam_role_network_host), false,
          false },
        { "ECS_EXCLUDE_IPV6_PORTBINDING=false", FIELD(exclude_ipv6_binding), false, false },
        { "ECS_EXCLUDE_IPV6_PORTBINDING=no", FIELD(exclude_ipv6_binding), true, true },
        { "ECS_DISABLE_PRIVILEGED=t", FIELD(privileged_disabled), true, false },
        { "ECS_SELINUX_CAPABLE=1", FIELD(selinux), true, false },
        { "ECS_APPARMOR_CAPABLE=True", FIELD(apparmor), true, false },
        { "ECS_DISABLE_DOCKER_HEALTH_CHECK=true", FIELD(disable_health_check), true, false },
        { "ECS_DISABLE_METRICS=true", FIELD(disable_metrics), true, false },
        { "ECS_PULL_DEPENDENT_CONTAINERS_UPFRONT=true", FIELD(pull_upfront), true, false },
        { "ECS_EXTERNAL=true", FIELD(external), true, false },
        { "ECS_EXTERNAL=true", FIELD(imds_disabled), true, false },
        { "AWS_EC2_METADATA_DISABLED=true", FIELD(imds_disabled), true, false },
        { "ECS_LOG_OUTPUT_FORMAT=json", FIELD(log_json), true, false },
        { "ECS_LOG_OUTPUT_FORMAT=xml", FIELD(log_json), false, true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct built b = build(cases[i].line, region_only);
        bool got = flag_at(b.c, cases[i].field);

        if (got != cases[i].want || (b.p.n == 1) != cases[i].problem || b.p.fatal)
            fail_msg("%s gave %d: %s", cases[i].line, got, buf_text(&b.text));
        built_fini(&b);
    }
}

static void test_pull_behavior(void **state)
{
    static const struct {
        const char *line;
        enum pull_behavior want;
        size_t problems;
    } cases[] = {
        { "ECS_IMAGE_PULL_BEHAVIOR=default", PULL_DEFAULT, 0 },
        { "ECS_IMAGE_PULL_BEHAVIOR=always", PULL_ALWAYS, 0 },
        { "ECS_IMAGE_PULL_BEHAVIOR=once", PULL_ONCE, 0 },
        { "ECS_IMAGE_PULL_BEHAVIOR=prefer-cached", PULL_PREFER_CACHED, 0 },
        { "ECS_IMAGE_PULL_BEHAVIOR=Always", PULL_DEFAULT, 1 },
        { "ECS_IMAGE_PULL_BEHAVIOR=never", PULL_DEFAULT, 1 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct built b = build(cases[i].line, region_only);

        assert_int_equal(b.c->pull_behavior, cases[i].want);
        assert_int_equal(b.p.n, cases[i].problems);
        built_fini(&b);
    }
}

static void lists_of(struct buf *out, const struct config *c)
{
    for (size_t i = 0; i < c->reserved_ports_udp.n; i++)
        buf_printf(out, "%d ", c->reserved_ports_udp.ports[i]);
    for (size_t i = 0; i < c->instance_attributes.n; i++)
        buf_printf(out, "%s:%s ", c->instance_attributes.items[i].key,
                   c->instance_attributes.items[i].value);
    for (size_t i = 0; i < c->instance_tags.n; i++)
        buf_printf(out, "%s=%s ", c->instance_tags.items[i].key, c->instance_tags.items[i].value);
    for (size_t i = 0; i < c->log_drivers.n; i++)
        buf_printf(out, "%s ", c->log_drivers.items[i]);
}

static void test_lists_and_maps(void **state)
{
#define ALL  "json-file syslog awslogs fluentd none "
#define BARE "json-file none "
    static const struct {
        const char *line, *want;
        const char *problem; /* how it starts; "" for none */
    } cases[] = {
        { "ECS_RESERVED_PORTS_UDP=[53, 65535]", "53 65535 " ALL, "" },
        { "ECS_RESERVED_PORTS_UDP=[53] and more", "53 " ALL, "" },
        { "ECS_RESERVED_PORTS_UDP=[65536]", ALL, "1: ECS_RESERVED_PORTS_UDP: " },
        { "ECS_RESERVED_PORTS_UDP=[-1]", ALL, "1: ECS_RESERVED_PORTS_UDP: " },
        { "ECS_RESERVED_PORTS_UDP=[\"53\"]", ALL, "1: ECS_RESERVED_PORTS_UDP: " },
        { "ECS_RESERVED_PORTS_UDP=[53.5]", ALL, "1: ECS_RESERVED_PORTS_UDP: " },
        { "ECS_RESERVED_PORTS_UDP={}", ALL, "1: ECS_RESERVED_PORTS_UDP: " },
        { "ECS_RESERVED_PORTS_UDP=53", ALL, "1: ECS_RESERVED_PORTS_UDP: " },
        { "ECS_AVAILABLE_LOGGING_DRIVERS=[\"awslogs\",\"awsfirelens\"]", "awslogs awsfirelens ",
          "" },
        { "ECS_AVAILABLE_LOGGING_DRIVERS=[]", BARE, "" },
        { "ECS_AVAILABLE_LOGGING_DRIVERS=", BARE, "" },
        { "ECS_AVAILABLE_LOGGING_DRIVERS=[\"json-file\",\"papyrus\"]", BARE,
          "1!: ECS_AVAILABLE_LOGGING_DRIVERS: expected a JSON list of strings: [1]: unknown name "
          "'papyrus'" },
        { "ECS_AVAILABLE_LOGGING_DRIVERS=json-file,awslogs", BARE,
          "1: ECS_AVAILABLE_LOGGING_DRIVERS: expected a JSON list: not JSON" },
        { "ECS_AVAILABLE_LOGGING_DRIVERS={}", BARE,
          "1: ECS_AVAILABLE_LOGGING_DRIVERS: expected a JSON list of strings, got '{}'; using "
          "[\"json-file\",\"none\"]" },
        { "ECS_INSTANCE_ATTRIBUTES={\"disk\":\"ssd\",\"rack\":\"7\"}", "disk:ssd rack:7 " ALL, "" },
        { "ECS_INSTANCE_ATTRIBUTES={\"a\":\"1\",\"a\":\"2\"}", "a:2 " ALL, "" },
        { "ECS_INSTANCE_ATTRIBUTES={}", ALL, "" },
        { "ECS_INSTANCE_ATTRIBUTES=disk=ssd", ALL, "1!: ECS_INSTANCE_ATTRIBUTES: " },
        { "ECS_INSTANCE_ATTRIBUTES={\"rack\":7}", ALL, "1!: ECS_INSTANCE_ATTRIBUTES: " },
        { "ECS_INSTANCE_ATTRIBUTES=[]", ALL, "1!: ECS_INSTANCE_ATTRIBUTES: " },
        { "ECS_INSTANCE_ATTRIBUTES={\"a\":\"1\"} x", ALL, "1!: ECS_INSTANCE_ATTRIBUTES: " },
        { "ECS_CONTAINER_INSTANCE_TAGS={\"team\":\"a=b\"}", "team=a=b " ALL, "" },
        { "ECS_CONTAINER_INSTANCE_TAGS={", ALL, "1!: ECS_CONTAINER_INSTANCE_TAGS: " },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct built b = build(cases[i].line, region_only);
        struct buf got = BUF_INIT(4096);

        lists_of(&got, b.c);
        if (!streq(buf_text(&got), cases[i].want))
            fail_msg("%s gave %s", cases[i].line, buf_text(&got));
        if (*cases[i].problem ? !str_starts(buf_text(&b.text), cases[i].problem) : b.p.n != 0)
            fail_msg("%s: %s", cases[i].line, buf_text(&b.text));
        assert_int_equal(b.p.fatal, strchr(cases[i].problem, '!') != NULL);
        buf_fini(&got);
        built_fini(&b);
    }
}

static void test_empty_port_list_is_unset(void **state)
{
    struct built b = build("ECS_RESERVED_PORTS=[]", region_only);

    (void)state;
    assert_int_equal(b.c->reserved_ports.n, 5);
    built_fini(&b);
}

static void test_maps_are_bounded(void **state)
{
    struct buf file = BUF_INIT(1 << 20);
    struct built b;

    (void)state;
    for (int n = 1000; n <= 1001; n++) {
        buf_reset(&file);
        buf_puts(&file, "ECS_INSTANCE_ATTRIBUTES={");
        for (int i = 0; i < n; i++)
            buf_printf(&file, "%s\"k%d\":\"v\"", i ? "," : "", i);
        buf_puts(&file, "}");
        b = build(buf_text(&file), region_only);
        assert_int_equal(b.c->instance_attributes.n, n == 1000 ? 1000 : 0);
        assert_int_equal(b.p.fatal, n == 1001);
        built_fini(&b);
    }
    buf_fini(&file);
}

static void test_lists_are_bounded(void **state)
{
    static const struct {
        const char *name, *item, *problem;
    } cases[] = {
        { "ECS_RESERVED_PORTS_UDP", "1", "1: ECS_RESERVED_PORTS_UDP: more than 1000 ports; " },
        { "ECS_VOLUME_PLUGIN_CAPABILITIES", "\"a\"",
          "1: ECS_VOLUME_PLUGIN_CAPABILITIES: more than 1000 names; " },
    };
    struct buf file = BUF_INIT(1 << 20);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct built b;

        buf_reset(&file);
        buf_printf(&file, "%s=[", cases[i].name);
        for (int n = 0; n < 1000; n++)
            buf_printf(&file, "%s,", cases[i].item);
        buf_printf(&file, "%s]", cases[i].item);
        b = build(buf_text(&file), region_only);
        if (!str_starts(buf_text(&b.text), cases[i].problem))
            fail_msg("%s", buf_text(&b.text));
        assert_int_equal(b.c->reserved_ports_udp.n, 0);
        built_fini(&b);
    }
    buf_fini(&file);
}

static void test_precedence(void **state)
{
    static const char file[] = "ECS_CLUSTER=from-file\nECS_LOGLEVEL=debug\nECS_DATADIR=/file\n"
                               "AWS_DEFAULT_REGION=us-east-1\nECS_DETAILED_OS_FAMILY=mine\n"
                               "ECS_RESERVED_MEMORY=5\n";
    static const char *const env[] = { "ECS_CLUSTER=from-env",
                                       "ECS_LOGLEVEL=", "ECS_DATADIR=relative",
                                       "ECS_DETAILED_OS_FAMILY=", NULL };
    struct built b = build(file, env);

    (void)state;
    assert_string_equal(b.c->cluster, "from-env");
    assert_false(b.c->cluster_default);
    assert_string_equal(b.c->log_level, "debug");            /* nothing was said */
    assert_string_equal(b.c->data_dir, "/var/lib/ecs/data"); /* nonsense does not fall through */
    assert_string_equal(b.c->detailed_os_family, "");        /* here nothing is a value */
    assert_string_equal(b.c->region, "us-east-1");
    assert_int_equal(b.c->reserved_memory_mib, 5);
    assert_string_equal(buf_text(&b.text), "0: ECS_DATADIR: expected an absolute path, got "
                                           "'relative'; using /var/lib/ecs/data\n");
    built_fini(&b);
}

static void test_cluster_may_be_named_default(void **state)
{
    struct built b = build("ECS_CLUSTER= \n", region_only);

    (void)state;
    assert_string_equal(b.c->cluster, "default");
    assert_true(b.c->cluster_default);
    built_fini(&b);
    b = build("ECS_CLUSTER=default", region_only);
    assert_true(b.c->cluster_default);
    built_fini(&b);
}

static void test_region_is_required(void **state)
{
    static const char *const other[] = { "AWS_REGION=eu-west-1", NULL };
    struct built b = build(NULL, NULL);

    (void)state;
    assert_true(b.p.fatal);
    assert_string_equal(buf_text(&b.text),
                        "0!: AWS_DEFAULT_REGION: no region is set; add a line such as "
                        "AWS_DEFAULT_REGION=eu-west-1 to the file\n");
    built_fini(&b);
    b = build("AWS_DEFAULT_REGION=  \n", other);
    assert_true(b.p.fatal);
    assert_non_null(strstr(buf_text(&b.text), "AWS_REGION is set, but it is not read"));
    built_fini(&b);
}

static void test_endpoints_are_fatal_when_wrong(void **state)
{
    struct built b = build("ECS_BACKEND_HOST=localhost:8080\n"
                           "AWS_ENDPOINT_URL=http://10.1.2.3\n"
                           "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS=http://127.0.0.1:9\n",
                           region_only);

    (void)state;
    assert_string_equal(b.c->backend_host, "https://localhost:8080");
    assert_string_equal(config_env(b.c, "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"), "http://127.0.0.1:9");
    assert_null(config_env(b.c, "AWS_ENDPOINT_URL"));
    assert_true(b.p.fatal);
    assert_true(str_starts(buf_text(&b.text), "2!: AWS_ENDPOINT_URL: http:// is accepted"));
    built_fini(&b);
}

static void test_log_settings(void **state)
{
    struct built b = build("ECS_LOGFILE=/log/ecs-agent.log\nECS_LOGLEVEL=loud\n", region_only);

    (void)state;
    assert_string_equal(b.c->log_file, "/var/log/ecs/ecs-agent.log");
    assert_string_equal(b.c->log_level, "info");
    assert_string_equal(buf_text(&b.text),
                        "2: ECS_LOGLEVEL: expected debug, info, warn, error, crit or none, got "
                        "'loud'; using info\n");
    built_fini(&b);
    b = build("ECS_LOGFILE=\n", region_only);
    assert_null(b.c->log_file);
    built_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_numbers_and_clamps),
        cmocka_unit_test(test_switches),
        cmocka_unit_test(test_pull_behavior),
        cmocka_unit_test(test_lists_and_maps),
        cmocka_unit_test(test_empty_port_list_is_unset),
        cmocka_unit_test(test_maps_are_bounded),
        cmocka_unit_test(test_lists_are_bounded),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_cluster_may_be_named_default),
        cmocka_unit_test(test_region_is_required),
        cmocka_unit_test(test_endpoints_are_fatal_when_wrong),
        cmocka_unit_test(test_log_settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
