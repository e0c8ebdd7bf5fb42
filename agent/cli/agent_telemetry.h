#pragma once
/* agent_telemetry: what the control plane is told of the use and the health of tasks, of what
 * the metrics, the core and the engine know. Private to cli. */
#include "cli/agent.h"
#include "control/tcs.h"

extern const struct tcs_source telemetry_source; /* its user is the agent */

/* An inspect saw the container: it is watched while it runs. */
void telemetry_seen(struct agent *a, const struct task *t, size_t container,
                    const struct ctr_facts *f);
/* What is known of the task has changed: of containers that have stopped for good nothing is told
 * any more. */
void telemetry_changed(struct agent *a, const struct task *t);
void telemetry_end(struct agent *a); /* before docker goes */
