#include "engine/engine.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/internal.h"

#define LAZY_SAVE_MS 1000

static const struct backoff_rule commit_rule = { 1000, 200, 30000, 0 };

static const int64_t commit_bounds_us[] = { 100,   250,   500,    1000,   2500,   5000,
                                            10000, 25000, 100000, 250000, 1000000 };
static const struct histogram_rule commit_time_rule = { commit_bounds_us,
                                                        COUNT_OF(commit_bounds_us), 1e6 };

static struct core_time time_now(void)
{
    return (struct core_time){ clock_mono_ms(), clock_wall_ms() };
}

/* ---- the queue ---- */

static bool is_message(enum core_event_type type)
{
    return type == CORE_EV_PAYLOAD || type == CORE_EV_MANIFEST || type == CORE_EV_STOP_ACK;
}

static size_t tasks_in(const struct queued *q)
{
    return q->ev.type == CORE_EV_PAYLOAD ? q->ev.u.payload.n_tasks : 0;
}

/* The control plane waits as well as we do. Not for a disk that is full: meanwhile credentials
 * come, and whoever hears nothing for minutes gives the session up. */
static void tell_busy(struct engine *en)
{
    bool much = en->messages > ENGINE_BUSY_MESSAGES || en->message_tasks > ENGINE_BUSY_TASKS;
    bool little =
        en->messages <= ENGINE_BUSY_MESSAGES / 2 && en->message_tasks <= ENGINE_BUSY_TASKS / 2;
    bool busy = !en->commit_failing && (en->busy ? !little : much);

    if (busy == en->busy || !en->peers.busy)
        return;
    en->busy = busy;
    en->peers.busy(en->user, busy);
}

/* False: there is no room. */
static bool count_message(struct engine *en, const struct queued *q)
{
    if (en->messages >= ENGINE_MAX_MESSAGES) {
        if (!en->messages_dropped++)
            log_warn("messages of the control plane are dropped, they will be sent again: too "
                     "many wait for the store");
        return false;
    }
    if (en->messages_dropped)
        log_warn("messages of the control plane were dropped",
                 kv_i("messages", (int64_t)en->messages_dropped));
    en->messages_dropped = 0;
    en->messages++;
    en->message_tasks += tasks_in(q);
    tell_busy(en);
    return true;
}

void engine_push(struct engine *en, struct queued *q)
{
    if (is_message(q->ev.type) && !count_message(en, q)) {
        queued_destroy(q);
        return;
    }
    if (q->ev.type == CORE_EV_CONTAINER && ++en->happenings > ENGINE_MAX_HAPPENINGS) {
        en->happenings--;
        en->relist = true; /* a list later on tells the outcome */
        queued_destroy(q);
        return;
    }
    list_push_back(&en->queue, &q->node);
    en->waiting++;
    turn_end_schedule(en->turn);
}

static struct queued *pop(struct engine *en)
{
    struct queued *q = LIST_ENTRY(en->queue.next, struct queued, node);

    list_remove(&q->node);
    en->waiting--;
    if (is_message(q->ev.type)) {
        en->messages--;
        en->message_tasks -= tasks_in(q);
    } else if (q->ev.type == CORE_EV_CONTAINER)
        en->happenings--;
    return q;
}

/* ---- the turn ---- */

static enum store_kind store_kind(enum core_kind kind)
{
    switch (kind) {
    case CORE_KIND_META:
        return STORE_META;
    case CORE_KIND_TASK:
        return STORE_TASK;
    case CORE_KIND_IMAGE:
        return STORE_IMAGE;
    case CORE_KIND_STATE:
        break;
    }
    return STORE_TASK_STATE;
}

static void gather_store_actions(struct engine *en, size_t from)
{
    for (size_t i = from; i < en->actions.n; i++) {
        const struct core_action *a = &en->actions.items[i];

        if (a->type != CORE_ACT_PUT && a->type != CORE_ACT_DELETE)
            continue;
        if (a->type == CORE_ACT_PUT)
            store_batch_put(en->batch, store_kind(a->kind), a->key, a->value);
        else
            store_batch_delete(en->batch, store_kind(a->kind), a->key);
        en->due = true;
    }
}

