/* resource: what a task needs besides its images: a cgroup, volumes, values that are
 * fetched for it. Made before the containers that need them, taken back at the end.
 *
 * Every operation can be repeated (there already is success, so is gone already), so
 * what may have been begun before a crash is simply asked for again.
 *
 * Nothing in a cgroup says whose it is, and other agents of this host have theirs beside it, so one
 * that nobody remembers can never be removed. It is named by its task alone: by the store, and when
 * that is lost, by the labels of a container, or by the control plane as long as it waits for the
 * task's end. So it goes as soon as the task has stopped, before its containers do; and where no
 * container tells of the task, before its end is told. A volume goes right behind the last
 * container, which tells of it. What an earlier process has asked for may still make them again:
 * then they are removed once more before the task is forgotten. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "core/state.h"

#define MAX_REMOVALS 10
/* What takes the engine longer has not been done at once. */
#define HUNG_MS 1000

static const struct backoff_rule rule = { 200, 200, 10000, 20 };

static const enum core_op make_op[] = {
    [RES_CGROUP] = CORE_OP_CREATE_CGROUP,  [RES_VOLUME] = CORE_OP_CREATE_VOLUME,
    [RES_SECRETS] = CORE_OP_FETCH_SECRETS, [RES_ENV_FILES] = CORE_OP_FETCH_ENV_FILES,
    [RES_AUTH] = CORE_OP_FETCH_AUTH,
};

static bool is_value(const struct core_res *r)
{
    return r->kind == RES_SECRETS || r->kind == RES_ENV_FILES || r->kind == RES_AUTH;
}

/* ---- from the definition ---- */

static void add(struct core_task *t, enum res_kind kind, size_t volume)
{
    struct core_res *r = &t->res[t->n_res++];

    r->task = t;
    r->kind = kind;
    r->volume = volume;
}

void resources_init(struct core *c, struct core_task *t)
{
    const struct task *def = t->def;
    bool secrets = false, files = false, auth = false;

    t->res = mem_array(def->n_volumes + 4, sizeof *t->res);
    if (c->cfg.task_cgroups)
        add(t, RES_CGROUP, 0);
    for (size_t i = 0; i < def->n_volumes; i++)
        if (def->volumes[i].kind != VOLUME_HOST)
            add(t, RES_VOLUME, i);
    for (size_t i = 0; i < def->n_containers; i++) {
        secrets |= def->containers[i].n_secrets > 0;
        files |= def->containers[i].n_env_files > 0;
        auth |= def->containers[i].auth.kind != TASK_AUTH_ENGINE;
    }
    if (secrets)
        add(t, RES_SECRETS, 0);
    if (files)
        add(t, RES_ENV_FILES, 0);
    if (auth)
        add(t, RES_AUTH, 0);
}

void resources_init_lost(struct core *c, struct core_task *t)
{
    t->res = mem_array(1, sizeof *t->res);
    if (c->cfg.task_cgroups)
        add(t, RES_CGROUP, 0);
}

void resources_fini(struct core *c, struct core_task *t)
{
    for (size_t i = 0; i < t->n_res; i++) {
        if (t->res[i].op.id)
            side_finished(c, &t->res[i].op);
        free(t->res[i].waits_for);
    }
    free(t->res);
}

char *resources_refuse(const struct core *c, const struct task *def)
{
    if (!c->cfg.task_cgroups || !def->memory_mib)
        return NULL;
    for (size_t i = 0; i < def->n_containers; i++) {
        if (def->containers[i].memory_mib > def->memory_mib)
            return mem_printf("task memory spec builder: container memory limit(%" PRId64
                              ") greater than task memory limit(%" PRId64 ")",
                              def->containers[i].memory_mib, def->memory_mib);
    }
    return NULL;
}

/* Values are in memory only. */
void resources_resume(struct core_task *t)
{
    bool needed = false;

    for (size_t i = 0; i < t->n_ctrs; i++)
        needed |= t->ctrs[i].known < CTR_RUNNING; /* it may have to be made again */
    for (size_t i = 0; i < t->n_res && needed && t->desired != TASK_STOPPED; i++)
        if (is_value(&t->res[i]) && t->res[i].known == RES_CREATED)
            t->res[i].known = RES_NONE;
}

