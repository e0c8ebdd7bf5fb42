/* links: aws io */
/* What the metadata service says of the machine, its announcements, and the wait of a warm
 * pool. */
#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "aws/instance.h"
#include "base/clock.h"
#include "component/metadata_server.h"
#include "io/loop.h"

struct page {
    const char *path; /* behind /latest/ */
    const char *text; /* NULL: 404 */
    int status;       /* 0: 200 */
    bool silent;
};

struct fixture {
    struct loop *loop;
    struct http_client *http;
    struct imds *imds;
    struct md_server *server;
    struct loop_timer *guard, *pause;
    struct page pages[24];
    int asked[24]; /* by the server, under its lock */
    int n_puts;
    struct instance_watch *watch;
    struct instance_wait *wait;
    struct instance_facts facts;
    int n_done, stop_at;
    char events[1024];
    struct err err;
};

static struct page *page(struct fixture *f, const char *path)
{
    size_t i = 0;

    while (f->pages[i].path && !streq(f->pages[i].path, path))
        i++;
    f->pages[i].path = path;
    return &f->pages[i];
}

static void handle(void *arg, struct md_request *rq)
{
    struct fixture *f = arg;

    if (streq(rq->method, "PUT")) {
        f->n_puts++;
        snprintf(rq->text, sizeof rq->text, "TOK");
        return;
    }
    rq->status = 404;
    for (size_t i = 0; i < COUNT_OF(f->pages); i++) {
        const struct page *p = &f->pages[i];

        if (!p->path || !streq(p->path, rq->path + strlen("/latest/")))
            continue;
        f->asked[i]++;
        rq->silent = p->silent;
        rq->status = p->status ? p->status : p->text ? 200 : 404;
        snprintf(rq->text, sizeof rq->text, "%s", p->text ? p->text : "");
    }
}

/* Pages change while the server runs: under its lock. */
static void set_page(struct fixture *f, const char *path, const char *text, int status)
{
    struct page *p;

    pthread_mutex_lock(&f->server->lock);
    p = page(f, path);
    p->text = text;
    p->status = status;
    pthread_mutex_unlock(&f->server->lock);
}

static int times_asked(struct fixture *f, const char *path)
{
    int n;

    pthread_mutex_lock(&f->server->lock);
    n = f->asked[page(f, path) - f->pages];
    pthread_mutex_unlock(&f->server->lock);
    return n;
}

static void on_guard(void *user)
{
    (void)user;
    fail_msg("the test took too long");
}

static void stop_loop(void *user)
{
    loop_stop(user);
}

static void set_up(struct fixture *f)
{
    *f = (struct fixture){ .loop = loop_create() };
    f->server = md_start(handle, f);
    f->http = http_client_create(f->loop, &(struct http_client_config){ 0 });
    f->imds =
        imds_create(&(struct imds_args){ .http = f->http, .base = f->server->base, .seed = 5 });
    f->pause = loop_timer_create(f->loop, stop_loop, f->loop);
    f->guard = loop_timer_create(f->loop, on_guard, f);
    loop_timer_arm(f->guard, 30000);
}

static void tear_down(struct fixture *f)
{
    instance_watch_destroy(f->watch);
    instance_wait_cancel(f->wait);
    instance_facts_fini(&f->facts);
    imds_destroy(f->imds);
    loop_timer_destroy(f->guard);
    loop_timer_destroy(f->pause);
    http_client_destroy(f->http);
    loop_destroy(f->loop);
    md_stop(f->server);
}

static void let_pass(struct fixture *f, int64_t ms)
{
    loop_timer_arm(f->pause, ms);
    loop_run(f->loop);
}

/* Until the service has been asked for the page more than so many times. */
static void let_ask(struct fixture *f, const char *path, int asked)
{
    while (times_asked(f, path) <= asked)
        let_pass(f, 10);
}

/* ---- facts ---- */

