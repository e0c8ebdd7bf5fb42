#pragma once
/* internal: the pure halves of capacity.c, for its tests. */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* MemTotal of /proc/meminfo's text, in MiB. */
MUST_CHECK enum err_code host_parse_meminfo(const char *text, int64_t *mib, struct err *e);
/* Whether every processor of /proc/cpuinfo's text has avx, avx2, sse4_1 and sse4_2. */
bool host_parse_cpuinfo(const char *text);
