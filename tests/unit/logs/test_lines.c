#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "logs/lines.h"

struct got {
    struct buf text; /* "<stream>@<time>[!]:<text>|" for each event; ! is whole */
    size_t n, longest, total;
    struct mark last;
};

static void on_line(void *user, const struct line *line)
{
    struct got *g = user;

    assert_in_range(line->text.n, 1, LINES_MAX_EVENT);
    g->n++;
    g->total += line->text.n;
    if (line->text.n > g->longest)
        g->longest = line->text.n;
    if (line->whole)
        g->last = line->mark;
    if (line->text.n < 200) {
        buf_printf(&g->text, "%d@%d%s:", line->stream, (int)line->when_ns, line->whole ? "!" : "");
        buf_append(&g->text, line->text.p, line->text.n);
        buf_putc(&g->text, '|');
    }
}

struct feed {
    int stream, when;
    const char *text;
};

static const struct {
    const char *what;
    struct feed feeds[6];
    const char *want;
} cases[] = {
    { "a line", { { 1, 5, "hello\n" } }, "1@5!:hello|" },
    { "two streams", { { 1, 5, "a\n" }, { 2, 6, "b\n" } }, "1@5!:a|2@6!:b|" },
    { "parts join", { { 1, 5, "aa" }, { 1, 5, "bb" }, { 1, 5, "c\n" } }, "1@5!:aabbc|" },
    { "the last part is only a newline", { { 1, 5, "aa" }, { 1, 5, "\n" } }, "1@5!:aa|" },
    { "parts of two streams interleave",
      { { 1, 5, "aa" }, { 2, 5, "xx" }, { 1, 5, "b\n" }, { 2, 5, "y\n" } },
      "1@5!:aab|2@5!:xxy|" },
    { "another time is another line",
      { { 1, 5, "aa" }, { 1, 6, "bb\n" }, { 1, 7, "c" }, { 1, 8, "\n" } },
      "1@5!:aa|1@6!:bb|1@7!:c|" },
    { "equal times are two lines after a newline",
      { { 1, 5, "a\n" }, { 1, 5, "b\n" } },
      "1@5!:a|1@5!:b|" },
    { "an unterminated end", { { 1, 5, "a" }, { 2, 6, "b" } }, "1@5!:a|2@6!:b|" },
    { "carriage return before the newline",
      { { 1, 5, "a\r\n" }, { 1, 6, "a\rb\r\r\n" } },
      "1@5!:a|1@6!:a\rb\r|" },
    { "carriage return and newline in two parts",
      { { 1, 5, "a\r" }, { 1, 5, "\n" }, { 1, 6, "b\r" } },
      "1@5!:a|1@6!:b\r|" },
    { "empty lines", { { 1, 5, "\n" }, { 1, 6, "\r\n" }, { 1, 7, " \n" } }, "1@7!: |" },
    { "lines inside of a frame",
      { { 1, 5, "a\n\nb\nc" }, { 1, 5, "d\n" } },
      "1@5:a|1@5:b|1@5!:cd|" },
    { "good text",
      { { 1, 5, "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\n" } },
      "1@5!:\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80|" },
    { "a character in two parts",
      { { 1, 5, "x\xE2\x82" }, { 1, 5, "\xAC\n" } },
      "1@5!:x\xE2\x82\xAC|" },
    { "invalid bytes",
      { { 1, 5,
          "a\xFF\xFE"
          "b\n" } },
      "1@5!:a\xEF\xBF\xBD\xEF\xBF\xBD"
      "b|" },
    { "a cut character at the end",
      { { 1, 5, "a\xE2\x82\n" }, { 1, 6, "\xF0" } },
      "1@5!:a\xEF\xBF\xBD\xEF\xBF\xBD|1@6!:\xEF\xBF\xBD|" },
    { "overlong, surrogate, too high",
      { { 1, 5, "\xC0\xAF\n" }, { 1, 6, "\xED\xA0\x80\n" }, { 1, 7, "\xF4\x90\x80\x80\n" } },
      "1@5!:\xEF\xBF\xBD\xEF\xBF\xBD|1@6!:\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD|"
      "1@7!:\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD|" },
    { "a lead byte and a letter", { { 1, 5, "\xE2(\xA1\n" } }, "1@5!:\xEF\xBF\xBD(\xEF\xBF\xBD|" },
};

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct got g = { .text = BUF_INIT(4096) };
        struct lines l;
        int64_t n = 0;

        lines_init(&l, on_line, &g);
        for (size_t k = 0; k < 6 && cases[i].feeds[k].text; k++) {
            const struct feed *f = &cases[i].feeds[k];
            struct mark mark = { f->when, ++n };

            lines_feed(&l, f->stream, f->when, str_of(f->text), &mark);
        }
        lines_end(&l);
        assert_false(lines_waiting(&l));
        if (strcmp(buf_text(&g.text), cases[i].want) != 0)
            fail_msg("%s: got %s, not %s", cases[i].what, buf_text(&g.text), cases[i].want);
        buf_fini(&g.text);
        lines_fini(&l);
    }
}

static void nul_bytes_stay(void **state)
{
    struct got g = { .text = BUF_INIT(4096) };
    struct mark mark = { 5, 1 };
    struct lines l;

    (void)state;
    lines_init(&l, on_line, &g);
    lines_feed(&l, 1, 5, (struct str){ "a\0b\n", 4 }, &mark);
    assert_int_equal(g.n, 1);
    assert_int_equal(g.total, 3);
    buf_fini(&g.text);
    lines_fini(&l);
}

