#pragma once
/* loop: the one event loop, its timers, deferred calls, signals and workers.
 *
 * Only agent/io sees libuv. Everything runs on the loop's thread except the
 * work function of loop_work. A callback always starts on a fresh stack: never
 * inside the call that asked for it. After a destroy, stop or cancel returns,
 * the callback never runs again and its `user` is never touched. */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/histogram.h"

struct loop;
struct loop_timer;
struct work;
typedef void loop_fn(void *user);

struct loop *loop_create(void);    /* aborts when the kernel gives no epoll */
void loop_destroy(struct loop *l); /* NULL is fine; every user must be gone before */
void loop_run(struct loop *l);     /* until loop_stop */
void loop_stop(struct loop *l);
int64_t loop_now_ms(struct loop *l); /* monotonic, as of this turn */

/* How long the turns of the loop took: all between two waits, in microseconds. Whoever waits
 * for the loop waits for the rest of such a turn. Borrowed. */
const struct histogram *loop_turns(const struct loop *l);

/* A one-shot timer that can be armed again. */
struct loop_timer *loop_timer_create(struct loop *l, loop_fn *fn, void *user);
/* Replaces an earlier arming; < 0 counts as 0. */
void loop_timer_arm(struct loop_timer *t, int64_t delay_ms);
void loop_timer_disarm(struct loop_timer *t);
bool loop_timer_armed(const struct loop_timer *t);
void loop_timer_destroy(struct loop_timer *t); /* NULL is fine */

/* Runs `fn` once at the end of a coming turn, after every callback of that turn:
 * what gathers events into one transaction hangs here. Scheduling an already
 * scheduled one changes nothing. */
struct turn_end *turn_end_create(struct loop *l, loop_fn *fn, void *user);
void turn_end_schedule(struct turn_end *t);
void turn_end_destroy(struct turn_end *t); /* NULL is fine */

/* Runs `work` on a worker thread, then `done` on the loop. work_cancel promises
 * silence of `done`; it waits for a `work` that is running already, so `user`
 * may be freed when it returns. */
struct work *loop_work(struct loop *l, loop_fn *work, loop_fn *done, void *user);
void work_cancel(struct work *w); /* NULL is fine */

/* One handler for each signal number; loop_destroy takes it away. */
void loop_on_signal(struct loop *l, int signum, loop_fn *fn, void *user);

/* For guests (libcurl): the underlying uv_loop_t. agent/io only. */
struct uv_loop_s *loop_uv(struct loop *l);
