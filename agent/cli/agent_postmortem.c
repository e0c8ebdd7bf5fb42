#include "cli/agent_postmortem.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "postmortem/postmortem.h"

#define NOTES_MAX 200

/* What a container that has ended used: metrics forget it at once, and the task may go on. */
struct used {
    char *key; /* of the container in the engine */
    char *task_arn;
    struct postmortem_use use;
    UT_hash_handle hh;
};

struct casebook {
    struct agent *agent;
    struct postmortems *records;
    struct used *used; /* of containers of known tasks */
};

/* ---- what was used ---- */

static struct postmortem_use use_of(const struct metrics_sample *s)
{
    return (struct postmortem_use){
        .read_ms = s->wall_ns / 1000000,
        .memory_bytes = metrics_sample_used(s),
        .memory_max_bytes = s->memory_max_bytes,
        .memory_limit = s->memory_limit,
        .oom_kills = s->oom_kills,
        .periods = s->throttle_periods,
        .throttled_periods = s->throttled_periods,
        .throttled_ns = s->throttled_ns,
        .pids = s->pids,
        .pids_limit = s->pids_limit,
        .pressure = s->pressure.known,
        .cpu_some_us = s->pressure.cpu_some_us,
        .memory_some_us = s->pressure.memory_some_us,
        .memory_full_us = s->pressure.memory_full_us,
        .io_some_us = s->pressure.io_some_us,
        .io_full_us = s->pressure.io_full_us,
    };
}

void casebook_seen(struct casebook *cb, const struct task *t, size_t container,
                   const struct ctr_facts *f)
{
    struct metrics *metrics = cb->agent->metrics;
    const struct metrics_sample *s;
    struct used *u;

    (void)container;
    s = metrics && f->status == CTR_STOPPED ? metrics_latest(metrics, f->id) : NULL;
    if (!s)
        return;
    HASH_FIND_STR(cb->used, f->id, u);
    if (!u) {
        u = NEW(struct used);
        u->key = mem_strdup(f->id);
        u->task_arn = mem_strdup(t->arn);
        HASH_ADD_KEYPTR(hh, cb->used, u->key, strlen(u->key), u);
    }
    u->use = use_of(s);
}

static void drop_used(struct casebook *cb, struct used *u)
{
    HASH_DEL(cb->used, u);
    free(u->key);
    free(u->task_arn);
    free(u);
}

void casebook_gone(struct casebook *cb, const char *task_arn)
{
    struct used *u, *next;

    HASH_ITER (hh, cb->used, u, next)
        if (streq(u->task_arn, task_arn))
            drop_used(cb, u);
}

/* ---- facts ---- */

static const char *health_text(enum ctr_health h)
{
    static const char *const names[] = { NULL, "STARTING", "HEALTHY", "UNHEALTHY" };

    return names[h];
}

/* *error is the container's; free() it. */
static struct postmortem_container container_of(const struct casebook *cb, const struct task *t,
                                                size_t i, char **error)
{
    const struct task_container *d = &t->containers[i];
    const struct engine_detail *detail = engine_detail(cb->agent->engine, t->arn, i);
    struct core_seen_container seen = { 0 };
    struct used *u = NULL;
    struct postmortem_container out;

    (void)core_see_container(engine_core(cb->agent->engine), t->arn, i, &seen);
    if (seen.docker_id)
        HASH_FIND_STR(cb->used, seen.docker_id, u);
    *error = seen.error_name ? mem_printf("%s: %s", seen.error_name, seen.error_text) : NULL;
    out = (struct postmortem_container){
        .name = d->name,
        .image = d->image,
        .image_id = seen.image_id,
        .docker_id = seen.docker_id,
        .status = ctr_status_name(seen.known),
        .essential = d->essential,
        .has_exit_code = seen.has_exit_code,
        .exit_code = seen.exit_code,
        .signal = seen.has_exit_code ? core_signal_name(seen.exit_code) : NULL,
        .out_of_memory = (detail && detail->docker.oom_killed) ||
                         (seen.error_name && streq(seen.error_name, "OutOfMemoryError")),
        .error = *error,
        .health = d->health_docker ? health_text(seen.health) : NULL,
        .output = !detail                 ? NULL
                  : detail->health_output ? detail->health_output
                                          : detail->docker.health_output,
        .created_ms = seen.created_ms,
        .started_ms = seen.started_ms,
        .finished_ms = seen.finished_ms,
        .restarts = seen.restarts,
    };
    if (u)
        out.use = u->use;
    return out;
}

struct notes_wanted {
    const char *id;
    struct postmortem_note notes[NOTES_MAX];
    struct json_t *docs[NOTES_MAX]; /* what they borrow from; a ring with them */
    size_t n;
};

static void add_note(void *user, const char *json_line)
{
    struct notes_wanted *nw = user;
    struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur c;

    if (!strstr(json_line, nw->id) || json_parse(json_line, strlen(json_line), &doc, &e))
        return;
    c = jcur_root(doc, &e);
    if (!streq(jcur_str_or(&c, "task", ""), nw->id)) {
        json_free(doc);
        return;
    }
    if (nw->n == NOTES_MAX) {
        json_free(nw->docs[0]);
        memmove(nw->docs, nw->docs + 1, (NOTES_MAX - 1) * sizeof *nw->docs);
        memmove(nw->notes, nw->notes + 1, (NOTES_MAX - 1) * sizeof *nw->notes);
        nw->n--;
    }
    nw->docs[nw->n] = doc;
    nw->notes[nw->n++] = (struct postmortem_note){ .time = jcur_str_or(&c, "time", ""),
                                                   .text = jcur_str_or(&c, "event", ""),
                                                   .container = jcur_str_or(&c, "container", NULL),
                                                   .warning = jcur_bool_or(&c, "warning", false) };
}

