/* logs_read: the logs of a task's containers, read from the container engine.
 *
 * Several that are not followed are merged: of each some lines wait until it is clear that no other
 * container has an earlier one; a log that is far ahead is paused. A log that is followed is read
 * until its container has ended, and again when that was started again. */
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "cli/logs.h"
#include "logs/cursor.h"

#define AHEAD_MAX ((size_t)256 * 1024) /* bytes that wait of one container; then it is paused */

struct line {
    struct list node;
    int stream;
    int64_t when_ns;
    size_t n;
    char text[];
};

struct log {
    struct list node;
    struct logs_reader *reader;
    char *name, *docker_id;
    size_t index;
    struct docker_op *op; /* NULL: not being read */
    bool last_reading;    /* `op` is after the container's end */
    struct replay replay;
    struct log_lines lines;
    struct list waiting; /* lines */
    size_t waiting_bytes;
    bool paused, told;
    bool running, ended;
    bool done; /* read to its end, of the life: */
    int64_t restarts;
};

struct logs_reader {
    struct docker *docker;
    const struct logs_wish *wish;
    logs_end_fn *end;
    void *user;
    struct list logs;
    size_t n;
    bool over, broken, failed;
};

/* ---- printing ---- */

static void print_json(const struct log *l, int stream, int64_t when_ns, struct str text)
{
    AUTO(buf) struct buf b = BUF_INIT(8 * LOG_LINE_MAX);
    char time[LOG_TIME_SIZE];
    struct jw w;

    log_time(when_ns, time);
    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "time", time);
    jw_kstr(&w, "container", l->name);
    jw_kstr(&w, "stream", stream == 2 ? "stderr" : "stdout");
    jw_key(&w, "text");
    jw_strn(&w, text);
    jw_end(&w);
    buf_putc(&b, '\n');
    fwrite(b.data, 1, b.len, stdout);
}

static void print(struct log *l, int stream, int64_t when_ns, struct str text)
{
    struct logs_reader *r = l->reader;
    bool ok = true;

    if (r->broken)
        return;
    if (r->wish->json) {
        print_json(l, stream, when_ns, text);
        ok = fflush(stdout) == 0;
    } else {
        ok = log_print(&r->wish->printer, l->name, l->index, stream, when_ns, text);
    }
    if (ok)
        return;
    r->broken = true;
    r->end(r->user, true);
}

/* ---- merging ---- */

static bool merges(const struct logs_reader *r)
{
    return !r->wish->follow && r->n > 1;
}

static void set_pause(struct log *l, bool paused)
{
    if (l->op && l->paused != paused)
        docker_logs_pause(l->op, paused);
    l->paused = paused;
}

static void pop(struct log *l, bool printed)
{
    struct line *first = LIST_ENTRY(l->waiting.next, struct line, node);

    list_remove(&first->node);
    if (printed)
        print(l, first->stream, first->when_ns, (struct str){ first->text, first->n });
    l->waiting_bytes -= sizeof *first + first->n;
    free(first);
}

/* The log with the earliest line; NULL while one may still get an earlier line. */
static struct log *earliest(const struct logs_reader *r)
{
    struct log *best = NULL;
    int64_t best_ns = 0;

    LIST_FOREACH (it, following, &r->logs) {
        struct log *l = LIST_ENTRY(it, struct log, node);
        int64_t when_ns;

        if (list_empty(&l->waiting)) {
            if (!l->done)
                return NULL;
            continue;
        }
        when_ns = LIST_ENTRY(l->waiting.next, struct line, node)->when_ns;
        if (best && when_ns >= best_ns)
            continue;
        best = l;
        best_ns = when_ns;
    }
    return best;
}

static void merge(struct logs_reader *r)
{
    struct log *l;

    while ((l = earliest(r))) {
        pop(l, true);
        if (l->paused && l->waiting_bytes < AHEAD_MAX / 2)
            set_pause(l, false);
    }
}

static void on_line(void *user, int stream, int64_t when_ns, struct str text)
{
    struct log *l = user;
    struct line *line;

    if (!merges(l->reader)) {
        print(l, stream, when_ns, text);
        return;
    }
    line = mem_alloc(sizeof *line + text.n);
    line->stream = stream;
    line->when_ns = when_ns;
    line->n = text.n;
    memcpy(line->text, text.p, text.n);
    list_push_back(&l->waiting, &line->node);
    l->waiting_bytes += sizeof *line + text.n;
    if (l->waiting_bytes > AHEAD_MAX)
        set_pause(l, true);
}

/* ---- reading ---- */

static void on_frame(void *user, int stream, int64_t when_ns, struct str text)
{
    struct log *l = user;
    struct mark ignored;

    if (!replay_accept(&l->replay, stream, when_ns, &ignored))
        return;
    log_lines_add(&l->lines, stream, when_ns, text);
    if (merges(l->reader))
        merge(l->reader);
}

