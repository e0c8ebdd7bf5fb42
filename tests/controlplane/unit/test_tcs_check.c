/* tcs_check: every row breaks one rule of the telemetry messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#include "tcs_check.h"

#define NOW 1767323045000LL
#define CI  "arn:aws:ecs:us-west-2:111122223333:container-instance/demo/0123"
#define ID1 "11111111-2222-4333-8444-555555555555"
#define ID2 "11111111-2222-4333-8444-666666666666"
#define TS  "\"timestamp\":1767323045.123"

#define META(id, idle, fin)                                                                   \
    "\"metadata\":{\"cluster\":\"demo\",\"containerInstance\":\"" CI "\",\"messageId\":\"" id \
    "\",\"idle\":" idle ",\"fin\":" fin "}"
#define METRICS(meta, rest) \
    "{\"type\":\"PublishMetricsRequest\",\"message\":{" meta rest "," TS "}}"
#define SET(min, max, sum, n) \
    "{\"min\":" min ",\"max\":" max ",\"sum\":" sum ",\"sampleCount\":" n "}"
#define TASK(cpu)                                                                        \
    "{\"taskArn\":\"t\",\"taskDefinitionFamily\":\"f\",\"taskDefinitionVersion\":\"1\"," \
    "\"containerMetrics\":[{\"containerName\":\"c\",\"cpuStatsSet\":" cpu                \
    ",\"memoryStatsSet\":" SET("1", "1", "2", "2") "}]}"
#define TASKS(list)        ",\"taskMetrics\":[" list "]"
#define GOOD_SET           SET("0.5", "3.25", "24.75", "19")
#define GOOD_TASK          TASK(GOOD_SET)
#define BUSY(id, fin, cpu) METRICS(META(id, "false", fin), TASKS(TASK(cpu)))

#define HEALTH(tasks)                                                                            \
    "{\"type\":\"PublishHealthRequest\",\"message\":{\"metadata\":{\"cluster\":\"demo\","        \
    "\"containerInstance\":\"" CI "\",\"messageId\":\"" ID1 "\",\"fin\":true},\"tasks\":[" tasks \
    "]," TS "}}"
#define HEALTHY(status)                                                                  \
    "{\"taskArn\":\"t\",\"taskDefinitionFamily\":\"f\",\"taskDefinitionVersion\":\"1\"," \
    "\"containers\":[{\"containerName\":\"c\",\"healthStatus\":\"" status                \
    "\",\"statusSince\":1767323000}]}"
#define STATUS(status)                                                                            \
    "{\"type\":\"PublishInstanceStatusRequest\",\"message\":{\"metadata\":{\"cluster\":\"demo\"," \
    "\"containerInstance\":\"" CI "\",\"requestId\":\"" ID1 "\"},\"statuses\":[{\"type\":"        \
    "\"ContainerRuntime\",\"status\":\"" status "\",\"lastUpdated\":1767323030,"                  \
    "\"lastStatusChange\":1767323000}]," TS "}}"

static struct tcs_session session(void)
{
    struct tcs_session ss = { 0 };

    snprintf(ss.cluster, sizeof ss.cluster, "demo");
    snprintf(ss.instance, sizeof ss.instance, CI);
    return ss;
}

static void rows(void **state)
{
    static const struct {
        const char *envelope, *wrong; /* NULL: right */
    } cases[] = {
        { METRICS(META(ID1, "true", "true"), ""), NULL },
        { BUSY(ID1, "true", GOOD_SET), NULL },
        { HEALTH(HEALTHY("UNKNOWN")), NULL },
        { STATUS("OK"), NULL },
        { "nonsense", "not JSON" },
        { "[]", "not an object" },
        { "{\"type\":\"Other\",\"message\":{}}", "unknown message type" },
        { "{\"type\":\"PublishMetricsRequest\",\"message\":{},\"x\":1}", "no member" },
        { "{\"type\":\"PublishMetricsRequest\"}", "expected object" },
        { METRICS(META(ID1, "true", "false"), ""), "fin must be true" },
        { METRICS(META(ID1, "true", "true"), TASKS(GOOD_TASK)), "idle message has no tasks" },
        { METRICS(META(ID1, "false", "true"), ""), "without a task" },
        { METRICS(META("id", "true", "true"), ""), "no UUID" },
        { METRICS(META(ID1, "1", "true"), ""), "expected boolean" },
        { METRICS(META(ID1, "true", "true"), ",\"taskMetrics\":null"), "is null" },
        { METRICS(META(ID1, "true", "true"), ",\"surprise\":1"), "surprise" },
        { BUSY(ID1, "true", SET("4", "3", "9", "3")), "min is greater" },
        { BUSY(ID1, "true", SET("1", "2", "9", "3")), "sum of 3" },
        { BUSY(ID1, "true", SET("1", "1", "1", "0")), "at least one sample" },
        { BUSY(ID1, "true", SET("1", "1", "1", "1.5")), "expected integer" },
        { METRICS(META(ID1, "false", "true"),
                  TASKS(GOOD_TASK "," GOOD_TASK "," GOOD_TASK "," GOOD_TASK "," GOOD_TASK
                                  "," GOOD_TASK "," GOOD_TASK "," GOOD_TASK "," GOOD_TASK
                                  "," GOOD_TASK "," GOOD_TASK)),
          "more than 10 tasks" },
        { HEALTH(HEALTHY("FINE")), "'FINE'" },
        { HEALTH(""), "1 to 10 tasks" },
        { STATUS("HEALTHY"), "'HEALTHY'" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct tcs_session ss = session();
        struct err e = { 0 };
        enum tcs_kind kind;
        enum err_code code = tcs_check(&ss, str_of(cases[i].envelope), NOW, &kind, &e);

        if (!cases[i].wrong && code)
            fail_msg("row %zu: %s", i, e.msg);
        if (cases[i].wrong && (!code || !strstr(e.msg, cases[i].wrong)))
            fail_msg("row %zu: wanted '%s', got '%s'", i, cases[i].wrong, e.msg);
    }
}

