/* details: what the last inspect of a container said. In memory only: after a start every
 * container is inspected anyway. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/internal.h"

struct detail {
    char *key; /* the task's ARN, and the container's index */
    char *task_arn;
    struct engine_detail d;
    UT_hash_handle hh;
};

static char *key_of(const char *task_arn, size_t container)
{
    return mem_printf("%s %zu", task_arn, container);
}

static struct detail *find(const struct details *ds, const char *task_arn, size_t container)
{
    AUTO(str) char *key = key_of(task_arn, container);
    struct detail *found;

    HASH_FIND_STR(ds->all, key, found);
    return found;
}

static void drop(struct details *ds, struct detail *it)
{
    HASH_DEL(ds->all, it);
    docker_details_fini(&it->d.docker);
    free(it->d.health_output);
    free(it->task_arn);
    free(it->key);
    free(it);
}

/* Of the probe that changed the state, when the engine tells it; else from now. */
static void health_changed(struct engine_detail *d, enum ctr_health to)
{
    d->health = to;
    d->health_since_ms = d->docker.health_end_ms ? d->docker.health_end_ms : clock_wall_ms();
    if (!d->docker.has_probe)
        return;
    mem_replace(&d->health_output, d->docker.health_output);
    if (to == HEALTH_BAD) {
        d->has_health_exit = true;
        d->health_exit = d->docker.health_exit;
    }
}

void details_put(struct details *ds, const char *task_arn, size_t container,
                 const struct ctr_facts *facts, struct docker_details *d)
{
    struct detail *it = find(ds, task_arn, container);

    if (!it) {
        it = NEW(struct detail);
        it->key = key_of(task_arn, container);
        it->task_arn = mem_strdup(task_arn);
        HASH_ADD_KEYPTR(hh, ds->all, it->key, strlen(it->key), it);
    }
    docker_details_fini(&it->d.docker);
    it->d.docker = *d;
    *d = (struct docker_details){ 0 };
    if (facts->health != it->d.health)
        health_changed(&it->d, facts->health);
}

const struct engine_detail *details_get(const struct details *ds, const char *task_arn,
                                        size_t container)
{
    const struct detail *it = find(ds, task_arn, container);

    return it ? &it->d : NULL;
}

static bool has_address(const struct docker_details *d, const char *address)
{
    for (size_t i = 0; i < d->n_networks; i++)
        if (streq(d->networks[i].ipv4, address) || streq(d->networks[i].ipv6, address))
            return true;
    return false;
}

const char *details_at(const struct details *ds, const char *address)
{
    /* An address that was given up may be another's by now. */
    for (const struct detail *it = ds->all; it && !str_empty(address); it = it->hh.next)
        if (it->d.docker.pid && has_address(&it->d.docker, address))
            return it->task_arn;
    return NULL;
}

void details_drop(struct details *ds, const char *task_arn)
{
    for (size_t i = 0; i <= TASK_MAX_CONTAINERS; i++) { /* one may be the pause container */
        struct detail *it = find(ds, task_arn, i);

        if (it)
            drop(ds, it);
    }
}

void details_fini(struct details *ds)
{
    struct detail *it, *next;

    HASH_ITER (hh, ds->all, it, next)
        drop(ds, it);
}
