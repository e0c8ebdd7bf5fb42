#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "task/internal.h"

/* ---- credentials ---- */

static void wipe(char **s)
{
    mem_wipe(*s);
    *s = NULL;
}

void task_credentials_fini(struct task_credentials *c)
{
    wipe(&c->id);
    wipe(&c->role_arn);
    wipe(&c->access_key);
    wipe(&c->secret_key);
    wipe(&c->session_token);
    wipe(&c->expiration);
}

/* The id, NULL when there are no credentials. */
static char *decode_credentials_id(const struct jcur *c)
{
    struct jcur id = jcur_get(c, "credentialsId");
    const char *text;

    if (!jcur_present(c))
        return NULL;
    text = jcur_as_str(&id);
    if (!*text)
        jcur_fail(&id, "must not be empty");
    return mem_strdup(text);
}

enum err_code task_decode_credentials(const struct jcur *c, struct task_credentials *out,
                                      struct err *e)
{
    struct task_credentials got = { 0 };

    if (jcur_present(c) && jcur_ok(c) && jcur_expect(c, JSON_OBJ)) {
        got.id = decode_credentials_id(c);
        got.role_arn = jcur_strdup_or(c, "roleArn", "");
        got.access_key = secret_strdup(jcur_str_or(c, "accessKeyId", ""));
        got.secret_key = secret_strdup(jcur_str_or(c, "secretAccessKey", ""));
        got.session_token = secret_strdup(jcur_str_or(c, "sessionToken", ""));
        got.expiration = jcur_strdup_or(c, "expiration", "");
    }
    if (!jcur_ok(c)) {
        task_credentials_fini(&got);
        if (e && e != c->err)
            *e = *c->err;
        return c->err->code;
    }
    *out = got;
    return ERR_OK;
}

/* ---- what the store keeps ---- */

static bool is_credentials(const char *key)
{
    return strcasecmp(key, "roleCredentials") == 0 ||
           strcasecmp(key, "executionRoleCredentials") == 0;
}

/* Of credentials only what is no secret is copied, so that a member nobody
 * thought of cannot slip through. Other objects of a task hold none. */
static enum err_code copy_without_credentials(const struct jcur *root, char **out, struct err *e)
{
    AUTO(buf) struct buf b = BUF_INIT(TASK_MAX_JSON);
    struct jcur m;
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    for (size_t i = 0; jcur_member(root, i, &m); i++) {
        if (i == TASK_MAX_PAIRS)
            return err_set(e, ERR_LIMIT, "the task has more than %d members", TASK_MAX_PAIRS);
        jw_key(&w, m.key);
        if (is_credentials(m.key) && jcur_type(&m) == JSON_OBJ) {
            jw_object(&w);
            jw_kstr_if(&w, "credentialsId", jcur_str_or(&m, "credentialsId", NULL));
            jw_kstr_if(&w, "roleArn", jcur_str_or(&m, "roleArn", NULL));
            jw_end(&w);
        } else if (is_credentials(m.key)) {
            jw_null(&w);
        } else {
            jw_value(&w, m.val);
        }
    }
    jw_end(&w);
    if (b.overflowed)
        return err_set(e, ERR_LIMIT, "the task's JSON is larger than %d bytes", TASK_MAX_JSON);
    *out = buf_take(&b);
    return ERR_OK;
}

/* ---- the task ---- */

char *task_text_or_null(const struct jcur *c, const char *key)
{
    const char *s = jcur_str_or(c, key, NULL);

    return str_empty(s) ? NULL : mem_strdup(s);
}

static void decode_identity(const struct jcur *root, struct task *t)
{
    struct jcur arn = jcur_get(root, "arn");

    t->arn = mem_strdup(jcur_as_str(&arn));
    t->id = mem_strdup(str_after_last(t->arn, '/'));
    if (!*t->id)
        jcur_fail(&arn, "expected the ARN of a task, got '%.200s'", t->arn);
    t->family = jcur_strdup_or(root, "family", "");
    t->version = jcur_strdup_or(root, "version", "");
    t->group = task_text_or_null(root, "group");
    t->service_name = task_text_or_null(root, "serviceName");
    t->launch_type = task_text_or_null(root, "launchType");
    t->fault_injection = jcur_bool_or(root, "enableFaultInjection", false);
}

static void decode_desired(const struct jcur *root, struct task *t)
{
    struct jcur m = jcur_get(root, "desiredStatus");
    struct err e = { 0 };

    if (jcur_present(&m) && task_status_parse(jcur_as_str(&m), &t->desired, &e))
        jcur_fail(&m, "%s", e.msg);
}

/* An unknown network mode means no mode at all. */
static char *decode_network_mode(const struct jcur *root)
{
    static const char *const known[] = { "awsvpc", "bridge", "host", "none" };
    const char *mode = jcur_str_or(root, "networkMode", "bridge");

    if (!*mode)
        return mem_strdup("bridge");
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (streq(mode, known[i]))
            return mem_strdup(mode);
    return mem_strdup("");
}

static void decode_limits(const struct jcur *root, struct task *t)
{
    struct jcur cpu = jcur_get(root, "cpu");

    t->cpu_vcpus = jcur_num_or(root, "cpu", 0);
    if (t->cpu_vcpus < 0 || t->cpu_vcpus > 1e6)
        jcur_fail(&cpu, "%g is not in 0..1000000", t->cpu_vcpus);
    t->memory_mib = jcur_int_or(root, "memory", 0, INT32_MAX, 0);
}

