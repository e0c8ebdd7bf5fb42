#include "cli/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "cli/log_lines.h"
#include "logs/json_file.h"
#include "logs/source.h"

#define AGAIN_MS 500

struct followed { /* the log of one container */
    struct list node;
    struct run_logs *logs;
    char *docker_id;
    size_t container;
    struct source *source;
    struct log_lines lines;
    uint64_t drain_id; /* 0: not asked for */
    struct loop_timer *limit;
    struct loop_timer *again; /* when it has ended and may be started again */
    bool told;                /* that its log cannot be read */
};

struct run_logs {
    struct loop *loop;
    struct docker *docker;
    struct file_watches *watches;
    const struct task *task;
    run_drained_fn *drained;
    run_broken_fn *broken;
    void *user;
    struct list all;
    struct log_printer printer;
};

/* ---- printing ---- */

static void on_line(void *user, int stream, int64_t when_ns, struct str line)
{
    struct followed *f = user;
    struct run_logs *l = f->logs;

    if (!log_print(&l->printer, l->task->containers[f->container].name, f->container, stream,
                   when_ns, line))
        l->broken(l->user);
}

static void on_message(void *user, const struct source_message *m)
{
    struct followed *f = user;
    AUTO(buf) struct buf plain = BUF_INIT(RECORD_MAX + 1);

    if (!m->escaped) {
        log_lines_add(&f->lines, m->stream, m->when_ns, m->text);
        return;
    }
    json_file_unescape(m->text, &plain);
    buf_putc(&plain, '\n');
    log_lines_add(&f->lines, m->stream, m->when_ns, buf_str(&plain));
}

static void on_gap(void *user, const struct source_gap *g)
{
    struct followed *f = user;
    const char *name = f->logs->task->containers[f->container].name;

    if (g->lines < 0)
        fprintf(stderr, "berth run: a part of the log of %s is gone unread\n", name);
    else
        fprintf(stderr, "berth run: %lld lines of %s are gone unread\n", (long long)g->lines, name);
}

/* ---- the end of a log ---- */

static void drop(struct followed *f)
{
    list_remove(&f->node);
    source_destroy(f->source);
    loop_timer_destroy(f->limit);
    loop_timer_destroy(f->again);
    log_lines_fini(&f->lines);
    free(f->docker_id);
    free(f);
}

static void finish(struct followed *f)
{
    struct run_logs *l = f->logs;
    uint64_t id = f->drain_id;

    log_lines_end(&f->lines);
    drop(f);
    l->drained(l->user, id);
}

static void on_ended(void *user, const struct err *e)
{
    struct followed *f = user;

    (void)e;
    log_lines_end(&f->lines);
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
    static const struct source_events events = {
        .message = on_message, .gap = on_gap, .ended = on_ended, .trouble = on_trouble
    };
    const struct cursor from_start = { 0 };
    const struct source_args args = { .loop = l->loop,
                                      .docker = l->docker,
                                      .watches = l->watches,
                                      .id = docker_id,
                                      .from = &from_start,
                                      .seed = 1 };
    struct followed *f = find(l, docker_id);

    if (!f) {
        f = NEW(struct followed);
        f->logs = l;
        f->docker_id = mem_strdup(docker_id);
        f->container = container;
        log_lines_init(&f->lines, on_line, f);
        f->limit = loop_timer_create(l->loop, on_limit, f);
        f->again = loop_timer_create(l->loop, on_again, f);
        f->source = source_create(&args, &events, f);
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
    l->watches = file_watches_create(loop);
    l->task = t;
    l->drained = drained;
    l->broken = broken;
    l->user = user;
    log_printer_init(&l->printer);
    for (size_t i = 0; i < t->n_containers; i++)
        if (!t->containers[i].internal)
            log_printer_name(&l->printer, t->containers[i].name);
    list_init(&l->all);
    return l;
}

void run_logs_destroy(struct run_logs *l)
{
    if (!l)
        return;
    LIST_FOREACH (it, following, &l->all)
        drop(LIST_ENTRY(it, struct followed, node));
    file_watches_destroy(l->watches);
    free(l);
}
