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
#include "control/control.h"
#include "control/register_body.h"

/* Text where a struct owns its strings. */
#define S(text) ((char[]){ text })

static uint16_t tcp[] = { 22, 51678 };
static char *drivers[] = { S("json-file"), S("awslogs"), S("sumologic"), S("none"),
                           S("awsfirelens") };
static struct string_pair custom[] = { { S("rack"), S("7") } },
                          tags[] = { { S("team"), S("web") } };

static char demo[] = "demo", linux_name[] = "LINUX", nothing[] = "";

static struct config base_config(void)
{
    return (struct config){ .cluster = demo,
                            .reserved_ports = { tcp, 2 },
                            .log_drivers = { drivers, 5 },
                            .instance_attributes = { custom, 1 },
                            .detailed_os_family = linux_name };
}

static bool has(const struct attributes *a, const char *name)
{
    for (size_t i = 0; i < a->n; i++) {
        if (streq(a->items[i].name, name))
            return true;
    }
    return false;
}

static void test_attributes_in_order(void **state)
{
    static const char *const want[] = {
        "rack",
        "ecs.capability.container-ordering",
        "ecs.capability.full-sync",
        "ecs.capability.network.container-port-range",
        "ecs.capability.container-restart-policy",
        "com.amazonaws.ecs.capability.privileged-container",
        "com.amazonaws.ecs.capability.docker-remote-api.1.17",
        "com.amazonaws.ecs.capability.docker-remote-api.1.18",
        "com.amazonaws.ecs.capability.docker-remote-api.1.19",
        "com.amazonaws.ecs.capability.docker-remote-api.1.20",
        "com.amazonaws.ecs.capability.docker-remote-api.1.21",
        "com.amazonaws.ecs.capability.docker-remote-api.1.22",
        "com.amazonaws.ecs.capability.docker-remote-api.1.23",
        "com.amazonaws.ecs.capability.docker-remote-api.1.24",
        "com.amazonaws.ecs.capability.docker-remote-api.1.25",
        "com.amazonaws.ecs.capability.docker-remote-api.1.28",
        "com.amazonaws.ecs.capability.logging-driver.json-file",
        "com.amazonaws.ecs.capability.logging-driver.awslogs",
        "com.amazonaws.ecs.capability.logging-driver.none",
        "ecs.capability.task-cpu-mem-limit",
        "ecs.capability.increased-task-cpu-limit",
        "ecs.capability.container-health-check",
        "ecs.capability.execution-role-awslogs",
        "ecs.capability.docker-plugin.local",
        "ecs.capability.pid-ipc-namespace-sharing",
        "ecs.os-type",
        "ecs.os-family",
        "ecs.os-type-detailed",
    };
    struct config cfg = base_config();
    struct attributes a;

    (void)state;
    attributes_build(&a, &cfg, "1.28", true, true);
    assert_int_equal(a.n, COUNT_OF(want));
    for (size_t i = 0; i < a.n; i++)
        assert_string_equal(a.items[i].name, want[i]);
    attributes_fini(&a);
}

static void test_attributes_follow_the_configuration(void **state)
{
    struct config cfg = base_config();
    struct attributes a;

    (void)state;
    cfg.privileged_disabled = cfg.disable_health_check = cfg.selinux = cfg.apparmor = true;
    cfg.external = true;
    cfg.detailed_os_family = nothing;
    attributes_build(&a, &cfg, "1.41", false, true);
    assert_false(has(&a, "rack"));
    assert_false(has(&a, "com.amazonaws.ecs.capability.privileged-container"));
    assert_false(has(&a, "ecs.capability.container-health-check"));
    assert_false(has(&a, "ecs.os-type-detailed"));
    assert_true(has(&a, "com.amazonaws.ecs.capability.selinux"));
    assert_true(has(&a, "com.amazonaws.ecs.capability.apparmor"));
    assert_true(has(&a, "com.amazonaws.ecs.capability.docker-remote-api.1.32"));
    assert_false(has(&a, "com.amazonaws.ecs.capability.docker-remote-api.1.31"));
    assert_false(has(&a, "com.amazonaws.ecs.capability.docker-remote-api.1.33"));
    assert_true(has(&a, "com.amazonaws.ecs.capability.logging-driver.sumologic"));
    assert_true(has(&a, "ecs.capability.external"));
    assert_true(has(&a, "ecs.cpu-architecture"));
    attributes_fini(&a);
    attributes_build(&a, &cfg, NULL, false, false);
    assert_false(has(&a, "ecs.capability.task-cpu-mem-limit"));
    assert_false(has(&a, "com.amazonaws.ecs.capability.docker-remote-api.1.17"));
    attributes_fini(&a);
}

static void test_only_what_is_built_is_advertised(void **state)
{
    struct config cfg = base_config();
    enum capability_state now;
    struct attributes a;
    const char *name;

    (void)state;
    cfg.task_iam_role = cfg.task_iam_role_network_host = true;
    attributes_build(&a, &cfg, "1.41", true, true);
    for (size_t i = 0; (name = capability_row(i, &now)); i++) {
        if (now != CAPABILITY_NOW)
            assert_false(has(&a, name));
    }
    attributes_fini(&a);
}

