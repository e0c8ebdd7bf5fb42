#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "shape.h"
#include "taskdef.h"

/* Single quotes stand for double ones. */
static struct json_t *parse(const char *text)
{
    struct buf b = BUF_INIT(65536);
    struct json_t *doc = NULL;
    struct err e = { 0 };

    buf_puts(&b, text);
    for (size_t i = 0; i < b.len; i++)
        if (b.data[i] == '\'')
            b.data[i] = '"';
    assert_int_equal(json_parse(buf_text(&b), b.len, &doc, &e), ERR_OK);
    buf_fini(&b);
    return doc;
}

/* Shape and meaning; "" when both are right. */
static void check(const char *text, char *out, size_t size)
{
    AUTO(json) struct json_t *doc = parse(text);
    struct err types = { 0 }, meaning = { 0 };
    struct jcur root = jcur_root(doc, &types);

    if (!shape_check(&root, shape_register_task_definition, NULL))
        snprintf(out, size, "type: %s", types.msg);
    else if (taskdef_check(&root, &meaning))
        snprintf(out, size, "%s", meaning.msg);
    else
        snprintf(out, size, "%s", "");
}

#define DEF(containers) "{'family':'f','containerDefinitions':[" containers "]}"
#define A               "{'name':'a','image':'i','memory':8}"