static void on_facts(void *user, struct instance_facts *facts)
{
    struct fixture *f = user;

    instance_facts_fini(&f->facts);
    f->facts = *facts;
    *facts = (struct instance_facts){ 0 }; /* the receiver may take what it wants */
    f->n_done++;
    loop_stop(f->loop);
}

static void read_facts(struct fixture *f, unsigned wanted, int64_t limit_ms)
{
    int before = f->n_done;

    instance_read(f->imds, f->loop, wanted, limit_ms, on_facts, f);
    assert_int_equal(f->n_done, before);
    loop_run(f->loop);
    assert_int_equal(f->n_done, before + 1);
}

#define DOCUMENT "{\n  \"region\" : \"eu-north-1\",\n  \"instanceId\" : \"i-1\"\n}"

static void full_service(struct fixture *f)
{
    *page(f, "meta-data/instance-id") = (struct page){ "meta-data/instance-id", "i-1\n", 0, 0 };
    page(f, "meta-data/placement/region")->text = "us-west-2";
    page(f, "user-data")->text = " {\"a\":\"b\"}\n";
    page(f, "meta-data/placement/availability-zone-id")->text = "usw2-az1";
    page(f, "meta-data/mac")->text = "0e:aa:BB:cc:dd:ee";
    page(f, "meta-data/network/interfaces/macs/0e:aa:BB:cc:dd:ee/vpc-id")->text = "vpc-1";
    page(f, "meta-data/network/interfaces/macs/0e:aa:BB:cc:dd:ee/subnet-id")->text = "subnet-1";
    page(f, "dynamic/instance-identity/document")->text = DOCUMENT;
    page(f, "dynamic/instance-identity/signature")->text = "c2ln\nbmF0dXJl\n";
    page(f, "meta-data/local-ipv4")->text = "10.0.0.1";
    page(f, "meta-data/public-ipv4")->text = "";
}

static void test_all_facts(void **state)
{
    static const char *const want[INSTANCE_ITEMS] = {
        [INSTANCE_ID] = "i-1",
        [INSTANCE_REGION] = "us-west-2",
        [INSTANCE_USER_DATA] = " {\"a\":\"b\"}\n",
        [INSTANCE_ZONE_ID] = "usw2-az1",
        [INSTANCE_MAC] = "0e:aa:BB:cc:dd:ee",
        [INSTANCE_VPC_ID] = "vpc-1",
        [INSTANCE_SUBNET_ID] = "subnet-1",
        [INSTANCE_DOCUMENT] = DOCUMENT,
        [INSTANCE_SIGNATURE] = "c2ln\nbmF0dXJl\n",
        [INSTANCE_LOCAL_IPV4] = "10.0.0.1",
    };
    struct fixture f;

    (void)state;
    set_up(&f);
    full_service(&f);
    read_facts(&f, INSTANCE_WANT(INSTANCE_ITEMS) - 1, 5000);
    for (int i = 0; i < INSTANCE_ITEMS; i++) {
        if (want[i])
            assert_string_equal(f.facts.text[i], want[i]);
        else
            assert_null(f.facts.text[i]);
        assert_int_equal(f.facts.error[i].code, want[i] ? ERR_OK : ERR_NOT_FOUND);
    }
    assert_int_equal(f.n_puts, 1);
    assert_int_equal(times_asked(&f, "meta-data/mac"), 1);
    tear_down(&f);
}

