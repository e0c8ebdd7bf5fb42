/* links: endpoints aws io base task */
/* Who is answered what at the metadata endpoints and at introspection, over real sockets. */
#include "base/list.h"
#include "base/mem.h"
#include "endpoints/introspect.h"
#include "endpoints/metadata.h"
#include "support/check.h"
#include "support/http_clients.h"

#define TASK "arn:aws:ecs:eu-west-1:210987654321:task/shop/6f1e"
#define ID   "3b9c01d2e4f5a6978812cc34dd56ee7799aa00bb11cc22dd33ee44ff55660718"
#define ID_2 "3b9c01d2e4f5b6978812cc34dd56ee7799aa00bb11cc22dd33ee44ff55660718"
#define NOBODY \
    "{\"Arn\":\"\",\"KnownStatus\":\"\",\"Family\":\"\",\"Version\":\"\",\"Containers\":null}"

struct ask {
    const char *target;
    int status;
    const char *body; /* NULL: any; one that ends with "..." begins so */
};

struct world {
    struct loop *loop;
    struct loop_timer *watchdog;
    struct http_server *server;
    struct endpoint_listener listener;
    struct metadata_endpoint metadata;
    struct introspect_endpoint introspect;
    struct view_container containers[4];
    struct view_task task;
    bool task_gone;
    uint16_t port;
    const struct ask *asks;
    size_t n_asks;
    struct client_reply replies[32];
};

static void on_watchdog(void *user)
{
    (void)user;
    fail_msg("the test did not end in time");
}

/* "known" is the first container, "blind" the second, whose networks nobody knows. */
static bool find(void *user, const char *id, const char **arn, size_t *container,
                 const char **docker_id)
{
    struct world *w = user;
    size_t i = streq(id, "blind") ? 1 : 0;

    if (!streq(id, "known") && !streq(id, "blind"))
        return false;
    *arn = TASK;
    *container = i;
    *docker_id = w->containers[i].docker_id;
    return true;
}

static bool view(void *user, const char *arn, metadata_view_fn *fn, void *arg)
{
    struct world *w = user;

    (void)arn;
    if (w->task_gone)
        return false;
    fn(arg, &w->task);
    return true;
}

static bool stats(void *user, const char *docker_id, bool v4, struct jw *w)
{
    (void)user;
    if (!streq(docker_id, ID))
        return false;
    jw_object(w);
    jw_kbool(w, "v4", v4);
    jw_end(w);
    return true;
}

static const char *instance_arn(void *user)
{
    return ((struct world *)user)->task_gone ? NULL : "arn:instance";
}

static void each(void *user, introspect_view_fn *fn, void *arg)
{
    struct world *w = user;

    if (!w->task_gone)
        fn(arg, &w->task);
}

static void on_metadata(void *user, struct http_call *c, const struct route_match *m)
{
    metadata_serve(&((struct world *)user)->metadata, c, m);
}

static void on_introspection(void *user, struct http_call *c, const struct route_match *m)
{
    introspect_serve(&((struct world *)user)->introspect, c, m);
}

static void on_call(void *user, struct http_call *c)
{
    endpoint_serve(&((struct world *)user)->listener, c);
}

static struct route *routes_of(struct world *w, bool introspection, size_t *n)
{
    struct route *r = mem_array(metadata_patterns_n + 1, sizeof *r);

    *n = 0;
    if (introspection)
        r[(*n)++] = (struct route){ "/**", NULL, on_introspection, w };
    for (size_t i = 0; !introspection && i < metadata_patterns_n; i++)
        r[(*n)++] = (struct route){ metadata_patterns[i], NULL, on_metadata, w };
    return r;
}

static void fill(struct world *w)
{
    static const struct view_network networks[] = { { "bridge", "172.17.0.4", NULL } };

    w->containers[0] = (struct view_container){ .docker_id = ID,
                                                .docker_name = "ecs-a",
                                                .name = "a",
                                                .image = "i",
                                                .image_id = "sha256:aa",
                                                .desired = CTR_RUNNING,
                                                .known = CTR_RUNNING,
                                                .networks_known = true,
                                                .networks = networks,
                                                .n_networks = 1 };
    w->containers[1] = w->containers[0];
    w->containers[1].docker_id = ID_2;
    w->containers[1].networks_known = false;
    w->task = (struct view_task){ .cluster = "shop",
                                  .arn = TASK,
                                  .family = "orders",
                                  .version = "12",
                                  .desired = TASK_RUNNING,
                                  .known = TASK_RUNNING,
                                  .containers = w->containers,
                                  .n_containers = 2 };
}

