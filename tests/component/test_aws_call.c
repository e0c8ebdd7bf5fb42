/* links: aws io */
/* Calls to a service that is slow, wrong, busy or not there, on real sockets. */
#include "support/aws_world.h"

/* ---- what a call is ---- */

static void test_json(void **state)
{
    static const struct step steps[] = {
        { .expect = "POST / HTTP/1.1\r\n",
          .expect_too = "\r\nX-Amz-Target: Demo_1.DoIt\r\n",
          .body = "{\"a\":1}",
          .status = 200,
          .headers = "X-Test: yes\r\n",
          .answer = "{\"b\":2}" },
        { .expect = "\r\nUser-Agent: Agent/1\r\n",
          .expect_too = "SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=",
          .absent = "X-Amz-Security-Token",
          .status = 200 },
        { .expect = "\r\nUser-Agent: Other/2\r\n",
          .expect_too = "\r\nContent-Type: application/x-amz-json-1.1\r\n",
          .status = 200 },
        { .expect = "Credential=ROLE/",
          .expect_too = "\r\nX-Amz-Security-Token: TOKEN\r\n",
          .status = 200 },
    };
    struct fixture f;
    struct aws_call_args args;

    (void)state;
    SET_UP(&f, steps);
    args = json_args(&f, 0);
    args.body = str_of("{\"a\":1}");
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_OK);
    assert_string_equal(f.body, "{\"b\":2}");
    assert_string_equal(f.header, "yes");
    assert_string_equal(f.code, "");
    assert_int_equal(f.status, 200);
    run(&f, &args);
    args.user_agent = "Other/2";
    run(&f, &args);
    args.keys = &(struct sigv4_keys){ "ROLE", "SK", "TOKEN" };
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_OK);
    tear_down(&f);
}

static void test_query(void **state)
{
    static const struct step steps[] = {
        { .expect = "\r\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\r\n",
          .expect_too = "SignedHeaders=content-type;host;x-amz-date,",
          .absent = "X-Amz-Target",
          .body = "Action=DoIt&Version=1",
          .status = 200,
          .answer = "<DoItResponse><a>1</a></DoItResponse>" },
        { .expect = "POST / ",
          .absent = "Authorization",
          .status = 400,
          .answer = "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>no &amp; no"
                    "</Message></Error></ErrorResponse>" },
        { .status = 200, .answer = "<html>log in</html>" },
    };
    struct fixture f;
    struct aws_call_args args;

    (void)state;
    SET_UP(&f, steps);
    args = json_args(&f, 3);
    args.protocol = AWS_QUERY;
    args.body = str_of("Action=DoIt&Version=1");
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_OK);
    assert_string_equal(f.body, "<DoItResponse><a>1</a></DoItResponse>");
    args.anonymous = true;
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_INVALID);
    assert_string_equal(f.err.msg, "DoIt: InvalidIdentityToken: no & no");
    run(&f, &args);
    assert_string_equal(f.err.msg,
                        "DoIt: the answer is not XML: status 200, '<html>log in</html>'");
    tear_down(&f);
}

static void test_rest(void **state)
{
    static const struct step steps[] = {
        { .expect = "GET /bucket/a%20b//../c?versionId=1 HTTP/1.1\r\n",
          .expect_too = "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,",
          .status = 206,
          .answer = "some bytes" },
        { .expect = "\r\nRange: bytes=0-9\r\n",
          .expect_too = "\r\nX-Amz-Content-Sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934c"
                        "a495991b7852b855\r\n",
          .absent = "Content-Type",
          .status = 404,
          .answer = "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>" },
        { .expect = "HEAD /bucket/", .status = 404, .headers = "X-Test: eu\r\n" },
        { .expect = "HEAD /bucket/", .status = 301, .headers = "X-Test: us\r\n" },
    };
    const struct http_header range = { "Range", "bytes=0-9" };
    struct fixture f;
    struct aws_call_args args;

    (void)state;
    SET_UP(&f, steps);
    args = (struct aws_call_args){ .service = &f.service,
                                   .protocol = AWS_REST,
                                   .operation = "GetObject",
                                   .method = "GET",
                                   .path = "/bucket/a%20b//../c?versionId=1",
                                   .headers = &range,
                                   .n_headers = 1,
                                   .attempts = 3 };
    run(&f, &args);
    assert_int_equal(f.status, 206);
    assert_string_equal(f.body, "some bytes");
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_NOT_FOUND);
    assert_string_equal(f.err.msg, "GetObject: NoSuchKey");

    args.operation = "HeadBucket";
    args.method = "HEAD";
    args.path = "/bucket/";
    args.n_headers = 0;
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_NOT_FOUND);
    assert_string_equal(f.err.msg, "HeadBucket: status 404");
    assert_string_equal(f.header, "eu");
    run(&f, &args);
    assert_int_equal(f.status, 301);
    assert_int_equal(f.err.code, ERR_INVALID);
    assert_string_equal(f.header, "us");
    tear_down(&f);
}

