#pragma once
/* credentials: where the instance's own AWS credentials come from, and the table
 * of the tasks' role credentials. Memory only; wiped when replaced. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aws/sigv4.h"
#include "base/err.h"
#include "io/http_client.h"

struct credentials;

/* Looks a variable up; NULL when unset. */
typedef const char *credentials_env_fn(void *user, const char *name);

/* Order: environment, shared file (AWS_SHARED_CREDENTIALS_FILE or
 * ~/.aws/credentials, profile AWS_PROFILE or default), instance metadata unless
 * imds_base is NULL. */
struct credentials *credentials_create(struct http_client *http, credentials_env_fn *env,
                                       void *env_user, const char *imds_base);
void credentials_destroy(struct credentials *c); /* wipes; NULL is fine */

/* Gives usable keys, now cached or fetched (on a later turn; at most one fetch
 * at a time, shared). `keys` is borrowed and NULL on error: ERR_DENIED says which
 * sources were tried. */
typedef void credentials_fn(void *user, const struct sigv4_keys *keys, const struct err *e);
struct credentials_op;
struct credentials_op *credentials_get(struct credentials *c, credentials_fn *done, void *user);
void credentials_cancel(struct credentials_op *op); /* NULL is fine */
/* Forgets what is cached (an answer said it is expired or invalid). */
void credentials_invalidate(struct credentials *c);

/* ---- role credentials of tasks ---- */

struct roles;
struct role_credentials { /* all borrowed */
    const char *id, *role_arn, *access_key, *secret_key, *session_token, *expiration;
    const char *task_arn;
};
struct roles *roles_create(void);
void roles_destroy(struct roles *r); /* wipes; NULL is fine */
/* Copies; replaces by id. At most 50000 are kept: then the oldest goes. */
void roles_put(struct roles *r, const struct role_credentials *c);
/* Borrowed until the next put or drop; false when unknown. */
bool roles_get(const struct roles *r, const char *id, struct role_credentials *out);
void roles_drop_task(struct roles *r, const char *task_arn);
