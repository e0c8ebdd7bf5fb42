#pragma once
/* prometheus: /metrics of the introspection endpoint, what this agent and its tasks are doing,
 * in the text format of Prometheus. Not for tasks: it tells of all of them.
 *
 * The text is bounded. When the containers' part does not fit it is left out, and the family
 * berth_containers_left_out says how many those are: the agent's own numbers always come. */
#include "base/prom.h"
#include "endpoints/serve.h"

#define PROMETHEUS_CONTAINERS 1000 /* told of at most; a scrape is no database dump */
#define PROMETHEUS_MAX        ((size_t)8 << 20)

struct prometheus_container {
    const char *task, *container, *family; /* borrowed while the text is written */
    uint64_t cpu_ns, throttle_periods, throttled_periods, throttled_ns;
    uint64_t memory_bytes, memory_limit; /* UINT64_MAX: no limit */
    uint64_t oom_kills, pids, read_bytes, write_bytes;
    bool has_network;
    uint64_t rx_bytes, tx_bytes;
    bool has_pressure; /* microseconds of "some" stall */
    uint64_t cpu_pressure_us, memory_pressure_us, io_pressure_us;
    uint64_t restarts;
};

/* Writes the families of up to PROMETHEUS_CONTAINERS containers and of how many are left out:
 * `total` less what is written. Sorts them; of two with one name and task (ids can be chosen so
 * by who is hostile) one counts. */
void prometheus_write_containers(struct prom *p, struct prometheus_container *all, size_t n,
                                 size_t total);

struct prometheus_endpoint { /* all borrowed */
    const struct endpoint_listener *listener;
    /* All families. `containers`: those of the containers too, or only how many are left
     * out. */
    void (*write)(void *user, struct prom *p, bool containers);
    void *user;
};

void prometheus_serve(const struct prometheus_endpoint *e, struct http_call *c);
