#pragma once
/* held_port: a port that nobody listens on, for as long as the test says.
 *
 * A port that was closed is soon given to somebody else, in this test or in one beside it, and
 * then it does not refuse. This one stays bound. Who asks for it by number, with SO_REUSEADDR,
 * may listen there all the same. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/defs.h"

/* Of `address`; 0 in `port` takes any. A descriptor to close. */
static UNUSED int held_port(const char *address, int *port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)*port) };
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    if (inet_pton(AF_INET, address, &at.sin_addr) != 1 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) ||
        bind(fd, (struct sockaddr *)&at, n) || getsockname(fd, (struct sockaddr *)&at, &n))
        abort();
    *port = ntohs(at.sin_port);
    return fd;
}
