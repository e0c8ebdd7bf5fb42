/* links: endpoints aws io base task; dict: http */
/* Whole requests to the endpoint for people on the host: introspection and /metrics; and the one
 * request of a task that has a body, for its protection. One server serves all inputs. */
#include "endpoints/introspect.h"
#include "endpoints/prometheus.h"
#include "endpoints/protection.h"
#include "fuzz/asker.h"

#define TASK "arn:aws:ecs:eu-west-1:210987654321:task/shop/6f1e"

struct world {
    struct loop *loop;
    struct http_server *server;
    struct route routes[4];
    struct endpoint_listener listener;
    struct introspect_endpoint introspect;
    struct prometheus_endpoint prometheus;
    struct protection_endpoint protection;
    struct view_container containers[2];
    struct view_task task;
    struct asker asker;
};

static const char *instance_arn(void *user)
{
    (void)user;
    return NULL;
}

static void each(void *user, introspect_view_fn *fn, void *arg)
{
    fn(arg, &((struct world *)user)->task);
}

static void write_metrics(void *user, struct prom *p, bool containers)
{
    struct prometheus_container c = { .task = "6f1e", .container = "a\"\n", .family = "orders" };

    (void)user;
    prometheus_write_containers(p, &c, containers ? 1 : 0, 1);
}

static bool find(void *user, const struct http_call_head *head, const char *id, const char **arn)
{
    (void)user;
    (void)head;
    *arn = TASK;
    return *id == 'k';
}

/* A task without a role is told at once that it cannot ask. */
static bool role(void *user, const char *task_arn, const char **credentials_id)
{
    (void)user;
    (void)task_arn;
    *credentials_id = NULL;
    return true;
}

static const char *cluster(void *user)
{
    (void)user;
    return "shop";
}

static void on_introspect(void *user, struct http_call *c, const struct route_match *m)
{
    introspect_serve(&((struct world *)user)->introspect, c, m);
}

static void on_metrics(void *user, struct http_call *c, const struct route_match *m)
{
    (void)m;
    prometheus_serve(&((struct world *)user)->prometheus, c);
}

static void on_protection(void *user, struct http_call *c, const struct route_match *m)
{
    protection_serve(&((struct world *)user)->protection, c, m);
}

static void on_call(void *user, struct http_call *c)
{
    endpoint_serve(&((struct world *)user)->listener, c);
}

static void on_gone(void *user, struct http_call *c)
{
    (void)user;
    (void)c;
    abort(); /* each is answered at once */
}

static void set_up(struct world *w)
{
    struct http_server_args args = {
        .fd = -1, .address = "127.0.0.1", .handle = on_call, .gone = on_gone, .user = w
    };

    w->routes[0] = (struct route){ "/metrics", NULL, on_metrics, w };
    w->routes[1] = (struct route){ PROTECTION_PATTERN, "PUT", on_protection, w };
    w->routes[2] = (struct route){ PROTECTION_PATTERN, "GET", on_protection, w };
    w->routes[3] = (struct route){ "/**", NULL, on_introspect, w };
    w->listener = (struct endpoint_listener){ .routes = w->routes, .n_routes = 4 };
    w->introspect = (struct introspect_endpoint){
        .source = { "shop", "Amazon ECS Agent - v1 (*a)", instance_arn, each, w },
        .listener = &w->listener,
    };
    w->prometheus = (struct prometheus_endpoint){ &w->listener, write_metrics, w };
    w->loop = args.loop = loop_create();
    w->protection = (struct protection_endpoint){ .source = { find, role, cluster, w },
                                                  .listener = &w->listener,
                                                  .loop = w->loop,
                                                  .roles = roles_create() };
    for (size_t i = 0; i < COUNT_OF(w->containers); i++)
        w->containers[i] = (struct view_container){ .docker_id = i ? "d1" : "0123456789abcdef",
                                                    .docker_name = "ecs-a",
                                                    .name = "a",
                                                    .image = "i",
                                                    .image_id = "sha256:aa",
                                                    .known = CTR_RUNNING,
                                                    .networks_known = true };
    w->task = (struct view_task){ .cluster = "shop",
                                  .arn = TASK,
                                  .family = "orders",
                                  .version = "12",
                                  .containers = w->containers,
                                  .n_containers = COUNT_OF(w->containers) };
    LAW(http_server_create(&args, &w->server, NULL) == ERR_OK);
    asker_init(&w->asker, w->loop, w->server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;

    if (!w.loop)
        set_up(&w);
    asker_ask(&w.asker, data, size);
    asker_check_json(&w.asker);
    return 0;
}
