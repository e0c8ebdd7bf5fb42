#pragma once
/* agent_endpoints: the local endpoints of the agent: what they listen on, and where their
 * answers come from. Private to cli. */
#include "cli/agent.h"

/* At the very start: where an earlier process left its sockets and its tasks' credentials, these
 * are served at once. All other requests are held until the engine knows its tasks again. */
void endpoints_go_on(struct agent *a);
/* The engine knows its tasks again. Serves everything, unless this instance was never registered:
 * then, as in the reference, the endpoints begin with the registration, for nobody is here to ask
 * before. Credentials of tasks that are gone are dropped. */
void endpoints_restored(struct agent *a);
/* Serves everything; what cannot be bound now is tried again. May be repeated. */
void endpoints_begin(struct agent *a);
/* Lets go without an error for any client; then `done`, perhaps in the call. */
void endpoints_drain(struct agent *a, void (*done)(void *agent));
void endpoints_end(struct agent *a); /* before the engine and the roles go */
/* An inspect has told something new. */
void endpoints_seen(struct agent *a);
/* Another instance ARN or configuration counts from now on. */
void endpoints_changed(struct agent *a);
