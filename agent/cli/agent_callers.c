#include "cli/agent_callers.h"

#include "base/mem.h"

struct callers {
    struct agent *agent;
};

struct callers *callers_create(struct agent *a)
{
    struct callers *cs = NEW(struct callers);

    cs->agent = a;
    return cs;
}

void callers_destroy(struct callers *cs)
{
    free(cs);
}

const char *callers_who(void *user, const struct http_call_head *head)
{
    struct callers *cs = user;

    return engine_task_at(cs->agent->engine, head->peer.address);
}

enum credentials_may callers_may(void *user, const struct http_call_head *head, const char *id)
{
    struct callers *cs = user;
    const char *asks = callers_who(cs, head);
    struct role_credentials role;

    if (!asks || !cs->agent->config->bind_credentials)
        return CREDENTIALS_CALLER_UNKNOWN;
    if (!roles_get(cs->agent->roles, id, &role) || str_empty(role.task_arn))
        return CREDENTIALS_CALLER_UNKNOWN;
    return streq(role.task_arn, asks) ? CREDENTIALS_ALLOW : CREDENTIALS_REFUSE;
}

struct role_search {
    const char *id;
    enum credentials_kind kind;
};

static void look_for_role(void *user, const struct task *t)
{
    struct role_search *s = user;

    if (t->role_credentials_id && streq(t->role_credentials_id, s->id))
        s->kind = CREDENTIALS_TASK;
    else if (t->execution_credentials_id && streq(t->execution_credentials_id, s->id))
        s->kind = CREDENTIALS_EXECUTION;
}

enum credentials_kind callers_known(void *user, const char *id)
{
    struct callers *cs = user;
    struct role_search s = { .id = id, .kind = CREDENTIALS_UNKNOWN };

    core_each_task(engine_core(cs->agent->engine), look_for_role, &s);
    return s.kind;
}
