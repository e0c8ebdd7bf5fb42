#pragma once
/* creds_sources: the places where the instance's own keys may be. Private to aws.
 *
 * A place that needs time is a `cred_fetch`: starting cannot fail, `done` runs once on a
 * later turn with the fetch gone already, and cancel means silence. */
#include <stdbool.h>
#include <stdint.h>

#include "aws/credentials.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* ---- keys ---- */

struct cred_set { /* owned; zeroed: empty */
    char *access_key, *secret_key, *session_token;
    int64_t expires_ms; /* wall clock; 0: never */
    char *source;       /* where they are from, for people; NULL: not said */
    bool of_file;       /* by files that may change at any time */
    uint64_t digest;    /* of these files' texts, where keys were made by calls; else 0 */
};
void cred_set_fini(struct cred_set *s); /* wipes, frees, zeroes */

/* A JSON object with AccessKeyId, SecretAccessKey, `token_name` and Expiration; a Code
 * other than Success, and a Version other than 1, is an error. `what` begins messages. Pure. */
MUST_CHECK enum err_code creds_json_read(struct str text, const char *what, const char *token_name,
                                         struct cred_set *out, struct err *e);

/* ---- what all sources use ---- */

struct creds_context {
    struct aws *aws;
    struct imds *imds; /* NULL: turned off */
    aws_env_fn *env;
    void *env_user;
};
/* "" is as good as unset: NULL. */
const char *creds_env(const struct creds_context *x, const char *name);

struct cred_fetch {
    void (*cancel)(struct cred_fetch *f);
};
void cred_fetch_cancel(struct cred_fetch *f); /* NULL is fine */

/* `set` is NULL on error; the receiver may take what is in it (and zero it). */
typedef void cred_done_fn(void *user, struct cred_set *set, const struct err *e);

/* ---- environment ---- */

/* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN. ERR_NOT_FOUND when
 * one of the first two is unset. */
MUST_CHECK enum err_code creds_env_read(aws_env_fn *env, void *user, struct cred_set *out,
                                        struct err *e);

/* ---- files ---- */

#define CREDS_FILE_MAX (1024 * 1024)

/* Appends the file's text. Blocks: for a worker thread. ERR_LIMIT: more than the buffer may hold,
 * which is CREDS_FILE_MAX bytes. */
MUST_CHECK enum err_code creds_text_read(const char *path, struct buf *text, struct err *e);

/* The settings of one profile, in their order; names and values are borrowed from the text.
 * The config file calls its sections "profile <name>", but for "default"; a credentials file
 * may. `profile` NULL: all sections'. False: there is no such section. Pure. */
typedef void creds_ini_fn(void *user, struct str name, struct str value);
bool creds_ini_walk(struct str text, bool is_config, const char *profile, creds_ini_fn *fn,
                    void *user);
/* Names of settings have no case. */
bool creds_ini_is(struct str name, const char *text);

/* The keys of one profile in the text of a shared credentials file. Pure. */
MUST_CHECK enum err_code creds_ini_read(const char *text, size_t n, const char *profile,
                                        struct cred_set *out, struct err *e);
/* Blocks: for a worker thread. The file may have at most 1 MiB. */
MUST_CHECK enum err_code creds_file_read(const char *path, const char *profile,
                                         struct cred_set *out, struct err *e);
/* The same as a fetch: the rotating file. */
struct cred_fetch *creds_rotating_fetch(const struct creds_context *x, const char *path,
                                        const char *profile, cred_done_fn *done, void *user);

/* ---- profiles: what the two shared files say together ---- */

#define CREDS_HOPS_MAX 5

struct cred_hop { /* a role to assume; owned */
    char *role_arn, *session_name, *external_id;
    int64_t duration_s; /* 0: the service's own */
};
void cred_hop_fini(struct cred_hop *h);

enum cred_base { BASE_KEYS, BASE_PROCESS, BASE_WEB, BASE_ENV, BASE_INSTANCE, BASE_CONTAINER };

