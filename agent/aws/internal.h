#pragma once
/* internal: what aws.c, endpoint.c and aws_call.c share, and seams for tests. Private to
 * aws. */
#include "aws/aws.h"
#include "base/rng.h"

#define AWS_RETRY_TOKENS 500

struct aws {
    struct http_client *http;
    char *region;
    aws_env_fn *env;
    void *env_user;
    bool fips, dual_stack, host_fips;
    int max_attempts; /* 0: each call's own */
    int64_t offset_ms;
    struct rng rng;
    int tokens; /* how much retrying is affordable */
    int64_t backoff_ms;
    struct aws_counts counts[AWS_COUNTS_MAX + 1]; /* their texts are owned, but of the last */
    size_t n_counts;
};

/* ---- counts.c ---- */

/* The row of such calls: of what they are for, or of all others. */
struct aws_counts *aws_counts_of(struct aws *a, const char *service, const char *operation);
enum aws_outcome aws_outcome_of(enum err_code code);
void aws_counts_fini(struct aws *a);

/* May a failed attempt be followed by another? Takes what that costs: more after a
 * timeout, which has cost the service more, too. */
bool aws_retry_take(struct aws *a, bool after_timeout);
void aws_retry_succeeded(struct aws *a);
int aws_retry_tokens(const struct aws *a);
/* How long to wait after `failed` attempts (1, 2, ...). */
int64_t aws_retry_delay_ms(struct aws *a, int failed);

/* For tests: another unit of the delay than a second. */
void aws_set_backoff_ms(struct aws *a, int64_t unit_ms);
/* Likewise another limit of each request than IMDS_LIMIT_MS. */
struct imds;
void imds_set_limit_ms(struct imds *m, int64_t ms);
