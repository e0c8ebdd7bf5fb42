#pragma once
/* credentials: where the instance's own AWS credentials come from, and the table
 * of the tasks' role credentials. Memory only; wiped when replaced. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aws/aws.h"
#include "aws/imds.h"
#include "aws/sigv4.h"
#include "base/err.h"
#include "base/json.h"

struct credentials;

/* Order on EC2: environment; web identity (AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN);
 * shared files (AWS_SHARED_CREDENTIALS_FILE, aws-credentials in the service manager's
 * CREDENTIALS_DIRECTORY, or ~/.aws/credentials; AWS_CONFIG_FILE or ~/.aws/config; profile
 * AWS_PROFILE or default: keys, role_arn with source_profile or credential_source,
 * credential_process); container credentials
 * (AWS_CONTAINER_CREDENTIALS_*); the instance's role; the rotating file. An ECS Anywhere
 * host (external): environment, rotating file, shared files, the instance's role.
 *
 * The first source that gives keys wins. Keys that end are renewed five minutes before, on
 * the next use; while they are good for another minute they are given out meanwhile. Files
 * are looked at again each minute. A refresh that fails leaves the old keys until they end,
 * and trouble with the source that they came from does not turn to another one before. */
struct credentials_args {
    struct aws *aws;   /* borrowed */
    struct imds *imds; /* borrowed; NULL: instance metadata is turned off */
    aws_env_fn *env;   /* looked up anew at each fetch */
    void *env_user;
    bool external;
    const char *rotating_file;    /* NULL: /root/.aws/credentials. Copied. */
    const char *rotating_profile; /* ECS_ALTERNATE_CREDENTIAL_PROFILE; NULL: default. Copied. */
};
struct credentials *credentials_create(const struct credentials_args *args);
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
/* The same, as long as it is these keys: who was refused with them may come late. */
void credentials_refused(struct credentials *c, const char *access_key);
/* Forgets what is cached and what is known of the sources: they may have changed (reload). */
void credentials_reload(struct credentials *c);
/* {"source":"instance role web","expires_ms":…,"last_error":…}: where the keys came from,
 * never what they are. Writes one object. */
void credentials_write_status(const struct credentials *c, struct jw *w);

/* The rule (io/child.h) under which a profile's credential_process is run. */
#define CREDENTIALS_PROGRAM "credential_process"
/* Whether a profile in the shared files, as they are now, names this program with these words: the
 * judgment of that rule. Blocks. */
bool credentials_names_program(aws_env_fn *env, void *env_user, const char *const *argv);

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
/* Takes the keys of the task's roles out of a text (base/redact.h). */
struct buf;
void roles_redact(const struct roles *r, const char *task_arn, struct buf *text);
/* Drops those whose task is none that `keep` knows (NULL: they have no task). */
typedef bool roles_keep_fn(void *user, const char *task_arn);
void roles_sweep(struct roles *r, roles_keep_fn *keep, void *user);
size_t roles_count(const struct roles *r);
/* Called inside each put, drop and sweep that changes something; it may only take a note of it.
 * A put of what is there already changes nothing. */
typedef void roles_changed_fn(void *user);
void roles_on_change(struct roles *r, roles_changed_fn *fn, void *user);

/* The table as bytes, which the next process reads again (its own machine and boot: they are in
 * this machine's byte order). They hold keys: never write them to a file, and wipe every copy. */
#define ROLES_IMAGE_MAX ((size_t)256 << 20)
size_t roles_image_size(const struct roles *r);
/* Fills exactly roles_image_size bytes. */
void roles_image_write(const struct roles *r, void *to);
/* Puts all of them into the table, or changes nothing. ERR_INVALID: another version wrote it, or
 * it is cut short or damaged. */
MUST_CHECK enum err_code roles_image_read(struct roles *r, const void *data, size_t n,
                                          struct err *e);
