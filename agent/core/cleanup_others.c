/* cleanup_others: containers that no task owns, of which the janitor removes the old
 * ones when it may. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/images.h"

#define STRANGERS_MAX 5000

void others_forget(struct janitor *j)
{
    for (size_t i = 0; i < j->n_others; i++) {
        free(j->others[i].id);
        free(j->others[i].name);
    }
    free(j->others);
    j->others = NULL;
    j->n_others = j->other = 0;
}

static bool has_ended(const char *state)
{
    return streq(state, "exited") || streq(state, "dead") || streq(state, "created");
}

void others_listed(struct core *c, const struct core_event *ev)
{
    struct janitor *j = c->janitor;

    others_forget(j);
    for (size_t i = 0; i < ev->u.op.n_others && j->n_others < STRANGERS_MAX; i++) {
        const struct core_other *o = &ev->u.op.others[i];

        if (str_empty(o->id) || !o->name || !o->state || !has_ended(o->state) ||
            core_owns(c, o->id, o->name))
            continue;
        j->others = mem_resize(j->others, j->n_others + 1, sizeof *j->others);
        j->others[j->n_others++] = (struct stranger){ mem_strdup(o->id), mem_strdup(o->name) };
    }
    janitor_go_on(c);
}

/* The reference takes one that never ran at once; but a `docker create` of a moment ago
 * is somebody's work, so it has the same time as any other, from when it was made. */
static bool is_old(const struct core *c, const struct ctr_facts *f)
{
    int64_t since = f->finished_ms ? f->finished_ms : f->created_ms;

    return f->status != CTR_RUNNING && since && c->now.wall_ms - since > c->cfg.cleanup_wait_ms;
}

void other_inspected(struct core *c, const struct core_event *ev)
{
    struct janitor *j = c->janitor;
    const struct stranger *o = j->other < j->n_others ? &j->others[j->other] : NULL;

    if (ev->u.op.err.code == ERR_RETRY) {
        janitor_put_off(c);
    } else if (o && !ev->u.op.err.code && ev->u.op.facts && is_old(c, ev->u.op.facts) &&
               !core_owns(c, o->id, o->name)) {
        janitor_ask(c, CORE_OP_REMOVE_OTHER, o->id);
    } else {
        j->other++;
        janitor_go_on(c);
    }
}

void other_removed(struct core *c, const struct err *e)
{
    struct janitor *j = c->janitor;
    const struct stranger *o = j->other < j->n_others ? &j->others[j->other] : NULL;

    if (e->code == ERR_RETRY || !o) {
        janitor_put_off(c);
        return;
    }
    c->others_removed += e->code == ERR_OK;
    if (e->code == ERR_OK)
        core_note(c, false, NULL, NULL, "cleanup: removed container %.300s, which no task owns",
                  o->name);
    else if (e->code != ERR_NOT_FOUND)
        core_note(c, true, NULL, NULL, "container %.300s could not be removed, kept for now: %s",
                  o->name, e->msg);
    j->others_gone++;
    j->other++;
    janitor_go_on(c);
}

bool core_owns(const struct core *c, const char *id, const char *name)
{
    struct core_task *t, *next;

    if (*name == '/')
        name++;
    HASH_ITER (hh, c->tasks, t, next)
        for (size_t i = 0; i < t->n_ctrs; i++)
            if ((t->ctrs[i].docker_id && streq(t->ctrs[i].docker_id, id)) ||
                (t->ctrs[i].docker_name && streq(t->ctrs[i].docker_name, name)))
                return true;
    return false;
}