static void of_another_instance_or_time(void **state)
{
    struct tcs_session ss = session();
    struct err e = { 0 };
    enum tcs_kind kind;

    (void)state;
    assert_int_equal(tcs_check(&ss, str_of(STATUS("OK")), NOW + 301 * 1000, &kind, &e),
                     ERR_INVALID);
    snprintf(ss.cluster, sizeof ss.cluster, "other");
    assert_int_equal(tcs_check(&ss, str_of(STATUS("OK")), NOW, &kind, &e), ERR_INVALID);
    assert_non_null(strstr(e.msg, "cluster"));
}

static void chunks(void **state)
{
    static const struct {
        const char *envelope;
        bool ok;
    } steps[] = {
        { BUSY(ID1, "false", GOOD_SET), true }, { BUSY(ID1, "false", GOOD_SET), true },
        { HEALTH(HEALTHY("HEALTHY")), true },   /* another kind does not interfere */
        { BUSY(ID2, "true", GOOD_SET), false }, /* the first gather is still open */
        { BUSY(ID1, "true", GOOD_SET), true },  { BUSY(ID1, "true", GOOD_SET), false },
        { BUSY(ID2, "true", GOOD_SET), true },
    };
    struct tcs_session ss = session();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct err e = { 0 };
        enum tcs_kind kind;
        enum err_code code = tcs_check(&ss, str_of(steps[i].envelope), NOW, &kind, &e);

        if ((code == ERR_OK) != steps[i].ok)
            fail_msg("step %zu: %s", i, e.msg);
    }
}

static void handshakes(void **state)
{
    (void)state;
    assert_null(tcs_handshake_fault("demo", CI, "1.0.0", "0a1b2c3d", "25.0.8"));
    assert_null(tcs_handshake_fault("demo", CI, "1.0.0", "0a1b2c3d", NULL));
    assert_non_null(tcs_handshake_fault(NULL, CI, "1.0.0", "0a1b2c3d", NULL));
    assert_non_null(tcs_handshake_fault("demo", "i-1", "1.0.0", "0a1b2c3d", NULL));
    assert_non_null(tcs_handshake_fault("demo", CI, NULL, "0a1b2c3d", NULL));
    assert_non_null(tcs_handshake_fault("demo", CI, "1.0.0", "", NULL));
    assert_non_null(tcs_handshake_fault("demo", CI, "1.0.0", "h", "DockerVersion: 25.0.8"));
}

/* What the reference agent really sent must pass. */
static void recorded_messages(void **state)
{
    const char *folder = getenv("BERTH_TEST_DATA");
    AUTO(str) char *path = NULL;
    AUTO(json) struct json_t *doc = NULL;
    struct buf text = BUF_INIT(8 << 20);
    struct tcs_session ss = { 0 };
    struct err e = { 0 };
    struct jcur root;
    char chunk[4096];
    size_t n;
    FILE *f;

    (void)state;
    if (!folder) {
        print_message("skipped: BERTH_TEST_DATA is not set\n");
        skip();
    }
    path = mem_printf("%s/recorded/tcs-from-agent.json", folder);
    f = fopen(path, "re");
    assert_non_null(f);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_append(&text, chunk, n);
    fclose(f);
    assert_int_equal(json_parse(text.data, text.len, &doc, &e), ERR_OK);
    root = jcur_root(doc, &e);
    assert_true(jcur_len(&root) > 2);
    JCUR_EACH (item, &root) {
        struct jcur msg = jcur_obj(&item, "message"), meta = jcur_obj(&msg, "metadata");
        struct buf one = BUF_INIT(8 << 20);
        struct err why = { 0 };
        enum tcs_kind kind;

        snprintf(ss.cluster, sizeof ss.cluster, "%s", jcur_str(&meta, "cluster"));
        snprintf(ss.instance, sizeof ss.instance, "%s", jcur_str(&meta, "containerInstance"));
        assert_true(json_dump(item.val, &one));
        if (tcs_check(&ss, buf_str(&one), (int64_t)(jcur_num_or(&msg, "timestamp", 0) * 1000),
                      &kind, &why))
            fail_msg("message %zu: %s", item_i, why.msg);
        buf_fini(&one);
    }
    assert_int_equal(e.code, ERR_OK);
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows),
        cmocka_unit_test(of_another_instance_or_time),
        cmocka_unit_test(chunks),
        cmocka_unit_test(handshakes),
        cmocka_unit_test(recorded_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
