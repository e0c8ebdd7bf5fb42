#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "control/acs_decode.h"

#define ADDRESSED "\"messageId\":\"m-1\",\"clusterArn\":\"CLU\",\"containerInstanceArn\":\"CI\""
#define KEYS(id)                                                             \
    "{\"credentialsId\":\"" id "\",\"roleArn\":\"R\",\"accessKeyId\":\"A\"," \
    "\"secretAccessKey\":\"S\",\"sessionToken\":\"T\",\"expiration\":\"2036-01-01T00:00:00Z\"}"
#define TASK(arn, more)                                                                \
    "{\"arn\":\"" arn "\",\"family\":\"web\",\"version\":\"7\","                       \
    "\"desiredStatus\":\"RUNNING\",\"containers\":[{\"name\":\"app\",\"image\":\"i\"," \
    "\"essential\":true,\"cpu\":10,\"memory\":64,\"overrides\":\"{}\"}]" more "}"
#define T1 "arn:aws:ecs:us-west-2:1:task/demo/1111"
#define T2 "arn:aws:ecs:us-west-2:1:task/demo/2222"

static void decode(const char *text, struct acs_message *m)
{
    struct err e = { 0 };

    if (acs_decode(str_of(text), m, &e))
        fail_msg("%s", e.msg);
}

static void test_heartbeat(void **state)
{
    struct acs_message m;

    (void)state;
    decode("{\"type\":\"HeartbeatMessage\",\"message\":{\"healthy\":true,\"messageId\":\"hb-1\"}}",
           &m);
    assert_int_equal(m.kind, ACS_HEARTBEAT);
    assert_string_equal(m.message_id, "hb-1");
    acs_message_fini(&m);
    decode("{\"type\":\"HeartbeatMessage\",\"message\":{}}", &m);
    assert_int_equal(m.kind, ACS_HEARTBEAT);
    assert_null(m.message_id);
    acs_message_fini(&m);
}

static void test_payload_keeps_good_tasks_beside_bad_ones(void **state)
{
    struct acs_message m;

    (void)state;
    decode("{\"type\":\"PayloadMessage\",\"message\":{" ADDRESSED ",\"seqNum\":42,\"new\":[1],"
           "\"generatedAt\":null,\"tasks\":["
           "{\"arn\":\"" T1 "\",\"desiredStatus\":\"SIDEWAYS\",\"containers\":[]},"
           "null,17,{\"arn\":5}," TASK(
               T2, ",\"roleCredentials\":" KEYS("c-app") ",\"executionRoleCredentials\":" KEYS(
                       "c-exec")) "]}}",
           &m);
    assert_int_equal(m.kind, ACS_PAYLOAD);
    assert_int_equal(m.seq, 42);
    assert_string_equal(m.cluster_arn, "CLU");
    assert_string_equal(m.instance_arn, "CI");
    assert_int_equal(m.n_tasks, 5);
    assert_null(m.tasks[0].task);
    assert_string_equal(m.tasks[0].arn, T1);
    assert_non_null(strstr(m.tasks[0].error, "SIDEWAYS"));
    for (size_t i = 1; i < 4; i++) {
        assert_null(m.tasks[i].task);
        assert_null(m.tasks[i].arn);
        assert_non_null(m.tasks[i].error);
    }
    assert_non_null(m.tasks[4].task);
    assert_string_equal(m.tasks[4].task->arn, T2);
    assert_null(m.tasks[4].error);
    assert_int_equal(m.n_roles, 2);
    assert_string_equal(m.roles[0].keys.id, "c-app");
    assert_string_equal(m.roles[1].keys.id, "c-exec");
    assert_string_equal(m.roles[1].task_arn, T2);
    assert_string_equal(m.roles[1].keys.expiration, "2036-01-01T00:00:00Z");
    acs_message_fini(&m);
}

static void test_task_with_bad_credentials_is_bad(void **state)
{
    struct acs_message m;

    (void)state;
    decode("{\"type\":\"PayloadMessage\",\"message\":{" ADDRESSED ",\"tasks\":[" TASK(
               T1, ",\"roleCredentials\":" KEYS(
                       "c-app") ",\"executionRoleCredentials\":{\"roleArn\":\"R\"}") "]}}",
           &m);
    assert_int_equal(m.n_tasks, 1);
    assert_null(m.tasks[0].task);
    assert_string_equal(m.tasks[0].arn, T1);
    assert_int_equal(m.n_roles, 0);
    assert_int_equal(m.seq, -1);
    acs_message_fini(&m);
}

