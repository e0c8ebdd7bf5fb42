/* links: io */
#include <curl/curl.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/http_world.h"
#include "support/peer_tls.h"

/* ---- answers ---- */

static void test_get(void **state)
{
    struct world *w = *state;
    struct http_request rq;

    serve(w, ok_script);
    rq = get(w);
    run(w, &rq);
    assert_int_equal(w->status, 200);
    assert_string_equal(buf_text(&w->body), "hello");
    assert_string_equal(w->header, "yes");
}

static void slow_script(struct peer *p, void *arg)
{
    static const char answer[] = "HTTP/1.1 429 Slow Down\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: t\r\n\r\n";

    (void)arg;
    peer_accept(p);
    peer_head(p);
    peer_send(p, "HTTP/1.1 100 Continue\r\nX-Test: no\r\n\r\n");
    peer_send_slowly(p, answer, sizeof answer - 1);
}

static void test_status_is_an_answer_in_any_pieces(void **state)
{
    struct world *w = *state;
    struct http_request rq;

    serve(w, slow_script);
    rq = get(w);
    run(w, &rq);
    assert_int_equal(w->status, 429);
    assert_string_equal(buf_text(&w->body), "hello world");
    assert_string_equal(w->header, "");
}

static void error_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_head(p);
    peer_send(p, "HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\nbroken");
    peer_close(p);
}

static void test_500(void **state)
{
    struct world *w = *state;
    struct http_request rq;

    serve(w, error_script);
    rq = get(w);
    run(w, &rq);
    assert_int_equal(w->status, 500);
    assert_string_equal(buf_text(&w->body), "broken");
}

/* A first header line that goes on with one that never was; on the second connection, so that what
 * libcurl remembers of the first answer's headers would be found. */
static void folded_script(struct peer *p, void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        peer_accept(p);
        peer_head(p);
        peer_send(p, i ? "HTTP/1.1 200 OK\r\n folded: here\r\n\r\n"
                       : "HTTP/1.1 200 OK\r\nX-Test: a value of some length\r\n\r\n");
        peer_close(p);
    }
}

static void test_folded_first_line(void **state)
{
    struct world *w = *state;
    struct http_request rq;

    serve(w, folded_script);
    rq = get(w);
    run(w, &rq);
    assert_int_equal(w->status, 200);
    w->calls = 0;
    run(w, &rq);
    if (curl_version_info(CURLVERSION_NOW)->version_num >= 0x080000) {
        assert_int_equal(w->status, 200); /* it takes it for a space too many */
        return;
    }
    assert_int_equal(w->status, 0);
    assert_int_equal(w->err.code, ERR_RETRY);
}

static void redirect_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_head(p);
    peer_send(p, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
                 "Content-Length: 0\r\n\r\n");
}

static void test_redirect_is_not_followed(void **state)
{
    struct world *w = *state;
    struct http_request rq;

    serve(w, redirect_script);
    rq = get(w);
    run(w, &rq);
    assert_int_equal(w->status, 302);
}

static void post_script(struct peer *p, void *arg)
{
    const char *head;

    (void)arg;
    peer_accept(p);
    head = peer_head(p);
    if (!str_starts(head, "POST ") || !strstr(head, "\r\nContent-Length: 6\r\n") ||
        !strstr(head, "\r\nX-Amz-Target: T.Op\r\n") || !strstr(head, "\r\nX-Empty:\r\n") ||
        strstr(head, "Content-Type") || strstr(head, "Expect"))
        peer_fail(p, "other head: %s", head);
    peer_expect_bytes(p, "a\0b\r\nc", 6);
    peer_send(p, "HTTP/1.1 204 No Content\r\n\r\n");
    head = peer_head(p);
    if (!str_starts(head, "DELETE ") || strstr(head, "Content-Length"))
        peer_fail(p, "other head: %s", head);
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    head = peer_head(p);
    if (!str_starts(head, "HEAD "))
        peer_fail(p, "other head: %s", head);
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nX-Test: h\r\n\r\n");
    head = peer_head(p);
    if (!str_starts(head, "PUT ") || !strstr(head, "\r\nContent-Length: 0\r\n"))
        peer_fail(p, "other head: %s", head);
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

/* All of them on one connection, which shows that it is kept. */
static void test_methods_and_bodies(void **state)
{
    struct world *w = *state;
    const struct http_header headers[] = { { "X-Amz-Target", "T.Op" }, { "X-Empty", "" } };
    struct http_request rq;

    serve(w, post_script);
    rq = get(w);
    rq.method = "POST";
    rq.headers = headers;
    rq.n_headers = 2;
    rq.body = (struct str){ "a\0b\r\nc", 6 };
    run(w, &rq);
    assert_int_equal(w->status, 204);

    rq = get(w);
    rq.method = "DELETE";
    w->calls = 0;
    run(w, &rq);
    assert_int_equal(w->status, 200);

    rq.method = "HEAD";
    w->calls = 0;
    run(w, &rq);
    assert_int_equal(w->status, 200);
    assert_string_equal(w->header, "h");

    rq.method = "PUT";
    w->calls = 0;
    run(w, &rq);
    assert_int_equal(w->status, 200);
    assert_int_equal(w->body.len, 0);
}

/* ---- trouble ---- */

static void big_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_head(p);
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world");
}

