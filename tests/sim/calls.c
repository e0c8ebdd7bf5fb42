/* calls: what Docker is asked. Every call has two moments, when it takes effect and
 * when its answer arrives; the agent may be killed, the answer lost, or the engine
 * gone between them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static void call_free(struct sim *s, struct call *c)
{
    for (struct call **at = &s->calls; *at; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            break;
        }
    }
    if (c->answer)
        event_free(c->answer);
    free(c->ref);
    free(c->remains);
    free(c->digest);
    free(c);
}

void call_fails(struct call *c, enum err_code code, const char *text)
{
    err_set(&c->answer->ev.u.op.err, code, "%s", text);
}

/* The others are the agent's own work: they end with it and cannot be cut off. */
static bool needs_engine(enum core_op op)
{
    static const bool own[CORE_OP__COUNT] = {
        [CORE_OP_PORTS] = true,           [CORE_OP_CREATE_CGROUP] = true,
        [CORE_OP_REMOVE_CGROUP] = true,   [CORE_OP_FETCH_SECRETS] = true,
        [CORE_OP_FETCH_ENV_FILES] = true, [CORE_OP_FETCH_AUTH] = true,
        [CORE_OP_FORGET_SECRETS] = true,  [CORE_OP_LOOK_AT_DISK] = true,
        [CORE_OP_DRAIN_LOGS] = true,
    };

    return !own[op];
}

/* ---- answers ---- */

static void cut_off(struct call *c)
{
    uint64_t id = c->id;

    event_free(c->answer);
    c->answer = event_new(CORE_EV_OP_DONE);
    c->answer->ev.u.op.id = id;
    call_fails(c, ERR_RETRY, "connection reset");
}

/* Of the last look at its image, which the container is made from. */
static void remember_image(const struct call *c)
{
    const struct core_event *ev = &c->answer->ev;

    if (c->op == CORE_OP_INSPECT_IMAGE && c->task && ev->u.op.n_images)
        snprintf(c->task->ctrs[c->index].seen_image, sizeof c->task->ctrs[0].seen_image, "%s",
                 ev->u.op.images[0].id);
}

static void answer(struct sim *s, void *arg)
{
    struct call *c = arg;

    if (c->life == s->life && !c->canceled) {
        if (needs_engine(c->op) && (c->lost || !s->engine_up))
            cut_off(c);
        remember_image(c);
        agent_deliver(s, c->answer);
        c->answer = NULL;
    }
    call_free(s, c);
}

void call_answer(struct sim *s, struct call *c, int64_t after)
{
    c->done = true;
    at(s, after, answer, c);
}

static void finish(struct sim *s, struct call *c)
{
    if (!s->finishing && (c->op == CORE_OP_CREATE || c->op == CORE_OP_START) && chance(s, 1)) {
        c->answer->ev.u.op.container_id = NULL;
        call_fails(c, ERR_TIMEOUT, "no answer in time"); /* though it has taken effect */
    }
    call_answer(s, c, pick(s, 0, 20));
}

/* ---- containers ---- */

/* A removal that was asked for before the store was lost may be carried out behind the creation of
 * which the next agent knows. Docker then makes the volume once more, for the container. */
static void make_volumes(struct call *c)
{
    for (size_t i = 0; i < c->task->n_volumes; i++) {
        struct sim_volume *v = &c->task->volumes[i];

        if (v->gone_late && (c->task->ctrs[c->index].mounts >> i & 1)) {
            v->here = true;
            v->gone_late = false;
        }
    }
}

/* What the agent must have made before is there. */
static void check_needs(struct sim *s, const struct call *c)
{
    const struct sim_ctr *k = &c->task->ctrs[c->index];

    if (task_is_stopping(s, c->task))
        return; /* it comes late, for nobody, and is never started */
    for (size_t i = 0; i < c->task->n_volumes; i++) {
        const struct sim_volume *v = &c->task->volumes[i];

        if ((k->mounts >> i & 1) &&
            ((v->kind == VOLUME_TASK && !v->here) || (v->kind == VOLUME_SHARED && !s->shared[i])))
            broken(s, 4, "container %zu of %s is created without its volume %s", c->index,
                   c->task->arn, v->name);
    }
    if (s->cgroups && !k->internal && !c->task->cgroup)
        broken(s, 4, "container %zu of %s is created without the task's cgroup", c->index,
               c->task->arn);
}

/* Of a container that an agent had asked for, and then lost its store, nobody can know before it
 * appears: then it is a stray, and goes. So does what is left of a lost task's namespaces. One
 * that the task knows is never made beside another, however it came. */
