/* links: control aws task config host io */
/* The whole conversation with a control plane that is scripted on real sockets:
 * one peer for the ECS API, one for the session. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/capability.h"
#include "control/private.h"
#include "support/peer.h"

#define CI       "arn:aws:ecs:us-west-2:1:container-instance/demo/01"
#define T1       "arn:aws:ecs:us-west-2:1:task/demo/1111"
#define LONG_MS  600000
#define GUARD_MS 25000

/* ---- the client's side ---- */

struct fixture {
    struct loop *loop;
    struct http_client *http;
    struct credentials *credentials;
    struct roles *roles;
    struct config config;
    struct control_timing timing;
    struct control *control;
    struct loop_timer *guard, *poll;
    struct peer *api, *session;
    char *register_answer; /* echoes every attribute */

    int registered, opened, closed, up, failed_code;
    int stop_at_opened; /* ends the loop at this opening */
    bool stop_at_registered, stop_at_closed;
    int stop_at_reported;
    char failed_text[1024];
    int n_payload_tasks, n_bad_tasks, n_stop_acks, n_reported, n_accepted, n_refused;
    char report_error[1024];
};

static char demo[] = "demo", region[] = "us-west-2", family[] = "LINUX", driver[] = "json-file";
static char *drivers[] = { driver };

static const char *look_up(void *user, const char *name)
{
    (void)user;
    return streq(name, "AWS_ACCESS_KEY_ID")       ? "AKTEST"
           : streq(name, "AWS_SECRET_ACCESS_KEY") ? "secret"
           : streq(name, "AWS_SESSION_TOKEN")     ? "tok"
                                                  : NULL;
}

static void on_registered(void *user, const char *arn)
{
    struct fixture *f = user;

    assert_string_equal(arn, CI);
    f->registered++;
    if (f->stop_at_registered)
        loop_stop(f->loop);
}

static void on_failed(void *user, int code, const struct err *e)
{
    struct fixture *f = user;

    f->failed_code = code;
    snprintf(f->failed_text, sizeof f->failed_text, "%s", e->msg);
    loop_stop(f->loop);
}

static void on_connected(void *user, bool connected)
{
    struct fixture *f = user;

    if (connected)
        f->opened++;
    else
        f->closed++;
    if ((connected && f->opened == f->stop_at_opened) || (!connected && f->stop_at_closed))
        loop_stop(f->loop);
}

static void on_payload(void *user, const char *id, int64_t seq, struct control_payload_task *tasks,
                       size_t n)
{
    struct fixture *f = user;

    assert_int_equal(seq, 42);
    for (size_t i = 0; i < n; i++) {
        if (tasks[i].task)
            f->n_payload_tasks++;
        else
            f->n_bad_tasks++;
    }
    control_ack(f->control, id);
}

static void on_manifest(void *user, const char *id, const char *cluster, int64_t seq,
                        const struct control_manifest_entry *entries, size_t n)
{
    struct fixture *f = user;
    const char *const arns[] = { "T9" };

    assert_int_equal(seq, 44);
    assert_int_equal(n, 1);
    assert_string_equal(entries[0].arn, T1);
    control_ack(f->control, id);
    control_stop_verify(f->control, id, cluster, arns, 1);
}

static void on_stop_ack(void *user, const char *id, const char *const *arns, size_t n)
{
    struct fixture *f = user;

    assert_string_equal(id, "mf-1");
    assert_int_equal(n, 1);
    assert_string_equal(arns[0], "T9");
    f->n_stop_acks++;
}

static void on_reported(void *user, uint64_t id, bool accepted, bool refused, const char *error)
{
    struct fixture *f = user;

    assert_int_equal(id, 7);
    f->n_reported++;
    f->n_accepted += accepted;
    f->n_refused += refused;
    snprintf(f->report_error, sizeof f->report_error, "%s", error);
    if (f->n_reported == f->stop_at_reported)
        loop_stop(f->loop);
}

static void on_up(void *user)
{
    struct fixture *f = user;

    f->up++;
}

static bool knows_task(void *user, const char *arn)
{
    (void)user;
    return streq(arn, T1);
}

static void on_guard(void *user)
{
    struct fixture *f = user;

    f->failed_code = -1;
    snprintf(f->failed_text, sizeof f->failed_text, "the test took too long");
    loop_stop(f->loop);
}

