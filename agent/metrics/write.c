/* A reading as the Docker Engine's statistics object (local-endpoints 3.6): the members, their
 * order and what is left out are those of its API. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "metrics/internal.h"

/* Of memory.stat Docker tells these, sorted; one that the kernel does not have is 0. */
static const char *const stats_v1[] = {
    "active_anon",
    "active_file",
    "cache",
    "dirty",
    "hierarchical_memory_limit",
    "hierarchical_memsw_limit",
    "inactive_anon",
    "inactive_file",
    "mapped_file",
    "pgfault",
    "pgmajfault",
    "pgpgin",
    "pgpgout",
    "rss",
    "rss_huge",
    "total_active_anon",
    "total_active_file",
    "total_cache",
    "total_dirty",
    "total_inactive_anon",
    "total_inactive_file",
    "total_mapped_file",
    "total_pgfault",
    "total_pgmajfault",
    "total_pgpgin",
    "total_pgpgout",
    "total_rss",
    "total_rss_huge",
    "total_unevictable",
    "total_writeback",
    "unevictable",
    "writeback",
};
static const char *const stats_v2[] = {
    "active_anon",
    "active_file",
    "anon",
    "anon_thp",
    "file",
    "file_dirty",
    "file_mapped",
    "file_writeback",
    "inactive_anon",
    "inactive_file",
    "kernel_stack",
    "pgactivate",
    "pgdeactivate",
    "pgfault",
    "pglazyfree",
    "pglazyfreed",
    "pgmajfault",
    "pgrefill",
    "pgscan",
    "pgsteal",
    "shmem",
    "slab",
    "slab_reclaimable",
    "slab_unreclaimable",
    "sock",
    "thp_collapse_alloc",
    "thp_fault_alloc",
    "unevictable",
    "workingset_activate",
    "workingset_nodereclaim",
    "workingset_refault",
};

static void number(struct jw *w, uint64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%" PRIu64, v);

    jw_raw(w, (struct str){ text, (size_t)n });
}

static void member(struct jw *w, const char *key, uint64_t v)
{
    jw_key(w, key);
    number(w, v);
}

static void member_if(struct jw *w, const char *key, uint64_t v)
{
    if (v)
        member(w, key, v);
}

/* With nanoseconds; zeros at the end of the fraction are left out, as Docker does. */
static void member_time(struct jw *w, const char *key, int64_t wall_ns)
{
    char text[CLOCK_ISO_SIZE], whole[64];
    int n;

    if (!wall_ns) {
        jw_kstr(w, key, "0001-01-01T00:00:00Z");
        return;
    }
    clock_iso(wall_ns / 1000000, text);
    n = snprintf(whole, sizeof whole, "%.19s.%09d", text, (int)(wall_ns % (int64_t)METRICS_NS));
    while (whole[n - 1] == '0')
        n--;
    if (whole[n - 1] == '.')
        n--;
    snprintf(whole + n, sizeof whole - (size_t)n, "Z");
    jw_kstr(w, key, whole);
}

