#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "logs/internal.h"
#include "logs/json_file.h"

#define NS_PER_MS 1000000
#define PLAIN_MAX (RECORD_MAX + 1)
/* The budget is told in such steps, not of each line. */
#define COUNT_STEP 4096
/* From here on a batch ends where the time changes: the next one may be under way with it then. */
#define NEARLY_BYTES  (BATCH_MAX_BYTES / 10 * 9)
#define NEARLY_EVENTS (BATCH_MAX_EVENTS / 10 * 9)

/* ---- memory ---- */

/* The container's own log is the spool, so what there is no room for is not read. */
static void count(struct log_stream *s)
{
    struct logs *l = s->logs;
    size_t by = s->open->json.len - s->open_held;

    if (by < COUNT_STEP)
        return;
    budget_grow(&l->budget, s->held, by);
    s->held += by;
    s->open_held += by;
    if (s->paused || budget_allows(&l->budget, s->held, l->spares.backed))
        return;
    s->paused = true;
    list_push_back(&l->paused, &s->pausing);
    source_pause(s->source, true);
    hold_look_soon(s);
    stream_send(s); /* what there is; it will not become more */
}

void logs_resume_reading(struct logs *l)
{
    LIST_FOREACH (it, following, &l->paused) {
        struct log_stream *s = LIST_ENTRY(it, struct log_stream, pausing);

        if (!budget_allows(&l->budget, s->held, l->spares.backed))
            continue;
        s->paused = false;
        list_remove(it);
        source_pause(s->source, false);
    }
}

/* ---- events ---- */

static enum batch_fit put_in(struct batch *b, const struct event *ev, int64_t ms)
{
    return ev->escaped ? batch_add_escaped(b, ms, ev->text, ev->plain_n)
                       : batch_add(b, ms, ev->text);
}

/* Within a second the order of the log counts, not the clocks of its two writers. This goes by all
 * that came before, not by the batch: read again, an event gets the same time again. */
static int64_t time_of(struct log_stream *s, int64_t ms)
{
    if (ms < s->clock_ms && ms >= s->clock_ms - BATCH_MAX_CLAMP_MS) {
        s->sum.clamped++;
        return s->clock_ms;
    }
    return ms;
}

static struct batch *open_batch(struct log_stream *s)
{
    s->open = batch_create(stream_now(s), s->to.group, s->to.stream);
    s->open->spares = &s->logs->spares;
    s->open_held = 0;
    if (s->in_burst || !loop_timer_armed(s->flush))
        loop_timer_arm(s->flush, s->ended ? 0 : s->in_burst ? LOGS_LULL_MS : s->to.flush_ms);
    return s->open;
}

static bool is_nearly_full(const struct batch *b)
{
    return b->bytes >= NEARLY_BYTES || b->n >= NEARLY_EVENTS;
}

void stream_add(struct log_stream *s, const struct event *ev)
{
    int64_t ms = time_of(s, ev->when_ms);
    enum batch_fit fit = BATCH_FULL;

    if (s->open && !(ms > s->clock_ms && is_nearly_full(s->open)))
        fit = put_in(s->open, ev, ms);
    if (fit == BATCH_FULL) {
        if (s->open) {
            stream_seal(s);
            s->in_burst = true;
            stream_send(s);
        }
        fit = put_in(open_batch(s), ev, ms);
    }
    if (fit == BATCH_NEVER) {
        drops_count(s, LOGS_DROP_REFUSED, 1);
        return;
    }
    /* Of the first time, what an earlier agent confirmed may be unknown. */
    if (ms != s->clock_ms)
        s->clock_n = 1;
    else if (s->clock_n)
        s->clock_n++;
    s->clock_ms = ms;
    s->added_ms = stream_now(s);
    s->waiting_events++;
}

