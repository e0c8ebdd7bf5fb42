#include "cloud.h"

#include <ctype.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "shape.h"

#define ENTRY_MAX ((size_t)32 * 1024 * 1024)

struct cloud {
    char *region, *account;
    struct list things[CLOUD__COUNT];
};

#define STR(n)                    \
    {                             \
        n, SHAPE_STR, NULL, false \
    }
#define BOOL(n)                    \
    {                              \
        n, SHAPE_BOOL, NULL, false \
    }
#define MAP(n)                    \
    {                             \
        n, SHAPE_MAP, NULL, false \
    }
#define END                          \
    {                                \
        NULL, SHAPE_STR, NULL, false \
    }
#define COMMON STR("region"), STR("role"), BOOL("remove")

static const struct shape parameter[] = { STR("name"), STR("value"), STR("type"), COMMON, END };
static const struct shape secret[] = {
    STR("name"),     STR("arn"),      STR("string"), STR("binary"), MAP("stages"),
    MAP("versions"), BOOL("deleted"), COMMON,        END,
};
/* The objects are looked at by hand. */
static const struct shape bucket[] = { STR("name"), COMMON, END };
static const struct shape registry[] = {
    STR("id"),
    STR("user"),
    STR("password"),
    STR("proxyEndpoint"),
    STR("endpointOverride"),
    { "expires_s", SHAPE_INT, NULL, false },
    COMMON,
    END,
};
static const struct shape role[] = { STR("arn"), BOOL("deny"), STR("web_identity_token"),
                                     BOOL("remove"), END };

/* `main` is the member whose null removes the thing. */
static const struct kind {
    const char *list, *name, *main;
    const struct shape *shape;
} kinds[] = {
    [CLOUD_PARAMETER] = { "parameters", "name", "value", parameter },
    [CLOUD_SECRET] = { "secrets", "name", "string", secret },
    [CLOUD_BUCKET] = { "buckets", "name", "objects", bucket },
    [CLOUD_REGISTRY] = { "registries", "id", "password", registry },
    [CLOUD_ROLE] = { "roles", "arn", NULL, role },
    [CLOUD_TAGS] = { "tags", NULL, NULL, NULL },
};

/* ---- life ---- */

struct cloud *cloud_create(const char *region, const char *account)
{
    struct cloud *c = NEW(struct cloud);

    c->region = mem_strdup(region);
    c->account = mem_strdup(account);
    for (size_t i = 0; i < CLOUD__COUNT; i++)
        list_init(&c->things[i]);
    return c;
}

static void thing_destroy(struct cloud_thing *t)
{
    list_remove(&t->node);
    free(t->region);
    free(t->name);
    free(t->arn);
    free(t->role);
    json_free(t->doc);
    free(t);
}

void cloud_destroy(struct cloud *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < CLOUD__COUNT; i++) {
        LIST_FOREACH (node, next, &c->things[i])
            thing_destroy(LIST_ENTRY(node, struct cloud_thing, node));
    }
    free(c->region);
    free(c->account);
    free(c);
}

const char *cloud_account(const struct cloud *c)
{
    return c->account;
}

/* ---- finding ---- */

#define THING(n) LIST_ENTRY(n, struct cloud_thing, node)

struct cloud_thing *cloud_find(const struct cloud *c, enum cloud_kind kind, const char *region,
                               const char *name)
{
    LIST_FOREACH (node, next, &c->things[kind]) {
        struct cloud_thing *t = THING(node);

        if (streq(t->name, name) && (!region || !t->region || streq(t->region, region)))
            return t;
    }
    return NULL;
}

struct cloud_thing *cloud_next(const struct cloud *c, enum cloud_kind kind,
                               const struct cloud_thing *after)
{
    const struct list *head = &c->things[kind];
    struct list *next = after ? after->node.next : head->next;

    return next == head ? NULL : THING(next);
}

struct cloud_thing *cloud_find_secret(const struct cloud *c, const char *region, const char *id)
{
    LIST_FOREACH (node, next, &c->things[CLOUD_SECRET]) {
        struct cloud_thing *t = THING(node);
        size_t short_n = strlen(t->arn) - strlen("-abcdef");

        if (!streq(t->region, region))
            continue;
        if (streq(t->name, id) || streq(t->arn, id) ||
            (strlen(id) == short_n && memcmp(id, t->arn, short_n) == 0))
            return t;
    }
    return NULL;
}

struct cloud_thing *cloud_find_registry_host(const struct cloud *c, const char *host)
{
    LIST_FOREACH (node, next, &c->things[CLOUD_REGISTRY]) {
        struct cloud_thing *t = THING(node);
        struct jcur entry = cloud_entry(t);
        const char *url = jcur_str_or(&entry, "proxyEndpoint", "");
        const char *at = strstr(url, "://");
        size_t n;

        at = at ? at + 3 : url;
        n = strcspn(at, "/");
        if (n == strlen(host) && memcmp(at, host, n) == 0)
            return t;
    }
    return NULL;
}

