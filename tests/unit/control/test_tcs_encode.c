/* What goes out on the telemetry session: its URL, its signed frame and its messages, byte for
 * byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/acs_url.h"
#include "control/tcs_encode.h"

#define CI \
    "arn:aws:ecs:us-west-2:111122223333:container-instance/demo/0123456789abcdef0123456789abcdef"
#define NOW      1767323045000 /* 2026-01-02T03:04:05Z */
#define META(id) "\"metadata\":{\"cluster\":\"demo\",\"containerInstance\":\"CI\",\"" id "\":\"M1\""

static const struct acs_url_args place = { .endpoint = "https://ecs-t-1.us-west-2.amazonaws.com",
                                           .agent_hash = "0a1b2c3d",
                                           .agent_version = "1.0.0",
                                           .cluster = "demo",
                                           .instance_arn = CI,
                                           .docker_version = "25.0.8" };
static const struct sigv4_keys keys = { .access_key = "AKIDEXAMPLE",
                                        .secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                                        .session_token = "SESSIONTOKENEXAMPLE" };

static void test_url(void **state)
{
    struct acs_url_args a = place;
    AUTO(buf) struct buf b = BUF_INIT(4096);
    AUTO(buf) struct buf tiny = BUF_INIT(60);
    struct err e = { 0 };

    (void)state;
    a.instance_arn = "arn:aws:ecs:r:1:container-instance/demo/01";
    a.docker_version = "20.10.24+dfsg1";
    assert_int_equal(tcs_url(&a, &b, &e), ERR_OK);
    assert_string_equal(buf_text(&b),
                        "https://ecs-t-1.us-west-2.amazonaws.com/ws?agentHash=0a1b2c3d"
                        "&agentVersion=1.0.0&cluster=demo&containerInstance=arn%3Aaws%3Aecs%3Ar%3A1"
                        "%3Acontainer-instance%2Fdemo%2F01&dockerVersion=20.10.24%2Bdfsg1");
    a.endpoint = "http://127.0.0.1:4000/tcs/";
    a.docker_version = NULL;
    assert_int_equal(tcs_url(&a, &b, &e), ERR_OK);
    assert_string_equal(buf_text(&b),
                        "http://127.0.0.1:4000/tcs/ws?agentHash=0a1b2c3d&agentVersion=1.0.0"
                        "&cluster=demo&containerInstance=arn%3Aaws%3Aecs%3Ar%3A1"
                        "%3Acontainer-instance%2Fdemo%2F01");
    assert_int_equal(tcs_url(&a, &tiny, &e), ERR_LIMIT);
    a.endpoint = "https://somewhere/?x=1";
    assert_int_equal(tcs_url(&a, &b, &e), ERR_INVALID);
}

/* The vector of acs-tcs 5.2. */
static void test_frame(void **state)
{
    static const char message[] = "{\"type\":\"PublishMetricsRequest\",\"message\":{\"metadata\":{"
                                  "\"cluster\":\"demo\",\"fin\":true,\"idle\":true}}}";
    struct sigv4_keys without = keys, none = { 0 };
    AUTO(buf) struct buf url = BUF_INIT(4096);
    AUTO(buf) struct buf b = BUF_INIT(4096);
    AUTO(buf) struct buf tiny = BUF_INIT(sizeof message + 100);
    struct err e = { 0 };

    (void)state;
    assert_int_equal(tcs_url(&place, &url, &e), ERR_OK);
    assert_int_equal(tcs_frame(&b, buf_text(&url), "us-west-2", &keys, NOW, str_of(message), &e),
                     ERR_OK);
    assert_string_equal(
        buf_text(&b),
        "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-west-2/ecs/"
        "aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token, Signature="
        "e8dda6c53dc4ff6909fc96a587f23758e312416b823160d939fde507d9efbcd7\r\n"
        "Host: ecs-t-1.us-west-2.amazonaws.com\r\n"
        "X-Amz-Date: 20260102T030405Z\r\n"
        "X-Amz-Security-Token: SESSIONTOKENEXAMPLE\r\n"
        "\r\n"
        "{\"type\":\"PublishMetricsRequest\",\"message\":{\"metadata\":{"
        "\"cluster\":\"demo\",\"fin\":true,\"idle\":true}}}");

    without.session_token = "";
    assert_int_equal(tcs_frame(&b, buf_text(&url), "us-west-2", &without, NOW, str_of(message), &e),
                     ERR_OK);
    assert_non_null(strstr(buf_text(&b), "SignedHeaders=host;x-amz-date, Signature="));
    assert_null(strstr(buf_text(&b), "Token"));
    assert_non_null(strstr(buf_text(&b), "Z\r\n\r\n{\"type\""));

    assert_int_equal(tcs_frame(&tiny, buf_text(&url), "us-west-2", &keys, NOW, str_of(message), &e),
                     ERR_LIMIT);
    assert_int_equal(tcs_frame(&b, buf_text(&url), "us-west-2", &none, NOW, str_of(message), &e),
                     ERR_DENIED);
}

