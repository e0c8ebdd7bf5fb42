#include <stdlib.h>
#include <string.h>

#include "aws/creds_sources.h"
#include "aws/imds.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#define ROLES_PATH "meta-data/iam/security-credentials/"

struct creds_imds {
    struct imds *imds;
    struct imds_op *op;
    creds_imds_fn *done;
    void *user;
};

enum err_code creds_imds_parse(struct str text, struct cred_set *out, struct err *e)
{
    AUTO(json) struct json_t *v = NULL;
    struct err local = { 0 }, *je = e ? e : &local;
    struct jcur root;
    const char *code, *access, *secret, *token, *expiration;
    int64_t expires_ms = 0;

    *je = (struct err){ 0 };
    if (json_parse(text.p, text.n, &v, je))
        return err_wrap(je, "role credentials");
    root = jcur_root(v, je);
    code = jcur_str_or(&root, "Code", "Success");
    if (jcur_ok(&root) && !streq(code, "Success"))
        return err_set(je, ERR_DENIED, "role credentials: the service says %.80s: %.200s", code,
                       jcur_str_or(&root, "Message", ""));
    access = jcur_str(&root, "AccessKeyId");
    secret = jcur_str(&root, "SecretAccessKey");
    token = jcur_str_or(&root, "Token", "");
    expiration = jcur_str_or(&root, "Expiration", NULL);
    if (jcur_ok(&root) && expiration)
        (void)!clock_parse_iso(expiration, &expires_ms, je);
    if (je->code)
        return err_wrap(je, "role credentials");
    if (!*access || !*secret)
        return err_set(je, ERR_DENIED, "role credentials: the keys are empty");
    *out = (struct cred_set){ .access_key = mem_strdup(access),
                              .secret_key = mem_strdup(secret),
                              .session_token = *token ? mem_strdup(token) : NULL,
                              .expires_ms = expires_ms };
    return ERR_OK;
}

void creds_imds_cancel(struct creds_imds *f)
{
    if (!f)
        return;
    imds_cancel(f->op);
    imds_destroy(f->imds);
    free(f);
}

static void finish(struct creds_imds *f, struct cred_set *set, const struct err *e)
{
    creds_imds_fn *done = f->done;
    void *user = f->user;

    creds_imds_cancel(f);
    done(user, set, e);
}

static void on_keys(void *user, struct str text, const struct err *e)
{
    struct creds_imds *f = user;
    struct cred_set set = { 0 };
    struct err local = *e;

    f->op = NULL;
    if (local.code || creds_imds_parse(text, &set, &local)) {
        finish(f, NULL, &local);
        return;
    }
    finish(f, &set, &local);
    cred_set_fini(&set);
}

static void on_role(void *user, struct str text, const struct err *e)
{
    struct creds_imds *f = user;
    struct str role = text;
    const char *eol = text.n ? memchr(text.p, '\n', text.n) : NULL;
    struct err local = *e;
    AUTO(str) char *path = NULL;

    f->op = NULL;
    if (eol)
        role.n = (size_t)(eol - text.p);
    role = str_trim(role);
    if (!local.code && (role.n == 0 || role.n > 256 || memchr(role.p, '/', role.n)))
        err_set(&local, ERR_NOT_FOUND, "the instance has no role");
    if (local.code) {
        finish(f, NULL, &local);
        return;
    }
    path = mem_printf(ROLES_PATH "%.*s", (int)role.n, role.p);
    f->op = imds_get(f->imds, path, on_keys, f);
}

struct creds_imds *creds_imds_fetch(struct http_client *http, const char *base, creds_imds_fn *done,
                                    void *user)
{
    struct creds_imds *f = NEW(struct creds_imds);

    f->imds = imds_create(http, base);
    f->done = done;
    f->user = user;
    f->op = imds_get(f->imds, ROLES_PATH, on_role, f);
    return f;
}
