/* standins: STS GetCallerIdentity, and with --metadata the instance metadata
 * service. POST /_local/metadata {"spot/instance-action":"...","mac":null} sets
 * or removes what is served under /latest/meta-data/. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/clock.h"
#include "base/mem.h"
#include "server.h"

#define TOKENS_MAX    64
#define VALUES_MAX    64
#define ROLE          "berth-local-instance-role"
#define CREDENTIAL_MS (6LL * 3600 * 1000)
#define META          "/latest/meta-data/"
#define TOKEN_HEADER  "x-aws-ec2-metadata-token"
#define MAC           "0a:11:22:33:44:55"

struct value {
    char *name, *text; /* text NULL: answer 404 */
};

struct token {
    char text[2 * RNG_UUID_SIZE];
    int64_t until_ms; /* monotonic */
};

struct standins {
    struct cp_server *server;
    char instance_id[32];
    char key_id[32], secret[2 * RNG_UUID_SIZE], session[2 * RNG_UUID_SIZE];
    struct token tokens[TOKENS_MAX]; /* the oldest place is used anew */
    size_t token_next;
    struct value values[VALUES_MAX];
    size_t value_count;
};

/* ---- STS ---- */

static void on_sts(void *user, struct cp_http *h, const struct url_params *form,
                   const char *access_key)
{
    struct standins *st = user;
    const char *action = url_params_get(form, "Action");
    const char *account = cp_server_account(st->server);
    struct buf b = BUF_INIT(4096);
    char id[RNG_UUID_SIZE];

    if (!action || !streq(action, "GetCallerIdentity"))
        return;
    rng_uuid(cp_server_rng(st->server), id);
    buf_printf(&b,
               "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
               "<GetCallerIdentityResult><Arn>arn:aws:iam::%s:user/%s</Arn><UserId>%s</UserId>"
               "<Account>%s</Account></GetCallerIdentityResult>"
               "<ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata>"
               "</GetCallerIdentityResponse>\n",
               account, access_key, access_key, account, id);
    cp_http_reply(h, 200, "text/xml", buf_str(&b));
    buf_fini(&b);
}

/* ---- instance metadata ---- */

static void text_reply(struct cp_http *h, int status, const char *text)
{
    cp_http_reply(h, status, "text/plain", str_of(text));
}

static void random_text(struct standins *st, char out[2 * RNG_UUID_SIZE])
{
    rng_uuid(cp_server_rng(st->server), out);
    rng_uuid(cp_server_rng(st->server), out + RNG_UUID_SIZE - 1);
}

static void new_token(struct standins *st, struct cp_http *h)
{
    const char *ttl = h->header(h, TOKEN_HEADER "-ttl-seconds");
    struct token *t = &st->tokens[st->token_next % TOKENS_MAX];
    int64_t seconds;

    if (!ttl || str_to_int(ttl, 1, 21600, &seconds, NULL)) {
        text_reply(h, 400, "the TTL must be 1 to 21600 seconds\n");
        return;
    }
    st->token_next++;
    random_text(st, t->text);
    t->until_ms = clock_mono_ms() + seconds * 1000;
    text_reply(h, 200, t->text);
}

/* No token is version 1 of the protocol and allowed. */
static bool token_ok(const struct standins *st, struct cp_http *h)
{
    const char *given = h->header(h, TOKEN_HEADER);

    if (!given)
        return true;
    for (size_t i = 0; i < TOKENS_MAX; i++) {
        if (st->tokens[i].text[0] && streq(st->tokens[i].text, given))
            return st->tokens[i].until_ms > clock_mono_ms();
    }
    return false;
}

static void reply_credentials(struct standins *st, struct cp_http *h)
{
    struct buf b = BUF_INIT(4096);
    char now[CLOCK_ISO_SIZE], later[CLOCK_ISO_SIZE];
    struct jw w;

    clock_iso(clock_wall_ms(), now);
    clock_iso(clock_wall_ms() + CREDENTIAL_MS, later);
    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "Code", "Success");
    jw_kstr(&w, "LastUpdated", now);
    jw_kstr(&w, "Type", "AWS-HMAC");
    jw_kstr(&w, "AccessKeyId", st->key_id);
    jw_kstr(&w, "SecretAccessKey", st->secret);
    jw_kstr(&w, "Token", st->session);
    jw_kstr(&w, "Expiration", later);
    jw_end(&w);
    cp_http_reply(h, 200, "text/plain", buf_str(&b));
    buf_fini(&b);
}

static void reply_document(struct standins *st, struct cp_http *h)
{
    struct buf b = BUF_INIT(4096);
    char *zone = mem_printf("%sa", cp_server_region(st->server));
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "accountId", cp_server_account(st->server));
    jw_kstr(&w, "architecture", "x86_64");
    jw_kstr(&w, "availabilityZone", zone);
    jw_kstr(&w, "imageId", "ami-0123456789abcdef0");
    jw_kstr(&w, "instanceId", st->instance_id);
    jw_kstr(&w, "instanceType", "m5.large");
    jw_kstr(&w, "pendingTime", "2026-01-02T03:04:05Z");
    jw_kstr(&w, "privateIp", "127.0.0.1");
    jw_kstr(&w, "region", cp_server_region(st->server));
    jw_kstr(&w, "version", "2017-09-30");
    jw_end(&w);
    cp_http_reply(h, 200, "text/plain", buf_str(&b));
    buf_fini(&b);
    free(zone);
}

