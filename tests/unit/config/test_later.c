/* Identity, metadata service and log; and the variables of features that are not there. */
#include "unit/config/helper.h"

#define LATER ": not supported yet, without effect\n"

static void test_defaults(void **state)
{
    struct built b = build(NULL, region_only);
    const struct config *c = b.c;

    (void)state;
    assert_false(c->no_iid || c->tags_from_ec2 || c->spot_draining || c->warm_pools ||
                 c->gpu_support || c->imds_ipv6 || c->imds_v1_disabled || c->imds_disabled ||
                 c->use_fips || c->use_dual_stack || c->host_fips);
    assert_true(c->awslogs_execution_role);
    assert_int_equal(c->drain_on.n + c->pause_labels.n, 0);
    assert_string_equal(c->credential_profile, "default");
    assert_int_equal(c->ip_compat, IP_AUTO);
    assert_int_equal(c->max_attempts, 0);
    assert_string_equal(c->log_level_file, "info");
    assert_int_equal(c->log_rollover, ROLLOVER_SIZE);
    assert_int_equal(c->log_max_bytes, 5000000);
    assert_int_equal(c->log_roll_count, 24);
    assert_string_equal(c->json_path, "/etc/ecs/ecs.config.json");

    assert_true(c->checkpoint && c->task_eni && c->trunking && c->ebs && c->firelens_async);
    assert_false(c->poll_metrics || c->container_metadata || c->prometheus || c->block_imds ||
                 c->audit_log_disabled || c->metadata_az_disabled || c->inferentia || c->gmsa ||
                 c->domain_joined || c->skip_localhost_filter || c->offhost_introspection ||
                 c->imds_iam_roles);
    assert_int_equal(c->polling_wait_ms, 10000);
    assert_int_equal(c->metadata_rate.steady, 40);
    assert_int_equal(c->metadata_rate.burst, 60);
    assert_string_equal(c->audit_log, "/var/log/ecs/audit.log");
    assert_string_equal(c->nvidia_runtime, "nvidia");
    assert_int_equal(c->node_stage_ms, 2000);
    assert_int_equal(c->node_unstage_ms, 30000);
    assert_int_equal(c->volume_capabilities.n, 1);
    assert_string_equal(c->volume_capabilities.items[0], "efsAuth");
    assert_string_equal(c->healthcheck_host, "localhost");
    built_fini(&b);
}

