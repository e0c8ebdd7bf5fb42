/* The life of a file source: when it reads, when it asks, when it ends. */
#include "logs/source_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define INSPECT_MS 30000
/* The engine closes the log just before it knows that the container has ended. */
#define HINTS 4

static const struct backoff_rule ask_rule = { 50, 200, 5000, 20 };
static const struct backoff_rule trouble_rule = { 200, 200, 5000, 20 };
/* Where nothing tells of an end: after a silence. */
#define SILENCE_MS     30000
#define SILENCE_MAX_MS 600000
static const struct backoff_rule silence_rule = { SILENCE_MS, 200, SILENCE_MAX_MS, 20 };

/* ---- turns ---- */

/* Around everything that calls back: the source may be destroyed there. */
void file_enter(struct file_source *s)
{
    s->in_turn = true;
}

static void file_free(struct file_source *s)
{
    while (s->n_files)
        file_shift(s);
    free(s->files);
    buf_fini(&s->plain);
    free(s->path);
    free(s->id);
    free(s);
}

void file_leave(struct file_source *s)
{
    s->in_turn = false;
    if (s->dead)
        file_free(s);
}

void file_again(struct file_source *s, int64_t ms)
{
    if (!s->dead && s->following)
        loop_timer_arm(s->turn, ms);
}

void file_trouble(struct file_source *s, const struct err *e)
{
    file_again(s, backoff_next(&s->trouble_backoff, &trouble_rule, &s->rng));
    s->base.events.trouble(s->base.user, e);
}

void file_tell_gap(struct file_source *s, int64_t lines, int64_t bytes)
{
    if (s->base.events.gap)
        s->base.events.gap(s->base.user, &(struct source_gap){ lines, bytes });
}

/* ---- the end ---- */

static void rest(struct file_source *s)
{
    struct err e = { 0 };

    if (s->end)
        err_set(&e, s->end, "the container and its log are gone");
    s->following = s->stopped = s->hurry = s->woken = false;
    s->hints = 0;
    s->open[0] = s->open[1] = false; /* what comes after the end begins a line */
    file_watch_cancel(s->watch);
    s->watch = NULL;
    loop_timer_disarm(s->turn);
    loop_timer_disarm(s->look);
    loop_timer_disarm(s->ask);
    if (s->behind && s->end) { /* it was removed with files that were not open */
        s->behind = false;
        file_tell_gap(s, -1, -1);
    }
    if (!s->dead)
        s->base.events.ended(s->base.user, &e);
}

static void on_inspected(void *user, const struct ctr_facts *f, const struct err *e)
{
    struct file_source *s = user;

    s->op = NULL;
    file_enter(s);
    if (e->code && e->code != ERR_NOT_FOUND) {
        loop_timer_arm(s->ask, backoff_next(&s->ask_backoff, &ask_rule, &s->rng));
        s->base.events.trouble(s->base.user, e);
    } else if (!e->code && f->status == CTR_RUNNING) {
        s->hints -= s->hints > 0;
        if (s->hurry || s->hints)
            loop_timer_arm(s->ask, backoff_next(&s->ask_backoff, &ask_rule, &s->rng));
        else
            backoff_reset(&s->ask_backoff);
    } else {
        /* What was written until now is all there will be: read once more. */
        s->stopped = true;
        s->end = e->code;
        if (s->begun)
            file_look(s);
        file_again(s, 0);
    }
    file_leave(s);
}

static void ask(struct file_source *s)
{
    if (!s->op)
        s->op = docker_inspect(s->docker, s->id, INSPECT_MS, on_inspected, s);
}

static void on_ask(void *user)
{
    ask(user);
}

