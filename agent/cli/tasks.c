#include <inttypes.h>

#include "base/clock.h"
#include "cli/cli.h"

#define CELL_MAX 4096

static const char help[] =
    "usage: berth tasks [--json] [--socket PATH]\n\n"
    "Lists the tasks of this instance with their containers and ports; a task that a file\n"
    "of the local directory asks for is (local), under the file's name.\n"
    "JSON lines, with all that is known, when standard output is not a terminal.\n\n"
    "  --socket PATH  where the agent listens; default BERTH_SOCKET, else\n"
    "                 /run/berth/berth.sock\n";

static void containers_cell(const struct jcur *task, struct buf *b)
{
    struct jcur containers = jcur_arr(task, "containers");

    JCUR_EACH (c, &containers) {
        const char *health = jcur_str_or(&c, "health", NULL);
        struct jcur exit_code = jcur_get(&c, "exit_code");
        int64_t restarts = jcur_int_or(&c, "restarts", 0, INT32_MAX, 0);
        const char *name = jcur_str_or(&c, "name", "?");

        if (str_starts(name, "~internal~"))
            continue; /* nobody's but the agent's; in --json it is there */
        buf_printf(b, "%s%s %s", b->len ? ", " : "", name, jcur_str_or(&c, "status", "?"));
        if (jcur_present(&exit_code))
            buf_printf(b, "(%" PRId64 ")", jcur_as_int(&exit_code, INT32_MIN, INT32_MAX));
        else if (health)
            buf_printf(b, "(%s)", health);
        if (restarts)
            buf_printf(b, " (restarted %" PRId64 "x)", restarts);
    }
}

static void ports_cell(const struct jcur *task, struct buf *b)
{
    struct jcur containers = jcur_arr(task, "containers");

    JCUR_EACH (c, &containers) {
        struct jcur ports = jcur_arr(&c, "ports");

        JCUR_EACH (p, &ports) {
            const char *protocol = jcur_str_or(&p, "protocol", "tcp");

            if (streq(jcur_str_or(&p, "ip", ""), "::"))
                continue; /* the same port again, for IPv6 */
            buf_printf(b, "%s%" PRId64 "->%" PRId64 "%s%s", b->len ? ", " : "",
                       jcur_int_or(&p, "host_port", 0, 65535, 0),
                       jcur_int_or(&p, "container_port", 0, 65535, 0),
                       streq(protocol, "tcp") ? "" : "/", streq(protocol, "tcp") ? "" : protocol);
        }
    }
}

static void buf_cell(struct cli_table *t, struct buf *b)
{
    cli_table_cell(t, b->len ? buf_text(b) : "-");
    buf_fini(b);
}

/* A local task has no revision; its file's name is what its owner knows it by. */
static void name_cell(const struct jcur *task, struct buf *b)
{
    const char *local = jcur_str_or(task, "local", NULL);

    if (local)
        buf_printf(b, "%s (local)", local);
    else
        buf_printf(b, "%s:%s", jcur_str_or(task, "family", "?"), jcur_str_or(task, "version", "?"));
}

static void add_task(void *user, const struct jcur *task)
{
    struct cli_table *t = user;
    struct buf b = BUF_INIT(CELL_MAX);
    char id[9], age[CLI_AGE_SIZE];

    cli_table_cell(t, cli_short_id(jcur_str_or(task, "id", "?"), id));
    name_cell(task, &b);
    buf_cell(t, &b);
    cli_table_cell(t, cli_task_status(task));
    cli_table_cell(t, jcur_str_or(task, "desired", "?"));
    containers_cell(task, &b);
    buf_cell(t, &b);
    ports_cell(task, &b);
    buf_cell(t, &b);
    cli_age(clock_wall_ms() - jcur_int_or(task, "arrived_ms", 0, INT64_MAX, 0), age);
    cli_table_cell(t, age);
}

int cli_tasks(int argc, char **argv)
{
    static const char *const heads[] = { "TASK",       "FAMILY:REV", "STATUS", "DESIRED",
                                         "CONTAINERS", "PORTS",      "AGE" };
    struct cli_client client;
    struct cli_table *table;
    const char *socket = NULL;
    bool json = false;
    const struct cli_option options[] = { { "json", &json, NULL }, { "socket", NULL, &socket } };
    int code = cli_options(options, COUNT_OF(options), help, CLI_USAGE, 0, &argc, argv);

    if (code >= 0)
        return code;
    cli_client_init(&client, socket, json);
    table = cli_table_create(heads, COUNT_OF(heads));
    code = cli_ask(&client, "tasks", NULL, false, add_task, table);
    if (code == CLI_OK && !client.json)
        cli_table_print(table, stdout);
    cli_table_destroy(table);
    return code;
}
