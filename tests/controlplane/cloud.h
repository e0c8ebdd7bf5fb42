#pragma once
/* cloud: what the stand-ins of the cloud's services know: parameters, secrets,
 * buckets, registries, roles and tags, as POST /_local/cloud gave them. Each thing
 * belongs to a region. Pure. */
#include "base/json.h"
#include "base/list.h"

enum cloud_kind {
    CLOUD_PARAMETER,
    CLOUD_SECRET,
    CLOUD_BUCKET,
    CLOUD_REGISTRY,
    CLOUD_ROLE, /* of every region */
    CLOUD_TAGS, /* of every region; the name is an instance's id */
    CLOUD__COUNT
};

struct cloud_thing {
    struct list node;
    char *region, *name;
    char *arn; /* of secrets only */
    char *role;
    struct json_t *doc; /* the entry as it was given */
    struct err err;
};

struct cloud;

struct cloud *cloud_create(const char *region, const char *account);
void cloud_destroy(struct cloud *c); /* NULL is fine */

/* Takes in a document; every entry replaces the one of its name. Nothing changes
 * when it is wrong. The secrets' ARNs are written to `out` as the answer. */
MUST_CHECK enum err_code cloud_apply(struct cloud *c, struct str json, struct buf *out,
                                     struct err *e);
/* The names of all things, as JSON. */
void cloud_write(const struct cloud *c, struct buf *out);

/* Borrowed until the next cloud_apply; NULL: there is none. `region` NULL: any. */
struct cloud_thing *cloud_find(const struct cloud *c, enum cloud_kind kind, const char *region,
                               const char *name);
/* One after the other; `after` NULL: the first. */
struct cloud_thing *cloud_next(const struct cloud *c, enum cloud_kind kind,
                               const struct cloud_thing *after);
/* By name, ARN, or ARN without its random end. */
struct cloud_thing *cloud_find_secret(const struct cloud *c, const char *region, const char *id);
/* By host and port of the address that it announces. */
struct cloud_thing *cloud_find_registry_host(const struct cloud *c, const char *host);
/* The longest bucket name that `host` begins with, followed by a dot. */
struct cloud_thing *cloud_find_bucket_host(const struct cloud *c, const char *host);
/* The entry itself. */
struct jcur cloud_entry(struct cloud_thing *t);
/* May a key of this role (NULL: none) read it? */
bool cloud_may(const struct cloud_thing *t, const char *role);
const char *cloud_account(const struct cloud *c);