static char *make_register_answer(const struct config *cfg)
{
    struct buf b = BUF_INIT(65536);
    struct attributes a;
    struct jw w;

    attributes_build(&a, cfg, "1.41", true, true);
    jw_init(&w, &b);
    jw_object(&w);
    jw_key(&w, "containerInstance");
    jw_object(&w);
    jw_kstr(&w, "containerInstanceArn", CI);
    jw_key(&w, "attributes");
    jw_array(&w);
    for (size_t i = 0; i < a.n; i++) {
        jw_object(&w);
        jw_kstr(&w, "name", a.items[i].name);
        if (a.items[i].value)
            jw_kstr(&w, "value", a.items[i].value);
        jw_end(&w);
    }
    jw_end(&w);
    jw_end(&w);
    jw_end(&w);
    attributes_fini(&a);
    return buf_take(&b);
}

/* Quick delays; what a test does not want to happen gets LONG_MS. */
static void set_up(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    log_set_level(getenv("BERTH_TEST_LOG") ? LOG_DEBUG : LOG_OFF);
    f->config = (struct config){ .cluster = demo,
                                 .region = region,
                                 .detailed_os_family = family,
                                 .log_drivers = { drivers, 1 },
                                 .imds_disabled = true };
    f->timing = control_timing_default;
    f->timing.silence_ms = f->timing.max_age_ms = f->timing.inactive_ms = LONG_MS;
    f->timing.session = (struct backoff_rule){ 20, 100, 20, 0 };
    f->timing.registration = f->timing.unreachable = f->timing.session;
    f->timing.floor_ms = 20;
    f->register_answer = make_register_answer(&f->config);
    f->loop = loop_create();
    f->http = http_client_create(f->loop, &(struct http_client_config){ 0 });
    f->credentials = credentials_create(f->http, look_up, NULL, NULL);
    f->roles = roles_create();
    f->guard = loop_timer_create(f->loop, on_guard, f);
}

static void start(struct fixture *f, peer_script *api, peer_script *session)
{
    static const struct control_events events = {
        .registered = on_registered,
        .failed = on_failed,
        .connected = on_connected,
        .payload = on_payload,
        .manifest = on_manifest,
        .stop_ack = on_stop_ack,
        .reported = on_reported,
        .up = on_up,
        .knows_task = knows_task,
    };
    struct control_args args = { .docker_version = "20.10.24",
                                 .docker_api = "1.41",
                                 .agent_version = "1.105.1",
                                 .agent_hash = "0a1b2c3d",
                                 .resources = { 2048, 1000 },
                                 .seed = 1 };

    if (session)
        f->session = peer_start(session, f);
    f->api = peer_start(api, f);
    f->config.backend_host = mem_strdup(peer_url(f->api, "http", ""));
    args.loop = f->loop;
    args.http = f->http;
    args.credentials = f->credentials;
    args.roles = f->roles;
    args.config = &f->config;
    f->control = control_create(&args, &events, f);
    control_set_timing(f->control, &f->timing);
    control_start(f->control);
    loop_timer_arm(f->guard, GUARD_MS);
}

static void run(struct fixture *f)
{
    loop_run(f->loop);
    if (f->failed_code == -1) {
        const char *bad = peer_stop(f->api);

        print_message("api: %s\n", bad ? bad : "content");
        bad = f->session ? peer_stop(f->session) : NULL;
        print_message("session: %s\n", bad ? bad : "content");
        fail_msg("%s", f->failed_text);
    }
}

static void tear_down(struct fixture *f)
{
    const char *bad;

    control_destroy(f->control);
    credentials_destroy(f->credentials);
    roles_destroy(f->roles);
    http_client_destroy(f->http);
    loop_timer_destroy(f->guard);
    loop_timer_destroy(f->poll);
    loop_destroy(f->loop);
    free(f->config.backend_host);
    free(f->register_answer);
    if ((bad = peer_stop(f->api)))
        fail_msg("api: %s", bad);
    if (f->session && (bad = peer_stop(f->session)))
        fail_msg("session: %s", bad);
}

/* ---- the peers' side ---- */

/* Takes one call whose body ends with `tail`, and answers. */
static void serve(struct peer *p, const char *operation, const char *tail, int status,
                  const char *body)
{
    AUTO(buf) struct buf answer = BUF_INIT(100000);
    const char *head;

    peer_accept(p);
    head = peer_head(p);
    if (!strstr(head, operation))
        peer_fail(p, "expected %s, got %s", operation, head);
    if (!strstr(head, "Authorization: AWS4-HMAC-SHA256 Credential=AKTEST/") ||
        !strstr(head, "X-Amz-Security-Token: tok") ||
        !strstr(head, "Content-Type: application/x-amz-json-1.1"))
        peer_fail(p, "a header is missing: %s", head);
    peer_expect(p, tail);
    buf_printf(&answer, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
               status, strlen(body), body);
    peer_send(p, buf_text(&answer));
    peer_close(p);
}

