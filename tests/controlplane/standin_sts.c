/* STS: GetCallerIdentity, AssumeRole, AssumeRoleWithWebIdentity. The keys that it
 * hands out are good for every service here, and end when it says. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "standins.h"

#define SERVICE "sts"
#define XMLNS   " xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\""

/* ---- answers ---- */

static void begin(struct buf *b, const char *action)
{
    buf_printf(b, "<%sResponse" XMLNS "><%sResult>", action, action);
}

static void reply(struct standins *st, struct standin_call *sc, struct cp_http *h,
                  const char *action, struct buf *b)
{
    char id[RNG_UUID_SIZE];

    rng_uuid(cp_server_rng(standins_server(st)), id);
    buf_printf(b, "</%sResult><ResponseMetadata>", action);
    xml_element(b, "RequestId", id);
    buf_printf(b, "</ResponseMetadata></%sResponse>\n", action);
    standin_note(st, sc, "");
    cp_http_reply(h, 200, "text/xml", buf_str(b));
    if (b->data)
        explicit_bzero(b->data, b->len);
    buf_fini(b);
}

static void caller_identity(struct standins *st, struct standin_call *sc, struct cp_http *h)
{
    AUTO(str) char *arn = standin_caller(st, sc->signer);
    struct buf b = BUF_INIT(8192);

    begin(&b, sc->operation);
    xml_element(&b, "Arn", arn);
    xml_element(&b, "UserId", sc->signer);
    xml_element(&b, "Account", cp_server_account(standins_server(st)));
    reply(st, sc, h, sc->operation, &b);
}

/* ---- roles ---- */

static void random_text(struct rng *rng, size_t n, char *out)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567abcdefghijklmnopqrstuvwxyz";

    for (size_t i = 0; i < n; i++)
        out[i] = letters[rng_below(rng, sizeof letters - 1)];
    out[n] = '\0';
}

static void hand_out(struct standins *st, struct standin_call *sc, struct cp_http *h,
                     const char *role, const char *session, int64_t life_s)
{
    struct cp_server *s = standins_server(st);
    AUTO(str) char *arn = cp_server_session_arn(s, role, session);
    int64_t expires_ms = clock_wall_ms() / 1000 * 1000 + life_s * 1000;
    char id[21] = "ASIA", secret[41], token[121], expiration[CLOCK_ISO_SIZE];
    AUTO(str) char *user_id = NULL;
    struct buf b = BUF_INIT(8192);

    snprintf(id, sizeof id, "ASIA%016llX", (unsigned long long)rng_next(cp_server_rng(s)));
    random_text(cp_server_rng(s), 40, secret);
    random_text(cp_server_rng(s), 120, token);
    cp_server_add_role_key(s, id, secret, token, role, arn, expires_ms);
    clock_iso(expires_ms, expiration);
    memcpy(strchr(expiration, '.'), "Z", 2);
    user_id = mem_printf("AROAEXAMPLE:%s", session);
    begin(&b, sc->operation);
    buf_puts(&b, "<AssumedRoleUser>");
    xml_element(&b, "Arn", arn);
    xml_element(&b, "AssumedRoleId", user_id);
    buf_puts(&b, "</AssumedRoleUser><Credentials>");
    xml_element(&b, "AccessKeyId", id);
    xml_element(&b, "SecretAccessKey", secret);
    xml_element(&b, "SessionToken", token);
    xml_element(&b, "Expiration", expiration);
    buf_puts(&b, "</Credentials>");
    explicit_bzero(secret, sizeof secret);
    explicit_bzero(token, sizeof token);
    reply(st, sc, h, sc->operation, &b);
}

static bool session_good(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "_=,.@-";
    size_t n = strlen(name);

    return n >= 2 && n <= 64 && strspn(name, allowed) == n;
}

static void invalid(struct standins *st, struct standin_call *sc, struct cp_http *h,
                    const char *what)
{
    cp_violation(standins_server(st), "%s: %s", sc->operation, what);
    standin_http_refuse(st, sc, h, 400, "ValidationError", "%s", what);
}

