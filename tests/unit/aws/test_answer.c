#include "support/check.h"

#include <string.h>

#include "aws/aws_answer.h"
#include "base/mem.h"

static const struct {
    int status;
    const char *header, *body, *code;
    enum err_code means;
    const char *text; /* the whole message */
} cases[] = {
    { 200, NULL, "{\"a\":1}", "", ERR_OK, "" },
    { 200, NULL, "", "", ERR_OK, "" },
    { 400, NULL, "{\"__type\":\"InvalidParameterException\",\"message\":\"no such task\"}",
      "InvalidParameterException", ERR_INVALID, "InvalidParameterException: no such task" },
    { 400, NULL, "{\"__type\":\"com.amazonaws.ecs#ClientException\",\"Message\":\"x\"}",
      "ClientException", ERR_INVALID, "ClientException: x" },
    { 400, "ThrottlingException:http://internal.amazon.com/coral/", "{}", "ThrottlingException",
      ERR_RETRY, "ThrottlingException" },
    { 400, "aws#LimitExceededException:x#y", "{\"code\":\"Other\"}", "LimitExceededException",
      ERR_RETRY, "LimitExceededException" },
    { 400, NULL, "{\"code\":\"ClusterNotFoundException\",\"message\":\"Cluster not found.\"}",
      "ClusterNotFoundException", ERR_NOT_FOUND, "ClusterNotFoundException: Cluster not found." },
    { 400, NULL, "{\"__type\":\"ResourceAlreadyExistsException\"}",
      "ResourceAlreadyExistsException", ERR_CONFLICT, "ResourceAlreadyExistsException" },
    { 400, NULL, "{\"__type\":\"AccessDeniedException\",\"message\":\"no\"}",
      "AccessDeniedException", ERR_DENIED, "AccessDeniedException: no" },
    { 500, NULL, "{\"__type\":\"ServerException\",\"message\":\"busy\"}", "ServerException",
      ERR_RETRY, "ServerException: busy" },
    { 503, NULL, "{\"message\":\"busy\"}", "", ERR_RETRY,
      "status 503: error without a name: busy" },
    { 403, NULL, "{\"message\":\"Forbidden\"}", "", ERR_DENIED,
      "status 403: error without a name: Forbidden" },
    { 413, "SomethingNew", "", "SomethingNew", ERR_INVALID, "SomethingNew" },
    { 502, NULL, "<html>\r\n<b>Bad\tGateway</b>", "", ERR_RETRY,
      "the answer is not JSON: status 502, '<html>\\r\\n<b>Bad\\x09Gateway</b>'" },
    { 200, NULL, "<html>log in first</html>", "", ERR_RETRY,
      "the answer is not JSON: status 200, '<html>log in first</html>'" },
    /* The request as the service saw it has the session token. */
    { 403, NULL,
      "{\"__type\":\"InvalidSignatureException\",\"message\":\"It does not match.\\n\\nThe "
      "Canonical String for this request should have been\\n'POST\\nx-amz-security-token:T\"}",
      "InvalidSignatureException", ERR_DENIED, "InvalidSignatureException: It does not match." },
    { 403, NULL, "{\"__type\":\"X\",\"message\":\"no: X-Amz-Security-Token:T\"}", "X", ERR_DENIED,
      "X: no: " },
    /* What came instead of a good answer may be half of one, and secret. */
    { 200, NULL, "{\"SecretString\":\"hunt", "", ERR_RETRY,
      "the answer is not JSON: status 200, 21 bytes" },
    { 200, NULL, "[1]", "", ERR_RETRY, "the answer is not JSON: status 200, 3 bytes" },
    { 504, NULL, "", "", ERR_RETRY, "the answer is empty: status 504" },
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct aws_answer a;

        aws_answer_read(AWS_JSON, cases[i].status, cases[i].header, str_of(cases[i].body), &a);
        assert_string_equal(a.err.msg, cases[i].text);
        assert_string_equal(a.code, cases[i].code);
        assert_int_equal(a.err.code, cases[i].means);
    }
}

#define NO_KEY                                                                  \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code>" \
    "<Message>The specified key does not exist.</Message><Key>a&amp;b</Key></Error>"

