/* What is advertised, in which order, and what not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "control/capability.h"
#include "control/control.h"

/* Text where a struct owns its strings. */
#define S(text) ((char[]){ text })

#define C "com.amazonaws.ecs.capability."
#define E "ecs.capability."

static char *drivers[] = { S("json-file"), S("awslogs"), S("sumologic"), S("none"),
                           S("awsfirelens") };
static struct string_pair custom[] = { { S("rack"), S("7") } };

static char linux_name[] = "LINUX", nothing[] = "";

static struct config base_config(void)
{
    return (struct config){ .log_drivers = { drivers, 5 },
                            .instance_attributes = { custom, 1 },
                            .detailed_os_family = linux_name };
}

static struct attributes build(const struct config *cfg, const struct control_machine *machine,
                               const char *docker_api, bool first, bool task_limits)
{
    static const struct control_machine plain = { 0 };
    const struct attribute_facts facts = { .config = cfg,
                                           .machine = machine ? machine : &plain,
                                           .docker_api = docker_api,
                                           .first = first,
                                           .task_limits = task_limits };
    struct attributes a;

    attributes_build(&a, &facts);
    return a;
}

static const struct attribute *find(const struct attributes *a, const char *name)
{
    const struct attribute *found = NULL;

    for (size_t i = 0; i < a->n; i++) {
        if (streq(a->items[i].name, name)) {
            assert_null(found); /* never twice */
            found = &a->items[i];
        }
    }
    return found;
}

/* ---- the whole table of the specification ---- */

static void test_every_attribute_has_its_state(void **state)
{
    enum { NOW = CAPABILITY_NOW, LATER = CAPABILITY_LATER, NEVER = CAPABILITY_NEVER };
    /* Held by hand, in the order of registration. */
    static const struct {
        const char *name;
        int state;
    } want[] = {
        { E "private-registry-authentication.secretsmanager", NOW },
        { E "secrets.ssm.environment-variables", NOW },
        { E "secrets.ssm.bootstrap.log-driver", NOW },
        { E "ecr-endpoint", NOW },
        { E "secrets.asm.environment-variables", NOW },
        { E "secrets.asm.bootstrap.log-driver", NOW },
        { E "container-ordering", NOW },
        { E "full-sync", NOW },
        { E "env-files.s3", NOW },
        { E "network.container-port-range", NOW },
        { E "container-restart-policy", NOW },
        { C "privileged-container", NOW },
        { C "docker-remote-api.*", NOW },
        { C "logging-driver.*", NOW },
        { C "selinux", NOW },
        { C "apparmor", NOW },
        { C "task-iam-role", NOW },
        { C "task-iam-role-network-host", NOW },
        { E "task-cpu-mem-limit", NOW },
        { E "increased-task-cpu-limit", NOW },
        { E "task-eni", LATER }, /* networks of tasks' own, here to task-eni-trunking */
        { E "task-eni.ipv6", LATER },
        { E "cni-plugin-version", LATER },
        { E "task-eni-block-instance-metadata", LATER },
        { E "task-eni-trunking", LATER },
        { E "branch-cni-plugin-version", LATER },
        { C "ecr-auth", NOW },
        { E "execution-role-ecr-pull", NOW },
        { E "container-health-check", NOW },
        { E "execution-role-awslogs", NOW },
        { E "docker-plugin.local", NOW },
        { E "docker-plugin.*", NOW },
        { E "nvidia-driver-version.*", NOW },
        { E "gpu-driver-version", NOW },
        { E "pid-ipc-namespace-sharing", NOW },
        { E "aws-appmesh", LATER },
        { E "task-eia", NEVER }, /* the service is gone */
        { E "task-eia.optimized-cpu", NEVER },
        { E "firelens.fluentd", LATER },
        { E "firelens.fluentbit", LATER },
        { C "logging-driver.awsfirelens", LATER },
        { E "logging-driver.awsfirelens.log-driver-buffer-limit", LATER },
        { E "firelens.non-root-user", LATER },
        { E "efs", LATER },
        { E "storage.s3-files", LATER },
        { E "firelens.options.config.file", LATER },
        { E "firelens.options.config.s3", LATER },
        { E "gmsa", LATER },
        { E "gmsa-domainless", LATER },
        { E "efsAuth", LATER },
        { E "execute-command", LATER },
        { E "service-connect-v1", LATER },
        { E "storage.ebs-task-volume-attach", LATER },
        { E "storage.ebsta-non-root-user", LATER },
        { E "external", NOW },
        { E "fault-injection", LATER },
        { E "ipv6-only", LATER },
        { E "imds-iam-roles", LATER },
    };
    enum capability_state got;
    const char *name;
    size_t n = 0;

    (void)state;
    for (; (name = capability_row(n, &got)); n++) {
        if (n == COUNT_OF(want))
            fail_msg("%s is not in the specification", name);
        assert_string_equal(name, want[n].name);
        if ((int)got != want[n].state)
            fail_msg("%s has state %d", name, (int)got);
    }
    assert_int_equal(n, COUNT_OF(want));
}