static void test_messages(void **state)
{
    static const struct tcs_head h = { "demo", "CI", "M1", NOW + 120 };
    AUTO(buf) struct buf b = BUF_INIT(4096);
    AUTO(buf) struct buf tiny = BUF_INIT(50);
    struct str none = { 0 };

    (void)state;
    assert_true(tcs_put_metrics(&b, &h, true, true, none));
    assert_string_equal(
        buf_text(&b),
        "{\"type\":\"PublishMetricsRequest\",\"message\":{" META(
            "messageId") ",\"idle\":true,\"fin\":true},\"timestamp\":1767323045.12}}");
    assert_true(tcs_put_metrics(&b, &h, false, false, str_of("{\"a\":1},{\"a\":2}")));
    assert_string_equal(
        buf_text(&b),
        "{\"type\":\"PublishMetricsRequest\",\"message\":{" META(
            "messageId") ",\"idle\":false,\"fin\":false},\"taskMetrics\":[{\"a\":1},{\"a\":2}],"
                         "\"timestamp\":1767323045.12}}");
    assert_true(tcs_put_health(&b, &h, true, str_of("{\"t\":1}")));
    assert_string_equal(
        buf_text(&b),
        "{\"type\":\"PublishHealthRequest\",\"message\":{" META(
            "messageId") ",\"fin\":true},\"tasks\":[{\"t\":1}],\"timestamp\":1767323045.12}}");
    assert_false(tcs_put_metrics(&tiny, &h, true, true, none));
    assert_false(tcs_put_health(&tiny, &h, true, none));
}

static void assert_status(const struct tcs_runtime *r, const char *want)
{
    static const struct tcs_head h = { "demo", "CI", "M1", NOW };
    AUTO(buf) struct buf b = BUF_INIT(4096);

    assert_true(tcs_put_status(&b, &h, r));
    assert_non_null(
        strstr(buf_text(&b), "{\"type\":\"PublishInstanceStatusRequest\",\"message\":{" META(
                                 "requestId") "},\"statuses\":[{"));
    assert_non_null(strstr(buf_text(&b), want));
    assert_non_null(strstr(buf_text(&b), "}],\"timestamp\":1767323045}}"));
}

/* The time of a check is told with the one that follows; a change is told at once. */
static void test_instance_status(void **state)
{
    struct tcs_runtime r;

    (void)state;
    tcs_runtime_init(&r, 1000);
    assert_status(&r, "{\"type\":\"ContainerRuntime\",\"status\":\"INITIALIZING\","
                      "\"lastUpdated\":1,\"lastStatusChange\":1}");
    tcs_runtime_note(&r, true, 2000);
    assert_status(&r, "\"status\":\"OK\",\"lastUpdated\":1,\"lastStatusChange\":2}");
    tcs_runtime_note(&r, true, 3000);
    assert_status(&r, "\"status\":\"OK\",\"lastUpdated\":2,\"lastStatusChange\":2}");
    tcs_runtime_note(&r, false, 4500);
    assert_status(&r, "\"status\":\"IMPAIRED\",\"lastUpdated\":3,\"lastStatusChange\":4.5}");
    tcs_runtime_note(&r, true, 5000);
    assert_status(&r, "\"status\":\"OK\",\"lastUpdated\":4.5,\"lastStatusChange\":5}");

    /* A first check that fails is a change too. */
    tcs_runtime_init(&r, 1000);
    tcs_runtime_note(&r, false, 2000);
    assert_status(&r, "\"status\":\"IMPAIRED\",\"lastUpdated\":1,\"lastStatusChange\":2}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url),
        cmocka_unit_test(test_frame),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_instance_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
