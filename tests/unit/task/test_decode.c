#include "unit/task/fixture.h"

#define Q(text) "\"" text "\""

static void test_smallest(void **state)
{
    AUTO(task) struct task *t = decode(TASK(""));
    const struct task_container *c = &t->containers[0];

    (void)state;
    assert_string_equal(t->arn, ARN);
    assert_string_equal(t->id, "5d9ab28dab61444fb26cad5e651bf983");
    assert_string_equal(t->family, "");
    assert_string_equal(t->network_mode, "bridge");
    assert_int_equal(t->desired, TASK_NONE);
    assert_null(t->group);
    assert_null(t->pid_mode);
    assert_null(t->role_credentials_id);
    assert_int_equal(t->n_containers, 1);
    assert_false(c->essential);
    assert_null(c->command);
    assert_null(c->log_driver);
    assert_null(c->docker_config);
    assert_int_equal(c->stop_timeout_s, -1);
    assert_int_equal(c->start_timeout_s, 0);
}

static void test_everything(void **state)
{
    AUTO(task)
    struct task *t = decode("{\"Arn\":" Q(
        ARN) ",\"family\":\"shop\",\"version\":\"7\",\"group\":\"g\","
             "\"serviceName\":\"s\",\"launchType\":\"EC2\",\"desiredStatus\":\"RUNNING\","
             "\"enableFaultInjection\":true,"
             "\"networkMode\":\"host\",\"pidMode\":\"host\",\"ipcMode\":\"none\",\"cpu\":0.5,"
             "\"memory\":512,\"future\":{\"x\":[1]},"
             "\"roleCredentials\":{\"credentialsId\":\"r\"},"
             "\"executionRoleCredentials\":{\"credentialsId\":\"x\"},"
             "\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"containerArn\":\"ca\",\"cpu\":10,"
             "\"memory\":64,\"essential\":true,\"command\":[\"sh\",\"-c\"],\"entryPoint\":[\"e\"],"
             "\"environment\":{\"B\":\"2\",\"A\":\"1\",\"N\":null},\"startTimeout\":3,"
             "\"stopTimeout\":5,\"healthCheckType\":\"docker\",\"logsAuthStrategy\":"
             "\"ExecutionRole\","
             "\"mountPoints\":[{\"sourceVolume\":\"v\",\"containerPath\":\"/"
             "v\",\"readOnly\":true}],"
             "\"secrets\":[{\"name\":\"S\",\"valueFrom\":\"/"
             "s\",\"region\":\"r\",\"provider\":\"ssm\","
             "\"type\":\"ENVIRONMENT_VARIABLE\",\"target\":\"CONTAINER\"},"
             "{\"name\":\"m\",\"valueFrom\":\"/m\",\"type\":\"MOUNT_POINT\"},"
             "{\"name\":\"L\",\"valueFrom\":\"/l\",\"target\":\"LOG_DRIVER\"}],"
             "\"dockerConfig\":{\"version\":\"1.17\",\"config\":\"{}\",\"hostConfig\":"
             "\"{\\\"MemoryReservation\\\":33554431,\\\"LogConfig\\\":{\\\"Type\\\":"
             "\\\"awslogs\\\","
             "\\\"Config\\\":{\\\"awslogs-group\\\":\\\"g\\\"}}}\"}}],"
             "\"volumes\":[{\"name\":\"v\",\"host\":{\"sourcePath\":\"/srv\"}},"
             "{\"name\":\"w\",\"type\":\"host\",\"host\":{}},"
             "{\"name\":\"d\",\"type\":\"docker\",\"dockerVolumeConfiguration\":{\"scope\":"
             "\"task\","
             "\"driver\":\"local\",\"driverOpts\":{\"o\":\"1\"},\"labels\":{\"l\":\"2\"}}},"
             "{\"name\":\"e\",\"type\":\"docker\",\"dockerVolumeConfiguration\":{\"scope\":"
             "\"shared\","
             "\"autoprovision\":true}}]}");
    const struct task_container *c = &t->containers[0];

    (void)state;
    assert_string_equal(t->family, "shop");
    assert_string_equal(t->version, "7");
    assert_string_equal(t->group, "g");
    assert_string_equal(t->service_name, "s");
    assert_string_equal(t->launch_type, "EC2");
    assert_true(t->fault_injection);
    assert_int_equal(t->desired, TASK_RUNNING);
    assert_string_equal(t->network_mode, "host");
    assert_string_equal(t->pid_mode, "host");
    assert_string_equal(t->ipc_mode, "none");
    assert_true(t->cpu_vcpus == 0.5);
    assert_int_equal(t->memory_mib, 512);
    assert_string_equal(t->role_credentials_id, "r");
    assert_string_equal(t->execution_credentials_id, "x");

    assert_string_equal(c->arn, "ca");
    assert_int_equal(c->cpu_shares, 10);
    assert_int_equal(c->memory_mib, 64);
    assert_int_equal(c->memory_reservation_mib, 31); /* rounded down */
    assert_true(c->essential);
    assert_int_equal(c->n_command, 2);
    assert_string_equal(c->command[1], "-c");
    assert_null(c->command[2]);
    assert_int_equal(c->n_entry_point, 1);
    assert_int_equal(c->n_env, 3);
    assert_string_equal(c->env[0].name, "A");
    assert_string_equal(c->env[1].value, "2");
    assert_string_equal(c->env[2].value, "");
    assert_int_equal(c->start_timeout_s, 3);
    assert_int_equal(c->stop_timeout_s, 5);
    assert_true(c->health_docker);
    assert_true(c->log_execution_role);
    assert_int_equal(c->n_mounts, 1);
    assert_true(c->mounts[0].read_only);
    assert_int_equal(c->n_secrets, 2);
    assert_false(c->secrets[0].log_driver);
    assert_string_equal(c->secrets[1].name, "L");
    assert_true(c->secrets[1].log_driver);
    assert_string_equal(c->docker_version, "1.17");
    assert_string_equal(c->log_driver, "awslogs");
    assert_int_equal(c->n_log_options, 1);
    assert_string_equal(c->log_options[0].value, "g");

    assert_int_equal(t->n_volumes, 4);
    assert_int_equal(t->volumes[0].kind, VOLUME_HOST);
    assert_string_equal(t->volumes[0].host_path, "/srv");
    assert_int_equal(t->volumes[1].kind, VOLUME_TASK);
    assert_null(t->volumes[1].host_path);
    assert_int_equal(t->volumes[2].kind, VOLUME_TASK);
    assert_string_equal(t->volumes[2].driver, "local");
    assert_string_equal(t->volumes[2].driver_opts[0].value, "1");
    assert_string_equal(t->volumes[2].labels[0].name, "l");
    assert_int_equal(t->volumes[3].kind, VOLUME_SHARED);
    assert_null(t->volumes[3].driver);
    assert_true(t->volumes[3].autoprovision);
}

