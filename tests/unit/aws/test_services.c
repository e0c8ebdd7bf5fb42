#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/internal.h"
#include "aws/service.h"
#include "base/mem.h"

#define ARN "arn:aws:secretsmanager:us-west-2:1:secret:db-AbCdEf"

/* ---- Secrets Manager ---- */

static const struct {
    const char *value_from, *id, *json_key, *stage, *version_id; /* id NULL: refused */
} refs[] = {
    { ARN, ARN, NULL, NULL, NULL },
    { ARN ":::", ARN, NULL, NULL, NULL },
    { ARN ":user::", ARN, "user", NULL, NULL },
    { ARN "::AWSPREVIOUS:", ARN, NULL, "AWSPREVIOUS", NULL },
    { ARN ":user:AWSCURRENT:v-1", ARN, "user", "AWSCURRENT", "v-1" },
    { ARN ":user", NULL, NULL, NULL, NULL },
    { ARN ":user:AWSCURRENT", NULL, NULL, NULL, NULL },
    { ARN "::::", NULL, NULL, NULL, NULL },
    { "arn:aws:secretsmanager:us-west-2:1:secret:", NULL, NULL, NULL, NULL },
    { "arn:aws:secretsmanager:us-west-2:1:secret::k::", NULL, NULL, NULL, NULL },
    { "arn:aws:secretsmanager:us-west-2:1:secret", NULL, NULL, NULL, NULL },
    { "db", NULL, NULL, NULL, NULL },
    { "", NULL, NULL, NULL, NULL },
    { "a:b:c:d:e:f:g", NULL, NULL, NULL, NULL },
};

static void same(const char *got, const char *want)
{
    assert_true(!got == !want);
    if (want)
        assert_string_equal(got, want);
}

static void test_value_from_is_taken_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refs); i++) {
        struct secret_ref r = { 0 };
        struct err e = { 0 };
        AUTO(str)
        char *text = mem_printf("trying to retrieve secret with value %s resulted in error: an "
                                "invalid ARN format for the AWS Secrets Manager secret was "
                                "specified. Specify a valid ARN and try again.",
                                refs[i].value_from);

        if (!refs[i].id) {
            assert_int_equal(secret_ref_parse(refs[i].value_from, &r, &e), ERR_INVALID);
            assert_string_equal(e.msg, text);
            continue;
        }
        assert_int_equal(secret_ref_parse(refs[i].value_from, &r, &e), ERR_OK);
        same(r.id, refs[i].id);
        same(r.json_key, refs[i].json_key);
        same(r.stage, refs[i].stage);
        same(r.version_id, refs[i].version_id);
        secret_ref_fini(&r);
    }
}

static const struct {
    double v;
    const char *text;
} floats[] = {
    { 0, "0" },
    { 1, "1" },
    { -1, "-1" },
    { 5432, "5432" },
    { 123456, "123456" },
    { 999999, "999999" },
    { 1000000, "1e+06" },
    { 1234567, "1.234567e+06" },
    { 12345678901.0, "1.2345678901e+10" },
    { 0.1, "0.1" },
    { 0.3, "0.3" },
    { 1.0 / 3, "0.3333333333333333" },
    { 100.5, "100.5" },
    { 0.0001, "0.0001" },
    { 0.00001, "1e-05" },
    { 1e21, "1e+21" },
    { 1e300, "1e+300" },
    { 5e-324, "5e-324" },
    { 9007199254740993.0, "9.007199254740992e+15" },
    { 1.7976931348623157e308, "1.7976931348623157e+308" },
};

static void test_numbers_as_go_prints_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(floats); i++) {
        char text[GO_FLOAT_SIZE];

        go_float(floats[i].v, text);
        assert_string_equal(text, floats[i].text);
    }
}

