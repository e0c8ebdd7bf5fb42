#pragma once
/* asker: somebody who says an input to a server of ours, and hears all its answers.
 *
 * Both ends are on the loop's thread: the asker looks at its socket in each turn, and knows that
 * nothing more is to come when nothing has for some turns. An announced body that does not come is
 * waited for by the server for its own time, but not here. The next input finds a server that has
 * no connection. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "io/http_server.h"
#include "io/loop.h"

/* The server has a few things to do one after the other, and a turn for each. */
#define ASKER_QUIET_TURNS 16

struct asker {
    struct loop *loop;
    struct http_server *server;
    struct loop_timer *turn;
    const uint8_t *data;
    size_t size, sent;
    int fd; /* -1: not any more */
    int quiet;
    struct buf answer;
};

/* True when something went out, or nothing can any more. */
static inline bool asker_send(struct asker *a)
{
    ssize_t n;

    if (a->sent > a->size)
        return false;
    n = send(a->fd, a->data + a->sent, a->size - a->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return false;
    a->sent += n > 0 ? (size_t)n : 0;
    if (n < 0 || a->sent == a->size) { /* the server may close whenever it has seen enough */
        shutdown(a->fd, SHUT_WR);
        a->sent = a->size + 1;
    }
    return true;
}

/* True when something came; *ended when nothing can any more. */
static inline bool asker_hear(struct asker *a, bool *ended)
{
    char *at = buf_reserve(&a->answer, 65536);
    ssize_t n;

    LAW(at);
    n = recv(a->fd, at, 65536, MSG_DONTWAIT);
    *ended = n == 0 || (n < 0 && errno != EAGAIN);
    if (n > 0)
        buf_grew(&a->answer, (size_t)n);
    return n > 0;
}

/* With a reset: the server forgets it at once, and the kernel, too. */
static inline void asker_leave(struct asker *a)
{
    static const struct linger none = { 1, 0 };

    setsockopt(a->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(a->fd);
    a->fd = -1;
}

static inline void asker_turn(void *user)
{
    struct asker *a = user;
    bool ended = false;

    if (a->fd >= 0) {
        bool sent = asker_send(a), heard = asker_hear(a, &ended);

        a->quiet = sent || heard ? 0 : a->quiet + 1;
        if (ended || a->quiet == ASKER_QUIET_TURNS)
            asker_leave(a);
    }
    if (a->fd < 0 && !http_server_connections(a->server))
        loop_stop(a->loop);
    else
        loop_timer_arm(a->turn, 0);
}

static inline UNUSED void asker_init(struct asker *a, struct loop *loop, struct http_server *server)
{
    *a = (struct asker){ .loop = loop, .server = server };
    a->turn = loop_timer_create(loop, asker_turn, a);
    buf_init(&a->answer, (size_t)32 << 20);
}

/* Everything that was answered is in `answer` afterwards. */
static inline UNUSED void asker_ask(struct asker *a, const uint8_t *data, size_t size)
{
    struct sockaddr_in to = { .sin_family = AF_INET };

    to.sin_port = htons(http_server_port(a->server));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a->data = data;
    a->size = size;
    a->sent = 0;
    a->quiet = 0;
    buf_reset(&a->answer);
    a->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    LAW(connect(a->fd, (struct sockaddr *)&to, sizeof to) == 0);
    loop_timer_arm(a->turn, 0);
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
