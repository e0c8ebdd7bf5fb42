#pragma once
/* agent_top: the answer to the command "top", one line of JSON: the agent, its use of the host,
 * and each container that has not ended with what it has used so far. Rates are the asker's
 * business, from two answers. Private to cli. */
#include "cli/agent.h"

/* The engine runs. Numbers that are not known are left out. */
void top_write(struct agent *a, struct buf *b);
