#include "cli/agent_postmortem.h"
#include "cli/cli.h"
#include "cli/why_record.h"
#include "cli/why_stages.h"

static const char help[] =
    "usage: berth why [--json] [--socket PATH] TASK | --last\n\n"
    "Says what a task waits for, and since when; then where its time went: of the last of\n"
    "its containers to run the way there, and what the task and each container was in, from\n"
    "when, for how long; of one that failed, what is known of its end, also when it is gone\n"
    "already. TASK is its ARN, its id, or the first characters of the id.\n"
    "JSON when standard output is not a terminal.\n\n"
    "  --last         the newest task that failed\n"
    "  --socket PATH  where the agent listens; default BERTH_SOCKET, else\n"
    "                 /run/berth/berth.sock\n";

static void print_task(const struct jcur *c)
{
    struct jcur task = jcur_obj(c, "task");
    const char *reason = jcur_str_or(&task, "reason", NULL);

    fputs("Task ", stdout);
    cli_put(stdout, jcur_str_or(&task, "id", "?"));
    fputs(" (", stdout);
    cli_put(stdout, jcur_str_or(&task, "family", "?"));
    putchar(':');
    cli_put(stdout, jcur_str_or(&task, "version", "?"));
    cli_printf(") is %s and should be %s.", cli_task_status(&task),
               jcur_str_or(&task, "desired", "?"));
    putchar('\n');
    if (reason) {
        fputs("Reason: ", stdout);
        cli_put(stdout, reason);
        putchar('\n');
    }
}

static void print_waits(const struct jcur *c)
{
    struct jcur waits = jcur_arr(c, "waits");
    char age[CLI_AGE_SIZE];

    if (jcur_len(&waits) == 0)
        puts("It waits for nothing.");
    JCUR_EACH (w, &waits) {
        const char *container = jcur_str_or(&w, "container", NULL);

        cli_age(jcur_int_or(&w, "for_ms", 0, INT64_MAX, 0), age);
        cli_put(stdout, container ? container : "The task");
        fputs(" waits for ", stdout);
        cli_put(stdout, jcur_str_or(&w, "waits_for", "?"));
        printf(" (for %s)\n", age);
    }
}

static void print_why(void *user, const struct jcur *c)
{
    struct jcur stages = jcur_arr(c, "stages");

    (void)user;
    print_task(c);
    print_waits(c);
    why_print_stages(&stages);
    why_print_record(c);
}

int cli_why(int argc, char **argv)
{
    struct cli_client client;
    const char *socket = NULL;
    bool json = false, last = false;
    const struct cli_option options[] = { { "json", &json, NULL },
                                          { "last", &last, NULL },
                                          { "socket", NULL, &socket } };
    int code = cli_options(options, COUNT_OF(options), help, CLI_USAGE, 1, &argc, argv);

    if (code >= 0)
        return code;
    if (argc < 2 && !last) {
        fputs("berth why: which task? \"berth tasks\" lists them\n", stderr);
        return CLI_USAGE;
    }
    if (argc > 1 && last) {
        fputs("berth why: either a task or --last\n", stderr);
        return CLI_USAGE;
    }
    cli_client_init(&client, socket, json);
    return cli_ask(&client, "why", last ? CASEBOOK_LAST : argv[1], false, print_why, NULL);
}
