/* links: io */
#include "support/http_world.h"

static void no_script(struct peer *p, void *arg)
{
    (void)p;
    (void)arg;
}

static void test_cancel_is_silent(void **state)
{
    struct world *w = *state;
    struct http_request rq;

    serve(w, no_script);
    rq = get(w);
    http_cancel(start(w, &rq)); /* before it could connect */
    rq.url = "http://example.com/";
    http_cancel(start(w, &rq)); /* before it could fail */
    http_cancel(NULL);
    settle(w, 20);
    assert_int_equal(w->calls, 0);
}

static void cancel_on_head(void *user, const struct http_response *r)
{
    struct world *w = user;

    assert_int_equal(r->status, 200);
    note(w, 'h');
    http_cancel(w->op);
    http_cancel(w->op);
    loop_stop(w->loop);
}

static void cancel_on_data(void *user, struct str piece)
{
    struct world *w = user;

    (void)piece;
    note(w, 'p');
    http_cancel(w->op);
    loop_stop(w->loop);
}

static void test_cancel_in_on_head(void **state)
{
    struct world *w = *state;
    struct http_request rq;

    serve(w, silent_script);
    rq = get(w);
    rq.on_head = cancel_on_head;
    rq.on_data = go_on_data;
    rq.stream_user = w;
    w->op = start(w, &rq);
    loop_run(w->loop);
    settle(w, 10);
    assert_string_equal(w->trace, "h");
}

static void test_cancel_in_on_data(void **state)
{
    struct world *w = *state;
    struct http_request rq;

    serve(w, silent_script);
    rq = get(w);
    rq.on_data = cancel_on_data;
    rq.stream_user = w;
    w->op = start(w, &rq);
    loop_run(w->loop);
    settle(w, 10);
    assert_string_equal(w->trace, "p");
}

static void on_done_cancelling(void *user, const struct http_response *r, const struct err *e)
{
    struct world *w = user;
    struct http_op *op = w->op;

    http_cancel(op); /* itself: over already */
    http_cancel(w->other);
    on_done(user, r, e);
}

static void two_script(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_head(p);
    peer_accept(p);
    peer_head(p);
    /* Whichever of the two this is, its answer silences the other one. */
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    peer_expect_eof(p);
}

static void cancel_other_on_data(void *user, struct str piece)
{
    struct world *w = user;

    (void)piece;
    note(w, 'p');
    http_cancel(w->other);
    w->other = start(w, &w->rq); /* starts later, as libcurl is on the stack */
    http_cancel(w->other);
    w->other = NULL;
    http_client_destroy(w->http);
    w->http = NULL;
    loop_stop(w->loop);
}

static void test_cancel_of_another_and_destroy_in_on_data(void **state)
{
    struct world *w = *state;

    serve(w, two_script);
    w->rq = get(w);
    w->rq.on_data = cancel_other_on_data;
    w->rq.stream_user = w;
    w->other = start(w, &w->rq);
    w->op = start(w, &w->rq);
    loop_run(w->loop);
    settle(w, 10);
    assert_string_equal(w->trace, "p");
    assert_int_equal(w->calls, 0);
}

static void test_cancel_in_done(void **state)
{
    struct world *w = *state;
    struct http_request rq;

    serve(w, ok_script);
    rq = get(w);
    w->op = http_send(w->http, &rq, on_done_cancelling, w);
    w->other = start(w, &rq); /* never accepted */
    loop_run(w->loop);
    settle(w, 10);
    assert_int_equal(w->calls, 1);
    assert_int_equal(w->status, 200);
}

static void destroy_in_done(void *user, const struct http_response *r, const struct err *e)
{
    struct world *w = user;

    (void)r;
    (void)e;
    w->calls++;
    http_client_destroy(w->http);
    w->http = NULL;
    loop_stop(w->loop);
}

static void test_destroy_in_done(void **state)
{
    struct world *w = *state;
    struct http_request rq;

    serve(w, ok_script);
    rq = get(w);
    http_send(w->http, &rq, destroy_in_done, w);
    loop_run(w->loop);
    assert_int_equal(w->calls, 1);
}

static void test_destroy_in_done_of_failures(void **state)
{
    struct world *w = *state;
    const struct http_request rq = { .method = "GET", .url = "http://example.com/" };

    http_send(w->http, &rq, destroy_in_done, w);
    http_send(w->http, &rq, destroy_in_done, w);
    loop_run(w->loop);
    settle(w, 5);
    assert_int_equal(w->calls, 1);
}

static void send_on_head(void *user, const struct http_response *r)
{
    struct world *w = user;

    (void)r;
    note(w, 'h');
    w->rq.on_head = NULL;
    w->other = start(w, &w->rq);
}

static void nested_script(struct peer *p, void *arg)
{
    peer_accept(p);
    peer_head(p);
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    ok_script(p, arg); /* the first connection stays open, and is busy */
    peer_wait(p);
}

static void test_send_within_a_callback(void **state)
{
    struct world *w = *state;

    serve(w, nested_script);
    w->rq = get(w);
    w->rq.on_head = send_on_head;
    w->rq.stream_user = w;
    w->op = start(w, &w->rq);
    loop_run(w->loop);
    peer_go(w->peer);
    assert_string_equal(w->trace, "hd");
    assert_int_equal(w->status, 200);
    assert_string_equal(buf_text(&w->body), "hello");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_cancel_is_silent),
        T(test_cancel_in_on_head),
        T(test_cancel_in_on_data),
        T(test_cancel_of_another_and_destroy_in_on_data),
        T(test_cancel_in_done),
        T(test_destroy_in_done),
        T(test_destroy_in_done_of_failures),
        T(test_send_within_a_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
