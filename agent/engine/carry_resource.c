/* carry_resource: what a task needs besides images and containers: volumes, a cgroup,
 * values that are fetched for it; and the disk that all of it lies on. */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/carry.h"

#define MIB INT64_C(1048576)

/* ---- volumes ---- */

static const struct task_volume *volume_of(const struct carried *c)
{
    const struct task *t = carry_task(c);

    return t && c->volume < t->n_volumes ? &t->volumes[c->volume] : NULL;
}

static void make_volume(struct carried *c, const struct task_volume *v)
{
    const struct docker_volume want = {
        .name = c->ref,
        .driver = v->driver,
        .options = v->driver_opts,
        .labels = v->labels,
        .n_options = v->n_driver_opts,
        .n_labels = v->n_labels,
    };

    c->docker = docker_create_volume(c->en->docker, &want, c->timeout_ms, carry_done, c);
}

static const char *find_value(const struct task_kv *pairs, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (streq(pairs[i].name, name))
            return pairs[i].value;
    }
    return NULL;
}

/* In whatever order. */
static bool same_pairs(const struct task_kv *a, size_t n_a, const struct task_kv *b, size_t n_b)
{
    for (size_t i = 0; i < n_a; i++) {
        const char *other = find_value(b, n_b, a[i].name);

        if (!other || !streq(other, a[i].value))
            return false;
    }
    return n_a == n_b;
}

static enum err_code check_found(const struct task_volume *want, const struct docker_volume *found,
                                 struct err *e)
{
    if (!same_pairs(want->driver_opts, want->n_driver_opts, found->options, found->n_options))
        return err_set(e, ERR_INVALID,
                       "volume %s: its driver options are not those of the task definition",
                       want->name);
    if (!same_pairs(want->labels, want->n_labels, found->labels, found->n_labels))
        return err_set(e, ERR_INVALID, "volume %s: its labels are not those of the task definition",
                       want->name);
    return ERR_OK;
}

/* A shared volume: used when it is there, made when it is not and may be. */
static void on_volume(void *user, const struct docker_volume *found, const struct err *e)
{
    struct carried *c = user;
    const struct task_volume *want = volume_of(c);
    struct err why = *e;

    c->docker = NULL;
    if (!want) {
        carry_gone(c);
    } else if (why.code == ERR_NOT_FOUND && want->autoprovision) {
        make_volume(c, want);
    } else {
        if (!why.code && want->autoprovision && c->en->config->shared_volume_match_full)
            (void)!check_found(want, found, &why);
        carry_done(c, &why);
    }
}

void carry_create_volume(struct carried *c)
{
    const struct task_volume *v = volume_of(c);

    if (!v)
        carry_gone(c);
    else if (v->kind == VOLUME_SHARED)
        c->docker = docker_inspect_volume(c->en->docker, c->ref, c->timeout_ms, on_volume, c);
    else
        make_volume(c, v);
}

void carry_remove_volume(struct carried *c)
{
    c->docker = docker_remove_volume(c->en->docker, c->ref, c->timeout_ms, carry_done, c);
}

/* ---- cgroups: files, so on a worker ---- */

static void work_make_cgroup(void *user)
{
    struct carried *c = user;

    (void)!host_cgroup_make(c->en->cgroups, c->task_id, &c->limits, &c->work_err);
}

static void work_remove_cgroup(void *user)
{
    struct carried *c = user;

    (void)!host_cgroup_remove(c->en->cgroups, c->task_id, &c->work_err);
}

static bool is_cgroup(enum core_op op)
{
    return op == CORE_OP_CREATE_CGROUP || op == CORE_OP_REMOVE_CGROUP;
}

static void on_cgroup(void *user)
{
    struct carried *c = user;
    struct engine *en = c->en;

    c->work = NULL;
    carry_done(c, &c->work_err);
    carry_next_cgroup(en);
}

/* Workers are few and systemd can take its time: the store must not wait for it. */
void carry_next_cgroup(struct engine *en)
{
    struct carried *it, *next, *first = NULL;

    HASH_ITER (hh, en->ops, it, next) {
        if (!is_cgroup(it->op))
            continue;
        if (it->work)
            return;
        if (!first && it->task_id)
            first = it;
    }
    if (first)
        first->work = loop_work(
            en->loop, first->op == CORE_OP_CREATE_CGROUP ? work_make_cgroup : work_remove_cgroup,
            on_cgroup, first);
}

