#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "logs/batch.h"

#define DAY BATCH_MAX_SPAN_MS

static const struct {
    const char *what;
    int64_t times[4]; /* -1 ends */
    enum batch_fit fits[4];
    int64_t last;
} cases[] = {
    { "ascending", { 1000, 1001, 1001, -1 }, { BATCH_ADDED, BATCH_ADDED, BATCH_ADDED }, 1001 },
    { "a little backward is clamped",
      { 5000, 4000, 5001, -1 },
      { BATCH_ADDED, BATCH_CLAMPED, BATCH_ADDED },
      5001 },
    { "far backward is for another batch", { 5000, 3999, -1 }, { BATCH_ADDED, BATCH_FULL }, 5000 },
    { "a whole day", { 7, 7 + DAY, -1 }, { BATCH_ADDED, BATCH_ADDED }, 7 + DAY },
    { "more than a day", { 7, 8 + DAY, 8, -1 }, { BATCH_ADDED, BATCH_FULL, BATCH_ADDED }, 8 },
    { "the epoch", { 0, 0, -1 }, { BATCH_ADDED, BATCH_ADDED }, 0 },
};

static void times(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct batch *b = batch_create(0, "g", "s");

        for (size_t k = 0; k < 4 && cases[i].times[k] >= 0; k++) {
            if (batch_add(b, cases[i].times[k], str_of("x")) != cases[i].fits[k])
                fail_msg("%s: event %zu", cases[i].what, k);
        }
        assert_int_equal(b->last_ms, cases[i].last);
        batch_destroy(b);
    }
}

static void counts(void **state)
{
    struct batch *b = batch_create(0, "g", "s");

    (void)state;
    for (int i = 0; i < BATCH_MAX_EVENTS; i++)
        assert_int_equal(batch_add(b, i, str_of("x")), BATCH_ADDED);
    assert_int_equal(batch_add(b, BATCH_MAX_EVENTS, str_of("x")), BATCH_FULL);
    assert_int_equal(b->n, BATCH_MAX_EVENTS);
    assert_int_equal(b->bytes, BATCH_MAX_EVENTS * 27);
    batch_destroy(b);
}

static void bytes(void **state)
{
    /* Two events of `first` and `second` bytes. */
    static const struct {
        size_t first, second;
        enum batch_fit fit_first, fit_second;
    } rows[] = {
        { BATCH_MAX_BYTES - 26, 1, BATCH_ADDED, BATCH_FULL },
        { BATCH_MAX_BYTES - 25, 1, BATCH_NEVER, BATCH_ADDED },
        { 0, 1, BATCH_NEVER, BATCH_ADDED },
        { BATCH_MAX_BYTES - 53, 1, BATCH_ADDED, BATCH_ADDED },
        { BATCH_MAX_BYTES - 52, 1, BATCH_ADDED, BATCH_FULL },
    };
    char *text = mem_alloc(BATCH_MAX_BYTES);

    (void)state;
    memset(text, 1, BATCH_MAX_BYTES); /* six bytes each in JSON, one for the limit */
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct batch *b = batch_create(0, "g", "s");
        struct buf body = BUF_INIT(BATCH_MAX_BODY);

        assert_int_equal(batch_add(b, 5, (struct str){ text, rows[i].first }), rows[i].fit_first);
        assert_int_equal(batch_add(b, 5, (struct str){ text, rows[i].second }), rows[i].fit_second);
        assert_true(batch_body(b, &body).n > 0);
        assert_false(body.overflowed || b->json.overflowed);
        buf_fini(&body);
        batch_destroy(b);
    }
    free(text);
}

static void age(void **state)
{
    struct batch *b = batch_create(100, "g", "s");

    (void)state;
    assert_false(batch_due(b, 100000, 1000)); /* nothing in it */
    assert_int_equal(batch_add(b, 5, str_of("x")), BATCH_ADDED);
    assert_false(batch_due(b, 1099, 1000));
    assert_true(batch_due(b, 1100, 1000));
    batch_destroy(b);
}

static void body(void **state)
{
    struct batch *b = batch_create(0, "/a\"b", "c/d");
    struct buf out = BUF_INIT(BATCH_MAX_BODY);
    struct str with_nul = { "\0\x7f", 2 };

    (void)state;
    assert_int_equal(batch_add(b, 7, str_of("\"\\\n\t\x1b{}")), BATCH_ADDED);
    assert_int_equal(batch_add(b, 8, with_nul), BATCH_ADDED);
    assert_int_equal(batch_add(b, 1000000, str_of("\xE2\x82\xAC")), BATCH_ADDED);
    assert_text(batch_body(b, &out),
                "{\"logGroupName\":\"/a\\\"b\",\"logStreamName\":\"c/d\",\"logEvents\":["
                "{\"timestamp\":7,\"message\":\"\\\"\\\\\\n\\t\\u001b{}\"},"
                "{\"timestamp\":8,\"message\":\"\\u0000\\u007f\"},"
                "{\"timestamp\":1000000,\"message\":\"\xE2\x82\xAC\"}]}");
    buf_fini(&out);
    batch_destroy(b);

    b = batch_create(0, "g", "s");
    assert_int_equal(batch_add(b, 1767323045120, str_of("x")), BATCH_ADDED);
    assert_text(batch_body(b, &out),
                "{\"logGroupName\":\"g\",\"logStreamName\":\"s\",\"logEvents\":["
                "{\"timestamp\":1767323045120,\"message\":\"x\"}]}");
    buf_fini(&out);
    batch_destroy(b);
    b = batch_create(0, "g", "s");
    assert_int_equal(batch_add(b, 0, str_of("x")), BATCH_ADDED);
    assert_non_null(strstr(batch_body(b, &out).p, "{\"timestamp\":0,\"message\":\"x\"}"));
    buf_fini(&out);
    batch_destroy(b);
}

