/* host: what containers need besides images: ports that others may have too, volumes,
 * cgroups, and values that are fetched with the task's credentials. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

/* ---- ports ---- */

static bool *foreign(struct sim *s, uint32_t port)
{
    bool udp = port > UINT16_MAX;
    int64_t i = (int64_t)port - (udp ? UINT16_MAX + 1 : 0) - PORT_FIRST;

    return i < 0 || i >= PORT_COUNT ? NULL : &s->foreign[i + (udp ? PORT_COUNT : 0)];
}

static bool box_has(const struct box *b, uint32_t port)
{
    for (size_t i = 0; i < b->n_ports; i++)
        if (b->ports[i] == port)
            return true;
    return false;
}

bool host_port_free(struct sim *s, uint32_t port)
{
    const bool *others = foreign(s, port);

    if (others && *others)
        return false;
    LIST_FOREACH (node, next, &s->boxes) {
        const struct box *b = LIST_ENTRY(node, struct box, node);

        if (b->state == BOX_RUNNING && box_has(b, port))
            return false;
    }
    return true;
}

static void port_changes(struct sim *s, void *arg)
{
    uint32_t port = (uint32_t)(PORT_FIRST + pick(s, 0, PORT_COUNT - 1));

    (void)arg;
    if (s->finishing)
        return;
    if (chance(s, 30))
        port += UINT16_MAX + 1;
    if (*foreign(s, port))
        *foreign(s, port) = false;
    else if (host_port_free(s, port))
        *foreign(s, port) = true;
    at(s, pick(s, 500, 5000), port_changes, NULL);
}

static uint32_t width(const struct task_port *p)
{
    return p->container_port ? 1 : (uint32_t)(p->range_last - p->range_first) + 1;
}

static uint32_t with_proto(const struct task_port *p, uint32_t port)
{
    return port + (p->proto == PORT_UDP ? UINT16_MAX + 1 : 0);
}

size_t host_ports_of(struct sim *s, const char *arn, size_t container, uint32_t out[MAX_PORTS])
{
    const struct task *t = core_task(s->core, arn);
    const uint16_t *chosen = core_host_ports(s->core, arn, container);
    size_t n = 0;

    if (!t || container >= t->n_containers)
        return 0;
    for (size_t i = 0; i < t->containers[container].n_ports; i++) {
        const struct task_port *p = &t->containers[container].ports[i];
        uint32_t first = p->host_port ? p->host_port : chosen ? chosen[i] : 0;

        for (uint32_t j = 0; first && j < width(p) && n < MAX_PORTS; j++)
            out[n++] = with_proto(p, first + j);
    }
    return n;
}

static bool block_free(struct sim *s, const struct task_port *p, uint32_t first, bool careless)
{
    for (uint32_t i = 0; i < width(p); i++) {
        if (first + i >= PORT_FIRST + PORT_COUNT || !host_port_free(s, with_proto(p, first + i)))
            return false;
        /* Between the look and the answer somebody may be given it. */
        if (!careless && core_port_taken(s->core, p->proto, (uint16_t)(first + i)))
            return false;
    }
    return true;
}

static void do_ports(struct sim *s, struct call *c)
{
    const struct task *t = core_task(s->core, c->task->arn);
    const struct task_container *d = t ? &t->containers[c->index] : NULL;
    uint32_t cursor = (uint32_t)pick(s, 0, PORT_COUNT - 1);
    bool careless = !s->finishing && chance(s, 10);

    for (size_t i = 0; d && i < d->n_ports; i++) {
        uint32_t tries = 0, first = 0;

        for (; !d->ports[i].host_port && tries < PORT_COUNT; tries++) {
            first = PORT_FIRST + cursor++ % PORT_COUNT;
            if (block_free(s, &d->ports[i], first, careless))
                break;
        }
        cursor += width(&d->ports[i]);
        if (tries == PORT_COUNT) {
            call_fails(c, ERR_LIMIT,
                       "error retrieving docker port map: a host port is unavailable");
            return;
        }
        c->answer->ports[i] = (uint16_t)first;
    }
    c->answer->ev.u.op.n_ports = d ? d->n_ports : 0;
    c->answer->ev.u.op.ports = c->answer->ports;
}

/* ---- volumes and cgroups ---- */

