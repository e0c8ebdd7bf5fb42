/* S3: HEAD of a bucket, GET (with Range) and HEAD of an object. A bucket is the
 * first part of the path or the first labels of the Host. */
#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "standins.h"

#define SERVICE     "s3"
#define OBJECT_MAX  ((size_t)32 * 1024 * 1024)
#define UNSUPPORTED "Unsupported"

/* What a request is about. */
struct target {
    char *bucket, *key; /* key "" for the bucket itself */
    struct cloud_thing *thing;
};

static void target_fini(struct target *t)
{
    free(t->bucket);
    free(t->key);
}

/* ---- whose bucket ---- */

static bool is_address(const char *host)
{
    unsigned char out[16];

    return *host == '[' || inet_pton(AF_INET, host, out) == 1 || streq(host, "localhost");
}

static bool is_own(const struct standins *st, const char *host)
{
    const char *url = cp_server_public_url(standins_server(st)), *at = strstr(url, "://");
    size_t n;

    at = at ? at + 3 : url;
    n = strcspn(at, ":/");
    return n == strlen(host) && memcmp(host, at, n) == 0;
}

/* The bucket that the Host names; NULL: the path names it. free() it. */
static char *bucket_of_host(const struct standins *st, struct cp_http *h)
{
    const char *given = h->header(h, "Host"), *dot;
    AUTO(str) char *host = given ? mem_strndup(given, strcspn(given, ":")) : mem_strdup("");
    const struct cloud_thing *known;

    if ((given && is_address(given)) || is_address(host) || is_own(st, host) ||
        str_starts(host, "s3.") || str_starts(host, "s3-"))
        return NULL;
    known = cloud_find_bucket_host(standins_cloud(st), host);
    if (known)
        return mem_strdup(known->name);
    dot = strstr(host, ".s3");
    if (!dot) {
        dot = strchr(host, '.');
        if (!dot || !(is_own(st, dot + 1) || is_address(dot + 1)))
            return NULL;
    }
    return mem_strndup(host, (size_t)(dot - host));
}

static struct target target_of(const struct standins *st, struct cp_http *h)
{
    struct buf decoded = BUF_INIT(64 * 1024);
    struct target t = { .bucket = bucket_of_host(st, h) };
    const char *path;

    url_decode(str_of(h->raw_path), false, &decoded);
    path = buf_text(&decoded);
    path += *path == '/';
    if (!t.bucket) {
        size_t n = strcspn(path, "/");

        t.bucket = mem_strndup(path, n);
        path += n + (path[n] == '/');
    }
    t.key = mem_strdup(path);
    t.thing = cloud_find(standins_cloud(st), CLOUD_BUCKET, NULL, t.bucket);
    buf_fini(&decoded);
    return t;
}

/* Reading the list of a bucket and other things that have a query are not offered. */
static bool plain_query(struct cp_http *h)
{
    return !*h->raw_query || str_starts(h->raw_query, "x-id=");
}

static const char *operation_name(void *user, struct cp_http *h, bool is_signed)
{
    const struct standins *st = user;
    struct target t = target_of(st, h);
    bool head = streq(h->method, "HEAD"), get = streq(h->method, "GET");
    const char *name = UNSUPPORTED;

    if (!is_signed && !t.thing)
        name = NULL;
    else if (plain_query(h) && head)
        name = *t.key ? "HeadObject" : "HeadBucket";
    else if (plain_query(h) && get && *t.key)
        name = "GetObject";
    target_fini(&t);
    return name;
}

/* ---- objects ---- */

static bool repeat(const char *text, int64_t size, struct buf *out)
{
    size_t n = strlen(text);

    while (n && (int64_t)out->len < size) {
        size_t left = (size_t)size - out->len;

        if (!buf_append(out, text, left < n ? left : n))
            return false;
    }
    return true;
}

