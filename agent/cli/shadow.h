#pragma once
/* shadow: what the agent would do on a host that the reference agent runs, told and not done.
 * Private to cli/shadow*.c; shadow.c looks at the host. */
#include "cli/agent.h"
#include "reference/reference.h"

/* ---- shadow_ask.c: the core's questions to the engine ---- */

struct shadow_ask;
/* A CORE_EV_OP_DONE; borrowed for the call, on a turn of its own. */
typedef void shadow_answer_fn(void *user, struct core_event *ev);
/* Does the core know the task? */
typedef bool shadow_knows_fn(void *user, const char *task_arn);
struct shadow_ask *shadow_ask_create(struct docker *docker, shadow_answer_fn *answer,
                                     shadow_knows_fn *knows, void *user);
void shadow_ask_destroy(struct shadow_ask *ask); /* silence; NULL is fine */
/* False: the operation is no question, but a change. */
bool shadow_ask(struct shadow_ask *ask, const struct core_action *a);
/* A container (its id) or an image (a name of it, or its id) is taken for removed: it is in no
 * list any more. */
void shadow_ask_gone(struct shadow_ask *ask, const char *ref);
void shadow_ask_cancel(struct shadow_ask *ask, uint64_t id); /* of the action */
bool shadow_ask_waits(const struct shadow_ask *ask);         /* for an answer */

/* ---- shadow_core.c: the decisions ---- */

struct shadow_core;

struct shadow_core_args {
    struct loop *loop;
    struct docker *docker;          /* only asked */
    const struct core_config *core; /* copied */
    /* What it would take over (NULL: nothing), and every container with a task's label; borrowed
     * for the call. */
    const struct ref_state *state;
    const struct docker_listed *rows;
    size_t n_rows;
    struct shadow_core *before; /* what this one has told already is not told again; NULL: none */
    /* Look ahead: as soon as nothing is to be waited for, it becomes SHADOW_AHEAD_MS later in one
     * go, and `done` is called. Else the time is the world's, and `done` never is. */
    bool ahead;
    void (*done)(void *user);
    void *user;
};
#define SHADOW_AHEAD_MS (24 * 3600 * 1000LL)

/* The core in memory. Questions to the engine are asked; whatever would change something is
 * printed instead. What removes or tells something is taken for done, for it says what comes
 * after; of all else nobody knows what would come of it, and it is left at that. How full the
 * engine's disk is is not looked at. */
struct shadow_core *shadow_core_create(const struct shadow_core_args *args);
void shadow_core_destroy(struct shadow_core *s); /* NULL is fine */
/* The engine says that something happened. False: to a task that the core does not know. */
bool shadow_core_event(struct shadow_core *s, const struct docker_event *ev);

/* ---- shadow.c ---- */

/* berth agent --shadow: the exit code. `once`: looks ahead and ends, instead of going on. */
int shadow_run(const struct agent_options *options, bool once);
