/* links: logs aws io base */
/* What a service of logs answers when a batch is put there, and when it is asked what it has. The
 * first byte says which; from 128 on the rest is the body of an answer only (server.h). */
#include "fuzz/server.h"
#include "logs/sink.h"

#define EVENTS 5

struct world {
    struct fuzz_server server;
    struct loop *loop;
    struct http_client *http;
    struct roles *roles;
    char endpoint[64];
    size_t ends, bytes;
};

static struct world w;

static void on_put(void *user, const struct sink_answer *a)
{
    (void)user;
    LAW(a->verdict <= SINK_INVALID);
    LAW((a->verdict == SINK_STORED) == !a->e->code || a->verdict == SINK_STORED);
    LAW(a->too_new <= EVENTS && a->too_old <= EVENTS && a->expired <= EVENTS);
    w.ends++;
    loop_stop(w.loop);
}

static void on_read(void *user, const struct sink_found *found)
{
    (void)user;
    LAW(found->n <= SINK_READ_EVENTS && (!found->n || !found->e->code));
    for (size_t i = 0; i < found->n; i++)
        for (size_t k = 0; k < found->events[i].text.n; k++)
            w.bytes += (unsigned char)found->events[i].text.p[k];
    w.ends++;
    loop_stop(w.loop);
}

static void set_up(void)
{
    const struct role_credentials keys = { .id = "k1",
                                           .role_arn = "arn:aws:iam::210987654321:role/logs",
                                           .access_key = "ASIAEXAMPLE",
                                           .secret_key = "secret",
                                           .session_token = "token",
                                           .expiration = "2099-03-04T11:22:33Z",
                                           .task_arn = "arn:aws:ecs:eu-west-1:1:task/c/t" };

    w.loop = loop_create();
    fuzz_server_init(&w.server, w.loop, false, fuzz_server_http);
    snprintf(w.endpoint, sizeof w.endpoint, "http://127.0.0.1:%d", w.server.port);
    w.http = http_client_create(w.loop, &(const struct http_client_config){ .ca_dir = "/" });
    w.roles = roles_create();
    roles_put(w.roles, &keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char group[] = "g", stream[] = "s", region[] = "eu-west-1";
    struct log_options to = { .group = group, .stream = stream, .region = region };
    struct sink_put_args put = { &to, "k1", str_of("{}"), EVENTS };
    struct sink sink = { 0 };

    if (!w.loop)
        set_up();
    if (!size)
        return 0;
    to.endpoint = w.endpoint;
    to.create_stream = data[0] & 1;
    to.create_group = data[0] & 2;
    sink.loop = w.loop;
    sink.roles = w.roles;
    sink.aws =
        aws_create(&(const struct aws_args){ .http = w.http, .region = region, .max_attempts = 1 });
    w.ends = 0;
    w.server.wrapped = data[0] >= 128;
    fuzz_server_begin(&w.server, fuzz_str(data + 1, size - 1));
    if (data[0] & 4)
        sink_read(&sink, &to, "k1", 0, 1 << 20, on_read, NULL);
    else
        sink_put(&sink, &put, on_put, NULL);
    loop_run(w.loop);
    LAW(w.ends == 1);
    fuzz_server_end(&w.server);
    aws_destroy(sink.aws);
    return 0;
}
