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

/* ---- who has which address: asked for with every request of a task ---- */

struct place {
    char *address;
    const struct engine_detail *of;
    const char *task_arn; /* of the struct detail */
    UT_hash_handle hh;
};

static struct place *place_at(const struct details *ds, const char *address)
{
    struct place *found = NULL;

    if (!str_empty(address))
        HASH_FIND_STR(ds->places, address, found);
    return found;
}

static void leave(struct details *ds, const struct engine_detail *d, const char *address)
{
    struct place *p = place_at(ds, address);

    if (!p || p->of != d)
        return; /* it is another's by now */
    HASH_DEL(ds->places, p);
    free(p->address);
    free(p);
}

/* Whoever was seen with it last has it: one that was seen before has ended meanwhile. */
static void enter(struct details *ds, const struct detail *it, const struct engine_detail *d,
                  const char *address)
{
    struct place *p = place_at(ds, address);

    if (str_empty(address))
        return;
    if (!p) {
        p = NEW(struct place);
        p->address = mem_strdup(address);
        HASH_ADD_KEYPTR(hh, ds->places, p->address, strlen(p->address), p);
    }
    p->of = d;
    p->task_arn = it->task_arn;
}

static void leave_all(struct details *ds, const struct engine_detail *d)
{
    for (size_t i = 0; i < d->docker.n_networks; i++) {
        leave(ds, d, d->docker.networks[i].ipv4);
        leave(ds, d, d->docker.networks[i].ipv6);
    }
}

static void enter_all(struct details *ds, const struct detail *it, const struct engine_detail *d)
{
    /* An address that was given up may be another's by now. */
    for (size_t i = 0; d->docker.pid && i < d->docker.n_networks; i++) {
        enter(ds, it, d, d->docker.networks[i].ipv4);
        enter(ds, it, d, d->docker.networks[i].ipv6);
    }
}

const char *details_at(const struct details *ds, const char *address)
{
    const struct place *p = place_at(ds, address);

    return p ? p->task_arn : NULL;
}

/* ---- what is kept ---- */

static void drop(struct details *ds, struct detail *it)
{
    HASH_DEL(ds->all, it);
    for (size_t i = 0; i < it->n; i++) {
        if (!it->containers[i])
            continue;
        leave_all(ds, it->containers[i]);
        docker_details_fini(&it->containers[i]->docker);
        free(it->containers[i]->health_output);
        free(it->containers[i]);
    }
    free(it->containers);
    free(it->task_arn);
    free(it);
}

/* The one of a task, with room for the container, made where it is not there yet. */
static struct detail *have(struct details *ds, const char *task_arn, size_t container)
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
    return it;
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
    struct detail *of = have(ds, task_arn, container);
    struct engine_detail *it = of->containers[container];

    leave_all(ds, it);
    docker_details_fini(&it->docker);
    it->docker = *d;
    *d = (struct docker_details){ 0 };
    enter_all(ds, of, it);
    if (facts->health != it->health)
        health_changed(it, facts->health);
}

void details_lost(struct details *ds, const char *task_arn, size_t container)
{
    struct detail *of = find(ds, task_arn);
    struct engine_detail *it = of && container < of->n ? of->containers[container] : NULL;

    if (!it)
        return;
    leave_all(ds, it);
    it->docker.pid = 0;
}

const struct engine_detail *details_get(const struct details *ds, const char *task_arn,
                                        size_t container)
{
    const struct detail *it = find(ds, task_arn);

    return it && container < it->n ? it->containers[container] : NULL;
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
