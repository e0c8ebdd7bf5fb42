/* What agents send over ACS. Whatever does not follow the protocol is recorded
 * as a violation; nothing is ever answered with an error. */
#include <string.h>

#include "acs_conn.h"
#include "base/clock.h"

#define R(n)                     \
    {                            \
        n, SHAPE_STR, NULL, true \
    }
#define O(n)                      \
    {                             \
        n, SHAPE_STR, NULL, false \
    }
#define END                          \
    {                                \
        NULL, SHAPE_STR, NULL, false \
    }

static const struct shape ack[] = { R("cluster"), R("containerInstance"), R("messageId"), END };
static const struct shape nack[] = { R("cluster"), R("containerInstance"), R("messageId"),
                                     O("reason"), END };
static const struct shape heartbeat_ack[] = { O("messageId"), END };
static const struct shape credentials_ack[] = { R("messageId"), R("credentialsId"), R("expiration"),
                                                END };
static const struct shape task_identifier[] = { R("taskArn"), O("taskClusterArn"),
                                                O("desiredStatus"), END };
static const struct shape verification[] = {
    R("messageId"), { "stopCandidates", SHAPE_OBJS, task_identifier, true }, END
};

static bool was_sent(const struct acs_conn *k, const char *id)
{
    size_t n = k->sent_count < ACS_SENT_MAX ? k->sent_count : ACS_SENT_MAX;

    for (size_t i = 0; i < n; i++)
        if (streq(k->sent[i], id))
            return true;
    return false;
}

static void complain(struct acs_conn *k, const char *type, const char *what)
{
    cp_violation(k->acs->x->server, "ACS %s of instance %s: %s", type, k->instance->id, what);
}

/* ---- one function per type ---- */

static void on_ack(struct acs_conn *k, const char *type, const struct jcur *m)
{
    const char *id = jcur_str(m, "messageId");
    int64_t now_us = cp_server_mono_us();

    if (!was_sent(k, id))
        complain(k, type, "a messageId that was not sent");
    if (!streq(jcur_str(m, "containerInstance"), k->instance->arn))
        complain(k, type, "the containerInstance of another");
    LIST_FOREACH (n, next, &k->acs->x->model->tasks) {
        struct task *t = MODEL_OF(n, task);

        if (t->instance != k->instance || !*id || !streq(t->message_id, id))
            continue;
        t->acked = t->message_desired;
        t->message_id[0] = '\0';
        if (t->acked_us == 0)
            t->acked_us = now_us;
    }
    ecs_changed(k->acs->x);
}

/* Only updates may be refused, and updates are never sent. */
static void on_nack(struct acs_conn *k, const char *type, const struct jcur *m)
{
    (void)m;
    complain(k, type, "nothing was sent that can be refused");
}

static void on_heartbeat_ack(struct acs_conn *k, const char *type, const struct jcur *m)
{
    const char *id = jcur_str_or(m, "messageId", "");

    if (streq(id, k->heartbeat_id)) {
        k->heartbeat_id[0] = '\0';
        k->heartbeats_missed = 0;
    } else if (!was_sent(k, id)) {
        complain(k, type, "a messageId that was not sent");
    }
}

static bool acknowledges(const struct role *r, const struct jcur *m)
{
    char expiration[CLOCK_ISO_SIZE];

    if (!r->arn || !streq(r->id, jcur_str(m, "credentialsId")))
        return false;
    acs_expiration(r, expiration);
    return streq(expiration, jcur_str(m, "expiration"));
}

static void on_credentials_ack(struct acs_conn *k, const char *type, const struct jcur *m)
{
    if (!was_sent(k, jcur_str(m, "messageId"))) {
        complain(k, type, "a messageId that was not sent");
        return;
    }
    LIST_FOREACH (n, next, &k->acs->x->model->tasks) {
        const struct task *t = MODEL_OF(n, task);

        if (t->instance == k->instance &&
            (acknowledges(&t->task_role, m) || acknowledges(&t->execution_role, m)))
            return;
    }
    complain(k, type, "credentials that were not sent");
}

/* Of the candidates those are stopped that really should not run here. */
static void on_verification(struct acs_conn *k, const char *type, const struct jcur *m)
{
    struct jcur candidates = jcur_arr(m, "stopCandidates");
    const char *id = jcur_str(m, "messageId");
    struct acs_message answer;

    if (!streq(id, k->manifest_id)) {
        if (!was_sent(k, id))
            complain(k, type, "a messageId that was not sent");
        return;
    }
    acs_message_begin(k, &answer, "TaskStopVerificationAck");
    jw_kstr(&answer.w, "messageId", id);
    jw_kint(&answer.w, "generatedAt", clock_wall_ms());
    jw_karray(&answer.w, "stopTasks");
    JCUR_EACH (c, &candidates) {
        const char *arn = jcur_str(&c, "taskArn");
        const struct task *t = model_task_find(k->acs->x->model, NULL, arn);

        if (t && t->instance == k->instance && t->desired == TASK_RUNNING)
            continue;
        jw_object(&answer.w);
        jw_kstr(&answer.w, "taskArn", arn);
        jw_kstr(&answer.w, "taskClusterArn", k->instance->cluster->arn);
        jw_kstr(&answer.w, "desiredStatus", "STOPPED");
        jw_end(&answer.w);
    }
    jw_end(&answer.w);
    acs_message_send(k, &answer);
}

static const struct {
    const char *type;
    const struct shape *shape;
    void (*fn)(struct acs_conn *k, const char *type, const struct jcur *m);
} readers[] = {
    { "AckRequest", ack, on_ack },
    { "NackRequest", nack, on_nack },
    { "HeartbeatAckRequest", heartbeat_ack, on_heartbeat_ack },
    { "IAMRoleCredentialsAckRequest", credentials_ack, on_credentials_ack },
    { "TaskStopVerificationMessage", verification, on_verification },
};

static void read_message(struct acs_conn *k, const char *type, const struct jcur *message)
{
    struct buf unknown = BUF_INIT(512);

    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        if (!streq(readers[i].type, type))
            continue;
        if (!shape_check(message, readers[i].shape, &unknown)) {
            complain(k, type, message->err->msg);
        } else {
            if (unknown.len)
                complain(k, type, "unknown members");
            readers[i].fn(k, type, message);
        }
        buf_fini(&unknown);
        return;
    }
    complain(k, type, "an unknown type");
}

void acs_read(struct acs_conn *k, struct str text)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root, message;
    const char *type;

    if (json_parse(text.p, text.n, &doc, &e)) {
        complain(k, "message", e.msg);
        return;
    }
    root = jcur_root(doc, &e);
    type = jcur_str(&root, "type");
    message = jcur_obj(&root, "message");
    if (!jcur_ok(&root) || !jcur_present(&message))
        complain(k, "message", "no type or no message");
    else
        read_message(k, type, &message);
}
