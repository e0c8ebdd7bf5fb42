/* look_engine: is there a container engine, and what does it offer? */
#include <stdio.h>
#include <stdlib.h>

#include "bake/internal.h"
#include "base/mem.h"
#include "docker/docker.h"

#define LIMIT_MS 3000
#define INFO_MS  2500

struct look_engine {
    struct preflight *p;
    struct docker *docker;
    struct docker_op *op;
    struct probe *probe;
};

static void on_info(void *user, const struct docker_info *info, const struct err *e)
{
    struct look_engine *l = user;
    struct preflight *p = l->p;

    l->op = NULL;
    if (!preflight_is_pending(p, PREFLIGHT_ENGINE))
        return;
    preflight_end(p, PREFLIGHT_ENGINE, e);
    if (e->code)
        return;
    p->facts.cgroup_version = info->cgroup_version == 2 ? 2 : 1;
    p->facts.cgroup_systemd = info->cgroup_driver && streq(info->cgroup_driver, "systemd");
    look_local_engine(p->local, info->root_dir);
    l->probe = probe_begin(p, l->docker);
}

static void on_version(void *user, const struct docker_version *v, const struct err *e)
{
    struct look_engine *l = user;
    struct preflight_facts *f = &l->p->facts;

    l->op = NULL;
    if (e->code) {
        preflight_end(l->p, PREFLIGHT_ENGINE, e);
        return;
    }
    snprintf(f->engine_version, sizeof f->engine_version, "%s", v->version);
    snprintf(f->engine_api, sizeof f->engine_api, "%s", v->api_version);
    f->engine_api_minor = docker_api_minor(l->docker);
    l->op = docker_info(l->docker, INFO_MS, on_info, l);
}

struct look_engine *look_engine_begin(struct preflight *p)
{
    struct look_engine *l = NEW(struct look_engine);
    struct err e = { 0 };

    l->p = p;
    preflight_limit(p, PREFLIGHT_ENGINE, LIMIT_MS);
    if (docker_create(p->http, p->config->docker_endpoint, &l->docker, &e))
        preflight_end(p, PREFLIGHT_ENGINE, &e);
    else
        l->op = docker_negotiate(l->docker, on_version, l);
    return l;
}

void look_engine_end(struct look_engine *l)
{
    if (!l)
        return;
    docker_cancel(l->op);
    probe_end(l->probe);
    docker_destroy(l->docker);
    free(l);
}
