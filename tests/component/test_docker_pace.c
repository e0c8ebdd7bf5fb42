/* links: docker task io base */
/* How many requests of a kind are under way at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "component/docker_peer.h"

#define ASKED 60

static size_t under_way(const struct fix *f, enum docker_call_kind kind)
{
    return docker_get_counts(f->d)->calls[kind].in_flight;
}

static void on_facts(void *user, const struct ctr_facts *facts, const struct err *e)
{
    struct fix *f = user;

    f->inconsistent |= !facts || under_way(f, DOCKER_CALL_INSPECT) > DOCKER_LOOKS_AT_ONCE;
    called(f, e);
}

static void on_silent(void *user, const struct ctr_facts *facts, const struct err *e)
{
    struct fix *f = user;

    (void)facts;
    (void)e;
    f->inconsistent = true;
}

/* All get their answer, and one that is cancelled while it waits is never asked for. */
static void a_few_at_once_and_all_in_the_end(void **state)
{
    struct step steps[ASKED];
    struct docker_op *silent = NULL;
    struct fix *f = *state;

    for (int i = 0; i < ASKED; i++)
        steps[i] = (struct step){ .expect = "/containers/abc/json",
                                  .reply = OK("{\"Id\":\"abc\",\"State\":{\"Running\":true}}") };
    begin(f, steps, ASKED);
    f->stop_at = ASKED;
    for (int i = 0; i < ASKED; i++) {
        docker_inspect(f->d, "abc", 20000, on_facts, f);
        if (i == ASKED / 2)
            silent = docker_inspect(f->d, "def", 20000, on_silent, f);
    }
    assert_int_equal(under_way(f, DOCKER_CALL_INSPECT), DOCKER_LOOKS_AT_ONCE);
    docker_cancel(silent);
    run(f);
    assert_int_equal(f->e.code, ERR_OK);
    assert_int_equal(under_way(f, DOCKER_CALL_INSPECT), 0);
    finish(f);
}

static void leave(void *user)
{
    struct fix *f = user;

    loop_stop(f->loop);
}

/* An engine that answers nobody: after a while those that are under way hold nobody up. The
 * other kinds are not held up at all, and what waits may be destroyed. */
static void those_that_hang_hold_nobody_up(void **state)
{
    struct fix *f = *state;
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct err e = { 0 };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(addr.sun_path, f->path, strlen(f->path));
    assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(fd, 128), 0);
    assert_int_equal(docker_create(f->http, f->endpoint, &f->d, &e), ERR_OK);
    f->extra = loop_timer_create(f->loop, leave, f);
    for (int i = 0; i < 3 * DOCKER_LOOKS_AT_ONCE; i++)
        docker_inspect(f->d, "abc", 20000, on_facts, f);
    docker_remove(f->d, "abc", 20000, on_done, f);
    assert_int_equal(under_way(f, DOCKER_CALL_REMOVE), 1);
    loop_timer_arm(f->extra, 4000);
    run(f);
    assert_int_equal(under_way(f, DOCKER_CALL_INSPECT), DOCKER_LOOKS_AT_ONCE);
    loop_timer_arm(f->extra, 2000);
    loop_timer_arm(f->watchdog, WATCHDOG_MS);
    loop_run(f->loop);
    assert_int_equal(under_way(f, DOCKER_CALL_INSPECT), 2 * DOCKER_LOOKS_AT_ONCE);
    docker_destroy(f->d);
    f->d = NULL;
    assert_int_equal(f->calls, 0);
    loop_timer_destroy(f->extra);
    close(fd);
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    static const struct CMUnitTest tests[] = {
        CASE(a_few_at_once_and_all_in_the_end),
        CASE(those_that_hang_hold_nobody_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
