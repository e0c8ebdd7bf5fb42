/* translate: a task as the reference keeps it becomes one as the control plane sends it. The
 * reference stores what it was sent under the same names (with capitals, which readers of that
 * shape do not mind), and puts its own findings between them; only what the control plane sends is
 * copied, so that the store holds nothing else. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "reference/internal.h"

#define INTERNAL_BEGIN "~internal~"

static const char *const task_members[] = {
    "family",  "version", "serviceName", "group",  "launchType",   "networkMode",
    "pidMode", "ipcMode", "cpu",         "memory", "associations", "enableFaultInjection",
};

static const char *const container_members[] = {
    "name",
    "image",
    "containerArn",
    "essential",
    "cpu",
    "memory",
    "command",
    "entryPoint",
    "links",
    "volumesFrom",
    "mountPoints",
    "portMappings",
    "secrets",
    "environmentFiles",
    "overrides",
    "dockerConfig",
    "registryAuthentication",
    "healthCheckType",
    "logsAuthStrategy",
    "startTimeout",
    "stopTimeout",
    "restartPolicy",
    "firelensConfiguration",
    "credentialSpecs",
};

/* What the agent itself puts into each container's environment. */
static const char *const own_variables[] = {
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "ECS_CONTAINER_METADATA_URI",
    "ECS_CONTAINER_METADATA_URI_V4",
    "ECS_AGENT_URI",
};

/* ---- reading ---- */

const char *ref_text(const struct jcur *c, const char *key)
{
    const char *text = jcur_str_or(c, key, NULL);

    return str_empty(text) ? NULL : text;
}

/* Our statuses have no name for "its network is there", which comes after RUNNING. */
static enum ctr_status container_status(const struct jcur *c, const char *key)
{
    const char *text = jcur_str_or(c, key, "NONE");
    struct jcur m = jcur_get(c, key);

    for (enum ctr_status s = CTR_NONE; s <= CTR_STOPPED; s++)
        if (streq(text, ctr_status_name(s)))
            return s;
    if (streq(text, "RESOURCES_PROVISIONED"))
        return CTR_RUNNING;
    if (streq(text, "DEAD"))
        return CTR_STOPPED;
    if (*text && !streq(text, "UNKNOWN"))
        jcur_fail(&m, "unknown status '%.80s'", text);
    return CTR_NONE;
}

static enum task_status status_of(const struct jcur *c, const char *key)
{
    enum task_status out = TASK_NONE;
    struct jcur m = jcur_get(c, key);
    struct err e = { 0 };

    if (jcur_present(&m) && task_status_parse(jcur_as_str(&m), &out, &e))
        jcur_fail(&m, "%s", e.msg);
    return out;
}

static const char *type_of(const struct jcur *c)
{
    struct jcur m = jcur_get(c, "IsInternal");

    if (jcur_type(&m) == JSON_BOOL) /* of releases before 1.14 */
        return jcur_bool_or(c, "IsInternal", false) ? "EMPTY_HOST_VOLUME" : "NORMAL";
    return jcur_str_or(c, "IsInternal", "NORMAL");
}

/* `def` ends with the caller's turn; what it hangs from does not. */
static void read_part(const char *task_id, const struct jcur *def, ref_find_fn *find, void *user,
                      struct ref_part *p)
{
    const struct jcur *of = &p->def;

    p->def = *def;
    p->name = jcur_str(&p->def, "Name");
    p->type = type_of(&p->def);
    if (jcur_ok(&p->def) && find(user, task_id, p->name, &p->row)) {
        p->docker_id = ref_text(&p->row, "DockerId");
        p->docker_name = ref_text(&p->row, "DockerName");
        p->own = jcur_obj(&p->row, "Container");
        if (jcur_present(&p->own))
            of = &p->own;
    }
    if (!p->docker_id)
        p->docker_id = ref_text(of, "RuntimeID");
    if (!jcur_present(&p->own))
        p->own = p->def;
    p->known = container_status(&p->own, "KnownStatus");
    p->sent = container_status(&p->own, "SentStatus");
    if (p->known == CTR_STOPPED && !p->docker_id)
        p->docker_name = NULL; /* it never came to be */
}

/* The first error of all the documents that it is in; NULL: none. */
static const char *error_of(const struct ref_part *p)
{
    const struct jcur *const in[] = { &p->def, &p->row, &p->own };

    for (size_t i = 0; i < COUNT_OF(in); i++)
        if (in[i]->err && !jcur_ok(in[i]))
            return in[i]->err->msg;
    return NULL;
}

enum err_code ref_source_read(struct ref_source *s, ref_find_fn *find, void *user, struct err *e)
{
    const struct jcur *task = s->task;
    const char *arn = jcur_str(task, "Arn"), *id = str_after_last(arn, '/');

    s->containers = jcur_arr(task, "Containers");
    s->desired = status_of(task, "DesiredStatus");
    s->known = status_of(task, "KnownStatus");
    s->sent = status_of(task, "SentStatus");
    if (jcur_len(&s->containers) > TASK_MAX_CONTAINERS)
        jcur_fail(&s->containers, "more than %d", TASK_MAX_CONTAINERS);
    if (!jcur_ok(task))
        return err_set(e, ERR_INVALID, "%s", task->err->msg);
    s->parts = mem_array(jcur_len(&s->containers), sizeof *s->parts);
    JCUR_EACH (item, &s->containers) {
        struct ref_part *p = &s->parts[s->n++];

        read_part(id, &item, find, user, p);
        if (error_of(p))
            return err_set(e, ERR_INVALID, "%s", error_of(p));
    }
    return ERR_OK;
}