/* The events of the next request, by number. */
static size_t numbers(struct batch *b, int64_t *out)
{
    struct buf text = BUF_INIT(BATCH_MAX_BODY);
    struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root, events;
    struct str body;
    size_t n = 0;

    body = batch_body(b, &text);
    assert_int_equal(json_parse(body.p, body.n, &doc, &e), ERR_OK);
    root = jcur_root(doc, &e);
    events = jcur_arr(&root, "logEvents");
    JCUR_EACH (item, &events)
        out[n++] = jcur_int(&item, "timestamp", 0, INT64_MAX);
    assert_int_equal(e.code, ERR_OK);
    json_free(doc);
    buf_fini(&text);
    return n;
}

/* A service that refuses requests with a bad event in them. Each good event must
 * arrive once, in order; each bad one be dropped; and all in few requests. */
static void bisect_case(size_t n, const char *bad)
{
    static int64_t numbers_of[256];
    struct batch *b = batch_create(0, "g", "s");
    size_t stored = 0, dropped = 0, requests = 0, n_bad = 0;
    int64_t before = -1;
    bool through = false;

    for (size_t i = 0; i < n; i++) {
        n_bad += bad[i % strlen(bad)] == 'x';
        assert_int_equal(batch_add(b, (int64_t)i, str_of("text")), BATCH_ADDED);
    }
    while (!through) {
        size_t in = numbers(b, numbers_of);
        bool refuse = false, gone = false;

        assert_in_range(in, 1, n);
        assert_true(++requests < 40 * (n_bad + 2));
        for (size_t i = 0; i < in; i++)
            refuse |= bad[(size_t)numbers_of[i] % strlen(bad)] == 'x';
        if (refuse) {
            through = batch_refused(b, &gone);
            dropped += gone;
            continue;
        }
        for (size_t i = 0; i < in; i++) {
            assert_true(numbers_of[i] > before);
            before = numbers_of[i];
        }
        stored += in;
        through = batch_accepted(b);
    }
    assert_int_equal(dropped, n_bad);
    assert_int_equal(stored, n - n_bad);
    batch_destroy(b);
}

static void bisect(void **state)
{
    static const char *const patterns[] = { ".", "x", "x.", ".x", "..x....", "xx......x" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        for (size_t n = 1; n < 40; n++)
            bisect_case(n, patterns[i]);
        bisect_case(200, patterns[i]);
    }
}

/* A text that is escaped already is the same event. */
static void escaped(void **state)
{
    struct batch *a = batch_create(0, "g", "s"), *b = batch_create(0, "g", "s");
    struct buf x = BUF_INIT(BATCH_MAX_BODY), y = BUF_INIT(BATCH_MAX_BODY);
    char *text = mem_alloc(BATCH_MAX_BYTES);
    struct str body;

    (void)state;
    memset(text, 'x', BATCH_MAX_BYTES);
    assert_int_equal(batch_add(a, 7, str_of("say \"hi\"\t")), BATCH_ADDED);
    assert_int_equal(batch_add_escaped(b, 7, str_of("say \\\"hi\\\"\\t"), 9), BATCH_ADDED);
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(batch_add(a, 6, str_of("y")), BATCH_CLAMPED);
    assert_int_equal(batch_add_escaped(b, 6, str_of("y"), 1), BATCH_CLAMPED);
    body = batch_body(b, &y);
    assert_text(batch_body(a, &x), body.p);
    assert_int_equal(batch_add_escaped(b, 7, str_of(""), 0), BATCH_NEVER);
    assert_int_equal(
        batch_add_escaped(b, 7, (struct str){ text, BATCH_MAX_BYTES - 25 }, BATCH_MAX_BYTES - 25),
        BATCH_NEVER);
    assert_int_equal(
        batch_add_escaped(b, 7, (struct str){ text, BATCH_MAX_BYTES - 26 }, BATCH_MAX_BYTES - 26),
        BATCH_FULL);
    free(text);
    batch_destroy(a);
    batch_destroy(b);
}

static struct batch *of(const char *texts)
{
    struct batch *b = batch_create(0, "g", "s");

    for (size_t i = 0; texts[i]; i++)
        assert_int_equal(batch_add(b, (int64_t)(i / 2), (struct str){ texts + i, 1 }), BATCH_ADDED);
    return b;
}

