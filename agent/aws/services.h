#pragma once
/* services: the calls that tasks and registration need, each one file: ecr.c, ssm.c,
 * secrets_manager.c, s3.c, ec2.c. Every outcome comes on a later turn; cancel means silence.
 * 5 s an attempt, three attempts. Texts of errors begin with the service's own name of the
 * error; they may hold names and ARNs, never a value. Answers are wiped when they were
 * secret. */
#include <stddef.h>
#include <stdint.h>

#include "aws/aws_call.h"
#include "base/defs.h"

/* Who asks: role keys, or the instance's (`keys` NULL). Copied. */
struct aws_caller {
    struct aws *aws;
    struct credentials *credentials;
    const struct sigv4_keys *keys;
    const char *cache_id;   /* of the keys, for caches: "<credentials id> <role ARN>"; NULL with
                               the instance's */
    const char *user_agent; /* NULL: the client's */
};

struct service_call;
void service_cancel(struct service_call *c); /* NULL is fine */

/* ---- ECR GetAuthorizationToken ---- */

/* Tokens by caller, region, registry and endpoint: at most 100, the least used goes; each
 * until 30 to 60 minutes before its end, at most 12 h. Equal questions at the same time are
 * one call. */
struct ecr_cache;
struct ecr_cache *ecr_cache_create(struct aws *aws, uint64_t seed);
void ecr_cache_destroy(struct ecr_cache *c); /* wipes; NULL is fine */

struct ecr_question {
    struct aws_caller caller;
    const char *region;      /* "": the agent's */
    const char *registry_id; /* NULL: the caller's own */
    const char *endpoint;    /* NULL: the region's; "https://" is added */
};
/* All borrowed; NULL on error. `server` is the proxyEndpoint. */
typedef void ecr_done_fn(void *user, const char *name, const char *password, const char *server,
                         const struct err *e);
struct service_call *ecr_token(struct ecr_cache *c, const struct ecr_question *q, ecr_done_fn *done,
                               void *user);

/* ---- SSM GetParameters ---- */

#define SSM_BATCH 10
/* `names`: distinct, 1 to SSM_BATCH; each a name, a path or an ARN, with ":version" or
 * ":label" if wanted. `values[i]` is that of names[i]; NULL on error. ERR_INVALID "invalid
 * parameters: a,b" where one is not there. */
typedef void ssm_done_fn(void *user, const char *const *values, const struct err *e);
struct service_call *ssm_get(const struct aws_caller *who, const char *region,
                             const char *const *names, size_t n, ssm_done_fn *done, void *user);

/* ---- Secrets Manager GetSecretValue ---- */

/* valueFrom taken apart: "arn:...:secret:ID[:jsonKey:stage:versionId]". Pure; ERR_INVALID
 * carries the reference's text, for a name that is no ARN too. Empty parts are NULL. Fields
 * are owned. */
struct secret_ref {
    char *id; /* what SecretId is to be: the ARN without what follows the ID */
    char *json_key, *stage, *version_id;
};
MUST_CHECK enum err_code secret_ref_parse(const char *value_from, struct secret_ref *out,
                                          struct err *e);
void secret_ref_fini(struct secret_ref *r);
/* A member of a JSON object as text: strings as they are, numbers as Go prints a float64,
 * others as JSON. mem_wipe() it. Pure. ERR_NOT_FOUND "retrieved secret from
 * Secrets Manager did not contain json key <k>". */
MUST_CHECK enum err_code secret_member(const char *secret, const char *key, char **out,
                                       struct err *e);

/* `secret` is NULL on error: ERR_INVALID for one that is binary. `error_code` is the
 * service's own name of the error, or "". Of `ref` only the id is needed. */
typedef void secret_done_fn(void *user, const char *secret, const char *error_code,
                            const struct err *e);
struct service_call *secret_get(const struct aws_caller *who, const char *region,
                                const struct secret_ref *ref, secret_done_fn *done, void *user);

/* ---- S3 GetObject ---- */

/* "arn:<partition>:s3:::<bucket>/<key>". Pure; ERR_INVALID names what is wrong: no such ARN,
 * a name that no bucket can have, an empty key, or one that leaves its folder ("..").
 * Fields are owned. */
struct s3_object {
    char *bucket, *key;
};
MUST_CHECK enum err_code s3_object_parse(const char *arn, struct s3_object *out, struct err *e);
void s3_object_fini(struct s3_object *o);

/* In which region the bucket is: what a HEAD of it in the agent's region says
 * (x-amz-bucket-region, also on 301 and 403). Buckets with dots, or whose name is no name of
 * a host, and overridden endpoints, go by path. ERR_NOT_FOUND: there is no such bucket.
 * `region` is borrowed; NULL on error. */
typedef void s3_region_fn(void *user, const char *region, const struct err *e);
struct service_call *s3_region(const struct aws_caller *who, const char *bucket, s3_region_fn *done,
                               void *user);

/* GET in the bucket's region. At most `max` bytes (else ERR_LIMIT); 30 s in all. */
typedef void s3_done_fn(void *user, struct str object, const struct err *e);
struct service_call *s3_get(const struct aws_caller *who, const char *region,
                            const struct s3_object *o, size_t max, s3_done_fn *done, void *user);

/* ---- EC2 DescribeTags ---- */

struct ec2_tag {
    const char *key, *value;
};
/* Of one instance; those whose key or value begins with "aws:" (any case), which nobody may
 * set, are left out. One page of 50, 5 attempts. */
typedef void ec2_tags_fn(void *user, const struct ec2_tag *tags, size_t n, const struct err *e);
struct service_call *ec2_instance_tags(const struct aws_caller *who, const char *instance_id,
                                       ec2_tags_fn *done, void *user);
