#include "io/loop.h"

#include <signal.h>
#include <stdlib.h>
#include <uv.h>

#include "base/list.h"
#include "base/mem.h"

/* One turn of libuv: timers, poll, check. Timers that are due at once and the
 * ends of a turn both run from the check phase, in this order; while one of
 * them waits, an idle handle keeps the poll from blocking. */
struct loop {
    uv_loop_t uv;
    uv_check_t check; /* also what keeps uv_run going while nothing else is there */
    uv_idle_t idle;
    uv_prepare_t prepare; /* the end of a turn: the next thing is a wait */
    uint64_t turn_ns;     /* when the last turn ended, */
    uint64_t idle_ns;     /* and how long the loop had waited in all by then */
    struct histogram turns;
    struct list soon;    /* struct loop_timer.soon */
    struct list ends;    /* struct turn_end.node */
    struct list signals; /* struct signal_watch.node */
};

struct loop_timer {
    uv_timer_t uv;
    struct loop *loop;
    struct list soon;
    loop_fn *fn;
    void *user;
};

struct turn_end {
    struct loop *loop;
    struct list node;
    loop_fn *fn;
    void *user;
};

struct signal_watch {
    uv_signal_t uv;
    struct list node;
    loop_fn *fn;
    void *user;
};

static const int64_t turn_bounds_us[] = { 50,    100,   250,   500,    1000,   2500,   5000,
                                          10000, 25000, 50000, 100000, 250000, 1000000 };
static const struct histogram_rule turn_rule = { turn_bounds_us, COUNT_OF(turn_bounds_us), 1e6 };

static void must(int rc)
{
    if (rc != 0)
        abort();
}

static void on_idle(uv_idle_t *h)
{
    (void)h;
}

static void move_all(struct list *from, struct list *to)
{
    list_init(to);
    while (!list_empty(from)) {
        struct list *node = from->next;

        list_remove(node);
        list_push_back(to, node);
    }
}

static void on_check(uv_check_t *h)
{
    struct loop *l = h->data;
    struct list batch;

    /* Also when nothing is left to do: what was asked for may have been disarmed, and
     * an idle handle that stays makes the loop spin. */
    uv_idle_stop(&l->idle);

    /* What is asked for from here on belongs to the next turn, so that a
     * callback that always asks again does not starve the sockets. */
    move_all(&l->soon, &batch);
    while (!list_empty(&batch)) {
        struct loop_timer *t = LIST_ENTRY(batch.next, struct loop_timer, soon);

        list_remove(&t->soon);
        t->fn(t->user);
    }
    move_all(&l->ends, &batch);
    while (!list_empty(&batch)) {
        struct turn_end *t = LIST_ENTRY(batch.next, struct turn_end, node);

        list_remove(&t->node);
        t->fn(t->user);
    }
}

static void on_prepare(uv_prepare_t *h)
{
    struct loop *l = h->data;
    uint64_t now_ns = uv_hrtime(), idle_ns = uv_metrics_idle_time(&l->uv);

    if (l->turn_ns)
        histogram_add(&l->turns, (int64_t)(now_ns - l->turn_ns - (idle_ns - l->idle_ns)) / 1000);
    l->turn_ns = now_ns;
    l->idle_ns = idle_ns;
}

static void run_soon(struct loop *l)
{
    must(uv_idle_start(&l->idle, on_idle));
}

struct loop *loop_create(void)
{
    struct loop *l = NEW(struct loop);

    /* libuv and OpenSSL write without MSG_NOSIGNAL; a peer that went away is
     * an error of that write, never the end of the process. */
    signal(SIGPIPE, SIG_IGN);

    must(uv_loop_init(&l->uv));
    must(uv_loop_configure(&l->uv, UV_METRICS_IDLE_TIME));
    must(uv_prepare_init(&l->uv, &l->prepare));
    must(uv_prepare_start(&l->prepare, on_prepare));
    l->prepare.data = l;
    l->turns.rule = &turn_rule;
    must(uv_check_init(&l->uv, &l->check));
    must(uv_idle_init(&l->uv, &l->idle));
    must(uv_check_start(&l->check, on_check));
    l->check.data = l;
    list_init(&l->soon);
    list_init(&l->ends);
    list_init(&l->signals);
    return l;
}

