#include "cli/agent_telemetry.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "control/tcs_json.h"

#define PING_MS  2000
#define TEXT_MAX ((size_t)1 << 20) /* of one task; a message holds no more */

/* ---- what is watched ---- */

/* Counters of a namespace of its own; those of the host would be everybody's. */
static bool has_network(const struct task *t)
{
    return !streq(t->network_mode, "host") && !streq(t->network_mode, "none");
}

void telemetry_seen(struct agent *a, const struct task *t, size_t container,
                    const struct ctr_facts *f)
{
    const struct engine_detail *d = engine_detail(a->engine, t->arn, container);
    const char *name = core_docker_name(engine_core(a->engine), t->arn, container);
    struct core_seen_container seen = { 0 };
    AUTO(str) char *with_slash = NULL;

    if (!a->metrics)
        return;
    (void)core_see_container(engine_core(a->engine), t->arn, container, &seen);
    if (f->status != CTR_RUNNING || !d || !d->docker.pid) {
        /* Whether it is started again is not decided yet: see telemetry_changed. */
        if (f->status == CTR_STOPPED &&
            (!t->containers[container].restart.enabled || seen.known == CTR_STOPPED))
            metrics_forget(a->metrics, f->id);
        return;
    }
    with_slash = mem_printf("/%s", name ? name : "");
    metrics_watch(a->metrics,
                  &(struct metrics_container){ .id = f->id,
                                               .name = with_slash,
                                               .pid = d->docker.pid,
                                               .network = has_network(t),
                                               .restarts = t->containers[container].restart.enabled,
                                               .restart_count = seen.restarts,
                                               .started_ms = f->started_ms });
}

void telemetry_changed(struct agent *a, const struct task *t)
{
    const struct core *core = engine_core(a->engine);

    for (size_t i = 0; i < t->n_containers && a->metrics; i++) {
        struct core_seen_container seen;

        if (core_see_container(core, t->arn, i, &seen) && seen.known == CTR_STOPPED &&
            !str_empty(seen.docker_id))
            metrics_forget(a->metrics, seen.docker_id);
    }
}

/* ---- metrics ---- */

struct telling {
    struct agent *agent;
    tcs_task_fn *add;
    void *tcs;
    bool watched;
};

static struct tcs_float_set floats(const struct metrics_float_set *s)
{
    return (struct tcs_float_set){ s->min, s->max, s->sum, s->count };
}

static struct tcs_int_set ints(const struct metrics_int_set *s)
{
    return (struct tcs_int_set){ .min = s->min,
                                 .max = s->max,
                                 .sum = s->sum,
                                 .count = s->count,
                                 .overflow_min = s->overflow_min,
                                 .overflow_max = s->overflow_max,
                                 .overflow_sum = s->overflow_sum };
}

static void copy_sets(struct tcs_container_metric *to, const struct metrics_sets *s)
{
    to->cpu_percent = floats(&s->cpu_percent);
    to->memory_mib = floats(&s->memory_mib);
    to->read_bytes = ints(&s->read_bytes);
    to->write_bytes = ints(&s->write_bytes);
    to->has_network = s->has_network;
    to->rx_bytes = ints(&s->rx_bytes);
    to->rx_dropped = ints(&s->rx_dropped);
    to->rx_errors = ints(&s->rx_errors);
    to->rx_packets = ints(&s->rx_packets);
    to->tx_bytes = ints(&s->tx_bytes);
    to->tx_dropped = ints(&s->tx_dropped);
    to->tx_errors = ints(&s->tx_errors);
    to->tx_packets = ints(&s->tx_packets);
    to->rx_rate = floats(&s->rx_rate);
    to->tx_rate = floats(&s->tx_rate);
}

static bool is_told(const struct telling *s, const struct task *t)
{
    struct core_seen_task seen;

    return core_see_task(engine_core(s->agent->engine), t->arn, &seen) && !seen.local &&
           seen.known != TASK_STOPPED && !str_empty(t->family);
}

static void tell_metrics(void *user, const struct task *t)
{
    struct telling *s = user;
    const struct core *core = engine_core(s->agent->engine);
    const struct tcs_task task = { t->arn, t->family, t->version };
    struct tcs_container_metric *all;
    struct buf text = BUF_INIT(TEXT_MAX);
    size_t n = 0;

    if (!is_told(s, t))
        return;
    all = mem_array(t->n_containers, sizeof *all);
    for (size_t i = 0; i < t->n_containers; i++) {
        const char *id = core_docker_id(core, t->arn, i);
        struct metrics_sets sets;

        if (!id || !metrics_is_watched(s->agent->metrics, id))
            continue;
        s->watched = true;
        if (!metrics_take_sets(s->agent->metrics, id, &sets))
            continue;
        copy_sets(&all[n], &sets);
        all[n].name = t->containers[i].name;
        all[n].has_restarts = t->containers[i].restart.enabled;
        all[n++].restarts = sets.restarts;
    }
    if (tcs_json_metrics(&text, &task, all, n))
        s->add(s->tcs, buf_str(&text));
    buf_fini(&text);
    free(all);
}

static bool source_metrics(void *user, tcs_task_fn *add, void *tcs)
{
    struct agent *a = user;
    struct telling s = { a, add, tcs, false };

    if (a->engine && a->metrics)
        core_each_task(engine_core(a->engine), tell_metrics, &s);
    return s.watched;
}

/* ---- health ---- */

static enum tcs_health health_of(enum ctr_health h)
{
    return h == HEALTH_OK ? TCS_HEALTH_GOOD : h == HEALTH_BAD ? TCS_HEALTH_BAD : TCS_HEALTH_UNKNOWN;
}

static void tell_health(void *user, const struct task *t)
{
    struct telling *s = user;
    const struct engine *en = s->agent->engine;
    const struct tcs_task task = { t->arn, t->family, t->version };
    struct tcs_container_health *all;
    struct buf text = BUF_INIT(TEXT_MAX);
    size_t n = 0;

    if (!is_told(s, t))
        return;
    all = mem_array(t->n_containers, sizeof *all);
    for (size_t i = 0; i < t->n_containers; i++) {
        const struct engine_detail *d = engine_detail(en, t->arn, i);
        struct core_seen_container seen;

        if (!t->containers[i].health_docker ||
            !core_see_container(engine_core(en), t->arn, i, &seen) || !seen.docker_id)
            continue;
        all[n++] = (struct tcs_container_health){ t->containers[i].name, health_of(seen.health),
                                                  d ? d->health_since_ms : 0 };
    }
    if (tcs_json_health(&text, &task, clock_wall_ms(), all, n))
        s->add(s->tcs, buf_str(&text));
    buf_fini(&text);
    free(all);
}

static void source_health(void *user, tcs_task_fn *add, void *tcs)
{
    struct agent *a = user;
    struct telling s = { a, add, tcs, false };

    if (a->engine)
        core_each_task(engine_core(a->engine), tell_health, &s);
}

/* ---- the container engine ---- */

static void on_pinged(void *user, const struct err *e)
{
    struct agent *a = user;

    a->ping = NULL;
    control_runtime_checked(a->control, e->code == ERR_OK);
}

static void source_check_runtime(void *user)
{
    struct agent *a = user;

    docker_cancel(a->ping);
    a->ping = docker_ping(a->docker, PING_MS, on_pinged, a);
}

void telemetry_end(struct agent *a)
{
    docker_cancel(a->ping);
    a->ping = NULL;
}

const struct tcs_source telemetry_source = {
    .metrics = source_metrics,
    .health = source_health,
    .check_runtime = source_check_runtime,
};
