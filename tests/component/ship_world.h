#pragma once
/* ship_world: the log shipper between many containers' log files, an engine that says where they
 * are, and a sink that behaves as the service does, or badly when told to; all on real sockets.
 * Lines are numbered, so that each is accounted for. Include it in one file of a program. */
#include "support/check.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "logs/budget.h"
#include "logs/logs.h"
#include "support/small_server.h"

#define SHIPS     50
#define WORLD_MS  60000
#define DRAIN_MS  600000
#define NS_PER_MS 1000000LL

enum fault {
    FAULT_NONE,
    FAULT_THROTTLED,
    FAULT_BUSY,        /* 503 */
    FAULT_RESET,       /* not stored */
    FAULT_LOST,        /* stored, and the answer is lost */
    FAULT_HANG,        /* not stored, and no answer comes */
    FAULT_STORED_HANG, /* stored, likewise */
    FAULT_MISSING,     /* group and stream were deleted */
};

struct stored {
    int64_t when_ms, arrived_ms;
    char *text;
};

struct ship { /* a container */
    char id[65], path[128];
    FILE *file;
    int64_t written; /* lines */
    bool running;
    char *cursor;
    int saves, drops;
    bool drained, complete, held;
    /* The sink's side; under its lock. */
    struct stored *stored;
    size_t n_stored, room;
};

static struct ship_world {
    struct ship ships[SHIPS];
    size_t n;
    char dir[40], socket[64];
    struct small_server *sink, *engine;
    enum fault (*plan)(
        int put); /* on the sink's thread, for each put from 1 on; NULL: all is well */
    atomic_int puts, reads, hung, creates;
    bool deny_reads;
    int put_delay_us;
    char *sink_url, *format;

    struct loop *loop;
    struct http_client *http;
    struct aws *aws;
    struct credentials *credentials;
    struct roles *roles;
    struct docker *docker;
    struct logs *logs;
    struct logs_args args;
    struct loop_timer *guard, *poll;
    bool (*until)(void);
    void (*each)(void); /* at each look */
    bool timed_out, crashed;
    int64_t most_waiting;
    struct task task;
    struct task_container container;
    struct task_kv options[8];
    int64_t ns; /* of the next line */
    size_t want;
} sw;

/* ---- the sink ---- */

static struct ship *ship_of_stream(const char *name)
{
    size_t i = strtoul(name + strlen("ship-"), NULL, 10);

    return str_starts(name, "ship-") && i < SHIPS ? &sw.ships[i] : NULL;
}

static void sink_error(struct small_reply *reply, int status, const char *type)
{
    reply->status = status;
    buf_printf(&reply->body, "{\"__type\":\"%s\",\"message\":\"as planned\"}", type);
}

static void sink_store(struct ship *s, const struct jcur *root)
{
    struct jcur events = jcur_arr(root, "logEvents");
    int64_t last = 0;

    JCUR_EACH (item, &events) {
        int64_t when_ms = jcur_int(&item, "timestamp", 0, INT64_MAX);

        if (when_ms < last)
            jcur_fail(&item, "a time goes back");
        last = when_ms;
        if (s->n_stored == s->room) {
            s->room = s->room ? 2 * s->room : 1024;
            s->stored = mem_resize(s->stored, s->room, sizeof *s->stored);
        }
        s->stored[s->n_stored++] =
            (struct stored){ when_ms, clock_wall_ms(), mem_strdup(jcur_str(&item, "message")) };
    }
}

static void sink_put_events(const struct jcur *root, struct small_reply *reply)
{
    struct ship *s = ship_of_stream(jcur_str(root, "logStreamName"));
    int put = atomic_fetch_add(&sw.puts, 1) + 1;
    enum fault fault = sw.plan ? sw.plan(put) : FAULT_NONE;

    if (sw.put_delay_us)
        usleep((useconds_t)sw.put_delay_us);
    if (fault == FAULT_NONE || fault == FAULT_LOST || fault == FAULT_STORED_HANG)
        sink_store(s, root);
    switch (fault) {
    case FAULT_NONE:
        buf_puts(&reply->body, "{}");
        break;
    case FAULT_THROTTLED:
        sink_error(reply, 400, "ThrottlingException");
        break;
    case FAULT_BUSY:
        sink_error(reply, 503, "ServiceUnavailableException");
        break;
    case FAULT_MISSING:
        sink_error(reply, 400, "ResourceNotFoundException");
        break;
    case FAULT_RESET:
    case FAULT_LOST:
        reply->how = SMALL_RESET;
        break;
    case FAULT_HANG:
    case FAULT_STORED_HANG:
        reply->how = SMALL_HANG;
        atomic_fetch_add(&sw.hung, 1);
        break;
    }
}

