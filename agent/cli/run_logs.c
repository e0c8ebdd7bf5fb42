#include "cli/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "logs/source.h"

#define LINE_MAX_BYTES (64 * 1024) /* a longer one comes in pieces */
#define AGAIN_MS       500

struct followed { /* the log of one container */
    struct list node;
    struct run_logs *logs;
    char *docker_id;
    size_t container;
    struct source *source;
    struct buf parts[2]; /* lines whose end has not come: stdout, stderr */
    uint64_t drain_id;   /* 0: not asked for */
    struct loop_timer *limit;
    struct loop_timer *again; /* when it has ended and may be started again */
    bool told;                /* that its log cannot be read */
};

struct run_logs {
    struct loop *loop;
    struct docker *docker;
    const struct task *task;
    run_drained_fn *drained;
    run_broken_fn *broken;
    void *user;
    struct list all;
    int name_width;
    bool colored[2]; /* standard output, standard error */
};

/* ---- printing ---- */

static bool wants_color(int fd)
{
    return isatty(fd) && str_empty(getenv("NO_COLOR"));
}

static void print_line(struct followed *f, int stream, struct str line)
{
    static const int colors[] = { 36, 33, 32, 35, 34, 31 };
    struct run_logs *l = f->logs;
    FILE *to = stream == 2 ? stderr : stdout;
    const char *name = l->task->containers[f->container].name;

    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    if (l->colored[stream == 2])
        fprintf(to, "\033[%dm%-*s |\033[0m ", colors[f->container % COUNT_OF(colors)],
                l->name_width, name);
    else
        fprintf(to, "%-*s | ", l->name_width, name);
    fwrite(line.p, 1, line.n, to);
    putc('\n', to);
    if (fflush(to) && to == stdout)
        l->broken(l->user);
}

static void end_line(struct followed *f, int stream)
{
    struct buf *part = &f->parts[stream == 2];

    print_line(f, stream, buf_str(part));
    buf_reset(part);
}

static void on_frame(void *user, int stream, int64_t when_ns, struct str text,
                     const struct mark *mark)
{
    struct followed *f = user;
    struct buf *part = &f->parts[stream == 2];

    (void)when_ns;
    (void)mark;
    while (text.n) {
        const char *newline = memchr(text.p, '\n', text.n);
        size_t n = newline ? (size_t)(newline - text.p) : text.n;
        size_t room = LINE_MAX_BYTES - part->len;
        bool whole = newline && n <= room;

        if (n > room)
            n = room;
        buf_append(part, text.p, n);
        text.p += n + whole;
        text.n -= n + whole;
        if (whole || part->len == LINE_MAX_BYTES)
            end_line(f, stream);
    }
}

/* ---- the end of a log ---- */

static void drop(struct followed *f)
{
    list_remove(&f->node);
    source_destroy(f->source);
    loop_timer_destroy(f->limit);
    loop_timer_destroy(f->again);
    buf_fini(&f->parts[0]);
    buf_fini(&f->parts[1]);
    free(f->docker_id);
    free(f);
}

static void end_lines(struct followed *f)
{
    for (int stream = 1; stream <= 2; stream++)
        if (f->parts[stream == 2].len)
            end_line(f, stream);
}

static void finish(struct followed *f)
{
    struct run_logs *l = f->logs;
    uint64_t id = f->drain_id;

    end_lines(f);
    drop(f);
    l->drained(l->user, id);
}

static void on_ended(void *user, const struct err *e)
{
    struct followed *f = user;

    (void)e;
    end_lines(f);
    if (f->drain_id)
        finish(f);
    else if (f->logs->task->containers[f->container].restart.enabled)
        loop_timer_arm(f->again, AGAIN_MS); /* it may be started again */
}

static void on_again(void *user)
{
    struct followed *f = user;

    source_follow(f->source);
}

static void on_trouble(void *user, const struct err *e)
{
    struct followed *f = user;

    if (!f->told)
        fprintf(stderr, "berth run: the log of %s cannot be read now: %s\n",
                f->logs->task->containers[f->container].name, e->msg);
    f->told = true;
}

static void on_limit(void *user)
{
    finish(user);
}

static struct followed *find(struct run_logs *l, const char *docker_id)
{
    LIST_FOREACH (it, following, &l->all) {
        struct followed *f = LIST_ENTRY(it, struct followed, node);

        if (streq(f->docker_id, docker_id))
            return f;
    }
    return NULL;
}

void run_logs_follow(struct run_logs *l, size_t container, const char *docker_id)
{
    static const struct source_events events = { on_frame, on_ended, on_trouble };
    const struct cursor from_start = { 0 };
    struct followed *f = find(l, docker_id);

    if (!f) {
        f = NEW(struct followed);
        f->logs = l;
        f->docker_id = mem_strdup(docker_id);
        f->container = container;
        buf_init(&f->parts[0], LINE_MAX_BYTES);
        buf_init(&f->parts[1], LINE_MAX_BYTES);
        f->limit = loop_timer_create(l->loop, on_limit, f);
        f->again = loop_timer_create(l->loop, on_again, f);
        f->source = source_api_create(l->loop, l->docker, docker_id, &from_start, 1, &events, f);
        list_push_back(&l->all, &f->node);
    }
    source_follow(f->source);
}

void run_logs_drain(struct run_logs *l, uint64_t id, const char *docker_id, int64_t timeout_ms)
{
    struct followed *f = find(l, docker_id);

    if (!f) {
        l->drained(l->user, id);
        return;
    }
    f->drain_id = id;
    loop_timer_disarm(f->again);
    loop_timer_arm(f->limit, timeout_ms);
    source_follow(f->source);
    source_hurry(f->source);
}

struct run_logs *run_logs_create(struct loop *loop, struct docker *docker, const struct task *t,
                                 run_drained_fn *drained, run_broken_fn *broken, void *user)
{
    struct run_logs *l = NEW(struct run_logs);

    l->loop = loop;
    l->docker = docker;
    l->task = t;
    l->drained = drained;
    l->broken = broken;
    l->user = user;
    l->colored[0] = wants_color(STDOUT_FILENO);
    l->colored[1] = wants_color(STDERR_FILENO);
    for (size_t i = 0; i < t->n_containers; i++) {
        int n = (int)strlen(t->containers[i].name);

        if (!t->containers[i].internal && n > l->name_width && n <= 40)
            l->name_width = n;
    }
    list_init(&l->all);
    return l;
}

void run_logs_destroy(struct run_logs *l)
{
    if (!l)
        return;
    LIST_FOREACH (it, following, &l->all)
        drop(LIST_ENTRY(it, struct followed, node));
    free(l);
}
