/* links: control aws task config host io */
/* What is waited for and asked before registration: the warm pool, the instance, its tags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "component/control_world.h"
#include "component/metadata_peer.h"

/* ---- who the instance is ---- */

#define INTERFACE "meta-data/network/interfaces/macs/0a:0b/"
#define OUTPOST   "arn:aws:outposts:us-west-2:1:outpost/op-1"

static const struct metadata whole[] = {
    { "dynamic/instance-identity/document", 200, "{\"region\":\"us-west-2\"}\n" },
    { "dynamic/instance-identity/signature", 200, "SIG\nNATURE" },
    { "meta-data/placement/availability-zone-id", 200, "usw2-az1" },
    { "meta-data/mac", 200, "0a:0b" },
    { INTERFACE "vpc-id", 200, "vpc-1" },
    { INTERFACE "subnet-id", 200, "subnet-1" },
    { "meta-data/outpost-arn", 200, OUTPOST },
};

static void serve_identity(struct peer *p, void *arg)
{
    (void)arg;
    serve_metadata(p, whole, COUNT_OF(whole), IDENTITY_REQUESTS);
}

static void test_identity_is_sent_and_shown(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    start_metadata(&f, serve_identity);
    f.machine.instance_id = "i-1";
    f.outpost_arn = OUTPOST;
    register_once(&f);
    assert_true(status_says(&f, "\"instance\":{\"id\":\"i-1\",\"zone_id\":\"usw2-az1\","
                                "\"mac\":\"0a:0b\",\"vpc_id\":\"vpc-1\",\"subnet_id\":\"subnet-1\","
                                "\"outpost_arn\":\"" OUTPOST "\"},\"draining\":false"));
    has(&f,
        "\"instanceIdentityDocument\":\"{\\\"region\\\":\\\"us-west-2\\\"}\\n\","
        "\"instanceIdentityDocumentSignature\":\"SIG\\nNATURE\"",
        true);
    has(&f, "{\"name\":\"ecs.outpost-arn\",\"value\":\"" OUTPOST "\"}],", true);
    tear_down(&f);
}

/* The addresses are for the metadata file alone. */
static void serve_addresses(struct peer *p, void *arg)
{
    static const struct metadata rows[] = {
        { "meta-data/placement/availability-zone-id", 200, "usw2-az1" },
        { "meta-data/mac", 200, "0a:0b" },
        { INTERFACE "vpc-id", 200, "vpc-1" },
        { "meta-data/local-ipv4", 200, "10.1.2.7" },
        { "meta-data/public-ipv4", 404, "" },
        { "meta-data/ipv6", 200, "2001:db8::7" },
    };

    (void)arg;
    serve_metadata(p, rows, COUNT_OF(rows), IDENTITY_REQUESTS + 3);
}

static void test_place(void **state)
{
    struct control_place place;
    struct fixture f;

    (void)state;
    set_up(&f);
    start_metadata(&f, serve_addresses);
    f.config.container_metadata = true;
    f.machine.instance_id = "i-1";
    register_once(&f);
    place = control_place(f.control);
    assert_string_equal(place.zone_id, "usw2-az1");
    assert_string_equal(place.vpc_id, "vpc-1");
    assert_string_equal(place.private_ipv4, "10.1.2.7");
    assert_null(place.public_ipv4);
    assert_string_equal(place.ipv6, "2001:db8::7");
    assert_null(place.zone); /* this control plane does not say */
    tear_down(&f);
}

/* Everything but the two parts of the identity. */
static void serve_without_identity(struct peer *p, void *arg)
{
    (void)arg;
    for (int i = 0; i < IDENTITY_REQUESTS - 2; i++) {
        if (strstr(serve_metadata_once(p, whole, COUNT_OF(whole)), "instance-identity"))
            peer_fail(p, "asked for the identity");
    }
}

static void test_no_identity_document_by_configuration(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    start_metadata(&f, serve_without_identity);
    f.config.no_iid = true;
    f.outpost_arn = OUTPOST;
    register_once(&f);
    has(&f, "\"instanceIdentityDocument\":\"\"", true);
    tear_down(&f);
}