static int by_time(const void *a, const void *b)
{
    const struct stored *x = *(const struct stored *const *)a;
    const struct stored *y = *(const struct stored *const *)b;

    return x->when_ms != y->when_ms ? (x->when_ms < y->when_ms ? -1 : 1) : (x > y) - (x < y);
}

/* As the service has them: by time, and what arrived first comes first. */
static const struct stored **sink_sorted(const struct ship *s)
{
    const struct stored **all = mem_array(s->n_stored + 1, sizeof(struct stored *));

    for (size_t i = 0; i < s->n_stored; i++)
        all[i] = &s->stored[i];
    qsort(all, s->n_stored, sizeof *all, by_time);
    return all;
}

/* Pages of 700 events, so that there are some. */
static void sink_read_events(const struct jcur *root, struct small_reply *reply)
{
    struct ship *s = ship_of_stream(jcur_str(root, "logStreamName"));
    int64_t from = jcur_int(root, "startTime", 0, INT64_MAX);
    int64_t to = jcur_int(root, "endTime", 0, INT64_MAX);
    size_t at = strtoul(jcur_str_or(root, "nextToken", "0"), NULL, 10), i, n = 0;
    const struct stored **all;
    struct jw w;

    atomic_fetch_add(&sw.reads, 1);
    if (sw.deny_reads) {
        sink_error(reply, 400, "AccessDeniedException");
        return;
    }
    all = sink_sorted(s);
    jw_init(&w, &reply->body);
    jw_object(&w);
    jw_karray(&w, "events");
    for (i = at; i < s->n_stored && n < 700; i++) {
        if (all[i]->when_ms < from || all[i]->when_ms >= to)
            continue;
        n++;
        jw_object(&w);
        jw_kint(&w, "timestamp", all[i]->when_ms);
        jw_kstr(&w, "message", all[i]->text);
        jw_kint(&w, "ingestionTime", all[i]->arrived_ms);
        jw_end(&w);
    }
    jw_end(&w);
    jw_key(&w, "nextForwardToken");
    {
        AUTO(str) char *token = mem_printf("%zu", i);

        jw_str(&w, token);
    }
    jw_end(&w);
    free(all);
}

static void sink_handle(void *user, const struct small_request *rq, struct small_reply *reply)
{
    struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root;

    (void)user;
    if (json_parse(rq->body.p, rq->body.n, &doc, &e)) {
        fprintf(stderr, "not JSON: %s\n", e.msg);
        abort();
    }
    root = jcur_root(doc, &e);
    if (strstr(rq->head, "Logs_20140328.PutLogEvents")) {
        sink_put_events(&root, reply);
    } else if (strstr(rq->head, "Logs_20140328.GetLogEvents")) {
        sink_read_events(&root, reply);
    } else {
        atomic_fetch_add(&sw.creates, 1);
    }
    if (e.code) {
        fprintf(stderr, "a bad request: %s\n", e.msg);
        abort();
    }
    json_free(doc);
}

/* ---- the engine ---- */

static void engine_handle(void *user, const struct small_request *rq, struct small_reply *reply)
{
    size_t i = strtoul(strstr(rq->head, "/containers/") + 12, NULL, 16);
    const struct ship *s = &sw.ships[i % SHIPS];

    (void)user;
    buf_printf(&reply->body,
               "{\"Id\":\"%s\",\"Created\":\"2026-01-02T03:04:00Z\",\"Config\":{\"Tty\":false},"
               "\"HostConfig\":{\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{}}},"
               "\"LogPath\":\"%s\",\"State\":{\"Status\":\"%s\",\"Running\":%s,\"ExitCode\":0,"
               "\"Error\":\"\",\"StartedAt\":\"2026-01-02T03:04:01Z\",\"FinishedAt\":\"%s\"}}",
               s->id, s->path, s->running ? "running" : "exited", s->running ? "true" : "false",
               s->running ? "0001-01-01T00:00:00Z" : "2026-01-02T03:05:00Z");
}

/* ---- containers ---- */

/* "<number> <time it was written> padding" */
static UNUSED void ship_write(size_t ship, int lines, int padding)
{
    struct ship *s = &sw.ships[ship];

    for (int i = 0; i < lines; i++) {
        char time[CLOCK_ISO_SIZE];
        int64_t now = clock_wall_ns();

        /* Times of a log go up. */
        sw.ns = now > sw.ns ? now : sw.ns + 1000;
        clock_iso(sw.ns / NS_PER_MS, time);
        fprintf(s->file,
                "{\"log\":\"%" PRId64 " %" PRId64 " %0*d\\n\",\"stream\":\"stdout\",\"time\":"
                "\"%.19s.%09dZ\"}\n",
                s->written, clock_wall_ms(), padding, 0, time, (int)(sw.ns % (1000 * NS_PER_MS)));
        s->written++;
    }
    fflush(s->file);
}

