#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "docker/stream.h"

#define STAMP   "2026-01-02T03:04:05.000000006Z "
#define WHEN    1767323045000000006LL
#define STAMP_2 "2026-01-02T03:04:05.500000000Z "
#define WHEN_2  1767323045500000000LL

/* ---- what a sink saw ---- */

struct seen {
    struct buf text; /* "1@<when>:<length>:<text>|" for each frame, the text up to 40 bytes */
    size_t frames, bytes, longest;
    size_t stop_after; /* 0: never */
};

static bool on_frame(void *user, int stream, int64_t when_ns, struct str text)
{
    struct seen *s = user;

    s->frames++;
    s->bytes += text.n;
    s->longest = text.n > s->longest ? text.n : s->longest;
    buf_printf(&s->text, "%d@%lld:%.*s|", stream, (long long)when_ns,
               (int)(text.n < 40 ? text.n : 40), text.p);
    return s->frames != s->stop_after;
}

static bool on_line(void *user, struct str line)
{
    return on_frame(user, 0, 0, line);
}

static void put_frame(struct buf *b, int stream, const char *text, size_t n)
{
    unsigned char h[8] = { (unsigned char)stream,    0, 0, 0, (unsigned char)(n >> 24),
                           (unsigned char)(n >> 16), 0, 0 };

    h[6] = (unsigned char)(n >> 8);
    h[7] = (unsigned char)n;
    buf_append(b, h, sizeof h);
    buf_append(b, text, n);
}

static void put_text(struct buf *b, int stream, const char *text)
{
    put_frame(b, stream, text, strlen(text));
}

/* Feeds `in` in pieces of `step` bytes to a new parser and ends it. */
static enum err_code run(const struct buf *in, bool tty, size_t step, struct seen *s, struct err *e)
{
    struct docker_stream st;
    enum err_code code = ERR_OK;

    docker_stream_init(&st, tty, on_frame, s);
    for (size_t at = 0; at < in->len && !code; at += step) {
        size_t n = in->len - at < step ? in->len - at : step;
        AUTO(str) char *copy = mem_alloc(n); /* so that ASan sees the edge */

        memcpy(copy, in->data + at, n);
        code = docker_stream_feed(&st, (struct str){ copy, n }, e);
    }
    if (!code)
        code = docker_stream_end(&st, e);
    docker_stream_fini(&st);
    return code;
}

static void seen_init(struct seen *s)
{
    *s = (struct seen){ 0 };
    buf_init(&s->text, 1 << 20);
}

/* ---- frames ---- */

static void frames_come_whole_for_any_cut(void **state)
{
    static const size_t steps[] = { 1, 2, 3, 7, 8, 9, 31, 100, 100000 };
    struct buf in = BUF_INIT(1 << 16);

    (void)state;
    put_text(&in, 1, STAMP "one\n");
    put_text(&in, 2, STAMP_2 "two\n");
    put_text(&in, 1, "");
    put_text(&in, 0, STAMP "from stdin");
    put_text(&in, 1, STAMP_2 "\n");
    put_text(&in, 1, STAMP_2);
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct err e = { 0 };
        struct seen s;

        seen_init(&s);
        assert_int_equal(run(&in, false, steps[i], &s, &e), ERR_OK);
        assert_string_equal(buf_text(&s.text), "1@1767323045000000006:one\n|"
                                               "2@1767323045500000000:two\n|"
                                               "1@1767323045000000006:from stdin|"
                                               "1@1767323045500000000:\n|");
        buf_fini(&s.text);
    }
    buf_fini(&in);
}

static void a_frame_without_time_keeps_the_last_one(void **state)
{
    struct buf in = BUF_INIT(1 << 16);
    struct err e = { 0 };
    struct seen s;

    (void)state;
    seen_init(&s);
    put_text(&in, 1, "odd\n");
    put_text(&in, 1, STAMP "even\n");
    put_text(&in, 1, "2026-13-02T03:04:05Z odd\n");
    assert_int_equal(run(&in, false, 5, &s, &e), ERR_OK);
    assert_string_equal(buf_text(&s.text), "1@0:odd\n|1@1767323045000000006:even\n|"
                                           "1@1767323045000000006:2026-13-02T03:04:05Z odd\n|");
    buf_fini(&s.text);
    buf_fini(&in);
}

