/* links: endpoints aws io base task; dict: http */
/* Whole requests, as bytes of a connection, to the endpoints of the tasks: the server, the
 * router and all their handlers. One server serves all inputs. */
#include "endpoints/credentials.h"
#include "endpoints/metadata.h"
#include "fuzz/asker.h"

#define TASK   "arn:aws:ecs:eu-west-1:210987654321:task/shop/6f1e"
#define ID     "k1"
#define SECRET "kJ3v-Example-Secret"

struct world {
    struct loop *loop;
    struct http_server *server;
    struct route routes[64];
    struct endpoint_listener listener;
    struct credentials_endpoint credentials;
    struct metadata_endpoint metadata;
    struct view_container container;
    struct view_task task;
    struct asker asker;
};

static bool find(void *user, const char *id, const char **arn, size_t *container,
                 const char **docker_id)
{
    (void)user;
    *arn = TASK;
    *container = 0;
    *docker_id = "d1";
    return streq(id, ID);
}

static bool view(void *user, const char *arn, metadata_view_fn *fn, void *arg)
{
    (void)arn;
    fn(arg, &((struct world *)user)->task);
    return true;
}

static bool stats(void *user, const char *docker_id, bool v4, struct jw *w)
{
    (void)user;
    jw_object(w);
    jw_kstr(w, "id", docker_id);
    jw_kbool(w, "v4", v4);
    jw_end(w);
    return true;
}

static enum credentials_kind on_known(void *user, const char *id)
{
    (void)user;
    return streq(id, ID) ? CREDENTIALS_TASK : CREDENTIALS_UNKNOWN;
}

static void on_v1(void *user, struct http_call *c, const struct route_match *m)
{
    credentials_serve_v1(&((struct world *)user)->credentials, c, m);
}

static void on_v2(void *user, struct http_call *c, const struct route_match *m)
{
    credentials_serve_v2(&((struct world *)user)->credentials, c, m);
}

static void on_metadata(void *user, struct http_call *c, const struct route_match *m)
{
    metadata_serve(&((struct world *)user)->metadata, c, m);
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

static struct roles *keys(void)
{
    struct roles *r = roles_create();
    struct role_credentials c = { .id = ID,
                                  .role_arn = "arn:aws:iam::210987654321:role/orders",
                                  .access_key = "ASIAXAMPLE7Q2ZK4",
                                  .secret_key = SECRET,
                                  .session_token = "IQoJ",
                                  .expiration = "2025-03-04T11:22:33Z",
                                  .task_arn = TASK };

    roles_put(r, &c);
    return r;
}

static void set_up(struct world *w)
{
    struct http_server_args args = {
        .fd = -1, .address = "127.0.0.1", .handle = on_call, .gone = on_gone, .user = w
    };
    size_t n = 0;

    w->routes[n++] = (struct route){ "/v1/credentials", NULL, on_v1, w };
    w->routes[n++] = (struct route){ "/v2/credentials/**", NULL, on_v2, w };
    for (size_t i = 0; i < metadata_patterns_n; i++)
        w->routes[n++] = (struct route){ metadata_patterns[i], NULL, on_metadata, w };
    LAW(n <= COUNT_OF(w->routes));
    w->listener = (struct endpoint_listener){ .routes = w->routes, .n_routes = n, .user = w };
    w->credentials = (struct credentials_endpoint){
        .roles = keys(), .known = on_known, .listener = &w->listener, .user = w
    };
    w->metadata =
        (struct metadata_endpoint){ .source = { find, view, stats, w }, .listener = &w->listener };
    w->container = (struct view_container){ .docker_id = "d1",
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
                                  .containers = &w->container,
                                  .n_containers = 1 };
    w->loop = loop_create();
    args.loop = w->loop;
    LAW(http_server_create(&args, &w->server, NULL) == ERR_OK);
    asker_init(&w->asker, w->loop, w->server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;

    if (!w.loop)
        set_up(&w);
    /* What one input may ask for does not depend on those before it. */
    w.listener.limits = limits_create(&(const struct limits_args){ .rate = 1, .burst = 16 });
    asker_ask(&w.asker, data, size);
    limits_destroy(w.listener.limits);
    /* Nobody gets keys who does not know their id. (An error repeats what was asked for.) */
    if (!memmem(data, size, "k1", 2) && !memmem(data, size, "%6", 2) &&
        !memmem(data, size, "%3", 2) && !memmem(data, size, SECRET, strlen(SECRET)))
        LAW(!strstr(buf_text(&w.asker.answer), SECRET));
    asker_check_json(&w.asker);
    return 0;
}
