#include "cli/agent_sandbox.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "host/sandbox.h"
#include "io/child.h"

/* ---- the helper's commands ---- */

/* The files of profiles are where the settings say, which may have changed since the start: they
 * are read again, in the process that is about to become the program. */
static bool is_credential_process(void *user, const char *const *argv)
{
    struct agent settings = { .options = *(const struct agent_options *)user };
    struct config_problems problems = { 0 };

    config_files_read(settings.options.config, &settings.files, &settings.inputs, &problems);
    settings.inputs.metadata_pending = true;
    settings.config = config_build(&settings.inputs, &problems);
    return credentials_names_program(settings_env, &settings, argv);
}

static const struct child_rule *make_rules(size_t *n)
{
    size_t n_host;
    const struct child_rule *host = host_commands(&n_host);
    struct child_rule *all = mem_array(n_host + 1, sizeof *all);

    memcpy(all, host, n_host * sizeof *all);
    all[n_host] =
        (struct child_rule){ .name = CREDENTIALS_PROGRAM, .allows = is_credential_process };
    *n = n_host + 1;
    return all;
}

int agent_helper_begin(struct agent *a)
{
    struct child_helper_args args = { .user = &a->options };
    struct err e = { 0 };

    args.rules = make_rules(&args.n_rules);
    if (!a->options.no_sandbox) {
        args.confine = sandbox_enter_helper;
        args.prepare = sandbox_prepare;
    }
    if (!child_helper_start(&args, &e)) {
        free((void *)(uintptr_t)args.rules); /* the helper has its own */
        return -1;
    }
    free((void *)(uintptr_t)args.rules);
    log_crit("the helper that starts programs cannot be made; --no-sandbox goes without a sandbox",
             kv_err(&e));
    return CLI_ERROR;
}

/* ---- the agent ---- */

int agent_confine(struct agent *a)
{
    struct err e = { 0 };

    if (a->options.no_sandbox) {
        log_warn("the sandbox is off (--no-sandbox)");
        return -1;
    }
    if (!sandbox_enter(&e))
        return -1;
    log_crit("the sandbox cannot be entered; --no-sandbox goes without", kv_err(&e));
    return CLI_ERROR;
}

static void on_helper_gone(void *user)
{
    struct agent *a = user;

    log_crit("the helper that starts programs has ended; the agent ends too, to be started anew");
    agent_stop(a, CLI_ERROR);
}

void agent_helper_watch(struct agent *a)
{
    a->helper_watch = child_helper_watch(a->loop, on_helper_gone, a);
}

void agent_helper_unwatch(struct agent *a)
{
    child_watch_destroy(a->helper_watch);
}