static void a_huge_frame_comes_in_bounded_pieces(void **state)
{
    size_t n = 3 * DOCKER_FRAME_MAX + 12345;
    char *text = mem_alloc(n + 1);
    static const size_t steps[] = { 16384, 1 << 21, 5 << 20 };

    (void)state;
    memset(text, 'x', n);
    memcpy(text, STAMP, strlen(STAMP));
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct buf in = BUF_INIT(8 << 20);
        struct err e = { 0 };
        struct seen s;

        seen_init(&s);
        put_frame(&in, 2, text, n);
        put_text(&in, 1, STAMP_2 "next\n");
        assert_int_equal(run(&in, false, steps[i], &s, &e), ERR_OK);
        assert_int_equal(s.bytes, n - strlen(STAMP) + 5);
        assert_in_range(s.longest, 1, DOCKER_FRAME_MAX);
        assert_non_null(strstr(buf_text(&s.text), "|1@1767323045500000000:next\n|"));
        assert_null(strstr(buf_text(&s.text), "2@0"));
        buf_fini(&s.text);
        buf_fini(&in);
    }
    free(text);
}

static void bytes_that_are_not_frames_are_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        enum err_code want;
        const char *text;
    } cases[] = {
        { "HTTP/1.1", 8, ERR_INVALID, "not a log frame" },
        { "\4\0\0\0\0\0\0\1x", 9, ERR_INVALID, "not a log frame" },
        { "\1\0\1\0\0\0\0\1x", 9, ERR_INVALID, "not a log frame" },
        { "\1\0\0", 3, ERR_RETRY, "inside a frame" },
        { "\1\0\0\0\0\0\0\5abc", 11, ERR_RETRY, "inside a frame" },
        { "\1\0\0\0\xff\xff\xff\xff"
          "abc",
          11, ERR_RETRY, "inside a frame" },
        { "\3\0\0\0\0\0\0\x1b"
          "Error grabbing logs: torn\r\n",
          35, ERR_IO, "Error grabbing logs: torn" },
        { "", 0, ERR_OK, "" },
        { "\1\0\0\0\0\0\0\0", 8, ERR_OK, "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t step = 1; step <= 40; step += 13) {
            struct buf in = BUF_INIT(100);
            struct err e = { 0 };
            struct seen s;

            seen_init(&s);
            buf_append(&in, cases[i].bytes, cases[i].n);
            assert_int_equal(run(&in, false, step, &s, &e), cases[i].want);
            assert_non_null(strstr(e.msg, cases[i].text));
            assert_int_equal(s.frames, 0);
            buf_fini(&s.text);
            buf_fini(&in);
        }
}

/* The sink frees everything in its callback: nothing may be touched after. */
struct freed {
    struct docker_stream *st;
    struct docker_lines *lines;
    int calls;
};

static bool free_stream(void *user, int stream, int64_t when_ns, struct str text)
{
    struct freed *f = user;

    (void)stream, (void)when_ns, (void)text;
    f->calls++;
    docker_stream_fini(f->st);
    free(f->st);
    return false;
}

static bool free_lines(void *user, struct str line)
{
    struct freed *f = user;

    (void)line;
    f->calls++;
    docker_lines_fini(f->lines);
    free(f->lines);
    return false;
}

