/* The session with the control plane: discover, sign, connect, keep, end, again. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/acs_policy.h"
#include "control/acs_url.h"
#include "control/private.h"
#include "io/websocket.h"

#define MESSAGE_MAX (64 * 1024 * 1024)
#define URL_MAX     8192

enum acs_state {
    ACS_OFF, /* not registered yet */
    ACS_DISCOVERING,
    ACS_SIGNING,
    ACS_CONNECTING,
    ACS_OPEN,
    ACS_CLOSING, /* we said goodbye and read on until the peer goes */
    ACS_WAITING, /* for the next try; news from elsewhere may shorten it */
    ACS_WAITING_INACTIVE,
};

struct acs {
    struct control *c;
    struct acs_messages *messages;
    enum acs_state state;
    struct discover_op *discover;
    struct credentials_op *keys;
    struct ws *ws;
    char *url;
    struct loop_timer *wait, *silence, *age, *healthy;
    struct backoff backoff;
    int64_t tried_ms, opened_ms; /* on the loop's clock */
    int64_t since_wall_ms;       /* of the present connected or unconnected time */
    bool ever_open;              /* in this process */
    bool clock_mended;           /* since the last open session: not twice on a peer's word */
    struct err last;
};

static void on_wait(void *user);
static void on_silence(void *user);
static void on_age(void *user);
static void on_healthy(void *user);

struct acs *acs_create(struct control *c)
{
    struct acs *a = NEW(struct acs);

    a->c = c;
    a->messages = acs_messages_create(c);
    a->wait = loop_timer_create(c->loop, on_wait, a);
    a->silence = loop_timer_create(c->loop, on_silence, a);
    a->age = loop_timer_create(c->loop, on_age, a);
    a->healthy = loop_timer_create(c->loop, on_healthy, a);
    a->since_wall_ms = clock_wall_ms();
    return a;
}

/* Leaves the connection, however far it has come. */
static void disconnect(struct acs *a)
{
    discover_cancel(a->discover);
    credentials_cancel(a->keys);
    ws_destroy(a->ws);
    a->discover = NULL;
    a->keys = NULL;
    a->ws = NULL;
    loop_timer_disarm(a->silence);
    loop_timer_disarm(a->age);
    loop_timer_disarm(a->healthy);
}

void acs_destroy(struct acs *a)
{
    if (!a)
        return;
    disconnect(a);
    loop_timer_destroy(a->wait);
    loop_timer_destroy(a->silence);
    loop_timer_destroy(a->age);
    loop_timer_destroy(a->healthy);
    acs_messages_destroy(a->messages);
    free(a->url);
    free(a);
}

struct acs_messages *acs_get_messages(struct acs *a)
{
    return a->messages;
}

/* ---- the end of a session, and what follows ---- */

static void ended(struct acs *a, int code, const struct err *e)
{
    struct control *c = a->c;
    bool was_open = a->state == ACS_OPEN || a->state == ACS_CLOSING;
    int64_t lasted = was_open ? loop_now_ms(c->loop) - a->opened_ms : 0;
    enum acs_next next = acs_after(was_open, code, lasted, c->timing.short_ms, e);
    int64_t delay = 0;

    a->last = *e;
    disconnect(a);
    switch (next) {
    case ACS_AT_ONCE:
        backoff_reset(&a->backoff);
        break;
    case ACS_FLOOR:
        backoff_reset(&a->backoff);
        delay = c->timing.floor_ms;
        break;
    case ACS_BACKOFF:
        delay = backoff_next(&a->backoff, &c->timing.session, &c->rng);
        break;
    case ACS_INACTIVE:
        delay = c->timing.inactive_ms;
        break;
    }
    if (was_open)
        log_info("session with the control plane ended; connecting again", kv_s("reason", e->msg),
                 kv_i("lasted_ms", lasted), kv_i("in_ms", delay));
    else
        log_warn("no session with the control plane; trying again", kv_s("reason", e->msg),
                 kv_i("in_ms", delay));
    a->state = next == ACS_INACTIVE ? ACS_WAITING_INACTIVE : ACS_WAITING;
    loop_timer_arm(a->wait, delay);
    if (was_open) {
        a->since_wall_ms = clock_wall_ms();
        c->ev.connected(c->user, false);
    }
}

/* A handshake may be refused for its time alone. The answer says what time it should be. */
static bool mend_clock(struct acs *a, int status)
{
    struct control *c = a->c;

    if (a->clock_mended || (status != 400 && status != 401 && status != 403))
        return false;
    a->clock_mended = aws_learn_time(c->aws, ws_refusal_date(a->ws));
    return a->clock_mended;
}

static void on_closed(void *user, int code, const struct err *e, int status, struct str body)
{
    struct acs *a = user;
    struct err why = *e;

    if (mend_clock(a, status)) {
        log_warn("the clock of this machine is wrong; connecting again by the control plane's",
                 kv_i("ahead_ms", -aws_clock_offset_ms(a->c->aws)));
        a->last = why;
        disconnect(a);
        a->state = ACS_WAITING;
        loop_timer_arm(a->wait, 0);
        return;
    }
    if (status == 400 || status == 401 || status == 403)
        credentials_invalidate(a->c->credentials); /* perhaps they were changed early */
    if (a->state == ACS_CONNECTING && status)
        acs_refusal(status, body, &why);
    else if (!why.code)
        err_set(&why, ERR_RETRY,
                code == 1006 ? "the peer went without a close frame" : "closed with code %d", code);
    ended(a, code, &why);
}

static void on_silence(void *user)
{
    struct acs *a = user;
    struct err e = { 0 };

    err_set(&e, ERR_TIMEOUT, "nothing was heard for more than %" PRId64 " ms",
            a->c->timing.silence_ms);
    ended(a, 0, &e);
}

