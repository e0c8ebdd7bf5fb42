#include "unit/base/fixture.h"

#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

static struct json_t *parse(const char *text)
{
    struct json_t *v = NULL;
    struct err e = { 0 };

    if (json_parse(text, strlen(text), &v, &e))
        fail_msg("%s", e.msg);
    return v;
}

/* ---- documents ---- */

static void test_parse(void **state)
{
    static const char *const bad[] = { "", "{", "{}x", "[1,]", "{\"a\" 1}", "\"\xFF\"", "nul" };
    struct json_t *v = NULL;
    struct err empty = { 0 };

    (void)state;
    assert_int_equal(json_parse(NULL, 0, &v, &empty), ERR_INVALID);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err e = { 0 };

        assert_int_equal(json_parse(bad[i], strlen(bad[i]), &v, &e), ERR_INVALID);
        assert_non_null(strstr(e.msg, "not JSON: line 1 column "));
        assert_null(v);
        if (i == 0)
            assert_string_equal(e.msg, empty.msg);
    }
    json_free(NULL);
}

static char *nested(int depth)
{
    struct buf b = BUF_INIT(4096);

    for (int i = 0; i < depth; i++)
        buf_puts(&b, i % 2 ? "[" : "{\"a\":");
    buf_puts(&b, "1");
    for (int i = depth; i-- > 0;)
        buf_puts(&b, i % 2 ? "]" : "}");
    return buf_take(&b);
}

static void test_depth(void **state)
{
    AUTO(str) char *fits = nested(JSON_DEPTH_MAX);
    AUTO(str) char *deep = nested(JSON_DEPTH_MAX + 1);
    struct json_t *v = parse(fits), *none = NULL;
    struct err e = { 0 };

    (void)state;
    json_free(v);
    assert_int_equal(json_parse(deep, strlen(deep), &none, &e), ERR_INVALID);
    assert_string_equal(e.msg, "nested deeper than 64 levels");
}

/* `n` times `item` in an array, with commas. */
static char *repeated(const char *item, size_t n)
{
    struct buf b = BUF_INIT(JSON_TEXT_MAX * 2);

    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%c%s", i ? ',' : '[', item);
    buf_putc(&b, ']');
    return buf_take(&b);
}

static void assert_parses(const char *item, size_t n, const char *error)
{
    AUTO(str) char *text = repeated(item, n);
    AUTO(json) struct json_t *v = NULL;
    struct err e = { 0 };

    assert_int_equal(json_parse(text, strlen(text), &v, &e), error ? ERR_INVALID : ERR_OK);
    assert_string_equal(e.msg, error ? error : "");
}

static void test_bounds(void **state)
{
    AUTO(str) char *open = NULL;
    AUTO(str) char *long_text = NULL;
    struct json_t *none = NULL;
    struct err e = { 0 };

    (void)state;
    assert_parses("1", JSON_VALUES_MAX - 1, NULL);
    assert_parses("1", JSON_VALUES_MAX, "more than 1000000 values");
    assert_parses("{}", JSON_NESTS_MAX - 1, NULL);
    assert_parses("[]", JSON_NESTS_MAX, "more than 250000 objects and arrays");
    /* What stands in strings is text. */
    assert_parses("\"[{,\\\"[{,\\\\\"", JSON_NESTS_MAX, NULL);
    /* What was never closed is no deeper for that, and no more work. */
    open = repeated("[", 100000);
    assert_int_equal(json_parse(open, strlen(open), &none, &e), ERR_INVALID);
    assert_string_equal(e.msg, "nested deeper than 64 levels");
    e = (struct err){ 0 };
    long_text = mem_array(JSON_TEXT_MAX + 2, 1);
    memset(long_text, ' ', JSON_TEXT_MAX + 1);
    long_text[0] = '1';
    assert_int_equal(json_parse(long_text, JSON_TEXT_MAX, &none, &e), ERR_OK);
    json_free(none);
    assert_int_equal(json_parse(long_text, JSON_TEXT_MAX + 1, &none, &e), ERR_INVALID);
    assert_string_equal(e.msg, "longer than 67108864 bytes");
}

