/* The environment of a container. Who overwrites whom: the task's own variables, then
 * the agent's, then secrets; files add only names that nobody set, the first file
 * first; the region comes last, unless somebody named it. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "task/create_body.h"

#define METADATA_BASE "http://169.254.170.2"

/* The higher one wins; among files the earlier pair, among secrets the later. */
enum env_rank { ENV_FILE, ENV_TASK, ENV_AGENT, ENV_SECRET, ENV_LAST };

struct env_item {
    const char *name, *before, *value; /* NAME=<before><value> */
    enum env_rank rank;
    size_t order;
};

struct env_list {
    struct env_item *items;
    size_t n;
};

static void add(struct env_list *l, enum env_rank rank, const char *name, const char *before,
                const char *value)
{
    if (!value)
        return;
    l->items[l->n] = (struct env_item){ name, before, value, rank, l->n };
    l->n++;
}

static void add_pairs(struct env_list *l, enum env_rank rank, const struct task_kv *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add(l, rank, pairs[i].name, "", pairs[i].value);
}

/* By name; of one name the winner first. */
static int by_name_and_rank(const void *a, const void *b)
{
    const struct env_item *x = a, *y = b;
    int names = strcmp(x->name, y->name);

    if (names)
        return names;
    if (x->rank != y->rank)
        return x->rank > y->rank ? -1 : 1;
    return (x->order < y->order) == (x->rank == ENV_FILE) ? -1 : 1;
}

/* Sorts and leaves one of each name. */
static void settle(struct env_list *l)
{
    size_t kept = 0;

    qsort(l->items, l->n, sizeof *l->items, by_name_and_rank);
    for (size_t i = 0; i < l->n; i++)
        if (!kept || !streq(l->items[kept - 1].name, l->items[i].name))
            l->items[kept++] = l->items[i];
    l->n = kept;
}

static bool names(const struct env_list *l, const char *const *image_env, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < l->n; i++)
        if (streq(l->items[i].name, name))
            return true;
    for (const char *const *p = image_env; p && *p; p++)
        if (strncmp(*p, name, len) == 0 && (*p)[len] == '=')
            return true;
    return false;
}

static void write_item(struct jw *w, const struct env_item *item)
{
    char *text = secret_printf("%s=%s%s", item->name, item->before, item->value);

    jw_str(w, text);
    secret_free(text); /* it may be one */
}

void create_write_given_env(struct jw *w, const struct task_create_args *a,
                            const struct jcur *given)
{
    static const char ours[] = FILE_VARIABLE "=";
    AUTO(str) char *place = create_file_place(a);

    jw_array(w);
    JCUR_EACH (item, given) {
        bool replaced =
            place && jcur_type(&item) == JSON_STR && str_starts(jcur_as_str(&item), ours);

        if (!replaced)
            jw_value(w, item.val);
    }
    if (place)
        write_item(w, &(struct env_item){ .name = FILE_VARIABLE, .before = "", .value = place });
    jw_end(w);
}

void create_write_env(struct jw *w, const struct task_create_args *a)
{
    const struct task_container *c = &a->task->containers[a->container];
    AUTO(str) char *place = create_file_place(a);
    struct env_list l = { 0 };

    l.items = mem_array(c->n_env + a->n_secret_env + a->n_file_env + 7, sizeof *l.items);
    if (!c->internal) {
        add_pairs(&l, ENV_TASK, c->env, c->n_env);
        add(&l, ENV_AGENT, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", CREDENTIALS_PATH,
            a->task->role_credentials_id);
        add(&l, ENV_AGENT, "ECS_CONTAINER_METADATA_URI", METADATA_BASE "/v3/", a->metadata_id);
        add(&l, ENV_AGENT, "ECS_CONTAINER_METADATA_URI_V4", METADATA_BASE "/v4/", a->metadata_id);
        add(&l, ENV_AGENT, "ECS_AGENT_URI", METADATA_BASE "/api/", a->metadata_id);
        add_pairs(&l, ENV_SECRET, a->secret_env, a->n_secret_env);
        add_pairs(&l, ENV_FILE, a->file_env, a->n_file_env);
        add(&l, ENV_LAST, FILE_VARIABLE, "", place);
        settle(&l);
        /* Both or neither: a container told half of it could meet two regions. */
        if (!names(&l, a->image_env, "AWS_REGION") &&
            !names(&l, a->image_env, "AWS_DEFAULT_REGION")) {
            add(&l, ENV_AGENT, "AWS_REGION", "", a->region);
            add(&l, ENV_AGENT, "AWS_DEFAULT_REGION", "", a->region);
            settle(&l);
        }
    }
    jw_array(w);
    for (size_t i = 0; i < l.n; i++)
        write_item(w, &l.items[i]);
    jw_end(w);
    free(l.items);
}
