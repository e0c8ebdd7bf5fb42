#include "io/http_server.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/secret.h"
#include "io/http_address.h"

/* The library reads a head into this and keeps what it found in it beside it. */
#define CONNECTION_MEMORY ((size_t)2 * HTTP_SERVER_HEAD_MAX)
/* Those that are shut down already still count for the library until it looks at them. */
#define DYING_MAX 256
/* So often the library may say at once that it has more to do. */
#define RUNS_MAX 8
#define HUP_MAX  64
/* So often it may run and have nothing to show for it. */
#define FRUITLESS_MAX   8
#define ACCEPT_AGAIN_MS 100
/* The kernel counts in ticks. What came sooner after the rest began has had its time anyway. */
#define TICK_MS 20

/* Clients of one address. */
struct peer {
    struct http_ip ip; /* key */
    size_t n;          /* those that are not dying */
    size_t all;
    struct list at_rest; /* http_call.rest, the longest first */
    UT_hash_handle hh;
};

enum phase {
    PHASE_REST,     /* no head yet */
    PHASE_BODY,     /* a head is there */
    PHASE_ASKED,    /* the handler has it */
    PHASE_ANSWERED, /* the answer is being sent */
};

/* A connection and the request that it carries: there is one at a time. */
struct http_call {
    struct http_server *server;
    struct MHD_Connection *mhd;
    struct peer *peer;
    int fd;
    struct list by_time; /* of the server */
    struct list rest;    /* of the peer, while PHASE_REST */
    int64_t due_ms;
    enum phase phase;
    bool dying;    /* shut down; the library is about to notice */
    bool parked;   /* the library leaves it alone until http_reply */
    bool served;   /* an answer went out before */
    bool extended; /* a head had begun when the time to begin it was up */
    struct buf target, body;
    struct http_call_head head;
    struct MHD_Response *response;
    unsigned status;
    http_gone_fn *gone;
    void *gone_user;
};

enum drain {
    DRAIN_NO,
    DRAIN_WANE, /* all still come in, and are asked not to stay */
    DRAIN_SHUT, /* nobody comes in */
    DRAIN_DONE,
};

struct http_server {
    struct loop *loop;
    struct MHD_Daemon *mhd;
    int socket;      /* the library's; -1: nobody is accepted any more */
    uv_poll_t *poll; /* the library's epoll descriptor */
    int hup_fd;      /* an epoll descriptor of our own, for the parked ones */
    uv_poll_t *hup_poll;
    struct loop_timer *again; /* the library has more to do */
    struct loop_timer *clock;
    struct list by_time; /* http_call.by_time: all that are not dying, soonest due first */
    struct peer *peers;
    size_t n;             /* those that are not dying */
    uint64_t connections; /* ever */
    uint16_t port;
    bool fruit;                 /* the library has told us something in this run */
    int fruitless;              /* runs without, one after the other */
    struct loop_timer *no_room; /* there is no descriptor for whoever waits to come in */
    int busy;                   /* we are inside one of our own entry points */
    bool ended;                 /* destroyed; what is left goes when we are out */
    enum drain drain;
    struct loop_timer *drain_step;
    http_drained_fn *drained;
    void *drained_user;
    http_handler_fn *handle;
    http_gone_fn *gone;
    void *user;
};

/* ---- time ---- */

/* All wait equally long, so who is touched last is due last. */
static void touch(struct http_call *c)
{
    struct http_server *s = c->server;

    if (c->dying || s->ended)
        return;
    c->due_ms = loop_now_ms(s->loop) + HTTP_SERVER_TIMEOUT_MS;
    list_remove(&c->by_time);
    list_push_back(&s->by_time, &c->by_time);
    if (!loop_timer_armed(s->clock))
        loop_timer_arm(s->clock, HTTP_SERVER_TIMEOUT_MS);
}

/* ---- the end of a connection ---- */

static void unpark(struct http_call *c)
{
    c->parked = false;
    epoll_ctl(c->server->hup_fd, EPOLL_CTL_DEL, c->fd, NULL);
    MHD_resume_connection(c->mhd);
    /* It looks at those when it runs next, and nothing else makes it run. */
    if (!c->server->ended)
        loop_timer_arm(c->server->again, 0);
}

/* The library has no call to close a connection. It closes one whose socket is shut down
 * as soon as it looks, which the shutdown makes it do. */
static void doom(struct http_call *c)
{
    if (c->dying)
        return;
    c->dying = true;
    list_remove(&c->by_time);
    list_remove(&c->rest);
    c->peer->n--;
    c->server->n--;
    shutdown(c->fd, SHUT_RDWR);
    if (c->parked)
        unpark(c);
}