static void test_body_over_the_maximum(void **state)
{
    struct world *w = *state;
    struct http_request rq;

    serve(w, big_script);
    rq = get(w);
    rq.max_body = 10;
    run(w, &rq);
    assert_int_equal(w->err.code, ERR_LIMIT);
}

static void reset_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_head(p);
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello");
    peer_wait(p);
    peer_reset(p);
}

static void test_reset_within_the_body(void **state)
{
    struct world *w = *state;
    struct http_request rq;

    serve(w, reset_script);
    rq = get(w);
    rq.on_data = go_on_data;
    rq.stream_user = w;
    run(w, &rq);
    assert_int_equal(w->err.code, ERR_RETRY);
    assert_string_equal(buf_text(&w->body), "hello");
}

static void truncate_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_head(p);
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello");
    peer_close(p);
}

static void test_truncated_body(void **state)
{
    struct world *w = *state;
    struct http_request rq;

    serve(w, truncate_script);
    rq = get(w);
    run(w, &rq);
    assert_int_equal(w->err.code, ERR_RETRY);
}

static void test_idle_timeout(void **state)
{
    struct world *w = *state;
    struct http_request rq;
    int64_t start_ms = clock_mono_ms();

    serve(w, silent_script);
    rq = get(w);
    rq.idle_timeout_ms = 1000;
    run(w, &rq);
    assert_int_equal(w->err.code, ERR_TIMEOUT);
    assert_true(clock_mono_ms() - start_ms >= 1000);
}

static void test_timeout(void **state)
{
    struct world *w = *state;
    struct http_request rq;

    serve(w, silent_script);
    rq = get(w);
    rq.timeout_ms = 1000; /* it has to come to the peer, on a busy machine too */
    run(w, &rq);
    assert_int_equal(w->err.code, ERR_TIMEOUT);
}

static void test_refused_before_it_starts(void **state)
{
    static const struct http_header evil[] = { { "X-A", "b\r\nX-C: d" } };
    static const struct http_header evil_name[] = { { "X A", "b" } };
    static const struct {
        const char *method, *url;
        const struct http_header *headers;
        enum err_code want;
    } cases[] = {
        { "GET", "http://example.com/", NULL, ERR_DENIED },
        { "GET", "http://127.0.0.1@example.com/", NULL, ERR_DENIED },
        { "GET", "ftp://127.0.0.1/", NULL, ERR_INVALID },
        { "GET", "not a url", NULL, ERR_INVALID },
        { "GET", NULL, NULL, ERR_INVALID },
        { "GET /", "http://127.0.0.1/", NULL, ERR_INVALID },
        { "GET", "http://127.0.0.1/", evil, ERR_INVALID },
        { "GET", "http://127.0.0.1/", evil_name, ERR_INVALID },
    };
    struct world *w = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct http_request rq = { .method = cases[i].method,
                                         .url = cases[i].url,
                                         .headers = cases[i].headers,
                                         .n_headers = cases[i].headers != NULL };

        w->calls = 0;
        run(w, &rq);
        assert_int_equal(w->err.code, cases[i].want);
    }
}

static void test_nobody_listens(void **state)
{
    struct world *w = *state;
    struct http_request rq = { .method = "GET", .url = "http://127.0.0.1:1/" };

    run(w, &rq);
    assert_int_equal(w->err.code, ERR_RETRY);
    rq.unix_socket = "/nonexistent/berth.sock";
    w->calls = 0;
    run(w, &rq);
    assert_int_equal(w->err.code, ERR_RETRY);
    assert_non_null(strstr(w->err.msg, "/nonexistent/berth.sock"));
    assert_non_null(strstr(w->err.msg, "No such file"));
}

