#include "io/unix_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"

#define CLIENTS_MAX     64
#define REQUEST_MAX     ((size_t)64 * 1024)
#define BEHIND_MAX      ((size_t)1024 * 1024)
#define PATIENCE_MS     10000 /* for a request to come, and for the last answer to be read */
#define LISTEN_QUEUE    16
#define ACCEPT_TURN     16 /* clients that are let in in one turn */
#define ACCEPT_AGAIN_MS 100

struct unix_server {
    uv_poll_t poll; /* of `fd`; not libuv's own way to listen, which spins without descriptors */
    int fd;
    struct loop_timer *again; /* while there is no descriptor for another client */
    struct loop *loop;
    struct list clients;
    size_t n_clients;
    char *path;
    dev_t dev; /* of the socket file, to remove no other */
    ino_t ino;
    unix_request_fn *fn;
    void *user;
};

struct unix_client {
    uv_pipe_t pipe;
    uv_shutdown_t shutdown;
    struct list node;
    struct unix_server *server;
    struct loop_timer *patience;
    struct buf line;
    bool asked;
    bool ended;
    bool closing;
    loop_fn *gone;
    void *gone_user;
    char chunk[4096];
};

struct piece {
    uv_write_t req;
    char text[];
};

/* ---- a client's end ---- */

static void on_client_closed(uv_handle_t *h)
{
    struct unix_client *c = h->data;

    buf_fini(&c->line);
    free(c);
}

static void client_close(struct unix_client *c)
{
    if (c->closing)
        return;
    c->closing = true;
    list_remove(&c->node);
    c->server->n_clients--;
    loop_timer_destroy(c->patience);
    uv_close((uv_handle_t *)&c->pipe, on_client_closed);
}

/* The client went, or did not behave; the one who answers must know. */
static void client_lost(struct unix_client *c)
{
    bool tell = c->asked && !c->ended && !c->closing && c->gone;

    client_close(c);
    if (tell)
        c->gone(c->gone_user);
}

static void on_patience(void *user)
{
    client_lost(user);
}

/* ---- reading the request ---- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct unix_client *c = h->data;

    (void)suggested;
    *out = uv_buf_init(c->chunk, sizeof c->chunk);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *data)
{
    struct unix_client *c = s->data;
    const char *end;

    if (n < 0) {
        client_lost(c);
        return;
    }
    if (c->asked) /* reading goes on only to see the client leave */
        return;
    end = memchr(data->base, '\n', (size_t)n);
    if (!buf_append(&c->line, data->base, end ? (size_t)(end - data->base) : (size_t)n)) {
        client_close(c);
        return;
    }
    if (!end)
        return;
    c->asked = true;
    loop_timer_disarm(c->patience);
    c->server->fn(c->server->user, c, buf_str(&c->line));
}

/* ---- answering ---- */

static void on_written(uv_write_t *req, int status)
{
    struct piece *p = req->data;

    (void)status; /* reading sees it as well */
    free(p);
}

bool unix_client_send(struct unix_client *c, struct str text)
{
    uv_stream_t *s = (uv_stream_t *)&c->pipe;
    uv_buf_t data;
    struct piece *p;

    if (c->closing || c->ended)
        return false;
    if (text.n > BEHIND_MAX || uv_stream_get_write_queue_size(s) > BEHIND_MAX - text.n) {
        client_close(c);
        return false;
    }
    if (text.n == 0)
        return true;
    p = mem_alloc(sizeof *p + text.n);
    memcpy(p->text, text.p, text.n);
    p->req.data = p;
    data = uv_buf_init(p->text, (unsigned)text.n);
    if (uv_write(&p->req, s, &data, 1, on_written)) {
        free(p);
        client_close(c);
        return false;
    }
    return true;
}

size_t unix_client_behind(const struct unix_client *c)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&c->pipe);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    struct unix_client *c = req->data;

    if (status != UV_ECANCELED)
        client_close(c);
}

void unix_client_end(struct unix_client *c)
{
    if (c->closing || c->ended)
        return;
    c->ended = true;
    c->shutdown.data = c;
    loop_timer_arm(c->patience, PATIENCE_MS);
    if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->pipe, on_shutdown))
        client_close(c);
}

void unix_client_on_gone(struct unix_client *c, loop_fn *gone, void *user)
{
    c->gone = gone;
    c->gone_user = user;
}

/* ---- accepting ---- */

static bool may_speak(int fd)
{
    struct ucred who;
    socklen_t n = sizeof who;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0)
        return false;
    return who.uid == 0 || who.uid == geteuid();
}

static void let_in(struct unix_server *s, int fd)
{
    struct unix_client *c;

    if (s->n_clients >= CLIENTS_MAX || !may_speak(fd)) {
        close(fd);
        return;
    }
    c = NEW(struct unix_client);
    if (uv_pipe_init(loop_uv(s->loop), &c->pipe, 0))
        abort();
    c->pipe.data = c;
    c->server = s;
    c->patience = loop_timer_create(s->loop, on_patience, c);
    buf_init(&c->line, REQUEST_MAX);
    list_push_back(&s->clients, &c->node);
    s->n_clients++;
    if (uv_pipe_open(&c->pipe, fd)) {
        close(fd);
        client_close(c);
        return;
    }
    if (uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read)) {
        client_close(c);
        return;
    }
    loop_timer_arm(c->patience, PATIENCE_MS);
}

