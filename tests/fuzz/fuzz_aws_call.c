/* links: aws io base */
/* Whole answers of AWS services, as bytes on a connection, to each kind of call. The first byte is
 * the kind; from 128 on the rest is the body of an answer only (server.h). */
#include "aws/aws.h"
#include "aws/services.h"
#include "fuzz/server.h"

#define OBJECT_MAX ((size_t)64 * 1024)

struct world {
    struct fuzz_server server;
    struct loop *loop;
    struct http_client *http;
    char endpoint[64];
    size_t ends, bytes;
};

static struct world w;

static const char *env(void *user, const char *name)
{
    (void)user;
    return streq(name, "AWS_ENDPOINT_URL") ? w.endpoint : NULL;
}

static void over(const struct err *e)
{
    LAW(!e->code == !*e->msg && memchr(e->msg, 0, sizeof e->msg));
    LAW(w.ends++ == 0);
    loop_stop(w.loop);
}

static void on_token(void *user, const char *name, const char *password, const char *server,
                     const struct err *e)
{
    (void)user;
    LAW(e->code || (*name && *password && server));
    over(e);
}

static void on_values(void *user, const char *const *values, const struct err *e)
{
    (void)user;
    LAW(!values == !!e->code);
    if (values)
        w.bytes += strlen(values[0]) + strlen(values[1]);
    over(e);
}

static void on_secret(void *user, const char *secret, const char *error_code, const struct err *e)
{
    (void)user;
    LAW(!secret == !!e->code);
    w.bytes += strlen(error_code);
    over(e);
}

static void on_region(void *user, const char *region, const struct err *e)
{
    (void)user;
    LAW(!region == !!e->code);
    over(e);
}

static void on_object(void *user, struct str object, const struct err *e)
{
    (void)user;
    LAW(object.n <= OBJECT_MAX);
    over(e);
}

static void on_tags(void *user, const struct ec2_tag *tags, size_t n, const struct err *e)
{
    (void)user;
    for (size_t i = 0; i < n; i++)
        LAW(*tags[i].key && tags[i].value);
    over(e);
}

static void on_result(void *user, const struct aws_result *a)
{
    (void)user;
    LAW(a->error_code && a->attempts > 0);
    over(a->e);
}

static void ask_plainly(struct aws *aws, enum aws_protocol protocol, const struct sigv4_keys *keys)
{
    const struct aws_service service = { w.endpoint, "eu-west-1", "ecs", "Prefix" };
    const struct aws_call_args args = { .service = &service,
                                        .protocol = protocol,
                                        .operation = "DoIt",
                                        .method = "GET",
                                        .path = "/a",
                                        .body = str_of(protocol == AWS_REST ? "" : "{}"),
                                        .timeout_ms = 2000,
                                        .keys = keys };

    aws_call(aws, NULL, &args, on_result, NULL);
}

static void ask(unsigned kind, struct aws *aws, struct ecr_cache *cache)
{
    static const char *const names[] = { "/app/a", "b:2" };
    static char arn[] = "arn:aws:secretsmanager:eu-west-1:210987654321:secret:db-AbCdEf";
    static char bucket[] = "artifacts", key[] = "app.env";
    const struct sigv4_keys keys = { "AKIDEXAMPLE", "secret", "token" };
    const struct aws_caller who = { .aws = aws, .keys = &keys, .cache_id = "k" };
    const struct ecr_question token = { .caller = who,
                                        .region = "",
                                        .registry_id = "210987654321" };
    const struct secret_ref ref = { .id = arn };
    const struct s3_object object = { bucket, key };

    switch (kind) {
    case 0:
        ecr_token(cache, &token, on_token, NULL);
        break;
    case 1:
        ssm_get(&who, "", names, COUNT_OF(names), on_values, NULL);
        break;
    case 2:
        secret_get(&who, "", &ref, on_secret, NULL);
        break;
    case 3:
        s3_region(&who, bucket, on_region, NULL);
        break;
    case 4:
        s3_get(&who, "", &object, OBJECT_MAX, on_object, NULL);
        break;
    case 5:
        ec2_instance_tags(&who, "i-0abc", on_tags, NULL);
        break;
    default:
        ask_plainly(aws, (enum aws_protocol)(kind % 3), &keys);
        break;
    }
}

static void set_up(void)
{
    w.loop = loop_create();
    fuzz_server_init(&w.server, w.loop, false, fuzz_server_http);
    snprintf(w.endpoint, sizeof w.endpoint, "http://127.0.0.1:%d", w.server.port);
    w.http = http_client_create(w.loop, &(const struct http_client_config){ .ca_dir = "/" });
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ecr_cache *cache;
    struct aws *aws;

    if (!w.loop)
        set_up();
    if (!size)
        return 0;
    aws = aws_create(&(const struct aws_args){
        .http = w.http, .region = "eu-west-1", .env = env, .max_attempts = 1 });
    cache = ecr_cache_create(aws, 1);
    w.ends = 0;
    w.server.wrapped = data[0] >= 128;
    fuzz_server_begin(&w.server, fuzz_str(data + 1, size - 1));
    ask(data[0] % 9, aws, cache);
    loop_run(w.loop);
    LAW(w.ends == 1);
    fuzz_server_end(&w.server);
    ecr_cache_destroy(cache);
    aws_destroy(aws);
    return 0;
}
