/* The reader of JSON itself: what it accepts is within its bounds, can be written and read again,
 * and cursors find their way through it. */
#include "fuzz/fuzz.h"

static size_t values, nests;

static void walk(const struct jcur *c, int depth)
{
    struct jcur m = { 0 };

    LAW(depth <= JSON_DEPTH_MAX);
    values++;
    if (jcur_type(c) == JSON_OBJ) {
        nests++;
        for (size_t i = 0; jcur_member(c, i, &m); i++) {
            const struct jcur found = jcur_exact(c, m.key);

            LAW(found.val == m.val);
            LAW(jcur_get(c, m.key).val == (jcur_present(&m) ? m.val : NULL));
            walk(&m, depth + 1);
        }
    } else if (jcur_type(c) == JSON_ARR) {
        nests++;
        JCUR_EACH (item, c)
            walk(&item, depth + 1);
    } else if (jcur_type(c) == JSON_STR) {
        struct str text = jcur_as_bytes(c);

        LAW(str_utf8_prefix(text.p, text.n, text.n) == text.n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(json) struct json_t *v = NULL, *doubles = NULL, *again = NULL;
    AUTO(buf) struct buf text = BUF_INIT((size_t)64 << 20), second = BUF_INIT((size_t)64 << 20);
    struct err e = { 0 };
    struct jcur root;

    if (!json_parse_doubles((const char *)data, size, &doubles, &e))
        LAW(doubles);
    e = (struct err){ 0 };
    if (json_parse((const char *)data, size, &v, &e)) {
        LAW(!v && e.code == ERR_INVALID && *e.msg);
        return 0;
    }
    root = jcur_root(v, &e);
    values = nests = 0;
    walk(&root, 0);
    LAW(!e.code && values <= JSON_VALUES_MAX && nests <= JSON_NESTS_MAX);
    LAW(json_dump(v, &text));
    if (json_parse(buf_text(&text), text.len, &again, &e))
        fprintf(stderr, "%s: %s\n", e.msg, buf_text(&text));
    LAW(again && json_dump(again, &second));
    LAW(text.len == second.len && memcmp(text.data, second.data, text.len) == 0);
    return 0;
}