static void test_some_facts(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    full_service(&f);
    /* The MAC is only on the way, and the document only asked for the region. */
    page(&f, "meta-data/placement/region")->text = NULL;
    read_facts(&f, INSTANCE_WANT(INSTANCE_SUBNET_ID) | INSTANCE_WANT(INSTANCE_REGION), 5000);
    assert_string_equal(f.facts.text[INSTANCE_SUBNET_ID], "subnet-1");
    assert_string_equal(f.facts.text[INSTANCE_REGION], "eu-north-1");
    assert_null(f.facts.text[INSTANCE_MAC]);
    assert_null(f.facts.text[INSTANCE_DOCUMENT]);
    assert_int_equal(times_asked(&f, "meta-data/instance-id"), 0);
    /* What depends on a thing that is not there is not there, for the same reason. */
    set_page(&f, "meta-data/mac", NULL, 0);
    set_page(&f, "dynamic/instance-identity/document", "no JSON", 0);
    read_facts(&f,
               INSTANCE_WANT(INSTANCE_VPC_ID) | INSTANCE_WANT(INSTANCE_REGION) |
                   INSTANCE_WANT(INSTANCE_MAC),
               5000);
    assert_int_equal(f.facts.error[INSTANCE_VPC_ID].code, ERR_NOT_FOUND);
    assert_int_equal(f.facts.error[INSTANCE_REGION].code, ERR_INVALID);
    set_page(&f, "meta-data/mac", "../../x", 0);
    set_page(&f, "meta-data/instance-id", "i-1\ni-2", 0);
    read_facts(&f,
               INSTANCE_WANT(INSTANCE_VPC_ID) | INSTANCE_WANT(INSTANCE_MAC) |
                   INSTANCE_WANT(INSTANCE_ID),
               5000);
    assert_int_equal(f.facts.error[INSTANCE_VPC_ID].code, ERR_INVALID);
    assert_int_equal(f.facts.error[INSTANCE_ID].code, ERR_INVALID);
    assert_null(f.facts.text[INSTANCE_MAC]);
    read_facts(&f, 0, 5000);
    for (int i = 0; i < INSTANCE_ITEMS; i++) {
        assert_null(f.facts.text[i]);
        assert_int_equal(f.facts.error[i].code, ERR_OK);
        assert_string_not_equal(instance_item_name((enum instance_item)i), "?");
    }
    tear_down(&f);
}

static void never_facts(void *user, struct instance_facts *facts)
{
    (void)user;
    (void)facts;
    fail_msg("a canceled read was answered");
}

static void test_the_limit_counts_for_all_together(void **state)
{
    struct fixture f;
    int64_t started;

    (void)state;
    set_up(&f);
    full_service(&f);
    page(&f, "meta-data/mac")->silent = true;
    page(&f, "user-data")->silent = true;
    started = clock_mono_ms();
    read_facts(&f,
               INSTANCE_WANT(INSTANCE_VPC_ID) | INSTANCE_WANT(INSTANCE_USER_DATA) |
                   INSTANCE_WANT(INSTANCE_ID),
               1500);
    /* Two that are silent would take twice as long, one after the other. */
    assert_in_range(clock_mono_ms() - started, 1450, 2 * 1500 - 50);
    assert_string_equal(f.facts.text[INSTANCE_ID], "i-1");
    assert_int_equal(f.facts.error[INSTANCE_VPC_ID].code, ERR_TIMEOUT);
    assert_int_equal(f.facts.error[INSTANCE_USER_DATA].code, ERR_TIMEOUT);
    instance_read_cancel(
        instance_read(f.imds, f.loop, INSTANCE_WANT(INSTANCE_ITEMS) - 1, 5000, never_facts, NULL));
    instance_read_cancel(NULL);
    let_pass(&f, 100);
    tear_down(&f);
}

/* ---- announcements ---- */

#define SPOT_PATH      "meta-data/spot/instance-action"
#define REBALANCE_PATH "meta-data/events/recommendations/rebalance"
#define LIFECYCLE_PATH "meta-data/autoscaling/target-lifecycle-state"

static void note(struct fixture *f, const char *what, const char *a, const char *b)
{
    size_t used = strlen(f->events);

    snprintf(f->events + used, sizeof f->events - used, "%s(%s%s%s) ", what, a, *b ? " " : "", b);
    if (++f->n_done == f->stop_at)
        loop_stop(f->loop);
}

static void on_spot(void *user, const char *action, const char *time)
{
    note(user, "spot", action, time);
}

static void on_rebalance(void *user, const char *time)
{
    note(user, "rebalance", time, "");
}

