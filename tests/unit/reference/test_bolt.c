#include "unit/reference/fixture.h"

#include "reference/bolt.h"

static struct str trees; /* as bbolt wrote it */

struct seen {
    size_t rows, bytes;
    char first[64], last[64];
    enum err_code answer; /* of each row */
};

static enum err_code on_row(void *user, struct str key, struct str value, struct err *e)
{
    struct seen *s = user;
    char *to = s->rows ? s->last : s->first;

    snprintf(to, sizeof s->first, "%.*s=%.*s", (int)key.n, key.p,
             (int)(value.n < 20 ? value.n : 20), value.p);
    s->rows++;
    s->bytes += value.n;
    return s->answer ? err_set(e, s->answer, "enough") : ERR_OK;
}

static enum err_code each(struct str file, const char *bucket, struct seen *s, struct err *e)
{
    struct bolt b;

    *s = (struct seen){ .answer = s->answer };
    *e = (struct err){ 0 };
    return bolt_open(file, &b, e) ? e->code : bolt_each(&b, bucket, on_row, s, e);
}

/* A copy with room for nothing behind its end, so that reading there is seen. */
static struct str copy_of(struct str file, size_t n)
{
    char *bytes = mem_array(n ? n : 1, 1);

    memcpy(bytes, file.p, n);
    return (struct str){ bytes, n };
}

static void put(struct str file, size_t at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        ((char *)file.p)[at + (size_t)i] = (char)(value >> 8 * i);
}

static uint64_t get(struct str file, size_t at, int bytes)
{
    uint64_t v = 0;

    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | (unsigned char)file.p[at + (size_t)i];
    return v;
}

/* ---- what bbolt wrote ---- */

static void test_reads_what_bbolt_wrote(void **state)
{
    static const struct {
        const char *bucket;
        size_t rows, bytes;
        const char *first, *last;
    } cases[] = {
        { "many", 280, 0, "key-00000=value 0 ", "key-00299=value 299 value 299 " },
        { "large", 3, 8100, "a=xxxxxxxxxxxxxxxxxxxx", "c=zzzzzzzzzzzzzzzzzzzz" },
        { "small", 2, 2, "one=1", "two=2" },
        { "empty", 0, 0, "", "" },
    };
    struct seen s = { 0 };
    struct err e;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(each(trees, cases[i].bucket, &s, &e), ERR_OK);
        assert_int_equal(s.rows, cases[i].rows);
        if (cases[i].bytes)
            assert_int_equal(s.bytes, cases[i].bytes);
        assert_string_equal(s.first, cases[i].first);
        assert_string_equal(s.last, cases[i].last);
    }
    assert_int_equal(each(trees, "absent", &s, &e), ERR_NOT_FOUND);
    assert_string_equal(e.msg, "it has no bucket 'absent'");
}

static void test_stops_when_told(void **state)
{
    struct seen s = { .answer = ERR_LIMIT };
    struct err e;

    (void)state;
    assert_int_equal(each(trees, "many", &s, &e), ERR_LIMIT);
    assert_string_equal(e.msg, "enough");
    assert_int_equal(s.rows, 1);
}

/* ---- the two heads ---- */

enum { PAGE = 1024, META_TXID = 16 + 48, META_SUM = 16 + 56, META_ROOT = 16 + 16 };

/* The later of the two, or the other. */
static size_t head_of(bool later)
{
    bool second = get(trees, PAGE + META_TXID, 8) > get(trees, META_TXID, 8);

    return second == later ? PAGE : 0;
}

static void test_a_head_that_is_damaged_does_not_count(void **state)
{
    struct seen s = { 0 };
    struct err e;

    (void)state;
    for (int which = 0; which < 2; which++) {
        struct str file = copy_of(trees, trees.n);

        put(file, head_of(which == 0) + META_SUM, 0, 8);
        /* The commit before was the one before the deletions. */
        assert_int_equal(each(file, "many", &s, &e), ERR_OK);
        assert_int_equal(s.rows, which == 0 ? 300 : 280);
        free((char *)file.p);
    }
}

