/* sink: a CloudWatch Logs that counts, for measurements.
 *
 * Answers PutLogEvents, CreateLogGroup, CreateLogStream and GetLogEvents over HTTP/1.1 with kept
 * connections, believes every signature, and keeps of the events only their count, so that little
 * of the machine is spent on it. GetLogEvents therefore shows an empty stream. GET /stats tells
 * what came, POST /reset forgets it.
 *
 *     sink [PORT]       prints its port; ends when its standard input does
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "count.h"

#define REQUEST_MAX ((size_t)16 << 20) /* escaped, a text may be six times as long */
#define READ_BYTES  ((size_t)256 << 10)
#define HEAD_MAX    ((size_t)32 << 10)

struct connection {
    int fd;
    struct buf in;
    bool told_to_go_on; /* 100 Continue, for the request that is being read */
};

struct sink {
    int epoll, listener;
    struct count *count;
    uint64_t requests;
};

static int64_t wall_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Answers are small; a client that reads none of them is waited for. */
static bool send_all(int fd, struct str text)
{
    while (text.n) {
        ssize_t n = send(fd, text.p, text.n, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text.p += n;
        text.n -= (size_t)n;
    }
    return true;
}

static bool reply(struct sink *s, struct connection *c, int status, struct str body)
{
    struct buf b = BUF_INIT(REQUEST_MAX);
    bool sent;

    buf_printf(&b,
               "HTTP/1.1 %d %s\r\nContent-Type: application/x-amz-json-1.1\r\n"
               "x-amzn-RequestId: 00000000-0000-4000-8000-%012llu\r\nContent-Length: %zu\r\n\r\n",
               status, status == 200 ? "OK" : "Bad Request", (unsigned long long)++s->requests,
               body.n);
    buf_append(&b, body.p, body.n);
    sent = send_all(c->fd, buf_str(&b));
    buf_fini(&b);
    return sent;
}

static bool reply_stats(struct sink *s, struct connection *c)
{
    struct buf b = BUF_INIT(REQUEST_MAX);
    bool sent;

    count_write(s->count, &b);
    sent = reply(s, c, 200, buf_str(&b));
    buf_fini(&b);
    return sent;
}

static bool reply_put(struct sink *s, struct connection *c, struct str body)
{
    char text[256];
    const char *why;

    if (count_put(s->count, body, wall_us(), &why))
        return reply(s, c, 200, str_of("{\"nextSequenceToken\":\"1\"}"));
    fprintf(stderr, "sink: PutLogEvents: %s\n", why);
    snprintf(text, sizeof text, "{\"__type\":\"InvalidParameterException\",\"message\":\"%s\"}",
             why);
    return reply(s, c, 400, str_of(text));
}

/* ---- requests ---- */

/* The value of a header of a request's head, without its line's end; empty when it is absent. */
static struct str header(struct str head, const char *name)
{
    size_t n = strlen(name);

    for (const char *line = head.p; line < head.p + head.n;) {
        const char *end = memchr(line, '\r', (size_t)(head.p + head.n - line));

        if (!end)
            break;
        if ((size_t)(end - line) > n && line[n] == ':' && !strncasecmp(line, name, n)) {
            for (line += n + 1; line < end && *line == ' ';)
                line++;
            return (struct str){ line, (size_t)(end - line) };
        }
        line = end + 2;
    }
    return (struct str){ "", 0 };
}

static bool handle(struct sink *s, struct connection *c, struct str head, struct str body)
{
    struct str target = header(head, "x-amz-target");
    static const char prefix[] = "Logs_20140328.";

    if (head.n > 11 && !memcmp(head.p, "GET /stats ", 11))
        return reply_stats(s, c);
    if (head.n > 12 && !memcmp(head.p, "POST /reset ", 12)) {
        count_destroy(s->count);
        s->count = count_create();
        return reply(s, c, 200, str_of("{}"));
    }
    if (target.n > sizeof prefix - 1 && !memcmp(target.p, prefix, sizeof prefix - 1)) {
        target.p += sizeof prefix - 1;
        target.n -= sizeof prefix - 1;
        if (str_is(target, "PutLogEvents"))
            return reply_put(s, c, body);
        if (str_is(target, "CreateLogStream") || str_is(target, "CreateLogGroup"))
            return reply(s, c, 200, str_of("{}"));
        if (str_is(target, "GetLogEvents"))
            return reply(s, c, 200,
                         str_of("{\"events\":[],\"nextForwardToken\":\"f/0\","
                                "\"nextBackwardToken\":\"b/0\"}"));
    }
    return reply(s, c, 400, str_of("{\"__type\":\"UnknownOperationException\"}"));
}

/* Handles what is complete. False: the connection is to be closed. */
static bool serve(struct sink *s, struct connection *c)
{
    size_t used = 0;

    while (used < c->in.len) {
        struct str rest = { c->in.data + used, c->in.len - used }, head = rest, length;
        const char *end = memmem(rest.p, rest.n < HEAD_MAX ? rest.n : HEAD_MAX, "\r\n\r\n", 4);
        int64_t n = 0;
        char number[20];

        if (!end && rest.n >= HEAD_MAX)
            return false;
        if (!end)
            break;
        head.n = (size_t)(end - rest.p) + 2;
        length = header(head, "content-length");
        snprintf(number, sizeof number, "%.*s", (int)(length.n < 19 ? length.n : 19), length.p);
        if (length.n && str_to_int(number, 0, (int64_t)REQUEST_MAX / 2, &n, NULL))
            return false;
        if (rest.n < head.n + 2 + (size_t)n) {
            if (!c->told_to_go_on && header(head, "expect").n) {
                c->told_to_go_on = true;
                if (!send_all(c->fd, str_of("HTTP/1.1 100 Continue\r\n\r\n")))
                    return false;
            }
            break;
        }
        c->told_to_go_on = false;
        if (!handle(s, c, head, (struct str){ rest.p + head.n + 2, (size_t)n }))
            return false;
        used += head.n + 2 + (size_t)n;
    }
    buf_consume(&c->in, used);
    return true;
}

static void on_readable(struct sink *s, struct connection *c)
{
    char *room = buf_reserve(&c->in, READ_BYTES);
    ssize_t n = room ? read(c->fd, room, READ_BYTES) : 0;

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n > 0) {
        buf_grew(&c->in, (size_t)n);
        if (serve(s, c))
            return;
    }
    close(c->fd);
    buf_fini(&c->in);
    free(c);
}

