#pragma once
/* control_world: the client of a control plane that is scripted on real sockets: one peer for
 * the ECS API, one for the session, and where a test wants them one for telemetry, one for the
 * instance's metadata and one for EC2. Include it in one file of a program, after cmocka. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    struct aws *aws;
    struct imds *imds;
    struct credentials *credentials;
    struct roles *roles;
    struct config config;
    struct control_timing timing;
    struct control *control;
    struct loop_timer *guard, *poll;
    struct peer *api, *session, *telemetry, *metadata, *ec2;
    const struct tcs_source *source; /* of telemetry; called with the fixture */
    struct control_machine machine;
    const char *instance_arn; /* known from before */
    const char *outpost_arn;  /* what the attributes are to be echoed with */
    char ec2_url[64];
    char *register_answer; /* echoes every attribute */
    struct buf requests;   /* bodies that `serve_and_keep` saw; read after the peer's end */

    int registered, opened, closed, up, failed_code;
    int stop_at_opened; /* ends the loop at this opening */
    bool stop_at_registered, stop_at_closed;
    bool acks_later; /* the first session's payload, together with the next one's */
    char unacked[32];
    char instance_id[64]; /* as registered */
    int stop_at_reported;
    char failed_text[1024];
    int n_payload_tasks, n_bad_tasks, n_stop_acks, n_reported, n_accepted, n_refused;
    char report_error[1024];
};

static char demo[] = "demo", region[] = "us-west-2", family[] = "LINUX", driver[] = "json-file";
static char *drivers[] = { driver };

static const char *look_up(void *user, const char *name)
{
    const struct fixture *f = user;

    return streq(name, "AWS_ACCESS_KEY_ID")                       ? "AKTEST"
           : streq(name, "AWS_SECRET_ACCESS_KEY")                 ? "secret"
           : streq(name, "AWS_SESSION_TOKEN")                     ? "tok"
           : streq(name, "AWS_ENDPOINT_URL_EC2") && f->ec2_url[0] ? f->ec2_url
                                                                  : NULL;
}

static void on_registered(void *user, const char *arn, const char *instance_id)
{
    struct fixture *f = user;

    assert_string_equal(arn, CI);
    snprintf(f->instance_id, sizeof f->instance_id, "%s", instance_id ? instance_id : "");
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
    if (f->acks_later && f->opened == 1) {
        snprintf(f->unacked, sizeof f->unacked, "%s", id);
        return;
    }
    if (f->unacked[0])
        control_ack(f->control, f->unacked);
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

static UNUSED bool status_says(struct fixture *f, const char *text)
{
    AUTO(buf) struct buf status = BUF_INIT(8192);
    struct jw w;

    jw_init(&w, &status);
    control_write_status(f->control, &w);
    return strstr(buf_text(&status), text);
}

static char *make_register_answer(const struct fixture *f)
{
    const struct attribute_facts facts = { .config = &f->config,
                                           .machine = &f->machine,
                                           .docker_api = "1.41",
                                           .outpost_arn = f->outpost_arn,
                                           .first = true,
                                           .task_limits = true };
    struct buf b = BUF_INIT(65536);
    struct attributes a;
    struct jw w;

    attributes_build(&a, &facts);
    jw_init(&w, &b);
    jw_object(&w);
    jw_kobject(&w, "containerInstance");
    jw_kstr(&w, "containerInstanceArn", CI);
    jw_karray(&w, "attributes");
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
                                 .log_drivers = { drivers, 1 } };
    f->timing = control_timing_default;
    f->timing.silence_ms = f->timing.max_age_ms = f->timing.inactive_ms = LONG_MS;
    f->timing.session = (struct backoff_rule){ 20, 100, 20, 0 };
    f->timing.registration = f->timing.unreachable = f->timing.telemetry = f->timing.session;
    f->timing.floor_ms = 20;
    buf_init(&f->requests, 1 << 20);
    f->loop = loop_create();
    f->http = http_client_create(f->loop, &(struct http_client_config){ 0 });
    f->aws = aws_create(&(struct aws_args){
        .http = f->http, .region = region, .env = look_up, .env_user = f, .seed = 1 });
    f->credentials = credentials_create(
        &(struct credentials_args){ .aws = f->aws, .env = look_up, .env_user = f });
    f->roles = roles_create();
    f->guard = loop_timer_create(f->loop, on_guard, f);
}

