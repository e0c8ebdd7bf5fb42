#include "io/file_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <uv.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

#define NAMES_MASK (IN_MOVE_SELF | IN_DELETE_SELF | IN_ATTRIB | IN_CLOSE_WRITE)

/* What the kernel calls one watch: all of ours of one file. */
struct kernel_watch {
    UT_hash_handle hh;
    int wd; /* key */
    struct list watches;
};

struct file_watches {
    struct loop *loop;
    int fd; /* -1: the kernel gives none */
    uv_poll_t poll;
    struct kernel_watch *known;
    struct list due; /* of file_watch.node: to be told */
};

struct file_watch {
    struct list node;
    struct file_watches *all;
    struct kernel_watch *in;  /* NULL: it is due, or goes by the timer */
    struct loop_timer *timer; /* NULL: the kernel tells */
    loop_fn *fn;
    void *user;
};

static void forget(struct file_watches *ws, struct kernel_watch *k)
{
    HASH_DEL(ws->known, k);
    free(k);
}

/* The kernel has told of it, and with that forgotten it. */
static void make_due(struct file_watches *ws, struct kernel_watch *k)
{
    LIST_FOREACH (it, following, &k->watches) {
        list_remove(it);
        list_push_back(&ws->due, it);
        LIST_ENTRY(it, struct file_watch, node)->in = NULL;
    }
    forget(ws, k);
}

/* Events were lost: any file may have changed. */
static void make_all_due(struct file_watches *ws)
{
    struct kernel_watch *k, *following;

    HASH_ITER (hh, ws->known, k, following) {
        inotify_rm_watch(ws->fd, k->wd);
        make_due(ws, k);
    }
}

static void take_event(struct file_watches *ws, const struct inotify_event *ev)
{
    struct kernel_watch *k = NULL;

    if (ev->mask & IN_Q_OVERFLOW) {
        make_all_due(ws);
        return;
    }
    HASH_FIND_INT(ws->known, &ev->wd, k);
    if (k)
        make_due(ws, k);
}

static void tell_due(struct file_watches *ws)
{
    while (!list_empty(&ws->due)) {
        struct file_watch *w = LIST_ENTRY(ws->due.next, struct file_watch, node);
        loop_fn *fn = w->fn;
        void *user = w->user;

        list_remove(&w->node);
        free(w);
        fn(user);
    }
}

static void on_readable(uv_poll_t *h, int status, int events)
{
    struct file_watches *ws = h->data;
    _Alignas(struct inotify_event) char events_read[16384];
    ssize_t n = read(ws->fd, events_read, sizeof events_read);

    (void)status;
    (void)events;
    for (const char *p = events_read; n > 0 && p < events_read + n;) {
        struct inotify_event ev;

        memcpy(&ev, p, sizeof ev);
        take_event(ws, &ev);
        p += sizeof ev + ev.len;
    }
    tell_due(ws);
}

struct file_watches *file_watches_create(struct loop *l)
{
    struct file_watches *ws = NEW(struct file_watches);

    ws->loop = l;
    list_init(&ws->due);
    ws->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (ws->fd < 0)
        return ws;
    if (uv_poll_init(loop_uv(l), &ws->poll, ws->fd) ||
        uv_poll_start(&ws->poll, UV_READABLE, on_readable))
        abort();
    ws->poll.data = ws;
    return ws;
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

void file_watches_destroy(struct file_watches *ws)
{
    if (!ws)
        return;
    if (ws->known)
        abort(); /* a watch outlived it */
    if (ws->fd < 0) {
        free(ws);
        return;
    }
    uv_close((uv_handle_t *)&ws->poll, on_closed);
    close(ws->fd);
}

static void on_timer(void *user)
{
    struct file_watch *w = user;
    loop_fn *fn = w->fn;

    user = w->user;
    loop_timer_destroy(w->timer);
    free(w);
    fn(user);
}

static struct kernel_watch *known_as(struct file_watches *ws, int wd)
{
    struct kernel_watch *k;

    HASH_FIND_INT(ws->known, &wd, k);
    if (k)
        return k;
    k = NEW(struct kernel_watch);
    k->wd = wd;
    list_init(&k->watches);
    HASH_ADD_INT(ws->known, wd, k);
    return k;
}

struct file_watch *file_watch_begin(struct file_watches *ws, const char *path,
                                    enum file_watch_for what, loop_fn *fn, void *user)
{
    struct file_watch *w = NEW(struct file_watch);
    /* Of a file that is watched already the kernel gives the same number. */
    uint32_t mask = IN_ONESHOT | IN_MASK_ADD | NAMES_MASK;
    int wd = -1;

    w->all = ws;
    w->fn = fn;
    w->user = user;
    list_init(&w->node);
    if (what == FILE_WATCH_ANY)
        mask |= IN_MODIFY;
    if (ws->fd >= 0)
        wd = inotify_add_watch(ws->fd, path, mask);
    if (wd < 0) {
        w->timer = loop_timer_create(ws->loop, on_timer, w);
        loop_timer_arm(w->timer, FILE_WATCH_POLL_MS);
        return w;
    }
    w->in = known_as(ws, wd);
    list_push_back(&w->in->watches, &w->node);
    return w;
}

void file_watch_widen(struct file_watch *w, const char *path)
{
    struct kernel_watch *k;
    int wd;

    if (!w->in)
        return;
    wd = inotify_add_watch(w->all->fd, path, IN_ONESHOT | IN_MASK_ADD | NAMES_MASK | IN_MODIFY);
    if (wd < 0 || wd == w->in->wd)
        return;
    /* The kernel has forgotten the old one, or another file has the name: in both cases it has
     * something to tell that has not been read yet. */
    HASH_FIND_INT(w->all->known, &wd, k);
    if (!k)
        inotify_rm_watch(w->all->fd, wd);
}

bool file_watch_polls(const struct file_watch *w)
{
    return w && w->timer;
}

void file_watch_cancel(struct file_watch *w)
{
    if (!w)
        return;
    loop_timer_destroy(w->timer);
    list_remove(&w->node);
    if (w->in && list_empty(&w->in->watches)) {
        /* When it has happened meanwhile, the kernel knows it no more; numbers are not used again
         * soon, so the event that waits in the descriptor finds nobody. */
        inotify_rm_watch(w->all->fd, w->in->wd);
        forget(w->all, w->in);
    }
    free(w);
}