/* As doom; who was to answer learns it. */
static void lose(struct http_call *c)
{
    bool tell = c->parked;

    doom(c);
    if (tell && c->gone)
        c->gone(c->gone_user, c);
}

/* ---- a request ---- */

static void *on_target(void *user, const char *target, struct MHD_Connection *mhd)
{
    struct http_call *c =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;

    (void)user;
    c->server->fruit = true;
    buf_reset(&c->target);
    buf_puts(&c->target, target ? target : "");
    return c;
}

/* The target is told as it came, and nobody here asks the library for its parameters. */
static size_t keep_encoded(void *user, struct MHD_Connection *mhd, char *text)
{
    (void)user;
    (void)mhd;
    return strlen(text);
}

static enum MHD_Result begin(struct http_call *c, const char *method)
{
    const union MHD_ConnectionInfo *head =
        MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const char *length = MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, "Content-Length");

    if (c->target.overflowed || !head || head->header_size > HTTP_SERVER_HEAD_MAX)
        return MHD_NO;
    if (length && strtoull(length, NULL, 10) > HTTP_SERVER_BODY_MAX)
        return MHD_NO;
    c->head.method = method;
    c->gone = c->server->gone;
    c->gone_user = c->server->user;
    c->head.target = buf_text(&c->target);
    c->phase = PHASE_BODY;
    list_remove(&c->rest);
    touch(c);
    return MHD_YES;
}

/* Answers if there is an answer; else the connection waits for one. */
static enum MHD_Result answer(struct http_call *c)
{
    struct epoll_event event = { .data.ptr = c }; /* hang-ups are always told */
    enum MHD_Result rc;

    if (c->server->ended || c->dying)
        return MHD_NO;
    if (c->response) {
        rc = MHD_queue_response(c->mhd, c->status, c->response);
        MHD_destroy_response(c->response);
        c->response = NULL;
        c->phase = PHASE_ANSWERED;
        return rc;
    }
    c->parked = true;
    MHD_suspend_connection(c->mhd);
    epoll_ctl(c->server->hup_fd, EPOLL_CTL_ADD, c->fd, &event);
    return MHD_YES;
}

/* The library asks when the head is there, for each piece of the body, at its end, and
 * when the connection goes on after it was parked. */
static enum MHD_Result on_request(void *user, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *n_upload, void **context)
{
    struct http_server *s = user;
    struct http_call *c = *context;

    (void)mhd;
    (void)url;
    (void)version;
    s->fruit = true;
    if (s->ended || c->dying)
        return MHD_NO;
    switch (c->phase) {
    case PHASE_REST:
        return begin(c, method);
    case PHASE_BODY:
        if (*n_upload) {
            bool fits = buf_append(&c->body, upload, *n_upload);

            *n_upload = 0;
            return fits ? MHD_YES : MHD_NO;
        }
        c->head.body = buf_str(&c->body);
        c->phase = PHASE_ASKED;
        s->handle(s->user, c);
        return answer(c);
    case PHASE_ASKED:
        return answer(c);
    case PHASE_ANSWERED:
        break;
    }
    return MHD_NO;
}

static void on_completed(void *user, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode why)
{
    struct http_call *c = *context;

    (void)user;
    (void)mhd;
    (void)why;
    if (c->response)
        MHD_destroy_response(c->response);
    c->response = NULL;
    buf_fini(&c->body);
    c->phase = PHASE_REST;
    c->served = true;
    c->extended = false;
    if (c->dying || c->server->ended)
        return;
    list_remove(&c->rest);
    list_push_back(&c->peer->at_rest, &c->rest);
    touch(c);
}

/* ---- what the handler asks ---- */

const struct http_call_head *http_call_head(const struct http_call *c)
{
    return &c->head;
}

const char *http_call_header(const struct http_call *c, const char *name)
{
    return MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, name);
}

void http_reply(struct http_call *c, int status, const char *content_type,
                const struct http_reply_header *headers, size_t n_headers, struct str body)
{
    void *copy; /* it may hold keys */

    if (c->phase != PHASE_ASKED || c->dying || c->response)
        return;
    copy = secret_alloc(body.n);
    if (body.n)
        memcpy(copy, body.p, body.n);
    c->response = MHD_create_response_from_buffer_with_free_callback(body.n, copy, secret_free);
    if (!c->response)
        abort(); /* no memory */
    c->status = (unsigned)status;
    if (content_type)
        MHD_add_response_header(c->response, "Content-Type", content_type);
    /* The library refuses an empty value; a blank is none on the wire. */
    for (size_t i = 0; i < n_headers; i++)
        MHD_add_response_header(c->response, headers[i].name,
                                *headers[i].value ? headers[i].value : " ");
    if (c->server->drain)
        MHD_add_response_header(c->response, "Connection", "close");
    if (c->parked)
        unpark(c);
}

