/* links: docker io task base */
/* Whole answers of the Docker Engine, as bytes on its socket, to each kind of call. The first byte
 * is the kind; from 128 on the rest is the body of an answer only (server.h). */
#include "docker/docker.h"
#include "fuzz/server.h"

#define CALL_MS 2000

struct world {
    struct fuzz_server server;
    struct loop *loop;
    struct http_client *http;
    struct docker *docker; /* of one input */
    size_t ends, bytes;
};

static struct world w;

static void over(const struct err *e)
{
    LAW(!e->code == !*e->msg);
    LAW(w.ends++ == 0);
    loop_stop(w.loop);
}

static void on_done(void *user, const struct err *e)
{
    (void)user;
    over(e);
}

static void on_version(void *user, const struct docker_version *v, const struct err *e)
{
    (void)user;
    LAW(e->code || (memchr(v->version, 0, sizeof v->version) && *v->api_version));
    over(e);
}

static void on_created(void *user, const char *id, const struct err *e)
{
    (void)user;
    LAW(e->code || *id);
    over(e);
}

static void on_looked(void *user, const struct ctr_facts *f, struct docker_details *d,
                      const struct err *e)
{
    (void)user;
    LAW(e->code || (f->status >= CTR_CREATED && f->status <= CTR_STOPPED));
    for (size_t i = 0; d && i < d->n_labels; i++)
        w.bytes += strlen(d->labels[i].key) + strlen(d->labels[i].value);
    over(e);
}

static void on_inspected(void *user, const struct ctr_facts *f, const struct err *e)
{
    on_looked(user, f, NULL, e);
}

static void on_image(void *user, const struct docker_image *image, const struct err *e)
{
    (void)user;
    if (!e->code)
        w.bytes += strlen(image->id);
    over(e);
}

static void on_images(void *user, const struct docker_image *images, size_t n, const struct err *e)
{
    (void)user;
    for (size_t i = 0; !e->code && i < n; i++)
        w.bytes += strlen(images[i].id);
    over(e);
}

static void on_digest(void *user, const char *digest, const struct err *e)
{
    (void)user;
    LAW(!digest == !!e->code);
    over(e);
}

static void on_volume(void *user, const struct docker_volume *found, const struct err *e)
{
    (void)user;
    LAW(!found == !!e->code);
    over(e);
}

static void on_info(void *user, const struct docker_info *info, const struct err *e)
{
    (void)user;
    if (!e->code)
        w.bytes += strlen(info->root_dir) + strlen(info->cgroup_driver);
    over(e);
}

static void on_names(void *user, const char *const *names, size_t n, const struct err *e)
{
    (void)user;
    for (size_t i = 0; !e->code && i < n; i++)
        w.bytes += strlen(names[i]);
    over(e);
}

static void on_listed(void *user, const struct docker_listed *rows, size_t n, const struct err *e)
{
    (void)user;
    LAW(n <= DOCKER_LIST_MAX);
    for (size_t i = 0; !e->code && i < n; i++)
        w.bytes += strlen(rows[i].id) + strlen(rows[i].name) + strlen(rows[i].state);
    over(e);
}

static void on_progress(void *user, const char *line)
{
    (void)user;
    w.bytes += strlen(line);
}

static void on_frame(void *user, int stream, int64_t when_ns, struct str text)
{
    (void)user;
    LAW((stream == 1 || stream == 2) && text.n && when_ns >= 0);
}

static void on_opened(void *user)
{
    (void)user;
}

static void on_event(void *user, const struct docker_event *ev)
{
    (void)user;
    w.bytes += strlen(ev->id) + strlen(ev->name);
}

static void ask_logs(bool follow)
{
    static const struct docker_log_sink sink = { .frame = on_frame };

    docker_logs(w.docker, "web", 0, follow, &sink, on_done, NULL);
}

static void subscribe(void)
{
    static const struct docker_event_sink sink = { on_opened, on_event, on_done };

    docker_subscribe(w.docker, &sink, NULL);
}

static void ask(unsigned kind)
{
    static const struct docker_volume volume = { .name = "data" };
    struct docker *d = w.docker;

    switch (kind) {
    case 0:
        docker_negotiate(d, on_version, NULL);
        break;
    case 1:
        docker_ping(d, CALL_MS, on_done, NULL);
        break;
    case 2:
        docker_create_container(d, "web", str_of("{}"), CALL_MS, on_created, NULL);
        break;
    case 3:
        docker_start(d, "web", CALL_MS, on_done, NULL);
        break;
    case 4:
        docker_stop(d, "web", 1, CALL_MS, on_done, NULL);
        break;
    case 5:
        docker_look(d, "web", CALL_MS, on_looked, NULL);
        break;
    case 6:
        docker_inspect(d, "web", CALL_MS, on_inspected, NULL);
        break;
    case 7:
        docker_inspect_image(d, "busybox:1", CALL_MS, on_image, NULL);
        break;
    case 8:
        docker_list_images(d, CALL_MS, on_images, NULL);
        break;
    case 9:
        docker_distribution(d, "busybox:1", NULL, CALL_MS, on_digest, NULL);
        break;
    case 10:
        docker_create_volume(d, &volume, CALL_MS, on_done, NULL);
        break;
    case 11:
        docker_inspect_volume(d, "data", CALL_MS, on_volume, NULL);
        break;
    case 12:
        docker_info(d, CALL_MS, on_info, NULL);
        break;
    case 13:
        docker_plugins(d, on_names, NULL);
        break;
    case 14:
        docker_list_all(d, CALL_MS, on_listed, NULL);
        break;
    case 15:
        docker_list(d, CALL_MS, on_listed, NULL);
        break;
    case 16:
        docker_pull(d, "busybox:1", NULL, CALL_MS, CALL_MS, on_progress, on_done, NULL);
        break;
    case 17:
        ask_logs(false);
        break;
    case 18:
        ask_logs(true);
        break;
    case 19:
        subscribe();
        break;
    case 20:
        docker_remove_image(d, "busybox:1", CALL_MS, on_done, NULL);
        break;
    case 21:
        docker_pause(d, "web", true, CALL_MS, on_done, NULL);
        break;
    case 22:
        docker_tag_image(d, "busybox:1", "busybox:2", CALL_MS, on_done, NULL);
        break;
    default:
        docker_remove(d, "web", CALL_MS, on_done, NULL);
        break;
    }
}

static void set_up(void)
{
    w.loop = loop_create();
    fuzz_server_init(&w.server, w.loop, true, fuzz_server_http);
    w.http = http_client_create(w.loop, &(const struct http_client_config){ .ca_dir = "/" });
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(str) char *endpoint = NULL;
    struct err e = { 0 };

    if (!w.loop)
        set_up();
    if (!size)
        return 0;
    endpoint = mem_printf("unix://%s", w.server.path);
    LAW(docker_create(w.http, endpoint, &w.docker, &e) == ERR_OK);
    w.ends = 0;
    w.server.wrapped = data[0] >= 128;
    fuzz_server_begin(&w.server, fuzz_str(data + 1, size - 1));
    ask(data[0] % 24);
    loop_run(w.loop);
    LAW(w.ends == 1);
    docker_destroy(w.docker);
    fuzz_server_end(&w.server);
    return 0;
}
