#pragma once
/* acs: the websocket over which instances get their tasks.
 *
 * One connection per instance; a newer one replaces the older. What an agent
 * must know is derived from the model: a task whose desired status the agent
 * has not acknowledged is sent in a payload, and sent again after a minute or
 * on the next connection. */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct acs;
struct ecs;
struct instance;
struct task;

struct acs *acs_create(struct ecs *x);
void acs_destroy(struct acs *a);

/* Something about the tasks of this instance changed: payloads go out in this
 * turn of the loop or the next, a manifest soon after. */
void acs_wake(struct acs *a, struct instance *i);
/* Closes the connection, if there is one. */
void acs_drop(struct acs *a, struct instance *i, const char *reason);
/* Sends any text; false when the instance is not connected. */
bool acs_send_raw(struct acs *a, struct instance *i, struct str text);

/* New keys for these roles of a task, sent at once; those before end at that time
 * (wall clock). How many were sent; -1: its instance is not connected, or it is over. */
int acs_refresh(struct acs *a, struct task *t, bool task_role, bool execution_role,
                int64_t old_until_ms);

/* ---- local.c ---- */

/* GET /_local/tasks, GET /_local/agent-messages, POST /_local/payload, POST
 * /_local/refresh-credentials. */
struct local;
struct local *local_create(struct ecs *x);
void local_destroy(struct local *l);
/* Remembers a message that an agent sent over ACS. */
void local_note_message(struct local *l, const struct instance *i, struct str text);
