#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/top.h"

static void row_fini(struct top_row *r)
{
    free(r->task);
    free(r->name);
    free(r->container);
    free(r->docker_id);
    free(r->state);
}

void top_view_fini(struct top_view *v)
{
    for (size_t i = 0; i < v->n_rows; i++)
        row_fini(&v->rows[i]);
    free(v->rows);
    free(v->agent);
    free(v->cluster);
    free(v->instance_arn);
    free(v->log_causes);
    free(v->trouble);
    *v = (struct top_view){ 0 };
}

/* ---- rates ---- */

/* A counter that went back is another life's. */
static double rate(int64_t before, int64_t now, double seconds)
{
    return before < 0 || now < before ? TOP_UNKNOWN : (double)(now - before) / seconds;
}

static void work_out_rates(struct top_row *r, const struct top_row *before)
{
    double seconds = (double)(r->read_ns - before->read_ns) / 1e9;
    double cpu;

    if (r->read_ns == before->read_ns) { /* not read since */
        r->cpu_percent = before->cpu_percent;
        r->rx = before->rx;
        r->tx = before->tx;
        r->reads = before->reads;
        r->written = before->written;
        return;
    }
    if (seconds <= 0 || before->read_ns <= 0)
        return; /* the clock was set back */
    cpu = rate(before->cpu_ns, r->cpu_ns, seconds);
    r->cpu_percent = cpu < 0 ? TOP_UNKNOWN : cpu / 1e7;
    r->rx = rate(before->rx_bytes, r->rx_bytes, seconds);
    r->tx = rate(before->tx_bytes, r->tx_bytes, seconds);
    r->reads = rate(before->read_bytes, r->read_bytes, seconds);
    r->written = rate(before->write_bytes, r->write_bytes, seconds);
}

/* Both are in the order of arrival, so the search goes on where the last one ended. */
static const struct top_row *find(const struct top_view *v, const char *id, size_t *at)
{
    for (size_t i = 0; id && i < v->n_rows; i++) {
        const struct top_row *r = &v->rows[(*at + i) % v->n_rows];

        if (r->docker_id && streq(r->docker_id, id)) {
            *at = (*at + i + 1) % v->n_rows;
            return r;
        }
    }
    return NULL;
}

/* ---- an answer ---- */

static int64_t count(const struct jcur *c, const char *key)
{
    return jcur_int_or(c, key, 0, INT64_MAX, TOP_UNKNOWN);
}

static char *state_of(const struct jcur *c)
{
    const char *status = jcur_str_or(c, "status", "?");
    const char *health = jcur_str_or(c, "health", NULL);

    if (streq(jcur_str_or(c, "desired", ""), "STOPPED"))
        return mem_strdup("STOPPING");
    if (jcur_bool_or(c, "held", false))
        return mem_strdup("HELD");
    if (streq(status, "RUNNING"))
        return mem_strdup(health ? health : status);
    return mem_strdup(streq(status, "NONE")              ? "PENDING"
                      : streq(status, "MANIFEST_PULLED") ? "PULLING"
                                                         : status);
}

static void read_row(struct top_row *r, const struct jcur *c, int64_t now_ms)
{
    int64_t started = count(c, "started_ms");

    *r = (struct top_row){
        .task = mem_strdup(jcur_str_or(c, "task", "?")),
        .name = mem_printf("%s:%s", jcur_str_or(c, "family", "?"), jcur_str_or(c, "version", "?")),
        .container = mem_strdup(jcur_str_or(c, "container", "?")),
        .docker_id = jcur_strdup_or(c, "docker_id", NULL),
        .state = state_of(c),
        .read_ns = count(c, "read_ns"),
        .cpu_ns = count(c, "cpu_ns"),
        .rx_bytes = count(c, "rx_bytes"),
        .tx_bytes = count(c, "tx_bytes"),
        .read_bytes = count(c, "read_bytes"),
        .write_bytes = count(c, "write_bytes"),
        .memory = count(c, "memory_bytes"),
        .memory_limit = count(c, "memory_limit"),
        .pids = count(c, "pids"),
        .restarts = count(c, "restarts"),
        .log_waiting = count(c, "log_waiting_bytes"),
        .age_ms = started < 0        ? TOP_UNKNOWN
                  : now_ms > started ? now_ms - started
                                     : 0,
        .cpu_percent = TOP_UNKNOWN,
        .rx = TOP_UNKNOWN,
        .tx = TOP_UNKNOWN,
        .reads = TOP_UNKNOWN,
        .written = TOP_UNKNOWN,
    };
}

