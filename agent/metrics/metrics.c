#include "metrics/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "metrics/internal.h"

#define READINGS_A_TURN 16 /* so that a sweep over many containers does not hold up the loop */

struct watched {
    struct list node; /* in the order of due_ms */
    UT_hash_handle hh;
    int64_t due_ms; /* of clock_mono_ms */
    char *id, *name;
    int pid;
    bool network, restarts;
    struct metrics_files *files;
    /* now, the one before, and the one being read: they change places */
    struct metrics_sample samples[3];
    struct metrics_sample *now, *before, *spare;
    size_t readings; /* 0: `now` is not filled; 1: `before` is not */
    int64_t read_ms;
    int64_t restart_count, restarts_told;
    bool lived;                    /* `earlier` is what earlier lives used */
    struct metrics_sample earlier; /* owned */
    struct metrics_ring ring;
};

struct metrics {
    struct loop *loop;
    struct loop_timer *timer;
    struct metrics_reader *reader;
    int cpus;
    struct list watched;
    struct watched *by_id;
};

static struct watched *find(struct metrics *m, const char *id)
{
    struct watched *found;

    HASH_FIND_STR(m->by_id, id, found);
    return found;
}

/* All are read in the same interval, so the one that is due last goes to the end. */
static void schedule(struct metrics *m, struct watched *c, int64_t now_ms)
{
    list_remove(&c->node);
    c->due_ms = now_ms + METRICS_INTERVAL_MS;
    list_push_back(&m->watched, &c->node);
}

static void arm(struct metrics *m, int64_t now_ms)
{
    struct watched *first;

    if (list_empty(&m->watched)) {
        loop_timer_disarm(m->timer);
        return;
    }
    first = LIST_ENTRY(m->watched.next, struct watched, node);
    loop_timer_arm(m->timer, first->due_ms - now_ms);
}

static void read_now(struct metrics *m, struct watched *c)
{
    struct metrics_sample *old = c->before;
    int64_t mono_ns;

    if (!metrics_files_read(c->files, c->spare, &mono_ns))
        return;
    if (c->lived)
        metrics_sample_add(c->spare, &c->earlier);
    metrics_ring_add(&c->ring, c->spare, mono_ns, m->cpus);
    c->before = c->now;
    c->now = c->spare;
    c->spare = old;
    c->readings++;
    c->read_ms = mono_ns / 1000000;
}

static void on_timer(void *user)
{
    struct metrics *m = user;
    int64_t now_ms = clock_mono_ms();

    for (int i = 0; i < READINGS_A_TURN && !list_empty(&m->watched); i++) {
        struct watched *c = LIST_ENTRY(m->watched.next, struct watched, node);

        if (c->due_ms > now_ms)
            break;
        schedule(m, c, now_ms);
        read_now(m, c);
    }
    arm(m, clock_mono_ms());
}

struct metrics *metrics_create(const struct metrics_args *args)
{
    struct metrics *m = NEW(struct metrics);

    m->loop = args->loop;
    m->cpus = args->cpus;
    m->timer = loop_timer_create(args->loop, on_timer, m);
    m->reader = metrics_reader_create(args->proc, args->cgroup);
    list_init(&m->watched);
    return m;
}

static void drop(struct metrics *m, struct watched *c)
{
    HASH_DEL(m->by_id, c);
    list_remove(&c->node);
    metrics_files_destroy(c->files);
    for (size_t i = 0; i < COUNT_OF(c->samples); i++)
        metrics_sample_fini(&c->samples[i]);
    metrics_sample_fini(&c->earlier);
    free(c->id);
    free(c->name);
    free(c);
}

void metrics_destroy(struct metrics *m)
{
    if (!m)
        return;
    LIST_FOREACH (node, following, &m->watched)
        drop(m, LIST_ENTRY(node, struct watched, node));
    loop_timer_destroy(m->timer);
    metrics_reader_destroy(m->reader);
    free(m);
}

