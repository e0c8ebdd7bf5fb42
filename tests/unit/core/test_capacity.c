/* capacity.c, admit.c, describe.c: who gets the host, and what the others are told. */
#include "unit/core/drive.h"

/* ---- the arithmetic ---- */

static void test_ports(void **state)
{
    static const uint16_t some[] = { 0, 1, 63, 64, 65, 32767, 65535 };
    struct port_set *s = NEW(struct port_set);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(some); i++) {
        assert_false(port_set_has(s, some[i]));
        port_set_add(s, some[i]);
    }
    for (size_t i = 0; i < COUNT_OF(some); i++)
        assert_true(port_set_has(s, some[i]));
    assert_false(port_set_has(s, 2));
    assert_false(port_set_has(s, 65534));
    free(s);
}

static void test_lacks(void **state)
{
    struct need_port http = { 80, PORT_TCP }, dns = { 53, PORT_UDP }, ssh = { 22, PORT_TCP };
    const struct {
        struct need need;
        unsigned lacks, never;
    } rows[] = {
        { { 0 }, 0, 0 },
        { { .cpu = 1024, .memory_mib = 512 }, 0, 0 },
        { { .cpu = 1025 }, LACKS_CPU, 0 },
        { { .cpu = 2048 }, LACKS_CPU, 0 },
        { { .cpu = 2049 }, LACKS_CPU, LACKS_CPU },
        { { .memory_mib = 513 }, LACKS_MEMORY, 0 },
        { { .memory_mib = 1025 }, LACKS_MEMORY, LACKS_MEMORY },
        { { .cpu = 1025, .memory_mib = 9999 }, LACKS_CPU | LACKS_MEMORY, LACKS_MEMORY },
        { { .ports = &http, .n_ports = 1 }, LACKS_PORT, 0 },
        { { .ports = &dns, .n_ports = 1 }, 0, 0 },
        { { .ports = &ssh, .n_ports = 1 }, LACKS_PORT, LACKS_PORT },
    };
    struct capacity *c = NEW(struct capacity);
    struct need held = { .cpu = 1024, .memory_mib = 512, .ports = &http, .n_ports = 1 };

    (void)state;
    c->cpu_total = 2048;
    c->memory_total = 1024;
    port_set_add(&c->reserved[PORT_TCP], 22);
    capacity_take(c, &held);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(capacity_lacks(c, &rows[i].need), rows[i].lacks);
        assert_int_equal(capacity_never(c, &rows[i].need), rows[i].never);
    }
    assert_ptr_equal(capacity_taken_port(c, &held), &http);
    capacity_take(c, &held); /* found twice */
    capacity_release(c, &held);
    assert_ptr_equal(capacity_taken_port(c, &held), &http);
    capacity_release(c, &held);
    assert_null(capacity_taken_port(c, &held));
    assert_int_equal(c->cpu_used, 0);
    assert_int_equal(c->memory_used, 0);
    assert_int_equal(capacity_lacks(c, &rows[7].need), LACKS_MEMORY);
    free(c);
}

static void test_ageing(void **state)
{
    static const struct {
        int64_t waited, now;
        bool holds;
        int64_t next;
    } rows[] = {
        { 0, 0, false, 100 },     { 500, 0, false, 100 },  { 500, 99, false, 1 },
        { 500, 100, true, 100 },  { 99, 100, false, 100 }, { 100, 199, true, 1 },
        { 500, 200, false, 100 }, { 100, 350, true, 50 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(ageing_holds(rows[i].waited, rows[i].now, 100), rows[i].holds);
        assert_int_equal(ageing_next_ms(rows[i].now, 100), rows[i].next);
    }
}

/* ---- the queue ---- */

#define SIZED(id, cpu, memory) TASK(id, C("a", ",'cpu':" cpu ",'memory':" memory))
#define PORT(id, port) \
    TASK(id, C("a", ",'portMappings':[{'containerPort':80,'hostPort':" port "}]"))

static bool admitted(const struct drive *d, const char *id)
{
    return find_task(d->core, arn_of(id))->admitted;
}

static void finish(struct drive *d, const char *id)
{
    char place[32];

    snprintf(place, sizeof place, "%s/a", id);
    bring(d, place, CTR_RUNNING);
    want_stopped(d, id);
    done(d, CORE_OP_STOP, place);
    assert_int_equal(find_task(d->core, arn_of(id))->known, TASK_RUNNING);
    done(d, CORE_OP_INSPECT, place);
}

static void test_small_passes_big(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, SIZED("t1", "1500", "100"));
    send_task(&d, SIZED("t2", "1000", "100"));
    send_task(&d, SIZED("t3", "500", "100"));
    assert_true(admitted(&d, "t1"));
    assert_false(admitted(&d, "t2"));
    assert_true(admitted(&d, "t3"));
    assert_null(pending_op(&d, "t2/a"));
    assert_null(pending_report(&d, "t2")); /* a task that waits says nothing */
    pass(&d, 700);
    assert_why(&d, "t2",
               "[{'waits_for':'952 CPU units: it needs 1000, 48 are free','for_ms':700}]");
    /* Room is given back when the end is known, not when it is wanted. */
    bring(&d, "t1/a", CTR_RUNNING);
    want_stopped(&d, "t1");
    done(&d, CORE_OP_STOP, "t1/a");
    assert_false(admitted(&d, "t2"));
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_true(admitted(&d, "t2"));
    expect_op(&d, CORE_OP_PULL, "t2/a");
    drive_end(&d);
}

