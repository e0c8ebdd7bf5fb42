/* A task's JSON for eyes that must not see secrets. It is written from the
 * decoded task and not filtered from its JSON: what nobody thought of stays out. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "task/internal.h"

/* A control character grows sixfold when it is quoted, and once more inside the
 * text of dockerConfig. */
#define REDACTED_MAX (8 * (size_t)TASK_MAX_JSON)

static bool keep_awslogs(const char *name)
{
    return str_starts(name, "awslogs-");
}

static void write_pairs(struct jw *w, const char *key, const struct task_kv *pairs, size_t n,
                        bool (*keep)(const char *name))
{
    if (!n)
        return;
    jw_kobject(w, key);
    for (size_t i = 0; i < n; i++)
        jw_kstr(w, pairs[i].name, keep && keep(pairs[i].name) ? pairs[i].value : "");
    jw_end(w);
}

/* Arguments often carry passwords; how many there are does not. */
static void write_blanks(struct jw *w, const char *key, size_t n)
{
    if (!n)
        return;
    jw_karray(w, key);
    while (n--)
        jw_str(w, "");
    jw_end(w);
}

void task_write_ports(struct jw *w, const struct task_container *c)
{
    jw_karray(w, "portMappings");
    for (size_t i = 0; i < c->n_ports; i++) {
        const struct task_port *p = &c->ports[i];

        jw_object(w);
        jw_kint(w, "containerPort", p->container_port);
        jw_kint(w, "hostPort", p->host_port);
        jw_kstr(w, "protocol", port_proto_name(p->proto));
        if (!p->container_port) {
            AUTO(str) char *range = mem_printf("%d-%d", p->range_first, p->range_last);

            jw_kstr(w, "containerPortRange", range);
        }
        jw_end(w);
    }
    jw_end(w);
}

void task_write_deps(struct jw *w, const struct task *t, const struct task_container *c)
{
    jw_karray(w, "dependsOn");
    for (size_t i = 0; i < c->n_deps; i++) {
        if (t->containers[c->deps[i].target].internal)
            continue; /* the modes of the task imply it */
        jw_object(w);
        jw_kstr(w, "containerName", t->containers[c->deps[i].target].name);
        jw_kstr(w, "condition", dep_condition_name(c->deps[i].condition));
        jw_end(w);
    }
    jw_end(w);
}

static void write_relations(struct jw *w, const struct task *t, const struct task_container *c)
{
    jw_karray(w, "mountPoints");
    for (size_t i = 0; i < c->n_mounts; i++) {
        jw_object(w);
        jw_kstr(w, "sourceVolume", c->mounts[i].source_volume);
        jw_kstr(w, "containerPath", c->mounts[i].container_path);
        jw_kbool(w, "readOnly", c->mounts[i].read_only);
        jw_end(w);
    }
    jw_end(w);
    jw_karray(w, "volumesFrom");
    for (size_t i = 0; i < c->n_from; i++) {
        jw_object(w);
        jw_kstr(w, "sourceContainer", t->containers[c->from[i].source].name);
        jw_kbool(w, "readOnly", c->from[i].read_only);
        jw_end(w);
    }
    jw_end(w);
    jw_karray(w, "links");
    for (size_t i = 0; i < c->n_links; i++) {
        AUTO(str)
        char *link = mem_printf("%s:%s", t->containers[c->links[i].target].name, c->links[i].alias);

        jw_str(w, link);
    }
    jw_end(w);
    task_write_deps(w, t, c);
}

static void write_secrets(struct jw *w, const struct task_container *c)
{
    jw_karray(w, "secrets");
    for (size_t i = 0; i < c->n_secrets; i++) {
        const struct task_secret *s = &c->secrets[i];

        jw_object(w);
        jw_kstr(w, "name", s->name);
        jw_kstr(w, "valueFrom", s->value_from);
        jw_kstr_if(w, "region", s->region);
        jw_kstr_if(w, "provider", s->provider);
        jw_kstr(w, "type", "ENVIRONMENT_VARIABLE");
        jw_kstr(w, "target", s->log_driver ? "LOG_DRIVER" : "CONTAINER");
        jw_end(w);
    }
    jw_end(w);
}

static void write_env_files(struct jw *w, const struct task_container *c)
{
    jw_karray(w, "environmentFiles");
    for (size_t i = 0; i < c->n_env_files; i++) {
        jw_object(w);
        jw_kstr(w, "value", c->env_files[i]);
        jw_kstr(w, "type", "s3");
        jw_end(w);
    }
    jw_end(w);
}

void task_write_restart(struct jw *w, const struct task_restart *p)
{
    if (!p->enabled)
        return;
    jw_kobject(w, "restartPolicy");
    jw_kbool(w, "enabled", true);
    jw_kint(w, "restartAttemptPeriod", p->attempt_period_s);
    jw_karray(w, "ignoredExitCodes");
    for (size_t i = 0; i < p->n_ignored_codes; i++)
        jw_int(w, p->ignored_codes[i]);
    jw_end(w);
    jw_end(w);
}

static void write_auth(struct jw *w, const struct task_auth *a)
{
    if (a->kind == TASK_AUTH_ENGINE)
        return;
    jw_kobject(w, "registryAuthentication");
    jw_kstr(w, "type", a->kind == TASK_AUTH_ECR ? "ecr" : "asm");
    jw_kobject(w, a->kind == TASK_AUTH_ECR ? "ecrAuthData" : "asmAuthData");
    jw_kstr_if(w, "region", a->region);
    jw_kstr_if(w, "registryId", a->registry_id);
    jw_kstr_if(w, "endpointOverride", a->endpoint_override);
    if (a->kind == TASK_AUTH_ECR)
        jw_kbool(w, "useExecutionRole", a->use_execution_role);
    jw_kstr_if(w, "credentialsParameter", a->secret_id);
    jw_end(w);
    jw_end(w);
}

