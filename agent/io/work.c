#include <stdlib.h>
#include <uv.h>

#include "base/mem.h"
#include "io/loop.h"

struct work {
    uv_work_t req;
    uv_sem_t ran; /* posted by the worker thread when `work` has returned */
    loop_fn *work;
    loop_fn *done;
    void *user;
    bool silent;
    bool finishing;
};

static void on_worker(uv_work_t *req)
{
    struct work *w = req->data;

    w->work(w->user);
    uv_sem_post(&w->ran);
}

static void on_worked(uv_work_t *req, int status)
{
    struct work *w = req->data;

    (void)status;
    w->finishing = true;
    if (!w->silent)
        w->done(w->user);
    uv_sem_destroy(&w->ran);
    free(w);
}

struct work *loop_work(struct loop *l, loop_fn *work, loop_fn *done, void *user)
{
    struct work *w = NEW(struct work);

    w->req.data = w;
    w->work = work;
    w->done = done;
    w->user = user;
    if (uv_sem_init(&w->ran, 0) || uv_queue_work(loop_uv(l), &w->req, on_worker, on_worked))
        abort();
    return w;
}

void work_cancel(struct work *w)
{
    if (!w || w->finishing)
        return;
    w->silent = true;
    /* libuv cancels only what no thread has begun; the rest is waited for,
     * because the worker may still look at `user`. */
    if (uv_cancel((uv_req_t *)&w->req) != 0)
        uv_sem_wait(&w->ran);
}
