/* close: the host goes down. Everything stops in its order, and nothing begins any more. */
#include "core/state.h"

static const char reason[] = "Host shutdown: the container instance is going down";

void close_all(struct core *c)
{
    struct core_event none = { .type = CORE_EV_LOCAL };
    struct core_task *t, *next;

    c->closed = true;
    core_note(c, true, NULL, NULL, "the host goes down: all tasks stop, and no new ones are taken");
    HASH_ITER (hh, c->tasks, t, next) {
        if (t->desired == TASK_STOPPED)
            continue;
        failure_asked(t);
        task_stop(c, t, reason);
    }
    local_wanted(c, &none); /* so that what stops is not begun anew */
}
