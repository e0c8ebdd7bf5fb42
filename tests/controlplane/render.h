#pragma once
/* render: a task definition and its overrides as the task of an ACS payload.
 *
 * Pure. Container settings of the Docker API travel as JSON text in strings,
 * as the real backend sends them. */
#include "base/json.h"

struct render_role {
    const char *credentials_id, *role_arn, *access_key, *secret_key, *token;
    const char *expiration; /* ISO 8601 */
};

struct render_registry {
    char id[13], region[64];
    const char *endpoint_override; /* NULL: none; borrowed */
};

/* Is this an image of ECR, by its name alone? */
bool render_ecr_image(const char *image, struct render_registry *out);

struct render_task {
    const char *arn, *cluster_arn;
    const char *region, *account;
    const char *desired; /* "RUNNING", "STOPPED" */
    const char *family;
    int revision;
    const char *group;
    const struct jcur *definition;                        /* in normal form */
    const struct jcur *overrides;                         /* may be an absent cursor */
    const char *const *container_arns;                    /* in the order of the definition */
    const struct render_role *task_role, *execution_role; /* NULL: none */
    bool logs_by_execution_role; /* the host lets the log driver use that role */
    /* Is there an ECR registry at this host besides the real ones? NULL: none is. */
    bool (*find_registry)(void *user, const char *host, struct render_registry *out);
    void *find_user;
};

/* Writes one object. */
void render_task(struct jw *w, const struct render_task *t);
/* Writes one object: the form of credentials in every ACS message. */
void render_role(struct jw *w, const struct render_role *role);
