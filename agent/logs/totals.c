#include "base/clock.h"
#include "base/json.h"
#include "logs/internal.h"

void totals_add(struct logs_totals *to, const struct logs_totals *more)
{
    to->read_lines += more->read_lines;
    to->read_bytes += more->read_bytes;
    to->sent_events += more->sent_events;
    to->sent_bytes += more->sent_bytes;
    to->puts += more->puts;
    to->puts_failed += more->puts_failed;
    for (size_t i = 0; i < LOGS_DROP__COUNT; i++)
        to->dropped[i] += more->dropped[i];
    to->gaps += more->gaps;
    to->repeated += more->repeated;
    to->clamped += more->clamped;
    to->replaced_bytes += more->replaced_bytes;
    to->split += more->split;
    to->gave_up += more->gave_up;
}

static int64_t oldest_of(const struct log_stream *s)
{
    const struct batch *b = s->open && s->open->n ? s->open : NULL;
    int64_t age;

    LIST_FOREACH (it, following, &s->parcels) {
        const struct parcel *p = LIST_ENTRY(it, struct parcel, node);

        if (p->stored || !p->batch->n)
            continue;
        b = p->batch;
        break;
    }
    age = b ? clock_wall_ms() - b->first_ms : 0;
    return age > 0 ? age : 0;
}

void totals_of_stream(const struct log_stream *s, struct logs_totals *out)
{
    int64_t bound;

    *out = s->sum;
    out->streams = 1;
    out->paused = s->paused;
    out->held = s->held_back;
    out->waiting_events = (int64_t)s->waiting_events;
    out->waiting_bytes = (int64_t)(s->held + (s->open ? s->open->json.len - s->open_held : 0));
    out->oldest_ms = oldest_of(s);
    out->replaced_bytes = s->lines.n_replaced;
    out->split = s->lines.n_split;
    out->gave_up = s->multiline ? multiline_gave_up(s->multiline) : 0;
    source_backlog(s->source, &out->backlog_bytes, &bound);
}

void logs_totals(const struct logs *l, struct logs_totals *out)
{
    const struct log_stream *s, *next;

    *out = l->gone;
    HASH_ITER (hh, l->streams, s, next) {
        struct logs_totals one;

        totals_of_stream(s, &one);
        totals_add(out, &one);
        out->streams += 1;
        out->paused += one.paused;
        out->held += one.held;
        out->waiting_events += one.waiting_events;
        out->waiting_bytes += one.waiting_bytes;
        out->backlog_bytes += one.backlog_bytes;
        if (one.oldest_ms > out->oldest_ms)
            out->oldest_ms = one.oldest_ms;
    }
}

bool logs_totals_of(const struct logs *l, const char *docker_id, struct logs_totals *out)
{
    const struct log_stream *s;

    HASH_FIND_STR(l->streams, docker_id, s);
    if (s)
        totals_of_stream(s, out);
    return s;
}

void logs_write_status(const struct logs *l, struct jw *w)
{
    struct logs_totals t;

    logs_totals(l, &t);
    jw_object(w);
    jw_kint(w, "streams", t.streams);
    jw_kint(w, "paused", t.paused);
    jw_kint(w, "held", t.held);
    jw_kint(w, "read_lines", t.read_lines);
    jw_kint(w, "read_bytes", t.read_bytes);
    jw_kint(w, "sent_events", t.sent_events);
    jw_kint(w, "sent_bytes", t.sent_bytes);
    jw_kint(w, "waiting_events", t.waiting_events);
    jw_kint(w, "waiting_bytes", t.waiting_bytes);
    jw_kint(w, "backlog_bytes", t.backlog_bytes);
    jw_kint(w, "oldest_ms", t.oldest_ms);
    jw_kint(w, "puts", t.puts);
    jw_kint(w, "puts_failed", t.puts_failed);
    jw_kobject(w, "dropped");
    for (size_t i = 0; i < LOGS_DROP__COUNT; i++)
        jw_kint(w, logs_drop_name((enum logs_drop)i), t.dropped[i]);
    jw_end(w);
    jw_kint(w, "gaps", t.gaps);
    jw_kint(w, "repeated", t.repeated);
    jw_kint(w, "clamped_times", t.clamped);
    jw_kint(w, "replaced_bytes", t.replaced_bytes);
    jw_kint(w, "split_events", t.split);
    jw_kint(w, "patterns_gave_up", t.gave_up);
    jw_end(w);
}
