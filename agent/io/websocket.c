#include "io/websocket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <uv.h>
#include <wslay/wslay.h>

#include "base/mem.h"
#include "base/secret.h"
#include "io/http_internal.h"
#include "io/ws_handshake.h"

#define TIMEOUT_DEFAULT_MS  30000
#define LAST_WORD_MS        5000 /* to get a close frame out before the connection is cut */
#define MAX_MESSAGE_DEFAULT ((size_t)64 * 1024 * 1024)
#define MAX_QUEUE_DEFAULT   ((size_t)16 * 1024 * 1024)
#define WAITING_MAX         65536 /* messages to be sent, pongs among them */
#define IN_SIZE             8192
#define OUT_SIZE            16384             /* one TLS record */
#define TURN_BYTES          ((size_t)1 << 20) /* read in one turn before others have theirs */

enum ws_state {
    WS_STATE_FAILED, /* `err` waits to be told */
    WS_STATE_CONNECTING,
    WS_STATE_SHAKING,
    WS_STATE_UP,
    WS_STATE_ENDED,
};

struct ws {
    struct loop *loop;
    struct ws_events ev;
    void *user;
    enum ws_state state;
    int busy; /* our callers on the stack; freeing waits for them */
    bool destroyed;

    struct multi *multi;
    CURL *easy;
    curl_socket_t fd;
    uv_poll_t *poll;
    struct loop_timer *soon;
    struct loop_timer *deadline;
    int64_t handshake_timeout_ms;
    char key[WS_KEY_SIZE];
    char curl_msg[CURL_ERROR_SIZE];
    const struct http_policy *policy;

    struct buf request; /* the handshake */
    struct buf answer;  /* its answer and maybe the first frames */
    struct buf message; /* what has come of it */
    bool control;       /* the frame at hand is no piece of it */
    size_t answer_at;

    wslay_event_context_ptr frames;
    size_t max_message, max_queue;
    size_t budget;
    bool eof;         /* the peer has sent everything */
    bool read_broken; /* `err` says how */
    bool write_broken;
    bool cut; /* there was no time left for the last word */
    bool held;
    char refusal_date[WS_DATE_SIZE];
    struct err err;

    char in[IN_SIZE];
    size_t in_at, in_len;
    /* Never moved while a write is pending: OpenSSL wants the same bytes at the
     * same place again. */
    char out[OUT_SIZE];
    size_t out_at, out_len;
};

/* ---- the end ---- */

static void on_poll_closed(uv_handle_t *h)
{
    free(h);
}

static void tear_down(struct ws *w)
{
    w->state = WS_STATE_ENDED;
    loop_timer_destroy(w->soon);
    loop_timer_destroy(w->deadline);
    w->soon = w->deadline = NULL;
    if (w->poll)
        uv_close((uv_handle_t *)w->poll, on_poll_closed);
    w->poll = NULL;
    if (w->easy) {
        if (w->multi)
            curl_multi_remove_handle(multi_curl(w->multi), w->easy);
        curl_easy_cleanup(w->easy);
    }
    w->easy = NULL;
    if (w->multi)
        multi_close(w->multi);
    w->multi = NULL;
}

static void ws_free(struct ws *w)
{
    if (w->frames)
        wslay_event_context_free(w->frames);
    buf_fini(&w->request);
    buf_fini(&w->answer);
    buf_fini(&w->message);
    secret_free(w);
}

static void enter(struct ws *w)
{
    w->busy++;
}

static void leave(struct ws *w)
{
    if (--w->busy == 0 && w->destroyed)
        ws_free(w);
}

void ws_destroy(struct ws *w)
{
    if (!w || w->destroyed)
        return;
    w->destroyed = true;
    if (w->state != WS_STATE_ENDED)
        tear_down(w);
    if (w->busy == 0)
        ws_free(w);
}

static void finish(struct ws *w, int code, const struct err *e, const struct ws_answer *refusal)
{
    static const struct err none = { 0 };
    struct str body = { "", 0 };

    if (refusal) {
        body = (struct str){ refusal->body, refusal->body_len };
        memcpy(w->refusal_date, refusal->date, sizeof w->refusal_date);
    }
    tear_down(w);
    w->ev.closed(w->user, code, e ? e : &none, refusal ? refusal->status : 0, body);
}

/* ---- bytes ---- */

/* Did the peer finish sending, in order, rather than reset the connection? */
static bool tcp_ended(int fd)
{
    struct tcp_info info;
    socklen_t n = sizeof info;

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0 &&
           info.tcpi_state == TCP_CLOSE_WAIT;
}