/* ---- making ---- */

static void issue(struct core *c, struct core_res *r, enum core_op op)
{
    struct core_action *a = side_issue(c, &r->op, r, op);

    if (r->kind != RES_VOLUME)
        return;
    a->volume = r->volume;
    a->ref = task_volume_docker_name(r->task->def, &r->task->def->volumes[r->volume]);
}

void resources_advance(struct core *c, struct core_task *t)
{
    /* It may have come to its end without anybody wanting that: none of it is essential. */
    if (t->desired == TASK_STOPPED || t->desired == TASK_NONE || t->known == TASK_STOPPED)
        return;
    for (size_t i = 0; i < t->n_res; i++) {
        struct core_res *r = &t->res[i];

        if (r->known == RES_NONE && !r->op.id && !r->failed && c->now.mono_ms >= r->retry_at)
            issue(c, r, make_op[r->kind]);
    }
}

static bool mounts(const struct task_container *d, const struct task_volume *v)
{
    for (size_t i = 0; i < d->n_mounts; i++)
        if (streq(d->mounts[i].source_volume, v->name))
            return true;
    return false;
}

static bool concerns(const struct core_res *r, const struct core_ctr *k, bool create)
{
    const struct task *def = k->task->def;

    switch (r->kind) {
    case RES_CGROUP:
        return create && !k->def->internal;
    case RES_VOLUME:
        return create && mounts(k->def, &def->volumes[r->volume]);
    case RES_SECRETS:
        return create && k->def->n_secrets > 0;
    case RES_ENV_FILES:
        return create && k->def->n_env_files > 0;
    case RES_AUTH:
        return k->def->auth.kind != TASK_AUTH_ENGINE;
    }
    return false;
}

bool resources_allow(const struct core_ctr *k, bool create, const struct core_res **on)
{
    const struct core_task *t = k->task;

    for (size_t i = 0; i < t->n_res; i++) {
        if (t->res[i].known == RES_NONE && concerns(&t->res[i], k, create)) {
            *on = &t->res[i];
            return false;
        }
    }
    return true;
}

void resource_describe(const struct core_res *r, struct buf *b)
{
    static const char *const names[] = {
        [RES_CGROUP] = "the task's cgroup",     [RES_VOLUME] = "volume ",
        [RES_SECRETS] = "the task's secrets",   [RES_ENV_FILES] = "the task's environment files",
        [RES_AUTH] = "the registry's password",
    };

    buf_puts(b, names[r->kind]);
    if (r->kind == RES_VOLUME)
        buf_puts(b, r->task->def->volumes[r->volume].name);
    if (r->waits_for)
        buf_printf(b, " (%s)", r->waits_for);
}

/* ---- what came of it ---- */

/* As the reference tells it: runs of white space become one blank, the first letter is
 * a capital one. */
static char *as_reason(const char *msg)
{
    char *text = mem_strdup(msg), *to = text;

    for (const char *from = msg; *from; from++) {
        bool blank = isspace((unsigned char)*from);

        if (blank && (to == text || to[-1] == ' '))
            continue;
        *to++ = blank ? ' ' : *from;
    }
    *to = '\0';
    *text = (char)toupper((unsigned char)*text);
    return text;
}

static void make_failed(struct core *c, struct core_res *r, const struct err *e)
{
    struct buf what = BUF_INIT(1024);
    char *reason;

    resource_describe(r, &what);
    core_note(c, true, r->task, NULL, "%s cannot be had: %s", buf_text(&what), e->msg);
    buf_fini(&what);
    r->failed = true;
    if (r->kind == RES_CGROUP)
        reason = mem_strdup("CgroupError: Agent could not create task's platform resources");
    else if (r->kind == RES_VOLUME && !*e->msg)
        reason = mem_strdup("VolumeError: Agent could not create task's volume resources");
    else
        reason = as_reason(e->msg);
    task_fail(c, r->task, NULL, reason);
    free(reason);
}

static void try_again(struct core *c, struct core_res *r, const char *why)
{
    mem_replace(&r->waits_for, why);
    r->retry_at = c->now.mono_ms + backoff_next(&r->backoff, &rule, &c->rng);
}