static void test_only_what_is_built_is_advertised(void **state)
{
    static const char *const gpus[] = { "GPU-1" };
    const struct control_machine machine = { .gpus = gpus, .n_gpus = 1, .gpu_driver = "535" };
    struct config cfg = base_config();

    (void)state;
    for (int external = 0; external < 2; external++) {
        enum capability_state now;
        struct attributes a;
        const char *name;

        cfg.external = external;
        cfg.task_iam_role = cfg.task_iam_role_network_host = cfg.awslogs_execution_role = true;
        cfg.selinux = cfg.apparmor = cfg.gpu_support = true;
        a = build(&cfg, &machine, "1.41", true, true);
        for (size_t i = 0; (name = capability_row(i, &now)); i++) {
            if (now != CAPABILITY_NOW && find(&a, name))
                fail_msg("%s is advertised", name);
            if (now == CAPABILITY_NOW && !str_ends(name, "*") && !find(&a, name) &&
                !(streq(name, E "external") && !external))
                fail_msg("%s is not advertised", name);
        }
        attributes_fini(&a);
    }
}

/* ---- order ---- */

static void test_attributes_in_order(void **state)
{
    static const char *const want[] = {
        "rack",
        E "private-registry-authentication.secretsmanager",
        E "secrets.ssm.environment-variables",
        E "secrets.ssm.bootstrap.log-driver",
        E "ecr-endpoint",
        E "secrets.asm.environment-variables",
        E "secrets.asm.bootstrap.log-driver",
        E "container-ordering",
        E "full-sync",
        E "env-files.s3",
        E "network.container-port-range",
        E "container-restart-policy",
        C "privileged-container",
        C "docker-remote-api.1.17",
        C "docker-remote-api.1.18",
        C "docker-remote-api.1.19",
        C "docker-remote-api.1.20",
        C "docker-remote-api.1.21",
        C "docker-remote-api.1.22",
        C "docker-remote-api.1.23",
        C "docker-remote-api.1.24",
        C "docker-remote-api.1.25",
        C "docker-remote-api.1.28",
        C "logging-driver.json-file",
        C "logging-driver.awslogs",
        C "logging-driver.none",
        E "task-cpu-mem-limit",
        E "increased-task-cpu-limit",
        C "ecr-auth",
        E "execution-role-ecr-pull",
        E "container-health-check",
        E "execution-role-awslogs",
        E "docker-plugin.local",
        E "docker-plugin.rexray",
        E "docker-plugin.vieux/sshfs",
        E "docker-plugin.vieux/sshfs.latest",
        E "nvidia-driver-version.535.129.03",
        E "gpu-driver-version",
        E "pid-ipc-namespace-sharing",
        "ecs.os-type",
        "ecs.os-family",
        "ecs.os-type-detailed",
        "ecs.outpost-arn",
    };
    static const char *const plugins[] = { "rexray", "vieux/sshfs:latest" };
    const struct control_machine machine = { .docker_plugins = plugins,
                                             .n_docker_plugins = 2,
                                             .gpu_driver = "535.129.03" };
    struct config cfg = base_config();
    const struct attribute_facts facts = { .config = &cfg,
                                           .machine = &machine,
                                           .docker_api = "1.28",
                                           .outpost_arn = "arn:aws:outposts:r:1:outpost/op-1",
                                           .first = true,
                                           .task_limits = true };
    struct attributes a;

    (void)state;
    cfg.awslogs_execution_role = true;
    attributes_build(&a, &facts);
    for (size_t i = 0; i < a.n && i < COUNT_OF(want); i++)
        assert_string_equal(a.items[i].name, want[i]);
    assert_int_equal(a.n, COUNT_OF(want));
    assert_string_equal(find(&a, "rack")->value, "7");
    assert_string_equal(find(&a, E "gpu-driver-version")->value, "535.129.03");
    assert_string_equal(find(&a, "ecs.os-type")->value, "linux");
    assert_string_equal(find(&a, "ecs.os-family")->value, "LINUX");
    assert_string_equal(find(&a, "ecs.outpost-arn")->value, "arn:aws:outposts:r:1:outpost/op-1");
    assert_null(find(&a, E "nvidia-driver-version.535.129.03")->value);
    attributes_fini(&a);
}

