/* The ECS service: which call goes where, and what all of them need. */
#include "ecs.h"

#include <stdio.h>
#include <stdlib.h>

#include "acs.h"
#include "base/log.h"
#include "base/mem.h"

#define REPLY_MAX     (32 << 20)
#define SAVE_DELAY_MS 50

/* ---- requests that need no table of their own elsewhere ---- */

#define S(n)                      \
    {                             \
        n, SHAPE_STR, NULL, false \
    }
#define I(n)                      \
    {                             \
        n, SHAPE_INT, NULL, false \
    }
#define B(n)                       \
    {                              \
        n, SHAPE_BOOL, NULL, false \
    }
#define L(n)                       \
    {                              \
        n, SHAPE_STRS, NULL, false \
    }
#define RS(n)                    \
    {                            \
        n, SHAPE_STR, NULL, true \
    }
#define RL(n)                     \
    {                             \
        n, SHAPE_STRS, NULL, true \
    }
#define END                          \
    {                                \
        NULL, SHAPE_STR, NULL, false \
    }

static const struct shape tag[] = { S("key"), S("value"), END };
static const struct shape create_cluster[] = { S("clusterName"),
                                               { "tags", SHAPE_OBJS, tag, false },
                                               END };
static const struct shape delete_cluster[] = { RS("cluster"), END };
static const struct shape describe_clusters[] = { L("clusters"), L("include"), END };
static const struct shape list_page[] = { I("maxResults"), S("nextToken"), END };
static const struct shape tag_resource[] = { RS("resourceArn"),
                                             { "tags", SHAPE_OBJS, tag, true },
                                             END };
static const struct shape untag_resource[] = { RS("resourceArn"), RL("tagKeys"), END };
static const struct shape list_tags[] = { RS("resourceArn"), END };
static const struct shape deregister_instance[] = { S("cluster"), RS("containerInstance"),
                                                    B("force"), END };
static const struct shape describe_instances[] = { S("cluster"), RL("containerInstances"),
                                                   L("include"), END };
static const struct shape list_instances[] = { S("cluster"), S("filter"),    I("maxResults"),
                                               S("status"),  S("nextToken"), END };
static const struct shape update_instances[] = { S("cluster"), RL("containerInstances"),
                                                 RS("status"), END };
static const struct shape describe_taskdef[] = { RS("taskDefinition"), L("include"), END };
static const struct shape list_taskdefs[] = { S("familyPrefix"), I("maxResults"), S("nextToken"),
                                              S("sort"),         S("status"),     END };
static const struct shape stop_task[] = { S("cluster"), S("reason"), RS("task"), END };
static const struct shape list_tasks[] = {
    S("cluster"),   S("containerInstance"), S("family"),    S("launchType"),    I("maxResults"),
    S("nextToken"), S("serviceName"),       S("startedBy"), S("desiredStatus"), END
};
static const struct shape describe_tasks[] = { S("cluster"), L("include"), RL("tasks"), END };

static const struct shape get_protection[] = { RS("cluster"), L("tasks"), END };
static const struct shape update_protection[] = { RS("cluster"),
                                                  RL("tasks"),
                                                  { "protectionEnabled", SHAPE_BOOL, NULL, true },
                                                  I("expiresInMinutes"),
                                                  END };

