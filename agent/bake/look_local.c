/* look_local: what this machine says without anybody else, on workers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bake/internal.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "io/http_server.h"
#include "io/unix_server.h"

#define LIMIT_MS  3000
#define FILTER_MS 7000 /* iptables waits for others, 5 s */

enum job { JOB_FILES, JOB_DISK, JOB_AGENT, JOB_FILTER, JOB_ENGINE_DISK, JOB_CGROUPS, JOB__COUNT };

struct look_job {
    struct look_local *of;
    enum job which;
    struct work *work;
    struct err err;
};

struct look_local {
    struct preflight *p;
    struct look_job jobs[JOB__COUNT];
};

/* ---- on workers ---- */

static void look_at_path(struct preflight_path *p)
{
    struct stat st;

    p->there = p->path && stat(p->path, &st) == 0;
    if (!p->there)
        return;
    p->folder = S_ISDIR(st.st_mode);
    p->mode = st.st_mode;
    p->owner = st.st_uid;
}

static void look_at_files(struct preflight_facts *f)
{
    f->self = geteuid();
    for (size_t i = 0; i < PREFLIGHT_PATHS; i++)
        look_at_path(&f->paths[i]);
}

/* Where the folder will be made, when it is not there yet. */
static char *nearest(const char *path)
{
    char *at = mem_strdup(path);

    while (access(at, F_OK) != 0) {
        char *slash = strrchr(at, '/');

        if (!slash || slash == at) {
            free(at);
            return mem_strdup("/");
        }
        *slash = '\0';
    }
    return at;
}

static void look_at_disk(struct preflight *p, struct err *e)
{
    p->facts.disk_path = nearest(p->config->data_dir);
    (void)!host_read_disk(p->facts.disk_path, &p->facts.disk, e);
}

static void on_status(void *user, struct str line)
{
    struct preflight_facts *f = user;
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root, agent;

    if (json_parse(line.p, line.n, &doc, &e))
        return;
    root = jcur_root(doc, &e);
    agent = jcur_obj(&root, "agent");
    f->agent_pid = jcur_int_or(&agent, "pid", 1, INT32_MAX, 0);
}

/* Nobody there is an answer too. */
static void ask_agent(struct preflight *p)
{
    struct err ignored = { 0 };

    (void)!unix_ask(p->config->admin_socket, str_of("{\"command\":\"status\"}"), on_status,
                    &p->facts, &ignored);
}

static void look_at_filter(const struct preflight *p, struct err *e)
{
    const struct host_rules_config rules = {
        .proc = "/proc",
        .endpoints_port = (uint16_t)p->config->tasks_port,
        .introspection_port = (uint16_t)p->config->introspection_port,
        .skip_localhost_filter = p->config->skip_localhost_filter,
        .offhost_introspection = p->config->offhost_introspection,
    };

    (void)!host_rules_look(&rules, e);
}

static void look_at_cgroups(const struct preflight *p, struct err *e)
{
    struct host_cgroups *groups = NULL;

    if (!host_cgroups_create(p->config->cgroup_path, p->facts.cgroup_version,
                             p->facts.cgroup_systemd, &groups, e))
        host_cgroups_destroy(groups);
}

static void run_job(void *user)
{
    struct look_job *j = user;
    struct preflight *p = j->of->p;

    switch (j->which) {
    case JOB_FILES:
        look_at_files(&p->facts);
        break;
    case JOB_DISK:
        look_at_disk(p, &j->err);
        break;
    case JOB_AGENT:
        ask_agent(p);
        break;
    case JOB_FILTER:
        look_at_filter(p, &j->err);
        break;
    case JOB_ENGINE_DISK:
        (void)!host_read_disk(p->facts.engine_root, &p->facts.engine_disk, &j->err);
        break;
    case JOB_CGROUPS:
        look_at_cgroups(p, &j->err);
        break;
    case JOB__COUNT:
        break;
    }
}

/* ---- ports, on the loop ---- */

