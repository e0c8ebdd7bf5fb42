/* links: aws io */
/* The instance's keys from a scripted metadata server and from a file, and calls
 * that are signed with them. (The other sources: test_credential_sources.c.) */
#include "support/check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "aws/aws_call.h"
#include "aws/credentials.h"
#include "aws/imds.h"
#include "base/clock.h"
#include "base/mem.h"
#include "support/peer.h"

struct fixture {
    struct loop *loop;
    struct http_client *http;
    struct aws *aws;
    struct credentials *credentials;
    struct imds *imds;
    struct peer *peer;
    struct loop_timer *guard;
    struct loop_timer *poll;
    atomic_bool asked_again; /* by the peer: a refresh has come to it */
    const char *file;        /* AWS_SHARED_CREDENTIALS_FILE */
    int n_done, stop_at;
    char got[2048];
    enum err_code code;
};

static const char *look_up(void *user, const char *name)
{
    struct fixture *f = user;

    if (streq(name, "AWS_CONFIG_FILE"))
        return "/no/such/config";
    return streq(name, "AWS_SHARED_CREDENTIALS_FILE") ? f->file : NULL;
}

static void on_guard(void *user)
{
    (void)user;
    fail_msg("the test took too long");
}

static void set_up(struct fixture *f, peer_script *script)
{
    memset(f, 0, sizeof *f);
    f->file = "/no/such/credentials";
    f->loop = loop_create();
    f->http = http_client_create(f->loop, &(struct http_client_config){ 0 });
    f->peer = peer_start(script, f);
    f->aws = aws_create(&(struct aws_args){
        .http = f->http, .region = "us-west-2", .env = look_up, .env_user = f, .seed = 1 });
    f->imds = imds_create(
        &(struct imds_args){ .http = f->http, .base = peer_url(f->peer, "http", "/"), .seed = 1 });
    f->credentials =
        credentials_create(&(struct credentials_args){ .aws = f->aws,
                                                       .imds = f->imds,
                                                       .env = look_up,
                                                       .env_user = f,
                                                       .rotating_file = "/no/such/rotating" });
    f->guard = loop_timer_create(f->loop, on_guard, f);
    loop_timer_arm(f->guard, 25000);
}

static void tear_down(struct fixture *f)
{
    const char *bad;

    credentials_destroy(f->credentials);
    imds_destroy(f->imds);
    aws_destroy(f->aws);
    loop_timer_destroy(f->guard);
    http_client_destroy(f->http);
    loop_destroy(f->loop);
    if ((bad = peer_stop(f->peer)))
        fail_msg("%s", bad);
}

static void done(struct fixture *f, const char *text, const struct err *e)
{
    snprintf(f->got, sizeof f->got, "%s", e->code ? e->msg : text);
    f->code = e->code;
    if (++f->n_done == f->stop_at)
        loop_stop(f->loop);
}

static void on_keys(void *user, const struct sigv4_keys *keys, const struct err *e)
{
    AUTO(str)
    char *text = keys ? mem_printf("%s/%s/%s", keys->access_key, keys->secret_key,
                                   keys->session_token ? keys->session_token : "-")
                      : NULL;

    assert_true(!keys == !!e->code);
    done(user, text, e);
}

static void get_keys(struct fixture *f, int times)
{
    f->stop_at = f->n_done + times;
    for (int i = 0; i < times; i++)
        credentials_get(f->credentials, on_keys, f);
    loop_run(f->loop);
}

/* ---- the server's side ---- */

static void serve(struct peer *p, const char *line, const char *header, int status,
                  const char *body)
{
    AUTO(str)
    char *answer = mem_printf("HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                              status, strlen(body), body);
    const char *head;

    peer_accept(p);
    head = peer_head(p);
    if (!str_starts(head, line) || (header && !strstr(head, header)) ||
        (!header && strstr(head, "X-aws-ec2-metadata-token")))
        peer_fail(p, "expected %s with %s, got %s", line, header ? header : "no token", head);
    peer_send(p, answer);
    peer_close(p);
}

static void serve_token(struct peer *p, const char *token)
{
    serve(p, "PUT /latest/api/token ", "X-aws-ec2-metadata-token-ttl-seconds: 300", 200, token);
}

static void serve_keys(struct peer *p, const char *header, const char *access, int64_t valid_ms)
{
    char until[CLOCK_ISO_SIZE];
    AUTO(str) char *body = NULL;

    clock_iso(clock_wall_ms() + valid_ms, until);
    body = mem_printf("{\"Code\":\"Success\",\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"s\","
                      "\"Token\":\"t\",\"Expiration\":\"%s\"}",
                      access, until);
    serve(p, "GET /latest/meta-data/iam/security-credentials/ ", header, 200, "web-role\nother");
    serve(p, "GET /latest/meta-data/iam/security-credentials/web-role ", header, 200, body);
}

static void twice(struct peer *p, void *arg)
{
    (void)arg;
    serve_token(p, "TOK");
    serve_keys(p, "X-aws-ec2-metadata-token: TOK\r\n", "AK1", 3600000);
    serve_keys(p, "X-aws-ec2-metadata-token: TOK\r\n", "AK2", 3600000);
}

static void test_one_fetch_for_all_until_invalid(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, twice);
    get_keys(&f, 3);
    assert_string_equal(f.got, "AK1/s/t");
    get_keys(&f, 1);
    assert_string_equal(f.got, "AK1/s/t");
    credentials_invalidate(f.credentials);
    get_keys(&f, 2);
    assert_string_equal(f.got, "AK2/s/t");
    tear_down(&f);
}

