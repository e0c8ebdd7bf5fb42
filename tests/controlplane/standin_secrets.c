/* Secrets Manager: GetSecretValue. */
#include <openssl/sha.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "standins.h"

#define SERVICE    "secretsmanager"
#define CURRENT    "AWSCURRENT"
#define ID_MIN     32
#define ID_MAX     64
#define VERSION_ID 37

static const struct shape request[] = { { "SecretId", SHAPE_STR, NULL, true },
                                        { "VersionId", SHAPE_STR, NULL, false },
                                        { "VersionStage", SHAPE_STR, NULL, false },
                                        { NULL, SHAPE_STR, NULL, false } };

/* One version of a secret: its id, its stages, its text. */
struct version {
    char id[ID_MAX + 1];
    const char *text, *binary; /* one of them; borrowed from the entry */
};

/* The id of a version that was given by its stage only: always the same one. */
static void made_id(const char *arn, const char *stage, char out[ID_MAX + 1])
{
    AUTO(str) char *both = mem_printf("%s %s", arn, stage);
    unsigned char sum[SHA256_DIGEST_LENGTH];
    char hex[2 * sizeof sum + 1];

    SHA256((const unsigned char *)both, strlen(both), sum);
    str_hex(sum, sizeof sum, hex);
    memcpy(out, hex, VERSION_ID - 1);
    out[VERSION_ID - 1] = '\0';
    out[8] = out[13] = out[18] = out[23] = '-';
}

/* A stage's value names a version or is the text itself. "string" and "binary" are
 * what AWSCURRENT is when the stages do not say. */
static bool of_stage(struct cloud_thing *t, const char *stage, struct version *out)
{
    struct jcur entry = cloud_entry(t);
    struct jcur stages = jcur_obj(&entry, "stages"), versions = jcur_obj(&entry, "versions");
    struct jcur value = jcur_exact(&stages, stage);

    *out = (struct version){ 0 };
    made_id(t->arn, stage, out->id);
    if (jcur_present(&value)) {
        struct jcur named = jcur_exact(&versions, jcur_as_str(&value));

        out->text = jcur_as_str(&value);
        if (jcur_present(&named)) {
            memcpy(out->id, out->text, strlen(out->text) + 1);
            out->text = jcur_as_str(&named);
        }
        return true;
    }
    if (!streq(stage, CURRENT))
        return false;
    out->text = jcur_str_or(&entry, "string", NULL);
    out->binary = jcur_str_or(&entry, "binary", NULL);
    return out->text || out->binary;
}

static bool of_id(struct cloud_thing *t, const char *id, struct version *out)
{
    struct jcur entry = cloud_entry(t);
    struct jcur stages = jcur_obj(&entry, "stages"), versions = jcur_obj(&entry, "versions");
    struct jcur value = jcur_exact(&versions, id), stage;

    *out = (struct version){ 0 };
    if (jcur_present(&value)) {
        memcpy(out->id, id, strlen(id) + 1);
        out->text = jcur_as_str(&value);
        return true;
    }
    for (size_t i = 0; jcur_member(&stages, i, &stage); i++) {
        if (of_stage(t, stage.key, out) && streq(out->id, id))
            return true;
    }
    return of_stage(t, CURRENT, out) && streq(out->id, id);
}

static void answer(struct standins *st, struct standin_call *sc, struct cp_call *c,
                   struct cloud_thing *t, const struct version *v)
{
    struct buf b = BUF_INIT(STANDIN_ANSWER_MAX);
    struct jcur entry = cloud_entry(t), stages = jcur_obj(&entry, "stages"), stage;
    struct version other;
    bool current = false;
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "ARN", t->arn);
    jw_key(&w, "CreatedDate");
    jw_millis(&w, 1767323045000);
    jw_kstr(&w, "Name", t->name);
    if (v->text)
        jw_kstr(&w, "SecretString", v->text);
    else
        jw_kstr(&w, "SecretBinary", v->binary);
    jw_kstr(&w, "VersionId", v->id);
    jw_karray(&w, "VersionStages");
    for (size_t i = 0; jcur_member(&stages, i, &stage); i++) {
        current = current || streq(stage.key, CURRENT);
        if (of_stage(t, stage.key, &other) && streq(other.id, v->id))
            jw_str(&w, stage.key);
    }
    if (!current && of_stage(t, CURRENT, &other) && streq(other.id, v->id))
        jw_str(&w, CURRENT);
    jw_end(&w);
    jw_end(&w);
    standin_reply(st, sc, c, &b);
}