static void serve_register(struct peer *p, struct fixture *f)
{
    serve(p, "X-Amz-Target: AmazonEC2ContainerServiceV20141113.RegisterContainerInstance",
          "\"clientToken\":\"", 200, f->register_answer);
}

static void serve_discover(struct peer *p, struct fixture *f)
{
    AUTO(str)
    char *body = mem_printf("{\"endpoint\":\"%s\",\"telemetryEndpoint\":\"https://t\"}",
                            peer_url(f->session, "http", "/"));

    serve(p, ".DiscoverPollEndpoint", "\"containerInstance\":\"" CI "\",\"zoneId\":\"\"}", 200,
          body);
}

static void serve_both(struct peer *p, void *arg)
{
    serve_register(p, arg);
    serve_discover(p, arg);
}

static void handshake(struct peer *p, bool send_credentials)
{
    char accept[29];
    AUTO(str) char *answer = NULL;
    AUTO(str)
    char *target = mem_printf(
        "GET /ws?agentHash=0a1b2c3d&agentVersion=1.105.1&clusterArn=demo&containerInstanceArn="
        "arn%%3Aaws%%3Aecs%%3Aus-west-2%%3A1%%3Acontainer-instance%%2Fdemo%%2F01&dockerVersion="
        "DockerVersion%%3A%%2020.10.24&protocolVersion=2&sendCredentials=%s&seqNum=1 HTTP/1.1",
        send_credentials ? "true" : "false");
    const char *head;

    peer_accept(p);
    head = peer_head(p);
    if (!strstr(head, target))
        peer_fail(p, "the handshake is %s", head);
    if (!strstr(head, "/us-west-2/ecs/aws4_request, SignedHeaders=host;x-amz-date;"
                      "x-amz-security-token, Signature="))
        peer_fail(p, "the handshake is not signed: %s", head);
    answer = mem_printf("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                        peer_ws_key(p, accept));
    peer_send(p, answer);
}

static void say(struct peer *p, const char *text)
{
    peer_ws_send(p, true, 1, text, strlen(text));
}

static void expect(struct peer *p, const char *text)
{
    peer_ws_expect(p, 1, text, strlen(text));
}

static void heartbeat(struct peer *p)
{
    say(p, "{\"type\":\"HeartbeatMessage\",\"message\":{\"healthy\":true,\"messageId\":\"hb\"}}");
    expect(p, "{\"type\":\"HeartbeatAckRequest\",\"message\":{\"messageId\":\"hb\"}}");
}

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

/* ---- registration ---- */

static void html_then_patience_then_good(struct peer *p, void *arg)
{
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 502, "<html>bad gateway</html>");
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 200, "<html>log in</html>");
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 400,
          "{\"__type\":\"ThrottlingException\",\"message\":\"slow\"}");
    peer_accept(p);
    peer_reset(p);
    serve_register(p, arg);
}

static void test_registration_outlives_strange_answers(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.stop_at_registered = true;
    start(&f, html_then_patience_then_good, NULL);
    run(&f);
    assert_int_equal(f.failed_code, 0);
    assert_int_equal(f.registered, 1);
    tear_down(&f);
}

static void html_for_ever(struct peer *p, void *arg)
{
    (void)arg;
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 502, "<html>\nno</html>");
}

static void invalid(struct peer *p, void *arg)
{
    (void)arg;
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 400,
          "{\"__type\":\"InvalidParameterException\",\"message\":\"what\"}");
}

static void denied(struct peer *p, void *arg)
{
    (void)arg;
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 400,
          "{\"__type\":\"AccessDeniedException\",\"message\":\"no\"}");
}

static void mismatch(struct peer *p, void *arg)
{
    (void)arg;
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 200,
          "{\"containerInstance\":{\"containerInstanceArn\":\"" CI "\",\"attributes\":[]}}");
}

