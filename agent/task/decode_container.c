#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "task/internal.h"

static char *required(const struct jcur *c, const char *key)
{
    struct jcur m = jcur_get(c, key);
    const char *s = jcur_as_str(&m);

    if (!*s)
        jcur_fail(&m, "must not be empty");
    return mem_strdup(s);
}

/* ---- lists and maps ---- */

/* An empty list is no list: the image's own value holds. */
static void decode_strings(const struct jcur *array, char ***out, size_t *n)
{
    size_t len = jcur_len(array);

    if (!len)
        return;
    *out = mem_array(len + 1, sizeof **out);
    JCUR_EACH (item, array)
        (*out)[(*n)++] = mem_strdup(jcur_as_str(&item));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct task_kv *)a)->name, ((const struct task_kv *)b)->name);
}

void task_pairs_decode(const struct jcur *obj, struct task_kv **out, size_t *n)
{
    size_t cap = 0;
    struct jcur m;

    for (size_t i = 0; jcur_member(obj, i, &m) && jcur_ok(obj); i++) {
        if (i == TASK_MAX_PAIRS) {
            jcur_fail(obj, "more than %d members", TASK_MAX_PAIRS);
            return;
        }
        if (*n == cap) {
            cap = cap ? 2 * cap : 8;
            *out = mem_resize(*out, cap, sizeof **out);
        }
        (*out)[*n].name = mem_strdup(m.key);
        (*out)[*n].value = mem_strdup(jcur_present(&m) ? jcur_as_str(&m) : "");
        (*n)++;
    }
    if (*n)
        qsort(*out, *n, sizeof **out, by_name);
}

/* ---- ports ---- */

static void decode_range(const struct jcur *c, struct task_port *p)
{
    struct jcur m = jcur_get(c, "containerPortRange");
    const char *text = jcur_str_or(c, "containerPortRange", ""), *dash = strchr(text, '-');
    AUTO(str) char *left = mem_strndup(text, dash ? (size_t)(dash - text) : 0);
    int64_t first, last;

    if (!*text) {
        jcur_fail(c, "neither a containerPort nor a containerPortRange");
        return;
    }
    if (!dash || str_to_int(left, 1, 65535, &first, NULL) ||
        str_to_int(dash + 1, 1, 65535, &last, NULL) || first > last) {
        jcur_fail(&m, "expected 'first-last' within 1..65535, got '%.40s'", text);
        return;
    }
    p->range_first = (uint16_t)first;
    p->range_last = (uint16_t)last;
}

static void decode_ports(const struct jcur *array, struct task_container *out)
{
    size_t total = 0;

    out->ports = mem_array(jcur_len(array), sizeof *out->ports);
    JCUR_EACH (item, array) {
        struct task_port *p = &out->ports[out->n_ports++];
        struct jcur proto = jcur_get(&item, "protocol");
        const char *name = jcur_str_or(&item, "protocol", "tcp");

        if (streq(name, "udp"))
            p->proto = PORT_UDP;
        else if (!streq(name, "tcp"))
            jcur_fail(&proto, "unknown protocol '%.40s'", name);
        p->container_port = (uint16_t)jcur_int_or(&item, "containerPort", 0, 65535, 0);
        p->host_port = (uint16_t)jcur_int_or(&item, "hostPort", 0, 65535, 0);
        if (!p->container_port) {
            p->host_port = 0; /* a range never says where it goes on the host */
            decode_range(&item, p);
        }
        total += task_port_width(p);
        if (total > TASK_MAX_PORTS)
            jcur_fail(array, "more than %d ports", TASK_MAX_PORTS);
        if (!jcur_ok(array))
            return;
    }
}

/* ---- mounts, secrets ---- */

static void decode_mounts(const struct jcur *array, struct task_container *out)
{
    out->mounts = mem_array(jcur_len(array), sizeof *out->mounts);
    JCUR_EACH (item, array) {
        struct task_mount *m = &out->mounts[out->n_mounts++];

        m->source_volume = jcur_strdup_or(&item, "sourceVolume", "");
        m->container_path = required(&item, "containerPath");
        m->read_only = jcur_bool_or(&item, "readOnly", false);
    }
}

