#include "control/session.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/acs_policy.h"
#include "io/websocket.h"

#define URL_MAX 8192

enum session_state {
    SESSION_OFF, /* not registered yet */
    SESSION_DISCOVERING,
    SESSION_SIGNING,
    SESSION_CONNECTING,
    SESSION_OPEN,
    SESSION_CLOSING, /* we said goodbye and read on until the peer goes */
    SESSION_WAITING, /* for the next try; news from elsewhere may shorten it */
    SESSION_WAITING_INACTIVE,
};

struct session {
    struct control *c;
    const struct session_kind *kind;
    const struct backoff_rule *rule;
    void *user;
    enum session_state state;
    struct discover_op *discover;
    struct credentials_op *keys;
    struct ws *ws;
    char *url;
    struct loop_timer *wait, *silence, *age, *healthy;
    struct backoff backoff;
    int64_t tried_ms, opened_ms; /* on the loop's clock */
    int64_t since_wall_ms;       /* of the present connected or unconnected time */
    bool refused;
    bool held;
    bool clock_mended; /* since the last open session: not twice on a peer's word */
    struct err last;
    uint64_t n_opened, n_failed;
};

static void on_wait(void *user);
static void on_silence(void *user);
static void on_age(void *user);
static void on_healthy(void *user);

struct session *session_create(struct control *c, const struct session_kind *kind,
                               const struct backoff_rule *rule, void *user)
{
    struct session *s = NEW(struct session);

    s->c = c;
    s->kind = kind;
    s->rule = rule;
    s->user = user;
    s->wait = loop_timer_create(c->loop, on_wait, s);
    s->silence = loop_timer_create(c->loop, on_silence, s);
    s->age = loop_timer_create(c->loop, on_age, s);
    s->healthy = loop_timer_create(c->loop, on_healthy, s);
    s->since_wall_ms = clock_wall_ms();
    return s;
}

/* Leaves the connection, however far it has come. */
static void disconnect(struct session *s)
{
    discover_cancel(s->discover);
    credentials_cancel(s->keys);
    ws_destroy(s->ws);
    s->discover = NULL;
    s->keys = NULL;
    s->ws = NULL;
    loop_timer_disarm(s->silence);
    loop_timer_disarm(s->age);
    loop_timer_disarm(s->healthy);
}

void session_destroy(struct session *s)
{
    if (!s)
        return;
    disconnect(s);
    loop_timer_destroy(s->wait);
    loop_timer_destroy(s->silence);
    loop_timer_destroy(s->age);
    loop_timer_destroy(s->healthy);
    free(s->url);
    free(s);
}

/* ---- the end of a session, and what follows ---- */

static int64_t delay_after(struct session *s, enum acs_next next)
{
    const struct control_timing *t = &s->c->timing;

    switch (next) {
    case ACS_AT_ONCE:
        backoff_reset(&s->backoff);
        return 0;
    case ACS_FLOOR:
        backoff_reset(&s->backoff);
        return t->floor_ms;
    case ACS_BACKOFF:
        break;
    case ACS_INACTIVE:
        return t->inactive_ms;
    }
    return backoff_next(&s->backoff, s->rule, &s->c->rng);
}

static void ended(struct session *s, int code, const struct err *e)
{
    struct control *c = s->c;
    const struct session_kind *kind = s->kind;
    bool was_open = s->state == SESSION_OPEN || s->state == SESSION_CLOSING;
    int64_t lasted = was_open ? loop_now_ms(c->loop) - s->opened_ms : 0;
    enum acs_next next = acs_after(was_open, code, lasted, c->timing.short_ms, e);
    int64_t delay;

    if (next == ACS_INACTIVE && !kind->inactive)
        next = ACS_BACKOFF;
    s->last = *e;
    s->n_failed += !was_open;
    disconnect(s);
    delay = delay_after(s, next);
    if (was_open)
        log_info(kind->words.ended, kv_s("reason", e->msg), kv_i("lasted_ms", lasted),
                 kv_i("in_ms", delay));
    else
        log_warn(kind->words.none, kv_s("reason", e->msg), kv_i("in_ms", delay));
    s->state = next == ACS_INACTIVE ? SESSION_WAITING_INACTIVE : SESSION_WAITING;
    loop_timer_arm(s->wait, delay);
    if (next == ACS_INACTIVE)
        kind->inactive(s->user, &s->last);
    if (was_open) {
        s->since_wall_ms = clock_wall_ms();
        kind->closed(s->user);
    }
}