static void set_up(struct world *w, bool introspection)
{
    struct http_server_args args = { .fd = -1, .address = "127.0.0.1", .handle = on_call };
    struct err e = { 0 };

    *w = (struct world){ 0 };
    fill(w);
    w->listener.routes = routes_of(w, introspection, &w->listener.n_routes);
    w->listener.user = w;
    w->metadata =
        (struct metadata_endpoint){ .source = { find, view, stats, w }, .listener = &w->listener };
    w->introspect = (struct introspect_endpoint){
        { "shop", "Amazon ECS Agent - v1 (h)", instance_arn, each, w }, &w->listener
    };
    w->loop = loop_create();
    w->watchdog = loop_timer_create(w->loop, on_watchdog, w);
    loop_timer_arm(w->watchdog, 60000);
    args.loop = w->loop;
    args.user = w;
    assert_int_equal(http_server_create(&args, &w->server, &e), ERR_OK);
    w->port = http_server_port(w->server);
}

static void tear_down(struct world *w)
{
    http_server_destroy(w->server);
    loop_timer_destroy(w->watchdog);
    loop_destroy(w->loop);
    free((void *)(uintptr_t)w->listener.routes);
    for (size_t i = 0; i < COUNT_OF(w->replies); i++)
        client_reply_fini(&w->replies[i]);
}

static void ask_all(void *user)
{
    struct world *w = user;

    for (size_t i = 0; i < w->n_asks; i++) {
        client_reply_fini(&w->replies[i]);
        client_get(w->port, NULL, w->asks[i].target, &w->replies[i]);
    }
}

static void stop(void *user)
{
    loop_stop(((struct world *)user)->loop);
}

static void check(struct world *w, const struct ask *asks, size_t n)
{
    assert_true(n <= COUNT_OF(w->replies));
    w->asks = asks;
    w->n_asks = n;
    loop_work(w->loop, ask_all, stop, w);
    loop_run(w->loop);
    for (size_t i = 0; i < n; i++) {
        const char *want = asks[i].body, *got = buf_text(&w->replies[i].body);

        print_message("%s\n", asks[i].target);
        assert_int_equal(w->replies[i].status, asks[i].status);
        if (want && str_ends(want, "..."))
            assert_memory_equal(got, want, strlen(want) - 3);
        else if (want)
            assert_string_equal(got, want);
    }
}

#define C \
    "unable to get container ID from request: unable to get docker ID from v3 endpoint ID: x\""
#define T "unable to get task arn from request: unable to get task Arn from v3 endpoint ID: x\""
#define A "container associations handler: "

