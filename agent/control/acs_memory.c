#include "control/acs_memory.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"

void acs_remembered_fini(struct acs_remembered *r)
{
    free(r->message_id);
    free(r->cluster);
    free(r->instance);
    for (size_t i = 0; i < r->n_refs; i++) {
        free(r->refs[i].id);
        free(r->refs[i].expiration);
    }
    free(r->refs);
    *r = (struct acs_remembered){ 0 };
}

void acs_memory_fini(struct acs_memory *m)
{
    for (size_t i = 0; i < ACS_MEMORY_MAX; i++)
        acs_remembered_fini(&m->slots[i]);
    free(m->last_cluster);
    free(m->last_instance);
    m->last_cluster = m->last_instance = NULL;
}

static struct acs_remembered *find(struct acs_memory *m, const char *message_id)
{
    for (size_t i = 0; i < ACS_MEMORY_MAX; i++) {
        if (m->slots[i].message_id && streq(m->slots[i].message_id, message_id))
            return &m->slots[i];
    }
    return NULL;
}

void acs_memory_add(struct acs_memory *m, const struct acs_message *message)
{
    struct acs_remembered *to;

    if (message->cluster_arn)
        mem_replace(&m->last_cluster, message->cluster_arn);
    if (message->instance_arn)
        mem_replace(&m->last_instance, message->instance_arn);
    if (str_empty(message->message_id))
        return;
    to = find(m, message->message_id);
    if (!to) {
        to = &m->slots[m->next];
        m->next = (m->next + 1) % ACS_MEMORY_MAX;
    }
    acs_remembered_fini(to);
    to->message_id = mem_strdup(message->message_id);
    to->cluster = mem_strdup(message->cluster_arn);
    to->instance = mem_strdup(message->instance_arn);
    if (message->n_roles)
        to->refs = mem_array(message->n_roles, sizeof *to->refs);
    for (; to->n_refs < message->n_roles; to->n_refs++) {
        const struct task_credentials *keys = &message->roles[to->n_refs].keys;

        to->refs[to->n_refs].id = mem_strdup(keys->id);
        to->refs[to->n_refs].expiration = mem_strdup(keys->expiration);
    }
}

void acs_memory_new_session(struct acs_memory *m)
{
    for (size_t i = 0; i < ACS_MEMORY_MAX; i++)
        m->slots[i].stale = true;
}

bool acs_memory_take(struct acs_memory *m, const char *message_id, struct acs_remembered *out)
{
    struct acs_remembered *from = find(m, message_id);

    if (!from) {
        *out = (struct acs_remembered){ .cluster = mem_strdup(m->last_cluster),
                                        .instance = mem_strdup(m->last_instance) };
        return false;
    }
    *out = *from;
    *from = (struct acs_remembered){ 0 };
    return true;
}
