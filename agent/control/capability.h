#pragma once
/* capability: what this agent tells the control plane that it can do.
 *
 * One table, in the order in which attributes are registered. A row that is not
 * built yet stands there too, so that the step from "later" to "now" is one word.
 * Pure. */
#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

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

/* Every attribute to register, in order. `docker_api` is "1.41"; custom attributes
 * belong to a first registration only; `task_limits_on`: tasks get cgroups of their own. */
void attributes_build(struct attributes *out, const struct config *cfg, const char *docker_api,
                      bool first, bool task_limits_on);

/* The table, for tests and the documentation: the full name and state of row i;
 * NULL behind the last. A trailing '*' stands for a name with a part that varies. */
const char *capability_row(size_t i, enum capability_state *state);
