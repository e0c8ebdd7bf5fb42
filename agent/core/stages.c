/* stages: where the time of a task goes. What stage a task or a container is in follows from
 * what is known and wished; it is looked at whenever its task was, so it can neither be
 * forgotten in a branch nor contradict what happens.
 *
 * Lengths are measured on the clock that never steps. Over a restart only the other one is
 * left, and a stage that began in its future has lasted nothing. The stages are stored
 * together with what else changes, never for their own sake: after a crash the stage of the
 * last save has lasted until the new start. */
#include "base/clock.h"
#include "core/state.h"

static const char *const names[STAGE__COUNT] = {
    [STAGE_NONE] = "none",           [STAGE_ROOM] = "room",
    [STAGE_PREPARE] = "prepare",     [STAGE_DEPENDENCIES] = "dependencies",
    [STAGE_RESOURCES] = "resources", [STAGE_PULL_TURN] = "pull_turn",
    [STAGE_PULL] = "pull",           [STAGE_TURN] = "turn",
    [STAGE_CREATE] = "create",       [STAGE_START] = "start",
    [STAGE_HEALTH] = "health",       [STAGE_RUN] = "run",
    [STAGE_RESTART] = "restart",     [STAGE_STOP] = "stop",
    [STAGE_REPORT] = "report",       [STAGE_KEPT] = "kept",
};

static int64_t not_negative(int64_t n)
{
    return n > 0 ? n : 0;
}

/* ---- which one ---- */

static enum core_stage stage_of_op(const struct core_ctr *k)
{
    switch ((int)k->op) {
    case CORE_OP_INSPECT_IMAGE:
    case CORE_OP_MANIFEST:
    case CORE_OP_PULL:
        return STAGE_PULL;
    case CORE_OP_PORTS:
    case CORE_OP_CREATE:
    case CORE_OP_REMOVE: /* to be made once more */
        return STAGE_CREATE;
    default:
        return k->known < CTR_CREATED ? STAGE_CREATE : STAGE_START;
    }
}

/* On its way to run. */
static enum core_stage stage_before(const struct core *c, const struct core_ctr *k)
{
    const struct task_dep *dep;
    const struct core_res *res;

    if (k->op)
        return stage_of_op(k);
    if (k->queued)
        return k->queued == CORE_OP_PULL || k->queued == CORE_OP_MANIFEST ? STAGE_PULL_TURN
                                                                          : STAGE_TURN;
    if (deps_check(k, c->now.mono_ms, &dep, NULL) == DEP_WAIT)
        return STAGE_DEPENDENCIES;
    if (k->known < CTR_CREATED && !resources_allow(k, k->known >= CTR_PULLED, &res))
        return STAGE_RESOURCES;
    return k->known < CTR_PULLED ? STAGE_PULL : k->known < CTR_CREATED ? STAGE_CREATE : STAGE_START;
}

static enum core_stage stage_of_ctr(const struct core *c, const struct core_ctr *k)
{
    if (k->known == CTR_STOPPED)
        return STAGE_NONE;
    if (ctr_wants_stop(k))
        return STAGE_STOP;
    if (!k->task->admitted)
        return STAGE_ROOM;
    if (k->known < CTR_RUNNING)
        return stage_before(c, k);
    if (k->restart_due)
        return STAGE_RESTART;
    /* Once it was healthy, a lost health is no stage of its start. */
    if (k->def->health_docker && k->health != HEALTH_OK && !k->stages.each[STAGE_RUN].from_wall)
        return STAGE_HEALTH;
    return STAGE_RUN;
}

static enum core_stage stage_of_task(const struct core_task *t)
{
    if (t->known == TASK_STOPPED)
        return report_settled(t) ? STAGE_KEPT : STAGE_REPORT;
    if (t->desired == TASK_STOPPED)
        return STAGE_STOP;
    if (!t->admitted)
        return STAGE_ROOM;
    return t->known == TASK_RUNNING ? STAGE_RUN : STAGE_PREPARE;
}

