/* gather: the records that are being made, one after the other: the last log lines of each
 * container are read, then the file is written on a worker. */
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "postmortem/internal.h"

/* A longer line is cut here before it is cleaned, which takes time for each secret. What is
 * shown of it is much shorter. */
#define RAW_LINE_MAX (8 * 1024)

struct tail {
    char *name, *docker_id;                     /* docker_id NULL: it was never made */
    struct record_line lines[POSTMORTEM_LINES]; /* a ring */
    bool heads[POSTMORTEM_LINES];               /* it began with the first that came */
    size_t first, n;
    size_t frames; /* that came */
    bool withheld;
    char *missing;
};

struct making {
    struct list node;
    struct postmortems *all;
    char *id, *task_arn;
    int64_t ended_ms;
    struct buf text;
    struct tail *tails; /* of the container that failed first */
    size_t n_tails, at;
    /* Of the container that is read: the line under way, of each stream. */
    struct buf partial[2];
    int64_t partial_ns[2];
    bool head[2];   /* it began with the first that came of the log */
    bool cut[2];    /* it was longer than RAW_LINE_MAX */
    struct err err; /* of the worker */
};

struct postmortems {
    struct loop *loop;
    struct docker *docker;
    char *dir;
    postmortem_clean_fn *clean;
    postmortem_kept_fn *kept;
    void *user;
    struct list waiting; /* the first is being made */
    size_t n_waiting;
    struct docker_op *reading;
    struct work *writing;
    struct loop_timer *next, *limit;
};

static struct making *first(struct postmortems *p)
{
    return list_empty(&p->waiting) ? NULL : LIST_ENTRY(p->waiting.next, struct making, node);
}

static void tail_fini(struct tail *t)
{
    for (size_t i = 0; i < POSTMORTEM_LINES; i++)
        free(t->lines[i].text);
    free(t->name);
    free(t->docker_id);
    free(t->missing);
}

static void making_destroy(struct making *m)
{
    list_remove(&m->node);
    m->all->n_waiting--;
    for (size_t i = 0; i < m->n_tails; i++)
        tail_fini(&m->tails[i]);
    free(m->tails);
    for (size_t i = 0; i < COUNT_OF(m->partial); i++)
        buf_wipe(&m->partial[i]);
    buf_fini(&m->text);
    free(m->id);
    free(m->task_arn);
    free(m);
}

/* ---- lines ---- */

static void end_line(struct making *m, int s)
{
    struct buf *line = &m->partial[s];
    struct tail *t = &m->tails[m->at];
    struct record_line *l;
    size_t before;

    while (line->len && (line->data[line->len - 1] == '\n' || line->data[line->len - 1] == '\r'))
        line->len--;
    before = line->len;
    t->withheld = t->withheld || !m->all->clean(m->all->user, m->task_arn, line);
    if (m->cut[s] && line->len != before) {
        /* At the cut there may be a piece of a secret, which nobody can recognize. */
        buf_reset(line);
        buf_puts(line, "(withheld: a very long line with a secret)");
    }
    if (t->n == POSTMORTEM_LINES) {
        t->first = (t->first + 1) % POSTMORTEM_LINES;
        t->n--;
    }
    l = &t->lines[(t->first + t->n++) % POSTMORTEM_LINES];
    free(l->text);
    /* A little more than is shown, so that the record says that it was cut. */
    l->n = line->len < POSTMORTEM_LINE_MAX + 8 ? line->len : POSTMORTEM_LINE_MAX + 8;
    l->text = mem_array(l->n + 1, 1); /* programs write any bytes, NUL too */
    if (l->n)
        memcpy(l->text, line->data, l->n);
    l->stream = s + 1;
    l->when_ns = m->partial_ns[s];
    t->heads[l - t->lines] = m->head[s];
    m->head[s] = m->cut[s] = false;
    buf_reset(line);
}

