/* links: endpoints aws io base task */
/* Whole requests, as bytes of a connection, to the endpoints of the tasks: the server, the
 * router and all their handlers. One server serves all inputs. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "endpoints/credentials.h"
#include "endpoints/metadata.h"
#include "fuzz/fuzz.h"

#define TASK       "arn:aws:ecs:eu-west-1:210987654321:task/shop/6f1e"
#define ID         "k1"
#define SECRET     "kJ3v-Example-Secret"
#define ANSWER_MAX ((size_t)32 << 20)

struct world {
    struct loop *loop;
    struct http_server *server;
    struct route routes[64];
    struct endpoint_listener listener;
    struct credentials_endpoint credentials;
    struct metadata_endpoint metadata;
    struct view_container container;
    struct view_task task;
    /* of one input */
    const uint8_t *data;
    size_t size;
    struct buf answer;
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
    w->listener = (struct endpoint_listener){ .routes = w->routes,
                                              .n_routes = n,
                                              .limits = limits_create(&(const struct limits_args){
                                                  .rate = 1000, .burst = 1000 }),
                                              .user = w };
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
    buf_init(&w->answer, ANSWER_MAX);
}

static void send_all(int fd, const uint8_t *data, size_t n)
{
    while (n) {
        ssize_t sent = send(fd, data, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return; /* the server may close whenever it has seen enough */
        data += sent;
        n -= (size_t)sent;
    }
}

/* On a worker thread: says the input, and nothing more, and hears all answers. A body that was
 * announced and does not come is waited for by the server for its own time, but not here. */
static void ask(void *user)
{
    struct world *w = user;
    struct sockaddr_in to = { .sin_family = AF_INET };
    struct timeval patience = { .tv_usec = 200000 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ssize_t got;
    char *at;

    to.sin_port = htons(http_server_port(w->server));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    LAW(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    send_all(fd, w->data, w->size);
    shutdown(fd, SHUT_WR);
    do {
        at = buf_reserve(&w->answer, 65536);
        LAW(at);
        got = recv(fd, at, 65536, 0);
        if (got > 0)
            buf_grew(&w->answer, (size_t)got);
    } while (got > 0);
    close(fd);
}

static void stop(void *user)
{
    loop_stop(((struct world *)user)->loop);
}

/* The body of the first answer, where its head says that it is JSON and how long it is. */
static bool first_body(const struct buf *answer, struct str *body)
{
    const char *text = buf_text(answer), *end = strstr(text, "\r\n\r\n");
    const char *json = strstr(text, "\r\nContent-Type: application/json\r\n");
    const char *length = strstr(text, "\r\nContent-Length: ");

    if (!end || !json || json > end || !length || length > end)
        return false;
    body->p = end + 4;
    body->n = strtoul(length + strlen("\r\nContent-Length: "), NULL, 10);
    return body->n > 0 && body->n <= answer->len - (size_t)(body->p - text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    AUTO(json) struct json_t *v = NULL;
    struct str body;

    if (!w.loop)
        set_up(&w);
    w.data = data;
    w.size = size;
    buf_reset(&w.answer);
    loop_work(w.loop, ask, stop, &w);
    loop_run(w.loop);
    LAW(!w.answer.len || strncmp(w.answer.data, "HTTP/1.", 7) == 0);
    /* Nobody gets keys who does not know their id. */
    if (!memmem(data, size, "k1", 2) && !memmem(data, size, "%6", 2) &&
        !memmem(data, size, "%3", 2))
        LAW(!strstr(buf_text(&w.answer), SECRET));
    if (size < 4 || memcmp(data, "HEAD", 4) == 0 || !first_body(&w.answer, &body))
        return 0;
    LAW(json_parse(body.p, body.n, &v, NULL) == ERR_OK);
    return 0;
}
