#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/agent.h"
#include "cli/agent_postmortem.h"
#include "cli/agent_top.h"
#include "io/service_manager.h"
#include "io/unix_server.h"

#define ANSWER_MAX (64 << 20)
#define PIECE      (256 * 1024) /* sent at once; the server holds 1 MiB for a client */
#define PACE_MS    5
#define CLOSING_MS 100                   /* how often it is looked whether all is done */
#define STALL_MAX  (60 * 1000 / PACE_MS) /* a client that reads nothing for so long is left */

struct admin {
    struct agent *agent;
    struct unix_server *server;
    struct list answers; /* not finished */
};

/* One client: text that is on its way out, then perhaps events as they happen. */
struct answer {
    struct list node;
    struct admin *admin;
    struct unix_client *client; /* NULL: gone */
    struct buf out;
    size_t sent;
    struct loop_timer *pace;
    int stalled; /* turns in which the client had not read the last piece */
    bool follow;
    bool closing; /* the answer comes when the tasks have stopped */
};

static void answer_destroy(struct answer *an)
{
    list_remove(&an->node);
    loop_timer_destroy(an->pace);
    buf_fini(&an->out);
    free(an);
}

/* ---- sending ---- */

/* Sends a piece; a large answer goes out over several turns, as fast as it is read. */
static void send_more(void *user)
{
    struct answer *an = user;
    struct str piece;

    if (an->closing && !closing_write(an->admin->agent, &an->out)) {
        loop_timer_arm(an->pace, CLOSING_MS);
        return;
    }
    an->closing = false;
    piece = (struct str){ an->out.data + an->sent, an->out.len - an->sent };
    if (!an->follow && unix_client_behind(an->client) > 0) {
        if (++an->stalled < STALL_MAX) {
            loop_timer_arm(an->pace, PACE_MS);
            return;
        }
        unix_client_end(an->client);
        answer_destroy(an);
        return;
    }
    an->stalled = 0;
    if (piece.n > PIECE)
        piece.n = PIECE;
    an->sent += piece.n;
    if (piece.n && !unix_client_send(an->client, piece)) {
        answer_destroy(an);
        return;
    }
    if (an->sent < an->out.len) {
        loop_timer_arm(an->pace, PACE_MS);
        return;
    }
    buf_fini(&an->out);
    an->sent = 0;
    if (an->follow)
        return;
    unix_client_end(an->client);
    answer_destroy(an);
}

static void on_gone(void *user)
{
    answer_destroy(user);
}

static void on_event(void *user, const char *json_line)
{
    struct admin *ad = user;

    LIST_FOREACH (it, following, &ad->answers) {
        struct answer *an = LIST_ENTRY(it, struct answer, node);

        if (!an->follow)
            continue;
        buf_puts(&an->out, json_line);
        buf_putc(&an->out, '\n');
        if (!loop_timer_armed(an->pace))
            loop_timer_arm(an->pace, 0);
    }
}

/* ---- answers ---- */

static void write_error(struct buf *b, const char *text)
{
    struct jw w;

    jw_init(&w, b);
    jw_object(&w);
    jw_kstr(&w, "error", text);
    jw_end(&w);
    buf_putc(b, '\n');
}

static void write_store(const struct agent *a, struct jw *w)
{
    struct engine_totals t;

    engine_get_totals(a->engine, &t);
    jw_kobject(w, "store");
    jw_kbool(w, "saved", t.unsaved == NULL);
    jw_kstr_if(w, "error", t.unsaved);
    if (t.unsaved)
        jw_kint(w, "for_ms", t.unsaved_ms);
    jw_end(w);
}

static void write_status(struct agent *a, struct buf *b)
{
    char started[CLOCK_ISO_SIZE];
    struct jw w;

    clock_iso(a->started_ms, started);
    jw_init(&w, b);
    jw_object(&w);
    jw_kobject(&w, "agent");
    jw_kstr(&w, "version", BERTH_VERSION);
    jw_kstr(&w, "commit", BERTH_COMMIT);
    jw_kint(&w, "pid", getpid());
    jw_kstr(&w, "started", started);
    jw_kint(&w, "uptime_ms", clock_wall_ms() - a->started_ms);
    jw_kstr(&w, "state", a->engine ? "running" : "waiting for the container engine");
    jw_kint(&w, "kept_descriptors", (int64_t)service_manager_kept(a->manager));
    jw_end(&w);
    jw_kstr(&w, "cluster", a->config->cluster);
    jw_kstr_if(&w, "instance_arn", a->instance_arn);
    jw_kobject(&w, "docker");
    jw_kstr_if(&w, "version", a->docker_version.version);
    jw_kstr_if(&w, "api", a->docker_version.api_version);
    jw_end(&w);
    if (a->credentials) {
        jw_key(&w, "credentials");
        credentials_write_status(a->credentials, &w);
    }
    if (a->engine) {
        write_store(a, &w);
        jw_key(&w, "control");
        control_write_status(a->control, &w);
        jw_key(&w, "core");
        core_write_status(engine_core(a->engine), &w);
        jw_key(&w, "logs");
        logs_write_status(a->logs, &w);
    }
    jw_end(&w);
    buf_putc(b, '\n');
}

/* The elements of an array of objects, one line each. */
static void split_lines(struct buf *b, struct str array)
{
    bool text = false, escaped = false;
    size_t from = 0;
    int depth = 0;

    for (size_t i = 0; i < array.n; i++) {
        char ch = array.p[i];

        if (text) {
            if (!escaped && ch == '"')
                text = false;
            escaped = !escaped && ch == '\\';
        } else if (ch == '"') {
            text = true;
        } else if (ch == '{' && depth++ == 0) {
            from = i;
        } else if (ch == '}' && --depth == 0) {
            buf_append(b, array.p + from, i + 1 - from);
            buf_putc(b, '\n');
        }
    }
}

