/* Every wrong input, with the exact sentence a person gets. */
#include "unit/task/fixture.h"

static const struct {
    const char *text, *message;
} rows[] = {
    /* the document */
    { "[]", "expected a task, which is a JSON object" },
    { "null", "expected a task, which is a JSON object" },
    /* the task */
    { "{}", "arn: expected string, but it is missing" },
    { "{\"arn\":7}", "arn: expected string, got integer" },
    { "{\"arn\":\"\"}", "arn: expected the ARN of a task, got ''" },
    { "{\"arn\":\"x/\"}", "arn: expected the ARN of a task, got 'x/'" },
    { "{\"arn\":\"x\"}", "containers: a task needs at least one container" },
    { "{\"arn\":\"x\",\"containers\":{}}", "containers: expected array, got object" },
    { "{\"arn\":\"x\",\"containers\":[7]}", "containers[0]: expected object, got integer" },
    { TASK(",\"family\":1"), "family: expected string, got integer" },
    { TASK(",\"version\":7"), "version: expected string, got integer" },
    { TASK(",\"group\":[]"), "group: expected string, got array" },
    { TASK(",\"serviceName\":true"), "serviceName: expected string, got boolean" },
    { TASK(",\"enableFaultInjection\":1"), "enableFaultInjection: expected boolean, got integer" },
    { TASK(",\"launchType\":1"), "launchType: expected string, got integer" },
    { TASK(",\"networkMode\":1"), "networkMode: expected string, got integer" },
    { TASK(",\"pidMode\":1"), "pidMode: expected string, got integer" },
    { TASK(",\"ipcMode\":{}"), "ipcMode: expected string, got object" },
    { TASK(",\"desiredStatus\":1"), "desiredStatus: expected string, got integer" },
    { TASK(",\"desiredStatus\":\"running\""), "desiredStatus: unknown status 'running'" },
    { TASK(",\"desiredStatus\":\"\""), "desiredStatus: unknown status ''" },
    { TASK(",\"cpu\":\"1\""), "cpu: expected number, got string" },
    { TASK(",\"cpu\":-0.5"), "cpu: -0.5 is not in 0..1000000" },
    { TASK(",\"memory\":\"1\""), "memory: expected integer, got string" },
    { TASK(",\"memory\":1.5"), "memory: expected integer, got number" },
    { TASK(",\"memory\":-1"), "memory: -1 is not in 0..2147483647" },
    { TASK(",\"roleCredentials\":\"x\""), "roleCredentials: expected object, got string" },
    { TASK(",\"roleCredentials\":{}"),
      "roleCredentials.credentialsId: expected string, but it is missing" },
    { TASK(",\"executionRoleCredentials\":{\"credentialsId\":\"\"}"),
      "executionRoleCredentials.credentialsId: must not be empty" },
    /* the container */
    { MANY("{\"image\":\"i\"}"), "containers[0].name: expected string, but it is missing" },
    { MANY("{\"name\":\"\",\"image\":\"i\"}"), "containers[0].name: must not be empty" },
    { MANY("{\"name\":\"a\"}"), "containers[0].image: expected string, but it is missing" },
    { MANY(C("a", "") "," C("a", "")),
      "containers[1].name: 'a' is the name of containers[0] already" },
    { MANY(C("a", "") "," C("b", "") "," C("c", ",\"memory\":\"64\"")),
      "containers[2].memory: expected integer, got string" },
    { ONE(",\"memory\":-4"), "containers[0].memory: -4 is not in 0..2147483647" },
    { ONE(",\"cpu\":-1"), "containers[0].cpu: -1 is not in 0..2147483647" },
    { ONE(",\"cpu\":0.5"), "containers[0].cpu: expected integer, got number" },
    { ONE(",\"essential\":\"true\""), "containers[0].essential: expected boolean, got string" },
    { ONE(",\"startTimeout\":-1"), "containers[0].startTimeout: -1 is not in 0..2147483647" },
    { ONE(",\"stopTimeout\":\"5\""), "containers[0].stopTimeout: expected integer, got string" },
    { ONE(",\"containerArn\":1"), "containers[0].containerArn: expected string, got integer" },
    { ONE(",\"healthCheckType\":1"),
      "containers[0].healthCheckType: expected string, got integer" },
    { ONE(",\"logsAuthStrategy\":1"),
      "containers[0].logsAuthStrategy: expected string, got integer" },
    { ONE(",\"command\":\"sh\""), "containers[0].command: expected array, got string" },
    { ONE(",\"command\":[\"sh\",1]"), "containers[0].command[1]: expected string, got integer" },
    { ONE(",\"entryPoint\":{}"), "containers[0].entryPoint: expected array, got object" },
    { ONE(",\"environment\":[]"), "containers[0].environment: expected object, got array" },
    { ONE(",\"environment\":{\"PORT\":80}"),
      "containers[0].environment.PORT: expected string, got integer" },
    { ONE(",\"environment\":{\"A\":\"x\\u0000y\"}"),
      "containers[0].environment.A: contains a NUL character" },
    /* ports */
    { ONE(",\"portMappings\":{}"), "containers[0].portMappings: expected array, got object" },
    { ONE(",\"portMappings\":[{\"containerPort\":\"80\"}]"),
      "containers[0].portMappings[0].containerPort: expected integer, got string" },
    { ONE(",\"portMappings\":[{\"containerPort\":65536}]"),
      "containers[0].portMappings[0].containerPort: 65536 is not in 0..65535" },
    { ONE(",\"portMappings\":[{\"containerPort\":1,\"hostPort\":-1}]"),
      "containers[0].portMappings[0].hostPort: -1 is not in 0..65535" },
    { ONE(",\"portMappings\":[{\"containerPort\":1,\"protocol\":\"TCP\"}]"),
      "containers[0].portMappings[0].protocol: unknown protocol 'TCP'" },
    { ONE(",\"portMappings\":[{\"containerPort\":1,\"protocol\":6}]"),
      "containers[0].portMappings[0].protocol: expected string, got integer" },
    { ONE(",\"portMappings\":[{}]"),
      "containers[0].portMappings[0]: neither a containerPort nor a containerPortRange" },
    { ONE(",\"portMappings\":[{\"containerPortRange\":\"9\"}]"),
      "containers[0].portMappings[0].containerPortRange: expected 'first-last' within "
      "1..65535, got '9'" },
    { ONE(",\"portMappings\":[{\"containerPortRange\":\"9-8\"}]"),
      "containers[0].portMappings[0].containerPortRange: expected 'first-last' within "
      "1..65535, got '9-8'" },
    { ONE(",\"portMappings\":[{\"containerPortRange\":\"0-8\"}]"),
      "containers[0].portMappings[0].containerPortRange: expected 'first-last' within "
      "1..65535, got '0-8'" },
    { ONE(",\"portMappings\":[{\"containerPortRange\":\"1-65536\"}]"),
      "containers[0].portMappings[0].containerPortRange: expected 'first-last' within "
      "1..65535, got '1-65536'" },
    { ONE(",\"portMappings\":[{\"containerPortRange\":\"1-65535\"}]"),
      "containers[0].portMappings: more than 10000 ports" },
    /* mounts, secrets */
    { ONE(",\"mountPoints\":[{\"sourceVolume\":1}]"),
      "containers[0].mountPoints[0].sourceVolume: expected string, got integer" },
    { ONE(",\"mountPoints\":[{\"sourceVolume\":\"v\"}]"),
      "containers[0].mountPoints[0].containerPath: expected string, but it is missing" },
    { ONE(",\"mountPoints\":[{\"containerPath\":\"/v\",\"readOnly\":1}]"),
      "containers[0].mountPoints[0].readOnly: expected boolean, got integer" },
    { ONE(",\"secrets\":[{\"valueFrom\":\"v\"}]"),
      "containers[0].secrets[0].name: expected string, but it is missing" },
    { ONE(",\"secrets\":[{\"name\":\"n\",\"valueFrom\":1}]"),
      "containers[0].secrets[0].valueFrom: expected string, got integer" },
    /* environment files, restarts, registries */
    { ONE(",\"environmentFiles\":{}"),
      "containers[0].environmentFiles: expected array, got object" },
    { ONE(",\"environmentFiles\":[{\"type\":\"s3\"}]"),
      "containers[0].environmentFiles[0].value: expected string, but it is missing" },
    { ONE(",\"environmentFiles\":[{\"value\":\"v\",\"type\":\"ftp\"}]"),
      "containers[0].environmentFiles[0].type: unknown type 'ftp'" },
    { ONE(",\"environmentFiles\":[{\"value\":\"v\",\"type\":3}]"),
      "containers[0].environmentFiles[0].type: expected string, got integer" },
    { ONE(",\"restartPolicy\":true"), "containers[0].restartPolicy: expected object, got boolean" },
    { ONE(",\"restartPolicy\":{\"enabled\":1}"),
      "containers[0].restartPolicy.enabled: expected boolean, got integer" },
    { ONE(",\"restartPolicy\":{\"ignoredExitCodes\":3}"),
      "containers[0].restartPolicy.ignoredExitCodes: expected array, got integer" },
    { ONE(",\"restartPolicy\":{\"ignoredExitCodes\":[0,\"1\"]}"),
      "containers[0].restartPolicy.ignoredExitCodes[1]: expected integer, got string" },
    { ONE(",\"restartPolicy\":{\"ignoredExitCodes\":[2147483648]}"),
      "containers[0].restartPolicy.ignoredExitCodes[0]: 2147483648 is not in "
      "-2147483648..2147483647" },
    { ONE(",\"restartPolicy\":{\"restartAttemptPeriod\":-1}"),
      "containers[0].restartPolicy.restartAttemptPeriod: -1 is not in 0..2147483647" },
    { ONE(",\"registryAuthentication\":\"ecr\""),
      "containers[0].registryAuthentication: expected object, got string" },
    { ONE(",\"registryAuthentication\":{\"type\":1}"),
      "containers[0].registryAuthentication.type: expected string, got integer" },
    { ONE(",\"registryAuthentication\":{\"type\":\"ecr\"}"),
      "containers[0].registryAuthentication.ecrAuthData: expected object, but it is missing" },
    { ONE(",\"registryAuthentication\":{\"type\":\"ecr\",\"ecrAuthData\":{\"region\":1}}"),
      "containers[0].registryAuthentication.ecrAuthData.region: expected string, got integer" },
    { ONE(",\"registryAuthentication\":{\"type\":\"asm\"}"),
      "containers[0].registryAuthentication.asmAuthData: expected object, but it is missing" },
    { ONE(",\"registryAuthentication\":{\"type\":\"asm\",\"asmAuthData\":{}}"),
      "containers[0].registryAuthentication.asmAuthData.credentialsParameter: expected string, "
      "but it is missing" },
    /* overrides */
    { ONE(",\"overrides\":7"), "containers[0].overrides: expected string, got integer" },
    { ONE(",\"overrides\":\"[]\""), "containers[0].overrides: expected object, got array" },
    { ONE(",\"overrides\":\"{\\\"memory\\\":1}\""),
      "containers[0].overrides: unknown member 'memory'" },
    { ONE(",\"overrides\":{\"command\":[],\"cpu\":1}"),
      "containers[0].overrides: unknown member 'cpu'" },
    { ONE(",\"overrides\":\"{\\\"command\\\":\\\"sh\\\"}\""),
      "containers[0].overrides: command: expected array, got string" },
    { ONE(",\"overrides\":{\"command\":[1]}"),
      "containers[0].overrides.command[0]: expected string, got integer" },
    /* dockerConfig */
    { ONE(",\"dockerConfig\":\"{}\""), "containers[0].dockerConfig: expected object, got string" },
    { ONE(",\"dockerConfig\":{\"config\":{}}"),
      "containers[0].dockerConfig.config: expected string, got object" },
    { ONE(",\"dockerConfig\":{\"hostConfig\":1}"),
      "containers[0].dockerConfig.hostConfig: expected string, got integer" },
    /* relations */
    { ONE(",\"dependsOn\":{}"), "containers[0].dependsOn: expected array, got object" },
    { MANY(C("a", "") "," C("b", ",\"dependsOn\":[{\"containerName\":\"x\","
                                 "\"condition\":\"START\"}]")),
      "containers[1].dependsOn[0].containerName: no container named 'x' in this task" },
    { MANY(C("a", "") "," C("b", ",\"dependsOn\":[{\"containerName\":\"a\"}]")),
      "containers[1].dependsOn[0].condition: expected string, but it is missing" },
    { MANY(C("a", "") "," C("b", ",\"dependsOn\":[{\"containerName\":\"a\","
                                 "\"condition\":\"start\"}]")),
      "containers[1].dependsOn[0].condition: unknown condition 'start'" },
    { ONE(",\"volumesFrom\":[{\"sourceContainer\":\"x\"}]"),
      "containers[0].volumesFrom[0].sourceContainer: no container named 'x' in this task" },
    { ONE(",\"volumesFrom\":[{\"sourceContainer\":7}]"),
      "containers[0].volumesFrom[0].sourceContainer: expected string, got integer" },
    { ONE(",\"links\":[\"x:y\"]"), "containers[0].links[0]: no container named 'x' in this task" },
    { ONE(",\"links\":[7]"), "containers[0].links[0]: expected string, got integer" },
    { ONE(",\"links\":[\"a\"]"), "containers: dependency cycle: a -> a" },
    /* volumes */
    { TASK(",\"volumes\":{}"), "volumes: expected array, got object" },
    { TASK(",\"volumes\":[\"v\"]"), "volumes[0]: expected object, got string" },
    { TASK(",\"volumes\":[{\"host\":{}}]"), "volumes[0].name: expected string, but it is missing" },
    { TASK(",\"volumes\":[{\"name\":\"\",\"host\":{}}]"), "volumes[0].name: must not be empty" },
    { TASK(",\"volumes\":[{\"name\":\"v\"}]"),
      "volumes[0].host: expected object, but it is missing" },
    { TASK(",\"volumes\":[{\"name\":\"v\",\"host\":{\"sourcePath\":1}}]"),
      "volumes[0].host.sourcePath: expected string, got integer" },
    { TASK(",\"volumes\":[{\"name\":\"v\",\"type\":\"docker\"}]"),
      "volumes[0].dockerVolumeConfiguration: expected object, but it is missing" },
    { TASK(",\"volumes\":[{\"name\":\"v\",\"type\":\"docker\",\"dockerVolumeConfiguration\":"
           "{\"scope\":\"task\",\"autoprovision\":true}}]"),
      "volumes[0].dockerVolumeConfiguration.autoprovision: only a volume of scope shared can be "
      "provisioned automatically" },
    { TASK(",\"volumes\":[{\"name\":\"v\",\"type\":\"docker\",\"dockerVolumeConfiguration\":"
           "{\"driverOpts\":{\"o\":1}}}]"),
      "volumes[0].dockerVolumeConfiguration.driverOpts.o: expected string, got integer" },
    { TASK(",\"volumes\":[{\"name\":\"v\",\"type\":\"efs\"}]"),
      "volumes[0].type: volumes of type efs are not supported" },
    { TASK(",\"volumes\":[{\"name\":\"v\",\"host\":null}]"),
      "volumes[0].host: expected object, but it is missing" },
    { TASK(",\"volumes\":[{\"name\":\"v\",\"type\":\"host\"}]"),
      "volumes[0].host: expected object, but it is missing" },
    { TASK(",\"volumes\":[{\"name\":\"v\",\"type\":\"logDriverOutput\"}]"),
      "volumes[0].type: unrecognized volume type: \"logDriverOutput\"" },
    { TASK(",\"volumes\":[{\"name\":\"v\",\"type\":\"Docker\"}]"),
      "volumes[0].type: unrecognized volume type: \"Docker\"" },
    { TASK(",\"volumes\":[{\"name\":\"v\",\"type\":\"ebs\"}]"),
      "volumes[0].type: unrecognized volume type: \"ebs\"" },
    { TASK(",\"volumes\":[{\"name\":\"v\",\"type\":1}]"),
      "volumes[0].type: expected string, got integer" },
};