static void on_connection(uv_poll_t *h, int status, int events);

static void listen_on(void *user)
{
    struct unix_server *s = user;

    if (uv_poll_start(&s->poll, UV_READABLE, on_connection))
        abort();
}

static void on_connection(uv_poll_t *h, int status, int events)
{
    struct unix_server *s = h->data;

    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPT_TURN; i++) {
        int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0) {
            let_in(s, fd);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            /* No descriptor or no memory: who comes waits in the socket's queue. It stays
             * readable, so that looking at it would take all the time there is. */
            uv_poll_stop(&s->poll);
            loop_timer_arm(s->again, ACCEPT_AGAIN_MS);
            return;
        }
    }
}

/* ---- the server ---- */

static enum err_code make_parent(const char *path, struct err *e)
{
    const char *slash = strrchr(path, '/');
    AUTO(str) char *dir = NULL;

    if (!slash || slash == path)
        return ERR_OK;
    dir = mem_strndup(path, (size_t)(slash - path));
    if (mkdir(dir, 0755) < 0 && errno != EEXIST)
        return err_errno(e, errno, "cannot create %s", dir);
    return ERR_OK;
}

/* Takes a socket file away that no process listens on any more. */
static enum err_code clear_path(const struct sockaddr_un *addr, struct err *e)
{
    struct stat st;
    int fd, rc, saved;

    if (lstat(addr->sun_path, &st) < 0)
        return errno == ENOENT ? ERR_OK : err_errno(e, errno, "%s", addr->sun_path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(e, ERR_CONFLICT, "%s exists and is no socket", addr->sun_path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_errno(e, errno, "socket");
    rc = connect(fd, (const struct sockaddr *)addr, sizeof *addr);
    saved = errno;
    close(fd);
    if (rc == 0 || saved == EAGAIN) /* EAGAIN: somebody listens, and has a long queue */
        return err_set(e, ERR_CONFLICT, "another process listens on %s", addr->sun_path);
    if (saved != ECONNREFUSED && saved != ENOENT)
        return err_errno(e, saved, "%s", addr->sun_path);
    if (unlink(addr->sun_path) < 0 && errno != ENOENT)
        return err_errno(e, errno, "cannot remove %s", addr->sun_path);
    return ERR_OK;
}

static enum err_code bind_to(const struct sockaddr_un *addr, int *out, struct err *e)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int saved;

    if (fd < 0)
        return err_errno(e, errno, "socket");
    /* On Linux the file takes the mode of the socket, so it is never open to
     * others, not even for a moment. */
    if (fchmod(fd, 0600) == 0 && bind(fd, (const struct sockaddr *)addr, sizeof *addr) == 0) {
        *out = fd;
        return ERR_OK;
    }
    saved = errno;
    close(fd);
    if (saved == EADDRINUSE)
        return err_set(e, ERR_CONFLICT, "another process listens on %s", addr->sun_path);
    return err_errno(e, saved, "cannot listen on %s", addr->sun_path);
}

static void on_server_closed(uv_handle_t *h)
{
    struct unix_server *s = h->data;

    free(s->path);
    free(s);
}

enum err_code unix_server_create(struct loop *l, const char *path, unix_request_fn *fn, void *user,
                                 struct unix_server **out, struct err *e)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct unix_server *s;
    struct stat st = { 0 };
    struct err mine = { 0 };
    int fd = -1, rc;

    e = e ? e : &mine;
    if (strlen(path) >= sizeof addr.sun_path)
        return err_set(e, ERR_INVALID, "%s: too long for a socket path", path);
    memcpy(addr.sun_path, path, strlen(path));
    if (make_parent(path, e) || clear_path(&addr, e) || bind_to(&addr, &fd, e))
        return e->code;
    lstat(path, &st);

    s = NEW(struct unix_server);
    s->loop = l;
    s->fn = fn;
    s->user = user;
    s->path = mem_strdup(path);
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    list_init(&s->clients);
    s->fd = fd;
    s->again = loop_timer_create(l, listen_on, s);
    if (uv_poll_init(loop_uv(l), &s->poll, fd))
        abort();
    s->poll.data = s;
    if (listen(fd, LISTEN_QUEUE)) {
        rc = errno;
        unix_server_destroy(s);
        return err_errno(e, rc, "cannot listen on %s", path);
    }
    listen_on(s);
    *out = s;
    return ERR_OK;
}

void unix_server_destroy(struct unix_server *s)
{
    struct stat st;

    if (!s)
        return;
    while (!list_empty(&s->clients))
        client_close(LIST_ENTRY(s->clients.next, struct unix_client, node));
    if (lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
        unlink(s->path);
    loop_timer_destroy(s->again);
    uv_close((uv_handle_t *)&s->poll, on_server_closed);
    close(s->fd); /* nothing watches it any more */
}