static bool decode_base64(const char *text, struct buf *out)
{
    size_t n = strlen(text);
    char *room = n % 4 ? NULL : buf_reserve(out, n);
    int got =
        room ? EVP_DecodeBlock((unsigned char *)room, (const unsigned char *)text, (int)n) : -1;

    if (got < 0)
        return false;
    buf_grew(out, (size_t)got - str_ends(text, "=") - str_ends(text, "=="));
    return true;
}

/* The bytes of an object; false: there is none. */
static bool object_bytes(struct cloud_thing *bucket, const char *key, struct buf *out)
{
    struct jcur entry = cloud_entry(bucket), objects = jcur_obj(&entry, "objects");
    struct jcur v = jcur_exact(&objects, key);
    const char *base64;

    if (!jcur_present(&v))
        return false;
    if (jcur_type(&v) == JSON_STR) {
        struct str bytes = jcur_as_bytes(&v);

        return buf_append(out, bytes.p, bytes.n);
    }
    base64 = jcur_str_or(&v, "base64", NULL);
    if (base64)
        return decode_base64(base64, out);
    return repeat(jcur_str_or(&v, "repeat", ""), jcur_int_or(&v, "size", 0, OBJECT_MAX, 0), out);
}

enum range { RANGE_NONE, RANGE_GOOD, RANGE_BAD };

/* "bytes=0-4", "bytes=5-", "bytes=-3"; a header of another form is ignored. */
static enum range range_read(const char *text, size_t size, size_t *first, size_t *last)
{
    char a[24] = "", b[24] = "";
    int64_t from, to;
    const char *dash;

    if (!text || !str_starts(text, "bytes=") || strchr(text, ','))
        return RANGE_NONE;
    text += strlen("bytes=");
    dash = strchr(text, '-');
    if (!dash || (size_t)(dash - text) >= sizeof a || strlen(dash + 1) >= sizeof b)
        return RANGE_NONE;
    memcpy(a, text, (size_t)(dash - text));
    memcpy(b, dash + 1, strlen(dash + 1));
    if ((*a && str_to_int(a, 0, INT64_MAX, &from, NULL)) ||
        (*b && str_to_int(b, 0, INT64_MAX, &to, NULL)) || (!*a && !*b))
        return RANGE_NONE;
    if (!*a) { /* the last `to` bytes */
        from = (int64_t)size - to;
        from = from < 0 ? 0 : from;
        if (to == 0)
            return RANGE_BAD;
        to = (int64_t)size - 1;
    } else if (!*b) {
        to = (int64_t)size - 1;
    } else if (to < from) {
        return RANGE_NONE;
    }
    if (from >= (int64_t)size)
        return RANGE_BAD;
    *first = (size_t)from;
    *last = to >= (int64_t)size ? size - 1 : (size_t)to;
    return RANGE_GOOD;
}

static void answer_object(struct cp_http *h, const struct buf *bytes, enum range range,
                          size_t first, size_t last)
{
    unsigned char sum[SHA256_DIGEST_LENGTH];
    char hex[33], etag[40], text[96];

    SHA256((const unsigned char *)buf_text(bytes), bytes->len, sum);
    str_hex(sum, 16, hex);
    snprintf(etag, sizeof etag, "\"%s\"", hex);
    cp_http_set(h, "ETag", etag);
    cp_http_set(h, "Accept-Ranges", "bytes");
    cp_http_set(h, "Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT");
    if (range == RANGE_GOOD) {
        snprintf(text, sizeof text, "bytes %zu-%zu/%zu", first, last, bytes->len);
        cp_http_set(h, "Content-Range", text);
        cp_http_reply(h, 206, "binary/octet-stream",
                      (struct str){ bytes->data + first, last - first + 1 });
    } else {
        cp_http_reply(h, 200, "binary/octet-stream", buf_str(bytes));
    }
}

/* ---- answers ---- */

/* What is asked, and what has to be said about it. */
struct s3 {
    struct standins *st;
    struct standin_call sc;
    struct cp_http *h;
    const char *operation;
    const struct cp_caller *who;
    struct target t;
};