static void test_dump(void **state)
{
    AUTO(json) struct json_t *v = parse("{ \"b\" : [1, 2.5, null], \"a\" : \"\xC3\xA9\\n\" }");
    struct buf b = BUF_INIT(100), small = BUF_INIT(10);

    (void)state;
    assert_true(json_dump(v, &b));
    assert_string_equal(buf_text(&b), "{\"a\":\"\xC3\xA9\\n\",\"b\":[1,2.5,null]}");
    assert_false(json_dump(v, &small));
    buf_fini(&b);
    buf_fini(&small);
}

/* ---- reading ---- */

static void test_getters(void **state)
{
    AUTO(json)
    struct json_t *v =
        parse("{\"s\":\"x\",\"i\":7,\"n\":1.5,\"t\":true,\"nil\":null,\"o\":{\"k\":\"v\"},"
              "\"a\":[\"p\",\"q\"],\"Name\":1,\"NAME\":2,\"dup\":1,\"dup\":2}");
    struct err e = { 0 };
    struct jcur root = jcur_root(v, &e), o, a, m;
    AUTO(str) char *copy = jcur_strdup_or(&root, "s", NULL);

    (void)state;
    assert_string_equal(jcur_str(&root, "s"), "x");
    assert_string_equal(copy, "x");
    assert_string_equal(jcur_str_or(&root, "nope", "d"), "d");
    assert_string_equal(jcur_str_or(&root, "nil", "d"), "d");
    assert_null(jcur_strdup_or(&root, "nope", NULL));
    assert_int_equal(jcur_int(&root, "i", 0, 9), 7);
    assert_int_equal(jcur_int_or(&root, "nope", 0, 9, 5), 5);
    assert_true(jcur_num_or(&root, "n", 0) == 1.5);
    assert_true(jcur_num_or(&root, "i", 0) == 7);
    assert_true(jcur_bool_or(&root, "t", false));
    assert_true(jcur_bool_or(&root, "nope", true));
    assert_int_equal(jcur_int(&root, "Name", 0, 9), 1);
    assert_int_equal(jcur_int(&root, "NAME", 0, 9), 2);
    assert_int_equal(jcur_int(&root, "I", 0, 9), 7); /* any case, when none is exact */
    assert_int_equal(jcur_int(&root, "dup", 0, 9), 2);
    o = jcur_obj(&root, "o");
    assert_string_equal(jcur_str(&o, "k"), "v");
    a = jcur_arr(&root, "a");
    assert_int_equal(jcur_len(&a), 2);
    m = jcur_at(&a, 1);
    assert_string_equal(jcur_as_str(&m), "q");
    a = jcur_arr(&root, "nope");
    assert_int_equal(jcur_len(&a), 0);
    assert_false(jcur_present(&a));
    o = jcur_get(&a, "further"); /* absent cursors lead to absent cursors */
    assert_false(jcur_present(&o));
    assert_true(jcur_null(&root, "nil") && jcur_null(&root, "NIL"));
    assert_false(jcur_null(&root, "s") || jcur_null(&root, "nope") || jcur_null(&a, "x"));
    assert_true(jcur_ok(&root));
}

static void test_types(void **state)
{
    static const enum json_type want[] = { JSON_OBJ, JSON_ARR,  JSON_STR,  JSON_INT,
                                           JSON_NUM, JSON_BOOL, JSON_BOOL, JSON_NONE };
    AUTO(json) struct json_t *v = parse("[{},[],\"\",1,1.0,true,false,null]");
    struct err e = { 0 };
    struct jcur root = jcur_root(v, &e), none = jcur_root(NULL, &e);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        struct jcur item = jcur_at(&root, i);

        assert_int_equal(jcur_type(&item), want[i]);
        assert_int_equal(jcur_present(&item), want[i] != JSON_NONE);
    }
    assert_int_equal(jcur_type(&none), JSON_NONE);
}

enum getter { STR, INT, NUM, BOOLEAN, OBJ, ARR, EXPECT };

