/* cloud: taking in, finding, and who may read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "cloud.h"

/* JSON with single quotes. */
static enum err_code apply(struct cloud *c, const char *text)
{
    AUTO(str) char *json = mem_strdup(text);
    struct buf out = BUF_INIT(65536);
    struct err e = { 0 };
    enum err_code code;

    for (char *p = json; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    code = cloud_apply(c, str_of(json), &out, &e);
    assert_int_equal(code == ERR_OK, out.len > 0);
    buf_fini(&out);
    return code;
}

static const char *value(struct cloud *c, const char *region, const char *name)
{
    struct cloud_thing *t = cloud_find(c, CLOUD_PARAMETER, region, name);
    struct jcur entry;

    if (!t)
        return NULL;
    entry = cloud_entry(t);
    return jcur_str_or(&entry, "value", "");
}

static void entries_replace_and_remove(void **state)
{
    struct cloud *c = cloud_create("us-west-2", "1");

    (void)state;
    assert_int_equal(apply(c, "{'parameters':[{'name':'a','value':'1'},{'name':'a','value':'2',"
                              "'region':'eu-west-1'},{'name':'b','value':'3'}]}"),
                     ERR_OK);
    assert_string_equal(value(c, "us-west-2", "a"), "1");
    assert_string_equal(value(c, "eu-west-1", "a"), "2");
    assert_null(value(c, "eu-west-1", "b"));
    assert_int_equal(apply(c, "{'parameters':[{'name':'a','value':'4'},{'name':'b','value':null},"
                              "{'name':'none','remove':true}]}"),
                     ERR_OK);
    assert_string_equal(value(c, "us-west-2", "a"), "4");
    assert_string_equal(value(c, "eu-west-1", "a"), "2");
    assert_null(value(c, "us-west-2", "b"));
    cloud_destroy(c);
}

static void wrong_documents_change_nothing(void **state)
{
    static const char *const wrong[] = {
        "{",
        "[]",
        "{'parameters':{}}",
        "{'parameters':[5]}",
        "{'parameters':[{'name':'x','value':'1'},{'value':'1'}]}",
        "{'parameters':[{'name':'x','value':1}]}",
        "{'parameters':[{'name':'x','value':'1'}],'others':[]}",
        "{'parameters':[{'name':'x','value':'1'}],'secrets':[{'arn':'arn:aws:x','string':''}]}",
        "{'parameters':[{'name':'x','value':'1'}],'tags':{'i-1':{'a':5}}}",
        "{'buckets':[{'name':'x','objects':{'k':{'size':5}}}]}",
        "{'buckets':[{'name':'x','object':{}}]}",
        "{'secrets':[{'name':'x','versions':{'short':'1'}}]}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct cloud *c = cloud_create("us-west-2", "1");

        if (apply(c, wrong[i]) == ERR_OK)
            fail_msg("taken: %s", wrong[i]);
        for (size_t kind = 0; kind < CLOUD__COUNT; kind++)
            assert_null(cloud_next(c, (enum cloud_kind)kind, NULL));
        cloud_destroy(c);
    }
}

static void secrets(void **state)
{
    struct cloud *c = cloud_create("us-west-2", "123456789012");
    struct cloud_thing *own, *given;
    AUTO(str) char *partial = NULL;

    (void)state;
    assert_int_equal(apply(c, "{'secrets':[{'name':'a/b','string':'1'},{'arn':"
                              "'arn:aws:secretsmanager:eu-west-1:9:secret:x-y-AbCdEf',"
                              "'string':'2'}]}"),
                     ERR_OK);
    own = cloud_find_secret(c, "us-west-2", "a/b");
    assert_non_null(own);
    assert_true(str_starts(own->arn, "arn:aws:secretsmanager:us-west-2:123456789012:secret:a/b-"));
    partial = mem_strndup(own->arn, strlen(own->arn) - 7);
    assert_ptr_equal(cloud_find_secret(c, "us-west-2", own->arn), own);
    assert_ptr_equal(cloud_find_secret(c, "us-west-2", partial), own);
    assert_null(cloud_find_secret(c, "eu-west-1", own->arn));
    given = cloud_find_secret(c, "eu-west-1", "x-y");
    assert_non_null(given);
    assert_ptr_equal(
        cloud_find_secret(c, "eu-west-1", "arn:aws:secretsmanager:eu-west-1:9:secret:x-y"), given);
    cloud_destroy(c);
}

static void hosts(void **state)
{
    struct cloud *c = cloud_create("us-west-2", "1");

    (void)state;
    assert_int_equal(apply(c, "{'buckets':[{'name':'a','objects':{}},{'name':'a.b','objects':{}}],"
                              "'registries':[{'id':'1','password':'p','proxyEndpoint':"
                              "'http://127.0.0.1:5000/v2'}]}"),
                     ERR_OK);
    assert_string_equal(cloud_find_bucket_host(c, "a.b.s3.test")->name, "a.b");
    assert_string_equal(cloud_find_bucket_host(c, "a.s3.test")->name, "a");
    assert_null(cloud_find_bucket_host(c, "ab.s3.test"));
    assert_null(cloud_find_bucket_host(c, "a"));
    assert_non_null(cloud_find_registry_host(c, "127.0.0.1:5000"));
    assert_null(cloud_find_registry_host(c, "127.0.0.1:500"));
    assert_null(cloud_find_registry_host(c, ""));
    cloud_destroy(c);
}

static void who_may(void **state)
{
    static const struct {
        const char *role, *of_key;
        bool may;
    } rows[] = {
        { NULL, NULL, true },           { NULL, "arn:r", true },  { "arn:r", "arn:r", true },
        { "arn:r", "arn:s", false },    { "arn:r", NULL, false }, { "instance", NULL, true },
        { "instance", "arn:r", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct cloud_thing t = { .role = (char *)(uintptr_t)rows[i].role };

        assert_int_equal(cloud_may(&t, rows[i].of_key), rows[i].may);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_replace_and_remove),
        cmocka_unit_test(wrong_documents_change_nothing),
        cmocka_unit_test(secrets),
        cmocka_unit_test(hosts),
        cmocka_unit_test(who_may),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
