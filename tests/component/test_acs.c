/* links: control aws task config host io */
/* The life of sessions: how they end, and when the next one begins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "component/control_world.h"

/* ---- the life of sessions ---- */

static int64_t when[4]; /* of the session peer's handshakes; read after the peer's end */

static void odd_then_clean(struct peer *p, void *arg)
{
    (void)arg;
    handshake(p, true);
    heartbeat(p);
    when[0] = clock_mono_ms();
    peer_ws_send_close(p, 4000);
    peer_ws_expect_close(p, 4000);
    peer_close(p);
    handshake(p, false);
    when[1] = clock_mono_ms();
    peer_close(p); /* an end of file, soon after the opening */
    handshake(p, false);
    when[2] = clock_mono_ms();
}

static void test_how_a_session_ends_decides_when_the_next_begins(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.session = (struct backoff_rule){ 300, 100, 300, 0 };
    f.timing.floor_ms = 100;
    f.stop_at_opened = 3;
    start(&f, serve_both, odd_then_clean);
    run(&f);
    assert_int_equal(f.opened, 3);
    tear_down(&f);
    assert_true(when[1] - when[0] >= 290);
    assert_true(when[2] - when[1] >= 90);
}

static void too_long(struct peer *p, void *arg)
{
    /* A text frame of 64 MiB and one byte; one byte of it is enough. */
    static const unsigned char head[] = { 0x81, 127, 0, 0, 0, 0, 0x04, 0, 0, 1, '{' };

    (void)arg;
    handshake(p, true);
    peer_send_bytes(p, head, sizeof head);
    peer_ws_expect_close(p, 1009);
    peer_close(p);
    handshake(p, false);
    peer_wait(p);
    heartbeat(p);
}

static void test_too_long_message_ends_only_the_session(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.stop_at_opened = 2;
    start(&f, serve_both, too_long);
    run(&f);
    assert_int_equal(f.opened, 2);
    /* The heartbeat of the second session is still to be answered. */
    f.stop_at_closed = true;
    peer_go(f.session);
    run(&f);
    tear_down(&f);
}

static void silent(struct peer *p, void *arg)
{
    (void)arg;
    handshake(p, true);
    peer_expect_eof(p);
    peer_close(p);
    handshake(p, false);
}

static void test_silence_is_cut(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.silence_ms = 50;
    f.timing.silence_jitter_ms = 0;
    f.stop_at_opened = 2;
    start(&f, serve_both, silent);
    run(&f);
    assert_true(f.closed >= 1);
    tear_down(&f);
}

static void old(struct peer *p, void *arg)
{
    (void)arg;
    handshake(p, true);
    /* 1000 and the reason. */
    peer_ws_expect(p, 8,
                   "\x03\xe8"
                   "ConnectionExpired: Reconnect to continue",
                   42);
    say(p, "{\"type\":\"TaskStopVerificationAck\",\"message\":{\"messageId\":\"mf-1\","
           "\"stopTasks\":[{\"taskArn\":\"T9\"}]}}");
    peer_ws_send_close(p, 1000);
    peer_expect_eof(p);
    peer_close(p);
    handshake(p, false);
}

static void test_old_session_ends_in_peace(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.max_age_ms = 50;
    f.timing.age_jitter_ms = 0;
    f.stop_at_opened = 2;
    start(&f, serve_both, old);
    run(&f);
    /* What came between our goodbye and the peer's was still read. */
    assert_int_equal(f.n_stop_acks, 1);
    tear_down(&f);
}

#define PAYLOAD(id)                                                                              \
    "{\"type\":\"PayloadMessage\",\"message\":{\"messageId\":\"" id "\",\"clusterArn\":\"CLU\"," \
    "\"containerInstanceArn\":\"" CI "\",\"seqNum\":42,\"tasks\":[]}}"
#define ACK(id)                                                  \
    "{\"type\":\"AckRequest\",\"message\":{\"cluster\":\"CLU\"," \
    "\"containerInstance\":\"" CI "\",\"messageId\":\"" id "\"}}"

static void ends_before_the_ack(struct peer *p, void *arg)
{
    (void)arg;
    handshake(p, true);
    say(p, PAYLOAD("pl-1"));
    heartbeat(p); /* so it has been read */
    peer_close(p);
    handshake(p, false);
    say(p, PAYLOAD("pl-2"));
    expect(p, ACK("pl-2")); /* and nothing before it */
    peer_ws_send_close(p, 1001);
    peer_ws_expect_close(p, 1001);
    peer_close(p);
    handshake(p, false);
}

/* The store was slow. What the message said is sent again, under another id. */
static void test_an_ack_belongs_to_its_session(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.acks_later = true;
    f.stop_at_opened = 3;
    start(&f, serve_both, ends_before_the_ack);
    run(&f);
    assert_int_equal(f.opened, 3);
    tear_down(&f);
}

