#include "cli/agent_prometheus.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cli/agent_process.h"
#include "endpoints/prometheus.h"

#define MIB (1024.0 * 1024.0)

static void labeled(struct prom *p, const char *label, const char *value, uint64_t count)
{
    prom_count(p, &(struct prom_label){ label, value }, 1, count);
}

/* ---- the agent ---- */

static void write_secret_memory(struct prom *p)
{
    struct secret_totals t;

    secret_get_totals(&t);
    prom_gauge(p, "berth_secret_memory_bytes", "Memory for secrets that is in use.",
               (double)t.used);
    prom_gauge(p, "berth_secret_memory_held_bytes", "Memory for secrets that the agent has.",
               (double)t.held);
    prom_gauge(p, "berth_secret_memory_locked_bytes",
               "Of what it has, what is locked; the rest may be swapped.", (double)t.locked);
    prom_counter(p, "berth_secret_memory_outside_total",
                 "Allocations for which there was no room left there.", t.outside);
}

static void write_agent(const struct agent *a, struct prom *p)
{
    const struct prom_label build[] = { { "version", BERTH_VERSION },
                                        { "commit", BERTH_COMMIT },
                                        { "reference", CLI_REFERENCE_VERSION } };
    struct engine_totals t;

    prom_family(
        p, "berth_build_info", PROM_GAUGE,
        "Always 1: the labels say what runs, and which release of the ECS agent it matches.");
    prom_sample(p, build, COUNT_OF(build), 1);
    prom_family(p, "berth_loop_turn_seconds", PROM_HISTOGRAM,
                "How long turns of the event loop took: nothing else is looked at meanwhile.");
    prom_histogram(p, NULL, 0, loop_turns(a->loop));
    write_secret_memory(p);
    if (!a->engine)
        return;
    engine_get_totals(a->engine, &t);
    prom_counter(p, "berth_events_total", "Facts that the core was told.", t.events);
    prom_gauge(p, "berth_events_waiting", "Facts that wait to be told to the core.",
               (double)t.events_waiting);
    prom_family(p, "berth_store_commit_seconds", PROM_HISTOGRAM,
                "How long it took to make changes of the state durable.");
    prom_histogram(p, NULL, 0, t.commit_time);
    prom_counter(p, "berth_store_commits_failed_total", "Commits that failed and are tried again.",
                 t.commits_failed);
    prom_gauge(p, "berth_store_unsaved_seconds",
               "For how long the state cannot be saved; 0: it can.", (double)t.unsaved_ms / 1000);
    prom_gauge(p, "berth_flight_record_bytes", "Size of the flight record's present file; 0: off.",
               (double)t.record_bytes);
}

/* ---- tasks ---- */

static void write_reports(const struct core_totals *t, struct prom *p)
{
    prom_gauge(p, "berth_reports_waiting",
               "Tasks of which the control plane has not accepted the newest state.",
               (double)t->reports_unsent);
    prom_gauge(p, "berth_reports_oldest_waiting_seconds",
               "For how long the oldest of these states is known; 0: none waits.",
               (double)t->oldest_unsent_ms / 1000);
    prom_family(p, "berth_report_lag_seconds", PROM_HISTOGRAM,
                "From the moment a state was known to its acceptance by the control plane.");
    prom_histogram(p, NULL, 0, t->report_lag);
}

static void write_janitor(const struct core_totals *t, struct prom *p)
{
    prom_gauge(p, "berth_images", "Images that tasks brought.", (double)t->images);
    if (t->disk.bytes > 0)
        prom_gauge(p, "berth_docker_disk_used_ratio",
                   "Of the bytes of Docker's disk, when last seen.",
                   (double)t->disk.bytes_used / (double)t->disk.bytes);
    if (t->disk.inodes > 0)
        prom_gauge(p, "berth_docker_disk_inodes_used_ratio", "Likewise, of its inodes.",
                   (double)t->disk.inodes_used / (double)t->disk.inodes);
    prom_counter(p, "berth_images_removed_total", "Images that the janitor removed.",
                 t->images_removed);
    prom_counter(p, "berth_stray_containers_removed_total",
                 "Containers of no task that the janitor removed.", t->others_removed);
}