/* Not in a VPC, no zone id, and no signature: none of it ends anything. */
static void serve_hardly_anything(struct peer *p, void *arg)
{
    static const struct metadata rows[] = {
        { "dynamic/instance-identity/document", 404, "" },
        { "dynamic/instance-identity/signature", 200, "SIG" },
        { "meta-data/mac", 200, "0a:0b" },
        { INTERFACE "vpc-id", 403, "" },
    };

    (void)arg;
    serve_metadata(p, rows, COUNT_OF(rows), IDENTITY_REQUESTS);
}

static void test_missing_facts_end_nothing(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    start_metadata(&f, serve_hardly_anything);
    f.machine.instance_id = "i-1";
    register_once(&f);
    assert_true(status_says(&f, "\"instance\":{\"id\":\"i-1\",\"mac\":\"0a:0b\"}"));
    has(&f, "\"instanceIdentityDocument\":\"\",\"instanceIdentityDocumentSignature\":\"\"", true);
    tear_down(&f);
}

static void say_nothing(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_wait(p);
}

static void test_silent_metadata_service_costs_one_wait(void **state)
{
    struct fixture f;
    int64_t began;

    (void)state;
    set_up(&f);
    start_metadata(&f, say_nothing);
    f.timing.identity_ms = 300;
    began = clock_mono_ms();
    register_once(&f);
    assert_true(clock_mono_ms() - began >= 290);
    assert_true(clock_mono_ms() - began < 3000);
    peer_go(f.metadata);
    has(&f, "\"instanceIdentityDocument\":\"\"", true);
    tear_down(&f);
}

/* The service is there only now; who started knew nothing, or what an earlier one stored. */
static void serve_id(struct peer *p, void *arg)
{
    static const struct metadata rows[] = { { "meta-data/instance-id", 200, "i-2" } };

    (void)arg;
    serve_metadata(p, rows, COUNT_OF(rows), IDENTITY_REQUESTS - 2); /* without a MAC */
}

static void no_call(struct peer *p, void *arg)
{
    (void)p;
    (void)arg;
}

static void test_instance_id_that_comes_late(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    start_metadata(&f, serve_id);
    register_once(&f);
    assert_string_equal(f.instance_id, "i-2");
    tear_down(&f);

    set_up(&f);
    start_metadata(&f, serve_id);
    f.machine.instance_id = "i-1";
    f.instance_arn = CI;
    start(&f, no_call, NULL);
    run(&f);
    assert_int_equal(f.failed_code, 1);
    assert_non_null(strstr(f.failed_text, "this is instance i-2, but the stored state is of i-1"));
    tear_down(&f);
}

/* ---- tags ---- */

static char team[] = "team", web[] = "web";
static struct string_pair tags[] = { { team, web } };

static void serve_tags(struct peer *p, void *arg)
{
    struct str body;

    (void)arg;
    peer_accept(p);
    peer_head(p);
    body = peer_body(p);
    if (!memmem(body.p, body.n, "Action=DescribeTags", 19) || !memmem(body.p, body.n, "i-1", 3))
        peer_fail(p, "asked for '%.*s'", (int)body.n, body.p);
    answer(p, 200, "Content-Type: text/xml\r\n",
           "<DescribeTagsResponse><tagSet>"
           "<item><key>team</key><value>ops</value></item>"
           "<item><key>Name</key><value>a &amp; b</value></item>"
           "<item><key>aws:autoscaling:groupName</key><value>g</value></item>"
           "</tagSet></DescribeTagsResponse>");
}

static void test_tags_of_the_instance(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    start_metadata(&f, serve_identity);
    start_ec2(&f, serve_tags);
    f.machine.instance_id = "i-1";
    f.outpost_arn = OUTPOST;
    f.config.tags_from_ec2 = true;
    f.config.instance_tags = (struct string_map){ tags, 1 };
    register_once(&f);
    has(&f,
        "\"tags\":[{\"key\":\"team\",\"value\":\"web\"},"
        "{\"key\":\"Name\",\"value\":\"a & b\"}]",
        true);
    tear_down(&f);
}