/* A line of `n` times `unit`, in frames of 16 KiB and with a last newline. */
static void feed_long(struct lines *l, const char *unit, size_t n, bool frames)
{
    size_t len = n * strlen(unit);
    char *text = mem_alloc(len + 1);
    struct mark mark = { 5, 0 };

    for (size_t i = 0; i < n; i++)
        memcpy(text + i * strlen(unit), unit, strlen(unit));
    text[len++] = '\n';
    for (size_t at = 0; at < len;) {
        size_t size = frames && len - at > 16384 ? 16384 : len - at;

        mark.minor++;
        lines_feed(l, 1, 5, (struct str){ text + at, size }, &mark);
        at += size;
    }
    free(text);
}

static const struct {
    const char *unit;
    size_t n, events, longest, total;
} longs[] = {
    { "x", LINES_MAX_EVENT, 1, LINES_MAX_EVENT, LINES_MAX_EVENT },
    { "x", LINES_MAX_EVENT + 1, 2, LINES_MAX_EVENT, LINES_MAX_EVENT + 1 },
    { "x", 16384, 1, 16384, 16384 },
    { "x", 3 * LINES_MAX_EVENT, 3, LINES_MAX_EVENT, 3 * LINES_MAX_EVENT },
    /* 1,048,550 = 3 x 349,516 + 2 = 4 x 262,137 + 2: never through a character. */
    { "\xE2\x82\xAC", 400000, 2, 1048548, 1200000 },
    { "\xF0\x9F\x98\x80", 600000, 3, 1048548, 2400000 },
    /* Each invalid byte counts three. */
    { "\xFF", 349516, 1, 1048548, 1048548 },
    { "\xFF", 349517, 2, 1048548, 1048551 },
    { "\xFF", 2000000, 6, 1048548, 6000000 },
    { "\xE2", LINES_MAX_EVENT - 1, 4, 1048548, 3 * (LINES_MAX_EVENT - 1) },
};

static void long_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(longs); i++) {
        for (int frames = 0; frames < 2; frames++) {
            struct got g = { .text = BUF_INIT(4096) };
            struct lines l;

            lines_init(&l, on_line, &g);
            feed_long(&l, longs[i].unit, longs[i].n, frames);
            assert_false(lines_waiting(&l));
            assert_int_equal(g.n, longs[i].events);
            assert_int_equal(g.longest, longs[i].longest);
            assert_int_equal(g.total, longs[i].total);
            assert_int_equal(l.n_split, longs[i].events - 1);
            /* Only the last event of a line confirms its frames. */
            assert_int_equal(g.last.minor,
                             frames ? (longs[i].n * strlen(longs[i].unit)) / 16384 + 1 : 1);
            /* The memory of a long line is given back. */
            assert_true(l.parts[0].text.cap + l.clean.cap <= 2 * 65536);
            buf_fini(&g.text);
            lines_fini(&l);
        }
    }
}

/* A line that never ends must not take memory without end. */
static void endless_line(void **state)
{
    static char block[16384];
    struct got g = { .text = BUF_INIT(4096) };
    struct mark mark = { 5, 1 };
    struct lines l;

    (void)state;
    memset(block, 0x80, sizeof block);
    lines_init(&l, on_line, &g);
    for (int i = 0; i < 1000; i++)
        lines_feed(&l, 2, 5, (struct str){ block, sizeof block }, &mark);
    assert_true(lines_waiting(&l));
    assert_true(l.parts[1].text.cap < 2 * LINES_MAX_EVENT);
    assert_int_equal(g.last.minor, 0);
    lines_end(&l);
    assert_int_equal(g.total, 3 * 1000 * sizeof block);
    assert_int_equal(l.n_replaced, 1000 * sizeof block);
    assert_int_equal(g.last.minor, 1);
    buf_fini(&g.text);
    lines_fini(&l);
}

static void on_any_line(void *user, const struct line *line)
{
    struct buf *out = user;

    buf_printf(out, "%d%s:", line->stream, line->whole ? "!" : "");
    buf_append(out, line->text.p, line->text.n);
    buf_putc(out, '|');
}

/* For those who join lines to events, nothing is left out; the end of a line whose parts came one
 * after the other is no line of its own. */
static void empty_lines_kept(void **state)
{
    static const struct feed feeds[] = { { 1, 5, "a\n" },      { 1, 6, "\n" }, { 2, 6, "\r\n" },
                                         { 1, 7, "b\n\nc\n" }, { 1, 8, "dd" }, { 1, 8, "\n" } };
    AUTO(buf) struct buf out = BUF_INIT(1000);
    const struct mark mark = { 0 };
    struct lines l;

    (void)state;
    lines_init(&l, on_any_line, &out);
    l.keep_empty = true;
    for (size_t i = 0; i < COUNT_OF(feeds); i++)
        lines_feed(&l, feeds[i].stream, feeds[i].when, str_of(feeds[i].text), &mark);
    lines_end(&l);
    assert_string_equal(buf_text(&out), "1!:a|1!:|2!:|1:b|1:|1!:c|1!:dd|");
    assert_int_equal(l.n_empty, 0);
    lines_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(nul_bytes_stay),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(endless_line),
        cmocka_unit_test(empty_lines_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
