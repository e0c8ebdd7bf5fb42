/* logs_store, logs_read and logs_filter: limits, windows, pages, patterns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "logs_read.h"

#define NOW  1767323045000LL
#define HOUR (3600 * 1000LL)
#define DAY  (24 * HOUR)

static struct log_input in(int64_t at, const char *text)
{
    return (struct log_input){ at, str_of(text) };
}

static void names(void **state)
{
    char long_name[514];

    (void)state;
    memset(long_name, 'a', sizeof long_name);
    long_name[513] = '\0';
    assert_true(log_group_name_ok("/ecs/web_1.x-#"));
    assert_false(log_group_name_ok(""));
    assert_false(log_group_name_ok("aws/x"));
    assert_false(log_group_name_ok("a b"));
    assert_false(log_group_name_ok(long_name));
    assert_true(log_group_name_ok(long_name + 1));
    assert_true(log_stream_name_ok("web/app/0123 x"));
    assert_false(log_stream_name_ok("a:b"));
    assert_false(log_stream_name_ok("a*"));
    assert_false(log_stream_name_ok(long_name));
    assert_true(log_retention_ok(3653));
    assert_false(log_retention_ok(8));
}

static void batch_limits(void **state)
{
    struct log_input *many = mem_array(10001, sizeof *many);
    char *big = mem_alloc(LOGS_BATCH_BYTES + 1);
    struct err e;

    (void)state;
    memset(big, 'x', LOGS_BATCH_BYTES);
    for (size_t i = 0; i < 10001; i++)
        many[i] = in(NOW, "x");
    assert_int_equal(log_batch_check(many, 0, &e), ERR_INVALID);
    assert_int_equal(log_batch_check(many, 1, &e), ERR_OK);
    assert_int_equal(log_batch_check(many, 10000, &e), ERR_OK);
    assert_int_equal(log_batch_check(many, 10001, &e), ERR_INVALID);

    many[5] = in(NOW, "");
    assert_int_equal(log_batch_check(many, 6, &e), ERR_INVALID);
    many[5] = in(NOW - 1, "x");
    assert_int_equal(log_batch_check(many, 6, &e), ERR_INVALID);
    assert_non_null(strstr(e.msg, "chronological"));

    many[0].text = (struct str){ big, LOGS_BATCH_BYTES - LOGS_EVENT_EXTRA };
    assert_int_equal(log_batch_check(many, 1, &e), ERR_OK);
    assert_int_equal(log_batch_check(many, 2, &e), ERR_INVALID);
    assert_non_null(strstr(e.msg, "Upload too large"));
    many[0].text.n++;
    assert_int_equal(log_batch_check(many, 1, &e), ERR_INVALID);
    assert_non_null(strstr(e.msg, "Log event too large"));
    free(big);
    free(many);
}

struct world {
    struct log_store store;
    struct log_group *g;
    struct log_stream *st;
};

static void world_init(struct world *w)
{
    *w = (struct world){ 0 };
    w->g = log_group_add(&w->store, "g", NOW);
    w->st = log_stream_add(w->g, "s", NOW);
}

static enum err_code put(struct world *w, const struct log_input *batch, size_t n,
                         struct log_rejects *rj)
{
    struct err e;

    return log_stream_put(&w->store, w->g, w->st, batch, n, NOW, rj, &e);
}

static void window(void **state)
{
    struct log_rejects rj;
    struct world w;
    struct log_input a[] = { in(NOW - 15 * DAY, "too old"), in(NOW - 8 * DAY, "expired"),
                             in(NOW, "good"), in(NOW + 2 * HOUR, "still good"),
                             in(NOW + 2 * HOUR + 1, "too new") };
    struct log_input span[] = { in(NOW - DAY - 1, "a"), in(NOW, "b") };

    (void)state;
    world_init(&w);
    w.g->retention_days = 7;
    assert_int_equal(put(&w, a, 5, &rj), ERR_OK);
    assert_int_equal(rj.too_old_end, 1);
    assert_int_equal(rj.expired_end, 2);
    assert_int_equal(rj.too_new_start, 4);
    assert_int_equal(w.st->count, 2);
    assert_int_equal(put(&w, span, 2, &rj), ERR_INVALID);
    assert_int_equal(w.st->count, 2);
    span[0].at_ms++;
    assert_int_equal(put(&w, span, 2, &rj), ERR_OK);
    assert_int_equal(rj.too_old_end, -1);
    assert_int_equal(w.st->count, 4);
    /* Nothing left of a batch is no failure. */
    assert_int_equal(put(&w, a, 1, &rj), ERR_OK);
    assert_int_equal(w.st->count, 4);
    log_store_fini(&w.store);
}

