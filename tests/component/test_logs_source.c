/* links: logs */
/* The log shipper and the engine: cursors, logs that break off, the ends of containers. */
#include "component/logs_world.h"

static void engine_stays_open(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    log_sought(p);
    log_opened(p, NULL, true);
    frame(p, 1, 0, "one\n");
    frame(p, 1, 0, "two\n");
    peer_wait(p);
    frame(p, 1, 1 * S, "three\n");
    peer_wait(p);
    container_ends(p, "since=1767323044.000000000");
}

static bool read_three(struct fixture *f)
{
    return status_of(f, NULL, "waiting_events") == 3;
}

static void cursor_waits_for_the_sink(void **state)
{
    static const struct step steps[] = { { "PutLogEvents", 200, "{}", HOLD, NULL }, STORED, { 0 } };
    struct fixture f;

    (void)state;
    set_up(&f, engine_stays_open, steps);
    f.container.log_options++; /* the usual age */
    f.container.n_log_options--;
    follow(&f);
    f.want = 1;
    run_until(&f, called); /* by age, for the stream goes on */
    peer_go(f.engine);
    run_until(&f, read_three);
    assert_int_equal(f.n_saves, 0);
    peer_go(f.sink);
    run_until(&f, saved);
    /* Not of the line that was read meanwhile. */
    assert_string_equal(f.cursor, "{\"ns\":[1767323045000000000,0],\"same\":[2,0],\"newest\":2}");
    peer_go(f.engine);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    assert_text(buf_str(&f.script.got), "0:one|0:two|1000:three|");
    tear_down(&f);
}

static void engine_resumed(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    log_sought(p);
    log_opened(p, "since=1767323044.500000000", true);
    frame(p, 1, 1 * S, "confirmed earlier\n");
    frame(p, 2, 1 * S, "of the other stream\n");
    frame(p, 1, 1500000000, "confirmed\n");
    frame(p, 1, 1500000000, "confirmed too\n");
    frame(p, 1, 1500000000, "the same time\n");
    frame(p, 1, 2 * S, "later\n");
    container_ends(p, "since=1767323045.000000000");
}

static void resumes_behind_the_cursor(void **state)
{
    static const struct step steps[] = { STORED, { 0 } };
    struct fixture f;

    (void)state;
    set_up(&f, engine_resumed, steps);
    f.cursor = mem_strdup("{\"ns\":[1767323046500000000,0],\"same\":[2,0]}");
    follow(&f);
    f.want = 1;
    run_until(&f, called);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    /* Also over a restart the first one, of 1000, is no earlier than what came before it. */
    assert_text(buf_str(&f.script.got), "1500:of the other stream|1500:the same time|2000:later|");
    assert_null(f.cursor);
    tear_down(&f);
}

static void engine_breaks_off(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    log_sought(p);
    log_opened(p, NULL, true);
    frame(p, 1, 0, "one\n");
    frame(p, 1, 3 * S, "two, part 1, ");
    peer_send(p, "40\r\n\x01"); /* a cut frame in a cut chunk */
    peer_reset(p);
    peer_accept(p);
    log_opened(p, "since=1767323046.000000000", true);
    frame(p, 1, 3 * S, "two, part 1, ");
    frame(p, 1, 3 * S, "part 2\n");
    /* Its end, while the container runs, is not the log's. */
    log_ends(p);
    inspected(p, true);
    log_opened(p, "since=1767323046.000000000", true);
    frame(p, 1, 3 * S, "two, part 1, ");
    frame(p, 1, 3 * S, "part 2\n");
    frame(p, 1, 4 * S, "three\n");
    /* The last text was left out by the stream. */
    log_ends(p);
    inspected(p, false);
    log_opened(p, "since=1767323047.000000000", false);
    frame(p, 1, 4 * S, "three\n");
    frame(p, 1, 4 * S, "the end");
    log_ends(p);
}

static void engine_connection_breaks(void **state)
{
    static const struct step none[] = { { 0 } };
    struct fixture f;

    (void)state;
    set_up(&f, engine_breaks_off, none);
    f.script.until = ":the end|";
    follow(&f);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    assert_text(buf_str(&f.script.got), "0:one|3000:two, part 1, part 2|4000:three|4000:the end|");
    tear_down(&f);
}

/* The parts of a long line have the time of its first, also when they are written
 * long after what the other stream said meanwhile. */
static void engine_breaks_off_in_a_line(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    log_sought(p);
    log_opened(p, NULL, true);
    frame(p, 1, 0, "a long line, ");
    frame(p, 2, 10 * S, "meanwhile\n");
    peer_send(p, "40\r\n\x01");
    peer_reset(p);
    peer_accept(p);
    log_opened(p, "since=1767323045.000000000", true);
    frame(p, 1, 0, "a long line, ");
    frame(p, 2, 10 * S, "meanwhile\n");
    frame(p, 1, 0, "its end\n");
    container_ends(p, "since=1767323053.000000000");
}

