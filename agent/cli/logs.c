/* logs: what the containers of a task have written. The agent says which containers there are and
 * where their engine is; the logs are read from that. */
#include "cli/logs.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define INTERRUPTED 130
#define ANSWER_MAX  (4 << 20)
#define LOOK_MS     1000 /* at the task, while its logs are followed */
#define END_MS      100  /* likewise when a container has ended: its task may have */
#define LAST_MAX    1000000000

static const char help[] =
    "usage: berth logs [OPTION]... TASK\n\n"
    "Prints what the containers of a task have written, those of a stopped task too until they\n"
    "are removed. TASK is its ARN, its id, or the first characters of the id. Lines of several\n"
    "containers are in the order of their times, each behind the container's name; standard\n"
    "error goes to standard error.\n\n"
    "  --container C  of this container only\n"
    "  -f, --follow   go on until the task has stopped\n"
    "  --since T      from then on: an age (10m, 1h30m, 2d), a time (2026-01-02T03:04:05Z),\n"
    "                 or seconds since the epoch\n"
    "  --tail N       only the last N lines of each container\n"
    "  --timestamps   begin each line with its time\n"
    "  --json         a line of JSON for each: time, container, stream, text\n"
    "  --socket PATH  where the agent listens; default BERTH_SOCKET, else\n"
    "                 /run/berth/berth.sock\n";

struct showing {
    struct cli_client client;
    const char *task;
    struct logs_wish wish;
    struct buf answer; /* of the agent, the last; empty: none */
    char *arn;         /* a later task may begin as this one's id was given */
    struct loop *loop;
    struct http_client *http;
    struct docker *docker;
    struct docker_op *negotiating;
    struct loop_timer *look;
    struct logs_reader *reader;
    int code;
};

/* ---- the agent ---- */

static void on_answer(void *user, const struct jcur *answer)
{
    struct showing *s = user;

    buf_reset(&s->answer);
    json_dump(answer->val, &s->answer);
}

static int ask(struct showing *s)
{
    buf_reset(&s->answer);
    return cli_ask(&s->client, "logs", s->arn ? s->arn : s->task, false, on_answer, s);
}

static bool is_shown(const struct logs_wish *wish, const char *name)
{
    return !str_starts(name, "~internal~") && (!wish->container || streq(name, wish->container));
}

/* Says what is not there, and decides how lines look. Returns -1 to go on. */
static int look_first(struct showing *s, const struct jcur *containers)
{
    struct logs_wish *wish = &s->wish;
    size_t n = 0, created = 0;

    JCUR_EACH (c, containers)
        n += is_shown(wish, jcur_str_or(&c, "name", ""));
    if (!n) {
        fputs("berth logs: the task has no such container; it has:", stderr);
        JCUR_EACH (c, containers) {
            if (str_starts(jcur_str_or(&c, "name", ""), "~internal~"))
                continue;
            putc(' ', stderr);
            cli_put(stderr, jcur_str_or(&c, "name", ""));
        }
        putc('\n', stderr);
        return CLI_USAGE;
    }
    JCUR_EACH (c, containers) {
        const char *name = jcur_str_or(&c, "name", "");

        if (!is_shown(wish, name))
            continue;
        if (n > 1)
            log_printer_name(&wish->printer, name);
        created += jcur_str_or(&c, "docker_id", NULL) != NULL;
        if (!jcur_str_or(&c, "docker_id", NULL) && !wish->follow)
            fprintf(stderr, "berth logs: container %s has not been created\n", name);
    }
    return created || wish->follow ? -1 : CLI_ERROR;
}

/* Reads the answer: `first` looks at it, else the reader does. */
static int take(struct showing *s, bool first)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root, task, containers;
    int code = -1;

    if (json_parse(buf_text(&s->answer), s->answer.len, &doc, &e)) {
        fprintf(stderr, "berth logs: the agent's answer cannot be read: %s\n", e.msg);
        return CLI_ERROR;
    }
    root = jcur_root(doc, &e);
    task = jcur_obj(&root, "task");
    containers = jcur_arr(&task, "containers");
    if (!first) {
        logs_reader_look(s->reader, &containers,
                         streq(jcur_str_or(&task, "status", ""), "STOPPED"));
        return code;
    }
    s->arn = jcur_strdup_or(&task, "arn", NULL);
    code = look_first(s, &containers);
    if (code < 0 && docker_create(s->http, jcur_str_or(&root, "docker", ""), &s->docker, &e)) {
        fprintf(stderr, "berth logs: %s\n", e.msg);
        return CLI_ERROR;
    }
    return code;
}