/* Whatever the order of arrival, events lie by time, equal times by arrival. */
static void order(void **state)
{
    struct log_rejects rj;
    struct world w;

    (void)state;
    world_init(&w);
    for (int64_t round = 0; round < 200; round++) {
        int64_t base = NOW + (round * 7919) % 1000;
        struct log_input batch[] = { in(base, "a"), in(base, "b"), in(base + 50, "c") };

        assert_int_equal(put(&w, batch, 3, &rj), ERR_OK);
    }
    assert_int_equal(w.st->count, 600);
    for (size_t i = 1; i < w.st->count; i++) {
        const struct log_event *x = log_stream_at(w.st, i - 1), *y = log_stream_at(w.st, i);

        assert_true(x->at_ms < y->at_ms || (x->at_ms == y->at_ms && x->seq < y->seq));
    }
    log_store_fini(&w.store);
}

static void memory_is_bounded(void **state)
{
    struct log_rejects rj;
    struct world w;
    char *big = mem_alloc(1000000);
    struct log_input one = { NOW, { big, 1000000 } };

    (void)state;
    memset(big, 'x', 1000000);
    world_init(&w);
    for (int i = 0; i < 70; i++)
        assert_int_equal(put(&w, &one, 1, &rj), ERR_OK);
    assert_true(w.st->bytes <= LOGS_STREAM_BYTES);
    assert_int_equal(w.st->count, 67);
    assert_int_equal(w.store.dropped, 3);
    assert_int_equal(log_stream_at(w.st, 0)->seq, 4);
    log_group_remove(&w.store, w.g);
    assert_int_equal(w.store.bytes, 0);
    free(big);
}

/* ---- pages ---- */

struct got {
    char texts[256];
    char forward[80], backward[80], next[80];
};

static void read_reply(const struct buf *out, struct got *g)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root, events;

    *g = (struct got){ 0 };
    assert_int_equal(json_parse(out->data, out->len, &doc, &e), ERR_OK);
    root = jcur_root(doc, &e);
    events = jcur_arr(&root, "events");
    JCUR_EACH (ev, &events)
        snprintf(g->texts + strlen(g->texts), sizeof g->texts - strlen(g->texts), "%s",
                 jcur_str(&ev, "message"));
    snprintf(g->forward, sizeof g->forward, "%s", jcur_str_or(&root, "nextForwardToken", ""));
    snprintf(g->backward, sizeof g->backward, "%s", jcur_str_or(&root, "nextBackwardToken", ""));
    snprintf(g->next, sizeof g->next, "%s", jcur_str_or(&root, "nextToken", ""));
    assert_int_equal(e.code, ERR_OK);
}

static struct got get(const struct world *w, struct log_range r, bool head)
{
    struct buf out = BUF_INIT(1 << 20);
    struct err e;
    struct got g;

    assert_int_equal(log_read_stream(w->st, &r, head, &out, &e), ERR_OK);
    read_reply(&out, &g);
    buf_fini(&out);
    return g;
}

#define ALL(limit, token)          \
    (struct log_range)             \
    {                              \
        0, INT64_MAX, limit, token \
    }

