#pragma once
/* log_world: a container's log as the engine writes it, a file source that follows it, and what
 * comes out of that as events. The engine itself is a fake that only says whether the container
 * runs. Include it in one file of a program, after cmocka. */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "component/fake_docker.h"
#include "io/http_client.h"
#include "logs/json_file.h"
#include "logs/lines.h"
#include "logs/source.h"
#include "support/local_log.h"

#define WORLD_ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct log_world {
    struct fake_docker fake;
    struct loop *loop;
    struct http_client *http;
    struct docker *docker;
    struct file_watches *watches;
    struct loop_timer *watchdog, *later;
    bool late;
    char dir[64], path[160];

    /* The engine's side. */
    bool local; /* its driver; else json-file */
    int fd;
    int64_t size, max_bytes, max_files, keep_bytes;
    int64_t ns; /* of the next message, since the epoch */

    /* The shipper's side. */
    struct source *source;
    struct cursor seen; /* behind the last event */
    struct lines lines;
    struct buf events[2]; /* "one\ntwo\n" of each stream */
    int64_t n_events, n_messages, n_escaped;
    int64_t lost_lines, lost_bytes, gaps_unknown, damaged, troubles;
    int ended;
    enum err_code end;
    bool in_call;

    /* What to do at a message. */
    int64_t stop_at;   /* leave the loop when so many messages came; 0: never */
    int64_t pause_at;  /* and pause */
    bool destroy;      /* and destroy the source within the callback */
    bool quiet;        /* only count */
    int64_t want_last; /* leave the loop at an event with this number at its beginning; 0: never */
    int64_t last;      /* number at the beginning of the last event */
    int64_t disorder;  /* events whose number was not the next */
} lw;

/* ---- the engine ---- */

static UNUSED char *log_path(size_t i)
{
    return i ? mem_printf("%s.%zu", lw.path, i) : mem_strdup(lw.path);
}

static UNUSED void log_open(void)
{
    struct stat st;

    lw.fd = open(lw.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    assert_true(lw.fd >= 0);
    assert_int_equal(fstat(lw.fd, &st), 0);
    lw.size = st.st_size;
}

static UNUSED void log_close(void)
{
    if (lw.fd >= 0)
        close(lw.fd);
    lw.fd = -1;
}

/* As dockerd does: the last one goes, the others move on, a new one begins. */
static UNUSED void log_rotate(void)
{
    log_close();
    if (lw.max_files > 1) {
        for (size_t i = (size_t)lw.max_files - 1; i >= 1; i--) {
            AUTO(str) char *to = log_path(i), *from = log_path(i - 1);

            if (rename(from, to))
                assert_int_equal(errno, ENOENT);
        }
    } else {
        assert_int_equal(unlink(lw.path), 0);
    }
    log_open();
}

static UNUSED void log_raw(const void *data, size_t n)
{
    assert_int_equal(write(lw.fd, data, n), (ssize_t)n);
    lw.size += (int64_t)n;
}

static UNUSED void log_local_at(int stream, int64_t ns, const char *json)
{
    static int parts[2];
    AUTO(buf) struct buf text = BUF_INIT(1 << 20), record = BUF_INIT(1 << 20);
    int *part = &parts[stream == 2];
    bool ends;

    json_file_unescape(str_of(json), &text);
    ends = text.len && text.data[text.len - 1] == '\n';
    local_append(&record, &(struct local_entry){ .stream = stream,
                                                 .ns = ns,
                                                 .text = { text.data, text.len - ends },
                                                 .part = ends && !*part ? 0 : ++*part,
                                                 .last = ends });
    if (ends)
        *part = 0;
    log_raw(record.data, record.len);
}

/* `text` is JSON already. */
static UNUSED void log_message_at(int stream, int64_t ns, const char *text)
{
    static char line[400000];
    time_t sec = (time_t)(ns / 1000000000);
    struct tm tm;
    int n;

    if (lw.max_bytes && lw.size >= lw.max_bytes)
        log_rotate();
    if (lw.local) {
        log_local_at(stream, ns, text);
        return;
    }
    gmtime_r(&sec, &tm);
    n = snprintf(
        line, sizeof line,
        "{\"log\":\"%s\",\"stream\":\"%s\",\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%09dZ\"}\n",
        text, stream == 2 ? "stderr" : "stdout", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
        tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ns % 1000000000));
    log_raw(line, (size_t)n);
}

