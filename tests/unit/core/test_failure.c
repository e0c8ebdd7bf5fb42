/* failure.c: which ends are failures, the line about them, and who is told. */
#include "unit/core/drive.h"

/* The line of the last step; NULL: no failure was said. */
static const char *line_of(const struct drive *d)
{
    const struct core_action *a = acted(d, CORE_ACT_FAILED);

    return a ? a->value : NULL;
}

static void assert_line(const struct drive *d, const char *want)
{
    if (!want)
        assert_null(line_of(d));
    else if (!line_of(d))
        fail_msg("no failure is said, wanted: %s", want);
    else
        assert_string_equal(line_of(d), want);
}

static void test_ends(void **state)
{
    static const struct {
        int code;
        bool oom;
        int64_t after_ms;
        enum ctr_health health;
        const char *line, *reason; /* NULL: none */
    } rows[] = {
        { 0, false, 5000, HEALTH_UNKNOWN, NULL, NULL },
        { 3, false, 250, HEALTH_UNKNOWN, "\"a\" exited with code 3 after 250 ms",
          "\"a\" exited with code 3 after 250 ms" },
        { 139, false, 12000, HEALTH_UNKNOWN,
          "\"a\" was killed by SIGSEGV (exit code 139) after 12 s",
          "\"a\" was killed by SIGSEGV (exit code 139) after 12 s" },
        { 143, false, 3720000, HEALTH_OK,
          "\"a\" was killed by SIGTERM (exit code 143) after 1 h 2 m",
          "\"a\" was killed by SIGTERM (exit code 143) after 1 h 2 m" },
        { 1, false, 60000, HEALTH_BAD,
          "\"a\" exited with code 1 after 1 m 0 s; its health check had failed",
          "\"a\" exited with code 1 after 1 m 0 s; its health check had failed" },
        { 160, false, 1000, HEALTH_UNKNOWN, "\"a\" exited with code 160 after 1 s",
          "\"a\" exited with code 160 after 1 s" },
        /* The reference's own words stay as they are, whole. */
        { 137, true, 192000, HEALTH_UNKNOWN,
          "\"a\" was killed by SIGKILL (out of memory) after 3 m 12 s",
          "OutOfMemoryError: Container killed due to memory usage" },
        { 2, true, 180000000, HEALTH_UNKNOWN,
          "\"a\" ran out of memory and exited with code 2 after 2 d 2 h",
          "OutOfMemoryError: Container killed due to memory usage" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (int told = 0; told < 2; told++) {
            struct drive d;
            struct core_config to;
            struct core_event ev = { .type = CORE_EV_SETTINGS, .u.settings.config = &to };

            drive_begin(&d);
            to = d.cfg;
            to.stop_digest = told;
            drive_step(&d, &ev);
            send_task(&d, TASK("t1", C("a", "")));
            bring(&d, "t1/a", CTR_RUNNING);
            accept_report(&d, "t1");
            pass(&d, rows[i].after_ms);
            box_of(&d, "t1/a")->health = rows[i].health;
            box_of(&d, "t1/a")->oom = rows[i].oom;
            exits(&d, "t1/a", rows[i].code);
            assert_line(&d, rows[i].line);
            if (rows[i].reason && (told || rows[i].oom)) {
                char *want = NULL;
                struct buf b = BUF_INIT(1024);
                struct jw w;

                jw_init(&w, &b);
                jw_str(&w, rows[i].reason);
                want = mem_printf("\"reason\":%s,", buf_text(&b));
                assert_non_null(strstr(report_of(&d, "t1"), want));
                free(want);
                buf_fini(&b);
            } else {
                assert_report_has(&d, "t1", "'containerName':'a'");
                assert_null(
                    strstr(strstr(report_of(&d, "t1"), "containerName"), json("'reason':'\\")));
            }
            /* Of the task itself the agent says nothing: that is the control plane's to say. */
            assert_report_has(&d, "t1", "'reason':'','status':'STOPPED','task'");
            drive_end(&d);
        }
    }
}

static void test_asked_is_no_failure(void **state)
{
    static const struct {
        enum ctr_health health;
        const char *line;
    } rows[] = {
        { HEALTH_UNKNOWN, NULL },
        { HEALTH_OK, NULL },
        { HEALTH_BAD, "\"a\" was unhealthy when it was asked to stop; it was killed by SIGTERM "
                      "(exit code 143) after 9 s" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct drive d;

        drive_begin(&d);
        d.core->cfg.stop_digest = true;
        send_task(&d, TASK("t1", C("a", ",'healthCheckType':'docker'")));
        bring(&d, "t1/a", CTR_RUNNING);
        accept_report(&d, "t1");
        pass(&d, 9000);
        if (rows[i].health)
            turns(&d, "t1/a", rows[i].health);
        want_stopped(&d, "t1");
        done(&d, CORE_OP_STOP, "t1/a");
        done(&d, CORE_OP_INSPECT, "t1/a");
        assert_line(&d, rows[i].line);
        /* Who asked for it needs no reason. */
        assert_report_has(
            &d, "t1", "'containerName':'a','exitCode':143,'imageDigest':'sha256:d1','runtimeId'");
        drive_end(&d);
    }
}

/* What is stopped because another one failed is not what failed. */
static void test_the_others(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    d.core->cfg.stop_digest = true;
    send_task(&d, TASK("t1", C("a", "") "," SIDE("b", "")));
    bring(&d, "t1/a", CTR_RUNNING);
    bring(&d, "t1/b", CTR_RUNNING);
    accept_report(&d, "t1");
    exits(&d, "t1/a", 7);
    done(&d, CORE_OP_STOP, "t1/b");
    done(&d, CORE_OP_INSPECT, "t1/b");
    assert_int_equal(acted(&d, CORE_ACT_FAILED)->container, 0);
    assert_report_has(&d, "t1", "'reason':'\\'a\\' exited with code 7 after 0 ms'");
    assert_report_has(&d, "t1",
                      "'containerName':'b','exitCode':143,'imageDigest':'sha256:d1','runtimeId'");
    drive_end(&d);
}

static void test_what_cannot_start(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    bring(&d, "t1/a", CTR_PULLED);
    fails(&d, CORE_OP_CREATE, "t1/a", ERR_INVALID, "Error response from daemon: no such device");
    assert_line(&d, "\"a\" did not start: CannotCreateContainerError: Error response from daemon: "
                    "no such device");
    drive_end(&d);

    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", ",'memory':1000000")));
    assert_non_null(strstr(line_of(&d), "this host can never run the task"));
    assert_int_equal(acted(&d, CORE_ACT_FAILED)->container, SIZE_MAX);
    drive_end(&d);
}

/* The line is at most 255 bytes, and ends with a whole character. */
static void test_long(void **state)
{
    char text[600];
    struct drive d;

    (void)state;
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xC3\xA4", 3);
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    bring(&d, "t1/a", CTR_PULLED);
    fails(&d, CORE_OP_CREATE, "t1/a", ERR_INVALID, text);
    assert_in_range(strlen(line_of(&d)), 250, 255);
    assert_int_equal((unsigned char)line_of(&d)[strlen(line_of(&d)) - 1], 0xA4);
    drive_end(&d);
}

/* Who died before the record was made is told again, and what was no failure is not. */
static void test_after_a_crash(void **state)
{
    static const struct {
        int code;
        const char *line;
    } rows[] = {
        { 0, NULL },
        { 139, "\"a\" was killed by SIGSEGV (exit code 139) after 2 s" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t n = 0;
        struct drive d;

        drive_begin(&d);
        send_task(&d, TASK("t1", C("a", "")));
        bring(&d, "t1/a", CTR_RUNNING);
        pass(&d, 2000);
        exits(&d, "t1/a", rows[i].code);
        drive_crash(&d);
        for (size_t k = 0; k < d.log.n; k++) {
            if (d.log.items[k].type != CORE_ACT_FAILED)
                continue;
            n++;
            assert_string_equal(d.log.items[k].value, rows[i].line);
            assert_int_equal(d.log.items[k].container, 0);
        }
        assert_int_equal(n, rows[i].line ? 1 : 0);
        drive_end(&d);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),       cmocka_unit_test(test_asked_is_no_failure),
        cmocka_unit_test(test_the_others), cmocka_unit_test(test_what_cannot_start),
        cmocka_unit_test(test_long),       cmocka_unit_test(test_after_a_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
