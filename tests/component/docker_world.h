#pragma once
/* docker_world: what the tests against a real Docker Engine share. The engine is the
 * one of DOCKER_HOST, else /var/run/docker.sock. Include it in one file of a program,
 * after cmocka. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "docker/docker.h"

#define CALL_MS 30000

static struct docker_world {
    struct loop *loop;
    struct http_client *http;
    struct docker *d;
    struct loop_timer *watchdog;
    int64_t watchdog_ms;
    const char *why_skipped; /* NULL: there is an engine */
    char endpoint[200];
    char unique[40]; /* in the name of everything that the tests make */

    const char *wrong; /* what a callback found; asserted outside of the loop */
    bool late, done;
    int status; /* of world_http */
    struct err e;
} w = { .watchdog_ms = 60000 };

static UNUSED void world_late(void *user)
{
    (void)user;
    w.late = true;
    loop_stop(w.loop);
}

static UNUSED void run(void)
{
    w.late = false;
    loop_timer_arm(w.watchdog, w.watchdog_ms);
    loop_run(w.loop);
    loop_timer_disarm(w.watchdog);
}

/* An assertion must not jump out of the loop. */
#define CHECK(condition)          \
    do {                          \
        if (!(condition))         \
            w.wrong = #condition; \
    } while (0)

static UNUSED void check_callbacks(void)
{
    const char *wrong = w.wrong;

    w.wrong = NULL;
    if (wrong)
        fail_msg("in a callback: %s", wrong);
}

/* ---- one call at a time ---- */

static UNUSED void finish(const struct err *e)
{
    w.e = *e;
    w.done = true;
    loop_stop(w.loop);
}

static UNUSED void wait_call(void)
{
    w.done = false;
    run();
    assert_false(w.late);
    assert_true(w.done);
    check_callbacks();
}

static UNUSED void wait_ok(void)
{
    wait_call();
    if (w.e.code)
        fail_msg("%s: %s", err_code_name(w.e.code), w.e.msg);
}

/* It fails so, and says so. */
static UNUSED void wait_error(enum err_code code, const char *text)
{
    wait_call();
    if (w.e.code != code || !strstr(w.e.msg, text))
        fail_msg("%s: %s", err_code_name(w.e.code), w.e.msg);
}

static UNUSED void on_done(void *user, const struct err *e)
{
    (void)user;
    finish(e);
}

/* ---- calls the client does not have ---- */

static UNUSED void world_on_http(void *user, const struct http_response *r, const struct err *e)
{
    (void)user;
    w.status = r ? r->status : 0;
    if (r && r->status >= 300 && r->status != 404)
        printf("engine: %d %.*s\n", r->status, (int)r->body.n, r->body.p);
    finish(e);
}

static UNUSED void world_http(const char *method, const char *path, struct http_header header,
                              struct str body)
{
    bool local = str_starts(w.endpoint, "unix://");
    AUTO(str)
    char *url = local ? mem_printf("http://docker%s", path)
                      : mem_printf("http://%s%s", strstr(w.endpoint, "://") + 3, path);

    http_send(w.http,
              &(struct http_request){ .method = method,
                                      .url = url,
                                      .unix_socket = local ? w.endpoint + 7 : NULL,
                                      .headers = &header,
                                      .n_headers = 1,
                                      .body = body,
                                      .timeout_ms = CALL_MS },
              world_on_http, NULL);
    w.done = false;
    run();
}

/* ---- a file system with busybox, as a tar archive ---- */

static UNUSED void tar_entry(struct buf *tar, const char *name, char type, const char *link,
                             struct str data)
{
    char h[512] = "";
    unsigned sum = 8 * ' ';

