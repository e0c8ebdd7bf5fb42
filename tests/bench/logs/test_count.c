/* What the sink of the measurements makes of a body. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "count.h"

#define HEAD             "{\"logGroupName\":\"g\",\"logStreamName\":\"s\",\"logEvents\":["
#define LINE(number, at) "{\"message\":\"" number " x\",\"timestamp\":" at "}"

static const char *put(struct count *c, const char *body)
{
    const char *why = NULL;

    return count_put(c, str_of(body), 1000000, &why) ? "" : why;
}

static void has(const struct count *c, const char *part)
{
    struct buf b = BUF_INIT(1 << 20);

    count_write(c, &b);
    if (!strstr(buf_text(&b), part))
        fail_msg("%s has no %s", buf_text(&b), part);
    buf_fini(&b);
}

static void test_numbers(void **state)
{
    struct count *c = count_create();

    (void)state;
    assert_string_equal(put(c, HEAD LINE("0000000000", "5") "," LINE("0000000001", "6") "]}"), "");
    /* Repeated, one left out, and the members in another order. */
    assert_string_equal(
        put(c,
            "{ \"logEvents\" : [" LINE(
                "0000000001", "6") ", {\"timestamp\": 7 ,"
                                   "\"message\": \"0000000003 y\"}], \"logStreamName\": \"s\","
                                   "\"entity\":{\"a\":[1,{\"b\":\"}\"}]},\"logGroupName\":\"g\"}"),
        "");
    has(c, "\"events\":4,");
    has(c, "\"unique\":3,\"missing\":1,\"repeated\":1,");
    has(c, "\"late\":0,\"disorder\":0,\"first_at_ms\":5,\"last_at_ms\":7,");
    /* The one left out comes late, which its time tells. */
    assert_string_equal(put(c, HEAD LINE("0000000002", "6") "]}"), "");
    has(c, "\"missing\":0,\"repeated\":1,\"foreign\":0,\"late\":1,\"disorder\":0,");
    assert_string_equal(put(c, HEAD LINE("0000000004", "3") "]}"), "");
    has(c, "\"disorder\":1,");
    count_destroy(c);
}

static void test_texts(void **state)
{
    static const struct {
        const char *text;
        int bytes;
    } rows[] = {
        { "plain", 5 },        { "\\\"\\\\\\n", 3 }, { "\\u0001x", 2 },
        { "\\u00e9", 2 },      { "\\u20ac", 3 },     { "\\ud83d\\ude00", 4 },
        { "\xe2\x82\xac", 3 }, { "end\\\\", 4 },     { "\\ud7ffx", 4 },
    };
    char body[512], part[64];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct count *c = count_create();

        snprintf(body, sizeof body, HEAD "{\"timestamp\":1,\"message\":\"%s\"}]}", rows[i].text);
        snprintf(part, sizeof part, "\"bytes\":%d,", rows[i].bytes);
        assert_string_equal(put(c, body), "");
        has(c, part);
        has(c, "\"foreign\":1,");
        count_destroy(c);
    }
}

static void test_refused(void **state)
{
    struct count *c = count_create();

    (void)state;
    assert_string_equal(put(c, HEAD LINE("0000000000", "5") "," LINE("0000000001", "4") "]}"),
                        "events are not in chronological order");
    assert_string_equal(
        put(c, HEAD LINE("0000000000", "5") "," LINE("0000000001", "86400006") "]}"),
        "events span more than 24 hours");
    assert_string_equal(put(c, HEAD "{\"timestamp\":1,\"message\":\"\"}]}"),
                        "an event without message or timestamp");
    assert_string_equal(put(c, HEAD "]}"), "an event is no object");
    assert_string_equal(put(c, HEAD LINE("0000000000", "5")), "logEvents does not end");
    assert_string_equal(put(c, "{\"logGroupName\":\"g\",\"logEvents\":[" LINE("0", "5") "]}"),
                        "group, stream or events are missing");
    assert_string_equal(put(c, "{\"logGroupName\":\"g"), "the body is no JSON");
    assert_string_equal(put(c, ""), "the body is no object");
    has(c, "\"puts\":0,\"refused\":8,");
    count_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