static void test_what_is_refused(void **state)
{
    static const struct {
        const char *text, *part; /* of the message; "" means accepted */
    } cases[] = {
        { DEF(A), "" },
        { DEF(""), "Container definitions should not be null" },
        { "{'family':'f'}", "type: containerDefinitions" },
        { "{'family':'','containerDefinitions':[" A "]}", "Family" },
        { DEF("{'name':'','image':'i','memory':8}"), "Container.name" },
        { DEF("{'name':'a b','image':'i','memory':8}"), "Invalid container name" },
        { DEF("{'name':'a','memory':8}"), "Container.image" },
        { DEF(A "," A), "unique" },
        { DEF("{'name':'a','image':'i'}"), "At least one of 'memory' or 'memoryReservation'" },
        { DEF("{'name':'a','image':'i','memoryReservation':8}"), "" },
        { "{'family':'f','memory':'1 GB','containerDefinitions':[{'name':'a','image':'i'}]}", "" },
        { "{'family':'f','cpu':'much','containerDefinitions':[" A "]}", "Invalid 'cpu'" },
        { DEF("{'name':'a','image':'i','memory':3}"), "at least 4" },
        { DEF("{'name':'a','image':'i','memory':8,'memoryReservation':9}"), "must not be less" },
        { DEF("{'name':'a','image':'i','memory':'8'}"), "type: containerDefinitions[0].memory" },
        { DEF("{'name':'a','image':'i','memory':8.5}"), "type: containerDefinitions[0].memory" },
        { DEF("{'name':'a','image':'i','memory':8,'command':'sh'}"), "type: " },
        { DEF("{'name':'a','image':'i','memory':8,'essential':false}"), "essential" },
        { "{'family':'f','networkMode':'magic','containerDefinitions':[" A "]}", "networkMode" },
        { DEF("{'name':'a','image':'i','memory':8,'portMappings':[{'containerPort':0}]}"),
          "containerPort" },
        { DEF("{'name':'a','image':'i','memory':8,'portMappings':[{'containerPort':1,"
              "'protocol':'icmp'}]}"),
          "protocol" },
        { DEF("{'name':'a','image':'i','memory':8,'portMappings':[{'containerPortRange':'9-5'}]}"),
          "containerPortRange" },
        { DEF("{'name':'a','image':'i','memory':8,'portMappings':[{'containerPort':1,'hostPort':"
              "80},{'containerPort':2,'hostPort':80}]}"),
          "Host port 80" },
        { DEF("{'name':'a','image':'i','memory':8,'portMappings':[{'containerPort':1,'hostPort':"
              "80},{'containerPort':2,'hostPort':80,'protocol':'udp'}]}"),
          "" },
        { "{'family':'f','networkMode':'host','containerDefinitions':[{'name':'a','image':'i',"
          "'memory':8,'portMappings':[{'containerPort':1,'hostPort':2}]}]}",
          "must match" },
        { DEF("{'name':'a','image':'i','memory':8,'dependsOn':[{'containerName':'z','condition':"
              "'START'}]}"),
          "does not exist" },
        { DEF("{'name':'a','image':'i','memory':8,'dependsOn':[{'containerName':'a','condition':"
              "'START'}]}"),
          "cycle" },
        { DEF("{'name':'a','image':'i','memory':8,'dependsOn':[{'containerName':'b','condition':"
              "'START'}]},{'name':'b','image':'i','memory':8,'dependsOn':[{'containerName':'a',"
              "'condition':'START'}]}"),
          "cycle" },
        { DEF("{'name':'a','image':'i','memory':8,'dependsOn':[{'containerName':'b','condition':"
              "'HEALTHY'}]},{'name':'b','image':'i','memory':8}"),
          "no health check" },
        { DEF("{'name':'a','image':'i','memory':8,'dependsOn':[{'containerName':'b','condition':"
              "'SUCCESS'}]},{'name':'b','image':'i','memory':8}"),
          "must not be an essential" },
        { DEF("{'name':'a','image':'i','memory':8,'mountPoints':[{'sourceVolume':'v',"
              "'containerPath':'/v'}]}"),
          "Unknown volume 'v'" },
        { DEF("{'name':'a','image':'i','memory':8,'links':['b:x']}"), "links" },
        { DEF("{'name':'a','image':'i','memory':8,'logConfiguration':{'logDriver':'awslogs'}}"),
          "awslogs-group" },
        { DEF("{'name':'a','image':'i','memory':8,'logConfiguration':{'logDriver':'mystery'}}"),
          "log driver" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char message[1200];

        check(cases[i].text, message, sizeof message);
        if (*cases[i].part ? !strstr(message, cases[i].part) : *message)
            fail_msg("case %zu: got '%s', expected '%s'", i, message, cases[i].part);
    }
}

static void test_sizes(void **state)
{
    int64_t v = 0;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(taskdef_cpu("256", &v, &e), ERR_OK);
    assert_int_equal(v, 256);
    assert_int_equal(taskdef_cpu(".5 vCPU", &v, &e), ERR_OK);
    assert_int_equal(v, 512);
    assert_int_equal(taskdef_memory("2GB", &v, &e), ERR_OK);
    assert_int_equal(v, 2048);
    assert_int_equal(taskdef_memory("2TB", &v, &e), ERR_INVALID);
    assert_int_equal(taskdef_memory("-1", &v, &e), ERR_INVALID);
    assert_int_equal(v, 2048);
}

static void test_need(void **state)
{
    AUTO(json)
    struct json_t *doc =
        parse("{'family':'f','networkMode':'host','executionRoleArn':'r','containerDefinitions':["
              "{'name':'a','image':'1.dkr.ecr.x/i','cpu':100,'memory':64,'memoryReservation':32,"
              "'portMappings':[{'containerPort':80}],'logConfiguration':{'logDriver':'awslogs',"
              "'options':{'awslogs-group':'g'}}},"
              "{'name':'b','image':'i','cpu':10,'memory':16,'portMappings':[{'containerPort':53,"
              "'hostPort':53,'protocol':'udp'}]}]}");
    AUTO(json)
    struct json_t *over = parse("{'containerOverrides':[{'name':'b','memory':20,'cpu':5}]}");
    static const char *const wanted[] = {
        "com.amazonaws.ecs.capability.docker-remote-api.1.18",
        "com.amazonaws.ecs.capability.logging-driver.awslogs",
        "ecs.capability.execution-role-awslogs",
        "com.amazonaws.ecs.capability.ecr-auth",
        "ecs.capability.execution-role-ecr-pull",
    };
    struct err e = { 0 }, e2 = { 0 };
    struct jcur def = jcur_root(doc, &e), overrides = jcur_root(over, &e2);
    struct taskdef_need need;

    (void)state;
    taskdef_need(&def, &overrides, &need);
    assert_int_equal(need.cpu, 105);
    assert_int_equal(need.memory, 52);
    assert_int_equal(need.tcp_count, 1);
    assert_int_equal(need.tcp[0], 80);
    assert_int_equal(need.udp_count, 1);
    assert_int_equal(need.udp[0], 53);
    assert_int_equal(need.attribute_count, COUNT_OF(wanted));
    for (size_t i = 0; i < COUNT_OF(wanted); i++)
        assert_string_equal(need.attributes[i], wanted[i]);
    taskdef_need_fini(&need);
}

static void test_normal_form(void **state)
{
    AUTO(json)
    struct json_t *doc = parse(
        "{'family':'f','tags':[{'key':'k','value':'v'}],'networkMode':'host',"
        "'containerDefinitions':[{'name':'a','image':'i','memory':8,"
        "'portMappings':[{'containerPort':80}],'healthCheck':{'command':['CMD','x'],"
        "'retries':7}}],'volumes':[{'name':'v'},{'name':'d','dockerVolumeConfiguration':{}}]}");
    struct buf out = BUF_INIT(65536);
    struct err e = { 0 };
    struct jcur root = jcur_root(doc, &e);
    struct jw w;

    (void)state;
    jw_init(&w, &out);
    jw_object(&w);
    taskdef_normalize(&root, &w);
    jw_end(&w);
    assert_string_equal(
        buf_text(&out),
        "{\"family\":\"f\",\"networkMode\":\"host\",\"containerDefinitions\":[{\"name\":\"a\","
        "\"image\":\"i\",\"memory\":8,\"cpu\":0,\"essential\":true,\"portMappings\":[{"
        "\"containerPort\":80,\"hostPort\":80,\"protocol\":\"tcp\"}],\"healthCheck\":{"
        "\"command\":[\"CMD\",\"x\"],\"interval\":30,\"timeout\":5,\"retries\":7},"
        "\"environment\":[],\"mountPoints\":[],\"volumesFrom\":[]}],\"volumes\":[{\"name\":\"v\","
        "\"host\":{}},{\"name\":\"d\",\"dockerVolumeConfiguration\":{\"scope\":\"task\","
        "\"driver\":\"local\"}}],\"placementConstraints\":[]}");
    buf_fini(&out);
}

static void test_unknown_members_are_named(void **state)
{
    AUTO(json)
    struct json_t *doc =
        parse("{'task':'t','staus':'RUNNING','containers':[{'containerName':'c','exitcode':1}]}");
    struct buf unknown = BUF_INIT(256);
    struct err e = { 0 };
    struct jcur root = jcur_root(doc, &e);

    (void)state;
    assert_true(shape_check(&root, shape_submit_task, &unknown));
    assert_string_equal(buf_text(&unknown), "staus exitcode");
    buf_fini(&unknown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_need),
        cmocka_unit_test(test_normal_form),
        cmocka_unit_test(test_unknown_members_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
