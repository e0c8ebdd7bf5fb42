/* What follows from readings: percentages, rates, and the sets of telemetry (acs-tcs 5.5). */
#include <math.h>

#include "metrics/internal.h"

/* ---- points ---- */

static void add_interface(uint64_t net[NET__COUNT], const struct metrics_interface *i)
{
    net[NET_RX_BYTES] += i->rx_bytes;
    net[NET_RX_DROPPED] += i->rx_dropped;
    net[NET_RX_ERRORS] += i->rx_errors;
    net[NET_RX_PACKETS] += i->rx_packets;
    net[NET_TX_BYTES] += i->tx_bytes;
    net[NET_TX_DROPPED] += i->tx_dropped;
    net[NET_TX_ERRORS] += i->tx_errors;
    net[NET_TX_PACKETS] += i->tx_packets;
}

/* For each second; NaN when the counter went back. */
static float rate(uint64_t now, uint64_t before, int64_t ns)
{
    if (now < before)
        return NAN;
    return (float)((double)METRICS_NS * (double)(now - before) / (double)ns);
}

static void compare(struct metrics_point *p, const struct metrics_point *before)
{
    int64_t ns = before ? p->mono_ns - before->mono_ns : 0;

    if (before && ns <= 0) { /* no time has passed: nothing new is known */
        p->cpu_percent = before->cpu_percent;
        p->rx_rate = before->rx_rate;
        p->tx_rate = before->tx_rate;
        return;
    }
    p->cpu_percent = p->rx_rate = p->tx_rate = NAN;
    if (!before)
        return;
    p->cpu_percent = rate(p->cpu_ns, before->cpu_ns, ns) * 100 / (float)METRICS_NS;
    if (!p->network || !before->network)
        return;
    p->rx_rate = rate(p->net[NET_RX_BYTES], before->net[NET_RX_BYTES], ns);
    p->tx_rate = rate(p->net[NET_TX_BYTES], before->net[NET_TX_BYTES], ns);
}

const struct metrics_point *metrics_ring_newest(const struct metrics_ring *r)
{
    return r->n ? &r->points[(r->next + METRICS_RING - 1) % METRICS_RING] : NULL;
}

void metrics_ring_add(struct metrics_ring *r, const struct metrics_sample *s, int64_t mono_ns,
                      int cpus)
{
    struct metrics_point p = { .mono_ns = mono_ns,
                               .cpu_ns = s->cpu_ns / (uint64_t)(cpus > 0 ? cpus : 1),
                               .memory_mib = metrics_sample_used(s) >> 20,
                               .network = s->n_interfaces > 0 };

    for (size_t i = 0; i < s->n_io; i++) {
        p.read_bytes += s->io[i].read_bytes;
        p.write_bytes += s->io[i].write_bytes;
    }
    for (size_t i = 0; i < s->n_interfaces; i++)
        add_interface(p.net, &s->interfaces[i]);
    compare(&p, metrics_ring_newest(r));
    r->points[r->next] = p;
    r->next = (r->next + 1) % METRICS_RING;
    if (r->n < METRICS_RING)
        r->n++;
}

/* ---- sets ---- */

static void add_float(struct metrics_float_set *set, double v)
{
    if (isnan(v))
        return;
    if (!set->count || v < set->min)
        set->min = v;
    if (!set->count || v > set->max)
        set->max = v;
    set->sum += v;
    set->count++;
}

struct int_sum {
    uint64_t min, max, sum;
    int64_t count;
};

static void add_int(struct int_sum *s, uint64_t v)
{
    if (!s->count || v < s->min)
        s->min = v;
    if (!s->count || v > s->max)
        s->max = v;
    s->sum += v; /* wraps, as the wire expects */
    s->count++;
}

/* The wire's integers have 63 bits: what is more goes into a second member. */
static void split(uint64_t v, int64_t *base, int64_t *overflow)
{
    *base = v > INT64_MAX ? INT64_MAX : (int64_t)v;
    *overflow = v > INT64_MAX ? (int64_t)(v % INT64_MAX) : 0;
}

static struct metrics_int_set int_set(const struct int_sum *s)
{
    struct metrics_int_set set = { .count = s->count };

    split(s->min, &set.min, &set.overflow_min);
    split(s->max, &set.max, &set.overflow_max);
    split(s->sum, &set.sum, &set.overflow_sum);
    return set;
}

bool metrics_ring_take(struct metrics_ring *r, struct metrics_sets *out)
{
    struct metrics_sets sets = { 0 };
    struct int_sum read = { 0 }, write = { 0 }, net[NET__COUNT] = { 0 };
    struct metrics_int_set *const net_sets[NET__COUNT] = {
        [NET_RX_BYTES] = &sets.rx_bytes,   [NET_RX_DROPPED] = &sets.rx_dropped,
        [NET_RX_ERRORS] = &sets.rx_errors, [NET_RX_PACKETS] = &sets.rx_packets,
        [NET_TX_BYTES] = &sets.tx_bytes,   [NET_TX_DROPPED] = &sets.tx_dropped,
        [NET_TX_ERRORS] = &sets.tx_errors, [NET_TX_PACKETS] = &sets.tx_packets,
    };

    for (size_t i = 0; i < r->n; i++) {
        const struct metrics_point *p =
            &r->points[(r->next + METRICS_RING - r->n + i) % METRICS_RING];

        if (p->taken)
            continue;
        add_float(&sets.cpu_percent, (double)p->cpu_percent);
        add_float(&sets.memory_mib, (double)p->memory_mib);
        add_int(&read, p->read_bytes);
        add_int(&write, p->write_bytes);
        if (!p->network)
            continue;
        sets.has_network = true;
        for (size_t k = 0; k < NET__COUNT; k++)
            add_int(&net[k], p->net[k]);
        add_float(&sets.rx_rate, (double)p->rx_rate);
        add_float(&sets.tx_rate, (double)p->tx_rate);
    }
    /* A first reading has no percentage, so there are two at least. */
    if (!sets.cpu_percent.count)
        return false;
    for (size_t i = 0; i < r->n; i++)
        r->points[i].taken = true; /* n points are always the first n of the array */
    sets.read_bytes = int_set(&read);
    sets.write_bytes = int_set(&write);
    for (size_t k = 0; k < NET__COUNT; k++)
        *net_sets[k] = int_set(&net[k]);
    *out = sets;
    return true;
}