static struct host_cgroup_limits limits_of(const struct config *config, const struct task *t)
{
    struct host_cgroup_limits l = {
        .cpu_vcpus = t->cpu_vcpus,
        .cpu_period_us = config->cgroup_cpu_period_us,
        .memory_bytes = t->memory_mib * MIB,
        .pids = config->task_pids_limit,
    };

    for (size_t i = 0; i < t->n_containers; i++) {
        int64_t shares = t->containers[i].cpu_shares;

        if (!t->containers[i].internal)
            l.cpu_shares += shares > 2 ? shares : 2; /* Docker's least */
    }
    return l;
}

void carry_create_cgroup(struct carried *c)
{
    const struct task *t = carry_task(c);

    if (!t) {
        carry_gone(c);
        return;
    }
    if (!c->en->cgroups) {
        carry_done(c, &(struct err){ 0 });
        return;
    }
    c->task_id = mem_strdup(t->id);
    c->limits = limits_of(c->en->config, t);
    carry_next_cgroup(c->en);
}

void carry_remove_cgroup(struct carried *c)
{
    if (!c->en->cgroups) {
        carry_done(c, &(struct err){ 0 });
        return;
    }
    c->task_id = mem_strdup(str_after_last(c->task_arn, '/'));
    carry_next_cgroup(c->en);
}

/* ---- values that somebody else fetches ---- */

void carry_fetch(struct carried *c)
{
    const struct task *t = carry_task(c);
    struct engine *en = c->en;
    struct err e = { 0 };

    if (!t) {
        carry_gone(c);
    } else if (en->peers.fetch) {
        en->peers.fetch(en->user, c->id, c->op, t);
    } else {
        err_set(&e, ERR_INVALID,
                "secrets, environment files and registry passwords cannot be "
                "fetched here");
        carry_done(c, &e);
    }
}

bool carry_is_fetch(enum core_op op)
{
    return op == CORE_OP_FETCH_SECRETS || op == CORE_OP_FETCH_ENV_FILES || op == CORE_OP_FETCH_AUTH;
}

void engine_fetched(struct engine *en, uint64_t id, const struct engine_value *values, size_t n,
                    const struct err *e)
{
    struct err why = e ? *e : (struct err){ 0 };
    struct carried *c;

    HASH_FIND(hh, en->ops, &id, sizeof id, c);
    if (!c || !carry_is_fetch(c->op))
        return; /* canceled meanwhile */
    if (!carry_task(c)) {
        carry_gone(c);
        return;
    }
    if (!why.code)
        (void)!values_put(&en->values, c->task_arn, c->op, values, n, &why);
    carry_done(c, &why);
}

void carry_forget_secrets(struct carried *c)
{
    values_drop(&c->en->values, c->task_arn);
    carry_done(c, &(struct err){ 0 });
}

/* ---- the disk ---- */

static void work_read_disk(void *user)
{
    struct carried *c = user;

    (void)!host_read_disk(c->path, &c->disk, &c->work_err);
}

static void on_disk(void *user)
{
    struct carried *c = user;
    struct queued *q = c->answer;

    c->work = NULL;
    c->answer = NULL;
    if (c->work_err.code)
        log_warn("the disk of the container engine cannot be looked at", kv_err(&c->work_err));
    else
        q->ev.u.op.disk = (struct core_disk){ c->disk.bytes, c->disk.bytes_used, c->disk.inodes,
                                              c->disk.inodes_used };
    carry_finish(c, q);
}

void carry_add_disk(struct carried *c)
{
    if (!c->en->docker_root) {
        struct queued *q = c->answer;

        c->answer = NULL;
        carry_finish(c, q);
        return;
    }
    c->path = mem_strdup(c->en->docker_root);
    c->work = loop_work(c->en->loop, work_read_disk, on_disk, c);
}

void carry_look_at_disk(struct carried *c)
{
    c->answer = queued_op(c->id, NULL);
    carry_add_disk(c);
}
