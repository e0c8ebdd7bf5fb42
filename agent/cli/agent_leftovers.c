/* agent_leftovers: containers that another instance's agent made, which came here with the
 * image of its disk. Nobody owns them, and what they hold is counted nowhere. */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/agent.h"

#define LIST_MS   (60 * 1000)
#define STOP_S    10
#define STOP_MS   (60 * 1000)
#define REMOVE_MS (5 * 60 * 1000)

struct leftovers {
    struct agent *agent;
    void (*done)(struct agent *a);
    struct docker_op *op;
    char **ids;
    size_t n, at;
};

static void destroy(struct leftovers *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->ids[i]);
    free(l->ids);
    free(l);
}

void leftovers_cancel(struct leftovers *l)
{
    if (!l)
        return;
    docker_cancel(l->op);
    destroy(l);
}

static void finish(struct leftovers *l)
{
    struct agent *a = l->agent;
    void (*done)(struct agent *) = l->done;
    struct err e = { 0 };

    destroy(l);
    a->leftovers = NULL;
    agent_name_remove(a->config->data_dir);
    if (store_clear(a->store, &e)) {
        log_crit("another instance's state cannot be removed", kv_err(&e));
        agent_stop(a, CLI_ERROR);
        return;
    }
    a->others_state = false;
    done(a);
}

static void next(struct leftovers *l);

static void on_removed(void *user, const struct err *e)
{
    struct leftovers *l = user;

    l->op = NULL;
    if (e->code)
        log_warn("another instance's container is left", kv_s("container", l->ids[l->at]),
                 kv_err(e));
    else
        log_info("removed another instance's container", kv_s("container", l->ids[l->at]));
    l->at++;
    next(l);
}

/* Whether it has stopped is for the removal to say. */
static void on_stopped(void *user, const struct err *e)
{
    struct leftovers *l = user;

    (void)e;
    l->op = docker_remove(l->agent->docker, l->ids[l->at], REMOVE_MS, on_removed, l);
}

static void next(struct leftovers *l)
{
    if (l->at == l->n)
        finish(l);
    else
        l->op = docker_stop(l->agent->docker, l->ids[l->at], STOP_S, STOP_MS, on_stopped, l);
}

static bool is_theirs(const struct host_names *arns, const char *arn)
{
    for (size_t i = 0; arn && i < arns->n; i++)
        if (streq(arns->items[i], arn))
            return true;
    return false;
}

static void on_listed(void *user, const struct docker_listed *rows, size_t n, const struct err *e)
{
    struct leftovers *l = user;

    l->op = NULL;
    if (e->code) {
        log_crit("another instance's containers cannot be looked for", kv_err(e));
        agent_stop(l->agent, CLI_ERROR);
        return;
    }
    l->ids = mem_array(n, sizeof *l->ids);
    for (size_t i = 0; i < n; i++)
        if (is_theirs(&l->agent->others_tasks, rows[i].task_arn))
            l->ids[l->n++] = mem_strdup(rows[i].id);
    next(l);
}

void leftovers_remove(struct agent *a, void (*done)(struct agent *a))
{
    struct leftovers *l = NEW(struct leftovers);

    l->agent = a;
    l->done = done;
    a->leftovers = l;
    l->op = docker_list_all(a->docker, LIST_MS, on_listed, l);
}
