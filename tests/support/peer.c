#include "support/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "support/peer_tls.h"

#define PATIENCE_MS 20000

struct peer {
    int listener;
    int fds[64]; /* every connection, the current one last */
    size_t n_fds;
    struct peer_tls *tls; /* of the current connection */
    int port;
    pthread_t thread;
    peer_script *script;
    void *arg;
    sem_t go;
    struct buf in; /* read and not yet looked at */
    struct buf head, body;
    char url[512];
    char failure[512];
};

void peer_fail(struct peer *p, const char *fmt, ...)
{
    va_list ap;

    if (p->failure[0])
        return;
    va_start(ap, fmt);
    vsnprintf(p->failure, sizeof p->failure, fmt, ap);
    va_end(ap);
}

static int *current(struct peer *p)
{
    static int none = -1;

    return p->n_fds ? &p->fds[p->n_fds - 1] : &none;
}

static bool wait_readable(struct peer *p, int fd, const char *what)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };

    if (p->failure[0])
        return false;
    if (fd >= 0 && poll(&pfd, 1, PATIENCE_MS) == 1)
        return true;
    peer_fail(p, "%s: nothing came", what);
    return false;
}

static void *run(void *arg)
{
    struct peer *p = arg;

    p->script(p, p->arg);
    peer_tls_free(p->tls);
    for (size_t i = 0; i < p->n_fds; i++) {
        if (p->fds[i] >= 0)
            close(p->fds[i]);
    }
    return NULL;
}

static struct peer *start(int fd, peer_script *script, void *arg)
{
    struct peer *p = NEW(struct peer);

    p->listener = fd;
    p->script = script;
    p->arg = arg;
    buf_init(&p->in, (size_t)256 * 1024 * 1024);
    buf_init(&p->head, 65536);
    buf_init(&p->body, (size_t)16 * 1024 * 1024);
    if (fd < 0 || listen(fd, 64) || sem_init(&p->go, 0, 0))
        abort();
    return p;
}

struct peer *peer_start(peer_script *script, void *arg)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct peer *p;

    if (bind(fd, (struct sockaddr *)&addr, n) || getsockname(fd, (struct sockaddr *)&addr, &n))
        abort();
    p = start(fd, script, arg);
    p->port = ntohs(addr.sin_port);
    if (pthread_create(&p->thread, NULL, run, p))
        abort();
    return p;
}

struct peer *peer_start_unix(const char *path, peer_script *script, void *arg)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct peer *p;

    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    unlink(path);
    if (bind(fd, (struct sockaddr *)&addr, sizeof addr))
        abort();
    p = start(fd, script, arg);
    if (pthread_create(&p->thread, NULL, run, p))
        abort();
    return p;
}

const char *peer_stop(struct peer *p)
{
    static char failure[sizeof p->failure];

    pthread_join(p->thread, NULL);
    close(p->listener);
    memcpy(failure, p->failure, sizeof failure);
    sem_destroy(&p->go);
    buf_fini(&p->in);
    buf_fini(&p->head);
    buf_fini(&p->body);
    free(p);
    return failure[0] ? failure : NULL;
}

int peer_port(const struct peer *p)
{
    return p->port;
}

const char *peer_url(struct peer *p, const char *scheme, const char *target)
{
    snprintf(p->url, sizeof p->url, "%s://127.0.0.1:%d%s", scheme, p->port, target);
    return p->url;
}

void peer_go(struct peer *p)
{
    sem_post(&p->go);
}

void peer_wait(struct peer *p)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    while (!p->failure[0] && sem_timedwait(&p->go, &until)) {
        if (errno != EINTR)
            peer_fail(p, "wait: nobody said go");
    }
}

void peer_accept(struct peer *p)
{
    const struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
    int one = 1, fd;

    if (!wait_readable(p, p->listener, "accept"))
        return;
    fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0 || p->n_fds == COUNT_OF(p->fds)) {
        peer_fail(p, "accept: %s", strerror(errno));
        return;
    }
    if (p->port)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience); /* of a handshake */
    peer_tls_free(p->tls);
    p->tls = NULL;
    p->fds[p->n_fds++] = fd;
    buf_reset(&p->in);
}