static bool owns_ports(const void *user, const char *task_arn, size_t container)
{
    return core_holds_ports(user, task_arn, container);
}

/* Steps what waits; the actions are added to those not yet durable. */
static void step_queue(struct engine *en)
{
    struct core_time now = { 0 };
    size_t from = en->actions.n;

    for (int i = 0; i < ENGINE_MAX_STEPS && !list_empty(&en->queue); i++) {
        struct queued *q = pop(en);

        now = time_now();
        en->n_events++;
        if (en->record)
            recorder_event(en->record, now, &q->ev);
        core_step(en->core, now, &q->ev, &en->actions);
        queued_destroy(q);
    }
    tell_busy(en);
    holds_sweep(&en->holds, owns_ports, en->core);
    gather_store_actions(en, from);
    if (en->record && now.wall_ms)
        recorder_flush(en->record, en->core, now);
    if (en->relist && !en->listing && en->happenings < ENGINE_MAX_HAPPENINGS / 2) {
        en->relist = false;
        facts_list(en);
    }
}

static bool is_cancelled_later(const struct core_actions *all, size_t i)
{
    for (size_t k = i + 1; k < all->n; k++) {
        if (all->items[k].type == CORE_ACT_CANCEL && all->items[k].id == all->items[i].id)
            return true;
    }
    return false;
}

/* What cannot be done without the store was tried in vain; acknowledgments wait for it, as
 * many as may. */
static void decline(struct engine *en, struct core_action *a)
{
    struct queued *q;
    struct err e = { 0 };

    err_set(&e, ERR_RETRY, "the agent's state cannot be saved: %.200s", en->commit_err.msg);
    if (a->type == CORE_ACT_OP) {
        engine_push(en, queued_op(a->id, &e));
    } else if (a->type == CORE_ACT_REPORT) {
        q = queued_create(CORE_EV_REPORTED);
        q->ev.u.reported.id = a->id;
        q->ev.u.reported.result = CORE_REPORT_FAILED;
        q->ev.u.reported.error = mem_strdup(e.msg);
        engine_push(en, q);
    } else if (en->n_unacked < ENGINE_MAX_MESSAGES) {
        en->unacked[en->n_unacked++] = a->key;
        a->key = NULL;
    }
}

static void acknowledge(struct engine *en)
{
    for (size_t i = 0; i < en->n_unacked; i++) {
        if (en->peers.ack && !en->commit_failing)
            en->peers.ack(en->user, en->unacked[i]);
        free(en->unacked[i]);
    }
    en->n_unacked = 0;
}

static void carry_out(struct engine *en)
{
    struct core_actions all = en->actions;
    bool cancels = false;

    en->actions = (struct core_actions){ 0 };
    for (size_t i = 0; i < all.n; i++)
        cancels = cancels || all.items[i].type == CORE_ACT_CANCEL;
    for (size_t i = 0; i < all.n; i++) {
        struct core_action *a = &all.items[i];

        if (a->type == CORE_ACT_OP && cancels && is_cancelled_later(&all, i))
            continue;
        if (en->commit_failing && core_needs_store(en->core, a))
            decline(en, a);
        else
            carry_action(en, a);
    }
    core_actions_fini(&all);
    if (en->offer_restored) {
        en->offer_restored = false;
        carry_offer_restored(en);
    }
    if (!list_empty(&en->queue) && !en->started)
        turn_end_schedule(en->turn);
}

/* Runs on a worker; nothing else touches the store or this batch meanwhile. */
static void commit_work(void *user)
{
    struct engine *en = user;
    int64_t began_ns = clock_mono_ns();

    en->commit_said = (struct err){ 0 };
    if (store_commit(en->store, en->committing, &en->commit_said) && !en->commit_said.code)
        en->commit_said.code = ERR_IO;
    en->commit_us = (clock_mono_ns() - began_ns) / 1000;
    en->commit_ran = true;
}

