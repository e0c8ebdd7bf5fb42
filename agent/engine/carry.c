/* carry: what the core wishes, done: a table of operations, and what is under way. */
#include "engine/carry.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

static void carry_nothing(struct carried *c)
{
    carry_finish(c, queued_op(c->id, NULL));
}

static carry_fn *const begins[CORE_OP__COUNT] = {
    [CORE_OP_NONE] = carry_nothing,
    [CORE_OP_INSPECT_IMAGE] = carry_inspect_image,
    [CORE_OP_MANIFEST] = carry_of_registry,
    [CORE_OP_PULL] = carry_of_registry,
    [CORE_OP_PORTS] = carry_ports,
    [CORE_OP_CREATE] = carry_create,
    [CORE_OP_START] = carry_start,
    [CORE_OP_STOP] = carry_stop,
    [CORE_OP_INSPECT] = carry_inspect,
    [CORE_OP_DRAIN_LOGS] = carry_drain,
    [CORE_OP_REMOVE] = carry_remove,
    [CORE_OP_CREATE_VOLUME] = carry_create_volume,
    [CORE_OP_REMOVE_VOLUME] = carry_remove_volume,
    [CORE_OP_CREATE_CGROUP] = carry_create_cgroup,
    [CORE_OP_REMOVE_CGROUP] = carry_remove_cgroup,
    [CORE_OP_FETCH_SECRETS] = carry_fetch,
    [CORE_OP_FETCH_ENV_FILES] = carry_fetch,
    [CORE_OP_FETCH_AUTH] = carry_fetch,
    [CORE_OP_FORGET_SECRETS] = carry_forget_secrets,
    [CORE_OP_LIST_IMAGES] = carry_list_images,
    [CORE_OP_LOOK_AT_DISK] = carry_look_at_disk,
    [CORE_OP_REMOVE_IMAGE] = carry_remove_image,
    [CORE_OP_LIST_OTHERS] = carry_list_others,
    [CORE_OP_INSPECT_OTHER] = carry_inspect_other,
    [CORE_OP_REMOVE_OTHER] = carry_remove_other,
};

/* ---- what is under way ---- */

static void carried_destroy(struct carried *c)
{
    HASH_DEL(c->en->ops, c);
    freeze_leave_stop(c);
    mem_wipe(c->auth);
    free(c->task_arn);
    free(c->ref);
    free(c->digest);
    free(c->pulling);
    free(c->file_dir);
    free(c->docker_id);
    free(c->task_id);
    free(c->path);
    queued_destroy(c->answer);
    free(c);
}

void carry_finish(struct carried *c, struct queued *q)
{
    struct engine *en = c->en;

    carried_destroy(c);
    engine_push(en, q);
}

void carry_done(void *user, const struct err *e)
{
    struct carried *c = user;

    carry_finish(c, queued_op(c->id, e));
}

const struct task *carry_task(const struct carried *c)
{
    return c->task_arn ? core_task(c->en->core, c->task_arn) : NULL;
}

const struct task_container *carry_container(const struct carried *c)
{
    const struct task *t = carry_task(c);

    return t && c->container < t->n_containers ? &t->containers[c->container] : NULL;
}

void carry_gone(struct carried *c)
{
    struct err e = { 0 };

    err_set(&e, ERR_NOT_FOUND, "the task is gone");
    carry_finish(c, queued_op(c->id, &e));
}

static void begin(struct engine *en, const struct core_action *a)
{
    struct carried *c = NEW(struct carried);

    c->id = a->id;
    c->op = a->op;
    c->en = en;
    c->task_arn = mem_strdup(a->task_arn);
    c->container = a->container;
    c->volume = a->volume;
    c->ref = mem_strdup(a->ref ? a->ref : "");
    c->digest = mem_strdup(a->digest);
    c->timeout_ms = a->timeout_ms;
    c->idle_timeout_ms = a->idle_timeout_ms;
    c->stop_timeout_s = a->stop_timeout_s;
    if (carry_container(c))
        c->docker_id = mem_strdup(core_docker_id(en->core, c->task_arn, c->container));
    HASH_ADD(hh, en->ops, id, sizeof c->id, c);
    begins[c->op](c);
}

