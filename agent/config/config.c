#include "config/config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/internal.h"

#define PROBLEMS_MAX 200
#define NS_PER_MS    1000000

/* ---- problems ---- */

void config_problem_add(struct config_problems *p, bool fatal, int line, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    p->fatal |= fatal;
    if (p->n > PROBLEMS_MAX)
        return;
    if (p->n == PROBLEMS_MAX && !fatal) {
        snprintf(text, sizeof text, "there are more problems than these");
        line = 0;
    } else {
        va_start(ap, fmt);
        vsnprintf(text, sizeof text, fmt, ap);
        va_end(ap);
    }
    p->items = mem_resize(p->items, p->n + 1, sizeof *p->items);
    p->items[p->n++] =
        (struct config_problem){ fatal, line,
                                 mem_strndup(text, str_utf8_prefix(text, strlen(text), 1000)) };
}

void config_problems_fini(struct config_problems *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->items[i].text);
    free(p->items);
    *p = (struct config_problems){ 0 };
}

/* ---- sources ---- */

/* What was said about one variable. */
struct source {
    char *text; /* NULL: nothing */
    int line;   /* 0: the environment */
};

struct sources {
    struct source *of; /* by row of vars */
    struct config_problems *problems;
};

/* One of the texts may be a secret, and nobody misses the others. */
static void source_set(struct source *s, const char *text, int line)
{
    char *old = s->text;

    s->text = mem_strdup(text);
    s->line = line;
    if (old)
        explicit_bzero(old, strlen(old));
    free(old);
}

static int shown(struct str s)
{
    return (int)(s.n < 80 ? s.n : 80);
}

static void unknown_name(struct config_problems *p, int line, struct str name)
{
    const char *near;

    if (vars_known_elsewhere(name)) {
        config_problem_add(p, false, line, "%.*s: not supported yet, ignored", shown(name), name.p);
        return;
    }
    if (!(name.n > 4 && memcmp(name.p, "ECS_", 4) == 0) &&
        !(name.n > 6 && memcmp(name.p, "BERTH_", 6) == 0))
        return;
    near = p->n > PROBLEMS_MAX ? NULL : vars_nearest(name); /* a search; nobody will see it */
    if (near)
        config_problem_add(p, false, line, "%.*s: unknown, did you mean %s?", shown(name), name.p,
                           near);
    else
        config_problem_add(p, false, line, "%.*s: unknown, ignored", shown(name), name.p);
}

static void on_line(void *user, int line, struct str name, const char *value)
{
    struct sources *s = user;
    size_t i = vars_find(name);

    if (i == vars_n) {
        unknown_name(s->problems, line, name);
        return;
    }
    if (s->of[i].text)
        config_problem_add(s->problems, false, line, "%s: set again; line %d has no effect",
                           vars[i].name, s->of[i].line);
    source_set(&s->of[i], value, line);
}

/* An empty value in the environment lets the file speak, except where being
 * empty means something. */
static void read_environment(struct sources *s, config_env_fn *env, void *user)
{
    for (size_t i = 0; i < vars_n; i++) {
        const char *text = env(user, vars[i].name);

        if (!text || (!*text && !vars[i].keep_empty && s->of[i].text))
            continue;
        source_set(&s->of[i], text, 0);
    }
}

/* ---- one field ---- */

static void *field_of(struct config *c, const struct var *v)
{
    return (char *)c + v->offset;
}

static bool list_is_empty(const struct var *v, const void *field)
{
    if (v->type == &type_ports)
        return ((const struct port_list *)field)->n == 0;
    return v->type == &type_strings && ((const struct string_list *)field)->n == 0;
}

static void use_default(struct config *c, const struct var *v, const char *text)
{
    void *field = field_of(c, v);
    struct err e = { 0 };

    if (v->type->fini)
        v->type->fini(field);
    if (!*text && !v->keep_empty)
        return;
    if (v->type->parse(v, text, field, &e))
        abort(); /* the table is wrong; its unit test says so first */
}

static void clamp(struct config *c, const struct var *v, const struct source *src,
                  struct config_problems *p)
{
    int64_t *ns = field_of(c, v);
    bool above = v->max && *ns > v->max;
    char limit[CLOCK_ISO_SIZE], used[CLOCK_ISO_SIZE];