static void drop(void *user, struct http_call *c)
{
    (void)user;
    http_drop(c);
}

static void take_port(struct preflight *p, size_t i, const char *address)
{
    struct preflight_port *port = &p->facts.ports[i];
    struct http_server *server = NULL;

    if (!port->number)
        return;
    if (!http_server_create(&(struct http_server_args){ .loop = p->loop,
                                                        .fd = -1,
                                                        .address = address,
                                                        .port = port->number,
                                                        .handle = drop },
                            &server, &port->err))
        http_server_destroy(server);
}

/* As the agent would take them; by now it is known whether one runs. */
static void look_at_ports(struct preflight *p)
{
    take_port(p, 0, "127.0.0.1");
    take_port(p, 1, access("/proc/net/if_inet6", F_OK) ? "0.0.0.0" : "::");
}

/* ---- back on the loop ---- */

static enum preflight_check check_of(enum job which)
{
    static const enum preflight_check checks[JOB__COUNT] = {
        [JOB_FILES] = PREFLIGHT_FILES,
        [JOB_DISK] = PREFLIGHT_DISK,
        [JOB_AGENT] = PREFLIGHT_PORTS,
        [JOB_FILTER] = PREFLIGHT_PACKET_FILTER,
        [JOB_ENGINE_DISK] = PREFLIGHT_ENGINE_DISK,
        [JOB_CGROUPS] = PREFLIGHT_CGROUPS,
    };

    return checks[which];
}

static void on_job(void *user)
{
    struct look_job *j = user;
    struct preflight *p = j->of->p;

    j->work = NULL;
    if (j->which == JOB_AGENT && preflight_is_pending(p, PREFLIGHT_PORTS))
        look_at_ports(p);
    preflight_end(p, check_of(j->which), &j->err);
}

static void start(struct look_local *l, enum job which, int64_t limit_ms)
{
    struct look_job *j = &l->jobs[which];

    if (!preflight_is_pending(l->p, check_of(which)))
        return;
    *j = (struct look_job){ .of = l, .which = which };
    preflight_limit(l->p, check_of(which), limit_ms);
    j->work = loop_work(l->p->loop, run_job, on_job, j);
}

static void note_path(struct preflight_path *p, const char *what, const char *path)
{
    p->what = what;
    p->path = mem_strdup(path);
}

struct look_local *look_local_begin(struct preflight *p)
{
    struct look_local *l = NEW(struct look_local);
    const struct config *c = p->config;

    l->p = p;
    note_path(&p->facts.paths[PATH_SETTINGS], "the settings", p->args->config_file);
    note_path(&p->facts.paths[PATH_INSTANCE_SETTINGS], "the settings", p->instance_file);
    note_path(&p->facts.paths[PATH_JSON], "the settings", c->json_path);
    note_path(&p->facts.paths[PATH_DATA], "the agent's state", c->data_dir);
    p->facts.holds_secrets =
        !str_empty(c->engine_auth_data) || config_env(p->config, "AWS_SECRET_ACCESS_KEY") != NULL;
    p->facts.ports[0].number = (uint16_t)c->tasks_port;
    p->facts.ports[1].number = (uint16_t)c->introspection_port;
    start(l, JOB_FILES, LIMIT_MS);
    start(l, JOB_DISK, LIMIT_MS);
    start(l, JOB_AGENT, LIMIT_MS);
    start(l, JOB_FILTER, FILTER_MS);
    return l;
}

void look_local_engine(struct look_local *l, const char *root)
{
    struct preflight *p = l->p;

    if (str_empty(root) || access(root, F_OK))
        preflight_cannot(p, PREFLIGHT_ENGINE_DISK,
                         "the engine's files are not on this machine, or not to be seen");
    else
        mem_replace(&p->facts.engine_root, root);
    start(l, JOB_ENGINE_DISK, LIMIT_MS);
    start(l, JOB_CGROUPS, LIMIT_MS);
}

void look_local_end(struct look_local *l)
{
    free(l);
}