/* ---- reuse ---- */

static void stale_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_head(p);
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    peer_head(p); /* the second request, on the same connection */
    peer_expect_bytes(p, "body", 4);
    peer_reset(p);
    peer_accept(p);
    peer_head(p);
    peer_expect_bytes(p, "body", 4);
    peer_send(p, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
}

static void test_reset_of_a_kept_connection_is_retried(void **state)
{
    struct world *w = *state;
    struct http_request rq;

    serve(w, stale_script);
    rq = get(w);
    run(w, &rq);
    rq.method = "POST";
    rq.body = str_of("body");
    w->calls = 0;
    run(w, &rq);
    assert_int_equal(w->status, 201);
}

/* ---- streaming ---- */

#define STREAM_BYTES ((size_t)8 * 1024 * 1024)

static void stream_script(struct peer *p, void *arg)
{
    AUTO(str) char *block = mem_alloc(65536);

    (void)arg;
    memset(block, 'x', 65536);
    peer_accept(p);
    peer_head(p);
    peer_send(p, "HTTP/1.1 200 OK\r\n\r\n");
    for (size_t n = 0; n < STREAM_BYTES; n += 65536)
        peer_send_bytes(p, block, 65536);
    peer_close(p);
}

static void on_piece_pausing(void *user, struct str piece)
{
    struct world *w = user;

    assert_false(w->in_call);
    buf_append(&w->body, piece.p, piece.n);
    if (w->pieces++ == 3) {
        http_pause(w->op, true);
        loop_stop(w->loop);
    }
}

static void test_stream_paused_and_resumed(void **state)
{
    struct world *w = *state;
    struct http_request rq;
    size_t n;

    serve(w, stream_script);
    rq = get(w);
    rq.on_data = on_piece_pausing;
    rq.stream_user = w;
    rq.idle_timeout_ms = 1500; /* a pause is not the peer's silence */
    w->op = start(w, &rq);
    loop_run(w->loop);
    n = w->body.len;
    settle(w, 2200);
    assert_int_equal(w->pieces, 4);
    assert_int_equal(w->body.len, n);
    assert_int_equal(w->calls, 0);

    w->in_call = true;
    http_pause(w->op, false);
    w->in_call = false;
    loop_run(w->loop);
    assert_int_equal(w->calls, 1);
    assert_int_equal(w->err.code, ERR_OK);
    assert_int_equal(w->body.len, STREAM_BYTES);
}

static void on_head_status(void *user, const struct http_response *r)
{
    struct world *w = user;

    assert_int_equal(r->status, 500);
    note(w, 'h');
}

static void test_stream_collects_what_is_no_2xx(void **state)
{
    struct world *w = *state;
    struct http_request rq;

    serve(w, error_script);
    rq = get(w);
    rq.on_head = on_head_status;
    rq.on_data = go_on_data;
    rq.stream_user = w;
    run(w, &rq);
    assert_string_equal(w->trace, "hd");
    assert_string_equal(buf_text(&w->body), "broken");
}

/* ---- other ways ---- */

static void unix_script(struct peer *p, void *arg)
{
    const char *head;

    (void)arg;
    peer_accept(p);
    head = peer_head(p);
    if (!str_starts(head, "GET /v1.41/info HTTP/1.1\r\nHost: docker\r\n"))
        peer_fail(p, "other head: %s", head);
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
}

static void test_unix_socket(void **state)
{
    struct world *w = *state;
    char path[64];
    struct http_request rq = { .method = "GET",
                               .url = "http://docker/v1.41/info",
                               .unix_socket = path };

    snprintf(path, sizeof path, "/tmp/berth-test-%d.sock", (int)getpid());
    configure(w, &(struct http_client_config){ .http_proxy = "http://127.0.0.1:1" });
    w->peer = peer_start_unix(path, unix_script, NULL);
    run(w, &rq);
    unlink(path);
    assert_int_equal(w->status, 200);
    assert_string_equal(buf_text(&w->body), "{}");
}

