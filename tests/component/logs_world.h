#pragma once
/* logs_world: the log shipper between a scripted engine and a scripted sink, both on real sockets.
 * Include it in one file of a program. */
#include "support/check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "logs/budget.h"
#include "logs/logs.h"
#include "support/peer.h"

#define ID       "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define T0       1767323045 /* 2026-01-02T03:04:05Z */
#define S        1000000000LL
#define GUARD_MS 25000
#define LONG_MS  600000

/* ---- the sink's side ---- */

enum { ANSWER, RESET, HOLD, VANISH };

struct step {
    const char *op;
    int status; /* 0 ends the script */
    const char *reply;
    int how; /* HOLD: only after peer_go; RESET: instead; VANISH: the client leaves first */
    const char *in_head;
};

struct sink_script {
    const struct step *steps;
    const char *until; /* after the steps: 200 until what was stored ends so */
    atomic_int n_calls;
    struct buf got; /* "<ms>:<message>|" of all that was answered 200 */
    struct buf body;
};

static UNUSED void note_events(struct peer *p, struct sink_script *k, struct str body)
{
    struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root, events;

    if (json_parse(body.p, body.n, &doc, &e)) {
        peer_fail(p, "not JSON: %s", e.msg);
        return;
    }
    root = jcur_root(doc, &e);
    events = jcur_arr(&root, "logEvents");
    JCUR_EACH (item, &events)
        buf_printf(&k->got, "%d:%s|",
                   (int)(jcur_int(&item, "timestamp", 0, INT64_MAX) - T0 * 1000LL),
                   jcur_str(&item, "message"));
    if (e.code)
        peer_fail(p, "%s", e.msg);
    json_free(doc);
}

static UNUSED void answer(struct peer *p, int status, const char *reply)
{
    char text[1024];

    snprintf(text, sizeof text,
             "HTTP/1.1 %d X\r\nContent-Type: application/x-amz-json-1.1\r\n"
             "x-amzn-RequestId: 1\r\nContent-Length: %zu\r\n\r\n%s",
             status, strlen(reply), reply);
    peer_send(p, text);
}

static UNUSED void take_call(struct peer *p, struct sink_script *k, const struct step *s)
{
    const char *head = peer_head(p);
    struct str body = peer_body(p);
    char target[80];

    snprintf(target, sizeof target, "Logs_20140328.%s\r\n", s->op);
    if (!strcasestr(head, target))
        peer_fail(p, "not %s: %s", s->op, head);
    if (s->in_head && !strstr(head, s->in_head))
        peer_fail(p, "no '%s' in: %s", s->in_head, head);
    atomic_fetch_add(&k->n_calls, 1);
    if (s->how == HOLD || s->how == VANISH)
        peer_wait(p);
    if (s->how == VANISH) {
        peer_expect_eof(p);
    } else if (s->how == RESET) {
        peer_reset(p);
        peer_accept(p);
    } else {
        if (s->status == 200 && streq(s->op, "PutLogEvents"))
            note_events(p, k, body);
        /* A batch that failed comes again unchanged. */
        if (s->status != 200 && streq(s->op, "PutLogEvents")) {
            buf_reset(&k->body);
            buf_append(&k->body, body.p, body.n);
        }
        answer(p, s->status, s->reply ? s->reply : "");
    }
}

static UNUSED void sink_run(struct peer *p, void *arg)
{
    static const struct step stored = { .op = "PutLogEvents", .status = 200, .reply = "{}" };
    struct sink_script *k = arg;

    peer_accept(p);
    for (const struct step *s = k->steps; s->status; s++)
        take_call(p, k, s);
    while (k->until && !str_ends(buf_text(&k->got), k->until)) {
        size_t before = k->got.len;

        take_call(p, k, &stored);
        if (k->got.len == before)
            return; /* something went wrong */
    }
}

/* ---- the engine's side ---- */

