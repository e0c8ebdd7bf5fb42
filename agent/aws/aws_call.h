#pragma once
/* aws_call: one signed JSON 1.1 call to an AWS-compatible service.
 *
 * Signs with the given credentials source, sends, classifies the answer. Retries
 * are the caller's (the next try belongs to whoever decides), except one: when
 * the service says the signature or token is expired, credentials are fetched
 * anew and the call is repeated once. */
#include <stddef.h>
#include <stdint.h>

#include "aws/credentials.h"
#include "base/err.h"
#include "base/str.h"
#include "io/http_client.h"

struct aws_call;

struct aws_service {
    const char *endpoint; /* "https://ecs.us-west-2.amazonaws.com" */
    const char *region;
    const char *service;       /* of the signature: "ecs", "logs" */
    const char *target_prefix; /* "AmazonEC2ContainerServiceV20141113" */
};

/* `e` maps the service's answer: ERR_RETRY (throttling, 5xx, connection),
 * ERR_DENIED (credentials, access), ERR_NOT_FOUND (…NotFound…), ERR_CONFLICT
 * (…AlreadyExists…), ERR_INVALID (other client faults), ERR_TIMEOUT. `error_code`
 * is the service's own name ("InvalidParameterException") or "". `body` is the
 * answer's JSON text. All borrowed. The message reads
 * "InvalidParameterException: text", or says that the answer was not JSON with
 * its status and first bytes. */
typedef void aws_done_fn(void *user, struct str body, const char *error_code, const struct err *e);

struct aws_call_args {
    const struct aws_service *service;
    const char *operation;
    struct str body;    /* copied */
    int64_t timeout_ms; /* 0: 42 s, the reference's */
    size_t max_answer;  /* 0: 1 MiB */
    /* Role keys instead of the instance's; NULL: the instance's. Copied. */
    const struct sigv4_keys *keys;
};

struct aws_call *aws_call(struct http_client *http, struct credentials *cred,
                          const struct aws_call_args *args, aws_done_fn *done, void *user);
void aws_call_cancel(struct aws_call *c); /* NULL is fine */

/* "https://<service>.<region>.<suffix of the partition>"; free() it. `service` is
 * the host's first label ("ecs", "logs"). Dual stack and FIPS come with the cloud
 * API work. */
char *aws_endpoint(const char *service, const char *region);
