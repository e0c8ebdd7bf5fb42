/* gen: random tasks. Containers may depend only on earlier ones, so every graph
 * can be resolved; whether it succeeds is another matter. */
#include <stdlib.h>

#include "sim.h"

static const char *const conditions[] = { "", "START", "COMPLETE", "SUCCESS", "HEALTHY" };

static void gen_ctr(struct sim *s, struct sim_task *t, size_t i)
{
    struct sim_ctr *k = &t->ctrs[i];

    k->essential = i + 1 == t->n_ctrs || chance(s, 40);
    k->has_health = chance(s, 50);
    k->bad_image = chance(s, 3);
    k->fails_create = chance(s, 3);
    k->fails_start = chance(s, 4);
    k->life_ms = chance(s, 40) ? pick(s, 0, 3000) : chance(s, 50) ? pick(s, 3000, 60000) : -1;
    k->exit_code = chance(s, 70) ? 0 : (int)pick(s, 1, 255);
    k->stop_ms = chance(s, 80) ? pick(s, 0, 300) : pick(s, 300, 20000);
    k->healthy_after = chance(s, 80) ? pick(s, 50, 5000) : -1;
    k->port = chance(s, 20) ? (uint16_t)pick(s, 8000, 8004) : 0;
    for (size_t j = 0; j < i; j++) {
        struct sim_dep *d = &k->deps[k->n_deps];

        if (!chance(s, 35))
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

static void write_ctr(struct jw *w, const struct sim_task *t, size_t i, int image)
{
    const struct sim_ctr *k = &t->ctrs[i];
    char name[16];

    snprintf(name, sizeof name, "c%zu", i);
    jw_object(w);
    jw_kstr(w, "name", name);
    snprintf(name, sizeof name, k->bad_image ? "none:%d" : "image:%d", image);
    jw_kstr(w, "image", name);
    jw_kint(w, "cpu", t->cpu / (int64_t)t->n_ctrs);
    jw_kint(w, "memory", t->memory / (int64_t)t->n_ctrs);
    jw_kbool(w, "essential", k->essential);
    if (k->has_health)
        jw_kstr(w, "healthCheckType", "docker");
    jw_key(w, "portMappings");
    jw_array(w);
    if (k->port) {
        jw_object(w);
        jw_kint(w, "containerPort", 80);
        jw_kint(w, "hostPort", k->port);
        jw_end(w);
    }
    jw_end(w);
    jw_key(w, "dependsOn");
    jw_array(w);
    for (size_t j = 0; j < k->n_deps; j++) {
        snprintf(name, sizeof name, "c%zu", k->deps[j].target);
        jw_object(w);
        jw_kstr(w, "containerName", name);
        jw_kstr(w, "condition", conditions[k->deps[j].cond]);
        jw_end(w);
    }
    jw_end(w);
    jw_end(w);
}

void gen_task(struct sim *s, struct sim_task *t, size_t number)
{
    struct buf b = BUF_INIT(1 << 16);
    struct jw w;

    snprintf(t->arn, sizeof t->arn, "arn:aws:ecs:us-west-2:123456789012:task/sim/%032zu", number);
    t->n_ctrs = (size_t)pick(s, 1, MAX_CTRS);
    /* A multiple of the containers' number, so that the sum is exact. Some never fit. */
    t->cpu = pick(s, 1, 6) * 60 * (int64_t)t->n_ctrs;
    t->memory = (chance(s, 3) ? 100000 : pick(s, 1, 8) * 32) * (int64_t)t->n_ctrs;
    t->known_stored = -1;
    t->fits_since = -1;
    t->broken = chance(s, 3);
    for (size_t i = 0; i < t->n_ctrs; i++)
        gen_ctr(s, t, i);
    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "arn", t->arn);
    jw_kstr(&w, "family", t->broken ? NULL : "sim");
    jw_kstr(&w, "version", "1");
    jw_kstr(&w, "desiredStatus", "RUNNING");
    jw_key(&w, "containers");
    jw_array(&w);
    for (size_t i = 0; i < t->n_ctrs; i++)
        write_ctr(&w, t, i, (int)pick(s, 0, 3));
    if (t->broken)
        jw_int(&w, 17);
    jw_end(&w);
    jw_end(&w);
    t->json = buf_take(&b);
}
