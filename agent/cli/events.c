#include "cli/cli.h"

static const char help[] = "usage: berth events [-f] [--json] [--socket PATH]\n\n"
                           "Prints what happened to the tasks lately, oldest first.\n"
                           "JSON lines when standard output is not a terminal.\n\n"
                           "  -f, --follow   go on with what happens next\n"
                           "  --socket PATH  where the agent listens; default BERTH_SOCKET, else\n"
                           "                 /run/berth/berth.sock\n";

static void print_event(void *user, const struct jcur *c)
{
    const char *task = jcur_str_or(c, "task", NULL);
    const char *container = jcur_str_or(c, "container", NULL);
    char id[9];

    (void)user;
    printf("%s  %s%-8s  ", jcur_str_or(c, "time", "?"),
           jcur_bool_or(c, "warning", false) ? "! " : "  ", task ? cli_short_id(task, id) : "");
    if (container) {
        cli_put(stdout, container);
        fputs(": ", stdout);
    }
    cli_put(stdout, jcur_str_or(c, "event", "?"));
    putchar('\n');
    fflush(stdout);
}

int cli_events(int argc, char **argv)
{
    struct cli_client client;
    const char *socket = NULL;
    bool json = false, follow = false;
    const struct cli_option options[] = {
        { "json", &json, NULL },
        { "socket", NULL, &socket },
        { "follow", &follow, NULL },
        { "f", &follow, NULL },
    };
    int code = cli_options(options, COUNT_OF(options), help, CLI_USAGE, 0, &argc, argv);

    if (code >= 0)
        return code;
    cli_client_init(&client, socket, json);
    return cli_ask(&client, "events", NULL, follow, print_event, NULL);
}
