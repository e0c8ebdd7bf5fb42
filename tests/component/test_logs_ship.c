/* links: logs */
/* Many lines on a bad day: outages, lost answers, throttling; nothing is lost, and nothing comes
 * twice where the sink can be asked. */
#include "component/ship_world.h"

#define LINES 5000

static bool waits_full(void)
{
    return totals().paused == 1 && totals().puts_failed >= 6;
}

static void outage(void **state)
{
    int64_t failed;

    (void)state;
    world_up(1, false);
    small_server_away(sw.sink, true);
    ship_write(0, 12000, 1000);
    world_follow();
    run_until(waits_full);
    /* What was read when the source was paused may still come. */
    assert_true(sw.most_waiting >= (int64_t)BUDGET_MOST / 2);
    assert_true(sw.most_waiting < (int64_t)BUDGET_MOST + (512 << 10));
    assert_null(sw.ships[0].cursor);
    failed = totals().puts_failed;
    assert_true(failed < 12);
    small_server_away(sw.sink, false);
    run_until(all_arrived);
    world_drain();
    assert_int_equal(account(0), 0);
    assert_int_equal(sw.reads, 0); /* nothing had gone out */
    assert_true(totals().puts < failed + 40);
    world_down();
}

static enum fault lose_some(int put)
{
    return put == 1 || put == 4 ? FAULT_LOST : put == 2 || put == 5 ? FAULT_RESET : FAULT_NONE;
}

static void lost_answers(void **state)
{
    (void)state;
    world_up(1, false);
    sw.plan = lose_some;
    world_follow();
    ship_write(0, 60000, 60);
    run_until(all_arrived);
    world_drain();
    assert_int_equal(account(0), 0);
    assert_true(totals().repeated > 0);
    assert_true(sw.reads >= 4);
    assert_int_equal(totals().sent_events + totals().repeated, 60000);
    world_down();
}

static void asking_is_denied(void **state)
{
    (void)state;
    world_up(1, false);
    sw.plan = lose_some;
    sw.deny_reads = true;
    world_follow();
    ship_write(0, LINES, 60);
    run_until(all_arrived);
    world_drain();
    assert_true(account(0) > 0);
    assert_int_equal(sw.reads, 1); /* once and for all */
    world_down();
}

static enum fault throttle_at_first(int put)
{
    return put <= 12 ? FAULT_THROTTLED : FAULT_NONE;
}

static void throttled(void **state)
{
    int64_t begun = clock_mono_ms();

    (void)state;
    world_up(10, false);
    sw.plan = throttle_at_first;
    for (size_t i = 0; i < 10; i++)
        ship_write(i, 10, 60);
    world_follow();
    run_until(all_arrived);
    assert_true(clock_mono_ms() - begun > 1500);
    world_drain();
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(account(i), 0);
    assert_int_equal(sw.reads, 0);
    world_down();
}

static enum fault group_goes(int put)
{
    return put == 2 ? FAULT_MISSING : FAULT_NONE;
}

static bool second_put(void)
{
    return sw.puts >= 2;
}

static void group_deleted_meanwhile(void **state)
{
    (void)state;
    world_up(1, false);
    sw.plan = group_goes;
    world_follow();
    ship_write(0, 10, 60);
    run_until(all_arrived);
    ship_write(0, 10, 60);
    run_until(second_put);
    run_until(all_arrived);
    assert_int_equal(sw.creates, 1);
    world_drain();
    assert_int_equal(account(0), 0);
    world_down();
}

/* ---- a flood beside quiet ones ---- */

static int64_t wrote_ms;

static void whisper(void)
{
    int64_t now = clock_mono_ms();

    if (now - wrote_ms < 200)
        return;
    wrote_ms = now;
    for (size_t i = 1; i < sw.n; i++)
        ship_write(i, 1, 40);
}

static bool flood_arrived(void)
{
    return stored_of(0) >= (size_t)sw.ships[0].written;
}