/* Reads what libcurl has; 0 with *again or *eof set, or with an error in `err`. */
static size_t receive(struct ws *w, char *data, size_t size, bool *again)
{
    /* Afterwards a library may have answered the end with an alert, and the peer that with a
     * reset. */
    bool ended = tcp_ended(w->fd);
    size_t n = 0;
    CURLcode rc;

    *again = false;
    w->curl_msg[0] = 0;
    rc = curl_easy_recv(w->easy, data, size, &n);
    if (rc == CURLE_AGAIN) {
        *again = true;
        return 0;
    }
    if (rc == CURLE_OK && n > 0)
        return n;
    /* A TLS peer that leaves without saying so is an error to OpenSSL, and a
     * plain end of the connection to us. */
    if (rc == CURLE_OK || ended || tcp_ended(w->fd)) {
        w->eof = true;
        return 0;
    }
    w->read_broken = true;
    err_set(&w->err, http_err_of_curl(rc), "websocket: %s",
            w->curl_msg[0] ? w->curl_msg : curl_easy_strerror(rc));
    return 0;
}

/* How many bytes were taken; fewer than `n` when the socket is full. */
static size_t transmit(struct ws *w, const char *data, size_t n)
{
    size_t done = 0;

    while (done < n && !w->write_broken) {
        size_t sent = 0;
        CURLcode rc = curl_easy_send(w->easy, data + done, n - done, &sent);

        if (rc == CURLE_AGAIN)
            break;
        if (rc != CURLE_OK) {
            w->write_broken = true;
            err_set(&w->err, http_err_of_curl(rc), "websocket: %s", curl_easy_strerror(rc));
        }
        done += sent;
    }
    return done;
}

static void flush(struct ws *w)
{
    w->out_at += transmit(w, w->out + w->out_at, w->out_len - w->out_at);
    if (w->out_at == w->out_len || w->write_broken)
        w->out_at = w->out_len = 0;
}

/* ---- wslay's callbacks ---- */

static ssize_t give(uint8_t *to, size_t size, const char *from, size_t n)
{
    size_t len = n < size ? n : size;

    memcpy(to, from, len);
    return (ssize_t)len;
}