static const struct {
    const char *secret, *key, *value, *error;
} members[] = {
    { "{\"user\":\"a\\\"b\"}", "user", "a\"b", NULL },
    { "{\"user\":\"\"}", "user", "", NULL },
    { "{\"port\":5432}", "port", "5432", NULL },
    { "{\"n\":1000000}", "n", "1e+06", NULL },
    { "{\"n\":1.50}", "n", "1.5", NULL },
    { "{\"n\":18446744073709551615}", "n", "1.8446744073709552e+19", NULL },
    { "{\"n\":-99999999999999999999,\"user\":\"a\"}", "user", "a", NULL },
    { "{\"b\":true}", "b", "true", NULL },
    { "{\"o\":{\"b\":[1,2],\"a\":\"x\"}}", "o", "{\"a\":\"x\",\"b\":[1,2]}", NULL },
    { "{\"z\":null}", "z", "null", NULL },
    { "{\"User\":\"a\"}", "user", NULL,
      "retrieved secret from Secrets Manager did not contain json key user" },
    { "{}", "user", NULL, "retrieved secret from Secrets Manager did not contain json key user" },
    { "hunter2", "user", NULL,
      "retrieved secret from Secrets Manager is not a JSON object, so it has no json key user" },
    { "\"hunter2\"", "user", NULL,
      "retrieved secret from Secrets Manager is not a JSON object, so it has no json key user" },
    { "{\"u\":\"a\\u0000b\"}", "u", NULL, "the secret's json key u contains a NUL character" },
};

static void test_members_of_a_secret(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        char *value = NULL;
        struct err e = { 0 };
        enum err_code code = secret_member(members[i].secret, members[i].key, &value, &e);

        if (members[i].error)
            assert_string_equal(e.msg, members[i].error);
        else
            assert_int_equal(code, ERR_OK);
        same(value, members[i].value);
        mem_wipe(value);
    }
}

static void test_the_answer_must_hold_a_text(void **state)
{
    char *text = NULL;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(secret_answer_read(str_of("{\"SecretString\":\"s3\"}"), &text, &e), ERR_OK);
    assert_string_equal(text, "s3");
    mem_wipe(text);
    assert_int_equal(secret_answer_read(str_of("{\"SecretString\":\"\"}"), &text, &e), ERR_OK);
    assert_string_equal(text, "");
    mem_wipe(text);
    assert_int_equal(secret_answer_read(str_of("{\"SecretBinary\":\"czM=\"}"), &text, &e),
                     ERR_INVALID);
    assert_string_equal(e.msg, "the secret is binary; only a text can be used");
    assert_int_equal(secret_answer_read(str_of("{}"), &text, &e), ERR_INVALID);
    assert_string_equal(e.msg, "the secret has no text");
    assert_int_equal(secret_answer_read(str_of("{\"SecretString\":\"hunter2"), &text, &e),
                     ERR_INVALID);
    assert_null(strstr(e.msg, "hunter2"));
    assert_int_equal(secret_answer_read(str_of("{\"SecretString\":7}"), &text, &e), ERR_INVALID);
    assert_string_equal(e.msg,
                        "the answer of the service: SecretString: expected string, got integer");
}

/* ---- SSM ---- */

#define P(name, selector, arn, value)                                                             \
    "{\"Name\":\"" name "\",\"Selector\":\"" selector "\",\"ARN\":\"" arn "\",\"Value\":\"" value \
    "\",\"Type\":\"SecureString\"}"
#define PARAM_ARN "arn:aws:ssm:r:1:parameter/"