static UNUSED void log_message(int stream, const char *text)
{
    log_message_at(stream, lw.ns += 1000, text);
}

static UNUSED void log_number(int64_t number)
{
    char text[128];

    snprintf(text, sizeof text, "%" PRId64 " 012345678901234567890123456789012345678901234\\n",
             number);
    log_message(1, text);
}

/* ---- the shipper ---- */

static UNUSED void world_number(const char *text, size_t n)
{
    int64_t number = 0;

    for (size_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
        number = number * 10 + text[i] - '0';
    lw.disorder += number != lw.last + 1;
    lw.last = number;
    if (number && number == lw.want_last)
        loop_stop(lw.loop);
}

static UNUSED void world_event(int stream, int64_t when_ns, struct str text, const struct mark *m)
{
    struct buf *to = &lw.events[stream == 2];

    lw.n_events++;
    if (m) {
        lw.seen.at[stream == 2] = *m;
        lw.seen.ns[stream == 2] = when_ns;
    }
    if (!lw.quiet) {
        buf_append(to, text.p, text.n);
        buf_putc(to, '\n');
    }
    world_number(text.p, text.n);
}

static UNUSED void world_on_line(void *user, const struct line *line)
{
    (void)user;
    world_event(line->stream, line->when_ns, line->text, line->whole ? &line->mark : NULL);
}

static UNUSED void world_message(void *user, const struct source_message *m)
{
    (void)user;
    if (lw.in_call || lw.ended)
        abort();
    lw.n_messages++;
    if (m->escaped) {
        lw.n_escaped++;
        if (lw.quiet) {
            lw.seen.at[m->stream == 2] = m->mark;
            lw.n_events++;
            world_number(m->text.p, m->text.n);
        } else {
            AUTO(buf) struct buf plain = BUF_INIT(1 << 20);

            json_file_unescape(m->text, &plain);
            if (plain.len != m->plain_n)
                abort();
            /* Empty lines are no events; a part that was open ends. */
            if (plain.len)
                world_event(m->stream, m->when_ns, buf_str(&plain), &m->mark);
        }
    } else {
        lines_feed(&lw.lines, m->stream, m->when_ns, m->text, &m->mark);
    }
    if (lw.n_messages == lw.pause_at)
        source_pause(lw.source, true);
    if (lw.n_messages == lw.stop_at) {
        loop_stop(lw.loop);
        if (lw.destroy) {
            source_destroy(lw.source);
            lw.source = NULL;
        }
    }
}

static UNUSED void world_gap(void *user, const struct source_gap *g)
{
    (void)user;
    if (g->lines < 0)
        lw.gaps_unknown++;
    else
        lw.lost_lines += g->lines;
    lw.lost_bytes += g->bytes > 0 ? g->bytes : 0;
    /* What was lost is no disorder. */
    lw.last += g->lines > 0 ? g->lines : 0;
}

static UNUSED void world_damaged(void *user, int64_t lines)
{
    (void)user;
    lw.damaged += lines;
}

static UNUSED void world_ended(void *user, const struct err *e)
{
    (void)user;
    lines_end(&lw.lines);
    lw.ended++;
    lw.end = e->code;
    loop_stop(lw.loop);
}

static UNUSED void world_trouble(void *user, const struct err *e)
{
    (void)user;
    (void)e;
    lw.troubles++;
}

static UNUSED void world_late(void *user)
{
    (void)user;
    lw.late = true;
    loop_stop(lw.loop);
}

static UNUSED void world_stop(void *user)
{
    (void)user;
    loop_stop(lw.loop);
}

static UNUSED void world_run(void)
{
    lw.late = false;
    loop_timer_arm(lw.watchdog, 20000);
    loop_run(lw.loop);
    loop_timer_disarm(lw.watchdog);
    assert_false(lw.late);
}

/* So long the loop turns. */
static UNUSED void world_turn(int64_t ms)
{
    loop_timer_arm(lw.later, ms);
    world_run();
}

static UNUSED void world_source(const struct cursor *from)
{
    static const struct source_events events = { world_message, world_gap, world_damaged,
                                                 world_ended, world_trouble };
    struct source_args args = { .loop = lw.loop,
                                .docker = lw.docker,
                                .watches = lw.watches,
                                .id = WORLD_ID,
                                .max_bytes = lw.max_bytes,
                                .max_files = lw.max_files,
                                .keep_bytes = lw.keep_bytes,
                                .from = from,
                                .seed = 1 };

    source_destroy(lw.source);
    lines_fini(&lw.lines);
    lines_init(&lw.lines, world_on_line, NULL);
    lw.seen = *from;
    lw.ended = 0;
    lw.in_call = true;
    lw.source = source_file_create(&args, lw.path, lw.local ? &local_records : &json_records,
                                   &events, NULL);
    source_follow(lw.source);
    lw.in_call = false;
}

static UNUSED void world_from_start(void)
{
    const struct cursor none = { 0 };

    world_source(&none);
}

/* Until the source has read everything of a container that has ended. */
static UNUSED void world_to_end(void)
{
    pthread_mutex_lock(&lw.fake.lock);
    lw.fake.containers[0].state = FAKE_EXITED;
    pthread_mutex_unlock(&lw.fake.lock);
    lw.stop_at = lw.want_last = 0;
    source_hurry(lw.source);
    while (!lw.ended)
        world_run();
}

static UNUSED void world_until_number(int64_t n)
{
    lw.want_last = n;
    while (lw.last < n)
        world_run();
    lw.want_last = 0;
}

static UNUSED void world_on_version(void *user, const struct docker_version *v, const struct err *e)
{
    (void)user;
    (void)v;
    assert_int_equal(e->code, ERR_OK);
    loop_stop(lw.loop);
}

static UNUSED int world_set_up_with(bool local)
{
    char sock[128], endpoint[160];
    struct err e = { 0 };

    memset(&lw, 0, sizeof lw);
    lw.local = local;
    snprintf(lw.dir, sizeof lw.dir, "/tmp/berth-source.XXXXXX");
    assert_non_null(mkdtemp(lw.dir));
    snprintf(lw.path, sizeof lw.path, local ? "%s/container-%s.log" : "%s/%s-json.log", lw.dir,
             WORLD_ID);
    snprintf(sock, sizeof sock, "%s/docker.sock", lw.dir);
    snprintf(endpoint, sizeof endpoint, "unix://%s", sock);
    fake_docker_start(&lw.fake, sock);
    lw.fake.n_containers = 1;
    snprintf(lw.fake.containers[0].id, sizeof lw.fake.containers[0].id, "%s", WORLD_ID);
    snprintf(lw.fake.containers[0].name, sizeof lw.fake.containers[0].name, "one");
    lw.fake.containers[0].state = FAKE_RUNNING;
    lw.ns = 1767596400000000000;
    lw.loop = loop_create();
    lw.http = http_client_create(lw.loop, &(struct http_client_config){ 0 });
    assert_int_equal(docker_create(lw.http, endpoint, &lw.docker, &e), ERR_OK);
    lw.watches = file_watches_create(lw.loop);
    lw.watchdog = loop_timer_create(lw.loop, world_late, NULL);
    lw.later = loop_timer_create(lw.loop, world_stop, NULL);
    lines_init(&lw.lines, world_on_line, NULL);
    buf_init(&lw.events[0], 64 << 20);
    buf_init(&lw.events[1], 64 << 20);
    (void)docker_negotiate(lw.docker, world_on_version, NULL);
    world_run();
    lw.fd = -1;
    log_open();
    return 0;
}

static UNUSED int world_set_up(void **state)
{
    (void)state;
    return world_set_up_with(false);
}

static UNUSED int world_set_up_local(void **state)
{
    (void)state;
    return world_set_up_with(true);
}

static UNUSED int world_tear_down(void **state)
{
    AUTO(str) char *command = mem_printf("rm -rf %s", lw.dir);

    (void)state;
    source_destroy(lw.source);
    file_watches_destroy(lw.watches);
    lines_fini(&lw.lines);
    buf_fini(&lw.events[0]);
    buf_fini(&lw.events[1]);
    loop_timer_destroy(lw.watchdog);
    loop_timer_destroy(lw.later);
    docker_destroy(lw.docker);
    http_client_destroy(lw.http);
    loop_destroy(lw.loop);
    fake_docker_stop(&lw.fake);
    log_close();
    return system(command);
}