static void proxy_script(struct peer *p, void *arg)
{
    const char *head;

    (void)arg;
    peer_accept(p);
    head = peer_head(p);
    if (!str_starts(head, "CONNECT ecs.example.com:443 HTTP/1.1\r\n") ||
        !strstr(head, "\r\nProxy-Authorization: Basic dTpw\r\n") || strstr(head, "X-Secret"))
        peer_fail(p, "other head: %s", head);
    peer_send(p, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
}

static void test_https_falls_back_to_http_proxy(void **state)
{
    static const struct http_header secret[] = { { "X-Secret", "not for the proxy" } };
    struct world *w = *state;
    char proxy[64], want[64];
    const struct http_request rq = {
        .method = "GET", .url = "https://ecs.example.com/", .headers = secret, .n_headers = 1
    };

    serve(w, proxy_script);
    snprintf(proxy, sizeof proxy, "u:p@127.0.0.1:%d", peer_port(w->peer));
    configure(w, &(struct http_client_config){ .http_proxy = proxy });
    run(w, &rq);
    assert_int_equal(w->err.code, ERR_RETRY);
    /* The proxy is named, and not who we are to it. */
    snprintf(want, sizeof want, "proxy 127.0.0.1:%d: ", peer_port(w->peer));
    assert_true(str_starts(w->err.msg, want));
    assert_non_null(strstr(w->err.msg, "407"));
    assert_null(strstr(w->err.msg, "u:p"));
}

static void test_loopback_is_never_proxied(void **state)
{
    struct world *w = *state;
    struct http_request rq;

    serve(w, ok_script);
    configure(w, &(struct http_client_config){ .user_agent = "Berth-Test/1",
                                               .http_proxy = "http://127.0.0.1:1",
                                               .https_proxy = "http://127.0.0.1:1" });
    rq = get(w);
    run(w, &rq);
    assert_int_equal(w->status, 200);
}

/* No text may show a password, whatever is wrong with the proxy. */
static void test_trouble_with_a_proxy(void **state)
{
    static const struct {
        const char *proxy, *begins;
    } cases[] = {
        { "http://name:hunter2@127.0.0.1:1", "proxy 127.0.0.1:1: " },
        { "socks5://name:hunter2@127.0.0.1:1/", "proxy 127.0.0.1:1: " },
        { "gopher://name:hunter2@127.0.0.1:1", "proxy 127.0.0.1:1: " },
        { "http://name:hunter2@127.0.0.1:x", "proxy 127.0.0.1:x: " },
        { "http://name:hunter2@proxy.invalid:3128", "proxy proxy.invalid:3128: " },
        { "http://name:hunt/er2@127.0.0.1:1", "proxy 127.0.0.1:1: " },
    };
    const struct http_request rq = { .method = "GET", .url = "https://ecs.example.com/" };
    struct world *w = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        configure(w, &(struct http_client_config){ .https_proxy = cases[i].proxy });
        w->calls = 0;
        run(w, &rq);
        if (!str_starts(w->err.msg, cases[i].begins) || strstr(w->err.msg, "hunt") ||
            strstr(w->err.msg, "er2"))
            fail_msg("%s", w->err.msg);
    }
}

static void hops_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_head(p);
    peer_send(p, "HTTP/1.1 200 Connection established\r\n\r\n");
    peer_tls(p);
    peer_head(p);
    peer_reset(p);
}

static void test_trouble_behind_a_proxy_is_not_its_own(void **state)
{
    const struct http_request rq = { .method = "POST", .url = "https://ecs.example.com/" };
    struct world *w = *state;
    char proxy[64];

    serve(w, hops_script);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", peer_port(w->peer));
    configure(w, &(struct http_client_config){ .https_proxy = proxy, .insecure_tls = true });
    run(w, &rq);
    assert_int_equal(w->err.code, ERR_RETRY);
    assert_false(str_starts(w->err.msg, "proxy"));
}

static void agents_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    if (!strstr(peer_head(p), "\r\nUser-Agent: Other/2\r\n"))
        peer_fail(p, "not its own name");
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    if (!strstr(peer_head(p), "\r\nUser-Agent: Berth-Test/1\r\n"))
        peer_fail(p, "not the client's name");
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

static void test_user_agent_of_a_request(void **state)
{
    struct world *w = *state;
    struct http_request rq;

    serve(w, agents_script);
    rq = get(w);
    rq.user_agent = "Other/2";
    run(w, &rq);
    w->calls = 0;
    rq.user_agent = NULL;
    run(w, &rq);
    assert_int_equal(w->status, 200);
}

/* ---- TLS ---- */

static void tls_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_tls(p);
    peer_head(p);
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

static void untrusted_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_tls_refused(p);
}

