/* rebuild: tasks that the store has lost, and the engine still has.
 *
 * A container says in its labels whose it is and what its task needs to be looked after
 * (task_from_remains); the caller gives these of our own containers only. So a task whose
 * containers have all been started is taken up as if nothing had happened. One of which a
 * container is missing cannot be completed, and of one with a container that was not started
 * nobody knows whether it still was to be, or had been stopped: it is stopped, so that the
 * control plane places it anew. What
 * has no place in any task (a second container of the same name, one that was asked for before the
 * loss and appears when its task has come anew, a run of a local task, which is run again from its
 * file) is taken up as a task that nobody hears of, stopped and removed.
 *
 * A task without any container is named by the next manifest: when no payload brings it within
 * MISSING_MS, it is reported STOPPED. No task can have run and lost its containers: they are
 * kept until the control plane has accepted its end (task.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/state.h"

#define MISSING_MS 30000
#define LOST_TEXT  "TaskStateError: the agent lost what it had stored of this task"

/* ---- containers ---- */

static void adopt(struct core *c, struct core_ctr *k, const struct core_listed *row,
                  struct task_remains *from)
{
    mem_replace(&k->docker_name, row->name);
    mem_replace(&k->docker_id, row->id);
    if (from->metadata_id[0])
        snprintf(k->metadata_id, sizeof k->metadata_id, "%s", from->metadata_id);
    else
        rng_uuid(&c->rng, k->metadata_id);
    see_index(c, k);
    if (from->n_host_ports == k->def->n_ports) {
        k->host_ports = from->host_ports;
        from->host_ports = NULL;
    }
    k->create_tried = true;
    k->suspect = true;
}

/* It is here, so it has what it needs of the host already. */
static void take_up(struct core *c, struct core_task *t)
{
    t->rebuilt = true;
    t->admitted = true;
    resources_found(t);
    for (size_t i = 0; c->started && i < t->n_ctrs; i++)
        ports_hold(c, &t->ctrs[i]);
    if (c->started)
        admit_hold(c, t); /* else CORE_EV_STARTED does */
    task_changed(c, t);
}

/* ---- what has no place ---- */

/* The key is the task's own name, or one that no task has. */
static void add_stray(struct core *c, const struct core_listed *row, const char *key)
{
    struct task_remains remains = { .label = row->remains };
    struct task *def = NULL;
    struct core_task *t;
    bool whole;
    struct err e = { 0 };
    int i;

    if (find_task(c, key) || core_task_count(c) >= CORE_MAX_TASKS)
        return;
    if (task_from_remains(key, &remains, 1, &whole, &def, &e)) {
        core_note(c, true, NULL, NULL, "container %.300s is left alone: %s", row->name, e.msg);
        task_remains_fini(&remains, 1);
        return;
    }
    t = task_add(c, def, key);
    t->stray = true;
    c->n_strays++;
    t->desired = TASK_STOPPED;
    if (!streq(key, row->task_arn))
        resources_disown(t);
    i = task_find_container(def, remains.name);
    for (size_t k = 0; k < t->n_ctrs; k++) {
        if ((int)k == i)
            adopt(c, &t->ctrs[k], row, &remains);
        else
            t->ctrs[k].known = CTR_STOPPED; /* not even to be thought of */
    }
    take_up(c, t);
    core_note(c, true, t, NULL, "container %.300s belongs to no task of this agent; it is removed",
              row->name);
    task_remains_fini(&remains, 1);
}

/* The next process would take it for what is left of the task. */
bool rebuild_has_stray(const struct core *c, const struct core_task *t)
{
    size_t n = strlen(t->arn);

    for (const struct core_task *s = c->n_strays ? c->tasks : NULL; s; s = s->hh.next)
        if (s->stray && strncmp(s->arn, t->arn, n) == 0 && s->arn[n] == '#')
            return true;
    return false;
}

void rebuild_stray_gone(struct core *c, const struct core_task *stray)
{
    char *arn = mem_strndup(stray->arn, strcspn(stray->arn, "#"));
    struct core_task *t = find_task(c, arn);

    c->n_strays--;
    if (t)
        task_touch(c, t);
    free(arn);
}

static void stray_beside(struct core *c, const struct core_listed *row)
{
    char *key = mem_printf("%s#%s", row->task_arn, row->id);

    add_stray(c, row, key);
    free(key);
}

/* ---- tasks ---- */

/* Only the container is left that holds the task's namespaces. */
static bool is_lone_pause(const struct task *def)
{
    return def->n_containers == 1 && streq(def->containers[0].image, TASK_PAUSE_IMAGE);
}

/* True: all of them were started. */
static bool adopt_all(struct core *c, struct core_task *t, const struct core_listed *const *rows,
                      struct task_remains *remains, size_t n)
{
    bool started = true;

    for (size_t i = 0; i < n; i++) {
        int at = remains[i].name ? task_find_container(t->def, remains[i].name) : -1;

        if (at < 0 || t->ctrs[at].docker_id) {
            stray_beside(c, rows[i]);
            continue;
        }
        adopt(c, &t->ctrs[at], rows[i], &remains[i]);
        started &= rows[i]->status >= CTR_RUNNING;
    }
    return started;
}

