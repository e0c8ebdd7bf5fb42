/* local: the folder of local tasks, whose files come, change and go. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

/* How long good ones have to run again after the last trouble. */
#define SETTLE_MS (9 * 60 * 1000)

static struct sim_task *def_of(const struct sim_local *l, int version)
{
    return version >= 0 && version < N_VERSIONS ? l->defs[version] : NULL;
}

static struct inbox_event *tell(struct sim *s)
{
    struct inbox_event *e = event_new(CORE_EV_LOCAL);

    e->defs = mem_array(N_LOCALS, sizeof *e->defs);
    for (size_t i = 0; i < N_LOCALS; i++) {
        const struct sim_local *l = &s->locals[i];
        struct core_local_def *d = &e->defs[e->ev.u.local.n_defs];
        struct err err = { 0 };
        const char *json;

        if (!l->wanted)
            continue;
        json = def_of(l, l->version)->json;
        if (task_decode_text(json, strlen(json), &d->task, &err)) {
            broken(s, 0, "a local definition cannot be read: %s", err.msg);
            continue;
        }
        d->name = event_keep(e, mem_strdup(l->name));
        d->digest = event_keep(e, mem_printf("%s.%d", l->name, l->version));
        d->once = l->once;
        e->ev.u.local.n_defs++;
    }
    e->ev.u.local.defs = e->defs;
    return e;
}

void locals_agent_came(struct sim *s)
{
    agent_deliver(s, tell(s));
}

static void change(struct sim *s, void *arg)
{
    struct sim_local *l = &s->locals[pick(s, 0, N_LOCALS - 1)];

    (void)arg;
    if (s->finishing)
        return;
    if (chance(s, 40))
        l->wanted = !l->wanted;
    else if (l->version + 1 < N_VERSIONS)
        gen_local(s, l, l->version + 1);
    l->unwanted_once |= !l->wanted;
    trace(s, "** the local task %s is %swanted, version %d", l->name, l->wanted ? "" : "un",
          l->version);
    agent_deliver(s, tell(s));
    at(s, pick(s, 2000, 20000), change, NULL);
}

void locals_begin(struct sim *s)
{
    for (size_t i = 0; i < N_LOCALS; i++) {
        struct sim_local *l = &s->locals[i];

        snprintf(l->name, sizeof l->name, "local%zu", i);
        l->wanted = chance(s, 30);
        l->once = chance(s, 20);
        gen_local(s, l, 0);
    }
    if (chance(s, 60))
        at(s, pick(s, 0, 20000), change, NULL);
}

/* ---- runs ---- */

static int version_of(const struct task *def)
{
    return (int)strtol(def->version, NULL, 10);
}

void locals_stored(struct sim *s, const char *arn, const char *json)
{
    struct task *def = NULL;
    struct sim_local *l = NULL;
    struct sim_task *t;
    struct err e = { 0 };

    if (task_called(s, arn))
        return;
    if (task_decode_text(json, strlen(json), &def, &e)) {
        broken(s, 5, "what is stored of %s cannot be read: %s", arn, e.msg);
        return;
    }
    for (size_t i = 0; i < N_LOCALS; i++)
        if (streq(s->locals[i].name, def->family))
            l = &s->locals[i];
    if (!l || !def_of(l, version_of(def))) {
        broken(s, 5, "%s is stored, which nobody asked for", arn);
    } else if (s->n_runs == MAX_RUNS) {
        broken(s, 8, "%s is the %dth run of a local task", arn, MAX_RUNS + 1);
    } else {
        t = mem_alloc(sizeof *t);
        *t = *def_of(l, version_of(def));
        t->json = NULL;
        snprintf(t->arn, sizeof t->arn, "%s", arn);
        law_local_starts(s, t);
        s->runs[s->n_runs++] = t;
    }
    task_destroy(def);
}

/* ---- the end ---- */

static void nothing_wanted(struct sim *s, void *arg)
{
    (void)arg;
    if (!s->over)
        law_local_kept_up(s);
    for (size_t i = 0; i < N_LOCALS; i++)
        s->locals[i].wanted = false;
    s->locals_over = true;
    trace(s, "** no local task is wanted");
    agent_deliver(s, tell(s));
}

void locals_finish(struct sim *s)
{
    bool some = false;

    for (size_t i = 0; i < N_LOCALS; i++)
        some |= s->locals[i].wanted;
    at(s, some ? SETTLE_MS : 0, nothing_wanted, NULL);
}

bool locals_over(const struct sim *s)
{
    return s->locals_over;
}

void locals_fini(struct sim *s)
{
    for (size_t i = 0; i < s->n_runs; i++)
        free(s->runs[i]);
    for (size_t i = 0; i < N_LOCALS; i++) {
        for (int v = 0; v < N_VERSIONS; v++) {
            if (s->locals[i].defs[v])
                free(s->locals[i].defs[v]->json);
            free(s->locals[i].defs[v]);
        }
    }
}
