#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* ---- names ---- */

static const char *const task_names[] = { "NONE", "PENDING", "RUNNING", "STOPPED" };

const char *task_status_name(enum task_status s)
{
    return task_names[s];
}

enum task_status task_status_parse(const char *name)
{
    for (int i = TASK_PENDING; i <= TASK_STOPPED; i++)
        if (streq(name, task_names[i]))
            return (enum task_status)i;
    return TASK_NONE;
}

const char *instance_status_name(enum instance_status s)
{
    static const char *const names[] = { "ACTIVE", "DRAINING", "INACTIVE" };

    return names[s];
}

/* ---- tags ---- */

void tags_set(struct tags *t, const char *key, const char *value)
{
    for (size_t i = 0; i < t->n; i++) {
        if (streq(t->v[i].key, key)) {
            mem_replace(&t->v[i].value, value);
            return;
        }
    }
    t->v = mem_resize(t->v, t->n + 1, sizeof *t->v);
    t->v[t->n++] = (struct tag){ mem_strdup(key), mem_strdup(value) };
}

void tags_unset(struct tags *t, const char *key)
{
    for (size_t i = 0; i < t->n; i++) {
        if (!streq(t->v[i].key, key))
            continue;
        free(t->v[i].key);
        free(t->v[i].value);
        t->v[i] = t->v[--t->n];
        return;
    }
}

void tags_read(struct tags *t, const struct jcur *list)
{
    JCUR_EACH (tag, list) {
        tags_set(t, jcur_str_or(&tag, "key", ""), jcur_str_or(&tag, "value", ""));
    }
}

void tags_write(const struct tags *t, struct jw *w)
{
    jw_array(w);
    for (size_t i = 0; i < t->n; i++) {
        jw_object(w);
        jw_kstr(w, "key", t->v[i].key);
        jw_kstr(w, "value", t->v[i].value);
        jw_end(w);
    }
    jw_end(w);
}

void tags_fini(struct tags *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->v[i].key);
        free(t->v[i].value);
    }
    free(t->v);
    *t = (struct tags){ 0 };
}

/* ---- life ---- */

struct cp_model *model_create(const char *region, const char *account)
{
    struct cp_model *m = NEW(struct cp_model);

    list_init(&m->clusters);
    list_init(&m->instances);
    list_init(&m->taskdefs);
    list_init(&m->tasks);
    m->region = mem_strdup(region);
    m->account = mem_strdup(account);
    return m;
}

static void cluster_destroy(struct cluster *c)
{
    free(c->name);
    free(c->arn);
    tags_fini(&c->tags);
    free(c);
}

static void instance_destroy(struct instance *i)
{
    char *texts[] = { i->id,           i->arn,           i->ec2_id,     i->type,
                      i->client_token, i->agent_version, i->agent_hash, i->docker_version };

    for (size_t n = 0; n < COUNT_OF(texts); n++)
        free(texts[n]);
    for (size_t n = 0; n < i->attr_count; n++) {
        free(i->attrs[n].name);
        free(i->attrs[n].value);
    }
    free(i->attrs);
    free(i->tcp);
    free(i->udp);
    tags_fini(&i->tags);
    free(i);
}

static void taskdef_destroy(struct taskdef *td)
{
    free(td->family);
    free(td->arn);
    free(td->registered_by);
    json_free(td->doc);
    tags_fini(&td->tags);
    free(td);
}

static void container_fini(struct container *c)
{
    char *texts[] = { c->name,   c->arn,      c->image, c->runtime_id, c->image_digest,
                      c->reason, c->bindings, c->cpu,   c->memory,     c->memory_reservation,
                      c->health };

    for (size_t n = 0; n < COUNT_OF(texts); n++)
        free(texts[n]);
}

static void role_fini(struct role *r)
{
    free(r->arn);
    explicit_bzero(r, sizeof *r);
}

