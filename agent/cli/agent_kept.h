#pragma once
/* agent_kept: what the service manager keeps for the agent's next process: the credentials of
 * the tasks here, listening sockets in agent_listen. Private to cli. */
#include "cli/agent.h"

/* Puts the credentials that were kept into the agent's roles, and from now on keeps them anew at
 * the end of each turn that changed them. */
void kept_begin(struct agent *a);
void kept_end(struct agent *a); /* before the roles go */

/* The first descriptor of that name which was passed on, -1: none. `peek` borrows it, `take`
 * makes it the caller's; the service manager goes on keeping it. */
int kept_peek(const struct agent *a, const char *name);
int kept_take(struct agent *a, const char *name);
/* What was passed on and nobody took is given up. */
void kept_drop_rest(struct agent *a);

/* To the service manager; what it does not hear is logged. */
void kept_tell(struct agent *a, const char *text);
void kept_keep(struct agent *a, const char *name, int fd);
void kept_forget(struct agent *a, const char *name);
