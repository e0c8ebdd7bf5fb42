#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "config/config.h"

#define DEFAULT_FILE "/etc/ecs/ecs.config"
#define LINE_BYTES   (32 << 20) /* of one value, escaped, and what is said about it */

static const char help[] =
    "usage: berth check-config [--json] [--all|--problems] [FILE]\n\n"
    "Prints every problem of a configuration file (" DEFAULT_FILE " by default),\n"
    "of the other files and of this environment, as FILE:LINE: TEXT or environment: TEXT;\n"
    "then the settings that differ from their defaults, and where each is from.\n\n"
    "  --all       all settings\n"
    "  --problems  only the problems\n"
    "  --json      one JSON object a line\n\n"
    "User data and the region that instance metadata gives are not looked at.\n"
    "Exit code 1: the agent would not start with it.\n";

/* What is said about the settings, and how. */
struct check {
    const char *file;
    bool json, all, problems;
    struct config_problems reading, building;
    struct config_inputs in;
    struct config *config;
    bool region_later; /* only instance metadata can say it */
};

/* ---- problems ---- */

static void put_json(struct buf *b)
{
    puts(buf_text(b));
    buf_fini(b);
}

static void put_problem(const struct check *c, const struct config_problem *p)
{
    struct buf b = BUF_INIT(LINE_BYTES);
    struct jw w;

    if (!c->json) {
        if (*p->source)
            cli_put(stdout, p->source);
        if (p->line > 0)
            printf(":%d", p->line);
        printf("%s%s", *p->source ? ": " : "", p->fatal ? "error: " : "");
        cli_put(stdout, p->text);
        putchar('\n');
        return;
    }
    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "kind", "problem");
    jw_kstr(&w, "source", p->source);
    jw_kint(&w, "line", p->line);
    jw_kbool(&w, "fatal", p->fatal);
    jw_kstr(&w, "text", p->text);
    jw_end(&w);
    put_json(&b);
}

static void put_note(const struct check *c, const char *text)
{
    struct buf b = BUF_INIT(LINE_BYTES);
    struct jw w;

    if (!c->json) {
        printf("note: %s\n", text);
        return;
    }
    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "kind", "note");
    jw_kstr(&w, "text", text);
    jw_end(&w);
    put_json(&b);
}

/* A source is as early as its first problem; in it, line by line. */
struct place {
    const struct config_problem *problem;
    size_t source, index;
};

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->source != y->source)
        return x->source < y->source ? -1 : 1;
    if (x->problem->line != y->problem->line)
        return x->problem->line < y->problem->line ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static void put_problems(const struct check *c)
{
    size_t n = c->reading.n + c->building.n;
    struct place *places = mem_array(n, sizeof *places);

    for (size_t i = 0; i < n; i++) {
        const struct config_problem *p =
            i < c->reading.n ? &c->reading.items[i] : &c->building.items[i - c->reading.n];
        size_t first = 0;

        while (first < i && !streq(places[first].problem->source, p->source))
            first++;
        places[i] = (struct place){ p, first, i };
    }
    qsort(places, n, sizeof *places, by_place);
    for (size_t i = 0; i < n; i++)
        put_problem(c, places[i].problem);
    free(places);
    if (c->region_later)
        put_note(c, "no region here; the agent asks the instance's metadata service");
    if (!c->json && (n || c->region_later))
        putchar('\n');
}

/* ---- the settings in effect ---- */

enum { FROM_ENVIRONMENT, FROM_USER_FILE, FROM_INSTANCE_FILE, FROM_JSON_FILE, SOURCES };

static const char *no_environment(void *user, const char *name)
{
    (void)user;
    (void)name;
    return NULL;
}

static struct config *build_quietly(const struct config_inputs *in)
{
    struct config_problems ignored = { 0 };
    struct config *c = config_build(in, &ignored);

    config_problems_fini(&ignored);
    return c;
}

/* One config of the sources up to each, beginning with the strongest. A setting is from
 * the first that suffices: so whatever the rules of merging are, this agrees with them. */
static void build_partial(const struct config_inputs *all, struct config *out[SOURCES])
{
    struct config_inputs in = *all;

    in.user_file.text = in.instance_file.text = in.json_file.text = NULL;
    out[FROM_ENVIRONMENT] = build_quietly(&in);
    in.user_file = all->user_file;
    out[FROM_USER_FILE] = build_quietly(&in);
    in.instance_file = all->instance_file;
    out[FROM_INSTANCE_FILE] = build_quietly(&in);
    in.json_file = all->json_file;
    out[FROM_JSON_FILE] = build_quietly(&in);
}

static struct config *build_defaults(const struct config_inputs *all)
{
    struct config_inputs in = *all;

    in.env = no_environment;
    in.user_file.text = in.instance_file.text = in.json_file.text = NULL;
    return build_quietly(&in);
}

