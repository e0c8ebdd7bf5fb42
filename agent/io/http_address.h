#pragma once
/* http_address: the addresses of the HTTP server's sockets. Private to io. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "io/http_server.h"

/* An address in one form: IPv4 is mapped into IPv6, so that a client is the same one
 * whichever socket it comes by. */
struct http_ip {
    unsigned char bytes[16];
};

bool http_address_ip(const struct sockaddr *addr, struct http_ip *out);
/* As text; "" and 0 for a family that is none of the two. */
void http_address_text(const struct sockaddr *addr, struct http_peer *out);
/* Whom the client of a connected socket asked: before a redirecting rule of the host took
 * the packets here, if one did. */
void http_address_asked(int fd, struct http_peer *out);

/* A listening socket. ERR_CONFLICT: in use, and by whom. "::" listens for IPv4 too, and on a host
 * without IPv6 for IPv4 alone. */
MUST_CHECK enum err_code http_address_listen(const char *address, uint16_t port, int *fd,
                                             struct err *e);