/* ---- as the control plane sends it ---- */

static void copy(struct jw *w, const struct jcur *from, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct jcur m = jcur_get(from, names[i]);

        if (!jcur_present(&m))
            continue;
        jw_key(w, names[i]);
        jw_value(w, m.val);
    }
}

static bool is_own(const char *variable)
{
    for (size_t i = 0; i < COUNT_OF(own_variables); i++)
        if (streq(variable, own_variables[i]))
            return true;
    return false;
}

static bool is_secret(const struct jcur *def, const char *variable)
{
    static const char type[] = "ENVIRONMENT_VARIABLE";
    struct jcur secrets = jcur_arr(def, "secrets");

    JCUR_EACH (item, &secrets)
        if (streq(jcur_str_or(&item, "type", type), type) &&
            streq(jcur_str_or(&item, "name", ""), variable))
            return true;
    return false;
}

/* When the reference makes a container it writes the values of secrets, and what is in environment
 * files, among its variables, and keeps them so. Secrets have names; what came from files looks
 * like any variable, but a container that was made needs none of them any more. */
static void write_environment(struct jw *w, const struct ref_part *p)
{
    struct jcur env = jcur_get(&p->def, "environment"),
                files = jcur_arr(&p->def, "environmentFiles");
    struct jcur m;
    bool made = p->docker_id || p->known == CTR_STOPPED;

    jw_kobject(w, "environment");
    for (size_t i = 0; !(made && jcur_len(&files)) && jcur_member(&env, i, &m); i++) {
        if (is_own(m.key) || is_secret(&p->def, m.key))
            continue;
        jw_key(w, m.key);
        jw_value(w, m.val);
    }
    jw_end(w);
}

/* What links and volumesFrom imply is among them already, which does no harm. */
static void write_deps(struct jw *w, const struct jcur *def)
{
    struct jcur deps = jcur_arr(def, "dependsOn");

    jw_karray(w, "dependsOn");
    JCUR_EACH (item, &deps)
        if (!str_starts(jcur_str_or(&item, "containerName", ""), INTERNAL_BEGIN))
            jw_value(w, item.val);
    jw_end(w);
}

static void write_credentials(struct jw *w, const struct jcur *task, const char *from,
                              const char *to)
{
    const char *id = ref_text(task, from);

    if (!id)
        return;
    jw_kobject(w, to);
    jw_kstr(w, "credentialsId", id);
    jw_end(w);
}

static bool has_interfaces(const struct jcur *task)
{
    struct jcur eni = jcur_get(task, "ENI");

    return jcur_type(&eni) == JSON_OBJ || jcur_len(&eni) > 0;
}

/* What a task of ours cannot have is written so that the decoder says it. */
static void write_foreign(struct jw *w, const struct jcur *task)
{
    struct jcur connect = jcur_get(task, "ServiceConnectConfig");

    if (!jcur_present(&connect))
        return;
    jw_karray(w, "attachments");
    jw_object(w);
    jw_kstr(w, "attachmentType", "serviceconnectdetail");
    jw_end(w);
    jw_end(w);
}

static void write_task(struct jw *w, const struct ref_source *s, enum task_status desired)
{
    struct jcur volumes = jcur_get(s->task, "volumes");

    jw_object(w);
    jw_kstr(w, "arn", jcur_str(s->task, "Arn"));
    jw_kstr(w, "desiredStatus", task_status_name(desired));
    if (has_interfaces(s->task))
        jw_kstr(w, "networkMode", "awsvpc");
    else
        copy(w, s->task, (const char *const[]){ "networkMode" }, 1);
    for (size_t i = 0; i < COUNT_OF(task_members); i++)
        if (!streq(task_members[i], "networkMode"))
            copy(w, s->task, &task_members[i], 1);
    write_credentials(w, s->task, "credentialsID", "roleCredentials");
    write_credentials(w, s->task, "executionCredentialsID", "executionRoleCredentials");
    write_foreign(w, s->task);
    if (jcur_present(&volumes)) {
        jw_key(w, "volumes");
        jw_value(w, volumes.val);
    }
    jw_karray(w, "containers");
    for (size_t i = 0; i < s->n; i++) {
        if (!streq(s->parts[i].type, "NORMAL"))
            continue;
        jw_object(w);
        copy(w, &s->parts[i].def, container_members, COUNT_OF(container_members));
        write_environment(w, &s->parts[i]);
        write_deps(w, &s->parts[i].def);
        jw_end(w);
    }
    jw_end(w);
    jw_end(w);
}

enum err_code ref_source_decode(const struct ref_source *s, enum task_status desired,
                                struct task **out, struct err *e)
{
    AUTO(buf) struct buf text = BUF_SECRET(TASK_MAX_JSON);
    struct jw w;

    jw_init(&w, &text);
    write_task(&w, s, desired);
    if (!jcur_ok(s->task))
        return err_set(e, ERR_INVALID, "%s", s->task->err->msg);
    if (text.overflowed)
        return err_set(e, ERR_LIMIT, "it is larger than %d bytes", TASK_MAX_JSON);
    return task_decode_text(buf_text(&text), text.len, out, e);
}
