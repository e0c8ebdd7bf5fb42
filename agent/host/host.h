#pragma once
/* host: what this machine is: its capacity, its processor's features. */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct host_capacity {
    int64_t cpu_units;  /* 1024 for each CPU this process may use */
    int64_t memory_mib; /* MemTotal, rounded down */
    int cores;
};

MUST_CHECK enum err_code host_read_capacity(struct host_capacity *out, struct err *e);
/* avx, avx2, sse4_1 and sse4_2 (for the task-eia.optimized-cpu attribute). */
bool host_has_optimized_cpu(void);
