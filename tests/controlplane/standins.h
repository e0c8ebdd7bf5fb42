#pragma once
/* standins: what the stand-ins of the cloud's services share. Each answers as its
 * service does for what an agent asks, from what POST /_local/cloud has set; every
 * call that is signed well is kept, without values, for GET /_local/cloud/calls. */
#include "cloud.h"
#include "dialect.h"
#include "server.h"
#include "shape.h"

#define STANDIN_NAMES_MAX  (256 * 1024)
#define STANDIN_ANSWER_MAX (48 << 20)

struct standins;

struct cp_server *standins_server(const struct standins *st);
struct cloud *standins_cloud(const struct standins *st);

/* ---- what is kept of a call ---- */

/* `names` is a list in the making: standin_name appends to it. */
struct standin_call {
    const char *service, *operation, *region, *signer, *user_agent;
    struct buf names;
};
void standin_name(struct standin_call *c, const char *name);
/* Keeps it and frees its names. `error` "" when all went well. */
void standin_note(struct standins *st, struct standin_call *c, const char *error);

/* ---- the JSON services ---- */

/* Checks the members; false: refused and answered. */
bool standin_begin(struct standins *st, const char *service, struct cp_call *c,
                   const struct shape *shape, struct standin_call *out);
void standin_reply(struct standins *st, struct standin_call *sc, struct cp_call *c,
                   struct buf *answer); /* frees the answer */
void standin_refuse(struct standins *st, struct standin_call *sc, struct cp_call *c,
                    const char *type, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* ---- the others ---- */

struct standin_call standin_http_call(const char *service, const char *operation, struct cp_http *h,
                                      const struct cp_caller *who);
void standin_http_refuse(struct standins *st, struct standin_call *sc, struct cp_http *h,
                         int status, const char *type, const char *fmt, ...) PRINTF_LIKE(6, 7);

/* ---- roles ---- */

/* The ARN of the role that this key belongs to; NULL: none. */
const char *standin_role(const struct standins *st, const char *access_key);
/* Who signs with it. free() it. */
char *standin_caller(const struct standins *st, const char *access_key);
/* May this key read it? */
bool standin_may(const struct standins *st, const struct cloud_thing *t, const char *access_key);
/* "User: … is not authorized to perform: … on resource: … because …". free() it. */
char *standin_denial(const struct standins *st, const char *access_key, const char *action,
                     const char *resource);

/* ---- one file each ---- */

void standin_ecr_add(struct standins *st);
void standin_ssm_add(struct standins *st);
void standin_secrets_add(struct standins *st);
void standin_s3_add(struct standins *st);
void standin_sts_add(struct standins *st);
void standin_ec2_add(struct standins *st);