static void test_what_is_never_sent(void **state)
{
    static const struct http_header many[5] = { { "a", "" } };
    struct fixture f;
    struct aws_call_args args;

    (void)state;
    set_up(&f, NULL, 0);
    args = json_args(&f, 3);
    args.body = (struct str){ "", (size_t)1 << 30 };
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_LIMIT);

    args = (struct aws_call_args){ .service = &f.service,
                                   .protocol = AWS_REST,
                                   .operation = "Get",
                                   .method = "GET",
                                   .path = "/",
                                   .headers = many,
                                   .n_headers = COUNT_OF(many) };
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_LIMIT);
    assert_string_equal(f.err.msg, "Get: 5 headers are too many");

    args = json_args(&f, 3);
    args.keys = &(struct sigv4_keys){ "", "", NULL };
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_DENIED);
    assert_string_equal(f.err.msg, "DoIt: no access key to sign with");

    /* Nor is it tried again when there are no keys. */
    args.keys = NULL;
    credentials_destroy(f.credentials);
    f.credentials = credentials_from(&f, nothing);
    run(&f, &args);
    assert_int_not_equal(f.err.code, ERR_OK);
    assert_true(str_starts(f.err.msg, "DoIt: "));
    assert_int_equal(aws_retry_tokens(f.aws), AWS_RETRY_TOKENS);
    tear_down(&f);
}

/* ---- trying again ---- */

#define THROTTLED "{\"__type\":\"ThrottlingException\",\"message\":\"slow down\"}"

static void test_busy_then_well(void **state)
{
    static const struct step steps[] = {
        { .status = 500, .answer = "{}" },
        { .status = 400, .answer = THROTTLED },
        { .status = 200, .answer = "{\"ok\":1}" },
        { .status = 200, .answer = "{\"ok\":2}" },
    };
    struct fixture f;
    struct aws_call_args args;

    (void)state;
    SET_UP(&f, steps);
    args = json_args(&f, 3);
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_OK);
    assert_string_equal(f.body, "{\"ok\":1}");
    assert_int_equal(aws_retry_tokens(f.aws), AWS_RETRY_TOKENS - 2 * 5 + 1);
    run(&f, &args);
    assert_int_equal(aws_retry_tokens(f.aws), AWS_RETRY_TOKENS - 2 * 5 + 2);
    tear_down(&f);
}

static void test_attempts_run_out(void **state)
{
    static const struct step steps[] = {
        { .status = 400, .answer = THROTTLED }, { .status = 400, .answer = THROTTLED },
        { .status = 400, .answer = THROTTLED }, { .status = 503, .answer = "" },
        { .status = 503, .answer = "" },
    };
    struct fixture f;
    struct aws_call_args args;

    (void)state;
    SET_UP(&f, steps);
    args = json_args(&f, 3);
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_RETRY);
    assert_string_equal(f.code, "ThrottlingException");
    assert_string_equal(f.err.msg, "DoIt: ThrottlingException: slow down");
    assert_int_equal(atomic_load(&f.n_requests), 3);
    assert_int_equal(aws_retry_tokens(f.aws), AWS_RETRY_TOKENS - 2 * 5);
    /* One is one, and none is one too. */
    for (int attempts = 0; attempts < 2; attempts++) {
        args = json_args(&f, attempts);
        run(&f, &args);
        assert_int_equal(f.err.code, ERR_RETRY);
        assert_string_equal(f.err.msg, "DoIt: the answer is empty: status 503");
    }
    assert_int_equal(aws_retry_tokens(f.aws), AWS_RETRY_TOKENS - 2 * 5);
    tear_down(&f);
}

/* AWS_MAX_ATTEMPTS is for those that try again, not for those that leave it to the caller. */
static void test_the_number_of_attempts_is_set(void **state)
{
    static const struct step steps[] = { { .status = 503, .answer = "" },
                                         { .status = 503, .answer = "" },
                                         { .status = 503, .answer = "" } };
    struct fixture f;
    struct aws_call_args args;

    (void)state;
    SET_UP(&f, steps);
    f.aws->max_attempts = 2;
    args = json_args(&f, 3);
    run(&f, &args);
    assert_int_equal(atomic_load(&f.n_requests), 2);
    args = json_args(&f, 1);
    run(&f, &args);
    assert_int_equal(atomic_load(&f.n_requests), 3);
    tear_down(&f);
}

