/* The state file: one JSON document, replaced as a whole. Secrets of role
 * credentials are not in it; they are made anew. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "model.h"

#define STATE_MAX (256 << 20)
/* Numbers that were given out after the last save must not come again. */
#define SEQ_GAP 1000

/* ---- writing ---- */

static void write_tags(struct jw *w, const struct tags *t)
{
    jw_key(w, "tags");
    tags_write(t, w);
}

static void write_ports(struct jw *w, const char *key, const uint16_t *ports, size_t n)
{
    jw_karray(w, key);
    for (size_t i = 0; i < n; i++)
        jw_int(w, ports[i]);
    jw_end(w);
}

static void write_cluster(struct jw *w, const struct cluster *c)
{
    jw_object(w);
    jw_kstr(w, "name", c->name);
    jw_kbool(w, "active", c->active);
    write_tags(w, &c->tags);
    jw_end(w);
}

static void write_instance(struct jw *w, const struct instance *i)
{
    jw_object(w);
    jw_kstr(w, "cluster", i->cluster->name);
    jw_kstr(w, "id", i->id);
    jw_kstr_if(w, "ec2", i->ec2_id);
    jw_kstr_if(w, "type", i->type);
    jw_kstr_if(w, "clientToken", i->client_token);
    jw_kstr_if(w, "agentVersion", i->agent_version);
    jw_kstr_if(w, "agentHash", i->agent_hash);
    jw_kstr_if(w, "dockerVersion", i->docker_version);
    jw_kint(w, "status", i->status);
    jw_kint(w, "cpu", i->cpu);
    jw_kint(w, "memory", i->memory);
    write_ports(w, "tcp", i->tcp, i->tcp_count);
    write_ports(w, "udp", i->udp, i->udp_count);
    jw_kint(w, "registered", i->registered_ms);
    jw_kint(w, "version", i->version);
    jw_kint(w, "seq", i->seq);
    jw_karray(w, "attributes");
    for (size_t n = 0; n < i->attr_count; n++) {
        jw_array(w);
        jw_str(w, i->attrs[n].name);
        jw_str(w, i->attrs[n].value);
        jw_end(w);
    }
    jw_end(w);
    write_tags(w, &i->tags);
    jw_end(w);
}

static void write_taskdef(struct jw *w, const struct taskdef *td)
{
    jw_object(w);
    jw_kstr(w, "family", td->family);
    jw_kint(w, "revision", td->revision);
    jw_kbool(w, "active", td->active);
    jw_kint(w, "registered", td->registered_ms);
    jw_kint(w, "deregistered", td->deregistered_ms);
    jw_kstr_if(w, "registeredBy", td->registered_by);
    jw_key(w, "definition");
    jw_value(w, td->doc);
    write_tags(w, &td->tags);
    jw_end(w);
}

static void write_container(struct jw *w, const struct container *c)
{
    jw_object(w);
    jw_kstr(w, "arn", c->arn);
    jw_kint(w, "status", c->status);
    jw_kstr_if(w, "runtimeId", c->runtime_id);
    jw_kstr_if(w, "imageDigest", c->image_digest);
    jw_kstr_if(w, "reason", c->reason);
    jw_kstr_if(w, "bindings", c->bindings);
    if (c->exited)
        jw_kint(w, "exitCode", c->exit_code);
    jw_end(w);
}