static void test_errors(void **state)
{
    static const struct {
        const char *text;
        enum getter how;
        const char *message;
    } rows[] = {
        { "{}", STR, "a[0].k: expected string, but it is missing" },
        { "{\"k\":null}", STR, "a[0].k: expected string, but it is missing" },
        { "{\"k\":1}", STR, "a[0].k: expected string, got integer" },
        { "{\"k\":\"x\\u0000\"}", STR, "a[0].k: contains a NUL character" },
        { "{\"k\":\"1\"}", INT, "a[0].k: expected integer, got string" },
        { "{\"k\":1.0}", INT, "a[0].k: expected integer, got number" },
        { "{\"k\":10}", INT, "a[0].k: 10 is not in 0..9" },
        { "{\"k\":true}", NUM, "a[0].k: expected number, got boolean" },
        { "{\"k\":[]}", BOOLEAN, "a[0].k: expected boolean, got array" },
        { "{\"k\":[]}", OBJ, "a[0].k: expected object, got array" },
        { "{\"k\":{}}", ARR, "a[0].k: expected array, got object" },
        { "7", EXPECT, "a[0]: expected object, got integer" },
        { "null", EXPECT, "a[0]: expected object, but it is missing" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(str) char *text = mem_printf("{\"a\":[%s]}", rows[i].text);
        AUTO(json) struct json_t *v = parse(text);
        struct err e = { 0 };
        struct jcur root = jcur_root(v, &e), a = jcur_arr(&root, "a"), c = jcur_at(&a, 0), sub;

        switch (rows[i].how) {
        case STR:
            assert_string_equal(jcur_str(&c, "k"), "");
            break;
        case INT:
            assert_int_equal(jcur_int(&c, "k", 0, 9), 0);
            break;
        case NUM:
            assert_true(jcur_num_or(&c, "k", 3) == 0);
            break;
        case BOOLEAN:
            assert_false(jcur_bool_or(&c, "k", true));
            break;
        case OBJ:
            sub = jcur_obj(&c, "k");
            assert_false(jcur_present(&sub));
            break;
        case ARR:
            sub = jcur_arr(&c, "k");
            assert_int_equal(jcur_len(&sub), 0);
            break;
        case EXPECT:
        default:
            assert_false(jcur_expect(&c, JSON_OBJ));
            break;
        }
        assert_int_equal(e.code, ERR_INVALID);
        assert_string_equal(e.msg, rows[i].message);
        jcur_fail(&root, "later"); /* the first one sticks */
        assert_string_equal(e.msg, rows[i].message);
    }
}

static void test_root_error_has_no_path(void **state)
{
    struct err e = { 0 };
    struct jcur root = jcur_root(NULL, &e);

    (void)state;
    jcur_fail(&root, "no %s", "good");
    assert_string_equal(e.msg, "no good");
}

static void test_members(void **state)
{
    AUTO(json) struct json_t *v = parse("{\"z\":1,\"a\":2,\"m\":null}");
    static const char *const want[] = { "z", "a", "m" };
    struct err e = { 0 };
    struct jcur root = jcur_root(v, &e), m;
    size_t i = 0;

    (void)state;
    for (; jcur_member(&root, i, &m); i++)
        assert_string_equal(m.key, want[i]);
    assert_int_equal(i, 3);
    root = jcur_root(NULL, &e);
    assert_false(jcur_member(&root, 0, &m));
}

static void test_each(void **state)
{
    AUTO(json) struct json_t *v = parse("[5,6,7,8,9]");
    struct err e = { 0 };
    struct jcur root = jcur_root(v, &e), none = jcur_root(NULL, &e);
    int64_t sum = 0, first = 0;

    (void)state;
    JCUR_EACH (item, &root) {
        int64_t n = jcur_as_int(&item, 0, 9);

        if (n == 6)
            continue;
        sum += n;
    }
    assert_int_equal(sum, 5 + 7 + 8 + 9);
    JCUR_EACH (item, &root) {
        first = jcur_as_int(&item, 0, 9);
        if (first == 7)
            break; /* leaves the whole loop */
    }
    assert_int_equal(first, 7);
    JCUR_EACH (item, &none)
        fail_msg("an absent array has no element %zu", item.idx);
}

/* ---- writing ---- */

static void test_writer(void **state)
{
    AUTO(json) struct json_t *v = parse("{\"k\":[true]}");
    AUTO(buf) struct buf b = BUF_INIT(1000);
    struct jw w;

    (void)state;
    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "s", "x");
    jw_kstr(&w, "nil", NULL);
    jw_kstr_if(&w, "none", NULL);
    jw_kstr_if(&w, "empty", "");
    jw_kint(&w, "i", INT64_MIN);
    jw_kbool(&w, "t", true);
    jw_karray(&w, "a");
    jw_int(&w, 1);
    jw_array(&w);
    jw_end(&w);
    jw_object(&w);
    jw_end(&w);
    jw_bool(&w, false);
    jw_null(&w);
    jw_raw(&w, str_of("{\"r\":1}"));
    jw_value(&w, v);
    jw_end(&w);
    jw_key(&w, "n");
    jw_strn(&w, (struct str){ "abcdef", 3 });
    jw_end(&w);
    assert_string_equal(buf_text(&b),
                        "{\"s\":\"x\",\"nil\":null,\"i\":-9223372036854775808,\"t\":true,"
                        "\"a\":[1,[],{},false,null,{\"r\":1},{\"k\":[true]}],\"n\":\"abc\"}");
}