/* The shortest text that is read as the same 32-bit number: 2, not 2.0. */
static void member_float(struct jw *w, const char *key, float v)
{
    char text[64];
    int n = 0;

    for (int digits = 1; digits <= 9; digits++) {
        n = snprintf(text, sizeof text, "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v)
            break;
    }
    if (v >= 1 && memchr(text, 'e', (size_t)n))
        n = snprintf(text, sizeof text, "%.0f", (double)v);
    jw_key(w, key);
    jw_raw(w, (struct str){ text, (size_t)n });
}

static void write_cpu(struct jw *w, const char *key, const struct metrics_sample *s)
{
    static const struct metrics_sample none;

    if (!s)
        s = &none;
    jw_kobject(w, key);
    jw_kobject(w, "cpu_usage");
    member(w, "total_usage", s->cpu_ns);
    if (s->n_percpu) {
        jw_karray(w, "percpu_usage");
        for (size_t i = 0; i < s->n_percpu; i++)
            number(w, s->percpu_ns[i]);
        jw_end(w);
    }
    member(w, "usage_in_kernelmode", s->cpu_system_ns);
    member(w, "usage_in_usermode", s->cpu_user_ns);
    jw_end(w);
    member_if(w, "system_cpu_usage", s->system_ns);
    member_if(w, "online_cpus", s->online_cpus);
    jw_kobject(w, "throttling_data");
    member(w, "periods", s->throttle_periods);
    member(w, "throttled_periods", s->throttled_periods);
    member(w, "throttled_time", s->throttled_ns);
    jw_end(w);
    jw_end(w);
}

static void write_io_entry(struct jw *w, const struct metrics_io *io, const char *op, uint64_t v)
{
    jw_object(w);
    member(w, "major", io->major);
    member(w, "minor", io->minor);
    jw_kstr(w, "op", op);
    member(w, "value", v);
    jw_end(w);
}

static void write_io_list(struct jw *w, const struct metrics_sample *s, bool bytes)
{
    static const char *const others[METRICS_IO_OTHERS] = { "Sync", "Async", "Discard", "Total" };

    jw_array(w);
    for (size_t i = 0; i < s->n_io; i++) {
        const struct metrics_io *io = &s->io[i];

        write_io_entry(w, io, s->v2 ? "read" : "Read", bytes ? io->read_bytes : io->reads);
        write_io_entry(w, io, s->v2 ? "write" : "Write", bytes ? io->write_bytes : io->writes);
        for (size_t k = 0; !s->v2 && k < METRICS_IO_OTHERS; k++)
            write_io_entry(w, io, others[k], (bytes ? io->other_bytes : io->others)[k]);
    }
    jw_end(w);
}

/* Of version 2 Docker tells the bytes only; a list that it has nothing for is null then, and
 * empty in version 1. */
static void write_io(struct jw *w, const struct metrics_sample *s)
{
    static const char *const lists[] = {
        "io_service_bytes_recursive", "io_serviced_recursive",  "io_queue_recursive",
        "io_service_time_recursive",  "io_wait_time_recursive", "io_merged_recursive",
        "io_time_recursive",          "sectors_recursive",
    };

    jw_kobject(w, "blkio_stats");
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        jw_key(w, lists[i]);
        if (s->v2 && (i > 0 || !s->n_io)) {
            jw_null(w);
        } else if (i < 2) {
            write_io_list(w, s, i == 0);
        } else {
            jw_array(w);
            jw_end(w);
        }
    }
    jw_end(w);
}

static void write_memory(struct jw *w, const struct metrics_sample *s)
{
    const char *const *names = s->v2 ? stats_v2 : stats_v1;
    size_t n = s->v2 ? COUNT_OF(stats_v2) : COUNT_OF(stats_v1);

    jw_kobject(w, "memory_stats");
    member_if(w, "usage", s->memory_bytes);
    if (!s->v2)
        member_if(w, "max_usage", s->memory_max_bytes);
    if (s->n_memory_stat) {
        jw_kobject(w, "stats");
        for (size_t i = 0; i < n; i++)
            member(w, names[i], metrics_sample_stat(s, names[i]));
        jw_end(w);
    }
    member_if(w, "failcnt", s->memory_fails);
    member_if(w, "limit", s->memory_limit);
    jw_end(w);
}

static void write_networks(struct jw *w, const struct metrics_sample *s)
{
    if (!s->n_interfaces)
        return;
    jw_kobject(w, "networks");
    for (size_t i = 0; i < s->n_interfaces; i++) {
        const struct metrics_interface *n = &s->interfaces[i];

        jw_kobject(w, n->name);
        member(w, "rx_bytes", n->rx_bytes);
        member(w, "rx_packets", n->rx_packets);
        member(w, "rx_errors", n->rx_errors);
        member(w, "rx_dropped", n->rx_dropped);
        member(w, "tx_bytes", n->tx_bytes);
        member(w, "tx_packets", n->tx_packets);
        member(w, "tx_errors", n->tx_errors);
        member(w, "tx_dropped", n->tx_dropped);
        jw_end(w);
    }
    jw_end(w);
}

void metrics_write_docker(const struct metrics_stats *stats, struct jw *w)
{
    const struct metrics_sample *s = stats->now;

    jw_object(w);
    member_time(w, "read", s->wall_ns);
    member_time(w, "preread", stats->before ? stats->before->wall_ns : 0);
    jw_kobject(w, "pids_stats");
    member_if(w, "current", s->pids);
    /* Without a limit version 1 tells none, version 2 the largest number. */
    if (s->v2 || s->pids_limit != UINT64_MAX)
        member_if(w, "limit", s->pids_limit);
    jw_end(w);
    write_io(w, s);
    jw_kint(w, "num_procs", 0);
    jw_kobject(w, "storage_stats");
    jw_end(w);
    write_cpu(w, "cpu_stats", s);
    write_cpu(w, "precpu_stats", stats->before);
    write_memory(w, s);
    jw_kstr_if(w, "name", stats->name);
    jw_kstr_if(w, "id", stats->id);
    write_networks(w, s);
    if (stats->rates && !isnan(stats->rx_rate) && !isnan(stats->tx_rate)) {
        jw_kobject(w, "network_rate_stats");
        member_float(w, "rx_bytes_per_sec", stats->rx_rate);
        member_float(w, "tx_bytes_per_sec", stats->tx_rate);
        jw_end(w);
    }
    jw_end(w);
}
