/* links: docker task io base */
/* The engine's volume plugins, as a scripted engine lists them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "component/docker_peer.h"

static void on_version(void *user, const struct docker_version *v, const struct err *e)
{
    (void)v;
    called(user, e);
}

static void on_plugins(void *user, const char *const *names, size_t n, const struct err *e)
{
    struct fix *f = user;

    f->inconsistent |= e->code && (names || n);
    for (size_t i = 0; i < n; i++)
        buf_printf(&f->seen, "%s ", names[i]);
    called(f, e);
}

/* Asks once, after the negotiation. */
static void ask(struct fix *f, const char *reply)
{
    struct step steps[] = {
        { .expect = "GET /version HTTP/1.1\r\n", .reply = VERSION41 },
        { .expect = "GET /v1.41/plugins HTTP/1.1\r\n", .reply = reply },
    };

    begin(f, steps, COUNT_OF(steps));
    docker_negotiate(f->d, on_version, f);
    run(f);
    f->stop_at = 2;
    docker_plugins(f->d, on_plugins, f);
    run(f);
    finish(f);
}

#define PLUGIN(name, enabled, types)                           \
    "{\"Id\":\"1\",\"Name\":\"" name "\",\"Enabled\":" enabled \
    ",\"Config\":{\"Interface\":{\"Socket\":\"s\",\"Types\":[" types "]}}}"

static void enabled_volume_drivers_are_named(void **state)
{
    struct fix *f = *state;

    ask(f, OK(
               "[" PLUGIN("vieux/sshfs:latest", "true", "\"docker.volumedriver/1.0\"") "," PLUGIN("off:1", "false", "\"docker.volumedriver/1.0\"") "," PLUGIN("net:1", "true", "\"docker.networkdriver/1.0\"") "," PLUGIN(
                   "new:1", "true",
                   "\"docker.volumedriver/2.0\"") "," PLUGIN("both:1.2", "true",
                                                             "\"docker.logdriver/"
                                                             "1.0\",\"docker.volumedriver/"
                                                             "1.0\"") "," PLUGIN("parts", "true",
                                                                                 "{\"Prefix"
                                                                                 "\":"
                                                                                 "\"docker"
                                                                                 "\","
                                                                                 "\"Capabil"
                                                                                 "ity\":"
                                                                                 "\"volumed"
                                                                                 "river\","
                                                                                 "\"Version"
                                                                                 "\":\"1."
                                                                                 "0\"}") ","
                                                                                         "{"
                                                                                         "\"Name\":"
                                                                                         "\"bare\","
                                                                                         "\"Enabled"
                                                                                         "\":true}"
                                                                                         "]"));
    assert_int_equal(f->e.code, ERR_OK);
    assert_string_equal(buf_text(&f->seen), "vieux/sshfs:latest both:1.2 parts ");
}

static void no_plugins(void **state)
{
    struct fix *f = *state;

    ask(f, OK("[]"));
    assert_int_equal(f->e.code, ERR_OK);
    assert_string_equal(buf_text(&f->seen), "");
    ask(f, "HTTP/1.1 404 Not Found\r\n" CLOSE "\r\n{\"message\":\"page not found\"}");
    assert_int_equal(f->e.code, ERR_OK);
}

static void odd_answers_are_errors(void **state)
{
    static const struct {
        const char *reply;
        enum err_code want;
        const char *says;
    } cases[] = {
        { OK("{}"), ERR_IO, "(plugins): expected array" },
        { OK("[{\"Enabled\":true}]"), ERR_IO, "Name" },
        { OK("[" PLUGIN("a", "1", "\"docker.volumedriver/1.0\"") "]"), ERR_IO, "Enabled" },
        { OK("[" PLUGIN("a", "true", "7") "]"), ERR_IO, "Types[0]" },
        { OK("[{\"Na"), ERR_IO, "not JSON" },
        { "HTTP/1.1 500 X\r\n" CLOSE "\r\n{\"message\":\"broken\"}", ERR_IO, "broken" },
    };
    struct fix *f = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ask(f, cases[i].reply);
        assert_int_equal(f->e.code, cases[i].want);
        if (!strstr(f->e.msg, cases[i].says))
            fail_msg("'%s' does not say '%s'", f->e.msg, cases[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(enabled_volume_drivers_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(no_plugins, setup, teardown),
        cmocka_unit_test_setup_teardown(odd_answers_are_errors, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
