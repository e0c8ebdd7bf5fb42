/* links: io */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/unix_server.h"
#include "support/check.h"

struct world {
    struct loop *loop;
    struct loop_timer *watchdog;
    struct loop_timer *later;
    struct unix_server *server;
    struct unix_client *client;
    char dir[64], path[96];
    struct buf requests;
    int n_requests;
    int gone;
    bool dropped;
    /* of the asking thread */
    pthread_t asker;
    struct buf answer;
    enum err_code code;
    struct err err;
};

static void on_watchdog(void *user)
{
    (void)user;
    fail_msg("the test did not end in time");
}

static int setup(void **state)
{
    struct world *w = NEW(struct world);

    snprintf(w->dir, sizeof w->dir, "/tmp/berth-test-XXXXXX");
    if (!mkdtemp(w->dir))
        return -1;
    snprintf(w->path, sizeof w->path, "%s/run/berth.sock", w->dir);
    w->loop = loop_create();
    w->watchdog = loop_timer_create(w->loop, on_watchdog, w);
    loop_timer_arm(w->watchdog, 20000);
    buf_init(&w->requests, 1 << 20);
    buf_init(&w->answer, 1 << 22);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    int rc;

    unix_server_destroy(w->server);
    loop_timer_destroy(w->watchdog);
    loop_timer_destroy(w->later);
    loop_destroy(w->loop);
    buf_fini(&w->requests);
    buf_fini(&w->answer);
    unlink(w->path);
    *strrchr(w->path, '/') = 0;
    rmdir(w->path);
    rc = rmdir(w->dir);
    free(w);
    return rc;
}

static void stop(void *user)
{
    loop_stop(((struct world *)user)->loop);
}

static void remember(struct world *w, struct unix_client *c, struct str line)
{
    w->client = c;
    w->n_requests++;
    buf_append(&w->requests, line.p, line.n);
    buf_putc(&w->requests, '|');
}

static void answer_twice(void *user, struct unix_client *c, struct str line)
{
    remember(user, c, line);
    assert_true(unix_client_send(c, str_of("{\"a\":1}\n")));
    assert_true(unix_client_send(c, str_of("{\"b\":2}\n")));
    unix_client_end(c);
    assert_false(unix_client_send(c, str_of("too late\n")));
}

static void listen_with(struct world *w, unix_request_fn *fn)
{
    struct err e = { 0 };

    assert_int_equal(unix_server_create(w->loop, w->path, fn, w, &w->server, &e), ERR_OK);
}

static void on_line(void *user, struct str text)
{
    struct world *w = user;

    buf_append(&w->answer, text.p, text.n);
    buf_putc(&w->answer, '|');
}

static void asked(void *user)
{
    struct world *w = user;

    w->code = unix_ask(w->path, str_of("{\"cmd\":\"status\"}"), on_line, w, &w->err);
}

/* Asks on a worker thread while the loop serves. */
static void ask(struct world *w)
{
    loop_work(w->loop, asked, stop, w);
    loop_run(w->loop);
}

static int dial(const struct world *w)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", w->path);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    return fd;
}

