/* Which files there are to read, and from where. */
#include "logs/rotation.h"
#include "support/check.h"

static const struct {
    uint64_t inodes[5];
    size_t n;
    uint64_t newest;
    size_t want;
    bool known;
} news[] = {
    { { 7, 6, 5, 0 }, 4, 7, 0, true }, { { 8, 7, 6, 0 }, 4, 7, 1, true },
    { { 9, 8, 7, 0 }, 4, 7, 2, true }, { { 10, 9, 8, 0 }, 4, 7, 4, false },
    { { 0, 7, 6, 5 }, 4, 7, 1, true },                                    /* between two names */
    { { 8, 0, 7, 6 }, 4, 7, 2, true }, { { 8, 8, 7, 6 }, 4, 7, 2, true }, /* seen twice */
    { { 0 }, 1, 7, 1, false },
};

static void test_news(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(news); i++) {
        struct rotation_news got = rotation_news(news[i].inodes, news[i].n, news[i].newest);

        assert_int_equal(got.n, news[i].want);
        assert_int_equal(got.known, news[i].known);
    }
}

/* A log that is rotated while it is listed: of what is listed up to the known file, nothing is left
 * out that is not newer than the listing's first. */
static void test_listing_while_it_moves(void **state)
{
    (void)state;
    for (unsigned moves = 0; moves < 81; moves++) {
        uint64_t inodes[5], newest = 100, first = 0;
        unsigned m = moves;
        struct rotation_news got;

        for (size_t i = 0; i < 5; i++) {
            inodes[i] = newest - i;
            first = first ? first : inodes[i];
            newest += m % 3;
            m /= 3;
        }
        got = rotation_news(inodes, 5, 98);
        if (!got.known)
            continue; /* it has left the engine's files: that is seen elsewhere */
        for (uint64_t want = 99; want <= first; want++) {
            bool there = false;

            for (size_t i = 0; i < got.n; i++)
                there = there || inodes[i] == want;
            assert_true(there);
        }
    }
}

static void test_more(void **state)
{
    const uint64_t three[] = { 9, 8, 7, 0, 0 }, gap[] = { 9, 0, 7, 0, 0 };

    (void)state;
    assert_true(rotation_more(NULL, 0, 0));
    assert_true(rotation_more(three, 4, 0));
    assert_false(rotation_more(three, 5, 0));
    assert_true(rotation_more(gap, 2, 0));
    assert_true(rotation_more(gap, 3, 0));
    assert_true(rotation_more(three, 3, 3));
    assert_false(rotation_more(three, 4, 3));
    assert_false(rotation_more(three, 1000, 5000));
}

#define S 1000000000LL
/* Three files: 300, 200 and 100 bytes; the last one may have no message. */
static const struct rotation_file files[] = { { 11, 300, 100 * S },
                                              { 22, 200, 200 * S },
                                              { 33, 100, 300 * S } };

#define FILE_CURSOR(a, b, c, d)                           \
    {                                                     \
        .kind = CURSOR_FILE, .at = { { a, b }, { c, d } } \
    }
#define API_CURSOR(a, b)                                 \
    {                                                    \
        .kind = CURSOR_API, .at = { { a, 1 }, { b, 1 } } \
    }

static const struct {
    struct cursor from;
    struct rotation_start want;
} starts[] = {
    { { 0 }, { 0 } },
    { FILE_CURSOR(33, 50, 33, 60), { .file = 2, .offset = 50, .old = { { 2, 50 }, { 2, 60 } } } },
    { FILE_CURSOR(33, 50, 22, 60), { .file = 1, .offset = 60, .old = { { 2, 50 }, { 1, 60 } } } },
    { FILE_CURSOR(11, 300, 22, 0), { .file = 0, .offset = 300, .old = { { 0, 300 }, { 1, 0 } } } },
    { FILE_CURSOR(11, 300, 11, 300), { .offset = 300, .old = { { 0, 300 }, { 0, 300 } } } },
    /* Nothing of the one stream yet. */
    { FILE_CURSOR(33, 50, 0, 0), { .old = { { 2, 50 }, { 0, 0 } } } },
    /* A file that is gone, or that is not what it was. */
    { FILE_CURSOR(99, 50, 99, 60), { .lost = true } },
    { FILE_CURSOR(99, 50, 33, 60), { .lost = true, .old = { { 0, 0 }, { 2, 60 } } } },
    { FILE_CURSOR(33, 101, 33, 60), { .lost = true, .old = { { 0, 0 }, { 2, 60 } } } },
    /* By time; a file that ends before the cursor is done with. */
    { API_CURSOR(50 * S, 50 * S), { .by_time = true } },
    { API_CURSOR(150 * S, 150 * S), { .by_time = true } },
    { API_CURSOR(201 * S, 0), { .by_time = true } },
    { API_CURSOR(203 * S, 0), { .by_time = true, .file = 1 } },
    { API_CURSOR(900 * S, 203 * S), { .by_time = true, .file = 2 } },
};

static void test_start(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        struct rotation_start got = rotation_start(files, 3, &starts[i].from);
        const struct rotation_start *want = &starts[i].want;

        print_message("%zu\n", i);
        assert_int_equal(got.file, want->file);
        assert_int_equal(got.offset, want->offset);
        assert_int_equal(got.lost, want->lost);
        assert_int_equal(got.by_time, want->by_time);
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(got.old[k].file, want->old[k].file);
            assert_int_equal(got.old[k].offset, want->old[k].offset);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_news),
        cmocka_unit_test(test_listing_while_it_moves),
        cmocka_unit_test(test_more),
        cmocka_unit_test(test_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
