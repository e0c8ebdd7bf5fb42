#pragma once
/* agent_endpoints: the local endpoints of the agent: what they listen on, and where their
 * answers come from. Private to cli. */
#include "cli/agent.h"

/* Begins to listen; what cannot be bound now is tried again. After the first registration. */
void endpoints_begin(struct agent *a);
void endpoints_end(struct agent *a); /* before the engine and the roles go */
/* An inspect has told something new. */
void endpoints_seen(struct agent *a);
/* Another instance ARN or configuration counts from now on. */
void endpoints_changed(struct agent *a);