static void soon_over(struct peer *p, void *arg)
{
    (void)arg;
    serve_token(p, "TOK");
    serve_keys(p, "TOK", "AKOLD", -1000);
    serve_keys(p, "TOK", "AKNEW", 3600000);
}

/* The service gives no keys that are over: this clock is wrong, as the first call will tell. */
static void test_expired_keys_are_tried(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, soon_over);
    get_keys(&f, 1);
    assert_string_equal(f.got, "AKOLD/s/t");
    credentials_invalidate(f.credentials);
    get_keys(&f, 1);
    assert_string_equal(f.got, "AKNEW/s/t");
    tear_down(&f);
}

static void without_tokens(struct peer *p, void *arg)
{
    (void)arg;
    serve(p, "PUT /latest/api/token ", "X-aws-ec2-metadata-token-ttl-seconds", 403, "no");
    serve_keys(p, NULL, "AKV1", 3600000);
}

static void test_old_service_without_tokens(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, without_tokens);
    get_keys(&f, 1);
    assert_string_equal(f.got, "AKV1/s/t");
    tear_down(&f);
}

static void no_role(struct peer *p, void *arg)
{
    (void)arg;
    serve_token(p, "TOK");
    serve(p, "GET /latest/meta-data/iam/security-credentials/ ", "TOK", 404, "");
}

static void test_nothing_anywhere_names_every_source(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, no_role);
    get_keys(&f, 2);
    assert_int_equal(f.code, ERR_DENIED);
    assert_non_null(strstr(f.got, "AWS_ACCESS_KEY_ID is not set"));
    assert_non_null(strstr(f.got, "/no/such/credentials"));
    assert_non_null(strstr(f.got, "status 404"));
    assert_non_null(strstr(f.got, "AWS_WEB_IDENTITY_TOKEN_FILE is not set"));
    assert_non_null(strstr(f.got, "AWS_CONTAINER_CREDENTIALS_* is not set"));
    assert_non_null(strstr(f.got, "/no/such/rotating"));
    assert_non_null(strstr(f.got, "; give the instance a role"));
    tear_down(&f);
}

static void nobody(struct peer *p, void *arg)
{
    (void)p;
    (void)arg;
}

static void test_shared_file_comes_before_metadata(void **state)
{
    static const char text[] = "[default]\naws_access_key_id=AKF\naws_secret_access_key=sf\n";
    char path[] = "/tmp/berth-credentials-XXXXXX";
    int fd = mkstemp(path);
    struct fixture f;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    set_up(&f, nobody);
    f.file = path;
    get_keys(&f, 2);
    assert_string_equal(f.got, "AKF/sf/-");
    tear_down(&f);
    unlink(path);
}

static void stuck(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_head(p);
    peer_expect_eof(p);
}

static void never(void *user, const struct sigv4_keys *keys, const struct err *e)
{
    (void)user;
    (void)keys;
    (void)e;
    fail_msg("a canceled request was answered");
}

static void stop_soon(void *user)
{
    struct fixture *f = user;

    loop_stop(f->loop);
}

static void test_cancel_and_destroy_are_silent(void **state)
{
    struct fixture f;
    struct loop_timer *t;

    (void)state;
    set_up(&f, stuck);
    credentials_cancel(credentials_get(f.credentials, never, &f));
    credentials_get(f.credentials, never, &f);
    t = loop_timer_create(f.loop, stop_soon, &f);
    loop_timer_arm(t, 50);
    loop_run(f.loop);
    loop_timer_destroy(t);
    tear_down(&f);
}

static void nearly_over(struct peer *p, void *arg)
{
    struct fixture *f = arg;

    serve_token(p, "TOK");
    serve_keys(p, "TOK", "AKOLD", 3600000);
    peer_accept(p);
    peer_head(p);
    atomic_store(&f->asked_again, true);
    peer_expect_eof(p);
}

