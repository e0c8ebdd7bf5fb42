#include "support/check.h"

#include <string.h>

#include "logs/cursor.h"

#define S 1000000000LL

static void text_round_trip(void **state)
{
    struct cursor c = { .at = { { 1767323045000000001, 3 }, { 0, 0 } } }, back;
    AUTO(buf) struct buf text = BUF_INIT(256);
    struct err e = { 0 };

    (void)state;
    cursor_write(&c, &text);
    assert_text(buf_str(&text), "{\"ns\":[1767323045000000001,0],\"same\":[3,0]}");
    assert_int_equal(cursor_parse(buf_text(&text), &back, &e), ERR_OK);
    assert_memory_equal(&back.at, &c.at, sizeof c.at);
}

static void file_text_round_trip(void **state)
{
    struct cursor c = { .kind = CURSOR_FILE,
                        .at = { { INT64_MAX, 300 }, { 5, 0 } },
                        .ns = { 1767323045000000001, 0 },
                        .n_newest = 7,
                        .clean = true },
                  back;
    AUTO(buf) struct buf text = BUF_INIT(256);
    struct err e = { 0 };

    (void)state;
    cursor_write(&c, &text);
    assert_text(buf_str(&text), "{\"file\":[[9223372036854775807,300,1767323045000000001],[5,0,0]],"
                                "\"newest\":7,\"clean\":true}");
    assert_int_equal(cursor_parse(buf_text(&text), &back, &e), ERR_OK);
    assert_int_equal(back.kind, CURSOR_FILE);
    assert_true(back.clean);
    assert_int_equal(back.n_newest, 7);
    assert_int_equal(cursor_newest_ms(&back), 1767323045000);
    assert_memory_equal(&back.at, &c.at, sizeof c.at);
    assert_memory_equal(&back.ns, &c.ns, sizeof c.ns);
}

/* The API goes on behind what has the times of the marks. */
static void by_time(void **state)
{
    static const int64_t times[] = { 48, 50, 50, 51 };
    struct cursor c = { .kind = CURSOR_FILE, .at = { { 7, 300 }, { 0, 0 } }, .ns = { 50, 0 } };
    struct cursor api = cursor_by_time(&c), same = cursor_by_time(&api);
    struct replay r;
    struct mark mark;

    (void)state;
    assert_int_equal(api.kind, CURSOR_API);
    assert_memory_equal(&same.at, &api.at, sizeof api.at);
    replay_init(&r, &api);
    replay_restart(&r);
    for (size_t i = 0; i < COUNT_OF(times); i++)
        assert_int_equal(replay_accept(&r, 1, times[i], &mark), times[i] > 50);
    assert_true(replay_accept(&r, 2, 1, &mark));
}

static void bad_text(void **state)
{
    static const char *const cases[] = {
        "",
        "{}",
        "[]",
        "7",
        "{\"ns\":[1,2]}",
        "{\"ns\":[1],\"same\":[1,1]}",
        "{\"ns\":[-1,2],\"same\":[1,1]}",
        "{\"ns\":[1,2],\"same\":[1,\"1\"]}",
        "{\"ns\":{},\"same\":[1,1]}",
        "{\"ns\":[1,2],\"same\":[1,1]}x",
        "{\"ns\":[1,2],\"same\":[1,1],\"clean\":1}",
        "{\"file\":[]}",
        "{\"file\":7}",
        "{\"file\":[[1,2,3]]}",
        "{\"file\":[[1,2,3],[1,2]]}",
        "{\"file\":[[1,2,3],[1,-2,3]]}",
        "{\"file\":[[1,2,3],7]}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct cursor c = { .at = { { 5, 5 }, { 5, 5 } } };
        struct err e = { 0 };

        assert_int_equal(cursor_parse(cases[i], &c, &e), ERR_INVALID);
        assert_int_equal(c.at[0].major, 5); /* untouched */
        assert_non_null(strstr(e.msg, "cursor: "));
    }
}

