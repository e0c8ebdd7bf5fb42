#include "fuzz/server.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz/folder.h"

#define ASKED_MAX ((size_t)256 * 1024)
#define OUT_MAX   ((size_t)8 << 20)
#define LISTEN    64

static void listen_unix(struct fuzz_server *s)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };

    snprintf(s->path, sizeof s->path, "%s/socket", fuzz_folder());
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

/* ---- one connection; each of these is true when the next step may follow at once ---- */

static void leave(struct fuzz_talk *t)
{
    close(t->fd);
    t->fd = -1;
}

static void begin(struct fuzz_talk *t)
{
    buf_reset(&t->asked);
    buf_reset(&t->out);
    t->pieces = (struct fuzz_pieces){ 0 };
    t->said = 0;
    t->keep = false;
    t->step = FUZZ_TALK_HEAR;
}

/* A head, and the body that it announces. */
static bool is_request(const struct buf *b)
{
    const char *text = buf_text(b), *end = strstr(text, "\r\n\r\n");
    const char *length = strstr(text, "\r\nContent-Length: ");
    size_t n = length && length < end ? strtoul(length + 18, NULL, 10) : 0;

    return end && b->len - (size_t)(end + 4 - text) >= n;
}

static bool hear(struct fuzz_server *s, struct fuzz_talk *t)
{
    char *at = buf_reserve(&t->asked, 4096);
    ssize_t n = at ? recv(t->fd, at, 4096, 0) : 0;

    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0) {
        leave(t);
        return false;
    }
    buf_grew(&t->asked, (size_t)n);
    if (is_request(&t->asked)) {
        s->answer(s, t, next_part(s));
        s->answered++;
        t->step = FUZZ_TALK_SAY;
    }
    return true;
}

static bool say(struct fuzz_talk *t)
{
    struct str piece;
    ssize_t n;

    if (t->said == t->out.len && fuzz_next_piece(&t->pieces, &piece)) {
        buf_reset(&t->out);
        buf_append(&t->out, piece.p, piece.n);
        free((char *)piece.p);
        t->said = 0;
    }
    if (t->said < t->out.len) {
        n = send(t->fd, t->out.data + t->said, t->out.len - t->said, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return false;
        t->said += n > 0 ? (size_t)n : 0;
        if (n > 0 && (t->said < t->out.len || t->pieces.left.n))
            return false;
    }
    if (t->keep && t->said == t->out.len) {
        begin(t);
        return true;
    }
    /* All is said, or the client has seen enough. Closing with something unread would cut off
     * what the client has not read yet. */
    shutdown(t->fd, SHUT_WR);
    t->step = FUZZ_TALK_LINGER;
    return true;
}

static bool linger(struct fuzz_talk *t)
{
    char dropped[4096];
    ssize_t n = recv(t->fd, dropped, sizeof dropped, 0);

    if (n == 0 || (n < 0 && errno != EAGAIN))
        leave(t);
    return n > 0;
}

static bool step(struct fuzz_server *s, struct fuzz_talk *t)
{
    if (t->fd < 0)
        return false;
    return t->step == FUZZ_TALK_HEAR ? hear(s, t) : t->step == FUZZ_TALK_SAY ? say(t) : linger(t);
}

/* Sooner known than by accepting nobody. */
static bool is_asked(const struct fuzz_server *s)
{
    struct pollfd p = { .fd = s->fd, .events = POLLIN };

    return poll(&p, 1, 0) == 1;
}

static void on_turn(void *user)
{
    struct fuzz_server *s = user;
    bool asked = is_asked(s);

    for (size_t i = 0; i < FUZZ_TALKS; i++) {
        struct fuzz_talk *t = &s->talks[i];

        if (t->fd < 0 && asked) {
            t->fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
            asked = t->fd >= 0;
            begin(t);
        }
        while (step(s, t))
            ;
    }
    loop_timer_arm(s->turn, 0);
}

/* ---- the server ---- */

void fuzz_server_init(struct fuzz_server *s, struct loop *loop, bool is_unix,
                      fuzz_answer_fn *answer)
{
    *s = (struct fuzz_server){ .answer = answer };
    for (size_t i = 0; i < FUZZ_TALKS; i++) {
        s->talks[i].fd = -1;
        buf_init(&s->talks[i].asked, ASKED_MAX);
        buf_init(&s->talks[i].out, OUT_MAX);
    }
    s->turn = loop_timer_create(loop, on_turn, s);
    if (is_unix)
        listen_unix(s);
    else
        listen_tcp(s);
    LAW(listen(s->fd, LISTEN) == 0);
}

void fuzz_server_begin(struct fuzz_server *s, struct str input)
{
    s->left = input;
    s->part = (struct str){ "", 0 };
    s->answered = 0;
    loop_timer_arm(s->turn, 0);
}

void fuzz_server_end(struct fuzz_server *s)
{
    int fd;

    loop_timer_disarm(s->turn);
    for (size_t i = 0; i < FUZZ_TALKS; i++)
        if (s->talks[i].fd >= 0)
            leave(&s->talks[i]);
    /* Those that nobody waits for any more. */
    while ((fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
        close(fd);
}

/* ---- HTTP ---- */

void fuzz_server_body(struct fuzz_talk *t, int status, const char *headers, struct str body)
{
    buf_printf(&t->out, "HTTP/1.1 %d A\r\nContent-Length: %zu\r\n%s\r\n", status, body.n, headers);
    buf_append(&t->out, body.p, body.n);
    t->keep = true;
}

/* The part with the answer's number instead of each '#'. */
static void number(const struct fuzz_server *s, struct str part, struct buf *out)
{
    const char *at;

    while (part.n && (at = memchr(part.p, '#', part.n))) {
        buf_append(out, part.p, (size_t)(at - part.p));
        buf_printf(out, "%zu", s->answered);
        part.n -= (size_t)(at - part.p) + 1;
        part.p = at + 1;
    }
    buf_append(out, part.p, part.n);
}

void fuzz_server_http(struct fuzz_server *s, struct fuzz_talk *t, struct str part)
{
    AUTO(buf) struct buf numbered = BUF_INIT(OUT_MAX / 2);
    struct str body;
    int status = 200;

    if (!s->wrapped) {
        buf_append(&t->out, part.p, part.n);
        return;
    }
    number(s, part, &numbered);
    body = buf_str(&numbered);
    if (body.n > 1 && body.p[0] == '!') {
        status = 400 + (unsigned char)body.p[1] % 130;
        body.p += 2;
        body.n -= 2;
    }
    fuzz_server_body(t, status, "", body);
}