static void on_lifecycle(void *user, const char *state)
{
    note(user, "lifecycle", state, "");
}

static void watch(struct fixture *f, int64_t spot_ms, int64_t lifecycle_ms)
{
    static const struct instance_events ev = { on_spot, on_rebalance, on_lifecycle };
    struct instance_watch_args args = { f->imds, f->loop, spot_ms, lifecycle_ms };

    f->watch = instance_watch_create(&args, &ev, f);
}

static void await_event(struct fixture *f, const char *want)
{
    f->events[0] = '\0';
    f->stop_at = f->n_done + 1;
    loop_run(f->loop);
    assert_string_equal(f->events, want);
}

static void test_each_notice_is_told_once(void **state)
{
    struct fixture f;
    int asked;

    (void)state;
    set_up(&f);
    page(&f, SPOT_PATH);
    page(&f, REBALANCE_PATH);
    page(&f, LIFECYCLE_PATH);
    watch(&f, 10, 10);
    let_pass(&f, 200);
    assert_string_equal(f.events, "");
    set_page(&f, SPOT_PATH, "{\"action\":\"stop\",\"time\":\"2026-11-21T08:22:00Z\"}", 0);
    await_event(&f, "spot(stop 2026-11-21T08:22:00Z) ");
    asked = times_asked(&f, SPOT_PATH);
    let_ask(&f, SPOT_PATH, asked + 2);
    assert_string_equal(f.events, "spot(stop 2026-11-21T08:22:00Z) ");
    set_page(&f, SPOT_PATH, "{\"action\":\"terminate\",\"time\":\"2026-11-21T08:24:00Z\"}", 0);
    await_event(&f, "spot(terminate 2026-11-21T08:24:00Z) ");
    set_page(&f, SPOT_PATH, NULL, 0);
    set_page(&f, REBALANCE_PATH, "{\"noticeTime\":\"2026-11-21T08:20:00Z\"}", 0);
    await_event(&f, "rebalance(2026-11-21T08:20:00Z) ");
    set_page(&f, LIFECYCLE_PATH, "Warmed:Stopped\n", 0);
    await_event(&f, "lifecycle(Warmed:Stopped) ");
    set_page(&f, LIFECYCLE_PATH, "InService", 0);
    await_event(&f, "lifecycle(InService) ");
    /* Nonsense is passed over, and so is a notice that comes back. */
    set_page(&f, LIFECYCLE_PATH, "a\001b", 0);
    set_page(&f, REBALANCE_PATH, "[]", 0);
    set_page(&f, SPOT_PATH, "{\"action\":\"dance\",\"time\":\"x\"}", 0);
    let_pass(&f, 150);
    set_page(&f, SPOT_PATH, "{\"action\":\"terminate\",\"time\":\"2026-11-21T08:24:00Z\"}", 0);
    let_pass(&f, 150);
    assert_string_equal(f.events, "lifecycle(InService) ");
    tear_down(&f);
}

static void test_only_what_is_asked_for_is_watched(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    page(&f, SPOT_PATH)->text = "{\"action\":\"stop\",\"time\":\"t\"}";
    page(&f, LIFECYCLE_PATH)->text = "InService";
    watch(&f, 0, 10);
    await_event(&f, "lifecycle(InService) ");
    let_pass(&f, 50);
    assert_int_equal(times_asked(&f, SPOT_PATH), 0);
    assert_int_equal(times_asked(&f, REBALANCE_PATH), 0);
    tear_down(&f);
}

