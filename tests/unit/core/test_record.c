/* record.c, persist.c: flight records. What is written is read back the same, and a
 * core that was saved and loaded goes on as if nothing had happened. */
#include "unit/core/twin.h"

/* ---- events ---- */

static char *written(struct core_time now, const struct core_event *ev)
{
    struct buf b = BUF_INIT(1 << 20);
    struct jw w;

    jw_init(&w, &b);
    core_event_write(&w, now, ev);
    return buf_take(&b);
}

/* Writes, reads, writes: both texts are equal, and equal to `want` if that is given. */
static void assert_round_trip(const struct core_event *ev, const char *want)
{
    struct core_time now = { 12345, BEGIN_WALL }, back = { 0 };
    struct core_event_arena *arena = NULL;
    struct json_t *doc = NULL;
    struct core_event copy;
    struct err e = { 0 };
    struct jcur root;
    char *first = written(now, ev), *second;

    if (want)
        assert_string_equal(first, json(want));
    assert_int_equal(json_parse(first, strlen(first), &doc, &e), ERR_OK);
    root = jcur_root(doc, &e);
    if (core_event_read(&root, &back, &copy, &arena, &e))
        fail_msg("%s\n%s", e.msg, first);
    assert_int_equal(copy.type, ev->type);
    second = written(back, &copy);
    assert_string_equal(second, first);
    if (copy.type == CORE_EV_RESTORED)
        task_destroy(copy.u.restored.task);
    core_event_arena_destroy(arena);
    json_free(doc);
    free(first);
    free(second);
}

#define AT "{'mono':12345,'wall':1700000000000,"

static void test_plain_events(void **state)
{
    const char *const arns[] = { "a1", "a2" };
    const struct core_manifest_entry entries[] = { { "a1", TASK_RUNNING }, { "a2", TASK_STOPPED } };
    const struct core_listed rows[] = { { "i1", "n1", "a1", CTR_RUNNING, NULL },
                                        { "i2", "n2", "a2", CTR_STOPPED, "{}" } };
    struct core_event ev;

    (void)state;
    ev = (struct core_event){ .type = CORE_EV_STARTED, .u.started = { 9, false } };
    assert_round_trip(&ev, AT "'event':'started','manifest_seq':9,'lost':false}");
    ev = (struct core_event){ .type = CORE_EV_STARTED, .u.started = { -1, true } };
    assert_round_trip(&ev, AT "'event':'started','manifest_seq':-1,'lost':true}");
    ev.u.started.engine_took_ms = 3000;
    assert_round_trip(&ev, AT "'event':'started','manifest_seq':-1,'lost':true,"
                              "'engine_took_ms':3000}");
    ev = (struct core_event){ .type = CORE_EV_MANIFEST, .u.manifest = { "m", "c", 4, entries, 2 } };
    assert_round_trip(&ev, AT "'event':'manifest','message_id':'m','cluster_arn':'c','seq':4,"
                              "'entries':[{'arn':'a1','desired':3},{'arn':'a2','desired':4}]}");
    ev = (struct core_event){ .type = CORE_EV_STOP_ACK, .u.stop_ack = { "m", arns, 2 } };
    assert_round_trip(&ev, AT "'event':'stop-ack','message_id':'m','arns':['a1','a2']}");
    ev = (struct core_event){ .type = CORE_EV_STOP_ACK, .u.stop_ack = { "m", NULL, 0 } };
    assert_round_trip(&ev, AT "'event':'stop-ack','message_id':'m','arns':[]}");
    ev = (struct core_event){ .type = CORE_EV_LISTED, .u.listed = { rows, 2 } };
    assert_round_trip(&ev,
                      AT "'event':'listed','rows':["
                         "{'id':'i1','name':'n1','task_arn':'a1','status':4},"
                         "{'id':'i2','name':'n2','task_arn':'a2','status':5,'remains':'{}'}]}");
    ev = (struct core_event){ .type = CORE_EV_CONTROL_UP };
    assert_round_trip(&ev, AT "'event':'control-up'}");
    ev = (struct core_event){ .type = CORE_EV_CLOSE };
    assert_round_trip(&ev, AT "'event':'close'}");
    ev = (struct core_event){ .type = CORE_EV_TIMER };
    assert_round_trip(&ev, AT "'event':'timer'}");
}