/* The version that is asked for; false: refused. */
static bool choose(struct standins *st, struct standin_call *sc, struct cp_call *c,
                   struct cloud_thing *t, struct version *v)
{
    const char *id = jcur_str_or(&c->body, "VersionId", NULL);
    const char *stage = jcur_str_or(&c->body, "VersionStage", NULL);
    struct version staged;

    if (id && !of_id(t, id, v)) {
        standin_refuse(st, sc, c, "ResourceNotFoundException",
                       "Secrets Manager can't find the specified secret value for VersionId: %s",
                       id);
        return false;
    }
    if (id && stage && !(of_stage(t, stage, &staged) && streq(staged.id, v->id))) {
        standin_refuse(st, sc, c, "InvalidRequestException",
                       "You provided a VersionStage that is not associated to the provided "
                       "VersionId.");
        return false;
    }
    if (!id && !of_stage(t, stage ? stage : CURRENT, v)) {
        standin_refuse(st, sc, c, "ResourceNotFoundException",
                       "Secrets Manager can't find the specified secret value for staging label: "
                       "%s",
                       stage ? stage : CURRENT);
        return false;
    }
    return true;
}

/* What the service checks before it looks for the secret. */
static const char *wrong(const struct cp_call *c)
{
    const char *secret = jcur_str(&c->body, "SecretId");
    const char *id = jcur_str_or(&c->body, "VersionId", NULL);
    struct jcur stage = jcur_get(&c->body, "VersionStage");
    int colons = 0;

    for (const char *p = secret; *p; p++)
        colons += *p == ':';
    if (!*secret || strlen(secret) > 2048 || (colons && !str_starts(secret, "arn:")) || colons > 6)
        return "Invalid name. Must be a valid name containing alphanumeric characters, or any of "
               "the following: -/_+=.@!";
    if (id && (strlen(id) < ID_MIN || strlen(id) > ID_MAX))
        return "1 validation error detected: Value at 'versionId' failed to satisfy constraint: "
               "Member must have length between 32 and 64";
    if (jcur_present(&stage) && !*jcur_as_str(&stage))
        return "1 validation error detected: Value at 'versionStage' failed to satisfy "
               "constraint: Member must have length greater than or equal to 1";
    return NULL;
}

static void get_value(struct standins *st, struct cp_call *c)
{
    const char *id = jcur_str_or(&c->body, "SecretId", ""), *why;
    struct standin_call sc;
    struct cloud_thing *t;
    struct jcur entry;
    struct version v;

    if (!standin_begin(st, SERVICE, c, request, &sc))
        return;
    standin_name(&sc, id);
    why = wrong(c);
    if (why) {
        cp_violation(standins_server(st), "GetSecretValue: %s", why);
        standin_refuse(st, &sc, c, "ValidationException", "%s", why);
        return;
    }
    t = cloud_find_secret(standins_cloud(st), c->region, id);
    if (!t) {
        standin_refuse(st, &sc, c, "ResourceNotFoundException",
                       "Secrets Manager can't find the specified secret.");
        return;
    }
    if (!standin_may(st, t, c->access_key)) {
        AUTO(str)
        char *text = standin_denial(st, c->access_key, "secretsmanager:GetSecretValue", t->arn);

        standin_refuse(st, &sc, c, "AccessDeniedException", "%s", text);
        return;
    }
    entry = cloud_entry(t);
    if (jcur_bool_or(&entry, "deleted", false)) {
        standin_refuse(st, &sc, c, "InvalidRequestException",
                       "You can't perform this operation on the secret because it was marked for "
                       "deletion.");
        return;
    }
    if (choose(st, &sc, c, t, &v))
        answer(st, &sc, c, t, &v);
}

static void on_call(void *user, struct cp_call *c)
{
    if (streq(c->operation, "GetSecretValue"))
        get_value(user, c);
    else
        cp_reply_error(c, 400, "UnknownOperationException", "%s is not offered here", c->operation);
}

void standin_secrets_add(struct standins *st)
{
    cp_server_add_regional(standins_server(st), SERVICE, SERVICE, on_call, st);
}