static void assume(struct standins *st, struct standin_call *sc, struct cp_http *h,
                   const struct url_params *form, bool web)
{
    const char *role = url_params_get(form, "RoleArn");
    const char *session = url_params_get(form, "RoleSessionName");
    const char *life = url_params_get(form, "DurationSeconds");
    const char *token = url_params_get(form, "WebIdentityToken");
    struct cloud_thing *t = role ? cloud_find(standins_cloud(st), CLOUD_ROLE, NULL, role) : NULL;
    struct err none = { 0 };
    struct jcur entry = t ? cloud_entry(t) : jcur_root(NULL, &none);
    const char *want = jcur_str_or(&entry, "web_identity_token", NULL);
    int64_t seconds = 3600;

    if (role)
        standin_name(sc, role);
    if (!role || !str_starts(role, "arn:") || !strstr(role, ":role/")) {
        invalid(st, sc, h, "RoleArn is not the ARN of a role");
    } else if (!session || !session_good(session)) {
        invalid(st, sc, h, "RoleSessionName is missing or not of 2 to 64 allowed characters");
    } else if (life && str_to_int(life, 900, 43200, &seconds, NULL)) {
        invalid(st, sc, h, "DurationSeconds is not in 900..43200");
    } else if (web && (!token || strlen(token) < 4)) {
        invalid(st, sc, h, "WebIdentityToken is missing or shorter than 4 characters");
    } else if (web && want && !streq(want, token)) {
        standin_http_refuse(st, sc, h, 400, "InvalidIdentityToken",
                            "The ID Token provided is not a valid JWT. (You may see this error if "
                            "you sent an Access Token)");
    } else if (jcur_bool_or(&entry, "deny", false)) {
        AUTO(str) char *action = mem_printf("sts:%s", sc->operation);
        AUTO(str)
        char *text = web ? mem_printf("Not authorized to perform %s", action)
                         : standin_denial(st, sc->signer, action, role);

        standin_http_refuse(st, sc, h, 403, "AccessDenied", "%s", text);
    } else {
        hand_out(st, sc, h, role, session, seconds);
    }
}

static void check_names(struct standins *st, const struct url_params *form, const char *action)
{
    static const char *const known[] = { "Action",          "Version",         "RoleArn",
                                         "RoleSessionName", "DurationSeconds", "WebIdentityToken",
                                         "ProviderId",      "ExternalId",      "Policy" };

    for (size_t i = 0; i < form->count; i++) {
        size_t k = 0;

        while (k < COUNT_OF(known) && !streq(known[k], form->items[i].name))
            k++;
        if (k == COUNT_OF(known))
            cp_violation(standins_server(st), "%s: unknown members: %s", action,
                         form->items[i].name);
    }
}

static void on_form(void *user, struct cp_http *h, const struct url_params *form,
                    const char *action, const struct cp_caller *who)
{
    struct standins *st = user;
    struct standin_call sc = standin_http_call(SERVICE, action, h, who);
    const char *version = url_params_get(form, "Version");

    if (!version || !streq(version, "2011-06-15")) {
        cp_violation(standins_server(st), "%s: Version is not 2011-06-15", action);
        standin_http_refuse(st, &sc, h, 400, "InvalidAction",
                            "Could not find operation %s for version %s", action,
                            version ? version : "NO_VERSION_SPECIFIED");
        return;
    }
    check_names(st, form, action);
    if (streq(action, "GetCallerIdentity"))
        caller_identity(st, &sc, h);
    else if (streq(action, "AssumeRole"))
        assume(st, &sc, h, form, false);
    else if (streq(action, "AssumeRoleWithWebIdentity"))
        assume(st, &sc, h, form, true);
}

void standin_sts_add(struct standins *st)
{
    cp_server_add_form(standins_server(st), SERVICE, on_form, st);
}
