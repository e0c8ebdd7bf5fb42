/* Container instances: registration, description, draining, departure. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acs.h"
#include "base/mem.h"
#include "ecs.h"

/* ---- description ---- */

static void write_integer(struct jw *w, const char *name, int64_t v)
{
    jw_object(w);
    jw_kstr(w, "name", name);
    jw_kstr(w, "type", "INTEGER");
    jw_kint(w, "doubleValue", 0);
    jw_kint(w, "longValue", 0);
    jw_kint(w, "integerValue", v);
    jw_end(w);
}

static void write_ports(struct jw *w, const char *name, const uint16_t *ports, size_t n)
{
    char text[8];

    jw_object(w);
    jw_kstr(w, "name", name);
    jw_kstr(w, "type", "STRINGSET");
    jw_kint(w, "doubleValue", 0);
    jw_kint(w, "longValue", 0);
    jw_kint(w, "integerValue", 0);
    jw_karray(w, "stringSetValue");
    for (size_t i = 0; i < n; i++) {
        snprintf(text, sizeof text, "%u", ports[i]);
        jw_str(w, text);
    }
    jw_end(w);
    jw_end(w);
}

static void write_resources(struct jw *w, const char *key, int64_t cpu, int64_t memory,
                            const struct place_host *ports)
{
    jw_karray(w, key);
    write_integer(w, "CPU", cpu);
    write_integer(w, "MEMORY", memory);
    write_ports(w, "PORTS", ports->tcp, ports->tcp_count);
    write_ports(w, "PORTS_UDP", ports->udp, ports->udp_count);
    jw_end(w);
}

static void write_attributes(struct jw *w, const struct instance *i)
{
    jw_karray(w, "attributes");
    for (size_t n = 0; n < i->attr_count; n++) {
        jw_object(w);
        jw_kstr(w, "name", i->attrs[n].name);
        jw_kstr_if(w, "value", i->attrs[n].value);
        jw_end(w);
    }
    jw_end(w);
}

void ecs_write_instance(struct ecs *x, struct jw *w, struct instance *i, bool tags)
{
    struct place_host reserved = {
        .tcp = i->tcp, .tcp_count = i->tcp_count, .udp = i->udp, .udp_count = i->udp_count
    };
    struct place_host host;

    model_host(x->model, i, NULL, &host);
    jw_object(w);
    jw_kstr(w, "containerInstanceArn", i->arn);
    jw_kstr_if(w, "ec2InstanceId", i->ec2_id);
    jw_kint(w, "version", i->version);
    jw_kobject(w, "versionInfo");
    jw_kstr_if(w, "agentVersion", i->agent_version);
    jw_kstr_if(w, "agentHash", i->agent_hash);
    jw_kstr_if(w, "dockerVersion", i->docker_version);
    jw_end(w);
    write_resources(w, "registeredResources", i->cpu, i->memory, &reserved);
    write_resources(w, "remainingResources", host.cpu_free, host.memory_free, &host);
    jw_kstr(w, "status", instance_status_name(i->status));
    jw_kbool(w, "agentConnected", i->conn != NULL);
    jw_kint(w, "runningTasksCount", (int64_t)model_count_tasks(x->model, NULL, i, TASK_RUNNING));
    jw_kint(w, "pendingTasksCount", (int64_t)model_count_tasks(x->model, NULL, i, TASK_PENDING));
    write_attributes(w, i);
    reply_time(w, "registeredAt", i->registered_ms);
    jw_karray(w, "attachments");
    jw_end(w);
    jw_key(w, "tags");
    tags_write(tags ? &i->tags : &(const struct tags){ 0 }, w);
    jw_end(w);
    model_host_fini(&host);
}

static void answer_instance(struct ecs *x, struct cp_call *c, struct instance *i)
{
    struct reply r;

    reply_begin(&r);
    jw_key(&r.w, "containerInstance");
    ecs_write_instance(x, &r.w, i, true);
    reply_end(&r, c);
}

/* ---- registration ---- */

/* What the request says, checked. */
struct registration {
    int64_t cpu, memory;
    uint16_t *ports[2]; /* tcp, udp */
    size_t counts[2];
    struct json_t *document; /* of the instance identity; NULL: none */
};

static void registration_fini(struct registration *r)
{
    free(r->ports[0]);
    free(r->ports[1]);
    json_free(r->document);
}

