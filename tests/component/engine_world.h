#pragma once
/* An engine with its store against a fake Docker, and without the rest of the agent: what it asks
 * of its peers, the test that includes this notes. on_poll is the test's own: it looks at what
 * happens in the fake's threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "component/fake_docker.h"
#include "engine/engine.h"
#include "io/http_client.h"

#define GUARD_MS 20000

struct host {
    char dir[64];
    struct fake_docker fake;
    struct loop *loop;
    struct loop_timer *guard, *poll;
    struct http_client *http;
    struct docker *docker;
    struct store *store;
    struct engine *engine;
    struct config config;
    bool record;

    bool (*until)(struct host *h);
    int acks, running, stopped, follows, drains, gone, ends;
    long commits_at_ack;
    bool expired;
};

static void on_poll(void *user);

static UNUSED void on_guard(void *user)
{
    struct host *h = user;

    h->expired = true;
    loop_stop(h->loop);
}

static UNUSED void on_fatal(void *user, const struct err *e)
{
    (void)user;
    fail_msg("fatal: %s", e->msg);
}

static UNUSED void on_version(void *user, const struct docker_version *v, const struct err *e)
{
    struct host *h = user;

    (void)v;
    assert_int_equal(e->code, ERR_OK);
    loop_stop(h->loop);
}

static UNUSED void start_with(struct host *h, const struct engine_peers *peers)
{
    struct http_client_config http = { 0 };
    struct engine_args args = {
        .config = &h->config,
        .core = {
            .seed = 7,
            .cpu_units = 4096,
            .memory_mib = 16384,
            .stop_timeout_ms = 1000,
            .create_timeout_ms = 10000,
            .start_timeout_ms = 10000,
            .manifest_timeout_ms = 10000,
            .pull_timeout_ms = 10000,
            .pull_inactivity_ms = 5000,
            .cleanup_wait_ms = 0,
            .drain_ms = 1000,
            .ageing_ms = 60000,
            .start_parallel = 8,
            .pull_parallel = 2,
            .port_first = 20500,
            .port_last = 20599,
            .image_interval_ms = 600000,
            .disk_high_pct = 90,
            .disk_low_pct = 80,
            .disk_check_ms = 60000,
        },
        .record_dir = h->record ? h->dir : NULL,
        .version = "test",
    };
    char endpoint[160];
    struct err e = { 0 };

    h->loop = loop_create();
    h->guard = loop_timer_create(h->loop, on_guard, h);
    h->poll = loop_timer_create(h->loop, on_poll, h);
    h->http = http_client_create(h->loop, &http);
    snprintf(endpoint, sizeof endpoint, "unix://%s", h->fake.path);
    assert_int_equal(docker_create(h->http, endpoint, &h->docker, &e), ERR_OK);
    assert_int_equal(store_open(h->dir, &h->store, &e), ERR_OK);
    docker_negotiate(h->docker, on_version, h);
    loop_run(h->loop);
    args.loop = h->loop;
    args.store = h->store;
    args.docker = h->docker;
    assert_int_equal(engine_create(&args, peers, h, &h->engine, &e), ERR_OK);
}

static UNUSED void stop(struct host *h)
{
    engine_destroy(h->engine);
    docker_destroy(h->docker);
    http_client_destroy(h->http);
    loop_timer_destroy(h->guard);
    loop_timer_destroy(h->poll);
    store_close(h->store);
    loop_destroy(h->loop);
}

static UNUSED int set_up(void **state)
{
    struct host *h = NEW(struct host);
    char path[128];

    snprintf(h->dir, sizeof h->dir, "/tmp/test_engine.XXXXXX");
    if (!mkdtemp(h->dir))
        return -1;
    h->config.cluster = mem_strdup("demo");
    h->config.region = mem_strdup("us-west-2");
    snprintf(path, sizeof path, "%s/docker.sock", h->dir);
    fake_docker_start(&h->fake, path);
    log_set_level(LOG_OFF);
    *state = h;
    return 0;
}

static UNUSED int tear_down(void **state)
{
    struct host *h = *state;
    char command[128];

    fake_docker_stop(&h->fake);
    snprintf(command, sizeof command, "rm -rf %s", h->dir);
    free(h->config.cluster);
    free(h->config.region);
    free(h);
    return system(command);
}
