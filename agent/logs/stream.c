#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "logs/internal.h"

#define RETRY_FIRST_MS   200
#define RETRY_MAX_MS     30000
#define BLOCKED_MS       60000
#define SAVE_INTERVAL_MS 1000
#define COMPLAIN_MS      60000
#define NS_PER_MS        1000000
#define BODY_KEEP        65536

static int64_t now_of(const struct log_stream *s)
{
    return loop_now_ms(s->logs->args.loop);
}

/* ---- cursors ---- */

void stream_save(struct log_stream *s)
{
    const struct logs_args *a = &s->logs->args;
    AUTO(buf) struct buf text = BUF_INIT(512);

    if (!s->unsaved)
        return;
    loop_timer_disarm(s->save);
    s->unsaved = false;
    s->saved_ms = now_of(s);
    cursor_write(&s->confirmed, &text);
    a->save_cursor(a->user, s->id, buf_text(&text));
}

static void on_save(void *user)
{
    stream_save(user);
}

static void confirm(struct log_stream *s, const struct cursor *upto)
{
    int64_t wait = s->saved_ms + SAVE_INTERVAL_MS - now_of(s);

    s->confirmed = *upto;
    s->unsaved = true;
    if (!s->saved_ms || wait <= 0)
        stream_save(s);
    else if (!loop_timer_armed(s->save))
        loop_timer_arm(s->save, wait);
}

/* ---- in: frames, lines, batches ---- */

static void seal(struct log_stream *s)
{
    list_push_back(&s->sealed, &s->open->node);
    s->open = NULL;
}

static void on_line(void *user, const struct line *line)
{
    struct log_stream *s = user;
    int64_t ms = line->when_ns / NS_PER_MS;
    enum batch_fit fit = BATCH_FULL;

    if (s->open)
        fit = batch_add(s->open, ms, line->text);
    if (fit == BATCH_FULL) {
        if (s->open)
            seal(s);
        s->open = batch_create(now_of(s));
        s->open->end = s->tail;
        fit = batch_add(s->open, ms, line->text);
    }
    if (line->whole)
        s->tail.at[line->stream == 2] = line->mark;
    s->open->end = s->tail;
    if (fit == BATCH_NEVER) {
        logs_count_drops(s->logs, s, DROP_REFUSED, 1);
        return;
    }
    s->logs->n_clamped += fit == BATCH_CLAMPED;
    s->waiting_bytes += line->text.n + BATCH_EVENT_BYTES;
    s->waiting_events++;
}

/* The container's own log is the spool, so what cannot be sent is not read. */
static void regulate(struct log_stream *s)
{
    bool pause = s->paused ? s->waiting_bytes >= LOGS_MAX_STREAM_BYTES / 2
                           : s->waiting_bytes >= LOGS_MAX_STREAM_BYTES;

    if (pause != s->paused) {
        s->paused = pause;
        source_pause(s->source, pause);
    }
}

static void on_frame(void *user, int stream, int64_t when_ns, struct str text,
                     const struct mark *mark)
{
    struct log_stream *s = user;

    lines_feed(&s->lines, stream, when_ns, text, mark);
    regulate(s);
    stream_send(s);
}

static void check_drained(struct log_stream *s)
{
    if (!s->draining || s->drained || !s->ended || s->waiting_events)
        return;
    s->drained = true;
    loop_timer_arm(s->drain, 0);
}

static void on_ended(void *user, const struct err *e)
{
    struct log_stream *s = user;

    s->gone = e->code;
    if (s->gone)
        log_warn("the container's log is gone, shipping what was read", kv_s("task", s->task),
                 kv_s("container", s->id), kv_err(e));
    s->ended = true;
    lines_end(&s->lines);
    stream_send(s);
    check_drained(s);
}

static void on_trouble(void *user, const struct err *e)
{
    struct log_stream *s = user;
    int64_t now = now_of(s);

    if (s->troubled_ms && now - s->troubled_ms < COMPLAIN_MS)
        return;
    s->troubled_ms = now;
    log_warn("cannot read a container's log, retrying", kv_s("task", s->task),
             kv_s("container", s->id), kv_err(e));
}