static void decode_secrets(const struct jcur *array, struct task_container *out)
{
    out->secrets = mem_array(jcur_len(array), sizeof *out->secrets);
    JCUR_EACH (item, array) {
        const char *type = jcur_str_or(&item, "type", "ENVIRONMENT_VARIABLE");
        const char *target = jcur_str_or(&item, "target", "CONTAINER");
        struct task_secret *s;

        /* The other types are in the wire model, but no agent acts on them. */
        if (!streq(type, "ENVIRONMENT_VARIABLE") && !streq(target, "LOG_DRIVER"))
            continue;
        s = &out->secrets[out->n_secrets++];
        s->name = required(&item, "name");
        s->value_from = required(&item, "valueFrom");
        s->region = jcur_strdup_or(&item, "region", "");
        s->provider = jcur_strdup_or(&item, "provider", "");
        s->log_driver = streq(target, "LOG_DRIVER");
    }
}

static void decode_env_files(const struct jcur *array, struct task_container *out)
{
    out->env_files = mem_array(jcur_len(array), sizeof *out->env_files);
    JCUR_EACH (item, array) {
        struct jcur type = jcur_get(&item, "type");
        const char *kind = jcur_str_or(&item, "type", "s3");

        if (!streq(kind, "s3"))
            jcur_fail(&type, "unknown type '%.40s'", kind);
        out->env_files[out->n_env_files++] = required(&item, "value");
    }
}

/* ---- policies ---- */

static void decode_restart(const struct jcur *c, struct task_restart *out)
{
    struct jcur p = jcur_obj(c, "restartPolicy"), codes = jcur_arr(&p, "ignoredExitCodes");

    out->enabled = jcur_bool_or(&p, "enabled", false);
    out->attempt_period_s = jcur_int_or(&p, "restartAttemptPeriod", 0, INT32_MAX, 0);
    out->ignored_codes = mem_array(jcur_len(&codes), sizeof *out->ignored_codes);
    JCUR_EACH (code, &codes)
        out->ignored_codes[out->n_ignored_codes++] = (int)jcur_as_int(&code, INT32_MIN, INT32_MAX);
}

/* A type from the future is no type: the agent's own settings vouch for the pull. */
static void decode_auth(const struct jcur *c, struct task_auth *out)
{
    struct jcur a = jcur_obj(c, "registryAuthentication");
    const char *type = jcur_str_or(&a, "type", "");
    struct jcur ecr = jcur_obj(&a, "ecrAuthData"), asm_data = jcur_obj(&a, "asmAuthData");

    if (streq(type, "ecr") && jcur_expect(&ecr, JSON_OBJ)) {
        out->kind = TASK_AUTH_ECR;
        out->region = jcur_strdup_or(&ecr, "region", "");
        out->registry_id = task_text_or_null(&ecr, "registryId");
        out->endpoint_override = task_text_or_null(&ecr, "endpointOverride");
        out->use_execution_role = jcur_bool_or(&ecr, "useExecutionRole", false);
    } else if (streq(type, "asm") && jcur_expect(&asm_data, JSON_OBJ)) {
        out->kind = TASK_AUTH_ASM;
        out->region = jcur_strdup_or(&asm_data, "region", "");
        out->secret_id = required(&asm_data, "credentialsParameter");
    }
}

/* ---- overrides ---- */

static void override_command(const struct jcur *o, struct task_container *out)
{
    struct jcur m, command = jcur_arr(o, "command");

    for (size_t i = 0; jcur_member(o, i, &m); i++) {
        if (strcasecmp(m.key, "command") != 0) {
            jcur_fail(o, "unknown member '%.80s'", m.key);
            return;
        }
    }
    if (!jcur_present(&command))
        return;
    for (size_t i = 0; i < out->n_command; i++)
        free(out->command[i]);
    free(out->command);
    out->command = NULL;
    out->n_command = 0;
    decode_strings(&command, &out->command, &out->n_command);
}