static void test_container_events(void **state)
{
    static const char *const names[] = {
        "created", "started", "died", "oom", "health", "destroyed"
    };

    (void)state;
    for (int what = CORE_HAP_CREATED; what <= CORE_HAP_DESTROYED; what++) {
        struct core_event ev = { .type = CORE_EV_CONTAINER };
        char want[300];

        ev.u.container.what = (enum core_happening)what;
        ev.u.container.id = "i";
        ev.u.container.name = "n";
        ev.u.container.task_arn = "a";
        ev.u.container.health = HEALTH_OK;
        snprintf(want, sizeof want,
                 AT "'event':'container','what':'%s','id':'i','name':'n','task_arn':'a',"
                    "'health':2}",
                 names[what]);
        assert_round_trip(&ev, want);
        ev.u.container.has_exit_code = true; /* also a code of 0 is one */
        snprintf(want, sizeof want,
                 AT "'event':'container','what':'%s','id':'i','name':'n','task_arn':'a',"
                    "'exit_code':0,'health':2}",
                 names[what]);
        assert_round_trip(&ev, want);
    }
}

static void test_reported_events(void **state)
{
    static const char *const names[] = { "accepted", "refused", "failed" };

    (void)state;
    for (int result = CORE_REPORT_ACCEPTED; result <= CORE_REPORT_FAILED; result++) {
        struct core_event ev = { .type = CORE_EV_REPORTED };
        char want[200];

        ev.u.reported.id = 77;
        ev.u.reported.result = (enum core_report_result)result;
        ev.u.reported.error = result ? "why" : NULL;
        snprintf(want, sizeof want, AT "'event':'reported','id':77,'result':'%s'%s}", names[result],
                 result ? ",'error':'why'" : "");
        assert_round_trip(&ev, want);
    }
}

static void test_op_events(void **state)
{
    struct port_binding ports[] = { { "0.0.0.0", 80, 8080, PORT_TCP }, { "::", 53, 53, PORT_UDP } };
    struct ctr_facts f = { .id = "abc",
                           .status = CTR_STOPPED,
                           .has_exit_code = true,
                           .exit_code = -1,
                           .oom_killed = true,
                           .error = "bad \"quote\"",
                           .created_ms = 1,
                           .started_ms = 2,
                           .finished_ms = 3,
                           .health = HEALTH_BAD,
                           .bindings = ports,
                           .n_bindings = 2 };
    struct core_event ev = { .type = CORE_EV_OP_DONE };
    static const char *const names[] = { "a:1", "b:2" };
    static const uint16_t chosen[] = { 0, 40000 };
    const struct core_image image = { "sha256:i", "sha256:1", names, 2, 7, 8 };
    const struct core_other other = { "x", "n", "dead" };

    (void)state;
    ev.u.op.id = 5;
    assert_round_trip(&ev, AT "'event':'op-done','id':5}");
    ev.u.op.container_id = "abc";
    ev.u.op.images = &image;
    ev.u.op.n_images = 1;
    ev.u.op.disk = (struct core_disk){ 100, 50, 10, 5 };
    ev.u.op.ports = chosen;
    ev.u.op.n_ports = 2;
    ev.u.op.others = &other;
    ev.u.op.n_others = 1;
    assert_round_trip(&ev, AT "'event':'op-done','id':5,'container_id':'abc',"
                              "'images':[{'id':'sha256:i','digest':'sha256:1','size':7,"
                              "'created':8,'names':['a:1','b:2']}],"
                              "'disk':{'bytes':100,'bytes_used':50,'inodes':10,'inodes_used':5},"
                              "'ports':[0,40000],"
                              "'others':[{'id':'x','name':'n','state':'dead'}]}");
    for (int code = ERR_INVALID; code <= ERR_IO; code++) {
        err_set(&ev.u.op.err, (enum err_code)code, "it broke");
        assert_round_trip(&ev, NULL);
    }
    ev.u.op.err = (struct err){ 0 };
    ev.u.op.facts = &f;
    assert_round_trip(&ev, NULL);
    f = (struct ctr_facts){ .id = "abc", .status = CTR_CREATED };
    assert_round_trip(&ev, NULL);
}

#define SECRETIVE                                                                              \
    TASK("t1", C("a", ",'environment':{'PASSWORD':'hunter2'},'portMappings':[{'containerPort'" \
                      ":80,'hostPort':8080}]") "," SIDE("b", AFTER("a", "START")))

static void test_task_events(void **state)
{
    struct core_payload_task tasks[3] = { { .task = decode(SECRETIVE) },
                                          { .arn = "a2", .error = "broken" },
                                          { .error = "no arn" } };
    struct core_event payload_ev = { .type = CORE_EV_PAYLOAD }, ev = { .type = CORE_EV_RESTORED };
    char *text;

    (void)state;
    payload_ev.u.payload.message_id = "m";
    payload_ev.u.payload.seq = 3;
    payload_ev.u.payload.tasks = tasks;
    payload_ev.u.payload.n_tasks = 3;
    assert_round_trip(&payload_ev, NULL);
    ev.u.restored.task = tasks[0].task;
    assert_round_trip(&ev, NULL); /* its state was lost */
    ev.u.restored.state = "{\"v\":2}";
    assert_round_trip(&ev, NULL);
    text = written((struct core_time){ 0 }, &ev);
    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "PASSWORD"));
    free(text);
    task_destroy(tasks[0].task);
}

