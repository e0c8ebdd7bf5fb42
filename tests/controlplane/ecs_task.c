/* Tasks: started, stopped. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "acs.h"
#include "base/mem.h"
#include "ecs.h"

#define INSTANCES_MAX   1000
#define CONSTRAINTS_MAX 10
#define STRATEGIES_MAX  5

/* ---- a request to place tasks, checked ---- */

struct launch {
    struct cluster *cluster;
    struct taskdef *def;
    struct json_t *overrides; /* NULL: none */
    struct err overrides_err;
    struct taskdef_need need;
    struct place_need place;
    const char *expressions[2 * CONSTRAINTS_MAX];
    struct place_strategy strategies[STRATEGIES_MAX];
    size_t strategy_count;
    char *group;
};

static void launch_fini(struct launch *l)
{
    json_free(l->overrides);
    taskdef_need_fini(&l->need);
    free(l->group);
}

static enum err_code read_constraints(const struct jcur *list, struct launch *l, struct err *e)
{
    if (jcur_len(list) > CONSTRAINTS_MAX)
        return err_set(e, ERR_INVALID, "At most %d placement constraints.", CONSTRAINTS_MAX);
    JCUR_EACH (item, list) {
        const char *type = jcur_str_or(&item, "type", "");
        const char *expression = jcur_str_or(&item, "expression", "");

        if (streq(type, "distinctInstance")) {
            l->place.distinct = true;
        } else if (!streq(type, "memberOf")) {
            return err_set(e, ERR_INVALID, "Invalid placement constraint type '%s'.", type);
        } else if (!place_expression_valid(expression)) {
            return err_set(e, ERR_INVALID, "Invalid placement constraint expression: '%s'",
                           expression);
        } else {
            l->expressions[l->place.expression_count++] = expression;
        }
    }
    return ERR_OK;
}

static enum err_code read_strategies(const struct jcur *list, struct launch *l, struct err *e)
{
    if (jcur_len(list) > STRATEGIES_MAX)
        return err_set(e, ERR_INVALID, "At most %d placement strategies.", STRATEGIES_MAX);
    JCUR_EACH (item, list) {
        const char *type = jcur_str_or(&item, "type", "");
        struct place_strategy s = { PLACE_RANDOM, jcur_str_or(&item, "field", "") };

        if (streq(type, "binpack")) {
            s.kind = PLACE_BINPACK;
            if (strcasecmp(s.field, "cpu") != 0 && strcasecmp(s.field, "memory") != 0)
                return err_set(e, ERR_INVALID, "Invalid binpack field '%s'.", s.field);
        } else if (streq(type, "spread")) {
            s.kind = PLACE_SPREAD;
            if (!streq(s.field, "instanceId") && !streq(s.field, "host") &&
                !str_starts(s.field, "attribute:"))
                return err_set(e, ERR_INVALID, "Invalid spread field '%s'.", s.field);
        } else if (!streq(type, "random")) {
            return err_set(e, ERR_INVALID, "Invalid placement strategy type '%s'.", type);
        }
        l->strategies[l->strategy_count++] = s;
    }
    return ERR_OK;
}

static enum err_code read_overrides(const struct jcur *body, struct launch *l, struct jcur *def,
                                    struct err *e)
{
    struct buf text = BUF_INIT(1 << 20);
    struct jcur overrides = jcur_obj(body, "overrides"), root, list;
    struct jcur containers = jcur_arr(def, "containerDefinitions");
    int64_t ignored;

    if (jcur_present(&overrides)) {
        enum err_code code = json_dump(overrides.val, &text)
                                 ? json_parse(buf_text(&text), text.len, &l->overrides, e)
                                 : err_set(e, ERR_INVALID, "The overrides are too large.");
        buf_fini(&text);
        if (code)
            return code;
    }
    root = jcur_root(l->overrides, &l->overrides_err);
    list = jcur_arr(&root, "containerOverrides");
    JCUR_EACH (item, &list) {
        const char *name = jcur_str_or(&item, "name", "");
        bool found = false;

        JCUR_EACH (c, &containers) {
            found = found || streq(jcur_str_or(&c, "name", ""), name);
        }
        if (!found)
            return err_set(e, ERR_INVALID,
                           "Override for container named %s is not a container in the "
                           "TaskDefinition.",
                           name);
    }
    if ((jcur_str_or(&root, "cpu", NULL) &&
         taskdef_cpu(jcur_str_or(&root, "cpu", ""), &ignored, e)) ||
        (jcur_str_or(&root, "memory", NULL) &&
         taskdef_memory(jcur_str_or(&root, "memory", ""), &ignored, e)))
        return e->code;
    taskdef_need(def, &root, &l->need);
    return ERR_OK;
}