    if (*ns == 0) {
        use_default(c, v, v->def);
    } else if (above || *ns < v->min) {
        if (above || v->below == BELOW_DEFAULT)
            use_default(c, v, v->def);
        else
            *ns = v->min;
        clock_go_duration((above ? v->max : v->min) / NS_PER_MS, limit);
        clock_go_duration(*ns / NS_PER_MS, used);
        config_problem_add(p, false, src->line, "%s: '%s' is %s %s; using %s", v->name, src->text,
                           above ? "above" : "below", limit, used);
    }
}

/* "; using X", or what becomes of an unset variable without a default. */
static void report_bad(struct config_problems *p, const struct var *v, const struct source *src,
                       const char *instead, const struct err *e)
{
    if (v->fatal)
        config_problem_add(p, true, src->line, "%s: %s", v->name, e->msg);
    else if (*instead)
        config_problem_add(p, false, src->line, "%s: %s; using %s", v->name, e->msg, instead);
    else
        config_problem_add(p, false, src->line, "%s: %s; ignored", v->name, e->msg);
}

static void set_field(struct config *c, const struct var *v, const struct source *src,
                      const char *unset, struct config_problems *p)
{
    const char *instead = v->bad ? v->bad : v->def;
    void *field = field_of(c, v);
    struct err e = { 0 };

    if (!src->text) {
        use_default(c, v, unset);
    } else if (!str_trim(str_of(src->text)).n && !v->keep_empty) {
        use_default(c, v, instead);
    } else if (v->type->parse(v, src->text, field, &e)) {
        report_bad(p, v, src, instead, &e);
        use_default(c, v, instead);
    } else if (list_is_empty(v, field)) {
        /* To the reference agent an empty list is one that nobody set. */
        use_default(c, v, instead);
    } else if (v->type == &type_duration) {
        clamp(c, v, src, p);
    }
    if (v->type == &type_duration)
        *(int64_t *)field /= v->unit_ns ? v->unit_ns : NS_PER_MS;
}

/* ---- the whole ---- */

/* Freeing begins at one and ends at the other: they make sense as a pair only. */
static void check_watermarks(struct config *c, struct config_problems *p)
{
    static const char high[] = "BERTH_DISK_HIGH_WATERMARK", low[] = "BERTH_DISK_LOW_WATERMARK";
    const struct var *of_high = &vars[vars_find(str_of(high))];
    const struct var *of_low = &vars[vars_find(str_of(low))];

    if (c->disk_low_pct < c->disk_high_pct)
        return;
    config_problem_add(p, false, 0, "%s: %" PRId64 " is not below %s, %" PRId64 "; using %s and %s",
                       low, c->disk_low_pct, high, c->disk_high_pct, of_low->def, of_high->def);
    use_default(c, of_high, of_high->def);
    use_default(c, of_low, of_low->def);
}

static void check_region(const struct config *c, config_env_fn *env, void *user,
                         struct config_problems *p)
{
    const char *other = env(user, "AWS_REGION");

    if (c->region)
        return;
    config_problem_add(p, true, 0,
                       "AWS_DEFAULT_REGION: no region is set; add a line such as "
                       "AWS_DEFAULT_REGION=eu-west-1 to the file%s",
                       str_empty(other) ? "" : " (AWS_REGION is set, but it is not read)");
}

struct config *config_build_as(const char *file, size_t file_len, config_env_fn *env, void *user,
                               const char *os_family, struct config_problems *out_problems)
{
    struct config *c = NEW(struct config);
    struct sources s = { mem_array(vars_n, sizeof *s.of), out_problems };

    if (file)
        config_file_parse(file, file_len, on_line, &s, out_problems);
    read_environment(&s, env, user);
    for (size_t i = 0; i < vars_n; i++) {
        const struct var *v = &vars[i];
        bool is_family = v->offset == offsetof(struct config, detailed_os_family);

        set_field(c, v, &s.of[i], is_family && os_family ? os_family : v->def, out_problems);
        source_set(&s.of[i], NULL, 0);
    }
    free(s.of);
    check_watermarks(c, out_problems);
    check_region(c, env, user, out_problems);
    c->imds_disabled |= c->external;
    c->cluster_default = streq(c->cluster, "default");
    return c;
}

struct config *config_build(const char *file, size_t file_len, config_env_fn *env, void *user,
                            struct config_problems *out_problems)
{
    return config_build_as(file, file_len, env, user, NULL, out_problems);
}

void config_destroy(struct config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < vars_n; i++)
        if (vars[i].type->fini)
            vars[i].type->fini(field_of(c, &vars[i]));
    free(c);
}
