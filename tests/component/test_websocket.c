/* links: io */
#include "support/ws_world.h"

/* ---- messages ---- */

static void fragments_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_ws_accept(p);
    peer_ws_send(p, false, 1, "one ", 4);
    peer_ws_send(p, false, 0, "", 0);
    peer_ws_send(p, true, 9, "are you there", 13); /* between the fragments */
    peer_ws_send(p, true, 0, "message", 7);
    peer_ws_send(p, true, 2, "binary", 6);
    peer_ws_expect(p, 10, "are you there", 13);
    peer_ws_send_close(p, 4001);
    peer_ws_expect_close(p, 4001);
    peer_expect_eof(p);
}

static void test_fragments_ping_and_close(void **state)
{
    struct world *w = *state;

    run(w, fragments_script);
    assert_string_equal(buf_text(&w->trace), "open one message binary ");
    assert_int_equal(w->code, 4001);
    assert_int_equal(w->err.code, ERR_OK);
}

static void burst_script(struct peer *p, void *arg)
{
    static const char frames[] = "\x81\x05"
                                 "first\x81\x06"
                                 "second\x88\x02\x03\xe9";
    char answer[256], accept[29];

    (void)arg;
    peer_accept(p);
    peer_head(p);
    /* The frames come in the same segment as the end of the handshake. */
    snprintf(answer, sizeof answer,
             "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n\r\n%s",
             peer_ws_key(p, accept), frames);
    peer_send(p, answer);
    peer_ws_expect_close(p, 1001);
}

static void test_many_in_one_segment(void **state)
{
    struct world *w = *state;

    run(w, burst_script);
    assert_string_equal(buf_text(&w->trace), "open first second ");
    assert_int_equal(w->code, 1001);
}

#define HELD_MESSAGES 200

static void held_script(struct peer *p, void *arg)
{
    char frame[1004] = { '\x81', 126, '\x03', '\xe8' }; /* 1000 bytes of text */

    (void)arg;
    peer_ws_accept(p);
    for (int i = 0; i < HELD_MESSAGES; i++) {
        memset(frame + 4, 'a' + i % 26, 1000);
        peer_send_bytes(p, frame, sizeof frame);
    }
    peer_send_bytes(p, "\x88\x00", 2);
    peer_ws_expect_close(p, 0);
}

static void hold_at_once(void *user)
{
    struct world *w = user;

    ws_hold(w->ws, true);
    on_opened(user);
}

/* Held, no message comes but what is in memory; then all come, in order. */
static void test_held(void **state)
{
    static const struct ws_events usual = { on_opened, on_message, on_closed };
    struct world *w = *state;
    size_t before;

    events.opened = hold_at_once;
    dial(w, held_script);
    events = usual;
    settle(w, 200);
    before = w->n_messages;
    assert_true(before <= 8);
    assert_int_equal(w->closed, 0);
    ws_hold(w->ws, false);
    loop_run(w->loop);
    assert_int_equal(w->closed, 1);
    assert_int_equal(w->n_messages, HELD_MESSAGES);
    for (size_t i = 0; i < HELD_MESSAGES; i++)
        assert_int_equal(w->trace.data[5 + i * 1001], 'a' + i % 26);
}

static void slow_script(struct peer *p, void *arg)
{
    static const char frames[] = "\x81\x05"
                                 "hello\x88\x00";

    (void)arg;
    peer_ws_accept(p);
    peer_send_slowly(p, frames, sizeof frames - 1);
    peer_ws_expect_close(p, 0);
}

static void test_byte_by_byte_and_empty_close(void **state)
{
    struct world *w = *state;

    run(w, slow_script);
    assert_string_equal(buf_text(&w->trace), "open hello ");
    assert_int_equal(w->code, 1005);
}

static void eof_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_ws_accept(p);
    peer_ws_send(p, true, 1, "last", 4);
    peer_close(p);
}

static void test_end_without_close(void **state)
{
    struct world *w = *state;

    run(w, eof_script);
    assert_string_equal(buf_text(&w->trace), "open last ");
    assert_int_equal(w->code, 1006);
    assert_int_equal(w->err.code, ERR_OK);
}

static void reset_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_ws_accept(p);
    peer_ws_expect(p, 1, "x", 1);
    peer_reset(p);
}

static void send_x(void *user)
{
    struct world *w = user;
    struct err e;

    on_opened(user);
    assert_int_equal(ws_send(w->ws, str_of("x"), &e), ERR_OK);
}

static void test_reset(void **state)
{
    struct world *w = *state;

    events.opened = send_x;
    run(w, reset_script);
    events.opened = on_opened;
    assert_int_equal(w->code, 0);
    assert_int_equal(w->err.code, ERR_RETRY);
}

static void oversize_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_ws_accept(p);
    peer_ws_send(p, true, 1, "0123456789", 10);
    peer_ws_send(p, false, 1, "01234", 5);
    peer_ws_send(p, true, 0, "567890", 6);
    peer_ws_expect_close(p, 1009);
    peer_expect_eof(p);
}