static void on_connection(struct sink *s)
{
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC), on = 1;
    struct connection *c;
    struct epoll_event ev = { .events = EPOLLIN };

    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c = NEW(struct connection);
    c->fd = fd;
    buf_init(&c->in, REQUEST_MAX);
    ev.data.ptr = c;
    epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev);
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 128) ||
        getsockname(fd, (struct sockaddr *)&at, &size)) {
        close(fd);
        return -1;
    }
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    struct sink s = { .epoll = epoll_create1(EPOLL_CLOEXEC), .count = count_create() };
    struct epoll_event ev = { .events = EPOLLIN }, ready[64];
    int64_t port = 0;
    bool on = true;

    if (argc > 2 || (argc == 2 && str_to_int(argv[1], 0, 65535, &port, NULL))) {
        fprintf(stderr, "usage: sink [PORT]\n");
        return 2;
    }
    s.listener = listen_on((uint16_t)port);
    if (s.listener < 0 || s.epoll < 0) {
        perror("sink");
        return 1;
    }
    ev.data.ptr = &s;
    epoll_ctl(s.epoll, EPOLL_CTL_ADD, s.listener, &ev);
    ev.data.ptr = NULL;
    epoll_ctl(s.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &ev);
    while (on) {
        int n = epoll_wait(s.epoll, ready, (int)COUNT_OF(ready), -1);
        char byte;

        for (int i = 0; i < n; i++) {
            if (ready[i].data.ptr == &s)
                on_connection(&s);
            else if (ready[i].data.ptr)
                on_readable(&s, ready[i].data.ptr);
            else if (read(STDIN_FILENO, &byte, 1) <= 0)
                on = false;
        }
    }
    count_destroy(s.count);
    return 0;
}