/* Answers the call and gives false when the request is wrong. */
static bool launch_read(struct ecs *x, struct cp_call *c, struct launch *l)
{
    struct jcur def, own, more = jcur_arr(&c->body, "placementConstraints");
    struct jcur strategies = jcur_arr(&c->body, "placementStrategy");
    const char *group = jcur_str_or(&c->body, "group", NULL);
    struct err e = { 0 };

    *l = (struct launch){ .cluster = ecs_cluster(x, c) };
    if (!l->cluster)
        return false;
    l->def = model_taskdef_find(x->model, jcur_str_or(&c->body, "taskDefinition", ""));
    if (!l->def) {
        ecs_client_error(c, "TaskDefinition not found.");
        return false;
    }
    if (!l->def->active) {
        ecs_client_error(c, "TaskDefinition is inactive");
        return false;
    }
    def = model_taskdef_cursor(l->def);
    own = jcur_arr(&def, "placementConstraints");
    if (streq(jcur_str_or(&def, "networkMode", ""), "awsvpc")) {
        ecs_client_error(c, "Network mode awsvpc is not available here: there are no elastic "
                            "network interfaces.");
        return false;
    }
    if (read_overrides(&c->body, l, &def, &e) || read_constraints(&own, l, &e) ||
        read_constraints(&more, l, &e) || read_strategies(&strategies, l, &e)) {
        launch_fini(l);
        ecs_parameter_error(c, "%s", e.msg);
        return false;
    }
    l->group = group ? mem_strdup(group) : mem_printf("family:%s", l->def->family);
    l->place.cpu = l->need.cpu;
    l->place.memory = l->need.memory;
    l->place.tcp = l->need.tcp;
    l->place.udp = l->need.udp;
    l->place.tcp_count = l->need.tcp_count;
    l->place.udp_count = l->need.udp_count;
    l->place.attributes = (const char *const *)l->need.attributes;
    l->place.attribute_count = l->need.attribute_count;
    l->place.expressions = l->expressions;
    return true;
}

static struct json_t *copy_of(const struct json_t *doc)
{
    struct buf text = BUF_INIT(1 << 20);
    struct json_t *copy = NULL;
    struct err e = { 0 };

    if (doc && (!json_dump(doc, &text) || json_parse(buf_text(&text), text.len, &copy, &e)))
        copy = NULL;
    buf_fini(&text);
    return copy;
}

static struct task *launch_on(struct ecs *x, struct cp_call *c, struct launch *l,
                              struct instance *i)
{
    AUTO(json) struct json_t *overrides = copy_of(l->overrides);
    struct jcur tags = jcur_arr(&c->body, "tags");
    struct task *t;
    char id[33];

    ecs_new_id(x, id);
    t = model_task_add(x->model, i, l->def, id, &overrides, x->rng);
    t->created_ms = c->now_ms;
    t->created_us = cp_server_mono_us();
    mem_replace(&t->group, l->group);
    mem_replace(&t->started_by, jcur_str_or(&c->body, "startedBy", NULL));
    mem_replace(&t->client_token, jcur_str_or(&c->body, "clientToken", NULL));
    tags_read(&t->tags, &tags);
    ecs_changed(x);
    acs_wake(x->acs, i);
    return t;
}

/* ---- RunTask ---- */

struct candidates {
    struct instance *instance[INSTANCES_MAX];
    struct place_host host[INSTANCES_MAX];
    const char *reason[INSTANCES_MAX];
    size_t count;
};

static void candidates_read(struct ecs *x, struct launch *l, struct candidates *k)
{
    k->count = 0;
    LIST_FOREACH (n, next, &x->model->instances) {
        struct instance *i = MODEL_OF(n, instance);
        size_t at = k->count;

        if (i->cluster != l->cluster || i->status == INSTANCE_INACTIVE || at == INSTANCES_MAX)
            continue;
        k->instance[at] = i;
        model_host(x->model, i, l->group, &k->host[at]);
        k->reason[at] = place_check(&l->place, &k->host[at]);
        k->host[at].eligible = !k->reason[at];
        k->count++;
    }
}

