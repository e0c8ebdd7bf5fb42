#include "auth_keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

#define KEEP_EXPIRED_MS (60LL * 60 * 1000)

struct auth_keys *auth_keys_create(void)
{
    return NEW(struct auth_keys);
}

static void key_destroy(struct auth_key *k)
{
    explicit_bzero(k->secret, strlen(k->secret));
    if (k->token)
        explicit_bzero(k->token, strlen(k->token));
    free(k->id);
    free(k->secret);
    free(k->token);
    free(k->role);
    free(k->arn);
    free(k);
}

const struct auth_key *auth_keys_find(const struct auth_keys *k, const char *id, size_t n)
{
    const struct auth_key *found;

    HASH_FIND(hh, k->by_id, id, n, found);
    return found;
}

void auth_keys_remove(struct auth_keys *k, const char *id)
{
    struct auth_key *found;

    HASH_FIND_STR(k->by_id, id, found);
    if (found) {
        HASH_DEL(k->by_id, found);
        key_destroy(found);
    }
}

void auth_keys_destroy(struct auth_keys *k)
{
    struct auth_key *it, *next;

    if (!k)
        return;
    HASH_ITER (hh, k->by_id, it, next) {
        HASH_DEL(k->by_id, it);
        key_destroy(it);
    }
    free(k);
}

void auth_keys_add(struct auth_keys *k, const struct auth_key_args *args)
{
    struct auth_key *fresh = NEW(struct auth_key);

    auth_keys_remove(k, args->id);
    fresh->id = mem_strdup(args->id);
    fresh->secret = mem_strdup(args->secret);
    fresh->token = mem_strdup(args->token);
    fresh->role = mem_strdup(args->role);
    fresh->arn = mem_strdup(args->arn);
    fresh->expires_ms = args->expires_ms ? args->expires_ms : INT64_MAX;
    HASH_ADD_KEYPTR(hh, k->by_id, fresh->id, strlen(fresh->id), fresh);
}

void auth_keys_set(struct auth_keys *k, const char *id, const char *secret, const char *token)
{
    auth_keys_add(k, &(const struct auth_key_args){ .id = id, .secret = secret, .token = token });
}

static bool in_session(const struct auth_key *k, const char *session)
{
    return k->role && k->arn && streq(str_after_last(k->arn, '/'), session);
}

/* Long over: nobody who is still told "expired" learns more from that. */
static void prune(struct auth_keys *k, int64_t before_ms)
{
    struct auth_key *it, *next;

    HASH_ITER (hh, k->by_id, it, next) {
        if (it->expires_ms >= before_ms)
            continue;
        HASH_DEL(k->by_id, it);
        key_destroy(it);
    }
}

size_t auth_keys_expire(struct auth_keys *k, const struct auth_selection *which, int64_t at_ms)
{
    struct auth_key *it, *next;
    size_t n = 0;

    prune(k, at_ms - KEEP_EXPIRED_MS);
    HASH_ITER (hh, k->by_id, it, next) {
        if ((which->id && !streq(which->id, it->id)) ||
            (which->role && !(it->role && streq(which->role, it->role))) ||
            (which->session && !in_session(it, which->session)) ||
            (which->instance && (it->role || !it->arn)) || it->expires_ms <= at_ms)
            continue;
        it->expires_ms = at_ms;
        n++;
    }
    return n;
}

enum err_code auth_keys_load(struct auth_keys *k, struct str json, struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err why = { 0 };
    struct jcur root = jcur_root(NULL, &why), item;

    if (json_parse(json.p, json.n, &doc, e))
        return e->code;
    root = jcur_root(doc, &why);
    if (jcur_type(&root) != JSON_OBJ)
        return err_set(e, ERR_INVALID, "expected an object of key ids");
    for (size_t i = 0; jcur_member(&root, i, &item); i++) {
        bool object = jcur_type(&item) == JSON_OBJ;
        const char *secret = object ? jcur_str(&item, "secret") : jcur_as_str(&item);
        const char *token = object ? jcur_str_or(&item, "token", NULL) : NULL;

        if (!jcur_ok(&root))
            return err_set(e, ERR_INVALID, "%s", why.msg);
        if (str_empty(item.key) || strlen(item.key) >= AUTH_KEY_SIZE || str_empty(secret))
            return err_set(e, ERR_INVALID, "a key id must have 1 to 128 characters and a secret");
        auth_keys_set(k, item.key, secret, token);
    }
    return ERR_OK;
}