static void task_destroy(struct task *t)
{
    char *texts[] = { t->id,           t->arn,       t->group,         t->started_by,
                      t->client_token, t->stop_code, t->stopped_reason };

    for (size_t n = 0; n < COUNT_OF(texts); n++)
        free(texts[n]);
    for (size_t n = 0; n < t->container_count; n++)
        container_fini(&t->containers[n]);
    free(t->containers);
    json_free(t->overrides);
    taskdef_need_fini(&t->need);
    tags_fini(&t->tags);
    role_fini(&t->task_role);
    role_fini(&t->execution_role);
    free(t);
}

void model_destroy(struct cp_model *m)
{
    if (!m)
        return;
    LIST_FOREACH (n, next, &m->tasks)
        task_destroy(MODEL_OF(n, task));
    LIST_FOREACH (n, next, &m->taskdefs)
        taskdef_destroy(MODEL_OF(n, taskdef));
    LIST_FOREACH (n, next, &m->instances)
        instance_destroy(MODEL_OF(n, instance));
    LIST_FOREACH (n, next, &m->clusters)
        cluster_destroy(MODEL_OF(n, cluster));
    free(m->region);
    free(m->account);
    free(m);
}

/* ---- clusters ---- */

struct cluster *model_cluster_find(struct cp_model *m, const char *name_or_arn)
{
    const char *text = str_empty(name_or_arn) ? "default" : name_or_arn;

    LIST_FOREACH (n, next, &m->clusters) {
        struct cluster *c = MODEL_OF(n, cluster);

        if (streq(c->name, text) || streq(c->arn, text))
            return c;
    }
    return NULL;
}

struct cluster *model_cluster_add(struct cp_model *m, const char *name)
{
    struct cluster *c = NEW(struct cluster);

    c->name = mem_strdup(name);
    c->arn = mem_printf("arn:aws:ecs:%s:%s:cluster/%s", m->region, m->account, name);
    c->active = true;
    list_push_back(&m->clusters, &c->node);
    return c;
}

/* ---- instances ---- */

struct instance *model_instance_find(struct cp_model *m, const struct cluster *c,
                                     const char *id_or_arn)
{
    LIST_FOREACH (n, next, &m->instances) {
        struct instance *i = MODEL_OF(n, instance);

        if ((!c || i->cluster == c) && (streq(i->id, id_or_arn) || streq(i->arn, id_or_arn)))
            return i;
    }
    return NULL;
}

struct instance *model_instance_add(struct cp_model *m, struct cluster *c, const char *id)
{
    struct instance *i = NEW(struct instance);

    i->cluster = c;
    i->id = mem_strdup(id);
    i->arn = mem_printf("arn:aws:ecs:%s:%s:container-instance/%s/%s", m->region, m->account,
                        c->name, id);
    list_push_back(&m->instances, &i->node);
    return i;
}

void model_instance_set_attribute(struct instance *i, const char *name, const char *value)
{
    for (size_t n = 0; n < i->attr_count; n++) {
        if (streq(i->attrs[n].name, name)) {
            mem_replace(&i->attrs[n].value, value ? value : "");
            return;
        }
    }
    i->attrs = mem_resize(i->attrs, i->attr_count + 1, sizeof *i->attrs);
    i->attrs[i->attr_count++] =
        (struct place_attr){ mem_strdup(name), mem_strdup(value ? value : "") };
}

const char *model_instance_attribute(const struct instance *i, const char *name)
{
    const struct place_host h = { .attrs = i->attrs, .attr_count = i->attr_count };

    return place_attribute(&h, name);
}

/* ---- task definitions ---- */

struct taskdef *model_taskdef_find(struct cp_model *m, const char *text)
{
    const char *mark = strchr(text, '/');
    struct taskdef *latest = NULL;

    LIST_FOREACH (n, next, &m->taskdefs) {
        struct taskdef *td = MODEL_OF(n, taskdef);

        if (streq(td->arn, text) || (!mark && streq(str_after_last(td->arn, '/'), text)))
            return td;
        if (streq(td->family, text) && td->active && (!latest || td->revision > latest->revision))
            latest = td;
    }
    return latest;
}

