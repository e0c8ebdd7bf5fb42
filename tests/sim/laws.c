/* laws: what must hold, numbered as in the architecture:
 *
 *  0  a replay of a record decides the same (flight records are worth something)
 *  1  a known state never goes back; a terminal state is reported once; in order
 *  2  STOPPED is reported only when every container is stopped or was never made
 *  3  no container is ever without an owner; at the end none is left
 *  4  a container starts only when its dependencies allow; stops in reverse order
 *  5  what is acknowledged is stored; what comes twice is applied once
 *  6  capacity is not oversubscribed, no host port is held twice; what fits does not
 *     wait longer than allowed
 *  7  an image in use, excluded or being pulled is never removed
 *  8  every task ends once it is to stop and the engine answers; local tasks are kept up,
 *     until the host goes down: then nothing begins
 *  9  fetched secrets are forgotten with their task
 *
 * Local tasks are nobody's business but the host's: no message names them. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

void broken(struct sim *s, int law, const char *fmt, ...)
{
    va_list ap;
    int n;

    if (s->broken_law[0])
        return;
    n = snprintf(s->broken_law, sizeof s->broken_law, "law %d: ", law);
    va_start(ap, fmt);
    vsnprintf(s->broken_law + n, sizeof s->broken_law - (size_t)n, fmt, ap);
    va_end(ap);
    trace(s, "** %s", s->broken_law);
}

/* ---- law 1 ---- */

void laws_after_loss(struct sim *s)
{
    struct sim_task *t;

    for (size_t i = 0; (t = task_nth(s, i)); i++) {
        if (agent_stored(s, CORE_KIND_TASK, t->arn) && agent_stored(s, CORE_KIND_STATE, t->arn))
            continue;
        t->lost = true;
        t->known_stored = -1;
        t->allowed_again++;
    }
}

/* Its containers had not been made, or somebody has removed them as well, be it while no agent
 * was there: nobody can know that it ever was (what holds its namespaces does not tell), and it
 * begins anew when it is sent again. */
void laws_lost_listed(struct sim *s)
{
    struct sim_task *t;

    for (size_t i = 0; (t = task_nth(s, i)); i++) {
        bool there = false;

        for (size_t k = 0; k < t->n_ctrs; k++)
            there |= !t->ctrs[k].internal && engine_find(s, t, k);
        t->untraced |= t->lost && !there;
        if (!t->lost || there || t->accepted == TASK_STOPPED)
            continue;
        t->accepted = TASK_NONE;
        for (size_t k = 0; k < t->n_ctrs; k++)
            t->ctrs[k].reported = CTR_NONE;
    }
}

void law_stored(struct sim *s, const struct core_action *put)
{
    const char *text;
    struct sim_task *t;
    int known;

    if (put->kind != CORE_KIND_STATE)
        return;
    t = task_called(s, put->key);
    /* The task's own comes before those of its containers. Parsing it all would take
     * most of the simulation's time. */
    text = strstr(put->value, "\"known\":");
    if (!t || !text) {
        broken(s, 1, "what is stored of %s is no state: %s", put->key, put->value);
        return;
    }
    t->lost = false;
    known = (int)strtol(text + strlen("\"known\":"), NULL, 10);
    if (known < t->known_stored)
        broken(s, 1, "the stored state of %s went from %d back to %d", t->arn, t->known_stored,
               known);
    t->known_stored = known;
}

/* ---- laws 2, 4, 5 ---- */

static struct sim_ctr *ctr_named(struct sim_task *t, const char *name, size_t *index)
{
    size_t i = name[0] == 'c' ? (size_t)strtoul(name + 1, NULL, 10) : SIZE_MAX;

    *index = i;
    return i < t->n_ctrs && !t->ctrs[i].internal ? &t->ctrs[i] : NULL;
}

static void check_report_row(struct sim *s, struct sim_task *t, const struct jcur *row)
{
    size_t i;
    const struct box *b;

    if (!ctr_named(t, jcur_str(row, "containerName"), &i)) {
        broken(s, 1, "a report names container %s of %s", jcur_str(row, "containerName"), t->arn);
        return;
    }
    b = engine_find(s, t, i);
    if (streq(jcur_str(row, "status"), "STOPPED") && b && b->state == BOX_RUNNING)
        broken(s, 2, "container %zu of %s is reported STOPPED while it runs", i, t->arn);
}

