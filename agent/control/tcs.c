/* The telemetry session: gather, let wait, cut into messages, sign each, send. */
#include "control/tcs.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "control/acs_url.h"
#include "control/session.h"
#include "control/tcs_decode.h"
#include "control/tcs_encode.h"
#include "control/tcs_queue.h"

#define INCOMING_MAX (1024 * 1024)
#define ENVELOPE_MAX (TCS_MESSAGE_MAX + 256)
#define FRAME_MAX    (ENVELOPE_MAX + 64 * 1024)
/* All that may wait, and what comes while the peer is slow to take it. */
#define SENDING_MAX (3 * TCS_WAITING_BYTES)

struct tcs {
    struct control *c;
    struct tcs_source source;
    void *user;
    struct session *session;
    struct credentials_op *keys;
    struct loop_timer *gather, *look;
    struct tcs_gathering *filling; /* while the source is asked */
    int64_t left_out;              /* tasks of it */
    struct tcs_queue metrics, health;
    struct tcs_runtime runtime;
    bool checking, told; /* of the instance status */
    bool status_due;     /* goes out with the next keys */
    bool dropping;       /* said so since the last open session */
    int64_t sent, dropped;
};

static const struct session_kind tcs_kind;
static void on_gather(void *user);
static void on_look(void *user);

struct tcs *tcs_create(struct control *c, const struct tcs_source *source, void *user)
{
    struct tcs *t;

    if (!source)
        return NULL;
    t = NEW(struct tcs);
    t->c = c;
    t->source = *source;
    t->user = user;
    t->session = session_create(c, &tcs_kind, &c->timing.telemetry, t);
    t->gather = loop_timer_create(c->loop, on_gather, t);
    t->look = loop_timer_create(c->loop, on_look, t);
    tcs_runtime_init(&t->runtime, aws_now_ms(c->aws));
    return t;
}

void tcs_destroy(struct tcs *t)
{
    if (!t)
        return;
    credentials_cancel(t->keys);
    session_destroy(t->session);
    loop_timer_destroy(t->gather);
    loop_timer_destroy(t->look);
    tcs_queue_fini(&t->metrics);
    tcs_queue_fini(&t->health);
    free(t);
}

void tcs_start(struct tcs *t)
{
    if (!t || loop_timer_armed(t->gather))
        return;
    session_start(t->session);
    loop_timer_arm(t->gather, 0);
}

void tcs_wake(struct tcs *t)
{
    /* A peer that answered "no" is not reached better because something else was. */
    if (t && !session_was_refused(t->session))
        session_wake(t->session);
}

void tcs_cut(struct tcs *t, const struct err *why)
{
    if (t)
        session_cut(t->session, why);
}

/* ---- sending ---- */

/* Signs and sends one message; the frame holds the session token for a moment. */
static enum err_code send_message(struct tcs *t, const struct sigv4_keys *keys,
                                  const struct buf *message, struct err *e)
{
    struct buf frame = BUF_SECRET(FRAME_MAX);
    struct control *c = t->c;
    enum err_code code = tcs_frame(&frame, session_url(t->session), c->ecs.region, keys,
                                   aws_now_ms(c->aws), buf_str(message), e);

    if (!code)
        code = session_send(t->session, buf_str(&frame), e);
    if (!code)
        t->sent++;
    buf_wipe(&frame);
    return code;
}

static struct tcs_head head(const struct tcs *t, const char *id)
{
    return (struct tcs_head){ .cluster = t->c->config->cluster,
                              .instance_arn = t->c->instance_arn,
                              .id = id,
                              .now_ms = aws_now_ms(t->c->aws) };
}

