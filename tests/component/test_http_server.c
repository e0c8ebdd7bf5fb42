/* links: io */
#include "component/http_server_world.h"

/* ---- requests and replies ---- */

static void ask_simply(struct world *w)
{
    int fd = client_dial(w->port, NULL);

    client_say(fd, "POST /a%2fb/../%zz?x=%41&&+%00 HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1, 2\r\n"
                   "Content-Length: 4\r\n\r\nb\nd!");
    client_read(fd, true, &w->reply);
    close(fd);
}

static void test_a_request_arrives_as_it_was_sent(void **state)
{
    struct world *w = *state;

    run_clients(w, ask_simply);
    assert_int_equal(w->reply.status, 200);
    assert_string_equal(buf_text(&w->reply.body),
                        "POST /a%2fb/../%zz?x=%41&&+%00 1, 2 127.0.0.1 b\nd!");
    assert_non_null(strstr(buf_text(&w->reply.head), "\r\nX-One: two words\r\n"));
    assert_non_null(strstr(buf_text(&w->reply.head), "\r\nX-None: "));
    assert_non_null(strstr(buf_text(&w->reply.head), "\r\nContent-Type: text/plain\r\n"));
    assert_string_equal(w->local.address, "127.0.0.1");
    assert_int_equal(w->local.port, w->port);
}

static void ask_on_one_connection(struct world *w)
{
    static const char *const targets[] = { "GET /now",    "HEAD /now",  "GET /later",
                                           "HEAD /later", "GET /empty", "GET /now" };
    char text[100];
    int fd = client_dial(w->port, NULL);

    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: h\r\n\r\n", targets[i]);
        client_say(fd, text);
        if (!client_read(fd, targets[i][0] == 'G', &w->reply))
            return;
        w->status[i] = w->reply.status;
        buf_printf(&w->text, "%s;%d ", buf_text(&w->reply.body),
                   strstr(buf_text(&w->reply.head), "\r\nContent-Length: ") != NULL);
    }
    close(fd);
}

static void test_a_connection_is_kept(void **state)
{
    struct world *w = *state;

    run_clients(w, ask_on_one_connection);
    assert_string_equal(buf_text(&w->text), "now;1 ;1 later;1 ;1 ;1 now;1 ");
    assert_int_equal(w->status[4], 405);
    assert_int_equal(w->status[5], 200);
}

