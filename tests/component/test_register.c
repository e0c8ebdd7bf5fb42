/* links: control aws task config host io */
/* Registration: what it says, and what follows each outcome. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "component/control_world.h"

/* ---- outcomes ---- */

static void html_then_patience_then_good(struct peer *p, void *arg)
{
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 502, "<html>bad gateway</html>");
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 200, "<html>log in</html>");
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 400,
          "{\"__type\":\"ThrottlingException\",\"message\":\"slow\"}");
    peer_accept(p);
    peer_reset(p);
    serve_register(p, arg);
}

static void test_registration_outlives_strange_answers(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.stop_at_registered = true;
    start(&f, html_then_patience_then_good, NULL);
    run(&f);
    assert_int_equal(f.failed_code, 0);
    assert_int_equal(f.registered, 1);
    tear_down(&f);
}

static void html_for_ever(struct peer *p, void *arg)
{
    (void)arg;
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 502, "<html>\nno</html>");
}

static void invalid(struct peer *p, void *arg)
{
    (void)arg;
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 400,
          "{\"__type\":\"InvalidParameterException\",\"message\":\"what\"}");
}

static void denied(struct peer *p, void *arg)
{
    (void)arg;
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 400,
          "{\"__type\":\"AccessDeniedException\",\"message\":\"no\"}");
}

static void mismatch(struct peer *p, void *arg)
{
    (void)arg;
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 200,
          "{\"containerInstance\":{\"containerInstanceArn\":\"" CI "\",\"attributes\":[]}}");
}

static void empty_arn(struct peer *p, void *arg)
{
    (void)arg;
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 200,
          "{\"containerInstance\":{\"containerInstanceArn\":\"\",\"attributes\":[]}}");
}

static void throttled(struct peer *p, void *arg)
{
    (void)arg;
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 400,
          "{\"__type\":\"ThrottlingException\",\"message\":\"slow down\"}");
}

static void other_type(struct peer *p, void *arg)
{
    (void)arg;
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 400,
          "{\"__type\":\"SomeException\",\"message\":\"Container instance type changes are not "
          "supported. Delete it.\"}");
}

static void client_fault(struct peer *p, void *arg)
{
    (void)arg;
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 400,
          "{\"__type\":\"ClientException\",\"message\":\"wrong\"}");
}

static void no_cluster(struct peer *p, void *arg)
{
    (void)arg;
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 400,
          "{\"__type\":\"ClusterNotFoundException\",\"message\":\"Cluster not found.\"}");
}

/* The same fault by another name: the reference would not start again after it. */
static void no_cluster_as_client_fault(struct peer *p, void *arg)
{
    (void)arg;
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 400,
          "{\"__type\":\"ClientException\",\"message\":\"Cluster not found.\"}");
}

static void test_registration_fails_for_good(void **state)
{
    const struct {
        peer_script *script;
        int exit_code;
        const char *says;
    } cases[] = {
        { html_for_ever, 1, "status 502, '<html>\\nno</html>'" },
        { invalid, 5, "RegisterContainerInstance: InvalidParameterException: what" },
        { denied, 1, "AccessDeniedException: no" },
        { mismatch, 5, "did not take attribute" },
        { empty_arn, 1, "containerInstanceArn is empty" },
        { throttled, 1, "ThrottlingException: slow down" },
        { other_type, 5, "type changes are not supported" },
        { client_fault, 5, "ClientException: wrong" },
        { no_cluster, 1, "cluster 'demo' does not exist; create it or correct ECS_CLUSTER" },
        { no_cluster_as_client_fault, 1, "cluster 'demo' does not exist" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture f;

        set_up(&f);
        f.timing.registration_limit_ms = 1;
        start(&f, cases[i].script, NULL);
        run(&f);
        assert_int_equal(f.failed_code, cases[i].exit_code);
        if (!strstr(f.failed_text, cases[i].says))
            fail_msg("'%s' does not say '%s'", f.failed_text, cases[i].says);
        assert_int_equal(f.registered, 0);
        tear_down(&f);
    }
}

static void no_cluster_yet(struct peer *p, void *arg)
{
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 400,
          "{\"__type\":\"ClusterNotFoundException\",\"message\":\"Cluster not found.\"}");
    serve(p, ".CreateCluster", "{\"clusterName\":\"demo\"}", 200,
          "{\"cluster\":{\"clusterName\":\"demo\"}}");
    serve_register(p, arg);
}

