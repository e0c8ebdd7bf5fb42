#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "logs/multiline.h"

static struct {
    struct buf log; /* "o@5:text|" for each event: stream, time */
    int64_t minor[2];
    bool whole[2];
    size_t n;
} told;

static void on_event(void *user, const struct line *line)
{
    (void)user;
    buf_printf(&told.log, "%c@%lld:", line->stream == 1 ? 'o' : 'e', (long long)line->when_ns);
    buf_append(&told.log, line->text.p, line->text.n);
    buf_putc(&told.log, '|');
    told.minor[line->stream - 1] = line->mark.minor;
    told.whole[line->stream - 1] = line->whole;
    told.n++;
}

struct fixture {
    struct pattern *pattern;
    struct multiline *m;
    int64_t n; /* lines fed */
};

static void begin(struct fixture *f, const char *pattern)
{
    struct err e = { 0 };

    buf_init(&told.log, 16 << 20);
    told.n = 0;
    *f = (struct fixture){ 0 };
    assert_int_equal(pattern_compile(pattern, &f->pattern, &e), ERR_OK);
    f->m = multiline_create(f->pattern, on_event, NULL);
}

static void end(struct fixture *f)
{
    multiline_destroy(f->m);
    pattern_destroy(f->pattern);
    buf_fini(&told.log);
}

static void feed(struct fixture *f, int stream, struct str text, int64_t now_ms)
{
    const struct line line = {
        .stream = stream, .when_ns = ++f->n, .text = text, .whole = true, .mark = { 7, f->n }
    };

    multiline_feed(f->m, &line, now_ms);
}

static void out(struct fixture *f, const char *text)
{
    feed(f, 1, str_of(text), 0);
}

static void expect(const char *text)
{
    assert_string_equal(buf_text(&told.log), text);
    buf_reset(&told.log);
}

static void joins(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, "^\\S");
    out(&f, "  tail"); /* of what nobody saw begin */
    out(&f, "one");
    expect("o@1:  tail\n|");
    out(&f, "  a");
    out(&f, "");
    out(&f, "  b");
    expect("");
    out(&f, "two");
    expect("o@2:one\n  a\n\n  b\n|");
    assert_int_equal(told.minor[0], 5); /* of its last line */
    out(&f, "three");
    expect("o@6:two\n|");
    multiline_end(f.m);
    expect("o@7:three\n|");
    multiline_end(f.m);
    expect("");
    assert_int_equal(multiline_gave_up(f.m), 0);
    end(&f);
}

static void streams_apart(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, "^\\S");
    out(&f, "o");
    feed(&f, 2, str_of("e"), 0);
    out(&f, " o2");
    feed(&f, 2, str_of(" e2"), 0);
    feed(&f, 2, str_of("E"), 0);
    expect("e@2:e\n e2\n|");
    assert_int_equal(told.minor[1], 4);
    multiline_end(f.m); /* the earlier first */
    expect("o@1:o\n o2\n|e@5:E\n|");
    feed(&f, 2, str_of("e"), 0);
    out(&f, "o");
    multiline_end(f.m);
    expect("e@6:e\n|o@7:o\n|");
    end(&f);
}

static void patience(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, "^\\S");
    assert_int_equal(multiline_flush(f.m, 0, 1000), -1);
    feed(&f, 1, str_of("one"), 100);
    feed(&f, 1, str_of(" a"), 900); /* does not make it younger */
    feed(&f, 2, str_of("err"), 600);
    assert_int_equal(multiline_flush(f.m, 1099, 1000), 1100);
    expect("");
    assert_int_equal(multiline_flush(f.m, 1100, 1000), 1600);
    expect("o@1:one\n a\n|");
    feed(&f, 1, str_of(" late"), 1200); /* an event of its own, with its own time */
    assert_int_equal(multiline_flush(f.m, 1600, 1000), 2200);
    expect("e@3:err\n|");
    assert_int_equal(multiline_flush(f.m, 9999, 1000), -1);
    expect("o@4: late\n|");
    end(&f);
}

/* What would not fit is an event of its own; the whole text comes out, in order. */
static void bounded(void **state)
{
    static const size_t sizes[] = { 1000000,         48548, 1,
                                    1000000,         48549, 5,
                                    LINES_MAX_EVENT, 3,     LINES_MAX_EVENT - 1 };
    AUTO(str) char *text = mem_alloc(LINES_MAX_EVENT + 1);
    struct fixture f;
    size_t all = 0;

    (void)state;
    begin(&f, "^NEVER");
    memset(text, 'x', LINES_MAX_EVENT);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        feed(&f, 1, (struct str){ text, sizes[i] }, 0);
        all += sizes[i];
    }
    multiline_end(f.m);
    assert_int_equal(told.n, 6);
    for (const char *p = buf_text(&told.log); *p; p = strchr(p, '|') + 1) {
        size_t n = (size_t)(strchr(p, '|') - strchr(p, ':') - 1);

        assert_true(n <= LINES_MAX_EVENT);
        for (const char *c = strchr(p, ':'); *c != '|'; c++)
            all -= *c == 'x';
    }
    assert_int_equal(all, 0);
    /* The longest line leaves no room for its newline. */
    assert_non_null(strstr(buf_text(&told.log), "x|o@8:xxx\n|o@9:"));
    assert_true(str_ends(buf_text(&told.log), "x\n|"));
    end(&f);
}

/* A part of a line does not confirm its frame. */
static void parts(void **state)
{
    const struct line part = { .stream = 1, .when_ns = 1, .text = { "abc", 3 }, .mark = { 1, 9 } };
    struct fixture f;

    (void)state;
    begin(&f, "^\\S");
    multiline_feed(f.m, &part, 0);
    multiline_end(f.m);
    assert_false(told.whole[0]);
    out(&f, "x");
    multiline_end(f.m);
    assert_true(told.whole[0]);
    end(&f);
}

static void hostile(void **state)
{
    AUTO(str) char *text = mem_alloc(PATTERN_LINE_MAX + 1);
    struct fixture f;

    (void)state;
    begin(&f, "^(a+)+$");
    memset(text, 'a', PATTERN_LINE_MAX);
    text[PATTERN_LINE_MAX - 1] = 'b';
    for (int i = 0; i < 3; i++)
        out(&f, text);
    assert_int_equal(multiline_gave_up(f.m), 3);
    assert_int_equal(told.n, 0); /* no match: they go on with the event */
    multiline_end(f.m);
    assert_int_equal(told.n, 1);
    out(&f, "waits");
    end(&f); /* untold */
    multiline_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins),   cmocka_unit_test(streams_apart), cmocka_unit_test(patience),
        cmocka_unit_test(bounded), cmocka_unit_test(parts),         cmocka_unit_test(hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
