/* links: logs */
/* An agent that is killed at every step of its shipping, or stopped: the next one goes on, nothing
 * is lost, and nothing comes twice. */
#include "component/ship_world.h"

#define LINES 5000

static int kill_at;

static enum fault hang_before(int put)
{
    return put == kill_at ? FAULT_HANG : FAULT_NONE;
}

static enum fault hang_after(int put)
{
    return put == kill_at ? FAULT_STORED_HANG : FAULT_NONE;
}

static bool is_hung(void)
{
    return sw.hung > 0;
}

static bool has_put(void)
{
    return sw.puts >= kill_at || all_arrived();
}

static void write_on(void)
{
    ship_write(0, 40, 60);
}

static bool enough(void)
{
    return sw.ships[0].written >= LINES;
}

/* Killed while its put number `kill_at` is under way, or just when that was answered; then once
 * more. */
static void kill_once(enum fault (*plan)(int put), bool backlog)
{
    world_up(1, false);
    sw.plan = plan;
    if (backlog)
        ship_write(0, 60000, 60);
    else
        sw.each = write_on;
    world_follow();
    run_until(plan ? is_hung : has_put);
    world_restart(true);
    kill_at += 2;
    run_until(has_put);
    world_restart(true);
    run_until(enough);
    sw.each = NULL;
    world_drain();
    assert_int_equal(account(0), 0);
    world_down();
}

static void killed_at_every_step(void **state)
{
    (void)state;
    for (int at = 1; at <= 6; at++) {
        kill_at = at;
        kill_once(hang_before, true);
        kill_at = at;
        kill_once(hang_after, true);
        kill_at = at;
        kill_once(NULL, true);
    }
    for (int at = 1; at <= 2; at++) {
        kill_at = at;
        kill_once(hang_after, false);
        kill_at = at;
        kill_once(NULL, false);
    }
}

static bool saved_once(void)
{
    return sw.ships[0].saves > 0 && all_arrived();
}

static bool nothing_waits(void)
{
    return totals().waiting_events == 0;
}

static void stopped_cleanly(void **state)
{
    (void)state;
    world_up(1, false);
    world_follow();
    ship_write(0, LINES, 60);
    run_until(saved_once);
    run_until(nothing_waits);
    assert_null(strstr(sw.ships[0].cursor, "\"clean\""));
    world_restart(false);
    /* Clean it was, but it is not to be believed after a kill. */
    assert_null(strstr(sw.ships[0].cursor, "\"clean\""));
    ship_write(0, LINES, 60);
    run_until(all_arrived);
    run_until(nothing_waits);
    logs_destroy(sw.logs);
    assert_non_null(strstr(sw.ships[0].cursor, "\"clean\":true"));
    sw.logs = logs_create(&sw.args);
    world_follow();
    world_drain();
    assert_int_equal(account(0), 0);
    assert_int_equal(sw.reads, 0);
    world_down();
}

/* Two lines of one text and one millisecond. */
static void write_same(int nth)
{
    struct ship *s = &sw.ships[0];

    fprintf(s->file,
            "{\"log\":\"same\\n\",\"stream\":\"stdout\",\"time\":"
            "\"2026-01-02T03:04:05.12345%dZ\"}\n",
            nth);
    fflush(s->file);
}

static bool one_is_confirmed(void)
{
    return sw.ships[0].cursor && stored_of(0) == 1;
}

static bool both_are_there(void)
{
    return stored_of(0) == 2 && nothing_waits();
}

static void equal_lines_at_a_kill(void **state)
{
    (void)state;
    world_up(1, false);
    sw.plan = hang_before;
    kill_at = 2;
    world_follow();
    write_same(1);
    run_until(one_is_confirmed);
    write_same(2);
    run_until(is_hung);
    world_restart(true);
    run_until(both_are_there);
    assert_int_equal(totals().repeated, 0);
    world_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_every_step),
        cmocka_unit_test(stopped_cleanly),
        cmocka_unit_test(equal_lines_at_a_kill),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