/* False at the end of the connection or on trouble. */
static bool read_more(struct peer *p, const char *what)
{
    char *at = buf_reserve(&p->in, 65536);
    ssize_t n;

    if (!at || (!(p->tls && peer_tls_pending(p->tls)) && !wait_readable(p, *current(p), what)))
        return false;
    n = p->tls ? peer_tls_read(p->tls, at, 65536) : recv(*current(p), at, 65536, 0);
    if (n <= 0) {
        peer_fail(p, "%s: the client closed after \"%.200s\"", what, buf_text(&p->in));
        return false;
    }
    buf_grew(&p->in, (size_t)n);
    return true;
}

static bool read_until(struct peer *p, const char *text, size_t *end)
{
    for (;;) {
        const char *at = memmem(buf_text(&p->in), p->in.len, text, strlen(text));

        if (at) {
            *end = (size_t)(at - p->in.data) + strlen(text);
            return true;
        }
        if (!read_more(p, text))
            return false;
    }
}

void peer_expect(struct peer *p, const char *text)
{
    size_t end = 0;

    if (read_until(p, text, &end))
        buf_consume(&p->in, end);
}

const char *peer_head(struct peer *p)
{
    size_t end = 0;

    buf_reset(&p->head);
    if (read_until(p, "\r\n\r\n", &end)) {
        buf_append(&p->head, p->in.data, end);
        buf_consume(&p->in, end);
    }
    return buf_text(&p->head);
}

static bool have(struct peer *p, size_t n, const char *what)
{
    while (p->in.len < n) {
        if (!read_more(p, what))
            return false;
    }
    return true;
}

struct str peer_body(struct peer *p)
{
    const char *at = strcasestr(buf_text(&p->head), "\r\nContent-Length:");
    size_t n = at ? strtoul(at + 17, NULL, 10) : 0;

    buf_reset(&p->body);
    if (have(p, n, "body")) {
        buf_append(&p->body, buf_text(&p->in), n);
        buf_consume(&p->in, n);
    }
    return buf_str(&p->body);
}

void peer_expect_bytes(struct peer *p, const void *data, size_t n)
{
    if (!have(p, n, "bytes"))
        return;
    if (memcmp(p->in.data, data, n) != 0)
        peer_fail(p, "other bytes came: \"%.200s\"", buf_text(&p->in));
    buf_consume(&p->in, n);
}

void peer_expect_eof(struct peer *p)
{
    char byte;

    if (p->in.len > 0)
        peer_fail(p, "more came before the end: \"%.200s\"", buf_text(&p->in));
    if (wait_readable(p, *current(p), "end") && recv(*current(p), &byte, 1, 0) > 0)
        peer_fail(p, "a byte came instead of the end: 0x%02x", (unsigned char)byte);
}

void peer_send_bytes(struct peer *p, const void *data, size_t n)
{
    const char *at = data;

    while (n > 0 && !p->failure[0]) {
        ssize_t sent =
            p->tls ? peer_tls_write(p->tls, at, n) : send(*current(p), at, n, MSG_NOSIGNAL);

        if (sent <= 0) {
            peer_fail(p, "send: %s", strerror(errno));
            return;
        }
        at += sent;
        n -= (size_t)sent;
    }
}

void peer_send(struct peer *p, const char *text)
{
    peer_send_bytes(p, text, strlen(text));
}

void peer_send_slowly(struct peer *p, const void *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        peer_send_bytes(p, (const char *)data + i, 1);
}

void peer_tls(struct peer *p)
{
    if (p->failure[0])
        return;
    p->tls = peer_tls_accept(*current(p));
    if (!p->tls)
        peer_fail(p, "tls: the handshake failed");
}

void peer_tls_refused(struct peer *p)
{
    if (p->failure[0])
        return;
    p->tls = peer_tls_accept(*current(p));
    if (p->tls)
        peer_fail(p, "tls: the client trusts us");
}

void peer_close(struct peer *p)
{
    peer_tls_free(p->tls);
    p->tls = NULL;
    if (*current(p) >= 0) {
        close(*current(p));
        *current(p) = -1;
    }
}

