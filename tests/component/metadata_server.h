#pragma once
/* metadata_server: a small HTTP server for many requests at a time, in any order.
 *
 * Each request is given to the test's function, one after the other, which fills in the
 * answer; delays of several answers run side by side. One request a connection. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/defs.h"
#include "base/mem.h"
#include "base/str.h"

#define MD_CONNECTIONS 512

struct md_request {
    const char *head; /* all of it */
    const char *body;
    char method[8], path[256], token[64]; /* token: "" when none was sent */
    /* The answer. */
    int status;
    const char *header; /* further lines, each with its end; or NULL */
    char text[2048];
    int delay_ms;
    bool silent; /* never any answer */
    bool cut;    /* the connection is closed without one */
};

/* Runs on some thread, never two at a time. */
typedef void md_handler(void *arg, struct md_request *rq);

struct md_server {
    int listener, stop, port;
    md_handler *handler;
    void *arg;
    pthread_t thread, workers[MD_CONNECTIONS];
    int fds[MD_CONNECTIONS];
    int n;
    pthread_mutex_t lock;
    char base[64];
};

struct md_job {
    struct md_server *s;
    int fd;
};

static inline bool md_wait(struct md_server *s, int fd, int ms)
{
    struct pollfd fds[2] = { { .fd = s->stop, .events = POLLIN }, { .fd = fd, .events = POLLIN } };

    return poll(fds, fd < 0 ? 1 : 2, ms) >= 0 && !fds[0].revents;
}

static inline bool md_read(struct md_job *j, char *text, size_t size)
{
    size_t n = 0;

    for (;;) {
        const char *end, *length;
        ssize_t got;

        text[n] = '\0';
        end = strstr(text, "\r\n\r\n");
        length = strcasestr(text, "\r\nContent-Length:");
        if (end && (!length || n >= (size_t)(end - text) + 4 + strtoul(length + 17, NULL, 10)))
            return true;
        if (n + 1 >= size || !md_wait(j->s, j->fd, 20000))
            return false;
        got = recv(j->fd, text + n, size - n - 1, 0);
        if (got <= 0)
            return false;
        n += (size_t)got;
    }
}

static inline void *md_serve(void *arg)
{
    struct md_job *j = arg;
    struct md_request rq = { .status = 200 };
    char *text = mem_alloc(65536), *out = mem_alloc(8192);
    const char *token;

    if (md_read(j, text, 65536) && sscanf(text, "%7s %255s", rq.method, rq.path) == 2) {
        rq.head = text;
        rq.body = strstr(text, "\r\n\r\n") + 4;
        token = strcasestr(text, "X-aws-ec2-metadata-token: ");
        if (token)
            sscanf(token + 26, "%63[^\r]", rq.token);
        pthread_mutex_lock(&j->s->lock);
        j->s->handler(j->s->arg, &rq);
        pthread_mutex_unlock(&j->s->lock);
        if (rq.delay_ms || rq.silent)
            md_wait(j->s, -1, rq.silent ? 60000 : rq.delay_ms);
        if (!rq.silent && !rq.cut) {
            snprintf(out, 8192,
                     "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                     rq.status, rq.header ? rq.header : "", strlen(rq.text), rq.text);
            (void)!send(j->fd, out, strlen(out), MSG_NOSIGNAL);
        }
    }
    shutdown(j->fd, SHUT_RDWR);
    free(text);
    free(out);
    free(j);
    return NULL;
}

static inline void *md_run(void *arg)
{
    struct md_server *s = arg;

    while (md_wait(s, s->listener, 60000)) {
        struct md_job *j;
        int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0)
            continue;
        if (s->n == MD_CONNECTIONS)
            abort();
        j = NEW(struct md_job);
        j->s = s;
        j->fd = s->fds[s->n] = fd;
        if (pthread_create(&s->workers[s->n++], NULL, md_serve, j))
            abort();
    }
    return NULL;
}

static inline struct md_server *md_start_at(bool ipv6, md_handler *handler, void *arg)
{
    struct md_server *s = NEW(struct md_server);
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
    struct sockaddr *addr = ipv6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
    socklen_t n = ipv6 ? sizeof v6 : sizeof v4;

    s->handler = handler;
    s->arg = arg;
    s->stop = eventfd(0, EFD_CLOEXEC);
    s->listener = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(s->listener, addr, n) || listen(s->listener, 128) ||
        getsockname(s->listener, addr, &n)) {
        close(s->listener);
        close(s->stop);
        free(s);
        return NULL;
    }
    s->port = ntohs(ipv6 ? v6.sin6_port : v4.sin_port);
    snprintf(s->base, sizeof s->base, ipv6 ? "http://[::1]:%d" : "http://127.0.0.1:%d", s->port);
    pthread_mutex_init(&s->lock, NULL);
    if (pthread_create(&s->thread, NULL, md_run, s))
        abort();
    return s;
}

static inline struct md_server *md_start(md_handler *handler, void *arg)
{
    struct md_server *s = md_start_at(false, handler, arg);

    if (!s)
        abort();
    return s;
}

static inline void md_stop(struct md_server *s)
{
    if (!s)
        return;
    (void)!write(s->stop, &(uint64_t){ 1 }, sizeof(uint64_t));
    pthread_join(s->thread, NULL);
    for (int i = 0; i < s->n; i++) {
        pthread_join(s->workers[i], NULL);
        close(s->fds[i]);
    }
    close(s->listener);
    close(s->stop);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