static void ask_in_a_row(struct world *w)
{
    int fd = client_dial(w->port, NULL);

    client_say(fd, GET("/1")
                       GET("/later") "POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n"
                                     "abcGET /3 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < 4 && client_read(fd, true, &w->reply); i++)
        buf_printf(&w->text, "%s|", buf_text(&w->reply.body));
    w->n_closed = client_ended(fd, CLIENT_PATIENCE_MS);
    close(fd);
}

static void test_pipelined_requests_are_answered_in_order(void **state)
{
    struct world *w = *state;

    run_clients(w, ask_in_a_row);
    assert_string_equal(buf_text(&w->text), "GET /1 - 127.0.0.1 |later|POST /2 - 127.0.0.1 abc|"
                                            "GET /3 - 127.0.0.1 |");
    assert_int_equal(w->n_closed, 1);
}

static void ask_byte_by_byte(struct world *w)
{
    static const char text[] = "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    int fd = client_dial(w->port, NULL), on = 1;

    setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
    for (size_t i = 0; i < sizeof text - 1; i++)
        client_send(fd, text + i, 1);
    client_read(fd, true, &w->reply);
    close(fd);
}

static void test_a_request_in_pieces(void **state)
{
    struct world *w = *state;

    run_clients(w, ask_byte_by_byte);
    assert_string_equal(buf_text(&w->reply.body), "POST /x - 127.0.0.1 abcde");
}

static void ask_and_shut(struct world *w)
{
    int fd = client_dial(w->port, NULL);

    client_say(fd, GET("/later"));
    shutdown(fd, SHUT_WR);
    client_read(fd, true, &w->reply);
    w->n_closed = client_ended(fd, CLIENT_PATIENCE_MS);
    close(fd);
}

static void test_who_says_no_more_still_gets_an_answer(void **state)
{
    struct world *w = *state;

    run_clients(w, ask_and_shut);
    assert_string_equal(buf_text(&w->reply.body), "later");
    assert_int_equal(w->n_closed, 1);
    assert_int_equal(w->n_gone, 0);
}

static void ask_to_be_dropped(struct world *w)
{
    static const char *const asks[] = { GET("/drop"), GET("/drop-later") };

    for (size_t i = 0; i < COUNT_OF(asks); i++) {
        int fd = client_dial(w->port, NULL);

        client_say(fd, asks[i]);
        w->n_closed += client_ended(fd, 3000);
        close(fd);
    }
    w->n_ok = get(w, NULL, "/now");
}

static void test_a_dropped_call_ends_without_a_word(void **state)
{
    struct world *w = *state;

    run_clients(w, ask_to_be_dropped);
    assert_int_equal(w->n_closed, 2);
    assert_int_equal(w->n_gone, 0);
    assert_int_equal(w->n_ok, 200);
}

/* ---- ends ---- */

static void ask_and_reset(struct world *w)
{
    struct linger none = { 1, 0 };
    int fd = client_dial(w->port, NULL);
    int64_t until = clock_mono_ms() + 4000;

    client_say(fd, GET("/park"));
    /* It is there once a later request of the same client is answered. */
    while (!w->n_parked && clock_mono_ms() < until)
        get(w, NULL, "/now");
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(fd);
    while (!w->n_gone && clock_mono_ms() < until)
        get(w, NULL, "/now");
    w->n_ok = clock_mono_ms() < until;
}

static void test_a_client_that_was_reset_is_told(void **state)
{
    struct world *w = *state;

    run_clients(w, ask_and_reset);
    assert_int_equal(w->n_gone, 1);
    assert_int_equal(w->n_ok, 1); /* before its time was up */
}

static void ask_to_destroy(struct world *w)
{
    int parked = client_dial(w->port, NULL), fd = client_dial(w->port, NULL);

    client_say(parked, GET("/park"));
    client_say(fd, GET("/now"));
    client_read(fd, true, &w->reply);
    while (!w->n_parked)
        get(w, NULL, "/now");
    client_say(fd, GET("/destroy") GET("/now"));
    w->n_closed = client_ended(fd, 3000) + client_ended(parked, 3000);
    close(fd);
    close(parked);
    /* The listening socket goes a moment after the others. */
    for (int i = 0; i < 1000 && (fd = client_dial(w->port, NULL)) >= 0; i++) {
        client_ended(fd, 10);
        close(fd);
    }
    w->n_ok = fd;
}

static void test_a_handler_may_destroy_the_server(void **state)
{
    struct world *w = *state;

    run_clients(w, ask_to_destroy);
    assert_int_equal(w->n_closed, 2);
    assert_int_equal(w->n_gone, 1);
    assert_int_equal(w->n_ok, -1);
}

static void ask_in_vain(struct world *w)
{
    int a = client_dial(w->port, NULL), b = client_dial(w->port, NULL);

    client_say(a, GET("/park"));
    client_say(b, GET("/park"));
    w->n_closed = client_ended(a, 9000) + client_ended(b, 9000);
    close(a);
    close(b);
}

static void test_gone_may_destroy_the_server(void **state)
{
    struct world *w = *state;

    w->destroy_when_gone = true;
    run_clients(w, ask_in_vain);
    assert_int_equal(w->n_closed, 2);
    assert_int_equal(w->n_gone, 2);
}

static void test_a_server_that_nobody_asked(void **state)
{
    struct world *w = *state;

    destroy(w); /* before the loop ever ran */
    http_server_destroy(NULL);
}

/* ---- sockets ---- */

static void test_a_port_in_use(void **state)
{
    struct world *w = *state;
    struct http_server_args args = args_of(w, "127.0.0.1");
    struct http_server *other = NULL;
    struct err e = { 0 };

    args.port = w->port;
    assert_int_equal(http_server_create(&args, &other, &e), ERR_CONFLICT);
    assert_non_null(strstr(e.msg, "127.0.0.1"));
    args.address = "localhost";
    assert_int_equal(http_server_create(&args, &other, NULL), ERR_INVALID);
    assert_null(other);
}

static void ask_now(struct world *w)
{
    w->status[0] = get(w, NULL, "/echo");
}

static void test_a_socket_from_outside(void **state)
{
    struct world *w = *state;
    struct http_server_args args = args_of(w, NULL);
    struct sockaddr_in any = { .sin_family = AF_INET };
    struct err e = { 0 };

    destroy(w);
    args.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(args.fd, (struct sockaddr *)&any, sizeof any), 0);
    assert_int_equal(listen(args.fd, 10), 0);
    assert_int_equal(http_server_create(&args, &w->server, &e), ERR_OK);
    w->port = http_server_port(w->server);
    run_clients(w, ask_now);
    assert_int_equal(w->status[0], 200);
}

static void test_all_addresses_of_both_kinds(void **state)
{
    struct world *w = *state;
    struct http_server_args args = args_of(w, "::");
    struct err e = { 0 };

    destroy(w);
    assert_int_equal(http_server_create(&args, &w->server, &e), ERR_OK);
    w->port = http_server_port(w->server);
    run_clients(w, ask_now);
    assert_int_equal(w->status[0], 200);
    assert_string_equal(buf_text(&w->reply.body), "GET /echo - 127.0.0.1 ");
    assert_string_equal(w->local.address, "127.0.0.1");
    assert_int_equal(http_server_connections(w->server) <= 1, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_request_arrives_as_it_was_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_connection_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pipelined_requests_are_answered_in_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_request_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_says_no_more_still_gets_an_answer, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_dropped_call_ends_without_a_word, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_client_that_was_reset_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_handler_may_destroy_the_server, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gone_may_destroy_the_server, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_server_that_nobody_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_port_in_use, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_socket_from_outside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_addresses_of_both_kinds, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