/* Everything that is there has been given out. */
static void at_end(struct file_source *s, bool nothing_new)
{
    if (s->stopped) {
        rest(s);
        return;
    }
    if (nothing_new && s->woken) { /* it was closed, or removed */
        s->hints = HINTS;
        if (!s->hurry)
            loop_timer_disarm(s->ask);
    }
    s->woken = false;
    if ((s->hurry || s->hints) && !loop_timer_armed(s->ask))
        ask(s);
    if (!nothing_new) {
        file_again(s, s->came < SOURCE_FILE_BUSY ? SOURCE_FILE_READ_MS : SOURCE_FILE_BUSY_MS);
        s->came = 0;
    } else if (s->watch && !s->watches_writes) {
        s->watches_writes = true;
        file_watch_widen(s->watch, s->path);
        file_again(s, 0); /* it may have been written before that */
    } else if (!s->op && !loop_timer_armed(s->ask)) {
        loop_timer_arm(s->ask, backoff_next(&s->silence, &silence_rule, &s->rng));
    }
}

/* ---- reading ---- */

static void advance(struct file_source *s)
{
    enum file_read did = FILE_NONE;

    if (!s->following)
        return;
    if (!s->begun)
        file_begin(s);
    if (s->dead)
        return;
    if (file_to_drop(s)) {
        file_drop(s, file_to_drop(s));
        return;
    }
    if (s->begun)
        did = file_read(s);
    if (s->dead || did == FILE_LATER)
        return;
    if (did != FILE_NONE) {
        backoff_reset(&s->trouble_backoff);
        backoff_reset(&s->silence);
        if (!s->hurry && !s->hints)
            loop_timer_disarm(s->ask);
        s->woken = false;
    }
    if (did == FILE_AGAIN)
        file_again(s, 0);
    else
        at_end(s, did == FILE_NONE);
}

static void on_turn(void *user)
{
    struct file_source *s = user;

    file_enter(s);
    advance(s);
    file_leave(s);
}

/* The log was rotated, or may have been; or files were kept long enough. */
static void look_again(struct file_source *s)
{
    if (s->begun)
        file_look(s);
    /* Also while it is paused: files may have to be dropped. */
    file_again(s, 0);
}

static void on_look(void *user)
{
    look_again(user);
}

static void on_watch(void *user)
{
    struct file_source *s = user;

    s->watch = NULL;
    s->woken = true;
    look_again(s);
}

void file_watch_live(struct file_source *s, bool writes)
{
    file_watch_cancel(s->watch);
    s->watches_writes = writes;
    s->watch = file_watch_begin(s->watches, s->path, writes ? FILE_WATCH_ANY : FILE_WATCH_NAMES,
                                on_watch, s);
}

/* ---- the kind ---- */

static void source_file_follow(struct source *base)
{
    struct file_source *s = (struct file_source *)base;

    docker_cancel(s->op);
    s->op = NULL;
    s->stopped = s->hurry = false;
    s->end = ERR_OK;
    s->hints = 1; /* it may have ended long ago */
    backoff_reset(&s->ask_backoff);
    loop_timer_disarm(s->ask);
    if (!s->following && s->begun) {
        s->following = true;
        file_look(s);
    }
    s->following = true;
    file_again(s, 0);
}

static void source_file_pause(struct source *base, bool paused)
{
    struct file_source *s = (struct file_source *)base;

    if (paused && !s->paused)
        s->paused_ms = loop_now_ms(s->loop);
    s->paused = paused;
    if (!paused)
        file_again(s, 0);
    else
        file_keep(s);
}

static void source_file_hurry(struct source *base)
{
    struct file_source *s = (struct file_source *)base;

    if (!s->following)
        return;
    s->hurry = true;
    backoff_reset(&s->ask_backoff);
    loop_timer_disarm(s->ask);
    if (s->begun)
        file_look(s);
    if (!s->lost && !s->wait)
        file_again(s, 0);
}

