#pragma once
/* tcs_json: the parts of telemetry messages that tell of tasks (acs-tcs 5.3), from plain numbers.
 * Pure; for whoever offers a struct tcs_source. Each call replaces what is in `out`. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct tcs_task { /* all borrowed; the family and the version of the task definition */
    const char *arn, *family, *version;
};

struct tcs_float_set {
    double min, max, sum;
    int64_t count; /* 0: none */
};

struct tcs_int_set {
    int64_t min, max, sum;
    int64_t count; /* 0: none */
    int64_t overflow_min, overflow_max, overflow_sum;
};

struct tcs_container_metric {
    const char *name; /* as in the task definition; borrowed */
    struct tcs_float_set cpu_percent, memory_mib;
    struct tcs_int_set read_bytes, write_bytes;
    bool has_network;
    struct tcs_int_set rx_bytes, rx_dropped, rx_errors, rx_packets;
    struct tcs_int_set tx_bytes, tx_dropped, tx_errors, tx_packets;
    struct tcs_float_set rx_rate, tx_rate;
    bool has_restarts; /* a restart policy: the count is told, also 0 */
    int64_t restarts;
};

/* Containers without a CPU or a memory set are left out. False, and `out` is of no use: none is
 * left, or it is too long. */
bool tcs_json_metrics(struct buf *out, const struct tcs_task *task,
                      const struct tcs_container_metric *containers, size_t n);

enum tcs_health { TCS_HEALTH_UNKNOWN, TCS_HEALTH_GOOD, TCS_HEALTH_BAD };

struct tcs_container_health {
    const char *name; /* borrowed */
    enum tcs_health status;
    int64_t since_ms; /* of the epoch; 0: not known, then `now_ms` is told */
};

/* False: no container, or it is too long. */
bool tcs_json_health(struct buf *out, const struct tcs_task *task, int64_t now_ms,
                     const struct tcs_container_health *containers, size_t n);