static void a_sink_may_free_everything(void **state)
{
    struct buf in = BUF_INIT(1 << 16);
    struct err e = { 0 };
    struct freed f = { 0 };

    (void)state;
    put_text(&in, 1, STAMP "one\n");
    put_text(&in, 1, STAMP "two\n");
    f.st = NEW(struct docker_stream);
    docker_stream_init(f.st, false, free_stream, &f);
    assert_int_equal(docker_stream_feed(f.st, (struct str){ in.data, 20 }, &e), ERR_OK);
    assert_int_equal(docker_stream_feed(f.st, (struct str){ in.data + 20, in.len - 20 }, &e),
                     ERR_OK);
    f.st = NEW(struct docker_stream);
    docker_stream_init(f.st, true, free_stream, &f);
    assert_int_equal(docker_stream_feed(f.st, str_of(STAMP "one\n" STAMP "two\n"), &e), ERR_OK);
    f.lines = NEW(struct docker_lines);
    docker_lines_init(f.lines);
    assert_int_equal(docker_lines_feed(f.lines, str_of("{}"), free_lines, &f, &e), ERR_OK);
    assert_int_equal(docker_lines_feed(f.lines, str_of("\n{}\n"), free_lines, &f, &e), ERR_OK);
    assert_int_equal(f.calls, 3);
    buf_fini(&in);
}

/* ---- terminals ---- */