static void write_task(struct jw *w, const struct task *t)
{
    jw_object(w);
    jw_kstr(w, "id", t->id);
    jw_kstr(w, "instance", t->instance->arn);
    jw_kstr(w, "definition", t->def->arn);
    jw_kstr_if(w, "group", t->group);
    jw_kstr_if(w, "startedBy", t->started_by);
    jw_kstr_if(w, "clientToken", t->client_token);
    if (t->overrides) {
        jw_key(w, "overrides");
        jw_value(w, t->overrides);
    }
    jw_kint(w, "status", t->status);
    jw_kint(w, "desired", t->desired);
    jw_kint(w, "acked", t->acked);
    jw_kstr_if(w, "stopCode", t->stop_code);
    jw_kstr_if(w, "stoppedReason", t->stopped_reason);
    jw_kint(w, "version", t->version);
    jw_kint(w, "created", t->created_ms);
    jw_kint(w, "pullStarted", t->pull_started_ms);
    jw_kint(w, "pullStopped", t->pull_stopped_ms);
    jw_kint(w, "started", t->started_ms);
    jw_kint(w, "stopping", t->stopping_ms);
    jw_kint(w, "stopped", t->stopped_ms);
    jw_kint(w, "executionStopped", t->execution_stopped_ms);
    jw_kint(w, "protectedUntil", t->protected_until_ms);
    jw_kstr_if(w, "taskRoleId", t->task_role.id);
    jw_kstr_if(w, "executionRoleId", t->execution_role.id);
    jw_karray(w, "containers");
    for (size_t i = 0; i < t->container_count; i++)
        write_container(w, &t->containers[i]);
    jw_end(w);
    write_tags(w, &t->tags);
    jw_end(w);
}

static void write_model(struct jw *w, const struct cp_model *m)
{
    jw_object(w);
    jw_kint(w, "format", 1);
    jw_karray(w, "clusters");
    LIST_FOREACH (n, next, &m->clusters)
        write_cluster(w, MODEL_OF(n, cluster));
    jw_end(w);
    jw_karray(w, "instances");
    LIST_FOREACH (n, next, &m->instances)
        write_instance(w, MODEL_OF(n, instance));
    jw_end(w);
    jw_karray(w, "taskDefinitions");
    LIST_FOREACH (n, next, &m->taskdefs)
        write_taskdef(w, MODEL_OF(n, taskdef));
    jw_end(w);
    jw_karray(w, "tasks");
    LIST_FOREACH (n, next, &m->tasks)
        write_task(w, MODEL_OF(n, task));
    jw_end(w);
    jw_end(w);
}

static enum err_code write_file(const char *path, struct str text, struct err *e)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    enum err_code code = ERR_OK;

    if (fd < 0)
        return err_errno(e, errno, "open %s", path);
    for (size_t done = 0; done < text.n && !code;) {
        ssize_t n = write(fd, text.p + done, text.n - done);

        if (n < 0 && errno != EINTR)
            code = err_errno(e, errno, "write %s", path);
        done += n > 0 ? (size_t)n : 0;
    }
    if (!code && fsync(fd))
        code = err_errno(e, errno, "fsync %s", path);
    close(fd);
    return code;
}

enum err_code model_save(const struct cp_model *m, const char *path, struct err *e)
{
    AUTO(str) char *next = mem_printf("%s.new", path);
    struct buf text = BUF_INIT(STATE_MAX);
    enum err_code code;
    struct jw w;

    jw_init(&w, &text);
    write_model(&w, m);
    if (text.overflowed)
        code = err_set(e, ERR_LIMIT, "the state is larger than %d bytes", STATE_MAX);
    else
        code = write_file(next, buf_str(&text), e);
    buf_fini(&text);
    if (!code && rename(next, path))
        code = err_errno(e, errno, "rename %s", next);
    return code;
}

/* ---- reading ---- */

static void read_ports(const struct jcur *list, uint16_t **out, size_t *count)
{
    *count = jcur_len(list);
    *out = mem_array(*count + 1, sizeof **out);
    for (size_t i = 0; i < *count; i++) {
        struct jcur item = jcur_at(list, i);

        (*out)[i] = (uint16_t)jcur_as_int(&item, 1, 65535);
    }
}

static void read_tags(const struct jcur *c, struct tags *t)
{
    struct jcur list = jcur_arr(c, "tags");

    tags_read(t, &list);
}

static void read_cluster(struct cp_model *m, const struct jcur *c)
{
    struct cluster *cl = model_cluster_add(m, jcur_str(c, "name"));

    cl->active = jcur_bool_or(c, "active", true);
    read_tags(c, &cl->tags);
}