static enum err_code read_ports(const struct jcur *resource, const char *name, uint16_t **out,
                                size_t *count, struct err *e)
{
    struct jcur set = jcur_arr(resource, "stringSetValue");

    if (!jcur_present(&set))
        return err_set(e, ERR_INVALID, "Resource %s has no stringSetValue.", name);
    *out = mem_array(jcur_len(&set) + 1, sizeof **out);
    *count = 0;
    JCUR_EACH (item, &set) {
        int64_t port;

        if (str_to_int(jcur_as_str(&item), 1, 65535, &port, e))
            return err_wrap(e, "Resource %s", name);
        (*out)[(*count)++] = (uint16_t)port;
    }
    return ERR_OK;
}

static enum err_code read_resources(const struct jcur *body, struct registration *r, struct err *e)
{
    static const char *const names[] = { "CPU", "MEMORY", "PORTS", "PORTS_UDP" };
    struct jcur list = jcur_arr(body, "totalResources");
    unsigned found = 0;

    JCUR_EACH (item, &list) {
        const char *name = jcur_str_or(&item, "name", "");
        const char *type = jcur_str_or(&item, "type", "");
        unsigned k = 0;

        while (k < COUNT_OF(names) && !streq(names[k], name))
            k++;
        if (k == COUNT_OF(names))
            return err_set(e, ERR_INVALID, "Unknown resource '%s'.", name);
        if (found & 1u << k)
            return err_set(e, ERR_INVALID, "Resource '%s' is given twice.", name);
        if (!streq(type, k < 2 ? "INTEGER" : "STRINGSET"))
            return err_set(e, ERR_INVALID, "Resource '%s' has the type '%s'.", name, type);
        found |= 1u << k;
        if (k < 2)
            *(k ? &r->memory : &r->cpu) = jcur_int_or(&item, "integerValue", 0, INT32_MAX, 0);
        else if (read_ports(&item, name, &r->ports[k - 2], &r->counts[k - 2], e))
            return e->code;
    }
    if (found != 0xf || r->cpu <= 0 || r->memory <= 0)
        return err_set(e, ERR_INVALID,
                       "totalResources must hold positive CPU and MEMORY, PORTS and PORTS_UDP.");
    return ERR_OK;
}

static enum err_code check_attributes(const struct jcur *body, struct err *e)
{
    struct jcur list = jcur_arr(body, "attributes");

    for (size_t i = 0; i < jcur_len(&list); i++) {
        struct jcur a = jcur_at(&list, i);
        const char *name = jcur_str_or(&a, "name", "");

        if (!*name || strlen(name) > 128 || strlen(jcur_str_or(&a, "value", "")) > 128)
            return err_set(e, ERR_INVALID, "Invalid attribute '%.140s'.", name);
        for (size_t k = 0; k < i; k++) {
            struct jcur other = jcur_at(&list, k);

            if (streq(jcur_str_or(&other, "name", ""), name))
                return err_set(e, ERR_INVALID, "Attribute '%s' is given twice.", name);
        }
    }
    return ERR_OK;
}

static bool reserved_name(const char *name)
{
    return str_starts(name, "ecs.") || str_starts(name, "com.amazonaws.");
}

/* The agent's own attributes are replaced; custom ones stay unless they are
 * given again, because an agent that registers again leaves them out. */
static void apply_attributes(struct ecs *x, struct instance *i, const struct jcur *body,
                             const struct jcur *document)
{
    struct jcur list = jcur_arr(body, "attributes");
    size_t kept = 0;
    char zone[64];

    for (size_t n = 0; n < i->attr_count; n++) {
        if (reserved_name(i->attrs[n].name)) {
            free(i->attrs[n].name);
            free(i->attrs[n].value);
        } else {
            i->attrs[kept++] = i->attrs[n];
        }
    }
    i->attr_count = kept;
    JCUR_EACH (a, &list) {
        model_instance_set_attribute(i, jcur_str_or(&a, "name", ""), jcur_str_or(&a, "value", ""));
    }
    snprintf(zone, sizeof zone, "%sa", x->model->region);
    model_instance_set_attribute(i, "ecs.availability-zone",
                                 jcur_str_or(document, "availabilityZone", zone));
    if (*jcur_str_or(document, "imageId", ""))
        model_instance_set_attribute(i, "ecs.ami-id", jcur_str_or(document, "imageId", ""));
    if (*jcur_str_or(document, "instanceType", ""))
        model_instance_set_attribute(i, "ecs.instance-type",
                                     jcur_str_or(document, "instanceType", ""));
}

static void apply(struct ecs *x, struct instance *i, const struct jcur *body,
                  struct registration *r, int64_t now_ms)
{
    struct err ignored = { 0 };
    struct jcur document = jcur_root(r->document, &ignored);
    struct jcur version = jcur_obj(body, "versionInfo"), tags = jcur_arr(body, "tags");

