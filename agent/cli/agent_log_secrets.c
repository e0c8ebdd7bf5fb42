#include "cli/agent_log_secrets.h"

#include "base/log.h"
#include "base/mem.h"

/* The core counts its fetches from 1. */
#define OUR_ID ((uint64_t)1 << 63)

struct waiting {
    struct list node;
    struct log_secrets *owner;
    uint64_t id;
    char *task_arn, *docker_id;
    size_t container;
    struct backoff backoff;
    struct loop_timer *retry, *give_up;
    bool said;
    int64_t drain_until_ms;
    log_secrets_drain_fn *drain; /* NULL: the container runs */
    void *drain_user;
};

struct log_secrets {
    struct agent *agent;
    struct list waiting;
    uint64_t next_id;
};

struct log_secrets *log_secrets_create(struct agent *a)
{
    struct log_secrets *l = NEW(struct log_secrets);

    l->agent = a;
    list_init(&l->waiting);
    l->next_id = OUR_ID;
    return l;
}

static void waiting_destroy(struct waiting *w)
{
    list_remove(&w->node);
    secrets_cancel(w->owner->agent->secrets, w->id);
    loop_timer_destroy(w->retry);
    loop_timer_destroy(w->give_up);
    free(w->task_arn);
    free(w->docker_id);
    free(w);
}

void log_secrets_destroy(struct log_secrets *l)
{
    if (!l)
        return;
    LIST_FOREACH (it, following, &l->waiting)
        waiting_destroy(LIST_ENTRY(it, struct waiting, node));
    free(l);
}

static struct waiting *find(struct log_secrets *l, const char *docker_id)
{
    LIST_FOREACH (it, following, &l->waiting) {
        struct waiting *w = LIST_ENTRY(it, struct waiting, node);

        if (streq(w->docker_id, docker_id))
            return w;
    }
    return NULL;
}

/* Followed now, or given up; a drain that came meanwhile goes its way. */
static void end_wait(struct waiting *w)
{
    log_secrets_drain_fn *drain = w->drain;
    AUTO(str) char *docker_id = mem_strdup(w->docker_id);
    int64_t left = w->drain_until_ms - loop_now_ms(w->owner->agent->loop);
    void *user = w->drain_user;

    waiting_destroy(w);
    if (drain)
        drain(user, docker_id, left > 0 ? left : 0);
}

static const struct task *task_of(const struct waiting *w)
{
    return core_task(engine_core(w->owner->agent->engine), w->task_arn);
}

static void on_retry(void *user)
{
    struct waiting *w = user;
    const struct task *t = task_of(w);

    if (t)
        secrets_fetch(w->owner->agent->secrets, w->id, SECRETS_VALUES, t);
    else
        end_wait(w);
}

static void on_give_up(void *user)
{
    struct waiting *w = user;

    log_warn("a container's log is not shipped: its options could not be fetched in time",
             kv_s("task", w->task_arn), kv_s("container", w->docker_id));
    end_wait(w);
}

static bool has_log_secrets(const struct task_container *c)
{
    for (size_t i = 0; i < c->n_secrets; i++)
        if (c->secrets[i].log_driver)
            return true;
    return false;
}

static void follow_now(struct log_secrets *l, const struct task *t, size_t container,
                       const char *docker_id, const struct task_kv *secrets, size_t n_secrets)
{
    const struct logs_container c = {
        .task = t,
        .container = container,
        .docker_id = docker_id,
        .docker_name = core_docker_name(engine_core(l->agent->engine), t->arn, container),
        .secrets = secrets,
        .n_secrets = n_secrets,
    };

    logs_follow(l->agent->logs, &c);
}

void log_secrets_follow(struct log_secrets *l, const struct task *t, size_t container,
                        const char *docker_id, const struct task_kv *secrets, size_t n_secrets)
{
    const struct task_container *c = &t->containers[container];
    struct waiting *w;

    if (n_secrets || !c->log_driver || !streq(c->log_driver, "awslogs") || !has_log_secrets(c)) {
        follow_now(l, t, container, docker_id, secrets, n_secrets);
        return;
    }
    if (find(l, docker_id))
        return;
    w = NEW(struct waiting);
    w->owner = l;
    w->id = l->next_id++;
    w->task_arn = mem_strdup(t->arn);
    w->docker_id = mem_strdup(docker_id);
    w->container = container;
    w->retry = loop_timer_create(l->agent->loop, on_retry, w);
    w->give_up = loop_timer_create(l->agent->loop, on_give_up, w);
    list_push_back(&l->waiting, &w->node);
    loop_timer_arm(w->retry, 0);
}

bool log_secrets_drain(struct log_secrets *l, const char *docker_id, int64_t timeout_ms,
                       log_secrets_drain_fn *drain, void *user)
{
    struct waiting *w = find(l, docker_id);

    if (!w || w->drain)
        return false;
    w->drain = drain;
    w->drain_user = user;
    w->drain_until_ms = loop_now_ms(l->agent->loop) + timeout_ms;
    loop_timer_arm(w->give_up, timeout_ms);
    return true;
}

static void follow(struct waiting *w, const struct secrets_value *values, size_t n)
{
    const struct task *t = task_of(w);
    struct task_kv *options = mem_array(n, sizeof *options);
    size_t n_options = 0;

    for (size_t i = 0; i < n; i++) {
        if (values[i].container == w->container && values[i].kind == SECRETS_LOG_OPTION)
            options[n_options++] = (struct task_kv){ (char *)(uintptr_t)values[i].name,
                                                     (char *)(uintptr_t)values[i].value };
    }
    if (t)
        follow_now(w->owner, t, w->container, w->docker_id, options, n_options);
    free(options);
}

/* The credentials of the execution role come with the session, and that may be long in coming. */
static void retry(struct waiting *w, const struct err *e)
{
    static const struct backoff_rule rule = { 500, 150, 60000, 20 };
    struct agent *a = w->owner->agent;

    if (!w->said)
        log_warn("a container's log waits for the secrets in its options, retrying",
                 kv_s("task", w->task_arn), kv_s("container", w->docker_id), kv_err(e));
    w->said = true;
    loop_timer_arm(w->retry, backoff_next(&w->backoff, &rule, &a->rng));
}

bool log_secrets_fetched(struct log_secrets *l, uint64_t id, const struct secrets_value *values,
                         size_t n, const struct err *e)
{
    if (!(id & OUR_ID))
        return false;
    LIST_FOREACH (it, following, &l->waiting) {
        struct waiting *w = LIST_ENTRY(it, struct waiting, node);

        if (w->id != id)
            continue;
        if (e->code) {
            retry(w, e);
        } else {
            follow(w, values, n);
            end_wait(w);
        }
        break;
    }
    return true;
}