static void since_lies_before(void **state)
{
    struct cursor c = { .at = { { 100 * S, 1 }, { 90 * S, 1 } } },
                  early = { .at = { { 5, 1 }, { 0, 0 } } }, none = { 0 };

    (void)state;
    assert_int_equal(cursor_since_ns(&c), 98 * S);
    assert_int_equal(cursor_since_ns(&early), 0);
    assert_int_equal(cursor_since_ns(&none), 0);
}

struct frame {
    int stream;
    int64_t when;
    bool fresh;
};

static void feed(struct replay *r, const struct frame *frames, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct mark mark = { 0 };

        assert_int_equal(replay_accept(r, frames[i].stream, frames[i].when, &mark),
                         frames[i].fresh);
        assert_int_equal(mark.major, frames[i].fresh ? frames[i].when : 0);
    }
}

static void nothing_twice_nothing_lost(void **state)
{
    /* stdout and stderr are out of order with each other; 20 is a line in parts. */
    static const struct frame first[] = { { 1, 10, true }, { 2, 9, true },  { 1, 20, true },
                                          { 1, 20, true }, { 2, 15, true }, { 2, 15, true } };
    static const struct frame second[] = {
        { 1, 10, false }, { 2, 9, false },  { 1, 20, false }, { 1, 20, false },
        { 2, 15, false }, { 2, 15, false }, { 1, 20, true },  /* the third part */ { 2, 16, true },
        { 2, 16, true },  { 1, 21, true },
    };
    /* A clock that stepped back while we read is no replay. */
    static const struct frame later[] = { { 1, 5, true }, { 1, 5, true }, { 1, 6, true } };
    struct cursor none = { 0 };
    struct replay r;

    (void)state;
    replay_init(&r, &none);
    replay_restart(&r);
    feed(&r, first, COUNT_OF(first));
    assert_int_equal(r.read.at[0].minor, 2);
    replay_restart(&r);
    feed(&r, second, COUNT_OF(second));
    feed(&r, later, COUNT_OF(later));
}

static void resume_in_the_middle_of_equal_times(void **state)
{
    static const struct frame frames[] = { { 2, 50, false }, { 1, 50, true }, { 2, 50, false },
                                           { 2, 50, true },  { 2, 50, true }, { 1, 50, true } };
    struct cursor from = { .at = { { 0, 0 }, { 50, 2 } } };
    struct replay r;

    (void)state;
    replay_init(&r, &from);
    replay_restart(&r);
    feed(&r, frames, COUNT_OF(frames));
    assert_int_equal(r.read.at[1].minor, 4);
    assert_int_equal(r.read.at[0].minor, 2);
}

/* However a log is cut into readings, each frame comes exactly once. */
static void every_cut(void **state)
{
    static const struct frame log[] = {
        { 1, 1, 0 }, { 2, 1, 0 }, { 1, 1, 0 }, { 1, 2, 0 }, { 2, 2, 0 },
        { 2, 2, 0 }, { 2, 2, 0 }, { 1, 7, 0 }, { 2, 5, 0 }, { 1, 7, 0 },
    };
    const size_t n = COUNT_OF(log);

    (void)state;
    for (size_t a = 0; a <= n; a++) {
        for (size_t b = a; b <= n; b++) {
            const size_t ends[] = { a, b, n };
            struct cursor none = { 0 };
            struct replay r;
            size_t fresh = 0;

            replay_init(&r, &none);
            for (size_t k = 0; k < COUNT_OF(ends); k++) {
                replay_restart(&r);
                for (size_t i = 0; i < ends[k]; i++) {
                    struct mark mark;

                    if (replay_accept(&r, log[i].stream, log[i].when, &mark))
                        assert_int_equal(fresh++, i);
                }
            }
            assert_int_equal(fresh, n);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_round_trip),
        cmocka_unit_test(file_text_round_trip),
        cmocka_unit_test(by_time),
        cmocka_unit_test(bad_text),
        cmocka_unit_test(since_lies_before),
        cmocka_unit_test(nothing_twice_nothing_lost),
        cmocka_unit_test(resume_in_the_middle_of_equal_times),
        cmocka_unit_test(every_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