static void refuse(struct s3 *x, int status, const char *type, const char *message,
                   const char *element, const char *text)
{
    struct buf details = BUF_INIT(8192);

    if (element)
        xml_element(&details, element, text);
    standin_note(x->st, &x->sc, type);
    cp_http_refuse(x->h, &(const struct dialect_error){ status, type, message },
                   buf_text(&details));
    buf_fini(&details);
}

static void wrong_region(struct s3 *x)
{
    AUTO(str) char *text = NULL;

    if (streq(x->h->method, "HEAD")) {
        refuse(x, 301, "PermanentRedirect",
               "The bucket you are attempting to access must be addressed using the specified "
               "endpoint.",
               NULL, NULL);
        return;
    }
    text = mem_printf("The authorization header is malformed; the region '%s' is wrong; expecting "
                      "'%s'",
                      x->who->region, x->t.thing->region);
    refuse(x, 400, "AuthorizationHeaderMalformed", text, "Region", x->t.thing->region);
}

static void denied(struct s3 *x)
{
    bool object = *x->t.key;
    AUTO(str)
    char *arn = mem_printf("arn:aws:s3:::%s%s%s", x->t.bucket, object ? "/" : "", x->t.key);
    AUTO(str)
    char *text =
        standin_denial(x->st, x->who->access_key, object ? "s3:GetObject" : "s3:ListBucket", arn);

    refuse(x, 403, "AccessDenied", text, NULL, NULL);
}

static void get_object(struct s3 *x)
{
    struct buf bytes = BUF_INIT(OBJECT_MAX);
    size_t first = 0, last = 0;
    enum range range;

    if (!object_bytes(x->t.thing, x->t.key, &bytes)) {
        refuse(x, 404, "NoSuchKey", "The specified key does not exist.", "Key", x->t.key);
        buf_fini(&bytes);
        return;
    }
    range = range_read(x->h->header(x->h, "Range"), bytes.len, &first, &last);
    if (range == RANGE_BAD) {
        refuse(x, 416, "InvalidRange", "The requested range is not satisfiable", "RangeRequested",
               x->h->header(x->h, "Range"));
    } else {
        standin_note(x->st, &x->sc, "");
        answer_object(x->h, &bytes, range, first, last);
    }
    buf_fini(&bytes);
}

static void serve(struct s3 *x)
{
    const char *region = x->t.thing ? x->t.thing->region : NULL;

    if (streq(x->operation, UNSUPPORTED)) {
        refuse(x, 501, "NotImplemented",
               "A header you provided implies functionality that is not implemented.", NULL, NULL);
        return;
    }
    if (!region) {
        refuse(x, 404, "NoSuchBucket", "The specified bucket does not exist", "BucketName",
               x->t.bucket);
        return;
    }
    cp_http_set(x->h, "x-amz-bucket-region", region);
    if (!streq(region, x->who->region)) {
        wrong_region(x);
    } else if (!standin_may(x->st, x->t.thing, x->who->access_key)) {
        denied(x);
    } else if (streq(x->operation, "HeadBucket")) {
        standin_note(x->st, &x->sc, "");
        cp_http_reply(x->h, 200, "application/xml", str_of(""));
    } else {
        get_object(x);
    }
}

static void on_request(void *user, struct cp_http *h, const char *operation,
                       const struct cp_caller *who)
{
    struct s3 x = { .st = user, .h = h, .operation = operation, .who = who };
    AUTO(str) char *name = NULL;

    x.t = target_of(x.st, h);
    x.sc = standin_http_call(SERVICE, operation, h, who);
    name = mem_printf("%s%s%s", x.t.bucket, *x.t.key ? "/" : "", x.t.key);
    standin_name(&x.sc, name);
    serve(&x);
    target_fini(&x.t);
}

void standin_s3_add(struct standins *st)
{
    cp_server_add_rest(standins_server(st), SERVICE, operation_name, on_request, st);
}
