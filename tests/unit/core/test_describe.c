/* describe.c: what people are told. */
#include "unit/core/drive.h"

static void assert_told(const struct drive *d, const char *id, const char *want)
{
    struct buf b = BUF_INIT(1 << 16);
    struct jw w;

    jw_init(&w, &b);
    core_write_task(d->core, arn_of(id), &w);
    assert_string_equal(buf_text(&b), json(want));
    buf_fini(&b);
}

static void test_task(void **state)
{
    struct drive d;
    char want[2048];

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", ",'healthCheckType':'docker'") "," SIDE("b", "")));
    bring(&d, "t1/a", CTR_CREATED);
    box_of(&d, "t1/a")->n_ports = 1;
    box_of(&d, "t1/a")->ports[0] = (struct port_binding){ "0.0.0.0", 53, 5353, PORT_UDP };
    bring(&d, "t1/a", CTR_RUNNING);
    turns(&d, "t1/a", HEALTH_STARTING);
    snprintf(
        want, sizeof want,
        "{'arn':'" ARN(
            "t1") "','id':'t1','family':'f','version':'1','status':'MANIFEST_PULLED',"
                  "'desired':'RUNNING','reported':'NONE','admitted':true,'arrived_ms':"
                  "1700000000000,"
                  "'containers':[{'name':'a','image':'img','essential':true,'status':'RUNNING',"
                  "'desired':'RUNNING','health':'STARTING','docker_id':'id-1','docker_name':'%s','"
                  "digest':'sha256:d1',"
                  "'started_ms':1700000000000,'ports':[{'ip':'0.0.0.0','host_port':5353,"
                  "'container_port':53,'protocol':'udp'}]},"
                  "{'name':'b','image':'img','essential':false,'status':'MANIFEST_PULLED','desired'"
                  ":'RUNNING',"
                  "'docker_name':'%s','doing':'pull','ports':[]}]}",
        core_docker_name(d.core, ARN("t1"), 0), core_docker_name(d.core, ARN("t1"), 1));
    assert_told(&d, "t1", want);
    drive_end(&d);
}

static void test_stopped_task(void **state)
{
    struct drive d;
    char want[2048];

    (void)state;
    drive_running(&d);
    accept_report(&d, "t1");
    box_of(&d, "t1/a")->oom = true;
    pass(&d, 1000);
    exits(&d, "t1/a", 137);
    snprintf(
        want, sizeof want,
        "{'arn':'" ARN(
            "t1") "','id':'t1','family':'f','version':'1','status':'STOPPED',"
                  "'desired':'STOPPED','reported':'RUNNING','admitted':true,"
                  "'arrived_ms':1700000000000,'stopped_ms':1700000001000,"
                  "'containers':[{'name':'a','image':'img','essential':true,'status':'STOPPED',"
                  "'desired':'STOPPED','exit_code':137,'error':'OutOfMemoryError',"
                  "'reason':'Container killed due to memory usage','docker_id':'id-1',"
                  "'docker_name':'%s','digest':'sha256:d1','started_ms':1700000000000,'ports':[]}]"
                  "}",
        core_docker_name(d.core, ARN("t1"), 0));
    assert_told(&d, "t1", want);
    drive_end(&d);
}

static void test_all_tasks(void **state)
{
    const char *const texts[] = { "!t2 broken" };
    struct buf b = BUF_INIT(1 << 16);
    struct drive d;
    struct jw w;

    (void)state;
    drive_begin(&d);
    assert_told(&d, "t1", "null");
    jw_init(&w, &b);
    core_write_tasks(d.core, &w);
    assert_string_equal(buf_text(&b), "[]");
    payload(&d, "m", -1, texts, 1);
    buf_reset(&b);
    jw_init(&w, &b);
    core_write_tasks(d.core, &w);
    assert_string_equal(
        buf_text(&b),
        json("[{'arn':'" ARN(
            "t2") "','id':'t2','family':'','version':'','status':'STOPPED',"
                  "'desired':'STOPPED','reported':'NONE','admitted':false,'reason':'"
                  "UnrecogniedTaskError: Error loading task - broken','arrived_ms':1700000000000,"
                  "'stopped_ms':1700000000000,'containers':[]}]"));
    buf_fini(&b);
    drive_end(&d);
}

static void assert_waits(struct drive *d, const char *what)
{
    char want[300];

    pass(d, 40);
    snprintf(want, sizeof want, "[{'container':'a','waits_for':'%s','for_ms':40}]", what);
    assert_why(d, "t1", want);
    done(d, op_at(d, "t1/a"), "t1/a");
}

/* Along a whole life, each answer 40 ms late. */
static void test_why_at_each_operation(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    assert_waits(&d, "the pull of its image: img");
    assert_waits(&d, "Docker to say whether the image is here");
    assert_waits(&d, "Docker to create it");
    assert_waits(&d, "Docker to start it");
    assert_waits(&d, "Docker to say how it is");
    assert_why(&d, "t1",
               "[{'waits_for':'the control plane to accept a report of its state','for_ms':0}]");
    answer_report(&d, "t1", CORE_REPORT_FAILED);
    assert_why(&d, "t1",
               "[{'waits_for':'the next try to report its state in 1183 ms; the last one: the "
               "link is down','for_ms':0}]");
    drive_simple(&d, CORE_EV_CONTROL_UP);
    accept_report(&d, "t1");
    want_stopped(&d, "t1");
    assert_waits(&d, "Docker to stop it");
    done(&d, CORE_OP_INSPECT, "t1/a");
    accept_report(&d, "t1");
    pass(&d, 3600000);
    assert_waits(&d, "its last log lines to be shipped");
    assert_waits(&d, "Docker to remove it");
    assert_why(&d, "t1", "[]");
    drive_end(&d);
}

static void count(void *user, const struct task *t, size_t container, const char *docker_id,
                  enum ctr_status known)
{
    char *seen = user;

    snprintf(seen + strlen(seen), 128 - strlen(seen), "%s/%s %s %s; ", t->id,
             t->containers[container].name, docker_id, ctr_status_name(known));
}

static void test_each_container(void **state)
{
    char seen[128] = "";
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "") "," SIDE("b", "") "," SIDE("c", "")));
    bring(&d, "t1/a", CTR_RUNNING);
    bring(&d, "t1/b", CTR_RUNNING);
    bring(&d, "t1/c", CTR_CREATED); /* has not run */
    exits(&d, "t1/b", 0);
    core_each_container(d.core, count, seen);
    assert_string_equal(seen, "t1/a id-1 RUNNING; t1/b id-2 STOPPED; ");
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_task),           cmocka_unit_test(test_stopped_task),
        cmocka_unit_test(test_all_tasks),      cmocka_unit_test(test_why_at_each_operation),
        cmocka_unit_test(test_each_container),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
