#include <stdlib.h>
#include <string.h>

#include "aws/creds_sources.h"
#include "base/mem.h"
#include "base/secret.h"

/* One profile as it is written: both files together. */
struct profile {
    bool in_config, in_credentials;
    char *access_key, *secret_key, *session_token;
    char *role_arn, *source_profile, *credential_source, *external_id, *role_session_name;
    char *duration_seconds, *mfa_serial, *web_identity_token_file, *credential_process;
    bool sso;
};

static const struct {
    const char *name;
    size_t offset;
} settings[] = {
    { "aws_access_key_id", offsetof(struct profile, access_key) },
    { "aws_secret_access_key", offsetof(struct profile, secret_key) },
    { "aws_session_token", offsetof(struct profile, session_token) },
    { "role_arn", offsetof(struct profile, role_arn) },
    { "source_profile", offsetof(struct profile, source_profile) },
    { "credential_source", offsetof(struct profile, credential_source) },
    { "external_id", offsetof(struct profile, external_id) },
    { "role_session_name", offsetof(struct profile, role_session_name) },
    { "duration_seconds", offsetof(struct profile, duration_seconds) },
    { "mfa_serial", offsetof(struct profile, mfa_serial) },
    { "web_identity_token_file", offsetof(struct profile, web_identity_token_file) },
    { "credential_process", offsetof(struct profile, credential_process) },
};

static char **slot(struct profile *p, size_t i)
{
    return (char **)(void *)((char *)p + settings[i].offset);
}

static void profile_fini(struct profile *p)
{
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        mem_wipe(*slot(p, i));
    *p = (struct profile){ 0 };
}

static void take(void *user, struct str name, struct str value)
{
    struct profile *p = user;

    if (name.n > 4 && strncasecmp(name.p, "sso_", 4) == 0)
        p->sso = true;
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        if (!creds_ini_is(name, settings[i].name))
            continue;
        mem_wipe(*slot(p, i));
        *slot(p, i) = value.n ? secret_strndup(value.p, value.n) : NULL;
    }
}

static void profile_read(struct str config, struct str credentials, const char *name,
                         struct profile *out)
{
    out->in_config = creds_ini_walk(config, true, name, take, out);
    out->in_credentials = creds_ini_walk(credentials, false, name, take, out);
}

/* ---- the plan ---- */

void cred_hop_fini(struct cred_hop *h)
{
    mem_wipe(h->role_arn);
    mem_wipe(h->session_name);
    mem_wipe(h->external_id);
    *h = (struct cred_hop){ 0 };
}

void cred_plan_fini(struct cred_plan *p)
{
    cred_set_fini(&p->keys);
    mem_wipe(p->command);
    cred_hop_fini(&p->web);
    mem_wipe(p->web_token_file);
    for (size_t i = 0; i < p->n_hops; i++)
        cred_hop_fini(&p->hops[i]);
    *p = (struct cred_plan){ 0 };
}

static char *moved(char **from)
{
    char *s = *from;

    *from = NULL;
    return s;
}

static bool has_keys(const struct profile *p)
{
    return p->access_key && p->secret_key;
}

static enum err_code take_hop(struct profile *p, const char *name, struct cred_hop *out,
                              struct err *e)
{
    int64_t duration = 0;

    if (p->duration_seconds && str_to_int(p->duration_seconds, 900, 43200, &duration, e))
        return err_wrap(e, "profile '%.80s': duration_seconds", name);
    if (p->mfa_serial)
        return err_set(e, ERR_INVALID,
                       "profile '%.80s' needs a code from a person (mfa_serial), which a host "
                       "without one cannot give",
                       name);
    *out = (struct cred_hop){ .role_arn = moved(&p->role_arn),
                              .session_name = moved(&p->role_session_name),
                              .external_id = moved(&p->external_id),
                              .duration_s = duration };
    return ERR_OK;
}

static enum err_code take_credential_source(const char *source, const char *name,
                                            struct cred_plan *out, struct err *e)
{
    static const struct {
        const char *name;
        enum cred_base base;
    } known[] = { { "Environment", BASE_ENV },
                  { "Ec2InstanceMetadata", BASE_INSTANCE },
                  { "EcsContainer", BASE_CONTAINER } };

    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (strcasecmp(source, known[i].name) == 0) {
            out->base = known[i].base;
            return ERR_OK;
        }
    }
    return err_set(e, ERR_INVALID,
                   "profile '%.80s': credential_source is none of Environment, "
                   "Ec2InstanceMetadata, EcsContainer",
                   name);
}