static void test_statuses(void **state)
{
    static const struct {
        const char *member;
        enum task_status want;
    } rows[] = {
        { "", TASK_NONE },
        { ",\"desiredStatus\":null", TASK_NONE },
        { ",\"desiredStatus\":\"NONE\"", TASK_NONE },
        { ",\"desiredStatus\":\"UNKNOWN\"", TASK_NONE },
        { ",\"desiredStatus\":\"MANIFEST_PULLED\"", TASK_MANIFEST_PULLED },
        { ",\"desiredStatus\":\"CREATED\"", TASK_CREATED },
        { ",\"desiredStatus\":\"RUNNING\"", TASK_RUNNING },
        { ",\"desiredStatus\":\"STOPPED\"", TASK_STOPPED },
        { ",\"desiredStatus\":\"DEAD\"", TASK_STOPPED },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(str)
        char *text =
            mem_printf("{\"arn\":\"x/1\",\"containers\":[{\"name\":\"a\",\"image\":\"i\"}]%s}",
                       rows[i].member);
        AUTO(task) struct task *t = decode(text);

        assert_int_equal(t->desired, rows[i].want);
    }
}

static void test_stopped_without_containers(void **state)
{
    AUTO(task) struct task *t = decode("{\"arn\":\"x/1\",\"desiredStatus\":\"STOPPED\"}");

    (void)state;
    assert_int_equal(t->n_containers, 0);
    assert_int_equal(task_need_cpu(t), 0);
}