static void test_what_is_not_tried_again(void **state)
{
    static const struct step steps[] = {
        { .status = 400, .answer = "{\"__type\":\"InvalidParameterException\"}" },
        { .status = 400, .answer = "{\"__type\":\"ServerException\"}" },
        { .status = 403, .answer = "{\"__type\":\"AccessDeniedException\"}" },
        { .status = 429, .answer = "{}" },
        { .status = 501, .answer = "{}" },
        { .status = 200, .answer = "<html>log in</html>" },
        { .status = 200, .answer = "{\"cut" },
        { .status = 200, .answer = "{\"long\":\"0123456789012345678901234567890123456789\"}" },
    };
    static const enum err_code want[] = { ERR_INVALID, ERR_RETRY, ERR_DENIED, ERR_RETRY,
                                          ERR_RETRY,   ERR_RETRY, ERR_RETRY,  ERR_LIMIT };
    struct fixture f;
    struct aws_call_args args;

    (void)state;
    SET_UP(&f, steps);
    args = json_args(&f, 3);
    args.max_answer = 45;
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        run(&f, &args);
        assert_int_equal(f.err.code, want[i]);
    }
    assert_int_equal(atomic_load(&f.n_requests), COUNT_OF(steps));
    assert_int_equal(aws_retry_tokens(f.aws), AWS_RETRY_TOKENS);
    tear_down(&f);
}

static void test_the_bucket_is_empty(void **state)
{
    static const struct step steps[] = {
        { .status = 500, .answer = "{}" },
        { .status = 200, .answer = "{}" },
        { .status = 500, .answer = "{}" },
        { .status = 200, .answer = "{}" },
    };
    struct fixture f;
    struct aws_call_args args;

    (void)state;
    SET_UP(&f, steps);
    while (aws_retry_tokens(f.aws) >= 5)
        assert_true(aws_retry_take(f.aws, false));
    for (int i = 0; i < 4; i++)
        aws_retry_succeeded(f.aws);
    args = json_args(&f, 3);
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_RETRY);
    assert_int_equal(atomic_load(&f.n_requests), 1);
    /* A success earns the fifth token, which one retry needs. */
    run(&f, &args);
    assert_int_equal(aws_retry_tokens(f.aws), 5);
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_OK);
    assert_int_equal(aws_retry_tokens(f.aws), 1);
    tear_down(&f);
}

static void test_the_service_says_when(void **state)
{
    static const struct step steps[] = {
        { .status = 503, .headers = "Retry-After: 1\r\n" },
        { .status = 200, .answer = "{}" },
    };
    struct fixture f;
    struct aws_call_args args;
    int64_t before;

    (void)state;
    SET_UP(&f, steps);
    args = json_args(&f, 3);
    before = clock_mono_ms();
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_OK);
    assert_true(clock_mono_ms() - before >= 1000);
    tear_down(&f);
}

static void test_connection_trouble(void **state)
{
    static const struct step steps[] = {
        { .then = RESETS },
        { .status = 500, .then = CLOSES },
        { .status = 200, .answer = "{}" },
    };
    struct fixture f;
    struct aws_call_args args;

    (void)state;
    SET_UP(&f, steps);
    args = json_args(&f, 3);
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_OK);
    assert_int_equal(aws_retry_tokens(f.aws), AWS_RETRY_TOKENS - 2 * 5 + 1);

    f.service.endpoint = "http://127.0.0.1:1/";
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_RETRY);
    assert_int_equal(f.status, 0);
    assert_string_equal(f.code, "");
    assert_int_equal(aws_retry_tokens(f.aws), AWS_RETRY_TOKENS - 4 * 5 + 1);
    tear_down(&f);
}

/* With pauses of minutes this would take too long. */
static void test_pauses_have_a_limit(void **state)
{
    static const struct step steps[] = { { .status = 500 }, { .status = 500 }, { .status = 200 } };
    struct fixture f;
    struct aws_call_args args;

    (void)state;
    SET_UP(&f, steps);
    aws_set_backoff_ms(f.aws, 600000);
    args = json_args(&f, 3);
    args.retry_max_ms = 10;
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_OK);
    assert_int_equal(atomic_load(&f.n_requests), 3);
    tear_down(&f);
}

static void test_timeout(void **state)
{
    static const struct step steps[] = { { .then = IS_SILENT }, { .then = IS_SILENT } };
    struct fixture f;
    struct aws_call_args args;

    (void)state;
    SET_UP(&f, steps);
    args = json_args(&f, 2);
    args.timeout_ms = 1500;
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_TIMEOUT);
    assert_int_equal(atomic_load(&f.n_requests), 2);
    /* It costs twice as much. */
    assert_int_equal(aws_retry_tokens(f.aws), AWS_RETRY_TOKENS - 10);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_rest),
        cmocka_unit_test(test_what_is_never_sent),
        cmocka_unit_test(test_busy_then_well),
        cmocka_unit_test(test_attempts_run_out),
        cmocka_unit_test(test_the_number_of_attempts_is_set),
        cmocka_unit_test(test_what_is_not_tried_again),
        cmocka_unit_test(test_the_bucket_is_empty),
        cmocka_unit_test(test_the_service_says_when),
        cmocka_unit_test(test_connection_trouble),
        cmocka_unit_test(test_pauses_have_a_limit),
        cmocka_unit_test(test_timeout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
