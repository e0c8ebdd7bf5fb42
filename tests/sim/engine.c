/* engine: Docker's containers, how they live, and what the event stream tells of them.
 * They live on while the engine is away, as with live-restore. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

struct box *engine_find(struct sim *s, const struct sim_task *t, size_t index)
{
    LIST_FOREACH (node, next, &s->boxes) {
        struct box *b = LIST_ENTRY(node, struct box, node);

        if (b->task == t && b->index == index)
            return b;
    }
    return NULL;
}

struct box *box_called(struct sim *s, const char *ref)
{
    LIST_FOREACH (node, next, &s->boxes) {
        struct box *b = LIST_ENTRY(node, struct box, node);

        if (streq(b->id, ref) || streq(b->name, ref))
            return b;
    }
    return NULL;
}

struct box *box_with_id(struct sim *s, const char *id)
{
    struct box *b = box_called(s, id);

    return b && streq(b->id, id) ? b : NULL;
}

static void box_free(struct box *b)
{
    list_remove(&b->node);
    free(b->name);
    free(b->remains);
    free(b);
}

/* ---- the event stream ---- */

struct note {
    int life;
    struct inbox_event *e;
};

static void deliver_note(struct sim *s, void *arg)
{
    struct note *n = arg;

    if (s->stream_up && n->life == s->life)
        agent_deliver(s, n->e);
    else
        event_free(n->e);
    free(n);
}

struct inbox_event *engine_list(struct sim *s)
{
    struct inbox_event *e = event_new(CORE_EV_LISTED);
    size_t n = 0;

    LIST_FOREACH (node, next, &s->boxes)
        n++;
    e->rows = mem_array(n, sizeof *e->rows);
    LIST_FOREACH (node2, next2, &s->boxes) {
        struct box *b = LIST_ENTRY(node2, struct box, node);
        struct core_listed *row = &e->rows[e->ev.u.listed.n_rows++];

        row->id = event_keep(e, mem_strdup(b->id));
        row->name = event_keep(e, mem_strdup(b->name));
        row->task_arn = event_keep(e, mem_strdup(b->task->arn));
        row->remains = event_keep(e, mem_strdup(b->remains));
        row->status = b->state == BOX_RUNNING  ? CTR_RUNNING
                      : b->state == BOX_EXITED ? CTR_STOPPED
                                               : CTR_CREATED;
    }
    e->ev.u.listed.rows = e->rows;
    return e;
}

/* The shell asks for a list when a container of its own appears that no task knows. */
static void list_again(struct sim *s, void *arg)
{
    if (engine_hangs_for(s))
        at(s, engine_hangs_for(s) + 10, list_again, arg);
    else if (s->alive && (int)(intptr_t)arg == s->life && s->engine_up)
        agent_deliver(s, engine_list(s));
}

static void say(struct sim *s, const struct box *b, enum core_happening what)
{
    int copies = chance(s, 5) ? 2 : 1;

    if (!s->stream_up || (!s->finishing && chance(s, 1)))
        return; /* lost; only a later list or look finds out. See engine_repair. */
    for (int i = 0; i < copies; i++) {
        struct inbox_event *e = event_new(CORE_EV_CONTAINER);
        struct note *n = NEW(struct note);

        e->ev.u.container.what = what;
        e->ev.u.container.id = e->strings[0] = mem_strdup(b->id);
        e->ev.u.container.name = e->strings[1] = mem_strdup(b->name);
        e->ev.u.container.task_arn = e->strings[2] = mem_strdup(b->task->arn);
        if (what == CORE_HAP_DIED) {
            e->ev.u.container.has_exit_code = true;
            e->ev.u.container.exit_code = b->exit_code;
        }
        e->ev.u.container.health = b->healthy_now ? HEALTH_OK : HEALTH_BAD;
        n->life = s->life;
        n->e = e;
        if (what == CORE_HAP_CREATED && s->core && !core_owns(s->core, b->id, b->name))
            at(s, 10, list_again, (void *)(intptr_t)s->life);
        at(s, engine_hangs_for(s) + (chance(s, 90) ? pick(s, 0, 5) : pick(s, 5, 2000)),
           deliver_note, n);
    }
}

static void open_stream(struct sim *s, void *arg)
{
    if (!s->alive || (int)(intptr_t)arg != s->life || !s->engine_up)
        return;
    if (engine_hangs_for(s)) {
        at(s, engine_hangs_for(s) + pick(s, 0, 50), open_stream, arg);
        return;
    }
    s->stream_up = true;
    agent_deliver(s, engine_list(s));
}

void engine_agent_came(struct sim *s)
{
    s->stream_up = false;
    if (s->engine_up)
        at(s, pick(s, 0, 50), open_stream, (void *)(intptr_t)s->life);
}

/* ---- containers live ---- */

struct life {
    char id[40];
    int generation;
    int exit_code;
    bool healthy;
};

static struct life *life_of(const struct box *b)
{
    struct life *l = NEW(struct life);

    memcpy(l->id, b->id, sizeof l->id);
    l->generation = b->generation;
    return l;
}

void box_exit(struct sim *s, struct box *b, int code, bool oom)
{
    struct sim_ctr *k = &b->task->ctrs[b->index];

    trace(s, "** %s ends with %d", b->name, code);
    b->state = BOX_EXITED;
    b->exit_code = code;
    b->has_exit = true;
    b->oom = oom && chance(s, 80); /* a busy engine tells of it by the event only */
    b->healthy_now = false;
    b->finished = wall(s);
    k->ever_exited = true;
    k->last_exit = code;
    if (oom)
        say(s, b, CORE_HAP_OOM);
    say(s, b, CORE_HAP_DIED);
}