static void line_outlives_a_break(void **state)
{
    static const struct step none[] = { { 0 } };
    struct fixture f;

    (void)state;
    set_up(&f, engine_breaks_off_in_a_line, none);
    f.script.until = ":a long line, its end|";
    follow(&f);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    assert_text(buf_str(&f.script.got), "10000:meanwhile|0:a long line, its end|");
    tear_down(&f);
}

static void drain_gives_up(void **state)
{
    static const struct step steps[] = { { "PutLogEvents", 200, "{}", VANISH, NULL }, { 0 } };
    struct fixture f;

    (void)state;
    set_up(&f, engine_four_lines, steps);
    follow(&f);
    f.want = 1;
    run_until(&f, called);
    drain(&f, 50);
    assert_int_equal(f.n_complete, 0);
    assert_int_equal(f.n_drops, 1);
    assert_int_equal(status_of(&f, "dropped", "abandoned"), 4);
    peer_go(f.sink);
    tear_down(&f);
}

static void unfollowed_is_drained_at_once(void **state)
{
    struct fixture f;
    static char json_file[] = "json-file";

    (void)state;
    set_up(&f, NULL, NULL);
    f.container.log_driver = json_file;
    follow(&f); /* nothing to ship */
    assert_int_equal(status_of(&f, NULL, "streams"), 0);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    /* Silence after the end. */
    logs_drain(f.logs, ID, LONG_MS, on_drained, &f);
    logs_destroy(f.logs);
    f.logs = NULL;
    assert_int_equal(f.n_drained, 1);
    tear_down(&f);
}

static void engine_runs_twice(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    log_sought(p);
    log_opened(p, NULL, true);
    frame(p, 1, 0, "first run\n");
    container_ends(p, "since=1767323043.000000000");
    log_opened(p, "since=1767323043.000000000", true);
    frame(p, 1, 0, "first run\n");
    frame(p, 1, 1 * S, "second run\n");
    container_ends(p, "since=1767323044.000000000");
}

static void container_runs_again(void **state)
{
    static const struct step steps[] = { STORED, STORED, { 0 } };
    struct fixture f;

    (void)state;
    set_up(&f, engine_runs_twice, steps);
    follow(&f);
    f.want = 1;
    run_until(&f, saved);
    follow(&f);
    f.want = 2;
    run_until(&f, saved);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    assert_text(buf_str(&f.script.got), "0:first run|1000:second run|");
    tear_down(&f);
}

static void engine_loses_container(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    log_sought(p);
    log_opened(p, NULL, true);
    frame(p, 1, 0, "one\n");
    log_ends(p);
    peer_head(p);
    answer(p, 404, "{\"message\":\"No such container: x\"}");
}

static void removed_container_is_not_complete(void **state)
{
    static const struct step steps[] = { STORED, { 0 } };
    struct fixture f;

    (void)state;
    set_up(&f, engine_loses_container, steps);
    follow(&f);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 0);
    assert_text(buf_str(&f.script.got), "0:one|");
    assert_int_equal(status_of(&f, "dropped", "abandoned"), 0);
    tear_down(&f);
}

static void destroyed_while_busy(void **state)
{
    static const struct step steps[] = { { "PutLogEvents", 200, "{}", VANISH, NULL }, { 0 } };
    struct fixture f;

    (void)state;
    set_up(&f, engine_four_lines, steps);
    follow(&f);
    f.want = 1;
    run_until(&f, called);
    logs_drain(f.logs, ID, LONG_MS, on_drained, &f);
    logs_destroy(f.logs);
    f.logs = NULL;
    peer_go(f.sink);
    assert_int_equal(f.n_drained, 0);
    tear_down(&f);
}

/* As another agent makes it: nothing is read, so nothing is shipped twice. */
static void engine_ships_itself(struct peer *p, void *arg)
{
    static const char body[] =
        "{\"Id\":\"" ID "\",\"Created\":\"2026-01-02T03:04:00Z\",\"State\":{\"Status\":"
        "\"running\",\"Running\":true,\"StartedAt\":\"2026-01-02T03:04:01Z\"},"
        "\"HostConfig\":{\"LogConfig\":{\"Type\":\"awslogs\",\"Config\":{}}}}";
    char text[1024];

    (void)arg;
    peer_accept(p);
    peer_head(p);
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", sizeof body - 1,
             body);
    peer_send(p, text);
}

static void other_agents_container(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, engine_ships_itself, NULL);
    follow(&f);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    assert_int_equal(status_of(&f, NULL, "read_lines"), 0);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cursor_waits_for_the_sink),
        cmocka_unit_test(resumes_behind_the_cursor),
        cmocka_unit_test(engine_connection_breaks),
        cmocka_unit_test(line_outlives_a_break),
        cmocka_unit_test(drain_gives_up),
        cmocka_unit_test(unfollowed_is_drained_at_once),
        cmocka_unit_test(container_runs_again),
        cmocka_unit_test(removed_container_is_not_complete),
        cmocka_unit_test(destroyed_while_busy),
        cmocka_unit_test(other_agents_container),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
