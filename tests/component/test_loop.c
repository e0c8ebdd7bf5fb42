/* links: io */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"
#include "support/check.h"

struct world {
    struct loop *loop;
    struct loop_timer *watchdog, *a, *b;
    struct turn_end *end, *end2;
    struct work *work;
    char trace[64];
    int calls;
    int64_t seen_ms;
    atomic_int ran;
    atomic_bool release;
    pthread_t worker;
    bool in_call;
};

static void note(struct world *w, char what)
{
    size_t n = strlen(w->trace);

    if (n + 1 < sizeof w->trace)
        w->trace[n] = what;
}

static void on_watchdog(void *user)
{
    (void)user;
    fail_msg("the loop did not end in time");
}

static int setup(void **state)
{
    struct world *w = NEW(struct world);

    w->loop = loop_create();
    w->watchdog = loop_timer_create(w->loop, on_watchdog, w);
    loop_timer_arm(w->watchdog, 20000);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    loop_timer_destroy(w->watchdog);
    loop_timer_destroy(w->a);
    loop_timer_destroy(w->b);
    turn_end_destroy(w->end);
    turn_end_destroy(w->end2);
    loop_destroy(w->loop);
    free(w);
    return 0;
}

static void stop(void *user)
{
    loop_stop(((struct world *)user)->loop);
}

static void a_then_stop(void *user)
{
    struct world *w = user;

    assert_false(w->in_call);
    note(w, 'a');
    w->seen_ms = loop_now_ms(w->loop);
    loop_stop(w->loop);
}

static void test_timer_waits(void **state)
{
    struct world *w = *state;
    int64_t start = loop_now_ms(w->loop);

    w->a = loop_timer_create(w->loop, a_then_stop, w);
    assert_false(loop_timer_armed(w->a));
    loop_timer_arm(w->a, 30);
    assert_true(loop_timer_armed(w->a));
    loop_run(w->loop);
    assert_false(loop_timer_armed(w->a));
    assert_string_equal(w->trace, "a");
    assert_true(w->seen_ms - start >= 30);
}

static void test_timer_at_once_has_a_fresh_stack(void **state)
{
    struct world *w = *state;

    w->a = loop_timer_create(w->loop, a_then_stop, w);
    w->in_call = true;
    loop_timer_arm(w->a, -5);
    w->in_call = false;
    assert_true(loop_timer_armed(w->a));
    loop_run(w->loop);
    assert_string_equal(w->trace, "a");
}

static void test_timer_rearmed_fires_once(void **state)
{
    struct world *w = *state;

    w->a = loop_timer_create(w->loop, a_then_stop, w);
    loop_timer_arm(w->a, 0);
    loop_timer_arm(w->a, 10000);
    loop_timer_arm(w->a, 1);
    loop_run(w->loop);
    assert_string_equal(w->trace, "a");
}

static void disarm_b(void *user)
{
    struct world *w = user;

    note(w, 'a');
    loop_timer_destroy(w->b);
    w->b = NULL;
}

static void note_b(void *user)
{
    note(user, 'b');
}

static void test_timer_destroyed_by_its_neighbour(void **state)
{
    struct world *w = *state;

    w->a = loop_timer_create(w->loop, disarm_b, w);
    w->b = loop_timer_create(w->loop, note_b, w);
    loop_timer_arm(w->a, 0);
    loop_timer_arm(w->b, 0);
    w->end = turn_end_create(w->loop, stop, w);
    turn_end_schedule(w->end);
    loop_run(w->loop);
    assert_string_equal(w->trace, "a");
}

static void rearm_a(void *user)
{
    struct world *w = user;

    if (++w->calls < 1000)
        loop_timer_arm(w->a, 0);
    else
        loop_stop(w->loop);
}

/* A timer that always asks again leaves room for the others. */
static void test_timer_does_not_starve(void **state)
{
    struct world *w = *state;

    w->a = loop_timer_create(w->loop, rearm_a, w);
    w->b = loop_timer_create(w->loop, stop, w);
    w->calls = -1000000000;
    loop_timer_arm(w->a, 0);
    loop_timer_arm(w->b, 5);
    loop_run(w->loop);
    assert_true(w->calls > -1000000000);
}

static void end_then_stop(void *user)
{
    note(user, 'e');
    stop(user);
}

static void schedule_twice(void *user)
{
    struct world *w = user;

    note(w, 'a');
    turn_end_schedule(w->end);
    turn_end_schedule(w->end);
}

static void test_turn_end_comes_after_the_turn(void **state)
{
    struct world *w = *state;

    /* Both timers are due in the same turn. */
    w->end = turn_end_create(w->loop, end_then_stop, w);
    w->a = loop_timer_create(w->loop, schedule_twice, w);
    w->b = loop_timer_create(w->loop, note_b, w);
    loop_timer_arm(w->a, 0);
    loop_timer_arm(w->b, 0);
    loop_run(w->loop);
    assert_string_equal(w->trace, "abe");
}

static void test_turn_end_after_a_real_timer(void **state)
{
    struct world *w = *state;
    int64_t start = clock_mono_ms();

    w->end = turn_end_create(w->loop, end_then_stop, w);
    w->a = loop_timer_create(w->loop, schedule_twice, w);
    loop_timer_arm(w->a, 5);
    loop_run(w->loop);
    assert_string_equal(w->trace, "ae");
    assert_true(clock_mono_ms() - start < 10000); /* not only with the next event */
}

