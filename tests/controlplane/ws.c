/* ws: websocket connections, framed by wslay on the descriptors that
 * libmicrohttpd hands over after the upgrade. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <wslay/wslay.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "server.h"

#define ENDPOINTS_MAX    8
#define MESSAGE_MAX      (16 * 1024 * 1024)
#define QUEUE_MAX        (64 * 1024 * 1024) /* a peer that does not read is dropped */
#define CLOSE_TIMEOUT_MS 5000

struct endpoint {
    char *path;
    struct cp_ws_events events;
    void *user;
};

struct wss {
    struct cp_server *server;
    struct endpoint endpoints[ENDPOINTS_MAX];
    size_t endpoint_count;
    struct list open;
    struct list graves; /* ended, to be freed on a fresh stack */
    struct cp_timer *gravedigger;
};

struct cp_ws {
    struct list node;
    struct wss *owner;
    struct endpoint *endpoint;
    struct url_params params;
    char *raw_path, *raw_query, *host;
    void *data;
    wslay_event_context_ptr wslay;
    int fd; /* -1 before the upgrade */
    struct MHD_UpgradeResponseHandle *urh;
    struct cp_watch watch;
    uint32_t events;
    struct buf early; /* bytes that arrived with the handshake */
    struct cp_timer *close_timer;
    bool opened, closing, ended, busy;
    bool awaited; /* its handshake's answer is on the way and holds this pointer */
    bool buried;
};

/* ---- the collection ---- */

static void ws_free(struct cp_ws *ws)
{
    list_remove(&ws->node);
    if (ws->wslay)
        wslay_event_context_free(ws->wslay);
    cp_timer_destroy(ws->close_timer);
    url_params_fini(&ws->params);
    buf_fini(&ws->early);
    free(ws->raw_path);
    free(ws->raw_query);
    free(ws->host);
    free(ws);
}

static void bury(void *user)
{
    struct wss *w = user;

    LIST_FOREACH (node, next, &w->graves) {
        struct cp_ws *ws = LIST_ENTRY(node, struct cp_ws, node);
        int code = wslay_event_get_close_received(ws->wslay)
                       ? wslay_event_get_status_code_received(ws->wslay)
                       : WSLAY_CODE_ABNORMAL_CLOSURE;

        list_remove(&ws->node);
        ws->buried = true;
        if (ws->opened)
            ws->endpoint->events.closed(ws->endpoint->user, ws, code);
        if (!ws->awaited)
            ws_free(ws);
    }
}

struct wss *wss_create(struct cp_server *s)
{
    struct wss *w = NEW(struct wss);

    w->server = s;
    list_init(&w->open);
    list_init(&w->graves);
    w->gravedigger = cp_timer_create(s, bury, w);
    return w;
}

void wss_destroy(struct wss *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->endpoint_count; i++)
        free(w->endpoints[i].path);
    cp_timer_destroy(w->gravedigger);
    free(w);
}

static struct endpoint *endpoint_find(const struct wss *w, const char *path)
{
    for (size_t i = 0; i < w->endpoint_count; i++) {
        if (streq(w->endpoints[i].path, path))
            return (struct endpoint *)&w->endpoints[i];
    }
    return NULL;
}

bool wss_has_path(const struct wss *w, const char *path)
{
    return endpoint_find(w, path) != NULL;
}

void cp_server_add_websocket(struct cp_server *s, const char *path, const struct cp_ws_events *ev,
                             void *user)
{
    struct wss *w = cp_server_wss(s);

    if (w->endpoint_count == ENDPOINTS_MAX)
        abort();
    w->endpoints[w->endpoint_count++] = (struct endpoint){ mem_strdup(path), *ev, user };
}

/* ---- ends ---- */

/* The connection is over; the part hears of it on a fresh stack. */
static void end(struct cp_ws *ws)
{
    struct wss *w = ws->owner;

    if (ws->ended)
        return;
    ws->ended = true;
    /* 1002 bad framing, 1007 bad UTF-8, 1009 too long: ours unasked. */
    if (!ws->closing && wslay_event_get_close_sent(ws->wslay)) {
        int code = wslay_event_get_status_code_sent(ws->wslay);

        if (code == WSLAY_CODE_PROTOCOL_ERROR || code == WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA ||
            code == WSLAY_CODE_MESSAGE_TOO_BIG)
            cp_violation(w->server, "%s: broken websocket framing, closed with %d",
                         ws->endpoint->path, code);
    }
    if (ws->fd >= 0) {
        cp_watch_remove(w->server, ws->fd);
        MHD_upgrade_action(ws->urh, MHD_UPGRADE_ACTION_CLOSE);
        ws->fd = -1;
    }
    list_remove(&ws->node);
    list_push_back(&w->graves, &ws->node);
    cp_timer_arm(w->gravedigger, 0);
}

