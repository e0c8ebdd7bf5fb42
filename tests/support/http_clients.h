#pragma once
/* http_clients: clients with plain sockets, for tests of HTTP servers. They block, so they
 * run on a worker thread; they never assert, they report. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/defs.h"

#define CLIENT_PATIENCE_MS 15000

/* Connects from `source` ("127.0.0.7") or from wherever (NULL); -1. */
static inline UNUSED int client_dial(uint16_t port, const char *source)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in from = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    if (source) {
        inet_pton(AF_INET, source, &from.sin_addr);
        if (bind(fd, (struct sockaddr *)&from, sizeof from)) {
            close(fd);
            return -1;
        }
    }
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline UNUSED bool client_send(int fd, const char *text, size_t n)
{
    while (n) {
        ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        text += sent;
        n -= (size_t)sent;
    }
    return true;
}

static inline UNUSED bool client_say(int fd, const char *text)
{
    return client_send(fd, text, strlen(text));
}

/* Waits until there is something to read; false when the time is up first. */
static inline UNUSED bool client_wait(int fd, int wait_ms)
{
    struct pollfd p = { fd, POLLIN, 0 };

    return poll(&p, 1, wait_ms) > 0;
}

/* The other side ended it within that time, and said nothing (more). */
static inline UNUSED bool client_ended(int fd, int wait_ms)
{
    char c;

    return client_wait(fd, wait_ms) && recv(fd, &c, 1, 0) <= 0;
}

/* All that comes until the end or until the time is up; true at the end. */
static inline UNUSED bool client_read_all(int fd, struct buf *out)
{
    char piece[4096];
    ssize_t n;

    for (;;) {
        if (!client_wait(fd, CLIENT_PATIENCE_MS))
            return false;
        n = recv(fd, piece, sizeof piece, 0);
        if (n <= 0)
            return true;
        buf_append(out, piece, (size_t)n);
    }
}

struct client_reply {
    int status; /* 0: none came */
    struct buf head, body;
};

static inline UNUSED void client_reply_fini(struct client_reply *r)
{
    buf_fini(&r->head);
    buf_fini(&r->body);
}

/* One reply, byte by byte, so that what follows it stays for the next. */
static inline UNUSED bool client_read(int fd, bool has_body, struct client_reply *r)
{
    const char *length;
    size_t n = 0;
    char c;

    r->status = 0;
    buf_fini(&r->head);
    buf_fini(&r->body);
    buf_init(&r->head, (size_t)64 * 1024);
    buf_init(&r->body, (size_t)16 * 1024 * 1024);
    while (r->head.len < 4 || memcmp(r->head.data + r->head.len - 4, "\r\n\r\n", 4) != 0) {
        if (!client_wait(fd, CLIENT_PATIENCE_MS) || recv(fd, &c, 1, 0) != 1)
            return false;
        buf_putc(&r->head, c);
    }
    length = strcasestr(buf_text(&r->head), "\r\nContent-Length: ");
    if (length && has_body)
        n = (size_t)strtoul(length + 18, NULL, 10);
    while (r->body.len < n) {
        size_t want = n - r->body.len;
        char *at = buf_reserve(&r->body, want);
        ssize_t got = client_wait(fd, CLIENT_PATIENCE_MS) ? recv(fd, at, want, 0) : -1;

        if (got <= 0)
            return false;
        buf_grew(&r->body, (size_t)got);
    }
    r->status = (int)strtol(buf_text(&r->head) + 9, NULL, 10);
    return true;
}

/* One request on a connection of its own; the reply's status, 0: none. */
static inline UNUSED int client_get(uint16_t port, const char *source, const char *target,
                                    struct client_reply *r)
{
    char text[1024];
    int fd = client_dial(port, source);
    bool done;

    r->status = 0;
    if (fd < 0)
        return 0;
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\nUser-Agent: test/1\r\n\r\n", target);
    done = client_say(fd, text) && client_read(fd, true, r);
    close(fd);
    return done ? r->status : 0;
}
