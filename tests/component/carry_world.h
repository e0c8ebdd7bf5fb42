#pragma once
/* Operations one by one, against a real socket: an engine whose turns only gather what
 * it would tell its core. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "component/fake_docker.h"
#include "engine/internal.h"
#include "io/http_client.h"

#define GUARD_MS 20000
#define CLUSTER  "arn:aws:ecs:us-west-2:123456789012:task/demo/"
#define ARN      CLUSTER "t1"

struct world {
    char dir[64];
    struct fake_docker fake;
    struct loop *loop;
    struct loop_timer *guard, *poll;
    struct http_client *http;
    struct config config;
    struct engine en;
    struct list told; /* queued, in order */
    size_t n_told, want;
    const int *number; /* of the fake engine, waited for */
    int at_least;
    uint64_t next_id;
    bool expired;
};

static UNUSED void on_turn(void *user)
{
    struct world *w = user;

    LIST_FOREACH (it, following, &w->en.queue) {
        list_remove(it);
        list_push_back(&w->told, it);
        w->n_told++;
    }
    if (w->want && w->n_told >= w->want)
        loop_stop(w->loop);
}

static UNUSED void on_guard(void *user)
{
    struct world *w = user;

    w->expired = true;
    loop_stop(w->loop);
}

static UNUSED void on_poll(void *user)
{
    struct world *w = user;

    if (w->number && fake_docker_count(&w->fake, w->number) >= w->at_least)
        loop_stop(w->loop);
    loop_timer_arm(w->poll, 2);
}

static UNUSED void run(struct world *w)
{
    w->expired = false;
    loop_timer_arm(w->guard, GUARD_MS);
    loop_timer_arm(w->poll, 0);
    loop_run(w->loop);
    loop_timer_disarm(w->guard);
    loop_timer_disarm(w->poll);
    if (w->expired)
        fail_msg("what was waited for did not happen");
}

/* Until so many operations have ended, since the last drop_told. */
static UNUSED void run_until_told(struct world *w, size_t n)
{
    w->want = n;
    if (w->n_told < n)
        run(w);
    w->want = 0;
    assert_int_equal(w->n_told, n);
}

static UNUSED void run_until_count(struct world *w, const int *number, int at_least)
{
    w->number = number;
    w->at_least = at_least;
    run(w);
    w->number = NULL;
}

static UNUSED void drop_told(struct world *w)
{
    LIST_FOREACH (it, following, &w->told) {
        list_remove(it);
        queued_destroy(LIST_ENTRY(it, struct queued, node));
    }
    w->n_told = 0;
}

static const struct core_event *answer_of(struct world *w, uint64_t id)
{
    LIST_FOREACH (it, following, &w->told) {
        const struct queued *q = LIST_ENTRY(it, struct queued, node);

        if (q->ev.type == CORE_EV_OP_DONE && q->ev.u.op.id == id)
            return &q->ev;
    }
    fail_msg("operation %d has not ended", (int)id);
    return NULL;
}

static UNUSED void assert_ok(struct world *w, uint64_t id)
{
    const struct err *e = &answer_of(w, id)->u.op.err;

    if (e->code)
        fail_msg("operation %d: %s", (int)id, e->msg);
}

/* ---- what the core would wish ---- */

struct wish {
    const char *arn, *ref, *digest;
    size_t container, volume;
};

static UNUSED uint64_t wish(struct world *w, enum core_op op, const struct wish *what)
{
    AUTO(str) char *arn = mem_strdup(what->arn);
    AUTO(str) char *ref = mem_strdup(what->ref);
    AUTO(str) char *digest = mem_strdup(what->digest);
    const struct core_action a = {
        .type = CORE_ACT_OP,
        .id = ++w->next_id,
        .op = op,
        .task_arn = arn,
        .container = what->container,
        .volume = what->volume,
        .digest = digest,
        .ref = ref,
        .timeout_ms = 10000,
        .idle_timeout_ms = 10000,
        .stop_timeout_s = 1,
    };

    carry_action(&w->en, &a);
    return a.id;
}

static UNUSED uint64_t wish_image(struct world *w, enum core_op op, size_t container)
{
    return wish(w, op, &(struct wish){ .arn = ARN, .ref = "busybox", .container = container });
}