/* Each letter is an event, two of them a millisecond. */
static const struct {
    const char *ours, *stored, *left;
} trims[] = {
    { "abcdef", "", "abcdef" }, { "abcdef", "abcdef", "" },       { "abcdef", "abc", "def" },
    { "abcdef", "badc", "ef" }, { "aaaa", "a.", "aaa" },          { "aaaa", "aaa.", "a" },
    { "abab", "..ab", "ab" },   { "abcdef", "xyabzw", "abcdef" }, { "a\nb\"", "a\n.\"", "b" },
};

static void trim(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(trims); i++) {
        struct batch *b = of(trims[i].ours), *want = of("");
        struct batch_event stored[16];
        struct buf x = BUF_INIT(BATCH_MAX_BODY);
        size_t n = 0, had = b->n, left = strlen(trims[i].left);

        print_message("%s - %s\n", trims[i].ours, trims[i].stored);
        for (size_t k = 0; trims[i].stored[k]; k++)
            if (trims[i].stored[k] != '.')
                stored[n++] = (struct batch_event){ (int64_t)(k / 2), { trims[i].stored + k, 1 } };
        assert_int_equal(batch_trim(b, stored, n, -1, 0), had - left);
        assert_int_equal(b->n, left);
        assert_int_equal(b->bytes, left * 27);
        if (left) {
            struct json_t *doc = NULL;
            struct err e = { 0 };
            struct str body = batch_body(b, &x);
            struct jcur root, events;
            size_t k = 0;

            assert_int_equal(json_parse(body.p, body.n, &doc, &e), ERR_OK);
            root = jcur_root(doc, &e);
            events = jcur_arr(&root, "logEvents");
            JCUR_EACH (item, &events)
                assert_int_equal(jcur_str(&item, "message")[0], trims[i].left[k++]);
            assert_int_equal(k, left);
            json_free(doc);
        }
        assert_int_equal(batch_add(b, 100, str_of("more")), BATCH_ADDED);
        buf_fini(&x);
        batch_destroy(b);
        batch_destroy(want);
    }
}

/* In the millisecond in which what came before ended, equal texts are not surely ours. */
static void trim_at_the_seam(void **state)
{
    static const struct {
        const char *ours, *stored;
        int64_t before_ms, before_n;
        size_t left;
    } rows[] = {
        { "aabb", "aa", 0, 0, 4 },       /* those are of the batch before */
        { "aabb", "aabb", 0, 0, 0 },     /* ours were sent too */
        { "aabb", "aab", 0, 0, 1 },      /* up to there */
        { "aabb", "aabb", 1, 0, 4 },     /* nothing tells */
        { "aabb", "aa", -1, 0, 2 },      /* nothing came before at that time */
        { "aabbcc", "aa..cc", 0, 0, 4 }, /* another request, later */
        { "aabb", "aa", 0, 2, 4 },       /* those before, it is known */
        { "aabb", "aa", 0, 1, 3 },       /* one before, one of ours */
        { "aabb", "ax", 0, 1, 3 },       /* whichever it is */
        { "aabb", "a", 0, 1, 4 },        /* that one before */
        { "aabb", "aabb", 1, 1, 3 },     /* of the time before that nothing is known */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct batch *b = of(rows[i].ours);
        struct batch_event stored[16];
        size_t n = 0;

        for (size_t k = 0; rows[i].stored[k]; k++)
            if (rows[i].stored[k] != '.')
                stored[n++] = (struct batch_event){ (int64_t)(k / 2), { rows[i].stored + k, 1 } };
        print_message("%s - %s\n", rows[i].ours, rows[i].stored);
        assert_int_equal(batch_trim(b, stored, n, rows[i].before_ms, rows[i].before_n),
                         strlen(rows[i].ours) - rows[i].left);
        assert_int_equal(b->n, rows[i].left);
        batch_destroy(b);
    }
}

/* Half of it is through: those stand for what is stored of them, and go without being counted. */
static void trim_in_the_middle(void **state)
{
    struct batch *b = of("aaaaef");
    const struct batch_event stored[] = {
        { 0, { "a", 1 } }, { 0, { "a", 1 } }, { 1, { "a", 1 } }, { 2, { "e", 1 } }
    };
    bool dropped;

    (void)state;
    assert_false(batch_refused(b, &dropped));
    assert_false(batch_accepted(b));
    assert_int_equal(b->from, 3);
    assert_int_equal(batch_trim(b, stored, COUNT_OF(stored), -1, 0), 1);
    assert_int_equal(b->n, 2); /* the fourth and the last */
    assert_int_equal(b->from, 0);
    assert_int_equal(b->span, 2);
    assert_int_equal(b->bytes, 2 * 27);
    batch_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times),
        cmocka_unit_test(counts),
        cmocka_unit_test(bytes),
        cmocka_unit_test(age),
        cmocka_unit_test(body),
        cmocka_unit_test(bisect),
        cmocka_unit_test(escaped),
        cmocka_unit_test(trim),
        cmocka_unit_test(trim_at_the_seam),
        cmocka_unit_test(trim_in_the_middle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
