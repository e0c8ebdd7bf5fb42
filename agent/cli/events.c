#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"

#define RETRY_MS 500

static const char help[] =
    "usage: berth events [-f] [--task TASK] [--since WHEN] [--json] [--socket PATH]\n\n"
    "Prints what happened to the tasks lately, oldest first.\n"
    "JSON lines when standard output is not a terminal.\n\n"
    "  -f, --follow   go on with what happens next; when the agent ends, wait for the\n"
    "                 next one and say so on standard error\n"
    "  --task TASK    only of this task: its ARN, its id, or the first characters of the id\n"
    "  --since WHEN   only what happened since: a time (2026-01-02T03:04:05Z) or how long\n"
    "                 ago (90s, 15m, 2h, 1d)\n"
    "  --socket PATH  where the agent listens; default BERTH_SOCKET, else\n"
    "                 /run/berth/berth.sock\n"
    "\nExit status: 0, or 1 when no agent answers at first, 2 when called in a wrong way.\n";

struct events {
    struct cli_client client;
    const char *task;              /* the beginning of an id; NULL: all */
    char since[CLOCK_ISO_SIZE];    /* "": always */
    char last[CLOCK_ISO_SIZE];     /* of the last event */
    char repeated[CLOCK_ISO_SIZE]; /* after a reconnect: what was told up to then is known */
    bool listed;                   /* what was is told; now comes what happens */
};

static void print_event(void *user, const struct jcur *c)
{
    const char *task = jcur_str_or(c, "task", NULL);
    const char *container = jcur_str_or(c, "container", NULL);
    char id[9];

    (void)user;
    cli_printf("%s  %s%-8s  ", jcur_str_or(c, "time", "?"),
               jcur_bool_or(c, "warning", false) ? "! " : "  ", task ? cli_short_id(task, id) : "");
    if (container) {
        cli_put(stdout, container);
        fputs(": ", stdout);
    }
    cli_put(stdout, jcur_str_or(c, "event", "?"));
    putchar('\n');
    fflush(stdout);
}

/* All times are written alike, so that their texts have their order. */
static bool wanted(void *user, const struct jcur *c)
{
    struct events *ev = user;
    const char *time = jcur_str_or(c, "time", ""), *task = jcur_str_or(c, "task", "");

    if (!ev->listed && ev->repeated[0] && strcmp(time, ev->repeated) <= 0)
        return false;
    snprintf(ev->last, sizeof ev->last, "%s", time);
    return (!ev->task || str_starts(task, ev->task)) && strcmp(time, ev->since) >= 0;
}

/* ---- --since ---- */

static bool ago(const char *text, int64_t *ms)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 }, { 'd', 86400000 } };
    char *end;
    long n = strtol(text, &end, 10);

    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (end > text && end[0] == units[i].unit && !end[1] && n >= 0 && n <= 100000000) {
            *ms = n * units[i].ms;
            return true;
        }
    }
    return false;
}

static bool parse_since(const char *text, char out[CLOCK_ISO_SIZE])
{
    struct err e = { 0 };
    int64_t ms;

    if (ago(text, &ms)) {
        ms = clock_wall_ms() - ms;
        ms = ms > 0 ? ms : 0;
    } else if (clock_parse_iso(text, &ms, &e)) {
        fprintf(stderr,
                "berth events: --since %s: expected a time as 2026-01-02T03:04:05Z, or how "
                "long ago, as 15m\n",
                text);
        return false;
    }
    clock_iso(ms, out);
    return true;
}

/* ---- following ---- */

static void wait_a_moment(void)
{
    struct timespec left = { 0, RETRY_MS * 1000000L };

    while (nanosleep(&left, &left) && errno == EINTR)
        ;
}

/* The agent that answers now may be the one that was there: what it tells anew is known. */
static int follow(struct events *ev)
{
    int code = cli_ask(&ev->client, "events", NULL, true, print_event, ev);

    if (!ev->listed)
        return code == CLI_OK ? CLI_ERROR : code; /* no agent; it was said */
    ev->client.quiet = true;
    while (!ferror(stdout)) {
        if (ev->listed)
            fputs("berth: the agent has ended; waiting for the next one\n", stderr);
        ev->listed = false;
        memcpy(ev->repeated, ev->last, sizeof ev->repeated);
        wait_a_moment();
        cli_ask(&ev->client, "events", NULL, true, print_event, ev);
    }
    return CLI_ERROR;
}

int cli_events(int argc, char **argv)
{
    struct events ev = { 0 };
    const char *socket = NULL, *since = NULL;
    bool json = false, follows = false;
    const struct cli_option options[] = {
        { "json", &json, NULL }, { "socket", NULL, &socket }, { "follow", &follows, NULL },
        { "f", &follows, NULL }, { "task", NULL, &ev.task },  { "since", NULL, &since },
    };
    int code = cli_options(options, COUNT_OF(options), help, CLI_USAGE, 0, &argc, argv);

    if (code >= 0)
        return code;
    if (since && !parse_since(since, ev.since))
        return CLI_USAGE;
    if (ev.task)
        ev.task = str_after_last(ev.task, '/');
    cli_client_init(&ev.client, socket, json);
    ev.client.wanted = wanted;
    ev.client.listed = &ev.listed;
    return follows ? follow(&ev) : cli_ask(&ev.client, "events", NULL, false, print_event, &ev);
}