    snprintf(h, 100, "%s", name);
    memcpy(h + 100, "0000755", 7);
    memcpy(h + 108, "0000000", 7);
    memcpy(h + 116, "0000000", 7);
    snprintf(h + 124, 12, "%011zo", data.n);
    memcpy(h + 136, "00000000000", 11);
    memset(h + 148, ' ', 8);
    h[156] = type;
    snprintf(h + 157, 100, "%s", link);
    memcpy(h + 257, "ustar\00000", 8);
    for (size_t i = 0; i < sizeof h; i++)
        if (i < 148 || i >= 156)
            sum += (unsigned char)h[i];
    snprintf(h + 148, 8, "%06o", sum);
    buf_append(tar, h, sizeof h);
    buf_append(tar, data.p, data.n);
    memset(h, 0, sizeof h);
    buf_append(tar, h, (512 - data.n % 512) % 512);
}

static UNUSED void tar_end(struct buf *tar)
{
    static const char zeros[1024];

    buf_append(tar, zeros, sizeof zeros);
}

static UNUSED bool world_read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 1;

    while (n > 0) {
        char *to = buf_reserve(out, 65536);

        n = to ? read(fd, to, 65536) : -1;
        if (n > 0)
            buf_grew(out, (size_t)n);
    }
    if (fd >= 0)
        close(fd);
    return n == 0;
}

/* bin/busybox and bin/sh; false without a busybox here. */
static UNUSED bool tar_busybox(struct buf *tar)
{
    AUTO(buf) struct buf busybox = BUF_INIT(8 << 20);

    if (!world_read_file("/bin/busybox", &busybox))
        return false;
    tar_entry(tar, "bin/busybox", '0', "", buf_str(&busybox));
    tar_entry(tar, "bin/sh", '2', "busybox", (struct str){ "", 0 });
    tar_end(tar);
    return true;
}

/* ---- begin and end ---- */

static UNUSED void world_on_version(void *user, const struct docker_version *v, const struct err *e)
{
    (void)user;
    if (v)
        printf("engine %s, API %s\n", v->version, v->api_version);
    finish(e);
}

static UNUSED void world_begin(void)
{
    const char *host = getenv("DOCKER_HOST");
    struct err e = { 0 };

    w.loop = loop_create();
    w.http = http_client_create(w.loop, &(struct http_client_config){ 0 });
    w.watchdog = loop_timer_create(w.loop, world_late, NULL);
    snprintf(w.unique, sizeof w.unique, "berth-test-%016llx", (unsigned long long)rng_entropy());
    snprintf(w.endpoint, sizeof w.endpoint, "%s",
             str_empty(host) ? "unix:///var/run/docker.sock" : host);
    if (docker_create(w.http, w.endpoint, &w.d, &e)) {
        w.why_skipped = "DOCKER_HOST is not for us";
        return;
    }
    docker_negotiate(w.d, world_on_version, NULL);
    w.done = false;
    run();
    if (w.late || w.e.code)
        w.why_skipped = "no Docker Engine";
}

static UNUSED void world_end(void)
{
    docker_destroy(w.d);
    loop_timer_destroy(w.watchdog);
    http_client_destroy(w.http);
    loop_destroy(w.loop);
}

/* Busybox as the image unique:1; without it there is nothing to test. */
static UNUSED void world_import_image(void)
{
    AUTO(buf) struct buf tar = BUF_INIT(9 << 20);
    char path[200];

    if (w.why_skipped)
        return;
    if (!tar_busybox(&tar)) {
        w.why_skipped = "no /bin/busybox";
        return;
    }
    snprintf(path, sizeof path, "/images/create?fromSrc=-&repo=%s&tag=1", w.unique);
    world_http("POST", path, (struct http_header){ "Content-Type", "application/x-tar" },
               buf_str(&tar));
    if (w.status != 200)
        w.why_skipped = "the engine did not import an image";
}

static UNUSED void world_delete(const char *path)
{
    world_http("DELETE", path, (struct http_header){ "Accept", "application/json" },
               (struct str){ 0 });
}

#define NEED_ENGINE()      \
    do {                   \
        if (w.why_skipped) \
            skip();        \
    } while (0)
