#pragma once
/* aws: what all calls to AWS-compatible services share: the HTTP client, what time
 * the services think it is, how much retrying is affordable, and where each service is.
 *
 * Knows no credentials: those are fetched by such calls themselves. One for the
 * process; everything runs on the loop thread. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/http_client.h"

struct aws;

/* Looks a variable of the configuration up; NULL when unset. */
typedef const char *aws_env_fn(void *user, const char *name);

struct aws_args {
    struct http_client *http; /* borrowed */
    const char *region;       /* the agent's own; copied */
    /* AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_<SERVICE> are looked up by it. */
    aws_env_fn *env;
    void *env_user;
    bool fips;        /* AWS_USE_FIPS_ENDPOINT */
    bool dual_stack;  /* AWS_USE_DUALSTACK_ENDPOINT, or the host speaks IPv6 only */
    bool host_fips;   /* the kernel is in FIPS mode: counts for S3 only */
    int max_attempts; /* AWS_MAX_ATTEMPTS: of calls that try again; 0: each its own number */
    uint64_t seed;    /* for the jitter of retries */
};

struct aws *aws_create(const struct aws_args *args);
void aws_destroy(struct aws *a); /* every call must be over or canceled; NULL is fine */

struct http_client *aws_http(const struct aws *a);
const char *aws_region(const struct aws *a);

/* ---- time ----
 *
 * Signatures carry the time, and services refuse one that is more than five minutes
 * off. An answer that refuses a call for that reason carries the service's own time in
 * its Date header: from then on signing and the expiry of credentials go by it. */

/* The wall clock, corrected by what is known. */
int64_t aws_now_ms(const struct aws *a);
/* How much the services are ahead of this machine; 0 while nothing is known. */
int64_t aws_clock_offset_ms(const struct aws *a);
/* Takes the time from a Date header ("Sat, 21 Nov 2026 08:00:00 GMT") of an answer that
 * was refused as out of time. True when it differs from aws_now_ms by more than four
 * minutes, and so a repetition makes sense. NULL and nonsense: false. */
bool aws_learn_time(struct aws *a, const char *date_header);
/* The one form of a date that services send (RFC 9110, IMF-fixdate). False for anything else, and
 * for a time before 2020. Pure. */
bool aws_parse_date(const char *text, int64_t *wall_ms);

/* ---- for those who watch ---- */

#define AWS_COUNTS_MAX 40 /* kinds of calls; further ones are counted as "other" together */

enum aws_outcome {
    AWS_OK,
    AWS_DENIED,  /* credentials, access */
    AWS_REFUSED, /* other faults of ours, what is not there, or is already */
    AWS_FAILED,  /* faults of the service, throttling, no answer */
    AWS_TIMEOUT,
    AWS_OUTCOME__COUNT
};
struct aws_counts {
    const char *service, *operation;       /* "ecs", "SubmitTaskStateChange" */
    uint64_t outcomes[AWS_OUTCOME__COUNT]; /* of whole calls, canceled ones left out */
    uint64_t retries;                      /* attempts after the first, of whatever reason */
};
/* What was called since the start, in the order of the first calls; borrowed until the loop
 * runs on. */
const struct aws_counts *aws_get_counts(const struct aws *a, size_t *n);
const char *aws_outcome_name(enum aws_outcome outcome); /* "denied" */

/* ---- where services are (endpoint.c; pure but for the first) ---- */

enum aws_place {
    AWS_ECS,
    AWS_ECR,
    AWS_SSM,
    AWS_SECRETS_MANAGER,
    AWS_S3,
    AWS_LOGS,
    AWS_EC2,
    AWS_STS,
};

/* The endpoint of the service in `region` (NULL or "": the agent's): what
 * AWS_ENDPOINT_URL_<SERVICE> or AWS_ENDPOINT_URL says (ECS, ECR, SSM, SECRETS_MANAGER,
 * S3, CLOUDWATCH_LOGS, EC2, STS), else by aws_endpoint_of. free() it. */
char *aws_endpoint(const struct aws *a, enum aws_place place, const char *region);
/* Is it overridden by a variable? */
bool aws_endpoint_is_set(const struct aws *a, enum aws_place place);

/* "https://<host>", by the tables of config-registration 4.1 and 6 ("Other AWS APIs").
 * S3: the host without the bucket. free() it. */
char *aws_endpoint_of(enum aws_place place, const char *region, bool fips, bool dual_stack);
/* "s3-fips" counts with the host in FIPS mode in these regions only. */
bool aws_s3_has_fips(const char *region);
/* "aws", "aws-cn", "aws-us-gov", "aws-iso", ... */
const char *aws_partition(const char *region);