static void test_damaged_events(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        { "{'mono':1,'wall':2,'event':'dance'}", "unknown event 'dance'" },
        { "{'mono':'x','wall':2,'event':'timer'}", "mono: expected integer, got string" },
        { "{'wall':2,'event':'timer'}", "mono: expected integer, but it is missing" },
        { "{'mono':1,'wall':2,'event':'container','what':'sang','id':'i','name':'n','task_arn':'a',"
          "'health':0}",
          "unknown what 'sang'" },
        { "{'mono':1,'wall':2,'event':'op-done','id':0}", "id: 0 is not in 1..9007199254740992" },
        { "{'mono':1,'wall':2,'event':'listed','rows':[{'id':'i','name':'n','task_arn':'a',"
          "'status':3},{'id':7}]}",
          "rows[1].id: expected string, got integer" },
        { "{'mono':1,'wall':2,'event':'manifest','message_id':'m','cluster_arn':'c','seq':1,"
          "'entries':[{'arn':'a','desired':9}]}",
          "entries[0].desired: 9 is not in 0..4" },
        { "{'mono':1,'wall':2,'event':'reported','id':1,'result':'lost'}",
          "unknown result 'lost'" },
        { "{'mono':1,'wall':2,'event':'payload','message_id':'m','seq':1,'tasks':[" TASK(
              "t1", C("a", "")) "]}",
          NULL }, /* a task stands in the member "task" */
        { "{'mono':1,'wall':2,'event':'payload','message_id':'m','seq':1,'tasks':[{'task':" TASK(
              "t1", C("a", "")) "},{'task':{'arn':'x'}}]}",
          "tasks[1].task: containers: a task needs at least one container" },
        { "{'mono':1,'wall':2,'event':'restored','task':{'arn':7}}",
          "task: arn: expected string, got integer" },
        { "{'mono':1,'wall':2,'event':'restored'}",
          "task: expected a task, which is a JSON object" },
        { "{'mono':1,'wall':2,'event':'restored','state':7,'task':" TASK("t1", C("a", "")) "}",
          "state: expected string, got integer" },
        { "[]", "mono: expected integer, but it is missing" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *text = json(rows[i].text);
        struct core_event_arena *arena = NULL;
        struct json_t *doc = NULL;
        struct core_time now;
        struct core_event ev;
        struct err e = { 0 };
        struct jcur root;

        assert_int_equal(json_parse(text, strlen(text), &doc, &e), ERR_OK);
        root = jcur_root(doc, &e);
        if (!rows[i].want) {
            assert_int_equal(core_event_read(&root, &now, &ev, &arena, &e), ERR_OK);
            core_event_arena_destroy(arena);
        } else {
            assert_int_equal(core_event_read(&root, &now, &ev, &arena, &e), ERR_INVALID);
            assert_null(arena);
            assert_string_equal(e.msg, rows[i].want);
        }
        json_free(doc);
    }
}

/* ---- the whole core ---- */

/* A history with something of everything: waiting, pulling, queued, failed, retried,
 * reported, stopping, cleaned up. */
static void history(struct drive *d, bool swapped)
{
    const char *const texts[] = {
        TASK("t1", SIDE("init", "") "," C("a", ",'cpu':1000" AFTER("init", "SUCCESS"))),
        TASK("t2", C("a", ",'cpu':800,'portMappings':[{'containerPort':80,'hostPort':8080}]")),
        TASK("t3", C("a", ",'cpu':2000")),
        TASK("t4", C("a", "")),
        "!t5 broken",
    };
    const struct core_manifest_entry entries[] = { { ARN("t1"), TASK_RUNNING } };
    struct core_event ev = { .type = CORE_EV_MANIFEST };
    int turn = 0;

#define SWAP              \
    do {                  \
        if (swapped)      \
            swap_core(d); \
        turn++;           \
    } while (0)
    drive_empty(d);
    d->cfg.start_parallel = 1;
    d->cfg.pull_parallel = 2;
    d->cfg.cleanup_jitter_ms = 60000;
    drive_boot(d);
    SWAP;
    payload(d, "m", 4, texts, 5);
    SWAP;
    ev.u.manifest.message_id = "man";
    ev.u.manifest.cluster_arn = "c";
    ev.u.manifest.seq = 5;
    ev.u.manifest.entries = entries;
    ev.u.manifest.n_entries = 1;
    drive_step(d, &ev);
    SWAP;
    fails(d, CORE_OP_PULL, "t1/init", ERR_IO, "no");
    SWAP;
    bring(d, "t2/a", CTR_PULLED);
    SWAP;
    bring(d, "t1/init", CTR_PULLED);
    SWAP;
    answer_report(d, "t5", CORE_REPORT_FAILED);
    SWAP;
    pass(d, 6000);
    SWAP;
    bring(d, "t1/init", CTR_RUNNING);
    bring(d, "t2/a", CTR_RUNNING);
    SWAP;
    drive_simple(d, CORE_EV_CONTROL_UP);
    SWAP;
    exits(d, "t1/init", 0);
    SWAP;
    bring(d, "t1/a", CTR_RUNNING);
    SWAP;
    answer_report(d, "t1", CORE_REPORT_FAILED);
    SWAP;
    box_of(d, "t1/a")->oom = true;
    exits(d, "t1/a", 137);
    SWAP;
    want_stopped(d, "t2");
    SWAP;
    done(d, CORE_OP_STOP, "t2/a");
    done(d, CORE_OP_INSPECT, "t2/a");
    SWAP;
    accept_report(d, "t2"); /* that it runs */
    SWAP;
    accept_report(d, "t2"); /* that it stopped */
    SWAP;
    pass(d, 3600000 / 2);
    SWAP;
    pass(d, 3600000);
    SWAP;
    assert_true(turn > 15);
#undef SWAP
}

