#pragma once
/* service: what the files of services.h share, and their pure parts. Private to aws. */
#include "aws/services.h"
#include "base/buf.h"

#define SERVICE_TIMEOUT_MS 5000
#define SERVICE_ATTEMPTS   3

/* The first member of every call's own struct. */
struct service_call {
    void (*cancel)(struct service_call *c); /* ends what is under way, frees */
};

struct service_question {
    const struct aws_caller *who;
    enum aws_place place;
    const char *region;      /* NULL or "": the agent's */
    const char *endpoint;    /* NULL: the place's */
    const char *service;     /* of the signature */
    struct aws_call_args of; /* protocol, operation, body, ...; the rest is filled in */
    const char *target_prefix;
};
struct aws_call *service_send(const struct service_question *q, aws_done_fn *done, void *user);

/* The failure of a call, without the operation's name in front. Nothing of an answer that
 * meant success gets into it: there may be a secret in what could not be read. */
void service_error(const struct aws_result *r, const char *operation, struct err *out);

/* Zeroes an answer. It is the client's own memory, and nobody reads it afterwards. */
void service_wipe(struct str body);

/* ---- pure ---- */

struct ecr_token { /* owned */
    char *name, *password, *server;
    int64_t expires_ms; /* since the epoch; 0: not told */
};
void ecr_token_fini(struct ecr_token *t); /* wipes */
/* Copies; nothing, when it is too near its end. */
void ecr_cache_put(struct ecr_cache *c, const char *key, const struct ecr_token *t);
/* One that can still be used, which counts as used now; borrowed until the next put. */
const struct ecr_token *ecr_cache_find(struct ecr_cache *c, const char *key);
MUST_CHECK enum err_code ecr_answer_read(struct str body, struct ecr_token *out, struct err *e);
/* "https://" in front, unless there is a scheme. free() it. */
char *ecr_endpoint_url(const char *host);

/* `values`: n, all NULL; owned when it succeeds. */
MUST_CHECK enum err_code ssm_answer_read(struct str body, const char *const *names, size_t n,
                                         char **values, struct err *e);

/* mem_wipe() the result. */
MUST_CHECK enum err_code secret_answer_read(struct str body, char **out, struct err *e);
/* As Go's "%v" prints a float64. */
#define GO_FLOAT_SIZE 40
void go_float(double v, char out[GO_FLOAT_SIZE]);

/* Where a bucket is spoken to, and the path of an object there (NULL: of the bucket). */
void s3_address(const char *base, bool by_path, const char *bucket, const char *key,
                char **endpoint, char **path);

/* Calls `fn` for each tag; returns their number. */
typedef void ec2_each_fn(void *user, const char *key, const char *value);
size_t ec2_tags_read(struct str xml, ec2_each_fn *fn, void *user);
