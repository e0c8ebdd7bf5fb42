/* What the control plane may say on the telemetry session. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "control/tcs_decode.h"

static void test_messages(void **state)
{
    const struct {
        const char *json;
        enum tcs_kind kind;
        const char *type, *text;
    } cases[] = {
        { "{\"type\":\"AckPublishMetric\",\"message\":{\"message\":\"ok\"}}", TCS_ACK,
          "AckPublishMetric", "ok" },
        { "{\"type\":\"AckPublishHealth\",\"message\":{}}", TCS_ACK, "AckPublishHealth", "" },
        { "{\"message\":{\"Message\":null,\"more\":[1]},\"type\":\"AckPublishInstanceStatus\"}",
          TCS_ACK, "AckPublishInstanceStatus", "" },
        { "{\"type\":\"HeartbeatMessage\",\"message\":{\"healthy\":true}}", TCS_HEARTBEAT,
          "HeartbeatMessage", "" },
        { "{\"type\":\"StopTelemetrySessionMessage\",\"message\":{\"message\":\"closing\"}}",
          TCS_NOTED, "StopTelemetrySessionMessage", "closing" },
        { "{\"type\":\"InvalidParameterException\",\"message\":{\"message\":\"bad metric\"}}",
          TCS_NOTED, "InvalidParameterException", "bad metric" },
        { "{\"ServerException\":\"later\"}", TCS_NOTED, "ServerException", "later" },
        { "{\"type\":\"PayloadMessage\",\"message\":{}}", TCS_UNKNOWN, "PayloadMessage", "" },
        { "{\"type\":\"Else\"}", TCS_UNKNOWN, "Else", "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct tcs_message m;
        struct err e = { 0 };

        assert_int_equal(tcs_decode(str_of(cases[i].json), &m, &e), ERR_OK);
        assert_int_equal(m.kind, cases[i].kind);
        assert_string_equal(m.type, cases[i].type);
        assert_string_equal(m.text, cases[i].text);
    }
}

static void test_what_is_no_message(void **state)
{
    static const char *const cases[] = {
        "",
        "<html>",
        "[]",
        "{}",
        "{\"type\":7,\"message\":{}}",
        "{\"type\":\"AckPublishMetric\"}",
        "{\"type\":\"AckPublishMetric\",\"message\":null}",
        "{\"type\":\"AckPublishMetric\",\"message\":\"ok\"}",
        "{\"type\":\"AckPublishMetric\",\"message\":{\"message\":1}}",
        "{\"type\":\"HeartbeatMessage\",\"message\":{\"healthy\":\"yes\"}}",
        "{\"HeartbeatMessage\":\"x\"}",
        "{\"ServerException\":\"x\",\"more\":1}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct tcs_message m = { .kind = TCS_NOTED };
        struct err e = { 0 };

        assert_int_equal(tcs_decode(str_of(cases[i]), &m, &e), ERR_INVALID);
        assert_true(e.msg[0]);
        assert_int_equal(m.kind, TCS_NOTED); /* untouched */
    }
}

/* A text of any length is cut, at a character. */
static void test_long_text(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT(8192);
    struct tcs_message m;
    struct err e = { 0 };

    (void)state;
    buf_puts(&b, "{\"type\":\"ServerException\",\"message\":{\"message\":\"x");
    for (int i = 0; i < 1000; i++)
        buf_puts(&b, "\xc3\xa4");
    buf_puts(&b, "\"}}");
    assert_int_equal(tcs_decode(buf_str(&b), &m, &e), ERR_OK);
    assert_int_equal(strlen(m.text), sizeof m.text - 1);
    assert_int_equal((unsigned char)m.text[sizeof m.text - 2], 0xa4);
}

static void test_refusal(void **state)
{
    const struct {
        const char *body, *text;
    } cases[] = {
        { "{\"type\":\"ResourceValidationException\",\"message\":{\"message\":\"no\"}}",
          "ResourceValidationException: no" },
        { "{\"InvalidParameterException\":\"cluster\"}", "InvalidParameterException: cluster" },
        { "{\"InactiveInstanceException\":\"gone\"}", "InactiveInstanceException: gone" },
        { "{\"type\":\"AckPublishMetric\",\"message\":{}}",
          "the handshake was refused: status 400" },
        { "<html>", "the handshake was refused: status 400, \"<html>\"" },
        { "", "the handshake was refused: status 400, \"\"" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err e = { 0 };

        tcs_refusal(400, str_of(cases[i].body), &e);
        assert_int_equal(e.code, ERR_RETRY);
        assert_memory_equal(e.msg, cases[i].text, strlen(cases[i].text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_what_is_no_message),
        cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_refusal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