static void test_without_heads_it_is_none(void **state)
{
    struct str file = copy_of(trees, trees.n);
    struct seen s = { 0 };
    struct err e;

    (void)state;
    put(file, META_SUM, 0, 8);
    put(file, PAGE + META_SUM, 0, 8);
    assert_int_equal(each(file, "many", &s, &e), ERR_INVALID);
    assert_string_equal(e.msg, "it is no database of bbolt, or its head is damaged");
    free((char *)file.p);
    assert_int_equal(each((struct str){ "", 0 }, "many", &s, &e), ERR_INVALID);
    assert_int_equal(each(str_of("SQLite format 3"), "many", &s, &e), ERR_INVALID);
}

/* ---- what somebody has made of it ---- */

/* The sum of a head, after it was changed. */
static void sum(struct str file, size_t head)
{
    uint64_t v = 14695981039346656037u;

    for (size_t i = head + 16; i < head + META_SUM; i++)
        v = (v ^ (unsigned char)file.p[i]) * 1099511628211u;
    put(file, head + META_SUM, v, 8);
}

/* The first page of that kind that the later commit uses in "many": its place in the file. */
static size_t page_of_many(bool leaf)
{
    size_t root = (size_t)get(trees, head_of(true) + META_ROOT, 8) * PAGE, many = 0;

    for (size_t i = 0; i < get(trees, root + 10, 2); i++) {
        size_t el = root + 16 + 16 * i, key = el + (size_t)get(trees, el + 4, 4);

        if (memcmp(trees.p + key, "many", 4) == 0)
            many = (size_t)get(trees, key + get(trees, el + 8, 4), 8) * PAGE;
    }
    while (leaf && get(trees, many + 8, 2) == 1)
        many = (size_t)get(trees, many + 16 + 8, 8) * PAGE;
    return many;
}

static void test_no_place_is_believed(void **state)
{
    size_t branch = page_of_many(false), leaf = page_of_many(true);
    uint64_t first_value = 16 + get(trees, leaf + 16 + 4, 4) + get(trees, leaf + 16 + 8, 4);
    const struct {
        size_t at;
        uint64_t value;
        int bytes;
        const char *says;
    } cases[] = {
        { branch + 16 + 8, branch / PAGE, 8, "is used twice" }, /* a circle */
        { branch + 32 + 8, leaf / PAGE, 8, "is used twice" },   /* one child twice */
        { branch + 16 + 8, 0, 8, "is no page of this file" },   /* the head */
        { branch + 16 + 8, UINT64_MAX, 8, "is no page of this file" },
        { branch + 16 + 8, trees.n / PAGE, 8, "is no page of this file" },
        { branch + 10, 0xFFFF, 2, "has more keys than fit" },
        { branch + 16, 0xFFFFFFFF, 4, "outside of it" },
        { branch + 16 + 4, 0xFFFFFFFF, 4, "outside of it" },
        { branch + 16 + 4, 0, 4, "has an empty key" },
        { leaf, 7, 8, "has another one's number" },
        { leaf + 8, 16, 2, "holds no keys" },
        { leaf + 8, 3, 2, "holds no keys" },
        { leaf + 12, 0xFFFFFFFF, 4, "goes on behind the end of the file" },
        { leaf + 12, trees.n / PAGE - leaf / PAGE - 1, 4, "is used twice" }, /* all the others */
        { leaf + 16 + 4, 0xFFFFFFF0, 4, "outside of it" },
        { leaf + 16 + 8, 0xFFFFFFFF, 4, "outside of it" },
        { leaf + 16 + 12, 0xFFFFFFFF, 4, "outside of it" },
        { leaf + 16 + 12, PAGE, 4, "outside of it" },
        { leaf + 16 + 12, PAGE - first_value + 1, 4, "outside of it" },
        { leaf + 16 + 12, PAGE - first_value, 4, "holds some of its bytes twice" },
        { leaf + 10, 0, 2, NULL }, /* fewer keys are no harm */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str file = copy_of(trees, trees.n);
        struct seen s = { 0 };
        struct err e;

        put(file, cases[i].at, cases[i].value, cases[i].bytes);
        if (!cases[i].says)
            assert_int_equal(each(file, "many", &s, &e), ERR_OK);
        else if (each(file, "many", &s, &e) != ERR_INVALID || !strstr(e.msg, cases[i].says))
            fail_msg("case %zu: '%s', not '%s'", i, e.msg, cases[i].says);
        free((char *)file.p);
    }
}