    i->cpu = r->cpu;
    i->memory = r->memory;
    free(i->tcp);
    free(i->udp);
    i->tcp = r->ports[0];
    i->udp = r->ports[1];
    i->tcp_count = r->counts[0];
    i->udp_count = r->counts[1];
    r->ports[0] = r->ports[1] = NULL;
    i->registered_ms = i->registered_ms ? i->registered_ms : now_ms;
    i->version++;
    mem_replace(&i->client_token, jcur_str_or(body, "clientToken", NULL));
    if (*jcur_str_or(&document, "instanceId", ""))
        mem_replace(&i->ec2_id, jcur_str_or(&document, "instanceId", ""));
    if (*jcur_str_or(&document, "instanceType", ""))
        mem_replace(&i->type, jcur_str_or(&document, "instanceType", ""));
    if (jcur_present(&version)) {
        mem_replace(&i->agent_version, jcur_str_or(&version, "agentVersion", NULL));
        mem_replace(&i->agent_hash, jcur_str_or(&version, "agentHash", NULL));
        mem_replace(&i->docker_version, jcur_str_or(&version, "dockerVersion", NULL));
    }
    tags_read(&i->tags, &tags);
    apply_attributes(x, i, body, &document);
}

/* The instance that this call registers again: by its ARN, or by the token of a
 * call whose answer was lost. */
static struct instance *known_instance(struct ecs *x, const struct cluster *cl,
                                       const struct jcur *body)
{
    const char *arn = jcur_str_or(body, "containerInstanceArn", NULL);
    const char *token = jcur_str_or(body, "clientToken", NULL);

    if (arn)
        return model_instance_find(x->model, cl, arn);
    LIST_FOREACH (n, next, &x->model->instances) {
        struct instance *i = MODEL_OF(n, instance);

        if (token && i->cluster == cl && i->client_token && streq(i->client_token, token) &&
            i->status != INSTANCE_INACTIVE)
            return i;
    }
    return NULL;
}

static void register_checked(struct ecs *x, struct cp_call *c, struct cluster *cl,
                             struct registration *r)
{
    struct instance *i = known_instance(x, cl, &c->body);
    struct err ignored = { 0 };
    struct jcur document = jcur_root(r->document, &ignored);
    const char *type = jcur_str_or(&document, "instanceType", "");
    char id[33];

    if (!i && jcur_str_or(&c->body, "containerInstanceArn", NULL)) {
        ecs_client_error(c, "The referenced container instance does not exist.");
        return;
    }
    if (i && i->status == INSTANCE_INACTIVE) {
        ecs_client_error(c, "The referenced container instance is inactive.");
        return;
    }
    if (i && i->type && *type && !streq(i->type, type)) {
        ecs_client_error(c, "Container instance type changes are not supported.");
        return;
    }
    if (!i) {
        ecs_new_id(x, id);
        i = model_instance_add(x->model, cl, id);
    }
    apply(x, i, &c->body, r, c->now_ms);
    ecs_changed(x);
    answer_instance(x, c, i);
}

void ecs_register_instance(struct ecs *x, struct cp_call *c)
{
    struct cluster *cl = ecs_cluster(x, c);
    struct registration r = { 0 };
    struct err e = { 0 };
    const char *document = jcur_str_or(&c->body, "instanceIdentityDocument", "");

    if (!cl)
        return;
    if (read_resources(&c->body, &r, &e) || check_attributes(&c->body, &e)) {
        cp_violation(x->server, "RegisterContainerInstance: %s", e.msg);
        ecs_parameter_error(c, "%s", e.msg);
    } else if (*document && json_parse(document, strlen(document), &r.document, &e)) {
        ecs_client_error(c, "The instance identity document could not be read: %s", e.msg);
    } else {
        register_checked(x, c, cl, &r);
    }
    registration_fini(&r);
}

/* ---- the other calls ---- */

static struct instance *instance_of(struct ecs *x, struct cp_call *c, const struct cluster *cl)
{
    struct instance *i =
        model_instance_find(x->model, cl, jcur_str_or(&c->body, "containerInstance", ""));

    if (!i)
        ecs_client_error(c, "Referenced container instance %s not found.",
                         jcur_str_or(&c->body, "containerInstance", ""));
    return i;
}

