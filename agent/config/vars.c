/* Finding rows of the table. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "config/internal.h"

/* In the order of the sample file. */
static const struct var_group *const groups[] = {
    &vars_cluster, &vars_tasks, &vars_images, &vars_log, &vars_sdk, &vars_later, &vars_inert,
};

size_t vars_count(void)
{
    size_t n = 0;

    for (size_t i = 0; i < COUNT_OF(groups); i++)
        n += groups[i]->n;
    return n;
}

const struct var *vars_at(size_t i)
{
    for (size_t g = 0; g < COUNT_OF(groups); g++) {
        if (i < groups[g]->n)
            return &groups[g]->vars[i];
        i -= groups[g]->n;
    }
    abort(); /* a caller's mistake */
}

size_t vars_find(struct str name)
{
    size_t at = 0;

    for (size_t g = 0; g < COUNT_OF(groups); g++) {
        for (size_t i = 0; i < groups[g]->n; i++, at++) {
            const struct var *v = &groups[g]->vars[i];

            if ((v->name && str_is(name, v->name)) || (v->alias && str_is(name, v->alias)))
                return at;
        }
    }
    return at;
}

size_t vars_find_json(struct str name)
{
    size_t at = 0;

    for (size_t g = 0; g < COUNT_OF(groups); g++) {
        for (size_t i = 0; i < groups[g]->n; i++, at++) {
            const char *json = groups[g]->vars[i].json;

            if (json && strlen(json) == name.n && strncasecmp(json, name.p, name.n) == 0)
                return at;
        }
    }
    return at;
}

const char *vars_nearest(struct str name, bool json)
{
    const char *best = NULL;
    size_t least = name.n / 5 + 1; /* more edits than that make another word */

    for (size_t i = 0, n = vars_count(); i < n; i++) {
        const char *known = json ? vars_at(i)->json : vars_at(i)->name;
        size_t d = known ? str_distance(name, str_of(known), least) : SIZE_MAX;

        if (d < least || (d == least && !best)) {
            best = known;
            least = d;
        }
    }
    return best;
}

const struct config_var *config_vars(size_t *n)
{
    static struct config_var *out;

    *n = vars_count();
    if (out)
        return out;
    out = mem_array(*n, sizeof *out); /* lives as long as the program */
    for (size_t i = 0; i < *n; i++) {
        const struct var *v = vars_at(i);

        out[i] = (struct config_var){
            .name = v->name,
            .json = v->json,
            .type = v->type->name,
            .value = v->def,
            .help = v->help,
            .support = v->support,
            .deprecated = v->deprecated,
            .reload = v->reload,
            .secret = v->secret,
            .env_only = v->env_only,
        };
    }
    return out;
}