static void test_registration_fails_for_good(void **state)
{
    const struct {
        peer_script *script;
        int exit_code;
        const char *says;
    } cases[] = {
        { html_for_ever, 1, "status 502, '<html>\\nno</html>'" },
        { invalid, 5, "RegisterContainerInstance: InvalidParameterException: what" },
        { denied, 1, "AccessDeniedException: no" },
        { mismatch, 5, "did not take attribute" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture f;

        set_up(&f);
        f.timing.registration_limit_ms = 1;
        start(&f, cases[i].script, NULL);
        run(&f);
        assert_int_equal(f.failed_code, cases[i].exit_code);
        if (!strstr(f.failed_text, cases[i].says))
            fail_msg("'%s' does not say '%s'", f.failed_text, cases[i].says);
        assert_int_equal(f.registered, 0);
        tear_down(&f);
    }
}

static void no_cluster_yet(struct peer *p, void *arg)
{
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 400,
          "{\"__type\":\"ClusterNotFoundException\",\"message\":\"Cluster not found.\"}");
    serve(p, ".CreateCluster", "{\"clusterName\":\"demo\"}", 200,
          "{\"cluster\":{\"clusterName\":\"demo\"}}");
    serve_register(p, arg);
}

static void test_default_cluster_is_created(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.config.cluster_default = true;
    f.stop_at_registered = true;
    start(&f, no_cluster_yet, NULL);
    run(&f);
    assert_int_equal(f.registered, 1);
    tear_down(&f);
}

static int64_t asked[2]; /* read after the peer's end */

/* The cluster is made, but where registrations are taken it is not known yet. */
static void slow_cluster(struct peer *p, void *arg)
{
    static const char unknown[] =
        "{\"__type\":\"ClusterNotFoundException\",\"message\":\"Cluster not found.\"}";

    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 400, unknown);
    serve(p, ".CreateCluster", "{\"clusterName\":\"demo\"}", 200,
          "{\"cluster\":{\"clusterName\":\"demo\"}}");
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 400, unknown);
    asked[0] = clock_mono_ms();
    serve_register(p, arg);
    asked[1] = clock_mono_ms();
}

static void test_new_cluster_is_waited_for(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.registration = (struct backoff_rule){ 300, 100, 300, 0 };
    f.config.cluster_default = true;
    f.stop_at_registered = true;
    start(&f, slow_cluster, NULL);
    run(&f);
    assert_int_equal(f.registered, 1);
    tear_down(&f);
    assert_true(asked[1] - asked[0] >= 290);
}

/* ---- the life of sessions ---- */

static int64_t when[4]; /* of the session peer's handshakes; read after the peer's end */

static void odd_then_clean(struct peer *p, void *arg)
{
    (void)arg;
    handshake(p, true);
    heartbeat(p);
    when[0] = clock_mono_ms();
    peer_ws_send_close(p, 4000);
    peer_ws_expect_close(p, 4000);
    peer_close(p);
    handshake(p, false);
    when[1] = clock_mono_ms();
    peer_close(p); /* an end of file, soon after the opening */
    handshake(p, false);
    when[2] = clock_mono_ms();
}

static void test_how_a_session_ends_decides_when_the_next_begins(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.session = (struct backoff_rule){ 300, 100, 300, 0 };
    f.timing.floor_ms = 100;
    f.stop_at_opened = 3;
    start(&f, serve_both, odd_then_clean);
    run(&f);
    assert_int_equal(f.opened, 3);
    tear_down(&f);
    assert_true(when[1] - when[0] >= 290);
    assert_true(when[2] - when[1] >= 90);
}

static void too_long(struct peer *p, void *arg)
{
    /* A text frame of 64 MiB and one byte; one byte of it is enough. */
    static const unsigned char head[] = { 0x81, 127, 0, 0, 0, 0, 0x04, 0, 0, 1, '{' };

    (void)arg;
    handshake(p, true);
    peer_send_bytes(p, head, sizeof head);
    peer_ws_expect_close(p, 1009);
    peer_close(p);
    handshake(p, false);
    peer_wait(p);
    heartbeat(p);
}

static void test_too_long_message_ends_only_the_session(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.stop_at_opened = 2;
    start(&f, serve_both, too_long);
    run(&f);
    assert_int_equal(f.opened, 2);
    /* The heartbeat of the second session is still to be answered. */
    f.stop_at_closed = true;
    peer_go(f.session);
    run(&f);
    tear_down(&f);
}

static void silent(struct peer *p, void *arg)
{
    (void)arg;
    handshake(p, true);
    peer_expect_eof(p);
    peer_close(p);
    handshake(p, false);
}

