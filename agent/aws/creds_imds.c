#include <stdlib.h>
#include <string.h>

#include "aws/creds_sources.h"
#include "base/mem.h"

#define ROLES_PATH "meta-data/iam/security-credentials/"

struct imds_fetch {
    struct cred_fetch base;
    struct imds *imds;
    struct imds_op *op;
    char *role;
    cred_done_fn *done;
    void *user;
};

enum err_code creds_imds_parse(struct str text, struct cred_set *out, struct err *e)
{
    return creds_json_read(text, "role credentials", "Token", out, e);
}

static void imds_fetch_cancel(struct cred_fetch *base)
{
    struct imds_fetch *f = (struct imds_fetch *)base;

    imds_cancel(f->op);
    free(f->role);
    free(f);
}

static void finish(struct imds_fetch *f, struct cred_set *set, const struct err *e)
{
    cred_done_fn *done = f->done;
    void *user = f->user;

    if (set)
        set->source = mem_printf("instance role %s", f->role);
    imds_fetch_cancel(&f->base);
    done(user, set, e);
}

static void on_keys(void *user, struct str text, const struct err *e)
{
    struct imds_fetch *f = user;
    struct cred_set set = { 0 };
    struct err local = *e;

    f->op = NULL;
    if (!local.code)
        (void)!creds_imds_parse(text, &set, &local);
    finish(f, local.code ? NULL : &set, &local);
    cred_set_fini(&set);
}

static bool is_role(struct str role)
{
    for (size_t i = 0; i < role.n; i++) {
        /* It becomes a part of a URL. */
        if (role.p[i] <= ' ' || role.p[i] > '~' || strchr("/?#%\"<>\\", role.p[i]))
            return false;
    }
    return role.n > 0 && role.n <= 256;
}

static void on_role(void *user, struct str text, const struct err *e)
{
    struct imds_fetch *f = user;
    struct str role = text;
    const char *eol = text.n ? memchr(text.p, '\n', text.n) : NULL;
    struct err local = *e;
    AUTO(str) char *path = NULL;

    f->op = NULL;
    if (eol)
        role.n = (size_t)(eol - text.p);
    role = str_trim(role);
    if (!local.code && !is_role(role))
        err_set(&local, ERR_NOT_FOUND, "the instance has no role");
    if (local.code) {
        finish(f, NULL, &local);
        return;
    }
    f->role = mem_strndup(role.p, role.n);
    path = mem_printf(ROLES_PATH "%s", f->role);
    f->op = imds_get(f->imds, path, on_keys, f);
}

struct cred_fetch *creds_imds_fetch(const struct creds_context *x, cred_done_fn *done, void *user)
{
    struct imds_fetch *f = NEW(struct imds_fetch);

    f->base.cancel = imds_fetch_cancel;
    f->imds = x->imds;
    f->done = done;
    f->user = user;
    f->op = imds_get(f->imds, ROLES_PATH, on_role, f);
    return &f->base;
}