/* All messages of a gathering; what goes wrong with one abandons the rest. */
static void send_gathering(struct tcs *t, const struct sigv4_keys *keys,
                           const struct tcs_gathering *g, bool health)
{
    AUTO(buf) struct buf message = BUF_INIT(ENVELOPE_MAX);
    struct err e = { 0 };
    size_t at = 0;

    do {
        struct str tasks = tcs_gathering_page(g, &at);
        struct tcs_head h = head(t, g->id);
        bool fin = at == g->n;
        bool whole = health ? tcs_put_health(&message, &h, fin, tasks)
                            : tcs_put_metrics(&message, &h, g->idle, fin, tasks);

        if (!whole)
            err_set(&e, ERR_LIMIT, "it is longer than %d bytes", TCS_MESSAGE_MAX);
        else
            send_message(t, keys, &message, &e);
    } while (!e.code && at < g->n);
    if (!e.code)
        return;
    t->dropped++;
    log_warn("telemetry could not be sent; it is dropped", kv_err(&e),
             kv_s("kind", health ? "health" : "metrics"));
}

static void send_status(struct tcs *t, const struct sigv4_keys *keys)
{
    AUTO(buf) struct buf message = BUF_INIT(ENVELOPE_MAX);
    char id[RNG_UUID_SIZE];
    struct err e = { 0 };
    struct tcs_head h;

    rng_uuid(&t->c->rng, id);
    h = head(t, id);
    t->status_due = false;
    if (tcs_put_status(&message, &h, &t->runtime) && !send_message(t, keys, &message, &e))
        t->told = true;
    else
        log_warn("the instance status could not be sent; it is told later", kv_err(&e));
}

static void on_keys(void *user, const struct sigv4_keys *keys, const struct err *e)
{
    struct tcs *t = user;
    struct tcs_gathering g;

    t->keys = NULL;
    if (!keys) {
        log_warn("telemetry cannot be signed; it waits", kv_err(e));
        return;
    }
    while (session_is_open(t->session) && tcs_queue_take(&t->metrics, &g)) {
        send_gathering(t, keys, &g, false);
        tcs_gathering_fini(&g);
    }
    while (session_is_open(t->session) && tcs_queue_take(&t->health, &g)) {
        send_gathering(t, keys, &g, true);
        tcs_gathering_fini(&g);
    }
    if (t->status_due && session_is_open(t->session))
        send_status(t, keys);
}

/* Sends what waits, once the keys of the moment are here. */
static void flush(struct tcs *t)
{
    bool waits = t->metrics.n > 0 || t->health.n > 0 || t->status_due;

    if (waits && !t->keys && session_is_open(t->session))
        t->keys = credentials_get(t->c->credentials, on_keys, t);
}

/* ---- gathering ---- */

static void on_task(void *tcs, struct str task_json)
{
    struct tcs *t = tcs;

    if (!tcs_gathering_add(t->filling, task_json))
        t->left_out++;
}

static void begin_gathering(struct tcs *t, struct tcs_gathering *g)
{
    tcs_gathering_init(g);
    rng_uuid(&t->c->rng, g->id);
    t->filling = g;
    t->left_out = 0;
}

/* One without anything to say is forgotten. */
static void end_gathering(struct tcs *t, struct tcs_queue *q, struct tcs_gathering *g,
                          const char *kind)
{
    t->filling = NULL;
    if (t->left_out > 0)
        log_warn("the telemetry of tasks is too long; they are left out", kv_s("kind", kind),
                 kv_i("tasks", t->left_out));
    if (g->n == 0 && !g->idle) {
        tcs_gathering_fini(g);
        return;
    }
    if (tcs_queue_put(q, g))
        return;
    t->dropped++;
    if (!t->dropping)
        log_warn("telemetry waits for its session for too long; what comes now is dropped",
                 kv_s("kind", kind));
    t->dropping = true;
}

static void gather_metrics(struct tcs *t)
{
    struct tcs_gathering g;
    bool watched;

    begin_gathering(t, &g);
    watched = !t->c->config->disable_metrics && t->source.metrics(t->user, on_task, t);
    /* Watched, but nothing measured yet, is neither idle nor something to tell. */
    g.idle = !watched && g.n == 0;
    end_gathering(t, &t->metrics, &g, "metrics");
}

