/* freeze: containers that are held back, because their log cannot keep up (engine_hold).
 *
 * A freeze that is forgotten would last for ever. So a row of the store says that it is ours before
 * the container is frozen, and goes when it was let go; what has a row at the start of the agent is
 * let go unless somebody asks for it again. A container that a person has paused is left alone: it
 * is looked at first, and one that is paused already gets no row. One that a person lets go stays
 * so until the next wish.
 *
 * Calls for one container come one after the other; the last wish counts when one ends. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/carry.h"

#define ROW     "held/" /* and the container's id: a key of STORE_META */
#define CALL_MS 30000
#define LOOK_MS 2000 /* somebody else's pause may end */

static const struct backoff_rule retry_rule = { 200, 200, 5000, 20 };

struct freeze {
    struct engine *en;
    char *id;
    char *task_arn; /* it is to be stopped; NULL: not yet */
    bool wanted;
    bool looked;    /* nobody else had paused it */
    bool ours;      /* it has a row */
    bool saving;    /* the row is not durable before a later batch than: */
    bool maybe;     /* a call to freeze it was made: it may be frozen, and by us */
    bool frozen;    /* as far as we know */
    bool inherited; /* from an earlier process, and nobody has asked again */
    uint64_t saved_in;
    bool told; /* that it does not work */
    struct docker_op *op;
    struct loop_timer *retry;
    struct backoff backoff;
    struct carried *stop; /* waits until it is let go; NULL */
    UT_hash_handle hh;
};

static void advance(struct freeze *f);

static struct freeze *find(const struct engine *en, const char *id)
{
    struct freeze *f;

    HASH_FIND_STR(en->freezes, id, f);
    return f;
}

static void freeze_destroy(struct freeze *f)
{
    HASH_DEL(f->en->freezes, f);
    docker_cancel(f->op);
    loop_timer_destroy(f->retry);
    free(f->task_arn);
    free(f->id);
    free(f);
}

/* ---- the row ---- */

static void remember(struct freeze *f)
{
    AUTO(str) char *key = mem_printf(ROW "%s", f->id);

    f->ours = f->saving = true;
    f->saved_in = f->en->batch_no;
    engine_save(f->en, STORE_META, key, "1");
}

static void forget(struct freeze *f)
{
    AUTO(str) char *key = mem_printf(ROW "%s", f->id);

    if (f->ours)
        engine_forget(f->en, STORE_META, key);
    f->ours = f->saving = f->maybe = f->frozen = f->looked = false;
}

void freeze_committed(struct engine *en)
{
    struct freeze *f, *next;

    HASH_ITER (hh, en->freezes, f, next) {
        if (!f->saving || f->saved_in >= en->batch_no)
            continue;
        f->saving = false;
        advance(f);
    }
}

/* ---- calls ---- */

static void tell_stop(struct freeze *f)
{
    struct carried *stop = f->stop;

    f->stop = NULL;
    if (stop)
        carry_thawed(stop);
}

static void tell_trouble(struct freeze *f, const char *what, const struct err *e)
{
    if (!f->told)
        log_warn(what, kv_s("container", f->id), kv_err(e));
    f->told = true;
}

static void again_later(struct freeze *f)
{
    loop_timer_arm(f->retry, backoff_next(&f->backoff, &retry_rule, &f->en->rng));
}

/* It does not run: there is nothing to hold, and nothing to let go. */
static void end(struct freeze *f)
{
    docker_cancel(f->op);
    f->op = NULL;
    loop_timer_disarm(f->retry);
    forget(f);
    f->wanted = f->inherited = false;
    tell_stop(f);
    if (!f->task_arn)
        freeze_destroy(f);
}

static void on_looked(void *user, const struct ctr_facts *facts, struct docker_details *d,
                      const struct err *e)
{
    struct freeze *f = user;

    f->op = NULL;
    if (e->code == ERR_NOT_FOUND || (!e->code && facts->status != CTR_RUNNING)) {
        end(f);
        return;
    }
    if (e->code) {
        again_later(f);
    } else if (d->paused && !f->maybe) {
        loop_timer_arm(f->retry, LOOK_MS);
    } else {
        f->looked = true;
        f->frozen = d->paused;
        advance(f);
    }
}

static void on_frozen(void *user, const struct err *e)
{
    struct freeze *f = user;

    f->op = NULL;
    if (e->code == ERR_NOT_FOUND || e->code == ERR_CONFLICT) {
        end(f);
        return;
    }
    if (e->code) {
        tell_trouble(f, "a container cannot be held back, retrying", e);
        f->looked = false;
        if (f->wanted)
            again_later(f);
    } else {
        f->frozen = true;
        f->told = false;
        backoff_reset(&f->backoff);
        log_debug("a container is frozen", kv_s("container", f->id));
    }
    advance(f);
}