static void check_once(struct sim *s, const struct call *c)
{
    const char *state = agent_stored(s, CORE_KIND_STATE, c->task->arn);

    LIST_FOREACH (node, next, &s->boxes) {
        const struct box *b = LIST_ENTRY(node, struct box, node);
        bool stray = b->late || (s->losses && c->task->ctrs[c->index].internal);

        if (b->task == c->task && b->index == c->index &&
            !(stray && !(state && strstr(state, b->name))))
            broken(s, 5, "container %zu of %s is created twice", c->index, c->task->arn);
    }
}

static void do_create(struct sim *s, struct call *c)
{
    struct sim_ctr *k = &c->task->ctrs[c->index];
    struct box *b;
    bool late;

    if (box_called(s, c->ref)) {
        call_fails(c, ERR_CONFLICT,
                   "Error response from daemon: Conflict. The container name is in use");
        return;
    }
    make_volumes(c);
    if (c->life == s->life)
        check_needs(s, c);
    if (image_row(s, k->image) < 0) {
        /* Nobody but the agent removes images here. */
        if (c->life == s->life)
            broken(s, 7, "image %s of container %zu of %s is gone when it is created", k->image,
                   c->index, c->task->arn);
        call_fails(c, ERR_NOT_FOUND, "Error response from daemon: No such image");
        return;
    }
    if (k->fails_create) {
        call_fails(c, ERR_IO, "Error response from daemon: no such device");
        return;
    }
    late = s->losses > c->losses;
    if (!late)
        check_once(s, c);
    b = box_new(s, c->task, c->index, c->ref);
    b->late = late;
    b->remains = c->remains;
    c->remains = NULL;
    b->image = image_row(s, k->image);
    memcpy(b->ports, c->ports, sizeof b->ports);
    b->n_ports = c->n_ports;
    c->answer->ev.u.op.container_id = c->answer->strings[0] = mem_strdup(b->id);
}

static bool ports_free(struct sim *s, const struct box *b)
{
    for (size_t i = 0; i < b->n_ports; i++)
        if (!host_port_free(s, b->ports[i]))
            return false;
    return true;
}

/* Whoever asked for it, and whenever: its program runs once, and not after its end was told. Only
 * where the store has been lost since, the end of a task that was sent again is told of another
 * try: that an older one is still to start, nobody can know. */
static void check_start(struct sim *s, const struct call *c, const struct box *b)
{
    const struct sim_ctr *k = &c->task->ctrs[c->index];
    bool again = k->restart && !(k->ignores_code && b->exit_code == k->exit_code);

    if (b->state == BOX_EXITED && !again)
        broken(s, 4, "container %zu of %s is started twice", c->index, c->task->arn);
    if (c->task->accepted == TASK_STOPPED && s->losses == c->losses)
        broken(s, 2, "container %zu of %s starts after its task was reported STOPPED", c->index,
               c->task->arn);
    if (s->cgroups && !k->internal && !c->task->cgroup && s->losses == c->losses)
        broken(s, 4, "container %zu of %s starts without the task's cgroup", c->index,
               c->task->arn);
}

static void do_start(struct sim *s, struct call *c)
{
    struct box *b = box_called(s, c->ref);
    struct sim_ctr *k = &c->task->ctrs[c->index];

    if (!b)
        call_fails(c, ERR_NOT_FOUND, "Error response from daemon: No such container");
    else if (b->state == BOX_RUNNING)
        return;
    else if (k->fails_start)
        call_fails(c, ERR_IO, "Error response from daemon: exec: no such file or directory");
    else if (!ports_free(s, b))
        call_fails(c, ERR_IO,
                   "Error response from daemon: driver failed programming external connectivity: "
                   "Bind for 0.0.0.0 failed: port is already allocated");
    else {
        check_start(s, c, b);
        box_start(s, b);
    }
}

static void do_remove(struct sim *s, struct call *c)
{
    struct box *b = box_called(s, c->ref);

    if (!b)
        call_fails(c, ERR_NOT_FOUND, "Error response from daemon: No such container");
    else if (b->state == BOX_RUNNING)
        call_fails(c, ERR_CONFLICT,
                   "Error response from daemon: You cannot remove a running container");
    else
        box_remove(s, b);
}

