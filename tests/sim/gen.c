/* gen: random tasks. Containers may depend only on earlier ones, so every graph
 * can be resolved; whether it succeeds is another matter. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static const char *const conditions[] = { "", "START", "COMPLETE", "SUCCESS", "HEALTHY" };

static void gen_deps(struct sim *s, struct sim_task *t, size_t i)
{
    struct sim_ctr *k = &t->ctrs[i];
    int often = t->n_ctrs <= 6 ? 35 : (int)(200 / t->n_ctrs);

    for (size_t j = 0; j < i; j++) {
        struct sim_dep *d = &k->deps[k->n_deps];

        if (!chance(s, often))
            continue;
        d->target = j;
        d->cond = (enum dep_condition)pick(s, DEP_START, DEP_HEALTHY);
        if (d->cond == DEP_HEALTHY && !t->ctrs[j].has_health && !chance(s, 5))
            d->cond = DEP_START;
        /* A dependency that must end has to end. */
        if ((d->cond == DEP_COMPLETE || d->cond == DEP_SUCCESS) && t->ctrs[j].life_ms < 0)
            t->ctrs[j].life_ms = pick(s, 0, 5000);
        if (d->cond == DEP_COMPLETE || d->cond == DEP_SUCCESS)
            t->ctrs[j].essential = false;
        k->n_deps++;
    }
}

static void gen_image(struct sim *s, struct sim_ctr *k)
{
    int n = (int)pick(s, 0, 5);

    if (k->bad_image)
        snprintf(k->image, sizeof k->image, "none:%d", n);
    else if (chance(s, 8)) /* what the registry holds of it at first; see images.c */
        snprintf(k->image, sizeof k->image, "image@sha256:%062d%02d", 0, n == 5 ? 4 : n);
    else
        snprintf(k->image, sizeof k->image, "image:%d", n);
}

static void gen_ports(struct sim *s, struct sim_ctr *k)
{
    k->port = chance(s, 15) ? (uint16_t)pick(s, 8000, 8004) : 0;
    k->choose = chance(s, 30) ? (int)pick(s, 1, 2) : 0;
    k->range = chance(s, 5) ? (int)pick(s, 2, 3) : 0;
    k->udp = chance(s, 25);
}

static void gen_ctr(struct sim *s, struct sim_task *t, size_t i)
{
    struct sim_ctr *k = &t->ctrs[i];
    bool many = t->n_ctrs > 6;

    k->essential = i + 1 == t->n_ctrs || chance(s, many ? 10 : 40);
    k->has_health = chance(s, 50);
    k->bad_image = chance(s, many ? 1 : 3);
    k->fails_create = chance(s, many ? 1 : 3);
    k->fails_start = chance(s, many ? 1 : 4);
    k->life_ms = chance(s, 40) ? pick(s, 0, 3000) : chance(s, 50) ? pick(s, 3000, 60000) : -1;
    k->exit_code = chance(s, 70) ? 0 : (int)pick(s, 1, 255);
    k->stop_ms = chance(s, 80) ? pick(s, 0, 300) : pick(s, 300, 20000);
    k->healthy_after = chance(s, 80) ? pick(s, 50, 5000) : -1;
    k->start_timeout_s = chance(s, 20) ? pick(s, 1, 10) : 0;
    k->secrets = chance(s, 10);
    k->env_files = chance(s, 8);
    k->auth = chance(s, 8);
    k->restart = chance(s, 15);
    k->ignores_code = chance(s, 20);
    k->restart_period_s = chance(s, 50) ? 0 : pick(s, 1, 20);
    for (size_t v = 0; v < t->n_volumes; v++)
        k->mounts |= chance(s, 40) ? 1U << v : 0;
    gen_image(s, k);
    if (!many)
        gen_ports(s, k);
    gen_deps(s, t, i);
}

static void gen_volumes(struct sim *s, struct sim_task *t)
{
    t->n_volumes = chance(s, 40) ? (size_t)pick(s, 1, MAX_VOLUMES) : 0;
    for (size_t i = 0; i < t->n_volumes; i++) {
        struct sim_volume *v = &t->volumes[i];

        v->kind = (enum task_volume_kind)pick(s, VOLUME_HOST, VOLUME_SHARED);
        v->autoprovision = v->kind == VOLUME_SHARED && chance(s, 60);
        if (v->kind == VOLUME_SHARED)
            snprintf(v->name, sizeof v->name, "shared%zu", i);
        else
            snprintf(v->name, sizeof v->name, "v%zu", i);
    }
}

/* As the decoder adds it: behind all others, which start after it. */
static void gen_pause(struct sim_task *t)
{
    struct sim_ctr *k = &t->ctrs[t->n_ctrs];

    *k = (struct sim_ctr){ .internal = true, .life_ms = -1, .healthy_after = -1 };
    k->essential = true;
    snprintf(k->image, sizeof k->image, "%s", TASK_PAUSE_IMAGE);
    for (size_t i = 0; i < t->n_ctrs; i++)
        t->ctrs[i].deps[t->ctrs[i].n_deps++] = (struct sim_dep){ t->n_ctrs, DEP_START };
    t->n_ctrs++;
}

