#include "core/core.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/state.h"

/* Questions to registries, which may be slow. */
#define MANIFESTS_AT_ONCE 10

/* The state of one task; most of it would be the ports of thousands of bindings. */
#define STATE_MAX_JSON (16 << 20)

/* ---- life ---- */

struct core *core_create(const struct core_config *cfg)
{
    struct core *c = NEW(struct core);

    c->cfg = *cfg;
    rng_seed(&c->rng, cfg->seed);
    report_watch(c);
    c->next_seq = c->next_id = 1;
    c->capacity.cpu_total = cfg->cpu_units;
    c->capacity.memory_total = cfg->memory_mib;
    for (size_t i = 0; i < cfg->n_reserved_tcp; i++)
        port_set_add(&c->capacity.reserved[PORT_TCP], cfg->reserved_tcp[i]);
    for (size_t i = 0; i < cfg->n_reserved_udp; i++)
        port_set_add(&c->capacity.reserved[PORT_UDP], cfg->reserved_udp[i]);
    c->cfg.reserved_tcp = c->cfg.reserved_udp = NULL; /* the sets hold them */
    settings_keep_images(c, cfg);
    list_init(&c->dirty);
    list_init(&c->changed);
    list_init(&c->waiting);
    list_init(&c->report_queue);
    list_init(&c->in_backoff);
    for (int i = 0; i < LANE__COUNT; i++)
        list_init(&c->lanes[i].queue);
    c->lanes[LANE_CREATE].limit = c->lanes[LANE_START].limit = cfg->start_parallel;
    c->lanes[LANE_PULL].limit = cfg->pull_parallel;
    c->lanes[LANE_MANIFEST].limit = MANIFESTS_AT_ONCE;
    c->images = images_create();
    c->janitor = janitor_create();
    c->manifest_seq = -1;
    c->timer_at = -1;
    return c;
}

void core_destroy(struct core *c)
{
    struct core_task *t, *next;

    if (!c)
        return;
    HASH_ITER (hh, c->tasks, t, next)
        task_forget(c, t);
    local_fini(c);
    rebuild_fini(c);
    janitor_destroy(c);
    images_destroy(c->images);
    settings_drop_images(c);
    free(c->heap);
    free(c->manifest_id);
    free(c);
}

/* ---- actions ---- */

void core_actions_fini(struct core_actions *a)
{
    for (size_t i = 0; i < a->n; i++) {
        struct core_action *it = &a->items[i];

        free(it->key);
        free(it->value);
        for (size_t j = 0; j < it->n_arns; j++)
            free(it->arns[j]);
        free(it->arns);
        free(it->task_arn);
        free(it->ref);
        free(it->digest);
    }
    free(a->items);
    *a = (struct core_actions){ 0 };
}

struct core_action *core_act(struct core *c, enum core_action_type type)
{
    struct core_actions *a = c->out;

    if (a->n == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 16;
        a->items = mem_resize(a->items, a->cap, sizeof *a->items);
    }
    a->items[a->n] = (struct core_action){
        .type = type, .container = SIZE_MAX, .volume = SIZE_MAX, .at_ms = -1
    };
    return &a->items[a->n++];
}

void core_note(struct core *c, bool warning, const struct core_task *t, const struct core_ctr *k,
               const char *fmt, ...)
{
    struct core_action *a = core_act(c, CORE_ACT_NOTE);
    struct buf b = BUF_INIT(2048);
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    a->warning = warning;
    a->value = buf_take(&b);
    a->task_arn = t ? mem_strdup(t->arn) : NULL;
    a->container = k ? k->index : SIZE_MAX;
}

/* ---- tasks that are to be looked at, stored, woken ---- */

void task_touch(struct core *c, struct core_task *t)
{
    if (t->dirty || !c->started) /* CORE_EV_STARTED touches them all */
        return;
    t->dirty = true;
    list_push_back(&c->dirty, &t->dirty_node);
}

void task_changed(struct core *c, struct core_task *t)
{
    task_touch(c, t);
    if (t->changed || !t->def || t->stray)
        return;
    t->changed = true;
    list_push_back(&c->changed, &t->changed_node);
}

static bool wakes_before(const struct core_task *a, const struct core_task *b)
{
    return a->wake_at != b->wake_at ? a->wake_at < b->wake_at : a->seq < b->seq;
}

static void heap_place(struct core *c, struct core_task *t, size_t pos)
{
    c->heap[pos] = t;
    t->heap_pos = pos;
}

static void heap_settle(struct core *c, struct core_task *t, size_t pos)
{
    for (; pos > 1 && wakes_before(t, c->heap[pos / 2]); pos /= 2)
        heap_place(c, c->heap[pos / 2], pos);
    for (size_t child; (child = 2 * pos) <= c->heap_len; pos = child) {
        if (child < c->heap_len && wakes_before(c->heap[child + 1], c->heap[child]))
            child++;
        if (!wakes_before(c->heap[child], t))
            break;
        heap_place(c, c->heap[child], pos);
    }
    heap_place(c, t, pos);
}