static void test_body(void **state)
{
    struct config cfg = base_config();
    struct attribute items[] = { { S("rack"), S("7") }, { S("ecs.capability.full-sync"), NULL } };
    struct attributes a = { items, 2 };
    uint16_t local_ports[] = { 22, 8125 }; /* one is reserved anyway */
    const struct port_list local = { local_ports, 2 };
    struct register_input in = { .config = &cfg,
                                 .attributes = &a,
                                 .client_token = "uuid",
                                 .document = "{\"a\":1}",
                                 .signature = "sig",
                                 .cpu_units = 2048,
                                 .memory_mib = 24105 };
    AUTO(buf) struct buf b = BUF_INIT(4096);
    AUTO(buf) struct buf tiny = BUF_INIT(100);

    (void)state;
    assert_true(register_body(&in, &b));
    assert_string_equal(
        buf_text(&b),
        "{\"cluster\":\"demo\",\"attributes\":[{\"name\":\"rack\",\"value\":\"7\"},"
        "{\"name\":\"ecs.capability.full-sync\"}],"
        "\"instanceIdentityDocument\":\"{\\\"a\\\":1}\","
        "\"instanceIdentityDocumentSignature\":\"sig\",\"totalResources\":["
        "{\"name\":\"CPU\",\"type\":\"INTEGER\",\"integerValue\":2048},"
        "{\"name\":\"MEMORY\",\"type\":\"INTEGER\",\"integerValue\":24105},"
        "{\"name\":\"PORTS\",\"type\":\"STRINGSET\",\"stringSetValue\":[\"22\",\"51678\"]},"
        "{\"name\":\"PORTS_UDP\",\"type\":\"STRINGSET\",\"stringSetValue\":[]}],"
        "\"clientToken\":\"uuid\"}");
    buf_reset(&b);
    in.local_tcp = &local;
    assert_true(register_body(&in, &b));
    assert_non_null(strstr(buf_text(&b), "\"stringSetValue\":[\"22\",\"51678\",\"8125\"]"));
    in.local_tcp = NULL;
    buf_reset(&b);
    cfg.instance_tags = (struct string_map){ tags, 1 };
    cfg.reserved_ports.n = 0;
    in.instance_arn = "CI";
    in.document = in.signature = "";
    in.memory_mib = 0;
    a.n = 0;
    assert_true(register_body(&in, &b));
    assert_string_equal(
        buf_text(&b),
        "{\"cluster\":\"demo\",\"containerInstanceArn\":\"CI\",\"attributes\":[],"
        "\"tags\":[{\"key\":\"team\",\"value\":\"web\"}],"
        "\"instanceIdentityDocument\":\"\",\"instanceIdentityDocumentSignature\":\"\","
        "\"totalResources\":[{\"name\":\"CPU\",\"type\":\"INTEGER\",\"integerValue\":2048},"
        "{\"name\":\"MEMORY\",\"type\":\"INTEGER\"},"
        "{\"name\":\"PORTS\",\"type\":\"STRINGSET\",\"stringSetValue\":[]},"
        "{\"name\":\"PORTS_UDP\",\"type\":\"STRINGSET\",\"stringSetValue\":[]}],"
        "\"clientToken\":\"uuid\"}");
    assert_false(register_body(&in, &tiny));
}

static void test_answer(void **state)
{
    struct attribute items[] = { { S("rack"), S("7") }, { S("cap"), NULL } };
    struct attributes a = { items, 2 };
    const struct {
        const char *body;
        enum err_code want;
        const char *says;
    } bad[] = {
        { "{\"ok\":true}", ERR_RETRY, "containerInstance" },
        { "<html>", ERR_RETRY, "not JSON" },
        { "{\"containerInstance\":{\"containerInstanceArn\":\"\"}}", ERR_RETRY, "is empty" },
        { "{\"containerInstance\":{\"containerInstanceArn\":\"CI\",\"attributes\":["
          "{\"name\":\"rack\",\"value\":\"7\"}]}}",
          ERR_INVALID, "did not take attribute cap" },
        { "{\"containerInstance\":{\"containerInstanceArn\":\"CI\",\"attributes\":["
          "{\"name\":\"rack\",\"value\":\"8\"},{\"name\":\"cap\"}]}}",
          ERR_INVALID, "changed attribute rack from '7' to '8'" },
    };
    struct err e = { 0 };
    char *arn = NULL;

    (void)state;
    assert_int_equal(
        register_answer(str_of("{\"containerInstance\":{\"containerInstanceArn\":\"CI\","
                               "\"attributes\":[{\"name\":\"more\"},{\"name\":\"cap\"},"
                               "{\"name\":\"rack\",\"value\":\"7\"}]}}"),
                        &a, &arn, &e),
        ERR_OK);
    assert_string_equal(arn, "CI");
    free(arn);
    arn = NULL;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(register_answer(str_of(bad[i].body), &a, &arn, &e), bad[i].want);
        assert_non_null(strstr(e.msg, bad[i].says));
        assert_null(arn);
    }
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
    attributes_build(&a, &cfg, "1.41", false, false);
    assert_true(a.n > 20);
    for (size_t i = 0; i < a.n; i++) {
        /* Off by default without ecs-init, which turns it on, as Berth does; and what
         * needs a pause image, which that host had not. */
        bool found = streq(a.items[i].name, "ecs.capability.execution-role-awslogs") ||
                     streq(a.items[i].name, "ecs.capability.pid-ipc-namespace-sharing");

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes_in_order),
        cmocka_unit_test(test_attributes_follow_the_configuration),
        cmocka_unit_test(test_only_what_is_built_is_advertised),
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_order_of_the_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
