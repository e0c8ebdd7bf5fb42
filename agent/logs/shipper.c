#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "logs/internal.h"

#define SAY_DROPS_MS 60000

static const char *const cause_names[DROP__COUNT] = {
    [DROP_TOO_NEW] = "too_new", [DROP_TOO_OLD] = "too_old",     [DROP_EXPIRED] = "expired",
    [DROP_REFUSED] = "refused", [DROP_ABANDONED] = "abandoned",
};

/* A drain of a container that is not followed: only its answer is to be given. */
struct absent {
    struct list node;
    struct logs *logs;
    struct loop_timer *timer;
    char *id;
    logs_drained_fn *done;
    void *user;
};

/* ---- drops ---- */

/* Tells the log of a stream's drops, by cause. */
static void say_drops_of(struct log_stream *s)
{
    int64_t total = 0;

    for (size_t i = 0; i < DROP__COUNT; i++)
        total += s->unsaid[i];
    if (!total)
        return;
    log_warn("log events are dropped", kv_s("task", s->task), kv_s("container", s->id),
             kv_i("events", total), kv_i(cause_names[DROP_TOO_NEW], s->unsaid[DROP_TOO_NEW]),
             kv_i(cause_names[DROP_TOO_OLD], s->unsaid[DROP_TOO_OLD]),
             kv_i(cause_names[DROP_EXPIRED], s->unsaid[DROP_EXPIRED]),
             kv_i(cause_names[DROP_REFUSED], s->unsaid[DROP_REFUSED]),
             kv_i(cause_names[DROP_ABANDONED], s->unsaid[DROP_ABANDONED]),
             kv_s("refusal", s->refusal));
    for (size_t i = 0; i < DROP__COUNT; i++)
        s->unsaid[i] = 0;
}

static void on_say_drops(void *user)
{
    struct logs *l = user;
    struct log_stream *s, *next;

    l->said_ms = loop_now_ms(l->args.loop);
    HASH_ITER (hh, l->streams, s, next)
        say_drops_of(s);
}

void logs_count_drops(struct logs *l, struct log_stream *s, enum drop_cause cause, size_t n)
{
    int64_t wait = l->said_ms ? l->said_ms + SAY_DROPS_MS - loop_now_ms(l->args.loop) : 0;

    if (!n)
        return;
    l->dropped[cause] += (int64_t)n;
    s->unsaid[cause] += (int64_t)n;
    if (!loop_timer_armed(l->say_drops))
        loop_timer_arm(l->say_drops, wait);
}

/* ---- turns ---- */

bool logs_take_turn(struct logs *l, struct log_stream *s)
{
    if (l->n_puts == LOGS_MAX_PUTS) {
        list_push_back(&l->queue, &s->turn);
        return false;
    }
    l->n_puts++;
    return true;
}

void logs_end_turn(struct logs *l)
{
    struct log_stream *s;

    if (list_empty(&l->queue)) {
        l->n_puts--;
        return;
    }
    s = LIST_ENTRY(l->queue.next, struct log_stream, turn);
    list_remove(&s->turn);
    stream_put(s);
}

/* ---- life ---- */

struct logs *logs_create(const struct logs_args *args)
{
    struct logs *l = NEW(struct logs);

    l->args = *args;
    l->sink = (struct sink){ args->aws, args->credentials, args->roles };
    rng_seed(&l->rng, args->seed);
    list_init(&l->queue);
    list_init(&l->absent);
    l->say_drops = loop_timer_create(args->loop, on_say_drops, l);
    return l;
}

static void absent_destroy(struct absent *d)
{
    list_remove(&d->node);
    loop_timer_destroy(d->timer);
    free(d->id);
    free(d);
}

static void remove_stream(struct logs *l, struct log_stream *s)
{
    bool had_turn = s->put;

    say_drops_of(s);
    l->n_replaced += s->lines.n_replaced;
    l->n_split += s->lines.n_split;
    HASH_DEL(l->streams, s);
    stream_destroy(s);
    if (had_turn)
        logs_end_turn(l);
}

void logs_destroy(struct logs *l)
{
    struct log_stream *s, *next;

    if (!l)
        return;
    LIST_FOREACH (it, following, &l->absent)
        absent_destroy(LIST_ENTRY(it, struct absent, node));
    HASH_ITER (hh, l->streams, s, next) {
        /* Nobody is to begin a put now. */
        list_remove(&s->turn);
        stream_save(s);
    }
    HASH_ITER (hh, l->streams, s, next)
        remove_stream(l, s);
    loop_timer_destroy(l->say_drops);
    free(l);
}

static struct log_stream *find(struct logs *l, const char *id)
{
    struct log_stream *s;

    HASH_FIND_STR(l->streams, id, s);
    return s;
}