static void test_metadata(void **state)
{
    static const struct ask asks[] = {
        { "/v4/known", 200, "{\"DockerId\":\"" ID "\",\"Name\":\"a\"..." },
        { "/v4/known/task", 200, "{\"Cluster\":\"shop\",\"TaskARN\":\"" TASK "\"..." },
        { "/v4/known/taskWithTags", 200, "{\"Cluster\":\"shop\",\"TaskARN\":\"" TASK "\"..." },
        { "/v4/known/stats", 200, "{\"v4\":true}" },
        { "/v4/known/task/stats", 200, "{\"" ID "\":{\"v4\":true},\"" ID_2 "\":{}}" },
        { "/v3/known/stats", 200, "{\"v4\":false}" },
        { "/v3/known/task/stats", 200, "{\"" ID "\":{\"v4\":false},\"" ID_2 "\":null}" },
        { "/v3/known/task", 500, "\"Unable to generate network response for container '..." },
        { "/v4/blind", 500, "\"unable to generate network response for container '" ID_2 "'\"" },
        { "/v3/blind", 500, "\"Unable to generate network response for container '" ID_2 "'\"" },
        { "/v4/blind/stats", 500, "\"Unable to get container stats for: " ID_2 "\"" },
        { "/v3/blind/stats", 400, "\"Unable to get container stats for: " ID_2 "\"" },
        { "/v4/x", 404, "\"V4 container metadata handler: " C },
        { "/v3/x", 500, "\"V3 container metadata handler: " C },
        { "/v4/x/task", 404, "\"V4 task metadata handler: " T },
        { "/v3/x/task", 500, "\"V3 task metadata handler: " T },
        { "/v4/x/stats", 404, "\"V4 container stats handler: " T },
        { "/v3/x/stats", 400, "\"V3 container stats handler: " T },
        { "/v4/x/task/stats", 404, "\"V4 task stats handler: " T },
        { "/v4/known/", 404, "404 page not found\n" },
        { "/v4/known/tasks", 404, "404 page not found\n" },
        { "/v4/known/associations/gpu", 200, "{\"Associations\":null}" },
        { "/v4/known/associations/gpu/", 400,
          "\"V4 " A "unable to get association name from request\"" },
        { "/v4/known/associations/gpu/0/1", 400,
          "\"Unable to write container association response: unable to get association from "
          "association type gpu and association name 0/1\"" },
        { "/v4/x/associations/gpu", 400,
          "\"V4 " A "unable to get container id from request: unable to get docker ID from v3 "
          "endpoint ID: x\"" },
        { "/v3/x/associations/gpu/0", 400, "\"V3 " A T },
        { "/v2/metadata", 400,
          "\"Unable to get task arn from request: unable to associate '127.0.0.1' with task\"" },
        { "/v2/stats/" ID, 400, NULL },
    };
    static const struct ask gone[] = {
        { "/v4/known", 500, "\"unable to generate metadata for container '" ID "'\"" },
        { "/v3/known", 500, "\"Unable to generate metadata for container '" ID "'\"" },
        { "/v4/known/task", 500, "\"Unable to generate metadata for v4 task: '" TASK "'\"" },
        { "/v3/known/task", 500, "\"Unable to generate metadata for task: '" TASK "'\"" },
        { "/v4/known/task/stats", 500, "\"Unable to get task stats for: " TASK "\"" },
    };
    /* Two that are being created have no id yet, a third one is not there at all. */
    static const struct ask early[] = {
        { "/v4/known/task/stats", 200, "{\"" ID "\":{\"v4\":true},\"\":{}}" },
        { "/v3/known/task/stats", 200, "{\"" ID "\":{\"v4\":false},\"\":null}" },
    };
    struct world w;

    (void)state;
    set_up(&w, false);
    check(&w, asks, COUNT_OF(asks));
    for (size_t i = 1; i < COUNT_OF(w.containers); i++)
        w.containers[i].docker_id = "";
    w.containers[2].docker_name = "ecs-c";
    w.containers[3].docker_name = "";
    w.task.n_containers = COUNT_OF(w.containers);
    check(&w, early, COUNT_OF(early));
    w.task_gone = true;
    check(&w, gone, COUNT_OF(gone));
    tear_down(&w);
}

static void test_introspection(void **state)
{
    static const struct ask asks[] = {
        { "/", 200, "{\"AvailableCommands\":[\"/v1/metadata\",\"/v1/tasks\",\"/license\"]}" },
        { "/v1/tasks/", 200, "{\"AvailableCommands\"..." },
        { "/license", 200, "Berth is distributed..." },
        { "/v1/metadata", 200,
          "{\"Cluster\":\"shop\",\"ContainerInstanceArn\":\"arn:instance\",\"Version\":\"Amazon "
          "ECS Agent - v1 (h)\"}" },
        { "/v1/tasks", 200, "{\"Tasks\":[{\"Arn\":\"" TASK "\"..." },
        { "/v1/tasks?taskarn=" TASK, 200, "{\"Arn\":\"" TASK "\"..." },
        { "/v1/tasks?dockerid=" ID, 200, "{\"Arn\":\"" TASK "\"..." },
        { "/v1/tasks?dockerid=3b9c01d2e4f5", 400, NOBODY },    /* both of them */
        { "/v1/tasks?dockerid=3b9c01d2e4f5a69", 404, NOBODY }, /* too long for a beginning */
        { "/v1/tasks?dockerid=nobody", 404, NOBODY },
        { "/v1/tasks?taskarn=nobody", 404, NOBODY },
        { "/v1/tasks?taskarn=" TASK "&dockerid=" ID, 400, NOBODY },
    };
    static const struct ask none[] = {
        { "/v1/tasks", 200, "{\"Tasks\":[]}" },
        { "/v1/metadata", 200, "{\"Cluster\":\"shop\",\"ContainerInstanceArn\":null..." },
    };
    struct world w;

    (void)state;
    set_up(&w, true);
    check(&w, asks, COUNT_OF(asks));
    w.task_gone = true;
    check(&w, none, COUNT_OF(none));
    tear_down(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_introspection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