static void test_credentials_refresh(void **state)
{
    struct acs_message m;

    (void)state;
    decode("{\"type\":\"IAMRoleCredentialsMessage\",\"message\":{\"messageId\":\"cr-1\","
           "\"taskArn\":\"T1\",\"taskClusterArn\":\"CLU\",\"roleType\":\"TaskExecution\","
           "\"roleCredentials\":" KEYS("c-x") "}}",
           &m);
    assert_int_equal(m.kind, ACS_CREDENTIALS);
    assert_int_equal(m.n_roles, 1);
    assert_string_equal(m.roles[0].keys.secret_key, "S");
    assert_string_equal(m.roles[0].task_arn, "T1");
    acs_message_fini(&m);
}

static void test_manifest_and_stop_ack(void **state)
{
    struct acs_message m;

    (void)state;
    decode("{\"type\":\"TaskManifestMessage\",\"message\":{" ADDRESSED
           ",\"timeline\":44,\"tasks\":["
           "{\"taskArn\":\"T1\",\"taskClusterArn\":\"CLU\",\"desiredStatus\":\"RUNNING\"},"
           "{\"taskArn\":\"T2\",\"desiredStatus\":\"STOPPED\"},"
           "{\"taskArn\":\"T3\",\"desiredStatus\":\"FROZEN\"},{\"taskArn\":\"T4\"}]}}",
           &m);
    assert_int_equal(m.kind, ACS_MANIFEST);
    assert_int_equal(m.seq, 44);
    assert_int_equal(m.n_entries, 4);
    assert_string_equal(m.entries[0].arn, "T1");
    assert_int_equal(m.entries[0].desired, TASK_RUNNING);
    assert_int_equal(m.entries[1].desired, TASK_STOPPED);
    assert_int_equal(m.entries[2].desired, TASK_NONE);
    assert_int_equal(m.entries[3].desired, TASK_NONE);
    assert_string_equal(m.entries[3].arn, "T4");
    acs_message_fini(&m);
    decode("{\"type\":\"TaskStopVerificationAck\",\"message\":{\"messageId\":\"mf-1\","
           "\"stopTasks\":[{\"taskArn\":\"T2\",\"taskClusterArn\":\"CLU\","
           "\"desiredStatus\":\"STOPPED\"}]}}",
           &m);
    assert_int_equal(m.kind, ACS_STOP_ACK);
    assert_int_equal(m.n_arns, 1);
    assert_string_equal(m.arns[0], "T2");
    acs_message_fini(&m);
}