static void add_line(void *user, const struct line *line)
{
    struct log_stream *s = user;
    struct event ev = { .when_ms = line->when_ns / NS_PER_MS, .text = line->text };
    size_t i = line->stream == 2;

    drops_tell(s, ev.when_ms);
    stream_add(s, &ev);
    if (line->whole) {
        s->tail.at[i] = line->mark;
        s->tail.ns[i] = line->when_ns;
    }
    if (s->open)
        count(s);
}

static void join_line(void *user, const struct line *line)
{
    struct log_stream *s = user;

    multiline_feed(s->multiline, line, stream_now(s));
    if (!loop_timer_armed(s->join))
        loop_timer_arm(s->join, s->to.flush_ms);
}

static void on_join(void *user)
{
    struct log_stream *s = user;
    int64_t now = stream_now(s), due = multiline_flush(s->multiline, now, s->to.flush_ms);

    if (due >= 0)
        loop_timer_arm(s->join, due - now);
}

/* ---- what the source says ---- */

static void take_escaped(struct log_stream *s, const struct source_message *m)
{
    struct event ev = {
        .when_ms = m->when_ns / NS_PER_MS, .text = m->text, .escaped = true, .plain_n = m->plain_n
    };
    size_t i = m->stream == 2;

    if (!m->plain_n)
        return;
    drops_tell(s, ev.when_ms);
    stream_add(s, &ev);
    s->tail.at[i] = m->mark;
    s->tail.ns[i] = m->when_ns;
    if (s->open)
        count(s);
}

static void on_message(void *user, const struct source_message *m)
{
    struct log_stream *s = user;
    struct str text = m->text;

    s->sum.read_bytes += (int64_t)(m->escaped ? m->plain_n : m->text.n);
    if (m->escaped) {
        s->sum.read_lines++;
        if (!s->multiline && !s->lines.parts[m->stream == 2].open) {
            take_escaped(s, m);
            return;
        }
        buf_reset(&s->plain);
        json_file_unescape(m->text, &s->plain);
        buf_putc(&s->plain, '\n');
        text = buf_str(&s->plain);
    } else {
        s->sum.read_lines += text.n && text.p[text.n - 1] == '\n';
    }
    lines_feed(&s->lines, m->stream, m->when_ns, text, &m->mark);
}

static void on_gap(void *user, const struct source_gap *g)
{
    drops_gap(user, g->lines);
}

static void on_damaged(void *user, int64_t lines)
{
    drops_count(user, LOGS_DROP_DAMAGED, lines);
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
    if (s->multiline)
        multiline_end(s->multiline);
    drops_tell(s, s->clock_ms ? s->clock_ms : clock_wall_ms());
    stream_send(s);
    stream_check_drained(s);
}

static void on_trouble(void *user, const struct err *e)
{
    struct log_stream *s = user;
    int64_t now = stream_now(s);

    if (s->troubled_ms && now - s->troubled_ms < LOGS_COMPLAIN_MS)
        return;
    s->troubled_ms = now;
    log_warn("cannot read a container's log, retrying", kv_s("task", s->task),
             kv_s("container", s->id), kv_err(e));
}

const struct source_events stream_events = { .message = on_message,
                                             .gap = on_gap,
                                             .damaged = on_damaged,
                                             .ended = on_ended,
                                             .trouble = on_trouble };

/* ---- life ---- */

void stream_in_init(struct log_stream *s)
{
    list_init(&s->pausing);
    buf_init(&s->plain, PLAIN_MAX);
    if (s->to.pattern) {
        s->multiline = multiline_create(s->to.pattern, add_line, s);
        s->join = loop_timer_create(s->logs->args.loop, on_join, s);
    }
    lines_init(&s->lines, s->multiline ? join_line : add_line, s);
    s->lines.keep_empty = s->multiline != NULL;
}

void stream_in_fini(struct log_stream *s)
{
    list_remove(&s->pausing);
    loop_timer_destroy(s->join);
    multiline_destroy(s->multiline);
    lines_fini(&s->lines);
    buf_fini(&s->plain);
    if (s->open)
        budget_shrink(&s->logs->budget, s->held, s->open_held);
    batch_destroy(s->open);
}