static void test_network_modes(void **state)
{
    static const struct {
        const char *sent, *want;
    } rows[] = {
        { "", "bridge" },   { "bridge", "bridge" }, { "awsvpc", "awsvpc" },
        { "host", "host" }, { "none", "none" },     { "carrier-pigeon", "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(str)
        char *text = mem_printf("{\"arn\":\"x/1\",\"desiredStatus\":\"STOPPED\","
                                "\"networkMode\":\"%s\"}",
                                rows[i].sent);
        AUTO(task) struct task *t = decode(text);

        assert_string_equal(t->network_mode, rows[i].want);
    }
}

static void test_ports(void **state)
{
    AUTO(task)
    struct task *t =
        decode(ONE(",\"portMappings\":[{\"containerPort\":80,\"hostPort\":8080},"
                   "{\"containerPort\":53,\"protocol\":\"udp\",\"containerPortRange\":\"junk\"},"
                   "{\"containerPort\":0,\"hostPort\":99,\"containerPortRange\":\"9000-9002\"},"
                   "{\"containerPortRange\":\"7-7\",\"protocol\":\"udp\"}]"));
    const struct task_port *p = t->containers[0].ports;

    (void)state;
    assert_int_equal(t->containers[0].n_ports, 4);
    assert_int_equal(p[0].container_port, 80);
    assert_int_equal(p[0].host_port, 8080);
    assert_int_equal(p[0].proto, PORT_TCP);
    assert_int_equal(p[1].proto, PORT_UDP);
    assert_int_equal(p[1].range_last, 0); /* a port wins over a range */
    assert_int_equal(p[2].container_port, 0);
    assert_int_equal(p[2].host_port, 0);
    assert_int_equal(p[2].range_first, 9000);
    assert_int_equal(p[2].range_last, 9002);
    assert_int_equal(p[3].range_first, 7);
}

static void test_overrides(void **state)
{
    static const struct {
        const char *overrides, *want; /* the command joined, "" for the image's */
    } rows[] = {
        { "null", "sh" },
        { "{}", "sh" },
        { "\"{}\"", "sh" },
        { "\"null\"", "sh" },
        { "{\"command\":null}", "sh" },
        { "{\"command\":[\"x\",\"y\"]}", "xy" },
        { "\"{\\\"command\\\":[\\\"z\\\"]}\"", "z" },
        { "\"{\\\"Command\\\":[\\\"z\\\"]}\"", "z" },
        { "{\"command\":[]}", "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(str)
        char *text = mem_printf("{\"arn\":\"x/1\",\"containers\":[{\"name\":\"a\","
                                "\"image\":\"i\",\"command\":[\"sh\"],"
                                "\"overrides\":%s}]}",
                                rows[i].overrides);
        AUTO(task) struct task *t = decode(text);
        AUTO(buf) struct buf b = BUF_INIT(64);

        for (size_t k = 0; k < t->containers[0].n_command; k++)
            buf_puts(&b, t->containers[0].command[k]);
        assert_string_equal(buf_text(&b), rows[i].want);
    }
}

/* It fails when the container is created, with the name users know. */
static void test_broken_docker_config(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "7",
        "null",
        "{\\\"LogConfig\\\":7,\\\"MemoryReservation\\\":\\\"x\\\"}",
        "{\\\"LogConfig\\\":{\\\"Type\\\":7,\\\"Config\\\":[]}}",
        "{\\\"MemoryReservation\\\":-1}",
        "{\\\"LogConfig\\\":{\\\"Type\\\":\\\"\\\"}}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        AUTO(str)
        char *text = mem_printf("{\"arn\":\"x/1\",\"containers\":[{\"name\":\"a\","
                                "\"image\":\"i\",\"dockerConfig\":{\"config\":\"{\","
                                "\"hostConfig\":\"%s\"}}]}",
                                texts[i]);
        AUTO(task) struct task *t = decode(text);

        assert_int_equal(t->containers[0].memory_reservation_mib, 0);
        if (t->containers[0].log_driver)
            assert_string_not_equal(t->containers[0].log_driver, "awslogs");
        assert_int_equal(t->containers[0].n_log_options, 0);
    }
}

/* ---- what the store keeps ---- */

#define CREDS(id)                                                                    \
    "{\"credentialsId\":\"" id "\",\"roleArn\":\"arn:r\",\"accessKeyId\":\"AKIA1\"," \
    "\"secretAccessKey\":\"hush\",\"sessionToken\":\"tok\",\"expiration\":\"2036\"}"

static void test_stored_json_has_no_secret(void **state)
{
    static const char *const secret[] = { "AKIA1", "hush", "tok", "accessKeyId", "sessionToken" };
    AUTO(task)
    struct task *t =
        decode(TASK(",\"roleCredentials\":" CREDS("r") ",\"EXECUTIONROLECREDENTIALS\":" CREDS(
            "x") ",\"later\":[1,2.5,{\"b\":1,\"a\":null}]"));

    (void)state;
    for (size_t i = 0; i < COUNT_OF(secret); i++)
        assert_null(strstr(t->json, secret[i]));
    assert_string_equal(
        t->json, "{\"arn\":\"" ARN "\",\"containers\":[{\"image\":\"i\",\"name\":\"a\"}],"
                 "\"roleCredentials\":{\"credentialsId\":\"r\",\"roleArn\":\"arn:r\"},"
                 "\"EXECUTIONROLECREDENTIALS\":{\"credentialsId\":\"x\",\"roleArn\":\"arn:r\"},"
                 "\"later\":[1,2.5,{\"a\":null,\"b\":1}]}");
}

static void test_stored_json_decodes_again(void **state)
{
    AUTO(task) struct task *a = decode(TASK(",\"roleCredentials\":" CREDS("r")));
    AUTO(task) struct task *b = decode(a->json);

    (void)state;
    assert_string_equal(a->json, b->json);
    assert_string_equal(b->role_credentials_id, "r");
}

static void test_credentials(void **state)
{
    AUTO(json) struct json_t *v = NULL;
    struct task_credentials got;
    struct err e = { 0 }, je = { 0 };
    static const char text[] = "{\"roleCredentials\":" CREDS("r") ",\"bad\":{\"credentialsId\":1}}";
    struct jcur root, c;

    (void)state;
    assert_int_equal(json_parse(text, sizeof text - 1, &v, &e), ERR_OK);
    root = jcur_root(v, &je);
    c = jcur_get(&root, "roleCredentials");
    assert_int_equal(task_decode_credentials(&c, &got, &e), ERR_OK);
    assert_string_equal(got.id, "r");
    assert_string_equal(got.role_arn, "arn:r");
    assert_string_equal(got.access_key, "AKIA1");
    assert_string_equal(got.secret_key, "hush");
    assert_string_equal(got.session_token, "tok");
    assert_string_equal(got.expiration, "2036");
    task_credentials_fini(&got);
    assert_null(got.secret_key);

    c = jcur_get(&root, "executionRoleCredentials");
    memset(&got, 1, sizeof got);
    assert_int_equal(task_decode_credentials(&c, &got, &e), ERR_OK);
    assert_null(got.id);

    c = jcur_get(&root, "bad");
    assert_int_equal(task_decode_credentials(&c, &got, &e), ERR_INVALID);
    assert_string_equal(e.msg, "bad.credentialsId: expected string, got integer");
    assert_null(got.id); /* untouched */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest),
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_stopped_without_containers),
        cmocka_unit_test(test_network_modes),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_broken_docker_config),
        cmocka_unit_test(test_stored_json_has_no_secret),
        cmocka_unit_test(test_stored_json_decodes_again),
        cmocka_unit_test(test_credentials),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