/* A handshake may be refused for its time alone. The answer says what time it should be. */
static bool mend_clock(struct session *s, int status)
{
    struct control *c = s->c;

    if (s->clock_mended || (status != 400 && status != 401 && status != 403))
        return false;
    s->clock_mended = aws_learn_time(c->aws, ws_refusal_date(s->ws));
    return s->clock_mended;
}

static void on_closed(void *user, int code, const struct err *e, int status, struct str body)
{
    struct session *s = user;
    struct err why = *e;

    if (mend_clock(s, status)) {
        log_warn("the clock of this machine is wrong; connecting again by the control plane's",
                 kv_i("ahead_ms", -aws_clock_offset_ms(s->c->aws)));
        s->last = why;
        disconnect(s);
        s->state = SESSION_WAITING;
        loop_timer_arm(s->wait, 0);
        return;
    }
    if (status == 400 || status == 401 || status == 403)
        credentials_invalidate(s->c->credentials); /* perhaps they were changed early */
    s->refused = s->state == SESSION_CONNECTING && status;
    if (s->refused)
        s->kind->refusal(status, body, &why);
    else if (!why.code)
        err_set(&why, ERR_RETRY,
                code == 1006 ? "the peer went without a close frame" : "closed with code %d", code);
    ended(s, code, &why);
}

static void arm_silence(struct session *s)
{
    const struct control_timing *t = &s->c->timing;

    loop_timer_arm(s->silence, control_jitter(s->c, t->silence_ms, t->silence_jitter_ms));
}

static void say_goodbye(struct session *s)
{
    s->state = SESSION_CLOSING;
    ws_close(s->ws, 1000, "ConnectionExpired: Reconnect to continue");
}

static void on_silence(void *user)
{
    struct session *s = user;
    struct err e = { 0 };

    if (s->kind->silence_is_peaceful && s->state == SESSION_OPEN) {
        log_debug("the session is silent; closing it");
        say_goodbye(s);
        arm_silence(s); /* a peer that does not answer either is left then */
        return;
    }
    err_set(&e, ERR_TIMEOUT, "nothing was heard for more than %" PRId64 " ms",
            s->c->timing.silence_ms);
    ended(s, 0, &e);
}

static void on_age(void *user)
{
    struct session *s = user;

    if (s->state != SESSION_OPEN)
        return;
    log_debug("the session is old; closing it");
    say_goodbye(s);
}

static void on_healthy(void *user)
{
    struct session *s = user;

    backoff_reset(&s->backoff);
}

void session_cut(struct session *s, const struct err *why)
{
    if (s->ws)
        ended(s, 0, why);
}

/* ---- an open session ---- */

void session_hold(struct session *s, bool held)
{
    s->held = held;
    if (s->ws)
        ws_hold(s->ws, held);
}

void session_heard(struct session *s)
{
    /* A peer that goes on talking instead of answering our goodbye is cut off in time. */
    if (s->ws && s->state != SESSION_CLOSING)
        arm_silence(s);
}

static void on_opened(void *user)
{
    struct session *s = user;
    struct control *c = s->c;
    const struct control_timing *t = &c->timing;

    s->state = SESSION_OPEN;
    s->n_opened++;
    s->refused = false;
    s->clock_mended = false;
    s->opened_ms = loop_now_ms(c->loop);
    s->since_wall_ms = clock_wall_ms();
    s->last = (struct err){ 0 };
    arm_silence(s);
    loop_timer_arm(s->age, control_jitter(c, t->max_age_ms, t->age_jitter_ms));
    if (s->kind->age_resets_backoff)
        loop_timer_arm(s->healthy, control_jitter(c, t->healthy_ms, t->healthy_jitter_ms));
    log_info(s->kind->words.open);
    s->kind->opened(s->user);
}