static struct ship *ship_of(const char *id)
{
    return &sw.ships[strtoul(id, NULL, 16) % SHIPS];
}

/* ---- the shipper ---- */

static const char *world_env(void *user, const char *name)
{
    (void)user;
    if (streq(name, "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"))
        return small_server_url(sw.sink);
    return streq(name, "AWS_ACCESS_KEY_ID")       ? "AKTEST"
           : streq(name, "AWS_SECRET_ACCESS_KEY") ? "secret"
                                                  : NULL;
}

static void world_save(void *user, const char *id, const char *value)
{
    (void)user;
    /* What a killed agent did not get to. */
    if (sw.crashed)
        return;
    mem_replace(&ship_of(id)->cursor, value);
    ship_of(id)->saves++;
}

static void world_drop(void *user, const char *id)
{
    (void)user;
    mem_replace(&ship_of(id)->cursor, NULL);
    ship_of(id)->drops++;
}

static char *world_load(void *user, const char *id)
{
    (void)user;
    return mem_strdup(ship_of(id)->cursor);
}

static void world_hold(void *user, const char *id, bool held)
{
    (void)user;
    ship_of(id)->held = held;
}

static struct logs_totals totals(void)
{
    struct logs_totals t;

    logs_totals(sw.logs, &t);
    return t;
}

static void world_guard(void *user)
{
    (void)user;
    sw.timed_out = true;
    loop_stop(sw.loop);
}

static void world_poll(void *user)
{
    struct logs_totals t = totals();

    (void)user;
    if (t.waiting_bytes > sw.most_waiting)
        sw.most_waiting = t.waiting_bytes;
    if (sw.each)
        sw.each();
    if (sw.until())
        loop_stop(sw.loop);
    else
        loop_timer_arm(sw.poll, 2);
}

static void run_until(bool (*until)(void))
{
    sw.until = until;
    loop_timer_arm(sw.poll, 0);
    loop_timer_arm(sw.guard, WORLD_MS);
    loop_run(sw.loop);
    loop_timer_disarm(sw.poll);
    loop_timer_disarm(sw.guard);
    if (sw.timed_out)
        fail_msg("the test took too long: %d puts, %d reads, %d failed", sw.puts, sw.reads,
                 (int)totals().puts_failed);
}

static UNUSED size_t stored_of(size_t ship)
{
    size_t n;

    small_server_lock(sw.sink);
    n = sw.ships[ship].n_stored;
    small_server_unlock(sw.sink);
    return n;
}

static UNUSED bool all_arrived(void)
{
    for (size_t i = 0; i < sw.n; i++) {
        if (stored_of(i) < (size_t)sw.ships[i].written)
            return false;
    }
    return true;
}

static bool all_drained(void)
{
    for (size_t i = 0; i < sw.n; i++) {
        if (!sw.ships[i].drained)
            return false;
    }
    return true;
}

static void world_follow(void)
{
    for (size_t i = 0; i < sw.n; i++) {
        struct logs_container c = { .task = &sw.task, .docker_name = "web" };
        char stream[40];

        snprintf(stream, sizeof stream, "ship-%zu", i);
        sw.options[0].value = stream;
        c.docker_id = sw.ships[i].id;
        logs_follow(sw.logs, &c);
    }
}

static void world_drained(void *user, bool complete)
{
    struct ship *s = user;

    s->drained = true;
    s->complete = complete;
}

/* The containers end; returns when all is shipped. */
static UNUSED void world_drain(void)
{
    for (size_t i = 0; i < sw.n; i++) {
        small_server_lock(sw.engine);
        sw.ships[i].running = false;
        small_server_unlock(sw.engine);
        logs_drain(sw.logs, sw.ships[i].id, DRAIN_MS, world_drained, &sw.ships[i]);
    }
    run_until(all_drained);
    for (size_t i = 0; i < sw.n; i++)
        assert_true(sw.ships[i].complete);
}

/* As a kill does: nothing is said any more, and another one begins with what is stored. */
static UNUSED void world_restart(bool crash)
{
    sw.crashed = crash;
    logs_destroy(sw.logs);
    sw.crashed = false;
    sw.logs = logs_create(&sw.args);
    world_follow();
}

