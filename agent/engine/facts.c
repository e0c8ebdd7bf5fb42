#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/internal.h"

#define LIST_TIMEOUT_MS (60 * 1000)

static const struct backoff_rule list_rule = { 1000, 200, 30000, 20 };

/* ---- what the store holds ---- */

struct restoring {
    struct list found; /* queued events, in order */
    struct err first;  /* of the tasks that cannot be read */
    size_t unreadable;
};

static enum err_code restore_row(void *user, const char *key, const char *value, struct err *e)
{
    struct restoring *r = user;
    struct task *t = NULL;
    struct err why = { 0 };
    struct queued *q;

    (void)e;
    if (task_decode_text(value, str_of(value).n, &t, &why)) {
        log_error("a stored task cannot be read, it is rebuilt if it has containers",
                  kv_s("task", key), kv_err(&why));
        if (!r->unreadable++)
            err_set(&r->first, ERR_INVALID, "stored task %s: %s", key, why.msg);
        return ERR_OK;
    }
    q = queued_create(CORE_EV_RESTORED);
    q->ev.u.restored.task = t;
    list_push_back(&r->found, &q->node);
    return ERR_OK;
}

static enum err_code restore_image(void *user, const char *key, const char *value, struct err *e)
{
    struct restoring *r = user;
    struct queued *q = queued_create(CORE_EV_RESTORED_IMAGE);

    (void)key;
    (void)e;
    q->ev.u.restored_image.value = mem_strdup(value);
    list_push_back(&r->found, &q->node);
    return ERR_OK;
}

static void drop_found(struct restoring *r)
{
    LIST_FOREACH (it, following, &r->found) {
        list_remove(it);
        queued_destroy(LIST_ENTRY(it, struct queued, node));
    }
}

static enum err_code read_manifest_seq(struct engine *en, int64_t *out, struct err *e)
{
    AUTO(str) char *text = NULL;
    enum err_code code = store_get(en->store, STORE_META, CORE_META_MANIFEST_SEQ, &text, e);

    *out = -1;
    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    if (code)
        return code;
    if (str_to_int(text, -1, INT64_MAX, out, NULL))
        *out = -1; /* the control plane then sends its manifest again */
    return ERR_OK;
}

/* The state of a task whose definition is lost says nothing. */
static enum err_code drop_half(void *user, const char *key, const char *value, struct err *e)
{
    struct engine *en = user;
    AUTO(str) char *json = NULL;

    (void)value;
    if (store_get(en->store, STORE_TASK, key, &json, e) == ERR_NOT_FOUND) {
        *e = (struct err){ 0 };
        store_batch_delete(en->batch, STORE_TASK_STATE, key);
    }
    return e->code;
}

static bool lost_before(struct engine *en)
{
    AUTO(str) char *text = NULL;
    struct err miss = { 0 };

    return store_get(en->store, STORE_META, STORE_LOST, &text, &miss) == ERR_OK;
}

enum err_code facts_restore(struct engine *en, struct err *e)
{
    struct restoring r = { 0 };
    struct queued *started;
    struct err miss = { 0 };
    enum err_code code;

    list_init(&r.found);
    code = store_each(en->store, STORE_IMAGE, restore_image, &r, e);
    if (!code)
        code = store_each(en->store, STORE_TASK, restore_row, &r, e);
    if (!code && store_has_lost(en->store))
        code = store_each(en->store, STORE_TASK_STATE, drop_half, en, e);
    if (code) {
        drop_found(&r);
        return code;
    }
    LIST_FOREACH (it, following, &r.found) {
        struct queued *q = LIST_ENTRY(it, struct queued, node);
        char *state = NULL;

        if (q->ev.type == CORE_EV_RESTORED_IMAGE) {
            list_remove(&q->node);
            engine_push(en, q);
            continue;
        }
        code = store_get(en->store, STORE_TASK_STATE, q->ev.u.restored.task->arn, &state, &miss);
        if (code && code != ERR_NOT_FOUND) {
            drop_found(&r);
            *e = miss;
            return code;
        }
        q->ev.u.restored.state = state;
        list_remove(&q->node);
        engine_push(en, q);
    }
    started = queued_create(CORE_EV_STARTED);
    code = read_manifest_seq(en, &started->ev.u.started.manifest_seq, e);
    if (code) {
        queued_destroy(started);
        return code;
    }
    started->ev.u.started.lost = store_has_lost(en->store) || r.unreadable || lost_before(en);
    en->started = started;
    if (!r.unreadable)
        return ERR_OK;
    *e = r.first;
    return ERR_INVALID;
}

