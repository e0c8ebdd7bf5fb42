#include "control/acs_decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "control/one_text.h"

typedef void decode_fn(const struct jcur *m, struct acs_message *out);

static char *required(const struct jcur *m, const char *key)
{
    const char *s = jcur_str(m, key);

    if (jcur_ok(m) && !*s) {
        struct jcur at = jcur_get(m, key);

        jcur_fail(&at, "is empty");
    }
    return mem_strdup(s);
}

static void decode_heartbeat(const struct jcur *m, struct acs_message *out)
{
    out->message_id = jcur_strdup_or(m, "messageId", NULL);
    jcur_bool_or(m, "healthy", true);
}

/* ---- payload ---- */

static void add_role(struct acs_message *out, const char *task_arn, struct task_credentials *keys)
{
    if (!keys->id)
        return;
    out->roles = mem_resize(out->roles, out->n_roles + 1, sizeof *out->roles);
    out->roles[out->n_roles++] = (struct acs_role){ mem_strdup(task_arn), *keys };
    *keys = (struct task_credentials){ 0 };
}

/* Both sets of keys or none: a task without its keys must not start. */
static enum err_code decode_roles(const struct json_t *v, const struct task *t,
                                  struct acs_message *out, struct err *e)
{
    struct jcur root = jcur_root(v, e), app, exec;
    struct task_credentials a = { 0 }, x = { 0 };

    app = jcur_get(&root, "roleCredentials");
    exec = jcur_get(&root, "executionRoleCredentials");
    if (task_decode_credentials(&app, &a, e) || task_decode_credentials(&exec, &x, e)) {
        task_credentials_fini(&a);
        task_credentials_fini(&x);
        return e->code;
    }
    add_role(out, t->arn, &a);
    add_role(out, t->arn, &x);
    return ERR_OK;
}

static void decode_task(const struct jcur *c, struct control_payload_task *to,
                        struct acs_message *out)
{
    struct err e = { 0 }, arn_err = { 0 };
    struct task *t = NULL;
    struct jcur alone;

    if (jcur_type(c) != JSON_OBJ)
        err_set(&e, ERR_INVALID, "the task is not an object");
    else if (!task_decode(c->val, &t, &e))
        decode_roles(c->val, t, out, &e);
    if (!e.code) {
        to->task = t;
        return;
    }
    task_destroy(t);
    alone = jcur_root(c->val, &arn_err);
    to->arn = jcur_strdup_or(&alone, "arn", NULL);
    if (arn_err.code || str_empty(to->arn)) {
        free(to->arn);
        to->arn = NULL;
    }
    to->error = mem_strdup(e.msg);
}

static void decode_payload(const struct jcur *m, struct acs_message *out)
{
    struct jcur tasks = jcur_arr(m, "tasks");

    out->message_id = required(m, "messageId");
    out->cluster_arn = required(m, "clusterArn");
    out->instance_arn = required(m, "containerInstanceArn");
    out->seq = jcur_int_or(m, "seqNum", INT64_MIN, INT64_MAX, -1);
    if (!jcur_ok(m) || jcur_len(&tasks) == 0)
        return;
    out->n_tasks = jcur_len(&tasks);
    out->tasks = mem_array(out->n_tasks, sizeof *out->tasks);
    JCUR_EACH (task, &tasks)
        decode_task(&task, &out->tasks[task_i], out);
}

/* ---- the others ---- */

static void decode_credentials(const struct jcur *m, struct acs_message *out)
{
    struct jcur keys = jcur_obj(m, "roleCredentials"), role = jcur_get(m, "roleType");
    struct task_credentials got = { 0 };
    const char *type = jcur_str(m, "roleType");
    AUTO(str) char *arn = NULL;

    out->message_id = required(m, "messageId");
    arn = required(m, "taskArn");
    jcur_str_or(m, "taskClusterArn", "");
    if (jcur_ok(m) && !streq(type, "TaskApplication") && !streq(type, "TaskExecution"))
        jcur_fail(&role, "'%.80s' is no role type", type);
    if (jcur_ok(m) && !jcur_present(&keys))
        jcur_fail(&keys, "expected object, but it is missing");
    if (jcur_ok(m) && !task_decode_credentials(&keys, &got, m->err))
        add_role(out, arn, &got);
}

static void add_arn(struct acs_message *out, char *arn)
{
    out->arns = mem_resize(out->arns, out->n_arns + 1, sizeof *out->arns);
    out->arns[out->n_arns++] = arn;
}

static void decode_manifest(const struct jcur *m, struct acs_message *out)
{
    struct jcur tasks = jcur_arr(m, "tasks");
    struct err ignored = { 0 };

    out->message_id = jcur_strdup_or(m, "messageId", NULL);
    out->cluster_arn = jcur_strdup_or(m, "clusterArn", NULL);
    out->instance_arn = jcur_strdup_or(m, "containerInstanceArn", NULL);
    out->seq = jcur_int_or(m, "timeline", INT64_MIN, INT64_MAX, -1);
    out->entries = mem_array(jcur_len(&tasks) + 1, sizeof *out->entries);
    JCUR_EACH (task, &tasks) {
        struct control_manifest_entry *to = &out->entries[out->n_entries++];
        const char *desired = jcur_str_or(&task, "desiredStatus", "");

        add_arn(out, mem_strdup(jcur_str(&task, "taskArn")));
        to->arn = out->arns[out->n_arns - 1];
        /* Only RUNNING keeps a task alive; a name we do not know is not it. */
        if (!*desired || task_status_parse(desired, &to->desired, &ignored))
            to->desired = TASK_NONE;
    }
}

