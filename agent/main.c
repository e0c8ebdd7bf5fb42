/* berth: picks the command; every command lives in cli/. */
#include <stdio.h>
#include <string.h>

#include "base/defs.h"
#include "base/str.h"
#include "cli/cli.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    { "agent", cli_agent, "run the container-instance agent (what systemd starts)" },
    { "status", cli_status, "how the running agent is: connection, capacity, tasks by status" },
    { "tasks", cli_tasks, "the tasks of this instance and their containers" },
    { "why", cli_why, "what a task waits for, and where its time went" },
    { "top", cli_top, "what the containers use, as it changes" },
    { "logs", cli_logs, "what the containers of a task have written; -f to follow" },
    { "events", cli_events, "what happened lately; -f to follow" },
    { "run", cli_run, "run a task definition in the foreground, without a control plane" },
    { "replay", cli_replay, "feed a flight record to the decision core and print its decisions" },
    { "stop-tasks", cli_stop_tasks, "stop all tasks for good, because the host goes down" },
    { "check-config", cli_check_config, "every problem of a configuration file, and what applies" },
    { "set-aside", cli_set_aside, "make way for this agent where a newer one's state is" },
    { "import", cli_import, "take over the reference agent's instance and tasks" },
    { "preflight", cli_preflight,
      "whether this machine is fit to run tasks, and what is in the way" },
    { "seal", cli_seal, "remove who this instance is, before an image is made of it" },
    { "version", cli_version, "version, commit and libraries" },
};

static int usage(FILE *to)
{
    fputs("usage: berth COMMAND [OPTION]...\n\n"
          "Berth runs Amazon ECS tasks on this machine's Docker Engine.\n\n"
          "Commands:\n",
          to);
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        fprintf(to, "  %-13s %s\n", commands[i].name, commands[i].summary);
    fputs("\n\"berth COMMAND --help\" tells more. The manual is berth(8).\n", to);
    return to == stdout ? CLI_OK : CLI_USAGE;
}

static int unknown(const char *name)
{
    const char *names[COUNT_OF(commands)];
    const char *near;

    for (size_t i = 0; i < COUNT_OF(commands); i++)
        names[i] = commands[i].name;
    near = cli_nearest(name, names, COUNT_OF(names));
    fprintf(stderr, "berth: there is no command '%s'", name);
    if (near)
        fprintf(stderr, "; did you mean '%s'?", near);
    fputs("\nberth: \"berth help\" lists the commands\n", stderr);
    return CLI_USAGE;
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (streq(commands[i].name, name))
            return &commands[i];
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static char help_flag[] = "--help";
    const struct command *c;
    const char *name = argc > 1 ? argv[1] : NULL;

    if (!name)
        return usage(stderr);
    if (streq(name, "help") && argc > 2) {
        char *ask[] = { argv[2], help_flag, NULL };

        c = find(argv[2]);
        return c ? c->run(2, ask) : unknown(argv[2]);
    }
    if (streq(name, "help") || streq(name, "--help") || streq(name, "-h") || streq(name, "-help"))
        return usage(stdout);
    if (streq(name, "--version") || streq(name, "-version"))
        return cli_version(1, argv + 1);
    c = find(name);
    return c ? c->run(argc - 1, argv + 1) : unknown(name);
}
