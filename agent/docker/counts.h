#pragma once
/* counts: what was asked of the Docker Engine and how it went, for those who watch. Part of
 * the public contract of docker (docker.h includes it). Counters only grow. */
#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"
#include "base/str.h"

/* Requests by what they ask for: a request each, for a pull may take two. */
enum docker_call_kind {
    DOCKER_CALL_PING,
    DOCKER_CALL_VERSION,
    DOCKER_CALL_INFO,
    DOCKER_CALL_LIST,
    DOCKER_CALL_INSPECT,
    DOCKER_CALL_CREATE,
    DOCKER_CALL_START,
    DOCKER_CALL_STOP,
    DOCKER_CALL_KILL,
    DOCKER_CALL_REMOVE,
    DOCKER_CALL_PULL,
    DOCKER_CALL_MANIFEST,
    DOCKER_CALL_INSPECT_IMAGE,
    DOCKER_CALL_LIST_IMAGES,
    DOCKER_CALL_TAG_IMAGE,
    DOCKER_CALL_REMOVE_IMAGE,
    DOCKER_CALL_VOLUME,
    DOCKER_CALL_PLUGINS,
    DOCKER_CALL_OTHER,
    /* Streams: they last as long as what they tell of, so only their number says something. */
    DOCKER_CALL_LOGS,
    DOCKER_CALL_EVENTS,
    DOCKER_CALL__COUNT
};

enum docker_call_result {
    DOCKER_RESULT_OK,
    DOCKER_RESULT_ERROR, /* its answer says so ("no such container" too), or there is none */
    DOCKER_RESULT_TIMEOUT,
    DOCKER_RESULT_CANCELED,
    DOCKER_RESULT__COUNT
};

struct docker_counts {
    struct docker_call_counts {
        uint64_t results[DOCKER_RESULT__COUNT];
        struct histogram time; /* of all results but CANCELED, in microseconds; not of streams */
        size_t in_flight;
    } calls[DOCKER_CALL__COUNT];
    uint64_t events_lost; /* how often the stream of events ended, to be opened again */
};

const char *docker_call_kind_name(enum docker_call_kind kind); /* "inspect_image" */
const char *docker_result_name(enum docker_call_result result);

/* ---- private to docker ---- */

void docker_counts_init(struct docker_counts *c);
/* By its method and its path after the version. Pure. */
enum docker_call_kind docker_call_classify(const char *method, struct str path);
void docker_count_begin(struct docker_counts *c, enum docker_call_kind kind);
void docker_count_end(struct docker_counts *c, enum docker_call_kind kind,
                      enum docker_call_result result, int64_t took_us);
