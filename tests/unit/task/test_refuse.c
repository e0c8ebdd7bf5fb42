/* What a task may not ask for here, and that its end can be told all the same. */
#include "unit/task/fixture.h"

#define HOST(config) ",\"dockerConfig\":{\"hostConfig\":\"" config "\"}"
#define LOG(driver)  HOST("{\\\"LogConfig\\\":{\\\"Type\\\":\\\"" driver "\\\"}}")

/* Each stands before the closing brace of the task. */
static const struct {
    const char *members, *message;
} of_task[] = {
    { ",\"networkMode\":\"awsvpc\"", "networkMode: awsvpc is not supported" },
    /* the mode is the reason that a person knows, not what follows from it */
    { ",\"elasticNetworkInterfaces\":[{\"ec2Id\":\"eni-1\"}],\"networkMode\":\"awsvpc\"",
      "networkMode: awsvpc is not supported" },
    { ",\"networkMode\":\"awsvpc\",\"proxyConfiguration\":{\"type\":\"APPMESH\"}",
      "networkMode: awsvpc is not supported" },
    { ",\"elasticNetworkInterfaces\":[{\"ec2Id\":\"eni-1\"}]",
      "elasticNetworkInterfaces: network interfaces of a task are not supported" },
    { ",\"volumes\":[{\"name\":\"v\",\"type\":\"efs\",\"efsVolumeConfiguration\":{}}]",
      "volumes[0].type: volumes of type efs are not supported" },
    { ",\"volumes\":[{\"name\":\"a\",\"host\":{}},{\"name\":\"v\",\"type\":"
      "\"fsxWindowsFileServer\"}]",
      "volumes[1].type: volumes of type fsxWindowsFileServer are not supported" },
    { ",\"volumes\":[{\"name\":\"v\",\"Type\":\"attachment\"}]",
      "volumes[0].type: volumes of type attachment are not supported" },
    { ",\"attachments\":[{\"attachmentType\":\"AmazonEBS\"}]",
      "attachments[0].attachmentType: attachments of type amazonebs are not supported" },
    { ",\"attachments\":[{\"attachmentType\":\"x\"},{\"attachmentType\":\"s3files\"}]",
      "attachments[1].attachmentType: attachments of type s3files are not supported" },
    { ",\"attachments\":[{\"attachmentType\":\"serviceconnectdetail\"}]",
      "attachments[0].attachmentType: attachments of type serviceconnectdetail are not "
      "supported" },
    { ",\"associations\":[{\"containers\":[\"a\"],\"name\":\"g\",\"type\":\"gpu\"}]",
      "associations[0].type: associations of type gpu are not supported" },
};

static const struct {
    const char *members, *message;
} of_container[] = {
    { ",\"firelensConfiguration\":{\"type\":\"fluentbit\"}",
      "containers[0].firelensConfiguration: FireLens is not supported" },
    { LOG("awsfirelens"), "containers[0].dockerConfig: log driver awsfirelens is not supported" },
    { ",\"credentialSpecs\":[\"credentialspec:file://x\"]",
      "containers[0].credentialSpecs: credential specs are not supported" },
};

static char *task_of(const char *container, const char *members)
{
    return mem_printf("{\"arn\":\"" ARN "\",\"containers\":[{\"name\":\"a\",\"image\":\"i\"%s}]%s}",
                      container, members);
}

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(of_task); i++) {
        AUTO(str) char *text = task_of("", of_task[i].members);

        assert_decode_fails(text, of_task[i].message);
    }
    for (size_t i = 0; i < COUNT_OF(of_container); i++) {
        AUTO(str) char *text = task_of(of_container[i].members, "");

        assert_decode_fails(text, of_container[i].message);
    }
}

