/* What is said about each variable: the environment and the two files of lines. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/secret.h"
#include "config/internal.h"

const char *sources_name(const struct sources *s, enum origin origin)
{
    switch (origin) {
    case ORIGIN_INSTANCE_FILE:
        return s->in->instance_file.name;
    case ORIGIN_USER_FILE:
        return s->in->user_file.name;
    case ORIGIN_JSON_FILE:
        return s->in->json_file.name;
    case ORIGIN_USER_DATA:
        return "user data";
    case ORIGIN_ENVIRONMENT:
    default:
        return "environment";
    }
}

/* One of the texts may be a secret, and nobody misses the others. */
void said_set(struct said *s, const char *text, enum origin origin, int line)
{
    char *old = s->text;

    s->text = secret_strdup(text);
    s->origin = origin;
    s->line = line;
    s->by_alias = false;
    mem_wipe(old);
}

static int shown(struct str s)
{
    return (int)(s.n < 80 ? s.n : 80);
}

static bool starts(struct str s, const char *prefix)
{
    size_t n = strlen(prefix);

    return s.n > n && strncasecmp(s.p, prefix, n) == 0;
}

/* Only names that look like ours: the files are the environment of other programs too. */
static void unknown_name(const struct sources *s, const char *source, int line, struct str name)
{
    struct config_problems *p = s->problems;
    bool ours = starts(name, "ECS_") || starts(name, "BERTH_");
    const char *near;

    if (str_is(name, "AWS_REGION")) {
        config_problem_add(p, false, source, line, "AWS_REGION: not read; set AWS_DEFAULT_REGION");
        return;
    }
    if (!ours && !starts(name, "AWS_"))
        return;
    near = config_problems_full(p) ? NULL : vars_nearest(name, false);
    if (near)
        config_problem_add(p, false, source, line, "%.*s: unknown, did you mean %s?", shown(name),
                           name.p, near);
    else if (ours)
        config_problem_add(p, false, source, line, "%.*s: unknown, ignored", shown(name), name.p);
}

/* The reader of one file of lines. */
struct reader {
    struct sources *s;
    enum origin origin;
};

static void on_line(void *user, int line, struct str name, const char *value)
{
    struct reader *r = user;
    const char *source = sources_name(r->s, r->origin);
    size_t i = vars_find(name);
    const struct var *v = i < vars_count() ? vars_at(i) : NULL;
    struct said *said;
    bool by_alias;

    if (!v) {
        unknown_name(r->s, source, line, name);
        return;
    }
    if (v->env_only) {
        config_problem_add(r->s->problems, false, source, line,
                           "%s: read from the environment only; line ignored", v->name);
        return;
    }
    said = &r->s->of[LAYER_ENV][i];
    by_alias = !str_is(name, v->name);
    if (said->text && by_alias && !said->by_alias)
        return;
    if (said->text && said->origin == r->origin && said->by_alias == by_alias)
        config_problem_add(r->s->problems, false, source, line,
                           "%.*s: set again; line %d has no effect", shown(name), name.p,
                           said->line);
    if (v->type == &type_text && strstr(value, " #"))
        config_problem_add(r->s->problems, false, source, line,
                           "%s: a comment has a line of its own; here # is part of the value",
                           v->name);
    said_set(said, value, r->origin, line);
    said->by_alias = by_alias;
}

static void read_lines(struct sources *s, const struct config_text *file, enum origin origin)
{
    struct reader r = { s, origin };

    if (file->text)
        config_file_parse(file, on_line, &r, s->problems);
}

/* An empty value in the environment lets the files speak, except where being empty means
 * something. (Between the two files it is otherwise: an empty line of the user's file
 * takes the instance file's away, as the reference's init program has it.) */
static void read_process(struct sources *s)
{
    const struct config_inputs *in = s->in;

    for (size_t i = 0, n = vars_count(); i < n; i++) {
        const struct var *v = vars_at(i);
        struct said *said = &s->of[LAYER_ENV][i];
        const char *text = v->name ? in->env(in->env_user, v->name) : NULL;
        bool by_alias = false;

        if (!text && v->alias && (!said->text || said->by_alias)) {
            text = in->env(in->env_user, v->alias);
            by_alias = true;
        }
        if (!text || (!*text && !v->keep_empty && said->text))
            continue;
        said_set(said, text, ORIGIN_ENVIRONMENT, 0);
        said->by_alias = by_alias;
    }
}

void sources_read_env(struct sources *s, const struct config_inputs *in,
                      struct config_problems *problems)
{
    *s = (struct sources){ .in = in, .problems = problems };
    for (size_t l = 0; l < LAYER__COUNT; l++)
        s->of[l] = mem_array(vars_count(), sizeof *s->of[l]);
    read_lines(s, &in->instance_file, ORIGIN_INSTANCE_FILE);
    read_lines(s, &in->user_file, ORIGIN_USER_FILE);
    read_process(s);
}

void sources_fini(struct sources *s)
{
    for (size_t l = 0; l < LAYER__COUNT; l++) {
        for (size_t i = 0, n = vars_count(); i < n; i++)
            said_set(&s->of[l][i], NULL, ORIGIN_ENVIRONMENT, 0);
        free(s->of[l]);
    }
}

char *config_json_path(const struct config_inputs *in)
{
    static const char name[] = "ECS_AGENT_CONFIG_FILE_PATH";
    struct config_problems ignored = { 0 };
    struct sources s;
    size_t i = vars_find(str_of(name));
    const struct var *v = vars_at(i);
    const char *text;
    char *path = NULL;

    sources_read_env(&s, in, &ignored);
    text = s.of[LAYER_ENV][i].text;
    if (str_empty(text) || v->type->parse(v, text, &path, NULL))
        path = mem_strdup(v->def);
    sources_fini(&s);
    config_problems_fini(&ignored);
    return path;
}