void http_call_later(struct http_call *c, http_gone_fn *gone, void *user)
{
    c->gone = gone;
    c->gone_user = user;
}

void http_drop(struct http_call *c)
{
    if (c->phase == PHASE_ASKED && !c->response)
        doom(c);
}

/* ---- who may come in ---- */

/* The one that has rested longest, of the address that has most of them. */
static struct http_call *longest_rest(const struct http_server *s)
{
    struct peer *most = NULL, *p, *next;

    HASH_ITER (hh, s->peers, p, next) {
        if (!list_empty(&p->at_rest) && (!most || p->n > most->n))
            most = p;
    }
    return most ? LIST_ENTRY(most->at_rest.next, struct http_call, rest) : NULL;
}

/* Whoever rests makes room for the one who asks now. */
static enum MHD_Result on_accept(void *user, const struct sockaddr *addr, socklen_t n)
{
    struct http_server *s = user;
    struct http_call *leaves;
    struct http_ip ip;
    struct peer *p;

    (void)n;
    if (s->ended || !http_address_ip(addr, &ip))
        return MHD_NO;
    HASH_FIND(hh, s->peers, &ip, sizeof ip, p);
    if (p && p->n >= HTTP_SERVER_PER_PEER) {
        if (list_empty(&p->at_rest))
            return MHD_NO;
        doom(LIST_ENTRY(p->at_rest.next, struct http_call, rest));
    }
    if (s->n >= HTTP_SERVER_CONNECTIONS) {
        leaves = longest_rest(s);
        if (!leaves)
            return MHD_NO;
        doom(leaves);
    }
    return MHD_YES;
}

static void *connected(struct http_server *s, struct MHD_Connection *mhd)
{
    const struct sockaddr *addr =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    struct http_call *c = NEW(struct http_call);
    struct http_ip ip = { { 0 } };

    c->server = s;
    c->mhd = mhd;
    c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    list_init(&c->by_time);
    list_init(&c->rest);
    buf_init(&c->target, HTTP_SERVER_HEAD_MAX);
    buf_init(&c->body, HTTP_SERVER_BODY_MAX);
    http_address_ip(addr, &ip);
    http_address_text(addr, &c->head.peer);
    http_address_asked(c->fd, &c->head.local);
    HASH_FIND(hh, s->peers, &ip, sizeof ip, c->peer);
    if (!c->peer) {
        c->peer = NEW(struct peer);
        c->peer->ip = ip;
        list_init(&c->peer->at_rest);
        HASH_ADD(hh, s->peers, ip, sizeof c->peer->ip, c->peer);
    }
    c->peer->n++;
    c->peer->all++;
    s->n++;
    c->head.connection = ++s->connections;
    list_push_back(&c->peer->at_rest, &c->rest);
    touch(c);
    return c;
}

static void disconnected(struct http_server *s, struct http_call *c)
{
    list_remove(&c->by_time);
    list_remove(&c->rest);
    if (!c->dying) {
        c->peer->n--;
        s->n--;
    }
    /* When it had no descriptor for the next one, the library listens no more until one has gone,
     * and notices that in its next run. */
    if (!s->ended)
        loop_timer_arm(s->again, 0);
    if (--c->peer->all == 0) {
        HASH_DEL(s->peers, c->peer);
        free(c->peer);
    }
    buf_fini(&c->target);
    buf_fini(&c->body);
    free(c);
}

static void on_connection(void *user, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http_server *s = user;

    s->fruit = true;
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        *context = connected(user, mhd);
    else if (*context)
        disconnected(user, *context);
}

/* ---- the way out ---- */

static bool is_kept(const struct http_call *c)
{
    return c->phase == PHASE_REST && c->served && !c->dying;
}

static bool any_kept(const struct http_server *s)
{
    LIST_FOREACH (it, following, &s->by_time) {
        if (is_kept(LIST_ENTRY(it, struct http_call, by_time)))
            return true;
    }
    return false;
}

