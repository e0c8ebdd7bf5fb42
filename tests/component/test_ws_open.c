/* links: io */
#include "support/ws_world.h"

static void head_script(struct peer *p, void *arg)
{
    static const char *const lines[] = {
        "\r\nUpgrade: websocket\r\n",        "\r\nConnection: Upgrade\r\n",
        "\r\nSec-WebSocket-Version: 13\r\n", "\r\nSec-WebSocket-Key: ",
        "\r\nAuthorization: AWS4 x\r\n",     "\r\nHost: 127.0.0.1:"
    };
    const char *head;
    char answer[256], accept[29];

    (void)arg;
    peer_accept(p);
    head = peer_head(p);
    if (!str_starts(head, "GET /ws?agentHash=1&x=a%2Fb HTTP/1.1\r\n"))
        peer_fail(p, "other head: %s", head);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        if (!strstr(head, lines[i]))
            peer_fail(p, "no \"%s\" in %s", lines[i], head);
    }
    if (strstr(head, "Extensions") || strstr(head, "Origin"))
        peer_fail(p, "too much in: %s", head);
    snprintf(answer, sizeof answer,
             "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
             peer_ws_key(p, accept));
    peer_send_slowly(p, answer, strlen(answer));
    peer_ws_send(p, true, 1, "hi", 2);
    peer_ws_send_close(p, 1000);
    peer_ws_expect_close(p, 1000);
    peer_expect_eof(p);
}

static void test_handshake(void **state)
{
    static const struct http_header headers[] = { { "Authorization", "AWS4 x" } };
    struct world *w = *state;

    w->rq.headers = headers;
    w->rq.n_headers = 1;
    run(w, head_script);
    assert_string_equal(buf_text(&w->trace), "open hi ");
    assert_int_equal(w->code, 1000);
    assert_int_equal(w->err.code, ERR_OK);
}

static void bad_accept_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_head(p);
    peer_send(p, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\n"
                 "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n");
    peer_expect_eof(p);
}

static void test_bad_accept(void **state)
{
    struct world *w = *state;

    run(w, bad_accept_script);
    assert_string_equal(buf_text(&w->trace), "");
    assert_int_equal(w->code, 0);
    assert_int_equal(w->err.code, ERR_RETRY);
    assert_non_null(strstr(w->err.msg, "Sec-WebSocket-Accept"));
}

static void refuse_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_head(p);
    peer_send(p, "HTTP/1.1 400 Bad Request\r\nContent-Length: 36\r\n\r\n"
                 "{\"InactiveInstanceException\":\"gone\"}");
    peer_expect_eof(p); /* it does not wait for us to close */
}

static void test_refused_with_body(void **state)
{
    struct world *w = *state;

    run(w, refuse_script);
    assert_int_equal(w->code, 0);
    assert_int_equal(w->status, 400);
    assert_int_equal(w->err.code, ERR_INVALID);
    assert_string_equal(buf_text(&w->body), "{\"InactiveInstanceException\":\"gone\"}");
}

static void long_refusal_script(struct peer *p, void *arg)
{
    char block[3000];

    (void)arg;
    memset(block, 'y', sizeof block);
    peer_accept(p);
    peer_head(p);
    peer_send(p, "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\nbb8\r\n");
    peer_send_bytes(p, block, sizeof block);
}

static void test_refused_with_a_long_body(void **state)
{
    struct world *w = *state;

    run(w, long_refusal_script);
    assert_int_equal(w->status, 503);
    assert_int_equal(w->err.code, ERR_RETRY);
    assert_int_equal(w->body.len, 1024);
    assert_int_equal(strspn(buf_text(&w->body), "y"), 1024);
}

static void endless_head_script(struct peer *p, void *arg)
{
    char block[1024];

    (void)arg;
    memset(block, 'z', sizeof block);
    peer_accept(p);
    peer_head(p);
    peer_send(p, "HTTP/1.1 101 Switching Protocols\r\nX: ");
    for (int i = 0; i < 17; i++)
        peer_send_bytes(p, block, sizeof block);
    peer_wait(p);
}