static const struct {
    const char *name;
    ecs_op_fn *fn;
    const struct shape *shape;
    bool from_agent; /* unknown members are violations */
} operations[] = {
    { "CreateCluster", ecs_create_cluster, create_cluster, false },
    { "DeleteCluster", ecs_delete_cluster, delete_cluster, false },
    { "DescribeClusters", ecs_describe_clusters, describe_clusters, false },
    { "ListClusters", ecs_list_clusters, list_page, false },
    { "TagResource", ecs_tag_resource, tag_resource, false },
    { "UntagResource", ecs_untag_resource, untag_resource, false },
    { "ListTagsForResource", ecs_list_tags, list_tags, true },
    { "RegisterContainerInstance", ecs_register_instance, shape_register_container_instance, true },
    { "DeregisterContainerInstance", ecs_deregister_instance, deregister_instance, false },
    { "DescribeContainerInstances", ecs_describe_instances, describe_instances, false },
    { "ListContainerInstances", ecs_list_instances, list_instances, false },
    { "UpdateContainerInstancesState", ecs_update_instances_state, update_instances, true },
    { "RegisterTaskDefinition", ecs_register_taskdef, shape_register_task_definition, false },
    { "DeregisterTaskDefinition", ecs_deregister_taskdef, describe_taskdef, false },
    { "DescribeTaskDefinition", ecs_describe_taskdef, describe_taskdef, false },
    { "ListTaskDefinitions", ecs_list_taskdefs, list_taskdefs, false },
    { "ListTaskDefinitionFamilies", ecs_list_families, list_taskdefs, false },
    { "RunTask", ecs_run_task, shape_run_task, false },
    { "StartTask", ecs_start_task, shape_start_task, false },
    { "StopTask", ecs_stop_task, stop_task, false },
    { "ListTasks", ecs_list_tasks, list_tasks, false },
    { "DescribeTasks", ecs_describe_tasks, describe_tasks, false },
    { "GetTaskProtection", ecs_get_protection, get_protection, true },
    { "UpdateTaskProtection", ecs_update_protection, update_protection, true },
    { "DiscoverPollEndpoint", ecs_discover_poll_endpoint, shape_discover_poll_endpoint, true },
    { "SubmitTaskStateChange", ecs_submit_task, shape_submit_task, true },
    { "SubmitContainerStateChange", ecs_submit_container, shape_submit_container, true },
    { "SubmitAttachmentStateChanges", ecs_submit_attachments, shape_submit_attachments, true },
};

static void on_call(void *user, struct cp_call *c)
{
    struct ecs *x = user;
    struct buf unknown = BUF_INIT(512);

    for (size_t i = 0; i < COUNT_OF(operations); i++) {
        if (!streq(operations[i].name, c->operation))
            continue;
        if (!shape_check(&c->body, operations[i].shape, &unknown)) {
            if (operations[i].from_agent)
                cp_violation(x->server, "%s: %s", c->operation, c->body.err->msg);
            cp_reply_error(c, 400, "SerializationException", "%s", c->body.err->msg);
        } else {
            if (operations[i].from_agent && unknown.len)
                cp_violation(x->server, "%s: unknown members: %s", c->operation,
                             buf_text(&unknown));
            operations[i].fn(x, c);
        }
        buf_fini(&unknown);
        return;
    }
    cp_reply_error(c, 400, "UnknownOperationException", "%s is not offered here", c->operation);
}

/* ---- helpers ---- */

struct cluster *ecs_cluster(struct ecs *x, struct cp_call *c)
{
    struct cluster *cluster = model_cluster_find(x->model, jcur_str_or(&c->body, "cluster", NULL));

    if (cluster && cluster->active)
        return cluster;
    cp_reply_error(c, 400, "ClusterNotFoundException", "Cluster not found.");
    return NULL;
}

void ecs_new_id(struct ecs *x, char out[33])
{
    uint64_t halves[2] = { rng_next(x->rng), rng_next(x->rng) };

    str_hex(halves, sizeof halves, out);
}

void reply_begin(struct reply *r)
{
    buf_init(&r->buf, REPLY_MAX);
    jw_init(&r->w, &r->buf);
    jw_object(&r->w);
}

void reply_end(struct reply *r, struct cp_call *c)
{
    jw_end(&r->w);
    if (r->buf.overflowed)
        cp_reply_error(c, 500, "ServerException", "the answer is larger than %d bytes", REPLY_MAX);
    else
        cp_reply(c, buf_str(&r->buf));
    buf_fini(&r->buf);
}

void reply_failure(struct reply *r, const char *arn, const char *reason)
{
    jw_object(&r->w);
    jw_kstr_if(&r->w, "arn", arn);
    jw_kstr(&r->w, "reason", reason);
    jw_end(&r->w);
}

void reply_time(struct jw *w, const char *key, int64_t ms)
{
    if (ms == 0)
        return;
    jw_key(w, key);
    jw_millis(w, ms);
}

