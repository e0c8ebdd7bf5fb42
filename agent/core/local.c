/* local: tasks of the host's own files, kept running while they are wanted. Each run is
 * a task like any other, with an ARN of its own; what follows one run by the next is
 * here. An entry lives while its task is wanted or something is left of its runs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "core/state.h"

#define LOCAL_MAX   100
#define STEADY_MS   (10 * 60 * 1000) /* a run that lasts so long was no failure */
#define FULL_MS     (60 * 1000)      /* how long to wait when no task can be added */
#define ARN_BEGIN   LOCAL_ARN_BEGIN
#define RUN_ID_SIZE 33

static const struct backoff_rule rule = { 1000, 200, 5 * 60 * 1000, 0 };

struct core_local {
    UT_hash_handle hh; /* by name, in order of appearance */
    char *name;
    char *digest;     /* of what is wanted; NULL: not wanted */
    struct task *def; /* of what is wanted; NULL: not wanted */
    bool once;
    bool heard;             /* the wanted ones were named since this entry is here */
    bool ran;               /* a run of what is wanted was started */
    struct core_task *run;  /* not stopped yet; NULL: none */
    struct core_task *last; /* the latest that has stopped and is not removed; NULL */
    int64_t running_since;  /* of `run`; 0: it does not run yet */
    struct backoff backoff;
    int64_t next_at; /* when the next run may start */
};

static struct core_local *find(const struct core *c, const char *name)
{
    struct core_local *l = NULL;

    HASH_FIND_STR(c->locals, name, l);
    return l;
}

static struct core_local *add(struct core *c, const char *name)
{
    struct core_local *l = NEW(struct core_local);

    l->name = mem_strdup(name);
    HASH_ADD_KEYPTR(hh, c->locals, l->name, strlen(l->name), l);
    return l;
}

static void unwant(struct core_local *l)
{
    task_destroy(l->def);
    free(l->digest);
    l->def = NULL;
    l->digest = NULL;
}

static void drop(struct core *c, struct core_local *l)
{
    if (l->run)
        l->run->local = NULL;
    if (l->last)
        l->last->local = NULL;
    HASH_DEL(c->locals, l);
    unwant(l);
    free(l->name);
    free(l);
}

static bool drop_if_empty(struct core *c, struct core_local *l)
{
    if (!l->heard || l->def || l->run || l->last)
        return false;
    drop(c, l);
    return true;
}

/* ---- what is wanted ---- */

static bool named(const struct core_event *ev, const char *name)
{
    for (size_t i = 0; i < ev->u.local.n_defs; i++)
        if (streq(ev->u.local.defs[i].name, name))
            return true;
    return false;
}

static bool is_wanted(const struct core_local *l, const struct core_task *t)
{
    return l->digest && t->local_digest && streq(l->digest, t->local_digest);
}

static void want(struct core_local *l, struct core_local_def *d)
{
    l->once = d->once;
    if (l->digest && streq(l->digest, d->digest))
        return;
    unwant(l);
    l->digest = mem_strdup(d->digest);
    l->def = d->task;
    d->task = NULL;
    /* Another content is another chance. */
    backoff_reset(&l->backoff);
    l->next_at = 0;
    /* Or was, by an earlier process. */
    l->ran = (l->run && is_wanted(l, l->run)) || (l->last && is_wanted(l, l->last));
}

void local_wanted(struct core *c, struct core_event *ev)
{
    size_t n = 0;

    for (struct core_local *l = c->locals, *next; l; l = next) {
        next = l->hh.next;
        l->heard = true;
        if (!named(ev, l->name))
            unwant(l);
        n += l->def != NULL;
        drop_if_empty(c, l);
    }
    for (size_t i = 0; i < ev->u.local.n_defs; i++) {
        struct core_local_def *d = &ev->u.local.defs[i];
        struct core_local *l = find(c, d->name);

        if ((!l || !l->def) && ++n > LOCAL_MAX) {
            core_note(c, true, NULL, NULL, "the local task '%s' is ignored: there are more than %d",
                      d->name, LOCAL_MAX);
            continue;
        }
        if (!l)
            l = add(c, d->name);
        l->heard = true;
        want(l, d);
    }
}

/* ---- runs ---- */