void wss_abandon(struct cp_ws *ws)
{
    ws->awaited = false;
    if (ws->buried)
        ws_free(ws);
    else
        end(ws);
}

void wss_drop_all(struct wss *w)
{
    LIST_FOREACH (node, next, &w->open)
        end(LIST_ENTRY(node, struct cp_ws, node));
    bury(w);
}

int wss_drop(struct wss *w, const char *path, int code)
{
    int count = 0;

    LIST_FOREACH (node, next, &w->open) {
        struct cp_ws *ws = LIST_ENTRY(node, struct cp_ws, node);

        if (path && !streq(ws->endpoint->path, path))
            continue;
        count++;
        if (code)
            cp_ws_close(ws, code, "");
        else
            end(ws);
    }
    return count;
}

static void on_close_timeout(void *user)
{
    end(user);
}

/* ---- bytes ---- */

static ssize_t recv_bytes(wslay_event_context_ptr ctx, uint8_t *data, size_t n, int flags,
                          void *user)
{
    struct cp_ws *ws = user;
    ssize_t got;

    (void)flags;
    if (ws->early.len) {
        size_t take = ws->early.len < n ? ws->early.len : n;

        memcpy(data, ws->early.data, take);
        buf_consume(&ws->early, take);
        return (ssize_t)take;
    }
    do
        got = recv(ws->fd, data, n, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        return got;
    wslay_event_set_error(ctx, got < 0 && errno == EAGAIN ? WSLAY_ERR_WOULDBLOCK
                                                          : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static ssize_t send_bytes(wslay_event_context_ptr ctx, const uint8_t *data, size_t n, int flags,
                          void *user)
{
    struct cp_ws *ws = user;
    ssize_t sent;

    do
        sent = send(ws->fd, data, n, MSG_NOSIGNAL | (flags & WSLAY_MSG_MORE ? MSG_MORE : 0));
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        wslay_event_set_error(ctx,
                              errno == EAGAIN ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return sent;
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *m,
                       void *user)
{
    struct cp_ws *ws = user;

    (void)ctx;
    if (ws->closing || ws->ended)
        return;
    if (m->opcode == WSLAY_TEXT_FRAME)
        ws->endpoint->events.message(ws->endpoint->user, ws,
                                     (struct str){ (const char *)m->msg, m->msg_length });
    else if (m->opcode == WSLAY_BINARY_FRAME)
        cp_violation(ws->owner->server, "%s: a binary message", ws->endpoint->path);
}

static void settle(struct cp_ws *ws)
{
    uint32_t events = EPOLLIN;

    if (ws->ended || ws->fd < 0)
        return;
    if (wslay_event_send(ws->wslay)) {
        end(ws);
        return;
    }
    if (!wslay_event_want_read(ws->wslay) && !wslay_event_want_write(ws->wslay)) {
        end(ws); /* both sides have said goodbye */
        return;
    }
    if (wslay_event_get_queued_msg_length(ws->wslay) > QUEUE_MAX) {
        log_warn("websocket peer does not read, dropped", kv_s("path", ws->endpoint->path));
        end(ws);
        return;
    }
    if (wslay_event_want_write(ws->wslay))
        events |= EPOLLOUT;
    if (events != ws->events)
        cp_watch_change(ws->owner->server, ws->fd, events, &ws->watch);
    ws->events = events;
}

static void on_ready(void *user, uint32_t events)
{
    struct cp_ws *ws = user;

    ws->busy = true;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        int rc = wslay_event_recv(ws->wslay);

        if (rc == WSLAY_ERR_CALLBACK_FAILURE || rc == WSLAY_ERR_NOMEM) {
            wslay_event_send(ws->wslay);
            end(ws);
        }
    }
    ws->busy = false;
    settle(ws);
}

/* ---- what the parts ask ---- */

const char *cp_ws_query(struct cp_ws *ws, const char *name)
{
    return url_params_get(&ws->params, name);
}

void cp_ws_send(struct cp_ws *ws, struct str text)
{
    struct wslay_event_msg m = { WSLAY_TEXT_FRAME, (const uint8_t *)text.p, text.n };

    if (ws->closing || ws->ended)
        return;
    wslay_event_queue_msg(ws->wslay, &m);
    if (!ws->busy)
        settle(ws);
}

void cp_ws_close(struct cp_ws *ws, int code, const char *reason)
{
    if (ws->closing || ws->ended)
        return;
    ws->closing = true;
    wslay_event_queue_close(ws->wslay, (uint16_t)code, (const uint8_t *)reason, strlen(reason));
    ws->close_timer = cp_timer_create(ws->owner->server, on_close_timeout, ws);
    cp_timer_arm(ws->close_timer, CLOSE_TIMEOUT_MS);
    if (!ws->busy)
        settle(ws);
}

void cp_ws_set_user(struct cp_ws *ws, void *data)
{
    ws->data = data;
}

void *cp_ws_user(struct cp_ws *ws)
{
    return ws->data;
}

enum err_code cp_ws_verify_frame(struct cp_ws *ws, struct str frame, struct str *envelope,
                                 struct err *e)
{
    struct cp_server *s = ws->owner->server;

    return auth_verify_frame(cp_server_keys(s), frame, str_of(ws->raw_path), str_of(ws->raw_query),
                             str_of(ws->host), cp_server_region(s), cp_server_told_ms(s), envelope,
                             e);
}

/* ---- the handshake ---- */

/* Whether a comma-separated header names `token`. */
static bool has_token(struct str list, const char *token)
{
    size_t at = 0;

    while (at < list.n) {
        const char *comma = memchr(list.p + at, ',', list.n - at);
        size_t n = comma ? (size_t)(comma - list.p) - at : list.n - at;

        if (auth_header_is(str_trim((struct str){ list.p + at, n }), token))
            return true;
        at += n + 1;
    }
    return false;
}

static const char *handshake_fault(const struct auth_request *r)
{
    struct str key = auth_header_find(r, "sec-websocket-key");
    unsigned char raw[32];

    if (!has_token(auth_header_find(r, "upgrade"), "websocket"))
        return "Upgrade must name websocket";
    if (!has_token(auth_header_find(r, "connection"), "upgrade"))
        return "Connection must name Upgrade";
    if (!auth_header_is(auth_header_find(r, "sec-websocket-version"), "13"))
        return "Sec-WebSocket-Version must be 13";
    if (key.n != 24 || EVP_DecodeBlock(raw, (const unsigned char *)key.p, 24) != 18)
        return "Sec-WebSocket-Key must be 16 bytes in base64";
    return NULL;
}

static void accept_key(struct str key, char out[WS_ACCEPT_SIZE])
{
    struct buf b = BUF_INIT(128);
    unsigned char sum[SHA_DIGEST_LENGTH];

    buf_append(&b, key.p, key.n);
    buf_puts(&b, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    SHA1((const unsigned char *)b.data, b.len, sum);
    EVP_EncodeBlock((unsigned char *)out, sum, sizeof sum);
    buf_fini(&b);
}

struct cp_ws *wss_accept(struct wss *w, const char *path, const struct auth_request *r,
                         char accept[WS_ACCEPT_SIZE], struct buf *refusal)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = recv_bytes,
        .send_callback = send_bytes,
        .on_msg_recv_callback = on_message,
    };
    const char *fault = handshake_fault(r);
    struct str host = auth_header_find(r, "host");
    struct cp_ws *ws;

    if (fault) {
        cp_violation(w->server, "%s: handshake: %s", path, fault);
        buf_printf(refusal, "{\"type\":\"BadRequestException\",\"message\":{\"message\":\"%s\"}}",
                   fault);
        return NULL;
    }
    ws = NEW(struct cp_ws);
    ws->owner = w;
    ws->endpoint = endpoint_find(w, path);
    ws->fd = -1;
    ws->raw_path = mem_strndup(r->path.p, r->path.n);
    ws->raw_query = mem_strndup(r->query.p, r->query.n);
    ws->host = mem_strndup(host.p, host.n);
    buf_init(&ws->early, 1024 * 1024);
    list_init(&ws->node);
    if (!url_params_parse(&ws->params, r->query) ||
        wslay_event_context_server_init(&ws->wslay, &callbacks, ws)) {
        buf_puts(refusal, "{\"type\":\"BadRequestException\",\"message\":{}}");
        ws_free(ws);
        return NULL;
    }
    wslay_event_config_set_max_recv_msg_length(ws->wslay, MESSAGE_MAX);
    list_push_back(&w->open, &ws->node);
    if (!ws->endpoint->events.open(ws->endpoint->user, ws, refusal)) {
        ws_free(ws);
        return NULL;
    }
    ws->opened = ws->awaited = true;
    accept_key(auth_header_find(r, "sec-websocket-key"), accept);
    return ws;
}

void wss_upgraded(struct cp_ws *ws, int fd, struct MHD_UpgradeResponseHandle *urh,
                  struct str already_read)
{
    int flags = fcntl(fd, F_GETFL);

    if (ws->ended) {
        /* Dropped while its answer was on the way. */
        MHD_upgrade_action(urh, MHD_UPGRADE_ACTION_CLOSE);
        wss_abandon(ws);
        return;
    }
    ws->awaited = false;
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    ws->fd = fd;
    ws->urh = urh;
    ws->watch = (struct cp_watch){ on_ready, ws };
    ws->events = EPOLLIN;
    buf_append(&ws->early, already_read.p, already_read.n);
    cp_watch_add(ws->owner->server, fd, EPOLLIN, &ws->watch);
    if (ws->early.len)
        on_ready(ws, EPOLLIN);
    else
        settle(ws);
}