static void read_tasks(struct top_view *v, const struct jcur *core)
{
    struct jcur tasks = jcur_obj(core, "tasks"), m;

    v->waiting = jcur_int_or(core, "tasks_waiting_for_room", 0, INT64_MAX, 0);
    for (size_t i = 0; jcur_member(&tasks, i, &m); i++) {
        int64_t n = jcur_as_int(&m, 0, INT64_MAX);

        if (streq(m.key, "RUNNING"))
            v->running = n;
        else if (streq(m.key, "STOPPED"))
            v->stopped = n;
        else
            v->pending += n;
    }
    /* Those that wait for room are no further than the others. */
    v->pending -= v->waiting < v->pending ? v->waiting : v->pending;
}

static void read_losses(struct top_view *v, const struct jcur *c)
{
    struct jcur logs = jcur_obj(c, "logs"), dropped = jcur_obj(&logs, "dropped"), m;
    AUTO(buf) struct buf causes = BUF_INIT(1024);

    for (size_t i = 0; jcur_member(&dropped, i, &m); i++) {
        int64_t n = jcur_as_int(&m, 0, INT64_MAX);

        if (n)
            buf_printf(&causes, "%s%s %" PRId64, causes.len ? ", " : "", m.key, n);
        v->log_lost += n;
    }
    v->log_causes = mem_strdup(buf_text(&causes));
    v->log_gaps = jcur_int_or(&logs, "gaps", 0, INT64_MAX, 0);
}

static void read_head(struct top_view *v, const struct jcur *c)
{
    struct jcur agent = jcur_obj(c, "agent"), control = jcur_obj(c, "control");
    struct jcur acs = jcur_obj(&control, "acs"), core = jcur_obj(c, "core");
    struct jcur cpu = jcur_obj(&core, "cpu_units"), memory = jcur_obj(&core, "memory_mib");
    const char *error = jcur_str_or(&control, "registration_error", NULL);

    v->agent = mem_printf("%s (process %" PRId64 ")", jcur_str_or(&agent, "version", "?"),
                          jcur_int_or(&agent, "pid", 0, INT32_MAX, 0));
    v->uptime_ms = jcur_int_or(&agent, "uptime_ms", INT64_MIN, INT64_MAX, 0);
    v->cluster = mem_strdup(jcur_str_or(c, "cluster", "?"));
    v->instance_arn = jcur_strdup_or(c, "instance_arn", NULL);
    v->connected = jcur_bool_or(&acs, "connected", false);
    if (!v->connected)
        v->trouble = mem_strdup(error ? error : jcur_str_or(&acs, "last_error", NULL));
    v->cpu_used = jcur_int_or(&cpu, "used", INT64_MIN, INT64_MAX, 0);
    v->cpu_total = jcur_int_or(&cpu, "total", INT64_MIN, INT64_MAX, 0);
    v->memory_used = jcur_int_or(&memory, "used", INT64_MIN, INT64_MAX, 0);
    v->memory_total = jcur_int_or(&memory, "total", INT64_MIN, INT64_MAX, 0);
    v->unsent = jcur_int_or(&core, "reports_unsent", 0, INT64_MAX, 0);
    read_tasks(v, &core);
    read_losses(v, c);
}

