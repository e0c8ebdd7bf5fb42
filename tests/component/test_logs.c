/* links: logs */
/* The log shipper between a scripted engine and a scripted sink, both on real
 * sockets. */
#include "support/check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
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

static void note_events(struct peer *p, struct sink_script *k, struct str body)
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

static void answer(struct peer *p, int status, const char *reply)
{
    char text[1024];

    snprintf(text, sizeof text,
             "HTTP/1.1 %d X\r\nContent-Type: application/x-amz-json-1.1\r\n"
             "x-amzn-RequestId: 1\r\nContent-Length: %zu\r\n\r\n%s",
             status, strlen(reply), reply);
    peer_send(p, text);
}

static void take_call(struct peer *p, struct sink_script *k, const struct step *s)
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

static void sink_run(struct peer *p, void *arg)
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

static void inspected(struct peer *p, bool running)
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

static void log_opened(struct peer *p, const char *since, bool follow)
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
static void frame(struct peer *p, int stream, int64_t ns, const char *text)
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

static void log_ends(struct peer *p)
{
    peer_send(p, "0\r\n\r\n");
}

/* The container has ended: the stream does, and the log is read once more. */
static void container_ends(struct peer *p, const char *since)
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

static char web[] = "web", task_id[] = "8f2c", role[] = "role-1";
static char awslogs[] = "awslogs", yes[] = "true", group[] = "/app", prefix[] = "p";
static char group_option[] = "awslogs-group", create_option[] = "awslogs-create-group";
static char prefix_option[] = "awslogs-stream-prefix", minutes[] = "600";
static char flush_option[] = "awslogs-force-flush-interval-seconds";

static const char *look_up(void *user, const char *name)
{
    const struct fixture *f = user;

    if (streq(name, "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"))
        return f->sink_url;
    return streq(name, "AWS_ACCESS_KEY_ID")       ? "AKTEST"
           : streq(name, "AWS_SECRET_ACCESS_KEY") ? "secret"
                                                  : NULL;
}

static void save_cursor(void *user, const char *id, const char *value)
{
    struct fixture *f = user;

    assert_string_equal(id, ID);
    f->n_saves++;
    mem_replace(&f->cursor, value);
}

static void drop_cursor(void *user, const char *id)
{
    struct fixture *f = user;

    assert_string_equal(id, ID);
    f->n_drops++;
    mem_replace(&f->cursor, NULL);
}

static char *load_cursor(void *user, const char *id)
{
    struct fixture *f = user;

    assert_string_equal(id, ID);
    return mem_strdup(f->cursor);
}

static void on_drained(void *user, bool complete)
{
    struct fixture *f = user;

    f->n_drained++;
    f->n_complete += complete;
}

static int64_t status_of(struct fixture *f, const char *object, const char *name)
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

static void on_guard(void *user)
{
    struct fixture *f = user;

    f->timed_out = true;
    loop_stop(f->loop);
}

static void on_poll(void *user)
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

static void run_until(struct fixture *f, bool (*until)(struct fixture *f))
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

static bool drained(struct fixture *f)
{
    return f->n_drained == 1;
}

static bool saved(struct fixture *f)
{
    return f->n_saves >= f->want;
}

static bool called(struct fixture *f)
{
    return atomic_load(&f->script.n_calls) >= f->want;
}

static bool failed_once(struct fixture *f)
{
    return status_of(f, NULL, "puts_failed") >= 1;
}

static bool read_to_the_bound(struct fixture *f)
{
    return status_of(f, NULL, "paused") == 1;
}

static void add_option(struct fixture *f, char *name, char *value)
{
    f->options[f->container.n_log_options++] = (struct task_kv){ name, value };
}

static void set_up(struct fixture *f, peer_script *engine, const struct step *steps)
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

static void follow(struct fixture *f)
{
    logs_follow(f->logs, &f->task, 0, ID);
}

static void drain(struct fixture *f, int64_t timeout_ms)
{
    logs_drain(f->logs, ID, timeout_ms, on_drained, f);
    assert_int_equal(f->n_drained, 0); /* never inside the call */
    run_until(f, drained);
}

static void tear_down(struct fixture *f)
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

/* ---- scenarios ---- */

