/* admit: who may start now. See capacity.h for the rule. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "core/state.h"

void admit_enqueue(struct core *c, struct core_task *t)
{
    if (t->admitted || t->desired == TASK_STOPPED || !list_empty(&t->wait_node))
        return;
    list_insert_by_seq(&c->waiting, &t->wait_node, offsetof(struct core_task, wait_node), t->seq);
    c->capacity_changed = true;
}

void admit_hold(struct core *c, struct core_task *t)
{
    t->admitted = true;
    if (t->holds)
        return;
    t->holds = true;
    capacity_take(&c->capacity, &t->need);
}

void admit_leave(struct core *c, struct core_task *t)
{
    bool waited = !list_empty(&t->wait_node);

    list_remove(&t->wait_node);
    if (t->holds)
        capacity_release(&c->capacity, &t->need);
    c->capacity_changed |= waited || t->holds;
    t->holds = false;
}

static void admit(struct core *c, struct core_task *t)
{
    list_remove(&t->wait_node);
    admit_hold(c, t);
    task_changed(c, t);
}

static void never_fits(struct core *c, struct core_task *t, unsigned lacks)
{
    char text[200];
    const struct need_port *p = capacity_reserved_port(&c->capacity, &t->need);

    /* The reference queues such a task for ever, and every task behind it. */
    if (lacks & LACKS_CPU)
        snprintf(text, sizeof text,
                 "this host can never run the task: it needs %" PRId64
                 " CPU units, the host has %" PRId64,
                 t->need.cpu, c->capacity.cpu_total);
    else if (lacks & LACKS_MEMORY)
        snprintf(text, sizeof text,
                 "this host can never run the task: it needs %" PRId64
                 " MiB of memory, the host has %" PRId64,
                 t->need.memory_mib, c->capacity.memory_total);
    else
        snprintf(text, sizeof text,
                 "this host can never run the task: it needs host port %u, which is reserved",
                 p ? (unsigned)p->port : 0);
    list_remove(&t->wait_node);
    core_note(c, true, t, NULL, "%s", text);
    task_fail(c, t, NULL, text);
}

void admit_scan(struct core *c)
{
    unsigned held = 0, lacks;
    int64_t waited;

    LIST_FOREACH (node, next, &c->waiting) {
        struct core_task *t = LIST_ENTRY(node, struct core_task, wait_node);
        unsigned wants = (t->need.cpu ? LACKS_CPU : 0) | (t->need.memory_mib ? LACKS_MEMORY : 0) |
                         (t->need.n_ports ? LACKS_PORT : 0);

        if ((lacks = capacity_never(&c->capacity, &t->need))) {
            never_fits(c, t, lacks);
            continue;
        }
        lacks = capacity_lacks(&c->capacity, &t->need);
        if (!lacks && !(wants & held)) {
            admit(c, t);
            continue;
        }
        waited = c->now.mono_ms - t->arrived;
        if (lacks && ageing_holds(waited, c->now.mono_ms, c->cfg.ageing_ms))
            held |= lacks & (LACKS_CPU | LACKS_MEMORY);
        task_wake_at(c, t, c->now.mono_ms + ageing_next_ms(c->now.mono_ms, c->cfg.ageing_ms));
    }
}