static void end_again(void *user)
{
    struct world *w = user;

    note(w, 'e');
    if (++w->calls < 3)
        turn_end_schedule(w->end);
    else
        loop_stop(w->loop);
}

static void destroy_end2(void *user)
{
    struct world *w = user;

    note(w, 'd');
    turn_end_destroy(w->end2);
    w->end2 = NULL;
    turn_end_schedule(w->end);
}

static void test_turn_end_again_and_destroyed(void **state)
{
    struct world *w = *state;
    struct turn_end *first = turn_end_create(w->loop, destroy_end2, w);

    w->end = turn_end_create(w->loop, end_again, w);
    w->end2 = turn_end_create(w->loop, note_b, w);
    turn_end_schedule(first);
    turn_end_schedule(w->end2);
    loop_run(w->loop);
    turn_end_destroy(first);
    assert_string_equal(w->trace, "deee");
}

static void count_turn(uv_prepare_t *h)
{
    ((struct world *)h->data)->calls++;
}

static void test_loop_sleeps_when_nothing_is_scheduled(void **state)
{
    struct world *w = *state;
    uv_prepare_t turns;

    uv_prepare_init(loop_uv(w->loop), &turns);
    turns.data = w;
    uv_prepare_start(&turns, count_turn);
    w->end = turn_end_create(w->loop, note_b, w);
    turn_end_schedule(w->end);
    /* Asked for and taken back: nothing is left to do at once. */
    w->b = loop_timer_create(w->loop, a_then_stop, w);
    loop_timer_arm(w->b, 0);
    loop_timer_disarm(w->b);
    w->a = loop_timer_create(w->loop, a_then_stop, w);
    loop_timer_arm(w->a, 100);
    loop_run(w->loop);
    turn_end_schedule(w->end);
    turn_end_destroy(w->end);
    w->end = NULL;
    loop_timer_arm(w->a, 100);
    loop_run(w->loop);
    uv_close((uv_handle_t *)&turns, NULL);
    assert_string_equal(w->trace, "baa");
    assert_in_range(w->calls, 1, 10);
    uv_run(loop_uv(w->loop), UV_RUN_NOWAIT);
}

static void on_worker(void *user)
{
    struct world *w = user;

    w->worker = pthread_self();
    atomic_fetch_add(&w->ran, 1);
}

static void on_worked(void *user)
{
    struct world *w = user;

    assert_false(pthread_equal(w->worker, pthread_self()));
    assert_int_equal(atomic_load(&w->ran), 1);
    work_cancel(w->work); /* finished: nothing to cancel, and harmless */
    note(w, 'd');
    loop_stop(w->loop);
}

static void test_work_runs_on_a_thread(void **state)
{
    struct world *w = *state;

    w->work = loop_work(w->loop, on_worker, on_worked, w);
    loop_run(w->loop);
    assert_string_equal(w->trace, "d");
}

static void on_slow_worker(void *user)
{
    struct world *w = user;

    atomic_store(&w->ran, 1);
    while (!atomic_load(&w->release))
        sched_yield();
    atomic_store(&w->ran, 2);
}

static void *release_later(void *user)
{
    struct world *w = user;

    atomic_store(&w->release, true);
    return NULL;
}

static void test_work_cancel_waits_and_is_silent(void **state)
{
    struct world *w = *state;
    pthread_t helper;

    w->work = loop_work(w->loop, on_slow_worker, note_b, w);
    while (atomic_load(&w->ran) == 0)
        sched_yield();
    assert_int_equal(pthread_create(&helper, NULL, release_later, w), 0);
    work_cancel(w->work);
    assert_int_equal(atomic_load(&w->ran), 2);
    pthread_join(helper, NULL);
    w->a = loop_timer_create(w->loop, stop, w);
    loop_timer_arm(w->a, 10);
    loop_run(w->loop);
    assert_string_equal(w->trace, "");
}

static void test_work_cancelled_before_it_begins(void **state)
{
    struct world *w = *state;
    struct work *slow[16];
    size_t n = 16;

    for (size_t i = 0; i < n; i++)
        slow[i] = loop_work(w->loop, on_slow_worker, note_b, w);
    w->work = loop_work(w->loop, on_worker, note_b, w);
    work_cancel(w->work);
    atomic_store(&w->release, true);
    for (size_t i = 0; i < n; i++)
        work_cancel(slow[i]);
    work_cancel(NULL);
    assert_string_equal(w->trace, "");
}

static void raise_it(void *user)
{
    (void)user;
    raise(SIGUSR1);
}

static void test_signal_reaches_the_last_handler(void **state)
{
    struct world *w = *state;

    loop_on_signal(w->loop, SIGUSR1, note_b, w);
    loop_on_signal(w->loop, SIGUSR1, a_then_stop, w);
    w->a = loop_timer_create(w->loop, raise_it, w);
    loop_timer_arm(w->a, 0);
    loop_run(w->loop);
    assert_string_equal(w->trace, "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_timer_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer_at_once_has_a_fresh_stack, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer_rearmed_fires_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer_destroyed_by_its_neighbour, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer_does_not_starve, setup, teardown),
        cmocka_unit_test_setup_teardown(test_turn_end_comes_after_the_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_turn_end_after_a_real_timer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_turn_end_again_and_destroyed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loop_sleeps_when_nothing_is_scheduled, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_work_runs_on_a_thread, setup, teardown),
        cmocka_unit_test_setup_teardown(test_work_cancel_waits_and_is_silent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_work_cancelled_before_it_begins, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signal_reaches_the_last_handler, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