/* An object, or the text of one in a string. */
static void decode_overrides(const struct jcur *c, struct task_container *out)
{
    struct jcur o = jcur_get(c, "overrides"), inner;
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    const char *text;

    if (!jcur_present(&o) || !jcur_ok(c))
        return;
    if (jcur_type(&o) == JSON_OBJ) {
        override_command(&o, out);
        return;
    }
    text = jcur_as_str(&o);
    if (!jcur_ok(c))
        return;
    if (json_parse(text, strlen(text), &doc, &e)) {
        jcur_fail(&o, "%s", e.msg);
        return;
    }
    inner = jcur_root(doc, &e);
    if (jcur_type(&inner) == JSON_OBJ)
        override_command(&inner, out);
    else if (jcur_present(&inner))
        jcur_expect(&inner, JSON_OBJ);
    if (e.code)
        jcur_fail(&o, "%s", e.msg);
}

/* ---- dockerConfig ---- */

/* What decisions need of the host configuration. It is the control plane's text
 * for Docker: a fault in it is reported when the container is created, so here
 * whatever cannot be read is as good as absent. */
static void peek_host_config(const char *text, struct task_container *out)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root, log, options;
    int64_t bytes;

    if (json_parse(text, strlen(text), &doc, &e))
        return;
    root = jcur_root(doc, &e);
    bytes = jcur_int_or(&root, "MemoryReservation", 0, INT64_MAX, 0);
    out->memory_reservation_mib = bytes >> 20;
    e.code = ERR_OK;
    log = jcur_get(&root, "LogConfig");
    out->log_driver = task_text_or_null(&log, "Type");
    options = jcur_obj(&log, "Config");
    task_pairs_decode(&options, &out->log_options, &out->n_log_options);
}

static void decode_docker_config(const struct jcur *c, struct task_container *out)
{
    struct jcur d = jcur_obj(c, "dockerConfig");

    out->docker_config = jcur_strdup_or(&d, "config", NULL);
    out->docker_host_config = jcur_strdup_or(&d, "hostConfig", NULL);
    out->docker_version = task_text_or_null(&d, "version");
    if (out->docker_host_config)
        peek_host_config(out->docker_host_config, out);
}

/* ---- the container ---- */

static void decode_scalars(const struct jcur *c, struct task_container *out)
{
    out->name = required(c, "name");
    out->image = required(c, "image");
    out->arn = task_text_or_null(c, "containerArn");
    out->essential = jcur_bool_or(c, "essential", false);
    out->cpu_shares = jcur_int_or(c, "cpu", 0, INT32_MAX, 0);
    out->memory_mib = jcur_int_or(c, "memory", 0, INT32_MAX, 0);
    out->start_timeout_s = jcur_int_or(c, "startTimeout", 0, INT32_MAX, 0);
    out->stop_timeout_s = jcur_int_or(c, "stopTimeout", 0, INT32_MAX, 0);
    if (out->stop_timeout_s == 0)
        out->stop_timeout_s = -1;
    out->health_docker = strcasecmp(jcur_str_or(c, "healthCheckType", ""), "docker") == 0;
    out->log_execution_role = streq(jcur_str_or(c, "logsAuthStrategy", ""), "ExecutionRole");
}

void task_container_decode(const struct jcur *c, struct task_container *out)
{
    struct jcur command = jcur_arr(c, "command");
    struct jcur entry_point = jcur_arr(c, "entryPoint");
    struct jcur env = jcur_obj(c, "environment");
    struct jcur ports = jcur_arr(c, "portMappings");
    struct jcur mounts = jcur_arr(c, "mountPoints");
    struct jcur secrets = jcur_arr(c, "secrets");
    struct jcur env_files = jcur_arr(c, "environmentFiles");

    jcur_expect(c, JSON_OBJ);
    decode_scalars(c, out);
    decode_strings(&command, &out->command, &out->n_command);
    decode_strings(&entry_point, &out->entry_point, &out->n_entry_point);
    task_pairs_decode(&env, &out->env, &out->n_env);
    decode_ports(&ports, out);
    decode_mounts(&mounts, out);
    decode_secrets(&secrets, out);
    decode_env_files(&env_files, out);
    decode_restart(c, &out->restart);
    decode_auth(c, &out->auth);
    decode_overrides(c, out);
    decode_docker_config(c, out);
}
