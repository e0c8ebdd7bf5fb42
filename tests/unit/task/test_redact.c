#include "unit/task/fixture.h"

/* Every place where a secret may stand says "hush". */
static const char full[] =
    "{\"arn\":\"" ARN "\",\"family\":\"f\",\"version\":\"1\",\"group\":\"g\","
    "\"desiredStatus\":\"RUNNING\",\"cpu\":0.1,\"memory\":99,\"networkMode\":\"odd\","
    "\"launchType\":\"EC2\",\"enableFaultInjection\":true,"
    "\"serviceName\":\"s\",\"pidMode\":\"task\",\"ipcMode\":\"none\","
    "\"roleCredentials\":{\"credentialsId\":\"r\",\"secretAccessKey\":\"hush\"},"
    "\"later\":{\"token\":\"hush\"},\"containers\":["
    "{\"name\":\"a\",\"image\":\"i\",\"essential\":true,\"cpu\":5,\"memory\":6,"
    "\"command\":[\"x\",\"hush\"],\"entryPoint\":[\"hush\"],\"environment\":{\"K\":\"hush\"},"
    "\"later\":\"hush\",\"healthCheckType\":\"docker\",\"logsAuthStrategy\":\"ExecutionRole\","
    "\"containerArn\":\"ca\",\"startTimeout\":3,\"stopTimeout\":4,"
    "\"restartPolicy\":{\"enabled\":true,\"ignoredExitCodes\":[0,-3],"
    "\"restartAttemptPeriod\":7,\"later\":\"hush\"},\"registryAuthentication\":{\"type\":"
    "\"ecr\",\"password\":\"hush\",\"ecrAuthData\":{\"region\":\"r\",\"registryId\":\"1\","
    "\"endpointOverride\":\"e\",\"useExecutionRole\":true}},\"environmentFiles\":["
    "{\"value\":\"arn:aws:s3:::b/z\"},{\"value\":\"arn:aws:s3:::b/a\",\"type\":\"s3\"}],"
    "\"portMappings\":[{\"containerPort\":80,\"hostPort\":81},"
    "{\"containerPortRange\":\"5-6\",\"protocol\":\"udp\"}],"
    "\"mountPoints\":[{\"sourceVolume\":\"v\",\"containerPath\":\"/v\"}],"
    "\"secrets\":[{\"name\":\"S\",\"valueFrom\":\"/s\",\"provider\":\"ssm\",\"region\":\"r\"},"
    "{\"name\":\"T\",\"valueFrom\":\"/t\",\"target\":\"LOG_DRIVER\"}],"
    "\"dockerConfig\":{\"version\":\"1.17\","
    "\"config\":\"{\\\"Env\\\":[\\\"A=hush\\\"]}\",\"hostConfig\":\"{\\\"NetworkMode\\\":"
    "\\\"bridge\\\",\\\"MemoryReservation\\\":5242881,\\\"Sysctls\\\":{\\\"a\\\":\\\"hush\\\"},"
    "\\\"LogConfig\\\":{\\\"Type\\\":\\\"awslogs\\\",\\\"Config\\\":{\\\"awslogs-group\\\":"
    "\\\"g\\\",\\\"splunk-token\\\":\\\"hush\\\"}}}\"}},"
    "{\"name\":\"b\",\"image\":\"i\",\"overrides\":\"{\\\"command\\\":[\\\"hush\\\"]}\","
    "\"links\":[\"a:db\"],\"volumesFrom\":[{\"sourceContainer\":\"a\",\"readOnly\":true}],"
    "\"dependsOn\":[{\"containerName\":\"a\",\"condition\":\"HEALTHY\"}]},"
    "{\"name\":\"c\",\"image\":\"i\",\"links\":[\"a\"],\"registryAuthentication\":{"
    "\"type\":\"asm\",\"asmAuthData\":{\"credentialsParameter\":\"arn:p\"}},"
    "\"volumesFrom\":[{\"sourceContainer\":\"b\"}]}],"
    "\"volumes\":[{\"name\":\"v\",\"host\":{\"sourcePath\":\"/srv\"}},{\"name\":\"w\",\"host\":{}},"
    "{\"name\":\"d\",\"type\":\"docker\",\"dockerVolumeConfiguration\":{\"scope\":\"shared\","
    "\"autoprovision\":true,\"driver\":\"x\",\"driverOpts\":{\"o\":\"hush\"},"
    "\"labels\":{\"l\":\"hush\"}}}]}";