/* ---- the engine's lists ---- */

static void on_listed(void *user, const struct docker_listed *rows, size_t n, const struct err *e)
{
    struct engine *en = user;

    en->listing = NULL;
    if (e->code) {
        log_warn("the containers cannot be listed, retrying", kv_err(e));
        loop_timer_arm(en->list_retry, backoff_next(&en->list_backoff, &list_rule, &en->rng));
        return;
    }
    backoff_reset(&en->list_backoff);
    LIST_FOREACH (it, following, &en->queue) { /* an older one would pile up unread */
        struct queued *q = LIST_ENTRY(it, struct queued, node);

        if (q->ev.type != CORE_EV_LISTED)
            continue;
        list_remove(it);
        en->waiting--;
        queued_destroy(q);
    }
    engine_push(en, queued_listed(rows, n, en->owner));
    if (en->started) {
        struct list *listed = en->queue.prev;

        en->started->ev.u.started.engine_took_ms = docker_first_answer_ms(en->docker);
        /* These two come first, in this order, then what has come meanwhile. */
        list_remove(listed);
        list_push_back(en->queue.next, &en->started->node);
        list_push_back(en->queue.next, listed);
        en->waiting++;
        en->started = NULL;
    }
}

void facts_list(struct engine *en)
{
    if (en->listing)
        return;
    loop_timer_disarm(en->list_retry);
    en->listing = docker_list(en->docker, LIST_TIMEOUT_MS, on_listed, en);
}

static void on_list_retry(void *user)
{
    facts_list(user);
}

/* ---- the engine's events ---- */

static void on_negotiated(void *user, const struct docker_version *v, const struct err *e)
{
    struct engine *en = user;

    en->negotiating = NULL;
    if (e->code)
        log_warn("the container engine does not tell its version, going on", kv_err(e));
    else
        log_info("the container engine is back", kv_s("version", v->version),
                 kv_s("api", v->api_version));
    facts_list(en);
}

static void on_opened(void *user)
{
    struct engine *en = user;

    /* A list from before the stream opened may miss what happened in between. */
    docker_cancel(en->listing);
    en->listing = NULL;
    if (!en->was_lost) {
        facts_list(en);
        return;
    }
    en->was_lost = false;
    docker_cancel(en->negotiating);
    en->negotiating = docker_negotiate(en->docker, on_negotiated, en);
}

static void on_lost(void *user, const struct err *e)
{
    struct engine *en = user;

    if (!en->was_lost)
        log_warn("the event stream of the container engine is gone, reopening", kv_err(e));
    en->was_lost = true;
}

static void on_event(void *user, const struct docker_event *ev)
{
    struct engine *en = user;

    if (!ev->task_arn)
        return; /* not ours */
    /* An earlier agent asked for it, and the store has lost that (the task itself may be here
     * again): only a list tells all. */
    if (ev->action == DOCKER_CREATE && ev->owner && en->owner && streq(ev->owner, en->owner) &&
        !core_owns(en->core, ev->id, ev->name))
        en->relist = true;
    engine_push(user, queued_happening(ev));
}

void facts_subscribe(struct engine *en)
{
    static const struct docker_event_sink sink = { on_opened, on_event, on_lost };

    en->list_retry = loop_timer_create(en->loop, on_list_retry, en);
    docker_subscribe(en->docker, &sink, en);
}

void facts_fini(struct engine *en)
{
    docker_cancel(en->listing);
    docker_cancel(en->negotiating);
    loop_timer_destroy(en->list_retry);
    queued_destroy(en->started);
    LIST_FOREACH (it, following, &en->queue) {
        list_remove(it);
        queued_destroy(LIST_ENTRY(it, struct queued, node));
    }
}