static ssize_t on_frame_bytes(wslay_event_context_ptr ctx, uint8_t *data, size_t size, int flags,
                              void *user)
{
    struct ws *w = user;
    bool again = false;
    ssize_t n;

    (void)flags;
    /* Every ping makes a pong, and nobody bounds what a peer asks that does not read. */
    if (w->state == WS_STATE_UP && wslay_event_get_queued_msg_count(ctx) > WAITING_MAX) {
        w->read_broken = true;
        err_set(&w->err, ERR_LIMIT, "websocket: the peer leaves more than %d messages unread",
                WAITING_MAX);
        wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    if (w->state == WS_STATE_UP && w->held) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (w->state == WS_STATE_UP && w->answer_at < w->answer.len) {
        n = give(data, size, w->answer.data + w->answer_at, w->answer.len - w->answer_at);
        w->answer_at += (size_t)n;
        if (w->answer_at == w->answer.len)
            buf_fini(&w->answer);
        return n;
    }
    if (w->state == WS_STATE_UP && w->in_at == w->in_len) {
        w->in_at = w->in_len = 0;
        if (w->budget == 0)
            again = true;
        else
            w->in_len = receive(w, w->in, sizeof w->in, &again);
        w->budget -= w->in_len < w->budget ? w->in_len : w->budget;
    }
    if (again) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (w->state != WS_STATE_UP || w->in_at == w->in_len) {
        wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    n = give(data, size, w->in + w->in_at, w->in_len - w->in_at);
    explicit_bzero(w->in + w->in_at, (size_t)n);
    w->in_at += (size_t)n;
    return n;
}

static ssize_t on_frame_out(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags,
                            void *user)
{
    struct ws *w = user;
    size_t n;

    (void)flags;
    if (w->out_len == sizeof w->out)
        flush(w);
    if (w->write_broken || w->out_len == sizeof w->out) {
        wslay_event_set_error(ctx,
                              w->write_broken ? WSLAY_ERR_CALLBACK_FAILURE : WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    n = sizeof w->out - w->out_len;
    n = len < n ? len : n;
    memcpy(w->out + w->out_len, data, n);
    w->out_len += n;
    return (ssize_t)n;
}

static void random_bytes(void *data, size_t n)
{
    /* Up to 256 bytes come whole and uninterrupted. */
    if (getrandom(data, n, 0) != (ssize_t)n)
        abort();
}

static int on_mask(wslay_event_context_ptr ctx, uint8_t *data, size_t len, void *user)
{
    (void)ctx;
    (void)user;
    random_bytes(data, len);
    return 0;
}

static void on_frame(wslay_event_context_ptr ctx,
                     const struct wslay_event_on_frame_recv_start_arg *arg, void *user)
{
    struct ws *w = user;

    (void)ctx;
    w->control = wslay_is_ctrl_frame(arg->opcode);
}

/* Messages are put together here and not by wslay, so that they lie in secret memory. The piece
 * stands in wslay's buffer of input, which has no more use for it and does not wipe it. */
static void on_piece(wslay_event_context_ptr ctx,
                     const struct wslay_event_on_frame_recv_chunk_arg *arg, void *user)
{
    struct ws *w = user;

    if (w->control || !arg->data_length)
        return;
    if (!buf_append(&w->message, arg->data, arg->data_length) &&
        wslay_event_get_read_enabled(ctx)) {
        wslay_event_queue_close(ctx, WSLAY_CODE_MESSAGE_TOO_BIG, NULL, 0);
        wslay_event_shutdown_read(ctx);
    }
    explicit_bzero((void *)arg->data, arg->data_length);
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *arg,
                       void *user)
{
    struct ws *w = user;

    (void)ctx;
    if (arg->opcode != WSLAY_TEXT_FRAME && arg->opcode != WSLAY_BINARY_FRAME)
        return;
    if (w->state == WS_STATE_UP && !w->message.overflowed)
        w->ev.message(w->user, buf_str(&w->message));
    buf_fini(&w->message);
}

static void frames_init(struct ws *w)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_frame_bytes,
        .send_callback = on_frame_out,
        .genmask_callback = on_mask,
        .on_frame_recv_start_callback = on_frame,
        .on_frame_recv_chunk_callback = on_piece,
        .on_msg_recv_callback = on_message,
    };

    if (wslay_event_context_client_init(&w->frames, &callbacks, w))
        abort();
    wslay_event_config_set_no_buffering(w->frames, 1);
    wslay_event_config_set_max_recv_msg_length(w->frames, w->max_message);
    buf_init_secret(&w->message, w->max_message);
}

/* ---- driving it ---- */

static void read_frames(struct ws *w)
{
    if (wslay_event_want_read(w->frames) && !w->eof && !w->read_broken &&
        wslay_event_recv(w->frames) == WSLAY_ERR_NOMEM)
        abort();
}

static void write_frames(struct ws *w)
{
    if (w->write_broken || w->cut)
        return;
    if (wslay_event_want_write(w->frames) && wslay_event_send(w->frames) == WSLAY_ERR_NOMEM)
        abort();
    flush(w);
}

static bool all_written(const struct ws *w)
{
    return w->write_broken || w->cut || (w->out_len == 0 && !wslay_event_want_write(w->frames));
}

/* Ends the link when its last word is said. */
static void end_if_over(struct ws *w)
{
    bool told = wslay_event_get_close_received(w->frames);
    bool over = w->eof || w->read_broken;
    bool refused = !told && !over && !wslay_event_get_read_enabled(w->frames);

    if ((told || refused) && !all_written(w)) {
        if (!loop_timer_armed(w->deadline))
            loop_timer_arm(w->deadline, LAST_WORD_MS);
        return;
    }
    if (told) {
        finish(w, wslay_event_get_status_code_received(w->frames), NULL, NULL);
    } else if (refused) {
        int code = wslay_event_get_status_code_sent(w->frames);

        if (code == WSLAY_CODE_MESSAGE_TOO_BIG)
            err_set(&w->err, ERR_LIMIT, "websocket: a message is longer than %zu bytes",
                    w->max_message);
        else
            err_set(&w->err, ERR_RETRY, "websocket: the peer broke the protocol (%d)", code);
        finish(w, 0, &w->err, NULL);
    } else if (w->eof) {
        finish(w, WSLAY_CODE_ABNORMAL_CLOSURE, NULL, NULL);
    } else if (w->read_broken || w->write_broken) {
        finish(w, 0, &w->err, NULL);
    }
}

static void run_frames(struct ws *w)
{
    w->budget = TURN_BYTES;
    read_frames(w);
    if (w->state == WS_STATE_UP && !w->eof && !w->read_broken)
        write_frames(w);
    /* The peer's reason for going may be among what it sent before. */
    if (w->state == WS_STATE_UP && w->write_broken)
        read_frames(w);
    if (w->state == WS_STATE_UP && w->budget == 0)
        loop_timer_arm(w->soon, 0);
    if (w->state == WS_STATE_UP)
        end_if_over(w);
}

static void conclude_handshake(struct ws *w, bool no_more)
{
    struct ws_answer a;

    switch (ws_handshake_read(buf_str(&w->answer), no_more, w->key, &a, &w->err)) {
    case WS_MORE:
        return;
    case WS_OPEN:
        loop_timer_disarm(w->deadline);
        w->answer_at = a.head_len;
        w->state = WS_STATE_UP;
        frames_init(w);
        w->ev.opened(w->user);
        return;
    case WS_REFUSED:
        err_set(&w->err,
                a.status == 401 || a.status == 403   ? ERR_DENIED
                : a.status == 429 || a.status >= 500 ? ERR_RETRY
                                                     : ERR_INVALID,
                "the websocket handshake was answered with HTTP status %d", a.status);
        finish(w, 0, &w->err, &a);
        return;
    case WS_BROKEN:
        finish(w, 0, &w->err, NULL);
        return;
    }
}

static void run_handshake(struct ws *w)
{
    bool again = false;

    if (w->request.len > 0) {
        w->out_at += transmit(w, w->request.data + w->out_at, w->request.len - w->out_at);
        if (w->out_at == w->request.len) {
            buf_fini(&w->request);
            w->out_at = 0;
        }
    }
    while (w->state == WS_STATE_SHAKING && !again) {
        char *at = buf_reserve(&w->answer, IN_SIZE);

        if (!at) { /* ws_handshake_read finds a shorter answer too long */
            conclude_handshake(w, true);
            return;
        }
        buf_grew(&w->answer, receive(w, at, IN_SIZE, &again));
        if (!again)
            conclude_handshake(w, w->eof || w->read_broken);
    }
}

static void watch(struct ws *w);

static void drive(struct ws *w)
{
    enter(w);
    if (w->state == WS_STATE_FAILED)
        finish(w, 0, &w->err, NULL);
    if (w->state == WS_STATE_SHAKING)
        run_handshake(w);
    if (w->state == WS_STATE_UP)
        run_frames(w);
    if (w->poll)
        watch(w);
    leave(w);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    (void)status; /* an error shows itself when reading */
    (void)events;
    drive(h->data);
}

static void watch(struct ws *w)
{
    int events = 0;

    if (w->state == WS_STATE_SHAKING || (wslay_event_want_read(w->frames) && !w->held))
        events |= UV_READABLE;
    if (w->state == WS_STATE_SHAKING ? w->request.len > 0 && !w->write_broken : !all_written(w))
        events |= UV_WRITABLE;
    uv_poll_start(w->poll, events, on_poll);
}

static void on_soon(void *user)
{
    drive(user);
}

static void on_deadline(void *user)
{
    struct ws *w = user;
    struct ws_answer a;

    enter(w);
    if (w->state == WS_STATE_UP) {
        w->cut = true;
        end_if_over(w);
    } else if (ws_handshake_read(buf_str(&w->answer), true, w->key, &a, &w->err) == WS_REFUSED) {
        conclude_handshake(w, true);
    } else {
        err_set(&w->err, ERR_TIMEOUT, "the websocket handshake took too long");
        finish(w, 0, &w->err, NULL);
    }
    leave(w);
}

/* ---- the start ---- */

static void on_connected(void *user, CURL *easy, CURLcode rc)
{
    struct ws *w = user;

    if (w->state != WS_STATE_CONNECTING)
        return;
    enter(w);
    if (rc == CURLE_OK)
        rc = curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &w->fd);
    if (rc == CURLE_OK) {
        w->poll = NEW(uv_poll_t);
        if (uv_poll_init_socket(loop_uv(w->loop), w->poll, w->fd)) {
            free(w->poll);
            w->poll = NULL;
            rc = CURLE_COULDNT_CONNECT;
        }
    }
    if (rc == CURLE_OK) {
        w->poll->data = w;
        w->state = WS_STATE_SHAKING;
        loop_timer_arm(w->deadline, w->handshake_timeout_ms);
        drive(w);
    } else {
        http_policy_explain(w->policy, w->easy, rc, w->curl_msg, &w->err);
        finish(w, 0, &w->err, NULL);
    }
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): nobody frees it between enter and leave */
    leave(w);
}

