#pragma once
/* tcs_frames: the control plane's side of telemetry. Reads a handshake or a frame, computes its
 * signature anew with nothing of the agent's code, and compares. Include it in one file of a
 * program, after control_world.h. */
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/clock.h"

#define SIGNED "host;x-amz-date;x-amz-security-token"

struct link { /* of the handshake */
    char query[2048], host[64];
};

struct told { /* one message */
    char type[64], id[64], first_task[64], status[32];
    bool idle, fin, has_tasks;
    size_t n_tasks;
    int64_t at_ms, updated_ms, changed_ms;
};

static void hash_hex(const char *data, size_t n, char out[65])
{
    unsigned char hash[32];

    EVP_Digest(data, n, hash, NULL, EVP_sha256(), NULL);
    str_hex(hash, sizeof hash, out);
}

static void mac(const unsigned char *key, size_t n_key, const char *text, unsigned char out[32])
{
    HMAC(EVP_sha256(), key, (int)n_key, (const unsigned char *)text, strlen(text), out, NULL);
}

/* What the Authorization header must be. */
static void authorize(const struct link *l, const char *date, const char *body, size_t n,
                      struct buf *out)
{
    AUTO(buf) struct buf canonical = BUF_INIT(8192);
    AUTO(buf) struct buf text = BUF_INIT(8192);
    unsigned char a[32], b[32];
    char hash[65], day[9] = { 0 };

    memcpy(day, date, 8);
    hash_hex(body, n, hash);
    buf_printf(&canonical,
               "GET\n/ws\n%s\nhost:%s\nx-amz-date:%s\nx-amz-security-token:tok\n\n" SIGNED "\n%s",
               l->query, l->host, date, hash);
    hash_hex(buf_text(&canonical), canonical.len, hash);
    buf_printf(&text, "AWS4-HMAC-SHA256\n%s\n%s/us-west-2/ecs/aws4_request\n%s", date, day, hash);
    mac((const unsigned char *)"AWS4secret", 10, day, a);
    mac(a, 32, "us-west-2", b);
    mac(b, 32, "ecs", a);
    mac(a, 32, "aws4_request", b);
    mac(b, 32, buf_text(&text), a);
    str_hex(a, sizeof a, hash);
    buf_printf(out,
               "Authorization: AWS4-HMAC-SHA256 Credential=AKTEST/%s/us-west-2/ecs/aws4_request, "
               "SignedHeaders=" SIGNED ", Signature=%s\r\n",
               day, hash);
}

/* The value of a header, up to the line's end. */
static void header(const char *head, const char *name, char *out, size_t size)
{
    const char *at = strstr(head, name);

    *out = '\0';
    if (at) {
        at += strlen(name);
        snprintf(out, size, "%.*s", (int)strcspn(at, "\r"), at);
    }
}

/* Reads the head of a handshake and checks it; the answer is still to be given. */
static void take_handshake(struct peer *p, struct link *l)
{
    static const char query[] =
        "agentHash=0a1b2c3d&agentVersion=1.105.1&cluster=demo&containerInstance="
        "arn%3Aaws%3Aecs%3Aus-west-2%3A1%3Acontainer-instance%2Fdemo%2F01&dockerVersion=20.10.24";
    AUTO(buf) struct buf want = BUF_INIT(8192);
    const char *head;
    char date[32];

    peer_accept(p);
    head = peer_head(p);
    snprintf(l->query, sizeof l->query, "%s", query);
    header(head, "Host: ", l->host, sizeof l->host);
    header(head, "X-Amz-Date: ", date, sizeof date);
    authorize(l, date, "", 0, &want);
    if (strncmp(head, "GET /ws?", 8) != 0 || strncmp(head + 8, query, strlen(query)) != 0 ||
        strncmp(head + 8 + strlen(query), " HTTP/1.1\r\n", 11) != 0)
        peer_fail(p, "the handshake is %s", head);
    if (!strstr(head, buf_text(&want)) || !strstr(head, "X-Amz-Security-Token: tok\r\n"))
        peer_fail(p, "the handshake is not signed as it must be: %s", head);
}

