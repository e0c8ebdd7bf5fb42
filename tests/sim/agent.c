/* agent: what the shell around the core does, with a crash possible between any
 * two of its acts. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define CRASH_PERMILLE 3

/* ---- events ---- */

struct inbox_event *event_new(enum core_event_type type)
{
    struct inbox_event *e = NEW(struct inbox_event);

    e->ev.type = type;
    return e;
}

void *event_keep(struct inbox_event *e, void *p)
{
    if ((e->n_pool & (e->n_pool + 1)) == 0) /* full: the room doubles */
        e->pool = mem_resize(e->pool, 2 * e->n_pool + 1, sizeof *e->pool);
    e->pool[e->n_pool++] = p;
    return p;
}

void event_free(struct inbox_event *e)
{
    if (e->ev.type == CORE_EV_PAYLOAD)
        for (size_t i = 0; i < e->ev.u.payload.n_tasks; i++)
            task_destroy(e->tasks[i].task);
    for (size_t i = 0; i < COUNT_OF(e->strings); i++)
        free(e->strings[i]);
    for (size_t i = 0; e->ev.type == CORE_EV_LOCAL && i < e->ev.u.local.n_defs; i++)
        task_destroy(e->defs[i].task);
    for (size_t i = 0; i < e->n_pool; i++)
        free(e->pool[i]);
    free(e->defs);
    free(e->images);
    free(e->others);
    free(e->pool);
    free(e->tasks);
    free(e->rows);
    free(e->entries);
    free(e->arns);
    ctr_facts_fini(&e->facts);
    free(e);
}

/* ---- the simulated store ---- */

static void store_apply(struct sim *s, const struct core_action *a)
{
    size_t i = 0;

    while (i < s->n_store && !(s->store[i].kind == a->kind && streq(s->store[i].key, a->key)))
        i++;
    if (a->type == CORE_ACT_DELETE) {
        if (i == s->n_store)
            return;
        free(s->store[i].key);
        free(s->store[i].value);
        memmove(&s->store[i], &s->store[i + 1], (s->n_store - i - 1) * sizeof s->store[0]);
        s->n_store--;
        return;
    }
    if (a->kind == CORE_KIND_TASK)
        locals_stored(s, a->key, a->value);
    law_stored(s, a);
    if (i == s->n_store) {
        if (s->n_store == MAX_STORED)
            abort();
        s->store[s->n_store++] = (struct stored){ a->kind, mem_strdup(a->key), NULL };
    }
    mem_replace(&s->store[i].value, a->value);
}

const char *agent_stored(struct sim *s, enum core_kind kind, const char *key)
{
    for (size_t i = 0; i < s->n_store; i++)
        if (s->store[i].kind == kind && streq(s->store[i].key, key))
            return s->store[i].value;
    return NULL;
}

/* ---- the turn ---- */

static void turn(struct sim *s, void *arg);

static bool maybe_crash(struct sim *s)
{
    if (s->finishing || pick(s, 0, 999) >= CRASH_PERMILLE)
        return false;
    agent_crash(s);
    return true;
}

static void on_timer(struct sim *s, void *arg)
{
    int64_t when = (int64_t)(intptr_t)arg;

    /* A timer that was replaced is not the one that is asked for. */
    if (!s->alive || s->timer_at != when)
        return;
    s->timer_at = -1;
    agent_deliver(s, event_new(CORE_EV_TIMER));
}

static void carry_out(struct sim *s, const struct core_action *a)
{
    law_action(s, a);
    switch (a->type) {
    case CORE_ACT_PUT:
    case CORE_ACT_DELETE:
        break; /* committed before */
    case CORE_ACT_ACK:
        control_ack(s, a->key);
        break;
    case CORE_ACT_STOP_VERIFY:
        control_stop_verify(s, a->key, a->arns, a->n_arns);
        break;
    case CORE_ACT_OP:
        engine_op(s, a);
        break;
    case CORE_ACT_CANCEL:
        engine_cancel(s, a->id);
        break;
    case CORE_ACT_REPORT:
        control_report(s, a->id, a->value);
        break;
    case CORE_ACT_TIMER:
        s->timer_at = a->at_ms;
        if (a->at_ms >= 0)
            at(s, a->at_ms > s->now ? a->at_ms - s->now : 0, on_timer, (void *)(intptr_t)a->at_ms);
        break;
    case CORE_ACT_NOTE:
    case CORE_ACT_FAILED:
        break;
    }
}

