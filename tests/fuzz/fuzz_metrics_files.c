/* links: metrics; dict: proc */
/* Files of cgroups and of /proc, each text as each file; and what is made of the readings. An empty
 * line parts two readings, and for where cgroups are, /proc/PID/cgroup from mountinfo. */
#include "fuzz/fuzz.h"
#include "metrics/internal.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static metrics_parse_fn *const parsers[] = {
    metrics_v1_usage,       metrics_v1_usage_percpu, metrics_v1_cpuacct_stat,
    metrics_v1_cpu_stat,    metrics_v1_oom_control,  metrics_v1_io_bytes,
    metrics_v1_io_count,    metrics_v2_cpu_stat,     metrics_v2_memory_events,
    metrics_v2_io_stat,     metrics_v2_cpu_pressure, metrics_v2_memory_pressure,
    metrics_v2_io_pressure, metrics_memory_usage,    metrics_memory_max,
    metrics_memory_limit,   metrics_memory_fails,    metrics_memory_stat,
    metrics_pids_current,   metrics_pids_limit,      metrics_net_dev,
};

static void read_all(struct str text, struct metrics_sample *s)
{
    for (size_t i = 0; i < COUNT_OF(parsers); i++)
        parsers[i](s, text);
    if (!metrics_proc_stat(text, &s->system_ns, &s->online_cpus))
        s->online_cpus = 2;
    LAW(s->n_percpu <= METRICS_CPUS && s->n_io <= METRICS_DEVICES);
    LAW(s->n_interfaces <= METRICS_INTERFACES && s->n_memory_stat <= METRICS_STATS);
    for (size_t i = 0; i < s->n_memory_stat; i++)
        LAW(memchr(s->memory_stat[i].name, 0, sizeof s->memory_stat[i].name));
    for (size_t i = 0; i < s->n_interfaces; i++)
        LAW(memchr(s->interfaces[i].name, 0, sizeof s->interfaces[i].name));
    metrics_sample_used(s);
}

/* Whatever was read, what is told of it is JSON. (Counters of 64 bits are larger than whole numbers
 * of the reader.) */
static void check_told(const struct metrics_sample *now, const struct metrics_sample *before)
{
    const struct metrics_stats stats = {
        .id = ID, .name = "web", .now = now, .before = before, .rates = true
    };
    AUTO(buf) struct buf text = BUF_INIT((size_t)4 << 20);
    AUTO(json) struct json_t *doc = NULL;
    struct jw w;

    jw_init(&w, &text);
    metrics_write_docker(&stats, &w);
    LAW(!text.overflowed && !json_parse_doubles(buf_text(&text), text.len, &doc, NULL));
}

static void check_sets(const struct metrics_sample *a, const struct metrics_sample *b)
{
    struct metrics_ring *ring = NEW(struct metrics_ring);
    struct metrics_sets sets;

    metrics_ring_add(ring, a, 1000000000, 2);
    metrics_ring_add(ring, b, 2000000000, 2);
    metrics_ring_add(ring, b, 3000000000, 2);
    LAW(metrics_ring_newest(ring));
    if (metrics_ring_take(ring, &sets))
        LAW(sets.memory_mib.min <= sets.memory_mib.max && sets.memory_mib.count <= 3);
    free(ring);
}

static void check_places(struct str cgroup, struct str mountinfo)
{
    struct metrics_places p;

    if (!metrics_locate(cgroup, mountinfo, "/sys/fs/cgroup", ID, &p))
        return;
    for (size_t i = 0; i < PLACE__COUNT; i++)
        LAW(!p.dir[i] || !memchr(p.dir[i], '\n', strlen(p.dir[i])));
    metrics_places_fini(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str first = fuzz_str(data, size), second = { "", 0 };
    const char *gap = size ? memmem(data, size, "\n\n", 2) : NULL;
    struct metrics_sample a = { 0 }, b = { .v2 = true }, copy = { 0 };

    if (gap) {
        first.n = (size_t)(gap - first.p) + 1;
        second = (struct str){ gap + 2, size - first.n - 1 };
    }
    read_all(first, &a);
    read_all(second, &b);
    check_told(&a, NULL);
    check_told(&b, &a);
    check_sets(&a, &b);
    metrics_sample_copy(&copy, &a);
    metrics_sample_add(&copy, &b);
    check_told(&copy, &a);
    check_places(first, second);
    metrics_sample_fini(&a);
    metrics_sample_fini(&b);
    metrics_sample_fini(&copy);
    return 0;
}
