/* remains.c: what containers say of their task, written and read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "task/task.h"

#define ARN "arn:aws:ecs:us-west-2:123456789012:task/demo/0123456789abcdef"

static const char three[] =
    "{\"arn\":\"" ARN "\",\"family\":\"web\",\"version\":\"7\",\"desiredStatus\":\"RUNNING\","
    "\"cpu\":0.25,\"memory\":128,\"networkMode\":\"none\",\"volumes\":["
    "{\"name\":\"h\",\"type\":\"host\",\"host\":{\"sourcePath\":\"/h\"}},"
    "{\"name\":\"v\",\"type\":\"docker\",\"dockerVolumeConfiguration\":{\"scope\":\"task\","
    "\"driver\":\"nfs\",\"driverOpts\":{\"o\":\"secret-value\"}}},"
    "{\"name\":\"s\",\"type\":\"docker\",\"dockerVolumeConfiguration\":{\"scope\":\"shared\"}}],"
    "\"containers\":["
    "{\"name\":\"a\",\"image\":\"img:1\",\"essential\":true,\"cpu\":10,\"memory\":64,"
    "\"environment\":{\"TOKEN\":\"secret-value\"},\"command\":[\"--password\",\"secret-value\"],"
    "\"portMappings\":[{\"containerPort\":80,\"hostPort\":0,\"protocol\":\"tcp\"}],"
    "\"restartPolicy\":{\"enabled\":true,\"restartAttemptPeriod\":90,\"ignoredExitCodes\":[3]},"
    "\"stopTimeout\":9,\"dockerConfig\":{\"hostConfig\":\"{\\\"LogConfig\\\":{\\\"Type\\\":"
    "\\\"awslogs\\\",\\\"Config\\\":{\\\"awslogs-group\\\":\\\"/g\\\",\\\"other\\\":\\\"secret-"
    "value\\\"}}}\"},\"dependsOn\":[{\"containerName\":\"b\",\"condition\":\"START\"}]},"
    "{\"name\":\"b\",\"image\":\"img:2\",\"essential\":false},"
    "{\"name\":\"c\",\"image\":\"img:3\",\"essential\":false}]}";

struct set {
    struct buf labels[4];
    struct task_remains rows[4];
    struct task *from, *to;
    bool whole;
    struct err e;
};

/* Writes the labels of these containers, in this order, and reads them. */
static enum err_code round_trip(struct set *s, const char *json, const size_t *order, size_t n)
{
    static const uint16_t chosen[] = { 40001 };

    *s = (struct set){ 0 };
    assert_int_equal(task_decode_text(json, strlen(json), &s->from, &s->e), ERR_OK);
    for (size_t i = 0; i < n; i++) {
        struct task_create_args args = { .task = s->from,
                                         .container = order[i],
                                         .metadata_id = "0b5a6e8c-1111-4222-8333-444444444444",
                                         .host_ports = s->from->containers[order[i]].n_ports
                                                           ? chosen
                                                           : NULL };

        buf_init(&s->labels[i], 65536);
        task_remains_write(&args, &s->labels[i]);
        assert_null(strstr(buf_text(&s->labels[i]), "secret-value"));
        s->rows[i].label = buf_text(&s->labels[i]);
    }
    return task_from_remains(ARN, s->rows, n, &s->whole, &s->to, &s->e);
}

static void fini(struct set *s)
{
    for (size_t i = 0; i < COUNT_OF(s->labels); i++)
        buf_fini(&s->labels[i]);
    task_remains_fini(s->rows, COUNT_OF(s->rows));
    task_destroy(s->from);
    task_destroy(s->to);
}

static void test_a_whole_task_comes_back(void **state)
{
    static const size_t order[] = { 2, 0, 1 };
    struct set s;
    const struct task_container *a;
    char *volume;

    (void)state;
    assert_int_equal(round_trip(&s, three, order, 3), ERR_OK);
    assert_true(s.whole);
    assert_string_equal(s.to->arn, ARN);
    assert_string_equal(s.to->family, "web");
    assert_string_equal(s.to->network_mode, "none");
    assert_int_equal(task_need_cpu(s.to), task_need_cpu(s.from));
    assert_int_equal(task_need_memory_mib(s.to), 128);
    assert_int_equal(s.to->n_volumes, 1); /* the one that goes with the task */
    volume = task_volume_docker_name(s.to, &s.to->volumes[0]);
    assert_string_equal(volume, "ecs-web-7-v-0123456789abcdef");
    free(volume);
    assert_int_equal(s.to->n_containers, 3);
    a = &s.to->containers[0]; /* the first order */
    assert_string_equal(a->name, "a");
    assert_string_equal(a->image, "img:1");
    assert_true(a->essential);
    assert_false(s.to->containers[1].essential);
    assert_int_equal(a->stop_timeout_s, 9);
    assert_int_equal(a->n_deps, 1);
    assert_int_equal(a->deps[0].target, 1);
    assert_int_equal(a->deps[0].condition, DEP_START);
    assert_true(a->restart.enabled);
    assert_int_equal(a->restart.attempt_period_s, 90);
    assert_int_equal(a->n_ports, 1);
    assert_string_equal(a->log_driver, "awslogs");
    assert_string_equal(a->log_options[0].value, "/g");
    assert_int_equal(a->n_env, 0);
    assert_string_equal(s.rows[1].name, "a");
    assert_string_equal(s.rows[1].metadata_id, "0b5a6e8c-1111-4222-8333-444444444444");
    assert_int_equal(s.rows[1].n_host_ports, 1);
    assert_int_equal(s.rows[1].host_ports[0], 40001);
    assert_null(s.rows[0].host_ports);
    fini(&s);
}

