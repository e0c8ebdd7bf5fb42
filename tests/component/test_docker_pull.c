/* links: docker task io base */
/* Pulls, images and volumes against a scripted engine: what a healthy one never says, and
 * what the engine at hand may be too new for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "component/docker_peer.h"
#include "docker/op.h"

static void on_progress(void *user, const char *line)
{
    buf_printf(&((struct fix *)user)->seen, "%s|", line);
}

static void pulls_end_well_or_badly(void **state)
{
    static const struct {
        const char *image;
        struct step step;
        enum err_code want;
        const char *text, *progress;
    } cases[] = {
        { "r.io:5000/app",
          { .expect = "POST /images/create?fromImage=r.io%3A5000%2Fapp&tag=latest HTTP",
            .reply =
                OK("{\"status\":\"Pulling\",\"id\":\"latest\"}\r\n{\"status\":\"Done\"}\r\n") },
          ERR_OK,
          "",
          "latest: Pulling|Done|" },
        { "app:1@sha256:0123456789abcdef0123456789abcdef",
          { .expect = "fromImage=app&tag=sha256%3A0123456789abcdef0123456789abcdef HTTP",
            .reply = OK("") },
          ERR_OK,
          "",
          "" },
        { "app:1",
          { .expect = "\r\nX-Registry-Auth: c2VjcmV0\r\n", .reply = OK("{\"status\":\"Done\"}") },
          ERR_OK,
          "",
          "Done|" },
        { "app:1",
          { .expect = "tag=1",
            .reply = OK("{\"status\":\"A\"}\r\n{\"errorDetail\":{\"message\":\"toomanyrequests: "
                        "slow\"},\"error\":\"toomanyrequests: slow\"}\r\n"),
            .stall = true },
          ERR_IO,
          "toomanyrequests: slow",
          "A|" },
        { "app:1",
          { .expect = "tag=1", .reply = OK("{\"status\":\"A\"}\n{\"error\":\"no newline\"}") },
          ERR_IO,
          "no newline",
          "A|" },
        { "app:1",
          { .expect = "tag=1", .reply = OK("{\"status\":\"A\"}\n{\"error\":\"cut he") },
          ERR_IO,
          "cannot read the Docker Engine's answer (pull): not JSON",
          "A|" },
        { "app:1",
          { .expect = "tag=1",
            .reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "10\r\n{\"status\":\"A\"}\r\n\r\n" },
          ERR_RETRY,
          "",
          "A|" },
        { "app:1",
          { .expect = "tag=1",
            .reply = "HTTP/1.1 500 No\r\n" CLOSE "\r\n{\"message\":\"Get r: refused\"}" },
          ERR_IO,
          "Error response from daemon: Get r: refused",
          "" },
        { "app:1",
          { .expect = "tag=1",
            .reply = "HTTP/1.1 429 No\r\n" CLOSE "\r\n{\"message\":\"toomanyrequests: slow\"}" },
          ERR_IO,
          "Error response from daemon: toomanyrequests: slow",
          "" },
        { "app:1",
          { .expect = "tag=1",
            .reply = "HTTP/1.1 503 No\r\n" CLOSE "\r\n{\"message\":\"received unexpected HTTP "
                     "status: 503 Service Unavailable\"}" },
          ERR_IO,
          "Error response from daemon: received unexpected HTTP status: 503",
          "" },
        { "app:1",
          { .expect = "tag=1", .reply = "HTTP/1.1 503 No\r\n" CLOSE "\r\nno server here" },
          ERR_RETRY,
          "the Docker Engine answered with status 503: no server here",
          "" },
        { "app:1",
          { .expect = "tag=1",
            .reply = "HTTP/1.1 404 No\r\n" CLOSE "\r\n{\"message\":\"manifest for app:1 not found: "
                     "manifest unknown\"}" },
          ERR_NOT_FOUND,
          "Error response from daemon: manifest for app:1 not found: manifest unknown",
          "" },
        { "app:1",
          { .expect = "tag=1",
            .reply = "HTTP/1.1 401 No\r\n" CLOSE "\r\n{\"message\":\"unauthorized: nobody\"}" },
          ERR_DENIED,
          "Error response from daemon: unauthorized: nobody",
          "" },
        { "app:1", { .expect = "tag=1", .reply = "" }, ERR_RETRY, "", "" },
        { "app:1",
          { .expect = "tag=1", .reply = OK("{\"status\":\"A\"}\r\n"), .stall = true },
          ERR_TIMEOUT,
          DOCKER_PULL_SILENT,
          "A|" },
    };
    struct fix *f = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        begin(f, &cases[i].step, 1);
        f->op = docker_pull(f->d, cases[i].image, "c2VjcmV0", cases[i].step.stall ? 1000 : 10000,
                            15000, on_progress, on_done, f);
        run(f);
        if (f->e.code != cases[i].want || !str_starts(f->e.msg, cases[i].text))
            fail_msg("case %zu: %s: %s", i, err_code_name(f->e.code), f->e.msg);
        assert_string_equal(buf_text(&f->seen), cases[i].progress);
        finish(f);
    }
}

static void on_progress_cancel(void *user, const char *line)
{
    struct fix *f = user;

    on_progress(f, line);
    docker_cancel(f->op);
    loop_stop(f->loop);
}

static void a_pull_may_be_cancelled_by_its_progress(void **state)
{
    static const struct step steps[] = {
        { .expect = "", .reply = OK("{\"status\":\"A\"}\n{\"status\":\"B\"}\n"), .stall = true },
        { .expect = "", .reply = OK("{\"status\":\"at the end\"}") },
    };
    struct fix *f = *state;

    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        begin(f, &steps[i], 1);
        f->op = docker_pull(f->d, "a", NULL, 0, 0, on_progress_cancel, on_done, f);
        run(f);
        assert_string_equal(buf_text(&f->seen), i ? "at the end|" : "A|");
        assert_int_equal(f->calls, 0);
        finish(f);
    }
}

/* ---- time limits of a pull ---- */