static void made(struct core *c, struct core_res *r, const struct err *e)
{
    if (e->code == ERR_RETRY) {
        try_again(c, r, e->msg);
    } else if (e->code) {
        make_failed(c, r, e);
    } else {
        r->known = RES_CREATED;
        r->retry_at = 0;
        backoff_reset(&r->backoff);
        mem_replace(&r->waits_for, NULL);
        task_changed(c, r->task);
    }
}

/* What an earlier process asked for may still be made. */
static bool is_late(const struct core *c, const struct core_task *t)
{
    return c->now.mono_ms < t->not_before;
}

/* An engine that hung until now carries out what it was asked meanwhile, in any order. */
static void expect_late(const struct core *c, struct core_res *r)
{
    if (r->kind == RES_VOLUME && !r->taken && r->task->not_before &&
        c->now.mono_ms - r->op.since >= HUNG_MS)
        r->task->not_before = c->now.mono_ms + LATE_CREATE_MS;
}

static void removed(struct core *c, struct core_res *r, const struct err *e)
{
    struct buf what = BUF_INIT(1024);

    r->tried = r->tried || e->code != ERR_RETRY; /* else it has not come to that */
    if (e->code && e->code != ERR_NOT_FOUND) {
        /* That the engine is away says nothing about the removal. */
        bool counts = e->code != ERR_RETRY;
        bool last = counts && ++r->tries >= MAX_REMOVALS && !is_late(c, r->task);

        mem_replace(&r->waits_for, NULL);
        resource_describe(r, &what);
        if (last || (counts && r->tries == 1))
            core_note(c, true, r->task, NULL, "%s cannot be removed, %s: %s", buf_text(&what),
                      last ? "it is left behind" : "trying again", e->msg);
        buf_fini(&what);
        try_again(c, r, e->msg);
        if (!last)
            return;
    }
    expect_late(c, r);
    r->taken = true;
    if (is_late(c, r->task))
        return;
    r->known = RES_REMOVED;
    task_changed(c, r->task);
}

void resource_done(struct core *c, struct core_res *r, const struct core_event *ev)
{
    bool making = r->op.op == make_op[r->kind];

    side_finished(c, &r->op);
    task_touch(c, r->task);
    if (making)
        made(c, r, &ev->u.op.err);
    else
        removed(c, r, &ev->u.op.err);
}

/* ---- the end ---- */

static enum core_op removal_of(const struct core_res *r)
{
    if (r->kind == RES_CGROUP)
        return CORE_OP_REMOVE_CGROUP;
    if (r->kind == RES_VOLUME)
        return r->task->def->volumes[r->volume].kind == VOLUME_TASK ? CORE_OP_REMOVE_VOLUME
                                                                    : CORE_OP_NONE;
    return CORE_OP_FORGET_SECRETS;
}

static bool is_done(const struct core_res *r)
{
    if (r->op.id)
        return false;
    /* Of a task that has not begun, nothing was fetched. But what lies on this host may have been
     * made before the store was lost, when the task began for the first time. */
    return r->known == RES_REMOVED || removal_of(r) == CORE_OP_NONE ||
           (is_value(r) && !r->task->admitted);
}

/* How they were made is not known any more. */
void resources_found(struct core_task *t)
{
    for (size_t i = 0; i < t->n_res; i++)
        if (t->res[i].kind == RES_VOLUME && t->res[i].known == RES_NONE)
            t->res[i].known = RES_CREATED;
}

void resources_disown(struct core_task *t)
{
    for (size_t i = 0; i < t->n_res; i++)
        t->res[i].known = RES_REMOVED;
}

static void take_back(struct core *c, struct core_res *r)
{
    if (!is_done(r) && !r->op.id && c->now.mono_ms >= r->retry_at)
        issue(c, r, removal_of(r));
}

void resources_take_back(struct core *c, struct core_task *t)
{
    bool bare = !rebuild_has_stray(c, t);

    for (size_t i = 0; i < t->n_ctrs; i++)
        bare &= !t->ctrs[i].create_tried || (t->ctrs[i].removed && !t->ctrs[i].op);
    for (size_t i = 0; i < t->n_res; i++) {
        struct core_res *r = &t->res[i];

        if (!r->taken && (r->kind == RES_CGROUP || (r->kind == RES_VOLUME && bare)))
            take_back(c, r);
    }
}

