#include "control/acs_encode.h"

#include "base/json.h"

static void open_message(struct jw *w, struct buf *out, const char *type)
{
    buf_reset(out);
    jw_init(w, out);
    jw_object(w);
    jw_kstr(w, "type", type);
    jw_kobject(w, "message");
}

static bool close_message(struct jw *w)
{
    jw_end(w);
    jw_end(w);
    return !w->out->overflowed;
}

bool acs_put_ack(struct buf *out, const char *cluster, const char *instance, const char *message_id)
{
    struct jw w;

    open_message(&w, out, "AckRequest");
    jw_kstr_if(&w, "cluster", cluster);
    jw_kstr_if(&w, "containerInstance", instance);
    jw_kstr_if(&w, "messageId", message_id);
    return close_message(&w);
}

bool acs_put_nack(struct buf *out, const char *cluster, const char *instance,
                  const char *message_id, const char *reason)
{
    struct jw w;

    open_message(&w, out, "NackRequest");
    jw_kstr_if(&w, "cluster", cluster);
    jw_kstr_if(&w, "containerInstance", instance);
    jw_kstr_if(&w, "messageId", message_id);
    jw_kstr(&w, "reason", reason);
    return close_message(&w);
}

bool acs_put_heartbeat_ack(struct buf *out, const char *message_id)
{
    struct jw w;

    open_message(&w, out, "HeartbeatAckRequest");
    if (message_id)
        jw_kstr(&w, "messageId", message_id);
    return close_message(&w);
}

bool acs_put_credentials_ack(struct buf *out, const char *message_id, const char *credentials_id,
                             const char *expiration)
{
    struct jw w;

    open_message(&w, out, "IAMRoleCredentialsAckRequest");
    jw_kstr(&w, "credentialsId", credentials_id);
    jw_kstr_if(&w, "expiration", expiration);
    jw_kstr(&w, "messageId", message_id);
    return close_message(&w);
}

bool acs_put_stop_candidates(struct buf *out, const char *message_id, const char *cluster,
                             const char *const *arns, size_t n)
{
    struct jw w;

    open_message(&w, out, "TaskStopVerificationMessage");
    jw_kstr_if(&w, "messageId", message_id);
    jw_karray(&w, "stopCandidates");
    for (size_t i = 0; i < n; i++) {
        jw_object(&w);
        jw_kstr(&w, "desiredStatus", "STOPPED");
        jw_kstr(&w, "taskArn", arns[i]);
        jw_kstr_if(&w, "taskClusterArn", cluster);
        jw_end(&w);
    }
    jw_end(&w);
    return close_message(&w);
}
