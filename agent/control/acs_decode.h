#pragma once
/* acs_decode: one message of the control plane, from its text. Pure. */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "control/control.h"
#include "task/task.h"

enum acs_kind {
    ACS_HEARTBEAT,
    ACS_PAYLOAD,
    ACS_CREDENTIALS,
    ACS_MANIFEST,
    ACS_STOP_ACK,
    ACS_UPDATE,      /* StageUpdateMessage, PerformUpdateMessage */
    ACS_UNSUPPORTED, /* known, but of a feature that is not advertised */
    ACS_NOTED,       /* CloseMessage, ErrorMessage, exceptions: `text` is for the log */
    ACS_UNKNOWN,     /* does not even count as a sign of life */
};

struct acs_role { /* one set of credentials and whom it belongs to */
    char *task_arn;
    struct task_credentials keys;
};

struct acs_message {
    enum acs_kind kind;
    char type[80];
    char *message_id;   /* NULL when absent (heartbeat, manifest) */
    char *cluster_arn;  /* NULL when absent */
    char *instance_arn; /* NULL when absent */
    int64_t seq;        /* payload seqNum, manifest timeline; -1 when absent */
    struct control_payload_task *tasks;
    size_t n_tasks;
    struct acs_role *roles; /* of the payload's tasks, or the one refreshed */
    size_t n_roles;
    struct control_manifest_entry *entries;
    size_t n_entries;
    char **arns; /* of entries, or of the tasks to stop */
    size_t n_arns;
    char *text;
};

/* ERR_INVALID: what is no message, or lacks or mistypes a member that the message
 * needs; the text names the place. A task that cannot be decoded is no such error:
 * it stands in `tasks` with what is wrong. */
MUST_CHECK enum err_code acs_decode(struct str text, struct acs_message *out, struct err *e);
void acs_message_fini(struct acs_message *m); /* wipes credentials */

/* What a refused handshake says: "InactiveInstanceException: text", or its first
 * bytes, escaped. */
void acs_refusal(int status, struct str body, struct err *out);
