/* Each kind of field against what Go does when it decodes into a filled struct. */
#include "unit/task/fixture.h"

#include "task/internal.h"

static const struct merge_field fields[] = {
    { "Str", MERGE_STR },   { "Int", MERGE_INT }, { "Bool", MERGE_BOOL }, { "List", MERGE_LIST },
    { "Strs", MERGE_STRS }, { "Map", MERGE_MAP }, { "Obj", MERGE_OBJ },
};

static const struct {
    const char *base, *top, *want; /* a want without '{' in front is the error */
} rows[] = {
    { "{}", "{}", "{}" },
    { "{\"Str\":\"a\",\"Int\":1}", "{}", "{\"Str\":\"a\",\"Int\":1}" },
    { "{}", "{\"Int\":1,\"Str\":\"a\"}", "{\"Str\":\"a\",\"Int\":1}" }, /* order of the fields */
    { "{\"Str\":\"a\"}", "{\"Str\":\"b\"}", "{\"Str\":\"b\"}" },
    { "{\"Str\":\"a\"}", "{\"str\":\"b\"}", "{\"Str\":\"b\"}" }, /* any case, our name */
    { "{\"Str\":\"a\"}", "{\"Str\":\"\"}", "{\"Str\":\"\"}" },
    { "{\"Str\":\"a\"}", "{\"Str\":null}", "{\"Str\":\"a\"}" }, /* null leaves scalars alone */
    { "{\"Int\":5}", "{\"Int\":0}", "{\"Int\":0}" },
    { "{\"Bool\":true}", "{\"Bool\":false}", "{\"Bool\":false}" },
    { "{\"List\":[1,2]}", "{\"List\":[3]}", "{\"List\":[3]}" },
    { "{\"List\":[1,2]}", "{\"List\":[]}", "{\"List\":[]}" },
    { "{\"List\":[1,2]}", "{\"List\":null}", "{}" },
    { "{\"List\":[1,2]}", "{\"LIST\":null}", "{}" },
    { "{\"Strs\":[\"a\"]}", "{\"Strs\":\"b\"}", "{\"Strs\":\"b\"}" },
    { "{\"Strs\":[\"a\"]}", "{\"Strs\":null}", "{}" },
    { "{\"Map\":{\"a\":1,\"b\":2}}", "{\"Map\":{\"b\":3,\"c\":4}}",
      "{\"Map\":{\"a\":1,\"b\":3,\"c\":4}}" },
    { "{\"Map\":{\"a\":1,\"b\":2}}", "{\"Map\":{\"a\":null}}", "{\"Map\":{\"b\":2,\"a\":null}}" },
    { "{\"Map\":{\"a\":1}}", "{\"Map\":{}}", "{\"Map\":{\"a\":1}}" },
    { "{\"Map\":{\"a\":1,\"b\":2}}", "{\"map\":{\"B\":3}}", /* keys of a map are exact */
      "{\"Map\":{\"a\":1,\"b\":2,\"B\":3}}" },
    { "{\"Map\":{\"a\":1}}", "{\"Map\":null}", "{}" },
    { "{}", "{\"Map\":{\"a\":1}}", "{\"Map\":{\"a\":1}}" },
    { "{}", "{\"Obj\":{\"x\":[1]}}", "{\"Obj\":{\"x\":[1]}}" },
    { "{}", "{\"Obj\":null}", "{}" },
    { "{}", "{\"Unknown\":1}", "{}" },
    { "{}", "{\"Str\":1}", "Str: expected string, got integer" },
    { "{}", "{\"Int\":\"1\"}", "Int: expected integer, got string" },
    { "{}", "{\"Int\":1.5}", "Int: expected integer, got number" },
    { "{}", "{\"Bool\":0}", "Bool: expected boolean, got integer" },
    { "{}", "{\"List\":{}}", "List: expected array, got object" },
    { "{}", "{\"List\":\"a\"}", "List: expected array, got string" },
    { "{}", "{\"Strs\":1}", "Strs: expected array, got integer" },
    { "{}", "{\"Map\":[]}", "Map: expected object, got array" },
    { "{}", "{\"Obj\":true}", "Obj: expected object, got boolean" },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(json) struct json_t *base_doc = NULL, *top_doc = NULL;
        AUTO(buf) struct buf b = BUF_INIT(4096);
        struct err e = { 0 }, be = { 0 }, te = { 0 };
        struct jcur base, top;
        struct jw w;

        assert_int_equal(json_parse(rows[i].base, strlen(rows[i].base), &base_doc, &e), ERR_OK);
        assert_int_equal(json_parse(rows[i].top, strlen(rows[i].top), &top_doc, &e), ERR_OK);
        base = jcur_root(base_doc, &be);
        top = jcur_root(top_doc, &te);
        jw_init(&w, &b);
        jw_object(&w);
        task_merge(&w, &base, &top, fields, COUNT_OF(fields));
        jw_end(&w);
        assert_int_equal(te.code, rows[i].want[0] == '{' ? ERR_OK : ERR_INVALID);
        assert_string_equal(te.code ? te.msg : buf_text(&b), rows[i].want);
    }
}

static void test_absent(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT(64);
    struct err e = { 0 };
    struct jcur none = jcur_root(NULL, &e);
    struct jw w;

    (void)state;
    jw_init(&w, &b);
    jw_object(&w);
    task_merge(&w, &none, &none, fields, COUNT_OF(fields));
    jw_end(&w);
    assert_string_equal(buf_text(&b), "{}");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows),
                                        cmocka_unit_test(test_absent) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