static void write_core(const struct agent *a, struct prom *p)
{
    struct core_totals t;

    core_get_totals(engine_core(a->engine), (struct core_time){ clock_mono_ms(), clock_wall_ms() },
                    &t);
    prom_family(p, "berth_tasks", PROM_GAUGE, "Tasks by known status, cleaned-up ones left out.");
    for (int s = TASK_NONE; s <= TASK_STOPPED; s++)
        labeled(p, "status", task_status_name((enum task_status)s), t.tasks[s]);
    prom_family(p, "berth_containers", PROM_GAUGE, "Their containers by known status.");
    for (int s = CTR_NONE; s <= CTR_STOPPED; s++)
        labeled(p, "status", ctr_status_name((enum ctr_status)s), t.containers[s]);
    prom_gauge(p, "berth_tasks_waiting_for_room", "Tasks that wait for CPU, memory or host ports.",
               (double)t.tasks_waiting_for_room);
    prom_gauge(p, "berth_capacity_cpu_cores", "Processors for tasks.", (double)t.cpu_total / 1024);
    prom_gauge(p, "berth_capacity_cpu_cores_used", "What of them is promised to tasks.",
               (double)t.cpu_used / 1024);
    prom_gauge(p, "berth_capacity_memory_bytes", "Memory for tasks.",
               (double)t.memory_mib_total * MIB);
    prom_gauge(p, "berth_capacity_memory_used_bytes", "What of it is promised to tasks.",
               (double)t.memory_mib_used * MIB);
    prom_counter(p, "berth_restarts_total", "Restarts of containers by their restart policies.",
                 t.restarts);
    write_reports(&t, p);
    write_janitor(&t, p);
}

/* ---- whom the agent talks to ---- */

static void write_docker(const struct agent *a, struct prom *p)
{
    const struct docker_counts *c = docker_get_counts(a->docker);
    uint64_t called[DOCKER_CALL__COUNT] = { 0 };

    prom_family(p, "berth_docker_calls_total", PROM_COUNTER,
                "Requests to the Docker Engine that are over, by operation and result.");
    for (int k = 0; k < DOCKER_CALL__COUNT; k++) {
        for (int r = 0; r < DOCKER_RESULT__COUNT; r++) {
            const struct prom_label labels[] = {
                { "operation", docker_call_kind_name((enum docker_call_kind)k) },
                { "result", docker_result_name((enum docker_call_result)r) },
            };

            called[k] += c->calls[k].results[r];
            if (c->calls[k].results[r])
                prom_count(p, labels, COUNT_OF(labels), c->calls[k].results[r]);
        }
    }
    prom_family(p, "berth_docker_call_seconds", PROM_HISTOGRAM,
                "How long these requests took, canceled ones and streams left out.");
    for (int k = 0; k < DOCKER_CALL_LOGS; k++)
        if (called[k])
            prom_histogram(p,
                           &(struct prom_label){ "operation",
                                                 docker_call_kind_name((enum docker_call_kind)k) },
                           1, &c->calls[k].time);
    prom_family(p, "berth_docker_calls_in_flight", PROM_GAUGE,
                "Requests to the Docker Engine that are under way; logs and events are streams.");
    for (int k = 0; k < DOCKER_CALL__COUNT; k++)
        if (called[k] || c->calls[k].in_flight)
            labeled(p, "operation", docker_call_kind_name((enum docker_call_kind)k),
                    c->calls[k].in_flight);
    prom_counter(p, "berth_docker_event_streams_lost_total",
                 "How often the stream of events ended and was opened again.", c->events_lost);
}

static void write_sessions(const struct control_totals *t, struct prom *p)
{
    prom_gauge(p, "berth_registered", "1: registered with the control plane by this process.",
               t->registered);
    prom_family(p, "berth_session_connected", PROM_GAUGE,
                "1: this session with the control plane is open.");
    labeled(p, "session", "acs", t->acs_connected);
    labeled(p, "session", "tcs", t->tcs_connected);
    prom_family(p, "berth_sessions_opened_total", PROM_COUNTER,
                "Sessions that were opened; all but the first are reconnects.");
    labeled(p, "session", "acs", t->acs_opened);
    labeled(p, "session", "tcs", t->tcs_opened);
    prom_family(p, "berth_sessions_failed_total", PROM_COUNTER,
                "Tries to open a session that came to nothing.");
    labeled(p, "session", "acs", t->acs_failed);
    labeled(p, "session", "tcs", t->tcs_failed);
}