/* A task that was rebuilt without all of its containers or volumes counts them anew. */
static void by_first_order(struct sim *s, struct core_action *a)
{
    const struct task *def = a->task_arn && s->losses ? core_task(s->core, a->task_arn) : NULL;
    const struct sim_task *t = def ? task_called(s, a->task_arn) : NULL;
    const char *name;

    if (!t)
        return;
    for (size_t i = 0; a->op == CORE_OP_REMOVE_VOLUME && i < t->n_volumes; i++) {
        if (a->volume < def->n_volumes && streq(def->volumes[a->volume].name, t->volumes[i].name)) {
            a->volume = i;
            break;
        }
    }
    if (a->container >= def->n_containers)
        return;
    name = def->containers[a->container].name;
    a->container = name[0] == 'c' ? (size_t)strtoul(name + 1, NULL, 10) : t->n_ctrs - 1;
}

static void carry_out_all(struct sim *s)
{
    struct core_actions mine = s->pending;

    s->pending = (struct core_actions){ 0 };
    s->committing = false;
    for (size_t i = 0; i < mine.n && s->alive; i++) {
        by_first_order(s, &mine.items[i]);
        carry_out(s, &mine.items[i]);
        if (mine.items[i].type != CORE_ACT_NOTE && maybe_crash(s))
            break;
    }
    core_actions_fini(&mine);
    if (s->alive && s->n_inbox)
        turn(s, NULL);
}

static void on_committed(struct sim *s, void *arg)
{
    if (!s->alive || s->life != (int)(intptr_t)arg)
        return;
    for (size_t i = 0; i < s->pending.n; i++)
        if (s->pending.items[i].type == CORE_ACT_PUT || s->pending.items[i].type == CORE_ACT_DELETE)
            store_apply(s, &s->pending.items[i]);
    if (!maybe_crash(s))
        carry_out_all(s);
}

static void trace_event(struct sim *s, struct core_time now, const struct core_event *ev,
                        struct buf *b)
{
    struct jw w;

    buf_reset(b);
    if (!s->verbose && !s->shadow)
        return;
    jw_init(&w, b);
    core_event_write(&w, now, ev);
    trace(s, "-> %s", buf_text(b));
}

static void trace_actions(struct sim *s, size_t from)
{
    struct buf b = BUF_INIT(1 << 20);
    struct jw w;

    for (size_t i = from; s->verbose && i < s->pending.n; i++) {
        buf_reset(&b);
        jw_init(&w, &b);
        core_action_write(&w, &s->pending.items[i]);
        trace(s, "     %s", buf_text(&b));
    }
    buf_fini(&b);
}

static void turn(struct sim *s, void *arg)
{
    struct buf text = BUF_INIT(1 << 22);
    bool puts = false;

    (void)arg;
    if (!s->alive || s->committing)
        return;
    for (size_t i = 0; i < s->n_inbox; i++) {
        struct inbox_event *e = s->inbox[i];
        struct core_time now = { s->now, wall(s) };
        size_t from = s->pending.n;

        if (!s->shadow && s->seed % 11 == 3 && chance(s, 2))
            replay_start(s);
        trace_event(s, now, &e->ev, &text);
        core_step(s->core, now, &e->ev, &s->pending);
        trace_actions(s, from);
        s->closed |= e->ev.type == CORE_EV_CLOSE;
        for (size_t j = from; s->closed && j < s->pending.n; j++)
            law_closed(s, &s->pending.items[j]);
        if (s->shadow)
            replay_compare(s, from, &text);
        event_free(e);
    }
    buf_fini(&text);
    s->n_inbox = 0;
    law_always(s);
    for (size_t i = 0; i < s->pending.n; i++)
        puts |=
            s->pending.items[i].type == CORE_ACT_PUT || s->pending.items[i].type == CORE_ACT_DELETE;
    s->committing = true;
    if (puts)
        at(s, pick(s, 0, 5), on_committed, (void *)(intptr_t)s->life);
    else
        carry_out_all(s);
}

