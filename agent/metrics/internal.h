#pragma once
/* Private to metrics: parsers of the kernel's files, finding a container's directories, the ring
 * of what follows from readings, and the reader that does the I/O. All but the reader is pure. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/str.h"
#include "metrics/sample.h"

#define METRICS_NS 1000000000ULL
/* A reading and the two before it are kept; 32 points are those of 20 s when somebody asks
 * every second, and a few more. */
#define METRICS_RING 32

/* Makes room for `want` items in s->array; the memory is kept from reading to reading. */
#define METRICS_ROOM(array, room, want)                             \
    do {                                                            \
        if ((want) > (room)) {                                      \
            (room) = (want) + (want) / 2;                           \
            (array) = mem_resize((array), (room), sizeof *(array)); \
        }                                                           \
    } while (0)

/* ---- text (text.c) ---- */

/* The next line without its newline; false at the end. */
bool metrics_line(struct str *rest, struct str *line);
/* The next word of a line, empty at its end. */
struct str metrics_word(struct str *line);
/* A whole decimal number; false, and nothing set, for anything else. */
bool metrics_number(struct str word, uint64_t *out);
/* The text up to `sep`, which is taken off `rest` with it; all of it when there is none. */
struct str metrics_until(struct str *rest, char sep);
/* "name value" lines: the value of each known name goes where it belongs. How many were found. */
struct metrics_target {
    const char *name;
    uint64_t *to;
};
size_t metrics_pairs(struct str text, const struct metrics_target *targets, size_t n);

/* ---- parsers: one file each ----
 *
 * A parser adds what its file says to the sample. False: the text is not understood. */
typedef bool metrics_parse_fn(struct metrics_sample *s, struct str text);

/* Version 1 (v1.c). */
bool metrics_v1_usage(struct metrics_sample *s, struct str text);        /* cpuacct.usage */
bool metrics_v1_usage_percpu(struct metrics_sample *s, struct str text); /* cpuacct.usage_percpu */
bool metrics_v1_cpuacct_stat(struct metrics_sample *s,
                             struct str text);                          /* cpuacct.stat, in ticks */
bool metrics_v1_cpu_stat(struct metrics_sample *s, struct str text);    /* cpu.stat */
bool metrics_v1_oom_control(struct metrics_sample *s, struct str text); /* memory.oom_control */
bool metrics_v1_io_bytes(struct metrics_sample *s, struct str text);    /* ...io_service_bytes... */
bool metrics_v1_io_count(struct metrics_sample *s, struct str text);    /* ...io_serviced... */

/* Version 2 (v2.c). */
bool metrics_v2_cpu_stat(struct metrics_sample *s, struct str text);
bool metrics_v2_memory_events(struct metrics_sample *s, struct str text);
bool metrics_v2_io_stat(struct metrics_sample *s, struct str text);
bool metrics_v2_cpu_pressure(struct metrics_sample *s, struct str text);
bool metrics_v2_memory_pressure(struct metrics_sample *s, struct str text);
bool metrics_v2_io_pressure(struct metrics_sample *s, struct str text);

/* Of both (sample.c). */
bool metrics_memory_usage(struct metrics_sample *s, struct str text);
bool metrics_memory_max(struct metrics_sample *s, struct str text);   /* the highest usage */
bool metrics_memory_limit(struct metrics_sample *s, struct str text); /* a number or "max" */
bool metrics_memory_fails(struct metrics_sample *s, struct str text);
bool metrics_memory_stat(struct metrics_sample *s, struct str text);
bool metrics_pids_current(struct metrics_sample *s, struct str text);
bool metrics_pids_limit(struct metrics_sample *s, struct str text);

/* /proc/PID/net/dev: the interfaces that a container engine makes (eth0, eth1, ...). */
bool metrics_net_dev(struct metrics_sample *s, struct str text);
/* /proc/stat: the processors' time as Docker adds it up, and how many processors there are. */
bool metrics_proc_stat(struct str text, uint64_t *system_ns, uint32_t *cpus);