/* Whatever is advertised stands in the recorded registration of the reference too,
 * in the same order. */
static void test_order_of_the_reference(void **state)
{
    const char *data = getenv("BERTH_TEST_DATA");
    static char text[65536];
    AUTO(str) char *path = NULL;
    AUTO(json) struct json_t *v = NULL;
    struct config cfg = base_config();
    struct err e = { 0 };
    struct jcur root, recorded;
    struct attributes a;
    size_t n, at = 0;
    FILE *f;

    (void)state;
    if (!data) {
        print_message("skipped: BERTH_TEST_DATA is not set\n");
        skip();
    }
    path = mem_printf("%s/recorded/register-container-instance.json", data);
    f = fopen(path, "rb");
    assert_non_null(f);
    n = fread(text, 1, sizeof text, f);
    fclose(f);
    assert_int_equal(json_parse(text, n, &v, &e), ERR_OK);
    root = jcur_root(v, &e);
    recorded = jcur_arr(&root, "attributes");
    cfg.log_drivers.n = 2; /* json-file and awslogs */
    a = build(&cfg, NULL, "1.41", false, false);
    assert_true(a.n > 30);
    for (size_t i = 0; i < a.n; i++) {
        /* What needs a pause image, which that host had not. */
        bool found = streq(a.items[i].name, E "pid-ipc-namespace-sharing");

        for (; at < jcur_len(&recorded) && !found; at++) {
            struct jcur item = jcur_at(&recorded, at);

            found =
                streq(jcur_str(&item, "name"), a.items[i].name) &&
                streq(jcur_str_or(&item, "value", ""), a.items[i].value ? a.items[i].value : "");
        }
        if (!found)
            fail_msg("%s is not recorded, or earlier", a.items[i].name);
    }
    attributes_fini(&a);
}

/* ---- conditions ---- */

