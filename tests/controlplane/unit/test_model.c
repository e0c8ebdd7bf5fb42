#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "model.h"

#include "base/mem.h"
#include "base/str.h"

static struct json_t *parse(const char *text)
{
    struct json_t *doc = NULL;
    struct err e = { 0 };

    assert_int_equal(json_parse(text, strlen(text), &doc, &e), ERR_OK);
    return doc;
}

static struct taskdef *add_taskdef(struct cp_model *m, const char *family, int revision)
{
    AUTO(json)
    struct json_t *doc =
        parse("{\"taskRoleArn\":\"arn:role\",\"containerDefinitions\":[{\"name\":\"a\",\"image\":"
              "\"i\",\"cpu\":5,\"memory\":10,\"portMappings\":[{\"containerPort\":1,"
              "\"hostPort\":80}]}]}");

    return model_taskdef_add(m, family, revision, &doc);
}

static struct instance *add_instance(struct cp_model *m)
{
    struct instance *i = model_instance_add(m, model_cluster_add(m, "demo"), "i1");

    i->cpu = 100;
    i->memory = 1000;
    i->tcp = mem_array(1, sizeof *i->tcp);
    i->tcp[0] = 22;
    i->tcp_count = 1;
    i->seq = 5;
    model_instance_set_attribute(i, "x", "y");
    return i;
}

static void test_task_definitions_are_found(void **state)
{
    struct cp_model *m = model_create("us-west-2", "1");
    struct taskdef *one = add_taskdef(m, "web", 1), *two = add_taskdef(m, "web", 2);

    (void)state;
    assert_ptr_equal(model_taskdef_find(m, "web"), two);
    assert_ptr_equal(model_taskdef_find(m, "web:1"), one);
    assert_ptr_equal(model_taskdef_find(m, one->arn), one);
    assert_null(model_taskdef_find(m, "web:3"));
    assert_null(model_taskdef_find(m, "we"));
    assert_int_equal(model_taskdef_next_revision(m, "web"), 3);
    assert_int_equal(model_taskdef_next_revision(m, "other"), 1);
    two->active = false;
    assert_ptr_equal(model_taskdef_find(m, "web"), one);
    assert_ptr_equal(model_taskdef_find(m, "web:2"), two);
    model_destroy(m);
}

static void test_resources_return_when_a_task_stops(void **state)
{
    struct cp_model *m = model_create("us-west-2", "1");
    struct instance *i = add_instance(m);
    struct json_t *none = NULL;
    struct place_host h;
    struct rng rng;
    struct task *t;

    (void)state;
    rng_seed(&rng, 1);
    t = model_task_add(m, i, add_taskdef(m, "web", 1), "t1", &none, &rng);
    t->group = mem_strdup("g");
    model_host(m, i, "g", &h);
    assert_int_equal(h.cpu_free, 95);
    assert_int_equal(h.memory_free, 990);
    assert_int_equal(h.tcp_count, 2);
    assert_int_equal(h.tcp[1], 80);
    assert_int_equal(h.group_tasks, 1);
    model_host_fini(&h);
    t->status = TASK_STOPPED;
    model_host(m, i, "g", &h);
    assert_int_equal(h.cpu_free, 100);
    assert_int_equal(h.tcp_count, 1);
    assert_int_equal(h.group_tasks, 0);
    model_host_fini(&h);
    model_destroy(m);
}

static void assert_no_text(const char *path, const char *secret)
{
    char text[65536];
    FILE *f = fopen(path, "r");
    size_t n;

    assert_non_null(f);
    n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    fclose(f);
    assert_true(n > 0);
    assert_null(strstr(text, secret));
}

static void test_state_survives(void **state)
{
    char path[] = "/tmp/berth-model-XXXXXX";
    struct cp_model *m = model_create("us-west-2", "1"), *back = model_create("us-west-2", "1");
    struct instance *i = add_instance(m);
    struct json_t *overrides = parse("{\"containerOverrides\":[{\"name\":\"a\",\"cpu\":7}]}");
    struct err e = { 0 };
    struct rng rng;
    struct task *t;

    (void)state;
    close(mkstemp(path));
    rng_seed(&rng, 1);
    t = model_task_add(m, i, add_taskdef(m, "web", 1), "t1", &overrides, &rng);
    model_role_renew(&t->task_role, &rng, 1000);
    t->status = t->acked = TASK_RUNNING;
    t->started_ms = 77;
    t->containers[0].exited = true;
    t->containers[0].exit_code = -3;
    t->containers[0].bindings = mem_strdup("[{}]");
    tags_set(&t->tags, "k", "v");
    assert_int_equal(model_save(m, path, &e), ERR_OK);
    assert_no_text(path, t->task_role.secret);
    assert_no_text(path, t->task_role.token);

    assert_int_equal(model_load(back, path, &rng, &e), ERR_OK);
    i = model_instance_find(back, NULL, "i1");
    assert_non_null(i);
    assert_string_equal(model_instance_attribute(i, "x"), "y");
    assert_int_equal(i->tcp[0], 22);
    assert_true(i->seq > 5);
    {
        struct task *r = model_task_find(back, i->cluster, "t1");

        assert_non_null(r);
        assert_int_equal(r->status, TASK_RUNNING);
        assert_int_equal(r->acked, TASK_RUNNING);
        assert_int_equal(r->desired, TASK_RUNNING);
        assert_int_equal(r->started_ms, 77);
        assert_int_equal(r->need.cpu, 7);
        assert_int_equal(r->containers[0].exit_code, -3);
        assert_string_equal(r->containers[0].bindings, "[{}]");
        assert_string_equal(r->containers[0].arn, t->containers[0].arn);
        assert_string_equal(r->task_role.id, t->task_role.id);
        assert_string_equal(r->task_role.arn, "arn:role");
        assert_string_equal(r->tags.v[0].value, "v");
    }
    unlink(path);
    model_destroy(m);
    model_destroy(back);
}

static void test_broken_state_is_an_error(void **state)
{
    static const char *const texts[] = {
        "{",
        "{\"format\":2}",
        "{\"format\":1,\"instances\":[{\"cluster\":\"none\",\"id\":\"i\"}]}",
        "{\"format\":1,\"tasks\":[{\"id\":\"t\",\"instance\":\"x\",\"definition\":\"y\"}]}",
        "{\"format\":1,\"taskDefinitions\":[{\"family\":\"f\",\"revision\":1}]}",
    };
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        char path[] = "/tmp/berth-model-XXXXXX";
        int fd = mkstemp(path);
        struct cp_model *m = model_create("us-west-2", "1");
        struct err e = { 0 };

        assert_int_equal(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
        close(fd);
        assert_int_equal(model_load(m, path, &rng, &e), ERR_INVALID);
        unlink(path);
        e = (struct err){ 0 };
        assert_int_equal(model_load(m, path, &rng, &e), ERR_OK); /* absent: an empty model */
        model_destroy(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_task_definitions_are_found),
        cmocka_unit_test(test_resources_return_when_a_task_stops),
        cmocka_unit_test(test_state_survives),
        cmocka_unit_test(test_broken_state_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
