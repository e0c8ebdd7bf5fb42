/* links: io */
/* A server that lets go of its socket, and another one that goes on with it. */
#include "component/http_server_world.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>

#define CLIENTS 16
#define ROUNDS  300

struct drain {
    struct world *w;
    int spare; /* the socket in another's hands */
    int n_drained, swaps;
    int64_t begun_ms, drained_ms;
    /* of the clients */
    int bad;
    size_t answered, closes;
};
static struct drain d;
static sem_t go;

static void take_over(void *user)
{
    struct world *w = user;
    struct http_server_args args = args_of(w, NULL);
    struct err e = { 0 };

    d.n_drained++;
    d.drained_ms = clock_mono_ms();
    assert_int_equal(http_server_connections(w->server), 0);
    assert_int_equal(http_server_socket(w->server), -1);
    http_server_destroy(w->server);
    args.fd = fcntl(d.spare, F_DUPFD_CLOEXEC, 3);
    assert_int_equal(http_server_create(&args, &w->server, &e), ERR_OK);
    sem_post(&go);
}

static int setup_drain(void **state)
{
    struct world *w;

    if (setup(state))
        return -1;
    w = *state;
    d = (struct drain){ .w = w };
    sem_init(&go, 0, 0);
    d.spare = fcntl(http_server_socket(w->server), F_DUPFD_CLOEXEC, 3);
    return 0;
}

static int teardown_drain(void **state)
{
    close(d.spare);
    return teardown(state);
}

/* ---- under load ---- */

static void *ask_all_the_time(void *arg)
{
    bool keeps = arg != NULL;
    struct client_reply r = { 0 };
    size_t answered = 0, closes = 0;
    int fd = -1, bad = 0;

    for (int i = 0; i < ROUNDS; i++) {
        bool closing;

        /* As HTTP clients do before they use a kept connection again. */
        if (fd >= 0 && client_wait(fd, 0)) {
            close(fd);
            fd = -1;
        }
        if (fd < 0)
            fd = client_dial(d.w->port, NULL);
        if (fd < 0 || !client_say(fd, i % 15 ? GET("/now") : GET("/later")) ||
            !client_read(fd, true, &r) || r.status != 200) {
            bad++;
            continue;
        }
        answered++;
        closing = strstr(buf_text(&r.head), "\r\nConnection: close\r\n");
        closes += closing;
        if (closing || !keeps) {
            close(fd);
            fd = -1;
        }
    }
    if (fd >= 0)
        close(fd);
    client_reply_fini(&r);
    __atomic_add_fetch(&d.bad, bad, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&d.answered, answered, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&d.closes, closes, __ATOMIC_SEQ_CST);
    return NULL;
}