/* A line and the problem it makes. */
static void test_lines(void **state)
{
    static const struct {
        const char *line, *problem;
    } cases[] = {
        { "BERTH_DRAIN_ON=rebalance,terminate", "" },
        { "BERTH_DRAIN_ON=reboot", "1: BERTH_DRAIN_ON: unknown word 'reboot'; the words are "
                                   "rebalance and terminate; ignored\n" },
        { "ECS_CONTAINER_INSTANCE_PROPAGATE_TAGS_FROM=ec2",
          "1: ECS_CONTAINER_INSTANCE_PROPAGATE_TAGS_FROM: expected none or ec2_instance, got "
          "'ec2'; using none\n" },
        { "ECS_INSTANCE_IP_COMPATIBILITY=ipv5",
          "1: ECS_INSTANCE_IP_COMPATIBILITY: expected auto, ipv4 or ipv6, got 'ipv5'; using "
          "auto\n" },
        { "ECS_PAUSE_LABELS=a=b", "1: ECS_PAUSE_LABELS: expected a JSON object of strings: not "
                                  "JSON: line 1 column 1: invalid token; ignored\n" },
        { "ECS_LOG_ROLLOVER_TYPE=daily", "1: ECS_LOG_ROLLOVER_TYPE: expected size, hourly or none, "
                                         "got 'daily'; using hourly\n" },
        { "ECS_LOG_ROLLOVER_TYPE=", "" },
        { "ECS_LOG_MAX_FILE_SIZE_MB=big",
          "1: ECS_LOG_MAX_FILE_SIZE_MB: expected a number of megabytes such as 5 or 0.5, got "
          "'big'; using 5\n" },
        { "ECS_LOG_MAX_FILE_SIZE_MB=nan",
          "1: ECS_LOG_MAX_FILE_SIZE_MB: expected a number of megabytes such as 5 or 0.5, got "
          "'nan'; using 5\n" },
        { "ECS_LOG_MAX_ROLL_COUNT=x",
          "1: ECS_LOG_MAX_ROLL_COUNT: expected a whole number, got 'x'; using 24\n" },
        { "ECS_LOGLEVEL_ON_INSTANCE=loud",
          "1: ECS_LOGLEVEL_ON_INSTANCE: expected debug, info, warn, error, crit or none, got "
          "'loud'; ignored\n" },
        { "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv5",
          "1: AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: expected IPv4 or IPv6, got 'IPv5'; using "
          "IPv4\n" },
        { "AWS_MAX_ATTEMPTS=0", "1: AWS_MAX_ATTEMPTS: 0 is not in 1..100; ignored\n" },
        { "AWS_ENDPOINT_URL_S3=http://10.0.0.1",
          "1!: AWS_ENDPOINT_URL_S3: http:// is accepted for this machine and link-local addresses "
          "only, got 'http://10.0.0.1'; use https://\n" },
        { "AWS_ENDPOINT_URL_STS=https://me:hunter2@sts",
          "1!: AWS_ENDPOINT_URL_STS: expected a URL without a user name or password in it\n" },

        /* Without effect here, so only their form counts. */
        { "ECS_UPDATES_ENABLED=true\nECS_UPDATE_DOWNLOAD_DIR=/x\nECS_AGENT_LABELS={}\n"
          "ECS_AGENT_RUN_PRIVILEGED=true\nECS_FSX_WINDOWS_FILE_SERVER_SUPPORTED=true",
          "" },
        { "ECS_UPDATES_ENABLED=maybe",
          "1: ECS_UPDATES_ENABLED: expected true or false, got 'maybe'; ignored\n" },

        /* Their defaults are what is, so to say them again is no problem. */
        { "ECS_CHECKPOINT=true\nECS_ENABLE_TASK_ENI=true\nECS_EBSTA_SUPPORTED=1\n"
          "ECS_POLL_METRICS=false\nECS_POLLING_METRICS_WAIT_DURATION=10s\n"
          "ECS_AUDIT_LOGFILE=/log/audit.log\nECS_VOLUME_PLUGIN_CAPABILITIES=[\"efsAuth\"]\n"
          "ECS_TASK_METADATA_RPS_LIMIT=40,60\nECS_CHECKPOINT=",
          "9: ECS_CHECKPOINT: set again; line 1 has no effect\n" },
        { "ECS_CHECKPOINT=false", "1: ECS_CHECKPOINT: not supported yet, without effect: the state "
                                  "is always kept\n" },
        { "ECS_ENABLE_TASK_ENI=false", "1: ECS_ENABLE_TASK_ENI" LATER },
        { "ECS_EBSTA_SUPPORTED=false", "1: ECS_EBSTA_SUPPORTED" LATER },
        { "ECS_EBSTA_SUPPORTED=x",
          "1: ECS_EBSTA_SUPPORTED: expected true or false, got 'x'; using true\n" },
        { "ECS_POLLING_METRICS_WAIT_DURATION=1s", "1: ECS_POLLING_METRICS_WAIT_DURATION" LATER },
        { "ECS_POLL_METRICS=true\nECS_POLLING_METRICS_WAIT_DURATION=4s",
          "1: ECS_POLL_METRICS" LATER "2: ECS_POLLING_METRICS_WAIT_DURATION" LATER
          "2: ECS_POLLING_METRICS_WAIT_DURATION: it is below 5s; using 5s\n" },
        { "ECS_POLL_METRICS=true\nECS_POLLING_METRICS_WAIT_DURATION=21s",
          "1: ECS_POLL_METRICS" LATER "2: ECS_POLLING_METRICS_WAIT_DURATION" LATER
          "2: ECS_POLLING_METRICS_WAIT_DURATION: it is above 20s; using 20s\n" },
        { "ECS_TASK_METADATA_RPS_LIMIT=40,0",
          "1: ECS_TASK_METADATA_RPS_LIMIT: expected two numbers above 0 such as 40,60, got '40,0'; "
          "using 40,60\n" },
        { "ECS_TASK_METADATA_RPS_LIMIT=40",
          "1: ECS_TASK_METADATA_RPS_LIMIT: expected two numbers above 0 such as 40,60, got '40'; "
          "using 40,60\n" },
        { "ECS_TASK_METADATA_RPS_LIMIT=1,2", "" },
        { "ECS_AWSVPC_ADDITIONAL_LOCAL_ROUTES=[\"10.0.0.0/8\"]",
          "1: ECS_AWSVPC_ADDITIONAL_LOCAL_ROUTES" LATER },
        { "ECS_AWSVPC_ADDITIONAL_LOCAL_ROUTES=[\"10.0.0.0\"]",
          "1!: ECS_AWSVPC_ADDITIONAL_LOCAL_ROUTES: expected a JSON list of strings: [0]: expected "
          "a block of addresses such as 10.0.0.0/16, got '10.0.0.0'\n" },
        { "ECS_VOLUME_PLUGIN_CAPABILITIES=x",
          "1: ECS_VOLUME_PLUGIN_CAPABILITIES: expected a JSON list: not JSON: line 1 column 1: "
          "invalid token; using []\n" },
        { "ECS_GMSA_SUPPORTED=true", "1: ECS_GMSA_SUPPORTED" LATER },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct built b = build(cases[i].line, region_only);

        assert_string_equal(buf_text(&b.text), cases[i].problem);
        assert_int_equal(b.p.fatal, strchr(cases[i].problem, '!') != NULL);
        built_fini(&b);
    }
}