/* Of the runs that are over only the latest is worth being looked at. */
static void keep_last(struct core *c, struct core_local *l, struct core_task *t)
{
    struct core_task *before = l->last;

    l->last = t;
    t->local = l;
    if (!before || before == t)
        return;
    before->local = NULL;
    before->cleanup_delay = 0;
    task_touch(c, before);
}

void local_restored(struct core *c, struct core_task *t)
{
    struct core_local *l = find(c, t->local_name);

    if (!l)
        l = add(c, t->local_name);
    if (t->known == TASK_STOPPED) {
        keep_last(c, l, t);
        return;
    }
    if (l->run) { /* two at once were never started */
        task_stop(c, t, "another run of the same local task goes on");
        return;
    }
    l->run = t;
    t->local = l;
}

/* What runs already has proved itself since before this start. */
void local_started(struct core *c)
{
    for (struct core_local *l = c->locals; l; l = l->hh.next)
        if (l->run && l->run->known == TASK_RUNNING)
            l->running_since = c->now.mono_ms;
}

/* Its run is over. Of what was stopped on purpose the successor need not wait. */
static void ended(struct core *c, struct core_local *l)
{
    struct core_task *t = l->run;
    int64_t delay;

    l->run = NULL;
    if (is_wanted(l, t) && !l->once) {
        if (l->running_since && c->now.mono_ms - l->running_since >= STEADY_MS)
            backoff_reset(&l->backoff);
        delay = backoff_next(&l->backoff, &rule, &c->rng);
        l->next_at = c->now.mono_ms + delay;
        core_note(c, true, t, NULL,
                  "the local task '%s' ended; it is started again in %" PRId64 " s", l->name,
                  delay / 1000);
    }
    l->running_since = 0;
    keep_last(c, l, t);
}

static void start(struct core *c, struct core_local *l)
{
    char id[RUN_ID_SIZE];
    AUTO(str) char *arn = NULL;
    struct task *def;
    uint64_t high, low;

    if (core_task_count(c) >= CORE_MAX_TASKS) {
        l->next_at = c->now.mono_ms + FULL_MS;
        core_note(c, true, NULL, NULL,
                  "the local task '%s' cannot be started: this agent holds as many tasks as it "
                  "can; trying again",
                  l->name);
        return;
    }
    high = rng_next(&c->rng);
    low = rng_next(&c->rng);
    snprintf(id, sizeof id, "%016" PRIx64 "%016" PRIx64, high, low);
    arn = mem_printf("%s%s/%s", ARN_BEGIN, l->name, id);
    l->ran = true;
    l->running_since = 0;
    def = task_with_arn(l->def, arn);
    if (!def) {
        l->next_at = c->now.mono_ms + FULL_MS;
        core_note(c, true, NULL, NULL, "the local task '%s' cannot be started: it is too large",
                  l->name);
        return;
    }
    l->run = intake_accept_local(c, def, l->name, l->digest);
    l->run->local = l;
}

static bool is_over(const struct core_local *l)
{
    return l->run && l->run->known == TASK_STOPPED;
}

static bool begins_to_run(const struct core_local *l)
{
    return l->run && !l->running_since && l->run->known == TASK_RUNNING;
}

static void advance(struct core *c, struct core_local *l)
{
    if (is_over(l))
        ended(c, l);
    if (begins_to_run(l))
        l->running_since = c->now.mono_ms;
    /* What an earlier process started goes on until the wanted ones are named. */
    if (!l->heard)
        return;
    if (l->run && l->run->desired != TASK_STOPPED && !is_wanted(l, l->run)) {
        const char *why = l->def    ? "the local task definition changed"
                          : l->once ? "it was interrupted"
                                    : "the local task definition was removed";

        core_note(c, false, l->run, NULL, "%s; stopping '%s'", why, l->name);
        task_stop(c, l->run, why);
    }
    if (!l->run && l->def && !(l->once && l->ran) && c->now.mono_ms >= l->next_at)
        start(c, l);
}

void local_advance(struct core *c)
{
    for (struct core_local *l = c->locals, *next; l; l = next) {
        next = l->hh.next;
        if (!drop_if_empty(c, l))
            advance(c, l);
    }
}