static const struct {
    enum aws_protocol protocol;
    int status;
    const char *body, *code;
    enum err_code means;
    const char *text;
} xml_cases[] = {
    { AWS_REST, 200, "anything", "", ERR_OK, "" },
    { AWS_REST, 206, "", "", ERR_OK, "" },
    { AWS_REST, 404, NO_KEY, "NoSuchKey", ERR_NOT_FOUND,
      "NoSuchKey: The specified key does not exist." },
    { AWS_REST, 404, "<Error><Code>NoSuchBucket</Code></Error>", "NoSuchBucket", ERR_NOT_FOUND,
      "NoSuchBucket" },
    { AWS_REST, 403, "<Error><Code>AccessDenied</Code><Message>&lt;no&gt;</Message></Error>",
      "AccessDenied", ERR_DENIED, "AccessDenied: <no>" },
    { AWS_REST, 400, "<Error><Code>InvalidToken</Code><Message/></Error>", "InvalidToken",
      ERR_DENIED, "InvalidToken" },
    { AWS_REST, 301, "<Error><Code>PermanentRedirect</Code></Error>", "PermanentRedirect",
      ERR_INVALID, "PermanentRedirect" },
    { AWS_REST, 503, "<Error><Code>SlowDown</Code></Error>", "SlowDown", ERR_RETRY, "SlowDown" },
    /* To HEAD there is only a status. */
    { AWS_REST, 404, "", "", ERR_NOT_FOUND, "status 404" },
    { AWS_REST, 403, "", "", ERR_DENIED, "status 403" },
    { AWS_REST, 301, "", "", ERR_INVALID, "status 301" },
    { AWS_REST, 500, "", "", ERR_RETRY, "status 500" },
    { AWS_REST, 502, "<html><Code>x</Code></html>", "", ERR_RETRY,
      "the answer is not XML: status 502, '<html><Code>x</Code></html>'" },
    { AWS_REST, 400, "<Error>half", "", ERR_RETRY,
      "the answer is not XML: status 400, '<Error>half'" },
    { AWS_QUERY, 200, "<DescribeTagsResponse/>", "", ERR_OK, "" },
    { AWS_QUERY, 200, "\n<?xml version=\"1.0\"?><A/>", "", ERR_OK, "" },
    { AWS_QUERY, 400,
      "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>"
      "<Type>Sender</Type><Code>InvalidIdentityToken</Code><Message>bad</Message></Error>"
      "<RequestId>1</RequestId></ErrorResponse>",
      "InvalidIdentityToken", ERR_INVALID, "InvalidIdentityToken: bad" },
    { AWS_QUERY, 400,
      "<Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code><Message>no i-1</Message>"
      "</Error></Errors><RequestID>1</RequestID></Response>",
      "InvalidInstanceID.NotFound", ERR_NOT_FOUND, "InvalidInstanceID.NotFound: no i-1" },
    { AWS_QUERY, 503, "<Response><Errors><Error><Code>RequestLimitExceeded</Code></Error></Errors>",
      "RequestLimitExceeded", ERR_RETRY, "RequestLimitExceeded" },
    { AWS_QUERY, 401, "<Response><Errors><Error><Code>AuthFailure</Code></Error></Errors>",
      "AuthFailure", ERR_DENIED, "AuthFailure" },
    { AWS_QUERY, 200, "<!DOCTYPE html><p>log in", "", ERR_RETRY,
      "the answer is not XML: status 200, '<!DOCTYPE html><p>log in'" },
    { AWS_QUERY, 200, "{\"SecretAccessKey\":1}", "", ERR_RETRY,
      "the answer is not XML: status 200, 21 bytes" },
    { AWS_QUERY, 200, "", "", ERR_RETRY, "the answer is empty: status 200" },
};

static void test_xml_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(xml_cases); i++) {
        struct aws_answer a;

        aws_answer_read(xml_cases[i].protocol, xml_cases[i].status, NULL, str_of(xml_cases[i].body),
                        &a);
        assert_string_equal(a.err.msg, xml_cases[i].text);
        assert_string_equal(a.code, xml_cases[i].code);
        assert_int_equal(a.err.code, xml_cases[i].means);
    }
}

static void test_long_strange_answer_is_cut(void **state)
{
    AUTO(str) char *body = mem_alloc(5001);
    struct aws_answer a;

    (void)state;
    memset(body, 'x', 5000);
    aws_answer_read(AWS_JSON, 502, NULL, str_of(body), &a);
    assert_true(strlen(a.err.msg) < 300);
    assert_non_null(strstr(a.err.msg, "xxx...'"));
}

/* Exactly what the standard mode of the SDKs tries again. */
static void test_what_is_tried_again(void **state)
{
    static const char *const codes[] = {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "TransactionInProgressException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "SlowDown",
        "PriorRequestNotComplete",
        "EC2ThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
    };
    static const char *const others[] = { "", "ServerException", "AccessDenied", "NoSuchKey",
                                          "ServiceUnavailable" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        assert_true(aws_answer_retryable(400, codes[i]));
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_false(aws_answer_retryable(400, others[i]));
    for (int status = 300; status < 600; status++)
        assert_int_equal(aws_answer_retryable(status, ""),
                         status == 500 || status == 502 || status == 503 || status == 504);
}

static void test_retry_after(void **state)
{
    static const struct {
        const char *header;
        int64_t ms;
    } headers[] = {
        { NULL, 0 },
        { "", 0 },
        { "0", 0 },
        { "1", 1000 },
        { "20", 20000 },
        { "21", 20000 },
        { "86400", 20000 },
        { "99999999999999999999", 0 },
        { "-1", 0 },
        { "1.5", 0 },
        { "Sat, 21 Nov 2026 08:00:00 GMT", 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(headers); i++)
        assert_int_equal(aws_answer_retry_after_ms(headers[i].header), headers[i].ms);
}

static void test_out_of_date(void **state)
{
    static const struct {
        const char *code;
        bool keys, time;
    } codes[] = {
        { "ExpiredToken", true, true },
        { "ExpiredTokenException", true, true },
        { "RequestExpired", true, true },
        { "UnrecognizedClientException", true, true },
        { "InvalidSignatureException", true, true },
        { "AuthFailure", true, true },
        { "InvalidClientTokenId", true, false },
        { "InvalidAccessKeyId", true, false },
        { "InvalidToken", true, false },
        { "TokenRefreshRequired", true, false },
        { "RequestTimeTooSkewed", false, true },
        { "RequestInTheFuture", false, true },
        { "SignatureDoesNotMatch", false, true },
        { "AccessDeniedException", false, false },
        { "ThrottlingException", false, false },
        { "", false, false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        assert_int_equal(aws_code_expired(codes[i].code), codes[i].keys);
        assert_int_equal(aws_answer_untimely(codes[i].code), codes[i].time);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_xml_answers),
        cmocka_unit_test(test_long_strange_answer_is_cut),
        cmocka_unit_test(test_what_is_tried_again),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_out_of_date),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