static void commit_failed(struct engine *en)
{
    const struct err *e = &en->commit_err;

    if (e->code != ERR_LIMIT && e->code != ERR_IO && e->code != ERR_RETRY) {
        log_crit("the store refuses the agent's state", kv_err(e));
        if (en->peers.fatal)
            en->peers.fatal(en->user, e);
        return;
    }
    if (!en->commit_failing) {
        log_error("the agent's state cannot be saved: no task is accepted and no container created "
                  "until it can, retrying",
                  kv_err(e));
        en->commit_failing_ms = clock_mono_ms();
    }
    en->commit_failing = true;
    tell_busy(en);
    loop_timer_arm(en->commit_retry, backoff_next(&en->commit_backoff, &commit_rule, &en->rng));
    carry_out(en);
}

static void wait_for_company(struct engine *en)
{
    if (!loop_timer_armed(en->lazy))
        loop_timer_arm(en->lazy, LAZY_SAVE_MS);
}

static void commit_done(void *user)
{
    struct engine *en = user;

    en->commit = NULL;
    en->commit_err = en->commit_said;
    histogram_add(&en->commit_time, en->commit_us);
    if (en->commit_err.code) {
        en->n_commits_failed++;
        commit_failed(en);
        return;
    }
    if (en->commit_failing)
        log_info("the agent's state is saved again");
    en->commit_failing = false;
    backoff_reset(&en->commit_backoff);
    store_batch_destroy(en->committing);
    en->committing = NULL;
    freeze_committed(en);
    acknowledge(en);
    carry_out(en);
    if (en->due)
        turn_end_schedule(en->turn);
    else if (store_batch_size(en->batch) > 0)
        wait_for_company(en);
}

static void start_commit(void *user)
{
    struct engine *en = user;

    if (en->commit_failing) { /* with all that has come since */
        store_batch_append(en->committing, en->batch);
        en->batch_no++;
        en->due = false;
    }
    en->commit_ran = false;
    en->commit = loop_work(en->loop, commit_work, commit_done, en);
}

static void on_turn(void *user)
{
    struct engine *en = user;

    if (en->commit || (en->committing && !en->commit_failing))
        return;        /* commit_done schedules the next turn */
    if (en->started) { /* what was stored is offered, nothing else is done yet */
        carry_out(en);
        return;
    }
    step_queue(en);
    if (!en->due || en->commit_failing) {
        carry_out(en);
        return;
    }
    en->due = false;
    loop_timer_disarm(en->lazy);
    en->committing = en->batch;
    en->batch = store_batch_create();
    en->batch_no++;
    start_commit(en);
}

static void on_lazy(void *user)
{
    struct engine *en = user;

    en->due = true;
    turn_end_schedule(en->turn);
}

/* ---- life ---- */

enum err_code engine_create(const struct engine_args *args, const struct engine_peers *peers,
                            void *user, struct engine **out, struct err *e)
{
    struct engine *en = NEW(struct engine);
    struct core_time now = time_now();
    enum err_code code;

    en->loop = args->loop;
    en->store = args->store;
    en->docker = args->docker;
    en->config = args->config;
    en->auths = args->auths;
    en->cgroups = args->cgroups;
    en->docker_root = mem_strdup(args->docker_root);
    en->selinux = args->selinux;
    en->propagate_memory = args->propagate_memory;
    en->owner = mem_strdup(args->owner);
    en->peers = *peers;
    en->user = user;
    en->core = core_create(&args->core);
    en->commit_time.rule = &commit_time_rule;
    rng_seed(&en->rng, args->core.seed);
    list_init(&en->queue);
    holds_init(&en->holds, args->core.port_first, args->core.port_last);
    en->batch = store_batch_create();
    en->turn = turn_end_create(en->loop, on_turn, en);
    en->commit_retry = loop_timer_create(en->loop, start_commit, en);
    en->lazy = loop_timer_create(en->loop, on_lazy, en);
    if (args->record_dir)
        en->record = recorder_create(args->record_dir, args->version, en->core, now);
    code = freeze_restore(en, e);
    if (!code)
        code = facts_restore(en, e);
    if (code && code != ERR_INVALID) {
        engine_destroy(en);
        return code;
    }
    /* Questions have answers from the start; what follows from the events is
     * carried out in the first turn. */
    while (!list_empty(&en->queue))
        step_queue(en);
    en->offer_restored = true;
    facts_subscribe(en);
    turn_end_schedule(en->turn);
    *out = en;
    return code;
}

