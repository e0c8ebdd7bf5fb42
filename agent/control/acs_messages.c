#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "control/acs_encode.h"
#include "control/acs_memory.h"
#include "control/private.h"
#include "control/tcs.h"

#define ANSWER_MAX (64 * 1024)

struct acs_messages {
    struct control *c;
    struct acs_memory memory;
    char *logged; /* the last payload's id */
};

struct acs_messages *acs_messages_create(struct control *c)
{
    struct acs_messages *m = NEW(struct acs_messages);

    m->c = c;
    return m;
}

void acs_messages_destroy(struct acs_messages *m)
{
    if (!m)
        return;
    acs_memory_fini(&m->memory);
    free(m->logged);
    free(m);
}

/* ---- answers ---- */

static void send_ack(struct acs_messages *m, struct acs *a, const struct buf *out)
{
    m->c->totals.acks += acs_send(a, out);
}

void acs_messages_new_session(struct acs_messages *m)
{
    acs_memory_new_session(&m->memory);
}

void acs_messages_ack(struct acs_messages *m, struct acs *a, const char *message_id)
{
    AUTO(buf) struct buf out = BUF_INIT(ANSWER_MAX);
    struct acs_remembered to;
    bool known = acs_memory_take(&m->memory, message_id, &to);

    if (!known)
        log_debug("acknowledging a message that is not remembered", kv_s("message_id", message_id));
    if (known && to.stale) { /* an id is one session's; what it said comes again with another */
        acs_remembered_fini(&to);
        return;
    }
    if (acs_put_ack(&out, to.cluster ? to.cluster : m->c->config->cluster,
                    to.instance ? to.instance : m->c->instance_arn, message_id))
        send_ack(m, a, &out);
    for (size_t i = 0; i < to.n_refs; i++) {
        if (acs_put_credentials_ack(&out, message_id, to.refs[i].id, to.refs[i].expiration))
            send_ack(m, a, &out);
    }
    acs_remembered_fini(&to);
}

static void heartbeat(struct acs_messages *m, struct acs *a, const struct acs_message *in)
{
    AUTO(buf) struct buf out = BUF_INIT(ANSWER_MAX);

    m->c->heartbeat_ms = loop_now_ms(m->c->loop);
    if (acs_put_heartbeat_ack(&out, in->message_id))
        send_ack(m, a, &out);
    tcs_heartbeat(m->c->tcs);
}

static void refuse_update(struct acs *a, const struct acs_message *in)
{
    AUTO(buf) struct buf out = BUF_INIT(ANSWER_MAX);

    log_info("an agent update was refused: packages update this agent", kv_s("type", in->type));
    if (acs_put_nack(&out, in->cluster_arn, in->instance_arn, in->message_id,
                     "Updates are disabled"))
        acs_send(a, &out);
}

/* ---- news for those above ---- */

static void keep_roles(struct control *c, const struct acs_message *in)
{
    for (size_t i = 0; i < in->n_roles; i++) {
        const struct task_credentials *k = &in->roles[i].keys;
        struct role_credentials role = { .id = k->id,
                                         .role_arn = k->role_arn,
                                         .access_key = k->access_key,
                                         .secret_key = k->secret_key,
                                         .session_token = k->session_token,
                                         .expiration = k->expiration,
                                         .task_arn = in->roles[i].task_arn };

        roles_put(c->roles, &role);
    }
}

static void payload(struct acs_messages *m, struct acs_message *in)
{
    struct control *c = m->c;

    keep_roles(c, in);
    acs_memory_add(&m->memory, in);
    if (m->logged && in->message_id && streq(m->logged, in->message_id))
        log_debug("the payload again", kv_s("message_id", in->message_id));
    else
        log_info("payload", kv_s("message_id", in->message_id),
                 kv_i("tasks", (int64_t)in->n_tasks));
    mem_replace(&m->logged, in->message_id);
    for (size_t i = 0; i < in->n_tasks; i++) {
        if (in->tasks[i].error)
            log_warn("a task of the payload cannot be read; it is reported as stopped",
                     kv_s("task", in->tasks[i].arn), kv_s("error", in->tasks[i].error));
    }
    c->ev.payload(c->user, in->message_id, in->seq, in->tasks, in->n_tasks);
}

