#pragma once
/* ecs_endpoints_world: the endpoints that ask ECS, a scripted ECS, and clients on a thread of
 * their own. */
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "aws/internal.h"
#include "base/mem.h"
#include "endpoints/metadata.h"
#include "endpoints/protection.h"
#include "support/check.h"
#include "support/http_clients.h"
#include "support/peer.h"

#define TASK     "arn:aws:ecs:eu-west-1:210987654321:task/shop/6f1e"
#define INSTANCE "arn:aws:ecs:eu-west-1:210987654321:container-instance/shop/90ab"

enum how { ANSWERS, HANGS /* until the client goes */, RESETS };

struct step {                          /* one request that comes to ECS */
    const char *in_head, *too_in_head; /* NULL: anything */
    const char *body;                  /* whole; NULL: anything */
    enum how how;
    bool held; /* until peer_go */
    int status;
    const char *headers, *answer;
};

struct world {
    struct loop *loop;
    struct loop_timer *watchdog;
    struct http_client *http;
    struct aws *aws;
    struct credentials *credentials;
    struct roles *roles;
    struct peer *peer;
    struct aws_service ecs;
    struct http_server *server;
    struct route routes[32];
    struct endpoint_listener listener;
    struct tags *tags;
    struct metadata_endpoint metadata;
    struct protection_endpoint protection;
    struct view_container container;
    struct view_task task;
    sem_t came;       /* posted for each request that came to ECS */
    const char *role; /* the id of the task's credentials */
    atomic_bool task_gone;
    int n_asked, go_at; /* ECS may answer what is held when so many were asked */
    uint16_t port;
    const struct step *steps;
    size_t n_steps;
    /* of the clients' thread */
    void (*script)(struct world *w);
    struct client_reply replies[4];
};

static void ecs_script(struct peer *p, void *arg)
{
    struct world *w = arg;

    for (size_t i = 0; i < w->n_steps; i++) {
        const struct step *s = &w->steps[i];
        const char *head;
        struct str body;

        peer_accept(p);
        head = peer_head(p);
        if ((s->in_head && !strstr(head, s->in_head)) ||
            (s->too_in_head && !strstr(head, s->too_in_head)))
            peer_fail(p, "request %zu: other head: %s", i, head);
        body = peer_body(p);
        sem_post(&w->came);
        if (s->body && !str_is(body, s->body))
            peer_fail(p, "request %zu: other body: %.*s", i, (int)body.n, body.p);
        if (s->held)
            peer_wait(p);
        if (s->how == HANGS) {
            peer_expect_eof(p);
        } else if (s->how == RESETS) {
            peer_reset(p);
        } else {
            AUTO(str)
            char *text =
                mem_printf("HTTP/1.1 %d X\r\nConnection: close\r\n%sContent-Length: "
                           "%zu\r\n\r\n%s",
                           s->status, s->headers ? s->headers : "", strlen(s->answer), s->answer);

            peer_send(p, text);
            peer_close(p);
        }
    }
}

static const char *look_up(void *user, const char *name)
{
    (void)user;
    if (streq(name, "AWS_ACCESS_KEY_ID"))
        return "AKINSTANCE";
    return streq(name, "AWS_SECRET_ACCESS_KEY") ? "SK" : NULL;
}

static void on_watchdog(void *user)
{
    (void)user;
    fail_msg("the test did not end in time");
}

static bool find(void *user, const char *id, const char **arn, size_t *container,
                 const char **docker_id)
{
    struct world *w = user;

    *arn = TASK;
    *container = 0;
    *docker_id = w->container.docker_id;
    return streq(id, "known");
}

static bool find_own(void *user, const struct http_call_head *head, const char *id,
                     const char **arn)
{
    (void)user;
    (void)head;
    *arn = TASK;
    return streq(id, "known");
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
    (void)docker_id;
    (void)v4;
    (void)w;
    return false;
}

static void tag_arns(void *user, const char *task_arn, const char *arns[TAGS_OF__COUNT])
{
    (void)user;
    arns[TAGS_OF_INSTANCE] = INSTANCE;
    arns[TAGS_OF_TASK] = task_arn;
}

static bool role_of(void *user, const char *task_arn, const char **id)
{
    struct world *w = user;

    (void)task_arn;
    *id = w->role;
    return !w->task_gone;
}

static const char *cluster_of(void *user)
{
    (void)user;
    return "shop";
}

static void on_metadata(void *user, struct http_call *c, const struct route_match *m)
{
    metadata_serve(&((struct world *)user)->metadata, c, m);
}

static void on_protection(void *user, struct http_call *c, const struct route_match *m)
{
    protection_serve(&((struct world *)user)->protection, c, m);
}

static void on_call(void *user, struct http_call *c)
{
    struct world *w = user;

    endpoint_serve(&w->listener, c);
    if (++w->n_asked == w->go_at)
        peer_go(w->peer);
}

static void on_gone(void *user, struct http_call *c)
{
    (void)user;
    (void)c;
    fail_msg("a late answer has an end of its own");
}

static void add_routes(struct world *w)
{
    size_t n = 0;

    for (size_t i = 0; i < metadata_patterns_n; i++)
        w->routes[n++] = (struct route){ metadata_patterns[i], NULL, on_metadata, w };
    w->routes[n++] = (struct route){ PROTECTION_PATTERN, "GET", on_protection, w };
    w->routes[n++] = (struct route){ PROTECTION_PATTERN, "PUT", on_protection, w };
    w->listener = (struct endpoint_listener){ .routes = w->routes, .n_routes = n, .user = w };
}

