/* agent_settings: where the settings come from, and their changes while the agent runs. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/agent.h"
#include "cli/agent_endpoints.h"

const char *settings_env(void *agent, const char *name)
{
    const struct agent *a = agent;

    return config_env(a->config, name);
}

/* ---- the log ---- */

/* Options are not checked with the settings. A level that is none is no reason to be without
 * a log file. */
static void set_level(const char *text, void (*set)(enum log_level))
{
    enum log_level level;
    struct err e = { 0 };

    if (str_empty(text))
        return;
    if (log_parse_level(text, &level, &e))
        log_error("the log level stays as it was", kv_err(&e));
    else
        set(level);
}

static enum err_code set_up_log(const struct agent *a, struct err *e)
{
    const struct config *c = a->config;
    const struct agent_options *o = &a->options;
    static const enum log_roll rolls[] = {
        [ROLLOVER_SIZE] = LOG_ROLL_SIZE,
        [ROLLOVER_HOURLY] = LOG_ROLL_HOURLY,
        [ROLLOVER_NONE] = LOG_ROLL_NONE,
    };
    const struct log_file_rule rule = {
        .roll = rolls[c->log_rollover],
        .max_bytes = c->log_max_bytes,
        .roll_count = c->log_roll_count,
    };

    log_set_json(c->log_json);
    set_level(o->log_level ? o->log_level : c->log_level, log_set_level);
    set_level(o->file_level ? o->file_level : c->log_level_file, log_set_file_level);
    if (c->log_file && agent_make_parent(c->log_file, e))
        return e->code;
    return log_open(c->log_file, &rule, e);
}

static void report(const struct config_problems *p)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct config_problem *it = &p->items[i];
        enum log_level level = it->fatal ? LOG_ERROR : LOG_WARN;

        if (it->line > 0)
            log_emit(level, LOG_MODULE, it->text, kv_s("source", it->source),
                     kv_i("line", it->line), kv_end());
        else
            log_emit(level, LOG_MODULE, it->text, kv_s("source", it->source), kv_end());
    }
}

/* ---- at the start ---- */

static void apply_options(const struct agent_options *o, struct config *c)
{
    c->insecure_tls = c->insecure_tls || o->insecure;
    c->imds_disabled = c->imds_disabled || o->no_metadata;
}

/* Takes the configuration in place of the one before. Says what is wrong with it, unless
 * more is to come. */
static int take(struct agent *a, struct config *c, struct config_problems *problems, bool last)
{
    struct err e = { 0 };
    bool fatal = problems->fatal;

    config_destroy(a->config);
    a->config = c;
    apply_options(&a->options, c);
    if (set_up_log(a, &e))
        log_warn("logging is not as configured", kv_err(&e));
    own_log_watch(a);
    if (last || fatal)
        report(problems);
    config_problems_fini(problems);
    if (!fatal)
        return -1;
    log_crit("the configuration has errors; \"berth check-config\" shows all");
    return CLI_ERROR;
}

int settings_load(struct agent *a)
{
    struct config_problems problems = { 0 };
    struct config *c;

    config_files_read(a->options.config, &a->files, &a->inputs, &problems);
    a->inputs.metadata_pending = true;
    c = config_build(&a->inputs, &problems);
    return take(a, c, &problems, false);
}

static void take_metadata(struct agent *a, struct instance_facts *f)
{
    a->user_data = f->text[INSTANCE_USER_DATA];
    a->region = f->text[INSTANCE_REGION];
    f->text[INSTANCE_USER_DATA] = f->text[INSTANCE_REGION] = NULL;
}

static void add_metadata(const struct agent *a, struct config_inputs *in)
{
    in->metadata_pending = false;
    in->metadata_region = a->region;
    if (a->user_data)
        in->user_data = (struct config_text){ "user data", a->user_data, strlen(a->user_data) };
}

/* Whatever the files said at first is told now, with what came since. */
int settings_finish(struct agent *a, struct instance_facts *facts)
{
    struct config_problems problems = { 0 };
    struct config_files *files = NULL;
    struct config *c;

    if (facts)
        take_metadata(a, facts);
    config_files_read(a->options.config, &files, &a->inputs, &problems);
    config_files_destroy(a->files);
    a->files = files;
    add_metadata(a, &a->inputs);
    c = config_build(&a->inputs, &problems);
    return take(a, c, &problems, true);
}

/* ---- a reload ---- */

/* What cannot change keeps its value. False: nothing was to change. */
static bool keep_the_rest(const struct config *from, struct config *to)
{
    size_t n;
    const struct config_var *vars = config_vars(&n);
    bool changed = false;

    for (size_t i = 0; i < n; i++) {
        const char *name = vars[i].name ? vars[i].name : vars[i].json;

        if (config_same(from, to, i))
            continue;
        changed = true;
        if (vars[i].reload) {
            log_info("a setting changed", kv_s("name", name));
            continue;
        }
        log_warn("a setting changed that counts only from the agent's next start",
                 kv_s("name", name));
        config_keep(from, to, i);
    }
    return changed;
}

static void tell_all(struct agent *a)
{
    const struct core_config core = platform_core_config(a);

    platform_set_auths(a);
    credentials_reload(a->credentials);
    control_reconfigure(a->control, a->config);
    engine_reconfigure(a->engine, a->config, a->auths, &core);
    endpoints_changed(a);
}

void settings_reload(struct agent *a)
{
    struct config_problems problems = { 0 };
    struct config_files *files = NULL;
    struct config_inputs in = { 0 };
    struct config *old = a->config, *to;
    struct docker_auths *auths = a->auths;
    struct err e = { 0 };
    bool fatal;

    if (!a->engine) {
        log_info("the agent is still starting; the settings are read again when it runs");
        a->reload_later = true;
        return;
    }
    config_files_read(a->options.config, &files, &in, &problems);
    add_metadata(a, &in);
    to = config_build(&in, &problems);
    apply_options(&a->options, to);
    fatal = problems.fatal;
    report(&problems);
    config_problems_fini(&problems);
    if (fatal) {
        log_error("the configuration has errors; what was in effect stays");
        config_destroy(to);
        config_files_destroy(files);
        return;
    }
    if (!keep_the_rest(old, to))
        log_info("reloaded; no setting changed");
    config_files_destroy(a->files);
    a->files = files;
    a->inputs = in;
    a->config = to;
    a->auths = NULL;
    if (set_up_log(a, &e))
        log_warn("logging is not as configured", kv_err(&e));
    tell_all(a);
    docker_auths_destroy(auths);
    config_destroy(old);
}

void settings_started(struct agent *a)
{
    if (a->reload_later)
        settings_reload(a);
    a->reload_later = false;
}

void settings_fini(struct agent *a)
{
    own_log_end(a);
    config_destroy(a->config);
    config_files_destroy(a->files);
    mem_wipe(a->user_data);
    free(a->region);
}
