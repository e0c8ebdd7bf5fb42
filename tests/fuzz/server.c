#include "fuzz/server.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD_MAX ((size_t)256 * 1024)
#define LISTEN   64

/* Removed at the exit; libFuzzer does not always come to it, so each process has one. */
static char folder[40];

static void remove_folder(void)
{
    AUTO(str) char *path = mem_printf("%s/socket", folder);

    unlink(path);
    rmdir(folder);
}

static void listen_unix(struct fuzz_server *s)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };

    snprintf(folder, sizeof folder, "/tmp/berth-fuzz.XXXXXX");
    LAW(mkdtemp(folder));
    atexit(remove_folder);
    snprintf(s->path, sizeof s->path, "%s/socket", folder);
    memcpy(at.sun_path, s->path, strlen(s->path) + 1);
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    LAW(bind(s->fd, (struct sockaddr *)&at, sizeof at) == 0);
}

static void listen_tcp(struct fuzz_server *s)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t n = sizeof at;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    LAW(bind(s->fd, (struct sockaddr *)&at, sizeof at) == 0);
    LAW(getsockname(s->fd, (struct sockaddr *)&at, &n) == 0);
    s->port = ntohs(at.sin_port);
}

void fuzz_server_init(struct fuzz_server *s, bool is_unix, fuzz_answer_fn *answer)
{
    *s = (struct fuzz_server){ .answer = answer };
    s->over = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    LAW(s->over >= 0);
    if (is_unix)
        listen_unix(s);
    else
        listen_tcp(s);
    LAW(listen(s->fd, LISTEN) == 0);
}

static struct str next_part(struct fuzz_server *s)
{
    const char *end = s->left.n && !s->whole ? memchr(s->left.p, FUZZ_PARTS_END, s->left.n) : NULL;

    if (!s->left.n)
        return s->part;
    s->part = (struct str){ s->left.p, end ? (size_t)(end - s->left.p) : s->left.n };
    s->left.p += s->part.n + (end ? 1 : 0);
    s->left.n -= s->part.n + (end ? 1 : 0);
    return s->part;
}

/* Until there is something on `fd`; false: the input is over. */
static bool wait_on(const struct fuzz_server *s, int fd)
{
    struct pollfd both[2] = { { .fd = s->over, .events = POLLIN }, { .fd = fd, .events = POLLIN } };

    LAW(poll(both, 2, 60000) > 0); /* nothing here takes a minute */
    return !both[0].revents;
}

/* Closing with something unread would cut off what the client has not read yet. */
static void linger(const struct fuzz_server *s, int fd)
{
    char dropped[4096];

    shutdown(fd, SHUT_WR);
    while (wait_on(s, fd) && recv(fd, dropped, sizeof dropped, 0) > 0)
        ;
}

static void *serve(void *user)
{
    struct fuzz_server *s = user;
    struct timeval patience = { .tv_sec = 5 };

    while (wait_on(s, s->fd)) {
        int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        s->answer(s, fd, next_part(s));
        s->answered++;
        linger(s, fd);
        close(fd);
    }
    return NULL;
}

void fuzz_server_begin(struct fuzz_server *s, struct str input)
{
    s->left = input;
    s->part = (struct str){ "", 0 };
    s->answered = 0;
    LAW(pthread_create(&s->thread, NULL, serve, s) == 0);
}

void fuzz_server_end(struct fuzz_server *s)
{
    uint64_t one = 1;
    int fd;

    LAW(write(s->over, &one, sizeof one) == sizeof one);
    LAW(pthread_join(s->thread, NULL) == 0);
    LAW(read(s->over, &one, sizeof one) == sizeof one);
    /* Those that nobody waits for any more. */
    while ((fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
        close(fd);
}

bool fuzz_server_head(int fd, struct buf *head)
{
    while (!strstr(buf_text(head), "\r\n\r\n")) {
        char *at = buf_reserve(head, 4096);
        ssize_t n = at ? recv(fd, at, 4096, 0) : 0;

        if (n <= 0)
            return false;
        buf_grew(head, (size_t)n);
    }
    return true;
}

void fuzz_server_say(int fd, const void *data, size_t n)
{
    const char *p = data;

    while (n) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return; /* the client may go whenever it has seen enough */
        p += sent;
        n -= (size_t)sent;
    }
}

/* The part with the connection's number instead of each '#'; free() it. */
static char *number(const struct fuzz_server *s, struct str *part)
{
    AUTO(buf) struct buf out = BUF_INIT(HEAD_MAX * 32);
    const char *at;

    while (part->n && (at = memchr(part->p, '#', part->n))) {
        buf_append(&out, part->p, (size_t)(at - part->p));
        buf_printf(&out, "%zu", atomic_load(&s->answered));
        part->n -= (size_t)(at - part->p) + 1;
        part->p = at + 1;
    }
    buf_append(&out, part->p, part->n);
    part->n = out.len;
    return (char *)(part->p = buf_take(&out));
}

void fuzz_server_http(struct fuzz_server *s, int fd, struct str part)
{
    AUTO(buf) struct buf head = BUF_INIT(HEAD_MAX);
    AUTO(str) char *wrapping = NULL;
    int status = 200;

    if (!fuzz_server_head(fd, &head))
        return;
    if (s->wrapped) {
        AUTO(str) char *numbered = number(s, &part);

        if (part.n > 1 && part.p[0] == '!') {
            status = 400 + (unsigned char)part.p[1] % 130;
            part.p += 2;
            part.n -= 2;
        }
        wrapping = mem_printf("HTTP/1.1 %d A\r\nContent-Length: %zu\r\n"
                              "Connection: close\r\n\r\n",
                              status, part.n);
        fuzz_server_say(fd, wrapping, strlen(wrapping));
        fuzz_server_say(fd, part.p, part.n);
    } else {
        fuzz_server_say(fd, part.p, part.n);
    }
}