static void do_inspect(struct sim *s, struct call *c)
{
    struct box *b = box_called(s, c->ref);
    struct ctr_facts *f = &c->answer->facts;
    const struct sim_ctr *k = &c->task->ctrs[c->index];

    if (!b) {
        call_fails(c, ERR_NOT_FOUND, "Error response from daemon: No such container");
        return;
    }
    snprintf(f->id, sizeof f->id, "%s", b->id);
    f->status = b->state == BOX_RUNNING  ? CTR_RUNNING
                : b->state == BOX_EXITED ? CTR_STOPPED
                                         : CTR_CREATED;
    f->has_exit_code = b->state == BOX_EXITED;
    f->exit_code = b->exit_code;
    f->oom_killed = b->oom && b->state == BOX_EXITED;
    f->created_ms = b->created;
    f->started_ms = b->started;
    f->finished_ms = b->finished;
    f->health = !k->has_health ? HEALTH_UNKNOWN : b->healthy_now ? HEALTH_OK : HEALTH_STARTING;
    if (b->n_ports && b->state == BOX_RUNNING) {
        f->bindings = mem_array(2 * b->n_ports, sizeof *f->bindings);
        for (size_t i = 0; i < b->n_ports; i++) {
            struct port_binding v4 = { "0.0.0.0", (uint16_t)(80 + i), (uint16_t)b->ports[i],
                                       b->ports[i] > UINT16_MAX ? PORT_UDP : PORT_TCP };
            struct port_binding v6 = v4;

            snprintf(v6.ip, sizeof v6.ip, "::");
            f->bindings[f->n_bindings++] = v4;
            f->bindings[f->n_bindings++] = v6;
        }
    }
    c->answer->ev.u.op.facts = f;
}

static void stop_ends(struct sim *s, void *arg)
{
    struct call *c = arg;
    struct box *b = box_with_id(s, c->box_id);

    if (b && b->state == BOX_RUNNING && b->generation == c->generation)
        box_exit(s, b, c->task->ctrs[c->index].stop_ms >= c->stop_timeout_ms ? 137 : 143, false);
    finish(s, c);
}

static void do_stop(struct sim *s, struct call *c)
{
    struct box *b = box_called(s, c->ref);
    int64_t takes = c->task->ctrs[c->index].stop_ms;

    if (!b) {
        call_fails(c, ERR_NOT_FOUND, "Error response from daemon: No such container");
        finish(s, c);
        return;
    }
    if (!s->finishing && chance(s, 2)) {
        call_fails(c, ERR_IO,
                   "Error response from daemon: cannot stop container: tried to kill container, "
                   "but did not receive an exit event");
        finish(s, c);
        return;
    }
    memcpy(c->box_id, b->id, sizeof c->box_id);
    c->generation = b->generation;
    c->done = true;
    at(s, takes < c->stop_timeout_ms ? takes : c->stop_timeout_ms, stop_ends, c);
}

/* ---- effects ---- */

/* When an engine that hung goes on, it reads what has come meanwhile within this time, in any
 * order: it has a connection for each request. */
#define READ_MS 1000
#define LOOK_MS 500

/* The agent hears no more of it; the engine knows nothing of that. */
static void give_up(struct sim *s, struct call *c, enum err_code code, const char *text)
{
    struct inbox_event *e = c->answer;

    c->answer = event_new(CORE_EV_OP_DONE);
    c->answer->ev.u.op.id = c->id;
    c->canceled = true;
    err_set(&e->ev.u.op.err, code, "%s", text);
    agent_deliver(s, e);
}

static void run_effect(struct sim *s, void *arg);

/* It is looked at again and again, for the engine may also end meanwhile. */
static void read_later(struct sim *s, struct call *c, int64_t hangs_for)
{
    c->unread |= c->since >= s->hangs_since;
    if (c->life == s->life && !c->canceled && s->now - c->since >= c->timeout_ms)
        give_up(s, c, ERR_TIMEOUT, "no answer in time");
    at(s, hangs_for > LOOK_MS ? LOOK_MS : hangs_for + pick(s, 0, READ_MS), run_effect, c);
}