/* How a profile comes to its keys: first the base, then roles, the last of which is the
 * profile's own. */
struct cred_plan {
    enum cred_base base;
    struct cred_set keys; /* BASE_KEYS */
    char *command;        /* BASE_PROCESS */
    struct cred_hop web;  /* BASE_WEB */
    char *web_token_file;
    bool in_config; /* the profile is only in the config file */
    struct cred_hop hops[CREDS_HOPS_MAX];
    size_t n_hops; /* in the order in which they are to be assumed */
};
void cred_plan_fini(struct cred_plan *p); /* wipes */

/* Pure. Settings of the credentials file go before those of the config file. ERR_NOT_FOUND:
 * no such profile, or it has nothing; ERR_INVALID: it has, but it cannot be used. */
MUST_CHECK enum err_code cred_plan_make(struct str config, struct str credentials,
                                        const char *profile, struct cred_plan *out, struct err *e);

/* The profile that the environment names, in the files that it names. When the keys have to
 * be made by calls, and the files are still those of `known_digest`, the outcome is no set
 * and no error: nothing changed. */
struct cred_fetch *creds_shared_fetch(const struct creds_context *x, uint64_t known_digest,
                                      cred_done_fn *done, void *user);
/* Where the config file is, or the one of credentials. free() it. */
char *creds_shared_path(const struct creds_context *x, bool config);

/* ---- a program that prints keys (credential_process) ---- */

/* Takes a command line apart: blanks separate, '...' and "..." hold together, a backslash
 * takes the next character as it is (between double quotes only before " and \, between single
 * quotes never). No variables, no patterns, no shell. NULL-terminated. Pure. */
MUST_CHECK enum err_code creds_argv_split(const char *command, char ***argv, struct err *e);
void creds_argv_free(char **argv); /* NULL is fine */

/* Runs it (io/child.h, as CREDENTIALS_PROGRAM) without a shell, in a process group of its own, with
 * nothing to read; what it says on standard error is dropped. Blocks for up to `limit_ms`: for a
 * worker thread. A byte that can be read from `cancel_fd` ends it. Over the time and over 64 KiB of
 * output it is killed. */
MUST_CHECK enum err_code creds_process_run(const char *command, int64_t limit_ms, int cancel_fd,
                                           struct cred_set *out, struct err *e);

/* ---- STS ---- */

/* AssumeRoleWithWebIdentity, not signed; the token is in a file. */
struct cred_fetch *creds_web_fetch(const struct creds_context *x, const struct cred_hop *role,
                                   const char *token_file, cred_done_fn *done, void *user);
/* AssumeRole, signed with `keys` (copied). */
struct cred_fetch *creds_assume_fetch(const struct creds_context *x, const struct cred_hop *role,
                                      const struct cred_set *keys, cred_done_fn *done, void *user);
/* The answer of either. Pure. */
MUST_CHECK enum err_code creds_sts_read(struct str xml, struct cred_set *out, struct err *e);

/* ---- container credentials ---- */

/* The URL that the two variables give. ERR_NOT_FOUND: neither is set; ERR_DENIED: keys are not
 * fetched from there: only https, and plain http to loopback, 169.254.170.2, 169.254.170.23 and
 * [fd00:ec2::23]. free() *url. Pure. */
MUST_CHECK enum err_code creds_container_url(const char *relative, const char *full, char **url,
                                             struct err *e);
struct cred_fetch *creds_container_fetch(const struct creds_context *x, const char *url,
                                         cred_done_fn *done, void *user);

/* ---- the instance's role ---- */

/* The answer of iam/security-credentials/<role>. Pure. */
MUST_CHECK enum err_code creds_imds_parse(struct str text, struct cred_set *out, struct err *e);
struct cred_fetch *creds_imds_fetch(const struct creds_context *x, cred_done_fn *done, void *user);

/* ---- for tests ---- */

/* How long files are believed (60 s). */
void credentials_set_file_keep_ms(struct credentials *c, int64_t ms);
