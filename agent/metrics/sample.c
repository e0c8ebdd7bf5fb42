#include "metrics/sample.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "metrics/internal.h"

/* ---- files that both versions have ---- */

bool metrics_memory_usage(struct metrics_sample *s, struct str text)
{
    return metrics_number(str_trim(text), &s->memory_bytes);
}

bool metrics_memory_max(struct metrics_sample *s, struct str text)
{
    return metrics_number(str_trim(text), &s->memory_max_bytes);
}

static bool limit(struct str text, uint64_t *out)
{
    text = str_trim(text);
    if (str_is(text, "max")) {
        *out = UINT64_MAX;
        return true;
    }
    return metrics_number(text, out);
}

bool metrics_memory_limit(struct metrics_sample *s, struct str text)
{
    return limit(text, &s->memory_limit);
}

bool metrics_memory_fails(struct metrics_sample *s, struct str text)
{
    return metrics_number(str_trim(text), &s->memory_fails);
}

bool metrics_pids_current(struct metrics_sample *s, struct str text)
{
    return metrics_number(str_trim(text), &s->pids);
}

bool metrics_pids_limit(struct metrics_sample *s, struct str text)
{
    return limit(text, &s->pids_limit);
}

bool metrics_memory_stat(struct metrics_sample *s, struct str text)
{
    struct str line;

    s->n_memory_stat = 0;
    while (metrics_line(&text, &line)) {
        struct str name = metrics_word(&line), value = metrics_word(&line);
        struct metrics_stat *to;
        uint64_t v;

        if (!name.n || name.n >= sizeof to->name || !metrics_number(value, &v) ||
            s->n_memory_stat == METRICS_STATS)
            continue;
        METRICS_ROOM(s->memory_stat, s->stat_room, s->n_memory_stat + 1);
        to = &s->memory_stat[s->n_memory_stat++];
        memcpy(to->name, name.p, name.n);
        to->name[name.n] = '\0';
        to->value = v;
        if (str_is(name, "cache"))
            s->memory_cache = v;
        if (str_is(name, "inactive_file"))
            s->memory_inactive_file = v;
    }
    return s->n_memory_stat > 0;
}

/* ---- /proc ---- */

/* A container engine names the interfaces that it makes eth0, eth1, ...; others are the
 * loopback, fallback tunnels that the kernel puts in every namespace, and what the container
 * made itself. */
static bool is_engines(struct str name)
{
    return name.n > 3 && name.n < sizeof(((struct metrics_interface *)0)->name) &&
           memcmp(name.p, "eth", 3) == 0;
}

bool metrics_net_dev(struct metrics_sample *s, struct str text)
{
    struct str line;

    s->n_interfaces = 0;
    while (metrics_line(&text, &line)) {
        struct str name = str_trim(metrics_until(&line, ':'));
        uint64_t v[16];
        size_t n = 0;
        struct metrics_interface *to;

        if (!is_engines(name) || s->n_interfaces == METRICS_INTERFACES)
            continue;
        while (n < COUNT_OF(v) && metrics_number(metrics_word(&line), &v[n]))
            n++;
        if (n < COUNT_OF(v))
            return false;
        METRICS_ROOM(s->interfaces, s->interface_room, s->n_interfaces + 1);
        to = &s->interfaces[s->n_interfaces++];
        *to = (struct metrics_interface){ .rx_bytes = v[0],
                                          .rx_packets = v[1],
                                          .rx_errors = v[2],
                                          .rx_dropped = v[3],
                                          .tx_bytes = v[8],
                                          .tx_packets = v[9],
                                          .tx_errors = v[10],
                                          .tx_dropped = v[11] };
        memcpy(to->name, name.p, name.n);
    }
    return true;
}

bool metrics_proc_stat(struct str text, uint64_t *system_ns, uint32_t *cpus)
{
    long hz = sysconf(_SC_CLK_TCK);
    uint64_t ticks = 0, v;
    uint32_t n = 0;
    struct str line;
    bool found = false;

    while (metrics_line(&text, &line)) {
        struct str name = metrics_word(&line);

        if (name.n < 3 || memcmp(name.p, "cpu", 3) != 0)
            break;
        n += name.n > 3;
        if (name.n > 3)
            continue;
        /* user nice system idle iowait irq softirq: Docker stops there. */
        for (int i = 0; i < 7; i++) {
            if (!metrics_number(metrics_word(&line), &v))
                return false;
            ticks += v;
        }
        found = true;
    }
    if (!found)
        return false;
    *system_ns = ticks * (METRICS_NS / (uint64_t)(hz > 0 ? hz : 100));
    *cpus = n;
    return true;
}

/* ---- samples ---- */

void metrics_sample_fini(struct metrics_sample *s)
{
    free(s->percpu_ns);
    free(s->memory_stat);
    free(s->io);
    free(s->interfaces);
    *s = (struct metrics_sample){ 0 };
}