static const struct {
    const char *asked[3];
    const char *answer;
    const char *values[3]; /* none: refused */
    const char *error;
} parameters[] = {
    { { "/a", "b" },
      "{\"Parameters\":[{\"Name\":\"b\",\"Value\":\"2\"},{\"Name\":\"/a\",\"Value\":\"1\"}],"
      "\"InvalidParameters\":[]}",
      { "1", "2" },
      NULL },
    { { "a:3", "a:1", "a" },
      "{\"Parameters\":[" P("a", "", PARAM_ARN "a", "new") "," P(
          "a", ":1", PARAM_ARN "a", "one") "," P("a", ":3", PARAM_ARN "a", "three") "]}",
      { "three", "one", "new" },
      NULL },
    { { PARAM_ARN "x/y", PARAM_ARN "z" },
      "{\"Parameters\":[" P("/x/y", "", PARAM_ARN "x/y", "1") ",{\"Name\":\"z\",\"Value\":\"2\"}]}",
      { "1", "2" },
      NULL },
    { { PARAM_ARN "z:live" },
      "{\"Parameters\":[{\"Name\":\"z\",\"Selector\":\":live\",\"Value\":\"2\"}]}",
      { "2" },
      NULL },
    /* Shared by another account: its name is the ARN. */
    { { PARAM_ARN "z" },
      "{\"Parameters\":[{\"Name\":\"" PARAM_ARN "z\",\"Value\":\"2\"}]}",
      { "2" },
      NULL },
    { { "a", "b", "c" },
      "{\"Parameters\":[{\"Name\":\"b\",\"Value\":\"2\"}],\"InvalidParameters\":[\"a\",\"c\"]}",
      { NULL },
      "invalid parameters: a,c" },
    { { "a" },
      "{\"Parameters\":[{\"Name\":\"ab\",\"Value\":\"2\"}]}",
      { NULL },
      "the answer of the service has no parameter a" },
    { { "a" }, "{}", { NULL }, "the answer of the service has no parameter a" },
    { { "a" },
      "{\"Parameters\":[{\"Name\":\"a\",\"Value\":5}]}",
      { NULL },
      "the answer of the service: Parameters[0].Value: expected string, got integer" },
    { { "a" }, "{\"Parameters\":[{\"Na", { NULL }, "the answer of the service is not JSON" },
};

static void test_parameters_answer_to_what_was_asked(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(parameters); i++) {
        char *values[3] = { NULL };
        struct err e = { 0 };
        size_t n = 0;

        while (n < 3 && parameters[i].asked[n])
            n++;
        if (parameters[i].error) {
            assert_int_equal(
                ssm_answer_read(str_of(parameters[i].answer), parameters[i].asked, n, values, &e),
                ERR_INVALID);
            assert_string_equal(e.msg, parameters[i].error);
            assert_null(values[0]);
            continue;
        }
        assert_int_equal(
            ssm_answer_read(str_of(parameters[i].answer), parameters[i].asked, n, values, &e),
            ERR_OK);
        for (size_t k = 0; k < n; k++) {
            assert_string_equal(values[k], parameters[i].values[k]);
            mem_wipe(values[k]);
        }
    }
}

/* ---- ECR ---- */

static const struct {
    const char *answer, *error;
} tokens[] = {
    { "{\"authorizationData\":[]}", "the answer has 0 authorization data instead of one" },
    { "{\"authorizationData\":[{},{}]}", "the answer has 2 authorization data instead of one" },
    { "{\"authorizationData\":[{\"authorizationToken\":\"QVdT\",\"proxyEndpoint\":\"p\"}]}",
      "the authorization token is not the base64 of user:password" }, /* "AWS" */
    { "{\"authorizationData\":[{\"authorizationToken\":\"QVdTOg==\",\"proxyEndpoint\":\"p\"}]}",
      "the authorization token is not the base64 of user:password" }, /* "AWS:" */
    { "{\"authorizationData\":[{\"authorizationToken\":\"OnB3\",\"proxyEndpoint\":\"p\"}]}",
      "the authorization token is not the base64 of user:password" }, /* ":pw" */
    { "{\"authorizationData\":[{\"authorizationToken\":\"hunter2\",\"proxyEndpoint\":\"p\"}]}",
      "the authorization token is not the base64 of user:password" },
    { "{\"authorizationData\":[{\"authorizationToken\":\"\",\"proxyEndpoint\":\"p\"}]}",
      "the authorization token is not the base64 of user:password" },
    { "{\"authorizationData\":[{\"authorizationToken\":\"QVdTOnB3\"}]}",
      "the answer of the service: authorizationData[0].proxyEndpoint: expected string, but it is "
      "missing" },
    { "no", "the answer of the service is not JSON" },
};