static void connect_to(struct ws *w, struct http_client *c, const struct url_parts *u,
                       int64_t timeout_ms)
{
    static const struct multi_events events = { .done = on_connected };

    w->multi = multi_create(w->loop, &events, w);
    w->easy = curl_easy_init();
    if (!w->easy)
        abort();
    w->policy = http_client_policy(c);
    http_policy_apply(w->policy, w->easy, u, NULL);
    curl_easy_setopt(w->easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(w->easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    curl_easy_setopt(w->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(w->easy, CURLOPT_ERRORBUFFER, w->curl_msg);
    if (curl_multi_add_handle(multi_curl(w->multi), w->easy))
        abort();
    w->state = WS_STATE_CONNECTING;
}

struct ws *ws_connect(struct http_client *c, const struct ws_request *rq,
                      const struct ws_events *ev, void *user)
{
    struct ws *w = secret_alloc(sizeof *w); /* of what comes in, `in` has all */
    struct url_parts u = { 0 };
    unsigned char random[16];

    w->loop = http_client_loop(c);
    w->ev = *ev;
    w->user = user;
    w->max_message = rq->max_message ? rq->max_message : MAX_MESSAGE_DEFAULT;
    w->max_queue = rq->max_queue ? rq->max_queue : MAX_QUEUE_DEFAULT;
    w->handshake_timeout_ms =
        rq->handshake_timeout_ms > 0 ? rq->handshake_timeout_ms : TIMEOUT_DEFAULT_MS;
    w->soon = loop_timer_create(w->loop, on_soon, w);
    w->deadline = loop_timer_create(w->loop, on_deadline, w);
    buf_init_secret(&w->request, WS_HEAD_MAX);
    buf_init_secret(&w->answer, WS_HEAD_MAX + 2 * IN_SIZE);
    random_bytes(random, sizeof random);
    ws_key(random, w->key);

    if (url_parse(rq->url, &u, &w->err) || url_may_speak(&u, &w->err) ||
        ws_handshake_write(&u, rq->headers, rq->n_headers, w->key, &w->request, &w->err))
        loop_timer_arm(w->soon, 0);
    else
        connect_to(w, c, &u,
                   rq->connect_timeout_ms > 0 ? rq->connect_timeout_ms : TIMEOUT_DEFAULT_MS);
    url_fini(&u);
    return w;
}

/* ---- what the owner does ---- */

enum err_code ws_send(struct ws *w, struct str text, struct err *e)
{
    const struct wslay_event_msg msg = { WSLAY_TEXT_FRAME, (const uint8_t *)text.p, text.n };
    size_t queued;
    int rc;

    if (w->state != WS_STATE_UP)
        return err_set(e, ERR_CONFLICT, "the websocket is not open");
    queued = wslay_event_get_queued_msg_length(w->frames);
    if (text.n > w->max_queue || queued > w->max_queue - text.n)
        return err_set(e, ERR_LIMIT, "%zu bytes wait to be sent on the websocket", queued);
    rc = wslay_event_queue_msg(w->frames, &msg);
    if (rc == WSLAY_ERR_NOMEM)
        abort();
    if (rc)
        return err_set(e, ERR_CONFLICT, "the websocket is closing");
    /* Written at the end of this turn, together with what else is sent in it. */
    loop_timer_arm(w->soon, 0);
    return ERR_OK;
}

void ws_hold(struct ws *w, bool held)
{
    if (w->held == held)
        return;
    w->held = held;
    if (w->state == WS_STATE_UP)
        loop_timer_arm(w->soon, 0);
}

const char *ws_refusal_date(const struct ws *w)
{
    return w->refusal_date;
}

void ws_close(struct ws *w, int code, const char *reason)
{
    size_t n = reason ? str_utf8_prefix(reason, strlen(reason), 123) : 0;

    if (w->state == WS_STATE_UP) {
        wslay_event_queue_close(w->frames, (uint16_t)code, (const uint8_t *)reason, n);
        loop_timer_arm(w->soon, 0);
    } else if (w->state == WS_STATE_CONNECTING || w->state == WS_STATE_SHAKING) {
        err_set(&w->err, ERR_CONFLICT, "closed before it was open");
        w->state = WS_STATE_FAILED;
        loop_timer_arm(w->soon, 0);
    }
}
