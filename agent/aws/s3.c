/* S3: where a bucket is, and GetObject. */
#include <ctype.h>
#include <stdlib.h>

#include "aws/service.h"
#include "aws/sigv4.h"
#include "base/mem.h"
#include "io/loop.h"

#define REGION_OPERATION "HeadBucket"
#define OBJECT_OPERATION "GetObject"
#define LIMIT_MS         30000
/* An object takes longer than the answer of another service. */
#define OBJECT_TIMEOUT_MS 15000
#define PATH_MAX_BYTES    (8 * 1024) /* a key has at most 1024 bytes */
#define KEY_MAX           1024
#define BUCKET_MAX        255 /* the oldest ones; 63 today */
#define REGION_MAX        64

/* ---- names ---- */

static bool is_bucket(struct str s)
{
    if (s.n < 3 || s.n > BUCKET_MAX || s.p[0] == '.' || s.p[0] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '.' && s.p[i] != '-' && s.p[i] != '_')
            return false;
    }
    return true;
}

/* As a path, does it lead out of where it begins? The reference, which writes the object to
 * a folder, refuses those. */
static bool leaves_folder(const char *key)
{
    int depth = 0;

    for (const char *p = key; *p;) {
        size_t n = strcspn(p, "/");

        if (n == 2 && p[0] == '.' && p[1] == '.')
            depth--;
        else if (n > 1 || (n == 1 && p[0] != '.'))
            depth++;
        if (depth < 0)
            return true;
        p += n + (p[n] == '/');
    }
    return depth == 0;
}

enum err_code s3_object_parse(const char *arn, struct s3_object *out, struct err *e)
{
    const char *at, *slash;
    struct str bucket;

    if (!str_starts(arn, "arn:") || !(at = strstr(arn, ":s3:::")) || at <= arn + 4 ||
        memchr(arn + 4, ':', (size_t)(at - arn) - 4))
        return err_set(e, ERR_INVALID, "'%s' is not the ARN of an S3 object", arn);
    at += strlen(":s3:::");
    slash = strchr(at, '/');
    bucket = (struct str){ at, slash ? (size_t)(slash - at) : strlen(at) };
    if (!is_bucket(bucket))
        return err_set(e, ERR_INVALID, "'%s' has no name that a bucket can have", arn);
    if (!slash || !slash[1])
        return err_set(e, ERR_INVALID, "'%s' names no object in the bucket", arn);
    if (strlen(slash + 1) > KEY_MAX)
        return err_set(e, ERR_INVALID, "the key in bucket %.*s is longer than %d bytes",
                       (int)bucket.n, bucket.p, KEY_MAX);
    if (leaves_folder(slash + 1))
        return err_set(e, ERR_INVALID, "'%s' leaves its folder ('..')", arn);
    out->bucket = mem_strndup(bucket.p, bucket.n);
    out->key = mem_strdup(slash + 1);
    return ERR_OK;
}

void s3_object_fini(struct s3_object *o)
{
    free(o->bucket);
    free(o->key);
    *o = (struct s3_object){ 0 };
}

