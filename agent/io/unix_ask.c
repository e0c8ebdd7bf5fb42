#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "io/unix_server.h"

#define LINE_MAX_BYTES ((size_t)16 * 1024 * 1024)

static enum err_code connect_to(const char *path, int *out, struct err *e)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd, saved;

    if (strlen(path) >= sizeof addr.sun_path)
        return err_set(e, ERR_INVALID, "%s: too long for a socket path", path);
    memcpy(addr.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_errno(e, errno, "socket");
    if (connect(fd, (const struct sockaddr *)&addr, sizeof addr) == 0) {
        *out = fd;
        return ERR_OK;
    }
    saved = errno;
    close(fd);
    if (saved == ECONNREFUSED)
        return err_set(e, ERR_NOT_FOUND, "%s: nobody listens", path);
    return err_errno(e, saved, "%s", path);
}

static enum err_code write_all(int fd, const char *p, size_t n, struct err *e)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return err_errno(e, errno, "send");
        p += sent;
        n -= (size_t)sent;
    }
    return ERR_OK;
}

/* Hands out the whole lines of `b`, and at the end also an unfinished one. */
static size_t tell_lines(struct buf *b, bool ended, void (*line)(void *user, struct str text),
                         void *user)
{
    size_t told = 0, at = 0;

    while (at < b->len) {
        const char *end = memchr(b->data + at, '\n', b->len - at);
        size_t n = end ? (size_t)(end - b->data) - at : b->len - at;

        if (!end && !ended)
            break;
        line(user, (struct str){ b->data + at, n });
        told++;
        at += n + (end != NULL);
    }
    buf_consume(b, at);
    return told;
}

static enum err_code converse(int fd, struct str request, struct buf *b,
                              void (*line)(void *user, struct str text), void *user, struct err *e)
{
    size_t told = 0;

    if (write_all(fd, request.p, request.n, e) || write_all(fd, "\n", 1, e))
        return e ? e->code : ERR_IO;
    for (;;) {
        char *at = buf_reserve(b, 16384);
        ssize_t n;

        if (!at)
            return err_set(e, ERR_LIMIT, "a line of the answer is too long");
        n = recv(fd, at, 16384, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, errno, "recv");
        buf_grew(b, (size_t)n);
        told += tell_lines(b, n == 0, line, user);
        if (n == 0)
            return told ? ERR_OK : err_set(e, ERR_RETRY, "the agent ended without an answer");
    }
}

enum err_code unix_ask(const char *path, struct str request,
                       void (*line)(void *user, struct str text), void *user, struct err *e)
{
    AUTO(buf) struct buf b = BUF_INIT(LINE_MAX_BYTES);
    enum err_code code;
    int fd = -1;

    code = connect_to(path, &fd, e);
    if (code)
        return code;
    code = converse(fd, request, &b, line, user, e);
    close(fd);
    return code;
}