static void test_endless_head(void **state)
{
    struct world *w = *state;

    run(w, endless_head_script);
    peer_go(w->peer);
    assert_int_equal(w->err.code, ERR_LIMIT);
}

static void mute_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_head(p);
    peer_expect_eof(p);
}

static void test_handshake_timeout(void **state)
{
    struct world *w = *state;

    w->rq.handshake_timeout_ms = 1000;
    run(w, mute_script);
    assert_int_equal(w->err.code, ERR_TIMEOUT);
}

static void hang_up_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_head(p);
    peer_close(p);
}

static void test_end_within_the_handshake(void **state)
{
    struct world *w = *state;

    run(w, hang_up_script);
    assert_int_equal(w->code, 0);
    assert_int_equal(w->err.code, ERR_RETRY);
}

static void test_cannot_connect(void **state)
{
    static const struct {
        const char *url;
        enum err_code want;
    } cases[] = {
        { "ws://127.0.0.1:1/", ERR_RETRY },
        { "http://example.com/", ERR_DENIED },
        { "ws://example.com/", ERR_DENIED },
        { "gopher://127.0.0.1/", ERR_INVALID },
        { "", ERR_INVALID },
    };
    struct world *w = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        w->closed = 0;
        w->rq.url = cases[i].url;
        run(w, NULL);
        assert_int_equal(w->code, 0);
        assert_int_equal(w->err.code, cases[i].want);
        ws_destroy(w->ws);
        w->ws = NULL;
    }
}

static void proxy_script(struct peer *p, void *arg)
{
    const char *head;

    (void)arg;
    peer_accept(p);
    head = peer_head(p);
    if (!str_starts(head, "CONNECT acs.example.com:443 HTTP/1.1\r\n"))
        peer_fail(p, "other head: %s", head);
    peer_send(p, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
}

static void test_wss_goes_through_http_proxy(void **state)
{
    struct world *w = *state;

    w->peer = peer_start(proxy_script, NULL);
    configure(w, &(struct http_client_config){ .http_proxy = peer_url(w->peer, "http", "") });
    w->rq.url = "wss://acs.example.com/ws";
    run(w, NULL);
    assert_int_equal(w->code, 0);
    assert_int_equal(w->err.code, ERR_RETRY);
    assert_true(str_starts(w->err.msg, "proxy 127.0.0.1:"));
}

static void tunnel_script(struct peer *p, void *arg)
{
    const char *head;

    (void)arg;
    peer_accept(p);
    head = peer_head(p);
    if (!str_starts(head, "CONNECT acs.example.com:8443 HTTP/1.1\r\n") ||
        strstr(head, "Authorization"))
        peer_fail(p, "other head: %s", head);
    peer_send(p, "HTTP/1.1 200 Connection established\r\n\r\n");
    peer_tls(p); /* from here on we are the server behind the proxy */
    peer_ws_answer(p);
    peer_ws_send_close(p, 1000);
    peer_ws_expect_close(p, 1000);
}

static void test_tunnel_of_a_proxy(void **state)
{
    static const struct http_header headers[] = { { "Authorization", "AWS4 x" } };
    struct world *w = *state;

    w->peer = peer_start(tunnel_script, NULL);
    configure(w, &(struct http_client_config){ .insecure_tls = true,
                                               .http_proxy = peer_url(w->peer, "http", "") });
    w->rq.url = "wss://acs.example.com:8443/ws";
    w->rq.headers = headers;
    w->rq.n_headers = 1;
    run(w, NULL);
    assert_string_equal(buf_text(&w->trace), "open ");
    assert_int_equal(w->code, 1000);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_handshake),
        T(test_bad_accept),
        T(test_refused_with_body),
        T(test_refused_with_a_long_body),
        T(test_endless_head),
        T(test_handshake_timeout),
        T(test_end_within_the_handshake),
        T(test_cannot_connect),
        T(test_wss_goes_through_http_proxy),
        T(test_tunnel_of_a_proxy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