static void test_millis(void **state)
{
    static const struct {
        int64_t ms;
        const char *want;
    } rows[] = { { 0, "0" },
                 { 1000, "1" },
                 { 1500, "1.5" },
                 { 1767323045123, "1767323045.123" },
                 { 1767323040000, "1767323040" },
                 { 1, "0.001" },
                 { 10020, "10.02" } };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(buf) struct buf b = BUF_INIT(100);
        struct jw w;

        jw_init(&w, &b);
        jw_millis(&w, rows[i].ms);
        assert_string_equal(buf_text(&b), rows[i].want);
    }
}

static void test_whole_numbers(void **state)
{
    static const struct {
        int64_t v;
        const char *want;
    } rows[] = {
        { 0, "0" },
        { 9, "9" },
        { -1, "-1" },
        { 10, "10" },
        { 4102444800, "4102444800" },
        { INT64_MAX, "9223372036854775807" },
        { INT64_MIN, "-9223372036854775808" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(buf) struct buf b = BUF_INIT(100);
        struct jw w;

        jw_init(&w, &b);
        jw_int(&w, rows[i].v);
        assert_string_equal(buf_text(&b), rows[i].want);
    }
}

static void test_quote(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        { "", "\"\"" },
        { "plain", "\"plain\"" },
        { "a\"b\\c", "\"a\\\"b\\\\c\"" },
        { "\n\t\r\x01\x7F", "\"\\n\\t\\u000d\\u0001\\u007f\"" },
        { "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"" },
        { "a\xFFz", "\"a\xEF\xBF\xBDz\"" },
        { "\xC3", "\"\xEF\xBF\xBD\"" },
        { "\xC0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\"" },                 /* overlong */
        { "\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"" }, /* surrogate */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(buf) struct buf b = BUF_INIT(100);

        json_quote(&b, str_of(rows[i].text));
        assert_string_equal(buf_text(&b), rows[i].want);
    }
}

/* Whatever the bytes, the result is JSON again, and what was valid is kept: jansson, which checks
 * UTF-8 by itself, says what is. */
static void assert_quoted(const char *text, size_t n)
{
    AUTO(buf) struct buf b = BUF_INIT(200);
    AUTO(json) struct json_t *v = NULL, *want = json_stringn(text, n);
    struct err e = { 0 };
    struct str got;

    json_quote(&b, (struct str){ text, n });
    assert_int_equal(json_parse(b.data, b.len, &v, &e), ERR_OK);
    got = jcur_as_bytes(&(struct jcur){ .val = v, .err = &e });
    if (want) {
        assert_int_equal(got.n, n);
        assert_memory_equal(got.p, text, n);
    } else {
        assert_non_null(memmem(got.p, got.n, "\xEF\xBF\xBD", 3));
        assert_true(got.p[0] == 'a' && got.p[got.n - 1] == 'z');
    }
}

static void test_quote_always_parses(void **state)
{
    /* First, last and middle bytes of each length, and their neighbors. */
    static const unsigned char odd[] = { 0x01, 0x7F, '"',  '\\', 'x',  0x80, 0x8F, 0x90, 0x9F,
                                         0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED,
                                         0xEE, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF };
    size_t n = sizeof odd;

    (void)state;
    for (int hi = 0; hi < 256; hi++)
        for (int lo = 0; lo < 256; lo++)
            assert_quoted((const char[]){ 'a', (char)lo, (char)hi, 'z' }, 4);
    for (size_t i = 0; i < n * n * n * n; i++) {
        const char text[] = { 'a',
                              (char)odd[i % n],
                              (char)odd[i / n % n],
                              (char)odd[i / n / n % n],
                              (char)odd[i / n / n / n],
                              'z' };

        assert_quoted(text, sizeof text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_dump),
        cmocka_unit_test(test_getters),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_root_error_has_no_path),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_writer),
        cmocka_unit_test(test_millis),
        cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_quote_always_parses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
