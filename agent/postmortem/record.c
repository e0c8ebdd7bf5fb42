#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "postmortem/internal.h"

#define TAIL_ROOM 64 /* what closes the record */

/* How much may be said; the first that fits is taken. The last one always does. */
struct measure {
    size_t text; /* bytes of each longer text */
    size_t name;
    size_t notes, containers;
};
static const struct measure measures[] = {
    { 1024, 255, 200, TASK_MAX_CONTAINERS },
    { 512, 255, 60, TASK_MAX_CONTAINERS },
    { 128, 100, 30, 60 },
    { 64, 64, 10, 10 },
    { 64, 64, 0, 2 },
};

struct writing {
    struct jw *w;
    const struct measure *m;
    const char *task_arn;
    postmortem_clean_fn *clean;
    void *user;
};

static void put_cut(struct jw *w, const char *key, const char *text, size_t max)
{
    if (str_empty(text))
        return;
    jw_key(w, key);
    jw_strn(w, (struct str){ text, str_utf8_prefix(text, strlen(text), max) });
}

/* Cleaned as a whole, then cut: what was cut in two could not be recognized. */
static void put_clean(const struct writing *wr, const char *key, const char *text, bool of_task)
{
    struct buf b = BUF_INIT(64 * 1024);
    struct str s = str_of(text);

    if (str_empty(text))
        return;
    s.n = str_utf8_prefix(s.p, s.n, b.max / 2);
    buf_append(&b, s.p, s.n);
    if (!wr->clean(wr->user, wr->task_arn, &b) && of_task) {
        buf_reset(&b);
        buf_puts(&b, "(withheld: the secrets that it may hold are not known any more)");
    }
    put_cut(wr->w, key, buf_text(&b), wr->m->text);
    buf_wipe(&b);
}

static void put_time(struct jw *w, const char *key, int64_t wall_ms)
{
    char text[CLOCK_ISO_SIZE];

    if (!wall_ms)
        return;
    clock_iso(wall_ms, text);
    jw_kstr(w, key, text);
}

static void put_count(struct jw *w, const char *key, uint64_t n)
{
    jw_kint(w, key, n > INT64_MAX ? INT64_MAX : (int64_t)n);
}

static void write_use(struct jw *w, const struct postmortem_container *k)
{
    const struct postmortem_use *u = &k->use;

    if (!u->read_ms) {
        if (k->started_ms)
            jw_kstr(w, "use_missing", "it was not measured while it ran");
        return;
    }
    jw_kobject(w, "use");
    if (k->finished_ms)
        jw_kint(w, "age_ms", k->finished_ms > u->read_ms ? k->finished_ms - u->read_ms : 0);
    put_count(w, "memory_bytes", u->memory_bytes);
    put_count(w, "memory_max_bytes", u->memory_max_bytes);
    if (u->memory_limit && u->memory_limit < (uint64_t)1 << 60)
        put_count(w, "memory_limit_bytes", u->memory_limit);
    put_count(w, "oom_kills", u->oom_kills);
    put_count(w, "cpu_periods", u->periods);
    put_count(w, "cpu_throttled_periods", u->throttled_periods);
    put_count(w, "cpu_throttled_ms", u->throttled_ns / 1000000);
    put_count(w, "pids", u->pids);
    if (u->pids_limit && u->pids_limit != UINT64_MAX)
        put_count(w, "pids_limit", u->pids_limit);
    if (u->pressure) {
        put_count(w, "cpu_some_us", u->cpu_some_us);
        put_count(w, "memory_some_us", u->memory_some_us);
        put_count(w, "memory_full_us", u->memory_full_us);
        put_count(w, "io_some_us", u->io_some_us);
        put_count(w, "io_full_us", u->io_full_us);
    }
    jw_end(w);
}

static void write_container(const struct writing *wr, const struct postmortem_container *k)
{
    struct jw *w = wr->w;

    jw_object(w);
    put_cut(w, "name", k->name, wr->m->name);
    put_cut(w, "image", k->image, wr->m->name);
    put_cut(w, "image_id", k->image_id, wr->m->name);
    put_cut(w, "docker_id", k->docker_id, wr->m->name);
    jw_kbool(w, "essential", k->essential);
    jw_kbool(w, "failed", k->failed);
    jw_kstr_if(w, "status", k->status);
    if (k->has_exit_code)
        jw_kint(w, "exit_code", k->exit_code);
    jw_kstr_if(w, "signal", k->signal);
    jw_kbool(w, "out_of_memory", k->out_of_memory);
    put_clean(wr, "error", k->error, false);
    jw_kstr_if(w, "health", k->health);
    put_clean(wr, "health_output", k->output, true);
    put_time(w, "created", k->created_ms);
    put_time(w, "started", k->started_ms);
    put_time(w, "finished", k->finished_ms);
    jw_kint(w, "restarts", k->restarts);
    write_use(w, k);
    jw_end(w);
}

