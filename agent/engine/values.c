#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/redact.h"
#include "base/secret.h"
#include "engine/internal.h"

struct kept {
    size_t container;
    int kind;
    char *name, *value;
};

struct value_set {
    char *task_arn;
    struct kept *items;
    size_t n;
    UT_hash_handle hh;
};

static void kept_fini(struct kept *k)
{
    mem_wipe(k->name);
    mem_wipe(k->value);
    explicit_bzero(k, sizeof *k);
}

static struct value_set *find(const struct values *v, const char *task_arn)
{
    struct value_set *s;

    HASH_FIND_STR(v->sets, task_arn, s);
    return s;
}

static void set_destroy(struct values *v, struct value_set *s)
{
    HASH_DEL(v->sets, s);
    for (size_t i = 0; i < s->n; i++)
        kept_fini(&s->items[i]);
    free(s->items);
    free(s->task_arn);
    free(s);
}

static bool fetched_by(enum core_op op, int kind)
{
    switch (kind) {
    case ENGINE_VALUE_ENV:
    case ENGINE_VALUE_LOG_OPTION:
        return op == CORE_OP_FETCH_SECRETS;
    case ENGINE_VALUE_FILE:
        return op == CORE_OP_FETCH_ENV_FILES;
    default:
        return op == CORE_OP_FETCH_AUTH;
    }
}

static void drop_fetched(struct value_set *s, enum core_op op)
{
    size_t left = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (fetched_by(op, s->items[i].kind))
            kept_fini(&s->items[i]);
        else
            s->items[left++] = s->items[i];
    }
    s->n = left;
}

static size_t bytes_of(const struct value_set *s)
{
    size_t bytes = 0;

    for (size_t i = 0; i < s->n; i++)
        bytes += strlen(s->items[i].name) + strlen(s->items[i].value);
    return bytes;
}

static bool fits(const struct value_set *s, const struct engine_value *values, size_t n)
{
    size_t bytes = bytes_of(s);

    if (n > VALUES_MAX - s->n)
        return false;
    for (size_t i = 0; i < n; i++) {
        bytes += str_of(values[i].name).n + str_of(values[i].value).n;
        if (bytes > VALUES_BYTES_MAX)
            return false;
    }
    return true;
}

enum err_code values_put(struct values *v, const char *task_arn, enum core_op op,
                         const struct engine_value *values, size_t n, struct err *e)
{
    struct value_set *s = find(v, task_arn);
    struct kept *all;

    if (!s) {
        s = NEW(struct value_set);
        s->task_arn = mem_strdup(task_arn);
        HASH_ADD_KEYPTR(hh, v->sets, s->task_arn, strlen(s->task_arn), s);
    }
    drop_fetched(s, op);
    if (!fits(s, values, n))
        return err_set(e, ERR_LIMIT,
                       "the values fetched for the task are more than %d, or than %d MiB",
                       VALUES_MAX, VALUES_BYTES_MAX >> 20);
    /* Not resized in place: that could leave a copy behind, where nothing wipes it. */
    all = mem_array(s->n + n, sizeof *all);
    for (size_t i = 0; i < s->n; i++)
        all[i] = s->items[i];
    for (size_t i = 0; i < n; i++) {
        all[s->n + i].container = values[i].container;
        all[s->n + i].kind = (int)values[i].kind;
        all[s->n + i].name = secret_strdup(values[i].name ? values[i].name : "");
        all[s->n + i].value = secret_strdup(values[i].value ? values[i].value : "");
    }
    free(s->items);
    s->items = all;
    s->n += n;
    return ERR_OK;
}

struct task_kv *values_pairs(const struct values *v, const char *task_arn, size_t container,
                             int kind, size_t *n)
{
    const struct value_set *s = find(v, task_arn);
    struct task_kv *out;

    *n = 0;
    if (!s || !s->n)
        return NULL;
    out = mem_array(s->n, sizeof *out);
    for (size_t i = 0; i < s->n; i++) {
        const struct kept *k = &s->items[i];

        if (k->container == container && k->kind == kind)
            out[(*n)++] = (struct task_kv){ k->name, k->value };
    }
    return out;
}

const char *values_one(const struct values *v, const char *task_arn, size_t container, int kind)
{
    const struct value_set *s = find(v, task_arn);

    for (size_t i = 0; s && i < s->n; i++) {
        if (s->items[i].container == container && s->items[i].kind == kind)
            return s->items[i].value;
    }
    return NULL;
}

/* One value may be a part of another: what is left of the longer one would be shown. */
static int longest_first(const void *a, const void *b)
{
    size_t x = strlen(*(const char *const *)a), y = strlen(*(const char *const *)b);

    return x < y ? 1 : x > y ? -1 : 0;
}

void values_redact(const struct values *v, const char *task_arn, struct buf *text)
{
    const struct value_set *s = find(v, task_arn);
    const char **all;

    if (!s)
        return;
    all = mem_array(s->n, sizeof *all);
    for (size_t i = 0; i < s->n; i++)
        all[i] = s->items[i].value;
    if (s->n)
        qsort(all, s->n, sizeof *all, longest_first);
    for (size_t i = 0; i < s->n; i++)
        redact(text, all[i]);
    free(all);
}

bool values_known(const struct values *v, const char *task_arn, enum core_op op)
{
    const struct value_set *s = find(v, task_arn);

    for (size_t i = 0; s && i < s->n; i++)
        if (fetched_by(op, s->items[i].kind))
            return true;
    return false;
}

void values_drop(struct values *v, const char *task_arn)
{
    struct value_set *s = find(v, task_arn);

    if (s)
        set_destroy(v, s);
}

void values_fini(struct values *v)
{
    struct value_set *s, *next;

    HASH_ITER (hh, v->sets, s, next)
        set_destroy(v, s);
}
