/* preflight: is this machine fit to run tasks? A table, for people and for who bakes images. */
#include "bake/preflight.h"

#include <unistd.h>

#include "cli/cli.h"
#include "config/config.h"
#include "engine/pause.h"

static const char help[] =
    "usage: berth preflight [--config FILE] [--offline] [--image IMAGE] [--json]\n\n"
    "Looks at everything that an agent needs on this machine, runs one container, and prints a\n"
    "table of what is well (PASS), what could be better (WARN), what is in the way (FAIL) and\n"
    "what was not looked at (SKIP), with what to do. For before a registration, and while an\n"
    "image is made. An agent may run meanwhile. It takes 15 seconds at most.\n\n"
    "  --config FILE  default /etc/ecs/ecs.config; it may be absent\n"
    "  --offline      no instance metadata, credentials and endpoints: while an image is made\n"
    "  --image IMAGE  of the container, which must be here; default: the pause image, which is\n"
    "                 made when it is not here\n"
    "  --json         one JSON object a line\n\n"
    "Exit codes: 0 nothing failed, 1 something did, 2 a wrong call.\n";

static void put_json(enum preflight_check c, const struct preflight_row *row)
{
    AUTO(buf) struct buf b = BUF_INIT(64 * 1024);
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "check", preflight_check_name(c));
    jw_kstr(&w, "result", preflight_verdict_name(row->verdict));
    jw_kstr(&w, "finding", row->finding);
    jw_kstr_if(&w, "todo", row->todo);
    jw_end(&w);
    puts(buf_text(&b));
}

static void put_table(const struct preflight_row rows[PREFLIGHT__COUNT])
{
    static const char *const heads[] = { "CHECK", "RESULT", "FINDING" };
    struct cli_table *t = cli_table_create(heads, COUNT_OF(heads));

    for (enum preflight_check c = 0; c < PREFLIGHT__COUNT; c++) {
        cli_table_cell(t, preflight_check_name(c));
        cli_table_cell(t, preflight_verdict_name(rows[c].verdict));
        cli_table_cell(t, rows[c].finding);
        if (*rows[c].todo) {
            char todo[sizeof rows[c].todo + 4];

            snprintf(todo, sizeof todo, "-> %s", rows[c].todo);
            cli_table_cell(t, "");
            cli_table_cell(t, "");
            cli_table_cell(t, todo);
        }
    }
    cli_table_print(t, stdout);
    cli_table_destroy(t);
}

static void put_sum(size_t warnings, size_t failures)
{
    if (failures)
        printf("\n%zu of %d checks failed.\n", failures, PREFLIGHT__COUNT);
    else if (warnings)
        printf("\nNothing is in the way; %zu of %d checks could be better.\n", warnings,
               PREFLIGHT__COUNT);
    else
        puts("\nThis machine is fit to run tasks.");
}

int cli_preflight(int argc, char **argv)
{
    const char *file = "/etc/ecs/ecs.config";
    struct preflight_args args = { .user_agent = "berth-preflight/" BERTH_VERSION,
                                   .pause_archive = pause_archive(),
                                   .pause_entry_point = PAUSE_ENTRY_POINT };
    bool json = false, whole;
    const struct cli_option options[] = { { "config", NULL, &file },
                                          { "offline", &args.offline, NULL },
                                          { "image", NULL, &args.image },
                                          { "json", &json, NULL } };
    int code = cli_options(options, COUNT_OF(options), help, CLI_USAGE, 0, &argc, argv);
    struct preflight_row rows[PREFLIGHT__COUNT];
    size_t counts[PREFLIGHT_SKIP + 1] = { 0 };

    if (code >= 0)
        return code;
    args.config_file = file;
    whole = preflight_run(&args, rows);
    for (enum preflight_check c = 0; c < PREFLIGHT__COUNT; c++) {
        counts[rows[c].verdict]++;
        if (json)
            put_json(c, &rows[c]);
    }
    if (!json) {
        put_table(rows);
        put_sum(counts[PREFLIGHT_WARN], counts[PREFLIGHT_FAIL]);
    }
    code = counts[PREFLIGHT_FAIL] ? CLI_ERROR : CLI_OK;
    if (whole)
        return code;
    /* Something hangs, and would keep this process. */
    fflush(stdout);
    _exit(code);
}