static void flood_beside_quiet_ones(void **state)
{
    int64_t worst = 0, flood_ms;

    (void)state;
    world_up(SHIPS, false);
    ship_write(0, 200000, 60);
    sw.put_delay_us = 2000;
    sw.each = whisper;
    flood_ms = clock_mono_ms();
    world_follow();
    run_until(flood_arrived);
    flood_ms = clock_mono_ms() - flood_ms;
    sw.each = NULL;
    run_until(all_arrived);
    assert_true(sw.most_waiting < (int64_t)(BUDGET_TOTAL + SHIPS * BUDGET_LEAST));
    world_drain();
    for (size_t i = 0; i < SHIPS; i++)
        assert_int_equal(account(i), 0);
    for (size_t i = 1; i < SHIPS; i++) {
        for (size_t k = 0; k < sw.ships[i].n_stored; k++) {
            const struct stored *e = &sw.ships[i].stored[k];
            int64_t late = e->arrived_ms - strtoll(strchr(e->text, ' '), NULL, 10);

            if (late > worst)
                worst = late;
        }
    }
    print_message("a quiet line was %" PRId64 " ms on its way at most, the flood %" PRId64 " ms\n",
                  worst, flood_ms);
    /* One that has to let the flood pass is as late as that takes. 1 s is the flush interval; the
     * machine may be so busy that the rest of the 4 takes longer, but then the flood does, too. */
    assert_true(worst < 4000 || worst < flood_ms / 2);
    world_down();
}

static void many_floods(void **state)
{
    (void)state;
    world_up(SHIPS, false);
    for (size_t i = 0; i < SHIPS; i++)
        ship_write(i, 12000, 60);
    world_follow();
    run_until(all_arrived);
    assert_true(sw.most_waiting < (int64_t)(BUDGET_TOTAL + SHIPS * BUDGET_LEAST));
    print_message("%" PRId64 " bytes waited at most, %d puts\n", sw.most_waiting, sw.puts);
    world_drain();
    for (size_t i = 0; i < SHIPS; i++)
        assert_int_equal(account(i), 0);
    world_down();
}

/* ---- blocking mode ---- */

static bool is_held(void)
{
    return sw.ships[0].held && totals().held == 1;
}

static bool is_let_go(void)
{
    return !sw.ships[0].held;
}

/* The sink is away, and the container is held. */
static void held_up(void)
{
    world_up(1, true);
    logs_destroy(sw.logs);
    sw.args.spool_bytes = 16 << 20;
    sw.logs = logs_create(&sw.args);
    small_server_away(sw.sink, true);
    ship_write(0, 17000, 1000);
    world_follow();
    run_until(is_held);
}

static void held_while_the_spool_is_full(void **state)
{
    (void)state;
    held_up();
    small_server_away(sw.sink, false);
    run_until(is_let_go);
    assert_true(stored_of(0) < 17000); /* before all is shipped */
    run_until(all_arrived);
    /* One that an earlier agent held is let go when the next one sees that it may. */
    sw.ships[0].held = true;
    world_restart(true);
    run_until(is_let_go);
    /* A drain lets go, too. */
    small_server_away(sw.sink, true);
    ship_write(0, 17000, 1000);
    run_until(is_held);
    logs_drain(sw.logs, sw.ships[0].id, DRAIN_MS, world_drained, &sw.ships[0]);
    assert_false(sw.ships[0].held);
    world_down();
}

static void held_over_a_restart(void **state)
{
    (void)state;
    held_up();
    world_restart(false);
    assert_true(sw.ships[0].held);
    small_server_away(sw.sink, false);
    run_until(all_arrived);
    world_drain();
    assert_int_equal(account(0), 0);
    world_down();
}

static bool is_drained(void)
{
    return sw.ships[0].drained;
}

/* The time of a drain is up: what was read counts as abandoned, what was not as a gap. */
static void drain_out_of_time(void **state)
{
    (void)state;
    world_up(1, false);
    small_server_away(sw.sink, true);
    ship_write(0, 12000, 1000);
    world_follow();
    run_until(waits_full);
    logs_drain(sw.logs, sw.ships[0].id, 100, world_drained, &sw.ships[0]);
    run_until(is_drained);
    assert_false(sw.ships[0].complete);
    assert_int_equal(sw.ships[0].drops, 1);
    assert_int_equal(totals().dropped[LOGS_DROP_ABANDONED], totals().read_lines);
    assert_true(totals().read_lines < 12000);
    assert_int_equal(totals().gaps, 1);
    world_down();
}