void logs_follow(struct logs *l, const struct task *t, size_t container, const char *docker_id)
{
    const struct task_container *c = &t->containers[container];
    struct log_stream *s = find(l, docker_id);
    struct log_options to;
    struct err e = { 0 };

    if (!c->log_driver || !streq(c->log_driver, "awslogs"))
        return;
    if (s) {
        stream_follow(s);
        return;
    }
    if (log_options_read(t, c, docker_id, l->args.aws, &to, &e)) {
        log_error("a container's log is not shipped", kv_s("task", t->id),
                  kv_s("container", c->name), kv_err(&e));
        return;
    }
    if (to.ignored)
        log_info("log options without effect", kv_s("task", t->id), kv_s("container", c->name),
                 kv_s("options", to.ignored));
    s = stream_create(l, t, c, docker_id, &to);
    HASH_ADD_KEYPTR(hh, l->streams, s->id, strlen(s->id), s);
}

/* ---- drains ---- */

static void on_absent(void *user)
{
    struct absent *d = user;
    const struct logs_args *a = &d->logs->args;
    logs_drained_fn *done = d->done;

    a->drop_cursor(a->user, d->id);
    user = d->user;
    absent_destroy(d);
    done(user, true);
}

void logs_drain(struct logs *l, const char *docker_id, int64_t timeout_ms, logs_drained_fn *done,
                void *user)
{
    struct log_stream *s = find(l, docker_id);
    struct absent *d;

    if (s && !s->draining) {
        stream_drain(s, timeout_ms, done, user);
        return;
    }
    /* Drained twice: the first one does the work. */
    d = NEW(struct absent);
    d->logs = l;
    d->id = mem_strdup(docker_id);
    d->done = done;
    d->user = user;
    d->timer = loop_timer_create(l->args.loop, on_absent, d);
    list_push_back(&l->absent, &d->node);
    loop_timer_arm(d->timer, 0);
}

void logs_finish(struct logs *l, struct log_stream *s)
{
    logs_drained_fn *done = s->drained_fn;
    void *user = s->drained_user;
    bool complete = s->drained && !s->gone;

    if (!s->drained) {
        logs_count_drops(l, s, DROP_ABANDONED, s->waiting_events);
        log_warn("a container's log was not shipped to its end in time", kv_s("task", s->task),
                 kv_s("container", s->id), kv_i("events", (int64_t)s->waiting_events),
                 kv_i("bytes", (int64_t)s->waiting_bytes),
                 kv_s("read", s->ended ? "to its end" : "in part"));
    }
    l->args.drop_cursor(l->args.user, s->id);
    remove_stream(l, s);
    done(user, complete);
}

/* ---- status ---- */

bool logs_waiting(const struct logs *l, const char *docker_id, size_t *bytes)
{
    const struct log_stream *s;

    HASH_FIND_STR(l->streams, docker_id, s);
    if (s)
        *bytes = s->waiting_bytes;
    return s != NULL;
}

void logs_get_totals(const struct logs *l, struct logs_totals *out)
{
    const struct log_stream *s, *next;

    *out = (struct logs_totals){ .streams = HASH_COUNT(l->streams),
                                 .sent_events = (uint64_t)l->n_sent,
                                 .sent_bytes = (uint64_t)l->n_sent_bytes,
                                 .puts = (uint64_t)l->n_puts_done,
                                 .puts_failed = (uint64_t)l->n_puts_failed,
                                 .dropped_too_new = (uint64_t)l->dropped[DROP_TOO_NEW],
                                 .dropped_too_old = (uint64_t)l->dropped[DROP_TOO_OLD],
                                 .dropped_expired = (uint64_t)l->dropped[DROP_EXPIRED],
                                 .dropped_refused = (uint64_t)l->dropped[DROP_REFUSED],
                                 .dropped_abandoned = (uint64_t)l->dropped[DROP_ABANDONED] };
    HASH_ITER (hh, l->streams, s, next) {
        out->waiting_events += s->waiting_events;
        out->waiting_bytes += s->waiting_bytes;
        out->paused += s->paused;
    }
}

void logs_write_status(const struct logs *l, struct jw *w)
{
    int64_t waiting = 0, bytes = 0, paused = 0, replaced = l->n_replaced, split = l->n_split;
    const struct log_stream *s, *next;

    HASH_ITER (hh, l->streams, s, next) {
        waiting += (int64_t)s->waiting_events;
        bytes += (int64_t)s->waiting_bytes;
        paused += s->paused;
        replaced += s->lines.n_replaced;
        split += s->lines.n_split;
    }
    jw_object(w);
    jw_kint(w, "streams", HASH_COUNT(l->streams));
    jw_kint(w, "paused", paused);
    jw_kint(w, "sent_events", l->n_sent);
    jw_kint(w, "sent_bytes", l->n_sent_bytes);
    jw_kint(w, "waiting_events", waiting);
    jw_kint(w, "waiting_bytes", bytes);
    jw_kint(w, "puts", l->n_puts_done);
    jw_kint(w, "puts_failed", l->n_puts_failed);
    jw_key(w, "dropped");
    jw_object(w);
    for (size_t i = 0; i < DROP__COUNT; i++)
        jw_kint(w, cause_names[i], l->dropped[i]);
    jw_end(w);
    jw_kint(w, "clamped_times", l->n_clamped);
    jw_kint(w, "replaced_bytes", replaced);
    jw_kint(w, "split_events", split);
    jw_end(w);
}
