#include "io/http_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/port_holder.h"

/* Of linux/netfilter_ipv4.h and its IPv6 twin, which do not agree with netinet/in.h. */
#define ORIGINAL_DESTINATION 80

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage room;
};

bool http_address_ip(const struct sockaddr *addr, struct http_ip *out)
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
    const union address *a = (const void *)addr;

    if (addr->sa_family == AF_INET6) {
        memcpy(out->bytes, &a->v6.sin6_addr, 16);
        return true;
    }
    if (addr->sa_family != AF_INET)
        return false;
    memcpy(out->bytes, mapped, 12);
    memcpy(out->bytes + 12, &a->v4.sin_addr, 4);
    return true;
}

void http_address_text(const struct sockaddr *addr, struct http_peer *out)
{
    const union address *a = (const void *)addr;
    const char *written = NULL;

    if (addr->sa_family == AF_INET) {
        written = inet_ntop(AF_INET, &a->v4.sin_addr, out->address, sizeof out->address);
        out->port = ntohs(a->v4.sin_port);
    } else if (addr->sa_family == AF_INET6) {
        const unsigned char *bytes = a->v6.sin6_addr.s6_addr;

        written = IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr)
                      ? inet_ntop(AF_INET, bytes + 12, out->address, sizeof out->address)
                      : inet_ntop(AF_INET6, bytes, out->address, sizeof out->address);
        out->port = ntohs(a->v6.sin6_port);
    }
    if (!written)
        *out = (struct http_peer){ 0 };
}

void http_address_asked(int fd, struct http_peer *out)
{
    union address a = { 0 };
    socklen_t n = sizeof a.v4;

    *out = (struct http_peer){ 0 };
    /* An IPv4 client of an IPv6 socket is asked for in the same way as any IPv4 client. */
    if (getsockopt(fd, IPPROTO_IP, ORIGINAL_DESTINATION, &a, &n) == 0 &&
        a.any.sa_family == AF_INET) {
        http_address_text(&a.any, out);
        return;
    }
    n = sizeof a.v6;
    if (getsockopt(fd, IPPROTO_IPV6, ORIGINAL_DESTINATION, &a, &n) == 0 &&
        a.any.sa_family == AF_INET6) {
        http_address_text(&a.any, out);
        return;
    }
    n = sizeof a;
    if (getsockname(fd, &a.any, &n) == 0)
        http_address_text(&a.any, out);
}

void http_peer_text(const struct http_peer *p, char out[HTTP_PEER_TEXT])
{
    bool v6 = strchr(p->address, ':');

    snprintf(out, HTTP_PEER_TEXT, "%s%s%s:%u", v6 ? "[" : "", p->address, v6 ? "]" : "",
             (unsigned)p->port);
}

static bool parse(const char *address, uint16_t port, union address *out, socklen_t *n)
{
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, address, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        *n = sizeof out->v4;
        return true;
    }
    if (inet_pton(AF_INET6, address, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(port);
        *n = sizeof out->v6;
        return true;
    }
    return false;
}

/* NOLINTNEXTLINE(misc-no-recursion): once, from "::" to the one without another */
enum err_code http_address_listen(const char *address, uint16_t port, int *out, struct err *e)
{
    union address a;
    socklen_t n;
    int fd, on = 1, off = 0, error;

    if (!parse(address, port, &a, &n))
        return err_set(e, ERR_INVALID, "%s is no address to listen on", address);
    fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        if (errno == EAFNOSUPPORT && strcmp(address, "::") == 0)
            return http_address_listen("0.0.0.0", port, out, e);
        return err_errno(e, errno, "socket");
    }
    /* An agent that comes back must not wait for the connections of the one before. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a.any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, &a.any, n) == 0 && listen(fd, SOMAXCONN) == 0) {
        *out = fd;
        return ERR_OK;
    }
    error = errno;
    close(fd);
    if (error == EADDRNOTAVAIL && strcmp(address, "::") == 0) /* IPv6 is turned off */
        return http_address_listen("0.0.0.0", port, out, e);
    if (error == EADDRINUSE) {
        AUTO(buf) struct buf who = BUF_INIT(256);

        port_holder_tell(port, &who);
        return err_set(e, ERR_CONFLICT, "%s port %d is taken: %s", address, port, buf_text(&who));
    }
    return err_errno(e, error, "cannot listen on %s port %d", address, port);
}

bool http_server_is_socket_of(int fd, const char *address, uint16_t port)
{
    union address bound = { 0 };
    socklen_t n = sizeof bound, size = sizeof(int);
    struct http_peer where = { 0 };
    int listens = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) || !listens ||
        getsockname(fd, &bound.any, &n))
        return false;
    http_address_text(&bound.any, &where);
    if (where.port != port)
        return false;
    /* As http_address_listen does on a host where IPv6 is turned off. */
    return streq(where.address, address) ||
           (streq(address, "::") && streq(where.address, "0.0.0.0"));
}
