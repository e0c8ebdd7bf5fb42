/* tcs: the telemetry websocket. Every frame is verified and checked; good ones
 * are acknowledged and kept for GET /_local/telemetry, bad ones are violations
 * and answered with InvalidParameterException. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cp.h"
#include "tcs_check.h"

#define KEPT_MAX       256
#define KEPT_BYTES     ((size_t)16 * 1024 * 1024)
#define BEAT_FIRST_MS  20000
#define BEAT_SPREAD_MS 10000

struct kept {
    int64_t wall_ms;
    char *json;
    size_t len;
};

struct tcs {
    struct cp_server *server;
    struct kept kept[KEPT_MAX]; /* a ring; message n is at n % KEPT_MAX */
    int64_t first, last;        /* [first, last] are kept; first > last: none */
    size_t bytes;
};

struct conn {
    struct tcs *tcs;
    struct cp_ws *ws;
    struct cp_timer *beat;
    struct tcs_session session;
};

/* ---- what was received ---- */

static void forget_first(struct tcs *t)
{
    struct kept *k = &t->kept[t->first++ % KEPT_MAX];

    t->bytes -= k->len;
    free(k->json);
    *k = (struct kept){ 0 };
}

static void keep(struct tcs *t, struct str envelope)
{
    while (t->first <= t->last &&
           (t->last - t->first + 1 >= KEPT_MAX || t->bytes + envelope.n > KEPT_BYTES))
        forget_first(t);
    t->last++;
    t->kept[t->last % KEPT_MAX] =
        (struct kept){ clock_wall_ms(), mem_strndup(envelope.p, envelope.n), envelope.n };
    t->bytes += envelope.n;
}

static void on_admin(void *user, struct cp_http *h)
{
    struct tcs *t = user;
    struct buf b = BUF_INIT(2 * KEPT_BYTES);
    const char *text = h->query(h, "since");
    int64_t since = 0;
    struct jw w;

    if (text && str_to_int(text, 0, INT64_MAX - 1, &since, NULL))
        since = 0;
    jw_init(&w, &b);
    jw_object(&w);
    jw_kint(&w, "last", t->last);
    jw_karray(&w, "messages");
    for (int64_t n = since + 1 > t->first ? since + 1 : t->first; n <= t->last; n++) {
        const struct kept *k = &t->kept[n % KEPT_MAX];

        jw_object(&w);
        jw_kint(&w, "n", n);
        jw_kint(&w, "time_ms", k->wall_ms);
        jw_key(&w, "envelope");
        jw_raw(&w, (struct str){ k->json, k->len });
        jw_end(&w);
    }
    jw_end(&w);
    jw_end(&w);
    cp_http_reply(h, 200, "application/json", buf_str(&b));
    buf_fini(&b);
}

/* ---- the connection ---- */

static void send_message(struct cp_ws *ws, const char *type, const char *text)
{
    struct buf b = BUF_INIT(8192);
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "type", type);
    jw_kobject(&w, "message");
    jw_kstr_if(&w, "message", text);
    jw_end(&w);
    jw_end(&w);
    cp_ws_send(ws, buf_str(&b));
    buf_fini(&b);
}

static void beat_again(struct conn *c)
{
    cp_timer_arm(c->beat,
                 BEAT_FIRST_MS + (int64_t)rng_below(cp_server_rng(c->tcs->server), BEAT_SPREAD_MS));
}

static void on_beat(void *user)
{
    struct conn *c = user;

    cp_ws_send(c->ws, str_of("{\"type\":\"HeartbeatMessage\",\"message\":{\"healthy\":true}}"));
    beat_again(c);
}

static bool on_open(void *user, struct cp_ws *ws, struct buf *refusal)
{
    struct tcs *t = user;
    const char *cluster = cp_ws_query(ws, "cluster");
    const char *instance = cp_ws_query(ws, "containerInstance");
    const char *fault =
        tcs_handshake_fault(cluster, instance, cp_ws_query(ws, "agentVersion"),
                            cp_ws_query(ws, "agentHash"), cp_ws_query(ws, "dockerVersion"));
    struct conn *c;

    if (fault) {
        cp_violation(t->server, "/tcs/ws: handshake: %s", fault);
        buf_printf(refusal,
                   "{\"type\":\"InvalidParameterException\",\"message\":{\"message\":\"%s\"}}",
                   fault);
        return false;
    }
    c = NEW(struct conn);
    c->tcs = t;
    c->ws = ws;
    snprintf(c->session.cluster, sizeof c->session.cluster, "%s", cluster);
    snprintf(c->session.instance, sizeof c->session.instance, "%s", instance);
    c->beat = cp_timer_create(t->server, on_beat, c);
    beat_again(c);
    cp_ws_set_user(ws, c);
    return true;
}

static void on_message(void *user, struct cp_ws *ws, struct str text)
{
    static const char *const acks[] = { [TCS_METRICS] = "AckPublishMetric",
                                        [TCS_HEALTH] = "AckPublishHealth",
                                        [TCS_INSTANCE_STATUS] = "AckPublishInstanceStatus" };
    struct tcs *t = user;
    struct conn *c = cp_ws_user(ws);
    struct str envelope;
    enum tcs_kind kind;
    struct err e = { 0 };

    if (cp_ws_verify_frame(ws, text, &envelope, &e) ||
        tcs_check(&c->session, envelope, clock_wall_ms(), &kind, &e)) {
        cp_violation(t->server, "/tcs/ws: %s", e.msg);
        send_message(ws, "InvalidParameterException", e.msg);
        return;
    }
    keep(t, envelope);
    if (kind == TCS_HEALTH)
        cp_ecs_note_health(t->server, envelope);
    send_message(ws, acks[kind], "ok");
}

static void on_closed(void *user, struct cp_ws *ws, int code)
{
    struct conn *c = cp_ws_user(ws);

    (void)user;
    (void)code;
    cp_timer_destroy(c->beat);
    free(c);
}

static void on_exit_tcs(void *user)
{
    struct tcs *t = user;

    while (t->first <= t->last)
        forget_first(t);
    free(t);
}

void cp_tcs_add(struct cp_server *s)
{
    static const struct cp_ws_events events = { on_open, on_message, on_closed };
    struct tcs *t = NEW(struct tcs);

    t->server = s;
    t->first = 1;
    cp_server_add_websocket(s, "/tcs/ws", &events, t);
    cp_server_add_path(s, "/_local/telemetry", on_admin, t);
    cp_server_at_exit(s, on_exit_tcs, t);
}