static void test_message_over_the_maximum(void **state)
{
    struct world *w = *state;

    w->rq.max_message = 10;
    run(w, oversize_script);
    assert_string_equal(buf_text(&w->trace), "open 0123456789 ");
    assert_int_equal(w->code, 0);
    assert_int_equal(w->err.code, ERR_LIMIT);
}

static void masked_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_ws_accept(p);
    peer_send_bytes(p, "\x81\x81mask.", 7); /* a server must not mask */
    peer_ws_expect_close(p, 1002);
}

static void test_protocol_error(void **state)
{
    struct world *w = *state;

    run(w, masked_script);
    assert_int_equal(w->code, 0);
    assert_int_equal(w->err.code, ERR_RETRY);
}

#define BIG ((size_t)5 * 1024 * 1024)

static void big_script(struct peer *p, void *arg)
{
    AUTO(str) char *big = mem_alloc(BIG);

    (void)arg;
    memset(big, 'b', BIG);
    peer_ws_accept(p);
    peer_ws_send(p, true, 1, big, BIG);
    peer_ws_expect(p, 1, big, BIG);
    peer_ws_expect(p, 1, "and more", 8);
    peer_ws_send_close(p, 1000);
    peer_ws_expect_close(p, 1000);
}

static void echo(void *user, struct str text)
{
    struct world *w = user;
    struct err e;

    assert_int_equal(text.n, BIG);
    assert_int_equal(ws_send(w->ws, text, &e), ERR_OK);
    assert_int_equal(ws_send(w->ws, str_of("and more"), &e), ERR_OK);
}

/* More than any socket buffer holds, in both directions. */
static void test_big_messages(void **state)
{
    struct world *w = *state;

    events.message = echo;
    run(w, big_script);
    events.message = on_message;
    assert_int_equal(w->code, 1000);
}

static void drain_script(struct peer *p, void *arg)
{
    AUTO(str) char *big = mem_alloc(BIG);

    (void)arg;
    peer_ws_accept(p);
    peer_wait(p);
    peer_ws_expect(p, 1, big, BIG);
    peer_ws_send(p, true, 1, "drained", 7);
    peer_ws_expect(p, 1, "y", 1);
    peer_ws_send_close(p, 1000);
}

static void fill_queue(void *user)
{
    struct world *w = user;
    AUTO(str) char *big = mem_alloc(BIG + 1);
    struct err e = { 0 };

    assert_int_equal(ws_send(w->ws, (struct str){ big, BIG + 1 }, &e), ERR_LIMIT);
    assert_int_equal(ws_send(w->ws, (struct str){ big, BIG }, &e), ERR_OK);
    assert_int_equal(ws_send(w->ws, str_of("x"), &e), ERR_LIMIT);
    peer_go(w->peer);
}

static void send_y(void *user, struct str text)
{
    struct world *w = user;
    struct err e = { 0 };

    on_message(user, text);
    assert_int_equal(ws_send(w->ws, str_of("y"), &e), ERR_OK);
}

static void test_queue_is_bounded(void **state)
{
    struct world *w = *state;

    w->rq.max_queue = BIG;
    events.opened = fill_queue;
    events.message = send_y;
    run(w, drain_script);
    events.opened = on_opened;
    events.message = on_message;
    assert_int_equal(w->code, 1000);
    assert_string_equal(buf_text(&w->trace), "drained ");
}

/* Pings and pings, and the answers are not read. */
static void ping_script(struct peer *p, void *arg)
{
    enum { N = 4000000 };
    AUTO(str) char *pings = mem_alloc(N);

    (void)arg;
    for (size_t i = 0; i < N; i += 2)
        pings[i] = (char)0x89;
    peer_ws_accept(p);
    peer_send_bytes(p, pings, N);
    peer_wait(p); /* the connection stays */
}

static void test_unread_pongs_are_bounded(void **state)
{
    struct world *w = *state;

    run(w, ping_script);
    assert_int_equal(w->code, 0);
    assert_int_equal(w->err.code, ERR_LIMIT);
    assert_non_null(strstr(w->err.msg, "unread"));
    /* Whether it could still say all of it does not matter. */
    ws_destroy(w->ws);
    w->ws = NULL;
    peer_go(w->peer);
    peer_stop(w->peer);
    w->peer = NULL;
}

/* ---- TLS ---- */

static void tls_script(struct peer *p, void *arg)
{
    AUTO(str) char *big = mem_alloc(BIG);

    (void)arg;
    memset(big, 'b', BIG);
    peer_accept(p);
    peer_tls(p);
    peer_ws_answer(p);
    /* Many frames in one TLS record: poll sees only the first of them. */
    peer_send_bytes(p,
                    "\x81\x01"
                    "1\x81\x01"
                    "2\x81\x01"
                    "3",
                    9);
    peer_ws_expect(p, 1, "go on", 5);
    peer_ws_send(p, true, 1, big, BIG);
    peer_ws_expect(p, 1, big, BIG);
    peer_ws_expect(p, 1, "and more", 8);
    peer_close(p); /* without the goodbye of TLS */
}