static const char *source_of(const struct check *c, struct config *const partial[SOURCES],
                             size_t var)
{
    const char *const names[SOURCES] = {
        [FROM_ENVIRONMENT] = "environment",
        [FROM_USER_FILE] = c->in.user_file.name,
        [FROM_INSTANCE_FILE] = c->in.instance_file.name,
        [FROM_JSON_FILE] = c->in.json_file.name,
    };

    for (size_t i = 0; i < SOURCES; i++)
        if (config_same(partial[i], c->config, var))
            return names[i] ? names[i] : "";
    return "";
}

static void put_setting(const struct check *c, struct cli_table *table, const struct config_var *v,
                        const char *value, const char *source)
{
    struct buf b = BUF_INIT(LINE_BYTES);
    const char *name = v->name ? v->name : v->json;
    struct jw w;

    if (!c->json) {
        cli_table_cell(table, name);
        cli_table_cell(table, source);
        cli_table_cell(table, *value ? value : "-");
        return;
    }
    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "kind", "setting");
    jw_kstr(&w, "name", name);
    jw_kstr(&w, "value", value);
    jw_kstr(&w, "source", source);
    jw_end(&w);
    put_json(&b);
}

static void put_settings(const struct check *c)
{
    static const char *const heads[] = { "SETTING", "FROM", "VALUE" };
    struct cli_table *table = cli_table_create(heads, COUNT_OF(heads));
    struct config *partial[SOURCES], *defaults = build_defaults(&c->in);
    size_t n, shown = 0;
    const struct config_var *vars = config_vars(&n);

    build_partial(&c->in, partial);
    for (size_t i = 0; i < n; i++) {
        bool is_default = config_same(c->config, defaults, i);
        AUTO(str) char *value = NULL;

        if (vars[i].support == CONFIG_INERT || (is_default && !c->all))
            continue;
        value = config_show(c->config, i);
        put_setting(c, table, &vars[i], value, is_default ? "default" : source_of(c, partial, i));
        shown++;
    }
    if (!c->json && shown)
        cli_table_print(table, stdout);
    else if (!c->json)
        puts("Every setting has its default.");
    cli_table_destroy(table);
    for (size_t i = 0; i < SOURCES; i++)
        config_destroy(partial[i]);
    config_destroy(defaults);
}

/* ---- the table itself, for the manual and its check ---- */

static const char *support_name(enum config_support s)
{
    switch (s) {
    case CONFIG_LATER:
        return "later";
    case CONFIG_INERT:
        return "inert";
    case CONFIG_NOW:
        break;
    }
    return "now";
}

static int put_vars(void)
{
    size_t n;
    const struct config_var *vars = config_vars(&n);

    for (size_t i = 0; i < n; i++) {
        const struct config_var *v = &vars[i];
        struct buf b = BUF_INIT(LINE_BYTES);
        struct jw w;

        jw_init(&w, &b);
        jw_object(&w);
        jw_kstr(&w, "name", v->name);
        jw_kstr(&w, "json", v->json);
        jw_kstr(&w, "type", v->type);
        jw_kstr(&w, "default", v->value);
        jw_kstr(&w, "help", v->help);
        jw_kstr(&w, "support", support_name(v->support));
        jw_kbool(&w, "deprecated", v->deprecated);
        jw_kbool(&w, "reload", v->reload);
        jw_kbool(&w, "secret", v->secret);
        jw_kbool(&w, "env_only", v->env_only);
        jw_end(&w);
        put_json(&b);
    }
    return CLI_OK;
}

/* ---- the command ---- */

/* User data and the instance's region cannot be had here, so their absence is no problem. */
static void build(struct check *c)
{
    c->in.metadata_pending = true;
    c->config = config_build(&c->in, &c->building);
    /* With a mistake, it may be where nothing could be read. */
    c->region_later = str_empty(c->config->region) && !c->reading.fatal && !c->building.fatal;
}

int cli_check_config(int argc, char **argv)
{
    struct check c = { .file = DEFAULT_FILE };
    struct config_files *files = NULL;
    bool fatal, vars = false;
    const struct cli_option options[] = {
        { "json", &c.json, NULL },
        { "all", &c.all, NULL },
        { "problems", &c.problems, NULL },
        { "vars", &vars, NULL },
    };
    int code = cli_options(options, COUNT_OF(options), help, CLI_USAGE, 1, &argc, argv);

    if (code >= 0)
        return code;
    if (vars)
        return put_vars();
    if (argc > 1)
        c.file = argv[1];
    /* The agent does without its file; who names one here means one. */
    if (argc > 1 && access(c.file, F_OK)) {
        fprintf(stderr, "berth: %s: %s\n", c.file, ERRNO_TEXT(errno));
        return CLI_ERROR;
    }
    config_files_read(c.file, &files, &c.in, &c.reading);
    build(&c);
    fatal = c.reading.fatal || c.building.fatal;
    put_problems(&c);
    if (!c.problems)
        put_settings(&c);
    config_problems_fini(&c.reading);
    config_problems_fini(&c.building);
    config_destroy(c.config);
    config_files_destroy(files);
    return fatal ? CLI_ERROR : CLI_OK;
}