/* The one that failed is among those that are told. */
static void write_containers(const struct writing *wr, const struct postmortem_facts *f)
{
    size_t left = wr->m->containers, out = 0;

    jw_karray(wr->w, "containers");
    for (int failed = 1; failed >= 0; failed--) {
        for (size_t i = 0; i < f->n_containers; i++) {
            if (f->containers[i].failed != (failed == 1))
                continue;
            if (left) {
                write_container(wr, &f->containers[i]);
                left--;
            } else {
                out++;
            }
        }
    }
    jw_end(wr->w);
    if (out)
        put_count(wr->w, "containers_left_out", out);
}

/* The newest ones. */
static void write_notes(const struct writing *wr, const struct postmortem_facts *f)
{
    size_t from = f->n_notes > wr->m->notes ? f->n_notes - wr->m->notes : 0;

    if (from)
        put_count(wr->w, "events_left_out", from);
    jw_karray(wr->w, "events");
    for (size_t i = from; i < f->n_notes; i++) {
        jw_object(wr->w);
        put_cut(wr->w, "time", f->notes[i].time, 32);
        put_cut(wr->w, "container", f->notes[i].container, wr->m->name);
        put_clean(wr, "event", f->notes[i].text, false);
        if (f->notes[i].warning)
            jw_kbool(wr->w, "warning", true);
        jw_end(wr->w);
    }
    jw_end(wr->w);
}

static void write_head(const struct writing *wr, const struct postmortem_facts *f)
{
    struct jw *w = wr->w;

    jw_object(w);
    jw_kint(w, "v", 1);
    put_cut(w, "id", f->id, 128);
    put_cut(w, "task_arn", f->task_arn, 1024);
    put_cut(w, "family", f->family, wr->m->name);
    put_cut(w, "revision", f->revision, wr->m->name);
    put_clean(wr, "what", f->line, false);
    put_clean(wr, "reason", f->reason, false);
    put_time(w, "made", f->now_ms);
    put_cut(w, "agent_version", f->agent_version, 64);
    put_cut(w, "docker_version", f->docker_version, 64);
    put_time(w, "arrived", f->arrived_ms);
    put_time(w, "pull_started", f->pull_started_ms);
    put_time(w, "pull_stopped", f->pull_stopped_ms);
    put_time(w, "execution_stopped", f->execution_stopped_ms);
    put_time(w, "stopped", f->stopped_ms);
    write_containers(wr, f);
    write_notes(wr, f);
}

void record_write_head(struct buf *out, const struct postmortem_facts *f,
                       postmortem_clean_fn *clean, void *user)
{
    for (size_t i = 0; i < COUNT_OF(measures); i++) {
        struct buf b = BUF_INIT(RECORD_HEAD_MAX);
        struct jw w;
        struct writing wr = { &w, &measures[i], f->task_arn, clean, user };

        jw_init(&w, &b);
        write_head(&wr, f);
        if (!b.overflowed) {
            buf_append(out, b.data, b.len);
            buf_fini(&b);
            return;
        }
        buf_fini(&b);
    }
}

/* ---- logs ---- */

static void write_line(struct jw *w, const struct record_line *l)
{
    size_t n = str_utf8_prefix(l->text, l->n, POSTMORTEM_LINE_MAX);

    jw_object(w);
    put_time(w, "time", l->when_ns / 1000000);
    jw_kstr(w, "stream", l->stream == 2 ? "stderr" : "stdout");
    jw_key(w, "text");
    jw_strn(w, (struct str){ l->text, n });
    if (n < l->n)
        jw_kbool(w, "cut", true);
    jw_end(w);
}

static size_t size_of(const struct record_line *l)
{
    struct buf b = BUF_INIT(POSTMORTEM_LINE_MAX * 8); /* a control character takes six bytes */
    struct jw w;
    size_t n;

    jw_init(&w, &b);
    write_line(&w, l);
    n = b.overflowed ? SIZE_MAX / 2 : b.len + 1;
    buf_fini(&b);
    return n;
}

static void write_log(struct jw *w, const struct record_log *log, size_t room)
{
    size_t from = log->n_lines, used = 0, more;

    while (from > 0 && used + (more = size_of(&log->lines[from - 1])) <= room) {
        used += more;
        from--;
    }
    jw_object(w);
    put_cut(w, "container", log->container, 64);
    if (from)
        put_count(w, "left_out", from);
    put_cut(w, "missing", log->missing, 128);
    jw_karray(w, "lines");
    for (size_t i = from; i < log->n_lines; i++)
        write_line(w, &log->lines[i]);
    jw_end(w);
    jw_end(w);
}

/* What a log takes without any line: its names, escaped at the worst, and the punctuation. */
#define FRAME_MAX (6 * (64 + 128) + 100)

void record_write_logs(struct buf *out, const struct record_log *logs, size_t n)
{
    struct jw w = { .out = out, .depth = 1, .comma = true };

    jw_karray(&w, "logs");
    for (size_t i = 0; i < n; i++) {
        size_t left = POSTMORTEM_MAX - TAIL_ROOM - out->len, share, i_left = n - i;

        if (out->len + TAIL_ROOM + FRAME_MAX > POSTMORTEM_MAX)
            break;
        share = i == 0 && n > 1 ? left / 2 : left / i_left;
        write_log(&w, &logs[i], share > FRAME_MAX ? share - FRAME_MAX : 0);
    }
    jw_end(&w);
    jw_end(&w);
}