static void test_a_token_is_taken_apart(void **state)
{
    struct ecr_token t = { 0 };
    struct err e = { 0 };

    (void)state;
    /* "AWS:p:w": at the first colon */
    assert_int_equal(ecr_answer_read(str_of("{\"authorizationData\":[{\"authorizationToken\":"
                                            "\"QVdTOnA6dw==\",\"expiresAt\":1.7e9,"
                                            "\"proxyEndpoint\":\"https://1.dkr.ecr\"}]}"),
                                     &t, &e),
                     ERR_OK);
    assert_string_equal(t.name, "AWS");
    assert_string_equal(t.password, "p:w");
    assert_string_equal(t.server, "https://1.dkr.ecr");
    assert_true(t.expires_ms == INT64_C(1700000000000));
    ecr_token_fini(&t);
    assert_int_equal(ecr_answer_read(str_of("{\"authorizationData\":[{\"authorizationToken\":"
                                            "\"QVdTOnA6dw==\",\"expiresAt\":1e300,"
                                            "\"proxyEndpoint\":\"https://1.dkr.ecr\"}]}"),
                                     &t, &e),
                     ERR_OK);
    assert_true(t.expires_ms == 0);
    ecr_token_fini(&t);
    for (size_t i = 0; i < COUNT_OF(tokens); i++) {
        assert_int_equal(ecr_answer_read(str_of(tokens[i].answer), &t, &e), ERR_INVALID);
        assert_string_equal(e.msg, tokens[i].error);
        assert_null(t.name);
    }
}

static void test_the_override_of_ecr_gets_a_scheme(void **state)
{
    char *url = ecr_endpoint_url("ecr-fips.us-east-1.amazonaws.com");

    (void)state;
    assert_string_equal(url, "https://ecr-fips.us-east-1.amazonaws.com");
    free(url);
    url = ecr_endpoint_url("http://127.0.0.1:8080");
    assert_string_equal(url, "http://127.0.0.1:8080");
    free(url);
}

#define MINUTE_MS INT64_C(60000)

static bool keeps(struct ecr_cache *c, const char *key)
{
    return ecr_cache_find(c, key) != NULL;
}

static void put_token(struct aws *a, struct ecr_cache *c, const char *key, int64_t valid_ms)
{
    char name[] = "AWS", password[] = "pw", server[] = "https://1.dkr.ecr";

    ecr_cache_put(c, key, &(struct ecr_token){ name, password, server, aws_now_ms(a) + valid_ms });
}

static void test_how_long_a_token_is_kept(void **state)
{
    static const struct {
        int64_t valid_ms, good_ms, bad_ms; /* kept up to the one, not at the other */
    } cases[] = {
        { 29 * MINUTE_MS, -1, 0 },
        { 62 * MINUTE_MS, 1 * MINUTE_MS, 33 * MINUTE_MS },
        { 720 * MINUTE_MS, 659 * MINUTE_MS, 691 * MINUTE_MS },
        { 2000 * MINUTE_MS, 719 * MINUTE_MS, 721 * MINUTE_MS }, /* twelve hours at most */
    };

    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct aws *a = aws_create(&(struct aws_args){ .region = "r" });
        struct ecr_cache *c = ecr_cache_create(a, seed);

        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            put_token(a, c, "k", cases[i].valid_ms);
            if (cases[i].good_ms >= 0) {
                a->offset_ms = cases[i].good_ms;
                assert_true(keeps(c, "k"));
                assert_string_equal(ecr_cache_find(c, "k")->password, "pw");
            }
            a->offset_ms = cases[i].bad_ms;
            assert_false(keeps(c, "k"));
            a->offset_ms = 0;
        }
        ecr_cache_destroy(c);
        aws_destroy(a);
    }
}

static void test_the_token_used_least_recently_goes(void **state)
{
    struct aws *a = aws_create(&(struct aws_args){ .region = "r" });
    struct ecr_cache *c = ecr_cache_create(a, 1);
    char key[16];

    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "k%d", i);
        put_token(a, c, key, 720 * MINUTE_MS);
    }
    assert_true(keeps(c, "k0"));
    put_token(a, c, "k100", 720 * MINUTE_MS);
    assert_true(keeps(c, "k0"));
    assert_false(keeps(c, "k1"));
    put_token(a, c, "k100", 720 * MINUTE_MS); /* the same again: nobody goes */
    assert_true(keeps(c, "k2"));
    ecr_cache_destroy(c);
    aws_destroy(a);
}