static void fill_task(struct world *w)
{
    static const struct view_network networks[] = { { "bridge", "172.17.0.4", NULL } };

    w->container = (struct view_container){ .docker_id = "3b9c",
                                            .docker_name = "ecs-a",
                                            .name = "api",
                                            .image = "i",
                                            .image_id = "sha256:aa",
                                            .desired = CTR_RUNNING,
                                            .known = CTR_RUNNING,
                                            .networks_known = true,
                                            .networks = networks,
                                            .n_networks = 1 };
    w->task = (struct view_task){ .cluster = "shop",
                                  .arn = TASK,
                                  .family = "orders",
                                  .version = "12",
                                  .desired = TASK_RUNNING,
                                  .known = TASK_RUNNING,
                                  .containers = &w->container,
                                  .n_containers = 1 };
}

static void add_role(struct world *w)
{
    const struct role_credentials c = { .id = "role",
                                        .role_arn = "arn:aws:iam::210987654321:role/orders",
                                        .access_key = "AKROLE",
                                        .secret_key = "RS",
                                        .session_token = "RT",
                                        .expiration = "2035-03-04T11:22:33Z",
                                        .task_arn = TASK };

    w->roles = roles_create();
    roles_put(w->roles, &c);
    w->role = "role";
}

/* `limit_ms`: how long ECS may take. */
static void set_up(struct world *w, const struct step *steps, size_t n_steps, int64_t limit_ms)
{
    struct http_server_args args = {
        .fd = -1, .address = "127.0.0.1", .handle = on_call, .gone = on_gone, .user = w
    };
    struct err e = { 0 };

    memset(w, 0, sizeof *w);
    sem_init(&w->came, 0, 0);
    w->steps = steps;
    w->n_steps = n_steps;
    fill_task(w);
    add_role(w);
    add_routes(w);
    w->loop = loop_create();
    w->watchdog = loop_timer_create(w->loop, on_watchdog, w);
    loop_timer_arm(w->watchdog, 60000);
    w->http = http_client_create(w->loop, &(struct http_client_config){ .user_agent = "Agent/1" });
    w->aws = aws_create(&(struct aws_args){ .http = w->http, .region = "eu-west-1", .seed = 1 });
    aws_set_backoff_ms(w->aws, 1);
    w->credentials = credentials_create(&(struct credentials_args){
        .aws = w->aws, .env = look_up, .rotating_file = "/no/such/file" });
    w->peer = peer_start(ecs_script, w);
    w->ecs = (struct aws_service){ .endpoint = peer_url(w->peer, "http", ""),
                                   .region = "eu-west-1",
                                   .service = "ecs",
                                   .target_prefix = "ECS" };
    w->tags = tags_create(&(struct tags_args){ .loop = w->loop,
                                               .aws = w->aws,
                                               .credentials = w->credentials,
                                               .ecs = &w->ecs,
                                               .limit_ms = limit_ms });
    w->metadata = (struct metadata_endpoint){ .source = { find, view, stats, w },
                                              .listener = &w->listener,
                                              .tags = w->tags,
                                              .tag_arns = tag_arns,
                                              .user_agent = "Agent/1" };
    w->protection = (struct protection_endpoint){ .source = { find_own, role_of, cluster_of, w },
                                                  .listener = &w->listener,
                                                  .loop = w->loop,
                                                  .aws = w->aws,
                                                  .roles = w->roles,
                                                  .ecs = &w->ecs,
                                                  .limit_ms = limit_ms };
    args.loop = w->loop;
    assert_int_equal(http_server_create(&args, &w->server, &e), ERR_OK);
    w->port = http_server_port(w->server);
}
#define SET_UP(w, steps, limit_ms) set_up(w, steps, COUNT_OF(steps), limit_ms)

static void tear_down(struct world *w)
{
    const char *bad;

    http_server_destroy(w->server);
    tags_destroy(w->tags);
    credentials_destroy(w->credentials);
    roles_destroy(w->roles);
    aws_destroy(w->aws);
    http_client_destroy(w->http);
    loop_timer_destroy(w->watchdog);
    bad = peer_stop(w->peer);
    loop_destroy(w->loop);
    for (size_t i = 0; i < COUNT_OF(w->replies); i++)
        client_reply_fini(&w->replies[i]);
    if (bad)
        fail_msg("%s", bad);
}

/* Of the clients' thread: until `n` more requests have come to ECS. */
static UNUSED void wait_for_ecs(struct world *w, int n)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLIENT_PATIENCE_MS / 1000;
    while (n-- > 0 && sem_timedwait(&w->came, &until) == 0)
        ;
}

/* Closes so that the other side learns that nobody reads any more. */
static UNUSED void hang_up_on(int fd)
{
    const struct linger none = { .l_onoff = 1 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(fd);
}

static void on_thread(void *user)
{
    struct world *w = user;

    w->script(w);
}

static void stop(void *user)
{
    loop_stop(((struct world *)user)->loop);
}

static void run_clients(struct world *w, void (*script)(struct world *w))
{
    w->script = script;
    loop_work(w->loop, on_thread, stop, w);
    loop_run(w->loop);
}