/* A list may be empty, an answer may not. */
static void write_end(struct buf *b)
{
    buf_puts(b, "{\"end\":true}\n");
}

static void write_tasks(struct agent *a, struct buf *b)
{
    struct buf array = BUF_INIT(ANSWER_MAX);
    struct jw w;

    jw_init(&w, &array);
    core_write_tasks(engine_core(a->engine), &w);
    split_lines(b, buf_str(&array));
    buf_fini(&array);
}

static void write_unknown(struct buf *b, const char *task, const char *more)
{
    AUTO(str)
    char *say = mem_printf("no task, or more than one, is called '%.200s'; \"berth tasks\" lists "
                           "them%s",
                           str_or_empty(task), more);

    write_error(b, say);
}

static void write_why(struct agent *a, const char *task, struct buf *b)
{
    const struct core *core = engine_core(a->engine);
    struct core_time now = { clock_mono_ms(), clock_wall_ms() };
    const char *arn = task ? core_find_arn(core, task) : NULL;
    struct jw w;

    if (!arn && task && casebook_answer(a->casebook, task, b))
        return;
    if (!arn) {
        if (task && streq(task, CASEBOOK_LAST))
            write_error(b, "there is no record of a task that failed");
        else
            write_unknown(b, task, "");
        return;
    }
    jw_init(&w, b);
    jw_object(&w);
    jw_key(&w, "task");
    core_write_task(core, arn, &w);
    jw_key(&w, "waits");
    core_write_why(core, arn, now, &w);
    jw_key(&w, "stages");
    core_write_stages(core, arn, now, &w);
    casebook_write(a->casebook, arn, &w);
    jw_end(&w);
    buf_putc(b, '\n');
}

/* Which containers a task has, and where the engine is that has their logs. */
static void write_logs(struct agent *a, const char *task, struct buf *b)
{
    const struct core *core = engine_core(a->engine);
    const char *arn = task ? core_find_arn(core, task) : NULL;
    struct jw w;

    if (!arn) {
        write_unknown(b, task, ". The logs of a task that was removed are gone from here");
        return;
    }
    jw_init(&w, b);
    jw_object(&w);
    jw_key(&w, "task");
    core_write_task(core, arn, &w);
    jw_kstr(&w, "docker", a->config->docker_endpoint);
    jw_end(&w);
    buf_putc(b, '\n');
}

static void add_event(void *user, const char *json_line)
{
    struct buf *b = user;

    buf_puts(b, json_line);
    buf_putc(b, '\n');
}

static void answer(struct admin *ad, struct answer *an, const struct jcur *rq)
{
    struct agent *a = ad->agent;
    const char *command = jcur_str_or(rq, "command", "");
    const char *task = jcur_str_or(rq, "task", NULL);

    if (streq(command, "status")) {
        write_status(a, &an->out);
    } else if (!a->engine) {
        write_error(&an->out, "the agent waits for the container engine; is Docker running?");
    } else if (streq(command, "tasks")) {
        write_tasks(a, &an->out);
        write_end(&an->out);
    } else if (streq(command, "stop-tasks")) {
        closing_begin(a);
        an->closing = true;
    } else if (streq(command, "top")) {
        top_write(a, &an->out);
    } else if (streq(command, "why")) {
        write_why(a, task, &an->out);
    } else if (streq(command, "logs")) {
        write_logs(a, task, &an->out);
    } else if (streq(command, "events")) {
        engine_each_event(a->engine, add_event, &an->out);
        an->follow = jcur_bool_or(rq, "follow", false);
        write_end(&an->out); /* of what was; what follows happens now */
        if (an->follow)
            engine_observe(a->engine, on_event, ad);
    } else {
        write_error(&an->out, "this agent does not know that command; is it of another version?");
    }
    if (an->out.overflowed) {
        buf_fini(&an->out);
        write_error(&an->out, "the answer is too large");
    }
}

static void on_request(void *user, struct unix_client *client, struct str line)
{
    struct admin *ad = user;
    struct answer *an = NEW(struct answer);
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur rq;

    an->admin = ad;
    an->client = client;
    buf_init(&an->out, ANSWER_MAX);
    an->pace = loop_timer_create(ad->agent->loop, send_more, an);
    list_push_back(&ad->answers, &an->node);
    unix_client_on_gone(client, on_gone, an);
    if (json_parse(line.p, line.n, &doc, &e)) {
        write_error(&an->out, e.msg);
    } else {
        rq = jcur_root(doc, &e);
        answer(ad, an, &rq);
    }
    send_more(an);
}

enum err_code admin_create(struct agent *a, const char *path, struct admin **out, struct err *e)
{
    struct admin *ad = NEW(struct admin);

    ad->agent = a;
    list_init(&ad->answers);
    if (unix_server_create(a->loop, path, on_request, ad, &ad->server, e)) {
        free(ad);
        return e->code;
    }
    *out = ad;
    return ERR_OK;
}

void admin_destroy(struct admin *ad)
{
    if (!ad)
        return;
    if (ad->agent->engine)
        engine_observe(ad->agent->engine, NULL, NULL);
    unix_server_destroy(ad->server);
    LIST_FOREACH (it, following, &ad->answers)
        answer_destroy(LIST_ENTRY(it, struct answer, node));
    free(ad);
}
