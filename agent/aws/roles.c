#include <stdlib.h>

#include "aws/credentials.h"
#include "aws/roles.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/redact.h"
#include "base/secret.h"

/* More tasks than one host ever has; the oldest goes when an outsider sends more. */
#define ROLES_MAX 50000

struct role {
    char *id; /* key */
    char *role_arn, *access_key, *secret_key, *session_token, *expiration, *task_arn;
    UT_hash_handle hh;
};

struct roles {
    struct role *table; /* in the order in which they came */
    roles_changed_fn *changed;
    void *changed_user;
};

static void role_destroy(struct role *r)
{
    free(r->id);
    free(r->role_arn);
    mem_wipe(r->access_key);
    mem_wipe(r->secret_key);
    mem_wipe(r->session_token);
    free(r->expiration);
    free(r->task_arn);
    free(r);
}

static void drop(struct roles *r, struct role *role)
{
    HASH_DEL(r->table, role);
    role_destroy(role);
}

static struct role *find(const struct roles *r, const char *id)
{
    struct role *role;

    HASH_FIND_STR(r->table, id, role);
    return role;
}

struct roles *roles_create(void)
{
    return NEW(struct roles);
}

void roles_destroy(struct roles *r)
{
    struct role *role, *next;

    if (!r)
        return;
    HASH_ITER (hh, r->table, role, next)
        drop(r, role);
    free(r);
}

static void tell(const struct roles *r)
{
    if (r->changed)
        r->changed(r->changed_user);
}

static struct role_credentials lend(const struct role *role)
{
    return (struct role_credentials){ .id = role->id,
                                      .role_arn = role->role_arn,
                                      .access_key = role->access_key,
                                      .secret_key = role->secret_key,
                                      .session_token = role->session_token,
                                      .expiration = role->expiration,
                                      .task_arn = role->task_arn };
}

static bool same(const struct role *old, const struct role_credentials *c)
{
    const struct role_credentials had = lend(old);
    const char *a[ROLE_TEXTS], *b[ROLE_TEXTS];

    role_texts(&had, a);
    role_texts(c, b);
    for (size_t i = 0; i < ROLE_TEXTS; i++) {
        if (!a[i] != !b[i] || (a[i] && !streq(a[i], b[i])))
            return false;
    }
    return true;
}

void roles_put(struct roles *r, const struct role_credentials *c)
{
    struct role *role, *old = find(r, c->id);

    if (old && same(old, c))
        return;
    role = NEW(struct role);
    role->id = mem_strdup(c->id);
    role->role_arn = mem_strdup(c->role_arn);
    role->access_key = secret_strdup(c->access_key);
    role->secret_key = secret_strdup(c->secret_key);
    role->session_token = secret_strdup(c->session_token);
    role->expiration = mem_strdup(c->expiration);
    role->task_arn = mem_strdup(c->task_arn);
    if (old)
        drop(r, old);
    else if (HASH_COUNT(r->table) >= ROLES_MAX)
        drop(r, r->table);
    HASH_ADD_KEYPTR(hh, r->table, role->id, strlen(role->id), role);
    tell(r);
}

bool roles_get(const struct roles *r, const char *id, struct role_credentials *out)
{
    const struct role *role = find(r, id);

    if (!role)
        return false;
    *out = lend(role);
    return true;
}

void roles_each(const struct roles *r, roles_each_fn *fn, void *user)
{
    const struct role *role, *next;

    HASH_ITER (hh, r->table, role, next) {
        const struct role_credentials c = lend(role);

        fn(user, &c);
    }
}

void roles_drop_task(struct roles *r, const char *task_arn)
{
    struct role *role, *next;
    bool any = false;

    HASH_ITER (hh, r->table, role, next) {
        if (!role->task_arn || !streq(role->task_arn, task_arn))
            continue;
        drop(r, role);
        any = true;
    }
    if (any)
        tell(r);
}

void roles_sweep(struct roles *r, roles_keep_fn *keep, void *user)
{
    struct role *role, *next;
    bool any = false;

    HASH_ITER (hh, r->table, role, next) {
        if (role->task_arn && keep(user, role->task_arn))
            continue;
        drop(r, role);
        any = true;
    }
    if (any)
        tell(r);
}

size_t roles_count(const struct roles *r)
{
    return HASH_COUNT(r->table);
}

void roles_on_change(struct roles *r, roles_changed_fn *fn, void *user)
{
    r->changed = fn;
    r->changed_user = user;
}

void roles_redact(const struct roles *r, const char *task_arn, struct buf *text)
{
    for (const struct role *role = r->table; role; role = role->hh.next) {
        if (!role->task_arn || !streq(role->task_arn, task_arn))
            continue;
        redact(text, role->access_key);
        redact(text, role->secret_key);
        redact(text, role->session_token);
    }
}