static void discover_fails_later(struct peer *p, void *arg)
{
    serve_both(p, arg);
    serve(p, ".DiscoverPollEndpoint", "\"zoneId\":\"\"}", 500, "<html>");
}

static void twice_the_same(struct peer *p, void *arg)
{
    (void)arg;
    handshake(p, true);
    peer_ws_send_close(p, 1001);
    peer_ws_expect_close(p, 1001);
    peer_close(p);
    handshake(p, false);
}

static void test_known_endpoint_outlives_its_time(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.discover_keep_ms = 0;
    f.timing.session = (struct backoff_rule){ LONG_MS, 100, LONG_MS, 0 };
    f.stop_at_opened = 2;
    start(&f, discover_fails_later, twice_the_same);
    run(&f);
    assert_int_equal(f.opened, 2);
    tear_down(&f);
}

/* None of these answers is kept: each is followed by a wait and a new question. */
static void nowhere(struct peer *p, void *arg)
{
    serve_register(p, arg);
    serve(p, ".DiscoverPollEndpoint", "\"zoneId\":\"\"}", 200, "{\"telemetryEndpoint\":\"x\"}");
    serve(p, ".DiscoverPollEndpoint", "\"zoneId\":\"\"}", 200, "{\"endpoint\":\"ftp://x\"}");
    serve(p, ".DiscoverPollEndpoint", "\"zoneId\":\"\"}", 200,
          "{\"endpoint\":\"http://192.0.2.1/\"}");
}

static void stop_when_unusable(void *user)
{
    struct fixture *f = user;

    if (status_says(f, "DiscoverPollEndpoint: endpoint: ") && status_says(f, "192.0.2.1"))
        loop_stop(f->loop);
    else
        loop_timer_arm(f->poll, 5);
}

static void test_unusable_endpoints(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.session = (struct backoff_rule){ 20, 100, 20, 0 };
    start(&f, nowhere, NULL);
    f.poll = loop_timer_create(f.loop, stop_when_unusable, &f);
    loop_timer_arm(f.poll, 0);
    run(&f);
    assert_int_equal(f.opened, 0);
    tear_down(&f);
}

/* ---- a wrong clock ---- */

#define TOMORROW "Sat, 01 Jan 2050 10:00:00 GMT"
#define LATER    "Sat, 01 Jan 2050 12:00:00 GMT"

/* Refuses a handshake that is signed for a time that begins with `signed_for`, if any. */
static void refuse_for_its_time(struct peer *p, const char *signed_for, int status,
                                const char *date)
{
    AUTO(str) char *header = mem_printf("Date: %s\r\n", date);
    const char *head;

    peer_accept(p);
    head = peer_head(p);
    if (signed_for && !strstr(head, signed_for))
        peer_fail(p, "signed for another time: %s", head);
    answer(p, status, header,
           "{\"type\":\"InvalidSignatureException\",\"message\":\"Signature expired\"}");
}

static void clock_then_open(struct peer *p, void *arg)
{
    (void)arg;
    refuse_for_its_time(p, NULL, 403, TOMORROW);
    handshake(p, true);
}

static void test_wrong_clock_is_mended_at_once(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.session = (struct backoff_rule){ LONG_MS, 100, LONG_MS, 0 };
    f.stop_at_opened = 1;
    start(&f, serve_both, clock_then_open);
    run(&f);
    assert_int_equal(f.opened, 1);
    assert_true(aws_clock_offset_ms(f.aws) > 0);
    assert_false(status_says(&f, "\"clock_offset_ms\":0"));
    tear_down(&f);
}

/* A peer whose time jumps is not followed for ever. */
static void lies(struct peer *p, void *arg)
{
    (void)arg;
    refuse_for_its_time(p, NULL, 400, TOMORROW);
    when[0] = clock_mono_ms(); /* before the client hears the next one, and waits */
    refuse_for_its_time(p, "X-Amz-Date: 20500101T10", 401, LATER);
    handshake(p, true);
    when[1] = clock_mono_ms();
}

static void test_clock_is_mended_once(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.session = (struct backoff_rule){ 300, 100, 300, 0 };
    f.stop_at_opened = 1;
    start(&f, serve_both, lies);
    run(&f);
    assert_int_equal(f.opened, 1);
    tear_down(&f);
    assert_true(when[1] - when[0] >= 290);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_how_a_session_ends_decides_when_the_next_begins),
        cmocka_unit_test(test_too_long_message_ends_only_the_session),
        cmocka_unit_test(test_silence_is_cut),
        cmocka_unit_test(test_old_session_ends_in_peace),
        cmocka_unit_test(test_an_ack_belongs_to_its_session),
        cmocka_unit_test(test_known_endpoint_outlives_its_time),
        cmocka_unit_test(test_unusable_endpoints),
        cmocka_unit_test(test_wrong_clock_is_mended_at_once),
        cmocka_unit_test(test_clock_is_mended_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