static void check_report(struct sim *s, struct sim_task *t, const char *body)
{
    struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur c, rows;

    if (!t || t->local || json_parse(body, strlen(body), &doc, &e)) {
        broken(s, 1, "a report that is none: %s", body);
        return;
    }
    c = jcur_root(doc, &e);
    rows = jcur_arr(&c, "containers");
    JCUR_EACH (row, &rows) {
        check_report_row(s, t, &row);
    }
    for (size_t i = 0; streq(jcur_str(&c, "status"), "STOPPED") && i < t->n_ctrs; i++) {
        const struct box *b = engine_find(s, t, i);

        /* What is left of its namespaces after a loss goes by itself. */
        if (b && b->state == BOX_RUNNING && !(s->losses && t->ctrs[i].internal))
            broken(s, 2, "%s is reported STOPPED while container %zu runs", t->arn, i);
    }
    json_free(doc);
}

void law_reported(struct sim *s, struct sim_task *t, const char *container, const char *status)
{
    size_t i;
    struct sim_ctr *k = ctr_named(t, container, &i);
    int level = streq(status, "STOPPED")   ? CTR_STOPPED
                : streq(status, "RUNNING") ? CTR_RUNNING
                                           : CTR_MANIFEST_PULLED;

    if (!k)
        return;
    if (level < k->reported)
        broken(s, 1, "container %zu of %s went back to %s", i, t->arn, status);
    k->reported = level;
}

static bool dep_holds(const struct sim_task *t, const struct sim_dep *d)
{
    const struct sim_ctr *k = &t->ctrs[d->target];

    switch (d->cond) {
    case DEP_CREATE:
        return k->ever_created;
    case DEP_START:
        return k->ever_ran;
    case DEP_COMPLETE:
        return k->ever_exited;
    case DEP_SUCCESS:
        return k->ever_exited && k->last_exit == 0;
    case DEP_HEALTHY:
        return k->ever_healthy;
    }
    return false;
}

static void check_start(struct sim *s, const struct sim_task *t, size_t index)
{
    const struct sim_ctr *k = &t->ctrs[index];
    const struct box *b = engine_find(s, t, index);

    for (size_t i = 0; i < k->n_deps; i++)
        if (!dep_holds(t, &k->deps[i]))
            broken(s, 4, "container %zu of %s starts before container %zu allows it (condition %d)",
                   index, t->arn, k->deps[i].target, k->deps[i].cond);
    /* A start from before a crash may take effect unseen. */
    if (b && b->state == BOX_EXITED && !s->crashes &&
        (!k->restart || (k->ignores_code && b->exit_code == k->exit_code)))
        broken(s, 4, "container %zu of %s is started again though no policy says so", index,
               t->arn);
}

static void check_stop(struct sim *s, const struct sim_task *t, size_t index)
{
    const struct box *self = engine_find(s, t, index);

    /* One that failed goes alone. */
    if (!self || self->state != BOX_RUNNING || !task_is_stopping(s, t))
        return;
    if ((t->local || t->ctrs[index].internal) && s->losses)
        return; /* what is left of a lost run is one container here and one there */
    for (size_t i = 0; i < t->n_ctrs; i++) {
        const struct box *b = engine_find(s, t, i);

        for (size_t j = 0; b && b->state == BOX_RUNNING && j < t->ctrs[i].n_deps; j++)
            if (t->ctrs[i].deps[j].target == index)
                broken(s, 4,
                       "container %zu of %s is stopped before container %zu, which depends on it",
                       index, t->arn, i);
    }
}

static void check_ack(struct sim *s)
{
    /* Whatever the core knows must be in the store by now: a payload's tasks are
     * known from the step that asked for the acknowledgement on. */
    for (size_t i = 0; task_nth(s, i); i++) {
        const struct sim_task *t = task_nth(s, i);

        if (t->local && s->losses)
            continue; /* what is left of a lost run is removed, and stored nowhere */
        if (core_task(s->core, t->arn) &&
            (!agent_stored(s, CORE_KIND_TASK, t->arn) || !agent_stored(s, CORE_KIND_STATE, t->arn)))
            broken(s, 5, "a message is acknowledged although %s is not stored", t->arn);
    }
}