/* ---- S3 ---- */

static const struct {
    const char *arn, *bucket, *key, *error;
} objects[] = {
    { "arn:aws:s3:::conf/web.env", "conf", "web.env", NULL },
    { "arn:aws-cn:s3:::my.conf/a/b c/web.env", "my.conf", "a/b c/web.env", NULL },
    { "arn:aws:s3:::conf/a/../b.env", "conf", "a/../b.env", NULL },
    { "arn:aws:s3:::conf/a:b.env", "conf", "a:b.env", NULL },
    { "arn:aws:s3:::conf//b.env", "conf", "/b.env", NULL },
    { "arn:aws:s3:::conf/..b/c..", "conf", "..b/c..", NULL },
    { "arn:aws:s3:::conf/../b.env", NULL, NULL,
      "'arn:aws:s3:::conf/../b.env' leaves its folder ('..')" },
    { "arn:aws:s3:::conf/a/../../b.env", NULL, NULL,
      "'arn:aws:s3:::conf/a/../../b.env' leaves its folder ('..')" },
    { "arn:aws:s3:::conf/a/..", NULL, NULL, "'arn:aws:s3:::conf/a/..' leaves its folder ('..')" },
    { "arn:aws:s3:::conf", NULL, NULL, "'arn:aws:s3:::conf' names no object in the bucket" },
    { "arn:aws:s3:::conf/", NULL, NULL, "'arn:aws:s3:::conf/' names no object in the bucket" },
    { "arn:aws:s3:::/x", NULL, NULL, "'arn:aws:s3:::/x' has no name that a bucket can have" },
    { "arn:aws:s3:::../x", NULL, NULL, "'arn:aws:s3:::../x' has no name that a bucket can have" },
    { "arn:aws:s3:::a@evil/x", NULL, NULL,
      "'arn:aws:s3:::a@evil/x' has no name that a bucket can have" },
    { "arn:aws:s3:us-west-2:1:accesspoint/x", NULL, NULL,
      "'arn:aws:s3:us-west-2:1:accesspoint/x' is not the ARN of an S3 object" },
    { "arn:aws:ssm:r:1:s3:::b/k", NULL, NULL,
      "'arn:aws:ssm:r:1:s3:::b/k' is not the ARN of an S3 object" },
    { "s3://conf/x", NULL, NULL, "'s3://conf/x' is not the ARN of an S3 object" },
    { "arn:s3:::conf/x", NULL, NULL, "'arn:s3:::conf/x' is not the ARN of an S3 object" },
    { "", NULL, NULL, "'' is not the ARN of an S3 object" },
};

static void test_object_arns(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(objects); i++) {
        struct s3_object o = { 0 };
        struct err e = { 0 };

        assert_int_equal(s3_object_parse(objects[i].arn, &o, &e),
                         objects[i].error ? ERR_INVALID : ERR_OK);
        assert_string_equal(e.msg, objects[i].error ? objects[i].error : "");
        same(o.bucket, objects[i].bucket);
        same(o.key, objects[i].key);
        s3_object_fini(&o);
    }
}

static const struct {
    const char *base;
    bool by_path;
    const char *bucket, *key, *endpoint, *path;
} addresses[] = {
    { "https://s3.us-west-2.amazonaws.com", false, "conf", "a b/c",
      "https://conf.s3.us-west-2."
      "amazonaws.com",
      "/a%20b/c" },
    { "https://s3.r", false, "conf", "a+b/\xc3\xa9~(1)%20&=#", "https://conf.s3.r",
      "/a%2Bb/%C3%A9~%281%29%2520%26%3D%23" },
    { "https://s3.r", false, "conf", NULL, "https://conf.s3.r", "/" },
    { "https://s3.r", false, "my.conf", "k", "https://s3.r", "/my.conf/k" },
    { "https://s3.r", false, "Conf", "k", "https://s3.r", "/Conf/k" },
    { "https://s3.r", false, "conf-", "k", "https://s3.r", "/conf-/k" },
    { "https://s3.r", false, "con_f", NULL, "https://s3.r", "/con_f" },
    { "http://127.0.0.1:1", true, "conf", "k?x", "http://127.0.0.1:1", "/conf/k%3Fx" },
    { "http://127.0.0.1:1", true, "conf", NULL, "http://127.0.0.1:1", "/conf" },
};

