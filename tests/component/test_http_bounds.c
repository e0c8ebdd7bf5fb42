/* links: io */
#include "component/http_server_world.h"

/* ---- bounds of size ---- */

static void send_too_much(struct world *w)
{
    AUTO(str) char *big = mem_array(HTTP_SERVER_BODY_MAX + 2, 1);
    int fd = client_dial(w->port, NULL);

    memset(big, 'b', HTTP_SERVER_BODY_MAX + 1);
    /* As much as is allowed. */
    client_say(fd, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 65536\r\n\r\n");
    client_send(fd, big, HTTP_SERVER_BODY_MAX);
    client_read(fd, true, &w->reply);
    w->most = w->reply.body.len;
    close(fd);
    /* More, announced and not announced. */
    fd = client_dial(w->port, NULL);
    client_say(fd, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 65537\r\n\r\n");
    w->n_closed += client_ended(fd, 3000);
    close(fd);
    fd = client_dial(w->port, NULL);
    client_say(fd, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n");
    w->n_closed += client_wait(fd, 3000);
    close(fd);
    fd = client_dial(w->port, NULL);
    client_say(fd, "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n");
    client_send(fd, big, HTTP_SERVER_BODY_MAX + 1);
    w->n_closed += client_ended(fd, 3000);
    close(fd);
}

static void test_a_body_has_a_bound(void **state)
{
    struct world *w = *state;

    run_clients(w, send_too_much);
    assert_int_equal(w->most, HTTP_SERVER_BODY_MAX + strlen("PUT / - 127.0.0.1 "));
    assert_int_equal(w->n_closed, 3);
    assert_int_equal(w->n_asked, 1);
}

/* Sends until nobody listens any more, at most 8 MiB; what went out. */
static size_t flood(struct world *w, const char *first, const char *piece)
{
    int fd = client_dial(w->port, NULL);
    size_t sent = 0;

    client_say(fd, first);
    while (sent < (size_t)8 << 20 && client_say(fd, piece)) {
        sent += strlen(piece);
        if (client_wait(fd, 0) && client_ended(fd, 0))
            break;
    }
    w->text.len = 0;
    close(fd);
    return sent;
}

static void send_headers_for_ever(struct world *w)
{
    char line[1000];
    size_t n;

    n = flood(w, "GET / HTTP/1.1\r\nHost: h\r\n", "A: b\r\n");
    w->most = n > w->most ? n : w->most;
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    n = flood(w, "GET /", line);
    w->most = n > w->most ? n : w->most;
    n = flood(w, "GET / HTTP/1.1\r\nHost: h\r\nA: ", line);
    w->most = n > w->most ? n : w->most;
    n = flood(w, line, line);
    w->most = n > w->most ? n : w->most;
    w->n_asked = 0;
    w->n_ok = get(w, NULL, "/now");
}

static void test_a_head_without_end(void **state)
{
    struct world *w = *state;

    run_clients(w, send_headers_for_ever);
    /* What the kernel's buffers took does not count against us. */
    assert_in_range(w->most, 1000, ((size_t)8 << 20) - 2000);
    assert_int_equal(w->n_ok, 200);
    assert_int_equal(w->n_asked, 1);
}

static void send_heads_at_the_bound(struct world *w)
{
    char head[20000];

    for (int i = 0; i < 2; i++) {
        int fd = client_dial(w->port, NULL);
        size_t n = i ? HTTP_SERVER_HEAD_MAX + 200 : HTTP_SERVER_HEAD_MAX - 200;

        memset(head, 'x', sizeof head);
        memcpy(head, "GET /now HTTP/1.1\r\nHost: h\r\nA: ", 31);
        memcpy(head + n - 4, "\r\n\r\n", 4);
        client_send(fd, head, n);
        client_read(fd, true, &w->reply);
        w->status[i] = w->reply.status;
        close(fd);
    }
}

static void test_a_head_has_a_bound(void **state)
{
    struct world *w = *state;

    run_clients(w, send_heads_at_the_bound);
    assert_int_equal(w->status[0], 200);
    assert_int_not_equal(w->status[1], 200);
    assert_int_equal(w->n_asked, 1);
}

static void send_nonsense(struct world *w)
{
    static const char *const texts[] = {
        "\r\n\r\n\r\n\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: h\r\n\r\n",
        "GET /now HTTP/1.1\r\n\r\n", /* no Host */
        "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        "\x16\x03\x01\x02\x01\x01\x01\xfc\x03\x03\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        int fd = client_dial(w->port, NULL);

        client_say(fd, texts[i]);
        shutdown(fd, SHUT_WR);
        w->n_closed += client_read_all(fd, &w->text);
        close(fd);
    }
    w->n_ok = get(w, NULL, "/now");
}

static void test_what_is_no_http(void **state)
{
    struct world *w = *state;

    run_clients(w, send_nonsense);
    assert_int_equal(w->n_closed, 8);
    assert_null(strstr(buf_text(&w->text), " 200 "));
    assert_int_equal(w->n_ok, 200);
    assert_int_equal(w->n_asked, 1);
}

/* ---- bounds of time ---- */

enum { SILENT, HALF_HEAD, DRIP, HALF_BODY, NO_ANSWER, NOT_READ, KEPT, KEPT_HALF, SLOW_ONES };

static void be_slow(struct world *w)
{
    static const char *const first[SLOW_ONES] = {
        [SILENT] = "",
        [HALF_HEAD] = "GET / HTTP/1.1\r\nHos",
        [DRIP] = "GET / HTTP/1.1\r\n",
        [HALF_BODY] = "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc",
        [NO_ANSWER] = GET("/park"),
        [NOT_READ] = GET("/big"),
        [KEPT] = GET("/now"),
        [KEPT_HALF] = GET("/now"),
    };
    int64_t start = clock_mono_ms();
    struct pollfd fds[SLOW_ONES];
    int small = 4096, open = SLOW_ONES - 1;
    bool begun = false;

    for (size_t i = 0; i < SLOW_ONES; i++) {
        fds[i] = (struct pollfd){ client_dial(w->port, NULL), POLLRDHUP, 0 };
        if (i == NOT_READ)
            setsockopt(fds[i].fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        client_say(fds[i].fd, first[i]);
        if (i >= KEPT)
            client_read(fds[i].fd, true, &w->reply);
    }
    while (open && clock_mono_ms() - start < 2 * HTTP_SERVER_TIMEOUT_MS) {
        poll(fds, SLOW_ONES, 250);
        if (fds[DRIP].fd >= 0)
            client_say(fds[DRIP].fd, "x");
        if (!begun && clock_mono_ms() - start > 3000)
            begun = client_say(fds[KEPT_HALF].fd, "GET /no");
        for (size_t i = 0; i < SLOW_ONES; i++) {
            if (fds[i].fd < 0 || !fds[i].revents)
                continue;
            w->took_ms[i] = clock_mono_ms() - start;
            close(fds[i].fd);
            fds[i].fd = -1;
            open -= i != KEPT_HALF;
        }
        w->n_ok += get(w, NULL, "/now") == 200;
        w->n_closed++;
    }
    /* Its head had begun in time, so it gets the time that a head may take. */
    client_say(fds[KEPT_HALF].fd, "w HTTP/1.1\r\nHost: h\r\n\r\n");
    client_read(fds[KEPT_HALF].fd, true, &w->reply);
    close(fds[KEPT_HALF].fd);
}

static void test_slow_clients_are_closed_in_time(void **state)
{
    struct world *w = *state;

    run_clients(w, be_slow);
    for (size_t i = 0; i < SLOW_ONES; i++) {
        print_message("%zu: %d ms\n", i, (int)w->took_ms[i]);
        if (i != KEPT_HALF)
            assert_in_range(w->took_ms[i], HTTP_SERVER_TIMEOUT_MS - 200,
                            2 * HTTP_SERVER_TIMEOUT_MS);
    }
    assert_int_equal(w->took_ms[KEPT_HALF], 0);
    assert_int_equal(w->reply.status, 200);
    assert_int_equal(w->n_gone, 1);
    /* The others noticed nothing. */
    assert_true(w->n_ok > 5);
    assert_int_equal(w->n_ok, w->n_closed);
}

/* ---- bounds of number ---- */

static void open_many(struct world *w)
{
    char from[20];

    for (size_t i = 0; i < 2000; i++) { /* of one address, which say nothing */
        w->fds[i] = client_dial(w->port, NULL);
        w->n_closed += w->fds[i] < 0;
    }
    w->status[0] = get(w, NULL, "/now");
    w->status[1] = get(w, "127.0.0.2", "/now");
    for (size_t i = 0; i < 2000; i++)
        close(w->fds[i]);
    w->took_ms[0] = (int64_t)w->most;
    w->most = 0;
    for (size_t i = 0; i < 2000; i++) { /* of ten addresses */
        snprintf(from, sizeof from, "127.0.1.%d", (int)(i % 10) + 1);
        w->fds[i] = client_dial(w->port, from);
        w->n_closed += w->fds[i] < 0;
    }
    w->status[2] = get(w, "127.0.1.1", "/now");
    w->status[3] = get(w, "127.0.0.2", "/now");
    for (size_t i = 0; i < 2000; i++)
        close(w->fds[i]);
}

static void test_many_idle_connections_leave_room(void **state)
{
    struct world *w = *state;

    run_clients(w, open_many);
    assert_int_equal(w->n_closed, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(w->status[i], 200);
    assert_in_range(w->took_ms[0], 1, HTTP_SERVER_PER_PEER + 1);
    assert_in_range(w->most, HTTP_SERVER_PER_PEER + 1, HTTP_SERVER_CONNECTIONS);
}

static void keep_many_waiting(struct world *w)
{
    for (size_t i = 0; i < HTTP_SERVER_PER_PEER; i++) {
        w->fds[i] = client_dial(w->port, NULL);
        client_say(w->fds[i], GET("/park"));
    }
    while (w->n_parked < HTTP_SERVER_PER_PEER && w->n_ok++ < 1000)
        get(w, "127.0.0.2", "/now");
    /* None of them rests, so there is no room for another. */
    w->fds[300] = client_dial(w->port, NULL);
    w->n_closed = client_ended(w->fds[300], 3000);
    w->status[0] = get(w, "127.0.0.2", "/now");
    w->n_ok = (int)w->n_parked;
}

static void test_one_address_leaves_the_others_served(void **state)
{
    struct world *w = *state;

    run_clients(w, keep_many_waiting);
    assert_int_equal(w->n_ok, HTTP_SERVER_PER_PEER);
    assert_int_equal(w->n_closed, 1);
    assert_int_equal(w->status[0], 200);
    destroy(w);
    assert_int_equal(w->n_gone, HTTP_SERVER_PER_PEER);
    for (size_t i = 0; i < HTTP_SERVER_PER_PEER; i++) {
        assert_true(client_ended(w->fds[i], 3000));
        close(w->fds[i]);
    }
    close(w->fds[300]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_body_has_a_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_head_without_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_head_has_a_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_http, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slow_clients_are_closed_in_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_idle_connections_leave_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_address_leaves_the_others_served, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
