/* shadow_ask: what the core asks of the engine, asked. */
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "cli/shadow.h"

#define LOOK_MS  30000
#define GONE_MAX 20000 /* then some is removed again */

/* A question under way. */
struct look {
    struct list node;
    struct shadow_ask *ask;
    struct docker_op *op;
    uint64_t id;
    char *ref;
};

struct gone { /* taken for removed */
    UT_hash_handle hh;
    char *ref;
};

struct shadow_ask {
    struct docker *docker;
    struct gone *gone;
    struct list looks;
    shadow_answer_fn *answer;
    shadow_knows_fn *knows;
    void *user;
};

/* ---- what is taken for removed ---- */

static void forget_gone(struct shadow_ask *ask)
{
    struct gone *g, *next;

    HASH_ITER (hh, ask->gone, g, next) {
        HASH_DEL(ask->gone, g);
        free(g->ref);
        free(g);
    }
}

static bool is_gone(const struct shadow_ask *ask, const char *ref)
{
    struct gone *g = NULL;

    if (ref)
        HASH_FIND_STR(ask->gone, ref, g);
    return g != NULL;
}

void shadow_ask_gone(struct shadow_ask *ask, const char *ref)
{
    struct gone *g;

    if (!ref || is_gone(ask, ref))
        return;
    if (HASH_COUNT(ask->gone) >= GONE_MAX)
        forget_gone(ask);
    g = NEW(struct gone);
    g->ref = mem_strdup(ref);
    HASH_ADD_KEYPTR(hh, ask->gone, g->ref, strlen(g->ref), g);
}

/* An image goes with the last of its names. */
static bool image_is_gone(const struct shadow_ask *ask, const struct docker_image *image)
{
    if (is_gone(ask, image->id))
        return true;
    for (size_t i = 0; image->tags && image->tags[i]; i++)
        if (!is_gone(ask, image->tags[i]))
            return false;
    return image->tags && image->tags[0];
}

/* ---- answers ---- */

static void look_destroy(struct look *l)
{
    docker_cancel(l->op);
    list_remove(&l->node);
    free(l->ref);
    free(l);
}

static void answered(struct look *l, struct core_event *ev, const struct err *e)
{
    struct shadow_ask *ask = l->ask;

    ev->type = CORE_EV_OP_DONE;
    ev->u.op.id = l->id;
    ev->u.op.err = *e;
    l->op = NULL;
    /* It is no question any more, while what is made of the answer may ask the next one. */
    list_remove(&l->node);
    list_init(&l->node);
    ask->answer(ask->user, ev);
    look_destroy(l);
}

static void on_inspected(void *user, const struct ctr_facts *f, const struct err *e)
{
    struct core_event ev = { 0 };

    ev.u.op.facts = f;
    answered(user, &ev, e);
}

static void take_image(const struct docker_image *from, const char *name, struct core_image *to)
{
    const char *digest = name ? docker_digest_of(from, name) : NULL;

    *to = (struct core_image){ .id = from->id,
                               .digest = digest,
                               .names = from->tags,
                               .size = from->size,
                               .created_ms = from->created_ms };
    while (from->tags && from->tags[to->n_names])
        to->n_names++;
}

static void on_image(void *user, const struct docker_image *image, const struct err *e)
{
    struct look *l = user;
    struct core_event ev = { 0 };
    struct core_image one = { 0 };

    if (!e->code) {
        take_image(image, l->ref, &one);
        ev.u.op.images = &one;
        ev.u.op.n_images = 1;
    }
    answered(l, &ev, e);
}

static void on_images(void *user, const struct docker_image *images, size_t n, const struct err *e)
{
    const struct shadow_ask *ask = ((struct look *)user)->ask;
    struct core_event ev = { 0 };
    struct core_image *all = mem_array(n, sizeof *all);
    size_t kept = 0;

    for (size_t i = 0; i < n && !e->code; i++)
        if (!image_is_gone(ask, &images[i]))
            take_image(&images[i], NULL, &all[kept++]);
    ev.u.op.images = all;
    ev.u.op.n_images = kept;
    answered(user, &ev, e);
    free(all);
}

static void on_others(void *user, const struct docker_listed *rows, size_t n, const struct err *e)
{
    const struct shadow_ask *ask = ((struct look *)user)->ask;
    struct core_event ev = { 0 };
    struct core_other *all = mem_array(n, sizeof *all);
    size_t kept = 0;

    for (size_t i = 0; i < n && !e->code; i++)
        if (!is_gone(ask, rows[i].id) &&
            (!rows[i].task_arn || !ask->knows(ask->user, rows[i].task_arn)))
            all[kept++] = (struct core_other){ rows[i].id, rows[i].name, rows[i].state };
    ev.u.op.others = all;
    ev.u.op.n_others = kept;
    answered(user, &ev, e);
    free(all);
}

/* ---- questions ---- */

bool shadow_ask(struct shadow_ask *ask, const struct core_action *a)
{
    struct look *l;

    if (a->op != CORE_OP_INSPECT && a->op != CORE_OP_INSPECT_OTHER &&
        a->op != CORE_OP_INSPECT_IMAGE && a->op != CORE_OP_LIST_IMAGES &&
        a->op != CORE_OP_LIST_OTHERS)
        return false;
    l = NEW(struct look);
    l->ask = ask;
    l->id = a->id;
    l->ref = mem_strdup(a->ref);
    list_push_back(&ask->looks, &l->node);
    if (a->op == CORE_OP_INSPECT_IMAGE)
        l->op = docker_inspect_image(ask->docker, a->ref, LOOK_MS, on_image, l);
    else if (a->op == CORE_OP_LIST_IMAGES)
        l->op = docker_list_images(ask->docker, LOOK_MS, on_images, l);
    else if (a->op == CORE_OP_LIST_OTHERS)
        l->op = docker_list_all(ask->docker, LOOK_MS, on_others, l);
    else
        l->op = docker_inspect(ask->docker, a->ref, LOOK_MS, on_inspected, l);
    return true;
}

void shadow_ask_cancel(struct shadow_ask *ask, uint64_t id)
{
    LIST_FOREACH (it, following, &ask->looks) {
        struct look *l = LIST_ENTRY(it, struct look, node);

        if (l->id == id)
            look_destroy(l);
    }
}

bool shadow_ask_waits(const struct shadow_ask *ask)
{
    return !list_empty(&ask->looks);
}

struct shadow_ask *shadow_ask_create(struct docker *docker, shadow_answer_fn *answer,
                                     shadow_knows_fn *knows, void *user)
{
    struct shadow_ask *ask = NEW(struct shadow_ask);

    ask->docker = docker;
    ask->answer = answer;
    ask->knows = knows;
    ask->user = user;
    list_init(&ask->looks);
    return ask;
}

void shadow_ask_destroy(struct shadow_ask *ask)
{
    if (!ask)
        return;
    LIST_FOREACH (it, following, &ask->looks)
        look_destroy(LIST_ENTRY(it, struct look, node));
    forget_gone(ask);
    free(ask);
}
