#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "control/register_body.h"

/* Text where a struct owns its strings. */
#define S(text) ((char[]){ text })

static uint16_t tcp[] = { 22, 51678 };
static struct string_pair tags[] = { { S("team"), S("web") } },
                          ec2_tags[] = { { S("team"), S("ops") }, { S("Name"), S("i-1") } };

static char demo[] = "demo";

static struct config base_config(void)
{
    return (struct config){ .cluster = demo, .reserved_ports = { tcp, 2 } };
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

static void test_tags_and_devices(void **state)
{
    static const char *const gpus[] = { "GPU-1", "GPU-2" };
    const struct string_map more = { ec2_tags, 2 };
    struct config cfg = base_config();
    struct attributes none = { 0 };
    struct register_input in = { .config = &cfg,
                                 .attributes = &none,
                                 .ec2_tags = &more,
                                 .gpus = gpus,
                                 .n_gpus = 2,
                                 .client_token = "uuid",
                                 .document = "",
                                 .signature = "" };
    AUTO(buf) struct buf b = BUF_INIT(4096);

    (void)state;
    assert_true(register_body(&in, &b));
    assert_non_null(strstr(buf_text(&b), "\"tags\":[{\"key\":\"team\",\"value\":\"ops\"},"
                                         "{\"key\":\"Name\",\"value\":\"i-1\"}],"
                                         "\"platformDevices\":[{\"id\":\"GPU-1\",\"type\":\"GPU\"},"
                                         "{\"id\":\"GPU-2\",\"type\":\"GPU\"}],"
                                         "\"instanceIdentityDocument\""));
    /* The configured ones win. */
    buf_reset(&b);
    cfg.instance_tags = (struct string_map){ tags, 1 };
    assert_true(register_body(&in, &b));
    assert_non_null(strstr(buf_text(&b), "\"tags\":[{\"key\":\"team\",\"value\":\"web\"},"
                                         "{\"key\":\"Name\",\"value\":\"i-1\"}],"));
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
    char *arn = NULL, *zone = NULL;

    (void)state;
    assert_int_equal(
        register_answer(str_of("{\"containerInstance\":{\"containerInstanceArn\":\"CI\","
                               "\"attributes\":[{\"name\":\"more\"},{\"name\":\"cap\"},"
                               "{\"name\":\"rack\",\"value\":\"7\"},{\"name\":"
                               "\"ecs.availability-zone\",\"value\":\"us-west-2b\"}]}}"),
                        &a, &arn, &zone, &e),
        ERR_OK);
    assert_string_equal(arn, "CI");
    assert_string_equal(zone, "us-west-2b");
    free(arn);
    free(zone);
    arn = zone = NULL;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(register_answer(str_of(bad[i].body), &a, &arn, &zone, &e), bad[i].want);
        assert_non_null(strstr(e.msg, bad[i].says));
        assert_null(arn);
        assert_null(zone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_tags_and_devices),
        cmocka_unit_test(test_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