/* ---- samples (sample.c) ---- */

/* As new, but memory stays. */
void metrics_sample_reset(struct metrics_sample *s);
void metrics_sample_copy(struct metrics_sample *to, const struct metrics_sample *from);
/* The entry of a device, new when need be; NULL: too many. */
struct metrics_io *metrics_sample_io(struct metrics_sample *s, uint32_t major, uint32_t minor);
/* 0 when there is none. */
uint64_t metrics_sample_stat(const struct metrics_sample *s, const char *name);
/* The counters of an earlier life of the same container are added. */
void metrics_sample_add(struct metrics_sample *s, const struct metrics_sample *earlier);

/* ---- where a container's cgroups are (locate.c) ---- */

enum metrics_place { PLACE_ACCT, PLACE_CPU, PLACE_MEMORY, PLACE_PIDS, PLACE_IO, PLACE__COUNT };

struct metrics_places {
    char *dir[PLACE__COUNT]; /* NULL: not there; owned */
    bool v2[PLACE__COUNT];
};
/* From /proc/PID/cgroup and /proc/self/mountinfo. Mounts below `root` go first. A process in a
 * cgroup below the container's (an init system of its own) means the container's; one whose
 * path does not name the container is another's, and nothing is found. False: not found. */
bool metrics_locate(struct str cgroup, struct str mountinfo, const char *root, const char *id,
                    struct metrics_places *out);
void metrics_places_fini(struct metrics_places *p);

/* ---- what follows from readings (sets.c) ---- */

enum metrics_net {
    NET_RX_BYTES,
    NET_RX_DROPPED,
    NET_RX_ERRORS,
    NET_RX_PACKETS,
    NET_TX_BYTES,
    NET_TX_DROPPED,
    NET_TX_ERRORS,
    NET_TX_PACKETS,
    NET__COUNT
};

struct metrics_point {
    int64_t mono_ns;
    uint64_t cpu_ns;   /* divided by the number of processors */
    float cpu_percent; /* NaN: unknown, as the rates */
    float rx_rate, tx_rate;
    bool network, taken;
    uint64_t memory_mib, read_bytes, write_bytes;
    uint64_t net[NET__COUNT];
};

struct metrics_ring { /* zero: empty */
    struct metrics_point points[METRICS_RING];
    size_t next, n;
};
void metrics_ring_add(struct metrics_ring *r, const struct metrics_sample *s, int64_t mono_ns,
                      int cpus);
/* The newest; NULL when there is none. */
const struct metrics_point *metrics_ring_newest(const struct metrics_ring *r);
bool metrics_ring_take(struct metrics_ring *r, struct metrics_sets *out);

/* ---- as JSON (write.c) ---- */

struct metrics_stats {
    const char *id, *name;
    const struct metrics_sample *now, *before; /* before: NULL when there is none */
    bool rates;
    float rx_rate, tx_rate; /* NaN: unknown */
};
void metrics_write_docker(const struct metrics_stats *s, struct jw *w);

/* ---- the reader (reader.c) ---- */

struct metrics_reader;
struct metrics_files; /* of one container */

struct metrics_reader *metrics_reader_create(const char *proc, const char *cgroup);
void metrics_reader_destroy(struct metrics_reader *r); /* NULL is fine; after all files */

/* Opens nothing yet. */
struct metrics_files *metrics_files_create(struct metrics_reader *r, const char *id, int pid,
                                           bool network);
void metrics_files_destroy(struct metrics_files *f); /* NULL is fine */
/* A whole reading, and when it was (clock_mono_ns); or false: the process or its cgroup is
 * gone, or not there yet. `s` is then of no use. */
bool metrics_files_read(struct metrics_files *f, struct metrics_sample *s, int64_t *mono_ns);
