#include "base/mem.h"
#include "engine/internal.h"

struct held {
    struct list node;
    char *task_arn;
    size_t container;
    uint64_t op_id;
    int64_t since_ms;
    bool owned; /* the core has made it the container's */
    struct host_port_hold *hold;
};

/* What the search goes by. */
struct search {
    struct holds *holds;
    const struct task *task;
    size_t container;
    uint64_t op_id;
    int64_t now_ms;
    holds_taken_fn *taken;
    const void *user;
};

static void held_destroy(struct holds *h, struct held *it)
{
    list_remove(&it->node);
    h->n--;
    host_port_release(it->hold);
    free(it->task_arn);
    free(it);
}

void holds_init(struct holds *h, uint16_t first, uint16_t last)
{
    /* Docker itself gives out ports from the first one on, so these begin elsewhere. */
    uint16_t middle = (uint16_t)(first + (last > first ? last - first : 0) / 2);

    *h = (struct holds){ .first = first, .last = last, .cursor = middle };
    list_init(&h->all);
}

static bool take_one(const struct search *s, enum port_proto proto, uint16_t port)
{
    struct host_port_hold *hold;
    struct held *it;

    if (s->taken(s->user, proto, port))
        return false;
    hold = host_port_take(proto == PORT_UDP, port);
    if (!hold)
        return false;
    if (s->holds->n >= HOLDS_MAX) {
        host_port_release(hold);
        return true;
    }
    it = NEW(struct held);
    it->task_arn = mem_strdup(s->task->arn);
    it->container = s->container;
    it->op_id = s->op_id;
    it->since_ms = s->now_ms;
    it->hold = hold;
    list_push_back(&s->holds->all, &it->node);
    s->holds->n++;
    return true;
}

/* Gives back the newest holds, down to `n`. */
static void shrink_to(struct holds *h, size_t n)
{
    while (h->n > n)
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed is in no list any more */
        held_destroy(h, LIST_ENTRY(h->all.prev, struct held, node));
}

/* How many of the block's ports could be taken; all are held, or none. */
static size_t take_block(const struct search *s, enum port_proto proto, uint16_t first,
                         size_t count)
{
    size_t before = s->holds->n, n = 0;

    while (n < count && take_one(s, proto, (uint16_t)(first + n)))
        n++;
    if (n < count)
        shrink_to(s->holds, before);
    return n;
}

/* From where the last search ended, once around. The cursor belongs to the whole agent,
 * so that a port just given back is not the next one chosen. */
static uint16_t find_block(const struct search *s, enum port_proto proto, size_t count)
{
    struct holds *h = s->holds;
    size_t span = h->last >= h->first && h->first ? (size_t)(h->last - h->first) + 1 : 0;
    size_t from = h->cursor > h->first && h->cursor <= h->last ? (size_t)(h->cursor - h->first) : 0;
    size_t tried = 0;

    while (tried < span) {
        size_t at = (from + tried) % span, got;

        if (at + count > span) { /* a block does not wrap */
            tried += span - at;
            continue;
        }
        got = take_block(s, proto, (uint16_t)(h->first + at), count);
        if (got == count) {
            h->cursor = (uint16_t)(at + count < span ? h->first + at + count : h->first);
            return (uint16_t)(h->first + at);
        }
        tried += got + 1; /* every block that begins before the one in use has it */
    }
    return 0;
}

static void drop_stale(struct holds *h, int64_t now_ms)
{
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed is in no list any more */
    LIST_FOREACH (it, following, &h->all) {
        struct held *held = LIST_ENTRY(it, struct held, node);

        if (now_ms - held->since_ms >= HOLDS_STALE_MS)
            held_destroy(h, held);
    }
}

enum err_code holds_choose(struct holds *h, const struct task *t, size_t container, uint64_t op_id,
                           int64_t now_ms, holds_taken_fn *taken, const void *user, uint16_t *out,
                           struct err *e)
{
    const struct search s = { h, t, container, op_id, now_ms, taken, user };
    const struct task_container *c = &t->containers[container];
    bool choose = task_ports_to_choose(t, c) > 0;

    holds_release(h, t->arn, container);
    drop_stale(h, now_ms);
    for (size_t i = 0; i < c->n_ports; i++) {
        const struct task_port *p = &c->ports[i];
        size_t count = task_port_width(p);

        out[i] = 0;
        if (!choose || p->host_port)
            continue;
        out[i] = find_block(&s, p->proto, count);
        if (out[i])
            continue;
        holds_release(h, t->arn, container);
        if (p->range_first)
            return err_set(e, ERR_LIMIT,
                           "error retrieving docker port map: %zu contiguous host ports are "
                           "unavailable",
                           count);
        return err_set(e, ERR_LIMIT,
                       "error retrieving docker port map: a host port is unavailable");
    }
    return ERR_OK;
}

void holds_release(struct holds *h, const char *task_arn, size_t container)
{
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed is in no list any more */
    LIST_FOREACH (it, following, &h->all) {
        struct held *held = LIST_ENTRY(it, struct held, node);

        if (held->container == container && streq(held->task_arn, task_arn))
            held_destroy(h, held);
    }
}

void holds_sweep(struct holds *h, holds_owned_fn *owned, const void *user)
{
    LIST_FOREACH (it, following, &h->all) {
        struct held *held = LIST_ENTRY(it, struct held, node);

        if (owned(user, held->task_arn, held->container))
            held->owned = true;
        else if (held->owned)
            held_destroy(h, held);
    }
}

void holds_release_task(struct holds *h, const char *task_arn)
{
    LIST_FOREACH (it, following, &h->all) {
        struct held *held = LIST_ENTRY(it, struct held, node);

        if (streq(held->task_arn, task_arn))
            held_destroy(h, held);
    }
}

void holds_release_op(struct holds *h, uint64_t op_id)
{
    LIST_FOREACH (it, following, &h->all) {
        struct held *held = LIST_ENTRY(it, struct held, node);

        if (held->op_id == op_id)
            held_destroy(h, held);
    }
}

void holds_fini(struct holds *h)
{
    shrink_to(h, 0);
}
