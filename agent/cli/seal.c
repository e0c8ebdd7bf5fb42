/* seal: what the agent has written goes, so that this machine can become an image. */
#include "bake/seal.h"

#include <stdlib.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "config/config.h"

static const char help[] =
    "usage: berth seal [--config FILE] [--dry-run] [--force]\n\n"
    "Before an image is made of this machine: removes what the agent has written, so that no\n"
    "machine that is started from the image takes itself for this one. That is the state in\n"
    "ECS_DATADIR with every copy of it (who this instance is, tasks, records of tasks that\n"
    "failed, metadata files, the flight record), the agent's logs, and its socket. Settings and\n"
    "images stay; so does what is not the agent's. Prints what it removes.\n\n"
    "It refuses while an agent runs, and while there are containers of this agent's tasks.\n\n"
    "  --config FILE  default /etc/ecs/ecs.config; it may be absent\n"
    "  --dry-run      only print what would be removed\n"
    "  --force        although there are containers, or the container engine cannot be asked.\n"
    "                 Neither they nor volumes of tasks are removed: the image has them\n\n"
    "Exit codes: 0 sealed, 1 refused, or something could not be removed, 2 a wrong call.\n";

struct sealed {
    bool dry_run;
    size_t removed, left;
};

static void on_said(void *user, enum seal_said what, const char *path, const struct err *e)
{
    struct sealed *s = user;

    switch (what) {
    case SEAL_REMOVED:
        s->removed++;
        cli_printf("%s %s", s->dry_run ? "would remove" : "removed", path);
        break;
    case SEAL_LEFT:
        s->left++;
        cli_printf("left %s as it is", path);
        break;
    case SEAL_FAILED:
        fflush(stdout);
        fputs("berth seal: ", stderr);
        cli_put(stderr, e->msg);
        fputc('\n', stderr);
        return;
    }
    putchar('\n');
}

/* Without them there is no telling which folders are the agent's. */
static struct config *settings(const char *file)
{
    struct config_files *files = NULL;
    struct config_inputs in = { 0 };
    struct config_problems problems = { 0 };
    struct config *c;

    config_files_read(file, &files, &in, &problems);
    in.metadata_pending = true;
    c = config_build(&in, &problems);
    if (problems.fatal) {
        fputs("berth seal: the settings have errors, see \"berth check-config\"; nothing was "
              "removed\n",
              stderr);
        config_destroy(c);
        c = NULL;
    }
    config_problems_fini(&problems);
    config_files_destroy(files);
    return c;
}

/* May it be done, as far as containers go? */
static bool ask_engine(const struct config *c, bool force)
{
    struct err e = { 0 };
    size_t n = 0;

    if (seal_count_containers(c->docker_endpoint, c->data_dir, &n, &e)) {
        fputs("berth seal: whether containers of tasks are left cannot be known: ", stderr);
        cli_put(stderr, e.msg);
        fputs(force ? "\n" : "; start the container engine, or use --force\n", stderr);
        return force;
    }
    if (!n)
        return true;
    fprintf(stderr, "berth seal: %zu container%s of this agent's tasks %s here%s\n", n,
            n == 1 ? "" : "s", n == 1 ? "is" : "are",
            force ? " and will be in the image"
                  : "; let the agent stop its tasks, or remove them, or use --force");
    return force;
}

static int seal_here(struct config *c, bool dry_run)
{
    const char *const logs[] = { c->log_file, c->audit_log };
    struct sealed s = { .dry_run = dry_run };
    const struct seal_args args = { .data_dir = c->data_dir,
                                    .logs = logs,
                                    .n_logs = COUNT_OF(logs),
                                    .socket = c->admin_socket,
                                    .dry_run = dry_run,
                                    .said = on_said,
                                    .user = &s };
    struct err e = { 0 };

    if (seal(&args, &e)) {
        fflush(stdout);
        fprintf(stderr, "berth seal: not sealed: %s\n", e.msg);
        return CLI_ERROR;
    }
    if (c->log_sink)
        printf("left %s, the logs of tasks\n", c->log_sink + strlen("file:"));
    if (!str_empty(c->engine_auth_data) || config_env(c, "AWS_SECRET_ACCESS_KEY"))
        puts("There are keys or passwords among the settings: where these are in a file, the image "
             "has them.");
    if (!s.removed)
        puts("There is nothing of the agent's to be removed.");
    else if (!dry_run)
        puts("Sealed: the next agent here is a new container instance.");
    return CLI_OK;
}

int cli_seal(int argc, char **argv)
{
    const char *file = "/etc/ecs/ecs.config";
    bool dry_run = false, force = false;
    const struct cli_option options[] = { { "config", NULL, &file },
                                          { "dry-run", &dry_run, NULL },
                                          { "force", &force, NULL } };
    int code = cli_options(options, COUNT_OF(options), help, CLI_USAGE, 0, &argc, argv);
    struct config *c;

    if (code >= 0)
        return code;
    c = settings(file);
    code = c && ask_engine(c, force) ? seal_here(c, dry_run) : CLI_ERROR;
    config_destroy(c);
    return code;
}
