#pragma once
/* cli: the commands of berth. Each gets its own argv (argv[0] is its name) and
 * returns the exit code of the process. May include every public header; only
 * main.c includes this one from outside. */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/json.h"
#include "base/str.h"

enum cli_exit {
    CLI_OK = 0,
    CLI_ERROR = 1,    /* of the agent: a restart may help */
    CLI_USAGE = 2,    /* of every command but the agent */
    CLI_TERMINAL = 5, /* of the agent: a restart cannot help */
};

int cli_agent(int argc, char **argv);
int cli_status(int argc, char **argv);
int cli_tasks(int argc, char **argv);
int cli_why(int argc, char **argv);
int cli_logs(int argc, char **argv);
int cli_events(int argc, char **argv);
int cli_top(int argc, char **argv);
int cli_run(int argc, char **argv);
int cli_replay(int argc, char **argv);
int cli_check_config(int argc, char **argv);
int cli_set_aside(int argc, char **argv);
int cli_import(int argc, char **argv);
int cli_preflight(int argc, char **argv);
int cli_seal(int argc, char **argv);
int cli_version(int argc, char **argv);
int cli_stop_tasks(int argc, char **argv);

/* The release of the reference agent whose behavior Berth matches. */
#define CLI_REFERENCE_VERSION "1.105.1"
/* Where the reference tells its commit: what this really is. */
#define CLI_AGENT_HASH "berth-" BERTH_VERSION "-" BERTH_COMMIT

/* ---- options.c ---- */

/* One option: a flag, or one that takes a value. One dash or two; the value is the
 * next argument or follows '='. */
struct cli_option {
    const char *name;
    bool *flag;
    const char **value;
};

/* Reads the options out of argv; the others stay, argv[0] first. Returns -1, or the
 * exit code when the command is over: --help was printed (0), or something is wrong
 * and was said (`bad`). At most `max_args` other arguments may remain. */
int cli_options(const struct cli_option *options, size_t n, const char *help, int bad, int max_args,
                int *argc, char **argv);

/* The candidate most like `text`; NULL when none is near. */
const char *cli_nearest(const char *text, const char *const *candidates, size_t n);

/* ---- client.c: asking a running agent ---- */

struct cli_client {
    const char *socket; /* --socket, BERTH_SOCKET or the default */
    bool json;          /* print lines as they come */
    bool quiet;         /* say nothing of what goes wrong */
    bool refused;       /* the last answer was an error: the agent's, not of asking it */
    /* Which answer lines count, printed or given; NULL: all. With the user of cli_ask. */
    bool (*wanted)(void *user, const struct jcur *answer);
    bool *listed; /* set once a list has come to its end; NULL is fine */
};

/* Decides where to ask and how to print. */
void cli_client_init(struct cli_client *c, const char *socket, bool json);

/* Called with each answer line, parsed; it is not an error. */
typedef void cli_answer_fn(void *user, const struct jcur *answer);

/* Sends {"command": command, "task": task, "follow": follow} and gives each line to
 * `fn`, or prints it when c->json. Prints what goes wrong. Returns the exit code. */
int cli_ask(struct cli_client *c, const char *command, const char *task, bool follow,
            cli_answer_fn *fn, void *user);

#define CLI_AGE_SIZE 24
void cli_age(int64_t ms, char out[CLI_AGE_SIZE]); /* "3h12m" */
/* The status of a task (an object of the agent's answer), WAITING for one that has no
 * room yet and PENDING for one on its way. */
const char *cli_task_status(const struct jcur *task);
const char *cli_short_id(const char *arn_or_id, char out[9]);
/* Printable: control characters of names and texts, U+0080 to U+009F among them, and what is no
 * UTF-8 become '?'. */
void cli_put(FILE *to, const char *text);
void cli_put_bytes(FILE *to, struct str text); /* of one that may contain NUL */
/* As printf, but all that it prints as cli_put does: the format has no line feed. At most 64 KiB.
 */
void cli_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* ---- table.c: columns as wide as they need to be ---- */

struct cli_table;
struct cli_table *cli_table_create(const char *const *heads, size_t n);
void cli_table_cell(struct cli_table *t, const char *text); /* row by row; copied */
void cli_table_print(const struct cli_table *t, FILE *to);
void cli_table_destroy(struct cli_table *t);
