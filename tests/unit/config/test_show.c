/* Showing values, comparing them, and the variables that are used by name. */
#include "unit/config/helper.h"

/* One line for every row that a file may have, each different from its default. */
static const char everything[] = "ECS_CLUSTER=c\n"
                                 "AWS_DEFAULT_REGION=eu-north-1\n"
                                 "ECS_BACKEND_HOST=https://ecs.example.com\n"
                                 "ECS_EXTERNAL=true\n"
                                 "ECS_INSTANCE_ATTRIBUTES={\"a\":\"x \\\"y\\\"\"}\n"
                                 "ECS_CONTAINER_INSTANCE_TAGS={\"t\":\"1\"}\n"
                                 "ECS_CONTAINER_INSTANCE_PROPAGATE_TAGS_FROM=ec2_instance\n"
                                 "ECS_DETAILED_OS_FAMILY=mine\n"
                                 "ECS_ENABLE_SPOT_INSTANCE_DRAINING=true\n"
                                 "BERTH_DRAIN_ON=terminate,rebalance\n"
                                 "ECS_WARM_POOLS_CHECK=true\n"
                                 "ECS_AGENT_CONFIG_FILE_PATH=/x.json\n"
                                 "ECS_DATADIR=/d\n"
                                 "BERTH_SOCKET=/s\n"
                                 "BERTH_LOCAL_TASKS=/l\n"
                                 "BERTH_TASKS_PORT=1\n"
                                 "BERTH_INTROSPECTION_PORT=2\n"
                                 "ECS_AGENT_HEALTHCHECK_HOST=h\n"
                                 "BERTH_METRICS=false\n"
                                 "BERTH_NETWORK_RULES=none\n"
                                 "BERTH_BIND_CREDENTIALS=false\n"
                                 "BERTH_STOP_DIGEST=false\n"
                                 "ECS_SKIP_LOCALHOST_TRAFFIC_FILTER=true\n"
                                 "ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS=true\n"
                                 "ECS_TASK_METADATA_RPS_LIMIT=1,2\n"
                                 "ECS_DISABLE_TASK_METADATA_AZ=true\n"
                                 "ECS_AUDIT_LOGFILE=/a\n"
                                 "ECS_AUDIT_LOGFILE_DISABLED=true\n"
                                 "DOCKER_HOST=unix:///d.sock\n"
                                 "ECS_RESERVED_PORTS=[1,2]\n"
                                 "ECS_RESERVED_PORTS_UDP=[53]\n"
                                 "ECS_RESERVED_MEMORY=128\n"
                                 "ECS_AVAILABLE_LOGGING_DRIVERS=[\"none\"]\n"
                                 "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=90m\n"
                                 "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION_JITTER=1500ms\n"
                                 "ECS_CONTAINER_STOP_TIMEOUT=1m1.5s\n"
                                 "BERTH_SHUTDOWN_TIMEOUT=90s\n"
                                 "ECS_CONTAINER_START_TIMEOUT=46s\n"
                                 "ECS_CONTAINER_CREATE_TIMEOUT=2m\n"
                                 "ECS_MANIFEST_PULL_TIMEOUT=31s\n"
                                 "ECS_IMAGE_PULL_TIMEOUT=3h\n"
                                 "ECS_IMAGE_PULL_INACTIVITY_TIMEOUT=2m\n"
                                 "ECS_PULL_DEPENDENT_CONTAINERS_UPFRONT=true\n"
                                 "ECS_ENGINE_AUTH_TYPE=docker\n"
                                 "BERTH_START_PARALLEL=3\n"
                                 "BERTH_PULL_PARALLEL=4\n"
                                 "ECS_ENABLE_TASK_CPU_MEM_LIMIT=false\n"
                                 "ECS_CGROUP_PATH=/cg\n"
                                 "ECS_CGROUP_CPU_PERIOD=12500us\n"
                                 "ECS_TASK_PIDS_LIMIT=99\n"
                                 "ECS_PROPAGATE_TASK_MEMORY_LIMIT_CGROUPV2=true\n"
                                 "ECS_DYNAMIC_HOST_PORT_RANGE=100-200\n"
                                 "ECS_SHARED_VOLUME_MATCH_FULL_CONFIG=true\n"
                                 "ECS_PAUSE_LABELS={\"k\":\"v\"}\n"
                                 "ECS_ENABLE_TASK_IAM_ROLE=false\n"
                                 "ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST=false\n"
                                 "ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE=false\n"
                                 "ECS_DISABLE_PRIVILEGED=true\n"
                                 "ECS_SELINUX_CAPABLE=true\n"
                                 "ECS_APPARMOR_CAPABLE=true\n"
                                 "ECS_ENABLE_GPU_SUPPORT=true\n"
                                 "ECS_DISABLE_DOCKER_HEALTH_CHECK=true\n"
                                 "ECS_DISABLE_METRICS=true\n"
                                 "ECS_ENABLE_CONTAINER_METADATA=true\n"
                                 "ECS_EXCLUDE_IPV6_PORTBINDING=false\n"
                                 "ECS_INSTANCE_IP_COMPATIBILITY=IPV6\n"
                                 "ECS_IMAGE_PULL_BEHAVIOR=once\n"
                                 "ECS_DISABLE_IMAGE_CLEANUP=true\n"
                                 "ECS_IMAGE_CLEANUP_INTERVAL=11m\n"
                                 "ECS_IMAGE_MINIMUM_CLEANUP_AGE=2h\n"
                                 "ECS_NUM_IMAGES_DELETE_PER_CYCLE=6\n"
                                 "ECS_ENABLE_UNTRACKED_IMAGE_CLEANUP=true\n"
                                 "NON_ECS_IMAGE_MINIMUM_CLEANUP_AGE=3h\n"
                                 "NONECS_NUM_CONTAINERS_DELETE_PER_CYCLE=-1\n"
                                 "ECS_EXCLUDE_UNTRACKED_IMAGE=a:1,b\n"
                                 "BERTH_DISK_HIGH_WATERMARK=50\n"
                                 "BERTH_DISK_LOW_WATERMARK=40\n"
                                 "BERTH_DISK_CHECK_INTERVAL=5s\n"
                                 "ECS_LOGFILE=/log/agent.log\n"
                                 "ECS_LOGLEVEL=debug\n"
                                 "ECS_LOGLEVEL_ON_INSTANCE=warn\n"
                                 "ECS_LOG_DRIVER=awslogs\n"
                                 "ECS_LOG_OPTS={\"awslogs-group\":\"agents\"}\n"
                                 "BERTH_LOG_SPOOL_MB=64\n"
                                 "BERTH_LOG_SINK=file:/data\n"
                                 "BERTH_LOG_ASK_BACK=false\n"
                                 "ECS_LOG_OUTPUT_FORMAT=json\n"
                                 "ECS_LOG_ROLLOVER_TYPE=none\n"
                                 "ECS_LOG_MAX_FILE_SIZE_MB=0.25\n"
                                 "ECS_LOG_MAX_ROLL_COUNT=3\n"
                                 "HTTP_PROXY=http://proxy:1\n"
                                 "HTTPS_PROXY=proxy:2\n"
                                 "NO_PROXY=localhost,10.0.0.0/8\n"
                                 "SSL_CERT_FILE=/ca.pem\n"
                                 "SSL_CERT_DIR=/a:/b\n"
                                 "AWS_CA_BUNDLE=/bundle.pem\n"
                                 "AWS_PROFILE=p\n"
                                 "ECS_ALTERNATE_CREDENTIAL_PROFILE=q\n"
                                 "AWS_SHARED_CREDENTIALS_FILE=/rotatingcreds/credentials\n"
                                 "AWS_CONFIG_FILE=/c\n"
                                 "AWS_WEB_IDENTITY_TOKEN_FILE=/t\n"
                                 "AWS_ROLE_ARN=arn:aws:iam::1:role/r\n"
                                 "AWS_ROLE_SESSION_NAME=s\n"
                                 "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2\n"
                                 "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1/x\n"
                                 "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/tok\n"
                                 "AWS_USE_FIPS_ENDPOINT=true\n"
                                 "AWS_USE_DUALSTACK_ENDPOINT=true\n"
                                 "AWS_MAX_ATTEMPTS=7\n"
                                 "AWS_ENDPOINT_URL=https://one\n"
                                 "AWS_ENDPOINT_URL_ECS=https://ecs\n"
                                 "AWS_ENDPOINT_URL_ECR=https://ecr\n"
                                 "AWS_ENDPOINT_URL_SSM=https://ssm\n"
                                 "AWS_ENDPOINT_URL_SECRETS_MANAGER=https://sm\n"
                                 "AWS_ENDPOINT_URL_S3=https://s3\n"
                                 "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS=https://logs\n"
                                 "AWS_ENDPOINT_URL_EC2=https://ec2\n"
                                 "AWS_ENDPOINT_URL_STS=https://sts\n"
                                 "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:9\n"
                                 "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=ipv6\n"
                                 "AWS_EC2_METADATA_V1_DISABLED=true\n"
                                 "AWS_EC2_METADATA_DISABLED=true\n";