static void write_control(const struct agent *a, struct prom *p)
{
    struct control_totals t;

    control_get_totals(a->control, &t);
    write_sessions(&t, p);
    prom_family(p, "berth_messages_received_total", PROM_COUNTER,
                "Messages of the control plane by type.");
    for (int m = 0; m < CONTROL_MSG__COUNT; m++)
        labeled(p, "type", control_message_name((enum control_message)m), t.messages[m]);
    prom_counter(p, "berth_acks_sent_total", "Acknowledgements sent to the control plane.", t.acks);
    if (t.heartbeat_ms >= 0)
        prom_gauge(p, "berth_heartbeat_age_seconds",
                   "Since the last heartbeat of the control plane.", (double)t.heartbeat_ms / 1000);
    prom_family(p, "berth_reports_total", PROM_COUNTER,
                "Reports of states by what became of them; a failed one is sent again.");
    labeled(p, "result", "accepted", t.reports_accepted);
    labeled(p, "result", "refused", t.reports_refused);
    labeled(p, "result", "failed", t.reports_failed);
}

static void write_aws(const struct agent *a, struct prom *p)
{
    const struct aws_counts *rows;
    size_t n;

    rows = aws_get_counts(a->aws, &n);
    prom_family(p, "berth_aws_calls_total", PROM_COUNTER, "Calls to services by outcome.");
    for (size_t i = 0; i < n; i++) {
        for (int o = 0; o < AWS_OUTCOME__COUNT; o++) {
            const struct prom_label labels[] = {
                { "service", rows[i].service },
                { "operation", rows[i].operation },
                { "outcome", aws_outcome_name((enum aws_outcome)o) },
            };

            if (rows[i].outcomes[o])
                prom_count(p, labels, COUNT_OF(labels), rows[i].outcomes[o]);
        }
    }
    prom_family(p, "berth_aws_retries_total", PROM_COUNTER,
                "Attempts of such calls after the first.");
    for (size_t i = 0; i < n; i++) {
        const struct prom_label labels[] = { { "service", rows[i].service },
                                             { "operation", rows[i].operation } };

        prom_count(p, labels, COUNT_OF(labels), rows[i].retries);
    }
}

static void write_logs(const struct agent *a, struct prom *p)
{
    struct logs_totals t;

    logs_totals(a->logs, &t);
    prom_gauge(p, "berth_log_streams", "Containers whose logs are shipped.", (double)t.streams);
    prom_gauge(p, "berth_log_streams_paused", "Of these, how many wait because the sink is behind.",
               (double)t.paused);
    prom_counter(p, "berth_log_events_sent_total", "Log events that the sink confirmed.",
                 (uint64_t)t.sent_events);
    prom_counter(p, "berth_log_sent_bytes_total", "Their size.", (uint64_t)t.sent_bytes);
    prom_gauge(p, "berth_log_events_waiting", "Log events read and not confirmed.",
               (double)t.waiting_events);
    prom_gauge(p, "berth_log_waiting_bytes", "Their size.", (double)t.waiting_bytes);
    prom_counter(p, "berth_log_puts_total", "Batches that were sent.", (uint64_t)t.puts);
    prom_counter(p, "berth_log_puts_failed_total", "Batches that failed, and are tried again.",
                 (uint64_t)t.puts_failed);
    prom_family(p, "berth_log_events_dropped_total", PROM_COUNTER,
                "Log events that are lost, by cause.");
    for (int i = 0; i < LOGS_DROP__COUNT; i++)
        labeled(p, "cause", logs_drop_name((enum logs_drop)i), (uint64_t)t.dropped[i]);
    prom_counter(p, "berth_log_gaps_total", "Losses of a size that nobody knows.",
                 (uint64_t)t.gaps);
    prom_counter(p, "berth_log_events_repeated_total",
                 "Log events that the sink had already, and which were not sent again.",
                 (uint64_t)t.repeated);
    prom_gauge(p, "berth_log_backlog_bytes", "Bytes in the files of the logs, not read yet.",
               (double)t.backlog_bytes);
    prom_gauge(p, "berth_log_lag_seconds", "Age of the oldest event that is not confirmed.",
               (double)t.oldest_ms / 1000);
    prom_gauge(p, "berth_log_containers_held",
               "Containers that are frozen until the sink has caught up.", (double)t.held);
}

/* ---- who talks to the agent ---- */

static void write_replies(const struct agent_listener_numbers *l, size_t n, struct prom *p)
{
    static const char *const classes[ENDPOINT_CLASSES] = { "1xx", "2xx", "3xx", "4xx", "5xx" };

    prom_family(p, "berth_http_requests_total", PROM_COUNTER,
                "Answers of the local endpoints by listener, kind of path and class of status.");
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < ENDPOINT__COUNT; k++) {
            for (int s = 0; s < ENDPOINT_CLASSES; s++) {
                const struct prom_label labels[] = {
                    { "listener", l[i].name },
                    { "route", endpoint_kind_name((enum endpoint_kind)k) },
                    { "status", classes[s] },
                };

                if (l[i].counts->replies[k][s])
                    prom_count(p, labels, COUNT_OF(labels), l[i].counts->replies[k][s]);
            }
        }
    }
}