static void read_instance(struct cp_model *m, const struct jcur *c)
{
    struct cluster *cl = model_cluster_find(m, jcur_str(c, "cluster"));
    struct jcur tcp = jcur_arr(c, "tcp"), udp = jcur_arr(c, "udp");
    struct jcur attributes = jcur_arr(c, "attributes");
    struct instance *i;

    if (!cl) {
        jcur_fail(c, "its cluster is unknown");
        return;
    }
    i = model_instance_add(m, cl, jcur_str(c, "id"));
    i->ec2_id = jcur_strdup_or(c, "ec2", NULL);
    i->type = jcur_strdup_or(c, "type", NULL);
    i->client_token = jcur_strdup_or(c, "clientToken", NULL);
    i->agent_version = jcur_strdup_or(c, "agentVersion", NULL);
    i->agent_hash = jcur_strdup_or(c, "agentHash", NULL);
    i->docker_version = jcur_strdup_or(c, "dockerVersion", NULL);
    i->status = (enum instance_status)jcur_int(c, "status", INSTANCE_ACTIVE, INSTANCE_INACTIVE);
    i->cpu = jcur_int(c, "cpu", 0, INT64_MAX);
    i->memory = jcur_int(c, "memory", 0, INT64_MAX);
    read_ports(&tcp, &i->tcp, &i->tcp_count);
    read_ports(&udp, &i->udp, &i->udp_count);
    i->registered_ms = jcur_int(c, "registered", 0, INT64_MAX);
    i->version = jcur_int(c, "version", 0, INT64_MAX);
    i->seq = jcur_int(c, "seq", 0, INT32_MAX - SEQ_GAP) + SEQ_GAP;
    JCUR_EACH (a, &attributes) {
        struct jcur name = jcur_at(&a, 0), value = jcur_at(&a, 1);

        model_instance_set_attribute(i, jcur_as_str(&name), jcur_as_str(&value));
    }
    read_tags(c, &i->tags);
}

/* A copy of the part of a document that `c` points at. */
static struct json_t *copy_of(const struct jcur *c)
{
    struct buf text = BUF_INIT(4 << 20);
    struct json_t *copy = NULL;

    if (!json_dump(c->val, &text) || json_parse(buf_text(&text), text.len, &copy, c->err))
        jcur_fail(c, "it could not be read");
    buf_fini(&text);
    return copy;
}

static void read_taskdef(struct cp_model *m, const struct jcur *c)
{
    struct jcur definition = jcur_obj(c, "definition");
    AUTO(json) struct json_t *doc = NULL;
    struct taskdef *td;

    if (!jcur_present(&definition)) {
        jcur_fail(c, "it has no definition");
        return;
    }
    doc = copy_of(&definition);
    td = model_taskdef_add(m, jcur_str(c, "family"), (int)jcur_int(c, "revision", 1, INT32_MAX),
                           &doc);
    td->active = jcur_bool_or(c, "active", true);
    td->registered_ms = jcur_int(c, "registered", 0, INT64_MAX);
    td->deregistered_ms = jcur_int(c, "deregistered", 0, INT64_MAX);
    td->registered_by = jcur_strdup_or(c, "registeredBy", NULL);
    read_tags(c, &td->tags);
}

static void read_container(const struct jcur *c, struct container *out)
{
    struct jcur exit_code = jcur_get(c, "exitCode");

    mem_replace(&out->arn, jcur_str(c, "arn"));
    out->status = (enum task_status)jcur_int(c, "status", TASK_NONE, TASK_STOPPED);
    out->runtime_id = jcur_strdup_or(c, "runtimeId", NULL);
    out->image_digest = jcur_strdup_or(c, "imageDigest", NULL);
    out->reason = jcur_strdup_or(c, "reason", NULL);
    out->bindings = jcur_strdup_or(c, "bindings", NULL);
    out->exited = jcur_present(&exit_code);
    out->exit_code = (int)jcur_int_or(c, "exitCode", INT32_MIN, INT32_MAX, 0);
}