/* ---- reading ---- */

static void go_on(struct showing *s)
{
    if (logs_reader_over(s->reader))
        loop_stop(s->loop);
    else if (s->wish.follow && !loop_timer_armed(s->look))
        loop_timer_arm(s->look, LOOK_MS);
}

static void on_look(void *user)
{
    struct showing *s = user;

    s->client.quiet = true; /* an agent that is just restarted is back soon */
    if (ask(s) == CLI_OK && s->answer.len)
        take(s, false);
    else if (s->client.refused)
        logs_reader_last(s->reader);
    go_on(s);
}

static void on_end(void *user, bool broken)
{
    struct showing *s = user;

    if (broken || logs_reader_over(s->reader))
        loop_stop(s->loop);
    else if (s->wish.follow)
        loop_timer_arm(s->look, END_MS);
}

static void on_negotiated(void *user, const struct docker_version *v, const struct err *e)
{
    struct showing *s = user;

    (void)v;
    s->negotiating = NULL;
    if (e->code) {
        fprintf(stderr, "berth logs: the container engine does not answer: %s\n", e->msg);
        s->code = CLI_ERROR;
        loop_stop(s->loop);
        return;
    }
    s->reader = logs_reader_create(s->docker, &s->wish, on_end, s);
    take(s, false);
    go_on(s);
}

static void on_signal(void *user)
{
    struct showing *s = user;

    s->code = INTERRUPTED;
    loop_stop(s->loop);
}

static int show(struct showing *s)
{
    const struct http_client_config http = { .user_agent = "berth" };
    int code;

    s->loop = loop_create();
    s->http = http_client_create(s->loop, &http);
    s->look = loop_timer_create(s->loop, on_look, s);
    code = ask(s);
    if (code == CLI_OK)
        code = take(s, true);
    if (code < 0) {
        loop_on_signal(s->loop, SIGINT, on_signal, s);
        loop_on_signal(s->loop, SIGTERM, on_signal, s);
        s->negotiating = docker_negotiate(s->docker, on_negotiated, s);
        loop_run(s->loop);
        code = !s->code && s->reader && logs_reader_failed(s->reader) ? CLI_ERROR : s->code;
    }
    docker_cancel(s->negotiating);
    logs_reader_destroy(s->reader);
    docker_destroy(s->docker);
    loop_timer_destroy(s->look);
    http_client_destroy(s->http);
    loop_destroy(s->loop);
    buf_fini(&s->answer);
    free(s->arn);
    return code;
}

int cli_logs(int argc, char **argv)
{
    struct showing s = { .answer = BUF_INIT(ANSWER_MAX), .wish.last = -1 };
    const char *socket = NULL, *since = NULL, *tail = NULL;
    struct logs_wish *wish = &s.wish;
    struct err e = { 0 };
    bool times = false;
    const struct cli_option options[] = {
        { "container", NULL, &wish->container },
        { "follow", &wish->follow, NULL },
        { "f", &wish->follow, NULL },
        { "since", NULL, &since },
        { "tail", NULL, &tail },
        { "timestamps", &times, NULL },
        { "json", &wish->json, NULL },
        { "socket", NULL, &socket },
    };
    int code = cli_options(options, COUNT_OF(options), help, CLI_USAGE, 1, &argc, argv);

    if (code >= 0)
        return code;
    if (argc < 2) {
        fputs("berth logs: which task? \"berth tasks\" lists them\n", stderr);
        return CLI_USAGE;
    }
    if ((since && logs_parse_since(since, clock_wall_ns(), &wish->since_ns, &e)) ||
        (tail && str_to_int(tail, 0, LAST_MAX, &wish->last, &e) && err_wrap(&e, "--tail"))) {
        fprintf(stderr, "berth logs: %s\n", e.msg);
        return CLI_USAGE;
    }
    s.task = argv[1];
    log_printer_init(&wish->printer);
    wish->printer.times = times;
    cli_client_init(&s.client, socket, false);
    s.client.json = false;
    return show(&s);
}
