/* links: control aws task config host io */
/* The life of telemetry sessions: how they end, and when the next one begins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "component/tcs_world.h"

static void refuses(struct peer *p, void *arg)
{
    struct link l;

    (void)arg;
    take_handshake(p, &l);
    answer(p, 400, "", "{\"type\":\"InvalidParameterException\",\"message\":{\"message\":\"no\"}}");
    take_handshake(p, &l);
    peer_wait(p);
    answer_handshake(p);
    take(p, &l);
    atomic_store(&done, true);
}

static void test_refusal(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    awaited = "\"last_error\":\"InvalidParameterException: no\",\"waiting\":1,";
    start_telemetry(&f, refuses);
    start(&f, serve_both, NULL);
    run(&f);
    assert_true(status_says(&f, "\"waiting\":0,\"dropped\":0,\"sent\":1}"));
    end(&f);
}

static void vanishes(struct peer *p, void *arg)
{
    struct fixture *f = arg;
    struct link l;

    take_handshake(p, &l);
    peer_close(p);
    peer_wait(p);
    peer_go(f->session);
    open_telemetry(p, &l);
    take(p, &l);
    peer_go(f->session);
    atomic_store(&done, true);
}

static void opens_later(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_head(p);
    peer_wait(p);
    answer_handshake(p);
    peer_wait(p);
}

/* The network is back, says the other session: no need to wait any longer. */
static void test_good_news_shorten_the_wait(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    f.timing.telemetry = f.timing.session;
    awaited = "\"last_error\":\"the connection ended in the websocket handshake\",\"waiting\":1,";
    start_telemetry(&f, vanishes);
    start(&f, serve_both, opens_later);
    finish(&f);
    assert_int_equal(f.opened, 1);
}

static void expect_goodbye(struct peer *p)
{
    peer_ws_expect(p, 8,
                   "\x03\xe8"
                   "ConnectionExpired: Reconnect to continue",
                   42);
}

static void silent(struct peer *p, void *arg)
{
    struct link l;

    (void)arg;
    open_telemetry(p, &l);
    take(p, &l);
    /* These are no signs of life. */
    say(p, "{\"type\":\"InvalidParameterException\",\"message\":{\"message\":\"bad metric\"}}");
    say(p, "{\"type\":\"Unheard\",\"message\":{}}");
    say(p, "nonsense");
    expect_goodbye(p);
    peer_ws_send_close(p, 1000);
    peer_expect_eof(p);
    peer_close(p);
    open_telemetry(p, &l);
    /* Not even an answer to the goodbye: it is left, too. */
    expect_goodbye(p);
    peer_expect_eof(p);
    atomic_store(&done, true);
}

/* The backoff is never waited out here: a peer that says goodbye, too, is welcome at once. */
static void test_silence_ends_in_peace(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    f.timing.silence_ms = 60;
    f.timing.silence_jitter_ms = 0;
    f.timing.telemetry = f.timing.session;
    start_telemetry(&f, silent);
    start(&f, serve_both, NULL);
    finish(&f);
}

static void inactive(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_head(p);
    peer_wait(p);
    answer(p, 400, "", "{\"InactiveInstanceException\":\"gone\"}");
}

static void is_cut(struct peer *p, void *arg)
{
    struct fixture *f = arg;
    struct link l;

    open_telemetry(p, &l);
    take(p, &l);
    peer_go(f->session);
    peer_expect_eof(p);
    peer_close(p);
    open_telemetry(p, &l);
    atomic_store(&done, true);
}

static void test_inactive_instance(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    start_telemetry(&f, is_cut);
    start(&f, serve_both, inactive);
    finish(&f);
    assert_int_equal(f.opened, 0);
}

static void endpoint_comes_later(struct peer *p, void *arg)
{
    struct fixture *f = arg;
    AUTO(str)
    char *without = mem_printf("{\"endpoint\":\"%s\"}", peer_url(f->session, "http", "/"));

    serve_register(p, arg);
    serve(p, ".DiscoverPollEndpoint", "\"zoneId\":\"\"}", 200, without);
    serve_discover(p, arg);
}

static void stays_open(struct peer *p, void *arg)
{
    (void)arg;
    handshake(p, true);
    peer_wait(p);
}

static void waits_for_the_other(struct peer *p, void *arg)
{
    struct fixture *f = arg;
    struct link l;

    take_handshake(p, &l);
    peer_wait(p);
    answer_handshake(p);
    take(p, &l);
    peer_go(f->session);
    atomic_store(&done, true);
}

/* Where telemetry goes is asked for again; the other session has its endpoint already. */
static void test_no_telemetry_endpoint(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    awaited = "\"acs\":{\"connected\":true";
    start_telemetry(&f, waits_for_the_other);
    start(&f, endpoint_comes_later, stays_open);
    finish(&f);
}

static void beats(struct peer *p, void *arg)
{
    (void)arg;
    handshake(p, true);
    peer_wait(p);
    heartbeat(p);
}

static void test_no_telemetry_is_wanted(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    f.source = NULL;
    f.stop_at_opened = 1;
    start(&f, serve_both, beats);
    run(&f);
    assert_false(status_says(&f, "\"tcs\""));
    f.stop_at_closed = true;
    peer_go(f.session); /* a heartbeat is answered all the same */
    finish(&f);
    assert_int_equal(machine.n_gathered, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusal),
        cmocka_unit_test(test_good_news_shorten_the_wait),
        cmocka_unit_test(test_silence_ends_in_peace),
        cmocka_unit_test(test_inactive_instance),
        cmocka_unit_test(test_no_telemetry_endpoint),
        cmocka_unit_test(test_no_telemetry_is_wanted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
