#include "cli/agent_top.h"

#include <unistd.h>

#include "base/clock.h"

/* So many containers are read anew for one answer, for the files of each are read on the loop;
 * the numbers of the others are at most METRICS_INTERVAL_MS old. */
#define FRESH_MAX 100

struct telling {
    struct agent *agent;
    const struct core *core;
    struct jw *w;
    int fresh;
};

/* A counter beyond the range of JSON's integers says "no limit", or nothing true. */
static void put_number(struct jw *w, const char *key, uint64_t n)
{
    if (n <= INT64_MAX)
        jw_kint(w, key, (int64_t)n);
}

static void write_usage(struct jw *w, const struct metrics_sample *s)
{
    uint64_t rx = 0, tx = 0, read = 0, written = 0;

    for (size_t i = 0; i < s->n_interfaces; i++) {
        rx += s->interfaces[i].rx_bytes;
        tx += s->interfaces[i].tx_bytes;
    }
    for (size_t i = 0; i < s->n_io; i++) {
        read += s->io[i].read_bytes;
        written += s->io[i].write_bytes;
    }
    jw_kint(w, "read_ns", s->wall_ns);
    put_number(w, "cpu_ns", s->cpu_ns);
    put_number(w, "memory_bytes", metrics_sample_used(s));
    put_number(w, "memory_limit", s->memory_limit);
    put_number(w, "pids", s->pids);
    if (s->n_interfaces) {
        put_number(w, "rx_bytes", rx);
        put_number(w, "tx_bytes", tx);
    }
    put_number(w, "read_bytes", read);
    put_number(w, "write_bytes", written);
}

static void write_container(struct telling *te, const struct task *t, size_t i)
{
    static const char *const health[] = { "UNKNOWN", "STARTING", "HEALTHY", "UNHEALTHY" };
    struct agent *a = te->agent;
    const struct metrics_sample *s = NULL;
    struct core_seen_container k;
    struct jw *w = te->w;
    struct logs_totals log;

    if (!core_see_container(te->core, t->arn, i, &k) || k.known == CTR_STOPPED)
        return;
    if (a->metrics && k.docker_id && k.known == CTR_RUNNING)
        s = te->fresh++ < FRESH_MAX ? metrics_fresh(a->metrics, k.docker_id)
                                    : metrics_latest(a->metrics, k.docker_id);
    jw_object(w);
    jw_kstr(w, "task", str_after_last(t->arn, '/'));
    jw_kstr(w, "family", t->family);
    jw_kstr(w, "version", t->version);
    jw_kstr(w, "container", t->containers[i].name);
    jw_kstr_if(w, "docker_id", k.docker_id);
    jw_kstr(w, "status", ctr_status_name(k.known));
    jw_kstr(w, "desired", ctr_status_name(k.desired));
    if (t->containers[i].health_docker)
        jw_kstr(w, "health", health[k.health]);
    if (k.started_ms)
        jw_kint(w, "started_ms", k.started_ms);
    jw_kint(w, "restarts", k.restarts);
    if (s)
        write_usage(w, s);
    if (k.docker_id && logs_totals_of(a->logs, k.docker_id, &log)) {
        jw_kint(w, "log_waiting_bytes", log.waiting_bytes + log.backlog_bytes);
        jw_kbool(w, "held", log.held);
    }
    jw_end(w);
}

static void write_task(void *user, const struct task *t)
{
    for (size_t i = 0; i < t->n_containers; i++)
        if (!t->containers[i].internal)
            write_container(user, t, i);
}

void top_write(struct agent *a, struct buf *b)
{
    const struct core *core = engine_core(a->engine);
    struct jw w;

    jw_init(&w, b);
    jw_object(&w);
    jw_kint(&w, "now_ms", clock_wall_ms());
    jw_kobject(&w, "agent");
    jw_kstr(&w, "version", BERTH_VERSION);
    jw_kint(&w, "pid", getpid());
    jw_kint(&w, "uptime_ms", clock_wall_ms() - a->started_ms);
    jw_end(&w);
    jw_kstr(&w, "cluster", a->config->cluster);
    jw_kstr_if(&w, "instance_arn", a->instance_arn);
    jw_key(&w, "control");
    control_write_status(a->control, &w);
    jw_key(&w, "core");
    core_write_status(core, &w);
    jw_key(&w, "logs");
    logs_write_status(a->logs, &w);
    jw_karray(&w, "containers");
    core_each_task(core, write_task, &(struct telling){ a, core, &w, 0 });
    jw_end(&w);
    jw_end(&w);
    buf_putc(b, '\n');
}
