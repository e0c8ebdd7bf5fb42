#include "io/watch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/mem.h"

#define POLL_MS  10000
#define ATTEMPTS 8 /* to follow directories that come and go while we look */

struct watch {
    uv_fs_event_t uv;
    struct loop_timer *poll;
    char *path;
    loop_fn *changed;
    void *user;
};

static void on_event(uv_fs_event_t *h, const char *name, int events, int status);

/* The directory of a path, "." for a bare name; at "/" it stays. */
static void cut_last(char *path)
{
    char *slash = strrchr(path, '/');

    if (!slash) {
        path[0] = '.';
        path[1] = '\0';
    } else {
        slash[slash == path] = '\0';
    }
}

/* Watches the directory, or the nearest one above it that is there. */
static bool start_nearest(struct watch *w, char *at)
{
    for (;;) {
        size_t n = strlen(at);

        if (uv_fs_event_start(&w->uv, on_event, at, 0) == 0)
            return true;
        cut_last(at);
        if (strlen(at) >= n)
            return false;
    }
}

/* A directory may have come after it was found missing and before the one above it was
 * watched: then nobody would tell. */
static bool came_meanwhile(const struct watch *w, const char *watched)
{
    size_t n = strlen(watched);
    AUTO(str) char *next = NULL;

    if (strcmp(watched, w->path) == 0)
        return false;
    while (w->path[n] == '/')
        n++;
    next = mem_strndup(w->path, n + strcspn(w->path + n, "/"));
    return access(next, X_OK) == 0;
}

static void look(struct watch *w)
{
    bool again = true, watching = false;

    for (int i = 0; i < ATTEMPTS && again; i++) {
        AUTO(str) char *at = mem_strdup(w->path);

        uv_fs_event_stop(&w->uv);
        watching = start_nearest(w, at);
        again = watching && came_meanwhile(w, at);
    }
    if (watching && !again)
        loop_timer_disarm(w->poll);
    else
        loop_timer_arm(w->poll, POLL_MS);
}

static void on_event(uv_fs_event_t *h, const char *name, int events, int status)
{
    struct watch *w = h->data;

    (void)name;
    (void)events;
    (void)status;
    look(w); /* what is watched may have gone, or one nearer may have come */
    w->changed(w->user);
}

static void on_poll(void *user)
{
    struct watch *w = user;

    look(w);
    w->changed(w->user);
}

struct watch *watch_create(struct loop *l, const char *path, loop_fn *changed, void *user)
{
    struct watch *w = NEW(struct watch);
    size_t n;

    if (uv_fs_event_init(loop_uv(l), &w->uv))
        abort();
    w->uv.data = w;
    w->poll = loop_timer_create(l, on_poll, w);
    w->path = mem_strdup(path);
    for (n = strlen(w->path); n > 1 && w->path[n - 1] == '/'; n--)
        w->path[n - 1] = '\0';
    w->changed = changed;
    w->user = user;
    look(w);
    return w;
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

void watch_destroy(struct watch *w)
{
    if (!w)
        return;
    loop_timer_destroy(w->poll);
    free(w->path);
    uv_close((uv_handle_t *)&w->uv, on_closed);
}