static void on_go(void *user)
{
    peer_go(((struct fix *)user)->peer);
}

/* Says nothing until the test lets it, then one line, then nothing again. */
static void play_late(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_head(p);
    peer_wait(p);
    peer_send(p, OK("{\"status\":\"A\"}\r\n"));
    peer_expect_eof(p);
    peer_close(p);
}

/* A line every time the test lets it. */
static void play_lines(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_head(p);
    peer_send(p, JSON_200 "\r\n");
    for (int i = 0; i < 5; i++) {
        peer_wait(p);
        peer_send(p, "{\"status\":\"A\"}\r\n");
    }
    peer_close(p);
}

static void begin_script(struct fix *f, peer_script *script)
{
    begin(f, NULL, 0);
    assert_null(peer_stop(f->peer));
    unlink(f->path);
    f->peer = peer_start_unix(f->path, script, NULL);
}

static void the_first_line_may_take_longer(void **state)
{
    struct fix *f = *state;
    struct loop_timer *go = loop_timer_create(f->loop, on_go, f);

    begin_script(f, play_late);
    docker_pull(f->d, "app:1", NULL, 100, 15000, on_progress, on_done, f);
    loop_timer_arm(go, 500);
    run(f);
    loop_timer_destroy(go);
    assert_int_equal(f->e.code, ERR_TIMEOUT);
    assert_string_equal(f->e.msg, DOCKER_PULL_SILENT);
    assert_string_equal(buf_text(&f->seen), "A|");
    finish(f);
}