static void decode_stop_ack(const struct jcur *m, struct acs_message *out)
{
    struct jcur tasks = jcur_arr(m, "stopTasks");

    out->message_id = required(m, "messageId");
    JCUR_EACH (task, &tasks)
        add_arn(out, mem_strdup(jcur_str(&task, "taskArn")));
}

static void decode_addressed(const struct jcur *m, struct acs_message *out)
{
    out->message_id = jcur_strdup_or(m, "messageId", NULL);
    out->cluster_arn = jcur_strdup_or(m, "clusterArn", NULL);
    out->instance_arn = jcur_strdup_or(m, "containerInstanceArn", NULL);
}

static void decode_text(const struct jcur *m, struct acs_message *out)
{
    out->text = jcur_strdup_or(m, "message", "");
}

static const struct known {
    const char *type;
    enum acs_kind kind;
    decode_fn *decode;
} known[] = {
    { "HeartbeatMessage", ACS_HEARTBEAT, decode_heartbeat },
    { "PayloadMessage", ACS_PAYLOAD, decode_payload },
    { "IAMRoleCredentialsMessage", ACS_CREDENTIALS, decode_credentials },
    { "TaskManifestMessage", ACS_MANIFEST, decode_manifest },
    { "TaskStopVerificationAck", ACS_STOP_ACK, decode_stop_ack },
    { "StageUpdateMessage", ACS_UPDATE, decode_addressed },
    { "PerformUpdateMessage", ACS_UPDATE, decode_addressed },
    { "AttachTaskNetworkInterfacesMessage", ACS_UNSUPPORTED, decode_addressed },
    { "AttachInstanceNetworkInterfacesMessage", ACS_UNSUPPORTED, decode_addressed },
    { "ConfirmAttachmentMessage", ACS_UNSUPPORTED, decode_addressed },
    { "CloseMessage", ACS_NOTED, decode_text },
    { "ErrorMessage", ACS_NOTED, decode_text },
    { "ServerException", ACS_NOTED, decode_text },
    { "BadRequestException", ACS_NOTED, decode_text },
    { "InvalidClusterException", ACS_NOTED, decode_text },
    { "InvalidInstanceException", ACS_NOTED, decode_text },
    { "AccessDeniedException", ACS_NOTED, decode_text },
    { "InactiveInstanceException", ACS_NOTED, decode_text },
};

static const struct known *find(const char *type)
{
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (streq(known[i].type, type))
            return &known[i];
    }
    return NULL;
}

static bool one_key(const struct jcur *root, struct acs_message *out)
{
    const struct known *k;
    struct jcur member;

    if (!one_text_member(root, &member))
        return false;
    k = find(member.key);
    if (!k || k->kind != ACS_NOTED)
        return false;
    out->kind = ACS_NOTED;
    snprintf(out->type, sizeof out->type, "%s", k->type);
    out->text = mem_strdup(jcur_as_str(&member));
    return true;
}

static void decode_envelope(const struct jcur *root, struct acs_message *out)
{
    const char *type;
    const struct known *k;
    struct jcur message;

    if (jcur_type(root) != JSON_OBJ) {
        jcur_fail(root, "the message is not an object");
        return;
    }
    if (one_key(root, out))
        return;
    type = jcur_str(root, "type");
    message = jcur_obj(root, "message");
    if (!jcur_ok(root))
        return;
    snprintf(out->type, sizeof out->type, "%s", type);
    k = find(type);
    if (!k) {
        out->kind = ACS_UNKNOWN;
        return;
    }
    if (!jcur_present(&message)) {
        jcur_fail(&message, "expected object, but it is missing");
        return;
    }
    out->kind = k->kind;
    k->decode(&message, out);
}

enum err_code acs_decode(struct str text, struct acs_message *out, struct err *e)
{
    AUTO(json) struct json_t *v = NULL;
    struct acs_message m = { .kind = ACS_UNKNOWN, .seq = -1 };
    struct err found = { 0 };
    struct jcur root;

    if (json_parse(text.p, text.n, &v, &found))
        return err_set(e, ERR_INVALID, "%s", found.msg);
    root = jcur_root(v, &found);
    decode_envelope(&root, &m);
    if (found.code) {
        err_set(e, ERR_INVALID, "%s%s%s", m.type, *m.type ? ": " : "", found.msg);
        acs_message_fini(&m);
        return ERR_INVALID;
    }
    *out = m;
    return ERR_OK;
}

void acs_message_fini(struct acs_message *m)
{
    free(m->message_id);
    free(m->cluster_arn);
    free(m->instance_arn);
    for (size_t i = 0; i < m->n_tasks; i++) {
        task_destroy(m->tasks[i].task);
        free(m->tasks[i].arn);
        free(m->tasks[i].error);
    }
    free(m->tasks);
    for (size_t i = 0; i < m->n_roles; i++) {
        free(m->roles[i].task_arn);
        task_credentials_fini(&m->roles[i].keys);
    }
    free(m->roles);
    free(m->entries);
    for (size_t i = 0; i < m->n_arns; i++)
        free(m->arns[i]);
    free(m->arns);
    free(m->text);
    *m = (struct acs_message){ .kind = ACS_UNKNOWN, .seq = -1 };
}

void acs_refusal(int status, struct str body, struct err *out)
{
    AUTO(buf) struct buf quoted = BUF_INIT(4096);
    struct acs_message m = { 0 };
    struct err ignored = { 0 };

    if (!acs_decode(body, &m, &ignored)) {
        bool named = m.kind == ACS_NOTED;

        if (named)
            err_set(out, ERR_RETRY, "%s: %.800s", m.type, m.text);
        acs_message_fini(&m);
        if (named)
            return;
    }
    json_quote(&quoted, (struct str){ body.p, str_utf8_prefix(body.p, body.n, 300) });
    err_set(out, ERR_RETRY, "the handshake was refused: status %d, %s", status, buf_text(&quoted));
}