/* The step that is next needs not wait any longer. */
static void drain_look(struct http_server *s)
{
    if ((s->drain == DRAIN_WANE && !any_kept(s)) || (s->drain == DRAIN_SHUT && !s->n))
        loop_timer_arm(s->drain_step, 0);
}

/* A request that is there already was asked in time. */
static bool is_silent(const struct http_call *c)
{
    int n = 0;

    return ioctl(c->fd, FIONREAD, &n) == 0 && n == 0;
}

static void shut(struct http_server *s)
{
    MHD_quiesce_daemon(s->mhd);
    close(s->socket);
    s->socket = -1;
    LIST_FOREACH (it, following, &s->by_time) {
        struct http_call *c = LIST_ENTRY(it, struct http_call, by_time);

        if (is_kept(c) && is_silent(c))
            doom(c);
    }
}

static void on_drain_step(void *user)
{
    struct http_server *s = user;

    switch (s->drain) {
    case DRAIN_WANE:
        s->drain = DRAIN_SHUT;
        shut(s);
        loop_timer_arm(s->drain_step, HTTP_SERVER_DRAIN_MS);
        loop_timer_arm(s->again, 0);
        break;
    case DRAIN_SHUT:
        s->drain = DRAIN_DONE;
        s->drained(s->drained_user);
        break;
    case DRAIN_NO:
    case DRAIN_DONE:
        break;
    }
}

void http_server_drain(struct http_server *s, http_drained_fn *done, void *user)
{
    if (s->drain || s->ended)
        return;
    s->drain = DRAIN_WANE;
    s->drained = done;
    s->drained_user = user;
    loop_timer_arm(s->drain_step, HTTP_SERVER_WANE_MS);
    drain_look(s);
}

/* ---- running ---- */

static void finish(struct http_server *s)
{
    MHD_stop_daemon(s->mhd);
    close(s->hup_fd);
    free(s);
}

static void leave(struct http_server *s)
{
    if (--s->busy == 0 && s->ended)
        finish(s);
}

static void run(struct http_server *s)
{
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;
    bool more = true;

    s->busy++;
    for (int i = 0; more && i < RUNS_MAX && !s->ended; i++) {
        MHD_run(s->mhd);
        more = MHD_get_timeout(s->mhd, &wait_ms) == MHD_YES && wait_ms == 0;
    }
    if (more && !s->ended)
        loop_timer_arm(s->again, 0);
    if (!s->ended)
        drain_look(s);
    leave(s);
}

static void on_again(void *user)
{
    run(user);
}

static void on_poll(uv_poll_t *h, int status, int events);

static void look_again(void *user)
{
    struct http_server *s = user;

    if (uv_poll_start(s->poll, UV_READABLE, on_poll))
        abort();
}

static bool has_descriptor(void)
{
    int fd = eventfd(0, EFD_CLOEXEC);

    if (fd < 0)
        return false;
    close(fd);
    return true;
}

/* Without a descriptor nobody can be let in, but the library is told for ever that somebody
 * waits. Until there is one, it looks now and then, and who is in is served a little later. */
static void on_poll(uv_poll_t *h, int status, int events)
{
    struct http_server *s = h->data;

    (void)status;
    (void)events;
    s->fruit = false;
    s->busy++;
    run(s);
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): not freed while it is busy */
    s->fruitless = s->fruit ? 0 : s->fruitless + 1;
    if (!s->ended && s->fruitless >= FRUITLESS_MAX && !has_descriptor()) {
        uv_poll_stop(s->poll);
        loop_timer_arm(s->no_room, ACCEPT_AGAIN_MS);
    }
    leave(s);
}

/* Parked clients that were reset. One that only shut its sending side waits for its answer:
 * that is how simple clients mark the end of a request. */
static void on_hup(uv_poll_t *h, int status, int events)
{
    struct http_server *s = h->data;
    struct epoll_event ready[HUP_MAX];
    int n;

    (void)status;
    (void)events;
    s->busy++;
    n = epoll_wait(s->hup_fd, ready, HUP_MAX, 0);
    for (int i = 0; i < n && !s->ended; i++) {
        struct http_call *c = ready[i].data.ptr;

        /* Connections end in run() only, so it is still there, but may have been told to
         * go by what was called for one before it. */
        if (c->parked)
            lose(c);
    }
    leave(s);
}

/* The time to begin a request is up; but does one come in right now? */
static bool head_begun(const struct http_call *c)
{
    struct tcp_info info = { 0 };
    socklen_t n = sizeof info;

    if (c->phase != PHASE_REST || !c->served || c->extended)
        return false;
    return getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0 &&
           info.tcpi_last_data_recv + TICK_MS < HTTP_SERVER_TIMEOUT_MS;
}