static void on_frame(void *user, int stream, int64_t when_ns, struct str text)
{
    struct postmortems *p = user;
    struct making *m = first(p);
    int s = stream == 2;
    struct buf *line = &m->partial[s];
    bool ends = text.n && text.p[text.n - 1] == '\n';

    if (!line->len)
        m->partial_ns[s] = when_ns;
    if (!m->tails[m->at].frames++)
        m->head[s] = true;
    if (text.n > RAW_LINE_MAX - line->len) {
        text.n = RAW_LINE_MAX - line->len;
        m->cut[s] = true;
    }
    buf_append(line, text.p, text.n);
    if (ends)
        end_line(m, s);
}

/* ---- one after the other ---- */

static void go_on(struct postmortems *p)
{
    loop_timer_arm(p->next, 0);
}

/* A long line is several pieces in the log, and the first that came may be a later one of
 * them, which begins in the middle of a secret. One more is asked for than is kept,
 * so that it is seen. */
static void drop_half_a_line(struct tail *t)
{
    for (size_t i = 0; i < t->n && t->frames > POSTMORTEM_LINES; i++) {
        size_t at = (t->first + i) % POSTMORTEM_LINES;

        if (!t->heads[at])
            continue;
        free(t->lines[at].text);
        t->lines[at].text = mem_strdup("(the rest of a long line)");
        t->lines[at].n = strlen(t->lines[at].text);
    }
}

static void end_reading(struct postmortems *p, const char *missing)
{
    struct making *m = first(p);
    struct tail *t = &m->tails[m->at];

    for (int s = 0; s < 2; s++)
        if (m->partial[s].len)
            end_line(m, s);
    drop_half_a_line(t);
    if (t->withheld) {
        /* The definition says that it has secrets, and nobody knows which. */
        t->n = 0;
        mem_replace(&t->missing, "withheld: the secrets that it may hold are not known any more");
    } else if (missing) {
        mem_replace(&t->missing, missing);
    }
    m->at++;
    go_on(p);
}

static void on_read(void *user, const struct err *e)
{
    struct postmortems *p = user;

    p->reading = NULL;
    end_reading(p, e->code ? e->msg : NULL);
}

static void on_limit(void *user)
{
    struct postmortems *p = user;

    if (!p->reading)
        return; /* between two of them: on_next sees that the timer is not armed any more */
    docker_cancel(p->reading);
    p->reading = NULL;
    end_reading(p, "the container engine took too long");
}

static void give_up_the_rest(struct making *m)
{
    for (; m->at < m->n_tails; m->at++)
        if (m->tails[m->at].docker_id)
            mem_replace(&m->tails[m->at].missing, "there was no time left to read it");
}

static void write_work(void *user)
{
    struct making *m = user;

    struct err e = { 0 };

    if (keep_write(m->all->dir, m->id, buf_str(&m->text), m->ended_ms, &e))
        m->err = e;
}

static void on_written(void *user)
{
    struct making *m = user;
    struct postmortems *p = m->all;

    p->writing = NULL;
    p->kept(p->user, m->id, &m->err);
    making_destroy(m);
    go_on(p);
}

static void finish(struct postmortems *p, struct making *m)
{
    struct record_log *logs = mem_array(m->n_tails, sizeof *logs);

    loop_timer_disarm(p->limit);
    for (size_t i = 0; i < m->n_tails; i++) {
        struct tail *t = &m->tails[i];
        struct record_line *in_order = mem_array(t->n, sizeof *in_order);

        for (size_t k = 0; k < t->n; k++)
            in_order[k] = t->lines[(t->first + k) % POSTMORTEM_LINES];
        logs[i] = (struct record_log){ t->name, in_order, t->n, t->missing };
    }
    record_write_logs(&m->text, logs, m->n_tails);
    for (size_t i = 0; i < m->n_tails; i++)
        free((void *)logs[i].lines);
    free(logs);
    p->writing = loop_work(p->loop, write_work, on_written, m);
}