static void cancel(struct engine *en, uint64_t id)
{
    struct carried *c, *heir;

    holds_release_op(&en->holds, id); /* its answer may be waiting to be heard */
    HASH_FIND(hh, en->ops, &id, sizeof id, c);
    if (!c)
        return;
    if (c->op == CORE_OP_CREATE || c->op == CORE_OP_START)
        holds_release(&en->holds, c->task_arn, c->container);
    heir = carry_heir(c);
    docker_cancel(c->docker);
    work_cancel(c->work);
    if (carry_is_fetch(c->op) && en->peers.fetch_cancel)
        en->peers.fetch_cancel(en->user, id);
    carried_destroy(c);
    if (heir)
        carry_inherit(heir);
    carry_next_cgroup(en);
}

/* ---- the core's timer ---- */

static void on_alarm(void *user)
{
    engine_push(user, queued_create(CORE_EV_TIMER));
}

static void set_alarm(struct engine *en, int64_t at_ms)
{
    if (!en->alarm)
        en->alarm = loop_timer_create(en->loop, on_alarm, en);
    if (at_ms < 0)
        loop_timer_disarm(en->alarm);
    else
        loop_timer_arm(en->alarm, at_ms - clock_mono_ms());
}

/* ---- actions ---- */

static void changed(struct engine *en, const struct core_action *a)
{
    const struct task *t =
        a->kind == CORE_KIND_STATE && en->peers.changed ? core_task(en->core, a->key) : NULL;

    if (t)
        en->peers.changed(en->user, t);
}

static void deleted(struct engine *en, const struct core_action *a)
{
    if (a->kind != CORE_KIND_TASK)
        return;
    values_drop(&en->values, a->key);
    details_drop(&en->details, a->key);
    holds_release_task(&en->holds, a->key);
    freeze_drop_task(en, a->key);
    if (en->peers.gone)
        en->peers.gone(en->user, a->key);
}

void carry_action(struct engine *en, const struct core_action *a)
{
    switch (a->type) {
    case CORE_ACT_PUT:
        changed(en, a);
        break;
    case CORE_ACT_DELETE:
        deleted(en, a);
        break;
    case CORE_ACT_ACK:
        if (en->peers.ack)
            en->peers.ack(en->user, a->key);
        break;
    case CORE_ACT_STOP_VERIFY:
        if (en->peers.stop_verify)
            en->peers.stop_verify(en->user, a->key, a->value, (const char *const *)a->arns,
                                  a->n_arns);
        break;
    case CORE_ACT_OP:
        begin(en, a);
        break;
    case CORE_ACT_CANCEL:
        cancel(en, a->id);
        break;
    case CORE_ACT_REPORT:
        if (en->peers.report)
            en->peers.report(en->user, a->id, str_of(a->value));
        break;
    case CORE_ACT_TIMER:
        set_alarm(en, a->at_ms);
        break;
    case CORE_ACT_NOTE:
        notes_add(&en->notes, en->core, a, clock_wall_ms());
        break;
    case CORE_ACT_FAILED:
        if (en->peers.failed)
            en->peers.failed(en->user, a->task_arn, a->container, a->value);
        break;
    }
}

void carry_fini(struct engine *en)
{
    struct carried *c, *next;

    HASH_ITER (hh, en->ops, c, next) {
        docker_cancel(c->docker);
        work_cancel(c->work);
        carried_destroy(c);
    }
    freeze_fini(en);
    carry_forget_logs(en);
    images_fini(&en->images);
    values_fini(&en->values);
    details_fini(&en->details);
    holds_fini(&en->holds);
    loop_timer_destroy(en->alarm);
}
