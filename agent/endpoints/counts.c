#include "endpoints/counts.h"

#include <string.h>

#include "base/defs.h"

#define STATS "/stats"

static const char *const names[] = {
    [ENDPOINT_CREDENTIALS] = "credentials",
    [ENDPOINT_METADATA] = "metadata",
    [ENDPOINT_STATS] = "stats",
    [ENDPOINT_INSTANCE] = "instance",
    [ENDPOINT_TASKS] = "tasks",
    [ENDPOINT_API] = "api",
    [ENDPOINT_METRICS] = "metrics",
    [ENDPOINT_OTHER] = "other",
};

static const struct {
    const char *begin;
    enum endpoint_kind kind;
} rows[] = {
    { "/v1/credentials", ENDPOINT_CREDENTIALS },
    { "/v2/credentials", ENDPOINT_CREDENTIALS },
    { "/v2/metadata", ENDPOINT_METADATA },
    { "/v2/stats", ENDPOINT_STATS },
    { "/v3/", ENDPOINT_METADATA },
    { "/v4/", ENDPOINT_METADATA },
    { "/v1/metadata", ENDPOINT_INSTANCE },
    { "/v1/tasks", ENDPOINT_TASKS },
    { "/api/", ENDPOINT_API },
    { "/metrics", ENDPOINT_METRICS },
};

const char *endpoint_kind_name(enum endpoint_kind kind)
{
    return names[kind];
}

enum endpoint_kind endpoint_classify(struct str target)
{
    const char *query = target.n ? memchr(target.p, '?', target.n) : NULL;
    size_t tail = strlen(STATS);

    if (query)
        target.n = (size_t)(query - target.p);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t n = strlen(rows[i].begin);

        if (target.n < n || memcmp(target.p, rows[i].begin, n) != 0)
            continue;
        if (rows[i].kind == ENDPOINT_METADATA && target.n > tail &&
            memcmp(target.p + target.n - tail, STATS, tail) == 0)
            return ENDPOINT_STATS;
        return rows[i].kind;
    }
    return ENDPOINT_OTHER;
}

void endpoint_count(struct endpoint_counts *c, struct str target, int status)
{
    enum endpoint_kind kind = endpoint_classify(target);

    if (status < 100 || status >= 100 * (ENDPOINT_CLASSES + 1))
        return;
    c->replies[kind][status / 100 - 1]++;
    c->limited += status == 429;
    c->refused_credentials += kind == ENDPOINT_CREDENTIALS && status / 100 == 4 && status != 429;
}