static void test_keys_are_in_order(void **state)
{
    size_t leaf = page_of_many(true), el = leaf + 16;
    struct str file = copy_of(trees, trees.n);
    struct seen s = { 0 };
    struct err e;

    (void)state;
    ((char *)file.p)[el + get(file, el + 4, 4)] = 'z';
    assert_int_equal(each(file, "many", &s, &e), ERR_INVALID);
    assert_non_null(strstr(e.msg, "has its keys out of order"));
    free((char *)file.p);
}

static void test_a_file_that_is_cut_short(void **state)
{
    struct seen s = { 0 };
    struct err e;

    (void)state;
    for (size_t n = 0; n < trees.n; n += 509) {
        struct str file = copy_of(trees, n);

        assert_int_equal(each(file, "many", &s, &e), n < 62 * PAGE ? ERR_INVALID : ERR_OK);
        free((char *)file.p);
    }
}

/* A chain of branches with one child each, longer than any tree that bbolt makes. */
static void test_no_tree_is_too_deep(void **state)
{
    enum { PAGES = 100 };
    struct str file = { mem_array(PAGES, PAGE), PAGES * PAGE };
    struct seen s = { 0 };
    struct err e;

    (void)state;
    memcpy((char *)file.p, trees.p, 2 * PAGE);
    for (size_t i = 2; i < PAGES; i++) {
        put(file, i * PAGE, i, 8);
        put(file, i * PAGE + 8, 1, 2);
        put(file, i * PAGE + 10, 1, 2);
        put(file, i * PAGE + 16, 16, 4);
        put(file, i * PAGE + 20, 1, 4);
        put(file, i * PAGE + 24, i + 1, 8);
    }
    put(file, head_of(true) + META_ROOT, 2, 8);
    put(file, head_of(true) + 16 + 40, PAGES, 8);
    sum(file, head_of(true));
    assert_int_equal(each(file, "many", &s, &e), ERR_INVALID);
    assert_non_null(strstr(e.msg, "lies too deep"));
    free((char *)file.p);
}

static void test_page_sizes(void **state)
{
    static const uint32_t wrong[] = { 0, 1, 256, 1000, 1025, 32u << 20, UINT32_MAX };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct str file = copy_of(trees, trees.n);
        struct seen s = { 0 };
        struct err e;

        for (size_t head = 0; head <= PAGE; head += PAGE) {
            put(file, head + 24, wrong[i], 4);
            sum(file, head);
        }
        assert_int_equal(each(file, "many", &s, &e), ERR_INVALID);
        free((char *)file.p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_what_bbolt_wrote),
        cmocka_unit_test(test_stops_when_told),
        cmocka_unit_test(test_a_head_that_is_damaged_does_not_count),
        cmocka_unit_test(test_without_heads_it_is_none),
        cmocka_unit_test(test_no_place_is_believed),
        cmocka_unit_test(test_keys_are_in_order),
        cmocka_unit_test(test_a_file_that_is_cut_short),
        cmocka_unit_test(test_no_tree_is_too_deep),
        cmocka_unit_test(test_page_sizes),
    };
    int failed;

    trees = read_file("trees.db");
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    free((char *)trees.p);
    return failed;
}
