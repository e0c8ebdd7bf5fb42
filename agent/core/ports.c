/* ports: host ports that the agent chooses. The shell finds ports that nobody on the
 * host has and keeps them from others until the container is started; here they become
 * the task's, so that no other task is given them, and are stored before the create. */
#include <stdlib.h>

#include "base/mem.h"
#include "core/state.h"

bool ports_needed(const struct core_ctr *k)
{
    return !k->host_ports && task_ports_to_choose(k->task->def, k->def) > 0;
}

/* All ports that were chosen for the container, taken from or given back to the host. */
static void each_port(struct core *c, const struct core_ctr *k, bool take)
{
    for (size_t i = 0; k->host_ports && i < k->def->n_ports; i++) {
        const struct task_port *p = &k->def->ports[i];

        for (size_t j = 0; k->host_ports[i] && j < task_port_width(p); j++) {
            uint16_t port = (uint16_t)(k->host_ports[i] + j);

            if (take)
                port_hold(&c->capacity.ports[p->proto], port);
            else
                port_release(&c->capacity.ports[p->proto], port);
        }
    }
}

void ports_hold(struct core *c, struct core_ctr *k)
{
    if (k->holds_ports || !k->host_ports)
        return;
    k->holds_ports = true;
    each_port(c, k, true);
}

void ports_release(struct core *c, struct core_ctr *k)
{
    if (k->holds_ports) {
        each_port(c, k, false);
        c->capacity_changed = true;
    }
    k->holds_ports = false;
}

static bool still_free(const struct core *c, const struct task_port *p, uint16_t first)
{
    for (size_t i = 0; i < task_port_width(p); i++) {
        uint32_t port = first + (uint32_t)i;

        if (!first || port > UINT16_MAX ||
            capacity_port_taken(&c->capacity, p->proto, (uint16_t)port))
            return false;
    }
    return true;
}

void ports_found(struct core *c, struct core_ctr *k, const uint16_t *ports, size_t n)
{
    bool usable = n == k->def->n_ports;

    /* A task may have been given one of them while the shell looked. */
    for (size_t i = 0; usable && i < n; i++)
        usable = k->def->ports[i].host_port || still_free(c, &k->def->ports[i], ports[i]);
    if (!usable) {
        ctr_retry(c, k);
        return;
    }
    k->host_ports = mem_array(n, sizeof *k->host_ports);
    for (size_t i = 0; i < n; i++)
        k->host_ports[i] = k->def->ports[i].host_port ? 0 : ports[i];
    ports_hold(c, k);
    ctr_worked(k);
    task_changed(c, k->task);
}