static void test_why_for_each_resource(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", ",'cpu':2000,'memory':4000,'portMappings':[{'containerPort':80,"
                                    "'hostPort':80},{'containerPort':53,'hostPort':53,"
                                    "'protocol':'udp'}]")));
    send_task(&d, SIZED("t2", "100", "200"));
    send_task(&d, PORT("t3", "80"));
    send_task(&d, TASK("t4", C("a", ",'portMappings':[{'containerPort':80,'hostPort':53,"
                                    "'protocol':'udp'}]")));
    assert_why(&d, "t2",
               "[{'waits_for':'52 CPU units: it needs 100, 48 are free','for_ms':0},"
               "{'waits_for':'104 MiB of memory: it needs 200, 96 are free','for_ms':0}]");
    assert_why(&d, "t3", "[{'waits_for':'host port 80/tcp: another task holds it','for_ms':0}]");
    assert_why(&d, "t4", "[{'waits_for':'host port 53/udp: another task holds it','for_ms':0}]");
    assert_why(&d, "t5", "[]"); /* unknown */
    finish(&d, "t1");
    assert_true(admitted(&d, "t2"));
    assert_true(admitted(&d, "t3"));
    assert_true(admitted(&d, "t4"));
    drive_end(&d);
}

static void test_same_port_other_protocol(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, PORT("t1", "53"));
    send_task(&d, TASK("t2", C("a", ",'portMappings':[{'containerPort':53,'hostPort':53,"
                                    "'protocol':'udp'}]")));
    send_task(&d, PORT("t3", "0")); /* the engine chooses */
    assert_true(admitted(&d, "t2"));
    assert_true(admitted(&d, "t3"));
    drive_end(&d);
}

static void test_never_fits(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        { SIZED("t1", "2049", "1"),
          "this host can never run the task: it needs 2049 CPU units, the host has 2048" },
        { SIZED("t1", "1", "4097"),
          "this host can never run the task: it needs 4097 MiB of memory, the host has 4096" },
        { PORT("t1", "22"),
          "this host can never run the task: it needs host port 22, which is reserved" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct drive d;
        char text[300];

        drive_begin(&d);
        send_task(&d, rows[i].text);
        snprintf(text, sizeof text, "'reason':'%s','status':'STOPPED','task'", rows[i].why);
        assert_report_has(&d, "t1", text);
        assert_null(pending_op(&d, "t1/a"));
        accept_report(&d, "t1");
        send_task(&d, SIZED("t2", "2048", "4096"));
        assert_true(admitted(&d, "t2"));
        drive_end(&d);
    }
}

/* A reserved port among others that are merely taken: the right one is named. */
static void test_reserved_port_is_named(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, PORT("t1", "80"));
    send_task(&d, TASK("t2", C("a", ",'portMappings':[{'containerPort':80,'hostPort':80},"
                                    "{'containerPort':22,'hostPort':22}]")));
    assert_report_has(&d, "t2", "it needs host port 22, which is reserved");
    drive_end(&d);
}

/* t1 holds half, big t2 needs all, small ones keep coming. In every second window
 * they no longer pass t2, in the others they do. */
static void test_ageing_windows(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, SIZED("t1", "1024", "10"));
    send_task(&d, SIZED("t2", "2048", "10"));
    pass(&d, 59999);
    send_task(&d, SIZED("t3", "100", "10")); /* t2 has not waited long enough */
    assert_true(admitted(&d, "t3"));
    pass(&d, 1);
    send_task(&d, SIZED("t4", "100", "10"));
    assert_false(admitted(&d, "t4"));
    assert_why(&d, "t4",
               "[{'waits_for':'an older task that waits for the same resources','for_ms':0}]");
    send_task(&d, TASK("t5", C("a", ",'memory':5"))); /* wants no CPU, which is what t2 lacks */
    assert_true(admitted(&d, "t5"));
    pass(&d, 59999);
    assert_false(admitted(&d, "t4"));
    pass(&d, 1); /* the window closes */
    assert_true(admitted(&d, "t4"));
    finish(&d, "t1");
    finish(&d, "t3");
    assert_false(admitted(&d, "t2"));
    finish(&d, "t4");
    assert_true(admitted(&d, "t2"));
    drive_end(&d);
}