static void on_signal_closed(uv_handle_t *h)
{
    free(h->data);
}

static void abort_if_open(uv_handle_t *h, void *user)
{
    (void)user;
    /* A user of the loop outlived it: going on would be a use after free. */
    if (!uv_is_closing(h))
        abort();
}

void loop_destroy(struct loop *l)
{
    if (!l)
        return;
    LIST_FOREACH (node, following, &l->signals) {
        struct signal_watch *s = LIST_ENTRY(node, struct signal_watch, node);

        list_remove(&s->node);
        uv_close((uv_handle_t *)&s->uv, on_signal_closed);
    }
    uv_close((uv_handle_t *)&l->prepare, NULL);
    uv_close((uv_handle_t *)&l->check, NULL);
    uv_close((uv_handle_t *)&l->idle, NULL);
    uv_walk(&l->uv, abort_if_open, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    must(uv_loop_close(&l->uv));
    free(l);
}

void loop_run(struct loop *l)
{
    uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *l)
{
    uv_stop(&l->uv);
}

int64_t loop_now_ms(struct loop *l)
{
    return (int64_t)uv_now(&l->uv);
}

const struct histogram *loop_turns(const struct loop *l)
{
    return &l->turns;
}

struct uv_loop_s *loop_uv(struct loop *l)
{
    return &l->uv;
}

/* ---- timers ---- */

struct loop_timer *loop_timer_create(struct loop *l, loop_fn *fn, void *user)
{
    struct loop_timer *t = NEW(struct loop_timer);

    must(uv_timer_init(&l->uv, &t->uv));
    t->uv.data = t;
    t->loop = l;
    t->fn = fn;
    t->user = user;
    list_init(&t->soon);
    return t;
}

static void on_timer(uv_timer_t *h)
{
    struct loop_timer *t = h->data;

    t->fn(t->user);
}

void loop_timer_arm(struct loop_timer *t, int64_t delay_ms)
{
    loop_timer_disarm(t);
    if (delay_ms > 0) {
        must(uv_timer_start(&t->uv, on_timer, (uint64_t)delay_ms, 0));
        return;
    }
    list_push_back(&t->loop->soon, &t->soon);
    run_soon(t->loop);
}

void loop_timer_disarm(struct loop_timer *t)
{
    uv_timer_stop(&t->uv);
    list_remove(&t->soon);
}

bool loop_timer_armed(const struct loop_timer *t)
{
    return uv_is_active((const uv_handle_t *)&t->uv) || !list_empty(&t->soon);
}

static void on_timer_closed(uv_handle_t *h)
{
    free(h->data);
}

void loop_timer_destroy(struct loop_timer *t)
{
    if (!t)
        return;
    loop_timer_disarm(t);
    uv_close((uv_handle_t *)&t->uv, on_timer_closed);
}

/* ---- ends of a turn ---- */

struct turn_end *turn_end_create(struct loop *l, loop_fn *fn, void *user)
{
    struct turn_end *t = NEW(struct turn_end);

    t->loop = l;
    t->fn = fn;
    t->user = user;
    list_init(&t->node);
    return t;
}

void turn_end_schedule(struct turn_end *t)
{
    if (!list_empty(&t->node))
        return;
    list_push_back(&t->loop->ends, &t->node);
    run_soon(t->loop);
}

void turn_end_destroy(struct turn_end *t)
{
    if (!t)
        return;
    list_remove(&t->node);
    free(t);
}

/* ---- signals ---- */

static void on_signal(uv_signal_t *h, int signum)
{
    struct signal_watch *s = h->data;

    (void)signum;
    s->fn(s->user);
}

void loop_on_signal(struct loop *l, int signum, loop_fn *fn, void *user)
{
    LIST_FOREACH (node, following, &l->signals) {
        struct signal_watch *s = LIST_ENTRY(node, struct signal_watch, node);

        if (s->uv.signum == signum) {
            s->fn = fn;
            s->user = user;
            return;
        }
    }
    struct signal_watch *s = NEW(struct signal_watch);

    must(uv_signal_init(&l->uv, &s->uv));
    s->uv.data = s;
    s->fn = fn;
    s->user = user;
    list_push_back(&l->signals, &s->node);
    must(uv_signal_start(&s->uv, on_signal, signum));
}