static void answer_handshake(struct peer *p)
{
    char accept[29];
    AUTO(str) char *upgrade = NULL;

    upgrade = mem_printf("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                         peer_ws_key(p, accept));
    peer_send(p, upgrade);
}

static void open_telemetry(struct peer *p, struct link *l)
{
    take_handshake(p, l);
    answer_handshake(p);
}

/* The block of headers must be exactly this. */
static void check_block(struct peer *p, const struct link *l, const char *frame, size_t n_block,
                        const char *body, size_t n)
{
    AUTO(buf) struct buf want = BUF_INIT(8192);
    char date[32], now[CLOCK_ISO_SIZE], before[CLOCK_ISO_SIZE];

    header(frame, "\r\nX-Amz-Date: ", date, sizeof date);
    authorize(l, date, body, n, &want);
    buf_printf(&want, "Host: %s\r\nX-Amz-Date: %s\r\nX-Amz-Security-Token: tok\r\n\r\n", l->host,
               date);
    if (n_block != want.len || memcmp(frame, want.data, want.len) != 0)
        peer_fail(p, "the block is %.*s instead of %s", (int)n_block, frame, buf_text(&want));
    clock_amz(clock_wall_ms(), now);
    clock_amz(clock_wall_ms() - 60000, before);
    if (strcmp(date, before) < 0 || strcmp(date, now) > 0)
        peer_fail(p, "a message was signed for %s at %s", date, now);
}

static int64_t millis(const struct jcur *c, const char *key)
{
    return (int64_t)(jcur_num_or(c, key, 0) * 1000 + 0.5);
}

static void read_status(const struct jcur *message, struct told *t)
{
    struct jcur statuses = jcur_get(message, "statuses"), one = jcur_at(&statuses, 0);

    if (!jcur_present(&one))
        return;
    snprintf(t->status, sizeof t->status, "%s", jcur_str(&one, "status"));
    t->updated_ms = millis(&one, "lastUpdated");
    t->changed_ms = millis(&one, "lastStatusChange");
}

static enum err_code read_envelope(struct str text, struct told *t, struct err *e)
{
    AUTO(json) struct json_t *v = NULL;
    struct err found = { 0 };
    struct jcur root, message, meta, tasks, first;

    if (json_parse(text.p, text.n, &v, e))
        return e->code;
    root = jcur_root(v, &found);
    snprintf(t->type, sizeof t->type, "%s", jcur_str(&root, "type"));
    message = jcur_get(&root, "message");
    meta = jcur_get(&message, "metadata");
    if (!streq(jcur_str(&meta, "cluster"), "demo") ||
        !streq(jcur_str(&meta, "containerInstance"), CI))
        return err_set(e, ERR_INVALID, "it is of another instance: %.200s", text.p);
    snprintf(t->id, sizeof t->id, "%s",
             jcur_str_or(&meta, "messageId", jcur_str_or(&meta, "requestId", "")));
    t->idle = jcur_bool_or(&meta, "idle", false);
    t->fin = jcur_bool_or(&meta, "fin", false);
    t->at_ms = millis(&message, "timestamp");
    tasks = jcur_arr(&message, streq(t->type, "PublishHealthRequest") ? "tasks" : "taskMetrics");
    t->has_tasks = jcur_present(&tasks);
    t->n_tasks = jcur_len(&tasks);
    first = jcur_at(&tasks, 0);
    snprintf(t->first_task, sizeof t->first_task, "%s",
             t->n_tasks ? jcur_str(&first, "taskArn") : "");
    read_status(&message, t);
    if (found.code || strlen(t->id) != 36)
        return err_set(e, ERR_INVALID, "%s in %.200s", found.msg, text.p);
    return ERR_OK;
}

/* Reads one frame and acknowledges it; all zero when something went wrong. */
static struct told take(struct peer *p, const struct link *l)
{
    struct str frame = peer_ws_read(p, 1);
    struct told t = { .at_ms = 0 };
    struct err e = { 0 };
    const char *end = frame.n ? strstr(frame.p, "\r\n\r\n") : NULL;
    struct str body;

    if (!end) {
        peer_fail(p, "no block of headers");
        return t;
    }
    body = (struct str){ end + 4, frame.n - (size_t)(end + 4 - frame.p) };
    check_block(p, l, frame.p, frame.n - body.n, body.p, body.n);
    if (read_envelope(body, &t, &e))
        peer_fail(p, "a message: %s", e.msg);
    if (llabs(t.at_ms - clock_wall_ms()) > 60000)
        peer_fail(p, "a message has the time %" PRId64, t.at_ms);
    say(p, "{\"type\":\"AckPublishMetric\",\"message\":{\"message\":\"ok\"}}");
    return t;
}
