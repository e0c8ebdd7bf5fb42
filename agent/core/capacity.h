#pragma once
/* capacity: what the host has, what admitted tasks hold, who waits. Pure; private
 * to core.
 *
 * A task that does not fit waits without blocking others. So that none starves,
 * time is cut into windows of `ageing_ms`; in every second window a task that has
 * waited at least that long holds back later tasks that want a resource it lacks,
 * and the capacity that comes free gathers for it. In the windows between, they
 * may pass. So a task that fits never waits behind one that does not for longer
 * than ageing_ms.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORT_WORDS (65536 / 64)

struct port_set {
    uint64_t bits[PORT_WORDS];
};

/* How many hold each port. A task is never given what another one holds, but containers that are
 * found after a loss of the store may have been given the same one, one after the other. */
struct port_holds {
    uint32_t n[65536];
};

struct capacity {
    int64_t cpu_total, cpu_used;
    int64_t memory_total, memory_used;
    struct port_holds ports[2];  /* by enum port_proto: held by tasks */
    struct port_set reserved[2]; /* never given to a task */
};

struct need {
    int64_t cpu, memory_mib;
    struct need_port {
        uint16_t port;
        uint8_t proto;
    } * ports; /* borrowed */
    size_t n_ports;
};

/* Which resources stand in the way; 0: it fits. */
enum { LACKS_CPU = 1, LACKS_MEMORY = 2, LACKS_PORT = 4 };

unsigned capacity_lacks(const struct capacity *c, const struct need *n);
/* As above for an empty host: what can never be satisfied here. */
unsigned capacity_never(const struct capacity *c, const struct need *n);
/* Held by a task, or never given to one. */
bool capacity_port_taken(const struct capacity *c, unsigned proto, uint16_t port);
/* The first port of the need that is taken (or reserved); NULL if none. */
const struct need_port *capacity_taken_port(const struct capacity *c, const struct need *n);
/* The first port of the need that no task ever gets; NULL if none. */
const struct need_port *capacity_reserved_port(const struct capacity *c, const struct need *n);
void capacity_take(struct capacity *c, const struct need *n);
void capacity_release(struct capacity *c, const struct need *n);

void port_set_add(struct port_set *s, uint16_t port);
bool port_set_has(const struct port_set *s, uint16_t port);
void port_hold(struct port_holds *h, uint16_t port);
void port_release(struct port_holds *h, uint16_t port); /* once for each hold */

/* Does a task that has waited so long hold others back at `now_ms`? */
bool ageing_holds(int64_t waited_ms, int64_t now_ms, int64_t ageing_ms);
/* When the next window begins, in milliseconds from now. */
int64_t ageing_next_ms(int64_t now_ms, int64_t ageing_ms);
