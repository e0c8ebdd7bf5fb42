
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "aws/aws_answer.h"
#include "aws/aws_call.h"
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
    { 200, NULL, "{\"cut", "", ERR_RETRY, "the answer is not JSON: status 200, '{\"cut'" },
    { 200, NULL, "[1]", "", ERR_RETRY, "the answer is not JSON: status 200, '[1]'" },
    { 504, NULL, "", "", ERR_RETRY, "the answer is empty: status 504" },
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct aws_answer a;

        aws_answer_read(cases[i].status, cases[i].header, str_of(cases[i].body), &a);
        assert_string_equal(a.err.msg, cases[i].text);
        assert_string_equal(a.code, cases[i].code);
        assert_int_equal(a.err.code, cases[i].means);
    }
}

static void test_long_strange_answer_is_cut(void **state)
{
    AUTO(str) char *body = mem_alloc(5001);
    struct aws_answer a;

    (void)state;
    memset(body, 'x', 5000);
    aws_answer_read(502, NULL, str_of(body), &a);
    assert_true(strlen(a.err.msg) < 300);
    assert_non_null(strstr(a.err.msg, "xxx...'"));
}

static void test_expired_keys(void **state)
{
    struct aws_answer a;

    (void)state;
    aws_answer_read(400, NULL, str_of("{\"__type\":\"ExpiredTokenException\"}"), &a);
    assert_true(aws_answer_expired(&a));
    aws_answer_read(400, NULL, str_of("{\"__type\":\"AccessDeniedException\"}"), &a);
    assert_false(aws_answer_expired(&a));
}

static void test_endpoints(void **state)
{
    const struct {
        const char *region, *want;
    } regions[] = {
        { "us-west-2", "https://ecs.us-west-2.amazonaws.com" },
        { "mx-central-1", "https://ecs.mx-central-1.amazonaws.com" },
        { "cn-north-1", "https://ecs.cn-north-1.amazonaws.com.cn" },
        { "us-gov-west-1", "https://ecs.us-gov-west-1.amazonaws.com" },
        { "us-iso-east-1", "https://ecs.us-iso-east-1.c2s.ic.gov" },
        { "us-isob-east-1", "https://ecs.us-isob-east-1.sc2s.sgov.gov" },
        { "eu-isoe-west-1", "https://ecs.eu-isoe-west-1.cloud.adc-e.uk" },
        { "us-isof-south-1", "https://ecs.us-isof-south-1.csp.hci.ic.gov" },
        { "eusc-de-east-1", "https://ecs.eusc-de-east-1.amazonaws.eu" },
        { "moon-base-1", "https://ecs.moon-base-1.amazonaws.com" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(regions); i++) {
        AUTO(str) char *url = aws_endpoint("ecs", regions[i].region);

        assert_string_equal(url, regions[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_long_strange_answer_is_cut),
        cmocka_unit_test(test_expired_keys),
        cmocka_unit_test(test_endpoints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