void task_wake_at(struct core *c, struct core_task *t, int64_t at)
{
    struct core_task *last;
    size_t pos = t->heap_pos;

    if (at == t->wake_at)
        return;
    t->wake_at = at;
    if (at >= 0 && !pos) {
        if (c->heap_len + 1 >= c->heap_cap) {
            c->heap_cap = c->heap_cap ? c->heap_cap * 2 : 64;
            c->heap = mem_resize(c->heap, c->heap_cap, sizeof(struct core_task *));
        }
        heap_settle(c, t, ++c->heap_len);
    } else if (at >= 0) {
        heap_settle(c, t, pos);
    } else if (pos) {
        last = c->heap[c->heap_len--];
        t->heap_pos = 0;
        if (last != t)
            heap_settle(c, last, pos);
    }
}

void list_insert_by_seq(struct list *head, struct list *node, size_t node_offset, uint64_t seq)
{
    struct list *at = head->prev;

    /* New work usually belongs at the end. */
    while (at != head && ((struct core_task *)(void *)((char *)at - node_offset))->seq > seq)
        at = at->prev;
    node->prev = at;
    node->next = at->next;
    at->next->prev = node;
    at->next = node;
}

/* ---- the step ---- */

static void on_timer(struct core *c)
{
    while (c->heap_len && c->heap[1]->wake_at <= c->now.mono_ms) {
        task_touch(c, c->heap[1]);
        task_wake_at(c, c->heap[1], -1);
    }
    c->timer_at = -1;
    /* The ageing windows of waiting tasks open and close with time alone. */
    c->capacity_changed = true;
}

static void settle(struct core *c)
{
    do {
        local_advance(c);
        rebuild_advance(c);
        while (!list_empty(&c->dirty)) {
            struct core_task *t = LIST_ENTRY(c->dirty.next, struct core_task, dirty_node);

            list_remove(&t->dirty_node);
            t->dirty = false;
            task_advance(c, t);
        }
        if (c->capacity_changed && c->started) {
            c->capacity_changed = false;
            admit_scan(c);
        }
        lanes_grant(c);
        reports_grant(c);
        janitor_advance(c);
    } while (!list_empty(&c->dirty));
}

static void store_changes(struct core *c)
{
    LIST_FOREACH (node, next, &c->changed) {
        struct core_task *t = LIST_ENTRY(node, struct core_task, changed_node);
        struct core_action *a = core_act(c, CORE_ACT_PUT);
        struct buf b = BUF_INIT(STATE_MAX_JSON);
        struct jw w;

        jw_init(&w, &b);
        task_write_state(t, &w, false);
        a->kind = CORE_KIND_STATE;
        a->key = mem_strdup(t->arn);
        a->value = buf_take(&b);
        list_remove(node);
        t->changed = false;
    }
}

static void ask_for_timer(struct core *c)
{
    const int64_t wishes[] = { c->heap_len ? c->heap[1]->wake_at : -1, janitor_next_wake(c),
                               local_next_wake(c), rebuild_next_wake(c) };
    int64_t at = -1;

    for (size_t i = 0; i < COUNT_OF(wishes); i++)
        if (wishes[i] >= 0 && (at < 0 || wishes[i] < at))
            at = wishes[i];
    if (at == c->timer_at)
        return;
    c->timer_at = at;
    core_act(c, CORE_ACT_TIMER)->at_ms = at;
}

void core_step(struct core *c, struct core_time now, struct core_event *ev,
               struct core_actions *out)
{
    c->now = now;
    c->out = out;
    switch (ev->type) {
    case CORE_EV_RESTORED:
        intake_restored(c, ev);
        break;
    case CORE_EV_RESTORED_IMAGE:
        images_restored(c, ev->u.restored_image.value);
        break;
    case CORE_EV_LOCAL:
        if (!c->closed)
            local_wanted(c, ev);
        break;
    case CORE_EV_SETTINGS:
        settings_change(c, ev->u.settings.config);
        break;
    case CORE_EV_STARTED:
        intake_started(c, ev);
        break;
    case CORE_EV_PAYLOAD:
        intake_payload(c, ev);
        break;
    case CORE_EV_MANIFEST:
        intake_manifest(c, ev);
        break;
    case CORE_EV_STOP_ACK:
        intake_stop_ack(c, ev);
        break;
    case CORE_EV_OP_DONE:
        outcome_apply(c, ev);
        break;
    case CORE_EV_CONTAINER:
        ctr_happened(c, ev);
        break;
    case CORE_EV_LISTED:
        ctr_listed(c, ev);
        break;
    case CORE_EV_REPORTED:
        report_done(c, ev);
        break;
    case CORE_EV_CONTROL_UP:
        report_wake_all(c);
        break;
    case CORE_EV_CLOSE:
        close_all(c);
        break;
    case CORE_EV_TIMER:
        on_timer(c);
        break;
    }
    if (c->started)
        settle(c);
    store_changes(c);
    ask_for_timer(c);
    c->out = NULL;
}

