#pragma once
/* sample: one reading of a container, and what follows from two. Pure: the texts of the
 * kernel's files come in (cgroup version 1 and 2, /proc/PID/net/dev). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define METRICS_DEVICES    64 /* block devices; more are left out */
#define METRICS_INTERFACES 16
#define METRICS_CPUS       1024
#define METRICS_STATS      128 /* lines of memory.stat */
#define METRICS_IO_OTHERS  4   /* sync, async, discard, total */

struct metrics_io {
    uint32_t major, minor;
    uint64_t read_bytes, write_bytes, reads, writes;
    /* Version 1 counts its requests in other ways too. */
    uint64_t other_bytes[METRICS_IO_OTHERS], others[METRICS_IO_OTHERS];
};

struct metrics_interface {
    char name[16];
    uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped;
    uint64_t tx_bytes, tx_packets, tx_errors, tx_dropped;
};

struct metrics_pressure { /* PSI, cgroup version 2; microseconds in all */
    bool known;
    uint64_t cpu_some_us, memory_some_us, memory_full_us, io_some_us, io_full_us;
};

struct metrics_sample {
    int64_t wall_ns; /* when it was read */
    bool v2;
    uint64_t cpu_ns, cpu_user_ns, cpu_system_ns; /* since it began */
    uint64_t *percpu_ns;                         /* version 1; owned */
    size_t n_percpu;
    uint64_t system_ns; /* of the whole host: /proc/stat */
    uint32_t online_cpus;
    uint64_t throttle_periods, throttled_periods, throttled_ns;
    uint64_t memory_bytes, memory_max_bytes, memory_limit, memory_fails;
    uint64_t memory_cache, memory_inactive_file; /* what is not counted as used */
    struct metrics_stat {                        /* memory.stat, as it is */
        char name[32];
        uint64_t value;
    } * memory_stat; /* owned */
    size_t n_memory_stat;
    uint64_t oom_kills;
    uint64_t pids, pids_limit; /* UINT64_MAX: none */
    struct metrics_io *io;     /* owned */
    size_t n_io;
    struct metrics_interface *interfaces; /* owned */
    size_t n_interfaces;
    struct metrics_pressure pressure;
    size_t percpu_room, stat_room, io_room, interface_room; /* memory is used again */
};
void metrics_sample_fini(struct metrics_sample *s);
/* What is counted as used (acs-tcs 5.5): without cache that can be given back. */
uint64_t metrics_sample_used(const struct metrics_sample *s);

struct metrics_float_set {
    double min, max, sum;
    int64_t count; /* 0: none */
};
struct metrics_int_set { /* with the wire's overflow members, acs-tcs 5.3 */
    int64_t min, max, sum, count, overflow_min, overflow_max, overflow_sum;
};
struct metrics_sets {
    struct metrics_float_set cpu_percent, memory_mib;
    struct metrics_int_set read_bytes, write_bytes;
    bool has_network;
    struct metrics_int_set rx_bytes, rx_dropped, rx_errors, rx_packets;
    struct metrics_int_set tx_bytes, tx_dropped, tx_errors, tx_packets;
    struct metrics_float_set rx_rate, tx_rate;
    int64_t restarts; /* since the sets before, or since it is watched */
};