#define NOT_FOUND "{\"__type\":\"ResourceNotFoundException\",\"message\":\"The specified log ...\"}"
#define THROTTLED "{\"__type\":\"com.amazonaws.logs#ThrottlingException\",\"message\":\"Rate\"}"
#define INVALID   "{\"__type\":\"InvalidParameterException\",\"message\":\"bad event\"}"
#define DENIED    "{\"__type\":\"AccessDeniedException\",\"message\":\"not yours\"}"
#define STORED                             \
    {                                      \
        "PutLogEvents", 200, "{}", 0, NULL \
    }

static void engine_four_lines(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
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

static void engine_stays_open(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    log_opened(p, NULL, true);
    frame(p, 1, 0, "one\n");
    frame(p, 1, 0, "two\n");
    peer_wait(p);
    frame(p, 1, 1 * S, "three\n");
    peer_wait(p);
    container_ends(p, "since=1767323044.000000000");
}

static void creates_group_and_stream(void **state)
{
    static const struct step steps[] = {
        { "PutLogEvents", 400, NOT_FOUND, 0, "Credential=AKTEST/" },
        { "CreateLogStream", 400, NOT_FOUND, 0, NULL },
        { "CreateLogGroup", 200, "", 0, NULL },
        { "CreateLogStream", 400,
          "{\"__type\":\"ResourceAlreadyExistsException\",\"message\":\"\"}", 0, NULL },
        STORED,
        { 0 },
    };
    struct fixture f;

    (void)state;
    set_up(&f, engine_four_lines, steps);
    add_option(&f, create_option, yes);
    add_option(&f, prefix_option, prefix);
    follow(&f);
    follow(&f); /* changes nothing */
    f.want = 1;
    run_until(&f, saved);
    assert_text(buf_str(&f.script.got), "0:one|1:two|2:three|4:four|");
    assert_true(str_starts(buf_text(&f.script.body),
                           "{\"logGroupName\":\"/app\",\"logStreamName\":\"p/web/8f2c\","));
    assert_string_equal(f.cursor,
                        "{\"ns\":[1767323045004000000,1767323045001000000],\"same\":[1,1]}");
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    assert_int_equal(f.n_drops, 1);
    assert_int_equal(status_of(&f, NULL, "sent_events"), 4);
    assert_int_equal(status_of(&f, NULL, "streams"), 0);
    tear_down(&f);
}

static void throttled_and_unavailable(void **state)
{
    static const struct step steps[] = {
        { "PutLogEvents", 400, THROTTLED, 0, NULL },
        { "PutLogEvents", 503, "busy", 0, NULL },
        { "PutLogEvents", 400, "{\"__type\":\"InvalidSignatureException\"}", 0, NULL },
        STORED,
        { 0 },
    };
    struct fixture f;

    (void)state;
    set_up(&f, engine_four_lines, steps);
    follow(&f);
    f.want = 1;
    run_until(&f, failed_once);
    assert_int_equal(f.n_saves, 0);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    assert_text(buf_str(&f.script.got), "0:one|1:two|2:three|4:four|");
    tear_down(&f);
}

#define FLOOD 6000

static void engine_flood(struct peer *p, void *arg)
{
    char text[1100];

    (void)arg;
    peer_accept(p);
    log_opened(p, NULL, true);
    for (int i = 0; i < FLOOD; i++) {
        snprintf(text, sizeof text, "%d %01000d\n", i, 0);
        frame(p, 1, 1000 * i, text);
    }
    frame(p, 1, 1000 * FLOOD, "last\n");
    container_ends(p, "since=1767323043.006000000");
}

static void sink_away_and_back(void **state)
{
    static const struct step steps[] = {
        { "PutLogEvents", 200, "{}", RESET, NULL },
        { "PutLogEvents", 200, "{}", RESET, NULL },
        { "PutLogEvents", 500, "{}", HOLD, NULL },
        { 0 },
    };
    struct fixture f;
    const char *at;

    (void)state;
    set_up(&f, engine_flood, steps);
    f.script.until = ":last|";
    follow(&f);
    run_until(&f, read_to_the_bound);
    f.want = 3;
    run_until(&f, called);
    assert_true(f.most_waiting >= LOGS_MAX_STREAM_BYTES);
    assert_int_equal(f.n_saves, 0);
    peer_go(f.sink);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    /* A paused source may still give what one read brought. */
    assert_true(f.most_waiting < LOGS_MAX_STREAM_BYTES + (256 << 10));
    at = buf_text(&f.script.got);
    for (int i = 0; i < FLOOD; i++) {
        char want[40];

        snprintf(want, sizeof want, "%d:%d 0000", i / 1000, i);
        if (!str_starts(at, want))
            fail_msg("line %d is not there: %.60s", i, at);
        at = strchr(at, '|') + 1;
    }
    assert_string_equal(at, "6:last|");
    tear_down(&f);
}

static void rejected_events_are_counted(void **state)
{
    static const struct step steps[] = {
        { "PutLogEvents", 200,
          "{\"rejectedLogEventsInfo\":{\"tooNewLogEventStartIndex\":3,"
          "\"tooOldLogEventEndIndex\":1,\"expiredLogEventEndIndex\":2}}",
          0, NULL },
        { 0 },
    };
    struct fixture f;

    (void)state;
    set_up(&f, engine_four_lines, steps);
    follow(&f);
    f.want = 1;
    run_until(&f, called);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    assert_int_equal(status_of(&f, "dropped", "too_new"), 1);
    assert_int_equal(status_of(&f, "dropped", "too_old"), 1);
    assert_int_equal(status_of(&f, "dropped", "expired"), 1);
    assert_int_equal(status_of(&f, NULL, "sent_events"), 1);
    tear_down(&f);
}

static void poison_is_isolated(void **state)
{
    static const struct step steps[] = {
        { "PutLogEvents", 400, INVALID, 0, NULL }, /* one two three four */
        STORED,                                    /* one two */
        { "PutLogEvents", 400, INVALID, 0, NULL }, /* three four */
        { "PutLogEvents", 400, INVALID, 0, NULL }, /* three */
        STORED,                                    /* four */
        { 0 },
    };
    struct fixture f;

    (void)state;
    set_up(&f, engine_four_lines, steps);
    follow(&f);
    f.want = 1;
    run_until(&f, called);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    assert_text(buf_str(&f.script.got), "0:one|1:two|4:four|");
    assert_int_equal(status_of(&f, "dropped", "refused"), 1);
    assert_int_equal(status_of(&f, NULL, "sent_events"), 3);
    tear_down(&f);
}

static bool read_three(struct fixture *f)
{
    return status_of(f, NULL, "waiting_events") == 3;
}

static void cursor_waits_for_the_sink(void **state)
{
    static const struct step steps[] = { { "PutLogEvents", 200, "{}", HOLD, NULL }, STORED, { 0 } };
    struct fixture f;
    size_t waiting;

    (void)state;
    set_up(&f, engine_stays_open, steps);
    f.container.log_options++; /* the usual age */
    f.container.n_log_options--;
    follow(&f);
    f.want = 1;
    run_until(&f, called); /* by age, for the stream goes on */
    peer_go(f.engine);
    run_until(&f, read_three);
    assert_int_equal(f.n_saves, 0);
    assert_true(logs_waiting(f.logs, ID, &waiting));
    assert_int_equal((int64_t)waiting, status_of(&f, NULL, "waiting_bytes"));
    assert_false(logs_waiting(f.logs, "another", &waiting));
    peer_go(f.sink);
    run_until(&f, saved);
    /* Not of the line that was read meanwhile. */
    assert_string_equal(f.cursor, "{\"ns\":[1767323045000000000,0],\"same\":[2,0]}");
    peer_go(f.engine);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    assert_text(buf_str(&f.script.got), "0:one|0:two|1000:three|");
    tear_down(&f);
}

static void engine_resumed(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    log_opened(p, "since=1767323044.500000000", true);
    frame(p, 1, 1 * S, "confirmed earlier\n");
    frame(p, 2, 1 * S, "of the other stream\n");
    frame(p, 1, 1500000000, "confirmed\n");
    frame(p, 1, 1500000000, "confirmed too\n");
    frame(p, 1, 1500000000, "the same time\n");
    frame(p, 1, 2 * S, "later\n");
    container_ends(p, "since=1767323045.000000000");
}

static void resumes_behind_the_cursor(void **state)
{
    static const struct step steps[] = { STORED, { 0 } };
    struct fixture f;

    (void)state;
    set_up(&f, engine_resumed, steps);
    f.cursor = mem_strdup("{\"ns\":[1767323046500000000,0],\"same\":[2,0]}");
    follow(&f);
    f.want = 1;
    run_until(&f, called);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    /* 1000 clamps nothing; it is the order of the log. */
    assert_text(buf_str(&f.script.got), "1000:of the other stream|1500:the same time|2000:later|");
    assert_null(f.cursor);
    tear_down(&f);
}

static void engine_breaks_off(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    log_opened(p, NULL, true);
    frame(p, 1, 0, "one\n");
    frame(p, 1, 3 * S, "two, part 1, ");
    peer_send(p, "40\r\n\x01"); /* a cut frame in a cut chunk */
    peer_reset(p);
    peer_accept(p);
    log_opened(p, "since=1767323046.000000000", true);
    frame(p, 1, 3 * S, "two, part 1, ");
    frame(p, 1, 3 * S, "part 2\n");
    /* Its end, while the container runs, is not the log's. */
    log_ends(p);
    inspected(p, true);
    log_opened(p, "since=1767323046.000000000", true);
    frame(p, 1, 3 * S, "two, part 1, ");
    frame(p, 1, 3 * S, "part 2\n");
    frame(p, 1, 4 * S, "three\n");
    /* The last text was left out by the stream. */
    log_ends(p);
    inspected(p, false);
    log_opened(p, "since=1767323047.000000000", false);
    frame(p, 1, 4 * S, "three\n");
    frame(p, 1, 4 * S, "the end");
    log_ends(p);
}

static void engine_connection_breaks(void **state)
{
    static const struct step none[] = { { 0 } };
    struct fixture f;

    (void)state;
    set_up(&f, engine_breaks_off, none);
    f.script.until = ":the end|";
    follow(&f);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    assert_text(buf_str(&f.script.got), "0:one|3000:two, part 1, part 2|4000:three|4000:the end|");
    tear_down(&f);
}

/* The parts of a long line have the time of its first, also when they are written
 * long after what the other stream said meanwhile. */
static void engine_breaks_off_in_a_line(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    log_opened(p, NULL, true);
    frame(p, 1, 0, "a long line, ");
    frame(p, 2, 10 * S, "meanwhile\n");
    peer_send(p, "40\r\n\x01");
    peer_reset(p);
    peer_accept(p);
    log_opened(p, "since=1767323045.000000000", true);
    frame(p, 1, 0, "a long line, ");
    frame(p, 2, 10 * S, "meanwhile\n");
    frame(p, 1, 0, "its end\n");
    container_ends(p, "since=1767323053.000000000");
}

static void line_outlives_a_break(void **state)
{
    static const struct step none[] = { { 0 } };
    struct fixture f;

    (void)state;
    set_up(&f, engine_breaks_off_in_a_line, none);
    f.script.until = ":a long line, its end|";
    follow(&f);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    assert_text(buf_str(&f.script.got), "10000:meanwhile|0:a long line, its end|");
    tear_down(&f);
}

static void drain_gives_up(void **state)
{
    static const struct step steps[] = { { "PutLogEvents", 200, "{}", VANISH, NULL }, { 0 } };
    struct fixture f;

    (void)state;
    set_up(&f, engine_four_lines, steps);
    follow(&f);
    f.want = 1;
    run_until(&f, called);
    drain(&f, 50);
    assert_int_equal(f.n_complete, 0);
    assert_int_equal(f.n_drops, 1);
    assert_int_equal(status_of(&f, "dropped", "abandoned"), 4);
    peer_go(f.sink);
    tear_down(&f);
}

static void unfollowed_is_drained_at_once(void **state)
{
    struct fixture f;
    static char json_file[] = "json-file";

    (void)state;
    set_up(&f, NULL, NULL);
    f.container.log_driver = json_file;
    follow(&f); /* nothing to ship */
    assert_int_equal(status_of(&f, NULL, "streams"), 0);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    /* Silence after the end. */
    logs_drain(f.logs, ID, LONG_MS, on_drained, &f);
    logs_destroy(f.logs);
    f.logs = NULL;
    assert_int_equal(f.n_drained, 1);
    tear_down(&f);
}

static void missing_group_blocks(void **state)
{
    static const struct step steps[] = {
        { "PutLogEvents", 400, NOT_FOUND, 0, NULL },
        { "CreateLogStream", 400, NOT_FOUND, 0, NULL },
        { "PutLogEvents", 400, DENIED, 0, NULL },
        { 0 },
    };
    struct fixture f;

    (void)state;
    set_up(&f, engine_four_lines, steps);
    follow(&f);
    run_until(&f, failed_once);
    /* The drain tries once more, and then it is blocked for longer than that. */
    drain(&f, 500);
    assert_int_equal(f.n_complete, 0);
    assert_int_equal(atomic_load(&f.script.n_calls), 3);
    tear_down(&f);
}

static void waits_for_the_keys_of_the_role(void **state)
{
    static const struct step steps[] = {
        { "PutLogEvents", 200, "{}", 0, "Credential=AKROLE/" },
        { 0 },
    };
    const struct role_credentials keys = { .id = role,
                                           .role_arn = "arn",
                                           .access_key = "AKROLE",
                                           .secret_key = "s",
                                           .session_token = "t",
                                           .expiration = "",
                                           .task_arn = "arn" };
    struct fixture f;

    (void)state;
    set_up(&f, engine_four_lines, steps);
    f.container.log_execution_role = true;
    f.task.execution_credentials_id = role;
    follow(&f);
    run_until(&f, failed_once);
    assert_int_equal(atomic_load(&f.script.n_calls), 0);
    roles_put(f.roles, &keys);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    tear_down(&f);
}

static void engine_runs_twice(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    log_opened(p, NULL, true);
    frame(p, 1, 0, "first run\n");
    container_ends(p, "since=1767323043.000000000");
    log_opened(p, "since=1767323043.000000000", true);
    frame(p, 1, 0, "first run\n");
    frame(p, 1, 1 * S, "second run\n");
    container_ends(p, "since=1767323044.000000000");
}

static void container_runs_again(void **state)
{
    static const struct step steps[] = { STORED, STORED, { 0 } };
    struct fixture f;

    (void)state;
    set_up(&f, engine_runs_twice, steps);
    follow(&f);
    f.want = 1;
    run_until(&f, saved);
    follow(&f);
    f.want = 2;
    run_until(&f, saved);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    assert_text(buf_str(&f.script.got), "0:first run|1000:second run|");
    tear_down(&f);
}

static void engine_loses_container(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    log_opened(p, NULL, true);
    frame(p, 1, 0, "one\n");
    log_ends(p);
    peer_head(p);
    answer(p, 404, "{\"message\":\"No such container: x\"}");
}

static void removed_container_is_not_complete(void **state)
{
    static const struct step steps[] = { STORED, { 0 } };
    struct fixture f;

    (void)state;
    set_up(&f, engine_loses_container, steps);
    follow(&f);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 0);
    assert_text(buf_str(&f.script.got), "0:one|");
    assert_int_equal(status_of(&f, "dropped", "abandoned"), 0);
    tear_down(&f);
}