void agent_deliver(struct sim *s, struct inbox_event *e)
{
    if (!s->alive) {
        event_free(e);
        return;
    }
    if (s->n_inbox == s->cap_inbox) {
        s->cap_inbox = s->cap_inbox ? s->cap_inbox * 2 : 32;
        s->inbox = mem_resize(s->inbox, s->cap_inbox, sizeof(struct inbox_event *));
    }
    s->inbox[s->n_inbox++] = e;
    if (s->n_inbox == 1 && !s->committing)
        at(s, 0, turn, NULL);
}

/* ---- life and death ---- */

/* Nothing is decided before the engine answers. */
static void restart(struct sim *s, void *arg)
{
    int64_t left = engine_hangs_for(s);

    if (s->over)
        return;
    if (left) {
        s->asked_since = s->asked_since ? s->asked_since : s->now;
        at(s, left + pick(s, 0, 50), restart, arg);
        return;
    }
    s->engine_took = s->asked_since ? s->now - s->asked_since : pick(s, 0, 20);
    s->asked_since = 0;
    agent_start(s);
}

static void drop_all(struct sim *s)
{
    for (size_t i = 0; i < s->n_inbox; i++)
        event_free(s->inbox[i]);
    s->n_inbox = 0;
    core_actions_fini(&s->pending);
    core_destroy(s->core);
    core_destroy(s->shadow);
    s->core = s->shadow = NULL;
}

/* What the store says of a container or task may be damaged, or all of it. */
static void lose(struct sim *s)
{
    bool all = chance(s, 50);

    trace(s, "** %s of the store is lost", all ? "all" : "a part");
    s->lost_now = true;
    s->losses++;
    for (size_t i = s->n_store; i-- > 0;) {
        struct core_action gone = { .type = CORE_ACT_DELETE,
                                    .kind = s->store[i].kind,
                                    .key = s->store[i].key };

        if (s->store[i].kind == CORE_KIND_META || all || chance(s, 30)) {
            gone.key = mem_strdup(gone.key);
            store_apply(s, &gone);
            free(gone.key);
        }
    }
    laws_after_loss(s);
}

void agent_crash(struct sim *s)
{
    trace(s, "** the agent is killed");
    s->alive = s->committing = s->closed = false;
    s->life++;
    s->crashes++;
    s->timer_at = -1;
    drop_all(s);
    for (size_t i = 0; i < s->n_tasks; i++)
        s->tasks[i].allowed_again++;
    for (size_t i = 0; task_nth(s, i); i++)
        task_nth(s, i)->fetched = 0; /* that was its memory */
    if (s->loses && !s->finishing && chance(s, 40))
        lose(s);
    at(s, pick(s, 10, 5000), restart, NULL);
}

static struct core_config settings(struct sim *s)
{
    static const uint16_t reserved[] = { 22, 2375, 2376, 51678, 51679 };
    struct core_config cfg = {
        .seed = rng_next(&s->rng),
        .cpu_units = s->cpu_total,
        .memory_mib = s->memory_total,
        .reserved_tcp = reserved,
        .n_reserved_tcp = COUNT_OF(reserved),
        .pull_behavior = (enum pull_behavior)(s->seed % 4),
        .pull_upfront = s->seed / 4 % 2,
        .stop_timeout_ms = 10000,
        .create_timeout_ms = 240000,
        .start_timeout_ms = 180000,
        .pull_timeout_ms = 7200000,
        .pull_inactivity_ms = 60000,
        .cleanup_wait_ms = 60000,
        .cleanup_jitter_ms = 5000,
        .drain_ms = 5000,
        .ageing_ms = s->ageing_ms,
        .start_parallel = 1 + (int)(s->seed / 8 % 4),
        .pull_parallel = 2,
        .exclude_ipv6_binding = true,
        .manifest_timeout_ms = 60000,
        .port_first = PORT_FIRST,
        .port_last = PORT_FIRST + PORT_COUNT - 1,
        .task_cgroups = s->cgroups,
        .stop_digest = s->seed / 16 % 2,
        .image_cleanup = s->seed / 32 % 2,
        .disk_cleanup = s->disk_cleanup,
        .untracked_cleanup = s->untracked,
        .image_interval_ms = 15000,
        .image_min_age_ms = 5000,
        .untracked_min_age_ms = 5000,
        .images_per_cycle = 5,
        .containers_per_cycle = 2,
        .disk_high_pct = DISK_HIGH,
        .disk_low_pct = 70,
        .disk_check_ms = 20000,
    };

