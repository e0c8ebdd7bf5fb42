/* What a config says, as text, and the variables that are used by name. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "config/internal.h"

static const char *env_exactly(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->env.n; i++)
        if (streq(c->env.items[i].key, name))
            return c->env.items[i].value;
    return NULL;
}

const char *config_env(void *config, const char *name)
{
    const char *value = env_exactly(config, name);
    size_t i = value ? 0 : vars_find(str_of(name));

    /* http_proxy is kept under HTTP_PROXY. */
    return value || i == vars_count() || !vars_at(i)->in_env
               ? value
               : env_exactly(config, vars_at(i)->name);
}

static void show(const struct config *c, const struct var *v, struct buf *out)
{
    const char *value = v->in_env ? env_exactly(c, v->name) : NULL;

    if (v->offset != NO_FIELD)
        v->type->show(v, (const char *)c + v->offset, out);
    else if (v->in_env)
        buf_puts(out, value ? value : v->def);
}

char *config_show(const struct config *c, size_t var)
{
    const struct var *v = vars_at(var);
    struct buf out = BUF_INIT(CONFIG_TEXT_MAX);

    show(c, v, &out);
    /* The address of a proxy may have a password in it. */
    if (out.len && (v->secret || (v->type == &type_proxy && strchr(out.data, '@')))) {
        explicit_bzero(out.data, out.len);
        buf_reset(&out);
        buf_puts(&out, "(set)");
    }
    return buf_take(&out);
}

bool config_same(const struct config *a, const struct config *b, size_t var)
{
    struct buf x = BUF_SECRET(CONFIG_TEXT_MAX), y = BUF_SECRET(CONFIG_TEXT_MAX);
    bool same;

    show(a, vars_at(var), &x);
    show(b, vars_at(var), &y);
    same = streq(buf_text(&x), buf_text(&y));
    buf_wipe(&x);
    buf_wipe(&y);
    return same;
}

/* ---- keeping what was ---- */

/* `value` NULL: unset. */
static void keep_env(struct config *to, const char *name, const char *value)
{
    struct string_map *m = &to->env;
    size_t i = 0;

    while (i < m->n && !streq(m->items[i].key, name))
        i++;
    if (i < m->n) {
        mem_wipe(m->items[i].value);
        free(m->items[i].key);
        m->items[i] = m->items[--m->n];
    }
    if (value) {
        m->items = mem_resize(m->items, m->n + 1, sizeof *m->items);
        m->items[m->n++] = (struct string_pair){ mem_strdup(name), secret_strdup(value) };
    }
}

void config_keep(const struct config *from, struct config *to, size_t var)
{
    const struct var *v = vars_at(var);
    struct buf text = BUF_SECRET(CONFIG_TEXT_MAX);

    if (v->in_env)
        keep_env(to, v->name, env_exactly(from, v->name));
    if (v->offset == NO_FIELD)
        return;
    show(from, v, &text);
    var_fini(v, var_field(to, v));
    var_set(v, buf_text(&text), var_field(to, v));
    buf_wipe(&text);
    to->cluster_default = streq(to->cluster, "default");
}
