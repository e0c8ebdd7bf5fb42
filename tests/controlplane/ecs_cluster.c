/* Clusters, and the tags of everything. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "ecs.h"

static bool has_running_work(struct ecs *x, const struct cluster *cl)
{
    return model_count_tasks(x->model, cl, NULL, TASK_PENDING) +
               model_count_tasks(x->model, cl, NULL, TASK_RUNNING) >
           0;
}

static size_t count_instances(struct ecs *x, const struct cluster *cl)
{
    size_t count = 0;

    LIST_FOREACH (n, next, &x->model->instances) {
        const struct instance *i = MODEL_OF(n, instance);

        count += i->cluster == cl && i->status != INSTANCE_INACTIVE;
    }
    return count;
}

static void empty_list(struct jw *w, const char *key)
{
    jw_karray(w, key);
    jw_end(w);
}

static void write_cluster(struct ecs *x, struct jw *w, const struct cluster *cl, bool tags)
{
    jw_object(w);
    jw_kstr(w, "clusterArn", cl->arn);
    jw_kstr(w, "clusterName", cl->name);
    jw_kstr(w, "status", cl->active ? "ACTIVE" : "INACTIVE");
    jw_kint(w, "registeredContainerInstancesCount", (int64_t)count_instances(x, cl));
    jw_kint(w, "runningTasksCount", (int64_t)model_count_tasks(x->model, cl, NULL, TASK_RUNNING));
    jw_kint(w, "pendingTasksCount", (int64_t)model_count_tasks(x->model, cl, NULL, TASK_PENDING));
    jw_kint(w, "activeServicesCount", 0);
    empty_list(w, "statistics");
    empty_list(w, "settings");
    empty_list(w, "capacityProviders");
    empty_list(w, "defaultCapacityProviderStrategy");
    if (tags) {
        jw_key(w, "tags");
        tags_write(&cl->tags, w);
    } else {
        empty_list(w, "tags");
    }
    jw_end(w);
}

static bool name_ok(const char *s)
{
    size_t n = strlen(s);

    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '_')
            return false;
    return n >= 1 && n <= 255;
}

static void answer_cluster(struct ecs *x, struct cp_call *c, const struct cluster *cl)
{
    struct reply r;

    reply_begin(&r);
    jw_key(&r.w, "cluster");
    write_cluster(x, &r.w, cl, true);
    reply_end(&r, c);
}

void ecs_create_cluster(struct ecs *x, struct cp_call *c)
{
    const char *name = jcur_str_or(&c->body, "clusterName", "default");
    struct jcur tags = jcur_arr(&c->body, "tags");
    struct cluster *cl;

    if (!name_ok(name)) {
        ecs_parameter_error(c, "Identifier was for cluster. Invalid cluster name: '%s'", name);
        return;
    }
    cl = model_cluster_find(x->model, name);
    if (!cl)
        cl = model_cluster_add(x->model, name);
    cl->active = true;
    tags_read(&cl->tags, &tags);
    ecs_changed(x);
    answer_cluster(x, c, cl);
}

void ecs_delete_cluster(struct ecs *x, struct cp_call *c)
{
    struct cluster *cl = ecs_cluster(x, c);

    if (!cl)
        return;
    if (count_instances(x, cl) > 0) {
        cp_reply_error(c, 400, "ClusterContainsContainerInstancesException",
                       "The Cluster cannot be deleted while Container Instances are active or "
                       "draining.");
        return;
    }
    if (has_running_work(x, cl)) {
        cp_reply_error(c, 400, "ClusterContainsTasksException",
                       "The Cluster cannot be deleted while Tasks are active.");
        return;
    }
    cl->active = false;
    ecs_changed(x);
    answer_cluster(x, c, cl);
}

void ecs_describe_clusters(struct ecs *x, struct cp_call *c)
{
    struct jcur list = jcur_arr(&c->body, "clusters");
    size_t n = jcur_len(&list) ? jcur_len(&list) : 1;
    bool tags = ecs_included(&c->body, "TAGS");
    struct reply r;

    reply_begin(&r);
    for (int failures = 0; failures < 2; failures++) {
        jw_karray(&r.w, failures ? "failures" : "clusters");
        for (size_t i = 0; i < n; i++) {
            struct jcur item = jcur_at(&list, i);
            const char *name = jcur_present(&item) ? jcur_as_str(&item) : "default";
            struct cluster *cl = model_cluster_find(x->model, name);
            char arn[512];

            if (cl && !failures) {
                write_cluster(x, &r.w, cl, tags);
            } else if (!cl && failures) {
                snprintf(arn, sizeof arn, "%s%s:%s:cluster/%s", "arn:aws:ecs:", x->model->region,
                         x->model->account, name);
                reply_failure(&r, str_starts(name, "arn:") ? name : arn, "MISSING");
            }
        }
        jw_end(&r.w);
    }
    reply_end(&r, c);
}

void ecs_list_clusters(struct ecs *x, struct cp_call *c)
{
    struct reply r;
    struct page p;

    if (!page_begin(&p, c))
        return;
    reply_begin(&r);
    jw_karray(&r.w, "clusterArns");
    LIST_FOREACH (n, next, &x->model->clusters) {
        const struct cluster *cl = MODEL_OF(n, cluster);

        if (cl->active && page_take(&p))
            jw_str(&r.w, cl->arn);
    }
    jw_end(&r.w);
    page_end(&p, &r.w);
    reply_end(&r, c);
}

/* ---- tags ---- */

static struct tags *resource_tags(struct ecs *x, struct cp_call *c)
{
    const char *arn = jcur_str_or(&c->body, "resourceArn", "");
    struct cluster *cl = model_cluster_find(x->model, arn);
    struct instance *i = model_instance_find(x->model, NULL, arn);
    struct taskdef *td = model_taskdef_find(x->model, arn);
    struct task *t = model_task_find(x->model, NULL, arn);

    if (str_starts(arn, "arn:")) {
        if (cl)
            return &cl->tags;
        if (i)
            return &i->tags;
        if (td)
            return &td->tags;
        if (t)
            return &t->tags;
        ecs_parameter_error(c, "The specified resource ARN was not found: %s", arn);
    } else {
        ecs_parameter_error(c, "Invalid ARN: %s", arn);
    }
    return NULL;
}

static void answer_empty(struct cp_call *c)
{
    cp_reply(c, str_of("{}"));
}

void ecs_tag_resource(struct ecs *x, struct cp_call *c)
{
    struct tags *tags = resource_tags(x, c);
    struct jcur list = jcur_arr(&c->body, "tags");

    if (!tags)
        return;
    tags_read(tags, &list);
    ecs_changed(x);
    answer_empty(c);
}

void ecs_untag_resource(struct ecs *x, struct cp_call *c)
{
    struct tags *tags = resource_tags(x, c);
    struct jcur list = jcur_arr(&c->body, "tagKeys");

    if (!tags)
        return;
    JCUR_EACH (key, &list) {
        tags_unset(tags, jcur_as_str(&key));
    }
    ecs_changed(x);
    answer_empty(c);
}

void ecs_list_tags(struct ecs *x, struct cp_call *c)
{
    struct tags *tags = resource_tags(x, c);
    struct reply r;

    if (!tags)
        return;
    reply_begin(&r);
    jw_key(&r.w, "tags");
    tags_write(tags, &r.w);
    reply_end(&r, c);
}