static void refresh(struct acs_messages *m, struct acs *a, const struct acs_message *in)
{
    struct control *c = m->c;
    AUTO(buf) struct buf out = BUF_INIT(ANSWER_MAX);
    const struct acs_role *role = in->roles;

    if (!in->n_roles)
        return;
    keep_roles(c, in);
    if (!c->ev.knows_task(c->user, role->task_arn)) {
        log_warn("credentials came for a task that is not here; they are kept, not acknowledged",
                 kv_s("task", role->task_arn));
        return;
    }
    if (acs_put_credentials_ack(&out, in->message_id, role->keys.id, role->keys.expiration))
        send_ack(m, a, &out);
}

static void manifest(struct acs_messages *m, const struct acs_message *in)
{
    struct control *c = m->c;

    acs_memory_add(&m->memory, in);
    c->ev.manifest(c->user, in->message_id ? in->message_id : "",
                   in->cluster_arn ? in->cluster_arn : "", in->seq, in->entries, in->n_entries);
}

static void stop_ack(struct acs_messages *m, const struct acs_message *in)
{
    struct control *c = m->c;

    c->ev.stop_ack(c->user, in->message_id, (const char *const *)in->arns, in->n_arns);
}

static enum control_message kind_of(const struct acs_message *in)
{
    switch (in->kind) {
    case ACS_HEARTBEAT:
        return CONTROL_MSG_HEARTBEAT;
    case ACS_PAYLOAD:
        return CONTROL_MSG_PAYLOAD;
    case ACS_CREDENTIALS:
        return CONTROL_MSG_CREDENTIALS;
    case ACS_MANIFEST:
        return CONTROL_MSG_MANIFEST;
    case ACS_STOP_ACK:
        return CONTROL_MSG_STOP_ACK;
    case ACS_UPDATE:
        return CONTROL_MSG_UPDATE;
    case ACS_UNSUPPORTED:
    case ACS_NOTED:
    case ACS_UNKNOWN:
        break;
    }
    return CONTROL_MSG_OTHER;
}

void acs_messages_take(struct acs_messages *m, struct acs *a, struct str text)
{
    struct acs_message in;
    struct err e = { 0 };

    if (acs_decode(text, &in, &e)) {
        log_warn("a message of the control plane was dropped", kv_err(&e),
                 kv_i("bytes", (int64_t)text.n));
        m->c->totals.messages[CONTROL_MSG_INVALID]++;
        return;
    }
    m->c->totals.messages[kind_of(&in)]++;
    if (in.kind != ACS_UNKNOWN)
        acs_heard(a);
    switch (in.kind) {
    case ACS_HEARTBEAT:
        heartbeat(m, a, &in);
        break;
    case ACS_PAYLOAD:
        payload(m, &in);
        break;
    case ACS_CREDENTIALS:
        refresh(m, a, &in);
        break;
    case ACS_MANIFEST:
        manifest(m, &in);
        break;
    case ACS_STOP_ACK:
        stop_ack(m, &in);
        break;
    case ACS_UPDATE:
        refuse_update(a, &in);
        break;
    case ACS_UNSUPPORTED:
        log_warn("a message asks for what this agent does not offer; ignored",
                 kv_s("type", in.type), kv_s("message_id", in.message_id));
        break;
    case ACS_NOTED:
        log_warn("the control plane says", kv_s("type", in.type), kv_s("text", in.text));
        break;
    case ACS_UNKNOWN:
        log_warn("a message of an unknown type was ignored", kv_s("type", in.type));
        break;
    }
    acs_message_fini(&in);
}