/* A stop that arrives for a task nobody has met, and what is recorded of it. */
static void assert_stoppable(const char *container, const char *members)
{
    AUTO(str) char *more = mem_printf("%s,\"desiredStatus\":\"STOPPED\"", members);
    AUTO(str) char *text = task_of(container, more);
    AUTO(task) struct task *t = decode(text);
    AUTO(str) char *redacted = task_redacted_json(t);
    AUTO(task) struct task *back = decode(redacted);

    assert_int_equal(back->desired, TASK_STOPPED);
    assert_int_equal(t->n_volumes, back->n_volumes);
    assert_int_equal(t->n_containers, 1);
}

static void test_stopped_are_let_in(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(of_task); i++)
        assert_stoppable("", of_task[i].members);
    for (size_t i = 0; i < COUNT_OF(of_container); i++)
        assert_stoppable(of_container[i].members, "");
}

static void test_let_in(void **state)
{
    static const char *const tasks[] = {
        ",\"elasticNetworkInterfaces\":[],\"volumes\":null,\"attachments\":[],\"associations\":[]",
        ",\"elasticNetworkInterfaces\":null,\"attachments\":null,\"associations\":null",
        ",\"attachments\":[{\"attachmentType\":\"future\"},{}]",
        ",\"associations\":[{\"type\":\"elastic-inference\"},{\"type\":null},{}]",
        ",\"proxyConfiguration\":{\"type\":\"APPMESH\"}", /* means nothing without awsvpc */
        ",\"enableFaultInjection\":true,\"zone\":7,\"trustedExecutionConfiguration\":{}",
        ",\"startSequenceNumber\":1,\"stopSequenceNumber\":\"odd\"",
    };
    static const char *const containers[] = {
        ",\"firelensConfiguration\":null,\"credentialSpecs\":null",
        ",\"credentialSpecs\":[]",
        /* Only the ability to execute commands is missing. */
        ",\"managedAgents\":[{\"name\":\"ExecuteCommandAgent\",\"properties\":{}}]",
        ",\"linuxParameters\":{\"x\":1},\"privileged\":\"odd\",\"networkInterfaceNames\":[1]",
        LOG("fluentd"),
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(tasks); i++) {
        AUTO(str) char *text = task_of("", tasks[i]);
        AUTO(task) struct task *t = decode(text);

        assert_int_equal(t->n_containers, 1);
    }
    for (size_t i = 0; i < COUNT_OF(containers); i++) {
        AUTO(str) char *text = task_of(containers[i], "");
        AUTO(task) struct task *t = decode(text);

        assert_int_equal(t->n_containers, 1);
    }
}

/* The name alone makes no sidecar of a container: nothing waits for it. */
static void test_service_connect_by_name(void **state)
{
    AUTO(task) struct task *t = decode(MANY(C("service-connect", "") "," C("a", "")));

    (void)state;
    assert_int_equal(t->n_containers, 2);
    assert_false(t->containers[0].internal);
    assert_int_equal(t->containers[1].n_deps, 0);
}

static void test_wrong_types(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        { TASK(",\"elasticNetworkInterfaces\":{}"),
          "elasticNetworkInterfaces: expected array, got object" },
        { TASK(",\"attachments\":\"x\""), "attachments: expected array, got string" },
        { TASK(",\"attachments\":[{\"attachmentType\":1}]"),
          "attachments[0].attachmentType: expected string, got integer" },
        { TASK(",\"associations\":{}"), "associations: expected array, got object" },
        { TASK(",\"associations\":[{\"type\":[]}]"),
          "associations[0].type: expected string, got array" },
        { ONE(",\"firelensConfiguration\":\"x\""),
          "containers[0].firelensConfiguration: expected object, got string" },
        { ONE(",\"credentialSpecs\":\"x\""),
          "containers[0].credentialSpecs: expected array, got string" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_decode_fails(rows[i].text, rows[i].message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_stopped_are_let_in),
        cmocka_unit_test(test_let_in),      cmocka_unit_test(test_service_connect_by_name),
        cmocka_unit_test(test_wrong_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