/* ---- look-ups ---- */

struct core_task *find_task(const struct core *c, const char *arn)
{
    struct core_task *t = NULL;

    HASH_FIND_STR(c->tasks, arn, t);
    return t;
}

static const struct core_ctr *find_ctr(const struct core *c, const char *arn, size_t i)
{
    struct core_task *t = find_task(c, arn);

    return t && i < t->n_ctrs ? &t->ctrs[i] : NULL;
}

const struct task *core_task(const struct core *c, const char *arn)
{
    struct core_task *t = find_task(c, arn);

    return t ? t->def : NULL;
}

const char *core_docker_name(const struct core *c, const char *arn, size_t container)
{
    const struct core_ctr *k = find_ctr(c, arn, container);

    return k ? k->docker_name : NULL;
}

const char *core_docker_id(const struct core *c, const char *arn, size_t container)
{
    const struct core_ctr *k = find_ctr(c, arn, container);

    return k ? k->docker_id : NULL;
}

const char *core_metadata_id(const struct core *c, const char *arn, size_t container)
{
    const struct core_ctr *k = find_ctr(c, arn, container);

    return k ? k->metadata_id : NULL;
}

const char *core_find_arn(const struct core *c, const char *text)
{
    struct core_task *t, *next, *found = find_task(c, text);
    bool several = false;

    if (found)
        return found->arn;
    if (!*text)
        return NULL;
    HASH_ITER (hh, c->tasks, t, next) {
        const char *id = str_after_last(t->arn, '/');

        if (streq(id, text))
            return t->arn;
        if (!str_starts(id, text))
            continue;
        several |= found != NULL;
        found = t;
    }
    return found && !several ? found->arn : NULL;
}

const uint16_t *core_host_ports(const struct core *c, const char *arn, size_t container)
{
    const struct core_ctr *k = find_ctr(c, arn, container);

    return k ? k->host_ports : NULL;
}

bool core_holds_ports(const struct core *c, const char *arn, size_t container)
{
    const struct core_ctr *k = find_ctr(c, arn, container);

    return k && k->holds_ports;
}

bool core_port_taken(const struct core *c, enum port_proto proto, uint16_t port)
{
    return capacity_port_taken(&c->capacity, proto, port);
}

bool core_is_local(const struct core *c, const char *arn)
{
    const struct core_task *t = find_task(c, arn);

    return t && t->local_name;
}

size_t core_task_count(const struct core *c)
{
    return HASH_COUNT(c->tasks);
}

void core_each_container(const struct core *c, core_container_fn *fn, void *user)
{
    struct core_task *t, *next;

    HASH_ITER (hh, c->tasks, t, next)
        for (size_t i = 0; i < t->n_ctrs; i++)
            if (t->ctrs[i].docker_id && !t->ctrs[i].removed && t->ctrs[i].known >= CTR_RUNNING)
                fn(user, t->def, i, t->ctrs[i].docker_id, t->ctrs[i].known);
}

const char *core_op_name(enum core_op op)
{
    static const char *const names[] = {
        [CORE_OP_NONE] = "none",
        [CORE_OP_INSPECT_IMAGE] = "inspect-image",
        [CORE_OP_MANIFEST] = "manifest",
        [CORE_OP_PORTS] = "ports",
        [CORE_OP_CREATE_VOLUME] = "create-volume",
        [CORE_OP_REMOVE_VOLUME] = "remove-volume",
        [CORE_OP_CREATE_CGROUP] = "create-cgroup",
        [CORE_OP_REMOVE_CGROUP] = "remove-cgroup",
        [CORE_OP_FETCH_SECRETS] = "fetch-secrets",
        [CORE_OP_FETCH_ENV_FILES] = "fetch-env-files",
        [CORE_OP_FETCH_AUTH] = "fetch-auth",
        [CORE_OP_FORGET_SECRETS] = "forget-secrets",
        [CORE_OP_LIST_IMAGES] = "list-images",
        [CORE_OP_LOOK_AT_DISK] = "look-at-disk",
        [CORE_OP_REMOVE_IMAGE] = "remove-image",
        [CORE_OP_LIST_OTHERS] = "list-others",
        [CORE_OP_INSPECT_OTHER] = "inspect-other",
        [CORE_OP_REMOVE_OTHER] = "remove-other",
        [CORE_OP_PULL] = "pull",
        [CORE_OP_CREATE] = "create",
        [CORE_OP_START] = "start",
        [CORE_OP_STOP] = "stop",
        [CORE_OP_INSPECT] = "inspect",
        [CORE_OP_DRAIN_LOGS] = "drain-logs",
        [CORE_OP_REMOVE] = "remove",
    };

    return names[op];
}