static bool container_left(struct sim *s, const struct sim_task *t, bool running)
{
    LIST_FOREACH (node, next, &s->boxes) {
        const struct box *b = LIST_ENTRY(node, struct box, node);

        if (b->task == t && (!running || b->state == BOX_RUNNING))
            return true;
    }
    return false;
}

static bool trouble(struct sim *s, struct call *c)
{
    if (s->finishing || !chance(s, 4))
        return false;
    if (chance(s, 50))
        call_fails(c, ERR_RETRY, "not now");
    else
        call_fails(c, ERR_IO, "Error response from daemon: no space left on device");
    return true;
}

static void do_create_volume(struct sim *s, struct call *c)
{
    struct sim_volume *v = &c->task->volumes[c->volume];

    if (v->kind == VOLUME_HOST)
        broken(s, 4, "a volume is to be made for a folder of the host");
    if (trouble(s, c))
        return;
    if (v->kind == VOLUME_TASK) {
        v->here = true;
        v->gone_late = false;
    } else if (v->autoprovision) {
        s->shared[c->volume] = true;
    } else if (!s->shared[c->volume]) {
        call_fails(c, ERR_NOT_FOUND, "Error response from daemon: get shared: no such volume");
    }
}

static void do_remove_volume(struct sim *s, struct call *c)
{
    struct sim_volume *v = &c->task->volumes[c->volume];

    if (v->kind != VOLUME_TASK) {
        broken(s, 3, "volume %s is removed, which is not of the task alone", v->name);
        return;
    }
    if (trouble(s, c))
        return;
    if (container_left(s, c->task, false)) {
        call_fails(c, ERR_CONFLICT, "Error response from daemon: volume is in use");
    } else {
        v->gone_late |= v->here && s->losses > c->losses;
        v->here = false;
    }
}

static void do_remove_cgroup(struct sim *s, struct call *c)
{
    if (trouble(s, c)) {
        /* "Not now" is what the agent hears, too, while its state cannot be saved. */
        c->task->cgroup_stuck |= c->answer->ev.u.op.err.code != ERR_RETRY;
        return;
    }
    c->task->cgroup_stuck = container_left(s, c->task, true);
    c->task->cgroup = c->task->cgroup && c->task->cgroup_stuck;
    if (c->task->cgroup_stuck)
        call_fails(c, ERR_CONFLICT, "processes are left in the cgroup");
}

/* ---- values ---- */

static void fetch(struct sim *s, struct call *c, unsigned what)
{
    if (c->task->credentials_life != s->life)
        call_fails(c, ERR_RETRY, "the credentials of the task's execution role are not here yet");
    else if (!s->finishing && chance(s, 5))
        call_fails(c, ERR_RETRY, "connection reset");
    else if (c->task->no_values)
        call_fails(c, ERR_DENIED,
                   "fetching secret data from SSM Parameter Store in us-west-2: "
                   "AccessDeniedException: no");
    else
        c->task->fetched |= what;
}

void host_do(struct sim *s, struct call *c)
{
    switch ((int)c->op) {
    case CORE_OP_PORTS:
        do_ports(s, c);
        break;
    case CORE_OP_CREATE_VOLUME:
        do_create_volume(s, c);
        break;
    case CORE_OP_REMOVE_VOLUME:
        do_remove_volume(s, c);
        break;
    case CORE_OP_CREATE_CGROUP:
        if (!trouble(s, c))
            c->task->cgroup = true;
        break;
    case CORE_OP_REMOVE_CGROUP:
        do_remove_cgroup(s, c);
        break;
    case CORE_OP_FETCH_SECRETS:
        fetch(s, c, 1);
        break;
    case CORE_OP_FETCH_ENV_FILES:
        fetch(s, c, 2);
        break;
    case CORE_OP_FETCH_AUTH:
        fetch(s, c, 4);
        break;
    case CORE_OP_FORGET_SECRETS:
        c->task->fetched = 0;
        break;
    default:
        break;
    }
}

void host_begin(struct sim *s)
{
    for (size_t i = 0; i < COUNT_OF(s->foreign); i++)
        s->foreign[i] = chance(s, 20);
    for (size_t i = 0; i < COUNT_OF(s->shared); i++)
        s->shared[i] = chance(s, 40);
    at(s, pick(s, 500, 5000), port_changes, NULL);
}

void host_repair(struct sim *s)
{
    memset(s->foreign, 0, sizeof s->foreign);
}
