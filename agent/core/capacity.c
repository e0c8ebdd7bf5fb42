#include "core/capacity.h"

void port_set_add(struct port_set *s, uint16_t port)
{
    s->bits[port / 64] |= 1ULL << (port % 64);
}

bool port_set_has(const struct port_set *s, uint16_t port)
{
    return s->bits[port / 64] >> (port % 64) & 1;
}

void port_hold(struct port_holds *h, uint16_t port)
{
    h->n[port]++;
}

void port_release(struct port_holds *h, uint16_t port)
{
    h->n[port]--;
}

bool capacity_port_taken(const struct capacity *c, unsigned proto, uint16_t port)
{
    return c->ports[proto].n[port] || port_set_has(&c->reserved[proto], port);
}

const struct need_port *capacity_taken_port(const struct capacity *c, const struct need *n)
{
    for (size_t i = 0; i < n->n_ports; i++) {
        const struct need_port *p = &n->ports[i];

        if (capacity_port_taken(c, p->proto, p->port))
            return p;
    }
    return NULL;
}

const struct need_port *capacity_reserved_port(const struct capacity *c, const struct need *n)
{
    for (size_t i = 0; i < n->n_ports; i++)
        if (port_set_has(&c->reserved[n->ports[i].proto], n->ports[i].port))
            return &n->ports[i];
    return NULL;
}

unsigned capacity_lacks(const struct capacity *c, const struct need *n)
{
    unsigned lacks = 0;

    if (n->cpu > c->cpu_total - c->cpu_used)
        lacks |= LACKS_CPU;
    if (n->memory_mib > c->memory_total - c->memory_used)
        lacks |= LACKS_MEMORY;
    if (capacity_taken_port(c, n))
        lacks |= LACKS_PORT;
    return lacks;
}

unsigned capacity_never(const struct capacity *c, const struct need *n)
{
    unsigned lacks = 0;

    if (n->cpu > c->cpu_total)
        lacks |= LACKS_CPU;
    if (n->memory_mib > c->memory_total)
        lacks |= LACKS_MEMORY;
    if (capacity_reserved_port(c, n))
        lacks |= LACKS_PORT;
    return lacks;
}

void capacity_take(struct capacity *c, const struct need *n)
{
    c->cpu_used += n->cpu;
    c->memory_used += n->memory_mib;
    for (size_t i = 0; i < n->n_ports; i++)
        port_hold(&c->ports[n->ports[i].proto], n->ports[i].port);
}

void capacity_release(struct capacity *c, const struct need *n)
{
    c->cpu_used -= n->cpu;
    c->memory_used -= n->memory_mib;
    for (size_t i = 0; i < n->n_ports; i++)
        port_release(&c->ports[n->ports[i].proto], n->ports[i].port);
}

bool ageing_holds(int64_t waited_ms, int64_t now_ms, int64_t ageing_ms)
{
    return waited_ms >= ageing_ms && now_ms / ageing_ms % 2 == 1;
}

int64_t ageing_next_ms(int64_t now_ms, int64_t ageing_ms)
{
    return ageing_ms - now_ms % ageing_ms;
}
