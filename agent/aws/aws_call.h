#pragma once
/* aws_call: one signed call to an AWS-compatible service.
 *
 * Signs, sends, classifies the answer. What can be mended at once is: a signature
 * refused for its time is repeated once with the service's time, keys found expired
 * are fetched anew and the call is repeated once. Other trouble is tried again as the
 * SDKs' "standard" mode does, up to `attempts`, as long as the shared bucket of
 * retries has tokens; with one attempt the next try is the caller's. */
#include <stddef.h>
#include <stdint.h>

#include "aws/aws.h"
#include "aws/credentials.h"
#include "base/err.h"
#include "base/str.h"
#include "io/http_client.h"

struct aws_call;

struct aws_service {
    const char *endpoint; /* "https://ecs.us-west-2.amazonaws.com" */
    const char *region;
    const char *service;       /* of the signature: "ecs", "logs" */
    const char *target_prefix; /* "AmazonEC2ContainerServiceV20141113"; JSON only */
};

/* `e` maps the service's answer: ERR_RETRY (throttling, 5xx, connection),
 * ERR_DENIED (credentials, access), ERR_NOT_FOUND (…NotFound…, NoSuch…), ERR_CONFLICT
 * (…AlreadyExists…), ERR_INVALID (other client faults), ERR_TIMEOUT. `error_code`
 * is the service's own name ("InvalidParameterException") or "". `r` is the answer as
 * it came, NULL when there was none; `body` its text ("" then). All borrowed. The
 * message reads "<Operation>: InvalidParameterException: text", or says that the answer
 * could not be read with its status and first bytes. */
struct aws_result {
    struct str body;
    const char *error_code;
    const struct http_response *r; /* for headers: http_header */
    /* It reached the service, so that it may have been carried out, answered or not. */
    bool sent;
    const struct err *e;
    int attempts; /* how often it was sent */
};
typedef void aws_done_fn(void *user, const struct aws_result *result);

enum aws_protocol {
    AWS_JSON,  /* POST / with X-Amz-Target; answers JSON */
    AWS_QUERY, /* POST / with the body, a form: "Action=...&Version=..."; answers XML */
    AWS_REST,  /* method and path as given; S3: x-amz-content-sha256 is sent, the path is
                  signed as it is; answers anything, errors as XML */
};

struct aws_call_args {
    const struct aws_service *service;
    enum aws_protocol protocol;
    const char *operation;             /* JSON, QUERY: its name; REST: for messages only */
    const char *method;                /* REST: "GET", "HEAD"; else NULL */
    const char *path;                  /* REST: with the query, escaped; "/bucket/key" */
    const struct http_header *headers; /* REST, JSON: further ones to send and sign ("range") */
    size_t n_headers;                  /* at most 4 */
    struct str body;                   /* copied, unless it is lent */
    bool lent;                         /* the body stays as it is until the end or the cancel */
    int64_t timeout_ms;                /* of each attempt; 0: 42 s, the reference's */
    size_t max_answer;                 /* 0: 1 MiB */
    int attempts;                      /* 0: one */
    int64_t retry_max_ms;   /* of the pause before another attempt; 0: the SDKs' 20 s. What the
                               service itself asks for is waited all the same. */
    const char *user_agent; /* NULL: the client's. Copied. */
    /* Role keys instead of the instance's; NULL: the instance's. Copied, wiped. */
    const struct sigv4_keys *keys;
    /* Not signed at all (STS AssumeRoleWithWebIdentity). */
    bool anonymous;
};

/* `cred` may be NULL with keys or anonymous. */
struct aws_call *aws_call(struct aws *a, struct credentials *cred, const struct aws_call_args *args,
                          aws_done_fn *done, void *user);
void aws_call_cancel(struct aws_call *c); /* NULL is fine */
/* How often it was sent until now. */
int aws_call_attempts(const struct aws_call *c);

/* Is it one of the names that say that keys are out of date? */
bool aws_code_expired(const char *error_code);

/* The text of the first element of that name in an XML answer, entities replaced;
 * free() it, NULL when absent. (Enough for STS, EC2 and errors: no attributes, no
 * nesting of equal names; of elements inside only the text counts.) `from` is where to
 * begin and is moved behind the element; NULL: at the start. */
char *aws_xml_text(struct str xml, const char *name, size_t *from);