static struct watched *create(struct metrics *m, const char *id)
{
    struct watched *c = NEW(struct watched);

    list_init(&c->node);
    c->id = mem_strdup(id);
    c->now = &c->samples[0];
    c->before = &c->samples[1];
    c->spare = &c->samples[2];
    HASH_ADD_KEYPTR(hh, m->by_id, c->id, strlen(c->id), c);
    return c;
}

/* It runs anew. With a restart policy what it used so far is kept and added; without one what
 * is told begins anew as well. */
static void begin_again(struct watched *c, bool restarts)
{
    if (c->readings && restarts) {
        metrics_sample_copy(&c->earlier, c->now);
        c->lived = true;
    } else if (!restarts) {
        c->lived = false;
        c->readings = 0;
        c->ring = (struct metrics_ring){ 0 };
    }
}

void metrics_watch(struct metrics *m, const struct metrics_container *container)
{
    struct watched *c = find(m, container->id);
    int64_t now_ms = clock_mono_ms();

    if (!c) {
        c = create(m, container->id);
        c->restarts_told = container->restart_count;
    }
    c->restart_count = container->restart_count;
    mem_replace(&c->name, container->name);
    if (c->files && c->pid == container->pid && c->network == container->network)
        return;
    if (c->files && c->pid != container->pid)
        begin_again(c, container->restarts);
    metrics_files_destroy(c->files);
    c->files = metrics_files_create(m->reader, container->id, container->pid, container->network);
    c->pid = container->pid;
    c->network = container->network;
    c->restarts = container->restarts;
    /* The first reading is on the next turn: in front of all others. */
    list_remove(&c->node);
    c->due_ms = now_ms;
    list_push_back(m->watched.next, &c->node);
    arm(m, now_ms);
}

void metrics_forget(struct metrics *m, const char *id)
{
    struct watched *c = find(m, id);

    if (c)
        drop(m, c);
    arm(m, clock_mono_ms());
}

/* Somebody asks: what is too old is read anew. */
static void freshen(struct metrics *m, struct watched *c)
{
    int64_t now_ms = clock_mono_ms();

    if (c->readings && now_ms - c->read_ms < METRICS_FRESH_MS)
        return;
    read_now(m, c);
    schedule(m, c, now_ms);
    arm(m, now_ms);
}

bool metrics_write_stats(struct metrics *m, const char *id, bool v4, struct jw *w)
{
    struct watched *c = find(m, id);
    const struct metrics_point *p;

    if (!c)
        return false;
    freshen(m, c);
    p = metrics_ring_newest(&c->ring);
    if (c->readings && p) {
        metrics_write_docker(&(struct metrics_stats){ .id = c->id,
                                                      .name = c->name,
                                                      .now = c->now,
                                                      .before = c->readings > 1 ? c->before : NULL,
                                                      .rates = v4,
                                                      .rx_rate = p->rx_rate,
                                                      .tx_rate = p->tx_rate },
                             w);
    } else if (v4) {
        jw_object(w);
        jw_end(w);
    } else {
        jw_null(w);
    }
    return true;
}

bool metrics_is_watched(struct metrics *m, const char *id)
{
    return find(m, id);
}

const struct metrics_sample *metrics_latest(struct metrics *m, const char *id)
{
    const struct watched *c = find(m, id);

    return c && c->readings ? c->now : NULL;
}

const struct metrics_sample *metrics_fresh(struct metrics *m, const char *id)
{
    struct watched *c = find(m, id);

    if (c)
        freshen(m, c);
    return metrics_latest(m, id);
}

bool metrics_take_sets(struct metrics *m, const char *id, struct metrics_sets *out)
{
    struct watched *c = find(m, id);

    if (!c)
        return false;
    freshen(m, c);
    if (!metrics_ring_take(&c->ring, out))
        return false;
    out->restarts = c->restart_count - c->restarts_told;
    c->restarts_told = c->restart_count;
    return true;
}
