#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/internal.h"

struct host_port_hold {
    int fd;
};

bool host_parse_port_range(const char *text, uint16_t *first, uint16_t *last)
{
    char *end;
    long from, to;

    errno = 0;
    from = strtol(text, &end, 10);
    if (end == text || (*end != ' ' && *end != '\t'))
        return false;
    text = end;
    to = strtol(text, &end, 10);
    if (errno || end == text || (*end && *end != '\n') || from < 1 || to > UINT16_MAX || from > to)
        return false;
    *first = (uint16_t)from;
    *last = (uint16_t)to;
    return true;
}

bool host_port_range(uint16_t *first, uint16_t *last)
{
    int fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_RDONLY | O_CLOEXEC);
    char text[64];
    ssize_t n;

    if (fd < 0)
        return false;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n < 0)
        return false;
    text[n] = '\0';
    return host_parse_port_range(text, first, last);
}

/* SO_REUSEADDR stays off: with it a port that others are bound to could be had. */
static int bound_socket(int family, int type, uint16_t port)
{
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(family, type | SOCK_CLOEXEC, 0), zero = 0, failed;

    if (fd < 0)
        return -1;
    if (family == AF_INET)
        failed = bind(fd, (const struct sockaddr *)&v4, sizeof v4);
    else
        failed = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero) ||
                 bind(fd, (const struct sockaddr *)&v6, sizeof v6);
    if (!failed)
        return fd;
    failed = errno;
    close(fd);
    errno = failed;
    return -1;
}

struct host_port_hold *host_port_take(bool udp, uint16_t port)
{
    struct host_port_hold *h;
    int type = udp ? SOCK_DGRAM : SOCK_STREAM;
    int fd;

    if (!port) /* to bind() that is any port */
        return NULL;
    fd = bound_socket(AF_INET6, type, port);
    /* Without IPv6 here, version 4 is all there is to hold. */
    if (fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL || errno == ENOPROTOOPT))
        fd = bound_socket(AF_INET, type, port);
    if (fd < 0)
        return NULL;
    h = NEW(struct host_port_hold);
    h->fd = fd;
    return h;
}

void host_port_release(struct host_port_hold *h)
{
    if (!h)
        return;
    close(h->fd);
    free(h);
}