/* Refusals make the watch ask less and less often, one answer makes it quick again. */
static void test_the_watch_is_patient_with_a_service_that_is_away(void **state)
{
    struct fixture f;
    int64_t began;
    int asked;

    (void)state;
    set_up(&f);
    set_page(&f, SPOT_PATH, "no", 403);
    watch(&f, 20, 0);
    let_pass(&f, 1000);
    asked = times_asked(&f, SPOT_PATH);
    assert_in_range(asked, 2, 8); /* 50 without patience */
    set_page(&f, SPOT_PATH, "{\"action\":\"hibernate\",\"time\":\"t\"}", 0);
    await_event(&f, "spot(hibernate t) ");
    asked = times_asked(&f, SPOT_PATH);
    began = clock_mono_ms();
    let_ask(&f, SPOT_PATH, asked + 4);
    /* As patient as before it would take far longer, for each refusal doubled the wait. */
    assert_in_range(clock_mono_ms() - began, 0, 2000);
    tear_down(&f);
}

static void end_watch(void *user, const char *state)
{
    struct fixture *f = user;

    instance_watch_destroy(f->watch);
    f->watch = NULL;
    note(f, "ended by", state, "");
}

static void test_destroy_in_an_event(void **state)
{
    static const struct instance_events ev = { .lifecycle = end_watch };
    struct fixture f;

    (void)state;
    set_up(&f);
    page(&f, LIFECYCLE_PATH)->text = "Terminated";
    page(&f, SPOT_PATH)->silent = true;
    f.watch =
        instance_watch_create(&(struct instance_watch_args){ f.imds, f.loop, 10, 10 }, &ev, &f);
    await_event(&f, "ended by(Terminated) ");
    let_pass(&f, 50);
    instance_watch_destroy(NULL);
    tear_down(&f);
}

/* ---- warm pools ---- */

static void on_ready(void *user, const struct err *e)
{
    struct fixture *f = user;

    f->wait = NULL;
    f->err = *e;
    f->n_done++;
    loop_stop(f->loop);
}

static void test_warm_pool(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    page(&f, LIFECYCLE_PATH);
    f.wait = instance_wait_in_service(f.imds, f.loop, 10, on_ready, &f);
    let_pass(&f, 150);
    set_page(&f, LIFECYCLE_PATH, "Warmed:Running", 0);
    let_pass(&f, 150);
    assert_int_equal(f.n_done, 0);
    set_page(&f, LIFECYCLE_PATH, "busy", 503);
    let_pass(&f, 150);
    assert_int_equal(f.n_done, 0);
    set_page(&f, LIFECYCLE_PATH, "InService\n", 0);
    loop_run(f.loop);
    assert_int_equal(f.err.code, ERR_OK);
    assert_int_equal(f.n_done, 1);
    /* Another answer is no reason to wait. */
    set_page(&f, LIFECYCLE_PATH, "no", 403);
    f.wait = instance_wait_in_service(f.imds, f.loop, 10, on_ready, &f);
    loop_run(f.loop);
    assert_int_equal(f.err.code, ERR_DENIED);
    assert_non_null(strstr(f.err.msg, "status 403"));
    f.wait = instance_wait_in_service(f.imds, f.loop, 10, on_ready, &f);
    instance_wait_cancel(f.wait);
    f.wait = NULL;
    instance_wait_cancel(NULL);
    let_pass(&f, 50);
    assert_int_equal(f.n_done, 2);
    tear_down(&f);
}

static void test_no_pool_at_all(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    page(&f, LIFECYCLE_PATH);
    f.wait = instance_wait_in_service(f.imds, f.loop, 1, on_ready, &f);
    loop_run(f.loop);
    assert_int_equal(f.err.code, ERR_NOT_FOUND);
    assert_int_equal(times_asked(&f, LIFECYCLE_PATH), 120);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_facts),
        cmocka_unit_test(test_some_facts),
        cmocka_unit_test(test_the_limit_counts_for_all_together),
        cmocka_unit_test(test_each_notice_is_told_once),
        cmocka_unit_test(test_only_what_is_asked_for_is_watched),
        cmocka_unit_test(test_the_watch_is_patient_with_a_service_that_is_away),
        cmocka_unit_test(test_destroy_in_an_event),
        cmocka_unit_test(test_warm_pool),
        cmocka_unit_test(test_no_pool_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
