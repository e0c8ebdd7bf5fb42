#include "support/check.h"

#include <string.h>

#include "base/str.h"
#include "logs/batch.h"
#include "logs/spares.h"

#define ROOM ((size_t)2 << 20)

static struct spare filled(size_t n)
{
    struct spare s = { .buf = BUF_INIT(ROOM) };

    memset(buf_reserve(&s.buf, ROOM), 'x', n);
    buf_grew(&s.buf, n);
    return s;
}

static void last_in_first_out(void **state)
{
    struct spares all = { 0 };
    struct spare a = filled(100000), b = filled(200000), out;
    const char *first = a.buf.data, *second = b.buf.data;

    (void)state;
    assert_false(spares_take(&all, &out));
    spares_give(&all, &a);
    spares_give(&all, &b);
    assert_int_equal(all.backed, 300000);
    assert_true(spares_take(&all, &out));
    assert_ptr_equal(out.buf.data, second);
    assert_int_equal(out.buf.len, 0);
    assert_int_equal(out.backed, 200000);
    assert_int_equal(all.backed, 100000);
    spares_give(&all, &out); /* unused: of its memory nothing stays */
    assert_int_equal(all.backed, 100000);
    assert_true(spares_take(&all, &out));
    assert_ptr_equal(out.buf.data, second);
    buf_fini(&out.buf);
    assert_true(spares_take(&all, &out));
    assert_ptr_equal(out.buf.data, first);
    assert_int_equal(all.backed, 0);
    spares_give(&all, &out);
    spares_clear(&all);
    assert_false(spares_take(&all, &out));
}

/* Of one that is used less and less no more stays than is used. */
static void cut_to_its_use(void **state)
{
    static const char zeros[4096];
    struct spares all = { 0 };
    struct spare s = filled(1000000), out;
    const size_t uses[] = { 970000, 200000, 190000, 10 };
    const size_t backed[] = { 1000000, 200000, 200000, 10 };

    (void)state;
    spares_give(&all, &s);
    for (size_t i = 0; i < COUNT_OF(uses); i++) {
        assert_true(spares_take(&all, &out));
        memset(buf_reserve(&out.buf, uses[i]), 'y', uses[i]);
        buf_grew(&out.buf, uses[i]);
        spares_give(&all, &out);
        assert_int_equal(all.backed, backed[i]);
    }
    assert_true(spares_take(&all, &out));
    assert_memory_equal(out.buf.data + 900000, zeros, sizeof zeros); /* it went to the kernel */
    buf_fini(&out.buf);
}

static void no_more_than_the_most(void **state)
{
    struct spares all = { 0 };
    size_t given = 0;

    (void)state;
    for (; given < 100; given++) {
        struct spare s = filled(100000);

        spares_give(&all, &s);
    }
    assert_int_equal(all.backed, SPARES_MAX / 100000 * 100000);
    spares_clear(&all);
    for (given = 0; given < 100; given++) {
        struct spare s = filled(1);

        spares_give(&all, &s);
    }
    assert_int_equal(all.n, SPARES_MOST);
    spares_clear(&all);
}

/* A batch is the same in memory that another one left. */
static void batches(void **state)
{
    struct spares all = { 0 };
    struct batch *fresh = batch_create(0, "g", "s"), *again;
    const char *data;

    (void)state;
    fresh->spares = &all;
    for (int i = 0; i < 9000; i++)
        assert_int_equal(batch_add_escaped(fresh, i / 10, str_of("first"), 5), BATCH_ADDED);
    data = fresh->json.data;
    batch_destroy(fresh);
    assert_int_equal(all.n, 1);

    fresh = batch_create(0, "g", "s");
    again = batch_create(0, "g", "s");
    again->spares = &all;
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(batch_add_escaped(fresh, i / 3, str_of("sec\\nd"), 5), BATCH_ADDED);
        assert_int_equal(batch_add_escaped(again, i / 3, str_of("sec\\nd"), 5), BATCH_ADDED);
        if (i == 1000)
            assert_int_equal(all.n, 1); /* a short one does without */
    }
    assert_ptr_equal(again->json.data, data);
    assert_int_equal(all.n, 0);
    assert_string_equal(batch_body(again, NULL).p, batch_body(fresh, NULL).p);
    assert_int_equal(batch_trim(again, NULL, 0, 0, 0), 0);
    batch_destroy(again); /* how much of it was used is not known any more */
    batch_destroy(fresh);
    assert_int_equal(all.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_in_first_out),
        cmocka_unit_test(cut_to_its_use),
        cmocka_unit_test(no_more_than_the_most),
        cmocka_unit_test(batches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