static void test_no_secret(void **state)
{
    AUTO(task) struct task *t = decode(full);
    AUTO(str) char *text = task_redacted_json(t);

    (void)state;
    assert_null(strstr(text, "hush"));
    assert_non_null(strstr(text, "\"environment\":{\"K\":\"\"}"));
    assert_non_null(strstr(text, "\"command\":[\"\",\"\"]"));
    assert_non_null(strstr(text, "\"driverOpts\":{\"o\":\"\"}"));
    assert_non_null(strstr(text, "\\\"awslogs-group\\\":\\\"g\\\""));
    assert_non_null(strstr(text, "\\\"splunk-token\\\":\\\"\\\""));
    assert_non_null(strstr(text, "\\\"NetworkMode\\\":\\\"bridge\\\""));
}

static void assert_same_text(const char *a, const char *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a)
        assert_string_equal(a, b);
}

static void assert_same_policies(const struct task_container *a, const struct task_container *b)
{
    assert_int_equal(a->restart.enabled, b->restart.enabled);
    assert_int_equal(a->restart.attempt_period_s, b->restart.attempt_period_s);
    assert_int_equal(a->restart.n_ignored_codes, b->restart.n_ignored_codes);
    for (size_t i = 0; i < a->restart.n_ignored_codes; i++)
        assert_int_equal(a->restart.ignored_codes[i], b->restart.ignored_codes[i]);
    assert_int_equal(a->auth.kind, b->auth.kind);
    assert_same_text(a->auth.region, b->auth.region);
    assert_same_text(a->auth.registry_id, b->auth.registry_id);
    assert_same_text(a->auth.endpoint_override, b->auth.endpoint_override);
    assert_same_text(a->auth.secret_id, b->auth.secret_id);
    assert_int_equal(a->auth.use_execution_role, b->auth.use_execution_role);
}

static void assert_same_container(const struct task_container *a, const struct task_container *b)
{
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->image, b->image);
    assert_int_equal(a->essential, b->essential);
    assert_int_equal(a->cpu_shares, b->cpu_shares);
    assert_int_equal(a->memory_mib, b->memory_mib);
    assert_int_equal(a->memory_reservation_mib, b->memory_reservation_mib);
    assert_int_equal(a->n_command, b->n_command);
    assert_int_equal(a->n_entry_point, b->n_entry_point);
    assert_int_equal(a->n_env, b->n_env);
    assert_int_equal(a->n_ports, b->n_ports);
    for (size_t i = 0; i < a->n_ports; i++) {
        assert_int_equal(a->ports[i].container_port, b->ports[i].container_port);
        assert_int_equal(a->ports[i].host_port, b->ports[i].host_port);
        assert_int_equal(a->ports[i].range_first, b->ports[i].range_first);
        assert_int_equal(a->ports[i].range_last, b->ports[i].range_last);
        assert_int_equal(a->ports[i].proto, b->ports[i].proto);
    }
    assert_int_equal(a->n_deps, b->n_deps);
    for (size_t i = 0; i < a->n_deps; i++) {
        assert_int_equal(a->deps[i].target, b->deps[i].target);
        assert_int_equal(a->deps[i].condition, b->deps[i].condition);
    }
    assert_int_equal(a->n_links, b->n_links);
    assert_int_equal(a->n_from, b->n_from);
    assert_int_equal(a->n_mounts, b->n_mounts);
    assert_int_equal(a->n_secrets, b->n_secrets);
    for (size_t i = 0; i < a->n_secrets; i++) {
        assert_string_equal(a->secrets[i].name, b->secrets[i].name);
        assert_string_equal(a->secrets[i].value_from, b->secrets[i].value_from);
        assert_string_equal(a->secrets[i].region, b->secrets[i].region);
        assert_string_equal(a->secrets[i].provider, b->secrets[i].provider);
        assert_int_equal(a->secrets[i].log_driver, b->secrets[i].log_driver);
    }
    assert_int_equal(a->n_env_files, b->n_env_files);
    for (size_t i = 0; i < a->n_env_files; i++)
        assert_string_equal(a->env_files[i], b->env_files[i]);
    assert_int_equal(a->internal, b->internal);
    assert_same_policies(a, b);
    assert_int_equal(a->start_timeout_s, b->start_timeout_s);
    assert_int_equal(a->stop_timeout_s, b->stop_timeout_s);
    assert_int_equal(a->health_docker, b->health_docker);
    assert_int_equal(a->log_execution_role, b->log_execution_role);
    assert_int_equal(a->n_log_options, b->n_log_options);
    assert_string_equal(a->log_driver ? a->log_driver : "", b->log_driver ? b->log_driver : "");
}

