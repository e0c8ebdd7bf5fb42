/* Which container waits for which. Names become indexes here, so nothing above
 * ever meets an unknown name or a cycle. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "task/internal.h"

static size_t find_target(const struct jcur *where, const struct task *t, const char *name)
{
    int i = task_find_container(t, name);

    if (i >= 0)
        return (size_t)i;
    jcur_fail(where, "no container named '%.200s' in this task", name);
    return 0;
}

/* What is implied never weakens or doubles what the task says itself. */
static void imply(struct task_container *c, size_t target, enum dep_condition condition)
{
    for (size_t i = 0; i < c->n_deps; i++)
        if (c->deps[i].target == target)
            return;
    c->deps[c->n_deps++] = (struct task_dep){ target, condition };
}

static void decode_depends_on(const struct jcur *array, const struct task *t,
                              struct task_container *c)
{
    JCUR_EACH (item, array) {
        struct jcur name = jcur_get(&item, "containerName");
        struct jcur when = jcur_get(&item, "condition");
        struct task_dep d = { 0 };
        const char *text;

        d.target = find_target(&name, t, jcur_as_str(&name));
        text = jcur_as_str(&when);
        if (!dep_condition_parse(text, &d.condition))
            jcur_fail(&when, "unknown condition '%.80s'", text);
        c->deps[c->n_deps++] = d;
    }
}

static void decode_volumes_from(const struct jcur *array, const struct task *t,
                                struct task_container *c)
{
    c->from = mem_array(jcur_len(array), sizeof *c->from);
    JCUR_EACH (item, array) {
        struct jcur name = jcur_get(&item, "sourceContainer");
        struct task_from *f = &c->from[c->n_from++];

        f->source = find_target(&name, t, jcur_as_str(&name));
        f->read_only = jcur_bool_or(&item, "readOnly", false);
        imply(c, f->source, DEP_CREATE);
    }
}

static void decode_links(const struct jcur *array, const struct task *t, struct task_container *c)
{
    c->links = mem_array(jcur_len(array), sizeof *c->links);
    JCUR_EACH (item, array) {
        const char *text = jcur_as_str(&item), *colon = strchr(text, ':');
        AUTO(str) char *name = mem_strndup(text, colon ? (size_t)(colon - text) : strlen(text));
        struct task_link *l = &c->links[c->n_links++];

        l->target = find_target(&item, t, name);
        l->alias = mem_strdup(colon && colon[1] ? colon + 1 : name);
        imply(c, l->target, DEP_START);
    }
}

/* ---- cycles ---- */

struct walk {
    const struct task *t;
    enum { NEW_HERE, ON_PATH, DONE } state[TASK_MAX_CONTAINERS];
    size_t path[TASK_MAX_CONTAINERS];
    size_t depth;
};

static void fail_cycle(const struct jcur *containers, const struct walk *w, size_t again)
{
    struct buf b = BUF_INIT(768);
    size_t i = 0;

    while (w->path[i] != again)
        i++;
    for (; i < w->depth; i++)
        buf_printf(&b, "%.200s -> ", w->t->containers[w->path[i]].name);
    buf_printf(&b, "%.200s", w->t->containers[again].name);
    jcur_fail(containers, "dependency cycle: %s%s", buf_text(&b), b.overflowed ? "..." : "");
    buf_fini(&b);
}

/* False: a cycle was found and reported. Depth is bounded by TASK_MAX_CONTAINERS. */
/* NOLINTNEXTLINE(misc-no-recursion): as above */
static bool visit(const struct jcur *containers, struct walk *w, size_t i)
{
    const struct task_container *c = &w->t->containers[i];

    if (w->state[i] == DONE)
        return true;
    if (w->state[i] == ON_PATH) {
        fail_cycle(containers, w, i);
        return false;
    }
    w->state[i] = ON_PATH;
    w->path[w->depth++] = i;
    for (size_t d = 0; d < c->n_deps; d++)
        if (!visit(containers, w, c->deps[d].target))
            return false;
    w->depth--;
    w->state[i] = DONE;
    return true;
}

void task_order_resolve(const struct jcur *containers, struct task *t)
{
    struct walk w = { .t = t };

    for (size_t i = 0; i < t->n_containers && jcur_ok(containers); i++) {
        struct task_container *c = &t->containers[i];
        struct jcur item = jcur_at(containers, i);
        struct jcur depends = jcur_arr(&item, "dependsOn");
        struct jcur from = jcur_arr(&item, "volumesFrom");
        struct jcur links = jcur_arr(&item, "links");

        /* One more for the pause container, which comes when all names are resolved. */
        c->deps =
            mem_array(jcur_len(&depends) + jcur_len(&from) + jcur_len(&links) + 1, sizeof *c->deps);
        decode_depends_on(&depends, t, c);
        decode_volumes_from(&from, t, c);
        decode_links(&links, t, c);
    }
    for (size_t i = 0; i < t->n_containers && jcur_ok(containers); i++)
        if (!visit(containers, &w, i))
            return;
}
