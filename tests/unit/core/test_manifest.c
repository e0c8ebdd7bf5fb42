/* outcome.c, report.c: the digest of an image, before it is pulled. */
#include "unit/core/drive.h"

static void boot(struct drive *d, enum pull_behavior behavior)
{
    drive_empty(d);
    d->cfg.pull_behavior = behavior;
    d->manifests_by_hand = true;
    d->registry_digest = "sha256:m1";
    d->image_here = false;
    drive_boot(d);
}

static void test_pulled_by_digest_and_told(void **state)
{
    struct drive d;

    (void)state;
    boot(&d, PULL_DEFAULT);
    send_task(&d, TASK("t1", C("a", "")));
    done(&d, CORE_OP_MANIFEST, "t1/a");
    assert_report_has(&d, "t1", "'imageDigest':'sha256:m1','status':'PENDING'");
    assert_report_has(&d, "t1", "'status':'PENDING','task'");
    answer_report(&d, "t1", CORE_REPORT_ACCEPTED);
    assert_string_equal(expect_op(&d, CORE_OP_PULL, "t1/a")->digest, "sha256:m1");
    bring(&d, "t1/a", CTR_RUNNING);
    assert_report_has(&d, "t1", "'imageDigest':'sha256:m1'");
    drive_end(&d);
}

/* What the reference names the control plane knows already. */
static void test_reference_with_a_digest(void **state)
{
    struct drive d;

    (void)state;
    boot(&d, PULL_ALWAYS);
    send_task(&d, TASK("t1", "{'name':'a','image':'img@sha256:r','essential':true}"));
    assert_null(expect_op(&d, CORE_OP_PULL, "t1/a")->digest);
    done(&d, CORE_OP_PULL, "t1/a");
    done(&d, CORE_OP_INSPECT_IMAGE, "t1/a");
    assert_null(pending_report(&d, "t1"));
    bring(&d, "t1/a", CTR_RUNNING);
    assert_report_has(&d, "t1", "'imageDigest':'sha256:r'");
    drive_end(&d);
}

static void test_no_pull_no_question(void **state)
{
    struct drive d;

    (void)state;
    boot(&d, PULL_PREFER_CACHED);
    d.image_here = true;
    send_task(&d, TASK("t1", C("a", "")));
    done(&d, CORE_OP_INSPECT_IMAGE, "t1/a");
    assert_report_has(&d, "t1", "'imageDigest':'sha256:d1','status':'PENDING'");
    expect_op(&d, CORE_OP_CREATE, "t1/a");
    drive_end(&d);
}

static void test_failures(void **state)
{
    static const struct {
        enum pull_behavior behavior;
        enum err_code code;
        int tries;
        const char *reason; /* NULL: the pull is tried all the same */
    } rows[] = {
        { PULL_DEFAULT, ERR_IO, 1, NULL },
        { PULL_PREFER_CACHED, ERR_IO, 1, NULL },
        { PULL_ALWAYS, ERR_IO, 5, "CannotPullImageManifestError: it is down" },
        { PULL_ONCE, ERR_IO, 5, "CannotPullImageManifestError: it is down" },
        { PULL_ALWAYS, ERR_DENIED, 1, "CannotPullImageManifestError: it is down" },
        { PULL_ALWAYS, ERR_TIMEOUT, 1,
          "DockerTimeoutError: Could not transition to MANIFEST_PULLED; timed out after waiting "
          "0s" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct drive d;
        char text[300];

        boot(&d, rows[i].behavior);
        send_task(&d, TASK("t1", C("a", "")));
        if (rows[i].behavior == PULL_PREFER_CACHED)
            done(&d, CORE_OP_INSPECT_IMAGE, "t1/a");
        for (int n = 1; n <= rows[i].tries; n++) {
            if (n > 1)
                pass(&d, 12000);
            fails(&d, CORE_OP_MANIFEST, "t1/a", rows[i].code, "it is down");
        }
        if (rows[i].reason) {
            snprintf(text, sizeof text, "'reason':'%s'", rows[i].reason);
            assert_report_has(&d, "t1", text);
        } else {
            assert_null(expect_op(&d, CORE_OP_PULL, "t1/a")->digest);
        }
        drive_end(&d);
    }
}

/* That the engine is away says nothing about the registry. */
static void test_engine_away(void **state)
{
    struct drive d;

    (void)state;
    boot(&d, PULL_ALWAYS);
    send_task(&d, TASK("t1", C("a", "")));
    for (int i = 0; i < 20; i++) {
        fails(&d, CORE_OP_MANIFEST, "t1/a", ERR_RETRY, "no engine");
        pass(&d, 12000);
    }
    done(&d, CORE_OP_MANIFEST, "t1/a");
    bring(&d, "t1/a", CTR_RUNNING);
    drive_end(&d);
}

static void test_pause_is_never_pulled_nor_told(void **state)
{
    struct drive d;
    const char *pause = "t1/" TASK_PAUSE_NAME;

    (void)state;
    boot(&d, PULL_ALWAYS);
    d.image_here = true;
    send_task(&d, TASK_WITH("t1", C("a", ""), ",'pidMode':'task'"));
    done(&d, CORE_OP_INSPECT_IMAGE, pause);
    done(&d, CORE_OP_CREATE, pause);
    assert_null(pending_op(&d, "t1/a")); /* it shares what the pause container has */
    bring(&d, pause, CTR_RUNNING);
    done(&d, CORE_OP_MANIFEST, "t1/a");
    answer_report(&d, "t1", CORE_REPORT_ACCEPTED);
    bring(&d, "t1/a", CTR_RUNNING);
    assert_null(strstr(report_of(&d, "t1"), "internal"));
    want_stopped(&d, "t1");
    done(&d, CORE_OP_STOP, "t1/a");
    assert_null(pending_op(&d, pause)); /* last */
    done(&d, CORE_OP_INSPECT, "t1/a");
    done(&d, CORE_OP_STOP, pause);
    drive_end(&d);
}

/* The registry named an image that could not be pulled: what runs is told. */
static void test_rescued_by_another_image(void **state)
{
    struct drive d;

    (void)state;
    boot(&d, PULL_DEFAULT);
    d.image_here = true;
    send_task(&d, TASK("t1", C("a", "")));
    done(&d, CORE_OP_MANIFEST, "t1/a");
    answer_report(&d, "t1", CORE_REPORT_ACCEPTED);
    fails(&d, CORE_OP_PULL, "t1/a", ERR_IO, "it is down");
    bring(&d, "t1/a", CTR_RUNNING);
    assert_report_has(&d, "t1", "'imageDigest':'sha256:d1'");
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pulled_by_digest_and_told),
        cmocka_unit_test(test_reference_with_a_digest),
        cmocka_unit_test(test_no_pull_no_question),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_engine_away),
        cmocka_unit_test(test_rescued_by_another_image),
        cmocka_unit_test(test_pause_is_never_pulled_nor_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
