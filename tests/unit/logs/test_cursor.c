#include "support/check.h"

#include <string.h>

#include "logs/cursor.h"

#define S 1000000000LL

static void text_round_trip(void **state)
{
    struct cursor c = { { { 1767323045000000001, 3 }, { 0, 0 } } }, back;
    AUTO(buf) struct buf text = BUF_INIT(256);
    struct err e = { 0 };

    (void)state;
    cursor_write(&c, &text);
    assert_text(buf_str(&text), "{\"ns\":[1767323045000000001,0],\"same\":[3,0]}");
    assert_int_equal(cursor_parse(buf_text(&text), &back, &e), ERR_OK);
    assert_memory_equal(&back, &c, sizeof c);
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
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct cursor c = { { { 5, 5 }, { 5, 5 } } };
        struct err e = { 0 };

        assert_int_equal(cursor_parse(cases[i], &c, &e), ERR_INVALID);
        assert_int_equal(c.at[0].major, 5); /* untouched */
        assert_non_null(strstr(e.msg, "cursor: "));
    }
}

static void since_lies_before(void **state)
{
    struct cursor c = { { { 100 * S, 1 }, { 90 * S, 1 } } }, early = { { { 5, 1 }, { 0, 0 } } },
                  none = { 0 };

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
    struct cursor from = { { { 0, 0 }, { 50, 2 } } };
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
        cmocka_unit_test(bad_text),
        cmocka_unit_test(since_lies_before),
        cmocka_unit_test(nothing_twice_nothing_lost),
        cmocka_unit_test(resume_in_the_middle_of_equal_times),
        cmocka_unit_test(every_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