static void test_room_gathers_for_the_old(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, SIZED("t1", "1024", "10"));
    send_task(&d, SIZED("t2", "1024", "10"));
    send_task(&d, SIZED("t3", "2048", "10"));
    pass(&d, 60000);
    send_task(&d, SIZED("t4", "1024", "10"));
    finish(&d, "t1");
    assert_false(admitted(&d, "t4"));
    finish(&d, "t2");
    assert_true(admitted(&d, "t3"));
    assert_false(admitted(&d, "t4"));
    drive_end(&d);
}

static void test_stopped_while_waiting(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, SIZED("t1", "1500", "10"));
    send_task(&d, SIZED("t2", "2000", "10"));
    want_stopped(&d, "t2");
    assert_report_has(&d, "t2", "'status':'STOPPED','task'");
    assert_int_equal(d.core->capacity.cpu_used, 1500);
    pass(&d, 120000);
    assert_null(pending_op(&d, "t2/a"));
    drive_end(&d);
}

static void test_stops_of_one_message_make_room(void **state)
{
    const char *const texts[] = { SIZED("t2", "2048", "10"),
                                  "{'arn':'" ARN("t1") "','desiredStatus':'STOPPED',"
                                                       "'containers':[]}" };
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, SIZED("t1", "2048", "10")); /* its image is still being pulled */
    payload(&d, "m", -1, texts, 2);
    assert_int_equal(find_task(d.core, ARN("t1"))->known, TASK_STOPPED);
    expect_op(&d, CORE_OP_PULL, "t2/a");
    drive_end(&d);
}

static void test_tasks_before_the_engine_answers(void **state)
{
    struct drive d;

    (void)state;
    drive_empty(&d);
    d.core = core_create(&d.cfg);
    send_task(&d, SIZED("t1", "100", "10"));
    send_task(&d, SIZED("t2", "100", "10"));
    assert_non_null(stored(&d, CORE_KIND_TASK, ARN("t1")));
    assert_non_null(acted(&d, CORE_ACT_ACK));
    assert_null(pending_op(&d, "t1/a"));
    drive_step(&d, &(struct core_event){ .type = CORE_EV_STARTED, .u.started = { -1, false } });
    expect_op(&d, CORE_OP_PULL, "t1/a");
    expect_op(&d, CORE_OP_PULL, "t2/a");
    assert_int_equal(d.core->capacity.cpu_used, 200);
    drive_end(&d);
}

static void test_status(void **state)
{
    struct buf b = BUF_INIT(4096);
    struct drive d;
    struct jw w;

    (void)state;
    drive_begin(&d);
    send_task(&d, SIZED("t1", "1500", "96"));
    send_task(&d, SIZED("t2", "1000", "10"));
    bring(&d, "t1/a", CTR_RUNNING);
    jw_init(&w, &b);
    core_write_status(d.core, &w);
    assert_string_equal(buf_text(&b),
                        json("{'cpu_units':{'total':2048,'used':1500,'free':548},"
                             "'memory_mib':{'total':4096,'used':96,'free':4000},"
                             "'tasks':{'NONE':1,'MANIFEST_PULLED':0,'CREATED':0,'RUNNING':1,"
                             "'STOPPED':0},'tasks_waiting_for_room':1,'reports_unsent':1,"
                             "'images':{'count':1,'bytes':1000,'removable':0,"
                             "'removable_bytes':0}}"));
    buf_fini(&b);
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_lacks),
        cmocka_unit_test(test_ageing),
        cmocka_unit_test(test_small_passes_big),
        cmocka_unit_test(test_why_for_each_resource),
        cmocka_unit_test(test_same_port_other_protocol),
        cmocka_unit_test(test_never_fits),
        cmocka_unit_test(test_reserved_port_is_named),
        cmocka_unit_test(test_ageing_windows),
        cmocka_unit_test(test_room_gathers_for_the_old),
        cmocka_unit_test(test_stopped_while_waiting),
        cmocka_unit_test(test_stops_of_one_message_make_room),
        cmocka_unit_test(test_tasks_before_the_engine_answers),
        cmocka_unit_test(test_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
