#pragma once
/* agent_watchdog: the loop turns, and the service manager that wants to know hears of it. Private
 * to cli. */
#include "cli/agent.h"

/* Four times in what the service manager waits at most; without one that waits, nothing. */
void watchdog_begin(struct agent *a);
void watchdog_end(struct agent *a); /* before the loop goes */