/* Every row of the table that can be shown and has a feature is in the text above. */
static void test_everything_is_everything(void **state)
{
    size_t n;
    const struct config_var *rows = config_vars(&n);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        AUTO(str) char *line = rows[i].name ? mem_printf("\n%s=", rows[i].name) : NULL;

        if (!line || rows[i].env_only || rows[i].secret || rows[i].support != CONFIG_NOW ||
            str_starts(everything, line + 1))
            continue;
        if (!strstr(everything, line))
            fail_msg("%s is not there", rows[i].name);
    }
}

static void test_round_trip(void **state)
{
    struct built a = build(everything, NULL), plain = build(NULL, region_only), b;
    struct buf file = BUF_INIT(1 << 20);
    size_t n;
    const struct config_var *rows = config_vars(&n);

    (void)state;
    assert_string_equal(buf_text(&a.text), "");
    for (size_t i = 0; i < n; i++) {
        AUTO(str) char *value = config_show(a.c, i);

        if (!rows[i].name || rows[i].env_only || rows[i].secret || rows[i].support != CONFIG_NOW)
            continue;
        if (config_same(a.c, plain.c, i))
            fail_msg("%s=%s is the default", rows[i].name, value);
        buf_printf(&file, "%s=%s\n", rows[i].name, value);
    }
    b = build(buf_text(&file), NULL);
    assert_string_equal(buf_text(&b.text), "");
    for (size_t i = 0; i < n; i++)
        if (!config_same(a.c, b.c, i))
            fail_msg("%s did not come back", rows[i].name);
    built_fini(&a);
    built_fini(&b);
    built_fini(&plain);
    buf_fini(&file);
}

