/* Lines that do not reach the sink: counted by cause, told to the log once a minute and stream, and
 * to the stream itself in its own place. */
#include <stdio.h>

#include "base/log.h"
#include "logs/internal.h"

#define SAY_MS 60000

static const char *const names[LOGS_DROP__COUNT] = {
    [LOGS_DROP_TOO_NEW] = "too_new",     [LOGS_DROP_TOO_OLD] = "too_old",
    [LOGS_DROP_EXPIRED] = "expired",     [LOGS_DROP_REFUSED] = "refused",
    [LOGS_DROP_ABANDONED] = "abandoned", [LOGS_DROP_SPOOL] = "spool",
    [LOGS_DROP_DAMAGED] = "damaged",
};

static const char *const reasons[LOGS_DROP__COUNT] = {
    [LOGS_DROP_TOO_NEW] = "the service found them too new",
    [LOGS_DROP_TOO_OLD] = "the service found them too old",
    [LOGS_DROP_EXPIRED] = "they are older than the log group keeps",
    [LOGS_DROP_REFUSED] = "the service refused them",
    [LOGS_DROP_ABANDONED] = NULL, /* nobody is left to tell it */
    [LOGS_DROP_SPOOL] = "the log's bound on disk was reached",
    [LOGS_DROP_DAMAGED] = "the log file is damaged",
};

const char *logs_drop_name(enum logs_drop cause)
{
    return names[cause];
}

/* ---- the log ---- */

void drops_say(struct log_stream *s)
{
    struct log_kv pairs[LOGS_DROP__COUNT];
    int64_t total = 0;

    for (size_t i = 0; i < LOGS_DROP__COUNT; i++) {
        pairs[i] = kv_i(names[i], s->unsaid[i]);
        total += s->unsaid[i];
        s->unsaid[i] = 0;
    }
    if (!total)
        return;
    s->said_ms = stream_now(s);
    s->logs->about_own = s->own;
    log_warn("log events are dropped", kv_s("task", s->task), kv_s("container", s->id),
             kv_i("events", total), pairs[LOGS_DROP_TOO_NEW], pairs[LOGS_DROP_TOO_OLD],
             pairs[LOGS_DROP_EXPIRED], pairs[LOGS_DROP_REFUSED], pairs[LOGS_DROP_ABANDONED],
             pairs[LOGS_DROP_SPOOL], pairs[LOGS_DROP_DAMAGED], kv_s("refusal", s->refusal));
    s->logs->about_own = false;
}

static int64_t say_wait(const struct log_stream *s)
{
    return s->said_ms ? s->said_ms + SAY_MS - stream_now(s) : 0;
}

static void say_soon(struct logs *l, int64_t wait)
{
    if (!loop_timer_armed(l->say))
        loop_timer_arm(l->say, wait < 0 ? 0 : wait < SAY_MS ? wait : SAY_MS);
}

static bool has_unsaid(const struct log_stream *s)
{
    for (size_t i = 0; i < LOGS_DROP__COUNT; i++) {
        if (s->unsaid[i])
            return true;
    }
    return false;
}

void drops_on_say(void *user)
{
    struct logs *l = user;
    struct log_stream *s, *next;
    int64_t wait = -1;

    HASH_ITER (hh, l->streams, s, next) {
        if (!has_unsaid(s))
            continue;
        if (say_wait(s) <= 0)
            drops_say(s);
        else if (wait < 0 || say_wait(s) < wait)
            wait = say_wait(s);
    }
    if (wait >= 0)
        say_soon(l, wait);
}

/* ---- the stream itself ---- */

static void tell(struct log_stream *s, int64_t when_ms, const char *text)
{
    struct event ev = { .when_ms = when_ms, .text = str_of(text) };

    stream_add(s, &ev);
}

/* A loss in the log has its place there; what the service throws away would fill the stream with
 * such events, so they come once a minute. */
void drops_tell(struct log_stream *s, int64_t when_ms)
{
    int64_t now;
    char text[160];

    if (!s->tell_now)
        return;
    now = stream_now(s);
    if (!s->untold[LOGS_DROP_SPOOL] && !s->untold_gaps && s->told_ms && now - s->told_ms < SAY_MS)
        return;
    s->told_ms = now;
    s->tell_now = false;
    for (size_t i = 0; i < LOGS_DROP__COUNT; i++) {
        const char *reason = s->own && i == LOGS_DROP_SPOOL ? "the sink is too slow" : reasons[i];
        int64_t n = s->untold[i];

        s->untold[i] = 0;
        if (!n || !reason)
            continue;
        snprintf(text, sizeof text, "berth: %lld line%s lost: %s", (long long)n, n == 1 ? "" : "s",
                 reason);
        tell(s, when_ms, text);
    }
    if (s->untold_gaps)
        tell(s, when_ms,
             "berth: an unknown number of lines lost: their file was gone before it was read");
    s->untold_gaps = 0;
}

/* ---- counting ---- */

void drops_count(struct log_stream *s, enum logs_drop cause, int64_t n)
{
    if (!n)
        return;
    s->sum.dropped[cause] += n;
    s->unsaid[cause] += n;
    s->untold[cause] += n;
    s->tell_now = true;
    say_soon(s->logs, say_wait(s));
}

void drops_gap(struct log_stream *s, int64_t lines)
{
    if (lines >= 0) {
        drops_count(s, LOGS_DROP_SPOOL, lines);
        return;
    }
    s->sum.gaps++;
    s->untold_gaps++;
    s->tell_now = true;
    log_warn("a part of a container's log was gone before it was read", kv_s("task", s->task),
             kv_s("container", s->id));
}
