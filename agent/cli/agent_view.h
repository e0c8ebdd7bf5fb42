#pragma once
/* agent_view: the views of the local endpoints, of what the core and the engine know. Private to
 * cli. */
#include "cli/agent.h"
#include "endpoints/view.h"
#include "engine/engine.h"

struct agent_view { /* of one task; borrows from the engine until the loop runs on */
    struct view_task task;
    struct view_container *containers;
    struct view_pair *pairs;       /* labels and log options of all of them */
    struct view_network *networks; /* likewise */
    struct view_volume *volumes;
};

/* False: no such task. `cluster` is borrowed too. */
bool agent_view_make(struct agent_view *v, const struct engine *en, const char *cluster,
                     const char *task_arn);
void agent_view_fini(struct agent_view *v);

/* Where this instance is, as far as the tasks are to know it: the endpoints tell no zone with
 * ECS_DISABLE_TASK_METADATA_AZ. Borrowed from the agent until the loop runs on. */
void agent_view_place(const struct agent *a, struct view_task *t);
/* What the metadata file tells of this instance; the zone as well, whatever that variable says.
 * A host that speaks IPv6 alone has that address in place of the others. Borrowed likewise. */
void agent_view_host(const struct agent *a, struct view_host *out);
