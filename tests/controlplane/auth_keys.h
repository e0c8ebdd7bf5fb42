#pragma once
/* auth_keys: who may sign. One key is known by its id; it may belong to a role,
 * and it may end. Pure. */
#include <uthash.h>

#include "auth.h"

struct auth_key {
    UT_hash_handle hh;
    char *id, *secret, *token;
    char *role;         /* the ARN of the task role that it is a key of; NULL: none */
    char *arn;          /* of the caller, "arn:aws:sts::…"; NULL: a user named like the key */
    int64_t expires_ms; /* wall clock; INT64_MAX: never */
};

struct auth_keys {
    struct auth_key *by_id;
};

/* Borrowed until the key is set anew or removed; NULL: unknown. */
const struct auth_key *auth_keys_find(const struct auth_keys *k, const char *id, size_t n);