void peer_reset(struct peer *p)
{
    struct linger now = { .l_onoff = 1, .l_linger = 0 };

    if (*current(p) >= 0)
        setsockopt(*current(p), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    peer_close(p);
}

/* ---- websocket ---- */

const char *peer_ws_key(struct peer *p, char accept[29])
{
    static const char name[] = "\r\nSec-WebSocket-Key: ";
    const char *at = strstr(buf_text(&p->head), name);
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[128];
    unsigned n = 0;

    accept[0] = 0;
    if (!at) {
        peer_fail(p, "the handshake has no key");
        return "";
    }
    at += sizeof name - 1;
    snprintf(text, sizeof text, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", (int)strcspn(at, "\r"),
             at);
    if (EVP_Digest(text, strlen(text), digest, &n, EVP_sha1(), NULL))
        EVP_EncodeBlock((unsigned char *)accept, digest, (int)n);
    return accept;
}

void peer_ws_accept(struct peer *p)
{
    peer_accept(p);
    peer_ws_answer(p);
}

void peer_ws_answer(struct peer *p)
{
    AUTO(buf) struct buf answer = BUF_INIT(1024);
    char accept[29];

    peer_head(p);
    buf_printf(&answer,
               "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\n"
               "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
               peer_ws_key(p, accept));
    peer_send_bytes(p, answer.data, answer.len);
}

void peer_ws_send(struct peer *p, bool fin, int opcode, const void *data, size_t n)
{
    AUTO(buf) struct buf frame = BUF_INIT(n + 16);

    buf_putc(&frame, (char)((fin ? 0x80 : 0) | opcode));
    if (n < 126) {
        buf_putc(&frame, (char)n);
    } else if (n < 65536) {
        buf_putc(&frame, 126);
        buf_putc(&frame, (char)(n >> 8));
        buf_putc(&frame, (char)n);
    } else {
        buf_putc(&frame, 127);
        for (int shift = 56; shift >= 0; shift -= 8)
            buf_putc(&frame, (char)((uint64_t)n >> shift));
    }
    buf_append(&frame, data, n);
    peer_send_bytes(p, frame.data, frame.len);
}

struct str peer_ws_read(struct peer *p, int opcode)
{
    const unsigned char *h;
    size_t at = 2, len;

    buf_reset(&p->body);
    if (!have(p, 2, "frame"))
        return buf_str(&p->body);
    h = (const unsigned char *)p->in.data;
    len = h[1] & 0x7f;
    if (!(h[1] & 0x80)) {
        peer_fail(p, "a frame of the client is not masked");
        return buf_str(&p->body);
    }
    if (h[0] != (0x80 | opcode)) {
        peer_fail(p, "a frame begins with 0x%02x instead of 0x%02x", h[0], 0x80 | opcode);
        return buf_str(&p->body);
    }
    if (len >= 126) {
        size_t size = len == 126 ? 2 : 8;

        if (!have(p, at + size, "frame length"))
            return buf_str(&p->body);
        len = 0;
        for (size_t i = 0; i < size; i++)
            len = len << 8 | (unsigned char)p->in.data[at + i];
        at += size;
    }
    if (!have(p, at + 4 + len, "frame"))
        return buf_str(&p->body);
    for (size_t i = 0; i < len; i++)
        buf_putc(&p->body, (char)(p->in.data[at + 4 + i] ^ p->in.data[at + i % 4]));
    buf_consume(&p->in, at + 4 + len);
    return buf_str(&p->body);
}

void peer_ws_expect(struct peer *p, int opcode, const void *data, size_t n)
{
    struct str got = peer_ws_read(p, opcode);

    if (got.n != n || (n > 0 && memcmp(got.p, data, n) != 0))
        peer_fail(p, "the frame holds \"%.*s\"", (int)(got.n < 200 ? got.n : 200), got.p);
}

void peer_ws_send_close(struct peer *p, int code)
{
    const char body[2] = { (char)(code >> 8), (char)code };

    peer_ws_send(p, true, 8, body, code ? 2 : 0);
}

void peer_ws_expect_close(struct peer *p, int code)
{
    const char body[2] = { (char)(code >> 8), (char)code };

    peer_ws_expect(p, 8, body, code ? 2 : 0);
}