/* One try: what cannot be removed is no reason to say nothing of the task. */
bool resources_owed(const struct core_task *t)
{
    for (size_t i = 0; i < t->n_res; i++)
        if (t->res[i].kind == RES_CGROUP && !is_done(&t->res[i]) && !t->res[i].tried)
            return true;
    return false;
}

bool resources_clean_up(struct core *c, struct core_task *t)
{
    bool all = true;

    for (size_t i = 0; i < t->n_res; i++) {
        all &= is_done(&t->res[i]);
        take_back(c, &t->res[i]);
    }
    return all;
}

int64_t resources_next_wake(const struct core_task *t, int64_t now)
{
    int64_t at = -1;

    for (size_t i = 0; i < t->n_res; i++) {
        const struct core_res *r = &t->res[i];

        if (!r->op.id && r->known != RES_REMOVED && r->retry_at > now &&
            (at < 0 || r->retry_at < at))
            at = r->retry_at;
    }
    return at;
}

/* ---- to JSON and back ---- */

void resources_write(const struct core_task *t, struct jw *w, bool full)
{
    jw_karray(w, "resources");
    for (size_t i = 0; i < t->n_res; i++) {
        const struct core_res *r = &t->res[i];

        jw_object(w);
        jw_kint(w, "kind", r->kind);
        jw_kint(w, "volume", (int64_t)r->volume);
        jw_kint(w, "known", r->known);
        if (full) {
            jw_kbool(w, "failed", r->failed);
            jw_kbool(w, "tried", r->tried);
            jw_kbool(w, "taken", r->taken);
            jw_kint(w, "tries", r->tries);
            jw_kint(w, "backoff", r->backoff.next_ms);
            jw_kint(w, "retry_at", r->retry_at);
            jw_kstr_if(w, "waits_for", r->waits_for);
            jw_kint(w, "op", r->op.op);
            jw_kint(w, "op_id", (int64_t)r->op.id);
            jw_kint(w, "op_since", r->op.since);
        }
        jw_end(w);
    }
    jw_end(w);
}

static void read_volatile(struct core *c, struct core_res *r, const struct jcur *j)
{
    r->failed = jcur_bool_or(j, "failed", false);
    r->tried = jcur_bool_or(j, "tried", false);
    r->taken = jcur_bool_or(j, "taken", false);
    r->tries = (int)jcur_int(j, "tries", 0, INT32_MAX / 2);
    r->backoff.next_ms = jcur_int(j, "backoff", SANE_INT);
    r->retry_at = jcur_int(j, "retry_at", SANE_INT);
    r->waits_for = jcur_strdup_or(j, "waits_for", NULL);
    r->op.op = (enum core_op)jcur_int(j, "op", CORE_OP_NONE, CORE_OP__COUNT - 1);
    r->op.since = jcur_int(j, "op_since", SANE_INT);
    r->op.id = (uint64_t)jcur_int(j, "op_id", 0, SANE_MAX);
    r->op.res = r;
    if (!r->op.id != !r->op.op)
        jcur_fail(j, "expected an operation with its id");
    if (!jcur_ok(j))
        r->op.id = 0; /* it is not in the table */
    if (r->op.id)
        HASH_ADD(hh, c->side_ops, id, sizeof r->op.id, &r->op);
}

void resources_read(struct core *c, struct core_task *t, const struct jcur *saved, bool full)
{
    struct jcur all = jcur_arr(saved, "resources");

    if (full && !t->def && jcur_len(&all))
        resources_init_lost(c, t);
    JCUR_EACH (item, &all) {
        enum res_kind kind = (enum res_kind)jcur_int(&item, "kind", RES_CGROUP, RES_AUTH);
        size_t volume = (size_t)jcur_int(&item, "volume", 0, SANE_MAX);

        for (size_t i = 0; i < t->n_res && jcur_ok(saved); i++) {
            struct core_res *r = &t->res[i];

            if (r->kind != kind || r->volume != volume || r->op.id)
                continue;
            r->known = (enum res_status)jcur_int(&item, "known", RES_NONE, RES_REMOVED);
            if (full)
                read_volatile(c, r, &item);
        }
    }
}