static void candidates_fini(struct candidates *k)
{
    for (size_t i = 0; i < k->count; i++)
        model_host_fini(&k->host[i]);
}

/* Writes the failures of one task that found no place. */
static void write_failures(struct jw *failures, const struct candidates *k)
{
    for (size_t i = 0; i < k->count; i++) {
        jw_object(failures);
        jw_kstr(failures, "arn", k->instance[i]->arn);
        jw_kstr(failures, "reason", k->reason[i]);
        jw_end(failures);
    }
}

static void answer_launch(struct cp_call *c, struct task *const *tasks, size_t n,
                          const struct buf *failures)
{
    struct reply r;

    reply_begin(&r);
    jw_karray(&r.w, "tasks");
    for (size_t i = 0; i < n; i++)
        ecs_write_task(&r.w, tasks[i], true);
    jw_end(&r.w);
    jw_key(&r.w, "failures");
    jw_raw(&r.w, failures->len ? buf_str(failures) : str_of("[]"));
    reply_end(&r, c);
}

static void run_all(struct ecs *x, struct cp_call *c, struct launch *l, int64_t count)
{
    struct candidates *k = NEW(struct candidates);
    struct buf failures = BUF_INIT(4 << 20);
    struct task *tasks[10];
    size_t started = 0;
    struct jw w;

    jw_init(&w, &failures);
    jw_array(&w);
    for (int64_t n = 0; n < count; n++) {
        size_t best;

        candidates_read(x, l, k);
        best = place_choose(k->host, k->count, l->strategies, l->strategy_count, x->rng);
        if (best < k->count)
            tasks[started++] = launch_on(x, c, l, k->instance[best]);
        else
            write_failures(&w, k);
        candidates_fini(k);
    }
    jw_end(&w);
    answer_launch(c, tasks, started, &failures);
    buf_fini(&failures);
    free(k);
}

/* The tasks of an earlier call with the same token, whose answer was lost. */
static size_t repeated(struct ecs *x, struct cp_call *c, const struct cluster *cl,
                       struct task *tasks[10])
{
    const char *token = jcur_str_or(&c->body, "clientToken", NULL);
    size_t count = 0;

    LIST_FOREACH (n, next, &x->model->tasks) {
        struct task *t = MODEL_OF(n, task);

        if (token && t->cluster == cl && t->client_token && streq(t->client_token, token) &&
            count < 10)
            tasks[count++] = t;
    }
    return count;
}

/* When the table is full the oldest stopped tasks make room. */
static bool room_for_tasks(struct ecs *x, struct cp_call *c, int64_t count)
{
    LIST_FOREACH (n, next, &x->model->tasks) {
        struct task *t = MODEL_OF(n, task);

        if (x->model->task_count + (size_t)count <= MODEL_TASKS_MAX)
            return true;
        if (t->status == TASK_STOPPED)
            model_task_remove(x->model, t);
    }
    if (x->model->task_count + (size_t)count <= MODEL_TASKS_MAX)
        return true;
    cp_reply_error(c, 400, "LimitExceededException", "At most %d tasks are kept.", MODEL_TASKS_MAX);
    return false;
}

void ecs_run_task(struct ecs *x, struct cp_call *c)
{
    int64_t count = jcur_int_or(&c->body, "count", INT32_MIN, INT32_MAX, 1);
    const char *launch_type = jcur_str_or(&c->body, "launchType", "EC2");
    struct task *old[10];
    struct buf none = BUF_INIT(8);
    struct launch l;
    size_t n, instances = 0;

    if (count < 1 || count > 10) {
        ecs_parameter_error(c, "Count must be between 1 and 10.");
        return;
    }
    if (!streq(launch_type, "EC2")) {
        ecs_parameter_error(c, "Launch type %s is not available here.", launch_type);
        return;
    }
    if (!room_for_tasks(x, c, count) || !launch_read(x, c, &l))
        return;
    LIST_FOREACH (node, next, &x->model->instances) {
        const struct instance *i = MODEL_OF(node, instance);

        instances += i->cluster == l.cluster && i->status != INSTANCE_INACTIVE;
    }
    n = repeated(x, c, l.cluster, old);
    if (n)
        answer_launch(c, old, n, &none);
    else if (instances == 0)
        ecs_parameter_error(c, "No Container Instances were found in your cluster.");
    else
        run_all(x, c, &l, count);
    launch_fini(&l);
}

