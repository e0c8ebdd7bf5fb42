#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/internal.h"

/* A socket on 127.0.0.1; *port 0 chooses one. -1 when it is taken. */
static int bind_near(int type, uint16_t *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons(*port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    if (bind(fd, (const struct sockaddr *)&a, sizeof a)) {
        assert_int_equal(errno, EADDRINUSE);
        close(fd);
        return -1;
    }
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static void check_holding(bool udp)
{
    int type = udp ? SOCK_DGRAM : SOCK_STREAM;
    struct host_port_hold *h;
    uint16_t port = 0;
    int fd = bind_near(type, &port);

    assert_null(host_port_take(udp, port)); /* somebody is bound to one address of it */
    if (!udp) {
        assert_int_equal(listen(fd, 1), 0);
        assert_null(host_port_take(udp, port));
    }
    close(fd);
    h = host_port_take(udp, port);
    assert_non_null(h);
    assert_null(host_port_take(udp, port));
    assert_int_equal(bind_near(type, &port), -1); /* it is held for version 4 too */
    host_port_release(h);
    h = host_port_take(udp, port);
    assert_non_null(h);
    host_port_release(h);
}

static void test_tcp(void **state)
{
    (void)state;
    check_holding(false);
}

static void test_udp(void **state)
{
    (void)state;
    check_holding(true);
}

static void test_no_port(void **state)
{
    (void)state;
    assert_null(host_port_take(false, 0));
    host_port_release(NULL);
}

static void test_range_text(void **state)
{
    static const char *const bad[] = {
        "", "1", "1-2", "0\t5", "9\t8", "1\t65536", "a\tb", "1\t2x"
    };
    uint16_t first = 7, last = 7;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(host_parse_port_range(bad[i], &first, &last));
    assert_int_equal(first + last, 14);
    assert_true(host_parse_port_range("32768\t60999\n", &first, &last));
    assert_int_equal(first, 32768);
    assert_int_equal(last, 60999);
    assert_true(host_port_range(&first, &last));
    assert_true(first >= 1 && first <= last);
}

static void test_disk(void **state)
{
    struct host_disk d = { 0 };
    struct err e = { 0 };

    (void)state;
    assert_int_equal(host_read_disk("/proc/no such place", &d, &e), ERR_NOT_FOUND);
    assert_int_equal(d.bytes, 0);
    assert_int_equal(host_read_disk("/", &d, &e), ERR_OK);
    assert_true(d.bytes > 0 && d.bytes_used > 0 && d.bytes_used <= d.bytes);
    assert_true(d.inodes_used >= 0 && d.inodes_used <= d.inodes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp),     cmocka_unit_test(test_udp),
        cmocka_unit_test(test_no_port), cmocka_unit_test(test_range_text),
        cmocka_unit_test(test_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