static void rebuild(struct core *c, const struct core_listed *const *rows, size_t n)
{
    struct task_remains *remains = mem_array(n, sizeof *remains);
    const char *arn = rows[0]->task_arn;
    struct task *def = NULL;
    struct core_task *t;
    struct err e = { 0 };
    bool whole = false, started;

    rebuild_begin(c);
    for (size_t i = 0; i < n; i++)
        remains[i].label = rows[i]->remains;
    if (task_from_remains(arn, remains, n, &whole, &def, &e)) {
        core_note(c, true, NULL, NULL, "the containers of %.300s are left alone: %s", arn, e.msg);
    } else if (is_lone_pause(def)) {
        task_destroy(def);
        for (size_t i = 0; i < n; i++)
            stray_beside(c, rows[i]);
    } else {
        t = task_add(c, def, arn);
        t->desired = TASK_RUNNING;
        started = adopt_all(c, t, rows, remains, n);
        task_put_definition(c, t);
        core_note(c, true, t, NULL, "the task is rebuilt from the labels of its containers");
        if (!whole || !started)
            task_fail(c, t, NULL, LOST_TEXT);
        take_up(c, t);
    }
    task_remains_fini(remains, n);
    free(remains);
}

/* The rows of one task. Of two containers of one name the first is taken: what runs before what
 * has ended before what was never started. */
static size_t gather(const struct core_event *ev, const char *arn, const struct core_listed **out)
{
    static const enum ctr_status order[] = { CTR_RUNNING, CTR_STOPPED, CTR_CREATED };
    size_t n = 0;

    for (size_t o = 0; o < COUNT_OF(order); o++) {
        for (size_t i = 0; i < ev->u.listed.n_rows; i++) {
            const struct core_listed *row = &ev->u.listed.rows[i];

            if (row->remains && row->status == order[o] && streq(row->task_arn, arn))
                out[n++] = row;
        }
    }
    return n;
}

void rebuild_listed(struct core *c, const struct core_event *ev)
{
    const struct core_listed **same = mem_array(ev->u.listed.n_rows, sizeof *same);

    for (size_t i = 0; i < ev->u.listed.n_rows; i++) {
        const struct core_listed *row = &ev->u.listed.rows[i];

        if (!row->remains || core_owns(c, row->id, row->name))
            continue;
        if (find_task(c, row->task_arn))
            stray_beside(c, row);
        else if (str_starts(row->task_arn, LOCAL_ARN_BEGIN))
            add_stray(c, row, row->task_arn);
        else if (core_task_count(c) < CORE_MAX_TASKS)
            rebuild(c, same, gather(ev, row->task_arn, same));
    }
    free(same);
}

/* ---- tasks that are gone without a trace ---- */

struct core_missing {
    UT_hash_handle hh;
    char *arn;
    int64_t at; /* then it is given up */
};

static void put_lost(struct core *c, enum core_action_type type)
{
    struct core_action *a = core_act(c, type);

    a->kind = CORE_KIND_META;
    a->key = mem_strdup(CORE_META_LOST);
    a->value = type == CORE_ACT_PUT ? mem_strdup("1") : NULL;
}

void rebuild_begin(struct core *c)
{
    if (c->lost)
        return;
    c->lost = true;
    put_lost(c, CORE_ACT_PUT);
}

static void forget(struct core *c, struct core_missing *m)
{
    HASH_DEL(c->missing, m);
    free(m->arn);
    free(m);
}

static void end_if_done(struct core *c)
{
    if (!c->lost || c->missing)
        return;
    c->lost = false;
    put_lost(c, CORE_ACT_DELETE);
}

static void add_missing(struct core *c, const char *arn, int64_t at)
{
    struct core_missing *m = NULL;

    HASH_FIND_STR(c->missing, arn, m);
    if (m || HASH_COUNT(c->missing) >= CORE_MAX_TASKS)
        return;
    m = NEW(struct core_missing);
    m->arn = mem_strdup(arn);
    m->at = at;
    HASH_ADD_KEYPTR(hh, c->missing, m->arn, strlen(m->arn), m);
}

void rebuild_manifest(struct core *c, const struct core_event *ev)
{
    if (!c->lost || !c->started)
        return;
    for (size_t i = 0; i < ev->u.manifest.n_entries; i++)
        if (!find_task(c, ev->u.manifest.entries[i].arn))
            add_missing(c, ev->u.manifest.entries[i].arn, c->now.mono_ms + MISSING_MS);
    end_if_done(c);
}

void rebuild_advance(struct core *c)
{
    struct core_missing *m, *next;

    HASH_ITER (hh, c->missing, m, next) {
        bool known = find_task(c, m->arn) != NULL;

        if (!known && c->now.mono_ms < m->at)
            continue;
        if (!known && !intake_refuse(c, m->arn, LOST_TEXT))
            continue;
        if (!known)
            resources_init_lost(c, find_task(c, m->arn));
        forget(c, m);
        end_if_done(c);
    }
}

int64_t rebuild_next_wake(const struct core *c)
{
    int64_t at = -1;

    for (const struct core_missing *m = c->missing; m; m = m->hh.next)
        if (m->at > c->now.mono_ms && (at < 0 || m->at < at))
            at = m->at;
    return at;
}

void rebuild_fini(struct core *c)
{
    struct core_missing *m, *next;

    HASH_ITER (hh, c->missing, m, next)
        forget(c, m);
}

/* ---- to JSON and back ---- */

void rebuild_save(const struct core *c, struct jw *w)
{
    jw_kbool(w, "lost", c->lost);
    jw_karray(w, "missing");
    for (const struct core_missing *m = c->missing; m; m = m->hh.next) {
        jw_object(w);
        jw_kstr(w, "arn", m->arn);
        jw_kint(w, "at", m->at);
        jw_end(w);
    }
    jw_end(w);
}

void rebuild_load(struct core *c, const struct jcur *saved)
{
    struct jcur all = jcur_arr(saved, "missing");

    c->lost = jcur_bool_or(saved, "lost", false);
    JCUR_EACH (item, &all)
        add_missing(c, jcur_str(&item, "arn"), jcur_int(&item, "at", SANE_INT));
}