static void refuse_tags(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_head(p);
    peer_body(p);
    answer(p, 403, "",
           "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>not allowed"
           "</Message></Error></Errors></Response>");
}

static void test_tags_that_cannot_be_had_end_the_start(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    start_ec2(&f, refuse_tags);
    f.machine.instance_id = "i-1";
    f.config.tags_from_ec2 = true;
    start(&f, no_call, NULL);
    run(&f);
    assert_int_equal(f.failed_code, 1);
    assert_non_null(strstr(f.failed_text, "the tags of the EC2 instance cannot be had: "));
    assert_non_null(strstr(f.failed_text, "UnauthorizedOperation"));
    tear_down(&f);

    set_up(&f); /* nobody knows which instance */
    f.config.tags_from_ec2 = true;
    start(&f, no_call, NULL);
    run(&f);
    assert_int_equal(f.failed_code, 1);
    assert_non_null(strstr(f.failed_text, "its instance id is not known"));
    tear_down(&f);
}

/* ---- warm pools ---- */

#define LIFECYCLE "meta-data/autoscaling/target-lifecycle-state"

static void warm_then_in_service(struct peer *p, void *arg)
{
    static const struct metadata warm[] = { { LIFECYCLE, 200, "Warmed:Stopped" } };
    static const struct metadata ready[] = { { LIFECYCLE, 200, "InService\n" } };

    (void)arg;
    serve_metadata(p, NULL, 0, 2); /* a token, and no state yet */
    serve_metadata(p, warm, 1, 2);
    peer_wait(p); /* until the test has seen that nothing is registered */
    serve_metadata(p, ready, 1, 1);
    serve_metadata(p, whole, COUNT_OF(whole), IDENTITY_REQUESTS - 1);
}

static void let_go(void *user)
{
    struct fixture *f = user;

    assert_int_equal(f->registered, 0);
    if (status_says(f, "\"waiting_for\":\"warm pool\""))
        peer_go(f->metadata);
    else
        loop_timer_arm(f->poll, 20);
}

static void test_warm_pool_is_waited_for(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    start_metadata(&f, warm_then_in_service);
    f.config.warm_pools = true;
    f.timing.warm_pool_ms = 30;
    /* Registration has its hour for itself: the wait before does not count. */
    f.timing.registration_limit_ms = 1;
    f.machine.instance_id = "i-1";
    f.outpost_arn = OUTPOST;
    f.poll = loop_timer_create(f.loop, let_go, &f);
    loop_timer_arm(f.poll, 200);
    register_once(&f);
    assert_false(status_says(&f, "waiting_for"));
    tear_down(&f);
}

static void refuse_lifecycle(struct peer *p, void *arg)
{
    static const struct metadata rows[] = { { LIFECYCLE, 403, "" } };

    (void)arg;
    serve_metadata(p, rows, 1, 2);
}

static void test_refused_warm_pool_ends_for_good(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    start_metadata(&f, refuse_lifecycle);
    f.config.warm_pools = true;
    start(&f, no_call, NULL);
    run(&f);
    assert_int_equal(f.failed_code, 5);
    assert_non_null(
        strstr(f.failed_text, "cannot tell whether the instance has left its warm pool"));
    tear_down(&f);
}

static void test_no_metadata_no_warm_pool(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.config.warm_pools = true;
    register_once(&f);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity_is_sent_and_shown),
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_no_identity_document_by_configuration),
        cmocka_unit_test(test_missing_facts_end_nothing),
        cmocka_unit_test(test_silent_metadata_service_costs_one_wait),
        cmocka_unit_test(test_instance_id_that_comes_late),
        cmocka_unit_test(test_tags_of_the_instance),
        cmocka_unit_test(test_tags_that_cannot_be_had_end_the_start),
        cmocka_unit_test(test_warm_pool_is_waited_for),
        cmocka_unit_test(test_refused_warm_pool_ends_for_good),
        cmocka_unit_test(test_no_metadata_no_warm_pool),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
