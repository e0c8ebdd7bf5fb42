/* engine: a simulated Docker. Every call has two moments, when it takes effect and
 * when its answer arrives; the agent may be killed, the answer lost, or the engine
 * gone between them. Containers live on while the engine is away, as with
 * live-restore. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

struct call {
    int life;  /* of the agent that asked */
    bool lost; /* the answer is replaced by a broken connection */
    uint64_t issued;
    uint64_t id;
    enum core_op op;
    struct sim_task *task;
    size_t index;
    char *ref;
    int64_t stop_timeout_ms;
    bool canceled;
    struct inbox_event *answer;
    int generation;
    char box_id[40];
};

static void call_free(struct call *c)
{
    if (c->answer)
        event_free(c->answer);
    free(c->ref);
    free(c);
}

struct box *engine_find(struct sim *s, const struct sim_task *t, size_t index)
{
    LIST_FOREACH (node, next, &s->boxes) {
        struct box *b = LIST_ENTRY(node, struct box, node);

        if (b->task == t && b->index == index)
            return b;
    }
    return NULL;
}

static struct box *find_ref(struct sim *s, const char *ref)
{
    LIST_FOREACH (node, next, &s->boxes) {
        struct box *b = LIST_ENTRY(node, struct box, node);

        if (streq(b->id, ref) || streq(b->name, ref))
            return b;
    }
    return NULL;
}

static struct box *find_id(struct sim *s, const char *id)
{
    struct box *b = find_ref(s, id);

    return b && streq(b->id, id) ? b : NULL;
}

static void box_free(struct box *b)
{
    list_remove(&b->node);
    free(b->name);
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
        at(s, chance(s, 90) ? pick(s, 0, 5) : pick(s, 5, 2000), deliver_note, n);
    }
}

static void list_all(struct sim *s)
{
    struct inbox_event *e = event_new(CORE_EV_LISTED);
    size_t n = 0;

    LIST_FOREACH (node, next, &s->boxes)
        n++;
    e->rows = mem_array(n, sizeof *e->rows);
    e->pool = mem_array(3 * n, sizeof(char *));
    LIST_FOREACH (node2, next2, &s->boxes) {
        struct box *b = LIST_ENTRY(node2, struct box, node);
        struct core_listed *row = &e->rows[e->ev.u.listed.n_rows++];

        row->id = e->pool[e->n_pool++] = mem_strdup(b->id);
        row->name = e->pool[e->n_pool++] = mem_strdup(b->name);
        row->task_arn = e->pool[e->n_pool++] = mem_strdup(b->task->arn);
        row->status = b->state == BOX_RUNNING  ? CTR_RUNNING
                      : b->state == BOX_EXITED ? CTR_STOPPED
                                               : CTR_CREATED;
    }
    e->ev.u.listed.rows = e->rows;
    agent_deliver(s, e);
}

