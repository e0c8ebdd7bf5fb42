#include "support/small_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/held_port.h"

#define CONNECTIONS 256
#define HEAD_MAX    65536
#define BODY_MAX    ((size_t)16 << 20)

struct small_server {
    char url[64], path[108];
    int port, held, listener, wake[2];
    bool away, stop;
    small_handler *handle;
    void *user;
    pthread_t acceptor;
    pthread_mutex_t lock; /* of all below, and around the handler */
    pthread_cond_t idle;
    int fds[CONNECTIONS];
    size_t n_fds;
};

struct connection {
    struct small_server *server;
    int fd;
};

void small_server_lock(struct small_server *s)
{
    pthread_mutex_lock(&s->lock);
}

void small_server_unlock(struct small_server *s)
{
    pthread_mutex_unlock(&s->lock);
}

static void set_reset(int fd)
{
    struct linger at_once = { .l_onoff = 1 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

/* ---- a connection ---- */

static bool read_some(int fd, struct buf *in)
{
    char *at = buf_reserve(in, 65536);
    ssize_t n = at ? read(fd, at, 65536) : -1;

    if (n <= 0)
        return false;
    buf_grew(in, (size_t)n);
    return true;
}

static size_t body_length(const char *head)
{
    const char *at = strcasestr(head, "\r\nContent-Length:");

    return at ? strtoul(at + 17, NULL, 10) : 0;
}

static bool write_all(int fd, const char *data, size_t n)
{
    while (n) {
        ssize_t sent = send(fd, data, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        data += sent;
        n -= (size_t)sent;
    }
    return true;
}

static bool send_reply(int fd, const struct small_reply *r)
{
    char head[256];
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 %d X\r\nContent-Type: application/x-amz-json-1.1\r\n"
                     "x-amzn-RequestId: 1\r\nContent-Length: %zu\r\n\r\n",
                     r->status, r->body.len);

    return write_all(fd, head, (size_t)n) && write_all(fd, buf_text(&r->body), r->body.len);
}

/* One request and its answer; false: the connection is over. */
static bool serve_one(struct connection *c, struct buf *in)
{
    struct small_server *s = c->server;
    struct small_reply reply = { .status = 200 };
    struct small_request rq;
    AUTO(str) char *head = NULL;
    const char *end;
    size_t head_n, body_n;
    bool ok;

    while (!in->data || !(end = strstr(in->data, "\r\n\r\n"))) {
        if (!read_some(c->fd, in))
            return false;
    }
    head_n = (size_t)(end - in->data) + 4;
    head = mem_strndup(in->data, head_n);
    body_n = body_length(head);
    while (in->len < head_n + body_n) {
        if (!read_some(c->fd, in))
            return false;
    }
    rq = (struct small_request){ head, { in->data + head_n, body_n } };
    buf_init(&reply.body, BODY_MAX);
    small_server_lock(s);
    s->handle(s->user, &rq, &reply);
    small_server_unlock(s);
    buf_consume(in, head_n + body_n);
    if (reply.how == SMALL_HANG) {
        while (read_some(c->fd, in))
            buf_reset(in);
        ok = false;
    } else if (reply.how == SMALL_RESET) {
        set_reset(c->fd);
        ok = false;
    } else {
        ok = send_reply(c->fd, &reply);
    }
    buf_fini(&reply.body);
    return ok;
}

static void *serve(void *arg)
{
    struct connection *c = arg;
    struct small_server *s = c->server;
    struct buf in = BUF_INIT(HEAD_MAX + BODY_MAX);

    while (serve_one(c, &in))
        ;
    buf_fini(&in);
    small_server_lock(s);
    for (size_t i = 0; i < s->n_fds; i++) {
        if (s->fds[i] == c->fd)
            s->fds[i--] = s->fds[--s->n_fds];
    }
    close(c->fd);
    pthread_cond_broadcast(&s->idle);
    small_server_unlock(s);
    free(c);
    return NULL;
}

/* ---- the listener ---- */

static int listen_at(struct small_server *s)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    struct sockaddr_in in = { .sin_family = AF_INET };
    struct sockaddr *at = s->path[0] ? (struct sockaddr *)&un : (struct sockaddr *)&in;
    socklen_t size = s->path[0] ? sizeof un : sizeof in;
    int fd = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    snprintf(un.sun_path, sizeof un.sun_path, "%s", s->path);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    /* Kept while the server is away, or another one may get it. */
    if (!s->path[0] && s->held < 0)
        s->held = held_port("127.0.0.1", &s->port);
    in.sin_port = htons((uint16_t)s->port);
    if (bind(fd, at, size) || listen(fd, 128))
        abort();
    return fd;
}

static void take_client(struct small_server *s)
{
    int fd = accept(s->listener, NULL, NULL);
    struct connection *c;
    pthread_attr_t attr;
    pthread_t thread;

    if (fd < 0)
        return;
    if (s->n_fds == CONNECTIONS) {
        close(fd);
        return;
    }
    c = NEW(struct connection);
    *c = (struct connection){ s, fd };
    s->fds[s->n_fds++] = fd;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attr, serve, c))
        abort();
    pthread_attr_destroy(&attr);
}

static void *accept_all(void *arg)
{
    struct small_server *s = arg;

    for (;;) {
        struct pollfd polls[2] = { { .fd = s->wake[0], .events = POLLIN } };
        char byte;

        small_server_lock(s);
        polls[1] = (struct pollfd){ .fd = s->listener, .events = POLLIN };
        small_server_unlock(s);
        if (poll(polls, 2, -1) < 0)
            continue;
        if (polls[0].revents && read(s->wake[0], &byte, 1) < 0)
            continue;
        small_server_lock(s);
        if (s->stop) {
            small_server_unlock(s);
            return NULL;
        }
        if (polls[1].revents && s->listener >= 0)
            take_client(s);
        small_server_unlock(s);
    }
}

static void wake(struct small_server *s)
{
    if (write(s->wake[1], "", 1) < 0)
        abort();
}

static void close_all(struct small_server *s)
{
    for (size_t i = 0; i < s->n_fds; i++) {
        set_reset(s->fds[i]);
        shutdown(s->fds[i], SHUT_RDWR);
    }
}

void small_server_away(struct small_server *s, bool away)
{
    small_server_lock(s);
    if (away && s->listener >= 0) {
        close(s->listener);
        s->listener = -1;
        close_all(s);
    } else if (!away && s->listener < 0) {
        s->listener = listen_at(s);
    }
    small_server_unlock(s);
    wake(s);
}

struct small_server *small_server_start(const char *unix_path, small_handler *handle, void *user)
{
    struct small_server *s = NEW(struct small_server);

    snprintf(s->path, sizeof s->path, "%s", unix_path ? unix_path : "");
    s->held = -1;
    s->handle = handle;
    s->user = user;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->idle, NULL);
    s->listener = listen_at(s);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d", s->port);
    if (pipe(s->wake) || pthread_create(&s->acceptor, NULL, accept_all, s))
        abort();
    return s;
}

void small_server_stop(struct small_server *s)
{
    if (!s)
        return;
    small_server_lock(s);
    s->stop = true;
    close_all(s);
    while (s->n_fds)
        pthread_cond_wait(&s->idle, &s->lock);
    small_server_unlock(s);
    wake(s);
    pthread_join(s->acceptor, NULL);
    if (s->listener >= 0)
        close(s->listener);
    if (s->held >= 0)
        close(s->held);
    close(s->wake[0]);
    close(s->wake[1]);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->idle);
    if (s->path[0])
        unlink(s->path);
    free(s);
}

const char *small_server_url(const struct small_server *s)
{
    return s->url;
}
