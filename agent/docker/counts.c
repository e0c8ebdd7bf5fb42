#include "docker/counts.h"

#include <stdbool.h>
#include <string.h>

#include "base/defs.h"

static const char *const names[] = {
    [DOCKER_CALL_PING] = "ping",
    [DOCKER_CALL_VERSION] = "version",
    [DOCKER_CALL_INFO] = "info",
    [DOCKER_CALL_LIST] = "list",
    [DOCKER_CALL_INSPECT] = "inspect",
    [DOCKER_CALL_CREATE] = "create",
    [DOCKER_CALL_START] = "start",
    [DOCKER_CALL_STOP] = "stop",
    [DOCKER_CALL_KILL] = "kill",
    [DOCKER_CALL_REMOVE] = "remove",
    [DOCKER_CALL_PULL] = "pull",
    [DOCKER_CALL_MANIFEST] = "manifest",
    [DOCKER_CALL_INSPECT_IMAGE] = "inspect_image",
    [DOCKER_CALL_LIST_IMAGES] = "list_images",
    [DOCKER_CALL_TAG_IMAGE] = "tag_image",
    [DOCKER_CALL_REMOVE_IMAGE] = "remove_image",
    [DOCKER_CALL_VOLUME] = "volume",
    [DOCKER_CALL_PLUGINS] = "plugins",
    [DOCKER_CALL_OTHER] = "other",
    [DOCKER_CALL_LOGS] = "logs",
    [DOCKER_CALL_EVENTS] = "events",
};

static const char *const results[] = {
    [DOCKER_RESULT_OK] = "ok",
    [DOCKER_RESULT_ERROR] = "error",
    [DOCKER_RESULT_TIMEOUT] = "timeout",
    [DOCKER_RESULT_CANCELED] = "canceled",
};

/* From an inspect that is in memory to a pull over a slow line. */
static const int64_t bounds_us[] = { 1000,   2500,    5000,    10000,    25000,    50000,    100000,
                                     250000, 1000000, 2500000, 10000000, 30000000, 120000000 };
static const struct histogram_rule time_rule = { bounds_us, COUNT_OF(bounds_us), 1e6 };

/* The first that fits; Between begin and end there may be anything, slashes too. */
static const struct {
    const char *method, *begin, *end;
    enum docker_call_kind kind;
} rows[] = {
    { "GET", "/_ping", "", DOCKER_CALL_PING },
    { "GET", "/version", "", DOCKER_CALL_VERSION },
    { "GET", "/info", "", DOCKER_CALL_INFO },
    { "GET", "/events", "", DOCKER_CALL_EVENTS },
    { "GET", "/plugins", "", DOCKER_CALL_PLUGINS },
    { "GET", "/containers/json", "", DOCKER_CALL_LIST },
    { "GET", "/containers/", "/json", DOCKER_CALL_INSPECT },
    { "GET", "/containers/", "/logs", DOCKER_CALL_LOGS },
    { "POST", "/containers/create", "", DOCKER_CALL_CREATE },
    { "POST", "/containers/", "/start", DOCKER_CALL_START },
    { "POST", "/containers/", "/stop", DOCKER_CALL_STOP },
    { "POST", "/containers/", "/kill", DOCKER_CALL_KILL },
    { "DELETE", "/containers/", "", DOCKER_CALL_REMOVE },
    { "GET", "/distribution/", "/json", DOCKER_CALL_MANIFEST },
    { "POST", "/images/create", "", DOCKER_CALL_PULL },
    { "GET", "/images/json", "", DOCKER_CALL_LIST_IMAGES },
    { "GET", "/images/", "/json", DOCKER_CALL_INSPECT_IMAGE },
    { "POST", "/images/", "/tag", DOCKER_CALL_TAG_IMAGE },
    { "DELETE", "/images/", "", DOCKER_CALL_REMOVE_IMAGE },
    { "GET", "/volumes/", "", DOCKER_CALL_VOLUME },
    { "POST", "/volumes/", "", DOCKER_CALL_VOLUME },
    { "DELETE", "/volumes/", "", DOCKER_CALL_VOLUME },
};

const char *docker_call_kind_name(enum docker_call_kind kind)
{
    return names[kind];
}

const char *docker_result_name(enum docker_call_result result)
{
    return results[result];
}

void docker_counts_init(struct docker_counts *c)
{
    *c = (struct docker_counts){ 0 };
    for (size_t i = 0; i < DOCKER_CALL__COUNT; i++)
        c->calls[i].time.rule = &time_rule;
}

static bool fits(struct str path, const char *begin, const char *end)
{
    size_t b = strlen(begin), e = strlen(end);

    if (path.n < b || memcmp(path.p, begin, b) != 0)
        return false;
    /* A whole path, unless it goes on by its own account. */
    if (e == 0)
        return path.n == b || begin[b - 1] == '/';
    return path.n >= b + e && memcmp(path.p + path.n - e, end, e) == 0;
}

enum docker_call_kind docker_call_classify(const char *method, struct str path)
{
    const char *query = path.n ? memchr(path.p, '?', path.n) : NULL;

    if (query)
        path.n = (size_t)(query - path.p);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (streq(method, rows[i].method) && fits(path, rows[i].begin, rows[i].end))
            return rows[i].kind;
    return DOCKER_CALL_OTHER;
}

void docker_count_begin(struct docker_counts *c, enum docker_call_kind kind)
{
    c->calls[kind].in_flight++;
}

void docker_count_end(struct docker_counts *c, enum docker_call_kind kind,
                      enum docker_call_result result, int64_t took_us)
{
    struct docker_call_counts *k = &c->calls[kind];

    k->in_flight--;
    k->results[result]++;
    if (result != DOCKER_RESULT_CANCELED && kind != DOCKER_CALL_LOGS && kind != DOCKER_CALL_EVENTS)
        histogram_add(&k->time, took_us);
}
