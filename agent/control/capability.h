#pragma once
/* capability: what this agent tells the control plane that it can do.
 *
 * One table, in the order in which attributes are registered. A row that is not
 * built yet stands there too, so that the step from "later" to "now" is one word.
 * Pure. */
#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "control/control.h"

enum capability_state {
    CAPABILITY_NOW,   /* advertised when its condition holds */
    CAPABILITY_LATER, /* known, not built yet: tasks that need it must go elsewhere */
    CAPABILITY_NEVER, /* has no meaning for this agent */
};

struct attribute {
    char *name;
    char *value; /* NULL: none */
};

struct attributes {
    struct attribute *items;
    size_t n;
};
void attributes_fini(struct attributes *a);

struct attribute_facts { /* all borrowed */
    const struct config *config;
    const struct control_machine *machine;
    const char *docker_api;  /* "1.41"; NULL: unknown */
    const char *outpost_arn; /* NULL: none */
    bool first;              /* custom attributes belong to a first registration only */
    bool task_limits;        /* tasks get cgroups of their own */
};

/* Every attribute to register, in order. */
void attributes_build(struct attributes *out, const struct attribute_facts *facts);

/* The table, for tests and the documentation: the full name and state of row i;
 * NULL behind the last. A trailing '*' stands for a name with a part that varies. */
const char *capability_row(size_t i, enum capability_state *state);