static void but_not_for_ever(void **state)
{
    static const struct {
        int64_t begin_ms, idle_ms, total_ms;
        const char *text; /* NULL: neither of ours */
    } cases[] = {
        { 200, 100, 15000, DOCKER_PULL_NOT_BEGUN },
        { 100, 200, 15000, DOCKER_PULL_NOT_BEGUN },
        { 200, 0, 15000, DOCKER_PULL_NOT_BEGUN },
        { 10000, 10000, 200, NULL },
    };
    static const struct step step = { .expect = "/images/create", .reply = "", .stall = true };
    struct fix *f = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        begin(f, &step, 1);
        assert_int_equal(f->d->pull_begin_ms, 5 * 60 * 1000);
        f->d->pull_begin_ms = cases[i].begin_ms;
        docker_pull(f->d, "app:1", NULL, cases[i].idle_ms, cases[i].total_ms, on_progress, on_done,
                    f);
        run(f);
        assert_int_equal(f->e.code, ERR_TIMEOUT);
        if (cases[i].text)
            assert_string_equal(f->e.msg, cases[i].text);
        else
            assert_true(!streq(f->e.msg, DOCKER_PULL_NOT_BEGUN) &&
                        !streq(f->e.msg, DOCKER_PULL_SILENT));
        finish(f);
    }
}

static void on_line_go(void *user, const char *line)
{
    struct fix *f = user;

    on_progress(f, line);
    loop_timer_arm(f->extra, 800);
}

/* Each line begins a new silence. */
static void a_pull_that_goes_on_is_not_silent(void **state)
{
    struct fix *f = *state;

    begin_script(f, play_lines);
    f->extra = loop_timer_create(f->loop, on_go, f);
    loop_timer_arm(f->extra, 0);
    docker_pull(f->d, "app:1", NULL, 3000, 15000, on_line_go, on_done, f);
    run(f);
    loop_timer_destroy(f->extra);
    assert_int_equal(f->e.code, ERR_OK);
    assert_string_equal(buf_text(&f->seen), "A|A|A|A|A|");
    finish(f);
}

/* ---- images ---- */

#define SHA "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void on_digest(void *user, const char *digest, const struct err *e)
{
    struct fix *f = user;

    f->inconsistent |= !digest != (e->code != ERR_OK);
    buf_printf(&f->seen, "%s", digest ? digest : "none");
    called(f, e);
}

static void a_registry_tells_a_digest(void **state)
{
    static const struct {
        const char *image;
        struct step step;
        enum err_code want;
        const char *seen;
    } cases[] = {
        { "r.io:5000/app:1",
          { .expect = "GET /v1.41/distribution/r.io:5000/app:1/json HTTP/1.1\r\n",
            .reply = OK("{\"Descriptor\":{\"mediaType\":\"a/b\",\"digest\":\"" SHA "\"}}") },
          ERR_OK,
          SHA },
        { "app",
          { .expect = "\r\nX-Registry-Auth: c2VjcmV0\r\n",
            .reply = OK("{\"Descriptor\":{\"digest\":\"nonsense\"}}") },
          ERR_IO,
          "none" },
        { "app",
          { .expect = "",
            .reply = "HTTP/1.1 429 No\r\n" CLOSE "\r\n{\"message\":\"toomanyrequests\"}" },
          ERR_IO,
          "none" },
        { "app",
          { .expect = "",
            .reply = "HTTP/1.1 404 No\r\n" CLOSE "\r\n{\"message\":\"manifest unknown\"}" },
          ERR_NOT_FOUND,
          "none" },
        { "app",
          { .expect = "", .reply = "HTTP/1.1 401 No\r\n" CLOSE "\r\n{\"message\":\"no access\"}" },
          ERR_DENIED,
          "none" },
    };
    struct fix *f = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        begin(f, &cases[i].step, 1);
        snprintf(f->d->prefix, sizeof f->d->prefix, "/v1.41");
        docker_distribution(f->d, cases[i].image, "c2VjcmV0", 5000, on_digest, f);
        run(f);
        if (f->e.code != cases[i].want)
            fail_msg("case %zu: %s: %s", i, err_code_name(f->e.code), f->e.msg);
        assert_string_equal(buf_text(&f->seen), cases[i].seen);
        finish(f);
    }
}