static void say(struct log *l, const struct err *e)
{
    if (e->code == ERR_NOT_FOUND)
        fprintf(stderr, "berth logs: container %s is removed, and its log with it\n", l->name);
    else if (!l->told)
        fprintf(stderr, "berth logs: the log of %s cannot be read: %s\n", l->name, e->msg);
    l->told = true;
}

static void on_read(void *user, const struct err *e)
{
    struct log *l = user;
    struct logs_reader *r = l->reader;
    bool again = r->wish->follow && (e->code == ERR_RETRY || e->code == ERR_TIMEOUT);

    l->op = NULL;
    if (e->code) {
        say(l, e);
        r->failed = r->failed || !again;
    }
    l->done = l->last_reading ? !again : e->code && !again;
    if (l->done)
        log_lines_end(&l->lines);
    if (merges(r))
        merge(r);
    if (!r->broken)
        r->end(r->user, false);
}

static void read_log(struct log *l, bool follow)
{
    static const struct docker_log_sink sink = { .frame = on_frame };
    const struct logs_wish *wish = l->reader->wish;
    int64_t from = cursor_since_ns(&l->replay.read), last = -1;

    if (!from) /* nothing has come yet */
        last = wish->last;
    if (from < wish->since_ns)
        from = wish->since_ns;
    replay_restart(&l->replay);
    l->last_reading = !follow;
    l->op =
        docker_logs_last(l->reader->docker, l->docker_id, from, last, follow, &sink, on_read, l);
    if (l->paused)
        docker_logs_pause(l->op, true);
}

static void log_destroy(struct log *l)
{
    list_remove(&l->node);
    docker_cancel(l->op);
    while (!list_empty(&l->waiting))
        pop(l, false);
    log_lines_fini(&l->lines);
    free(l->name);
    free(l->docker_id);
    free(l);
}

/* ---- what there is to read ---- */

static struct log *find(struct logs_reader *r, const char *docker_id)
{
    LIST_FOREACH (it, following, &r->logs) {
        struct log *l = LIST_ENTRY(it, struct log, node);

        if (streq(l->docker_id, docker_id))
            return l;
    }
    return NULL;
}

static struct log *add(struct logs_reader *r, const char *name, const char *docker_id)
{
    const struct cursor from_start = { 0 };
    struct log *l = NEW(struct log);

    l->reader = r;
    l->name = mem_strdup(name);
    l->docker_id = mem_strdup(docker_id);
    l->index = r->n++;
    log_lines_init(&l->lines, on_line, l);
    list_init(&l->waiting);
    replay_init(&l->replay, &from_start);
    list_push_back(&r->logs, &l->node);
    return l;
}

static bool is_wanted(const struct logs_reader *r, const struct jcur *container)
{
    const char *name = jcur_str_or(container, "name", "");

    return !str_starts(name, "~internal~") &&
           (!r->wish->container || streq(name, r->wish->container));
}

void logs_reader_look(struct logs_reader *r, const struct jcur *containers, bool over)
{
    r->over = over;
    JCUR_EACH (c, containers) {
        const char *docker_id = jcur_str_or(&c, "docker_id", NULL);
        const char *status = jcur_str_or(&c, "status", "");
        int64_t restarts = jcur_int_or(&c, "restarts", 0, INT64_MAX, 0);
        struct log *l;

        if (!docker_id || !is_wanted(r, &c))
            continue;
        l = find(r, docker_id);
        if (!l)
            l = add(r, jcur_str_or(&c, "name", "?"), docker_id);
        l->running = streq(status, "RUNNING");
        l->ended = streq(status, "STOPPED");
        l->done = l->done && l->restarts == restarts;
        l->restarts = restarts;
    }
    LIST_FOREACH (it, following, &r->logs) {
        struct log *l = LIST_ENTRY(it, struct log, node);

        if (!l->op && !l->done && (!r->wish->follow || l->running || l->ended || over))
            read_log(l, r->wish->follow && l->running);
    }
}

void logs_reader_last(struct logs_reader *r)
{
    r->over = true;
    LIST_FOREACH (it, following, &r->logs) {
        struct log *l = LIST_ENTRY(it, struct log, node);

        l->running = false;
        if (!l->op && !l->done)
            read_log(l, false);
    }
}

bool logs_reader_over(const struct logs_reader *r)
{
    LIST_FOREACH (it, following, &r->logs)
        if (!LIST_ENTRY(it, struct log, node)->done)
            return false;
    return r->over || !r->wish->follow;
}

bool logs_reader_failed(const struct logs_reader *r)
{
    return r->failed;
}

struct logs_reader *logs_reader_create(struct docker *d, const struct logs_wish *wish,
                                       logs_end_fn *end, void *user)
{
    struct logs_reader *r = NEW(struct logs_reader);

    r->docker = d;
    r->wish = wish;
    r->end = end;
    r->user = user;
    list_init(&r->logs);
    return r;
}

void logs_reader_destroy(struct logs_reader *r)
{
    if (!r)
        return;
    LIST_FOREACH (it, following, &r->logs)
        log_destroy(LIST_ENTRY(it, struct log, node));
    free(r);
}