struct taskdef *model_taskdef_add(struct cp_model *m, const char *family, int revision,
                                  struct json_t **doc)
{
    struct taskdef *td = NEW(struct taskdef);

    td->family = mem_strdup(family);
    td->revision = revision;
    td->arn = mem_printf("arn:aws:ecs:%s:%s:task-definition/%s:%d", m->region, m->account, family,
                         revision);
    td->active = true;
    td->doc = *doc;
    *doc = NULL;
    list_push_back(&m->taskdefs, &td->node);
    return td;
}

int model_taskdef_next_revision(const struct cp_model *m, const char *family)
{
    int revision = 0;

    LIST_FOREACH (n, next, &m->taskdefs) {
        const struct taskdef *td = MODEL_OF(n, taskdef);

        if (streq(td->family, family) && td->revision > revision)
            revision = td->revision;
    }
    return revision + 1;
}

struct jcur model_taskdef_cursor(struct taskdef *td)
{
    return jcur_root(td->doc, &td->err);
}

/* ---- tasks ---- */

/* The newest come first: those are asked for most. */
struct task *model_task_find(struct cp_model *m, const struct cluster *c, const char *id_or_arn)
{
    for (struct list *n = m->tasks.prev; n != &m->tasks; n = n->prev) {
        struct task *t = MODEL_OF(n, task);

        if ((!c || t->cluster == c) && (streq(t->arn, id_or_arn) || streq(t->id, id_or_arn)))
            return t;
    }
    return NULL;
}

static char *size_text(const struct jcur *c, const struct jcur *override, const char *key,
                       bool zero_too)
{
    int64_t v = jcur_int_or(override, key, 0, INT32_MAX, jcur_int_or(c, key, 0, INT32_MAX, 0));

    return v || zero_too ? mem_printf("%lld", (long long)v) : NULL;
}

static void add_containers(struct cp_model *m, struct task *t, const struct jcur *def,
                           const struct jcur *overrides, struct rng *rng)
{
    struct jcur list = jcur_arr(def, "containerDefinitions"), over_list;

    t->container_count = jcur_len(&list);
    t->containers = mem_array(t->container_count, sizeof *t->containers);
    for (size_t i = 0; i < t->container_count; i++) {
        struct container *c = &t->containers[i];
        struct jcur cur = jcur_at(&list, i), over;
        char uuid[RNG_UUID_SIZE];

        rng_uuid(rng, uuid);
        c->name = jcur_strdup_or(&cur, "name", "");
        c->image = jcur_strdup_or(&cur, "image", "");
        c->arn = mem_printf("arn:aws:ecs:%s:%s:container/%s/%s/%s", m->region, m->account,
                            t->cluster->name, t->id, uuid);
        c->essential = jcur_bool_or(&cur, "essential", true);
        c->status = TASK_PENDING;
        over = taskdef_override(overrides, c->name, &over_list);
        c->cpu = size_text(&cur, &over, "cpu", true);
        c->memory = size_text(&cur, &over, "memory", false);
        c->memory_reservation = size_text(&cur, &over, "memoryReservation", false);
    }
}

struct task *model_task_add(struct cp_model *m, struct instance *i, struct taskdef *td,
                            const char *id, struct json_t **overrides, struct rng *rng)
{
    struct task *t = NEW(struct task);
    struct jcur def = model_taskdef_cursor(td), over;
    const char *task_role, *execution_role;

    t->cluster = i->cluster;
    t->instance = i;
    t->def = td;
    t->id = mem_strdup(id);
    t->arn =
        mem_printf("arn:aws:ecs:%s:%s:task/%s/%s", m->region, m->account, i->cluster->name, id);
    t->overrides = *overrides;
    *overrides = NULL;
    over = model_task_overrides(t);
    t->status = TASK_PENDING;
    t->desired = TASK_RUNNING;
    t->version = 1;
    taskdef_need(&def, &over, &t->need);
    add_containers(m, t, &def, &over, rng);
    task_role = jcur_str_or(&over, "taskRoleArn", jcur_str_or(&def, "taskRoleArn", ""));
    execution_role =
        jcur_str_or(&over, "executionRoleArn", jcur_str_or(&def, "executionRoleArn", ""));
    if (*task_role)
        t->task_role.arn = mem_strdup(task_role);
    if (*execution_role)
        t->execution_role.arn = mem_strdup(execution_role);
    list_push_back(&m->tasks, &t->node);
    m->task_count++;
    return t;
}