static char *told(const struct drive *d)
{
    struct buf b = BUF_INIT(1 << 22);
    struct jw w;

    for (size_t i = 0; i < d->log.n; i++) {
        jw_init(&w, &b);
        core_action_write(&w, &d->log.items[i]);
        buf_putc(&b, '\n');
    }
    return buf_take(&b);
}

static void test_loaded_core_goes_on_the_same(void **state)
{
    struct drive plain, swapped;
    char *a, *b;

    (void)state;
    history(&plain, false);
    history(&swapped, true);
    a = told(&plain);
    b = told(&swapped);
    assert_true(strlen(a) > 8000);
    assert_string_equal(a, b);
    free(a);
    free(b);
    drive_end(&plain);
    drive_end(&swapped);
}

static void test_record_has_no_values_of_the_environment(void **state)
{
    struct drive d;
    char *text;

    (void)state;
    drive_begin(&d);
    send_task(&d, SECRETIVE);
    text = saved_text(d.core);
    assert_null(strstr(text, "hunter2"));
    free(text);
    drive_end(&d);
}

/* Replaces the first `from` in a record of one task. */
static void test_damaged_records(void **state)
{
    static const struct {
        const char *from, *to, *want;
    } rows[] = {
        { "\"v\":2,\"config\"", "\"v\":3,\"config\"", "v: 3 is not in 2..2" },
        { "\"cpu_units\":2048", "\"cpu_units\":\"all\"",
          "config.cpu_units: expected integer, got string" },
        { "\"ageing_ms\":60000", "\"ageing_ms\":0",
          "config.ageing_ms: 0 is not in 1..9007199254740992" },
        { "\"reserved_tcp\":[22]", "\"reserved_tcp\":[22,70000]",
          "config.reserved_tcp[1]: 70000 is not in 0..65535" },
        { "\"rng\":[", "\"rng\":[\"0\",", "rng: expected 4 words" },
        { "\"next_id\":", "\"next_ib\":", "next_id: expected integer, but it is missing" },
        { "\"desired\":3", "\"desired\":5", "tasks[0].state.desired: 5 is not in 0..4" },
        { "\"name\":\"a\",\"docker_name\"", "\"name\":\"x\",\"docker_name\"",
          "tasks[0].state.containers[0]: expected the state of container 'a'" },
        { "\"op\":3", "\"op\":99", "tasks[0].state.containers[0].op: 99 is not in 0..10" },
        { "\"containers\":[{\"name\":\"a\",\"docker", "\"containers\":[{},{\"name\":\"a\",\"docker",
          "tasks[0].state.containers: expected the state of 1 containers, got 2" },
    };
    struct drive d;
    char *good;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    good = saved_text(d.core);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *at = strstr(good, rows[i].from);
        struct core *twin = NULL;
        struct err e = { 0 };
        char *bad;

        if (!at)
            fail_msg("no %s in %s", rows[i].from, good);
        bad = mem_printf("%.*s%s%s", (int)(at - good), good, rows[i].to, at + strlen(rows[i].from));
        assert_int_equal(load_text(bad, &twin, &e), ERR_INVALID);
        assert_null(twin);
        assert_string_equal(e.msg, rows[i].want);
        free(bad);
    }
    free(good);
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_events),
        cmocka_unit_test(test_container_events),
        cmocka_unit_test(test_reported_events),
        cmocka_unit_test(test_op_events),
        cmocka_unit_test(test_task_events),
        cmocka_unit_test(test_damaged_events),
        cmocka_unit_test(test_loaded_core_goes_on_the_same),
        cmocka_unit_test(test_record_has_no_values_of_the_environment),
        cmocka_unit_test(test_damaged_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
