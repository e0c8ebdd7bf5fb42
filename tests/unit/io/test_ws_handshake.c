#include <string.h>

#include "io/ws_handshake.h"
#include "support/check.h"

#define KEY    "dGhlIHNhbXBsZSBub25jZQ==" /* the example of RFC 6455 */
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define OK     "HTTP/1.1 101 Switching Protocols\r\n"
#define GOOD \
    OK "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n"

static void test_key_and_accept(void **state)
{
    char key[WS_KEY_SIZE], accept[WS_ACCEPT_SIZE];

    (void)state;
    ws_key((const unsigned char *)"the sample nonce", key);
    assert_string_equal(key, KEY);
    ws_accept(key, accept);
    assert_string_equal(accept, ACCEPT);
}

static void test_write(void **state)
{
    static const struct http_header headers[] = { { "X-Amz-Date", "20260102T030405Z" },
                                                  { "host", "ignored" } };
    static const struct http_header bad[] = { { "X", "a\r\nb: c" } };
    AUTO(buf) struct buf out = BUF_INIT(1024);
    AUTO(buf) struct buf small = BUF_INIT(100);
    struct url_parts u = { 0 };
    struct err e = { 0 };

    (void)state;
    assert_int_equal(url_parse("wss://[::1]:8443/ws?a=b%20c", &u, &e), ERR_OK);
    assert_int_equal(ws_handshake_write(&u, headers, 2, KEY, &out, &e), ERR_OK);
    assert_string_equal(buf_text(&out), "GET /ws?a=b%20c HTTP/1.1\r\nHost: [::1]:8443\r\n"
                                        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                        "Sec-WebSocket-Key: " KEY "\r\n"
                                        "Sec-WebSocket-Version: 13\r\n"
                                        "X-Amz-Date: 20260102T030405Z\r\n\r\n");
    assert_int_equal(ws_handshake_write(&u, bad, 1, KEY, &out, &e), ERR_INVALID);
    assert_int_equal(ws_handshake_write(&u, NULL, 0, KEY, &small, &e), ERR_LIMIT);
    url_fini(&u);
}

static void test_read(void **state)
{
    static const struct {
        const char *bytes;
        bool ended;
        enum ws_verdict want;
        int status;
        const char *body;
    } cases[] = {
        { GOOD, false, WS_OPEN, 101, "" },
        { "HTTP/1.1 100 Continue\r\n\r\n" GOOD "frames", false, WS_OPEN, 101, "" },
        { "", false, WS_MORE, 0, "" },
        { "", true, WS_BROKEN, 0, "" },
        { OK, true, WS_BROKEN, 101, "" },
        { OK "\r\n", false, WS_BROKEN, 101, "" },
        { OK "Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
          false, WS_BROKEN, 101, "" },
        { OK "Upgrade: websocket\r\nConnection: close\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
          false, WS_BROKEN, 101, "" },
        { OK "Upgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
          false, WS_BROKEN, 101, "" },
        { OK "Upgrade: websocket\r\nConnection: x, UPGRADE\r\nSec-WebSocket-Accept: " ACCEPT
             "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
          false, WS_BROKEN, 101, "" },
        { "SSH-2.0-OpenSSH\r\n\r\n", false, WS_BROKEN, 0, "" },
        { "HTTP/1.1 400 No\r\nContent-Length: 3\r\n\r\nab", false, WS_MORE, 400, "ab" },
        { "HTTP/1.1 400 No\r\nContent-Length: 3\r\n\r\nabcd", false, WS_REFUSED, 400, "abc" },
        { "HTTP/1.1 400 No\r\nContent-Length: 3\r\n\r\nab", true, WS_REFUSED, 400, "ab" },
        { "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", false, WS_REFUSED, 403, "" },
        { "HTTP/1.1 400 No\r\n\r\nabc", false, WS_MORE, 400, "abc" },
        { "HTTP/1.1 400 No\r\n\r\nabc", true, WS_REFUSED, 400, "abc" },
        { "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n2;e\r\nab\r\n1\r\nc", false,
          WS_MORE, 500, "abc" },
        { "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
          false, WS_REFUSED, 500, "abc" },
        { "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nab", false,
          WS_MORE, 500, "ab" },
        { "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab", false, WS_REFUSED, 500,
          "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ws_answer a;
        struct err e = { 0 };
        enum ws_verdict got =
            ws_handshake_read(str_of(cases[i].bytes), cases[i].ended, KEY, &a, &e);

        if (got != cases[i].want || a.status != cases[i].status)
            fail_msg("row %zu: verdict %d, status %d", i, (int)got, a.status);
        assert_int_equal(e.code != ERR_OK, got == WS_BROKEN);
        assert_int_equal(a.body_len, strlen(cases[i].body));
        assert_memory_equal(a.body, cases[i].body, a.body_len);
        if (got == WS_OPEN)
            assert_true(str_is((struct str){ cases[i].bytes + a.head_len - 4, 4 }, "\r\n\r\n"));
    }
}

static void test_limits(void **state)
{
    AUTO(buf) struct buf bytes = BUF_INIT(100000);
    struct ws_answer a;
    struct err e = { 0 };

    (void)state;
    buf_puts(&bytes, "HTTP/1.1 400 No\r\nContent-Length: 5000\r\n\r\n");
    for (int i = 0; i < 1500; i++)
        buf_putc(&bytes, 'x');
    assert_int_equal(ws_handshake_read(buf_str(&bytes), false, KEY, &a, &e), WS_REFUSED);
    assert_int_equal(a.body_len, WS_REFUSAL_BYTES);

    buf_reset(&bytes);
    buf_puts(&bytes, OK);
    while (bytes.len <= WS_HEAD_MAX)
        buf_puts(&bytes, "X: 0123456789\r\n");
    assert_int_equal(ws_handshake_read(buf_str(&bytes), false, KEY, &a, &e), WS_BROKEN);
    assert_int_equal(e.code, ERR_LIMIT);
}

static void test_date_of_a_refusal(void **state)
{
    static const struct {
        const char *bytes, *date;
    } cases[] = {
        { "HTTP/1.1 403 No\r\ndate: Sat, 21 Nov 2026 08:00:00 GMT\r\nContent-Length: 0\r\n\r\n",
          "Sat, 21 Nov 2026 08:00:00 GMT" },
        { "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "" },
        { "HTTP/1.1 403 No\r\nDate: 0123456789012345678901234567890123456789\r\n"
          "Content-Length: 0\r\n\r\n",
          "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ws_answer a;
        struct err e = { 0 };

        assert_int_equal(ws_handshake_read(str_of(cases[i].bytes), false, KEY, &a, &e), WS_REFUSED);
        assert_string_equal(a.date, cases[i].date);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_and_accept),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_date_of_a_refusal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