static void talk(void *user, struct str text)
{
    struct world *w = user;
    struct err e;

    if (text.n > 1)
        echo(user, text);
    else
        on_message(user, text);
    if (text.n == 1 && *text.p == '3')
        assert_int_equal(ws_send(w->ws, str_of("go on"), &e), ERR_OK);
}

static void test_tls(void **state)
{
    static const struct http_client_config insecure = { .insecure_tls = true };
    struct world *w = *state;

    http_client_destroy(w->http);
    w->http = http_client_create(w->loop, &insecure);
    w->peer = peer_start(tls_script, NULL);
    w->rq.url = peer_url(w->peer, "wss", "/");
    events.message = talk;
    run(w, NULL);
    events.message = on_message;
    assert_string_equal(buf_text(&w->trace), "open 1 2 3 ");
    assert_int_equal(w->code, 1006);
}

/* ---- ends ---- */

static void our_close_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_ws_accept(p);
    peer_ws_expect(p, 8,
                   "\x03\xe8"
                   "ConnectionExpired: Reconnect to continue",
                   42);
    peer_ws_send(p, true, 1, "still here", 10);
    peer_ws_send_close(p, 1000);
}

static void close_it(void *user)
{
    struct world *w = user;
    struct err e;

    on_opened(user);
    ws_close(w->ws, 1000, "ConnectionExpired: Reconnect to continue");
    ws_close(w->ws, 1001, "again");
    assert_int_equal(ws_send(w->ws, str_of("x"), &e), ERR_CONFLICT);
}

static void test_we_close_first(void **state)
{
    struct world *w = *state;

    events.opened = close_it;
    run(w, our_close_script);
    events.opened = on_opened;
    assert_string_equal(buf_text(&w->trace), "open still here ");
    assert_int_equal(w->code, 1000);
}

static void absent_script(struct peer *p, void *arg)
{
    (void)p;
    (void)arg;
}

static void test_close_before_it_is_open(void **state)
{
    struct world *w = *state;
    struct err e;

    w->peer = peer_start(absent_script, NULL);
    w->rq.url = peer_url(w->peer, "ws", "/");
    dial(w, NULL);
    assert_int_equal(ws_send(w->ws, str_of("x"), &e), ERR_CONFLICT);
    ws_close(w->ws, 1000, NULL);
    loop_run(w->loop);
    assert_int_equal(w->closed, 1);
    assert_int_equal(w->err.code, ERR_CONFLICT);
}

static void two_messages_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_ws_accept(p);
    peer_send_bytes(p,
                    "\x81\x01"
                    "a\x81\x01"
                    "b",
                    6);
    peer_wait(p);
}

static void destroy_on_message(void *user, struct str text)
{
    struct world *w = user;

    on_message(user, text);
    ws_destroy(w->ws);
    w->ws = NULL;
    loop_stop(w->loop);
}

static void test_destroy_within_a_message(void **state)
{
    struct world *w = *state;

    events.message = destroy_on_message;
    dial(w, two_messages_script);
    loop_run(w->loop);
    events.message = on_message;
    settle(w, 10);
    peer_go(w->peer);
    assert_string_equal(buf_text(&w->trace), "open a ");
    assert_int_equal(w->closed, 0);
}

static void destroy_on_closed(void *user, int code, const struct err *e, int status,
                              struct str body)
{
    struct world *w = user;

    on_closed(user, code, e, status, body);
    ws_destroy(w->ws);
    w->ws = NULL;
}

static void test_destroy_within_closed(void **state)
{
    struct world *w = *state;

    events.closed = destroy_on_closed;
    run(w, eof_script);
    events.closed = on_closed;
    assert_int_equal(w->code, 1006);
}

static void destroy_on_opened(void *user)
{
    struct world *w = user;

    ws_destroy(w->ws);
    w->ws = NULL;
    loop_stop(w->loop);
}

static void test_destroy_within_opened_and_while_connecting(void **state)
{
    struct world *w = *state;

    events.opened = destroy_on_opened;
    dial(w, two_messages_script);
    loop_run(w->loop);
    events.opened = on_opened;
    peer_go(w->peer);
    dial(w, NULL); /* the peer accepts no second one */
    ws_destroy(w->ws);
    w->ws = NULL;
    ws_destroy(NULL);
    settle(w, 10);
    assert_int_equal(w->closed, 0);
    assert_int_equal(w->n_messages, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_fragments_ping_and_close),
        T(test_many_in_one_segment),
        T(test_held),
        T(test_byte_by_byte_and_empty_close),
        T(test_end_without_close),
        T(test_reset),
        T(test_message_over_the_maximum),
        T(test_protocol_error),
        T(test_big_messages),
        T(test_queue_is_bounded),
        T(test_unread_pongs_are_bounded),
        T(test_tls),
        T(test_we_close_first),
        T(test_close_before_it_is_open),
        T(test_destroy_within_a_message),
        T(test_destroy_within_closed),
        T(test_destroy_within_opened_and_while_connecting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