/* They are read with their bounds all the same. */
static void test_values(void **state)
{
    struct built b = build("ECS_TASK_METADATA_RPS_LIMIT=1, 2\nECS_POLL_METRICS=true\n"
                           "ECS_POLLING_METRICS_WAIT_DURATION=1m\nECS_CHECKPOINT=0\n"
                           "ECS_EBSTA_SUPPORTED=false\nECS_VOLUME_PLUGIN_CAPABILITIES=[]\n"
                           "BERTH_DRAIN_ON=terminate\nECS_LOG_ROLLOVER_TYPE=weekly\n"
                           "ECS_LOG_MAX_FILE_SIZE_MB=1.5\nECS_INSTANCE_IP_COMPATIBILITY=IPv6\n",
                           region_only);

    (void)state;
    assert_int_equal(b.c->metadata_rate.steady, 1);
    assert_int_equal(b.c->metadata_rate.burst, 2);
    assert_int_equal(b.c->polling_wait_ms, 20000);
    assert_false(b.c->checkpoint || b.c->ebs);
    assert_int_equal(b.c->volume_capabilities.n, 0);
    assert_string_equal(b.c->drain_on.items[0], "terminate");
    assert_int_equal(b.c->log_rollover, ROLLOVER_HOURLY);
    assert_int_equal(b.c->log_max_bytes, 1500000);
    assert_int_equal(b.c->ip_compat, IP_V6);
    assert_false(b.c->exclude_ipv6_binding); /* there is nothing else to report */
    built_fini(&b);

    b = build_json("{\"TaskMetadataSteadyStateRate\":5,\"TaskMetadataBurstRate\":6}");
    assert_int_equal(b.c->metadata_rate.steady, 5);
    assert_int_equal(b.c->metadata_rate.burst, 6);
    built_fini(&b);
    b = build_json("{\"TaskMetadataSteadyStateRate\":5}"); /* both or none */
    assert_int_equal(b.c->metadata_rate.steady, 40);
    assert_int_equal(b.p.n, 1);
    built_fini(&b);
}

/* What remains of a switch that is set to nonsense: the init program's default is gone, the
 * agent's own is not. */