static void test_silence_is_cut(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.silence_ms = 50;
    f.timing.silence_jitter_ms = 0;
    f.stop_at_opened = 2;
    start(&f, serve_both, silent);
    run(&f);
    assert_true(f.closed >= 1);
    tear_down(&f);
}

static void old(struct peer *p, void *arg)
{
    (void)arg;
    handshake(p, true);
    /* 1000 and the reason. */
    peer_ws_expect(p, 8,
                   "\x03\xe8"
                   "ConnectionExpired: Reconnect to continue",
                   42);
    say(p, "{\"type\":\"TaskStopVerificationAck\",\"message\":{\"messageId\":\"mf-1\","
           "\"stopTasks\":[{\"taskArn\":\"T9\"}]}}");
    peer_ws_send_close(p, 1000);
    peer_expect_eof(p);
    peer_close(p);
    handshake(p, false);
}

static void test_old_session_ends_in_peace(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.max_age_ms = 50;
    f.timing.age_jitter_ms = 0;
    f.stop_at_opened = 2;
    start(&f, serve_both, old);
    run(&f);
    /* What came between our goodbye and the peer's was still read. */
    assert_int_equal(f.n_stop_acks, 1);
    tear_down(&f);
}

static void discover_fails_later(struct peer *p, void *arg)
{
    serve_both(p, arg);
    serve(p, ".DiscoverPollEndpoint", "\"zoneId\":\"\"}", 500, "<html>");
}

static void twice_the_same(struct peer *p, void *arg)
{
    (void)arg;
    handshake(p, true);
    peer_ws_send_close(p, 1001);
    peer_ws_expect_close(p, 1001);
    peer_close(p);
    handshake(p, false);
}

static void test_known_endpoint_outlives_its_time(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.discover_keep_ms = 0;
    f.timing.session = (struct backoff_rule){ LONG_MS, 100, LONG_MS, 0 };
    f.stop_at_opened = 2;
    start(&f, discover_fails_later, twice_the_same);
    run(&f);
    assert_int_equal(f.opened, 2);
    tear_down(&f);
}

/* None of these answers is kept: each is followed by a wait and a new question. */
static void nowhere(struct peer *p, void *arg)
{
    serve_register(p, arg);
    serve(p, ".DiscoverPollEndpoint", "\"zoneId\":\"\"}", 200, "{\"telemetryEndpoint\":\"x\"}");
    serve(p, ".DiscoverPollEndpoint", "\"zoneId\":\"\"}", 200, "{\"endpoint\":\"ftp://x\"}");
    serve(p, ".DiscoverPollEndpoint", "\"zoneId\":\"\"}", 200,
          "{\"endpoint\":\"http://192.0.2.1/\"}");
}

static bool status_says(struct fixture *f, const char *text)
{
    AUTO(buf) struct buf status = BUF_INIT(8192);
    struct jw w;

    jw_init(&w, &status);
    control_write_status(f->control, &w);
    return strstr(buf_text(&status), text);
}

static void stop_when_unusable(void *user)
{
    struct fixture *f = user;

    if (status_says(f, "DiscoverPollEndpoint: endpoint: ") && status_says(f, "192.0.2.1"))
        loop_stop(f->loop);
    else
        loop_timer_arm(f->poll, 5);
}

static void test_unusable_endpoints(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.session = (struct backoff_rule){ 20, 100, 20, 0 };
    start(&f, nowhere, NULL);
    f.poll = loop_timer_create(f.loop, stop_when_unusable, &f);
    loop_timer_arm(f.poll, 0);
    run(&f);
    assert_int_equal(f.opened, 0);
    tear_down(&f);
}

/* ---- refused handshakes, reports, and who wakes whom ---- */