static UNUSED void cancel(struct world *w, uint64_t id)
{
    const struct core_action a = { .type = CORE_ACT_CANCEL, .id = id };

    carry_action(&w->en, &a);
}

static UNUSED void give_task(struct world *w, const char *members)
{
    AUTO(str)
    char *json = mem_printf("{\"arn\":\"" ARN "\",\"family\":\"web\",\"version\":\"3\","
                            "\"desiredStatus\":\"RUNNING\",%s}",
                            members);
    struct core_payload_task p = { 0 };
    struct core_event ev = { .type = CORE_EV_STARTED, .u.started.manifest_seq = -1 };
    struct core_actions out = { 0 };
    struct err e = { 0 };

    core_step(w->en.core, (struct core_time){ 1, 1 }, &ev, &out);
    if (task_decode_text(json, strlen(json), &p.task, &e))
        fail_msg("%s", e.msg);
    ev = (struct core_event){ .type = CORE_EV_PAYLOAD };
    ev.u.payload.message_id = "m";
    ev.u.payload.tasks = &p;
    ev.u.payload.n_tasks = 1;
    core_step(w->en.core, (struct core_time){ 2, 2 }, &ev, &out);
    core_actions_fini(&out);
    assert_non_null(core_task(w->en.core, ARN));
}

#define THREE                                                                           \
    "\"containers\":[{\"name\":\"a\",\"image\":\"busybox\"},{\"name\":\"b\",\"image\":" \
    "\"busybox\"},{\"name\":\"c\",\"image\":\"busybox\"}]"

/* ---- set up ---- */

static UNUSED void on_version(void *user, const struct docker_version *v, const struct err *e)
{
    struct world *w = user;

    (void)v;
    assert_int_equal(e->code, ERR_OK);
    loop_stop(w->loop);
}

static UNUSED int set_up(void **state)
{
    static const struct core_config core = {
        .seed = 7,
        .cpu_units = 4096,
        .memory_mib = 16384,
        .start_parallel = 8,
        .pull_parallel = 8,
        .stop_timeout_ms = 1000,
        .ageing_ms = 60000,
        .port_first = 20300,
        .port_last = 20399,
    };
    struct world *w = NEW(struct world);
    struct http_client_config http = { 0 };
    char path[128], endpoint[160];
    struct err e = { 0 };

    snprintf(w->dir, sizeof w->dir, "/tmp/test_carry.XXXXXX");
    if (!mkdtemp(w->dir))
        return -1;
    snprintf(path, sizeof path, "%s/docker.sock", w->dir);
    fake_docker_start(&w->fake, path);
    log_set_level(LOG_OFF);
    w->loop = loop_create();
    w->guard = loop_timer_create(w->loop, on_guard, w);
    w->poll = loop_timer_create(w->loop, on_poll, w);
    w->http = http_client_create(w->loop, &http);
    w->config.cluster = mem_strdup("demo");
    list_init(&w->told);
    snprintf(endpoint, sizeof endpoint, "unix://%s", w->fake.path);
    w->en.loop = w->loop;
    w->en.config = &w->config;
    w->en.user = w;
    w->en.core = core_create(&core);
    w->en.turn = turn_end_create(w->loop, on_turn, w);
    list_init(&w->en.queue);
    holds_init(&w->en.holds, core.port_first, core.port_last);
    if (docker_create(w->http, endpoint, &w->en.docker, &e))
        return -1;
    docker_negotiate(w->en.docker, on_version, w);
    loop_run(w->loop);
    *state = w;
    return 0;
}

static UNUSED int tear_down(void **state)
{
    struct world *w = *state;
    char command[128];

    carry_fini(&w->en);
    drop_told(w);
    LIST_FOREACH (it, following, &w->en.queue) {
        list_remove(it);
        queued_destroy(LIST_ENTRY(it, struct queued, node));
    }
    turn_end_destroy(w->en.turn);
    docker_destroy(w->en.docker);
    core_destroy(w->en.core);
    http_client_destroy(w->http);
    loop_timer_destroy(w->guard);
    loop_timer_destroy(w->poll);
    loop_destroy(w->loop);
    fake_docker_stop(&w->fake);
    snprintf(command, sizeof command, "rm -rf %s", w->dir);
    free(w->config.cluster);
    free(w->en.docker_root);
    free(w);
    return system(command);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
