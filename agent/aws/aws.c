#include "aws/aws.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aws/internal.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define SKEW_MS         (4 * 60 * 1000)
#define RETRY_COST      5
#define TIMEOUT_COST    10
#define BACKOFF_UNIT_MS 1000
#define BACKOFF_UNITS   20 /* the longest delay */

struct aws *aws_create(const struct aws_args *args)
{
    struct aws *a = NEW(struct aws);

    a->http = args->http;
    a->region = mem_strdup(args->region ? args->region : "");
    a->env = args->env;
    a->env_user = args->env_user;
    a->fips = args->fips;
    a->dual_stack = args->dual_stack;
    a->host_fips = args->host_fips;
    a->max_attempts = args->max_attempts;
    a->tokens = AWS_RETRY_TOKENS;
    a->backoff_ms = BACKOFF_UNIT_MS;
    rng_seed(&a->rng, args->seed);
    return a;
}

void aws_destroy(struct aws *a)
{
    if (!a)
        return;
    aws_counts_fini(a);
    free(a->region);
    free(a);
}

struct http_client *aws_http(const struct aws *a)
{
    return a->http;
}

const char *aws_region(const struct aws *a)
{
    return a->region;
}

/* ---- time ---- */

int64_t aws_now_ms(const struct aws *a)
{
    return clock_wall_ms() + a->offset_ms;
}

int64_t aws_clock_offset_ms(const struct aws *a)
{
    return a->offset_ms;
}

bool aws_parse_date(const char *text, int64_t *wall_ms)
{
    struct tm tm = { 0 };
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);

    /* A clock that says less is one that was never set. */
    if (!end || *end || tm.tm_year < 120 || tm.tm_year > 300)
        return false;
    *wall_ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

bool aws_learn_time(struct aws *a, const char *date_header)
{
    int64_t there = 0, apart;

    if (!date_header || !aws_parse_date(date_header, &there))
        return false;
    apart = there - aws_now_ms(a);
    if (apart <= SKEW_MS && apart >= -SKEW_MS)
        return false;
    a->offset_ms += apart;
    return true;
}

/* ---- retries ---- */

bool aws_retry_take(struct aws *a, bool after_timeout)
{
    int cost = after_timeout ? TIMEOUT_COST : RETRY_COST;

    if (a->tokens < cost)
        return false;
    a->tokens -= cost;
    return true;
}

void aws_retry_succeeded(struct aws *a)
{
    if (a->tokens < AWS_RETRY_TOKENS)
        a->tokens++;
}

int aws_retry_tokens(const struct aws *a)
{
    return a->tokens;
}

int64_t aws_retry_delay_ms(struct aws *a, int failed)
{
    int64_t most = a->backoff_ms << (failed < 10 ? failed : 10);
    int64_t limit = a->backoff_ms * BACKOFF_UNITS, delay;

    /* The whole range is jitter, so that many who failed together do not come back
     * together. */
    delay = (int64_t)rng_below(&a->rng, (uint64_t)most);
    return delay < limit ? delay : limit;
}

void aws_set_backoff_ms(struct aws *a, int64_t unit_ms)
{
    a->backoff_ms = unit_ms;
}