static void pages(void **state)
{
    struct log_input batch[] = { in(NOW, "a"), in(NOW + 1, "b"), in(NOW + 1, "c"), in(NOW + 2, "d"),
                                 in(NOW + 3, "e") };
    struct log_input late = in(NOW + 4, "f");
    struct log_rejects rj;
    struct world w;
    struct got g, h;
    struct buf out = BUF_INIT(1 << 20);
    struct log_range bad = ALL(2, "f/xyz");
    struct err e;

    (void)state;
    world_init(&w);
    g = get(&w, ALL(2, NULL), true);
    assert_string_equal(g.texts, "");
    assert_int_equal(put(&w, batch, 5, &rj), ERR_OK);
    g = get(&w, ALL(2, g.forward), true);
    assert_string_equal(g.texts, "ab");
    g = get(&w, ALL(2, g.forward), true);
    assert_string_equal(g.texts, "cd");
    h = get(&w, ALL(2, g.backward), true);
    assert_string_equal(h.texts, "ab");
    g = get(&w, ALL(2, g.forward), true);
    assert_string_equal(g.texts, "e");
    h = get(&w, ALL(2, g.forward), true);
    assert_string_equal(h.texts, "");
    assert_string_equal(h.forward, g.forward); /* the end says so */
    g = get(&w, ALL(2, h.backward), true);
    assert_string_equal(g.texts, "de"); /* nothing is lost on the way back */
    assert_int_equal(put(&w, &late, 1, &rj), ERR_OK);
    h = get(&w, ALL(2, h.forward), true);
    assert_string_equal(h.texts, "f");
    assert_string_equal(get(&w, ALL(2, NULL), false).texts, "ef");
    /* The start is inclusive, the end is not. */
    assert_string_equal(get(&w, (struct log_range){ NOW + 1, NOW + 3, 10, NULL }, true).texts,
                        "bcd");
    assert_int_equal(log_read_stream(w.st, &bad, true, &out, &e), ERR_INVALID);
    buf_fini(&out);
    log_store_fini(&w.store);
}

static void filtered_pages(void **state)
{
    struct log_input one[] = { in(NOW, "1 x"), in(NOW + 2, "3 x"), in(NOW + 4, "5") };
    struct log_input two[] = { in(NOW + 1, "2 x"), in(NOW + 3, "4"), in(NOW + 5, "6 x") };
    struct log_stream *both[2];
    struct log_filter *filter;
    struct log_rejects rj;
    struct log_range r = ALL(3, NULL);
    struct buf out = BUF_INIT(1 << 20);
    struct world w;
    struct got g;
    struct err e;

    (void)state;
    world_init(&w);
    both[0] = w.st;
    assert_int_equal(put(&w, one, 3, &rj), ERR_OK);
    both[1] = w.st = log_stream_add(w.g, "t", NOW);
    assert_int_equal(put(&w, two, 3, &rj), ERR_OK);
    assert_int_equal(log_filter_parse("x", &filter, &e), ERR_OK);
    assert_int_equal(log_read_filtered(both, 2, filter, &r, &out, &e), ERR_OK);
    read_reply(&out, &g);
    assert_string_equal(g.texts, "1 x2 x3 x");
    r.token = g.next;
    buf_reset(&out);
    assert_int_equal(log_read_filtered(both, 2, filter, &r, &out, &e), ERR_OK);
    read_reply(&out, &g);
    assert_string_equal(g.texts, "6 x");
    assert_string_equal(g.next, "");
    log_filter_destroy(filter);
    buf_fini(&out);
    log_store_fini(&w.store);
}

static void patterns(void **state)
{
    static const struct {
        const char *pattern, *text;
        int want; /* -1: no pattern */
    } cases[] = {
        { "", "anything", 1 },       { "  ", "anything", 1 },  { "ERROR", "an ERROR", 1 },
        { "ERROR", "an error", 0 },  { "a b", "b then a", 1 }, { "a b", "only a", 0 },
        { "\"a b\"", "x a b y", 1 }, { "\"a b\"", "b a", 0 },  { "\"a \\\" b\"", "a \" b", 1 },
        { "a -b", "a c", 1 },        { "a -b", "a b", 0 },     { "?a ?b", "xbx", 1 },
        { "?a ?b", "xyz", 0 },       { "c ?a", "c", 1 },       { "-\"a b\"", "a b", 0 },
        { "{ $.a = 1 }", "", -1 },   { "[a, b]", "", -1 },     { "%re%", "", -1 },
        { "\"open", "", -1 },        { "\"\"", "", -1 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct log_filter *f = NULL;
        struct err e;
        enum err_code code = log_filter_parse(cases[i].pattern, &f, &e);

        assert_int_equal(code != ERR_OK, cases[i].want < 0);
        if (!code && log_filter_match(f, str_of(cases[i].text)) != (cases[i].want == 1))
            fail_msg("'%s' on '%s'", cases[i].pattern, cases[i].text);
        log_filter_destroy(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(batch_limits),
        cmocka_unit_test(window),
        cmocka_unit_test(order),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(pages),
        cmocka_unit_test(filtered_pages),
        cmocka_unit_test(patterns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