static void on_age(void *user)
{
    struct acs *a = user;

    log_debug("the session is old; closing it");
    a->state = ACS_CLOSING;
    ws_close(a->ws, 1000, "ConnectionExpired: Reconnect to continue");
}

static void on_healthy(void *user)
{
    struct acs *a = user;

    backoff_reset(&a->backoff);
}

/* ---- an open session ---- */

void acs_heard(struct acs *a)
{
    const struct control_timing *t = &a->c->timing;

    /* A peer that goes on talking instead of answering our goodbye is cut off in time. */
    if (a->ws && a->state != ACS_CLOSING)
        loop_timer_arm(a->silence, control_jitter(a->c, t->silence_ms, t->silence_jitter_ms));
}

static void on_opened(void *user)
{
    struct acs *a = user;
    struct control *c = a->c;
    const struct control_timing *t = &c->timing;

    a->state = ACS_OPEN;
    a->ever_open = true;
    a->clock_mended = false;
    a->opened_ms = loop_now_ms(c->loop);
    a->since_wall_ms = clock_wall_ms();
    a->last = (struct err){ 0 };
    acs_heard(a);
    loop_timer_arm(a->age, control_jitter(c, t->max_age_ms, t->age_jitter_ms));
    loop_timer_arm(a->healthy, control_jitter(c, t->healthy_ms, t->healthy_jitter_ms));
    log_info("session with the control plane is open");
    control_progress(c);
    c->ev.connected(c->user, true);
}

static void on_message(void *user, struct str text)
{
    struct acs *a = user;

    acs_messages_take(a->messages, a, text);
}

bool acs_send(struct acs *a, const struct buf *message)
{
    struct err e = { 0 };

    if (a->state != ACS_OPEN) {
        log_debug("an answer was dropped: the session is not open");
        return false;
    }
    if (ws_send(a->ws, buf_str(message), &e)) {
        log_warn("an answer could not be sent; the control plane asks again", kv_err(&e));
        return false;
    }
    return true;
}

/* ---- opening ---- */

static void connect_signed(struct acs *a, const struct sigv4_keys *keys, struct err *e)
{
    static const struct ws_events events = { on_opened, on_message, on_closed };
    struct control *c = a->c;
    struct sigv4_request rq = { .method = "GET",
                                .url = a->url,
                                .region = c->ecs.region,
                                .service = "ecs",
                                .normalize_path = true };
    struct http_header headers[3];
    struct ws_request open = {
        .url = a->url, .headers = headers, .n_headers = 2, .max_message = MESSAGE_MAX
    };
    struct sigv4_signed sig;

    if (sigv4_sign(&rq, keys, aws_now_ms(c->aws), &sig, e))
        return;
    headers[0] = (struct http_header){ "X-Amz-Date", sig.date };
    headers[1] = (struct http_header){ "Authorization", buf_text(&sig.authorization) };
    if (!str_empty(keys->session_token))
        headers[open.n_headers++] =
            (struct http_header){ "X-Amz-Security-Token", keys->session_token };
    a->state = ACS_CONNECTING;
    a->ws = ws_connect(aws_http(c->aws), &open, &events, a);
    sigv4_signed_fini(&sig);
}

static void on_keys(void *user, const struct sigv4_keys *keys, const struct err *e)
{
    struct acs *a = user;
    struct err why = *e;

    a->keys = NULL;
    if (keys)
        connect_signed(a, keys, &why);
    if (why.code)
        ended(a, 0, &why);
}

static void on_endpoint(void *user, const char *endpoint, const struct err *e)
{
    struct acs *a = user;
    struct control *c = a->c;
    AUTO(buf) struct buf url = BUF_INIT(URL_MAX);
    struct acs_url_args args = { .endpoint = endpoint,
                                 .agent_hash = c->agent_hash,
                                 .agent_version = c->agent_version,
                                 .cluster = c->config->cluster,
                                 .instance_arn = c->instance_arn,
                                 .docker_version = c->docker_version,
                                 .send_credentials = !a->ever_open };
    struct err why = *e;

    a->discover = NULL;
    if (why.code || acs_url(&args, &url, &why)) {
        ended(a, 0, &why);
        return;
    }
    mem_replace(&a->url, buf_text(&url));
    a->state = ACS_SIGNING;
    a->keys = credentials_get(c->credentials, on_keys, a);
}

static void begin(struct acs *a)
{
    a->tried_ms = loop_now_ms(a->c->loop);
    a->state = ACS_DISCOVERING;
    a->discover = discover_get(a->c->discover, on_endpoint, a);
}

static void on_wait(void *user)
{
    begin(user);
}

void acs_start(struct acs *a)
{
    if (a->state == ACS_OFF)
        begin(a);
}

void acs_wake(struct acs *a)
{
    int64_t since = loop_now_ms(a->c->loop) - a->tried_ms, floor = a->c->timing.floor_ms;

    /* However good the news: never twice within the floor. */
    if (a->state == ACS_WAITING)
        loop_timer_arm(a->wait, since < floor ? floor - since : 0);
}

void acs_write_status(const struct acs *a, struct jw *w)
{
    char since[CLOCK_ISO_SIZE];

    clock_iso(a->since_wall_ms, since);
    jw_object(w);
    jw_kbool(w, "connected", a->state == ACS_OPEN || a->state == ACS_CLOSING);
    jw_kint(w, "since_ms", a->since_wall_ms);
    jw_kstr(w, "since", since);
    jw_kstr_if(w, "last_error", a->last.msg);
    jw_end(w);
}