/* The metadata service; without it the agent has none. */
static UNUSED void use_metadata(struct fixture *f, const char *base)
{
    f->imds = imds_create(&(struct imds_args){ .http = f->http, .base = base, .seed = 1 });
}

static UNUSED void start_metadata(struct fixture *f, peer_script *script)
{
    f->metadata = peer_start(script, f);
    use_metadata(f, peer_url(f->metadata, "http", ""));
}

static UNUSED void start_ec2(struct fixture *f, peer_script *script)
{
    f->ec2 = peer_start(script, f);
    snprintf(f->ec2_url, sizeof f->ec2_url, "http://127.0.0.1:%d", peer_port(f->ec2));
}

/* Before `start`; f->source says what it is told. */
static UNUSED void start_telemetry(struct fixture *f, peer_script *script)
{
    f->telemetry = peer_start(script, f);
}

/* `api` is there in all tests; `session` may be NULL. */
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
    struct control_args args = { .machine = f->machine,
                                 .instance_arn = f->instance_arn,
                                 .docker_version = "20.10.24",
                                 .docker_api = "1.41",
                                 .agent_version = "1.105.1",
                                 .agent_hash = "0a1b2c3d",
                                 .resources = { .cpu_units = 2048, .memory_mib = 1000 },
                                 .seed = 1 };

    f->register_answer = make_register_answer(f);
    if (session)
        f->session = peer_start(session, f);
    f->api = peer_start(api, f);
    f->config.backend_host = mem_strdup(peer_url(f->api, "http", ""));
    args.loop = f->loop;
    args.aws = f->aws;
    args.credentials = f->credentials;
    args.imds = f->imds;
    args.roles = f->roles;
    args.config = &f->config;
    args.telemetry = f->source;
    f->control = control_create(&args, &events, f);
    control_set_timing(f->control, &f->timing);
    control_start(f->control);
    loop_timer_arm(f->guard, GUARD_MS);
}

static const char *stop_peer(struct peer **p)
{
    const char *bad = *p ? peer_stop(*p) : NULL;

    *p = NULL;
    return bad;
}

static void run(struct fixture *f)
{
    loop_run(f->loop);
    if (f->failed_code == -1) {
        const struct {
            const char *name;
            struct peer **peer;
        } peers[] = { { "api", &f->api },
                      { "session", &f->session },
                      { "telemetry", &f->telemetry },
                      { "metadata", &f->metadata },
                      { "ec2", &f->ec2 } };

        for (size_t i = 0; i < COUNT_OF(peers); i++) {
            const char *bad = stop_peer(peers[i].peer);

            print_message("%s: %s\n", peers[i].name, bad ? bad : "content");
        }
        fail_msg("%s", f->failed_text);
    }
}

/* Ends the client, then hears from every peer. */
static void tear_down(struct fixture *f)
{
    const char *bad;

    control_destroy(f->control);
    credentials_destroy(f->credentials);
    roles_destroy(f->roles);
    imds_destroy(f->imds);
    aws_destroy(f->aws);
    http_client_destroy(f->http);
    loop_timer_destroy(f->guard);
    loop_timer_destroy(f->poll);
    loop_destroy(f->loop);
    free(f->config.backend_host);
    if ((bad = stop_peer(&f->api)))
        fail_msg("api: %s", bad);
    if ((bad = stop_peer(&f->session)))
        fail_msg("session: %s", bad);
    if ((bad = stop_peer(&f->telemetry)))
        fail_msg("telemetry: %s", bad);
    if ((bad = stop_peer(&f->metadata)))
        fail_msg("metadata: %s", bad);
    if ((bad = stop_peer(&f->ec2)))
        fail_msg("ec2: %s", bad);
    free(f->register_answer);
    buf_fini(&f->requests);
}

/* ---- the peers' side ---- */