static UNUSED void inspected(struct peer *p, bool running)
{
    const char *head = peer_head(p);
    char body[512], text[1024];

    if (!strstr(head, "GET /containers/" ID "/json "))
        peer_fail(p, "not an inspect: %s", head);
    snprintf(body, sizeof body,
             "{\"Id\":\"" ID "\",\"Created\":\"2026-01-02T03:04:00Z\","
             "\"Config\":{\"Tty\":false},\"State\":{\"Status\":\"%s\",\"Running\":%s,"
             "\"ExitCode\":0,\"Error\":\"\",\"StartedAt\":\"2026-01-02T03:04:01Z\","
             "\"FinishedAt\":\"%s\"}}",
             running ? "running" : "exited", running ? "true" : "false",
             running ? "0001-01-01T00:00:00Z" : "2026-01-02T03:05:00Z");
    snprintf(text, sizeof text,
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    peer_send(p, text);
}

/* Where is the log? Not in a file. Asked once in the life of a stream. */
static UNUSED void log_sought(struct peer *p)
{
    inspected(p, true);
}

static UNUSED void log_opened(struct peer *p, const char *since, bool follow)
{
    const char *head;

    inspected(p, true); /* for the terminal */
    head = peer_head(p);
    if (!strstr(head, "GET /containers/" ID "/logs?") || !strstr(head, "timestamps=1") ||
        follow != (strstr(head, "follow=1") != NULL) ||
        (since ? !strstr(head, since) : strstr(head, "since=") != NULL))
        peer_fail(p, "another log request than since %s: %s", since, head);
    peer_send(p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}

/* `ns` since T0. */
static UNUSED void frame(struct peer *p, int stream, int64_t ns, const char *text)
{
    size_t n = 31 + strlen(text);
    char *out = mem_alloc(n + 64);
    int at = snprintf(out, 64, "%zx\r\n", n + 8);

    memcpy(out + at,
           (char[8]){ (char)stream, 0, 0, 0, (char)(n >> 24), (char)(n >> 16), (char)(n >> 8),
                      (char)n },
           8);
    at += 8;
    at += snprintf(out + at, n + 64 - (size_t)at, "2026-01-02T03:04:%02d.%09dZ %s\r\n",
                   (int)(5 + ns / S), (int)(ns % S), text);
    peer_send_bytes(p, out, (size_t)at);
    free(out);
}

static UNUSED void log_ends(struct peer *p)
{
    peer_send(p, "0\r\n\r\n");
}

/* The container has ended: the stream does, and the log is read once more. */
static UNUSED void container_ends(struct peer *p, const char *since)
{
    log_ends(p);
    inspected(p, false);
    log_opened(p, since, false);
    log_ends(p);
}

/* ---- the shipper's side ---- */

struct fixture {
    struct loop *loop;
    struct http_client *http;
    struct aws *aws;
    struct credentials *credentials;
    struct roles *roles;
    struct docker *docker;
    char *sink_url;
    struct logs *logs;
    struct loop_timer *guard, *poll;
    struct peer *engine, *sink;
    struct sink_script script;
    char dir[40], path[64], endpoint[80];
    bool (*until)(struct fixture *f);
    bool timed_out;

    struct task task;
    struct task_container container;
    struct task_kv options[8];

    char *cursor;
    int n_saves, n_drops;
    int n_drained, n_complete;
    int64_t most_waiting;
    int want; /* for the conditions */
};

static UNUSED char web[] = "web", task_id[] = "8f2c", role[] = "role-1";
static UNUSED char awslogs[] = "awslogs", yes[] = "true", group[] = "/app", prefix[] = "p";
static UNUSED char group_option[] = "awslogs-group", create_option[] = "awslogs-create-group";
static UNUSED char prefix_option[] = "awslogs-stream-prefix", minutes[] = "600";
static UNUSED char flush_option[] = "awslogs-force-flush-interval-seconds";

static UNUSED const char *look_up(void *user, const char *name)
{
    const struct fixture *f = user;

    if (streq(name, "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"))
        return f->sink_url;
    return streq(name, "AWS_ACCESS_KEY_ID")       ? "AKTEST"
           : streq(name, "AWS_SECRET_ACCESS_KEY") ? "secret"
                                                  : NULL;
}

static UNUSED void save_cursor(void *user, const char *id, const char *value)
{
    struct fixture *f = user;

    assert_string_equal(id, ID);
    f->n_saves++;
    mem_replace(&f->cursor, value);
}

static UNUSED void drop_cursor(void *user, const char *id)
{
    struct fixture *f = user;

    assert_string_equal(id, ID);
    f->n_drops++;
    mem_replace(&f->cursor, NULL);
}

static UNUSED char *load_cursor(void *user, const char *id)
{
    struct fixture *f = user;

    assert_string_equal(id, ID);
    return mem_strdup(f->cursor);
}

static UNUSED void on_drained(void *user, bool complete)
{
    struct fixture *f = user;

    f->n_drained++;
    f->n_complete += complete;
}

static UNUSED int64_t status_of(struct fixture *f, const char *object, const char *name)
{
    AUTO(buf) struct buf text = BUF_INIT(4096);
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root, inner;
    struct jw w;

    jw_init(&w, &text);
    logs_write_status(f->logs, &w);
    assert_int_equal(json_parse(text.data, text.len, &doc, &e), ERR_OK);
    root = jcur_root(doc, &e);
    inner = object ? jcur_obj(&root, object) : root;
    return jcur_int(&inner, name, 0, INT64_MAX);
}

static UNUSED void on_guard(void *user)
{
    struct fixture *f = user;

    f->timed_out = true;
    loop_stop(f->loop);
}

static UNUSED void on_poll(void *user)
{
    struct fixture *f = user;
    int64_t waiting = status_of(f, NULL, "waiting_bytes");

    if (waiting > f->most_waiting)
        f->most_waiting = waiting;
    if (f->until(f))
        loop_stop(f->loop);
    else
        loop_timer_arm(f->poll, 2);
}

static UNUSED void run_until(struct fixture *f, bool (*until)(struct fixture *f))
{
    f->until = until;
    loop_timer_arm(f->poll, 0);
    loop_timer_arm(f->guard, GUARD_MS);
    loop_run(f->loop);
    loop_timer_disarm(f->poll);
    loop_timer_disarm(f->guard);
    if (f->timed_out) {
        /* What a script waits for may be the reason. */
        logs_destroy(f->logs);
        fail_msg("the test took too long; the sink has %s", buf_text(&f->script.got));
    }
}

static UNUSED bool drained(struct fixture *f)
{
    return f->n_drained == 1;
}

static UNUSED bool saved(struct fixture *f)
{
    return f->n_saves >= f->want;
}

static UNUSED bool called(struct fixture *f)
{
    return atomic_load(&f->script.n_calls) >= f->want;
}

static UNUSED bool failed_once(struct fixture *f)
{
    return status_of(f, NULL, "puts_failed") >= 1;
}

static UNUSED bool read_to_the_bound(struct fixture *f)
{
    return status_of(f, NULL, "paused") == 1;
}

static UNUSED void add_option(struct fixture *f, char *name, char *value)
{
    f->options[f->container.n_log_options++] = (struct task_kv){ name, value };
}

static UNUSED void set_up(struct fixture *f, peer_script *engine, const struct step *steps)
{
    struct err e = { 0 };

    memset(f, 0, sizeof *f);
    log_set_level(LOG_OFF);
    snprintf(f->dir, sizeof f->dir, "/tmp/berth-logs-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/docker.sock", f->dir);
    snprintf(f->endpoint, sizeof f->endpoint, "unix://%s", f->path);
    buf_init(&f->script.got, 64 << 20);
    buf_init(&f->script.body, 16 << 20);
    f->script.steps = steps;
    if (steps)
        f->sink = peer_start(sink_run, &f->script);
    if (engine)
        f->engine = peer_start_unix(f->path, engine, f);

    f->loop = loop_create();
    f->http = http_client_create(f->loop, &(struct http_client_config){ 0 });
    f->sink_url = f->sink ? mem_strdup(peer_url(f->sink, "http", "")) : NULL;
    f->aws = aws_create(&(struct aws_args){
        .http = f->http, .region = "us-west-2", .env = look_up, .env_user = f, .seed = 7 });
    f->credentials = credentials_create(&(struct credentials_args){
        .aws = f->aws, .env = look_up, .env_user = f, .rotating_file = "/no/such/file" });
    f->roles = roles_create();
    assert_int_equal(docker_create(f->http, f->endpoint, &f->docker, &e), ERR_OK);
    f->guard = loop_timer_create(f->loop, on_guard, f);
    f->poll = loop_timer_create(f->loop, on_poll, f);
    f->logs = logs_create(&(struct logs_args){ .loop = f->loop,
                                               .aws = f->aws,
                                               .credentials = f->credentials,
                                               .roles = f->roles,
                                               .docker = f->docker,
                                               .seed = 7,
                                               .save_cursor = save_cursor,
                                               .drop_cursor = drop_cursor,
                                               .load_cursor = load_cursor,
                                               .user = f });
    f->task = (struct task){ .id = task_id, .containers = &f->container, .n_containers = 1 };
    f->container =
        (struct task_container){ .name = web, .log_driver = awslogs, .log_options = f->options };
    /* Not by age, so that it does not matter how busy the machine is. */
    add_option(f, flush_option, minutes);
    add_option(f, group_option, group);
}

static UNUSED void follow(struct fixture *f)
{
    const struct logs_container c = { .task = &f->task, .docker_id = ID, .docker_name = "web" };

    logs_follow(f->logs, &c);
}

static UNUSED void drain(struct fixture *f, int64_t timeout_ms)
{
    logs_drain(f->logs, ID, timeout_ms, on_drained, f);
    assert_int_equal(f->n_drained, 0); /* never inside the call */
    run_until(f, drained);
}

static UNUSED void tear_down(struct fixture *f)
{
    const char *wrong;

    logs_destroy(f->logs);
    docker_destroy(f->docker);
    credentials_destroy(f->credentials);
    aws_destroy(f->aws);
    roles_destroy(f->roles);
    http_client_destroy(f->http);
    loop_timer_destroy(f->guard);
    loop_timer_destroy(f->poll);
    loop_destroy(f->loop);
    if (f->engine && (wrong = peer_stop(f->engine)) != NULL)
        fail_msg("engine: %s", wrong);
    if (f->sink && (wrong = peer_stop(f->sink)) != NULL)
        fail_msg("sink: %s", wrong);
    unlink(f->path);
    rmdir(f->dir);
    buf_fini(&f->script.got);
    buf_fini(&f->script.body);
    free(f->sink_url);
    free(f->cursor);
}

/* ---- what scenarios share ---- */

#define NOT_FOUND "{\"__type\":\"ResourceNotFoundException\",\"message\":\"The specified log ...\"}"
#define THROTTLED "{\"__type\":\"com.amazonaws.logs#ThrottlingException\",\"message\":\"Rate\"}"
#define INVALID   "{\"__type\":\"InvalidParameterException\",\"message\":\"bad event\"}"
#define DENIED    "{\"__type\":\"AccessDeniedException\",\"message\":\"not yours\"}"
#define STORED                             \
    {                                      \
        "PutLogEvents", 200, "{}", 0, NULL \
    }

static UNUSED void engine_four_lines(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    log_sought(p);
    log_opened(p, NULL, true);
    frame(p, 1, 0, "one\n");
    frame(p, 2, 1000000, "two\n");
    frame(p, 1, 2000000, "th");
    frame(p, 1, 2000000, "ree\r\n");
    frame(p, 1, 3000000, "\n");
    frame(p, 1, 4000000, "four\n");
    /* 2 s before the last time. */
    container_ends(p, "since=1767323043.004000000");
}
