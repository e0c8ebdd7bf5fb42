#pragma once
/* imds: one GET from the instance metadata service.
 *
 * A session token is fetched first and kept while it is valid (IMDSv2). Where
 * the service knows no tokens (403, 404, 405) or does not answer that call, the
 * request goes without one (IMDSv1). A 401 drops the token and asks once more.
 * Trouble of the connection, 429 and 5xx are tried three times in all. */
#include "base/err.h"
#include "base/str.h"
#include "io/http_client.h"

#define IMDS_DEFAULT_BASE "http://169.254.169.254"

struct imds;
struct imds_op;

struct imds *imds_create(struct http_client *http, const char *base); /* base is copied */
void imds_destroy(struct imds *m); /* every op must be over or cancelled; NULL is fine */

/* `text` is the body of a 200, borrowed. ERR_NOT_FOUND for 404; ERR_RETRY and
 * ERR_TIMEOUT when the service is not there; ERR_DENIED for other answers. */
typedef void imds_done_fn(void *user, struct str text, const struct err *e);

/* `path` begins behind "/latest/": "meta-data/instance-id". `done` runs on a later
 * turn. */
struct imds_op *imds_get(struct imds *m, const char *path, imds_done_fn *done, void *user);
void imds_cancel(struct imds_op *op); /* NULL is fine */