static void take_keys(struct profile *p, struct cred_plan *out)
{
    out->base = BASE_KEYS;
    out->keys = (struct cred_set){ .access_key = moved(&p->access_key),
                                   .secret_key = moved(&p->secret_key),
                                   .session_token = moved(&p->session_token) };
}

static enum err_code take_base(struct profile *p, const char *name, struct cred_plan *out,
                               struct err *e)
{
    if (has_keys(p)) {
        take_keys(p, out);
        return ERR_OK;
    }
    if (p->credential_process) {
        out->base = BASE_PROCESS;
        out->command = moved(&p->credential_process);
        return ERR_OK;
    }
    if (p->sso)
        return err_set(e, ERR_INVALID,
                       "profile '%.80s' signs in by SSO, which is not supported: a host has no "
                       "person to do it",
                       name);
    return err_set(e, ERR_NOT_FOUND, "profile '%.80s' has no %s", name,
                   p->access_key ? "aws_secret_access_key" : "aws_access_key_id");
}

/* One profile's part. *next is set when it goes on with the keys of another. */
static enum err_code plan_step(struct profile *p, const char *name, bool first,
                               struct cred_plan *out, char **next, struct err *e)
{
    if (!p->in_config && !p->in_credentials)
        return err_set(e, ERR_NOT_FOUND, "no profile '%.80s'", name);
    if (p->role_arn && p->web_identity_token_file) {
        out->base = BASE_WEB;
        out->web_token_file = moved(&p->web_identity_token_file);
        return take_hop(p, name, &out->web, e);
    }
    /* Keys of a profile that lends them are meant before its role. */
    if (!p->role_arn || (!first && has_keys(p)))
        return take_base(p, name, out, e);
    if (!p->source_profile == !p->credential_source)
        return err_set(e, ERR_INVALID,
                       "profile '%.80s' has a role_arn and needs one of source_profile and "
                       "credential_source",
                       name);
    if (out->n_hops == CREDS_HOPS_MAX)
        return err_set(e, ERR_INVALID, "profile '%.80s': more than %d roles follow each other",
                       name, CREDS_HOPS_MAX);
    if (take_hop(p, name, &out->hops[out->n_hops], e))
        return e->code;
    out->n_hops++;
    if (p->credential_source)
        return take_credential_source(p->credential_source, name, out, e);
    if (!streq(p->source_profile, name)) {
        *next = moved(&p->source_profile);
        return ERR_OK;
    }
    if (has_keys(p)) { /* its own keys, for its own role */
        take_keys(p, out);
        return ERR_OK;
    }
    return err_set(e, ERR_INVALID, "profile '%.80s' is its own source_profile and has no keys",
                   name);
}

static void reverse(struct cred_hop *hops, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        struct cred_hop h = hops[i];

        hops[i] = hops[n - 1 - i];
        hops[n - 1 - i] = h;
    }
}

enum err_code cred_plan_make(struct str config, struct str credentials, const char *profile,
                             struct cred_plan *out, struct err *e)
{
    char *names[CREDS_HOPS_MAX + 2] = { mem_strdup(profile) };
    struct cred_plan plan = { 0 };
    struct err local = { 0 };
    size_t n = 1;

    if (!e)
        e = &local;
    *e = (struct err){ 0 };
    for (;;) {
        struct profile p = { 0 };
        char *next = NULL;

        profile_read(config, credentials, names[n - 1], &p);
        if (n == 1)
            plan.in_config = !p.in_credentials;
        (void)!plan_step(&p, names[n - 1], n == 1, &plan, &next, e);
        profile_fini(&p);
        if (!next)
            break;
        names[n++] = next;
        for (size_t i = 0; i + 1 < n; i++) {
            if (!e->code && streq(names[i], next))
                err_set(e, ERR_INVALID, "profile '%.80s': source_profile leads back to '%.80s'",
                        names[n - 2], next);
        }
        if (e->code)
            break;
    }
    for (size_t i = 0; i < n; i++)
        mem_wipe(names[i]);
    if (e->code) {
        cred_plan_fini(&plan);
        return e->code;
    }
    reverse(plan.hops, plan.n_hops);
    *out = plan;
    return ERR_OK;
}