static void read_task(struct cp_model *m, const struct jcur *c, struct rng *rng)
{
    struct instance *i = model_instance_find(m, NULL, jcur_str(c, "instance"));
    struct taskdef *td = model_taskdef_find(m, jcur_str(c, "definition"));
    struct jcur overrides = jcur_obj(c, "overrides"), containers = jcur_arr(c, "containers");
    AUTO(json) struct json_t *doc = NULL;
    struct task *t;

    if (!i || !td) {
        jcur_fail(c, "its instance or its definition is unknown");
        return;
    }
    doc = jcur_present(&overrides) ? copy_of(&overrides) : NULL;
    t = model_task_add(m, i, td, jcur_str(c, "id"), &doc, rng);
    t->group = jcur_strdup_or(c, "group", NULL);
    t->started_by = jcur_strdup_or(c, "startedBy", NULL);
    t->client_token = jcur_strdup_or(c, "clientToken", NULL);
    t->status = (enum task_status)jcur_int(c, "status", TASK_NONE, TASK_STOPPED);
    t->desired = (enum task_status)jcur_int(c, "desired", TASK_NONE, TASK_STOPPED);
    t->acked = (enum task_status)jcur_int(c, "acked", TASK_NONE, TASK_STOPPED);
    t->stop_code = jcur_strdup_or(c, "stopCode", NULL);
    t->stopped_reason = jcur_strdup_or(c, "stoppedReason", NULL);
    t->version = jcur_int(c, "version", 0, INT64_MAX);
    t->created_ms = jcur_int(c, "created", 0, INT64_MAX);
    t->pull_started_ms = jcur_int(c, "pullStarted", 0, INT64_MAX);
    t->pull_stopped_ms = jcur_int(c, "pullStopped", 0, INT64_MAX);
    t->started_ms = jcur_int(c, "started", 0, INT64_MAX);
    t->stopping_ms = jcur_int(c, "stopping", 0, INT64_MAX);
    t->stopped_ms = jcur_int(c, "stopped", 0, INT64_MAX);
    t->execution_stopped_ms = jcur_int(c, "executionStopped", 0, INT64_MAX);
    t->protected_until_ms = jcur_int_or(c, "protectedUntil", 0, INT64_MAX, 0);
    snprintf(t->task_role.id, sizeof t->task_role.id, "%s", jcur_str_or(c, "taskRoleId", ""));
    snprintf(t->execution_role.id, sizeof t->execution_role.id, "%s",
             jcur_str_or(c, "executionRoleId", ""));
    for (size_t n = 0; n < jcur_len(&containers) && n < t->container_count; n++) {
        struct jcur item = jcur_at(&containers, n);

        read_container(&item, &t->containers[n]);
    }
    read_tags(c, &t->tags);
}

static enum err_code read_model(struct cp_model *m, const struct jcur *root, struct rng *rng,
                                struct err *e)
{
    struct jcur clusters = jcur_arr(root, "clusters"), instances = jcur_arr(root, "instances");
    struct jcur taskdefs = jcur_arr(root, "taskDefinitions"), tasks = jcur_arr(root, "tasks");

    if (jcur_int(root, "format", 1, INT32_MAX) != 1)
        return err_set(e, ERR_INVALID, "the state file has a format that is not known");
    JCUR_EACH (c, &clusters) {
        read_cluster(m, &c);
    }
    JCUR_EACH (i, &instances) {
        read_instance(m, &i);
    }
    JCUR_EACH (td, &taskdefs) {
        read_taskdef(m, &td);
    }
    JCUR_EACH (t, &tasks) {
        read_task(m, &t, rng);
    }
    return e->code;
}

enum err_code model_load(struct cp_model *m, const char *path, struct rng *rng, struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct buf text = BUF_INIT(STATE_MAX);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum err_code code = ERR_OK;
    struct jcur root;
    ssize_t n = 1;

    if (fd < 0)
        return errno == ENOENT ? ERR_OK : err_errno(e, errno, "open");
    while (n > 0 && !code) {
        char *room = buf_reserve(&text, 65536);

        n = room ? read(fd, room, 65536) : -1;
        if (n < 0)
            code = room ? err_errno(e, errno, "read") : err_set(e, ERR_LIMIT, "too large");
        else
            buf_grew(&text, (size_t)n);
    }
    close(fd);
    if (!code)
        code = json_parse(buf_text(&text), text.len, &doc, e);
    buf_fini(&text);
    if (code)
        return code;
    root = jcur_root(doc, e);
    return read_model(m, &root, rng, e);
}