static void put(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void test_request_and_answer(void **state)
{
    struct world *w = *state;
    struct stat st;

    listen_with(w, answer_twice);
    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    for (int i = 1; i <= 3; i++) {
        buf_reset(&w->answer);
        ask(w);
        assert_int_equal(w->code, ERR_OK);
        assert_string_equal(buf_text(&w->answer), "{\"a\":1}|{\"b\":2}|");
        assert_int_equal(w->n_requests, i);
    }
    assert_true(str_starts(buf_text(&w->requests), "{\"cmd\":\"status\"}|"));
    unix_server_destroy(w->server);
    w->server = NULL;
    assert_int_equal(stat(w->path, &st), -1);
}

static void test_nobody_to_ask(void **state)
{
    struct world *w = *state;
    struct unix_server *other;

    ask(w);
    assert_int_equal(w->code, ERR_NOT_FOUND);
    assert_int_equal(unix_server_create(w->loop, w->path, answer_twice, w, &other, &w->err), 0);
    unix_server_destroy(other);
    ask(w);
    assert_int_equal(w->code, ERR_NOT_FOUND);
}

static void test_second_server_conflicts(void **state)
{
    struct world *w = *state;
    struct unix_server *other = NULL;

    listen_with(w, answer_twice);
    assert_int_equal(unix_server_create(w->loop, w->path, answer_twice, w, &other, &w->err),
                     ERR_CONFLICT);
    assert_null(other);
    ask(w); /* the first one is none the worse */
    assert_int_equal(w->code, ERR_OK);
}

static void test_stale_socket_is_replaced(void **state)
{
    struct world *w = *state;
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", w->path);
    snprintf(w->path, sizeof w->path, "%s/run", w->dir);
    assert_int_equal(mkdir(w->path, 0755), 0);
    snprintf(w->path, sizeof w->path, "%s/run/berth.sock", w->dir);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    close(fd); /* as a process that was killed leaves it */
    listen_with(w, answer_twice);
    ask(w);
    assert_int_equal(w->code, ERR_OK);
}

static void test_other_files_are_left_alone(void **state)
{
    struct world *w = *state;
    struct unix_server *s = NULL;
    struct stat st;
    FILE *f;

    snprintf(w->path, sizeof w->path, "%s/run", w->dir);
    f = fopen(w->path, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(unix_server_create(w->loop, w->path, answer_twice, w, &s, &w->err),
                     ERR_CONFLICT);
    assert_int_equal(stat(w->path, &st), 0);
    unlink(w->path);
    snprintf(w->path, sizeof w->path, "%s/run/berth.sock", w->dir);
}

static void on_gone(void *user)
{
    struct world *w = user;

    w->gone++;
    w->client = NULL;
    loop_stop(w->loop);
}

static void answer_later(void *user, struct unix_client *c, struct str line)
{
    remember(user, c, line);
    unix_client_on_gone(c, on_gone, user);
    stop(user);
}

static void test_client_gone(void **state)
{
    struct world *w = *state;
    int fd;

    listen_with(w, answer_later);
    fd = dial(w);
    put(fd, "{\"cmd\":");
    put(fd, "\"x\"}\nrest");
    loop_run(w->loop);
    assert_string_equal(buf_text(&w->requests), "{\"cmd\":\"x\"}|");
    assert_int_equal(w->gone, 0);
    close(fd);
    loop_run(w->loop);
    assert_int_equal(w->gone, 1);
}

static void test_answer_later(void **state)
{
    struct world *w = *state;
    char text[64] = "";
    int fd;

    listen_with(w, answer_later);
    fd = dial(w);
    put(fd, "q\n");
    loop_run(w->loop);
    assert_true(unix_client_send(w->client, str_of("done\n")));
    unix_client_end(w->client);
    w->later = loop_timer_create(w->loop, stop, w);
    loop_timer_arm(w->later, 10);
    loop_run(w->loop);
    assert_int_equal(recv(fd, text, sizeof text - 1, MSG_WAITALL), 5);
    assert_string_equal(text, "done\n");
    close(fd);
    assert_int_equal(w->gone, 0);
}

static void test_destroy_with_a_client(void **state)
{
    struct world *w = *state;
    char byte;
    int fd;

    listen_with(w, answer_later);
    fd = dial(w);
    put(fd, "q\n");
    loop_run(w->loop);
    unix_server_destroy(w->server);
    w->server = NULL;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
    assert_int_equal(w->gone, 0);
}

static void *send_too_much(void *user)
{
    struct world *w = user;
    AUTO(str) char *much = mem_alloc(100000);
    int fd = dial(w);
    char byte;
    ssize_t n;

    memset(much, 'a', 100000);
    n = send(fd, much, 100000, MSG_NOSIGNAL);
    w->dropped = n < 0 || recv(fd, &byte, 1, 0) <= 0;
    close(fd);
    return NULL;
}

static void send_too_much_work(void *user)
{
    send_too_much(user);
}

static void test_oversize_request_is_dropped(void **state)
{
    struct world *w = *state;

    listen_with(w, answer_later);
    loop_work(w->loop, send_too_much_work, stop, w);
    loop_run(w->loop);
    assert_true(w->dropped);
    assert_int_equal(w->n_requests, 0);
    assert_int_equal(w->gone, 0);
}

static void test_client_that_does_not_read(void **state)
{
    struct world *w = *state;
    AUTO(str) char *block = mem_alloc(65536);
    size_t sent = 0;
    int fd;

    listen_with(w, answer_later);
    fd = dial(w);
    put(fd, "q\n");
    loop_run(w->loop);
    while (sent < ((size_t)16 << 20) && unix_client_send(w->client, (struct str){ block, 65536 }))
        sent += 65536;
    assert_in_range(sent, 1024 * 1024, (8 << 20));
    assert_int_equal(w->gone, 0); /* the sender was told already */
    close(fd);
}

static void test_clients_are_bounded(void **state)
{
    struct world *w = *state;
    int fds[65];
    char byte;

    listen_with(w, answer_later);
    w->later = loop_timer_create(w->loop, stop, w);
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = dial(w);
        loop_timer_arm(w->later, 1);
        loop_run(w->loop); /* the queue of the listener is short */
    }
    assert_int_equal(recv(fds[64], &byte, 1, 0), 0);
    assert_int_equal(recv(fds[63], &byte, 1, MSG_DONTWAIT), -1);
    close(fds[0]);
    loop_timer_arm(w->later, 1);
    loop_run(w->loop);
    fds[0] = dial(w);
    put(fds[0], "again\n");
    loop_run(w->loop);
    assert_string_equal(buf_text(&w->requests), "again|");
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_request_and_answer),
        T(test_nobody_to_ask),
        T(test_second_server_conflicts),
        T(test_stale_socket_is_replaced),
        T(test_other_files_are_left_alone),
        T(test_client_gone),
        T(test_answer_later),
        T(test_destroy_with_a_client),
        T(test_oversize_request_is_dropped),
        T(test_client_that_does_not_read),
        T(test_clients_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