/* ---- out: puts ---- */

/* What to send next becomes s->flight; NULL when nothing is ready. */
static struct batch *next_batch(struct log_stream *s)
{
    int64_t now = now_of(s), patience = s->to.flush_ms;

    if (s->draining && patience > LOG_FLUSH_MS)
        patience = LOG_FLUSH_MS;
    if (s->flight)
        return s->flight;
    if (!list_empty(&s->sealed)) {
        s->flight = LIST_ENTRY(s->sealed.next, struct batch, node);
        list_remove(&s->flight->node);
    } else if (s->open && s->open->n) {
        /* At the end of the log there is nothing to wait for. */
        if (s->ended || batch_due(s->open, now, patience)) {
            s->flight = s->open;
            s->open = NULL;
        } else if (!loop_timer_armed(s->flush)) {
            loop_timer_arm(s->flush, s->open->born_ms + patience - now);
        }
    }
    return s->flight;
}

void stream_send(struct log_stream *s)
{
    if (s->put || loop_timer_armed(s->retry) || !list_empty(&s->turn) || !next_batch(s))
        return;
    if (logs_take_turn(s->logs, s))
        stream_put(s);
}

static void on_timer(void *user)
{
    stream_send(user);
}

static void complain(struct log_stream *s, const struct sink_answer *a)
{
    int64_t now = now_of(s);

    if (a->verdict == s->complained &&
        (a->verdict == SINK_BLOCKED || now - s->complained_ms < COMPLAIN_MS))
        return;
    s->complained = a->verdict;
    s->complained_ms = now;
    log_warn("cannot ship a container's log, retrying", kv_s("task", s->task),
             kv_s("container", s->id), kv_s("group", s->to.group), kv_s("stream", s->to.stream),
             kv_i("waiting_bytes", (int64_t)s->waiting_bytes), kv_err(a->e));
}

/* Full jitter: anything up to 200 ms x 2^n. */
static void put_again_later(struct log_stream *s, const struct sink_answer *a)
{
    int64_t most = RETRY_MAX_MS;

    s->logs->n_puts_failed++;
    complain(s, a);
    if (a->verdict == SINK_BLOCKED) {
        loop_timer_arm(s->retry, BLOCKED_MS);
        return;
    }
    if (s->attempts < 8 && RETRY_FIRST_MS << s->attempts < RETRY_MAX_MS)
        most = RETRY_FIRST_MS << s->attempts++;
    loop_timer_arm(s->retry, 1 + (int64_t)rng_below(&s->logs->rng, (uint64_t)most));
}

static void batch_done(struct log_stream *s)
{
    struct batch *b = s->flight;

    s->flight = NULL;
    s->waiting_bytes -= b->bytes;
    s->waiting_events -= b->n;
    confirm(s, &b->end);
    batch_destroy(b);
    regulate(s);
}

static void put_stored(struct log_stream *s, const struct sink_answer *a)
{
    struct logs *l = s->logs;
    size_t rejected = a->too_new + a->too_old + a->expired;

    if (s->complained != SINK_STORED) {
        log_info("a container's log is shipped again", kv_s("task", s->task),
                 kv_s("container", s->id));
        s->complained = SINK_STORED;
    }
    s->attempts = 0;
    logs_count_drops(l, s, DROP_TOO_NEW, a->too_new);
    logs_count_drops(l, s, DROP_TOO_OLD, a->too_old);
    logs_count_drops(l, s, DROP_EXPIRED, a->expired);
    if (s->flight->span > rejected)
        l->n_sent += (int64_t)(s->flight->span - rejected);
    l->n_sent_bytes += (int64_t)s->body.len;
    if (batch_accepted(s->flight))
        batch_done(s);
}

static void put_invalid(struct log_stream *s, const struct sink_answer *a)
{
    bool dropped, through;

    s->logs->n_puts_failed++;
    through = batch_refused(s->flight, &dropped);
    if (dropped) {
        mem_replace(&s->refusal, a->e->msg);
        logs_count_drops(s->logs, s, DROP_REFUSED, 1);
    }
    if (through)
        batch_done(s);
}