static void test_kinds(void **state)
{
    const struct {
        const char *text;
        enum acs_kind kind;
        const char *type, *said;
    } cases[] = {
        { "{\"type\":\"StageUpdateMessage\",\"message\":{" ADDRESSED "}}", ACS_UPDATE,
          "StageUpdateMessage", NULL },
        { "{\"type\":\"PerformUpdateMessage\",\"message\":{}}", ACS_UPDATE, "PerformUpdateMessage",
          NULL },
        { "{\"type\":\"ConfirmAttachmentMessage\",\"message\":{" ADDRESSED "}}", ACS_UNSUPPORTED,
          "ConfirmAttachmentMessage", NULL },
        { "{\"type\":\"CloseMessage\",\"message\":{\"message\":\"closing\"}}", ACS_NOTED,
          "CloseMessage", "closing" },
        { "{\"InactiveInstanceException\":\"not active\"}", ACS_NOTED, "InactiveInstanceException",
          "not active" },
        { "{\"type\":\"FromTheFuture\",\"message\":{\"a\":1}}", ACS_UNKNOWN, "FromTheFuture",
          NULL },
        { "{\"type\":\"FromTheFuture\"}", ACS_UNKNOWN, "FromTheFuture", NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct acs_message m;

        decode(cases[i].text, &m);
        assert_int_equal(m.kind, cases[i].kind);
        assert_string_equal(m.type, cases[i].type);
        if (cases[i].said)
            assert_string_equal(m.text, cases[i].said);
        acs_message_fini(&m);
    }
}

static void test_what_is_dropped_and_why(void **state)
{
    const struct {
        const char *text, *why;
    } cases[] = {
        { "", "not JSON" },
        { "{\"type\":\"PayloadMessage\",\"mess", "not JSON" },
        { "[]", "not an object" },
        { "{}", "type: expected string" },
        { "{\"type\":7,\"message\":{}}", "type: expected string, got integer" },
        { "{\"SomeException\":\"x\"}", "type: expected string" },
        { "{\"type\":\"HeartbeatMessage\"}", "HeartbeatMessage: message: expected object" },
        { "{\"type\":\"HeartbeatMessage\",\"message\":{\"messageId\":5}}",
          "message.messageId: expected string, got integer" },
        { "{\"type\":\"PayloadMessage\",\"message\":{\"messageId\":\"m\",\"clusterArn\":\"c\"}}",
          "message.containerInstanceArn: expected string, but it is missing" },
        { "{\"type\":\"PayloadMessage\",\"message\":{\"messageId\":\"\",\"clusterArn\":\"c\","
          "\"containerInstanceArn\":\"i\"}}",
          "message.messageId: is empty" },
        { "{\"type\":\"PayloadMessage\",\"message\":{" ADDRESSED ",\"seqNum\":1.5}}",
          "message.seqNum: expected integer, got number" },
        { "{\"type\":\"PayloadMessage\",\"message\":{" ADDRESSED ",\"tasks\":{}}}",
          "message.tasks: expected array, got object" },
        { "{\"type\":\"IAMRoleCredentialsMessage\",\"message\":{\"messageId\":\"m\","
          "\"taskArn\":\"t\",\"roleType\":\"Other\",\"roleCredentials\":" KEYS("c") "}}",
          "message.roleType: 'Other' is no role type" },
        { "{\"type\":\"IAMRoleCredentialsMessage\",\"message\":{\"messageId\":\"m\","
          "\"taskArn\":\"t\",\"roleType\":\"TaskExecution\"}}",
          "message.roleCredentials: expected object" },
        { "{\"type\":\"TaskManifestMessage\",\"message\":{\"timeline\":1,\"tasks\":[{}]}}",
          "message.tasks[0].taskArn: expected string" },
        { "{\"type\":\"TaskStopVerificationAck\",\"message\":{\"stopTasks\":[]}}",
          "message.messageId: expected string" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct acs_message m = { .n_tasks = 99 };
        struct err e = { 0 };

        assert_int_equal(acs_decode(str_of(cases[i].text), &m, &e), ERR_INVALID);
        if (!strstr(e.msg, cases[i].why))
            fail_msg("'%s' does not say '%s'", e.msg, cases[i].why);
        assert_int_equal(m.n_tasks, 99);
    }
}

static void test_refused_handshakes(void **state)
{
    const struct {
        int status;
        const char *body, *want;
    } cases[] = {
        { 400, "{\"InactiveInstanceException\":\"The container instance is not active.\"}",
          "InactiveInstanceException: The container instance is not active." },
        { 400, "{\"type\":\"AccessDeniedException\",\"message\":{\"message\":\"no\"}}",
          "AccessDeniedException: no" },
        { 502, "<html>\nbad</html>",
          "the handshake was refused: status 502, \"<html>\\nbad</html>\"" },
        { 403, "", "the handshake was refused: status 403, \"\"" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err e = { 0 };

        acs_refusal(cases[i].status, str_of(cases[i].body), &e);
        assert_string_equal(e.msg, cases[i].want);
        assert_int_equal(e.code, ERR_RETRY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heartbeat),
        cmocka_unit_test(test_payload_keeps_good_tasks_beside_bad_ones),
        cmocka_unit_test(test_task_with_bad_credentials_is_bad),
        cmocka_unit_test(test_credentials_refresh),
        cmocka_unit_test(test_manifest_and_stop_ack),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_what_is_dropped_and_why),
        cmocka_unit_test(test_refused_handshakes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
