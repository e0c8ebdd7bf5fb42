/* links: control aws task config host io */
/* The whole conversation with a control plane, from registration to acknowledgement. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "component/control_world.h"

/* ---- from registration to acknowledgement ---- */

#define ADDRESS "\"clusterArn\":\"CLU\",\"containerInstanceArn\":\"" CI "\""
#define KEYS                                                              \
    "{\"credentialsId\":\"c-1\",\"roleArn\":\"R\",\"accessKeyId\":\"A\"," \
    "\"secretAccessKey\":\"S\",\"sessionToken\":\"T\",\"expiration\":\"2036\"}"
#define ACK(id)                                                  \
    "{\"type\":\"AckRequest\",\"message\":{\"cluster\":\"CLU\"," \
    "\"containerInstance\":\"" CI "\",\"messageId\":\"" id "\"}}"
#define KEYS_ACK(id)                                                                     \
    "{\"type\":\"IAMRoleCredentialsAckRequest\",\"message\":{\"credentialsId\":\"c-1\"," \
    "\"expiration\":\"2036\",\"messageId\":\"" id "\"}}"

static void talk(struct peer *p, void *arg)
{
    (void)arg;
    handshake(p, true);
    heartbeat(p);
    /* Nothing of this ends the session or is answered. */
    say(p, "{\"type\":\"PayloadMessage\",\"mess");
    say(p, "garbage \xc3\xa9 {");
    say(p, "{\"type\":\"FromTheFuture\",\"message\":{}}");
    say(p, "{\"type\":\"PayloadMessage\",\"message\":{\"messageId\":5}}");
    say(p, "{\"InactiveInstanceException\":\"only a frame\"}");
    heartbeat(p);
    say(p, "{\"type\":\"PayloadMessage\",\"message\":{\"messageId\":\"pl-1\"," ADDRESS
           ",\"seqNum\":42,\"tasks\":[{\"arn\":\"T0\",\"desiredStatus\":\"ASKEW\"},"
           "{\"arn\":\"" T1 "\",\"family\":\"web\",\"version\":\"1\",\"desiredStatus\":\"RUNNING\","
           "\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"essential\":true,\"memory\":64}],"
           "\"roleCredentials\":" KEYS "}]}}");
    expect(p, ACK("pl-1"));
    expect(p, KEYS_ACK("pl-1"));
    say(p, "{\"type\":\"IAMRoleCredentialsMessage\",\"message\":{\"messageId\":\"cr-0\","
           "\"taskArn\":\"unknown\",\"roleType\":\"TaskExecution\",\"roleCredentials\":" KEYS "}}");
    say(p,
        "{\"type\":\"IAMRoleCredentialsMessage\",\"message\":{\"messageId\":\"cr-1\","
        "\"taskArn\":\"" T1 "\",\"roleType\":\"TaskApplication\",\"roleCredentials\":" KEYS "}}");
    expect(p, KEYS_ACK("cr-1"));
    say(p, "{\"type\":\"TaskManifestMessage\",\"message\":{\"messageId\":\"mf-1\"," ADDRESS
           ",\"timeline\":44,\"tasks\":[{\"taskArn\":\"" T1 "\",\"desiredStatus\":\"RUNNING\"}]}}");
    expect(p, ACK("mf-1"));
    expect(p, "{\"type\":\"TaskStopVerificationMessage\",\"message\":{\"messageId\":\"mf-1\","
              "\"stopCandidates\":[{\"desiredStatus\":\"STOPPED\",\"taskArn\":\"T9\","
              "\"taskClusterArn\":\"CLU\"}]}}");
    say(p, "{\"type\":\"TaskStopVerificationAck\",\"message\":{\"messageId\":\"mf-1\","
           "\"stopTasks\":[{\"taskArn\":\"T9\"}]}}");
    say(p, "{\"type\":\"StageUpdateMessage\",\"message\":{\"messageId\":\"su-1\"," ADDRESS "}}");
    expect(p,
           "{\"type\":\"NackRequest\",\"message\":{\"cluster\":\"CLU\",\"containerInstance\":\"" CI
           "\",\"messageId\":\"su-1\",\"reason\":\"Updates are disabled\"}}");
    peer_ws_send_close(p, 1000);
    peer_ws_expect_close(p, 1000);
    peer_close(p);
    /* At once again, and now without a wish for credentials. */
    handshake(p, false);
    peer_wait(p);
}

static void test_conversation(void **state)
{
    struct fixture f;
    struct role_credentials role;
    AUTO(buf) struct buf status = BUF_INIT(4096);
    struct jw w;

    (void)state;
    set_up(&f);
    f.stop_at_opened = 2;
    start(&f, serve_both, talk);
    run(&f);
    assert_int_equal(f.failed_code, 0);
    assert_int_equal(f.registered, 1);
    assert_int_equal(f.closed, 1);
    assert_int_equal(f.n_payload_tasks, 1);
    assert_int_equal(f.n_bad_tasks, 1);
    assert_int_equal(f.n_stop_acks, 1);
    assert_true(f.up >= 3);
    assert_true(roles_get(f.roles, "c-1", &role));
    assert_string_equal(role.task_arn, T1);
    jw_init(&w, &status);
    control_write_status(f.control, &w);
    assert_non_null(strstr(buf_text(&status), "\"registered\":true"));
    assert_non_null(strstr(buf_text(&status), "\"connected\":true"));
    assert_null(strstr(buf_text(&status), "secret"));
    peer_go(f.session);
    tear_down(&f);
}

static void serve_register_only(struct peer *p, void *arg)
{
    serve_register(p, arg);
}

/* Ending at any moment is silent and leaves nothing behind. */
static void test_destroy_under_way(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.stop_at_registered = true;
    start(&f, serve_register_only, NULL);
    run(&f);
    control_report(f.control, 7, str_of("{}"));
    control_ack(f.control, "unknown");
    f.stop_at_registered = false;
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conversation),
        cmocka_unit_test(test_destroy_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
