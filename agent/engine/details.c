/* details: what the last inspect of a container said. In memory only: after a start every
 * container is inspected anyway. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/internal.h"

/* Those of one task. Asked for with every request for metadata, so a look-up makes no key. */
struct detail {
    char *task_arn;
    struct engine_detail **containers; /* NULL: not inspected yet */
    size_t n;
    UT_hash_handle hh;
};

static struct detail *find(const struct details *ds, const char *task_arn)
{
    struct detail *found;

    HASH_FIND_STR(ds->all, task_arn, found);
    return found;
}

static void drop(struct details *ds, struct detail *it)
{
    HASH_DEL(ds->all, it);
    for (size_t i = 0; i < it->n; i++) {
        if (!it->containers[i])
            continue;
        docker_details_fini(&it->containers[i]->docker);
        free(it->containers[i]->health_output);
        free(it->containers[i]);
    }
    free(it->containers);
    free(it->task_arn);
    free(it);
}

/* The one of a container, made where it is not there yet. */
static struct engine_detail *have(struct details *ds, const char *task_arn, size_t container)
{
    struct detail *it = find(ds, task_arn);

    if (!it) {
        it = NEW(struct detail);
        it->task_arn = mem_strdup(task_arn);
        HASH_ADD_KEYPTR(hh, ds->all, it->task_arn, strlen(it->task_arn), it);
    }
    if (container >= it->n) {
        it->containers = mem_resize(it->containers, container + 1, sizeof(struct engine_detail *));
        while (it->n <= container)
            it->containers[it->n++] = NULL;
    }
    if (!it->containers[container])
        it->containers[container] = NEW(struct engine_detail);
    return it->containers[container];
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
    struct engine_detail *it = have(ds, task_arn, container);

    docker_details_fini(&it->docker);
    it->docker = *d;
    *d = (struct docker_details){ 0 };
    if (facts->health != it->health)
        health_changed(it, facts->health);
}

const struct engine_detail *details_get(const struct details *ds, const char *task_arn,
                                        size_t container)
{
    const struct detail *it = find(ds, task_arn);

    return it && container < it->n ? it->containers[container] : NULL;
}

static bool has_address(const struct docker_details *d, const char *address)
{
    for (size_t i = 0; i < d->n_networks; i++)
        if (streq(d->networks[i].ipv4, address) || streq(d->networks[i].ipv6, address))
            return true;
    return false;
}

static bool task_has_address(const struct detail *it, const char *address)
{
    /* An address that was given up may be another's by now. */
    for (size_t i = 0; i < it->n; i++) {
        const struct engine_detail *d = it->containers[i];

        if (d && d->docker.pid && has_address(&d->docker, address))
            return true;
    }
    return false;
}

const char *details_at(const struct details *ds, const char *address)
{
    for (const struct detail *it = ds->all; it && !str_empty(address); it = it->hh.next)
        if (task_has_address(it, address))
            return it->task_arn;
    return NULL;
}

void details_drop(struct details *ds, const char *task_arn)
{
    struct detail *it = find(ds, task_arn);

    if (it)
        drop(ds, it);
}

void details_fini(struct details *ds)
{
    struct detail *it, *next;

    HASH_ITER (hh, ds->all, it, next)
        drop(ds, it);
}
