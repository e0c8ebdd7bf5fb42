/* What the sink has already of a parcel, so that it is not sent twice. Asked when nobody knows: the
 * answer to a put did not come, or an agent before this one was killed. There the question is put
 * for each parcel with events from before this agent began, until so many in a row are new as can
 * have been under way. */
#include "base/clock.h"
#include "base/log.h"
#include "logs/internal.h"

/* A cursor that was clean is made unclean first; the store takes up to a second to do it. */
#define UNCLEAN_MS 1500

void ask_back_init(struct log_stream *s, bool clean)
{
    s->resuming = s->logs->args.ask_back && !s->own && !clean;
    if (clean && s->logs->args.ask_back)
        s->not_before_ms = stream_now(s) + UNCLEAN_MS;
}

bool ask_back_wanted(struct parcel *p)
{
    struct log_stream *s = p->stream;

    if (s->resuming && p->batch->first_ms >= s->logs->created_ms)
        s->resuming = false;
    return !s->unreadable && (p->ask || (s->resuming && !p->asked));
}

/* Its own part is not touched, so what another agent sent is known from here on. */
static void learn(struct parcel *p, size_t found)
{
    struct log_stream *s = p->stream;

    p->ask = false;
    p->asked = true;
    p->sent = false;
    s->attempts = 0;
    s->sum.repeated += (int64_t)found;
    s->new_in_a_row = found ? 0 : s->new_in_a_row + p->held;
    if (s->new_in_a_row >= BUDGET_MOST)
        s->resuming = false;
    if (!p->batch->n)
        p->stored = true;
}

static void learn_all_is_new(struct parcel *p)
{
    learn(p, 0);
    p->stream->resuming = false;
}

static void give_up(struct log_stream *s, const struct err *e)
{
    s->unreadable = true;
    s->resuming = false;
    log_warn("cannot ask what a log stream has, some lines may be there twice",
             kv_s("task", s->task), kv_s("container", s->id), kv_s("group", s->to.group),
             kv_s("stream", s->to.stream), kv_err(e));
}

static void on_read(void *user, const struct sink_found *found)
{
    struct parcel *p = user;
    struct log_stream *s = p->stream;
    struct logs *l = s->logs;
    struct stream_failure f = {
        .verdict = SINK_LATER, .throttled = found->throttled, .away = found->away, .e = found->e
    };

    p->read = NULL;
    turns_end(&l->reads, s->gate);
    gate_end(s->gate, stream_gate_end(&f), stream_now(s), &l->rng);
    if (found->e->code == ERR_OK)
        learn(p, batch_trim(p->batch, found->events, found->n, p->before_ms, p->before_n));
    else if (found->e->code == ERR_NOT_FOUND)
        learn_all_is_new(p);
    else if (found->e->code == ERR_DENIED || found->e->code == ERR_INVALID)
        give_up(s, found->e);
    else
        stream_later(s, &f);
    stream_settle(s);
    stream_send(s);
    logs_pump(l);
    stream_check_drained(s);
}

void ask_back_begin(struct parcel *p)
{
    struct log_stream *s = p->stream;

    turns_ask(&s->logs->reads, &p->ask_turn, s->draining);
    logs_pump(s->logs);
}

void ask_back_read(struct parcel *p)
{
    struct log_stream *s = p->stream;

    gate_begin(s->gate, stream_now(s));
    p->read = sink_read(&s->logs->sink, &s->to, s->role_id, p->batch->first_ms, p->batch->last_ms,
                        on_read, p);
}

void ask_back_cancel(struct parcel *p)
{
    struct log_stream *s = p->stream;

    turn_leave(&p->ask_turn);
    if (!p->read)
        return;
    sink_read_cancel(p->read);
    turns_end(&s->logs->reads, s->gate);
    gate_end(s->gate, GATE_QUIET, stream_now(s), &s->logs->rng);
}