static void on_thawed(void *user, const struct err *e)
{
    struct freeze *f = user;

    f->op = NULL;
    if (e->code && e->code != ERR_NOT_FOUND) {
        tell_trouble(f, "a container that was held back cannot be let go, retrying", e);
        f->looked = f->frozen = false;
        f->maybe = true;
        again_later(f);
        tell_stop(f); /* the engine can let it go by itself, perhaps */
        return;
    }
    if (f->frozen)
        log_debug("a container is let go", kv_s("container", f->id));
    forget(f);
    f->told = false;
    backoff_reset(&f->backoff);
    tell_stop(f);
    advance(f);
}

/* The next call, unless one is under way or waited for. */
static void advance(struct freeze *f)
{
    struct docker *d = f->en->docker;

    if (f->op || loop_timer_armed(f->retry))
        return;
    if (!f->wanted) {
        if (f->maybe) {
            f->op = docker_pause(d, f->id, false, CALL_MS, on_thawed, f);
            return;
        }
        forget(f);
        if (!f->task_arn)
            freeze_destroy(f);
        return;
    }
    if (f->frozen)
        return;
    if (!f->looked) {
        f->op = docker_look(d, f->id, CALL_MS, on_looked, f);
    } else if (!f->ours) {
        remember(f);
    } else if (!f->saving) {
        f->maybe = true;
        f->op = docker_pause(d, f->id, true, CALL_MS, on_frozen, f);
    }
}

static void on_retry(void *user)
{
    advance(user);
}

static struct freeze *freeze_create(struct engine *en, const char *id)
{
    struct freeze *f = NEW(struct freeze);

    f->en = en;
    f->id = mem_strdup(id);
    f->retry = loop_timer_create(en->loop, on_retry, f);
    HASH_ADD_KEYPTR(hh, en->freezes, f->id, strlen(f->id), f);
    return f;
}

/* ---- wishes ---- */

static void wish(struct freeze *f, bool held)
{
    f->wanted = held;
    f->inherited = false;
    loop_timer_disarm(f->retry);
    backoff_reset(&f->backoff);
    if (f->op && !held && !f->maybe) { /* it was only being looked at */
        docker_cancel(f->op);
        f->op = NULL;
    }
}

void engine_hold(struct engine *en, const char *docker_id, bool held)
{
    struct freeze *f = find(en, docker_id);

    if (!f && held)
        f = freeze_create(en, docker_id);
    if (!f || f->task_arn)
        return;
    if (held && f->inherited) /* it is told what was, not what is */
        f->looked = f->frozen = false;
    wish(f, held);
    advance(f);
}

/* ---- what happens to the container ---- */

bool freeze_before_stop(struct carried *c)
{
    struct freeze *f = c->docker_id ? find(c->en, c->docker_id) : NULL;

    if (!c->docker_id || !c->task_arn)
        return false;
    if (!f)
        f = freeze_create(c->en, c->docker_id);
    mem_replace(&f->task_arn, c->task_arn);
    wish(f, false);
    if (!f->maybe) {
        forget(f);
        return false;
    }
    f->stop = c;
    advance(f);
    return true;
}

void freeze_leave_stop(struct carried *c)
{
    struct freeze *f = c->docker_id ? find(c->en, c->docker_id) : NULL;

    if (f && f->stop == c)
        f->stop = NULL;
}

void freeze_ended(struct engine *en, const char *docker_id)
{
    struct freeze *f = find(en, docker_id);

    if (f)
        end(f);
}

void freeze_drop(struct engine *en, const char *docker_id)
{
    struct freeze *f = find(en, docker_id);

    if (!f)
        return;
    mem_replace(&f->task_arn, NULL);
    end(f);
}

void freeze_drop_task(struct engine *en, const char *task_arn)
{
    struct freeze *f, *next;

    HASH_ITER (hh, en->freezes, f, next) {
        if (f->task_arn && streq(f->task_arn, task_arn))
            freeze_drop(en, f->id);
    }
}

/* ---- an earlier process ---- */

static void on_grace(void *user)
{
    struct engine *en = user;
    struct freeze *f, *next;

    HASH_ITER (hh, en->freezes, f, next) {
        if (!f->inherited)
            continue;
        wish(f, false);
        advance(f);
    }
}

static enum err_code restore_row(void *user, const char *key, const char *value, struct err *e)
{
    struct freeze *f;

    (void)value;
    (void)e;
    if (!str_starts(key, ROW))
        return ERR_OK;
    f = freeze_create(user, key + strlen(ROW));
    f->wanted = f->ours = f->maybe = f->frozen = f->inherited = true;
    return ERR_OK;
}

enum err_code freeze_restore(struct engine *en, struct err *e)
{
    if (store_each(en->store, STORE_META, restore_row, en, e))
        return e->code;
    if (!en->freezes)
        return ERR_OK;
    en->freeze_grace = loop_timer_create(en->loop, on_grace, en);
    loop_timer_arm(en->freeze_grace, ENGINE_HOLD_GRACE_MS);
    return ERR_OK;
}

void freeze_fini(struct engine *en)
{
    struct freeze *f, *next;

    HASH_ITER (hh, en->freezes, f, next)
        freeze_destroy(f);
    loop_timer_destroy(en->freeze_grace);
}