/* May the bucket be a label of a host's name? */
static bool is_label(const char *bucket)
{
    size_t n = strlen(bucket);

    if (n < 3 || n > 63 || bucket[0] == '-' || bucket[n - 1] == '-')
        return false;
    return strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

void s3_address(const char *base, bool by_path, const char *bucket, const char *key,
                char **endpoint, char **path)
{
    const char *host = strstr(base, "://");
    AUTO(buf) struct buf b = BUF_INIT(PATH_MAX_BYTES);

    host = host ? host + 3 : base;
    by_path = by_path || !is_label(bucket);
    if (by_path)
        *endpoint = mem_strdup(base);
    else
        *endpoint = mem_printf("%.*s%s.%s", (int)(host - base), base, bucket, host);
    buf_putc(&b, '/');
    if (by_path) {
        buf_puts(&b, bucket);
        if (key)
            buf_putc(&b, '/');
    }
    if (key)
        sigv4_escape(&b, str_of(key), true);
    *path = mem_strdup(buf_text(&b));
}

/* ---- the calls ---- */

struct s3_call {
    struct service_call base;
    struct aws_call *call;
    struct loop_timer *limit;
    char *bucket, *own_region;
    size_t max;
    s3_region_fn *on_region;
    s3_done_fn *on_object;
    void *user;
};

static void cancel(struct service_call *base)
{
    struct s3_call *c = (struct s3_call *)base;

    aws_call_cancel(c->call);
    loop_timer_destroy(c->limit);
    free(c->bucket);
    free(c->own_region);
    free(c);
}

static void on_limit(void *user)
{
    struct s3_call *c = user;
    struct s3_call was = *c;
    struct err e = { 0 };

    err_set(&e, ERR_TIMEOUT, "no answer in %d s", LIMIT_MS / 1000);
    cancel(&c->base);
    if (was.on_region)
        was.on_region(was.user, NULL, &e);
    else
        was.on_object(was.user, (struct str){ "", 0 }, &e);
}

static struct s3_call *start(const struct aws_caller *who, const char *region, const char *bucket,
                             const char *key, const struct aws_call_args *args, aws_done_fn *done,
                             void *user)
{
    struct s3_call *c = NEW(struct s3_call);
    AUTO(str) char *base = aws_endpoint(who->aws, AWS_S3, region);
    AUTO(str) char *endpoint = NULL;
    AUTO(str) char *path = NULL;
    struct service_question q = { .who = who, .place = AWS_S3, .region = region, .service = "s3" };

    s3_address(base, aws_endpoint_is_set(who->aws, AWS_S3), bucket, key, &endpoint, &path);
    q.endpoint = endpoint;
    q.of = *args;
    q.of.protocol = AWS_REST;
    q.of.path = path;
    c->base.cancel = cancel;
    c->bucket = mem_strdup(bucket);
    c->own_region = mem_strdup(aws_region(who->aws));
    c->user = user;
    c->call = service_send(&q, done, c);
    c->limit = loop_timer_create(http_client_loop(aws_http(who->aws)), on_limit, c);
    loop_timer_arm(c->limit, LIMIT_MS);
    return c;
}

/* It becomes a part of a host's name. */
static bool is_region(const char *s)
{
    size_t n = s ? strlen(s) : 0;

    return n && n < REGION_MAX && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static void on_head(void *user, const struct aws_result *r)
{
    struct s3_call *c = user;
    const char *told = r->r ? http_header(r->r, "x-amz-bucket-region") : NULL;
    int status = r->r ? r->r->status : 0;
    s3_region_fn *done = c->on_region;
    void *done_user = c->user;
    char *region = NULL;
    struct err e = { 0 };

    c->call = NULL;
    if (status == 404)
        err_set(&e, ERR_NOT_FOUND, "NoSuchBucket: bucket %s does not exist", c->bucket);
    else if (is_region(told))
        region = mem_strdup(told);
    else if (!r->e->code)
        region = mem_strdup(c->own_region); /* of a service that has no regions */
    else
        service_error(r, REGION_OPERATION, &e);
    if (e.code && status != 404)
        err_wrap(&e, "the region of bucket %s", c->bucket);
    cancel(&c->base);
    done(done_user, region, &e);
    free(region);
}

struct service_call *s3_region(const struct aws_caller *who, const char *bucket, s3_region_fn *done,
                               void *user)
{
    struct aws_call_args args = { .operation = REGION_OPERATION, .method = "HEAD" };
    struct s3_call *c = start(who, NULL, bucket, NULL, &args, on_head, user);

    c->on_region = done;
    return &c->base;
}

static void on_object(void *user, const struct aws_result *r)
{
    struct s3_call *c = user;
    s3_done_fn *done = c->on_object;
    void *done_user = c->user;
    size_t max = c->max;
    struct err e = { 0 };

    c->call = NULL;
    cancel(&c->base);
    if (r->e->code == ERR_LIMIT)
        err_set(&e, ERR_LIMIT, "the object is larger than %zu bytes", max);
    else if (r->e->code)
        service_error(r, OBJECT_OPERATION, &e);
    done(done_user, e.code ? (struct str){ "", 0 } : r->body, &e);
    service_wipe(r->body);
}

struct service_call *s3_get(const struct aws_caller *who, const char *region,
                            const struct s3_object *o, size_t max, s3_done_fn *done, void *user)
{
    struct aws_call_args args = { .operation = OBJECT_OPERATION,
                                  .method = "GET",
                                  .timeout_ms = OBJECT_TIMEOUT_MS,
                                  .max_answer = max };
    struct s3_call *c = start(who, region, o->bucket, o->key, &args, on_object, user);

    c->max = max;
    c->on_object = done;
    return &c->base;
}