static void gather_health(struct tcs *t)
{
    struct tcs_gathering g;

    begin_gathering(t, &g);
    t->source.health(t->user, on_task, t);
    end_gathering(t, &t->health, &g, "health");
}

static void on_gather(void *user)
{
    struct tcs *t = user;

    loop_timer_arm(t->gather, t->c->timing.gather_ms);
    gather_metrics(t);
    gather_health(t);
    flush(t);
}

/* ---- the instance's status ---- */

void tcs_heartbeat(struct tcs *t)
{
    if (!t || t->checking)
        return;
    t->checking = true;
    t->source.check_runtime(t->user);
}

void tcs_runtime_checked(struct tcs *t, bool ok)
{
    if (!t)
        return;
    t->checking = false;
    t->told = false;
    tcs_runtime_note(&t->runtime, ok, aws_now_ms(t->c->aws));
}

static void on_look(void *user)
{
    struct tcs *t = user;

    loop_timer_arm(t->look, t->c->timing.status_ms);
    t->status_due = !t->told;
    flush(t);
}

/* ---- what the session asks of us ---- */

static enum err_code on_url(void *user, const char *endpoint, struct buf *out, struct err *e)
{
    const struct tcs *t = user;
    const struct control *c = t->c;
    struct acs_url_args args = { .endpoint = endpoint,
                                 .agent_hash = c->agent_hash,
                                 .agent_version = c->agent_version,
                                 .cluster = c->config->cluster,
                                 .instance_arn = c->instance_arn,
                                 .docker_version = c->docker_version };

    return tcs_url(&args, out, e);
}

static void on_opened(void *user)
{
    struct tcs *t = user;

    t->dropping = false;
    loop_timer_arm(t->look, t->c->timing.status_ms);
    flush(t);
}

static void on_message(void *user, struct str text)
{
    struct tcs *t = user;
    struct tcs_message in;
    struct err e = { 0 };

    if (tcs_decode(text, &in, &e)) {
        log_warn("a message of the telemetry session was dropped", kv_err(&e),
                 kv_i("bytes", (int64_t)text.n));
        return;
    }
    switch (in.kind) {
    case TCS_HEARTBEAT:
    case TCS_ACK:
        session_heard(t->session);
        break;
    case TCS_NOTED:
        log_warn("the telemetry session says", kv_s("type", in.type), kv_s("text", in.text));
        break;
    case TCS_UNKNOWN:
        log_warn("a message of an unknown type was ignored", kv_s("type", in.type));
        break;
    }
}

static void on_closed(void *user)
{
    struct tcs *t = user;

    credentials_cancel(t->keys);
    t->keys = NULL;
    t->status_due = false;
    loop_timer_disarm(t->look);
}

static const struct session_kind tcs_kind = {
    .endpoint = DISCOVER_TCS,
    .max_message = INCOMING_MAX,
    .max_queue = SENDING_MAX,
    .silence_is_peaceful = true,
    .words = { .open = "telemetry session is open",
               .ended = "telemetry session ended; connecting again",
               .none = "no telemetry session; trying again" },
    .refusal = tcs_refusal,
    .url = on_url,
    .opened = on_opened,
    .message = on_message,
    .closed = on_closed,
};

void tcs_get_totals(const struct tcs *t, struct control_totals *out)
{
    if (!t)
        return;
    out->tcs_connected = session_is_open(t->session);
    out->tcs_opened = session_opened_count(t->session);
    out->tcs_failed = session_failed_count(t->session);
}

void tcs_write_status(const struct tcs *t, struct jw *w)
{
    jw_object(w);
    session_write_status(t->session, w);
    jw_kint(w, "waiting", (int64_t)(t->metrics.n + t->health.n));
    jw_kint(w, "dropped", t->dropped);
    jw_kint(w, "sent", t->sent);
    jw_end(w);
}
