#include <stdlib.h>
#include <uv.h>

#include "base/list.h"
#include "base/mem.h"
#include "io/http_internal.h"

struct multi {
    struct loop *loop;
    CURLM *curl;
    struct loop_timer *timer;
    struct list socks;
    struct multi_events ev;
    void *user;
    int inside; /* calls of libcurl on the stack */
    int held;   /* callers that still use `this` after a callback */
    bool closing;
};

/* A socket that libcurl wants watched. */
struct sock {
    uv_poll_t poll;
    struct list node;
    struct multi *m;
    curl_socket_t fd;
    int events; /* as last asked for */
};

static void on_sock_closed(uv_handle_t *h)
{
    free(h->data);
}

static void sock_close(struct sock *s)
{
    list_remove(&s->node);
    uv_close((uv_handle_t *)&s->poll, on_sock_closed);
}

static void multi_free(struct multi *m)
{
    if (m->ev.closed)
        m->ev.closed(m->user);
    curl_multi_cleanup(m->curl);
    LIST_FOREACH (node, following, &m->socks)
        sock_close(LIST_ENTRY(node, struct sock, node));
    loop_timer_destroy(m->timer);
    free(m);
}

void multi_hold(struct multi *m)
{
    m->held++;
}

void multi_release(struct multi *m)
{
    if (--m->held == 0 && m->closing)
        multi_free(m);
}

void multi_enter(struct multi *m)
{
    m->inside++;
}

void multi_leave(struct multi *m)
{
    if (--m->inside == 0 && m->ev.left && !m->closing)
        m->ev.left(m->user);
}

bool multi_inside(const struct multi *m)
{
    return m->inside > 0;
}

CURLM *multi_curl(struct multi *m)
{
    return m->curl;
}

static void multi_run(struct multi *m, curl_socket_t fd, int events)
{
    int running = 0;

    multi_hold(m);
    multi_enter(m);
    curl_multi_socket_action(m->curl, fd, events, &running);
    multi_leave(m);

    while (!m->closing) {
        int left = 0;
        const CURLMsg *msg = curl_multi_info_read(m->curl, &left);

        if (!msg)
            break;
        if (msg->msg == CURLMSG_DONE)
            m->ev.done(m->user, msg->easy_handle, msg->data.result);
    }
    multi_release(m);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct sock *s = h->data;
    int flags = 0;

    if (status < 0) {
        /* libuv stops watching a socket with an error. libcurl shall find the
         * error itself: a reset that it reads from a kept connection makes it
         * try again on a new one, CURL_CSELECT_ERR makes it give up. */
        flags = CURL_CSELECT_IN | CURL_CSELECT_OUT;
        uv_poll_start(h, s->events, on_poll);
    }
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    multi_run(s->m, s->fd, flags);
}

static void on_timeout(void *user)
{
    multi_run(user, CURL_SOCKET_TIMEOUT, 0);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *sockp)
{
    struct multi *m = user;
    struct sock *s = sockp;
    int events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s)
            sock_close(s);
        curl_multi_assign(m->curl, fd, NULL);
        return 0;
    }
    if (!s) {
        s = NEW(struct sock);
        s->m = m;
        s->fd = fd;
        if (uv_poll_init_socket(loop_uv(m->loop), &s->poll, fd)) {
            free(s);
            return -1;
        }
        s->poll.data = s;
        list_push_back(&m->socks, &s->node);
        curl_multi_assign(m->curl, fd, s);
    }
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        events |= UV_READABLE;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        events |= UV_WRITABLE;
    s->events = events;
    return uv_poll_start(&s->poll, events, on_poll) ? -1 : 0;
}

static int on_curl_timer(CURLM *curl, long timeout_ms, void *user)
{
    struct multi *m = user;

    (void)curl;
    if (timeout_ms < 0)
        loop_timer_disarm(m->timer);
    else
        loop_timer_arm(m->timer, timeout_ms);
    return 0;
}

struct multi *multi_create(struct loop *l, const struct multi_events *ev, void *user)
{
    struct multi *m = NEW(struct multi);

    m->loop = l;
    m->ev = *ev;
    m->user = user;
    list_init(&m->socks);
    m->timer = loop_timer_create(l, on_timeout, m);
    m->curl = curl_multi_init();
    if (!m->curl)
        abort();
    curl_multi_setopt(m->curl, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(m->curl, CURLMOPT_SOCKETDATA, m);
    curl_multi_setopt(m->curl, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(m->curl, CURLMOPT_TIMERDATA, m);
    curl_multi_setopt(m->curl, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    return m;
}

void multi_close(struct multi *m)
{
    if (m->closing)
        return;
    m->closing = true;
    if (m->held == 0)
        multi_free(m);
}
