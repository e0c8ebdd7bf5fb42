#pragma once
/* agent_sandbox: when the agent gives up what it does not need (host/sandbox.h says what), and the
 * helper that starts programs for it from then on. Private to cli. */
#include "cli/agent.h"

/* Forks the helper, before the settings are read: it never has what is in them. Exit code, or -1
 * to go on. */
int agent_helper_begin(struct agent *a);
/* The settings are read, and nothing has come from outside yet: enters the sandbox, unless an
 * option says no. As above. */
int agent_confine(struct agent *a);
/* There is a loop: an agent whose helper has gone ends, to be started anew. */
void agent_helper_watch(struct agent *a);
void agent_helper_unwatch(struct agent *a); /* before the loop goes */