static void test_where_an_object_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        AUTO(str) char *endpoint = NULL;
        AUTO(str) char *path = NULL;

        s3_address(addresses[i].base, addresses[i].by_path, addresses[i].bucket, addresses[i].key,
                   &endpoint, &path);
        assert_string_equal(endpoint, addresses[i].endpoint);
        assert_string_equal(path, addresses[i].path);
    }
}

/* ---- EC2 ---- */

static void put_tag(void *user, const char *key, const char *value)
{
    buf_printf(user, "%s=%s;", key, value);
}

static void test_tags(void **state)
{
    AUTO(buf) struct buf got = BUF_INIT(4096);

    (void)state;
    assert_int_equal(
        ec2_tags_read(str_of("<?xml version=\"1.0\"?><DescribeTagsResponse><tagSet>"
                             "<item><resourceId>i-1</resourceId><key>Name</key>"
                             "<value>a &amp; b</value></item>"
                             "<item><key>empty</key><value/></item>"
                             "<item><key>none</key></item>"
                             "<item><key>aws:autoscaling:groupName</key><value>g</value></item>"
                             "<item><key>Aws:x</key><value>g</value></item>"
                             "<item><key>y</key><value>AWS:z</value></item>"
                             "<item><key>x</key><value>1</value></item>"
                             "</tagSet></DescribeTagsResponse>"),
                      put_tag, &got),
        4);
    assert_string_equal(buf_text(&got), "Name=a & b;empty=;none=;x=1;");
    assert_int_equal(ec2_tags_read(str_of("<item><key>cut off"), put_tag, &got), 0);
    assert_int_equal(ec2_tags_read((struct str){ NULL, 0 }, put_tag, &got), 0);
}

/* ---- all ---- */

static void test_what_could_not_be_read_is_not_told(void **state)
{
    struct err e = { 0 }, out = { 0 };
    struct http_response good = { .status = 200 }, bad = { .status = 400 };
    struct aws_result r = { .r = &good, .e = &e };

    (void)state;
    err_set(&e, ERR_RETRY, "GetSecretValue: not JSON: 'hunter2'");
    service_error(&r, "GetSecretValue", &out);
    assert_int_equal(out.code, ERR_RETRY);
    assert_string_equal(out.msg, "the answer of the service could not be read");
    err_set(&e, ERR_DENIED, "GetSecretValue: AccessDeniedException: no");
    r.r = &bad;
    service_error(&r, "GetSecretValue", &out);
    assert_int_equal(out.code, ERR_DENIED);
    assert_string_equal(out.msg, "AccessDeniedException: no");
    r.r = NULL;
    err_set(&e, ERR_TIMEOUT, "no answer");
    service_error(&r, "GetSecretValue", &out);
    assert_string_equal(out.msg, "no answer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value_from_is_taken_apart),
        cmocka_unit_test(test_numbers_as_go_prints_them),
        cmocka_unit_test(test_members_of_a_secret),
        cmocka_unit_test(test_the_answer_must_hold_a_text),
        cmocka_unit_test(test_parameters_answer_to_what_was_asked),
        cmocka_unit_test(test_a_token_is_taken_apart),
        cmocka_unit_test(test_the_override_of_ecr_gets_a_scheme),
        cmocka_unit_test(test_how_long_a_token_is_kept),
        cmocka_unit_test(test_the_token_used_least_recently_goes),
        cmocka_unit_test(test_object_arns),
        cmocka_unit_test(test_where_an_object_is),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_what_could_not_be_read_is_not_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