static bool commit_now(struct engine *en, struct store_batch *b)
{
    struct err e = { 0 };

    if (!b || !store_batch_size(b) || !store_commit(en->store, b, &e))
        return true;
    log_error("the last changes of the agent's state are not saved", kv_err(&e));
    return false;
}

void engine_destroy(struct engine *en)
{
    if (!en)
        return;
    work_cancel(en->commit);
    /* Nothing is decided before it is known which containers there are. */
    while (!list_empty(&en->queue) && !en->started)
        step_queue(en);
    /* The store holds a prefix of the truth: nothing later without what came before. */
    if (!en->committing || (en->commit_ran && !en->commit_said.code) ||
        commit_now(en, en->committing))
        commit_now(en, en->batch);
    store_batch_destroy(en->committing);
    store_batch_destroy(en->batch);
    en->commit_failing = true; /* who sent them sends them again */
    acknowledge(en);
    facts_fini(en);
    carry_fini(en);
    core_actions_fini(&en->actions);
    turn_end_destroy(en->turn);
    loop_timer_destroy(en->commit_retry);
    loop_timer_destroy(en->lazy);
    recorder_destroy(en->record);
    notes_fini(&en->notes);
    core_destroy(en->core);
    free(en->docker_root);
    free(en->owner);
    free(en);
}

/* ---- facts from the neighbors ---- */

void engine_payload(struct engine *en, const char *message_id, int64_t seq,
                    struct core_payload_task *tasks, size_t n)
{
    engine_push(en, queued_payload(message_id, seq, tasks, n));
}

void engine_manifest(struct engine *en, const char *message_id, const char *cluster_arn,
                     int64_t seq, const struct core_manifest_entry *entries, size_t n)
{
    engine_push(en, queued_manifest(message_id, cluster_arn, seq, entries, n));
}

void engine_stop_ack(struct engine *en, const char *message_id, const char *const *arns, size_t n)
{
    engine_push(en, queued_stop_ack(message_id, arns, n));
}

void engine_reported(struct engine *en, uint64_t id, enum core_report_result result,
                     const char *error)
{
    struct queued *q = queued_create(CORE_EV_REPORTED);

    q->ev.u.reported.id = id;
    q->ev.u.reported.result = result;
    q->ev.u.reported.error = mem_strdup(error ? error : "");
    engine_push(en, q);
}

void engine_control_up(struct engine *en)
{
    LIST_FOREACH (it, following, &en->queue) {
        if (LIST_ENTRY(it, struct queued, node)->ev.type == CORE_EV_CONTROL_UP)
            return;
    }
    engine_push(en, queued_create(CORE_EV_CONTROL_UP));
}

void engine_close(struct engine *en)
{
    engine_push(en, queued_create(CORE_EV_CLOSE));
}

/* What is to run once is run, and then no longer wanted: somebody waits for its end. */
static bool names_once(const struct core_event *ev)
{
    for (size_t i = 0; i < ev->u.local.n_defs; i++)
        if (ev->u.local.defs[i].once)
            return true;
    return false;
}