/* ---- as JSON ---- */

static void write_port(struct jw *w, int container, int host, int width, bool udp)
{
    char range[24];

    jw_object(w);
    if (width) {
        snprintf(range, sizeof range, "%d-%d", container, container + width - 1);
        jw_kstr(w, "containerPortRange", range);
    } else {
        jw_kint(w, "containerPort", container);
    }
    if (host)
        jw_kint(w, "hostPort", host);
    jw_kstr_if(w, "protocol", udp ? "udp" : NULL);
    jw_end(w);
}

static void write_ports(struct jw *w, const struct sim_ctr *k)
{
    jw_karray(w, "portMappings");
    if (k->port)
        write_port(w, 80, k->port, 0, false);
    for (int i = 0; i < k->choose; i++)
        write_port(w, 90 + i, 0, 0, k->udp);
    if (k->range)
        write_port(w, 100, 0, k->range, false);
    jw_end(w);
}

static void write_values(struct jw *w, const struct sim_ctr *k)
{
    if (k->secrets) {
        jw_karray(w, "secrets");
        jw_object(w);
        jw_kstr(w, "name", "TOKEN");
        jw_kstr(w, "valueFrom", "/sim/token");
        jw_kstr(w, "region", "us-west-2");
        jw_kstr(w, "provider", "ssm");
        jw_end(w);
        jw_end(w);
    }
    if (k->env_files) {
        jw_karray(w, "environmentFiles");
        jw_object(w);
        jw_kstr(w, "value", "arn:aws:s3:::sim/settings.env");
        jw_kstr(w, "type", "s3");
        jw_end(w);
        jw_end(w);
    }
    if (k->auth) {
        jw_kobject(w, "registryAuthentication");
        jw_kstr(w, "type", "asm");
        jw_kobject(w, "asmAuthData");
        jw_kstr(w, "credentialsParameter", "arn:aws:secretsmanager:us-west-2:1:secret:sim");
        jw_kstr(w, "region", "us-west-2");
        jw_end(w);
        jw_end(w);
    }
}

static void write_policy(struct jw *w, const struct sim_ctr *k)
{
    if (!k->restart)
        return;
    jw_kobject(w, "restartPolicy");
    jw_kbool(w, "enabled", true);
    jw_kint(w, "restartAttemptPeriod", k->restart_period_s);
    jw_karray(w, "ignoredExitCodes");
    if (k->ignores_code)
        jw_int(w, k->exit_code);
    jw_end(w);
    jw_end(w);
}

static void write_mounts(struct jw *w, const struct sim_task *t, const struct sim_ctr *k)
{
    char path[32];

    jw_karray(w, "mountPoints");
    for (size_t v = 0; v < t->n_volumes; v++) {
        if (!(k->mounts >> v & 1))
            continue;
        snprintf(path, sizeof path, "/v%zu", v);
        jw_object(w);
        jw_kstr(w, "sourceVolume", t->volumes[v].name);
        jw_kstr(w, "containerPath", path);
        jw_end(w);
    }
    jw_end(w);
}

static void write_deps(struct jw *w, const struct sim_task *t, const struct sim_ctr *k)
{
    char name[16];

    jw_karray(w, "dependsOn");
    for (size_t j = 0; j < k->n_deps; j++) {
        if (t->ctrs[k->deps[j].target].internal)
            continue;
        snprintf(name, sizeof name, "c%zu", k->deps[j].target);
        jw_object(w);
        jw_kstr(w, "containerName", name);
        jw_kstr(w, "condition", conditions[k->deps[j].cond]);
        jw_end(w);
    }
    jw_end(w);
}

static void write_ctr(struct jw *w, const struct sim_task *t, size_t i)
{
    const struct sim_ctr *k = &t->ctrs[i];
    int64_t n = (int64_t)t->n_ctrs - t->pause;
    char name[16];

    snprintf(name, sizeof name, "c%zu", i);
    jw_object(w);
    jw_kstr(w, "name", name);
    jw_kstr(w, "image", k->image);
    jw_kint(w, "cpu", t->cpu / n);
    jw_kint(w, "memory", t->memory / n);
    jw_kbool(w, "essential", k->essential);
    if (k->has_health)
        jw_kstr(w, "healthCheckType", "docker");
    if (k->start_timeout_s)
        jw_kint(w, "startTimeout", k->start_timeout_s);
    write_ports(w, k);
    write_values(w, k);
    write_policy(w, k);
    write_mounts(w, t, k);
    write_deps(w, t, k);
    jw_end(w);
}