/* ---- StartTask ---- */

void ecs_start_task(struct ecs *x, struct cp_call *c)
{
    struct jcur list = jcur_arr(&c->body, "containerInstances");
    struct buf failures = BUF_INIT(1 << 20);
    struct task *tasks[10];
    size_t started = 0;
    struct launch l;
    struct jw w;

    if (jcur_len(&list) < 1 || jcur_len(&list) > 10) {
        ecs_parameter_error(c, "Between 1 and 10 container instances must be named.");
        return;
    }
    if (!room_for_tasks(x, c, (int64_t)jcur_len(&list)) || !launch_read(x, c, &l))
        return;
    jw_init(&w, &failures);
    jw_array(&w);
    JCUR_EACH (item, &list) {
        struct instance *i = model_instance_find(x->model, l.cluster, jcur_as_str(&item));
        const char *reason = "MISSING";
        struct place_host host;

        if (i) {
            model_host(x->model, i, l.group, &host);
            reason = place_check(&l.place, &host);
            model_host_fini(&host);
        }
        if (!reason) {
            tasks[started++] = launch_on(x, c, &l, i);
            continue;
        }
        jw_object(&w);
        jw_kstr(&w, "arn", i ? i->arn : jcur_as_str(&item));
        jw_kstr(&w, "reason", reason);
        jw_end(&w);
    }
    jw_end(&w);
    answer_launch(c, tasks, started, &failures);
    buf_fini(&failures);
    launch_fini(&l);
}

/* ---- StopTask ---- */

/* The agent still has the last lines of the log to ship with them. */
#define KEYS_AFTER_STOP_MS (10 * 60 * 1000)

static void end_keys(struct ecs *x, struct role *r, int64_t now_ms)
{
    if (*r->access_key)
        cp_server_expire_key(x->server, r->access_key, now_ms + KEYS_AFTER_STOP_MS);
    if (*r->old_key)
        cp_server_expire_key(x->server, r->old_key, now_ms + KEYS_AFTER_STOP_MS);
    r->access_key[0] = r->old_key[0] = '\0';
}

void ecs_task_stopped(struct ecs *x, struct task *t, const char *code, const char *reason,
                      int64_t now_ms)
{
    t->status = t->desired = TASK_STOPPED;
    t->version++;
    if (!t->stop_code)
        t->stop_code = mem_strdup(code);
    if (!t->stopped_reason)
        t->stopped_reason = mem_strdup(reason);
    t->stopping_ms = t->stopping_ms ? t->stopping_ms : now_ms;
    t->stopped_ms = now_ms;
    t->stopped_us = cp_server_mono_us();
    t->message_id[0] = '\0';
    for (size_t i = 0; i < t->container_count; i++)
        t->containers[i].status = TASK_STOPPED;
    end_keys(x, &t->task_role, now_ms);
    end_keys(x, &t->execution_role, now_ms);
    ecs_changed(x);
    acs_wake(x->acs, t->instance);
}

void ecs_stop_task(struct ecs *x, struct cp_call *c)
{
    struct cluster *cl = ecs_cluster(x, c);
    const char *id = jcur_str_or(&c->body, "task", "");
    const char *reason = jcur_str_or(&c->body, "reason", "Task stopped by user");
    struct task *t = cl ? model_task_find(x->model, cl, id) : NULL;
    struct reply r;

    if (!cl)
        return;
    if (!t) {
        ecs_parameter_error(c, "The referenced task was not found.");
        return;
    }
    if (strlen(reason) > 1024) {
        ecs_parameter_error(c, "The reason is longer than 1024 characters.");
        return;
    }
    if (t->desired != TASK_STOPPED) {
        t->desired = TASK_STOPPED;
        t->stopping_ms = c->now_ms;
        t->version++;
        mem_replace(&t->stop_code, "UserInitiated");
        mem_replace(&t->stopped_reason, reason);
        ecs_changed(x);
        acs_wake(x->acs, t->instance);
    }
    reply_begin(&r);
    jw_key(&r.w, "task");
    ecs_write_task(&r.w, t, true);
    reply_end(&r, c);
}