static void load(struct world *w)
{
    pthread_t threads[CLIENTS];
    static char yes;

    (void)w;
    for (size_t i = 0; i < CLIENTS; i++)
        pthread_create(&threads[i], NULL, ask_all_the_time, i % 2 ? &yes : NULL);
    for (size_t i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
}

static struct loop_timer *swap_timer;

static void on_taken_over(void *user)
{
    take_over(user);
    loop_timer_arm(swap_timer, 20);
}

static void on_swap(void *user)
{
    struct world *w = user;

    d.swaps++;
    http_server_drain(w->server, on_taken_over, w);
}

static void test_nobody_notices_under_load(void **state)
{
    struct world *w = *state;

    swap_timer = loop_timer_create(w->loop, on_swap, w);
    loop_timer_arm(swap_timer, 20);
    run_clients(w, load);
    loop_timer_destroy(swap_timer);
    assert_int_equal(d.bad, 0);
    assert_int_equal(d.answered, CLIENTS * ROUNDS);
    assert_true(d.n_drained > 0 && d.swaps >= d.n_drained);
    assert_true(d.closes > 0);
}

/* ---- one by one ---- */

static void on_drained(void *user)
{
    take_over(user);
}

static void start(void *user)
{
    struct world *w = user;

    d.drained_ms = 0;
    d.begun_ms = clock_mono_ms();
    http_server_drain(w->server, on_drained, w);
    http_server_drain(w->server, on_drained, w); /* once is enough */
}

static int64_t drain_and_run(struct world *w, void (*script)(struct world *w))
{
    struct loop_timer *soon = loop_timer_create(w->loop, start, w);

    loop_timer_arm(soon, 100);
    run_clients(w, script);
    loop_timer_destroy(soon);
    assert_int_equal(d.n_drained, 1);
    return d.drained_ms - d.begun_ms;
}

static void keep_silent(struct world *w)
{
    int fd = client_dial(w->port, NULL);

    client_say(fd, GET("/now"));
    client_read(fd, true, &w->reply);
    w->status[0] = w->reply.status;
    w->n_closed = client_ended(fd, CLIENT_PATIENCE_MS);
    close(fd);
    w->status[1] = get(w, NULL, "/now");
}

static void test_a_silent_connection_is_closed(void **state)
{
    struct world *w = *state;
    int64_t took_ms = drain_and_run(w, keep_silent);

    assert_int_equal(w->status[0], 200);
    assert_int_equal(w->n_closed, 1);
    assert_int_equal(w->status[1], 200); /* by the one that came after */
    assert_true(took_ms >= HTTP_SERVER_WANE_MS - 50);
    assert_true(took_ms < HTTP_SERVER_WANE_MS + HTTP_SERVER_DRAIN_MS);
}

/* It connects before, and asks when the drain has begun. */
static void ask_late(struct world *w)
{
    int fd = client_dial(w->port, NULL);

    sem_wait(&go);
    client_say(fd, GET("/later"));
    client_read(fd, true, &w->reply);
    w->n_closed = client_ended(fd, CLIENT_PATIENCE_MS);
    close(fd);
}

static void start_and_say(void *user)
{
    start(user);
    sem_post(&go);
}

static void test_who_was_accepted_is_answered(void **state)
{
    struct world *w = *state;
    struct loop_timer *soon = loop_timer_create(w->loop, start_and_say, w);

    loop_timer_arm(soon, 50);
    run_clients(w, ask_late);
    loop_timer_destroy(soon);
    assert_string_equal(buf_text(&w->reply.body), "later");
    assert_non_null(strstr(buf_text(&w->reply.head), "\r\nConnection: close\r\n"));
    assert_null(strstr(strstr(buf_text(&w->reply.head), "\r\nConnection: close\r\n") + 1,
                       "\r\nConnection: "));
    assert_int_equal(w->n_closed, 1);
}

static void never_answered(struct world *w)
{
    int fd = client_dial(w->port, NULL);

    client_say(fd, GET("/park"));
    w->n_closed = client_ended(fd, CLIENT_PATIENCE_MS);
    close(fd);
}

static void on_drained_badly(void *user)
{
    struct world *w = user;

    d.n_drained++;
    d.drained_ms = clock_mono_ms();
    destroy(w);
}

static void start_badly(void *user)
{
    struct world *w = user;

    d.begun_ms = clock_mono_ms();
    http_server_drain(w->server, on_drained_badly, w);
}

static void test_it_does_not_wait_for_ever(void **state)
{
    struct world *w = *state;
    struct loop_timer *soon = loop_timer_create(w->loop, start_badly, w);

    loop_timer_arm(soon, 100);
    run_clients(w, never_answered);
    loop_timer_destroy(soon);
    assert_int_equal(d.n_drained, 1);
    assert_int_equal(w->n_gone, 1);
    assert_int_equal(w->n_closed, 1);
    assert_true(d.drained_ms - d.begun_ms >= HTTP_SERVER_DRAIN_MS - 50);
    /* Not for as long as a client may be silent; but this machine may be slow. */
    assert_true(d.drained_ms - d.begun_ms < HTTP_SERVER_DRAIN_MS + HTTP_SERVER_TIMEOUT_MS / 2);
}

static void nobody(struct world *w)
{
    sem_wait(&go);
    w->status[0] = get(w, NULL, "/now");
}

static void test_an_idle_server_ends_at_once(void **state)
{
    struct world *w = *state;

    assert_true(drain_and_run(w, nobody) < HTTP_SERVER_WANE_MS);
    assert_int_equal(w->status[0], 200);
}

/* ---- whose socket it is ---- */

static void test_is_socket_of(void **state)
{
    struct world *w = *state;
    int fd = http_server_socket(w->server), not_listening = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(http_server_is_socket_of(fd, "127.0.0.1", w->port));
    assert_false(http_server_is_socket_of(fd, "127.0.0.1", (uint16_t)(w->port + 1)));
    assert_false(http_server_is_socket_of(fd, "127.0.0.2", w->port));
    assert_false(http_server_is_socket_of(fd, "::", w->port));
    assert_false(http_server_is_socket_of(not_listening, "0.0.0.0", 0));
    assert_false(http_server_is_socket_of(-1, "127.0.0.1", w->port));
    close(not_listening);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody_notices_under_load, setup_drain,
                                        teardown_drain),
        cmocka_unit_test_setup_teardown(test_a_silent_connection_is_closed, setup_drain,
                                        teardown_drain),
        cmocka_unit_test_setup_teardown(test_who_was_accepted_is_answered, setup_drain,
                                        teardown_drain),
        cmocka_unit_test_setup_teardown(test_it_does_not_wait_for_ever, setup_drain,
                                        teardown_drain),
        cmocka_unit_test_setup_teardown(test_an_idle_server_ends_at_once, setup_drain,
                                        teardown_drain),
        cmocka_unit_test_setup_teardown(test_is_socket_of, setup_drain, teardown_drain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
