/* Tasks: listed, described. */
#include <stdlib.h>

#include "base/mem.h"
#include "ecs.h"

static const char *health_of(const struct container *c)
{
    return c->health ? c->health : "UNKNOWN";
}

static void write_container(struct jw *w, const struct task *t, const struct container *c)
{
    jw_object(w);
    jw_kstr(w, "containerArn", c->arn);
    jw_kstr(w, "taskArn", t->arn);
    jw_kstr(w, "name", c->name);
    jw_kstr(w, "image", c->image);
    jw_kstr_if(w, "imageDigest", c->image_digest);
    jw_kstr_if(w, "runtimeId", c->runtime_id);
    jw_kstr(w, "lastStatus", task_status_name(c->status));
    if (c->exited)
        jw_kint(w, "exitCode", c->exit_code);
    jw_kstr_if(w, "reason", c->reason);
    jw_key(w, "networkBindings");
    jw_raw(w, str_of(c->bindings ? c->bindings : "[]"));
    jw_karray(w, "networkInterfaces");
    jw_end(w);
    jw_kstr(w, "healthStatus", health_of(c));
    jw_kstr_if(w, "cpu", c->cpu);
    jw_kstr_if(w, "memory", c->memory);
    jw_kstr_if(w, "memoryReservation", c->memory_reservation);
    jw_end(w);
}

/* UNHEALTHY when an essential container is, HEALTHY when all that are watched are. */
static const char *task_health(const struct task *t)
{
    const char *worst = "UNKNOWN";

    for (size_t i = 0; i < t->container_count; i++) {
        const struct container *c = &t->containers[i];

        if (!c->essential || !c->health)
            continue;
        if (streq(c->health, "UNHEALTHY"))
            return "UNHEALTHY";
        if (streq(c->health, "UNKNOWN"))
            return "UNKNOWN";
        worst = c->health;
    }
    return worst;
}

static void write_overrides(struct jw *w, const struct task *t)
{
    jw_key(w, "overrides");
    if (t->overrides) {
        jw_value(w, t->overrides);
        return;
    }
    jw_object(w);
    jw_karray(w, "containerOverrides");
    for (size_t i = 0; i < t->container_count; i++) {
        jw_object(w);
        jw_kstr(w, "name", t->containers[i].name);
        jw_end(w);
    }
    jw_end(w);
    jw_end(w);
}

static void write_sizes(struct jw *w, const struct task *t)
{
    AUTO(str) char *cpu = mem_printf("%lld", (long long)t->need.cpu);
    AUTO(str) char *memory = mem_printf("%lld", (long long)t->need.memory);

    jw_kstr(w, "cpu", cpu);
    jw_kstr(w, "memory", memory);
}

void ecs_write_task(struct jw *w, struct task *t, bool tags)
{
    const struct tags none = { 0 };

    jw_object(w);
    jw_kstr(w, "taskArn", t->arn);
    jw_kstr(w, "clusterArn", t->cluster->arn);
    jw_kstr(w, "taskDefinitionArn", t->def->arn);
    jw_kstr(w, "containerInstanceArn", t->instance->arn);
    jw_kstr(w, "availabilityZone", model_instance_attribute(t->instance, "ecs.availability-zone"));
    jw_kstr(w, "lastStatus", task_status_name(t->status));
    jw_kstr(w, "desiredStatus", task_status_name(t->desired));
    jw_kstr(w, "launchType", "EC2");
    jw_kstr(w, "healthStatus", task_health(t));
    jw_kstr(w, "connectivity", t->instance->conn ? "CONNECTED" : "DISCONNECTED");
    jw_kstr_if(w, "group", t->group);
    jw_kstr_if(w, "startedBy", t->started_by);
    jw_kbool(w, "enableExecuteCommand", false);
    jw_kint(w, "version", t->version);
    write_sizes(w, t);
    write_overrides(w, t);
    reply_time(w, "createdAt", t->created_ms);
    reply_time(w, "pullStartedAt", t->pull_started_ms);
    reply_time(w, "pullStoppedAt", t->pull_stopped_ms);
    reply_time(w, "startedAt", t->started_ms);
    reply_time(w, "stoppingAt", t->stopping_ms);
    reply_time(w, "executionStoppedAt", t->execution_stopped_ms);
    reply_time(w, "stoppedAt", t->stopped_ms);
    jw_kstr_if(w, "stopCode", t->stop_code);
    jw_kstr_if(w, "stoppedReason", t->stopped_reason);
    jw_karray(w, "attachments");
    jw_end(w);
    jw_karray(w, "containers");
    for (size_t i = 0; i < t->container_count; i++)
        write_container(w, t, &t->containers[i]);
    jw_end(w);
    jw_key(w, "tags");
    tags_write(tags ? &t->tags : &none, w);
    jw_end(w);
}