static void test_a_part_of_a_task(void **state)
{
    static const size_t one[] = { 0 }, two[] = { 0, 1 };
    struct set s;

    (void)state;
    assert_int_equal(round_trip(&s, three, one, 1), ERR_OK);
    assert_false(s.whole);
    assert_int_equal(s.to->n_containers, 1);
    assert_int_equal(s.to->containers[0].n_deps, 0); /* it depends on what is not here */
    fini(&s);
    assert_int_equal(round_trip(&s, three, two, 2), ERR_OK);
    assert_false(s.whole);
    assert_int_equal(s.to->containers[0].n_deps, 1);
    fini(&s);
}

static void test_the_container_of_shared_namespaces(void **state)
{
    static const char json[] = "{\"arn\":\"" ARN "\",\"desiredStatus\":\"RUNNING\",\"pidMode\":"
                               "\"task\",\"containers\":[{\"name\":\"a\",\"image\":\"i\"}]}";
    static const size_t both[] = { 1, 0 }, pause[] = { 1 }, other[] = { 0 };
    struct set s;

    (void)state;
    assert_int_equal(round_trip(&s, json, both, 2), ERR_OK);
    assert_true(s.whole);
    assert_true(s.to->containers[1].internal);
    assert_string_equal(s.rows[0].name, TASK_PAUSE_NAME);
    fini(&s);
    assert_int_equal(round_trip(&s, json, other, 1), ERR_OK);
    assert_false(s.whole);
    assert_int_equal(s.to->n_containers, 1);
    fini(&s);
    assert_int_equal(round_trip(&s, json, pause, 1), ERR_OK); /* it can be stopped like any other */
    assert_int_equal(s.to->n_containers, 1);
    assert_string_equal(s.rows[0].name, s.to->containers[0].name);
    assert_string_equal(s.to->containers[0].image, TASK_PAUSE_IMAGE);
    fini(&s);
}

/* Others may put labels on containers too. */
static void test_labels_that_say_nothing(void **state)
{
    static const char *const texts[] = {
        NULL,
        "",
        "{",
        "[]",
        "{}",
        "{\"of\":1}",
        "{\"of\":0,\"at\":0,\"task\":{},\"container\":{\"name\":\"a\",\"image\":\"i\"}}",
        "{\"of\":1,\"at\":999,\"task\":{},\"container\":{\"name\":\"a\",\"image\":\"i\"}}",
        "{\"of\":1,\"at\":0,\"task\":7,\"container\":{\"name\":\"a\",\"image\":\"i\"}}",
        "{\"of\":1,\"at\":0,\"task\":{},\"container\":{\"name\":7,\"image\":\"i\"}}",
        "{\"of\":1,\"at\":0,\"task\":{},\"container\":{\"name\":\"\",\"image\":\"\"}}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct task_remains row = { .label = texts[i] };
        struct task *t = NULL;
        struct err e = { 0 };
        bool whole;

        if (task_from_remains(ARN, &row, 1, &whole, &t, &e) != ERR_INVALID)
            fail_msg("%s is taken for a task", texts[i]);
        assert_null(t);
        task_remains_fini(&row, 1);
    }
}

/* Docker repeats labels in each event. */
static void test_a_long_one_is_shortened(void **state)
{
    struct buf json = BUF_INIT(1 << 20), label = BUF_INIT(65536);
    struct task_create_args args = { .container = 0 };
    struct task *t = NULL;
    struct err e = { 0 };

    (void)state;
    buf_puts(&json, "{\"arn\":\"" ARN "\",\"desiredStatus\":\"RUNNING\",\"containers\":[{\"name\":"
                    "\"a\",\"image\":\"i\",\"stopTimeout\":5,\"portMappings\":[");
    for (int i = 0; i < 500; i++)
        buf_printf(&json, "%s{\"containerPort\":%d,\"hostPort\":0,\"protocol\":\"tcp\"}",
                   i ? "," : "", 1000 + i);
    buf_puts(&json, "]}]}");
    assert_int_equal(task_decode_text(json.data, json.len, &t, &e), ERR_OK);
    args.task = t;
    task_remains_write(&args, &label);
    assert_true(label.len < 1024);
    assert_non_null(strstr(buf_text(&label), "\"stopTimeout\":5"));
    task_destroy(t);
    buf_fini(&label);
    buf_fini(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_task_comes_back),
        cmocka_unit_test(test_a_part_of_a_task),
        cmocka_unit_test(test_the_container_of_shared_namespaces),
        cmocka_unit_test(test_labels_that_say_nothing),
        cmocka_unit_test(test_a_long_one_is_shortened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