static void test_bad_switches(void **state)
{
    static const struct {
        const char *name;
        size_t field;
        bool want;
    } cases[] = {
        { "ECS_ENABLE_TASK_ENI", FIELD(task_eni), false },
        { "ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE", FIELD(awslogs_execution_role), false },
        { "ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST", FIELD(task_iam_role_network_host), false },
        { "ECS_ENABLE_HIGH_DENSITY_ENI", FIELD(trunking), true },
        { "ECS_ENABLE_FIRELENS_ASYNC", FIELD(firelens_async), true },
        { "ECS_CHECKPOINT", FIELD(checkpoint), true },
        { "ECS_EBSTA_SUPPORTED", FIELD(ebs), true },
        { "ECS_POLL_METRICS", FIELD(poll_metrics), false },
        { "ECS_AWSVPC_BLOCK_IMDS", FIELD(block_imds), false },
        { "ECS_ENABLE_CONTAINER_METADATA", FIELD(container_metadata), false },
        { "ECS_ENABLE_SPOT_INSTANCE_DRAINING", FIELD(spot_draining), false },
        { "ECS_WARM_POOLS_CHECK", FIELD(warm_pools), false },
        { "ECS_EXTERNAL", FIELD(external), false },
        { "ECS_AUDIT_LOGFILE_DISABLED", FIELD(audit_log_disabled), false },
        { "ECS_ENABLE_GPU_SUPPORT", FIELD(gpu_support), false },
        { "ECS_ENABLE_INF_SUPPORT", FIELD(inferentia), false },
        { "ECS_DISABLE_TASK_METADATA_AZ", FIELD(metadata_az_disabled), false },
        { "ECS_ENABLE_PROMETHEUS_METRICS", FIELD(prometheus), false },
        { "ECS_SKIP_LOCALHOST_TRAFFIC_FILTER", FIELD(skip_localhost_filter), false },
        { "ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS", FIELD(offhost_introspection), false },
        { "ECS_GMSA_SUPPORTED", FIELD(gmsa), false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(str) char *line = mem_printf("%s=yes", cases[i].name);
        AUTO(str)
        char *problem = mem_printf("1: %s: expected true or false, got 'yes'; using %s\n",
                                   cases[i].name, cases[i].want ? "true" : "false");
        struct built b = build(line, region_only);

        assert_string_equal(buf_text(&b.text), problem);
        assert_int_equal(flag_at(b.c, cases[i].field), cases[i].want);
        built_fini(&b);
    }
}

static void test_external(void **state)
{
    struct built b = build("ECS_EXTERNAL=true\nECS_ENABLE_TASK_ENI=true\n", region_only);

    (void)state;
    assert_true(b.c->imds_disabled);
    assert_false(b.c->task_eni || b.c->trunking);
    built_fini(&b);
}

static void test_log_file_level(void **state)
{
    static const struct {
        const char *file, *screen, *want;
    } cases[] = {
        { "", "info", "info" },
        { "ECS_LOGLEVEL=debug", "debug", "debug" },
        { "ECS_LOGLEVEL=DEBUG\nECS_LOGLEVEL_ON_INSTANCE=Warn", "debug", "warn" },
        { "ECS_LOGLEVEL_ON_INSTANCE=warn", "info", "warn" },
        { "ECS_LOG_DRIVER=awslogs\nECS_LOGLEVEL=debug", "debug", "none" },
        { "ECS_LOG_DRIVER=\nECS_LOGLEVEL=debug", "debug", "debug" },
        { "ECS_LOG_DRIVER=awslogs\nECS_LOGLEVEL_ON_INSTANCE=error", "info", "error" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct built b = build(cases[i].file, region_only);

        assert_string_equal(b.c->log_level, cases[i].screen);
        assert_string_equal(b.c->log_level_file, cases[i].want);
        assert_int_equal(b.p.n, 0);
        built_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),       cmocka_unit_test(test_lines),
        cmocka_unit_test(test_values),         cmocka_unit_test(test_external),
        cmocka_unit_test(test_log_file_level), cmocka_unit_test(test_bad_switches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
