#pragma once
/* agent_process: what this process itself uses, under the names that Prometheus's clients have
 * for it (process_cpu_seconds_total and so on). Private to cli. */
#include "base/prom.h"

/* What the kernel does not tell is left out. `started_ms`: wall clock. */
void process_write_metrics(int64_t started_ms, struct prom *p);