static void on_next(void *user)
{
    static const struct docker_log_sink sink = { on_frame };
    struct postmortems *p = user;
    struct making *m = first(p);

    if (!m || p->reading || p->writing)
        return;
    if (!m->at)
        loop_timer_arm(p->limit, POSTMORTEM_LOGS_MS);
    else if (!loop_timer_armed(p->limit))
        give_up_the_rest(m);
    while (m->at < m->n_tails && !m->tails[m->at].docker_id)
        m->at++;
    if (m->at == m->n_tails)
        finish(p, m);
    else
        p->reading = docker_logs_last(p->docker, m->tails[m->at].docker_id, 0, POSTMORTEM_LINES + 1,
                                      false, &sink, on_read, p);
}

/* ---- life ---- */

struct postmortems *postmortems_create(const struct postmortem_args *args)
{
    struct postmortems *p = NEW(struct postmortems);

    p->loop = args->loop;
    p->docker = args->docker;
    p->dir = mem_strdup(args->dir);
    p->clean = args->clean;
    p->kept = args->kept;
    p->user = args->user;
    list_init(&p->waiting);
    p->next = loop_timer_create(args->loop, on_next, p);
    p->limit = loop_timer_create(args->loop, on_limit, p);
    return p;
}

void postmortems_destroy(struct postmortems *p)
{
    if (!p)
        return;
    docker_cancel(p->reading);
    work_cancel(p->writing);
    LIST_FOREACH (it, following, &p->waiting)
        making_destroy(LIST_ENTRY(it, struct making, node));
    loop_timer_destroy(p->next);
    loop_timer_destroy(p->limit);
    free(p->dir);
    free(p);
}

static bool is_being_made(struct postmortems *p, const char *id)
{
    LIST_FOREACH (it, following, &p->waiting)
        if (streq(LIST_ENTRY(it, struct making, node)->id, id))
            return true;
    return false;
}

static void take_containers(struct making *m, const struct postmortem_facts *f)
{
    m->tails = mem_array(f->n_containers, sizeof *m->tails);
    for (int failed = 1; failed >= 0; failed--) {
        for (size_t i = 0; i < f->n_containers; i++) {
            const struct postmortem_container *k = &f->containers[i];
            struct tail *t = &m->tails[m->n_tails];

            if (k->failed != (failed == 1))
                continue;
            m->n_tails++;
            t->name = mem_strdup(k->name);
            t->docker_id = mem_strdup(k->docker_id);
            if (!t->docker_id)
                t->missing = mem_strdup("it was never created");
        }
    }
}

enum err_code postmortem_make(struct postmortems *p, const struct postmortem_facts *f,
                              struct err *e)
{
    struct making *m;

    if (!keep_is_name(f->id))
        return err_set(e, ERR_INVALID, "'%.64s' cannot be the name of a file", f->id);
    if (is_being_made(p, f->id) || keep_has(p->dir, f->id))
        return err_set(e, ERR_CONFLICT, "there is a record of %s", f->id);
    if (p->n_waiting >= POSTMORTEM_WAITING)
        return err_set(e, ERR_LIMIT, "%d records are being made", POSTMORTEM_WAITING);
    m = NEW(struct making);
    m->all = p;
    m->id = mem_strdup(f->id);
    m->task_arn = mem_strdup(f->task_arn);
    m->ended_ms = f->stopped_ms;
    buf_init(&m->text, POSTMORTEM_MAX);
    for (size_t i = 0; i < COUNT_OF(m->partial); i++)
        buf_init_secret(&m->partial[i], RAW_LINE_MAX);
    record_write_head(&m->text, f, p->clean, p->user);
    take_containers(m, f);
    list_push_back(&p->waiting, &m->node);
    p->n_waiting++;
    go_on(p);
    return ERR_OK;
}

enum err_code postmortem_read(const struct postmortems *p, const char *id, struct buf *out,
                              struct err *e)
{
    return keep_read(p->dir, id, out, e);
}