static void on_exit_item(struct sim *s, void *arg)
{
    struct life *l = arg;
    struct box *b = box_with_id(s, l->id);

    if (b && b->generation == l->generation && b->state == BOX_RUNNING)
        box_exit(s, b, l->exit_code, l->exit_code == 137 && chance(s, 50));
    free(l);
}

static void on_health_item(struct sim *s, void *arg)
{
    struct life *l = arg;
    struct box *b = box_with_id(s, l->id);

    if (b && b->generation == l->generation && b->state == BOX_RUNNING) {
        b->healthy_now = l->healthy;
        if (l->healthy)
            b->task->ctrs[b->index].ever_healthy = true;
        say(s, b, CORE_HAP_HEALTH);
    }
    free(l);
}

void box_start(struct sim *s, struct box *b)
{
    struct sim_ctr *k = &b->task->ctrs[b->index];
    struct life *l;

    b->state = BOX_RUNNING;
    b->generation++;
    b->started = wall(s);
    k->ever_ran = true;
    if (k->life_ms >= 0) {
        l = life_of(b);
        l->exit_code = k->exit_code;
        at(s, k->life_ms, on_exit_item, l);
    }
    if (k->has_health && k->healthy_after >= 0) {
        l = life_of(b);
        l->healthy = true;
        at(s, k->healthy_after, on_health_item, l);
        if (chance(s, 10)) {
            l = life_of(b);
            at(s, k->healthy_after + pick(s, 1, 3000), on_health_item, l);
        }
    }
    say(s, b, CORE_HAP_STARTED);
}

struct box *box_new(struct sim *s, struct sim_task *t, size_t index, const char *name)
{
    struct box *b = NEW(struct box);

    list_init(&b->node);
    snprintf(b->id, sizeof b->id, "%032llx", (unsigned long long)s->next_box++ + 0xb000);
    b->name = mem_strdup(name);
    b->task = t;
    b->index = index;
    b->created = wall(s);
    t->ctrs[index].ever_created = true;
    list_push_back(&s->boxes, &b->node);
    say(s, b, CORE_HAP_CREATED);
    return b;
}

void box_remove(struct sim *s, struct box *b)
{
    say(s, b, CORE_HAP_DESTROYED);
    box_free(b);
}

/* ---- trouble ---- */

void engine_repair(struct sim *s)
{
    if (!s->engine_up)
        trace(s, "** the engine is back");
    s->engine_up = true;
    /* Lost events are found by the next list, so there is one. */
    if (s->alive)
        at(s, pick(s, 0, 200), open_stream, (void *)(intptr_t)s->life);
}

static void come_back(struct sim *s, void *arg)
{
    (void)arg;
    engine_repair(s);
}

void engine_outage(struct sim *s)
{
    bool containers_die = chance(s, 30);

    trace(s, "** the engine goes away");
    s->engine_up = s->stream_up = false;
    s->hangs_until = s->now;
    LIST_FOREACH (node, next, &s->boxes) {
        struct box *b = LIST_ENTRY(node, struct box, node);

        if (containers_die && b->state == BOX_RUNNING)
            box_exit(s, b, 137, false);
    }
    at(s, pick(s, 100, 20000), come_back, NULL);
}

static void kill_agent(struct sim *s, void *arg)
{
    (void)arg;
    if (!s->finishing && s->alive)
        agent_crash(s);
}

/* As with SIGSTOP, or when it swaps: it is there, takes requests, and does nothing. The agent is
 * often killed meanwhile, for then what it has asked for is carried out unseen. */
void engine_hang(struct sim *s)
{
    int64_t ms = chance(s, 80)   ? pick(s, 200, 8000)
                 : chance(s, 80) ? pick(s, 8000, 40000)
                                 : pick(s, 150000, 300000);

    if (s->finishing || !s->engine_up || engine_hangs_for(s))
        return;
    trace(s, "** the engine hangs for %lld ms", (long long)ms);
    s->hangs_since = s->now;
    s->hangs_until = s->now + ms;
    if (chance(s, 60))
        at(s, pick(s, 0, ms), kill_agent, NULL);
}

int64_t engine_hangs_for(const struct sim *s)
{
    return s->engine_up && s->hangs_until > s->now ? s->hangs_until - s->now : 0;
}

void engine_meddle(struct sim *s)
{
    size_t n = 0, chosen;

    if (engine_hangs_for(s))
        return;
    LIST_FOREACH (node, next, &s->boxes)
        n++;
    if (!n)
        return;
    chosen = (size_t)pick(s, 0, (int64_t)n - 1);
    LIST_FOREACH (node2, next2, &s->boxes) {
        struct box *b = LIST_ENTRY(node2, struct box, node);
        bool ran = b->state == BOX_RUNNING;

        if (chosen--)
            continue;
        trace(s, "** somebody kills %s", b->name);
        if (ran)
            box_exit(s, b, 137, false);
        if (ran && chance(s, 20)) {
            trace(s, "** and starts it again");
            box_start(s, b);
        } else if (chance(s, 50)) {
            b->task->robbed = true;
            box_remove(s, b);
        }
        return;
    }
}

void engine_fini(struct sim *s)
{
    LIST_FOREACH (node, next, &s->boxes)
        box_free(LIST_ENTRY(node, struct box, node));
}