bool page_begin(struct page *p, struct cp_call *c)
{
    const char *token = jcur_str_or(&c->body, "nextToken", "0");
    struct err e = { 0 };

    *p = (struct page){ .max = jcur_int_or(&c->body, "maxResults", INT32_MIN, INT32_MAX, 100) };
    if (p->max < 1 || p->max > 100) {
        ecs_parameter_error(c, "maxResults must be between 1 and 100");
        return false;
    }
    if (str_to_int(token, 0, INT32_MAX, &p->from, &e)) {
        ecs_parameter_error(c, "Invalid token %s", token);
        return false;
    }
    return true;
}

bool page_take(struct page *p)
{
    if (p->seen++ < p->from)
        return false;
    if (p->written == p->max) {
        p->more = true;
        return false;
    }
    p->written++;
    return true;
}

void page_end(const struct page *p, struct jw *w)
{
    char token[24];

    if (!p->more)
        return;
    snprintf(token, sizeof token, "%lld", (long long)(p->from + p->written));
    jw_kstr(w, "nextToken", token);
}

bool ecs_included(const struct jcur *body, const char *text)
{
    struct jcur list = jcur_arr(body, "include");

    JCUR_EACH (item, &list) {
        if (streq(jcur_as_str(&item), text))
            return true;
    }
    return false;
}

/* ---- health, told over the telemetry connection ---- */

/* One process serves one control plane. */
static struct ecs *the_service;

static void note_task_health(struct ecs *x, const struct jcur *report)
{
    struct task *t = model_task_find(x->model, NULL, jcur_str_or(report, "taskArn", ""));
    struct jcur containers = jcur_arr(report, "containers");

    if (!t)
        return;
    JCUR_EACH (item, &containers) {
        struct container *c = model_container_find(t, jcur_str_or(&item, "containerName", ""));

        if (c)
            mem_replace(&c->health, jcur_str_or(&item, "healthStatus", "UNKNOWN"));
    }
}

void cp_ecs_note_health(struct cp_server *s, struct str envelope)
{
    AUTO(json) struct json_t *doc = NULL;
    struct ecs *x = the_service;
    struct err e = { 0 };
    struct jcur root, message, tasks;

    if (!x || x->server != s || json_parse(envelope.p, envelope.n, &doc, &e))
        return;
    root = jcur_root(doc, &e);
    message = jcur_obj(&root, "message");
    tasks = jcur_arr(&message, "tasks");
    JCUR_EACH (t, &tasks) {
        note_task_health(x, &t);
    }
}

/* ---- life ---- */

static void save(struct ecs *x)
{
    struct err e = { 0 };

    if (x->state_file && model_save(x->model, x->state_file, &e))
        log_error("state was not saved", kv_s("file", x->state_file), kv_err(&e));
}

static void on_save(void *user)
{
    struct ecs *x = user;

    x->save_armed = false;
    save(x);
}

void ecs_changed(struct ecs *x)
{
    if (!x->state_file || x->save_armed)
        return;
    x->save_armed = true;
    cp_timer_arm(x->save_timer, SAVE_DELAY_MS);
}

static void on_exit_ecs(void *user)
{
    struct ecs *x = user;

    save(x);
    the_service = NULL;
    acs_destroy(x->acs);
    cp_timer_destroy(x->save_timer);
    model_destroy(x->model);
    free(x->state_file);
    free(x);
}

enum err_code cp_ecs_add(struct cp_server *s, const char *state_file, struct err *e)
{
    struct ecs *x = NEW(struct ecs);

    x->server = s;
    x->rng = cp_server_rng(s);
    x->model = model_create(cp_server_region(s), cp_server_account(s));
    if (state_file && model_load(x->model, state_file, x->rng, e)) {
        model_destroy(x->model);
        free(x);
        return err_wrap(e, "%s", state_file);
    }
    x->state_file = mem_strdup(state_file);
    x->save_timer = cp_timer_create(s, on_save, x);
    x->acs = acs_create(x);
    cp_server_add_service(s, "AmazonEC2ContainerServiceV20141113", "ecs", on_call, x);
    cp_server_at_exit(s, on_exit_ecs, x);
    the_service = x;
    return ERR_OK;
}
