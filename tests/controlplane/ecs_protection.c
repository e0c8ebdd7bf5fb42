/* Whether tasks of services are protected from scale-in. There are no services here, so a task
 * whose group says "service:NAME", as the real service names it, counts as one of that service. */
#include <stdlib.h>

#include "base/mem.h"
#include "ecs.h"

#define UPDATE_MAX      10
#define GET_MAX         100
#define MINUTES_DEFAULT 120
#define MINUTES_MAX     2880
#define AGENT           "Amazon ECS Agent"

static bool is_key_of(const struct role *r, const char *key)
{
    return r->arn && (streq(r->access_key, key) || streq(r->old_key, key));
}

/* An agent must ask with the keys of the task that asks it, and for that task alone. */
static bool admitted(struct ecs *x, struct cp_call *c, const struct cluster *cl)
{
    struct jcur tasks = jcur_arr(&c->body, "tasks");

    if (!str_starts(c->user_agent, AGENT))
        return true;
    JCUR_EACH (item, &tasks) {
        const struct task *t = model_task_find(x->model, cl, jcur_as_str(&item));

        if (!t || is_key_of(&t->task_role, c->access_key))
            continue;
        cp_violation(x->server, "%s for task %s is not signed with the keys of its role",
                     c->operation, t->id);
        cp_reply_error(c, 400, "AccessDeniedException", "not authorized to perform: ecs:%s",
                       c->operation);
        return false;
    }
    return true;
}

/* NULL: it can be protected. */
static const char *why_not(const struct task *t)
{
    if (!t)
        return "MISSING";
    return t->status == TASK_STOPPED || !t->group || !str_starts(t->group, "service:")
               ? "TASK_NOT_VALID"
               : NULL;
}

static void write_failures(struct ecs *x, struct cp_call *c, const struct cluster *cl,
                           struct reply *r)
{
    struct jcur tasks = jcur_arr(&c->body, "tasks");

    jw_karray(&r->w, "failures");
    JCUR_EACH (item, &tasks) {
        const struct task *t = model_task_find(x->model, cl, jcur_as_str(&item));
        const char *why = why_not(t);

        if (why)
            reply_failure(r, t ? t->arn : jcur_as_str(&item), why);
    }
    jw_end(&r->w);
}

static void write_protected(struct ecs *x, struct cp_call *c, const struct cluster *cl,
                            struct reply *r)
{
    struct jcur tasks = jcur_arr(&c->body, "tasks");

    jw_karray(&r->w, "protectedTasks");
    JCUR_EACH (item, &tasks) {
        const struct task *t = model_task_find(x->model, cl, jcur_as_str(&item));
        bool on = t && t->protected_until_ms > c->now_ms;

        if (why_not(t))
            continue;
        jw_object(&r->w);
        jw_kstr(&r->w, "taskArn", t->arn);
        jw_kbool(&r->w, "protectionEnabled", on);
        reply_time(&r->w, "expirationDate", on ? t->protected_until_ms : 0);
        jw_end(&r->w);
    }
    jw_end(&r->w);
}

static void answer(struct ecs *x, struct cp_call *c, const struct cluster *cl)
{
    struct reply r;

    reply_begin(&r);
    write_protected(x, c, cl, &r);
    write_failures(x, c, cl, &r);
    reply_end(&r, c);
}

/* The cluster, after all checks of the request; NULL: it is answered. */
static struct cluster *begin(struct ecs *x, struct cp_call *c, size_t max)
{
    struct jcur tasks = jcur_arr(&c->body, "tasks");
    struct cluster *cl = ecs_cluster(x, c);

    if (!cl)
        return NULL;
    if (jcur_len(&tasks) == 0 || jcur_len(&tasks) > max) {
        ecs_parameter_error(c, "tasks must have between 1 and %zu items", max);
        return NULL;
    }
    return admitted(x, c, cl) ? cl : NULL;
}

void ecs_get_protection(struct ecs *x, struct cp_call *c)
{
    struct cluster *cl = begin(x, c, GET_MAX);

    if (cl)
        answer(x, c, cl);
}

void ecs_update_protection(struct ecs *x, struct cp_call *c)
{
    struct jcur tasks = jcur_arr(&c->body, "tasks");
    bool on = jcur_bool_or(&c->body, "protectionEnabled", false);
    int64_t minutes =
        jcur_int_or(&c->body, "expiresInMinutes", INT32_MIN, INT32_MAX, MINUTES_DEFAULT);
    struct cluster *cl = begin(x, c, UPDATE_MAX);

    if (!cl)
        return;
    if (minutes < 1 || minutes > MINUTES_MAX) {
        ecs_parameter_error(c, "expiresInMinutes must be between 1 and %d", MINUTES_MAX);
        return;
    }
    JCUR_EACH (item, &tasks) {
        struct task *t = model_task_find(x->model, cl, jcur_as_str(&item));

        if (!why_not(t))
            t->protected_until_ms = on ? c->now_ms + minutes * 60000 : 0;
    }
    ecs_changed(x);
    answer(x, c, cl);
}