static void test_messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_decode_fails(rows[i].text, rows[i].message);
}

/* The rest of the sentence is the JSON library's. */
static void test_not_json(void **state)
{
    static const struct {
        const char *text, *start;
    } broken[] = {
        { "", "not JSON: line 1 column 0: " },
        { "{\"arn\":", "not JSON: line 1 column 7: " },
        { TASK("") "x", "not JSON: line 1 column " },
        { ONE(",\"overrides\":\"\""), "containers[0].overrides: not JSON: line 1 column 0: " },
        { ONE(",\"overrides\":\"{\""), "containers[0].overrides: not JSON: line 1 column 1: " },
    };
    struct task *t = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        struct err e = { 0 };

        assert_int_equal(task_decode_text(broken[i].text, strlen(broken[i].text), &t, &e),
                         ERR_INVALID);
        if (!str_starts(e.msg, broken[i].start))
            fail_msg("'%s' does not start with '%s'", e.msg, broken[i].start);
    }
}

/* An error needs nobody to read it. */
static void test_without_err(void **state)
{
    struct task *t = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(task_decode_text(rows[i].text, strlen(rows[i].text), &t, NULL),
                         ERR_INVALID);
    assert_null(t);
}

static char *many_containers(size_t n)
{
    struct buf b = BUF_INIT(1 << 20);

    buf_puts(&b, "{\"arn\":\"" ARN "\",\"containers\":[");
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s{\"name\":\"c%zu\",\"image\":\"i\"}", i ? "," : "", i);
    buf_puts(&b, "]}");
    return buf_take(&b);
}

