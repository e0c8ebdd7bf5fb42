#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "io/unix_server.h"

#define DEFAULT_SOCKET "/run/berth/berth.sock"

void cli_client_init(struct cli_client *c, const char *socket, bool json)
{
    const char *env = getenv("BERTH_SOCKET");

    *c = (struct cli_client){ .socket = socket            ? socket
                                        : !str_empty(env) ? env
                                                          : DEFAULT_SOCKET,
                              .json = json || !isatty(STDOUT_FILENO) };
}

struct asking {
    const struct cli_client *client;
    cli_answer_fn *fn;
    void *user;
    int code;
    bool ended;   /* a list has come to its end */
    bool refused; /* the answer is an error */
};

static void on_line(void *user, struct str text)
{
    struct asking *a = user;
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur c;
    const char *error;

    if (json_parse(text.p, text.n, &doc, &e)) {
        if (!a->client->quiet)
            fprintf(stderr, "berth: the agent's answer cannot be read: %s\n", e.msg);
        a->code = CLI_ERROR;
        return;
    }
    c = jcur_root(doc, &e);
    error = jcur_type(&c) == JSON_OBJ ? jcur_str_or(&c, "error", NULL) : NULL;
    if (error) {
        a->refused = true;
        if (!a->client->quiet) {
            fputs("berth: ", stderr);
            cli_put(stderr, error);
            fputc('\n', stderr);
        }
        a->code = CLI_ERROR;
    } else if (jcur_type(&c) == JSON_OBJ && jcur_bool_or(&c, "end", false)) {
        a->ended = true;
        if (a->client->listed)
            *a->client->listed = true;
    } else if (a->client->wanted && !a->client->wanted(a->user, &c)) {
        ;
    } else if (a->client->json) {
        fwrite(text.p, 1, text.n, stdout);
        fputc('\n', stdout);
        fflush(stdout);
    } else {
        a->fn(a->user, &c);
    }
}

static int explain(const char *socket, const struct err *e)
{
    if (e->code == ERR_NOT_FOUND)
        fprintf(stderr,
                "berth: no agent listens on %s; is ecs.service running? (systemctl status ecs)\n",
                socket);
    else if (e->code == ERR_DENIED)
        fprintf(stderr, "berth: %s: only root and the agent's user may ask it; try with sudo\n",
                socket);
    else
        fprintf(stderr, "berth: %s: %s\n", socket, e->msg);
    return CLI_ERROR;
}

int cli_ask(struct cli_client *c, const char *command, const char *task, bool follow,
            cli_answer_fn *fn, void *user)
{
    struct asking a = { c, fn, user, CLI_OK, false, false };
    bool list = streq(command, "tasks") || (streq(command, "events") && !follow);
    struct buf request = BUF_INIT(64 * 1024);
    struct err e = { 0 };
    struct jw w;

    jw_init(&w, &request);
    jw_object(&w);
    jw_kstr(&w, "command", command);
    jw_kstr_if(&w, "task", task);
    if (follow)
        jw_kbool(&w, "follow", true);
    jw_end(&w);
    if (request.overflowed) {
        fputs("berth: the request is too long\n", stderr);
        a.code = CLI_USAGE;
    } else if (unix_ask(c->socket, buf_str(&request), on_line, &a, &e)) {
        a.code = c->quiet ? CLI_ERROR : explain(c->socket, &e);
    } else if (list && !a.ended && a.code == CLI_OK) {
        fputs("berth: the agent's answer is not whole; ask again\n", stderr);
        a.code = CLI_ERROR;
    }
    buf_fini(&request);
    c->refused = a.refused;
    return a.code;
}

void cli_age(int64_t ms, char out[CLI_AGE_SIZE])
{
    int64_t s = ms < 0 ? 0 : ms / 1000;

    if (s < 60)
        snprintf(out, CLI_AGE_SIZE, "%" PRId64 "s", s);
    else if (s < 3600)
        snprintf(out, CLI_AGE_SIZE, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, CLI_AGE_SIZE, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
    else
        snprintf(out, CLI_AGE_SIZE, "%" PRId64 "d%02" PRId64 "h", s / 86400, s / 3600 % 24);
}

const char *cli_task_status(const struct jcur *task)
{
    const char *status = jcur_str_or(task, "status", "?");

    if (streq(status, "RUNNING") || streq(status, "STOPPED"))
        return status;
    return jcur_bool_or(task, "admitted", true) ? "PENDING" : "WAITING";
}

const char *cli_short_id(const char *arn_or_id, char out[9])
{
    snprintf(out, 9, "%.8s", str_after_last(arn_or_id, '/'));
    return out;
}

void cli_put_bytes(FILE *to, struct str text)
{
    while (text.n) {
        int len = str_utf8_len(text.p, text.n);
        unsigned char c = (unsigned char)text.p[0];
        size_t n = len > 0 ? (size_t)len : 1;

        /* U+0080 to U+009F are control characters too: U+009B begins what ESC [ does. */
        if (len <= 0 || c < 0x20 || c == 0x7F || (c == 0xC2 && (unsigned char)text.p[1] < 0xA0))
            fputc('?', to);
        else
            fwrite(text.p, 1, n, to);
        text.p += n;
        text.n -= n;
    }
}

void cli_put(FILE *to, const char *text)
{
    cli_put_bytes(to, str_of(text));
}

void cli_printf(const char *fmt, ...)
{
    AUTO(buf) struct buf b = BUF_INIT(64 * 1024);
    va_list ap;

    va_start(ap, fmt);
    if (!buf_vprintf(&b, fmt, ap))
        buf_puts(&b, "?");
    va_end(ap);
    cli_put_bytes(stdout, buf_str(&b));
}
