#include <inttypes.h>

#include "cli/cli.h"

static const char help[] =
    "usage: berth stop-tasks [--json] [--socket PATH]\n\n"
    "Stops all tasks of this instance for good, because the host goes down: containers in their\n"
    "order and with their stop timeouts. Waits until the control plane knows and the last logs\n"
    "are shipped, for BERTH_SHUTDOWN_TIMEOUT at most. The agent takes no more tasks until it is\n"
    "started anew. berth-shutdown.service does this when the host goes down.\n\n"
    "  --socket PATH  where the agent listens; default BERTH_SOCKET, else\n"
    "                 /run/berth/berth.sock\n\n"
    "Exit codes: 0 all has ended and is told, 1 something is left.\n";

static int64_t count(const struct jcur *answer, const char *key)
{
    return jcur_int_or(answer, key, 0, INT64_MAX, 0);
}

static bool note_end(void *user, const struct jcur *answer)
{
    bool *complete = user;

    *complete = jcur_bool_or(answer, "complete", false);
    return true;
}

static void print_end(void *user, const struct jcur *answer)
{
    char took[CLI_AGE_SIZE];

    cli_age(count(answer, "took_ms"), took);
    if (*(const bool *)user)
        printf("All tasks have stopped, and all is told, after %s.\n", took);
    else
        printf("After %s, %" PRId64 " tasks have not stopped, %" PRId64
               " reports were not accepted, and %" PRId64 " logs are not shipped to their end.\n",
               took, count(answer, "tasks_left"), count(answer, "reports_left"),
               count(answer, "logs_left"));
}

int cli_stop_tasks(int argc, char **argv)
{
    struct cli_client client;
    const char *socket = NULL;
    bool json = false, complete = false;
    const struct cli_option options[] = { { "json", &json, NULL }, { "socket", NULL, &socket } };
    int code = cli_options(options, COUNT_OF(options), help, CLI_USAGE, 0, &argc, argv);

    if (code >= 0)
        return code;
    cli_client_init(&client, socket, json);
    client.wanted = note_end;
    code = cli_ask(&client, "stop-tasks", NULL, false, print_end, &complete);
    return code == CLI_OK && !complete ? CLI_ERROR : code;
}
