#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "logs/internal.h"

#define OWN_ID "agent" /* no container has this id */

/* A drain of a container that is not followed: only its answer is to be given. */
struct absent {
    struct list node;
    struct logs *logs;
    struct loop_timer *timer;
    char *id;
    logs_drained_fn *done;
    void *user;
};

/* ---- turns ---- */

void logs_pump(struct logs *l)
{
    int64_t now = loop_now_ms(l->args.loop), until_put, until_read, wait;
    struct turn *turn;

    while ((turn = turns_next(&l->puts, now, &until_put)) != NULL)
        stream_put(LIST_ENTRY(turn, struct log_stream, turn));
    while ((turn = turns_next(&l->reads, now, &until_read)) != NULL)
        ask_back_read(LIST_ENTRY(turn, struct parcel, ask_turn));
    wait = until_put < 0 || (until_read >= 0 && until_read < until_put) ? until_read : until_put;
    if (wait >= 0)
        loop_timer_arm(l->pump, wait);
}

static void on_pump(void *user)
{
    logs_pump(user);
}

struct gate *logs_gate(struct logs *l, const char *endpoint)
{
    struct gate *g;

    LIST_FOREACH (it, following, &l->gates) {
        g = LIST_ENTRY(it, struct gate, node);
        if (streq(g->endpoint, endpoint)) {
            g->users++;
            return g;
        }
    }
    g = NEW(struct gate);
    g->endpoint = mem_strdup(endpoint);
    g->users = 1;
    list_push_back(&l->gates, &g->node);
    return g;
}

void logs_gate_leave(struct gate *g)
{
    if (--g->users)
        return;
    list_remove(&g->node);
    free(g->endpoint);
    free(g);
}

/* ---- life ---- */

struct logs *logs_create(const struct logs_args *args)
{
    struct logs *l = NEW(struct logs);

    l->args = *args;
    l->file_dir = mem_strdup(args->file_dir);
    l->sink = (struct sink){ .loop = args->loop,
                             .aws = args->aws,
                             .credentials = args->credentials,
                             .roles = args->roles,
                             .file_dir = l->file_dir };
    l->created_ms = clock_wall_ms();
    rng_seed(&l->rng, args->seed);
    l->budget.total = BUDGET_TOTAL;
    turns_init(&l->puts, LOGS_MAX_PUTS, LOGS_MOST_OF_ONE);
    /* Beside as many puts as there may be. */
    turns_init(&l->reads, LOGS_MAX_READS, LOGS_MOST_OF_ONE + LOGS_MAX_READS);
    list_init(&l->gates);
    list_init(&l->paused);
    list_init(&l->absent);
    l->watches = file_watches_create(args->loop);
    l->pump = loop_timer_create(args->loop, on_pump, l);
    l->say = loop_timer_create(args->loop, drops_on_say, l);
    l->look = loop_timer_create(args->loop, hold_on_look, l);
    return l;
}

static void absent_destroy(struct absent *d)
{
    list_remove(&d->node);
    loop_timer_destroy(d->timer);
    free(d->id);
    free(d);
}

static void remove_stream(struct logs *l, struct log_stream *s)
{
    struct logs_totals last;

    drops_say(s);
    totals_of_stream(s, &last);
    totals_add(&l->gone, &last);
    HASH_DEL(l->streams, s);
    if (l->own == s)
        l->own = NULL;
    stream_destroy(s);
}

void logs_destroy(struct logs *l)
{
    struct log_stream *s, *next;

    if (!l)
        return;
    LIST_FOREACH (it, following, &l->absent)
        absent_destroy(LIST_ENTRY(it, struct absent, node));
    HASH_ITER (hh, l->streams, s, next) {
        stream_save(s, true);
        remove_stream(l, s);
    }
    loop_timer_destroy(l->pump);
    loop_timer_destroy(l->say);
    loop_timer_destroy(l->look);
    file_watches_destroy(l->watches);
    spares_clear(&l->spares);
    free(l->file_dir);
    free(l);
}

static struct log_stream *find(struct logs *l, const char *id)
{
    struct log_stream *s;

    HASH_FIND_STR(l->streams, id, s);
    return s;
}

static struct log_stream *add_stream(struct logs *l, const struct stream_args *args)
{
    struct log_stream *s = stream_create(l, args);

    HASH_ADD_KEYPTR(hh, l->streams, s->id, strlen(s->id), s);
    return s;
}