static void refuse(struct peer *p, int status, const char *body)
{
    AUTO(str)
    char *answer = mem_printf("HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                              status, strlen(body), body);

    peer_accept(p);
    peer_head(p);
    peer_send(p, answer);
    peer_close(p);
}

/* Reports once the trouble that the script makes is known on our side. */
static void on_poll(void *user)
{
    struct fixture *f = user;

    if (status_says(f, "_error\":\""))
        control_report(f->control, 7, str_of("{\"task\":\"" T1 "\"}"));
    else
        loop_timer_arm(f->poll, 5);
}

static void report_after_trouble(struct fixture *f)
{
    f->poll = loop_timer_create(f->loop, on_poll, f);
    loop_timer_arm(f->poll, 0);
}

static void serve_report(struct peer *p)
{
    serve(p, ".SubmitTaskStateChange", "{\"cluster\":\"demo\",\"task\":\"" T1 "\"}", 200,
          "{\"acknowledgment\":\"ok\"}");
}

static void both_and_a_report(struct peer *p, void *arg)
{
    serve_both(p, arg);
    serve_report(p);
}

static void refused_then_open(struct peer *p, void *arg)
{
    (void)arg;
    refuse(p, 500, "{\"type\":\"ServerException\",\"message\":{\"message\":\"later\"}}");
    handshake(p, true);
}

static void test_accepted_report_calls_the_session_out_of_backoff(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.session = (struct backoff_rule){ LONG_MS, 100, LONG_MS, 0 };
    f.stop_at_opened = 1;
    start(&f, both_and_a_report, refused_then_open);
    report_after_trouble(&f);
    run(&f);
    assert_int_equal(f.n_accepted, 1);
    tear_down(&f);
}

static void inactive_then_open(struct peer *p, void *arg)
{
    (void)arg;
    when[0] = clock_mono_ms();
    refuse(p, 400, "{\"InactiveInstanceException\":\"The container instance is not active.\"}");
    handshake(p, true);
    when[1] = clock_mono_ms();
}

static void test_inactive_instance_waits_whatever_else_succeeds(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.inactive_ms = 500;
    f.stop_at_opened = 1;
    start(&f, both_and_a_report, inactive_then_open);
    report_after_trouble(&f);
    run(&f);
    assert_int_equal(f.n_accepted, 1);
    tear_down(&f);
    assert_true(when[1] - when[0] >= 490);
}

static void report_before_registration(struct peer *p, void *arg)
{
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 503, "<html>");
    serve_report(p);
    serve_register(p, arg);
}

static void test_accepted_report_calls_registration_out_of_backoff(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.unreachable = (struct backoff_rule){ LONG_MS, 100, LONG_MS, 0 };
    f.stop_at_registered = true;
    start(&f, report_before_registration, NULL);
    report_after_trouble(&f);
    run(&f);
    assert_int_equal(f.registered, 1);
    tear_down(&f);
}

static void three_reports(struct peer *p, void *arg)
{
    serve_register(p, arg);
    serve(p, ".DiscoverPollEndpoint", "\"zoneId\":\"\"}", 500, "{}");
    serve(p, ".SubmitTaskStateChange", "{\"cluster\":\"demo\"}", 400,
          "{\"__type\":\"InvalidParameterException\",\"message\":\"no such task\"}");
    serve(p, ".SubmitTaskStateChange", "{\"cluster\":\"demo\"}", 500, "<html>");
    serve_report(p);
}

static void test_outcomes_of_reports(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.session = (struct backoff_rule){ LONG_MS, 100, LONG_MS, 0 };
    f.stop_at_registered = true;
    start(&f, three_reports, NULL);
    run(&f);
    for (int i = 1; i <= 4; i++) {
        static const char *const bodies[] = { "{}", " { } ", "{\"task\":\"" T1 "\"}", "nonsense" };

        f.stop_at_reported = i;
        control_report(f.control, 7, str_of(bodies[i - 1]));
        assert_int_equal(f.n_reported, i - 1);
        run(&f);
        if (i == 1)
            assert_non_null(strstr(f.report_error, "InvalidParameterException: no such task"));
        if (i == 2)
            assert_non_null(strstr(f.report_error, "status 500, '<html>'"));
    }
    assert_int_equal(f.n_accepted, 1);
    assert_int_equal(f.n_refused, 2);
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
        cmocka_unit_test(test_registration_outlives_strange_answers),
        cmocka_unit_test(test_registration_fails_for_good),
        cmocka_unit_test(test_default_cluster_is_created),
        cmocka_unit_test(test_new_cluster_is_waited_for),
        cmocka_unit_test(test_how_a_session_ends_decides_when_the_next_begins),
        cmocka_unit_test(test_too_long_message_ends_only_the_session),
        cmocka_unit_test(test_silence_is_cut),
        cmocka_unit_test(test_old_session_ends_in_peace),
        cmocka_unit_test(test_known_endpoint_outlives_its_time),
        cmocka_unit_test(test_unusable_endpoints),
        cmocka_unit_test(test_accepted_report_calls_the_session_out_of_backoff),
        cmocka_unit_test(test_inactive_instance_waits_whatever_else_succeeds),
        cmocka_unit_test(test_accepted_report_calls_registration_out_of_backoff),
        cmocka_unit_test(test_outcomes_of_reports),
        cmocka_unit_test(test_destroy_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