static void test_default_cluster_is_created(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.config.cluster_default = true;
    f.stop_at_registered = true;
    start(&f, no_cluster_yet, NULL);
    run(&f);
    assert_int_equal(f.registered, 1);
    tear_down(&f);
}

static int64_t asked[2]; /* read after the peer's end */

/* The cluster is made, but where registrations are taken it is not known yet. */
static void slow_cluster(struct peer *p, void *arg)
{
    static const char unknown[] =
        "{\"__type\":\"ClusterNotFoundException\",\"message\":\"Cluster not found.\"}";

    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 400, unknown);
    serve(p, ".CreateCluster", "{\"clusterName\":\"demo\"}", 200,
          "{\"cluster\":{\"clusterName\":\"demo\"}}");
    asked[0] = clock_mono_ms(); /* before the client hears it, and waits */
    serve(p, ".RegisterContainerInstance", "\"clientToken\":\"", 400, unknown);
    serve_register(p, arg);
    asked[1] = clock_mono_ms();
}

static void test_new_cluster_is_waited_for(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.timing.registration = (struct backoff_rule){ 300, 100, 300, 0 };
    f.config.cluster_default = true;
    f.stop_at_registered = true;
    start(&f, slow_cluster, NULL);
    run(&f);
    assert_int_equal(f.registered, 1);
    tear_down(&f);
    assert_true(asked[1] - asked[0] >= 290);
}

static void cluster_may_not_be_made(struct peer *p, void *arg)
{
    (void)arg;
    no_cluster(p, arg);
    serve(p, ".CreateCluster", "{\"clusterName\":\"demo\"}", 400,
          "{\"__type\":\"AccessDeniedException\",\"message\":\"not you\"}");
}

static void test_default_cluster_may_not_be_created(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.config.cluster_default = true;
    start(&f, cluster_may_not_be_made, NULL);
    run(&f);
    assert_int_equal(f.failed_code, 1);
    assert_non_null(strstr(f.failed_text, "CreateCluster: AccessDeniedException: not you"));
    tear_down(&f);
}

/* ---- what it says ---- */

static char rack[] = "rack", seven[] = "7";
static struct string_pair custom[] = { { rack, seven } };

static void test_first_and_further_registrations(void **state)
{
    struct fixture f;

    (void)state;
    for (int again = 0; again < 2; again++) {
        set_up(&f);
        f.config.instance_attributes = (struct string_map){ custom, 1 };
        f.instance_arn = again ? CI : NULL;
        register_once(&f);
        has(&f, "{\"name\":\"rack\",\"value\":\"7\"}", !again);
        has(&f, "\"containerInstanceArn\":\"" CI "\"", again);
        has(&f, "\"instanceIdentityDocument\":\"\",\"instanceIdentityDocumentSignature\":\"\"",
            true);
        has(&f, "platformDevices", false);
        has(&f, "\"tags\"", false);
        tear_down(&f);
    }
}

static void test_gpus_are_platform_devices(void **state)
{
    static const char *const gpus[] = { "GPU-1" };
    struct fixture f;

    (void)state;
    set_up(&f);
    f.machine.gpus = gpus;
    f.machine.n_gpus = 1;
    f.machine.gpu_driver = "535";
    register_once(&f);
    has(&f, "\"platformDevices\":[{\"id\":\"GPU-1\",\"type\":\"GPU\"}]", true);
    has(&f, "{\"name\":\"ecs.capability.gpu-driver-version\",\"value\":\"535\"}", true);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registration_outlives_strange_answers),
        cmocka_unit_test(test_registration_fails_for_good),
        cmocka_unit_test(test_default_cluster_is_created),
        cmocka_unit_test(test_new_cluster_is_waited_for),
        cmocka_unit_test(test_default_cluster_may_not_be_created),
        cmocka_unit_test(test_first_and_further_registrations),
        cmocka_unit_test(test_gpus_are_platform_devices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