static void world_up(size_t n, bool blocking)
{
    static char web[] = "web", task_id[] = "8f2c", awslogs[] = "awslogs", group[] = "/app";
    static char stream_option[] = "awslogs-stream", group_option[] = "awslogs-group";
    static char mode[] = "mode", modes[2][16] = { "non-blocking", "blocking" };
    char endpoint[80];
    struct err e = { 0 };

    memset(&sw, 0, sizeof sw);
    log_set_level(LOG_OFF);
    sw.n = n;
    snprintf(sw.dir, sizeof sw.dir, "/tmp/berth-ship-XXXXXX");
    assert_non_null(mkdtemp(sw.dir));
    snprintf(sw.socket, sizeof sw.socket, "%s/docker.sock", sw.dir);
    snprintf(endpoint, sizeof endpoint, "unix://%s", sw.socket);
    for (size_t i = 0; i < n; i++) {
        struct ship *s = &sw.ships[i];

        snprintf(s->id, sizeof s->id, "%064zx", i);
        snprintf(s->path, sizeof s->path, "%s/%zu-json.log", sw.dir, i);
        s->file = fopen(s->path, "a");
        assert_non_null(s->file);
        s->running = true;
    }
    sw.sink = small_server_start(NULL, sink_handle, NULL);
    sw.engine = small_server_start(sw.socket, engine_handle, NULL);
    sw.loop = loop_create();
    sw.http = http_client_create(sw.loop, &(struct http_client_config){ 0 });
    sw.aws = aws_create(
        &(struct aws_args){ .http = sw.http, .region = "us-west-2", .env = world_env, .seed = 7 });
    sw.credentials = credentials_create(&(struct credentials_args){
        .aws = sw.aws, .env = world_env, .rotating_file = "/no/such/file" });
    sw.roles = roles_create();
    assert_int_equal(docker_create(sw.http, endpoint, &sw.docker, &e), ERR_OK);
    sw.guard = loop_timer_create(sw.loop, world_guard, NULL);
    sw.poll = loop_timer_create(sw.loop, world_poll, NULL);
    sw.args = (struct logs_args){ .loop = sw.loop,
                                  .aws = sw.aws,
                                  .credentials = sw.credentials,
                                  .roles = sw.roles,
                                  .docker = sw.docker,
                                  .seed = 7,
                                  .ask_back = true,
                                  .save_cursor = world_save,
                                  .drop_cursor = world_drop,
                                  .load_cursor = world_load,
                                  .hold = world_hold };
    sw.task = (struct task){ .id = task_id, .containers = &sw.container, .n_containers = 1 };
    sw.container =
        (struct task_container){ .name = web, .log_driver = awslogs, .log_options = sw.options };
    sw.options[0] = (struct task_kv){ stream_option, NULL };
    sw.options[1] = (struct task_kv){ group_option, group };
    sw.options[2] = (struct task_kv){ mode, modes[blocking] };
    sw.container.n_log_options = 3;
    sw.logs = logs_create(&sw.args);
}

static void world_down(void)
{
    logs_destroy(sw.logs);
    docker_destroy(sw.docker);
    credentials_destroy(sw.credentials);
    aws_destroy(sw.aws);
    roles_destroy(sw.roles);
    http_client_destroy(sw.http);
    loop_timer_destroy(sw.guard);
    loop_timer_destroy(sw.poll);
    loop_destroy(sw.loop);
    small_server_stop(sw.sink);
    small_server_stop(sw.engine);
    for (size_t i = 0; i < sw.n; i++) {
        struct ship *s = &sw.ships[i];

        fclose(s->file);
        unlink(s->path);
        free(s->cursor);
        for (size_t k = 0; k < s->n_stored; k++)
            free(s->stored[k].text);
        free(s->stored);
    }
    rmdir(sw.dir);
}

/* Every line is there, in order; returns how many are there more than once. */
static size_t account(size_t ship)
{
    struct ship *s = &sw.ships[ship];
    const struct stored **all;
    int64_t next = 0;
    size_t twice = 0;

    small_server_lock(sw.sink);
    all = sink_sorted(s);
    for (size_t i = 0; i < s->n_stored; i++) {
        int64_t number = strtoll(all[i]->text, NULL, 10);

        if (str_starts(all[i]->text, "berth: "))
            continue;
        if (number == next)
            next++;
        else if (number < next)
            twice++;
        else
            fail_msg("container %zu: line %" PRId64 " is not there, but %.40s", ship, next,
                     all[i]->text);
    }
    free(all);
    small_server_unlock(sw.sink);
    assert_int_equal(next, s->written);
    return twice;
}