void logs_follow(struct logs *l, const struct logs_container *of)
{
    const struct task *t = of->task;
    const struct task_container *c = &t->containers[of->container];
    struct log_stream *s = find(l, of->docker_id);
    const char *role = t->execution_credentials_id;
    char host[HOST_NAME_MAX + 1] = "";
    const struct log_tag tag = { .id = of->docker_id, .name = of->docker_name, .hostname = host };
    struct log_options to = { 0 };
    struct stream_args args = { .id = of->docker_id, .task = t->id, .to = &to };
    struct err e = { 0 };

    if (!c->log_driver || !streq(c->log_driver, "awslogs"))
        return;
    if (s) {
        stream_follow(s);
        return;
    }
    gethostname(host, sizeof host - 1);
    if (task_spool_of(c, l->args.spool_bytes, &args.spool, &e) ||
        log_options_read(t, c, of->secrets, of->n_secrets, of->docker_id, &tag, l->args.aws, &to,
                         &e)) {
        log_error("a container's log is not shipped", kv_s("task", t->id),
                  kv_s("container", c->name), kv_err(&e));
        return;
    }
    if (c->log_execution_role)
        args.role_id = role ? role : "";
    add_stream(l, &args);
}

/* ---- drains ---- */

static void on_absent(void *user)
{
    struct absent *d = user;
    const struct logs_args *a = &d->logs->args;
    logs_drained_fn *done = d->done;

    a->drop_cursor(a->user, d->id);
    user = d->user;
    absent_destroy(d);
    done(user, true);
}

void logs_drain(struct logs *l, const char *docker_id, int64_t timeout_ms, logs_drained_fn *done,
                void *user)
{
    struct log_stream *s = find(l, docker_id);
    struct absent *d;

    if (s && !s->draining) {
        stream_drain(s, timeout_ms, done, user);
        return;
    }
    /* Drained twice: the first one does the work. */
    d = NEW(struct absent);
    d->logs = l;
    d->id = mem_strdup(docker_id);
    d->done = done;
    d->user = user;
    d->timer = loop_timer_create(l->args.loop, on_absent, d);
    list_push_back(&l->absent, &d->node);
    loop_timer_arm(d->timer, 0);
}

/* Out of time: nobody will read what is left in memory and in the log. */
static void abandon(struct log_stream *s)
{
    int64_t events = s->open ? (int64_t)s->open->n : 0, unread = 0, bound = 0;

    LIST_FOREACH (it, following, &s->parcels) {
        const struct parcel *p = LIST_ENTRY(it, struct parcel, node);

        if (!p->stored)
            events += (int64_t)(p->batch->n - p->batch->from);
    }
    if (!s->ended)
        source_backlog(s->source, &unread, &bound);
    drops_count(s, LOGS_DROP_ABANDONED, events);
    s->sum.gaps += unread > 0;
    log_warn("a container's log was not shipped to its end in time", kv_s("task", s->task),
             kv_s("container", s->id), kv_i("events", events), kv_i("bytes", (int64_t)s->held),
             kv_i("unread_bytes", unread), kv_s("read", s->ended ? "to its end" : "in part"));
}

void logs_finish(struct logs *l, struct log_stream *s)
{
    logs_drained_fn *done = s->drained_fn;
    void *user = s->drained_user;
    bool complete = s->drained && !s->gone;

    if (!s->drained)
        abandon(s);
    l->args.drop_cursor(l->args.user, s->id);
    remove_stream(l, s);
    logs_resume_reading(l);
    logs_pump(l);
    done(user, complete);
}

/* ---- the host goes down ---- */

void logs_hurry(struct logs *l, const char *docker_id)
{
    struct log_stream *s = docker_id ? find(l, docker_id) : l->own;

    if (s)
        stream_hurry(s);
}

size_t logs_left(const struct logs *l)
{
    const struct log_stream *s, *next;
    size_t n = 0;

    HASH_ITER (hh, l->streams, s, next)
        n += !s->ended || s->waiting_events;
    return n;
}

/* ---- the agent's own log ---- */

enum err_code logs_own_begin(struct logs *l, const struct task_kv *options, size_t n,
                             const char *stream, struct err *e)
{
    static char id[] = "agent", stream_option[] = "awslogs-stream", name[] = "berth";
    struct task_kv *all = mem_array(n + 1, sizeof *all);
    AUTO(str) char *own = mem_strdup(stream);
    struct task_container c = { .name = name, .log_options = all, .n_log_options = n };
    const struct task t = { .id = id, .containers = &c, .n_containers = 1 };
    struct log_options to;
    const struct stream_args args = { .id = OWN_ID, .task = "", .to = &to, .own = true };
    bool named = false;

    for (size_t i = 0; i < n; i++) {
        all[i] = options[i];
        named = named || streq(options[i].name, stream_option);
    }
    if (!named)
        all[c.n_log_options++] = (struct task_kv){ stream_option, own };
    if (!log_options_read(&t, &c, NULL, 0, OWN_ID, NULL, l->args.aws, &to, e))
        l->own = add_stream(l, &args);
    free(all);
    return l->own ? ERR_OK : e->code;
}

void logs_own_line(struct logs *l, int64_t when_ms, struct str line)
{
    if (l->own && !l->about_own)
        source_own_line(l->own->source, when_ms, line);
}