static void test_attributes_follow_the_configuration(void **state)
{
    struct config cfg = base_config();
    struct attributes a;

    (void)state;
    a = build(&cfg, NULL, "1.41", true, true);
    assert_null(find(&a, E "execution-role-awslogs"));
    assert_null(find(&a, E "gpu-driver-version"));
    assert_null(find(&a, E "external"));
    assert_null(find(&a, "ecs.cpu-architecture"));
    assert_null(find(&a, "ecs.outpost-arn"));
    attributes_fini(&a);
    cfg.privileged_disabled = cfg.disable_health_check = cfg.selinux = cfg.apparmor = true;
    cfg.external = true;
    cfg.detailed_os_family = nothing;
    a = build(&cfg, NULL, "1.41", false, true);
    assert_null(find(&a, "rack"));
    assert_null(find(&a, C "privileged-container"));
    assert_null(find(&a, E "container-health-check"));
    assert_null(find(&a, "ecs.os-type-detailed"));
    assert_non_null(find(&a, C "selinux"));
    assert_non_null(find(&a, C "apparmor"));
    assert_non_null(find(&a, C "docker-remote-api.1.32"));
    assert_null(find(&a, C "docker-remote-api.1.31"));
    assert_null(find(&a, C "docker-remote-api.1.33"));
    assert_non_null(find(&a, C "logging-driver.sumologic"));
    assert_non_null(find(&a, E "external"));
    assert_non_null(find(&a, "ecs.cpu-architecture"));
    attributes_fini(&a);
    a = build(&cfg, NULL, NULL, false, false);
    assert_null(find(&a, E "task-cpu-mem-limit"));
    assert_null(find(&a, C "docker-remote-api.1.17"));
    assert_null(find(&a, C "ecr-auth"));
    assert_null(find(&a, E "execution-role-ecr-pull"));
    attributes_fini(&a);
}

static void test_names_of_volume_plugins(void **state)
{
    char long_name[200];
    const char *const plugins[] = { "local", "a:1.2",  "a:latest", "a",      "b:c:latest",
                                    "",      "sp ace", "naïve",    long_name };
    static const char *const want[] = { E "docker-plugin.local", E "docker-plugin.a.1.2",
                                        E "docker-plugin.a",     E "docker-plugin.a.latest",
                                        E "docker-plugin.b.c",   E "docker-plugin.b.c.latest" };
    const struct control_machine machine = { .docker_plugins = plugins,
                                             .n_docker_plugins = COUNT_OF(plugins) };
    struct config cfg = base_config();
    struct attributes a;
    size_t n = 0;

    (void)state;
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    a = build(&cfg, &machine, "1.41", true, true);
    for (size_t i = 0; i < a.n; i++) {
        if (!str_starts(a.items[i].name, E "docker-plugin."))
            continue;
        assert_true(n < COUNT_OF(want));
        assert_string_equal(a.items[i].name, want[n++]);
    }
    assert_int_equal(n, COUNT_OF(want));
    attributes_fini(&a);
}

/* ---- what the command line asks for ---- */

static void collect(void *user, const char *name, const char *value)
{
    buf_printf(user, "%s=%s\n", name, value ? value : "-");
}

static void test_each_attribute(void **state)
{
    AUTO(buf) struct buf got = BUF_INIT(65536);
    AUTO(buf) struct buf want = BUF_INIT(65536);
    struct config cfg = base_config();
    struct control_args args = {
        .config = &cfg, .machine = { .gpu_driver = "5" }, .docker_api = "1.41", .task_limits = true
    };
    struct attributes a;

    (void)state;
    control_each_attribute(&args, collect, &got);
    a = build(&cfg, &args.machine, "1.41", true, true);
    for (size_t i = 0; i < a.n; i++)
        collect(&want, a.items[i].name, a.items[i].value);
    attributes_fini(&a);
    assert_string_equal(buf_text(&got), buf_text(&want));
    assert_non_null(strstr(buf_text(&got), "rack=7\n"));
    buf_reset(&got);
    args.instance_arn = "CI"; /* registered already: no custom ones */
    control_each_attribute(&args, collect, &got);
    assert_null(strstr(buf_text(&got), "rack=7\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_attribute_has_its_state),
        cmocka_unit_test(test_only_what_is_built_is_advertised),
        cmocka_unit_test(test_attributes_in_order),
        cmocka_unit_test(test_order_of_the_reference),
        cmocka_unit_test(test_attributes_follow_the_configuration),
        cmocka_unit_test(test_names_of_volume_plugins),
        cmocka_unit_test(test_each_attribute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