void local_forgotten(struct core *c, struct core_task *t)
{
    struct core_local *l = t->local;

    if (!l)
        return;
    /* Nothing was ever made for it, so it went in the step in which it stopped; when
     * everything ends there is nobody to tell. */
    if (l->run == t && c->out)
        ended(c, l);
    if (l->run == t)
        l->run = NULL;
    if (l->last == t)
        l->last = NULL;
    t->local = NULL;
    drop_if_empty(c, l);
}

int64_t local_next_wake(const struct core *c)
{
    int64_t at = -1;

    for (const struct core_local *l = c->locals; l && c->started; l = l->hh.next) {
        /* Tasks are looked at after the entries, so this is news for the next turn. */
        bool news = is_over(l) || begins_to_run(l);
        bool due = l->heard && !l->run && l->def && !(l->once && l->ran);
        int64_t wish = news ? c->now.mono_ms : l->next_at;

        if ((news || due) && (at < 0 || wish < at))
            at = wish;
    }
    return at;
}

const struct task *core_local_run(const struct core *c, const char *name, const char **digest)
{
    const struct core_local *l = find(c, name);

    if (!l || !l->run || !l->run->local_digest)
        return NULL;
    *digest = l->run->local_digest;
    return l->run->def;
}

/* ---- flight records ---- */

void local_save(const struct core *c, struct jw *w)
{
    jw_karray(w, "locals");
    for (const struct core_local *l = c->locals; l; l = l->hh.next) {
        AUTO(str) char *def = l->def ? task_redacted_json(l->def) : NULL;

        jw_object(w);
        jw_kstr(w, "name", l->name);
        if (def) {
            jw_kstr(w, "digest", l->digest);
            jw_key(w, "task");
            jw_raw(w, str_of(def));
        }
        jw_kbool(w, "once", l->once);
        jw_kbool(w, "heard", l->heard);
        jw_kbool(w, "ran", l->ran);
        if (l->run)
            jw_kstr(w, "run", l->run->arn);
        if (l->last)
            jw_kstr(w, "last", l->last->arn);
        jw_kint(w, "running_since", l->running_since);
        jw_kint(w, "backoff", l->backoff.next_ms);
        jw_kint(w, "next_at", l->next_at);
        jw_end(w);
    }
    jw_end(w);
}

static struct core_task *load_run(struct core *c, const struct jcur *j, const char *key,
                                  struct core_local *l)
{
    struct jcur at = jcur_get(j, key);
    struct core_task *t;

    if (!jcur_present(&at) || !jcur_ok(j))
        return NULL;
    t = find_task(c, jcur_as_str(&at));
    if (!t || t->local || !t->local_name || !streq(t->local_name, l->name)) {
        jcur_fail(&at, "expected the arn of a run of this local task");
        return NULL;
    }
    t->local = l;
    return t;
}

static void load_entry(struct core *c, const struct jcur *j)
{
    struct jcur name = jcur_get(j, "name"), def = jcur_obj(j, "task");
    struct core_local *l;

    if (find(c, jcur_as_str(&name))) {
        jcur_fail(&name, "the same local task twice");
        return;
    }
    l = add(c, jcur_as_str(&name));
    if (jcur_present(&def) && jcur_ok(j) && task_decode(def.val, &l->def, j->err)) {
        err_wrap(j->err, "locals[%zu].task", j->idx);
        return;
    }
    if (l->def)
        l->digest = mem_strdup(jcur_str(j, "digest"));
    l->once = jcur_bool_or(j, "once", false);
    l->heard = jcur_bool_or(j, "heard", false);
    l->ran = jcur_bool_or(j, "ran", false);
    l->run = load_run(c, j, "run", l);
    l->last = load_run(c, j, "last", l);
    l->running_since = jcur_int(j, "running_since", SANE_TIME);
    l->backoff.next_ms = jcur_int(j, "backoff", 0, rule.max_ms);
    l->next_at = jcur_int(j, "next_at", SANE_TIME);
}

void local_load(struct core *c, const struct jcur *saved)
{
    struct jcur all = jcur_arr(saved, "locals");

    JCUR_EACH (item, &all) {
        if (jcur_ok(saved))
            load_entry(c, &item);
    }
}

void local_fini(struct core *c)
{
    while (c->locals)
        drop(c, c->locals);
}
