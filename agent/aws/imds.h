#pragma once
/* imds: GETs from the instance metadata service.
 *
 * A session token is fetched first, shared by all requests, and kept while it is valid
 * (IMDSv2, its lifetime from the reply). Where the service knows no tokens (403, 404,
 * 405) or does not answer that call, requests go without one (IMDSv1), unless that is
 * disabled; a 400 fails the request. Whoever may go without waits 2 s for a token; the call
 * for it is given 5 s, so that a service that is only slow has one ready when it refuses
 * the request. A 401 drops the token and asks once more. Trouble of
 * the connection, 429 and 5xx are tried again, 5 times in all, at random intervals of up
 * to a second; each request ends within IMDS_LIMIT_MS whatever happens. */
#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "io/http_client.h"

#define IMDS_DEFAULT_BASE  "http://169.254.169.254"
#define IMDS_DEFAULT_BASE6 "http://[fd00:ec2::254]"
#define IMDS_LIMIT_MS      10000

struct imds;
struct imds_op;

struct imds_args {
    struct http_client *http; /* borrowed */
    const char *base;         /* NULL: the default, by `ipv6`. Copied. */
    bool ipv6;                /* AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6 */
    bool v1_disabled;         /* AWS_EC2_METADATA_V1_DISABLED */
    uint64_t seed;
};
struct imds *imds_create(const struct imds_args *args);
void imds_destroy(struct imds *m); /* every op must be over or canceled; NULL is fine */

/* `text` is the body of a 200, borrowed. ERR_NOT_FOUND for 404; ERR_RETRY and
 * ERR_TIMEOUT when the service is not there (a token that never came back names the hop
 * limit as a cause); ERR_DENIED for other answers. */
typedef void imds_done_fn(void *user, struct str text, const struct err *e);

/* `path` begins behind "/latest/": "meta-data/instance-id". `done` runs on a later
 * turn. */
struct imds_op *imds_get(struct imds *m, const char *path, imds_done_fn *done, void *user);
void imds_cancel(struct imds_op *op); /* NULL is fine */
