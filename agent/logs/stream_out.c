#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "logs/internal.h"

#define RETRY_FIRST_MS 200
#define RETRY_MAX_MS   30000
#define BLOCKED_MS     60000
#define DRAIN_RETRY_MS 3000 /* a container waits to be removed */
/* What a service was sent is not seen by readers at once. */
#define VISIBLE_MS 1000

/* ---- parcels ---- */

void stream_seal(struct log_stream *s)
{
    struct parcel *p = NEW(struct parcel);
    size_t rest = s->open->json.len - s->open_held;

    budget_grow(&s->logs->budget, s->held, rest);
    s->held += rest;
    p->stream = s;
    p->batch = s->open;
    p->batch->end = s->tail;
    p->held = s->open->json.len;
    p->events = s->open->n;
    p->before_ms = s->sealed_ms;
    p->before_n = s->sealed_n;
    if (s->clock_ms >= s->sealed_ms) {
        s->sealed_ms = s->clock_ms;
        s->sealed_n = s->clock_n;
    }
    /* After the clock went back the newest time is another one. */
    p->batch->end.n_newest = s->clock_ms == cursor_newest_ms(&s->tail) ? s->clock_n : 0;
    buf_init(&p->part, BATCH_MAX_BODY);
    turn_init(&p->ask_turn, s->gate);
    list_push_back(&s->parcels, &p->node);
    s->open = NULL;
    s->open_held = 0;
}

static void parcel_destroy(struct parcel *p)
{
    struct log_stream *s = p->stream;
    struct logs *l = s->logs;

    if (p->put) {
        sink_cancel(p->put);
        turns_end(&l->puts, s->gate);
        gate_end(s->gate, GATE_QUIET, stream_now(s), &l->rng);
    }
    ask_back_cancel(p);
    budget_shrink(&l->budget, s->held, p->held);
    s->held -= p->held;
    list_remove(&p->node);
    buf_fini(&p->part);
    batch_destroy(p->batch);
    if (l->budget.used < BUDGET_LEAST) /* nobody is about to need much */
        spares_clear(&l->spares);
    free(p);
}

void stream_out_fini(struct log_stream *s)
{
    turn_leave(&s->turn);
    LIST_FOREACH (it, following, &s->parcels)
        parcel_destroy(LIST_ENTRY(it, struct parcel, node));
}

void stream_settle(struct log_stream *s)
{
    bool any = false;

    while (!list_empty(&s->parcels)) {
        struct parcel *p = LIST_ENTRY(s->parcels.next, struct parcel, node);
        struct cursor end = p->batch->end;

        if (!p->stored)
            break;
        s->waiting_events -= p->events;
        parcel_destroy(p);
        stream_confirm(s, &end);
        any = true;
    }
    if (any)
        logs_resume_reading(s->logs);
}

/* ---- which one is next ---- */

/* Several at a time when one does not keep up, and all goes well; files are written in order. */
static size_t most_puts(const struct log_stream *s)
{
    return s->attempts || s->resuming || s->logs->file_dir ? 1 : LOGS_STREAM_PUTS;
}

static bool open_is_due(struct log_stream *s)
{
    int64_t now = stream_now(s), patience = s->to.flush_ms, lull_ms;

    if (!s->open || !s->open->n)
        return false;
    if (s->draining && patience > LOG_FLUSH_MS)
        patience = LOG_FLUSH_MS;
    lull_ms = s->added_ms + LOGS_LULL_MS - s->open->born_ms;
    if (s->in_burst && patience > lull_ms)
        patience = lull_ms;
    /* At the end of the log there is nothing to wait for, nor when nothing more is read. */
    if (s->ended || s->paused || batch_due(s->open, now, patience))
        return true;
    if (!loop_timer_armed(s->flush) || s->draining)
        loop_timer_arm(s->flush, s->open->born_ms + patience - now);
    return false;
}

/* The parcel that may be put now, beside those that are under way: the sink orders events by their
 * times, so parcels without a millisecond in common cannot get into each other's way. */
static struct parcel *next_parcel(struct log_stream *s)
{
    size_t busy = 0;
    int64_t last_ms = INT64_MIN;

    if (loop_timer_armed(s->retry))
        return NULL;
    LIST_FOREACH (it, following, &s->parcels) {
        struct parcel *p = LIST_ENTRY(it, struct parcel, node);

        if (p->stored)
            continue;
        if (!p->put && !p->read && !turn_asked(&p->ask_turn))
            return busy < most_puts(s) && p->batch->first_ms > last_ms ? p : NULL;
        busy++;
        if (p->batch->last_ms > last_ms)
            last_ms = p->batch->last_ms;
    }
    if (busy || !open_is_due(s))
        return NULL;
    stream_seal(s);
    s->in_burst = s->paused; /* for want of memory: a flood, too */
    return LIST_ENTRY(s->parcels.prev, struct parcel, node);
}

void stream_send(struct log_stream *s)
{
    int64_t wait = s->not_before_ms ? s->not_before_ms - stream_now(s) : 0;
    struct parcel *p = next_parcel(s);

    if (!p)
        return;
    if (wait > 0) {
        loop_timer_arm(s->retry, wait);
    } else if (ask_back_wanted(p)) {
        ask_back_begin(p);
    } else {
        turns_ask(&s->logs->puts, &s->turn, s->draining);
        logs_pump(s->logs);
    }
}

/* ---- trouble ---- */

