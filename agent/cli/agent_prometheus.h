#pragma once
/* agent_prometheus: the numbers of /metrics, asked of every module when somebody scrapes.
 * Private to cli. */
#include "base/prom.h"
#include "cli/agent.h"
#include "endpoints/counts.h"

struct agent_listener_numbers { /* of one local listener */
    const char *name;           /* "tasks", "introspection" */
    const struct endpoint_counts *counts;
    size_t connections;
};

/* Writes all families; of the containers only how many are left out unless `containers`. */
void agent_prometheus_write(const struct agent *a, const struct agent_listener_numbers *listeners,
                            size_t n_listeners, struct prom *p, bool containers);
