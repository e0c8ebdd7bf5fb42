/* Why a port cannot be bound: the message names who has it. */
#include "support/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/http_address.h"

static uint16_t port_of(int fd)
{
    struct sockaddr_in at;
    socklen_t n = sizeof at;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    return ntohs(at.sin_port);
}

static int listen_anywhere(void)
{
    struct err e = { 0 };
    int fd = -1;

    if (http_address_listen("127.0.0.1", 0, &fd, &e))
        fail_msg("%s", e.msg);
    return fd;
}

static int client_of(int server)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port = htons(port_of(server)) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void assert_taken(uint16_t port, const char *by)
{
    AUTO(str) char *want = mem_printf("127.0.0.1 port %u is taken: %s", port, by);
    struct err e = { 0 };
    int fd = -1;

    assert_int_equal(http_address_listen("127.0.0.1", port, &fd, &e), ERR_CONFLICT);
    assert_string_equal(e.msg, want);
    assert_int_equal(fd, -1);
}

static void test_who_has_it(void **state)
{
    /* As the kernel cuts it. */
    AUTO(str)
    char *listens = mem_printf("process %d (%.15s) listens there", (int)getpid(),
                               program_invocation_short_name);
    AUTO(str)
    char *connected = mem_printf("process %d (%.15s) has a connection from there", (int)getpid(),
                                 program_invocation_short_name);
    int server = listen_anywhere(), client = client_of(server);
    int accepted = accept(server, NULL, NULL);
    uint16_t port = port_of(client);
    char byte;

    (void)state;
    assert_true(accepted >= 0);
    assert_taken(port_of(server), listens);
    assert_taken(port, connected);
    /* Who closes first waits, without a socket of anybody's. */
    close(client);
    assert_int_equal(read(accepted, &byte, 1), 0);
    close(accepted);
    assert_taken(port, "a connection that has ended keeps it, for a minute at most");
    close(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_who_has_it) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