struct cloud_thing *cloud_find_bucket_host(const struct cloud *c, const char *host)
{
    struct cloud_thing *best = NULL;

    LIST_FOREACH (node, next, &c->things[CLOUD_BUCKET]) {
        struct cloud_thing *t = THING(node);
        size_t n = strlen(t->name);

        if (str_starts(host, t->name) && host[n] == '.' && (!best || n > strlen(best->name)))
            best = t;
    }
    return best;
}

struct jcur cloud_entry(struct cloud_thing *t)
{
    return jcur_root(t->doc, &t->err);
}

bool cloud_may(const struct cloud_thing *t, const char *role_arn)
{
    if (!t->role)
        return true;
    return role_arn ? streq(t->role, role_arn) : streq(t->role, "instance");
}

/* ---- taking in ---- */

/* The six letters that Secrets Manager ends an ARN with; here they follow from
 * the name, so that a test may say the ARN beforehand. */
static char *secret_arn(const struct cloud *c, const char *region, const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    unsigned char sum[SHA256_DIGEST_LENGTH];
    char end[7] = "";

    SHA256((const unsigned char *)name, strlen(name), sum);
    for (size_t i = 0; i < 6; i++)
        end[i] = letters[sum[i] % (sizeof letters - 1)];
    return mem_printf("arn:aws:secretsmanager:%s:%s:secret:%s-%s", region, c->account, name, end);
}

/* "arn:aws:secretsmanager:us-west-2:123456789012:secret:NAME-abcdef" */
static bool secret_arn_split(const char *arn, char **region, char **name)
{
    const char *parts[6], *p = arn;
    size_t n;

    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        p = strchr(p, ':');
        if (!p)
            return false;
        parts[i] = ++p;
    }
    n = strlen(parts[5]);
    if (n < 8 || parts[5][n - 7] != '-')
        return false;
    *region = mem_strndup(parts[2], (size_t)(parts[3] - parts[2] - 1));
    *name = mem_strndup(parts[5], n - 7);
    return true;
}

static void check_objects(const struct jcur *entry)
{
    struct jcur objects = jcur_obj(entry, "objects"), item;

    for (size_t i = 0; jcur_member(&objects, i, &item); i++) {
        if (jcur_type(&item) == JSON_STR)
            continue;
        if (!jcur_expect(&item, JSON_OBJ))
            return;
        if (!*jcur_str_or(&item, "base64", ""))
            jcur_str(&item, "repeat");
        jcur_int_or(&item, "size", 0, (int64_t)ENTRY_MAX, 0);
    }
}

static void check_versions(const struct jcur *entry)
{
    struct jcur versions = jcur_obj(entry, "versions"), item;

    for (size_t i = 0; jcur_member(&versions, i, &item); i++)
        if (strlen(item.key) < 32 || strlen(item.key) > 64)
            jcur_fail(&item, "the id of a version has 32 to 64 characters");
}

/* "objects" is allowed besides what the table of a bucket has. */
static void check_entry(const struct jcur *entry, enum cloud_kind kind)
{
    struct buf unknown = BUF_INIT(512);

    if (jcur_type(entry) != JSON_OBJ)
        jcur_fail(entry, "expected an object");
    else if (shape_check(entry, kinds[kind].shape, &unknown) && unknown.len &&
             !(kind == CLOUD_BUCKET && streq(buf_text(&unknown), "objects")))
        jcur_fail(entry, "unknown members: %s", buf_text(&unknown));
    if (kind == CLOUD_BUCKET)
        check_objects(entry);
    if (kind == CLOUD_SECRET)
        check_versions(entry);
    buf_fini(&unknown);
}

static struct json_t *copy_of(const struct json_t *v)
{
    struct buf text = BUF_INIT(ENTRY_MAX);
    struct err ignored = { 0 };
    struct json_t *out = NULL;

    if (json_dump(v, &text) && json_parse(text.data, text.len, &out, &ignored))
        out = NULL;
    buf_fini(&text);
    return out;
}

static void put(struct cloud *c, enum cloud_kind kind, struct cloud_thing *fresh, bool keep)
{
    struct cloud_thing *old = cloud_find(c, kind, fresh->region, fresh->name);

    if (old)
        thing_destroy(old);
    list_init(&fresh->node);
    if (keep)
        list_push_back(&c->things[kind], &fresh->node);
    else
        thing_destroy(fresh);
}

static bool removes(const struct jcur *entry, enum cloud_kind kind)
{
    return jcur_bool_or(entry, "remove", false) ||
           (kinds[kind].main && jcur_null(entry, kinds[kind].main));
}