static void enter(const struct core *c, struct core_stages *s, enum core_stage to)
{
    struct core_stage_time *left = &s->each[s->now], *entered = &s->each[to];

    if (to == s->now)
        return;
    left->ms += not_negative(c->now.mono_ms - s->since);
    if (left->ms > SANE_MAX)
        left->ms = SANE_MAX; /* of a state that nobody wrote */
    /* What took no time is no stage, but for the one that says when all began. */
    if (!left->ms && s->now != STAGE_ROOM)
        left->from_wall = 0;
    s->each[STAGE_NONE] = (struct core_stage_time){ 0 };
    if (!entered->from_wall && to != STAGE_NONE)
        entered->from_wall = c->now.wall_ms;
    s->now = to;
    s->since = c->now.mono_ms;
    s->since_wall = c->now.wall_ms;
}

void stages_update(const struct core *c, struct core_task *t)
{
    enter(c, &t->stages, stage_of_task(t));
    for (size_t i = 0; i < t->n_ctrs; i++)
        enter(c, &t->ctrs[i].stages, stage_of_ctr(c, &t->ctrs[i]));
}

/* ---- to people ---- */

static void tell(const struct core_stages *s, const char *container, int64_t now_mono, struct jw *w)
{
    char from[CLOCK_ISO_SIZE];

    for (int i = STAGE_NONE + 1; i < STAGE__COUNT; i++) {
        const struct core_stage_time *one = &s->each[i];
        bool open = s->now == (enum core_stage)i;

        if (!one->from_wall)
            continue;
        clock_iso(one->from_wall, from);
        jw_object(w);
        jw_kstr(w, "stage", names[i]);
        jw_kstr_if(w, "container", container);
        jw_kstr(w, "from", from);
        jw_kint(w, "for_ms", one->ms + (open ? not_negative(now_mono - s->since) : 0));
        jw_kbool(w, "done", !open);
        jw_end(w);
    }
}

void core_write_stages(const struct core *c, const char *arn, struct core_time now, struct jw *w)
{
    const struct core_task *t = find_task(c, arn);

    jw_array(w);
    if (t)
        tell(&t->stages, NULL, now.mono_ms, w);
    for (size_t i = 0; t && i < t->n_ctrs; i++)
        tell(&t->ctrs[i].stages, t->ctrs[i].def->name, now.mono_ms, w);
    jw_end(w);
}

/* ---- to the store and back ---- */

void stages_write(const struct core_stages *s, struct jw *w, bool full)
{
    jw_kobject(w, "stages");
    jw_kstr(w, "now", names[s->now]);
    jw_kint(w, "since_wall", s->since_wall);
    if (full)
        jw_kint(w, "since", s->since);
    for (int i = STAGE_NONE + 1; i < STAGE__COUNT; i++) {
        if (!s->each[i].from_wall)
            continue;
        jw_karray(w, names[i]);
        jw_int(w, s->each[i].from_wall);
        jw_int(w, s->each[i].ms);
        jw_end(w);
    }
    jw_end(w);
}

static void read_one(struct core_stage_time *one, const struct jcur *all, const char *name)
{
    struct jcur pair = jcur_arr(all, name), part;

    if (!jcur_present(&pair))
        return;
    if (jcur_len(&pair) != 2) {
        jcur_fail(&pair, "expected a time and a length");
        return;
    }
    part = jcur_at(&pair, 0);
    one->from_wall = jcur_as_int(&part, SANE_TIME);
    part = jcur_at(&pair, 1);
    one->ms = jcur_as_int(&part, 0, SANE_MAX);
}

void stages_read(const struct core *c, struct core_stages *s, const struct jcur *j, bool full)
{
    struct jcur all = jcur_obj(j, "stages");
    const char *now;

    if (!jcur_present(&all))
        return; /* of a release that had none: they begin now */
    now = jcur_str(&all, "now");
    for (int i = STAGE_NONE + 1; i < STAGE__COUNT; i++) {
        read_one(&s->each[i], &all, names[i]);
        if (streq(names[i], now)) /* a name that only a later release knows: none */
            s->now = (enum core_stage)i;
    }
    s->since_wall = jcur_int(&all, "since_wall", SANE_TIME);
    s->since = full ? jcur_int(&all, "since", SANE_INT)
                    : c->now.mono_ms - not_negative(c->now.wall_ms - s->since_wall);
}

void stages_runs_since(const struct core *c, struct core_stages *s, int64_t wall_ms)
{
    if (s->now || !wall_ms)
        return;
    s->now = STAGE_RUN;
    s->since_wall = s->each[STAGE_RUN].from_wall = wall_ms;
    s->since = c->now.mono_ms - not_negative(c->now.wall_ms - wall_ms);
}
