/* links: docker task io base */
/* How long the engine lets wait for its first answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "component/docker_peer.h"

#define PATIENCE_MS 1500

static void ask(struct fix *f, enum err_code want)
{
    f->calls = 0;
    docker_ping(f->d, PATIENCE_MS, on_done, f);
    run(f);
    assert_int_equal(f->e.code, want);
}

/* What it did not answer in time lies before it all the same. */
static void one_that_is_silent_is_waited_for(void **state)
{
    static const struct step steps[] = {
        { .expect = "", .reply = "", .stall = true },
        { .expect = "", .reply = "HTTP/1.1 200 O", .stall = true },
        { .expect = "", .reply = "HTTP/1.1 500 Oops\r\n" CLOSE "\r\nnot yet" },
        { .expect = "", .reply = "", .stall = true },
    };
    struct fix *f = *state;
    int64_t ms;

    begin(f, steps, COUNT_OF(steps));
    ask(f, ERR_TIMEOUT);
    ask(f, ERR_TIMEOUT);
    assert_int_equal(docker_first_answer_ms(f->d), -1);
    ask(f, ERR_RETRY);
    ms = docker_first_answer_ms(f->d);
    assert_in_range(ms, 2 * PATIENCE_MS - 50, 2 * PATIENCE_MS + WATCHDOG_MS);
    ask(f, ERR_TIMEOUT);
    assert_int_equal(docker_first_answer_ms(f->d), ms);
    finish(f);
}

/* One that ends a connection has ended itself, with all that it was asked for. */
static void one_that_ends_is_another(void **state)
{
    static const struct step steps[] = {
        { .expect = "", .reply = "", .stall = true },
        { .expect = "", .reply = "" },
        { .expect = "", .reply = OK("OK") },
    };
    struct fix *f = *state;

    begin(f, steps, COUNT_OF(steps));
    ask(f, ERR_TIMEOUT);
    ask(f, ERR_RETRY);
    assert_int_equal(docker_first_answer_ms(f->d), -1);
    ask(f, ERR_OK);
    assert_in_range(docker_first_answer_ms(f->d), 0, PATIENCE_MS - 1);
    finish(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_that_is_silent_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_ends_is_another, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
