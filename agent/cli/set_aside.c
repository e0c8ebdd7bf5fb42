/* set_aside: the state of a newer agent makes way for this one. */
#include <stdlib.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "config/config.h"
#include "store/store.h"

static const char help[] =
    "usage: berth set-aside [--config FILE]\n\n"
    "After a downgrade: moves the state of a newer agent aside, which this one cannot read, to\n"
    "berth.db.newer-N in its directory (ECS_DATADIR). The next \"berth agent\" is the same\n"
    "instance, and finds its tasks again by their containers, which run on. To go back to the\n"
    "newer agent, rename the file to berth.db while none runs.\n\n"
    "  --config FILE  default /etc/ecs/ecs.config; it may be absent\n\n"
    "Exit codes: 0 moved, 1 nothing was changed, or the message says what was.\n";

static char *data_dir(const char *file)
{
    struct config_files *files = NULL;
    struct config_inputs in = { 0 };
    struct config_problems problems = { 0 };
    struct config *c;
    char *dir;

    config_files_read(file, &files, &in, &problems);
    in.metadata_pending = true;
    c = config_build(&in, &problems);
    dir = mem_strdup(c->data_dir);
    config_destroy(c);
    config_problems_fini(&problems);
    config_files_destroy(files);
    return dir;
}

int cli_set_aside(int argc, char **argv)
{
    const char *file = "/etc/ecs/ecs.config";
    const struct cli_option options[] = { { "config", NULL, &file } };
    int code = cli_options(options, COUNT_OF(options), help, CLI_USAGE, 0, &argc, argv);
    AUTO(str) char *dir = NULL;
    AUTO(str) char *moved = NULL;
    struct err e = { 0 };
    size_t kept = 0;

    if (code >= 0)
        return code;
    dir = data_dir(file);
    if (store_set_aside(dir, &moved, &kept, &e)) {
        fprintf(stderr, "berth set-aside: %s\n", e.msg);
        return CLI_ERROR;
    }
    printf("The newer state is in %s.\n", moved);
    puts(kept ? "The next agent is the same instance, and looks for its tasks."
              : "It does not tell who this instance is: the next agent registers anew.");
    return CLI_OK;
}
