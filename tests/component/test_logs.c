/* links: logs */
/* What the log shipper makes of the answers of the sink. */
#include "component/logs_world.h"

static void creates_group_and_stream(void **state)
{
    static const struct step steps[] = {
        { "PutLogEvents", 400, NOT_FOUND, 0, "Credential=AKTEST/" },
        { "CreateLogStream", 400, NOT_FOUND, 0, NULL },
        { "CreateLogGroup", 200, "", 0, NULL },
        { "CreateLogStream", 400,
          "{\"__type\":\"ResourceAlreadyExistsException\",\"message\":\"\"}", 0, NULL },
        STORED,
        { 0 },
    };
    struct fixture f;

    (void)state;
    set_up(&f, engine_four_lines, steps);
    add_option(&f, create_option, yes);
    add_option(&f, prefix_option, prefix);
    follow(&f);
    follow(&f); /* changes nothing */
    f.want = 1;
    run_until(&f, saved);
    assert_text(buf_str(&f.script.got), "0:one|1:two|2:three|4:four|");
    assert_true(str_starts(buf_text(&f.script.body),
                           "{\"logGroupName\":\"/app\",\"logStreamName\":\"p/web/8f2c\","));
    assert_string_equal(
        f.cursor, "{\"ns\":[1767323045004000000,1767323045001000000],\"same\":[1,1],\"newest\":1}");
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    assert_int_equal(f.n_drops, 1);
    assert_int_equal(status_of(&f, NULL, "sent_events"), 4);
    assert_int_equal(status_of(&f, NULL, "streams"), 0);
    tear_down(&f);
}

static void throttled_and_unavailable(void **state)
{
    static const struct step steps[] = {
        { "PutLogEvents", 400, THROTTLED, 0, NULL },
        { "PutLogEvents", 503, "busy", 0, NULL },
        { "PutLogEvents", 400, "{\"__type\":\"InvalidSignatureException\"}", 0, NULL },
        STORED,
        { 0 },
    };
    struct fixture f;

    (void)state;
    set_up(&f, engine_four_lines, steps);
    follow(&f);
    f.want = 1;
    run_until(&f, failed_once);
    assert_int_equal(f.n_saves, 0);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    assert_text(buf_str(&f.script.got), "0:one|1:two|2:three|4:four|");
    tear_down(&f);
}

static void rejected_events_are_counted(void **state)
{
    static const struct step steps[] = {
        { "PutLogEvents", 200,
          "{\"rejectedLogEventsInfo\":{\"tooNewLogEventStartIndex\":3,"
          "\"tooOldLogEventEndIndex\":1,\"expiredLogEventEndIndex\":2}}",
          0, NULL },
        { 0 },
    };
    struct fixture f;

    (void)state;
    set_up(&f, engine_four_lines, steps);
    follow(&f);
    f.want = 1;
    run_until(&f, called);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    assert_int_equal(status_of(&f, "dropped", "too_new"), 1);
    assert_int_equal(status_of(&f, "dropped", "too_old"), 1);
    assert_int_equal(status_of(&f, "dropped", "expired"), 1);
    assert_int_equal(status_of(&f, NULL, "sent_events"), 1);
    tear_down(&f);
}

static void poison_is_isolated(void **state)
{
    static const struct step steps[] = {
        { "PutLogEvents", 400, INVALID, 0, NULL },                  /* one two three four */
        STORED,                                                     /* one two */
        { "PutLogEvents", 413, "<html>Too Large</html>", 0, NULL }, /* three four */
        { "PutLogEvents", 400, INVALID, 0, NULL },                  /* three */
        STORED,                                                     /* four */
        { 0 },
    };
    struct fixture f;

    (void)state;
    set_up(&f, engine_four_lines, steps);
    follow(&f);
    f.want = 1;
    run_until(&f, called);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    assert_text(buf_str(&f.script.got), "0:one|1:two|4:four|");
    assert_int_equal(status_of(&f, "dropped", "refused"), 1);
    assert_int_equal(status_of(&f, NULL, "sent_events"), 3);
    tear_down(&f);
}

static void missing_group_blocks(void **state)
{
    static const struct step steps[] = {
        { "PutLogEvents", 400, NOT_FOUND, 0, NULL },
        { "CreateLogStream", 400, NOT_FOUND, 0, NULL },
        { "PutLogEvents", 400, DENIED, 0, NULL },
        { 0 },
    };
    struct fixture f;

    (void)state;
    set_up(&f, engine_four_lines, steps);
    follow(&f);
    run_until(&f, failed_once);
    /* The drain tries once more, and then it is blocked for longer than that. */
    drain(&f, 2000);
    assert_int_equal(f.n_complete, 0);
    assert_int_equal(atomic_load(&f.script.n_calls), 3);
    tear_down(&f);
}

static void waits_for_the_keys_of_the_role(void **state)
{
    static const struct step steps[] = {
        { "PutLogEvents", 200, "{}", 0, "Credential=AKROLE/" },
        { 0 },
    };
    const struct role_credentials keys = { .id = role,
                                           .role_arn = "arn",
                                           .access_key = "AKROLE",
                                           .secret_key = "s",
                                           .session_token = "t",
                                           .expiration = "",
                                           .task_arn = "arn" };
    struct fixture f;

    (void)state;
    set_up(&f, engine_four_lines, steps);
    f.container.log_execution_role = true;
    f.task.execution_credentials_id = role;
    follow(&f);
    run_until(&f, failed_once);
    assert_int_equal(atomic_load(&f.script.n_calls), 0);
    roles_put(f.roles, &keys);
    drain(&f, LONG_MS);
    assert_int_equal(f.n_complete, 1);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creates_group_and_stream),
        cmocka_unit_test(throttled_and_unavailable),
        cmocka_unit_test(rejected_events_are_counted),
        cmocka_unit_test(poison_is_isolated),
        cmocka_unit_test(missing_group_blocks),
        cmocka_unit_test(waits_for_the_keys_of_the_role),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