static void test_container_limit(void **state)
{
    AUTO(str) char *fits = many_containers(TASK_MAX_CONTAINERS);
    AUTO(str) char *too_many = many_containers(TASK_MAX_CONTAINERS + 1);
    AUTO(task) struct task *t = decode(fits);

    (void)state;
    assert_int_equal(t->n_containers, TASK_MAX_CONTAINERS);
    assert_decode_fails(too_many, "containers: 121 are more than 120");
}

static void test_size_limit(void **state)
{
    static const char head[] = "{\"arn\":\"" ARN "\",\"x\":\"";
    char *text = mem_alloc(TASK_MAX_JSON + 2);
    struct task *t = NULL;
    struct err e = { 0 };

    (void)state;
    memset(text, 'a', TASK_MAX_JSON + 1);
    memcpy(text, head, sizeof head - 1);
    assert_int_equal(task_decode_text(text, TASK_MAX_JSON + 1, &t, &e), ERR_LIMIT);
    assert_string_equal(e.msg, "the task's JSON is larger than 1048576 bytes");
    free(text);
}

/* A document that some other parser let in is bounded too. */
static void test_size_limit_of_value(void **state)
{
    struct buf b = BUF_INIT(2 * TASK_MAX_JSON);
    AUTO(json) struct json_t *v = NULL;
    struct task *t = NULL;
    struct err e = { 0 };

    (void)state;
    buf_puts(&b, "{\"arn\":\"" ARN "\",\"x\":\"");
    while (b.len < TASK_MAX_JSON)
        buf_puts(&b, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    buf_puts(&b, "\"}");
    assert_int_equal(json_parse(b.data, b.len, &v, &e), ERR_OK);
    assert_int_equal(task_decode(v, &t, &e), ERR_LIMIT);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),   cmocka_unit_test(test_without_err),
        cmocka_unit_test(test_not_json),   cmocka_unit_test(test_container_limit),
        cmocka_unit_test(test_size_limit), cmocka_unit_test(test_size_limit_of_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
