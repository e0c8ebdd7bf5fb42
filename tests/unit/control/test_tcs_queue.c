/* How gatherings are cut into messages, and what waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/mem.h"
#include "control/tcs_encode.h"
#include "control/tcs_queue.h"

/* A JSON object of exactly `n` bytes, which begins with its number. */
static void add(struct tcs_gathering *g, size_t number, size_t n, bool fits)
{
    AUTO(buf) struct buf b = BUF_INIT(TCS_MESSAGE_MAX + 100);

    buf_printf(&b, "{\"n\":%zu,\"x\":\"", number);
    while (b.len < n - 2)
        buf_putc(&b, 'x');
    buf_puts(&b, "\"}");
    assert_int_equal(b.len, n);
    assert_int_equal(tcs_gathering_add(g, buf_str(&b)), fits);
}

static void assert_begins(struct str page, size_t number)
{
    char want[32];

    snprintf(want, sizeof want, "{\"n\":%zu,", number);
    assert_true(page.n > strlen(want));
    assert_memory_equal(page.p, want, strlen(want));
    assert_int_equal(page.p[page.n - 1], '}');
}

static void test_ten_tasks_a_page(void **state)
{
    const struct {
        size_t tasks, pages[4];
    } cases[] = { { 1, { 1 } }, { 10, { 10 } }, { 11, { 10, 1 } }, { 25, { 10, 10, 5 } } };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct tcs_gathering g;
        size_t at = 0;

        tcs_gathering_init(&g);
        for (size_t t = 0; t < cases[i].tasks; t++)
            add(&g, t, 30 + t, true);
        for (size_t p = 0; cases[i].pages[p]; p++) {
            size_t from = at, bytes = cases[i].pages[p] - 1;
            struct str page = tcs_gathering_page(&g, &at);

            assert_int_equal(at - from, cases[i].pages[p]);
            for (size_t t = from; t < at; t++)
                bytes += 30 + t;
            assert_int_equal(page.n, bytes);
            assert_begins(page, from);
        }
        assert_int_equal(at, g.n);
        tcs_gathering_fini(&g);
    }
}

static void test_idle_page_is_empty(void **state)
{
    struct tcs_gathering g;
    size_t at = 0;

    (void)state;
    tcs_gathering_init(&g);
    assert_int_equal(tcs_gathering_page(&g, &at).n, 0);
    assert_int_equal(at, 0);
    tcs_gathering_fini(&g);
}

/* A message is full before a task that would make it too long. */
static void test_pages_by_size(void **state)
{
    static const struct tcs_head h = { "c", "i", "m", 1767323045123 };
    const size_t third = TCS_TASKS_MAX / 3;
    AUTO(buf) struct buf message = BUF_INIT(TCS_MESSAGE_MAX + 100);
    struct tcs_gathering g;
    struct str page;
    size_t at = 0;

    (void)state;
    tcs_gathering_init(&g);
    add(&g, 0, third - 1, true); /* with two commas the three fill a page exactly */
    add(&g, 1, third - 1, true);
    add(&g, 2, TCS_TASKS_MAX - 2 * (third - 1) - 2, true);
    add(&g, 3, TCS_TASKS_MAX, true);
    add(&g, 4, 100, true);
    add(&g, 5, TCS_TASKS_MAX + 1, false);
    page = tcs_gathering_page(&g, &at);
    assert_int_equal(at, 3);
    assert_int_equal(page.n, TCS_TASKS_MAX);
    page = tcs_gathering_page(&g, &at);
    assert_int_equal(at, 4);
    assert_begins(page, 3);
    assert_true(tcs_put_metrics(&message, &h, false, false, page));
    assert_true(message.len <= TCS_MESSAGE_MAX);
    page = tcs_gathering_page(&g, &at);
    assert_int_equal(at, 5);
    assert_begins(page, 4);
    tcs_gathering_fini(&g);
}

static void test_gathering_has_an_end(void **state)
{
    struct tcs_gathering g;
    size_t n = 0;

    (void)state;
    tcs_gathering_init(&g);
    while (g.tasks.len + 500001 <= TCS_GATHERING_MAX)
        add(&g, n++, 500000, true);
    assert_true(n > 4);
    add(&g, n, 500000, false);
    add(&g, n, 1000, true);
    assert_int_equal(g.n, n + 1);
    assert_false(g.tasks.overflowed);
    tcs_gathering_fini(&g);
}

static void fill(struct tcs_gathering *g, size_t number, size_t bytes)
{
    tcs_gathering_init(g);
    snprintf(g->id, sizeof g->id, "%zu", number);
    while (bytes > 0) {
        size_t n = bytes > 1000000 ? 1000000 : bytes;

        add(g, number, n, true);
        bytes -= n;
    }
}

static void test_queue_keeps_the_oldest(void **state)
{
    struct tcs_queue *q = NEW(struct tcs_queue);
    struct tcs_gathering g;

    (void)state;
    assert_false(tcs_queue_take(q, &g));
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < TCS_WAITING_MAX + 3; i++) {
            fill(&g, i, 100);
            assert_int_equal(tcs_queue_put(q, &g), i < TCS_WAITING_MAX);
            assert_null(g.ends);
        }
        assert_int_equal(q->n, TCS_WAITING_MAX);
        for (size_t i = 0; i < TCS_WAITING_MAX - round; i++) { /* the ring turns a bit */
            char want[32];

            assert_true(tcs_queue_take(q, &g));
            snprintf(want, sizeof want, "%zu", i);
            assert_string_equal(g.id, want);
            tcs_gathering_fini(&g);
        }
        tcs_queue_fini(q);
        assert_int_equal(q->n, 0);
        assert_int_equal(q->bytes, 0);
    }
    free(q);
}

static void test_queue_by_bytes(void **state)
{
    struct tcs_queue *q = NEW(struct tcs_queue);
    struct tcs_gathering g;
    size_t n = 0;

    (void)state;
    for (;;) {
        fill(&g, n, 4000000);
        if (!tcs_queue_put(q, &g))
            break;
        n++;
    }
    assert_int_equal(n, 4);
    assert_true(q->bytes <= TCS_WAITING_BYTES);
    fill(&g, n, 1000);
    assert_true(tcs_queue_put(q, &g));
    assert_true(tcs_queue_take(q, &g));
    tcs_gathering_fini(&g);
    fill(&g, n, 3000000);
    assert_true(tcs_queue_put(q, &g));
    tcs_queue_fini(q);
    free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ten_tasks_a_page),       cmocka_unit_test(test_idle_page_is_empty),
        cmocka_unit_test(test_pages_by_size),          cmocka_unit_test(test_gathering_has_an_end),
        cmocka_unit_test(test_queue_keeps_the_oldest), cmocka_unit_test(test_queue_by_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