/* Only the last list counts: it names all there are to be. */
void engine_local(struct engine *en, struct core_local_def *defs, size_t n)
{
    LIST_FOREACH (it, following, &en->queue) {
        struct queued *q = LIST_ENTRY(it, struct queued, node);

        if (q->ev.type != CORE_EV_LOCAL || names_once(&q->ev))
            continue;
        list_remove(it);
        en->waiting--;
        queued_destroy(q);
    }
    engine_push(en, queued_local(defs, n));
}

const struct engine_detail *engine_detail(const struct engine *en, const char *task_arn,
                                          size_t container)
{
    return details_get(&en->details, task_arn, container);
}

struct unseen_search {
    const struct engine *en;
    bool found;
};

static void look_for_unseen(void *user, const struct task *t)
{
    struct unseen_search *s = user;

    for (size_t i = 0; i < t->n_containers && !s->found; i++) {
        const struct engine_detail *d = details_get(&s->en->details, t->arn, i);
        struct core_seen_container k;

        s->found = (!d || !d->docker.pid) && core_see_container(s->en->core, t->arn, i, &k) &&
                   !str_empty(k.docker_id) && k.known < CTR_STOPPED;
    }
}

bool engine_unseen(const struct engine *en)
{
    struct unseen_search s = { .en = en };

    core_each_task(en->core, look_for_unseen, &s);
    return s.found;
}

/* What a container has of the cloud's values is fetched before it is created. */
static bool has_values(const struct core *core, const struct task *t, bool files)
{
    for (size_t i = 0; i < t->n_containers; i++)
        if (core_docker_id(core, t->arn, i) &&
            (files ? t->containers[i].n_env_files : t->containers[i].n_secrets))
            return true;
    return false;
}

bool engine_redact(const struct engine *en, const char *task_arn, struct buf *text)
{
    const struct task *t = core_task(en->core, task_arn);

    if (!t ||
        (has_values(en->core, t, false) &&
         !values_known(&en->values, task_arn, CORE_OP_FETCH_SECRETS)) ||
        (has_values(en->core, t, true) &&
         !values_known(&en->values, task_arn, CORE_OP_FETCH_ENV_FILES)))
        return false;
    values_redact(&en->values, task_arn, text);
    return true;
}

const char *engine_task_at(const struct engine *en, const char *address)
{
    return details_at(&en->details, address);
}

void engine_reconfigure(struct engine *en, const struct config *config,
                        const struct docker_auths *auths, const struct core_config *core)
{
    en->config = config;
    en->auths = auths;
    engine_push(en, queued_settings(core));
}

void engine_save(struct engine *en, enum store_kind kind, const char *key, const char *value)
{
    store_batch_put(en->batch, kind, key, value);
    if (kind == STORE_CURSOR) {
        wait_for_company(en);
        return;
    }
    en->due = true;
    turn_end_schedule(en->turn);
}

void engine_forget(struct engine *en, enum store_kind kind, const char *key)
{
    store_batch_delete(en->batch, kind, key);
    wait_for_company(en);
}

/* ---- questions ---- */

const struct core *engine_core(const struct engine *en)
{
    return en->core;
}

void engine_get_totals(const struct engine *en, struct engine_totals *out)
{
    *out = (struct engine_totals){ .events = en->n_events,
                                   .events_waiting = en->waiting,
                                   .commits_failed = en->n_commits_failed,
                                   .unsaved = en->commit_failing ? en->commit_err.msg : NULL,
                                   .unsaved_ms = en->commit_failing
                                                     ? clock_mono_ms() - en->commit_failing_ms
                                                     : 0,
                                   .commit_time = &en->commit_time,
                                   .record_bytes = en->record ? recorder_size(en->record) : 0 };
}

void engine_each_event(const struct engine *en, engine_event_fn *fn, void *user)
{
    notes_each(&en->notes, fn, user);
}

void engine_observe(struct engine *en, engine_event_fn *fn, void *user)
{
    en->notes.observer = fn;
    en->notes.user = user;
}
