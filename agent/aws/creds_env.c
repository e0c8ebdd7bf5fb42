#include "aws/creds_sources.h"
#include "base/mem.h"
#include "base/secret.h"

const char *creds_env(const struct creds_context *x, const char *name)
{
    const char *value = x->env(x->env_user, name);

    return str_empty(value) ? NULL : value;
}

enum err_code creds_env_read(aws_env_fn *env, void *user, struct cred_set *out, struct err *e)
{
    struct creds_context x = { .env = env, .env_user = user };
    const char *access = creds_env(&x, "AWS_ACCESS_KEY_ID");
    const char *secret = creds_env(&x, "AWS_SECRET_ACCESS_KEY");
    const char *token = creds_env(&x, "AWS_SESSION_TOKEN");

    if (!access || !secret)
        return err_set(e, ERR_NOT_FOUND, "%s is not set",
                       access ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
    *out = (struct cred_set){ .access_key = secret_strdup(access),
                              .secret_key = secret_strdup(secret),
                              .session_token = secret_strdup(token),
                              .source = mem_strdup("environment") };
    return ERR_OK;
}