static void on_clock(void *user)
{
    /* Of an answer that nobody reads nothing stays behind in the kernel either. */
    static const struct linger none = { 1, 0 };
    struct http_server *s = user;

    s->busy++;
    while (!s->ended && !list_empty(&s->by_time)) {
        struct http_call *c = LIST_ENTRY(s->by_time.next, struct http_call, by_time);
        int64_t left_ms = c->due_ms - loop_now_ms(s->loop);

        if (left_ms > 0) {
            loop_timer_arm(s->clock, left_ms);
            break;
        }
        if (head_begun(c)) {
            c->extended = true;
            touch(c);
        } else {
            if (c->phase == PHASE_ANSWERED)
                setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
            lose(c);
        }
    }
    leave(s);
}

/* ---- the server ---- */

static uv_poll_t *watch_fd(struct http_server *s, int fd, uv_poll_cb fn)
{
    uv_poll_t *poll = NEW(uv_poll_t);

    if (uv_poll_init(loop_uv(s->loop), poll, fd) || uv_poll_start(poll, UV_READABLE, fn))
        abort(); /* no epoll, no loop */
    poll->data = s;
    return poll;
}

static void on_poll_closed(uv_handle_t *h)
{
    free(h);
}

static struct MHD_Daemon *start(struct http_server *s, int fd, bool ipv6)
{
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO;

    if (ipv6)
        flags |= MHD_USE_IPv6;
    return MHD_start_daemon(
        flags, 0, on_accept, s, on_request, s, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)(HTTP_SERVER_CONNECTIONS + DYING_MAX), MHD_OPTION_CONNECTION_TIMEOUT, 0U,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, on_target, s,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_encoded, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
        MHD_OPTION_END);
}

enum err_code http_server_create(const struct http_server_args *args, struct http_server **out,
                                 struct err *e)
{
    struct sockaddr_storage bound = { 0 };
    socklen_t n = sizeof bound;
    struct http_peer where = { 0 };
    struct http_server *s;
    struct err mine = { 0 };
    int fd = args->fd;

    e = e ? e : &mine;
    if (fd < 0 && http_address_listen(args->address, args->port, &fd, e))
        return e->code;
    if (getsockname(fd, (struct sockaddr *)&bound, &n)) {
        int error = errno;

        close(fd);
        return err_errno(e, error, "the listening socket");
    }
    /* Of one that was passed on this may not be so. */
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    s = NEW(struct http_server);
    s->loop = args->loop;
    s->handle = args->handle;
    s->gone = args->gone;
    s->user = args->user;
    list_init(&s->by_time);
    http_address_text((const struct sockaddr *)&bound, &where);
    s->port = where.port;
    s->hup_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->hup_fd < 0)
        abort();
    s->mhd = start(s, fd, bound.ss_family == AF_INET6);
    if (!s->mhd) {
        close(s->hup_fd);
        close(fd);
        free(s);
        return err_set(e, ERR_IO, "cannot serve HTTP on port %d", where.port);
    }
    s->socket = fd;
    s->again = loop_timer_create(s->loop, on_again, s);
    s->drain_step = loop_timer_create(s->loop, on_drain_step, s);
    s->no_room = loop_timer_create(s->loop, look_again, s);
    s->clock = loop_timer_create(s->loop, on_clock, s);
    s->poll = watch_fd(s, MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, on_poll);
    s->hup_poll = watch_fd(s, s->hup_fd, on_hup);
    /* The library looks at its listening socket from its first run on. */
    loop_timer_arm(s->again, 0);
    *out = s;
    return ERR_OK;
}

void http_server_destroy(struct http_server *s)
{
    if (!s || s->ended)
        return;
    s->ended = true;
    s->busy++;
    loop_timer_destroy(s->again);
    loop_timer_destroy(s->clock);
    loop_timer_destroy(s->drain_step);
    loop_timer_destroy(s->no_room);
    uv_close((uv_handle_t *)s->poll, on_poll_closed);
    uv_close((uv_handle_t *)s->hup_poll, on_poll_closed);
    while (!list_empty(&s->by_time)) {
        struct http_call *c = LIST_ENTRY(s->by_time.next, struct http_call, by_time);

        list_remove(&c->by_time);
        lose(c);
    }
    leave(s);
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}

int http_server_socket(const struct http_server *s)
{
    return s->socket;
}

size_t http_server_connections(const struct http_server *s)
{
    return s->n;
}