static void make(struct casebook *cb, const struct core_seen_task *seen, size_t failed,
                 const char *line)
{
    const struct task *t = seen->def;
    struct postmortem_container *all = mem_array(t->n_containers, sizeof *all);
    char **errors = mem_array(t->n_containers, sizeof *errors);
    struct notes_wanted *nw = NEW(struct notes_wanted);
    struct err e = { 0 };

    nw->id = str_after_last(t->arn, '/');
    engine_each_event(cb->agent->engine, add_note, nw);
    for (size_t i = 0; i < t->n_containers; i++) {
        all[i] = container_of(cb, t, i, &errors[i]);
        all[i].failed = i == failed;
    }
    if (postmortem_make(cb->records,
                        &(struct postmortem_facts){
                            .id = nw->id,
                            .task_arn = t->arn,
                            .family = t->family,
                            .revision = t->version,
                            .line = line,
                            .reason = seen->reason,
                            .agent_version = BERTH_VERSION,
                            .docker_version = cb->agent->docker_version.version,
                            .now_ms = clock_wall_ms(),
                            .arrived_ms = seen->arrived_ms,
                            .pull_started_ms = seen->pull_started_ms,
                            .pull_stopped_ms = seen->pull_stopped_ms,
                            .execution_stopped_ms = seen->execution_stopped_ms,
                            .stopped_ms = seen->stopped_ms,
                            .containers = all,
                            .n_containers = t->n_containers,
                            .notes = nw->notes,
                            .n_notes = nw->n,
                        },
                        &e) &&
        e.code != ERR_CONFLICT)
        log_warn("no record is made of a task that failed", kv_s("task", nw->id), kv_err(&e));
    for (size_t i = 0; i < nw->n; i++)
        json_free(nw->docs[i]);
    for (size_t i = 0; i < t->n_containers; i++)
        free(errors[i]);
    free(nw);
    free(errors);
    free(all);
}

void casebook_failed(struct casebook *cb, const char *task_arn, size_t container, const char *line)
{
    struct core_seen_task seen;

    if (core_see_task(engine_core(cb->agent->engine), task_arn, &seen))
        make(cb, &seen, container, line);
}

/* ---- life ---- */

static bool clean(void *user, const char *task_arn, struct buf *text)
{
    struct casebook *cb = user;

    roles_redact(cb->agent->roles, task_arn, text);
    return engine_redact(cb->agent->engine, task_arn, text);
}

static void on_kept(void *user, const char *id, const struct err *e)
{
    (void)user;
    if (e->code)
        log_warn("the record of a task that failed is not kept", kv_s("task", id), kv_err(e));
}

struct casebook *casebook_create(struct agent *a)
{
    struct casebook *cb = NEW(struct casebook);
    AUTO(str) char *dir = mem_printf("%s/postmortem", a->config->data_dir);

    cb->agent = a;
    cb->records = postmortems_create(&(struct postmortem_args){ .loop = a->loop,
                                                                .docker = a->docker,
                                                                .dir = dir,
                                                                .clean = clean,
                                                                .kept = on_kept,
                                                                .user = cb });
    return cb;
}

void casebook_destroy(struct casebook *cb)
{
    struct used *u, *next;

    if (!cb)
        return;
    postmortems_destroy(cb->records);
    HASH_ITER (hh, cb->used, u, next)
        drop_used(cb, u);
    free(cb);
}

/* ---- answers ---- */

/* Read as JSON and written anew: a file that somebody touched does not break the answer. */
static bool read_record(const struct casebook *cb, const char *id, struct json_t **doc)
{
    AUTO(buf) struct buf text = BUF_INIT(POSTMORTEM_MAX);
    struct err e = { 0 };

    return !postmortem_read(cb->records, id, &text, &e) &&
           !json_parse(buf_text(&text), text.len, doc, &e);
}

void casebook_write(const struct casebook *cb, const char *task_arn, struct jw *w)
{
    AUTO(json) struct json_t *doc = NULL;

    if (!read_record(cb, str_after_last(task_arn, '/'), &doc))
        return;
    jw_key(w, "post_mortem");
    jw_value(w, doc);
}

bool casebook_answer(const struct casebook *cb, const char *text, struct buf *b)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur c;
    struct jw w;

    if (!read_record(cb, streq(text, CASEBOOK_LAST) ? NULL : str_after_last(text, '/'), &doc))
        return false;
    c = jcur_root(doc, &e);
    jw_init(&w, b);
    jw_object(&w);
    jw_kobject(&w, "task");
    jw_kstr(&w, "arn", jcur_str_or(&c, "task_arn", ""));
    jw_kstr(&w, "id", jcur_str_or(&c, "id", ""));
    jw_kstr(&w, "family", jcur_str_or(&c, "family", ""));
    jw_kstr(&w, "version", jcur_str_or(&c, "revision", ""));
    jw_kstr(&w, "status", "STOPPED");
    jw_kstr(&w, "desired", "STOPPED");
    jw_kstr_if(&w, "reason", jcur_str_or(&c, "reason", NULL));
    jw_end(&w);
    jw_karray(&w, "waits");
    jw_end(&w);
    jw_key(&w, "post_mortem");
    jw_value(&w, doc);
    jw_end(&w);
    buf_putc(b, '\n');
    return true;
}
