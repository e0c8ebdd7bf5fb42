#include "aws/creds_sources.h"
#include "base/mem.h"

enum err_code creds_env_read(credentials_env_fn *env, void *user, struct cred_set *out,
                             struct err *e)
{
    const char *access = env(user, "AWS_ACCESS_KEY_ID");
    const char *secret = env(user, "AWS_SECRET_ACCESS_KEY");
    const char *token = env(user, "AWS_SESSION_TOKEN");

    if (str_empty(access) || str_empty(secret))
        return err_set(e, ERR_NOT_FOUND, "%s is not set",
                       str_empty(access) ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY");
    *out = (struct cred_set){ .access_key = mem_strdup(access),
                              .secret_key = mem_strdup(secret),
                              .session_token = str_empty(token) ? NULL : mem_strdup(token) };
    return ERR_OK;
}