static void write_volumes(struct jw *w, const struct sim_task *t)
{
    jw_karray(w, "volumes");
    for (size_t i = 0; i < t->n_volumes; i++) {
        const struct sim_volume *v = &t->volumes[i];

        jw_object(w);
        jw_kstr(w, "name", v->name);
        if (v->kind == VOLUME_HOST) {
            jw_kobject(w, "host");
            jw_kstr(w, "sourcePath", "/srv");
            jw_end(w);
        } else {
            jw_kstr(w, "type", "docker");
            jw_kobject(w, "dockerVolumeConfiguration");
            jw_kstr(w, "scope", v->kind == VOLUME_SHARED ? "shared" : "task");
            if (v->autoprovision)
                jw_kbool(w, "autoprovision", true);
            jw_end(w);
        }
        jw_end(w);
    }
    jw_end(w);
}

static void write_task(struct sim_task *t, const char *family, int version)
{
    struct buf b = BUF_INIT(1 << 18);
    char text[16];
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "arn", t->arn);
    jw_kstr(&w, "family", family);
    snprintf(text, sizeof text, "%d", version);
    jw_kstr(&w, "version", text);
    jw_kstr(&w, "desiredStatus", "RUNNING");
    jw_kstr_if(&w, "pidMode", t->pause ? "task" : NULL);
    jw_kobject(&w, "executionRoleCredentials");
    jw_kstr(&w, "credentialsId", "execution");
    jw_end(&w);
    write_volumes(&w, t);
    jw_karray(&w, "containers");
    for (size_t i = 0; i < t->n_ctrs; i++)
        if (!t->ctrs[i].internal)
            write_ctr(&w, t, i);
    if (t->broken)
        jw_int(&w, 17);
    jw_end(&w);
    jw_end(&w);
    t->json = buf_take(&b);
}

static size_t how_many(struct sim *s)
{
    if (chance(s, 86))
        return (size_t)pick(s, 1, 6);
    return (size_t)(chance(s, 70) ? pick(s, 7, 12) : pick(s, 13, MAX_CTRS - 1));
}

void gen_task(struct sim *s, struct sim_task *t, size_t number)
{
    snprintf(t->arn, sizeof t->arn, "arn:aws:ecs:us-west-2:123456789012:task/sim/%02zu%030d",
             number, 0);
    t->n_ctrs = how_many(s);
    /* A multiple of the containers' number, so that the sum is exact. Some never fit. */
    t->cpu = (t->n_ctrs > 6 ? pick(s, 10, 50) : pick(s, 1, 6) * 60) * (int64_t)t->n_ctrs;
    t->memory = (chance(s, 3)    ? 100000
                 : t->n_ctrs > 6 ? pick(s, 8, 30)
                                 : pick(s, 1, 8) * 32) *
                (int64_t)t->n_ctrs;
    t->known_stored = -1;
    t->fits_since = -1;
    t->credentials_life = -1;
    t->broken = chance(s, 3);
    t->pause = chance(s, 10);
    t->no_values = chance(s, 10);
    gen_volumes(s, t);
    for (size_t i = 0; i < t->n_ctrs; i++)
        gen_ctr(s, t, i);
    if (t->pause)
        gen_pause(t);
    write_task(t, t->broken ? NULL : "sim", 1);
}

/* A local task, or its next version: small, without values; most have no reason to
 * end. */
void gen_local(struct sim *s, struct sim_local *l, int version)
{
    struct sim_task *t = l->defs[version] = NEW(struct sim_task);

    *t = (struct sim_task){ .known_stored = -1, .fits_since = -1, .credentials_life = -1 };
    snprintf(t->arn, sizeof t->arn, "arn:aws:ecs:local:0:task/local/def-%s-%d", l->name, version);
    l->version = version;
    l->unwanted_once = false;
    l->good = !l->once && chance(s, 70);
    t->local = l;
    t->version = version;
    t->n_ctrs = (size_t)pick(s, 1, 3);
    t->cpu = pick(s, 1, 10) * 10 * (int64_t)t->n_ctrs;
    t->memory = pick(s, 4, 64) * (int64_t)t->n_ctrs;
    gen_volumes(s, t);
    for (size_t i = 0; i < t->n_ctrs; i++) {
        gen_ctr(s, t, i);
        t->ctrs[i].secrets = t->ctrs[i].env_files = t->ctrs[i].auth = false;
        t->ctrs[i].port = 0;
    }
    for (size_t i = 0; l->good && i < t->n_ctrs; i++) {
        struct sim_ctr *k = &t->ctrs[i];

        k->essential = true; /* who kills one gets all of them again */
        k->bad_image = k->fails_create = k->fails_start = false;
        k->choose = k->range = 0;
        k->mounts = 0;
        k->life_ms = -1;
        k->n_deps = 0;
        snprintf(k->image, sizeof k->image, "image:%zu", i);
    }
    for (size_t v = 0; l->good && v < t->n_volumes; v++)
        t->volumes[v].kind = VOLUME_HOST;
    write_task(t, l->name, version);
}