static bool wanted(struct ecs *x, const struct jcur *body, const struct cluster *cl,
                   const struct task *t)
{
    const char *desired = jcur_str_or(body, "desiredStatus", "RUNNING");
    const char *family = jcur_str_or(body, "family", NULL);
    const char *started_by = jcur_str_or(body, "startedBy", NULL);
    const char *instance = jcur_str_or(body, "containerInstance", NULL);

    if (t->cluster != cl || !streq(task_status_name(t->desired), desired))
        return false;
    if (family && !streq(t->def->family, family))
        return false;
    if (started_by && (!t->started_by || !streq(t->started_by, started_by)))
        return false;
    if (instance && model_instance_find(x->model, cl, instance) != t->instance)
        return false;
    /* There are no services. */
    return !jcur_str_or(body, "serviceName", NULL) &&
           streq(jcur_str_or(body, "launchType", "EC2"), "EC2");
}

void ecs_list_tasks(struct ecs *x, struct cp_call *c)
{
    struct cluster *cl = ecs_cluster(x, c);
    struct reply r;
    struct page p;

    if (!cl || !page_begin(&p, c))
        return;
    reply_begin(&r);
    jw_karray(&r.w, "taskArns");
    LIST_FOREACH (n, next, &x->model->tasks) {
        const struct task *t = MODEL_OF(n, task);

        if (wanted(x, &c->body, cl, t) && page_take(&p))
            jw_str(&r.w, t->arn);
    }
    jw_end(&r.w);
    page_end(&p, &r.w);
    reply_end(&r, c);
}

static void write_missing(struct ecs *x, struct reply *r, const struct cluster *cl, const char *id)
{
    AUTO(str)
    char *arn = mem_printf("arn:aws:ecs:%s:%s:task/%s/%s", x->model->region, x->model->account,
                           cl->name, id);

    reply_failure(r, str_starts(id, "arn:") ? id : arn, "MISSING");
}

void ecs_describe_tasks(struct ecs *x, struct cp_call *c)
{
    struct cluster *cl = ecs_cluster(x, c);
    struct jcur list = jcur_arr(&c->body, "tasks");
    bool tags = ecs_included(&c->body, "TAGS");
    struct reply r;

    if (!cl)
        return;
    if (jcur_len(&list) < 1 || jcur_len(&list) > 100) {
        ecs_parameter_error(c, "Between 1 and 100 tasks must be named.");
        return;
    }
    reply_begin(&r);
    for (int failures = 0; failures < 2; failures++) {
        jw_karray(&r.w, failures ? "failures" : "tasks");
        JCUR_EACH (item, &list) {
            const char *id = jcur_as_str(&item);
            struct task *t = model_task_find(x->model, cl, id);

            if (t && !failures)
                ecs_write_task(&r.w, t, tags);
            else if (!t && failures)
                write_missing(x, &r, cl, id);
        }
        jw_end(&r.w);
    }
    reply_end(&r, c);
}