static void write_host_config(struct jw *w, const struct task_container *c)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root;

    if (json_parse(c->docker_host_config, strlen(c->docker_host_config), &doc, &e))
        e.code = ERR_OK;
    root = jcur_root(doc, &e);
    jw_object(w);
    jw_kstr_if(w, "NetworkMode", jcur_str_or(&root, "NetworkMode", NULL));
    if (c->memory_reservation_mib)
        jw_kint(w, "MemoryReservation", c->memory_reservation_mib << 20);
    if (c->log_driver || c->n_log_options) {
        jw_kobject(w, "LogConfig");
        jw_kstr_if(w, "Type", c->log_driver);
        write_pairs(w, "Config", c->log_options, c->n_log_options, keep_awslogs);
        jw_end(w);
    }
    jw_end(w);
}

void task_write_docker_config(struct jw *w, const struct task_container *c)
{
    AUTO(buf) struct buf text = BUF_INIT(REDACTED_MAX);
    struct jw inner;

    jw_kobject(w, "dockerConfig");
    if (c->docker_config)
        jw_kstr(w, "config", "{}");
    if (c->docker_host_config) {
        jw_init(&inner, &text);
        write_host_config(&inner, c);
        jw_key(w, "hostConfig");
        jw_strn(w, buf_str(&text));
    }
    jw_kstr_if(w, "version", c->docker_version);
    jw_end(w);
}

static void write_container(struct jw *w, const struct task *t, const struct task_container *c)
{
    jw_object(w);
    jw_kstr(w, "name", c->name);
    jw_kstr(w, "image", c->image);
    jw_kstr_if(w, "containerArn", c->arn);
    jw_kbool(w, "essential", c->essential);
    jw_kint(w, "cpu", c->cpu_shares);
    jw_kint(w, "memory", c->memory_mib);
    write_blanks(w, "command", c->n_command);
    write_blanks(w, "entryPoint", c->n_entry_point);
    write_pairs(w, "environment", c->env, c->n_env, NULL);
    task_write_ports(w, c);
    write_relations(w, t, c);
    write_secrets(w, c);
    write_env_files(w, c);
    task_write_restart(w, &c->restart);
    write_auth(w, &c->auth);
    jw_kint(w, "startTimeout", c->start_timeout_s);
    if (c->stop_timeout_s > 0)
        jw_kint(w, "stopTimeout", c->stop_timeout_s);
    if (c->health_docker)
        jw_kstr(w, "healthCheckType", "docker");
    if (c->log_execution_role)
        jw_kstr(w, "logsAuthStrategy", "ExecutionRole");
    task_write_docker_config(w, c);
    jw_end(w);
}

static void write_volume(struct jw *w, const struct task_volume *v)
{
    bool docker = v->kind != VOLUME_HOST;

    jw_object(w);
    jw_kstr(w, "name", v->name);
    jw_kstr(w, "type", docker ? "docker" : "host");
    jw_kobject(w, docker ? "dockerVolumeConfiguration" : "host");
    if (docker) {
        jw_kstr(w, "scope", v->kind == VOLUME_SHARED ? "shared" : "task");
        jw_kbool(w, "autoprovision", v->autoprovision);
        jw_kstr_if(w, "driver", v->driver);
        write_pairs(w, "driverOpts", v->driver_opts, v->n_driver_opts, NULL);
        write_pairs(w, "labels", v->labels, v->n_labels, NULL);
    } else {
        jw_kstr(w, "sourcePath", v->host_path ? v->host_path : "");
    }
    jw_end(w);
    jw_end(w);
}

static void write_credentials_id(struct jw *w, const char *key, const char *id)
{
    if (!id)
        return;
    jw_kobject(w, key);
    jw_kstr(w, "credentialsId", id);
    jw_end(w);
}

/* A double survives in 17 digits. */
void task_write_cpu(struct jw *w, double vcpus)
{
    AUTO(str) char *text = mem_printf("%.17g", vcpus);

    jw_key(w, "cpu");
    jw_raw(w, str_of(text));
}

char *task_redacted_json(const struct task *t)
{
    struct buf b = BUF_INIT(REDACTED_MAX);
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "arn", t->arn);
    jw_kstr(&w, "family", t->family);
    jw_kstr(&w, "version", t->version);
    jw_kstr_if(&w, "group", t->group);
    jw_kstr_if(&w, "serviceName", t->service_name);
    jw_kstr_if(&w, "launchType", t->launch_type);
    if (t->fault_injection)
        jw_kbool(&w, "enableFaultInjection", true);
    jw_kstr(&w, "desiredStatus", task_status_name(t->desired));
    /* The empty mode stands for an unknown one; absent would mean bridge. */
    jw_kstr(&w, "networkMode", *t->network_mode ? t->network_mode : "unknown");
    jw_kstr_if(&w, "pidMode", t->pid_mode);
    jw_kstr_if(&w, "ipcMode", t->ipc_mode);
    task_write_cpu(&w, t->cpu_vcpus);
    jw_kint(&w, "memory", t->memory_mib);
    write_credentials_id(&w, "roleCredentials", t->role_credentials_id);
    write_credentials_id(&w, "executionRoleCredentials", t->execution_credentials_id);
    jw_karray(&w, "containers");
    for (size_t i = 0; i < t->n_containers; i++)
        if (!t->containers[i].internal)
            write_container(&w, t, &t->containers[i]);
    jw_end(&w);
    jw_karray(&w, "volumes");
    for (size_t i = 0; i < t->n_volumes; i++)
        write_volume(&w, &t->volumes[i]);
    jw_end(&w);
    jw_end(&w);
    return buf_take(&b);
}