void top_view_read(struct top_view *out, const struct jcur *answer)
{
    struct jcur containers = jcur_arr(answer, "containers");
    int64_t now_ms = jcur_int_or(answer, "now_ms", 0, INT64_MAX, 0);
    struct top_view before = *out;
    size_t at = 0;

    *out = (struct top_view){ 0 };
    read_head(out, answer);
    out->rows = mem_array(jcur_len(&containers), sizeof *out->rows);
    JCUR_EACH (c, &containers) {
        struct top_row *r = &out->rows[out->n_rows++];
        const struct top_row *old;

        read_row(r, &c, now_ms);
        old = find(&before, r->docker_id, &at);
        if (old && r->read_ns > 0)
            work_out_rates(r, old);
    }
    top_view_fini(&before);
}

bool top_view_rated(const struct top_view *v)
{
    for (size_t i = 0; i < v->n_rows; i++)
        if (v->rows[i].cpu_ns >= 0 && v->rows[i].cpu_percent < 0)
            return false;
    return true;
}

/* ---- JSON ---- */

static void put_count(struct jw *w, const char *key, int64_t n)
{
    if (n >= 0)
        jw_kint(w, key, n);
}

/* A rate, to the nearest whole number. */
static void put_rate(struct jw *w, const char *key, double n)
{
    if (n >= 0 && n < 1e18)
        jw_kint(w, key, (int64_t)(n + 0.5));
}

static void write_row(struct jw *w, const struct top_row *r)
{
    jw_object(w);
    jw_kstr(w, "task", r->task);
    jw_kstr(w, "family", r->name);
    jw_kstr(w, "container", r->container);
    jw_kstr_if(w, "docker_id", r->docker_id);
    jw_kstr(w, "state", r->state);
    if (r->cpu_percent >= 0 && r->cpu_percent < 1e15) {
        jw_key(w, "cpu_percent");
        jw_millis(w, (int64_t)(r->cpu_percent * 1000 + 0.5));
    }
    put_count(w, "memory_bytes", r->memory);
    put_count(w, "memory_limit_bytes", r->memory_limit);
    put_rate(w, "rx_bytes_per_s", r->rx);
    put_rate(w, "tx_bytes_per_s", r->tx);
    put_rate(w, "read_bytes_per_s", r->reads);
    put_rate(w, "write_bytes_per_s", r->written);
    put_count(w, "pids", r->pids);
    put_count(w, "restarts", r->restarts);
    put_count(w, "log_waiting_bytes", r->log_waiting);
    put_count(w, "age_ms", r->age_ms);
    jw_end(w);
}

void top_view_write(const struct top_view *v, struct jw *w)
{
    jw_object(w);
    jw_kstr(w, "agent", v->agent);
    jw_kint(w, "uptime_ms", v->uptime_ms);
    jw_kstr(w, "cluster", v->cluster);
    jw_kstr_if(w, "instance_arn", v->instance_arn);
    jw_kbool(w, "connected", v->connected);
    jw_kstr_if(w, "trouble", v->trouble);
    jw_kint(w, "cpu_units_used", v->cpu_used);
    jw_kint(w, "cpu_units", v->cpu_total);
    jw_kint(w, "memory_mib_used", v->memory_used);
    jw_kint(w, "memory_mib", v->memory_total);
    jw_kobject(w, "tasks");
    jw_kint(w, "running", v->running);
    jw_kint(w, "pending", v->pending);
    jw_kint(w, "waiting_for_room", v->waiting);
    jw_kint(w, "stopped", v->stopped);
    jw_end(w);
    jw_kint(w, "reports_unsent", v->unsent);
    jw_kint(w, "log_lines_lost", v->log_lost);
    jw_kint(w, "log_gaps", v->log_gaps);
    jw_karray(w, "containers");
    for (size_t i = 0; i < v->n_rows; i++)
        write_row(w, &v->rows[i]);
    jw_end(w);
    jw_end(w);
}
