#include "control/tcs_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

/* The fewest digits that give the same number again. JSON has no infinity: sets with one are not
 * written. */
static void put_number(struct jw *w, const char *key, double v)
{
    char text[40];

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    jw_key(w, key);
    jw_raw(w, str_of(text));
}

static bool is_usable(const struct tcs_float_set *s)
{
    return s->count > 0 && isfinite(s->min) && isfinite(s->max) && isfinite(s->sum);
}

static void put_floats(struct jw *w, const char *key, const struct tcs_float_set *s)
{
    if (!is_usable(s))
        return;
    jw_kobject(w, key);
    put_number(w, "max", s->max);
    put_number(w, "min", s->min);
    jw_kint(w, "sampleCount", s->count);
    put_number(w, "sum", s->sum);
    jw_end(w);
}

static void put_ints(struct jw *w, const char *key, const struct tcs_int_set *s)
{
    if (s->count <= 0)
        return;
    jw_kobject(w, key);
    jw_kint(w, "max", s->max);
    jw_kint(w, "min", s->min);
    jw_kint(w, "overflowMax", s->overflow_max);
    jw_kint(w, "overflowMin", s->overflow_min);
    jw_kint(w, "overflowSum", s->overflow_sum);
    jw_kint(w, "sampleCount", s->count);
    jw_kint(w, "sum", s->sum);
    jw_end(w);
}

static void put_storage(struct jw *w, const struct tcs_container_metric *c)
{
    if (c->read_bytes.count <= 0 && c->write_bytes.count <= 0)
        return;
    jw_kobject(w, "storageStatsSet");
    put_ints(w, "readSizeBytes", &c->read_bytes);
    put_ints(w, "writeSizeBytes", &c->write_bytes);
    jw_end(w);
}

static void put_network(struct jw *w, const struct tcs_container_metric *c)
{
    if (!c->has_network || c->rx_bytes.count <= 0)
        return;
    jw_kobject(w, "networkStatsSet");
    put_ints(w, "rxBytes", &c->rx_bytes);
    put_floats(w, "rxBytesPerSecond", &c->rx_rate);
    put_ints(w, "rxDropped", &c->rx_dropped);
    put_ints(w, "rxErrors", &c->rx_errors);
    put_ints(w, "rxPackets", &c->rx_packets);
    put_ints(w, "txBytes", &c->tx_bytes);
    put_floats(w, "txBytesPerSecond", &c->tx_rate);
    put_ints(w, "txDropped", &c->tx_dropped);
    put_ints(w, "txErrors", &c->tx_errors);
    put_ints(w, "txPackets", &c->tx_packets);
    jw_end(w);
}

static void put_container(struct jw *w, const struct tcs_container_metric *c)
{
    jw_object(w);
    jw_kstr(w, "containerName", c->name);
    put_floats(w, "cpuStatsSet", &c->cpu_percent);
    put_floats(w, "memoryStatsSet", &c->memory_mib);
    put_storage(w, c);
    put_network(w, c);
    if (c->has_restarts) {
        jw_kobject(w, "restartStatsSet");
        jw_kint(w, "restartCount", c->restarts);
        jw_end(w);
    }
    jw_end(w);
}

static void open_task(struct jw *w, struct buf *out, const struct tcs_task *task, const char *list)
{
    buf_reset(out);
    jw_init(w, out);
    jw_object(w);
    jw_kstr(w, "taskArn", task->arn);
    jw_kstr(w, "taskDefinitionFamily", task->family);
    jw_kstr(w, "taskDefinitionVersion", task->version);
    jw_karray(w, list);
}

static bool close_task(struct jw *w, size_t n_containers)
{
    jw_end(w);
    jw_end(w);
    return n_containers > 0 && !w->out->overflowed;
}

bool tcs_json_metrics(struct buf *out, const struct tcs_task *task,
                      const struct tcs_container_metric *containers, size_t n)
{
    size_t told = 0;
    struct jw w;

    open_task(&w, out, task, "containerMetrics");
    for (size_t i = 0; i < n; i++) {
        if (!is_usable(&containers[i].cpu_percent) || !is_usable(&containers[i].memory_mib))
            continue;
        put_container(&w, &containers[i]);
        told++;
    }
    return close_task(&w, told);
}

static const char *health_name(enum tcs_health h)
{
    switch (h) {
    case TCS_HEALTH_GOOD:
        return "HEALTHY";
    case TCS_HEALTH_BAD:
        return "UNHEALTHY";
    case TCS_HEALTH_UNKNOWN:
        break;
    }
    return "UNKNOWN";
}

bool tcs_json_health(struct buf *out, const struct tcs_task *task, int64_t now_ms,
                     const struct tcs_container_health *containers, size_t n)
{
    struct jw w;

    open_task(&w, out, task, "containers");
    for (size_t i = 0; i < n; i++) {
        jw_object(&w);
        jw_kstr(&w, "containerName", containers[i].name);
        jw_kstr(&w, "healthStatus", health_name(containers[i].status));
        jw_key(&w, "statusSince");
        jw_millis(&w, containers[i].since_ms > 0 ? containers[i].since_ms : now_ms);
        jw_end(&w);
    }
    return close_task(&w, n);
}
