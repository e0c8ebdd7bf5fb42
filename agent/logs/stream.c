#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "logs/internal.h"

#define SAVE_INTERVAL_MS 1000

int64_t stream_now(const struct log_stream *s)
{
    return loop_now_ms(s->logs->args.loop);
}

/* ---- cursors ---- */

/* Is nothing in the sink that is behind the cursor? */
static bool is_clean(const struct log_stream *s)
{
    if (s->resuming)
        return false;
    LIST_FOREACH (it, following, &s->parcels) {
        const struct parcel *p = LIST_ENTRY(it, struct parcel, node);

        if (p->sent || p->stored || p->batch->from || p->batch->n < p->events)
            return false;
    }
    return true;
}

/* Only the last word of an agent calls a cursor clean: whatever is said before that may be
 * overtaken by a put, and the agent be killed before it can say so. */
void stream_save(struct log_stream *s, bool last)
{
    const struct logs_args *a = &s->logs->args;
    AUTO(buf) struct buf text = BUF_INIT(512);
    struct cursor c = s->confirmed;

    if (s->own || (!s->unsaved && !last))
        return;
    loop_timer_disarm(s->save);
    s->unsaved = false;
    s->saved_ms = stream_now(s);
    c.clean = last && is_clean(s);
    source_place(s->source, &c);
    cursor_write(&c, &text);
    a->save_cursor(a->user, s->id, buf_text(&text));
}

static void on_save(void *user)
{
    stream_save(user, false);
}

void stream_confirm(struct log_stream *s, const struct cursor *upto)
{
    int64_t wait = s->saved_ms + SAVE_INTERVAL_MS - stream_now(s);

    s->confirmed = *upto;
    s->unsaved = true;
    if (!s->saved_ms || wait <= 0)
        stream_save(s, false);
    else if (!loop_timer_armed(s->save))
        loop_timer_arm(s->save, wait);
}

static void load(struct log_stream *s)
{
    const struct logs_args *a = &s->logs->args;
    AUTO(str) char *text = s->own ? NULL : a->load_cursor(a->user, s->id);
    struct err e = { 0 };

    if (text && cursor_parse(text, &s->confirmed, &e))
        log_warn("a log cursor cannot be read, shipping the log from its start",
                 kv_s("container", s->id), kv_err(&e));
    ask_back_init(s, s->confirmed.clean);
    s->unsaved = s->confirmed.clean;
    s->tail = s->confirmed;
    s->clock_ms = s->sealed_ms = cursor_newest_ms(&s->confirmed);
    s->clock_n = s->sealed_n = s->confirmed.n_newest;
}

/* ---- drains ---- */

void stream_check_drained(struct log_stream *s)
{
    if (!s->draining || s->drained || !s->ended || s->waiting_events)
        return;
    s->drained = true;
    loop_timer_arm(s->drain, 0);
}

static void on_drain(void *user)
{
    struct log_stream *s = user;

    logs_finish(s->logs, s);
}

void stream_hurry(struct log_stream *s)
{
    hold_release(s);
    if (s->own)
        s->ended = true; /* each line goes out as it comes */
    else
        source_hurry(s->source);
    /* One more try now, however long it was to wait. */
    if (loop_timer_armed(s->retry))
        loop_timer_arm(s->retry, 0);
    stream_send(s);
}

void stream_drain(struct log_stream *s, int64_t timeout_ms, logs_drained_fn *done, void *user)
{
    s->draining = true;
    s->drained_fn = done;
    s->drained_user = user;
    loop_timer_arm(s->drain, timeout_ms);
    stream_save(s, false);
    stream_hurry(s);
    stream_check_drained(s);
}

/* ---- life ---- */

static void on_timer(void *user)
{
    stream_send(user);
}

static struct source *open_source(struct log_stream *s, const struct stream_args *args)
{
    struct logs *l = s->logs;

    const struct source_args from = { .loop = l->args.loop,
                                      .docker = l->args.docker,
                                      .watches = l->watches,
                                      .id = s->id,
                                      .max_bytes = args->spool.bytes,
                                      .max_files = args->spool.files,
                                      .keep_bytes = hold_may(s) ? HOLD_KEEP_BYTES : 0,
                                      .from = &s->confirmed,
                                      .seed = rng_next(&l->rng) };

    return s->own ? source_own_create(l->args.loop, &stream_events, s)
                  : source_create(&from, &stream_events, s);
}

struct log_stream *stream_create(struct logs *l, const struct stream_args *args)
{
    struct log_stream *s = NEW(struct log_stream);

    s->logs = l;
    s->id = mem_strdup(args->id);
    s->task = mem_strdup(args->task);
    s->role_id = mem_strdup(args->role_id);
    s->own = args->own;
    s->to = *args->to;
    *args->to = (struct log_options){ 0 };
    s->gate = logs_gate(l, s->to.endpoint);
    turn_init(&s->turn, s->gate);
    list_init(&s->parcels);
    s->flush = loop_timer_create(l->args.loop, on_timer, s);
    s->retry = loop_timer_create(l->args.loop, on_timer, s);
    s->save = loop_timer_create(l->args.loop, on_save, s);
    s->drain = loop_timer_create(l->args.loop, on_drain, s);
    stream_in_init(s);
    load(s);
    s->source = open_source(s, args);
    stream_save(s, false);
    source_follow(s->source);
    hold_begin(s);
    return s;
}

/* A container that is held stays so: the next agent finds it so, and ships on. */
void stream_destroy(struct log_stream *s)
{
    source_destroy(s->source);
    stream_out_fini(s);
    stream_in_fini(s);
    logs_gate_leave(s->gate);
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
    hold_begin(s);
}
