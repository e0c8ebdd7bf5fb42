/* dialect: every kind of service words every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "dialect.h"

static void refusals(void **state)
{
    static const struct {
        enum dialect dialect;
        enum auth_fault fault;
        int status;
        const char *type, *message;
    } rows[] = {
        { DIALECT_JSON, AUTH_SKEW, 400, "T", "text" },
        { DIALECT_STS, AUTH_SKEW, 403, "SignatureDoesNotMatch", "text" },
        { DIALECT_STS, AUTH_EXPIRED, 403, "ExpiredToken", "text" },
        { DIALECT_STS, AUTH_UNKNOWN, 403, "InvalidClientTokenId", "text" },
        { DIALECT_EC2, AUTH_SKEW, 400, "RequestExpired", "Request has expired." },
        { DIALECT_EC2, AUTH_MISMATCH, 401, "AuthFailure",
          "AWS was not able to validate the provided access credentials" },
        { DIALECT_S3, AUTH_SKEW, 403, "RequestTimeTooSkewed",
          "The difference between the request time and the current time is too large." },
        { DIALECT_S3, AUTH_EXPIRED, 400, "ExpiredToken", "The provided token has expired." },
        { DIALECT_S3, AUTH_PAYLOAD_ABSENT, 400, "InvalidRequest", "text" },
        { DIALECT_S3, AUTH_SCOPE, 400, "AuthorizationHeaderMalformed", "text" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct auth_refusal why = { rows[i].fault, 400, "T", BUF_INIT(100) };
        struct dialect_error e;

        buf_puts(&why.message, "text");
        e = dialect_refusal(rows[i].dialect, &why);
        assert_int_equal(e.status, rows[i].status);
        assert_string_equal(e.type, rows[i].type);
        assert_string_equal(e.message, rows[i].message);
        buf_fini(&why.message);
    }
}

/* No kind of service is without words for any fault or trouble. */
static void all_have_words(void **state)
{
    (void)state;
    for (int d = DIALECT_JSON; d <= DIALECT_S3; d++) {
        for (int f = AUTH_MISSING; f <= AUTH_PAYLOAD_ABSENT; f++) {
            struct auth_refusal why = { (enum auth_fault)f, 400, "T", BUF_INIT(100) };
            struct dialect_error e = dialect_refusal((enum dialect)d, &why);

            assert_true(e.status >= 400 && e.status < 500);
            assert_true(*e.type);
            assert_non_null(e.message);
        }
        for (int t = TROUBLE_THROTTLE; t <= TROUBLE_UNAVAILABLE; t++) {
            struct dialect_error e = dialect_trouble((enum dialect)d, (enum dialect_trouble)t);

            assert_true(e.status >= 400 && *e.type && *e.message);
            assert_int_equal(e.status >= 500, t >= TROUBLE_SERVER || e.status == 503);
        }
    }
}

static void bodies(void **state)
{
    static const struct {
        enum dialect dialect;
        const char *details, *content_type, *body;
    } rows[] = {
        { DIALECT_JSON, NULL, "application/x-amz-json-1.1",
          "{\"__type\":\"T\",\"message\":\"a<b & \\\"c\\\"\"}" },
        { DIALECT_STS, NULL, "text/xml;charset=UTF-8",
          "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>"
          "<Type>Sender</Type><Code>T</Code><Message>a&lt;b &amp; &quot;c&quot;</Message></Error>"
          "<RequestId>id</RequestId></ErrorResponse>\n" },
        { DIALECT_EC2, NULL, "text/xml;charset=UTF-8",
          "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>T</Code>"
          "<Message>a&lt;b &amp; &quot;c&quot;</Message></Error></Errors><RequestID>id</RequestID>"
          "</Response>" },
        { DIALECT_S3, "<Key>k</Key>", "application/xml",
          "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>T</Code>"
          "<Message>a&lt;b &amp; &quot;c&quot;</Message><Key>k</Key><RequestId>id</RequestId>"
          "</Error>" },
    };
    static const struct dialect_error e = { 400, "T", "a<b & \"c\"" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf out = BUF_INIT(4096);

        assert_string_equal(dialect_write(rows[i].dialect, &e, "id", rows[i].details, &out),
                            rows[i].content_type);
        assert_string_equal(buf_text(&out), rows[i].body);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),
        cmocka_unit_test(all_have_words),
        cmocka_unit_test(bodies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
