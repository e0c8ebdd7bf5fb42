#pragma once
/* roles: the texts of one task's role credentials, in one order. Private to aws. */
#include "aws/credentials.h"

#define ROLE_TEXTS 7

static inline UNUSED void role_texts(const struct role_credentials *c, const char *out[ROLE_TEXTS])
{
    const char *const all[ROLE_TEXTS] = { c->id,         c->role_arn,      c->access_key,
                                          c->secret_key, c->session_token, c->expiration,
                                          c->task_arn };

    for (size_t i = 0; i < ROLE_TEXTS; i++)
        out[i] = all[i];
}

/* The oldest first. `c` and what it points to are borrowed for the call. */
typedef void roles_each_fn(void *user, const struct role_credentials *c);
void roles_each(const struct roles *r, roles_each_fn *fn, void *user);

/* Writes the header before a body of `n` bytes that holds `count` of them; what roles_image_read
 * believes. `image` has ROLES_IMAGE_HEAD bytes in front of the body. */
#define ROLES_IMAGE_HEAD 56
void roles_image_put_head(void *image, size_t n, size_t count);