static struct value *value_find(struct standins *st, const char *name)
{
    for (size_t i = 0; i < st->value_count; i++) {
        if (streq(st->values[i].name, name))
            return &st->values[i];
    }
    return NULL;
}

static bool value_set(struct standins *st, const char *name, const char *text)
{
    struct value *v = value_find(st, name);

    if (!v) {
        if (st->value_count == VALUES_MAX)
            return false;
        v = &st->values[st->value_count++];
        v->name = mem_strdup(name);
    }
    mem_replace(&v->text, text);
    return true;
}

static void on_metadata(void *user, struct cp_http *h)
{
    struct standins *st = user;
    const char *path = h->path;
    struct value *v;

    if (streq(path, "/latest/api/token")) {
        if (streq(h->method, "PUT"))
            new_token(st, h);
        else
            text_reply(h, 405, "only PUT\n");
        return;
    }
    if (!streq(h->method, "GET")) {
        text_reply(h, 405, "only GET\n");
        return;
    }
    if (!token_ok(st, h)) {
        text_reply(h, 401, "the token is not valid\n");
        return;
    }
    if (streq(path, "/latest/dynamic/instance-identity/document")) {
        reply_document(st, h);
    } else if (streq(path, "/latest/dynamic/instance-identity/signature")) {
        /* Base64 as the real one, but of nothing: there is no one to verify it. */
        text_reply(h, 200, "YmVydGgtbG9jYWw6IG5vdCBhIHJlYWwgc2lnbmF0dXJl");
    } else if (streq(path, META "iam/security-credentials") ||
               streq(path, META "iam/security-credentials/")) {
        text_reply(h, 200, ROLE);
    } else if (streq(path, META "iam/security-credentials/" ROLE)) {
        reply_credentials(st, h);
    } else if (str_starts(path, META) && (v = value_find(st, path + strlen(META))) && v->text) {
        text_reply(h, 200, v->text);
    } else if (streq(path, "/latest/user-data") && (v = value_find(st, "user-data")) && v->text) {
        text_reply(h, 200, v->text);
    } else {
        text_reply(h, 404, "not found\n");
    }
}

static void on_admin(void *user, struct cp_http *h)
{
    struct standins *st = user;
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 }, why = { 0 };
    struct jcur root = jcur_root(NULL, &why), item;

    if (!streq(h->method, "POST"))
        return;
    if (json_parse(h->body.p, h->body.n, &doc, &e)) {
        text_reply(h, 400, e.msg);
        return;
    }
    root = jcur_root(doc, &why);
    for (size_t i = 0; jcur_member(&root, i, &item); i++) {
        const char *text = jcur_present(&item) ? jcur_as_str(&item) : NULL;

        if (!jcur_ok(&root) || !value_set(st, item.key, text)) {
            text_reply(h, 400, why.code ? why.msg : "too many values\n");
            return;
        }
    }
    cp_http_reply(h, 200, "application/json", str_of("{}"));
}

static void default_values(struct standins *st)
{
    char *zone = mem_printf("%sa", cp_server_region(st->server));

    value_set(st, "mac", MAC);
    value_set(st, "network/interfaces/macs/" MAC "/vpc-id", "vpc-0123456789abcdef0");
    value_set(st, "network/interfaces/macs/" MAC "/subnet-id", "subnet-0123456789abcdef0");
    value_set(st, "instance-id", st->instance_id);
    value_set(st, "instance-type", "m5.large");
    value_set(st, "placement/region", cp_server_region(st->server));
    value_set(st, "placement/availability-zone", zone);
    value_set(st, "placement/availability-zone-id", "usw2-az1");
    value_set(st, "local-ipv4", "127.0.0.1");
    free(zone);
}

static void on_exit_standins(void *user)
{
    struct standins *st = user;

    for (size_t i = 0; i < st->value_count; i++) {
        free(st->values[i].name);
        free(st->values[i].text);
    }
    explicit_bzero(st, sizeof *st);
    free(st);
}

void cp_standins_add(struct cp_server *s)
{
    struct standins *st = NEW(struct standins);

    st->server = s;
    cp_server_add_form(s, "sts", on_sts, st);
    if (cp_server_options(s)->metadata) {
        uint64_t a = rng_next(cp_server_rng(s));

        snprintf(st->instance_id, sizeof st->instance_id, "i-0%016llx", (unsigned long long)a);
        snprintf(st->key_id, sizeof st->key_id, "ASIA%016llX",
                 (unsigned long long)rng_next(cp_server_rng(s)));
        random_text(st, st->secret);
        random_text(st, st->session);
        cp_server_add_key(s, st->key_id, st->secret, st->session);
        default_values(st);
        cp_server_add_path(s, "/latest/", on_metadata, st);
        cp_server_add_path(s, "/_local/metadata", on_admin, st);
    }
    cp_server_at_exit(s, on_exit_standins, st);
}