static void test_texts(void **state)
{
    static const struct {
        const char *line, *name, *want;
    } cases[] = {
        { "", "ECS_CLUSTER", "default" },
        { "", "ECS_BACKEND_HOST", "" },
        { "", "ECS_TASK_PIDS_LIMIT", "" },
        { "", "ECS_ENABLE_TASK_CPU_MEM_LIMIT", "" },
        { "", "ECS_DYNAMIC_HOST_PORT_RANGE", "" },
        { "", "ECS_RESERVED_PORTS_UDP", "[]" },
        { "", "ECS_LOG_MAX_FILE_SIZE_MB", "5" },
        { "", "ECS_TASK_METADATA_RPS_LIMIT", "40,60" },
        { "", "ECS_ENGINE_AUTH_DATA", "" },
        { "", "AWS_SECRET_ACCESS_KEY", "" },
        { "", "BERTH_INSTANCE_CONFIG", "/var/lib/ecs/ecs.config" },
        { "", "ECS_UPDATES_ENABLED", "" },
        { "ECS_ENGINE_AUTH_DATA={\"a\":1}", "ECS_ENGINE_AUTH_DATA", "(set)" },
        { "AWS_SECRET_ACCESS_KEY=s", "AWS_SECRET_ACCESS_KEY", "(set)" },
        { "AWS_ACCESS_KEY_ID=s", "AWS_ACCESS_KEY_ID", "(set)" },
        { "AWS_SESSION_TOKEN=s", "AWS_SESSION_TOKEN", "(set)" },
        { "AWS_CONTAINER_AUTHORIZATION_TOKEN=s", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "(set)" },
        { "HTTPS_PROXY=http://me:pw@proxy", "HTTPS_PROXY", "(set)" },
        { "HTTPS_PROXY=http://proxy", "HTTPS_PROXY", "http://proxy" },
        { "ECS_CGROUP_CPU_PERIOD=12500us", "ECS_CGROUP_CPU_PERIOD", "12500us" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct built b = build(cases[i].line, region_only);
        AUTO(str) char *got = config_show(b.c, vars_find(str_of(cases[i].name)));

        if (!streq(got, cases[i].want))
            fail_msg("%s: %s", cases[i].name, got);
        built_fini(&b);
    }
}

/* Row by row, one config becomes the other, and back. */
static void test_keep(void **state)
{
    struct built a = build(everything, NULL), b = build(NULL, region_only);
    struct built plain = build(NULL, region_only);

    (void)state;
    for (size_t i = 0; i < vars_count(); i++)
        config_keep(a.c, b.c, i);
    for (size_t i = 0; i < vars_count(); i++)
        if (!config_same(a.c, b.c, i))
            fail_msg("%s was not kept", vars_at(i)->name);
    assert_false(b.c->cluster_default);
    assert_string_equal(config_env(b.c, "HTTP_PROXY"), "http://proxy:1");
    for (size_t i = 0; i < vars_count(); i++)
        config_keep(plain.c, b.c, i);
    for (size_t i = 0; i < vars_count(); i++)
        if (!config_same(plain.c, b.c, i))
            fail_msg("%s did not go back", vars_at(i)->name);
    assert_true(b.c->cluster_default);
    assert_null(config_env(b.c, "HTTP_PROXY"));
    assert_int_equal(b.c->task_pids_limit, 0);
    assert_int_equal(b.c->dynamic_ports.first, 0);
    assert_int_equal(b.c->task_limits, TRI_UNSET);
    built_fini(&a);
    built_fini(&b);
    built_fini(&plain);
}

/* Escaped, it is longer than a file can be. */
static void test_keep_what_grows(void **state)
{
    static const char head[] = "ECS_INSTANCE_ATTRIBUTES={\"a\":\"";
    struct buf file = BUF_INIT(CONFIG_FILE_MAX);
    struct built a, b = build(NULL, region_only);
    size_t row = vars_find(str_of("ECS_INSTANCE_ATTRIBUTES"));

    (void)state;
    buf_puts(&file, head);
    while (file.len < CONFIG_FILE_MAX - 2)
        buf_putc(&file, 0x7F);
    buf_puts(&file, "\"}");
    a = build(buf_text(&file), region_only);
    assert_string_equal(buf_text(&a.text), "");
    config_keep(a.c, b.c, row);
    assert_true(config_same(a.c, b.c, row));
    assert_string_equal(b.c->instance_attributes.items[0].value,
                        a.c->instance_attributes.items[0].value);
    built_fini(&a);
    built_fini(&b);
    buf_fini(&file);
}

/* Not by what is shown of them: two different secrets are both "(set)". */
static void test_secrets_differ(void **state)
{
    struct built a = build("AWS_SECRET_ACCESS_KEY=a\nECS_ENGINE_AUTH_DATA=x\n", region_only);
    struct built b = build("AWS_SECRET_ACCESS_KEY=b\nECS_ENGINE_AUTH_DATA=x\n", region_only);

    (void)state;
    assert_false(config_same(a.c, b.c, vars_find(str_of("AWS_SECRET_ACCESS_KEY"))));
    assert_true(config_same(a.c, b.c, vars_find(str_of("ECS_ENGINE_AUTH_DATA"))));
    assert_true(config_same(a.c, b.c, vars_find(str_of("ECS_CLUSTER"))));
    built_fini(&a);
    built_fini(&b);
}

static void test_by_name(void **state)
{
    static const char *const env[] = { "AWS_DEFAULT_REGION=eu-west-1",
                                       "HOME=/root",
                                       "PATH=/bin",
                                       "http_proxy=http://low",
                                       "HTTPS_PROXY=http://high",
                                       "https_proxy=http://low",
                                       "AWS_PROFILE=",
                                       NULL };
    struct built b = build("AWS_PROFILE=of-the-file\nno_proxy=a\nAWS_ACCESS_KEY_ID=AK\n"
                           "AWS_ENDPOINT_URL_SSM=ssm.example.com\n"
                           "AWS_SHARED_CREDENTIALS_FILE=/rotatingcreds/x\nOTHER=y\n",
                           env);

    (void)state;
    assert_string_equal(buf_text(&b.text), "");
    assert_string_equal(config_env(b.c, "HTTP_PROXY"), "http://low");
    assert_string_equal(config_env(b.c, "http_proxy"), "http://low");
    assert_string_equal(config_env(b.c, "HTTPS_PROXY"), "http://high");
    assert_string_equal(config_env(b.c, "https_proxy"), "http://high");
    assert_string_equal(config_env(b.c, "NO_PROXY"), "a");
    assert_string_equal(config_env(b.c, "AWS_PROFILE"), "of-the-file");
    assert_string_equal(config_env(b.c, "AWS_ACCESS_KEY_ID"), "AK");
    assert_string_equal(config_env(b.c, "AWS_ENDPOINT_URL_SSM"), "https://ssm.example.com");
    assert_string_equal(config_env(b.c, "AWS_SHARED_CREDENTIALS_FILE"), "/root/.aws/x");
    assert_string_equal(config_env(b.c, "HOME"), "/root");
    assert_null(config_env(b.c, "PATH"));
    assert_null(config_env(b.c, "OTHER"));
    assert_null(config_env(b.c, "ECS_CLUSTER"));
    assert_null(config_env(b.c, "AWS_SESSION_TOKEN"));
    built_fini(&b);
}

/* The name in capitals counts more, wherever it is. */
static void test_spelling_of_proxies(void **state)
{
    static const char *const env[] = { "AWS_DEFAULT_REGION=x", "http_proxy=http://low", NULL };
    struct built b = build("http_proxy=http://file\n", env);

    (void)state;
    assert_string_equal(config_env(b.c, "HTTP_PROXY"), "http://low");
    built_fini(&b);
    b = build("HTTP_PROXY=http://file\nhttp_proxy=http://other\n", env);
    assert_string_equal(config_env(b.c, "HTTP_PROXY"), "http://file");
    assert_string_equal(buf_text(&b.text), "");
    built_fini(&b);
    b = build("HTTP_PROXY=ftp://me:hunter2@proxy\n", region_only);
    assert_null(config_env(b.c, "HTTP_PROXY"));
    assert_string_equal(buf_text(&b.text), "1: HTTP_PROXY: expected a proxy such as "
                                           "http://proxy.example.com:3128; ignored\n");
    built_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_is_everything),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_keep_what_grows),
        cmocka_unit_test(test_secrets_differ),
        cmocka_unit_test(test_by_name),
        cmocka_unit_test(test_spelling_of_proxies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