void model_task_remove(struct cp_model *m, struct task *t)
{
    list_remove(&t->node);
    m->task_count--;
    task_destroy(t);
}

struct jcur model_task_overrides(struct task *t)
{
    return jcur_root(t->overrides, &t->overrides_err);
}

struct container *model_container_find(struct task *t, const char *name)
{
    for (size_t i = 0; i < t->container_count; i++)
        if (streq(t->containers[i].name, name))
            return &t->containers[i];
    return NULL;
}

static void random_text(struct rng *rng, const char *letters, size_t n, char *out)
{
    size_t count = strlen(letters);

    for (size_t i = 0; i < n; i++)
        out[i] = letters[rng_below(rng, count)];
    out[n] = '\0';
}

void model_role_renew(struct role *r, struct rng *rng, int64_t now_ms)
{
    static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    if (!*r->id)
        rng_uuid(rng, r->id);
    snprintf(r->access_key, sizeof r->access_key, "ASIA");
    random_text(rng, upper, 16, r->access_key + 4);
    random_text(rng, all, 40, r->secret);
    random_text(rng, all, 120, r->token);
    r->expires_ms = now_ms + MODEL_LIFE_MS;
    r->sent = false;
}

/* ---- accounting ---- */

static void append_ports(uint16_t **list, size_t *count, const uint16_t *more, size_t n)
{
    if (n == 0)
        return;
    *list = mem_resize(*list, *count + n, sizeof **list);
    memcpy(*list + *count, more, n * sizeof **list);
    *count += n;
}

void model_host(struct cp_model *m, struct instance *i, const char *group, struct place_host *out)
{
    uint16_t *tcp = NULL, *udp = NULL;

    *out = (struct place_host){
        .arn = i->arn,
        .active = i->status == INSTANCE_ACTIVE,
        .connected = i->conn != NULL,
        .cpu_free = i->cpu,
        .memory_free = i->memory,
        .attrs = i->attrs,
        .attr_count = i->attr_count,
    };
    append_ports(&tcp, &out->tcp_count, i->tcp, i->tcp_count);
    append_ports(&udp, &out->udp_count, i->udp, i->udp_count);
    LIST_FOREACH (n, next, &m->tasks) {
        struct task *t = MODEL_OF(n, task);

        if (t->instance != i || t->status == TASK_STOPPED)
            continue;
        out->cpu_free -= t->need.cpu;
        out->memory_free -= t->need.memory;
        append_ports(&tcp, &out->tcp_count, t->need.tcp, t->need.tcp_count);
        append_ports(&udp, &out->udp_count, t->need.udp, t->need.udp_count);
        if (group && t->group && streq(t->group, group))
            out->group_tasks++;
    }
    out->tcp = tcp;
    out->udp = udp;
}

void model_host_fini(struct place_host *h)
{
    free((void *)h->tcp);
    free((void *)h->udp);
    h->tcp = h->udp = NULL;
}

size_t model_count_tasks(struct cp_model *m, const struct cluster *c, const struct instance *i,
                         enum task_status status)
{
    size_t count = 0;

    LIST_FOREACH (n, next, &m->tasks) {
        const struct task *t = MODEL_OF(n, task);

        count += (!c || t->cluster == c) && (!i || t->instance == i) && t->status == status;
    }
    return count;
}