static void write_listeners(const struct agent_listener_numbers *l, size_t n, struct prom *p)
{
    write_replies(l, n, p);
    prom_family(p, "berth_http_rate_limited_total", PROM_COUNTER,
                "Requests over the rate limit of their task.");
    for (size_t i = 0; i < n; i++)
        labeled(p, "listener", l[i].name, l[i].counts->limited);
    prom_family(p, "berth_http_connections", PROM_GAUGE, "Open connections.");
    for (size_t i = 0; i < n; i++)
        labeled(p, "listener", l[i].name, l[i].connections);
    prom_family(p, "berth_credentials_refused_total", PROM_COUNTER,
                "Requests for credentials that were refused.");
    for (size_t i = 0; i < n; i++)
        labeled(p, "listener", l[i].name, l[i].counts->refused_credentials);
}

/* ---- containers ---- */

struct gathered {
    const struct agent *agent;
    struct prometheus_container *all;
    size_t n, total, room;
};

static void copy_sample(struct prometheus_container *to, const struct metrics_sample *s)
{
    to->cpu_ns = s->cpu_ns;
    to->throttle_periods = s->throttle_periods;
    to->throttled_periods = s->throttled_periods;
    to->throttled_ns = s->throttled_ns;
    to->memory_bytes = metrics_sample_used(s);
    /* Version 1 says "none" by a number of pages that no machine has. */
    to->memory_limit = s->memory_limit >= (uint64_t)1 << 62 ? UINT64_MAX : s->memory_limit;
    to->oom_kills = s->oom_kills;
    to->pids = s->pids;
    for (size_t i = 0; i < s->n_io; i++) {
        to->read_bytes += s->io[i].read_bytes;
        to->write_bytes += s->io[i].write_bytes;
    }
    to->has_network = s->n_interfaces > 0;
    for (size_t i = 0; i < s->n_interfaces; i++) {
        to->rx_bytes += s->interfaces[i].rx_bytes;
        to->tx_bytes += s->interfaces[i].tx_bytes;
    }
    to->has_pressure = s->pressure.known;
    to->cpu_pressure_us = s->pressure.cpu_some_us;
    to->memory_pressure_us = s->pressure.memory_some_us;
    to->io_pressure_us = s->pressure.io_some_us;
}

static void gather_task(void *user, const struct task *t)
{
    struct gathered *g = user;
    const struct core *core = engine_core(g->agent->engine);

    for (size_t i = 0; i < t->n_containers; i++) {
        const char *id = core_docker_id(core, t->arn, i);
        const struct metrics_sample *s = id ? metrics_latest(g->agent->metrics, id) : NULL;
        struct core_seen_container seen;
        struct prometheus_container *to;

        if (!s || !core_see_container(core, t->arn, i, &seen))
            continue;
        g->total++;
        if (g->n == g->room)
            continue;
        to = &g->all[g->n++];
        *to = (struct prometheus_container){ .task = t->id,
                                             .container = t->containers[i].name,
                                             .family = t->family ? t->family : "",
                                             .restarts = (uint64_t)seen.restarts };
        copy_sample(to, s);
    }
}

static void write_containers(const struct agent *a, struct prom *p, bool containers)
{
    struct gathered g = { .agent = a, .room = containers ? PROMETHEUS_CONTAINERS : 0 };

    g.all = mem_array(g.room + 1, sizeof *g.all);
    core_each_task(engine_core(a->engine), gather_task, &g);
    prometheus_write_containers(p, g.all, g.n, g.total);
    free(g.all);
}

void agent_prometheus_write(const struct agent *a, const struct agent_listener_numbers *listeners,
                            size_t n_listeners, struct prom *p, bool containers)
{
    process_write_metrics(a->started_ms, p);
    write_agent(a, p);
    if (a->engine)
        write_core(a, p);
    write_docker(a, p);
    if (a->control)
        write_control(a, p);
    write_aws(a, p);
    if (a->logs)
        write_logs(a, p);
    write_listeners(listeners, n_listeners, p);
    if (a->engine && a->metrics)
        write_containers(a, p, containers);
}