static void on_message(void *user, struct str text)
{
    struct session *s = user;

    s->kind->message(s->user, text);
}

bool session_is_open(const struct session *s)
{
    return s->state == SESSION_OPEN;
}

uint64_t session_opened_count(const struct session *s)
{
    return s->n_opened;
}

uint64_t session_failed_count(const struct session *s)
{
    return s->n_failed;
}

bool session_was_refused(const struct session *s)
{
    return s->refused;
}

const char *session_url(const struct session *s)
{
    return s->url;
}

enum err_code session_send(struct session *s, struct str text, struct err *e)
{
    if (s->state != SESSION_OPEN)
        return err_set(e, ERR_RETRY, "the session is not open");
    return ws_send(s->ws, text, e);
}

/* ---- opening ---- */

static void connect_signed(struct session *s, const struct sigv4_keys *keys, struct err *e)
{
    static const struct ws_events events = { on_opened, on_message, on_closed };
    struct control *c = s->c;
    struct sigv4_request rq = { .method = "GET",
                                .url = s->url,
                                .region = c->ecs.region,
                                .service = "ecs",
                                .normalize_path = true };
    struct http_header headers[3];
    struct ws_request open = { .url = s->url,
                               .headers = headers,
                               .n_headers = 2,
                               .max_message = s->kind->max_message,
                               .max_queue = s->kind->max_queue };
    struct sigv4_signed sig;

    if (sigv4_sign(&rq, keys, aws_now_ms(c->aws), &sig, e))
        return;
    headers[0] = (struct http_header){ "X-Amz-Date", sig.date };
    headers[1] = (struct http_header){ "Authorization", buf_text(&sig.authorization) };
    if (!str_empty(keys->session_token))
        headers[open.n_headers++] =
            (struct http_header){ "X-Amz-Security-Token", keys->session_token };
    s->state = SESSION_CONNECTING;
    s->ws = ws_connect(aws_http(c->aws), &open, &events, s);
    ws_hold(s->ws, s->held);
    sigv4_signed_fini(&sig);
}

static void on_keys(void *user, const struct sigv4_keys *keys, const struct err *e)
{
    struct session *s = user;
    struct err why = *e;

    s->keys = NULL;
    if (keys)
        connect_signed(s, keys, &why);
    if (why.code)
        ended(s, 0, &why);
}

static void on_endpoint(void *user, const char *endpoint, const struct err *e)
{
    struct session *s = user;
    AUTO(buf) struct buf url = BUF_INIT(URL_MAX);
    struct err why = *e;

    s->discover = NULL;
    if (why.code || s->kind->url(s->user, endpoint, &url, &why)) {
        ended(s, 0, &why);
        return;
    }
    mem_replace(&s->url, buf_text(&url));
    s->state = SESSION_SIGNING;
    s->keys = credentials_get(s->c->credentials, on_keys, s);
}

static void begin(struct session *s)
{
    s->tried_ms = loop_now_ms(s->c->loop);
    s->refused = false;
    s->state = SESSION_DISCOVERING;
    s->discover = discover_get(s->c->discover, s->kind->endpoint, on_endpoint, s);
}

static void on_wait(void *user)
{
    begin(user);
}

void session_start(struct session *s)
{
    if (s->state == SESSION_OFF)
        begin(s);
}

void session_wake(struct session *s)
{
    int64_t since = loop_now_ms(s->c->loop) - s->tried_ms, floor = s->c->timing.floor_ms;

    /* However good the news: never twice within the floor. */
    if (s->state == SESSION_WAITING)
        loop_timer_arm(s->wait, since < floor ? floor - since : 0);
}

void session_write_status(const struct session *s, struct jw *w)
{
    char since[CLOCK_ISO_SIZE];

    clock_iso(s->since_wall_ms, since);
    jw_kbool(w, "connected", s->state == SESSION_OPEN || s->state == SESSION_CLOSING);
    jw_kint(w, "since_ms", s->since_wall_ms);
    jw_kstr(w, "since", since);
    jw_kstr_if(w, "last_error", s->last.msg);
}
