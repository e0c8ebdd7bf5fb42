#pragma once
/* creds_sources: the places where the instance's own keys may be. Private to aws. */
#include <stdint.h>

#include "aws/credentials.h"
#include "base/err.h"
#include "base/str.h"
#include "io/http_client.h"

struct cred_set { /* owned; zeroed: empty */
    char *access_key, *secret_key, *session_token;
    int64_t expires_ms; /* wall clock; 0: never */
};
void cred_set_fini(struct cred_set *s); /* wipes, frees, zeroes */

/* Wipes and frees a secret; NULL is fine. */
void secret_free(char *s);

/* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN. ERR_NOT_FOUND when
 * one of the first two is unset. */
MUST_CHECK enum err_code creds_env_read(credentials_env_fn *env, void *user, struct cred_set *out,
                                        struct err *e);

/* The keys of one profile in the text of a shared credentials file. Pure. */
MUST_CHECK enum err_code creds_ini_read(const char *text, size_t n, const char *profile,
                                        struct cred_set *out, struct err *e);
/* Blocks: for a worker thread. The file may have at most 1 MiB. */
MUST_CHECK enum err_code creds_file_read(const char *path, const char *profile,
                                         struct cred_set *out, struct err *e);

/* The answer of iam/security-credentials/<role>. Pure. */
MUST_CHECK enum err_code creds_imds_parse(struct str text, struct cred_set *out, struct err *e);

/* The instance's role from the metadata service. `set` is NULL on error; `done`
 * may take what is in it (and zero it). */
struct creds_imds;
typedef void creds_imds_fn(void *user, struct cred_set *set, const struct err *e);
struct creds_imds *creds_imds_fetch(struct http_client *http, const char *base, creds_imds_fn *done,
                                    void *user);
void creds_imds_cancel(struct creds_imds *f); /* NULL is fine */