/* API before 1.30: the digest stays unknown, which is no error. */
static void an_old_engine_cannot_ask(void **state)
{
    static const struct {
        const char *prefix;
        enum err_code want;
    } cases[] = {
        { "/v1.29", ERR_OK },
        { "/v1.30", ERR_NOT_FOUND },
        { "", ERR_NOT_FOUND },
    };
    static const struct step step = { .expect = "/distribution/app/json",
                                      .reply = "HTTP/1.1 404 No\r\n" CLOSE
                                               "\r\n{\"message\":\"page not found\"}" };
    struct fix *f = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        begin(f, &step, 1);
        snprintf(f->d->prefix, sizeof f->d->prefix, "%s", cases[i].prefix);
        docker_distribution(f->d, "app", NULL, 5000, on_digest, f);
        run(f);
        assert_int_equal(f->e.code, cases[i].want);
        assert_string_equal(buf_text(&f->seen), cases[i].want ? "none" : "");
        finish(f);
    }
}

static void requests_about_images_and_volumes(void **state)
{
    static const struct step steps[] = {
        { .expect = "DELETE /images/sha256:0123 HTTP",
          .reply = "HTTP/1.1 404 No\r\n" CLOSE "\r\n{\"message\":\"No such image\"}" },
        { .expect = "POST /images/r.io/a@" SHA "/tag?repo=r.io%2Fa&tag=1 HTTP",
          .reply = "HTTP/1.1 201 Created\r\n" CLOSE "\r\n" },
        { .expect = "POST /images/create?fromSrc=-&repo=a%2Fb&tag=2&changes=ENTRYPOINT%20%5B%22"
                    "%2Fpause%22%5D HTTP",
          .reply = OK("{\"status\":\"sha256:1\"}\r\n{\"error\":\"no space\"}\r\n") },
        { .expect = "DELETE /volumes/v HTTP",
          .reply = "HTTP/1.1 409 Conflict\r\n" CLOSE "\r\n{\"message\":\"volume is in use\"}" },
        { .expect = "POST /volumes/create HTTP",
          .reply = "HTTP/1.1 500 No\r\n" CLOSE "\r\n{\"message\":\"no such driver\"}" },
    };
    const struct docker_volume volume = { .name = "v", .driver = "d" };
    struct fix *f = *state;

    begin(f, steps, COUNT_OF(steps));
    docker_remove_image(f->d, "sha256:0123", 5000, on_done, f);
    run(f);
    assert_int_equal(f->e.code, ERR_OK);
    f->stop_at = 2;
    docker_tag_image(f->d, "r.io/a@" SHA, "r.io/a:1", 5000, on_done, f);
    run(f);
    assert_int_equal(f->e.code, ERR_OK);
    f->stop_at = 3;
    docker_import_image(f->d, "a/b:2", "/pause", (struct str){ "", 0 }, 5000, on_done, f);
    run(f);
    assert_int_equal(f->e.code, ERR_IO);
    assert_string_equal(f->e.msg, "no space");
    f->stop_at = 4;
    docker_remove_volume(f->d, "v", 5000, on_done, f);
    run(f);
    assert_int_equal(f->e.code, ERR_CONFLICT);
    f->stop_at = 5;
    docker_create_volume(f->d, &volume, 5000, on_done, f);
    run(f);
    assert_int_equal(f->e.code, ERR_IO);
    assert_string_equal(f->e.msg, "Error response from daemon: no such driver");
    finish(f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pulls_end_well_or_badly, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pull_may_be_cancelled_by_its_progress, setup, teardown),
        cmocka_unit_test_setup_teardown(the_first_line_may_take_longer, setup, teardown),
        cmocka_unit_test_setup_teardown(but_not_for_ever, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pull_that_goes_on_is_not_silent, setup, teardown),
        cmocka_unit_test_setup_teardown(a_registry_tells_a_digest, setup, teardown),
        cmocka_unit_test_setup_teardown(an_old_engine_cannot_ask, setup, teardown),
        cmocka_unit_test_setup_teardown(requests_about_images_and_volumes, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