static struct cloud_thing *thing_read(struct cloud *c, enum cloud_kind kind,
                                      const struct jcur *entry)
{
    struct cloud_thing *t = NEW(struct cloud_thing);
    const char *arn = kind == CLOUD_SECRET ? jcur_str_or(entry, "arn", NULL) : NULL;

    list_init(&t->node);
    if (arn) {
        t->arn = mem_strdup(arn);
        if (!secret_arn_split(arn, &t->region, &t->name))
            jcur_fail(entry, "'%s' is not the ARN of a secret", arn);
    } else {
        t->name = mem_strdup(jcur_str(entry, kinds[kind].name));
        if (kind != CLOUD_ROLE)
            t->region = mem_strdup(jcur_str_or(entry, "region", c->region));
        if (kind == CLOUD_SECRET)
            t->arn = secret_arn(c, t->region, t->name);
    }
    t->role = mem_strdup(jcur_str_or(entry, "role", NULL));
    t->doc = copy_of(entry->val);
    if (!t->doc)
        jcur_fail(entry, "is too large");
    return t;
}

static void apply_list(struct cloud *c, enum cloud_kind kind, const struct jcur *root, bool dry)
{
    struct jcur list = jcur_arr(root, kinds[kind].list);

    JCUR_EACH (entry, &list) {
        struct cloud_thing *t;

        check_entry(&entry, kind);
        if (!jcur_ok(root))
            return;
        t = thing_read(c, kind, &entry);
        if (dry || !jcur_ok(root))
            thing_destroy(t);
        else
            put(c, kind, t, !removes(&entry, kind));
    }
}

static void apply_tags(struct cloud *c, const struct jcur *root, bool dry)
{
    struct jcur all = jcur_obj(root, "tags"), of_one, tag;

    for (size_t i = 0; jcur_member(&all, i, &of_one); i++) {
        struct cloud_thing *t;

        for (size_t k = 0; jcur_member(&of_one, k, &tag); k++)
            jcur_as_str(&tag);
        if (dry || !jcur_ok(root))
            continue;
        t = NEW(struct cloud_thing);
        t->name = mem_strdup(of_one.key);
        t->doc = jcur_present(&of_one) ? copy_of(of_one.val) : NULL;
        put(c, CLOUD_TAGS, t, t->doc != NULL);
    }
}

static void apply(struct cloud *c, const struct jcur *root, bool dry)
{
    for (size_t kind = 0; kind < CLOUD_TAGS && jcur_ok(root); kind++)
        apply_list(c, (enum cloud_kind)kind, root, dry);
    if (jcur_ok(root))
        apply_tags(c, root, dry);
}

static void write_secret(struct jw *w, const struct cloud_thing *t)
{
    jw_object(w);
    jw_kstr(w, "name", t->name);
    jw_kstr(w, "arn", t->arn);
    jw_kstr(w, "region", t->region);
    jw_end(w);
}

static void write_given_secrets(struct cloud *c, const struct jcur *root, struct buf *out)
{
    struct jcur list = jcur_arr(root, "secrets");
    struct jw w;

    jw_init(&w, out);
    jw_object(&w);
    jw_karray(&w, "secrets");
    JCUR_EACH (entry, &list) {
        const char *arn = jcur_str_or(&entry, "arn", NULL);
        const char *id = arn ? arn : jcur_str_or(&entry, "name", "");

        LIST_FOREACH (node, next, &c->things[CLOUD_SECRET]) {
            const struct cloud_thing *t = THING(node);

            if (streq(t->arn, id) ||
                (streq(t->name, id) && streq(t->region, jcur_str_or(&entry, "region", c->region))))
                write_secret(&w, t);
        }
    }
    jw_end(&w);
    jw_end(&w);
}

enum err_code cloud_apply(struct cloud *c, struct str json, struct buf *out, struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err why = { 0 };
    struct jcur root, member;

    if (json_parse(json.p, json.n, &doc, e))
        return e->code;
    root = jcur_root(doc, &why);
    jcur_expect(&root, JSON_OBJ);
    for (size_t i = 0; jcur_ok(&root) && jcur_member(&root, i, &member); i++) {
        size_t k = 0;

        while (k < CLOUD__COUNT && !streq(kinds[k].list, member.key))
            k++;
        if (k == CLOUD__COUNT)
            jcur_fail(&root, "'%s' is not known", member.key);
    }
    if (jcur_ok(&root))
        apply(c, &root, true);
    if (!jcur_ok(&root))
        return err_set(e, ERR_INVALID, "%s", why.msg);
    apply(c, &root, false);
    write_given_secrets(c, &root, out);
    return ERR_OK;
}

void cloud_write(const struct cloud *c, struct buf *out)
{
    struct jw w;

    jw_init(&w, out);
    jw_object(&w);
    for (size_t kind = 0; kind < CLOUD__COUNT; kind++) {
        jw_karray(&w, kinds[kind].list);
        LIST_FOREACH (node, next, &c->things[kind]) {
            const struct cloud_thing *t = THING(node);

            jw_object(&w);
            jw_kstr(&w, "name", t->name);
            jw_kstr_if(&w, "region", t->region);
            jw_kstr_if(&w, "arn", t->arn);
            jw_kstr_if(&w, "role", t->role);
            jw_end(&w);
        }
        jw_end(&w);
    }
    jw_end(&w);
}
