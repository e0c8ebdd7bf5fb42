#pragma once
/* secrets: fetches what a task needs from the cloud before its containers can be made:
 * values of secrets (SSM Parameter Store, Secrets Manager), environment files (S3), and the
 * passwords of registries (ECR, Secrets Manager).
 *
 * With the task's execution role, which comes with its payload; ECR tokens by the instance's
 * keys unless the task says otherwise. In memory only; wiped. The receiver (the engine, which
 * is connected in cli/) keeps the values.
 *
 * One fetch has at most ten calls under way; equal questions within it are one call, and
 * tokens of ECR are kept and shared by all. Never logs. Texts of errors may hold names and
 * ARNs, never a value. */
#include <stddef.h>
#include <stdint.h>

#include "aws/aws.h"
#include "aws/credentials.h"
#include "task/task.h"

struct secrets;

enum secrets_what { SECRETS_VALUES, SECRETS_ENV_FILES, SECRETS_AUTH };

enum secrets_kind {
    SECRETS_ENV,        /* a variable, of a secret with target CONTAINER */
    SECRETS_LOG_OPTION, /* an option of the log driver */
    SECRETS_FILE,       /* a variable of an environment file; first wins, in order */
    SECRETS_HEADER,     /* the X-Registry-Auth value of the container's image; name "" */
    /* An ECR token could not be had, and why: the pull fails with this behind the name
     * CannotPullECRContainerError, unless a local image will do. Name "". */
    SECRETS_NO_HEADER,
};

struct secrets_value {
    size_t container; /* index into the task */
    enum secrets_kind kind;
    const char *name, *value;
};

/* Of one fetch; more is ERR_LIMIT. */
#define SECRETS_VALUES_MAX 10000
#define SECRETS_BYTES_MAX  (8 << 20)
#define SECRETS_FILE_MAX   (1 << 20) /* an environment file */

/* On success all values, borrowed, in the order of the containers and of what they list.
 * Else `e` is the task's reason (task-engine 5.4) with any code but ERR_RETRY, which means
 * alone that the execution role's credentials are not here yet (after a restart they come
 * with the session), or were replaced while the fetch failed: ask again in a while. */
typedef void secrets_done_fn(void *user, uint64_t id, const struct secrets_value *values, size_t n,
                             const struct err *e);

struct secrets_args {
    struct loop *loop;
    struct aws *aws;
    struct credentials *credentials; /* the instance's, for ECR without the execution role */
    const struct roles *roles;
    secrets_done_fn *done;
    void *user;
    uint64_t seed;
    const char *user_agent; /* of all these calls; NULL: the client's. Copied. */
};
struct secrets *secrets_create(const struct secrets_args *args);
void secrets_destroy(struct secrets *s); /* cancels, wipes; NULL is fine */

/* Copies what it needs of the task. `id` is the caller's and in no other fetch under way; the
 * outcome comes on a later turn, exactly once unless canceled. */
void secrets_fetch(struct secrets *s, uint64_t id, enum secrets_what what, const struct task *t);
/* Of one caller's id; unknown is fine. */
void secrets_cancel(struct secrets *s, uint64_t id);

/* The variables in the text of an environment file: a line that begins with '#' is skipped,
 * others need a '='; the first one splits; an empty name is skipped; the value is taken as it
 * is, but for a carriage return at its end. `fn` is called for each in order: of equal names
 * the last one counts. Pure; `text` is no more looked at up to the end of the value that was
 * told, so `fn` may write there. ERR_LIMIT: a line over 64 KiB, ERR_INVALID: a NUL byte; both
 * name the line by its number. */
typedef void env_file_fn(void *user, struct str name, struct str value);
MUST_CHECK enum err_code env_file_parse(struct str text, env_file_fn *fn, void *user,
                                        struct err *e);
