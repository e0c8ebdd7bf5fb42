/* mode=blocking: a container whose spool is nearly full is held until the half of it is shipped. */
#include "base/log.h"
#include "logs/internal.h"

/* A container that writes 100 MB/s is held in time all the same: of the spool that it has unless
 * the configuration says otherwise, it fills the rest in a second. Where the spool is small, files
 * that the engine removes before that are kept (HOLD_KEEP_BYTES), if anybody gets to look at them
 * before they are gone. */
#define LOOK_MS      1000
#define LOOK_SOON_MS 100
#define LOOK_NOW_MS  10
#define SOON_PCT     10

static void hold(struct log_stream *s, bool held)
{
    const struct logs_args *a = &s->logs->args;

    if (held || s->held_back)
        log_info(held ? "a container is held: its log waits for the sink"
                      : "a container goes on: its log is shipped",
                 kv_s("task", s->task), kv_s("container", s->id));
    s->held_back = held;
    s->hold_known = true;
    a->hold(a->user, s->id, held);
}

bool hold_may(const struct log_stream *s)
{
    return s->to.blocking && s->logs->args.hold && !s->own;
}

static bool is_watched(const struct log_stream *s)
{
    return hold_may(s) && !s->draining && (!s->ended || s->held_back);
}

/* The share of the bound that waits, in percent. */
static int64_t look_at(struct log_stream *s)
{
    int64_t bytes = 0, bound = 0, pct;

    source_backlog(s->source, &bytes, &bound);
    if (bound <= 0)
        return 0;
    /* What was read and is not confirmed must not go from the spool either: after a crash it is
     * read again. */
    bytes += (int64_t)(s->held + (s->open ? s->open->json.len - s->open_held : 0));
    pct = bytes / (bound / 100 ? bound / 100 : 1);
    if (!s->held_back && pct >= LOGS_HOLD_PCT)
        hold(s, true);
    else if ((s->held_back || !s->hold_known) && pct < LOGS_RELEASE_PCT)
        hold(s, false); /* at the first look: what an earlier agent holds does not wait longer */
    return pct;
}

void hold_on_look(void *user)
{
    struct logs *l = user;
    struct log_stream *s, *next;
    int64_t most = -1;

    HASH_ITER (hh, l->streams, s, next) {
        int64_t pct = is_watched(s) ? look_at(s) : -1;

        if (pct > most)
            most = pct;
    }
    l->looks_soon = most >= SOON_PCT;
    if (most >= 0)
        loop_timer_arm(l->look, l->looks_soon ? LOOK_SOON_MS : LOOK_MS);
}

void hold_look_soon(struct log_stream *s)
{
    if (!is_watched(s) || s->logs->looks_soon)
        return;
    s->logs->looks_soon = true;
    loop_timer_arm(s->logs->look, LOOK_NOW_MS);
}

void hold_begin(struct log_stream *s)
{
    if (is_watched(s) && (!s->hold_known || !loop_timer_armed(s->logs->look)))
        loop_timer_arm(s->logs->look, s->hold_known ? LOOK_MS : LOOK_SOON_MS);
}

void hold_release(struct log_stream *s)
{
    if (s->held_back)
        hold(s, false);
}