static bool shares_namespaces(const struct task *t)
{
    return (t->pid_mode && streq(t->pid_mode, "task")) ||
           (t->ipc_mode && streq(t->ipc_mode, "task"));
}

/* It holds the namespaces that the others share, so they wait for it. The last one,
 * so that they keep their indexes; after all names were resolved, so that none of
 * them can mean it. */
static void add_pause(struct task *t)
{
    size_t pause = t->n_containers;

    for (size_t i = 0; i < pause; i++) {
        struct task_container *c = &t->containers[i];

        c->deps[c->n_deps++] = (struct task_dep){ pause, DEP_START };
    }
    t->containers[pause] = (struct task_container){ .name = mem_strdup(TASK_PAUSE_NAME),
                                                    .image = mem_strdup(TASK_PAUSE_IMAGE),
                                                    .essential = true,
                                                    .internal = true,
                                                    .stop_timeout_s = -1 };
    t->n_containers++;
}

static void decode_containers(const struct jcur *root, struct task *t)
{
    struct jcur array = jcur_arr(root, "containers");
    size_t n = jcur_len(&array);
    bool pause = n && shares_namespaces(t);

    if (n + pause > TASK_MAX_CONTAINERS) {
        jcur_fail(&array, "%zu are more than %d", n, TASK_MAX_CONTAINERS - pause);
        return;
    }
    if (!n && t->desired != TASK_STOPPED)
        jcur_fail(&array, "a task needs at least one container");
    t->containers = mem_array(n + pause, sizeof *t->containers);
    JCUR_EACH (item, &array) {
        struct task_container *c = &t->containers[t->n_containers];
        int twin;

        task_container_decode(&item, c);
        twin = task_find_container(t, c->name);
        if (twin >= 0 || streq(c->name, TASK_PAUSE_NAME)) {
            struct jcur name = jcur_get(&item, "name");

            if (twin >= 0)
                jcur_fail(&name, "'%.200s' is the name of containers[%d] already", c->name, twin);
            else
                jcur_fail(&name, "'%s' is the name of the agent's own container", c->name);
        }
        t->n_containers++;
        if (!jcur_ok(root))
            return;
    }
    task_order_resolve(&array, t);
    if (pause && jcur_ok(root))
        add_pause(t);
}

static void decode_volumes(const struct jcur *root, struct task *t)
{
    struct jcur array = jcur_arr(root, "volumes");

    t->volumes = mem_array(jcur_len(&array), sizeof *t->volumes);
    JCUR_EACH (item, &array) {
        if (task_volume_is_foreign(&item))
            continue;
        task_volume_decode(&item, &t->volumes[t->n_volumes++]);
        if (!jcur_ok(root))
            return;
    }
}

static void decode_task(const struct jcur *root, struct task *t)
{
    struct jcur role = jcur_obj(root, "roleCredentials");
    struct jcur execution = jcur_obj(root, "executionRoleCredentials");

    decode_identity(root, t);
    decode_desired(root, t);
    decode_limits(root, t);
    t->network_mode = decode_network_mode(root);
    t->pid_mode = task_text_or_null(root, "pidMode");
    t->ipc_mode = task_text_or_null(root, "ipcMode");
    t->role_credentials_id = decode_credentials_id(&role);
    t->execution_credentials_id = decode_credentials_id(&execution);
    decode_volumes(root, t);
    decode_containers(root, t);
    /* What is to be stopped needs nothing: its end can be told without it. */
    if (t->desired != TASK_STOPPED && jcur_ok(root))
        task_refuse_unsupported(root, t);
}

enum err_code task_decode(const struct json_t *v, struct task **out, struct err *e)
{
    AUTO(task) struct task *t = NEW(struct task);
    struct err first = { 0 }, limit = { 0 };
    struct jcur root = jcur_root(v, &first);

    if (jcur_type(&root) != JSON_OBJ)
        return err_set(e, ERR_INVALID, "expected a task, which is a JSON object");
    /* The copy comes first: it bounds everything that is allocated below. */
    if (copy_without_credentials(&root, &t->json, &limit))
        return err_set(e, limit.code, "%s", limit.msg);
    decode_task(&root, t);
    if (first.code)
        return err_set(e, first.code, "%s", first.msg);
    *out = t;
    t = NULL;
    return ERR_OK;
}

struct task *task_with_arn(const struct task *t, const char *arn)
{
    AUTO(buf) struct buf b = BUF_INIT(TASK_MAX_JSON);
    AUTO(json) struct json_t *v = NULL;
    struct task *out = NULL;
    struct err e = { 0 };
    struct jcur root, m;
    struct jw w;

    if (json_parse(t->json, strlen(t->json), &v, &e))
        return NULL;
    root = jcur_root(v, &e);
    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "arn", arn);
    for (size_t i = 0; jcur_member(&root, i, &m); i++) {
        if (strcasecmp(m.key, "arn") == 0)
            continue;
        jw_key(&w, m.key);
        jw_value(&w, m.val);
    }
    jw_end(&w);
    if (b.overflowed || task_decode_text(b.data, b.len, &out, &e))
        return NULL;
    return out;
}

enum err_code task_decode_text(const char *text, size_t n, struct task **out, struct err *e)
{
    AUTO(json) struct json_t *v = NULL;

    if (n > TASK_MAX_JSON)
        return err_set(e, ERR_LIMIT, "the task's JSON is larger than %d bytes", TASK_MAX_JSON);
    if (json_parse(text, n, &v, e))
        return e ? e->code : ERR_INVALID;
    return task_decode(v, out, e);
}