static void source_file_backlog(const struct source *base, int64_t *bytes, int64_t *bound)
{
    const struct file_source *s = (const struct file_source *)base;

    *bytes = 0;
    *bound = s->begun ? s->max_bytes * s->max_files : 0;
    for (size_t i = 0; i < s->n_files; i++) {
        struct spool_file f = s->files[i];
        int64_t size;

        if (!spool_file_stat(&f, &size, NULL) && size > f.offset)
            *bytes += size - f.offset;
    }
    *bytes += file_unopened(s);
}

/* ---- places ---- */

static bool same(const struct mark *a, const struct mark *b)
{
    return a->major == b->major && a->minor == b->minor;
}

/* 0: a file of long ago. */
static uint64_t seq_of(const struct file_source *s, int64_t key)
{
    size_t n = s->n_history < FILE_HISTORY ? s->n_history : FILE_HISTORY;

    for (size_t i = 1; i <= n; i++)
        if (s->history[(s->n_history - i) % FILE_HISTORY].key == key)
            return s->history[(s->n_history - i) % FILE_HISTORY].seq;
    return 0;
}

static bool is_later(const struct file_source *s, const struct mark *a, const struct mark *b)
{
    uint64_t sa = seq_of(s, a->major), sb = seq_of(s, b->major);

    return sa > sb || (sa && sa == sb && a->minor > b->minor);
}

/* The mark of a stream of which nothing is confirmed yet; zeroed when nothing was given out. */
static bool begin_mark(const struct file_source *s, size_t i, struct mark *m)
{
    bool foreign = s->from.kind == CURSOR_API && same(m, &s->from.at[i]);

    if (m->major && !foreign)
        return false;
    *m = s->before[i];
    return true;
}

static void source_file_place(const struct source *base, struct cursor *c)
{
    const struct file_source *s = (const struct file_source *)base;
    struct mark at[2] = { c->at[0], c->at[1] };
    bool none[2];

    for (size_t i = 0; i < 2; i++)
        none[i] = begin_mark(s, i, &at[i]) && !at[i].major;
    if (none[0] && none[1])
        return;
    for (size_t i = 0; i < 2; i++)
        if (none[i] || (same(&at[i], &s->given[i]) && is_later(s, &at[!i], &at[i])))
            at[i] = at[!i];
    c->at[0] = at[0];
    c->at[1] = at[1];
    c->kind = CURSOR_FILE;
}

/* ---- life ---- */

static void source_file_destroy(struct source *base)
{
    struct file_source *s = (struct file_source *)base;

    s->dead = true;
    docker_cancel(s->op);
    file_wait_cancel(s);
    file_lost_cancel(s);
    file_watch_cancel(s->watch);
    loop_timer_destroy(s->turn);
    loop_timer_destroy(s->look);
    loop_timer_destroy(s->ask);
    if (!s->in_turn)
        file_free(s);
}

struct source *source_file_create(const struct source_args *args, const char *path,
                                  const struct record_format *format,
                                  const struct source_events *events, void *user)
{
    static const struct source_kind kind = { source_file_follow, source_file_pause,
                                             source_file_hurry,  source_file_backlog,
                                             source_file_place,  source_file_destroy };
    struct file_source *s = NEW(struct file_source);

    s->base = (struct source){ .kind = &kind, .events = *events, .user = user };
    s->loop = args->loop;
    s->docker = args->docker;
    s->watches = args->watches;
    s->id = mem_strdup(args->id);
    s->path = mem_strdup(path);
    s->format = format;
    s->max_bytes = args->max_bytes;
    s->max_files = args->max_files;
    s->keep_bytes = args->keep_bytes;
    s->from = *args->from;
    if (s->from.kind == CURSOR_FILE) {
        s->given[0] = s->from.at[0];
        s->given[1] = s->from.at[1];
    }
    rng_seed(&s->rng, args->seed);
    buf_init(&s->plain, RECORD_MAX);
    s->turn = loop_timer_create(args->loop, on_turn, s);
    s->look = loop_timer_create(args->loop, on_look, s);
    s->ask = loop_timer_create(args->loop, on_ask, s);
    return &s->base;
}