static void tty_messages_are_told_apart(void **state)
{
    static const struct {
        const char *in, *want;
    } cases[] = {
        { STAMP "one\r\n" STAMP_2 "two\r\n",
          "1@1767323045000000006:one\r\n|1@1767323045500000000:two\r\n|" },
        { STAMP "\r\n", "1@1767323045000000006:\r\n|" },
        { STAMP "no end", "1@1767323045000000006:no end|" },
        { STAMP, "" },
        { "no time\n" STAMP "x\n", "1@0:no time\n|1@1767323045000000006:x\n|" },
        { "short", "1@0:short|" },
        { "", "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t step = 1; step < 80; step += 11) {
            struct buf in = BUF_INIT(1000);
            struct err e = { 0 };
            struct seen s;

            seen_init(&s);
            buf_puts(&in, cases[i].in);
            assert_int_equal(run(&in, true, step, &s, &e), ERR_OK);
            assert_string_equal(buf_text(&s.text), cases[i].want);
            buf_fini(&s.text);
            buf_fini(&in);
        }
}

/* Docker cuts a long line; the time of the next part stands in the middle. */
static void a_long_tty_line_loses_its_inner_times(void **state)
{
    static const size_t steps[] = { 1000, 16384, 70000 };
    size_t tail[] = { 0, 1, 7616 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        for (size_t t = 0; t < COUNT_OF(tail); t++) {
            struct buf in = BUF_INIT(1 << 20);
            struct err e = { 0 };
            struct seen s;

            seen_init(&s);
            for (int part = 0; part < 2; part++) {
                buf_puts(&in, STAMP);
                for (int n = 0; n < DOCKER_TTY_PART; n++)
                    buf_putc(&in, 'x');
            }
            buf_puts(&in, STAMP);
            for (size_t n = 0; n < tail[t]; n++)
                buf_putc(&in, 'y');
            buf_puts(&in, "\r\n" STAMP_2 "next\r\n");
            assert_int_equal(run(&in, true, steps[i], &s, &e), ERR_OK);
            assert_int_equal(s.frames, 4);
            assert_int_equal(s.bytes, 2 * DOCKER_TTY_PART + tail[t] + 2 + 6);
            assert_non_null(strstr(buf_text(&s.text), "|1@1767323045500000000:next\r\n|"));
            buf_fini(&s.text);
            buf_fini(&in);
        }
}

/* ---- times ---- */

static void stamps(void **state)
{
    static const struct {
        const char *text;
        size_t used;
        int64_t when;
    } cases[] = {
        { STAMP "x", 31, WHEN },
        { STAMP, 31, WHEN },
        { STAMP_2 "x", 31, WHEN_2 },
        { "2026-01-02T03:04:05Z x", 21, 1767323045000000000LL },
        { "2026-01-02T03:04:05.5Z x", 23, WHEN_2 },
        { "2026-01-02T03:04:05.5000000001Z x", 32, WHEN_2 },
        { "2026-01-02T05:04:05.5+02:00 x", 28, WHEN_2 },
        { "2026-01-01T22:34:05.5-04:30 x", 28, WHEN_2 },
        { "1970-01-01T00:00:00Z x", 21, 0 },
        { "0001-01-01T00:00:00Z x", 21, 0 },
        { "9999-12-31T23:59:59Z x", 21, 0 },
        { "", 0, -1 },
        { " ", 0, -1 },
        { "2026-01-02T03:04:05.000000006Z", 0, -1 },
        { "2026-01-02T03:04:05 x", 0, -1 },
        { "2026-01-02T03:04:05. x", 0, -1 },
        { "2026-01-02T03:04:05.Z x", 0, -1 },
        { "2026-01-02 03:04:05.5Z x", 0, -1 },
        { "2026-1-2T03:04:05.500Z x", 0, -1 },
        { "2026-00-02T03:04:05.5Z x", 0, -1 },
        { "2026-01-32T03:04:05.5Z x", 0, -1 },
        { "2026-01-02T24:04:05.5Z x", 0, -1 },
        { "2026-01-02T03:60:05.5Z x", 0, -1 },
        { "2026-01-02T03:04:61.5Z x", 0, -1 },
        { "2026-01-02T03:04:05.5+2:00 x", 0, -1 },
        { "2026-01-02T03:04:05.5+0200 x", 0, -1 },
        { "2026-01-02T03:04:05.5+aa:00 x", 0, -1 },
        { "2026-01-02T03:04:05.5ZZ x", 0, -1 },
        { "-026-01-02T03:04:05.5Z x", 0, -1 },
        { "2026-01-02T03:04:05.55555555555555555555555555555555555555555555Z x", 0, -1 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t n = strlen(cases[i].text);
        char *exact = mem_alloc(n ? n : 1); /* so that ASan sees the edge */
        int64_t when = -1;

        memcpy(exact, cases[i].text, n);
        assert_int_equal(docker_stamp_parse((struct str){ exact, n }, &when), cases[i].used);
        assert_int_equal(when, cases[i].when);
        free(exact);
    }
}

/* ---- lines ---- */

static void lines_come_whole_for_any_cut(void **state)
{
    static const char in[] = "{\"a\":1}\n\r\n\n{\"b\":2}\r\nlast";

    (void)state;
    for (size_t step = 1; step < sizeof in + 1; step++) {
        struct docker_lines l;
        struct err e = { 0 };
        struct seen s;

        seen_init(&s);
        docker_lines_init(&l);
        for (size_t at = 0; at < strlen(in); at += step) {
            size_t left = strlen(in) - at;

            assert_int_equal(docker_lines_feed(&l,
                                               (struct str){ in + at, left < step ? left : step },
                                               on_line, &s, &e),
                             ERR_OK);
        }
        assert_string_equal(buf_text(&s.text), "0@0:{\"a\":1}|0@0:{\"b\":2}|");
        assert_true(str_is(docker_lines_rest(&l), "last"));
        docker_lines_fini(&l);
        buf_fini(&s.text);
    }
}

static void an_endless_line_is_an_error(void **state)
{
    static char block[65536];
    struct docker_lines l;
    struct err e = { 0 };
    struct seen s;
    int fed = 0;

    (void)state;
    memset(block, 'x', sizeof block);
    seen_init(&s);
    docker_lines_init(&l);
    while (docker_lines_feed(&l, (struct str){ block, sizeof block }, on_line, &s, &e) == ERR_OK)
        assert_true(++fed < 20);
    assert_int_equal(fed, DOCKER_LINE_MAX / sizeof block);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(s.frames, 0);
    docker_lines_fini(&l);
    buf_fini(&s.text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_whole_for_any_cut),
        cmocka_unit_test(a_frame_without_time_keeps_the_last_one),
        cmocka_unit_test(a_huge_frame_comes_in_bounded_pieces),
        cmocka_unit_test(bytes_that_are_not_frames_are_refused),
        cmocka_unit_test(a_sink_may_free_everything),
        cmocka_unit_test(tty_messages_are_told_apart),
        cmocka_unit_test(a_long_tty_line_loses_its_inner_times),
        cmocka_unit_test(stamps),
        cmocka_unit_test(lines_come_whole_for_any_cut),
        cmocka_unit_test(an_endless_line_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
