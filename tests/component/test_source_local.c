/* links: logs */
/* The file source over records of the local driver that are torn, late or no text. */
#include "support/check.h"

#include <errno.h>
#include <time.h>

#include "component/log_world.h"

/* They are told apart by their lengths. */
static void test_torn(void **state)
{
    static const char record[] = "\0\0\x40\0\n\6stdout\x10\x05\x1A\xF0\x7Fxxxx";
    static const char zeros[5000];
    AUTO(str) char *long_text = mem_array(300000, 1);

    (void)state;
    log_number(1);
    log_raw(record, sizeof record - 1); /* it is longer than what follows */
    log_number(2);
    log_raw(zeros, sizeof zeros);
    log_number(3);
    log_raw("\0\0\0\2{}\0\0\0\2", 10);
    log_number(4);
    memset(long_text, 'x', 300000);
    log_raw(long_text, 300000);
    log_number(5);
    lw.max_files = 2;
    log_raw(record, sizeof record - 1);
    log_rotate(); /* its end was never written */
    log_number(6);
    world_from_start();
    world_to_end();
    assert_int_equal(lw.n_events, 6);
    assert_int_equal(lw.disorder, 0);
    assert_int_equal(lw.damaged, 5);
    assert_int_equal(lw.gaps_unknown, 0);
}

static void test_a_record_comes_in_pieces(void **state)
{
    const struct local_entry e = { 1, 1767596400000000000, { "1 slowly", 8 }, 0, false };
    AUTO(buf) struct buf record = BUF_INIT(1000);

    (void)state;
    local_append(&record, &e);
    world_from_start();
    for (size_t i = 0; i < record.len; i += 3) {
        assert_int_equal(lw.n_events, 0);
        log_raw(record.data + i, record.len - i < 3 ? record.len - i : 3);
        world_turn(10);
    }
    world_until_number(1);
    assert_int_equal(lw.n_events, 1);
    assert_int_equal(lw.damaged, 0);
}

/* What has to be escaped, and what is no text at all. */
static void test_texts(void **state)
{
    const char *const texts[] = { "a \"b\" \\ \t", "\xFF bad", "caf\xC3\xA9\r" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        AUTO(buf) struct buf record = BUF_INIT(1000);

        local_append(&record, &(struct local_entry){ 1, lw.ns += 1000, str_of(texts[i]), 0, 0 });
        log_raw(record.data, record.len);
    }
    world_from_start();
    world_to_end();
    assert_text(buf_str(&lw.events[0]), "a \"b\" \\ \t\n\xEF\xBF\xBD bad\ncaf\xC3\xA9\n");
    assert_int_equal(lw.n_escaped, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up_local, world_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_torn),
        TEST(test_a_record_comes_in_pieces),
        TEST(test_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
