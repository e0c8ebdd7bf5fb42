#pragma once
/* acs_memory: whom to answer, and with which credential sets, when a message is
 * acknowledged later. Holds the last ACS_MEMORY_MAX messages; what is forgotten is
 * sent again by the control plane. No secrets. Pure. */
#include <stddef.h>

#include "control/acs_decode.h"

#define ACS_MEMORY_MAX 256

struct acs_credential_ref {
    char *id, *expiration;
};

struct acs_remembered {
    char *message_id; /* NULL: the slot is free */
    char *cluster, *instance;
    struct acs_credential_ref *refs;
    size_t n_refs;
    bool stale; /* of a session that has ended */
};

struct acs_memory {
    struct acs_remembered slots[ACS_MEMORY_MAX];
    size_t next; /* the slot that the next message takes */
    char *last_cluster, *last_instance;
};

void acs_memory_fini(struct acs_memory *m);
/* A message of a known id replaces the earlier one; one without an id is ignored. */
void acs_memory_add(struct acs_memory *m, const struct acs_message *message);
/* What was remembered until now is stale, unless it comes again. */
void acs_memory_new_session(struct acs_memory *m);
/* Moves the entry out (acs_remembered_fini it); false when it is not there, then
 * `out` has the ARNs of the newest message, if there was any. */
bool acs_memory_take(struct acs_memory *m, const char *message_id, struct acs_remembered *out);
void acs_remembered_fini(struct acs_remembered *r);