static void test_same_decisions(void **state)
{
    AUTO(task) struct task *t = decode(full);
    AUTO(str) char *text = task_redacted_json(t);
    AUTO(task) struct task *back = decode(text);
    AUTO(str) char *again = task_redacted_json(back);

    (void)state;
    assert_string_equal(text, again);
    assert_string_equal(back->network_mode, "");
    assert_int_equal(t->desired, back->desired);
    assert_string_equal(t->role_credentials_id, back->role_credentials_id);
    assert_null(back->execution_credentials_id);
    assert_int_equal(task_need_cpu(t), task_need_cpu(back));
    assert_int_equal(task_need_memory_mib(t), task_need_memory_mib(back));
    assert_int_equal(t->n_containers, 4);
    assert_int_equal(t->n_containers, back->n_containers);
    for (size_t i = 0; i < t->n_containers; i++)
        assert_same_container(&t->containers[i], &back->containers[i]);
    assert_int_equal(t->n_volumes, back->n_volumes);
    assert_string_equal(back->volumes[0].host_path, "/srv");
    assert_null(back->volumes[1].host_path);
    for (size_t i = 0; i < t->n_volumes; i++)
        assert_int_equal(t->volumes[i].kind, back->volumes[i].kind);
}

/* Text that is not JSON stays what it is: nothing. */
static void test_broken_docker_config(void **state)
{
    AUTO(task)
    struct task *t =
        decode(ONE(",\"dockerConfig\":{\"config\":\"hush\",\"hostConfig\":\"{hush\"}"));
    AUTO(str) char *text = task_redacted_json(t);
    AUTO(task) struct task *back = decode(text);

    (void)state;
    assert_null(strstr(text, "hush"));
    assert_null(back->containers[0].log_driver);
}

/* The most that quoting can add: nothing is cut. */
static void test_worst_growth(void **state)
{
    struct buf b = BUF_INIT(TASK_MAX_JSON);
    AUTO(task) struct task *t = NULL;
    AUTO(str) char *text = NULL;

    (void)state;
    buf_puts(&b, "{\"arn\":\"x/1\",\"containers\":[{\"name\":\"a\",\"image\":\"");
    while (b.len < TASK_MAX_JSON - 64)
        buf_putc(&b, '\x7F');
    buf_puts(&b, "\"}]}");
    t = decode(buf_text(&b));
    text = task_redacted_json(t);
    assert_true(str_ends(text, "]}"));
    assert_true(strlen(text) > 5 * (size_t)TASK_MAX_JSON);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_secret),
        cmocka_unit_test(test_same_decisions),
        cmocka_unit_test(test_broken_docker_config),
        cmocka_unit_test(test_worst_growth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