static void test_tls_is_verified(void **state)
{
    struct world *w = *state;
    struct http_request rq;

    serve(w, untrusted_script);
    rq = get(w);
    rq.url = peer_url(w->peer, "https", "/");
    run(w, &rq);
    assert_int_equal(w->err.code, ERR_DENIED);
    assert_true(str_starts(w->err.msg, "the certificate of 127.0.0.1 is not trusted: "));
    assert_non_null(strstr(w->err.msg, "AWS_CA_BUNDLE"));
}

static void accept_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
}

static void test_trusted_file_that_is_none(void **state)
{
    struct world *w = *state;

    serve(w, accept_script);
    configure(w, &(struct http_client_config){ .ca_file = "/no/such/bundle.pem" });
    run(w, &(struct http_request){ .method = "GET", .url = peer_url(w->peer, "https", "/") });
    assert_int_equal(w->err.code, ERR_DENIED);
    assert_non_null(strstr(w->err.msg, "/no/such/bundle.pem"));
}

static void ask_over_tls(struct world *w, const struct http_client_config *cfg)
{
    struct http_request rq;

    configure(w, cfg);
    serve(w, tls_script);
    rq = get(w);
    rq.url = peer_url(w->peer, "https", "/");
    run(w, &rq);
    assert_int_equal(w->status, 200);
    assert_string_equal(buf_text(&w->body), "ok");
}

static void test_tls_insecure(void **state)
{
    static const struct http_client_config cfg = { .insecure_tls = true };

    ask_over_tls(*state, &cfg);
}

static void test_tls_with_a_trusted_file(void **state)
{
    struct http_client_config cfg = { .ca_file = NULL };
    char path[64];

    cfg.ca_file = path;
    snprintf(path, sizeof path, "/tmp/berth-test-%d.pem", (int)getpid());
    assert_true(peer_tls_write_ca(path));
    ask_over_tls(*state, &cfg);
    unlink(path);
}

static void tls_proxy_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_tls(p);
    if (!str_starts(peer_head(p), "CONNECT ecs.example.com:443 "))
        peer_fail(p, "no CONNECT");
    peer_send(p, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
}

static void ask_tls_proxy(struct world *w, peer_script *script, const char *ca_file)
{
    const struct http_request rq = { .method = "GET", .url = "https://ecs.example.com/" };

    serve(w, script);
    configure(w, &(struct http_client_config){ .https_proxy = peer_url(w->peer, "https", ""),
                                               .ca_file = ca_file });
    run(w, &rq);
    assert_true(str_starts(w->err.msg, "proxy 127.0.0.1:"));
}

static void test_proxy_that_speaks_tls(void **state)
{
    struct world *w = *state;
    char path[64];

    snprintf(path, sizeof path, "/tmp/berth-test-%d.pem", (int)getpid());
    assert_true(peer_tls_write_ca(path));
    ask_tls_proxy(w, tls_proxy_script, path);
    unlink(path);
    assert_int_equal(w->err.code, ERR_RETRY);
    assert_non_null(strstr(w->err.msg, "403"));
}

static void test_tls_proxy_is_verified(void **state)
{
    struct world *w = *state;

    ask_tls_proxy(w, untrusted_script, NULL);
    assert_int_equal(w->err.code, ERR_DENIED);
    assert_non_null(strstr(w->err.msg, "AWS_CA_BUNDLE"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_get),
        T(test_status_is_an_answer_in_any_pieces),
        T(test_500),
        T(test_folded_first_line),
        T(test_redirect_is_not_followed),
        T(test_methods_and_bodies),
        T(test_body_over_the_maximum),
        T(test_reset_within_the_body),
        T(test_truncated_body),
        T(test_idle_timeout),
        T(test_timeout),
        T(test_refused_before_it_starts),
        T(test_nobody_listens),
        T(test_reset_of_a_kept_connection_is_retried),
        T(test_stream_paused_and_resumed),
        T(test_stream_collects_what_is_no_2xx),
        T(test_unix_socket),
        T(test_https_falls_back_to_http_proxy),
        T(test_loopback_is_never_proxied),
        T(test_trouble_with_a_proxy),
        T(test_trouble_behind_a_proxy_is_not_its_own),
        T(test_user_agent_of_a_request),
        T(test_tls_is_verified),
        T(test_trusted_file_that_is_none),
        T(test_tls_insecure),
        T(test_tls_with_a_trusted_file),
        T(test_proxy_that_speaks_tls),
        T(test_tls_proxy_is_verified),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