static void on_put(void *user, const struct sink_answer *a)
{
    struct log_stream *s = user;
    struct logs *l = s->logs;

    s->put = NULL;
    l->n_puts_done++;
    switch (a->verdict) {
    case SINK_STORED:
        put_stored(s, a);
        break;
    case SINK_INVALID:
        put_invalid(s, a);
        break;
    case SINK_LATER:
    case SINK_BLOCKED:
        put_again_later(s, a);
        break;
    }
    if (s->body.cap > BODY_KEEP)
        buf_fini(&s->body);
    logs_end_turn(l);
    stream_send(s);
    check_drained(s);
}

void stream_put(struct log_stream *s)
{
    struct sink_put_args args = { .to = &s->to, .role_id = s->role_id };

    buf_reset(&s->body);
    batch_body(s->flight, s->to.group, s->to.stream, &s->body);
    args.body = buf_str(&s->body);
    args.n_events = s->flight->span;
    s->put = sink_put(&s->logs->sink, &args, on_put, s);
}

/* ---- life ---- */

static void on_drain(void *user)
{
    struct log_stream *s = user;

    logs_finish(s->logs, s);
}

static void load(struct log_stream *s)
{
    const struct logs_args *a = &s->logs->args;
    AUTO(str) char *text = a->load_cursor(a->user, s->id);
    struct err e = { 0 };

    if (text && cursor_parse(text, &s->confirmed, &e))
        log_warn("a log cursor cannot be read, shipping the log from its start",
                 kv_s("container", s->id), kv_err(&e));
    s->tail = s->confirmed;
}

struct log_stream *stream_create(struct logs *l, const struct task *t,
                                 const struct task_container *c, const char *docker_id,
                                 struct log_options *to)
{
    static const struct source_events events = { on_frame, on_ended, on_trouble };
    struct log_stream *s = NEW(struct log_stream);
    const char *role = t->execution_credentials_id;

    s->logs = l;
    s->id = mem_strdup(docker_id);
    s->task = mem_strdup(t->id);
    if (c->log_execution_role)
        s->role_id = mem_strdup(role ? role : "");
    s->to = *to;
    *to = (struct log_options){ 0 };
    lines_init(&s->lines, on_line, s);
    buf_init(&s->body, BATCH_MAX_BODY);
    list_init(&s->sealed);
    list_init(&s->turn);
    s->flush = loop_timer_create(l->args.loop, on_timer, s);
    s->retry = loop_timer_create(l->args.loop, on_timer, s);
    s->save = loop_timer_create(l->args.loop, on_save, s);
    s->drain = loop_timer_create(l->args.loop, on_drain, s);
    load(s);
    s->source = source_api_create(l->args.loop, l->args.docker, s->id, &s->confirmed,
                                  rng_next(&l->rng), &events, s);
    source_follow(s->source);
    return s;
}

void stream_destroy(struct log_stream *s)
{
    source_destroy(s->source);
    sink_cancel(s->put);
    list_remove(&s->turn);
    LIST_FOREACH (it, following, &s->sealed)
        batch_destroy(LIST_ENTRY(it, struct batch, node));
    batch_destroy(s->open);
    batch_destroy(s->flight);
    lines_fini(&s->lines);
    buf_fini(&s->body);
    loop_timer_destroy(s->flush);
    loop_timer_destroy(s->retry);
    loop_timer_destroy(s->save);
    loop_timer_destroy(s->drain);
    log_options_fini(&s->to);
    free(s->role_id);
    free(s->refusal);
    free(s->task);
    free(s->id);
    free(s);
}

void stream_follow(struct log_stream *s)
{
    s->ended = false;
    source_follow(s->source);
}

void stream_drain(struct log_stream *s, int64_t timeout_ms, logs_drained_fn *done, void *user)
{
    s->draining = true;
    s->drained_fn = done;
    s->drained_user = user;
    loop_timer_arm(s->drain, timeout_ms);
    stream_save(s);
    source_hurry(s->source);
    /* One more try now, however long it was to wait. */
    if (loop_timer_armed(s->retry))
        loop_timer_arm(s->retry, 0);
    loop_timer_disarm(s->flush);
    stream_send(s);
    check_drained(s);
}
