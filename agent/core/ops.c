/* ops: operations on the engine. One at a time for each container; creates, starts
 * and pulls are paced, because twenty at once end no sooner than a few at a
 * time, and the first of them much later. */
#include <stddef.h>

#include "base/mem.h"
#include "core/state.h"

/* An operation that takes longer stops counting against its lane: one that hangs
 * must not hold up the others. */
#define SLOT_MS       5000
#define PULL_SLOT_MS  (10 * 60 * 1000)
#define INSPECT_MS    30000
#define REMOVE_MS     (5 * 60 * 1000)
#define STOP_EXTRA_MS (2 * 60 * 1000)
#define SIDE_MS       (5 * 60 * 1000)

int op_lane(enum core_op op)
{
    switch ((int)op) {
    case CORE_OP_CREATE:
        return LANE_CREATE;
    case CORE_OP_START:
        return LANE_START;
    case CORE_OP_PULL:
        return LANE_PULL;
    case CORE_OP_MANIFEST:
        return LANE_MANIFEST;
    default:
        return -1;
    }
}

static int64_t stop_timeout_s(const struct core *c, const struct core_ctr *k)
{
    return k->def->stop_timeout_s >= 0 ? k->def->stop_timeout_s : c->cfg.stop_timeout_ms / 1000;
}

static void set_bounds(const struct core *c, const struct core_ctr *k, struct core_action *a)
{
    switch ((int)a->op) { /* most are bounded alike */
    case CORE_OP_MANIFEST:
        a->timeout_ms = c->cfg.manifest_timeout_ms;
        break;
    case CORE_OP_PULL:
        a->timeout_ms = c->cfg.pull_timeout_ms;
        a->idle_timeout_ms = c->cfg.pull_inactivity_ms;
        /* What the manifest named, not what the tag names meanwhile. */
        a->digest = task_image_has_digest(k->def->image) ? NULL : mem_strdup(k->digest);
        break;
    case CORE_OP_CREATE:
        a->timeout_ms = c->cfg.create_timeout_ms;
        break;
    case CORE_OP_START:
        a->timeout_ms = c->cfg.start_timeout_ms;
        break;
    case CORE_OP_STOP:
        a->stop_timeout_s = stop_timeout_s(c, k);
        a->timeout_ms = a->stop_timeout_s * 1000 + STOP_EXTRA_MS;
        break;
    case CORE_OP_REMOVE:
        a->timeout_ms = REMOVE_MS;
        break;
    case CORE_OP_DRAIN_LOGS:
        a->timeout_ms = c->cfg.drain_ms;
        break;
    default:
        a->timeout_ms = INSPECT_MS;
        break;
    }
}

static const char *reference_of(const struct core_ctr *k, enum core_op op)
{
    if (op == CORE_OP_PULL || op == CORE_OP_INSPECT_IMAGE || op == CORE_OP_MANIFEST)
        return k->def->image;
    /* By name, because only then is nothing left that could have been made under it. */
    if (op == CORE_OP_CREATE || op == CORE_OP_REMOVE)
        return k->docker_name;
    return k->docker_id ? k->docker_id : k->docker_name;
}

void op_issue(struct core *c, struct core_ctr *k, enum core_op op)
{
    struct core_action *a = core_act(c, CORE_ACT_OP);
    int lane = op_lane(op);

    k->op = op;
    k->op_id = c->next_id++;
    k->op_since = c->now.mono_ms;
    HASH_ADD(op_hh, c->ops, op_id, sizeof k->op_id, k);
    if (lane >= 0) {
        c->lanes[lane].used++;
        k->slot_until = c->now.mono_ms + (lane == LANE_PULL ? PULL_SLOT_MS : SLOT_MS);
    }
    a->op = op;
    a->id = k->op_id;
    a->task_arn = mem_strdup(k->task->arn);
    a->container = k->index;
    a->ref = mem_strdup(reference_of(k, op));
    set_bounds(c, k, a);
}

static bool comes_before(const struct core_ctr *a, const struct core_ctr *b)
{
    return a->task->seq != b->task->seq ? a->task->seq < b->task->seq : a->index < b->index;
}

void op_request(struct core *c, struct core_ctr *k, enum core_op op)
{
    struct list *queue = &c->lanes[op_lane(op)].queue, *at = queue->prev;

    if (k->queued == op)
        return;
    op_unqueue(k);
    k->queued = op;
    while (at != queue && comes_before(k, LIST_ENTRY(at, struct core_ctr, lane_node)))
        at = at->prev;
    k->lane_node.prev = at;
    k->lane_node.next = at->next;
    at->next->prev = &k->lane_node;
    at->next = &k->lane_node;
}

void op_unqueue(struct core_ctr *k)
{
    list_remove(&k->lane_node);
    k->queued = CORE_OP_NONE;
}

static void leave_slot(struct core *c, struct core_ctr *k)
{
    if (!k->slot_until)
        return;
    c->lanes[op_lane(k->op)].used--;
    k->slot_until = 0;
}

void op_finished(struct core *c, struct core_ctr *k)
{
    leave_slot(c, k);
    HASH_DELETE(op_hh, c->ops, k);
    k->op = CORE_OP_NONE;
    k->op_id = 0;
}

void op_cancel(struct core *c, struct core_ctr *k)
{
    core_act(c, CORE_ACT_CANCEL)->id = k->op_id;
    op_finished(c, k);
}

struct core_action *side_issue(struct core *c, struct side_op *s, struct core_res *r,
                               enum core_op op)
{
    struct core_action *a = core_act(c, CORE_ACT_OP);

    s->op = op;
    s->id = c->next_id++;
    s->since = c->now.mono_ms;
    s->res = r;
    HASH_ADD(hh, c->side_ops, id, sizeof s->id, s);
    a->op = op;
    a->id = s->id;
    a->timeout_ms = SIDE_MS;
    if (r)
        a->task_arn = mem_strdup(r->task->arn);
    return a;
}

void side_finished(struct core *c, struct side_op *s)
{
    HASH_DEL(c->side_ops, s);
    s->op = CORE_OP_NONE;
    s->id = 0;
}

void op_age(struct core *c, struct core_ctr *k)
{
    if (!k->slot_until || k->slot_until > c->now.mono_ms)
        return;
    core_note(c, true, k->task, k, "%s takes long; others go on", core_op_name(k->op));
    leave_slot(c, k);
}

void lanes_grant(struct core *c)
{
    for (int i = 0; i < LANE__COUNT; i++) {
        struct lane *lane = &c->lanes[i];

        while (lane->used < lane->limit && !list_empty(&lane->queue)) {
            struct core_ctr *k = LIST_ENTRY(lane->queue.next, struct core_ctr, lane_node);
            enum core_op op = k->queued;

            op_unqueue(k);
            if (op == CORE_OP_CREATE && !k->create_tried) {
                /* Stored together with, so before, the create. */
                k->create_tried = true;
                task_changed(c, k->task);
            }
            if (op == CORE_OP_PULL && !k->task->pull_started)
                k->task->pull_started = c->now.wall_ms;
            op_issue(c, k, op);
            task_touch(c, k->task); /* its wake-up time changed */
        }
    }
}