void ecs_deregister_instance(struct ecs *x, struct cp_call *c)
{
    struct cluster *cl = ecs_cluster(x, c);
    struct instance *i = cl ? instance_of(x, c, cl) : NULL;

    if (!i)
        return;
    if (!jcur_bool_or(&c->body, "force", false) &&
        model_count_tasks(x->model, NULL, i, TASK_RUNNING) +
                model_count_tasks(x->model, NULL, i, TASK_PENDING) >
            0) {
        ecs_parameter_error(c, "Found running tasks on the instance.");
        return;
    }
    LIST_FOREACH (n, next, &x->model->tasks) {
        struct task *t = MODEL_OF(n, task);

        if (t->instance == i && t->status != TASK_STOPPED)
            ecs_task_stopped(x, t, "UserInitiated",
                             "Container instance deregistration forced by user.", c->now_ms);
    }
    i->status = INSTANCE_INACTIVE;
    i->version++;
    acs_drop(x->acs, i, "the container instance was deregistered");
    ecs_changed(x);
    answer_instance(x, c, i);
}

static void write_missing(struct ecs *x, struct reply *r, const struct cluster *cl, const char *id)
{
    AUTO(str)
    char *arn = mem_printf("arn:aws:ecs:%s:%s:container-instance/%s/%s", x->model->region,
                           x->model->account, cl->name, id);

    reply_failure(r, str_starts(id, "arn:") ? id : arn, "MISSING");
}

static void answer_instances(struct ecs *x, struct cp_call *c, struct cluster *cl, bool tags)
{
    struct jcur list = jcur_arr(&c->body, "containerInstances");
    struct reply r;

    reply_begin(&r);
    for (int failures = 0; failures < 2; failures++) {
        jw_karray(&r.w, failures ? "failures" : "containerInstances");
        JCUR_EACH (item, &list) {
            const char *id = jcur_as_str(&item);
            struct instance *i = model_instance_find(x->model, cl, id);

            if (i && !failures)
                ecs_write_instance(x, &r.w, i, tags);
            else if (!i && failures)
                write_missing(x, &r, cl, id);
        }
        jw_end(&r.w);
    }
    reply_end(&r, c);
}

void ecs_describe_instances(struct ecs *x, struct cp_call *c)
{
    struct cluster *cl = ecs_cluster(x, c);

    if (cl)
        answer_instances(x, c, cl, ecs_included(&c->body, "TAGS"));
}

void ecs_list_instances(struct ecs *x, struct cp_call *c)
{
    struct cluster *cl = ecs_cluster(x, c);
    const char *status = jcur_str_or(&c->body, "status", NULL);
    const char *filter = jcur_str_or(&c->body, "filter", NULL);
    struct reply r;
    struct page p;

    if (!cl || !page_begin(&p, c))
        return;
    if (filter && !place_expression_valid(filter)) {
        ecs_parameter_error(c, "Invalid filter: %s", filter);
        return;
    }
    reply_begin(&r);
    jw_karray(&r.w, "containerInstanceArns");
    LIST_FOREACH (n, next, &x->model->instances) {
        const struct instance *i = MODEL_OF(n, instance);
        const struct place_host host = { .attrs = i->attrs, .attr_count = i->attr_count };

        if (i->cluster != cl || i->status == INSTANCE_INACTIVE ||
            (status && !streq(status, instance_status_name(i->status))) ||
            (filter && !place_expression_match(filter, &host)))
            continue;
        if (page_take(&p))
            jw_str(&r.w, i->arn);
    }
    jw_end(&r.w);
    page_end(&p, &r.w);
    reply_end(&r, c);
}

/* A draining instance gets nothing new. Only services move their tasks away, and
 * there are none here. */
void ecs_update_instances_state(struct ecs *x, struct cp_call *c)
{
    struct cluster *cl = ecs_cluster(x, c);
    const char *status = jcur_str_or(&c->body, "status", "");
    struct jcur list = jcur_arr(&c->body, "containerInstances");
    bool drain = streq(status, "DRAINING");

    if (!cl)
        return;
    if (!drain && !streq(status, "ACTIVE")) {
        ecs_parameter_error(c, "Container instance status should be one of [ACTIVE,DRAINING]");
        return;
    }
    if (jcur_len(&list) > 10) {
        ecs_parameter_error(c, "At most 10 container instances can be updated at once.");
        return;
    }
    JCUR_EACH (item, &list) {
        struct instance *i = model_instance_find(x->model, cl, jcur_as_str(&item));

        if (!i || i->status == INSTANCE_INACTIVE)
            continue;
        i->status = drain ? INSTANCE_DRAINING : INSTANCE_ACTIVE;
        i->version++;
    }
    ecs_changed(x);
    answer_instances(x, c, cl, false);
}