static void complain(struct log_stream *s, const struct stream_failure *f)
{
    int64_t now = stream_now(s);

    if (f->verdict == s->complained &&
        (f->verdict == SINK_BLOCKED || now - s->complained_ms < LOGS_COMPLAIN_MS))
        return;
    s->complained = f->verdict;
    s->complained_ms = now;
    s->logs->about_own = s->own;
    log_warn("cannot ship a container's log, retrying", kv_s("task", s->task),
             kv_s("container", s->id), kv_s("group", s->to.group), kv_s("stream", s->to.stream),
             kv_i("waiting_bytes", (int64_t)s->held), kv_err(f->e));
    s->logs->about_own = false;
}

/* Full jitter: anything up to 200 ms x 2^n. Where the endpoint is away, it is its gate that lets
 * one try after the other. */
void stream_later(struct log_stream *s, const struct stream_failure *f)
{
    int64_t most = RETRY_MAX_MS, wait = f->unknown && s->logs->args.ask_back ? VISIBLE_MS : 0;

    complain(s, f);
    if (f->verdict == SINK_BLOCKED) {
        loop_timer_arm(s->retry, s->draining ? DRAIN_RETRY_MS : BLOCKED_MS);
        return;
    }
    if (s->attempts < 8 && RETRY_FIRST_MS << s->attempts < RETRY_MAX_MS)
        most = RETRY_FIRST_MS << s->attempts++;
    if (s->draining && most > DRAIN_RETRY_MS)
        most = DRAIN_RETRY_MS;
    if (!f->away || !gate_shut(s->gate))
        wait += 1 + (int64_t)rng_below(&s->logs->rng, (uint64_t)most);
    loop_timer_arm(s->retry, wait);
}

enum gate_end stream_gate_end(const struct stream_failure *f)
{
    /* Keys that are not there are not the endpoint's affair. */
    if (f->verdict == SINK_LATER && f->e->code == ERR_DENIED)
        return GATE_QUIET;
    return f->throttled ? GATE_THROTTLED : f->away ? GATE_AWAY : GATE_ANSWERED;
}

/* ---- puts ---- */

static void put_stored(struct parcel *p, const struct sink_answer *a)
{
    struct log_stream *s = p->stream;
    size_t rejected = a->too_new + a->too_old + a->expired, span = p->batch->span;

    if (s->complained != SINK_STORED) {
        s->logs->about_own = s->own;
        log_info("a container's log is shipped again", kv_s("task", s->task),
                 kv_s("container", s->id));
        s->logs->about_own = false;
        s->complained = SINK_STORED;
    }
    s->attempts = 0;
    drops_count(s, LOGS_DROP_TOO_NEW, (int64_t)a->too_new);
    drops_count(s, LOGS_DROP_TOO_OLD, (int64_t)a->too_old);
    drops_count(s, LOGS_DROP_EXPIRED, (int64_t)a->expired);
    if (span > rejected)
        s->sum.sent_events += (int64_t)(span - rejected);
    s->sum.sent_bytes += (int64_t)(p->batch->bytes * span / p->batch->n);
    p->stored = batch_accepted(p->batch);
}

static void put_invalid(struct parcel *p, const struct sink_answer *a)
{
    struct log_stream *s = p->stream;
    bool dropped;

    s->sum.puts_failed++;
    p->stored = batch_refused(p->batch, &dropped);
    if (dropped) {
        mem_replace(&s->refusal, a->e->msg);
        drops_count(s, LOGS_DROP_REFUSED, 1);
    }
}

static void put_failed(struct parcel *p, const struct stream_failure *f)
{
    struct log_stream *s = p->stream;

    s->sum.puts_failed++;
    p->sent = f->unknown;
    if (f->unknown && s->logs->args.ask_back && !s->unreadable)
        p->ask = true;
    stream_later(s, f);
}

static void on_put(void *user, const struct sink_answer *a)
{
    struct parcel *p = user;
    struct log_stream *s = p->stream;
    struct logs *l = s->logs;
    struct stream_failure f = { a->verdict, a->throttled, a->away, a->unknown, a->e };

    p->put = NULL;
    buf_fini(&p->part);
    turns_end(&l->puts, s->gate);
    gate_end(s->gate, stream_gate_end(&f), stream_now(s), &l->rng);
    s->sum.puts++;
    switch (a->verdict) {
    case SINK_STORED:
        put_stored(p, a);
        break;
    case SINK_INVALID:
        put_invalid(p, a);
        break;
    case SINK_LATER:
    case SINK_BLOCKED:
        put_failed(p, &f);
        break;
    }
    stream_settle(s);
    stream_send(s);
    logs_pump(l);
    stream_check_drained(s);
}

static bool begin_put(struct log_stream *s)
{
    struct parcel *p = next_parcel(s);
    struct sink_put_args args = { .to = &s->to, .role_id = s->role_id };

    if (!p || ask_back_wanted(p))
        return false;
    args.body = batch_body(p->batch, &p->part);
    args.n_events = p->batch->span;
    p->sent = true;
    gate_begin(s->gate, stream_now(s));
    p->put = sink_put(&s->logs->sink, &args, on_put, p);
    return true;
}

void stream_put(struct log_stream *s)
{
    struct parcel *next;

    if (!begin_put(s)) {
        turns_end(&s->logs->puts, s->gate);
        return;
    }
    next = next_parcel(s);
    if (next && !ask_back_wanted(next))
        turns_ask(&s->logs->puts, &s->turn, s->draining);
}