static void check_values(struct sim *s, const struct sim_task *t, const struct core_action *a)
{
    const struct sim_ctr *k = &t->ctrs[a->container];
    bool create = a->op == CORE_OP_CREATE;

    if (create && k->secrets && !(t->fetched & 1))
        broken(s, 4, "container %zu of %s is created without its secrets", a->container, t->arn);
    if (create && k->env_files && !(t->fetched & 2))
        broken(s, 4, "container %zu of %s is created without its environment files", a->container,
               t->arn);
    if (!create && k->auth && !(t->fetched & 4))
        broken(s, 4, "image %s of %s is asked for without its password", a->ref, t->arn);
}

static void check_create(struct sim *s, struct sim_task *t, const struct core_action *a)
{
    const char *state = agent_stored(s, CORE_KIND_STATE, a->task_arn);

    if (!state || !strstr(state, a->ref))
        broken(s, 3, "container name %s is used before it is stored", a->ref);
    check_values(s, t, a);
    law_ports(s, t, a->container);
    law_local_creates(s, t);
}

static void check_op(struct sim *s, struct sim_task *t, const struct core_action *a)
{
    switch ((int)a->op) {
    case CORE_OP_START:
        check_start(s, t, a->container);
        break;
    case CORE_OP_STOP:
        check_stop(s, t, a->container);
        break;
    case CORE_OP_CREATE:
        check_create(s, t, a);
        break;
    case CORE_OP_MANIFEST:
    case CORE_OP_PULL:
        check_values(s, t, a);
        law_image_asked(s, a->ref);
        break;
    case CORE_OP_INSPECT_IMAGE:
        law_image_asked(s, a->ref);
        break;
    case CORE_OP_REMOVE_IMAGE:
        law_image_leaves(s, a->ref);
        break;
    case CORE_OP_REMOVE_OTHER:
        if (!s->untracked)
            broken(s, 3, "a stranger's container %s is removed", a->ref);
        break;
    default:
        break;
    }
}

/* A record is asked of what has ended, and that can be said in one line. */
static void check_failed(struct sim *s, const struct core_action *a)
{
    struct core_seen_task seen;

    /* It may be gone already, when several events were stepped together. */
    if (core_see_task(s->core, a->task_arn, &seen) && seen.known != TASK_STOPPED)
        broken(s, 2, "%s is said to have failed, and has not stopped", a->task_arn);
    if (str_empty(a->value) || strlen(a->value) > 255)
        broken(s, 10, "the line about %s is of the wrong length", a->task_arn);
}

void law_closed(struct sim *s, const struct core_action *a)
{
    bool begins = a->type == CORE_ACT_OP &&
                  (a->op == CORE_OP_PULL || a->op == CORE_OP_CREATE || a->op == CORE_OP_START);

    if (begins)
        broken(s, 8, "container %zu of %s begins while the host goes down", a->container,
               a->task_arn);
}

void law_action(struct sim *s, const struct core_action *a)
{
    struct sim_task *t = a->task_arn ? task_called(s, a->task_arn) : NULL;

    if (a->type == CORE_ACT_ACK)
        check_ack(s);
    else if (a->type == CORE_ACT_REPORT)
        check_report(s, t, a->value);
    else if (a->type == CORE_ACT_OP && a->task_arn && !t)
        broken(s, 5, "%s for %s, which is not stored", core_op_name(a->op), a->task_arn);
    else if (a->type == CORE_ACT_OP)
        check_op(s, t, a);
    else if (a->type == CORE_ACT_FAILED)
        check_failed(s, a);
    for (size_t i = 0; a->type == CORE_ACT_STOP_VERIFY && i < a->n_arns; i++)
        if (core_is_local(s->core, a->arns[i]))
            broken(s, 1, "the control plane is asked about the local task %s", a->arns[i]);
}