static void effect(struct sim *s, struct call *c)
{
    if (!s->engine_up && needs_engine(c->op)) {
        c->lost = true;
        answer(s, c);
        return;
    }
    if (c->life != s->life && (!needs_engine(c->op) || c->op == CORE_OP_REMOVE_IMAGE)) {
        call_free(s, c); /* Docker is done with an image before anybody could be back */
        return;
    }
    /* A call that was canceled or whose caller died may still take effect. */
    if ((c->canceled || c->life != s->life) && chance(s, 50)) {
        call_free(s, c);
        return;
    }
    if (c->op == CORE_OP_START && c->lost && !c->canceled && c->life == s->life && chance(s, 50)) {
        c->unread = true; /* its connection breaks before it is read, as one through a proxy may */
        give_up(s, c, ERR_RETRY, "connection reset");
        at(s, pick(s, 0, READ_MS), run_effect, c);
        return;
    }
    switch (c->op) {
    case CORE_OP_CREATE:
        do_create(s, c);
        break;
    case CORE_OP_START:
        do_start(s, c);
        break;
    case CORE_OP_STOP:
        do_stop(s, c);
        return;
    case CORE_OP_INSPECT:
        do_inspect(s, c);
        break;
    case CORE_OP_REMOVE:
        do_remove(s, c);
        break;
    case CORE_OP_DRAIN_LOGS:
    case CORE_OP_NONE:
    case CORE_OP__COUNT:
        break;
    case CORE_OP_INSPECT_IMAGE:
    case CORE_OP_MANIFEST:
    case CORE_OP_PULL:
    case CORE_OP_LIST_IMAGES:
    case CORE_OP_LOOK_AT_DISK:
    case CORE_OP_REMOVE_IMAGE:
    case CORE_OP_LIST_OTHERS:
    case CORE_OP_INSPECT_OTHER:
    case CORE_OP_REMOVE_OTHER:
        images_do(s, c);
        break;
    case CORE_OP_PORTS:
    case CORE_OP_CREATE_VOLUME:
    case CORE_OP_REMOVE_VOLUME:
    case CORE_OP_CREATE_CGROUP:
    case CORE_OP_REMOVE_CGROUP:
    case CORE_OP_FETCH_SECRETS:
    case CORE_OP_FETCH_ENV_FILES:
    case CORE_OP_FETCH_AUTH:
    case CORE_OP_FORGET_SECRETS:
        host_do(s, c);
        break;
    }
    finish(s, c);
}

/* Docker holds a container's lock while it starts it: what comes later for the same
 * container waits. */
static bool locked(const struct sim *s, const struct call *c)
{
    for (const struct call *o = s->calls; o; o = o->next)
        if (o->op == CORE_OP_START && !o->done && !o->unread && o->task == c->task &&
            o->index == c->index && o->issued < c->issued)
            return true;
    return false;
}

static void run_effect(struct sim *s, void *arg)
{
    struct call *c = arg;
    int64_t hangs_for = needs_engine(c->op) ? engine_hangs_for(s) : 0;

    if (hangs_for)
        read_later(s, c, hangs_for);
    else if (locked(s, c))
        at(s, 5, run_effect, c);
    else
        effect(s, c);
}

/* The label that the shell gives it. */
static char *remains_of(struct sim *s, const struct core_action *a)
{
    struct buf b = BUF_INIT(65536);
    struct task_create_args args = {
        .task = core_task(s->core, a->task_arn),
        .container = a->container,
        .host_ports = core_host_ports(s->core, a->task_arn, a->container),
        .metadata_id = core_metadata_id(s->core, a->task_arn, a->container),
    };

    task_remains_write(&args, &b);
    return buf_take(&b);
}

void engine_op(struct sim *s, const struct core_action *a)
{
    struct call *c = NEW(struct call);

    c->life = s->life;
    c->losses = s->losses;
    c->issued = s->ordinal;
    c->since = s->now;
    c->lost = !s->finishing && chance(s, 1);
    c->id = a->id;
    c->op = a->op;
    c->task = a->task_arn ? task_called(s, a->task_arn) : NULL;
    c->index = a->container;
    c->volume = a->volume;
    c->ref = mem_strdup(a->ref);
    if (a->op == CORE_OP_CREATE)
        c->remains = remains_of(s, a);
    c->digest = mem_strdup(a->digest);
    c->timeout_ms = a->timeout_ms;
    c->stop_timeout_ms = a->stop_timeout_s * 1000;
    c->answer = event_new(CORE_EV_OP_DONE);
    c->answer->ev.u.op.id = a->id;
    if (a->op == CORE_OP_CREATE)
        c->n_ports = host_ports_of(s, a->task_arn, a->container, c->ports);
    c->next = s->calls;
    s->calls = c;
    at(s,
       a->op == CORE_OP_PULL ? pick(s, 0, 4000)
       : chance(s, 95)       ? pick(s, 0, 100)
                             : pick(s, 100, 15000),
       run_effect, c);
    if (a->op == CORE_OP_START && chance(s, 1))
        engine_hang(s); /* when it matters most */
}

void engine_cancel(struct sim *s, uint64_t id)
{
    for (struct call *c = s->calls; c; c = c->next)
        if (c->id == id && c->life == s->life)
            c->canceled = true;
}

const struct call *call_under_way(const struct sim *s, enum core_op op, const char *ref)
{
    for (const struct call *c = s->calls; c; c = c->next)
        if (c->op == op && c->life == s->life && !c->canceled && streq(c->ref, ref))
            return c;
    return NULL;
}

void calls_fini(struct sim *s)
{
    while (s->calls)
        call_free(s, s->calls);
}