static void open_stream(struct sim *s, void *arg)
{
    if (!s->alive || (int)(intptr_t)arg != s->life || !s->engine_up)
        return;
    s->stream_up = true;
    list_all(s);
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

static void box_exit(struct sim *s, struct box *b, int code, bool oom)
{
    struct sim_ctr *k = &b->task->ctrs[b->index];

    trace(s, "** %s ends with %d", b->name, code);
    b->state = BOX_EXITED;
    b->exit_code = code;
    b->has_exit = true;
    b->oom = oom;
    b->healthy_now = false;
    b->finished = wall(s);
    k->ever_exited = true;
    k->last_exit = code;
    say(s, b, CORE_HAP_DIED);
}

static void on_exit_item(struct sim *s, void *arg)
{
    struct life *l = arg;
    struct box *b = find_id(s, l->id);

    if (b && b->generation == l->generation && b->state == BOX_RUNNING)
        box_exit(s, b, l->exit_code, l->exit_code == 137 && chance(s, 50));
    free(l);
}

static void on_health_item(struct sim *s, void *arg)
{
    struct life *l = arg;
    struct box *b = find_id(s, l->id);

    if (b && b->generation == l->generation && b->state == BOX_RUNNING) {
        b->healthy_now = l->healthy;
        if (l->healthy)
            b->task->ctrs[b->index].ever_healthy = true;
        say(s, b, CORE_HAP_HEALTH);
    }
    free(l);
}

static void box_start(struct sim *s, struct box *b)
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

/* ---- calls ---- */

static void set_error(struct call *c, enum err_code code, const char *text)
{
    err_set(&c->answer->ev.u.op.err, code, "%s", text);
}

static bool port_taken(struct sim *s, uint16_t port)
{
    LIST_FOREACH (node, next, &s->boxes) {
        struct box *b = LIST_ENTRY(node, struct box, node);

        if (b->state == BOX_RUNNING && b->task->ctrs[b->index].port == port)
            return true;
    }
    return false;
}

static void do_create(struct sim *s, struct call *c)
{
    struct sim_ctr *k = &c->task->ctrs[c->index];
    struct box *b;

    if (find_ref(s, c->ref)) {
        set_error(c, ERR_CONFLICT,
                  "Error response from daemon: Conflict. The container name is in use");
        return;
    }
    if (k->fails_create) {
        set_error(c, ERR_IO, "Error response from daemon: no such device");
        return;
    }
    if (engine_find(s, c->task, c->index))
        broken(s, 5, "container %zu of %s is created twice", c->index, c->task->arn);
    b = NEW(struct box);
    list_init(&b->node);
    snprintf(b->id, sizeof b->id, "%032llx", (unsigned long long)s->next_box++ + 0xb000);
    b->name = mem_strdup(c->ref);
    b->task = c->task;
    b->index = c->index;
    b->created = wall(s);
    k->ever_created = true;
    list_push_back(&s->boxes, &b->node);
    c->answer->ev.u.op.container_id = c->answer->strings[0] = mem_strdup(b->id);
    say(s, b, CORE_HAP_CREATED);
}

static void do_start(struct sim *s, struct call *c)
{
    struct box *b = find_ref(s, c->ref);
    struct sim_ctr *k = &c->task->ctrs[c->index];

    if (!b)
        set_error(c, ERR_NOT_FOUND, "Error response from daemon: No such container");
    else if (b->state == BOX_RUNNING)
        return;
    else if (k->fails_start)
        set_error(c, ERR_IO, "Error response from daemon: exec: no such file or directory");
    else if (k->port && port_taken(s, k->port))
        set_error(c, ERR_IO, "Error response from daemon: port is already allocated");
    else
        box_start(s, b);
}

static void do_remove(struct sim *s, struct call *c)
{
    struct box *b = find_ref(s, c->ref);

    if (!b) {
        set_error(c, ERR_NOT_FOUND, "Error response from daemon: No such container");
    } else if (b->state == BOX_RUNNING) {
        set_error(c, ERR_CONFLICT,
                  "Error response from daemon: You cannot remove a running container");
    } else {
        say(s, b, CORE_HAP_DESTROYED);
        box_free(b);
    }
}

static void do_inspect(struct sim *s, struct call *c)
{
    struct box *b = find_ref(s, c->ref);
    struct ctr_facts *f = &c->answer->facts;
    const struct sim_ctr *k = &c->task->ctrs[c->index];

    if (!b) {
        set_error(c, ERR_NOT_FOUND, "Error response from daemon: No such container");
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
    if (k->port && b->state == BOX_RUNNING) {
        f->bindings = NEW(struct port_binding);
        f->n_bindings = 1;
        *f->bindings = (struct port_binding){ "0.0.0.0", 80, k->port, PORT_TCP };
    }
    c->answer->ev.u.op.facts = f;
}

static void do_pull(struct sim *s, struct call *c, const char *image)
{
    int n = image[strlen(image) - 1] - '0';

    if (image[0] == 'n')
        set_error(c, ERR_IO, "pull access denied, repository does not exist");
    else if (!s->finishing && chance(s, 20))
        set_error(c, ERR_IO, "net/http: TLS handshake timeout");
    else if (!s->finishing && chance(s, 2))
        set_error(c, ERR_TIMEOUT, "no byte for 60 s");
    else
        s->image_here[n] = true;
}

static void do_inspect_image(struct sim *s, struct call *c, const char *image)
{
    if (image[0] == 'n' || !s->image_here[image[strlen(image) - 1] - '0'])
        set_error(c, ERR_NOT_FOUND, "Error response from daemon: No such image");
    else
        c->answer->ev.u.op.image_digest = "sha256:0123";
}

static void answer(struct sim *s, void *arg)
{
    struct call *c = arg;

    if (c->life == s->life && !c->canceled) {
        if (c->lost || !s->engine_up) {
            c->answer->ev.u.op.err = (struct err){ 0 };
            c->answer->ev.u.op.container_id = NULL;
            c->answer->ev.u.op.facts = NULL;
            c->answer->ev.u.op.image_digest = NULL;
            set_error(c, ERR_RETRY, "connection reset");
        }
        agent_deliver(s, c->answer);
        c->answer = NULL;
    }
    call_free(c);
}

static void finish(struct sim *s, struct call *c)
{
    if (!s->finishing && (c->op == CORE_OP_CREATE || c->op == CORE_OP_START) && chance(s, 1)) {
        c->answer->ev.u.op.container_id = NULL;
        set_error(c, ERR_TIMEOUT, "no answer in time"); /* though it has taken effect */
    }
    at(s, pick(s, 0, 20), answer, c);
}

static void stop_ends(struct sim *s, void *arg)
{
    struct call *c = arg;
    struct box *b = find_id(s, c->box_id);

    if (b && b->state == BOX_RUNNING && b->generation == c->generation)
        box_exit(s, b, c->task->ctrs[c->index].stop_ms >= c->stop_timeout_ms ? 137 : 143, false);
    finish(s, c);
}

static void do_stop(struct sim *s, struct call *c)
{
    struct box *b = find_ref(s, c->ref);
    int64_t takes = c->task->ctrs[c->index].stop_ms;

    if (!b) {
        set_error(c, ERR_NOT_FOUND, "Error response from daemon: No such container");
        finish(s, c);
        return;
    }
    if (!s->finishing && chance(s, 2)) {
        set_error(c, ERR_IO,
                  "Error response from daemon: cannot stop container: tried to kill container, but "
                  "did not receive an exit event");
        finish(s, c);
        return;
    }
    memcpy(c->box_id, b->id, sizeof c->box_id);
    c->generation = b->generation;
    at(s, takes < c->stop_timeout_ms ? takes : c->stop_timeout_ms, stop_ends, c);
}

static void effect(struct sim *s, void *arg)
{
    struct call *c = arg;

    if (!s->engine_up) {
        c->lost = true;
        answer(s, c);
        return;
    }
    /* A call that was canceled or whose caller died may still take effect. */
    if ((c->canceled || c->life != s->life) && chance(s, 50)) {
        call_free(c);
        return;
    }
    switch (c->op) {
    case CORE_OP_INSPECT_IMAGE:
        do_inspect_image(s, c, c->ref);
        break;
    case CORE_OP_PULL:
        do_pull(s, c, c->ref);
        break;
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
        break;
    }
    finish(s, c);
}

/* Calls under way, so that one can be canceled. */
#define MAX_CALLS 512
static struct call *calls[MAX_CALLS];
static size_t n_calls;

/* Docker holds a container's lock while it starts it: what comes later for the same
 * container waits. */
static bool locked(const struct call *c)
{
    for (size_t i = 0; i < n_calls; i++)
        if (calls[i]->op == CORE_OP_START && calls[i]->task == c->task &&
            calls[i]->index == c->index && calls[i]->issued < c->issued)
            return true;
    return false;
}

static void run_effect(struct sim *s, void *arg)
{
    if (locked(arg)) {
        at(s, 5, run_effect, arg);
        return;
    }
    for (size_t i = 0; i < n_calls; i++)
        if (calls[i] == arg)
            calls[i] = calls[--n_calls];
    effect(s, arg);
}

void engine_op(struct sim *s, const struct core_action *a)
{
    struct call *c = NEW(struct call);
    int64_t delay = chance(s, 95) ? pick(s, 0, 100) : pick(s, 100, 15000);

    if (n_calls == MAX_CALLS)
        abort();
    c->life = s->life;
    c->issued = s->ordinal;
    c->lost = !s->finishing && chance(s, 1);
    c->id = a->id;
    c->op = a->op;
    c->task = control_task(s, a->task_arn);
    c->index = a->container;
    c->ref = mem_strdup(a->ref);
    c->stop_timeout_ms = a->stop_timeout_s * 1000;
    c->answer = event_new(CORE_EV_OP_DONE);
    c->answer->ev.u.op.id = a->id;
    calls[n_calls++] = c;
    at(s, delay, run_effect, c);
}

void engine_cancel(struct sim *s, uint64_t id)
{
    for (size_t i = 0; i < n_calls; i++)
        if (calls[i]->id == id && calls[i]->life == s->life)
            calls[i]->canceled = true;
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
    LIST_FOREACH (node, next, &s->boxes) {
        struct box *b = LIST_ENTRY(node, struct box, node);

        if (containers_die && b->state == BOX_RUNNING)
            box_exit(s, b, 137, false);
    }
    at(s, pick(s, 100, 20000), come_back, NULL);
}

void engine_meddle(struct sim *s)
{
    size_t n = 0, chosen;

    LIST_FOREACH (node, next, &s->boxes)
        n++;
    if (!n)
        return;
    chosen = (size_t)pick(s, 0, (int64_t)n - 1);
    LIST_FOREACH (node2, next2, &s->boxes) {
        struct box *b = LIST_ENTRY(node2, struct box, node);

        if (chosen--)
            continue;
        trace(s, "** somebody kills %s", b->name);
        if (b->state == BOX_RUNNING)
            box_exit(s, b, 137, false);
        if (chance(s, 50)) {
            say(s, b, CORE_HAP_DESTROYED);
            box_free(b);
        }
        return;
    }
}

void engine_fini(struct sim *s)
{
    LIST_FOREACH (node, next, &s->boxes)
        box_free(LIST_ENTRY(node, struct box, node));
}