static void end_all(void *user, const struct sigv4_keys *keys, const struct err *e)
{
    struct fixture *f = user;

    credentials_destroy(f->credentials);
    imds_destroy(f->imds);
    aws_destroy(f->aws);
    http_client_destroy(f->http);
    f->credentials = NULL;
    f->imds = NULL;
    f->aws = NULL;
    f->http = NULL;
    on_keys(user, keys, e);
}

static void once_asked_again(void *user)
{
    struct fixture *f = user;

    if (!atomic_load(&f->asked_again)) {
        loop_timer_arm(f->poll, 5);
        return;
    }
    credentials_get(f->credentials, end_all, f);
    credentials_get(f->credentials, never, f);
}

/* Old keys are given out while new ones are asked for, and who gets them ends everything. */
static void test_destroy_in_a_callback_ends_the_fetch(void **state)
{
    time_t later = time(NULL) + 3400;
    struct fixture f;
    char date[64];

    (void)state;
    set_up(&f, nearly_over);
    get_keys(&f, 1);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&later));
    assert_true(aws_learn_time(f.aws, date));
    get_keys(&f, 1); /* begins a refresh */
    f.poll = loop_timer_create(f.loop, once_asked_again, &f);
    loop_timer_arm(f.poll, 0);
    f.stop_at++;
    loop_run(f.loop);
    assert_string_equal(f.got, "AKOLD/s/t");
    loop_timer_destroy(f.poll);
    tear_down(&f);
}

/* ---- signed calls ---- */

static void on_answer(void *user, const struct aws_result *result)
{
    AUTO(str) char *text = mem_strndup(result->body.p, result->body.n);

    done(user, text, result->e);
}

static void serve_call(struct peer *p, const char *key, int status, const char *body)
{
    AUTO(str) char *credential = mem_printf("Credential=%s/", key);

    peer_accept(p);
    if (!strstr(peer_head(p), credential))
        peer_fail(p, "the call is not signed by %s", key);
    peer_expect(p, "{\"a\":1}");
    {
        AUTO(str)
        char *answer =
            mem_printf("HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                       status, strlen(body), body);

        peer_send(p, answer);
    }
    peer_close(p);
}

static void expired_once(struct peer *p, void *arg)
{
    (void)arg;
    serve_token(p, "TOK");
    serve_keys(p, "TOK", "AKOLD", 3600000);
    serve_call(p, "AKOLD", 400, "{\"__type\":\"ExpiredTokenException\",\"message\":\"old\"}");
    serve_keys(p, "TOK", "AKNEW", 3600000);
    serve_call(p, "AKNEW", 200, "{\"good\":true}");
    serve_call(p, "AKNEW", 400, "{\"__type\":\"ExpiredTokenException\",\"message\":\"old\"}");
    serve_keys(p, "TOK", "AKNEW2", 3600000);
    serve_call(p, "AKNEW2", 400, "{\"__type\":\"ExpiredTokenException\",\"message\":\"old\"}");
    /* Keys of a task's role are not ours to renew. */
    serve_call(p, "AKROLE", 400, "{\"__type\":\"ExpiredTokenException\",\"message\":\"role\"}");
}

static void test_call_renews_expired_keys_once(void **state)
{
    struct sigv4_keys role = { "AKROLE", "s", NULL };
    struct aws_service service = { NULL, "us-west-2", "ecs", "Target" };
    struct aws_call_args args = { .service = &service,
                                  .operation = "Do",
                                  .body = str_of("{\"a\":1}") };
    AUTO(str) char *endpoint = NULL;
    struct fixture f;

    (void)state;
    set_up(&f, expired_once);
    endpoint = mem_printf("http://127.0.0.1:%d", peer_port(f.peer));
    service.endpoint = endpoint;
    for (f.stop_at = 1; f.stop_at <= 3; f.stop_at++) {
        args.keys = f.stop_at == 3 ? &role : NULL;
        aws_call(f.aws, f.credentials, &args, on_answer, &f);
        loop_run(f.loop);
        if (f.stop_at == 1)
            assert_string_equal(f.got, "{\"good\":true}");
        if (f.stop_at == 2)
            assert_string_equal(f.got, "Do: ExpiredTokenException: old");
    }
    assert_string_equal(f.got, "Do: ExpiredTokenException: role");
    assert_int_equal(f.code, ERR_DENIED);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_fetch_for_all_until_invalid),
        cmocka_unit_test(test_expired_keys_are_tried),
        cmocka_unit_test(test_old_service_without_tokens),
        cmocka_unit_test(test_nothing_anywhere_names_every_source),
        cmocka_unit_test(test_shared_file_comes_before_metadata),
        cmocka_unit_test(test_cancel_and_destroy_are_silent),
        cmocka_unit_test(test_destroy_in_a_callback_ends_the_fetch),
        cmocka_unit_test(test_call_renews_expired_keys_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
