/* What goes out on the session: its URL and its messages, byte for byte; and what
 * is remembered for the answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/mem.h"
#include "control/acs_encode.h"
#include "control/acs_memory.h"
#include "control/acs_policy.h"
#include "control/acs_url.h"

static void test_messages(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT(4096);
    AUTO(buf) struct buf tiny = BUF_INIT(20);
    const char *const arns[] = { "T2", "T3" };

    (void)state;
    assert_true(acs_put_ack(&b, "CLU", "CI", "pl-1"));
    assert_string_equal(buf_text(&b), "{\"type\":\"AckRequest\",\"message\":{\"cluster\":\"CLU\","
                                      "\"containerInstance\":\"CI\",\"messageId\":\"pl-1\"}}");
    assert_true(acs_put_nack(&b, "CLU", "CI", "su-1", "Updates are disabled"));
    assert_string_equal(buf_text(&b), "{\"type\":\"NackRequest\",\"message\":{\"cluster\":\"CLU\","
                                      "\"containerInstance\":\"CI\",\"messageId\":\"su-1\","
                                      "\"reason\":\"Updates are disabled\"}}");
    assert_true(acs_put_heartbeat_ack(&b, "hb-1"));
    assert_string_equal(buf_text(&b),
                        "{\"type\":\"HeartbeatAckRequest\",\"message\":{\"messageId\":\"hb-1\"}}");
    assert_true(acs_put_heartbeat_ack(&b, NULL));
    assert_string_equal(buf_text(&b), "{\"type\":\"HeartbeatAckRequest\",\"message\":{}}");
    assert_true(acs_put_credentials_ack(&b, "pl-1", "c-app", "2026-01-02T09:04:05Z"));
    assert_string_equal(buf_text(&b),
                        "{\"type\":\"IAMRoleCredentialsAckRequest\",\"message\":"
                        "{\"credentialsId\":\"c-app\",\"expiration\":\"2026-01-02T09:04:05Z\","
                        "\"messageId\":\"pl-1\"}}");
    assert_true(acs_put_stop_candidates(&b, "mf-1", "CLU", arns, 2));
    assert_string_equal(buf_text(&b),
                        "{\"type\":\"TaskStopVerificationMessage\",\"message\":"
                        "{\"messageId\":\"mf-1\",\"stopCandidates\":["
                        "{\"desiredStatus\":\"STOPPED\",\"taskArn\":\"T2\",\"taskClusterArn\":"
                        "\"CLU\"},{\"desiredStatus\":\"STOPPED\",\"taskArn\":\"T3\","
                        "\"taskClusterArn\":\"CLU\"}]}}");
    assert_false(acs_put_ack(&tiny, "CLU", "CI", "pl-1"));
}

static void test_url(void **state)
{
    struct acs_url_args a = { .endpoint = "https://ecs-a-1.us-west-2.amazonaws.com",
                              .agent_hash = "0a1b2c3d",
                              .agent_version = "1.0.0",
                              .cluster = "demo",
                              .instance_arn = "arn:aws:ecs:r:1:container-instance/demo/01",
                              .docker_version = "20.10.24+dfsg1",
                              .send_credentials = true };
    AUTO(buf) struct buf b = BUF_INIT(4096);
    AUTO(buf) struct buf tiny = BUF_INIT(40);
    struct err e = { 0 };

    (void)state;
    assert_int_equal(acs_url(&a, &b, &e), ERR_OK);
    assert_string_equal(
        buf_text(&b),
        "https://ecs-a-1.us-west-2.amazonaws.com/ws?agentHash=0a1b2c3d&agentVersion=1.0.0"
        "&clusterArn=demo&containerInstanceArn=arn%3Aaws%3Aecs%3Ar%3A1%3Acontainer-instance%2Fdemo"
        "%2F01&dockerVersion=DockerVersion%3A%2020.10.24%2Bdfsg1&protocolVersion=2"
        "&sendCredentials=true&seqNum=1");
    a.endpoint = "http://127.0.0.1:4000/";
    a.docker_version = NULL;
    a.send_credentials = false;
    assert_int_equal(acs_url(&a, &b, &e), ERR_OK);
    assert_string_equal(buf_text(&b),
                        "http://127.0.0.1:4000/ws?agentHash=0a1b2c3d&agentVersion=1.0.0"
                        "&clusterArn=demo&containerInstanceArn=arn%3Aaws%3Aecs%3Ar%3A1%3Acontainer"
                        "-instance%2Fdemo%2F01&protocolVersion=2&sendCredentials=false&seqNum=1");
    assert_int_equal(acs_url(&a, &tiny, &e), ERR_LIMIT);
    a.endpoint = "ftp://somewhere";
    assert_int_equal(acs_url(&a, &b, &e), ERR_INVALID);
    a.endpoint = "https://somewhere/?x=1";
    assert_int_equal(acs_url(&a, &b, &e), ERR_INVALID);
}

static void test_what_follows_an_end(void **state)
{
    const struct {
        bool was_open;
        int code;
        int64_t lasted_ms;
        const char *text;
        enum acs_next want;
    } cases[] = {
        { true, 1000, 5000, "", ACS_AT_ONCE },
        { true, 1001, 5000, "", ACS_AT_ONCE },
        { true, 1006, 5000, "", ACS_AT_ONCE },
        { true, 1011, 5000, "", ACS_AT_ONCE },
        { true, 1000, 999, "", ACS_FLOOR },
        { true, 1006, 0, "", ACS_FLOOR },
        { true, 1005, 5000, "", ACS_BACKOFF },
        { true, 1009, 5000, "", ACS_BACKOFF },
        { true, 1013, 5000, "", ACS_BACKOFF },
        { true, 4000, 5000, "", ACS_BACKOFF },
        { true, 0, 5000, "reset", ACS_BACKOFF },
        { false, 0, 0, "refused", ACS_BACKOFF },
        { false, 1000, 0, "", ACS_BACKOFF },
        { false, 0, 0, "InactiveInstanceException: gone", ACS_INACTIVE },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err e = { 0 };

        err_set(&e, ERR_RETRY, "%s", cases[i].text);
        assert_int_equal(acs_after(cases[i].was_open, cases[i].code, cases[i].lasted_ms, 1000, &e),
                         cases[i].want);
    }
}

static void add(struct acs_memory *m, const char *id, const char *cluster, const char *cred)
{
    struct acs_role role = { .keys = { .id = mem_strdup(cred), .expiration = mem_strdup("2036") } };
    struct acs_message in = { .message_id = mem_strdup(id),
                              .cluster_arn = mem_strdup(cluster),
                              .instance_arn = mem_strdup("CI"),
                              .roles = &role,
                              .n_roles = cred ? 1 : 0 };

    acs_memory_add(m, &in);
    free(in.message_id);
    free(in.cluster_arn);
    free(in.instance_arn);
    free(role.keys.id);
    free(role.keys.expiration);
}

static void test_memory(void **state)
{
    struct acs_memory *m = NEW(struct acs_memory);
    struct acs_remembered got;
    char id[16];

    (void)state;
    assert_false(acs_memory_take(m, "nothing", &got));
    assert_null(got.cluster);
    acs_remembered_fini(&got);
    add(m, "a", "C1", "cred");
    add(m, "a", "C2", "other");
    assert_true(acs_memory_take(m, "a", &got));
    assert_string_equal(got.cluster, "C2");
    assert_int_equal(got.n_refs, 1);
    assert_string_equal(got.refs[0].id, "other");
    assert_string_equal(got.refs[0].expiration, "2036");
    acs_remembered_fini(&got);
    /* Answered is forgotten, but the ARNs of the newest stay known. */
    assert_false(acs_memory_take(m, "a", &got));
    assert_string_equal(got.cluster, "C2");
    acs_remembered_fini(&got);

    for (int i = 0; i < ACS_MEMORY_MAX + 2; i++) {
        snprintf(id, sizeof id, "m-%d", i);
        add(m, id, "C", NULL);
    }
    assert_false(acs_memory_take(m, "m-1", &got));
    acs_remembered_fini(&got);
    assert_true(acs_memory_take(m, "m-2", &got));
    acs_remembered_fini(&got);
    assert_true(acs_memory_take(m, id, &got));
    acs_remembered_fini(&got);
    add(m, "old", "C", NULL);
    add(m, "again", "C", NULL);
    acs_memory_new_session(m);
    add(m, "again", "C", NULL);
    assert_true(acs_memory_take(m, "old", &got));
    assert_true(got.stale);
    acs_remembered_fini(&got);
    assert_true(acs_memory_take(m, "again", &got));
    assert_false(got.stale);
    acs_remembered_fini(&got);
    acs_memory_fini(m);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_url),
        cmocka_unit_test(test_what_follows_an_end),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
