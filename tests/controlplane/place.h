#pragma once
/* place: on which container instance a task goes.
 *
 * Pure: hosts, needs and the random generator are arguments. First
 * place_check says why a host cannot take the task, then place_choose picks
 * among those that can. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

struct place_attr {
    char *name, *value; /* value "" where there is none */
};

struct place_host {
    const char *arn;
    bool active, connected;
    int64_t cpu_free, memory_free;
    const uint16_t *tcp, *udp; /* host ports in use or reserved */
    size_t tcp_count, udp_count;
    const struct place_attr *attrs;
    size_t attr_count;
    size_t group_tasks; /* tasks of the same group that run there */
    bool eligible;      /* set by the caller from place_check */
};

struct place_need {
    int64_t cpu, memory;
    const uint16_t *tcp, *udp;
    size_t tcp_count, udp_count;
    const char *const *attributes; /* names the host must have */
    size_t attribute_count;
    const char *const *expressions; /* memberOf */
    size_t expression_count;
    bool distinct; /* distinctInstance */
};

enum place_kind { PLACE_RANDOM, PLACE_SPREAD, PLACE_BINPACK };
struct place_strategy {
    enum place_kind kind;
    const char *field; /* spread: "instanceId", "attribute:x"; binpack: "cpu", "memory" */
};

/* NULL when the task fits, else the reason of the API's `failures`. */
const char *place_check(const struct place_need *need, const struct place_host *host);

/* The index of the best eligible host; `count` when there is none. Strategies
 * apply in order: each keeps the best of what the one before left over. */
size_t place_choose(const struct place_host *hosts, size_t count,
                    const struct place_strategy *strategies, size_t strategy_count,
                    struct rng *rng);

/* "attribute:x == y", "attribute:x != y", "attribute:x exists",
 * "attribute:x !exists", joined by "and" or "&&". */
bool place_expression_valid(const char *text);
bool place_expression_match(const char *text, const struct place_host *host);

/* The value of an attribute, NULL when the host lacks it. */
const char *place_attribute(const struct place_host *host, const char *name);