static void destroyed_while_busy(void **state)
{
    static const struct step steps[] = { { "PutLogEvents", 200, "{}", VANISH, NULL }, { 0 } };
    struct fixture f;

    (void)state;
    set_up(&f, engine_four_lines, steps);
    follow(&f);
    f.want = 1;
    run_until(&f, called);
    logs_drain(f.logs, ID, LONG_MS, on_drained, &f);
    logs_destroy(f.logs);
    f.logs = NULL;
    peer_go(f.sink);
    assert_int_equal(f.n_drained, 0);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creates_group_and_stream),
        cmocka_unit_test(throttled_and_unavailable),
        cmocka_unit_test(sink_away_and_back),
        cmocka_unit_test(rejected_events_are_counted),
        cmocka_unit_test(poison_is_isolated),
        cmocka_unit_test(cursor_waits_for_the_sink),
        cmocka_unit_test(resumes_behind_the_cursor),
        cmocka_unit_test(engine_connection_breaks),
        cmocka_unit_test(line_outlives_a_break),
        cmocka_unit_test(drain_gives_up),
        cmocka_unit_test(unfollowed_is_drained_at_once),
        cmocka_unit_test(missing_group_blocks),
        cmocka_unit_test(waits_for_the_keys_of_the_role),
        cmocka_unit_test(container_runs_again),
        cmocka_unit_test(removed_container_is_not_complete),
        cmocka_unit_test(destroyed_while_busy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
