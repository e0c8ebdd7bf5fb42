#include "endpoints/prometheus.h"

#include <stdlib.h>
#include <string.h>

#include "base/defs.h"

#define LABELS 3

/* ---- containers ---- */

static int by_name(const void *a, const void *b)
{
    const struct prometheus_container *x = a, *y = b;
    int task = strcmp(x->task, y->task);

    return task ? task : strcmp(x->container, y->container);
}

static size_t drop_doubles(struct prometheus_container *all, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && by_name(&all[kept - 1], &all[i]) == 0)
            continue;
        all[kept++] = all[i];
    }
    return kept;
}

/* The value of one family, in its unit; false: this container has none. */
typedef bool value_fn(const struct prometheus_container *c, double *out);

static bool always(double v, double *out)
{
    *out = v;
    return true;
}

static bool only(bool has, uint64_t v, double per, double *out)
{
    *out = (double)v / per;
    return has;
}

#define VALUE(name, expression)                                         \
    static bool name(const struct prometheus_container *c, double *out) \
    {                                                                   \
        return expression;                                              \
    }
VALUE(cpu, always((double)c->cpu_ns / 1e9, out))
VALUE(periods, always((double)c->throttle_periods, out))
VALUE(throttled, always((double)c->throttled_periods, out))
VALUE(throttled_time, always((double)c->throttled_ns / 1e9, out))
VALUE(memory, always((double)c->memory_bytes, out))
VALUE(memory_limit, only(c->memory_limit != UINT64_MAX, c->memory_limit, 1, out))
VALUE(oom_kills, always((double)c->oom_kills, out))
VALUE(pids, always((double)c->pids, out))
VALUE(read_bytes, always((double)c->read_bytes, out))
VALUE(write_bytes, always((double)c->write_bytes, out))
VALUE(rx, only(c->has_network, c->rx_bytes, 1, out))
VALUE(tx, only(c->has_network, c->tx_bytes, 1, out))
VALUE(cpu_pressure, only(c->has_pressure, c->cpu_pressure_us, 1e6, out))
VALUE(memory_pressure, only(c->has_pressure, c->memory_pressure_us, 1e6, out))
VALUE(io_pressure, only(c->has_pressure, c->io_pressure_us, 1e6, out))
VALUE(restarts, always((double)c->restarts, out))

static const struct {
    const char *name;
    enum prom_type type;
    const char *help;
    value_fn *value;
} families[] = {
    { "berth_container_cpu_seconds_total", PROM_COUNTER, "Processor time used.", cpu },
    { "berth_container_cpu_periods_total", PROM_COUNTER,
      "Scheduling periods in which the container wanted to run under a CPU quota.", periods },
    { "berth_container_cpu_throttled_periods_total", PROM_COUNTER,
      "Periods in which its quota was used up.", throttled },
    { "berth_container_cpu_throttled_seconds_total", PROM_COUNTER,
      "Time it was held back by its quota.", throttled_time },
    { "berth_container_memory_bytes", PROM_GAUGE,
      "Memory in use, without file cache that can be given back.", memory },
    { "berth_container_memory_limit_bytes", PROM_GAUGE,
      "Its hard limit; not there when it has none.", memory_limit },
    { "berth_container_oom_kills_total", PROM_COUNTER,
      "Processes that the kernel killed for want of memory.", oom_kills },
    { "berth_container_pids", PROM_GAUGE, "Processes and threads.", pids },
    { "berth_container_disk_read_bytes_total", PROM_COUNTER, "Read from block devices.",
      read_bytes },
    { "berth_container_disk_written_bytes_total", PROM_COUNTER, "Written to block devices.",
      write_bytes },
    { "berth_container_network_receive_bytes_total", PROM_COUNTER,
      "Received on its own interfaces.", rx },
    { "berth_container_network_transmit_bytes_total", PROM_COUNTER, "Sent on its own interfaces.",
      tx },
    { "berth_container_cpu_pressure_seconds_total", PROM_COUNTER,
      "Time in which some process of it waited for a processor.", cpu_pressure },
    { "berth_container_memory_pressure_seconds_total", PROM_COUNTER,
      "Time in which some process of it waited for memory.", memory_pressure },
    { "berth_container_io_pressure_seconds_total", PROM_COUNTER,
      "Time in which some process of it waited for a disk.", io_pressure },
    { "berth_container_restarts_total", PROM_COUNTER, "Restarts by its restart policy.", restarts },
};

/* Families without a sample (no PSI on this host) are left out. */
static void write_family(struct prom *p, const struct prometheus_container *all, size_t n,
                         size_t family)
{
    bool begun = false;
    double value;

    for (size_t i = 0; i < n; i++) {
        const struct prom_label labels[LABELS] = { { "task", all[i].task },
                                                   { "container", all[i].container },
                                                   { "family", all[i].family } };

        if (!families[family].value(&all[i], &value))
            continue;
        if (!begun)
            prom_family(p, families[family].name, families[family].type, families[family].help);
        begun = true;
        prom_sample(p, labels, LABELS, value);
    }
}

void prometheus_write_containers(struct prom *p, struct prometheus_container *all, size_t n,
                                 size_t total)
{
    if (n > 0)
        qsort(all, n, sizeof *all, by_name);
    n = drop_doubles(all, n);
    if (n > PROMETHEUS_CONTAINERS)
        n = PROMETHEUS_CONTAINERS;
    prom_gauge(p, "berth_containers_left_out",
               "Containers with statistics of which nothing is told here: there are too many.",
               (double)(total - n));
    for (size_t i = 0; i < COUNT_OF(families); i++)
        write_family(p, all, n, i);
}

/* ---- the answer ---- */

void prometheus_serve(const struct prometheus_endpoint *e, struct http_call *c)
{
    AUTO(buf) struct buf b = BUF_INIT(PROMETHEUS_MAX);
    struct prom p;

    prom_init(&p, &b);
    e->write(e->user, &p, true);
    if (b.overflowed) {
        buf_reset(&b);
        prom_init(&p, &b);
        e->write(e->user, &p, false);
    }
    if (b.overflowed)
        endpoint_reply(e->listener, c, 500, "text/plain; charset=utf-8",
                       str_of("too much to tell\n"));
    else
        endpoint_reply(e->listener, c, 200, PROM_CONTENT_TYPE, buf_str(&b));
}