void metrics_sample_reset(struct metrics_sample *s)
{
    *s = (struct metrics_sample){
        .percpu_ns = s->percpu_ns,
        .percpu_room = s->percpu_room,
        .memory_stat = s->memory_stat,
        .stat_room = s->stat_room,
        .io = s->io,
        .io_room = s->io_room,
        .interfaces = s->interfaces,
        .interface_room = s->interface_room,
        .pids_limit = UINT64_MAX,
        .memory_limit = UINT64_MAX,
    };
}

#define COPY(array, n, room)                                               \
    do {                                                                   \
        METRICS_ROOM(to->array, to->room, from->n);                        \
        if (from->n)                                                       \
            memcpy(to->array, from->array, from->n * sizeof *from->array); \
    } while (0)

void metrics_sample_copy(struct metrics_sample *to, const struct metrics_sample *from)
{
    struct metrics_sample all = *from;

    COPY(percpu_ns, n_percpu, percpu_room);
    COPY(memory_stat, n_memory_stat, stat_room);
    COPY(io, n_io, io_room);
    COPY(interfaces, n_interfaces, interface_room);
    all.percpu_ns = to->percpu_ns;
    all.percpu_room = to->percpu_room;
    all.memory_stat = to->memory_stat;
    all.stat_room = to->stat_room;
    all.io = to->io;
    all.io_room = to->io_room;
    all.interfaces = to->interfaces;
    all.interface_room = to->interface_room;
    *to = all;
}

struct metrics_io *metrics_sample_io(struct metrics_sample *s, uint32_t major, uint32_t minor)
{
    for (size_t i = 0; i < s->n_io; i++)
        if (s->io[i].major == major && s->io[i].minor == minor)
            return &s->io[i];
    if (s->n_io == METRICS_DEVICES)
        return NULL;
    METRICS_ROOM(s->io, s->io_room, s->n_io + 1);
    s->io[s->n_io] = (struct metrics_io){ .major = major, .minor = minor };
    return &s->io[s->n_io++];
}

uint64_t metrics_sample_stat(const struct metrics_sample *s, const char *name)
{
    for (size_t i = 0; i < s->n_memory_stat; i++)
        if (streq(s->memory_stat[i].name, name))
            return s->memory_stat[i].value;
    return 0;
}

uint64_t metrics_sample_used(const struct metrics_sample *s)
{
    uint64_t spare = s->v2 ? s->memory_inactive_file : s->memory_cache;

    return spare < s->memory_bytes ? s->memory_bytes - spare : s->memory_bytes;
}

static struct metrics_interface *find_interface(struct metrics_sample *s, const char *name)
{
    for (size_t i = 0; i < s->n_interfaces; i++)
        if (streq(s->interfaces[i].name, name))
            return &s->interfaces[i];
    return NULL;
}

/* A device that was not used yet in the new life is there with its past, so that a sum over all
 * devices never falls; interfaces are all there from the start. */
static void add_network(struct metrics_sample *s, const struct metrics_sample *earlier)
{
    for (size_t i = 0; i < earlier->n_interfaces; i++) {
        const struct metrics_interface *from = &earlier->interfaces[i];
        struct metrics_interface *to = find_interface(s, from->name);

        if (!to)
            continue;
        to->rx_bytes += from->rx_bytes;
        to->rx_packets += from->rx_packets;
        to->rx_errors += from->rx_errors;
        to->rx_dropped += from->rx_dropped;
        to->tx_bytes += from->tx_bytes;
        to->tx_packets += from->tx_packets;
        to->tx_errors += from->tx_errors;
        to->tx_dropped += from->tx_dropped;
    }
}

static void add_io(struct metrics_sample *s, const struct metrics_sample *earlier)
{
    for (size_t i = 0; i < earlier->n_io; i++) {
        const struct metrics_io *from = &earlier->io[i];
        struct metrics_io *to = metrics_sample_io(s, from->major, from->minor);

        if (!to)
            continue;
        to->read_bytes += from->read_bytes;
        to->write_bytes += from->write_bytes;
        to->reads += from->reads;
        to->writes += from->writes;
        for (size_t k = 0; k < METRICS_IO_OTHERS; k++) {
            to->other_bytes[k] += from->other_bytes[k];
            to->others[k] += from->others[k];
        }
    }
}

void metrics_sample_add(struct metrics_sample *s, const struct metrics_sample *earlier)
{
    s->cpu_ns += earlier->cpu_ns;
    s->cpu_user_ns += earlier->cpu_user_ns;
    s->cpu_system_ns += earlier->cpu_system_ns;
    for (size_t i = 0; i < s->n_percpu && i < earlier->n_percpu; i++)
        s->percpu_ns[i] += earlier->percpu_ns[i];
    s->throttle_periods += earlier->throttle_periods;
    s->throttled_periods += earlier->throttled_periods;
    s->throttled_ns += earlier->throttled_ns;
    s->memory_fails += earlier->memory_fails;
    s->oom_kills += earlier->oom_kills;
    if (s->memory_max_bytes < earlier->memory_max_bytes)
        s->memory_max_bytes = earlier->memory_max_bytes;
    add_network(s, earlier);
    add_io(s, earlier);
}