    cfg.excluded_images = images_kept(&cfg.n_excluded_images);
    return cfg;
}

/* The operator changes what can be changed while the agent runs. */
static void change_settings(struct sim *s, void *arg)
{
    struct inbox_event *e = event_new(CORE_EV_SETTINGS);
    struct core_config *to = &e->config;

    (void)arg;
    if (!s->finishing) {
        *to = settings(s);
        to->pull_behavior = (enum pull_behavior)pick(s, PULL_DEFAULT, PULL_PREFER_CACHED);
        to->pull_upfront = chance(s, 50);
        to->stop_timeout_ms = pick(s, 1, 20) * 1000;
        to->cleanup_wait_ms = pick(s, 1, 120) * 1000;
        to->start_parallel = (int)pick(s, 1, 4);
        to->pull_parallel = (int)pick(s, 1, 3);
        to->image_cleanup = chance(s, 50);
        to->image_interval_ms = pick(s, 5, 60) * 1000;
        to->images_per_cycle = (int)pick(s, 1, 5);
        e->ev.u.settings.config = to;
        trace(s, "** the settings change");
        agent_deliver(s, e);
        at(s, pick(s, 5000, 30000), change_settings, NULL);
    } else {
        event_free(e);
    }
}

void settings_begin(struct sim *s)
{
    if (chance(s, 20))
        at(s, pick(s, 0, 20000), change_settings, NULL);
}

/* The state of a task whose definition is lost. */
static void drop_halves(struct sim *s)
{
    for (size_t i = s->n_store; i-- > 0;) {
        struct core_action gone = { .type = CORE_ACT_DELETE, .kind = CORE_KIND_STATE };

        if (s->store[i].kind != CORE_KIND_STATE || agent_stored(s, CORE_KIND_TASK, s->store[i].key))
            continue;
        gone.key = mem_strdup(s->store[i].key);
        store_apply(s, &gone);
        free(gone.key);
    }
}

void agent_start(struct sim *s)
{
    struct core_config cfg = settings(s);
    struct inbox_event *started = event_new(CORE_EV_STARTED);
    const char *seq = agent_stored(s, CORE_KIND_META, CORE_META_MANIFEST_SEQ);

    trace(s, "** the agent starts");
    drop_halves(s);
    s->alive = true;
    s->timer_at = -1;
    s->core = core_create(&cfg);
    for (size_t i = 0; i < s->n_store; i++) {
        struct inbox_event *e;
        struct err err = { 0 };

        if (s->store[i].kind == CORE_KIND_IMAGE) {
            e = event_new(CORE_EV_RESTORED_IMAGE);
            e->strings[0] = mem_strdup(s->store[i].value);
            e->ev.u.restored_image.value = e->strings[0];
            agent_deliver(s, e);
        }
        if (s->store[i].kind != CORE_KIND_TASK)
            continue;
        e = event_new(CORE_EV_RESTORED);
        if (task_decode_text(s->store[i].value, strlen(s->store[i].value), &e->ev.u.restored.task,
                             &err)) {
            broken(s, 5, "a stored task cannot be read: %s", err.msg);
            event_free(e);
            continue;
        }
        e->strings[0] = mem_strdup(agent_stored(s, CORE_KIND_STATE, s->store[i].key));
        e->ev.u.restored.state = e->strings[0];
        if (!e->strings[0] && !s->loses)
            broken(s, 5, "task %s is stored without its state", s->store[i].key);
        agent_deliver(s, e);
    }
    /* It may have read its folder of local tasks by then, or not. */
    if (chance(s, 50))
        locals_agent_came(s);
    started->ev.u.started.manifest_seq = seq ? strtoll(seq, NULL, 10) : -1;
    started->ev.u.started.lost =
        s->lost_now || agent_stored(s, CORE_KIND_META, CORE_META_LOST) != NULL;
    started->ev.u.started.engine_took_ms = s->engine_took;
    s->lost_now = false;
    laws_lost_listed(s);
    agent_deliver(s, engine_list(s));
    agent_deliver(s, started);
    locals_agent_came(s);
    engine_agent_came(s);
    control_agent_came(s);
}

void agent_fini(struct sim *s)
{
    drop_all(s);
    free(s->inbox);
    for (size_t i = 0; i < s->n_store; i++) {
        free(s->store[i].key);
        free(s->store[i].value);
    }
}
