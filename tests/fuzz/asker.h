#pragma once
/* asker: somebody who says an input to a server of ours, and hears all its answers. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "io/loop.h"

struct asker {
    struct loop *loop; /* of the server */
    uint16_t port;
    const uint8_t *data;
    size_t size;
    struct buf answer;
};

static inline UNUSED void asker_init(struct asker *a, struct loop *loop, int port)
{
    *a = (struct asker){ .loop = loop, .port = (uint16_t)port };
    buf_init(&a->answer, (size_t)32 << 20);
}

static inline void asker_send_all(int fd, const uint8_t *data, size_t n)
{
    while (n) {
        ssize_t sent = send(fd, data, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return; /* the server may close whenever it has seen enough */
        data += sent;
        n -= (size_t)sent;
    }
}

/* On a worker thread. A body that was announced and does not come is waited for by the server for
 * its own time, but not here. */
static inline void asker_work(void *user)
{
    struct asker *a = user;
    struct sockaddr_in to = { .sin_family = AF_INET };
    struct timeval patience = { .tv_usec = 200000 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ssize_t got;
    char *at;

    to.sin_port = htons(a->port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    LAW(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    asker_send_all(fd, a->data, a->size);
    shutdown(fd, SHUT_WR);
    do {
        at = buf_reserve(&a->answer, 65536);
        LAW(at);
        got = recv(fd, at, 65536, 0);
        if (got > 0)
            buf_grew(&a->answer, (size_t)got);
    } while (got > 0);
    close(fd);
}

static inline void asker_done(void *user)
{
    loop_stop(((struct asker *)user)->loop);
}

/* Everything that was answered is in `answer` afterwards. */
static inline UNUSED void asker_ask(struct asker *a, const uint8_t *data, size_t size)
{
    a->data = data;
    a->size = size;
    buf_reset(&a->answer);
    loop_work(a->loop, asker_work, asker_done, a);
    loop_run(a->loop);
    LAW(!a->answer.len || strncmp(a->answer.data, "HTTP/1.", 7) == 0);
}

/* The body of the first answer, where its head says that it is JSON and how long it is. */
static inline bool asker_first_body(const struct buf *answer, struct str *body)
{
    const char *text = buf_text(answer), *end = strstr(text, "\r\n\r\n");
    const char *json = strstr(text, "\r\nContent-Type: application/json\r\n");
    const char *length = strstr(text, "\r\nContent-Length: ");

    if (!end || !json || json > end || !length || length > end)
        return false;
    body->p = end + 4;
    body->n = strtoul(length + strlen("\r\nContent-Length: "), NULL, 10);
    return body->n > 0 && body->n <= answer->len - (size_t)(body->p - text);
}

static inline UNUSED void asker_check_json(const struct asker *a)
{
    AUTO(json) struct json_t *v = NULL;
    struct str body;

    if (a->size < 4 || memcmp(a->data, "HEAD", 4) == 0 || !asker_first_body(&a->answer, &body))
        return;
    LAW(json_parse(body.p, body.n, &v, NULL) == ERR_OK);
}