static void answer(struct peer *p, int status, const char *headers, const char *body)
{
    AUTO(buf) struct buf text = BUF_INIT(100000);

    buf_printf(&text, "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
               status, headers, strlen(body), body);
    peer_send(p, buf_text(&text));
    peer_close(p);
}

static void expect_call(struct peer *p, const char *operation)
{
    const char *head;

    peer_accept(p);
    head = peer_head(p);
    if (!strstr(head, operation))
        peer_fail(p, "expected %s, got %s", operation, head);
    if (!strstr(head, "Authorization: AWS4-HMAC-SHA256 Credential=AKTEST/") ||
        !strstr(head, "X-Amz-Security-Token: tok") ||
        !strstr(head, "Content-Type: application/x-amz-json-1.1"))
        peer_fail(p, "a header is missing: %s", head);
}

/* Takes one call whose body ends with `tail`, and answers. */
static UNUSED void serve(struct peer *p, const char *operation, const char *tail, int status,
                         const char *body)
{
    expect_call(p, operation);
    peer_expect(p, tail);
    answer(p, status, "", body);
}

/* The same for any body, which is kept with a line end. */
static UNUSED void serve_and_keep(struct peer *p, struct fixture *f, const char *operation,
                                  int status, const char *body)
{
    struct str request;

    expect_call(p, operation);
    request = peer_body(p);
    buf_append(&f->requests, request.p, request.n);
    buf_putc(&f->requests, '\n');
    answer(p, status, "", body);
}

static void serve_register(struct peer *p, struct fixture *f)
{
    serve(p, "X-Amz-Target: AmazonEC2ContainerServiceV20141113.RegisterContainerInstance",
          "\"clientToken\":\"", 200, f->register_answer);
}

/* Without a peer for the session nobody listens there. */
static UNUSED void serve_discover(struct peer *p, struct fixture *f)
{
    AUTO(str)
    char *body = mem_printf("{\"endpoint\":\"%s\",\"telemetryEndpoint\":\"%s\"}",
                            f->session ? peer_url(f->session, "http", "/") : "http://127.0.0.1:9/",
                            f->telemetry ? peer_url(f->telemetry, "http", "/") : "https://t");

    serve(p, ".DiscoverPollEndpoint", "\"containerInstance\":\"" CI "\",\"zoneId\":\"\"}", 200,
          body);
}

static UNUSED void serve_both(struct peer *p, void *arg)
{
    serve_register(p, arg);
    serve_discover(p, arg);
}

static UNUSED void handshake(struct peer *p, bool send_credentials)
{
    char accept[29];
    AUTO(str) char *upgrade = NULL;
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
    upgrade = mem_printf("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                         peer_ws_key(p, accept));
    peer_send(p, upgrade);
}

static UNUSED void say(struct peer *p, const char *text)
{
    peer_ws_send(p, true, 1, text, strlen(text));
}

static UNUSED void expect(struct peer *p, const char *text)
{
    peer_ws_expect(p, 1, text, strlen(text));
}

static UNUSED void heartbeat(struct peer *p)
{
    say(p, "{\"type\":\"HeartbeatMessage\",\"message\":{\"healthy\":true,\"messageId\":\"hb\"}}");
    expect(p, "{\"type\":\"HeartbeatAckRequest\",\"message\":{\"messageId\":\"hb\"}}");
}

/* ---- a registration that is looked at ---- */

static UNUSED void keep_request(struct peer *p, void *arg)
{
    struct fixture *f = arg;

    serve_and_keep(p, f, ".RegisterContainerInstance", 200, f->register_answer);
}

static UNUSED void register_once(struct fixture *f)
{
    f->stop_at_registered = true;
    start(f, keep_request, NULL);
    run(f);
    assert_int_equal(f->failed_code, 0);
    assert_int_equal(f->registered, 1);
}

/* After the peer's end: what it saw may be read. */
static UNUSED void has(struct fixture *f, const char *text, bool wanted)
{
    const char *bad = stop_peer(&f->api);

    if (bad)
        fail_msg("api: %s", bad);
    if (!strstr(buf_text(&f->requests), text) == wanted)
        fail_msg("%s '%s': %s", wanted ? "without" : "with", text, buf_text(&f->requests));
}