/* ---- the agent's own log ---- */

#define OWN_LINES 30000

static bool own_arrived(void)
{
    return totals().streams == 1 && totals().waiting_events == 0 && totals().sent_events > 0 &&
           totals().backlog_bytes == 0;
}

static void own_log_forgets_the_oldest(void **state)
{
    static char name[] = "awslogs-group", value[] = "/agent";
    const struct task_kv option = { name, value };
    static const char padding[] = "of the agent, which is as long as a line of a log is in the end";
    struct err e = { 0 };
    const struct ship *s = &sw.ships[0];
    int64_t dropped;
    char text[160];

    (void)state;
    world_up(1, false);
    assert_int_equal(logs_own_begin(sw.logs, NULL, 0, "ship-0", &e), ERR_INVALID);
    e = (struct err){ 0 };
    logs_own_line(sw.logs, clock_wall_ms(), str_of("nobody listens yet"));
    assert_int_equal(logs_own_begin(sw.logs, &option, 1, "ship-0", &e), ERR_OK);
    for (int i = 0; i < OWN_LINES; i++) {
        snprintf(text, sizeof text, "%d %s", i, padding);
        logs_own_line(sw.logs, clock_wall_ms(), str_of(text));
    }
    run_until(own_arrived);
    dropped = totals().dropped[LOGS_DROP_SPOOL];
    assert_true(dropped > 0 && dropped < OWN_LINES);
    small_server_lock(sw.sink);
    snprintf(text, sizeof text, "berth: %" PRId64 " lines lost: the sink is too slow", dropped);
    assert_string_equal(s->stored[0].text, text);
    assert_int_equal(s->n_stored, OWN_LINES - dropped + 1);
    snprintf(text, sizeof text, "%d %s", OWN_LINES - 1, padding);
    assert_string_equal(s->stored[s->n_stored - 1].text, text);
    small_server_unlock(sw.sink);
    assert_null(s->cursor);
    world_down();
}

/* ---- the host goes down ---- */

static bool nothing_left(void)
{
    return logs_left(sw.logs) == 0;
}

static enum fault busy_at_first(int put)
{
    return put <= 2 ? FAULT_BUSY : FAULT_NONE;
}

/* What has ended is shipped without waiting for company, and what runs counts until it ends. */
static void hurried_at_the_end(void **state)
{
    (void)state;
    world_up(2, false);
    sw.plan = busy_at_first;
    world_follow();
    assert_int_equal(logs_left(sw.logs), 2);
    for (size_t i = 0; i < 2; i++)
        ship_write(i, 100, 60);
    run_until(all_arrived);
    for (size_t i = 0; i < 2; i++) {
        ship_write(i, 100, 60);
        assert_true(logs_left(sw.logs) > 0);
        small_server_lock(sw.engine);
        sw.ships[i].running = false;
        small_server_unlock(sw.engine);
        logs_hurry(sw.logs, sw.ships[i].id);
    }
    logs_hurry(sw.logs, "a container without a log");
    run_until(nothing_left);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(account(i), 0);
        assert_int_equal(sw.ships[i].drops, 0); /* the cursor stays */
    }
    world_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outage),
        cmocka_unit_test(lost_answers),
        cmocka_unit_test(asking_is_denied),
        cmocka_unit_test(throttled),
        cmocka_unit_test(group_deleted_meanwhile),
        cmocka_unit_test(flood_beside_quiet_ones),
        cmocka_unit_test(many_floods),
        cmocka_unit_test(held_while_the_spool_is_full),
        cmocka_unit_test(held_over_a_restart),
        cmocka_unit_test(drain_out_of_time),
        cmocka_unit_test(own_log_forgets_the_oldest),
        cmocka_unit_test(hurried_at_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
